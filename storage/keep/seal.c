/* seal.c - from held to sealed: make packs, read every copy back, say so.
 *
 *     jobs (which instances: fixed) > written in tmp/ > published in each store > read back >
 *     one transaction: packs, copies, instances, receipts, events > landing files cleaned
 *
 * Many studies are small: several packs are made at a time, so that they share their syncs, the
 * transaction and the locks that receipts and events are numbered under.
 * 1. A crash anywhere leaves the jobs open; doing them again makes the same bytes under the same
 *    names.
 * 2. A job's row stays locked while it is worked on, and nobody else takes it; a crash or a lost
 *    connection frees it.
 * 3. Receipts are written in the same transaction that says where the packs are.
 * 4. A pack that cannot be made costs none of the others; its job is tried again, and alone. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "storage/keep/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_FIRST_MS = 1000, RETRY_LAST_MS = 300000 };
/* Packs at a time: as many as small studies need to share what a pack costs, and no more bytes than
 * the first of them may wait for. */
enum { GROUP_PACKS = 16, GROUP_BYTES = 32 * 1024 * 1024, NUMBER_TEXT = 24 };
enum { BEHIND_PACKS = 1000 };

static const char *const study_names[] = {
    "study_uid", "patient_id",  "issuer",     "patient_name", "birth_date",
    "sex",       "age",         "study_date", "study_time",   "accession",
    "study_id",  "description", "referring",  "institution",
};
static const char *const series_names[] = {
    "series_uid",  "modality",    "number",  "description", "body_part",
    "series_date", "series_time", "station", "institution",
};

/* One job: it becomes a pack. */
struct sealing {
    struct pg_rows *job, *series, *instances; /* the plan's texts live in these */
    int64_t id, attempts;
    uint64_t bytes;
    char number[NUMBER_TEXT];
    struct pack_fact study_facts[ARRAY_LEN(study_names)];
    struct pack_fact series_facts[ARRAY_LEN(series_names)];
    struct pack_plan plan;
    struct pack_draft draft;
    struct err why; /* it is not sealed in this group */
};

struct group {
    struct keep *k;
    struct pg_conn *conn;
    const char *stores[KEEP_COPIES];
    struct sealing *all;
    size_t n;
    uint64_t bytes;
};

void (*seal_on_step)(const char *step);

static void
step(const char *name)
{
    if (seal_on_step != NULL)
        seal_on_step(name);
}

static bool
is_good(const struct sealing *s)
{
    return s->why.kind == ERR_NONE;
}

/* ---- the plan ---- */

static void
plan_facts(struct sealing *s)
{
    for (size_t i = 0; i < ARRAY_LEN(study_names); i++)
        s->study_facts[i] = (struct pack_fact){study_names[i], pg_text(s->series, 0, (int)i)};
    for (size_t i = 0; i < ARRAY_LEN(series_names); i++) {
        int column = (int)(ARRAY_LEN(study_names) + i);
        const char *value = s->number;

        if (strcmp(series_names[i], "number") == 0)
            snprintf(s->number, sizeof s->number, "%lld", (long long)pg_int(s->series, 0, column));
        else
            value = pg_text(s->series, 0, column);
        s->series_facts[i] = (struct pack_fact){series_names[i], value};
    }
    s->plan.study = s->study_facts;
    s->plan.study_n = ARRAY_LEN(study_names);
    s->plan.series = s->series_facts;
    s->plan.series_n = ARRAY_LEN(series_names);
}

