/* orders_json.c - members by a table, whatever they are written in. */
#include "gateway/desk/orders_json.h"

#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/http/json.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum kind { TEXT, ACTION, SCHEDULED, TRUTH_URGENT, KILOGRAMS, CENTIMETRES };

#define AT(field) offsetof(struct order, field), sizeof(((struct order *)0)->field)
static const struct member {
    const char *name;
    enum kind kind;
    size_t at, size;
} members[] = {
    {"placer", TEXT, AT(placer)},
    {"action", ACTION, 0, 0},
    {"accession", TEXT, AT(accession)},
    {"patient_id", TEXT, AT(patient_id)},
    {"name", TEXT, AT(name)},
    {"pinyin", TEXT, AT(pinyin)},
    {"citizen_id", TEXT, AT(citizen_id)},
    {"sex", TEXT, AT(sex)},
    {"birth", TEXT, AT(birth)},
    {"phone", TEXT, AT(phone)},
    {"weight_kg", KILOGRAMS, 0, 0},
    {"height_cm", CENTIMETRES, 0, 0},
    {"modality", TEXT, AT(modality)},
    {"station", TEXT, AT(station)},
    {"scheduled", SCHEDULED, 0, 0},
    {"procedure_id", TEXT, AT(procedure_id)},
    {"description", TEXT, AT(description)},
    {"code", TEXT, AT(code)},
    {"code_scheme", TEXT, AT(code_scheme)},
    {"code_meaning", TEXT, AT(code_meaning)},
    {"study", TEXT, AT(study)},
    {"referring", TEXT, AT(referring)},
    {"department", TEXT, AT(department)},
    {"urgent", TRUTH_URGENT, 0, 0},
    {"reason", TEXT, AT(reason)},
    {"complaint", TEXT, AT(complaint)},
    {"history", TEXT, AT(history)},
};

struct reading {
    struct order order;
    bool is_cancelled;
};

/* "2026-11-22 09:30", "2026-11-22T09:30:00", "20261122093000", "202611220930": here; with Z or
 * +08:00 behind: there. */
static bool
read_time(const char *text, int64_t *out_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M",    "%Y%m%d%H%M%S",      "%Y%m%d%H%M"};
    const char *end = NULL;
    struct tm tm;
    int h, m;
    char sign;

    for (size_t i = 0; i < ARRAY_LEN(forms) && end == NULL; i++) {
        memset(&tm, 0, sizeof tm);
        end = strptime(text, forms[i], &tm);
        if (end != NULL && *end != '\0' && *end != 'Z' && *end != '+' && *end != '-')
            end = NULL;
    }
    if (end == NULL || tm.tm_year < 100 || tm.tm_year > 200)
        return false;
    if (*end == '\0') {
        tm.tm_isdst = -1;
        *out_us = (int64_t)mktime(&tm) * 1000000;
    } else if (strcmp(end, "Z") == 0) {
        *out_us = (int64_t)timegm(&tm) * 1000000;
    } else {
        if (sscanf(end, "%c%2d:%2d", &sign, &h, &m) != 3 || h > 14 || m > 59)
            return false;
        *out_us =
            ((int64_t)timegm(&tm) - (sign == '-' ? -1 : 1) * (h * 60 + m) * INT64_C(60)) * 1000000;
    }
    return true;
}

/* A measure in thousandths: "61.5" kilograms, "172" centimetres. */
static bool
read_measure(const char *text, double factor, double most, uint32_t *out)
{
    char *end;
    double v;

    if (text[0] == '\0')
        return true;
    v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v) || v < 0 || v > most)
        return false;
    *out = (uint32_t)(v * factor + 0.5);
    return true;
}

static bool
read_truth(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "1", "yes", "是"}, *const no[] = {"", "false", "0",
                                                                                "no", "否"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcmp(text, yes[i]) == 0) {
            *out = true;
            return true;
        }
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (strcmp(text, no[i]) == 0) {
            *out = false;
            return true;
        }
    return false;
}

/* Without blanks around and control characters; long texts keep their line ends. */
static bool
copy_text(char *out, size_t size, const char *text)
{
    size_t n = 0;

    text += strspn(text, " \t\r\n");
    for (; *text != '\0' && n + 1 < size; text++)
        out[n++] =
            (uint8_t)*text >= 0x20 || (*text == '\n' && size == CLINIC_TEXT_SIZE) ? *text : ' ';
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\n'))
        n--;
    out[n] = '\0';
    return *text == '\0';
}

