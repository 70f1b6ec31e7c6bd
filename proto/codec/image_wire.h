/* image_wire.h - a codec_image without its pixels, as bytes between worker and pool. */
#ifndef RADPOST_CODEC_IMAGE_WIRE_H
#define RADPOST_CODEC_IMAGE_WIRE_H

#include "proto/codec/codec.h"

#define IMAGE_SIDE_MOST 2097152

void image_wire_write(const struct codec_image *image, struct buf *out);
/* Everything but pixels; all of it checked. On failure nothing is left to free. */
int image_wire_read(const uint8_t *bytes, size_t n, struct codec_image *out,
                    struct err *err) MUST_CHECK;

#endif
