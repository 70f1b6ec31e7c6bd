/* test_convert.c - every native file of the set is converted, digests agree, and the recipe
 * restores it; malformed recipes are refused. */
#include "proto/base/durable.h"
#include "proto/dicom/convert.h"
#include "proto/dicom/dataset_digest.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/write.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data"

static struct {
    unsigned converted, refused_coding, failed;
    size_t recipe_max, recipe_sum;
    char failures[2000];
} tally;

static int
to_buf(void *user, const void *bytes, size_t n, struct err *err)
{
    buf_add(user, bytes, n);
    return buf_is_over(user) ? err_set(err, ERR_REJECT, "over") : 0;
}

/* The coded file with a stand-in for its pixels. */
static void
make_coded(const struct dcm_converted *c, bool has_pixels, struct buf *out)
{
    static const char stand_in[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0"
                                   "\xFE\xFF\0\xE0\x04\0\0\0\xFF\x4F\xFF\x51\xFE\xFF\xDD\xE0\0\0\0";

    buf_add(out, c->head.bytes, c->head.n);
    if (has_pixels)
        buf_add(out, stand_in, sizeof stand_in);
    buf_add(out, c->tail.bytes, c->tail.n);
}

static void
note_failure(const char *path, const char *what)
{
    size_t n = strlen(tally.failures);

    tally.failed++;
    snprintf(tally.failures + n, sizeof tally.failures - n, "\n%s: %s", path, what);
}

static void
try_bytes(const char *path, const uint8_t *bytes, size_t n)
{
    struct dcm_change change = {"1.2.840.10008.1.2.4.90", NULL, true};
    uint8_t before[32], after[32], pixels_digest[32], *pixels;
    struct dcm_converted c;
    struct dcm_facts *facts = mem_new(sizeof *facts);
    struct dcm_part10 p10;
    struct dcm_pixels p = {0};
    struct buf coded, back;
    struct err err;
    bool is_decoded;

    dcm_converted_init(&c);
    buf_init(&coded, 1u << 30);
    buf_init(&back, 1u << 30);
    if (dcm_facts_read(bytes, n, false, facts, &err) < 0 ||
        dcm_dataset_digest(bytes, n, before, &err) < 0 ||
        dcm_pixels_digest(bytes, n, NULL, NULL, pixels_digest, &is_decoded, &err) < 0 ||
        dcm_part10_parse(bytes, n, &p10, &err) < 0)
        goto out; /* not readable: not convertible either */
    if (strcmp(facts->photometric, "RGB") == 0)
        change.photometric = "YBR_RCT";
    if (dcm_convert(bytes, n, &change, &c, &err) < 0) {
        if (strstr(err.text, "deflated") != NULL || strstr(err.text, "not native") != NULL ||
            strstr(err.text, "not of integers") != NULL)
            tally.refused_coding++;
        else
            note_failure(path, err.text);
        goto out;
    }
    tally.converted++;
    tally.recipe_sum += c.recipe.n;
    if (c.recipe.n > tally.recipe_max)
        tally.recipe_max = c.recipe.n;
    make_coded(&c, facts->has_pixels, &coded);
    if (dcm_dataset_digest(coded.bytes, coded.n, after, &err) < 0)
        note_failure(path, err.text);
    else if (memcmp(before, after, 32) != 0)
        note_failure(path, "the coded file has another data set digest");
    assert_int_equal(dcm_pixels_find(bytes + p10.dataset_at, n - p10.dataset_at, &p10, &p, &err),
                     0);
    pixels = mem_new((size_t)c.pixels_n + 1);
    if (c.pixels_n > 0)
        dcm_pixels_to_canonical(&p, bytes + p10.dataset_at, pixels);
    if (dcm_restore(coded.bytes, coded.n, c.recipe.bytes, c.recipe.n, pixels, (size_t)c.pixels_n,
                    to_buf, &back, &err) < 0)
        note_failure(path, err.text);
    else if (back.n != n || memcmp(back.bytes, bytes, n) != 0)
        note_failure(path, "restored to other bytes");
    free(pixels);
    dcm_pixels_fini(&p);
out:
    buf_fini(&back);
    buf_fini(&coded);
    dcm_converted_fini(&c);
    free(facts);
}

static int
try_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    uint8_t *bytes = NULL;
    struct err err;
    size_t n;

    (void)where;
    if (kind != FTW_F || st->st_size > (64 << 20) || strstr(path, "/malformed/http") != NULL)
        return 0;
    assert_int_equal(durable_get_file(path, 1u << 27, &bytes, &n, &err), 0);
    try_bytes(path, bytes, n);
    free(bytes);
    return 0;
}

