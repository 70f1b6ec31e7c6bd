/* receive.c - offers and bundles of gateways. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void
tell_state(struct link_object_state *out, const uint8_t object[32], enum link_state state,
           const struct ranges *have)
{
    size_t n = have != NULL && have->n <= LIMIT_LANDING_RANGES ? have->n : 0;

    memcpy(out->object, object, 32);
    out->state = state;
    out->have_n = n;
    out->have = mem_new((n + 1) * sizeof *out->have);
    if (n > 0)
        memcpy(out->have, have->r, n * sizeof *out->have);
}

/* ---- offers ---- */

struct offering {
    struct keep *k;
    const struct keep_sender *sender;
    const struct link_offer_object *o;
    struct link_object_state *out;
};

/* The sender waits for a receipt of an instance that came before, under this or another file. */
static int
promise_receipt(const struct offering *f, int64_t instance, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(f->k->pg, &conn, err) < 0)
        return -1;
    if (pg_begin(conn, err) == 0 &&
        receipt_promise(conn, instance, f->o->object, f->sender->device, err) == 0)
        rc = pg_commit(conn, err);
    pg_put(&conn);
    if (rc == 0)
        keep_wake(f->k, false);
    return rc;
}

/* This very file is in the catalog. */
static int
offer_known(const struct offering *f, const struct pg_rows *row, struct err *err)
{
    bool is_sealed = pg_truth(row, 0, 1);

    if (pg_truth(row, 0, 3)) {
        tell_state(f->out, f->o->object, LINK_QUARANTINED, NULL);
        return 0;
    }
    if ((is_sealed || strcmp(pg_text(row, 0, 2), f->sender->device) != 0) &&
        promise_receipt(f, pg_int(row, 0, 0), err) < 0)
        return -1;
    tell_state(f->out, f->o->object, is_sealed ? LINK_SEALED : LINK_HELD, NULL);
    return 0;
}

static int
put_row(const struct offering *f, struct err *err)
{
    const struct link_offer_object *o = f->o;
    struct pg_arg recipe = o->recipe != NULL ? PG_BYTES(o->recipe, o->recipe_n) : PG_NULL;
    struct pg_arg layout = o->layout != NULL ? PG_BYTES(o->layout, o->layout_n) : PG_NULL;

    return keep_run(f->k, "landing_put",
                    PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(o->object, 32),
                            PG_TEXT(f->sender->device), PG_INT(o->size), PG_TEXT(o->study),
                            PG_TEXT(o->series), PG_TEXT(o->sop_class), PG_TEXT(o->sop_instance),
                            PG_TEXT(o->transfer_syntax), PG_TEXT(o->received_syntax),
                            PG_BYTES(o->pixels, 32), PG_BYTES(o->dataset, 32),
                            PG_BYTES(o->received, 32), recipe, layout, PG_INT(clock_wall_us())),
                    NULL, err);
}

/* The first offer of a study that nothing is known of is an event. */
static int
tell_study_arrived(const struct offering *f, struct err *err)
{
    struct event_list events = {.n = 0};
    struct pg_rows *rows = NULL;
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(f->k->pg, &conn, err) < 0)
        return -1;
    if (pg_run(conn, "study_is_known", PG_ARGS(PG_TEXT(f->sender->tenant), PG_TEXT(f->o->study)),
               &rows, err) < 0)
        goto out;
    if (!pg_truth(rows, 0, 0))
        events_note(&events, "study.arrived", "{}");
    rc = events_write(conn, f->sender->tenant, f->o->study, &events, err);
out:
    pg_rows_free(&rows);
    pg_put(&conn);
    return rc;
}

/* Nothing of it is in the catalog: make or find its place, and finish it if its bytes are all there
 * (a crash, or PostgreSQL away, between the last byte and the catalog). */
static int
offer_landing(const struct offering *f, bool is_conflict, struct err *err)
{
    static const struct ranges nothing;
    struct landing_object *o = NULL;
    int rc = -1;

    if (tell_study_arrived(f, err) < 0 || put_row(f, err) < 0)
        return -1;
    if (landing_take(f->k, f->sender->tenant, f->o->object, &o, err) < 0)
        return -1;
    gate_lock(&o->gate);
    if (o->is_ended) /* catalogued since it was looked for: the row just put is nobody's */
        rc = keep_run(f->k, "landing_delete",
                      PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), NULL, err);
    else if (o->offer.size != f->o->size)
        err_set(err, ERR_REJECT, "one hash, two sizes");
    else
        rc = landing_advance(f->k, o, &nothing, err);
    if (rc == 0)
        tell_state(f->out, o->object,
                   is_conflict && !o->is_ended && o->state != LINK_BAD ? LINK_CONFLICT : o->state,
                   &o->file.have);
    gate_unlock(&o->gate);
    landing_release(f->k, &o);
    return rc;
}

