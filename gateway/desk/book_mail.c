/* book_mail.c - what waits for the reader, and what came from it. */
#include "gateway/desk/book_own.h"
#include "gateway/desk/calls.h"
#include "gateway/desk/orders.h"
#include "gateway/desk/urgency.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* ---- up ---- */

static int
read_due(const struct db_rows *rows, struct clinic_ups *out, struct err *err)
{
    out->messages = mem_new((db_rows_count(rows) + 1) * sizeof *out->messages);
    out->count = 0;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        const char *body = db_text(rows, i, 1);

        if (clinic_up_decode((const uint8_t *)body, strlen(body), &out->messages[i], err) < 0) {
            clinic_ups_free(out);
            return err_context(err, "a waiting message");
        }
        out->count++;
    }
    return 0;
}

int
book_due(struct book *book, struct clinic_ups *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "outbox_due",
                    DB_ARGS(DB_INT(clock_wall_us()), DB_INT(CLINIC_MESSAGES)), &rows, err);

    if (rc == 0)
        rc = read_due(rows, out, err);
    db_rows_free(&rows);
    return rc;
}

/* A phone that was proved at the desk is so from now on, if it is still the one; told again to a
 * reader that sent no such code, no more. */
static int
settle_phone(struct book *book, const struct db_rows *row, const struct clinic_receipt *receipt,
             struct err *err)
{
    bool is_proved = strcmp(receipt->word, "verified") == 0;
    bool was_proved = strcmp(db_text(row, 0, 4), "verified") == 0;
    const char *body = db_text(row, 0, 2);
    struct clinic_up up;

    if (is_proved == was_proved ||
        clinic_up_decode((const uint8_t *)body, strlen(body), &up, err) < 0)
        return 0;
    return db_run(book->db, is_proved ? "registration_phone_proved" : "registration_phone_unproved",
                  DB_ARGS(DB_TEXT(up.registration), DB_TEXT(up.phone)), NULL, err);
}

/* In a turn. */
static int
settle_one(struct book *book, const struct clinic_receipt *receipt, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = -1;

    if (db_run(book->db, "outbox_find", DB_ARGS(DB_TEXT(receipt->id)), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) == 0 || db_text(rows, 0, 3)[0] != '\0') { /* forgotten, or settled */
        rc = 0;
        goto out;
    }
    if (strcmp(receipt->word, "conflict") == 0)
        book->tag[0] = '\0'; /* the next one's number is not taken, too */
    if (settle_phone(book, rows, receipt, err) < 0)
        goto out;
    rc = db_run(book->db, "outbox_settle",
                DB_ARGS(DB_TEXT(receipt->id), DB_TEXT(clinic_outcome_word(receipt->outcome)),
                        DB_TEXT(receipt->word), DB_INT(clock_wall_us())),
                NULL, err);
out:
    db_rows_free(&rows);
    return rc;
}

/* In a turn: what was done since a backup that the reader's database was put back from, and what
 * was done before it and is done once. */
static int
tell_again(struct book *book, struct err *err)
{
    if (db_run(book->db, "outbox_again", DB_NO_ARGS, NULL, err) < 0)
        return -1;
    LOG(&ctx, DESK_TOLD_LOST, F_NUMBER("messages", db_touched(book->db)));
    return setting_set(book, "told", "", err);
}

int
book_settle(struct book *book, const struct clinic_receipts *receipts, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < receipts->count; i++)
        rc = settle_one(book, &receipts->receipts[i], err);
    if (rc == 0 && receipts->is_told_lost)
        rc = tell_again(book, err);
    else if (rc == 0 && receipts->count > 0)
        rc = setting_set(book, "told", receipts->receipts[receipts->count - 1].id, err);
    rc = db_end(book->db, rc, err);
    if (rc == 0 && (receipts->count > 0 || receipts->is_told_lost))
        book_changed(book);
    return rc;
}

