/* test_facts.c - names, descriptions and geometry as they should be read, from the set of character
 * sets and a few images. Skipped when ../shared/data is absent. */
#include "proto/base/durable.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data/"

static int
read_facts(const char *path, struct dcm_facts *out, struct err *err)
{
    char whole[256];
    uint8_t *bytes = NULL;
    size_t n;
    int rc;

    snprintf(whole, sizeof whole, DATA "%s", path);
    if (access(whole, R_OK) < 0)
        skip();
    assert_int_equal(durable_get_file(whole, 1 << 26, &bytes, &n, err), 0);
    rc = dcm_facts_read(bytes, n, false, out, err);
    free(bytes);
    return rc;
}

static void
names_are_read_as_they_were_meant(void **state)
{
    static const struct {
        const char *file, *name, *method;
    } rows[] = {
        {"chrArab.dcm", "قباني^لنزار", "declared"},
        {"chrFren.dcm", "Buc^Jérôme", "declared"},
        {"chrFrenMulti.dcm", "Buc^Jérôme", "declared"},
        {"chrGB2312.dcm", "Zhang^XiaoDong=张^小东=", "declared"},
        {"chrGerm.dcm", "Äneas^Rüdiger", "declared"},
        {"chrGreek.dcm", "Διονυσιος", "declared"},
        {"chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう", "declared"},
        {"chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "declared"},
        {"chrHbrw.dcm", "שרון^דבורה", "declared"},
        {"chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동", "declared"},
        {"chrJapMulti.dcm", "やまだ^たろう", "declared"},
        {"chrJapMultiExplicitIR6.dcm", "やまだ^たろう", "declared"},
        {"chrKoreanMulti.dcm", "김희중", "declared"},
        {"chrRuss.dcm", "Люкceмбypг", "declared"},
        {"chrX1.dcm", "Wang^XiaoDong=王^小東=", "declared"},
        {"chrX2.dcm", "Wang^XiaoDong=王^小东=", "declared"},
        {"derived-gb18030-4byte.dcm", "Zhang^Yan=张^䶮", "declared"},
        {"derived-gb18030.dcm", "Ce^Shi=测试^患者", "declared"},
        {"derived-gbk-trail-5c-5e.dcm", "Trap^Bytes=测癪^盺试", "declared"},
        {"derived-gbk.dcm", "Ce^Shi=测试^患者", "declared"},
        {"derived-iso2022-ir58.dcm", "Ce^Shi=测试^患者", "declared"},
        {"derived-raw-gbk-charset-empty.dcm", "Ce^Shi=测试^患者", "gb18030"},
        {"derived-raw-gbk-charset-latin1.dcm", "Ce^Shi=测试^患者", "gb18030"},
        {"derived-raw-gbk-name-only-ideographic.dcm", "测试患者", "gb18030"},
        {"derived-raw-gbk-no-charset.dcm", "Ce^Shi=测试^患者", "gb18030"},
        {"derived-raw-utf8-charset-gb18030.dcm", "Ce^Shi=测试^患者", "utf-8"},
        {"derived-raw-utf8-no-charset.dcm", "Ce^Shi=测试^患者", "utf-8"},
        {"derived-utf8-with-gb18030-item.dcm", "Ce^Shi=测试^患者", "declared"},
        {"derived-utf8.dcm", "Ce^Shi=测试^患者", "declared"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[128];
        struct dcm_facts facts;
        struct err err;

        snprintf(path, sizeof path, "charsets/%s", rows[i].file);
        if (read_facts(path, &facts, &err) < 0)
            fail_msg("%s: %s", rows[i].file, err.text);
        if (strcmp(facts.patient_name, rows[i].name) != 0 ||
            strcmp(dcm_text_method_name(facts.text_method), rows[i].method) != 0)
            fail_msg("%s: got %s (%s), wanted %s (%s)", rows[i].file, facts.patient_name,
                     dcm_text_method_name(facts.text_method), rows[i].name, rows[i].method);
        if (strcmp(rows[i].file, "derived-gbk-trail-5c-5e.dcm") == 0)
            assert_string_equal(facts.study_description, "描述癨盶瞈皘眧瞸");
        if (strncmp(rows[i].file, "derived-raw", 11) == 0) {
            assert_string_equal(facts.institution, "示例市第一人民医院");
            assert_string_equal(facts.study_description, "胸部CT平扫");
        }
    }
}

static void
geometry_is_read(void **state)
{
    struct dcm_facts f;
    struct err err;

    (void)state;
    assert_int_equal(read_facts("transfer-syntaxes/ct-explicit-be.dcm", &f, &err), 0);
    assert_int_equal(f.rows, 512);
    assert_int_equal(f.cols, 512);
    assert_int_equal(f.bits_allocated, 16);
    assert_int_equal(f.frames, 1);
    assert_true(f.has_pixels);
    assert_string_equal(f.modality, "CT");
    assert_int_equal(read_facts("transfer-syntaxes/ct-deflated.dcm", &f, &err), 0);
    assert_int_equal(f.rows, 512);
    assert_int_equal(read_facts("us/us-echo-8f-rgb-implicit.dcm", &f, &err), 0);
    assert_int_equal(f.frames, 8);
    assert_int_equal(f.samples, 3);
    assert_int_equal(read_facts("multiframe/enhanced-ct-2f.dcm", &f, &err), 0);
    assert_true(f.has_window);
    assert_int_equal(read_facts("sr-pdf/sr-basic-text.dcm", &f, &err), 0);
    assert_false(f.has_pixels);
}

static void
decode(const char *declared, const char *profile, const char *bytes, const char *wanted,
       const char *method)
{
    struct dcm_charset cs;
    struct buf out;

    buf_init(&out, 4096);
    dcm_charset_begin(&cs, declared, strlen(declared), profile);
    dcm_charset_look(&cs, (const uint8_t *)bytes, strlen(bytes));
    dcm_charset_choose(&cs);
    dcm_charset_decode(&cs, (const uint8_t *)bytes, strlen(bytes), true, &out);
    assert_string_equal(buf_text(&out), wanted);
    assert_string_equal(dcm_text_method_name(cs.method), method);
    buf_fini(&out);
}

static void
vectors_of_the_domain_report(void **state)
{
    (void)state;
    decode("GB18030", NULL,
           "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB=", "Wang^XiaoDong=王^小东=", "declared");
    decode("ISO_IR 100", NULL, "\xCD\xF5\xAB\x5C", "王玕", "gb18030");
    decode("ISO_IR 100", NULL, "\xCD\xF5^\xAC\x5E", "王^琟", "gb18030");
    decode("", NULL, "\xD5\xC5\xAC\x42", "张珺", "gb18030");
    decode("GB18030", NULL, "\xFE\x9F\x81\x39\xEF\x31", "䶮㐂", "declared");
    decode("ISO_IR 100", NULL, "M\xFCller", "Müller", "declared");
    decode("ISO_IR 192", NULL, "\xCD\xF5\xD0\xA1", "王小", "gb18030");
    decode("ISO_IR 100", "GB18030", "\xAC\x42", "珺", "profile");
    decode("ISO_IR 100", NULL, "\xCD\xF5\xAD\x5C\xD5\x5C\xDF\x5C", "王璡誠運", "gb18030");
    decode("ISO_IR 100", NULL, "\xCD\xF5\xB1\x7C=\xAB\x5C", "王眧=玕", "gb18030");
    /* GBK that happens to be valid UTF-8: but not of Han */
    decode("ISO_IR 100", NULL, "\xC1\xAA\xCD\xA8", "联通", "gb18030");
    decode("", NULL, "\xC1\xAA\xCD\xA8", "联通", "gb18030");
    decode("GB18030", NULL, "\xC1\xAA\xCD\xA8", "联通", "declared");
    decode("ISO_IR 192", dcm_charset_of_device("GBK-AS-IR100"), "\xC1\xAA", "联", "profile");
    decode("ISO_IR 100", dcm_charset_of_device("PINYIN"), "M\xFCller", "Müller", "declared");
    decode("ISO-IR 100", NULL, "plain", "plain", "ascii");
    decode("ISO_IR 192", NULL, "\xE7\x8E\x8B\xFF", "王\xEF\xBF\xBD", "broken");
}

static void
converters_can_be_opened_beforehand(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(dcm_charset_warm(&err), 0);
    assert_int_equal(dcm_charset_warm(&err), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_were_meant),
        cmocka_unit_test(geometry_is_read),
        cmocka_unit_test(vectors_of_the_domain_report),
        cmocka_unit_test(converters_can_be_opened_beforehand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
