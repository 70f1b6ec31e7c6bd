/* order.c - a doctor orders an examination at a clinic whose agreement invites them: its desk takes
 * it into the devices' worklists like an order of the clinic's own HIS. Row, message and audit
 * entry are one transaction, durable before the answer; told again with other words it replaces
 * what it said, is_cancelled takes it back. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "proto/trust/audit.h"
#include "reader/people/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES = 4 << 20, LISTED = 200 };

/* ---- GET ---- */

static void
put_order(struct jsonw *w, const struct pg_rows *rows, size_t i)
{
    static const char *const keys[] = {"placer", "clinic",  "clinic_name", "by_login",
                                       "by",     "patient", "modality",    "description"};

    jsonw_object(w, NULL);
    for (size_t k = 0; k < ARRAY_LEN(keys); k++)
        jsonw_text(w, keys[k], pg_text(rows, i, (int)k));
    jsonw_bool(w, "is_urgent", pg_truth(rows, i, 8));
    jsonw_bool(w, "is_cancelled", pg_truth(rows, i, 9));
    jsonw_time(w, "at", pg_int(rows, i, 10));
    jsonw_time(w, "arrived_at", pg_int(rows, i, 11));
    jsonw_end(w);
}

static int
answer_orders(struct pg_conn *conn, const struct person *who, struct http_response *res,
              struct err *err)
{
    struct pg_rows *rows = NULL;
    struct buf json;
    struct jsonw w;

    if (pg_run(conn, "clinic_order_list", PG_ARGS(PG_TEXT(who->login), PG_INT(LISTED)), &rows,
               err) < 0)
        return -1;
    buf_init(&json, ANSWER_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "orders");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        put_order(&w, rows, i);
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    pg_rows_free(&rows);
    return 0;
}

int
clinic_get_orders(struct http_request *req, struct http_response *res, struct err *err)
{
    struct deliver *d = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) == 0 &&
        people_of_caller(conn, http_caller(req), &who, err) == 0)
        rc = answer_orders(conn, &who, res, err);
    pg_put(&conn);
    return rc;
}

/* ---- POST ---- */

/* What the order says of who sends it: the doctor, and the organisation that may. An order stays
 * that organisation's which placed it; to take it back asks for no agreement.
 * errors  ERR_NOT_FOUND no agreement in force: not theirs to know of */
static int
sign_order(struct pg_conn *conn, const struct person *who, const char *tenant,
           char out_org[ASSIGN_CODE], struct clinic_down *io, struct err *err)
{
    struct pg_rows *known = NULL, *may = NULL, *rows;
    int rc = -1;

    if (pg_run(conn, "clinic_order_known",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(who->login), PG_TEXT(io->placer)), &known,
               err) < 0 ||
        pg_run(conn, "clinic_order_may",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(who->login), PG_INT(clock_wall_us())), &may,
               err) < 0)
        goto out;
    rows = pg_rows_count(known) > 0 ? known : may;
    if (pg_rows_count(rows) == 0 || (pg_rows_count(may) == 0 && !io->is_cancelled)) {
        (void)err_set(err, ERR_NOT_FOUND, "clinic: no agreement in force invites you");
        goto out;
    }
    text_copy(out_org, ASSIGN_CODE, pg_text(rows, 0, 0));
    text_copy(io->hospital, sizeof io->hospital, pg_text(rows, 0, 1));
    text_copy(io->author, sizeof io->author, who->name);
    clinic_id_new(io->id);
    io->at_us = clock_wall_us();
    rc = 0;
out:
    pg_rows_free(&known);
    pg_rows_free(&may);
    return rc;
}

/* The desk knows all hospitals' orders by one number: ours is before it. */
static int
name_order(const char *org, struct clinic_down *io, struct err *err)
{
    char placer[sizeof io->placer];

    if (snprintf(placer, sizeof placer, "%s/%s", org, io->placer) >= (int)sizeof placer)
        return err_set(err, ERR_REJECT, "placer: at most %zu signs",
                       sizeof placer - 2 - strlen(org));
    text_copy(io->placer, sizeof io->placer, placer);
    return 0;
}

static int
keep_order(struct pg_conn *conn, const struct person *who, const char *tenant, const char *org,
           const struct clinic_down *m, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_kept;

    if (pg_run(conn, "clinic_order_put",
               PG_ARGS(PG_TEXT(org), PG_TEXT(m->placer), PG_TEXT(tenant), PG_TEXT(who->login),
                       PG_TEXT(who->name), PG_TEXT(m->patient), PG_TEXT(m->modality),
                       PG_TEXT(m->description), PG_BOOL(m->is_urgent), PG_BOOL(m->is_cancelled),
                       PG_TEXT(m->id), PG_INT(m->at_us)),
               &rows, err) < 0)
        return -1;
    is_kept = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return is_kept ? 0
                   : err_set(err, ERR_CONFLICT, "placer: this number is another clinic's order");
}

