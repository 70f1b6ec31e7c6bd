/* share.c - whose bytes are made durable next. */
#include "storage/keep/share.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_BYTES = 4096, TENANT_SIZE = 65 };

/* A clinic that has, or lately had, a turn. */
struct tenant {
    struct tenant *next;
    char code[TENANT_SIZE];
    uint64_t finish; /* where its next turn begins at the earliest */
    unsigned waiting;
};

struct waiter {
    struct waiter *next;
    uint64_t start;
    bool has_turn;
    struct bell bell;
};

struct share {
    struct gate gate;
    unsigned turns, taken;
    int64_t limit_ms;
    uint64_t now; /* the start of the latest turn */
    struct tenant *tenants;
    struct waiter *waiters;
};

struct share *
share_new(unsigned turns, int64_t limit_ms)
{
    struct share *s = mem_new(sizeof *s);

    gate_init(&s->gate);
    s->turns = turns;
    s->limit_ms = limit_ms;
    return s;
}

void
share_free(struct share **share)
{
    struct share *s = TAKE(*share);

    if (s == NULL)
        return;
    CHECK(s->waiters == NULL && s->taken == 0);
    while (s->tenants != NULL) {
        struct tenant *t = s->tenants;

        s->tenants = t->next;
        free(t);
    }
    gate_fini(&s->gate);
    free(s);
}

/* Its row; others that have had nothing for a while are forgotten on the way. */
static struct tenant *
tenant_of(struct share *s, const char *code)
{
    struct tenant **at = &s->tenants, *found = NULL;

    while (*at != NULL) {
        struct tenant *t = *at;

        if (strcmp(t->code, code) == 0) {
            found = t;
        } else if (t->waiting == 0 && t->finish <= s->now) {
            *at = t->next;
            free(t);
            continue;
        }
        at = &t->next;
    }
    if (found == NULL) {
        found = mem_new(sizeof *found);
        text_copy(found->code, sizeof found->code, code);
        found->next = s->tenants;
        s->tenants = found;
    }
    return found;
}

static void
take_turn(struct share *s, uint64_t start)
{
    s->taken++;
    if (start > s->now)
        s->now = start;
}

static void
unlink_waiter(struct share *s, const struct waiter *w)
{
    struct waiter **at = &s->waiters;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

static void
wait_turn(struct share *s, uint64_t start)
{
    struct waiter w = {.start = start}, **end = &s->waiters;
    int64_t until_ms = clock_mono_ms() + s->limit_ms, left_ms = s->limit_ms;

    bell_init(&w.bell);
    while (*end != NULL)
        end = &(*end)->next;
    *end = &w;
    while (!w.has_turn && left_ms > 0) {
        bell_wait_ms(&w.bell, &s->gate, left_ms);
        left_ms = until_ms - clock_mono_ms();
    }
    if (!w.has_turn) { /* beyond the number: better than to wait for what may hang */
        unlink_waiter(s, &w);
        take_turn(s, start);
    }
    bell_fini(&w.bell);
}

void
share_enter(struct share *s, const char *tenant, uint64_t bytes)
{
    struct tenant *t;
    uint64_t start;

    gate_lock(&s->gate);
    t = tenant_of(s, tenant);
    start = t->finish > s->now ? t->finish : s->now;
    t->finish = start + (bytes > LEAST_BYTES ? bytes : LEAST_BYTES);
    if (s->taken < s->turns) {
        take_turn(s, start);
    } else {
        t->waiting++;
        wait_turn(s, start);
        tenant_of(s, tenant)->waiting--;
    }
    gate_unlock(&s->gate);
}

/* Locked. What is free goes to those who wait. */
static void
give_turns(struct share *s)
{
    while (s->waiters != NULL && s->taken < s->turns) {
        struct waiter *next = s->waiters;

        for (struct waiter *w = s->waiters; w != NULL; w = w->next)
            if (w->start < next->start)
                next = w;
        unlink_waiter(s, next);
        take_turn(s, next->start);
        next->has_turn = true;
        bell_ring(&next->bell);
    }
}

void
share_leave(struct share *s)
{
    gate_lock(&s->gate);
    CHECK(s->taken > 0);
    s->taken--;
    give_turns(s);
    gate_unlock(&s->gate);
}

void
share_set_turns(struct share *s, unsigned turns)
{
    gate_lock(&s->gate);
    s->turns = turns;
    give_turns(s);
    gate_unlock(&s->gate);
}

unsigned
share_waiting(struct share *s)
{
    unsigned n = 0;

    gate_lock(&s->gate);
    for (const struct waiter *w = s->waiters; w != NULL; w = w->next)
        n++;
    gate_unlock(&s->gate);
    return n;
}
