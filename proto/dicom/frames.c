/* frames.c - where pixels lie, and native pixels in canonical order. */
#include "proto/dicom/frames.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t TAG_PIXELS = 0x7FE00010, TAG_FLOAT = 0x7FE00008, TAG_DOUBLE = 0x7FE00009,
                      TAG_EXTENDED_OFFSETS = 0x7FE00001;

/* What the search remembers beside its result. */
struct search {
    struct dcm_pixels *p;
    const uint8_t *dataset;
    size_t table_at, table_n; /* basic offset table */
    size_t wide_at, wide_n;   /* extended offset table */
    bool is_in_pixels, has_table;
};

static uint32_t
read_us(const struct dcm_element *e, const uint8_t *value)
{
    if (e->value_n < 2)
        return 0;
    return e->coding == DCM_EXPLICIT_BE ? (uint32_t)(value[0] << 8 | value[1]) : le16_read(value);
}

static uint32_t
read_frame_count(const struct dcm_element *e, const uint8_t *value)
{
    uint64_t v = 0;
    size_t i = 0;

    while (i < e->value_n && (value[i] == ' ' || value[i] == '+'))
        i++;
    for (; i < e->value_n && value[i] >= '0' && value[i] <= '9' && v <= UINT32_MAX; i++)
        v = v * 10 + (uint64_t)(value[i] - '0');
    return v == 0 ? 1 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void
read_word(char out[17], const struct dcm_element *e, const uint8_t *value)
{
    size_t n = e->value_n < 16 ? e->value_n : 16;

    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\0'))
        n--;
    memset(out, 0, 17);
    for (size_t i = 0; i < n; i++)
        out[i] = value[i] >= 0x20 && value[i] < 0x7F ? (char)value[i] : '?';
}

static void
keep_form(struct dcm_pixel_form *form, const struct dcm_element *e, const uint8_t *value)
{
    switch (e->tag) {
    case 0x00280002:
        form->samples = read_us(e, value);
        break;
    case 0x00280004:
        read_word(form->photometric, e, value);
        break;
    case 0x00280006:
        form->is_planar = read_us(e, value) == 1;
        break;
    case 0x00280008:
        form->frames = read_frame_count(e, value);
        break;
    case 0x00280010:
        form->rows = read_us(e, value);
        break;
    case 0x00280011:
        form->cols = read_us(e, value);
        break;
    case 0x00280100:
        form->bits_allocated = read_us(e, value);
        break;
    case 0x00280101:
        form->bits_stored = read_us(e, value);
        break;
    case 0x00280102:
        form->high_bit = read_us(e, value);
        break;
    case 0x00280103:
        form->is_signed = read_us(e, value) == 1;
        break;
    default:
        break;
    }
}

static bool
is_sub_sampled(const struct dcm_pixels *p, const char *photometric)
{
    return p->form.samples == 3 && strcmp(p->form.photometric, photometric) == 0;
}

/* frame_bytes, frames_bytes, is_whole from the form. */
static void
measure(struct dcm_pixels *p)
{
    const struct dcm_pixel_form *f = &p->form;
    size_t bits = f->bits_allocated, all, samples;

    if (p->tag == TAG_FLOAT)
        bits = 32;
    if (p->tag == TAG_DOUBLE)
        bits = 64;
    if (bits == 0 || bits > 64 || !size_mul(f->rows, f->cols, &samples) ||
        !size_mul(samples, f->samples, &samples))
        return;
    if (!p->is_encapsulated &&
        (is_sub_sampled(p, "YBR_FULL_422") || is_sub_sampled(p, "YBR_PARTIAL_422")))
        samples = samples / 3 * 2;
    if (!p->is_encapsulated && is_sub_sampled(p, "YBR_PARTIAL_420"))
        samples = samples / 2;
    if (!size_mul(samples, bits, &samples) || !size_mul(samples, f->frames, &all) || all == 0)
        return;
    p->frames_bytes = all / 8 + (all % 8 != 0);
    if (samples % 8 == 0 || p->is_encapsulated)
        p->frame_bytes = samples / 8 + (samples % 8 != 0);
    if (p->is_encapsulated && !size_mul((size_t)p->frame_bytes, f->frames, &all))
        p->frames_bytes = 0;
    else if (p->is_encapsulated)
        p->frames_bytes = all;
    p->is_whole =
        !p->is_encapsulated && (p->value_n == p->frames_bytes ||
                                (p->frames_bytes % 2 != 0 && p->value_n == p->frames_bytes + 1));
}

static void
keep_fragment(struct search *s, const struct dcm_element *e)
{
    struct dcm_pixels *p = s->p;
    uint32_t n = p->fragment_count;

    if (!s->has_table) { /* the first item, empty or not (PS3.5 A.4) */
        s->has_table = true;
        s->table_at = e->value_at;
        s->table_n = e->value_n;
        return;
    }
    if ((n & (n - 1)) == 0) /* grows by doubling */
        p->fragments = mem_grow(p->fragments, (n == 0 ? 1 : 2 * (size_t)n) * sizeof *p->fragments);
    p->fragments[p->fragment_count++] = (struct dcm_fragment){e->value_at, e->value_n};
}

static void
keep_event(struct search *s, const struct dcm_element *e)
{
    struct dcm_pixels *p = s->p;

    if (s->is_in_pixels && e->event == DCM_FRAGMENT)
        keep_fragment(s, e);
    if (s->is_in_pixels && e->event == DCM_FRAGMENTS_END) {
        s->is_in_pixels = false;
        p->end = e->value_at;
    }
    if (e->depth != 0 || (e->event != DCM_ELEMENT && e->event != DCM_FRAGMENTS))
        return;
    if (e->event == DCM_ELEMENT && e->tag == TAG_EXTENDED_OFFSETS) {
        s->wide_at = e->value_at;
        s->wide_n = e->value_n;
    }
    if (e->event == DCM_ELEMENT)
        keep_form(&p->form, e, s->dataset + e->value_at);
    if ((e->tag != TAG_PIXELS && e->tag != TAG_FLOAT && e->tag != TAG_DOUBLE) || p->tag != 0)
        return;
    p->tag = e->tag;
    memcpy(p->vr, e->vr, sizeof p->vr);
    p->header_at = e->header_at;
    p->header_n = e->header_n;
    p->value_at = e->value_at;
    p->value_n = e->value_n;
    p->is_encapsulated = s->is_in_pixels = e->event == DCM_FRAGMENTS;
    p->end = e->value_at + e->value_n;
}

/* Offset of frame f in the tables, relative to the first fragment's item; false when there is none.
 */
static bool
table_offset(const struct search *s, uint32_t f, uint64_t *out)
{
    if (s->table_n >= 4 * (size_t)s->p->form.frames)
        *out = le32_read(s->dataset + s->table_at + 4 * (size_t)f);
    else if (s->wide_n >= 8 * (size_t)s->p->form.frames)
        *out = le64_read(s->dataset + s->wide_at + 8 * (size_t)f);
    else
        return false;
    return true;
}

/* Spans by offset table: every offset must be where an item begins, in order. */
static bool
span_by_table(const struct search *s, struct dcm_frame_span *spans)
{
    const struct dcm_pixels *p = s->p;
    uint32_t k = 0;
    uint64_t offset;

    for (uint32_t f = 0; f < p->form.frames; f++) {
        if (!table_offset(s, f, &offset))
            return false;
        while (k < p->fragment_count && p->fragments[k].at - p->fragments[0].at < offset)
            k++;
        if (k == p->fragment_count || p->fragments[k].at - p->fragments[0].at != offset ||
            (f == 0 && k != 0) || (f > 0 && spans[f - 1].first == k))
            return false;
        spans[f].first = k;
    }
    return true;
}

/* Spans by the fragments that begin a JPEG, JPEG-LS or JPEG 2000 stream. */
static bool
span_by_start(const struct search *s, struct dcm_frame_span *spans)
{
    const struct dcm_pixels *p = s->p;
    uint32_t found = 0;

    for (uint32_t k = 0; k < p->fragment_count; k++) {
        const uint8_t *at = s->dataset + p->fragments[k].at;
        bool is_start = p->fragments[k].n >= 3 && at[0] == 0xFF &&
                        ((at[1] == 0xD8 && at[2] == 0xFF) || (at[1] == 0x4F && at[2] == 0xFF));

        if ((k == 0 && !is_start) || (is_start && found == p->form.frames))
            return false;
        if (is_start)
            spans[found++].first = k;
    }
    return found == p->form.frames;
}

static void
span_frames(struct search *s)
{
    struct dcm_pixels *p = s->p;
    uint32_t frames = p->form.frames;
    struct dcm_frame_span *spans;

    if (p->fragment_count < frames)
        return;
    spans = mem_new(frames * sizeof *spans);
    if (frames == 1 || p->fragment_count == frames) {
        for (uint32_t f = 0; f < frames; f++)
            spans[f].first = f;
    } else if (!span_by_table(s, spans) && !span_by_start(s, spans)) {
        free(spans);
        return;
    }
    for (uint32_t f = 0; f < frames; f++)
        spans[f].count = (f + 1 < frames ? spans[f + 1].first : p->fragment_count) - spans[f].first;
    p->spans = spans;
}

int
dcm_pixels_find(const uint8_t *dataset, size_t n, const struct dcm_part10 *part10,
                struct dcm_pixels *out, struct err *err)
{
    struct search s = {.p = out, .dataset = dataset};
    struct dcm_walk walk;
    struct dcm_element e;

    memset(out, 0, sizeof *out);
    out->syntax = part10->syntax;
    out->coding = part10->syntax->coding;
    out->form.samples = out->form.frames = 1;
    dcm_walk_init(&walk, dataset, n, out->coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
        keep_event(&s, &e);
    } while (e.event != DCM_END);
    if (out->tag == 0)
        return 0;
    if (out->form.frames > LIMIT_FRAMES)
        return err_set(err, ERR_REJECT, "pixel data: %u frames", out->form.frames);
    out->form.is_planar = out->form.is_planar && out->form.samples > 1;
    measure(out);
    if (out->is_encapsulated && out->fragment_count > 0)
        span_frames(&s);
    return 0;
}

void
dcm_pixels_fini(struct dcm_pixels *p)
{
    free(p->fragments);
    free(p->spans);
    memset(p, 0, sizeof *p);
}

int
dcm_pixels_coded_frame(const struct dcm_pixels *p, const uint8_t *dataset, uint32_t frame,
                       struct buf *out, struct err *err)
{
    const struct dcm_frame_span *span;

    if (p->spans == NULL || frame == 0 || frame > p->form.frames)
        return err_set(err, ERR_NOT_FOUND, "pixel data: frame %u cannot be told apart", frame);
    span = &p->spans[frame - 1];
    for (uint32_t k = span->first; k < span->first + span->count; k++)
        buf_add(out, dataset + p->fragments[k].at, p->fragments[k].n);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "pixel data: frame %u is too large", frame)
                            : 0;
}

