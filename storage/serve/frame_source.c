/* frame_source.c - the pixels of one stored instance, frame by frame. */
#include "storage/serve/frame_source.h"

#include "proto/base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

const char *
frame_media_type(const struct dcm_syntax *syntax)
{
    static const struct {
        enum dcm_codec codec;
        const char *type;
    } rows[] = {
        {DCM_CODEC_RLE, "image/dicom-rle"}, {DCM_CODEC_JPEG, "image/jpeg"},
        {DCM_CODEC_JPEGLS, "image/jls"},    {DCM_CODEC_J2K, "image/jp2"},
        {DCM_CODEC_HTJ2K, "image/jphc"},    {DCM_CODEC_JPEGXL, "image/jxl"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].codec == syntax->codec)
            return rows[i].type;
    if (syntax->codec == DCM_CODEC_VIDEO)
        return strncmp(syntax->uid, "1.2.840.10008.1.2.4.100", 23) == 0 ||
                       strncmp(syntax->uid, "1.2.840.10008.1.2.4.101", 23) == 0
                   ? "video/mpeg"
                   : "video/mp4";
    return "application/octet-stream";
}

bool
frame_is_decodable(const struct dcm_syntax *syntax)
{
    return syntax->codec != DCM_CODEC_VIDEO && syntax->codec != DCM_CODEC_UNKNOWN &&
           syntax->codec != DCM_CODEC_REFERENCED && syntax->codec != DCM_CODEC_JPEGXL;
}

/* Deflated and big endian files are looked at through a native copy. */
static int
make_native_copy(struct frame_source *f, const struct codec_source *stored, struct err *err)
{
    int fd = -1;
    uint64_t size = 0;

    if (codec_transcode(f->s->options.pool, stored, DCM_UID_EXPLICIT_LE, &fd, &size, err) < 0)
        return -1;
    serve_map_close(&f->map);
    close(f->fd);
    f->fd = fd;
    f->offset = 0;
    if (serve_map_open(fd, 0, size, &f->map, err) < 0)
        return -1;
    return dcm_part10_parse(f->map.at, f->map.n, &f->part10, err);
}

static int
look_inside(struct frame_source *f, struct err *err)
{
    struct buf none;
    int rc;

    buf_init(&none, 0);
    rc =
        dcm_part10_dataset(f->map.at, f->map.n, &f->part10, &none, &f->dataset, &f->dataset_n, err);
    buf_fini(&none);
    if (rc < 0)
        return -1;
    if (f->place->layout != NULL && f->place->recipe != NULL &&
        layout_read(f->place->layout, f->place->layout_n, &f->layout, err) < 0)
        return -1;
    if (f->layout != NULL && f->layout->layers == 0)
        layout_free(&f->layout);
    return dcm_pixels_find(f->dataset, f->dataset_n, &f->part10, &f->pixels, err);
}

int
frame_source_open(struct serve *s, struct keep_place **place, struct frame_source **out,
                  struct err *err)
{
    struct frame_source *f = mem_new(sizeof *f);
    struct codec_source stored;
    int rc = -1;

    f->s = s;
    f->fd = -1;
    f->place = TAKE(*place);
    f->offset = f->place->offset;
    if (serve_source(s, f->place, &f->fd, &stored, err) < 0 ||
        serve_map_open(f->fd, f->offset, f->place->size, &f->map, err) < 0 ||
        dcm_part10_parse(f->map.at, f->map.n, &f->part10, err) < 0)
        goto out;
    if ((f->part10.syntax->is_deflated || f->part10.syntax->coding == DCM_EXPLICIT_BE) &&
        make_native_copy(f, &stored, err) < 0)
        goto out;
    if (look_inside(f, err) < 0)
        goto out;
    *out = TAKE(f);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "look into instance %s", f->place->sop_instance);
    frame_source_free(&f);
    return rc;
}

void
frame_source_free(struct frame_source **source)
{
    struct frame_source *f = TAKE(*source);

    if (f == NULL)
        return;
    layout_free(&f->layout);
    dcm_pixels_fini(&f->pixels);
    serve_map_close(&f->map);
    if (f->fd >= 0)
        close(f->fd);
    keep_place_free(&f->place);
    free(f);
}

uint32_t
frame_source_count(const struct frame_source *f)
{
    if (f->pixels.tag == 0)
        return 0;
    /* A video is one stream. */
    return frame_is_decodable(f->part10.syntax) ? f->pixels.form.frames : 1;
}

int
frame_source_range(struct frame_source *f, uint64_t offset, uint64_t size, struct part *out,
                   struct err *err)
{
    int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "share a descriptor");
    *out = (struct part){.fd = fd, .offset = f->offset + offset, .size = size};
    return 0;
}

static int
no_frame(const struct frame_source *f, uint32_t frame, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "frame %u of instance %s", (unsigned)frame,
                   f->place->sop_instance);
}

