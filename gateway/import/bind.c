/* bind.c - from the inbox into the spool (invariant 3), and what is done with the source later. */
#include "gateway/import/import_own.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS (INT64_C(86400) * 1000)
#define SIDECAR_KEEP_MS (365 * DAY_MS)
#define DISCARDED_LEAST_MS (30 * DAY_MS)

/* ---- into the spool ---- */

/* Is this very file there already? A crash may have come between commit and sidecar. */
static bool
find_entry(struct import *im, const char *sop_instance, const uint8_t sha256[DIGEST_BYTES],
           uint64_t *out_entry)
{
    struct spool_filter filter = {.sop_instance = sop_instance};
    uint64_t *ids = NULL;
    bool is_there = false;
    size_t n = 0;

    spool_list(im->options.spool, &filter, &ids, &n);
    for (size_t i = 0; i < n && !is_there; i++) {
        struct spool_entry *e = NULL;
        struct err err;

        if (spool_load(im->options.spool, ids[i], &e, &err) < 0)
            continue;
        is_there = memcmp(e->received_sha256, sha256, DIGEST_BYTES) == 0;
        spool_entry_free(&e);
        if (is_there)
            *out_entry = ids[i];
    }
    free(ids);
    return is_there;
}

static int
give(const struct wrap_plan *plan, const struct wrap_source *source, wrap_sink_fn sink, void *user,
     struct err *err)
{
    return plan != NULL ? wrap_plan_write(plan, source, sink, user, err)
                        : sink(user, source->bytes, source->n, err);
}

static int
into_digest(void *user, const void *bytes, size_t n, struct err *err)
{
    (void)err;
    digest_add(user, bytes, n);
    return 0;
}

static int
into_draft(void *user, const void *bytes, size_t n, struct err *err)
{
    return n > 0 ? spool_draft_write(user, bytes, n, err) : 0;
}

int
bind_commit(struct import *im, const struct wrap_facts *as, const struct wrap_plan *plan,
            const struct wrap_source *source, uint64_t *out_entry, bool *out_was_there,
            struct err *err)
{
    bool was_there;
    struct spool_meta meta = {.calling_ae = IMPORT_AE, .called_ae = "RADPOST", .peer = "local"};
    struct spool_draft *draft = NULL;
    struct digest *d = digest_new();
    uint8_t sha256[DIGEST_BYTES];
    int rc = give(plan, source, into_digest, d, err);

    digest_take(d, sha256);
    digest_free(&d);
    if (rc < 0)
        return -1;
    was_there = find_entry(im, as->sop_instance, sha256, out_entry);
    if (out_was_there != NULL)
        *out_was_there = was_there;
    if (was_there)
        return 0;
    text_copy(meta.sop_class, sizeof meta.sop_class, as->sop_class);
    text_copy(meta.sop_instance, sizeof meta.sop_instance, as->sop_instance);
    text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, as->transfer_syntax);
    if (spool_draft_begin(im->options.spool, &meta, &draft, err) < 0)
        return -1;
    rc = give(plan, source, into_draft, draft, err);
    if (rc == 0)
        rc = spool_commit(im->options.spool, &draft, out_entry, err);
    spool_draft_free(&draft);
    return rc;
}

static void
local_time(int64_t at_us, char out[15])
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm = {0};

    (void)localtime_r(&at, &tm);
    if (strftime(out, 15, "%Y%m%d%H%M%S", &tm) != 14)
        memcpy(out, "19700101000000", 15);
}

static struct wrap_source
source_of(const struct import_item *item, const uint8_t *bytes, size_t n)
{
    struct wrap_source s = {.bytes = bytes, .n = n, .number = item->number};
    char at[15];

    memcpy(s.sha256, item->sha256, sizeof s.sha256);
    local_time(item->file_at_us > 0 ? item->file_at_us : item->taken_at_us, at);
    text_copy(s.content_date, sizeof s.content_date, at);
    text_copy(s.content_time, sizeof s.content_time, at + 8);
    text_copy(s.made_date, sizeof s.made_date, item->made_at);
    text_copy(s.made_time, sizeof s.made_time, item->made_at + 8);
    return s;
}

