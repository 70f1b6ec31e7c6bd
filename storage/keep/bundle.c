/* bundle.c - ranges of objects as they come. What came counts piece by piece: a group of pieces is
 * made durable as soon as it is worth a sync (128 KiB; more while many bundles come at once), and
 * what a cut bundle has left is settled when its connection ends, or when one of its objects is
 * offered again, whichever is first. Open files are few, however many objects a bundle touches.
 * What became whole is finished elsewhere (finish.h) and not looked at again before the bundle's
 * end: whoever finishes it holds its gate meanwhile, and the receiving waits for nobody. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"
#include "storage/keep/share.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUP_BYTES = 131072,
    GROUP_MOST = 16,     /* times that, when many bundles come at once */
    BUNDLES_A_GROUP = 8, /* so many more bundles, one more */
    OPEN_OBJECTS = 64,   /* in one bundle: two descriptors each */
    BUSY_MS = 2000       /* no piece waits longer for who looks into its object */
};

struct touched {
    struct landing_object *o; /* NULL: see says */
    struct link_object_state says;
    uint8_t object[32];
    int64_t busy_until_ms; /* none of its pieces waits longer for who looks into it; 0: none did */
    bool is_others;        /* another device offered it first, and has its receipt */
};

struct keep_bundle {
    struct keep *k;
    char tenant[KEEP_CODE_SIZE], device[KEEP_NAME_SIZE];
    struct touched *touched;
    size_t n, room, last;
    struct landing_object *open[OPEN_OBJECTS]; /* of touched */
    size_t open_n;
    struct landing_object **passed_on; /* of touched: being finished, or that is done */
    size_t passed_on_n, passed_on_room;
    uint64_t unsettled; /* bytes */
    struct finish_group due;
};

int
keep_bundle_begin(struct keep *k, const struct keep_sender *sender, struct keep_bundle **out,
                  struct err *err)
{
    struct keep_bundle *b = mem_new(sizeof *b);

    (void)err;
    b->k = k;
    text_copy(b->tenant, sizeof b->tenant, sender->tenant);
    text_copy(b->device, sizeof b->device, sender->device);
    gate_lock(&k->gate);
    k->bundles++;
    gate_unlock(&k->gate);
    *out = b;
    return 0;
}

static uint64_t
group_bytes(struct keep *k)
{
    unsigned times;

    gate_lock(&k->gate);
    times = 1 + k->bundles / BUNDLES_A_GROUP;
    gate_unlock(&k->gate);
    return (uint64_t)GROUP_BYTES * (times < GROUP_MOST ? times : GROUP_MOST);
}

/* ---- which objects ---- */

static struct touched *
touched_of(struct keep_bundle *b, const struct landing_object *o)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->touched[(b->last + i) % b->n].o == o)
            return &b->touched[(b->last + i) % b->n];
    CHECK(!"an open object that was not touched");
    return NULL;
}

static void
note_state(const struct keep_bundle *b, struct touched *t)
{
    free(t->says.have);
    gate_lock(&t->o->gate);
    landing_tell(&t->says, t->object, t->o->state, &t->o->file.have);
    t->is_others = strcmp(t->o->device, b->device) != 0;
    gate_unlock(&t->o->gate);
}

/* May it be let go? Not what is still to be finished (its holder does it), nor the one that is
 * being written, whose next piece is most likely here. */
static bool
is_at_rest(const struct keep_bundle *b, struct landing_object *o)
{
    bool is_finishing;

    if (b->n > 0 && b->touched[b->last].o == o)
        return false;
    gate_lock(&o->gate);
    is_finishing = o->is_verified && !o->is_ended;
    gate_unlock(&o->gate);
    return !is_finishing;
}

static void
let_one_go(struct keep_bundle *b, struct landing_object *o)
{
    struct touched *t = touched_of(b, o);

    note_state(b, t);
    landing_release(b->k, &t->o);
}

static void
let_go(struct keep_bundle *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->open_n; i++)
        if (is_at_rest(b, b->open[i]))
            let_one_go(b, b->open[i]);
        else
            b->open[kept++] = b->open[i];
    b->open_n = kept;
}

