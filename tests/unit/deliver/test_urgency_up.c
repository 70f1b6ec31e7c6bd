/* test_urgency_up.c - a study is an emergency when its clinic says so, before or after its read is
 * there, and none any more when the clinic says that. */
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
urgent(uint32_t revision, bool is_urgent, const char *reason)
{
    struct clinic_up m = up_of_study(CLINIC_STUDY_URGENT, revision, reason);

    m.is_urgent = is_urgent;
    return m;
}

static void
raise_by_doctor(void)
{
    const struct read_urgency raise = {.actor = "doc1",
                                       .by = "王医生",
                                       .org = "H1",
                                       .reason = "怀疑主动脉夹层",
                                       .is_emergency = true};
    struct pg_conn *conn = NULL;
    struct err err;

    assert_int_equal(pg_get(w.reads.pg, &conn, &err), 0);
    assert_int_equal(pg_begin(conn, &err), 0);
    assert_int_equal(assign_urgency_put(conn, read_of(STUDY).read_id, &raise, &err), 0);
    assert_int_equal(pg_commit(conn, &err), 0);
    pg_put(&conn);
}

static void
what_was_said_before_the_read_is_there_counts(void **state)
{
    struct clinic_up m = urgent(5, true, "胸痛");
    struct read_row row;

    (void)state;
    assert_string_equal(apply(&m), "done");
    report_world_study(&w, "T1", STUDY);
    row = read_of(STUDY);
    assert_true(row.is_emergency);
    assert_string_equal(row.urgency_reason, "胸痛");
    assert_string_equal(row.urgency_by, "张护士");
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'urgency'"), 1);
}

static void
the_clinic_takes_it_back_and_a_late_message_changes_nothing(void **state)
{
    struct clinic_up first = urgent(5, true, "胸痛"), back = urgent(7, false, "误标"),
                     late = urgent(6, true, "胸痛");

    (void)state;
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(apply(&first), "done");
    assert_true(read_of(STUDY).is_emergency);
    assert_string_equal(apply(&back), "done");
    assert_string_equal(apply(&late), "done");
    assert_false(read_of(STUDY).is_emergency);
    assert_string_equal(read_of(STUDY).urgency_reason, "");
    assert_string_equal(apply_as("T2", "g1", &late), "done"); /* another clinic's own study */
    assert_false(read_of(STUDY).is_emergency);
}

static void
an_urgent_registration_does_not_raise_what_the_clinic_lowered(void **state)
{
    struct clinic_up back = urgent(7, false, "误标"), again;

    (void)state;
    report_world_study(&w, "T1", STUDY);
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    again = up(CLINIC_URGENT, REG);
    again.is_urgent = true;
    assert_string_equal(apply(&again), "done");
    assert_true(read_of(STUDY).is_emergency);
    assert_string_equal(apply(&back), "done");
    assert_false(read_of(STUDY).is_emergency);
    again = up(CLINIC_REGISTRATION, REG); /* told again: its name was put right */
    again.revision = 9;
    assert_string_equal(apply(&again), "done");
    assert_false(read_of(STUDY).is_emergency);
}

/* Its images come under its number before the desk has seen them. */
static void
a_registration_that_is_urgent_no_more_makes_no_read_an_emergency(void **state)
{
    struct clinic_up again = up(CLINIC_REGISTRATION, REG), back = up(CLINIC_URGENT, REG);

    (void)state;
    again.is_urgent = true;
    text_copy(again.reason, sizeof again.reason, "外伤");
    text_copy(back.reason, sizeof back.reason, "误标");
    assert_string_equal(apply(&again), "done");
    assert_string_equal(apply(&back), "done");
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(attach(REG, STUDY), "done");
    assert_false(read_of(STUDY).is_emergency);
}

static void
of_a_registration_that_is_urgent_no_more_a_doctors_raise_stays(void **state)
{
    struct clinic_up again = up(CLINIC_URGENT, REG), back = up(CLINIC_URGENT, REG);

    (void)state;
    again.is_urgent = true;
    report_world_study(&w, "T1", STUDY);
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    assert_string_equal(apply(&again), "done");
    assert_true(read_of(STUDY).is_emergency);
    assert_string_equal(apply(&back), "done");
    assert_false(read_of(STUDY).is_emergency);

    raise_by_doctor();
    back = up(CLINIC_URGENT, REG);
    assert_string_equal(apply(&back), "done");
    assert_true(read_of(STUDY).is_emergency);
}

static void
a_doctors_raise_goes_down_to_the_desk_and_the_desks_own_word_does_not(void **state)
{
    struct clinic_up m = urgent(5, true, "胸痛"), back = urgent(6, false, "误标");
    struct clinic_down down;

    (void)state;
    report_world_study(&w, "T1", STUDY);
    assert_string_equal(apply(&m), "done");
    assert_string_equal(apply(&back), "done");
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM clinic_down WHERE kind = 'urgency'"), 0);
    raise_by_doctor();
    tell_all();
    down = last_of("T1", CLINIC_URGENCY);
    assert_string_equal(down.urgency, "stat");
    assert_string_equal(down.reason, "怀疑主动脉夹层");
    assert_string_equal(down.author, "王医生");
    assert_string_equal(down.study, STUDY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_said_before_the_read_is_there_counts),
        TEST(the_clinic_takes_it_back_and_a_late_message_changes_nothing),
        TEST(a_doctors_raise_goes_down_to_the_desk_and_the_desks_own_word_does_not),
        TEST(an_urgent_registration_does_not_raise_what_the_clinic_lowered),
        TEST(a_registration_that_is_urgent_no_more_makes_no_read_an_emergency),
        TEST(of_a_registration_that_is_urgent_no_more_a_doctors_raise_stays),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
