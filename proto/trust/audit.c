/* audit.c - append to the chain: one thread writes batches, everybody else waits for theirs.
 *
 *     audit_append: hash into the batch, wait
 *     writer: take the batch, seal it > write, sync > HEAD, sync > wake those who wait
 *
 * 1. The chain in memory is at most one batch ahead of the file; a batch that cannot be written is
 *    cut off the file and out of memory, with everything that came behind it.
 * 2. HEAD never names an entry that is not durable.
 * 3. After a failed sync nothing is written any more. */
#include "proto/trust/audit_parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/reserve.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/x509.h"

#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_LOOK_MS 60000

/* ---- a batch (the gate is locked) ---- */

static void
add_entry(struct audit *a, enum audit_event event, const struct audit_field *fields)
{
    struct buf json;

    buf_init(&json, AUDIT_LINE_BYTES - DIGEST_HEX_BYTES - 2);
    audit_write_entry(&json, a->place.n + 1, clock_wall_us(), event, fields, a->patient_key);
    CHECK(!buf_is_over(&json)); /* fields are short, and written in our code */
    audit_add_line(&a->batch, &a->place, (const char *)json.bytes, json.n);
    CHECK(!buf_is_over(&a->batch));
    buf_fini(&json);
}

/* The seal's signature is longer than a word may be: its entry is written here. */
static void
add_seal(struct audit *a)
{
    char signature[AUDIT_SIGNATURE_TEXT], at[40], json[512];
    int n;

    audit_sign(a->key, "seal", NULL, &a->place, signature);
    clock_text(clock_wall_us(), at);
    n = snprintf(json, sizeof json,
                 "{\"n\":%" PRIu64
                 ",\"at\":\"%s\",\"event\":\"AUDIT_SEALED\",\"signature\":\"%s\"}",
                 a->place.n + 1, at, signature);
    CHECK(n > 0 && (size_t)n < sizeof json);
    audit_add_line(&a->batch, &a->place, json, (size_t)n);
}

/* ---- writing ---- */

static int
write_head(struct audit *a, const struct audit_place *place, struct err *err)
{
    char slot[AUDIT_HEAD_SLOT_BYTES];

    audit_head_slot(a->key, place, slot);
    if (durable_write_at(a->head_fd, slot, sizeof slot,
                         (uint64_t)a->head_slot * AUDIT_HEAD_SLOT_BYTES, err) < 0 ||
        durable_sync(a->head_fd, err) < 0)
        return -1;
    a->head_slot ^= 1;
    return 0;
}

/* A full disk takes it in the place of a piece of the reserve. */
static int
write_log(struct audit *a, const struct buf *batch, struct err *err)
{
    int rc;

    while ((rc = durable_write_at(a->log_fd, batch->bytes, batch->n, a->end, err)) < 0 &&
           err->kind == ERR_FULL && reserve_give(a->dir, AUDIT_PIECE_BYTES))
        err_clear(err);
    return rc;
}

/* -1: not kept; *out_is_dead: and nothing may be written any more. */
static int
write_batch(struct audit *a, const struct buf *batch, const struct audit_place *place,
            bool *out_is_dead, struct err *err)
{
    *out_is_dead = false;
    if (write_log(a, batch, err) < 0) {
        *out_is_dead = ftruncate(a->log_fd, (off_t)a->end) < 0;
        return -1;
    }
    *out_is_dead = true;
    if (durable_sync(a->log_fd, err) < 0 || write_head(a, place, err) < 0)
        return -1;
    *out_is_dead = false;
    a->end += batch->n;
    a->durable = *place;
    return 0;
}

static int
close_day(struct audit *a, const char *next_date, struct err *err)
{
    char text[512], name[48];

    audit_day_text(a->key, a->date, &a->durable, text);
    snprintf(name, sizeof name, "heads/%s.head", a->date);
    if (audit_put_file(a, name, text, err) < 0 || audit_open_day(a, next_date, err) < 0)
        return -1;
    reserve_make(a->dir, AUDIT_RESERVE_BYTES);
    return 0;
}

/* The gate is locked. All who wait learn rc. */
static void
settle(struct audit *a, struct audit_waiter *w, int rc, const struct err *err)
{
    while (w != NULL) {
        struct audit_waiter *next = w->next; /* w is gone once it is done */

        w->rc = rc;
        if (rc < 0)
            w->err = *err;
        w->is_done = true;
        w = next;
    }
    gate_wake(&a->gate);
}

static struct audit_waiter *
take_waiters(struct audit *a)
{
    struct audit_waiter *first = TAKE(a->first_waiter);

    a->last_waiter = &a->first_waiter;
    return first;
}

/* The gate is locked. What is in memory and not on disk is gone. */
static void
fall_back(struct audit *a, bool is_dead, struct audit_waiter *taken, const struct err *err)
{
    struct log_ctx log = {.stage = "trust/audit"};

    LOG(&log, TRUST_AUDIT_FAILED, F_ERR(err));
    a->place = a->durable;
    buf_clear(&a->batch);
    if (is_dead) {
        a->is_dead = true;
        a->dead = *err;
    }
    settle(a, taken, -1, err);
    settle(a, take_waiters(a), -1, err);
}

