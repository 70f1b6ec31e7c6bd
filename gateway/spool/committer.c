/* committer.c - one thread at a time makes everybody's work durable: what queued up while the disk
 * was busy shares the next sync.
 *
 *     take the queue > place records > sync segment > answer receptions
 *                    > append bodies > sync journal > answer arrows */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"

#include <string.h>

#define BATCH_WORKS 64
#define BATCH_BYTES (48u << 20)
/* While instances come, an arrow lets them go first for so long: a device waits for its answer, and
 * arrows cost a second sync, which they share the better. */
#define STEP_WAIT_MS 20
#define GARBAGE_EVERY_MS 60000
#define AGE_EVERY_MS 600000
#ifdef RADPOST_MUTANT_EARLY_ANSWER
#define MAY_LEAD false /* who leads cannot be answered before its sync */
#else
#define MAY_LEAD true
#endif

int
committer_do(struct spool *sp, struct work *w, struct err *err)
{
    gate_lock(&sp->gate);
    if (!sp->has_committer) {
        gate_unlock(&sp->gate);
        return err_set(err, ERR_DENIED, "the spool is open for reading only");
    }
    w->next = NULL;
    bell_init(&w->done);
    w->queued_ms = clock_mono_ms();
    *sp->queue_end = w;
    sp->queue_end = &w->next;
    bell_ring(&sp->due);
    while (!w->is_done)
        bell_wait(&w->done, &sp->gate);
    gate_unlock(&sp->gate);
    bell_fini(&w->done);
    if (w->rc < 0)
        *err = w->err;
    return w->rc;
}

/* The committer takes the lead before everybody else. Locked. */
static void
take_lead(struct spool *sp)
{
    sp->is_lead_wanted = true;
    while (sp->is_led)
        bell_wait(&sp->due, &sp->gate);
    sp->is_lead_wanted = false;
    sp->is_led = true;
}

/* Locked. */
static void
give_lead(struct spool *sp)
{
    sp->is_led = false;
    if (sp->queue != NULL || sp->is_lead_wanted)
        bell_ring(&sp->due);
}

/* How long the committer may wait for a reception yet: 0 when one is here, when none has come for a
 * while, or when an arrow has waited long enough. Locked. */
static int64_t
patience_ms(const struct spool *sp)
{
    int64_t now = clock_mono_ms(), left = STEP_WAIT_MS;

    if (sp->is_closing || now - sp->received_ms >= RECEPTION_GAP_MS)
        return 0;
    for (const struct work *w = sp->queue; w != NULL; w = w->next) {
        int64_t mine = STEP_WAIT_MS - (now - w->queued_ms);

        if (w->kind == WORK_RECEIVE)
            return 0;
        left = mine < left ? mine : left;
    }
    return left > 0 ? left : 0;
}

/* The first works of the queue, as one list; locked. */
static struct work *
take_batch(struct spool *sp)
{
    struct work *first = sp->queue, **at = &first;
    uint64_t bytes = 0;
    size_t n = 0;

    while (*at != NULL && n < BATCH_WORKS && bytes < BATCH_BYTES) {
        bytes += (*at)->record.payload_size;
        n++;
        at = &(*at)->next;
    }
    sp->queue = *at;
    if (sp->queue == NULL)
        sp->queue_end = &sp->queue;
    *at = NULL;
    return first;
}

static void
fail(struct work *w, const struct err *err)
{
    w->rc = -1;
    w->err = *err;
}

/* The active segment is lost: so is every record of the batch in it that no sync has covered. */
static void
lose_active(struct spool *sp, struct work *batch, const struct err *err)
{
    for (struct work *w = batch; w != NULL; w = w->next)
        if (w->is_placed && w->rc == 0 && w->segment == sp->active.number &&
            w->record.offset >= sp->active_synced)
            fail(w, err);
    active_abandon(sp, err);
}

/* Journal the cut of a segment that was given up, before anybody is told (invariant 3). */
static void
cut_abandoned(struct spool *sp, uint64_t number)
{
    struct work cut = {.kind = WORK_CUT};
    struct segment *s;

    gate_lock(&sp->gate);
    s = segment_find(sp, number);
    cut.cut_offset = s != NULL ? s->cut : 0;
    gate_unlock(&sp->gate);
    buf_init(&cut.body, JOURNAL_BODY_BYTES);
    journal_body_cut(&cut.body, number, cut.cut_offset);
    keeper_write(sp, &cut);
    buf_fini(&cut.body);
}

