/* test_codec.c - coding is undone to the last bit, what must not be coded is not, and a changed bit
 * is found. Images are made here; real ones: test_codec_data.c. */
#include "proto/codec/codec.h"

#include "proto/base/limits.h"
#include "proto/dicom/facts.h"
#include "proto/trust/digest.h"
#include "tests/support/codec_workers.h"
#include "tests/support/sample_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct received {
    struct buf bytes;
    struct codec_source source;
    struct dcm_digests digests;
};

static void
receive(const struct sample *sample, struct received *out)
{
    struct err err = {0};

    buf_init(&out->bytes, 1U << 30);
    sample_image(sample, &out->bytes);
    out->source = (struct codec_source){.fd = sample_fd(out->bytes.bytes, out->bytes.n),
                                        .size = out->bytes.n};
    if (codec_inspect(codec_workers, &out->source, NULL, &out->digests, &err) < 0)
        fail_msg("%s", err.text);
}

static void
forget(struct received *r)
{
    close(r->source.fd);
    buf_fini(&r->bytes);
}

static struct codec_source
coded_source(const struct codec_result *r)
{
    return (struct codec_source){
        .fd = r->coded_fd, .size = r->coded_size, .recipe = r->recipe, .recipe_n = r->recipe_n};
}

static uint8_t *
bytes_of(int fd, uint64_t n)
{
    uint8_t *bytes = mem_new((size_t)n + 1);

    assert_int_equal(pread(fd, bytes, (size_t)n, 0), (ssize_t)n);
    return bytes;
}

/* Coded, proved, restored: the received bytes again. */
static void
comes_back(const char *name, const struct sample *sample, enum codec_coding coding, bool is_layered)
{
    struct codec_policy policy = {.coding = coding};
    uint32_t frames = sample->frames > 0 ? sample->frames : 1;
    struct err err = {0};
    struct codec_result coded;
    struct received r;
    struct codec_source source;
    struct dcm_digests after;
    uint64_t n = 0;
    uint8_t *back;
    int fd = -1;

    receive(sample, &r);
    if (codec_encode(codec_workers, &r.source, &policy, &coded, &err) < 0 || coded.coded_fd < 0)
        fail_msg("%s: %s", name, err.text[0] != 0 ? err.text : coded.why_not);
    source = coded_source(&coded);
    if (codec_prove(codec_workers, &source,
                    &(struct codec_claim){&r.digests, r.digests.file, NULL, 0}, &err) < 0 ||
        codec_inspect(codec_workers, &source, NULL, &after, &err) < 0 ||
        codec_restore(codec_workers, &source, &fd, &n, &err) < 0)
        fail_msg("%s: %s", name, err.text);

    assert_true(coded.coded_size < r.bytes.n);
    assert_int_equal(n, r.bytes.n);
    back = bytes_of(fd, n);
    assert_memory_equal(back, r.bytes.bytes, n);
    assert_memory_equal(after.pixels, r.digests.pixels, DIGEST_BYTES);
    assert_memory_equal(after.dataset, r.digests.dataset, DIGEST_BYTES);
    assert_int_equal(layout_check(coded.layout, &err), 0);
    if (coded.layout->frames != (is_layered ? frames : 0))
        fail_msg("%s: %u frames in the layout", name, coded.layout->frames);
    free(back);
    close(fd);
    codec_result_fini(&coded);
    forget(&r);
}

#define PADDED(value) .has_padding = true, .padding = (value)

