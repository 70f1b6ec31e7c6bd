/* render.h - a decoded frame as a picture for eyes: window, palette, colour, words burnt in, JPEG.
 * Modality LUT, VOI LUT or window, MONOCHROME1, PALETTE COLOR, RGB and YBR_FULL as PS3.3 C.11 and
 * C.7.6.3 say, to 8 bits. For looking only: nothing is measured on it.
 * Threads: any thread; pango is used by one at a time. */
#ifndef RADPOST_RENDER_RENDER_H
#define RADPOST_RENDER_RENDER_H

#include "proto/base/buf.h"
#include "proto/codec/codec.h"

struct render_options {
    /* Fit within, aspect kept; 0 = as it is. Enlarged only so that words can be read. */
    uint32_t max_cols;
    uint32_t max_rows;
    unsigned quality; /* of the JPEG, 1..100; 0 = 85 */
    bool has_window;  /* this window instead of the image's own */
    double window_center;
    double window_width;
    enum codec_voi voi;
    const char *words; /* burnt into the picture along its top, UTF-8; NULL = none */
};

/* A baseline JPEG appended to out.
 * options  NULL = defaults
 * errors   ERR_REJECT the image contradicts itself or out's limit is met; ERR_FATAL no installed
 *          font has the words' characters: a preview is never made without its words */
int render_jpeg(const struct codec_image *image, const struct render_options *options,
                struct buf *out, struct err *err) MUST_CHECK;

/* The words every preview carries: received of expected images; expected 0 = not known. */
#define RENDER_WORDS_BYTES 192
void render_preview_words(unsigned received, unsigned expected, char out[RENDER_WORDS_BYTES]);

#endif
