/* reconcile_pass.c - one comparison: gather what we believe, ask from days down to objects, repair.
 */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LOGGED_MOST = 100 };
/* A receipt may be on its way so long: that we have not heard of a seal is no difference yet. */
static const int64_t receipt_late_us = INT64_C(60) * 1000000;

/* What we believe of one entry. */
struct belief {
    uint64_t id;
    uint8_t object[LINK_HASH_BYTES];
    bool is_sealed;
    bool is_doubted; /* to be asked for by name */
};

/* Where the beliefs of a study are that is told by a digest. */
struct place {
    char study[65];
    uint32_t revision;
    size_t from, n;
};

struct pass {
    struct uplink *up;
    struct talk *talk;
    struct link_reconciled *out;
    struct belief *beliefs; /* those of a study side by side */
    size_t n, room;
    struct place *places;       /* by study */
    struct link_study *studies; /* as many, by day */
    size_t studies_n;
};

/* ---- gathering ---- */

static void
add_belief(struct pass *p, const struct spool_entry *entry)
{
    struct belief *b;

    if (p->n == p->room) {
        p->room = p->room == 0 ? 1024 : 2 * p->room;
        p->beliefs = mem_grow(p->beliefs, p->room * sizeof *p->beliefs);
    }
    b = &p->beliefs[p->n++];
    *b = (struct belief){.id = entry->id, .is_sealed = entry->state == INSTANCE_SEALED};
    memcpy(b->object, entry->object_sha256, sizeof b->object);
    b->is_doubted = !b->is_sealed || entry->is_lost; /* few, and each must be there */
}

/* The study's beliefs; true: all of its newest list that is told, so its digest says it. */
static bool
gather_entries(struct pass *p, const struct spool_study *study)
{
    struct spool_filter filter = {.study_uid = study->study_uid};
    bool is_whole =
        study->revision > 0 && study->acked_revision == study->revision && study->leaving == 0;
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(p->up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_look(p->up->spool, ids[i], &entry, &err) < 0)
            continue; /* forgotten since it was listed */
        if ((INSTANCE_BIT(entry->state) & INSTANCE_UNLISTED) != 0 || entry->is_gone ||
            is_elsewhere(p->up, entry))
            ; /* not of the list */
        else if (entry->state == INSTANCE_HELD || entry->state == INSTANCE_SEALED)
            add_belief(p, entry);
        else
            is_whole = is_whole && entry->revision == 0; /* a listed one is on its way */
        spool_entry_free(&entry);
    }
    free(ids);
    return is_whole;
}

/* What is lost for good is on no list, and may be found all the same. */
static void
gather_gone(struct pass *p, const struct spool_study *study)
{
    struct spool_filter filter = {.study_uid = study->study_uid,
                                  .states = INSTANCE_BIT(INSTANCE_SEALED)};
    uint64_t *ids = NULL;
    size_t n = 0;

    spool_list(p->up->spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_look(p->up->spool, ids[i], &entry, &err) == 0 && entry->is_gone)
            add_belief(p, entry);
        spool_entry_free(&entry);
    }
    free(ids);
}

static void
reckon_study(struct pass *p, const struct spool_study *study, size_t from)
{
    size_t n = p->n - from;
    struct link_claim *claims = mem_new((n + 1) * sizeof *claims);
    struct link_study *out = &p->studies[p->studies_n];

    for (size_t i = 0; i < n; i++) {
        memcpy(claims[i].object, p->beliefs[from + i].object, LINK_HASH_BYTES);
        claims[i].letter = p->beliefs[from + i].is_sealed ? LINK_CLAIM_SEALED : LINK_CLAIM_HELD;
    }
    link_study_reckon(claims, n, out);
    text_copy(out->study, sizeof out->study, study->study_uid);
    out->day = link_day_of(study->closed_at_us);
    out->revision = study->revision;
    p->places[p->studies_n] = (struct place){.revision = study->revision, .from = from, .n = n};
    text_copy(p->places[p->studies_n].study, sizeof p->places->study, study->study_uid);
    p->studies_n++;
    free(claims);
}

