/* jls.h - JPEG-LS (ITU-T T.87): encoding one grey or palette frame without loss, three times as
 * fast as JPEG 2000, about as small on grey, and without layers; decoding whatever came. When it is
 * used: docs/decisions/coding.md. The encoder is ours, the decoder is CharLS, so that what is
 * proved is proved by code that shares nothing with what made it. Pure functions. */
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

/* Decode one frame, lossless or not, of one or three samples: colour by pixel, form's cells of 8 or
 * 16 bits, little endian, out_n = rows * cols * samples * bits_allocated / 8. Signed samples whose
 * stream has fewer bits are extended. Hostile bytes: only inside a codec worker.
 * errors  ERR_REJECT the stream is broken or not what form says */
int jls_decode(const struct dcm_pixel_form *form, const uint8_t *stream, size_t n, uint8_t *out,
               size_t out_n, struct err *err) MUST_CHECK;

/* All of a stream before the coded bits, as jls_encode writes it. */
void jls_write_head(const struct dcm_pixel_form *form, struct buf *out);

/* Where a stream of ours ends: after EOI, the pad byte not counted.
 * errors  ERR_REJECT it does not begin with SOI or does not end with EOI and at most a zero */
int jls_find_end(const uint8_t *bytes, size_t n, size_t *out_end, struct err *err) MUST_CHECK;

#endif
