/* test_import_decode.c - pictures that cannot go as they are, bound through a worker: PNG of every
 * kind and progressive JPEG. ffmpeg makes and decodes them, pydicom and dciodvfy read the
 * instances. */
#include "gateway/import/import.h"

#include "gateway/import/import_own.h"
#include "proto/codec/codec.h"
#include "tests/support/folder.h"
#include "tests/support/import_files.h"
#include "tests/support/import_world.h"
#include "tests/support/run_program.h"
#include "tests/support/wrap_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct codec_pool *pool;
static struct buf file;

static int
setup(void **state)
{
    struct err err;

    (void)import_world_setup(state);
    (void)wrap_world_start(state);
    buf_init(&file, 16 << 20);
    if (codec_pool_new(1, &pool, &err) < 0)
        fail_msg("%s", err.text);
    world_options.pool = pool;
    return 0;
}

static int
teardown(void **state)
{
    (void)import_world_teardown(state);
    codec_pool_free(&pool);
    buf_fini(&file);
    (void)wrap_world_stop(state);
    return 0;
}

static bool
make_picture(const char *const argv[], const char *path)
{
    FILE *f;

    if (program_run(argv, NULL, wrap_said, sizeof wrap_said) != 0)
        return false;
    f = fopen(path, "rb");
    assert_non_null(f);
    buf_clear(&file);
    file.n += fread(buf_reserve(&file, 8 << 20), 1, 8 << 20, f);
    fclose(f);
    return true;
}

/* From the drop folder through a person into the spool, and what came out is judged. */
static void
bind_and_judge(const char *name)
{
    char source[256], dicom[256];
    struct import_item item;
    uint64_t entry;
    struct buf out;
    struct err err;

    world_begin();
    world_drop_file(world_drop, name, &file);
    world_wait(1u << IMPORT_WAITING, 1, &item);
    if (import_bind(world_import, item.id, &world_person, "desk", false, NULL, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_true(world_entries(&entry) >= 1);
    buf_init(&out, 16 << 20);
    world_bytes(entry, &out);
    world_end();
    wrap_world_keep(name, &file, source);
    wrap_world_keep("out.dcm", &out, dicom);
    buf_fini(&out);
    wrap_world_judge(dicom);
    wrap_world_compare("picture", dicom, source);
}

static void
png_of_every_kind_keeps_every_value(void **state)
{
    static const struct {
        const char *name, *format, *flags;
    } rows[] = {
        {"grey.png", "gray", "0"},
        {"grey16.png", "gray16be", "0"},
        {"bits.png", "monob", "0"},
        {"colours.png", "rgb24", "0"},
        {"palette.png", "pal8", "0"},
        {"opaque.png", "rgba", "0"},
        {"woven.png", "rgb24", "ildct"},
        {"woven-grey.png", "gray16be", "ildct"},
        {"woven-palette.png", "pal8", "ildct"},
    };

    (void)state;
    if (!program_is_there("ffmpeg") || !program_is_there("python3"))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[256];
        const char *const argv[] = {
            "ffmpeg",    "-v",          "error",    "-y",
            "-f",        "lavfi",       "-i",       "testsrc=size=101x67:rate=1:duration=1",
            "-frames:v", "1",           "-pix_fmt", rows[i].format,
            "-flags",    rows[i].flags, "-pred",    "mixed",
            path,        NULL};

        snprintf(path, sizeof path, "%s/made.png", wrap_dir);
        if (!make_picture(argv, path))
            fail_msg("%s: %s", rows[i].name, wrap_said);
        bind_and_judge(rows[i].name);
    }
}

static void
progressive_jpeg_becomes_native(void **state)
{
    (void)state;
    if (!program_is_there("ffmpeg") || !program_is_there("python3"))
        skip();
    import_file_jpeg(JPEG_PROGRESSIVE, 161, 120, &file);
    bind_and_judge("progressive.jpg");
}

/* The desk's preview, a browser, turns it; what was kept lay on its side. */
static void
a_jpeg_that_lies_on_its_side_is_set_upright(void **state)
{
    uint8_t exif[] = {0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
                      0,    1,    1, 18, 0,   3,   0,   0,   0, 1, 0,   0,   0, 0,  0, 0, 0, 0};

    (void)state;
    if (!program_is_there("ffmpeg") || !program_is_there("python3"))
        skip();
    for (uint8_t orientation = 2; orientation <= 8; orientation++) {
        struct buf plain;
        char name[32];

        buf_init(&plain, 1 << 20);
        import_file_jpeg(orientation == 4 ? JPEG_GREY : JPEG_COLOUR_420, 161, 120, &plain);
        exif[29] = orientation;
        buf_clear(&file);
        buf_add(&file, plain.bytes, 2);
        buf_add(&file, exif, sizeof exif);
        buf_add(&file, plain.bytes + 2, plain.n - 2);
        buf_fini(&plain);
        snprintf(name, sizeof name, "orientation-%u.jpg", orientation);
        bind_and_judge(name);
    }
}

/* What no decoder takes waits again, with the reason; nothing is in the spool. */
static void
what_cannot_be_decoded_waits_again_in_words(void **state)
{
    char path[256];
    const char *const argv[] = {
        "ffmpeg",    "-v",    "error",    "-y",
        "-f",        "lavfi", "-i",       "color=red@0.5:size=20x20,format=rgba",
        "-frames:v", "1",     "-pix_fmt", "rgba",
        path,        NULL};
    struct import_item item;
    struct err err;

    (void)state;
    snprintf(path, sizeof path, "%s/clear.png", wrap_dir);
    if (!program_is_there("ffmpeg") || !make_picture(argv, path))
        skip();
    world_begin();
    world_drop_file(world_drop, "clear.png", &file);
    world_wait(1u << IMPORT_WAITING, 1, &item);

    assert_int_equal(import_bind(world_import, item.id, &world_person, "desk", false, NULL, &err),
                     -1);

    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(world_entries(NULL), 0);
    world_wait(1u << IMPORT_WAITING, 1, &item);
    assert_non_null(strstr(item.why, "transparent"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(png_of_every_kind_keeps_every_value),
        TEST(progressive_jpeg_becomes_native),
        TEST(a_jpeg_that_lies_on_its_side_is_set_upright),
        TEST(what_cannot_be_decoded_waits_again_in_words),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
