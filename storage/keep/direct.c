/* direct.c - objects that come without a gateway: durable in two places, then success. */
#include "storage/keep/keep_own.h"
#include "storage/keep/landing_file.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_STEP_BYTES = 1024 * 1024 };

/* ---- which studies have an association open ---- */

struct busy_study {
    struct busy_study *next;
    uint64_t association;
    char tenant[KEEP_CODE_SIZE];
    char study[LINK_UID_SIZE];
};

static void
note_busy(struct keep *k, uint64_t association, const char *tenant, const char *study)
{
    struct busy_study *b;

    if (association == 0)
        return;
    gate_lock(&k->gate);
    for (b = k->busy; b != NULL; b = b->next)
        if (b->association == association && strcmp(b->study, study) == 0 &&
            strcmp(b->tenant, tenant) == 0)
            break;
    if (b == NULL) {
        b = mem_new(sizeof *b);
        b->association = association;
        text_copy(b->tenant, sizeof b->tenant, tenant);
        text_copy(b->study, sizeof b->study, study);
        b->next = k->busy;
        k->busy = b;
    }
    gate_unlock(&k->gate);
}

static void
forget_busy(struct keep *k, uint64_t association, bool is_all)
{
    struct busy_study **at = &k->busy;

    gate_lock(&k->gate);
    while (*at != NULL) {
        struct busy_study *b = *at;

        if (is_all || b->association == association) {
            *at = b->next;
            free(b);
        } else {
            at = &b->next;
        }
    }
    gate_unlock(&k->gate);
}

void
keep_association_end(struct keep *k, uint64_t association)
{
    if (association != 0)
        forget_busy(k, association, false);
}

void
direct_forget_all(struct keep *k)
{
    forget_busy(k, 0, true);
}

bool
direct_is_busy(struct keep *k, const char *tenant, const char *study)
{
    bool is_busy = false;

    gate_lock(&k->gate);
    for (struct busy_study *b = k->busy; b != NULL; b = b->next)
        is_busy = is_busy || (strcmp(b->study, study) == 0 && strcmp(b->tenant, tenant) == 0);
    gate_unlock(&k->gate);
    return is_busy;
}

/* ---- bytes ---- */

static int
copy_bytes(const struct keep_incoming *in, int to, struct err *err)
{
    uint8_t *step = mem_new(COPY_STEP_BYTES);
    int rc = -1;

    for (uint64_t at = 0; at < in->size;) {
        size_t n = in->size - at < COPY_STEP_BYTES ? (size_t)(in->size - at) : COPY_STEP_BYTES;

        if (durable_read_at(in->fd, step, n, in->offset + at, err) < 0 ||
            durable_write(to, step, n, err) < 0)
            goto out;
        at += n;
    }
    rc = 0;
out:
    free(step);
    return rc;
}

/* One durable copy in a folder, under the name of its content. */
static int
put_copy(const char *dir, const char *name, const struct keep_incoming *in, struct err *err)
{
    static _Atomic unsigned serial;
    char tmp[64], path[PATH_MAX];
    int fd = -1;

    snprintf(tmp, sizeof tmp, "direct-%d-%u", (int)getpid(), serial++);
    if (durable_create(dir, tmp, &fd, err) < 0)
        return -1;
    if (copy_bytes(in, fd, err) < 0) {
        close(fd);
        snprintf(path, sizeof path, "%s/tmp/%s", dir, tmp);
        unlink(path);
        return -1;
    }
    return durable_publish(&fd, dir, tmp, name, err);
}

static bool
is_made_by_readers(const char *sop_class)
{
    const struct dcm_sop_class *c = dcm_sop_class_find(sop_class);

    return c != NULL && (strcmp(c->modality, "SR") == 0 || strcmp(c->modality, "KO") == 0 ||
                         strcmp(c->modality, "PR") == 0 || strcmp(c->modality, "DOC") == 0);
}

