/* own.c - a segment of one large object: written by its caller, whole before it has its name. */
#include "gateway/spool/internal.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int
write_frame(int fd, struct segment_record *record, uint64_t number, struct err *err)
{
    struct segment_header header = {
        .is_own = true, .number = number, .made_at_us = clock_wall_us()};
    uint8_t block[SEGMENT_BLOCK], head[SEGMENT_RECORD_HEADER], end[SEGMENT_RECORD_END];

    random_bytes(header.nonce, sizeof header.nonce);
    record->offset = SEGMENT_BLOCK;
    /* It has its name only once it is synced, so all of it may be trusted by its header. */
    record->synced_to = SEGMENT_BLOCK + segment_span(record->kind, record->payload_size);
    segment_header_write(&header, block);
    segment_record_write(record, header.nonce, head);
    segment_end_write(record, header.nonce, end);
    if (durable_write_at(fd, block, sizeof block, 0, err) < 0 ||
        durable_write_at(fd, head, sizeof head, SEGMENT_BLOCK, err) < 0 ||
        durable_write_at(fd, end, sizeof end, DRAFT_PAYLOAD_AT + record->payload_size, err) < 0)
        return -1;
    if (ftruncate(fd, (off_t)record->synced_to) < 0)
        return err_sys(err, ERR_RETRY, "pad segment");
    return 0;
}

/* It may have got its name although we were told otherwise: never believe it (invariant 3). */
static void
disown(struct spool *sp, uint64_t number)
{
    struct work cut = {.kind = WORK_CUT, .cut_segment = number, .cut_offset = 0};
    struct err ignored;
    char path[PATH_MAX];

    segment_path(sp, number, path, sizeof path);
    unlink(path);
    if (committer_do(sp, &cut, &ignored) < 0)
        return; /* logged there; the outcome of the commit is unknown, as spool.md says */
}

int
own_publish(struct spool *sp, int *fd, const char *name, struct segment_record *record,
            uint64_t number, struct err *err)
{
    char to[64], path[PATH_MAX];

    snprintf(to, sizeof to, "segments/%016" PRIx64 ".seg", number);
    if (write_frame(*fd, record, number, err) < 0) {
        close(*fd);
        *fd = -1;
        snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, name);
        unlink(path); /* best effort: tmp/ is emptied at start */
        return err_context(err, "segment %" PRIx64, number);
    }
    if (durable_publish(fd, sp->dir, name, to, err) < 0) {
        disown(sp, number);
        return err_context(err, "segment %" PRIx64, number);
    }
    return 0;
}
