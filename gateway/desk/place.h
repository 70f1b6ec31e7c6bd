/* place.h - where the desk may be reached, and with what certificate.
 * On this machine in the clear; beyond it over TLS only, with a key and a certificate of its own
 * (made at the first start, kept in dir/tls) or the clinic's. Or it stays on a loopback address and
 * a proxy of the clinic's stands before it. Threads: no state. */
#ifndef RADPOST_DESK_PLACE_H
#define RADPOST_DESK_PLACE_H

#include "proto/base/err.h"

#include <limits.h>

struct desk_options;

struct place {
    char certificate[PATH_MAX], key[PATH_MAX]; /* "": in the clear */
    char fingerprint[96];                      /* SHA-256 of the certificate, "AB:CD:..." */
};

bool place_is_loopback(const char *address);
/* errors  ERR_REJECT beyond this machine in the clear, or a certificate without its key; those of
 *         ca.h and durable.h */
int place_find(const struct desk_options *options, struct place *out, struct err *err) MUST_CHECK;
/* "AB:CD:...", as browsers show it, of a certificate's file. errors  ERR_NOT_FOUND, ERR_REJECT */
int place_fingerprint(const char *certificate, char out[96], struct err *err) MUST_CHECK;

#endif
