/* room.c - the disk: what is left, what comes a day, and the marks. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>

#define HOUR_US 3600000000ll
#define DAY_US (24 * HOUR_US)
#define WEEK_DAYS 7
#define AWAY_MOST_MS (3 * DAY_US / 1000)
#define WEEK_MS ((uint64_t)(WEEK_DAYS * DAY_US / 1000))
#define JUMP_MS (DAY_US / 1000)

static uint64_t
bytes_of(const struct record *r)
{
    return r->received.object_size + r->coded.object_size;
}

static uint64_t
bytes_here(const struct record *r)
{
    return (r->received.segment != 0 ? r->received.object_size : 0) +
           (r->coded.segment != 0 ? r->coded.object_size : 0);
}

/* Locked. What came a day, measured by the wall clock: the same when that jumped. */
static uint64_t
pace_hold(struct spool *sp, uint64_t bytes_a_day)
{
    struct pace *p = &sp->pace;
    uint64_t age = spool_age_ms(sp), held = 0;
    int64_t wall = sp->age.wall_ms;
    int64_t jump = wall - p->seen_wall_ms - (int64_t)(age - p->seen_age_ms);

    if (jump > JUMP_MS || jump < -JUMP_MS) {
        p->bytes_a_day = sp->room.bytes_a_day;
        p->age_ms = age;
    }
    if (age - p->age_ms < WEEK_MS)
        held = (uint64_t)((double)p->bytes_a_day * (double)(WEEK_MS - (age - p->age_ms)) /
                          (double)WEEK_MS);
    p->seen_age_ms = age;
    p->seen_wall_ms = wall;
    return held > bytes_a_day ? held : bytes_a_day;
}

void
room_measure(struct spool *sp)
{
    int64_t now = clock_wall_us();
    uint64_t day = 0, week = 0;
    struct room room = {.measured_ms = clock_mono_ms()};

    gate_lock(&sp->gate);
    for (size_t i = 0; i < sp->ledger.n; i++) {
        const struct record *r = &sp->ledger.entries[i]->r;
        int64_t age = now - r->at_us[INSTANCE_RECEIVED];

        if (record_is_done(r) && r->state != INSTANCE_DISCARDED && !garbage_is_needed(sp, r->id))
            room.bytes_sealed += bytes_here(r);
        if (age < 0 || age >= WEEK_DAYS * DAY_US) /* also what came while the clock was wrong */
            continue;
        week += bytes_of(r);
        if (age < DAY_US) {
            day += bytes_of(r);
            room.bytes_today += r->received.object_size;
        }
    }
    room.bytes_a_day = pace_hold(sp, day > week / WEEK_DAYS ? day : week / WEEK_DAYS);
    sp->room = room;
    gate_unlock(&sp->gate);
}

/* Hours until the refuse mark; INT64_MAX: nothing comes. */
static int64_t
hours_left(const struct spool *sp, const struct room *room, uint64_t free_bytes)
{
    uint64_t refuse = sp->options.refuse_free_bytes, left = free_bytes + room->bytes_sealed;

    if (room->bytes_a_day == 0)
        return INT64_MAX;
    left = left > refuse ? left - refuse : 0;
    return (int64_t)(left / (room->bytes_a_day / 24 + 1));
}

static enum spool_disk
judge(const struct spool_options *o, uint64_t free_bytes, int64_t hours)
{
    if (free_bytes < o->refuse_free_bytes || hours < 24 * (int64_t)o->refuse_days)
        return SPOOL_DISK_REFUSE;
    if (free_bytes < o->slow_free_bytes || hours < 24 * (int64_t)o->slow_days)
        return SPOOL_DISK_SLOW;
    if (free_bytes < o->warn_free_bytes || hours < 24 * (int64_t)o->warn_days)
        return SPOOL_DISK_WARN;
    return SPOOL_DISK_FINE;
}

enum spool_disk
spool_disk_with(struct spool *sp, uint64_t bytes)
{
    uint64_t free_bytes = 0;
    struct err unread;
    struct room room;
    int used;

    gate_lock(&sp->gate);
    room = sp->room;
    gate_unlock(&sp->gate);
    if (durable_room(sp->dir, &free_bytes, &used, &unread) < 0)
        return SPOOL_DISK_WARN; /* as spool_disk_now, which tells it */
    free_bytes -= bytes < free_bytes ? bytes : free_bytes;
    return judge(&sp->options, free_bytes, hours_left(sp, &room, free_bytes));
}

