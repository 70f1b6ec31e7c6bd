/* aside.h - images that were put aside (quarantine.def) and what a person throws away of them: the
 * desk's routes and sections about them, and the audit of every discard.
 * A discard and a taking back are arrows of the spool; one that was made at the desk is in the
 * audit log before its answer, one of `radpost queue` as soon as the desk sees it, also when the
 * gateway was stopped then; each once, whatever ends in between (aside.c). What is still asked
 * about ("A or B?") is not thrown away at the desk. Threads: any; struct aside_watch one. */
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
/* Note what was thrown away or taken back since: in the audit log, unless it is there, and in the
 * book.
 * out_is_restored  something was taken back: the spool is to be looked through again
 * errors           those of the book and the audit log: call again */
int aside_watch_step(struct aside_watch *watch, bool *out_is_restored, struct err *err) MUST_CHECK;

/* In its turn (book->aside), after an image was thrown away: all of this name that are, into the
 * audit log and the book. On a failure it stays due, and is the watch's. */
struct spool_entry;
int aside_note_discards(struct spool *spool, struct book *book, struct audit *audit,
                        const char *sop_instance, struct err *err) MUST_CHECK;
/* In its turn (book->aside): what was thrown away is taken back, and the audit log has it as by
 * `by`. On a failure it is as it was; when only the log or the book failed, it is done, and its
 * entry is the watch's. */
int aside_restore(struct spool *spool, struct book *book, struct audit *audit,
                  const struct spool_entry *entry, const char *by, struct err *err) MUST_CHECK;

/* Sections of the state: "aside" and "discarded" (while its bytes are here), newest first, at most
 * 200 of each, and how many are aside ("aside_n"). keep_ms: how long the bytes of a discarded one
 * stay. */
int aside_write(struct spool *spool, struct book *book, int64_t keep_ms, struct jsonw *w,
                struct err *err) MUST_CHECK;

#endif
