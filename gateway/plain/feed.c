/* feed.c - from the spool to the ways' queues: what each target is to get, what a person sent
 * again or let out, and the lists of studies that the clinic's own archive keeps. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    WATCH_MS = 1000,
    LEAST_PASS_MS = 50,
    BUSY_PASS_MS = 500, /* with a long queue */
    BUSY_ENTRIES = 5000,
    URGED_MOST = 200,     /* studies whose urgency is asked for again */
    WHOLE_PASS_MS = 30000 /* what is over is looked through so often, too */
};

#define TO_BE_SENT                                                                                 \
    (INSTANCE_BIT(INSTANCE_CODED) | INSTANCE_BIT(INSTANCE_PLAIN) | INSTANCE_BIT(INSTANCE_LOOKED))
#define OVER                                                                                       \
    (INSTANCE_BIT(INSTANCE_SEALED) | INSTANCE_BIT(INSTANCE_DUPLICATE) |                            \
     INSTANCE_BIT(INSTANCE_DISCARDED))

static bool
is_stopping(struct plain *p)
{
    bool is;

    gate_lock(&p->gate);
    is = p->is_stopping;
    gate_unlock(&p->gate);
    return is;
}

static bool
has_urgency(struct plain *p)
{
    bool has;

    pthread_mutex_lock(&p->asking);
    has = p->urgency != NULL;
    pthread_mutex_unlock(&p->asking);
    return has;
}

static unsigned
urgency_of(struct plain *p, const char *study)
{
    unsigned urgency = 0;

    pthread_mutex_lock(&p->asking);
    if (p->urgency != NULL)
        urgency = p->urgency(p->urgency_user, study);
    pthread_mutex_unlock(&p->asking);
    return urgency;
}

/* What the entry itself says. */
static void
fill_item(struct plain *p, const struct spool_entry *entry, struct item *item)
{
    struct spool_study study;
    struct err err = {0};

    item->id = entry->id;
    memcpy(item->tag, entry->received_sha256, sizeof item->tag);
    item->size = entry->size;
    item->due = entry->id;
    text_copy(item->study, sizeof item->study, entry->facts.study_uid);
    text_copy(item->series, sizeof item->series, entry->facts.series_uid);
    text_copy(item->sop_instance, sizeof item->sop_instance, entry->meta.sop_instance);
    text_copy(item->sop_class, sizeof item->sop_class, entry->meta.sop_class);
    text_copy(item->syntax, sizeof item->syntax, entry->meta.transfer_syntax);
    if (spool_study(p->o.spool, entry->facts.study_uid, &study, &err) == 0)
        item->due = study.first_id;
    item->urgency = urgency_of(p, entry->facts.study_uid);
}

/* How an entry that is new to a way begins. */
static enum item_state
first_state(struct way *way, const struct spool_entry *entry)
{
    bool is_archive = way_is_archive(way, entry->meta.calling_ae, entry->facts.modality);

    if (!target_takes(way->conf, entry->meta.calling_ae, entry->facts.modality) ||
        entry->state == INSTANCE_DUPLICATE || !entry->has_bytes)
        return ITEM_LEFT;
    if (entry->state == INSTANCE_SEALED &&
        (is_archive || entry->state_at_us[INSTANCE_SEALED] < marks_made_at_us(way->marks)))
        return is_archive ? ITEM_FOUND : ITEM_LEFT; /* a new target gets what comes from now on */
    if (is_archive && entry->state == INSTANCE_HELD)
        return ITEM_ACCEPTED;
    return way->is_in_doubt && !way->conf->is_unverified ? ITEM_DOUBTFUL : ITEM_WAITING;
}

/* The archive's item follows its entry: it was sent again, or let out, by a person; or a kill came
 * between the two. known: as it was before the entry was read. */
