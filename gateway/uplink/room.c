/* room.c - when the centre says that it has no room (507), what is new waits here for a growing
 * while. All offerers wait together, and while it lasts one offer at a time asks for all of them.
 * What has begun goes on, and so do lists, receipts and questions: they are what makes room. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

enum {
    WAIT_MOST_MS = 60000,
    TOLD_MOST_MS = 600000, /* whatever the centre says: somebody may have made room since */
    FORGET_MS = 120000     /* without a word of it the waits begin anew */
};

void
room_init(struct uplink *up)
{
    up->room.waits = (struct backoff){.least_ms = up->o.backoff_ms, .most_ms = WAIT_MOST_MS};
}

bool
room_is_open(const struct uplink *up)
{
    return !up->room.is_full || clock_mono_ms() >= up->room.retry_ms;
}

void
room_try(struct uplink *up)
{
    if (up->room.is_full)
        up->room.retry_ms = clock_mono_ms() + backoff_next(&up->room.waits, up_chance());
}

int64_t
room_wait_ms(const struct uplink *up, int64_t most_ms)
{
    int64_t left = up->room.retry_ms - clock_mono_ms();

    return !up->room.is_full || left > most_ms ? most_ms : left > 0 ? left : 0;
}

void
room_full(struct uplink *up, const struct err *err, int64_t retry_after_s)
{
    struct room *room = &up->room;
    int64_t now = clock_mono_ms(), told_ms;
    bool is_new;

    told_ms = retry_after_s > TOLD_MOST_MS / 1000 ? TOLD_MOST_MS : retry_after_s * 1000;
    gate_lock(&up->gate);
    is_new = !room->is_full;
    if (is_new && now - room->retry_ms > FORGET_MS)
        backoff_reset(&room->waits);
    room->is_full = true;
    if (now >= room->retry_ms) /* else this one was asked, or another was told, just before */
        room->retry_ms = now + backoff_next(&room->waits, up_chance());
    if (room->retry_ms < now + told_ms)
        room->retry_ms = now + told_ms;
    text_copy(room->trouble, sizeof room->trouble, err->text);
    gate_unlock(&up->gate);
    if (is_new)
        LOG(&uplink_log, UPLINK_CENTRE_FULL, F_ERR(err));
}

void
room_found(struct uplink *up, bool is_all)
{
    bool is_new;

    gate_lock(&up->gate);
    is_new = up->room.is_full && is_all;
    if (up->room.is_full && !is_all)
        up->room.retry_ms = clock_mono_ms();
    if (is_new) {
        up->room.is_full = false;
        up->news++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    if (is_new)
        LOG(&uplink_log, UPLINK_CENTRE_HAS_ROOM);
}
