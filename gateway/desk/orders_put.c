/* orders_put.c - an order that is told comes into the book, or brings the one there up to date: the
 * patient in the registration, the rest in its own row. */
#include "gateway/desk/orders.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/orders_fit.h"
#include "gateway/desk/orders_own.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/pinyin.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

static void
to_registration(const struct order *o, struct book_registration *r)
{
    memset(r, 0, sizeof *r);
    (void)text_copy(r->registration, sizeof r->registration, o->registration);
    (void)text_copy(r->name, sizeof r->name, o->name);
    (void)text_copy(r->citizen_id, sizeof r->citizen_id, o->citizen_id);
    (void)text_copy(r->sex, sizeof r->sex, o->sex);
    (void)text_copy(r->birth, sizeof r->birth, o->birth);
    (void)text_copy(r->phone, sizeof r->phone, o->phone);
    (void)text_copy(r->modality, sizeof r->modality, o->modality);
    (void)text_copy(r->complaint, sizeof r->complaint, o->complaint);
    (void)text_copy(r->history, sizeof r->history, o->history);
    (void)text_copy(r->reason, sizeof r->reason, o->reason);
    r->is_urgent = o->is_urgent;
    text_copy(r->urgent_by, sizeof r->urgent_by, o->source);
}

static int
add_row(struct book *book, struct order *o, struct err *err)
{
    bool is_ours = o->pinyin[0] == '\0';

    if (is_ours)
        (void)pinyin_name(o->name, o->pinyin, sizeof o->pinyin);
    if (o->study[0] == '\0')
        random_uid(o->study);
    if (o->scheduled_at_us == 0)
        o->scheduled_at_us = clock_wall_us();
    return db_run(book->db, "order_add",
                  DB_ARGS(DB_TEXT(o->source), DB_TEXT(o->placer), DB_TEXT(o->registration),
                          DB_TEXT(o->accession), DB_TEXT(o->patient_id), DB_TEXT(o->pinyin),
                          DB_INT(is_ours), DB_INT(o->weight_g), DB_INT(o->height_mm),
                          DB_TEXT(o->station), DB_INT(o->scheduled_at_us), DB_TEXT(o->procedure_id),
                          DB_TEXT(o->description), DB_TEXT(o->code), DB_TEXT(o->code_scheme),
                          DB_TEXT(o->code_meaning), DB_TEXT(o->study), DB_TEXT(o->referring),
                          DB_TEXT(o->department), DB_INT(clock_wall_us())),
                  NULL, err);
}

int
order_of_registration(struct book *book, const struct book_registration *r, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc;

    (void)text_copy(o->source, sizeof o->source, "desk");
    (void)text_copy(o->placer, sizeof o->placer, r->registration);
    (void)text_copy(o->registration, sizeof o->registration, r->registration);
    (void)text_copy(o->name, sizeof o->name, r->name);
    o->scheduled_at_us = r->at_us;
    rc = add_row(book, o, err);
    free(o);
    return rc;
}

int
order_follow_name(struct book *book, const struct book_registration *r, struct err *err)
{
    char pinyin[CLINIC_NAME_SIZE];

    (void)pinyin_name(r->name, pinyin, sizeof pinyin);
    return db_run(book->db, "order_rename", DB_ARGS(DB_TEXT(r->registration), DB_TEXT(pinyin)),
                  NULL, err);
}

static int
put_new(struct book *book, struct order *o, struct err *err)
{
    struct book_registration *r = mem_new(sizeof *r);
    int rc;

    order_give_reason(o);
    to_registration(o, r);
    rc = registration_add(book, r, err);
    (void)text_copy(o->registration, sizeof o->registration, r->registration);
    if (rc == 0)
        rc = add_row(book, o, err);
    free(r);
    return rc;
}

#define SAME(field) (strcmp(a->field, b->field) == 0)

/* a is what is kept, b what is told now. The same is asked for; who it is may be put right. */
static bool
is_same_request(const struct order *a, const struct order *b)
{
    return SAME(modality) && SAME(complaint) && SAME(history) && SAME(reason) &&
           (a->is_urgent || a->is_lowered || !b->is_urgent) && SAME(accession) && SAME(station) &&
           SAME(procedure_id) && SAME(description) && SAME(code) && SAME(code_scheme) &&
           SAME(code_meaning) && SAME(referring) && SAME(department) &&
           a->weight_g == b->weight_g && a->height_mm == b->height_mm &&
           (b->scheduled_at_us == 0 || a->scheduled_at_us == b->scheduled_at_us);
}

static bool
is_same_patient(const struct order *a, const struct order *b)
{
    return SAME(name) && SAME(citizen_id) && SAME(sex) && SAME(birth) && SAME(phone) &&
           SAME(modality) && SAME(complaint) && SAME(history) && SAME(reason) &&
           (a->is_urgent || a->is_lowered || !b->is_urgent);
}

