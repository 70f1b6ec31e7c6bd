/* tones.c - stored values to 8 bits: modality LUT, VOI LUT or window, polarity, palette, colour. */
#include "proto/render/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TABLE 65536

struct window {
    double center;
    double width;
    enum codec_voi voi;
};

static void grey(const struct codec_image *image, const struct render_options *options,
                 struct picture *out);
static struct window choose_window(const struct codec_image *image,
                                   const struct render_options *options);
static struct window window_of_values(const struct codec_image *image);
static int palette(const struct codec_image *image, struct picture *out, struct err *err);
static void colour(const struct codec_image *image, struct picture *out);
static double stored_value(const struct codec_image *image, size_t i);
static double modality(const struct codec_image *image, double stored);
static double lut_value(const struct codec_lut *lut, double at);
static double window_apply(const struct window *w, double x);

int
tones_apply(const struct codec_image *image, const struct render_options *options,
            struct picture *out, struct err *err)
{
    bool is_palette = strcmp(image->photometric, "PALETTE COLOR") == 0;

    out->cols = image->cols;
    out->rows = image->rows;
    out->channels = image->samples == 3 || is_palette ? 3 : 1;
    out->bytes = mem_new((size_t)out->cols * out->rows * out->channels);
    if (image->samples == 3)
        colour(image, out);
    else if (is_palette)
        return palette(image, out, err);
    else
        grey(image, options, out);
    return 0;
}

/* Each stored value is worked out once (those of 32 bits each time). */
static void
grey(const struct codec_image *image, const struct render_options *options, struct picture *out)
{
    bool is_inverted = image->is_inverse || strcmp(image->photometric, "MONOCHROME1") == 0;
    const struct codec_lut *voi =
        options->has_window || image->voi_lut.values == NULL ? NULL : &image->voi_lut;
    struct window window = choose_window(image, options);
    size_t count = (size_t)image->cols * image->rows;
    int16_t *known = NULL;

    if (image->bits_allocated <= 16) {
        known = mem_new(TABLE * sizeof *known);
        memset(known, 0xFF, TABLE * sizeof *known);
    }
    for (size_t i = 0; i < count; i++) {
        size_t raw = image->bits_allocated == 8 ? image->pixels[i]
                     : image->bits_allocated == 16
                         ? (size_t)(image->pixels[2 * i] | image->pixels[2 * i + 1] << 8)
                         : 0;
        double x;

        if (known != NULL && known[raw] >= 0) {
            out->bytes[i] = (uint8_t)known[raw];
            continue;
        }
        x = modality(image, stored_value(image, i));
        x = voi != NULL ? lut_value(voi, x) : window_apply(&window, x);
        out->bytes[i] = (uint8_t)(255 * (is_inverted ? 1 - x : x) + 0.5);
        if (known != NULL)
            known[raw] = out->bytes[i];
    }
    free(known);
}

static struct window
choose_window(const struct codec_image *image, const struct render_options *options)
{
    if (options->has_window && options->window_width >= 1 && isfinite(options->window_width) &&
        isfinite(options->window_center))
        return (struct window){options->window_center, options->window_width, options->voi};
    if (image->has_window && image->window_width >= 1)
        return (struct window){image->window_center, image->window_width, image->voi};
    return window_of_values(image);
}

/* No window given: 8 bits as they are, else from the least to the greatest value. */
static struct window
window_of_values(const struct codec_image *image)
{
    size_t count = (size_t)image->cols * image->rows;
    double low = modality(image, stored_value(image, 0)), high = low;

    if (image->bits_allocated == 8 && image->bits_stored == 8 &&
        image->modality_lut.values == NULL) {
        low = modality(image, image->is_signed ? -128 : 0);
        high = modality(image, image->is_signed ? 127 : 255);
    } else {
        for (size_t i = 1; i < count; i++) {
            double x = modality(image, stored_value(image, i));

            low = x < low ? x : low;
            high = x > high ? x : high;
        }
    }
    if (high < low) {
        double keep = low;

        low = high;
        high = keep;
    }
    return (struct window){(low + high) / 2, high > low ? high - low : 1, CODEC_VOI_LINEAR_EXACT};
}

