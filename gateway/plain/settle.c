/* settle.c - what the peer says about an instance becomes a lasting state. Where the target is the
 * archive, the spool's entry moves first, then the mark, then memory: after a kill in between the
 * entry's own state tells. Beside the centre the mark is all there is. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATER_TRIES = 12, LATER_FIRST_MS = 2000, LATER_MOST_MS = 600000, SPOOL_WAIT_MS = 5000 };
enum { ASK_MOST_MS = 60000, DOUBTFUL_ASKS = 3, DUPLICATE_INSTANCE = DIMSE_DUPLICATE_INSTANCE };

static struct log_ctx
log_of(const struct way *way, const struct item *item)
{
    struct log_ctx log = way->log;

    log.entry = item->id;
    return log;
}

static bool
is_archived_here(struct way *way, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    bool is;

    if (!way->conf->is_archive || spool_load(way->plain->o.spool, id, &entry, &err) < 0)
        return false;
    is = way_is_archive(way, entry->meta.calling_ae, entry->facts.modality);
    spool_entry_free(&entry);
    return is;
}

/* An arrow that another one was quicker than is fine. */
static bool
is_settled(struct way *way, const struct item *item, int rc, const struct err *err)
{
    struct log_ctx log = log_of(way, item);

    if (rc == 0 || err->kind == ERR_CONFLICT || err->kind == ERR_NOT_FOUND)
        return true;
    LOG(&log, PLAIN_SPOOL_TROUBLE, F_ERR(err));
    return false;
}

