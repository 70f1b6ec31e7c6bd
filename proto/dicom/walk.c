/* walk.c - the bounded pull parser. */
#include "proto/dicom/walk.h"

#include "proto/base/buf.h"
#include "proto/base/limits.h"

#include <string.h>

enum { KIND_ITEM, KIND_SEQUENCE, KIND_FRAGMENTS };

static const uint32_t UNDEFINED = 0xFFFFFFFF;
static const uint32_t TAG_ITEM = 0xFFFEE000, TAG_ITEM_END = 0xFFFEE00D,
                      TAG_SEQUENCE_END = 0xFFFEE0DD;
static const uint32_t TAG_PIXEL_REPRESENTATION = 0x00280103, TAG_PIXELS = 0x7FE00010;

/* Tries to read that many bytes at w->at of the innermost level. */
enum reach { REACH_OK, REACH_PREFIX_ENDS, REACH_BROKEN };

void
dcm_walk_init(struct dcm_walk *w, const uint8_t *bytes, size_t n, enum dcm_coding coding,
              unsigned flags)
{
    memset(w, 0, sizeof *w);
    w->bytes = bytes;
    w->n = n;
    w->flags = flags;
    w->levels[0].limit = flags & DCM_WALK_PREFIX ? SIZE_MAX : n;
    w->levels[0].kind = KIND_ITEM;
    w->levels[0].coding = (uint8_t)coding;
}

static uint16_t
read16(const uint8_t *p, enum dcm_coding coding)
{
    return coding == DCM_EXPLICIT_BE ? (uint16_t)(p[0] << 8 | p[1]) : le16_read(p);
}

static uint32_t
read32(const uint8_t *p, enum dcm_coding coding)
{
    return coding == DCM_EXPLICIT_BE ? (uint32_t)read16(p, coding) << 16 | read16(p + 2, coding)
                                     : le32_read(p);
}

static enum reach
reach(const struct dcm_walk *w, size_t n)
{
    const struct dcm_walk_level *level = &w->levels[w->top];

    if (n > level->limit - w->at)
        return REACH_BROKEN;
    if (n > w->n - w->at)
        return w->flags & DCM_WALK_PREFIX ? REACH_PREFIX_ENDS : REACH_BROKEN;
    return REACH_OK;
}

static int
broken(const struct dcm_walk *w, uint32_t tag, const char *what, struct err *err)
{
    return err_set(err, ERR_REJECT, "data set: (%04X,%04X) at byte %zu %s", tag >> 16, tag & 0xFFFF,
                   w->at, what);
}

static void
end_walk(struct dcm_walk *w, struct dcm_element *out)
{
    out->event = DCM_END;
    out->header_at = out->value_at = w->at;
}

static void
pop(struct dcm_walk *w, struct dcm_element *out, size_t header_n)
{
    const struct dcm_walk_level *level = &w->levels[w->top];

    out->event = level->kind == KIND_ITEM       ? DCM_ITEM_END
                 : level->kind == KIND_SEQUENCE ? DCM_SEQUENCE_END
                                                : DCM_FRAGMENTS_END;
    out->tag = level->kind == KIND_ITEM ? TAG_ITEM_END : TAG_SEQUENCE_END;
    out->header_at = w->at;
    out->header_n = header_n;
    out->value_at = w->at + header_n;
    out->coding = (enum dcm_coding)level->coding;
    w->at += header_n;
    w->top--;
    out->depth = w->top / 2;
}

static int
push(struct dcm_walk *w, const struct dcm_element *e, int kind, enum dcm_coding coding,
     struct err *err)
{
    const struct dcm_walk_level *outer = &w->levels[w->top];
    struct dcm_walk_level *level;

    if ((size_t)w->top + 1 >= ARRAY_LEN(w->levels))
        return broken(w, e->tag, "is nested too deep", err);
    level = &w->levels[++w->top];
    level->is_undefined = e->length == UNDEFINED;
    level->limit = level->is_undefined ? outer->limit : e->value_at + e->length;
    level->tag = e->tag;
    level->kind = (uint8_t)kind;
    level->coding = (uint8_t)coding;
    level->is_pixel_signed = outer->is_pixel_signed;
    return 0;
}

