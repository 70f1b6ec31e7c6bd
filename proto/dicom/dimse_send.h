/* dimse_send.h - one instance to a peer by C-STORE, as a sub-operation of a retrieval. */
#ifndef RADPOST_DICOM_DIMSE_SEND_H
#define RADPOST_DICOM_DIMSE_SEND_H

#include "proto/dicom/dimse_retrieve.h"

enum dimse_sent { DIMSE_SENT, DIMSE_SENT_WARNING, DIMSE_SENT_FAILED };

struct dimse_sub {
    struct dimse_assoc *to;
    uint16_t message_id;
    char originator[17]; /* C-MOVE: who asked; "" for C-GET */
    uint16_t originator_id;
    uint16_t cancel_id; /* C-GET: a C-CANCEL for this message may come in between; 0 = none may */
    bool is_cancelled;  /* it came */
    uint16_t status;    /* of the last instance that was answered, and the peer's words for it */
    char comment[65];
};

/* out_sent says how it went; an instance that cannot be opened is DIMSE_SENT_FAILED, and told to
 * the retrieval's not_sent().
 * errors  of the association to the receiver: it is over */
int dimse_send_instance(struct dimse_retrieval *r, struct dimse_sub *sub,
                        const struct dimse_retrieved *instance, enum dimse_sent *out_sent,
                        struct err *err) MUST_CHECK;

#endif
