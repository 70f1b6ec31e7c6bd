/* render.c - the steps in order: tones, size, words, JPEG. */
#include "proto/render/render.h"

#include "proto/render/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUALITY 85
#define WORDS_COLS_LEAST 480 /* narrower, and the words cannot be read */
#define COLS_MOST 16384

static void fit(const struct picture *p, const struct render_options *options, uint32_t *out_cols,
                uint32_t *out_rows);
static bool is_sound(const struct codec_image *image);

int
render_jpeg(const struct codec_image *image, const struct render_options *options, struct buf *out,
            struct err *err)
{
    static const struct render_options defaults = {0};
    struct picture picture = {0}, scaled = {0};
    uint32_t cols, rows;
    int rc = -1;

    if (options == NULL)
        options = &defaults;
    if (!is_sound(image))
        return err_set(err, ERR_REJECT, "render: an image that contradicts itself");
    if (tones_apply(image, options, &picture, err) < 0)
        goto out;
    fit(&picture, options, &cols, &rows);
    if (cols != picture.cols || rows != picture.rows) {
        picture_scale(&picture, cols, rows, &scaled);
        picture_free(&picture);
        picture = scaled;
        scaled.bytes = NULL;
    }
    if (options->words != NULL && words_burn(&picture, options->words, err) < 0)
        goto out;
    rc = jpeg_write(&picture, options->quality != 0 ? options->quality : QUALITY, out, err);
out:
    picture_free(&picture);
    return rc < 0 ? err_context(err, "render") : 0;
}

void
render_preview_words(unsigned received, unsigned expected, char out[RENDER_WORDS_BYTES])
{
    if (expected > 0)
        (void)snprintf(out, RENDER_WORDS_BYTES,
                       "预览图·未传完（%u/%u）·不可用于诊断，不得据此排除病变", received, expected);
    else
        (void)snprintf(out, RENDER_WORDS_BYTES,
                       "预览图·未传完（已收 %u）·不可用于诊断，不得据此排除病变", received);
}

void
picture_free(struct picture *p)
{
    free(p->bytes);
    p->bytes = NULL;
}

static uint8_t
mean(const struct picture *p, unsigned channel, uint32_t x0, uint32_t x1, uint32_t y0, uint32_t y1)
{
    uint64_t count = (uint64_t)(x1 - x0) * (y1 - y0), sum = count / 2;

    for (uint32_t y = y0; y < y1; y++)
        for (uint32_t x = x0; x < x1; x++)
            sum += p->bytes[((size_t)y * p->cols + x) * p->channels + channel];
    return (uint8_t)(sum / count);
}

/* The pixels of the picture that become one: never none. */
static void
covered(uint32_t at, uint32_t of, uint32_t from, uint32_t *out_begin, uint32_t *out_end)
{
    uint32_t end = (uint32_t)((uint64_t)(at + 1) * from / of);

    *out_begin = (uint32_t)((uint64_t)at * from / of);
    *out_end = end > *out_begin ? end : *out_begin + 1;
}

void
picture_scale(const struct picture *from, uint32_t cols, uint32_t rows, struct picture *out)
{
    unsigned ch = from->channels;
    uint8_t *to;

    *out = (struct picture){cols, rows, ch, mem_new((size_t)cols * rows * ch)};
    to = out->bytes;
    for (uint32_t y = 0; y < rows; y++) {
        uint32_t y0, y1;

        covered(y, rows, from->rows, &y0, &y1);
        for (uint32_t x = 0; x < cols; x++) {
            uint32_t x0, x1;

            covered(x, cols, from->cols, &x0, &x1);
            for (unsigned c = 0; c < ch; c++)
                *to++ = mean(from, c, x0, x1, y0, y1);
        }
    }
}

static void
fit(const struct picture *p, const struct render_options *options, uint32_t *out_cols,
    uint32_t *out_rows)
{
    uint32_t most_cols = options->max_cols != 0 ? options->max_cols : p->cols;
    uint32_t most_rows = options->max_rows != 0 ? options->max_rows : p->rows;
    double scale = 1;

    if (most_cols < p->cols)
        scale = (double)most_cols / p->cols;
    if (most_rows < p->rows && (double)most_rows / p->rows < scale)
        scale = (double)most_rows / p->rows;
    if (options->words != NULL && p->cols * scale < WORDS_COLS_LEAST)
        scale = (double)WORDS_COLS_LEAST / p->cols;
    if (p->cols * scale > COLS_MOST)
        scale = (double)COLS_MOST / p->cols;
    if (p->rows * scale > COLS_MOST)
        scale = (double)COLS_MOST / p->rows;
    *out_cols = (uint32_t)(p->cols * scale + 0.5);
    *out_rows = (uint32_t)(p->rows * scale + 0.5);
    *out_cols = *out_cols > 0 ? *out_cols : 1;
    *out_rows = *out_rows > 0 ? *out_rows : 1;
}

static bool
is_sound(const struct codec_image *image)
{
    unsigned bits = image->bits_allocated;

    return image->cols > 0 && image->rows > 0 && image->cols <= UINT16_MAX &&
           image->rows <= UINT16_MAX && (image->samples == 1 || image->samples == 3) &&
           (bits == 8 || bits == 16 || bits == 32) && image->bits_stored > 0 &&
           image->bits_stored <= bits && image->pixels != NULL &&
           image->pixels_n == (size_t)image->cols * image->rows * image->samples * (bits / 8);
}