/* Under the courier's lock, so that numbers are committed in order. */
static int
send_order(struct pg_conn *conn, const char *tenant, const struct clinic_down *m,
           int64_t *out_latest, struct err *err)
{
    struct clinic_down *as_read = mem_new(sizeof *as_read);
    struct pg_rows *lock = NULL, *number = NULL, *rows = NULL;
    struct buf json;
    int rc = -1;

    buf_init(&json, CLINIC_BODY_BYTES);
    clinic_down_encode(m, &json);
    if (clinic_down_decode((const uint8_t *)buf_text(&json), json.n, as_read, err) < 0 ||
        pg_run(conn, "clinic_courier_lock", PG_NO_ARGS, &lock, err) < 0 ||
        pg_run(conn, "clinic_order_number", PG_NO_ARGS, &number, err) < 0 ||
        pg_run(conn, "clinic_down_put",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(m->id), PG_TEXT(clinic_down_word(m->kind)),
                       PG_INT(pg_int(number, 0, 0)), PG_INT(0), PG_INT(0), PG_TEXT(buf_text(&json)),
                       PG_INT(m->at_us)),
               &rows, err) < 0)
        goto out;
    *out_latest = pg_int(rows, 0, 0);
    rc = 0;
out:
    pg_rows_free(&rows);
    pg_rows_free(&number);
    pg_rows_free(&lock);
    buf_fini(&json);
    free(as_read);
    return rc;
}

static int
audit_order(struct deliver *d, const struct person *who, const char *tenant, const char *org,
            const struct clinic_down *m, struct err *err)
{
    if (d->o.audit == NULL)
        return 0;
    return audit_append(d->o.audit, err, AUDIT_EXAM_ORDERED, A_WORD("tenant", tenant),
                        A_WORD("of", org), A_WORD("what", m->is_cancelled ? "cancel" : "order"),
                        A_WORD("message", m->id), A_WORD("by", who->login));
}

int
clinic_order_place(struct deliver *d, const struct person *who, const char *tenant,
                   const struct clinic_down *order, struct err *err)
{
    struct clinic_down *m = mem_new(sizeof *m);
    struct pg_conn *conn = NULL;
    char org[ASSIGN_CODE] = "";
    int64_t latest = 0;
    int rc = -1;

    *m = *order;
    if (pg_get(d->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        sign_order(conn, who, tenant, org, m, err) < 0 || name_order(org, m, err) < 0 ||
        keep_order(conn, who, tenant, org, m, err) < 0 ||
        send_order(conn, tenant, m, &latest, err) < 0 ||
        audit_order(d, who, tenant, org, m, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    rc = 0;
    LOG(&deliver_log, CLINIC_EXAM_ORDERED, F_WORD("tenant", tenant), F_WORD("of", org),
        F_NUMBER("seq", latest));
out:
    pg_put(&conn);
    free(m);
    if (rc == 0)
        deliver_news(d, latest);
    return rc;
}

static int
read_order(const struct http_request *req, char out_clinic[ASSIGN_CODE], struct clinic_down *out,
           struct err *err)
{
    struct json_doc *doc = NULL;
    const char *clinic;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (json_parse(body, n, &doc, err) < 0)
        return -1;
    rc = json_text(json_root(doc), "clinic", ASSIGN_CODE - 1, &clinic, err);
    if (rc == 0)
        text_copy(out_clinic, ASSIGN_CODE, clinic);
    json_free(&doc);
    return rc < 0 ? -1 : clinic_order_decode(body, n, out, err);
}

int
clinic_post_order(struct http_request *req, struct http_response *res, struct err *err)
{
    struct clinic_down *order = mem_new(sizeof *order);
    struct deliver *d = http_user(req);
    struct pg_conn *conn = NULL;
    char clinic[ASSIGN_CODE];
    struct person who;
    int rc = -1;

    if (read_order(req, clinic, order, err) < 0 || pg_get(d->o.pg, &conn, err) < 0 ||
        people_of_caller(conn, http_caller(req), &who, err) < 0)
        goto out;
    pg_put(&conn);
    if (clinic_order_place(d, &who, clinic, order, err) < 0 || pg_get(d->o.pg, &conn, err) < 0)
        goto out;
    rc = answer_orders(conn, &who, res, err);
out:
    pg_put(&conn);
    free(order);
    return rc;
}