static void
plan_member(const struct pg_rows *r, size_t i, struct pack_member *m)
{
    m->id = pg_int(r, i, 0);
    pg_copy_bytes(r, i, 1, m->object, 32);
    m->size = (uint64_t)pg_int(r, i, 2);
    m->sop_class = pg_text(r, i, 3);
    m->sop_instance = pg_text(r, i, 4);
    m->transfer_syntax = pg_text(r, i, 5);
    m->received_syntax = pg_text(r, i, 6);
    pg_copy_bytes(r, i, 7, m->pixels, 32);
    pg_copy_bytes(r, i, 8, m->dataset, 32);
    pg_copy_bytes(r, i, 9, m->received, 32);
    m->recipe = pg_bytes(r, i, 10, &m->recipe_n);
    m->layout = pg_bytes(r, i, 11, &m->layout_n);
    m->number = pg_int(r, i, 12);
    m->rows = pg_int(r, i, 13);
    m->columns = pg_int(r, i, 14);
    m->frames = pg_int(r, i, 15);
    m->bits_allocated = pg_int(r, i, 16);
    m->has_pixels = pg_truth(r, i, 17);
    m->landing = pg_text(r, i, 18);
    m->has_copy = pg_truth(r, i, 19);
    m->why = pg_text(r, i, 20);
    m->way = pg_text(r, i, 21);
    m->device = pg_text(r, i, 22);
    m->arrived_at_us = pg_int(r, i, 23);
    m->content_date = pg_text(r, i, 24);
    m->content_time = pg_text(r, i, 25);
}

static int
plan_make(struct pg_conn *conn, struct sealing *s, struct err *err)
{
    s->plan.tenant = pg_text(s->job, 0, 1);
    s->plan.revision = pg_int(s->job, 0, 2);
    s->plan.stamp_us = pg_int(s->job, 0, 3);
    s->plan.is_quarantine = pg_truth(s->job, 0, 4);
    if (pg_run(conn, "job_series", PG_ARGS(PG_INT(s->id)), &s->series, err) < 0 ||
        pg_run(conn, "job_instances", PG_ARGS(PG_INT(s->id)), &s->instances, err) < 0)
        return -1;
    plan_facts(s);
    s->plan.count = pg_rows_count(s->instances);
    s->plan.members = mem_new((s->plan.count + 1) * sizeof *s->plan.members);
    for (size_t i = 0; i < s->plan.count; i++) {
        plan_member(s->instances, i, &s->plan.members[i]);
        s->bytes += s->plan.members[i].size;
    }
    step("planned");
    return 0;
}

/* ---- a group of jobs ---- */

/* The next due one, if there is one. */
static int
take_job(struct group *g, bool *out_is_taken, struct err *err)
{
    struct sealing *last = g->n > 0 ? &g->all[g->n - 1] : NULL, *s = &g->all[g->n];
    int64_t now_us = clock_wall_us();

    *out_is_taken = false;
    if (pg_run(g->conn, "job_next",
               PG_ARGS(PG_INT(now_us), PG_INT(last != NULL ? pg_int(last->job, 0, 8) : -1),
                       PG_INT(last != NULL ? last->id : 0), PG_BOOL(last == NULL),
                       PG_INT(now_us + RETRY_LAST_MS * 1000LL)),
               &s->job, err) < 0)
        return -1;
    if (pg_rows_count(s->job) == 0)
        return 0;
    s->id = pg_int(s->job, 0, 0);
    s->attempts = pg_int(s->job, 0, 7);
    g->n++;
    *out_is_taken = true;
    return plan_make(g->conn, s, err);
}

static int
take_jobs(struct group *g, struct err *err)
{
    bool is_taken = true;

    while (is_taken && g->n < GROUP_PACKS && g->bytes < GROUP_BYTES &&
           !(g->n == 1 && g->all[0].attempts > 0)) {
        if (take_job(g, &is_taken, err) < 0)
            return -1;
        if (is_taken)
            g->bytes += g->all[g->n - 1].bytes;
    }
    return 0;
}

static void
group_free(struct group *g)
{
    for (size_t i = 0; i < g->n + 1 && i < GROUP_PACKS; i++) { /* one may have been looked for */
        pg_rows_free(&g->all[i].job);
        pg_rows_free(&g->all[i].series);
        pg_rows_free(&g->all[i].instances);
        free(g->all[i].plan.members);
    }
    free(g->all);
}

