/* queue_cli.h - radpost queue list|show|export|verify|hold|release|requeue|discard on a spool
 * folder. Looks in read-only, also beside a running gateway; what changes something is asked of the
 * gateway by its socket, or done here when none runs. Exit codes by err_kinds.def. */
#ifndef RADPOST_SPOOL_QUEUE_CLI_H
#define RADPOST_SPOOL_QUEUE_CLI_H

/* argv[0] is "queue". */
int queue_cli(int argc, char **argv);

#endif