/* A frame of several fragments, or with span NULL all there are. */
static int
joined_part(struct frame_source *f, const struct dcm_frame_span *span, struct part *out,
            struct err *err)
{
    const struct dcm_pixels *p = &f->pixels;
    uint32_t first = span != NULL ? span->first : 0;
    uint32_t end = span != NULL ? first + span->count : p->fragment_count;
    struct buf joined;
    size_t n;

    if (end - first == 1)
        return frame_source_range(f, (uint64_t)(f->dataset - f->map.at) + p->fragments[first].at,
                                  p->fragments[first].n, out, err);
    buf_init(&joined, LIMIT_FRAME_BYTES);
    for (uint32_t i = first; i < end; i++)
        buf_add(&joined, f->dataset + p->fragments[i].at, p->fragments[i].n);
    if (buf_is_over(&joined) || joined.n == 0) {
        buf_fini(&joined);
        return err_set(err, ERR_REJECT, "a frame of no or too many bytes");
    }
    *out = (struct part){.fd = -1, .bytes = buf_take(&joined, &n)};
    out->size = n;
    return 0;
}

int
frame_source_coded(struct frame_source *f, uint32_t frame, struct part *out, struct err *err)
{
    const struct dcm_pixels *p = &f->pixels;

    if (frame == 0 || frame > frame_source_count(f))
        return no_frame(f, frame, err);
    if (f->layout != NULL && frame <= f->layout->frames) {
        uint64_t from = f->layout->frame_start[frame - 1];

        return frame_source_range(
            f, from, layout_layer_end(f->layout, frame - 1, f->layout->layers - 1) - from, out,
            err);
    }
    if (!frame_is_decodable(f->part10.syntax))
        return joined_part(f, NULL, out, err);
    return p->spans != NULL ? joined_part(f, &p->spans[frame - 1], out, err)
                            : no_frame(f, frame, err);
}

/* Native frames that do not begin on a byte (Bits Allocated 1): shifted down to one. */
static int
shifted_part(struct frame_source *f, uint64_t from_bit, uint64_t bits, struct part *out,
             struct err *err)
{
    uint64_t n = (bits + 7) / 8, last = (from_bit + bits + 7) / 8;
    const uint8_t *from = f->dataset + f->pixels.value_at + from_bit / 8;
    unsigned shift = from_bit % 8;

    if (last > f->pixels.value_n || n > LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "its pixel data is too short");
    *out = (struct part){.fd = -1, .bytes = mem_new(n), .size = n};
    for (uint64_t i = 0; i < n; i++) {
        unsigned high = from_bit / 8 + i + 1 < last ? from[i + 1] : 0;

        out->bytes[i] = (uint8_t)((from[i] | high << 8) >> shift);
    }
    if (bits % 8 != 0)
        out->bytes[n - 1] &= (uint8_t)((1u << bits % 8) - 1);
    return 0;
}

static int
stored_native(struct frame_source *f, uint32_t frame, struct part *out, struct err *err)
{
    const struct dcm_pixel_form *form = &f->pixels.form;
    uint64_t bits = (uint64_t)form->rows * form->cols, from;

    if (__builtin_mul_overflow(bits, (uint64_t)form->samples * form->bits_allocated, &bits) ||
        bits > 8 * LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "frames too large");
    /* YBR_FULL_422 native: two pixels share their colour (PS3.3 C.7.6.3.1.2). */
    if (strcmp(form->photometric, "YBR_FULL_422") == 0 && form->samples == 3)
        bits = bits / 3 * 2;
    from = bits * (frame - 1);
    if (from % 8 != 0 || bits % 8 != 0)
        return shifted_part(f, from, bits, out, err);
    if ((from + bits) / 8 > f->pixels.value_n)
        return err_set(err, ERR_REJECT, "its pixel data is too short");
    return frame_source_range(f, (uint64_t)(f->dataset - f->map.at) + f->pixels.value_at + from / 8,
                              bits / 8, out, err);
}

int
frame_source_native(struct frame_source *f, uint32_t frame, struct part *out, struct err *err)
{
    struct codec_source source = {.fd = f->fd,
                                  .offset = f->offset,
                                  .size = f->map.n,
                                  .recipe = f->place->recipe,
                                  .recipe_n = f->place->recipe_n};
    struct codec_image image;

    if (frame == 0 || frame > frame_source_count(f))
        return no_frame(f, frame, err);
    if (!f->pixels.is_encapsulated)
        return stored_native(f, frame, out, err);
    if (codec_frame(f->s->options.pool, &source, frame, 0, NULL, &image, err) < 0)
        return -1;
    *out = (struct part){.fd = -1, .bytes = TAKE(image.pixels), .size = image.pixels_n};
    codec_image_fini(&image);
    return 0;
}
