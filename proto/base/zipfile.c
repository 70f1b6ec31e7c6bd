/* zipfile.c - small ZIP files in memory. */
#include "proto/base/zipfile.h"

#include "proto/base/zip.h"

#include <string.h>

#define SIGNATURE_LOCAL 0x04034B50U
#define SIGNATURE_CENTRAL 0x02014B50U
#define SIGNATURE_END 0x06054B50U

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    NEEDED = 20,      /* version 2.0 */
    MADE_BY = 0x0300, /* Unix: the mode below counts */
    FLAG_ENCRYPTED = 1,
    FLAG_UTF8 = 0x0800,
    DATE_1980 = 0x0021, /* 1 January 1980: no clock goes in */
    MODE = 0100644,
    COMMENT_MOST = 65535,
    STORED = 0,
    DEFLATED = 8
};

/* ---- writing ---- */

static void
add_common(struct buf *b, const char *name, uint32_t crc, size_t n)
{
    buf_add_le16(b, NEEDED);
    buf_add_le16(b, FLAG_UTF8);
    buf_add_le16(b, STORED);
    buf_add_le16(b, 0); /* time */
    buf_add_le16(b, DATE_1980);
    buf_add_le32(b, crc);
    buf_add_le32(b, (uint32_t)n);
    buf_add_le32(b, (uint32_t)n);
    buf_add_le16(b, (uint16_t)strlen(name));
    buf_add_le16(b, 0); /* extra */
}

void
zipfile_init(struct zipfile *z, struct buf *out)
{
    *z = (struct zipfile){.out = out, .start = out->n};
    buf_init(&z->directory, ZIPFILE_MEMBERS * (CENTRAL_BYTES + ZIPFILE_NAME_BYTES));
}

void
zipfile_add(struct zipfile *z, const char *name, const void *bytes, size_t n)
{
    size_t at = z->out->n - z->start;
    uint32_t crc = zip_crc32(0, bytes, n);

    CHECK(z->count < ZIPFILE_MEMBERS && strlen(name) <= ZIPFILE_NAME_BYTES && at <= UINT32_MAX &&
          n <= UINT32_MAX - at);
    buf_add_le32(z->out, SIGNATURE_LOCAL);
    add_common(z->out, name, crc, n);
    buf_add_text(z->out, name);
    buf_add(z->out, bytes, n);
    buf_add_le32(&z->directory, SIGNATURE_CENTRAL);
    buf_add_le16(&z->directory, MADE_BY | NEEDED);
    add_common(&z->directory, name, crc, n);
    buf_add_le16(&z->directory, 0); /* comment */
    buf_add_le16(&z->directory, 0); /* disk */
    buf_add_le16(&z->directory, 0); /* internal attributes */
    buf_add_le32(&z->directory, (uint32_t)MODE << 16);
    buf_add_le32(&z->directory, (uint32_t)at);
    buf_add_text(&z->directory, name);
    z->count++;
}

void
zipfile_end(struct zipfile *z)
{
    size_t at = z->out->n - z->start;

    buf_add(z->out, z->directory.bytes, z->directory.n);
    buf_add_le32(z->out, SIGNATURE_END);
    buf_add_le32(z->out, 0); /* disks */
    buf_add_le16(z->out, (uint16_t)z->count);
    buf_add_le16(z->out, (uint16_t)z->count);
    buf_add_le32(z->out, (uint32_t)z->directory.n);
    buf_add_le32(z->out, (uint32_t)at);
    buf_add_le16(z->out, 0); /* comment */
    buf_fini(&z->directory);
}

/* ---- reading ---- */

struct member {
    const uint8_t *name;
    size_t name_n;
    unsigned flags, method;
    uint32_t crc, packed, size, at;
};

bool
zipfile_is(const void *bytes, size_t n)
{
    return n >= END_BYTES && le32_read(bytes) == SIGNATURE_LOCAL;
}

/* Where the directory begins and how many entries it has. */
static int
find_directory(const uint8_t *bytes, size_t n, size_t *out_at, size_t *out_end, unsigned *out_count,
               struct err *err)
{
    size_t least = n > END_BYTES + COMMENT_MOST ? n - END_BYTES - COMMENT_MOST : 0;

