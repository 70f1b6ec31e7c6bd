/* aside.h - images that were put aside (quarantine.def) and what a person throws away of them: the
 * desk's routes and sections about them, and the audit of every discard.
 * A discard and a taking back are arrows of the spool; one that was made at the desk is in the
 * audit log before it is done, one of `radpost queue` as soon as the desk sees it, also when the
 * gateway was stopped then. What is still asked about ("A or B?") is not thrown away at the desk.
 * Threads: any; struct aside_watch one. */
#ifndef RADPOST_DESK_ASIDE_H
#define RADPOST_DESK_ASIDE_H

#include "gateway/desk/book.h"
#include "proto/base/jsonw.h"

struct audit;
struct spool;

/* Discards that were noted already, in memory. */
struct aside_watch;
/* audit may be NULL (tests). */
struct aside_watch *aside_watch_new(struct spool *spool, struct book *book, struct audit *audit);
void aside_watch_free(struct aside_watch **watch);
/* Note what was thrown away or taken back since: in the audit log, unless the desk wrote it there,
 * and in the book.
 * out_is_restored  something was taken back: the spool is to be looked through again
 * errors           those of the book and the audit log: call again */
int aside_watch_step(struct aside_watch *watch, bool *out_is_restored, struct err *err) MUST_CHECK;

/* In its turn (book->aside), before it is thrown away: in the audit log, and in the book that it is
 * there. What the book does not know of is audited by the watch, whoever did it. */
struct spool_entry;
int aside_audit_discard(struct book *book, struct audit *audit, const struct spool_entry *entry,
                        const char *reason, const char *by, struct err *err) MUST_CHECK;
/* In its turn (book->aside): what was thrown away is taken back, after it is in the audit log as
 * by `by`; and as it was when that fails. */
int aside_restore(struct spool *spool, struct book *book, struct audit *audit,
                  const struct spool_entry *entry, const char *by, struct err *err) MUST_CHECK;

/* Sections of the state: "aside" and "discarded" (while its bytes are here), newest first, at most
 * 200 of each, and how many are aside ("aside_n"). keep_ms: how long the bytes of a discarded one
 * stay. */
int aside_write(struct spool *spool, struct book *book, int64_t keep_ms, struct jsonw *w,
                struct err *err) MUST_CHECK;

#endif
