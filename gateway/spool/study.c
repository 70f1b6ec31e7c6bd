/* study.c - what belongs to a study: counts, open associations, quiet time, manifests. */
#include "gateway/spool/internal.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static struct association *
find_association(struct spool *sp, uint64_t number)
{
    for (size_t i = 0; i < sp->associations_n; i++)
        if (sp->associations[i].number == number)
            return &sp->associations[i];
    return NULL;
}

uint64_t
spool_association_begin(struct spool *sp)
{
    uint64_t number;

    gate_lock(&sp->gate);
    number = ++sp->next_association;
    sp->associations =
        mem_grow(sp->associations, (sp->associations_n + 1) * sizeof *sp->associations);
    sp->associations[sp->associations_n++] = (struct association){.number = number};
    spool_changed(sp);
    gate_unlock(&sp->gate);
    return number;
}

void
spool_association_end(struct spool *sp, uint64_t number)
{
    struct association *a;

    gate_lock(&sp->gate);
    a = find_association(sp, number);
    if (a != NULL) {
        for (size_t i = 0; i < a->n; i++) {
            a->studies[i]->open_associations--;
            a->studies[i]->moved_ms = clock_mono_ms();
        }
        free(a->studies);
        *a = sp->associations[--sp->associations_n];
    }
    spool_changed(sp);
    gate_unlock(&sp->gate);
}

void
study_note_arrival(struct spool *sp, struct entry *e)
{
    struct association *a = find_association(sp, e->association);

    if (a == NULL || e->study == NULL)
        return;
    for (size_t i = 0; i < a->n; i++)
        if (a->studies[i] == e->study)
            return;
    a->studies = mem_grow(a->studies, (a->n + 1) * sizeof(struct study *));
    a->studies[a->n++] = e->study;
    e->study->open_associations++;
}

static void
describe(const struct spool *sp, const struct study *s, struct spool_study *out)
{
    *out = (struct spool_study){0};
    text_copy(out->study_uid, sizeof out->study_uid, s->uid);
    text_copy(out->calling_ae, sizeof out->calling_ae, s->calling_ae);
    text_copy(out->modality, sizeof out->modality, s->first.modality);
    text_copy(out->study_date, sizeof out->study_date, s->first.study_date);
    text_copy(out->study_time, sizeof out->study_time, s->first.study_time);
    text_copy(out->body_part, sizeof out->body_part, s->first.body_part);
    memcpy(out->counts, s->counts, sizeof out->counts);
    out->total = s->total;
    out->bytes = s->bytes;
    out->bytes_ready = s->bytes_ready;
    out->bytes_before = s->bytes_before;
    out->bytes_unready = s->bytes_unready;
    out->bytes_held = s->bytes_held;
    out->first_arrival_us = s->first_arrival_us;
    out->last_arrival_us = s->last_arrival_us;
    out->first_id = s->first_id;
    out->paused = s->paused;
    out->lost = s->lost;
    out->lost_mark = s->lost_mark;
    out->gone = s->gone;
    out->open_associations = s->open_associations;
    out->revision = s->revision;
    out->closed_at_us = s->closed_at_us;
    out->acked_revision = s->acked_revision;
    out->unlisted = s->unlisted;
    out->leaving = study_leaving(s);
    out->aside = s->aside;
    out->uninspected = sp->ledger.counts[INSTANCE_RECEIVED];
    if (s->open_associations == 0 && sp->ledger.counts[INSTANCE_RECEIVED] == 0)
        out->quiet_ms = clock_mono_ms() - s->moved_ms;
}

static int
by_arrival(const void *a, const void *b)
{
    const struct spool_study *x = a, *y = b;

    return (x->first_id > y->first_id) - (x->first_id < y->first_id);
}

static void
collect(struct spool *sp, bool (*is_wanted)(const struct study *s),
        struct spool_study **out_studies, size_t *out_n)
{
    struct spool_study *list;
    size_t n = 0;

    gate_lock(&sp->gate);
    list = mem_new((sp->ledger.studies_n + 1) * sizeof *list);
    for (size_t i = 0; i < sp->ledger.studies_n; i++)
        if (is_wanted(sp->ledger.studies[i]))
            describe(sp, sp->ledger.studies[i], &list[n++]);
    gate_unlock(&sp->gate);
    qsort(list, n, sizeof *list, by_arrival);
    *out_studies = list;
    *out_n = n;
}

static bool
has_entries(const struct study *s)
{
    return s->total > 0;
}

static bool
has_list(const struct study *s)
{
    return s->total > 0 || study_leaving(s) > 0 || s->revision > s->acked_revision;
}

void
spool_studies(struct spool *sp, struct spool_study **out_studies, size_t *out_n)
{
    collect(sp, has_entries, out_studies, out_n);
}

void
spool_lists(struct spool *sp, struct spool_study **out_studies, size_t *out_n)
{
    collect(sp, has_list, out_studies, out_n);
}

/* Locked. */
static bool
is_unsealed(const struct study *s)
{
    const uint64_t *n = s->counts;

    return n[INSTANCE_HELD] > 0 &&
           n[INSTANCE_HELD] + n[INSTANCE_SEALED] + n[INSTANCE_DUPLICATE] == s->total &&
           s->revision > 0 && s->acked_revision == s->revision &&
           s->unlisted + study_leaving(s) + s->aside + s->lost == 0;
}

