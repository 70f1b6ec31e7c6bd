/* run_program.h - stock programs as peers of a test. */
#ifndef RADPOST_TESTS_RUN_PROGRAM_H
#define RADPOST_TESTS_RUN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

bool program_is_there(const char *name); /* on the PATH */
/* Run to its end; its exit code, or 1000 + signal. input may be NULL; what it says on both outputs
 * goes to out (zero-ended, cut). */
int program_run(const char *const argv[], const char *input, char *out, size_t out_size);
/* Compile a C source to a program. 0 = done. */
int program_compile(const char *source, const char *program);

#endif
