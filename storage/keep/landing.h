/* landing.h - objects on their way, shared by all bundles that touch them.
 * landing_take() gives the one object in memory that stands for its row and its files; whoever has
 * it may write pieces; what changes its ranges or its end happens under its gate. */
#ifndef RADPOST_STORAGE_KEEP_LANDING_H
#define RADPOST_STORAGE_KEEP_LANDING_H

#include "proto/base/thread.h"
#include "storage/keep/keep.h"
#include "storage/keep/landing_file.h"

struct landing_object {
    struct landing_object *next; /* keep's list, keep's gate */
    unsigned users;
    char tenant[KEEP_CODE_SIZE];
    uint8_t object[32];

    bool is_busy; /* keep's gate: somebody looks into it, under its gate */

    struct gate gate; /* for all below */
    bool is_loaded;
    struct link_offer_object offer; /* as offered; owns recipe and layout */
    char device[KEEP_NAME_SIZE];
    struct range *first_look;
    size_t first_look_n;
    bool is_looked, is_look_new; /* new: its study was not told yet */
    bool is_verified; /* whole, its hash agreed, durably in whole/: see landing_finish() */
    bool is_ended;    /* became a catalogued instance, or was given up; state says */
    enum link_state state;
    uint64_t told_bytes; /* the catalog knows of so many */
    struct landing_file file;
};

/* errors  ERR_NOT_FOUND never offered (or ended meanwhile) */
int landing_take(struct keep *k, const char *tenant, const uint8_t object[32],
                 struct landing_object **out, struct err *err) MUST_CHECK;
/* The same whether it was offered or not, not loaded unless somebody has taken it: while its gate
 * is held nobody begins to. */
struct landing_object *landing_find(struct keep *k, const char *tenant, const uint8_t object[32]);
void landing_release(struct keep *k, struct landing_object **object);
/* Around what takes long under its gate (a hash over gigabytes, a decoder). */
void landing_set_busy(struct keep *k, struct landing_object *o, bool is_busy);
/* Is it so, and still after waiting until then (clock_mono_ms)? Its size then. No offer, and no
 * piece, need wait for its gate: all of it is here. */
bool landing_stays_busy(struct keep *k, const char *tenant, const uint8_t object[32],
                        int64_t until_ms, uint64_t *out_size);

/* Make what was written to any of these objects durable; tell of a first look that is whole with
 * it; a whole file is compared with its name and moved to whole/ (is_verified). No gate is held by
 * the caller; all objects are of one tenant. What is wrong with one does not keep the others from
 * their step. */
int landing_settle(struct keep *k, struct landing_object *const *objects, size_t n,
                   struct err *err) MUST_CHECK;
/* A verified one is inspected and catalogued; others are left as they are. No gate is held.
 * o->state is what to answer then. */
int landing_finish(struct keep *k, struct landing_object *o, struct err *err) MUST_CHECK;

/* An object's state for an answer; have may be NULL. Under the object's gate where have is its. */
void landing_tell(struct link_object_state *out, const uint8_t object[32], enum link_state state,
                  const struct ranges *have);

/* All of it is here, and what it is will be known later. */
void landing_tell_whole(struct link_object_state *out, const uint8_t object[32], uint64_t size);

#endif
