/* patient_exam.c - what a patient sees of an examination, who looked at it, and the page behind a
 * report's code. Nothing of a report leaves before it is signed, nor after it was withdrawn. */
#include "reader/deliver/patient_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/audit.h"
#include "reader/people/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PDF_BYTES = 32 << 20, LOOKS = 400, TOKEN_MAX = 64 };

/* A look as it is told. */
struct look {
    int64_t at_us;
    char who[ASSIGN_TEXT + PEOPLE_NAME + 8];
    char what[17];
};

struct looks {
    struct pg_conn *conn;
    struct look *rows;
    size_t count;
};

static const char *status_of(const struct patient_exam *e);
static int write_exam(struct jsonw *w, struct pg_conn *conn, const struct patient_exam *e,
                      struct err *err);
static int write_report(struct jsonw *w, struct pg_conn *conn, const struct report *r,
                        struct err *err);
static int write_versions(struct jsonw *w, struct pg_conn *conn, int64_t read, struct err *err);
static void write_person(struct jsonw *w, const char *key, const struct report_person *p);
static int add_staff(void *user, const struct people_look *look, struct err *err);
static int add_own(struct looks *looks, const struct patient_session *s, struct err *err);
static int newest_first(const void *a, const void *b);
static int answer_json(struct http_response *res, struct buf *b, int rc, struct err *err);
static void write_verified(struct jsonw *w, const struct report *r, const char *superseded_by);

int
patient_exam_get(struct pg_conn *conn, struct http_request *req, struct patient_exam *out,
                 struct err *err)
{
    *out = (struct patient_exam){.row = NULL};
    if (patient_session_find(conn, http_session(req), &out->session, NULL, err) < 0)
        return -1;
    if (out->session.study[0] == '\0')
        return 0;
    out->row = mem_new(sizeof *out->row);
    if (assign_read_find(conn, out->session.tenant, out->session.study, out->row, err) < 0) {
        free(TAKE(out->row));
        return err->kind == ERR_NOT_FOUND ? 0 : -1;
    }
    if (compose_report_get(conn, out->row->read_id, 0, &out->report, err) < 0) {
        if (err->kind == ERR_NOT_FOUND)
            return 0;
        free(TAKE(out->row));
        return -1;
    }
    out->is_withdrawn = out->report.standing != REPORT_VALID;
    out->is_held = !out->is_withdrawn && !patient_is_theirs(&out->report, out->row);
    out->has_report = !out->is_withdrawn && !out->is_held;
    return 0;
}

void
patient_exam_fini(struct patient_exam *e)
{
    if (e->has_report || e->is_held || e->is_withdrawn)
        report_fini(&e->report);
    free(TAKE(e->row));
    e->has_report = e->is_held = e->is_withdrawn = false;
}

int
patient_look(struct patient *p, struct pg_conn *conn, const struct patient_exam *e,
             const char *what, struct err *err)
{
    const struct patient_session *s = &e->session;
    struct pg_rows *rows = NULL;
    bool is_new;

    if (pg_run(
            conn, "patient_look_put",
            PG_ARGS(PG_TEXT(s->tenant), PG_TEXT(s->study), PG_TEXT(what), PG_INT(clock_wall_us())),
            &rows, err) < 0)
        return -1;
    is_new = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (!is_new || p->o.audit == NULL)
        return 0;
    return audit_append(p->o.audit, err, AUDIT_PATIENT_LOOKED, A_WORD("tenant", s->tenant),
                        A_UID("study", s->study), A_WORD("what", what));
}

int
patient_handle_exam(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    struct patient_exam e = {.row = NULL};
    struct pg_conn *conn = NULL;
    struct jsonw w;
    struct buf b;
    int rc = -1;

    buf_init(&b, PATIENT_JSON_BYTES);
    jsonw_init(&w, &b);
    if (pg_get(p->o.pg, &conn, err) < 0 || patient_exam_get(conn, req, &e, err) < 0 ||
        (e.has_report && patient_look(p, conn, &e, "report", err) < 0))
        goto out;
    rc = write_exam(&w, conn, &e, err);
out:
    patient_exam_fini(&e);
    pg_put(&conn);
    return answer_json(res, &b, rc, err);
}

int
patient_handle_pdf(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    struct patient_exam e = {.row = NULL};
    struct pg_conn *conn = NULL;
    unsigned version = 0;
    int64_t read = 0;
    struct buf b;
    int rc = -1;

    buf_init(&b, PDF_BYTES);
    if (pg_get(p->o.pg, &conn, err) < 0 || patient_exam_get(conn, req, &e, err) < 0)
        goto out;
    if (!e.has_report || p->o.compose == NULL) {
        (void)err_set(err, ERR_NOT_FOUND, "no report stands");
        goto out;
    }
    read = e.row->read_id;
    version = e.report.version;
    rc = patient_look(p, conn, &e, "pdf", err);
out:
    patient_exam_fini(&e);
    pg_put(&conn); /* before a long drawing */
    if (rc == 0)
        rc = compose_pdf(p->o.compose, read, version, &b, err);
    if (rc == 0) {
        http_answer_header(res, "Content-Disposition", "inline; filename=\"report.pdf\"");
        http_answer_buf(res, 200, "application/pdf", &b);
    }
    buf_fini(&b);
    return rc < 0 ? err_context(err, "report.pdf") : 0;
}

