/* marks.h - what is known of each instance towards one target: DIR/NAME.marks, appended to, read
 * back whole at start. Losing the end of it costs questions and repeats, never an instance.
 * On disk: docs/formats/targets.md.
 * Invariants: 1. a mark counts only if its checksum agrees, which covers its place in this very
 * file; 2. after a failed write or sync nothing more is written to that file: marks_renew() makes
 * another; 3. what cannot be read but is followed by marks that can is kept in DIR/corrupt/.
 * Threads: the owner's lock for all but marks_sync(), which may run beside appends. */
#ifndef RADPOST_PLAIN_MARKS_H
#define RADPOST_PLAIN_MARKS_H

#include "proto/base/err.h"

enum mark_kind {                    /* numbers are on disk */
                 MARK_TRIED = 1,    /* is being sent: in doubt if nothing follows */
                 MARK_ACCEPTED = 2, /* the peer answered success */
                 MARK_FOUND = 3,    /* a query found it there */
                 MARK_REFUSED = 4,  /* the peer refused this instance: set aside */
                 MARK_AGAIN = 5,    /* waits to be sent (again) */
                 MARK_LEFT = 6,     /* not for this target, or given up by a person */
                 MARK_KINDS
};

enum { MARK_TAG_BYTES = 8, MARK_WHY_BYTES = 160 };

struct mark {
    enum mark_kind kind;
    uint64_t id;                 /* of the spool's entry */
    uint8_t tag[MARK_TAG_BYTES]; /* the first bytes of its received_sha256 */
    int64_t at_us;
    uint16_t status; /* the peer's, of a refusal */
    char why[MARK_WHY_BYTES];
};

struct marks;

/* Read what is there (nothing: a new file) and give each mark in order. Nothing can be appended
 * before marks_renew().
 * errors  ERR_REJECT a file of another major version; those of durable.h */
int marks_open(const char *dir, const char *name, void (*give)(void *user, const struct mark *mark),
               void *user, struct marks **out, struct err *err) MUST_CHECK;
void marks_close(struct marks **marks);
/* When the first file of this name was made; 0: its head could not be read. */
int64_t marks_made_at_us(const struct marks *marks);
/* There was no file. */
bool marks_is_new(const struct marks *marks);
/* Some of the old file could not be read; the whole of it is kept in DIR/corrupt. */
bool marks_had_damage(const struct marks *marks);

/* A new file with what is still worth knowing, in the old one's place. next fills the i-th mark;
 * false: there are no more. */
int marks_renew(struct marks *marks, bool (*next)(void *user, size_t i, struct mark *out),
                void *user, struct err *err) MUST_CHECK;
/* Written, not synced. errors  ERR_RETRY, ERR_FULL: renew */
int marks_append(struct marks *marks, const struct mark *mark, struct err *err) MUST_CHECK;
/* What was appended before the call lasts. errors as marks_append() */
int marks_sync(struct marks *marks, struct err *err) MUST_CHECK;
bool marks_is_sick(const struct marks *marks); /* renew it */
bool marks_is_long(const struct marks *marks); /* mostly old news: renew it */

#endif
