/* bundle.c - framed ranges on the link (docs/link-protocol.md "Bundle"). */
#include "proto/link/link.h"

#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <inttypes.h>
#include <string.h>

enum { MAGIC_BYTES = 4, HEAD_BYTES = 49, HEAD_DEFLATED_BYTES = 53, FLAG_DEFLATED = 1 };
enum {
    AT_OFFSET = 32,
    AT_SIZE = 40,
    AT_FLAGS = 44,
    AT_RAW_SIZE = 45,
    DEFLATE_LEVEL = 6,
    DEFLATE_STEP_BYTES = 65536
};

static const uint8_t magic[MAGIC_BYTES] = {'R', 'P', 'B', '1'};

void
link_bundle_begin(struct buf *out)
{
    buf_add(out, magic, sizeof magic);
}

static void
add_piece(struct buf *out, const uint8_t *object, uint64_t offset, const uint8_t *bytes, size_t n,
          bool is_deflated, size_t raw_n)
{
    buf_add(out, object, LINK_HASH_BYTES);
    buf_add_le64(out, offset);
    buf_add_le32(out, (uint32_t)n);
    buf_add_u8(out, is_deflated ? FLAG_DEFLATED : 0);
    if (is_deflated)
        buf_add_le32(out, (uint32_t)raw_n);
    buf_add_le32(out, zip_crc32(0, bytes, n));
    buf_add(out, bytes, n);
}

int
link_bundle_add(struct buf *out, const uint8_t object[LINK_HASH_BYTES], uint64_t offset,
                const uint8_t *bytes, size_t n, bool may_deflate, struct err *err)
{
    struct buf small;
    struct err not_smaller;
    bool is_smaller = false;

    if (n == 0 || n > LIMIT_BUNDLE_PIECE_BYTES)
        return err_set(err, ERR_REJECT, "a piece of %zu bytes", n);
    buf_init(&small, n + DEFLATE_STEP_BYTES); /* past it: not worth it */
    if (may_deflate)
        is_smaller =
            zip_deflate(bytes, n, DEFLATE_LEVEL, &small, &not_smaller) == 0 && small.n < n - n / 32;
    if (is_smaller)
        add_piece(out, object, offset, small.bytes, small.n, true, n);
    else
        add_piece(out, object, offset, bytes, n, false, n);
    buf_fini(&small);
    return buf_is_over(out) ? err_set(err, ERR_FULL, "the bundle passes its limit") : 0;
}

void
link_bundle_end(struct buf *out)
{
    static const uint8_t end[HEAD_BYTES];

    buf_add(out, end, sizeof end);
}

void
link_bundle_reader_init(struct link_bundle_reader *r)
{
    *r = (struct link_bundle_reader){.taken = 0};
    buf_init(&r->held, HEAD_DEFLATED_BYTES + LIMIT_BUNDLE_PIECE_BYTES);
    buf_init(&r->raw, LIMIT_BUNDLE_PIECE_BYTES);
}

void
link_bundle_reader_fini(struct link_bundle_reader *r)
{
    buf_fini(&r->held);
    buf_fini(&r->raw);
}

bool
link_bundle_reader_is_whole(const struct link_bundle_reader *r)
{
    return r->is_ended;
}

/* How many bytes the thing that begins in held needs: the magic, a head, or a whole piece.
 * errors  ERR_REJECT a length past its limit, an unknown flag */
static int
bytes_due(const struct link_bundle_reader *r, size_t *out_due, struct err *err)
{
    const uint8_t *p = r->held.bytes;
    uint32_t size;

    if (!r->has_magic) {
        *out_due = MAGIC_BYTES;
        return 0;
    }
    if (r->held.n < HEAD_BYTES) {
        *out_due = HEAD_BYTES;
        return 0;
    }
    size = le32_read(p + AT_SIZE);
    if (p[AT_FLAGS] > FLAG_DEFLATED)
        return err_set(err, ERR_REJECT, "unknown flags");
    if (size > LIMIT_BUNDLE_PIECE_BYTES)
        return err_set(err, ERR_REJECT, "a piece of %" PRIu32 " bytes", size);
    *out_due = (p[AT_FLAGS] == FLAG_DEFLATED ? HEAD_DEFLATED_BYTES : HEAD_BYTES) + (size_t)size;
    return 0;
}