static int
offer_one(const struct offering *f, struct err *err)
{
    struct pg_rows *same = NULL, *other = NULL;
    uint8_t pixels[32], dataset[32];
    int rc = -1;

    /* In this order: what commits between the two is then found as this very file, not as a twin.
     */
    if (keep_run(f->k, "instance_by_sop",
                 PG_ARGS(PG_TEXT(f->sender->tenant), PG_TEXT(f->o->sop_instance)), &other,
                 err) < 0 ||
        keep_run(f->k, "instance_by_object",
                 PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), &same, err) < 0)
        goto out;
    if (pg_rows_count(same) > 0) {
        rc = offer_known(f, same, err);
    } else if (pg_rows_count(other) > 0) {
        pg_copy_bytes(other, 0, 2, pixels, 32);
        pg_copy_bytes(other, 0, 3, dataset, 32);
        if (memcmp(pixels, f->o->pixels, 32) == 0 && memcmp(dataset, f->o->dataset, 32) == 0) {
            rc = promise_receipt(f, pg_int(other, 0, 0), err);
            tell_state(f->out, f->o->object, LINK_DUPLICATE, NULL);
        } else {
            rc = offer_landing(f, true, err);
        }
    } else {
        rc = offer_landing(f, false, err);
    }
out:
    pg_rows_free(&same);
    pg_rows_free(&other);
    return rc;
}

int
keep_offer(struct keep *k, const struct keep_sender *sender, const struct link_offer *offer,
           struct link_answer *out, struct err *err)
{
    struct link_answer answer = {mem_new((offer->count + 1) * sizeof *answer.objects), 0};
    int rc = -1;

    for (size_t i = 0; i < offer->count; i++) {
        struct offering f = {k, sender, &offer->objects[i], &answer.objects[i]};

        answer.count = i + 1;
        if (offer_one(&f, err) < 0) {
            err_context(err, "offer, object %zu", i);
            goto out;
        }
    }
    *out = answer;
    answer = (struct link_answer){0};
    rc = 0;
out:
    link_answer_free(&answer);
    return rc;
}

/* ---- bundles ---- */

enum { NOTE_BYTES = 131072 }; /* written are made durable together */

struct touched {
    struct landing_object *o; /* NULL: it is in the catalog already, as known says */
    enum link_state known;
    uint8_t object[32];
    struct ranges written; /* not durable yet */
};

struct keep_bundle {
    struct keep *k;
    char tenant[KEEP_CODE_SIZE];
    struct touched *touched;
    size_t n, last;
    uint64_t unnoted;
    bool has_made;           /* files that are new in partial/ */
    struct finish_group due; /* objects whose last byte came */
};

int
keep_bundle_begin(struct keep *k, const struct keep_sender *sender, struct keep_bundle **out,
                  struct err *err)
{
    struct keep_bundle *b = mem_new(sizeof *b);

    (void)err;
    b->k = k;
    text_copy(b->tenant, sizeof b->tenant, sender->tenant);
    *out = b;
    return 0;
}

/* What was written becomes durable; what is whole now goes on beside the receiving. */
static int
note_written(struct keep_bundle *b, struct err *err)
{
    int rc = 0;

    if (b->has_made && landing_sync_partial(b->k->landing, err) < 0)
        return -1;
    b->has_made = false;
    b->unnoted = 0;
    for (size_t i = 0; i < b->n && rc == 0; i++) {
        struct touched *t = &b->touched[i];
        bool is_whole;

        if (t->o == NULL || t->written.n == 0)
            continue;
        gate_lock(&t->o->gate);
        rc = landing_note(b->k, t->o, &t->written, err);
        is_whole = t->o->is_verified && !t->o->is_ended;
        gate_unlock(&t->o->gate);
        ranges_fini(&t->written);
        if (rc == 0 && is_whole)
            finish_put(b->k, t->o, &b->due);
    }
    return rc;
}

/* Every whole piece counts, however the bundle ends. */
void
keep_bundle_free(struct keep_bundle **bundle)
{
    struct keep_bundle *b = TAKE(*bundle);
    struct err err;

    if (b == NULL)
        return;
    err_clear(&err);
    if (note_written(b, &err) < 0)
        LOG(&keep_log, KEEP_WORK_FAILED, F_ERR(&err));
    finish_wait(b->k, &b->due);
    for (size_t i = 0; i < b->n; i++) {
        ranges_fini(&b->touched[i].written);
        landing_release(b->k, &b->touched[i].o);
    }
    free(b->touched);
    free(b);
}

