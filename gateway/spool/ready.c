/* ready.c - the next segment, written through with zeros while nothing comes.
 * A sync into blocks that were only reserved makes the file system note each as written: twice the
 * time of one into blocks that hold something (docs/decisions/ingest.md). Best effort: when it is
 * not ready, a segment begins as reserved room. Who has the lead alone. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME "ready"
#define STEP_BYTES (1u << 20) /* between two looks at the queue */
#define QUIET_MS 1000         /* after the last reception */
#define AGAIN_MS 600000       /* after a failure */

int64_t
ready_wait_ms(const struct spool *sp)
{
    int64_t now = clock_mono_ms(), at = sp->received_ms + QUIET_MS;

    if (sp->ready.is_whole || sp->disk != SPOOL_DISK_FINE || sp->is_closing)
        return INT64_MAX;
    if (at < sp->ready.not_before_ms)
        at = sp->ready.not_before_ms;
    return at > now ? at - now : 0;
}

void
ready_drop(struct spool *sp)
{
    char path[PATH_MAX];

    if (sp->ready.fd < 0)
        return;
    close(sp->ready.fd);
    snprintf(path, sizeof path, "%s/tmp/" NAME, sp->dir);
    unlink(path); /* best effort: tmp/ is emptied at start */
    sp->ready = (struct ready){.fd = -1};
}

static int
step(struct spool *sp, uint64_t size, struct err *err)
{
    uint64_t left = size - sp->ready.written;
    size_t n = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
    uint8_t *zeros = mem_new(n);
    char path[PATH_MAX];
    int rc = -1;

    /* one that was taken and could not be published is in the way */
    snprintf(path, sizeof path, "%s/tmp/" NAME, sp->dir);
    if (sp->ready.fd < 0)
        unlink(path);
    if (sp->ready.fd < 0 && durable_create(sp->dir, NAME, &sp->ready.fd, err) < 0)
        goto out;
    if (durable_write_at(sp->ready.fd, zeros, n, sp->ready.written, err) < 0 ||
        durable_sync(sp->ready.fd, err) < 0)
        goto out;
    sp->ready.written += n;
    sp->ready.is_whole = sp->ready.written == size;
    rc = 0;
out:
    free(zeros);
    return rc;
}

void
ready_step(struct spool *sp)
{
    struct err err = {0};

    if (step(sp, active_usual_size(sp), &err) == 0)
        return;
    LOG(&sp->log, SPOOL_NOT_READY, F_ERR(&err));
    ready_drop(sp);
    sp->ready.not_before_ms = clock_mono_ms() + AGAIN_MS;
}

bool
ready_take(struct spool *sp, uint64_t size, const char **out_name, int *out_fd)
{
    if (!sp->ready.is_whole || sp->ready.written != size)
        return false;
    *out_name = NAME;
    *out_fd = sp->ready.fd;
    gate_lock(&sp->gate);
    sp->ready = (struct ready){.fd = -1};
    bell_ring(&sp->due); /* the committer may be asleep: the next one is wanted */
    gate_unlock(&sp->gate);
    return true;
}
