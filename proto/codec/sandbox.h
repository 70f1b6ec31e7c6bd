/* sandbox.h - lock this process in: memory, time and what was opened before; nothing else.
 * After sandbox_enter() the process may read, write, map and seek in descriptors it has, take new
 * ones from its socket, and get memory. Any other system call (open, socket, fork, execve, kill,
 * ptrace ...) ends it with SIGSYS; so do executable mappings. There is no way back. Threads, which
 * get nothing that the process has not, are allowed to a codec worker only. Under address
 * sanitizer the memory limit is the sanitizer's own and the calls of its reports are let through,
 * still nothing that opens, connects or starts. */
#ifndef RADPOST_CODEC_SANDBOX_H
#define RADPOST_CODEC_SANDBOX_H

#include "proto/base/err.h"

/* errors  ERR_FATAL: the kernel refuses; never go on without */
int sandbox_enter(struct err *err) MUST_CHECK;
/* The same cage for a process that holds keys: less memory, and it may sync what it writes to the
 * files it has open. */
int sandbox_enter_keys(struct err *err) MUST_CHECK;

#endif
