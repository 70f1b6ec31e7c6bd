/* layout.c - offsets of frames and layers, written as differences in small numbers. */
#include "proto/model/layout.h"

#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>

/* docs/formats/layout.md: "RPLY", major, minor, then the numbers, then CRC-32. */
static const uint8_t magic[4] = {'R', 'P', 'L', 'Y'};
#define MAJOR 1
#define MINOR 0
#define HEAD_BYTES 6
#define CRC_BYTES 4
#define VARINT_MAX_BYTES 10

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static void put_number(struct buf *out, uint64_t v);
static uint64_t get_number(struct reader *r);
static int read_offsets(struct reader *r, struct layout *l, struct err *err);
static void add_range(struct range *ranges, size_t *n, uint64_t from, uint64_t to);
static bool is_within(uint64_t from, uint64_t to, const struct range *have, size_t have_n);

struct layout *
layout_new(uint64_t file_size, uint32_t frames, uint8_t layers)
{
    struct layout *l = mem_new(sizeof *l);

    l->file_size = file_size;
    l->header_end = file_size;
    l->frames = frames;
    l->layers = layers;
    if (frames > 0) {
        l->frame_start = mem_new((size_t)frames * sizeof *l->frame_start);
        l->layer_end = mem_new((size_t)frames * layers * sizeof *l->layer_end);
    }
    return l;
}

struct layout *
layout_new_uncoded(uint64_t file_size)
{
    return layout_new(file_size, 0, 0);
}

struct layout *
layout_copy(const struct layout *layout)
{
    struct layout *l;

    if (layout == NULL)
        return NULL;
    l = layout_new(layout->file_size, layout->frames, layout->layers);
    l->header_end = layout->header_end;
    if (l->frames > 0) {
        memcpy(l->frame_start, layout->frame_start, l->frames * sizeof *l->frame_start);
        memcpy(l->layer_end, layout->layer_end,
               (size_t)l->frames * l->layers * sizeof *l->layer_end);
    }
    return l;
}

void
layout_free(struct layout **layout)
{
    if (*layout == NULL)
        return;
    free((*layout)->frame_start);
    free((*layout)->layer_end);
    free(*layout);
    *layout = NULL;
}

int
layout_check(const struct layout *l, struct err *err)
{
    uint64_t at = l->header_end;

    if (l->header_end > l->file_size)
        return err_set(err, ERR_REJECT, "layout: the header ends past the file");
    if ((l->frames == 0) != (l->layers == 0) || l->layers > LAYOUT_MAX_LAYERS ||
        l->frames > LIMIT_FRAMES)
        return err_set(err, ERR_REJECT, "layout: %u frames of %u layers", l->frames, l->layers);
    for (uint32_t f = 0; f < l->frames; f++) {
        if (l->frame_start[f] < at || (f == 0 && l->frame_start[f] != at))
            return err_set(err, ERR_REJECT, "layout: frame %u begins before its place", f + 1);
        at = l->frame_start[f];
        for (uint8_t k = 0; k < l->layers; k++) {
            if (layout_layer_end(l, f, k) <= at || layout_layer_end(l, f, k) > l->file_size)
                return err_set(err, ERR_REJECT, "layout: frame %u: layer %u is out of place", f + 1,
                               k + 1U);
            at = layout_layer_end(l, f, k);
        }
    }
    return 0;
}

void
layout_write(const struct layout *l, struct buf *out)
{
    size_t begin = out->n;
    uint64_t at = l->header_end;

    buf_add(out, magic, sizeof magic);
    buf_add_u8(out, MAJOR);
    buf_add_u8(out, MINOR);
    put_number(out, l->file_size);
    put_number(out, l->header_end);
    put_number(out, l->frames);
    put_number(out, l->layers);
    for (uint32_t f = 0; f < l->frames; f++) {
        put_number(out, l->frame_start[f] - at);
        at = l->frame_start[f];
        for (uint8_t k = 0; k < l->layers; k++) {
            put_number(out, layout_layer_end(l, f, k) - at);
            at = layout_layer_end(l, f, k);
        }
    }
    if (!buf_is_over(out))
        buf_add_le32(out, zip_crc32(0, out->bytes + begin, out->n - begin));
}

int
layout_read(const uint8_t *bytes, size_t n, struct layout **out, struct err *err)
{
    struct reader r;
    struct layout *l = NULL;
    uint64_t file_size, header_end, frames, layers;
    int rc = -1;

    if (n < HEAD_BYTES + CRC_BYTES || memcmp(bytes, magic, sizeof magic) != 0)
        return err_set(err, ERR_REJECT, "not a layout");
    if (bytes[4] != MAJOR)
        return err_set(err, ERR_REJECT, "layout of version %u, we read %u", bytes[4], MAJOR);
    if (le32_read(bytes + n - CRC_BYTES) != zip_crc32(0, bytes, n - CRC_BYTES))
        return err_set(err, ERR_REJECT, "layout: its checksum disagrees");
    r = (struct reader){bytes + HEAD_BYTES, bytes + n - CRC_BYTES, false};
    file_size = get_number(&r);
    header_end = get_number(&r);
    frames = get_number(&r);
    layers = get_number(&r);
    /* each offset takes a byte at least: what is not there is not allocated */
    if (r.is_bad || layers > LAYOUT_MAX_LAYERS || frames > LIMIT_FRAMES ||
        frames * (layers + 1) > (uint64_t)(r.end - r.at)) {
        (void)err_set(err, ERR_REJECT, "layout: its counts are not those of its bytes");
        goto out;
    }
    l = layout_new(file_size, (uint32_t)frames, (uint8_t)layers);
    l->header_end = header_end;
    if (read_offsets(&r, l, err) < 0 || layout_check(l, err) < 0)
        goto out;
    *out = TAKE(l);
    rc = 0;
out:
    layout_free(&l);
    return rc;
}

