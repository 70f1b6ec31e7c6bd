/* traffic.c - how much came, by clinic and hour, and how fast each study comes just now. */
#include "storage/keep/traffic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "storage/keep/keep_own.h"

#include <stdlib.h>
#include <string.h>

enum { SECONDS = 8, STUDIES_MOST = 512, FORGET_MS = 60000, WRITE_EVERY_MS = 10000 };
static const int64_t hour_us = INT64_C(3600000000);

struct hour {
    struct hour *next;
    char tenant[KEEP_CODE_SIZE];
    int64_t at_us;
    uint64_t bytes, objects; /* not written yet */
};

struct coming {
    struct coming *next;
    char tenant[KEEP_CODE_SIZE], study[LINK_UID_SIZE];
    int64_t began_ms, latest_ms;
    int64_t second[SECONDS]; /* which second the bytes are of */
    uint64_t bytes[SECONDS];
};

struct traffic {
    struct gate gate;
    struct hour *hours;
    struct coming *studies; /* the latest first */
    int64_t written_ms;
};

struct traffic *
traffic_new(void)
{
    struct traffic *t = mem_new(sizeof *t);

    gate_init(&t->gate);
    t->written_ms = clock_mono_ms();
    return t;
}

static void
free_hours(struct hour *h)
{
    while (h != NULL) {
        struct hour *next = h->next;

        free(h);
        h = next;
    }
}

void
traffic_free(struct traffic **traffic)
{
    struct traffic *t = TAKE(*traffic);

    if (t == NULL)
        return;
    free_hours(t->hours);
    while (t->studies != NULL) {
        struct coming *c = t->studies;

        t->studies = c->next;
        free(c);
    }
    gate_fini(&t->gate);
    free(t);
}

static struct hour *
hour_of(struct traffic *t, const char *tenant)
{
    int64_t at_us = clock_wall_us() / hour_us * hour_us;
    struct hour *h;

    for (h = t->hours; h != NULL; h = h->next)
        if (h->at_us == at_us && strcmp(h->tenant, tenant) == 0)
            return h;
    h = mem_new(sizeof *h);
    text_copy(h->tenant, sizeof h->tenant, tenant);
    h->at_us = at_us;
    h->next = t->hours;
    t->hours = h;
    return h;
}

/* Its place in the list; those that have long been silent, or are too many, go. */
static struct coming **
coming_at(struct traffic *t, const char *tenant, const char *study)
{
    int64_t now_ms = clock_mono_ms();
    struct coming **at = &t->studies;
    size_t n = 0;

    while (*at != NULL) {
        struct coming *c = *at;

        if (strcmp(c->study, study) == 0 && strcmp(c->tenant, tenant) == 0)
            return at;
        if (n++ >= STUDIES_MOST || now_ms - c->latest_ms > FORGET_MS) {
            *at = c->next;
            free(c);
            continue;
        }
        at = &c->next;
    }
    return at;
}

static void
note_coming(struct traffic *t, const char *tenant, const char *study, uint64_t bytes)
{
    struct coming **at = coming_at(t, tenant, study), *c = *at;
    int64_t now_ms = clock_mono_ms(), second = now_ms / 1000;
    size_t slot = (size_t)(second % SECONDS);

    if (c == NULL) {
        c = mem_new(sizeof *c);
        text_copy(c->tenant, sizeof c->tenant, tenant);
        text_copy(c->study, sizeof c->study, study);
        c->began_ms = now_ms;
    } else {
        *at = c->next;
    }
    c->next = t->studies;
    t->studies = c;
    c->latest_ms = now_ms;
    if (c->second[slot] != second) {
        c->second[slot] = second;
        c->bytes[slot] = 0;
    }
    c->bytes[slot] += bytes;
}

void
traffic_note(struct traffic *t, const char *tenant, const char *study, uint64_t bytes)
{
    gate_lock(&t->gate);
    hour_of(t, tenant)->bytes += bytes;
    note_coming(t, tenant, study, bytes);
    gate_unlock(&t->gate);
}

void
traffic_object(struct traffic *t, const char *tenant)
{
    gate_lock(&t->gate);
    hour_of(t, tenant)->objects++;
    gate_unlock(&t->gate);
}

uint64_t
traffic_rate(struct traffic *t, const char *tenant, const char *study)
{
    int64_t now_ms = clock_mono_ms(), second = now_ms / 1000, over_ms;
    uint64_t bytes = 0;
    struct coming *c;

    gate_lock(&t->gate);
    c = *coming_at(t, tenant, study);
    if (c == NULL) {
        gate_unlock(&t->gate);
        return 0;
    }
    for (size_t i = 0; i < SECONDS; i++)
        if (c->second[i] > second - SECONDS)
            bytes += c->bytes[i];
    over_ms = (SECONDS - 1) * 1000 + now_ms % 1000;
    if (now_ms - c->began_ms < over_ms)
        over_ms = now_ms - c->began_ms;
    gate_unlock(&t->gate);
    return bytes * 1000 / (uint64_t)(over_ms < 1000 ? 1000 : over_ms);
}

/* What could not be written is counted on. */
static void
put_back(struct traffic *t, struct hour *hours)
{
    struct hour *last = hours;

    if (hours == NULL)
        return;
    while (last->next != NULL)
        last = last->next;
    gate_lock(&t->gate);
    last->next = t->hours;
    t->hours = hours;
    gate_unlock(&t->gate);
}

int
traffic_write(struct keep *k, bool is_end, struct err *err)
{
    struct traffic *t = k->traffic;
    struct hour *hours = NULL;

    gate_lock(&t->gate);
    if (is_end || clock_mono_ms() - t->written_ms >= WRITE_EVERY_MS) {
        hours = TAKE(t->hours);
        t->written_ms = clock_mono_ms();
    }
    gate_unlock(&t->gate);
    while (hours != NULL) {
        struct hour *h = hours;

        if (keep_run(
                k, "traffic_add",
                PG_ARGS(PG_TEXT(h->tenant), PG_INT(h->at_us), PG_INT(h->bytes), PG_INT(h->objects)),
                NULL, err) < 0) {
            put_back(t, hours);
            return -1;
        }
        hours = h->next;
        free(h);
    }
    return 0;
}

int
keep_shares(struct keep *k, const char *tenant, int64_t since_us, keep_on_share on_share,
            void *user, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "traffic_shares", PG_ARGS(PG_TEXT(tenant), PG_INT(since_us)), &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct keep_share s = {.tenant = pg_text(rows, i, 0),
                               .bytes = (uint64_t)pg_int(rows, i, 1),
                               .objects = (uint64_t)pg_int(rows, i, 2),
                               .all_bytes = (uint64_t)pg_int(rows, i, 3),
                               .busiest_bytes = (uint64_t)pg_int(rows, i, 4),
                               .busiest_us = pg_int(rows, i, 5)};

        if (on_share(user, &s) != 0)
            break;
    }
    pg_rows_free(&rows);
    return 0;
}
