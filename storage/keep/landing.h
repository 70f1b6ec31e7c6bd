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

    struct gate gate; /* for all below */
    bool is_loaded;
    struct link_offer_object offer; /* as offered; owns recipe and layout */
    char device[KEEP_NAME_SIZE];
    struct range *first_look;
    size_t first_look_n;
    bool is_looked;
    bool is_verified; /* whole, its hash agreed: landing_advance() catalogues it */
    bool is_ended;    /* became a catalogued instance, or was given up; state says */
    enum link_state state;
    struct landing_file file;
};

/* errors  ERR_NOT_FOUND never offered (or ended meanwhile) */
int landing_take(struct keep *k, const char *tenant, const uint8_t object[32],
                 struct landing_object **out, struct err *err) MUST_CHECK;
void landing_release(struct keep *k, struct landing_object **object);

/* Under the object's gate: make written ranges durable; tell of the first look when that completes
 * it; a whole file is compared with its name and moved to whole/ (is_verified). */
int landing_note(struct keep *k, struct landing_object *o, const struct ranges *written,
                 struct err *err) MUST_CHECK;
/* Under the object's gate: make written ranges durable, and take the next step they allow (looked;
 * or whole: verified, inspected, catalogued). o->state is what to answer. */
int landing_advance(struct keep *k, struct landing_object *o, const struct ranges *written,
                    struct err *err) MUST_CHECK;

#endif
