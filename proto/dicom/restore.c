/* restore.c - follow a recipe: coded file and pixels in, received bytes out.
 * A recipe is input like any other: every range is vetted, the output can never pass received_n. */
#include "proto/dicom/recipe.h"

#include "proto/base/limits.h"
#include "proto/dicom/dictionary.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 65536 };

static const uint32_t UNDEFINED = 0xFFFFFFFF, TAG_ITEM = 0xFFFEE000;

struct restore {
    const uint8_t *coded;
    size_t coded_n;
    struct recipe_head head;
    const uint8_t *pixels;
    dcm_sink sink;
    void *user;
    uint64_t cursor;    /* in head and tail, one behind the other */
    uint64_t given_n;   /* bytes put into pending or the sink */
    struct buf pending; /* waits for lengths that are not known yet */
    int top;
    struct open_length {
        uint64_t end;     /* cursor */
        size_t length_at; /* in pending */
        bool is_big;
    } open[2 * DCM_DEPTH_MAX + 1];
};

static int
broken(struct err *err, const char *what)
{
    return err_set(err, ERR_REJECT, "recipe: %s", what);
}

/* Bytes to the sink, or behind those that still wait. */
static int
put(struct restore *r, const void *bytes, size_t n, struct err *err)
{
    if (n > r->head.received_n - r->given_n)
        return broken(err, "gives more than was received");
    r->given_n += n;
    if (r->top > 0) {
        buf_add(&r->pending, bytes, n);
        return buf_is_over(&r->pending) ? broken(err, "a sequence is too long") : 0;
    }
    return r->sink(r->user, bytes, n, err);
}

static void
put_length(uint8_t *p, uint32_t v, bool is_big)
{
    for (int i = 0; i < 4; i++)
        p[is_big ? 3 - i : i] = (uint8_t)(v >> (8 * i));
}

/* Close what ends at the cursor; when nothing is open, what waited goes out. */
static int
advance(struct restore *r, uint64_t n, struct err *err)
{
    bool had_open = r->top > 0;

    r->cursor += n;
    while (r->top > 0 && r->cursor >= r->open[r->top - 1].end) {
        const struct open_length *o = &r->open[--r->top];

        put_length(r->pending.bytes + o->length_at, (uint32_t)(r->pending.n - o->length_at - 4),
                   o->is_big);
    }
    if (had_open && r->top == 0) {
        if (r->sink(r->user, r->pending.bytes, r->pending.n, err) < 0)
            return -1;
        buf_clear(&r->pending);
    }
    return 0;
}

/* n coded bytes at the cursor; NULL when they do not lie wholly in head or tail. */
static const uint8_t *
coded_at(const struct restore *r, uint64_t n)
{
    const struct recipe_head *h = &r->head;

    if (r->cursor <= h->head_n && n <= h->head_n - r->cursor)
        return r->coded + r->cursor;
    if (r->cursor >= h->head_n && r->cursor <= h->head_n + h->tail_n &&
        n <= h->head_n + h->tail_n - r->cursor)
        return r->coded + r->coded_n - h->tail_n + (r->cursor - h->head_n);
    return NULL;
}

/* One coded element in parts. */
struct part {
    uint32_t tag, length;
    char vr[3];
    size_t header_n, value_n; /* value_n 0 for what holds others */
    bool is_container;
};

static int
read_part(const uint8_t *p, size_t n, struct part *out, struct err *err)
{
    struct part e = {0};

    if (n < 8)
        return broken(err, "half an element");
    e.tag = (uint32_t)le16_read(p) << 16 | le16_read(p + 2);
    e.header_n = 8;
    if (e.tag >> 16 == 0xFFFE) {
        e.length = le32_read(p + 4);
        e.is_container = e.tag == TAG_ITEM;
    } else {
        memcpy(e.vr, p + 4, 2);
        e.header_n = dcm_vr_is_long(e.vr) ? 12 : 8;
        if (n < e.header_n)
            return broken(err, "half an element");
        e.length = e.header_n == 12 ? le32_read(p + 8) : le16_read(p + 6);
        e.is_container = memcmp(e.vr, "SQ", 2) == 0;
        e.value_n = e.is_container ? 0 : e.length;
    }
    if (!e.is_container && (e.length == UNDEFINED || e.value_n > n - e.header_n))
        return broken(err, "an element reaches past its range");
    *out = e;
    return 0;
}

/* Its header in the received coding; returns its length. */
static size_t
make_header(const struct part *e, enum recipe_op op, uint8_t out[12])
{
    bool is_big = op == RECIPE_BIG;
    size_t at = 4, n = 8;

    memset(out, 0, 12);
    for (int i = 0; i < 4; i++) { /* group and element, each a word */
        static const int little[4] = {1, 0, 3, 2};

        out[is_big ? i : little[i]] = (uint8_t)(e->tag >> (24 - 8 * i));
    }
    if (is_big && e->tag >> 16 != 0xFFFE) {
        memcpy(out + 4, e->vr, 2);
        if (e->header_n == 8) {
            out[6] = (uint8_t)(e->length >> 8);
            out[7] = (uint8_t)e->length;
            return 8;
        }
        at = 8;
        n = 12;
    }
    put_length(out + at, e->length, is_big);
    return n;
}

static int
put_value(struct restore *r, const struct part *e, enum recipe_op op, const uint8_t *value,
          struct err *err)
{
    unsigned word = op == RECIPE_BIG ? dcm_vr_word(e->vr) : 1;
    size_t whole = e->value_n - e->value_n % word;
    uint8_t piece[4096];

