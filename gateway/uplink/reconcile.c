/* reconcile.c - when a comparison is due, and what is remembered of the last. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME "reconcile.json"
#define ASK_NAME "reconcile.ask"     /* a person's wish */
#define ASKED_NAME "reconcile.asked" /* taken notice of, not done yet */
#define DUE "reconcile_due"
#define CURSOR "receipts"
#define CURSOR_AT "receipts_at"
/* Of the time between two comparisons: how far those of many gateways spread, how soon one is
 * tried again, and how soon it is looked whether what was found is repaired. */
enum { SPREAD_PART = 1440, AGAIN_PART = 1440, FOLLOW_PART = 144, AGAIN_MOST = 32 };

/* ---- what is remembered ---- */

static int
read_last(const char *dir, struct link_reconciled *out, struct err *err)
{
    char *path = mem_printf("%s/" FILE_NAME, dir);
    uint8_t *bytes = NULL;
    size_t n;
    int rc = durable_get_file(path, LIMIT_HTTP_JSON_BYTES, &bytes, &n, err);

    if (rc == 0)
        rc = link_reconciled_decode(bytes, n, out, err);
    free(bytes);
    free(path);
    return rc;
}

/* Is a wish left that was taken notice of? */
static bool
is_wish_left(const char *dir)
{
    char *path = mem_printf("%s/" ASKED_NAME, dir);
    bool is_there = access(path, F_OK) == 0;

    free(path);
    return is_there;
}

/* One that cannot be read is as none: a comparison is due. */
void
reconcile_begin(struct uplink *up)
{
    struct err err = {0};

    up->reconciler.is_asked = up->dir != NULL && is_wish_left(up->dir);
    up->reconciler.is_kept_due = spool_number_get(up->spool, DUE) != 0;
    if (up->dir != NULL && read_last(up->dir, &up->reconciler.last, &err) < 0 &&
        err.kind != ERR_NOT_FOUND)
        LOG(&uplink_log, UPLINK_RECONCILE_UNREAD, F_ERR(&err));
    /* a program that marked nothing in the spool may have found it: marked before the day is over
     */
    up->reconciler.is_follow_up = up->reconciler.last.lost > 0;
}

void
reconcile_end(struct uplink *up)
{
    link_reconciled_free(&up->reconciler.last);
}

/* A wish that came after this one began is not done by it. Gone without a sync: a power cut costs a
 * comparison. */
static int
forget_wish(struct uplink *up, struct err *err)
{
    char *path = mem_printf("%s/" ASKED_NAME, up->dir);
    int rc = 0;

    gate_lock(&up->gate);
    if (up->reconciler.was_asked && !up->reconciler.is_asked && unlink(path) < 0 && errno != ENOENT)
        rc = err_sys(err, ERR_RETRY, "remove %s", path);
    gate_unlock(&up->gate);
    free(path);
    return rc;
}

static int
remember(struct uplink *up, const struct link_reconciled *done, struct err *err)
{
    bool is_due_again;
    struct buf text;
    int rc = 0;

    if (up->dir != NULL) {
        buf_init(&text, LIMIT_HTTP_JSON_BYTES);
        link_reconciled_encode(done, &text);
        rc = durable_put_file(up->dir, FILE_NAME, text.bytes, text.n, err);
        buf_fini(&text);
        if (rc == 0)
            rc = forget_wish(up, err);
    }
    gate_lock(&up->gate);
    is_due_again = up->reconciler.lost_before != up->reconciler.lost_cursors;
    gate_unlock(&up->gate);
    if (rc == 0 && !is_due_again && spool_number_get(up->spool, DUE) != 0)
        rc = spool_number_set(up->spool, DUE, 0, err);
    return rc;
}

int
reconcile_cursor_lost(struct uplink *up, uint64_t last, struct err *err)
{
    uint64_t was = spool_number_get(up->spool, CURSOR);

    gate_lock(&up->gate);
    up->reconciler.lost_cursors++; /* before the number: one under way does not take it back */
    gate_unlock(&up->gate);
    if (spool_number_set(up->spool, DUE, 1, err) < 0 ||
        spool_number_set(up->spool, CURSOR, last, err) < 0 || /* first: with the old mark it is */
        spool_number_set(up->spool, CURSOR_AT, 0, err) < 0)   /* said to be lost once more */
        return err_context(err, "begin receipts anew");
    LOG(&uplink_log, UPLINK_CENTRE_SET_BACK, F_NUMBER("cursor", was), F_NUMBER("centre", last));
    gate_lock(&up->gate);
    up->reconciler.is_kept_due = true;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    return 0;
}

