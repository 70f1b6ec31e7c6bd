/* report_pdf.c - reports on paper.
 *
 *     +------------------------------------------+
 *     |              reading hospital            |   every page: hospital, title, marks
 *     |               CT 检查报告                 |
 *     | [ 急诊报告，以正式报告为准 ]             |
 *     |------------------------------------------|
 *     | name sex age ... clinic, exam, history   |   first page in full, then one line
 *     |------------------------------------------|
 *     | 影像所见 ... 诊断意见 ...                |   flows over pages
 *     | writer, reviewer, times, images covered  |   never torn apart
 *     |------------------------------------------|
 *     | QR  address, version            1 / 2    |   every page
 *     +------------------------------------------+ */
#include "proto/render/report_pdf.h"

#include "proto/base/text.h"
#include "proto/render/qr.h"
#include "proto/render/report_words.h"
#include "proto/render/sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_MAX 512
#define TEXT_MAX (512 << 10) /* of all texts together */
#define QR_SIDE 62.0
#define FOOT 92.0 /* height of what every page ends with */

static const struct sheet_colour INK = {0.086, 0.125, 0.165}, QUIET = {0.32, 0.376, 0.427},
                                 RULE = {0.72, 0.76, 0.80}, ACCENT = {0.043, 0.361, 0.678},
                                 RED = {0.702, 0.149, 0.118}, RED_GROUND = {0.984, 0.894, 0.886},
                                 AMBER = {0.5, 0.29, 0}, AMBER_GROUND = {0.992, 0.941, 0.847},
                                 RED_FAINT = {0.988, 0.929, 0.925}, WHITE = {1, 1, 1};

/* The document's title by modality. */
static const struct {
    const char *modality;
    const char *zh;
    const char *en;
} titles[] = {
    {"CT", "CT 检查报告", "CT Report"},
    {"MR", "磁共振检查报告", "MR Report"},
    {"DX", "X 线检查报告", "Radiography Report"},
    {"CR", "X 线检查报告", "Radiography Report"},
    {"RF", "X 线透视检查报告", "Fluoroscopy Report"},
    {"MG", "乳腺 X 线检查报告", "Mammography Report"},
    {"US", "超声检查报告", "Ultrasound Report"},
    {"ECG", "心电图检查报告", "ECG Report"},
    {NULL, "医学影像检查报告", "Diagnostic Imaging Report"},
};

/* A report made ready for drawing. */
struct draft {
    const struct pdf_report *r;
    size_t title;
    char *findings;
    char *impression;
    char *missing;
    char sex[32], age[32], birth[32], taken[64], signed_at[64], written_at[64], standing[CELL_MAX];
};

struct cell {
    const char *label;
    const char *value;
    unsigned span; /* columns of three */
};

static int vet(const struct pdf_report *r, struct err *err);
static void make_ready(const struct pdf_report *r, struct draft *out);
static void draw_page(struct sheet *s, void *user);
static void draw_heading(struct sheet *s, const struct draft *d);
static void draw_marks(struct sheet *s, const struct draft *d);
static void draw_mark(struct sheet *s, const char *words, const char *more, bool is_red);
static void draw_foot(struct sheet *s, const struct draft *d);
static void draw_facts(struct sheet *s, const struct draft *d);
static void draw_cells(struct sheet *s, const struct cell *cells, size_t count);
static void draw_section(struct sheet *s, const char *zh, const char *en, const char *text,
                         bool is_strong);
static void draw_signatures(struct sheet *s, const struct draft *d);
static double draw_signer(struct sheet *s, double x, double width, const char *label,
                          const char *name, const char *licence);
static void draw_covers(struct sheet *s, const struct draft *d);
static int draw(const struct draft *d, struct buf *out, unsigned pages, unsigned *out_pages,
                struct err *err);

