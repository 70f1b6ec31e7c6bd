/* fuzz_link_bundle.c - bundles in chunks; however they are cut, the pieces are the same. */
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/zip.h"
#include "proto/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct sum {
    uint64_t pieces, bytes;
    uint32_t crc;
};

static int
add(void *user, const struct link_piece *piece, struct err *err)
{
    struct sum *sum = user;

    (void)err;
    CHECK(piece->n > 0 && piece->n <= LIMIT_BUNDLE_PIECE_BYTES);
    sum->pieces++;
    sum->bytes += piece->n;
    sum->crc = zip_crc32(sum->crc, piece->bytes, piece->n);
    sum->crc = zip_crc32(sum->crc, piece->object, sizeof piece->object);
    return 0;
}

static bool
feed(const uint8_t *bytes, size_t n, size_t step, struct sum *sum)
{
    struct link_bundle_reader r;
    struct err err;
    bool is_whole;
    int rc = 0;

    link_bundle_reader_init(&r);
    for (size_t at = 0; at < n && rc == 0; at += step)
        rc = link_bundle_reader_feed(&r, bytes + at, n - at < step ? n - at : step, add, sum, &err);
    is_whole = rc == 0 && link_bundle_reader_is_whole(&r);
    link_bundle_reader_fini(&r);
    return is_whole;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct sum one = {0, 0, 0}, other = {0, 0, 0};

    log_set_fd(-1);
    if (n == 0)
        return 0;
    CHECK(feed(bytes + 1, n - 1, n, &one) == feed(bytes + 1, n - 1, bytes[0] % 61u + 1, &other));
    CHECK(one.pieces == other.pieces && one.bytes == other.bytes && one.crc == other.crc);
    return 0;
}
