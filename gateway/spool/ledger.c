/* ledger.c - entries by id, studies by UID, instances by SOP UID, texts shared. */
#include "gateway/spool/ledger.h"

#include "proto/base/clock.h"

#include <stdlib.h>
#include <string.h>

#define WORD_CHAINS 65536u

struct word {
    struct word *next;
    struct entry *instances; /* whose SOP instance this is */
    struct study *study;     /* whose UID this is */
    uint32_t hash;
    char text[];
};

static uint32_t
hash_text(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

static struct word *
word_find(struct ledger *l, const char *text, bool is_made)
{
    uint32_t h = hash_text(text);
    struct word **chain = &l->words[h % WORD_CHAINS];
    struct word *w;
    size_t n;

    for (w = *chain; w != NULL; w = w->next)
        if (w->hash == h && strcmp(w->text, text) == 0)
            return w;
    if (!is_made)
        return NULL;
    n = strlen(text) + 1;
    w = mem_new(sizeof *w + n);
    memcpy(w->text, text, n);
    w->hash = h;
    w->next = *chain;
    *chain = w;
    return w;
}

void
ledger_init(struct ledger *l)
{
    *l = (struct ledger){.words = mem_new(WORD_CHAINS * sizeof *l->words), .next_id = 1};
}

void
ledger_fini(struct ledger *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->entries[i]);
    for (size_t i = 0; i < l->studies_n; i++)
        free(l->studies[i]);
    for (size_t i = 0; l->words != NULL && i < WORD_CHAINS; i++)
        while (l->words[i] != NULL) {
            struct word *w = l->words[i];

            l->words[i] = w->next;
            free(w);
        }
    free(l->entries);
    free(l->studies);
    free(l->numbers);
    free(l->words);
    *l = (struct ledger){0};
}

const char *
ledger_word(struct ledger *l, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return "";
    return word_find(l, text, true)->text;
}

void
ledger_record_init(struct record *r)
{
    *r = (struct record){0};
    r->sop_class = r->sop_instance = r->transfer_syntax = "";
    r->calling_ae = r->called_ae = r->peer = "";
    r->study_uid = r->series_uid = r->modality = "";
    r->study_date = r->study_time = r->body_part = r->station = "";
    r->why_not_coded = r->last_error = r->quarantine = "";
    r->discard_reason = r->discarded_by = "";
}

void
ledger_record_receive(struct ledger *l, const struct segment_record *s, uint64_t segment,
                      struct record *out)
{
    ledger_record_init(out);
    out->id = s->id;
    out->state = INSTANCE_RECEIVED;
    out->at_us[INSTANCE_RECEIVED] = s->at_us;
    out->received =
        (struct place){.segment = segment, .offset = s->offset, .object_size = s->object_size};
    memcpy(out->received.sha256, s->sha256, 32);
    out->sop_class = ledger_word(l, s->meta.sop_class);
    out->sop_instance = ledger_word(l, s->meta.sop_instance);
    out->transfer_syntax = ledger_word(l, s->meta.transfer_syntax);
    out->calling_ae = ledger_word(l, s->meta.calling_ae);
    out->called_ae = ledger_word(l, s->meta.called_ae);
    out->peer = ledger_word(l, s->meta.peer);
    out->quarantine = ledger_word(l, s->meta.quarantine);
    if (s->meta.quarantine[0] != '\0') {
        out->state = INSTANCE_QUARANTINED;
        out->last_error = out->quarantine;
        out->at_us[INSTANCE_QUARANTINED] = s->at_us;
    }
}

