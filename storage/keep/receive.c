/* receive.c - offers of gateways. What the catalog does not know gets a landing row, all of an
 * offer in one transaction, before any of them is taken: looks wait for their offer's answer. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEX = 64, BUSY_MS = 2000 };

struct offering {
    struct keep *k;
    const struct keep_sender *sender;
    const struct link_offer_object *o;
    struct link_object_state *out;
    bool is_landing; /* its bytes are to come */
    bool is_conflict;
    bool is_left_out; /* there is no room for it: no answer, it is offered again */
    int64_t until_ms; /* no longer does it wait for who looks into it */
};

/* The sender waits for a receipt of an instance that came before, under this or another file. */
static int
promise_receipt(const struct offering *f, int64_t instance, struct err *err)
{
    return receipt_promise_now(f->k, f->sender, instance, f->o->object, err);
}

/* This very file is in the catalog. */
static int
offer_known(const struct offering *f, const struct pg_rows *row, struct err *err)
{
    bool is_packed = pg_truth(row, 0, 1), is_sealed = pg_truth(row, 0, 6);

    if (pg_truth(row, 0, 3)) {
        landing_tell(f->out, f->o->object, LINK_QUARANTINED, NULL);
        return 0;
    }
    if ((is_packed || strcmp(pg_text(row, 0, 2), f->sender->device) != 0) &&
        promise_receipt(f, pg_int(row, 0, 0), err) < 0)
        return -1;
    landing_tell(f->out, f->o->object, is_sealed ? LINK_SEALED : LINK_HELD, NULL);
    return 0;
}

static int
put_row(const struct offering *f, struct pg_conn *conn, struct err *err)
{
    const struct link_offer_object *o = f->o;
    struct pg_arg recipe = o->recipe != NULL ? PG_BYTES(o->recipe, o->recipe_n) : PG_NULL;
    struct pg_arg layout = o->layout != NULL ? PG_BYTES(o->layout, o->layout_n) : PG_NULL;

    return pg_run(conn, "landing_put",
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

/* Nothing of it is in the catalog: its row is made or found with those of the others. */
static int
offer_landing(struct offering *f, bool is_conflict)
{
    f->is_landing = true;
    f->is_conflict = is_conflict;
    return 0;
}

/* Is it the offer's first of its study? */
static bool
is_first_of_study(const struct offering *all, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (all[k].is_landing && strcmp(all[k].o->study, all[i].o->study) == 0)
            return false;
    return true;
}

static int
by_object(const void *a, const void *b)
{
    const struct offering *const *x = a, *const *y = b;

    return memcmp((*x)->o->object, (*y)->o->object, 32);
}

/* In one order for all: two offers of the same objects wait for each other's rows, never both. */
static int
put_rows(struct keep *k, const struct offering *all, size_t n, struct err *err)
{
    const struct offering **sorted = mem_new((n + 1) * sizeof *sorted);
    struct pg_conn *conn = NULL;
    size_t count = 0;
    int rc = -1;

    for (size_t i = 0; i < n; i++)
        if (all[i].is_landing)
            sorted[count++] = &all[i];
    qsort(sorted, count, sizeof *sorted, by_object);
    if (pg_get(k->pg, &conn, err) < 0 || pg_begin(conn, err) < 0)
        goto out;
    for (size_t i = 0; i < count; i++)
        if (put_row(sorted[i], conn, err) < 0) {
            err_context(err, "object %zu", (size_t)(sorted[i] - all));
            goto out;
        }
    rc = pg_commit(conn, err);
out:
    pg_put(&conn);
    free(sorted);
    return rc;
}

/* Take the place whose row is there, and finish it if its bytes are all there (a crash, or
 * PostgreSQL away, between the last byte and the catalog). */
static int
land(const struct offering *f, struct err *err)
{
    struct landing_object *o = NULL;
    bool is_ended, is_others;
    uint64_t size;
    int rc = -1;

    if (landing_stays_busy(f->k, f->sender->tenant, f->o->object, f->until_ms, &size)) {
        landing_tell_whole(f->out, f->o->object, size);
        return 0;
    }
    if (landing_take(f->k, f->sender->tenant, f->o->object, &o, err) < 0)
        return -1;
    gate_lock(&o->gate);
    is_ended = o->is_ended;
    gate_unlock(&o->gate);
    if (is_ended) /* catalogued since it was looked for: the row just put is nobody's */
        rc = keep_run(f->k, "landing_delete",
                      PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), NULL, err);
    else if (o->offer.size != f->o->size)
        err_set(err, ERR_REJECT, "one hash, two sizes");
    else if (landing_settle(f->k, &o, 1, err) == 0) /* also what a bundle that hangs has brought */
        rc = landing_finish(f->k, o, err);
    gate_lock(&o->gate);
    if (rc == 0)
        landing_tell(f->out, o->object,
                     f->is_conflict && !o->is_ended && o->state != LINK_BAD ? LINK_CONFLICT
                                                                            : o->state,
                     &o->file.have);
    is_others = rc == 0 && o->is_ended && strcmp(o->device, f->sender->device) != 0;
    gate_unlock(&o->gate);
    landing_release(f->k, &o);
    return is_others ? receipt_owe(f->k, f->sender, f->o->object, err) : rc;
}

/* In the catalog, in no pack, and its file is gone: the catalog is older than the disk beside it
 * (it was restored), or the disk was lost. It may also have been sealed, and cleaned away, between
 * two looks. */
static int
are_bytes_lost(const struct offering *f, const struct pg_rows *row, bool *out, struct err *err)
{
    struct pg_rows *again = NULL;

    *out = pg_rows_count(row) > 0 && !pg_truth(row, 0, 1) &&
           !landing_is_there(f->k, pg_text(row, 0, 5));
    if (!*out)
        return 0;
    if (keep_run(f->k, "instance_by_object",
                 PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), &again, err) < 0)
        return -1;
    *out = pg_rows_count(again) > 0 && !pg_truth(again, 0, 1);
    pg_rows_free(&again);
    return 0;
}

