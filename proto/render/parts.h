/* parts.h - the steps of render.c: tones, size, words, JPEG. Their own folder's business. */
#ifndef RADPOST_RENDER_PARTS_H
#define RADPOST_RENDER_PARTS_H

#include "proto/render/render.h"

/* 8 bits a channel, 1 (grey) or 3 (RGB) channels, rows without gaps. */
struct picture {
    uint32_t cols;
    uint32_t rows;
    unsigned channels;
    uint8_t *bytes;
};

void picture_free(struct picture *p);

/* Stored values to what eyes see (PS3.3 C.11, C.7.6.3).
 * errors  ERR_REJECT */
int tones_apply(const struct codec_image *image, const struct render_options *options,
                struct picture *out, struct err *err) MUST_CHECK;
/* The same picture in cols x rows, by area averages (or by repeating, when larger). */
void picture_scale(const struct picture *from, uint32_t cols, uint32_t rows, struct picture *out);
/* Burn words in along the top; the picture becomes RGB.
 * errors  ERR_FATAL no font has all the characters */
int words_burn(struct picture *p, const char *words, struct err *err) MUST_CHECK;
/* errors  ERR_REJECT out's limit; ERR_FATAL libjpeg */
int jpeg_write(const struct picture *p, unsigned quality, struct buf *out,
               struct err *err) MUST_CHECK;

#endif
