/* test_absent_up.c - images that a device announced and that will not come, as the clinic says:
 * before or after the read is there, until the clinic says otherwise. */
#include "reader/deliver/clinic_up.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct clinic_up
absent(uint32_t revision, uint32_t images, const char *reason)
{
    struct clinic_up m = up_of_study(CLINIC_ABSENT, revision, "第三幅");

    m.images = images;
    text_copy(m.absent, sizeof m.absent, reason);
    return m;
}

static void
what_was_said_before_the_read_is_there_stands_in_it(void **state)
{
    struct clinic_up m = absent(5, 1, "deleted");
    struct read_row row;

    (void)state;
    assert_string_equal(apply(&m), "done");
    report_world_study(&w, "T1", STUDY);
    row = read_of(STUDY);
    assert_int_equal(row.absent, 1);
    assert_string_equal(row.absent_reason, "deleted");
    assert_string_equal(row.absent_words, "第三幅");
    assert_string_equal(row.absent_by, "张护士");
}

static void
the_newest_word_counts_and_is_in_the_reads_log(void **state)
{
    struct clinic_up first = absent(5, 2, "deleted"), came = absent(7, 0, "deleted"),
                     late = absent(6, 1, "deleted");

    (void)state;
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(apply(&first), "done");
    assert_int_equal(read_of(STUDY).absent, 2);
    assert_string_equal(apply(&came), "done");
    assert_string_equal(apply(&late), "done");
    assert_int_equal(read_of(STUDY).absent, 0);
    assert_string_equal(read_of(STUDY).absent_reason, "");
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'absent'"), 2);
    late = absent(9, 1, "deleted");
    assert_string_equal(apply_as("T2", "g1", &late), "done"); /* another clinic's own study */
    assert_int_equal(read_of(STUDY).absent, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_said_before_the_read_is_there_stands_in_it),
        TEST(the_newest_word_counts_and_is_in_the_reads_log),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
