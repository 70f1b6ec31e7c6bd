/* routes.c - the worklist, one read, its lease, as JSON below /api/v1. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/render/report_pdf.h"
#include "proto/trust/audit.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES = 16 << 20 };

int
route_caller(struct http_request *req, struct pg_conn *conn, struct person *out, struct err *err)
{
    return people_of_caller(conn, http_caller(req), out, err);
}

int
assign_read_id(const struct http_request *req, int64_t *out, struct err *err)
{
    uint64_t id;

    if (text_to_u64(http_param(req, "read"), INT64_MAX, &id) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such read");
    *out = (int64_t)id;
    return 0;
}

/* {login, name}, or null for nobody. */
static void
json_person(struct jsonw *w, const char *key, const char *login, const char *name)
{
    if (login[0] == '\0') {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_text(w, "login", login);
    jsonw_text(w, "name", name);
    jsonw_end(w);
}

static void
json_patient(struct jsonw *w, const struct read_row *row)
{
    char name[ASSIGN_TEXT], on_images[ASSIGN_TEXT];

    report_pdf_person_name(row->patient_name, name, sizeof name);
    report_pdf_person_name(row->device_name, on_images, sizeof on_images);
    jsonw_object(w, "patient");
    jsonw_text(w, "name", name);
    jsonw_text(w, "on_images",
               on_images[0] != '\0' && strcmp(on_images, name) != 0 ? on_images : NULL);
    jsonw_text(w, "sex", row->sex);
    jsonw_text(w, "age", row->age);
    jsonw_text(w, "birth", row->birth);
    jsonw_text(w, "id", row->patient_id);
    jsonw_bool(w, "is_other", row->is_other_patient);
    if (row->registered_name[0] != '\0') {
        jsonw_object(w, "registered");
        jsonw_text(w, "name", row->registered_name);
        jsonw_text(w, "sex", row->registered_sex);
        jsonw_text(w, "birth", row->registered_birth);
        jsonw_end(w);
    } else {
        jsonw_null(w, "registered");
    }
    jsonw_end(w);
}

/* Words of proto/model/doubts.def; the page has the sentences. */
static void
json_doubts(struct jsonw *w, const struct read_row *row)
{
    const char *at = row->doubts;

    jsonw_array(w, "doubts");
    while (*at != '\0') {
        size_t n = strcspn(at, " ");

        if (n > 0)
            jsonw_text_n(w, NULL, at, n);
        at += n + (at[n] == ' ');
    }
    jsonw_end(w);
    jsonw_int(w, "doubts_revision", row->doubts_revision);
    jsonw_bool(w, "has_open_doubts", read_has_open_doubts(row));
    jsonw_text(w, "doubts_confirmed_by", row->confirmed_by[0] != '\0' ? row->confirmed_by : NULL);
    jsonw_time(w, "doubts_confirmed_at", row->confirmed_at_us);
    jsonw_text(w, "doubts_reason", row->confirmed_reason[0] != '\0' ? row->confirmed_reason : NULL);
    jsonw_bool(w, "is_corrected", row->is_corrected);
}

static void
json_report(struct jsonw *w, const struct read_row *row)
{
    jsonw_uint(w, "revision", row->revision);
    jsonw_uint(w, "received", row->instances);
    jsonw_uint(w, "whole", row->whole);
    jsonw_uint(w, "version", row->version);
    if (row->version > 0)
        jsonw_uint(w, "covered", row->covered);
    else
        jsonw_null(w, "covered");
    jsonw_bool(w, "is_late", row->is_late);
    jsonw_bool(w, "is_preliminary", row->is_preliminary);
}

/* The page has the words of the reasons. */
static void
json_absent(struct jsonw *w, const struct read_row *row)
{
    if (row->absent == 0) {
        jsonw_null(w, "absent");
        return;
    }
    jsonw_object(w, "absent");
    jsonw_uint(w, "images", row->absent);
    jsonw_text(w, "reason", row->absent_reason);
    jsonw_text(w, "words", row->absent_words);
    jsonw_text(w, "by", row->absent_by);
    jsonw_time(w, "at", row->absent_at_us);
    jsonw_end(w);
}

void
row_json(struct jsonw *w, const struct read_row *row)
{
    jsonw_int(w, "read", row->read_id);
    jsonw_text(w, "tenant", row->tenant);
    jsonw_text(w, "clinic", row->clinic);
    jsonw_text(w, "study", row->study);
    jsonw_text(w, "modality", row->modality);
    jsonw_text(w, "modalities", row->modalities);
    jsonw_text(w, "body_part", row->body_part);
    jsonw_text(w, "description", row->description);
    jsonw_text(w, "accession", row->accession);
    jsonw_text(w, "study_date", row->study_date);
    jsonw_text(w, "study_time", row->study_time);
    json_patient(w, row);
    jsonw_text(w, "urgency", row->is_emergency ? "emergency" : "routine");
    jsonw_text(w, "urgency_reason", row->is_emergency ? row->urgency_reason : NULL);
    jsonw_text(w, "urgency_by", row->urgency_by[0] != '\0' ? row->urgency_by : NULL);
    jsonw_time(w, "urgency_at", row->urgency_at_us);
    jsonw_text(w, "state", read_state_word(row->state));
    json_person(w, "assigned_to", row->assigned_to, row->assigned_name);
    jsonw_text(w, "reason", row->reason);
    jsonw_text(w, "reason_en", row->reason_en);
    json_person(w, "claimed_by", row->claimed_by, row->claimed_name);
    jsonw_time(w, "lease_until", row->lease_until_us);
    jsonw_text(w, "author", row->author[0] != '\0' ? row->author : NULL);
    jsonw_text(w, "reviewer", row->reviewer[0] != '\0' ? row->reviewer : NULL);
    jsonw_time(w, "closed_at", row->closed_at_us);
    jsonw_time(w, "due_at", row->due_at_us);
    json_report(w, row);
    json_doubts(w, row);
    json_absent(w, row);
    jsonw_text(w, "complaint", row->complaint);
}

/* ---- GET worklist ---- */
struct asked {
    const char *state, *modality, *mine;
    const char *query;
};

static int
read_asked(struct http_request *req, const struct person *who, struct asked *out, struct err *err)
{
    const char *mine = http_query(req, "mine");
    bool is_done;

    out->state = http_query(req, "state") != NULL ? http_query(req, "state") : "";
    out->modality = http_query(req, "modality") != NULL ? http_query(req, "modality") : "";
    out->mine = mine != NULL && strcmp(mine, "1") == 0 ? who->login : "";
    if (out->state[0] != '\0' && strcmp(out->state, "open") != 0 &&
        strcmp(out->state, "done") != 0 && read_state_from_word(out->state) < 0)
        return err_set(err, ERR_REJECT, "state: no such state");
    is_done = strcmp(out->state, "done") == 0 || strcmp(out->state, "signed") == 0 ||
              strcmp(out->state, "amended") == 0 || strcmp(out->state, "withdrawn") == 0;
    out->query = !is_done               ? "assign_worklist"
                 : out->mine[0] == '\0' ? "assign_worklist_done"
                                        : "assign_worklist_done_by";
    return 0;
}

static void
put_worklist(struct jsonw *w, const struct pg_rows *rows, int64_t change)
{
    struct read_row *row = mem_new(sizeof *row);

    jsonw_object(w, NULL);
    jsonw_array(w, "items");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        read_row_fill(rows, i, row);
        jsonw_object(w, NULL);
        row_json(w, row);
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_int(w, "change", change);
    jsonw_end(w);
    free(row);
}

int
route_worklist(struct http_request *req, struct http_response *res, struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL, *last = NULL;
    struct person who;
    struct seer seer;
    struct asked asked;
    struct buf json;
    struct jsonw w;
    int rc = -1;

    buf_init(&json, ANSWER_BYTES);
    jsonw_init(&w, &json);
    if (pg_get(a->options.pg, &conn, err) < 0 || route_caller(req, conn, &who, err) < 0 ||
        read_asked(req, &who, &asked, err) < 0)
        goto out;
    seer_of(&who, &seer);
    /* the number first: what is written between the two is told again, never missed */
    if (pg_run(conn, "assign_log_last", PG_NO_ARGS, &last, err) < 0 ||
        pg_run(conn, asked.query,
               PG_ARGS(PG_TEXT(seer.own), PG_TEXT(seer.login), PG_TEXT(seer.above),
                       PG_TEXT(asked.state), PG_TEXT(asked.modality), PG_TEXT(asked.mine),
                       PG_INT(clock_wall_us())),
               &rows, err) < 0)
        goto out;
    put_worklist(&w, rows, pg_int(last, 0, 0));
    http_answer_buf(res, 200, "application/json", &json);
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_rows_free(&last);
    pg_put(&conn);
    buf_fini(&json);
    return rc;
}

/* ---- GET reads/{read} ---- */
struct log_writer {
    struct jsonw *w;
};

static int
put_log(void *user, const struct read_log *e, struct err *err)
{
    struct log_writer *l = user;

    (void)err;
    jsonw_object(l->w, NULL);
    jsonw_time(l->w, "at", e->at_us);
    jsonw_text(l->w, "actor", e->actor);
    jsonw_text(l->w, "event", read_event_word(e->event));
    jsonw_raw(l->w, "detail", e->detail, strlen(e->detail));
    jsonw_end(l->w);
    return 0;
}

static int
put_priors(struct jsonw *w, struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "assign_priors", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    jsonw_array(w, "priors");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "study", pg_text(rows, i, 0));
        jsonw_text(w, "date", pg_text(rows, i, 1));
        jsonw_text(w, "modality", pg_text(rows, i, 2));
        jsonw_text(w, "description", pg_text(rows, i, 3));
        jsonw_text(w, "body_part", pg_text(rows, i, 7));
        jsonw_int(w, "read", pg_int(rows, i, 4));
        jsonw_text(w, "report_state", pg_int(rows, i, 6) > 0 ? pg_text(rows, i, 5) : NULL);
        jsonw_end(w);
    }
    jsonw_end(w);
    pg_rows_free(&rows);
    return 0;
}

