/* test_hours.c - rates by the hour of the day. */
#include "gateway/uplink/hours.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static struct err err;

static void
a_rate_is_read_in_bytes_and_in_bits(void **state)
{
    static const struct {
        const char *text;
        uint64_t rate;
    } rows[] = {{"0B", 0},       {"1000B", 1000},   {"512KiB", 524288},   {"2MiB", 2097152},
                {"8kbit", 1000}, {"4Mbit", 500000}, {"1Gbit", 125000000}, {" 20Mbit ", 2500000}};
    struct hours hours;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(hours_parse(rows[i].text, &hours, &err), 0);
        assert_int_equal(hours_rate(&hours, 0), rows[i].rate);
    }
}

static void
the_first_span_that_fits_holds_and_the_rest_is_named_last(void **state)
{
    static const struct {
        unsigned minute;
        uint64_t rate;
    } rows[] = {{0, 1000},   {359, 1000},  {360, 4096}, {719, 4096}, {720, 2048},  {779, 2048},
                {780, 4096}, {1079, 4096}, {1080, 0},   {1319, 0},   {1320, 1000}, {1439, 1000}};
    struct hours hours;

    (void)state;
    assert_int_equal(
        hours_parse("12:00-13:00 2KiB, 06:00-18:00 4KiB, 22:00-06:00 8kbit, 0B", &hours, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(hours_rate(&hours, rows[i].minute), rows[i].rate);
    assert_int_equal(hours_parse("18:00-24:00 4KiB, 8KiB", &hours, &err), 0);
    assert_int_equal(hours_rate(&hours, 1439), 4096);
    assert_int_equal(hours_rate(&hours, 0), 8192);
}

static void
what_is_not_quite_right_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "4",
        "4MB",
        "4 MiB",
        "-1MiB",
        "1B",
        "999B",
        "11GiB",
        "99999999999999999999B",
        "08:00-18:00 1MiB", /* and at other hours? */
        "08:00-18:00 1MiB,",
        "1MiB, 2MiB",
        "8:00-18:00 1MiB, 2MiB",
        "08:00-18:00, 2MiB",
        "08:00-18:001MiB, 2MiB",
        "08:00-08:00 1MiB, 2MiB",
        "24:00-08:00 1MiB, 2MiB",
        "08:00-24:01 1MiB, 2MiB",
        "08:60-18:00 1MiB, 2MiB",
        "08:00-1a:00 1MiB, 2MiB",
        "08:00-18:00 1MiB, 08:00-18:00 1MiB",
    };
    struct hours hours;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (hours_parse(rows[i], &hours, &err) == 0)
            fail_msg("taken: %s", rows[i]);
        assert_int_equal(err.kind, ERR_REJECT);
        err_clear(&err);
    }
}

static void
the_minute_is_of_the_clinics_own_day(void **state)
{
    (void)state;
    setenv("TZ", "CST-8", 1);
    tzset();

    assert_int_equal(hours_minute(0), 8 * 60);
    assert_int_equal(hours_minute(INT64_C(57600000000)), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_read_in_bytes_and_in_bits),
        cmocka_unit_test(the_first_span_that_fits_holds_and_the_rest_is_named_last),
        cmocka_unit_test(what_is_not_quite_right_is_refused),
        cmocka_unit_test(the_minute_is_of_the_clinics_own_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
