/* find.c - queries of viewers: filters to arguments, rows to facts. */
#include "storage/keep/keep_own.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FIND_ARGS = 30, ALTERNATIVES = 256 };

static const char *const level_queries[] = {
    [KEEP_STUDY] = "find_studies",
    [KEEP_SERIES] = "find_series",
    [KEEP_INSTANCE] = "find_instances",
};

/* Arguments that own their text. */
struct asking {
    struct pg_arg args[FIND_ARGS];
    size_t n;
    char *owned[FIND_ARGS];
    size_t owned_n;
};

static void
ask_text(struct asking *a, const char *text)
{
    CHECK(a->n < FIND_ARGS);
    a->args[a->n++] = PG_TEXT(text);
}

static void
ask_owned(struct asking *a, char *text)
{
    a->owned[a->owned_n++] = text;
    ask_text(a, text);
}

static void
ask_int(struct asking *a, uint64_t v)
{
    CHECK(a->n < FIND_ARGS);
    a->args[a->n++] = PG_INT(v);
}

/* One alternative as a LIKE pattern: * and ? are wildcards, what LIKE would take for one is not. */
static char *
like_pattern(const char *from, size_t n, bool is_lower)
{
    char *out = mem_new(2 * n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        char c = from[i];

        if (c == '%' || c == '_' || c == '\\')
            out[k++] = '\\';
        if (c == '*')
            c = '%';
        else if (c == '?')
            c = '_';
        out[k++] = is_lower ? (char)tolower((unsigned char)c) : c;
    }
    return out;
}

/* Alternatives between backslashes, as an array of patterns. */
static void
ask_patterns(struct asking *a, const char *text, bool is_lower)
{
    char *patterns[ALTERNATIVES];
    size_t n = 0;

    if (text == NULL) {
        ask_text(a, NULL);
        return;
    }
    for (const char *at = text; n < ARRAY_LEN(patterns); at++) {
        size_t k = strcspn(at, "\\");

        patterns[n++] = like_pattern(at, k, is_lower);
        at += k;
        if (*at == '\0')
            break;
    }
    ask_owned(a, pg_array_text((const char *const *)patterns, n));
    for (size_t i = 0; i < n; i++)
        free(patterns[i]);
}

/* The same alternatives as they are, where each is a value and no pattern; else NULL. */
static void
ask_values(struct asking *a, const char *text)
{
    char *values[ALTERNATIVES];
    size_t n = 0;

    if (text == NULL || strpbrk(text, "*?") != NULL) {
        ask_text(a, NULL);
        return;
    }
    for (const char *at = text; n < ARRAY_LEN(values); at++) {
        size_t k = strcspn(at, "\\");

        values[n++] = mem_printf("%.*s", (int)k, at);
        at += k;
        if (*at == '\0')
            break;
    }
    ask_owned(a, pg_array_text((const char *const *)values, n));
    for (size_t i = 0; i < n; i++)
        free(values[i]);
}

static void
ask_list(struct asking *a, const char *const *uids, size_t n)
{
    if (n == 0)
        ask_text(a, NULL);
    else
        ask_owned(a, pg_array_text(uids, n));
}

static int
ask_number(struct asking *a, const char *text, struct err *err)
{
    uint64_t v;

    if (text == NULL) {
        ask_text(a, NULL);
        return 0;
    }
    if (text_to_u64(text, INT64_MAX, &v) < 0)
        return err_set(err, ERR_REJECT, "a number is not one");
    ask_int(a, v);
    return 0;
}

static int
ask_all(struct asking *a, int64_t tenant, const struct keep_query *q, struct err *err)
{
    ask_int(a, (uint64_t)tenant);
    ask_patterns(a, q->patient_id, false);
    ask_patterns(a, q->issuer, false);
    ask_patterns(a, q->patient_name, true);
    ask_patterns(a, q->sex, false);
    ask_text(a, q->birth_from);
    ask_text(a, q->birth_to);
    ask_text(a, q->date_from);
    ask_text(a, q->date_to);
    ask_text(a, q->time_from);
    ask_text(a, q->time_to);
    ask_patterns(a, q->accession, false);
    ask_patterns(a, q->study_id, false);
    ask_patterns(a, q->study_description, false);
    ask_patterns(a, q->referring, true);
    ask_list(a, q->studies, q->studies_n);
    ask_list(a, q->series, q->series_n);
    ask_patterns(a, q->modality, false);
    if (ask_number(a, q->series_number, err) < 0)
        return -1;
    ask_patterns(a, q->series_description, false);
    ask_patterns(a, q->body_part, false);
    ask_patterns(a, q->station, false);
    ask_patterns(a, q->institution, false);
    ask_list(a, q->instances, q->instances_n);
    ask_patterns(a, q->sop_class, false);
    if (ask_number(a, q->instance_number, err) < 0)
        return -1;
    ask_int(a, q->limit == 0 ? LIMIT_QUERY_RESULTS + 1 : q->limit);
    ask_int(a, q->offset > INT64_MAX ? INT64_MAX : q->offset);
    ask_values(a, q->patient_id);
    ask_values(a, q->accession);
    return 0;
}

