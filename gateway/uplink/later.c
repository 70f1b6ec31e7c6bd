/* later.c - entries that did not work just now: each time one waits longer. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"

enum { FIRST_MS = 1000, MOST_MS = 60000, DOUBLED = 6, GONE_MS = 10 * MOST_MS };

/* Gate held. */
static struct later *
find(const struct uplink *up, uint64_t id)
{
    for (size_t i = 0; i < up->later_n; i++)
        if (up->later[i].id == id)
            return &up->later[i];
    return NULL;
}

/* Gate held. What was due so long ago and was not tried again has left, or was asked for by a
 * person elsewhere: the list does not grow for years. */
static void
forget_gone(struct uplink *up, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < up->later_n; i++)
        if (now_ms - up->later[i].at_ms < GONE_MS)
            up->later[kept++] = up->later[i];
    up->later_n = kept;
}

unsigned
later_put_off(struct uplink *up, uint64_t id)
{
    struct later *later;
    unsigned tries;
    int64_t wait_ms;

    gate_lock(&up->gate);
    later = find(up, id);
    if (later == NULL) {
        forget_gone(up, clock_mono_ms());
        up->later = mem_grow(up->later, (up->later_n + 1) * sizeof *up->later);
        later = &up->later[up->later_n++];
        *later = (struct later){.id = id};
    }
    wait_ms = (int64_t)FIRST_MS << (later->tries < DOUBLED ? later->tries : DOUBLED);
    later->at_ms = clock_mono_ms() + (wait_ms > MOST_MS ? MOST_MS : wait_ms);
    tries = ++later->tries;
    gate_unlock(&up->gate);
    return tries;
}

void
later_forget(struct uplink *up, uint64_t id)
{
    struct later *later;

    gate_lock(&up->gate);
    later = find(up, id);
    if (later != NULL)
        *later = up->later[--up->later_n];
    gate_unlock(&up->gate);
}

bool
later_is_due(const struct uplink *up, uint64_t id)
{
    const struct later *later = find(up, id);

    return later == NULL || later->at_ms <= clock_mono_ms();
}

int64_t
later_wait_ms(struct uplink *up, int64_t most_ms)
{
    int64_t now = clock_mono_ms();

    gate_lock(&up->gate);
    for (size_t i = 0; i < up->later_n; i++)
        if (up->later[i].at_ms > now && up->later[i].at_ms - now < most_ms)
            most_ms = up->later[i].at_ms - now;
    gate_unlock(&up->gate);
    return most_ms;
}