    for (size_t at = n < END_BYTES ? 0 : n - END_BYTES + 1; at-- > least;) {
        const uint8_t *p = bytes + at;
        uint64_t begin, size;

        if (le32_read(p) != SIGNATURE_END)
            continue;
        size = le32_read(p + 12);
        begin = le32_read(p + 16);
        if (le16_read(p + 20) != n - at - END_BYTES || le32_read(p + 4) != 0 ||
            le16_read(p + 8) != le16_read(p + 10) || begin + size != at)
            break;
        *out_at = (size_t)begin;
        *out_end = at;
        *out_count = le16_read(p + 10);
        return 0;
    }
    return err_set(err, ERR_REJECT, "it is no ZIP file, or not a whole one");
}

static bool
read_member(const uint8_t *bytes, size_t *at, size_t end, struct member *out)
{
    const uint8_t *p = bytes + *at;
    size_t size;

    if (end - *at < CENTRAL_BYTES || le32_read(p) != SIGNATURE_CENTRAL)
        return false;
    out->name_n = le16_read(p + 28);
    size = CENTRAL_BYTES + out->name_n + le16_read(p + 30) + le16_read(p + 32);
    if (end - *at < size)
        return false;
    out->name = p + CENTRAL_BYTES;
    out->flags = le16_read(p + 8);
    out->method = le16_read(p + 10);
    out->crc = le32_read(p + 16);
    out->packed = le32_read(p + 20);
    out->size = le32_read(p + 24);
    out->at = le32_read(p + 42);
    *at += size;
    return true;
}

static bool
is_named(const struct member *m, const char *name)
{
    size_t n = strlen(name);

    if (m->name_n < n || memcmp(m->name + m->name_n - n, name, n) != 0)
        return false;
    return m->name_n == n || m->name[m->name_n - n - 1] == '/';
}

static int
take(const uint8_t *bytes, size_t directory, const struct member *m, struct buf *out,
     struct err *err)
{
    const uint8_t *p = bytes + m->at;
    size_t before = out->n, head;

    if (m->at > directory || directory - m->at < LOCAL_BYTES || le32_read(p) != SIGNATURE_LOCAL)
        return err_set(err, ERR_REJECT, "a member that is not there");
    head = LOCAL_BYTES + (size_t)le16_read(p + 26) + le16_read(p + 28);
    if (directory - m->at < head || directory - m->at - head < m->packed ||
        le16_read(p + 26) != m->name_n || memcmp(p + LOCAL_BYTES, m->name, m->name_n) != 0 ||
        (m->flags & FLAG_ENCRYPTED) != 0)
        return err_set(err, ERR_REJECT, "a member that is damaged or encrypted");
    if (m->method == STORED && m->packed == m->size)
        buf_add(out, p + head, m->packed);
    else if (m->method != DEFLATED || zip_inflate(p + head, m->packed, out, err) < 0)
        return err_set(err, ERR_REJECT, "a member that cannot be unpacked");
    if (buf_is_over(out) || out->n - before != m->size ||
        zip_crc32(0, out->bytes + before, m->size) != m->crc)
        return err_set(err, ERR_REJECT, "a member whose checksum is wrong, or too long");
    return 0;
}

int
zipfile_get(const void *file, size_t n, const char *name, struct buf *out, struct err *err)
{
    const uint8_t *bytes = file;
    struct member one, found = {0};
    size_t at, directory, end;
    unsigned count, hits = 0;

    if (n > UINT32_MAX || find_directory(bytes, n, &at, &end, &count, err) < 0)
        return n > UINT32_MAX ? err_set(err, ERR_REJECT, "too long a ZIP file") : -1;
    directory = at;
    for (unsigned i = 0; i < count; i++) {
        if (!read_member(bytes, &at, end, &one))
            return err_set(err, ERR_REJECT, "a directory that is damaged");
        if (is_named(&one, name)) {
            found = one;
            hits++;
        }
    }
    if (hits == 0)
        return err_set(err, ERR_NOT_FOUND, "%s is not in it", name);
    if (hits > 1)
        return err_set(err, ERR_REJECT, "%s is in it twice", name);
    return take(bytes, directory, &found, out, err) < 0 ? err_context(err, "%s", name) : 0;
}