static void
doubt(struct pass *p, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++)
        p->beliefs[i].is_doubted = true;
}

static int
by_study(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return strcmp(x->study, y->study);
}

static void
gather(struct pass *p)
{
    struct spool_study *studies = NULL;
    size_t n = 0;

    spool_studies(p->up->spool, &studies, &n);
    p->studies = mem_new((n + 1) * sizeof *p->studies);
    p->places = mem_new((n + 1) * sizeof *p->places);
    for (size_t i = 0; i < n && !up_is_stopping(p->up); i++) {
        size_t from = p->n;
        bool is_whole = gather_entries(p, &studies[i]);

        if (p->n > from) {
            p->out->studies++;
            if (is_whole)
                reckon_study(p, &studies[i], from);
            else
                doubt(p, from, p->n - from);
        }
        if (studies[i].gone > 0)
            gather_gone(p, &studies[i]);
    }
    if (p->studies_n > 0)
        qsort(p->places, p->studies_n, sizeof *p->places, by_study);
    p->out->objects = p->n;
    free(studies);
}

/* ---- asking ---- */

/* The centre has another list than we: it has lost ours, or was told one that we have forgotten. */
static void
settle_list(struct pass *p, const struct place *ours, const struct link_study *centres)
{
    struct spool_study now = {0};
    struct err err = {0};

    if (centres->revision == ours->revision)
        return;
    if (centres->revision > ours->revision &&
        spool_study(p->up->spool, ours->study, &now, &err) == 0 &&
        centres->revision <= now.revision)
        return; /* closed and told since we gathered */
    p->out->different++;
    LOG(&uplink_log, UPLINK_LIST_DIFFERS, F_UID("study", ours->study),
        F_NUMBER("revision", ours->revision), F_NUMBER("centre", centres->revision));
    if (centres->revision > ours->revision)
        return;
    if (spool_manifest_acked(p->up->spool, ours->study, centres->revision, &err) < 0) {
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_UID("study", ours->study), F_ERR(&err));
        return;
    }
    p->out->repaired++;
}

static void
take_study(struct pass *p, const struct link_study *centres)
{
    struct place key;
    const struct place *ours;

    text_copy(key.study, sizeof key.study, centres->study);
    ours = bsearch(&key, p->places, p->studies_n, sizeof key, by_study);
    if (ours == NULL)
        return; /* nothing we asked about */
    settle_list(p, ours, centres);
    doubt(p, ours->from, ours->n);
}

static int
ask_studies(struct pass *p, const struct link_study *studies, size_t n, struct err *err)
{
    while (n > 0) {
        size_t some = n < LIMIT_RECONCILE_STUDIES ? n : LIMIT_RECONCILE_STUDIES;
        struct link_studies ask = {mem_new(some * sizeof *ask.studies), some}, differ = {0};
        int rc;

        memcpy(ask.studies, studies, some * sizeof *studies);
        rc = talk_reconcile_studies(p->talk, &ask, &differ, err);
        link_studies_free(&ask);
        if (rc < 0)
            return -1;
        for (size_t i = 0; i < differ.count; i++)
            take_study(p, &differ.studies[i]);
        link_studies_free(&differ);
        studies += some;
        n -= some;
    }
    return 0;
}

/* The studies of one day lie side by side. */
static int
narrow_day(struct pass *p, int64_t day, struct err *err)
{
    size_t from = 0, n = 0;

    while (from < p->studies_n && p->studies[from].day < day)
        from++;
    while (from + n < p->studies_n && p->studies[from + n].day == day)
        n++;
    return ask_studies(p, p->studies + from, n, err);
}

