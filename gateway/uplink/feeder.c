/* feeder.c - from the spool's states to the plan, and offers from the plan to the centre: by
 * several connections, for over a full line the answer to one may take a second, and looks wait for
 * it. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/syntax.h"
#include "proto/model/doubts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OFFER_BYTES = 2 << 20, /* of recipes and layouts in one offer */
    LOOK_AGAIN_MS = 60000,
    CALM_MS = 1000,     /* a study that was silent for less is still coming */
    LEAST_PASS_MS = 20, /* between two looks at the spool */
    BUSY_PASS_MS = 500, /* with a long queue */
    BUSY_ENTRIES = 5000,
    REFUSED_WAIT_MS = 5000,
    OFFERS = 256,
    OFFERS_FIRST = 16, /* of a row of offers: sending begins when they are answered */
    MANY_IMAGES = 16   /* wait to be coded: one connection would not keep up with their offers */
};

struct feeder {
    struct uplink *up;
    struct talk talk;
    size_t batch;  /* objects in the next offer */
    size_t alone;  /* so many objects are offered one by one: which of them is refused? */
    bool is_stat;  /* of emergencies only */
    bool is_spare; /* its connection is opened for many images only, and it offers by no other */
};

static bool
may_deflate(const struct spool_entry *entry)
{
    const struct dcm_syntax *syntax = dcm_syntax_find(entry->meta.transfer_syntax);

    return !entry->is_coded && syntax != NULL && !syntax->is_encapsulated && !syntax->is_deflated;
}

static void
add_entry(struct uplink *up, const struct spool_entry *entry)
{
    struct spool_study study;
    struct plan_object object = {.id = entry->id,
                                 .size = entry->object_size,
                                 .due = (int64_t)entry->id,
                                 .is_looked = entry->state == INSTANCE_LOOKED,
                                 .may_deflate = may_deflate(entry)};
    struct layout *layout = NULL;
    struct range *look = NULL;
    struct err err = {0};

    memcpy(object.object, entry->object_sha256, sizeof object.object);
    text_copy(object.study, sizeof object.study, entry->facts.study_uid);
    if (spool_study(up->spool, object.study, &study, &err) == 0)
        object.due = (int64_t)study.first_id; /* the order of arrival, whatever the clock did */
    if (entry->is_coded && layout_read(entry->layout, entry->layout_n, &layout, &err) == 0) {
        layout_look_order(layout, &look, &object.look_n);
        object.look = look;
    }
    gate_lock(&up->gate);
    object.urgency = (int)order_of(up, object.study);
    object.is_unproved = entry->is_coded && !proof_is_known(up, entry->id);
    if (!plan_has(up->plan, object.id)) {
        plan_add(up->plan, &object, clock_mono_ms());
        up->fed++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    free(look);
    layout_free(&layout);
}

/* What a person keeps back does not go on. */
static void
drop_paused(struct uplink *up)
{
    struct spool_filter filter = {.only_paused = true};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(up->spool, &filter, &ids, &n);
    gate_lock(&up->gate);
    for (size_t i = 0; i < n; i++)
        if (plan_has(up->plan, ids[i]))
            plan_drop(up->plan, ids[i]);
    gate_unlock(&up->gate);
    free(ids);
}

struct waiting {
    char study[65]; /* whose_waits() was asked of it, in this pass */
    bool is;
};

/* The centre names a study by what is whole there first. */
static bool
waits_for_first(struct uplink *up, uint64_t id, struct waiting *io)
{
    struct spool_entry *entry = NULL;
    struct err gone; /* then it is not loaded either */
    bool is = false;

    if (spool_look(up->spool, id, &entry, &gone) < 0)
        return false;
    if ((entry->facts.doubts & DOUBT_UID_REUSED) != 0) {
        if (strcmp(io->study, entry->facts.study_uid) != 0) {
            text_copy(io->study, sizeof io->study, entry->facts.study_uid);
            io->is = whose_waits(up, io->study);
        }
        is = io->is;
    }
    spool_entry_free(&entry);
    return is;
}

/* Entries that are to be sent and are not in the plan; how many are to be sent. */
static size_t
feed(struct uplink *up)
{
    struct spool_filter filter = {.states = INSTANCE_BIT(INSTANCE_CODED) |
                                            INSTANCE_BIT(INSTANCE_PLAIN) |
                                            INSTANCE_BIT(INSTANCE_LOOKED)};
    struct waiting waiting = {.is = false};
    uint64_t *ids = NULL;
    size_t n = 0;

    drop_paused(up);
    spool_list(up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};
        bool is_new;

        gate_lock(&up->gate);
        is_new = !plan_has(up->plan, ids[i]) && later_is_due(up, ids[i]);
        gate_unlock(&up->gate);
        if (!is_new || waits_for_first(up, ids[i], &waiting))
            continue;
        if (spool_load(up->spool, ids[i], &entry, &err) < 0) {
            gate_lock(&up->gate);
            is_new = later_is_due(up, ids[i]); /* else the other feeder has just counted this try */
            gate_unlock(&up->gate);
            if (is_new)
                settle_unreadable(up, ids[i], &err);
            continue;
        }
        /* it may have become held since it was listed; if it does just now, its offer will tell */
        if (!entry->is_paused && !is_elsewhere(up, entry) &&
            (entry->state == INSTANCE_CODED || entry->state == INSTANCE_PLAIN ||
             entry->state == INSTANCE_LOOKED))
            add_entry(up, entry);
        spool_entry_free(&entry);
    }
    free(ids);
    return n;
}

