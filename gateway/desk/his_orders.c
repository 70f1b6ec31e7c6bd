/* his_orders.c - HL7 orders: what is asked by ORC-1, done in the book, and answered. */
#include "gateway/desk/his_orders.h"

#include "gateway/desk/book_own.h"
#include "gateway/desk/his_read.h"
#include "gateway/desk/his_refused.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/pinyin.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_KEPT = 10000, VALUE_BYTES = 513, ORDERS_OF_AN_ORC = 64 };

enum action { HIS_PUT, HIS_CHANGE, HIS_CANCEL, HIS_DISCONTINUE, HIS_NOTHING };
static const struct control {
    const char *word;
    enum action action;
} controls[] = {
#define CONTROL(word, action, meaning) {word, action},
#include "gateway/desk/his_controls.def"
#undef CONTROL
};

#define AT(field) offsetof(struct order, field), sizeof(((struct order *)0)->field)

/* ---- doing ---- */

/* What the book made by itself is not told to it as if the HIS had. */
static void
forget_own(struct order *kept)
{
    char own[ORDER_SH_SIZE];

    if (strcmp(kept->accession, kept->registration) == 0)
        kept->accession[0] = '\0';
    if (strcmp(kept->patient_id, kept->registration) == 0 ||
        strcmp(kept->patient_id, kept->citizen_id) == 0)
        kept->patient_id[0] = '\0';
    snprintf(own, sizeof own, "P%" PRId64, kept->number);
    if (strcmp(kept->procedure_id, own) == 0)
        kept->procedure_id[0] = '\0';
}

/* Latin letters that the HIS gave stay with the name they were given for; what the book made of it
 * is made anew. */
static void
keep_pinyin(struct order *o, const struct order *kept)
{
    char ours[CLINIC_NAME_SIZE];

    (void)pinyin_name(kept->name, ours, sizeof ours);
    if (o->pinyin[0] == '\0' && strcmp(o->name, kept->name) == 0 && strcmp(ours, kept->pinyin) != 0)
        (void)text_copy(o->pinyin, sizeof o->pinyin, kept->pinyin);
}

/* What the message leaves empty stays as it was. */
static int
overlay(struct book *book, struct order *o, struct err *err)
{
    static const struct {
        size_t at, size;
    } members[] = {
        {AT(accession)},   {AT(patient_id)},   {AT(name)},         {AT(citizen_id)},
        {AT(sex)},         {AT(birth)},        {AT(phone)},        {AT(modality)},
        {AT(station)},     {AT(description)},  {AT(procedure_id)}, {AT(referring)},
        {AT(department)},  {AT(complaint)},    {AT(history)},      {AT(code)},
        {AT(code_scheme)}, {AT(code_meaning)},
    };
    struct order *kept = mem_new(sizeof *kept);
    int rc = order_find_placer(book, HIS_SOURCE, o->placer, kept, err);

    if (rc < 0 && err->kind == ERR_NOT_FOUND) {
        err_clear(err);
        rc = 0;
        goto out;
    }
    if (rc < 0)
        goto out;
    forget_own(kept);
    if (order_is_other_person(kept, o)) /* nothing of one patient is another's */
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        char *to = (char *)o + members[i].at;

        if (to[0] == '\0')
            (void)text_copy(to, members[i].size, (const char *)kept + members[i].at);
    }
    keep_pinyin(o, kept);
    o->weight_g = o->weight_g != 0 ? o->weight_g : kept->weight_g;
    o->height_mm = o->height_mm != 0 ? o->height_mm : kept->height_mm;
out:
    free(kept);
    return rc;
}

/* Taken back; broken off if a device has begun and that is what is asked. */
static int
take_back(struct book *book, const char *placer, bool is_begun_too, struct err *err)
{
    struct order *o;
    int rc = order_cancel(book, HIS_SOURCE, placer, err);

    if (rc == 0 || err->kind != ERR_CONFLICT || !is_begun_too)
        return rc;
    o = mem_new(sizeof *o);
    rc = order_find_placer(book, HIS_SOURCE, placer, o, err);
    if (rc == 0)
        rc = order_step(book, o->number, ORDER_SAW_DISCONTINUE, err);
    free(o);
    return rc;
}

