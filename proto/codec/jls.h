/* jls.h - JPEG-LS lossless (ITU-T T.87) of one grey or palette frame: three times as fast as
 * JPEG 2000, about as small on grey, and without layers. When it is used: docs/decisions/coding.md.
 * Decoding is DCMTK's (proto/dicom/dcmtk/decode.h), so that what is proved is proved by code that
 * shares nothing with this. Pure functions. */
#ifndef RADPOST_CODEC_JLS_H
#define RADPOST_CODEC_JLS_H

#include "proto/codec/pixels.h"

/* One sample a pixel, and a precision that suits its cell: decoders refuse others. */
bool jls_may_encode(const struct dcm_pixel_form *form);

/* Append the lossless stream of a canonical frame whose unused bits are clean
 * (pixels_are_clean). Signed samples are coded as their Bits Stored low bits.
 * errors  ERR_REJECT a form that may not be encoded, or out is full */
int jls_encode(const struct dcm_pixel_form *form, const uint8_t *frame, size_t n, struct buf *out,
               struct err *err) MUST_CHECK;

/* All of a stream before the coded bits, as jls_encode writes it. */
void jls_write_head(const struct dcm_pixel_form *form, struct buf *out);

/* Where a stream of ours ends: after EOI, the pad byte not counted.
 * errors  ERR_REJECT it does not begin with SOI or does not end with EOI and at most a zero */
int jls_find_end(const uint8_t *bytes, size_t n, size_t *out_end, struct err *err) MUST_CHECK;

#endif