static int
commit_wrapped(struct import *im, struct import_item *item, int fd, const uint8_t *bytes, size_t n,
               struct err *err)
{
    struct wrap_source source = source_of(item, bytes, n);
    struct wrap_facts as = {.kind = item->facts.kind};
    struct wrap_plan plan;
    int rc;

    if (wrap_plan_make(&item->identity, &source, &plan, err) < 0)
        return -1;
    text_copy(as.sop_class, sizeof as.sop_class, plan.sop_class);
    text_copy(as.sop_instance, sizeof as.sop_instance, plan.sop_instance);
    text_copy(as.transfer_syntax, sizeof as.transfer_syntax, plan.transfer_syntax);
    rc = plan.needs == WRAP_NEEDS_NOTHING
             ? bind_commit(im, &as, &plan, &source, &item->entry, NULL, err)
             : decode_commit(im, &as, &plan, &source, fd, &item->entry, err);
    text_copy(item->sop_instance, sizeof item->sop_instance, plan.sop_instance);
    wrap_plan_fini(&plan);
    return rc;
}

/* The source, and that it still is what was taken.
 * errors  ERR_REJECT it rotted */
static int
open_source(struct import *im, const struct import_item *item, int *out_fd, const uint8_t **bytes,
            size_t *n, struct err *err)
{
    char path[PATH_MAX], file[80];
    uint8_t sha256[DIGEST_BYTES];
    int fd;

    item_file(item, file);
    snprintf(path, sizeof path, "%s/%s", im->dir, file);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_REJECT : ERR_RETRY, "open the source");
    if (map_begin(fd, bytes, n, err) < 0) {
        close(fd);
        return -1;
    }
    digest_bytes(*bytes, *n, sha256);
    if (memcmp(sha256, item->sha256, sizeof sha256) != 0) {
        map_end(*bytes, *n);
        close(fd);
        return err_set(err, ERR_REJECT, "the source's digest disagrees: the disk lost it");
    }
    *out_fd = fd;
    return 0;
}

static int
commit_item(struct import *im, struct import_item *item, struct err *err)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;
    int fd = -1, rc;

    if (open_source(im, item, &fd, &bytes, &n, err) < 0)
        return -1;
    if (item->facts.kind == WRAP_DICOM) {
        text_copy(item->sop_instance, sizeof item->sop_instance, item->facts.sop_instance);
        rc = bind_commit(im, &item->facts, NULL, &(struct wrap_source){.bytes = bytes, .n = n},
                         &item->entry, NULL, err);
    } else {
        rc = commit_wrapped(im, item, fd, bytes, n, err);
    }
    map_end(bytes, n);
    close(fd);
    return rc;
}

/* Nobody's again; if the sidecar cannot be written it stays binding, and is tried again. */
static void
let_wait(struct import *im, struct import_item *item, const struct err *why)
{
    struct err trouble;

    CHECK(import_next(item->state, IMPORT_SAW_TROUBLE, &item->state));
    text_copy(item->why, sizeof item->why, why->text);
    if (items_save(im, item, &trouble) < 0)
        LOG(&import_ctx, IMPORT_BIND_LATER, F_ERR(&trouble));
}

/* The second half of binding; may be done any number of times. What can never be done waits for a
 * person again, with the reason; so does what a person has just said and there is no room for. */
static int
end_binding(struct import *im, struct import_item *item, bool is_new, struct err *err)
{
    if (commit_item(im, item, err) == 0) {
        CHECK(import_next(item->state, IMPORT_SAW_COMMIT, &item->state));
        item->why[0] = '\0';
        item->changed_at_us = clock_wall_us();
        if (items_save(im, item, err) < 0)
            return -1;
        LOG(&import_ctx, IMPORT_BIND_DONE, F_NUMBER("entry", item->entry),
            F_UID("instance", item->sop_instance));
        return 0;
    }
    if (err->kind == ERR_REJECT || (is_new && err->kind == ERR_FULL))
        let_wait(im, item, err);
    return -1;
}

/* ---- the decision ---- */