/* The studies as they stood before a feed: what was coded then is in the plan after it, and what
 * was not is seen to be missing. The other way round an image that is coded in between is neither.
 */
struct standing {
    uint64_t counts[INSTANCE_STATES];
    struct spool_study *studies;
    size_t n;
};

static void
standing_take(struct uplink *up, struct standing *out)
{
    out->studies = NULL;
    out->n = 0;
    spool_counts(up->spool, out->counts);
    spool_studies(up->spool, &out->studies, &out->n);
}

/* Which studies are still growing, and which have all their looks at the centre; frees s. When to
 * look again although nothing happens. */
static int64_t
feed_studies(struct uplink *up, struct standing *s)
{
    int64_t wait_ms = LOOK_AGAIN_MS;
    struct plan_looked looked;

    gate_lock(&up->gate);
    for (size_t i = 0; i < s->n; i++) {
        const struct spool_study *study = &s->studies[i];

        plan_expect_more(up->plan, study->study_uid,
                         study->open_associations > 0 || study->quiet_ms < CALM_MS ||
                             study->counts[INSTANCE_INSPECTED] > 0 ||
                             s->counts[INSTANCE_RECEIVED] > 0);
        if (study->quiet_ms < CALM_MS && CALM_MS - study->quiet_ms < wait_ms)
            wait_ms = CALM_MS - study->quiet_ms;
    }
    while (plan_next_looked(up->plan, &looked)) {
        gate_unlock(&up->gate);
        LOG(&uplink_log, UPLINK_STUDY_LOOKED, F_UID("study", looked.study),
            F_NUMBER("objects", looked.objects), F_NUMBER("sent", looked.sent_bytes),
            F_NUMBER("of", looked.object_bytes));
        gate_lock(&up->gate);
    }
    gate_wake(&up->gate); /* rests may go now */
    gate_unlock(&up->gate);
    free(s->studies);
    return wait_ms;
}

void
feeder_fill_offer(const struct spool_entry *entry, struct link_offer_object *o)
{
    memset(o, 0, sizeof *o);
    memcpy(o->object, entry->object_sha256, sizeof o->object);
    o->size = entry->object_size;
    text_copy(o->sop_instance, sizeof o->sop_instance, entry->meta.sop_instance);
    text_copy(o->sop_class, sizeof o->sop_class, entry->meta.sop_class);
    text_copy(o->study, sizeof o->study, entry->facts.study_uid);
    text_copy(o->series, sizeof o->series, entry->facts.series_uid);
    text_copy(o->received_syntax, sizeof o->received_syntax, entry->meta.transfer_syntax);
    text_copy(o->transfer_syntax, sizeof o->transfer_syntax, coder_syntax(entry));
    memcpy(o->pixels, entry->facts.pixels_sha256, sizeof o->pixels);
    memcpy(o->dataset, entry->facts.dataset_sha256, sizeof o->dataset);
    memcpy(o->received, entry->received_sha256, sizeof o->received);
    if (!entry->is_coded)
        return;
    o->recipe = entry->recipe; /* the entry outlives the offer */
    o->recipe_n = entry->recipe_n;
    o->layout = entry->layout;
    o->layout_n = entry->layout_n;
}

/* A full centre answers what it has begun with and leaves out the rest. True: it has room, for all
 * are answered, and of those it had none for before some, or there are no more of those. */
