/* test_jls.c - what the JPEG-LS encoder writes, CharLS reads: every precision, and the
 * pictures that take its rarer paths. */
#include "proto/codec/jls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum picture { FLAT, RAMP, NOISE, EXTREMES, STRIPES, SPARSE, SMOOTH, PICTURES };

static const char *const names[] = {"flat",    "ramp",   "noise", "extremes",
                                    "stripes", "sparse", "smooth"};

static uint32_t
value_of(enum picture picture, uint32_t x, uint32_t y, uint32_t most, uint32_t *chance)
{
    *chance = *chance * 1664525U + 1013904223U;
    switch (picture) {
    case FLAT:
        return most / 3;
    case RAMP:
        return (x * 7 + y * 3) % (most + 1);
    case NOISE:
        return (*chance >> 8) % (most + 1);
    case EXTREMES: /* errors as large as can be: the limited code */
        return *chance >> 31 ? most : 0;
    case STRIPES: /* runs that end in each row */
        return x / 13 % 2 == 0 ? 0 : most;
    case SPARSE: /* long runs, rarely broken */
        return (*chance >> 8) % 301 == 0 ? most / 2 : 1;
    default:
        return (x * y / 5 + (*chance >> 28)) % (most + 1);
    }
}

static void
draw(const struct dcm_pixel_form *form, enum picture picture, struct buf *out)
{
    uint32_t most = (1U << form->bits_stored) - 1, chance = 1;
    unsigned spare = 32 - form->bits_stored;

    buf_clear(out);
    for (uint32_t y = 0; y < form->rows; y++)
        for (uint32_t x = 0; x < form->cols; x++) {
            uint32_t v = value_of(picture, x, y, most, &chance);

            if (form->is_signed) /* as a device writes it: the sign all the way up */
                v = (uint32_t)((int32_t)(v << spare) >> spare);
            buf_add_u8(out, (uint8_t)v);
            if (form->bits_allocated == 16)
                buf_add_u8(out, (uint8_t)(v >> 8));
        }
}

static void
comes_back(const struct dcm_pixel_form *form, enum picture picture)
{
    struct buf pixels, stream, back;
    struct err err = {0};
    size_t end = 0;

    buf_init(&pixels, 1U << 22);
    buf_init(&stream, 1U << 22);
    buf_init(&back, 1U << 22);
    draw(form, picture, &pixels);

    if (jls_encode(form, pixels.bytes, pixels.n, &stream, &err) < 0 ||
        jls_find_end(stream.bytes, stream.n, &end, &err) < 0 ||
        jls_decode(form, stream.bytes, stream.n, buf_reserve(&back, pixels.n), pixels.n, &err) < 0)
        fail_msg("%s, %u bits, %ux%u: %s", names[picture], form->bits_stored, form->cols,
                 form->rows, err.text);

    assert_int_equal(end, stream.n);
    back.n = pixels.n;
    if (memcmp(back.bytes, pixels.bytes, pixels.n) != 0)
        fail_msg("%s, %u bits, %ux%u: other pixels", names[picture], form->bits_stored, form->cols,
                 form->rows);
    buf_fini(&back);
    buf_fini(&stream);
    buf_fini(&pixels);
}

static void
every_precision_and_picture_comes_back(void **state)
{
    static const struct {
        uint32_t cols, rows;
    } sizes[] = {{64, 64}, {1, 1}, {1, 40}, {40, 1}, {67, 31}, {2, 2}, {300, 5}};

    (void)state;
    for (uint32_t bits = 6; bits <= 16; bits++)
        for (size_t s = 0; s < ARRAY_LEN(sizes); s++)
            for (int picture = 0; picture < PICTURES; picture++)
                for (int is_signed = 0; is_signed < 2; is_signed++) {
                    struct dcm_pixel_form form = {.rows = sizes[s].rows,
                                                  .cols = sizes[s].cols,
                                                  .frames = 1,
                                                  .samples = 1,
                                                  .bits_allocated = bits <= 8 ? 8 : 16,
                                                  .bits_stored = bits,
                                                  .high_bit = bits - 1,
                                                  .is_signed = is_signed == 1,
                                                  .photometric = "MONOCHROME2"};

                    comes_back(&form, (enum picture)picture);
                }
}

static void
forms_that_decoders_refuse_are_not_encoded(void **state)
{
    static const struct {
        uint32_t samples, allocated, stored;
        bool may;
    } rows[] = {{1, 8, 8, true},   {1, 8, 6, true},   {1, 8, 5, false}, {1, 16, 9, true},
                {1, 16, 8, false}, {1, 16, 16, true}, {3, 8, 8, false}, {1, 32, 12, false}};
    uint8_t pixels[16] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_pixel_form form = {.rows = 1,
                                      .cols = 1,
                                      .frames = 1,
                                      .samples = rows[i].samples,
                                      .bits_allocated = rows[i].allocated,
                                      .bits_stored = rows[i].stored,
                                      .high_bit = rows[i].stored - 1};
        struct err err = {0};
        struct buf out;
        int rc;

        buf_init(&out, 4096);
        rc = jls_encode(&form, pixels, rows[i].samples * rows[i].allocated / 8, &out, &err);

        assert_int_equal(jls_may_encode(&form), rows[i].may);
        assert_int_equal(rc, rows[i].may ? 0 : -1);
        buf_fini(&out);
    }
}

static void
a_stream_without_its_ends_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, end;
    } rows[] = {
        {"\xFF\xD8\xFF\xD9", 4, 4},       {"\xFF\xD8zz\xFF\xD9\0", 7, 6},
        {"\xFF\xD8zz\xFF\xD9\0\0", 8, 0}, {"\xFF\xD8zz\xFF\xD8", 6, 0},
        {"\xFF\xD7zz\xFF\xD9", 6, 0},     {"\xFF\xD8\xFF", 3, 0},
        {"\xFF\xD8zz\xFF\xD9\x01", 7, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        size_t end = 0;
        int rc = jls_find_end((const uint8_t *)rows[i].bytes, rows[i].n, &end, &err);

        if (rc != (rows[i].end > 0 ? 0 : -1) || end != rows[i].end)
            fail_msg("row %zu: %d, end %zu, wanted %zu", i, rc, end, rows[i].end);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_precision_and_picture_comes_back),
        cmocka_unit_test(forms_that_decoders_refuse_are_not_encoded),
        cmocka_unit_test(a_stream_without_its_ends_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