void
reconcile_heard(struct uplink *up, const struct link_ping *ping)
{
    struct reconciler *r = &up->reconciler;
    bool is_news = r->catalog != ping->catalog || r->wanted_us != ping->reconcile_us;

    r->catalog = ping->catalog;
    r->wanted_us = ping->reconcile_us;
    if (is_news)
        gate_wake(&up->gate);
}

/* ---- when ---- */

static int64_t
part(const struct uplink *up, int n)
{
    int64_t ms = up->o.reconcile_ms / n;

    return ms < 1 ? 1 : ms;
}

/* Gate held. Somebody waits for it, or what the desk shows may be wrong now. */
static bool
is_urgent(const struct uplink *up)
{
    const struct reconciler *r = &up->reconciler;

    return r->is_asked || r->is_kept_due ||
           (r->wanted_us != 0 && r->last.at_us + up->clock_offset_ms * 1000 < r->wanted_us);
}

/* Gate held. */
static bool
is_due(const struct uplink *up)
{
    const struct reconciler *r = &up->reconciler;
    int64_t age_us = clock_wall_us() - r->last.at_us;

    return r->last.at_us == 0 || r->last.catalog != r->catalog || r->is_follow_up || age_us < 0 ||
           age_us / 1000 >= up->o.reconcile_ms;
}

/* Gate held: how long until it begins; 0: now. */
static int64_t
wait_ms(struct uplink *up, int64_t now_ms)
{
    struct reconciler *r = &up->reconciler;
    int64_t until = r->start_ms;

    if (r->catalog == 0)
        return part(up, SPREAD_PART); /* a centre that cannot compare, or is away */
    if (is_urgent(up)) {
        until = r->failures > 0 ? r->not_before_ms : now_ms;
        if (!r->is_asked && !r->is_kept_due && until < r->wish_after_ms)
            until = r->wish_after_ms; /* the clocks of two hosts need not agree on "since" */
    } else if (!is_due(up)) {
        r->start_ms = 0;
        return part(up, SPREAD_PART);
    } else {
        if (r->start_ms == 0)
            r->start_ms = now_ms + (int64_t)(up_chance() * (double)part(up, SPREAD_PART));
        until = r->start_ms > r->not_before_ms ? r->start_ms : r->not_before_ms;
    }
    return until > now_ms ? until - now_ms : 0;
}

/* False: stopping, or no line. */
static bool
wait_due(struct uplink *up)
{
    bool is_on = false;

    gate_lock(&up->gate);
    while (!up->is_stopping && serving_best(up) != NULL) {
        int64_t left = wait_ms(up, clock_mono_ms());

        if (left == 0) {
            is_on = up->reconciler.is_running = true;
            up->reconciler.was_asked = up->reconciler.is_asked;
            up->reconciler.is_asked = false;
            up->reconciler.lost_before = up->reconciler.lost_cursors;
            up->reconciler.start_ms = 0;
            break;
        }
        gate_wait_ms(&up->gate, left);
    }
    gate_unlock(&up->gate);
    return is_on;
}

/* ---- one ---- */

static void
tell_log(const struct link_reconciled *done)
{
    const struct log_field fields[] = {
        F_NUMBER("days", done->days),         F_NUMBER("studies", done->studies),
        F_NUMBER("objects", done->objects),   F_NUMBER("different", done->different),
        F_NUMBER("repaired", done->repaired), F_NUMBER("lost", done->lost)};

    if (done->lost > 0)
        LOG(&uplink_log, UPLINK_RECONCILED_LOST, fields[0], fields[1], fields[2], fields[3],
            fields[4], fields[5]);
    else if (done->different > 0)
        LOG(&uplink_log, UPLINK_RECONCILED_DIFFERENT, fields[0], fields[1], fields[2], fields[3],
            fields[4], fields[5]);
    else
        LOG(&uplink_log, UPLINK_RECONCILED, fields[0], fields[1], fields[2], fields[3], fields[4],
            fields[5]);
}

