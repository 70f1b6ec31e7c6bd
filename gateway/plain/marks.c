/* marks.c - a file of small checksummed records. */
#include "gateway/plain/marks.h"

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/trust/digest.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAJOR = 1,
    MINOR = 0,
    HEADER_BYTES = 40,
    NONCE_BYTES = 8,
    FRAME_BYTES = 8,
    BODY_LEAST = 28,
    BODY_MOST = BODY_LEAST + MARK_WHY_BYTES,
    LONG_BYTES = 4 << 20,
    FILE_BYTES_MOST = 1 << 30
};

static const uint8_t magic[8] = "RPMRK\r\n\x1a";

struct marks {
    char *dir, *name; /* "NAME.marks" */
    int fd;
    bool is_sick, had_damage, is_new;
    int64_t made_at_us;
    uint8_t nonce[NONCE_BYTES];
    uint64_t end, first_end; /* now; right after it was made */
};

/* ---- one record ---- */

/* The place and the file's nonce go into the checksum. */
static uint32_t
check_of(const uint8_t nonce[NONCE_BYTES], uint64_t at, const uint8_t *body, size_t n)
{
    uint8_t place[NONCE_BYTES + 8];

    memcpy(place, nonce, NONCE_BYTES);
    le64_write(place + NONCE_BYTES, at);
    return zip_crc32(zip_crc32(0, place, sizeof place), body, n);
}

static void
record_write(const struct marks *m, uint64_t at, const struct mark *mark, struct buf *out)
{
    uint8_t *frame, *body;
    size_t begin = out->n, why_n = strlen(mark->why);

    frame = buf_reserve(out, FRAME_BYTES + BODY_LEAST + why_n);
    if (frame == NULL)
        return;
    body = frame + FRAME_BYTES;
    body[0] = (uint8_t)mark->kind;
    le64_write(body + 1, mark->id);
    memcpy(body + 9, mark->tag, MARK_TAG_BYTES);
    le64_write(body + 17, (uint64_t)mark->at_us);
    body[25] = (uint8_t)mark->status;
    body[26] = (uint8_t)(mark->status >> 8);
    body[27] = (uint8_t)why_n;
    memcpy(body + BODY_LEAST, mark->why, why_n);
    le32_write(frame, (uint32_t)(BODY_LEAST + why_n));
    le32_write(frame + 4, check_of(m->nonce, at, body, BODY_LEAST + why_n));
    out->n = begin + FRAME_BYTES + BODY_LEAST + why_n;
}

/* Its length in the file; 0: there is none at this place. A body may be longer than we know
 * (a later minor version). */
static size_t
record_read(const uint8_t nonce[NONCE_BYTES], const uint8_t *bytes, size_t n, size_t at,
            struct mark *out)
{
    const uint8_t *body = bytes + at + FRAME_BYTES;
    size_t body_n, why_n;

    if (n - at < FRAME_BYTES + BODY_LEAST)
        return 0;
    body_n = le32_read(bytes + at);
    if (body_n < BODY_LEAST || body_n > 2 * BODY_MOST || body_n > n - at - FRAME_BYTES ||
        le32_read(bytes + at + 4) != check_of(nonce, at, body, body_n))
        return 0;
    memset(out, 0, sizeof *out);
    out->kind = (enum mark_kind)body[0];
    out->id = le64_read(body + 1);
    memcpy(out->tag, body + 9, MARK_TAG_BYTES);
    out->at_us = (int64_t)le64_read(body + 17);
    out->status = le16_read(body + 25);
    why_n = body[27];
    if (why_n >= MARK_WHY_BYTES || why_n > body_n - BODY_LEAST)
        why_n = 0;
    memcpy(out->why, body + BODY_LEAST, why_n);
    return FRAME_BYTES + body_n;
}

/* ---- reading a file ---- */

static int
keep_damaged(struct marks *m, const uint8_t *bytes, size_t n, struct err *err)
{
    char folder[PATH_MAX], to[PATH_MAX];

    m->had_damage = true;
    snprintf(folder, sizeof folder, "%s/corrupt", m->dir);
    snprintf(to, sizeof to, "corrupt/%s.%lld", m->name, (long long)clock_wall_us());
    if (durable_mkdir(folder, err) < 0)
        return -1;
    return durable_put_file(m->dir, to, bytes, n, err);
}

static int
read_all(struct marks *m, const uint8_t *bytes, size_t n,
         void (*give)(void *user, const struct mark *mark), void *user, struct err *err)
{
    const uint8_t *nonce = bytes + 24;
    bool is_bad = false;
    struct mark mark;
    size_t at = HEADER_BYTES;

    while (at < n) {
        size_t step = record_read(nonce, bytes, n, at, &mark);

        if (step == 0) { /* a torn end, or damage: is there anything behind it? */
            is_bad = true;
            at++;
            continue;
        }
        if (is_bad && !m->had_damage && keep_damaged(m, bytes, n, err) < 0)
            return -1;
        is_bad = false;
        at += step;
        if (mark.kind >= MARK_TRIED && mark.kind < MARK_KINDS)
            give(user, &mark);
    }
    return 0;
}

