/* pool.h - workers for codec.c: take one, let it do a job, give it back. See codec.h. */
#ifndef RADPOST_CODEC_POOL_H
#define RADPOST_CODEC_POOL_H

#include "proto/codec/codec.h"
#include "proto/codec/wire.h"

#include <sys/types.h>

/* One job. fds: WIRE_FD_SOURCE is the caller's, read only; WIRE_FD_SIDE may be -1; the two out are
 * made by pool_run and sealed, the caller closes them. They are -1 unless it returned 0.
 * out_died  set (true or false) always: the worker's end, not its answer, is why it failed
 * errors    the worker's own; ERR_REJECT the worker died; ERR_RETRY no worker could be had, or it
 *           got next to no processor time until its deadline (out_died is false then) */
int pool_run(struct codec_pool *pool, struct wire_request *request, int source_fd, int side_fd,
             struct wire_reply *out_reply, int out_fds[2], bool *out_died,
             struct err *err) MUST_CHECK;

/* A memfd that can be sealed; -1 with err. */
int pool_memfd(const char *name, struct err *err);
/* The same file, for reading only, with an offset of its own. The caller closes it. */
int pool_reopen(int fd, struct err *err);
/* What a worker wrote cannot change any more, and is as long as expected. errors  ERR_REJECT */
int pool_seal(int fd, uint64_t expected, struct err *err) MUST_CHECK;

/* Processor time that a worker has used, all its threads; 0 when it is gone. */
int64_t pool_used_ms(pid_t pid);
/* A thread of it is ready to run, or waits for the disk. */
bool pool_wants_processor(pid_t pid);

#endif