static void
sync_records(struct spool *sp, struct work *batch)
{
    struct err err = {0};
    uint64_t number = sp->active.number;

    if (active_sync(sp, &err) == 0)
        return;
    lose_active(sp, batch, &err);
    cut_abandoned(sp, number);
}

static void
place_record(struct spool *sp, struct work *batch, struct work *w)
{
    struct err err = {0};

    if (w->kind == WORK_RECEIVE) {
        gate_lock(&sp->gate);
        w->record.id = sp->ledger.next_id++;
        gate_unlock(&sp->gate);
    }
    if (!active_has_room(sp, w)) {
        sync_records(sp, batch);
        active_finish(sp);
    }
    if (active_place(sp, w, &err) == 0)
        return;
    fail(w, &err);
    if (sp->active_fd >= 0) { /* it was begun: what it holds unsynced goes with it */
        uint64_t number = sp->active.number;

        lose_active(sp, batch, &err);
        cut_abandoned(sp, number);
    }
}

static void
place_records(struct spool *sp, struct work *batch)
{
    for (struct work *w = batch; w != NULL; w = w->next)
        if (w->record.payload_size != 0)
            place_record(sp, batch, w);
}

/* What the journal is to hold. An arrow that carries a coded record names its place. */
static void
make_bodies(struct work *batch)
{
    for (struct work *w = batch; w != NULL; w = w->next) {
        if (w->rc < 0 || (w->kind != WORK_STEP && w->kind != WORK_CUT))
            continue;
        buf_init(&w->body, JOURNAL_BODY_BYTES);
        if (w->kind == WORK_CUT)
            journal_body_cut(&w->body, w->cut_segment, w->cut_offset);
        if (w->kind == WORK_STEP && w->is_placed) {
            w->step.coded.segment = w->segment;
            w->step.coded.offset = w->record.offset;
        }
        if (w->kind == WORK_STEP)
            journal_body_entry(&w->body, &w->step);
    }
}

static void
apply_receive(struct spool *sp, struct work *w)
{
    struct record r;
    struct entry *e;
    int64_t now;

    ledger_record_receive(&sp->ledger, &w->record, w->segment, &r);
    e = ledger_put(&sp->ledger, &r);
    e->association = w->record.meta.association;
    sp->commits++;
    now = clock_mono_ms();
    if (now - sp->received_ms >= RECEPTION_GAP_MS)
        sp->burst_ms = now;
    sp->received_ms = now;
}

/* Now it is true: show it. Locked. */
static void
apply(struct spool *sp, struct work *w)
{
    struct entry *e;
    struct segment *s;

    switch (w->kind) {
    case WORK_RECEIVE:
        apply_receive(sp, w);
        break;
    case WORK_STEP:
        e = ledger_put(&sp->ledger, &w->step);
        if (w->step.state == INSTANCE_INSPECTED)
            study_note_arrival(sp, e);
        break;
    case WORK_BODY:
        CHECK(journal_apply(&sp->ledger, w->body.bytes, w->body.n, NULL));
        break;
    case WORK_CUT:
        s = segment_find(sp, w->cut_segment);
        s = s != NULL ? s : segment_add(sp, w->cut_segment);
        s->cut = w->cut_offset;
        break;
    case WORK_GARBAGE:
        break;
    }
}

/* The callers are told; a work that is told is its caller's again and not touched any more. */
static void
answer(struct spool *sp, struct work *works)
{
    if (works == NULL)
        return;
    gate_lock(&sp->gate);
    for (struct work *w = works, *next; w != NULL; w = next) {
        next = w->next;
        if (w->rc == 0)
            apply(sp, w);
        w->is_done = true;
        bell_ring(&w->done);
    }
    spool_changed(sp);
    gate_unlock(&sp->gate);
}

/* Receptions that went well need not wait for the journal. */
static void
split(struct work *batch, struct work **out_received, struct work **out_rest)
{
    struct work **received = out_received, **rest = out_rest;

    for (struct work *w = batch; w != NULL; w = w->next) {
        struct work ***end = w->kind == WORK_RECEIVE && w->rc == 0 ? &received : &rest;

        **end = w;
        *end = &w->next;
    }
    *received = NULL;
    *rest = NULL;
}

#ifdef RADPOST_MUTANT_EARLY_ANSWER
/* The liar's pause between its answer and its sync. */
static void
dawdle(struct spool *sp)
{
    int64_t until = clock_mono_ms() + 20;

    gate_lock(&sp->gate);
    while (clock_mono_ms() < until)
        gate_wait_ms(&sp->gate, until - clock_mono_ms());
    gate_unlock(&sp->gate);
}
#endif

