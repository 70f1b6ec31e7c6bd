/* worklist_query.c - a worklist identifier's keys, two sequences deep. */
#include "gateway/desk/worklist_query.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/dicom/dimse_match.h"
#include "proto/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

const struct worklist_key worklist_keys[] = {
#define KEY(sequence, inner, tag, vr, value) {sequence, inner, tag, vr, value},
#include "gateway/desk/worklist_keys.def"
};
const size_t worklist_key_count = ARRAY_LEN(worklist_keys);

enum { TAG_CHARACTER_SET = 0x00080005, DEPTH = 2 };

/* Where the walk is: the sequences it is inside of, and which item. */
struct place {
    uint32_t path[DCM_DEPTH_MAX + 1];
    unsigned items[DCM_DEPTH_MAX + 1];
};

static const struct worklist_key *
key_of(uint32_t sequence, uint32_t inner, uint32_t tag)
{
    for (size_t i = 0; i < worklist_key_count; i++)
        if (worklist_keys[i].tag == tag && worklist_keys[i].sequence == sequence &&
            worklist_keys[i].inner == inner)
            return &worklist_keys[i];
    return NULL;
}

/* A day or time that cannot be read asks for nothing: "no patients" would be believed. */
static void
pass_over_unreadable(struct worklist_query *q)
{
    for (size_t i = 0; i < q->n; i++) {
        const char *vr = key_of(q->asked[i].sequence, q->asked[i].inner, q->asked[i].tag)->vr;
        bool is_day = strcmp(vr, "DA") == 0;
        struct dimse_range range;

        if ((!is_day && strcmp(vr, "TM") != 0) || !dimse_key_asks(q->asked[i].value) ||
            dimse_range_read(q->asked[i].value, is_day, &range))
            continue;
        q->asked[i].value[0] = '\0';
        q->is_partly = true;
        q->unread = q->unread != 0 ? q->unread : q->asked[i].tag;
    }
}

static int
take_key(struct worklist_query *q, const struct place *place, const uint8_t *bytes,
         const struct dcm_element *e, struct dcm_charset *charset, struct err *err)
{
    uint32_t sequence = e->depth > 0 ? place->path[0] : 0;
    uint32_t inner = e->depth > 1 ? place->path[1] : 0;

    if ((e->tag & 0xFFFF) == 0 || (e->tag == TAG_CHARACTER_SET && e->depth == 0))
        return 0;
    for (int d = 0; d < e->depth; d++)
        if (d >= DEPTH || place->items[d] > 1)
            return 0; /* a second item, or deeper than anything we answer */
    if (key_of(sequence, inner, e->tag) == NULL) {
        q->is_partly = true;
        return 0;
    }
    if (q->n == WORKLIST_ASKED)
        return err_set(err, ERR_REJECT, "identifier of more than %d keys", WORKLIST_ASKED);
    q->asked[q->n].sequence = sequence;
    q->asked[q->n].inner = inner;
    q->asked[q->n].tag = e->tag;
    q->asked[q->n].is_sequence = e->event == DCM_SEQUENCE;
    q->asked[q->n].value =
        e->event == DCM_SEQUENCE ? mem_text("") : dimse_identifier_text(bytes, e, charset);
    q->n++;
    return 0;
}

static void
take_declared(struct worklist_query *q, const uint8_t *bytes, const struct dcm_element *e)
{
    if (e->event == DCM_ELEMENT && e->depth == 0 && e->tag == TAG_CHARACTER_SET)
        q->has_declared =
            dcm_shows_declared((const char *)bytes + e->value_at, e->value_n, &q->declared);
}

int
worklist_query_read(const uint8_t *bytes, size_t n, enum dcm_coding coding, const char *profile,
                    struct worklist_query *out, struct err *err)
{
    struct place place = {.path = {0}};
    struct dcm_charset charset;
    struct dcm_walk walk;
    struct dcm_element e;

    memset(out, 0, sizeof *out);
    dcm_charset_scan(&charset, bytes, n, coding, profile[0] != '\0' ? profile : NULL, NULL);
    dcm_walk_init(&walk, bytes, n, coding, DCM_WALK_WHOLE);
    do {
        if (dcm_walk_next(&walk, &e, err) < 0)
            goto refused;
        take_declared(out, bytes, &e);
        if (e.event == DCM_ITEM)
            place.items[e.depth]++;
        if (e.event != DCM_ELEMENT && e.event != DCM_SEQUENCE)
            continue;
        if (take_key(out, &place, bytes, &e, &charset, err) < 0)
            goto refused;
        if (e.event == DCM_SEQUENCE) {
            place.path[e.depth] = e.tag;
            place.items[e.depth] = 0;
        }
    } while (e.event != DCM_END);
    pass_over_unreadable(out);
    /* raw GBK under no name: it shows as it is sent */
    if (!out->has_declared && charset.method == DCM_TEXT_GB18030) {
        out->has_declared = true;
        out->declared = DCM_SHOWS_GBK_AS_LATIN1;
    } else if (!out->has_declared && charset.method == DCM_TEXT_UTF8) {
        out->has_declared = true;
        out->declared = DCM_SHOWS_UTF8;
    }
    return 0;
refused:
    worklist_query_fini(out);
    return -1;
}

void
worklist_query_fini(struct worklist_query *query)
{
    for (size_t i = 0; i < query->n; i++)
        free(query->asked[i].value);
    query->n = 0;
}

const char *
worklist_query_value(const struct worklist_query *query, uint32_t sequence, uint32_t tag)
{
    for (size_t i = 0; i < query->n; i++)
        if (query->asked[i].tag == tag && query->asked[i].sequence == sequence &&
            query->asked[i].inner == 0)
            return query->asked[i].value;
    return "";
}

/* The sequence was asked for, and nothing in it. */
static bool
is_asked_whole(const struct worklist_query *query, uint32_t sequence, uint32_t inner)
{
    uint32_t tag = inner != 0 ? inner : sequence, around = inner != 0 ? sequence : 0;
    bool is_there = false;

    for (size_t i = 0; i < query->n; i++) {
        if (query->asked[i].tag == tag && query->asked[i].sequence == around &&
            query->asked[i].inner == 0)
            is_there = true;
        if (query->asked[i].sequence == sequence && query->asked[i].inner == inner)
            return false;
    }
    return is_there;
}

bool
worklist_query_asks(const struct worklist_query *query, const struct worklist_key *key)
{
    for (size_t i = 0; i < query->n; i++)
        if (query->asked[i].tag == key->tag && query->asked[i].sequence == key->sequence &&
            query->asked[i].inner == key->inner)
            return true;
    if (key->inner != 0 && is_asked_whole(query, key->sequence, key->inner))
        return true;
    return key->sequence != 0 && is_asked_whole(query, key->sequence, 0);
}
