/* draft.c - an instance on its way in: a MiB in memory, then a file that can become a segment. */
#include "gateway/spool/internal.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/zip.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7F)
            *text = '?';
}

static int
check_disk(struct spool *sp, struct err *err)
{
    if (spool_disk_now(sp) == SPOOL_DISK_REFUSE)
        return err_set(err, ERR_FULL, "the disk is below its refuse mark");
    return 0;
}

#define SPARES_MOST 16
/* A large object's bytes go to the disk while the rest comes: its answer would wait for all. So
 * often the mark is looked at too, so long before it: what is refused in the end must not use up
 * the room that other devices, the desk and the journal live on. */
#define HINT_BYTES ((uint64_t)8 << 20)

static struct spool_draft *
draft_new(struct spool *sp)
{
    struct spool_draft *d;

    gate_lock(&sp->gate);
    d = sp->spares;
    if (d != NULL) {
        sp->spares = d->next;
        sp->spares_n--;
    }
    gate_unlock(&sp->gate);
    if (d != NULL)
        return d;
    d = mem_new(sizeof *d);
    d->sp = sp;
    d->fd = -1;
    d->digest = digest_new();
    buf_init(&d->head, LIMIT_DRAFT_MEMORY_BYTES);
    return d;
}

/* As new, but for the memory it has. false: there are enough. */
static bool
keep_spare(struct spool_draft *d)
{
    struct spool *sp = d->sp;
    struct spool_draft fresh = {.sp = sp, .fd = -1, .digest = d->digest, .head = d->head};
    uint8_t sha256[DIGEST_BYTES];
    bool is_kept;

    digest_take(d->digest, sha256);
    buf_clear(&fresh.head);
    *d = fresh;
    gate_lock(&sp->gate);
    is_kept = sp->spares_n < SPARES_MOST;
    if (is_kept) {
        d->next = sp->spares;
        sp->spares = d;
        sp->spares_n++;
    }
    gate_unlock(&sp->gate);
    return is_kept;
}

static void
dispose(struct spool_draft *d)
{
    digest_free(&d->digest);
    buf_fini(&d->head);
    free(d);
}

void
draft_drop_spares(struct spool *sp)
{
    gate_lock(&sp->gate);
    struct spool_draft *d = TAKE(sp->spares), *next;
    sp->spares_n = 0;
    gate_unlock(&sp->gate);
    for (; d != NULL; d = next) {
        next = d->next;
        dispose(d);
    }
}

int
spool_draft_begin(struct spool *sp, const struct spool_meta *meta, struct spool_draft **out_draft,
                  struct err *err)
{
    struct spool_draft *d;

    if (!sp->has_committer)
        return err_set(err, ERR_DENIED, "the spool is open for reading only");
    if (check_disk(sp, err) < 0)
        return -1;
    d = draft_new(sp);
    d->meta = *meta;
    if (d->meta.received_at_us == 0)
        d->meta.received_at_us = clock_wall_us();
    make_printable(d->meta.sop_class);
    make_printable(d->meta.sop_instance);
    make_printable(d->meta.transfer_syntax);
    make_printable(d->meta.calling_ae);
    make_printable(d->meta.called_ae);
    make_printable(d->meta.peer);
    make_printable(d->meta.quarantine);
    *out_draft = d;
    return 0;
}

static void
draft_path(const struct spool_draft *d, char *out, size_t out_size)
{
    snprintf(out, out_size, "%s/tmp/%s", d->sp->dir, d->name);
}

/* Move the head into a file; what follows goes there. */
static int
spill(struct spool_draft *d, struct err *err)
{
    uint64_t number;

    gate_lock(&d->sp->gate);
    number = d->sp->next_draft++;
    gate_unlock(&d->sp->gate);
#ifdef RADPOST_MUTANT_UID_NAMES /* test_spool_names.c proves that this mistake is seen */
    (void)number;
    snprintf(d->name, sizeof d->name, "%s", d->meta.sop_instance);
#else
    snprintf(d->name, sizeof d->name, "draft-%" PRIu64, number);
#endif
    if (durable_create(d->sp->dir, d->name, &d->fd, err) < 0)
        return -1;
    if (durable_write_at(d->fd, d->head.bytes, d->head.n, DRAFT_PAYLOAD_AT, err) < 0)
        return -1;
    digest_add(d->digest, d->head.bytes, d->head.n);
    buf_fini(&d->head);
    return 0;
}

