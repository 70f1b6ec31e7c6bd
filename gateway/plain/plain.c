/* plain.c - start, stop, and what others may know. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse.h"
#include "proto/http/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSED_SHOWN = 20, RED_AFTER_S = 600, DECIDED_AT_ONCE = 1000 };

/* The spool asks, with its lock held. Of a target that is wrong nobody knows what it was to get. */
static bool
needs(void *user, uint64_t id)
{
    struct plain *p = user;
    bool is = p->is_table_wrong;

    for (size_t i = 0; i < p->ways_n && !is; i++) {
        gate_lock(&p->ways[i].gate);
        is = way_needs(&p->ways[i], id);
        gate_unlock(&p->ways[i].gate);
    }
    return is;
}

/* Between our end and the spool's: nobody can say any more what a target still needs. */
static bool
keep_all(void *user, uint64_t id)
{
    (void)user;
    (void)id;
    return true;
}

static void
start_talks(struct way *way)
{
    if (way->conf->wrong[0] != '\0')
        return;
    way->talks_n = way->conf->connections + (way->conf->is_unverified ? 0 : 1);
    for (size_t i = 0; i < way->talks_n; i++) {
        struct talk *t = &way->talks[i];

        t->way = way;
        t->is_asker = i == way->conf->connections;
        t->thread = thread_start(t->is_asker ? "plain-ask" : "plain-send",
                                 t->is_asker ? plain_ask_run : plain_send_run, t);
    }
}

static int
open_ways(struct plain *p, struct err *err)
{
    char tmp[4096];

    snprintf(tmp, sizeof tmp, "%s/tmp", p->dir);
    if (durable_mkdir(p->dir, err) < 0 || durable_mkdir(tmp, err) < 0)
        return -1;
    p->ways = mem_new(p->targets.n * sizeof *p->ways);
    for (size_t i = 0; i < p->targets.n; i++) {
        p->ways_n++; /* closed, also when it did not open whole */
        if (way_open(&p->ways[i], p, &p->targets.rows[i], err) < 0)
            return -1;
    }
    return 0;
}

int
plain_start(const struct plain_options *options, struct plain **out_plain, struct err *err)
{
    static const struct log_ctx log = {.stage = "gateway/plain"};
    struct plain *p = mem_new(sizeof *p);

    p->o = *options;
    p->file = mem_text(options->file);
    p->dir = mem_text(options->dir);
    p->ae = mem_text(options->ae != NULL && options->ae[0] != '\0' ? options->ae : "RADPOST");
    gate_init(&p->gate);
    pthread_mutex_init(&p->asking, NULL);
    p->is_table_wrong = targets_read(p->file, &p->targets, err) < 0;
    if (p->is_table_wrong) {
        LOG(&log, PLAIN_TARGETS_WRONG, F_ERR(err));
        err_clear(err);
    }
    if (p->targets.n > 0 && open_ways(p, err) < 0) {
        plain_stop(&p);
        return err_context(err, "plain targets");
    }
    *out_plain = p;
    if (p->ways_n == 0)
        return 0;
    spool_keep_for(p->o.spool, needs, p);
    p->feeder = thread_start("plain-feed", plain_feed_run, p);
    for (size_t i = 0; i < p->ways_n; i++)
        start_talks(&p->ways[i]);
    p->has_threads = true;
    return 0;
}

