/* cli.h - the operator's commands; each gets its words, its own name first.
 * Return: the exit code (0 done, 64 wrong use, else err_kind_exit). */
#ifndef RADPOST_DEPLOY_CLI_H
#define RADPOST_DEPLOY_CLI_H

#include "proto/base/err.h"

int cli_watch(int argc, char **argv);
int cli_doctor(int argc, char **argv);

/* Tell an error once and give its exit code. */
int cli_fail(const struct err *err);

#endif
