/* call.c - a doctor calls the clinic: a critical finding, which somebody there reads back, or a
 * request to make images again. The call, the note in the read's log and the audit entry come
 * before the answer; the courier makes the message (courier.c). What the clinic said comes by
 * clinic_up.c. A call needs no lease and no whole image: on a preview it says so. */
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

enum { ANSWER_BYTES = 1 << 20, CALL_BODY_BYTES = 8192, ORDER_BODY_BYTES = 64 << 10 };

/* ---- GET calls ---- */

static void
put_call(struct jsonw *w, const struct pg_rows *rows, size_t i)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "call", pg_text(rows, i, 0));
    jsonw_text(w, "kind", pg_text(rows, i, 1));
    jsonw_text(w, "words", pg_text(rows, i, 2));
    jsonw_bool(w, "is_on_preview", pg_truth(rows, i, 3));
    jsonw_object(w, "by");
    jsonw_text(w, "login", pg_text(rows, i, 4));
    jsonw_text(w, "name", pg_text(rows, i, 5));
    jsonw_end(w);
    jsonw_time(w, "at", pg_int(rows, i, 6));
    jsonw_time(w, "arrived_at", pg_int(rows, i, 7));
    if (pg_text(rows, i, 8)[0] == '\0') {
        jsonw_null(w, "answer");
    } else {
        jsonw_object(w, "answer");
        jsonw_text(w, "outcome", pg_text(rows, i, 8));
        jsonw_text(w, "words", pg_text(rows, i, 9));
        jsonw_text(w, "by", pg_text(rows, i, 10));
        jsonw_time(w, "at", pg_int(rows, i, 11));
        jsonw_end(w);
    }
    jsonw_end(w);
}

