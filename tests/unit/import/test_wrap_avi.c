/* test_wrap_avi.c - AVI films of carts become multi-frame images whose pictures are the film's. The
 * judges are ffmpeg, which makes films and decodes them, and DCMTK, GDCM, pydicom and dciodvfy,
 * which read the instances (tests/support/import_judge.py). */
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/wrap.h"
#include "proto/dicom/wrap_parts.h"
#include "tests/support/import_files.h"
#include "tests/support/run_program.h"
#include "tests/support/wrap_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct wrap_identity somebody = {WRAP_SOMEBODY, .study_description = "腹部超声",
                                              .modality = "US"};

/* dciodvfy finds no error, and pydicom, DCMTK, GDCM and ffmpeg see the same pictures. */
static void
judge(const char *name, const struct buf *film)
{
    char source[256], dicom[256], file_name[64];
    struct buf out;

    buf_init(&out, 256 << 20);
    wrap_world_wrap(film, &somebody, &out);
    snprintf(file_name, sizeof file_name, "%s.dcm", name);
    wrap_world_keep(name, film, source);
    wrap_world_keep(file_name, &out, dicom);
    buf_fini(&out);
    wrap_world_judge(dicom);
    if (program_is_there("ffmpeg"))
        wrap_world_compare("avi", dicom, source);
}

