/* wrap_video.c - an MP4 film of H.264 as Video Photographic or Video Endoscopic Image (PS3.3
 * A.32.7, A.32.5; PS3.5 8.2.7), its bytes as they are in one fragment. Only boxes are read (ISO/IEC
 * 14496-12): every one inside its parent, every chunk of the film inside the file, so that a
 * broken-off upload is told from a whole film. */
#include "proto/dicom/wrap_parts.h"

#include "proto/base/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BOXES_MAX = 100000 };

struct box {
    char type[5];
    const uint8_t *at; /* content */
    uint64_t n;
};

struct film {
    const uint8_t *whole;
    uint64_t whole_n;
    unsigned boxes;
    bool has_ftyp, is_quicktime, has_moov, has_mdat, is_fragmented, has_video;
    /* of the track being read */
    bool is_video, has_avc;
    uint32_t timescale, samples, timed;
    uint64_t ticks;
    struct wrap_video out;
};

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t
be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

/* The next box of a range.
 * errors  ERR_RETRY it reaches past the range */
static int
next_box(struct film *f, const uint8_t **at, uint64_t *n, struct box *out, struct err *err)
{
    uint64_t size, head = 8;

    if (++f->boxes > BOXES_MAX)
        return err_set(err, ERR_REJECT, "MP4: too many boxes");
    if (*n < 8)
        return err_set(err, ERR_RETRY, "MP4: ends early");
    size = be32(*at);
    memcpy(out->type, *at + 4, 4);
    out->type[4] = '\0';
    if (size == 1) {
        if (*n < 16)
            return err_set(err, ERR_RETRY, "MP4: ends early");
        size = be64(*at + 8);
        head = 16;
    } else if (size == 0) {
        size = *n;
    }
    if (size < head)
        return err_set(err, ERR_REJECT, "MP4: a box of no sensible length");
    if (size > *n)
        return err_set(err, ERR_RETRY, "MP4: ends early");
    out->at = *at + head;
    out->n = size - head;
    *at += size;
    *n -= size;
    return 0;
}

static bool
is(const struct box *b, const char *type)
{
    return memcmp(b->type, type, 4) == 0;
}

static int
broken(const char *what, struct err *err)
{
    return err_set(err, ERR_REJECT, "MP4: broken %s", what);
}

/* Sound goes along when DICOM allows it (PS3.5 8.2.7: AAC, MPEG-1, AC-3). */
static int
read_description(struct film *f, const struct box *stsd, struct err *err)
{
    const uint8_t *at = stsd->at + 8;
    uint64_t n = stsd->n - 8;
    struct box entry, inner;

    if (stsd->n < 8 || next_box(f, &at, &n, &entry, err) < 0)
        return broken("sample description", err);
    if (!f->is_video)
        return 0;
    if (!is(&entry, "avc1") && !is(&entry, "avc3"))
        return err_set(err, ERR_REJECT, "MP4: the film is not H.264%s; export it as H.264 (AVC)",
                       is(&entry, "hvc1") || is(&entry, "hev1") ? " but H.265" : "");
    if (entry.n < 78)
        return broken("sample description", err);
    at = entry.at + 78;
    n = entry.n - 78;
    while (n >= 8) {
        if (next_box(f, &at, &n, &inner, err) < 0)
            return broken("sample description", err);
        if (is(&inner, "avcC")) {
            f->has_avc = true;
            return wrap_avc_read(inner.at, inner.n, &f->out, err);
        }
    }
    return err_set(err, ERR_REJECT, "MP4: H.264 without its parameters");
}

static int
read_times(struct film *f, const struct box *stts, struct err *err)
{
    uint32_t count = stts->n >= 8 ? be32(stts->at + 4) : 0;

    if (stts->n < 8 || count > (stts->n - 8) / 8)
        return broken("times", err);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t samples = be32(stts->at + 8 + 8 * (uint64_t)i);
        uint32_t ticks = be32(stts->at + 12 + 8 * (uint64_t)i);

        if (samples > LIMIT_FRAMES * 16 || f->timed > LIMIT_FRAMES * 16)
            return broken("times", err);
        f->timed += samples;
        f->ticks += (uint64_t)samples * ticks;
    }
    return 0;
}