static int
answer_calls(struct pg_conn *conn, int64_t read_id, struct http_response *res, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct buf json;
    struct jsonw w;

    if (pg_run(conn, "clinic_call_list", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    buf_init(&json, ANSWER_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "calls");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        put_call(&w, rows, i);
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    pg_rows_free(&rows);
    return 0;
}

static int
get_calls(struct http_request *req, struct http_response *res, struct err *err)
{
    struct deliver *d = http_user(req);
    struct pg_conn *conn = NULL;
    struct person who;
    int64_t read_id;
    int rc = -1;

    if (assign_read_id(req, &read_id, err) < 0 || pg_get(d->o.pg, &conn, err) < 0 ||
        people_of_caller(conn, http_caller(req), &who, err) < 0 ||
        assign_may(conn, &who, read_id, ASSIGN_SEE, err) < 0)
        goto out;
    rc = answer_calls(conn, read_id, res, err);
out:
    pg_put(&conn);
    return rc;
}

/* ---- POST calls ---- */

static int
listen_to(const struct http_request *req, struct clinic_call *out, struct err *err)
{
    struct json_doc *doc = NULL;
    const char *kind, *words, *id;
    const uint8_t *body;
    size_t n;
    int rc = -1;

    body = http_body(req, &n);
    if (assign_read_id(req, &out->read_id, err) < 0 || json_parse(body, n, &doc, err) < 0)
        return -1;
    kind = json_as_text(json_find(json_root(doc), "kind"));
    words = json_as_text(json_find(json_root(doc), "words"));
    id = json_as_text(json_find(json_root(doc), "call"));
    if (kind == NULL || (strcmp(kind, "critical") != 0 && strcmp(kind, "repeat") != 0)) {
        err_set(err, ERR_REJECT, "kind: critical or repeat");
    } else if (words == NULL || strspn(words, " \t\r\n") == strlen(words) ||
               strlen(words) >= sizeof out->words) {
        err_set(err, ERR_REJECT, "words: 1 to %zu bytes", sizeof out->words - 1);
    } else if (id != NULL && !clinic_id_is_valid(id)) {
        err_set(err, ERR_REJECT, "call: a random UUID in lower case, or nothing");
    } else if (json_find(json_root(doc), "is_on_preview") != NULL &&
               json_truth(json_root(doc), "is_on_preview", &out->is_on_preview, err) < 0) {
        err_context(err, "is_on_preview");
    } else {
        out->is_critical = strcmp(kind, "critical") == 0;
        text_copy(out->words, sizeof out->words, words);
        if (id != NULL)
            text_copy(out->id, sizeof out->id, id);
        else
            clinic_id_new(out->id);
        rc = 0;
    }
    json_free(&doc);
    return rc;
}

/* The page that had no answer sends the same call again: that is one call.
 * errors  ERR_CONFLICT the id is another call's */
static int
vet_again(struct pg_conn *conn, const struct person *who, const struct clinic_call *call,
          struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_same;

    if (pg_run(conn, "clinic_call_is",
               PG_ARGS(PG_TEXT(call->id), PG_INT(call->read_id),
                       PG_TEXT(call->is_critical ? "critical" : "repeat"), PG_TEXT(call->words),
                       PG_TEXT(who->login)),
               &rows, err) < 0)
        return -1;
    is_same = pg_rows_count(rows) > 0 && pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    return is_same ? 0 : err_set(err, ERR_CONFLICT, "another call has this id");
}

/* In a transaction: the row first, the log last (assign.h). */
static int
put_down_call(struct pg_conn *conn, const struct person *who, const struct read_row *row,
              const struct clinic_call *call, bool *out_is_new, struct err *err)
{
    char hospital[ASSIGN_TEXT] = "", detail[96];
    struct pg_rows *rows = NULL;
    const char *kind = call->is_critical ? "critical" : "repeat";

    if (assign_org_name(conn, who->org, hospital, err) < 0 && err->kind != ERR_NOT_FOUND)
        return -1;
    if (pg_run(conn, "clinic_call_put",
               PG_ARGS(PG_TEXT(call->id), PG_TEXT(row->tenant), PG_INT(row->read_id), PG_TEXT(kind),
                       PG_TEXT(call->words), PG_BOOL(call->is_on_preview), PG_TEXT(who->login),
                       PG_TEXT(who->name), PG_TEXT(hospital), PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    *out_is_new = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    if (!*out_is_new)
        return vet_again(conn, who, call, err);
    snprintf(detail, sizeof detail, "{\"call\":\"%s\",\"kind\":\"%s\"}", call->id, kind);
    return assign_note(conn, row->read_id, who->login, READ_NOTE_CALLED, detail, err);
}

static int
audit_call(struct deliver *d, const struct person *who, const struct read_row *row,
           const struct clinic_call *call, struct err *err)
{
    if (d->o.audit == NULL)
        return 0;
    return audit_append(
        d->o.audit, err, AUDIT_CLINIC_CALLED, A_UID("study", row->study),
        A_NUMBER("read", row->read_id), A_WORD("tenant", row->tenant), A_WORD("of", who->org),
        A_WORD("kind", call->is_critical ? "critical" : "repeat"), A_WORD("by", who->login));
}

int
clinic_call_make(struct deliver *d, const struct person *who, const struct clinic_call *call,
                 struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    struct pg_conn *conn = NULL;
    bool is_new = false;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || pg_begin(conn, err) < 0 ||
        assign_may(conn, who, call->read_id, ASSIGN_WRITE, err) < 0 ||
        assign_read_get(conn, call->read_id, row, err) < 0 ||
        put_down_call(conn, who, row, call, &is_new, err) < 0 ||
        (is_new && audit_call(d, who, row, call, err) < 0) || pg_commit(conn, err) < 0)
        goto out;
    if (is_new)
        LOG(&deliver_log, CLINIC_CALLED, F_NUMBER("read", call->read_id),
            F_WORD("kind", call->is_critical ? "critical" : "repeat"));
    rc = 0;
out:
    pg_put(&conn);
    free(row);
    if (rc == 0 && is_new)
        deliver_wake_others(d);
    return rc;
}

static int
post_call(struct http_request *req, struct http_response *res, struct err *err)
{
    struct deliver *d = http_user(req);
    struct clinic_call call = {.is_on_preview = false};
    struct pg_conn *conn = NULL;
    struct person who;
    int rc;

    if (listen_to(req, &call, err) < 0 || pg_get(d->o.pg, &conn, err) < 0)
        return -1;
    rc = people_of_caller(conn, http_caller(req), &who, err);
    pg_put(&conn);
    if (rc < 0 || clinic_call_make(d, &who, &call, err) < 0 || pg_get(d->o.pg, &conn, err) < 0)
        return -1;
    rc = answer_calls(conn, call.read_id, res, err);
    pg_put(&conn);
    return rc;
}

static const struct http_route routes[] = {
    {.method = "GET",
     .pattern = "/api/v1/reads/{read}/calls",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_REPORTS,
     .handle = get_calls,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/api/v1/reads/{read}/calls",
     .callers = HTTP_STAFF,
     .rights = MAY_CALL,
     .body_limit = CALL_BODY_BYTES,
     .handle = post_call,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/orders",
     .callers = HTTP_STAFF,
     .rights = MAY_ORDER,
     .handle = clinic_get_orders,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/api/v1/orders",
     .callers = HTTP_STAFF,
     .rights = MAY_ORDER,
     .body_limit = ORDER_BODY_BYTES,
     .handle = clinic_post_order,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/api/v1/gateways",
     .callers = HTTP_STAFF,
     .rights = MAY_SEE_GATEWAYS,
     .handle = clinic_get_gateways,
     .flags = HTTP_NO_STORE},
};

struct http_table
deliver_staff_table(struct deliver *d)
{
    return (struct http_table){routes, ARRAY_LEN(routes), d};
}
