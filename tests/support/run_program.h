/* run_program.h - stock programs as peers of a test. */
#ifndef RADPOST_TESTS_RUN_PROGRAM_H
#define RADPOST_TESTS_RUN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

bool program_is_there(const char *name); /* on the PATH */
/* Run to its end; its exit code, or 1000 + signal. input may be NULL; what it says on both outputs
 * goes to out (zero-ended, cut). */
int program_run(const char *const argv[], const char *input, char *out, size_t out_size);
/* Start it; what it reads and says goes over *out_fd, the caller's to close. It ends with this
 * process at the latest. */
pid_t program_start(const char *const argv[], int *out_fd);
/* Kill it, and wait until it is gone. */
void program_stop(pid_t child);
/* A free port for a program that must be told one and sets SO_REUSEADDR; nobody else is given it
 * until the socket that is returned is closed. */
int program_port(uint16_t *out_port);
/* Compile a C source to a program. 0 = done. */
int program_compile(const char *source, const char *program);

#endif