int
report_pdf(const struct pdf_report *report, struct buf *out, unsigned *out_pages, struct err *err)
{
    struct draft d;
    struct buf trial;
    unsigned pages = 0;
    int rc = -1;

    if (vet(report, err) < 0)
        return err_context(err, "report pdf");
    buf_init(&trial, out->limit);
    make_ready(report, &d);
    /* Once to count the pages, once to print. */
    if (draw(&d, &trial, 0, &pages, err) < 0)
        goto out;
    if (pages > PDF_PAGES_MAX) {
        (void)err_set(err, ERR_REJECT, "%u pages", pages);
        goto out;
    }
    if (draw(&d, out, pages, &pages, err) < 0)
        goto out;
    if (out_pages != NULL)
        *out_pages = pages;
    rc = 0;
out:
    free(d.findings);
    free(d.impression);
    free(d.missing);
    buf_fini(&trial);
    return rc < 0 ? err_context(err, "report pdf") : 0;
}

static int
draw(const struct draft *d, struct buf *out, unsigned pages, unsigned *out_pages, struct err *err)
{
    char created[64];
    struct sheet_facts facts = {
        .title = titles[d->title].zh,
        .author = words_are_said(d->r->reading_hospital) ? d->r->reading_hospital : "Radpost",
        .created = created};
    struct sheet s;

    words_of_moment_utc(d->r->signed_at_us, created, sizeof created);
    sheet_open(&s, out, &facts, pages, draw_page, (void *)(uintptr_t)d);
    draw_facts(&s, d);
    draw_section(&s,
                 d->r->modality != NULL && strcmp(d->r->modality, "ECG") == 0 ? "心电图所见"
                                                                              : "影像所见",
                 "Findings", d->findings, false);
    draw_section(&s, "诊断意见", "Impression", d->impression, true);
    if (words_are_said(d->missing))
        draw_section(&s, "图像缺失", "Missing images", d->missing, true);
    draw_signatures(&s, d);
    *out_pages = s.page;
    return sheet_close(&s, err);
}

static int
vet(const struct pdf_report *r, struct err *err)
{
    const char *const texts[] = {
        r->reading_hospital, r->clinic,         r->patient_name, r->patient_sex,
        r->patient_age,      r->patient_birth,  r->patient_id,   r->report_number,
        r->accession,        r->modality,       r->exam,         r->study_date,
        r->study_time,       r->complaint,      r->history,      r->findings,
        r->impression,       r->missing,        r->author,       r->reviewer,
        r->reason,           r->author_licence, r->verify_url,   r->reviewer_licence};
    size_t total = 0;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t n = texts[i] != NULL ? strlen(texts[i]) : 0;

        if (n > 0 && !text_is_utf8(texts[i], n))
            return err_set(err, ERR_REJECT, "text %zu is not UTF-8", i);
        total += n;
    }
    if (total > TEXT_MAX)
        return err_set(err, ERR_REJECT, "%zu bytes of text", total);
    if (!words_are_said(r->findings) && !words_are_said(r->impression))
        return err_set(err, ERR_REJECT, "neither findings nor impression");
    return 0;
}

static void
make_ready(const struct pdf_report *r, struct draft *out)
{
    *out = (struct draft){.r = r};
    while (titles[out->title].modality != NULL &&
           (r->modality == NULL || strcmp(titles[out->title].modality, r->modality) != 0))
        out->title++;
    out->findings = words_clean(r->findings);
    out->impression = words_clean(r->impression);
    out->missing = words_clean(r->missing);
    (void)text_copy(out->sex, sizeof out->sex, words_of_sex(r->patient_sex));
    words_of_age(r->patient_age, out->age, sizeof out->age);
    words_of_date(r->patient_birth, NULL, out->birth, sizeof out->birth);
    words_of_date(r->study_date, r->study_time, out->taken, sizeof out->taken);
    words_of_moment(r->signed_at_us, out->signed_at, sizeof out->signed_at);
    words_of_moment(r->written_at_us, out->written_at, sizeof out->written_at);
}

static void
draw_page(struct sheet *s, void *user)
{
    const struct draft *d = user;

    if (d->r->is_withdrawn)
        sheet_watermark(s, "已作废", RED_FAINT);
    else if (d->r->is_preliminary)
        sheet_watermark(s, "急诊报告", RED_FAINT);
    s->bottom = SHEET_HEIGHT - FOOT - 10;
    draw_heading(s, d);
    draw_marks(s, d);
    draw_foot(s, d);
}

