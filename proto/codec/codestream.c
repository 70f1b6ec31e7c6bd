/* codestream.c - markers of JPEG 2000: SOC SIZ (COD and others) (SOT .. SOD ..)* EOC. */
#include "proto/codec/codestream.h"

#include "proto/codec/codec.h"

#include <string.h>

enum {
    SOC = 0xFF4F,
    CAP = 0xFF50,
    SIZ = 0xFF51,
    COD = 0xFF52,
    SOT = 0xFF90,
    SOD = 0xFF93,
    EOC = 0xFFD9
};

#define SIZ_FIXED_BYTES 38 /* Lsiz without components */
#define SIZ_COMPONENT_BYTES 3
#define COD_LEAST_BYTES 12
#define SOT_BYTES 12 /* marker included */

static int read_siz(const uint8_t *seg, size_t seg_n, struct codestream *out, struct err *err);
static int read_cod(const uint8_t *seg, size_t seg_n, size_t at, struct codestream *out,
                    struct err *err);
static int next_part(const uint8_t *bytes, size_t n, size_t at, size_t *out_end,
                     unsigned *out_index, struct err *err);

static uint16_t
be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

int
codestream_read(const uint8_t *bytes, size_t n, struct codestream *out, struct err *err)
{
    struct codestream s = {0};
    size_t at = 2;

    if (n < 4 || be16(bytes) != SOC || be16(bytes + 2) != SIZ)
        return err_set(err, ERR_REJECT, "codestream: it does not begin with SOC and SIZ");
    for (;;) {
        uint16_t marker, seg_n;

        if (n - at < 4)
            return err_set(err, ERR_REJECT, "codestream: the main header ends early");
        marker = be16(bytes + at);
        if (marker == SOT)
            break;
        seg_n = be16(bytes + at + 2);
        if (marker < 0xFF4F || marker == SOD || marker == EOC || seg_n < 2 || n - at - 2 < seg_n)
            return err_set(err, ERR_REJECT, "codestream: marker %04X out of place", marker);
        if (marker == SIZ && read_siz(bytes + at + 2, seg_n, &s, err) < 0)
            return -1;
        if (marker == COD && read_cod(bytes + at + 2, seg_n, at + 2, &s, err) < 0)
            return -1;
        if (marker == CAP)
            s.is_high_throughput = true;
        at += 2 + (size_t)seg_n;
    }
    if (s.cod_layers_at == 0)
        return err_set(err, ERR_REJECT, "codestream: no COD");
    s.first_part_at = at;
    *out = s;
    return 0;
}

int
codestream_read_layers(const uint8_t *bytes, size_t n, uint8_t max_parts, struct codestream *out,
                       size_t out_ends[CODESTREAM_MAX_PARTS], struct err *err)
{
    struct codestream s;
    size_t at;

    if (codestream_read(bytes, n, &s, err) < 0)
        return -1;
    if (s.tiles != 1 || s.progression != 0 || s.layers == 0 || s.layers > CODESTREAM_MAX_PARTS ||
        max_parts == 0)
        return err_set(err, ERR_REJECT, "codestream: not one tile in layers");
    at = s.first_part_at;
    for (unsigned k = 0; k < s.layers && k < max_parts; k++) {
        size_t part_at = at;
        unsigned index = 0;

        if (next_part(bytes, n, at, &at, &index, err) < 0)
            return -1;
        if (index != k)
            return err_set(err, ERR_REJECT, "codestream: tile-part %u where %u is due", index, k);
        if (bytes[part_at + SOT_BYTES - 1] != s.layers || be16(bytes + part_at + SOT_BYTES) != SOD)
            return err_set(err, ERR_REJECT, "codestream: tile-part %u is not one of ours", k);
        out_ends[k] = at;
    }
    if (max_parts >= s.layers) {
        if (n - at < 2 || be16(bytes + at) != EOC)
            return err_set(err, ERR_REJECT, "codestream: no EOC after the last layer");
        out_ends[s.layers - 1] = at + 2;
    }
    *out = s;
    return 0;
}

bool
codestream_find(const uint8_t *bytes, size_t n, size_t *out_at, size_t *out_n)
{
    size_t at = 0;

    if (n >= 4 && be16(bytes) == SOC) {
        *out_at = 0;
        *out_n = n;
        return true;
    }
    while (n - at >= 8) { /* ISO 15444-1 annex I: boxes */
        uint64_t length = be32(bytes + at);
        size_t head = 8;

        if (length == 1 && n - at >= 16) {
            length = (uint64_t)be32(bytes + at + 8) << 32 | be32(bytes + at + 12);
            head = 16;
        }
        if (length == 0)
            length = n - at;
        if (length < head || length > n - at)
            return false;
        if (memcmp(bytes + at + 4, "jp2c", 4) == 0) {
            *out_at = at + head;
            *out_n = (size_t)length - head;
            return *out_n >= 4 && be16(bytes + *out_at) == SOC;
        }
        at += (size_t)length;
    }
    return false;
}

