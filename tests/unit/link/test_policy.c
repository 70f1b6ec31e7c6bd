/* test_policy.c - what the centre asks of a gateway comes back as it was said. */
#include "proto/link/link.h"
#include "proto/link/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
a_policy_comes_back_equal(void **state)
{
    struct link_ping ping = {.now_us = 7,
                             .policy = {.quiet_ms = 4000,
                                        .rates = {{480, 1080, 524288}, {1320, 360, 0}},
                                        .rates_n = 2,
                                        .upgrade_version = "1.4.0",
                                        .upgrade_text = "请在今晚升级\n约 5 分钟",
                                        .upgrade_url = "https://centre.example/upgrade",
                                        .least_version = "1.2"}};
    struct link_ping back;
    struct buf b;
    struct err err;

    (void)state;
    buf_init(&b, 65536);
    link_ping_encode(&ping, &b);
    assert_non_null(
        strstr(buf_text(&b), "{\"from\":\"08:00\",\"to\":\"18:00\",\"bytes_per_s\":524288}"));
    assert_int_equal(link_ping_decode(b.bytes, b.n, &back, &err), 0);
    assert_int_equal(back.policy.quiet_ms, 4000);
    assert_int_equal(back.policy.rates_n, 2);
    assert_memory_equal(back.policy.rates, ping.policy.rates, sizeof ping.policy.rates);
    assert_string_equal(back.policy.upgrade_version, "1.4.0");
    assert_string_equal(back.policy.upgrade_text, "请在今晚升级\n约 5 分钟");
    assert_string_equal(back.policy.upgrade_url, "https://centre.example/upgrade");
    assert_string_equal(back.policy.least_version, "1.2");
    buf_fini(&b);
}

static void
a_centre_that_says_nothing_asks_nothing(void **state)
{
    static const char *const rows[] = {"{\"now_us\":1}", "{\"now_us\":1,\"policy\":{}}",
                                       "{\"now_us\":1,\"policy\":{\"mood\":\"good\"}}"};
    struct link_ping ping;
    uint64_t rate;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(link_ping_decode((const uint8_t *)rows[i], strlen(rows[i]), &ping, &err),
                         0);
        assert_int_equal(ping.policy.quiet_ms, 0);
        assert_int_equal(ping.policy.rates_n, 0);
        assert_false(link_policy_rate_at(&ping.policy, 600, &rate));
        assert_string_equal(ping.policy.upgrade_version, "");
    }
}

static void
what_breaks_a_rule_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *policy, *member;
    } rows[] = {
        {"{\"quiet_ms\":-1}", "quiet_ms"},
        {"{\"quiet_ms\":999999999}", "quiet_ms"},
        {"{\"quiet_ms\":999}", "quiet_ms"},
        {"{\"rates\":7}", "rates"},
        {"{\"rates\":[{\"from\":\"8:00\",\"to\":\"18:00\",\"bytes_per_s\":1}]}", "from"},
        {"{\"rates\":[{\"from\":\"24:00\",\"to\":\"18:00\",\"bytes_per_s\":1}]}", "from"},
        {"{\"rates\":[{\"from\":\"08:00\",\"to\":\"18:60\",\"bytes_per_s\":1}]}", "to"},
        {"{\"rates\":[{\"from\":\"08:00\",\"to\":\"18:00\",\"bytes_per_s\":-1}]}", "bytes_per_s"},
        {"{\"rates\":[{\"from\":\"08:00\",\"to\":\"18:00\"}]}", "bytes_per_s"},
        {"{\"upgrade\":{\"version\":\"a\\u0007\"}}", "version"},
        {"{\"upgrade\":{\"version\":\"123456789012345678901234567890123\"}}", "version"},
    };
    char text[256];
    struct link_ping ping;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int n = snprintf(text, sizeof text, "{\"now_us\":1,\"policy\":%s}", rows[i].policy);

        /* the rest of the answer counts: a bad policy does not take the line down */
        assert_int_equal(link_ping_decode((const uint8_t *)text, (size_t)n, &ping, &err), 0);
        assert_int_equal(ping.now_us, 1);
        assert_int_equal(ping.policy.quiet_ms, 0);
        assert_int_equal(ping.policy.rates_n, 0);
        if (strstr(ping.policy_trouble, rows[i].member) == NULL)
            fail_msg("row %zu: wanted '%s' named, got '%s'", i, rows[i].member,
                     ping.policy_trouble);
    }
}

static void
the_first_rate_that_holds_counts(void **state)
{
    const struct link_policy policy = {.rates = {{480, 720, 100}, {600, 1080, 200}, {1320, 360, 0}},
                                       .rates_n = 3};
    static const struct {
        unsigned minute;
        bool holds;
        uint64_t rate;
    } rows[] = {{479, false, 0},   {480, true, 100}, {719, true, 100}, {720, true, 200},
                {1079, true, 200}, {1080, false, 0}, {1320, true, 0},  {1439, true, 0},
                {0, true, 0},      {359, true, 0},   {360, false, 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t rate = 0;

        assert_int_equal(link_policy_rate_at(&policy, rows[i].minute, &rate), rows[i].holds);
        assert_int_equal(rate, rows[i].rate);
    }
}

static void
versions_are_compared_by_their_numbers(void **state)
{
    static const struct {
        const char *version, *than;
        bool is_older;
    } rows[] = {{"1.9.2", "1.10", true}, {"1.10", "1.9.2", false}, {"1.2", "1.2.0", false},
                {"1.2", "1.2.1", true},  {"2", "10", true},        {"dev", "1.0", false},
                {"1.0", "", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(link_version_is_older(rows[i].version, rows[i].than), rows[i].is_older);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_comes_back_equal),
        cmocka_unit_test(a_centre_that_says_nothing_asks_nothing),
        cmocka_unit_test(what_breaks_a_rule_is_refused_by_its_name),
        cmocka_unit_test(the_first_rate_that_holds_counts),
        cmocka_unit_test(versions_are_compared_by_their_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
