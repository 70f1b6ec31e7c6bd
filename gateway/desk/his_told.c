/* his_told.c - the order as a target was told it, as JSON in the delivery's row. */
#include "gateway/desk/his_told.h"

#include "gateway/desk/book_own.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <stddef.h>
#include <string.h>

enum { TOLD_BYTES = 64 << 10 };

#define AT(field) #field, offsetof(struct order, field), sizeof(((struct order *)0)->field)
static const struct {
    const char *key;
    size_t at, size;
} members[] = {
    {AT(source)},       {AT(placer)},      {AT(accession)},    {AT(patient_id)}, {AT(name)},
    {AT(citizen_id)},   {AT(sex)},         {AT(birth)},        {AT(code)},       {AT(code_scheme)},
    {AT(procedure_id)}, {AT(description)}, {AT(registration)}, {AT(referring)},  {AT(complaint)},
};

int
his_told_put(struct book *book, const struct his_delivery *d, const struct his_report *r,
             struct err *err)
{
    struct buf json;
    struct jsonw w;
    int rc;

    if (d->is_withdrawal)
        return 0;
    buf_init(&json, TOLD_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "filler", r->filler);
    jsonw_bool(&w, "has_order", r->has_order);
    jsonw_text(&w, "patient", r->patient);
    jsonw_text(&w, "attached", r->registration);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        jsonw_text(&w, members[i].key, (const char *)&r->order + members[i].at);
    jsonw_end(&w);
    rc = buf_is_over(&json) ? err_set(err, ERR_REJECT, "an order longer than its limit")
                            : db_ask(book->db, "his_told_put",
                                     DB_ARGS(DB_INT(d->n), DB_TEXT(buf_text(&json))), NULL, err);
    buf_fini(&json);
    return rc;
}

static void
take(const struct json *o, const char *key, char *out, size_t size)
{
    const char *text = json_as_text(json_find(o, key));

    (void)text_copy(out, size, text != NULL ? text : "");
}

static int
read_told(const char *text, struct his_report *io, struct err *err)
{
    struct json_doc *doc = NULL;
    const struct json *o;

    if (json_parse((const uint8_t *)text, strlen(text), &doc, err) < 0)
        return -1;
    o = json_root(doc);
    memset(&io->order, 0, sizeof io->order);
    if (json_truth(o, "has_order", &io->has_order, err) < 0) {
        json_free(&doc);
        return -1;
    }
    take(o, "patient", io->patient, sizeof io->patient);
    take(o, "attached", io->registration, sizeof io->registration);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        take(o, members[i].key, (char *)&io->order + members[i].at, members[i].size);
    json_free(&doc);
    return 0;
}

int
his_told_get(struct book *book, const struct his_delivery *d, struct his_report *io,
             struct err *err)
{
    struct db_rows *rows = NULL;
    int rc = db_begin(book->db, err);

    if (rc < 0)
        return -1;
    rc = db_end(
        book->db,
        db_run(book->db, "his_told_get",
               DB_ARGS(DB_TEXT(his_target_word(d->target)), DB_INT(d->read), DB_INT(d->version)),
               &rows, err),
        err);
    if (rc == 0 && db_rows_count(rows) > 0)
        rc = read_told(db_text(rows, 0, 0), io, err);
    db_rows_free(&rows);
    return rc;
}