/* Nothing more of it is to come: people wait for it no more. One that is whole keeps its row, which
 * its file goes with (landing_sweep.c). */
static int
forget_row(const struct offering *f, struct err *err)
{
    char name[LANDING_NAME_SIZE];

    landing_whole_name(f->sender->tenant, f->o->object, name);
    if (landing_is_there(f->k, name))
        return 0;
    return keep_run(f->k, "landing_delete",
                    PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), NULL, err);
}

/* Another file of the same image is in the catalog: that will do, if it is there. */
static int
offer_twin(struct offering *f, const struct pg_rows *other, struct err *err)
{
    struct pg_rows *again = NULL;
    bool is_lost = arrival_is_lost(f->k, other);

    if (is_lost) { /* it may have been sealed, and cleaned away, between two looks */
        if (keep_run(f->k, "instance_by_sop",
                     PG_ARGS(PG_TEXT(f->sender->tenant), PG_TEXT(f->o->sop_instance)), &again,
                     err) < 0)
            return -1;
        is_lost = pg_rows_count(again) > 0 && arrival_is_lost(f->k, again);
        pg_rows_free(&again);
    }
    if (is_lost)
        return offer_landing(f, false); /* its bytes are the only ones */
    if (promise_receipt(f, pg_int(other, 0, 0), err) < 0 || forget_row(f, err) < 0)
        return -1;
    landing_tell(f->out, f->o->object, LINK_DUPLICATE, NULL);
    return 0;
}

static int
offer_one(struct offering *f, struct err *err)
{
    struct pg_rows *same = NULL, *other = NULL;
    uint8_t pixels[32], dataset[32];
    bool is_lost;
    int rc = -1;

    /* In this order: what commits between the two is then found as this very file, not as a twin.
     */
    if (keep_run(f->k, "instance_by_sop",
                 PG_ARGS(PG_TEXT(f->sender->tenant), PG_TEXT(f->o->sop_instance)), &other,
                 err) < 0 ||
        keep_run(f->k, "instance_by_object",
                 PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32)), &same, err) < 0)
        goto out;
    if (are_bytes_lost(f, same, &is_lost, err) < 0)
        goto out;
    if (is_lost) {
        rc = offer_landing(f, false); /* its row waits for the bytes to come back */
    } else if (pg_rows_count(same) > 0) {
        rc = offer_known(f, same, err);
    } else if (pg_rows_count(other) > 0) {
        pg_copy_bytes(other, 0, 2, pixels, 32);
        pg_copy_bytes(other, 0, 3, dataset, 32);
        if (memcmp(pixels, f->o->pixels, 32) == 0 && memcmp(dataset, f->o->dataset, 32) == 0) {
            rc = offer_twin(f, other, err);
        } else {
            rc = offer_landing(f, true);
        }
    } else {
        rc = offer_landing(f, false);
    }
out:
    pg_rows_free(&same);
    pg_rows_free(&other);
    return rc;
}

/* Bytes of it are here, whatever the catalog says. */
static bool
has_file(const struct offering *f)
{
    char name[LANDING_NAME_SIZE], part[LANDING_NAME_SIZE + 16], hex[HEX + 1];

    hex_encode(f->o->object, 32, hex);
    snprintf(part, sizeof part, "partial/%s-%s.part", f->sender->tenant, hex);
    landing_whole_name(f->sender->tenant, f->o->object, name);
    return landing_is_there(f->k, name) || landing_is_there(f->k, part);
}

