/* test_png.c - a PNG is whole or is not taken, and a hostile one is refused before it is large. */
#include "proto/dicom/png.h"

#include "proto/base/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
put_be32(struct buf *b, uint32_t v)
{
    for (int i = 3; i >= 0; i--)
        buf_add_u8(b, (uint8_t)(v >> (8 * i)));
}

static void
put_chunk(struct buf *b, const char *kind, const void *bytes, size_t n)
{
    size_t at = b->n + 4;

    put_be32(b, (uint32_t)n);
    buf_add(b, kind, 4);
    buf_add(b, bytes, n);
    put_be32(b, zip_crc32(0, b->bytes + at, n + 4));
}

static void
put_head(struct buf *b, uint32_t cols, uint32_t rows, uint8_t depth, uint8_t colours)
{
    struct buf head;

    buf_init(&head, 64);
    put_be32(&head, cols);
    put_be32(&head, rows);
    buf_add_u8(&head, depth);
    buf_add_u8(&head, colours);
    buf_add(&head, "\0\0\0", 3);
    buf_add(b, "\x89PNG\r\n\x1A\n", 8);
    put_chunk(b, "IHDR", head.bytes, head.n);
    buf_fini(&head);
}

/* Rows with their filters' bytes, as one zlib stream in two chunks. */
static void
put_rows(struct buf *b, const void *rows, size_t n)
{
    struct buf stream;
    struct err err;

    buf_init(&stream, 1 << 20);
    buf_add(&stream, "\x78\x9C", 2);
    assert_int_equal(zip_deflate(rows, n, 6, &stream, &err), 0);
    buf_add(&stream, "\0\0\0\0", 4);
    put_chunk(b, "IDAT", stream.bytes, 3);
    put_chunk(b, "IDAT", stream.bytes + 3, stream.n - 3);
    put_chunk(b, "IEND", "", 0);
    buf_fini(&stream);
}

static int
decode(const struct buf *file, struct buf *out, struct err *err)
{
    struct png png;

    return png_read(file->bytes, file->n, &png, err) < 0 ? -1
                                                         : png_decode(&png, file->bytes, out, err);
}

/* Every filter by hand: 3 columns of grey, five rows. */
static void
every_filter_is_undone(void **state)
{
    static const uint8_t rows[] = {0, 10, 20, 30, 1, 10, 10, 10, 2, 1,
                                   1, 1,  3,  5,  5, 5,  4,  1,  1, 1};
    static const uint8_t want[] = {10, 20, 30, 10, 20, 30, 11, 21, 31, 10, 20, 30, 11, 21, 31};
    struct buf file, out;
    struct err err;

    (void)state;
    buf_init(&file, 4096);
    buf_init(&out, 4096);
    put_head(&file, 3, 5, 8, 0);
    put_rows(&file, rows, sizeof rows);

    assert_int_equal(decode(&file, &out, &err), 0);

    assert_int_equal(out.n, sizeof want);
    assert_memory_equal(out.bytes, want, sizeof want);
    for (size_t n = 8; n < file.n; n++) {
        struct png png;

        assert_int_equal(png_read(file.bytes, n, &png, &err), -1);
        assert_int_equal(err.kind, ERR_RETRY);
    }
    for (size_t i = 8; i < file.n; i++) {
        struct png png;

        file.bytes[i] ^= 1;
        assert_int_equal(png_read(file.bytes, file.n, &png, &err), -1);
        file.bytes[i] ^= 1;
    }
    buf_fini(&file);
    buf_fini(&out);
}

static void
png_that_cannot_be_right_is_refused(void **state)
{
    static const uint8_t row[] = {0, 9, 9};
    static const struct {
        const char *name;
        uint32_t cols, rows;
        uint8_t depth, colours;
        const char *word;
    } rows[] = {
        {"nothing", 0, 1, 8, 0, "no sensible size"},
        {"too wide", 70000, 1, 8, 0, "no sensible size"},
        {"a bomb", 60000, 60000, 8, 0, "larger than"},
        {"deep colours", 1, 1, 16, 2, "16 bits"},
        {"no such depth", 1, 1, 3, 0, "no known kind"},
        {"no palette", 1, 1, 8, 3, "palette"},
        {"fewer rows", 2, 2, 8, 0, "fewer rows"},
        {"more rows", 1, 1, 8, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf file, out;
        struct err err;

        buf_init(&file, 4096);
        buf_init(&out, 4096);
        put_head(&file, rows[i].cols, rows[i].rows, rows[i].depth, rows[i].colours);
        put_rows(&file, row, sizeof row);
        if (decode(&file, &out, &err) == 0)
            fail_msg("%s was taken", rows[i].name);
        if (err.kind != ERR_REJECT || strstr(err.text, rows[i].word) == NULL)
            fail_msg("%s: %s", rows[i].name, err.text);
        buf_fini(&file);
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_is_undone),
        cmocka_unit_test(png_that_cannot_be_right_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
