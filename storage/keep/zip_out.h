/* zip_out.h - an uncompressed ZIP archive, written to several files at once (PKWARE APPNOTE 6.3).
 * ZIP64 records appear where a size, an offset or the count needs them. Members carry their CRC in
 * front, so no data descriptors. The bytes depend on nothing but what is added and the stamp.
 * Threads: an archive belongs to its owner. */
#ifndef RADPOST_STORAGE_KEEP_ZIP_OUT_H
#define RADPOST_STORAGE_KEEP_ZIP_OUT_H

#include "proto/base/buf.h"
#include "storage/keep/keep.h"

struct digest;
struct zip_out_member;

struct zip_out {
    int fds[KEEP_COPIES];
    struct digest *digest; /* of all bytes so far */
    uint64_t at;
    uint64_t due; /* bytes of the open member that are still to come */
    uint16_t dos_time, dos_date;
    struct zip_out_member *members;
    size_t count;
};

/* fds stay the caller's. stamp_us: the members' time, UTC. */
void zip_out_init(struct zip_out *z, const int fds[KEEP_COPIES], int64_t stamp_us);
void zip_out_fini(struct zip_out *z);
/* Begin a member; its bytes follow by zip_out_write, exactly size of them. out_at: their offset. */
int zip_out_begin(struct zip_out *z, const char *name, uint64_t size, uint32_t crc,
                  uint64_t *out_at, struct err *err) MUST_CHECK;
int zip_out_write(struct zip_out *z, const void *bytes, size_t n, struct err *err) MUST_CHECK;
/* A whole member at once. */
int zip_out_add(struct zip_out *z, const char *name, const void *bytes, size_t n, uint64_t *out_at,
                struct err *err) MUST_CHECK;
/* Central directory and end record with a comment (at most 65535 bytes). */
int zip_out_end(struct zip_out *z, const void *comment, size_t n, uint8_t out_sha256[32],
                struct err *err) MUST_CHECK;

#endif
