/* Claims about the report on paper: all of its text is there and can be found, each page carries
 * the marks and its number, and the same report is the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/render/fonts.h"
#include "proto/render/report_pdf.h"
#include "proto/render/report_words.h"
#include "proto/render/sheet.h"

#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MARK "急诊报告，以正式报告为准"
#define URL "https://report.example/v/7K3M9Q2XJ4R8T6WBC5D1N0PZHG"

static const struct pdf_report plain = {
    .reading_hospital = "青川市人民医院",
    .clinic = "马鹿乡中心卫生院",
    .patient_name = "欧阳𠮷祥",
    .patient_sex = "M",
    .patient_age = "063Y",
    .patient_birth = "19630704",
    .patient_id = "ML-2026-00318",
    .report_number = "R000042",
    .accession = "A20261122-07",
    .modality = "CT",
    .exam = "胸部 CT 平扫",
    .study_date = "20261122",
    .study_time = "093005.120",
    .complaint = "咳嗽、咳痰伴发热 3 天",
    .history = "高血压 10 年，规律服药；否认结核病史。",
    .findings =
        "双肺纹理增多，右肺下叶背段见斑片状磨玻璃密度影，边界不清，大小约 23 mm × 17 mm，CT "
        "值约 -420 HU。\n"
        "气管及主要支气管通畅。纵隔内未见肿大淋巴结。心影不大，主动脉壁见钙化。\n"
        "双侧胸腔未见积液。扫描范围内肝右叶见一囊性低密度影，直径约 12 mm。",
    .impression =
        "1. 右肺下叶感染性病变，建议抗炎治疗后 2 周复查。\n2. 主动脉硬化。\n3. 肝右叶囊肿可能。",
    .author = "李文博",
    .author_licence = "110510000012345",
    .reviewer = "周静",
    .reviewer_licence = "110510000054321",
    .written_at_us = INT64_C(1795311600000000),
    .signed_at_us = INT64_C(1795313220000000),
    .version = 1,
    .covers = 30,
    .present = 30,
    .verify_url = URL,
};

static char folder[FOLDER_PATH_BYTES];
static char *all;
static unsigned pages;

static int
setup(void **state)
{
    (void)state;
    (void)setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    folder_make("pdf", folder);
    all = malloc(1 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free(all);
    folder_remove(folder);
    return 0;
}

/* Draw, keep as NAME.pdf, and read it back by pdftotext into all. */
static void
draw_and_read(const struct pdf_report *report, const char *name)
{
    char path[FOLDER_PATH_BYTES + 32];
    struct buf out;
    struct err err = {0};
    int fd;

    buf_init(&out, 8 << 20);
    if (report_pdf(report, &out, &pages, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(path, sizeof path, "%s/%s.pdf", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, out.bytes, out.n), (ssize_t)out.n);
    close(fd);
    buf_fini(&out);
    const char *const argv[] = {"pdftotext", "-layout", path, "-", NULL};
    assert_int_equal(program_run(argv, NULL, all, 1 << 20), 0);
    if (getenv("RADPOST_KEEP_PDF") != NULL) {
        const char *const keep[] = {"cp", path, getenv("RADPOST_KEEP_PDF"), NULL};
        assert_int_equal(program_run(keep, NULL, (char[100]){0}, 100), 0);
    }
}

/* The text without the blanks and line ends that the page's width put in. */
static char *
squeezed(const char *text)
{
    char *out = malloc(strlen(text) + 1);
    size_t n = 0;

    for (const char *p = text; *p != '\0'; p++)
        if (*p != ' ' && *p != '\n' && *p != '\f' && *p != '\r')
            out[n++] = *p;
    out[n] = '\0';
    return out;
}

static void
assert_found(const char *words)
{
    char *have = squeezed(all), *want = squeezed(words);

    if (strstr(have, want) == NULL)
        fail_msg("not found: %s\nin: %s", words, all);
    free(have);
    free(want);
}

static int
count(const char *words)
{
    char *have = squeezed(all), *want = squeezed(words);
    int n = 0;

    for (const char *p = have; (p = strstr(p, want)) != NULL; p++)
        n++;
    free(have);
    free(want);
    return n;
}

static void
every_field_can_be_found_as_text(void **state)
{
    static const char *const wanted[] = {"青川市人民医院",
                                         "马鹿乡中心卫生院",
                                         "欧阳𠮷祥",
                                         "男",
                                         "63岁",
                                         "1963-07-04",
                                         "ML-2026-00318",
                                         "R000042",
                                         "A20261122-07",
                                         "胸部 CT 平扫",
                                         "2026-11-22 09:30",
                                         "咳嗽、咳痰伴发热 3 天",
                                         "否认结核病史",
                                         "李文博",
                                         "110510000012345",
                                         "周静",
                                         "110510000054321",
                                         "(UTC+08:00)",
                                         URL,
                                         "第 1 页 / 共 1 页",
                                         "全部已收到的 30 幅",
                                         "CT 检查报告"};

    (void)state;
    if (!program_is_there("pdftotext"))
        skip();

    draw_and_read(&plain, "plain");

    assert_int_equal(pages, 1);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_found(wanted[i]);
    assert_found(plain.findings);
    assert_found(plain.impression);
    assert_int_equal(count("急诊报告"), 0);
    assert_int_equal(count("修订"), 0);
}

static void
a_long_report_keeps_every_word_and_marks_each_page(void **state)
{
    struct pdf_report r = plain;
    struct buf text;

    (void)state;
    if (!program_is_there("pdftotext"))
        skip();
    buf_init(&text, 1 << 20);
    for (int i = 1; i <= 120; i++)
        buf_add_printf(
            &text, "第%d段：右肺上叶尖段见一结节影，边缘光整，直径约 %d mm，随访观察。\n", i, i);
    r.findings = buf_text(&text);
    r.is_preliminary = true;
    r.reviewer = NULL;

    draw_and_read(&r, "long");

    assert_true(pages > 2);
    for (int i = 1; i <= 120; i++) {
        char words[128];

        (void)snprintf(words, sizeof words,
                       "第%d段：右肺上叶尖段见一结节影，边缘光整，直径约 %d mm，随访观察。", i, i);
        assert_found(words);
    }
    assert_int_equal(count(MARK), (int)pages);
    for (unsigned i = 1; i <= pages; i++) {
        char words[64];

        (void)snprintf(words, sizeof words, "第 %u 页 / 共 %u 页", i, pages);
        assert_int_equal(count(words), 1);
    }
    assert_int_equal(count(URL), (int)pages);
    assert_int_equal(count("待审核"), 1);
    buf_fini(&text);
}

static void
later_versions_say_so_and_why(void **state)
{
    struct pdf_report r = plain;

    (void)state;
    if (!program_is_there("pdftotext"))
        skip();
    r.version = 2;
    r.reason = "补充测量：右肺下叶病灶大小由 23 mm 更正为 25 mm";
    r.present = 31;

    draw_and_read(&r, "amended");
    assert_found("修订报告 · 第 2 版，取代第 1 版");
    assert_found(r.reason);
    assert_found("其后又收到 1 幅，未包含在内");

    r.looked_at_us = r.signed_at_us;
    r.looked_by = "赵主任";
    draw_and_read(&r, "looked");
    assert_found("其后又收到 1 幅，赵主任 于");
    assert_found("补看，报告不变");

    r.is_superseded = true;
    draw_and_read(&r, "superseded");
    assert_found("已更正 · 本版已被更新的版本取代");

    r.is_withdrawn = true;
    draw_and_read(&r, "withdrawn");
    assert_found("已作废 · 本报告不再有效");
    assert_found("作废原因");
}

static void
a_character_no_font_has_is_written_as_its_number(void **state)
{
    struct pdf_report r = plain;

    (void)state;
    if (!program_is_there("pdftotext"))
        skip();
    r.findings =
        "结节\xF3\xB0\x80\x80旁见\x01毛刺。"; /* a private character; a control character */

    draw_and_read(&r, "unknown");

    assert_found("结节[U+F0000]旁见毛刺。");
}

static void
the_same_report_is_the_same_bytes(void **state)
{
    struct buf a, b;
    struct err err;

    (void)state;
    buf_init(&a, 8 << 20);
    buf_init(&b, 8 << 20);

    assert_int_equal(report_pdf(&plain, &a, NULL, &err), 0);
    assert_int_equal(report_pdf(&plain, &b, NULL, &err), 0);

    assert_int_equal(a.n, b.n);
    assert_true(a.n < 250000); /* it goes down a thin line */
    assert_memory_equal(a.bytes, b.bytes, a.n);
    buf_fini(&a);
    buf_fini(&b);
}

static void
what_cannot_be_a_report_is_refused(void **state)
{
    struct pdf_report r = plain;
    struct buf out, small, text;
    struct err err;

    (void)state;
    buf_init(&out, 8 << 20);
    buf_init(&small, 1000);
    buf_init(&text, 1 << 20);

    assert_int_equal(report_pdf(&r, &small, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    r.findings = " \n";
    r.impression = NULL;
    assert_int_equal(report_pdf(&r, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    r.findings = "\xFF\xFE";
    assert_int_equal(report_pdf(&r, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    for (int i = 0; i < 3000; i++)
        buf_add_text(&text, "行\n");
    r.findings = buf_text(&text);
    r.impression = "见上";
    assert_int_equal(report_pdf(&r, &out, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    buf_fini(&out);
    buf_fini(&small);
    buf_fini(&text);
}

static void
dress_plainly(struct sheet *s, void *user)
{
    ++*(unsigned *)user;
    s->y = 40;
    s->bottom = 140;
}

static void
a_sheet_dresses_each_page_and_keeps_its_margins(void **state)
{
    const struct sheet_facts facts = {"t", "a", "2026-11-22T02:07:00Z"};
    const struct sheet_style style = {.size = 10};
    unsigned dressed = 0;
    struct err err = {0};
    struct sheet s;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);

    sheet_open(&s, &out, &facts, 0, dress_plainly, &dressed);
    for (int i = 0; i < 30; i++) {
        sheet_flow(&s, &style, "一行文字");
        assert_true(s.y <= s.bottom);
    }

    assert_true(s.page >= 4);
    assert_int_equal(dressed, s.page);
    assert_true(sheet_width(&s, &style, "一行文字") > 39);
    assert_int_equal(sheet_close(&s, &err), 0);
    buf_fini(&out);
}

static void
the_fonts_of_a_report_are_installed(void **state)
{
    PangoContext *context = pango_font_map_create_context(fonts_lock());
    PangoLayout *layout = pango_layout_new(context);
    PangoFontDescription *font = pango_font_description_from_string(FONTS_FAMILY " 11");
    int unknown;

    (void)state;
    pango_layout_set_font_description(layout, font);
    pango_layout_set_text(layout, "急诊报告，以正式报告为准 𠮷 Aa1", -1);
    unknown = pango_layout_get_unknown_glyphs_count(layout);
    pango_font_description_free(font);
    g_object_unref(layout);
    g_object_unref(context);
    fonts_unlock();

    assert_int_equal(unknown, 0);
}

static void
names_are_as_people_write_them(void **state)
{
    static const struct {
        const char *pn, *wanted;
    } rows[] = {
        {"Wang^XiaoMing=王^小明", "王小明"},
        {"王^小明", "王小明"},
        {"DOE^JOHN^^DR", "DOE JOHN DR"},
        {"Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎"},
        {"=王^小明", "王小明"},
        {"ZHANG^SAN=", "ZHANG SAN"},
        {"", ""},
        {NULL, ""},
        {"阿卜杜拉·买买提", "阿卜杜拉·买买提"},
    };
    char out[64], small[5];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        report_pdf_person_name(rows[i].pn, out, sizeof out);
        assert_string_equal(out, rows[i].wanted);
    }
    report_pdf_person_name("王小明", small, sizeof small);
    assert_string_equal(small, "王");
    words_of_age("006M", out, sizeof out);
    assert_string_equal(out, "6个月");
    words_of_age("about 40", out, sizeof out);
    assert_string_equal(out, "about 40");
    words_of_date("1963", NULL, out, sizeof out);
    assert_string_equal(out, "1963");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_can_be_found_as_text),
        cmocka_unit_test(a_long_report_keeps_every_word_and_marks_each_page),
        cmocka_unit_test(later_versions_say_so_and_why),
        cmocka_unit_test(a_character_no_font_has_is_written_as_its_number),
        cmocka_unit_test(the_same_report_is_the_same_bytes),
        cmocka_unit_test(what_cannot_be_a_report_is_refused),
        cmocka_unit_test(a_sheet_dresses_each_page_and_keeps_its_margins),
        cmocka_unit_test(the_fonts_of_a_report_are_installed),
        cmocka_unit_test(names_are_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