/* It, or others of its study: what is begun of a study only leaves the landing when all of it is
 * here and packed. */
static int
is_begun(const struct offering *f, bool *out, struct err *err)
{
    struct pg_rows *rows = NULL;

    *out = has_file(f);
    if (*out)
        return 0;
    if (keep_run(
            f->k, "landing_is_begun",
            PG_ARGS(PG_TEXT(f->sender->tenant), PG_BYTES(f->o->object, 32), PG_TEXT(f->o->study)),
            &rows, err) < 0)
        return -1;
    *out = pg_truth(rows, 0, 0);
    pg_rows_free(&rows);
    return 0;
}

/* Where there is no room to begin, what is begun passes while there is room to end; the rest gets
 * no answer. If that is all of the offer, the offer is told so: its sender waits then. */
static int
leave_out(struct keep *k, struct offering *all, size_t n, struct err *err)
{
    size_t left_out = 0;
    bool may_end;

    if (room_to_begin(k, false, err) == 0)
        return 0;
    if (err->kind != ERR_FULL)
        return -1;
    may_end = room_to_end(k, false, err) == 0;
    if (!may_end && err->kind != ERR_FULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        bool passes = false;

        if (!all[i].is_landing)
            continue;
        if (may_end && is_begun(&all[i], &passes, err) < 0)
            return err_context(err, "object %zu", i);
        all[i].is_landing = passes;
        all[i].is_left_out = !passes;
        left_out += !passes;
    }
    return left_out > 0 && left_out == n
               ? err_set(err, ERR_FULL, "no room on the landing disk for %zu objects", n)
               : 0;
}

/* Its row may have gone since it was put: another sender's bytes of it were catalogued meanwhile.
 */
static int
land_or_look_again(struct offering *f, struct err *err)
{
    if (land(f, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    f->is_landing = f->is_conflict = false;
    if (offer_one(f, err) < 0)
        return -1;
    return f->is_landing ? err_set(err, ERR_RETRY, "it changes hands just now") : 0;
}

/* Those that the catalog does not know. */
static int
land_all(struct keep *k, struct offering *all, size_t n, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + BUSY_MS;
    size_t landing = 0;

    for (size_t i = 0; i < n; i++) {
        landing += all[i].is_landing;
        all[i].until_ms = until_ms;
    }
    if (landing > 0 && leave_out(k, all, n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (all[i].is_landing && is_first_of_study(all, i) && tell_study_arrived(&all[i], err) < 0)
            return -1;
    if (landing > 0 && put_rows(k, all, n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (all[i].is_landing && land_or_look_again(&all[i], err) < 0)
            return err_context(err, "object %zu", i);
    return 0;
}

static void
answer_the_rest(const struct offering *all, struct link_answer *answer)
{
    size_t n = answer->count;

    answer->count = 0;
    for (size_t i = 0; i < n; i++)
        if (!all[i].is_left_out)
            answer->objects[answer->count++] = *all[i].out;
}

int
keep_offer(struct keep *k, const struct keep_sender *sender, const struct link_offer *offer,
           struct link_answer *out, struct err *err)
{
    struct link_answer answer = {mem_new((offer->count + 1) * sizeof *answer.objects),
                                 offer->count};
    struct offering *all = mem_new((offer->count + 1) * sizeof *all);
    int rc = -1;

    for (size_t i = 0; i < offer->count; i++) {
        all[i] = (struct offering){
            .k = k, .sender = sender, .o = &offer->objects[i], .out = &answer.objects[i]};
        if (offer_one(&all[i], err) < 0) {
            err_context(err, "object %zu", i);
            goto out;
        }
    }
    if (land_all(k, all, offer->count, err) < 0)
        goto out;
    answer_the_rest(all, &answer);
    *out = answer;
    answer = (struct link_answer){0};
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "offer");
    free(all);
    link_answer_free(&answer);
    return rc;
}

void
keep_hurry(struct keep *k, const struct keep_sender *sender, const char *studies)
{
    const char *at = studies;

    for (unsigned i = 0; i < LINK_STAT_STUDIES && *at != '\0'; i++) {
        size_t n = strcspn(at, " ");
        char study[LINK_UID_SIZE];

        snprintf(study, sizeof study, "%.*s", n < sizeof study ? (int)n : 0, at);
        if (uid_is_valid(study, true))
            finish_hurry(k, sender->tenant, study);
        at += n + strspn(at + n, " ");
    }
}
