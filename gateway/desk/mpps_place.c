/* mpps_place.c - in which study the images of a step are. A step names its studies as the worklist
 * gave them; a console may make its own, and one step may be of several. So what is missing is
 * counted where what came of the same series, else of the same step, is found. */
#include "gateway/desk/mpps.h"

#include "gateway/desk/book_own.h"
#include "proto/base/text.h"

#include <string.h>

enum { BATCH = 256 };

/* As far as a walk has come. */
struct last {
    char uid[CLINIC_UID_SIZE], instance[65];
};

/* What the spool says of one. */
struct place {
    bool is_here;
    char study[CLINIC_UID_SIZE];
};

/* ---- in a turn ---- */

int
mpps_images_note(struct book *book, const char *uid, const struct mpps_said *said, struct err *err)
{
    for (size_t i = 0; i < said->instance_n; i++)
        if (db_run(book->db, "mpps_image_add",
                   DB_ARGS(DB_TEXT(uid), DB_TEXT(said->instances[i]), DB_TEXT(said->series[i])),
                   NULL, err) < 0 ||
            db_run(book->db, "expected_again", DB_ARGS(DB_TEXT(said->instances[i])), NULL, err) < 0)
            return -1;
    return 0;
}

int
mpps_images_spread(struct book *book, const char *uid, struct err *err)
{
    if (db_run(book->db, "expected_spread", DB_ARGS(DB_TEXT(uid)), NULL, err) < 0)
        return -1;
    return db_run(book->db, "expected_elsewhere", DB_ARGS(DB_TEXT(uid)), NULL, err);
}

static int
place_one(struct book *book, const char *uid, const char *instance, const char *study,
          struct err *err)
{
    const struct db_arg args[] = {DB_TEXT(uid), DB_TEXT(instance), DB_TEXT(study)};
    struct db_rows *rows = NULL;
    bool is_known;

    if (db_run(book->db, "mpps_place_known", args, ARRAY_LEN(args), &rows, err) < 0)
        return -1;
    is_known = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    if (db_run(book->db, "mpps_image_place", args, ARRAY_LEN(args), NULL, err) < 0 ||
        db_run(book->db, "expected_copy", args, ARRAY_LEN(args), NULL, err) < 0 ||
        db_run(book->db, "expected_moved", args, ARRAY_LEN(args), NULL, err) < 0)
        return -1;
    return is_known ? 0 : mpps_images_spread(book, uid, err);
}

static int
place_rows(struct book *book, const struct db_rows *rows, const struct place *places,
           bool *out_changed, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++) {
        const char *uid = db_text(rows, i, 0), *instance = db_text(rows, i, 1);

        if (!places[i].is_here) {
            rc = db_run(book->db, "mpps_image_not_here", DB_ARGS(DB_TEXT(uid), DB_TEXT(instance)),
                        NULL, err);
        } else if (places[i].study[0] != '\0') {
            rc = place_one(book, uid, instance, places[i].study, err);
            *out_changed = true;
        }
    }
    return rc;
}

/* ---- in turns of its own ---- */

static int
place_batch(struct book *book, struct last *after, mpps_where_fn where, void *user, size_t *out_n,
            struct err *err)
{
    struct place places[BATCH];
    struct db_rows *rows = NULL;
    bool is_changed = false;
    int rc =
        db_ask(book->db, "mpps_unplaced",
               DB_ARGS(DB_TEXT(after->uid), DB_TEXT(after->instance), DB_INT(BATCH)), &rows, err);

    *out_n = 0;
    if (rc == 0 && db_rows_count(rows) > 0) {
        *out_n = db_rows_count(rows);
        for (size_t i = 0; i < *out_n; i++)
            places[i].is_here = where(user, db_text(rows, i, 1), places[i].study);
        (void)text_copy(after->uid, sizeof after->uid, db_text(rows, *out_n - 1, 0));
        (void)text_copy(after->instance, sizeof after->instance, db_text(rows, *out_n - 1, 1));
        rc = db_begin(book->db, err);
        if (rc == 0)
            rc = db_end(book->db, place_rows(book, rows, places, &is_changed, err), err);
    }
    db_rows_free(&rows);
    if (rc == 0 && is_changed)
        book_changed(book);
    return rc;
}

int
mpps_place(struct book *book, mpps_where_fn where, void *user, struct err *err)
{
    struct last after = {.uid = ""};
    size_t n;
    int rc;

    do
        rc = place_batch(book, &after, where, user, &n, err);
    while (rc == 0 && n == BATCH);
    return rc;
}