/* ---- the copies ---- */

static void
write_drafts(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct sealing *s = &g->all[i];

        if (s->plan.count > 0 && pack_write(&s->plan, g->k->landing, g->k->landing_copy, g->stores,
                                            &s->draft, &s->why) == 0)
            step("written");
    }
}

static void
publish_drafts(struct group *g)
{
    struct pack_draft *drafts[GROUP_PACKS] = {NULL};
    struct sealing *whose[GROUP_PACKS] = {NULL};
    struct err why[GROUP_PACKS];
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        if (is_good(&g->all[i]) && g->all[i].plan.count > 0) {
            whose[n] = &g->all[i];
            drafts[n++] = &g->all[i].draft;
        }
    pack_publish(drafts, n, g->stores, seal_on_step, why);
    for (size_t i = 0; i < n; i++)
        whose[i]->why = why[i];
}

static void
verify_copies(struct group *g, int store)
{
    for (size_t i = 0; i < g->n; i++) {
        struct sealing *s = &g->all[i];
        char path[PATH_MAX];

        if (!is_good(s) || s->plan.count == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", g->stores[store], s->draft.made.path);
        if (pack_verify(path, s->draft.made.sha256, s->plan.count, &s->why) < 0 &&
            s->why.kind == ERR_CONFLICT)
            pack_set_aside(g->stores[store], s->draft.made.path);
    }
    step(store == 0 ? "first copy verified" : "all copies verified");
}

/* ---- the transaction ---- */

static void
list_begin(struct buf *b)
{
    buf_init(b, LIMIT_INDEX_BYTES);
    buf_add_text(b, "{");
}

static void
list_add(struct buf *b, int64_t v)
{
    buf_add_printf(b, "%s%lld", b->n > 1 ? "," : "", (long long)v);
}

static const char *
list_text(struct buf *b)
{
    buf_add_text(b, "}");
    CHECK(!buf_is_over(b)); /* as many as an index holds, in less room each */
    return buf_text(b);
}

/* An arrival of its own study and a wish of the reader's may have made two jobs of the same
 * instances: one of them is empty. */
static int
put_pack(struct group *g, struct sealing *s, int64_t now_us, struct err *err)
{
    const struct pack_made *made = &s->draft.made;
    struct pg_rows *rows = NULL;
    struct buf ids, places;
    int rc;

    if (s->plan.count == 0)
        return pg_run(g->conn, "job_empty", PG_ARGS(PG_INT(s->id), PG_INT(now_us)), NULL, err);
    list_begin(&ids);
    list_begin(&places);
    for (size_t i = 0; i < s->plan.count; i++) {
        list_add(&ids, s->plan.members[i].id);
        list_add(&places, (int64_t)s->plan.members[i].at);
    }
    rc = pg_run(g->conn, "pack_add",
                PG_ARGS(PG_INT(s->id), PG_BYTES(made->sha256, 32), PG_INT(made->size),
                        PG_TEXT(made->path), PG_INT(now_us), PG_TEXT(list_text(&ids)),
                        PG_TEXT(list_text(&places)), PG_INT(KEEP_COPIES)),
                &rows, err);
    if (rc == 0 && pg_touched(rows) != (int64_t)s->plan.count)
        rc = err_set(err, ERR_RETRY, "the instances of job %lld are not its own any more",
                     (long long)s->id);
    pg_rows_free(&rows);
    buf_fini(&ids);
    buf_fini(&places);
    return rc;
}

static int
put_receipts(struct group *g, int64_t now_us, struct err *err)
{
    struct buf ids;
    int rc;

    list_begin(&ids);
    for (size_t i = 0; i < g->n; i++)
        for (size_t m = 0; is_good(&g->all[i]) && m < g->all[i].plan.count; m++)
            list_add(&ids, g->all[i].plan.members[m].id);
    rc = pg_run(g->conn, "receipts_for_packed", PG_ARGS(PG_TEXT(list_text(&ids)), PG_INT(now_us)),
                NULL, err);
    buf_fini(&ids);
    return rc;
}

static int
tell_study(struct group *g, const struct pg_rows *rows, size_t i, struct err *err)
{
    struct event_list events = {.n = 0};
    char detail[96];

    if (pg_int(rows, i, 3) != 0 || !pg_truth(rows, i, 4))
        return 0; /* some are open; or it is nothing new, a report's pack */
    snprintf(detail, sizeof detail, "{\"instances\":%lld}", (long long)pg_int(rows, i, 2));
    events_note(&events, "study.sealed", detail);
    return events_write(g->conn, pg_text(rows, i, 0), pg_text(rows, i, 1), &events, err);
}

/* Under the receipts' lock: of two who seal parts of one study at once, the second sees both. */
static int
tell_studies(struct group *g, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct buf jobs;
    int rc;

    list_begin(&jobs);
    for (size_t i = 0; i < g->n; i++)
        if (is_good(&g->all[i]))
            list_add(&jobs, g->all[i].id);
    rc = pg_run(g->conn, "studies_sealed", PG_ARGS(PG_TEXT(list_text(&jobs))), &rows, err);
    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++)
        rc = tell_study(g, rows, i, err);
    pg_rows_free(&rows);
    buf_fini(&jobs);
    return rc;
}