/* A new order that was taken back is asked for after all, also when nothing else of it changed. */
static int
ask_again(struct book *book, const char *placer, struct err *err)
{
    struct order *o = mem_new(sizeof *o);
    int rc = order_find_placer(book, HIS_SOURCE, placer, o, err);

    if (rc == 0 && o->state == ORDER_CANCELLED)
        rc = order_step(book, o->number, ORDER_SAW_PUT, err);
    free(o);
    return rc;
}

static int
act(struct book *book, enum action action, struct order *o, struct err *err)
{
    if (action == HIS_NOTHING)
        return 0;
    if (o->placer[0] == '\0')
        return err_set(err, ERR_REJECT, "ORC-2: the placer's order number is due");
    if (action == HIS_CANCEL || action == HIS_DISCONTINUE)
        return take_back(book, o->placer, action == HIS_DISCONTINUE, err);
    if (action == HIS_CHANGE && overlay(book, o, err) < 0)
        return -1;
    if (order_put(book, o, err) < 0)
        return -1;
    return action == HIS_PUT ? ask_again(book, o->placer, err) : 0;
}

static const struct control *
control_of(const struct his_group *g)
{
    char word[VALUE_BYTES];

    his_get(g, "ORC", 1, 1, word, sizeof word);
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        if (strcmp(controls[i].word, word) == 0)
            return &controls[i];
    return NULL;
}

static int
refuse(struct his_verdict *v, const char *code, const char *error, const char *place)
{
    v->code = code;
    v->error = error;
    v->place = place;
    /* what is to be taken back is not here, or has begun: nobody is missing */
    v->is_order = code[1] == 'E' ? strcmp(error, "204") != 0 && strcmp(error, "206") != 0
                                 : strcmp(error, "207") == 0;
    return -1;
}

/* ---- which order a group is of ---- */

/* Numbers of the orders that this message made or changed. */
struct told {
    char (*numbers)[ORDER_PLACER_SIZE];
    size_t n;
};

static bool
has_told(const struct told *told, const char *number)
{
    for (size_t i = 0; i < told->n; i++)
        if (strcmp(told->numbers[i], number) == 0)
            return true;
    return false;
}

static void
note_told(struct told *told, const char *number)
{
    told->numbers = mem_grow(told->numbers, (told->n + 1) * sizeof *told->numbers);
    (void)text_copy(told->numbers[told->n++], sizeof *told->numbers, number);
}

/* *out_is_known false: no order of this number. */
static int
look_up(struct book *book, const char *number, struct order *out, bool *out_is_known,
        struct err *err)
{
    int rc = order_find_placer(book, HIS_SOURCE, number, out, err);

