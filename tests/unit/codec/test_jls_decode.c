/* test_jls_decode.c - JPEG-LS of others: planes, lines and samples interleaved, the CT that other
 * codings carry too, and what is torn or does not fit the data set. */
#include "proto/base/durable.h"
#include "proto/codec/job.h"
#include "proto/codec/jls.h"
#include "proto/dicom/dataset_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data/transfer-syntaxes/"

static const struct dcm_pixel_form grey = {.rows = 9,
                                           .cols = 14,
                                           .frames = 1,
                                           .samples = 1,
                                           .bits_allocated = 16,
                                           .bits_stored = 12,
                                           .high_bit = 11,
                                           .photometric = "MONOCHROME2"};

enum { GREY_BYTES = 9 * 14 * 2 };

static int
decode(void *user, const struct dcm_pixels *p, const uint8_t *coded, size_t n, struct buf *out,
       struct err *err)
{
    (void)user;
    return instance_decode(p, coded, n, out, NULL, err);
}

static void
digest(const char *name, uint8_t out[32])
{
    static const uint8_t preamble[128] = {0};
    uint8_t *bytes = NULL;
    bool is_decoded = false;
    struct buf file;
    char path[256];
    struct err err;
    size_t n;

    snprintf(path, sizeof path, DATA "%s", name);
    assert_int_equal(durable_get_file(path, 1u << 26, &bytes, &n, &err), 0);
    buf_init(&file, 1u << 26);
    if (n > 1 && bytes[0] == 2 && bytes[1] == 0) { /* three of the files begin with group 0002 */
        buf_add(&file, preamble, sizeof preamble);
        buf_add(&file, "DICM", 4);
    }
    buf_add(&file, bytes, n);
    if (dcm_pixels_digest(file.bytes, file.n, decode, NULL, out, &is_decoded, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_true(is_decoded);
    buf_fini(&file);
    free(bytes);
}

static void
one_image_has_the_same_pixels_in_jpeg_ls(void **state)
{
    uint8_t wanted[32], got[32];

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    digest("ct-explicit-le.dcm", wanted);
    digest("ct-jpeg-ls.dcm", got);
    assert_memory_equal(got, wanted, sizeof got);
}

static void
colour_is_the_same_by_plane_by_line_and_by_sample(void **state)
{
    uint8_t wanted[32], got[32];

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    digest("jpeg-ls-rgb-ilv2.dcm", wanted);
    digest("jpeg-ls-rgb-ilv0.dcm", got);
    assert_memory_equal(got, wanted, sizeof got);
    digest("jpeg-ls-rgb-ilv1.dcm", got);
    assert_memory_equal(got, wanted, sizeof got);
}

/* A grey ramp and its stream; the caller frees the stream's buffer. */
static void
make_grey(uint8_t pixels[GREY_BYTES], struct buf *stream)
{
    struct err err;

    for (size_t i = 0; i < GREY_BYTES / 2; i++) {
        pixels[2 * i] = (uint8_t)(i * 29);
        pixels[2 * i + 1] = (uint8_t)(i % 14);
    }
    buf_init(stream, 1u << 16);
    assert_int_equal(jls_encode(&grey, pixels, GREY_BYTES, stream, &err), 0);
}

/* Some cost CharLS four seconds each, for bits that were not there. */
static void
a_torn_stream_is_refused_at_once_wherever_it_ends(void **state)
{
    uint8_t pixels[GREY_BYTES], back[GREY_BYTES];
    struct timespec begun, ended;
    struct buf stream;
    struct err err;

    (void)state;
    make_grey(pixels, &stream);
    assert_int_equal(jls_decode(&grey, stream.bytes, stream.n, back, sizeof back, &err), 0);
    assert_memory_equal(back, pixels, sizeof back);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun), 0);
    for (size_t n = 0; n < stream.n; n++) {
        uint8_t closed[GREY_BYTES * 2]; /* cut in its middle, and its end is there */

        if (jls_decode(&grey, stream.bytes, n, back, sizeof back, &err) == 0)
            fail_msg("taken after %zu of %zu bytes", n, stream.n);
        assert_true(n + 2 <= sizeof closed);
        memcpy(closed, stream.bytes, n);
        memcpy(closed + n, "\xff\xd9", 2);
        if (n + 2 < stream.n && jls_decode(&grey, closed, n + 2, back, sizeof back, &err) == 0)
            fail_msg("taken after %zu of %zu bytes and an end", n, stream.n);
    }
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended), 0);
    assert_true(ended.tv_sec - begun.tv_sec < 4);
    buf_add_u8(&stream, 0); /* a fragment is padded to an even length */
    assert_int_equal(jls_decode(&grey, stream.bytes, stream.n, back, sizeof back, &err), 0);
    buf_fini(&stream);
}

static void
what_the_data_set_does_not_say_is_refused(void **state)
{
    uint8_t pixels[GREY_BYTES], back[3 * GREY_BYTES];
    struct dcm_pixel_form wrong[4] = {grey, grey, grey, grey};
    struct buf stream;
    struct err err;

    (void)state;
    make_grey(pixels, &stream);
    wrong[0].rows = 8;
    wrong[1].cols = 15;
    wrong[2].samples = 3;
    wrong[3].bits_allocated = 8;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        size_t n = (size_t)wrong[i].rows * wrong[i].cols * wrong[i].samples *
                   (wrong[i].bits_allocated / 8);

        assert_int_equal(jls_decode(&wrong[i], stream.bytes, stream.n, back, n, &err), -1);
    }
    buf_fini(&stream);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_image_has_the_same_pixels_in_jpeg_ls),
        cmocka_unit_test(colour_is_the_same_by_plane_by_line_and_by_sample),
        cmocka_unit_test(a_torn_stream_is_refused_at_once_wherever_it_ends),
        cmocka_unit_test(what_the_data_set_does_not_say_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
