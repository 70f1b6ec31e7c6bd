/* png.h - a PNG picture (ISO/IEC 15948): what it says, and its pixels.
 * png_read looks at chunks alone: order, lengths, checksums, header. png_decode inflates and
 * belongs into a worker of proto/codec, as every decoding of outside pictures does.
 *
 *     grey 1 2 4 8 bit    8-bit grey, few levels spread evenly to 255
 *     grey 16 bit         16-bit grey, little endian
 *     palette, RGB 8 bit  RGB by pixel
 *     with alpha          the same, where no pixel is transparent; else ERR_REJECT
 *
 * Adam7 too. Gamma and colour profiles are left alone. Outside bytes. Threads: pure. */
#ifndef RADPOST_DICOM_PNG_H
#define RADPOST_DICOM_PNG_H

#include "proto/base/buf.h"

struct png {
    uint32_t cols, rows;
    uint8_t depth, colours; /* of the file: bits of a sample, colour type */
    bool is_interlaced;
    uint8_t samples, bits; /* of the pixels: 1 or 3, 8 or 16 */
    size_t pixels_n;
    size_t palette_at, palette_n; /* in the file; PLTE, entries */
    size_t alpha_at, alpha_n;     /* tRNS, bytes */
    size_t coded_n;               /* of all IDAT */
    size_t inflated_n;            /* of the filtered rows */
};

/* errors  ERR_RETRY it ends early; ERR_REJECT in words for a person */
int png_read(const uint8_t *bytes, size_t n, struct png *out, struct err *err) MUST_CHECK;
/* png: png_read's of the same bytes. Appends pixels_n bytes.
 * errors  ERR_REJECT */
int png_decode(const struct png *png, const uint8_t *bytes, struct buf *out,
               struct err *err) MUST_CHECK;

#endif
