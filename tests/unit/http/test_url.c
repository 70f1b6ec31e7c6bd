/* test_url.c - Accept headers, parameters, encoding; paths and queries are proved over the wire in
 * test_server.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/http/url.h"

static void
accept_ranges_come_best_first(void **state)
{
    static const struct {
        const char *header;
        size_t count;
        const char *first, *inner, *syntax;
        int quality;
    } rows[] = {
        {NULL, 1, "*/*", "", "", 1000},
        {"", 1, "*/*", "", "", 1000},
        {"application/dicom+json", 1, "application/dicom+json", "", "", 1000},
        {"a/b;q=0.1, c/d;q=0.9, e/f;q=0.5", 3, "c/d", "", "", 900},
        {"multipart/related; type=\"application/DICOM\"; transfer-syntax=*", 1, "multipart/related",
         "application/dicom", "*", 1000},
        {"Multipart/Related;type=image/jls;transfer-syntax=1.2.840.10008.1.2.4.80;q=0.25, x", 1,
         "multipart/related", "image/jls", "1.2.840.10008.1.2.4.80", 250},
        {"image/jpeg;q=0", 0, "", "", "", 0},
        {"image/jpeg;q=2, image/png", 1, "image/png", "", "", 1000},
        {"image/jpeg; type=\"unterminated, image/png", 1, "image/png", "", "", 1000},
        {", ,image/png,", 1, "image/png", "", "", 1000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url_accept out[URL_MAX_ACCEPT];
        size_t count = url_accept_parse(rows[i].header, out);

        if (count != rows[i].count ||
            (count > 0 &&
             (strcmp(out[0].type, rows[i].first) != 0 || out[0].quality != rows[i].quality ||
              strcmp(out[0].inner_type, rows[i].inner) != 0 ||
              strcmp(out[0].transfer_syntax, rows[i].syntax) != 0)))
            fail_msg("%s: %zu ranges, first %s %s %s %d", rows[i].header ? rows[i].header : "none",
                     count, count ? out[0].type : "", count ? out[0].inner_type : "",
                     count ? out[0].transfer_syntax : "", count ? out[0].quality : 0);
    }
}

static void
wildcards_cover_their_types(void **state)
{
    static const struct {
        const char *range, *type;
        bool covers;
    } rows[] = {
        {"*/*", "image/jpeg", true},       {"image/*", "image/jpeg", true},
        {"image/*", "imagex/jpeg", false}, {"image/jpeg", "image/jpeg", true},
        {"image/jpeg", "image/jp", false}, {"application/*", "image/jpeg", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url_accept out[URL_MAX_ACCEPT];

        assert_int_equal(url_accept_parse(rows[i].range, out), 1);
        if (url_accept_covers(&out[0], rows[i].type) != rows[i].covers)
            fail_msg("%s over %s", rows[i].range, rows[i].type);
    }
}

static void
header_parameters_are_unquoted(void **state)
{
    char out[16];

    (void)state;
    assert_true(url_header_param("a/b; x=1; Boundary=\"a \\\" b\"", "boundary", out, sizeof out));
    assert_string_equal(out, "a \" b");
    assert_false(url_header_param("a/b; boundary=12345678901234567", "boundary", out, sizeof out));
    assert_false(url_header_param("a/b", "boundary", out, sizeof out));
    assert_false(url_header_param(NULL, "boundary", out, sizeof out));
    assert_true(url_header_value(" Text/HTML ; charset=utf-8", out, sizeof out));
    assert_string_equal(out, "text/html");
    assert_false(url_header_value(";", out, sizeof out));
}

static void
what_is_encoded_comes_back(void **state)
{
    static const char text[] = "a b+c/d?e&f=g%h\xE5\xBD\xB1~";
    char back[sizeof text];
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    url_encode(&b, text);
    assert_string_equal(buf_text(&b), "a%20b%2Bc%2Fd%3Fe%26f%3Dg%25h%E5%BD%B1~");
    assert_int_equal(url_decode(buf_text(&b), b.n, true, back), 0);
    assert_string_equal(back, text);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_ranges_come_best_first),
        cmocka_unit_test(wildcards_cover_their_types),
        cmocka_unit_test(header_parameters_are_unquoted),
        cmocka_unit_test(what_is_encoded_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
