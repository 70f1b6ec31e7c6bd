/* test_codestream.c - markers, layers, cuts, and the parts of coding that need no worker. */
#include "proto/codec/codestream.h"

#include "proto/codec/codec.h"
#include "proto/codec/eligible.h"
#include "proto/codec/image_wire.h"
#include "proto/codec/j2k.h"
#include "proto/codec/pixels.h"
#include "tests/support/sample_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct j2k_layers four = {4, {120, 240, 480, 0}};

static struct dcm_pixel_form
form_of(const struct sample *s)
{
    struct dcm_pixel_form f = {.rows = s->rows,
                               .cols = s->cols,
                               .frames = 1,
                               .samples = s->samples,
                               .bits_allocated = s->bits_allocated,
                               .bits_stored = s->bits_stored,
                               .high_bit = s->bits_stored - 1,
                               .is_signed = s->is_signed};

    (void)strncpy(f.photometric, s->samples == 3 ? "RGB" : "MONOCHROME2", sizeof f.photometric - 1);
    return f;
}

static const struct sample usual = {
    .cols = 200, .rows = 160, .samples = 1, .bits_allocated = 16, .bits_stored = 12};

static void
make_stream(const struct sample *s, struct buf *pixels, struct buf *stream)
{
    struct dcm_pixel_form f = form_of(s);
    struct err err = {0};

    buf_init(pixels, 1U << 24);
    buf_init(stream, 1U << 24);
    sample_pixels(s, pixels);
    if (j2k_encode(&f, pixels->bytes, pixels->n, &four, stream, &err) < 0)
        fail_msg("%s", err.text);
}

static void
each_layer_is_a_tile_part(void **state)
{
    size_t ends[CODESTREAM_MAX_PARTS];
    struct buf pixels, stream;
    struct codestream s;
    struct err err = {0};

    (void)state;
    make_stream(&usual, &pixels, &stream);

    assert_int_equal(
        codestream_read_layers(stream.bytes, stream.n, CODESTREAM_MAX_PARTS, &s, ends, &err), 0);

    assert_int_equal(s.layers, 4);
    assert_int_equal(s.progression, 0);
    assert_int_equal(s.tiles, 1);
    assert_int_equal(s.cols, 200);
    assert_int_equal(s.rows, 160);
    assert_int_equal(s.precision, 12);
    assert_false(s.is_signed);
    assert_false(s.is_high_throughput);
    assert_int_equal(ends[3], stream.n);
    assert_true(ends[0] > stream.n / 20 && ends[0] < stream.n / 5);
    assert_true(ends[1] > stream.n / 6 && ends[1] < stream.n * 2 / 5);
    buf_fini(&pixels);
    buf_fini(&stream);
}

static void
a_cut_is_a_stream_of_its_own(void **state)
{
    struct dcm_pixel_form f = form_of(&usual);
    size_t ends[CODESTREAM_MAX_PARTS];
    struct buf pixels, stream;
    struct codestream s;
    struct err err = {0};

    (void)state;
    make_stream(&usual, &pixels, &stream);
    assert_int_equal(codestream_read_layers(stream.bytes, stream.n, 4, &s, ends, &err), 0);

    for (uint8_t k = 1; k <= 5; k++) {
        size_t cut_ends[CODESTREAM_MAX_PARTS];
        uint8_t *frame = mem_new(pixels.n);
        struct codestream c;
        struct buf cut;

        buf_init(&cut, 1U << 24);
        buf_add(&cut, "before", 6);
        /* only the bytes of its layers are needed */
        assert_int_equal(codec_cut_codestream(stream.bytes, ends[k < 4 ? k - 1 : 3], k, &cut, &err),
                         0);
        assert_int_equal(codestream_read_layers(cut.bytes + 6, cut.n - 6, 255, &c, cut_ends, &err),
                         0);
        assert_int_equal(c.layers, k < 4 ? k : 4);
        assert_int_equal(cut_ends[c.layers - 1], cut.n - 6);
        if (j2k_decode(&f, cut.bytes + 6, cut.n - 6, false, frame, pixels.n, &err) < 0)
            fail_msg("%u layers, decoded strictly: %s", k, err.text);
        assert_int_equal(memcmp(frame, pixels.bytes, pixels.n) == 0, k >= 4);
        buf_fini(&cut);
        free(frame);
    }
    buf_fini(&pixels);
    buf_fini(&stream);
}

