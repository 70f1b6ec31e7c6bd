/* qido_rows.c - matches of the catalog as DICOM JSON, and a query for it. */
#include "storage/serve/qido_rows.h"

#include <stdio.h>
#include <string.h>

/* ---- a query for the catalog ---- */

/* Alternatives joined by backslashes. */
static int
join(const struct qido_filter *f, char out[QIDO_LIST_TEXT], const char **slot, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_values; i++) {
        int more = snprintf(out + n, QIDO_LIST_TEXT - n, "%s%s", i > 0 ? "\\" : "", f->values[i]);

        if (more < 0 || n + (size_t)more >= QIDO_LIST_TEXT)
            return err_set(err, ERR_REJECT, "query parameter %s: too many values",
                           f->attribute->keyword);
        n += (size_t)more;
    }
    *slot = out;
    return 0;
}

static void
list(const struct qido_filter *f, const char *out[QIDO_VALUES], const char *const **slot,
     size_t *slot_n)
{
    for (size_t i = 0; i < f->n_values; i++)
        out[i] = f->values[i];
    *slot = out;
    *slot_n = f->n_values;
}

static int
put_filter(const struct qido_filter *f, struct qido_ask *ask, struct keep_query *k, struct err *err)
{
    const char *text = f->values[0], *from = f->from[0] ? f->from : NULL,
               *to = f->to[0] ? f->to : NULL;

    switch (f->attribute->name) {
    case QIDO_A_STUDY_UID:
        return list(f, ask->studies, &k->studies, &k->studies_n), 0;
    case QIDO_A_SERIES_UID:
        return list(f, ask->serieses, &k->series, &k->series_n), 0;
    case QIDO_A_SOP_INSTANCE:
        return list(f, ask->instances, &k->instances, &k->instances_n), 0;
    case QIDO_A_STUDY_DATE:
        return k->date_from = from, k->date_to = to, 0;
    case QIDO_A_STUDY_TIME:
        return k->time_from = from, k->time_to = to, 0;
    case QIDO_A_BIRTH_DATE:
        return k->birth_from = from, k->birth_to = to, 0;
    case QIDO_A_MODALITY:
    case QIDO_A_MODALITIES:
        if (k->modality != NULL)
            return err_set(err, ERR_REJECT, "query: Modality and ModalitiesInStudy together");
        return join(f, ask->modality, &k->modality, err);
    case QIDO_A_SEX:
        return join(f, ask->sex, &k->sex, err);
    case QIDO_A_BODY_PART:
        return join(f, ask->body_part, &k->body_part, err);
    case QIDO_A_SOP_CLASS:
        if (f->n_values > 1)
            break;
        return k->sop_class = text, 0;
#define TEXT(name, field)                                                                          \
    case QIDO_A_##name:                                                                            \
        return k->field = text, 0;
        TEXT(ACCESSION, accession)
        TEXT(REFERRING, referring)
        TEXT(STUDY_DESCRIPTION, study_description)
        TEXT(PATIENT_NAME, patient_name)
        TEXT(PATIENT_ID, patient_id)
        TEXT(ISSUER, issuer)
        TEXT(STUDY_ID, study_id)
        TEXT(INSTITUTION, institution)
        TEXT(STATION, station)
        TEXT(SERIES_DESCRIPTION, series_description)
        TEXT(SERIES_NUMBER, series_number)
        TEXT(INSTANCE_NUMBER, instance_number)
#undef TEXT
    default:
        break;
    }
    return err_set(err, ERR_REJECT, "query parameter %s: not matched on here",
                   f->attribute->keyword);
}

/* The path's UID also holds; false: the client asked for others only. */
static bool
narrow(const char *uid, const char *one[QIDO_VALUES], const char *const **slot, size_t *slot_n)
{
    bool is_among = *slot_n == 0;

    if (uid == NULL)
        return true;
    for (size_t i = 0; i < *slot_n; i++)
        is_among = is_among || strcmp((*slot)[i], uid) == 0;
    one[0] = uid;
    *slot = one;
    *slot_n = 1;
    return is_among;
}