static bool
note_offer(struct uplink *up, struct spool_entry *const *entries, size_t n,
           const struct link_answer *answer)
{
    bool are_all = true, has_waited = false, has_room;

    for (size_t i = 0; i < n; i++) {
        const struct link_object_state *says = link_answer_find(answer, entries[i]->object_sha256);

        gate_lock(&up->gate);
        has_waited = has_waited || plan_is_behind(up->plan, entries[i]->id);
        gate_unlock(&up->gate);
        if (says != NULL) {
            settle_object(up, entries[i]->id, says, true);
            continue;
        }
        are_all = false;
        gate_lock(&up->gate);
        plan_put_behind(up->plan, entries[i]->id);
        gate_unlock(&up->gate);
    }
    gate_lock(&up->gate);
    has_room = are_all && (has_waited || !plan_has_behind(up->plan));
    if (has_room)
        plan_room_found(up->plan);
    gate_unlock(&up->gate);
    return has_room;
}

/* Whoever waits looks again within a second (uplink.c's watcher), and takes what this one does not
 * come to for long (a spare one that went cold). True: it goes on itself, and finds out which of
 * them is refused. */
static bool
offer_failed(struct feeder *f, struct spool_entry *const *entries, size_t n, const struct err *err)
{
    struct uplink *up = f->up;
    bool is_refused = !err_kind_is_retried(err->kind) && err->kind != ERR_DENIED;

    gate_lock(&up->gate);
    for (size_t i = 0; i < n; i++)
        (err->kind == ERR_FULL ? plan_put_behind : plan_offer_failed)(up->plan, entries[i]->id);
    if (err->kind == ERR_FULL && plan_has_unasked(up->plan))
        room_hurry(&up->to_begin);
    gate_unlock(&up->gate);
    if (!is_refused)
        return false;
    LOG(&uplink_log, UPLINK_CALL_REFUSED, F_NUMBER("objects", n), F_ERR(err));
    if (n == 1 && (err->kind == ERR_REJECT || err->kind == ERR_CONFLICT)) {
        char why[sizeof err->text + 16];

        snprintf(why, sizeof why, "refused: %s", err->text);
        settle_quarantine(up, entries[0]->id, why);
        return true;
    }
    f->alone = n;
    up_rest(up, REFUSED_WAIT_MS);
    return n > 1;
}

/* Offer some of what is new or in doubt; false: nothing was, or it did not work and waits. */
static bool
offer_some(struct feeder *f)
{
    struct uplink *up = f->up;
    struct link_offer_object *objects = mem_new(OFFERS * sizeof *objects);
    struct spool_entry **entries = mem_new(OFFERS * sizeof(struct spool_entry *));
    struct link_offer offer = {.objects = objects};
    struct link_answer answer = {0};
    struct err err = {0};
    uint64_t ids[OFFERS];
    size_t n, max, bytes = 0;
    bool is_done = false;

    gate_lock(&up->gate);
    n = 0;
    max = f->alone > 0 ? 1 : up->to_begin.is_full ? OFFERS : f->batch;
    if (serving_best(up) != NULL && room_is_open(&up->to_begin))
        n = (f->is_stat ? plan_next_stat_offers : plan_next_offers)(up->plan, ids, max);
    if (n > 0)
        room_try(&up->to_begin);
    gate_unlock(&up->gate);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;

        if (bytes >= OFFER_BYTES) {
            gate_lock(&up->gate);
            plan_offer_failed(up->plan, ids[i]);
            gate_unlock(&up->gate);
            continue;
        }
        if (spool_load(up->spool, ids[i], &entry, &err) < 0) {
            settle_unreadable(up, ids[i], &err);
            continue;
        }
        feeder_fill_offer(entry, &objects[offer.count]);
        bytes += entry->recipe_n + entry->layout_n;
        entries[offer.count++] = entry;
    }
    if (f->alone > 0 && n > 0)
        f->alone--;
    if (offer.count > 0 && talk_offer(&f->talk, &offer, &answer, &err) == 0) {
        room_found(up, &up->to_begin, note_offer(up, entries, offer.count, &answer));
        link_answer_free(&answer);
        is_done = true;
    } else if (offer.count > 0) {
        is_done = offer_failed(f, entries, offer.count, &err);
    }
    for (size_t i = 0; i < offer.count; i++)
        spool_entry_free(&entries[i]);
    free(entries);
    free(objects);
    return is_done;
}

