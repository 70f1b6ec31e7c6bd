/* test_totp.c - the vectors of RFC 6238, drift, and no step twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/trust/totp.h"

#define S 1000000LL

/* RFC 6238 appendix B, SHA-1. */
static const uint8_t rfc_secret[TOTP_SECRET_BYTES] = {'1', '2', '3', '4', '5', '6', '7',
                                                      '8', '9', '0', '1', '2', '3', '4',
                                                      '5', '6', '7', '8', '9', '0'};

static void
codes_are_those_of_rfc_6238(void **state)
{
    static const struct {
        int64_t time_s;
        uint32_t code;
    } rows[] = {
        {59, 94287082},         {1111111109, 7081804},  {1111111111, 14050471},
        {1234567890, 89005924}, {2000000000, 69279037}, {20000000000, 65353130},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(totp_code(rfc_secret, sizeof rfc_secret, totp_step(rows[i].time_s * S), 8),
                         rows[i].code);
}

static void
a_secret_reads_as_phones_want_it(void **state)
{
    char text[TOTP_TEXT_BYTES], uri[200];

    (void)state;
    totp_text(rfc_secret, text);
    totp_uri(rfc_secret, "dr.li", uri, sizeof uri);

    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"); /* RFC 4648 base 32 */
    assert_string_equal(uri, "otpauth://totp/Radpost:dr.li?secret="
                             "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Radpost");
}

static void
a_step_early_or_late_is_taken_two_are_not(void **state)
{
    static const struct {
        int64_t at_s;
        bool is_good;
    } rows[] = {{1111111109, true},
                {1111111109 - 30, true},
                {1111111109 + 30, true},
                {1111111109 - 60, false},
                {1111111109 + 60, false}};
    struct err err = {0};
    int64_t step;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(totp_check(rfc_secret, "081 804", rows[i].at_s * S, 0, &step, &err),
                         rows[i].is_good ? 0 : -1);
}

static void
a_step_is_good_once(void **state)
{
    struct err err = {0};
    int64_t step = 0;

    (void)state;
    assert_int_equal(totp_check(rfc_secret, "081804", 1111111109 * S, 0, &step, &err), 0);
    assert_int_equal(step, 1111111109 / 30);
    assert_int_equal(totp_check(rfc_secret, "081804", 1111111109 * S, step, &step, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
what_is_not_six_digits_is_denied(void **state)
{
    static const char *const rows[] = {"", "08180", "0818044", "08180x", "-81804", "０８１８０４"};
    struct err err = {0};
    int64_t step;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(totp_check(rfc_secret, rows[i], 1111111109 * S, 0, &step, &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_rfc_6238),
        cmocka_unit_test(a_secret_reads_as_phones_want_it),
        cmocka_unit_test(a_step_early_or_late_is_taken_two_are_not),
        cmocka_unit_test(a_step_is_good_once),
        cmocka_unit_test(what_is_not_six_digits_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
