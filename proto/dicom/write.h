/* write.h - make small data sets: command sets, query identifiers and answers, test objects.
 * Elements are written in the order given (ascending is the caller's duty, CHECKed at depth 0).
 * Odd values are padded by VR. Sequences and items have undefined length. Threads: a writer belongs
 * to its owner. */
#ifndef RADPOST_DICOM_WRITE_H
#define RADPOST_DICOM_WRITE_H

#include "proto/base/buf.h"
#include "proto/dicom/dictionary.h"
#include "proto/dicom/syntax.h"

struct dcm_writer {
    struct buf *out;
    enum dcm_coding coding; /* DCM_IMPLICIT_LE or DCM_EXPLICIT_LE */
    uint32_t last_tag;
    int depth;
    size_t group_length_at; /* command sets: where (0000,0000)'s value is */
};

void dcm_write_init(struct dcm_writer *w, struct buf *out, enum dcm_coding coding);
/* vr NULL = by the dictionary. */
void dcm_write_bytes(struct dcm_writer *w, uint32_t tag, const char *vr, const void *bytes,
                     size_t n);
void dcm_write_text(struct dcm_writer *w, uint32_t tag, const char *vr, const char *text);
void dcm_write_u16(struct dcm_writer *w, uint32_t tag, uint16_t v); /* US */
void dcm_write_u32(struct dcm_writer *w, uint32_t tag, uint32_t v); /* UL */
void dcm_write_tag(struct dcm_writer *w, uint32_t tag, uint32_t v); /* AT */
void dcm_write_sequence_begin(struct dcm_writer *w, uint32_t tag);
void dcm_write_item_begin(struct dcm_writer *w);
void dcm_write_item_end(struct dcm_writer *w);
void dcm_write_sequence_end(struct dcm_writer *w);
/* A command set: group length first (implicit little endian, PS3.7 6.3.1), then elements of group
 * 0, then _end fills the length in. */
void dcm_write_command_begin(struct dcm_writer *w, struct buf *out);
void dcm_write_command_end(struct dcm_writer *w);

#endif
