/* share.h - whose bytes are made durable next, when more come than the disk and the processors
 * take. A few turns are given out at once. While all are taken, the next goes to the clinic that
 * was given least for what it asks (start-time fair queueing by bytes), however many connections it
 * has: a clinic alone gets everything, of n that send all the time each gets one n-th. Nobody waits
 * longer than the limit: a turn that hangs costs the others that wait, not their work. Threads:
 * any. */
#ifndef RADPOST_STORAGE_KEEP_SHARE_H
#define RADPOST_STORAGE_KEEP_SHARE_H

#include "proto/base/base.h"

struct share;

struct share *share_new(unsigned turns, int64_t limit_ms);
void share_free(struct share **share);
/* Blocks. Each enter has its leave. */
void share_enter(struct share *share, const char *tenant, uint64_t bytes);
void share_leave(struct share *share);
/* From now on so many at once; those given out already are not taken back. */
void share_set_turns(struct share *share, unsigned turns);
unsigned share_waiting(struct share *share);

#endif
