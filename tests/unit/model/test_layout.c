/* test_layout.c - a layout comes back, bad ones are refused, ranges are what docs/formats/layout.md
 * says. */
#include "proto/model/layout.h"

#include "proto/base/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Three frames of two layers: header [0,100), frames at 100, 208, 316 of 40 + 60 bytes. */
static struct layout *
sample(void)
{
    struct layout *l = layout_new(424, 3, 2);

    l->header_end = 100;
    for (uint32_t f = 0; f < 3; f++) {
        l->frame_start[f] = 100 + 108 * f;
        l->layer_end[f * 2] = l->frame_start[f] + 40;
        l->layer_end[f * 2 + 1] = l->frame_start[f] + 100;
    }
    return l;
}

static void
a_layout_comes_back(void **state)
{
    struct layout *l = sample(), *back = NULL;
    struct buf b;
    struct err err = {0};

    (void)state;
    buf_init(&b, 1000);

    layout_write(l, &b);

    assert_int_equal(layout_read(b.bytes, b.n, &back, &err), 0);
    assert_int_equal(back->file_size, 424);
    assert_int_equal(back->header_end, 100);
    assert_int_equal(back->frames, 3);
    assert_int_equal(back->layers, 2);
    assert_memory_equal(back->frame_start, l->frame_start, 3 * sizeof(uint64_t));
    assert_memory_equal(back->layer_end, l->layer_end, 6 * sizeof(uint64_t));
    layout_free(&l);
    layout_free(&back);
    buf_fini(&b);
}

static void
an_uncoded_file_has_no_first_look(void **state)
{
    struct layout *l = layout_new_uncoded(UINT64_MAX), *back = NULL;
    struct range *ranges = NULL;
    size_t n = 7;
    struct buf b;
    struct err err = {0};

    (void)state;
    buf_init(&b, 1000);

    layout_write(l, &b);
    assert_int_equal(layout_read(b.bytes, b.n, &back, &err), 0);
    layout_first_look(back, &ranges, &n);

    assert_int_equal(n, 0);
    assert_true(back->file_size == UINT64_MAX);
    assert_int_equal(layout_first_look_bytes(back), 0);
    free(ranges);
    layout_free(&l);
    layout_free(&back);
    buf_fini(&b);
}

