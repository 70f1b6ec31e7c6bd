/* landing.c - objects on their way, shared by all bundles that touch them. */
#include "storage/keep/landing.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "storage/keep/keep_own.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list of objects in use ---- */

/* Keep's gate held. */
static struct landing_object *
find_open(const struct keep *k, const char *tenant, const uint8_t object[32])
{
    struct landing_object *o = k->open_objects;

    while (o != NULL && (memcmp(o->object, object, 32) != 0 || strcmp(o->tenant, tenant) != 0))
        o = o->next;
    return o;
}

void
landing_set_busy(struct keep *k, struct landing_object *o, bool is_busy)
{
    gate_lock(&k->gate);
    o->is_busy = is_busy;
    if (!is_busy)
        bell_ring(&k->unbusy);
    gate_unlock(&k->gate);
}

bool
landing_stays_busy(struct keep *k, const char *tenant, const uint8_t object[32], int64_t until_ms,
                   uint64_t *out_size)
{
    const struct landing_object *o;
    bool is_busy;

    gate_lock(&k->gate);
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();

        o = find_open(k, tenant, object);
        is_busy = o != NULL && o->is_busy;
        if (!is_busy || left_ms <= 0)
            break;
        (void)bell_wait_ms(&k->unbusy, &k->gate, left_ms);
    }
    if (is_busy)
        *out_size = o->offer.size; /* loaded before anybody could look into it */
    gate_unlock(&k->gate);
    return is_busy;
}

struct landing_object *
landing_find(struct keep *k, const char *tenant, const uint8_t object[32])
{
    struct landing_object *o;

    gate_lock(&k->gate);
    o = find_open(k, tenant, object);
    if (o == NULL) {
        o = mem_new(sizeof *o);
        gate_init(&o->gate);
        text_copy(o->tenant, sizeof o->tenant, tenant);
        memcpy(o->object, object, 32);
        o->file.fd = -1;
        o->file.map_fd = -1;
        o->next = k->open_objects;
        k->open_objects = o;
    }
    o->users++;
    gate_unlock(&k->gate);
    return o;
}

void
landing_release(struct keep *k, struct landing_object **object)
{
    struct landing_object *o = TAKE(*object);
    bool is_last;

    if (o == NULL)
        return;
    gate_lock(&k->gate);
    is_last = --o->users == 0;
    if (is_last) {
        struct landing_object **at = &k->open_objects;

        while (*at != o)
            at = &(*at)->next;
        *at = o->next;
    }
    gate_unlock(&k->gate);
    if (!is_last)
        return;
    landing_file_close(&o->file);
    free(o->offer.recipe);
    free(o->offer.layout);
    free(o->first_look);
    gate_fini(&o->gate);
    free(o);
}

static uint8_t *
copy_bytes(const struct pg_rows *rows, int column, size_t *out_n)
{
    const uint8_t *from = pg_bytes(rows, 0, column, out_n);
    uint8_t *to;

    if (from == NULL)
        return NULL;
    to = mem_new(*out_n + 1);
    memcpy(to, from, *out_n);
    return to;
}

static void
read_row(struct landing_object *o, const struct pg_rows *rows)
{
    struct link_offer_object *f = &o->offer;

    memcpy(f->object, o->object, 32);
    text_copy(o->device, sizeof o->device, pg_text(rows, 0, 0));
    f->size = (uint64_t)pg_int(rows, 0, 1);
    text_copy(f->study, sizeof f->study, pg_text(rows, 0, 2));
    text_copy(f->series, sizeof f->series, pg_text(rows, 0, 3));
    text_copy(f->sop_class, sizeof f->sop_class, pg_text(rows, 0, 4));
    text_copy(f->sop_instance, sizeof f->sop_instance, pg_text(rows, 0, 5));
    text_copy(f->transfer_syntax, sizeof f->transfer_syntax, pg_text(rows, 0, 6));
    text_copy(f->received_syntax, sizeof f->received_syntax, pg_text(rows, 0, 7));
    pg_copy_bytes(rows, 0, 8, f->pixels, 32);
    pg_copy_bytes(rows, 0, 9, f->dataset, 32);
    pg_copy_bytes(rows, 0, 10, f->received, 32);
    f->recipe = copy_bytes(rows, 11, &f->recipe_n);
    f->layout = copy_bytes(rows, 12, &f->layout_n);
    o->is_looked = pg_truth(rows, 0, 13);
    o->told_bytes = (uint64_t)pg_int(rows, 0, 14);
}

/* A layout that cannot be read only means that there is no first look. */
static void
read_first_look(struct landing_object *o)
{
    struct layout *layout = NULL;
    struct err unread;

    if (o->offer.layout == NULL ||
        layout_read(o->offer.layout, o->offer.layout_n, &layout, &unread) < 0)
        return;
    if (layout->file_size == o->offer.size)
        layout_first_look(layout, &o->first_look, &o->first_look_n);
    layout_free(&layout);
}

static int
load(struct keep *k, struct landing_object *o, struct err *err)
{
    struct pg_rows *rows = NULL;
    int rc = -1;

    if (keep_run(k, "landing_get", PG_ARGS(PG_TEXT(o->tenant), PG_BYTES(o->object, 32)), &rows,
                 err) < 0)
        return -1;
    if (pg_rows_count(rows) == 0) {
        err_set(err, ERR_NOT_FOUND, "an object that was not offered");
        goto out;
    }
    read_row(o, rows);
    if (landing_file_open(k->landing, o->tenant, o->object, o->offer.size, &o->file, err) < 0)
        goto out;
    read_first_look(o);
    o->state = o->is_looked ? LINK_LOOKED : LINK_WANTED;
    o->is_loaded = true;
    rc = 0;
out:
    pg_rows_free(&rows);
    return rc;
}

int
landing_take(struct keep *k, const char *tenant, const uint8_t object[32],
             struct landing_object **out, struct err *err)
{
    struct landing_object *o = landing_find(k, tenant, object);
    int rc = 0;

    gate_lock(&o->gate);
    if (!o->is_loaded)
        rc = load(k, o, err);
    if (rc < 0) {
        free(TAKE(o->offer.recipe));
        free(TAKE(o->offer.layout));
    }
    gate_unlock(&o->gate);
    if (rc < 0) {
        landing_release(k, &o);
        return -1;
    }
    *out = o;
    return 0;
}

void
landing_tell_whole(struct link_object_state *out, const uint8_t object[32], uint64_t size)
{
    struct ranges whole = {0};

    ranges_add(&whole, 0, size);
    landing_tell(out, object, LINK_PARTIAL, &whole);
    ranges_fini(&whole);
}

void
landing_tell(struct link_object_state *out, const uint8_t object[32], enum link_state state,
             const struct ranges *have)
{
    size_t n = have != NULL && have->n <= LIMIT_LANDING_RANGES ? have->n : 0;

    memcpy(out->object, object, 32);
    out->state = state;
    out->have_n = n;
    out->have = mem_new((n + 1) * sizeof *out->have);
    if (n > 0)
        memcpy(out->have, have->at, n * sizeof *out->have);
}
