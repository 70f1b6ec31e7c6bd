/* arrivals.h - what each instance that arrives tells the desk: that it is here (devices said it
 * would come), and the radiation dose in it. How far it has looked lasts, so that a restart looks
 * at nothing twice. Threads: one of its own. */
#ifndef RADPOST_DESK_ARRIVALS_H
#define RADPOST_DESK_ARRIVALS_H

#include "proto/base/err.h"

struct arrivals;
struct book;
struct serve;
struct spool;
struct uplink;

/* All outlive it. uplink (may be NULL) is told what is announced and not here: by steps, and by
 * commitments (serve may be NULL). */
void arrivals_start(struct spool *spool, struct book *book, struct uplink *uplink,
                    struct serve *serve, struct arrivals **out_arrivals);
void arrivals_stop(struct arrivals **arrivals);
/* One look, by whoever has not started a thread (tests). */
int arrivals_look(struct spool *spool, struct book *book, struct err *err) MUST_CHECK;

#endif
