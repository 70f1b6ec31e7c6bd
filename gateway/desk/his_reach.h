/* his_reach.h - a stream to the clinic's HIS, plain or over TLS, as the settings say.
 * Threads: a reached stream belongs to its owner. */
#ifndef RADPOST_DESK_HIS_REACH_H
#define RADPOST_DESK_HIS_REACH_H

#include "gateway/desk/his_settings.h"
#include "proto/base/err.h"

struct tls_call;

struct his_reached {
    int fd; /* for MLLP; does not block */
    struct tls_call *call;
};

/* TLS when a CA or a pin is set: the HIS is who it should be before a byte of a report goes.
 * errors  ERR_RETRY it cannot be reached; ERR_DENIED it is another, or does not want us;
 *         ERR_REJECT, ERR_NOT_FOUND the files of the settings */
int his_reach(const struct his_settings *s, const char *host, uint16_t port, int64_t limit_ms,
              struct his_reached *out, struct err *err) MUST_CHECK;
/* What was written is passed on first. why, or NULL: becomes ERR_DENIED with the reason if TLS
 * itself ended the stream, as where the HIS does not take our certificate. */
void his_leave(struct his_reached *reached, struct err *why);

#endif
