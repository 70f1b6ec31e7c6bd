/* his_peer.h - a HIS that takes HL7 on loopback and answers as it is told; it keeps what came. */
#ifndef RADPOST_TESTS_HIS_PEER_H
#define RADPOST_TESTS_HIS_PEER_H

#include "proto/hl7/hl7.h"

enum his_peer_answer {
    HIS_PEER_AA,
    HIS_PEER_AE,
    HIS_PEER_AR, /* 207: another time */
    HIS_PEER_HANGS_UP,
};

void his_peer_start(enum his_peer_answer answer);
/* The same behind a program that takes TLS for it: `openssl s_server` with these options. */
void his_peer_start_sealed(enum his_peer_answer answer, const char *const options[]);
void his_peer_answer(enum his_peer_answer answer);
/* It then says these words instead, and hangs up; "@" stands for the message's MSH-10. NULL: as
 * his_peer_answer() says. */
void his_peer_says(const char *words, bool is_framed);
/* Called as a message has come, before it is answered, by the peer's thread. */
void his_peer_when_heard(void (*heard)(void));
void his_peer_stop(void);
uint16_t his_peer_port(void);
unsigned his_peer_count(void);
/* A component of the last message; valid until the next call. segment: the k-th of that name. */
const char *his_peer_last(const char *segment, unsigned k, unsigned field, unsigned component);
/* The last message's bytes; copied. */
void his_peer_bytes(struct buf *out);

#endif