static void
note_end(struct uplink *up, struct link_reconciled *done, bool is_told)
{
    struct reconciler *r = &up->reconciler;
    int64_t now_ms = clock_mono_ms();

    gate_lock(&up->gate);
    r->is_running = false;
    if (is_told) {
        link_reconciled_free(&r->last);
        r->last = *done;
        *done = (struct link_reconciled){0};
        r->told_different = r->repaired = 0;
        r->failures = 0;
        r->wish_after_ms = now_ms + part(up, AGAIN_PART);
        r->is_kept_due = r->is_kept_due && r->lost_before != r->lost_cursors;
        r->is_follow_up = r->last.repaired > 0;
        r->not_before_ms = r->is_follow_up ? now_ms + part(up, FOLLOW_PART) : 0;
    } else { /* what it did is told by the next */
        r->is_asked = r->is_asked || r->was_asked;
        r->told_different = done->different;
        r->repaired = done->repaired;
        r->failures += r->failures < AGAIN_MOST;
        r->not_before_ms = now_ms + part(up, AGAIN_PART) * r->failures;
    }
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

static void
reconcile_once(struct uplink *up, struct talk *t)
{
    struct link_reconciled done = {0};
    struct err err = {0};
    bool is_told = false;

    gate_lock(&up->gate);
    done.different = up->reconciler.told_different;
    done.repaired = up->reconciler.repaired;
    gate_unlock(&up->gate);
    if (reconcile_pass(up, t, &done, &err) == 0 && talk_reconciled(t, &done, &err) == 0 &&
        remember(up, &done, &err) == 0) {
        tell_log(&done);
        is_told = true;
    } else if (!up_is_stopping(up)) {
        LOG(&uplink_log, UPLINK_RECONCILE_FAILED, F_ERR(&err));
    }
    note_end(up, &done, is_told);
    link_reconciled_free(&done);
}

void *
reconcile_run(void *arg)
{
    struct uplink *up = arg;
    struct talk talk;

    talk_init(&talk, up, NULL, up->o.stall_ms);
    while (serving_wait(up)) {
        if (!wait_due(up))
            continue;
        reconcile_once(up, &talk);
        talk_hang_up(&talk);
    }
    talk_fini(&talk);
    return NULL;
}

/* Gate held. */
static void
mark_asked(struct uplink *up)
{
    up->reconciler.is_asked = true;
    up->reconciler.failures = 0;
    gate_wake(&up->gate);
}

int
uplink_ask_reconcile(const char *dir, struct err *err)
{
    return durable_put_file(dir, ASK_NAME, "", 0, err);
}

/* The wish keeps a file, of one name or the other, until it is done. */
void
reconcile_look(struct uplink *up)
{
    struct err err = {0};
    char *path, *asked;

    if (up->dir == NULL)
        return;
    path = mem_printf("%s/" ASK_NAME, up->dir);
    asked = mem_printf("%s/" ASKED_NAME, up->dir);
    gate_lock(&up->gate); /* forget_wish() sees both the file and the mark, or neither */
    if (rename(path, asked) == 0)
        mark_asked(up);
    else if (errno != ENOENT)
        (void)err_sys(&err, ERR_RETRY, "take notice of %s", path);
    gate_unlock(&up->gate);
    if (err.kind != ERR_NONE)
        LOG(&uplink_log, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
    free(asked);
    free(path);
}

int
uplink_last_reconciled(const char *dir, struct uplink_reconciled *out, struct err *err)
{
    struct link_reconciled last;

    if (read_last(dir, &last, err) < 0)
        return -1;
    *out = (struct uplink_reconciled){.at_us = last.at_us,
                                      .objects = last.objects,
                                      .different = last.different,
                                      .repaired = last.repaired,
                                      .lost = last.lost};
    link_reconciled_free(&last);
    return 0;
}

void
uplink_reconcile(struct uplink *up)
{
    gate_lock(&up->gate);
    mark_asked(up);
    gate_unlock(&up->gate);
}
