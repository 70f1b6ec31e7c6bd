/* tls_call.h - the calling side of TLS around a socket that is connected already, for a service
 * that speaks plain streams: it gets one end of a socket pair, which is pumped until either side
 * ends. Profile: as tls_pipe.h. The peer's certificate is by a CA of ours and names the host that
 * was called, or it is the one whose digest is pinned.
 * Threads: a call belongs to its owner; the pump is a thread of its own. */
#ifndef RADPOST_TRUST_TLS_CALL_H
#define RADPOST_TRUST_TLS_CALL_H

#include "proto/base/err.h"

struct tls_call;

struct tls_call_options {
    const char *host; /* name or numeric address; not looked at with a pin */
    const char *ca;   /* PEM: who signed its certificate; NULL or "" with a pin */
    const char *pin;  /* SHA-256 of its certificate, 64 hexadecimal digits; NULL or "" none */
    const char *certificate; /* ours, PEM with its chain; NULL or "" none is shown */
    const char *key;
    int64_t handshake_ms; /* 0 = 10 s */
    int64_t stall_ms;     /* a peer that takes nothing for so long is let go; 0 = 30 s */
};

/* The files are read at once.
 * errors  ERR_REJECT neither CA nor pin; a file that cannot be used; ERR_NOT_FOUND */
int tls_call_new(const struct tls_call_options *options, struct tls_call **out_call,
                 struct err *err) MUST_CHECK;
/* Shake hands on fd, which is taken over in every case; once for each call.
 * out_fd  the plain stream, the owner's to close
 * errors  ERR_DENIED the peer is not who it should be, or does not want us; ERR_RETRY */
int tls_call_wrap(struct tls_call *call, int fd, int *out_fd, struct err *err) MUST_CHECK;
/* What the owner wrote before is passed on as far as the peer takes it; the plain end is closed
 * before, or this waits for it. */
void tls_call_free(struct tls_call **call);
/* The same, for an owner whose stream ended too early: why, if TLS itself ended it. In TLS 1.3 a
 * peer refuses our certificate only after the handshake, so tls_call_wrap() cannot tell.
 * returns  -1 and err ERR_DENIED, or 0 and err as it was */
int tls_call_end(struct tls_call **call, struct err *err);

#endif
