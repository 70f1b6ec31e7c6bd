/* garbage.c - forget what is sealed: whole segments, then old summaries (invariant 7). */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/durable.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS 86400000ll
#define DEFAULT_KEEP_SUMMARY_MS (90 * DAY_MS)
#define DEFAULT_KEEP_DISCARDED_MS (30 * DAY_MS)

/* A twin's bytes may be all that is left of an instance whose first copy has rotted, or which the
 * centre has lost: they stay until that one is sealed. Not here any more: it was. */
static bool
is_twin_unsealed(const struct spool *sp, const struct record *r)
{
    const struct entry *twin =
        r->state == INSTANCE_DUPLICATE ? ledger_find(&sp->ledger, r->twin_of) : NULL;

    return twin != NULL &&
           (twin->r.state != INSTANCE_SEALED || (twin->r.is_lost && !twin->r.is_gone));
}

bool
garbage_is_needed(const struct spool *sp, uint64_t id)
{
    return sp->needs != NULL && sp->needs(sp->needs_user, id);
}

void
spool_keep_for(struct spool *sp, spool_needs_fn fn, void *user)
{
    gate_lock(&sp->gate);
    sp->needs = fn;
    sp->needs_user = user;
    gate_unlock(&sp->gate);
}

/* Locked. What was discarded is nowhere else: no full disk shortens its grace; and it goes nowhere:
 * no target lengthens it. What the centre has lost stays known until it is found or came again, or
 * a person said that it never will. */
static bool
is_over(struct spool *sp, const struct record *r, int64_t keep_ms)
{
    if (r->state == INSTANCE_DISCARDED)
        keep_ms = sp->options.keep_discarded_ms != 0 ? sp->options.keep_discarded_ms
                                                     : DEFAULT_KEEP_DISCARDED_MS;
    if (!record_is_done(r) || (r->is_lost && !r->is_gone) || is_twin_unsealed(sp, r) ||
        (r->state != INSTANCE_DISCARDED && garbage_is_needed(sp, r->id)))
        return false;
    return keep_ms == 0 || (int64_t)(spool_age_ms(sp) - r->done_age_ms) >= keep_ms;
}

static void
pin(struct spool *sp, uint64_t number)
{
    struct segment *s = number != 0 ? segment_find(sp, number) : NULL;

    if (s != NULL)
        s->pins++;
}

/* Numbers of the segments that nothing needs; free. Locked. A full disk outweighs keep_sealed. */
static size_t
find_free(struct spool *sp, uint64_t **out_numbers)
{
    int64_t keep_ms = sp->disk >= SPOOL_DISK_SLOW ? 0 : sp->options.keep_sealed_ms;
    uint64_t *numbers = mem_new((sp->segments_n + 1) * sizeof *numbers);
    size_t n = 0;

    for (size_t i = 0; i < sp->segments_n; i++)
        sp->segments[i].pins = 0;
    for (size_t i = 0; i < sp->ledger.n; i++) {
        const struct entry *e = sp->ledger.entries[i];

        if (e->is_busy || !is_over(sp, &e->r, keep_ms)) {
            pin(sp, e->r.received.segment);
            pin(sp, e->r.coded.segment);
        }
    }
    for (size_t i = 0; i < sp->segments_n; i++)
        if (sp->segments[i].pins == 0 && !sp->segments[i].is_unreadable &&
            (sp->active_fd < 0 || sp->segments[i].number != sp->active.number))
            numbers[n++] = sp->segments[i].number;
    *out_numbers = numbers;
    return n;
}

static int
remove_file(struct spool *sp, uint64_t number, bool has_damage)
{
    char from[PATH_MAX], to[PATH_MAX], name[64];
    struct err err = {0};
    int rc;

    snprintf(name, sizeof name, "segments/%016" PRIx64 ".seg", number);
    if (has_damage) {
        segment_path(sp, number, from, sizeof from);
        snprintf(to, sizeof to, "%s/corrupt/%016" PRIx64 ".seg", sp->dir, number);
        rc = rename(from, to) < 0 ? err_sys(&err, ERR_RETRY, "move to corrupt/") : 0;
    } else {
        rc = durable_remove(sp->dir, name, &err);
    }
    if (rc < 0)
        LOG(&sp->log, SPOOL_NOT_REMOVED, F_NUMBER("segment", number), F_ERR(&err));
    return rc;
}

/* Locked. */
static void
forget_places(struct spool *sp, uint64_t number)
{
    for (size_t i = 0; i < sp->ledger.n; i++) {
        struct record *r = &sp->ledger.entries[i]->r;

        if (r->received.segment == number)
            r->received.segment = 0;
        if (r->coded.segment == number)
            r->coded.segment = 0;
    }
    segment_forget(sp, number);
}

/* A list that names it is still to be told, and told whole. */
static bool
is_list_open(const struct study *s)
{
    return s != NULL && s->revision > 0 &&
           (s->revision > s->acked_revision || s->unlisted + s->leaving + s->aside > 0);
}

static void
drop_summaries(struct spool *sp)
{
    int64_t keep_ms =
        sp->options.keep_summary_ms != 0 ? sp->options.keep_summary_ms : DEFAULT_KEEP_SUMMARY_MS;

    gate_lock(&sp->gate);
    for (size_t i = sp->ledger.n; i-- > 0;) {
        const struct entry *e = sp->ledger.entries[i];

        if (!e->is_busy && e->r.state != INSTANCE_DISCARDED && e->r.received.segment == 0 &&
            e->r.coded.segment == 0 && !is_list_open(e->study) && is_over(sp, &e->r, keep_ms))
            ledger_drop(&sp->ledger, e->r.id);
    }
    gate_unlock(&sp->gate);
}

size_t
garbage_collect(struct spool *sp)
{
    uint64_t *numbers = NULL;
    size_t n, removed = 0;

    if (sp->options.keep_sealed_ms < 0)
        return 0;
    spool_disk_now(sp);
    gate_lock(&sp->gate);
    sp->is_collecting = true;
    n = find_free(sp, &numbers);
    gate_unlock(&sp->gate);
    for (size_t i = 0; i < n; i++) {
        struct segment *s;
        bool has_damage;

        gate_lock(&sp->gate);
        s = segment_find(sp, numbers[i]);
        has_damage = s != NULL && s->has_damage;
        gate_unlock(&sp->gate);
        if (remove_file(sp, numbers[i], has_damage) < 0)
            continue;
        gate_lock(&sp->gate);
        forget_places(sp, numbers[i]);
        gate_unlock(&sp->gate);
        removed++;
        LOG(&sp->log, SPOOL_SEGMENT_REMOVED, F_NUMBER("segment", numbers[i]));
    }
    free(numbers);
    drop_summaries(sp);
    gate_lock(&sp->gate);
    sp->is_collecting = false;
    gate_wake(&sp->gate);
    gate_unlock(&sp->gate);
    return removed;
}
