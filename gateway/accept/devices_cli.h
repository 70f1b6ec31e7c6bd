/* devices_cli.h - radpost devices list|add|remove|enrol: the device table of a gateway by hand.
 * Works on the file, which a running gateway reads again by itself: at the device's next attempt,
 * or (a row taken out) with its next message. Exit codes by err_kinds.def. */
#ifndef RADPOST_ACCEPT_DEVICES_CLI_H
#define RADPOST_ACCEPT_DEVICES_CLI_H

/* argv[0] is "devices". */
int devices_cli(int argc, char **argv);

#endif