/* Chunk offsets, of 4 or 8 bytes: none behind the end. */
static int
check_chunks(const struct film *f, const struct box *b, unsigned width, struct err *err)
{
    uint32_t count = b->n >= 8 ? be32(b->at + 4) : 0;

    if (b->n < 8 || count > (b->n - 8) / width)
        return broken("chunk offsets", err);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *p = b->at + 8 + (uint64_t)i * width;
        uint64_t at = width == 4 ? be32(p) : be64(p);

        if (at >= f->whole_n)
            return err_set(err, ERR_RETRY, "MP4: ends early");
    }
    return 0;
}

static int
read_table(struct film *f, const struct box *b, struct err *err)
{
    if (is(b, "stsd"))
        return read_description(f, b, err);
    if (is(b, "stts"))
        return read_times(f, b, err);
    if (is(b, "stco"))
        return check_chunks(f, b, 4, err);
    if (is(b, "co64"))
        return check_chunks(f, b, 8, err);
    if (is(b, "stsz")) {
        if (b->n < 12)
            return broken("sample sizes", err);
        f->samples = be32(b->at + 8);
    }
    return 0;
}

static int
read_media_head(struct film *f, const struct box *b, struct err *err)
{
    size_t at = b->n > 0 && b->at[0] == 1 ? 20 : 12;

    if (b->n < at + 4)
        return broken("media header", err);
    f->timescale = be32(b->at + at);
    return 0;
}

/* trak > mdia > minf > stbl; the handler comes before what depends on it. Depth is fixed: each of
 * these four is entered from its parent only. */
static int
read_inside(struct film *f, const struct box *parent, int depth, struct err *err)
{
    static const char *const ways[] = {"trak", "mdia", "minf", "stbl"};
    const uint8_t *at = parent->at;
    uint64_t n = parent->n;
    struct box b;
    int rc = 0;

    while (rc == 0 && n >= 8) {
        if (next_box(f, &at, &n, &b, err) < 0)
            return broken("box inside another", err);
        if (depth < 3 && is(&b, ways[depth + 1]))
            rc = read_inside(f, &b, depth + 1, err);
        else if (depth == 1 && is(&b, "mdhd"))
            rc = read_media_head(f, &b, err);
        else if (depth == 1 && is(&b, "hdlr"))
            f->is_video = b.n >= 12 && memcmp(b.at + 8, "vide", 4) == 0;
        else if (depth == 3)
            rc = read_table(f, &b, err);
    }
    return rc;
}

static int
read_track(struct film *f, const struct box *trak, struct err *err)
{
    f->is_video = f->has_avc = false;
    f->timescale = f->samples = f->timed = 0;
    f->ticks = 0;
    if (read_inside(f, trak, 0, err) < 0)
        return -1;
    if (!f->is_video)
        return 0;
    if (f->has_video)
        return err_set(err, ERR_REJECT, "MP4: more than one film in it");
    if (!f->has_avc || f->samples == 0 || f->samples > LIMIT_FRAMES || f->timescale == 0 ||
        f->ticks == 0 || f->timed != f->samples)
        return err_set(err, ERR_REJECT, "MP4: a film of %u frames without times", f->samples);
    f->has_video = true;
    f->out.frames = f->samples;
    f->out.frame_ms = (double)f->ticks * 1000 / f->timescale / f->samples;
    return 0;
}

static int
read_movie(struct film *f, const struct box *moov, struct err *err)
{
    const uint8_t *at = moov->at;
    uint64_t n = moov->n;
    struct box b;

    f->has_moov = true;
    while (n >= 8) {
        if (next_box(f, &at, &n, &b, err) < 0)
            return broken("box inside another", err);
        if (is(&b, "mvex"))
            f->is_fragmented = true;
        if (is(&b, "trak") && read_track(f, &b, err) < 0)
            return -1;
    }
    return 0;
}

/* Brands: a film for QuickTime alone is another container than DICOM allows. */
static void
read_brands(struct film *f, const struct box *b)
{
    f->has_ftyp = true;
    f->is_quicktime = b->n >= 4 && memcmp(b->at, "qt  ", 4) == 0;
    for (uint64_t i = 8; i + 4 <= b->n; i += 4)
        if (memcmp(b->at + i, "isom", 4) == 0 || memcmp(b->at + i, "mp41", 4) == 0 ||
            memcmp(b->at + i, "mp42", 4) == 0)
            f->is_quicktime = false;
}

