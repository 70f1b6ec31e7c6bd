/* active.c - the shared segment that is being filled, by who has the lead alone. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SEGMENT_BYTES (64u << 20)
#define COPY_BYTES (256u << 10)
#define AHEAD_BYTES (64u << 10) /* from here on the disk begins before the sum is made */
/* Of a payload: what lies in its header's block. */
#define FIRST_BYTES (SEGMENT_BLOCK - SEGMENT_RECORD_HEADER)

uint64_t
active_usual_size(const struct spool *sp)
{
    return sp->options.segment_bytes != 0 ? sp->options.segment_bytes : DEFAULT_SEGMENT_BYTES;
}

static int
reserve(struct spool *sp, const char *name, int *out_fd, struct err *err)
{
    char path[PATH_MAX];

    if (durable_create(sp->dir, name, out_fd, err) < 0)
        return -1;
    if (durable_preallocate(*out_fd, sp->active_size, err) == 0)
        return 0;
    close(*out_fd);
    snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, name);
    unlink(path); /* best effort: tmp/ is emptied at start */
    return -1;
}

static int
write_new_file(struct spool *sp, const char *name, const char *to, struct err *err)
{
    uint8_t block[SEGMENT_BLOCK];
    char path[PATH_MAX];
    int fd = -1;

    segment_header_write(&sp->active, block);
    if (!ready_take(sp, sp->active_size, &name, &fd) && reserve(sp, name, &fd, err) < 0)
        return -1;
    if (durable_write_at(fd, block, sizeof block, 0, err) < 0) {
        close(fd);
        snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, name);
        unlink(path); /* best effort: tmp/ is emptied at start */
        return -1;
    }
    if (durable_publish(&fd, sp->dir, name, to, err) < 0) {
        snprintf(path, sizeof path, "%s/%s", sp->dir, to);
        unlink(path); /* best effort: it holds no record */
        snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, name);
        unlink(path); /* the same, when it was not renamed */
        return -1;
    }
    return 0;
}

static int
begin(struct spool *sp, uint64_t span, struct err *err)
{
    uint64_t want = active_usual_size(sp);
    char name[64], to[64], path[PATH_MAX];
    uint64_t least = SEGMENT_BLOCK + span + segment_span(SEGMENT_END, 0);

    gate_lock(&sp->gate);
    sp->active =
        (struct segment_header){.number = sp->next_segment++, .made_at_us = clock_wall_us()};
    gate_unlock(&sp->gate);
    random_bytes(sp->active.nonce, sizeof sp->active.nonce);
    sp->active_size = want > least ? want : least;
    snprintf(name, sizeof name, "segment-%016" PRIx64, sp->active.number);
    snprintf(to, sizeof to, "segments/%016" PRIx64 ".seg", sp->active.number);
    if (write_new_file(sp, name, to, err) < 0)
        return err_context(err, "new segment");
    segment_path(sp, sp->active.number, path, sizeof path);
    sp->active_fd = open(path, O_RDWR | O_CLOEXEC);
    if (sp->active_fd < 0) {
        unlink(path);
        return err_sys(err, ERR_RETRY, "open new segment");
    }
    sp->active_end = sp->active_synced = SEGMENT_BLOCK;
    gate_lock(&sp->gate);
    segment_add(sp, sp->active.number);
    gate_unlock(&sp->gate);
    return 0;
}

int
active_sync(struct spool *sp, struct err *err)
{
    if (sp->active_fd < 0 || sp->active_synced == sp->active_end)
        return 0;
#ifdef RADPOST_MUTANT_NO_SYNC /* tests/crash/mutants.test proves that this lie is seen */
    (void)err;
#else
    if (durable_sync(sp->active_fd, err) < 0)
        return err_context(err, "segment %" PRIx64, sp->active.number);
#endif
    sp->active_synced = sp->active_end;
    gate_lock(&sp->gate);
    sp->syncs++;
    gate_unlock(&sp->gate);
    return 0;
}

void
active_abandon(struct spool *sp, const struct err *why)
{
    struct segment *s;

    if (sp->active_fd < 0)
        return;
    LOG(&sp->log, SPOOL_SEGMENT_ABANDONED, F_NUMBER("segment", sp->active.number),
        F_NUMBER("cut_at", sp->active_synced), F_ERR(why));
    close(sp->active_fd);
    sp->active_fd = -1;
    gate_lock(&sp->gate);
    s = segment_find(sp, sp->active.number);
    if (s != NULL)
        s->cut = sp->active_synced;
    gate_unlock(&sp->gate);
}

/* The end record: it need not be synced, a segment without it only takes longer to read. */
static int
write_end(struct spool *sp, struct err *err)
{
    struct segment_record end = {.kind = SEGMENT_END,
                                 .offset = sp->active_end,
                                 .synced_to = sp->active_synced,
                                 .at_us = clock_wall_us()};
    uint8_t block[SEGMENT_BLOCK] = {0};

    segment_record_write(&end, sp->active.nonce, block);
    if (durable_write_at(sp->active_fd, block, sizeof block, sp->active_end, err) < 0)
        return -1;
    if (ftruncate(sp->active_fd, (off_t)(sp->active_end + SEGMENT_BLOCK)) < 0)
        return err_sys(err, ERR_RETRY, "cut segment to its length");
    return 0;
}

