/* journal.h - the file of states: records appended and synced, a whole file replayed.
 * The format: docs/formats/spool.md; what the records say: journal_body.h.
 * Threads: who has the lead (internal.h) alone; journal_replay may be fed hostile bytes. */
#ifndef RADPOST_SPOOL_JOURNAL_H
#define RADPOST_SPOOL_JOURNAL_H

#include "gateway/spool/journal_body.h"

/* What this program writes (versions.c). */
#define JOURNAL_MAJOR 1
#define JOURNAL_MINOR 5

struct journal; /* an open one, to append to */

/* A new journal DIR/journal/NUMBER.jnl that begins with the snapshot (u32 length + body, one after
 * another), published whole. On a full disk it begins, and grows, in the place of DIR's reserve
 * (reserve.h): what became of an image is noted as long as that lasts.
 * out_is_replaced  on failure: true when it may have taken its name, so that an older journal must
 *                  not be appended to any more */
int journal_create(const char *dir, uint64_t number, const struct buf *snapshot,
                   struct journal **out, bool *out_is_replaced, struct err *err) MUST_CHECK;
/* Append a body; not durable before journal_sync. After a failure of either the journal is only
 * good for closing. */
int journal_append(struct journal *j, const uint8_t *body, size_t n, struct err *err) MUST_CHECK;
int journal_sync(struct journal *j, struct err *err) MUST_CHECK;
void journal_close(struct journal **j);
uint64_t journal_number(const struct journal *j);
uint64_t journal_room(const struct journal *j); /* bytes that it takes of the disk */
/* Has grown by so many bytes (0 = 16 MiB) past what a fresh one would save. */
bool journal_is_long(const struct journal *j, uint64_t by);

struct journal_replay {
    uint64_t number;
    uint64_t records;
    bool is_damaged; /* a place that had been synced cannot be read */
};

/* errors  ERR_REJECT no journal, ERR_RETRY the disk */
int journal_replay(int fd, struct ledger *l, struct journal_facts *facts,
                   struct journal_replay *out, struct err *err) MUST_CHECK;

#endif
