/* part10.h - the DICOM file format: preamble, meta group, data set (PS3.10 chapter 7).
 * Threads: pure functions. */
#ifndef RADPOST_DICOM_PART10_H
#define RADPOST_DICOM_PART10_H

#include "proto/base/buf.h"
#include "proto/dicom/syntax.h"

#define DCM_IMPLEMENTATION_UID "2.25.65149520015062669301142073613605642361"
#define DCM_IMPLEMENTATION_VERSION "RADPOST_" RADPOST_VERSION

enum { DCM_UID_BYTES = 65, DCM_AE_BYTES = 17 };

struct dcm_part10 {
    size_t meta_end;   /* first byte behind the meta group */
    size_t dataset_at; /* the same, or behind stray elements of group 0002 that follow it */
    const struct dcm_syntax
        *syntax; /* never NULL; dcm_syntax_unknown() for a UID not in the table */
    char transfer_syntax[DCM_UID_BYTES];
    char sop_class[DCM_UID_BYTES];    /* (0002,0002), may be empty */
    char sop_instance[DCM_UID_BYTES]; /* (0002,0003), may be empty */
    char source_ae[DCM_AE_BYTES];     /* (0002,0016), may be empty */
};

/* Read the preamble and meta group. It ends where its length says if an element ends there and the
 * transfer syntax was told by then, else before the first element of another group.
 * errors  ERR_REJECT not a DICOM file, or no transfer syntax */
int dcm_part10_parse(const uint8_t *bytes, size_t n, struct dcm_part10 *out,
                     struct err *err) MUST_CHECK;

/* So many bytes at the beginning of a data set are elements of group 0002, which some senders put
 * there (they stream a file from its meta group on) and which belong in no data set (PS3.10 7.1):
 * each with or without a VR, little endian. They say nothing that counts. More than n: the last is
 * cut off. */
size_t dcm_stray_meta(const uint8_t *dataset, size_t n);

/* The data set's bytes: in place, or inflated into room (whose limit is the bomb's end) when the
 * syntax is deflated. out_bytes lives as long as bytes and room.
 * errors  ERR_REJECT the deflate stream is broken or too large */
int dcm_part10_dataset(const uint8_t *bytes, size_t n, const struct dcm_part10 *part10,
                       struct buf *room, const uint8_t **out_bytes, size_t *out_n,
                       struct err *err) MUST_CHECK;

/* Append preamble and meta group of ours; the data set follows as it came from the association.
 * source_ae may be NULL.
 * errors  ERR_REJECT a UID is not one, or the buf is full */
int part10_head(struct buf *out, const char *sop_class, const char *sop_instance,
                const char *transfer_syntax, const char *source_ae, struct err *err) MUST_CHECK;

#endif