/* Small frames on one processor, large ones (whose low bits bypass the arithmetic coder) on any. */
static void
processors_change_no_byte(void **state)
{
    static const struct sample rows[] = {
        {.cols = 300, .rows = 260, .samples = 1, .bits_allocated = 16, .bits_stored = 12},
        {.cols = 2000, .rows = 1001, .samples = 1, .bits_allocated = 16, .bits_stored = 14},
        {.cols = 2001, .rows = 1000, .samples = 3, .bits_allocated = 8, .bits_stored = 8},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_pixel_form f = form_of(&rows[i]);
        struct buf pixels, stream, head;

        make_stream(&rows[i], &pixels, &stream);
        buf_init(&head, 512);
        j2k_write_head(&f, four.n, &head);
        assert_memory_equal(stream.bytes, head.bytes, head.n);
        for (unsigned n = 1; n <= 3; n++) {
            uint8_t *frame = mem_new(pixels.n);
            struct buf again, same_pixels;
            struct err err = {0};

            j2k_set_processors(n);
            make_stream(&rows[i], &same_pixels, &again);
            if (j2k_decode(&f, again.bytes, again.n, false, frame, pixels.n, &err) < 0)
                fail_msg("%u processors: %s", n, err.text);
            j2k_set_processors(1);

            assert_int_equal(again.n, stream.n);
            assert_memory_equal(again.bytes, stream.bytes, stream.n);
            assert_memory_equal(frame, pixels.bytes, pixels.n);
            free(frame);
            buf_fini(&same_pixels);
            buf_fini(&again);
        }
        buf_fini(&head);
        buf_fini(&stream);
        buf_fini(&pixels);
    }
}

static void
every_shorter_stream_is_refused(void **state)
{
    size_t ends[CODESTREAM_MAX_PARTS];
    struct buf pixels, stream, cut;
    struct codestream s;
    struct err err = {0};

    (void)state;
    make_stream(&usual, &pixels, &stream);
    buf_init(&cut, 1U << 24);
    assert_int_equal(codestream_read_layers(stream.bytes, stream.n, 4, &s, ends, &err), 0);

    for (size_t n = 0; n < stream.n; n++) {
        uint8_t *exact = mem_new(n + 1); /* so that the sanitizer sees a byte too far */
        size_t ignored[CODESTREAM_MAX_PARTS];

        exact = mem_grow(exact, n > 0 ? n : 1);
        memcpy(exact, stream.bytes, n);
        buf_clear(&cut);
        assert_int_equal(codestream_read_layers(exact, n, 255, &s, ignored, &err), -1);
        assert_int_equal(codec_cut_codestream(exact, n, 1, &cut, &err) == 0, n >= ends[0]);
        free(exact);
    }
    buf_fini(&cut);
    buf_fini(&pixels);
    buf_fini(&stream);
}

/* Whatever stands in the headers, reading stays within the bytes and decoding is refused or done.
 */
static void
changed_headers_do_no_harm(void **state)
{
    struct sample small = usual;
    struct dcm_pixel_form f;
    struct buf pixels, stream, cut;
    struct codestream s;
    struct err err = {0};
    uint8_t *frame;
    size_t first;

    (void)state;
    small.cols = small.rows = 20;
    f = form_of(&small);
    make_stream(&small, &pixels, &stream);
    buf_init(&cut, 1U << 20);
    frame = mem_new(pixels.n);
    assert_int_equal(codestream_read(stream.bytes, stream.n, &s, &err), 0);
    first = s.first_part_at;

    for (size_t at = 0; at < first + 14; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t ends[CODESTREAM_MAX_PARTS];

            stream.bytes[at] ^= (uint8_t)(1U << bit);
            buf_clear(&cut);
            if (codestream_read_layers(stream.bytes, stream.n, 255, &s, ends, &err) == 0)
                assert_true(ends[s.layers - 1] <= stream.n);
            (void)!codec_cut_codestream(stream.bytes, stream.n, 2, &cut, &err);
            if (at < 50) /* SIZ: a decoder must never be asked to make another size */
                (void)!j2k_decode(&f, stream.bytes, stream.n, true, frame, pixels.n, &err);
            stream.bytes[at] ^= (uint8_t)(1U << bit);
        }
    free(frame);
    buf_fini(&cut);
    buf_fini(&pixels);
    buf_fini(&stream);
}

static void
a_stream_of_another_size_is_refused_undecoded(void **state)
{
    static const struct {
        const char *name;
        uint32_t cols, rows, samples, bits;
    } rows[] = {
        {"wider", 201, 160, 1, 16},
        {"lower", 200, 159, 1, 16},
        {"colour", 200, 160, 3, 16},
        {"8 bits", 200, 160, 1, 8},
    };
    struct buf pixels, stream;

    (void)state;
    make_stream(&usual, &pixels, &stream);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_pixel_form f = form_of(&usual);
        struct err err = {0};
        uint8_t *frame;
        size_t n;

        f.cols = rows[i].cols, f.rows = rows[i].rows, f.samples = rows[i].samples;
        f.bits_allocated = rows[i].bits;
        f.bits_stored = rows[i].bits == 8 ? 8 : 12;
        assert_int_equal(pixels_frame_bytes(&f, &n, &err), 0);
        frame = mem_new(n);
        if (j2k_decode(&f, stream.bytes, stream.n, false, frame, n, &err) == 0)
            fail_msg("%s: decoded", rows[i].name);
        assert_int_equal(err.kind, ERR_REJECT);
        free(frame);
    }
    buf_fini(&pixels);
    buf_fini(&stream);
}