static int
ask_days(struct pass *p, struct err *err)
{
    struct link_days days;
    int rc = 0;

    link_days_reckon(p->studies, p->studies_n, &days);
    p->out->days = days.count;
    for (size_t at = 0; at < days.count && rc == 0; at += LIMIT_RECONCILE_DAYS) {
        size_t left = days.count - at;
        struct link_days ask = {days.days + at,
                                left < LIMIT_RECONCILE_DAYS ? left : LIMIT_RECONCILE_DAYS};
        struct link_days differ = {0};

        rc = talk_reconcile_days(p->talk, &ask, &differ, err);
        for (size_t i = 0; i < differ.count && rc == 0; i++)
            rc = narrow_day(p, differ.days[i].day, err);
        link_days_free(&differ);
    }
    link_days_free(&days);
    return rc;
}

/* ---- what the centre says of an object ---- */

static void
tell_lost(struct pass *p, const struct belief *b, const struct spool_entry *entry)
{
    struct log_ctx ctx = log_of_entry(b->id);
    struct link_reconciled *out = p->out;
    struct link_lost *l;

    if (out->lost++ < LOGGED_MOST)
        LOG(&ctx, UPLINK_LOST, F_UID("study", entry->facts.study_uid),
            F_UID("instance", entry->meta.sop_instance), F_HEX("object", b->object, 32));
    if (out->count >= LIMIT_RECONCILE_LOST)
        return;
    out->list = mem_grow(out->list, (out->count + 1) * sizeof *out->list);
    l = &out->list[out->count++];
    memcpy(l->object, b->object, sizeof l->object);
    text_copy(l->sop_instance, sizeof l->sop_instance, entry->meta.sop_instance);
    text_copy(l->study, sizeof l->study, entry->facts.study_uid);
}

/* Marked first: from then on nobody takes it for safe. Where a copy of it is here yet, that goes.
 */
static int
note_lost(struct pass *p, const struct belief *b, const struct spool_entry *entry, struct err *err)
{
    struct log_ctx ctx = log_of_entry(b->id);
    size_t released;

    if (spool_set_lost(p->up->spool, b->id, &released, err) < 0)
        return err->kind == ERR_CONFLICT ? 0 : -1; /* else it has moved on meanwhile */
    if (released == 0) {
        tell_lost(p, b, entry);
        return 0;
    }
    LOG(&ctx, UPLINK_WANTED_AGAIN);
    p->out->repaired++;
    return 0;
}

/* Lost before, by a comparison or by us: it is sealed there now. */
static int
note_found(struct pass *p, const struct belief *b, struct err *err)
{
    struct log_ctx ctx = log_of_entry(b->id);

    if (spool_set_found(p->up->spool, b->id, err) < 0)
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    LOG(&ctx, UPLINK_FOUND);
    return 0;
}

static void
note_repair(struct pass *p, const struct belief *b, int rc, const struct err *err)
{
    struct log_ctx ctx = log_of_entry(b->id);

    if (rc == 0)
        p->out->repaired++;
    else if (err->kind != ERR_CONFLICT) /* else it has moved on meanwhile */
        LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(err));
}

/* We say sealed. */
static int
settle_sealed(struct pass *p, const struct belief *b, const struct spool_entry *entry,
              enum link_state says, struct err *out_err)
{
    struct log_ctx ctx = log_of_entry(b->id);
    struct err err = {0};

    if (says == LINK_SEALED)
        return entry->is_lost ? note_found(p, b, out_err) : 0;
    if (entry->is_gone) /* as a person said */
        return 0;
    p->out->different++;
    if (says == LINK_QUARANTINED) {
        LOG(&ctx, UPLINK_ASIDE_THERE, F_UID("instance", entry->meta.sop_instance));
        return 0;
    }
    if (spool_requeue(p->up->spool, b->id, &err) == 0) {
        LOG(&ctx, UPLINK_WANTED_AGAIN);
        p->out->repaired++;
        later_forget(p->up, b->id);
    } else if (err.kind == ERR_NOT_FOUND && says != LINK_HELD) {
        return note_lost(p, b, entry, out_err);
    } else if (err.kind != ERR_NOT_FOUND) {
        note_repair(p, b, -1, &err);
    } /* else it is whole there, and will be sealed */
    return 0;
}

