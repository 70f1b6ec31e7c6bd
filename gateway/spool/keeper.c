/* keeper.c - keeps the journal: appends what a batch did, begins a new one when it must.
 * A journal that failed once is never written again (invariant 3): the next one begins with a
 * snapshot of the ledger, which holds only what has been reported. */
#include "gateway/spool/internal.h"

#include "gateway/spool/log.h"

#include "proto/base/durable.h"
#include "proto/base/reserve.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    AGE_NUMBERS = 5,
    RESERVE_JOURNALS = 3
}; /* another one after a restart, and what both grow by */
#define SNAPSHOT_BYTES (4ull << 30)

/* Begin a framed body: returns where its length goes. */
static size_t
frame_begin(struct buf *b)
{
    size_t at = b->n;

    buf_add_le32(b, 0);
    return at;
}

static void
frame_end(struct buf *b, size_t at)
{
    if (!buf_is_over(b))
        le32_write(b->bytes + at, (uint32_t)(b->n - at - 4));
}

/* Everything that is known, as bodies; locked. */
static void
take_snapshot(struct spool *sp, struct buf *b)
{
    const struct ledger *l = &sp->ledger;
    size_t at;

    for (size_t i = 0; i < l->n; i++) {
        at = frame_begin(b);
        journal_body_entry(b, &l->entries[i]->r);
        frame_end(b, at);
    }
    for (size_t i = 0; i < l->studies_n; i++) {
        at = frame_begin(b);
        journal_body_study(b, l->studies[i]);
        frame_end(b, at);
    }
    for (size_t i = 0; i < l->numbers_n; i++) {
        at = frame_begin(b);
        journal_body_number(b, l->numbers[i].name, l->numbers[i].value);
        frame_end(b, at);
    }
    for (size_t i = 0; i < sp->segments_n; i++) {
        if (sp->segments[i].cut == SPOOL_UNCUT)
            continue;
        at = frame_begin(b);
        journal_body_cut(b, sp->segments[i].number, sp->segments[i].cut);
        frame_end(b, at);
    }
    at = frame_begin(b);
    journal_body_snapshot_end(b, l->next_id, sp->next_segment);
    frame_end(b, at);
}

/* Older journals are of no use any more; one that comes back after a crash has a smaller number. */
static void
remove_older(struct spool *sp, uint64_t number)
{
    char path[PATH_MAX], name[64];
    struct dirent *d;
    DIR *dir;

    snprintf(path, sizeof path, "%s/journal", sp->dir);
    dir = opendir(path);
    if (dir == NULL)
        return;
    snprintf(name, sizeof name, "%016" PRIx64 ".jnl", number);
    while ((d = readdir(dir)) != NULL)
        if (strlen(d->d_name) == strlen(name) && strcmp(d->d_name, name) < 0) {
            snprintf(path, sizeof path, "%s/journal/%s", sp->dir, d->d_name);
            if (unlink(path) < 0)
                LOG(&sp->log, SPOOL_NOT_REMOVED, F_WORD("file", d->d_name));
        }
    closedir(dir);
}

static void
set_sick(struct spool *sp, bool is_sick)
{
    gate_lock(&sp->gate);
    sp->is_journal_sick = is_sick;
    gate_unlock(&sp->gate);
}

/* What is written with the age. Locked. */
static size_t
numbers_now(struct spool *sp, const char *names[AGE_NUMBERS], uint64_t values[AGE_NUMBERS])
{
    uint64_t age = spool_age_ms(sp); /* first: it moves the wall clock's */
    const struct {
        const char *name;
        uint64_t value;
    } now[] = {
        {SPOOL_AGE, age},
        {SPOOL_AGE_WALL, (uint64_t)sp->age.wall_ms},
        {SPOOL_PACE, sp->room.bytes_a_day},
        {SPOOL_PACE_HELD, sp->pace.bytes_a_day},
        {SPOOL_PACE_AGE, sp->pace.age_ms},
    };

    for (size_t i = 0; i < ARRAY_LEN(now); i++) {
        names[i] = now[i].name;
        values[i] = now[i].value;
    }
    return ARRAY_LEN(now);
}

