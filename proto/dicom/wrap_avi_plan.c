/* wrap_avi_plan.c - an AVI film as Multi-frame True Color or Grayscale Byte Secondary Capture
 * (PS3.3 A.8.3, A.8.5, C.8.6.3; PS3.5 8.2.1, A.4). JPEGs go as they are, a fragment each; one that
 * leaves the Huffman tables out, as films may, gets those it means (ITU-T T.81 annex K.3), else no
 * decoder of DICOM could read it. Bitmaps, last row first and blue first, become RGB rows from the
 * top. */
#include "proto/dicom/wrap_parts.h"

#include "proto/dicom/syntax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_BYTES = 1 << 18 };

/* T.81 tables K.3 to K.6 as one DHT segment. */
static const uint8_t tables[] = {
    0xFF, 0xC4, 0x01, 0xA2,
    /* DC, luminance */
    0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    /* DC, chrominance */
    0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    /* AC, luminance */
    0x10, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D, 0x01, 0x02, 0x03, 0x00, 0x04, 0x11,
    0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91,
    0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57,
    0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77,
    0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4,
    0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2,
    0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8,
    0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
    /* AC, chrominance */
    0x11, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77, 0x00, 0x01, 0x02, 0x03, 0x11, 0x04,
    0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14,
    0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16,
    0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56,
    0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76,
    0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2,
    0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9,
    0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7,
    0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA};
_Static_assert(sizeof tables == 0x01A2 + 2, "four tables");

static unsigned
samples_of(const struct wrap_avi *v)
{
    if (v->is_jpeg)
        return v->jpeg.components;
    return v->bits == 8 && v->is_grey ? 1 : 3;
}

static size_t
frame_size(const struct wrap_avi *v)
{
    return (size_t)v->cols * v->rows * samples_of(v);
}

static size_t
fragment_size(const struct wrap_frame *f)
{
    size_t n = (size_t)f->n + (f->tables_at != 0 ? sizeof tables : 0);

    return n + n % 2;
}

/* ---- the pictures ---- */

static int
write_fragment(const struct wrap_frame *f, const uint8_t *file, wrap_sink_fn sink, void *user,
               struct err *err)
{
    uint8_t head[8] = {0xFE, 0xFF, 0x00, 0xE0};
    bool has_pad = (f->n + (f->tables_at != 0 ? sizeof tables : 0)) % 2 != 0;
    size_t first = f->tables_at != 0 ? f->tables_at : f->n;

    le32_write(head + 4, (uint32_t)fragment_size(f));
    if (sink(user, head, sizeof head, err) < 0 || sink(user, file + f->at, first, err) < 0)
        return -1;
    if (f->tables_at != 0 && (sink(user, tables, sizeof tables, err) < 0 ||
                              sink(user, file + f->at + first, f->n - first, err) < 0))
        return -1;
    return has_pad ? sink(user, "", 1, err) : 0;
}

static uint8_t *
turn_row(const struct wrap_avi *v, const uint8_t *row, uint8_t *to)
{
    for (uint32_t x = 0; x < v->cols; x++) {
        const uint8_t *p = row + (size_t)x * (v->bits / 8);

        if (v->bits == 8 && v->is_grey) {
            *to++ = v->palette[*p][0];
        } else if (v->bits == 8) {
            memcpy(to, v->palette[*p], 3);
            to += 3;
        } else {
            *to++ = p[2];
            *to++ = p[1];
            *to++ = p[0];
        }
    }
    return to;
}

static int
write_bitmap(const struct wrap_avi *v, const uint8_t *picture, uint8_t *room, wrap_sink_fn sink,
             void *user, struct err *err)
{
    size_t row = (size_t)v->cols * samples_of(v), used = 0;

    for (uint32_t y = 0; y < v->rows; y++) {
        uint32_t from = v->is_top_down ? y : v->rows - 1 - y;

        turn_row(v, picture + wrap_avi_stride(v) * from, room + used);
        used += row;
        if (used + row > ROWS_BYTES || y + 1 == v->rows) {
            if (sink(user, room, used, err) < 0)
                return -1;
            used = 0;
        }
    }
    return 0;
}