static void
the_guess_is_near_enough(void **state)
{
    static const struct sample rows[] = {
        {.cols = 256, .rows = 256, .samples = 1, .bits_allocated = 16, .bits_stored = 12},
        {.cols = 256, .rows = 256, .samples = 1, .bits_allocated = 8, .bits_stored = 8},
        {.cols = 200, .rows = 200, .samples = 3, .bits_allocated = 8, .bits_stored = 8},
        {.cols = 200,
         .rows = 200,
         .samples = 1,
         .bits_allocated = 16,
         .bits_stored = 16,
         .is_signed = true},
        {.cols = 200, .rows = 200, .samples = 3, .bits_allocated = 16, .bits_stored = 12},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_pixel_form f = form_of(&rows[i]);
        struct buf pixels, stream;
        size_t guess;

        make_stream(&rows[i], &pixels, &stream);
        guess = pixels_guess_coded_bytes(&f, pixels.bytes, pixels.n);
        if (guess < stream.n * 2 / 3 || guess > stream.n * 3 / 2)
            fail_msg("row %zu: guessed %zu, became %zu", i, guess, stream.n);
        buf_fini(&pixels);
        buf_fini(&stream);
    }
}

static void
unused_bits_are_looked_at(void **state)
{
    static const struct {
        uint16_t value;
        uint32_t allocated, stored;
        bool is_signed, is_clean;
    } rows[] = {
        {0x0FFF, 16, 12, false, true},  {0x1000, 16, 12, false, false},
        {0x8000, 16, 12, false, false}, {0xF800, 16, 12, true, true},
        {0x0800, 16, 12, true, false},  {0xFFFF, 16, 12, true, true},
        {0x07FF, 16, 12, true, true},   {0x7FFF, 16, 12, true, false},
        {0xFFFF, 16, 16, false, true},  {0x001F, 8, 5, false, true},
        {0x0020, 8, 5, false, false},   {0x00F0, 8, 5, true, true},
        {0x0010, 8, 5, true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_pixel_form f = {.rows = 1,
                                   .cols = 3,
                                   .samples = 1,
                                   .frames = 1,
                                   .bits_allocated = rows[i].allocated,
                                   .bits_stored = rows[i].stored,
                                   .is_signed = rows[i].is_signed};
        uint8_t bytes[6] = {0};
        size_t n = rows[i].allocated / 8 * 3;

        bytes[n - n / 3] = (uint8_t)rows[i].value;
        if (rows[i].allocated == 16)
            bytes[n - 1] = (uint8_t)(rows[i].value >> 8);
        if (pixels_are_clean(&f, bytes, n) != rows[i].is_clean)
            fail_msg("row %zu: %04X of %u", i, rows[i].value, rows[i].stored);
    }
}

static void
only_rgb_changes_its_name(void **state)
{
    struct dcm_pixel_form rgb = {.samples = 3, .photometric = "RGB"};
    struct dcm_pixel_form ybr = {.samples = 3, .photometric = "YBR_FULL"};

    (void)state;
    assert_string_equal(eligible_change(&rgb, CODEC_LAYERS).photometric, "YBR_RCT");
    assert_null(eligible_change(&ybr, CODEC_LAYERS).photometric);
    assert_string_equal(eligible_change(&ybr, CODEC_LAYERS).transfer_syntax,
                        "1.2.840.10008.1.2.4.90");
    assert_string_equal(eligible_change(&ybr, CODEC_FAST).transfer_syntax,
                        "1.2.840.10008.1.2.4.80");
}

static void
an_image_crosses_the_socket_or_is_refused(void **state)
{
    struct codec_image image = {.cols = 3, .rows = 2, .samples = 1, .bits_allocated = 16};
    struct codec_image back;
    struct err err = {0};
    struct buf b;

    (void)state;
    (void)strncpy(image.photometric, "PALETTE COLOR", sizeof image.photometric - 1);
    for (int i = 0; i < 3; i++) {
        image.palette[i] = (struct codec_lut){mem_new(8), 4, -1, 16};
        image.palette[i].values[3] = (uint16_t)(1000 + i);
    }
    buf_init(&b, 1000);
    image_wire_write(&image, &b);

    assert_int_equal(image_wire_read(b.bytes, b.n, &back, &err), 0);
    assert_int_equal(back.palette[2].values[3], 1002);
    assert_int_equal(back.palette[1].first, -1);
    assert_null(back.voi_lut.values);
    codec_image_fini(&back);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(image_wire_read(b.bytes, n, &back, &err), -1);
    codec_image_fini(&image);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layer_is_a_tile_part),
        cmocka_unit_test(a_cut_is_a_stream_of_its_own),
        cmocka_unit_test(processors_change_no_byte),
        cmocka_unit_test(every_shorter_stream_is_refused),
        cmocka_unit_test(changed_headers_do_no_harm),
        cmocka_unit_test(a_stream_of_another_size_is_refused_undecoded),
        cmocka_unit_test(the_guess_is_near_enough),
        cmocka_unit_test(unused_bits_are_looked_at),
        cmocka_unit_test(only_rgb_changes_its_name),
        cmocka_unit_test(an_image_crosses_the_socket_or_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
