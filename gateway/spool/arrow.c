/* arrow.c - the arrows of instance_states.def: what each changes in an entry, then the disk, then
 * the ledger. One arrow of an entry at a time; those of different entries share a sync. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/base/zip.h"
#include "proto/model/rejects.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20)
#define DISCARD_TRIES 3

/* The entry, when no other arrow of it is on its way and no bytes of what is done are being
 * removed; locked. */
static struct entry *
await_entry(struct spool *sp, uint64_t id)
{
    struct entry *e = ledger_find(&sp->ledger, id);

    while (e != NULL && (e->is_busy || (sp->is_collecting && record_is_done(&e->r)))) {
        gate_wait(&sp->gate);
        e = ledger_find(&sp->ledger, id);
    }
    return e;
}

static void
take_time(struct spool *sp, struct record *r)
{
    if (r->state != INSTANCE_RECEIVED) /* that it came stays when it came */
        r->at_us[r->state] = clock_wall_us();
    if (record_is_done(r))
        r->done_age_ms = spool_age_ms(sp);
}

/* Coded bytes may have gone since the caller looked, and the received ones still be here. */
static enum instance_event
event_by_bytes(const struct record *r, enum instance_event event)
{
    if (r->coded.segment != 0)
        return event;
    if (event == INSTANCE_SAW_REQUEUE)
        return INSTANCE_SAW_REQUEUE_PLAIN;
    return event == INSTANCE_SAW_WANTED ? INSTANCE_SAW_WANTED_PLAIN : event;
}

/* Did a copy not go because this one is here, or will it? Then its study would be told safe to
 * delete, and nothing of the image be sealed. Locked. */
static bool
is_rested_on(struct spool *sp, const struct record *r)
{
    const struct entry *e = ledger_instance(&sp->ledger, r->sop_instance);

    for (; e != NULL; e = e->next_twin)
        if (e->twin_soon == r->id || (e->r.state == INSTANCE_DUPLICATE && e->r.twin_of == r->id))
            return true;
    return false;
}

/* Nothing comes to rest on what was thrown away, nor on what the centre has lost. Locked. */
static bool
is_gone(const struct spool *sp, uint64_t id)
{
    const struct entry *e = ledger_find(&sp->ledger, id);

    return e != NULL && (e->r.state == INSTANCE_DISCARDED || e->r.is_lost);
}

static bool
is_twin_event(enum instance_event event)
{
    return event == INSTANCE_SAW_TWIN || event == INSTANCE_SAW_AGAIN;
}

/* The entry, as await_entry(), when no arrow of the other is on its way either; locked. */
static struct entry *
await_both(struct spool *sp, uint64_t id, uint64_t other_id)
{
    for (;;) {
        struct entry *e = await_entry(sp, id);
        const struct entry *other = ledger_find(&sp->ledger, other_id);

        if (other == NULL || other == e || !other->is_busy)
            return e;
        gate_wait(&sp->gate);
    }
}

