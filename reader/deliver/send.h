/* send.h - hand a text for a phone over to whoever sends it.
 * A configured program is started without a shell, with the number as its only argument, the text
 * on its standard input and RADPOST_MESSAGE_ID in its environment (the same message has the same id
 * when it is tried again); exit code 0 says it took it, within SEND_MS. Without a program each
 * message is a file in the outbox folder, durable before this returns, named by its time and
 * number, so that handing it over twice leaves one file: {"to":"13800138000","text":"..."}.
 * Threads: any. */
#ifndef RADPOST_DELIVER_SEND_H
#define RADPOST_DELIVER_SEND_H

#include "proto/base/err.h"

enum { SEND_MS = 10000 };

struct send_message {
    int64_t id;
    int64_t at_us; /* when it was made */
    const char *phone, *text;
};

/* command  "" or NULL: the outbox
 * errors   ERR_RETRY the program could not be run, took too long or said no; ERR_FULL; those of
 *          durable.h */
int send_text(const char *command, const char *outbox_dir, const struct send_message *message,
              struct err *err) MUST_CHECK;
/* Can it be used: is the program there, the folder made?
 * errors  ERR_REJECT */
int send_check(const char *command, const char *outbox_dir, struct err *err) MUST_CHECK;

#endif