static bool
pass_one_on(struct keep_bundle *b, struct landing_object *o)
{
    bool is_due;

    gate_lock(&o->gate);
    is_due = o->is_verified && !o->is_ended;
    gate_unlock(&o->gate);
    if (!is_due || !finish_put(b->k, o, &b->due))
        return false;
    if (b->passed_on_n == b->passed_on_room) {
        b->passed_on_room = b->passed_on_room == 0 ? 16 : 2 * b->passed_on_room;
        b->passed_on = mem_grow(b->passed_on, b->passed_on_room * sizeof(struct landing_object *));
    }
    b->passed_on[b->passed_on_n++] = o;
    return true;
}

/* What became whole goes on beside the receiving, once. */
static void
pass_on(struct keep_bundle *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->open_n; i++)
        if (!pass_one_on(b, b->open[i]))
            b->open[kept++] = b->open[i];
    b->open_n = kept;
}

static int
settle(struct keep_bundle *b, struct err *err)
{
    int rc;

    share_enter(b->k->share, b->tenant, b->unsettled);
    rc = landing_settle(b->k, b->open, b->open_n, err);
    pass_on(b);
    share_leave(b->k->share);
    if (rc < 0)
        return -1;
    b->unsettled = 0;
    let_go(b);
    return 0;
}

static int
finish_all(struct keep_bundle *b, struct landing_object **objects, size_t *n, struct err *err)
{
    for (size_t i = 0; i < *n; i++)
        if (landing_finish(b->k, objects[i], err) < 0)
            return -1;
    for (size_t i = 0; i < *n; i++)
        let_one_go(b, objects[i]);
    *n = 0;
    return 0;
}

/* Wait for what is being finished, do here what could not be, and let all go. */
static int
finish(struct keep_bundle *b, struct err *err)
{
    finish_wait(b->k, &b->due);
    if (finish_all(b, b->passed_on, &b->passed_on_n, err) < 0)
        return -1;
    return finish_all(b, b->open, &b->open_n, err);
}

/* Pieces for what is catalogued already are let through: the answer to an earlier bundle was lost.
 */
static int
find_known(struct keep_bundle *b, struct touched *t, struct err *err)
{
    static const char *const queries[] = {"instance_by_object", "duplicate_by_object"};

    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct pg_rows *rows = NULL;
        bool is_there;

        if (keep_run(b->k, queries[i], PG_ARGS(PG_TEXT(b->tenant), PG_BYTES(t->object, 32)), &rows,
                     err) < 0)
            return -1;
        is_there = pg_rows_count(rows) > 0;
        if (is_there)
            landing_tell(&t->says, t->object,
                         i == 1                 ? LINK_DUPLICATE
                         : pg_truth(rows, 0, 3) ? LINK_QUARANTINED
                                                : LINK_HELD,
                         NULL);
        pg_rows_free(&rows);
        t->is_others = true; /* perhaps: receipt_owe() knows */
        if (is_there)
            return 0;
    }
    return err_set(err, ERR_REJECT, "a piece of an object that was not offered");
}

static struct touched *
find_touched(struct keep_bundle *b, const uint8_t object[32])
{
    for (size_t i = 0; i < b->n; i++) {
        size_t at = (b->last + i) % b->n;

        if (memcmp(b->touched[at].object, object, 32) == 0) {
            b->last = at;
            return &b->touched[at];
        }
    }
    return NULL;
}

static int
add_touched(struct keep_bundle *b, const uint8_t object[32], struct err *err)
{
    if (b->n >= LIMIT_BUNDLE_OBJECTS)
        return err_set(err, ERR_REJECT, "too many objects in one bundle");
    if (b->n == b->room) {
        b->room = b->room == 0 ? 16 : 2 * b->room;
        b->touched = mem_grow(b->touched, b->room * sizeof *b->touched);
    }
    memset(&b->touched[b->n], 0, sizeof *b->touched);
    memcpy(b->touched[b->n].object, object, 32);
    b->last = b->n++;
    return 0;
}

