/* zip_out.c - an uncompressed ZIP archive, written to several files at once. */
#include "storage/keep/zip_out.h"

#include "proto/base/durable.h"
#include "proto/base/zip.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIG_LOCAL = 0x04034b50,
    SIG_CENTRAL = 0x02014b50,
    SIG_END = 0x06054b50,
    SIG_END64 = 0x06064b50,
    SIG_LOCATOR64 = 0x07064b50,
    VERSION_PLAIN = 10,
    VERSION_ZIP64 = 45,
    MADE_BY_UNIX = 3 << 8 | 63,
    EXTRA_ZIP64 = 1,
    MODE_FILE = 0100600,
};
#define MAX32 UINT32_C(0xFFFFFFFF)
#define MAX16 UINT32_C(0xFFFF)

struct zip_out_member {
    char name[128];
    uint64_t size, offset;
    uint32_t crc;
};

void
zip_out_init(struct zip_out *z, const int fds[KEEP_COPIES], int64_t stamp_us)
{
    time_t s = (time_t)(stamp_us / 1000000);
    struct tm tm;

    *z = (struct zip_out){.digest = digest_new()};
    memcpy(z->fds, fds, sizeof z->fds);
    gmtime_r(&s, &tm);
    if (tm.tm_year < 80) {
        z->dos_date = 1 << 5 | 1; /* the format begins on 1980-01-01 */
        return;
    }
    z->dos_time = (uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
    z->dos_date = (uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
}

void
zip_out_fini(struct zip_out *z)
{
    digest_free(&z->digest);
    free(z->members);
    z->members = NULL;
}

static int
put(struct zip_out *z, const void *bytes, size_t n, struct err *err)
{
    for (int i = 0; i < KEEP_COPIES; i++)
        if (durable_write(z->fds[i], bytes, n, err) < 0)
            return err_context(err, "copy %d", i + 1);
    digest_add(z->digest, bytes, n);
    z->at += n;
    return 0;
}

static int
put_buf(struct zip_out *z, struct buf *b, struct err *err)
{
    int rc;

    CHECK(!buf_is_over(b));
    rc = put(z, b->bytes, b->n, err);
    buf_fini(b);
    return rc;
}

/* 4.3.7 local file header: signature, version needed, flags, method 0, time, date, crc, sizes. */
static void
local_header(const struct zip_out *z, const struct zip_out_member *m, struct buf *b)
{
    bool is_64 = m->size >= MAX32;

    buf_add_le32(b, SIG_LOCAL);
    buf_add_le16(b, is_64 ? VERSION_ZIP64 : VERSION_PLAIN);
    buf_add_le16(b, 0);
    buf_add_le16(b, 0);
    buf_add_le16(b, z->dos_time);
    buf_add_le16(b, z->dos_date);
    buf_add_le32(b, m->crc);
    buf_add_le32(b, is_64 ? MAX32 : (uint32_t)m->size);
    buf_add_le32(b, is_64 ? MAX32 : (uint32_t)m->size);
    buf_add_le16(b, (uint16_t)strlen(m->name));
    buf_add_le16(b, is_64 ? 20 : 0);
    buf_add_text(b, m->name);
    if (is_64) {
        buf_add_le16(b, EXTRA_ZIP64);
        buf_add_le16(b, 16);
        buf_add_le64(b, m->size);
        buf_add_le64(b, m->size);
    }
}

int
zip_out_begin(struct zip_out *z, const char *name, uint64_t size, uint32_t crc, uint64_t *out_at,
              struct err *err)
{
    struct zip_out_member *m;
    struct buf b;

    CHECK(z->due == 0 && strlen(name) < sizeof m->name);
    z->members = mem_grow(z->members, (z->count + 1) * sizeof *z->members);
    m = &z->members[z->count++];
    *m = (struct zip_out_member){.size = size, .offset = z->at, .crc = crc};
    memcpy(m->name, name, strlen(name) + 1);
    buf_init(&b, 4096);
    local_header(z, m, &b);
    if (put_buf(z, &b, err) < 0)
        return -1;
    z->due = size;
    *out_at = z->at;
    return 0;
}

int
zip_out_write(struct zip_out *z, const void *bytes, size_t n, struct err *err)
{
    CHECK(n <= z->due);
    if (put(z, bytes, n, err) < 0)
        return -1;
    z->due -= n;
    return 0;
}

int
zip_out_add(struct zip_out *z, const char *name, const void *bytes, size_t n, uint64_t *out_at,
            struct err *err)
{
    if (zip_out_begin(z, name, n, zip_crc32(0, bytes, n), out_at, err) < 0)
        return -1;
    return zip_out_write(z, bytes, n, err);
}

/* 4.3.12 central directory header. */
static void
central_header(const struct zip_out *z, const struct zip_out_member *m, struct buf *b)
{
    bool is_size_64 = m->size >= MAX32, is_offset_64 = m->offset >= MAX32;
    uint16_t extra = (uint16_t)((is_size_64 ? 16 : 0) + (is_offset_64 ? 8 : 0));

    buf_add_le32(b, SIG_CENTRAL);
    buf_add_le16(b, MADE_BY_UNIX);
    buf_add_le16(b, extra > 0 ? VERSION_ZIP64 : VERSION_PLAIN);
    buf_add_le16(b, 0);
    buf_add_le16(b, 0);
    buf_add_le16(b, z->dos_time);
    buf_add_le16(b, z->dos_date);
    buf_add_le32(b, m->crc);
    buf_add_le32(b, is_size_64 ? MAX32 : (uint32_t)m->size);
    buf_add_le32(b, is_size_64 ? MAX32 : (uint32_t)m->size);
    buf_add_le16(b, (uint16_t)strlen(m->name));
    buf_add_le16(b, extra > 0 ? extra + 4 : 0);
    buf_add_le16(b, 0); /* comment, disk, internal attributes */
    buf_add_le16(b, 0);
    buf_add_le16(b, 0);
    buf_add_le32(b, (uint32_t)MODE_FILE << 16);
    buf_add_le32(b, is_offset_64 ? MAX32 : (uint32_t)m->offset);
    buf_add_text(b, m->name);
    if (extra == 0)
        return;
    buf_add_le16(b, EXTRA_ZIP64);
    buf_add_le16(b, extra);
    if (is_size_64) {
        buf_add_le64(b, m->size);
        buf_add_le64(b, m->size);
    }
    if (is_offset_64)
        buf_add_le64(b, m->offset);
}

/* 4.3.14 and 4.3.15: only where the plain end record's fields are too small. */
static void
end64(const struct zip_out *z, uint64_t start, uint64_t size, struct buf *b)
{
    buf_add_le32(b, SIG_END64);
    buf_add_le64(b, 44);
    buf_add_le16(b, MADE_BY_UNIX);
    buf_add_le16(b, VERSION_ZIP64);
    buf_add_le32(b, 0);
    buf_add_le32(b, 0);
    buf_add_le64(b, z->count);
    buf_add_le64(b, z->count);
    buf_add_le64(b, size);
    buf_add_le64(b, start);
    buf_add_le32(b, SIG_LOCATOR64);
    buf_add_le32(b, 0);
    buf_add_le64(b, start + size);
    buf_add_le32(b, 1);
}

int
zip_out_end(struct zip_out *z, const void *comment, size_t n, uint8_t out_sha256[32],
            struct err *err)
{
    uint64_t start = z->at, size;
    struct buf b;

    CHECK(z->due == 0 && n <= MAX16);
    for (size_t i = 0; i < z->count; i++) {
        buf_init(&b, 4096);
        central_header(z, &z->members[i], &b);
        if (put_buf(z, &b, err) < 0)
            return -1;
    }
    size = z->at - start;
    buf_init(&b, 128 + MAX16);
    if (z->count >= MAX16 || start >= MAX32 || size >= MAX32)
        end64(z, start, size, &b);
    buf_add_le32(&b, SIG_END);
    buf_add_le16(&b, 0);
    buf_add_le16(&b, 0);
    buf_add_le16(&b, (uint16_t)(z->count < MAX16 ? z->count : MAX16));
    buf_add_le16(&b, (uint16_t)(z->count < MAX16 ? z->count : MAX16));
    buf_add_le32(&b, (uint32_t)(size < MAX32 ? size : MAX32));
    buf_add_le32(&b, (uint32_t)(start < MAX32 ? start : MAX32));
    buf_add_le16(&b, (uint16_t)n);
    buf_add(&b, comment, n);
    if (put_buf(z, &b, err) < 0)
        return -1;
    digest_take(z->digest, out_sha256);
    return 0;
}
