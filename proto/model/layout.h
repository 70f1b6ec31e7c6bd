/* layout.h - where the frames and quality layers of an archived file lie.
 * A file coded by us begins with its header (preamble, data set, offset table, first item), then
 * each frame is one fragment: a JPEG 2000 codestream whose tile-parts are its quality layers. The
 * first look of the whole file is the header and the first layer of each frame; all offsets are
 * absolute in the file. A file that is not coded, or without layers (JPEG-LS), has layers = 0 and
 * no first look: its layout only says how long it is. On disk and on the wire:
 * docs/formats/layout.md.
 * Threads: a layout belongs to its owner; pure functions. */
#ifndef RADPOST_MODEL_LAYOUT_H
#define RADPOST_MODEL_LAYOUT_H

#include "proto/base/buf.h"

#define LAYOUT_MAX_LAYERS 16
#define LAYOUT_LOOK_STEP 8

/* Bytes [from, to) of a file. */
struct range {
    uint64_t from;
    uint64_t to;
};

struct layout {
    uint64_t file_size;
    uint64_t header_end;   /* where the first frame's codestream begins; file_size if not coded */
    uint32_t frames;       /* 0 if not coded */
    uint8_t layers;        /* 0 if not coded */
    uint64_t *frame_start; /* [frames] the codestream's first byte (SOC) */
    uint64_t *layer_end; /* [frames * layers] the byte after that layer; the last one: after EOC */
};

/* A layout with room for the frames, all offsets zero. frames * layers have been vetted. */
struct layout *layout_new(uint64_t file_size, uint32_t frames, uint8_t layers);
struct layout *layout_new_uncoded(uint64_t file_size);
struct layout *layout_copy(const struct layout *layout); /* NULL stays NULL */
void layout_free(struct layout **layout);

static inline uint64_t
layout_layer_end(const struct layout *layout, uint32_t frame_index, uint8_t layer_index)
{
    return layout->layer_end[(size_t)frame_index * layout->layers + layer_index];
}

/* Every order and bound holds: header_end <= frame 0 < its layers <= frame 1 < ... <= file_size.
 * errors  ERR_REJECT */
int layout_check(const struct layout *layout, struct err *err) MUST_CHECK;

/* Append the written form. The layout must pass layout_check. */
void layout_write(const struct layout *layout, struct buf *out);
/* Read the written form back; checked whole. errors  ERR_REJECT */
int layout_read(const uint8_t *bytes, size_t n, struct layout **out, struct err *err) MUST_CHECK;

/* The header and the first `layers` layers of all frames, merged and sorted (free *out).
 * layers 0, or more than there are: all of them, pad bytes between and after frames included. */
void layout_ranges(const struct layout *layout, uint8_t layers, struct range **out, size_t *out_n);
/* layout_ranges(layout, 1): what must be at the centre to look at every frame. Of a file that is
 * not coded: nothing (*out_n 0). */
void layout_first_look(const struct layout *layout, struct range **out, size_t *out_n);
/* The same bytes in the order in which they are worth most: the header, the first layer of the
 * middle frame, of every LAYOUT_LOOK_STEP-th, of the others (free *out). */
void layout_look_order(const struct layout *layout, struct range **out, size_t *out_n);
uint64_t layout_first_look_bytes(const struct layout *layout);
/* How many layers of a frame (counted from 0) lie within what is there, the header included;
 * `have` is sorted and merged. 0 = nothing to show yet. */
uint8_t layout_layers_within(const struct layout *layout, uint32_t frame_index,
                             const struct range *have, size_t have_n);

#endif