static void
draw_heading(struct sheet *s, const struct draft *d)
{
    const struct sheet_style hospital = {19, true, INK, PANGO_ALIGN_CENTER, 0},
                             title = {13.5, false, ACCENT, PANGO_ALIGN_CENTER, 0},
                             line = {9, false, QUIET, PANGO_ALIGN_LEFT, 0};
    double width = s->right - s->left;
    char words[CELL_MAX];

    s->y = 34;
    s->y += sheet_put(s, &hospital, s->left, s->y, width,
                      words_are_said(d->r->reading_hospital) ? d->r->reading_hospital : "医疗机构");
    (void)snprintf(words, sizeof words, "%s  ·  %s", titles[d->title].zh, titles[d->title].en);
    s->y += sheet_put(s, &title, s->left, s->y, width, words) + 8;
    sheet_rule(s, s->y, 1.4, ACCENT);
    s->y += 7;
    if (s->page == 1)
        return;
    (void)snprintf(words, sizeof words, "%s   %s   %s   患者编号 %s   报告编号 %s   （续）",
                   words_are_said(d->r->patient_name) ? d->r->patient_name : "—", d->sex, d->age,
                   words_are_said(d->r->patient_id) ? d->r->patient_id : "—",
                   words_are_said(d->r->report_number) ? d->r->report_number : "—");
    s->y += sheet_put(s, &line, s->left, s->y, width, words) + 5;
    sheet_rule(s, s->y, 0.5, RULE);
    s->y += 8;
}

static void
draw_marks(struct sheet *s, const struct draft *d)
{
    const struct pdf_report *r = d->r;
    char words[CELL_MAX], reason[CELL_MAX] = "";

    if (words_are_said(r->reason))
        (void)snprintf(reason, sizeof reason, "%s：%.300s",
                       r->is_withdrawn ? "作废原因" : "修订原因", r->reason);
    if (reason[0] != '\0') /* cut between characters */
        for (size_t n = strlen(reason); !text_is_utf8(reason, n); reason[--n] = '\0')
            continue;
    if (r->is_withdrawn)
        draw_mark(s, "已作废 · 本报告不再有效，不得据此诊疗", reason, true);
    if (r->is_preliminary)
        draw_mark(s, "急诊报告，以正式报告为准", "本报告由一名医师出具，尚待第二名医师审核。",
                  true);
    if (r->is_superseded && !r->is_withdrawn)
        draw_mark(s, "已更正 · 本版已被更新的版本取代", "请扫描页脚二维码查看有效版本。", true);
    if (r->version > 1 && !r->is_withdrawn) {
        (void)snprintf(words, sizeof words, "修订报告 · 第 %u 版，取代第 %u 版", r->version,
                       r->version - 1);
        draw_mark(s, words, reason, false);
    }
}

static void
draw_mark(struct sheet *s, const char *words, const char *more, bool is_red)
{
    const struct sheet_style big = {12, true, is_red ? RED : AMBER, PANGO_ALIGN_LEFT, 0},
                             small = {9, false, is_red ? RED : AMBER, PANGO_ALIGN_LEFT, 0};
    double width = s->right - s->left - 24, at = s->y + 5, height;

    height = sheet_height(s, &big, width, words) + 10;
    if (more[0] != '\0')
        height += sheet_height(s, &small, width, more);
    sheet_box(s, s->left, s->y, s->right - s->left, height, is_red ? RED_GROUND : AMBER_GROUND);
    sheet_box(s, s->left, s->y, 4, height, is_red ? RED : AMBER);
    at += sheet_put(s, &big, s->left + 14, at, width, words);
    if (more[0] != '\0')
        (void)sheet_put(s, &small, s->left + 14, at, width, more);
    s->y += height + 7;
}

