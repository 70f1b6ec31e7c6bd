/* commit_message.h - the data sets of Storage Commitment (PS3.4 J.3.2, J.3.3): what an N-ACTION
 * asks, what an N-EVENT-REPORT tells. Pure functions. */
#ifndef RADPOST_SERVE_COMMIT_MESSAGE_H
#define RADPOST_SERVE_COMMIT_MESSAGE_H

#include "proto/base/buf.h"
#include "proto/dicom/syntax.h"

#define COMMIT_CLASS "1.2.840.10008.1.20.1"
#define COMMIT_INSTANCE "1.2.840.10008.1.20.1.1"

enum { COMMIT_REFS_MOST = 20000, COMMIT_BYTES = 8 * 1024 * 1024 };
enum { COMMIT_ACTION_REQUEST = 1, COMMIT_EVENT_SUCCESS = 1, COMMIT_EVENT_FAILURES = 2 };

struct commit_ref {
    char sop_class[65];
    char sop_instance[65];
    uint16_t verdict; /* DIMSE_SUCCESS, or a failure reason; COMMIT_UNDECIDED */
};
#define COMMIT_UNDECIDED 0xFFFF

struct commit_ask {
    char transaction[65];
    struct commit_ref *refs; /* each instance once */
    size_t n;
};

/* coding: DCM_IMPLICIT_LE or DCM_EXPLICIT_LE. What else is in it is passed over.
 * out_status  on failure: what to answer
 * errors      ERR_REJECT no data set, no Transaction UID, an instance without its UIDs, one twice
 *             with two classes, none at all, or too many */
int commit_ask_read(const uint8_t *bytes, size_t n, enum dcm_coding coding, struct commit_ask *out,
                    uint16_t *out_status, struct err *err) MUST_CHECK;
void commit_ask_fini(struct commit_ask *ask);

/* The data set of the report; returns its event type. Every verdict is there. */
uint16_t commit_event_write(struct buf *out, enum dcm_coding coding, const char *transaction,
                            const struct commit_ref *refs, size_t n);

#endif
