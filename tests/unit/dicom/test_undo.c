/* test_undo.c - what left under other numbers and comes back: known for what is kept when all that
 * stood there is told, and for nothing else. */
#include "proto/dicom/undo.h"

#include "proto/dicom/dataset_digest.h"
#include "tests/support/leaving_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Is what left known for the one that is kept; and for another one? */
static void
must_be_known(const struct leaving_image *m, const char *syntax, bool is_known)
{
    struct leaving_image other = *m;
    struct buf stored, changed, out;
    uint8_t kept[32], another[32];
    struct err err = {0};
    bool is;

    leaving_file(m, syntax, &stored);
    other.has_large = !m->has_large;
    leaving_file(&other, syntax, &changed);
    assert_int_equal(dcm_dataset_digest(stored.bytes, stored.n, kept, &err), 0);
    assert_int_equal(dcm_dataset_digest(changed.bytes, changed.n, another, &err), 0);
    leaving_of(&stored, &out, &is);
    assert_true(is);

    assert_int_equal(dcm_was_dataset(out.bytes, out.n, kept, &is, &err), 0);
    if (is != is_known)
        fail_msg("study %s, series %s, %s: known %d", m->study, m->series, syntax, is);
    assert_int_equal(dcm_was_dataset(out.bytes, out.n, another, &is, &err), 0);
    assert_false(is);
    assert_int_equal(dcm_was_dataset(stored.bytes, stored.n, kept, &is, &err), 0);
    assert_false(is); /* it never left */
    buf_fini(&out);
    buf_fini(&changed);
    buf_fini(&stored);
}

static void
what_left_is_known_for_what_is_kept_when_it_comes_back(void **state)
{
    static const struct leaving_image rows[] = {
        {.study = NULL, .has_pixels = true},
        {.study = "", .series = LEAVING_SERIES, .has_originals = true},
        {.study = "", .series = NULL, .is_behind_group_length = true},
        {.study = "1.2.abc", .series = LEAVING_SERIES, .is_behind_group_length = true},
        {.study = LEAVING_LETTERS_65, .series = "US 1", .has_large = true, .has_pixels = true},
        {.study = "1.2.4", .series = "1.2.5", .has_originals = true, .has_pixels = true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * LEAVING_SYNTAXES; i++)
        must_be_known(&rows[i / LEAVING_SYNTAXES], leaving_syntaxes[i % LEAVING_SYNTAXES], true);
}

static void
what_left_with_more_than_is_told_of_it_is_not_known(void **state)
{
    static char letters[1101];

    (void)state;
    memset(letters, 'x', sizeof letters - 1);
    must_be_known(&(struct leaving_image){.study = letters, .series = LEAVING_SERIES},
                  DCM_UID_EXPLICIT_LE, false);
}

static void
what_another_system_changed_is_not_known(void **state)
{
    struct leaving_image m = {.study = "1.2.abc", .series = LEAVING_SERIES, .has_pixels = true};
    static const char ours[] = "RADPOST_";
    struct buf stored, out;
    struct err err = {0};
    uint8_t kept[32];
    uint8_t *at;
    bool is;

    (void)state;
    leaving_file(&m, DCM_UID_EXPLICIT_LE, &stored);
    assert_int_equal(dcm_dataset_digest(stored.bytes, stored.n, kept, &err), 0);
    leaving_of(&stored, &out, &is);
    at = memmem(out.bytes + 400, out.n - 400, ours, sizeof ours - 1); /* behind the meta group */
    assert_non_null(at);
    *at = 'r';
    assert_int_equal(dcm_was_dataset(out.bytes, out.n, kept, &is, &err), 0);
    assert_false(is);
    buf_fini(&out);
    buf_fini(&stored);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_left_is_known_for_what_is_kept_when_it_comes_back),
        cmocka_unit_test(what_left_with_more_than_is_told_of_it_is_not_known),
        cmocka_unit_test(what_another_system_changed_is_not_known),
    };

    return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