int
qido_ask_catalog(const struct qido_query *q, const char *tenant, struct qido_ask *ask,
                 struct keep_query *out, bool *out_is_empty, struct err *err)
{
    struct keep_query k = {.tenant = tenant, .limit = q->limit + 1, .offset = q->offset};
    bool is_empty;

    k.level = q->level == QIDO_STUDY    ? KEEP_STUDY
              : q->level == QIDO_SERIES ? KEEP_SERIES
                                        : KEEP_INSTANCE;
    for (size_t i = 0; i < q->n_filters; i++)
        if (put_filter(q->filters[i], ask, &k, err) < 0)
            return -1;
    is_empty = q->limit == 0;
    is_empty = !narrow(ask->study, ask->studies, &k.studies, &k.studies_n) || is_empty;
    is_empty = !narrow(ask->series, ask->serieses, &k.series, &k.series_n) || is_empty;
    *out = k;
    *out_is_empty = is_empty;
    return 0;
}

/* ---- rows ---- */

static void
write_name_groups(struct jsonw *w, const char *name, size_t n)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};

    jsonw_object(w, NULL);
    for (size_t i = 0, at = 0; i < ARRAY_LEN(groups) && at <= n; i++) {
        size_t end = at;

        while (end < n && name[end] != '=')
            end++;
        if (end > at)
            jsonw_text_n(w, groups[i], name + at, end - at);
        at = end + 1;
    }
    jsonw_end(w);
}

/* Values between backslashes; an empty one in between is null. */
static void
write_texts(struct jsonw *w, const char *vr, const char *text)
{
    bool is_name = strcmp(vr, "PN") == 0;

    jsonw_array(w, "Value");
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, "\\");

        if (n == 0)
            jsonw_null(w, NULL);
        else if (is_name)
            write_name_groups(w, at, n);
        else
            jsonw_text_n(w, NULL, at, n);
        at += n;
        if (*at == '\0')
            break;
    }
    jsonw_end(w);
}

static void
write_key(struct jsonw *w, uint32_t tag, const char *vr)
{
    char key[9];

    snprintf(key, sizeof key, "%08X", (unsigned)tag);
    jsonw_object(w, key);
    jsonw_text(w, "vr", vr);
}

static void
write_number(struct jsonw *w, const struct qido_attribute *a, int64_t n, bool is_known)
{
    write_key(w, a->tag, a->vr);
    if (is_known) {
        jsonw_array(w, "Value");
        jsonw_int(w, NULL, n);
        jsonw_end(w);
    }
    jsonw_end(w);
}

const char *
qido_row_text(enum qido_name name, const struct keep_row *row)
{
    const struct dcm_facts *f = row->facts;

    switch (name) {
#define TEXT(attribute, field)                                                                     \
    case QIDO_A_##attribute:                                                                       \
        return f->field;
        TEXT(STUDY_DATE, study_date)
        TEXT(STUDY_TIME, study_time)
        TEXT(ACCESSION, accession)
        TEXT(REFERRING, referring)
        TEXT(STUDY_DESCRIPTION, study_description)
        TEXT(PATIENT_NAME, patient_name)
        TEXT(PATIENT_ID, patient_id)
        TEXT(ISSUER, issuer)
        TEXT(BIRTH_DATE, birth_date)
        TEXT(SEX, sex)
        TEXT(AGE, age)
        TEXT(STUDY_UID, study_uid)
        TEXT(STUDY_ID, study_id)
        TEXT(SERIES_DATE, series_date)
        TEXT(SERIES_TIME, series_time)
        TEXT(MODALITY, modality)
        TEXT(INSTITUTION, institution)
        TEXT(STATION, station)
        TEXT(SERIES_DESCRIPTION, series_description)
        TEXT(BODY_PART, body_part)
        TEXT(SERIES_UID, series_uid)
        TEXT(SOP_CLASS, sop_class)
        TEXT(SOP_INSTANCE, sop_instance)
        TEXT(SYNTAX, transfer_syntax)
#undef TEXT
    case QIDO_A_STUDY_AVAILABILITY:
    case QIDO_A_SERIES_AVAILABILITY:
    case QIDO_A_AVAILABILITY:
        return "ONLINE";
    case QIDO_A_MODALITIES:
        return row->modalities != NULL ? row->modalities : "";
    default:
        return NULL;
    }
}