static void
every_cut_and_every_flipped_bit_is_refused(void **state)
{
    struct layout *l = sample(), *back = NULL;
    struct buf b;
    struct err err = {0};

    (void)state;
    buf_init(&b, 1000);
    layout_write(l, &b);

    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(layout_read(b.bytes, n, &back, &err), -1);
    for (size_t i = 0; i < b.n * 8; i++) {
        if (i / 8 == 5) /* the minor version, but then the checksum disagrees too */
            continue;
        b.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(layout_read(b.bytes, b.n, &back, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        b.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    layout_free(&l);
    buf_fini(&b);
}

static void
offsets_out_of_order_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t header_end, start1, layer, size;
    } rows[] = {
        {"header past the file", 500, 208, 140, 424},
        {"frame before its place", 100, 150, 140, 424},
        {"empty layer", 100, 208, 100, 424},
        {"file too short", 100, 208, 140, 400},
        {"header before frame 0", 99, 208, 140, 424},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct layout *l = sample();
        struct err err = {0};

        l->header_end = rows[i].header_end;
        l->frame_start[1] = rows[i].start1;
        l->layer_end[0] = rows[i].layer;
        l->file_size = rows[i].size;
        if (layout_check(l, &err) == 0)
            fail_msg("%s: let through", rows[i].name);
        layout_free(&l);
    }
}

static void
counts_without_bytes_allocate_nothing(void **state)
{
    struct buf b;
    struct layout *back = NULL;
    struct err err = {0};
    static const uint8_t head[] = {'R', 'P', 'L', 'Y', 1, 0, 0x90, 0x4E, 1, 0xC0, 0x9A, 0x0C, 16};

    (void)state;
    buf_init(&b, 100);
    buf_add(&b, head, sizeof head); /* 200,000 frames of 16 layers */
    buf_add_le32(&b, zip_crc32(0, b.bytes, b.n));

    assert_int_equal(layout_read(b.bytes, b.n, &back, &err), -1);
    assert_null(back);
    buf_fini(&b);
}

static void
the_first_look_is_header_and_first_layers(void **state)
{
    struct layout *l = sample();
    struct range *ranges = NULL;
    size_t n;

    (void)state;
    layout_first_look(l, &ranges, &n);

    assert_int_equal(n, 3); /* the header runs into the first frame */
    assert_int_equal(ranges[0].from, 0);
    assert_int_equal(ranges[0].to, 140);
    assert_int_equal(ranges[1].from, 208);
    assert_int_equal(ranges[1].to, 248);
    assert_int_equal(ranges[2].to, 356);
    assert_int_equal(layout_first_look_bytes(l), 220);
    free(ranges);
    layout_ranges(l, 2, &ranges, &n);
    assert_int_equal(n, 1);
    assert_int_equal(ranges[0].to, 424);
    free(ranges);
    layout_free(&l);
}

static void
looks_go_from_the_middle_frame_to_every_eighth_to_all(void **state)
{
    static const uint32_t wanted[] = {10, 0, 8,  16, 1,  2,  3,  4,  5,  6,
                                      7,  9, 11, 12, 13, 14, 15, 17, 18, 19};
    struct layout *l = layout_new(100 + 20 * 50, 20, 2), *one = layout_new(300, 1, 2), *none;
    struct range *ranges = NULL;
    size_t n = 0;

    (void)state;
    l->header_end = 100;
    one->header_end = one->frame_start[0] = 100;
    one->layer_end[0] = 130;
    one->layer_end[1] = 300;
    for (uint32_t f = 0; f < 20; f++) {
        l->frame_start[f] = 100 + 50 * f;
        l->layer_end[f * 2] = l->frame_start[f] + 20;
        l->layer_end[f * 2 + 1] = l->frame_start[f] + 50;
    }

    layout_look_order(l, &ranges, &n);

    assert_int_equal(n, 21);
    assert_int_equal(ranges[0].from, 0);
    assert_int_equal(ranges[0].to, 100);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(ranges[i + 1].from, 100 + 50 * wanted[i]);
        assert_int_equal(ranges[i + 1].to, 120 + 50 * wanted[i]);
    }
    free(ranges);

    layout_look_order(one, &ranges, &n);
    assert_int_equal(n, 1); /* one piece */
    assert_int_equal(ranges[0].from, 0);
    assert_int_equal(ranges[0].to, 130);
    free(ranges);

    none = layout_new_uncoded(300);
    layout_look_order(none, &ranges, &n);
    assert_int_equal(n, 0);
    assert_null(ranges);
    layout_free(&l);
    layout_free(&one);
    layout_free(&none);
}

static void
layers_count_only_when_whole(void **state)
{
    static const struct {
        struct range have[2];
        uint8_t layers[3];
    } rows[] = {
        {{{0, 140}, {0, 0}}, {1, 0, 0}},     {{{0, 139}, {0, 0}}, {0, 0, 0}},
        {{{0, 200}, {208, 248}}, {2, 1, 0}}, {{{1, 424}, {0, 0}}, {0, 0, 0}},
        {{{0, 424}, {0, 0}}, {2, 2, 2}},     {{{0, 100}, {316, 416}}, {0, 0, 2}},
    };
    struct layout *l = sample();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (uint32_t f = 0; f < 4; f++) {
            size_t n = rows[i].have[1].to == 0 ? 1 : 2;
            uint8_t got = layout_layers_within(l, f, rows[i].have, n);

            if (got != (f < 3 ? rows[i].layers[f] : 0))
                fail_msg("row %zu frame %u: got %u", i, f, got);
        }
    layout_free(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layout_comes_back),
        cmocka_unit_test(an_uncoded_file_has_no_first_look),
        cmocka_unit_test(every_cut_and_every_flipped_bit_is_refused),
        cmocka_unit_test(offsets_out_of_order_are_refused),
        cmocka_unit_test(counts_without_bytes_allocate_nothing),
        cmocka_unit_test(the_first_look_is_header_and_first_layers),
        cmocka_unit_test(looks_go_from_the_middle_frame_to_every_eighth_to_all),
        cmocka_unit_test(layers_count_only_when_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