static void
put_agreement(struct jsonw *w, const struct read_row *row)
{
    if (row->agreement[0] == '\0') {
        jsonw_null(w, "agreement");
        return;
    }
    jsonw_object(w, "agreement");
    jsonw_text(w, "code", row->agreement);
    jsonw_uint(w, "version", row->agreement_version);
    jsonw_bool(w, "may_read_alone", row->may_read_alone);
    jsonw_text(w, "inviting", row->inviting_name);
    jsonw_text(w, "invited", row->invited_name);
    jsonw_end(w);
}

/* What this person may do to it now; the pages show it, the routes check it again. */
static void
put_may(struct jsonw *w, struct pg_conn *conn, const struct person *who, const struct read_row *row)
{
    struct err err;
    bool may_write = assign_may(conn, who, row->read_id, ASSIGN_WRITE, &err) == 0;
    bool may_review = assign_may(conn, who, row->read_id, ASSIGN_REVIEW, &err) == 0;
    bool is_mine = strcmp(row->claimed_by, who->login) == 0;
    enum read_action action;
    enum read_state to;
    bool is_claimable = read_next(row->state, READ_SAW_CLAIM, &to, &action) &&
                        (choose_right_due(row->state) == MAY_REVIEW ? may_review : may_write);

    jsonw_object(w, "may");
    jsonw_bool(w, "claim", is_claimable && (row->claimed_by[0] == '\0' || is_mine));
    jsonw_bool(w, "release", is_mine);
    jsonw_bool(w, "urgency", (people_rights(who->roles) & MAY_MARK_URGENT) != 0);
    jsonw_bool(w, "lower", strcmp(who->org, row->tenant) == 0); /* it is the clinic's to say */
    jsonw_end(w);
}

