/* urgency.c - which studies are emergencies: said by the clinic's desk, or raised by a doctor. Only
 * the clinic takes it back. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_BYTES = 600 };

/* What the courier reads: a desk that said it itself is not told. */
static int
note(struct pg_conn *conn, int64_t read_id, const struct read_urgency *u, struct err *err)
{
    struct jsonw w;
    struct buf b;
    int rc;

    buf_init(&b, 8192);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "urgency", u->is_emergency ? "emergency" : "routine");
    jsonw_text(&w, "reason", u->reason);
    jsonw_text(&w, "by", u->by);
    jsonw_text(&w, "org", u->org);
    jsonw_bool(&w, "is_clinics", u->is_clinics);
    jsonw_end(&w);
    rc = buf_is_over(&b)
             ? err_set(err, ERR_REJECT, "the reason is too long")
             : assign_note(conn, read_id, u->actor, READ_NOTE_URGENCY, buf_text(&b), err);
    buf_fini(&b);
    return rc;
}

/* Lock the read. *out_is_change false: it is so already. */
static int
vet(struct pg_conn *conn, int64_t read_id, bool is_emergency, bool *out_is_change, struct err *err)
{
    struct pg_rows *rows = NULL;
    int state, rc = -1;

    if (pg_run(conn, "assign_lock", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such read");
        goto out;
    }
    state = read_state_from_word(pg_text(rows, 0, 0));
    if (state == READ_SIGNED || state == READ_AMENDED || state == READ_WITHDRAWN) {
        err_set(err, ERR_CONFLICT, "the read is done");
        goto out;
    }
    *out_is_change = pg_truth(rows, 0, 8) != is_emergency;
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

static int
change(struct pg_conn *conn, int64_t read_id, const struct read_urgency *u, struct err *err)
{
    if (pg_run(conn, "assign_urgency",
               PG_ARGS(PG_INT(read_id), PG_BOOL(u->is_emergency), PG_INT(clock_wall_us())), NULL,
               err) < 0)
        return -1;
    return note(conn, read_id, u, err);
}

int
assign_urgency_put(struct pg_conn *conn, int64_t read_id, const struct read_urgency *u,
                   struct err *err)
{
    bool is_change;

    if (u->reason == NULL || u->reason[0] == '\0')
        return err_set(err, ERR_REJECT, "a reason is due");
    /* The desk's word locks clinic, urgency, read (assign_study_urgency()). This one has the read
     * before the urgency: the clinic's lock, first, keeps the two from waiting for one another. */
    if (pg_run(conn, "urgency_lock_tenant", PG_ARGS(PG_INT(read_id)), NULL, err) < 0 ||
        vet(conn, read_id, u->is_emergency, &is_change, err) < 0)
        return -1;
    if (!is_change)
        return 0;
    if (pg_run(conn, "urgency_said",
               PG_ARGS(PG_INT(read_id), PG_BOOL(u->is_emergency), PG_TEXT(u->reason),
                       PG_TEXT(u->by), PG_TEXT(u->actor), PG_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    return change(conn, read_id, u, err);
}

/* A read that is done stays as it is. */
static int
change_open(struct pg_conn *conn, int64_t read_id, const struct read_urgency *u, struct err *err)
{
    bool is_change = false;

    if (vet(conn, read_id, u->is_emergency, &is_change, err) < 0)
        return err->kind == ERR_CONFLICT ? 0 : -1;
    return is_change ? change(conn, read_id, u, err) : 0;
}

int
assign_study_urgency(struct pg_conn *conn, const char *tenant, const char *study, uint32_t revision,
                     const struct read_urgency *u, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_news;
    int rc = 0;

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_REJECT, "study cannot be used");
    if (order_lock_tenant(conn, tenant, err) < 0 ||
        pg_run(conn, "urgency_told",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(revision), PG_BOOL(u->is_emergency),
                       PG_TEXT(u->reason), PG_TEXT(u->by), PG_TEXT(u->actor),
                       PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    is_news = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    if (!is_news)
        return 0;
    if (pg_run(conn, "urgency_read", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = change_open(conn, pg_int(rows, 0, 0), u, err);
    pg_rows_free(&rows);
    return rc;
}

int
urgency_find_for(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (pg_run(conn, "urgency_of_read", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0 && pg_truth(rows, 0, 0)) {
        const struct read_urgency u = {.actor = pg_text(rows, 0, 3),
                                       .by = pg_text(rows, 0, 2),
                                       .org = "",
                                       .reason = pg_text(rows, 0, 1),
                                       .is_emergency = true,
                                       .is_clinics = true};

        rc = change_open(conn, read_id, &u, err);
    }
    pg_rows_free(&rows);
    return rc;
}

int
urgency_of_order(struct pg_conn *conn, int64_t read_id, bool is_emergency, const char *actor,
                 const char *reason, struct err *err)
{
    const struct read_urgency u = {.actor = actor,
                                   .by = "",
                                   .org = "",
                                   .reason = reason[0] != '\0' ? reason : "registered as urgent",
                                   .is_emergency = is_emergency,
                                   .is_clinics = true};
    struct pg_rows *rows = NULL;
    bool is_said;

    if (pg_run(conn, "urgency_of_read", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    is_said = pg_rows_count(rows) > 0 && (!is_emergency || pg_int(rows, 0, 4) > 0);
    pg_rows_free(&rows);
    return is_said ? 0 : change_open(conn, read_id, &u, err);
}

/* ---- POST reads/{read}/urgency ---- */

static int
read_urgency(struct http_request *req, bool *out_is_emergency, char *out_reason, size_t size,
             struct err *err)
{
    struct json_doc *doc = NULL;
    const char *urgency, *reason;
    const uint8_t *body;
    size_t n;
    int rc = -1;

    body = http_body(req, &n);
    if (json_parse(body, n, &doc, err) < 0 ||
        json_text(json_root(doc), "urgency", 16, &urgency, err) < 0 ||
        json_text(json_root(doc), "reason", REASON_BYTES, &reason, err) < 0)
        goto out;
    *out_is_emergency = strcmp(urgency, "emergency") == 0;
    if (!*out_is_emergency && strcmp(urgency, "routine") != 0) {
        err_set(err, ERR_REJECT, "urgency: emergency or routine");
        goto out;
    }
    text_copy(out_reason, size, reason);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

/* Anybody who may mark it may raise it; it is the clinic's own people who take it back. */
static int
vet_lowering(struct pg_conn *conn, const struct person *who, int64_t read_id, struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    int rc = assign_read_get(conn, read_id, row, err);

    if (rc == 0 && strcmp(row->tenant, who->org) != 0)
        rc = err_set(err, ERR_DENIED, "only the clinic says that it is no emergency any more");
    free(row);
    return rc;
}

int
route_urgency(struct http_request *req, struct http_response *res, struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_conn *conn = NULL;
    char reason[REASON_BYTES + 1];
    struct read_urgency u = {.reason = reason};
    struct person who;
    int64_t read_id;
    int rc = -1;

    if (assign_read_id(req, &read_id, err) < 0 || pg_get(a->options.pg, &conn, err) < 0 ||
        pg_begin(conn, err) < 0 || route_caller(req, conn, &who, err) < 0 ||
        assign_may(conn, &who, read_id, ASSIGN_SEE, err) < 0 ||
        read_urgency(req, &u.is_emergency, reason, sizeof reason, err) < 0 ||
        (!u.is_emergency && vet_lowering(conn, &who, read_id, err) < 0))
        goto out;
    u.actor = who.login;
    u.by = who.name;
    u.org = who.org;
    if (assign_urgency_put(conn, read_id, &u, err) < 0 || pg_commit(conn, err) < 0)
        goto out;
    assign_wake(a);
    http_answer_bytes(res, 200, "application/json", "{}", 2);
    rc = 0;
out:
    pg_put(&conn);
    return rc;
}