int
spool_draft_write(struct spool_draft *d, const void *bytes, size_t n, struct err *err)
{
    bool is_step = (d->size + n) / HINT_BYTES > d->size / HINT_BYTES;

    if (d->size + n > LIMIT_OBJECT_BYTES)
        return err_set(err, ERR_REJECT, "the object is past its limit");
    if (is_step && spool_disk_with(d->sp, HINT_BYTES) == SPOOL_DISK_REFUSE)
        return err_set(err, ERR_FULL, "draft: no room above the disk's refuse mark");
    if (d->fd < 0 && d->head.n + n > LIMIT_DRAFT_MEMORY_BYTES && spill(d, err) < 0)
        return err_context(err, "draft");
    if (d->fd < 0)
        buf_add(&d->head, bytes, n);
    else if (durable_write_at(d->fd, bytes, n, DRAFT_PAYLOAD_AT + d->size, err) < 0)
        return err_context(err, "draft");
    if (d->fd >= 0 && is_step)
        durable_hint(d->fd, DRAFT_PAYLOAD_AT + d->size / HINT_BYTES * HINT_BYTES, HINT_BYTES);
    if (d->fd >= 0)
        digest_add(d->digest, bytes, n);
    d->crc = zip_crc32(d->crc, bytes, n);
    d->size += n;
    return 0;
}

uint64_t
spool_draft_size(const struct spool_draft *draft)
{
    return draft->size;
}

void
spool_draft_free(struct spool_draft **draft)
{
    struct spool_draft *d = *draft;
    char path[PATH_MAX];

    if (d == NULL)
        return;
    if (d->fd >= 0)
        close(d->fd);
    if (d->name[0] != '\0') {
        draft_path(d, path, sizeof path);
        unlink(path); /* best effort: tmp/ is emptied at start */
    }
    if (d->head.bytes == NULL || !keep_spare(d)) /* NULL: it was moved into a file */
        dispose(d);
    *draft = NULL;
}

void
draft_sum(struct spool_draft *d, uint8_t out[DIGEST_BYTES])
{
    if (d->fd < 0)
        digest_add(d->digest, d->head.bytes, d->head.n);
    digest_take(d->digest, out);
}

/* All but its SHA-256. */
static void
describe(const struct spool_draft *d, struct segment_record *out)
{
    *out = (struct segment_record){.kind = SEGMENT_RECEIVED,
                                   .at_us = d->meta.received_at_us,
                                   .payload_size = d->size,
                                   .object_size = d->size,
                                   .payload_crc = d->crc,
                                   .meta = d->meta};
}

static int
commit_shared(struct spool *sp, struct spool_draft *d, uint64_t *out_id, struct err *err)
{
    struct work w = {.kind = WORK_RECEIVE};

    describe(d, &w.record);
    w.payload = d->fd < 0 ? d->head.bytes : NULL;
    w.payload_fd = d->fd;
    w.payload_at = DRAFT_PAYLOAD_AT;
    if (d->fd < 0)
        w.unsummed = d;
    else
        draft_sum(d, w.record.sha256);
    if (committer_receive(sp, &w, err) < 0)
        return -1;
    *out_id = w.record.id;
    return 0;
}

/* Past LIMIT_SEGMENT_OBJECT_BYTES: the draft's file becomes a segment. */
static int
commit_own(struct spool *sp, struct spool_draft *d, uint64_t *out_id, struct err *err)
{
    struct segment_record record;
    struct record r;
    uint64_t number;
    char name[48];

    describe(d, &record);
    draft_sum(d, record.sha256);
    gate_lock(&sp->gate);
    record.id = sp->ledger.next_id++;
    number = sp->next_segment++;
    gate_unlock(&sp->gate);
    snprintf(name, sizeof name, "%s", d->name);
    d->name[0] = '\0'; /* own_publish answers for the file now */
    if (own_publish(sp, &d->fd, name, &record, number, err) < 0)
        return -1;
    gate_lock(&sp->gate);
    segment_add(sp, number);
    ledger_record_receive(&sp->ledger, &record, number, &r);
    ledger_put(&sp->ledger, &r)->association = d->meta.association;
    sp->commits++;
    sp->syncs++;
    spool_changed(sp);
    gate_unlock(&sp->gate);
    *out_id = record.id;
    return 0;
}

/* Below the slow mark the answer waits a little: modalities send slower, the line catches up. */
static void
slow_down(struct spool *sp)
{
    int64_t now = clock_mono_ms(), until;

    gate_lock(&sp->gate);
    until = now;
    if (sp->disk == SPOOL_DISK_SLOW)
        until += sp->options.slow_ms > 0 ? sp->options.slow_ms : 250;
    for (; now < until && !sp->is_closing; now = clock_mono_ms())
        gate_wait_ms(&sp->gate, until - now);
    gate_unlock(&sp->gate);
}

int
spool_commit(struct spool *sp, struct spool_draft **draft, uint64_t *out_id, struct err *err)
{
    struct spool_draft *d = *draft;
    int rc;

    if (d->size == 0)
        return err_set(err, ERR_REJECT, "commit: the object is empty");
    if (check_disk(sp, err) < 0)
        return err_context(err, "commit");
    if (d->size > LIMIT_SEGMENT_OBJECT_BYTES)
        rc = commit_own(sp, d, out_id, err);
    else
        rc = commit_shared(sp, d, out_id, err);
    if (rc < 0)
        return err_context(err, "commit");
    spool_draft_free(draft);
    slow_down(sp);
    return 0;
}
