/* unsent.h - "send these again": instances that were answered with a failure, durable, until they
 * arrive or somebody says that they need not. DIR/unsent.log: docs/formats/devices.md.
 * A new row is on the disk before its call returns. A file that cannot be written is no reason to
 * refuse anything: the list goes on in memory and is written whole as soon as that works.
 * Threads: any; a lock of its own. */
#ifndef RADPOST_ACCEPT_UNSENT_H
#define RADPOST_ACCEPT_UNSENT_H

#include "gateway/accept/accept.h"

#define UNSENT_FILE "unsent.log"
#define UNSENT_MAX 10000

struct unsent;

/* errors  ERR_RETRY it cannot be read. Lines that cannot be read are left out and counted. */
int unsent_open(const char *dir, struct unsent **out_list, size_t *out_bad,
                struct err *err) MUST_CHECK;
void unsent_close(struct unsent **list);
/* Texts are made fit for a line. errors  it is in memory only */
int unsent_add(struct unsent *list, const struct accept_unsent *row, struct err *err) MUST_CHECK;
/* The instance arrived. errors  it is off the list, but may be on it again after a crash */
int unsent_arrived(struct unsent *list, const char *sop_instance, struct err *err) MUST_CHECK;
/* errors  ERR_NOT_FOUND */
int unsent_forget(struct unsent *list, const char *ae, const char *sop_instance,
                  struct err *err) MUST_CHECK;
/* Oldest first; the caller's (free). */
void unsent_copy(struct unsent *list, struct accept_unsent **out_rows, size_t *out_n,
                 uint64_t *out_more);

#endif