    *out_is_known = rc == 0;
    if (rc < 0 && err->kind == ERR_NOT_FOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

/* Is own the number of an order that was made beside the one of o->placer, for this patient? */
static int
is_beside(struct book *book, const struct order *o, const char *own, bool *out, struct err *err)
{
    struct order *kept = mem_new(sizeof *kept);
    int rc = look_up(book, o->placer, kept, out, err);

    if (rc == 0 && *out)
        rc = look_up(book, own, kept, out, err);
    *out = rc == 0 && *out &&
           (strcmp(kept->name, o->name) == 0 ||
            (o->citizen_id[0] != '\0' && strcmp(kept->citizen_id, o->citizen_id) == 0) ||
            (o->patient_id[0] != '\0' && strcmp(kept->patient_id, o->patient_id) == 0));
    free(kept);
    return rc;
}

/* A HIS may number its requisition in ORC-2, and what is on it in OBR-2: a further ORC of a number
 * that this message had already is an order by its OBR-2, as a further OBR is, and goes by it
 * whenever it is told again. */
static int
choose(struct book *book, const struct told *told, struct his_group *g, struct order *o,
       struct err *err)
{
    int obr = hl7_find(g->m, "OBR", g->from, g->end);
    char number[ORDER_PLACER_SIZE];
    struct his_group own = *g;
    bool is_own;

    if (g->shared_end > 0 || obr < 0)
        return 0;
    own.orc = g->from;
    own.from = own.shared_end = (size_t)obr;
    his_number(&own, number, sizeof number);
    if (number[0] == '\0' || strcmp(number, o->placer) == 0)
        return 0;
    if (has_told(told, o->placer))
        is_own = !has_told(told, number);
    else if (is_beside(book, o, number, &is_own, err) < 0)
        return -1;
    if (!is_own)
        return 0;
    *g = own;
    return his_order_read(g, o, err);
}

/* Of what was made in its place a moment ago: o is another examination, not the same told twice. */
static bool
is_another(const struct order *kept, const struct order *o)
{
    static const size_t members[] = {
        offsetof(struct order, accession),   offsetof(struct order, procedure_id),
        offsetof(struct order, study),       offsetof(struct order, modality),
        offsetof(struct order, description), offsetof(struct order, code)};

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *says = (const char *)o + members[i];

        if (says[0] != '\0' && strcmp(says, (const char *)kept + members[i]) != 0)
            return true;
    }
    return false;
}

/* The second would stand in the place of the first, and the first be examined by nobody. */
static int
check_told(struct book *book, const struct told *told, const struct order *o,
           struct his_verdict *out, struct err *err)
{
    struct order *kept;
    bool is_known;
    int rc;

    if (!has_told(told, o->placer))
        return 0;
    kept = mem_new(sizeof *kept);
    rc = look_up(book, o->placer, kept, &is_known, err);
    if (rc == 0 && is_known && is_another(kept, o)) {
        err_set(err, ERR_REJECT, "ORC-2: two orders of one number in a message");
        rc = refuse(out, "AE", "205", "ORC^2^2");
    }
    free(kept);
    return rc;
}

/* What came of it, for the HIS. */
static int
refuse_for(struct his_verdict *v, const struct err *err)
{
    if (v->error != NULL)
        return -1; /* said already */
    switch (err->kind) {
    case ERR_REJECT:
        return refuse(v, "AE", "102", "ORC^1");
    case ERR_NOT_FOUND:
        return refuse(v, "AE", "204", "ORC^1^2");
    case ERR_CONFLICT:
        return refuse(v, "AE", "206", "ORC^1^2");
    default: /* not now: told again it may be done */
        return refuse(v, "AR", "207", NULL);
    }
}

static int
take_group(struct book *book, const struct his_group *group, struct told *told,
           struct his_verdict *out, struct err *err)
{
    const struct control *control = control_of(group);
    struct his_group g = *group;
    struct order *o;
    bool is_put;
    int rc;

    (void)his_number(group, out->placer, sizeof out->placer);
    if (control == NULL) {
        err_set(err, ERR_REJECT, "ORC-1: this order control is not done here");
        return refuse(out, "AE", "103", "ORC^1^1");
    }
    is_put = control->action == HIS_PUT || control->action == HIS_CHANGE;
    o = mem_new(sizeof *o);
    rc = his_order_read(&g, o, err);
    if (rc == 0)
        rc = choose(book, told, &g, o, err);
    if (rc == 0 && is_put)
        rc = his_schedule_read(&g, o, err);
    if (rc == 0 && is_put)
        rc = check_told(book, told, o, out, err);
    if (rc == 0)
        rc = act(book, control->action, o, err);
    if (rc == 0)
        rc = his_refused_settle(book, o->placer, err);
    if (rc == 0 && is_put)
        note_told(told, o->placer);
    free(o);
    if (rc < 0)
        return refuse_for(out, err);
    out->orders++;
    out->placer[0] = '\0';
    return 0;
}

/* An ORC, and an order for each of its OBR: a further one goes by a number of its own, or it would
 * stand in the place of the one before. */
static int
take_orc(struct book *book, struct his_group g, struct told *told, struct his_verdict *out,
         struct err *err)
{
    char numbers[ORDERS_OF_AN_ORC][ORDER_PLACER_SIZE];
    size_t end = g.end, orc = g.from;
    int obr = hl7_find(g.m, "OBR", orc, end), first_obr = obr;
    size_t n = 0;

