/* test_pace.c - the token bucket keeps its rate, the back-off its bounds. */
#include "gateway/uplink/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void
a_bucket_lets_its_rate_through_and_no_more(void **state)
{
    static const uint64_t rates[] = {1000, 64000, 1250000, 100000000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct bucket b = {.rate = rates[i]};
        int64_t now = 5000, begun = now;
        uint64_t sent = 0, piece = rates[i] / 37 + 1;

        while (now < begun + 20000) {
            now += bucket_take(&b, piece, now);
            sent += piece;
        }
        assert_in_range(sent, rates[i] * 20 * 98 / 100, rates[i] * 20 * 103 / 100);
    }
}

static void
a_bucket_without_rate_never_waits(void **state)
{
    struct bucket b = {0};

    (void)state;
    assert_int_equal(bucket_take(&b, UINT64_MAX, 1), 0);
}

static void
an_idle_bucket_saves_up_a_quarter_of_a_second_only(void **state)
{
    struct bucket b = {.rate = 10000};

    (void)state;
    assert_int_equal(bucket_take(&b, 1, 0), 0);
    assert_int_equal(bucket_take(&b, 2500, 3600000), 0);
    assert_true(bucket_take(&b, 1000, 3600000) > 0);
}

static void
what_went_beside_is_owed_and_a_new_rate_holds_at_once(void **state)
{
    struct bucket b = {.rate = 10000};

    (void)state;
    assert_int_equal(bucket_take(&b, 2500, 0), 0);
    bucket_settle(&b, 500); /* headers, repeats */
    assert_int_equal(bucket_take(&b, 500, 0), 100);
    bucket_settle(&b, 1000000);
    bucket_set_rate(&b, 20000); /* owed: a quarter of a second of it, no more */
    assert_int_equal(bucket_take(&b, 1000, 0), 300);
    bucket_set_rate(&b, 0);
    assert_int_equal(bucket_take(&b, 1000000, 0), 0);
}

static void
backoff_doubles_within_its_bounds_with_jitter(void **state)
{
    static const int64_t steps[] = {500, 1000, 2000, 4000, 8000, 15000, 15000};
    struct backoff low = {.least_ms = 500, .most_ms = 15000};
    struct backoff high = low;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(backoff_next(&low, 0.0), steps[i] / 2);
        assert_int_equal(backoff_next(&high, 1.0), steps[i]);
    }
    backoff_reset(&low);
    assert_int_equal(backoff_next(&low, 1.0), 500);
}

static void
the_meter_settles_at_the_speed_and_falls_to_nothing(void **state)
{
    struct meter m = {0};
    int64_t now = 0;

    (void)state;
    for (; now < 30000; now += 100)
        meter_add(&m, 50000, now);
    assert_in_range(meter_read(&m, now), 480000, 520000);
    assert_in_range(meter_read(&m, now + 60000), 0, 9000);
}

