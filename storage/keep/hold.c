/* hold.c - from whole, verified bytes to a row in the catalog.
 *
 * 1. One transaction decides what an arrival is and writes all of it, so a crash leaves either
 *    nothing or everything; doing it again finds what is there.
 * 2. Of two different files with the same SOP Instance UID the first committed one is served.
 * 3. What is put aside does not say what its study and series are: the first that is kept does. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing_file.h"

#include "proto/base/clock.h"

#include <string.h>

enum {
    TRIES = 3
}; /* two arrivals of one UID at once: the second finds the first on its next try */

int (*keep_inspect)(struct codec_pool *pool, const struct codec_source *source,
                    struct dcm_facts *out_facts, struct dcm_digests *out_digests,
                    struct err *err) = codec_inspect;

struct placing {
    const struct arrival *a;
    const struct keep *k;
    struct pg_conn *conn;
    const char *why; /* quarantine */
    enum arrival_end end;
    int64_t now_us;
    struct event_list events;
};

bool
arrival_is_lost(const struct keep *k, const struct pg_rows *by_sop)
{
    return !pg_truth(by_sop, 0, 4) && !landing_is_there(k, pg_text(by_sop, 0, 6));
}

/* It is the same image, and the only bytes of it: this file becomes what is kept. */
static int
take_over(struct placing *p, const struct pg_rows *lost, struct err *err)
{
    const struct arrival *a = p->a;
    struct pg_arg recipe = a->recipe != NULL ? PG_BYTES(a->recipe, a->recipe_n) : PG_NULL;
    struct pg_arg layout = a->layout != NULL ? PG_BYTES(a->layout, a->layout_n) : PG_NULL;
    struct pg_rows *rows = NULL;
    int64_t job = pg_int(lost, 0, 7);
    bool is_free = job == 0;

    if (job != 0) {
        if (pg_run(p->conn, "job_lock", PG_ARGS(PG_INT(job)), &rows, err) < 0)
            return -1;
        is_free = pg_rows_count(rows) > 0;
        pg_rows_free(&rows);
    }
    if (!is_free)
        return err_set(err, ERR_RETRY, "it is being packed");
    if (pg_run(p->conn, "instance_take_over",
               PG_ARGS(PG_INT(pg_int(lost, 0, 0)), PG_BYTES(a->object, 32), PG_INT(a->size),
                       PG_BYTES(a->received, 32), PG_TEXT(a->facts->transfer_syntax),
                       PG_TEXT(a->received_syntax), recipe, layout, PG_TEXT(a->way),
                       PG_TEXT(a->device), PG_TEXT(a->path), PG_INT(p->now_us),
                       PG_BOOL(a->has_copy)),
               &rows, err) < 0)
        return -1;
    if (pg_touched(rows) == 0) {
        pg_rows_free(&rows);
        return err_set(err, ERR_RETRY, "it was packed meanwhile");
    }
    pg_rows_free(&rows);
    p->end = ARRIVAL_KEPT;
    return 0;
}

/* The same image under another file: kept already, or lost. */
static int
settle_twin(struct placing *p, const struct pg_rows *other, struct err *err)
{
    const struct arrival *a = p->a;

    if (arrival_is_lost(p->k, other))
        return take_over(p, other, err);
    p->end = ARRIVAL_DUPLICATE;
    if (strcmp(a->way, "link") != 0)
        return 0;
    return receipt_promise(p->conn, pg_int(other, 0, 0), a->object, a->device, err);
}

/* What is kept under this UID, or as this very file, already? Sets end when that settles it. */
static int
look_for_same(struct placing *p, bool *out_is_settled, struct err *err)
{
    const struct arrival *a = p->a;
    struct pg_rows *same = NULL, *other = NULL;
    int rc = -1;

    *out_is_settled = false;
    /* In this order: what commits between the two is then found as this very file, not as a twin
     * whose landing file could be dropped. */
    if (pg_run(p->conn, "instance_by_sop",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->facts->sop_instance)), &other, err) < 0 ||
        pg_run(p->conn, "instance_by_object", PG_ARGS(PG_TEXT(a->tenant), PG_BYTES(a->object, 32)),
               &same, err) < 0)
        goto out;
    if (pg_rows_count(same) > 0) {
        bool was_missing;

        if (missing_came(p->conn, a->tenant, a->object, &was_missing, err) < 0)
            goto out;
        p->end = pg_truth(same, 0, 3) ? ARRIVAL_QUARANTINED
                 : was_missing        ? ARRIVAL_BACK
                                      : ARRIVAL_ALREADY;
        if (p->end != ARRIVAL_QUARANTINED && strcmp(a->way, "link") == 0 &&
            strcmp(pg_text(same, 0, 2), a->device) != 0 &&
            receipt_promise(p->conn, pg_int(same, 0, 0), a->object, a->device, err) < 0)
            goto out;
        *out_is_settled = true;
    } else if (pg_rows_count(other) > 0) {
        uint8_t pixels[32], dataset[32];

        pg_copy_bytes(other, 0, 2, pixels, 32);
        pg_copy_bytes(other, 0, 3, dataset, 32);
        if (p->why == NULL && memcmp(pixels, a->digests->pixels, 32) == 0 &&
            memcmp(dataset, a->digests->dataset, 32) == 0) {
            if (settle_twin(p, other, err) < 0)
                goto out;
            *out_is_settled = true;
        } else if (p->why == NULL) {
            p->why = memcmp(pixels, a->digests->pixels, 32) == 0
                         ? "same UID and pixels, other attributes: correction?"
                         : "same UID, other pixels";
        }
    }
    rc = 0;