int
keeper_renew(struct spool *sp, struct err *err)
{
    struct journal *fresh = NULL;
    const char *names[AGE_NUMBERS];
    uint64_t values[AGE_NUMBERS];
    bool is_replaced = false;
    struct buf b;
    size_t n;
    int rc;

    buf_init(&b, SNAPSHOT_BYTES);
    gate_lock(&sp->gate);
    n = numbers_now(sp, names, values);
    for (size_t i = 0; i < n; i++)
        *ledger_number(&sp->ledger, names[i], true) = values[i];
    take_snapshot(sp, &b);
    gate_unlock(&sp->gate);
    if (buf_is_over(&b))
        rc = err_set(err, ERR_FULL, "the journal's snapshot is past its limit");
    else
        rc = journal_create(sp->dir, sp->next_journal++, &b, &fresh, &is_replaced, err);
    buf_fini(&b);
    if (rc < 0) {
        if (is_replaced)
            journal_close(&sp->journal);
        return -1;
    }
    journal_close(&sp->journal);
    sp->journal = fresh;
    set_sick(sp, false);
    remove_older(sp, journal_number(fresh));
    reserve_make(sp->dir, RESERVE_JOURNALS * journal_room(fresh));
    LOG(&sp->log, SPOOL_JOURNAL_RENEWED, F_NUMBER("journal", journal_number(fresh)));
    return 0;
}

static bool
has_body(const struct work *w)
{
    return w->rc == 0 && !w->is_done && w->body.n > 0;
}

static int
append_bodies(struct spool *sp, struct work *batch, struct err *err)
{
    for (struct work *w = batch; w != NULL; w = w->next)
        if (has_body(w) && journal_append(sp->journal, w->body.bytes, w->body.n, err) < 0)
            return -1;
    return journal_sync(sp->journal, err);
}

static void
fail_bodies(struct work *batch, const struct err *err)
{
    for (struct work *w = batch; w != NULL; w = w->next)
        if (has_body(w)) {
            w->rc = -1;
            w->err = *err;
        }
}

/* The old journal cannot be trusted with more: begin anew, or be sick until that works. */
static void
start_over(struct spool *sp, const struct err *why)
{
    struct err err = {0};

    journal_close(&sp->journal);
    if (keeper_renew(sp, &err) == 0)
        return;
    set_sick(sp, true);
    LOG(&sp->log, SPOOL_JOURNAL_SICK, F_ERR(why), F_WORD("renewal", err_kind_name(err.kind)));
}

void
keeper_write(struct spool *sp, struct work *batch)
{
    struct err err = {0};
    bool is_needed = false;

    for (struct work *w = batch; w != NULL; w = w->next)
        is_needed = is_needed || has_body(w);
    if (!is_needed)
        return;
    if (sp->journal == NULL && keeper_renew(sp, &err) < 0) {
        fail_bodies(batch, &err);
        return;
    }
    if (append_bodies(sp, batch, &err) < 0) {
        fail_bodies(batch, &err);
        start_over(sp, &err);
        return;
    }
}

void
keeper_note_age(struct spool *sp)
{
    struct work notes[AGE_NUMBERS] = {{.kind = WORK_BODY}};
    const char *names[AGE_NUMBERS];
    uint64_t values[AGE_NUMBERS];
    size_t n;

    gate_lock(&sp->gate);
    n = numbers_now(sp, names, values);
    gate_unlock(&sp->gate);
    for (size_t i = 0; i < n; i++) {
        notes[i].kind = WORK_BODY;
        notes[i].next = i + 1 < n ? &notes[i + 1] : NULL;
        buf_init(&notes[i].body, JOURNAL_BODY_BYTES);
        journal_body_number(&notes[i].body, names[i], values[i]);
    }
    keeper_write(sp, notes);
    for (size_t i = 0; i < n; i++)
        buf_fini(&notes[i].body);
}

/* Only between batches: the snapshot must hold all that the old journal says. */
void
keeper_tidy(struct spool *sp)
{
    struct err err = {0};

    if (sp->journal != NULL && journal_is_long(sp->journal, sp->options.journal_bytes) &&
        keeper_renew(sp, &err) < 0)
        LOG(&sp->log, SPOOL_JOURNAL_SICK, F_ERR(&err));
}
