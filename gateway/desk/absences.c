/* absences.c - images that will not come: said, kept, told to the reader. */
#include "gateway/desk/absences.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- in a turn ---- */

static int
tell(struct book *book, const struct db_rows *rows, size_t i, struct err *err)
{
    uint32_t revision = book_revision_after((uint32_t)db_int(rows, i, 5));
    struct clinic_up *up = mem_new(sizeof *up);
    int rc;

    *up = (struct clinic_up){
        .kind = CLINIC_ABSENT, .images = (uint32_t)db_int(rows, i, 1), .revision = revision};
    text_copy(up->study, sizeof up->study, db_text(rows, i, 0));
    text_copy(up->absent, sizeof up->absent, db_text(rows, i, 2));
    text_copy(up->reason, sizeof up->reason, db_text(rows, i, 3));
    text_copy(up->by, sizeof up->by, db_text(rows, i, 4));
    text_copy(up->registration, sizeof up->registration, db_text(rows, i, 6));
    rc = outbox_add(book, up, err);
    free(up);
    return rc < 0 ? -1
                  : db_run(book->db, "absence_told",
                           DB_ARGS(DB_TEXT(db_text(rows, i, 0)), DB_INT(revision)), NULL, err);
}

int
absences_tell(struct book *book, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_run(book->db, "absence_untold", DB_NO_ARGS, &rows, err);

    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++)
        rc = tell(book, rows, i, err);
    db_rows_free(&rows);
    return rc;
}

/* What is lost was made, as all that came, and is not here. */
static int
put_lost(struct book *book, const struct book_saying *s, int64_t now_us, struct err *err)
{
    for (size_t i = 0; i < s->images_n; i++) {
        const struct db_arg study = DB_TEXT(s->study), instance = DB_TEXT(s->images[i].instance);

        if (db_run(book->db, "expected_add", DB_ARGS(study, instance, DB_TEXT(""), DB_INT(now_us)),
                   NULL, err) < 0 ||
            (s->images[i].is_lost
                 ? db_run(book->db, "absence_lost", DB_ARGS(study, instance), NULL, err)
                 : db_run(book->db, "expected_here", DB_ARGS(instance), NULL, err)) < 0)
            return -1;
    }
    return 0;
}

static int
look_at_missing(struct book *book, const char *study, int64_t *out_missing, int64_t *out_turn,
                struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_run(book->db, "absence_missing", DB_ARGS(DB_TEXT(study)), &rows, err) < 0)
        return -1;
    *out_missing = db_int(rows, 0, 0);
    *out_turn = db_int(rows, 0, 1);
    db_rows_free(&rows);
    return 0;
}

static int
vet_missing(struct book *book, const struct book_saying *s, int64_t now_us, struct err *err)
{
    int64_t missing, turn, after;

    if (look_at_missing(book, s->study, &missing, &turn, err) < 0)
        return -1;
    if (s->turn >= 0 && s->turn != (missing > 0 ? turn : 0) + s->lost_mark)
        return err_set(err, ERR_CONFLICT, "other images are missing by now");
    if (put_lost(book, s, now_us, err) < 0 ||
        look_at_missing(book, s->study, &missing, &after, err) < 0)
        return -1;
    if (missing == 0 || missing != (int64_t)s->missing)
        return err_set(err, ERR_CONFLICT, "other images are missing by now");
    return 0;
}

static int
say(struct book *book, const struct book_absence *said, struct err *err)
{
    if (db_run(book->db, "absence_put",
               DB_ARGS(DB_TEXT(said->study), DB_TEXT(said->reason), DB_TEXT(said->words),
                       DB_TEXT(said->by), DB_INT(said->at_us)),
               NULL, err) < 0 ||
        db_run(book->db, "absence_all", DB_ARGS(DB_TEXT(said->study)), NULL, err) < 0)
        return -1;
    return absences_tell(book, err);
}

static int
say_by(struct book *book, const struct book_saying *s, struct book_absence *said, struct err *err)
{
    if (vet_missing(book, s, said->at_us, err) < 0 ||
        book_name_of(book, s->login, said->by, err) < 0)
        return -1;
    return say(book, said, err);
}

static int
take_back(struct book *book, const char *study, const struct book_image *images, size_t n,
          struct err *err)
{
    if (db_run(book->db, "absence_none", DB_ARGS(DB_TEXT(study)), NULL, err) < 0)
        return -1;
    if (db_touched(book->db) == 0)
        return err_set(err, ERR_NOT_FOUND, "nobody said that any would not come");
    for (size_t i = 0; i < n; i++)
        if (images[i].is_lost &&
            db_run(book->db, "expected_here", DB_ARGS(DB_TEXT(images[i].instance)), NULL, err) < 0)
            return -1;
    return absences_tell(book, err);
}

/* ---- each in a turn of its own ---- */

int
book_absent(struct book *book, const struct book_saying *s, struct err *err)
{
    struct book_absence said = {.images = s->missing, .at_us = clock_wall_us()};

    if (!absence_is_reason(s->reason) ||
        (strcmp(s->reason, ABSENCE_OTHER) == 0 && s->words[0] == '\0'))
        return err_set(err, ERR_REJECT, "reason: one of the list is due");
    text_copy(said.study, sizeof said.study, s->study);
    text_copy(said.reason, sizeof said.reason, s->reason);
    text_copy(said.words, sizeof said.words, s->words);
    if (db_begin(book->db, err) < 0 || db_end(book->db, say_by(book, s, &said, err), err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

int
book_awaited(struct book *book, const char *study, const struct book_image *images, size_t n,
             struct err *err)
{
    if (db_begin(book->db, err) < 0 ||
        db_end(book->db, take_back(book, study, images, n, err), err) < 0)
        return -1;
    book_changed(book);
    return 0;
}

int
book_is_absent(struct book *book, const char *study, const char *instance, bool *out_is,
               struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "absence_of_instance", DB_ARGS(DB_TEXT(study), DB_TEXT(instance)),
                    &rows, err);

    if (rc == 0)
        *out_is = db_rows_count(rows) > 0 && db_int(rows, 0, 0) != 0;
    db_rows_free(&rows);
    return rc;
}

int
book_absences(struct book *book, struct book_absence **out, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "absence_list", DB_NO_ARGS, &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++) {
            struct book_absence *a = &(*out)[i];

            text_copy(a->study, sizeof a->study, db_text(rows, i, 0));
            a->images = (uint32_t)db_int(rows, i, 1);
            text_copy(a->reason, sizeof a->reason, db_text(rows, i, 2));
            text_copy(a->words, sizeof a->words, db_text(rows, i, 3));
            text_copy(a->by, sizeof a->by, db_text(rows, i, 4));
            a->at_us = db_int(rows, i, 5);
            a->turn = db_int(rows, i, 6);
        }
    }
    db_rows_free(&rows);
    return rc;
}