/* By its own words the file is of somebody of another sex or birth date. */
static bool
is_other(const struct wrap_facts *said, const struct wrap_identity *to)
{
    bool is_sex = said->said_sex[0] != '\0' && to->sex[0] != '\0' &&
                  strcmp(said->said_sex, "O") != 0 && strcmp(to->sex, "O") != 0;
    bool is_birth = strlen(said->said_birth) == 8 && to->birth[0] != '\0';

    return (is_sex && strcmp(said->said_sex, to->sex) != 0) ||
           (is_birth && strcmp(said->said_birth, to->birth) != 0);
}

/* Instances of one study are numbered in the order they were bound. */
static unsigned
next_number(struct import *im, const char *study_uid)
{
    unsigned number = 0;

    gate_lock(&im->gate);
    for (size_t i = 0; i < im->count; i++)
        if (strcmp(im->items[i]->identity.study_uid, study_uid) == 0 &&
            im->items[i]->number > number)
            number = im->items[i]->number;
    gate_unlock(&im->gate);
    return number + 1;
}

static bool
same_identity(const struct wrap_identity *a, const struct wrap_identity *b)
{
    return strcmp(a->study_uid, b->study_uid) == 0 && strcmp(a->patient_id, b->patient_id) == 0 &&
           strcmp(a->patient_name, b->patient_name) == 0 && strcmp(a->birth, b->birth) == 0 &&
           strcmp(a->sex, b->sex) == 0 && strcmp(a->accession, b->accession) == 0 &&
           strcmp(a->modality, b->modality) == 0;
}

/* Everything the instance depends on, durable before the spool is asked. Who was bound to the same
 * before gets the same values again: the same instance. */
static int
decide(struct import *im, struct import_item *item, const struct wrap_identity *identity,
       const char *by, struct err *err)
{
    if (!import_next(item->state, IMPORT_SAW_BIND, &item->state))
        return err_set(err, ERR_CONFLICT, "it is %s", import_state_word(item->state));
    if (item->made_at[0] == '\0' || !same_identity(&item->identity, identity)) {
        if (strcmp(item->identity.study_uid, identity->study_uid) != 0 || item->number == 0)
            item->number = next_number(im, identity->study_uid);
        item->identity = *identity;
        local_time(clock_wall_us(), item->made_at);
    }
    text_copy(item->by, sizeof item->by, by);
    item->reason[0] = item->why[0] = '\0';
    item->entry = 0;
    item->sealed_at_us = 0;
    item->since_age_ms = 0;
    item->changed_at_us = clock_wall_us();
    return items_save(im, item, err);
}

static int
decide_all(struct import *im, char (*ids)[IMPORT_ID_SIZE], size_t n,
           const struct wrap_identity *identity, const char *by, bool is_sure, bool *out_is_other,
           struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0 && !is_sure; i++)
        if (items_get(im, ids[i], item) && is_other(&item->facts, identity)) {
            rc = err_set(err, ERR_CONFLICT, "it names another sex or birth date");
            if (out_is_other != NULL)
                *out_is_other = true;
        }
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!items_get(im, ids[i], item))
            rc = err_set(err, ERR_NOT_FOUND, "no such file");
        else if (item->state != IMPORT_BOUND || !same_identity(&item->identity, identity))
            rc = decide(im, item, identity, by, err);
    free(item);
    return rc;
}

/* Which of them no earlier call, and no crash, can have brought into the spool. */
static bool *
note_new(struct import *im, char (*ids)[IMPORT_ID_SIZE], size_t n)
{
    struct import_item *item = mem_new(sizeof *item);
    bool *is_new = mem_new((n + 1) * sizeof *is_new);

    for (size_t i = 0; i < n; i++)
        is_new[i] = items_get(im, ids[i], item) && item->state == IMPORT_WAITING;
    free(item);
    return is_new;
}

/* One after the other. When there is no room for one, the others wait for a person again, who may
 * choose what goes first, or throw something away. */
