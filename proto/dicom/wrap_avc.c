/* wrap_avc.c - what an H.264 stream says of itself: profile, level, size of the picture, from the
 * decoder configuration record of an MP4 file (ISO/IEC 14496-15 5.2.4, ITU-T H.264 7.3.2.1.1).
 * PS3.5 8.2.7 has syntaxes for High Profile up to level 4.1, and 4.2 for flat film; what a High
 * decoder must decode besides (Main, constrained Baseline: H.264 A.2.4) is let through. */
#include "proto/dicom/wrap_parts.h"

#include <string.h>

#define SYNTAX_41 "1.2.840.10008.1.2.4.102"
#define SYNTAX_42 "1.2.840.10008.1.2.4.104"

enum { SPS_BYTES = 1024, SIDE_MAX = 16384 };

struct bits {
    const uint8_t *bytes;
    size_t n, at; /* bits */
    bool is_over;
};

static uint32_t
bit(struct bits *b)
{
    uint32_t v;

    if (b->at >= b->n) {
        b->is_over = true;
        return 0;
    }
    v = b->bytes[b->at / 8] >> (7 - b->at % 8) & 1u;
    b->at++;
    return v;
}

static uint32_t
bits(struct bits *b, unsigned n)
{
    uint32_t v = 0;

    while (n-- > 0)
        v = v << 1 | bit(b);
    return v;
}

/* Exponential Golomb, unsigned (9.1). */
static uint32_t
golomb(struct bits *b)
{
    unsigned zeros = 0;

    while (!b->is_over && bit(b) == 0)
        if (++zeros == 32) {
            b->is_over = true;
            return 0;
        }
    return (uint32_t)((1ull << zeros) - 1 + bits(b, zeros));
}

/* Scaling lists are passed over (7.3.2.1.1.1). */
static void
skip_scaling(struct bits *b, unsigned lists)
{
    for (unsigned i = 0; i < lists && !b->is_over; i++) {
        unsigned size = i < 6 ? 16 : 64;
        int32_t last = 8, next = 8;

        if (bit(b) == 0)
            continue;
        for (unsigned k = 0; k < size && !b->is_over; k++) {
            if (next != 0) {
                uint32_t code = golomb(b);
                int32_t delta = code & 1 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);

                next = (int32_t)(((uint32_t)last + (uint32_t)delta) & 0xFF);
            }
            last = next != 0 ? next : last;
        }
    }
}

static int
read_format(struct bits *b, struct err *err)
{
    uint32_t chroma = golomb(b);

    if (chroma != 1)
        return err_set(err, ERR_REJECT, "MP4: H.264 that is not 4:2:0; export it as 4:2:0");
    if (golomb(b) != 0 || golomb(b) != 0)
        return err_set(err, ERR_REJECT, "MP4: H.264 of more than 8 bits; export it with 8");
    (void)bit(b);
    if (bit(b) != 0)
        skip_scaling(b, 8);
    return 0;
}

static void
skip_order(struct bits *b)
{
    uint32_t type = golomb(b), cycle;

    if (type == 0) {
        (void)golomb(b);
    } else if (type == 1) {
        (void)bit(b);
        (void)golomb(b);
        (void)golomb(b);
        cycle = golomb(b);
        for (uint32_t i = 0; i < cycle && i < 256 && !b->is_over; i++)
            (void)golomb(b);
    }
}

static int
read_sps(const uint8_t *bytes, size_t n, struct wrap_video *out, struct err *err)
{
    struct bits b = {.bytes = bytes, .n = n * 8};
    uint32_t profile = bits(&b, 8), wide, high, is_frame, crop[4] = {0};

    (void)bits(&b, 16);
    (void)golomb(&b);
    if (profile >= 100 && read_format(&b, err) < 0)
        return -1;
    (void)golomb(&b);
    skip_order(&b);
    (void)golomb(&b);
    (void)bit(&b);
    wide = golomb(&b);
    high = golomb(&b);
    is_frame = bit(&b);
    if (is_frame == 0)
        (void)bit(&b);
    (void)bit(&b);
    if (bit(&b) != 0)
        for (int i = 0; i < 4; i++)
            crop[i] = golomb(&b);
    if (b.is_over || wide >= SIDE_MAX / 16 || high >= SIDE_MAX / 16)
        return err_set(err, ERR_REJECT, "MP4: H.264 with a broken picture size");
    wide = (wide + 1) * 16;
    high = (high + 1) * 16 * (2 - is_frame);
    if (crop[0] > SIDE_MAX || crop[1] > SIDE_MAX || crop[2] > SIDE_MAX || crop[3] > SIDE_MAX ||
        2 * (crop[0] + crop[1]) >= wide || 2 * (2 - is_frame) * (crop[2] + crop[3]) >= high)
        return err_set(err, ERR_REJECT, "MP4: H.264 with a broken picture size");
    out->cols = wide - 2 * (crop[0] + crop[1]);
    out->rows = high - 2 * (2 - is_frame) * (crop[2] + crop[3]);
    return 0;
}

int
wrap_avc_read(const uint8_t *bytes, size_t n, struct wrap_video *out, struct err *err)
{
    uint8_t sps[SPS_BYTES];
    size_t length, k = 0;
    unsigned profile, level;

    if (n < 8 || bytes[0] != 1 || (bytes[5] & 0x1F) == 0)
        return err_set(err, ERR_REJECT, "MP4: H.264 without its parameters");
    profile = bytes[1];
    level = bytes[3];
    if (profile != 100 && profile != 77 && !(profile == 66 && (bytes[2] & 0x40) != 0))
        return err_set(err, ERR_REJECT,
                       "MP4: H.264 of profile %u; export it with High or Main profile", profile);
    if (level > 42)
        return err_set(err, ERR_REJECT,
                       "MP4: H.264 of level %u.%u; export it smaller (level 4.1: 1920 x 1080, 30 a "
                       "second)",
                       level / 10, level % 10);
    length = (size_t)(bytes[6] << 8 | bytes[7]);
    if (length < 5 || length > n - 8 || length > SPS_BYTES)
        return err_set(err, ERR_REJECT, "MP4: H.264 with broken parameters");
    for (size_t i = 1; i < length; i++) { /* without the bytes that only prevent start codes */
        const uint8_t *p = bytes + 8 + i;

        if (i < 3 || p[0] != 3 || p[-1] != 0 || p[-2] != 0)
            sps[k++] = *p;
    }
    out->transfer_syntax = level <= 41 ? SYNTAX_41 : SYNTAX_42;
    return read_sps(sps, k, out, err);
}
