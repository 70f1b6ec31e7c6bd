/* test_frames.c - which fragments make a frame, native pixels in canonical order, RLE frames. */
#include "proto/dicom/dictionary.h"
#include "proto/dicom/frames.h"
#include "proto/dicom/rle.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Attributes of rows x cols, then (7FE0,0010) is the caller's. */
static void
make_form(struct buf *out, unsigned rows, unsigned cols, unsigned samples, unsigned bits,
          unsigned frames, unsigned planar)
{
    struct dcm_writer w;
    char text[16];

    snprintf(text, sizeof text, "%u", frames);
    dcm_write_init(&w, out, DCM_EXPLICIT_LE);
    dcm_write_u16(&w, 0x00280002, (uint16_t)samples);
    dcm_write_text(&w, 0x00280004, NULL, samples == 3 ? "RGB" : "MONOCHROME2");
    dcm_write_u16(&w, 0x00280006, (uint16_t)planar);
    dcm_write_text(&w, 0x00280008, NULL, text);
    dcm_write_u16(&w, 0x00280010, (uint16_t)rows);
    dcm_write_u16(&w, 0x00280011, (uint16_t)cols);
    dcm_write_u16(&w, 0x00280100, (uint16_t)bits);
}

static void
add_item(struct buf *out, const void *bytes, uint32_t n)
{
    buf_add(out, "\xFE\xFF\x00\xE0", 4);
    buf_add_le32(out, n);
    buf_add(out, bytes, n);
}

