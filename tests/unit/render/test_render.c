/* test_render.c - pictures show what PS3.3 says, and previews never go without their words. */
#include "proto/render/render.h"

#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/durable.h"

static char folder[FOLDER_PATH_BYTES];

/* The JPEG as raw RGB, decoded by ffmpeg. */
static uint8_t *
decode(const struct buf *jpeg, size_t pixels)
{
    char in[256], raw[256], said[2000];
    const char *const argv[] = {"ffmpeg", "-v",       "error",    "-y",    "-i", in,
                                "-f",     "rawvideo", "-pix_fmt", "rgb24", raw,  NULL};
    uint8_t *bytes = NULL;
    struct err err = {0};
    size_t n;
    FILE *f;

    (void)snprintf(in, sizeof in, "%s/a.jpg", folder);
    (void)snprintf(raw, sizeof raw, "%s/a.rgb", folder);
    f = fopen(in, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(jpeg->bytes, 1, jpeg->n, f), jpeg->n);
    assert_int_equal(fclose(f), 0);
    if (program_run(argv, NULL, said, sizeof said) != 0)
        fail_msg("ffmpeg: %s", said);
    assert_int_equal(durable_get_file(raw, 1U << 28, &bytes, &n, &err), 0);
    assert_int_equal(n, pixels * 3);
    return bytes;
}

/* A field of one value; JPEG keeps it to a few levels. */
static uint8_t *
field(struct codec_image *image, uint32_t stored)
{
    size_t bytes = image->bits_allocated / 8U, n = 64 * 64 * bytes * image->samples;
    uint8_t *pixels = mem_new(n);

    image->cols = image->rows = 64;
    image->high_bit = (uint8_t)(image->bits_stored - 1);
    for (size_t i = 0; i < n; i++)
        pixels[i] =
            (uint8_t)(image->samples == 3 ? stored >> (8 * (i % 3)) : stored >> (8 * (i % bytes)));
    image->pixels = pixels;
    image->pixels_n = n;
    return pixels;
}

#define GREY16 .samples = 1, .bits_allocated = 16, .bits_stored = 12, .rescale_slope = 1
#define WINDOW(c, w) .has_window = true, .window_center = c, .window_width = w

