/* test_decode.c - one CT in DCMTK's lossless codings decodes to the same pixels; what does not fit
 * is refused. */
#include "proto/base/durable.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/dcmtk/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data/transfer-syntaxes/"

static int
decode(void *user, const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
       struct err *err)
{
    const struct dcm_pixel_form *f = &p->form;
    struct dcmtk_frame frame = {p->syntax->uid, f->rows,           f->cols,
                                f->samples,     f->bits_allocated, f->bits_stored,
                                f->high_bit,    f->is_signed,      f->photometric};
    char photometric[17];

    (void)user;
    return dcmtk_decode_frame(&frame, coded, n, out, photometric, err);
}

static void
digest(const char *name, uint8_t out[32])
{
    uint8_t *bytes = NULL;
    bool is_decoded = false;
    char path[256];
    struct err err;
    size_t n;

    snprintf(path, sizeof path, DATA "%s", name);
    assert_int_equal(durable_get_file(path, 1u << 26, &bytes, &n, &err), 0);
    if (dcm_pixels_digest(bytes, n, decode, NULL, out, &is_decoded, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (!is_decoded)
        fail_msg("%s was not decoded", name);
    free(bytes);
}

static void
one_image_in_every_lossless_coding_has_one_digest(void **state)
{
    static const char *const files[] = {"ct-implicit-le.dcm",   "ct-explicit-be.dcm",
                                        "ct-deflated.dcm",      "ct-rle.dcm",
                                        "ct-jpeg-lossless.dcm", "ct-jpeg-lossless-sv1.dcm"};
    uint8_t wanted[32], got[32];

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    digest("ct-explicit-le.dcm", wanted);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        digest(files[i], got);
        if (memcmp(got, wanted, sizeof got) != 0)
            fail_msg("%s has other pixels", files[i]);
    }
}

static void
what_does_not_fit_is_refused(void **state)
{
    /* SOI and a frame header of 12 bits, 1 x 1; then nothing. */
    static const uint8_t torn[] = {0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 12, 0, 1, 0, 1, 1, 1, 0x11, 0};
    struct dcmtk_frame frame = {
        "1.2.840.10008.1.2.4.70", 1, 1, 1, 16, 12, 11, false, "MONOCHROME2"};
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 64);
    assert_int_equal(dcmtk_decode_warm(&err), 0);
    assert_int_equal(dcmtk_decode_frame(&frame, torn, sizeof torn, &out, NULL, &err), -1);
    frame.bits_allocated = 8; /* cells too small for 12 bits */
    frame.bits_stored = 8;
    frame.high_bit = 7;
    assert_int_equal(dcmtk_decode_frame(&frame, torn, sizeof torn, &out, NULL, &err), -1);
    frame.bits_allocated = 32;
    assert_int_equal(dcmtk_decode_frame(&frame, torn, sizeof torn, &out, NULL, &err), -1);
    frame.bits_allocated = 16;
    frame.rows = 65536;
    assert_int_equal(dcmtk_decode_frame(&frame, torn, sizeof torn, &out, NULL, &err), -1);
    frame.rows = 1;
    assert_int_equal(dcmtk_decode_frame(&frame, torn, 0, &out, NULL, &err), -1);
    assert_int_equal(out.n, 0);
    buf_fini(&out);
}

/* The library goes round for ever at TEM (FF01), wherever it looks for the frame header. */
static void
a_marker_that_has_no_place_before_the_frame_is_refused(void **state)
{
    static const uint8_t header[] = {0xFF, 0xD8, 0xFF, 0x01, 0xFF, 0xC0, 0, 11, 8, 0,
                                     8,    0,    8,    1,    1,    0x11, 0, 0,  0, 0};
    /* of JPEG-LS; TEM stands where the library would look on */
    static const uint8_t other[] = {0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 8, 0, 8,  0, 8, 1,
                                    1,    17,   0,    0xFF, 1, 0,  0, 0, 12, 0, 0, 0};
    const struct dcmtk_frame frame = {
        "1.2.840.10008.1.2.4.50", 8, 8, 1, 8, 8, 7, false, "MONOCHROME2"};
    char photometric[17];
    struct err err = {0};
    struct buf out;

    (void)state;
    buf_init(&out, 256);
    assert_int_equal(dcmtk_decode_frame(&frame, other, sizeof other, &out, photometric, &err), -1);
    assert_int_equal(dcmtk_decode_frame(&frame, header, sizeof header, &out, photometric, &err),
                     -1);
    assert_int_equal(
        dcmtk_decode_frame(&frame, header + 2, sizeof header - 2, &out, photometric, &err), -1);
    buf_fini(&out);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_image_in_every_lossless_coding_has_one_digest),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_marker_that_has_no_place_before_the_frame_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
