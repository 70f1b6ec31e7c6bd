/* spoil_pixels.h - ways in which an encoder may code other pixels than it was given. */
#ifndef RADPOST_TESTS_SUPPORT_SPOIL_PIXELS_H
#define RADPOST_TESTS_SUPPORT_SPOIL_PIXELS_H

#include "proto/dicom/frames.h"

/* A canonical frame of n samples becomes another one; how: 0 .. ways - 1. */
typedef void (*spoil_fn)(const struct dcm_pixel_form *form, uint8_t *frame, size_t n, unsigned how);

struct spoiling {
    const char *name;
    spoil_fn spoil;
    unsigned ways;
    bool is_for_colour, is_for_words; /* three samples; 16 bits */
};

extern const struct spoiling spoilings[];
extern const size_t spoilings_n;

#endif