/* What is being coded now will be offered: the connection is opened meanwhile. */
static void
open_connection(struct feeder *f)
{
    struct uplink *up = f->up;
    uint64_t counts[INSTANCE_STATES], least = f->is_spare ? MANY_IMAGES : 1;
    struct link_ping answer;
    int64_t asked_us, told_us;
    struct err err = {0};
    bool is_due;

    spool_counts(up->spool, counts);
    gate_lock(&up->gate);
    is_due = counts[INSTANCE_RECEIVED] + counts[INSTANCE_INSPECTED] >= least &&
             serving_best(up) != NULL && talk_is_cold(&f->talk) && !warm_borrow(&f->talk);
    gate_unlock(&up->gate);
    if (is_due && talk_ping(&f->talk, &answer, &asked_us, &told_us, &err) < 0)
        return; /* the line was told */
}

void *
feeder_run(void *arg)
{
    struct uplink *up = arg;

    whose_take_up(up);
    while (!up_is_stopping(up)) {
        struct standing before;
        uint64_t seen;
        int64_t wait_ms;
        size_t queued;

        gate_lock(&up->gate);
        seen = up->news;
        gate_unlock(&up->gate);
        standing_take(up, &before);
        queued = feed(up);
        wait_ms = feed_studies(up, &before);
        up_rest(up, queued > BUSY_ENTRIES ? BUSY_PASS_MS : LEAST_PASS_MS);
        up_wait_news(up, seen, later_wait_ms(up, wait_ms));
    }
    return NULL;
}

/* Gate held. A spare one that would have to open its connection now leaves them to the others. */
static bool
may_offer(const struct feeder *f)
{
    return !f->is_spare || !talk_is_cold(&f->talk);
}

static void
offer_all(struct feeder *f)
{
    bool is_on = true;

    f->batch = OFFERS_FIRST;
    while (is_on) {
        gate_lock(&f->up->gate);
        is_on = may_offer(f);
        gate_unlock(&f->up->gate);
        is_on = is_on && offer_some(f);
        if (!f->is_spare) /* a long queue, when the line comes up */
            f->batch = f->batch * 2 < OFFERS ? f->batch * 2 : OFFERS;
    }
}

static void
run_offers(struct feeder *f)
{
    struct uplink *up = f->up;

    talk_init(&f->talk, up, NULL, up->o.stall_ms);
    f->talk.is_bulk = true; /* looks wait for its answers, among what fills the line */
    while (!up_is_stopping(up)) {
        uint64_t seen, fed;

        gate_lock(&up->gate);
        seen = up->news;
        fed = up->fed;
        gate_unlock(&up->gate);
        open_connection(f);
        offer_all(f);
        gate_lock(&up->gate);
        if (!up->is_stopping && up->news == seen && up->fed == fed)
            gate_wait_ms(&up->gate, room_wait_ms(&up->to_begin, LOOK_AGAIN_MS));
        gate_unlock(&up->gate);
    }
    talk_fini(&f->talk);
}

void *
offerer_run(void *arg)
{
    struct feeder f = {.up = arg};

    run_offers(&f);
    return NULL;
}

void *
offerer_run_spare(void *arg)
{
    struct feeder f = {.up = arg, .is_spare = true};

    run_offers(&f);
    return NULL;
}

/* An emergency's offer waits for no answer to another: a full line may take a second for it. */
void *
feeder_run_stat(void *arg)
{
    struct feeder f = {.up = arg, .is_stat = true, .batch = OFFERS_FIRST};
    struct uplink *up = arg;

    talk_init(&f.talk, up, NULL, up->o.stall_ms);
    f.talk.is_bulk = true;
    while (!up_is_stopping(up)) {
        int64_t wait_ms;
        uint64_t seen;

        gate_lock(&up->gate);
        seen = up->news;
        gate_unlock(&up->gate);
        if (order_is_on(up)) {
            size_t queued;

            open_connection(&f);
            queued = feed(up);
            while (offer_some(&f))
                ;
            up_rest(up, queued > BUSY_ENTRIES ? BUSY_PASS_MS : LEAST_PASS_MS);
        }
        gate_lock(&up->gate);
        wait_ms = room_wait_ms(&up->to_begin, LOOK_AGAIN_MS);
        gate_unlock(&up->gate);
        up_wait_news(up, seen, wait_ms);
    }
    talk_fini(&f.talk);
    return NULL;
}
