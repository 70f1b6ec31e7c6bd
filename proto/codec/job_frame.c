/* job_frame.c - one frame for eyes: whole instances, and previews of which only layers are there.
 */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/j2k.h"
#include "proto/dicom/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int preview_dataset(const struct job *job, const struct layout *layout, struct buf *out,
                           size_t *out_stream_at, size_t *out_stream_n, struct err *err);
static int frame_of_preview(const struct job *job, struct codec_image *image, struct buf *pixels,
                            struct err *err);
static int frame_of_whole(const struct job *job, struct codec_image *image, struct buf *pixels,
                          struct err *err);
static int expand_422(const struct dcm_pixel_form *f, struct buf *pixels, struct err *err);
static int describe(const struct dcm_pixels *p, const char *photometric, struct codec_image *image,
                    struct buf *pixels, struct err *err);

int
job_frame(struct job *job, struct err *err)
{
    struct codec_image image = {0};
    struct buf pixels, side;
    int rc = -1;

    buf_init(&pixels, LIMIT_FRAME_BYTES);
    buf_init(&side, IMAGE_SIDE_MOST);
    if (job->request->max_layers > 0) {
        if (frame_of_preview(job, &image, &pixels, err) < 0)
            goto out;
    } else if (frame_of_whole(job, &image, &pixels, err) < 0) {
        goto out;
    }
    image_wire_write(&image, &side);
    if (buf_is_over(&side)) {
        (void)err_set(err, ERR_REJECT, "tables for drawing are over the limit");
        goto out;
    }
    if (job_write(job->out, pixels.bytes, pixels.n, &job->reply->out_n, err) < 0)
        goto out;
    rc = job_write(job->out_side, side.bytes, side.n, &job->reply->out_side_n, err);
out:
    codec_image_fini(&image);
    buf_fini(&side);
    buf_fini(&pixels);
    return rc;
}

static int
frame_of_whole(const struct job *job, struct codec_image *image, struct buf *pixels,
               struct err *err)
{
    struct instance in = {0};
    char photometric[17];
    int rc = -1;

    if (instance_open(&in, job->bytes, job->n, err) < 0)
        goto out;
    if (in.pixels.tag != 0x7FE00010) {
        (void)err_set(err, ERR_NOT_FOUND, "no pixels that can be drawn");
        goto out;
    }
    if (instance_frame(&in, job->request->frame, pixels, photometric, err) < 0 ||
        describe(&in.pixels, photometric, image, pixels, err) < 0)
        goto out;
    rc = look_read(in.dataset, in.dataset_n, in.part10.syntax->coding, job->request->frame, image,
                   err);
out:
    instance_close(&in);
    return rc;
}

/* The header is whole, the pixel data is not: read the form from a data set with this one frame. */
static int
frame_of_preview(const struct job *job, struct codec_image *image, struct buf *pixels,
                 struct err *err)
{
    struct layout *layout = NULL;
    struct instance in = {0};
    struct buf small;
    size_t at = 0, n = 0;
    uint8_t *to;
    int rc = -1;

    buf_init(&small, LIMIT_FRAME_BYTES);
    if (layout_read(job->layout, job->layout_n, &layout, err) < 0 ||
        preview_dataset(job, layout, &small, &at, &n, err) < 0 ||
        instance_open(&in, small.bytes, small.n, err) < 0)
        goto out;
    if (in.pixels.frame_bytes == 0 || in.pixels.frame_bytes > LIMIT_FRAME_BYTES ||
        (to = buf_reserve(pixels, (size_t)in.pixels.frame_bytes)) == NULL) {
        (void)err_set(err, ERR_REJECT, "pixels of no sensible size");
        goto out;
    }
    if (j2k_decode(&in.pixels.form, small.bytes + at, n, true, to, (size_t)in.pixels.frame_bytes,
                   err) < 0)
        goto out;
    pixels->n += (size_t)in.pixels.frame_bytes;
    image->layers =
        job->request->max_layers < layout->layers ? job->request->max_layers : layout->layers;
    if (describe(&in.pixels,
                 strcmp(in.pixels.form.photometric, "YBR_RCT") == 0 ? "RGB"
                                                                    : in.pixels.form.photometric,
                 image, pixels, err) < 0)
        goto out;
    rc = look_read(in.dataset, in.dataset_n, in.part10.syntax->coding, job->request->frame, image,
                   err);
out:
    instance_close(&in);
    layout_free(&layout);
    buf_fini(&small);
    return rc;
}

