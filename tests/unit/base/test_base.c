/* test_base.c - text, buf, zip, jsonw, arena, err: small claims, many inputs. */
#include "proto/base/arena.h"
#include "proto/base/base.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
uid_rules_follow_the_standard(void **state)
{
    static const struct {
        const char *uid;
        bool strict, lenient;
    } rows[] = {
        {"1.2.840.10008.1.1", true, true},
        {"1.02.3", false, true},
        {"1..2", false, false},
        {"", false, false},
        {".1", false, false},
        {"1.", false, false},
        {"1.2/3", false, false},
        {"0.0", true, true},
        {"1.2.3.4567890123456789012345678901234567890123456789012345678901", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) - 1; i++) {
        assert_int_equal(uid_is_valid(rows[i].uid, false), rows[i].strict);
        assert_int_equal(uid_is_valid(rows[i].uid, true), rows[i].lenient);
    }
    assert_int_equal(strlen(rows[8].uid), 64);
    assert_true(uid_is_valid(rows[8].uid, false));
}

static void
a_time_comes_back_from_its_text(void **state)
{
    static const int64_t times[] = {0, 1, 1769853723123456, INT64_C(951782400000000) - 1,
                                    INT64_C(4102444800999999)};
    static const char *const wrong[] = {"",
                                        "2026-01-31T10:11:12Z",
                                        "2026-01-31T10:11:12.12345Z",
                                        "2026-01-31T10:11:12.123456",
                                        "2026-01-31T10:11:12.123456Z ",
                                        "2026-01-31 10:11:12.123456Z",
                                        "2026-02-31T10:11:12.123456Z",
                                        "2026-01-31T24:11:12.123456Z",
                                        "+026-01-31T10:11:12.123456Z"};
    int64_t back;
    char text[40];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        clock_text(times[i], text);
        assert_int_equal(clock_read(text, &back), 0);
        assert_int_equal(back, times[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (clock_read(wrong[i], &back) == 0)
            fail_msg("'%s' was read", wrong[i]);
}

static void
base64_comes_back(void **state)
{
    uint8_t bytes[40];

    (void)state;
    for (size_t n = 0; n < sizeof bytes; n++) {
        size_t text_n, back_n;
        uint8_t *back = NULL;
        char *text;

        memset(bytes, (int)(0xA5 + n), n);
        text = base64_encode(bytes, n, &text_n);
        assert_int_equal(base64_decode(text, text_n, sizeof bytes, &back, &back_n), 0);
        assert_int_equal(back_n, n);
        assert_memory_equal(back, bytes, n);
        free(back);
        free(text);
    }
}

static void
inflate_stops_at_its_limit(void **state)
{
    uint8_t zeros[100000] = {0};
    struct buf small, back;
    struct err err;

    (void)state;
    buf_init(&small, 1 << 20);
    assert_int_equal(zip_deflate(zeros, sizeof zeros, 6, &small, &err), 0);
    buf_init(&back, sizeof zeros);
    assert_int_equal(zip_inflate(small.bytes, small.n, &back, &err), 0);
    assert_int_equal(back.n, sizeof zeros);
    buf_fini(&back);
    buf_init(&back, sizeof zeros - 1);
    assert_int_equal(zip_inflate(small.bytes, small.n, &back, &err), -1);
    buf_clear(&back);
    assert_int_equal(zip_inflate(small.bytes, small.n - 1, &back, &err), -1);
    buf_fini(&back);
    buf_fini(&small);
}

static void
a_fingerprint_is_read_as_openssl_prints_it(void **state)
{
#define EIGHT "AB:CD:01:23:45:67:89:EF:"
    static const char bare[] = "abcd0123456789efabcd0123456789efabcd0123456789efabcd0123456789ef";
    char out[65] = "";

    (void)state;
    assert_false(hex_fingerprint("", out));
    assert_false(hex_fingerprint(EIGHT EIGHT EIGHT, out));
    assert_false(hex_fingerprint(EIGHT EIGHT EIGHT EIGHT "00", out));
    assert_string_equal(out, "");

    assert_true(hex_fingerprint(bare, out));
    assert_string_equal(out, bare);
    assert_true(hex_fingerprint(EIGHT EIGHT EIGHT "AB:CD:01:23:45:67:89:EF", out));
    assert_string_equal(out, bare);
}

static void
json_quotes_what_must_be_quoted(void **state)
{
    struct buf b;
    struct jsonw w;

    (void)state;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "a", "\"\\\n<\xE7\x8E\x8B\xFF");
    jsonw_array(&w, "b");
    jsonw_int(&w, NULL, -1);
    jsonw_double(&w, NULL, 0.1);
    jsonw_end(&w);
    jsonw_null(&w, "c");
    jsonw_end(&w);
    assert_string_equal(
        buf_text(&b),
        "{\"a\":\"\\\"\\\\\\u000a\\u003c\xE7\x8E\x8B\\ufffd\",\"b\":[-1,0.1],\"c\":null}");
    buf_fini(&b);
}

static void
json_has_a_time_as_text_and_no_time_as_null(void **state)
{
    struct buf b;
    struct jsonw w;

    (void)state;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_time(&w, "at", INT64_C(1795255323123456));
    jsonw_time(&w, "never", 0);
    jsonw_end(&w);
    assert_string_equal(buf_text(&b), "{\"at\":\"2026-11-21T10:02:03.123456Z\",\"never\":null}");
    buf_fini(&b);
}

static void
arena_refuses_past_its_limit(void **state)
{
    struct arena *arena = arena_new(1000);

    (void)state;
    assert_non_null(arena_get(arena, 900));
    assert_null(arena_get(arena, 200));
    assert_null(arena_get(arena, SIZE_MAX));
    assert_non_null(arena_get(arena, 80));
    arena_free(&arena);
    assert_null(arena);
}

static void
error_reads_from_the_outside_in(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, ERR_REJECT, "length %d", 7), -1);
    err_context(&err, "element %s", "(0008,0018)");
    assert_string_equal(err.text, "element (0008,0018): length 7");
    assert_int_equal(err_kind_dimse(ERR_FULL), 0xA700);
    assert_string_equal(err_kind_name(ERR_CONFLICT), "ERR_CONFLICT");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uid_rules_follow_the_standard),
        cmocka_unit_test(a_time_comes_back_from_its_text),
        cmocka_unit_test(base64_comes_back),
        cmocka_unit_test(inflate_stops_at_its_limit),
        cmocka_unit_test(a_fingerprint_is_read_as_openssl_prints_it),
        cmocka_unit_test(json_quotes_what_must_be_quoted),
        cmocka_unit_test(json_has_a_time_as_text_and_no_time_as_null),
        cmocka_unit_test(arena_refuses_past_its_limit),
        cmocka_unit_test(error_reads_from_the_outside_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
