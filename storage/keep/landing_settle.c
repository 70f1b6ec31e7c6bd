/* landing_settle.c - many objects at once: what was written becomes durable, and each object takes
 * the step that allows. The steps of all objects are taken side by side (all bytes synced, then all
 * maps written, then all maps synced...), so that a group costs the disk little more than one. */
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

/* How far it is, in the catalog: for people who wait, and for previews. */
static int
note_progress(struct keep *k, struct landing_object *o, uint64_t bytes, bool is_looked,
              struct err *err)
{
    if (bytes == o->told_bytes && is_looked == o->is_looked)
        return 0;
    if (keep_run(
            k, "landing_progress",
            PG_ARGS(PG_TEXT(o->tenant), PG_BYTES(o->object, 32), PG_INT(bytes), PG_BOOL(is_looked)),
            NULL, err) < 0)
        return -1;
    o->told_bytes = bytes;
    o->is_looked = is_looked;
    return 0;
}

/* The file is whole but its hash disagrees: begin again. */
static int
drop_bad(struct keep *k, struct landing_object *o, struct err *err)
{
    struct log_ctx ctx = keep_log;

    ctx.tenant = o->tenant;
    LOG(&ctx, KEEP_OBJECT_BAD, F_HEX("object", o->object, 32));
    if (note_progress(k, o, 0, false, err) < 0 || landing_file_drop(&o->file, err) < 0)
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
    if (end == ARRIVAL_KEPT || end == ARRIVAL_BACK)
        traffic_object(k->traffic, o->tenant);
    o->state = end == ARRIVAL_DUPLICATE     ? LINK_DUPLICATE
               : end == ARRIVAL_QUARANTINED ? LINK_QUARANTINED
                                            : LINK_HELD;
    o->is_ended = true;
    landing_file_close(&o->file); /* its bundle may go on for long */
    rc = 0;
out:
    free(facts);
    return rc;
}

/* ---- the steps, each for all objects before the next ---- */

/* What could not be synced is gone for good, and so is what cannot be read back: nothing of that
 * file is trusted any more. */
static int
abandon(struct keep *k, struct landing_object *o, struct err *err)
{
    struct err why = {0};
    struct log_ctx ctx = keep_log;

    ctx.tenant = o->tenant;
    LOG(&ctx, KEEP_OBJECT_ABANDONED, F_HEX("object", o->object, 32), F_ERR(err));
    if (landing_file_drop(&o->file, &why) < 0 || note_progress(k, o, 0, false, &why) < 0)
        err_clear(&why); /* the first trouble is what is told */
    o->is_verified = false;
    o->state = LINK_WANTED;
    return -1;
}

static int
step_flush(struct keep *k, struct landing_object *o, struct err *err)
{
    return landing_file_flush(&o->file, err) < 0 ? abandon(k, o, err) : 0;
}

static int
step_record(struct keep *k, struct landing_object *o, struct err *err)
{
    (void)k;
    return landing_file_record(&o->file, err);
}

static int
step_commit(struct keep *k, struct landing_object *o, struct err *err)
{
    return landing_file_commit(&o->file, err) < 0 ? abandon(k, o, err) : 0;
}

static int
step_look(struct keep *k, struct landing_object *o, struct err *err)
{
    bool is_looked = o->is_looked || has_first_look(o);

    if (landing_file_is_complete(&o->file) || (o->state == LINK_BAD && o->file.have.n == 0))
        return 0; /* bad: said until it comes again */
    o->is_look_new = o->is_look_new || is_looked != o->is_looked;
    if (note_progress(k, o, landing_file_bytes(&o->file), is_looked, err) < 0)
        return -1;
    o->state = o->is_looked ? LINK_LOOKED : o->file.have.n > 0 ? LINK_PARTIAL : LINK_WANTED;
    return 0;
}

/* Whole: is it what it says? Then it moves. */
static int
step_verify(struct keep *k, struct landing_object *o, struct err *err)
{
    uint8_t found[DIGEST_BYTES];
    int rc;

    if (o->is_verified || !landing_file_is_complete(&o->file))
        return 0;
    landing_set_busy(k, o, true);
    rc = digest_file(o->file.fd, 0, o->offer.size, found, err);
    landing_set_busy(k, o, false);
    if (rc < 0)
        return abandon(k, o, err);
    if (memcmp(found, o->object, sizeof found) != 0)
        return drop_bad(k, o, err);
    return landing_file_move(&o->file, err);
}

typedef int (*step_fn)(struct keep *k, struct landing_object *o, struct err *err);

/* The first trouble is told; the other objects take the step nevertheless. */
static int
take_step(struct keep *k, struct landing_object *const *objects, size_t n, step_fn step,
          struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        struct err later;

        gate_lock(&objects[i]->gate);
        if (!objects[i]->is_ended && step(k, objects[i], rc == 0 ? err : &later) < 0)
            rc = -1;
        gate_unlock(&objects[i]->gate);
    }
    return rc;
}

