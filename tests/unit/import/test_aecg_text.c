/* test_aecg_text.c - an aECG is read in whatever characters the cart wrote it. */
#include "proto/dicom/ecg/aecg_text.h"

#include "proto/dicom/wrap.h"
#include "tests/support/import_files.h"

#include <errno.h>
#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* With another declaration, and a Greek letter in its units. */
static void
replace_head(struct buf *file, const char *encoding, struct buf *out)
{
    const char *body = strchr(buf_text(file), '\n'), *unit;

    buf_clear(out);
    buf_add_printf(out, "<?xml version=\"1.0\"%s%s%s?>", encoding[0] != '\0' ? " encoding=\"" : "",
                   encoding, encoding[0] != '\0' ? "\"" : "");
    while ((unit = strstr(body, "\"uV\"")) != NULL) {
        buf_add(out, body, (size_t)(unit - body));
        buf_add_text(out, "\"\xCE\xBCV\"");
        body = unit + 4;
    }
    buf_add_text(out, body);
}

static void
in_charset(const struct buf *from, const char *charset, struct buf *out)
{
    iconv_t cd = iconv_open(charset, "UTF-8");
    char *in = (char *)from->bytes;
    size_t left = from->n;

    assert_true(cd != (iconv_t)-1);
    buf_clear(out);
    while (left > 0) {
        char piece[4096], *to = piece;
        size_t room = sizeof piece;

        if (iconv(cd, &in, &left, &to, &room) == (size_t)-1)
            assert_int_equal(errno, E2BIG);
        buf_add(out, piece, sizeof piece - room);
    }
    iconv_close(cd);
}

/* As carts in China write it, and as they say they do. More than a piece of what is decoded at
 * once, and the unit with its Greek letter. */
static void
an_aecg_in_a_chinese_encoding_is_read(void **state)
{
    static const struct {
        const char *declared, *is;
    } rows[] = {
        {"GB2312", "GB18030"}, {"gb2312", "GBK"},    {"GBK", "GBK"},      {"gb18030", "GB18030"},
        {"", "GBK"},           {"UTF-8", "GBK"},     {"GB2312", "UTF-8"}, {"", "UTF-8"},
        {"ISO-8859-1", "GBK"}, {"UTF-16", "UTF-16"}, {"GBK", "UTF-8"},
    };
    struct import_ecg e = {.leads = 8, .samples = 60000, .hertz = 500};
    struct buf file, headed, written;
    struct err err;

    (void)state;
    buf_init(&file, 16 << 20);
    buf_init(&headed, 16 << 20);
    buf_init(&written, 32 << 20);
    import_file_aecg(&e, &file);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wrap_facts facts;

        replace_head(&file, rows[i].declared, &headed);
        in_charset(&headed, rows[i].is, &written);
        if (wrap_look(written.bytes, written.n, &facts, &err) < 0)
            fail_msg("%s as %s: %s", rows[i].is, rows[i].declared, err.text);
        if (strcmp(facts.said_name, "测试 & 试") != 0)
            fail_msg("%s as %s: %s", rows[i].is, rows[i].declared, facts.said_name);
        assert_int_equal(facts.channels, 8);
    }
    buf_fini(&written);
    buf_fini(&headed);
    buf_fini(&file);
}

static void
a_piece_ends_between_characters(void **state)
{
    static const uint8_t two_bytes[] = "1 \xB2\xE2\xCA"; /* the second one is cut */

    (void)state;
    assert_int_equal(aecg_text_whole(two_bytes, 5), 2);
    assert_int_equal(aecg_text_whole(two_bytes + 2, 3), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_ends_between_characters),
        cmocka_unit_test(an_aecg_in_a_chinese_encoding_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