static int
end_bindings(struct import *im, char (*ids)[IMPORT_ID_SIZE], const bool *is_new, size_t n,
             struct err *err)
{
    struct import_item *item = mem_new(sizeof *item);
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        if (!items_get(im, ids[i], item) || item->state != IMPORT_BINDING)
            continue;
        if (rc == 0)
            rc = end_binding(im, item, is_new[i], err);
        else if (err->kind == ERR_FULL && is_new[i])
            let_wait(im, item, err);
    }
    free(item);
    return rc;
}

int
import_bind(struct import *im, const char *id, const struct wrap_identity *identity, const char *by,
            bool is_sure, bool *out_is_other, struct err *err)
{
    char(*ids)[IMPORT_ID_SIZE] = NULL;
    uint64_t association = 0;
    bool *is_new = NULL;
    int rc = -1;
    size_t n;

    if (out_is_other != NULL)
        *out_is_other = false;
    gate_lock(&im->work);
    n = items_members(im, id, 1u << IMPORT_WAITING | 1u << IMPORT_BINDING, &ids);
    if (!uid_is_valid(identity->study_uid, false) || identity->patient_id[0] == '\0') {
        (void)err_set(err, ERR_REJECT, "nobody to bind to");
        goto out;
    }
    if (n == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "no such file");
        goto out;
    }
    is_new = note_new(im, ids, n);
    if (decide_all(im, ids, n, identity, by, is_sure, out_is_other, err) < 0)
        goto out;
    association = spool_association_begin(im->options.spool);
    rc = end_bindings(im, ids, is_new, n, err);
    spool_association_end(im->options.spool, association);
out:
    if (rc < 0)
        err_context(err, "bind a file");
    gate_unlock(&im->work);
    free(is_new);
    free(ids);
    return rc;
}

/* ---- later ---- */

static int
by_since(const void *a, const void *b)
{
    uint64_t x = (*(struct import_item *const *)a)->since_age_ms;
    uint64_t y = (*(struct import_item *const *)b)->since_age_ms;

    return x < y ? -1 : x > y;
}

