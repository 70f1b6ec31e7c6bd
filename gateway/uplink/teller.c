/* teller.c - tells the centre of studies, and asks again after what it has held for long.
 *
 * A thread of its own: a list that waits for its answer holds up no image, nor do ten thousand
 * questions. Those go a batch at a time, with the lists in between. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUESTIONS = 256,          /* in one offer */
    QUESTION_BYTES = 2 << 20, /* of recipes and layouts in one */
    PAUSE_MS = 20,            /* between two passes */
    AFTER_FAILURE_MS = 1000
};

struct teller {
    struct uplink *up;
    struct talk talk;
    struct notes *notes;
    int64_t asked_ms; /* a row of questions began last */
    uint64_t *ids;    /* what is left of the row: from at on */
    size_t n, at;
    size_t alone; /* so many go one by one: one of them is refused */
};

struct questions {
    struct link_offer_object objects[QUESTIONS];
    struct spool_entry *entries[QUESTIONS];
    size_t n, bytes;
};

static void
wanted_again(struct uplink *up, const struct spool_entry *entry)
{
    struct log_ctx ctx = log_of_entry(entry->id);
    struct err err = {0};

    LOG(&ctx, UPLINK_WANTED_AGAIN);
    if (spool_set_wanted(up->spool, entry->id, &err) < 0)
        LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
}

/* Its landing disk may have been lost, or a receipt was for another file of the same instance. */
static void
note_word(struct uplink *up, const struct spool_entry *entry, const struct link_object_state *says)
{
    struct err err = {0};

    if (says->state == LINK_WANTED || says->state == LINK_PARTIAL || says->state == LINK_LOOKED)
        wanted_again(up, entry);
    else if (says->state == LINK_QUARANTINED)
        settle_object(up, entry->id, says, true);
    else if (says->state == LINK_SEALED && spool_set_sealed(up->spool, entry->id, 0, &err) < 0)
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
}

/* Has it been held so long that it is asked after? A time in the future: the clock was put back
 * since. */
static bool
is_due(const struct uplink *up, const struct spool_entry *entry)
{
    int64_t age_us = clock_wall_us() - entry->state_at_us[INSTANCE_HELD];

    return entry->state == INSTANCE_HELD && !entry->is_paused && !is_elsewhere(up, entry) &&
           (age_us < 0 || age_us / 1000 >= up->o.recheck_ms);
}

static void
gather(struct teller *t, struct questions *q)
{
    size_t most = t->alone > 0 ? 1 : QUESTIONS;

    while (t->at < t->n && q->n < most && q->bytes < QUESTION_BYTES) {
        struct spool_entry *entry = NULL;
        struct err gone;

        if (spool_load(t->up->spool, t->ids[t->at++], &entry, &gone) < 0)
            continue;
        if (!is_due(t->up, entry)) {
            spool_entry_free(&entry);
            continue;
        }
        feeder_fill_offer(entry, &q->objects[q->n]);
        q->bytes += entry->recipe_n + entry->layout_n;
        q->entries[q->n++] = entry;
    }
}

static void
note_answer(struct uplink *up, const struct questions *q, const struct link_answer *answer)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct link_object_state *says = link_answer_find(answer, q->objects[i].object);

        if (says != NULL)
            note_word(up, q->entries[i], says);
    }
}

/* The rest of the row waits for the next time; which of a refused batch is to blame is found out
 * one by one, and that one is left out. */
static void
note_failure(struct teller *t, size_t n, size_t began_at, const struct err *err)
{
    if (err_kind_is_retried(err->kind) || err->kind == ERR_DENIED) {
        t->at = began_at;
        up_rest(t->up, AFTER_FAILURE_MS);
        return;
    }
    LOG(&uplink_log, UPLINK_CALL_REFUSED, F_NUMBER("objects", n), F_ERR(err));
    if (n > 1) {
        t->alone = n;
        t->at = began_at;
    }
}

/* They are offers, too: a lost one is new to the centre. */
static bool
may_ask(struct uplink *up)
{
    bool is_open;

    gate_lock(&up->gate);
    is_open = room_is_open(&up->to_begin);
    gate_unlock(&up->gate);
    return is_open && serving_is_up(up);
}

/* One batch of the row; a new row when it is time. false: nothing is left to be asked now. */
static bool
ask_some(struct teller *t)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_HELD)};
    struct questions *q;
    struct link_offer offer;
    struct link_answer answer = {0};
    struct err err = {0};
    size_t began_at;

    if (!may_ask(t->up))
        return false;
    if (t->at == t->n) {
        if (clock_mono_ms() - t->asked_ms < t->up->o.recheck_ms)
            return false;
        free(t->ids);
        t->ids = NULL;
        t->at = t->n = 0;
        t->asked_ms = clock_mono_ms();
        spool_list(t->up->spool, &filter, &t->ids, &t->n);
    }
    q = mem_new(sizeof *q);
    began_at = t->at;
    gather(t, q);
    if (t->alone > 0)
        t->alone--;
    offer = (struct link_offer){.objects = q->objects, .count = q->n};
    if (q->n > 0 && talk_offer(&t->talk, &offer, &answer, &err) < 0) {
        note_failure(t, q->n, began_at, &err);
    } else if (q->n > 0) {
        note_answer(t->up, q, &answer);
        link_answer_free(&answer);
    }
    for (size_t i = 0; i < q->n; i++)
        spool_entry_free(&q->entries[i]);
    free(q);
    return t->at < t->n;
}

void *
teller_run(void *arg)
{
    struct teller t = {.up = arg, .asked_ms = clock_mono_ms()};
    struct uplink *up = arg;

    talk_init(&t.talk, up, NULL, up->o.stall_ms);
    t.notes = notes_new();
    while (!up_is_stopping(up)) {
        uint64_t seen;
        int64_t wait_ms, ask_ms;

        gate_lock(&up->gate);
        seen = up->news;
        gate_unlock(&up->gate);
        wait_ms = manifest_pass(up, &t.talk, t.notes);
        if (ask_some(&t))
            wait_ms = 0;
        ask_ms = t.asked_ms + up->o.recheck_ms - clock_mono_ms();
        up_rest(up, PAUSE_MS);
        up_wait_news(up, seen, ask_ms > 0 && ask_ms < wait_ms ? ask_ms : wait_ms);
    }
    notes_free(&t.notes);
    talk_fini(&t.talk);
    free(t.ids);
    return NULL;
}
