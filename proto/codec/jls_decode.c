/* jls_decode.c - one JPEG-LS frame by CharLS; the only door to it. DCMTK carries an older CharLS of
 * its own whose exported names are the same: a program must never call both, so nothing here asks
 * DCMTK for JPEG-LS. */
#include "proto/codec/jls.h"

#include <charls/charls.h>

#include <stdlib.h>
#include <string.h>

enum { END_OF_IMAGE = 0xD9, SCAN = 0xDA }; /* markers, T.81 B.1.1.3 */

static int refuse(struct err *err, charls_jpegls_errc why);
static int check_form(const struct dcm_pixel_form *form, const charls_frame_info *info,
                      struct err *err);
static void interleave(const uint8_t *planes, const struct dcm_pixel_form *form, uint8_t *to);
static void extend(const struct dcm_pixel_form *form, unsigned precision, uint8_t *p, size_t n);

/* A marker ends the reading of a scan. Where the bytes just end, CharLS (2.4.1) may count bits that
 * are not there, for seconds of processor time: of such a stream, cut off by whatever, nothing is
 * asked. */
static bool
has_end(const uint8_t *stream, size_t n)
{
    for (; n >= 2; n--)
        if (stream[n - 2] == 0xFF && (stream[n - 1] == END_OF_IMAGE || stream[n - 1] == SCAN))
            return stream[n - 1] == END_OF_IMAGE;
    return false;
}

int
jls_decode(const struct dcm_pixel_form *form, const uint8_t *stream, size_t n, uint8_t *out,
           size_t out_n, struct err *err)
{
    charls_jpegls_decoder *d = NULL;
    charls_interleave_mode mode = CHARLS_INTERLEAVE_MODE_NONE;
    charls_frame_info info = {0};
    uint8_t *planes = NULL;
    charls_jpegls_errc why;
    int rc = -1;

    if (!has_end(stream, n))
        return err_set(err, ERR_REJECT, "JPEG-LS: it is torn");
    d = charls_jpegls_decoder_create();
    if (d == NULL)
        return err_set(err, ERR_RETRY, "JPEG-LS: no memory");
    why = charls_jpegls_decoder_set_source_buffer(d, stream, n);
    if (why == 0)
        why = charls_jpegls_decoder_read_header(d);
    if (why == 0)
        why = charls_jpegls_decoder_get_frame_info(d, &info);
    if (why == 0)
        why = charls_jpegls_decoder_get_interleave_mode(d, &mode);
    if (why != 0) {
        (void)refuse(err, why);
        goto out;
    }
    if (check_form(form, &info, err) < 0)
        goto out;
    if (form->samples > 1 && mode == CHARLS_INTERLEAVE_MODE_NONE)
        planes = mem_new(out_n);
    why = charls_jpegls_decoder_decode_to_buffer(d, planes != NULL ? planes : out, out_n, 0);
    if (why != 0) {
        (void)refuse(err, why);
        goto out;
    }
    if (planes != NULL)
        interleave(planes, form, out);
    extend(form, (unsigned)info.bits_per_sample, out, out_n);
    rc = 0;
out:
    free(planes);
    charls_jpegls_decoder_destroy(d);
    return rc;
}

static int
refuse(struct err *err, charls_jpegls_errc why)
{
    return err_set(err, ERR_REJECT, "JPEG-LS: %s", charls_get_error_message(why));
}

/* The stream is what the data set says; its samples fill cells of the same size. */
static int
check_form(const struct dcm_pixel_form *form, const charls_frame_info *info, struct err *err)
{
    const unsigned cell = info->bits_per_sample <= 8 ? 8 : 16;

    if (info->width != form->cols || info->height != form->rows ||
        (uint32_t)info->component_count != form->samples)
        return err_set(err, ERR_REJECT, "JPEG-LS: %ux%u of %d samples, not %ux%u of %u",
                       info->width, info->height, info->component_count, form->cols, form->rows,
                       form->samples);
    if (cell != form->bits_allocated || info->bits_per_sample > 16)
        return err_set(err, ERR_REJECT, "JPEG-LS: %d bits do not suit cells of %u",
                       info->bits_per_sample, form->bits_allocated);
    return 0;
}

/* Planes one after the other to colour by pixel. */
static void
interleave(const uint8_t *planes, const struct dcm_pixel_form *form, uint8_t *to)
{
    const size_t cell = form->bits_allocated / 8, n = (size_t)form->rows * form->cols;

    for (size_t sample = 0; sample < form->samples; sample++)
        for (size_t i = 0; i < n; i++)
            memcpy(to + (i * form->samples + sample) * cell, planes + (sample * n + i) * cell,
                   cell);
}

/* Signed samples narrower than their cell: PS3.5 8.1.1 leaves the high bits free, we do not. */
static void
extend(const struct dcm_pixel_form *form, unsigned precision, uint8_t *p, size_t n)
{
    const unsigned free_bits = form->bits_allocated - precision;

    if (!form->is_signed || free_bits == 0)
        return;
    if (form->bits_allocated == 8)
        for (size_t i = 0; i < n; i++)
            p[i] = (uint8_t)((int8_t)(p[i] << free_bits) >> free_bits);
    else
        for (size_t i = 0; i + 1 < n; i += 2) {
            int16_t v = (int16_t)((p[i] | p[i + 1] << 8) << free_bits);

            v = (int16_t)(v >> free_bits);
            p[i] = (uint8_t)v;
            p[i + 1] = (uint8_t)((uint16_t)v >> 8);
        }
}