/* ---- the folders: one sync for all entries that wait for one ---- */

struct entries {
    bool (*is_due)(const struct landing_object *o);
    int (*sync)(const char *dir, struct err *err);
    int (*on_durable)(struct landing_object *o, struct err *err);
};

/* As it was before the sync, which covers no more than that. */
struct entry {
    bool is_due;
    unsigned drops;
};

static bool
is_new(const struct landing_object *o)
{
    return o->file.is_new;
}

static int
new_is_durable(struct landing_object *o, struct err *err)
{
    (void)err;
    o->file.is_new = false;
    return 0;
}

static bool
is_moved(const struct landing_object *o)
{
    return o->file.is_whole && !o->is_verified;
}

static int
moved_is_durable(struct landing_object *o, struct err *err)
{
    o->is_verified = true;
    return landing_file_forget_map(&o->file, err);
}

static const struct entries new_entries = {is_new, landing_sync_partial, new_is_durable};
static const struct entries moved_entries = {is_moved, landing_sync_whole, moved_is_durable};

static bool
note_entries(const struct entries *which, struct landing_object *const *objects, size_t n,
             struct entry *out)
{
    bool is_any = false;

    for (size_t i = 0; i < n; i++) {
        gate_lock(&objects[i]->gate);
        out[i].is_due = !objects[i]->is_ended && which->is_due(objects[i]);
        out[i].drops = objects[i]->file.drops;
        gate_unlock(&objects[i]->gate);
        is_any = is_any || out[i].is_due;
    }
    return is_any;
}

/* Another bundle may make or move an entry while the folder is synced: it is durable by that
 * bundle's own sync only. A sync that failed is not tried again on the same entry: its file is
 * dropped and sent again, even if another bundle's sync seemed to succeed (of two, the kernel tells
 * only one of the failure). */
static int
sync_entries(struct keep *k, const struct entries *which, struct landing_object *const *objects,
             size_t n, struct err *err)
{
    struct entry *entries = mem_new((n + 1) * sizeof *entries);
    bool is_synced;
    int rc = 0;

    if (!note_entries(which, objects, n, entries))
        goto out;
    is_synced = which->sync(k->landing, err) == 0;
    rc = is_synced ? 0 : -1;
    for (size_t i = 0; i < n; i++) {
        struct landing_object *o = objects[i];
        struct err later;

        gate_lock(&o->gate);
        if (entries[i].is_due && !o->is_ended && o->file.drops == entries[i].drops) {
            if (!is_synced)
                (void)abandon(k, o, err);
            else if (which->is_due(o) && which->on_durable(o, rc == 0 ? err : &later) < 0)
                rc = -1;
        }
        gate_unlock(&o->gate);
    }
out:
    free(entries);
    return rc;
}

/* One word for each study whose first look became whole with these. */
static int
tell_looked(struct keep *k, struct landing_object *const *objects, size_t n, struct err *err)
{
    const char *told = "";

    for (size_t i = 0; i < n; i++) {
        bool is_new;

        gate_lock(&objects[i]->gate);
        is_new = objects[i]->is_look_new;
        objects[i]->is_look_new = false;
        gate_unlock(&objects[i]->gate);
        if (!is_new || strcmp(told, objects[i]->offer.study) == 0)
            continue;
        if (tell_study_looked(k, objects[i], err) < 0) {
            gate_lock(&objects[i]->gate);
            objects[i]->is_look_new = true; /* the next group tells it */
            gate_unlock(&objects[i]->gate);
            return -1;
        }
        told = objects[i]->offer.study;
    }
    return 0;
}

/* Bytes, then records, then what they allow. */
static int
make_durable(struct keep *k, struct landing_object *const *objects, size_t n, struct err *err)
{
    if (take_step(k, objects, n, step_flush, err) < 0 ||
        sync_entries(k, &new_entries, objects, n, err) < 0 ||
        take_step(k, objects, n, step_record, err) < 0 ||
        take_step(k, objects, n, step_commit, err) < 0 ||
        take_step(k, objects, n, step_look, err) < 0)
        return -1;
    return tell_looked(k, objects, n, err);
}

int
landing_settle(struct keep *k, struct landing_object *const *objects, size_t n, struct err *err)
{
    struct err later;
    int rc;

    if (make_durable(k, objects, n, err) < 0)
        return -1;
    rc = take_step(k, objects, n, step_verify, err);
    if (sync_entries(k, &moved_entries, objects, n, rc == 0 ? err : &later) < 0)
        rc = -1;
    return rc;
}

int
landing_finish(struct keep *k, struct landing_object *o, struct err *err)
{
    int rc = 0;

    gate_lock(&o->gate);
    if (o->is_verified && !o->is_ended) {
        landing_set_busy(k, o, true);
        rc = catalogue(k, o, err);
        landing_set_busy(k, o, false);
    }
    gate_unlock(&o->gate);
    return rc;
}
