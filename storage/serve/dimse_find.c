/* dimse_find.c - C-FIND at study, series and image level (PS3.4 C.4.1).
 * The keys are asked of the catalog as QIDO-RS asks it. Matches are gathered, noted in the audit
 * log and only then sent, so that no catalog connection waits for a slow peer. */
#include "storage/serve/dimse_core.h"

#include "proto/base/limits.h"
#include "proto/dicom/dimse_answers.h"
#include "storage/serve/qido_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TAG_CHARACTER_SET = 0x00080005,
    TAG_RETRIEVE_AE = 0x00080054,
    TAG_AVAILABILITY = 0x00080056
};

struct answers {
    const struct dimse_identifier *id;
    const char *ae;
    struct dimse_answers gathered;
};

static bool
is_own_key(uint32_t tag)
{
    return tag == TAG_CHARACTER_SET || tag == TAG_RETRIEVE_LEVEL || tag == TAG_RETRIEVE_AE ||
           tag == TAG_AVAILABILITY || tag == 0x00080053 /* Query/Retrieve View */;
}

static enum qido_level
level_of(const struct dimse_identifier *id)
{
    return id->level == DIMSE_STUDY    ? QIDO_STUDY
           : id->level == DIMSE_SERIES ? QIDO_SERIES
                                       : QIDO_INSTANCE;
}

static const struct qido_attribute *
attribute_of(uint32_t tag, enum qido_level level)
{
    char name[9];

    snprintf(name, sizeof name, "%08X", (unsigned)tag);
    return qido_attribute_find(name, 8, level);
}

/* The identifier's keys as the parameters of a query. out_is_partly: some have values that nothing
 * here can be matched on. */
static size_t
to_parameters(const struct dimse_identifier *id, struct qido_parameter *out, bool *out_is_partly)
{
    size_t n = 0;

    *out_is_partly = false;
    for (size_t i = 0; i < id->n; i++) {
        const struct dimse_key *key = &id->keys[i];
        const struct qido_attribute *a = attribute_of(key->tag, level_of(id));
        bool has_value = key->value[strspn(key->value, "*")] != '\0';

        if (is_own_key(key->tag) || (key->tag & 0xFFFF) == 0)
            continue;
        if (a == NULL || a->match == QIDO_UNMATCHED || key->is_sequence)
            *out_is_partly = *out_is_partly || has_value || key->is_sequence;
        else
            out[n++] = (struct qido_parameter){a->keyword, key->value};
    }
    return n;
}

struct answer_element {
    uint32_t tag;
    const char *vr, *text; /* text NULL: it is a number */
    char number[24];       /* "" = not known */
};

static int
by_tag(const void *a, const void *b)
{
    uint32_t x = ((const struct answer_element *)a)->tag,
             y = ((const struct answer_element *)b)->tag;

    return x < y ? -1 : x > y;
}

static size_t
collect(const struct answers *answers, const struct keep_row *row,
        struct answer_element out[DIMSE_KEYS + 8])
{
    static const char *const levels[] = {"STUDY", "SERIES", "IMAGE"};
    const struct dimse_identifier *id = answers->id;
    size_t n = 0;

    out[n++] = (struct answer_element){TAG_CHARACTER_SET, "CS", "ISO_IR 192", ""};
    out[n++] = (struct answer_element){TAG_RETRIEVE_LEVEL, "CS", levels[id->level], ""};
    out[n++] = (struct answer_element){TAG_RETRIEVE_AE, "AE", answers->ae, ""};
    out[n++] = (struct answer_element){TAG_AVAILABILITY, "CS", "ONLINE", ""};
    out[n++] = (struct answer_element){TAG_STUDY_UID, "UI", row->facts->study_uid, ""};
    if (id->level >= DIMSE_SERIES)
        out[n++] = (struct answer_element){TAG_SERIES_UID, "UI", row->facts->series_uid, ""};
    if (id->level == DIMSE_IMAGE)
        out[n++] = (struct answer_element){TAG_SOP_INSTANCE, "UI", row->facts->sop_instance, ""};
    for (size_t i = 0, own = n; i < id->n; i++) {
        const struct qido_attribute *a = attribute_of(id->keys[i].tag, level_of(id));
        bool is_there = a == NULL || is_own_key(a->tag) || strcmp(a->vr, "UR") == 0;
        int64_t number = 0;

        for (size_t k = 0; k < own && !is_there; k++)
            is_there = out[k].tag == a->tag;
        if (is_there)
            continue;
        struct answer_element *e = &out[n++];
        *e = (struct answer_element){a->tag, a->vr, qido_row_text(a->name, row), ""};
        if (e->text != NULL)
            continue;
        if (qido_row_number(a->name, row, &number))
            snprintf(e->number, sizeof e->number, "%lld", (long long)number);
    }
    return n;
}