static void
fragments_are_told_to_frames(void **state)
{
    static const struct {
        const char *name;
        const char *table;
        uint32_t table_n;
        const char *items[4]; /* 4 bytes each */
        unsigned frames;
        int first[3]; /* first fragment of each frame; -1 = cannot be told */
    } rows[] = {
        {"one frame, many fragments", "", 0, {"\xFF\xD8\xFF\1", "2222", "3333"}, 1, {0}},
        {"one each", "", 0, {"1111", "2222"}, 2, {0, 1}},
        {"by offset table", "\0\0\0\0\x18\0\0\0", 8, {"1111", "2222", "3333"}, 2, {0, 2}},
        {"by start of stream", "", 0, {"\xFF\xD8\xFF\1", "2222", "\xFF\xD8\xFF\1"}, 2, {0, 2}},
        {"a table that lies, by start",
         "\0\0\0\0\x13\0\0\0",
         8,
         {"\xFF\x4F\xFF\1", "2222", "\xFF\x4F\xFF\1"},
         2,
         {0, 2}},
        {"not to be told", "", 0, {"1111", "2222", "3333"}, 2, {-1}},
        {"too few", "", 0, {"1111"}, 2, {-1}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_part10 p10 = {.syntax = dcm_syntax_find(DCM_UID_JPEG_BASELINE)};
        struct dcm_pixels p;
        struct buf out;
        struct err err;

        buf_init(&out, 4096);
        make_form(&out, 2, 2, 1, 8, rows[i].frames, 0);
        buf_add(&out, "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF", 12);
        add_item(&out, rows[i].table, rows[i].table_n);
        for (int k = 0; k < 4 && rows[i].items[k] != NULL; k++)
            add_item(&out, rows[i].items[k], 4);
        buf_add(&out, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
        assert_int_equal(dcm_pixels_find(out.bytes, out.n, &p10, &p, &err), 0);
        assert_true(p.is_encapsulated);
        assert_int_equal(p.end, out.n);
        if ((p.spans == NULL) != (rows[i].first[0] == -1))
            fail_msg("%s: %s", rows[i].name, p.spans == NULL ? "not told" : "told");
        for (unsigned f = 0; p.spans != NULL && f < rows[i].frames; f++)
            if (p.spans[f].first != (uint32_t)rows[i].first[f])
                fail_msg("%s: frame %u begins at %u", rows[i].name, f + 1, p.spans[f].first);
        dcm_pixels_fini(&p);
        buf_fini(&out);
    }
}

/* Extended Offset Table (7FE0,0001), PS3.3 C.7.6.3.1.8; items of four bytes begin at 0, 12, 24. */
static void
extended_offsets_are_believed_only_where_items_begin(void **state)
{
    static const struct {
        const char *name;
        unsigned table_n; /* bytes; an OV has a multiple of 8 */
        uint64_t table[3];
        const char *items[3];
        int first[3]; /* -1: cannot be told */
    } rows[] = {
        {"good", 16, {0, 24}, {"1111", "2222", "3333"}, {0, 2}},
        {"longer than the frames", 24, {0, 12, 24}, {"1111", "2222", "3333"}, {0, 1}},
        {"one offset for two frames", 8, {0}, {"1111", "2222", "3333"}, {-1}},
        {"a byte short", 15, {0, 24}, {"1111", "2222", "3333"}, {-1}},
        {"past the end", 16, {0, 36}, {"1111", "2222", "3333"}, {-1}},
        {"just where 32 bits wrap", 16, {0, (1ull << 32) + 24}, {"1111", "2222", "3333"}, {-1}},
        {"the largest", 16, {0, UINT64_MAX}, {"1111", "2222", "3333"}, {-1}},
        {"wraps below zero", 16, {0, UINT64_MAX - 11}, {"1111", "2222", "3333"}, {-1}},
        {"not ascending", 16, {24, 0}, {"1111", "2222", "3333"}, {-1}},
        {"twice the same", 16, {0, 0}, {"1111", "2222", "3333"}, {-1}},
        {"the first is not the first", 16, {12, 24}, {"1111", "2222", "3333"}, {-1}},
        {"inside an item", 16, {0, 13}, {"1111", "2222", "3333"}, {-1}},
        {"lies, and streams tell",
         16,
         {0, 99},
         {"\xFF\xD8\xFF\1", "2222", "\xFF\xD8\xFF\1"},
         {0, 2}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_part10 p10 = {.syntax = dcm_syntax_find(DCM_UID_JPEG_BASELINE)};
        struct dcm_pixels p;
        struct buf out, table;
        struct err err;

        buf_init(&out, 4096);
        buf_init(&table, 64);
        make_form(&out, 2, 2, 1, 8, 2, 0);
        for (int k = 0; k < 3; k++)
            buf_add_le64(&table, rows[i].table[k]);
        buf_add(&out, "\xE0\x7F\1\0OV\0\0", 8);
        buf_add_le32(&out, rows[i].table_n);
        buf_add(&out, table.bytes, rows[i].table_n);
        buf_add(&out, "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF", 12);
        add_item(&out, "", 0);
        for (int k = 0; k < 3; k++)
            add_item(&out, rows[i].items[k], 4);
        buf_add(&out, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
        assert_int_equal(dcm_pixels_find(out.bytes, out.n, &p10, &p, &err), 0);
        if ((p.spans == NULL) != (rows[i].first[0] == -1))
            fail_msg("%s: %s", rows[i].name, p.spans == NULL ? "not told" : "told");
        for (unsigned f = 0; p.spans != NULL && f < 2; f++)
            if (p.spans[f].first != (uint32_t)rows[i].first[f])
                fail_msg("%s: frame %u begins at %u", rows[i].name, f + 1, p.spans[f].first);
        dcm_pixels_fini(&p);
        buf_fini(&table);
        buf_fini(&out);
    }
}

/* A table of fewer offsets than a hostile number of frames is not read behind its end. */
static void
extended_offsets_of_very_many_frames_are_not_read_behind_their_end(void **state)
{
    struct dcm_part10 p10 = {.syntax = dcm_syntax_find(DCM_UID_JPEG_BASELINE)};
    struct dcm_pixels p;
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 4096);
    make_form(&out, 2, 2, 1, 8, 536870913, 0); /* times 8 is 8 in 32 bits */
    buf_add(&out, "\xE0\x7F\1\0OV\0\0\x08\0\0\0\0\0\0\0\0\0\0\0", 20);
    buf_add(&out, "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF", 12);
    add_item(&out, "", 0);
    add_item(&out, "1111", 4);
    buf_add(&out, "\xFE\xFF\xDD\xE0\0\0\0\0", 8);
    if (dcm_pixels_find(out.bytes, out.n, &p10, &p, &err) == 0)
        assert_null(p.spans);
    else
        assert_int_equal(err.kind, ERR_REJECT);
    dcm_pixels_fini(&p);
    buf_fini(&out);
}

static void
native_pixels_become_canonical(void **state)
{
    static const struct {
        const char *name, *syntax;
        unsigned rows, cols, samples, bits, planar;
        const char *value; /* as received */
        uint32_t value_n;
        const char *wanted; /* NULL = not whole */
        uint32_t wanted_n;
    } rows[] = {
        {"as it is", DCM_UID_EXPLICIT_LE, 1, 2, 1, 16, 0, "\1\2\3\4", 4, "\1\2\3\4", 4},
        {"odd and padded", DCM_UID_EXPLICIT_LE, 1, 3, 1, 8, 0, "abc\0", 4, "abc", 3},
        {"planes", DCM_UID_EXPLICIT_LE, 1, 2, 3, 8, 1, "rRgGbB", 6, "rgbRGB", 6},
        {"too short", DCM_UID_EXPLICIT_LE, 1, 3, 1, 16, 0, "\1\2\3\4", 4, NULL, 0},
        {"too long", DCM_UID_EXPLICIT_LE, 1, 2, 1, 8, 0, "abcd", 4, NULL, 0},
        {"single bits", DCM_UID_EXPLICIT_LE, 3, 3, 1, 1, 0, "\xFF\1", 2, "\xFF\1", 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_part10 p10 = {.syntax = dcm_syntax_find(rows[i].syntax)};
        struct dcm_pixels p;
        uint8_t got[16] = {0};
        struct buf out;
        struct err err;

        buf_init(&out, 4096);
        make_form(&out, rows[i].rows, rows[i].cols, rows[i].samples, rows[i].bits, 1,
                  rows[i].planar);
        buf_add(&out, "\xE0\x7F\x10\0OW\0\0", 8);
        buf_add_le32(&out, rows[i].value_n);
        buf_add(&out, rows[i].value, rows[i].value_n);
        assert_int_equal(dcm_pixels_find(out.bytes, out.n, &p10, &p, &err), 0);
        if (p.is_whole != (rows[i].wanted != NULL))
            fail_msg("%s: whole %d", rows[i].name, p.is_whole);
        if (p.is_whole) {
            assert_int_equal(p.frames_bytes, rows[i].wanted_n);
            dcm_pixels_to_canonical(&p, out.bytes, got);
            assert_memory_equal(got, rows[i].wanted, rows[i].wanted_n);
        }
        dcm_pixels_fini(&p);
        buf_fini(&out);
    }
}

static void
rle_is_decoded_or_refused(void **state)
{
    uint8_t coded[64 + 8] = {2, 0, 0, 0, 64, 0, 0, 0, 67, 0, 0, 0};
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 64);
    /* High bytes: three times 01; low bytes: literal 0A 0B 0C; a spare no-op. */
    memcpy(coded + 64, "\xFE\x01\x80\x02\x0A\x0B\x0C\x80", 8);
    assert_int_equal(dcm_rle_decode(coded, sizeof coded, 3, 1, 2, &out, &err), 0);
    assert_int_equal(out.n, 6);
    assert_memory_equal(out.bytes, "\x0A\x01\x0B\x01\x0C\x01", 6);
    assert_int_equal(dcm_rle_decode(coded, sizeof coded, 4, 1, 2, &out, &err), -1); /* too short */
    assert_int_equal(dcm_rle_decode(coded, sizeof coded, 3, 1, 1, &out, &err),
                     -1); /* one segment */
    assert_int_equal(dcm_rle_decode(coded, 40, 3, 1, 2, &out, &err), -1);
    coded[8] = 200; /* a segment behind the end */
    assert_int_equal(dcm_rle_decode(coded, sizeof coded, 3, 1, 2, &out, &err), -1);
    buf_fini(&out);
}

static void
vrs_have_their_words(void **state)
{
    (void)state;
    assert_int_equal(dcm_vr_word("OW"), 2);
    assert_int_equal(dcm_vr_word("OV"), 8);
    assert_int_equal(dcm_vr_word("UN"), 1);
    assert_true(dcm_vr_is_long("UT"));
    assert_false(dcm_vr_is_long("LO"));
    assert_true(dcm_vr_is_long("ZZ"));
    assert_true(dcm_vr_has_charset("PN"));
    assert_false(dcm_vr_has_charset("CS"));
    assert_false(dcm_vr_is_text("UI"));
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_are_told_to_frames),
        cmocka_unit_test(extended_offsets_are_believed_only_where_items_begin),
        cmocka_unit_test(extended_offsets_of_very_many_frames_are_not_read_behind_their_end),
        cmocka_unit_test(native_pixels_become_canonical),
        cmocka_unit_test(rle_is_decoded_or_refused),
        cmocka_unit_test(vrs_have_their_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
