/* journal_body.h - what a record of the journal says.
 * A body is self-contained: applying it to a ledger sets what it says, whatever was there before,
 * so replay and life go through the same door. An entry is written whole at every arrow: a lost
 * record is made good by the next one. Threads: none of its own; bodies may be hostile bytes. */
#ifndef RADPOST_SPOOL_JOURNAL_BODY_H
#define RADPOST_SPOOL_JOURNAL_BODY_H

#include "gateway/spool/ledger.h"

enum journal_kind {
    JOURNAL_ENTRY = 1,
    JOURNAL_CUT = 3,
    JOURNAL_MANIFEST = 4,
    JOURNAL_ACKED = 5,
    JOURNAL_NUMBER = 6,
    JOURNAL_STUDY = 7,
    JOURNAL_SNAPSHOT_END = 8
};

#define JOURNAL_BODY_BYTES (16u << 20) /* a record's limit */

/* Bodies, appended to b (empty, limit JOURNAL_BODY_BYTES). */
void journal_body_entry(struct buf *b, const struct record *r);
void journal_body_cut(struct buf *b, uint64_t segment, uint64_t offset);
/* What a manifest changes on the list before it. */
struct journal_list {
    const uint64_t *news; /* listed by it, anew or with another file */
    size_t news_n;
    const uint64_t *leaving; /* no longer listed */
    size_t leaving_n;
};

void journal_body_manifest(struct buf *b, const char *study, uint32_t revision,
                           int64_t closed_at_us, const struct journal_list *list);
void journal_body_acked(struct buf *b, const char *study, uint32_t revision);
void journal_body_number(struct buf *b, const char *name, uint64_t value);
void journal_body_study(struct buf *b, const struct study *s);
void journal_body_snapshot_end(struct buf *b, uint64_t next_id, uint64_t next_segment);

/* What a replay finds beside the ledger. */
struct journal_cut {
    uint64_t segment;
    uint64_t offset;
};

struct journal_facts {
    struct journal_cut *cuts; /* free */
    size_t cuts_n;
    uint64_t next_segment;
    bool has_snapshot; /* its snapshot was whole */
};

/* Apply a body. False: it makes no sense (nothing changed). facts may be NULL. */
bool journal_apply(struct ledger *l, const uint8_t *body, size_t n,
                   struct journal_facts *facts) MUST_CHECK;
void journal_facts_fini(struct journal_facts *facts);

#endif
