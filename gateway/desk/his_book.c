/* his_book.c - deliveries in the desk's file. */
#include "gateway/desk/his_book.h"

#include "gateway/desk/book_own.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_BYTES = 32 << 20, HELD_ROWS = 100 };

static const char *const target_words[HIS_TARGETS] = {"dicom", "hl7", "folder"};
static const char *const state_words[HIS_STATES] = {
#define STATE(name, word, meaning) [name] = word,
#include "gateway/desk/his_states.def"
};
static const struct {
    enum his_state from;
    enum his_event event;
    enum his_state to;
} arrows[] = {
#define ROW(from, event, to, action) {from, event, to},
#include "gateway/desk/his_states.def"
};

const char *
his_state_word(enum his_state state)
{
    return (unsigned)state < HIS_STATES ? state_words[state] : "unknown";
}

const char *
his_target_word(enum his_target target)
{
    return (unsigned)target < HIS_TARGETS ? target_words[target] : "unknown";
}

bool
his_next(enum his_state from, enum his_event event, enum his_state *out_to)
{
    for (size_t i = 0; i < ARRAY_LEN(arrows); i++)
        if (arrows[i].from == from && arrows[i].event == event) {
            *out_to = arrows[i].to;
            return true;
        }
    return false;
}

static int
word_at(const char *const *words, int n, const char *word)
{
    for (int i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* ---- what is owed ---- */

/* In a turn: the first start of a target; what is here already is before it. */
static int
begin_target(struct book *book, const char *target, const char *const *queries, struct err *err)
{
    struct db_rows *rows = NULL;
    int64_t now_us = clock_wall_us();
    bool is_known;

    if (db_run(book->db, "his_target_find", DB_ARGS(DB_TEXT(target)), &rows, err) < 0)
        return -1;
    is_known = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    if (is_known)
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (db_run(book->db, queries[i], DB_ARGS(DB_TEXT(target), DB_INT(now_us)), NULL, err) < 0)
            return -1;
    return db_run(book->db, "his_target_add", DB_ARGS(DB_TEXT(target), DB_INT(now_us)), NULL, err);
}

/* In a turn. */
static int
owe_to(struct book *book, const char *target, bool *out_is_new, struct err *err)
{
    static const char *const before[] = {"his_owe_before", "his_owe_before_withdrawn"};
    static const char *const now[] = {"his_owe_reports", "his_owe_withdrawals"};

    if (begin_target(book, target, before, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(now); i++) {
        if (db_run(book->db, now[i], DB_ARGS(DB_TEXT(target), DB_INT(clock_wall_us())), NULL, err) <
            0)
            return -1;
        *out_is_new = *out_is_new || db_touched(book->db) > 0;
    }
    /* one that was withdrawn before its report came stays so: its row lies behind the mark, and it
     * would be told to nobody */
    return db_run(book->db, "his_owed", DB_ARGS(DB_TEXT(target)), NULL, err);
}

int
his_book_owe(struct book *book, unsigned targets, bool *out_is_new, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    *out_is_new = false;
    for (int t = 0; rc == 0 && t < HIS_TARGETS; t++)
        if (targets & 1u << t)
            rc = owe_to(book, target_words[t], out_is_new, err);
    if (rc == 0) {
        rc = db_run(book->db, "his_owe_documents", DB_NO_ARGS, NULL, err);
        *out_is_new = *out_is_new || db_touched(book->db) > 0;
    }
    if (rc == 0) {
        rc = db_run(book->db, "his_part", DB_ARGS(DB_TEXT(HIS_SET_BACK), DB_INT(clock_wall_us())),
                    NULL, err);
        *out_is_new = *out_is_new || db_touched(book->db) > 0;
    }
    rc = db_end(book->db, rc, err);
    if (rc == 0 && *out_is_new)
        book_changed(book);
    return rc;
}

/* ---- deliveries ---- */

static void
take_row(const struct db_rows *rows, size_t i, struct his_delivery *d)
{
    int target = word_at(target_words, HIS_TARGETS, db_text(rows, i, 1));
    int state = word_at(state_words, HIS_STATES, db_text(rows, i, 5));

    memset(d, 0, sizeof *d);
    d->n = db_int(rows, i, 0);
    d->target = target >= 0 ? (enum his_target)target : HIS_TARGETS;
    d->read = db_int(rows, i, 2);
    d->version = (uint32_t)db_int(rows, i, 3);
    d->is_withdrawal = strcmp(db_text(rows, i, 4), "withdrawn") == 0;
    d->state = state >= 0 ? (enum his_state)state : HIS_STATES;
    d->tries = (uint32_t)db_int(rows, i, 6);
    d->round = (uint32_t)db_int(rows, i, 7);
    d->next_at_us = db_int(rows, i, 8);
    d->made_at_us = db_int(rows, i, 9);
    d->done_at_us = db_int(rows, i, 10);
    (void)text_copy(d->trouble, sizeof d->trouble, db_text(rows, i, 11));
    (void)text_copy(d->receipt, sizeof d->receipt, db_text(rows, i, 12));
    (void)text_copy(d->again_by, sizeof d->again_by, db_text(rows, i, 13));
    d->is_withdrawn = db_int(rows, i, 14) != 0;
    d->was_told = db_int(rows, i, 15) != 0;
    (void)text_copy(d->patient, sizeof d->patient, db_text(rows, i, 16));
    (void)text_copy(d->registration, sizeof d->registration, db_text(rows, i, 17));
    (void)text_copy(d->modality, sizeof d->modality, db_text(rows, i, 18));
    d->is_overtaken = db_int(rows, i, 19) != 0;
    d->is_confirmed = db_int(rows, i, 20) != 0;
}

int
his_book_newest(struct book *book, enum his_target target, int64_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_newest", DB_ARGS(DB_TEXT(his_target_word(target))), &rows, err);

    if (rc == 0)
        *out_n = db_int(rows, 0, 0);
    db_rows_free(&rows);
    return rc;
}

int
his_book_due(struct book *book, enum his_target target, bool *out_is_due, struct his_delivery *out,
             struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_due",
                    DB_ARGS(DB_TEXT(his_target_word(target)), DB_INT(clock_wall_us()),
                            DB_INT(2 * his_wait_max_us)),
                    &rows, err);

    if (rc == 0) {
        *out_is_due = db_rows_count(rows) > 0;
        if (*out_is_due)
            take_row(rows, 0, out);
    }
    db_rows_free(&rows);
    return rc;
}

static struct his_delivery *
take_rows(const struct db_rows *rows, size_t *out_n)
{
    size_t n = db_rows_count(rows);
    struct his_delivery *list = mem_new((n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++)
        take_row(rows, i, &list[i]);
    *out_n = n;
    return list;
}

int
his_book_held(struct book *book, enum his_target target, struct his_delivery **out, size_t *out_n,
              struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(
        book->db, "his_held",
        DB_ARGS(DB_TEXT(his_target_word(target)), DB_TEXT(HIS_ANOTHER_PATIENT), DB_INT(HELD_ROWS)),
        &rows, err);

    if (rc == 0)
        *out = take_rows(rows, out_n);
    db_rows_free(&rows);
    return rc;
}

/* In a turn. */
static int
step(struct book *book, int64_t n, enum his_event event, const char *words, const char *said,
     int64_t wait_ms, struct err *err)
{
    bool is_again = event == HIS_SAW_AGAIN, is_trouble = event == HIS_SAW_TROUBLE;
    int64_t now_us = clock_wall_us(), next_us = is_trouble ? now_us + wait_ms * 1000 : 0;
    struct db_rows *rows = NULL;
    enum his_state to;
    int64_t tries, round;
    bool is_new_round, is_overtaken, is_held, is_confirmed, is_set_back;
    int state;

    if (db_run(book->db, "his_find", DB_ARGS(DB_INT(n)), &rows, err) < 0)
        return -1;
    state = db_rows_count(rows) > 0 ? word_at(state_words, HIS_STATES, db_text(rows, 0, 0)) : -1;
    tries = db_rows_count(rows) > 0 ? db_int(rows, 0, 1) : 0;
    round = db_rows_count(rows) > 0 ? db_int(rows, 0, 2) : 0;
    is_overtaken = db_rows_count(rows) > 0 && db_int(rows, 0, 3) != 0;
    is_held = state == HIS_REFUSED && strcmp(db_text(rows, 0, 4), HIS_ANOTHER_PATIENT) == 0;
    is_set_back = state == HIS_REFUSED && strcmp(db_text(rows, 0, 4), HIS_SET_BACK) == 0;
    is_confirmed = db_rows_count(rows) > 0 && db_int(rows, 0, 5) != 0;
    db_rows_free(&rows);
    if (state < 0)
        return err_set(err, ERR_NOT_FOUND, "no such delivery");
    if (!his_next((enum his_state)state, event, &to))
        return err_set(err, ERR_CONFLICT, "the delivery is %s", state_words[state]);
    if (event == HIS_SAW_MENDED && !is_held)
        return err_set(err, ERR_CONFLICT, "the delivery is refused for something else");
    if (is_again && state != HIS_WAITING) {
        if (is_overtaken)
            return err_set(err, ERR_CONFLICT, "a later version or a withdrawal counts");
        is_confirmed = is_held;
    }
    if (event == HIS_SAW_OVERTAKEN && state == HIS_REFUSED && !is_held && !is_set_back &&
        tries == 0)
        tries = 1; /* of an older version: the target has seen it */
    /* what never left begins no new round: the target has not seen the last one */
    is_new_round = is_again && state != HIS_WAITING && !(is_held && tries == 0);
    return db_run(book->db, "his_set",
                  DB_ARGS(DB_INT(n), DB_TEXT(state_words[to]), DB_INT(is_new_round ? 0 : tries),
                          DB_INT(round + is_new_round), DB_INT(next_us),
                          DB_TEXT(is_trouble || event == HIS_SAW_REFUSAL ? words : ""),
                          DB_TEXT(event == HIS_SAW_RECEIPT ? words : said),
                          DB_INT(to == HIS_WAITING ? 0 : now_us), DB_TEXT(is_again ? words : ""),
                          DB_INT(is_confirmed)),
                  NULL, err);
}

int
his_book_trying(struct book *book, int64_t n, struct err *err)
{
    return db_ask(book->db, "his_trying", DB_ARGS(DB_INT(n)), NULL, err);
}

int
his_book_step(struct book *book, int64_t n, enum his_event event, const char *words,
              int64_t wait_ms, struct err *err)
{
    return his_book_failed(book, n, event, words, "", wait_ms, err);
}

int
his_book_failed(struct book *book, int64_t n, enum his_event event, const char *trouble,
                const char *said, int64_t wait_ms, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, step(book, n, event, trouble, said, wait_ms, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

/* In a turn. */
static int
overtake(struct book *book, const char *target, size_t *out_n, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc =
        db_run(book->db, "his_overtaken", DB_ARGS(DB_TEXT(target), DB_INT(HELD_ROWS)), &rows, err);

    *out_n = rc == 0 ? db_rows_count(rows) : 0;
    for (size_t i = 0; i < *out_n && rc == 0; i++)
        rc = step(book, db_int(rows, i, 0), HIS_SAW_OVERTAKEN, "", "", 0, err);
    db_rows_free(&rows);
    return rc;
}

int
his_book_overtake(struct book *book, enum his_target target, struct err *err)
{
    size_t n = 0;
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, overtake(book, his_target_word(target), &n, err), err);
    if (rc == 0 && n > 0)
        book_changed(book);
    return rc;
}

int
his_book_list(struct book *book, size_t limit, struct his_delivery **out, size_t *out_n,
              struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_list", DB_ARGS(DB_INT(limit)), &rows, err);

    if (rc == 0)
        *out = take_rows(rows, out_n);
    db_rows_free(&rows);
    return rc;
}

int
his_book_counts(struct book *book, struct his_count out[HIS_TARGETS], struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_count", DB_NO_ARGS, &rows, err);

    memset(out, 0, HIS_TARGETS * sizeof *out);
    for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++) {
        int target = word_at(target_words, HIS_TARGETS, db_text(rows, i, 0));

        if (target < 0)
            continue;
        out[target].is_there = true;
        out[target].waiting = (uint64_t)db_int(rows, i, 1);
        out[target].refused = (uint64_t)db_int(rows, i, 2);
        (void)text_copy(out[target].trouble, sizeof out[target].trouble, db_text(rows, i, 3));
    }
    db_rows_free(&rows);
    return rc;
}

/* ---- documents ---- */

int
his_document_due(struct book *book, bool *out_is_due, int64_t *out_read, uint32_t *out_version,
                 char out_kind[HIS_KIND_SIZE], struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "his_document_due",
                    DB_ARGS(DB_INT(clock_wall_us()), DB_INT(2 * his_wait_max_us)), &rows, err);

    if (rc == 0) {
        *out_is_due = db_rows_count(rows) > 0;
        *out_read = *out_is_due ? db_int(rows, 0, 0) : 0;
        *out_version = *out_is_due ? (uint32_t)db_int(rows, 0, 1) : 0;
        (void)text_copy(out_kind, HIS_KIND_SIZE, *out_is_due ? db_text(rows, 0, 2) : "");
    }
    db_rows_free(&rows);
    return rc;
}

static void
document_name(int64_t read, uint32_t version, const char *kind, char out[64])
{
    snprintf(out, 64, "reports/%" PRId64 "-%" PRIu32 ".%s.own", read, version, kind);
}

int
his_document_put(struct book *book, int64_t read, uint32_t version, const char *kind,
                 const void *bytes, size_t n, const uint8_t sha256[CLINIC_HASH_BYTES],
                 struct err *err)
{
    char name[64], hex[DIGEST_HEX_BYTES];
    uint8_t own[DIGEST_BYTES];
    int rc;

    digest_bytes(bytes, n, own);
    if (memcmp(own, sha256, sizeof own) != 0)
        return err_set(err, ERR_REJECT, "the document's SHA-256 is not what the reader says");
    document_name(read, version, kind, name);
    digest_text(own, hex);
    if (durable_put_file(book->dir, name, bytes, n, err) < 0)
        return -1;
    rc = db_ask(book->db, "his_document_put",
                DB_ARGS(DB_INT(read), DB_INT(version), DB_TEXT(kind), DB_TEXT(hex)), NULL, err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

int
his_document_failed(struct book *book, int64_t read, uint32_t version, const char *kind,
                    struct err *err)
{
    return db_ask(book->db, "his_document_failed",
                  DB_ARGS(DB_INT(read), DB_INT(version), DB_TEXT(kind), DB_INT(clock_wall_us())),
                  NULL, err);
}

int
his_document_get(struct book *book, int64_t read, uint32_t version, const char *kind,
                 uint8_t **out_bytes, size_t *out_n, struct err *err)
{
    char name[64], path[PATH_MAX], hex[DIGEST_HEX_BYTES] = "", own_hex[DIGEST_HEX_BYTES] = "-";
    const struct db_arg which[] = {DB_INT(read), DB_INT(version), DB_TEXT(kind)};
    uint8_t own[DIGEST_BYTES], *bytes = NULL;
    struct db_rows *rows = NULL;
    size_t n = 0;

    if (db_ask(book->db, "his_document_find", which, ARRAY_LEN(which), &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) > 0)
        (void)text_copy(hex, sizeof hex, db_text(rows, 0, 0));
    db_rows_free(&rows);
    if (hex[0] == '\0')
        return err_set(err, ERR_RETRY, "the report's %s is not here yet", kind);
    document_name(read, version, kind, name);
    snprintf(path, sizeof path, "%s/%s", book->dir, name);
    if (durable_get_file(path, DOCUMENT_BYTES, &bytes, &n, err) == 0) {
        digest_bytes(bytes, n, own);
        digest_text(own, own_hex);
    }
    if (strcmp(hex, own_hex) == 0) {
        *out_bytes = bytes;
        *out_n = n;
        return 0;
    }
    free(bytes);
    if (db_ask(book->db, "his_document_lost", which, ARRAY_LEN(which), NULL, err) < 0)
        return -1;
    book_changed(book);
    return err_set(err, ERR_RETRY, "the report's %s changed on this disk; it is fetched anew",
                   kind);
}