/* May the arrow begin? Locked. */
static int
vet_arrow(struct spool *sp, const struct entry *e, enum instance_event event,
          const struct news *news, enum instance_state *out_to, struct err *err)
{
    if (e == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no such entry");
    if ((event == INSTANCE_SAW_RELEASE || event == INSTANCE_SAW_REQUEUE_PLAIN ||
         event == INSTANCE_SAW_LOST) &&
        e->r.received.segment == 0)
        return err_set(err, ERR_NOT_FOUND, "its bytes are not here");
    if (event == INSTANCE_SAW_LOST_CODED && e->r.coded.segment == 0)
        return err_set(err, ERR_NOT_FOUND, "its coded bytes are not here");
    if (!instance_next(e->r.state, event, out_to))
        return err_set(err, ERR_CONFLICT, "not possible from state %s",
                       instance_state_word(e->r.state));
    if (event == INSTANCE_SAW_DISCARD && is_rested_on(sp, &e->r))
        return err_set(err, ERR_CONFLICT, "another copy of this image rests on it");
    if (is_twin_event(event) && is_gone(sp, news->twin_of))
        return err_set(err, ERR_CONFLICT, "what it repeats was thrown away or lost");
    if (event == INSTANCE_SAW_AGAIN && e->r.state == INSTANCE_SEALED && !e->r.is_lost)
        return err_set(err, ERR_CONFLICT, "the centre has it");
    return 0;
}

/* Prepare the arrow and mark the entry busy. */
static int
begin_arrow(struct spool *sp, uint64_t id, enum instance_event event, const struct news *news,
            struct record *out, struct err *err)
{
    enum instance_state to;
    struct entry *e;
    int rc;

    gate_lock(&sp->gate);
    e = await_both(sp, id, news->twin_of);
    if (e != NULL)
        event = event_by_bytes(&e->r, event);
    rc = vet_arrow(sp, e, event, news, &to, err);
    if (rc == 0) {
        *out = e->r;
        action_take(sp, event, news, out);
        out->state = to;
        out->is_lost = out->is_gone = false; /* that is said of what stays sealed */
        take_time(sp, out);
        e->is_busy = true;
        e->twin_soon = is_twin_event(event) ? news->twin_of : 0;
    }
    gate_unlock(&sp->gate);
    return rc;
}

static void
end_arrow(struct spool *sp, uint64_t id)
{
    struct entry *e;

    gate_lock(&sp->gate);
    e = ledger_find(&sp->ledger, id);
    e->is_busy = false;
    e->twin_soon = 0;
    gate_wake(&sp->gate);
    gate_unlock(&sp->gate);
}

int
arrow_make(struct spool *sp, uint64_t id, enum instance_event event, const struct news *news,
           struct err *err)
{
    struct work w = {.kind = WORK_STEP};
    int rc;

    rc = begin_arrow(sp, id, event, news, &w.step, err);
    if (rc == 0) {
        rc = committer_do(sp, &w, err);
        end_arrow(sp, id);
    }
    buf_fini(&w.body);
    return rc < 0 ? err_context(err, "entry %" PRIu64, id) : 0;
}

/* ---- coded files ---- */

/* Copy the coded file to DIR/tmp/NAME or into memory, and see that it is what it is said to be. */
static int
copy_coding(const struct spool_coding *c, int to_fd, uint8_t *to, uint32_t *out_crc,
            struct err *err)
{
    uint8_t *chunk = mem_new(COPY_BYTES), sha256[32];
    struct digest *digest = digest_new();
    uint64_t at = 0;
    int rc = -1;

    *out_crc = 0;
    while (at < c->size) {
        size_t n = c->size - at < COPY_BYTES ? (size_t)(c->size - at) : COPY_BYTES;

        if (durable_read_at(c->fd, chunk, n, at, err) < 0)
            goto out;
        digest_add(digest, chunk, n);
        *out_crc = zip_crc32(*out_crc, chunk, n);
        if (to != NULL)
            memcpy(to + at, chunk, n);
        else if (durable_write_at(to_fd, chunk, n, DRAFT_PAYLOAD_AT + at, err) < 0)
            goto out;
        at += n;
    }
    digest_take(digest, sha256);
    if (memcmp(sha256, c->sha256, 32) != 0) {
        err_set(err, ERR_REJECT, "the coded bytes disagree with their digest");
        goto out;
    }
    *out_crc = zip_crc32(*out_crc, c->recipe, c->recipe_n);
    *out_crc = zip_crc32(*out_crc, c->layout, c->layout_n);
    rc = 0;
out:
    digest_free(&digest);
    free(chunk);
    return rc;
}

static void
describe_coding(const struct spool_coding *c, uint64_t id, struct segment_record *out)
{
    *out = (struct segment_record){.kind = SEGMENT_CODED,
                                   .id = id,
                                   .at_us = clock_wall_us(),
                                   .object_size = c->size,
                                   .payload_size = c->size + c->recipe_n + c->layout_n,
                                   .recipe_n = (uint32_t)c->recipe_n,
                                   .layout_n = (uint32_t)c->layout_n};
    memcpy(out->sha256, c->sha256, 32);
}

static void
copy_rest(const struct spool_coding *c, uint8_t *to)
{
    if (c->recipe_n > 0)
        memcpy(to, c->recipe, c->recipe_n);
    if (c->layout_n > 0)
        memcpy(to + c->recipe_n, c->layout, c->layout_n);
}

static int
code_shared(struct spool *sp, const struct spool_coding *c, struct work *w, struct err *err)
{
    uint8_t *payload = mem_new(w->record.payload_size);
    int rc;

    rc = copy_coding(c, -1, payload, &w->record.payload_crc, err);
    copy_rest(c, payload + c->size);
    w->payload = payload;
    if (rc == 0)
        rc = committer_do(sp, w, err);
    free(payload);
    return rc;
}

/* The file tmp/NAME with the payload of a coded record. */
static int
write_own(struct spool *sp, const struct spool_coding *c, struct work *w, const char *name,
          int *out_fd, struct err *err)
{
    uint8_t *rest = mem_new(c->recipe_n + c->layout_n);
    char path[PATH_MAX];
    int fd = -1, rc = -1;

    copy_rest(c, rest);
    if (durable_create(sp->dir, name, &fd, err) < 0)
        goto out;
    if (copy_coding(c, fd, NULL, &w->record.payload_crc, err) < 0 ||
        durable_write_at(fd, rest, c->recipe_n + c->layout_n, DRAFT_PAYLOAD_AT + c->size, err) <
            0) {
        close(fd);
        snprintf(path, sizeof path, "%s/tmp/%s", sp->dir, name);
        unlink(path); /* best effort: tmp/ is emptied at start */
        goto out;
    }
    *out_fd = fd;
    rc = 0;
out:
    free(rest);
    return rc;
}

static int
code_own(struct spool *sp, const struct spool_coding *c, struct work *w, struct err *err)
{
    uint64_t number;
    char name[48];
    int fd = -1, rc;

    gate_lock(&sp->gate);
    number = sp->next_segment++;
    gate_unlock(&sp->gate);
    snprintf(name, sizeof name, "coded-%" PRIu64, number);
    if (write_own(sp, c, w, name, &fd, err) < 0 ||
        own_publish(sp, &fd, name, &w->record, number, err) < 0)
        return -1;
    w->step.coded.segment = number;
    w->step.coded.offset = w->record.offset;
    w->record.payload_size = 0; /* nothing left for the shared segment */
    rc = committer_do(sp, w, err);
    gate_lock(&sp->gate);
    segment_add(sp, number); /* only now: nothing pinned it before, garbage would have taken it */
    gate_unlock(&sp->gate);
    return rc;
}

int
spool_set_coded(struct spool *sp, uint64_t id, const struct spool_coding *coding, struct err *err)
{
    struct news news = {.coding = coding};
    struct work w = {.kind = WORK_STEP};
    int rc;

    if (coding->size == 0 || coding->size > LIMIT_OBJECT_BYTES ||
        coding->recipe_n > JOURNAL_BODY_BYTES || coding->layout_n > JOURNAL_BODY_BYTES)
        return err_set(err, ERR_REJECT, "entry %" PRIu64 ": coded file past its limits", id);
    rc = begin_arrow(sp, id, INSTANCE_SAW_CODING, &news, &w.step, err);
    if (rc == 0) {
        describe_coding(coding, id, &w.record);
        if (w.record.payload_size > LIMIT_SEGMENT_OBJECT_BYTES)
            rc = code_own(sp, coding, &w, err);
        else
            rc = code_shared(sp, coding, &w, err);
        end_arrow(sp, id);
    }
    buf_fini(&w.body);
    return rc < 0 ? err_context(err, "entry %" PRIu64, id) : 0;
}

/* ---- the others ---- */

int
spool_set_inspected(struct spool *sp, uint64_t id, const struct spool_inspection *facts,
                    struct err *err)
{
    struct news news = {.facts = facts};

    if (facts->study_uid[0] == '\0')
        return err_set(err, ERR_REJECT, "entry %" PRIu64 ": no study", id);
    return arrow_make(sp, id, INSTANCE_SAW_FACTS, &news, err);
}

int
spool_set_uncoded(struct spool *sp, uint64_t id, const char *why, struct err *err)
{
    struct news news = {.why = why};

    return arrow_make(sp, id, INSTANCE_SAW_NO_CODING, &news, err);
}

int
spool_set_looked(struct spool *sp, uint64_t id, uint64_t receipt_seq, struct err *err)
{
    struct news news = {.receipt_seq = receipt_seq};

    return arrow_make(sp, id, INSTANCE_SAW_LOOK, &news, err);
}

int
spool_set_held(struct spool *sp, uint64_t id, uint64_t receipt_seq, struct err *err)
{
    struct news news = {.receipt_seq = receipt_seq};

    return arrow_make(sp, id, INSTANCE_SAW_HELD, &news, err);
}

int
spool_set_sealed(struct spool *sp, uint64_t id, uint64_t receipt_seq, struct err *err)
{
    struct news news = {.receipt_seq = receipt_seq};

    return arrow_make(sp, id, INSTANCE_SAW_SEALED, &news, err);
}

int
spool_set_wanted(struct spool *sp, uint64_t id, struct err *err)
{
    struct news news = {0};
    bool is_coded;
    struct entry *e;

    gate_lock(&sp->gate);
    e = await_entry(sp, id);
    is_coded = e != NULL && e->r.coded.segment != 0;
    gate_unlock(&sp->gate);
    return arrow_make(sp, id, is_coded ? INSTANCE_SAW_WANTED : INSTANCE_SAW_WANTED_PLAIN, &news,
                      err);
}

int
spool_set_quarantined(struct spool *sp, uint64_t id, const char *why, struct err *err)
{
    struct news news = {.why = why};

    return arrow_make(sp, id, INSTANCE_SAW_TROUBLE, &news, err);
}

int
spool_set_duplicate(struct spool *sp, uint64_t id, uint64_t of, struct err *err)
{
    struct news news = {.twin_of = of};

    return arrow_make(sp, id, INSTANCE_SAW_TWIN, &news, err);
}

/* ---- by a person ---- */

int
spool_release(struct spool *sp, uint64_t id, struct err *err)
{
    struct news news = {0};

    return arrow_make(sp, id, INSTANCE_SAW_RELEASE, &news, err);
}

/* The entry, when no copy is about to rest on it; locked. */
static struct entry *
await_copies(struct spool *sp, uint64_t id)
{
    struct entry *e, *copy;

    do {
        e = await_entry(sp, id);
        copy = e != NULL ? ledger_instance(&sp->ledger, e->r.sop_instance) : NULL;
        while (copy != NULL && copy->twin_soon != id)
            copy = copy->next_twin;
        if (copy != NULL)
            gate_wait(&sp->gate);
    } while (copy != NULL);
    return e;
}

int
arrow_copies(struct spool *sp, uint64_t id, enum instance_event event, uint64_t **out_ids,
             size_t *out_n, struct err *err)
{
    const struct entry *e;
    enum instance_state to;
    int rc;

    *out_ids = NULL;
    *out_n = 0;
    gate_lock(&sp->gate);
    e = await_copies(sp, id);
    if (e == NULL)
        rc = err_set(err, ERR_NOT_FOUND, "there is no such entry");
    else if (!instance_next(e->r.state, event, &to))
        rc = err_set(err, ERR_CONFLICT, "not possible from state %s",
                     instance_state_word(e->r.state));
    else
        rc = 0;
    e = rc == 0 ? ledger_instance(&sp->ledger, e->r.sop_instance) : NULL;
    for (; e != NULL; e = e->next_twin)
        if (e->r.state == INSTANCE_DUPLICATE && e->r.twin_of == id) {
            *out_ids = mem_grow(*out_ids, (*out_n + 1) * sizeof **out_ids);
            (*out_ids)[(*out_n)++] = e->r.id;
        }
    gate_unlock(&sp->gate);
    return rc < 0 ? err_context(err, "entry %" PRIu64, id) : 0;
}

/* The copies first: a crash in between leaves the image kept aside, and no copy resting on nothing.
 */
static int
discard_once(struct spool *sp, uint64_t id, const struct news *news, struct err *err)
{
    uint64_t *copies = NULL;
    size_t n = 0;
    int rc = arrow_copies(sp, id, INSTANCE_SAW_DISCARD, &copies, &n, err);

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = arrow_make(sp, copies[i], INSTANCE_SAW_FIRST_DISCARD, news, err);
    free(copies);
    return rc < 0 ? -1 : arrow_make(sp, id, INSTANCE_SAW_DISCARD, news, err);
}

int
spool_discard(struct spool *sp, uint64_t id, const char *reason, const char *by, struct err *err)
{
    struct news news = {.why = reason, .by = by};
    int rc = -1;

    if (!reject_is_reason(reason))
        return err_set(err, ERR_REJECT, "entry %" PRIu64 ": '%.16s' is no reason", id, reason);
    for (int i = 0; i < DISCARD_TRIES && rc < 0; i++) { /* a copy may have come meanwhile */
        rc = discard_once(sp, id, &news, err);
        if (rc < 0 && err->kind != ERR_CONFLICT)
            return -1;
    }
    if (rc < 0)
        return -1;
    LOG(&sp->log, SPOOL_DISCARDED, F_NUMBER("entry_id", id), F_WORD("reason", reason),
        F_WORD("by", by));
    return 0;
}

int
arrow_mark(struct spool *sp, uint64_t id, mark_fn mark, bool is_on, struct err *err)
{
    struct work w = {.kind = WORK_STEP};
    bool is_new = false;
    struct entry *e;
    int rc;

    gate_lock(&sp->gate);
    e = await_copies(sp, id);
    if (e == NULL) {
        rc = err_set(err, ERR_NOT_FOUND, "there is no such entry");
    } else {
        w.step = e->r;
        rc = mark(&w.step, is_on, err);
        is_new = rc == 0 && (w.step.is_paused != e->r.is_paused || w.step.is_lost != e->r.is_lost ||
                             w.step.is_gone != e->r.is_gone);
        e->is_busy = is_new;
    }
    gate_unlock(&sp->gate);
    if (is_new) {
        rc = committer_do(sp, &w, err);
        end_arrow(sp, id);
    }
    buf_fini(&w.body);
    return rc < 0 ? err_context(err, "entry %" PRIu64, id) : 0;
}

static int
mark_paused(struct record *r, bool is_on, struct err *err)
{
    (void)err;
    r->is_paused = is_on;
    return 0;
}

int
spool_set_paused(struct spool *sp, uint64_t id, bool is_paused, struct err *err)
{
    return arrow_mark(sp, id, mark_paused, is_paused, err);
}

/* Which event sends an entry of this state again; 0: none is needed, it waits to be sent. */
static int
requeue_event(const struct record *r, enum instance_event *out, struct err *err)
{
    bool is_coded = r->coded.segment != 0;

    *out = (enum instance_event)0;
    switch (r->state) {
    case INSTANCE_LOOKED:
    case INSTANCE_HELD:
        *out = is_coded ? INSTANCE_SAW_WANTED : INSTANCE_SAW_WANTED_PLAIN;
        break;
    case INSTANCE_SEALED:
        *out = is_coded ? INSTANCE_SAW_REQUEUE : INSTANCE_SAW_REQUEUE_PLAIN;
        break;
    case INSTANCE_QUARANTINED:
        return err_set(err, ERR_CONFLICT, "it is quarantined: release it");
    case INSTANCE_DUPLICATE:
        return err_set(err, ERR_CONFLICT, "it repeats another entry, which goes");
    case INSTANCE_DISCARDED:
        return err_set(err, ERR_CONFLICT, "it was thrown away: release it");
    default:
        return 0;
    }
    if (!is_coded && r->received.segment == 0)
        return err_set(err, ERR_NOT_FOUND, "its bytes are no longer here");
    return 0;
}

int
spool_requeue(struct spool *sp, uint64_t id, struct err *err)
{
    enum instance_event event = (enum instance_event)0;
    struct news news = {0};
    struct entry *e;
    int rc;

    gate_lock(&sp->gate);
    e = await_entry(sp, id);
    if (e == NULL)
        rc = err_set(err, ERR_NOT_FOUND, "there is no such entry");
    else
        rc = requeue_event(&e->r, &event, err);
    gate_unlock(&sp->gate);
    if (rc < 0)
        return err_context(err, "entry %" PRIu64, id);
    return event == 0 ? 0 : arrow_make(sp, id, event, &news, err);
}
