/* j2k.h - JPEG 2000 by OpenJPEG: one frame in, one codestream out, and back.
 * Runs inside a worker only: decoding is fed with hostile bytes. */
#ifndef RADPOST_CODEC_J2K_H
#define RADPOST_CODEC_J2K_H

#include "proto/base/buf.h"
#include "proto/codec/pixels.h"

#define J2K_LAYERS_MOST 4

/* How much of the coded bytes each layer may take, in thousandths; the last is lossless. */
struct j2k_layers {
    uint8_t n;
    unsigned permille[J2K_LAYERS_MOST];
};

/* How many processors the calls that follow may use for one frame; 1 at first. Not to be called
 * beside them. */
void j2k_set_processors(unsigned n);

/* Append a lossless codestream (LRCP, a tile-part a layer) of a native frame.
 * errors  ERR_FATAL the encoder refuses */
int j2k_encode(const struct dcm_pixel_form *p, const uint8_t *frame, size_t n,
               const struct j2k_layers *layers, struct buf *out, struct err *err) MUST_CHECK;

/* The main header of what j2k_encode writes for this form, up to the first tile-part. */
void j2k_write_head(const struct dcm_pixel_form *p, unsigned layers, struct buf *out);

/* Decode a codestream or JP2 (also HTJ2K) of the expected shape into a native frame of n bytes.
 * p        size, samples, bits allocated and sign of what is expected; a stream of another shape is
 *          refused before anything is decoded
 * is_part  a stream cut after layer k: missing packets are not an error
 * errors   ERR_REJECT */
int j2k_decode(const struct dcm_pixel_form *p, const uint8_t *bytes, size_t bytes_n, bool is_part,
               uint8_t *frame, size_t n, struct err *err) MUST_CHECK;

#endif