static void
draw_foot(struct sheet *s, const struct draft *d)
{
    const struct sheet_style small = {8, false, QUIET, PANGO_ALIGN_LEFT, 1.1F},
                             strong = {8.5, true, INK, PANGO_ALIGN_LEFT, 0},
                             right = {9, false, QUIET, PANGO_ALIGN_RIGHT, 0};
    double top = SHEET_HEIGHT - FOOT, x = s->left, width, y = top + 10;
    char words[CELL_MAX];
    struct err err;

    sheet_rule(s, top, 0.5, RULE);
    (void)snprintf(words, sizeof words, "第 %u 页 / 共 %u 页", s->page,
                   s->pages > 0 ? s->pages : s->page);
    (void)sheet_put(s, &right, s->right - 120, y, 120, words);
    if (words_are_said(d->r->verify_url)) {
        sheet_box(s, x, top + 7, QR_SIDE, QR_SIDE, WHITE);
        if (qr_draw(s->cairo, d->r->verify_url, x - 6, top + 4, QR_SIDE + 6, &err) < 0)
            s->is_failed = true;
        x += QR_SIDE + 8;
    }
    width = s->right - x - 125;
    if (words_are_said(d->r->verify_url)) {
        y += sheet_put(s, &strong, x, y, width, "扫码核验真伪与最新版本") + 1;
        sheet_link(s, d->r->verify_url);
        y += sheet_put(s, &small, x, y, width, d->r->verify_url) + 1;
        sheet_link_end(s);
    }
    (void)snprintf(words, sizeof words, "报告编号 %s   第 %u 版   签发 %s",
                   words_are_said(d->r->report_number) ? d->r->report_number : "—", d->r->version,
                   d->signed_at);
    y += sheet_put(s, &small, x, y, s->right - x, words) + 1;
    (void)sheet_put(
        s, &small, x, y, s->right - x,
        "本报告供临床医师参考，应结合临床及其他检查综合判断。打印件与电子签名原件以核验页为准。");
}

static void
draw_facts(struct sheet *s, const struct draft *d)
{
    const struct pdf_report *r = d->r;
    const struct cell cells[] = {
        {"姓名", r->patient_name, 1},
        {"性别", d->sex, 1},
        {"年龄", d->age, 1},
        {"出生日期", d->birth, 1},
        {"患者编号", r->patient_id, 1},
        {"检查号", r->accession, 1},
        {"检查时间", d->taken, 1},
        {"检查类型", r->modality, 1},
        {"报告编号", r->report_number, 1},
        {"送检机构", r->clinic, 3},
        {"检查部位与方法", r->exam, 3},
        {"主诉", r->complaint, words_are_said(r->complaint) ? 3 : 0},
        {"病史", r->history, words_are_said(r->history) ? 3 : 0},
    };

    draw_cells(s, cells, ARRAY_LEN(cells));
    s->y += 3;
    sheet_rule(s, s->y, 0.5, RULE);
    s->y += 4;
}

/* Label and value, three columns; a row is as high as its highest cell. */
static void
draw_cells(struct sheet *s, const struct cell *cells, size_t count)
{
    const struct sheet_style label = {9.5, false, QUIET, PANGO_ALIGN_LEFT, 0},
                             value = {10.5, false, INK, PANGO_ALIGN_LEFT, 0};
    double third = (s->right - s->left) / 3;

    for (size_t i = 0, next; i < count; i = next) {
        double height = 0, x = s->left;
        unsigned columns = 0;

        for (next = i; next < count && columns + cells[next].span <= 3; next++) {
            char *text = words_clean(cells[next].value);
            double gap = sheet_width(s, &label, cells[next].label) + 8, h;
            double width = third * (cells[next].span > 0 ? cells[next].span : 1) - gap - 6;

            columns += cells[next].span;
            if (cells[next].span > 0) {
                h = sheet_height(s, &value, width, words_are_said(text) ? text : "—");
                height = h > height ? h : height;
                (void)sheet_put(s, &label, x, s->y + 1, gap, cells[next].label);
                (void)sheet_put(s, &value, x + gap, s->y, width, words_are_said(text) ? text : "—");
            }
            x += third * cells[next].span;
            free(text);
        }
        s->y += height > 0 ? height + 4 : 0;
    }
}

