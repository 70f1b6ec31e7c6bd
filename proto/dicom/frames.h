/* frames.h - where the pixels of an instance lie: native frames, or which fragments make a frame.
 * Threads: pure functions; a map belongs to its owner. */
#ifndef RADPOST_DICOM_FRAMES_H
#define RADPOST_DICOM_FRAMES_H

#include "proto/base/buf.h"
#include "proto/dicom/part10.h"

/* The attributes that give pixels their form, from the top level. */
struct dcm_pixel_form {
    uint32_t rows, cols, frames, samples;
    uint32_t bits_allocated, bits_stored, high_bit;
    bool is_signed;       /* Pixel Representation 1 */
    bool is_planar;       /* Planar Configuration 1 with more than one sample */
    char photometric[17]; /* trimmed */
};

struct dcm_fragment {
    size_t at, n; /* offsets in the data set's bytes */
};

/* A frame's share of the fragments: first .. first + count - 1 (whole fragments). */
struct dcm_frame_span {
    uint32_t first, count;
};

struct dcm_pixels {
    uint32_t tag; /* 7FE00010, 7FE00008, 7FE00009; 0 = the data set has none */
    char vr[3];
    struct dcm_pixel_form form;
    const struct dcm_syntax *syntax;
    enum dcm_coding coding;
    bool is_encapsulated;
    size_t header_at, header_n; /* of the pixel data element, in the data set's bytes */
    size_t value_at, value_n;   /* native: its value */
    size_t end;                 /* first byte behind the element */
    /* Native: bytes of all frames as the form says (0 if it makes no sense), and whether the value
     * is exactly that or one pad byte longer. */
    uint64_t frames_bytes, frame_bytes;
    bool is_whole;
    /* Encapsulated: fragments without the offset table, and the frames' shares. spans is NULL when
     * fragments cannot be told to frames (fewer fragments than frames and no offset table). */
    struct dcm_fragment *fragments;
    uint32_t fragment_count;
    struct dcm_frame_span *spans; /* form.frames of them */
};

/* Find them in a data set's bytes (dcm_part10_dataset). out is made by this and freed by
 * dcm_pixels_fini in every case.
 * errors  ERR_REJECT broken data set, or more than LIMIT_FRAMES frames */
int dcm_pixels_find(const uint8_t *dataset, size_t n, const struct dcm_part10 *part10,
                    struct dcm_pixels *out, struct err *err) MUST_CHECK;
void dcm_pixels_fini(struct dcm_pixels *p);

/* Append the bytes of a coded frame (1..frames).
 * errors  ERR_NOT_FOUND no such frame or not to be told apart; ERR_REJECT larger than out */
int dcm_pixels_coded_frame(const struct dcm_pixels *p, const uint8_t *dataset, uint32_t frame,
                           struct buf *out, struct err *err) MUST_CHECK;

/* Its samples really lie in planes: Planar Configuration 1, whole bytes, no sub-sampling. */
bool dcm_pixels_is_planar(const struct dcm_pixels *p);
/* Native value bytes, as received, to the canonical order: little endian, colour by pixel. to has
 * frames_bytes bytes. Only when is_whole. */
void dcm_pixels_to_canonical(const struct dcm_pixels *p, const uint8_t *dataset, uint8_t *to);

#endif