/* Pieces for what is catalogued already are let through: the answer to an earlier bundle was lost.
 */
static int
find_known(struct keep_bundle *b, const uint8_t object[32], enum link_state *out, struct err *err)
{
    static const char *const queries[] = {"instance_by_object", "duplicate_by_object"};

    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct pg_rows *rows = NULL;
        bool is_there;

        if (keep_run(b->k, queries[i], PG_ARGS(PG_TEXT(b->tenant), PG_BYTES(object, 32)), &rows,
                     err) < 0)
            return -1;
        is_there = pg_rows_count(rows) > 0;
        if (is_there)
            *out = i == 1 ? LINK_DUPLICATE : pg_truth(rows, 0, 3) ? LINK_QUARANTINED : LINK_HELD;
        pg_rows_free(&rows);
        if (is_there)
            return 0;
    }
    return err_set(err, ERR_REJECT, "a piece of an object that was not offered");
}

static int
touch(struct keep_bundle *b, const uint8_t object[32], struct touched **out, struct err *err)
{
    struct touched t = {.o = NULL};

    for (size_t i = 0; i < b->n; i++) {
        size_t at = (b->last + i) % b->n;

        if (memcmp(b->touched[at].object, object, 32) == 0) {
            b->last = at;
            *out = &b->touched[at];
            return 0;
        }
    }
    if (b->n >= LIMIT_BUNDLE_OBJECTS)
        return err_set(err, ERR_REJECT, "too many objects in one bundle");
    memcpy(t.object, object, 32);
    if (landing_take(b->k, b->tenant, object, &t.o, err) < 0 &&
        (err->kind != ERR_NOT_FOUND || find_known(b, object, &t.known, err) < 0))
        return -1;
    b->touched = mem_grow(b->touched, (b->n + 1) * sizeof *b->touched);
    b->touched[b->n] = t;
    b->last = b->n;
    *out = &b->touched[b->n++];
    return 0;
}

/* Under the object's gate, so that nothing is written into a file that was verified. */
static int
write_piece(struct keep_bundle *b, struct touched *t, const struct link_piece *piece,
            struct err *err)
{
    struct landing_object *o = t->o;
    bool has_made = false;

    if (o->is_ended || o->file.is_whole)
        return 0;
    if (piece->offset > o->offer.size || piece->n > o->offer.size - piece->offset)
        return err_set(err, ERR_REJECT, "a piece outside its object");
    if (landing_file_make(&o->file, &has_made, err) < 0)
        return -1;
    b->has_made = b->has_made || has_made;
    if (landing_file_write(&o->file, piece->offset, piece->bytes, piece->n, err) < 0)
        return -1;
    ranges_add(&t->written, piece->offset, piece->offset + piece->n);
    b->unnoted += piece->n;
    return 0;
}

int
keep_bundle_piece(struct keep_bundle *b, const struct link_piece *piece, struct err *err)
{
    struct touched *t = NULL;
    int rc;

    if (touch(b, piece->object, &t, err) < 0)
        return -1;
    if (t->o == NULL)
        return 0;
    gate_lock(&t->o->gate);
    rc = write_piece(b, t, piece, err);
    gate_unlock(&t->o->gate);
    if (rc == 0 && b->unnoted >= NOTE_BYTES)
        rc = note_written(b, err);
    return rc;
}

int
keep_bundle_end(struct keep_bundle *b, struct link_answer *out, struct err *err)
{
    static const struct ranges nothing;
    struct link_answer answer = {mem_new((b->n + 1) * sizeof *answer.objects), 0};
    int rc = -1;

    if (note_written(b, err) < 0)
        goto out;
    finish_wait(b->k, &b->due);
    for (size_t i = 0; i < b->n; i++) {
        struct touched *t = &b->touched[i];
        int step = 0;

        answer.count = i + 1;
        if (t->o == NULL) {
            tell_state(&answer.objects[i], t->object, t->known, NULL);
            continue;
        }
        gate_lock(&t->o->gate);
        step = landing_advance(b->k, t->o, &nothing, err); /* what finish.c could not do, too */
        if (step == 0)
            tell_state(&answer.objects[i], t->object, t->o->state, &t->o->file.have);
        gate_unlock(&t->o->gate);
        if (step < 0)
            goto out;
    }
    *out = answer;
    answer = (struct link_answer){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "bundle");
    link_answer_free(&answer);
    return rc;
}
