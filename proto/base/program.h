/* program.h - a service as a process: the signal that ends it, helpers of the same program, its
 * end. Threads: program_hold_signals() before the first one, program_wait() in one of them. */
#ifndef RADPOST_BASE_PROGRAM_H
#define RADPOST_BASE_PROGRAM_H

#include "proto/base/base.h"
#include "proto/base/err.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SIGTERM and SIGINT are held for program_wait(), in every thread begun after; SIGPIPE is nothing.
 */
void program_hold_signals(void);
/* As many open files as the system allows the service at most: systemd begins with 1024, and
 * limits.def lets more in. Numbers past 1023 are safe: the services and their libraries (curl,
 * libmicrohttpd as it is started here, DCMTK) wait by poll(), never by select(). */
void program_raise_descriptors(void);
/* Returns the signal that ends the service. */
int program_wait(void);
/* The same, or 0 after so long. */
int program_wait_ms(int64_t wait_ms);

#define PROGRAM_SOCKET 3
/* This very program once more, in another role: argv and environment its own, our end of a socket's
 * other side at descriptor PROGRAM_SOCKET, standard input and output nothing, no other descriptor
 * but standard error, no signal blocked or handled. is_group: a process group of its own, for
 * signals to it and its threads alone. */
MUST_CHECK int program_spawn_self(char *const argv[], char *const env[], int socket, bool is_group,
                                  pid_t *out_pid, struct err *err);

/* The end of a service whose threads have ended. Nothing that libraries left for the end of a
 * process runs: it allocates (DCMTK's log does), and would turn an orderly end into a crash where
 * memory is short. With a sanitizer it is exit(), so that leaks are told. */
__attribute__((noreturn)) void program_end(int status);

#ifdef __cplusplus
}
#endif
#endif
