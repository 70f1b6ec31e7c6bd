/* seal.c - from held to sealed: make a pack, read every copy back, say so.
 *
 *     job (which instances: fixed) > written in tmp/ > published in each store > read back >
 *     one transaction: pack, copies, instances, receipts, events > landing files cleaned
 *
 * 1. A crash anywhere leaves the job open; doing it again makes the same bytes under the same name.
 * 2. The job's row stays locked while it is worked on; a crash or a lost connection frees it.
 * 3. Receipts are written in the same transaction that says where the pack is. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
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

static const char *const study_names[] = {
    "study_uid", "patient_id",  "issuer",     "patient_name", "birth_date",
    "sex",       "age",         "study_date", "study_time",   "accession",
    "study_id",  "description", "referring",  "institution",
};
static const char *const series_names[] = {
    "series_uid",  "modality",    "number",  "description", "body_part",
    "series_date", "series_time", "station", "institution",
};

struct sealing {
    struct keep *k;
    struct pg_conn *conn;
    struct pg_rows *job, *series, *instances; /* the plan's texts live in these */
    int64_t id, attempts;
    char number[24];
    struct pack_fact study_facts[ARRAY_LEN(study_names)];
    struct pack_fact series_facts[ARRAY_LEN(series_names)];
    struct pack_plan plan;
    struct pack_made made;
};

void (*seal_on_step)(const char *step);

static void
step(const char *name)
{
    if (seal_on_step != NULL)
        seal_on_step(name);
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
plan_make(struct sealing *s, struct err *err)
{
    s->id = pg_int(s->job, 0, 0);
    s->attempts = pg_int(s->job, 0, 7);
    s->plan.tenant = pg_text(s->job, 0, 1);
    s->plan.revision = pg_int(s->job, 0, 2);
    s->plan.stamp_us = pg_int(s->job, 0, 3);
    s->plan.is_quarantine = pg_truth(s->job, 0, 4);
    if (pg_run(s->conn, "job_series", PG_ARGS(PG_INT(s->id)), &s->series, err) < 0 ||
        pg_run(s->conn, "job_instances", PG_ARGS(PG_INT(s->id)), &s->instances, err) < 0)
        return -1;
    plan_facts(s);
    s->plan.count = pg_rows_count(s->instances);
    s->plan.members = mem_new((s->plan.count + 1) * sizeof *s->plan.members);
    for (size_t i = 0; i < s->plan.count; i++)
        plan_member(s->instances, i, &s->plan.members[i]);
    return 0;
}

/* ---- the copies ---- */

static int
verify_copies(struct sealing *s, struct err *err)
{
    for (int i = 0; i < KEEP_COPIES; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/%s", s->k->stores[i], s->made.path);
        if (pack_verify(path, s->made.sha256, s->plan.count, err) < 0) {
            if (err->kind == ERR_CONFLICT)
                pack_set_aside(s->k->stores[i], s->made.path);
            return -1;
        }
        step(i == 0 ? "first copy verified" : "all copies verified");
    }
    return 0;
}

/* ---- the transaction ---- */

static int
put_pack(struct sealing *s, int64_t now_us, int64_t *out_pack, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(s->conn, "pack_add",
               PG_ARGS(PG_INT(s->id), PG_BYTES(s->made.sha256, 32), PG_INT(s->made.size),
                       PG_INT(s->plan.count), PG_INT(now_us)),
               &rows, err) < 0)
        return -1;
    CHECK(pg_rows_count(rows) == 1); /* the job is open, and its row is ours */
    *out_pack = pg_int(rows, 0, 0);
    pg_rows_free(&rows);
    for (int i = 0; i < KEEP_COPIES; i++)
        if (pg_run(s->conn, "pack_copy_add",
                   PG_ARGS(PG_INT(*out_pack), PG_INT(i), PG_TEXT(s->made.path), PG_INT(now_us)),
                   NULL, err) < 0)
            return -1;
    return 0;
}

static int
put_seals(struct sealing *s, int64_t pack, int64_t now_us, struct err *err)
{
    for (size_t i = 0; i < s->plan.count; i++)
        if (pg_run(s->conn, "instance_sealed",
                   PG_ARGS(PG_INT(s->plan.members[i].id), PG_INT(pack),
                           PG_INT(s->plan.members[i].at), PG_INT(now_us)),
                   NULL, err) < 0)
            return -1;
    if (pg_run(s->conn, "receipts_lock", PG_NO_ARGS, NULL, err) < 0 ||
        pg_run(s->conn, "receipts_for_pack", PG_ARGS(PG_INT(pack), PG_INT(now_us)), NULL, err) < 0)
        return -1;
    return pg_run(s->conn, "job_done", PG_ARGS(PG_INT(s->id), PG_INT(now_us)), NULL, err);
}

static int
tell_sealed(struct sealing *s, struct err *err)
{
    struct event_list events = {.n = 0};
    struct pg_rows *rows = NULL;
    char detail[96];
    int rc;

    if (pg_run(s->conn, "study_is_sealed", PG_ARGS(PG_INT(s->id)), &rows, err) < 0)
        return -1;
    if (pg_int(rows, 0, 1) == 0 && pg_truth(rows, 0, 3)) { /* nothing new about a report's pack */
        snprintf(detail, sizeof detail, "{\"instances\":%lld}", (long long)pg_int(rows, 0, 0));
        events_note(&events, "study.sealed", detail);
    }
    rc = events_write(s->conn, s->plan.tenant, pg_text(rows, 0, 2), &events, err);
    pg_rows_free(&rows);
    return rc;
}