int
patient_handle_looks(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    struct looks looks = {.rows = mem_new(LOOKS * sizeof *looks.rows)};
    struct patient_exam e = {.row = NULL};
    struct jsonw w;
    struct buf b;
    int rc = -1;

    buf_init(&b, PATIENT_JSON_BYTES);
    jsonw_init(&w, &b);
    if (pg_get(p->o.pg, &looks.conn, err) < 0 || patient_exam_get(looks.conn, req, &e, err) < 0)
        goto out;
    if (e.session.study[0] != '\0' &&
        (people_looks(looks.conn, e.session.tenant, e.session.study, add_staff, &looks, err) < 0 ||
         add_own(&looks, &e.session, err) < 0))
        goto out;
    qsort(looks.rows, looks.count, sizeof *looks.rows, newest_first);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "looks");
    for (size_t i = 0; i < looks.count; i++) {
        jsonw_object(&w, NULL);
        jsonw_time(&w, "at", looks.rows[i].at_us);
        jsonw_text(&w, "who", looks.rows[i].who);
        jsonw_text(&w, "what", looks.rows[i].what);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    rc = 0;
out:
    patient_exam_fini(&e);
    pg_put(&looks.conn);
    free(looks.rows);
    return answer_json(res, &b, rc, err);
}

int
patient_handle_verify(struct http_request *req, struct http_response *res, struct err *err)
{
    struct patient *p = http_user(req);
    const char *token = http_param(req, "token");
    struct report r, later;
    struct pg_conn *conn = NULL;
    bool is_found = false;
    char superseded_by[REPORT_TOKEN_BYTES] = "";
    struct jsonw w;
    struct buf b;
    int rc = -1;

    buf_init(&b, PATIENT_JSON_BYTES);
    jsonw_init(&w, &b);
    if (strlen(token) > TOKEN_MAX) {
        (void)err_set(err, ERR_NOT_FOUND, "no such report");
        goto out;
    }
    if (pg_get(p->o.pg, &conn, err) < 0 || compose_report_by_token(conn, token, &r, err) < 0)
        goto out;
    is_found = true;
    if (r.superseded_by != 0) {
        if (compose_report_get(conn, r.read, r.superseded_by, &later, err) < 0)
            goto out;
        (void)text_copy(superseded_by, sizeof superseded_by, later.token);
        report_fini(&later);
    }
    write_verified(&w, &r, superseded_by);
    rc = 0;
out:
    if (is_found)
        report_fini(&r);
    pg_put(&conn);
    return answer_json(res, &b, rc, err);
}

/* Nothing of the patient: anyone who holds the paper may ask. */
static void
write_verified(struct jsonw *w, const struct report *r, const char *superseded_by)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "state", report_standing_word(r->standing));
    jsonw_uint(w, "version", r->version);
    jsonw_text(w, "kind", report_kind_word(r->kind));
    jsonw_time(w, "signed_at", r->signed_at_us);
    jsonw_time(w, "withdrawn_at", r->withdrawn_at_us);
    jsonw_text(w, "clinic", r->clinic_name);
    jsonw_text(w, "hospital", r->hospital_name);
    jsonw_text(w, "author", r->author.name);
    jsonw_text(w, "reviewer", r->reviewer.login[0] != '\0' ? r->reviewer.name : NULL);
    jsonw_text(w, "superseded_by", superseded_by[0] != '\0' ? superseded_by : NULL);
    jsonw_end(w);
}

/* none > received > being_read > ready; withdrawn; held: what is signed speaks of somebody else. A
 * version that stands goes before the state of what is being written after it. */
static const char *
status_of(const struct patient_exam *e)
{
    if (e->has_report)
        return "ready";
    if (e->is_held)
        return "held";
    if (e->is_withdrawn)
        return "withdrawn";
    if (e->session.study[0] == '\0')
        return "none";
    if (e->row == NULL)
        return "received";
    switch (e->row->state) {
    case READ_CLAIMED:
    case READ_DRAFTED:
    case READ_WRITTEN:
    case READ_REVIEWED:
        return "being_read";
    default:
        return "received";
    }
}