static int
preview_dataset(const struct job *job, const struct layout *layout, struct buf *out,
                size_t *out_stream_at, size_t *out_stream_n, struct err *err)
{
    static const uint8_t element[] = {0xE0, 0x7F, 0x10, 0,    'O',  'B',  0, 0,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0xE0,
                                      0,    0,    0,    0,    0xFE, 0xFF, 0, 0xE0};
    static const uint8_t end[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    uint32_t f = job->request->frame - 1;
    struct dcm_part10 part10;
    struct dcm_walk walk;
    struct dcm_element e;
    size_t length_at;

    if (job->request->frame == 0 || f >= layout->frames)
        return err_set(err, ERR_NOT_FOUND, "no frame %u", job->request->frame);
    if (layout->file_size != job->n)
        return err_set(err, ERR_REJECT, "the layout is of another file");
    if (dcm_part10_parse(job->bytes, (size_t)layout->header_end, &part10, err) < 0)
        return -1;
    dcm_walk_init(&walk, job->bytes + part10.dataset_at,
                  (size_t)layout->header_end - part10.dataset_at, part10.syntax->coding,
                  DCM_WALK_PREFIX | DCM_WALK_STOP_AT_PIXELS);
    do
        if (dcm_walk_next(&walk, &e, err) < 0)
            return -1;
    while (e.event != DCM_END);
    if (!walk.is_at_pixels)
        return err_set(err, ERR_REJECT, "no pixel data behind the header");
    buf_add(out, job->bytes, part10.dataset_at + walk.pixels_at);
    buf_add(out, element, sizeof element);
    length_at = out->n;
    buf_add_le32(out, 0);
    *out_stream_at = out->n;
    if (codec_cut_codestream(
            job->bytes + layout->frame_start[f],
            (size_t)(layout_layer_end(layout, f, layout->layers - 1) - layout->frame_start[f]),
            job->request->max_layers, out, err) < 0)
        return -1;
    *out_stream_n = out->n - *out_stream_at;
    if (*out_stream_n % 2 != 0)
        buf_add_u8(out, 0);
    if (!buf_is_over(out))
        le32_write(out->bytes + length_at, (uint32_t)(out->n - *out_stream_at));
    buf_add(out, end, sizeof end);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "the preview is over the limit") : 0;
}

static int
describe(const struct dcm_pixels *p, const char *photometric, struct codec_image *image,
         struct buf *pixels, struct err *err)
{
    const struct dcm_pixel_form *f = &p->form;
    uint64_t samples = (uint64_t)f->rows * f->cols * f->samples;

    image->cols = f->cols;
    image->rows = f->rows;
    image->samples = (uint8_t)f->samples;
    image->bits_allocated = (uint8_t)(f->bits_allocated == 1 ? 8 : f->bits_allocated);
    image->bits_stored = (uint8_t)f->bits_stored;
    image->high_bit = (uint8_t)f->high_bit;
    image->is_signed = f->is_signed;
    (void)snprintf(image->photometric, sizeof image->photometric, "%s", photometric);
    if (f->bits_allocated == 1 && p->is_encapsulated) { /* packed still, low bit first */
        struct buf packed = *pixels;

        buf_init(pixels, LIMIT_FRAME_BYTES);
        for (uint64_t i = 0; i < samples && i / 8 < packed.n; i++)
            buf_add_u8(pixels, packed.bytes[i / 8] >> (i % 8) & 1);
        buf_fini(&packed);
    }
    if (!p->is_encapsulated && f->samples == 3 && strcmp(photometric, "YBR_FULL_422") == 0 &&
        expand_422(f, pixels, err) < 0)
        return -1;
    if (f->samples > 4 || pixels->n != samples * (image->bits_allocated / 8U) ||
        buf_is_over(pixels))
        return err_set(err, ERR_NOT_FOUND, "pixels of a form that is not drawn");
    return 0;
}

/* PS3.3 C.7.6.3.1.2: Y Y Cb Cr for two pixels beside each other become three samples a pixel. */
static int
expand_422(const struct dcm_pixel_form *f, struct buf *pixels, struct err *err)
{
    size_t count = (size_t)f->rows * f->cols;
    struct buf packed = *pixels;
    uint8_t *to;
    int rc = -1;

    buf_init(pixels, LIMIT_FRAME_BYTES);
    if (f->bits_allocated != 8 || f->cols % 2 != 0 || packed.n != count * 2 ||
        (to = buf_reserve(pixels, count * 3)) == NULL) {
        (void)err_set(err, ERR_NOT_FOUND, "pixels of a form that is not drawn");
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pair = packed.bytes + i / 2 * 4;

        to[i * 3] = pair[i % 2];
        to[i * 3 + 1] = pair[2];
        to[i * 3 + 2] = pair[3];
    }
    pixels->n = count * 3;
    rc = 0;
out:
    buf_fini(&packed);
    return rc;
}