/* What a line shows in steps of a tenth of a second, and what is believed of it then. Mbit/s. */
static void
a_line_is_known_by_what_it_has_shown(void **state)
{
    static const struct {
        const char *name;
        struct {
            int steps;
            double carried, burst;
            bool is_full;
        } spells[4];
        double least, most;
    } rows[] = {
        {"nothing was sent", {{0, 0, 0, false}}, 0, 0},
        {"a coder gives 20, its trains show 60", {{50, 20, 60, false}}, 60, 60},
        {"trains get longer", {{2, 1, 8, false}, {2, 5, 25, false}, {2, 9, 75, false}}, 75, 75},
        {"one of two connections, both full", {{50, 9.6, 5.2, true}}, 9.6, 9.6},
        {"then there is little to send", {{50, 9.6, 5, true}, {100, 1, 3, false}}, 8.5, 9.6},
        {"nothing for five minutes", {{50, 48, 50, false}, {3000, 0, 0, false}}, 1, 2},
        {"an hour later", {{50, 48, 50, false}, {36000, 0, 0, false}}, 0, 0.1},
        {"it has become slower and is full", {{50, 48, 50, false}, {100, 4, 3, true}}, 4, 4.2},
        {"and fast again", {{9, 50, 50, false}, {99, 4, 3, true}, {1, 9, 45, false}}, 45, 45},
        {"the kernel says nothing", {{50, 9, 0, false}, {20, 2, 0, false}}, 8, 9},
        {"ten seconds cut", {{50, 9, 9, true}, {100, 0, 0, true}, {10, 3, 8, true}}, 8, 8.1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reach r = {0};
        int64_t now = 1000;

        for (size_t k = 0; k < ARRAY_LEN(rows[i].spells); k++)
            for (int step = 0; step < rows[i].spells[k].steps; step++, now += 100)
                reach_note(&r, rows[i].spells[k].carried, rows[i].spells[k].burst,
                           rows[i].spells[k].is_full, now);

        if (r.rate < rows[i].least || r.rate > rows[i].most)
            fail_msg("%s: %.2f, wanted %.2f to %.2f", rows[i].name, r.rate, rows[i].least,
                     rows[i].most);
    }
}

/* Two coders ask within the same millisecond. */
static void
a_word_said_twice_forgets_nothing(void **state)
{
    struct reach r = {0};

    (void)state;
    reach_note(&r, 10, 20, false, 5000);
    reach_note(&r, 1, 0, true, 5000);
    reach_note(&r, 1, 0, true, 4000); /* a clock that was read before the other's */

    assert_true(r.rate == 20);
}

/* The next study after a night. */
static void
a_silent_line_stays_as_it_was(void **state)
{
    struct reach r = {0};

    (void)state;
    reach_note(&r, 40, 50, false, 1000);
    reach_note(&r, 0, 3, false, INT64_C(9) * 3600 * 1000);

    assert_true(r.rate > 49);
}

/* Ten wanted in a row: a fifth of the line stays free from the first byte on. */
static void
a_line_is_eased_while_looks_come(void **state)
{
    struct ease e = {0};
    int64_t now = 1000, wait;

    (void)state;
    assert_false(ease_is_on(&e, now));
    assert_int_equal(ease_take(&e, 1000000, now), 0);
    ease_want(&e, 0, now); /* nobody knows what the line carries */
    assert_int_equal(ease_take(&e, 1000000, now), 0);

    ease_want(&e, 1e6, now);
    assert_true(ease_is_on(&e, now));
    wait = ease_take(&e, 80000, now);
    assert_int_equal(wait, 100);
    for (now += wait; now < 4000; now += wait) { /* the rate then shown changes nothing */
        ease_want(&e, 0.5e6, now);
        wait = ease_take(&e, 80000, now);
        assert_in_range(wait, 99, 101);
    }

    assert_true(ease_is_on(&e, now + 1000));
    assert_false(ease_is_on(&e, now + 2000)); /* no more looks */
}

static void
a_line_is_eased_for_seconds_and_not_again_at_once(void **state)
{
    struct ease e = {0};
    int64_t now;

    (void)state;
    for (now = 1000; now < 30000; now += 100)
        ease_want(&e, 1e6, now);
    assert_false(ease_is_on(&e, now)); /* a queue of hours has the whole line */
    for (; now < 70000; now += 100)
        ease_want(&e, 1e6, now);
    assert_true(ease_is_on(&e, now));

    ease_end(&e); /* an emergency */
    assert_false(ease_is_on(&e, now));
    ease_want(&e, 1e6, now);
    assert_false(ease_is_on(&e, now));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_known_by_what_it_has_shown),
        cmocka_unit_test(a_word_said_twice_forgets_nothing),
        cmocka_unit_test(a_silent_line_stays_as_it_was),
        cmocka_unit_test(a_line_is_eased_while_looks_come),
        cmocka_unit_test(a_line_is_eased_for_seconds_and_not_again_at_once),
        cmocka_unit_test(a_bucket_lets_its_rate_through_and_no_more),
        cmocka_unit_test(a_bucket_without_rate_never_waits),
        cmocka_unit_test(an_idle_bucket_saves_up_a_quarter_of_a_second_only),
        cmocka_unit_test(what_went_beside_is_owed_and_a_new_rate_holds_at_once),
        cmocka_unit_test(backoff_doubles_within_its_bounds_with_jitter),
        cmocka_unit_test(the_meter_settles_at_the_speed_and_falls_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
