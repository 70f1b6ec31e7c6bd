/* events.c - the event feed, by a durable cursor. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>

enum { LOOK_AGAIN_MS = 2000 }; /* another process may have written */
/* The clocks of two hosts that wrote events, one after the other, may differ so much. */
static const int64_t clocks_us = INT64_C(3600000000);

void
events_note(struct event_list *list, const char *kind, const char *detail)
{
    CHECK(list->n < ARRAY_LEN(list->e));
    list->e[list->n].kind = kind;
    CHECK(text_copy(list->e[list->n].detail, sizeof list->e[0].detail, detail));
    list->n++;
}

int
events_write(struct pg_conn *conn, const char *tenant, const char *study,
             const struct event_list *list, struct err *err)
{
    for (size_t i = 0; i < list->n; i++)
        if (pg_run(conn, "event_add",
                   PG_ARGS(PG_TEXT(tenant), PG_TEXT(list->e[i].kind), PG_TEXT(study),
                           PG_INT(clock_wall_us()), PG_TEXT(list->e[i].detail)),
                   NULL, err) < 0)
            return -1;
    return 0;
}

int
keep_events(struct keep *k, const char *tenant, uint64_t after, uint64_t limit,
            keep_on_event on_event, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t number = 0;

    if (after > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    if (limit == 0 || limit > LIMIT_QUERY_RESULTS)
        limit = LIMIT_QUERY_RESULTS;
    if ((tenant != NULL && tenant_number(k, tenant, &number, err) < 0) ||
        keep_run(k, "events_after",
                 PG_ARGS(tenant != NULL ? PG_INT(number) : PG_NULL, PG_INT(after), PG_INT(limit)),
                 &rows, err) < 0)
        return -1;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct keep_event e = {.seq = (uint64_t)pg_int(rows, i, 0),
                               .at_us = pg_int(rows, i, 4),
                               .detail = pg_text(rows, i, 5)};

        text_copy(e.tenant, sizeof e.tenant, pg_text(rows, i, 1));
        text_copy(e.kind, sizeof e.kind, pg_text(rows, i, 2));
        text_copy(e.study, sizeof e.study, pg_text(rows, i, 3));
        if (on_event(user, &e) != 0)
            break;
    }
    pg_rows_free(&rows);
    return 0;
}

int
keep_event_is_known(struct keep *k, const char *tenant, uint64_t seq, int64_t at_us,
                    bool *out_is_known, uint64_t *out_next, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (seq > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    if (keep_run(k, "event_is_known",
                 PG_ARGS(PG_TEXT(tenant), PG_INT(seq), PG_INT(at_us), PG_INT(at_us - clocks_us)),
                 &rows, err) < 0)
        return -1;
    *out_is_known = pg_truth(rows, 0, 0);
    *out_next = (uint64_t)pg_int(rows, 0, 1);
    pg_rows_free(&rows);
    return 0;
}

/* Waits for the next change after `seen`, or for wait_ms. */
static void
wait_change(struct keep *k, uint64_t seen, int64_t wait_ms)
{
    gate_lock(&k->gate);
    if (k->changes == seen && !k->is_closing)
        gate_wait_ms(&k->gate, wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS);
    gate_unlock(&k->gate);
}

static uint64_t
changes_now(struct keep *k)
{
    uint64_t now;

    gate_lock(&k->gate);
    now = k->changes;
    gate_unlock(&k->gate);
    return now;
}

static int
stop_at_first(void *user, const struct keep_event *event)
{
    (void)event;
    *(bool *)user = true;
    return 1;
}

void
keep_events_wait(struct keep *k, const char *tenant, uint64_t after, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms;

    for (;;) {
        uint64_t seen = changes_now(k);
        bool is_there = false;
        int64_t left = until - clock_mono_ms();
        struct err err;

        if (keep_events(k, tenant, after, 1, stop_at_first, &is_there, &err) < 0 || is_there ||
            left <= 0)
            return; /* an error shows itself to the caller's own keep_events() */
        wait_change(k, seen, left);
    }
}
