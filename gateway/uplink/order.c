/* order.c - how soon which study is wanted: told, kept, obeyed by plan and coders; and how far each
 * one is. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 16 << 10, ORDERED_MS = 86400000 };

/* ---- urgency ---- */

/* Of an urgent word, for a day by a clock that nobody sets: said under a clock that is days off, it
 * is obeyed all the same when that is set right. Gate held. */
static void
mind(struct uplink *up, const struct uplink_urgent *row)
{
    int64_t age_ms = (clock_wall_us() - row->at_us) / 1000, until_ms;

    if (row->urgency <= UPLINK_ROUTINE || age_ms >= ORDERED_MS)
        return;
    until_ms = clock_mono_ms() + ORDERED_MS - (age_ms > 0 ? age_ms : 0);
    if (until_ms > up->ordered_until_ms)
        up->ordered_until_ms = until_ms;
}

/* Urging held, or before the threads. What others said is taken up; -1: not yet, the file stays as
 * it is. */
static int
load(struct uplink *up, struct err *err)
{
    struct urgency table = {.n = 0};
    bool was_corrupt = false;

    if (urgency_load(up->dir, &table, &was_corrupt, err) < 0)
        return -1;
    if (was_corrupt)
        LOG(&uplink_log, UPLINK_URGENCY_CORRUPT);
    gate_lock(&up->gate);
    urgency_fini(&up->urgency);
    up->urgency = table;
    up->is_urgency_unread = false;
    for (size_t i = 0; i < table.n; i++) {
        mind(up, &table.rows[i]);
        plan_set_urgency(up->plan, table.rows[i].study, (int)table.rows[i].urgency);
    }
    gate_unlock(&up->gate);
    return 0;
}

/* Nothing about urgency keeps images from going. */
void
order_begin(struct uplink *up)
{
    struct err err = {0};

    if (up->dir == NULL || load(up, &err) == 0)
        return;
    up->is_urgency_unread = true;
    LOG(&uplink_log, UPLINK_URGENCY_UNREAD, F_ERR(&err));
}

/* The table with one word more, on disk first. */
static int
say(struct uplink *up, const struct uplink_urgent *said, struct err *err)
{
    struct urgency table = {.n = 0}, old;
    int rc;

    pthread_mutex_lock(&up->urging);
    rc = up->is_urgency_unread ? load(up, err) : 0;
    if (rc == 0)
        rc = urgency_with(&up->urgency, said, &table, err);
    if (rc == 0 && up->dir != NULL)
        rc = urgency_save(up->dir, &table, err);
    if (rc == 0) {
        gate_lock(&up->gate);
        old = up->urgency;
        up->urgency = table;
        table = old;
        mind(up, said);
        plan_set_urgency(up->plan, said->study, (int)said->urgency);
        up->news++;
        gate_wake(&up->gate);
        gate_unlock(&up->gate);
        LOG(&uplink_log, UPLINK_URGENCY, F_UID("study", said->study),
            F_WORD("urgency", uplink_urgency_word(said->urgency)));
    }
    pthread_mutex_unlock(&up->urging);
    urgency_fini(&table);
    return rc < 0 ? err_context(err, "urgency of study %.64s", said->study) : 0;
}

static int
set_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency, enum uplink_by by,
            const char *reason, const char *who, struct err *err)
{
    struct uplink_urgent said = {.urgency = urgency, .by = by, .at_us = clock_wall_us()};

    if (!text_copy(said.study, sizeof said.study, study))
        return err_set(err, ERR_REJECT, "this is no study's number");
    text_copy(said.reason, sizeof said.reason, reason != NULL ? reason : "");
    text_copy(said.who, sizeof said.who, who != NULL ? who : "");
    return say(up, &said, err);
}

int
uplink_set_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                   const char *reason, const char *who, struct err *err)
{
    return set_urgency(up, study, urgency, UPLINK_BY_CLINIC, reason, who, err);
}

int
uplink_raise_urgency(struct uplink *up, const char *study, enum uplink_urgency urgency,
                     const char *reason, const char *who, struct err *err)
{
    struct uplink_urgent now;

    uplink_urgency(up, study, &now);
    if (now.urgency == urgency)
        return 0;
    return set_urgency(up, study, urgency, UPLINK_BY_READER, reason, who, err);
}

void
uplink_urgency(struct uplink *up, const char *study, struct uplink_urgent *out)
{
    const struct uplink_urgent *row;

    memset(out, 0, sizeof *out);
    text_copy(out->study, sizeof out->study, study);
    gate_lock(&up->gate);
    row = urgency_find(&up->urgency, study);
    if (row != NULL)
        *out = *row;
    gate_unlock(&up->gate);
}

enum uplink_urgency
order_of(struct uplink *up, const char *study)
{
    const struct uplink_urgent *row = urgency_find(&up->urgency, study);

    return row == NULL ? UPLINK_ROUTINE : row->urgency;
}