static void
run_batch(struct spool *sp, struct work *batch)
{
    struct work *received, *rest;

    place_records(sp, batch);
#ifdef RADPOST_MUTANT_EARLY_ANSWER /* tests/crash/mutants.test proves that this lie is seen */
    split(batch, &received, &rest);
    answer(sp, received);
    dawdle(sp);
    sync_records(sp, rest);
#else
    sync_records(sp, batch);
    split(batch, &received, &rest);
    answer(sp, received);
#endif
    make_bodies(rest);
    keeper_write(sp, rest);
    for (struct work *w = rest; w != NULL; w = w->next)
        if (w->kind == WORK_GARBAGE)
            w->removed = garbage_collect(sp);
    answer(sp, rest);
    if (rest != NULL)
        keeper_tidy(sp);
}

/* A reception that meets nobody at work has the lead itself. */
static bool
lead(struct spool *sp)
{
    bool may_lead;

    gate_lock(&sp->gate);
    may_lead =
        MAY_LEAD && sp->has_committer && !sp->is_led && !sp->is_lead_wanted && sp->queue == NULL;
    if (may_lead)
        sp->is_led = true;
    gate_unlock(&sp->gate);
    return may_lead;
}

int
committer_receive(struct spool *sp, struct work *w, struct err *err)
{
    if (!lead(sp)) {
        if (w->unsummed != NULL)
            draft_sum(TAKE(w->unsummed), w->record.sha256);
        return committer_do(sp, w, err);
    }
    bell_init(&w->done);
    run_batch(sp, w);
    bell_fini(&w->done);
    gate_lock(&sp->gate);
    give_lead(sp);
    gate_unlock(&sp->gate);
    if (w->rc < 0)
        *err = w->err;
    return w->rc;
}

/* Nothing is due: wait for a work, or get the next segment ready meanwhile. Locked. */
static void
rest(struct spool *sp, int64_t most_ms)
{
    int64_t wait = ready_wait_ms(sp);

    if (wait > 0) {
        bell_wait_ms(&sp->due, &sp->gate, wait < most_ms ? wait : most_ms);
        return;
    }
    take_lead(sp);
    if (sp->queue == NULL &&
        ready_wait_ms(sp) == 0) { /* still: the lead may have been waited for */
        gate_unlock(&sp->gate);
        ready_step(sp);
        gate_lock(&sp->gate);
    }
    give_lead(sp);
}

static void *
committer_run(void *arg)
{
    struct spool *sp = arg;
    int64_t next_garbage = clock_mono_ms() + GARBAGE_EVERY_MS;
    int64_t next_age = clock_mono_ms() + AGE_EVERY_MS;

    gate_lock(&sp->gate);
    for (;;) {
        struct work *batch;
        int64_t now = clock_mono_ms(), patience;

        if (sp->queue == NULL && sp->is_closing) {
            take_lead(sp);
            if (sp->queue == NULL)
                break;
            give_lead(sp);
            continue;
        }
        if (sp->queue == NULL && now < next_garbage) {
            rest(sp, next_garbage - now);
            continue;
        }
        patience = sp->queue != NULL ? patience_ms(sp) : 0;
        if (patience > 0 && bell_wait_ms(&sp->due, &sp->gate, patience))
            continue;
        take_lead(sp);
        batch = take_batch(sp);
        gate_unlock(&sp->gate);
        if (batch != NULL)
            run_batch(sp, batch);
        if (clock_mono_ms() >= next_garbage) {
            room_measure(sp);
            garbage_collect(sp);
            draft_drop_spares(sp);
            next_garbage = clock_mono_ms() + GARBAGE_EVERY_MS;
        }
        if (clock_mono_ms() >= next_age) {
            keeper_note_age(sp);
            next_age = clock_mono_ms() + AGE_EVERY_MS;
        }
        gate_lock(&sp->gate);
        give_lead(sp);
    }
    gate_unlock(&sp->gate);
    active_finish(sp);
    ready_drop(sp);
    keeper_note_age(sp);
    journal_close(&sp->journal);
    return NULL;
}

void
committer_start(struct spool *sp)
{
    sp->has_committer = true;
    sp->committer = thread_start("spool", committer_run, sp);
}

void
committer_stop(struct spool *sp)
{
    if (!sp->has_committer)
        return;
    gate_lock(&sp->gate);
    sp->is_closing = true;
    gate_wake(&sp->gate);
    bell_ring(&sp->due);
    bell_ring(&sp->news);
    bell_ring(&sp->closing);
    gate_unlock(&sp->gate);
    thread_join(sp->committer);
    sp->has_committer = false;
}