int
wrap_video_read(const uint8_t *bytes, size_t n, struct wrap_video *out, struct err *err)
{
    struct film f = {.whole = bytes, .whole_n = n};
    const uint8_t *at = bytes;
    uint64_t left = n;
    struct box b;

    while (left > 0) {
        if (next_box(&f, &at, &left, &b, err) < 0)
            return -1;
        if (is(&b, "ftyp"))
            read_brands(&f, &b);
        else if (is(&b, "mdat"))
            f.has_mdat = true;
        else if (is(&b, "moof"))
            f.is_fragmented = true;
        else if (is(&b, "moov") && read_movie(&f, &b, err) < 0)
            return -1;
    }
    if (!f.has_moov || !f.has_mdat)
        return err_set(err, ERR_RETRY, "MP4: ends early");
    if (!f.has_ftyp || f.is_quicktime)
        return err_set(err, ERR_REJECT, "QuickTime: export the film as MP4 instead");
    if (f.is_fragmented)
        return err_set(err, ERR_REJECT, "MP4: in fragments; export it as one whole MP4");
    if (!f.has_video)
        return err_set(err, ERR_REJECT, "MP4: no film in it");
    *out = f.out;
    return 0;
}

static void
put_time(struct wrap_set *s, const struct wrap_video *v)
{
    char text[17], rate[17];

    ecg_decimal(round(v->frame_ms * 1e6) / 1e6, text);
    wrap_text(s, 0x00181063, "DS", text);
    snprintf(rate, sizeof rate, "%.0f", round(1000 / v->frame_ms));
    if (1000 / v->frame_ms >= 0.5 && 1000 / v->frame_ms < 1e6)
        wrap_text(s, 0x00180040, "IS", rate);
    snprintf(text, sizeof text, "%u", v->frames);
    wrap_text(s, 0x00280008, "IS", text);
    wrap_set_begin(s, 0x00280009);
    dcm_write_tag(&s->w, 0x00280009, 0x00181063);
    wrap_set_end(s);
}

static void
put_pixels(struct wrap_set *s, const struct wrap_video *v, size_t n)
{
    char ratio[17];

    wrap_u16(s, 0x00280002, 3);
    wrap_text(s, 0x00280004, "CS", "YBR_PARTIAL_420");
    wrap_u16(s, 0x00280006, 0);
    wrap_u16(s, 0x00280010, (uint16_t)v->rows);
    wrap_u16(s, 0x00280011, (uint16_t)v->cols);
    wrap_u16(s, 0x00280100, 8);
    wrap_u16(s, 0x00280101, 8);
    wrap_u16(s, 0x00280102, 7);
    wrap_u16(s, 0x00280103, 0);
    wrap_text(s, 0x00280301, "CS", "YES"); /* it may name the patient */
    snprintf(ratio, sizeof ratio, "%.2f", (double)v->cols * v->rows * 1.5 * v->frames / (double)n);
    wrap_text(s, 0x00282110, "CS", "01");
    wrap_text(s, 0x00282112, "DS", ratio);
    wrap_text(s, 0x00282114, "CS", "ISO_14496_10");
}

int
wrap_video_plan(const struct wrap_identity *identity, const struct wrap_source *source,
                struct wrap_plan *plan, struct wrap_set *s, struct err *err)
{
    bool is_scope = strcmp(identity->modality, "ES") == 0;
    struct wrap_series series = {.sop_class = is_scope ? WRAP_CLASS_VIDEO_ENDOSCOPIC
                                                       : WRAP_CLASS_VIDEO_PHOTOGRAPHIC,
                                 .modality = is_scope ? "ES" : "XC",
                                 .description = "导入的录像",
                                 .key = "video",
                                 .number = 9503,
                                 .at = "",
                                 .maker = "",
                                 .model = ""};
    struct wrap_video v;

    if (wrap_video_read(source->bytes, source->n, &v, err) < 0)
        return -1;
    series.transfer_syntax = v.transfer_syntax;
    if (wrap_common(identity, source, &series, plan, s, err) < 0)
        return -1;
    wrap_text(s, 0x00080008, "CS", "ORIGINAL\\PRIMARY");
    wrap_text(s, 0x00200020, "CS", "");
    wrap_set_begin(s, 0x00082218); /* due, and not known any better: CID 4031 */
    wrap_code(&s->w, 0x00082218, "38266002", "SCT", "Entire body");
    wrap_set_end(s);
    wrap_empty_sequence(s, 0x00400555);
    put_time(s, &v);
    put_pixels(s, &v, source->n);
    return wrap_one_fragment(s, source->n, plan, err);
}
