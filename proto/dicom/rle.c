/* rle.c - byte planes packed as runs and literals. */
#include "proto/dicom/rle.h"

enum { HEADER_BYTES = 64, SEGMENTS_MAX = 15 };

/* Fill every step-th byte of to, pixels of them, from one segment; false when it is too short. */
static bool
unpack(const uint8_t *p, size_t n, uint8_t *to, size_t pixels, size_t step)
{
    size_t at = 0, done = 0;

    while (done < pixels && at < n) {
        unsigned control = p[at++];
        size_t count = control < 128 ? control + 1 : 257 - control;

        if (control == 128)
            continue;
        if (at >= n || (control < 128 && count > n - at))
            return false;
        for (size_t i = 0; i < count && done < pixels; i++, done++)
            to[done * step] = control < 128 ? p[at + i] : p[at];
        at += control < 128 ? count : 1;
    }
    return done == pixels;
}

int
dcm_rle_decode(const uint8_t *coded, size_t n, size_t pixels, uint32_t samples,
               uint32_t sample_bytes, struct buf *out, struct err *err)
{
    uint32_t segments = samples * sample_bytes;
    size_t size;
    uint8_t *to;

    if (n < HEADER_BYTES || segments == 0 || segments > SEGMENTS_MAX ||
        le32_read(coded) != segments)
        return err_set(err, ERR_REJECT, "RLE: not %u segments", segments);
    if (!size_mul(pixels, segments, &size) || (to = buf_reserve(out, size)) == NULL)
        return err_set(err, ERR_REJECT, "RLE: a frame is over its limit");
    for (uint32_t k = 0; k < segments; k++) {
        size_t begin = le32_read(coded + 4 + 4 * (size_t)k);
        size_t end = k + 1 < segments ? le32_read(coded + 8 + 4 * (size_t)k) : n;
        /* Within a sample, the most significant byte comes first. */
        size_t at = (size_t)k / sample_bytes * sample_bytes + sample_bytes - 1 - k % sample_bytes;

        if (begin < HEADER_BYTES || begin > end || end > n ||
            !unpack(coded + begin, end - begin, to + at, pixels, segments))
            return err_set(err, ERR_REJECT, "RLE: segment %u is broken", k + 1);
    }
    out->n += size;
    return 0;
}