static void
put(struct way *way, const struct item *item, enum item_state state, int64_t wait_ms)
{
    gate_lock(&way->gate);
    queue_set(way->queue, item->id, state, clock_wall_us());
    queue_put_off(way->queue, item->id, clock_mono_ms() + wait_ms);
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

bool
settle_tried(struct way *way, const struct item *item)
{
    bool is_marked;

    gate_lock(&way->gate);
    is_marked = way_mark(way, item, MARK_TRIED);
    if (!is_marked)
        queue_set(way->queue, item->id, ITEM_WAITING, clock_wall_us());
    gate_unlock(&way->gate);
    return is_marked;
}

void
settle_back(struct way *way, const struct item *item)
{
    put(way, item, ITEM_WAITING, 0);
}

void
settle_accepted(struct way *way, const struct item *item, uint16_t warning)
{
    struct log_ctx log = log_of(way, item);
    struct err err = {0};
    bool is_enough = way->conf->is_unverified;

    if (warning != 0)
        LOG(&log, PLAIN_WARNED, F_NUMBER("status", warning));
    else
        LOG(&log, PLAIN_ACCEPTED);
    if (is_archived_here(way, item->id) &&
        !is_settled(way, item, spool_set_held(way->plain->o.spool, item->id, 0, &err), &err)) {
        put(way, item, ITEM_DOUBTFUL, SPOOL_WAIT_MS); /* a query will tell */
        return;
    }
    gate_lock(&way->gate);
    way_mark(way, item, is_enough ? MARK_FOUND : MARK_ACCEPTED);
    queue_set(way->queue, item->id, is_enough ? ITEM_FOUND : ITEM_ACCEPTED, clock_wall_us());
    queue_put_off(way->queue, item->id, clock_mono_ms() + way->plain->o.verify_ms);
    way->last_success_us = clock_wall_us();
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

static int64_t
later_ms(uint32_t tries)
{
    int64_t wait_ms = (int64_t)LATER_FIRST_MS << (tries < 9 ? tries : 9);

    return wait_ms < LATER_MOST_MS ? wait_ms : LATER_MOST_MS;
}

/* The same instance breaking the line again and again waits longer each time: the others go on. */
void
settle_doubtful(struct way *way, const struct item *item)
{
    bool is_unverified = way->conf->is_unverified;
    struct log_ctx log = log_of(way, item);
    struct item *open;

    LOG(&log, PLAIN_DOUBTFUL, F_NUMBER("tries", item->tries + 1));
    gate_lock(&way->gate);
    queue_set(way->queue, item->id, is_unverified ? ITEM_WAITING : ITEM_DOUBTFUL, clock_wall_us());
    open = queue_open(way->queue, item->id);
    if (open != NULL) {
        open->tries++;
        open->may_be_there = true;
        open->not_before_ms =
            clock_mono_ms() + (is_unverified ? later_ms(open->tries) : way->plain->o.verify_ms);
    }
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

void
settle_refused(struct way *way, const struct item *item, uint16_t status, const char *why)
{
    struct log_ctx log = log_of(way, item);
    struct item refused = *item;
    struct item *open;
    struct err err = {0};
    char words[160];

    refused.status = status;
    text_copy(refused.why, sizeof refused.why, why);
    if (status == 0) /* our own words; a peer's may hold anything */
        snprintf(words, sizeof words, "refused: %s: %.100s", way->conf->name, refused.why);
    else
        snprintf(words, sizeof words, "refused: %s answered %04XH", way->conf->name, status);
    LOG(&log, PLAIN_REFUSED, F_WORD("why", words));
    if (is_archived_here(way, item->id) &&
        !is_settled(way, item, spool_set_quarantined(way->plain->o.spool, item->id, words, &err),
                    &err)) {
        put(way, item, ITEM_WAITING, SPOOL_WAIT_MS);
        return;
    }
    gate_lock(&way->gate);
    way_mark(way, &refused, MARK_REFUSED);
    queue_set(way->queue, item->id, ITEM_REFUSED, clock_wall_us());
    open = queue_open(way->queue, item->id);
    if (open != NULL) {
        open->status = status;
        text_copy(open->why, sizeof open->why, why);
    }
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

void
settle_later(struct way *way, const struct item *item, uint16_t status, const char *why)
{
    struct log_ctx log = log_of(way, item);
    struct item *open;

    if (item->tries + 1 >= LATER_TRIES) {
        settle_refused(way, item, status, why);
        return;
    }
    LOG(&log, PLAIN_LATER, F_NUMBER("status", status), F_NUMBER("tries", item->tries + 1));
    gate_lock(&way->gate);
    way_mark(way, item, item->may_be_there ? MARK_TRIED : MARK_AGAIN);
    queue_set(way->queue, item->id, ITEM_WAITING, clock_wall_us());
    open = queue_open(way->queue, item->id);
    if (open != NULL) {
        open->not_before_ms = clock_mono_ms() + later_ms(open->tries);
        open->tries++;
    }
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

void
settle_against(struct way *way, const struct item *item, const char *why)
{
    if (item->tries + 1 >= LATER_TRIES)
        settle_refused(way, item, 0, why);
    else
        settle_doubtful(way, item);
}

/* ---- a status ---- */

enum verdict { TAKEN, TAKEN_WARNED, ROOM_IS_SHORT, NOT_NOW, NEVER, IS_THERE };

static enum verdict
verdict_of(uint16_t status)
{
    switch (status) {
    case DIMSE_SUCCESS:
        return TAKEN;
    case DIMSE_ATTRIBUTES_IGNORED:
    case DIMSE_VALUE_OUT_OF_RANGE:
        return TAKEN_WARNED;
    case DIMSE_RESOURCE_LIMITATION:
        return ROOM_IS_SHORT;
    case DUPLICATE_INSTANCE:
        return IS_THERE;
    case DIMSE_PROCESSING_FAILURE:
    case DIMSE_NOT_AUTHORIZED:
    case DIMSE_DUPLICATE_INVOCATION:
        return NOT_NOW;
    default:
        break;
    }
    switch (status >> 8) {
    case 0xA7:
        return ROOM_IS_SHORT;
    case 0xA9:
        return NEVER;
    default:
        break;
    }
    if (status >> 12 == 0xB)
        return TAKEN_WARNED;
    return status >> 12 == 0xC ? NOT_NOW : NEVER; /* C0xx says "cannot understand", and all else */
}

/* The peer has this UID. Where nothing of ours can have been kept it is another's object: a query,
 * which knows the UID alone, would call ours safe to delete. Beside the centre that does no harm.
 */
static void
settle_there(struct way *way, const struct item *item, uint16_t status)
{
    if (way->conf->is_unverified)
        settle_accepted(way, item, status);
    else if (!item->may_be_there && is_archived_here(way, item->id))
        settle_refused(way, item, 0, "another object has this UID there");
    else
        settle_doubtful(way, item);
}

bool
settle_status(struct way *way, const struct item *item, uint16_t status, const char *comment,
              struct err *err)
{
    char why[MARK_WHY_BYTES];

    snprintf(why, sizeof why, "%04XH%s%.100s", status, comment[0] != '\0' ? " " : "", comment);
    if (verdict_of(status) != ROOM_IS_SHORT)
        way_line_up(way, false);
    switch (verdict_of(status)) {
    case TAKEN:
        settle_accepted(way, item, 0);
        break;
    case TAKEN_WARNED:
        settle_accepted(way, item, status);
        break;
    case IS_THERE:
        settle_there(way, item, status);
        break;
    case NOT_NOW:
        settle_later(way, item, status, why);
        break;
    case NEVER:
        settle_refused(way, item, status, why);
        break;
    case ROOM_IS_SHORT:
        settle_back(way, item);
        err_set(err, ERR_FULL, "the target has no room: %04XH", status);
        return false;
    }
    return true;
}

/* ---- questions ---- */

/* A copy of one that was found: where it is the archive the entry is sealed now. */
static bool
seal(struct way *way, const struct item *item)
{
    struct err err = {0};

    return !is_archived_here(way, item->id) ||
           is_settled(way, item, spool_set_sealed(way->plain->o.spool, item->id, 0, &err), &err);
}

static void
settle_found(struct way *way, const struct item *items, const bool *is_found, size_t n)
{
    bool *is_sealed = mem_new((n + 1) * sizeof *is_sealed);
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        is_sealed[i] = is_found[i] && seal(way, &items[i]);
    gate_lock(&way->gate);
    for (size_t i = 0; i < n; i++)
        if (is_sealed[i] && way_mark(way, &items[i], MARK_FOUND))
            found++;
        else
            is_sealed[i] = false;
    gate_unlock(&way->gate);
    if (found > 0 && way_sync(way)) { /* only now may the spool forget its bytes */
        gate_lock(&way->gate);
        for (size_t i = 0; i < n; i++)
            if (is_sealed[i])
                queue_set(way->queue, items[i].id, ITEM_FOUND, clock_wall_us());
        way->last_success_us = clock_wall_us();
        gate_wake(&way->gate);
        gate_unlock(&way->gate);
        LOG(&way->log, PLAIN_FOUND, F_NUMBER("instances", found));
    }
    free(is_sealed);
}

/* Not there any more, or never was: it goes again. That it went before outlasts a restart. */
static void
send_again(struct way *way, const struct item *item)
{
    struct log_ctx log = log_of(way, item);
    struct err err = {0};
    struct item *open;

    if (item->state == ITEM_ACCEPTED)
        LOG(&log, PLAIN_MISSING);
    else
        LOG(&log, PLAIN_AGAIN);
    if (is_archived_here(way, item->id) && item->state == ITEM_ACCEPTED &&
        !is_settled(way, item, spool_set_wanted(way->plain->o.spool, item->id, &err), &err))
        return;
    gate_lock(&way->gate);
    way_mark(way, item, MARK_TRIED);
    queue_set(way->queue, item->id, ITEM_WAITING, clock_wall_us());
    open = queue_open(way->queue, item->id);
    if (open != NULL)
        open->may_be_there = true;
    queue_put_off(way->queue, item->id,
                  clock_mono_ms() + (item->tries > 1 ? later_ms(item->tries) : 0));
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

static void
settle_missing(struct way *way, const struct item *item)
{
    const struct plain_options *o = &way->plain->o;
    int64_t wait_ms = o->verify_ms << (item->asks < 10 ? item->asks : 10);
    struct item *open;

    if (item->state == ITEM_DOUBTFUL ? item->asks + 1 >= DOUBTFUL_ASKS
                                     : item->waited_ms >= o->lost_ms) {
        send_again(way, item);
        return;
    }
    wait_ms = wait_ms < ASK_MOST_MS ? wait_ms : ASK_MOST_MS;
    gate_lock(&way->gate);
    open = queue_open(way->queue, item->id);
    if (open != NULL) {
        open->asks++;
        open->waited_ms += wait_ms;
        open->not_before_ms = clock_mono_ms() + wait_ms;
    }
    gate_unlock(&way->gate);
}

void
settle_asked(struct way *way, const struct item *items, const bool *is_found, size_t n)
{
    settle_found(way, items, is_found, n);
    for (size_t i = 0; i < n; i++)
        if (!is_found[i])
            settle_missing(way, &items[i]);
}

void
settle_unasked(struct way *way)
{
    struct item *items = mem_new(256 * sizeof *items);
    size_t n;

    gate_lock(&way->gate);
    n = queue_due_asks(way->queue, INT64_MAX, items, 256);
    gate_unlock(&way->gate);
    for (size_t i = 0; i < n; i++)
        if (items[i].state == ITEM_DOUBTFUL)
            send_again(way, &items[i]);
    free(items);
}