int
wrap_avi_write(const struct wrap_avi *v, const uint8_t *file, wrap_sink_fn sink, void *user,
               struct err *err)
{
    uint8_t *room = mem_new(ROWS_BYTES);
    int rc = 0;

    for (uint32_t i = 0; i < v->frames && rc == 0; i++)
        rc = v->is_jpeg ? write_fragment(&v->list[i], file, sink, user, err)
                        : write_bitmap(v, file + v->list[i].at, room, sink, user, err);
    free(room);
    return rc;
}

/* BITMAPFILEHEADER and BITMAPINFOHEADER, colours, rows as they are. */
static void
put_bmp(const struct wrap_avi *v, const uint8_t *picture, struct buf *out)
{
    uint32_t colours = v->bits == 8 ? 256 : 0, head = 14 + 40 + 4 * colours;
    size_t n = wrap_avi_stride(v) * (size_t)v->rows;

    buf_add_text(out, "BM");
    buf_add_le32(out, (uint32_t)(head + n));
    buf_add_le32(out, 0);
    buf_add_le32(out, head);
    buf_add_le32(out, 40);
    buf_add_le32(out, v->cols);
    buf_add_le32(out, v->is_top_down ? 0u - v->rows : v->rows);
    buf_add_le16(out, 1);
    buf_add_le16(out, (uint16_t)v->bits);
    for (int i = 0; i < 6; i++) /* uncompressed; the rest of no interest */
        buf_add_le32(out, 0);
    for (uint32_t i = 0; i < colours; i++)
        buf_add_le32(out, (uint32_t)v->palette[i][0] << 16 | (uint32_t)v->palette[i][1] << 8 |
                              v->palette[i][2]);
    buf_add(out, picture, n);
}

int
wrap_avi_still(const uint8_t *bytes, size_t n, struct buf *out, const char **out_media,
               struct err *err)
{
    struct wrap_avi v;
    const struct wrap_frame *f;

    if (wrap_sniff(bytes, n) != WRAP_AVI)
        return err_set(err, ERR_NOT_FOUND, "not an AVI");
    if (wrap_avi_read(bytes, n, &v, err) < 0)
        return -1;
    f = &v.list[0];
    if (v.is_jpeg) {
        size_t first = f->tables_at != 0 ? f->tables_at : f->n;

        buf_add(out, bytes + f->at, first);
        if (f->tables_at != 0)
            buf_add(out, tables, sizeof tables);
        buf_add(out, bytes + f->at + first, f->n - first);
    } else {
        put_bmp(&v, bytes + f->at, out);
    }
    *out_media = v.is_jpeg ? "image/jpeg" : "image/bmp";
    wrap_avi_fini(&v);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "AVI: too large for a picture") : 0;
}

/* ---- the instance around them ---- */

static int
too_long(struct err *err)
{
    return err_set(err, ERR_REJECT,
                   "AVI: more than 4 GiB of pictures; export it shorter, or as MP4 (H.264)");
}