static int
inflate_piece(struct link_bundle_reader *r, uint32_t raw_size, const uint8_t *bytes, size_t n,
              struct err *err)
{
    if (raw_size > LIMIT_BUNDLE_PIECE_BYTES)
        return err_set(err, ERR_REJECT, "an inflated piece of %" PRIu32 " bytes", raw_size);
    buf_clear(&r->raw);
    r->raw.limit = raw_size;
    if (zip_inflate(bytes, n, &r->raw, err) < 0)
        return -1;
    if (r->raw.n != raw_size)
        return err_set(err, ERR_REJECT, "an inflated piece shorter than it says");
    return 0;
}

static int
take_piece(struct link_bundle_reader *r, link_on_piece on_piece, void *user, struct err *err)
{
    static const uint8_t zeros[HEAD_BYTES];
    const uint8_t *p = r->held.bytes;
    bool is_deflated = p[AT_FLAGS] == FLAG_DEFLATED;
    size_t head = is_deflated ? HEAD_DEFLATED_BYTES : HEAD_BYTES;
    uint32_t crc = le32_read(p + head - 4);
    struct link_piece piece = {
        .offset = le64_read(p + AT_OFFSET), .bytes = p + head, .n = r->held.n - head};

    if (r->held.n == HEAD_BYTES && memcmp(p, zeros, HEAD_BYTES) == 0) {
        r->is_ended = true;
        return 0;
    }
    if (piece.n == 0)
        return err_set(err, ERR_REJECT, "an empty piece");
    if (zip_crc32(0, piece.bytes, piece.n) != crc)
        return err_set(err, ERR_REJECT, "a piece's checksum is wrong");
    if (is_deflated) {
        if (inflate_piece(r, le32_read(p + AT_RAW_SIZE), piece.bytes, piece.n, err) < 0)
            return -1;
        piece.bytes = r->raw.bytes;
        piece.n = r->raw.n;
        if (piece.n == 0)
            return err_set(err, ERR_REJECT, "an empty piece");
    }
    memcpy(piece.object, p, LINK_HASH_BYTES);
    return on_piece(user, &piece, err);
}

/* What is held is as long as it was due. */
static int
take_held(struct link_bundle_reader *r, link_on_piece on_piece, void *user, struct err *err)
{
    int rc = 0;

    if (!r->has_magic) {
        if (memcmp(r->held.bytes, magic, MAGIC_BYTES) != 0)
            return err_set(err, ERR_REJECT, "this is no bundle");
        r->has_magic = true;
    } else {
        rc = take_piece(r, on_piece, user, err);
    }
    buf_clear(&r->held);
    return rc;
}

int
link_bundle_reader_feed(struct link_bundle_reader *r, const uint8_t *bytes, size_t n,
                        link_on_piece on_piece, void *user, struct err *err)
{
    while (n > 0) {
        size_t due, k;

        if (r->is_ended)
            return err_set(err, ERR_REJECT, "bundle: bytes after its end");
        if (bytes_due(r, &due, err) < 0)
            return err_context(err, "bundle");
        k = due - r->held.n < n ? due - r->held.n : n;
        if (r->taken + k > LIMIT_BUNDLE_BYTES)
            return err_set(err, ERR_REJECT, "bundle: past its limit");
        buf_add(&r->held, bytes, k);
        r->taken += k;
        bytes += k;
        n -= k;
        if (r->held.n < due)
            return 0;
        if (bytes_due(r, &due, err) < 0) /* a head tells how much follows */
            return err_context(err, "bundle");
        if (r->held.n == due && take_held(r, on_piece, user, err) < 0)
            return err_context(err, "bundle");
    }
    return 0;
}
