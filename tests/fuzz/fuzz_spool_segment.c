/* fuzz_spool_segment.c - recovery over hostile segments. The first byte says whether checksums are
 * made right first, so that what lies behind them is reached too. */
#include "gateway/spool/segment.h"

#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proto/base/zip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nonce, offset and checksum of every block that claims to be a record. */
static void
make_right(uint8_t *bytes, size_t n)
{
    if (n >= 52)
        le32_write(bytes + 48, zip_crc32(0, bytes, 48));
    for (size_t at = SEGMENT_BLOCK; n - at >= SEGMENT_RECORD_HEADER && at < n;
         at += SEGMENT_BLOCK) {
        uint8_t *r = bytes + at;

        if (memcmp(r, "RREC", 4) != 0)
            continue;
        memcpy(r + 8, bytes + 32, SEGMENT_NONCE);
        le64_write(r + 24, at);
        le32_write(r + 1020, zip_crc32(0, r, 1020));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_walk walk;
    struct err err;
    uint8_t *bytes;
    size_t n;
    int fd;

    log_set_fd(-1);
    if (size < 1 || size > 1 << 20)
        return 0;
    n = (size - 1 + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
    bytes = mem_new(n + 1);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        make_right(bytes, n);
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes, n) == (ssize_t)n && segment_read(fd, &walk, &err) == 0) {
        for (size_t i = 0; i < walk.n; i++) {
            const struct segment_record *r = &walk.records[i];

            CHECK(r->offset + segment_span(r->kind, r->payload_size) <= n);
            CHECK(strlen(r->meta.sop_instance) < sizeof r->meta.sop_instance);
        }
        segment_walk_fini(&walk);
    }
    if (fd >= 0)
        close(fd);
    free(bytes);
    return 0;
}