static void
every_native_file_comes_back_byte_for_byte(void **state)
{
    static const char *const folders[] = {"charsets",
                                          "ct-series/ge-hispeed-head-tilt",
                                          "display",
                                          "dx",
                                          "ecg",
                                          "mg",
                                          "mr-series",
                                          "multiframe",
                                          "other-sop",
                                          "sr-pdf",
                                          "transfer-syntaxes",
                                          "us"};
    char path[256];

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    memset(&tally, 0, sizeof tally);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof path, DATA "/%s", folders[i]);
        assert_int_equal(nftw(path, try_file, 8, FTW_PHYS), 0);
    }
    print_message("%u converted, %u of other codings, recipes %zu bytes on average, %zu at most\n",
                  tally.converted, tally.refused_coding,
                  tally.recipe_sum / (tally.converted > 0 ? tally.converted : 1), tally.recipe_max);
    if (tally.failed > 0)
        fail_msg("%u failed:%s", tally.failed, tally.failures);
    assert_true(tally.converted > 250);
}

/* What is irregular is either restored or refused, never lost. */
static void
malformed_files_are_restored_or_refused(void **state)
{
    (void)state;
    if (access(DATA "/malformed", R_OK) < 0)
        skip();
    memset(&tally, 0, sizeof tally);
    assert_int_equal(nftw(DATA "/malformed", try_file, 8, FTW_PHYS), 0);
    print_message("%u converted, %u of other codings, refused:%s\n", tally.converted,
                  tally.refused_coding, tally.failures);
    assert_null(strstr(tally.failures, "another data set digest"));
    assert_null(strstr(tally.failures, "restored to other bytes"));
}

/* An implicit little endian object with everything odd: lengths, group lengths, defined and
 * undefined sequences, an empty item, a long short VR, trailing padding. */
static void
make_odd(struct buf *out)
{
    struct dcm_writer w;
    struct err err;

    assert_int_equal(
        part10_head(out, "1.2.840.10008.5.1.4.1.1.7", "1.2.3", DCM_UID_IMPLICIT_LE, NULL, &err), 0);
    buf_add(out, "\x08\0\0\0\x04\0\0\0\x10\0\0\0", 12); /* group length */
    buf_add(out,
            "\x08\0\x18\0\x05\0\0\0"
            "1.2.3",
            13);                                 /* odd */
    buf_add(out, "\x08\0\x40\x11\x1B\0\0\0", 8); /* defined sequence of 27 bytes */
    buf_add(out, "\xFE\xFF\0\xE0\0\0\0\0", 8);   /* empty item */
    buf_add(out, "\xFE\xFF\0\xE0\x0B\0\0\0", 8); /* item of 11 bytes */
    buf_add(out,
            "\x08\0\x50\x11\x03\0\0\0"
            "1.2",
            11);                                       /* odd, last in its item */
    buf_add(out, "\x09\0\x10\0\x04\0\0\0TEST", 12);    /* private creator */
    buf_add(out, "\x09\0\x01\x10\xFF\xFF\xFF\xFF", 8); /* private, undefined */
    buf_add(out, "\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF", 8);
    buf_add(out, "\x09\0\0\0\x04\0\0\0\0\0\0\0", 12); /* group length in an item */
    buf_add(out, "\x08\0\x60\0\x02\0\0\0CT", 10);
    buf_add(out, "\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0", 16);
    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    buf_add(out, "\x10\0\0\x40\x01\0\x01\0", 8); /* LT of 65537 bytes */
    for (int i = 0; i < 65537; i++)
        buf_add_u8(out, 'x');
    dcm_write_u16(&w, 0x00280002, 3);
    dcm_write_text(&w, 0x00280004, NULL, "RGB");
    dcm_write_u16(&w, 0x00280006, 1);
    dcm_write_u16(&w, 0x00280010, 1);
    dcm_write_u16(&w, 0x00280011, 3);
    dcm_write_u16(&w, 0x00280100, 8);
    buf_add(out, "\xE0\x7F\x10\0\x0A\0\0\0rrrgggbbb\x55", 18);  /* planar, odd, odd pad */
    buf_add(out, "\xFC\xFF\xFC\xFF\x06\0\0\0\0\0\0\0\0\0", 14); /* trailing padding */
}

