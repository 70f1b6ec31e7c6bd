/* ledger.h - what the spool knows of its entries, in memory: records, studies, shared words.
 * A record is the plain, copyable part of an entry: it is what the journal holds, whole, at every
 * arrow. Texts inside it are shared words that live as long as the ledger.
 * Threads: none of its own; the spool's gate guards it. */
#ifndef RADPOST_SPOOL_LEDGER_H
#define RADPOST_SPOOL_LEDGER_H

#include "gateway/spool/segment.h"

#include "proto/base/buf.h"

/* Where the bytes of a received or coded object lie. segment 0 = nowhere. */
struct place {
    uint64_t segment;
    uint64_t offset; /* of the record */
    uint64_t object_size;
    uint32_t recipe_n;
    uint32_t layout_n;
    uint8_t sha256[32];
};

struct record {
    uint64_t id;
    enum instance_state state;
    struct place received;
    struct place coded;
    const char *sop_class, *sop_instance, *transfer_syntax;
    const char *calling_ae, *called_ae, *peer;
    const char *quarantine; /* as it came: a word of quarantine.def or "" */
    bool is_inspected;
    bool is_paused;
    const char *study_uid, *series_uid, *modality;
    const char *study_date, *study_time, *body_part, *station;
    uint32_t frames;
    uint8_t pixels_sha256[32];
    uint8_t dataset_sha256[32];
    uint32_t doubts;
    uint8_t identity_sha256[32];
    uint8_t rest_sha256[32];
    uint32_t revision; /* of the manifest that lists it since; 0 = none did */
    uint32_t left;     /* of the manifest that lists it no more; on the list: revision > left */
    uint32_t stale;    /* of the newest manifest that may name another file of it than goes now */
    uint64_t twin_of;
    uint64_t receipt_seq;
    int64_t at_us[INSTANCE_STATES];
    uint64_t done_age_ms; /* the spool's age when it was done (sealed or found a duplicate) */
    const char *why_not_coded, *last_error;
    const char *discard_reason, *discarded_by; /* "" = never discarded */
    bool is_wanted; /* a person let it go on although the same was discarded before */
    bool is_lost;   /* sealed, no longer at the centre, and its bytes are gone here */
    bool is_gone;   /* and for good, as a person says: on no list any more */
};

struct study;

struct entry {
    struct record r;
    struct study *study;     /* once inspected; kept while it is aside */
    struct entry *next_twin; /* same SOP instance */
    uint64_t association;    /* that brought it since the start */
    bool is_busy;            /* an arrow is on its way to the disk */
    uint64_t twin_soon;      /* that arrow makes it a duplicate of this one; 0: it does not */
    bool is_received_seen;   /* start: its place was found */
    bool is_coded_seen;
};

struct study {
    const char *uid;
    const char *calling_ae;
    struct record first; /* copy of the first inspected entry */
    uint64_t counts[INSTANCE_STATES];
    uint64_t total, bytes, unlisted, paused, lost, gone;
    uint64_t lost_mark; /* sum of the lost ones' ids */
    uint64_t leaving;   /* on its list, and thrown away or a duplicate */
    uint64_t aside;     /* on its list, and kept aside */
    uint64_t bytes_ready, bytes_before, bytes_unready, bytes_held;
    uint64_t first_id;
    int64_t first_arrival_us, last_arrival_us;
    int64_t moved_ms; /* monotonic: last arrival or end of an association */
    unsigned open_associations;
    uint32_t revision, acked_revision;
    int64_t closed_at_us;
};

struct number {
    const char *name;
    uint64_t value;
};

struct word; /* a shared word */

struct ledger {
    struct word **words;    /* hash chains */
    struct entry **entries; /* by id */
    size_t n, room;
    struct study **studies;
    size_t studies_n, studies_room;
    struct number *numbers;
    size_t numbers_n;
    uint64_t counts[INSTANCE_STATES];
    uint64_t paused, lost;
    uint64_t next_id;
};

void ledger_init(struct ledger *l);
void ledger_fini(struct ledger *l);
/* The shared copy of a text; "" for NULL. */
const char *ledger_word(struct ledger *l, const char *text);
/* A record with every text set. */
void ledger_record_init(struct record *r);
/* A new received record as its segment has it. */
void ledger_record_receive(struct ledger *l, const struct segment_record *s, uint64_t segment,
                           struct record *out);

struct entry *ledger_find(const struct ledger *l, uint64_t id); /* NULL: none */
/* Set an entry to a record, making it when there is none, and keep counts and studies true. What
 * manifests say of it (revision, left, stale) only grows. */
struct entry *ledger_put(struct ledger *l, const struct record *r);
void ledger_drop(struct ledger *l, uint64_t id);
/* First entry of a SOP instance, by next_twin onwards; NULL: none. */
struct entry *ledger_instance(struct ledger *l, const char *sop_instance);
/* NULL when there is none. */
struct study *ledger_study(struct ledger *l, const char *uid);
struct study *ledger_study_make(struct ledger *l, const char *uid);
uint64_t *ledger_number(struct ledger *l, const char *name, bool is_made);

static inline bool
record_is_done(const struct record *r)
{
    return r->state == INSTANCE_SEALED || r->state == INSTANCE_DUPLICATE ||
           r->state == INSTANCE_DISCARDED;
}

static inline bool
record_is_on_list(const struct record *r)
{
    return r->revision > r->left;
}

/* No list is to name it. */
static inline bool
record_is_off(const struct record *r)
{
    return (INSTANCE_BIT(r->state) & INSTANCE_UNLISTED) != 0 || r->is_gone;
}

/* The next manifest is to name it, anew or as it is now. */
static inline bool
record_is_unlisted(const struct record *r)
{
    return r->is_inspected && !record_is_off(r) &&
           (!record_is_on_list(r) || r->stale >= r->revision);
}

/* How many the next manifest is to name no more. What is kept aside waits for a person while the
 * centre has a list with it; a list that the centre may not have is told without it. */
static inline uint64_t
study_leaving(const struct study *s)
{
    return s->leaving + (s->revision > s->acked_revision ? s->aside : 0);
}

#endif