/* The object in memory; *out NULL: it is in the catalog already. */
static int
touch(struct keep_bundle *b, const uint8_t object[32], struct landing_object **out, struct err *err)
{
    struct touched *t = find_touched(b, object);
    uint64_t size;

    if (t == NULL) {
        if (add_touched(b, object, err) < 0)
            return -1;
        t = &b->touched[b->last];
    }
    if (t->o == NULL &&
        (t->says.have == NULL || t->says.state <= LINK_LOOKED || t->says.state == LINK_BAD)) {
        if (b->open_n == OPEN_OBJECTS && settle(b, err) < 0)
            return -1;
        if (b->open_n == OPEN_OBJECTS && finish(b, err) < 0)
            return -1;
        if (t->busy_until_ms == 0)
            t->busy_until_ms = clock_mono_ms() + BUSY_MS;
        if (landing_stays_busy(b->k, b->tenant, object, t->busy_until_ms, &size)) {
            free(t->says.have);
            landing_tell_whole(&t->says, object, size);
        } else if (landing_take(b->k, b->tenant, object, &t->o, err) == 0) {
            b->open[b->open_n++] = t->o;
        } else if (err->kind != ERR_NOT_FOUND || find_known(b, t, err) < 0) {
            return -1;
        }
    }
    *out = t->o;
    return 0;
}

/* ---- pieces ---- */

/* Under the object's gate, so that nothing is written into a file that was verified. */
static int
write_piece(struct landing_object *o, const struct link_piece *piece, struct err *err)
{
    if (o->is_ended || o->file.is_whole || landing_file_is_complete(&o->file))
        return 0;
    if (piece->offset > o->offer.size || piece->n > o->offer.size - piece->offset)
        return err_set(err, ERR_REJECT, "a piece outside its object");
    if (landing_file_make(&o->file, err) < 0)
        return -1;
    return landing_file_write(&o->file, piece->offset, piece->bytes, piece->n, err);
}

int
keep_bundle_piece(struct keep_bundle *b, const struct link_piece *piece, struct err *err)
{
    struct landing_object *o = NULL;
    int rc;

    if (touch(b, piece->object, &o, err) < 0)
        return -1;
    if (o == NULL)
        return 0;
    if (b->unsettled == 0 && room_to_end(b->k, false, err) < 0) /* once for each group */
        return -1;
    gate_lock(&o->gate);
    rc = write_piece(o, piece, err);
    gate_unlock(&o->gate);
    if (rc < 0)
        return -1;
    traffic_note(b->k->traffic, b->tenant, o->offer.study, piece->n);
    b->unsettled += piece->n;
    return b->unsettled >= group_bytes(b->k) ? settle(b, err) : 0;
}

/* Who is told that it is kept gets a receipt, whoever began it. */
static int
promise_receipts(struct keep_bundle *b, struct err *err)
{
    const struct keep_sender sender = {.tenant = b->tenant, .device = b->device};

    for (size_t i = 0; i < b->n; i++) {
        const struct touched *t = &b->touched[i];

        if (t->is_others && t->says.have != NULL &&
            (t->says.state == LINK_HELD || t->says.state == LINK_DUPLICATE) &&
            receipt_owe(b->k, &sender, t->object, err) < 0)
            return -1;
    }
    return 0;
}

int
keep_bundle_end(struct keep_bundle *b, struct link_answer *out, struct err *err)
{
    struct link_answer answer = {0};

    if (settle(b, err) < 0 || finish(b, err) < 0 || promise_receipts(b, err) < 0)
        return err_context(err, "bundle");
    answer.objects = mem_new((b->n + 1) * sizeof *answer.objects);
    for (size_t i = 0; i < b->n; i++) {
        if (b->touched[i].says.have == NULL)
            continue; /* its first piece was not taken */
        answer.objects[answer.count++] = b->touched[i].says;
        b->touched[i].says.have = NULL;
    }
    *out = answer;
    return 0;
}

void
keep_bundle_free(struct keep_bundle **bundle)
{
    struct keep_bundle *b = TAKE(*bundle);
    struct log_ctx ctx = keep_log;
    struct err err = {0};

    if (b == NULL)
        return;
    ctx.tenant = b->tenant;
    if (b->unsettled > 0) {
        LOG(&ctx, KEEP_BUNDLE_CUT, F_BYTES(b->unsettled));
        if (settle(b, &err) < 0) /* then it is sent again */
            LOG(&ctx, KEEP_WORK_FAILED, F_ERR(&err));
    }
    finish_wait(b->k, &b->due);
    for (size_t i = 0; i < b->n; i++) {
        landing_release(b->k, &b->touched[i].o);
        free(b->touched[i].says.have);
    }
    gate_lock(&b->k->gate);
    b->k->bundles--;
    gate_unlock(&b->k->gate);
    free(b->passed_on);
    free(b->touched);
    free(b);
}