/* Encapsulated: the element, and where each frame's fragment begins. */
static int
begin_fragments(const struct wrap_avi *v, struct wrap_plan *plan, struct err *err)
{
    static const uint8_t element[] = {0xE0, 0x7F, 0x10, 0x00, 'O',  'B',  0,    0,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0};
    static const uint8_t delimiter[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    uint64_t at = 0;

    buf_add(&plan->head, element, sizeof element);
    buf_add_le32(&plan->head, 4 * v->frames);
    for (uint32_t i = 0; i < v->frames; i++) {
        buf_add_le32(&plan->head, (uint32_t)at);
        at += 8 + fragment_size(&v->list[i]);
        if (at > UINT32_MAX)
            return too_long(err);
    }
    buf_add(&plan->tail, delimiter, sizeof delimiter);
    return 0;
}

static int
begin_native(const struct wrap_avi *v, struct wrap_plan *plan, struct err *err)
{
    static const uint8_t element[] = {0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0};
    uint64_t n = (uint64_t)frame_size(v) * v->frames;

    if (n > UINT32_MAX - 1)
        return too_long(err);
    buf_add(&plan->head, element, sizeof element);
    buf_add_le32(&plan->head, (uint32_t)(n + n % 2));
    if (n % 2 != 0)
        buf_add_u8(&plan->tail, 0);
    return 0;
}

static void
put_time(struct wrap_set *s, const struct wrap_avi *v)
{
    char text[17];

    snprintf(text, sizeof text, "%u", v->frames);
    wrap_text(s, 0x00280008, "IS", text);
    if (v->frames == 1)
        return;
    ecg_decimal(round(v->frame_ms * 1e6) / 1e6, text);
    wrap_text(s, 0x00181063, "DS", text);
    wrap_set_begin(s, 0x00280009);
    dcm_write_tag(&s->w, 0x00280009, 0x00181063);
    wrap_set_end(s);
}

static void
put_lossy(struct wrap_set *s, const struct wrap_avi *v)
{
    double coded = 0;
    char ratio[17];

    for (uint32_t i = 0; i < v->frames; i++)
        coded += v->list[i].n;
    snprintf(ratio, sizeof ratio, "%.2f", (double)frame_size(v) * v->frames / coded);
    wrap_text(s, 0x00282110, "CS", "01");
    wrap_text(s, 0x00282112, "DS", ratio);
    wrap_text(s, 0x00282114, "CS", "ISO_10918_1");
}

static void
put_pixels(struct wrap_set *s, const struct wrap_avi *v)
{
    const char *photometric = samples_of(v) == 1 ? "MONOCHROME2" : "RGB";

    wrap_u16(s, 0x00280002, (uint16_t)samples_of(v));
    wrap_text(s, 0x00280004, "CS", v->is_jpeg ? v->jpeg.photometric : photometric);
    if (samples_of(v) > 1)
        wrap_u16(s, 0x00280006, 0);
    wrap_u16(s, 0x00280010, (uint16_t)v->rows);
    wrap_u16(s, 0x00280011, (uint16_t)v->cols);
    wrap_u16(s, 0x00280100, 8);
    wrap_u16(s, 0x00280101, 8);
    wrap_u16(s, 0x00280102, 7);
    wrap_u16(s, 0x00280103, 0);
    wrap_text(s, 0x00280301, "CS", "YES"); /* it may name the patient */
    if (samples_of(v) == 1) {              /* PS3.3 C.8.6.3: of grey ones */
        wrap_text(s, 0x00281052, "DS", "0");
        wrap_text(s, 0x00281053, "DS", "1");
        wrap_text(s, 0x00281054, "LO", "US");
        wrap_text(s, 0x20500020, "CS", "IDENTITY");
    }
    if (v->is_jpeg)
        put_lossy(s, v);
}

int
wrap_avi_plan(const struct wrap_identity *identity, const struct wrap_source *source,
              struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    struct wrap_series series = {.modality = identity->modality[0] ? identity->modality : "OT",
                                 .description = "导入的录像",
                                 .key = "avi",
                                 .number = 9504,
                                 .at = "",
                                 .maker = "",
                                 .model = ""};
    struct wrap_avi *v;

    plan->film = v = mem_new(sizeof *v);
    if (wrap_avi_read(source->bytes, source->n, v, err) < 0)
        return -1;
    series.sop_class = samples_of(v) == 1 ? WRAP_CLASS_SC_GREY : WRAP_CLASS_SC_COLOUR;
    series.transfer_syntax = v->is_jpeg ? v->jpeg.transfer_syntax : DCM_UID_EXPLICIT_LE;
    if (wrap_common(identity, source, &series, plan, s, err) < 0)
        return -1;
    wrap_text(s, 0x00080008, "CS", "DERIVED\\SECONDARY");
    wrap_text(s, 0x00080064, "CS", "DI");
    wrap_text(s, 0x00200020, "CS", "");
    if (strcmp(series.modality, "ECG") != 0 && strcmp(series.modality, "EPS") != 0)
        wrap_text(s, 0x00200060, "CS", ""); /* not known; of a heart there is none */
    put_time(s, v);
    put_pixels(s, v);
    wrap_set_take(s, 0, 0x7FE00010, &plan->head);
    return v->is_jpeg ? begin_fragments(v, plan, err) : begin_native(v, plan, err);
}
