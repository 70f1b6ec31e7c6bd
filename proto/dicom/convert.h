/* convert.h - make the standard explicit little endian file of a received one, with other pixel
 * data in it, and the recipe that gives the received bytes back.
 *
 *   convert: received = preamble, meta, A, (pixel data), B  gives  head, tail, recipe
 *   coded file = head, the pixel data element that the codec writes, tail
 *   restore: coded file, recipe, decoded pixels  give  received, byte for byte
 *
 * Explicit little endian stays as it is but for the attributes that must change: its recipe is some
 * hundred bytes (docs/formats/recipe.md). Implicit little endian and big endian become explicit
 * little endian; their recipe is about as small, for it says "this range again in implicit" and
 * only irregular things are kept literally (odd lengths, group lengths, meta group, wrong pads).
 * Every conversion is tried backwards before it is returned. Deflated data sets are left alone:
 * only the very zlib that made them could make the same bytes again. Threads: pure functions. */
#ifndef RADPOST_DICOM_CONVERT_H
#define RADPOST_DICOM_CONVERT_H

#include "proto/base/buf.h"
#include "proto/dicom/frames.h"

struct dcm_change {
    const char *transfer_syntax; /* the coded file's (0002,0010) */
    const char *photometric;     /* new (0028,0004), or NULL: unchanged */
    bool is_by_pixel;            /* (0028,0006), if present, becomes 0 */
};

struct dcm_converted {
    struct buf head; /* of the coded file: preamble, meta group, data set before the pixel data */
    struct buf tail; /* data set behind the pixel data */
    struct buf recipe;
    /* Length of the canonical pixels (dcm_pixels_to_canonical) that restore will ask for; 0 = the
     * received object has no native pixel data, and restore asks for none. */
    uint64_t pixels_n;
};

void dcm_converted_init(struct dcm_converted *c);
void dcm_converted_fini(struct dcm_converted *c);

/* Convert. The source is native (implicit or explicit, little or big endian); its pixel data may be
 * absent, then nothing stands between head and tail.
 * errors  ERR_REJECT broken, deflated or encapsulated, pixel data not whole, or the recipe would
 * not restore it or be longer than LIMIT_RECIPE_BYTES: leave the object as it is */
int dcm_convert(const uint8_t *part10, size_t n, const struct dcm_change *change,
                struct dcm_converted *out, struct err *err) MUST_CHECK;

/* Where the received bytes go, in order. */
typedef int (*dcm_sink)(void *user, const void *bytes, size_t n, struct err *err);

/* Give the received bytes back from a coded file's head and tail (tail = the file's last tail_n
 * bytes; see dcm_recipe_sizes) and its decoded canonical pixels.
 * errors  ERR_REJECT broken recipe, or one of a newer version, or sizes that disagree; the sink's
 */
int dcm_restore(const uint8_t *coded, size_t coded_n, const uint8_t *recipe, size_t recipe_n,
                const uint8_t *pixels, size_t pixels_n, dcm_sink sink, void *user,
                struct err *err) MUST_CHECK;

struct dcm_recipe_sizes {
    uint64_t head_n, tail_n, pixels_n, received_n;
};
int dcm_recipe_read_sizes(const uint8_t *recipe, size_t recipe_n, struct dcm_recipe_sizes *out,
                          struct err *err) MUST_CHECK;

/* A standard file of any source for a peer who needs native pixels: everything but the pixel data
 * element goes to head and tail in the coding wanted (DCM_IMPLICIT_LE or DCM_EXPLICIT_LE); the
 * caller writes the native pixel data element between, with dcm_native_header. Works on
 * encapsulated and on deflated sources too. change as for dcm_convert. No recipe. errors ERR_REJECT
 * broken, or cannot be said in that coding */
int dcm_rewrite(const uint8_t *part10, size_t n, const struct dcm_change *change,
                enum dcm_coding coding, struct buf *head, struct buf *tail,
                struct err *err) MUST_CHECK;
/* Header of a native pixel data element of n bytes (n even: pad first).
 * errors  ERR_REJECT n does not fit 32 bits */
int dcm_native_header(struct buf *out, enum dcm_coding coding, uint32_t bits_allocated, uint64_t n,
                      struct err *err) MUST_CHECK;

#endif