/* One that the catalog does not take is taken back alone. */
static int
put_packs(struct group *g, int64_t now_us, struct err *err)
{
    for (size_t i = 0; i < g->n; i++) {
        struct sealing *s = &g->all[i];
        struct err why;

        if (!is_good(s))
            continue;
        if (pg_mark(g->conn, err) < 0)
            return -1;
        if (put_pack(g, s, now_us, &why) == 0)
            continue;
        if (pg_back(g->conn, err) < 0) {
            *err = why; /* the connection went with it: of no pack's bytes, whatever it says */
            err->kind = ERR_RETRY;
            return -1;
        }
        s->why = why;
        if (why.kind == ERR_CONFLICT)
            s->why.kind = ERR_FATAL; /* of rows, not of bytes */
    }
    return 0;
}

static int
commit(struct group *g, struct err *err)
{
    int64_t now_us = clock_wall_us();

    if (put_packs(g, now_us, err) < 0)
        return -1;
    if (pg_run(g->conn, "receipts_lock", PG_NO_ARGS, NULL, err) < 0 ||
        put_receipts(g, now_us, err) < 0 || tell_studies(g, err) < 0)
        return -1;
    step("before commit");
    if (pg_commit(g->conn, err) < 0)
        return -1;
    step("committed");
    return 0;
}

/* ---- telling ---- */

/* An entry that a crash just now would lose is of no harm: packs, receipts and their hashes are in
 * the catalog and in the stores themselves. So nobody waits for its sync. */
static void
tell_audit(const struct keep *k, const struct sealing *s)
{
    struct err err;

    if (k->audit == NULL)
        return;
    if (audit_note(k->audit, &err, AUDIT_STUDY_SEALED, A_WORD("tenant", s->plan.tenant),
                   A_UID("study", s->study_facts[0].value),
                   A_UID("series", s->series_facts[0].value), A_NUMBER("instances", s->plan.count),
                   A_HEX("pack", s->draft.made.sha256, 32)) < 0)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err));
}

static void
tell_log(const struct sealing *s)
{
    struct log_ctx ctx = keep_log;

    ctx.tenant = s->plan.tenant;
    LOG(&ctx, KEEP_PACK_SEALED, F_UID("study", s->study_facts[0].value),
        F_UID("series", s->series_facts[0].value), F_HEX("pack", s->draft.made.sha256, 32),
        F_NUMBER("instances", s->plan.count), F_BYTES(s->draft.made.size));
}

/* Remember why, and when to try again. Without those whose files are gone it may be made at once.
 */
