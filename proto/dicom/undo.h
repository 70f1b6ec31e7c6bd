/* undo.h - what of a data set stood otherwise before it left here (leaving.h), as the last item of
 * its Original Attributes Sequence says. Private to proto/dicom. */
#ifndef RADPOST_DICOM_UNDO_H
#define RADPOST_DICOM_UNDO_H

#include "proto/dicom/walk.h"

struct dcm_undo {
    unsigned items; /* of (0400,0561); the last is ours */
    struct dcm_undo_number {
        uint32_t tag;
        bool is_changed;      /* another value stood there, or none */
        bool is_there;        /* it stood there; where n is 0, whether it did nobody told */
        const uint8_t *value; /* in the data set */
        size_t n;
    } numbers[2]; /* study, series */
};

/* False: it did not leave here under other numbers, or does not say all of what stood there. */
bool dcm_undo_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, struct dcm_undo *out);

#endif
