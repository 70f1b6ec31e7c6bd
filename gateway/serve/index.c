/* index.c - what is here, for queries. */
#include "gateway/serve/index.h"

#include "gateway/spool/spool.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

enum { PREFIX_BYTES = 256 * 1024, TEXTS_BYTES = 64 * 1024 };

const struct attribute attributes[ATTRIBUTES] = {
#define TEXT(name, tag, vr, level, match, field) {ATTRIBUTE_##name, tag, vr, level, match},
#define NUMBER(name, tag, vr, level, match, field) {ATTRIBUTE_##name, tag, vr, level, match},
#define OWN(name, tag, vr, level, match) {ATTRIBUTE_##name, tag, vr, level, match},
#include "gateway/serve/attributes.def"
#undef TEXT
#undef NUMBER
#undef OWN
};

static void
items_free(struct index_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_LEN(items[i].texts); k++)
            free(items[i].texts[k]);
    free(items);
}

void
index_free(struct index **index)
{
    struct index *x = TAKE(*index);

    if (x == NULL)
        return;
    items_free(x->items, x->n);
    free(x);
}

static int
by_uids(const void *a, const void *b)
{
    const struct index_item *x = a, *y = b;
    int order = strcmp(x->study, y->study);

    if (order == 0)
        order = strcmp(x->series, y->series);
    return order != 0 ? order : strcmp(x->sop_instance, y->sop_instance);
}

/* Those that may be shown: looked into, not put aside or thrown away, not twins. */
static bool
take_entry(struct index_item *item, const struct spool_entry *entry)
{
    if (!entry->is_inspected || entry->state == INSTANCE_RECEIVED ||
        (INSTANCE_BIT(entry->state) & INSTANCE_UNLISTED) != 0)
        return false;
    *item = (struct index_item){.entry = entry->id, .has_bytes = entry->has_bytes};
    text_copy(item->study, sizeof item->study, entry->facts.study_uid);
    text_copy(item->series, sizeof item->series, entry->facts.series_uid);
    text_copy(item->sop_instance, sizeof item->sop_instance, entry->meta.sop_instance);
    text_copy(item->sop_class, sizeof item->sop_class, entry->meta.sop_class);
    text_copy(item->transfer_syntax, sizeof item->transfer_syntax, entry->meta.transfer_syntax);
    text_copy(item->modality, sizeof item->modality, entry->facts.modality);
    return item->study[0] != 0;
}

/* How many items each study and series has, at its first one. */
static void
count_items(struct index_item *items, size_t n)
{
    for (size_t i = 0, study = 0, series = 0; i < n; i++) {
        if (strcmp(items[i].study, items[study].study) != 0)
            study = series = i;
        else if (strcmp(items[i].series, items[series].series) != 0)
            series = i;
        items[study].study_n++;
        items[series].series_n++;
    }
}

/* What was read of a file stays as long as the same entry begins the study or series. */
static void
carry_texts(struct index *from, struct index_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct index_item *old =
            from->n == 0 ? NULL
                         : bsearch(&items[i], from->items, from->n, sizeof items[i], by_uids);
        for (size_t k = 0; old != NULL && old->entry == items[i].entry && k < 3; k++)
            items[i].texts[k] = TAKE(old->texts[k]);
    }
}

void
index_refresh(struct index *index, struct spool *spool)
{
    uint64_t change = spool_wait(spool, UINT64_MAX, 0), *ids = NULL;
    struct spool_filter all = {.states = 0};
    struct index_item *items;
    size_t ids_n = 0, n = 0;

    if (change == index->change)
        return;
    spool_list(spool, &all, &ids, &ids_n);
    items = mem_new((ids_n + 1) * sizeof *items);
    for (size_t i = 0; i < ids_n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_load(spool, ids[i], &entry, &err) < 0)
            continue; /* forgotten since the list was made */
        n += take_entry(&items[n], entry);
        spool_entry_free(&entry);
    }
    free(ids);
    qsort(items, n, sizeof *items, by_uids);
    count_items(items, n);
    carry_texts(index, items, n);
    items_free(index->items, index->n);
    *index = (struct index){.change = change, .items = items, .n = n};
}

size_t
index_next(const struct index *index, size_t at, enum dimse_level level)
{
    return at + (level == DIMSE_STUDY    ? index->items[at].study_n
                 : level == DIMSE_SERIES ? index->items[at].series_n
                                         : 1);
}

bool
index_is_here(const struct index *index, size_t at, enum dimse_level level, bool *out_is_all)
{
    size_t end = index_next(index, at, level), here = 0;

    for (size_t i = at; i < end; i++)
        here += index->items[i].has_bytes;
    *out_is_all = here == end - at;
    return here > 0;
}

/* The facts of one entry's file, from its beginning. */
static int
read_facts(struct spool *spool, uint64_t id, const char *profile, struct dcm_facts *out,
           struct err *err)
{
    uint8_t *head = NULL;
    bool is_all;
    size_t n;
    int rc;

    if (spool_read_received(spool, id, PREFIX_BYTES, &head, &n, &is_all, err) < 0)
        return -1;
    rc = dcm_facts_read_as(head, n, !is_all, profile, out, err);
    free(head);
    return rc;
}