static void
end_talks(struct way *way)
{
    gate_lock(&way->gate);
    way->is_stopping = true;
    for (size_t i = 0; i < way->talks_n; i++) {
        if (way->talks[i].assoc != NULL)
            dimse_shut(way->talks[i].assoc);
        if (way->talks[i].client != NULL)
            http_client_abort(way->talks[i].client);
    }
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

void
plain_stop(struct plain **plain)
{
    struct plain *p = TAKE(*plain);

    if (p == NULL)
        return;
    if (p->has_threads) {
        gate_lock(&p->gate);
        p->is_stopping = true;
        gate_wake(&p->gate);
        gate_unlock(&p->gate);
        spool_wake(p->o.spool);
        for (size_t i = 0; i < p->ways_n; i++)
            end_talks(&p->ways[i]);
        thread_join(p->feeder);
        for (size_t i = 0; i < p->ways_n; i++)
            for (size_t t = 0; t < p->ways[i].talks_n; t++)
                thread_join(p->ways[i].talks[t].thread);
        spool_keep_for(p->o.spool, keep_all, NULL);
    }
    for (size_t i = 0; i < p->ways_n; i++)
        way_close(&p->ways[i]);
    free(p->ways);
    targets_fini(&p->targets);
    pthread_mutex_destroy(&p->asking);
    gate_fini(&p->gate);
    free(p->ae);
    free(p->dir);
    free(p->file);
    free(p);
}

int
plain_check_targets(const char *file, struct err *err)
{
    struct targets targets;
    int rc = targets_read(file, &targets, err);

    targets_fini(&targets);
    return rc;
}

/* ---- whose archive ---- */

bool
plain_is_archived(struct plain *p, const struct spool_entry *entry)
{
    return targets_archive(&p->targets, entry->meta.calling_ae, entry->facts.modality) != NULL;
}

bool
plain_archive_name(struct plain *p, const char *device, const char *modality, char out[33])
{
    const struct target *archive = targets_archive(&p->targets, device, modality);
    bool is_wrong = archive != NULL && archive->wrong[0] != '\0';

    text_copy(out, TARGET_NAME_BYTES, archive != NULL && !is_wrong ? archive->name : "");
    return !is_wrong;
}

const char *
plain_table_trouble(const struct plain *p)
{
    for (size_t i = 0; i < p->targets.n; i++)
        if (p->targets.rows[i].wrong[0] != '\0')
            return p->targets.rows[i].wrong;
    return "";
}

bool
plain_is_all_archived(struct plain *p)
{
    for (size_t i = 0; i < p->targets.n; i++)
        if (p->targets.rows[i].is_archive && p->targets.rows[i].devices[0] == '\0' &&
            p->targets.rows[i].modalities[0] == '\0')
            return true;
    return false;
}

void
plain_ask_urgency(struct plain *p, plain_urgency_fn fn, void *user)
{
    pthread_mutex_lock(&p->asking);
    p->urgency = fn;
    p->urgency_user = user;
    pthread_mutex_unlock(&p->asking);
}

/* ---- for the desk ---- */

static const char *const colours[PLAIN_ILLS] = {
    [PLAIN_ILL_WELL] = "green",    [PLAIN_ILL_UNTRIED] = "grey",
    [PLAIN_ILL_WRONG] = "red",     [PLAIN_ILL_SICK] = "red",
    [PLAIN_ILL_DENIED] = "red",    [PLAIN_ILL_CANNOT_ASK] = "red",
    [PLAIN_ILL_DOWN] = "amber",    [PLAIN_ILL_DOWN_LONG] = "red",
    [PLAIN_ILL_FULL] = "amber",    [PLAIN_ILL_FULL_LONG] = "red",
    [PLAIN_ILL_REFUSES] = "amber", [PLAIN_ILL_QUERIES_DOWN] = "amber",
};

/* Gate held. */
static enum plain_ill
ill_of(const struct way *way, const struct queue_counts *counts, int64_t now_us)
{
    const struct line *s = &way->sending, *a = &way->asking;
    bool is_long = now_us - s->since_us > RED_AFTER_S * INT64_C(1000000);

    if (s->state == LINE_WRONG)
        return PLAIN_ILL_WRONG;
    if (marks_is_sick(way->marks))
        return PLAIN_ILL_SICK;
    if (s->state == LINE_DENIED)
        return PLAIN_ILL_DENIED;
    if (a->state == LINE_UNABLE || a->state == LINE_DENIED)
        return PLAIN_ILL_CANNOT_ASK;
    if (s->state == LINE_DOWN)
        return is_long ? PLAIN_ILL_DOWN_LONG : PLAIN_ILL_DOWN;
    if (s->state == LINE_FULL)
        return is_long ? PLAIN_ILL_FULL_LONG : PLAIN_ILL_FULL;
    if (counts->of[ITEM_REFUSED] > 0)
        return PLAIN_ILL_REFUSES;
    if (a->state == LINE_DOWN || a->state == LINE_FULL)
        return PLAIN_ILL_QUERIES_DOWN;
    return s->state == LINE_UP || way->last_success_us > 0 ? PLAIN_ILL_WELL : PLAIN_ILL_UNTRIED;
}

static uint64_t
waiting(const struct queue_counts *counts)
{
    return counts->of[ITEM_WAITING] + counts->of[ITEM_SENDING] + counts->of[ITEM_DOUBTFUL];
}

/* Gate held: since when, and what was said of it. Of a refusal the peer's words may name a patient.
 */
static void
explain(struct way *way, struct plain_state *io)
{
    const struct line *line = &way->sending;
    struct item *first;

    switch (io->ill) {
    case PLAIN_ILL_SICK:
        text_copy(io->trouble, sizeof io->trouble, "its marks cannot be written");
        return;
    case PLAIN_ILL_REFUSES:
        first = mem_new(sizeof *first);
        if (queue_refused(way->queue, first, 1) > 0)
            io->since_us = first->at_us;
        free(first);
        return;
    case PLAIN_ILL_CANNOT_ASK:
    case PLAIN_ILL_QUERIES_DOWN:
        line = &way->asking;
        break;
    default:
        break;
    }
    io->since_us = line->since_us;
    text_copy(io->trouble, sizeof io->trouble, line->trouble);
}

size_t
plain_states(struct plain *p, struct plain_state out[PLAIN_STATES])
{
    int64_t now_us = clock_wall_us();

    _Static_assert((int)PLAIN_STATES == (int)TARGET_ROWS_MAX, "each row of the table has one");
    for (size_t i = 0; i < p->ways_n; i++) {
        struct way *way = &p->ways[i];
        struct queue_counts counts;

        out[i] = (struct plain_state){.is_archive = way->conf->is_archive};
        text_copy(out[i].name, sizeof out[i].name, way->conf->name);
        gate_lock(&way->gate);
        queue_counts(way->queue, &counts);
        out[i].ill = ill_of(way, &counts, now_us);
        out[i].waiting = waiting(&counts);
        out[i].refused = counts.of[ITEM_REFUSED];
        explain(way, &out[i]);
        gate_unlock(&way->gate);
    }
    return p->ways_n;
}

static void
write_refused(struct way *way, struct jsonw *w)
{
    struct item *items = mem_new(REFUSED_SHOWN * sizeof *items);
    size_t n = queue_refused(way->queue, items, REFUSED_SHOWN);

    jsonw_array(w, "refused_list");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        jsonw_uint(w, "entry", items[i].id);
        jsonw_text(w, "study", items[i].study);
        jsonw_text(w, "sop_instance", items[i].sop_instance);
        jsonw_int(w, "at_us", items[i].at_us);
        jsonw_uint(w, "status", items[i].status);
        if (items[i].status == 0) /* our own words; the peer's may hold anything */
            jsonw_text(w, "why", items[i].why);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(items);
}

static void
write_way(struct way *way, struct jsonw *w)
{
    static const char *const words[] = {"trying", "up",     "down", "full",
                                        "denied", "unable", "wrong"};
    const struct target *conf = way->conf;
    struct queue_counts counts;

    jsonw_object(w, NULL);
    jsonw_text(w, "name", conf->name);
    jsonw_text(w, "kind", conf->kind == TARGET_DICOM ? "dicom" : "stow");
    jsonw_bool(w, "is_archive", conf->is_archive);
    jsonw_bool(w, "is_verified", !conf->is_unverified);
    gate_lock(&way->gate);
    queue_counts(way->queue, &counts);
    jsonw_text(w, "colour", colours[ill_of(way, &counts, clock_wall_us())]);
    jsonw_text(w, "line", words[way->sending.state]);
    jsonw_int(w, "since_us", way->sending.since_us);
    jsonw_text(w, "trouble", way->sending.trouble);
    jsonw_text(w, "asking", conf->is_unverified ? "off" : words[way->asking.state]);
    jsonw_text(w, "asking_trouble", way->asking.trouble);
    jsonw_int(w, "last_success_us", way->last_success_us);
    jsonw_uint(w, "waiting", waiting(&counts));
    jsonw_uint(w, "waiting_bytes", counts.waiting_bytes);
    jsonw_uint(w, "unverified", counts.of[ITEM_ACCEPTED]);
    jsonw_uint(w, "refused", counts.of[ITEM_REFUSED]);
    jsonw_uint(w, "there", counts.of[ITEM_FOUND]);
    write_refused(way, w);
    gate_unlock(&way->gate);
    jsonw_end(w);
}

void
plain_report(struct plain *p, struct jsonw *w)
{
    jsonw_array(w, "targets");
    for (size_t i = 0; i < p->ways_n; i++)
        write_way(&p->ways[i], w);
    jsonw_end(w);
}

/* ---- by a person ---- */

static struct way *
find_way(struct plain *p, const char *target)
{
    for (size_t i = 0; i < p->ways_n; i++)
        if (strcmp(p->ways[i].conf->name, target) == 0)
            return &p->ways[i];
    return NULL;
}

/* Gate held. */
static bool
decide(struct way *way, uint64_t id, enum item_state to)
{
    struct item *item = queue_open(way->queue, id);

    if (item == NULL || item->state != ITEM_REFUSED ||
        !way_mark(way, item, to == ITEM_LEFT ? MARK_LEFT : MARK_AGAIN))
        return false;
    item->tries = 0;
    queue_set(way->queue, id, to, clock_wall_us());
    return true;
}

static int
decide_all(struct plain *p, const char *target, uint64_t id, enum item_state to, struct err *err)
{
    struct way *way = find_way(p, target);
    struct item *items;
    size_t n, done = 0;

    if (way == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no such target");
    if (way->conf->is_archive)
        return err_set(err, ERR_CONFLICT, "it is put aside for all: release it there");
    items = mem_new(DECIDED_AT_ONCE * sizeof *items);
    gate_lock(&way->gate);
    n = queue_refused(way->queue, items, DECIDED_AT_ONCE);
    for (size_t i = 0; i < n; i++)
        if (id == 0 || items[i].id == id)
            done += decide(way, items[i].id, to);
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
    free(items);
    if (done == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing of it was refused there");
    if (!way_sync(way))
        return err_set(err, ERR_RETRY, "it could not be written down");
    return 0;
}

int
plain_requeue(struct plain *p, const char *target, uint64_t id, struct err *err)
{
    return decide_all(p, target, id, ITEM_WAITING, err);
}

int
plain_leave(struct plain *p, const char *target, uint64_t id, struct err *err)
{
    return decide_all(p, target, id, ITEM_LEFT, err);
}
