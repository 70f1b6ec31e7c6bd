/* absences.c - images that a device announced and that will not come: told by the clinic's desk. */
#include "reader/assign/assign_own.h"

#include "proto/base/text.h"

#include <stdio.h>

/* The read's log, if it is here. */
static int
tell_read(struct pg_conn *conn, const struct read_absence *a, struct err *err)
{
    struct pg_rows *rows = NULL;
    char detail[96];
    int rc;

    if (pg_run(conn, "absent_read", PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->study)), &rows, err) < 0)
        return -1;
    snprintf(detail, sizeof detail, "{\"images\":%u,\"reason\":\"%s\"}", a->images, a->reason);
    rc = pg_rows_count(rows) == 0
             ? 0
             : assign_note(conn, pg_int(rows, 0, 0), a->actor, READ_NOTE_ABSENT, detail, err);
    pg_rows_free(&rows);
    return rc;
}

int
assign_study_absent(struct pg_conn *conn, const struct read_absence *a, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_news;

    if (!uid_is_valid(a->study, true) || a->images > INT32_MAX)
        return err_set(err, ERR_REJECT, "study or number of images cannot be used");
    if (order_lock_tenant(conn, a->tenant, err) < 0 ||
        pg_run(conn, "absent_told",
               PG_ARGS(PG_TEXT(a->tenant), PG_TEXT(a->study), PG_INT(a->revision),
                       PG_INT(a->images), PG_TEXT(a->reason), PG_TEXT(a->words), PG_TEXT(a->by),
                       PG_INT(a->at_us)),
               &rows, err) < 0)
        return -1;
    is_news = pg_touched(rows) > 0;
    pg_rows_free(&rows);
    return is_news ? tell_read(conn, a, err) : 0;
}
