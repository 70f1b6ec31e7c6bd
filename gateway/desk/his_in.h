/* his_in.h - the door for the clinic's HIS: HL7 v2 over MLLP, orders in, answers out.
 * A thread a connection, at most LIMIT_HL7_CONNECTIONS; then the one that is silent longest gives
 * way. A message that has begun is whole within LIMIT_MS_HL7_MESSAGE and LIMIT_HL7_BYTES, or its
 * connection ends. MLLP has no key and no password: beyond loopback the HIS's addresses are due,
 * and nobody else is listened to, unless the port speaks TLS and each peer shows a certificate of
 * the authority named (proto/trust/tls_pipe.h). What is answered AA is durable (his_orders.h).
 * Threads: its own.
 */
#ifndef RADPOST_DESK_HIS_IN_H
#define RADPOST_DESK_HIS_IN_H

#include "proto/base/err.h"

struct book;
struct his_in;

struct his_in_options {
    struct book *book;    /* outlives it */
    const char *address;  /* numeric */
    uint16_t port;        /* 0: any free one */
    const char *peers;    /* numeric addresses, parted by commas; "": any, on loopback only */
    const char *charset;  /* "" as MSH-18 and the text say; "GB18030", "UTF-8": always so */
    const char *facility; /* ours, in answers; may be "" */
    int64_t idle_ms;      /* a connection that is silent for so long ends */
    const char *tls_ca;   /* PEM, who signs the HIS's certificate; NULL or "": no TLS */
    const char *tls_certificate, *tls_key; /* ours, PEM; both NULL or "": made in tls_dir */
    const char *tls_dir;                   /* hl7.pem and hl7.key, made when first needed */
};

/* errors  ERR_REJECT options; ERR_RETRY the port is taken */
int his_in_start(const struct his_in_options *options, struct his_in **out,
                 struct err *err) MUST_CHECK;
void his_in_stop(struct his_in **in);
uint16_t his_in_port(const struct his_in *in);
/* SHA-256 of our certificate in hexadecimal, for the HIS to pin; "" without TLS. */
void his_in_fingerprint(const struct his_in *in, char out[65]);
/* The certificate's files were changed and cannot be used: tls_pipe_is_stale(). */
bool his_in_is_stale(const struct his_in *in);

#endif
