/* test_spool_names.c - nothing from outside names a file (docs/formats/spool.md, invariant 10). */
#include "gateway/spool/spool.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { SPILLED = 3 << 20, OWN = 17 << 20 };

static struct err err;

static struct spool_draft *
begin(struct spool_fixture *f, const char *uid, size_t n)
{
    struct spool_meta meta = {.sop_class = "../a", .calling_ae = "../b"};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = fixture_bytes(n, 1);

    snprintf(meta.sop_instance, sizeof meta.sop_instance, "%s", uid);
    if (spool_draft_begin(f->sp, &meta, &draft, &err) < 0 ||
        spool_draft_write(draft, bytes, n, &err) < 0)
        fail_msg("%s: %s", uid, err.text);
    free(bytes);
    return draft;
}

static void
commit(struct spool_fixture *f, struct spool_draft *draft)
{
    uint64_t id;

    if (spool_commit(f->sp, &draft, &id, &err) < 0)
        fail_msg("%s", err.text);
}

/* No name in a folder has any of the word in it. */
static void
assert_unnamed(const struct spool_fixture *f, const char *folder, const char *word)
{
    char path[FOLDER_PATH_BYTES + 32];
    struct dirent *d;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s", f->dir, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL)
        if (strstr(d->d_name, word) != NULL)
            fail_msg("%s/%s is named by a sender", folder, d->d_name);
    closedir(dir);
}

static void
a_hostile_uid_names_no_file(void **state)
{
    static const char *const uids[] = {"../../evil", "/evil", "..", "evil/../../x", "", "evil"};
    static const char *const folders[] = {".", "..", "tmp", "segments", "journal", "corrupt"};
    struct spool_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
        struct spool_draft *spilled = begin(f, uids[i], SPILLED);
        struct spool_draft *own = begin(f, uids[i], OWN);

        for (size_t k = 0; k < ARRAY_LEN(folders); k++)
            assert_unnamed(f, folders[k], "evil");
        commit(f, spilled);
        commit(f, own);
    }
    for (size_t k = 0; k < ARRAY_LEN(folders); k++)
        assert_unnamed(f, folders[k], "evil");
}

static void
two_senders_of_one_uid_do_not_meet(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_draft *a = begin(f, "1.2.3", SPILLED), *b = begin(f, "1.2.3", SPILLED);
    struct spool_filter twins = {.sop_instance = "1.2.3"};
    uint64_t *ids;
    size_t n;

    commit(f, a);
    commit(f, b);
    spool_list(f->sp, &twins, &ids, &n);
    assert_int_equal(n, 2);
    fixture_assert_bytes(f, ids[0], SPILLED, 1);
    fixture_assert_bytes(f, ids[1], SPILLED, 1);
    free(ids);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hostile_uid_names_no_file, spool_fixture_setup,
                                        spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(two_senders_of_one_uid_do_not_meet, spool_fixture_setup,
                                        spool_fixture_teardown),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
