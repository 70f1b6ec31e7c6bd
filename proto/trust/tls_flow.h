/* tls_flow.h - bytes between a TLS peer and an owner's plain stream, both ways; inside proto/trust
 * only, since OpenSSL's types are in it.
 * Invariant: at most one buffer full each way; a side that does not take holds up only this flow.
 * Threads: a flow belongs to the thread that pumps it. */
#ifndef RADPOST_TRUST_TLS_FLOW_H
#define RADPOST_TRUST_TLS_FLOW_H

#include "proto/base/err.h"

#include <openssl/ssl.h>
#include <poll.h>

enum { TLS_FLOW_PIECE = 32768 };

/* What RFC 9325 (BCP 195) leaves of TLS 1.2. */
#define TLS_FLOW_CIPHERS                                                                           \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

struct tls_flow_way {
    uint8_t bytes[TLS_FLOW_PIECE];
    size_t from, to;
};

struct tls_flow {
    int fd, plain; /* the peer's socket, without waits; the owner's; plain -1: not begun */
    SSL *ssl;
    int64_t stall_ms;
    int64_t deadline_ms;       /* of the peer's taking what waits for it; INT64_MAX none */
    bool wants_write;          /* TLS waits for room towards the peer, not for bytes from it */
    bool peer_ended, we_ended; /* nothing more comes from the peer; from the owner */
    struct err why;            /* ERR_DENIED: TLS itself ended it, by an alert or a broken record */
    struct tls_flow_way *in, *out;
};

/* The handshake is through: from now on bytes go to and from this socket. */
void tls_flow_begin(struct tls_flow *f, int plain);
/* Close and free what is inside; fd and ssl too. */
void tls_flow_end(struct tls_flow *f);
/* Move what can be moved, both ways. false: it is over. */
bool tls_flow_move(struct tls_flow *f);
/* What to poll for; fd -1 where nothing is awaited. */
void tls_flow_polls(const struct tls_flow *f, struct pollfd *out_tls, struct pollfd *out_plain);

#endif
