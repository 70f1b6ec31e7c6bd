/* his_refused.c - what was not done, in the desk's file. */
#include "gateway/desk/his_refused.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>

enum { KEPT = 200, LISTED = 50 };

/* Queries in one turn; *out_touched: rows that the first one changed. */
static int
in_turn(struct book *book, const char *query, const struct db_arg *args, size_t n,
        struct db_rows **out_rows, unsigned *out_touched, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, query, args, n, out_rows, err);
    if (rc == 0 && out_touched != NULL)
        *out_touched = (unsigned)db_touched(book->db);
    if (rc == 0 && out_rows == NULL)
        rc = db_run(book->db, "his_refused_clean", DB_ARGS(DB_INT(KEPT)), NULL, err);
    return db_end(book->db, rc, err);
}

/* A change that pages show. */
static int
change(struct book *book, const char *query, const struct db_arg *args, size_t n, struct err *err)
{
    unsigned touched = 0;
    int rc = in_turn(book, query, args, n, NULL, &touched, err);

    if (rc == 0 && touched > 0)
        book_changed(book);
    return rc;
}

int
his_refused_put(struct book *book, const struct his_refused *r, struct err *err)
{
    return change(book, "his_refused_put",
                  DB_ARGS(DB_TEXT(r->peer), DB_TEXT(r->answer), DB_TEXT(r->error),
                          DB_TEXT(r->place), DB_TEXT(r->why), DB_TEXT(r->placer),
                          DB_INT(r->is_order), DB_INT(clock_wall_us())),
                  err);
}

int
his_refused_settle(struct book *book, const char *placer, struct err *err)
{
    return change(book, "his_refused_settle", DB_ARGS(DB_TEXT(placer)), err);
}

int
his_refused_seen(struct book *book, int64_t until_us, struct err *err)
{
    return change(book, "his_refused_seen", DB_ARGS(DB_INT(until_us)), err);
}

int
his_refused_list(struct book *book, struct his_refused **out, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;

    if (in_turn(book, "his_refused_list", DB_ARGS(DB_INT(LISTED)), &rows, NULL, err) < 0)
        return -1;
    *out_n = db_rows_count(rows);
    *out = mem_new((*out_n + 1) * sizeof **out);
    for (size_t i = 0; i < *out_n; i++) {
        struct his_refused *r = &(*out)[i];

        r->n = db_int(rows, i, 0);
        (void)text_copy(r->peer, sizeof r->peer, db_text(rows, i, 1));
        (void)text_copy(r->answer, sizeof r->answer, db_text(rows, i, 2));
        (void)text_copy(r->error, sizeof r->error, db_text(rows, i, 3));
        (void)text_copy(r->place, sizeof r->place, db_text(rows, i, 4));
        (void)text_copy(r->why, sizeof r->why, db_text(rows, i, 5));
        (void)text_copy(r->placer, sizeof r->placer, db_text(rows, i, 6));
        r->is_order = db_int(rows, i, 7) != 0;
        r->first_us = db_int(rows, i, 8);
        r->at_us = db_int(rows, i, 9);
        r->times = (uint64_t)db_int(rows, i, 10);
        r->is_seen = db_int(rows, i, 11) != 0;
    }
    db_rows_free(&rows);
    return 0;
}

int
his_refused_counts(struct book *book, uint64_t *out_orders, uint64_t *out_others, struct err *err)
{
    struct db_rows *rows = NULL;

    if (in_turn(book, "his_refused_counts", DB_NO_ARGS, &rows, NULL, err) < 0)
        return -1;
    *out_orders = (uint64_t)db_int(rows, 0, 0);
    *out_others = (uint64_t)db_int(rows, 0, 1);
    db_rows_free(&rows);
    return 0;
}
