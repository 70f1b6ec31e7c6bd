/* import_files.c - files as devices without DICOM make them. */
#include "tests/support/import_files.h"

#include <stdio.h>

#include <jpeglib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const unsigned import_leads[12] = {1, 2, 3, 4, 5, 6, 7, 8, 61, 62, 63, 64};
static const char *const names[12] = {"I",  "II", "V1",  "V2",  "V3",  "V4",
                                      "V5", "V6", "III", "aVR", "aVL", "aVF"};

int16_t
import_sample(unsigned lead, uint32_t i)
{
    double t = fmod(i / 500.0 + lead * 0.01, 0.9);
    double v = 2200 * exp(-pow((t - 0.3) / 0.012, 2)) - 500 * exp(-pow((t - 0.33) / 0.012, 2)) +
               300 * exp(-pow((t - 0.55) / 0.05, 2)) + 150 * exp(-pow((t - 0.15) / 0.03, 2));
    uint32_t noise = (i * 2654435761u) ^ (lead * 40503u);

    return (int16_t)(v * (lead % 2 ? 1 : -1) + (int)(noise >> 28) - 8);
}

/* ---- SCP-ECG ---- */

static uint16_t
crc_of(const uint8_t *p, size_t n)
{
    unsigned crc = 0xFFFF;

    while (n-- > 0) {
        unsigned x = (crc >> 8 ^ *p++) & 0xFF;

        x ^= x >> 4;
        crc = (crc << 8 ^ x << 12 ^ x << 5 ^ x) & 0xFFFF;
    }
    return (uint16_t)crc;
}

static void
put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void
import_scp_seal(uint8_t *record, size_t n)
{
    const uint8_t *pointers = record + 6 + 16;

    for (int i = 0; i < 12; i++) {
        const uint8_t *p = pointers + 10 * i;
        uint32_t length = le32_read(p + 2), index = le32_read(p + 6);

        if (length >= 16 && index > 0 && index - 1 + (uint64_t)length <= n)
            put16(record + index - 1, crc_of(record + index + 1, length - 2));
    }
    put16(record + 6, crc_of(record + 8, le32_read(record + 10) - 2));
    put16(record, crc_of(record + 2, n - 2));
}

static void
tag(struct buf *b, unsigned number, const void *bytes, size_t n)
{
    buf_add_u8(b, (uint8_t)number);
    buf_add_le16(b, (uint16_t)n);
    buf_add(b, bytes, n);
}

static void
scp_header(const struct import_ecg *e, struct buf *b)
{
    static const uint8_t birth[] = {0xAF, 0x07, 3, 9}, date[] = {0xEA, 0x07, 11, 20},
                         time[] = {8, 30, 15}, low[] = {5, 0}, high[] = {150, 0};
    uint8_t device[36] = {0};
    struct buf d;

    tag(b, 0, "TEST", 5);
    if (e->first_name != NULL)
        tag(b, 1, e->first_name, strlen(e->first_name) + 1);
    tag(b, 2, "CART-0042", 10);
    tag(b, 5, birth, sizeof birth);
    tag(b, 8, "\x02", 1);
    memcpy(device + 8, "EK12T", 5);
    device[14] = 20;
    buf_init(&d, 256);
    buf_add(&d, device, sizeof device);
    buf_add(&d, "rev1\0SN-7788\0v2.1\0scp1\0Nobody Medical", 38);
    tag(b, 14, d.bytes, d.n);
    buf_fini(&d);
    tag(b, 25, date, sizeof date);
    tag(b, 26, time, sizeof time);
    tag(b, 27, low, sizeof low);
    tag(b, 28, high, sizeof high);
    tag(b, 255, "", 0);
}

struct bit_writer {
    struct buf *out;
    unsigned held, count;
};

static void
put_bits(struct bit_writer *w, uint32_t v, unsigned n)
{
    while (n-- > 0) {
        w->held = w->held << 1 | (v >> n & 1);
        if (++w->count == 8) {
            buf_add_u8(w->out, (uint8_t)w->held);
            w->held = w->count = 0;
        }
    }
}

/* By the standard's table, written out from its text: 0, 100, 101, 1100, 1101 ... */
static void
put_default(struct bit_writer *w, int32_t v)
{
    int32_t size = v < 0 ? -v : v;

    if (v == 0) {
        put_bits(w, 0, 1);
    } else if (size <= 8) {
        for (int32_t i = 0; i < size; i++)
            put_bits(w, 1, 1);
        put_bits(w, v < 0 ? 1 : 0, 2);
    } else if (v >= -128 && v <= 127) {
        put_bits(w, 0x3FE, 10);
        put_bits(w, (uint32_t)v & 0xFF, 8);
    } else {
        put_bits(w, 0x3FF, 10);
        put_bits(w, (uint32_t)v & 0xFFFF, 16);
    }
}

