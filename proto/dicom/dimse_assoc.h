/* dimse_assoc.h - what dimse.c and dimse_listen.c share: the association itself. Not for others. */
#ifndef RADPOST_DICOM_DIMSE_ASSOC_H
#define RADPOST_DICOM_DIMSE_ASSOC_H

#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dimse.h"

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
};

/* With the limits filled in. */
struct dimse_deadlines dimse_deadlines_or_limits(const struct dimse_deadlines *wanted);
struct upper_limits dimse_upper_limits(const struct dimse_deadlines *deadlines);
extern const struct upper_identity dimse_identity;
uint64_t dimse_next_number(void);

/* Which of the proposed syntaxes to take: the index, or -1 if none may be. Storage: explicit little
 * endian, implicit, other plain, lossless, then whatever was offered. */
int dimse_choose_syntax(enum dimse_offer offer, const char *const *proposed, size_t count);

#endif
