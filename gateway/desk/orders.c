/* orders.c - orders in the desk's book: their rows, how they are found, their states. */
#include "gateway/desk/orders.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/orders_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
} states[] = {
#define STATE(name, word, meaning) [name] = {word},
#include "gateway/desk/orders_states.def"
};

static const struct {
    enum order_state from;
    enum order_event event;
    enum order_state to;
} arrows[] = {
#define ROW(from, event, to, action) {from, event, to},
#include "gateway/desk/orders_states.def"
};

const char *
order_state_word(enum order_state state)
{
    return (unsigned)state < ORDER_STATES ? states[state].word : "unknown";
}

bool
order_next(enum order_state from, enum order_event event, enum order_state *out_to)
{
    for (size_t i = 0; i < ARRAY_LEN(arrows); i++)
        if (arrows[i].from == from && arrows[i].event == event) {
            *out_to = arrows[i].to;
            return true;
        }
    return false;
}

void
order_step_id(const struct order *order, char out[ORDER_SH_SIZE])
{
    snprintf(out, ORDER_SH_SIZE, "S%" PRId64, order->number);
}

/* ---- reading rows ---- */

static enum order_state
state_of(const char *word)
{
    for (int i = 0; i < ORDER_STATES; i++)
        if (strcmp(states[i].word, word) == 0)
            return (enum order_state)i;
    return ORDER_CANCELLED; /* a word of a later version: shown to no device */
}

#define TAKE_TEXT(field, column)                                                                   \
    (void)text_copy(o->field, sizeof o->field, db_text(rows, i, column))

static void
take_patient(const struct db_rows *rows, size_t i, struct order *o)
{
    TAKE_TEXT(patient_id, 6);
    TAKE_TEXT(name, 7);
    TAKE_TEXT(pinyin, 8);
    TAKE_TEXT(citizen_id, 9);
    TAKE_TEXT(sex, 10);
    TAKE_TEXT(birth, 11);
    TAKE_TEXT(phone, 12);
    o->weight_g = (uint32_t)db_int(rows, i, 13);
    o->height_mm = (uint32_t)db_int(rows, i, 14);
}

static void
take_row(const struct db_rows *rows, size_t i, struct order *o)
{
    memset(o, 0, sizeof *o);
    o->number = db_int(rows, i, 0);
    o->state = state_of(db_text(rows, i, 1));
    TAKE_TEXT(source, 2);
    if (strchr(db_text(rows, i, 3), '\n') == NULL) /* else order_retire: it is another order's */
        TAKE_TEXT(placer, 3);
    TAKE_TEXT(registration, 4);
    TAKE_TEXT(accession, 5);
    take_patient(rows, i, o);
    TAKE_TEXT(modality, 15);
    TAKE_TEXT(station, 16);
    o->scheduled_at_us = db_int(rows, i, 17);
    TAKE_TEXT(procedure_id, 18);
    TAKE_TEXT(description, 19);
    TAKE_TEXT(code, 20);
    TAKE_TEXT(code_scheme, 21);
    TAKE_TEXT(code_meaning, 22);
    TAKE_TEXT(study, 23);
    TAKE_TEXT(referring, 24);
    TAKE_TEXT(department, 25);
    o->is_urgent = db_int(rows, i, 26) != 0;
    TAKE_TEXT(reason, 27);
    TAKE_TEXT(complaint, 28);
    TAKE_TEXT(history, 29);
    o->made_at_us = db_int(rows, i, 30);
    o->changed_at_us = db_int(rows, i, 31);
    TAKE_TEXT(attached, 32);
    o->arrived_at_us = db_int(rows, i, 33);
    o->is_lowered = db_int(rows, i, 34) != 0;
}

/* What the rows leave to be made: as devices are told it. */
static void
fill_in(struct order *o)
{
    if (o->accession[0] == '\0')
        (void)text_copy(o->accession, sizeof o->accession, o->registration);
    if (o->patient_id[0] == '\0')
        (void)text_copy(o->patient_id, sizeof o->patient_id,
                        o->citizen_id[0] != '\0' ? o->citizen_id : o->registration);
    if (o->procedure_id[0] == '\0')
        snprintf(o->procedure_id, sizeof o->procedure_id, "P%" PRId64, o->number);
}

int
order_get_row(struct book *book, const char *query, const struct db_arg *args, size_t n,
              struct order *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = 0;

    if (db_run(book->db, query, args, n, &rows, err) < 0)
        return -1;
    if (db_rows_count(rows) == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no such order");
    else
        take_row(rows, 0, out);
    db_rows_free(&rows);
    return rc;
}

static int
find(struct book *book, const char *query, const struct db_arg *args, size_t n, struct order *out,
     struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, order_get_row(book, query, args, n, o, err), err);
    if (rc == 0) {
        fill_in(o);
        *out = *o;
    }
    free(o);
    return rc;
}

int
order_find_placer(struct book *book, const char *source, const char *placer, struct order *out,
                  struct err *err)
{
    return find(book, "order_by_placer", DB_ARGS(DB_TEXT(source), DB_TEXT(placer)), out, err);
}

int
order_find(struct book *book, const char *registration, struct order *out, struct err *err)
{
    return find(book, "order_by_registration", DB_ARGS(DB_TEXT(registration)), out, err);
}

int
order_find_accession(struct book *book, const char *accession, struct order *out, struct err *err)
{
    return find(book, "order_by_accession", DB_ARGS(DB_TEXT(accession)), out, err);
}