static void
an_odd_object_comes_back(void **state)
{
    struct buf file;

    (void)state;
    memset(&tally, 0, sizeof tally);
    buf_init(&file, 1 << 20);
    make_odd(&file);
    try_bytes("odd", file.bytes, file.n);
    if (tally.failed > 0)
        fail_msg("%s", tally.failures);
    assert_int_equal(tally.converted, 1);
    assert_true(tally.recipe_max < 600);
    buf_fini(&file);
}

static void
a_damaged_recipe_is_refused(void **state)
{
    struct dcm_change change = {"1.2.840.10008.1.2.4.90", NULL, true};
    struct dcm_converted c;
    struct buf file, coded, back;
    struct err err;

    (void)state;
    buf_init(&file, 1 << 20);
    buf_init(&coded, 1 << 20);
    buf_init(&back, 1 << 20);
    make_odd(&file);
    dcm_converted_init(&c);
    assert_int_equal(dcm_convert(file.bytes, file.n, &change, &c, &err), 0);
    make_coded(&c, true, &coded);
    for (size_t i = 0; i < c.recipe.n; i++) {
        c.recipe.bytes[i] ^= 1;
        assert_int_equal(dcm_restore(coded.bytes, coded.n, c.recipe.bytes, c.recipe.n,
                                     (const uint8_t *)"123456789", 9, to_buf, &back, &err),
                         -1);
        c.recipe.bytes[i] ^= 1;
    }
    assert_int_equal(dcm_restore(coded.bytes, coded.n, c.recipe.bytes, c.recipe.n,
                                 (const uint8_t *)"12345678", 8, to_buf, &back, &err),
                     -1);
    dcm_converted_fini(&c);
    buf_fini(&back);
    buf_fini(&coded);
    buf_fini(&file);
}

/* Explicit and implicit rewriting keep the data set's digest. */
static void
rewriting_keeps_the_data_set(void **state)
{
    static const char *const files[] = {
        "transfer-syntaxes/ct-explicit-be.dcm",    "transfer-syntaxes/ct-deflated.dcm",
        "transfer-syntaxes/ct-j2k-lossless.dcm",   "transfer-syntaxes/ct-implicit-le.dcm",
        "transfer-syntaxes/ect-2f-bot-rle.dcm",    "us/us-j2k-ybr_rct.dcm",
        "multiframe/enhanced-mr-color-siemens.dcm"};

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct dcm_change change = {DCM_UID_EXPLICIT_LE, "RGB", true};
        uint8_t *bytes = NULL, before[32], after[32];
        struct buf head, tail, native;
        char path[256];
        struct err err;
        size_t n;

        if (strncmp(files[i], "us/", 3) != 0)
            change.photometric = NULL;
        snprintf(path, sizeof path, DATA "/%s", files[i]);
        assert_int_equal(durable_get_file(path, 1u << 27, &bytes, &n, &err), 0);
        assert_int_equal(dcm_dataset_digest(bytes, n, before, &err), 0);
        buf_init(&head, 1 << 26);
        buf_init(&tail, 1 << 26);
        buf_init(&native, 64);
        assert_int_equal(dcm_native_header(&native, DCM_EXPLICIT_LE, 16, 2, &err), 0);
        buf_add(&native, "\0", 2);
        if (dcm_rewrite(bytes, n, &change, DCM_EXPLICIT_LE, &head, &tail, &err) < 0)
            fail_msg("%s: %s", files[i], err.text);
        buf_add(&head, native.bytes, native.n);
        buf_add(&head, tail.bytes, tail.n);
        assert_int_equal(dcm_dataset_digest(head.bytes, head.n, after, &err), 0);
        assert_memory_equal(before, after, 32);
        buf_fini(&native);
        buf_fini(&tail);
        buf_fini(&head);
        free(bytes);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_odd_object_comes_back),
        cmocka_unit_test(a_damaged_recipe_is_refused),
        cmocka_unit_test(every_native_file_comes_back_byte_for_byte),
        cmocka_unit_test(malformed_files_are_restored_or_refused),
        cmocka_unit_test(rewriting_keeps_the_data_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
