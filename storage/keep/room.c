/* room.c - the landing disks have marks, and nobody is let in when there is no room to finish.
 *
 * 1. Below the mark nothing new begins: offers of what is not here, and direct senders, are told
 *    that there is no room (507, A700H), and try again later. What is known is answered as ever.
 * 2. What was begun may end, and the reader may store what it signed, down to half of the mark.
 * 3. The rest is for those who make room: packs, lists, receipts, PostgreSQL on the same disk. */
#include "storage/keep/keep_own.h"

#include "proto/base/durable.h"

static int
look(const char *dir, uint64_t mark, struct err *err)
{
    uint64_t free_bytes;
    int used;

    if (mark == 0)
        return 0;
    if (durable_room(dir, &free_bytes, &used, err) < 0)
        return -1;
    return free_bytes < mark ? err_set(err, ERR_FULL, "the disk of %s is below its mark", dir) : 0;
}

int
room_to_begin(struct keep *k, bool is_direct, struct err *err)
{
    if (look(k->landing, k->refuse_free, err) < 0)
        return -1;
    return is_direct ? look(k->landing_copy, k->refuse_free, err) : 0;
}

int
room_to_end(struct keep *k, bool is_direct, struct err *err)
{
    if (look(k->landing, k->refuse_free / 2, err) < 0)
        return -1;
    return is_direct ? look(k->landing_copy, k->refuse_free / 2, err) : 0;
}

static enum room_mark
mark_of(const struct keep *k, const char *dir)
{
    uint64_t free_bytes;
    struct err err;
    int used;

    if (durable_room(dir, &free_bytes, &used, &err) < 0)
        return ROOM_ENOUGH; /* who writes there will say what is wrong with it */
    return free_bytes < k->refuse_free ? ROOM_NONE
           : free_bytes < k->warn_free ? ROOM_LOW
                                       : ROOM_ENOUGH;
}

void
room_watch(struct keep *k)
{
    enum room_mark a = mark_of(k, k->landing), b = mark_of(k, k->landing_copy);
    enum room_mark now = a > b ? a : b;

    if (now == k->room)
        return;
    if (now == ROOM_NONE)
        LOG(&keep_log, KEEP_LANDING_FULL);
    else if (now == ROOM_LOW)
        LOG(&keep_log, KEEP_LANDING_LOW);
    else
        LOG(&keep_log, KEEP_LANDING_HAS_ROOM);
    k->room = now;
}
