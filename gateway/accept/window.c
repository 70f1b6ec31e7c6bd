/* window.c - the installation window: unknown callers let in as strangers, their instances kept
 * aside by the spool, and given free when their device is enrolled.
 * Invariants
 *   1. An instance of a stranger carries its quarantine in its own record: no crash frees it.
 *   2. It is released only while a row of devices.conf fits its caller, and nobody who differs from
 *      that row by called title or certificate still stands in the list of strangers. */
#include "gateway/accept/accept_parts.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

enum { DAY_MS = 24 * 60 * 60 * 1000 };
static const uint64_t quota_by_default = 20ull << 30;

/* What strangers left in quarantine, id by id. */
static size_t
list_left(struct accept *a, uint64_t **out_ids)
{
    const struct spool_filter filter = {.quarantine = quarantine_word(QUARANTINE_STRANGER)};
    size_t n = 0;

    spool_list(a->spool, &filter, out_ids, &n);
    return n;
}

static uint64_t
room_of(uint64_t size)
{
    return size > STORE_ROOM_LEAST ? size : STORE_ROOM_LEAST;
}

static bool
load(struct accept *a, uint64_t id, struct spool_entry **out_entry)
{
    struct err err = {0};

    if (spool_load(a->spool, id, out_entry, &err) == 0)
        return true;
    LOG(&accept_ctx, ACCEPT_STRANGER_UNREADABLE, F_NUMBER("entry", id), F_ERR(&err));
    return false;
}

void
window_begin(struct accept *a)
{
    uint64_t quota = a->options.window_quota_bytes, used = 0, *ids = NULL;
    size_t n = list_left(a, &ids);

    if (quota == 0)
        quota = quota_by_default;
    a->options.window_quota_bytes = quota;
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        if (load(a, ids[i], &entry))
            used += room_of(entry->size);
        spool_entry_free(&entry);
    }
    free(ids);
    atomic_store(&a->window_room, used < quota ? quota - used : 0);
    atomic_store(&a->is_release_due, n > 0);
}

bool
window_admits(struct accept *a, const struct dimse_peer *peer, enum accept_refusal why)
{
    const struct accept_refused *known = refused_find(&a->refused, peer);

    if (why != ACCEPT_CALLER_UNKNOWN || clock_mono_ms() >= a->window_until_ms)
        return false;
    return (known && known->why == ACCEPT_STRANGER) ||
           refused_strangers(&a->refused) < REFUSED_STRANGERS_MAX;
}

/* Locked. Invariant 2. */
static bool
is_free(struct accept *a, const struct spool_entry *entry)
{
    bool is_fit = false;

    for (size_t i = 0; i < a->refused.n; i++) {
        const struct accept_refused *r = &a->refused.rows[i];
        if (r->why == ACCEPT_STRANGER && strcmp(r->calling, entry->meta.calling_ae) == 0 &&
            strcmp(r->called, entry->meta.called_ae) == 0 &&
            strcmp(r->address, entry->meta.peer) == 0)
            return false;
    }
    for (size_t i = 0; i < a->devices.n && !is_fit; i++) {
        const struct accept_device *d = &a->devices.rows[i];
        is_fit = strcmp(d->ae, entry->meta.calling_ae) == 0 &&
                 (strcmp(d->address, "*") == 0 || strcmp(d->address, entry->meta.peer) == 0);
    }
    return is_fit;
}

static void
release(struct accept *a)
{
    uint64_t *ids = NULL;
    size_t n, freed = 0;

    n = list_left(a, &ids);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};
        if (!load(a, ids[i], &entry))
            continue;
        gate_lock(&a->gate);
        bool is_due = is_free(a, entry);
        gate_unlock(&a->gate);
        if (is_due && spool_release(a->spool, ids[i], &err) == 0) {
            atomic_fetch_add(&a->window_room, room_of(entry->size));
            freed++;
        } else if (is_due && err.kind != ERR_CONFLICT) { /* conflict: another was quicker */
            LOG(&accept_ctx, ACCEPT_NOT_RELEASED, F_NUMBER("entry", ids[i]), F_ERR(&err));
            atomic_store(&a->is_release_due, true);
        }
        spool_entry_free(&entry);
    }
    free(ids);
    if (freed > 0)
        LOG(&accept_ctx, ACCEPT_RELEASED, F_NUMBER("instances", freed));
}

void
window_release(struct accept *a)
{
    gate_lock(&a->release_gate);
    if (atomic_exchange(&a->is_release_due, false))
        release(a);
    gate_unlock(&a->release_gate);
}

void
accept_window_open(struct accept *a, int64_t ms)
{
    if (ms <= 0)
        ms = ACCEPT_WINDOW_MS;
    if (ms > DAY_MS)
        ms = DAY_MS;
    gate_lock(&a->gate);
    a->window_until_ms = clock_mono_ms() + ms;
    gate_unlock(&a->gate);
    LOG(&accept_ctx, ACCEPT_WINDOW_OPEN, F_MS("for", ms));
}

void
accept_window_close(struct accept *a)
{
    gate_lock(&a->gate);
    a->window_until_ms = 0;
    gate_unlock(&a->gate);
    LOG(&accept_ctx, ACCEPT_WINDOW_CLOSED);
}

void
accept_window_state(struct accept *a, struct accept_window *out)
{
    uint64_t *ids = NULL, room;
    int64_t left_ms;

    window_release(a);
    room = atomic_load(&a->window_room);
    gate_lock(&a->gate);
    left_ms = a->window_until_ms > 0 ? a->window_until_ms - clock_mono_ms() : 0;
    gate_unlock(&a->gate);
    *out = (struct accept_window){.left_ms = left_ms > 0 ? left_ms : 0,
                                  .instances = list_left(a, &ids),
                                  .quota_bytes = a->options.window_quota_bytes};
    out->bytes = out->quota_bytes > room ? out->quota_bytes - room : 0;
    free(ids);
}

static void
count_left(struct accept *a, struct accept_stranger *rows, size_t n)
{
    uint64_t *ids = NULL;
    size_t count = list_left(a, &ids);

    for (size_t i = 0; i < count; i++) {
        struct spool_entry *entry = NULL;
        if (!load(a, ids[i], &entry))
            continue;
        for (size_t k = 0; k < n; k++)
            if (strcmp(rows[k].calling, entry->meta.calling_ae) == 0 &&
                strcmp(rows[k].called, entry->meta.called_ae) == 0 &&
                strcmp(rows[k].address, entry->meta.peer) == 0) {
                rows[k].instances++;
                rows[k].bytes += entry->size;
                break;
            }
        spool_entry_free(&entry);
    }
    free(ids);
}

void
accept_list_strangers(struct accept *a, struct accept_stranger **out_strangers, size_t *out_n)
{
    struct accept_stranger *rows = mem_new((REFUSED_MAX + 1) * sizeof *rows);
    size_t n = 0;

    window_release(a);
    gate_lock(&a->gate);
    for (size_t i = 0; i < a->refused.n; i++) {
        const struct accept_refused *r = &a->refused.rows[i];
        if (r->why != ACCEPT_STRANGER)
            continue;
        struct accept_stranger *s = &rows[n++];
        memcpy(s->calling, r->calling, sizeof s->calling);
        memcpy(s->called, r->called, sizeof s->called);
        memcpy(s->address, r->address, sizeof s->address);
        memcpy(s->certificate_sha256, r->certificate_sha256, sizeof s->certificate_sha256);
        s->first_us = r->first_us;
        s->last_us = r->last_us;
    }
    gate_unlock(&a->gate);
    count_left(a, rows, n);
    *out_strangers = rows;
    *out_n = n;
}