/* We say held. */
static void
settle_held(struct pass *p, const struct belief *b, const struct spool_entry *entry,
            const struct link_object_state *says)
{
    struct log_ctx ctx = log_of_entry(b->id);
    int64_t age_us = clock_wall_us() - entry->state_at_us[INSTANCE_HELD];
    struct err err = {0};
    int rc;

    if (says->state == LINK_HELD || entry->is_paused)
        return;
    if (says->state == LINK_QUARANTINED) {
        p->out->different++;
        settle_object(p->up, b->id, says, true);
        p->out->repaired++;
        return;
    }
    if (says->state == LINK_SEALED) {
        if (age_us >= 0 && age_us < receipt_late_us)
            return;
        rc = spool_set_sealed(p->up->spool, b->id, 0, &err);
    } else {
        LOG(&ctx, UPLINK_WANTED_AGAIN);
        rc = spool_set_wanted(p->up->spool, b->id, &err);
    }
    p->out->different++;
    note_repair(p, b, rc, &err);
}

/* It may have moved on since it was gathered: then nothing is said of it. Fails only where a mark
 * could not be made: nothing else would make it before the next day. */
static int
settle_belief(struct pass *p, const struct belief *b, const struct link_object_state *says,
              struct err *err)
{
    struct spool_entry *entry = NULL;
    struct err gone = {0};
    int rc = 0;

    if (spool_look(p->up->spool, b->id, &entry, &gone) < 0)
        return 0;
    if (memcmp(entry->object_sha256, b->object, sizeof b->object) == 0) {
        if (b->is_sealed && entry->state == INSTANCE_SEALED)
            rc = settle_sealed(p, b, entry, says->state, err);
        else if (!b->is_sealed && entry->state == INSTANCE_HELD)
            settle_held(p, b, entry, says);
    }
    spool_entry_free(&entry);
    return rc;
}

static int
ask_objects(struct pass *p, const struct belief *const *doubted, size_t n, struct err *err)
{
    struct link_objects ask = {mem_new((n + 1) * sizeof *ask.objects), n};
    struct link_answer answer = {0};
    int rc;

    for (size_t i = 0; i < n; i++)
        memcpy(ask.objects[i], doubted[i]->object, LINK_HASH_BYTES);
    rc = talk_reconcile_objects(p->talk, &ask, &answer, err);
    for (size_t i = 0; i < n && i < answer.count && rc == 0; i++)
        if (memcmp(answer.objects[i].object, doubted[i]->object, LINK_HASH_BYTES) == 0)
            rc = settle_belief(p, doubted[i], &answer.objects[i], err);
    link_answer_free(&answer);
    link_objects_free(&ask);
    return rc;
}

static int
ask_doubted(struct pass *p, struct err *err)
{
    const struct belief **some = mem_new(LIMIT_RECONCILE_OBJECTS * sizeof(struct belief *));
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < p->n && rc == 0; i++) {
        if (p->beliefs[i].is_doubted)
            some[n++] = &p->beliefs[i];
        if (n == LIMIT_RECONCILE_OBJECTS || (i + 1 == p->n && n > 0)) {
            rc = ask_objects(p, some, n, err);
            n = 0;
        }
    }
    free(some);
    return rc;
}

int
reconcile_pass(struct uplink *up, struct talk *t, struct link_reconciled *out, struct err *err)
{
    struct pass p = {.up = up, .talk = t, .out = out};
    int rc = -1;

    out->at_us = clock_wall_us();
    gate_lock(&up->gate);
    out->catalog = up->reconciler.catalog;
    gate_unlock(&up->gate);
    gather(&p);
    if (up_is_stopping(up))
        err_set(err, ERR_RETRY, "stopping");
    else if (ask_days(&p, err) == 0 && ask_doubted(&p, err) == 0)
        rc = 0;
    up_news(up); /* what is wanted again goes now */
    free(p.beliefs);
    free(p.places);
    free(p.studies);
    return rc < 0 ? err_context(err, "reconcile") : 0;
}
