/* fake_centre.h - the centre's side of the link in a test's own process: a real HTTPS server with
 * client certificates, objects in memory, and trouble on demand.
 * Threads: the counters and wishes are guarded by fake_centre_lock/unlock. */
#ifndef RADPOST_TESTS_FAKE_CENTRE_H
#define RADPOST_TESTS_FAKE_CENTRE_H

#include "proto/link/link.h"

#include <stdbool.h>

struct fake_object {
    size_t next;                    /* for the centre itself: of the same chain */
    struct link_offer_object offer; /* recipe and layout are not kept */
    struct layout *layout;
    uint8_t *bytes, *have;
    enum link_state state;
    uint64_t arrived; /* bytes that came, repeats included */
    bool is_answered_oddly;
    bool is_listed; /* by a manifest */
};

struct fake_centre;

/* What goes wrong; 0 or false: nothing. */
struct fake_wishes {
    unsigned lose_answer_every; /* the n-th bundle is kept, its answer is a broken connection */
    unsigned drop_bundle_every; /* the n-th bundle is not kept, 503 */
    unsigned busy_calls;        /* so many calls are answered 503 with Retry-After: 1 */
    bool is_bad_once;           /* each object is called bad once when it is whole */
    bool are_all_conflicts;     /* every offer is answered "conflict" */
    bool are_all_duplicates;
    bool is_full;        /* what is not known here is left out; all of an offer: refused_status */
    bool is_out_of_room; /* every bundle is answered refused_status */
    bool are_all_put_aside;         /* what is whole is "quarantined" */
    const char *refused_sop;        /* an offer that names it is answered refused_status, 0: 400 */
    const char *refused_bundle_sop; /* a bundle that touches it is */
    int refused_status;
    unsigned refused_times;     /* 0: always; then so often */
    bool is_refused_by_another; /* by a server on the way: no JSON */
    unsigned junk_answers;      /* so many bundles are answered 200 with what is no answer */
    unsigned foreign_answers;   /* so many are not kept, and 200 speaks of another object */
    bool is_foreign;            /* every offer is */
    const char *refused_list;   /* the lists of this study are answered refused_status, 0: 400 */
    bool is_never_sealing;
    bool is_slow_with_manifests;   /* none is answered while this is wished */
    bool is_slow_with_first_offer; /* nor the first offer */
    bool is_mute;                  /* an offer's answer says nothing of any object */
};

struct fake_counts {
    unsigned refused;
    unsigned offers, bundles, manifests, lists_refused, pings, receipt_polls;
    unsigned offered; /* objects */
    unsigned manifests_waiting;
    unsigned looked_first_failures; /* rest bytes of a study came before all its looks were there */
    uint32_t last_revision;
    size_t last_manifest_count;
    uint64_t bytes, probe_bytes;
    unsigned stat_calls;               /* offers and bundles that named emergencies, */
    char stat_studies[LINK_STAT_SIZE]; /* the latest of them these */
};

/* Serves in dir (its CA and keys), and enrols link_dir as tenant "T1", device "g1". */
struct fake_centre *fake_centre_start(const char *dir, const char *link_dir);
void fake_centre_stop(struct fake_centre **c);
/* Stop listening and start again at the same port; what it has stays. */
void fake_centre_cut(struct fake_centre *c);
void fake_centre_heal(struct fake_centre *c);
const char *fake_centre_url(struct fake_centre *c);

void fake_centre_lock(struct fake_centre *c);
void fake_centre_unlock(struct fake_centre *c);
struct fake_wishes *fake_centre_wishes(struct fake_centre *c);
struct fake_counts *fake_centre_counts(struct fake_centre *c);
/* Wait until so many objects are in at least this state; false after wait_ms. */
bool fake_centre_wait(struct fake_centre *c, enum link_state state, size_t count, int64_t wait_ms);
size_t fake_centre_objects(struct fake_centre *c, struct fake_object **out); /* locked */

#endif