void
layout_ranges(const struct layout *l, uint8_t layers, struct range **out, size_t *out_n)
{
    struct range *ranges = mem_new(((size_t)l->frames + 1) * sizeof *ranges);
    size_t n = 0;

    if (layers == 0 || layers >= l->layers) {
        add_range(ranges, &n, 0, l->file_size);
    } else {
        add_range(ranges, &n, 0, l->header_end);
        for (uint32_t f = 0; f < l->frames; f++)
            add_range(ranges, &n, l->frame_start[f], layout_layer_end(l, f, (uint8_t)(layers - 1)));
    }
    *out = ranges;
    *out_n = n;
}

void
layout_first_look(const struct layout *l, struct range **out, size_t *out_n)
{
    if (l->layers == 0) {
        *out = NULL;
        *out_n = 0;
        return;
    }
    layout_ranges(l, 1, out, out_n);
}

/* A first frame follows its header without a gap: one range. */
static void
add_look(struct range *ranges, size_t *n, const struct layout *l, uint32_t frame_index)
{
    struct range look = {l->frame_start[frame_index], layout_layer_end(l, frame_index, 0)};

    if (ranges[*n - 1].to == look.from)
        ranges[*n - 1].to = look.to;
    else
        ranges[(*n)++] = look;
}

void
layout_look_order(const struct layout *l, struct range **out, size_t *out_n)
{
    uint32_t middle = l->frames / 2;
    struct range *ranges;
    size_t n = 1;

    *out = NULL;
    *out_n = 0;
    if (l->layers == 0)
        return;
    ranges = mem_new(((size_t)l->frames + 1) * sizeof *ranges);
    ranges[0] = (struct range){0, l->header_end};
    add_look(ranges, &n, l, middle);
    for (int is_rest = 0; is_rest < 2; is_rest++)
        for (uint32_t f = 0; f < l->frames; f++)
            if (f != middle && (f % LAYOUT_LOOK_STEP != 0) == is_rest)
                add_look(ranges, &n, l, f);
    *out = ranges;
    *out_n = n;
}

uint64_t
layout_first_look_bytes(const struct layout *l)
{
    uint64_t sum = l->layers == 0 ? 0 : l->header_end;

    for (uint32_t f = 0; f < l->frames; f++)
        sum += layout_layer_end(l, f, 0) - l->frame_start[f];
    return sum;
}

uint8_t
layout_layers_within(const struct layout *l, uint32_t frame_index, const struct range *have,
                     size_t have_n)
{
    uint8_t layers = 0;

    if (frame_index >= l->frames || !is_within(0, l->header_end, have, have_n))
        return 0;
    while (layers < l->layers && is_within(l->frame_start[frame_index],
                                           layout_layer_end(l, frame_index, layers), have, have_n))
        layers++;
    return layers;
}

/* Seven bits a byte, low ones first, the high bit says that more follow. */
static void
put_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_add_u8(out, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_add_u8(out, (uint8_t)v);
}

static uint64_t
get_number(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < VARINT_MAX_BYTES && r->at < r->end; i++) {
        uint8_t b = *r->at++;

        if (i == VARINT_MAX_BYTES - 1 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << (7 * i);
        if (b < 0x80) {
            if (b == 0 && i > 0) /* one form only for each number */
                break;
            return v;
        }
    }
    r->is_bad = true;
    return 0;
}

static int
read_offsets(struct reader *r, struct layout *l, struct err *err)
{
    uint64_t at = l->header_end;

    for (uint32_t f = 0; f < l->frames; f++) {
        if (__builtin_add_overflow(at, get_number(r), &at))
            r->is_bad = true;
        l->frame_start[f] = at;
        for (uint8_t k = 0; k < l->layers; k++) {
            if (__builtin_add_overflow(at, get_number(r), &at))
                r->is_bad = true;
            l->layer_end[(size_t)f * l->layers + k] = at;
        }
    }
    if (r->is_bad || r->at != r->end)
        return err_set(err, ERR_REJECT, "layout: its offsets cannot be read");
    return 0;
}

static void
add_range(struct range *ranges, size_t *n, uint64_t from, uint64_t to)
{
    if (from >= to)
        return;
    if (*n > 0 && ranges[*n - 1].to >= from) {
        if (ranges[*n - 1].to < to)
            ranges[*n - 1].to = to;
        return;
    }
    ranges[(*n)++] = (struct range){from, to};
}

static bool
is_within(uint64_t from, uint64_t to, const struct range *have, size_t have_n)
{
    size_t low = 0, high = have_n;

    while (low < high) { /* the first range that ends past `from` */
        size_t mid = low + (high - low) / 2;

        if (have[mid].to > from)
            high = mid;
        else
            low = mid + 1;
    }
    return from >= to || (low < have_n && have[low].from <= from && have[low].to >= to);
}