out:
    pg_rows_free(&same);
    pg_rows_free(&other);
    return rc;
}

/* It is the first of its study that is kept: the study is what this one says. */
static int
name_study(struct placing *p, int64_t study, int64_t patient, const struct dcm_facts *f,
           struct err *err)
{
    return pg_run(p->conn, "study_name",
                  PG_ARGS(PG_INT(study), PG_INT(patient), PG_TEXT(f->patient_id),
                          PG_TEXT(f->issuer), PG_TEXT(f->patient_name), PG_TEXT(f->birth_date),
                          PG_TEXT(f->sex), PG_TEXT(f->age), PG_TEXT(f->study_date),
                          PG_TEXT(f->study_time), PG_TEXT(f->accession), PG_TEXT(f->study_id),
                          PG_TEXT(f->study_description), PG_TEXT(f->referring),
                          PG_TEXT(f->institution), PG_INT(p->a->facts->text_method)),
                  NULL, err);
}

/* The study's row; a study UID that another patient has is a contradiction too. */
static int
put_study(struct placing *p, int64_t *out_id, bool *out_is_new, struct err *err)
{
    const struct arrival *a = p->a;
    const struct dcm_facts *own = a->facts, *f = a->of_study != NULL ? a->of_study : own;
    struct pg_rows *patient = NULL, *study = NULL;
    bool is_unnamed;
    int rc = -1;

    if (pg_run(p->conn, "patient_put",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(f->issuer), PG_TEXT(f->patient_id)), &patient,
               err) < 0)
        goto out;
    if (pg_rows_count(patient) == 0) {
        err_set(err, ERR_DENIED, "there is no such organisation");
        goto out;
    }
    if (pg_run(p->conn, "study_put",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(own->study_uid), PG_INT(pg_int(patient, 0, 0)),
                       PG_TEXT(f->patient_id), PG_TEXT(f->issuer), PG_TEXT(f->patient_name),
                       PG_TEXT(f->birth_date), PG_TEXT(f->sex), PG_TEXT(f->age),
                       PG_TEXT(f->study_date), PG_TEXT(f->study_time), PG_TEXT(f->accession),
                       PG_TEXT(f->study_id), PG_TEXT(f->study_description), PG_TEXT(f->referring),
                       PG_TEXT(f->institution), PG_INT(own->text_method), PG_INT(p->now_us)),
               &study, err) < 0)
        goto out;
    is_unnamed = p->why == NULL && pg_truth(study, 0, 4);
    if (is_unnamed && name_study(p, pg_int(study, 0, 0), pg_int(patient, 0, 0), f, err) < 0)
        goto out;
    if (p->why == NULL &&
        (strcmp(is_unnamed ? f->patient_id : pg_text(study, 0, 1), own->patient_id) != 0 ||
         strcmp(is_unnamed ? f->issuer : pg_text(study, 0, 2), own->issuer) != 0))
        p->why = "the study UID belongs to another patient";
    *out_id = pg_int(study, 0, 0);
    *out_is_new = pg_truth(study, 0, 3);
    rc = 0;
out:
    pg_rows_free(&patient);
    pg_rows_free(&study);
    return rc;
}

static int
put_series(struct placing *p, int64_t study, int64_t *out_id, struct err *err)
{
    const struct arrival *a = p->a;
    const struct dcm_facts *f = a->of_series != NULL ? a->of_series : a->facts;
    struct pg_rows *rows = NULL;
    bool is_unnamed;

    if (pg_run(p->conn, "series_put",
               PG_ARGS(PG_INT(study), PG_TEXT(a->facts->series_uid), PG_TEXT(f->modality),
                       PG_INT(f->series_number), PG_TEXT(f->series_description),
                       PG_TEXT(f->body_part), PG_TEXT(f->series_date), PG_TEXT(f->series_time),
                       PG_TEXT(f->station), PG_TEXT(f->institution)),
               &rows, err) < 0)
        return -1;
    *out_id = pg_int(rows, 0, 0);
    is_unnamed = p->why == NULL && pg_truth(rows, 0, 1);
    pg_rows_free(&rows);
    return !is_unnamed
               ? 0
               : pg_run(p->conn, "series_name",
                        PG_ARGS(PG_INT(*out_id), PG_TEXT(f->modality), PG_INT(f->series_number),
                                PG_TEXT(f->series_description), PG_TEXT(f->body_part),
                                PG_TEXT(f->series_date), PG_TEXT(f->series_time),
                                PG_TEXT(f->station), PG_TEXT(f->institution)),
                        NULL, err);
}

