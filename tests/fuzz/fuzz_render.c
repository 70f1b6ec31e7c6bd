/* fuzz_render.c - what a data set says of drawing, and any image that could come of it, is drawn or
 * refused. */
#include "proto/render/render.h"

#include "proto/base/log.h"
#include "proto/codec/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define HEAD 8

static void
choose_form(struct codec_image *image, const uint8_t *head)
{
    static const char *const names[] = {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB",
                                        "YBR_FULL"};
    static const uint8_t bits[] = {8, 16, 32};

    (void)strncpy(image->photometric, names[head[0] % 5], sizeof image->photometric - 1);
    image->samples = head[0] % 5 >= 3 ? 3 : 1;
    image->bits_allocated = bits[head[1] % 3];
    image->bits_stored = head[2];
    image->high_bit = head[3];
    image->is_signed = head[4] & 1;
    image->cols = 1 + head[5] % 16;
    image->rows = 1 + head[6] % 16;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct codec_image image = {0};
    struct render_options options = {0};
    struct err err = {0};
    struct buf out;

    log_set_fd(-1);
    if (n < HEAD)
        return 0;
    choose_form(&image, bytes);
    options.max_cols = bytes[7] % 20U;
    options.quality = 50;
    buf_init(&out, 1U << 20);
    if (look_read(bytes + HEAD, n - HEAD, (enum dcm_coding)(bytes[4] >> 1 & 1), 1 + bytes[4] / 64U,
                  &image, &err) == 0) {
        image.pixels_n =
            (size_t)image.cols * image.rows * image.samples * (image.bits_allocated / 8U);
        image.pixels = mem_new(image.pixels_n);
        for (size_t i = 0; i < image.pixels_n; i++)
            image.pixels[i] = bytes[i * 7 % n];
        (void)!render_jpeg(&image, &options, &out, &err);
    }
    codec_image_fini(&image);
    buf_fini(&out);
    return 0;
}
