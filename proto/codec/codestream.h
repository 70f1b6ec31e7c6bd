/* codestream.h - the markers of a JPEG 2000 codestream, read without decoding (ISO 15444-1 annex
 * A). Reads the main header and walks from tile-part to tile-part by their Psot; never past n. Used
 * to know the size before a decoder allocates, to find our layers, and to cut a stream after layer
 * k. Pure functions. */
#ifndef RADPOST_CODEC_CODESTREAM_H
#define RADPOST_CODEC_CODESTREAM_H

#include "proto/base/buf.h"

#define CODESTREAM_MAX_PARTS 255

struct codestream {
    uint32_t cols;
    uint32_t rows;
    uint16_t components;
    uint8_t precision; /* of component 0; is_uniform says whether all agree */
    bool is_signed;
    bool is_uniform;         /* all components of the same precision, sign and full sampling */
    bool is_high_throughput; /* CAP marker, part 15 */
    uint64_t tiles;
    uint16_t layers;
    uint8_t progression; /* 0 = LRCP */
    bool has_colour_transform;
    size_t cod_layers_at; /* where COD keeps the number of layers */
    size_t first_part_at; /* the first SOT */
};

/* The main header only. `bytes` begins with SOC.
 * errors  ERR_REJECT */
int codestream_read(const uint8_t *bytes, size_t n, struct codestream *out,
                    struct err *err) MUST_CHECK;

/* Ends of the tile-parts of a stream as we make them: one tile, a tile-part for each layer, LRCP.
 * out_ends   [layers], offsets from `bytes`; the last one is after EOC
 * max_parts  how many to look for at most; all = the stream's layers; fewer = a prefix is enough
 * errors     ERR_REJECT not such a stream, or it ends before */
int codestream_read_layers(const uint8_t *bytes, size_t n, uint8_t max_parts,
                           struct codestream *out, size_t out_ends[CODESTREAM_MAX_PARTS],
                           struct err *err) MUST_CHECK;

/* DICOM wants bare codestreams, some devices send JP2 files: skip to SOC. false = neither. */
bool codestream_find(const uint8_t *bytes, size_t n, size_t *out_at, size_t *out_n);

#endif