/* Swap whole words of 2, 4 or 8 bytes; what is left over at the end stays. */
static void
swap_words(const uint8_t *from, size_t n, unsigned word, uint8_t *to)
{
    size_t whole = n - n % word;

    for (size_t i = 0; i < whole; i += word)
        for (unsigned k = 0; k < word; k++)
            to[i + k] = from[i + word - 1 - k];
    memcpy(to + whole, from + whole, n - whole);
}

/* Planes of one frame to pixels. */
static void
interleave(const struct dcm_pixel_form *form, const uint8_t *from, uint8_t *to)
{
    size_t bytes = form->bits_allocated / 8, count = (size_t)form->rows * form->cols;

    for (size_t s = 0; s < form->samples; s++)
        for (size_t i = 0; i < count; i++)
            memcpy(to + (i * form->samples + s) * bytes, from + (s * count + i) * bytes, bytes);
}

void
dcm_pixels_to_canonical(const struct dcm_pixels *p, const uint8_t *dataset, uint8_t *to)
{
    const uint8_t *from = dataset + p->value_at;
    unsigned word = p->coding == DCM_EXPLICIT_BE ? dcm_vr_word(p->vr) : 1;
    size_t n = (size_t)p->frames_bytes;
    uint8_t *swapped = NULL;

    CHECK(p->is_whole);
    if (word > 1) { /* with the pad byte, which may take part in the last word */
        swapped = mem_new(p->value_n);
        swap_words(from, p->value_n, word, swapped);
        from = swapped;
    }
    if (dcm_pixels_is_planar(p)) {
        for (uint32_t f = 0; f < p->form.frames; f++)
            interleave(&p->form, from + f * p->frame_bytes, to + f * p->frame_bytes);
    } else if (n > 0) {
        memcpy(to, from, n);
    }
    free(swapped);
}

bool
dcm_pixels_is_planar(const struct dcm_pixels *p)
{
    return p->form.is_planar && p->form.bits_allocated % 8 == 0 &&
           p->frame_bytes == (uint64_t)p->form.rows * p->form.cols * p->form.samples *
                                 (p->form.bits_allocated / 8);
}
