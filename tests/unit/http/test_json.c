/* test_json.c - JSON from outside is read strictly, and errors quote no content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/limits.h"
#include "proto/http/json.h"

static void
what_is_not_strict_json_is_refused(void **state)
{
    static const char *const rows[] = {
        "",         "{",           "{\"a\":1,\"a\":2}",     "{\"a\":1}x", "[1,]",
        "{a:1}",    "\"\\u0000\"", "\"\xC0\x80\"",          "nul",        "[01]",
        "\"a\nb\"", "[1e999]",     "[9223372036854775808]",
    };
    struct json_doc *doc = NULL;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (json_parse(rows[i], strlen(rows[i]), &doc, &err) == 0)
            fail_msg("accepted: %s", rows[i]);
        assert_int_equal(err.kind, ERR_REJECT);
    }
    assert_int_equal(json_parse("{\"name\": Wang}", 14, &doc, &err), -1);
    assert_null(strstr(err.text, "Wang"));
}

static void
depth_has_its_limit_and_brackets_in_text_do_not_count(void **state)
{
    char text[2 * 64 + 3] = "";
    struct json_doc *doc = NULL;
    struct err err = {0};

    (void)state;
    for (size_t depth = 1; depth <= 64; depth++) {
        int rc;

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        rc = json_parse(text, 2 * depth, &doc, &err);
        assert_int_equal(rc, depth <= LIMIT_JSON_DEPTH ? 0 : -1);
        if (rc == 0)
            json_free(&doc);
    }
    memset(text, '[', 128);
    text[0] = text[127] = '"';
    memcpy(text + 50, "\\\"", 2);
    assert_int_equal(json_parse(text, 128, &doc, &err), 0);
    json_free(&doc);
}

static void
members_are_vetted_as_they_are_read(void **state)
{
    static const char text[] = "{\"t\":\"text\",\"n\":42,\"m\":-7,\"b\":true,\"x\":\"00ff\","
                               "\"d\":\"QUJD\",\"z\":null,\"l\":[1,2,3],\"f\":1.5}";
    struct json_doc *doc = NULL;
    const struct json *o, *list;
    const char *t;
    uint64_t n;
    int64_t m;
    bool b;
    uint8_t hex[2], *bytes = NULL;
    size_t bytes_n;
    struct err err = {0};

    (void)state;
    assert_int_equal(json_parse(text, strlen(text), &doc, &err), 0);
    o = json_root(doc);
    assert_int_equal(json_text(o, "t", 4, &t, &err), 0);
    assert_string_equal(t, "text");
    assert_int_equal(json_text(o, "t", 3, &t, &err), -1);
    assert_int_equal(json_text(o, "n", 10, &t, &err), -1);
    assert_int_equal(json_text(o, "none", 10, &t, &err), -1);
    assert_int_equal(json_u64(o, "n", 42, &n, &err), 0);
    assert_int_equal(n, 42);
    assert_int_equal(json_u64(o, "n", 41, &n, &err), -1);
    assert_int_equal(json_u64(o, "m", 100, &n, &err), -1);
    assert_int_equal(json_u64(o, "f", 100, &n, &err), -1);
    assert_int_equal(json_i64(o, "m", &m, &err), 0);
    assert_int_equal(m, -7);
    assert_int_equal(json_truth(o, "b", &b, &err), 0);
    assert_true(b);
    assert_int_equal(json_truth(o, "n", &b, &err), -1);
    assert_int_equal(json_hex(o, "x", hex, 2, &err), 0);
    assert_int_equal(hex[1], 0xFF);
    assert_int_equal(json_hex(o, "x", hex, 1, &err), -1);
    assert_int_equal(json_base64(o, "d", 3, &bytes, &bytes_n, &err), 0);
    assert_memory_equal(bytes, "ABC", 3);
    free(bytes);
    assert_int_equal(json_base64(o, "d", 2, &bytes, &bytes_n, &err), -1);
    assert_int_equal(json_base64(o, "z", 2, &bytes, &bytes_n, &err), 0);
    assert_null(bytes);
    assert_int_equal(json_list(o, "l", 3, &list, &err), 0);
    assert_int_equal(json_as_int(json_at(list, 2), 0), 3);
    assert_null(json_at(list, 3));
    assert_int_equal(json_list(o, "l", 2, &list, &err), -1);
    assert_int_equal(json_member_count(o), 9);
    assert_string_equal(json_member_key(json_member_first(o)), "t");
    json_free(&doc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_strict_json_is_refused),
        cmocka_unit_test(depth_has_its_limit_and_brackets_in_text_do_not_count),
        cmocka_unit_test(members_are_vetted_as_they_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
