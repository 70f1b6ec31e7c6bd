/* test_codec_sabotage.c - a coder that goes wrong in more than five hundred ways is found out by
 * the proof each time: bits flipped, samples off by one, frames, planes, colours, rows and bytes
 * swapped, offsets, pads, recipes, heads and layouts that are not what they should be. */
#include "proto/codec/codec.h"

#include "proto/base/limits.h"
#include "proto/codec/j2k.h"
#include "proto/codec/jls.h"
#include "proto/dicom/convert.h"
#include "tests/support/codec_workers.h"
#include "tests/support/sample_image.h"
#include "tests/support/spoil_pixels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { FRAMES_MOST = 4, NAME_BYTES = 96 };

static unsigned caught, harmless;

/* A coded file taken apart, to be put together otherwise. */
struct victim {
    const char *name;
    struct sample sample;
    enum codec_coding coding;
    struct dcm_pixel_form form;
    struct dcm_digests digests;
    struct buf head, tail, recipe, whole, received;
    struct buf streams[FRAMES_MOST]; /* padded */
    struct buf frames[FRAMES_MOST];  /* canonical */
    struct layout *layout;
};

static void
add_item(struct buf *out, const uint8_t *bytes, size_t n)
{
    buf_add(out, "\xFE\xFF\x00\xE0", 4);
    buf_add_le32(out, (uint32_t)n);
    buf_add(out, bytes, n);
}

