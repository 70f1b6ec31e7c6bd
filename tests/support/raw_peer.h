/* raw_peer.h - a DICOM peer without a library, for what no library says: PDUs by hand over a
 * socket. What is sent goes whole or the test fails. */
#ifndef RADPOST_TESTS_RAW_PEER_H
#define RADPOST_TESTS_RAW_PEER_H

#include "proto/base/buf.h"
#include "proto/dicom/dimse_pdu.h"

struct raw_context {
    uint8_t id;
    const char *abstract_syntax, *transfer_syntax;
    const char *role; /* role selection, SCU and SCP: "\1\1"; NULL = no item */
};

struct raw_associate {
    char called[17], calling[17]; /* as they stand there: shorter ones are filled with NULs */
    const struct raw_context *contexts;
    size_t n;
};

struct raw_answer {
    uint8_t type;        /* PDU type; 0 = the connection was closed */
    uint8_t refusal[3];  /* A-ASSOCIATE-RJ: result, source, reason */
    uint8_t result[256]; /* A-ASSOCIATE-AC: of each context; 255 = none */
    uint32_t pdu_bytes;  /* that it takes */
    size_t role_count;
    struct raw_role {
        char uid[65];
        uint8_t scu, scp;
    } roles[8];
};

void raw_put_be(struct buf *b, size_t value, int bytes);
void raw_put_item(struct buf *b, uint8_t type, const void *value, size_t n);
void raw_put_pdv(struct buf *b, uint8_t context, uint8_t flags, const void *bytes, size_t n);

int raw_dial(uint16_t port); /* 127.0.0.1 */
/* The PDU of this body, which is empty then. */
void raw_send_pdu(int fd, uint8_t type, struct buf *body);
/* The next PDU's type, its body in out (NULL: not wanted); 0 = closed. */
uint8_t raw_receive_pdu(int fd, struct buf *out);
/* A-ASSOCIATE-RQ, or the -AC that takes all contexts. */
void raw_send_associate(int fd, uint8_t type, const struct raw_associate *a);
struct raw_answer raw_receive_answer(int fd);

#endif