/* Sexes as HIS write them: GB/T 2261.1 and words. */
static const char *
sex_word(const char *text)
{
    static const char *const words[][2] = {{"1", "M"}, {"2", "F"}, {"男", "M"}, {"女", "F"},
                                           {"m", "M"}, {"f", "F"}, {"0", ""},   {"9", ""}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i][0], text) == 0)
            return words[i][1];
    return text;
}

static bool
set_member(struct reading *r, const struct member *m, const char *text)
{
    switch (m->kind) {
    case ACTION:
        r->is_cancelled = strcmp(text, "cancel") == 0;
        return r->is_cancelled || text[0] == '\0' || strcmp(text, "put") == 0;
    case SCHEDULED:
        return text[0] == '\0' || read_time(text, &r->order.scheduled_at_us);
    case TRUTH_URGENT:
        return read_truth(text, &r->order.is_urgent);
    case KILOGRAMS:
        return read_measure(text, 1000, 700, &r->order.weight_g);
    case CENTIMETRES:
        return read_measure(text, 10, 300, &r->order.height_mm);
    case TEXT:
    default:
        if (m->at == offsetof(struct order, sex))
            text = sex_word(text);
        return copy_text((char *)&r->order + m->at, m->size, text);
    }
}

/* A member nobody here knows is let through. */
static int
set_named(struct reading *r, const char *name, const char *text, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return set_member(r, &members[i], text)
                       ? 0
                       : err_set(err, ERR_REJECT, "%s: too long, or not of its kind", name);
    return 0;
}

/* ---- one after the other ---- */

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

/* rc: how reading this one went. */
static int
give(struct reader *rd, struct reading *r, size_t place, int rc, struct err *err)
{
    (void)text_copy(r->order.source, sizeof r->order.source, rd->source);
    if (rc == 0)
        rc = rd->each(rd->user, &r->order, r->is_cancelled, err);
    if (rc == 0) {
        rd->tally->taken++;
        return 0;
    }
    if (ends_reading(err))
        return -1;
    if (rd->tally->refused++ == 0) {
        rd->tally->first = *err;
        err_context(&rd->tally->first, "order %zu", place);
    }
    return 0;
}

static int
take_object(struct reader *rd, const struct json *o, size_t place, struct err *err)
{
    struct reading *r = mem_new(sizeof *r);
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
        rc = set_named(r, json_member_key(m), text != NULL ? text : "", err);
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
            if (json_parse(at, length, &doc, err) < 0)
                return err_context(err, "line %zu", place);
            int rc = take_object(rd, json_root(doc), place, err);
            json_free(&doc);
            if (rc < 0)
                return -1;
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

static int
take_line(struct reader *rd, const struct table *table, const char *at, const char *end,
          size_t place, struct err *err)
{
    struct reading *r = mem_new(sizeof *r);
    char *cell = mem_new(CELL_BYTES);
    int rc = 0;

    for (size_t c = 0; rc == 0 && c < table->n && next_cell(&at, end, cell, CELL_BYTES); c++)
        rc = set_named(r, table->names[c], cell, err);
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
        else if (line_end > at && !(line_end == at + 1 && *at == '\r'))
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

/* JSON that ends with its first line and goes on: an object a line. */
static int
read_text(struct reader *rd, const char *text, size_t n, struct err *err)
{
    size_t skip = strspn(text, " \t\r\n");
    const char *stop;
    struct json_doc *doc = NULL;
    struct err ignored;

    if (is_blank(text))
        return 0; /* no orders just now */
    if (text[skip] == '[')
        return read_json(rd, text, n, err);
    if (text[skip] != '{')
        return read_table(rd, text, n, err);
    stop = strchr(text + skip, '\n');
    if (stop == NULL || is_blank(stop) ||
        json_parse(text + skip, (size_t)(stop - text) - skip, &doc, &ignored) < 0)
        return read_json(rd, text, n, err);
    json_free(&doc);
    return read_json_lines(rd, text, n, err);
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
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        n -= 3;
    }
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
    jsonw_int(w, "changed_at_us", o->changed_at_us);
    jsonw_end(w);
}