/* ---- rows: columns in the order of find.sql ---- */

struct reading {
    const struct pg_rows *rows;
    size_t row;
    int column;
};

static void
take_text(struct reading *r, char *out, size_t size)
{
    text_copy(out, size, pg_text(r->rows, r->row, r->column++));
}

static int64_t
take_int(struct reading *r)
{
    return pg_int(r->rows, r->row, r->column++);
}

#define TAKE_TEXT(r, field) take_text(r, field, sizeof(field))

static void
take_study(struct reading *r, struct dcm_facts *f, struct keep_row *row)
{
    TAKE_TEXT(r, f->study_uid);
    TAKE_TEXT(r, f->patient_id);
    TAKE_TEXT(r, f->issuer);
    TAKE_TEXT(r, f->patient_name);
    TAKE_TEXT(r, f->birth_date);
    TAKE_TEXT(r, f->sex);
    TAKE_TEXT(r, f->age);
    TAKE_TEXT(r, f->study_date);
    TAKE_TEXT(r, f->study_time);
    TAKE_TEXT(r, f->accession);
    TAKE_TEXT(r, f->study_id);
    TAKE_TEXT(r, f->study_description);
    TAKE_TEXT(r, f->referring);
    TAKE_TEXT(r, f->institution);
    row->arrived_at_us = take_int(r);
    row->study_series = (uint64_t)take_int(r);
    row->study_instances = (uint64_t)take_int(r);
    row->modalities = pg_text(r->rows, r->row, r->column++);
    row->sop_classes = pg_text(r->rows, r->row, r->column++);
}

static void
take_series(struct reading *r, struct dcm_facts *f, struct keep_row *row)
{
    TAKE_TEXT(r, f->series_uid);
    TAKE_TEXT(r, f->modality);
    f->series_number = take_int(r);
    TAKE_TEXT(r, f->series_description);
    TAKE_TEXT(r, f->body_part);
    TAKE_TEXT(r, f->series_date);
    TAKE_TEXT(r, f->series_time);
    TAKE_TEXT(r, f->station);
    TAKE_TEXT(r, f->institution);
    row->series_instances = (uint64_t)take_int(r);
}

static void
take_instance(struct reading *r, struct dcm_facts *f, struct keep_row *row)
{
    TAKE_TEXT(r, f->sop_class);
    TAKE_TEXT(r, f->sop_instance);
    f->instance_number = take_int(r);
    f->rows = take_int(r);
    f->cols = take_int(r);
    f->frames = take_int(r);
    f->bits_allocated = take_int(r);
    f->has_pixels = pg_truth(r->rows, r->row, r->column++);
    TAKE_TEXT(r, f->transfer_syntax);
    TAKE_TEXT(r, f->content_date);
    TAKE_TEXT(r, f->content_time);
    row->size_bytes = (uint64_t)take_int(r);
}

static void
give_rows(const struct pg_rows *rows, enum keep_level level, keep_on_row on_row, void *user)
{
    struct dcm_facts *f = mem_new(sizeof *f);

    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct reading r = {rows, i, 0};
        struct keep_row row = {.facts = f};

        *f = (struct dcm_facts){.series_number = -1, .instance_number = -1};
        take_study(&r, f, &row);
        if (level != KEEP_STUDY)
            take_series(&r, f, &row);
        if (level == KEEP_INSTANCE)
            take_instance(&r, f, &row);
        if (on_row(user, &row) != 0)
            break;
    }
    free(f);
}

int
keep_find(struct keep *k, const struct keep_query *query, keep_on_row on_row, void *user,
          struct err *err)
{
    struct asking *a = mem_new(sizeof *a);
    struct pg_rows *rows = NULL;
    int64_t tenant;
    int rc = -1;

    CHECK(query->tenant != NULL);
    if (tenant_number(k, query->tenant, &tenant, err) < 0 || ask_all(a, tenant, query, err) < 0 ||
        keep_run(k, level_queries[query->level], a->args, a->n, &rows, err) < 0)
        goto out;
    give_rows(rows, query->level, on_row, user);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "find");
    pg_rows_free(&rows);
    for (size_t i = 0; i < a->owned_n; i++)
        free(a->owned[i]);
    free(a);
    return rc;
}
