/* doubts_safe.c - what the questions "A or B?" let be called safe, or be committed. */
#include "gateway/desk/doubts.h"

#include "gateway/desk/book_own.h"
#include "gateway/spool/spool.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

static const struct log_ctx ctx = {.stage = "gateway/desk"};

bool
book_is_asked(struct book *book, const char *study)
{
    struct db_rows *rows = NULL;
    struct err err = {0};
    bool is = true;

    if (db_ask(book->db, "correction_asked", DB_ARGS(DB_TEXT(study)), &rows, &err) == 0)
        is = db_rows_count(rows) > 0;
    else
        LOG(&ctx, DESK_QUESTION_UNREAD, F_UID("study", study), F_ERR(&err));
    db_rows_free(&rows);
    return is;
}

static bool
is_aside(struct spool *spool, uint64_t id)
{
    struct spool_entry *entry = NULL;
    struct err gone;
    bool is;

    if (spool_look(spool, id, &entry, &gone) < 0)
        return false;
    is = entry->state == INSTANCE_QUARANTINED;
    spool_entry_free(&entry);
    return is;
}

/* Both rows by the number of the question. */
static struct book_question *
take_questions(const struct db_rows *rows, const struct db_rows *images, struct spool *spool)
{
    size_t n = db_rows_count(rows), images_n = db_rows_count(images), at = 0;
    struct book_question *list = mem_new((n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        struct book_question *q = &list[i];

        text_copy(q->study, sizeof q->study, db_text(rows, i, 0));
        text_copy(q->other_study, sizeof q->other_study, db_text(rows, i, 1));
        q->is_open = db_text(rows, i, 2)[0] == '\0';
        while (at < images_n && db_int(images, at, 0) < db_int(rows, i, 3))
            at++;
        for (; at < images_n && db_int(images, at, 0) == db_int(rows, i, 3); at++)
            q->instances += is_aside(spool, (uint64_t)db_int(images, at, 1));
    }
    return list;
}

int
book_questions(struct book *book, struct spool *spool, struct book_question **out, size_t *out_n,
               struct err *err)
{
    struct db_rows *rows = NULL, *images = NULL;
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "correction_standing", DB_NO_ARGS, &rows, err);
    if (rc == 0)
        rc = db_run(book->db, "correction_answered", DB_NO_ARGS, &images, err);
    rc = db_end(book->db, rc, err);
    if (rc == 0) {
        *out = take_questions(rows, images, spool);
        *out_n = db_rows_count(rows);
    }
    db_rows_free(&images);
    db_rows_free(&rows);
    return rc;
}

bool
doubts_study_is_aside(const struct book_question *questions, size_t n,
                      const struct spool_study *study)
{
    if (study->total == 0 || study->counts[INSTANCE_QUARANTINED] < study->total)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(questions[i].other_study, study->study_uid) == 0 &&
            strcmp(questions[i].study, study->study_uid) != 0)
            return true;
    return false;
}

int
book_study_is_aside(struct book *book, struct spool *spool, const char *study, bool *out,
                    struct err *err)
{
    struct book_question *questions = NULL;
    struct spool_study now;
    struct err gone;
    size_t n = 0;

    *out = false;
    if (spool_study(spool, study, &now, &gone) < 0)
        return 0;
    if (book_questions(book, spool, &questions, &n, err) < 0)
        return -1;
    *out = doubts_study_is_aside(questions, n, &now);
    free(questions);
    return 0;
}

void
doubts_settle_study(const struct book_question *questions, size_t n, struct spool_study *study,
                    bool *out_is_open)
{
    *out_is_open = false;
    for (size_t i = 0; i < n; i++) {
        const struct book_question *q = &questions[i];
        uint64_t *aside = &study->counts[INSTANCE_QUARANTINED];
        bool is_other = strcmp(q->other_study, study->study_uid) == 0;

        if (q->is_open && (is_other || strcmp(q->study, study->study_uid) == 0))
            *out_is_open = true;
        if (q->is_open || !is_other || q->instances > *aside || q->instances > study->total)
            continue;
        *aside -= q->instances;
        study->total -= q->instances;
    }
}
