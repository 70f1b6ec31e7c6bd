/* look.h - reads from the images in the spool whose they say they are, and attaches studies to
 * registrations where that is beyond doubt (book_match); notes what was thrown away (aside.h). One
 * thread; each study is looked at once. Threads: start and stop from the owner. */
#ifndef RADPOST_DESK_LOOK_H
#define RADPOST_DESK_LOOK_H

#include "proto/base/err.h"

struct accept;
struct audit;
struct book;
struct look;
struct spool;
struct uplink;

/* spool, accept (may be NULL), book, audit (may be NULL), uplink (may be NULL)  outlive it */
void look_start(struct spool *spool, struct accept *accept, struct book *book, struct audit *audit,
                struct uplink *uplink, struct look **out_look);
void look_stop(struct look **look);

#endif