/* Two tables of our own: "0" nought, "10" the other table (for one 16-bit number), "11" 8 bits. */
static void
put_own(struct bit_writer *w, int32_t v)
{
    if (v == 0) {
        put_bits(w, 0, 1);
    } else if (v >= -128 && v <= 127) {
        put_bits(w, 3, 2);
        put_bits(w, (uint32_t)v & 0xFF, 8);
    } else {
        put_bits(w, 2, 2);
        put_bits(w, 0, 1);
        put_bits(w, (uint32_t)v & 0xFFFF, 16);
        put_bits(w, 1, 1);
    }
}

static void
own_code(struct buf *b, unsigned prefix, unsigned all, bool is_value, int base, uint32_t code)
{
    buf_add_u8(b, (uint8_t)prefix);
    buf_add_u8(b, (uint8_t)all);
    buf_add_u8(b, is_value);
    buf_add_le16(b, (uint16_t)base);
    buf_add_le32(b, code);
}

static void
scp_tables(const struct import_ecg *e, struct buf *b)
{
    if (e->code == SCP_DEFAULT_TABLE) {
        buf_add_le16(b, 19999);
        return;
    }
    buf_add_le16(b, 2);
    buf_add_le16(b, 3);
    own_code(b, 1, 1, true, 0, 0);
    own_code(b, 2, 2, false, 2, 1); /* "10", first bit lowest */
    own_code(b, 2, 10, true, 0, 3);
    buf_add_le16(b, 2);
    own_code(b, 1, 17, true, 0, 0);
    own_code(b, 1, 1, false, 1, 1);
}

/* Reference beats: the recording's own, every BEAT_EVERY samples; the third is of another kind and
 * stays whole. Sections 4 and 5 written by the standard's text, as an encoder would. */
enum { BEAT_EVERY = 450, BEAT_FIRST = 160, BEAT_BEFORE = 60, BEAT_COUNT = 161, BEAT_ODD = 2 };

static int32_t
beat_of(const struct import_ecg *e, unsigned lead, uint32_t j)
{
    return import_sample(lead, BEAT_FIRST - BEAT_BEFORE + j) / (int)e->beat_steps;
}

/* What is left of sample i. */
static int32_t
residual_of(const struct import_ecg *e, unsigned lead, uint32_t i)
{
    uint32_t from = BEAT_FIRST - BEAT_BEFORE, k = i >= from ? (i - from) / BEAT_EVERY : 0;
    uint32_t j = i - from - k * BEAT_EVERY;

    if (e->beat_steps == 0 || i < from || k == BEAT_ODD || j >= BEAT_COUNT)
        return import_sample(lead, i);
    return import_sample(lead, i) - beat_of(e, lead, j) * (int)e->beat_steps;
}

static void
scp_zones(const struct import_ecg *e, struct buf *b)
{
    uint32_t count = 0;

    for (uint32_t at = BEAT_FIRST; at < e->samples + BEAT_BEFORE; at += BEAT_EVERY)
        count++;
    buf_add_le16(b, (uint16_t)(BEAT_COUNT * 1000 / e->hertz));
    buf_add_le16(b, BEAT_BEFORE + 1);
    buf_add_le16(b, (uint16_t)count);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t at = BEAT_FIRST + k * BEAT_EVERY;

        buf_add_le16(b, k == BEAT_ODD);
        buf_add_le32(b, at - BEAT_BEFORE + 1);
        buf_add_le32(b, at + 1);
        buf_add_le32(b, at - BEAT_BEFORE + BEAT_COUNT);
    }
    for (uint32_t k = 0; k < count; k++) { /* protected areas: for bimodal readers */
        buf_add_le32(b, BEAT_FIRST + k * BEAT_EVERY - 20);
        buf_add_le32(b, BEAT_FIRST + k * BEAT_EVERY + 20);
    }
}

static int32_t
difference_of(const struct import_ecg *e, unsigned lead, uint32_t i)
{
    int32_t v = residual_of(e, lead, i);

    if (e->difference == 1 && i >= 1)
        v -= residual_of(e, lead, i - 1);
    if (e->difference == 2 && i >= 2)
        v += residual_of(e, lead, i - 2) - 2 * residual_of(e, lead, i - 1);
    return v;
}

