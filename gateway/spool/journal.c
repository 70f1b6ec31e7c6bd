/* journal.c - the file of states, appended to and replayed. */
#include "gateway/spool/journal.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/reserve.h"
#include "proto/base/zip.h"
#include "proto/trust/digest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 52
#define FRAME_BYTES 32
#define GROW_BYTES (1u << 20)
#define LONG_BYTES (16u << 20)
#define LOOK_BYTES (1u << 16)

static const uint8_t magic[8] = "RPJNL\r\n\x1a";

struct journal {
    char *dir; /* the spool's */
    int fd;
    uint64_t number;
    uint8_t nonce[16];
    uint64_t end;
    uint64_t synced_to;
    uint64_t room;     /* preallocated */
    uint64_t snapshot; /* end of the snapshot */
};

/* ---- the file ---- */

static void
header_write(const struct journal *j, uint8_t out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    memcpy(out, magic, 8);
    out[8] = JOURNAL_MAJOR;
    out[10] = JOURNAL_MINOR;
    le64_write(out + 16, j->number);
    le64_write(out + 24, (uint64_t)clock_wall_us());
    memcpy(out + 32, j->nonce, 16);
    le32_write(out + 48, zip_crc32(0, out, 48));
}

static void
frame_write(const struct journal *j, const uint8_t *body, size_t n, uint8_t out[FRAME_BYTES])
{
    le32_write(out, (uint32_t)n);
    memcpy(out + 8, j->nonce, 8);
    le64_write(out + 16, j->end);
    le64_write(out + 24, j->synced_to);
    le32_write(out + 4, zip_crc32(zip_crc32(0, out + 8, 24), body, n));
}

static int
grow(struct journal *j, uint64_t end, struct err *err)
{
    uint64_t room = (end / GROW_BYTES + 1) * GROW_BYTES;
    int rc;

    if (end <= j->room)
        return 0;
    while ((rc = durable_preallocate(j->fd, room, err)) < 0 && err->kind == ERR_FULL &&
           reserve_give(j->dir, GROW_BYTES))
        err_clear(err);
    if (rc == 0)
        j->room = room;
    return rc;
}

int
journal_append(struct journal *j, const uint8_t *body, size_t n, struct err *err)
{
    uint8_t frame[FRAME_BYTES];

    CHECK(n > 0 && n <= JOURNAL_BODY_BYTES);
    frame_write(j, body, n, frame);
    if (grow(j, j->end + sizeof frame + n, err) < 0 ||
        durable_write_at(j->fd, frame, sizeof frame, j->end, err) < 0 ||
        durable_write_at(j->fd, body, n, j->end + sizeof frame, err) < 0)
        return err_context(err, "journal %" PRIx64, j->number);
    j->end += sizeof frame + n;
    return 0;
}

int
journal_sync(struct journal *j, struct err *err)
{
    if (durable_sync(j->fd, err) < 0)
        return err_context(err, "journal %" PRIx64, j->number);
    j->synced_to = j->end;
    return 0;
}

static int
write_snapshot(struct journal *j, const struct buf *snapshot, struct err *err)
{
    uint8_t header[HEADER_BYTES];
    size_t at = 0;

    header_write(j, header);
    j->end = HEADER_BYTES;
    if (grow(j, HEADER_BYTES + snapshot->n + snapshot->n / 8, err) < 0 ||
        durable_write_at(j->fd, header, sizeof header, 0, err) < 0)
        return -1;
    while (at < snapshot->n) {
        uint32_t n = le32_read(snapshot->bytes + at);

        if (journal_append(j, snapshot->bytes + at + 4, n, err) < 0)
            return -1;
        at += 4 + (size_t)n;
    }
    return 0;
}

int
journal_create(const char *dir, uint64_t number, const struct buf *snapshot, struct journal **out,
               bool *out_is_replaced, struct err *err)
{
    struct journal *j = mem_new(sizeof *j);
    char name[64], to[64], path[PATH_MAX];
    int rc = -1;

    j->dir = mem_text(dir);
    j->number = number;
    random_bytes(j->nonce, sizeof j->nonce);
    snprintf(name, sizeof name, "journal-%016" PRIx64, number);
    snprintf(to, sizeof to, "journal/%016" PRIx64 ".jnl", number);
    snprintf(path, sizeof path, "%s/tmp/%s", dir, name);
    j->fd = -1;
    *out_is_replaced = false;
    if (durable_create(dir, name, &j->fd, err) < 0)
        goto out;
    if (write_snapshot(j, snapshot, err) < 0) {
        unlink(path); /* best effort: tmp/ is emptied at start */
        goto out;
    }
    *out_is_replaced = true;
    snprintf(path, sizeof path, "%s/%s", dir, to);
    if (durable_publish(&j->fd, dir, name, to, err) < 0) {
        unlink(path); /* best effort: its number is never used again */
        goto out;
    }
    j->fd = open(path, O_RDWR | O_CLOEXEC);
    if (j->fd < 0) {
        err_sys(err, ERR_RETRY, "open %s", path);
        goto out;
    }
    j->synced_to = j->snapshot = j->end;
    *out = TAKE(j);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "new journal");
    journal_close(&j);
    return rc;
}