void
active_finish(struct spool *sp)
{
    struct err err = {0};

    if (sp->active_fd < 0)
        return;
    if (active_sync(sp, &err) < 0 || write_end(sp, &err) < 0) {
        active_abandon(sp, &err);
        return;
    }
    close(sp->active_fd);
    sp->active_fd = -1;
}

/* From the draft's file. */
static int
copy_payload(struct spool *sp, const struct work *w, uint64_t to, struct err *err)
{
    uint8_t *chunk;
    uint64_t at = 0;
    int rc = 0;

    chunk = mem_new(COPY_BYTES);
    while (rc == 0 && at < w->record.payload_size) {
        uint64_t left = w->record.payload_size - at;
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;

        rc = durable_read_at(w->payload_fd, chunk, n, w->payload_at + at, err);
        if (rc == 0)
            rc = durable_write_at(sp->active_fd, chunk, n, to + at, err);
        at += n;
    }
    free(chunk);
    return rc;
}

/* A record as it will lie in the file. */
struct layout {
    uint8_t header[SEGMENT_RECORD_HEADER];
    uint8_t tail[SEGMENT_BLOCK + SEGMENT_RECORD_END];
    size_t tail_n; /* of these; the padding is in it */
    uint64_t tail_at;
};

static int
write_from_file(struct spool *sp, const struct work *w, const struct layout *l, struct err *err)
{
    uint64_t at = w->record.offset;

    if (durable_write_at(sp->active_fd, l->header, sizeof l->header, at, err) < 0 ||
        copy_payload(sp, w, at + SEGMENT_RECORD_HEADER, err) < 0)
        return -1;
    return durable_write_at(sp->active_fd, l->tail, l->tail_n, l->tail_at, err);
}

static int
write_at_once(struct spool *sp, const struct work *w, const struct layout *l, struct err *err)
{
    const struct durable_part whole[] = {{l->header, sizeof l->header},
                                         {w->payload, (size_t)w->record.payload_size},
                                         {l->tail, l->tail_n}};

    return durable_write_parts_at(sp->active_fd, whole, ARRAY_LEN(whole), w->record.offset, err);
}

/* The blocks behind the first, which the disk begins with while their sum is made; then the first.
 * One sync comes after all of them, as after one write. */
static int
write_ahead(struct spool *sp, struct work *w, struct layout *l, struct err *err)
{
    uint64_t at = w->record.offset + SEGMENT_BLOCK;
    size_t left = (size_t)w->record.payload_size - FIRST_BYTES;
    const struct durable_part rest[] = {{w->payload + FIRST_BYTES, left}, {l->tail, l->tail_n}};
    const struct durable_part first[] = {{l->header, sizeof l->header}, {w->payload, FIRST_BYTES}};

    if (durable_write_parts_at(sp->active_fd, rest, ARRAY_LEN(rest), at, err) < 0)
        return -1;
    durable_hint(sp->active_fd, at, left + l->tail_n);
    draft_sum(TAKE(w->unsummed), w->record.sha256);
    segment_record_write(&w->record, sp->active.nonce, l->header);
    return durable_write_parts_at(sp->active_fd, first, ARRAY_LEN(first), w->record.offset, err);
}

static int
write_record(struct spool *sp, struct work *w, uint64_t span, struct err *err)
{
    struct layout l = {0};
    int rc;

    w->record.offset = sp->active_end;
    w->record.synced_to = sp->active_synced;
    segment_end_write(&w->record, sp->active.nonce, l.tail);
    l.tail_at = w->record.offset + SEGMENT_RECORD_HEADER + w->record.payload_size;
    l.tail_n = (size_t)(w->record.offset + span - l.tail_at);
    if (w->unsummed != NULL && w->record.payload_size < AHEAD_BYTES)
        draft_sum(TAKE(w->unsummed), w->record.sha256);
    if (w->unsummed != NULL) {
        rc = write_ahead(sp, w, &l, err);
    } else {
        segment_record_write(&w->record, sp->active.nonce, l.header);
        rc = w->payload != NULL ? write_at_once(sp, w, &l, err) : write_from_file(sp, w, &l, err);
    }
    if (rc < 0)
        return err_context(err, "segment %" PRIx64, sp->active.number);
    sp->active_end += span;
    w->segment = sp->active.number;
    w->is_placed = true;
    return 0;
}

bool
active_has_room(const struct spool *sp, const struct work *w)
{
    uint64_t span = segment_span(w->record.kind, w->record.payload_size);

    return sp->active_fd < 0 ||
           sp->active_size - sp->active_end >= span + segment_span(SEGMENT_END, 0);
}

int
active_place(struct spool *sp, struct work *w, struct err *err)
{
    uint64_t span = segment_span(w->record.kind, w->record.payload_size);

    if (sp->active_fd < 0 && begin(sp, span, err) < 0)
        return -1;
    return write_record(sp, w, span, err);
}