/* ---- the coders' order ---- */

/* Study Instance UID from the head of what was received and not looked into: for the order alone,
 * a wrong one costs nothing but time. */
static void
peek_study(struct uplink *up, uint64_t id, char out[65])
{
    struct dcm_part10 head;
    struct dcm_walk walk;
    struct dcm_element e;
    struct err ignored = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;

    out[0] = '\0';
    if (spool_read_received(up->spool, id, HEAD_BYTES, &bytes, &n, NULL, &ignored) < 0)
        return;
    if (dcm_part10_parse(bytes, n, &head, &ignored) == 0 && !head.syntax->is_deflated &&
        head.dataset_at <= n) {
        dcm_walk_init(&walk, bytes + head.dataset_at, n - head.dataset_at, head.syntax->coding,
                      DCM_WALK_PREFIX | DCM_WALK_STOP_AT_PIXELS);
        while (dcm_walk_next(&walk, &e, &ignored) == 0 && e.event != DCM_END &&
               (e.event != DCM_ELEMENT || e.depth > 0 || e.tag <= 0x0020000D))
            if (e.event == DCM_ELEMENT && e.depth == 0 && e.tag == 0x0020000D && e.value_n < 65) {
                memcpy(out, bytes + head.dataset_at + e.value_at, e.value_n);
                out[e.value_n] = '\0';
            }
    }
    free(bytes);
}

static void
study_of(struct uplink *up, uint64_t id, char out[65])
{
    struct spool_entry *entry = NULL;
    struct err ignored = {0};

    out[0] = '\0';
    if (spool_load(up->spool, id, &entry, &ignored) < 0)
        return;
    if (entry->is_inspected)
        text_copy(out, 65, entry->facts.study_uid);
    else
        peek_study(up, id, out);
    spool_entry_free(&entry);
}

