/* dataset_digest.h - the digests of DESIGN "Digests" that do not change with the transfer syntax.
 * Defined in docs/formats/digests.md, byte for byte, so that any program can recompute them.
 * Threads: pure functions. */
#ifndef RADPOST_DICOM_DATASET_DIGEST_H
#define RADPOST_DICOM_DATASET_DIGEST_H

#include "proto/base/err.h"
#include "proto/dicom/frames.h"

/* SHA-256 of the canonical data set. The same for the received file and for the coded file made of
 * it by convert.h, whatever the transfer syntax.
 * errors  ERR_REJECT not a DICOM file or a broken data set */
int dcm_dataset_digest(const uint8_t *part10, size_t n, uint8_t out[32],
                       struct err *err) MUST_CHECK;

/* The same without what says whose the instance is and of which study (docs/formats/digests.md,
 * "rest"): equal in two files that only a correction of patient or study tells apart.
 * errors  ERR_REJECT as above */
int dcm_rest_digest(const uint8_t *part10, size_t n, uint8_t out[32], struct err *err) MUST_CHECK;

/* Did the file leave here under other study or series numbers than it was kept under (leaving.h),
 * and is it, with what Original Attributes Sequence tells of them put back, the data set of this
 * digest? Not where it does not tell enough to be sure.
 * errors  ERR_REJECT as above */
int dcm_was_dataset(const uint8_t *part10, size_t n, const uint8_t dataset_sha256[32], bool *out,
                    struct err *err) MUST_CHECK;

/* Decode one frame to native pixels: little endian, colour by pixel, bits_allocated bits a sample,
 * in the photometric interpretation of the form (YBR_RCT undone to RGB). coded is the frame's
 * bytes; out gets exactly frame_bytes bytes (never more: its limit is set). Called in a codec
 * worker only. */
typedef int (*dcm_frame_decoder)(void *user, const struct dcm_pixels *pixels, const uint8_t *coded,
                                 size_t coded_n, struct buf *out, struct err *err);

/* SHA-256 of the pixels. decode is asked only for encapsulated lossless codings; where it fails, or
 * is NULL, the digest is of the coded bytes and *out_is_decoded is false.
 * errors  ERR_REJECT not a DICOM file or a broken data set */
int dcm_pixels_digest(const uint8_t *part10, size_t n, dcm_frame_decoder decode, void *user,
                      uint8_t out[32], bool *out_is_decoded, struct err *err) MUST_CHECK;

#endif
