/* orders_json.c - lists of orders, whatever they are written in: JSON, a line each, a table. */
#include "gateway/desk/orders_json.h"

#include "gateway/desk/orders_own.h"
#include "gateway/desk/worklist_query.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/http/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *source;
    orders_each_fn each;
    void *user;
    struct orders_tally *tally;
};

static bool
ends_reading(const struct err *err)
{
    return err->kind == ERR_RETRY || err->kind == ERR_FULL || err->kind == ERR_FATAL;
}

/* Why the one at this place was refused, or flagged; errors begin with the member's name. */
static void
note_first(struct orders_tally *tally, size_t place, const struct err *why)
{
    tally->first = *why;
    tally->place = place;
    (void)text_copy(tally->member, sizeof tally->member, orders_member_at(why->text));
    err_context(&tally->first, "order %zu", place);
}

static void
refuse(struct orders_tally *tally, size_t place, const struct err *why)
{
    if (tally->refused++ == 0)
        note_first(tally, place, why);
}

/* rc: how reading this one went. */
static int
give(struct reader *rd, struct orders_reading *r, size_t place, int rc, struct err *err)
{
    (void)text_copy(r->order.source, sizeof r->order.source, rd->source);
    if (rc == 0)
        rc = rd->each(rd->user, &r->order, r->is_cancelled, err);
    if (rc < 0 && ends_reading(err))
        return -1;
    if (rc < 0) {
        refuse(rd->tally, place, err);
        return 0;
    }
    rd->tally->taken++;
    if (r->flaw.kind != ERR_NONE && rd->tally->flagged++ == 0 && rd->tally->refused == 0)
        note_first(rd->tally, place, &r->flaw);
    return 0;
}

static int
take_object(struct reader *rd, const struct json *o, size_t place, struct err *err)
{
    struct orders_reading *r = mem_new(sizeof *r);
    char number[40];
    int rc = json_is_object(o) ? 0 : err_set(err, ERR_REJECT, "not an object");

    for (const void *m = rc == 0 ? json_member_first(o) : NULL; m != NULL && rc == 0;
         m = json_member_next(o, m)) {
        const struct json *v = json_member_value(m);
        const char *text = json_as_text(v);
        bool is = false;
        struct err ignored;

        if (text == NULL && json_is_number(v)) {
            if (json_as_double(v, 0.5) == (double)json_as_int(v, 0))
                snprintf(number, sizeof number, "%lld", (long long)json_as_int(v, 0));
            else
                snprintf(number, sizeof number, "%.10g", json_as_double(v, 0));
            text = number;
        } else if (text == NULL && json_truth(o, json_member_key(m), &is, &ignored) == 0) {
            text = is ? "true" : "false";
        }
        rc = orders_member_set(r, json_member_key(m), text != NULL ? text : "", err);
    }
    rc = give(rd, r, place, rc, err);
    free(r);
    return rc;
}

static int
read_json(struct reader *rd, const char *text, size_t n, struct err *err)
{
    struct json_doc *doc = NULL;
    const struct json *root;
    int rc = 0;

    if (json_parse(text, n, &doc, err) < 0)
        return -1;
    root = json_root(doc);
    if (json_length(root) > ORDERS_AT_ONCE)
        rc = err_set(err, ERR_REJECT, "more than %d orders", ORDERS_AT_ONCE);
    else if (json_is_array(root))
        for (size_t i = 0; i < json_length(root) && rc == 0; i++)
            rc = take_object(rd, json_at(root, i), i + 1, err);
    else
        rc = take_object(rd, root, 1, err);
    json_free(&doc);
    return rc;
}

static int
read_json_lines(struct reader *rd, const char *text, size_t n, struct err *err)
{
    size_t place = 0;

    for (const char *at = text, *end = text + n; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop != NULL ? stop : end) - at);
        struct json_doc *doc = NULL;

        if (++place > ORDERS_AT_ONCE)
            return err_set(err, ERR_REJECT, "more than %d lines", ORDERS_AT_ONCE);
        if (strspn(at, " \t\r\n") < length) {
            if (json_parse(at, length, &doc, err) < 0) {
                refuse(rd->tally, place, err); /* the lines behind it are others' orders */
            } else {
                int rc = take_object(rd, json_root(doc), place, err);
                json_free(&doc);
                if (rc < 0)
                    return -1;
            }
        }
        at += length + 1;
    }
    return 0;
}

