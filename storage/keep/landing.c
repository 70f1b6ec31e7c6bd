/* landing.c - objects on their way, shared by all bundles that touch them. */
#include "storage/keep/landing.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/trust/digest.h"
#include "storage/keep/keep_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 65536 }; /* more than any meta group */

/* ---- the list of objects in use ---- */

static struct landing_object *
find_or_add(struct keep *k, const char *tenant, const uint8_t object[32])
{
    struct landing_object *o;

    gate_lock(&k->gate);
    for (o = k->open_objects; o != NULL; o = o->next)
        if (memcmp(o->object, object, 32) == 0 && strcmp(o->tenant, tenant) == 0)
            break;
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
    struct landing_object *o = find_or_add(k, tenant, object);
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

/* ---- steps ---- */

static bool
has_first_look(const struct landing_object *o)
{
    for (size_t i = 0; i < o->first_look_n; i++)
        if (!ranges_cover(&o->file.have, o->first_look[i].from, o->first_look[i].to))
            return false;
    return o->first_look_n > 0;
}

/* The study's last missing first look came. */
static int
tell_study_looked(struct keep *k, const struct landing_object *o, struct err *err)
{
    struct keep_standing s;
    struct event_list events = {.n = 0};
    struct pg_conn *conn = NULL;
    char detail[96];
    int rc = -1;

    if (keep_standing_get(k, o->tenant, o->offer.study, &s, err) < 0)
        return -1;
    if (s.offered == 0 || s.looked != s.offered)
        return 0;
    snprintf(detail, sizeof detail, "{\"looked\":%llu,\"whole\":%llu}",
             (unsigned long long)s.looked, (unsigned long long)s.whole);
    events_note(&events, "study.looked", detail);
    if (pg_get(k->pg, &conn, err) == 0)
        rc = events_write(conn, o->tenant, o->offer.study, &events, err);
    pg_put(&conn);
    if (rc == 0)
        keep_wake(k, false);
    return rc;
}

static int
set_looked(struct keep *k, struct landing_object *o, bool is_looked, struct err *err)
{
    if (keep_run(k, "landing_looked",
                 PG_ARGS(PG_TEXT(o->tenant), PG_BYTES(o->object, 32), PG_BOOL(is_looked)), NULL,
                 err) < 0)
        return -1;
    o->is_looked = is_looked;
    return 0;
}

static int
advance_looked(struct keep *k, struct landing_object *o, struct err *err)
{
    if (set_looked(k, o, true, err) < 0)
        return -1;
    return tell_study_looked(k, o, err);
}

/* The file is whole but its hash disagrees: begin again. */
static int
drop_bad(struct keep *k, struct landing_object *o, struct err *err)
{
    struct log_ctx ctx = keep_log;

    ctx.tenant = o->tenant;
    LOG(&ctx, KEEP_OBJECT_BAD, F_HEX("object", o->object, 32));
    if (set_looked(k, o, false, err) < 0 || landing_file_drop(&o->file, err) < 0)
        return -1;
    o->state = LINK_BAD;
    return 0;
}

/* The transfer syntax that the file itself tells. Facts of a coded file are of what was received.
 */
static bool
is_in_syntax(const struct landing_object *o, const char *uid)
{
    size_t n = o->offer.size < HEAD_BYTES ? (size_t)o->offer.size : HEAD_BYTES;
    uint8_t *bytes = mem_new(n + 1);
    struct dcm_part10 part10;
    struct err unread;
    bool is = durable_read_at(o->file.fd, bytes, n, 0, &unread) == 0 &&
              dcm_part10_parse(bytes, n, &part10, &unread) == 0 &&
              strcmp(part10.transfer_syntax, uid) == 0;

    free(bytes);
    return is;
}

/* What the centre finds in the file must be what the gateway said of it.
 * Returns why not, NULL if all is well. */
static const char *
compare(const struct landing_object *o, const struct dcm_facts *facts,
        const struct dcm_digests *digests)
{
    const struct link_offer_object *f = &o->offer;

    if (strcmp(facts->sop_instance, f->sop_instance) != 0 ||
        strcmp(facts->study_uid, f->study) != 0 || strcmp(facts->series_uid, f->series) != 0)
        return "the file is not what was offered";
    if (strcmp(facts->transfer_syntax, f->received_syntax) != 0 ||
        !is_in_syntax(o, f->transfer_syntax))
        return "the transfer syntax is not the one offered";
    if (memcmp(digests->pixels, f->pixels, 32) != 0)
        return "pixels differ from what was offered";
    if (memcmp(digests->dataset, f->dataset, 32) != 0)
        return "data set differs from what was offered";
    return NULL;
}

/* When it cannot be read it is still kept, under the UIDs of the offer. */
static void
facts_from_offer(const struct link_offer_object *f, struct dcm_facts *facts,
                 struct dcm_digests *digests)
{
    *facts = (struct dcm_facts){.series_number = -1, .instance_number = -1};
    text_copy(facts->sop_class, sizeof facts->sop_class, f->sop_class);
    text_copy(facts->sop_instance, sizeof facts->sop_instance, f->sop_instance);
    text_copy(facts->study_uid, sizeof facts->study_uid, f->study);
    text_copy(facts->series_uid, sizeof facts->series_uid, f->series);
    text_copy(facts->transfer_syntax, sizeof facts->transfer_syntax, f->transfer_syntax);
    memcpy(digests->file, f->object, 32);
    memcpy(digests->pixels, f->pixels, 32);
    memcpy(digests->dataset, f->dataset, 32);
}

static int
inspect(struct keep *k, const struct landing_object *o, struct dcm_facts *facts,
        struct dcm_digests *digests, const char **out_why, struct err *err)
{
    struct codec_source source = {.fd = o->file.fd,
                                  .size = o->offer.size,
                                  .recipe = o->offer.recipe,
                                  .recipe_n = o->offer.recipe_n};

    if (keep_inspect(k->pool, &source, facts, digests, err) < 0) {
        if (err->kind != ERR_REJECT && err->kind != ERR_CONFLICT)
            return -1;
        facts_from_offer(&o->offer, facts, digests);
        *out_why = "cannot be read";
        return 0;
    }
    *out_why = compare(o, facts, digests);
    text_copy(facts->transfer_syntax, sizeof facts->transfer_syntax, o->offer.transfer_syntax);
    if (*out_why != NULL) { /* keep it where its sender will look for it */
        text_copy(facts->study_uid, sizeof facts->study_uid, o->offer.study);
        text_copy(facts->series_uid, sizeof facts->series_uid, o->offer.series);
        text_copy(facts->sop_instance, sizeof facts->sop_instance, o->offer.sop_instance);
    }
    return 0;
}

/* Verified and in whole/: into the catalog. */
static int
catalogue(struct keep *k, struct landing_object *o, struct err *err)
{
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_digests digests;
    char path[LANDING_NAME_SIZE];
    struct arrival a = {.tenant = o->tenant,
                        .way = "link",
                        .device = o->device,
                        .size = o->offer.size,
                        .facts = facts,
                        .digests = &digests,
                        .recipe = o->offer.recipe,
                        .recipe_n = o->offer.recipe_n,
                        .layout = o->offer.layout,
                        .layout_n = o->offer.layout_n,
                        .path = path};
    enum arrival_end end;
    int rc = -1;

    memcpy(a.object, o->object, 32);
    memcpy(a.received, o->offer.received, 32);
    text_copy(a.received_syntax, sizeof a.received_syntax, o->offer.received_syntax);
    landing_whole_name(o->tenant, o->object, path);
    if (inspect(k, o, facts, &digests, &a.why, err) < 0 || arrival_put(k, &a, &end, err) < 0)
        goto out;
    if (end == ARRIVAL_DUPLICATE && landing_file_drop(&o->file, err) < 0)
        goto out;
    o->state = end == ARRIVAL_DUPLICATE     ? LINK_DUPLICATE
               : end == ARRIVAL_QUARANTINED ? LINK_QUARANTINED
                                            : LINK_HELD;
    o->is_ended = true;
    rc = 0;
out:
    free(facts);
    return rc;
}

/* Every byte is there: is it what was named? In whole/ it is found again after any end of ours. */
static int
verify(struct keep *k, struct landing_object *o, struct err *err)
{
    uint8_t found[DIGEST_BYTES];

    if (o->is_verified)
        return 0;
    if (digest_file(o->file.fd, 0, o->offer.size, found, err) < 0)
        return -1;
    if (memcmp(found, o->object, sizeof found) != 0)
        return drop_bad(k, o, err);
    if (landing_file_promote(&o->file, err) < 0)
        return -1;
    o->is_verified = true;
    return 0;
}

int
landing_note(struct keep *k, struct landing_object *o, const struct ranges *written,
             struct err *err)
{
    if (o->is_ended || (o->state == LINK_BAD && written->n == 0)) /* said until it comes again */
        return 0;
    if (landing_file_note(&o->file, written, err) < 0)
        return -1;
    o->state = o->is_looked ? LINK_LOOKED : o->file.have.n > 0 ? LINK_PARTIAL : LINK_WANTED;
    if (landing_file_is_complete(&o->file))
        return verify(k, o, err);
    if (o->is_looked || !has_first_look(o))
        return 0;
    if (advance_looked(k, o, err) < 0)
        return -1;
    o->state = LINK_LOOKED;
    return 0;
}

int
landing_advance(struct keep *k, struct landing_object *o, const struct ranges *written,
                struct err *err)
{
    if (landing_note(k, o, written, err) < 0)
        return -1;
    return o->is_verified && !o->is_ended ? catalogue(k, o, err) : 0;
}
