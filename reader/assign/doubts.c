/* doubts.c - what is odd about whose images a study is: told by the clinic's desk, confirmed there
 * or by a doctor who says why. Signing waits in between (compose). */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/model/doubts.h"

#include <stdlib.h>
#include <string.h>

bool
read_has_open_doubts(const struct read_row *row)
{
    return doubts_are_open(row->doubts, row->confirmed);
}

static int
note(struct pg_conn *conn, int64_t read_id, const char *actor, const char *doubts,
     bool is_confirmed, const char *reason, struct err *err)
{
    struct jsonw w;
    struct buf b;
    int rc;

    buf_init(&b, 8192);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "doubts", doubts);
    jsonw_bool(&w, "is_confirmed", is_confirmed);
    if (reason[0] != '\0')
        jsonw_text(&w, "reason", reason);
    jsonw_end(&w);
    rc = buf_is_over(&b) ? err_set(err, ERR_REJECT, "the reason is too long")
                         : assign_note(conn, read_id, actor, READ_NOTE_DOUBT, buf_text(&b), err);
    buf_fini(&b);
    return rc;
}

/* The row's read, if it is here: its log, and back to its author when the person changed. */
static int
tell_read(struct pg_conn *conn, const struct read_doubt *d, bool is_corrected_anew, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t read_id;
    int rc = -1;

    if (pg_run(conn, "doubt_read_lock", PG_ARGS(PG_TEXT(d->tenant), PG_TEXT(d->study)), &rows,
               err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        rc = 0;
        goto out;
    }
    read_id = pg_int(rows, 0, 0);
    if (pg_run(conn, "doubt_read_changed", PG_ARGS(PG_INT(read_id), PG_INT(clock_wall_us())), NULL,
               err) < 0 ||
        note(conn, read_id, d->actor, d->doubts, d->is_confirmed, d->reason, err) < 0 ||
        (is_corrected_anew && order_judge_again(conn, read_id, d->actor, err) < 0))
        goto out;
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

int
assign_doubt_put(struct pg_conn *conn, const struct read_doubt *d, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_news, is_corrected_anew = false;

    if (!uid_is_valid(d->study, true))
        return err_set(err, ERR_REJECT, "study cannot be used");
    if (order_lock_tenant(conn, d->tenant, err) < 0 ||
        pg_run(conn, "doubt_put",
               PG_ARGS(PG_TEXT(d->tenant), PG_TEXT(d->study), PG_INT(d->revision),
                       PG_TEXT(d->doubts), PG_BOOL(d->is_confirmed), PG_TEXT(d->actor),
                       PG_TEXT(d->reason), PG_BOOL(d->is_corrected), PG_TEXT(d->patient_name),
                       PG_TEXT(d->patient_id), PG_TEXT(d->sex), PG_TEXT(d->birth),
                       PG_INT(clock_wall_us())),
               &rows, err) < 0)
        return -1;
    is_news = pg_rows_count(rows) > 0;
    if (is_news)
        is_corrected_anew = pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    return is_news ? tell_read(conn, d, is_corrected_anew, err) : 0;
}

int
assign_doubt_confirm(struct pg_conn *conn, const struct read_row *row, const char *actor,
                     const char *reason, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_still_so;

    if (pg_run(conn, "doubt_confirm",
               PG_ARGS(PG_TEXT(row->tenant), PG_TEXT(row->study), PG_TEXT(row->doubts),
                       PG_TEXT(actor), PG_TEXT(reason), PG_INT(clock_wall_us()),
                       PG_INT(row->doubts_revision)),
               &rows, err) < 0)
        return -1;
    is_still_so = pg_rows_count(rows) > 0;
    pg_rows_free(&rows);
    if (!is_still_so)
        return err_set(err, ERR_CONFLICT, "something else is in doubt by now");
    if (pg_run(conn, "doubt_read_changed", PG_ARGS(PG_INT(row->read_id), PG_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    return note(conn, row->read_id, actor, row->doubts, true, reason, err);
}

int
assign_order_join(struct pg_conn *conn, const char *tenant, const char *registration,
                  const char *study, struct err *err)
{
    if (!uid_is_valid(study, true))
        return err_set(err, ERR_REJECT, "study cannot be used");
    if (order_lock_tenant(conn, tenant, err) < 0)
        return -1;
    return pg_run(conn, "order_join",
                  PG_ARGS(PG_TEXT(tenant), PG_TEXT(registration), PG_TEXT(study)), NULL, err);
}

int
assign_order_part(struct pg_conn *conn, const char *tenant, const char *study, const char *actor,
                  struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (order_lock_tenant(conn, tenant, err) < 0 ||
        pg_run(conn, "order_part", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct pg_rows *reads = NULL;

        if (pg_run(conn, "order_part_read",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_TEXT(pg_text(rows, i, 0)),
                           PG_INT(clock_wall_us())),
                   &reads, err) < 0)
            goto out;
        for (size_t k = 0; k < pg_rows_count(reads); k++)
            if (assign_note(conn, pg_int(reads, k, 0), actor, READ_NOTE_ORDER,
                            "{\"registration\":\"\"}", err) < 0 ||
                order_judge_again(conn, pg_int(reads, k, 0), actor, err) < 0) {
                pg_rows_free(&reads);
                goto out;
            }
        pg_rows_free(&reads);
    }
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}