/* Where an entry's study was noted, or would be. Coding held. */
static size_t
place_of_peek(const struct uplink *up, uint64_t id)
{
    size_t low = 0, high = up->peeks_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (up->peeks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The study, looked up once for each entry. Coding held. */
static const char *
peeked_study(struct uplink *up, uint64_t id)
{
    size_t at = place_of_peek(up, id);

    if (at < up->peeks_n && up->peeks[at].id == id)
        return up->peeks[at].study;
    if (up->peeks_n == up->peeks_room) {
        up->peeks_room = up->peeks_room == 0 ? 64 : 2 * up->peeks_room;
        up->peeks = mem_grow(up->peeks, up->peeks_room * sizeof *up->peeks);
    }
    memmove(up->peeks + at + 1, up->peeks + at, (up->peeks_n - at) * sizeof *up->peeks);
    up->peeks_n++;
    up->peeks[at].id = id;
    study_of(up, id, up->peeks[at].study);
    return up->peeks[at].study;
}

/* What has gone on since is forgotten. Coding held; ids ascend. */
static void
forget_peeks(struct uplink *up, const uint64_t *ids, size_t n)
{
    size_t kept = 0, k = 0;

    if (up->peeks_n < 2 * n + 256)
        return;
    for (size_t i = 0; i < up->peeks_n; i++) {
        while (k < n && ids[k] < up->peeks[i].id)
            k++;
        if (k < n && ids[k] == up->peeks[i].id)
            up->peeks[kept++] = up->peeks[i];
    }
    up->peeks_n = kept;
}

bool
order_is_on(struct uplink *up)
{
    bool is_on = false;

    gate_lock(&up->gate);
    for (size_t i = 0; i < up->urgency.n && clock_mono_ms() < up->ordered_until_ms; i++)
        is_on = is_on || up->urgency.rows[i].urgency > UPLINK_ROUTINE;
    gate_unlock(&up->gate);
    return is_on;
}

bool
order_is_stat(struct uplink *up, uint64_t id)
{
    const char *study;
    bool is_stat;

    if (!order_is_on(up))
        return false;
    pthread_mutex_lock(&up->coding);
    study = peeked_study(up, id);
    gate_lock(&up->gate);
    is_stat = order_of(up, study) == UPLINK_STAT;
    gate_unlock(&up->gate);
    pthread_mutex_unlock(&up->coding);
    return is_stat;
}

void
order_coding(struct uplink *up, uint64_t *ids, size_t n)
{
    enum uplink_urgency *urgencies = mem_new((n + 1) * sizeof *urgencies);
    uint64_t *sorted = mem_new((n + 1) * sizeof *sorted);
    size_t kept = 0;

    pthread_mutex_lock(&up->coding);
    forget_peeks(up, ids, n);
    for (size_t i = 0; i < n; i++) {
        const char *study = peeked_study(up, ids[i]);

        gate_lock(&up->gate);
        urgencies[i] = order_of(up, study);
        gate_unlock(&up->gate);
    }
    pthread_mutex_unlock(&up->coding);
    for (int u = UPLINK_STAT; u >= UPLINK_ROUTINE; u--)
        for (size_t i = 0; i < n; i++)
            if ((int)urgencies[i] == u)
                sorted[kept++] = ids[i];
    if (n > 0)
        memcpy(ids, sorted, n * sizeof *ids);
    free(sorted);
    free(urgencies);
}

/* ---- progress ---- */

/* What is not coded yet will shrink about as the others did; before there are others, by half. */
static void
reckon_bytes(const struct spool_study *s, bool is_coding_off, struct uplink_progress *out)
{
    uint64_t raw = s->bytes_unready;

    out->bytes_all = s->bytes_ready;
    out->is_estimate = raw > 0;
    if (raw == 0)
        return;
    if (is_coding_off)
        out->bytes_all += raw;
    else if (s->bytes_before > 0)
        out->bytes_all +=
            (uint64_t)((double)raw * (double)s->bytes_ready / (double)s->bytes_before);
    else
        out->bytes_all += raw / 2;
}

/* Of the spool; the plan's part comes on top. */
static void
describe(struct uplink *up, const struct spool_study *s, struct uplink_progress *out)
{
    memset(out, 0, sizeof *out);
    text_copy(out->study, sizeof out->study, s->study_uid);
    out->objects = s->total - s->counts[INSTANCE_QUARANTINED] - s->counts[INSTANCE_DUPLICATE];
    out->sealed = s->counts[INSTANCE_SEALED];
    out->held = s->counts[INSTANCE_HELD] + out->sealed;
    out->looked = s->counts[INSTANCE_LOOKED] + out->held;
    out->bytes_there = s->bytes_held;
    out->seconds_left = -1;
    reckon_bytes(s, up->o.coding == UPLINK_CODING_OFF, out);
}

/* Gate held. */
static void
describe_line(struct uplink *up, struct uplink_progress *out)
{
    const struct up_line *best = serving_best(up);
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < up->lines_n; i++)
        if (line_is_serving(&up->lines[i]))
            out->bytes_per_s += meter_read(&up->lines[i].meter, now);
    if (best != NULL)
        text_copy(out->line, sizeof out->line, best->set.name);
    out->urgency = order_of(up, out->study);
}

/* Before its last byte go `before` bytes; what is not in the plan yet comes behind them. */
static void
reckon_time(struct uplink_progress *p, uint64_t before, uint64_t missing)
{
    uint64_t left = p->bytes_all > p->bytes_there ? p->bytes_all - p->bytes_there : 0;

    if (p->held == p->objects)
        p->seconds_left = 0;
    else if (p->bytes_per_s > 0)
        p->seconds_left =
            (int64_t)((before + (left > missing ? left - missing : 0)) / p->bytes_per_s) + 1;
}

struct wanted {
    struct uplink *up;
    struct uplink_progress *list;
    size_t n;
};

static void
add_far(void *user, const struct plan_far *far)
{
    struct wanted *w = user;

    for (size_t i = 0; i < w->n; i++) {
        struct uplink_progress *p = &w->list[i];

        if (strcmp(p->study, far->study) != 0)
            continue;
        p->bytes_there += far->bytes - far->missing_bytes;
        if (p->bytes_there > p->bytes_all)
            p->bytes_there = p->bytes_all;
        reckon_time(p, far->before_bytes, far->missing_bytes);
        return;
    }
}

/* The gate's part of all of them. */
static void
finish(struct uplink *up, struct uplink_progress *list, size_t n)
{
    struct wanted wanted = {up, list, n};

    gate_lock(&up->gate);
    for (size_t i = 0; i < n; i++) {
        describe_line(up, &list[i]);
        reckon_time(&list[i], 0, 0);
    }
    plan_each_study(up->plan, add_far, &wanted);
    gate_unlock(&up->gate);
}

bool
uplink_progress(struct uplink *up, const char *study, struct uplink_progress *out)
{
    struct spool_study s;
    struct err ignored = {0};

    if (spool_study(up->spool, study, &s, &ignored) < 0)
        return false;
    describe(up, &s, out);
    finish(up, out, 1);
    return true;
}

static int
by_time(const void *a, const void *b)
{
    const struct uplink_progress *x = a, *y = b;

    if (x->urgency != y->urgency)
        return x->urgency > y->urgency ? -1 : 1;
    return (x->seconds_left > y->seconds_left) - (x->seconds_left < y->seconds_left);
}

void
uplink_each_progress(struct uplink *up, uplink_progress_fn fn, void *user)
{
    struct spool_study *studies = NULL;
    struct uplink_progress *list;
    size_t n = 0, kept = 0;

    spool_studies(up->spool, &studies, &n);
    list = mem_new((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        describe(up, &studies[i], &list[kept]);
        if (list[kept].held < list[kept].objects)
            kept++;
    }
    finish(up, list, kept);
    qsort(list, kept, sizeof *list, by_time);
    for (size_t i = 0; i < kept; i++)
        fn(user, &list[i]);
    free(list);
    free(studies);
}
