/* calls.c - calls of doctors in the desk's file. */
#include "gateway/desk/calls.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static const struct answer {
    bool is_critical;
    const char *word;
} answers[] = {{true, "read_back"}, {false, "will_repeat"}, {false, "cannot_repeat"}};

/* 0 would sound. */
static int64_t
answered_at(const struct clinic_down *m)
{
    return m->answered_at_us != 0 ? m->answered_at_us : clock_wall_us();
}

int
calls_take(struct book *book, const struct clinic_down *m, struct err *err)
{
    return db_run(
        book->db, "call_add",
        DB_ARGS(DB_TEXT(m->id), DB_TEXT(clinic_down_word(m->kind)), DB_INT(m->is_on_preview),
                DB_INT(m->read), DB_TEXT(m->study), DB_TEXT(m->registration), DB_TEXT(m->patient),
                DB_TEXT(m->modality), DB_TEXT(m->reason), DB_TEXT(m->author), DB_TEXT(m->hospital),
                DB_INT(m->at_us), DB_INT(clock_wall_us()), DB_TEXT(m->outcome), DB_TEXT(m->answer),
                DB_TEXT(m->answered_by), DB_INT(m->outcome[0] != '\0' ? answered_at(m) : 0)),
        NULL, err);
}

int
calls_answered(struct book *book, const struct clinic_down *m, struct err *err)
{
    const struct db_arg call = DB_TEXT(m->call), at_us = DB_INT(answered_at(m)),
                        by = DB_TEXT(m->answered_by);

    if (db_run(book->db, "call_heard", DB_ARGS(call, at_us, by), NULL, err) < 0)
        return -1;
    return db_run(book->db, "call_answer",
                  DB_ARGS(call, DB_TEXT(m->outcome), DB_TEXT(m->answer), by, at_us), NULL, err);
}

static void
fill(const struct db_rows *rows, size_t i, struct desk_call *c)
{
    text_copy(c->call, sizeof c->call, db_text(rows, i, 0));
    c->is_critical = strcmp(db_text(rows, i, 1), clinic_down_word(CLINIC_CRITICAL)) == 0;
    c->is_on_preview = db_int(rows, i, 2) != 0;
    c->read = db_int(rows, i, 3);
    text_copy(c->study, sizeof c->study, db_text(rows, i, 4));
    text_copy(c->registration, sizeof c->registration, db_text(rows, i, 5));
    text_copy(c->patient, sizeof c->patient, db_text(rows, i, 6));
    text_copy(c->modality, sizeof c->modality, db_text(rows, i, 7));
    text_copy(c->words, sizeof c->words, db_text(rows, i, 8));
    text_copy(c->author, sizeof c->author, db_text(rows, i, 9));
    text_copy(c->hospital, sizeof c->hospital, db_text(rows, i, 10));
    c->at_us = db_int(rows, i, 11);
    c->received_at_us = db_int(rows, i, 12);
    c->heard_at_us = db_int(rows, i, 13);
    text_copy(c->heard_by, sizeof c->heard_by, db_text(rows, i, 14));
    text_copy(c->outcome, sizeof c->outcome, db_text(rows, i, 15));
    text_copy(c->answer, sizeof c->answer, db_text(rows, i, 16));
    text_copy(c->answered_by, sizeof c->answered_by, db_text(rows, i, 17));
    c->answered_at_us = db_int(rows, i, 18);
}

int
calls_list(struct book *book, size_t limit, struct desk_call **out, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "call_list", DB_ARGS(DB_INT(limit)), &rows, err);

    if (rc == 0) {
        *out_n = db_rows_count(rows);
        *out = mem_new((*out_n + 1) * sizeof **out);
        for (size_t i = 0; i < *out_n; i++)
            fill(rows, i, &(*out)[i]);
    }
    db_rows_free(&rows);
    return rc;
}

/* In a turn. */
struct found {
    bool is_critical, is_answered;
    int64_t read;
    char registration[CLINIC_REGISTRATION_SIZE];
};

static int
find(struct book *book, const char *call, struct found *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = -1;

    if (db_run(book->db, "call_find", DB_ARGS(DB_TEXT(call)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "no such call");
    } else {
        out->is_critical = strcmp(db_text(rows, 0, 0), clinic_down_word(CLINIC_CRITICAL)) == 0;
        out->read = db_int(rows, 0, 1);
        text_copy(out->registration, sizeof out->registration, db_text(rows, 0, 2));
        out->is_answered = db_text(rows, 0, 3)[0] != '\0';
        rc = 0;
    }
    db_rows_free(&rows);
    return rc;
}

static int
note_heard(struct book *book, const char *call, const char *login, struct err *err)
{
    char by[CLINIC_NAME_SIZE];

    if (book_name_of(book, login, by, err) < 0)
        return -1;
    return db_run(book->db, "call_heard",
                  DB_ARGS(DB_TEXT(call), DB_INT(clock_wall_us()), DB_TEXT(by)), NULL, err);
}

int
calls_heard(struct book *book, const char *call, const char *login, struct err *err)
{
    struct found found;
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = find(book, call, &found, err);
    if (rc == 0)
        rc = note_heard(book, call, login, err);
    rc = db_end(book->db, rc, err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

static int
check_answer(const struct found *found, const char *outcome, const char *words, struct err *err)
{
    if (found->is_answered)
        return err_set(err, ERR_CONFLICT, "the call has an answer");
    if (words[strspn(words, " \n")] == '\0')
        return err_set(err, ERR_REJECT, "an answer without words");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (answers[i].is_critical == found->is_critical && strcmp(answers[i].word, outcome) == 0)
            return 0;
    return err_set(err, ERR_REJECT, "no answer to such a call");
}

/* In a turn: who answers has heard. */
static int
answer(struct book *book, const char *call, const char *outcome, const char *words,
       const char *login, struct err *err)
{
    struct clinic_up up = {.kind = CLINIC_ANSWER};
    struct found found;

    if (book_name_of(book, login, up.by, err) < 0 || find(book, call, &found, err) < 0 ||
        check_answer(&found, outcome, words, err) < 0 || note_heard(book, call, login, err) < 0 ||
        db_run(book->db, "call_answer",
               DB_ARGS(DB_TEXT(call), DB_TEXT(outcome), DB_TEXT(words), DB_TEXT(up.by),
                       DB_INT(clock_wall_us())),
               NULL, err) < 0)
        return -1;
    up.read = found.read;
    text_copy(up.registration, sizeof up.registration, found.registration);
    text_copy(up.call, sizeof up.call, call);
    text_copy(up.outcome, sizeof up.outcome, outcome);
    text_copy(up.reason, sizeof up.reason, words);
    return outbox_add(book, &up, err);
}

int
calls_answer(struct book *book, const char *call, const char *outcome, const char *words,
             const char *login, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_end(book->db, answer(book, call, outcome, words, login, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}