/* Ids of the items in these states, whose time began first first; free. */
static size_t
in_state(struct import *im, unsigned states, char (**out)[IMPORT_ID_SIZE])
{
    const struct import_item **list;
    char(*ids)[IMPORT_ID_SIZE];
    size_t n = 0;

    gate_lock(&im->gate);
    list = mem_new((im->count + 1) * sizeof(void *));
    for (size_t i = 0; i < im->count; i++)
        if (1u << im->items[i]->state & states)
            list[n++] = im->items[i];
    qsort(list, n, sizeof(void *), by_since);
    ids = mem_new((n + 1) * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        memcpy(ids[i], list[i]->id, sizeof ids[0]);
    gate_unlock(&im->gate);
    free(list);
    *out = ids;
    return n;
}

void
bind_end_open(struct import *im)
{
    struct import_item *item = mem_new(sizeof *item);
    char(*ids)[IMPORT_ID_SIZE];
    size_t n = in_state(im, 1u << IMPORT_BINDING, &ids);

    for (size_t i = 0; i < n; i++) {
        struct err err;

        gate_lock(&im->work);
        if (items_get(im, ids[i], item) && item->state == IMPORT_BINDING &&
            end_binding(im, item, false, &err) < 0)
            LOG(&import_ctx, IMPORT_BIND_LATER, F_ERR(&err));
        gate_unlock(&im->work);
    }
    free(ids);
    free(item);
}

enum instance_stands { STANDS_OPEN, STANDS_SEALED, STANDS_LOST };

/* Sealed, or a repeat of what is; or thrown away for good: until its bytes are gone it can be taken
 * back. A number says nothing by itself: a spool that was made anew (another disk) counts from 1
 * again. Lost: the spool has another instance under it, or none. */
static enum instance_stands
stands_of(struct import *im, const struct import_item *item)
{
    uint64_t entry = item->entry;

    for (int hops = 0; hops < 4; hops++) {
        struct spool_entry *e = NULL;
        enum instance_state state;
        bool has_bytes, is_it;
        struct err err;

        if (spool_load(im->options.spool, entry, &e, &err) < 0) {
            if (err.kind != ERR_NOT_FOUND)
                return STANDS_OPEN;
            return hops == 0 ? STANDS_LOST : STANDS_SEALED; /* what it repeats went long ago */
        }
        state = e->state;
        entry = e->twin_of;
        has_bytes = e->has_bytes;
        is_it = strcmp(e->meta.sop_instance, item->sop_instance) == 0;
        spool_entry_free(&e);
        if (!is_it)
            return STANDS_LOST;
        if (state == INSTANCE_DISCARDED)
            return hops == 0 && !has_bytes ? STANDS_SEALED : STANDS_OPEN;
        if (state != INSTANCE_DUPLICATE)
            return state == INSTANCE_SEALED ? STANDS_SEALED : STANDS_OPEN;
        if (entry == 0)
            return STANDS_SEALED;
    }
    return STANDS_OPEN;
}

/* Into the spool once more, byte for byte the same; sealed before, the centre knows it. */
static int
bind_again(struct import *im, struct import_item *item, struct err *err)
{
    CHECK(import_next(item->state, IMPORT_SAW_LOSS, &item->state));
    LOG(&import_ctx, IMPORT_BIND_AGAIN, F_NUMBER("entry", item->entry),
        F_UID("instance", item->sop_instance));
    item->entry = 0;
    item->changed_at_us = clock_wall_us();
    return items_save(im, item, err) < 0 ? -1 : end_binding(im, item, false, err);
}

static int
remove_source(struct import *im, struct import_item *item, struct err *err)
{
    char file[80];

    item_file(item, file);
    item->has_source =
        false; /* first the sidecar: a crash leaves a file that is adopted, not lost */
    item->since_age_ms = spool_lived_ms(im->options.spool);
    item->changed_at_us = clock_wall_us();
    if (items_save(im, item, err) < 0 || durable_remove(im->dir, file, err) < 0)
        return -1;
    LOG(&import_ctx, IMPORT_SOURCE_REMOVED);
    return 0;
}

/* A full disk outweighs keep_ms; what was thrown away is nowhere else and keeps its grace. */
static int64_t
keep_now_ms(struct import *im, const struct import_item *item)
{
    int64_t keep_ms = im->options.keep_ms;

    if (!item->has_source)
        return SIDECAR_KEEP_MS;
    if (spool_disk_now(im->options.spool) < SPOOL_DISK_SLOW)
        return keep_ms;
    if (item->state == IMPORT_BOUND)
        return 0;
    return keep_ms < DISCARDED_LEAST_MS ? keep_ms : DISCARDED_LEAST_MS;
}

static int
keep_one(struct import *im, struct import_item *item, struct err *err)
{
    uint64_t lived_ms = spool_lived_ms(im->options.spool);

    if (item->state == IMPORT_BOUND && item->sealed_at_us == 0) {
        enum instance_stands stands = stands_of(im, item);

        if (stands != STANDS_SEALED)
            return stands == STANDS_LOST ? bind_again(im, item, err) : 0;
        item->sealed_at_us = clock_wall_us();
        item->since_age_ms = 0;
    }
    /* also a sidecar of an older version, and one that is older than a spool made anew */
    if (item->since_age_ms == 0 || item->since_age_ms > lived_ms) {
        item->since_age_ms = lived_ms;
        return items_save(im, item, err);
    }
    if ((int64_t)(lived_ms - item->since_age_ms) < keep_now_ms(im, item))
        return 0;
    return item->has_source ? remove_source(im, item, err) : items_forget(im, item->id, err);
}

void
bind_keep(struct import *im)
{
    struct import_item *item = mem_new(sizeof *item);
    char(*ids)[IMPORT_ID_SIZE];
    size_t n = in_state(im, 1u << IMPORT_BOUND | 1u << IMPORT_DISCARDED, &ids);

    for (size_t i = 0; i < n; i++) {
        struct err err;

        gate_lock(&im->work);
        if (items_get(im, ids[i], item) &&
            (item->state == IMPORT_BOUND || item->state == IMPORT_DISCARDED) &&
            keep_one(im, item, &err) < 0)
            LOG(&import_ctx, IMPORT_BIND_LATER, F_ERR(&err));
        gate_unlock(&im->work);
    }
    free(ids);
    free(item);
}