int
codec_cut_codestream(const uint8_t *bytes, size_t n, uint8_t layers, struct buf *out,
                     struct err *err)
{
    size_t ends[CODESTREAM_MAX_PARTS], begin = out->n, at;
    struct codestream s;
    uint8_t *copy;

    if (codestream_read_layers(bytes, n, layers, &s, ends, err) < 0)
        return -1;
    if (layers >= s.layers) {
        buf_add(out, bytes, ends[s.layers - 1]);
        return buf_is_over(out) ? err_set(err, ERR_REJECT, "codestream: too long") : 0;
    }
    buf_add(out, bytes, ends[layers - 1]);
    buf_add_u8(out, EOC >> 8);
    buf_add_u8(out, EOC & 0xFF);
    if (buf_is_over(out))
        return err_set(err, ERR_REJECT, "codestream: too long");
    copy = out->bytes + begin;
    copy[s.cod_layers_at] = 0;
    copy[s.cod_layers_at + 1] = layers;
    at = s.first_part_at;
    for (unsigned k = 0; k < layers; k++) { /* A.4.2: TNsot is the last byte of SOT */
        copy[at + SOT_BYTES - 1] = layers;
        at = ends[k];
    }
    return 0;
}

/* A.5.1; seg begins at Lsiz. */
static int
read_siz(const uint8_t *seg, size_t seg_n, struct codestream *out, struct err *err)
{
    uint32_t x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0;

    if (out->cols != 0 || seg_n < SIZ_FIXED_BYTES)
        return err_set(err, ERR_REJECT, "codestream: bad SIZ");
    x = be32(seg + 4), y = be32(seg + 8), x0 = be32(seg + 12), y0 = be32(seg + 16);
    tile_x = be32(seg + 20), tile_y = be32(seg + 24);
    tile_x0 = be32(seg + 28), tile_y0 = be32(seg + 32);
    out->components = be16(seg + 36);
    if (x <= x0 || y <= y0 || tile_x == 0 || tile_y == 0 || tile_x0 > x0 || tile_y0 > y0 ||
        (uint64_t)tile_x0 + tile_x <= x0 || (uint64_t)tile_y0 + tile_y <= y0 ||
        out->components == 0 ||
        seg_n < SIZ_FIXED_BYTES + (size_t)SIZ_COMPONENT_BYTES * out->components)
        return err_set(err, ERR_REJECT, "codestream: bad SIZ");
    out->cols = x - x0;
    out->rows = y - y0;
    out->tiles = (((uint64_t)x - tile_x0 + tile_x - 1) / tile_x) *
                 (((uint64_t)y - tile_y0 + tile_y - 1) / tile_y);
    out->precision = (uint8_t)((seg[38] & 0x7F) + 1);
    out->is_signed = seg[38] >> 7;
    out->is_uniform = true;
    for (unsigned c = 0; c < out->components; c++) {
        const uint8_t *component = seg + SIZ_FIXED_BYTES + SIZ_COMPONENT_BYTES * c;

        if (component[0] != seg[38] || component[1] != 1 || component[2] != 1)
            out->is_uniform = false;
    }
    return 0;
}

/* A.6.1; seg begins at Lcod. */
static int
read_cod(const uint8_t *seg, size_t seg_n, size_t at, struct codestream *out, struct err *err)
{
    if (out->cod_layers_at != 0 || seg_n < COD_LEAST_BYTES)
        return err_set(err, ERR_REJECT, "codestream: bad COD");
    out->progression = seg[3];
    out->layers = be16(seg + 4);
    out->has_colour_transform = seg[6] != 0;
    out->cod_layers_at = at + 4;
    return 0;
}

/* A.4.2: Lsot, Isot, Psot, TPsot, TNsot. Psot counts from the marker's first byte. */
static int
next_part(const uint8_t *bytes, size_t n, size_t at, size_t *out_end, unsigned *out_index,
          struct err *err)
{
    uint32_t length;

    if (n - at < SOT_BYTES || be16(bytes + at) != SOT || be16(bytes + at + 2) != SOT_BYTES - 2 ||
        be16(bytes + at + 4) != 0)
        return err_set(err, ERR_REJECT, "codestream: no tile-part where one is due");
    length = be32(bytes + at + 6);
    if (length < SOT_BYTES + 2 || length > n - at)
        return err_set(err, ERR_REJECT, "codestream: a tile-part ends past its bytes");
    *out_index = bytes[at + 10];
    *out_end = at + length;
    return 0;
}