int
order_find_study(struct book *book, const char *study, struct order *out, struct err *err)
{
    return find(book, "order_by_study", DB_ARGS(DB_TEXT(study)), out, err);
}

static struct order *
take_rows(const struct db_rows *rows, size_t *out_n)
{
    size_t n = db_rows_count(rows);
    struct order *list = mem_new((n + 1) * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        take_row(rows, i, &list[i]);
        fill_in(&list[i]);
    }
    *out_n = n;
    return list;
}

int
order_list(struct book *book, const struct order_span *s, struct order **out, size_t *out_n,
           struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_ask(book->db, "order_list",
                    DB_ARGS(DB_INT(s->from_us), DB_INT(s->to_us), DB_INT(s->is_open),
                            DB_INT(s->limit), DB_INT(s->after)),
                    &rows, err);

    if (rc == 0)
        *out = take_rows(rows, out_n);
    db_rows_free(&rows);
    return rc;
}

int
order_search(struct book *book, const struct order_search *s, struct order **out, size_t *out_n,
             size_t *out_total, struct err *err)
{
    struct db_rows *rows = NULL, *count = NULL;
    int rc = db_begin(book->db, err);

    if (rc == 0) {
        rc = db_run(book->db, "order_search_count",
                    DB_ARGS(DB_TEXT(s->text), DB_INT(s->from_us), DB_INT(s->to_us)), &count, err);
        if (rc == 0)
            rc = db_run(book->db, "order_search",
                        DB_ARGS(DB_TEXT(s->text), DB_INT(s->from_us), DB_INT(s->to_us),
                                DB_INT(s->day_us), DB_INT(s->next_us), DB_INT(s->limit),
                                DB_INT(s->skip)),
                        &rows, err);
        rc = db_end(book->db, rc, err);
    }
    if (rc == 0) {
        *out_total = (size_t)db_int(count, 0, 0);
        *out = take_rows(rows, out_n);
    }
    db_rows_free(&count);
    db_rows_free(&rows);
    return rc;
}

/* ---- states ---- */

static int
step(struct book *book, const struct order *o, enum order_event event, struct err *err)
{
    enum order_state to;

    if (!order_next(o->state, event, &to))
        return err_set(err, ERR_CONFLICT, "the order is %s", order_state_word(o->state));
    return db_run(
        book->db, "order_set_state",
        DB_ARGS(DB_INT(o->number), DB_TEXT(order_state_word(to)), DB_INT(clock_wall_us())), NULL,
        err);
}

int
order_try_step(struct book *book, int64_t number, unsigned event, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    enum order_state to;
    int rc = order_get_row(book, "order_by_number", DB_ARGS(DB_INT(number)), o, err);

    if (rc == 0 && order_next(o->state, (enum order_event)event, &to))
        rc = step(book, o, (enum order_event)event, err);
    free(o);
    return rc;
}

/* *out 0: none. */
static int
number_of(struct book *book, const char *query, const char *key, int64_t *out, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc = order_get_row(book, query, DB_ARGS(DB_TEXT(key)), o, err);

    *out = rc == 0 ? o->number : 0;
    if (rc < 0 && err->kind == ERR_NOT_FOUND)
        rc = 0;
    free(o);
    return rc;
}

int
order_of_step(struct book *book, const char *study, const char *accession, const char *step_id,
              int64_t *out_number, struct err *err)
{
    uint64_t told = 0;

    if (number_of(book, "order_by_study", study, out_number, err) < 0)
        return -1;
    if (*out_number == 0 && step_id[0] == 'S' && text_to_u64(step_id + 1, INT64_MAX, &told) == 0) {
        struct db_rows *rows = NULL;

        if (db_run(book->db, "order_of_accession", DB_ARGS(DB_INT(told), DB_TEXT(accession)), &rows,
                   err) < 0)
            return -1;
        if (db_rows_count(rows) > 0)
            *out_number = db_int(rows, 0, 0);
        db_rows_free(&rows);
    }
    return *out_number != 0 ? 0 : number_of(book, "order_by_accession", accession, out_number, err);
}

/* In a turn. */
static int
step_one(struct book *book, const char *query, const struct db_arg *args, size_t n,
         enum order_event event, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc = order_get_row(book, query, args, n, o, err);

    if (rc == 0)
        rc = step(book, o, event, err);
    free(o);
    return rc;
}

static int
find_and_step(struct book *book, const char *query, const struct db_arg *args, size_t n,
              enum order_event event, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, step_one(book, query, args, n, event, err), err);
    if (rc == 0)
        book_changed(book);
    return rc;
}

int
order_take(struct book *book, const struct order *order, bool is_cancelled, struct err *err)
{
    bool is_changed;

    if (!is_cancelled)
        return order_put_one(book, order, &is_changed, err);
    return step_one(book, "order_by_placer",
                    DB_ARGS(DB_TEXT(order->source), DB_TEXT(order->placer)), ORDER_SAW_CANCEL, err);
}

int
order_cancel(struct book *book, const char *source, const char *placer, struct err *err)
{
    return find_and_step(book, "order_by_placer", DB_ARGS(DB_TEXT(source), DB_TEXT(placer)),
                         ORDER_SAW_CANCEL, err);
}

int
order_step(struct book *book, int64_t number, enum order_event event, struct err *err)
{
    return find_and_step(book, "order_by_number", DB_ARGS(DB_INT(number)), event, err);
}
