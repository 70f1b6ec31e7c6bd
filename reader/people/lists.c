/* lists.c - accounts and looks, row by row. */
#include "reader/people/people_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

int
people_list(struct pg_conn *conn, const char *org, people_on_row cb, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct people_row row;
    int rc = 0;

    if (pg_run(conn, "people_list", PG_ARGS(PG_TEXT(org)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++) {
        people_read_row(rows, i, &row.person);
        row.can_sign_in = pg_truth(rows, i, 7);
        row.signed_in_us = pg_int(rows, i, 8);
        rc = cb(user, &row, err);
    }
    pg_rows_free(&rows);
    return rc;
}

int
people_look_put(struct pg_conn *conn, const struct person *person, const char *tenant,
                const char *study, const char *what, bool *out_is_new, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (pg_run(conn, "look_put",
               PG_ARGS(PG_TEXT(tenant), PG_TEXT(study), PG_INT(clock_wall_us()), PG_INT(person->id),
                       PG_TEXT(what)),
               &rows, err) < 0)
        return -1;
    *out_is_new = pg_touched(rows) == 1;
    pg_rows_free(&rows);
    return 0;
}

int
people_looks(struct pg_conn *conn, const char *tenant, const char *study, people_on_look cb,
             void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct people_look look;
    int rc = 0;

    if (pg_run(conn, "looks", PG_ARGS(PG_TEXT(tenant), PG_TEXT(study)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < pg_rows_count(rows); i++) {
        look = (struct people_look){.at_us = pg_int(rows, i, 0)};
        text_copy(look.login, sizeof look.login, pg_text(rows, i, 1));
        text_copy(look.name, sizeof look.name, pg_text(rows, i, 2));
        text_copy(look.org, sizeof look.org, pg_text(rows, i, 3));
        text_copy(look.what, sizeof look.what, pg_text(rows, i, 4));
        rc = cb(user, &look, err);
    }
    pg_rows_free(&rows);
    return rc;
}
