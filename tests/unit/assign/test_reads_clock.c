/* test_reads_clock.c - a clock, the reader's or the centre's, was half a year ahead for a while and
 * is right again: no read is held up by what was written down then. */
#include "tests/unit/assign/assign_case.h"

#define AHEAD_US (INT64_C(200) * 86400 * 1000000)
#define HOUR_US INT64_C(3600000000)

static void
clock_is_ahead(void)
{
    clock_fake(clock_wall_us() + AHEAD_US, clock_mono_ms());
}

static void
a_lease_given_then_is_over_a_lease_later(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    row = a_read();
    clock_is_ahead();
    OK(claims("doc1", row.read_id, &lease, &err));
    clock_unfake();

    row = settled("T1", "1.2.3");
    assert_string_equal(row.claimed_by, "doc1");
    clock_fake(clock_wall_us() + 2 * HOUR_US, clock_mono_ms() + 2 * HOUR_US / 1000);
    row = settled("T1", "1.2.3");
    assert_string_equal(row.claimed_by, "");
    OK(claims("doc2", row.read_id, &lease, &err));
    clock_unfake();
}

static void
a_clock_that_is_behind_for_a_moment_takes_no_read_from_its_doctor(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    row = a_read();
    OK(claims("doc1", row.read_id, &lease, &err));

    clock_fake(clock_wall_us() - 3 * HOUR_US, clock_mono_ms());
    read_world_settle(&w);
    clock_unfake();

    row = settled("T1", "1.2.3");
    assert_string_equal(row.claimed_by, "doc1");
    assert_true(row.lease_until_us > clock_wall_us());
}

static void
a_read_nobody_was_there_for_then_is_given_to_who_is_there_now(void **state)
{
    bool has_changed;
    struct err err;

    (void)state;
    read_world_study("1.2.11", "P", "DX");
    read_world_count(&w, "UPDATE doctors SET is_on_duty = false");
    clock_is_ahead();
    read_world_closes(&w, "T1", "1.2.11", 1, 1);
    assert_string_equal(settled("T1", "1.2.11").assigned_to, "");
    clock_unfake();

    read_world_count(&w, "UPDATE doctors SET is_on_duty = true WHERE login = 'doc1'");
    OK(choose_round(w.pg, 0, &has_changed, &err));
    assert_string_equal(read_of("T1", "1.2.11").assigned_to, "doc1");
}

static void
a_study_put_aside_then_is_asked_for_now(void **state)
{
    struct err err;

    (void)state;
    read_world_study("1.2.8", "P8", NULL);
    clock_is_ahead();
    read_world_closes(&w, "T1", "1.2.8", 1, 300);
    read_world_settle(&w);
    clock_unfake();
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 1);

    read_world_study("1.2.8", "P8", "CT");
    OK(intake_step(w.assign, 0, &err));
    assert_int_equal(read_of("T1", "1.2.8").instances, 300);
}

static void
a_study_the_centre_closed_then_is_due_as_if_closed_now(void **state)
{
    int64_t due_at_us;

    (void)state;
    clock_is_ahead();
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    clock_unfake();

    due_at_us = settled("T1", "1.2.3").due_at_us;
    assert_true(due_at_us > clock_wall_us() && due_at_us < clock_wall_us() + 48 * HOUR_US);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_lease_given_then_is_over_a_lease_later),
        CASE(a_clock_that_is_behind_for_a_moment_takes_no_read_from_its_doctor),
        CASE(a_read_nobody_was_there_for_then_is_given_to_who_is_there_now),
        CASE(a_study_put_aside_then_is_asked_for_now),
        CASE(a_study_the_centre_closed_then_is_due_as_if_closed_now),
    };

    RUN_CASES(tests);
}