void
journal_close(struct journal **j)
{
    if (*j == NULL)
        return;
    if ((*j)->fd >= 0)
        close((*j)->fd);
    free((*j)->dir);
    free(*j);
    *j = NULL;
}

uint64_t
journal_number(const struct journal *j)
{
    return j->number;
}

uint64_t
journal_room(const struct journal *j)
{
    return j->room;
}

bool
journal_is_long(const struct journal *j, uint64_t by)
{
    return j->end - j->snapshot > (by != 0 ? by : LONG_BYTES) + j->snapshot;
}

/* ---- replay ---- */

struct replayer {
    int fd;
    uint64_t size;
    uint8_t nonce[8];
    uint8_t *body;
    size_t body_room;
};

/* The record at an offset, its body in r->body; *out_n is 0 when there is none. */
static int
read_record(struct replayer *r, uint64_t at, size_t *out_n, uint64_t *out_synced_to,
            struct err *err)
{
    uint8_t frame[FRAME_BYTES];
    size_t n;

    *out_n = 0;
    if (at > r->size || r->size - at < FRAME_BYTES)
        return 0;
    if (durable_read_at(r->fd, frame, sizeof frame, at, err) < 0)
        return -1;
    n = le32_read(frame);
    if (n == 0 || n > JOURNAL_BODY_BYTES || n > r->size - at - FRAME_BYTES ||
        memcmp(frame + 8, r->nonce, 8) != 0 || le64_read(frame + 16) != at)
        return 0;
    if (n > r->body_room) {
        r->body = mem_grow(r->body, n);
        r->body_room = n;
    }
    if (durable_read_at(r->fd, r->body, n, at + FRAME_BYTES, err) < 0)
        return -1;
    if (zip_crc32(zip_crc32(0, frame + 8, 24), r->body, n) != le32_read(frame + 4))
        return 0;
    *out_synced_to = le64_read(frame + 24);
    *out_n = n;
    return 0;
}

/* After an unreadable place: the next offset at which a whole record begins, r->size if none. */
static int
find_record(struct replayer *r, uint64_t from, uint64_t *out_at, struct err *err)
{
    uint8_t look[LOOK_BYTES];
    uint64_t synced_to;
    size_t n;

    while (r->size > from && r->size - from >= FRAME_BYTES) {
        size_t k = r->size - from < LOOK_BYTES ? (size_t)(r->size - from) : LOOK_BYTES;

        if (durable_read_at(r->fd, look, k, from, err) < 0)
            return -1;
        for (const uint8_t *p = look; p != NULL;) {
            p = memmem(p, (size_t)(look + k - p), r->nonce, 8);
            if (p == NULL)
                break;
            if (from + (uint64_t)(p - look) >= 8) {
                uint64_t at = from + (uint64_t)(p - look) - 8;

                if (read_record(r, at, &n, &synced_to, err) < 0)
                    return -1;
                if (n > 0) {
                    *out_at = at;
                    return 0;
                }
            }
            p++;
        }
        from += k == LOOK_BYTES ? k - 7 : k;
    }
    *out_at = r->size;
    return 0;
}

static int
read_header(struct replayer *r, uint64_t *out_number, struct err *err)
{
    uint8_t header[HEADER_BYTES];

    if (r->size < HEADER_BYTES)
        return err_set(err, ERR_REJECT, "shorter than a journal's header");
    if (durable_read_at(r->fd, header, sizeof header, 0, err) < 0)
        return -1;
    if (memcmp(header, magic, 8) != 0 || le32_read(header + 48) != zip_crc32(0, header, 48))
        return err_set(err, ERR_REJECT, "no journal begins here");
    if (le16_read(header + 8) != JOURNAL_MAJOR)
        return err_set(err, ERR_REJECT, "journal of major version %u", le16_read(header + 8));
    *out_number = le64_read(header + 16);
    memcpy(r->nonce, header + 32, 8);
    return 0;
}

static int
replay_records(struct replayer *r, struct ledger *l, struct journal_facts *facts,
               struct journal_replay *out, struct err *err)
{
    uint64_t at = HEADER_BYTES, synced_to = 0, gap = 0;
    size_t n;

    while (at < r->size) {
        if (read_record(r, at, &n, &synced_to, err) < 0)
            return -1;
        if (n == 0) {
            gap = gap == 0 ? at : gap;
            if (find_record(r, at + 1, &at, err) < 0)
                return -1;
            continue;
        }
        if (gap != 0 && synced_to > gap)
            out->is_damaged = true;
        if (!journal_apply(l, r->body, n, facts))
            out->is_damaged = true;
        out->records++;
        at += FRAME_BYTES + n;
    }
    return 0;
}

int
journal_replay(int fd, struct ledger *l, struct journal_facts *facts, struct journal_replay *out,
               struct err *err)
{
    struct replayer r = {.fd = fd};
    struct journal_replay found = {0};
    struct stat st;
    int rc = -1;

    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_RETRY, "stat");
    r.size = (uint64_t)st.st_size;
    if (read_header(&r, &found.number, err) < 0 || replay_records(&r, l, facts, &found, err) < 0)
        goto out;
    if (!facts->has_snapshot)
        found.is_damaged = true;
    *out = found;
    rc = 0;
out:
    free(r.body);
    return rc;
}