static int
commit(struct sealing *s, struct err *err)
{
    int64_t now_us = clock_wall_us(), pack;

    if (put_pack(s, now_us, &pack, err) < 0 || put_seals(s, pack, now_us, err) < 0 ||
        tell_sealed(s, err) < 0)
        return -1;
    step("before commit");
    if (pg_commit(s->conn, err) < 0)
        return -1;
    step("committed");
    return 0;
}

/* An entry that a crash just now would lose is of no harm: packs, receipts and their hashes are in
 * the catalog and in the stores themselves. */
static void
tell_audit(const struct sealing *s)
{
    struct err err;

    if (s->k->audit == NULL)
        return;
    if (audit_append(s->k->audit, &err, AUDIT_STUDY_SEALED, A_WORD("tenant", s->plan.tenant),
                     A_UID("study", s->study_facts[0].value),
                     A_UID("series", s->series_facts[0].value),
                     A_NUMBER("instances", s->plan.count), A_HEX("pack", s->made.sha256, 32)) < 0)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err));
}

static void
tell_log(const struct sealing *s)
{
    struct log_ctx ctx = keep_log;

    ctx.tenant = s->plan.tenant;
    LOG(&ctx, KEEP_PACK_SEALED, F_UID("study", s->study_facts[0].value),
        F_UID("series", s->series_facts[0].value), F_HEX("pack", s->made.sha256, 32),
        F_NUMBER("instances", s->plan.count), F_BYTES(s->made.size));
}

/* Remember why, and when to try again. */
static int
note_failure(struct keep *k, int64_t job, int64_t attempts, const struct err *why, struct err *err)
{
    int64_t wait_ms = attempts < 9 ? (int64_t)RETRY_FIRST_MS << attempts : RETRY_LAST_MS;

    if (why->kind == ERR_CONFLICT)
        LOG(&keep_log, KEEP_BYTES_DAMAGED, F_NUMBER("job", job), F_ERR(why));
    else
        LOG(&keep_log, KEEP_PACK_FAILED, F_NUMBER("job", job), F_ERR(why));
    return keep_run(
        k, "job_failed",
        PG_ARGS(PG_INT(job), PG_INT(clock_wall_us() + wait_ms * 1000), PG_TEXT(why->text)), NULL,
        err);
}

static int
seal_job(struct sealing *s, struct err *err)
{
    const char *stores[KEEP_COPIES];

    for (int i = 0; i < KEEP_COPIES; i++)
        stores[i] = s->k->stores[i];
    if (plan_make(s, err) < 0)
        return -1;
    step("planned");
    if (pack_write(&s->plan, s->k->landing, s->k->landing_copy, stores, seal_on_step, &s->made,
                   err) < 0 ||
        verify_copies(s, err) < 0)
        return -1;
    return commit(s, err);
}

int
seal_next(struct keep *k, bool *out_did, struct err *err)
{
    struct sealing *s = mem_new(sizeof *s);
    struct err why = {ERR_NONE, 0, ""};
    int64_t id = 0, attempts = 0;
    int rc = -1;

    s->k = k;
    *out_did = false;
    if (pg_get(k->pg, &s->conn, err) < 0)
        goto out;
    if (pg_begin(s->conn, err) < 0 ||
        pg_run(s->conn, "job_next", PG_ARGS(PG_INT(clock_wall_us())), &s->job, err) < 0)
        goto out;
    rc = 0;
    if (pg_rows_count(s->job) > 0) {
        *out_did = seal_job(s, &why) == 0;
        id = s->id;
        attempts = s->attempts;
    }
    if (*out_did) {
        tell_audit(s);
        tell_log(s);
        receipts_ring(k, s->plan.tenant);
    }
out:
    pg_put(&s->conn); /* rolls back what failed */
    pg_rows_free(&s->job);
    pg_rows_free(&s->series);
    pg_rows_free(&s->instances);
    free(s->plan.members);
    free(s);
    if (rc == 0 && why.kind != ERR_NONE)
        rc = note_failure(k, id, attempts, &why, err);
    if (*out_did)
        keep_wake(k, true);
    return rc;
}

/* ---- cleaning ---- */

static int
remove_landing(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(err, ERR_RETRY, "remove %s", path);
    return 0;
}

static int
sync_whole(const char *dir, struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/whole", dir);
    return durable_sync_folder(path, err);
}

int
seal_clean(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct buf ids;
    int rc = -1;

    buf_init(&ids, 65536);
    if (keep_run(k, "clean_list", PG_ARGS(PG_INT(clock_wall_us() - k->clean_after_ms * 1000)),
                 &rows, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        buf_add_printf(&ids, "%s%lld", i == 0 ? "{" : ",", (long long)pg_int(rows, i, 0));
        if (remove_landing(k->landing, pg_text(rows, i, 1), err) < 0 ||
            remove_landing(k->landing_copy, pg_text(rows, i, 1), err) < 0)
            goto out;
    }
    buf_add_text(&ids, "}");
    if (pg_rows_count(rows) > 0 &&
        (sync_whole(k->landing, err) < 0 || sync_whole(k->landing_copy, err) < 0 ||
         keep_run(k, "clean_done", PG_ARGS(PG_TEXT(buf_text(&ids))), NULL, err) < 0))
        goto out;
    rc = 0;
out:
    pg_rows_free(&rows);
    buf_fini(&ids);
    return rc;
}
