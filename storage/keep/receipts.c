/* receipts.c - receipts by a durable cursor, and who waits for them. A thousand gateways wait at
 * once: each is woken for its own clinic only, and one query a second looks for what other
 * processes wrote for any of them. */
#include "storage/keep/keep_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000 };

/* A long poll, in its own thread's frame. */
struct receipt_waiter {
    struct receipt_waiter *next;
    const char *tenant;
    bool is_rung;
    struct bell bell;
};

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
receipt_promise_now(struct keep *k, const struct keep_sender *sender, int64_t instance,
                    const uint8_t object[32], struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(k->pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 &&
        receipt_promise(conn, instance, object, sender->device, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    if (rc == 0)
        receipts_ring(k, sender->tenant);
    return rc;
}

int
receipt_owe(struct keep *k, const struct keep_sender *sender, const uint8_t object[32],
            struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = 0;

    if (keep_run(k, "receipt_owed",
                 PG_ARGS(PG_TEXT(sender->tenant), PG_BYTES(object, 32), PG_TEXT(sender->device)),
                 &rows, err) < 0)
        return -1;
    if (pg_rows_count(rows) > 0)
        rc = receipt_promise_now(k, sender, pg_int(rows, 0, 0), object, err);
    pg_rows_free(&rows);
    return rc;
}

static int
read_receipts(struct keep *k, const struct keep_sender *sender, uint64_t after,
              struct link_receipts *out, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t tenant;

    if (tenant_number(k, sender->tenant, &tenant, err) < 0 ||
        keep_run(
            k, "receipts_after",
            PG_ARGS(PG_INT(tenant), PG_TEXT(sender->device), PG_INT(after), PG_INT(LIMIT_RECEIPTS)),
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

void
receipts_ring(struct keep *k, const char *tenant)
{
    gate_lock(&k->receipts_gate);
    for (struct receipt_waiter *w = k->receipt_waiters; w != NULL; w = w->next)
        if (tenant == NULL || strcmp(w->tenant, tenant) == 0) {
            w->is_rung = true;
            bell_ring(&w->bell);
        }
    gate_unlock(&k->receipts_gate);
}

static bool
somebody_waits(struct keep *k)
{
    bool is;

    gate_lock(&k->receipts_gate);
    is = k->receipt_waiters != NULL;
    gate_unlock(&k->receipts_gate);
    return is;
}

/* From here on; who waits already looks once more. */
static int
begin_looking(struct keep *k, int64_t now_ms, struct err *err)
{
    struct pg_rows *rows = NULL;

    if (keep_run(k, "receipts_latest", PG_NO_ARGS, &rows, err) < 0)
        return -1;
    k->receipts_seen = pg_int(rows, 0, 0);
    k->receipts_looked_ms = now_ms;
    pg_rows_free(&rows);
    receipts_ring(k, NULL);
    return 0;
}

/* Called by the working thread alone. A sequence number is drawn under a lock that lasts to the
 * commit (seal.sql), so what is past the latest seen is new. */
int
receipts_look(struct keep *k, struct err *err)
{
    struct pg_rows *rows = NULL;
    int64_t now_ms = clock_mono_ms();

    if (now_ms - k->receipts_looked_ms < LOOK_MS || !somebody_waits(k))
        return 0;
    if (k->receipts_looked_ms == 0)
        return begin_looking(k, now_ms, err);
    if (keep_run(k, "receipts_news", PG_ARGS(PG_INT(k->receipts_seen)), &rows, err) < 0)
        return -1;
    k->receipts_looked_ms = now_ms;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        if (pg_int(rows, i, 1) > k->receipts_seen)
            k->receipts_seen = pg_int(rows, i, 1);
        receipts_ring(k, pg_text(rows, i, 0));
    }
    pg_rows_free(&rows);
    return 0;
}

static void
begin_wait(struct keep *k, struct receipt_waiter *w)
{
    bell_init(&w->bell);
    gate_lock(&k->receipts_gate);
    w->next = k->receipt_waiters;
    k->receipt_waiters = w;
    gate_unlock(&k->receipts_gate);
}

static void
end_wait(struct keep *k, struct receipt_waiter *w)
{
    struct receipt_waiter **at = &k->receipt_waiters;

    gate_lock(&k->receipts_gate);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    gate_unlock(&k->receipts_gate);
    bell_fini(&w->bell);
}

/* Until there may be something (true), or the time is over, or nobody is there to be told. */
static bool
wait_rung(struct keep *k, struct receipt_waiter *w, int64_t until_ms, const struct keep_wait *wait)
{
    bool is_rung;

    gate_lock(&k->receipts_gate);
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();

        if (w->is_rung || left_ms <= 0 || (wait->is_over != NULL && wait->is_over(wait->user)))
            break;
        bell_wait_ms(&w->bell, &k->receipts_gate, left_ms < LOOK_MS ? left_ms : LOOK_MS);
    }
    is_rung = w->is_rung;
    w->is_rung = false;
    gate_unlock(&k->receipts_gate);
    return is_rung;
}

int
keep_receipts(struct keep *k, const struct keep_sender *sender, uint64_t after,
              const struct keep_wait *wait, struct link_receipts *out, struct err *err)
{
    struct receipt_waiter w = {.tenant = sender->tenant};
    int64_t until_ms = clock_mono_ms() + wait->ms;
    int rc;

    if (after > INT64_MAX)
        return err_set(err, ERR_REJECT, "no such cursor");
    begin_wait(k, &w); /* before the first look, so that nothing comes between */
    for (;;) {
        rc = read_receipts(k, sender, after, out, err);
        if (rc < 0 || out->count > 0 || !wait_rung(k, &w, until_ms, wait))
            break;
        link_receipts_free(out);
    }
    end_wait(k, &w);
    return rc;
}