/* ---- tables ---- */

enum { COLUMNS = 64, CELL_BYTES = 8192, COLUMN_NAME_BYTES = 32 };

struct table {
    char names[COLUMNS][COLUMN_NAME_BYTES];
    size_t n;
};

/* The next cell of a line; false: there is none. */
static bool
next_cell(const char **io_at, const char *end, char *out, size_t size)
{
    const char *at = *io_at;
    size_t n = 0;

    if (at == NULL || at > end)
        return false;
    while (at < end && *at != '\t') {
        if (n + 1 < size && *at != '\r')
            out[n++] = *at;
        at++;
    }
    out[n] = '\0';
    *io_at = at + 1;
    return true;
}

/* Empty, or the rule that SQL clients draw under the names. */
static bool
is_bare(const char *at, const char *end)
{
    while (at < end && strchr("-+| \t\r", *at) != NULL)
        at++;
    return at == end;
}

static int
take_line(struct reader *rd, const struct table *table, const char *at, const char *end,
          size_t place, struct err *err)
{
    struct orders_reading *r = mem_new(sizeof *r);
    char *cell = mem_new(CELL_BYTES);
    int rc = 0;

    for (size_t c = 0; rc == 0 && c < table->n && next_cell(&at, end, cell, CELL_BYTES); c++)
        rc = orders_member_set(r, table->names[c], cell, err);
    rc = give(rd, r, place, rc, err);
    free(cell);
    free(r);
    return rc;
}

static int
read_table(struct reader *rd, const char *text, size_t n, struct err *err)
{
    struct table *table = mem_new(sizeof *table);
    size_t place = 0;
    int rc = 0;

    for (const char *at = text, *end = text + n; rc == 0 && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = stop != NULL ? stop : end, *cell = at;

        if (place == 0)
            while (table->n < COLUMNS &&
                   next_cell(&cell, line_end, table->names[table->n], COLUMN_NAME_BYTES))
                table->n++;
        else if (place > ORDERS_AT_ONCE)
            rc = err_set(err, ERR_REJECT, "more than %d lines", ORDERS_AT_ONCE);
        else if (!is_bare(at, line_end))
            rc = take_line(rd, table, at, line_end, place, err);
        if (place++ == 0) {
            bool is_ours = false;
            for (size_t c = 0; c < table->n; c++)
                is_ours = is_ours || strcmp(table->names[c], "placer") == 0;
            if (!is_ours)
                rc = err_set(err, ERR_REJECT, "neither JSON nor a table with a column 'placer'");
        }
        at = line_end + 1;
    }
    free(table);
    return rc;
}

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* ---- what it is ---- */

enum { LONG_DIGITS = 19 }; /* of which an int64_t does not hold all */

static bool
is_json(const char *text, size_t n)
{
    struct json_doc *doc = NULL;
    struct err ignored;

    if (json_parse(text, n, &doc, &ignored) < 0)
        return false;
    json_free(&doc);
    return true;
}

/* An object a line: the first is one by itself and more follows, or a later line begins one. */
static bool
has_lines(const char *text, size_t n)
{
    const char *stop = strchr(text, '\n');

    if (stop == NULL || is_blank(stop))
        return false;
    if (text[0] == '{' && is_json(text, (size_t)(stop - text)))
        return true;
    if (text[0] != '{' && memchr(text, '\t', (size_t)(stop - text)) != NULL)
        return false; /* the names of a table */
    for (; stop != NULL; stop = strchr(stop + 1, '\n'))
        if (stop[1 + strspn(stop + 1, " \t\r")] == '{')
            return !is_json(text, n);
    return false;
}

/* A number that no type here holds. */
static bool
is_long_number(const char *text, size_t n)
{
    if (*text != '-' && (*text < '0' || *text > '9'))
        return false;
    return strspn(text, "-0123456789") == n ? n >= LONG_DIGITS : isinf(strtod(text, NULL));
}

/* Such numbers become texts: digits are digits, and one that is none costs its own order only. A
 * text ends with its line, so that a broken line does not reach the next. */
