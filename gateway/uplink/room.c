/* room.c - when the centre says that it has no room (507), what it said so of waits here for a
 * growing while: offers of what is new, or the bytes of all images where it has none left for what
 * it has begun. All that would ask wait together, and while it lasts one at a time asks for all of
 * them. Lists, receipts and questions go on: they are what makes room. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <string.h>

enum {
    WAIT_MOST_MS = 60000,
    TOLD_MOST_MS = 600000, /* whatever the centre says: somebody may have made room since */
    FORGET_MS = 120000     /* without a word of it the waits begin anew */
};

void
room_init(struct uplink *up)
{
    up->to_begin.waits = up->to_end.waits =
        (struct backoff){.least_ms = up->o.backoff_ms, .most_ms = WAIT_MOST_MS};
}

struct room *
room_of(struct uplink *up, const char *path)
{
    return strcmp(path, LINK_PATH_OFFER) == 0    ? &up->to_begin
           : strcmp(path, LINK_PATH_BUNDLE) == 0 ? &up->to_end
                                                 : NULL;
}

const struct room *
room_now_full(const struct uplink *up)
{
    const struct room *a = &up->to_begin, *b = &up->to_end;
    struct plan_stats stats;

    plan_stats(up->plan, &stats);
    if (stats.objects == 0) /* what waited was taken away by a person: nobody will ask */
        return NULL;
    if (!a->is_full || !b->is_full)
        return a->is_full ? a : b->is_full ? b : NULL;
    return a->since_us <= b->since_us ? a : b;
}

bool
room_is_open(const struct room *room)
{
    return !room->is_full || clock_mono_ms() >= room->retry_ms;
}

void
room_try(struct room *room)
{
    if (room->is_full)
        room->retry_ms = clock_mono_ms() + backoff_next(&room->waits, up_chance());
}

int64_t
room_wait_ms(const struct room *room, int64_t most_ms)
{
    int64_t left = room->retry_ms - clock_mono_ms();

    return !room->is_full || left > most_ms ? most_ms : left > 0 ? left : 0;
}

void
room_full(struct uplink *up, struct room *room, const struct err *err, int64_t retry_after_s)
{
    int64_t now = clock_mono_ms(), told_ms;
    bool is_new;

    told_ms = retry_after_s > TOLD_MOST_MS / 1000 ? TOLD_MOST_MS : retry_after_s * 1000;
    gate_lock(&up->gate);
    is_new = !room->is_full;
    if (is_new && (room->since_us == 0 || now - room->retry_ms > FORGET_MS)) {
        backoff_reset(&room->waits);
        room->since_us = clock_wall_us();
    }
    room->is_full = true;
    if (now >= room->retry_ms) /* else this one was asked, or another was told, just before */
        room->retry_ms = now + backoff_next(&room->waits, up_chance());
    room->told_ms = now + told_ms;
    if (room->retry_ms < room->told_ms)
        room->retry_ms = room->told_ms;
    text_copy(room->trouble, sizeof room->trouble, err->text);
    gate_unlock(&up->gate);
    if (is_new && room == &up->to_end)
        LOG(&uplink_log, UPLINK_CENTRE_STOPPED, F_ERR(err));
    else if (is_new)
        LOG(&uplink_log, UPLINK_CENTRE_FULL, F_ERR(err));
}

void
room_hurry(struct room *room)
{
    int64_t soon = clock_mono_ms() + room->waits.least_ms;

    if (soon < room->told_ms)
        soon = room->told_ms;
    if (room->retry_ms > soon)
        room->retry_ms = soon;
}

void
room_found(struct uplink *up, struct room *room, bool has_room)
{
    bool is_new;

    gate_lock(&up->gate);
    is_new = room->is_full && has_room;
    if (room->is_full && !has_room)
        room->retry_ms = clock_mono_ms();
    if (is_new) {
        room->is_full = false;
        up->news++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    if (is_new)
        LOG(&uplink_log, UPLINK_CENTRE_HAS_ROOM);
}