static void
expect_film(const struct buf *film, uint32_t cols, uint32_t rows, uint32_t frames)
{
    struct wrap_facts facts;
    struct err err;

    if (wrap_look(film->bytes, film->n, &facts, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(facts.kind, WRAP_AVI);
    assert_int_equal(facts.cols, cols);
    assert_int_equal(facts.rows, rows);
    assert_int_equal(facts.frames, frames);
}

static void
expect_refused(const char *name, const struct buf *film, enum err_kind kind, const char *word)
{
    struct wrap_facts facts;
    struct err err = {.kind = ERR_NONE};

    if (wrap_look(film->bytes, film->n, &facts, &err) == 0)
        fail_msg("%s was taken", name);
    if (err.kind != kind || strstr(err.text, word) == NULL)
        fail_msg("%s: kind %d, %s", name, err.kind, err.text);
}

/* ---- films by a program that no one here wrote ---- */

static bool
make_film(const char *name, const char *const options[], struct buf *out)
{
    const char *argv[40] = {"ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i"};
    char path[256];
    size_t n = 7;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", wrap_dir, name);
    for (size_t i = 0; options[i] != NULL; i++)
        argv[n++] = options[i];
    argv[n++] = path;
    argv[n] = NULL;
    if (program_run(argv, NULL, wrap_said, sizeof wrap_said) != 0)
        return false;
    f = fopen(path, "rb");
    assert_non_null(f);
    buf_clear(out);
    out->n += fread(buf_reserve(out, 16 << 20), 1, 16 << 20, f);
    fclose(f);
    return true;
}

#define TEST_FILM "testsrc=size=322x244:rate=25:duration=1"
#define ODD_FILM "testsrc=size=321x243:rate=30000/1001:duration=0.5"
#define WITH_SOUND "-f", "lavfi", "-i", "sine=duration=1"

static void
films_of_carts_keep_every_picture(void **state)
{
    static const struct {
        const char *name;
        const char *options[14];
        uint32_t cols, rows, frames;
    } rows[] = {
        {"jpeg.avi", {TEST_FILM, "-c:v", "mjpeg", NULL}, 322, 244, 25},
        {"jpeg-422.avi",
         {ODD_FILM, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-huffman", "default", NULL},
         321,
         243,
         15},
        {"jpeg-grey.avi", {TEST_FILM, "-c:v", "mjpeg", "-pix_fmt", "gray", NULL}, 322, 244, 25},
        {"jpeg-sound.avi",
         {TEST_FILM, WITH_SOUND, "-c:v", "mjpeg", "-c:a", "pcm_s16le", NULL},
         322,
         244,
         25},
        {"bitmap.avi", {TEST_FILM, "-c:v", "rawvideo", "-pix_fmt", "bgr24", NULL}, 322, 244, 25},
        {"bitmap-odd.avi", {ODD_FILM, "-c:v", "rawvideo", "-pix_fmt", "bgr24", NULL}, 321, 243, 15},
        {"bitmap-32.avi", {ODD_FILM, "-c:v", "rawvideo", "-pix_fmt", "bgra", NULL}, 321, 243, 15},
    };
    struct buf film;

    (void)state;
    if (!program_is_there("ffmpeg"))
        skip();
    buf_init(&film, 64 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!make_film(rows[i].name, rows[i].options, &film))
            fail_msg("%s: %s", rows[i].name, wrap_said);
        expect_film(&film, rows[i].cols, rows[i].rows, rows[i].frames);
        judge(rows[i].name, &film);
    }
    buf_fini(&film);
}

static void
films_of_other_codings_say_what_to_do(void **state)
{
    static const struct {
        const char *name;
        const char *options[8];
        const char *word;
    } rows[] = {
        {"xvid.avi", {TEST_FILM, "-c:v", "mpeg4", "-vtag", "XVID", NULL}, "XVID; export it as MP4"},
        {"yuv.avi", {TEST_FILM, "-c:v", "rawvideo", "-pix_fmt", "yuyv422", NULL}, "YUY2"},
        {"lossless.avi", {TEST_FILM, "-c:v", "huffyuv", NULL}, "HFYU"},
    };
    struct buf film;

    (void)state;
    if (!program_is_there("ffmpeg"))
        skip();
    buf_init(&film, 64 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!make_film(rows[i].name, rows[i].options, &film))
            fail_msg("%s: %s", rows[i].name, wrap_said);
        expect_refused(rows[i].name, &film, ERR_REJECT, rows[i].word);
    }
    buf_fini(&film);
}

/* ---- films put together here, for what ffmpeg does not write ---- */

struct strip {
    uint32_t cols, rows;
    int32_t height; /* as the header has it */
    unsigned bits;
    const char *code;
    uint32_t scale, rate;
    const struct buf *pictures; /* of no bytes: the one before stays */
    size_t count;
    bool has_rec; /* each picture inside a list of its own */
};

static size_t
begin(struct buf *b, const char *id, const char *list)
{
    buf_add(b, id, 4);
    buf_add_le32(b, 0);
    if (list != NULL)
        buf_add(b, list, 4);
    return b->n - (list != NULL ? 4 : 0);
}

static void
end(struct buf *b, size_t at)
{
    le32_write(b->bytes + at - 4, (uint32_t)(b->n - at));
    if ((b->n - at) % 2 != 0)
        buf_add_u8(b, 0);
}

static void
put_stream(const struct strip *s, struct buf *b)
{
    size_t strl = begin(b, "LIST", "strl"), at = begin(b, "strh", NULL);

    buf_add(b, "vids", 4);
    buf_add(b, s->code, 4);
    for (int i = 0; i < 3; i++)
        buf_add_le32(b, 0);
    buf_add_le32(b, s->scale);
    buf_add_le32(b, s->rate);
    for (int i = 0; i < 7; i++)
        buf_add_le32(b, 0);
    end(b, at);
    at = begin(b, "strf", NULL);
    buf_add_le32(b, 40);
    buf_add_le32(b, s->cols);
    buf_add_le32(b, (uint32_t)s->height);
    buf_add_le16(b, 1);
    buf_add_le16(b, (uint16_t)s->bits);
    buf_add(b, s->code, 4);
    for (int i = 0; i < 5; i++)
        buf_add_le32(b, 0);
    for (unsigned i = 0; s->bits == 8 && i < 256; i++)
        buf_add_le32(b, (255 - i) * 0x010101u);
    end(b, at);
    end(b, strl);
}

static void
make_strip(const struct strip *s, struct buf *b)
{
    size_t riff = begin(b, "RIFF", "AVI "), hdrl = begin(b, "LIST", "hdrl");
    size_t avih = begin(b, "avih", NULL), movi;

    for (int i = 0; i < 14; i++)
        buf_add_le32(b, 0);
    end(b, avih);
    put_stream(s, b);
    end(b, hdrl);
    movi = begin(b, "LIST", "movi");
    for (size_t i = 0; i < s->count; i++) {
        size_t rec = s->has_rec ? begin(b, "LIST", "rec ") : 0;
        size_t at = begin(b, s->code[0] != '\0' ? "00dc" : "00db", NULL);

        buf_add(b, s->pictures[i].bytes, s->pictures[i].n);
        end(b, at);
        if (s->has_rec)
            end(b, rec);
    }
    end(b, movi);
    end(b, riff);
}

static const struct strip jpegs = {
    .cols = 96, .rows = 64, .height = 64, .bits = 24, .code = "MJPG", .scale = 1, .rate = 10};

/* Without its Huffman tables, as capture cards write it. */
static void
strip_tables(const struct buf *jpeg, struct buf *out)
{
    size_t at = 2;

    buf_add(out, jpeg->bytes, 2);
    while (jpeg->bytes[at + 1] != 0xDA) {
        size_t n = 2 + (size_t)(jpeg->bytes[at + 2] << 8 | jpeg->bytes[at + 3]);

        if (jpeg->bytes[at + 1] != 0xC4)
            buf_add(out, jpeg->bytes + at, n);
        at += n;
    }
    buf_add(out, jpeg->bytes + at, jpeg->n - at);
}

static void
expect_tables(enum import_jpeg kind, const char *name)
{
    struct buf whole, bare[3], film;
    struct strip s = jpegs;

    buf_init(&whole, 1 << 20);
    buf_init(&film, 1 << 20);
    import_file_jpeg(kind, 96, 64, &whole);
    for (int i = 0; i < 3; i++)
        buf_init(&bare[i], 1 << 20);
    strip_tables(&whole, &bare[0]);
    assert_true(bare[0].n < whole.n - 200);
    strip_tables(&whole, &bare[2]); /* bare[1]: nothing came, the first stays */
    s.pictures = bare;
    s.count = 3;
    s.has_rec = true;

    make_strip(&s, &film);

    expect_film(&film, 96, 64, 3);
    judge(name, &film);
    buf_fini(&film);
    buf_fini(&whole);
    for (int i = 0; i < 3; i++)
        buf_fini(&bare[i]);
}

static void
jpegs_without_tables_get_those_they_mean(void **state)
{
    (void)state;
    expect_tables(JPEG_COLOUR_420, "bare.avi");
    expect_tables(JPEG_GREY, "bare-grey.avi");
}

static void
bitmaps_of_256_colours_and_from_the_top_are_right(void **state)
{
    struct buf picture, film, out;
    struct strip s = {.cols = 5,
                      .rows = 3,
                      .height = -3,
                      .bits = 8,
                      .code = "\0\0\0",
                      .scale = 1,
                      .rate = 25,
                      .pictures = &picture,
                      .count = 1};

    (void)state;
    buf_init(&picture, 4096);
    buf_init(&film, 1 << 16);
    buf_init(&out, 1 << 20);
    for (unsigned i = 0; i < 24; i++)
        buf_add_u8(&picture, (uint8_t)i);
    for (int turn = 0; turn < 2; turn++) {
        static const uint8_t down[] = {255, 254, 253, 252, 251, 247, 246, 245,
                                       244, 243, 239, 238, 237, 236, 235, 0};
        static const uint8_t up[] = {239, 238, 237, 236, 235, 247, 246, 245,
                                     244, 243, 255, 254, 253, 252, 251, 0};

        s.height = turn == 0 ? -3 : 3;
        buf_clear(&film);
        buf_clear(&out);
        make_strip(&s, &film);
        expect_film(&film, 5, 3, 1);
        wrap_world_wrap(&film, &somebody, &out);
        assert_memory_equal(out.bytes + out.n - 16, turn == 0 ? down : up, 16);
        if (turn == 1) /* ffmpeg takes a bitmap of 8 bits from the top for one from the bottom */
            judge("palette.avi", &film);
    }
    buf_fini(&picture);
    buf_fini(&film);
    buf_fini(&out);
}

static void
films_that_cannot_be_right_are_refused_in_words(void **state)
{
    struct buf jpeg, small, halves, mixed[2], film;
    struct strip s = jpegs;

    (void)state;
    buf_init(&jpeg, 1 << 20);
    buf_init(&small, 1 << 20);
    buf_init(&halves, 1 << 20);
    buf_init(&film, 1 << 20);
    import_file_jpeg(JPEG_COLOUR_420, 96, 64, &jpeg);
    import_file_jpeg(JPEG_COLOUR_420, 96, 32, &small);
    buf_add(&halves, small.bytes, small.n);
    buf_add(&halves, small.bytes, small.n);
    s.count = 1;
    s.pictures = &halves;
    make_strip(&s, &film);
    expect_refused("halves", &film, ERR_REJECT, "interlaced");

    mixed[0] = jpeg;
    mixed[1] = small;
    s.pictures = mixed;
    s.count = 2;
    s.height = s.rows = 32;
    buf_clear(&film);
    make_strip(&s, &film);
    expect_refused("mixed", &film, ERR_REJECT, "another kind");

    s = jpegs;
    s.pictures = &jpeg;
    s.count = 1;
    s.rate = 0;
    buf_clear(&film);
    make_strip(&s, &film);
    expect_refused("no rate", &film, ERR_REJECT, "how fast");

    s.rate = 10;
    s.count = 0;
    buf_clear(&film);
    make_strip(&s, &film);
    expect_refused("no pictures", &film, ERR_REJECT, "no pictures");

    s.count = 1;
    s.code = "\0\0\0";
    s.cols = s.rows = 4000;
    s.height = 4000;
    buf_clear(&film);
    make_strip(&s, &film);
    expect_refused("short", &film, ERR_REJECT, "too short");
    buf_fini(&jpeg);
    buf_fini(&small);
    buf_fini(&halves);
    buf_fini(&film);
}

/* Eight bytes stand for a whole picture: what they add is bounded by what the film holds. */
static void
a_film_of_empty_pictures_grows_no_further_than_its_bound(void **state)
{
    enum { BYTES = 128 * 128 * 3, MOST = 1 + LIMIT_AVI_REPEATED_BYTES / BYTES };
    static const unsigned counts[] = {MOST, MOST + 1, 150000};
    struct buf *pictures = mem_new(counts[2] * sizeof *pictures), film;
    struct strip s = {.cols = 128,
                      .rows = 128,
                      .height = 128,
                      .bits = 24,
                      .code = "\0\0\0",
                      .scale = 1,
                      .rate = 25,
                      .pictures = pictures};

    (void)state;
    buf_init(&pictures[0], 1 << 20);
    for (unsigned i = 0; i < BYTES; i++)
        buf_add_u8(&pictures[0], 7);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        buf_init(&film, 64 << 20);
        s.count = counts[i];
        make_strip(&s, &film);
        if (i == 0)
            expect_film(&film, 128, 128, counts[i]);
        else
            expect_refused("empty pictures", &film, ERR_REJECT, "MP4 (H.264)");
        buf_fini(&film);
    }
    buf_fini(&pictures[0]);
    free(pictures);
}

