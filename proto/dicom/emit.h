/* emit.h - walked elements written again in another coding; the inner half of convert.h.
 * Sequences and items keep defined or undefined length as they had it; odd values are padded;
 * values are little endian. Private to proto/dicom. Threads: an emitter belongs to its owner. */
#ifndef RADPOST_DICOM_EMIT_H
#define RADPOST_DICOM_EMIT_H

#include "proto/base/buf.h"
#include "proto/dicom/walk.h"

struct emitter {
    struct buf *out;
    enum dcm_coding coding; /* not big endian */
    int top;
    size_t length_at[2 * DCM_DEPTH_MAX + 1]; /* of open sequences and items; SIZE_MAX = undefined */
};

void emit_init(struct emitter *m, struct buf *out, enum dcm_coding coding);
/* Append what e stands for; dataset is what it was walked in.
 * errors  ERR_REJECT it cannot be said in this coding (encapsulated pixels in implicit, a sequence
 *         that grew past 32 bits) */
int emit_event(struct emitter *m, const struct dcm_element *e, const uint8_t *dataset,
               struct err *err) MUST_CHECK;
/* Header of an element; a short VR with a long value becomes UN (PS3.5 6.2.2 note 4). */
void emit_header(struct buf *out, enum dcm_coding coding, uint32_t tag, const char *vr,
                 uint32_t length);
/* The value in little endian, without padding. */
void emit_value(struct buf *out, const struct dcm_element *e, const uint8_t *value);

#endif
