/* instance.c - a Part 10 file in memory and its frames, by whichever decoder knows them. */
#include "proto/codec/job.h"

#include "proto/base/limits.h"
#include "proto/base/zip.h"
#include "proto/codec/j2k.h"
#include "proto/codec/jls.h"
#include "proto/dicom/dcmtk/decode.h"

#include <stdio.h>
#include <string.h>

static int decode_dcmtk(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
                        char out_photometric[17], struct err *err);
static int decode_jls(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
                      struct err *err);
static int decode_j2k(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
                      char out_photometric[17], struct err *err);
static int decode_deflated(const struct dcm_pixels *p, const uint8_t *coded, size_t n,
                           struct buf *out, struct err *err);
static int native_frame(const struct instance *in, uint32_t frame, struct buf *out,
                        struct err *err);
static int native_bits(const struct instance *in, uint32_t frame, struct buf *out, struct err *err);

int
instance_open(struct instance *in, const uint8_t *part10, size_t n, struct err *err)
{
    memset(in, 0, sizeof *in);
    buf_init(&in->inflated, LIMIT_INFLATED_BYTES);
    if (dcm_part10_parse(part10, n, &in->part10, err) < 0)
        return -1;
    if (dcm_part10_dataset(part10, n, &in->part10, &in->inflated, &in->dataset, &in->dataset_n,
                           err) < 0)
        return -1;
    return dcm_pixels_find(in->dataset, in->dataset_n, &in->part10, &in->pixels, err);
}

void
instance_close(struct instance *in)
{
    dcm_pixels_fini(&in->pixels);
    buf_fini(&in->inflated);
}

int
instance_decode(const struct dcm_pixels *p, const uint8_t *coded, size_t coded_n, struct buf *out,
                char out_photometric[17], struct err *err)
{
    char ignored[17];
    size_t begin = out->n;
    int rc;

    if (out_photometric == NULL)
        out_photometric = ignored;
    (void)snprintf(out_photometric, 17, "%s", p->form.photometric);
    if (p->frame_bytes == 0 || p->frame_bytes > LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "pixels of no sensible size");
    switch (p->syntax->codec) {
    case DCM_CODEC_RLE:
    case DCM_CODEC_JPEG:
        rc = decode_dcmtk(p, coded, coded_n, out, out_photometric, err);
        break;
    case DCM_CODEC_JPEGLS:
        rc = decode_jls(p, coded, coded_n, out, err);
        break;
    case DCM_CODEC_J2K:
    case DCM_CODEC_HTJ2K:
        rc = decode_j2k(p, coded, coded_n, out, out_photometric, err);
        break;
    case DCM_CODEC_DEFLATED_FRAME:
        rc = decode_deflated(p, coded, coded_n, out, err);
        break;
    default:
        return err_set(err, ERR_NOT_FOUND, "no decoder for %s",
                       p->syntax->name[0] != 0 ? p->syntax->name : "this syntax");
    }
    if (rc == 0 && out->n - begin < p->frame_bytes)
        return err_set(err, ERR_REJECT, "a decoded frame is too short");
    return rc;
}

int
instance_frame(const struct instance *in, uint32_t frame, struct buf *out, char out_photometric[17],
               struct err *err)
{
    const struct dcm_pixels *p = &in->pixels;
    struct buf coded;
    int rc;

    if (p->tag == 0 || frame == 0 || frame > p->form.frames)
        return err_set(err, ERR_NOT_FOUND, "no frame %u", frame);
    if (!p->is_encapsulated) {
        (void)snprintf(out_photometric, 17, "%s", p->form.photometric);
        return p->form.bits_allocated == 1 ? native_bits(in, frame, out, err)
                                           : native_frame(in, frame, out, err);
    }
    buf_init(&coded, LIMIT_FRAME_BYTES);
    rc = dcm_pixels_coded_frame(p, in->dataset, frame, &coded, err);
    if (rc == 0)
        rc = instance_decode(p, coded.bytes, coded.n, out, out_photometric, err);
    buf_fini(&coded);
    return rc;
}