static int
write_exam(struct jsonw *w, struct pg_conn *conn, const struct patient_exam *e, struct err *err)
{
    char clinic[ASSIGN_TEXT] = "";

    if (e->row != NULL)
        (void)text_copy(clinic, sizeof clinic, e->row->clinic);
    else if (assign_org_name(conn, e->session.tenant, clinic, err) < 0 &&
             err->kind != ERR_NOT_FOUND)
        return -1;
    jsonw_object(w, NULL);
    jsonw_text(w, "status", status_of(e));
    jsonw_text(w, "clinic", clinic);
    jsonw_text(w, "modality", e->row != NULL ? e->row->modality : "");
    jsonw_time(w, "at", e->row != NULL ? e->row->closed_at_us : 0);
    if (e->is_withdrawn)
        jsonw_time(w, "withdrawn_at", e->report.withdrawn_at_us);
    if (e->has_report && write_report(w, conn, &e->report, err) < 0)
        return -1;
    jsonw_end(w);
    return 0;
}

static int
write_report(struct jsonw *w, struct pg_conn *conn, const struct report *r, struct err *err)
{
    jsonw_object(w, "report");
    jsonw_uint(w, "version", r->version);
    jsonw_text(w, "kind", report_kind_word(r->kind));
    jsonw_text(w, "exam", r->exam);
    jsonw_text(w, "findings", r->findings);
    jsonw_text(w, "impression", r->impression);
    write_person(w, "author", &r->author);
    write_person(w, "reviewer", &r->reviewer);
    jsonw_time(w, "signed_at", r->signed_at_us);
    jsonw_text(w, "hospital", r->hospital_name);
    jsonw_text(w, "verify_url", r->verify_url);
    jsonw_uint(w, "covers", r->covers);
    jsonw_uint(w, "present", r->present);
    jsonw_time(w, "looked_at", r->looked_at_us);
    jsonw_text(w, "looked_by", r->looked_at_us != 0 ? r->looked_by : NULL);
    jsonw_bool(w, "is_amended", r->version > 1);
    jsonw_text(w, "reason", r->reason);
    if (write_versions(w, conn, r->read, err) < 0)
        return -1;
    jsonw_end(w);
    return 0;
}

static int
write_versions(struct jsonw *w, struct pg_conn *conn, int64_t read, struct err *err)
{
    unsigned count;
    struct report r;

    if (compose_version_count(conn, read, &count, err) < 0)
        return -1;
    jsonw_array(w, "versions");
    for (unsigned i = 1; i <= count; i++) {
        if (compose_report_get(conn, read, i, &r, err) < 0)
            return -1;
        jsonw_object(w, NULL);
        jsonw_uint(w, "version", r.version);
        jsonw_text(w, "kind", report_kind_word(r.kind));
        jsonw_text(w, "state", report_standing_word(r.standing));
        jsonw_time(w, "signed_at", r.signed_at_us);
        jsonw_text(w, "reason", r.reason);
        jsonw_text(w, "verify_url", r.verify_url);
        jsonw_end(w);
        report_fini(&r);
    }
    jsonw_end(w);
    return 0;
}

static void
write_person(struct jsonw *w, const char *key, const struct report_person *p)
{
    if (p->login[0] == '\0') {
        jsonw_null(w, key);
        return;
    }
    jsonw_object(w, key);
    jsonw_text(w, "name", p->name);
    jsonw_text(w, "organisation", p->organisation_name);
    jsonw_end(w);
}

static int
add_staff(void *user, const struct people_look *look, struct err *err)
{
    struct looks *looks = user;
    char org[ASSIGN_TEXT];
    struct look *to;

    if (looks->count == LOOKS)
        return 0;
    if (assign_org_name(looks->conn, look->org, org, err) < 0) {
        if (err->kind != ERR_NOT_FOUND)
            return -1;
        (void)text_copy(org, sizeof org, look->org);
    }
    to = &looks->rows[looks->count++];
    to->at_us = look->at_us;
    (void)snprintf(to->who, sizeof to->who, "%s · %s", look->name, org);
    (void)text_copy(to->what, sizeof to->what, look->what);
    return 0;
}

static int
add_own(struct looks *looks, const struct patient_session *s, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(looks->conn, "patient_looks", PG_ARGS(PG_TEXT(s->tenant), PG_TEXT(s->study)), &rows,
               err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows) && looks->count < LOOKS; i++) {
        struct look *to = &looks->rows[looks->count++];

        to->at_us = pg_int(rows, i, 0);
        (void)text_copy(to->what, sizeof to->what, pg_text(rows, i, 1));
    }
    pg_rows_free(&rows);
    return 0;
}

static int
newest_first(const void *a, const void *b)
{
    const struct look *x = a, *y = b;

    return (x->at_us < y->at_us) - (x->at_us > y->at_us);
}

static int
answer_json(struct http_response *res, struct buf *b, int rc, struct err *err)
{
    (void)err;
    if (rc == 0)
        http_answer_buf(res, 200, "application/json", b);
    buf_fini(b);
    return rc;
}