static int
read_file(struct marks *m, const uint8_t *bytes, size_t n,
          void (*give)(void *user, const struct mark *mark), void *user, struct err *err)
{
    if (n < HEADER_BYTES || memcmp(bytes, magic, sizeof magic) != 0 ||
        le32_read(bytes + 32) != zip_crc32(0, bytes, 32))
        return keep_damaged(m, bytes, n, err);
    if (le16_read(bytes + 8) != MAJOR)
        return err_set(err, ERR_REJECT, "%s is of version %u", m->name, le16_read(bytes + 8));
    m->made_at_us = (int64_t)le64_read(bytes + 16);
    return read_all(m, bytes, n, give, user, err);
}

int
marks_open(const char *dir, const char *name, void (*give)(void *user, const struct mark *mark),
           void *user, struct marks **out, struct err *err)
{
    struct marks *m = mem_new(sizeof *m);
    char path[PATH_MAX];
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = -1;

    m->fd = -1;
    m->is_sick = true;
    m->dir = mem_text(dir);
    snprintf(path, sizeof path, "%s.marks", name);
    m->name = mem_text(path);
    snprintf(path, sizeof path, "%s/%s", dir, m->name);
    if (durable_get_file(path, FILE_BYTES_MOST, &bytes, &n, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            goto out;
        err_clear(err);
        m->made_at_us = clock_wall_us();
        m->is_new = true;
        rc = 0;
    } else {
        rc = read_file(m, bytes, n, give, user, err);
    }
out:
    free(bytes);
    if (rc == 0)
        *out = TAKE(m);
    else
        err_context(err, "%s", path);
    marks_close(&m);
    return rc;
}

void
marks_close(struct marks **marks)
{
    struct marks *m = TAKE(*marks);

    if (m == NULL)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->name);
    free(m->dir);
    free(m);
}

int64_t
marks_made_at_us(const struct marks *m)
{
    return m->made_at_us;
}

bool
marks_is_new(const struct marks *m)
{
    return m->is_new;
}

bool
marks_had_damage(const struct marks *m)
{
    return m->had_damage;
}

/* ---- writing ---- */

static void
header_write(const struct marks *m, struct buf *out)
{
    uint8_t header[HEADER_BYTES] = {0};

    memcpy(header, magic, sizeof magic);
    header[8] = MAJOR;
    header[10] = MINOR;
    le64_write(header + 16, (uint64_t)m->made_at_us);
    memcpy(header + 24, m->nonce, NONCE_BYTES);
    le32_write(header + 32, zip_crc32(0, header, 32));
    buf_add(out, header, sizeof header);
}

int
marks_renew(struct marks *m, bool (*next)(void *user, size_t i, struct mark *out), void *user,
            struct err *err)
{
    char path[PATH_MAX];
    struct mark mark;
    struct buf file;
    int fd = -1, rc = -1;

    random_bytes(m->nonce, sizeof m->nonce);
    buf_init(&file, FILE_BYTES_MOST);
    header_write(m, &file);
    for (size_t i = 0; next(user, i, &mark); i++)
        record_write(m, file.n, &mark, &file);
    snprintf(path, sizeof path, "%s/%s", m->dir, m->name);
    m->is_sick = true; /* the nonce is another one now */
    if (buf_is_over(&file)) {
        err_set(err, ERR_FULL, "more marks than a file holds");
        goto out;
    }
    if (durable_put_file(m->dir, m->name, file.bytes, file.n, err) < 0)
        goto out;
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        err_sys(err, ERR_RETRY, "open %s", path);
        goto out;
    }
    if (m->fd >= 0)
        close(m->fd);
    m->fd = fd;
    m->end = m->first_end = file.n;
    m->is_sick = false;
    rc = 0;
out:
    buf_fini(&file);
    return rc;
}

int
marks_append(struct marks *m, const struct mark *mark, struct err *err)
{
    struct buf record;
    int rc;

    if (m->is_sick)
        return err_set(err, ERR_RETRY, "%s cannot be written just now", m->name);
    buf_init(&record, FRAME_BYTES + BODY_MOST);
    record_write(m, m->end, mark, &record);
    rc = durable_write_at(m->fd, record.bytes, record.n, m->end, err);
    if (rc == 0)
        m->end += record.n;
    else
        m->is_sick = true;
    buf_fini(&record);
    return rc < 0 ? err_context(err, "%s", m->name) : 0;
}

int
marks_sync(struct marks *m, struct err *err)
{
    if (m->is_sick)
        return err_set(err, ERR_RETRY, "%s cannot be written just now", m->name);
    if (durable_sync(m->fd, err) == 0)
        return 0;
    m->is_sick = true;
    return err_context(err, "%s", m->name);
}

bool
marks_is_sick(const struct marks *m)
{
    return m->is_sick;
}

bool
marks_is_long(const struct marks *m)
{
    return m->end > LONG_BYTES && m->end > 2 * m->first_end;
}