    if (word == 1)
        return put(r, value, e->value_n, err);
    for (size_t at = 0; at < whole;) {
        size_t k = whole - at < sizeof piece ? whole - at : sizeof piece;

        for (size_t i = 0; i < k; i++)
            piece[i] = value[at + i - i % word + word - 1 - i % word];
        if (put(r, piece, k, err) < 0)
            return -1;
        at += k;
    }
    return put(r, value + whole, e->value_n - whole, err);
}

/* A sequence or item of defined length: its length comes when it ends. */
static int
open_length(struct restore *r, const struct part *e, enum recipe_op op, const uint8_t *header,
            size_t header_n, struct err *err)
{
    struct open_length *o;

    if ((size_t)r->top >= ARRAY_LEN(r->open))
        return broken(err, "nested too deep");
    o = &r->open[r->top++];
    if (put(r, header, header_n, err) < 0)
        return -1;
    o->end = r->cursor + e->header_n + e->length;
    o->length_at = r->pending.n - 4;
    o->is_big = op == RECIPE_BIG;
    return 0;
}

static int
again(struct restore *r, enum recipe_op op, const uint8_t *p, size_t n, struct err *err)
{
    while (n > 0) {
        struct part e;
        uint8_t header[12];
        size_t header_n, used;

        if (read_part(p, n, &e, err) < 0)
            return -1;
        header_n = make_header(&e, op, header);
        used = e.header_n + e.value_n;
        if (e.is_container && e.length != UNDEFINED) {
            if (open_length(r, &e, op, header, header_n, err) < 0)
                return -1;
        } else if (put(r, header, header_n, err) < 0 ||
                   put_value(r, &e, op, p + e.header_n, err) < 0) {
            return -1;
        }
        if (advance(r, used, err) < 0)
            return -1;
        p += used;
        n -= used;
    }
    return 0;
}

/* Where byte i of the received pixels lies among the canonical ones. */
static uint64_t
pixel_at(const struct recipe_pixels *p, uint64_t i)
{
    uint64_t plane_bytes, frame_bytes, frame, sample, rest;

    i = i - i % p->word + p->word - 1 - i % p->word;
    if (p->samples == 1)
        return i;
    plane_bytes = p->plane_samples * p->sample_bytes;
    frame_bytes = plane_bytes * p->samples;
    frame = i / frame_bytes;
    sample = i % frame_bytes / plane_bytes;
    rest = i % plane_bytes;
    return frame * frame_bytes + (rest / p->sample_bytes * p->samples + sample) * p->sample_bytes +
           rest % p->sample_bytes;
}

static int
put_pixels(struct restore *r, uint64_t n, struct err *err)
{
    const struct recipe_pixels *p = &r->head.pixels;
    uint8_t *piece;
    int rc = 0;

    if (n > p->n || n % p->word != 0)
        return broken(err, "asks for pixels that are not there");
    if (p->word == 1 && p->samples == 1)
        return put(r, r->pixels, (size_t)n, err);
    piece = mem_new(PIECE_BYTES);
    for (uint64_t at = 0; rc == 0 && at < n;) {
        size_t k = n - at < PIECE_BYTES ? (size_t)(n - at) : PIECE_BYTES;

        for (size_t i = 0; i < k; i++)
            piece[i] = r->pixels[pixel_at(p, at + i)];
        rc = put(r, piece, k, err);
        at += k;
    }
    free(piece);
    return rc;
}

static int
follow(struct restore *r, enum recipe_op op, uint64_t n, struct err *err)
{
    const uint8_t *from = coded_at(r, n);

    if (op == RECIPE_PIXELS)
        return put_pixels(r, n, err);
    if (from == NULL)
        return broken(err, "leaves the coded file");
    switch (op) {
    case RECIPE_COPY:
        if (put(r, from, (size_t)n, err) < 0)
            return -1;
        return advance(r, n, err);
    case RECIPE_SKIP:
        return advance(r, n, err);
    case RECIPE_IMPLICIT:
    case RECIPE_BIG:
        return again(r, op, from, (size_t)n, err);
    default:
        return broken(err, "an operation nobody knows");
    }
}

static int
follow_all(struct restore *r, const uint8_t *recipe, size_t at, size_t end, struct err *err)
{
    for (;;) {
        enum recipe_op op;
        uint64_t n;

        if (at >= end)
            return broken(err, "has no end");
        op = (enum recipe_op)recipe[at++];
        if (op == RECIPE_END)
            break;
        if (recipe_read_number(recipe, end, &at, &n) < 0)
            return broken(err, "a broken number");
        if (op == RECIPE_LITERAL) {
            if (n > end - at || put(r, recipe + at, (size_t)n, err) < 0)
                return n > end - at ? broken(err, "a literal is cut off") : -1;
            at += (size_t)n;
        } else if (follow(r, op, n, err) < 0) {
            return -1;
        }
    }
    if (at != end || r->top != 0 || r->given_n != r->head.received_n)
        return broken(err, "does not come out even");
    return 0;
}

int
dcm_restore(const uint8_t *coded, size_t coded_n, const uint8_t *recipe, size_t recipe_n,
            const uint8_t *pixels, size_t pixels_n, dcm_sink sink, void *user, struct err *err)
{
    struct restore *r = mem_new(sizeof *r);
    size_t at, end;
    int rc = -1;

    buf_init(&r->pending, LIMIT_OBJECT_BYTES);
    if (recipe_read_head(recipe, recipe_n, &r->head, &at, &end, err) < 0)
        goto out;
    if (r->head.head_n + r->head.tail_n > coded_n || r->head.pixels.n != pixels_n) {
        (void)broken(err, "is of another file or other pixels");
        goto out;
    }
    r->coded = coded;
    r->coded_n = coded_n;
    r->pixels = pixels;
    r->sink = sink;
    r->user = user;
    rc = follow_all(r, recipe, at, end, err);
out:
    buf_fini(&r->pending);
    free(r);
    return rc;
}