static int
palette(const struct codec_image *image, struct picture *out, struct err *err)
{
    size_t count = (size_t)image->cols * image->rows;

    for (unsigned c = 0; c < 3; c++) {
        const struct codec_lut *lut = &image->palette[c];
        struct codec_lut scaled = *lut;
        uint16_t most = 0;

        if (lut->values == NULL || lut->n == 0)
            return err_set(err, ERR_REJECT, "the palette is missing");
        for (uint32_t i = 0; i < lut->n; i++)
            most = lut->values[i] > most ? lut->values[i] : most;
        if (most < 256) /* tables that say 16 bits and mean 8 */
            scaled.bits = 8;
        for (size_t i = 0; i < count; i++)
            out->bytes[i * 3 + c] =
                (uint8_t)(255 * lut_value(&scaled, stored_value(image, i)) + 0.5);
    }
    return 0;
}

static uint8_t
clamp(double v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v + 0.5);
}

/* PS3.3 C.7.6.3.1.2 */
static void
colour(const struct codec_image *image, struct picture *out)
{
    size_t count = (size_t)image->cols * image->rows;
    bool is_ybr = strncmp(image->photometric, "YBR_FULL", 8) == 0;
    double scale = 255 / (pow(2, image->bits_stored) - 1);

    for (size_t i = 0; i < count; i++) {
        double v[3];

        for (unsigned c = 0; c < 3; c++)
            v[c] = stored_value(image, i * 3 + c) * scale;
        if (is_ybr) {
            double y = v[0], cb = v[1] - 128, cr = v[2] - 128;

            v[0] = y + 1.402 * cr;
            v[1] = y - 0.344136 * cb - 0.714136 * cr;
            v[2] = y + 1.772 * cb;
        }
        for (unsigned c = 0; c < 3; c++)
            out->bytes[i * 3 + c] = clamp(v[c]);
    }
}

static double
stored_value(const struct codec_image *image, size_t i)
{
    const uint8_t *at = image->pixels + i * (image->bits_allocated / 8U);
    unsigned spare = 32U - image->bits_stored, shift = 0;
    uint32_t v = at[0];

    if (image->bits_allocated == 16)
        v = le16_read(at);
    else if (image->bits_allocated == 32)
        v = le32_read(at);
    if (image->high_bit + 1U > image->bits_stored && image->high_bit < image->bits_allocated)
        shift = image->high_bit + 1U - image->bits_stored;
    v = v >> shift << spare;
    return image->is_signed ? (double)((int32_t)v >> spare) : (double)(v >> spare);
}

static double
modality(const struct codec_image *image, double stored)
{
    if (image->modality_lut.values != NULL)
        return lut_value(&image->modality_lut, stored) * (pow(2, image->modality_lut.bits) - 1);
    return stored * image->rescale_slope + image->rescale_intercept;
}

/* 0..1; below and above the table its ends hold. */
static double
lut_value(const struct codec_lut *lut, double at)
{
    double index = floor(at - lut->first + 0.5);
    uint32_t i = index <= 0 ? 0 : index >= lut->n - 1 ? lut->n - 1 : (uint32_t)index;
    double v = lut->values[i] / (pow(2, lut->bits) - 1);

    return v > 1 ? 1 : v;
}

/* PS3.3 C.11.2.1.2 and C.11.2.1.3, 0..1 */
static double
window_apply(const struct window *w, double x)
{
    double y;

    switch (w->voi) {
    case CODEC_VOI_SIGMOID:
        return 1 / (1 + exp(-4 * (x - w->center) / w->width));
    case CODEC_VOI_LINEAR_EXACT:
        y = (x - w->center) / w->width + 0.5;
        break;
    default:
        if (w->width <= 1)
            return x < w->center ? 0 : 1;
        y = (x - (w->center - 0.5)) / (w->width - 1) + 0.5;
        break;
    }
    return y <= 0 ? 0 : y >= 1 ? 1 : y;
}