bool
qido_row_number(enum qido_name name, const struct keep_row *row, int64_t *out)
{
    const struct dcm_facts *f = row->facts;

    switch (name) {
#define NUMBER(attribute, value, is_known)                                                         \
    case QIDO_A_##attribute:                                                                       \
        *out = (int64_t)(value);                                                                   \
        return is_known;
        NUMBER(STUDY_SERIES, row->study_series, true)
        NUMBER(STUDY_INSTANCES, row->study_instances, true)
        NUMBER(SERIES_INSTANCES, row->series_instances, true)
        NUMBER(SERIES_NUMBER, f->series_number, f->series_number != -1)
        NUMBER(INSTANCE_NUMBER, f->instance_number, f->instance_number != -1)
        NUMBER(FRAMES, f->frames, f->rows > 0)
        NUMBER(ROWS, f->rows, f->rows > 0)
        NUMBER(COLUMNS, f->cols, f->rows > 0)
        NUMBER(BITS_ALLOCATED, f->bits_allocated, f->rows > 0)
#undef NUMBER
    default:
        return false;
    }
}

static void
write_address(struct jsonw *w, const struct qido_query *q, const struct keep_row *row,
              const struct qido_attribute *a, const char *base)
{
    char url[512];
    int n = snprintf(url, sizeof url, "%s/studies/%s", base, row->facts->study_uid);

    if (q->level >= QIDO_SERIES)
        n += snprintf(url + n, sizeof url - (size_t)n, "/series/%s", row->facts->series_uid);
    if (q->level == QIDO_INSTANCE)
        snprintf(url + n, sizeof url - (size_t)n, "/instances/%s", row->facts->sop_instance);
    write_key(w, a->tag, a->vr);
    jsonw_array(w, "Value");
    jsonw_text(w, NULL, url);
    jsonw_end(w);
    jsonw_end(w);
}

static void
write_attribute(struct jsonw *w, const struct qido_query *q, const struct keep_row *row,
                const struct qido_attribute *a, const char *base)
{
    const char *text = qido_row_text(a->name, row);
    int64_t number = 0;

    if (a->tag == 0x00081190)
        write_address(w, q, row, a, base);
    else if (text == NULL) {
        bool is_known = qido_row_number(a->name, row, &number);

        if (is_known || a->name == QIDO_A_SERIES_NUMBER || a->name == QIDO_A_INSTANCE_NUMBER)
            write_number(w, a, number, is_known);
    } else if (text[0] != '\0' || a->name != QIDO_A_MODALITIES) {
        write_key(w, a->tag, a->vr);
        if (text[0] != '\0')
            write_texts(w, a->vr, text);
        jsonw_end(w);
    }
}

void
qido_row_write(const struct qido_query *q, const struct keep_row *row, const char *base,
               struct jsonw *w)
{
    const struct qido_attribute *asked[QIDO_ATTRIBUTES];
    size_t n = 0;

    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++) {
        size_t at = n;

        if (!q->is_asked[i])
            continue;
        for (; at > 0 && asked[at - 1]->tag > qido_attributes[i].tag; at--)
            asked[at] = asked[at - 1];
        asked[at] = &qido_attributes[i];
        n++;
    }
    jsonw_object(w, NULL);
    write_key(w, 0x00080005, "CS");
    jsonw_array(w, "Value");
    jsonw_text(w, NULL, "ISO_IR 192");
    jsonw_end(w);
    jsonw_end(w);
    for (size_t i = 0; i < n; i++)
        write_attribute(w, q, row, asked[i], base);
    jsonw_end(w);
}
