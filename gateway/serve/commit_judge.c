/* commit_judge.c - what can be promised of one instance, by the spool alone.
 * Anything in doubt is no promise: an instance with a quarantined entry of its UID fails, even if
 * another entry of it is sealed, for nobody can tell which of the two the device means. What the
 * centre has lost fails, too, until it comes again: then that one decides. What a
 * person threw away is no longer one of the two: the others of its UID decide, and where there is
 * none the device is told that it failed, never that it is safe. */
#include "gateway/serve/parts.h"

#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

struct evidence {
    bool is_there, is_waiting, is_set_aside, is_other_class, is_discarded, is_lost, is_another;
};

/* The state of an entry, or of the one it repeats. One that is forgotten was sealed long ago; one
 * that is listed (a twin has the same SOP Instance UID) and cannot be read is in doubt. */
static enum instance_state
state_of(struct spool *spool, const struct spool_entry *entry, const uint64_t *ids, size_t n,
         bool *out_is_lost)
{
    struct spool_entry *twin = NULL;
    struct err err = {0};
    enum instance_state state = entry->state;
    bool is_listed = false;

    *out_is_lost = entry->is_lost;
    if (state != INSTANCE_DUPLICATE || entry->twin_of == 0)
        return state;
    for (size_t i = 0; i < n; i++)
        is_listed = is_listed || ids[i] == entry->twin_of;
    state = spool_look(spool, entry->twin_of, &twin, &err) == 0 ? twin->state
            : err.kind == ERR_NOT_FOUND && !is_listed           ? INSTANCE_SEALED
                                                                : INSTANCE_RECEIVED;
    *out_is_lost = twin != NULL && twin->is_lost;
    spool_entry_free(&twin);
    return state;
}

static void
look_at(struct spool *spool, bool is_durable_enough, const struct commit_ref *ref,
        const struct spool_entry *entry, const uint64_t *ids, size_t n, struct evidence *e)
{
    bool is_lost;
    enum instance_state state = state_of(spool, entry, ids, n, &is_lost);

    if (state == INSTANCE_DISCARDED) {
        e->is_discarded = true;
        return;
    }
    e->is_there = true;
    e->is_other_class = e->is_other_class || strcmp(entry->meta.sop_class, ref->sop_class) != 0;
    e->is_lost = e->is_lost || is_lost;
    e->is_another = e->is_another || !is_lost;
    if (state == INSTANCE_QUARANTINED || state == INSTANCE_DUPLICATE)
        e->is_set_aside = true;
    else if (state != INSTANCE_SEALED && !(is_durable_enough && state != INSTANCE_RECEIVED))
        e->is_waiting = true;
}

uint16_t
commit_judge(struct spool *spool, bool is_durable_enough, const struct commit_ref *ref,
             char out_study[65])
{
    struct spool_filter filter = {.sop_instance = ref->sop_instance};
    struct evidence e = {.is_there = false};
    uint64_t *ids = NULL;
    size_t n = 0;

    if (out_study != NULL)
        out_study[0] = 0;
    spool_list(spool, &filter, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *entry = NULL;
        struct err err = {0};

        if (spool_look(spool, ids[i], &entry, &err) < 0) {
            e.is_there = e.is_waiting = true; /* in doubt, or forgotten just now: look again */
            continue;
        }
        look_at(spool, is_durable_enough, ref, entry, ids, n, &e);
        if (out_study != NULL && entry->is_inspected)
            text_copy(out_study, 65, entry->facts.study_uid);
        spool_entry_free(&entry);
    }
    free(ids);
    if (!e.is_there)
        return e.is_discarded ? DIMSE_PROCESSING_FAILURE : JUDGED_MISSING;
    if (e.is_other_class)
        return DIMSE_CLASS_CONFLICT;
    if (e.is_set_aside)
        return DIMSE_PROCESSING_FAILURE;
    if (e.is_lost) /* the other is looked into just now: is it what was lost? */
        return e.is_another ? JUDGED_WAITING : DIMSE_PROCESSING_FAILURE;
    return e.is_waiting ? JUDGED_WAITING : DIMSE_SUCCESS;
}
