/* image_wire.c - the struct as it is (both ends are this program), then each table's values. */
#include "proto/codec/image_wire.h"

#include <stdlib.h>
#include <string.h>

#define LUTS 5
#define LUT_MOST 65536

static void
list_luts(struct codec_image *image, struct codec_lut *luts[LUTS])
{
    luts[0] = &image->modality_lut;
    luts[1] = &image->voi_lut;
    for (int i = 0; i < 3; i++)
        luts[2 + i] = &image->palette[i];
}

void
image_wire_write(const struct codec_image *image, struct buf *out)
{
    struct codec_image copy = *image;
    struct codec_lut *luts[LUTS];

    buf_add(out, image, sizeof *image);
    list_luts(&copy, luts);
    for (size_t i = 0; i < LUTS; i++)
        if (luts[i]->values != NULL)
            buf_add(out, luts[i]->values, luts[i]->n * sizeof *luts[i]->values);
}

int
image_wire_read(const uint8_t *bytes, size_t n, struct codec_image *out, struct err *err)
{
    struct codec_image image;
    struct codec_lut *luts[LUTS];
    size_t at = sizeof image;

    if (n < sizeof image)
        return err_set(err, ERR_REJECT, "codec worker: no image");
    memcpy(&image, bytes, sizeof image);
    list_luts(&image, luts);
    image.pixels = NULL;
    image.pixels_n = 0;
    for (size_t i = 0; i < LUTS; i++)
        luts[i]->values = NULL;
    for (size_t i = 0; i < LUTS; i++) {
        size_t lut_n = luts[i]->n * sizeof *luts[i]->values;

        if (luts[i]->n > LUT_MOST || lut_n > n - at)
            goto bad;
        if (lut_n == 0)
            continue;
        luts[i]->values = mem_new(lut_n);
        memcpy(luts[i]->values, bytes + at, lut_n);
        at += lut_n;
    }
    if (at != n || memchr(image.photometric, 0, sizeof image.photometric) == NULL ||
        (image.bits_allocated != 8 && image.bits_allocated != 16 && image.bits_allocated != 32) ||
        image.samples == 0 || image.samples > 4 || image.voi > CODEC_VOI_SIGMOID)
        goto bad;
    *out = image;
    return 0;
bad:
    codec_image_fini(&image);
    return err_set(err, ERR_REJECT, "codec worker: no sound image");
}