static int64_t
int32_of(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : v;
}

static int
put_instance(struct placing *p, int64_t study, int64_t series, struct err *err)
{
    const struct arrival *a = p->a;
    const struct dcm_facts *f = a->facts;
    struct pg_arg recipe = a->recipe != NULL ? PG_BYTES(a->recipe, a->recipe_n) : PG_NULL;
    struct pg_arg layout = a->layout != NULL ? PG_BYTES(a->layout, a->layout_n) : PG_NULL;

    if (pg_run(p->conn, "instance_add",
               PG_ARGS(PG_INT(study), PG_INT(series), PG_TEXT(f->sop_instance),
                       PG_TEXT(f->sop_class), PG_INT(f->instance_number), PG_BYTES(a->object, 32),
                       PG_INT(a->size), PG_BYTES(a->digests->pixels, 32),
                       PG_BYTES(a->digests->dataset, 32), PG_BYTES(a->received, 32),
                       PG_TEXT(f->transfer_syntax), PG_TEXT(a->received_syntax), recipe, layout,
                       PG_INT(int32_of(f->rows)), PG_INT(int32_of(f->cols)),
                       PG_INT(int32_of(f->frames)), PG_INT(int32_of(f->bits_allocated)),
                       PG_BOOL(f->has_pixels), PG_TEXT(f->content_date), PG_TEXT(f->content_time),
                       PG_BOOL(p->why != NULL), PG_TEXT(p->why != NULL ? p->why : ""),
                       PG_TEXT(a->way), PG_TEXT(a->device), PG_TEXT(a->path), PG_BOOL(a->has_copy),
                       PG_INT(p->now_us)),
               NULL, err) < 0)
        return -1;
    if (p->why == NULL)
        return pg_run(p->conn, "series_count", PG_ARGS(PG_INT(series), PG_TEXT(f->sop_class)), NULL,
                      err);
    events_note(&p->events, "instance.quarantined", "{}");
    return 0;
}

/* Another coding of what arrived will never be whole: what came of it is no image and is shown no
 * more. Its bytes go first; a row without bytes is only offered again. One that is whole all the
 * same is left alone: its file may be a catalogued image's, or about to be. */
static int
forget_given_up(struct placing *p, struct err *err)
{
    const struct arrival *a = p->a;
    struct pg_rows *rows = NULL;
    struct landing_file file;
    uint8_t object[32];
    int rc = -1;

    if (pg_run(p->conn, "landing_given_up",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->facts->sop_instance),
                       PG_BYTES(a->received, 32), PG_BYTES(a->object, 32)),
               &rows, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        pg_copy_bytes(rows, i, 0, object, sizeof object);
        if (landing_file_open(p->k->landing, a->tenant, object, (uint64_t)pg_int(rows, i, 1), &file,
                              err) < 0)
            goto out;
        if (file.is_whole) {
            landing_file_close(&file);
            continue;
        }
        if (landing_file_drop_partial(&file, err) < 0 ||
            pg_run(p->conn, "landing_delete", PG_ARGS(PG_TEXT(a->tenant), PG_BYTES(object, 32)),
                   NULL, err) < 0)
            goto out;
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

/* Its landing is over. What was said to be lost for good is on the study's list again. */
static int
land(struct placing *p, struct err *err)
{
    const struct arrival *a = p->a;
    struct pg_rows *rows = NULL;
    bool was_gone;

    if (pg_run(p->conn, "landing_arrived",
               PG_ARGS(PG_TEXT(a->tenant), PG_BYTES(a->object, 32), PG_TEXT(a->facts->study_uid),
                       PG_TEXT(a->facts->sop_instance)),
               &rows, err) < 0)
        return -1;
    was_gone = pg_truth(rows, 0, 0) && p->end != ARRIVAL_QUARANTINED;
    pg_rows_free(&rows);
    return was_gone ? gone_came(p->conn, a->tenant, a->facts->study_uid, a->facts->sop_instance,
                                &p->events, err)
                    : 0;
}

/* A whole list that names it is open again: then its row was lost. */
static int
reopen_list(struct placing *p, int64_t series, struct err *err)
{
    const struct arrival *a = p->a;
    struct pg_rows *rows = NULL;
    bool was_lost;

    if (pg_run(p->conn, "manifest_reopen",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->facts->study_uid), PG_BYTES(a->object, 32),
                       PG_TEXT(a->facts->sop_instance)),
               &rows, err) < 0)
        return -1;
    was_lost = series != 0 && pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return was_lost ? pg_run(p->conn, "series_recount", PG_ARGS(PG_INT(series)), NULL, err) : 0;
}