/* Header of an element in element context, the tag known. Sets vr, written_vr, length, header_n. */
static int
read_header(struct dcm_walk *w, struct dcm_element *e, enum reach *out_reach, struct err *err)
{
    const struct dcm_walk_level *level = &w->levels[w->top];
    const uint8_t *p = w->bytes + w->at;

    *out_reach = REACH_OK;
    if (e->coding == DCM_IMPLICIT_LE) {
        memcpy(e->vr, dcm_dict_vr(e->tag, level->is_pixel_signed), 3);
        e->length = le32_read(p + 4);
        e->header_n = 8;
        return 0;
    }
    if (p[4] < 'A' || p[4] > 'Z' || p[5] < 'A' || p[5] > 'Z')
        return broken(w, e->tag, "has no value representation", err);
    memcpy(e->vr, p + 4, 2);
    memcpy(e->written_vr, p + 4, 2);
    if (!dcm_vr_is_long(e->vr)) {
        e->length = read16(p + 6, e->coding);
        e->header_n = 8;
        return 0;
    }
    *out_reach = reach(w, 12);
    if (*out_reach == REACH_BROKEN)
        return broken(w, e->tag, "ends within its header", err);
    if (*out_reach == REACH_OK)
        e->length = read32(p + 8, e->coding);
    e->header_n = 12;
    return 0;
}

/* Begin a sequence or encapsulated pixel data. */
static int
open_value(struct dcm_walk *w, struct dcm_element *e, struct err *err)
{
    bool is_pixels = e->written_vr[0] == 'O' || (e->written_vr[0] == '\0' && e->tag == TAG_PIXELS);
    bool is_unknown = strcmp(e->written_vr, "UN") == 0;
    enum dcm_coding inner = is_unknown ? DCM_IMPLICIT_LE : e->coding;

    if (e->length == UNDEFINED && is_pixels) {
        e->event = DCM_FRAGMENTS;
        return push(w, e, KIND_FRAGMENTS, e->coding, err);
    }
    if (e->length == UNDEFINED && e->written_vr[0] != '\0' && strcmp(e->written_vr, "SQ") != 0 &&
        !is_unknown)
        return broken(w, e->tag, "has undefined length but is no sequence", err);
    e->event = DCM_SEQUENCE;
    memcpy(e->vr, "SQ", 3);
    return push(w, e, KIND_SEQUENCE, inner, err);
}

static bool
is_pixel_tag(uint32_t tag)
{
    return tag == TAG_PIXELS || tag == 0x7FE00008 || tag == 0x7FE00009;
}

/* What of a container's defined length is in the range: all of it, but in a prefix. */
static size_t
bytes_there(const struct dcm_walk *w, const struct dcm_element *e)
{
    size_t n = e->length == UNDEFINED ? 0 : e->length;

    return n < w->n - e->value_at ? n : w->n - e->value_at;
}

static int
next_element(struct dcm_walk *w, struct dcm_element *e, struct err *err)
{
    struct dcm_walk_level *level = &w->levels[w->top];
    enum reach r;

    if (read_header(w, e, &r, err) < 0)
        return -1;
    if (w->top == 0 && is_pixel_tag(e->tag) && w->flags & DCM_WALK_STOP_AT_PIXELS) {
        w->is_at_pixels = true;
        w->pixels_at = w->at;
        r = REACH_PREFIX_ENDS;
    }
    if (r == REACH_PREFIX_ENDS) {
        end_walk(w, e);
        return 0;
    }
    e->value_at = w->at + e->header_n;
    if (e->length == UNDEFINED || strcmp(e->vr, "SQ") == 0) {
        if (e->length != UNDEFINED && e->length > level->limit - w->at - e->header_n)
            return broken(w, e->tag, "is longer than what holds it", err);
        if (e->length != UNDEFINED && !(w->flags & DCM_WALK_PREFIX) &&
            e->length > w->n - e->value_at)
            return broken(w, e->tag, "reaches past the end", err);
        e->value_n = bytes_there(w, e);
        if (open_value(w, e, err) < 0)
            return -1;
        w->at = e->value_at;
        return 0;
    }
    r = reach(w, e->header_n + e->length);
    if (r == REACH_BROKEN)
        return broken(w, e->tag, "reaches past the end", err);
    if (r == REACH_PREFIX_ENDS) {
        end_walk(w, e);
        return 0;
    }
    e->event = DCM_ELEMENT;
    e->value_n = e->length;
    if (e->tag == TAG_PIXEL_REPRESENTATION && e->value_n == 2)
        level->is_pixel_signed = read16(w->bytes + e->value_at, e->coding) == 1;
    w->at = e->value_at + e->value_n;
    return 0;
}

