/* test_codec_data.c - real images of every kind come back bit for bit, and other decoders agree:
 * OpenJPEG's own program, ffmpeg's JPEG 2000 decoder (which shares nothing with OpenJPEG), GDCM for
 * the received lossless syntaxes. Needs ../shared/data; skipped without. */
#include "proto/codec/codec.h"

#include "proto/base/durable.h"
#include "proto/dicom/syntax.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data/"

static struct codec_pool *pool;
static char folder[FOLDER_PATH_BYTES];

/* False when the file is not there. */
static bool
open_source(const char *path, struct codec_source *out)
{
    struct stat st;

    *out = (struct codec_source){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (out->fd < 0)
        return false;
    assert_int_equal(fstat(out->fd, &st), 0);
    out->size = (uint64_t)st.st_size;
    return true;
}

static void
write_file(const char *name, const void *bytes, size_t n, char path[256])
{
    FILE *f;

    (void)snprintf(path, 256, "%s/%s", folder, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int32_t
sample_of(const struct codec_image *image, size_t i)
{
    const uint8_t *at = image->pixels + i * (image->bits_allocated / 8U);
    unsigned spare = 32U - image->bits_stored;
    uint32_t v = image->bits_allocated == 8 ? at[0] : le16_read(at);

    return image->is_signed ? (int32_t)(v << spare) >> spare : (int32_t)v;
}

/* opj_decompress writes planes, one byte a sample up to 8 bits, else two, little endian. */
static void
judge_openjpeg(const char *name, const char *stream, const struct codec_image *image)
{
    char raw[256], said[2000];
    const char *const argv[] = {"opj_decompress", "-quiet", "-i", stream, "-o", raw, NULL};
    size_t count = (size_t)image->cols * image->rows, n = 0;
    uint8_t *bytes = NULL;
    struct err err = {0};

    (void)snprintf(raw, sizeof raw, "%s/judge.rawl", folder);
    if (program_run(argv, NULL, said, sizeof said) != 0)
        fail_msg("%s: opj_decompress: %s", name, said);
    assert_int_equal(durable_get_file(raw, 1U << 28, &bytes, &n, &err), 0);
    assert_int_equal(n, count * image->samples * (image->bits_stored > 8 ? 2 : 1));
    for (size_t s = 0; s < image->samples; s++)
        for (size_t i = 0; i < count; i++) {
            size_t at = s * count + i;
            int32_t want = sample_of(image, i * image->samples + s);
            int32_t got = image->bits_stored <= 8 ? bytes[at] : le16_read(bytes + 2 * at);

            if ((got & 0xFFFF) != (want & (image->bits_stored > 8 ? 0xFFFF : 0xFF)))
                fail_msg("%s: OpenJPEG: sample %zu is %d, wanted %d", name, i, got, want);
        }
    free(bytes);
}

/* ffmpeg puts grey of more than 8 bits into the high bits of 16, signed values moved up by half. */
static void
judge_ffmpeg(const char *name, const char *stream, const struct codec_image *image)
{
    char raw[256], said[2000];
    bool is_wide = image->bits_stored > 8;
    const char *const argv[] = {
        "ffmpeg",   "-v",
        "error",    "-y",
        "-f",       "j2k_pipe",
        "-c:v",     "jpeg2000",
        "-i",       stream,
        "-f",       "rawvideo",
        "-pix_fmt", image->samples == 3 ? "rgb24" : is_wide ? "gray16le" : "gray",
        raw,        NULL};
    size_t count = (size_t)image->cols * image->rows * image->samples, n = 0;
    uint8_t *bytes = NULL;
    struct err err = {0};

    (void)snprintf(raw, sizeof raw, "%s/judge.raw", folder);
    if (program_run(argv, NULL, said, sizeof said) != 0)
        fail_msg("%s: ffmpeg: %s", name, said);
    assert_int_equal(durable_get_file(raw, 1U << 28, &bytes, &n, &err), 0);
    assert_int_equal(n, count * (is_wide ? 2 : 1));
    for (size_t i = 0; i < count; i++) {
        int32_t want = sample_of(image, i) + (image->is_signed ? 1 << (image->bits_stored - 1) : 0);
        int32_t got = is_wide ? le16_read(bytes + 2 * i) >> (16 - image->bits_stored) : bytes[i];

        if (got != want)
            fail_msg("%s: ffmpeg: sample %zu is %d, wanted %d", name, i, got, want);
    }
    free(bytes);
}

/* The last frame's codestream, cut out by the layout, to the other decoders. */
static void
judge(const char *name, const struct codec_result *coded, const struct codec_source *source)
{
    const struct layout *l = coded->layout;
    uint32_t f = l->frames - 1;
    size_t n = (size_t)(layout_layer_end(l, f, l->layers - 1) - l->frame_start[f]);
    uint8_t *bytes = mem_new(n);
    struct codec_image image;
    struct err err = {0};
    char path[256];

    assert_int_equal(pread(coded->coded_fd, bytes, n, (off_t)l->frame_start[f]), (ssize_t)n);
    write_file("judge.j2k", bytes, n, path);
    free(bytes);
    if (codec_frame(pool, source, f + 1, 0, NULL, &image, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (program_is_there("opj_decompress"))
        judge_openjpeg(name, path, &image);
    if (program_is_there("ffmpeg"))
        judge_ffmpeg(name, path, &image);
    codec_image_fini(&image);
}

/* Coded, proved, the same digests; compressed sources are made native first. */
static void
round_trip(const char *name, struct codec_source *source, uint64_t *io_coded, uint64_t *io_look)
{
    struct codec_source native = *source, coded_source;
    struct dcm_digests before, after;
    struct codec_result coded;
    struct err err = {0};

    if (codec_transcode(pool, source, DCM_UID_EXPLICIT_LE, &native.fd, &native.size, &err) < 0 ||
        codec_inspect(pool, &native, NULL, &before, &err) < 0 ||
        codec_encode(pool, &native, NULL, &coded, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (coded.coded_fd < 0)
        fail_msg("%s: not coded: %s", name, coded.why_not);
    coded_source = (struct codec_source){.fd = coded.coded_fd,
                                         .size = coded.coded_size,
                                         .recipe = coded.recipe,
                                         .recipe_n = coded.recipe_n};
    if (codec_prove(pool, &coded_source, &(struct codec_claim){&before, before.file, NULL, 0},
                    &err) < 0 ||
        codec_inspect(pool, &coded_source, NULL, &after, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_memory_equal(after.pixels, before.pixels, DIGEST_BYTES);
    assert_memory_equal(after.dataset, before.dataset, DIGEST_BYTES);
    judge(name, &coded, &native);
    *io_coded += coded.coded_size;
    *io_look += layout_first_look_bytes(coded.layout);
    codec_result_fini(&coded);
    close(native.fd);
}

static void
real_images_come_back_and_other_decoders_agree(void **state)
{
    static const char *const rows[] = {
        "ct-series/ge-hispeed-head-tilt/014.dcm",       /* CT, 16 bit signed */
        "ct-series/philips-ingenuity-head-1mm/050.dcm", /* CT, 12 bit, JPEG lossless */
        "ct-series/philips-ingenuity-scout/001.dcm",    /* CT, 12 bit */
        "mr-series/ge-mr750-fmri/001.dcm",
        "mr-series/siemens-epi/mr_0003/001.dcm",
        "dx/derived-dx-chest-14bit.dcm",
        "mg/mg-ge-12bit-jpeg-lossless.dcm",
        "us/us-rgb.dcm",
        "us/us-echo-8f-rgb-implicit.dcm",
        "us/us-planar-rgb.dcm",
        "us/us-palette.dcm",
        "multiframe/enhanced-ct-2f.dcm",
        "multiframe/enhanced-mr-siemens-t1w-96f.dcm",
        "transfer-syntaxes/ct-explicit-be.dcm",
        "transfer-syntaxes/ct-deflated.dcm",
        "other-sop/nm-13f.dcm",
        "other-sop/pet.dcm",
    };
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct codec_source source;
        uint64_t coded = 0, look = 0;
        char path[256];

        (void)snprintf(path, sizeof path, DATA "%s", rows[i]);
        if (!open_source(path, &source))
            continue;
        round_trip(rows[i], &source, &coded, &look);
        close(source.fd);
        seen++;
    }
    print_message("%u of %zu images, judged by opj_decompress (%s) and ffmpeg (%s)\n", seen,
                  ARRAY_LEN(rows), program_is_there("opj_decompress") ? "there" : "not there",
                  program_is_there("ffmpeg") ? "there" : "not there");
    if (seen == 0)
        skip();
}

static void
the_first_look_of_a_ct_is_less_than_a_fifth(void **state)
{
    uint64_t coded = 0, look = 0;

    (void)state;
    for (int i = 1; i <= 28; i++) {
        struct codec_source source;
        struct codec_result result;
        struct err err = {0};
        char path[256];

        (void)snprintf(path, sizeof path, DATA "ct-series/ge-hispeed-head-tilt/%03d.dcm", i);
        if (!open_source(path, &source))
            skip();
        if (codec_encode(pool, &source, NULL, &result, &err) < 0 || result.coded_fd < 0)
            fail_msg("%s: %s %s", path, err.text, result.why_not);
        coded += result.coded_size;
        look += layout_first_look_bytes(result.layout);
        codec_result_fini(&result);
        close(source.fd);
    }
    print_message("first look: %llu of %llu bytes, %.1f %%\n", (unsigned long long)look,
                  (unsigned long long)coded, 100.0 * (double)look / (double)coded);
    assert_true(look * 5 <= coded);
}

static void
lossless_syntaxes_have_the_same_pixels(void **state)
{
    static const char *const rows[] = {
        "ct-explicit-be",   "ct-implicit-le", "ct-deflated",          "ct-j2k-lossless",
        "ct-jpeg-lossless", "ct-jpeg-ls",     "ct-jpeg-lossless-sv1", "ct-rle"};
    struct dcm_digests first, digests;
    struct codec_source source;
    struct err err = {0};

    (void)state;
    if (!open_source(DATA "transfer-syntaxes/ct-explicit-le.dcm", &source))
        skip();
    assert_int_equal(codec_inspect(pool, &source, NULL, &first, &err), 0);
    close(source.fd);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[256];

        (void)snprintf(path, sizeof path, DATA "transfer-syntaxes/%s.dcm", rows[i]);
        assert_true(open_source(path, &source));
        if (codec_inspect(pool, &source, NULL, &digests, &err) < 0)
            fail_msg("%s: %s", rows[i], err.text);
        if (memcmp(digests.pixels, first.pixels, DIGEST_BYTES) != 0)
            fail_msg("%s: other pixels, from %d", rows[i], digests.pixels_from);
        close(source.fd);
    }
}

/* GDCM's decoding of the same file has the same pixels. */
static void
judge_gdcm(const char *path, const struct dcm_digests *ours)
{
    char raw[256], said[2000];
    const char *const argv[] = {"gdcmconv", "--raw", path, raw, NULL};
    struct codec_source source;
    struct dcm_digests theirs;
    struct err err = {0};

    (void)snprintf(raw, sizeof raw, "%s/gdcm.dcm", folder);
    if (program_run(argv, NULL, said, sizeof said) != 0)
        fail_msg("%s: gdcmconv: %s", path, said);
    assert_true(open_source(raw, &source));
    if (codec_inspect(pool, &source, NULL, &theirs, &err) < 0)
        fail_msg("%s by gdcmconv: %s", path, err.text);
    if (memcmp(theirs.pixels, ours->pixels, DIGEST_BYTES) != 0)
        fail_msg("%s: GDCM decodes other pixels", path);
    close(source.fd);
}

static void
stored_syntaxes_become_native(void **state)
{
    static const struct {
        const char *name;
        bool is_lossless;
        bool is_judged; /* by GDCM, which knows no HTJ2K nor deflated frames */
        bool is_implicit_too;
    } rows[] = {
        {"transfer-syntaxes/ct-rle", true, true, true},
        {"transfer-syntaxes/ct-jpeg-lossless", true, true, false},
        {"transfer-syntaxes/ct-jpeg-lossless-sv1", true, true, false},
        {"transfer-syntaxes/ct-jpeg-ls", true, true, false},
        {"transfer-syntaxes/ct-j2k-lossless", true, true, false},
        {"transfer-syntaxes/ect-2f-bot-jpeg-ls", true, true, false},
        {"transfer-syntaxes/ect-2f-fragmented-no-bot-jpeg-lossless-57", true, true, false},
        {"transfer-syntaxes/derived-ct-htj2k-lossless", true, false, false},
        {"transfer-syntaxes/derived-ct-htj2k-lossless-rpcl", true, false, false},
        {"transfer-syntaxes/htj2k-lossless-rgb", true, false, false},
        {"transfer-syntaxes/seg-deflated-frame", true, false, true},
        {"transfer-syntaxes/ct-deflated", true, false, false},
        {"transfer-syntaxes/ct-j2k", false, false, false},
        {"transfer-syntaxes/ct-jpeg-baseline", false, false, false},
        {"transfer-syntaxes/ct-jpeg-extended", false, false, false},
        {"transfer-syntaxes/ct-jpeg-ls-near", false, false, false},
        {"transfer-syntaxes/derived-ct-htj2k", false, false, false},
        {"us/us-j2k-ybr_rct", true, true, false},
        {"us/us-palette-rle-2f", true, true, true},
        {"mg/mg-ge-12bit-jpeg-lossless", true, true, true}, /* its icon is encapsulated */
        {"us/us-30f-jpeg-ybr422", false, false, true},
        {"us/us-echo-8f-jpeg-fragmented", false, false, false},
    };
    static const char *const to[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t t = 0; t < (rows[i].is_implicit_too ? 2 : 1); t++) {
            struct codec_source source, native = {0};
            struct dcm_digests before, after;
            struct err err = {0};
            char path[256];

            (void)snprintf(path, sizeof path, DATA "%s.dcm", rows[i].name);
            if (!open_source(path, &source))
                skip();
            if (codec_transcode(pool, &source, to[t], &native.fd, &native.size, &err) < 0 ||
                codec_inspect(pool, &source, NULL, &before, &err) < 0 ||
                codec_inspect(pool, &native, NULL, &after, &err) < 0)
                fail_msg("%s: %s", rows[i].name, err.text);
            assert_int_equal(after.pixels_from, PIXELS_NATIVE);
            if ((memcmp(before.pixels, after.pixels, DIGEST_BYTES) == 0) != rows[i].is_lossless)
                fail_msg("%s: pixels", rows[i].name);
            if (t == 0 && rows[i].is_judged && program_is_there("gdcmconv"))
                judge_gdcm(path, &after);
            close(native.fd);
            close(source.fd);
        }
}

static void
what_has_no_decoder_says_so(void **state)
{
    struct codec_source source;
    struct codec_image image;
    struct err err = {0};
    uint64_t n;
    int fd;

    (void)state;
    if (!open_source(DATA "transfer-syntaxes/derived-video-h264.dcm", &source))
        skip();

    assert_int_equal(codec_transcode(pool, &source, DCM_UID_EXPLICIT_LE, &fd, &n, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(codec_frame(pool, &source, 1, 0, NULL, &image, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    close(source.fd);
}

static int
start(void **state)
{
    struct err err = {0};

    (void)state;
    folder_make("codec", folder);
    return codec_pool_new(2, &pool, &err);
}

static int
stop(void **state)
{
    (void)state;
    codec_pool_free(&pool);
    folder_remove(folder);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_images_come_back_and_other_decoders_agree),
        cmocka_unit_test(the_first_look_of_a_ct_is_less_than_a_fifth),
        cmocka_unit_test(lossless_syntaxes_have_the_same_pixels),
        cmocka_unit_test(stored_syntaxes_become_native),
        cmocka_unit_test(what_has_no_decoder_says_so),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