    for (;; n++) {
        int next =
            obr < 0 || (size_t)obr + 1 >= end ? -1 : hl7_find(g.m, "OBR", (size_t)obr + 1, end);
        bool is_own = n < ORDERS_OF_AN_ORC;

        g.end = next >= 0 ? (size_t)next : end;
        if (is_own)
            his_number(&g, numbers[n], sizeof numbers[n]);
        for (size_t i = 0; i < n && is_own; i++)
            is_own = numbers[n][0] != '\0' && strcmp(numbers[i], numbers[n]) != 0;
        if (!is_own) {
            err_set(err, ERR_REJECT, "OBR-2: each OBR of an ORC goes by a number of its own");
            return refuse(out, "AE", "100", "OBR^2^2");
        }
        if (take_group(book, &g, told, out, err) < 0)
            return -1;
        if (next < 0)
            return 0;
        obr = next;
        g.from = (size_t)next;
        g.orc = orc;
        g.shared_end = (size_t)first_obr;
    }
}

static int
take_groups(struct book *book, const struct hl7_message *m, struct his_verdict *out,
            struct err *err)
{
    int first = hl7_find(m, "ORC", 0, 0), at = first, pid = hl7_find(m, "PID", 0, 0);
    struct told told = {.n = 0};
    int rc = 0;