/* Item, fragment or delimiter inside a sequence or pixel data. */
static int
next_item(struct dcm_walk *w, struct dcm_element *e, struct err *err)
{
    const struct dcm_walk_level *level = &w->levels[w->top];
    enum reach r;

    e->length = read32(w->bytes + w->at + 4, e->coding);
    if (e->tag == TAG_SEQUENCE_END && level->is_undefined) {
        pop(w, e, 8);
        return 0;
    }
    if (e->tag != TAG_ITEM)
        return broken(w, e->tag, "stands where an item is due", err);
    e->header_n = 8;
    e->value_at = w->at + 8;
    if (level->kind == KIND_FRAGMENTS && e->length == UNDEFINED)
        return broken(w, e->tag, "is a fragment of undefined length", err);
    e->value_n = e->length == UNDEFINED ? 0 : e->length;
    if (e->value_n > level->limit - e->value_at)
        return broken(w, e->tag, "is longer than what holds it", err);
    if (level->kind == KIND_SEQUENCE) {
        if (!(w->flags & DCM_WALK_PREFIX) && e->value_n > w->n - e->value_at)
            return broken(w, e->tag, "reaches past the end", err);
        e->value_n = bytes_there(w, e);
        e->event = DCM_ITEM;
        if (push(w, e, KIND_ITEM, (enum dcm_coding)level->coding, err) < 0)
            return -1;
        w->at = e->value_at;
        return 0;
    }
    r = reach(w, 8 + e->value_n);
    if (r == REACH_BROKEN)
        return broken(w, e->tag, "reaches past the end", err);
    if (r == REACH_PREFIX_ENDS) {
        end_walk(w, e);
        return 0;
    }
    e->event = DCM_FRAGMENT;
    w->at = e->value_at + e->value_n;
    return 0;
}

/* Too short for an element, and nothing in it: some senders round their data sets up. */
static bool
is_padding(const struct dcm_walk *w)
{
    if (w->flags & DCM_WALK_PREFIX || w->n - w->at >= 8)
        return false;
    for (size_t i = w->at; i < w->n; i++)
        if (w->bytes[i] != 0)
            return false;
    return true;
}

int
dcm_walk_next(struct dcm_walk *w, struct dcm_element *out, struct err *err)
{
    const struct dcm_walk_level *level = &w->levels[w->top];
    enum reach r;

    memset(out, 0, sizeof *out);
    out->depth = w->top / 2;
    out->coding = (enum dcm_coding)level->coding;
    out->header_at = w->at;
    if (w->top == 0 && (w->at == w->n || is_padding(w))) {
        end_walk(w, out);
        return 0;
    }
    if (w->top > 0 && !level->is_undefined && w->at == level->limit) {
        pop(w, out, 0);
        return 0;
    }
    if (++w->elements > LIMIT_DATASET_ELEMENTS)
        return err_set(err, ERR_REJECT, "data set: more than %llu elements",
                       (unsigned long long)LIMIT_DATASET_ELEMENTS);
    r = reach(w, 8);
    if (r == REACH_BROKEN)
        return err_set(err, ERR_REJECT, "data set: ends at byte %zu within an element", w->at);
    if (r == REACH_PREFIX_ENDS) {
        end_walk(w, out);
        return 0;
    }
    out->tag = (uint32_t)read16(w->bytes + w->at, out->coding) << 16 |
               read16(w->bytes + w->at + 2, out->coding);
    if (level->kind != KIND_ITEM)
        return next_item(w, out, err);
    if (out->tag == TAG_ITEM_END && w->top > 0 && level->is_undefined) {
        pop(w, out, 8);
        return 0;
    }
    if (out->tag >> 16 == 0xFFFE)
        return broken(w, out->tag, "stands where an element is due", err);
    return next_element(w, out, err);
}

bool
dcm_walk_skip(struct dcm_walk *w)
{
    const struct dcm_walk_level *level = &w->levels[w->top];

    if (w->top == 0 || level->is_undefined || level->kind == KIND_FRAGMENTS || level->limit > w->n)
        return false;
    w->at = level->limit;
    return true;
}