static void
quote_long_numbers(const char *text, struct buf *out)
{
    bool is_in_text = false;

    for (const char *at = text; *at != '\0';) {
        size_t n = is_in_text ? 0 : strspn(at, "+-.0123456789eE");

        if (n > 0 && is_long_number(at, n)) {
            buf_add_printf(out, "\"%.*s\"", (int)n, at);
        } else {
            if (n == 0) {
                n = is_in_text && *at == '\\' && at[1] != '\0' && at[1] != '\n' ? 2 : 1;
                is_in_text = *at != '\n' && is_in_text != (*at == '"');
            }
            buf_add(out, at, n);
        }
        at += n;
    }
}

static int
read_text(struct reader *rd, const char *text, size_t n, struct err *err)
{
    size_t skip = strspn(text, " \t\r\n");
    struct buf json;
    int rc;

    if (is_blank(text))
        return 0; /* no orders just now */
    buf_init(&json, 2 * n + 1);
    quote_long_numbers(text, &json);
    if (text[skip] != '[' && has_lines(buf_text(&json) + skip, json.n - skip))
        rc = read_json_lines(rd, buf_text(&json), json.n, err);
    else if (text[skip] == '[' || text[skip] == '{')
        rc = read_json(rd, buf_text(&json), json.n, err);
    else
        rc = read_table(rd, text, n, err);
    buf_fini(&json);
    return rc;
}

int
orders_read(const uint8_t *bytes, size_t n, const char *source, orders_each_fn each, void *user,
            struct orders_tally *out, struct err *err)
{
    struct reader rd = {source, each, user, out};
    struct buf text;
    int rc;

    memset(out, 0, sizeof *out);
    if (n == 0)
        return 0;
    if (n > ORDERS_BYTES || memchr(bytes, '\0', n) != NULL)
        return err_set(err, ERR_REJECT, "too long, or no text");
    size_t mark = text_mark(bytes, n);
    bytes += mark;
    n -= mark;
    buf_init(&text, 3 * ORDERS_BYTES);
    if (text_is_utf8((const char *)bytes, n)) {
        buf_add(&text, bytes, n);
    } else {
        struct dcm_charset cs;

        dcm_charset_begin(&cs, NULL, 0, "GB18030");
        dcm_charset_choose(&cs);
        dcm_charset_decode(&cs, bytes, n, false, &text);
    }
    rc = buf_is_over(&text) ? err_set(err, ERR_REJECT, "too long")
                            : read_text(&rd, buf_text(&text), text.n, err);
    buf_fini(&text);
    return rc;
}

static int
put_or_cancel(void *user, const struct order *order, bool is_cancelled, struct err *err)
{
    int rc = is_cancelled ? order_cancel(user, order->source, order->placer, err)
                          : order_put(user, order, err);

    /* one that is done is done, one that never came is not here */
    if (rc < 0 && (err->kind == ERR_CONFLICT || (is_cancelled && err->kind == ERR_NOT_FOUND))) {
        err_clear(err);
        return 0;
    }
    return rc;
}

int
orders_take(struct book *book, const uint8_t *bytes, size_t n, const char *source,
            struct orders_tally *out, struct err *err)
{
    return orders_read(bytes, n, source, put_or_cancel, book, out, err);
}

void
orders_write(struct jsonw *w, const struct order *o)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "number", o->number);
    jsonw_text(w, "state", order_state_word(o->state));
    jsonw_text(w, "source", o->source);
    jsonw_text(w, "registration", o->registration);
    jsonw_text(w, "accession", o->accession);
    jsonw_text(w, "patient_id", o->patient_id);
    jsonw_text(w, "name", o->name);
    jsonw_text(w, "pinyin", o->pinyin);
    jsonw_text(w, "sex", o->sex);
    jsonw_text(w, "birth", o->birth);
    jsonw_text(w, "modality", o->modality);
    jsonw_text(w, "station", o->station);
    jsonw_int(w, "scheduled_at_us", o->scheduled_at_us);
    jsonw_text(w, "description", o->description);
    jsonw_text(w, "referring", o->referring);
    jsonw_text(w, "department", o->department);
    jsonw_bool(w, "is_urgent", o->is_urgent);
    jsonw_text(w, "study", o->study);
    jsonw_text(w, "attached", o->attached);
    jsonw_bool(w, "is_offered",
               (o->state == ORDER_SCHEDULED || o->state == ORDER_IN_PROGRESS) &&
                   !worklist_is_stale(o, clock_wall_us()));
    jsonw_int(w, "changed_at_us", o->changed_at_us);
    jsonw_end(w);
}