    if (at < 0 || pid < 0 || pid > at) {
        err_set(err, ERR_REJECT, "PID and ORC are due, in this order");
        return refuse(out, "AE", "100", NULL);
    }
    if (hl7_find(m, "PID", (size_t)pid + 1, 0) >= 0) { /* whose order is whose? nothing is done */
        err_set(err, ERR_REJECT, "one patient a message");
        return refuse(out, "AE", "100", "PID^2");
    }
    while (rc == 0 && at >= 0) {
        int next = hl7_find(m, "ORC", (size_t)at + 1, 0);
        struct his_group g = {.m = m,
                              .first = (size_t)first,
                              .from = (size_t)at,
                              .end = next >= 0 ? (size_t)next : hl7_count(m)};

        rc = take_orc(book, g, &told, out, err);
        at = next;
    }
    free(told.numbers);
    return rc;
}

static const struct {
    const char *code, *event;
} taken[] = {{"ORM", "O01"}, {"OMG", "O19"}, {"OMI", "O23"}};

/* An order by its kind, whatever else is wrong; one for training is nobody's. */
static bool
is_real_order(const struct hl7_message *m)
{
    char code[VALUE_BYTES], processing[VALUE_BYTES];
    bool is = false;

    (void)hl7_get_of(m, "MSH", 9, 1, code, sizeof code);
    (void)hl7_get_of(m, "MSH", 11, 1, processing, sizeof processing);
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        is = is || strcmp(taken[i].code, code) == 0;
    return is && (processing[0] == '\0' || strcmp(processing, "P") == 0);
}

/* Is it ours to do at all? */
static int
check_head(const struct hl7_message *m, struct his_verdict *out, struct err *err)
{
    char code[VALUE_BYTES], event[VALUE_BYTES], text[VALUE_BYTES];

    (void)hl7_get_of(m, "MSH", 12, 1, text, sizeof text);
    if (strncmp(text, "2.", 2) != 0) {
        err_set(err, ERR_REJECT, "MSH-12: version 2.x is due");
        return refuse(out, "AR", "203", "MSH^1^12");
    }
    (void)hl7_get_of(m, "MSH", 11, 1, text, sizeof text);
    if (text[0] != '\0' && strcmp(text, "P") != 0) {
        err_set(err, ERR_REJECT, "MSH-11: only P, production, is taken");
        return refuse(out, "AR", "202", "MSH^1^11");
    }
    (void)hl7_get_of(m, "MSH", 9, 1, code, sizeof code);
    (void)hl7_get_of(m, "MSH", 9, 2, event, sizeof event);
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (strcmp(taken[i].code, code) == 0) {
            if (event[0] == '\0' || strcmp(taken[i].event, event) == 0)
                return 0;
            err_set(err, ERR_REJECT, "MSH-9.2: this event is not taken");
            return refuse(out, "AR", "201", "MSH^1^9");
        }
    err_set(err, ERR_REJECT, "MSH-9: ORM^O01, OMG^O19 or OMI^O23 is taken, nothing else");
    return refuse(out, "AR", "200", "MSH^1^9");
}

/* ---- knowing a message again ---- */

struct seen {
    char sender[2 * VALUE_BYTES], control[VALUE_BYTES], sha256[DIGEST_HEX_BYTES];
};

static void
name_it(const struct hl7_message *m, const void *bytes, size_t n, struct seen *s)
{
    char application[VALUE_BYTES], facility[VALUE_BYTES];
    uint8_t sha256[DIGEST_BYTES];

    (void)hl7_get_of(m, "MSH", 3, 1, application, sizeof application);
    (void)hl7_get_of(m, "MSH", 4, 1, facility, sizeof facility);
    snprintf(s->sender, sizeof s->sender, "%s|%s", application, facility);
    (void)hl7_get_of(m, "MSH", 10, 1, s->control, sizeof s->control);
    digest_bytes(bytes, n, sha256);
    digest_text(sha256, s->sha256);
}

static int
is_seen(struct book *book, const struct seen *s, bool *out, struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "his_seen_find",
                DB_ARGS(DB_TEXT(s->sender), DB_TEXT(s->control), DB_TEXT(s->sha256)), &rows, err);
    rc = db_end(book->db, rc, err);
    if (rc == 0)
        *out = db_rows_count(rows) > 0;
    db_rows_free(&rows);
    return rc;
}

static int
note_seen(struct book *book, const struct seen *s, struct err *err)
{
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_run(book->db, "his_seen_add",
                DB_ARGS(DB_TEXT(s->sender), DB_TEXT(s->control), DB_TEXT(s->sha256),
                        DB_INT(clock_wall_us())),
                NULL, err);
    if (rc == 0)
        rc = db_run(book->db, "his_seen_clean", DB_ARGS(DB_INT(SEEN_KEPT)), NULL, err);
    return db_end(book->db, rc, err);
}

int
his_take(struct book *book, const struct hl7_message *m, const void *bytes, size_t n,
         struct his_verdict *out, struct err *err)
{
    struct seen *seen = mem_new(sizeof *seen);
    bool is_old = false;
    int rc = -1;

    *out = (struct his_verdict){.code = "AA"};
    if (check_head(m, out, err) < 0) {
        out->is_order = is_real_order(m);
        goto out;
    }
    name_it(m, bytes, n, seen);
    if (seen->control[0] == '\0') {
        err_set(err, ERR_REJECT, "MSH-10: a control number is due");
        refuse(out, "AE", "101", "MSH^1^10");
        goto out;
    }
    if (is_seen(book, seen, &is_old, err) < 0) {
        refuse(out, "AR", "207", NULL);
        goto out;
    }
    out->is_old = is_old;
    if (!is_old && take_groups(book, m, out, err) < 0)
        goto out;
    if (!is_old && note_seen(book, seen, err) < 0) {
        refuse(out, "AR", "207", NULL);
        goto out;
    }
    rc = 0;
out:
    free(seen);
    return rc;
}
