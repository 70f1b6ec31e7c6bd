/* find.c - C-FIND over what is here (PS3.4 C.4.1): study root and patient root, levels STUDY,
 * SERIES, IMAGE. Matches are gathered under the index's lock and sent without it. */
#include "gateway/serve/index.h"
#include "gateway/serve/parts.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_answers.h"
#include "proto/dicom/dimse_match.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

enum {
    TAG_CHARACTER_SET = 0x00080005,
    TAG_RETRIEVE_AE = 0x00080054,
    TAG_AVAILABILITY = 0x00080056
};

/* A key that something is matched on. */
struct wanted {
    const struct attribute *attribute;
    const char *value;
    struct dimse_range range;
};

struct search {
    struct serve *s;
    const struct dimse_identifier *id;
    const char *ae;
    struct wanted wanted[ATTRIBUTES];
    size_t wanted_n;
    bool is_asked[ATTRIBUTES]; /* to be returned */
    bool is_partly;            /* a key that nothing here can be matched on */
    struct dimse_answers answers;
};

static bool
is_own_key(uint32_t tag)
{
    return tag == TAG_CHARACTER_SET || tag == TAG_RETRIEVE_LEVEL || tag == TAG_RETRIEVE_AE ||
           tag == TAG_AVAILABILITY || tag == 0x00080053 /* Query/Retrieve View */ ||
           (tag & 0xFFFF) == 0;
}

static const struct attribute *
find_attribute(uint32_t tag, enum dimse_level level)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (attributes[i].tag == tag && attributes[i].level <= level)
            return &attributes[i];
    return NULL;
}

static int
take_key(struct search *x, const struct dimse_key *key, struct err *err)
{
    const struct attribute *a = find_attribute(key->tag, x->id->level);
    bool has_value = dimse_key_asks(key->value);
    struct wanted w = {.attribute = a, .value = key->value};

    if (is_own_key(key->tag))
        return 0;
    if (a == NULL || a->match == MATCH_NOT || key->is_sequence)
        x->is_partly = x->is_partly || has_value;
    if (a == NULL || key->is_sequence)
        return 0;
    x->is_asked[a->name] = true;
    if (!has_value || a->match == MATCH_NOT)
        return 0;
    if ((a->match == MATCH_DAY || a->match == MATCH_TIME) &&
        !dimse_range_read(key->value, a->match == MATCH_DAY, &w.range))
        return err_set(err, ERR_REJECT, "key %08X is neither a value nor a range",
                       (unsigned)key->tag);
    if (x->wanted_n == ATTRIBUTES)
        return err_set(err, ERR_REJECT, "a key is there twice");
    x->wanted[x->wanted_n++] = w;
    return 0;
}

/* The device's own way with texts, as its row says; the old labels mean the sets they stand for. */
static const char *
profile_of(const char *ae, const char *address, void *user)
{
    struct serve *s = user;
    struct accept_device d;

    if (!accept_find_device(s->options.accept, ae, address, &d))
        return NULL;
    if (strcmp(d.charset, "GB18030") == 0 || strcmp(d.charset, "GBK-AS-IR100") == 0)
        return "GB18030";
    return strcmp(d.charset, "ISO_IR 192") == 0 ? "ISO_IR 192" : NULL;
}

static const char *
text_of(struct search *x, size_t at, const struct attribute *a, char room[256])
{
    return index_text(x->s->index, x->s->options.spool, at, a, profile_of, x->s, room);
}

/* One of the study's modalities is one of those asked for. */
static bool
has_modality(const char *key, const char *modalities)
{
    for (const char *at = modalities;; at++) {
        char one[17] = "";
        size_t n = strcspn(at, "\\");

        if (n < sizeof one) {
            memcpy(one, at, n);
            if (dimse_match_list(key, one))
                return true;
        }
        at += n;
        if (*at == 0)
            return false;
    }
}

static bool
is_same_number(const char *key, const char *value)
{
    return value[0] != 0 && strtoll(key, NULL, 10) == strtoll(value, NULL, 10);
}

static bool
is_match(const struct wanted *w, const char *value)
{
    switch (w->attribute->match) {
    case MATCH_TEXT:
        return dimse_match_text(w->value, value);
    case MATCH_NAME:
        return dimse_match_name(w->value, value);
    case MATCH_LIST: /* codes may be asked for with wild cards, too */
        return dimse_match_list(w->value, value) || dimse_match_text(w->value, value);
    case MATCH_DAY:
        return dimse_range_holds(&w->range, true, value);
    case MATCH_TIME:
        return dimse_range_holds(&w->range, false, value);
    case MATCH_NUMBER:
        return is_same_number(w->value, value);
    case MATCH_MODALITIES:
        return has_modality(w->value, value);
    case MATCH_NOT:
        break;
    }
    return true;
}

/* Do the keys of one level match what begins at this item? */
static bool
matches(struct search *x, size_t at, enum dimse_level level)
{
    char room[256];

    for (size_t i = 0; i < x->wanted_n; i++)
        if (x->wanted[i].attribute->level == level &&
            !is_match(&x->wanted[i], text_of(x, at, x->wanted[i].attribute, room)))
            return false;
    return true;
}

static void
write_attribute(struct search *x, struct dcm_writer *w, size_t at, const struct attribute *a)
{
    char room[256];
    const char *text = text_of(x, at, a, room);

    if (strcmp(a->vr, "US") == 0 && text[0] != 0)
        dcm_write_u16(w, a->tag, (uint16_t)strtoul(text, NULL, 10));
    else
        dcm_write_text(w, a->tag, a->vr, text);
}

