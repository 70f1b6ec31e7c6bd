/* decode.h - frames of JPEG to native pixels, by DCMTK's codecs; of RLE by rle.h.
 * Only inside a codec worker: the codecs are C and C++ code that has met hostile bytes before.
 * C++ stays behind this header. Threads: one at a time. */
#ifndef RADPOST_DICOM_DCMTK_DECODE_H
#define RADPOST_DICOM_DCMTK_DECODE_H

#include "proto/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dcmtk_frame {
    const char *transfer_syntax;
    uint32_t rows, cols, samples;
    uint32_t bits_allocated, bits_stored, high_bit;
    bool is_signed;
    const char *photometric; /* as the data set says */
};

/* Register the codecs and load what they need; call before a sandbox closes. Twice is fine. */
int dcmtk_decode_warm(struct err *err) MUST_CHECK;

/* Decode one frame: colour by pixel, bits_allocated (8 or 16) bits a sample, native byte order
 * (little endian), no colour conversion: components as coded. out gets rows * cols * samples *
 * bits_allocated / 8 bytes appended. Signed samples whose stream has less than bits_allocated bits
 * are extended. out_photometric (NULL: not wanted) says what the components are, e.g. YBR_FULL for
 * a JPEG image. errors  ERR_REJECT the stream is broken or not what frame says */
int dcmtk_decode_frame(const struct dcmtk_frame *frame, const uint8_t *coded, size_t n,
                       struct buf *out, char out_photometric[17], struct err *err) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