/* long because of its table */
static void
stored_values_become_what_the_standard_says(void **state)
{
    static uint16_t steps[4] = {0, 1000, 2000, 4095}, red[2] = {0xFFFF, 0x8000};
    static const struct {
        const char *name;
        struct codec_image image;
        uint32_t stored;
        int red, green, blue;
    } rows[] = {
        {"below the window", {GREY16, WINDOW(1000, 200)}, 800, 0, 0, 0},
        {"above the window", {GREY16, WINDOW(1000, 200)}, 1200, 255, 255, 255},
        {"in its middle", {GREY16, WINDOW(1000, 201)}, 1000, 128, 128, 128},
        {"a quarter up", {GREY16, WINDOW(1000, 401)}, 900, 64, 64, 64},
        {"linear exact",
         {GREY16, WINDOW(1000, 400), .voi = CODEC_VOI_LINEAR_EXACT},
         900,
         64,
         64,
         64},
        {"sigmoid", {GREY16, WINDOW(1000, 400), .voi = CODEC_VOI_SIGMOID}, 1100, 186, 186, 186},
        {"rescaled",
         {.samples = 1,
          .bits_allocated = 16,
          .bits_stored = 16,
          .rescale_slope = 2,
          .rescale_intercept = -1024,
          WINDOW(0, 401)},
         462,
         64,
         64,
         64},
        {"MONOCHROME1",
         {GREY16, WINDOW(1000, 200), .photometric = "MONOCHROME1"},
         800,
         255,
         255,
         255},
        {"inverse", {GREY16, WINDOW(1000, 200), .is_inverse = true}, 1200, 0, 0, 0},
        {"both say the same",
         {GREY16, WINDOW(1000, 200), .photometric = "MONOCHROME1", .is_inverse = true},
         1200,
         0,
         0,
         0},
        {"signed", {GREY16, WINDOW(0, 401), .is_signed = true}, 0xF9C, 64, 64, 64},
        {"8 bits as they are",
         {.samples = 1, .bits_allocated = 8, .bits_stored = 8, .rescale_slope = 1},
         77,
         77,
         77,
         77},
        {"VOI LUT", {GREY16, .voi_lut = {steps, 4, 100, 12}}, 102, 125, 125, 125},
        {"VOI LUT, past its end", {GREY16, .voi_lut = {steps, 4, 100, 12}}, 900, 255, 255, 255},
        {"modality LUT",
         {GREY16, WINDOW(2000, 2001), .modality_lut = {steps, 4, 0, 12}},
         1,
         0,
         0,
         0},
        {"palette",
         {.samples = 1,
          .bits_allocated = 8,
          .bits_stored = 8,
          .photometric = "PALETTE COLOR",
          .palette = {{red, 2, 5, 16}, {red + 1, 1, 5, 16}, {steps, 1, 5, 16}}},
         5,
         255,
         128,
         0},
        {"RGB",
         {.samples = 3, .bits_allocated = 8, .bits_stored = 8, .photometric = "RGB"},
         0x3264C8,
         200,
         100,
         50},
        {"YBR_FULL",
         {.samples = 3, .bits_allocated = 8, .bits_stored = 8, .photometric = "YBR_FULL"},
         0x80B280,
         128,
         110,
         217},
    };
    bool can_judge = program_is_there("ffmpeg");

    (void)state;
    if (!can_judge)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct codec_image image = rows[i].image;
        uint8_t *pixels = field(&image, rows[i].stored), *rgb;
        struct render_options sharp = {.quality = 100};
        struct err err = {0};
        struct buf jpeg;

        buf_init(&jpeg, 1U << 20);
        if (render_jpeg(&image, &sharp, &jpeg, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        rgb = decode(&jpeg, 64 * 64);
        if (abs(rgb[0] - rows[i].red) > 3 || abs(rgb[1] - rows[i].green) > 3 ||
            abs(rgb[2] - rows[i].blue) > 3)
            fail_msg("%s: %u %u %u, wanted %d %d %d", rows[i].name, rgb[0], rgb[1], rgb[2],
                     rows[i].red, rows[i].green, rows[i].blue);
        free(rgb);
        free(pixels);
        buf_fini(&jpeg);
    }
}

static void
jpeg_size(const struct buf *jpeg, uint32_t *cols, uint32_t *rows)
{
    *cols = *rows = 0;
    for (size_t i = 2; i + 9 < jpeg->n;
         i += 2 + (size_t)(jpeg->bytes[i + 2] << 8 | jpeg->bytes[i + 3]))
        if (jpeg->bytes[i] == 0xFF && jpeg->bytes[i + 1] == 0xC0) {
            *rows = (uint32_t)(jpeg->bytes[i + 5] << 8 | jpeg->bytes[i + 6]);
            *cols = (uint32_t)(jpeg->bytes[i + 7] << 8 | jpeg->bytes[i + 8]);
            return;
        }
}

static void
pictures_fit_where_they_must(void **state)
{
    static const struct {
        uint32_t most_cols, most_rows;
        const char *words;
        uint32_t cols, rows;
    } rows[] = {
        {0, 0, NULL, 64, 64},   {32, 0, NULL, 32, 32},    {0, 16, NULL, 16, 16},
        {32, 16, NULL, 16, 16}, {999, 999, NULL, 64, 64}, {0, 0, "x", 480, 480},
        {1, 1, NULL, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct codec_image image = {
            .samples = 1, .bits_allocated = 8, .bits_stored = 8, .rescale_slope = 1};
        struct render_options options = {
            .max_cols = rows[i].most_cols, .max_rows = rows[i].most_rows, .words = rows[i].words};
        uint8_t *pixels = field(&image, 100);
        uint32_t cols, got_rows;
        struct err err = {0};
        struct buf jpeg;

        buf_init(&jpeg, 1U << 20);
        if (render_jpeg(&image, &options, &jpeg, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        jpeg_size(&jpeg, &cols, &got_rows);
        assert_int_equal(cols, rows[i].cols);
        assert_int_equal(got_rows, rows[i].rows);
        free(pixels);
        buf_fini(&jpeg);
    }
}

static void
words_are_burnt_into_the_pixels(void **state)
{
    struct codec_image image = {
        .samples = 1, .bits_allocated = 8, .bits_stored = 8, .rescale_slope = 1};
    char words[RENDER_WORDS_BYTES];
    struct render_options options = {.words = words, .quality = 95};
    uint8_t *pixels = field(&image, 100), *rgb;
    struct err err = {0};
    struct buf jpeg;
    size_t lit = 0, dark = 0;

    (void)state;
    if (!program_is_there("ffmpeg"))
        skip();
    render_preview_words(120, 300, words);
    buf_init(&jpeg, 1U << 22);

    if (render_jpeg(&image, &options, &jpeg, &err) < 0)
        fail_msg("%s", err.text);

    rgb = decode(&jpeg, 480 * 480);
    for (size_t i = 0; i < 480 * 28; i++) { /* along the top: letters on black */
        lit += rgb[i * 3] > 200 && rgb[i * 3 + 2] < 120;
        dark += rgb[i * 3] < 40;
    }
    assert_true(lit > 500);
    assert_true(dark > 5000);
    assert_true(abs(rgb[(400 * 480 + 240) * 3] - 100) < 4); /* and below, the picture */
    free(rgb);
    free(pixels);
    buf_fini(&jpeg);
}

static void
the_words_say_how_much_is_there(void **state)
{
    char words[RENDER_WORDS_BYTES];

    (void)state;
    render_preview_words(120, 300, words);
    assert_string_equal(words, "预览图·未传完（120/300）·不可用于诊断，不得据此排除病变");
    render_preview_words(4294967295U, 4294967295U, words);
    assert_non_null(strstr(words, "不得据此排除病变"));
    render_preview_words(7, 0, words);
    assert_non_null(strstr(words, "已收 7"));
}

static void
words_no_font_has_make_no_picture(void **state)
{
    struct codec_image image = {
        .samples = 1, .bits_allocated = 8, .bits_stored = 8, .rescale_slope = 1};
    struct render_options options = {.words = "\xF3\xB0\x80\x81"}; /* U+F0001, private use */
    uint8_t *pixels = field(&image, 100);
    struct err err = {0};
    struct buf jpeg;

    (void)state;
    buf_init(&jpeg, 1U << 22);

    assert_int_equal(render_jpeg(&image, &options, &jpeg, &err), -1);

    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(jpeg.n, 0);
    free(pixels);
    buf_fini(&jpeg);
}

/* long because of its table */
static void
images_that_contradict_themselves_are_refused(void **state)
{
    static uint8_t pixels[64];
    static const struct {
        const char *name;
        struct codec_image image;
    } rows[] = {
        {"too few pixels",
         {.cols = 9,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 8,
          .bits_stored = 8,
          .pixels = pixels,
          .pixels_n = 64}},
        {"no columns",
         {.cols = 0,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 8,
          .bits_stored = 8,
          .pixels = pixels,
          .pixels_n = 0}},
        {"two samples",
         {.cols = 4,
          .rows = 8,
          .samples = 2,
          .bits_allocated = 8,
          .bits_stored = 8,
          .pixels = pixels,
          .pixels_n = 64}},
        {"no bits",
         {.cols = 8,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 8,
          .pixels = pixels,
          .pixels_n = 64}},
        {"9 of 8 bits",
         {.cols = 8,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 8,
          .bits_stored = 9,
          .pixels = pixels,
          .pixels_n = 64}},
        {"12 bits allocated",
         {.cols = 8,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 12,
          .bits_stored = 12,
          .pixels = pixels,
          .pixels_n = 64}},
        {"palette missing",
         {.cols = 8,
          .rows = 8,
          .samples = 1,
          .bits_allocated = 8,
          .bits_stored = 8,
          .photometric = "PALETTE COLOR",
          .pixels = pixels,
          .pixels_n = 64}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct buf jpeg;

        buf_init(&jpeg, 1U << 20);
        if (render_jpeg(&rows[i].image, NULL, &jpeg, &err) == 0)
            fail_msg("%s: drawn", rows[i].name);
        assert_int_equal(err.kind, ERR_REJECT);
        buf_fini(&jpeg);
    }
}

static int
start(void **state)
{
    (void)state;
    folder_make("render", folder);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_values_become_what_the_standard_says),
        cmocka_unit_test(pictures_fit_where_they_must),
        cmocka_unit_test(words_are_burnt_into_the_pixels),
        cmocka_unit_test(the_words_say_how_much_is_there),
        cmocka_unit_test(words_no_font_has_make_no_picture),
        cmocka_unit_test(images_that_contradict_themselves_are_refused),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