static int
put_read(struct jsonw *w, struct pg_conn *conn, const struct person *who, int64_t read_id,
         struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    struct log_writer l = {w};
    int rc = -1;

    if (assign_read_get(conn, read_id, row, err) < 0)
        goto out;
    jsonw_object(w, NULL);
    row_json(w, row);
    jsonw_text(w, "history", row->history);
    jsonw_text(w, "clinic_phone", row->clinic_phone);
    jsonw_text(w, "registration", row->registration[0] != '\0' ? row->registration : NULL);
    put_agreement(w, row);
    put_may(w, conn, who, row);
    if (put_priors(w, conn, read_id, err) < 0)
        goto out;
    jsonw_array(w, "events");
    if (log_read(conn, read_id, 0, LIMIT_QUERY_RESULTS, put_log, &l, err) < 0)
        goto out;
    jsonw_end(w);
    jsonw_end(w);
    rc = 0;
out:
    free(row);
    return rc;
}

int
route_read(struct http_request *req, struct http_response *res, struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    struct buf json;
    struct jsonw w;
    int64_t read_id;
    int rc = -1;

    buf_init(&json, ANSWER_BYTES);
    jsonw_init(&w, &json);
    if (assign_read_id(req, &read_id, err) < 0 || pg_get(a->options.pg, &conn, err) < 0 ||
        route_caller(req, conn, &who, err) < 0 ||
        assign_may(conn, &who, read_id, ASSIGN_SEE, err) < 0 ||
        put_read(&w, conn, &who, read_id, err) < 0)
        goto out;
    http_answer_buf(res, 200, "application/json", &json);
    rc = 0;
out:
    pg_put(&conn);
    buf_fini(&json);
    return rc;
}

