/* dose_book.c - radiation dose in the desk's book: what each object says, and what counts of it. */
#include "gateway/desk/mpps.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is said ---- */

int
dose_add_rows(struct book *book, const char *study, const char *source, const char *uid,
              const struct dose *dose, struct err *err)
{
    for (int k = 0; k < DOSE_KINDS; k++) {
        char value[32];

        if (!dose->has[k])
            continue;
        snprintf(value, sizeof value, "%.6g", dose->value[k]);
        if (db_run(book->db, "dose_put",
                   DB_ARGS(DB_TEXT(study), DB_TEXT(source), DB_TEXT(uid),
                           DB_TEXT(dose_kind_word((enum dose_kind)k)), DB_TEXT(value),
                           DB_INT(clock_wall_us())),
                   NULL, err) < 0)
            return -1;
    }
    return 0;
}

int
dose_put(struct book *book, const char *study, const char *source, const char *uid,
         const struct dose *dose, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, dose_add_rows(book, study, source, uid, dose, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

/* ---- reports of a study that hold one another ---- */

/* In a turn. False in *out_is_new: it was taken before, and judged then. */
static int
keep_report(struct book *book, const char *study, const char *uid, const struct dose_report *report,
            bool *out_is_new, struct err *err)
{
    if (db_run(book->db, "dose_report_add",
               DB_ARGS(DB_TEXT(study), DB_TEXT(uid), DB_TEXT(report->device),
                       DB_TEXT(report->made_at), DB_INT(report->is_of_study),
                       DB_INT(report->event_n)),
               NULL, err) < 0)
        return -1;
    *out_is_new = db_touched(book->db) > 0;
    for (size_t i = 0; *out_is_new && i < report->part_n; i++)
        if (db_run(book->db, "dose_part_add",
                   DB_ARGS(DB_TEXT(study), DB_TEXT(uid), DB_TEXT(report->parts[i]),
                           DB_INT(i < report->event_n)),
                   NULL, err) < 0)
            return -1;
    return 0;
}

static int
let_go(struct book *book, const char *study, const char *uid, const char *by, struct err *err)
{
    return db_run(book->db, "dose_report_replace",
                  DB_ARGS(DB_TEXT(study), DB_TEXT(uid), DB_TEXT(by)), NULL, err);
}

/* In a turn: of two that hold the same doses one counts, the one that holds the other; of two that
 * hold each other the newer. One always stays. */
static int
judge(struct book *book, const char *study, const char *uid, struct err *err)
{
    enum { OTHER, HOLDS_OTHER, IS_HELD, IS_OLDER };
    struct db_rows *rows = NULL;
    bool is_let_go = false;
    int rc =
        db_run(book->db, "dose_report_others", DB_ARGS(DB_TEXT(study), DB_TEXT(uid)), &rows, err);

    for (size_t i = 0; rc == 0 && !is_let_go && i < db_rows_count(rows); i++)
        if (db_int(rows, i, IS_HELD) != 0 &&
            (db_int(rows, i, HOLDS_OTHER) == 0 || db_int(rows, i, IS_OLDER) != 0)) {
            rc = let_go(book, study, uid, db_text(rows, i, OTHER), err);
            is_let_go = true;
        }
    for (size_t i = 0; rc == 0 && !is_let_go && i < db_rows_count(rows); i++)
        if (db_int(rows, i, HOLDS_OTHER) != 0)
            rc = let_go(book, study, db_text(rows, i, OTHER), uid, err);
    db_rows_free(&rows);
    return rc;
}

static int
put_report(struct book *book, const char *study, const char *uid, const struct dose_report *report,
           struct err *err)
{
    bool is_new;

    if (dose_add_rows(book, study, "rdsr", uid, &report->dose, err) < 0 ||
        keep_report(book, study, uid, report, &is_new, err) < 0)
        return -1;
    return is_new ? judge(book, study, uid, err) : 0;
}

int
dose_put_report(struct book *book, const char *study, const char *uid,
                const struct dose_report *report, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, put_report(book, study, uid, report, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

/* ---- what counts ---- */

static int
worth(const char *source)
{
    return strcmp(source, "rdsr") == 0 ? 3 : strcmp(source, "mpps") == 0 ? 2 : source[0] != '\0';
}

/* Rows of one study after another; of its sources the best. */
static size_t
gather(const struct db_rows *rows, struct dose_study *out)
{
    size_t n = 0;

    for (size_t i = 0; i < db_rows_count(rows); i++) {
        const char *study = db_text(rows, i, 0), *source = db_text(rows, i, 1);
        enum dose_kind kind = dose_kind_of(db_text(rows, i, 2));
        struct dose_study *s;

        if (n == 0 || strcmp(out[n - 1].study, study) != 0) {
            memset(&out[n], 0, sizeof out[n]);
            (void)text_copy(out[n].study, sizeof out[n].study, study);
            n++;
        }
        s = &out[n - 1];
        if (worth(source) < worth(s->source) || kind == DOSE_KINDS)
            continue;
        if (worth(source) > worth(s->source))
            s->dose = (struct dose){.has = {false}};
        (void)text_copy(s->source, sizeof s->source, source);
        dose_add(&s->dose, kind, strtod(db_text(rows, i, 3), NULL));
    }
    return n;
}

int
dose_get(struct book *book, const char *study, struct dose_study *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "dose_of", DB_ARGS(DB_TEXT(study)), &rows, err);

    if (rc == 0) {
        memset(out, 0, sizeof *out);
        (void)text_copy(out->study, sizeof out->study, study);
        (void)gather(rows, out);
    }
    db_rows_free(&rows);
    return rc;
}

int
dose_studies(struct book *book, int64_t since_us, struct dose_study **out, size_t *out_n,
             struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "dose_list", DB_ARGS(DB_INT(since_us)), &rows, err);

    if (rc == 0) {
        *out = mem_new((db_rows_count(rows) + 1) * sizeof **out);
        *out_n = gather(rows, *out);
    }
    db_rows_free(&rows);
    return rc;
}
