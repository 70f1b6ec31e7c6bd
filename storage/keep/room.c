/* room.c - the landing disks have marks, and nobody is let in when there is no room to finish.
 *
 * 1. Below the mark no study begins: offers of what is not here, and direct senders, are told that
 *    there is no room (507, A700H), and try again later. A direct sender's object is let in only
 *    as long as what has come of it may be copied above the mark, beside those that come with it
 *    (claim.c). What is known is answered as ever.
 * 2. What was begun may end, all of its study with it (else no list becomes complete, and nothing
 * is packed), and the reader may store what it signed, down to half of the mark.
 * 3. The rest is for those who make room: lists, receipts, PostgreSQL on the same disk, and packs
 *    where a store is on it, too: those down to a quarter of the mark, then they wait. */
#include "storage/keep/keep_own.h"

#include "proto/base/durable.h"

#include <sys/stat.h>

static int
look(const char *dir, uint64_t mark, uint64_t to_come, struct err *err)
{
    uint64_t free_bytes;
    int used;

    if (mark == 0)
        return 0;
    if (durable_room(dir, &free_bytes, &used, err) < 0)
        return -1;
    return free_bytes < mark || free_bytes - mark < to_come
               ? err_set(err, ERR_FULL, "the disk of %s is below its mark", dir)
               : 0;
}

/* What direct senders' objects will take on each disk: they come and are written side by side, and
 * none of them sees the others there yet. */
static uint64_t
direct_to_come(struct keep *k, bool is_direct)
{
    uint64_t to_come;

    gate_lock(&k->gate);
    to_come = is_direct ? k->direct_bytes : 0;
    gate_unlock(&k->gate);
    return to_come;
}

void
room_expect(struct keep *k, uint64_t was, uint64_t is)
{
    gate_lock(&k->gate);
    k->direct_bytes = k->direct_bytes - was + is;
    gate_unlock(&k->gate);
}

int
room_to_begin(struct keep *k, bool is_direct, struct err *err)
{
    uint64_t to_come = direct_to_come(k, is_direct);

    if (look(k->landing, k->refuse_free, to_come, err) < 0)
        return -1;
    return is_direct ? look(k->landing_copy, k->refuse_free, to_come, err) : 0;
}

int
room_to_end(struct keep *k, bool is_direct, struct err *err)
{
    uint64_t to_come = direct_to_come(k, is_direct);

    if (look(k->landing, k->refuse_free / 2, to_come, err) < 0)
        return -1;
    return is_direct ? look(k->landing_copy, k->refuse_free / 2, to_come, err) : 0;
}

static bool
is_same_disk(const char *a, const char *b)
{
    struct stat one, other;

    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev;
}

/* A store that is not there is not the landing's; who writes to it will say so. */
static int
look_beside(struct keep *k, const char *landing, uint64_t bytes, struct err *err)
{
    uint64_t to_come = 0;

    for (size_t i = 0; i < KEEP_COPIES; i++)
        to_come += is_same_disk(landing, k->stores[i]) ? bytes : 0;
    return to_come > 0 ? look(landing, k->refuse_free / 4, to_come, err) : 0;
}

int
room_to_pack(struct keep *k, uint64_t bytes, struct err *err)
{
    if (look_beside(k, k->landing, bytes, err) < 0 ||
        look_beside(k, k->landing_copy, bytes, err) < 0)
        return err_context(err, "packs of %llu bytes wait for room beside the landing",
                           (unsigned long long)bytes);
    return 0;
}

/* Down at once; up only a tenth above the mark, else a disk that stays about there would be told of
 * several times a second. */
static enum room_mark
mark_of(const struct keep *k, uint64_t free_bytes, enum room_mark was)
{
    const uint64_t marks[] = {[ROOM_LOW] = k->warn_free,
                              [ROOM_NONE] = k->refuse_free,
                              [ROOM_STOPPED] = k->refuse_free / 2};
    enum room_mark now = ROOM_ENOUGH;

    for (enum room_mark m = ROOM_LOW; m <= ROOM_STOPPED; m++)
        if (free_bytes < marks[m] || (m <= was && free_bytes < marks[m] + marks[m] / 10))
            now = m;
    return now;
}

static enum room_mark
look_at(const struct keep *k, const char *dir, enum room_mark was)
{
    uint64_t free_bytes;
    struct err err;
    int used;

    if (durable_room(dir, &free_bytes, &used, &err) < 0)
        return was; /* who writes there will say what is wrong with it */
    return mark_of(k, free_bytes, was);
}

void
room_watch(struct keep *k)
{
    enum room_mark was = k->room, now;

    k->rooms[0] = look_at(k, k->landing, k->rooms[0]);
    k->rooms[1] = look_at(k, k->landing_copy, k->rooms[1]);
    now = k->rooms[0] > k->rooms[1] ? k->rooms[0] : k->rooms[1];
    if (now == was)
        return;
    if (now == ROOM_STOPPED)
        LOG(&keep_log, KEEP_LANDING_STOPPED);
    else if (now == ROOM_NONE)
        LOG(&keep_log, KEEP_LANDING_FULL);
    else if (now == ROOM_LOW)
        LOG(&keep_log, KEEP_LANDING_LOW);
    else
        LOG(&keep_log, KEEP_LANDING_HAS_ROOM);
    k->room = now;
}
