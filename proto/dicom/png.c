/* png.c - chunks, filters, interlacing and colours of PNG (ISO/IEC 15948 5 to 9). */
#include "proto/dicom/png.h"

#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6, HEAD = 8, FRAME = 12 };

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- passes: one, or the seven of Adam7 (8.2) ---- */

struct pass {
    uint32_t x, y, dx, dy, cols, rows;
    size_t line; /* bytes of a row, without its filter's byte */
};

static unsigned
channels_of(uint8_t colours)
{
    return colours == RGB ? 3 : colours == RGB_ALPHA ? 4 : colours == GREY_ALPHA ? 2 : 1;
}

static unsigned
pass_count(const struct png *p)
{
    return p->is_interlaced ? 7 : 1;
}

static struct pass
pass_of(const struct png *p, unsigned i)
{
    static const uint8_t adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                        {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    struct pass s = {.dx = 1, .dy = 1};

    if (p->is_interlaced)
        s = (struct pass){.x = adam7[i][0], .y = adam7[i][1], .dx = adam7[i][2], .dy = adam7[i][3]};
    s.cols = p->cols > s.x ? (p->cols - s.x + s.dx - 1) / s.dx : 0;
    s.rows = p->rows > s.y ? (p->rows - s.y + s.dy - 1) / s.dy : 0;
    s.line = ((size_t)s.cols * channels_of(p->colours) * p->depth + 7) / 8;
    return s;
}

/* ---- what it says ---- */

static int
read_head(const uint8_t *c, size_t n, struct png *p, struct err *err)
{
    unsigned depth, colours;

    if (n != 13)
        return err_set(err, ERR_REJECT, "PNG: broken header");
    p->cols = be32(c);
    p->rows = be32(c + 4);
    p->depth = c[8];
    p->colours = c[9];
    p->is_interlaced = c[12] == 1;
    depth = p->depth;
    colours = p->colours;
    if (p->cols == 0 || p->rows == 0 || p->cols > UINT16_MAX || p->rows > UINT16_MAX)
        return err_set(err, ERR_REJECT, "PNG: a picture of no sensible size");
    if (c[10] != 0 || c[11] != 0 || c[12] > 1)
        return err_set(err, ERR_REJECT, "PNG: of a rare kind; save it as a plain PNG or JPEG");
    if ((colours == RGB || colours == RGB_ALPHA) && depth == 16)
        return err_set(err, ERR_REJECT, "PNG: colours of 16 bits; save it with 8, or as JPEG");
    if (!(colours == GREY &&
          (depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16)) &&
        !(colours == PALETTE && (depth == 1 || depth == 2 || depth == 4 || depth == 8)) &&
        !(colours == GREY_ALPHA && (depth == 8 || depth == 16)) &&
        !((colours == RGB || colours == RGB_ALPHA) && depth == 8))
        return err_set(err, ERR_REJECT, "PNG: colours of no known kind");
    p->samples = colours == GREY || colours == GREY_ALPHA ? 1 : 3;
    p->bits = depth == 16 ? 16 : 8;
    p->pixels_n = (size_t)p->cols * p->rows * p->samples * (p->bits / 8);
    for (unsigned i = 0; i < pass_count(p); i++) {
        struct pass s = pass_of(p, i);

        if (s.cols > 0)
            p->inflated_n += (size_t)s.rows * (s.line + 1);
    }
    if (p->pixels_n > LIMIT_FRAME_BYTES || p->inflated_n > LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "PNG: larger than can be taken; save it smaller");
    return 0;
}

static int
read_chunk(const uint8_t *bytes, size_t at, size_t n, struct png *p, struct err *err)
{
    const uint8_t *kind = bytes + at + 4, *c = bytes + at + 8;

    if (p->cols == 0)
        return memcmp(kind, "IHDR", 4) == 0 ? read_head(c, n, p, err)
                                            : err_set(err, ERR_REJECT, "PNG: no header");
    if (memcmp(kind, "IHDR", 4) == 0)
        return err_set(err, ERR_REJECT, "PNG: two headers");
    if (memcmp(kind, "PLTE", 4) == 0) {
        if (n % 3 != 0 || n > 768 || n == 0)
            return err_set(err, ERR_REJECT, "PNG: a broken palette");
        p->palette_at = at + 8;
        p->palette_n = n / 3;
    } else if (memcmp(kind, "tRNS", 4) == 0) {
        p->alpha_at = at + 8;
        p->alpha_n = n;
    } else if (memcmp(kind, "IDAT", 4) == 0) {
        p->coded_n += n;
    } else if (memcmp(kind, "acTL", 4) == 0) {
        return err_set(err, ERR_REJECT, "PNG: a moving picture; export a film as MP4 (H.264)");
    }
    return 0;
}

int
png_read(const uint8_t *bytes, size_t n, struct png *out, struct err *err)
{
    struct png p = {0};
    size_t at = HEAD;

    for (;;) {
        size_t length;

        if (n < at || n - at < FRAME)
            return err_set(err, ERR_RETRY, "PNG: ends early");
        length = be32(bytes + at);
        if (length > INT32_MAX)
            return err_set(err, ERR_REJECT, "PNG: a chunk of no sensible length");
        if (length > n - at - FRAME)
            return err_set(err, ERR_RETRY, "PNG: ends early");
        if (zip_crc32(0, bytes + at + 4, length + 4) != be32(bytes + at + 8 + length))
            return err_set(err, ERR_REJECT, "PNG: damaged (a checksum disagrees)");
        if (read_chunk(bytes, at, length, &p, err) < 0)
            return -1;
        if (memcmp(bytes + at + 4, "IEND", 4) == 0)
            break;
        at += FRAME + length;
    }
    if (p.coded_n < 6 || (p.colours == PALETTE && p.palette_n == 0))
        return err_set(err, ERR_REJECT, "PNG: no picture in it, or without its palette");
    *out = p;
    return 0;
}

/* ---- its pixels ---- */

static uint8_t
paeth(uint8_t left, uint8_t up, uint8_t corner)
{
    int to_left = abs(up - corner), to_up = abs(left - corner);
    int to_corner = abs(left + up - 2 * corner);

    if (to_left <= to_up && to_left <= to_corner)
        return left;
    return to_up <= to_corner ? up : corner;
}

/* One row in place (9.2); above: the row before it, NULL at the top. */
static int
undo_filter(unsigned filter, uint8_t *row, const uint8_t *above, size_t n, size_t step,
            struct err *err)
{
    if (filter > 4)
        return err_set(err, ERR_REJECT, "PNG: a row of no known kind");
    for (size_t i = 0; i < n && filter != 0; i++) {
        uint8_t left = i >= step ? row[i - step] : 0, up = above != NULL ? above[i] : 0;
        uint8_t corner = above != NULL && i >= step ? above[i - step] : 0;
        uint8_t guess = filter == 1   ? left
                        : filter == 2 ? up
                        : filter == 3 ? (uint8_t)((left + up) / 2)
                                      : paeth(left, up, corner);

        row[i] = (uint8_t)(row[i] + guess);
    }
    return 0;
}

static unsigned
sample_of(const struct png *p, const uint8_t *row, size_t i)
{
    size_t bit = i * p->depth;

    if (p->depth == 16)
        return (unsigned)row[2 * i] << 8 | row[2 * i + 1];
    return (unsigned)row[bit / 8] >> (8 - p->depth - bit % 8) & ((1u << p->depth) - 1);
}

/* By tRNS (11.3.2.1): of a palette's entry, or one grey or colour for all. */
static bool
is_key(const struct png *p, const uint8_t *bytes, const unsigned v[4])
{
    const uint8_t *key = bytes + p->alpha_at;
    unsigned channels = channels_of(p->colours);

    if (p->alpha_n == 0)
        return false;
    if (p->colours == PALETTE)
        return v[0] < p->alpha_n && key[v[0]] != 255;
    for (unsigned i = 0; i < channels; i++)
        if (p->alpha_n < 2 * (size_t)channels ||
            v[i] != (unsigned)(key[2 * i] << 8 | key[2 * i + 1]))
            return false;
    return true;
}

static int
put_pixel(const struct png *p, const uint8_t *bytes, const unsigned v[4], uint8_t *to,
          struct err *err)
{
    unsigned channels = channels_of(p->colours), most = (1u << p->depth) - 1;
    bool has_alpha = p->colours == GREY_ALPHA || p->colours == RGB_ALPHA;

    if ((has_alpha && v[channels - 1] != most) || (!has_alpha && is_key(p, bytes, v)))
        return err_set(err, ERR_REJECT,
                       "PNG: partly transparent; save it without transparency, or as JPEG");
    if (p->colours == PALETTE) {
        if (v[0] >= p->palette_n)
            return err_set(err, ERR_REJECT, "PNG: a colour outside its palette");
        memcpy(to, bytes + p->palette_at + 3 * (size_t)v[0], 3);
    } else if (p->bits == 16) {
        to[0] = (uint8_t)v[0];
        to[1] = (uint8_t)(v[0] >> 8);
    } else {
        for (unsigned i = 0; i < p->samples; i++)
            to[i] = (uint8_t)(v[i] * 255 / most);
    }
    return 0;
}

static int
put_row(const struct png *p, const uint8_t *bytes, const struct pass *s, uint32_t y,
        const uint8_t *row, uint8_t *pixels, struct err *err)
{
    size_t size = (size_t)p->samples * (p->bits / 8);
    unsigned channels = channels_of(p->colours);

    for (uint32_t x = 0; x < s->cols; x++) {
        size_t at = (size_t)(s->y + y * s->dy) * p->cols + s->x + (size_t)x * s->dx;
        unsigned v[4] = {0, 0, 0, 0};

        for (unsigned i = 0; i < channels; i++)
            v[i] = sample_of(p, row, (size_t)x * channels + i);
        if (put_pixel(p, bytes, v, pixels + at * size, err) < 0)
            return -1;
    }
    return 0;
}

/* The rows as they were filtered: all IDAT as one zlib stream (10.1). */
static int
inflate_rows(const struct png *p, const uint8_t *bytes, struct buf *rows, struct err *err)
{
    struct buf coded;
    size_t at = HEAD, used;
    int rc = -1;

    buf_init(&coded, p->coded_n);
    while (memcmp(bytes + at + 4, "IEND", 4) != 0) { /* png_read walked it */
        if (memcmp(bytes + at + 4, "IDAT", 4) == 0)
            buf_add(&coded, bytes + at + 8, be32(bytes + at));
        at += FRAME + (size_t)be32(bytes + at);
    }
    if ((coded.bytes[0] & 15) != 8 || (coded.bytes[0] << 8 | coded.bytes[1]) % 31 != 0 ||
        (coded.bytes[1] & 32) != 0)
        (void)err_set(err, ERR_REJECT, "PNG: broken compression");
    else
        rc = zip_inflate_prefix(coded.bytes + 2, coded.n - 2, rows, &used, err);
    if (rc == 0 && rows->n != p->inflated_n)
        rc = err_set(err, ERR_REJECT, "PNG: fewer rows than it says");
    buf_fini(&coded);
    return rc;
}

int
png_decode(const struct png *p, const uint8_t *bytes, struct buf *out, struct err *err)
{
    size_t step = ((size_t)channels_of(p->colours) * p->depth + 7) / 8;
    struct buf rows;
    uint8_t *pixels = buf_reserve(out, p->pixels_n), *row;
    int rc = -1;

    if (pixels == NULL)
        return err_set(err, ERR_REJECT, "PNG: larger than can be taken; save it smaller");
    buf_init(&rows, p->inflated_n);
    if (inflate_rows(p, bytes, &rows, err) < 0)
        goto out;
    row = rows.bytes;
    for (unsigned i = 0; i < pass_count(p); i++) {
        struct pass s = pass_of(p, i);

        for (uint32_t y = 0; y < s.rows && s.cols > 0; y++, row += s.line + 1)
            if (undo_filter(row[0], row + 1, y > 0 ? row - s.line : NULL, s.line, step, err) < 0 ||
                put_row(p, bytes, &s, y, row + 1, pixels, err) < 0)
                goto out;
    }
    out->n += p->pixels_n;
    rc = 0;
out:
    buf_fini(&rows);
    return rc;
}