static void
scp_lead(const struct import_ecg *e, unsigned lead, bool is_beat, struct buf *out)
{
    struct bit_writer w = {.out = out};

    for (uint32_t i = 0; i < (is_beat ? (uint32_t)BEAT_COUNT : e->samples); i++) {
        int32_t v = is_beat ? beat_of(e, lead, i) : difference_of(e, lead, i);

        if (e->code == SCP_PLAIN)
            buf_add_le16(out, (uint16_t)v);
        else if (e->code == SCP_DEFAULT_TABLE)
            put_default(&w, v);
        else
            put_own(&w, v);
    }
    if (w.count > 0)
        put_bits(&w, 0, 8 - w.count);
    if (out->n % 2 != 0)
        buf_add_u8(out, 0);
}

/* Section 6, or 5: the beat, its samples as they are. */
static void
scp_rhythm(const struct import_ecg *e, bool is_beat, struct buf *b)
{
    struct buf data;
    size_t before = 0;

    buf_init(&data, 16 << 20);
    buf_add_le16(b, (uint16_t)(2500 * (is_beat ? e->beat_steps : 1))); /* nV a step */
    buf_add_le16(b, (uint16_t)(1000000 / e->hertz));
    buf_add_u8(b, (uint8_t)(is_beat ? 0 : e->difference));
    buf_add_u8(b, 0);
    for (unsigned i = 0; i < e->leads; i++) {
        scp_lead(e, import_leads[i], is_beat, &data);
        buf_add_le16(b, (uint16_t)(data.n - before));
        before = data.n;
    }
    buf_add(b, data.bytes, data.n);
    buf_fini(&data);
}

static void
scp_section(unsigned id, const struct buf *content, struct buf *out, uint8_t pointers[120])
{
    uint32_t length = content->n > 0 ? (uint32_t)(content->n + content->n % 2 + 16) : 0;

    put16(pointers + 10 * id, (uint16_t)id);
    le32_write(pointers + 10 * id + 2, length);
    le32_write(pointers + 10 * id + 6, length > 0 ? (uint32_t)out->n + 1 : 0);
    if (length == 0)
        return;
    buf_add_le16(out, 0);
    buf_add_le16(out, (uint16_t)id);
    buf_add_le32(out, length);
    buf_add(out, "\x14\x14\0\0\0\0\0\0", 8);
    buf_add(out, content->bytes, content->n);
    if (content->n % 2 != 0)
        buf_add_u8(out, 0);
}

void
import_file_scp(const struct import_ecg *e, struct buf *out)
{
    static const uint8_t head[22] = {[8] = 0, [14] = 0x14, [15] = 0x14};
    uint8_t pointers[120] = {0};
    struct buf content[12];

    for (int i = 0; i < 12; i++)
        buf_init(&content[i], 16 << 20);
    scp_header(e, &content[1]);
    if (e->code != SCP_PLAIN)
        scp_tables(e, &content[2]);
    buf_add_u8(&content[3], (uint8_t)e->leads);
    buf_add_u8(&content[3], (uint8_t)((e->beat_steps > 0) | 4 | (e->leads & 31) << 3));
    for (unsigned i = 0; i < e->leads; i++) {
        buf_add_le32(&content[3], 1);
        buf_add_le32(&content[3], e->samples);
        buf_add_u8(&content[3], (uint8_t)import_leads[i]);
    }
    if (e->beat_steps > 0) {
        scp_zones(e, &content[4]);
        scp_rhythm(e, true, &content[5]);
    }
    scp_rhythm(e, false, &content[6]);
    buf_add(out, head, sizeof head);
    memcpy(out->bytes + 16, "SCPECG", 6);
    buf_add(out, pointers, sizeof pointers);
    for (unsigned i = 1; i < 12; i++)
        scp_section(i, &content[i], out, pointers);
    le32_write(pointers + 2, 136);
    le32_write(pointers + 6, 7);
    memcpy(out->bytes + 22, pointers, sizeof pointers);
    le32_write(out->bytes + 2, (uint32_t)out->n);
    le32_write(out->bytes + 10, 136);
    import_scp_seal(out->bytes, out->n);
    for (int i = 0; i < 12; i++)
        buf_fini(&content[i]);
}

/* ---- aECG ---- */

static void
aecg_lead(const struct import_ecg *e, unsigned i, struct buf *out)
{
    buf_add_printf(out,
                   "<component><sequence><code code=\"MDC_ECG_LEAD_%s\" "
                   "codeSystem=\"2.16.840.1.113883.6.24\"/><value xsi:type=\"SLIST_PQ\">"
                   "<origin value=\"0\" unit=\"uV\"/><scale value=\"2.5\" unit=\"uV\"/><digits>",
                   names[i]);
    for (uint32_t k = 0; k < e->samples; k++)
        buf_add_printf(out, "%d%s", import_sample(import_leads[i], k), k % 20 == 19 ? "\n" : " ");
    buf_add_text(out, "</digits></value></sequence></component>\n");
}

