/* sample_image.h - small images of nobody, as Part 10 files in any native form. */
#ifndef RADPOST_TESTS_SUPPORT_SAMPLE_IMAGE_H
#define RADPOST_TESTS_SUPPORT_SAMPLE_IMAGE_H

#include "proto/base/buf.h"
#include "proto/dicom/syntax.h"

/* Zeros mean: 48 columns, 40 rows, 1 frame, 1 sample, 16 allocated, 12 stored, high bit stored - 1,
 * MONOCHROME2. */
struct sample {
    uint32_t cols, rows, frames, samples, bits_allocated, bits_stored, high_bit;
    bool is_signed, is_by_plane, is_implicit;
    const char *photometric;
    bool has_overlay_inside, has_signature, has_dirty_bits, is_cut_short, has_float_pixels;
    bool is_noise; /* cannot be compressed */
    /* (0028,0120), a corner of the pixels filled with it, and (0028,0121) unless 0 */
    bool has_padding, is_padding_unused;
    int32_t padding, padding_limit;
    unsigned instance; /* the last component of the SOP Instance UID */
};

/* Appended to out; a wrong sample stops the test. */
void sample_image(const struct sample *sample, struct buf *out);
/* The pixel bytes sample_image puts in, appended. */
void sample_pixels(const struct sample *sample, struct buf *out);
/* A Part 10 file of this form whose one frame is this stream, in this syntax. */
void sample_capsule(const struct sample *sample, const char *transfer_syntax, const uint8_t *stream,
                    size_t n, struct buf *out);
/* A memfd of these bytes. */
int sample_fd(const void *bytes, size_t n);

#endif
