/* tls_pipe.h - a port that ends TLS for a service that speaks plain streams.
 * Every peer must show a certificate; a connection whose handshake is through is handed on as one
 * end of a socket pair, with the SHA-256 of that certificate, and pumped until either side ends.
 * Profile: PS3.15 B.9 BCP 195 (RFC 9325): TLS 1.2 and 1.3, ECDHE with AES-GCM only, no
 * renegotiation, no tickets, RSA keys of 2048 bits at least.
 * One thread serves all connections; each has two fixed buffers. Certificate, key and CA are read
 * again when their files change: who connects from then on meets what they say, connections under
 * way go on, and what cannot be used changes nothing.
 * Threads: functions may be called from any; take(), note() and renewed() run in the pipe's own. */
#ifndef RADPOST_TRUST_TLS_PIPE_H
#define RADPOST_TRUST_TLS_PIPE_H

#include "proto/base/err.h"

struct tls_pipe;

/* Why a connection did not come through. */
enum tls_pipe_trouble {
    TLS_PIPE_BROKEN,         /* no TLS, or it ended or waited too long; nothing about who it was */
    TLS_PIPE_NO_CERTIFICATE, /* it showed none */
    TLS_PIPE_NOT_NOW,        /* its certificate has ended, or has not begun, by our clock */
    TLS_PIPE_NOT_TRUSTED     /* not by our CA, or not for this */
};

struct tls_pipe_options {
    const char *address;     /* numeric; NULL = every IPv4 address */
    uint16_t port;           /* 0 = one that is free */
    const char *certificate; /* PEM, with its chain */
    const char *key;         /* PEM */
    const char *ca;          /* PEM: peers' certificates must be by it; NULL = any is let through,
                                and the owner judges its digest (dates are not looked at) */
    size_t max_connections;  /* 0 = 128; then the oldest that is not through gives way */
    int64_t handshake_ms;    /* from connecting to the end of the handshake; 0 = 10 s */
    int64_t stall_ms;        /* a peer that takes nothing for so long is let go; 0 = 30 s */
    /* The socket is the owner's. fingerprint: 64 hexadecimal digits. */
    void (*take)(int fd, const char *address, uint16_t port, const char *fingerprint, void *user);
    /* A handshake failed; may be NULL. */
    void (*note)(const char *address, enum tls_pipe_trouble trouble, const struct err *err,
                 void *user);
    /* The files changed: what they say is in use, or (why is set) it cannot be, and what was before
     * is shown on. May be NULL. */
    void (*renewed)(const char *fingerprint, const struct err *why, void *user);
    void *user;
};

/* The options' texts are copied or read at once.
 * errors  ERR_FATAL port in use; ERR_REJECT, ERR_NOT_FOUND certificate, key or CA */
int tls_pipe_open(const struct tls_pipe_options *options, struct tls_pipe **out_pipe,
                  struct err *err) MUST_CHECK;
uint16_t tls_pipe_port(const struct tls_pipe *pipe);
/* SHA-256 of our own certificate in hex. */
void tls_pipe_fingerprint(struct tls_pipe *pipe, char out[65]);
/* Its files say what cannot be used: a new start would fail. */
bool tls_pipe_is_stale(struct tls_pipe *pipe);
/* Ends every connection: what the owner wrote before is passed on as far as the peer takes it. */
void tls_pipe_free(struct tls_pipe **pipe);

/* A certificate that signs itself (RSA 2048, ten years) for those who have no authority:
 * dir/FILE.pem and dir/FILE.key, left alone when both are there. Peers pin it.
 * errors  those of durable.h */
int tls_pipe_make_certificate(const char *dir, const char *file, const char *common_name,
                              struct err *err) MUST_CHECK;

#endif
