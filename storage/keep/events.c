/* events.c - the event feed and the receipts, both by durable cursors. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>

enum { LOOK_AGAIN_MS = 2000 }; /* another process may have written */

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
receipt_promise(struct pg_conn *conn, int64_t instance, const uint8_t object[32],
                const char *device, struct err *err)
{
    struct pg_rows *rows = NULL;
    bool is_sealed;

    if (pg_run(conn, "receipts_lock", PG_NO_ARGS, NULL, err) < 0 ||
        pg_run(conn, "duplicate_add",
               PG_ARGS(PG_INT(instance), PG_BYTES(object, 32), PG_TEXT(device),
                       PG_INT(clock_wall_us())),
               NULL, err) < 0 ||
        pg_run(conn, "instance_is_sealed", PG_ARGS(PG_INT(instance)), &rows, err) < 0)
        return -1;
    is_sealed = pg_rows_count(rows) > 0 && pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    if (!is_sealed)
        return 0; /* the seal will see the row */
    return pg_run(
        conn, "receipt_again",
        PG_ARGS(PG_INT(instance), PG_TEXT(device), PG_BYTES(object, 32), PG_INT(clock_wall_us())),
        NULL, err);
}

int
keep_events(struct keep *k, const char *tenant, uint64_t after, uint64_t limit,
            keep_on_event on_event, void *user, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (after > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    if (limit == 0 || limit > LIMIT_QUERY_RESULTS)
        limit = LIMIT_QUERY_RESULTS;
    if (keep_run(k, "events_after", PG_ARGS(PG_TEXT(tenant), PG_INT(after), PG_INT(limit)), &rows,
                 err) < 0)
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

static int
read_receipts(struct keep *k, const struct keep_sender *sender, uint64_t after,
              struct link_receipts *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "receipts_after",
                 PG_ARGS(PG_TEXT(sender->tenant), PG_TEXT(sender->device), PG_INT(after),
                         PG_INT(LIMIT_RECEIPTS)),
                 &rows, err) < 0)
        return -1;
    *out = (struct link_receipts){.next = after, .count = pg_rows_count(rows)};
    out->receipts = mem_new((out->count + 1) * sizeof *out->receipts);
    for (size_t i = 0; i < out->count; i++) {
        struct link_receipt *r = &out->receipts[i];

        r->seq = (uint64_t)pg_int(rows, i, 0);
        pg_copy_bytes(rows, i, 1, r->object, sizeof r->object);
        text_copy(r->sop_instance, sizeof r->sop_instance, pg_text(rows, i, 2));
        text_copy(r->study, sizeof r->study, pg_text(rows, i, 3));
        pg_copy_bytes(rows, i, 4, r->pack, sizeof r->pack);
        r->copies = (uint32_t)pg_int(rows, i, 5);
        r->at_us = pg_int(rows, i, 6);
        r->state = LINK_SEALED;
        out->next = r->seq;
    }
    pg_rows_free(&rows);
    return 0;
}

int
keep_receipts(struct keep *k, const struct keep_sender *sender, uint64_t after, int64_t wait_ms,
              struct link_receipts *out, struct err *err)
{
    int64_t until = clock_mono_ms() + wait_ms;

    if (after > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    for (;;) {
        uint64_t seen = changes_now(k);
        int64_t left = until - clock_mono_ms();

        if (read_receipts(k, sender, after, out, err) < 0)
            return -1;
        if (out->count > 0 || left <= 0 || k->is_closing)
            return 0;
        link_receipts_free(out);
        wait_change(k, seen, left);
    }
}