/* All in the transaction that the caller began. */
static int
place(struct placing *p, struct err *err)
{
    const struct arrival *a = p->a;
    int64_t study, series = 0;
    bool is_settled, is_new = false;

    /* The lock: a list that is closed at this moment sees this instance, or is seen here. Without
     * it each may miss the other, and the study is never packed. First of all, as where lists are
     * closed: the rows of study and series come after it. */
    if (pg_run(p->conn, "manifest_lock", PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->facts->study_uid)),
               NULL, err) < 0 ||
        look_for_same(p, &is_settled, err) < 0)
        return -1;
    if (!is_settled) {
        if (put_study(p, &study, &is_new, err) < 0 || put_series(p, study, &series, err) < 0)
            return -1;
        if (is_new && strcmp(a->way, "link") != 0 && /* of gateways the offer tells */
            strcmp(a->way, KEEP_WAY_READER) != 0)
            events_note(&p->events, "study.arrived", "{}");
        if (put_instance(p, study, series, err) < 0)
            return -1;
        p->end = p->why != NULL ? ARRIVAL_QUARANTINED : ARRIVAL_KEPT;
    }
    if (strcmp(a->way, "link") == 0 && (p->end == ARRIVAL_KEPT || p->end == ARRIVAL_DUPLICATE) &&
        forget_given_up(p, err) < 0)
        return -1;
    if (p->end == ARRIVAL_KEPT && strcmp(a->way, "link") == 0 && reopen_list(p, series, err) < 0)
        return -1;
    if (land(p, err) < 0 ||
        manifest_settle(p->conn, a->tenant, a->facts->study_uid, &p->events, err) < 0)
        return -1;
    return events_write(p->conn, a->tenant, a->facts->study_uid, &p->events, err);
}

static int
place_once(struct keep *k, const struct arrival *a, struct placing *p, struct err *err)
{
    int rc = -1;

    *p = (struct placing){.a = a, .k = k, .why = a->why, .now_us = clock_wall_us()};
    if (pg_get(k->pg, &p->conn, err) < 0)
        return -1;
    if (pg_begin(p->conn, err) == 0 && place(p, err) == 0 && pg_commit(p->conn, err) == 0)
        rc = 0;
    pg_put(&p->conn);
    return rc;
}

/* The audit tells of every arrival. Its failure is an answer of "try again", not of "stored":
 * repeating finds the instance and writes the entry then. */
static int
tell_audit(struct keep *k, const struct placing *p, struct err *err)
{
    const struct arrival *a = p->a;

    if (k->audit == NULL)
        return 0;
    return audit_append(k->audit, err,
                        p->end == ARRIVAL_QUARANTINED ? AUDIT_QUARANTINED : AUDIT_ARRIVED,
                        A_WORD("tenant", a->tenant), A_WORD("way", a->way), A_WORD("by", a->device),
                        A_UID("study", a->facts->study_uid),
                        A_UID("instance", a->facts->sop_instance), A_HEX("file", a->object, 32));
}

static int
place_soon(struct keep *k, const struct arrival *a, struct placing *p, struct err *err)
{
    int rc = -1;

    for (int i = 0; i < TRIES; i++) {
        err_clear(err);
        rc = place_once(k, a, p, err);
        if (rc == 0 || err->kind != ERR_CONFLICT)
            break;
    }
    return rc;
}

int
arrival_put(struct keep *k, const struct arrival *a, enum arrival_end *out_end, struct err *err)
{
    bool is_lost = false;
    struct placing p;
    int rc = place_soon(k, a, &p, err);

    /* Before a sender is told that it is kept: it may think of what it has as one copy too many. */
    if (rc == 0 && (p.end == ARRIVAL_ALREADY || p.end == ARRIVAL_DUPLICATE))
        rc = lost_notice(k, a->tenant, a->object, a->facts->sop_instance, &is_lost, err);
    if (rc == 0 && is_lost)
        rc = place_soon(k, a, &p, err);
    if (rc < 0)
        return err_context(err, "catalogue");
    if (tell_audit(k, &p, err) < 0)
        return -1;
    if (p.end == ARRIVAL_QUARANTINED) {
        struct log_ctx ctx = keep_log;

        ctx.tenant = a->tenant;
        LOG(&ctx, KEEP_INSTANCE_QUARANTINED, F_UID("instance", a->facts->sop_instance),
            F_WORD("why", p.why != NULL ? p.why : "as before"));
    }
    keep_wake(k, true);
    *out_end = p.end;
    return 0;
}
