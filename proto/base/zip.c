/* zip.c - checksum and deflate, bounded. */
#include "proto/base/zip.h"

#include "proto/base/crc32.h"

#include <zlib.h>

enum { STEP_BYTES = 64 * 1024, FEED_BYTES = 1 << 30 };

uint32_t
zip_crc32(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    if (n >= 4 * CRC32_FOLD_BYTES && crc32_can_fold()) { /* several times as fast as zlib's */
        uint8_t folded[16];
        size_t k = n / 16 * 16;

        crc32_fold(crc, p, k, folded);
        crc = (uint32_t)crc32(UINT32_MAX, folded, sizeof folded); /* its register begins at zero */
        p += k;
        n -= k;
    }
    while (n > 0) {
        size_t k = n < FEED_BYTES ? n : FEED_BYTES;

        crc = (uint32_t)crc32(crc, p, (uInt)k);
        p += k;
        n -= k;
    }
    return crc;
}

/* Give the stream its next bytes. */
static void
feed(z_stream *z, const uint8_t **p, size_t *left)
{
    size_t k = *left < FEED_BYTES ? *left : FEED_BYTES;

    if (z->avail_in > 0)
        return;
    z->next_in = (Bytef *)(uintptr_t)*p;
    z->avail_in = (uInt)k;
    *p += k;
    *left -= k;
}

int
zip_deflate(const void *bytes, size_t n, int level, struct buf *out, struct err *err)
{
    z_stream z = {0};
    const uint8_t *p = bytes;
    int r = Z_OK;

    if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(err, ERR_FATAL, "deflate: cannot begin");
    while (r != Z_STREAM_END) {
        uint8_t *at = buf_reserve(out, STEP_BYTES);

        if (at == NULL)
            break;
        feed(&z, &p, &n);
        z.next_out = at;
        z.avail_out = STEP_BYTES;
        r = deflate(&z, n == 0 ? Z_FINISH : Z_NO_FLUSH);
        out->n += STEP_BYTES - z.avail_out;
    }
    deflateEnd(&z);
    return r == Z_STREAM_END ? 0 : err_set(err, ERR_REJECT, "deflate: the result passes its limit");
}

int
zip_inflate_prefix(const void *bytes, size_t n, struct buf *out, size_t *out_used, struct err *err)
{
    z_stream z = {0};
    const uint8_t *p = bytes;
    size_t whole = n;
    int r = Z_OK;

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return err_set(err, ERR_FATAL, "inflate: cannot begin");
    while (r == Z_OK) {
        size_t room = out->limit - out->n < STEP_BYTES ? out->limit - out->n : STEP_BYTES;
        uint8_t spill; /* with the limit reached, only the end of the stream may still come */
        size_t got;

        feed(&z, &p, &n);
        z.next_out = room > 0 ? buf_reserve(out, room) : &spill;
        z.avail_out = room > 0 ? (uInt)room : 1;
        r = inflate(&z, Z_NO_FLUSH);
        got = (room > 0 ? room : 1) - z.avail_out;
        if (room > 0)
            out->n += got;
        if (r == Z_BUF_ERROR || (room == 0 && got > 0) ||
            (r == Z_OK && got == 0 && z.avail_in == 0 && n == 0))
            r = Z_DATA_ERROR;
    }
    *out_used = whole - n - z.avail_in;
    inflateEnd(&z);
    return r == Z_STREAM_END
               ? 0
               : err_set(err, ERR_REJECT, "inflate: broken, cut short or past its limit");
}

int
zip_inflate(const void *bytes, size_t n, struct buf *out, struct err *err)
{
    size_t used;

    if (zip_inflate_prefix(bytes, n, out, &used, err) < 0)
        return -1;
    return used == n ? 0 : err_set(err, ERR_REJECT, "inflate: bytes follow the end");
}
