/* fuzz_codec_stream.c - a frame's codestream of any coding, decoded as a worker does it: into the
 * frame that the data set promises and nowhere else. The first byte chooses the coding, the second
 * what is promised; JPEG 2000 also as the look that a cut stream is. */
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/codec/j2k.h"
#include "proto/codec/jls.h"
#include "proto/dicom/dcmtk/decode.h"
#include "proto/dicom/syntax.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { GUARD = 64, GUARD_BYTE = 0xA5 };

static const struct dcm_pixel_form forms[] = {
    {.rows = 20,
     .cols = 24,
     .samples = 1,
     .bits_allocated = 16,
     .bits_stored = 12,
     .photometric = "MONOCHROME2"},
    {.rows = 20,
     .cols = 24,
     .samples = 1,
     .bits_allocated = 16,
     .bits_stored = 16,
     .is_signed = true,
     .photometric = "MONOCHROME2"},
    {.rows = 17,
     .cols = 13,
     .samples = 1,
     .bits_allocated = 8,
     .bits_stored = 8,
     .photometric = "MONOCHROME1"},
    {.rows = 16,
     .cols = 16,
     .samples = 3,
     .bits_allocated = 8,
     .bits_stored = 8,
     .photometric = "RGB"},
};

static const char *const dcmtk_codings[] = {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50",
                                            "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70"};

static void
decode_j2k(const struct dcm_pixel_form *form, const uint8_t *bytes, size_t n, bool is_part)
{
    size_t frame_n = (size_t)form->rows * form->cols * form->samples * (form->bits_allocated / 8U);
    uint8_t *frame = mem_new(frame_n + GUARD);
    struct err err = {0};

    memset(frame + frame_n, GUARD_BYTE, GUARD);
    (void)!j2k_decode(form, bytes, n, is_part, frame, frame_n, &err);
    for (size_t i = 0; i < GUARD; i++)
        CHECK(frame[frame_n + i] == GUARD_BYTE);
    free(frame);
}

/* What a preview's frame is made of. */
static void
decode_cut(const struct dcm_pixel_form *form, const uint8_t *bytes, size_t n)
{
    struct err err = {0};
    struct buf cut;

    buf_init(&cut, n + 2);
    if (codec_cut_codestream(bytes, n, 1, &cut, &err) == 0)
        decode_j2k(form, cut.bytes, cut.n, true);
    buf_fini(&cut);
}

static void
decode_jls(const struct dcm_pixel_form *form, const uint8_t *bytes, size_t n)
{
    size_t frame_n = (size_t)form->rows * form->cols * form->samples * (form->bits_allocated / 8U);
    uint8_t *frame = mem_new(frame_n + GUARD);
    struct err err = {0};

    memset(frame + frame_n, GUARD_BYTE, GUARD);
    (void)!jls_decode(form, bytes, n, frame, frame_n, &err);
    for (size_t i = 0; i < GUARD; i++)
        CHECK(frame[frame_n + i] == GUARD_BYTE);
    free(frame);
}

static void
decode_dcmtk(const struct dcm_pixel_form *form, const char *coding, const uint8_t *bytes, size_t n)
{
    struct dcmtk_frame frame = {coding,
                                form->rows,
                                form->cols,
                                form->samples,
                                form->bits_allocated,
                                form->bits_stored,
                                form->bits_stored - 1U,
                                form->is_signed,
                                form->photometric};
    size_t wanted = (size_t)form->rows * form->cols * form->samples * (form->bits_allocated / 8U);
    char photometric[17];
    struct err err = {0};
    struct buf out;

    buf_init(&out, wanted + 1);
    if (dcmtk_decode_frame(&frame, bytes, n, &out, photometric, &err) == 0)
        CHECK(out.n >= wanted && !buf_is_over(&out) && strnlen(photometric, 17) < 17);
    buf_fini(&out);
}

static uint32_t
be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A naked JPEG 2000 stream of some small size, as others' collections have them: the data set
 * promises what it says. */
static bool
decode_naked(const uint8_t *bytes, size_t n)
{
    struct dcm_pixel_form form = {.photometric = "MONOCHROME2"};

    if (n < 48 || be32(bytes) != 0xFF4FFF51)
        return false;
    form.cols = be32(bytes + 8) - be32(bytes + 16);
    form.rows = be32(bytes + 12) - be32(bytes + 20);
    form.samples = bytes[41] == 3 ? 3 : 1;
    form.bits_stored = (uint8_t)((bytes[42] & 15) + 1);
    form.bits_allocated = form.bits_stored > 8 ? 16 : 8;
    form.is_signed = bytes[42] & 128;
    if (form.cols == 0 || form.rows == 0 || form.cols > 256 || form.rows > 256)
        return true;
    decode_j2k(&form, bytes, n, false);
    decode_j2k(&form, bytes, n, true);
    decode_cut(&form, bytes, n);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static bool is_warm;
    const struct dcm_pixel_form *form;
    struct err err = {0};

    log_set_fd(-1);
    if (n < 3)
        return -1;
    if (!is_warm)
        CHECK(dcmtk_decode_warm(&err) == 0);
    is_warm = true;
    if (decode_naked(bytes, n))
        return 0;
    form = &forms[bytes[1] % ARRAY_LEN(forms)];
    switch (bytes[0] % 9) {
    case 0:
        decode_j2k(form, bytes + 2, n - 2, false);
        break;
    case 1:
        decode_j2k(form, bytes + 2, n - 2, true);
        break;
    case 2:
        decode_cut(form, bytes + 2, n - 2);
        break;
    case 7:
    case 8: /* lossless or not: the stream says it; the old seeds stay what they were */
        decode_jls(form, bytes + 2, n - 2);
        break;
    default:
        decode_dcmtk(form, dcmtk_codings[bytes[0] % 9 - 3], bytes + 2, n - 2);
        break;
    }
    return 0;
}