/* One match as a data set. US values are the only binary ones of the table. */
static int
add_answer(void *user, const struct keep_row *row)
{
    struct answers *answers = user;
    struct answer_element elements[DIMSE_KEYS + 8];
    size_t n = collect(answers, row, elements);
    struct dcm_writer w;

    qsort(elements, n, sizeof elements[0], by_tag);
    dimse_answers_begin(&answers->gathered, &w);
    for (size_t i = 0; i < n; i++) {
        const struct answer_element *e = &elements[i];
        if (i > 0 && e->tag == elements[i - 1].tag)
            continue;
        if (e->text == NULL && strcmp(e->vr, "US") == 0 && e->number[0] != '\0')
            dcm_write_u16(&w, e->tag, (uint16_t)strtoul(e->number, NULL, 10));
        else
            dcm_write_text(&w, e->tag, e->vr, e->text != NULL ? e->text : e->number);
    }
    return dimse_answers_end(&answers->gathered) ? 0 : 1;
}

/* Ask the catalog. errors ERR_REJECT the keys, ERR_RETRY the catalog */
static int
search(struct dimse_talk *t, const struct dimse_identifier *id, struct answers *answers,
       bool *out_is_partly, struct err *err)
{
    struct qido_parameter *parameters = mem_new(DIMSE_KEYS * sizeof *parameters);
    struct qido_query query;
    struct qido_ask *ask = mem_new(sizeof *ask);
    struct keep_query k;
    bool is_empty = false;
    size_t n = to_parameters(id, parameters, out_is_partly);
    int rc = -1;

    if (qido_query_read(level_of(id), false, false, parameters, n, &query, err) < 0)
        goto out;
    rc = qido_ask_catalog(&query, t->caller.tenant, ask, &k, &is_empty, err);
    k.limit = LIMIT_QUERY_RESULTS;
    if (rc == 0 && !is_empty)
        rc = keep_find(t->s->options.keep, &k, add_answer, answers, err);
    qido_query_fini(&query);
out:
    free(ask);
    free(parameters);
    return rc;
}

static int
note_search(struct dimse_talk *t, const struct dimse_identifier *id, uint64_t matches,
            struct err *err)
{
    static const char *const levels[] = {"study", "series", "image"};
    const char *patient = dimse_identifier_value(id, TAG_PATIENT_ID);
    const char *study = dimse_identifier_value(id, TAG_STUDY_UID);
    struct audit_field fields[] = {
        A_WORD("tenant", t->caller.tenant),
        A_WORD("by", dimse_peer(t->assoc)->calling),
        A_WORD("way", "C-FIND"),
        A_WORD("level", levels[id->level]),
        A_NUMBER("matches", matches),
        A_WORD("peer", dimse_peer(t->assoc)->address),
        {AUDIT_FIELD_END, 0, 0, 0, 0, 0},
        {AUDIT_FIELD_END, 0, 0, 0, 0, 0},
        {AUDIT_FIELD_END, 0, 0, 0, 0, 0},
    };
    size_t n = ARRAY_LEN(fields) - 3;

    if (t->s->options.audit == NULL)
        return 0;
    if (study[0] != '\0' && strchr(study, '\\') == NULL)
        fields[n++] = A_UID("study", study);
    if (patient[0] != '\0' && strpbrk(patient, "*?") == NULL)
        fields[n++] = A_PATIENT("patient", "", patient);
    return audit_append_fields(t->s->options.audit, AUDIT_QUERIED, fields, err);
}

static int
find(struct dimse_talk *t, const struct dimse_command *rq, const struct dimse_identifier *id,
     struct err *err)
{
    struct answers answers = {.id = id, .ae = t->s->ae};
    struct dimse_answers *gathered = &answers.gathered;
    struct err why = {0};
    bool is_partly = false, is_cancelled = false;
    uint64_t sent = 0;
    int rc;

    dimse_answers_init(gathered, dimse_coding(t->assoc, rq->context));
    if (search(t, id, &answers, &is_partly, &why) < 0 ||
        note_search(t, id, gathered->count, &why) < 0) {
        rc = dimse_say_error(t, rq, &why, err);
        goto out;
    }
    if (dimse_answers_is_over(gathered)) { /* too much to say any of it */
        rc = dimse_say(t, rq, DIMSE_OUT_OF_RESOURCES, "Too many matches; ask more closely.", err);
        goto out;
    }
    bool is_cut = gathered->count >= LIMIT_QUERY_RESULTS;
    rc =
        dimse_answers_send(t->assoc, rq, gathered, is_partly ? DIMSE_PENDING_PARTLY : DIMSE_PENDING,
                           &sent, &is_cancelled, err);
    t->found += sent;
    if (rc == 0)
        rc = dimse_say(t, rq,
                       is_cancelled ? DIMSE_CANCELLED
                       : is_cut     ? DIMSE_OUT_OF_RESOURCES
                                    : DIMSE_SUCCESS,
                       is_cut && !is_cancelled ? "Too many matches; ask more closely." : NULL, err);
out:
    dimse_answers_fini(gathered);
    return rc;
}

int
dimse_serve_find(struct dimse_talk *t, const struct dimse_command *rq, struct err *err)
{
    struct dimse_identifier id;
    struct err why = {0};
    uint16_t status;
    int rc;

    if (dimse_identifier_take(t->assoc, rq, &id, &status, &why, err) < 0)
        return -1;
    if (status != DIMSE_SUCCESS) {
        dimse_log_failed(t, rq, &why);
        return dimse_say(t, rq, status, "The identifier is not of this SOP class.", err);
    }
    rc = find(t, rq, &id, err);
    dimse_identifier_fini(&id);
    return rc;
}