enum spool_disk
spool_disk_now(struct spool *sp)
{
    enum spool_disk disk = SPOOL_DISK_WARN, before;
    uint64_t free_bytes = 0;
    struct err err = {0};
    struct room room;
    int used = 0;

    gate_lock(&sp->gate);
    room = sp->room;
    gate_unlock(&sp->gate);
    if (durable_room(sp->dir, &free_bytes, &used, &err) == 0)
        disk = judge(&sp->options, free_bytes, hours_left(sp, &room, free_bytes));
    gate_lock(&sp->gate);
    before = sp->disk;
    sp->disk = disk;
    gate_unlock(&sp->gate);
    if (before != disk)
        LOG(&sp->log, SPOOL_DISK_MARK, F_NUMBER("mark", disk), F_NUMBER("before", before),
            F_NUMBER("free", free_bytes), F_NUMBER("used_percent", used),
            F_NUMBER("bytes_a_day", room.bytes_a_day));
    return disk;
}

static uint64_t
count_corrupt(const struct spool *sp)
{
    char path[PATH_MAX];
    struct dirent *d;
    uint64_t n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "%s/corrupt", sp->dir);
    dir = opendir(path);
    if (dir == NULL)
        return 0;
    while ((d = readdir(dir)) != NULL)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Locked. */
static void
count_entries(const struct ledger *l, struct spool_health *h)
{
    h->entries = l->n;
    h->paused = l->paused;
    h->lost = l->lost;
    h->quarantined = l->counts[INSTANCE_QUARANTINED];
    for (size_t i = 0; i < l->n; i++) {
        const struct record *r = &l->entries[i]->r;

        if (!record_is_done(r) && r->state != INSTANCE_QUARANTINED) {
            h->waiting++;
            h->waiting_bytes += r->received.object_size;
        }
    }
}

void
spool_health(struct spool *sp, struct spool_health *out)
{
    struct spool_health h = {.days_left = -1, .corrupt_files = count_corrupt(sp)};
    struct err err = {0};
    int64_t hours;

    room_measure(sp);
    h.disk = spool_disk_now(sp);
    if (durable_room(sp->dir, &h.free_bytes, &h.used_percent, &err) < 0)
        h.free_bytes = 0;
    gate_lock(&sp->gate);
    h.is_journal_sick = sp->is_journal_sick;
    count_entries(&sp->ledger, &h);
    h.bytes_today = sp->room.bytes_today;
    hours = hours_left(sp, &sp->room, h.free_bytes);
    if (hours != INT64_MAX)
        h.days_left = hours / 24 < INT32_MAX ? (int32_t)(hours / 24) : INT32_MAX;
    h.syncs = sp->syncs;
    h.commits = sp->commits;
    gate_unlock(&sp->gate);
    *out = h;
}

void
age_begin(struct spool *sp)
{
    const uint64_t *ms = ledger_number(&sp->ledger, SPOOL_AGE, false);
    const uint64_t *wall = ledger_number(&sp->ledger, SPOOL_AGE_WALL, false);
    const uint64_t *pace = ledger_number(&sp->ledger, SPOOL_PACE, false);
    const uint64_t *held = ledger_number(&sp->ledger, SPOOL_PACE_HELD, false);
    const uint64_t *held_age = ledger_number(&sp->ledger, SPOOL_PACE_AGE, false);

    sp->age.ms = ms != NULL ? *ms : 0;
    sp->age.wall_ms = wall != NULL ? (int64_t)*wall : clock_wall_us() / 1000;
    sp->age.mono_ms = clock_mono_ms();
    sp->room.bytes_a_day = pace != NULL ? *pace : 0;
    sp->pace = (struct pace){.bytes_a_day = held != NULL ? *held : 0,
                             .age_ms = held_age != NULL ? *held_age : 0,
                             .seen_age_ms = sp->age.ms,
                             .seen_wall_ms = sp->age.wall_ms};
}

uint64_t
spool_age_ms(struct spool *sp)
{
    struct age *age = &sp->age;
    int64_t mono = clock_mono_ms(), wall = clock_wall_us() / 1000;
    int64_t lived = mono - age->mono_ms, by_wall = wall - age->wall_ms;

    lived = lived > 0 ? lived : 0;
    if (by_wall > lived && by_wall <= AWAY_MOST_MS)
        lived = by_wall; /* it was switched off for a night or a weekend */
    age->ms += (uint64_t)lived;
    age->mono_ms = mono;
    age->wall_ms = wall;
    return age->ms;
}

uint64_t
spool_lived_ms(struct spool *sp)
{
    uint64_t ms;

    gate_lock(&sp->gate);
    ms = spool_age_ms(sp);
    gate_unlock(&sp->gate);
    return ms + 1;
}

int64_t
spool_burst_ms(struct spool *sp, int64_t most_ms)
{
    int64_t now = clock_mono_ms(), gap;

    gate_lock(&sp->gate);
    gap = sp->received_ms + RECEPTION_GAP_MS - now;
    if (now - sp->burst_ms >= most_ms)
        gap = 0;
    gate_unlock(&sp->gate);
    return gap > 0 ? gap : 0;
}

size_t
spool_collect_garbage(struct spool *sp)
{
    struct work w = {.kind = WORK_GARBAGE};
    struct err err;

    return committer_do(sp, &w, &err) == 0 ? w.removed : 0;
}