void
spool_unsealed(struct spool *sp, struct spool_unsealed *out)
{
    int64_t oldest_us = INT64_MAX;

    *out = (struct spool_unsealed){0};
    gate_lock(&sp->gate);
    for (size_t i = 0; i < sp->ledger.studies_n; i++)
        out->studies += is_unsealed(sp->ledger.studies[i]);
    for (size_t i = 0; i < sp->ledger.n && out->studies > 0; i++) {
        const struct entry *e = sp->ledger.entries[i];
        int64_t at_us = e->r.at_us[INSTANCE_HELD];

        if (e->r.state != INSTANCE_HELD || e->study == NULL || !is_unsealed(e->study))
            continue;
        at_us = at_us > e->study->closed_at_us ? at_us : e->study->closed_at_us;
        oldest_us = at_us < oldest_us ? at_us : oldest_us;
    }
    gate_unlock(&sp->gate);
    out->since_us = oldest_us < INT64_MAX ? oldest_us : 0;
}

int
spool_study(struct spool *sp, const char *study_uid, struct spool_study *out, struct err *err)
{
    struct study *s;

    gate_lock(&sp->gate);
    s = ledger_study(&sp->ledger, study_uid);
    if (s != NULL)
        describe(sp, s, out);
    gate_unlock(&sp->gate);
    return s != NULL ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such study");
}

/* Locked. It is on the study's list, and the next one is closed without it. */
static bool
is_leaving(const struct study *s, const struct record *r)
{
    if (r->study_uid != s->uid || !record_is_on_list(r)) /* shared words */
        return false;
    if (r->state == INSTANCE_QUARANTINED)
        return s->revision > s->acked_revision;
    return record_is_off(r);
}

/* The body of the next manifest; false when there is nothing new. Locked. */
static bool
make_manifest(struct spool *sp, struct study *s, bool is_due, uint32_t past, struct buf *body,
              uint32_t *out_revision)
{
    size_t most = (size_t)(s->unlisted + study_leaving(s));
    uint64_t *news = mem_new(2 * most * sizeof *news), *leaving = news + most;
    struct journal_list list = {.news = news, .leaving = leaving};

    for (size_t i = 0; i < sp->ledger.n && list.news_n + list.leaving_n < most; i++) {
        const struct entry *e = sp->ledger.entries[i];

        if (e->study == s && record_is_unlisted(&e->r))
            news[list.news_n++] = e->r.id;
        else if (is_leaving(s, &e->r))
            leaving[list.leaving_n++] = e->r.id;
    }
    is_due = is_due || list.news_n + list.leaving_n > 0;
    *out_revision = (s->revision > past ? s->revision : past) + is_due;
    if (is_due)
        journal_body_manifest(body, s->uid, *out_revision, clock_wall_us(), &list);
    free(news);
    return is_due;
}

/* One at a time, until its list is shown: another under the same number would name what was
 * inspected since, this one be acknowledged, and the centre never hear of that. */
static int
close_list(struct spool *sp, const char *study_uid, bool is_due, uint32_t past,
           uint32_t *out_revision, struct err *err)
{
    struct work w = {.kind = WORK_BODY};
    uint32_t revision = 0;
    struct study *s;
    int rc = 0;

    buf_init(&w.body, JOURNAL_BODY_BYTES);
    pthread_mutex_lock(&sp->listing);
    gate_lock(&sp->gate);
    s = ledger_study(&sp->ledger, study_uid);
    if (s != NULL)
        is_due = make_manifest(sp, s, is_due, past, &w.body, &revision);
    gate_unlock(&sp->gate);
    if (s == NULL)
        rc = err_set(err, ERR_NOT_FOUND, "there is no such study");
    else if (is_due)
        rc = committer_do(sp, &w, err);
    pthread_mutex_unlock(&sp->listing);
    buf_fini(&w.body);
    if (rc < 0)
        return err_context(err, "close manifest");
    *out_revision = revision;
    return 0;
}

int
spool_manifest_close(struct spool *sp, const char *study_uid, uint32_t *out_revision,
                     struct err *err)
{
    return close_list(sp, study_uid, false, 0, out_revision, err);
}

int
spool_manifest_renumber(struct spool *sp, const char *study_uid, uint32_t past,
                        uint32_t *out_revision, struct err *err)
{
    return close_list(sp, study_uid, true, past, out_revision, err);
}

int
spool_manifest_acked(struct spool *sp, const char *study_uid, uint32_t revision, struct err *err)
{
    struct work w = {.kind = WORK_BODY};
    struct study *s;
    int rc;

    buf_init(&w.body, JOURNAL_BODY_BYTES);
    gate_lock(&sp->gate);
    s = ledger_study(&sp->ledger, study_uid);
    if (s != NULL)
        journal_body_acked(&w.body, s->uid, revision);
    gate_unlock(&sp->gate);
    if (s == NULL)
        rc = err_set(err, ERR_NOT_FOUND, "there is no such study");
    else
        rc = committer_do(sp, &w, err);
    buf_fini(&w.body);
    return rc < 0 ? err_context(err, "acknowledge manifest") : 0;
}

uint64_t
spool_number_get(struct spool *sp, const char *name)
{
    uint64_t *at, value;

    gate_lock(&sp->gate);
    at = ledger_number(&sp->ledger, name, false);
    value = at != NULL ? *at : 0;
    gate_unlock(&sp->gate);
    return value;
}

int
spool_number_set(struct spool *sp, const char *name, uint64_t value, struct err *err)
{
    struct work w = {.kind = WORK_BODY};
    int rc;

    buf_init(&w.body, JOURNAL_BODY_BYTES);
    journal_body_number(&w.body, name, value);
    rc = committer_do(sp, &w, err);
    buf_fini(&w.body);
    return rc < 0 ? err_context(err, "number %s", name) : 0;
}
