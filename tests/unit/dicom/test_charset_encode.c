/* test_charset_encode.c - bytes for devices: the standard's vectors, whole characters, and back. */
#include "proto/dicom/charset_encode.h"

#include "proto/base/text.h"
#include "proto/dicom/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
expect_name(enum dcm_shows shows, const char *name, const char *hex)
{
    struct buf out;
    char got[1024];

    buf_init(&out, 500);
    dcm_encode_name(shows, name, NULL, &out);
    hex_encode(out.bytes, out.n, got);
    assert_string_equal(got, hex);
    buf_fini(&out);
}

static void
expect_text(enum dcm_shows shows, const char *vr, const char *text, const char *hex)
{
    struct buf out;
    char got[4096];

    buf_init(&out, 2000);
    dcm_encode_text(shows, vr, text, &out);
    hex_encode(out.bytes, out.n, got);
    assert_string_equal(got, hex);
    buf_fini(&out);
}

#define LATIN "57616e675e5869616f446f6e67" /* Wang^XiaoDong */

static void
names_are_the_standards_own_vectors(void **state)
{
    (void)state;
    expect_name(DCM_SHOWS_GB18030, "王小东", LATIN "3dcdf55ed0a1b6ab");    /* J.3 */
    expect_name(DCM_SHOWS_UTF8, "王小东", LATIN "3de78e8b5ee5b08fe4b89c"); /* J.4 */
    /* K.2: the escape anew in each component */
    expect_name(DCM_SHOWS_IR58, "王小东", LATIN "3d1b242941cdf55e1b242941d0a1b6ab");
    expect_name(DCM_SHOWS_GBK_AS_LATIN1, "王小东", "cdf5d0a1b6ab");
    expect_name(DCM_SHOWS_PINYIN, "王小东", LATIN);
    expect_name(DCM_SHOWS_GB18030, "Smith^John", "536d6974685e4a6f686e");
}

/* 玕 is AB5C in GBK: its second byte is a backslash. */
static void
a_second_byte_that_is_a_delimiter_never_tears_a_sign(void **state)
{
    (void)state;
    expect_name(DCM_SHOWS_GB18030, "王玕", "57616e675e47616e3dcdf55eab5c");
    expect_name(DCM_SHOWS_GBK_AS_LATIN1, "王玕", "cdf547616e"); /* 王Gan */
    expect_text(DCM_SHOWS_GB18030, "LO", "玕", "ab5c");
    expect_text(DCM_SHOWS_GBK_AS_LATIN1, "LO", "玕", "47616e");
    expect_text(DCM_SHOWS_GBK_AS_LATIN1, "LO", "琟", "ac5e"); /* ^ tears names only */
    expect_name(DCM_SHOWS_GBK_AS_LATIN1, "王琟", "cdf5576569");
    expect_text(DCM_SHOWS_GB18030, "LO", "a\\b", "612f62");
}

static void
what_a_set_lacks_becomes_pinyin(void **state)
{
    (void)state;
    expect_text(DCM_SHOWS_GB18030, "LO", "䶮㐂", "fe9f8139ef31");
    expect_text(DCM_SHOWS_GBK_AS_LATIN1, "LO", "刘䶮", "c1f559616e");
    expect_text(DCM_SHOWS_GBK_AS_LATIN1, "LO", "㐂", "3f");
    expect_text(DCM_SHOWS_IR58, "LO", "李珺x", "1b242941c0ee4a756e78");
    expect_text(DCM_SHOWS_UTF8, "LO", "㐂", "e39082");
}

static void
lines_are_kept_where_there_may_be_lines(void **state)
{
    (void)state;
    expect_text(DCM_SHOWS_IR58, "LT", "王\n王", "1b242941cdf50d0a1b242941cdf5");
    expect_text(DCM_SHOWS_GB18030, "LO", "王\n王", "cdf520cdf5");
    expect_text(DCM_SHOWS_PINYIN, "ST", "a\tb\x7F", "61206220");
}

/* Each cut at its limit, in whole characters, and readable by our own reader. */
static void
long_values_are_cut_between_characters(void **state)
{
    static const struct {
        enum dcm_shows shows;
        size_t characters;
    } rows[] = {{DCM_SHOWS_UTF8, 16},
                {DCM_SHOWS_GB18030, 16},
                {DCM_SHOWS_IR58, 16},
                {DCM_SHOWS_GBK_AS_LATIN1, 8}}; /* of 16 bytes: one and seven twos */
    const char *text = "a检查检查检查检查检查检查检查检查检查检查";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *set = dcm_shows_charset(rows[i].shows);
        struct dcm_charset cs;
        struct buf out, back;
        size_t n = 0;

        buf_init(&out, 500);
        buf_init(&back, 500);
        dcm_encode_text(rows[i].shows, "SH", text, &out);
        dcm_charset_begin(&cs, set, strlen(set), dcm_shows_profile(rows[i].shows));
        dcm_charset_look(&cs, out.bytes, out.n);
        dcm_charset_choose(&cs);
        dcm_charset_decode(&cs, out.bytes, out.n, false, &back);

        for (const char *p = buf_text(&back); *p != '\0'; p++)
            n += ((uint8_t)*p & 0xC0) != 0x80;
        assert_int_equal(n, rows[i].characters);
        assert_memory_equal(buf_text(&back), text, back.n);
        assert_int_not_equal(cs.method, DCM_TEXT_BROKEN);
        buf_fini(&out);
        buf_fini(&back);
    }
}

static void
what_a_request_declares_is_answered_in_kind(void **state)
{
    enum dcm_shows shows;

    (void)state;
    assert_true(dcm_shows_declared("ISO_IR 192", 10, &shows));
    assert_int_equal(shows, DCM_SHOWS_UTF8);
    assert_true(dcm_shows_declared("\\ISO 2022 IR 58", 15, &shows));
    assert_int_equal(shows, DCM_SHOWS_IR58);
    assert_true(dcm_shows_declared("GB18030 ", 8, &shows));
    assert_int_equal(shows, DCM_SHOWS_GB18030);
    assert_false(dcm_shows_declared("ISO_IR 100", 10, &shows));
    assert_false(dcm_shows_declared("", 0, &shows));
    assert_true(dcm_shows_of("GBK-AS-IR100", &shows));
    assert_int_equal(shows, DCM_SHOWS_GBK_AS_LATIN1);
    assert_false(dcm_shows_of("", &shows));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_the_standards_own_vectors),
        cmocka_unit_test(a_second_byte_that_is_a_delimiter_never_tears_a_sign),
        cmocka_unit_test(what_a_set_lacks_becomes_pinyin),
        cmocka_unit_test(lines_are_kept_where_there_may_be_lines),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(what_a_request_declares_is_answered_in_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
