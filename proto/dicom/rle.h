/* rle.h - one RLE frame (PS3.5 annex G) to native pixels. Ours, because DCMTK 3.6.7's decoder reads
 * past its input on a broken segment table. Threads: a pure function. */
#ifndef RADPOST_DICOM_RLE_H
#define RADPOST_DICOM_RLE_H

#include "proto/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Append pixels * samples * sample_bytes bytes: colour by pixel, little endian.
 * errors  ERR_REJECT segments that are not there, not that many, or too short; out is full */
int dcm_rle_decode(const uint8_t *coded, size_t n, size_t pixels, uint32_t samples,
                   uint32_t sample_bytes, struct buf *out, struct err *err) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
