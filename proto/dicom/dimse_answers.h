/* dimse_answers.h - the matches of a C-FIND, gathered before the first of them is sent, so that
 * no catalog waits for a slow peer. Threads: answers belong to their owner. */
#ifndef RADPOST_DICOM_DIMSE_ANSWERS_H
#define RADPOST_DICOM_DIMSE_ANSWERS_H

#include "proto/dicom/dimse.h"
#include "proto/dicom/write.h"

enum { DIMSE_PENDING_PARTLY = 0xFF01 /* some keys were not matched on */ };

struct dimse_answers {
    enum dcm_coding coding;
    struct buf bytes; /* le32 length, data set, ... */
    uint64_t count;
    size_t at; /* of the one being written */
};

void dimse_answers_init(struct dimse_answers *a, enum dcm_coding coding);
void dimse_answers_fini(struct dimse_answers *a);
/* Write one more: begin, elements in ascending order, end. False: there is no room for it. */
void dimse_answers_begin(struct dimse_answers *a, struct dcm_writer *out_writer);
bool dimse_answers_end(struct dimse_answers *a);
bool dimse_answers_is_over(const struct dimse_answers *a);
/* Send them as pending answers; C-CANCEL is heard in between. The final answer is the caller's.
 * errors  of the association: it is over */
int dimse_answers_send(struct dimse_assoc *assoc, const struct dimse_command *rq,
                       const struct dimse_answers *a, uint16_t pending, uint64_t *out_sent,
                       bool *out_is_cancelled, struct err *err) MUST_CHECK;

#endif