static bool
is_unique_key(const struct attribute *a, enum dimse_level level)
{
    return a->name == ATTRIBUTE_STUDY_UID ||
           (a->name == ATTRIBUTE_SERIES_UID && level >= DIMSE_SERIES) ||
           (a->name == ATTRIBUTE_SOP_INSTANCE && level == DIMSE_IMAGE);
}

/* Attributes in ascending order of their tags; ours among them. */
static bool
add_answer(struct search *x, size_t at, bool is_all)
{
    static const char *const levels[] = {"STUDY", "SERIES", "IMAGE"};
    struct dcm_writer w;
    uint32_t last = 0;

    dimse_answers_begin(&x->answers, &w);
    for (;;) {
        const struct attribute *next = NULL;
        uint32_t own = last < TAG_CHARACTER_SET    ? TAG_CHARACTER_SET
                       : last < TAG_RETRIEVE_LEVEL ? TAG_RETRIEVE_LEVEL
                       : last < TAG_RETRIEVE_AE    ? TAG_RETRIEVE_AE
                       : last < TAG_AVAILABILITY   ? TAG_AVAILABILITY
                                                   : UINT32_MAX;

        for (size_t i = 0; i < ATTRIBUTES; i++)
            if ((x->is_asked[i] || is_unique_key(&attributes[i], x->id->level)) &&
                attributes[i].tag > last && (next == NULL || attributes[i].tag < next->tag))
                next = &attributes[i];
        if (next == NULL && own == UINT32_MAX)
            break;
        last = next != NULL && next->tag < own ? next->tag : own;
        if (next != NULL && next->tag == last)
            write_attribute(x, &w, at, next);
        else if (own == TAG_CHARACTER_SET)
            dcm_write_text(&w, own, "CS", "ISO_IR 192");
        else if (own == TAG_RETRIEVE_LEVEL)
            dcm_write_text(&w, own, "CS", levels[x->id->level]);
        else if (own == TAG_RETRIEVE_AE)
            dcm_write_text(&w, own, "AE", x->ae);
        else
            dcm_write_text(&w, own, "CS", is_all ? "ONLINE" : "NEARLINE");
    }
    return dimse_answers_end(&x->answers);
}

/* Locked. Walk down the levels; what does not match above is not looked into below. */
static void
walk(struct search *x)
{
    struct index *index = x->s->index;
    bool is_all;

    for (size_t at = 0, end; at < index->n && x->answers.count < LIMIT_QUERY_RESULTS;) {
        enum dimse_level level = x->id->level;

        if (index->items[at].study_n > 0 && !matches(x, at, DIMSE_STUDY)) {
            at = index_next(index, at, DIMSE_STUDY);
            continue;
        }
        end = index_next(index, at, level);
        if (level >= DIMSE_SERIES && index->items[at].series_n > 0 &&
            !matches(x, at, DIMSE_SERIES)) {
            at = index_next(index, at, DIMSE_SERIES);
            continue;
        }
        if ((level < DIMSE_IMAGE || matches(x, at, DIMSE_IMAGE)) &&
            index_is_here(index, at, level, &is_all) && !add_answer(x, at, is_all))
            return;
        at = end;
    }
}

static int
search(struct search *x, struct err *err)
{
    for (size_t i = 0; i < x->id->n; i++)
        if (take_key(x, &x->id->keys[i], err) < 0)
            return -1;
    gate_lock(&x->s->index_gate);
    index_refresh(x->s->index, x->s->options.spool);
    walk(x);
    gate_unlock(&x->s->index_gate);
    return 0;
}

static int
answer(struct search *x, struct accept_call *call, struct err *err)
{
    const char *too_many = "Too many matches; ask more closely.";
    bool is_cancelled = false, is_cut;
    struct err why = {0};
    uint64_t sent = 0;

    if (search(x, &why) < 0) {
        serve_log_failed(call, &why);
        return serve_say(call, DIMSE_CLASS_DIFFERS, "A key is not of its value representation.",
                         err);
    }
    if (dimse_answers_is_over(&x->answers))
        return serve_say(call, DIMSE_OUT_OF_RESOURCES, too_many, err);
    is_cut = x->answers.count >= LIMIT_QUERY_RESULTS;
    if (dimse_answers_send(call->assoc, call->request, &x->answers,
                           x->is_partly ? DIMSE_PENDING_PARTLY : DIMSE_PENDING, &sent,
                           &is_cancelled, err) < 0)
        return -1;
    LOG(call->log, SERVE_FOUND, F_NUMBER("level", x->id->level), F_NUMBER("matches", sent));
    return serve_say(call,
                     is_cancelled ? DIMSE_CANCELLED
                     : is_cut     ? DIMSE_OUT_OF_RESOURCES
                                  : DIMSE_SUCCESS,
                     is_cut && !is_cancelled ? too_many : NULL, err);
}

int
serve_find(struct serve *s, struct accept_call *call, struct err *err)
{
    struct search *x = NULL;
    struct dimse_identifier id;
    struct err why = {0};
    uint16_t status;
    int rc;

    if (dimse_identifier_take(call->assoc, call->request, &id, &status, &why, err) < 0)
        return -1;
    if (status != DIMSE_SUCCESS) {
        serve_log_failed(call, &why);
        return serve_say(call, status, "The identifier is not of this SOP class.", err);
    }
    x = mem_new(sizeof *x);
    x->s = s;
    x->id = &id;
    x->ae = dimse_peer(call->assoc)->called;
    dimse_answers_init(&x->answers, dimse_coding(call->assoc, call->request->context));
    rc = answer(x, call, err);
    dimse_answers_fini(&x->answers);
    free(x);
    dimse_identifier_fini(&id);
    return rc;
}
