/* segment.c - the format of a segment, and the walk that believes no byte before it has proof. */
#include "gateway/spool/segment.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FLAG_OWN 1u
#define TEXTS_AT 116
#define RECORD_CRC_AT 1020
#define LOOK_BYTES (1u << 20) /* of a gap are looked through at a time */

static const uint8_t segment_magic[8] = "RPSEG\r\n\x1a";
static const uint8_t record_magic[4] = {'R', 'R', 'E', 'C'};
static const uint8_t end_magic[4] = {'R', 'E', 'N', 'D'};

uint64_t
segment_span(enum segment_kind kind, uint64_t payload_size)
{
    uint64_t n = SEGMENT_RECORD_HEADER;

    if (kind != SEGMENT_END)
        n += payload_size + SEGMENT_RECORD_END;
    return (n + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
}

void
segment_header_write(const struct segment_header *h, uint8_t block[SEGMENT_BLOCK])
{
    memset(block, 0, SEGMENT_BLOCK);
    memcpy(block, segment_magic, 8);
    block[8] = SEGMENT_MAJOR;
    block[10] = SEGMENT_MINOR;
    le32_write(block + 12, h->is_own ? FLAG_OWN : 0);
    le64_write(block + 16, h->number);
    le64_write(block + 24, (uint64_t)h->made_at_us);
    memcpy(block + 32, h->nonce, SEGMENT_NONCE);
    le32_write(block + 48, zip_crc32(0, block, 48));
}

int
segment_header_read(const uint8_t block[SEGMENT_BLOCK], struct segment_header *out, struct err *err)
{
    if (memcmp(block, segment_magic, 8) != 0 || le32_read(block + 48) != zip_crc32(0, block, 48))
        return err_set(err, ERR_REJECT, "no segment begins here");
    if (le16_read(block + 8) != SEGMENT_MAJOR)
        return err_set(err, ERR_REJECT, "segment of major version %u", le16_read(block + 8));
    out->is_own = (le32_read(block + 12) & FLAG_OWN) != 0;
    out->number = le64_read(block + 16);
    out->made_at_us = (int64_t)le64_read(block + 24);
    memcpy(out->nonce, block + 32, SEGMENT_NONCE);
    return 0;
}

static size_t
text_write(uint8_t *out, size_t at, const char *text)
{
    size_t n = strlen(text);

    out[at] = (uint8_t)n;
    memcpy(out + at + 1, text, n);
    return at + 1 + n;
}

void
segment_record_write(const struct segment_record *r, const uint8_t nonce[SEGMENT_NONCE],
                     uint8_t out[SEGMENT_RECORD_HEADER])
{
    size_t at = TEXTS_AT;

    memset(out, 0, SEGMENT_RECORD_HEADER);
    memcpy(out, record_magic, 4);
    out[4] = SEGMENT_RECORD_HEADER & 0xFF;
    out[5] = SEGMENT_RECORD_HEADER >> 8;
    out[6] = (uint8_t)r->kind;
    memcpy(out + 8, nonce, SEGMENT_NONCE);
    le64_write(out + 24, r->offset);
    le64_write(out + 32, r->synced_to);
    le64_write(out + 40, r->id);
    le64_write(out + 48, (uint64_t)r->at_us);
    le64_write(out + 56, r->payload_size);
    le64_write(out + 64, r->object_size);
    le32_write(out + 72, r->recipe_n);
    le32_write(out + 76, r->layout_n);
    memcpy(out + 80, r->sha256, 32);
    le32_write(out + 112, r->payload_crc);
    if (r->kind == SEGMENT_RECEIVED) {
        at = text_write(out, at, r->meta.sop_class);
        at = text_write(out, at, r->meta.sop_instance);
        at = text_write(out, at, r->meta.transfer_syntax);
        at = text_write(out, at, r->meta.calling_ae);
        at = text_write(out, at, r->meta.called_ae);
        at = text_write(out, at, r->meta.peer);
        at = text_write(out, at, r->meta.quarantine); /* zero, as in minor 0, when there is none */
    }
    CHECK(at <= RECORD_CRC_AT);
    le32_write(out + RECORD_CRC_AT, zip_crc32(0, out, RECORD_CRC_AT));
}

static bool
text_read(const uint8_t *bytes, size_t *at, char *out, size_t out_size)
{
    size_t n = bytes[*at];

    if (n >= out_size || *at + 1 + n > RECORD_CRC_AT)
        return false;
    memcpy(out, bytes + *at + 1, n);
    out[n] = '\0';
    *at += 1 + n;
    return strlen(out) == n;
}

static bool
meta_read(const uint8_t *bytes, struct spool_meta *out)
{
    size_t at = TEXTS_AT;

    return text_read(bytes, &at, out->sop_class, sizeof out->sop_class) &&
           text_read(bytes, &at, out->sop_instance, sizeof out->sop_instance) &&
           text_read(bytes, &at, out->transfer_syntax, sizeof out->transfer_syntax) &&
           text_read(bytes, &at, out->calling_ae, sizeof out->calling_ae) &&
           text_read(bytes, &at, out->called_ae, sizeof out->called_ae) &&
           text_read(bytes, &at, out->peer, sizeof out->peer) &&
           text_read(bytes, &at, out->quarantine, sizeof out->quarantine);
}

static bool
sizes_agree(const struct segment_record *r)
{
    if (r->payload_size > LIMIT_OBJECT_BYTES * 2 || r->object_size > r->payload_size)
        return false;
    return r->payload_size - r->object_size == (uint64_t)r->recipe_n + r->layout_n;
}

bool
segment_record_read(const uint8_t bytes[SEGMENT_RECORD_HEADER], const uint8_t nonce[SEGMENT_NONCE],
                    uint64_t offset, struct segment_record *out)
{
    struct segment_record r = {.kind = (enum segment_kind)bytes[6], .offset = offset};

    if (memcmp(bytes, record_magic, 4) != 0 || le16_read(bytes + 4) != SEGMENT_RECORD_HEADER ||
        memcmp(bytes + 8, nonce, SEGMENT_NONCE) != 0 || le64_read(bytes + 24) != offset ||
        le32_read(bytes + RECORD_CRC_AT) != zip_crc32(0, bytes, RECORD_CRC_AT))
        return false;
    r.synced_to = le64_read(bytes + 32);
    r.id = le64_read(bytes + 40);
    r.at_us = (int64_t)le64_read(bytes + 48);
    r.payload_size = le64_read(bytes + 56);
    r.object_size = le64_read(bytes + 64);
    r.recipe_n = le32_read(bytes + 72);
    r.layout_n = le32_read(bytes + 76);
    memcpy(r.sha256, bytes + 80, 32);
    r.payload_crc = le32_read(bytes + 112);
    if (r.kind < SEGMENT_RECEIVED || r.kind > SEGMENT_END || !sizes_agree(&r))
        return false;
    if (r.kind == SEGMENT_RECEIVED && !meta_read(bytes, &r.meta))
        return false;
    r.meta.received_at_us = r.at_us;
    *out = r;
    return true;
}

void
segment_end_write(const struct segment_record *r, const uint8_t nonce[SEGMENT_NONCE],
                  uint8_t out[SEGMENT_RECORD_END])
{
    memcpy(out, end_magic, 4);
    le32_write(out + 4, r->payload_crc);
    le64_write(out + 8, r->id);
    memcpy(out + 16, nonce, 8);
}

/* ---- the walk ---- */

struct gap {
    uint64_t from;
    uint64_t to;
};

struct walker {
    int fd;
    uint64_t size;
    struct segment_header header;
    struct segment_record *records;
    size_t n, room;
    struct gap *gaps;
    size_t gaps_n, gaps_room;
    uint64_t synced_to; /* the greatest that a record claims */
    uint8_t *look;      /* LOOK_BYTES */
};

static void
add_record(struct walker *w, const struct segment_record *r)
{
    if (w->n == w->room) {
        w->room = w->room * 2 + 64;
        w->records = mem_grow(w->records, w->room * sizeof *w->records);
    }
    w->records[w->n++] = *r;
    if (r->synced_to > w->synced_to)
        w->synced_to = r->synced_to;
}

static void
add_gap(struct walker *w, uint64_t from, uint64_t to)
{
    if (w->gaps_n == w->gaps_room) {
        w->gaps_room = w->gaps_room * 2 + 8;
        w->gaps = mem_grow(w->gaps, w->gaps_room * sizeof *w->gaps);
    }
    w->gaps[w->gaps_n++] = (struct gap){from, to};
}

/* A record that also lies inside the file. */
static bool
record_fits(const struct walker *w, const uint8_t *bytes, uint64_t offset,
            struct segment_record *out)
{
    return segment_record_read(bytes, w->header.nonce, offset, out) &&
           segment_span(out->kind, out->payload_size) <= w->size - offset;
}

/* The next place at or after offset where a record begins; w->size if there is none. */
static int
find_record(struct walker *w, uint64_t offset, uint64_t *out_at, struct err *err)
{
    struct segment_record r;

    while (w->size - offset >= SEGMENT_BLOCK) {
        uint64_t left = (w->size - offset) / SEGMENT_BLOCK * SEGMENT_BLOCK;
        size_t n = left < LOOK_BYTES ? (size_t)left : LOOK_BYTES;

        if (durable_read_at(w->fd, w->look, n, offset, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i += SEGMENT_BLOCK)
            if (record_fits(w, w->look + i, offset + i, &r)) {
                *out_at = offset + i;
                return 0;
            }
        offset += n;
    }
    *out_at = w->size;
    return 0;
}

static int
collect_records(struct walker *w, struct err *err)
{
    uint64_t at = SEGMENT_BLOCK, next;
    uint8_t bytes[SEGMENT_RECORD_HEADER];
    struct segment_record r;

    while (at < w->size && w->size - at >= SEGMENT_BLOCK) {
        if (durable_read_at(w->fd, bytes, sizeof bytes, at, err) < 0)
            return -1;
        if (record_fits(w, bytes, at, &r)) {
            add_record(w, &r);
            at += segment_span(r.kind, r.payload_size);
            continue;
        }
        if (find_record(w, at + SEGMENT_BLOCK, &next, err) < 0)
            return -1;
        add_gap(w, at, next);
        at = next;
    }
    return 0;
}

/* Payload and end mark of a record agree with its header. */
static int
is_whole(struct walker *w, const struct segment_record *r, bool *out, struct err *err)
{
    uint64_t at = r->offset + SEGMENT_RECORD_HEADER, left = r->payload_size;
    uint8_t want[SEGMENT_RECORD_END], got[SEGMENT_RECORD_END];
    uint32_t crc = 0;

    *out = r->kind == SEGMENT_END;
    if (*out)
        return 0;
    while (left > 0) {
        size_t n = left < LOOK_BYTES ? (size_t)left : LOOK_BYTES;

        if (durable_read_at(w->fd, w->look, n, at, err) < 0)
            return -1;
        crc = zip_crc32(crc, w->look, n);
        at += n;
        left -= n;
    }
    if (durable_read_at(w->fd, got, sizeof got, at, err) < 0)
        return -1;
    segment_end_write(r, w->header.nonce, want);
    *out = crc == r->payload_crc && memcmp(want, got, sizeof got) == 0;
    return 0;
}

/* Keep the records that may be believed (invariant 5). */
static int
judge_records(struct walker *w, struct segment_walk *out, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->n; i++) {
        struct segment_record *r = &w->records[i];
        uint64_t end = r->offset + segment_span(r->kind, r->payload_size);
        bool is_believed = end <= w->synced_to;

        out->seen_end = end;
        if (!is_believed && is_whole(w, r, &is_believed, err) < 0)
            return -1;
        if (!is_believed) {
            out->torn++;
            continue;
        }
        out->end = end;
        if (r->kind == SEGMENT_END)
            out->is_closed = true;
        else
            w->records[kept++] = *r;
    }
    w->n = kept;
    for (size_t i = 0; i < w->gaps_n; i++)
        if (w->gaps[i].from < w->synced_to)
            out->damaged++;
    return 0;
}

int
segment_read(int fd, struct segment_walk *out, struct err *err)
{
    struct walker w = {.fd = fd, .look = mem_new(LOOK_BYTES)};
    struct segment_walk walk = {.end = SEGMENT_BLOCK, .seen_end = SEGMENT_BLOCK};
    struct stat st;
    int rc = -1;

    if (fstat(fd, &st) < 0) {
        err_sys(err, ERR_RETRY, "stat");
        goto out;
    }
    w.size = (uint64_t)st.st_size;
    if (w.size < SEGMENT_BLOCK) {
        err_set(err, ERR_REJECT, "shorter than a segment's header");
        goto out;
    }
    if (durable_read_at(fd, w.look, SEGMENT_BLOCK, 0, err) < 0 ||
        segment_header_read(w.look, &w.header, err) < 0)
        goto out;
    if (collect_records(&w, err) < 0 || judge_records(&w, &walk, err) < 0)
        goto out;
    walk.header = w.header;
    walk.n = w.n;
    walk.records = TAKE(w.records);
    *out = walk;
    rc = 0;
out:
    free(w.records);
    free(w.gaps);
    free(w.look);
    return rc;
}

void
segment_walk_fini(struct segment_walk *walk)
{
    free(walk->records);
    *walk = (struct segment_walk){0};
}
