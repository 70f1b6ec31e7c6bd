/* mpps_settle.c - what came of what devices announced, a batch a turn. */
#include "gateway/desk/mpps.h"

#include "gateway/desk/absences.h"
#include "gateway/desk/book_own.h"
#include "proto/base/text.h"

#include <string.h>

enum { BATCH = 256 };

typedef bool (*ask_fn)(void *user, const char *uid);

/* In a turn. */
static int
note_here(struct book *book, const char *instance, unsigned *arrived, struct err *err)
{
    if (db_run(book->db, "expected_here", DB_ARGS(DB_TEXT(instance)), NULL, err) < 0)
        return -1;
    *arrived += db_touched(book->db) > 0;
    return db_run(book->db, "mpps_image_here", DB_ARGS(DB_TEXT(instance)), NULL, err);
}

/* In a turn: a batch, or less at its end. */
static int
note_batch(struct book *book, const char (*instances)[65], size_t n, unsigned *arrived,
           struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = note_here(book, instances[i], arrived, err);
    return rc == 0 ? absences_tell(book, err) : rc;
}

int
mpps_arrived(struct book *book, const char (*instances)[65], size_t n, unsigned *out_arrived,
             struct err *err)
{
    unsigned arrived = 0;
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < n; at += BATCH) {
        rc = db_begin(book->db, err);
        if (rc == 0)
            rc = db_end(
                book->db,
                note_batch(book, instances + at, n - at < BATCH ? n - at : BATCH, &arrived, err),
                err);
    }
    if (arrived > 0)
        book_changed(book);
    *out_arrived = arrived;
    return rc;
}

/* Rows of study and instance, in a turn. is_first: that each was asked about is noted, too. */
static int
note_rows(struct book *book, const struct db_rows *rows, const bool *is_here, bool is_first,
          unsigned *arrived, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++) {
        if (is_first)
            rc = db_run(book->db, "expected_looked",
                        DB_ARGS(DB_TEXT(db_text(rows, i, 0)), DB_TEXT(db_text(rows, i, 1))), NULL,
                        err);
        if (rc == 0 && is_here[i])
            rc = note_here(book, db_text(rows, i, 1), arrived, err);
    }
    return rc == 0 ? absences_tell(book, err) : rc;
}

static int
settle_rows(struct book *book, const struct db_rows *rows, ask_fn ask, void *user, bool is_first,
            unsigned *out_arrived, struct err *err)
{
    bool is_here[BATCH] = {false};
    unsigned arrived = 0;
    size_t here = 0;
    int rc = 0;

    CHECK(db_rows_count(rows) <= BATCH);
    for (size_t i = 0; i < db_rows_count(rows); i++)
        here += is_here[i] = ask(user, db_text(rows, i, 1));
    if (here > 0 || (is_first && db_rows_count(rows) > 0)) {
        rc = db_begin(book->db, err);
        if (rc == 0)
            rc = db_end(book->db, note_rows(book, rows, is_here, is_first, &arrived, err), err);
    }
    if (rc == 0 && arrived > 0)
        book_changed(book);
    *out_arrived = rc == 0 ? arrived : 0;
    return rc;
}

int
mpps_settle(struct book *book, ask_fn is_here, void *user, unsigned *out_arrived, struct err *err)
{
    unsigned arrived = 0;
    size_t n;
    int rc;

    do {
        struct db_rows *rows = NULL;
        unsigned some = 0;

        n = 0;
        rc = db_ask(book->db, "expected_new", DB_ARGS(DB_INT(BATCH)), &rows, err);
        if (rc == 0) {
            n = db_rows_count(rows);
            rc = settle_rows(book, rows, is_here, user, true, &some, err);
        }
        arrived += some;
        db_rows_free(&rows);
    } while (rc == 0 && n == BATCH);
    *out_arrived = arrived;
    return rc;
}

int
mpps_settle_again(struct book *book, struct mpps_walk *walk, ask_fn is_here, void *user,
                  unsigned *out_arrived, struct err *err)
{
    struct db_rows *rows = NULL;
    size_t n;
    int rc =
        db_ask(book->db, "expected_after",
               DB_ARGS(DB_TEXT(walk->study), DB_TEXT(walk->instance), DB_INT(BATCH)), &rows, err);

    *out_arrived = 0;
    if (rc == 0)
        rc = settle_rows(book, rows, is_here, user, false, out_arrived, err);
    if (rc == 0) {
        n = db_rows_count(rows);
        if (n > 0) {
            (void)text_copy(walk->study, sizeof walk->study, db_text(rows, n - 1, 0));
            (void)text_copy(walk->instance, sizeof walk->instance, db_text(rows, n - 1, 1));
        }
        walk->is_done = n < BATCH;
    }
    db_rows_free(&rows);
    return rc;
}

/* In a turn; *left: how many rows of instances it may still take. */
static int
forget_study(struct book *book, const char *study, int64_t known_ms, int64_t *left, struct err *err)
{
    const struct db_arg batch[] = {DB_TEXT(study), DB_INT(*left), DB_INT(known_ms)};

    if (db_run(book->db, "mpps_image_forget", batch, ARRAY_LEN(batch), NULL, err) < 0 ||
        db_run(book->db, "expected_forget", batch, ARRAY_LEN(batch), NULL, err) < 0)
        return -1;
    *left -= db_touched(book->db);
    return db_run(book->db, "announced_forget", DB_ARGS(DB_TEXT(study)), NULL, err);
}

static int
forget_rows(struct book *book, const struct db_rows *rows, const bool *is_known, int64_t now_ms,
            struct err *err)
{
    int64_t left = BATCH;
    int rc = 0;

    for (size_t i = 0; rc == 0 && left > 0 && i < db_rows_count(rows); i++)
        rc = is_known[i] || db_int(rows, i, 1) == 0
                 ? db_run(book->db, "announced_known",
                          DB_ARGS(DB_TEXT(db_text(rows, i, 0)), DB_INT(now_ms)), NULL, err)
                 : forget_study(book, db_text(rows, i, 0), db_int(rows, i, 1), &left, err);
    return rc;
}

int
mpps_forget(struct book *book, ask_fn is_known, void *user, int64_t now_ms, struct err *err)
{
    int64_t before_ms = now_ms > MPPS_KEEP_MS ? now_ms - MPPS_KEEP_MS : 1;
    struct db_rows *rows = NULL;
    bool known[BATCH];
    int rc =
        db_ask(book->db, "announced_before", DB_ARGS(DB_INT(before_ms), DB_INT(BATCH)), &rows, err);

    if (rc == 0 && db_rows_count(rows) > 0) {
        for (size_t i = 0; i < db_rows_count(rows); i++)
            known[i] = is_known(user, db_text(rows, i, 0));
        rc = db_begin(book->db, err);
        if (rc == 0)
            rc = db_end(book->db, forget_rows(book, rows, known, now_ms, err), err);
    }
    db_rows_free(&rows);
    return rc;
}