/* As job_encode.c writes it, of the streams in this order. */
static void
assemble(const struct victim *v, const unsigned *order, unsigned frames, struct buf *out)
{
    struct buf table;
    uint32_t at = 0;

    buf_clear(out);
    buf_init(&table, 64);
    for (unsigned f = 0; f < frames; f++) {
        buf_add_le32(&table, at);
        at += 8 + (uint32_t)v->streams[order[f]].n;
    }
    buf_add(out, v->head.bytes, v->head.n);
    buf_add(out, "\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF", 12);
    add_item(out, table.bytes, table.n);
    for (unsigned f = 0; f < frames; f++)
        add_item(out, v->streams[order[f]].bytes, v->streams[order[f]].n);
    buf_add(out, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
    buf_add(out, v->tail.bytes, v->tail.n);
    buf_fini(&table);
}

static const unsigned in_order[FRAMES_MOST] = {0, 1, 2, 3};

static int
prove(const struct victim *v, const uint8_t *bytes, size_t n, const uint8_t *recipe,
      size_t recipe_n, const struct layout *layout, struct err *err)
{
    struct codec_source source = {.fd = sample_fd(bytes, n), .size = n};
    struct codec_claim claim = {
        .digests = &v->digests, .received_sha256 = v->digests.file, .layout = layout};
    int rc;

    source.recipe = recipe;
    source.recipe_n = recipe_n;
    rc = codec_prove(codec_workers, &source, &claim, err);
    close(source.fd);
    return rc;
}

static void
must_be_caught(const struct victim *v, const char *how, const struct buf *coded,
               const struct buf *recipe, const struct layout *layout)
{
    struct err err = {0};

    if (prove(v, coded->bytes, coded->n, recipe->bytes, recipe->n, layout, &err) == 0)
        fail_msg("%s: %s: let through", v->name, how);
    if (err.kind != ERR_CONFLICT)
        fail_msg("%s: %s: %s: %s", v->name, how, err_kind_name(err.kind), err.text);
    caught++;
}

/* The whole with one thing of it changed. */
static void
must_be_caught_in(struct victim *v, const char *how)
{
    assemble(v, in_order, v->form.frames, &v->whole);
    must_be_caught(v, how, &v->whole, &v->recipe, NULL);
}

static void
take_apart(struct victim *v, const struct codec_result *coded)
{
    struct dcm_recipe_sizes sizes;
    struct err err = {0};
    uint8_t *bytes = mem_new(coded->coded_size);
    size_t at;

    assert_int_equal(pread(coded->coded_fd, bytes, coded->coded_size, 0),
                     (ssize_t)coded->coded_size);
    assert_int_equal(dcm_recipe_read_sizes(coded->recipe, coded->recipe_n, &sizes, &err), 0);
    buf_add(&v->recipe, coded->recipe, coded->recipe_n);
    buf_add(&v->head, bytes, sizes.head_n);
    buf_add(&v->tail, bytes + coded->coded_size - sizes.tail_n, sizes.tail_n);
    at = (size_t)sizes.head_n + 12 + 8 + 4 * v->form.frames;
    for (unsigned f = 0; f < v->form.frames; f++) {
        size_t n = le32_read(bytes + at + 4);

        buf_add(&v->streams[f], bytes + at + 8, n);
        at += 8 + n;
    }
    assemble(v, in_order, v->form.frames, &v->whole);
    assert_int_equal(v->whole.n, coded->coded_size);
    assert_memory_equal(v->whole.bytes, bytes, v->whole.n);
    free(bytes);
}

static void
victim_make(struct victim *v, const char *name, const struct sample *sample,
            enum codec_coding coding)
{
    struct codec_policy policy = {.coding = coding};
    struct codec_result coded;
    struct codec_source source = {0};
    struct err err = {0};
    uint32_t samples = sample->samples > 0 ? sample->samples : 1;

    memset(v, 0, sizeof *v);
    v->name = name;
    v->sample = *sample;
    v->coding = coding;
    v->form = (struct dcm_pixel_form){.rows = sample->rows,
                                      .cols = sample->cols,
                                      .frames = sample->frames > 0 ? sample->frames : 1,
                                      .samples = samples,
                                      .bits_allocated = sample->bits_allocated,
                                      .bits_stored = sample->bits_stored,
                                      .high_bit = sample->bits_stored - 1,
                                      .is_signed = sample->is_signed};
    (void)snprintf(v->form.photometric, sizeof v->form.photometric, "%s",
                   samples == 3 ? "RGB" : "MONOCHROME2");
    for (size_t f = 0; f < FRAMES_MOST; f++) {
        buf_init(&v->streams[f], 1U << 22);
        buf_init(&v->frames[f], 1U << 22);
    }
    buf_init(&v->head, 1U << 22);
    buf_init(&v->tail, 1U << 22);
    buf_init(&v->recipe, 1U << 22);
    buf_init(&v->whole, 1U << 22);
    buf_init(&v->received, 1U << 22);
    sample_image(sample, &v->received);
    source.fd = sample_fd(v->received.bytes, v->received.n);
    source.size = v->received.n;
    if (codec_inspect(codec_workers, &source, NULL, &v->digests, &err) < 0 ||
        codec_encode(codec_workers, &source, &policy, &coded, &err) < 0 || coded.coded_fd < 0)
        fail_msg("%s: %s %s", name, err.text, coded.why_not);
    for (uint32_t f = 0; f < v->form.frames; f++) {
        struct codec_image image;

        assert_int_equal(codec_frame(codec_workers, &source, f + 1, 0, NULL, &image, &err), 0);
        buf_add(&v->frames[f], image.pixels, image.pixels_n);
        codec_image_fini(&image);
    }
    take_apart(v, &coded);
    v->layout = TAKE(coded.layout);
    if (prove(v, v->whole.bytes, v->whole.n, v->recipe.bytes, v->recipe.n, v->layout, &err) < 0)
        fail_msg("%s, as it should be: %s", name, err.text);
    codec_result_fini(&coded);
    close(source.fd);
}

static void
victim_free(struct victim *v)
{
    for (size_t f = 0; f < FRAMES_MOST; f++) {
        buf_fini(&v->streams[f]);
        buf_fini(&v->frames[f]);
    }
    buf_fini(&v->head);
    buf_fini(&v->tail);
    buf_fini(&v->recipe);
    buf_fini(&v->whole);
    buf_fini(&v->received);
    layout_free(&v->layout);
}

/* ---- the encoder coded other pixels, or coded them otherwise ---- */

static int
encode_again(const struct victim *v, const struct dcm_pixel_form *form, const uint8_t *frame,
             size_t n, struct buf *stream, struct err *err)
{
    struct j2k_layers layers = {4, {120, 240, 480, 0}};
    int rc;

    buf_clear(stream);
    if (form->rows * form->cols < 10000)
        layers = (struct j2k_layers){2, {120, 0}};
    rc = v->coding == CODEC_FAST ? jls_encode(form, frame, n, stream, err)
                                 : j2k_encode(form, frame, n, &layers, stream, err);
    if (stream->n % 2 != 0)
        buf_add_u8(stream, 0);
    return rc;
}

static void
spoil_pixels(struct victim *v)
{
    for (size_t i = 0; i < spoilings_n; i++)
        for (unsigned way = 0; way < spoilings[i].ways; way++) {
            unsigned f = way % v->form.frames;
            struct buf kept = v->streams[f];
            struct err err = {0};
            size_t n = v->frames[f].n;
            uint8_t *frame;
            char how[NAME_BYTES];

            if ((spoilings[i].is_for_colour && v->form.samples != 3) ||
                (spoilings[i].is_for_words && v->form.bits_allocated != 16))
                continue;
            frame = mem_new(n);
            memcpy(frame, v->frames[f].bytes, n);
            spoilings[i].spoil(&v->form, frame, n / (v->form.bits_allocated / 8), way);
            (void)snprintf(how, sizeof how, "%s (%u)", spoilings[i].name, way);
            if (memcmp(frame, v->frames[f].bytes, n) == 0)
                fail_msg("%s: %s changes nothing", v->name, how);
            buf_init(&v->streams[f], 1U << 22);
            if (encode_again(v, &v->form, frame, n, &v->streams[f], &err) < 0)
                fail_msg("%s: %s: %s", v->name, how, err.text);
            must_be_caught_in(v, how);
            buf_fini(&v->streams[f]);
            v->streams[f] = kept;
            free(frame);
        }
}

/* The pixels are right, what the stream says of them is not. */
static void
spoil_forms(struct victim *v)
{
    struct dcm_pixel_form forms[6];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        forms[i] = v->form;
    forms[n++].is_signed = !v->form.is_signed;
    if (v->form.bits_stored < v->form.bits_allocated)
        forms[n++].bits_stored++;
    forms[n].rows = v->form.cols;
    forms[n++].cols = v->form.rows;
    forms[n++].rows /= 2;
    if (v->form.samples == 3)
        (void)snprintf(forms[n++].photometric, sizeof forms[0].photometric, "YBR_FULL");
    for (size_t i = 0; i < n; i++) {
        struct buf kept = v->streams[0];
        struct err err = {0};
        size_t frame_n;
        char how[NAME_BYTES];

        if (v->coding == CODEC_FAST && i == 0)
            continue; /* JPEG-LS does not say it */
        (void)snprintf(how, sizeof how, "another form (%zu)", i);
        buf_init(&v->streams[0], 1U << 22);
        assert_int_equal(pixels_frame_bytes(&forms[i], &frame_n, &err), 0);
        if (encode_again(v, &forms[i], v->frames[0].bytes, frame_n, &v->streams[0], &err) == 0)
            must_be_caught_in(v, how);
        buf_fini(&v->streams[0]);
        v->streams[0] = kept;
    }
}

/* ---- the file around the streams ---- */

static void
swap_frames(struct victim *v)
{
    static const unsigned orders[][FRAMES_MOST] = {{1, 0, 2, 3}, {0, 2, 1, 3}, {2, 1, 0, 3},
                                                   {0, 0, 2, 3}, {1, 1, 1, 1}, {2, 0, 1, 3}};
    char how[NAME_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(orders) && v->form.frames == 3; i++) {
        (void)snprintf(how, sizeof how, "frames in another order (%zu)", i);
        assemble(v, orders[i], 3, &v->whole);
        must_be_caught(v, how, &v->whole, &v->recipe, NULL);
    }
    if (v->form.frames > 1) {
        assemble(v, in_order, v->form.frames - 1, &v->whole);
        must_be_caught(v, "a frame is missing", &v->whole, &v->recipe, NULL);
    }
    v->streams[3] = v->streams[0];
    assemble(v, v->form.frames == 3 ? in_order : (const unsigned[]){0, 3, 0, 0}, v->form.frames + 1,
             &v->whole);
    must_be_caught(v, "a frame too many", &v->whole, &v->recipe, NULL);
    memset(&v->streams[3], 0, sizeof v->streams[3]);
}

/* Every byte between the head and the first stream, and around the last. */
static void
spoil_frame_work(struct victim *v)
{
    size_t begin, end, n;
    char how[NAME_BYTES];

    assemble(v, in_order, v->form.frames, &v->whole);
    n = v->whole.n;
    begin = v->head.n;
    end = begin + 12 + 8 + 4 * v->form.frames + 8;
    for (size_t at = begin; at < end; at++) {
        v->whole.bytes[at] ^= (uint8_t)(1U << at % 8);
        (void)snprintf(how, sizeof how, "byte %zu of the pixel data's frame", at - begin);
        must_be_caught(v, how, &v->whole, &v->recipe, NULL);
        v->whole.bytes[at] ^= (uint8_t)(1U << at % 8);
    }
    for (size_t at = n - v->tail.n - 11; at < n; at++) {
        v->whole.bytes[at] ^= (uint8_t)(1U << at % 8);
        (void)snprintf(how, sizeof how, "byte %zu before the end", n - at);
        must_be_caught(v, how, &v->whole, &v->recipe, NULL);
        v->whole.bytes[at] ^= (uint8_t)(1U << at % 8);
    }
    for (size_t less = 1; less < 20; less += 3) {
        v->whole.n = n - less;
        must_be_caught(v, "cut short", &v->whole, &v->recipe, NULL);
    }
    v->whole.n = n;
    buf_add_u8(&v->whole, 0);
    must_be_caught(v, "a byte too many", &v->whole, &v->recipe, NULL);
    buf_add_u8(&v->whole, 0);
    must_be_caught(v, "two bytes too many", &v->whole, &v->recipe, NULL);
}

static void
spoil_heads(struct victim *v)
{
    char how[NAME_BYTES];

    for (size_t at = 0; at < v->head.n; at += 7) {
        v->head.bytes[at] ^= (uint8_t)(1U << at % 8);
        (void)snprintf(how, sizeof how, "byte %zu of the data set", at);
        must_be_caught_in(v, how);
        v->head.bytes[at] ^= (uint8_t)(1U << at % 8);
    }
    /* of the first stream: size, depth, sign, transform, layers, thresholds, comment */
    for (size_t at = 0; at < (v->coding == CODEC_FAST ? 25U : 90U); at++) {
        v->streams[0].bytes[at] ^= (uint8_t)(1U << at % 8);
        (void)snprintf(how, sizeof how, "byte %zu of the stream's head", at);
        must_be_caught_in(v, how);
        v->streams[0].bytes[at] ^= (uint8_t)(1U << at % 8);
    }
}

static void
spoil_recipes(struct victim *v, const struct victim *other)
{
    struct buf recipe;
    char how[NAME_BYTES];

    assemble(v, in_order, v->form.frames, &v->whole);
    for (size_t at = 0; at < v->recipe.n; at++) {
        v->recipe.bytes[at] ^= (uint8_t)(1U << at % 8);
        (void)snprintf(how, sizeof how, "byte %zu of the recipe", at);
        must_be_caught(v, how, &v->whole, &v->recipe, NULL);
        v->recipe.bytes[at] ^= (uint8_t)(1U << at % 8);
    }
    for (size_t n = 0; n < v->recipe.n; n += 5) {
        recipe = v->recipe;
        recipe.n = n;
        must_be_caught(v, "a recipe cut short", &v->whole, &recipe, NULL);
    }
    must_be_caught(v, "another's recipe", &v->whole, &other->recipe, NULL);
    must_be_caught(v, "another's coded file", &other->whole, &v->recipe, NULL);
    must_be_caught(v, "another's altogether", &other->whole, &other->recipe, NULL);
}

static void
spoil_layouts(struct victim *v)
{
    struct layout *l = layout_copy(v->layout);

    assemble(v, in_order, v->form.frames, &v->whole);
    if (l->layers == 0) {
        layout_free(&l);
        return;
    }
    for (size_t i = 0; i + 1 < (size_t)l->frames * l->layers; i++) {
        l->layer_end[i]++;
        must_be_caught(v, "a layer that ends elsewhere", &v->whole, &v->recipe, l);
        l->layer_end[i]--;
    }
    l->header_end--;
    must_be_caught(v, "a head that ends elsewhere", &v->whole, &v->recipe, l);
    layout_free(&l);
    l = layout_new_uncoded(v->whole.n);
    must_be_caught(v, "no layers", &v->whole, &v->recipe, l);
    layout_free(&l);
}

/* A flipped bit in what is coded. A decoder may not need it (the last bits of a block): then every
 * decoder sees the same pixels, and it is no sabotage; these are few. */
static void
flip_bits(struct victim *v, unsigned count)
{
    uint32_t chance = 99;

    for (unsigned i = 0; i < count; i++) {
        struct buf *stream = &v->streams[i % v->form.frames];
        struct err err = {0};
        size_t bit;

        chance = chance * 1664525U + 1013904223U;
        bit = (chance >> 4) % (stream->n * 8);
        stream->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assemble(v, in_order, v->form.frames, &v->whole);
        if (prove(v, v->whole.bytes, v->whole.n, v->recipe.bytes, v->recipe.n, NULL, &err) < 0) {
            assert_int_equal(err.kind, ERR_CONFLICT);
            caught++;
        } else {
            struct codec_source source = {.fd = sample_fd(v->whole.bytes, v->whole.n),
                                          .size = v->whole.n};
            struct dcm_digests after;

            assert_int_equal(codec_inspect(codec_workers, &source, NULL, &after, &err), 0);
            assert_int_equal(after.pixels_from, PIXELS_DECODED);
            assert_memory_equal(after.pixels, v->digests.pixels, DIGEST_BYTES);
            close(source.fd);
            harmless++;
        }
        stream->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void
every_sabotage_is_caught(void **state)
{
    static const struct {
        const char *name;
        struct sample sample;
        enum codec_coding coding;
    } rows[] = {
        {"layers, 12 bits signed, three frames",
         {.cols = 40,
          .rows = 36,
          .frames = 3,
          .bits_allocated = 16,
          .bits_stored = 12,
          .is_signed = true},
         CODEC_LAYERS},
        {"layers, 16 bits implicit",
         {.cols = 160, .rows = 110, .bits_allocated = 16, .bits_stored = 16, .is_implicit = true},
         CODEC_LAYERS},
        {"layers, colour by plane",
         {.cols = 40,
          .rows = 36,
          .samples = 3,
          .bits_allocated = 8,
          .bits_stored = 8,
          .is_by_plane = true},
         CODEC_LAYERS},
        {"JPEG-LS, 12 bits, three frames",
         {.cols = 40, .rows = 36, .frames = 3, .bits_allocated = 16, .bits_stored = 12},
         CODEC_FAST},
        {"JPEG-LS, 8 bits of odd length",
         {.cols = 33, .rows = 27, .bits_allocated = 8, .bits_stored = 8},
         CODEC_FAST},
    };
    struct victim other;

    (void)state;
    victim_make(&other, "another",
                &(struct sample){
                    .cols = 44, .rows = 30, .bits_allocated = 16, .bits_stored = 12, .instance = 5},
                CODEC_LAYERS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned before = caught, let = harmless;
        struct victim v;

        victim_make(&v, rows[i].name, &rows[i].sample, rows[i].coding);
        spoil_pixels(&v);
        spoil_forms(&v);
        swap_frames(&v);
        spoil_frame_work(&v);
        spoil_heads(&v);
        spoil_recipes(&v, &other);
        spoil_layouts(&v);
        flip_bits(&v, 60);
        print_message("%s: %u caught; %u flipped bits that no decoder needs\n", rows[i].name,
                      caught - before, harmless - let);
        victim_free(&v);
    }
    victim_free(&other);
    print_message("%u sabotages caught\n", caught);
    assert_true(caught >= 500);
    assert_true(harmless < 20);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sabotage_is_caught)};
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, codec_workers_start, codec_workers_stop);
}