static void
draw_section(struct sheet *s, const char *zh, const char *en, const char *text, bool is_strong)
{
    const struct sheet_style head = {12, true, ACCENT, PANGO_ALIGN_LEFT, 0},
                             small = {8.5, false, QUIET, PANGO_ALIGN_LEFT, 0},
                             body = {is_strong ? 11.5 : 11, is_strong, INK, PANGO_ALIGN_LEFT,
                                     1.38F};
    double x = s->left + 8;

    s->y += 10;
    sheet_need(s, 64); /* a heading takes two lines along */
    sheet_box(s, s->left, s->y + 3, 3, 13, ACCENT);
    x += sheet_width(s, &head, zh) + 8;
    (void)sheet_put(s, &small, x, s->y + 5.5, 120, en);
    s->y += sheet_put(s, &head, s->left + 9, s->y, s->right - s->left - 9, zh) + 4;
    sheet_flow(s, &body, words_are_said(text) ? text : "—");
}

static void
draw_signatures(struct sheet *s, const struct draft *d)
{
    const struct pdf_report *r = d->r;
    const struct sheet_style line = {9.5, false, QUIET, PANGO_ALIGN_LEFT, 0};
    double half = (s->right - s->left) / 2, left, right;
    bool is_alone = !words_are_said(r->reviewer);
    char words[CELL_MAX];

    s->y += 14;
    sheet_need(s, 108);
    sheet_rule(s, s->y, 0.5, RULE);
    s->y += 8;
    left = draw_signer(s, s->left, half - 10, "报告医师", r->author, r->author_licence);
    right = draw_signer(s, s->left + half, half - 10, "审核医师", is_alone ? "待审核" : r->reviewer,
                        is_alone ? NULL : r->reviewer_licence);
    s->y += (left > right ? left : right) + 5;
    if (d->written_at[0] != '\0') {
        (void)snprintf(words, sizeof words, "书写时间  %s", d->written_at);
        (void)sheet_put(s, &line, s->left, s->y, half - 10, words);
    }
    (void)snprintf(words, sizeof words, "签发时间  %s",
                   d->signed_at[0] != '\0' ? d->signed_at : "—");
    s->y += sheet_put(s, &line, s->left + half, s->y, half - 10, words) + 4;
    draw_covers(s, d);
}

static double
draw_signer(struct sheet *s, double x, double width, const char *label, const char *name,
            const char *licence)
{
    const struct sheet_style small = {9.5, false, QUIET, PANGO_ALIGN_LEFT, 0},
                             strong = {12, true, INK, PANGO_ALIGN_LEFT, 0};
    double gap = sheet_width(s, &small, label) + 10, y = s->y;
    char words[CELL_MAX];

    (void)sheet_put(s, &small, x, y + 2.5, gap, label);
    y += sheet_put(s, &strong, x + gap, y, width - gap, words_are_said(name) ? name : "—");
    if (words_are_said(licence)) {
        (void)snprintf(words, sizeof words, "执业证书编号 %.120s", licence);
        y += sheet_put(s, &small, x + gap, y, width - gap, words);
    }
    return y - s->y;
}

/* How much of the study the report speaks of: more images than it covers is said in red, until a
 * doctor looked at them. */
static void
draw_covers(struct sheet *s, const struct draft *d)
{
    const struct pdf_report *r = d->r;
    bool is_looked = r->looked_at_us != 0, is_short = r->present > r->covers;
    bool is_red = is_short && !is_looked;
    const struct sheet_style line = {9.5, is_red, is_red ? RED : QUIET, PANGO_ALIGN_LEFT, 0};
    char words[CELL_MAX], at[64];

    words_of_moment(r->looked_at_us, at, sizeof at);
    if (is_short && is_looked)
        (void)snprintf(words, sizeof words,
                       "本报告依据 %u 幅图像；其后又收到 %u 幅，%.120s 于 %s 补看，报告不变。",
                       r->covers, r->present - r->covers, r->looked_by != NULL ? r->looked_by : "",
                       at);
    else if (is_short)
        (void)snprintf(words, sizeof words, "本报告依据 %u 幅图像；其后又收到 %u 幅，未包含在内。",
                       r->covers, r->present - r->covers);
    else
        (void)snprintf(words, sizeof words, "本报告依据全部已收到的 %u 幅图像。  Covers %u images.",
                       r->covers, r->covers);
    s->y += sheet_put(s, &line, s->left, s->y, s->right - s->left, words);
}
