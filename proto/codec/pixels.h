/* pixels.h - what native frames may be coded without losing a bit, and about how large they become.
 * Native here is canonical: little endian, colour by pixel, all allocated bits. Pure functions. */
#ifndef RADPOST_CODEC_PIXELS_H
#define RADPOST_CODEC_PIXELS_H

#include "proto/dicom/frames.h"

/* Bytes of one frame of 8 or 16 bits a sample, colour by pixel.
 * errors  ERR_REJECT another form, or past LIMIT_FRAME_BYTES */
int pixels_frame_bytes(const struct dcm_pixel_form *form, size_t *out_n,
                       struct err *err) MUST_CHECK;

/* Unused high bits are zero (unsigned) or sign extension (signed) in all these bytes. */
bool pixels_are_clean(const struct dcm_pixel_form *form, const uint8_t *bytes, size_t n);

/* How many bytes lossless coding will about need: the entropy of the residuals of a median edge
 * predictor. Only steers where layers end. */
size_t pixels_guess_coded_bytes(const struct dcm_pixel_form *form, const uint8_t *frame, size_t n);

#endif
