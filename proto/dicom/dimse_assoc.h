/* dimse_assoc.h - what dimse.c and dimse_listen.c share: the association itself. Not for others. */
#ifndef RADPOST_DICOM_DIMSE_ASSOC_H
#define RADPOST_DICOM_DIMSE_ASSOC_H

#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dimse.h"

#include <stdatomic.h>

struct dimse_assoc {
    struct upper_assoc *upper;
    struct dimse_peer peer;
    uint64_t number;
    struct dimse_deadlines deadlines;
    struct dimse_context contexts[DIMSE_CONTEXTS];
    size_t context_count;
    uint8_t data_context; /* a data set is due on this context; 0 = none */
    int64_t pace_from_ms; /* of the data set: how much has come since then */
    uint64_t pace_bytes;
    bool is_over;
    /* Read by the listener, which ends the longest silent one when places are short. */
    _Atomic int64_t turn_ms; /* monotonic: what is to come is the peer's since then; 0 = ours */
    _Atomic bool is_in_object;
    int64_t silent_ms; /* it has used up of its turn before; of its object, since it moved */
    uint64_t moved_bytes;
};

/* A peer that sends so much of an object is not silent. */
enum { DIMSE_MOVES_BYTES = 65536 };

/* With the limits filled in. */
struct dimse_deadlines dimse_deadlines_or_limits(const struct dimse_deadlines *wanted);
struct upper_limits dimse_upper_limits(const struct dimse_deadlines *deadlines);
extern const struct upper_identity dimse_identity;
uint64_t dimse_next_number(void);

/* Which of the proposed syntaxes to take: the index, or -1 if none may be. Storage: explicit little
 * endian, implicit, other plain, lossless, then whatever was offered. */
int dimse_choose_syntax(enum dimse_offer offer, const char *const *proposed, size_t count);
/* Answers to each proposed context (DIMSE_CONTEXTS at most); how many. The accepted ones are the
 * association's. */
struct pdu_associate;
size_t dimse_answer_contexts(const struct dimse_listener_options *options,
                             const struct pdu_associate *rq, struct upper_answer *answers,
                             struct dimse_assoc *assoc);

#endif
