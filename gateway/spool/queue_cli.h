/* queue_cli.h - radpost queue list|show|export: look into a spool folder without the daemon.
 * Opens read-only, also beside a running daemon. Exit codes by err_kinds.def. */
#ifndef RADPOST_SPOOL_QUEUE_CLI_H
#define RADPOST_SPOOL_QUEUE_CLI_H

/* argv[0] is "queue". */
int queue_cli(int argc, char **argv);

#endif