static bool
is_same_order(const struct order *a, const struct order *b)
{
    return is_same_request(a, b) && SAME(patient_id) && (b->pinyin[0] == '\0' || SAME(pinyin));
}

static int
change_row(struct book *book, const struct order *a, struct order *b, enum order_state state,
           struct err *err)
{
    bool is_ours = b->pinyin[0] == '\0';

    if (is_ours)
        (void)pinyin_name(b->name, b->pinyin, sizeof b->pinyin);
    if (b->scheduled_at_us == 0)
        b->scheduled_at_us = a->scheduled_at_us;
    return db_run(book->db, "order_change",
                  DB_ARGS(DB_INT(a->number), DB_TEXT(b->accession), DB_TEXT(b->patient_id),
                          DB_TEXT(b->pinyin), DB_INT(is_ours), DB_INT(b->weight_g),
                          DB_INT(b->height_mm), DB_TEXT(b->station), DB_INT(b->scheduled_at_us),
                          DB_TEXT(b->procedure_id), DB_TEXT(b->description), DB_TEXT(b->code),
                          DB_TEXT(b->code_scheme), DB_TEXT(b->code_meaning), DB_TEXT(b->referring),
                          DB_TEXT(b->department), DB_TEXT(order_state_word(state)),
                          DB_INT(clock_wall_us())),
                  NULL, err);
}

bool
order_is_other_person(const struct order *a, const struct order *b)
{
    return !SAME(name) &&
           ((a->citizen_id[0] != '\0' && b->citizen_id[0] != '\0' && !SAME(citizen_id)) ||
            (a->birth[0] != '\0' && b->birth[0] != '\0' && !SAME(birth)) ||
            (a->patient_id[0] != '\0' && b->patient_id[0] != '\0' && !SAME(patient_id)));
}

/* Sources count anew some day: of what is done only a number says that it is the same patient. */
static bool
is_one_number(const struct order *a, const struct order *b)
{
    return (a->citizen_id[0] != '\0' && SAME(citizen_id)) ||
           (a->patient_id[0] != '\0' && SAME(patient_id));
}

/* *out_is_changed, true till now, becomes false where nothing new was said. */
static int
put_known(struct book *book, const struct order *known, struct order *o, bool *out_is_changed,
          struct err *err)
{
    struct book_registration *r;
    enum order_state state;
    int rc;

    if (order_is_other_person(known, o)) {
        /* taken back at the desk or by its source, and no image came: it makes room */
        if (known->state == ORDER_CANCELLED && known->attached[0] == '\0')
            return db_run(book->db, "order_retire", DB_ARGS(DB_INT(known->number)), NULL, err) < 0
                       ? -1
                       : put_new(book, o, err);
        return err_set(err, ERR_REJECT, "placer: this number is another patient's order");
    }
    if (o->reason[0] == '\0') /* what is not said again stays, a person's words before ours */
        (void)text_copy(o->reason, sizeof o->reason, known->reason);
    order_give_reason(o);
    *out_is_changed = !is_same_patient(known, o) || !is_same_order(known, o);
    if (!*out_is_changed)
        return 0;
    if (!order_next(known->state, ORDER_SAW_PUT, &state)) {
        /* what is done stays; who it was may be put right: its report goes by it */
        if (!is_same_request(known, o) || !is_one_number(known, o))
            return err_set(err, ERR_CONFLICT, "the order is %s", order_state_word(known->state));
        state = known->state;
    }
    if (change_row(book, known, o, state, err) < 0)
        return -1;
    if (is_same_patient(known, o))
        return 0;
    r = mem_new(sizeof *r);
    (void)text_copy(o->registration, sizeof o->registration, known->registration);
    to_registration(o, r);
    rc = registration_change(book, r, err);
    free(r);
    return rc;
}

int
order_put_one(struct book *book, const struct order *order, bool *out_is_changed, struct err *err)
{
    struct order *o = mem_new(sizeof *o), *known = mem_new(sizeof *known);
    int rc = -1;

    *out_is_changed = true;
    *o = *order;
    order_tidy(o);
    if (order_check(o, err) < 0)
        goto out;
    rc = order_get_row(book, "order_by_placer", DB_ARGS(DB_TEXT(o->source), DB_TEXT(o->placer)),
                       known, err);
    if (rc == 0)
        rc = put_known(book, known, o, out_is_changed, err);
    else if (err->kind == ERR_NOT_FOUND)
        rc = put_new(book, o, err);
out:
    free(o);
    free(known);
    return rc;
}

int
order_put(struct book *book, const struct order *order, struct err *err)
{
    bool is_changed = false;
    int rc = db_begin(book->db, err);

    if (rc == 0)
        rc = db_end(book->db, order_put_one(book, order, &is_changed, err), err);
    if (rc == 0 && is_changed)
        book_changed(book);
    return rc;
}