/* The first index whose id is not less. */
static size_t
lower_bound(const struct ledger *l, uint64_t id)
{
    size_t from = 0, to = l->n;

    if (l->n > 0 && l->entries[l->n - 1]->r.id < id)
        return l->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (l->entries[middle]->r.id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct entry *
ledger_find(const struct ledger *l, uint64_t id)
{
    size_t i = lower_bound(l, id);

    return i < l->n && l->entries[i]->r.id == id ? l->entries[i] : NULL;
}

static struct entry *
insert_entry(struct ledger *l, uint64_t id)
{
    size_t i = lower_bound(l, id);

    if (l->n == l->room) {
        l->room = l->room * 2 + 256;
        l->entries = mem_grow(l->entries, l->room * sizeof(struct entry *));
    }
    memmove(l->entries + i + 1, l->entries + i, (l->n - i) * sizeof(struct entry *));
    l->n++;
    return l->entries[i] = mem_new(sizeof(struct entry));
}

static void
link_instance(struct ledger *l, struct entry *e)
{
    struct word *w;

    if (e->r.sop_instance[0] == '\0')
        return;
    w = word_find(l, e->r.sop_instance, true);
    e->next_twin = w->instances;
    w->instances = e;
}

static void
unlink_instance(struct ledger *l, struct entry *e)
{
    struct word *w = word_find(l, e->r.sop_instance, false);
    struct entry **at;

    if (w == NULL || e->r.sop_instance[0] == '\0')
        return;
    for (at = &w->instances; *at != NULL; at = &(*at)->next_twin)
        if (*at == e) {
            *at = e->next_twin;
            break;
        }
    e->next_twin = NULL;
}

/* How much of it goes, or has gone, to the centre. */
static void
count_bytes(struct study *s, const struct record *r, uint64_t one)
{
    uint64_t received = r->received.object_size;
    uint64_t size = r->coded.object_size > 0 ? r->coded.object_size : received;

    switch (r->state) {
    case INSTANCE_RECEIVED:
    case INSTANCE_INSPECTED:
        s->bytes_unready += one * received;
        return;
    case INSTANCE_QUARANTINED:
    case INSTANCE_DUPLICATE:
    case INSTANCE_DISCARDED:
        return;
    case INSTANCE_HELD:
    case INSTANCE_SEALED:
        s->bytes_held += one * size;
        break;
    default:
        break;
    }
    s->bytes_ready += one * size;
    s->bytes_before += one * received;
}

/* Thrown away, it is none of its study's entries, and still on the study's list. */
static void
count_leaving(struct ledger *l, const struct record *r, uint64_t one)
{
    struct study *s;

    if (!record_is_on_list(r) || !record_is_off(r) || r->study_uid[0] == '\0')
        return;
    s = ledger_study_make(l, r->study_uid);
    if (r->state == INSTANCE_QUARANTINED)
        s->aside += one;
    else
        s->leaving += one;
}

/* Add (sign 1) or take away (-1) an entry's share in the counts. */
static void
count(struct ledger *l, struct entry *e, int sign)
{
    struct study *s = e->study;
    uint64_t one = (uint64_t)(int64_t)sign;

    l->counts[e->r.state] += one;
    l->paused += e->r.is_paused ? one : 0;
    l->lost += e->r.is_lost && !e->r.is_gone ? one : 0;
    count_leaving(l, &e->r, one);
    if (s == NULL)
        return;
    s->counts[e->r.state] += one;
    s->total += one;
    s->bytes += one * e->r.received.object_size;
    count_bytes(s, &e->r, one);
    s->paused += e->r.is_paused ? one : 0;
    s->lost += e->r.is_lost && !e->r.is_gone ? one : 0;
    s->lost_mark += e->r.is_lost && !e->r.is_gone ? one * e->r.id : 0;
    s->gone += e->r.is_gone ? one : 0;
    if (record_is_unlisted(&e->r))
        s->unlisted += one;
}

static void
join_study(struct ledger *l, struct entry *e)
{
    struct study *s = ledger_study_make(l, e->r.study_uid);
    int64_t at = e->r.at_us[INSTANCE_RECEIVED];

    if (s->total == 0) {
        s->first = e->r;
        s->calling_ae = e->r.calling_ae;
        s->first_arrival_us = s->last_arrival_us = at;
        s->first_id = e->r.id;
    }
    if (e->r.id < s->first_id)
        s->first_id = e->r.id;
    if (at < s->first_arrival_us)
        s->first_arrival_us = at;
    if (at > s->last_arrival_us)
        s->last_arrival_us = at;
    s->moved_ms = clock_mono_ms();
    e->study = s;
}

/* The arrow may have begun before a manifest was closed. */
static void
keep_lists(struct record *r, const struct record *before)
{
    r->revision = before->revision > r->revision ? before->revision : r->revision;
    r->left = before->left > r->left ? before->left : r->left;
    r->stale = before->stale > r->stale ? before->stale : r->stale;
}

/* Released, it is looked into anew before it is of a study again. Aside once more before that, it
 * is of the study it was of: nobody may delete that while one of it is missing. */
static bool
has_study(const struct record *r)
{
    if (r->state == INSTANCE_QUARANTINED)
        return r->study_uid[0] != '\0';
    return r->is_inspected && r->state != INSTANCE_DISCARDED;
}

struct entry *
ledger_put(struct ledger *l, const struct record *r)
{
    struct entry *e = ledger_find(l, r->id);

    if (e == NULL) {
        e = insert_entry(l, r->id);
        e->r = *r;
        link_instance(l, e);
    } else {
        struct record before = e->r;

        count(l, e, -1);
        if (e->r.sop_instance != r->sop_instance) {
            unlink_instance(l, e);
            e->r = *r;
            link_instance(l, e);
        }
        e->r = *r;
        keep_lists(&e->r, &before);
    }
    if (!has_study(r))
        e->study = NULL;
    else if (e->study == NULL || e->study->uid != r->study_uid)
        join_study(l, e);
    count(l, e, 1);
    if (r->id >= l->next_id)
        l->next_id = r->id + 1;
    return e;
}

static void
drop_study(struct ledger *l, struct study *s)
{
    word_find(l, s->uid, true)->study = NULL;
    for (size_t i = 0; i < l->studies_n; i++)
        if (l->studies[i] == s) {
            memmove(l->studies + i, l->studies + i + 1,
                    (l->studies_n - i - 1) * sizeof(struct study *));
            l->studies_n--;
            break;
        }
    free(s);
}

void
ledger_drop(struct ledger *l, uint64_t id)
{
    size_t i = lower_bound(l, id);
    struct entry *e;

    if (i == l->n || l->entries[i]->r.id != id)
        return;
    e = l->entries[i];
    count(l, e, -1);
    unlink_instance(l, e);
    /* A revision that was told is never told again: the centre would refuse it. */
    if (e->study != NULL && e->study->total == 0 && e->study->open_associations == 0 &&
        e->study->revision == 0 && e->study->leaving == 0 && e->study->aside == 0)
        drop_study(l, e->study);
    memmove(l->entries + i, l->entries + i + 1, (l->n - i - 1) * sizeof(struct entry *));
    l->n--;
    free(e);
}

struct entry *
ledger_instance(struct ledger *l, const char *sop_instance)
{
    struct word *w = word_find(l, sop_instance, false);

    return w != NULL ? w->instances : NULL;
}

struct study *
ledger_study(struct ledger *l, const char *uid)
{
    struct word *w = word_find(l, uid, false);

    return w != NULL ? w->study : NULL;
}

struct study *
ledger_study_make(struct ledger *l, const char *uid)
{
    struct word *w = word_find(l, uid, true);

    if (w->study != NULL)
        return w->study;
    if (l->studies_n == l->studies_room) {
        l->studies_room = l->studies_room * 2 + 64;
        l->studies = mem_grow(l->studies, l->studies_room * sizeof(struct study *));
    }
    w->study = mem_new(sizeof *w->study);
    w->study->uid = w->text;
    w->study->calling_ae = "";
    ledger_record_init(&w->study->first);
    l->studies[l->studies_n++] = w->study;
    return w->study;
}

uint64_t *
ledger_number(struct ledger *l, const char *name, bool is_made)
{
    for (size_t i = 0; i < l->numbers_n; i++)
        if (strcmp(l->numbers[i].name, name) == 0)
            return &l->numbers[i].value;
    if (!is_made)
        return NULL;
    l->numbers = mem_grow(l->numbers, (l->numbers_n + 1) * sizeof *l->numbers);
    l->numbers[l->numbers_n] = (struct number){ledger_word(l, name), 0};
    return &l->numbers[l->numbers_n++].value;
}