static int
note_failure(struct keep *k, const struct sealing *s, struct err *err)
{
    const struct err *why = &s->why;
    int64_t job = s->id, attempts = s->attempts;
    int64_t wait_ms = attempts < 9 ? (int64_t)RETRY_FIRST_MS << attempts : RETRY_LAST_MS;
    uint64_t missing = 0;

    if (why->kind == ERR_CONFLICT && s->plan.count > 0 &&
        missing_note(k, s->plan.tenant, s->study_facts[0].value, job, &missing, err) < 0)
        return -1;
    if (missing > 0)
        return 0;
    if (why->kind == ERR_CONFLICT)
        LOG(&keep_log, KEEP_BYTES_DAMAGED, F_NUMBER("job", job), F_ERR(why));
    else
        LOG(&keep_log, KEEP_PACK_FAILED, F_NUMBER("job", job), F_ERR(why));
    return keep_run(
        k, "job_failed",
        PG_ARGS(PG_INT(job), PG_INT(clock_wall_us() + wait_ms * 1000), PG_TEXT(why->text)), NULL,
        err);
}

/* Who waits, why not, and how many. */
static int
tell_all(struct group *g, int *out_sealed, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < g->n; i++) {
        struct sealing *s = &g->all[i];
        struct err later;

        if (is_good(s) && s->plan.count > 0) {
            tell_audit(g->k, s);
            tell_log(s);
            receipts_ring(g->k, s->plan.tenant);
            (*out_sealed)++;
        } else if (!is_good(s) && note_failure(g->k, s, rc == 0 ? err : &later) < 0) {
            rc = -1;
        }
    }
    return rc;
}

/* ---- all of it ---- */

static void
fail_all(struct group *g, const struct err *why)
{
    for (size_t i = 0; i < g->n; i++)
        if (is_good(&g->all[i]))
            g->all[i].why = *why;
}

static void
seal_group(struct group *g)
{
    struct err err;

    if (disks_check_stores(g->k, &err) < 0 || room_to_pack(g->k, g->bytes, &err) < 0) {
        fail_all(g, &err);
        return;
    }
    write_drafts(g);
    publish_drafts(g);
    for (int store = 0; store < KEEP_COPIES; store++)
        verify_copies(g, store);
    if (disks_check_stores(g->k, &err) < 0 || commit(g, &err) < 0)
        fail_all(g, &err);
}

int
seal_next(struct keep *k, int *out_sealed, bool *out_did, struct err *err)
{
    struct group g = {.k = k, .stores = {k->stores[0], k->stores[1]}};
    int rc = -1;

    g.all = mem_new(GROUP_PACKS * sizeof *g.all);
    *out_sealed = 0;
    if (pg_get(k->pg, &g.conn, err) < 0 || pg_begin(g.conn, err) < 0)
        goto out;
    if (take_jobs(&g, err) == 0) {
        rc = 0;
        if (g.n > 0)
            seal_group(&g);
    } else if (g.n > 0) {
        rc = 0; /* it is noted with the jobs */
        fail_all(&g, err);
    }
out:
    pg_put(&g.conn); /* rolls back what failed */
    if (rc == 0)
        rc = tell_all(&g, out_sealed, err);
    *out_did = g.n > 0;
    group_free(&g);
    if (*out_sealed > 0)
        keep_wake(k, true);
    return rc;
}

int
seal_is_behind(struct keep *k, bool *out_is_behind, struct err *err)
{
    int64_t now_us = clock_wall_us();
    struct pg_rows *rows = NULL;

    if (keep_run(
            k, "jobs_due",
            PG_ARGS(PG_INT(now_us), PG_INT(BEHIND_PACKS), PG_INT(now_us + RETRY_LAST_MS * 1000LL)),
            &rows, err) < 0)
        return -1;
    *out_is_behind = pg_int(rows, 0, 0) >= BEHIND_PACKS;
    pg_rows_free(&rows);
    return 0;
}