int
book_refuse(struct book *book, const char *id, struct err *err)
{
    struct clinic_receipt refusal = {.outcome = CLINIC_REFUSED, .word = "not_possible"};
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    text_copy(refusal.id, sizeof refusal.id, id);
    rc = db_end(book->db, settle_one(book, &refusal, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

int
book_postpone(struct book *book, const char *id, struct err *err)
{
    return db_ask(book->db, "outbox_postpone", DB_ARGS(DB_TEXT(id), DB_INT(clock_wall_us())), NULL,
                  err);
}

int
book_outcome(struct book *book, const char *id, bool is_dropped_if_not, bool *out_is_settled,
             char out_word[CLINIC_WORD_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    *out_is_settled = false;
    rc = db_run(book->db, "outbox_find", DB_ARGS(DB_TEXT(id)), &rows, err);
    if (rc == 0 && db_rows_count(rows) > 0 && db_text(rows, 0, 3)[0] != '\0') {
        *out_is_settled = true;
        text_copy(out_word, CLINIC_WORD_SIZE, db_text(rows, 0, 4));
    } else if (rc == 0 && is_dropped_if_not) {
        rc = db_run(book->db, "outbox_drop", DB_ARGS(DB_TEXT(id)), NULL, err);
    }
    rc = db_end(book->db, rc, err);
    db_rows_free(&rows);
    if (rc == 0 && is_dropped_if_not && !*out_is_settled)
        book_changed(book);
    return rc;
}

int
book_counts(struct book *book, struct book_counts *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "outbox_counts", DB_NO_ARGS, &rows, err);

    if (rc == 0) {
        out->waiting = (uint64_t)db_int(rows, 0, 0);
        out->refused = (uint64_t)db_int(rows, 0, 1);
    }
    db_rows_free(&rows);
    return rc;
}

/* ---- down ---- */

/* What the message's read is called here. One that is known by its number and is about another
 * study, or was signed at another time, is another database's: it keeps its name and its reports,
 * and the message is about a new one. */
static int
find_read(struct book *book, const struct clinic_down *m, int64_t *out_read, struct err *err)
{
    bool is_report = m->kind == CLINIC_REPORT || m->kind == CLINIC_AMENDED;
    struct db_rows *rows = NULL;

    if (db_run(book->db, "read_part",
               DB_ARGS(DB_INT(m->read), DB_TEXT(m->study), DB_INT(m->version),
                       DB_INT(is_report ? m->signed_at_us : 0)),
               NULL, err) < 0)
        return -1;
    if (db_touched(book->db) > 0)
        LOG(&ctx, DESK_READ_PARTED, F_NUMBER("read", m->read));
    if (db_run(book->db, "read_of_number", DB_ARGS(DB_INT(m->read)), &rows, err) < 0)
        return -1;
    *out_read = db_int(rows, 0, 0);
    db_rows_free(&rows);
    return 0;
}

static int
take_state(struct book *book, const struct clinic_down *m, int64_t number, struct err *err)
{
    return db_run(book->db, "read_put",
                  DB_ARGS(DB_INT(m->read), DB_INT(m->seq), DB_TEXT(m->study),
                          DB_TEXT(m->registration), DB_TEXT(m->patient), DB_TEXT(m->modality),
                          DB_TEXT(m->state), DB_INT(m->at_us), DB_INT(number)),
                  NULL, err);
}

/* A version: what lies before it counts no longer; one that came after a later one counts not at
 * all. */
static int
take_report(struct book *book, const struct clinic_down *m, struct err *err)
{
    const struct db_arg read = DB_INT(m->read), version = DB_INT(m->version);

    if (db_run(book->db, "report_put",
               DB_ARGS(read, version, DB_INT(m->is_preliminary), DB_INT(m->signed_at_us),
                       DB_TEXT(m->author), DB_TEXT(m->reviewer), DB_TEXT(m->hospital),
                       DB_TEXT(m->verify_url), DB_INT(m->covers), DB_INT(m->present),
                       DB_TEXT(m->reason), DB_INT(clock_wall_us()), DB_INT(m->replaces)),
               NULL, err) < 0 ||
        db_run(book->db, "report_replace", DB_ARGS(read, version), NULL, err) < 0 ||
        db_run(book->db, "report_part", DB_ARGS(DB_TEXT(m->study)), NULL, err) < 0)
        return -1;
    return db_run(book->db, "report_is_replaced", DB_ARGS(read, version), NULL, err);
}

static int
add_notice(struct book *book, const struct clinic_down *m, const char *words, struct err *err)
{
    return db_run(
        book->db, "notice_add",
        DB_ARGS(DB_TEXT(m->id), DB_INT(m->at_us), DB_TEXT(m->registration), DB_TEXT(words)), NULL,
        err);
}

static void
order_of(const struct clinic_down *m, struct order *o)
{
    (void)text_copy(o->source, sizeof o->source, "centre");
    (void)text_copy(o->placer, sizeof o->placer, m->placer);
    (void)text_copy(o->name, sizeof o->name, m->patient);
    (void)text_copy(o->accession, sizeof o->accession, m->accession);
    (void)text_copy(o->patient_id, sizeof o->patient_id, m->patient_id);
    (void)text_copy(o->citizen_id, sizeof o->citizen_id, m->citizen_id);
    (void)text_copy(o->sex, sizeof o->sex, m->sex);
    (void)text_copy(o->birth, sizeof o->birth, m->birth);
    (void)text_copy(o->phone, sizeof o->phone, m->phone);
    (void)text_copy(o->modality, sizeof o->modality, m->modality);
    (void)text_copy(o->station, sizeof o->station, m->station);
    (void)text_copy(o->description, sizeof o->description, m->description);
    (void)text_copy(o->code, sizeof o->code, m->code);
    (void)text_copy(o->code_scheme, sizeof o->code_scheme, m->code_scheme);
    (void)text_copy(o->referring, sizeof o->referring,
                    m->referring[0] != '\0' ? m->referring : m->author);
    (void)text_copy(o->department, sizeof o->department,
                    m->department[0] != '\0' ? m->department : m->hospital);
    (void)text_copy(o->complaint, sizeof o->complaint, m->complaint);
    (void)text_copy(o->history, sizeof o->history, m->history);
    (void)text_copy(o->reason, sizeof o->reason, m->reason);
    o->is_urgent = m->is_urgent;
    o->scheduled_at_us = m->scheduled_at_us;
}

/* In a turn: all of it, or none. */
static int
take_whole_order(struct book *book, const struct clinic_down *m, struct err *why, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc;

    *why = (struct err){0};
    if (db_run(book->db, "one_begin", DB_NO_ARGS, NULL, err) < 0) {
        free(o);
        return -1;
    }
    order_of(m, o);
    rc = order_take(book, o, m->is_cancelled, why);
    free(o);
    if (rc == 0)
        *why = (struct err){0}; /* of what it looked for and did not need */
    if (rc < 0 && db_run(book->db, "one_undo", DB_NO_ARGS, NULL, err) < 0)
        return -1;
    return db_run(book->db, "one_end", DB_NO_ARGS, NULL, err);
}

/* What cannot be taken is said to the technician: the message is done with, the order is not. */
static int
take_order(struct book *book, const struct clinic_down *m, struct err *err)
{
    char words[CLINIC_REASON_SIZE];
    struct err why;

    if (take_whole_order(book, m, &why, err) < 0)
        return -1;
    if (why.kind == ERR_NONE || (m->is_cancelled && why.kind == ERR_NOT_FOUND))
        return 0;
    if (why.kind == ERR_RETRY || why.kind == ERR_FULL || why.kind == ERR_FATAL) {
        *err = why;
        return -1;
    }
    snprintf(words, sizeof words,
             why.kind == ERR_CONFLICT
                 ? "上级检查单 %s 已开始或已完成，未作更改。The centre's order "
                   "%s has begun or is done; unchanged. (%s)"
                 : "上级检查单 %s 有误，请联系上级医院。The centre's order %s "
                   "cannot be taken; please call the hospital. (%s)",
             m->placer, m->placer, why.text);
    return add_notice(book, m, words, err);
}

/* m names its read as this desk does. */
static int
take_of_read(struct book *book, const struct clinic_down *m, struct err *err)
{
    switch (m->kind) {
    case CLINIC_REPORT:
    case CLINIC_AMENDED:
        return take_report(book, m, err);
    case CLINIC_WITHDRAWN:
        return db_run(book->db, "report_withdraw",
                      DB_ARGS(DB_INT(m->read), DB_INT(m->version), DB_TEXT(m->reason),
                              DB_INT(clock_wall_us())),
                      NULL, err);
    case CLINIC_URGENCY:
        return urgency_take(book, m, err);
    case CLINIC_CRITICAL:
    case CLINIC_REPEAT:
        return calls_take(book, m, err);
    case CLINIC_ANSWERED:
        return calls_answered(book, m, err);
    case CLINIC_LATE:
        return db_run(book->db, "report_late",
                      DB_ARGS(DB_INT(m->read), DB_INT(m->version), DB_INT(m->covers),
                              DB_INT(m->present), DB_INT(m->looked_at_us), DB_TEXT(m->author),
                              DB_TEXT(m->reason)),
                      NULL, err);
    default:
        return 0;
    }
}

static int
take_one(struct book *book, const struct clinic_down *told, struct err *err)
{
    bool is_of_read = told->kind != CLINIC_NOTICE && told->kind != CLINIC_ORDER;
    struct clinic_down *m;
    int rc = -1;

    if (db_run(book->db, "inbox_again", DB_ARGS(DB_TEXT(told->id)), NULL, err) < 0)
        return -1;
    if (db_touched(book->db) > 0)
        return 0; /* taken before */
    m = mem_new(sizeof *m);
    *m = *told;
    if ((is_of_read && find_read(book, told, &m->read, err) < 0) ||
        db_run(book->db, "inbox_add",
               DB_ARGS(DB_TEXT(m->id), DB_INT(m->seq), DB_TEXT(clinic_down_word(m->kind)),
                       DB_INT(m->read), DB_INT(m->version), DB_INT(clock_wall_us())),
               NULL, err) < 0)
        goto out;
    if (m->kind == CLINIC_NOTICE)
        rc = add_notice(book, m, m->reason, err);
    else if (m->kind == CLINIC_ORDER)
        rc = take_order(book, m, err);
    else if (take_state(book, m, told->read, err) == 0)
        rc = take_of_read(book, m, err);
out:
    free(m);
    return rc;
}

/* With what it stands at: a message of a kind that is not known here does not say. */
static int
set_cursor(struct book *book, const struct clinic_downs *downs, struct err *err)
{
    const struct clinic_down *last = downs->count > 0 ? &downs->messages[downs->count - 1] : NULL;
    char next[24], was[24];

    snprintf(next, sizeof next, "%" PRIu64, downs->next);
    if (setting_get(book, "cursor", was, sizeof was, err) < 0)
        return -1;
    if (downs->is_cursor_lost)
        LOG(&ctx, DESK_CURSOR_LOST, F_WORD("cursor", was), F_NUMBER("next", downs->next));
    if (strcmp(next, was) == 0 && !downs->is_cursor_lost) /* another message may bear that number */
        return 0;
    if (setting_set(book, "cursor_at", last != NULL && last->seq == downs->next ? last->id : "",
                    err) < 0)
        return -1;
    return setting_set(book, "cursor", next, err);
}

/* In a turn. */
static int
take_all(struct book *book, const struct clinic_downs *downs, struct err *err)
{
    for (size_t i = 0; i < downs->count; i++)
        if (take_one(book, &downs->messages[i], err) < 0)
            return err_context(err, "a %s", clinic_down_word(downs->messages[i].kind));
    if (downs->patient_url[0] != '\0' &&
        setting_set(book, "patient_url", downs->patient_url, err) < 0)
        return -1;
    if (set_cursor(book, downs, err) < 0)
        return -1;
    return downs->is_told_lost ? tell_again(book, err) : 0;
}

int
book_take(struct book *book, const struct clinic_downs *downs, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, take_all(book, downs, err), err);
    if (rc == 0 && (downs->count > 0 || downs->is_told_lost))
        book_changed(book);
    return rc;
}

int
book_notices(struct book *book, size_t limit, struct book_notice **out, size_t *out_n,
             struct err *err)
{
    struct db_rows *rows = NULL;

    if (db_ask(book->db, "notice_list", DB_ARGS(DB_INT(limit)), &rows, err) < 0)
        return -1;
    *out_n = db_rows_count(rows);
    *out = mem_new((*out_n + 1) * sizeof **out);
    for (size_t i = 0; i < *out_n; i++) {
        struct book_notice *n = &(*out)[i];

        text_copy(n->id, sizeof n->id, db_text(rows, i, 0));
        n->at_us = db_int(rows, i, 1);
        text_copy(n->registration, sizeof n->registration, db_text(rows, i, 2));
        text_copy(n->words, sizeof n->words, db_text(rows, i, 3));
    }
    db_rows_free(&rows);
    return 0;
}

static int
setting_alone(struct book *book, const char *key, char *out, size_t size, struct err *err)
{
    int rc = db_begin(book->db, err);

    return rc < 0 ? -1 : db_end(book->db, setting_get(book, key, out, size, err), err);
}

int
book_cursor(struct book *book, uint64_t *out, char out_at[CLINIC_ID_SIZE], struct err *err)
{
    char text[24];

    *out = 0;
    if (setting_alone(book, "cursor", text, sizeof text, err) < 0 ||
        setting_alone(book, "cursor_at", out_at, CLINIC_ID_SIZE, err) < 0)
        return -1;
    if (text[0] != '\0' && text_to_u64(text, INT64_MAX, out) < 0)
        return err_set(err, ERR_FATAL, "the cursor cannot be read");
    return 0;
}

int
book_told(struct book *book, char out[CLINIC_ID_SIZE], struct err *err)
{
    return setting_alone(book, "told", out, CLINIC_ID_SIZE, err);
}

int
book_patient_url(struct book *book, char out[CLINIC_URL_SIZE], struct err *err)
{
    return setting_alone(book, "patient_url", out, CLINIC_URL_SIZE, err);
}

int
book_receipts_due(struct book *book, struct clinic_ids *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "inbox_due", DB_ARGS(DB_INT(CLINIC_MESSAGES)), &rows, err);

    if (rc == 0) {
        out->count = db_rows_count(rows);
        out->ids = mem_new((out->count + 1) * sizeof *out->ids);
        for (size_t i = 0; i < out->count; i++)
            text_copy(out->ids[i], CLINIC_ID_SIZE, db_text(rows, i, 0));
    }
    db_rows_free(&rows);
    return rc;
}

int
book_receipted(struct book *book, const struct clinic_ids *ids, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    for (size_t i = 0; rc == 0 && i < ids->count; i++)
        rc = db_run(book->db, "inbox_receipted", DB_ARGS(DB_TEXT(ids->ids[i])), NULL, err);
    return db_end(book->db, rc, err);
}

/* ---- what is over ---- */

int
book_clean(struct book *book, int64_t before_us, struct err *err)
{
    if (db_ask(book->db, "outbox_clean", DB_ARGS(DB_INT(before_us)), NULL, err) < 0)
        return -1;
    return db_ask(book->db, "inbox_clean", DB_ARGS(DB_INT(before_us)), NULL, err);
}