static int
check_expected(const struct keep_incoming *in, const struct dcm_facts *f, struct err *err)
{
    if (strcmp(in->way, KEEP_WAY_READER) == 0 && (f->is_study_made || f->is_series_made))
        return err_set(err, ERR_REJECT, "a document without study or series");
    if (in->expect_class != NULL && strcmp(in->expect_class, f->sop_class) != 0)
        return err_set(err, ERR_REJECT, "the SOP class is not the one announced");
    if (in->expect_instance != NULL && strcmp(in->expect_instance, f->sop_instance) != 0)
        return err_set(err, ERR_REJECT, "the SOP instance is not the one announced");
    if (strcmp(in->way, KEEP_WAY_READER) == 0 && !is_made_by_readers(f->sop_class))
        return err_set(err, ERR_REJECT, "a reader stores documents and presentation states only");
    if (in->expect_study != NULL && strcmp(in->expect_study, f->study_uid) != 0)
        return err_set(err, ERR_REJECT, "the object belongs to another study");
    return 0;
}

/* A file of this name that the catalog does not point at (another file is kept instead). */
static int
drop_copies(struct keep *k, const char *name, struct err *err)
{
    return durable_remove(k->landing, name, err) < 0 ||
                   durable_remove(k->landing_copy, name, err) < 0
               ? -1
               : 0;
}

static int
put_both(struct keep *k, const struct keep_incoming *in, const char *name,
         const struct dcm_facts *facts, const struct dcm_digests *digests, struct keep_stored *out,
         struct err *err)
{
    struct arrival a = {.tenant = in->tenant,
                        .way = in->way,
                        .device = in->ae != NULL ? in->ae : "",
                        .size = in->size,
                        .facts = facts,
                        .digests = digests,
                        .path = name,
                        .has_copy = true};
    enum arrival_end end;

    memcpy(a.object, digests->file, 32);
    memcpy(a.received, digests->file, 32);
    text_copy(a.received_syntax, sizeof a.received_syntax, facts->transfer_syntax);
    if (disk_check(k, KEEP_LANDING_COPY, err) < 0 || put_copy(k->landing, name, in, err) < 0 ||
        put_copy(k->landing_copy, name, in, err) < 0 || arrival_put(k, &a, &end, err) < 0)
        return -1;
    /* ALREADY, BACK: the catalog's own landing files have this very name. If it had only one, or
     * they were cleaned up after sealing, the clean-up is told of these. */
    if (end == ARRIVAL_DUPLICATE && drop_copies(k, name, err) < 0)
        return -1;
    if ((end == ARRIVAL_ALREADY || end == ARRIVAL_BACK) &&
        keep_run(k, "landing_came_back",
                 PG_ARGS(PG_TEXT(in->tenant), PG_BYTES(a.object, 32), PG_TEXT(name)), NULL,
                 err) < 0)
        return -1;
    out->outcome = end == ARRIVAL_KEPT || end == ARRIVAL_BACK ? KEEP_STORED
                   : end == ARRIVAL_QUARANTINED               ? KEEP_QUARANTINED
                                                              : KEEP_DUPLICATE;
    return 0;
}

int
keep_store_direct(struct keep *k, const struct keep_incoming *in, struct keep_stored *out,
                  struct err *err)
{
    struct codec_source source = {.fd = in->fd, .offset = in->offset, .size = in->size};
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct keep_stored stored = {.outcome = KEEP_STORED};
    struct keep_claim none = {.tenant = in->tenant, .way = in->way, .fd = in->fd};
    struct keep_claim *claim = in->claim != NULL ? in->claim : &none;
    struct dcm_digests digests;
    char name[LANDING_NAME_SIZE];
    int rc = -1;

    if (keep_inspect(k->pool, &source, facts, &digests, err) < 0 ||
        check_expected(in, facts, err) < 0)
        goto out;
    if (claim_whole(k, claim, in->size, facts->sop_instance, err) < 0)
        goto out;
    note_busy(k, in->association, in->tenant, facts->study_uid);
    landing_whole_name(in->tenant, digests.file, name);
    if (put_both(k, in, name, facts, &digests, &stored, err) < 0)
        goto out;
    text_copy(stored.study, sizeof stored.study, facts->study_uid);
    text_copy(stored.series, sizeof stored.series, facts->series_uid);
    text_copy(stored.sop_class, sizeof stored.sop_class, facts->sop_class);
    text_copy(stored.sop_instance, sizeof stored.sop_instance, facts->sop_instance);
    *out = stored;
    rc = 0;
out:
    keep_claim_end(k, claim); /* it names what is in facts */
    free(facts);
    if (rc < 0)
        err_context(err, "store by %s", in->way);
    return rc;
}