void
import_file_aecg(const struct import_ecg *e, struct buf *out)
{
    buf_add_text(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<AnnotatedECG xmlns=\"urn:hl7-org:v3\" "
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n"
        "<id root=\"61d1a24f-b47e-41aa-ae95-f8ac302f4eeb\"/>"
        "<code code=\"93000\" codeSystem=\"2.16.840.1.113883.6.12\"/>"
        "<effectiveTime><low value=\"20261120083015.000\"/>"
        "<high value=\"20261120083025.000\"/></effectiveTime>\n"
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        "<id root=\"2.16.840.1.113883.3.5\" extension=\"CART-0042\"/>"
        "<subjectDemographicPerson><name>测试 &amp; 试</name>"
        "<administrativeGenderCode code=\"F\" codeSystem=\"2.16.840.1.113883.5.1\"/>"
        "<birthTime value=\"19670309\"/></subjectDemographicPerson></trialSubject></subject>"
        "</subjectAssignment></componentOf></timepointEvent></componentOf>\n"
        "<component><series><id root=\"2e2e2e2e-1111-4111-8111-111111111111\"/>"
        "<code code=\"RHYTHM\" codeSystem=\"2.16.840.1.113883.5.4\"/>"
        "<effectiveTime><low value=\"20261120083015.000\"/></effectiveTime>"
        "<author><seriesAuthor><manufacturedSeriesDevice>"
        "<id root=\"1.3.6.1\" extension=\"SN-7788\"/>"
        "<manufacturerModelName>EK12T</manufacturerModelName>"
        "<softwareName>v2.1</softwareName></manufacturedSeriesDevice>"
        "<manufacturerOrganization><name>Nobody Medical</name></manufacturerOrganization>"
        "</seriesAuthor></author>\n<component><sequenceSet>\n"
        "<component><sequence><code code=\"TIME_ABSOLUTE\" codeSystem=\"2.16.840.1.113883.5.4\"/>"
        "<value xsi:type=\"GLIST_TS\"><head value=\"20261120083015.000\" unit=\"s\"/>");
    buf_add_printf(out, "<increment value=\"%.9g\" unit=\"s\"/></value></sequence></component>\n",
                   1.0 / e->hertz);
    for (unsigned i = 0; i < e->leads; i++)
        aecg_lead(e, i, out);
    buf_add_text(out, "</sequenceSet></component></series></component></AnnotatedECG>\n");
}

/* ---- PDF, JPEG ---- */

void
import_file_pdf(const char *words, struct buf *out)
{
    size_t at[6], xref, start = out->n;
    struct buf text;

    buf_init(&text, 4096);
    buf_add_printf(&text, "BT /F1 18 Tf 40 700 Td (%s) Tj ET", words);
    buf_add_text(out, "%PDF-1.4\n");
    at[1] = out->n - start;
    buf_add_text(out, "1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n");
    at[2] = out->n - start;
    buf_add_text(out, "2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n");
    at[3] = out->n - start;
    buf_add_text(out, "3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
                      "/Resources<</Font<</F1 5 0 R>>>>>>\nendobj\n");
    at[4] = out->n - start;
    buf_add_printf(out, "4 0 obj\n<</Length %zu>>stream\n%s\nendstream\nendobj\n", text.n,
                   buf_text(&text));
    at[5] = out->n - start;
    buf_add_text(out, "5 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n");
    xref = out->n - start;
    buf_add_text(out, "xref\n0 6\n0000000000 65535 f \n");
    for (int i = 1; i < 6; i++)
        buf_add_printf(out, "%010zu 00000 n \n", at[i]);
    buf_add_printf(out, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n", xref);
    buf_fini(&text);
}

void
import_file_jpeg(enum import_jpeg kind, unsigned cols, unsigned rows, struct buf *out)
{
    struct jpeg_compress_struct c = {0};
    struct jpeg_error_mgr trouble;
    unsigned samples = kind == JPEG_GREY ? 1 : 3;
    uint8_t *row = mem_new((size_t)cols * samples);
    unsigned char *bytes = NULL;
    unsigned long n = 0;

    c.err = jpeg_std_error(&trouble);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = cols;
    c.image_height = rows;
    c.input_components = (int)samples;
    c.in_color_space = samples == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    if (kind == JPEG_RGB)
        jpeg_set_colorspace(&c, JCS_RGB);
    if (kind == JPEG_COLOUR_444)
        c.comp_info[0].h_samp_factor = c.comp_info[0].v_samp_factor = 1;
    if (kind == JPEG_PROGRESSIVE)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < rows) {
        for (unsigned x = 0; x < cols * samples; x++)
            row[x] = (uint8_t)(x * 255 / (cols * samples) + c.next_scanline);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    buf_add(out, bytes, n);
    free(bytes);
    free(row);
}