static void
follow_entry(struct way *way, const struct spool_entry *entry, enum item_state known)
{
    bool is_to_send = (TO_BE_SENT & INSTANCE_BIT(entry->state)) != 0;
    enum item_state to = known;

    if (is_to_send && (known == ITEM_ACCEPTED || known == ITEM_FOUND || known == ITEM_REFUSED))
        to = ITEM_WAITING;
    else if (entry->state == INSTANCE_HELD && (known == ITEM_WAITING || known == ITEM_FOUND))
        to = ITEM_ACCEPTED;
    if (to == known)
        return;
    struct item item = {.state = to, .at_us = clock_wall_us()};

    fill_item(way->plain, entry, &item);
    gate_lock(&way->gate);
    way_mark(way, &item, to == ITEM_WAITING ? MARK_AGAIN : MARK_ACCEPTED);
    queue_put(way->queue, &item);
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

/* A mark of another spool's entry of this number says nothing. */
static bool
is_same_bytes(struct way *way, const struct spool_entry *entry)
{
    const struct item *open = queue_open(way->queue, entry->id);

    if (open != NULL)
        return memcmp(open->tag, entry->received_sha256, MARK_TAG_BYTES) == 0;
    return queue_is_over_of(way->queue, entry->id, entry->received_sha256);
}

static void
fill_known(struct way *way, const struct spool_entry *entry)
{
    struct item fresh = {0};
    struct item *open;

    fill_item(way->plain, entry, &fresh);
    gate_lock(&way->gate);
    open = queue_open(way->queue, entry->id);
    if (open != NULL && open->sop_instance[0] == '\0') { /* replayed: the mark was all there was */
        fresh.state = open->state;
        fresh.at_us = open->at_us;
        fresh.status = open->status;
        fresh.may_be_there = open->may_be_there;
        text_copy(fresh.why, sizeof fresh.why, open->why);
        if (fresh.state == ITEM_DOUBTFUL && way->conf->is_unverified)
            fresh.state = ITEM_WAITING;
        *open = fresh;
    } else if (open != NULL) {
        open->urgency = fresh.urgency;
    }
    gate_unlock(&way->gate);
}

static void
add_item(struct way *way, const struct spool_entry *entry)
{
    struct item item = {.state = first_state(way, entry), .at_us = clock_wall_us()};

    fill_item(way->plain, entry, &item);
    gate_lock(&way->gate);
    if (!queue_knows(way->queue, item.id, NULL))
        queue_put(way->queue, &item);
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

/* What was thrown away does not go, and is new to the way when a person takes it back. */
static void
forget_discarded(struct way *way, uint64_t id)
{
    const struct item *open;

    gate_lock(&way->gate);
    open = queue_open(way->queue, id);
    if (open != NULL && open->state == ITEM_WAITING)
        queue_forget(way->queue, id);
    gate_unlock(&way->gate);
}

static void
feed_entry(struct way *way, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err err = {0};
    enum item_state known = ITEM_WAITING;
    bool is_known;

    gate_lock(&way->gate);
    is_known = queue_knows(way->queue, id, &known);
    gate_unlock(&way->gate);
    if (spool_load(way->plain->o.spool, id, &entry, &err) < 0)
        return;
    gate_lock(&way->gate);
    if (is_known && !is_same_bytes(way, entry)) {
        queue_forget(way->queue, id);
        is_known = false;
    }
    gate_unlock(&way->gate);
    if (entry->state == INSTANCE_DISCARDED && (!is_known || known == ITEM_WAITING)) {
        forget_discarded(way, id);
    } else if (!is_known) {
        add_item(way, entry);
    } else {
        fill_known(way, entry);
        if (way_is_archive(way, entry->meta.calling_ae, entry->facts.modality))
            follow_entry(way, entry, known);
    }
    spool_entry_free(&entry);
}

/* Nothing new can be learnt of what is over, unless it is listed among what is to be sent. */
static bool
is_worth_a_look(struct way *way, uint64_t id, bool is_over_listed)
{
    enum item_state known;
    const struct item *open;
    bool is;

    gate_lock(&way->gate);
    open = queue_open(way->queue, id);
    if (!queue_knows(way->queue, id, &known))
        is = true;
    else if (open != NULL && open->sop_instance[0] == '\0')
        is = true;
    else
        is = !is_over_listed && way->conf->is_archive && known != ITEM_WAITING &&
             known != ITEM_SENDING && known != ITEM_DOUBTFUL && known != ITEM_LEFT;
    gate_unlock(&way->gate);
    return is;
}

/* How many were listed. */
static size_t
feed_states(struct plain *p, uint32_t states, bool is_over_listed)
{
    struct spool_filter filter = {.states = states};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(p->o.spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && !is_stopping(p); i++)
        for (size_t w = 0; w < p->ways_n; w++)
            if (p->ways[w].conf->wrong[0] == '\0' &&
                is_worth_a_look(&p->ways[w], ids[i], is_over_listed))
                feed_entry(&p->ways[w], ids[i]);
    free(ids);
    return n;
}

/* What a person has raised or lowered since. */
static void
refresh_urgency(struct way *way)
{
    char(*studies)[65];
    size_t n;

    if (!has_urgency(way->plain))
        return;
    studies = mem_new(URGED_MOST * sizeof *studies);
    gate_lock(&way->gate);
    n = queue_studies(way->queue, studies, URGED_MOST);
    gate_unlock(&way->gate);
    for (size_t i = 0; i < n; i++) {
        unsigned urgency = urgency_of(way->plain, studies[i]);

        gate_lock(&way->gate);
        queue_urge(way->queue, studies[i], urgency);
        gate_unlock(&way->gate);
    }
    free(studies);
}

/* ---- lists of studies kept elsewhere ---- */

/* A target that is wrong has nothing of it: what is sealed was so at the centre. */
static bool
is_archived(struct plain *p, const struct spool_entry *entry)
{
    char name[TARGET_NAME_BYTES];

    return plain_archive_name(p, entry->meta.calling_ae, entry->facts.modality, name) &&
           name[0] != '\0';
}

static bool
is_all_archived(struct plain *p, const char *study_uid)
{
    struct spool_filter filter = {.study_uid = study_uid};
    uint64_t *ids = NULL;
    bool is_all = true;
    size_t n = 0;

    spool_list(p->o.spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && is_all; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_load(p->o.spool, ids[i], &entry, &err) == 0)
            is_all = is_archived(p, entry);
        spool_entry_free(&entry);
    }
    free(ids);
    return is_all && n > 0;
}

/* The centre acknowledges the list of what it keeps; of what it does not, this stage does, once all
 * of it was found where it is kept. */
static void
acknowledge_lists(struct plain *p)
{
    static const struct log_ctx log = {.stage = "gateway/plain"};
    struct spool_study *studies = NULL;
    size_t n = 0;

    spool_studies(p->o.spool, &studies, &n);
    for (size_t i = 0; i < n && !is_stopping(p); i++) {
        const struct spool_study *s = &studies[i];
        struct err err = {0};

        if (s->revision == 0 || s->acked_revision == s->revision ||
            s->unlisted + s->leaving + s->aside + s->uninspected > 0 ||
            s->counts[INSTANCE_SEALED] + s->counts[INSTANCE_DUPLICATE] != s->total ||
            !is_all_archived(p, s->study_uid))
            continue;
        if (spool_manifest_acked(p->o.spool, s->study_uid, s->revision, &err) < 0)
            LOG(&log, PLAIN_SPOOL_TROUBLE, F_ERR(&err));
        else
            LOG(&log, PLAIN_STUDY_SAFE, F_UID("study", s->study_uid),
                F_NUMBER("instances", s->total));
    }
    free(studies);
}

/* ---- the thread ---- */

static bool
has_archive(const struct plain *p)
{
    for (size_t i = 0; i < p->targets.n; i++)
        if (p->targets.rows[i].is_archive)
            return true;
    return false;
}

/* Once, when all that lasts is known: the new files of marks. */
static void
begin(struct plain *p)
{
    struct spool_filter filter = {.states = 0};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(p->o.spool, &filter, &ids, &n);
    for (size_t w = 0; w < p->ways_n; w++) {
        gate_lock(&p->ways[w].gate);
        queue_prune(p->ways[w].queue, ids, n);
        p->ways[w].is_fed = true;
        gate_unlock(&p->ways[w].gate);
        way_renew_if_due(&p->ways[w], true);
    }
    free(ids);
}

static void
rest(struct plain *p, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms, now;

    gate_lock(&p->gate);
    while (!p->is_stopping && (now = clock_mono_ms()) < until)
        gate_wait_ms(&p->gate, until - now);
    gate_unlock(&p->gate);
}

void *
plain_feed_run(void *arg)
{
    struct plain *p = arg;
    int64_t whole_ms = 0;
    bool is_first = true;
    uint64_t seen = 0;

    while (!is_stopping(p)) {
        size_t n = feed_states(p, TO_BE_SENT | INSTANCE_BIT(INSTANCE_HELD), false);

        if (clock_mono_ms() >= whole_ms) {
            feed_states(p, OVER, true);
            whole_ms = clock_mono_ms() + WHOLE_PASS_MS;
        }
        if (is_first && !is_stopping(p))
            begin(p);
        is_first = false;
        if (has_archive(p))
            acknowledge_lists(p);
        for (size_t w = 0; w < p->ways_n; w++) {
            refresh_urgency(&p->ways[w]);
            way_renew_if_due(&p->ways[w], false);
        }
        rest(p, n > BUSY_ENTRIES ? BUSY_PASS_MS : LEAST_PASS_MS);
        seen = spool_wait(p->o.spool, seen, WATCH_MS);
    }
    return NULL;
}
