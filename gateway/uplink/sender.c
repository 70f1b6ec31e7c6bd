/* sender.c - one connection: take the next bundle of the plan, send it, note the answer. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PIECES = 512, LEAST_BUNDLE = 65536, PIECE_HEAD_BYTES = 64, REFUSED_WAIT_MS = 5000 };

/* About a second of the line by its speed now: small enough that a cut costs little, large enough
 * that a long round trip does not matter. Several connections share the line. */
static uint64_t
bundle_size(struct up_line *line)
{
    uint64_t speed = meter_read(&line->meter, clock_mono_ms());
    uint64_t size = line->up->o.bundle_bytes;

    if (line->bucket.rate > 0 && line->bucket.rate < speed)
        speed = line->bucket.rate;
    if (speed > 0 && speed < size)
        size = speed;
    if (line->bucket.rate > 0 && line->bucket.rate < size)
        size = line->bucket.rate;
    return size < LEAST_BUNDLE ? LEAST_BUNDLE : size;
}

/* Wait for something that may go; 0: stopping, or the line does not serve any more. */
static size_t
next_bundle(struct up_line *line, struct plan_piece *pieces)
{
    struct uplink *up = line->up;
    int64_t wait_ms;
    size_t n = 0;

    gate_lock(&up->gate);
    while (!up->is_stopping && line_is_serving(line)) {
        n = plan_take(up->plan, bundle_size(line), pieces, MAX_PIECES, clock_mono_ms(), &wait_ms);
        if (n > 0)
            break;
        if (wait_ms < 0)
            gate_wait(&up->gate);
        else
            gate_wait_ms(&up->gate, wait_ms + 1);
    }
    gate_unlock(&up->gate);
    return n;
}

static int
add_piece(struct buf *bundle, const struct plan_piece *piece, const struct spool_bytes *from,
          uint8_t *room, struct err *err)
{
    if (piece->offset > from->size || piece->n > from->size - piece->offset)
        return err_set(err, ERR_FATAL, "a range beyond the end of its file");
    if (durable_read_at(from->fd, room, (size_t)piece->n, from->offset + piece->offset, err) < 0)
        return -1;
    return link_bundle_add(bundle, piece->object, piece->offset, room, (size_t)piece->n,
                           piece->may_deflate, err);
}

/* The bundle's bytes. A piece that cannot be read stays out: *out_n says how many are in, the rest
 * has been given back. */
static size_t
build(struct uplink *up, struct plan_piece *pieces, size_t n, struct buf *bundle)
{
    uint8_t *room = mem_new(LIMIT_BUNDLE_PIECE_BYTES);
    struct spool_bytes from = {.fd = -1};
    uint64_t open_id = 0;
    size_t kept = 0;

    link_bundle_begin(bundle);
    for (size_t i = 0; i < n; i++) {
        struct log_ctx ctx = log_of_entry(pieces[i].id);
        struct err err = {0};
        int rc = 0;

        if (from.fd < 0 || open_id != pieces[i].id) {
            if (from.fd >= 0)
                close(from.fd);
            from.fd = -1;
            rc = spool_source_object(up->spool, pieces[i].id, &from, &err);
            open_id = pieces[i].id;
        }
        if (rc == 0)
            rc = add_piece(bundle, &pieces[i], &from, room, &err);
        if (rc == 0) {
            pieces[kept++] = pieces[i];
            continue;
        }
        LOG(&ctx, UPLINK_SPOOL_TROUBLE, F_ERR(&err));
        gate_lock(&up->gate);
        plan_failed(up->plan, &pieces[i], 1);
        gate_unlock(&up->gate);
    }
    link_bundle_end(bundle);
    if (from.fd >= 0)
        close(from.fd);
    free(room);
    return kept;
}

static void
note_answer(struct uplink *up, const struct plan_piece *pieces, size_t n,
            const struct link_answer *answer)
{
    gate_lock(&up->gate);
    plan_arrived(up->plan, pieces, n);
    gate_unlock(&up->gate);
    for (size_t k = 0; k < answer->count; k++)
        for (size_t i = 0; i < n; i++) {
            if (memcmp(pieces[i].object, answer->objects[k].object, LINK_HASH_BYTES) != 0)
                continue;
            if (i > 0 && pieces[i].id == pieces[i - 1].id)
                continue; /* said once for each entry */
            settle_object(up, pieces[i].id, &answer->objects[k], false);
        }
}

static void
send_bundle(struct talk *t, struct plan_piece *pieces, size_t n, struct buf *bundle)
{
    struct uplink *up = t->up;
    struct link_answer answer = {0};
    struct err err = {0};

    buf_clear(bundle);
    n = build(up, pieces, n, bundle);
    if (n == 0) {
        up_rest(up, REFUSED_WAIT_MS);
        return;
    }
    if (talk_bundle(t, bundle, &answer, &err) == 0) {
        note_answer(up, pieces, n, &answer);
        link_answer_free(&answer);
        return;
    }
    gate_lock(&up->gate);
    plan_failed(up->plan, pieces, n);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    if (!err_kind_is_retried(err.kind) && err.kind != ERR_DENIED) {
        LOG(&uplink_log, UPLINK_CALL_REFUSED, F_ERR(&err));
        up_rest(up, REFUSED_WAIT_MS);
    }
}

void *
sender_run(void *arg)
{
    struct up_line *line = arg;
    struct uplink *up = line->up;
    struct plan_piece *pieces = mem_new(MAX_PIECES * sizeof *pieces);
    struct talk talk;
    struct buf bundle;
    unsigned number;

    buf_init(&bundle, LIMIT_BUNDLE_BYTES);
    talk_init(&talk, up, line, up->o.stall_ms);
    gate_lock(&up->gate);
    number = line->begun++;
    gate_unlock(&up->gate);
    while (line_wait_serving(line, number)) {
        size_t n = next_bundle(line, pieces);

        if (n > 0)
            send_bundle(&talk, pieces, n, &bundle);
    }
    talk_fini(&talk);
    buf_fini(&bundle);
    free(pieces);
    return NULL;
}
