/* order.c - what the clinic says about a study: its registration, and how urgent it is. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static int
words_json(struct buf *b, const char *key, const char *word, const char *reason)
{
    struct jsonw w;

    jsonw_init(&w, b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, key, word);
    if (reason != NULL && reason[0] != '\0')
        jsonw_text(&w, "reason", reason);
    jsonw_end(&w);
    return buf_is_over(b) ? -1 : 0;
}

int
order_lock_tenant(struct pg_conn *conn, const char *tenant, struct err *err)
{
    return pg_run(conn, "order_lock_tenant", PG_ARGS(PG_TEXT(tenant)), NULL, err);
}

/* The read is about another patient than its author and reviewer saw: what nobody has signed goes
 * back to its author. Where the table knows no way back there is nothing to judge again. */
int
order_judge_again(struct pg_conn *conn, int64_t read_id, const char *actor, struct err *err)
{
    static const struct change change = {.detail = "{\"cause\":\"registration\"}",
                                         .reason = "登记已变更，退回书写医师复核",
                                         .reason_en =
                                             "the registration changed: back to its author"};
    struct err why;

    if (advance(conn, read_id, actor, READ_SAW_RETURN, &change, &why) == 0 ||
        why.kind == ERR_CONFLICT)
        return 0;
    *err = why;
    return -1;
}

/* A first registration says who it is; only where the images say otherwise is that news. */
static int
judge_contradiction(struct pg_conn *conn, int64_t read_id, const char *actor, struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    int rc = assign_read_get(conn, read_id, row, err);

    if (rc == 0 && row->is_other_patient)
        rc = order_judge_again(conn, read_id, actor, err);
    free(row);
    return rc;
}

/* before: the registration that the read had, "" none. */
static int
attach(struct pg_conn *conn, int64_t read_id, const char *registration, const char *before,
       const char *actor, struct err *err)
{
    struct buf detail;
    int rc = -1;

    buf_init(&detail, 4096);
    if (words_json(&detail, "registration", registration, NULL) < 0) {
        err_set(err, ERR_REJECT, "the registration's number is too long");
        goto out;
    }
    if (pg_run(conn, "order_attach",
               PG_ARGS(PG_INT(read_id), PG_TEXT(registration), PG_INT(clock_wall_us())), NULL,
               err) < 0 ||
        assign_note(conn, read_id, actor, READ_NOTE_ORDER, buf_text(&detail), err) < 0)
        goto out;
    rc = before[0] != '\0' ? order_judge_again(conn, read_id, actor, err)
                           : judge_contradiction(conn, read_id, actor, err);
out:
    buf_fini(&detail);
    return rc;
}

/* The reads that the order is about, if they are here. */
static int
attach_order(struct pg_conn *conn, const struct read_order *order, struct err *err)
{
    struct pg_rows *rows = NULL, *urgent = NULL;
    int rc = -1;

    if (pg_run(conn, "order_reads", PG_ARGS(PG_TEXT(order->tenant), PG_TEXT(order->registration)),
               &rows, err) < 0 ||
        pg_run(conn, "order_urgent", PG_ARGS(PG_TEXT(order->tenant), PG_TEXT(order->registration)),
               &urgent, err) < 0)
        goto out;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t read_id = pg_int(rows, i, 0);

        if (strcmp(pg_text(rows, i, 1), order->registration) != 0 &&
            attach(conn, read_id, order->registration, pg_text(rows, i, 1), order->actor, err) < 0)
            goto out;
        if ((order->is_lowered || pg_truth(urgent, 0, 0)) &&
            urgency_of_order(conn, read_id, !order->is_lowered, order->actor, pg_text(urgent, 0, 1),
                             err) < 0)
            goto out;
    }
    rc = 0;
out:
    pg_rows_free(&urgent);
    pg_rows_free(&rows);
    return rc;
}

/* Rows first, in their order, the log last: who signs or claims holds a row and waits for the log.
 */
static int
lock_reads(struct pg_conn *conn, const char *tenant, const char *registration, struct err *err)
{
    return pg_run(conn, "order_lock_reads", PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration)), NULL,
                  err);
}

/* The reads that were the registration's are not any more, but that of this study ("": none). */
static int
leave_reads(struct pg_conn *conn, const char *tenant, const char *registration, const char *but,
            const char *actor, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(
            conn, "read_let_go",
            PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_INT(clock_wall_us()), PG_TEXT(but)),
            &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t read_id = pg_int(rows, i, 0);

        if (assign_note(conn, read_id, actor, READ_NOTE_ORDER, "{\"registration\":\"\"}", err) <
                0 ||
            order_judge_again(conn, read_id, actor, err) < 0)
            goto out;
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

static struct pg_arg
said(const char *text)
{
    return PG_TEXT(text != NULL ? text : "");
}

int
assign_order_put(struct pg_conn *conn, const struct read_order *order, struct err *err)
{
    const char *study = order->study != NULL ? order->study : "";
    const char *why = order->urgent_reason != NULL ? order->urgent_reason : "";

    if (order->registration[0] == '\0' || (study[0] != '\0' && !uid_is_valid(study, true)))
        return err_set(err, ERR_REJECT, "registration or study cannot be used");
    if (order_lock_tenant(conn, order->tenant, err) < 0)
        return -1;
    if (pg_run(conn, "order_put",
               PG_ARGS(PG_TEXT(order->tenant), PG_TEXT(order->registration), PG_TEXT(study),
                       said(order->accession), said(order->complaint), said(order->history),
                       said(order->clinic_phone), PG_BOOL(order->is_urgent), PG_TEXT(why),
                       PG_INT(clock_wall_us()), said(order->patient_name), said(order->patient_id),
                       said(order->sex), said(order->birth), PG_BOOL(order->is_lowered)),
               NULL, err) < 0)
        return -1;
    if (lock_reads(conn, order->tenant, order->registration, err) < 0)
        return -1;
    if (study[0] != '\0' && /* the desk named one study: the registration is about no other */
        leave_reads(conn, order->tenant, order->registration, study, order->actor, err) < 0)
        return -1;
    return attach_order(conn, order, err);
}

int
assign_order_detach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *actor, struct err *err)
{
    if (order_lock_tenant(conn, tenant, err) < 0 || lock_reads(conn, tenant, registration, err) < 0)
        return -1;
    if (pg_run(conn, "order_let_go", PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration)), NULL, err) <
        0)
        return -1;
    return leave_reads(conn, tenant, registration, "", actor, err);
}

int
order_find_for(struct pg_conn *conn, int64_t read_id, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (pg_run(conn, "order_of_read", PG_ARGS(PG_INT(read_id)), &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        rc = 0;
        goto out;
    }
    if (attach(conn, read_id, pg_text(rows, 0, 0), "", "system", err) < 0 ||
        (pg_truth(rows, 0, 1) &&
         urgency_of_order(conn, read_id, true, "system", pg_text(rows, 0, 2), err) < 0))
        goto out;
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}