static int
decode_dcmtk(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
             char out_photometric[17], struct err *err)
{
    const struct dcm_pixel_form *f = &p->form;
    struct dcmtk_frame frame = {p->syntax->uid, f->rows,           f->cols,
                                f->samples,     f->bits_allocated, f->bits_stored,
                                f->high_bit,    f->is_signed,      f->photometric};

    struct buf room; /* DCMTK wants an even length */
    int rc;

    buf_init(&room, (size_t)p->frame_bytes + 1);
    rc = dcmtk_decode_frame(&frame, coded, n, &room, out_photometric, err);
    if (rc == 0)
        buf_add(out, room.bytes, room.n);
    if (rc == 0 && buf_is_over(out))
        rc = err_set(err, ERR_REJECT, "a decoded frame is over the limit");
    buf_fini(&room);
    return rc;
}

static int
decode_jls(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
           struct err *err)
{
    uint8_t *to = buf_reserve(out, (size_t)p->frame_bytes);

    if (to == NULL)
        return err_set(err, ERR_REJECT, "a decoded frame is over the limit");
    if (jls_decode(&p->form, coded, n, to, (size_t)p->frame_bytes, err) < 0)
        return -1;
    out->n += (size_t)p->frame_bytes;
    return 0;
}

static int
decode_j2k(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
           char out_photometric[17], struct err *err)
{
    uint8_t *to;

    if (strncmp(p->form.photometric, "YBR_RCT", 7) == 0 ||
        strncmp(p->form.photometric, "YBR_ICT", 7) == 0)
        (void)snprintf(out_photometric, 17, "RGB"); /* the stream undoes it itself */
    to = buf_reserve(out, (size_t)p->frame_bytes);
    if (to == NULL)
        return err_set(err, ERR_REJECT, "a decoded frame is over the limit");
    if (j2k_decode(&p->form, coded, n, false, to, (size_t)p->frame_bytes, err) < 0)
        return -1;
    out->n += (size_t)p->frame_bytes;
    return 0;
}

/* PS3.5 A.4.13: raw deflate of the native frame, perhaps padded. */
static int
decode_deflated(const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
                struct err *err)
{
    struct buf frame;
    size_t used;
    int rc = -1;

    buf_init(&frame, (size_t)p->frame_bytes + 1);
    if (zip_inflate_prefix(coded, n, &frame, &used, err) < 0)
        goto out;
    if (frame.n < p->frame_bytes) {
        (void)err_set(err, ERR_REJECT, "a deflated frame is too short");
        goto out;
    }
    buf_add(out, frame.bytes, (size_t)p->frame_bytes);
    rc = buf_is_over(out) ? err_set(err, ERR_REJECT, "a decoded frame is over the limit") : 0;
out:
    buf_fini(&frame);
    return rc;
}

/* The whole's conversion, told that this frame is all there is. */
static int
native_frame(const struct instance *in, uint32_t frame, struct buf *out, struct err *err)
{
    struct dcm_pixels one = in->pixels;
    uint8_t *to;

    if (!one.is_whole || one.frame_bytes == 0 || one.frame_bytes > LIMIT_FRAME_BYTES)
        return err_set(err, ERR_REJECT, "the pixel data is not whole");
    if (one.coding == DCM_EXPLICIT_BE && one.frame_bytes % 2 != 0 && one.form.frames > 1)
        return err_set(err, ERR_REJECT, "frames share a word"); /* swapped as a whole only */
    one.form.frames = 1;
    one.value_at += (size_t)((frame - 1) * one.frame_bytes);
    one.value_n = one.frames_bytes = one.frame_bytes;
    to = buf_reserve(out, (size_t)one.frame_bytes);
    if (to == NULL)
        return err_set(err, ERR_REJECT, "a frame is over the limit");
    dcm_pixels_to_canonical(&one, in->dataset, to);
    out->n += (size_t)one.frame_bytes;
    return 0;
}

/* PS3.5 8.1.1 and D.2: frames of single bits follow one another, low bit first. */
static int
native_bits(const struct instance *in, uint32_t frame, struct buf *out, struct err *err)
{
    const struct dcm_pixels *p = &in->pixels;
    uint64_t count = (uint64_t)p->form.rows * p->form.cols * p->form.samples;
    uint64_t from = (frame - 1) * count;

    if (!p->is_whole || count > LIMIT_FRAME_BYTES || (from + count + 7) / 8 > p->value_n)
        return err_set(err, ERR_REJECT, "the pixel data is not whole");
    for (uint64_t i = from; i < from + count; i++)
        buf_add_u8(out, in->dataset[p->value_at + i / 8] >> (i % 8) & 1);
    return buf_is_over(out) ? err_set(err, ERR_REJECT, "a frame is over the limit") : 0;
}