/* long because of its table */
static void
what_is_coded_comes_back_bit_for_bit(void **state)
{
    enum { NEVER, WISHED, ALWAYS }; /* JPEG-LS */
    static const struct {
        const char *name;
        int fast;
        struct sample sample;
    } rows[] = {
        {"12 of 16 bits", WISHED, {0}},
        {"16 bits", WISHED, {.bits_stored = 16}},
        {"16 bits signed", WISHED, {.bits_stored = 16, .is_signed = true}},
        {"12 of 16 bits signed", WISHED, {.is_signed = true}},
        {"9 of 16 bits signed", WISHED, {.bits_stored = 9, .is_signed = true}},
        {"8 of 16 bits", NEVER, {.bits_stored = 8}},
        {"14 bits, odd size", WISHED, {.bits_stored = 14, .cols = 33, .rows = 27}},
        {"8 bits, odd length", WISHED, {.bits_allocated = 8, .cols = 33, .rows = 27}},
        {"5 of 8 bits signed", NEVER, {.bits_allocated = 8, .bits_stored = 5, .is_signed = true}},
        {"6 of 8 bits signed", WISHED, {.bits_allocated = 8, .bits_stored = 6, .is_signed = true}},
        {"7 of 8 bits", WISHED, {.bits_allocated = 8, .bits_stored = 7, .cols = 99, .rows = 99}},
        {"1 of 8 bits", NEVER, {.bits_allocated = 8, .bits_stored = 1, .cols = 99, .rows = 99}},
        {"one column", WISHED, {.cols = 1, .rows = 900}},
        {"one row", WISHED, {.cols = 900, .rows = 1}},
        {"RGB", NEVER, {.samples = 3, .bits_allocated = 8}},
        {"RGB by plane", NEVER, {.samples = 3, .bits_allocated = 8, .is_by_plane = true}},
        {"RGB by plane, frames",
         NEVER,
         {.samples = 3, .bits_allocated = 8, .is_by_plane = true, .frames = 3}},
        {"YBR_FULL", NEVER, {.samples = 3, .bits_allocated = 8, .photometric = "YBR_FULL"}},
        {"RGB of 16 bits", NEVER, {.samples = 3, .bits_stored = 16}},
        {"MONOCHROME1", WISHED, {.photometric = "MONOCHROME1"}},
        {"palette", ALWAYS, {.bits_allocated = 8, .photometric = "PALETTE COLOR"}},
        {"palette of 16 bits, frames", ALWAYS, {.frames = 3, .photometric = "PALETTE COLOR"}},
        {"seven frames", WISHED, {.frames = 7}},
        {"seven frames of odd length",
         WISHED,
         {.frames = 7, .bits_allocated = 8, .cols = 33, .rows = 27}},
        {"implicit", WISHED, {.is_implicit = true}},
        {"implicit RGB by plane",
         NEVER,
         {.is_implicit = true, .samples = 3, .bits_allocated = 8, .is_by_plane = true}},
        {"larger", WISHED, {.cols = 256, .rows = 200}},
        {"padding, signed", WISHED, {.bits_stored = 16, .is_signed = true, PADDED(-32768)}},
        {"a range", WISHED, {.is_signed = true, PADDED(-2048), .padding_limit = -2000}},
        {"padding of 16 bits", WISHED, {.bits_stored = 16, PADDED(65535)}},
        {"padding range, implicit", WISHED, {.is_implicit = true, PADDED(0), .padding_limit = 15}},
        {"padding of 8 bits", WISHED, {.bits_allocated = 8, .cols = 99, .rows = 99, PADDED(255)}},
        {"padding no pixel has", WISHED, {PADDED(63536), .is_padding_unused = true}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        comes_back(rows[i].name, &rows[i].sample, CODEC_LAYERS, true);
        comes_back(rows[i].name, &rows[i].sample, CODEC_FAST, rows[i].fast == NEVER);
        if (rows[i].fast != WISHED)
            comes_back(rows[i].name, &rows[i].sample, CODEC_BEST, rows[i].fast == NEVER);
    }
}

/* Implicit bytes do not say it: the coded file is explicit, and must. */
static void
padding_has_the_sign_of_its_pixels(void **state)
{
    static const char *const said[] = {"\x28\0\x20\1US", "\x28\0\x20\1SS"};

    (void)state;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        struct sample sample = {
            .is_implicit = true, .is_signed = is_signed, PADDED(is_signed ? -2000 : 4000)};
        struct codec_result coded;
        struct err err = {0};
        struct received r;
        uint8_t *bytes;

        receive(&sample, &r);
        if (codec_encode(codec_workers, &r.source, NULL, &coded, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(coded.coded_fd >= 0);
        bytes = bytes_of(coded.coded_fd, coded.coded_size);

        assert_non_null(memmem(bytes, coded.coded_size, said[is_signed], 6));
        assert_null(memmem(bytes, coded.coded_size, said[!is_signed], 6));
        free(bytes);
        codec_result_fini(&coded);
        forget(&r);
    }
}

static void
what_might_lose_a_bit_is_left_alone(void **state)
{
    static const struct {
        const char *why;
        struct sample sample;
    } rows[] = {
        {"overlay inside the pixels", {.has_overlay_inside = true}},
        {"digital signature", {.has_signature = true}},
        {"unused bits are in use", {.has_dirty_bits = true}},
        {"unused bits are in use", {.has_dirty_bits = true, .is_signed = true, .bits_stored = 9}},
        {"unused bits are in use", {PADDED(63536)}},
        {"unused bits are in use", {.is_signed = true, PADDED(-32768)}},
        {"bits stored 12, high bit 15", {.high_bit = 15}},
        {"pixel data not whole", {.is_cut_short = true}},
        {"float pixels", {.has_float_pixels = true, .bits_allocated = 32, .bits_stored = 32}},
        {"32 bits allocated", {.bits_allocated = 32, .bits_stored = 32}},
        {"photometric interpretation HSV, 3 samples",
         {.samples = 3, .bits_allocated = 8, .photometric = "HSV"}},
        {"photometric interpretation RGB, 1 samples", {.photometric = "RGB"}},
        {"coding makes it larger", {.is_noise = true, .bits_stored = 16}},
        {"coding makes it larger", {.is_noise = true, .bits_stored = 16, .frames = 4}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct codec_result coded;
        struct received r;

        receive(&rows[i].sample, &r);
        if (codec_encode(codec_workers, &r.source, NULL, &coded, &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.text);

        if (coded.coded_fd >= 0)
            fail_msg("%s: coded all the same", rows[i].why);
        assert_string_equal(coded.why_not, rows[i].why);
        assert_int_equal(coded.layout->layers, 0);
        assert_int_equal(coded.layout->file_size, r.bytes.n);
        codec_result_fini(&coded);
        forget(&r);
    }
}

static void
coding_can_be_switched_off(void **state)
{
    struct codec_policy off = {.is_off = true};
    struct sample sample = {0};
    struct codec_result coded;
    struct err err = {0};
    struct received r;

    (void)state;
    receive(&sample, &r);

    assert_int_equal(codec_encode(codec_workers, &r.source, &off, &coded, &err), 0);

    assert_int_equal(coded.coded_fd, -1);
    assert_string_equal(coded.why_not, "coding is switched off");
    codec_result_fini(&coded);
    forget(&r);
}

/* A flipped bit is refused, unless it leaves everything that is said as it was: then the file still
 * is what prove says it is, which is looked at here without prove. */
static void
sabotage_is_refused(void **state)
{
    struct sample sample = {.frames = 2};
    struct codec_result coded;
    struct codec_source source;
    struct err err = {0};
    struct received r;
    uint8_t *bytes;
    unsigned refused = 0, tried = 0;

    (void)state;
    receive(&sample, &r);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    bytes = bytes_of(coded.coded_fd, coded.coded_size);

    for (size_t at = 0; at < coded.coded_size; at += 7, tried++) {
        bool is_in_stream = at >= coded.layout->header_end;
        uint8_t flip = (uint8_t)(1U << at % 8);
        struct dcm_digests after;

        bytes[at] ^= flip;
        source = coded_source(&coded);
        source.fd = sample_fd(bytes, coded.coded_size);
        if (codec_prove(codec_workers, &source,
                        &(struct codec_claim){&r.digests, r.digests.file, NULL, 0}, &err) < 0) {
            assert_int_equal(err.kind, ERR_CONFLICT);
            refused++;
        } else {
            if (!is_in_stream)
                fail_msg("a flipped bit in byte %zu of the header is let through", at);
            assert_int_equal(codec_inspect(codec_workers, &source, NULL, &after, &err), 0);
            assert_memory_equal(after.pixels, r.digests.pixels, DIGEST_BYTES);
        }
        close(source.fd);
        bytes[at] ^= flip;
    }

    assert_true(refused > tried * 9 / 10);
    free(bytes);
    codec_result_fini(&coded);
    forget(&r);
}

static void
proof_of_other_digests_is_refused(void **state)
{
    struct sample sample = {0};
    struct codec_result coded;
    struct codec_source source;
    struct err err = {0};
    struct received r;

    (void)state;
    receive(&sample, &r);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    source = coded_source(&coded);

    for (int which = 0; which < 3; which++) {
        struct dcm_digests expected = r.digests;
        uint8_t file[DIGEST_BYTES];

        memcpy(file, r.digests.file, sizeof file);
        (which == 0 ? file : which == 1 ? expected.pixels : expected.dataset)[9] ^= 1;
        assert_int_equal(codec_prove(codec_workers, &source,
                                     &(struct codec_claim){&expected, file, NULL, 0}, &err),
                         -1);
        assert_int_equal(err.kind, ERR_CONFLICT);
    }
    assert_int_equal(codec_prove(codec_workers, &source,
                                 &(struct codec_claim){&r.digests, r.digests.file, NULL, 0}, &err),
                     0);
    codec_result_fini(&coded);
    forget(&r);
}

/* A source may lie anywhere in a file, and a coded one is sealed. */
static void
a_source_may_be_part_of_a_file(void **state)
{
    struct sample sample = {0};
    struct dcm_digests digests;
    struct dcm_facts facts;
    struct err err = {0};
    struct received r;
    struct buf padded;

    (void)state;
    receive(&sample, &r);
    buf_init(&padded, 1U << 20);
    for (int i = 0; i < 5001; i++)
        buf_add_u8(&padded, 0xEE);
    buf_add(&padded, r.bytes.bytes, r.bytes.n);
    buf_add(&padded, "behind", 6);
    close(r.source.fd);
    r.source.fd = sample_fd(padded.bytes, padded.n);
    r.source.offset = 5001;

    assert_int_equal(codec_inspect(codec_workers, &r.source, &facts, &digests, &err), 0);

    assert_memory_equal(&digests.file, &r.digests.file, DIGEST_BYTES);
    assert_string_equal(facts.sop_instance, "2.25.2000.1");
    assert_string_equal(facts.patient_id, "T1");
    buf_fini(&padded);
    forget(&r);
}

static void
native_files_are_made_of_coded_ones(void **state)
{
    static const char *const to[] = {DCM_UID_IMPLICIT_LE, DCM_UID_EXPLICIT_LE};
    struct sample sample = {.samples = 3, .bits_allocated = 8, .is_by_plane = true, .frames = 2};
    struct codec_result coded;
    struct codec_source source;
    struct err err = {0};
    struct received r;

    (void)state;
    receive(&sample, &r);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    source = coded_source(&coded);

    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        struct codec_source native = {0};
        struct dcm_digests digests;
        struct dcm_facts facts;

        if (codec_transcode(codec_workers, &source, to[i], &native.fd, &native.size, &err) < 0 ||
            codec_inspect(codec_workers, &native, &facts, &digests, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(facts.transfer_syntax, to[i]);
        assert_memory_equal(digests.pixels, r.digests.pixels, DIGEST_BYTES);
        assert_memory_equal(digests.dataset, r.digests.dataset, DIGEST_BYTES);
        close(native.fd);
    }
    assert_int_equal(
        codec_transcode(codec_workers, &source, DCM_UID_J2K, &source.fd, &source.size, &err), -1);
    codec_result_fini(&coded);
    forget(&r);
}

static void
frames_are_decoded_one_by_one(void **state)
{
    struct sample sample = {.frames = 3};
    struct codec_image image;
    struct codec_result coded;
    struct codec_source source;
    struct err err = {0};
    struct received r;
    struct buf pixels;
    size_t frame_n = 48 * 40 * 2;

    (void)state;
    receive(&sample, &r);
    buf_init(&pixels, 1U << 20);
    sample_pixels(&sample, &pixels);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    source = coded_source(&coded);

    for (uint32_t f = 1; f <= 3; f++) {
        const struct codec_source *sources[] = {&source, &r.source};

        for (size_t i = 0; i < 2; i++) {
            if (codec_frame(codec_workers, sources[i], f, 0, NULL, &image, &err) < 0)
                fail_msg("%s", err.text);
            assert_int_equal(image.pixels_n, frame_n);
            assert_memory_equal(image.pixels, pixels.bytes + (f - 1) * frame_n, frame_n);
            assert_int_equal(image.bits_stored, 12);
            assert_string_equal(image.photometric, "MONOCHROME2");
            codec_image_fini(&image);
        }
    }
    assert_int_equal(codec_frame(codec_workers, &source, 4, 0, NULL, &image, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(codec_frame(codec_workers, &source, 0, 0, NULL, &image, &err), -1);
    buf_fini(&pixels);
    codec_result_fini(&coded);
    forget(&r);
}

/* Mean square of what a preview of k layers is off. */
static double
preview_error(const struct codec_source *source, const struct codec_result *coded, uint32_t frame,
              uint8_t layers, const uint8_t *truth)
{
    struct codec_image image;
    struct err err = {0};
    double sum = 0;
    size_t n;

    if (codec_frame(codec_workers, source, frame, layers, coded->layout, &image, &err) < 0)
        fail_msg("layer %u: %s", layers, err.text);
    assert_int_equal(image.layers, layers);
    n = image.pixels_n / 2;
    for (size_t i = 0; i < n; i++) {
        double d = le16_read(image.pixels + 2 * i) - (double)le16_read(truth + 2 * i);

        sum += d * d;
    }
    codec_image_fini(&image);
    return sum / (double)n;
}

static void
a_preview_needs_only_its_layers(void **state)
{
    struct sample sample = {.cols = 256, .rows = 256, .frames = 2};
    struct codec_result coded;
    struct codec_source sparse;
    struct err err = {0};
    struct received r;
    struct buf pixels;
    uint8_t *bytes;
    double before = 1e12;

    (void)state;
    receive(&sample, &r);
    buf_init(&pixels, 1U << 20);
    sample_pixels(&sample, &pixels);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    assert_int_equal(coded.layout->layers, 2);
    bytes = bytes_of(coded.coded_fd, coded.coded_size);

    for (uint8_t k = 1; k <= 2; k++) {
        uint8_t *some = mem_new(coded.coded_size);
        struct range *ranges = NULL;
        size_t n;
        double off;

        layout_ranges(coded.layout, k, &ranges, &n);
        for (size_t i = 0; i < n; i++)
            memcpy(some + ranges[i].from, bytes + ranges[i].from, ranges[i].to - ranges[i].from);
        sparse = coded_source(&coded);
        sparse.fd = sample_fd(some, coded.coded_size);
        off = preview_error(&sparse, &coded, 2, k, pixels.bytes + 256 * 256 * 2);
        assert_true(off < before || off == 0);
        before = off;
        close(sparse.fd);
        free(ranges);
        free(some);
    }

    assert_true(before == 0);
    assert_true(layout_first_look_bytes(coded.layout) * 5 < coded.coded_size);
    free(bytes);
    buf_fini(&pixels);
    codec_result_fini(&coded);
    forget(&r);
}

static void
a_preview_of_missing_bytes_is_refused(void **state)
{
    struct sample sample = {.cols = 128, .rows = 128};
    struct codec_result coded;
    struct codec_source source;
    struct codec_image image;
    struct err err = {0};
    struct received r;
    uint8_t *bytes;

    (void)state;
    receive(&sample, &r);
    assert_int_equal(codec_encode(codec_workers, &r.source, NULL, &coded, &err), 0);
    bytes = bytes_of(coded.coded_fd, coded.coded_size);
    memset(bytes + coded.layout->frame_start[0], 0,
           coded.coded_size - coded.layout->frame_start[0]);
    source = coded_source(&coded);
    source.fd = sample_fd(bytes, coded.coded_size);

    assert_int_equal(codec_frame(codec_workers, &source, 1, 1, coded.layout, &image, &err), -1);

    assert_int_equal(err.kind, ERR_REJECT);
    close(source.fd);
    free(bytes);
    codec_result_fini(&coded);
    forget(&r);
}

static void
what_is_no_dicom_is_refused(void **state)
{
    static const char *const rows[] = {"", "x", "not DICOM at all, but some bytes all the same"};
    struct dcm_digests digests;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct codec_source source = {.fd = sample_fd(rows[i], strlen(rows[i])),
                                      .size = strlen(rows[i])};
        struct codec_result coded;
        struct err err = {0};

        assert_int_equal(codec_inspect(codec_workers, &source, NULL, &digests, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(codec_encode(codec_workers, &source, NULL, &coded, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        close(source.fd);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_coded_comes_back_bit_for_bit),
        cmocka_unit_test(padding_has_the_sign_of_its_pixels),
        cmocka_unit_test(what_might_lose_a_bit_is_left_alone),
        cmocka_unit_test(coding_can_be_switched_off),
        cmocka_unit_test(sabotage_is_refused),
        cmocka_unit_test(proof_of_other_digests_is_refused),
        cmocka_unit_test(a_source_may_be_part_of_a_file),
        cmocka_unit_test(native_files_are_made_of_coded_ones),
        cmocka_unit_test(frames_are_decoded_one_by_one),
        cmocka_unit_test(a_preview_needs_only_its_layers),
        cmocka_unit_test(a_preview_of_missing_bytes_is_refused),
        cmocka_unit_test(what_is_no_dicom_is_refused),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, codec_workers_start, codec_workers_stop);
}