/* Real pictures carry a few times as many repeats, however large all that is. */
static void
a_film_whose_recorder_dropped_most_pictures_is_taken(void **state)
{
    enum { SIDE = 1024, REAL = 30, ALL = 5 * REAL };
    struct buf *pictures = mem_new(ALL * sizeof *pictures), film;
    struct strip s = {.cols = SIDE,
                      .rows = SIDE,
                      .height = SIDE,
                      .bits = 24,
                      .code = "\0\0\0",
                      .scale = 1,
                      .rate = 25,
                      .pictures = pictures,
                      .count = ALL};

    (void)state;
    for (unsigned i = 0; i < ALL; i += 5) {
        buf_init(&pictures[i], 4 << 20);
        for (unsigned k = 0; k < SIDE * SIDE * 3; k++)
            buf_add_u8(&pictures[i], (uint8_t)k);
    }
    buf_init(&film, 128 << 20);
    make_strip(&s, &film);
    expect_film(&film, SIDE, SIDE, ALL);
    buf_fini(&film);
    for (unsigned i = 0; i < ALL; i += 5)
        buf_fini(&pictures[i]);
    free(pictures);
}

static void
a_film_cut_anywhere_is_not_whole(void **state)
{
    struct buf jpeg, film;
    struct strip s = jpegs;

    (void)state;
    buf_init(&jpeg, 1 << 20);
    buf_init(&film, 1 << 20);
    import_file_jpeg(JPEG_GREY, 96, 64, &jpeg);
    s.pictures = &jpeg;
    s.count = 1;
    make_strip(&s, &film);
    for (size_t n = 12; n < film.n; n++) {
        struct buf cut = {.bytes = film.bytes, .n = n};

        expect_refused("cut", &cut, ERR_RETRY, "ends early");
    }
    le32_write(film.bytes + 4, 0);
    expect_refused("unfinished", &film, ERR_RETRY, "never finished");
    buf_fini(&jpeg);
    buf_fini(&film);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(films_of_carts_keep_every_picture),
        cmocka_unit_test(films_of_other_codings_say_what_to_do),
        cmocka_unit_test(jpegs_without_tables_get_those_they_mean),
        cmocka_unit_test(bitmaps_of_256_colours_and_from_the_top_are_right),
        cmocka_unit_test(films_that_cannot_be_right_are_refused_in_words),
        cmocka_unit_test(a_film_of_empty_pictures_grows_no_further_than_its_bound),
        cmocka_unit_test(a_film_whose_recorder_dropped_most_pictures_is_taken),
        cmocka_unit_test(a_film_cut_anywhere_is_not_whole),
    };

    return cmocka_run_group_tests(tests, wrap_world_start, wrap_world_stop);
}