/* The gate is locked, and again on return. False: the batch is lost. */
static bool
write_out(struct audit *a)
{
    struct buf batch;
    struct audit_place place;
    struct audit_waiter *waiters;
    struct err err = {0};
    bool is_dead;
    int rc;

    add_seal(a);
    batch = a->batch;
    buf_init(&a->batch, AUDIT_BATCH_BYTES);
    place = a->place;
    waiters = take_waiters(a);
    gate_unlock(&a->gate);
    rc = write_batch(a, &batch, &place, &is_dead, &err);
    buf_fini(&batch);
    gate_lock(&a->gate);
    if (rc < 0)
        fall_back(a, is_dead, waiters, &err);
    else
        settle(a, waiters, 0, NULL);
    return rc == 0;
}

/* The gate is locked. On a full disk the file of the day before goes on, and this is tried again
 * later. The day is over: say so, seal, sign its head, begin the next file. Entries
 * that come meanwhile follow from what is durable by then, as the new file's header says. */
static void
turn_day(struct audit *a, const char *date)
{
    struct err err = {0};

    add_entry(a, AUDIT_DAY_CLOSED, NULL);
    if (write_out(a)) {
        if (close_day(a, date, &err) == 0)
            return;
        fall_back(a, err.kind != ERR_FULL, NULL, &err);
    }
    a->turn_at_ms = clock_mono_ms() + DAY_LOOK_MS;
}

void *
audit_run(void *arg)
{
    struct audit *a = arg;
    char date[AUDIT_DATE_BYTES];

    gate_lock(&a->gate);
    for (;;) {
        audit_today(date);
        if (strcmp(date, a->date) > 0 && !a->is_dead && clock_mono_ms() >= a->turn_at_ms)
            turn_day(a, date);
        else if (a->batch.n > 0)
            write_out(a);
        else if (a->is_ending)
            break;
        else
            gate_wait_ms(&a->gate, DAY_LOOK_MS);
    }
    gate_unlock(&a->gate);
    return NULL;
}

/* The gate is locked. */
static int
take_entry(struct audit *a, enum audit_event event, const struct audit_field *fields,
           struct err *err)
{
    if (a->is_dead || a->is_ending) {
        *err = a->is_dead ? a->dead : (struct err){.kind = ERR_RETRY, .text = "closed"};
        return err_context(err, "audit log (ended)");
    }
    if (a->batch.n + (size_t)4 * AUDIT_LINE_BYTES > AUDIT_BATCH_BYTES)
        return err_set(err, ERR_RETRY, "the audit log cannot keep up");
    add_entry(a, event, fields);
    gate_wake(&a->gate);
    return 0;
}

bool
audit_is_login(const char *by)
{
    static const char signs[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    size_t n = strlen(by);

    return n > 0 && n <= 64 && strspn(by, signs) == n;
}

int
audit_append_fields(struct audit *a, enum audit_event event, const struct audit_field *fields,
                    struct err *err)
{
    struct audit_waiter w = {0};
    int rc;

    gate_lock(&a->gate);
    rc = take_entry(a, event, fields, err);
    if (rc == 0) {
        *a->last_waiter = &w;
        a->last_waiter = &w.next;
        while (!w.is_done)
            gate_wait(&a->gate);
    }
    gate_unlock(&a->gate);
    if (rc == 0 && w.rc < 0) {
        *err = w.err;
        rc = err_context(err, "audit log");
    }
    return rc;
}

int
audit_note_fields(struct audit *a, enum audit_event event, const struct audit_field *fields,
                  struct err *err)
{
    int rc;

    gate_lock(&a->gate);
    rc = take_entry(a, event, fields, err);
    gate_unlock(&a->gate);
    return rc;
}

void
audit_close(struct audit **audit)
{
    struct audit *a = TAKE(*audit);

    if (a == NULL)
        return;
    if (a->is_running) {
        struct err err = {0}; /* that it cannot be written was logged by the writer */

        if (audit_append(a, &err, AUDIT_CLOSED) < 0)
            a->is_dead = true;
        gate_lock(&a->gate);
        a->is_ending = true;
        gate_wake(&a->gate);
        gate_unlock(&a->gate);
        thread_join(a->thread);
    }
    for (size_t i = 0; i < 3; i++) {
        int fd = i == 0 ? a->log_fd : i == 1 ? a->head_fd : a->lock_fd;

        if (fd >= 0)
            close(fd);
    }
    gate_fini(&a->gate);
    buf_fini(&a->batch);
    EVP_PKEY_free(a->key);
    secret_wipe(a->patient_key, sizeof a->patient_key);
    free(a->service);
    free(a->dir);
    free(a);
}
