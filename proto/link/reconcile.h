/* reconcile.h - do gateway and centre believe the same? What both say of a day, of its studies, of
 * objects, and how a comparison ended (docs/link-protocol.md, "Reconciliation").
 *
 * A claim is an object and whether it is sealed. A study is told by its newest list that both sides
 * know: its day is the UTC day on which that list was closed, its digest the SHA-256 of its claims
 * in the order of their objects, each 32 bytes and one letter. A day is told by the digest of its
 * studies. Both sides reckon by this module alone.
 * Decoders meet bytes from outside, as those of link.h. Threads: nothing here keeps state. */
#ifndef RADPOST_LINK_RECONCILE_H
#define RADPOST_LINK_RECONCILE_H

#include "proto/link/link.h"

#define LINK_PATH_RECONCILE_DAYS "/link/v1/reconcile/days"
#define LINK_PATH_RECONCILE_STUDIES "/link/v1/reconcile/studies"
#define LINK_PATH_RECONCILE_OBJECTS "/link/v1/reconcile/objects"
#define LINK_PATH_RECONCILE_DONE "/link/v1/reconcile/done"

/* How a claim counts in a study's digest; the catalog's query writes the same letters. */
enum link_claim_letter {
    LINK_CLAIM_SEALED = 's',
    LINK_CLAIM_HELD = 'h',
    LINK_CLAIM_MISSING = 'm' /* the centre's: on the list, and not there */
};

struct link_claim {
    uint8_t object[LINK_HASH_BYTES];
    enum link_claim_letter letter;
};

struct link_study {
    char study[LINK_UID_SIZE];
    int64_t day;       /* since 1970, UTC */
    uint32_t revision; /* of the newest list; 0: not known there */
    uint64_t objects, sealed;
    uint8_t sha256[LINK_HASH_BYTES];
};

struct link_studies {
    struct link_study *studies;
    size_t count;
};

struct link_day {
    int64_t day;
    uint64_t studies, objects, sealed;
    uint8_t sha256[LINK_HASH_BYTES];
};

struct link_days {
    struct link_day *days;
    size_t count;
};

struct link_objects {
    uint8_t (*objects)[LINK_HASH_BYTES];
    size_t count;
};

/* What neither side can repair. */
struct link_lost {
    uint8_t object[LINK_HASH_BYTES];
    char sop_instance[LINK_UID_SIZE], study[LINK_UID_SIZE];
};

/* How a comparison ended, as the gateway tells and keeps it. */
struct link_reconciled {
    int64_t at_us;                   /* of the gateway's clock */
    uint64_t catalog;                /* which one was compared with: link_ping.catalog */
    uint64_t days, studies, objects; /* compared */
    uint64_t different;              /* objects and lists that were not the same on both sides */
    uint64_t repaired;               /* of them; what is sent again is on its way */
    uint64_t lost;                   /* of them */
    struct link_lost *list;          /* of the lost, LIMIT_RECONCILE_LOST at most */
    size_t count;
};

int64_t link_day_of(int64_t wall_us);
/* Sorts the claims; fills objects, sealed and sha256 of out, nothing else. */
void link_study_reckon(struct link_claim *claims, size_t n, struct link_study *out);
/* Sorts the studies by day and UID; a row for each of their days. */
void link_days_reckon(struct link_study *studies, size_t n, struct link_days *out);
bool link_study_is_same(const struct link_study *a, const struct link_study *b);
bool link_day_is_same(const struct link_day *a, const struct link_day *b);

/* The same document is question and answer; of the answer only what differs.
 * errors  ERR_REJECT with the member that is wrong */
void link_days_encode(const struct link_days *days, struct buf *out);
int link_days_decode(const uint8_t *bytes, size_t n, struct link_days *out,
                     struct err *err) MUST_CHECK;
void link_days_free(struct link_days *days);

void link_studies_encode(const struct link_studies *studies, struct buf *out);
int link_studies_decode(const uint8_t *bytes, size_t n, struct link_studies *out,
                        struct err *err) MUST_CHECK;
void link_studies_free(struct link_studies *studies);

/* Answered by a link_answer without ranges: wanted = not there, or not whole. */
void link_objects_encode(const struct link_objects *objects, struct buf *out);
int link_objects_decode(const uint8_t *bytes, size_t n, struct link_objects *out,
                        struct err *err) MUST_CHECK;
void link_objects_free(struct link_objects *objects);

void link_reconciled_encode(const struct link_reconciled *done, struct buf *out);
int link_reconciled_decode(const uint8_t *bytes, size_t n, struct link_reconciled *out,
                           struct err *err) MUST_CHECK;
void link_reconciled_free(struct link_reconciled *done);

#endif