/* ---- POST reads/{read}/claim, renew, release ---- */
static void
answer_lease(struct http_response *res, int status, const struct lease *lease, const char *id)
{
    struct buf json;
    struct jsonw w;

    buf_init(&json, 4096);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    if (status == 200) {
        jsonw_time(&w, "lease_until", lease->until_us);
        jsonw_bool(&w, "is_new", lease->is_new);
    } else {
        jsonw_text(&w, "error", "Somebody else has this read, or it is not to be taken now.");
        jsonw_text(&w, "id", id);
        jsonw_text(&w, "by", lease->by[0] != '\0' ? lease->by : NULL);
    }
    jsonw_end(&w);
    http_answer_buf(res, status, "application/json", &json);
    buf_fini(&json);
}

typedef int (*lease_fn)(struct pg *pg, const struct person *who, int64_t read_id, struct lease *out,
                        struct err *err);

static int
note_claim(struct assign *a, const struct person *who, int64_t read_id, struct err *err)
{
    struct read_row *row = NULL;
    struct pg_conn *conn = NULL;
    int rc;

    LOG(&assign_log, ASSIGN_CLAIMED, F_NUMBER("read", read_id));
    if (a->options.audit == NULL)
        return 0;
    row = mem_new(sizeof *row);
    rc = pg_get(a->options.pg, &conn, err) < 0 ? -1 : assign_read_get(conn, read_id, row, err);
    pg_put(&conn);
    /* whose read, and whose doctor: both organisations see it in the log */
    if (rc == 0)
        rc = audit_append(a->options.audit, err, AUDIT_READ_CLAIMED, A_UID("study", row->study),
                          A_NUMBER("read", read_id), A_WORD("tenant", row->tenant),
                          A_WORD("by", who->login), A_WORD("of", who->org));
    free(row);
    return rc;
}

static int
route_lease(struct http_request *req, struct http_response *res, lease_fn change, struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    struct lease lease = {0};
    int64_t read_id;
    int rc;

    if (assign_read_id(req, &read_id, err) < 0 || pg_get(a->options.pg, &conn, err) < 0)
        return -1;
    rc = route_caller(req, conn, &who, err);
    pg_put(&conn);
    if (rc < 0)
        return -1;
    if (change(a->options.pg, &who, read_id, &lease, err) < 0) {
        if (err->kind != ERR_CONFLICT)
            return -1;
        answer_lease(res, 409, &lease, http_id(req));
        return 0;
    }
    assign_wake(a);
    if (lease.is_new && note_claim(a, &who, read_id, err) < 0)
        return -1;
    answer_lease(res, 200, &lease, NULL);
    return 0;
}

int
route_claim(struct http_request *req, struct http_response *res, struct err *err)
{
    return route_lease(req, res, lease_claim, err);
}

int
route_renew(struct http_request *req, struct http_response *res, struct err *err)
{
    return route_lease(req, res, lease_renew, err);
}

int
route_release(struct http_request *req, struct http_response *res, struct err *err)
{
    return route_lease(req, res, lease_release, err);
}

/* ---- POST duty ---- */
static int
read_duty(struct http_request *req, bool *out_is_on_duty, struct err *err)
{
    struct json_doc *doc = NULL;
    const uint8_t *body;
    size_t n;
    int rc = -1;

    body = http_body(req, &n);
    if (json_parse(body, n, &doc, err) == 0)
        rc = json_truth(json_root(doc), "is_on_duty", out_is_on_duty, err);
    json_free(&doc);
    return rc;
}

/* A doctor comes or goes; what waits is looked at again. */
static int
put_duty(struct pg_conn *conn, const char *login, bool is_on_duty, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, "assign_duty",
               PG_ARGS(PG_TEXT(login), PG_BOOL(is_on_duty), PG_INT(clock_wall_us())), &rows,
               err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0)
        err_set(err, ERR_DENIED, "not a doctor of any organisation");
    else
        rc = pg_run(conn, "choose_again", PG_NO_ARGS, NULL, err);
    pg_rows_free(&rows);
    return rc;
}

int
route_duty(struct http_request *req, struct http_response *res, struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    bool is_on_duty;
    int rc = -1;

    if (read_duty(req, &is_on_duty, err) < 0 || pg_get(a->options.pg, &conn, err) < 0 ||
        pg_begin(conn, err) < 0 || route_caller(req, conn, &who, err) < 0 ||
        put_duty(conn, who.login, is_on_duty, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    assign_wake(a);
    http_answer_bytes(res, 200, "application/json", "{}", 2);
    rc = 0;
out:
    pg_put(&conn);
    return rc;
}