static void
add_number(struct buf *out, int64_t value, int64_t unknown)
{
    if (value != unknown)
        buf_add_printf(out, "%lld", (long long)value);
    buf_add_u8(out, 0);
}

/* The texts of one level, one behind the other, each with its zero. */
static char *
pick(const struct dcm_facts *facts, enum dimse_level wanted)
{
    struct buf out;
    size_t n;

    buf_init(&out, TEXTS_BYTES);
#define TEXT(name, tag, vr, level, match, field)                                                   \
    if ((level) == wanted)                                                                         \
        buf_add(&out, facts->field, strlen(facts->field) + 1);
#define NUMBER(name, tag, vr, level, match, field)                                                 \
    if ((level) == wanted)                                                                         \
        add_number(&out, facts->field, -1);
#define OWN(name, tag, vr, level, match)                                                           \
    if ((level) == wanted)                                                                         \
        buf_add_u8(&out, 0);
#include "gateway/serve/attributes.def"
#undef TEXT
#undef NUMBER
#undef OWN
    CHECK(!buf_is_over(&out)); /* the facts' fields are short */
    return (char *)buf_take(&out, &n);
}

/* The item whose file is read for a level: the first that has its bytes. */
static const struct index_item *
source_of(const struct index *index, size_t first, enum dimse_level level)
{
    size_t end = index_next(index, first, level);

    for (size_t i = first; i < end; i++)
        if (index->items[i].has_bytes)
            return &index->items[i];
    return &index->items[first];
}

/* Once a level and item, also when it fails: then nothing is known but the UIDs. */
static void
fill(struct index *index, struct spool *spool, size_t first, enum dimse_level level,
     index_profile profile_of, void *user)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    const struct index_item *source = source_of(index, first, level);
    struct spool_entry *entry = NULL;
    struct err err = {0};
    const char *profile = NULL;

    if (spool_load(spool, source->entry, &entry, &err) == 0 && profile_of != NULL)
        profile = profile_of(entry->meta.calling_ae, entry->meta.peer, user);
    if (entry == NULL || read_facts(spool, source->entry, profile, facts, &err) < 0) {
        struct log_ctx ctx = {.stage = "gateway/serve", .entry = source->entry};
        LOG(&ctx, SERVE_UNREADABLE, F_ERR(&err));
        memset(facts, 0, sizeof *facts);
        facts->series_number = facts->instance_number = -1;
    }
    index->items[first].texts[level] = pick(facts, level);
    spool_entry_free(&entry);
    free(facts);
}

/* The first item of the study or series that this one is of. */
static size_t
first_of(const struct index *index, size_t at, enum dimse_level level)
{
    if (level == DIMSE_STUDY)
        while (index->items[at].study_n == 0)
            at--;
    else if (level == DIMSE_SERIES)
        while (index->items[at].series_n == 0)
            at--;
    return at;
}

/* Modalities of a study, each once, between backslashes. */
static void
join_modalities(const struct index *index, size_t first, char room[256])
{
    size_t used = 0;

    room[0] = 0;
    for (size_t i = first; i < index_next(index, first, DIMSE_STUDY); i++) {
        const char *one = index->items[i].modality;
        bool is_there = one[0] == 0;

        for (size_t k = first; k < i && !is_there; k++)
            is_there = strcmp(index->items[k].modality, one) == 0;
        if (is_there || used + strlen(one) + 2 > 256)
            continue;
        used += (size_t)snprintf(room + used, 256 - used, "%s%s", used > 0 ? "\\" : "", one);
    }
}

static void
count_series(const struct index *index, size_t first, char room[256])
{
    size_t n = 0, end = index_next(index, first, DIMSE_STUDY);

    for (size_t i = first; i < end; i = index_next(index, i, DIMSE_SERIES))
        n++;
    snprintf(room, 256, "%zu", n);
}

const char *
index_text(struct index *index, struct spool *spool, size_t at, const struct attribute *attribute,
           index_profile profile_of, void *user, char room[256])
{
    size_t first = first_of(index, at, attribute->level);
    const struct index_item *item = &index->items[first];
    const char *text;

    switch (attribute->name) {
    case ATTRIBUTE_STUDY_UID:
        return item->study;
    case ATTRIBUTE_SERIES_UID:
        return item->series;
    case ATTRIBUTE_SOP_INSTANCE:
        return item->sop_instance;
    case ATTRIBUTE_SOP_CLASS:
        return item->sop_class;
    case ATTRIBUTE_MODALITY:
        return item->modality;
    case ATTRIBUTE_MODALITIES:
        join_modalities(index, first, room);
        return room;
    case ATTRIBUTE_STUDY_SERIES:
        count_series(index, first, room);
        return room;
    case ATTRIBUTE_STUDY_INSTANCES:
    case ATTRIBUTE_SERIES_INSTANCES:
        snprintf(room, 256, "%zu", index_next(index, first, attribute->level) - first);
        return room;
    default:
        break;
    }
    if (item->texts[attribute->level] == NULL)
        fill(index, spool, first, attribute->level, profile_of, user);
    text = item->texts[attribute->level];
    for (size_t i = 0; i < attribute->name; i++)
        if (attributes[i].level == attribute->level)
            text += strlen(text) + 1;
    return text;
}
