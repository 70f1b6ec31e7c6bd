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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_lets_its_rate_through_and_no_more),
        cmocka_unit_test(a_bucket_without_rate_never_waits),
        cmocka_unit_test(an_idle_bucket_saves_up_a_quarter_of_a_second_only),
        cmocka_unit_test(what_went_beside_is_owed_and_a_new_rate_holds_at_once),
        cmocka_unit_test(backoff_doubles_within_its_bounds_with_jitter),
        cmocka_unit_test(the_meter_settles_at_the_speed_and_falls_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
