/* test_odd_senders.c - what some senders put around a data set is no part of it, for any job of the
 * codec, and comes back all the same. */
#include "proto/codec/codec.h"
#include "proto/dicom/part10.h"
#include "proto/trust/digest.h"
#include "tests/support/codec_workers.h"
#include "tests/support/odd_sender.h"
#include "tests/support/sample_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct codec_source
source_of(const struct buf *bytes)
{
    return (struct codec_source){.fd = sample_fd(bytes->bytes, bytes->n), .size = bytes->n};
}

/* The file is an image whose data set begins at dataset_at: its digests before it was odd. */
static void
make_odd(const struct odd_sender *odd, const struct sample *sample, struct buf *out,
         struct dcm_digests *out_clean)
{
    struct codec_source source;
    struct dcm_part10 p10;
    struct err err = {0};

    buf_init(out, 1 << 20);
    sample_image(sample, out);
    source = source_of(out);
    assert_int_equal(codec_inspect(codec_workers, &source, NULL, out_clean, &err), 0);
    close(source.fd);
    assert_int_equal(dcm_part10_parse(out->bytes, out->n, &p10, &err), 0);
    odd_sender_sends(odd, out, p10.dataset_at);
}

/* All n bytes; the descriptor is closed. */
static uint8_t *
take_bytes(int fd, uint64_t n)
{
    uint8_t *bytes = mem_new((size_t)n + 1);

    assert_int_equal(pread(fd, bytes, (size_t)n, 0), (ssize_t)n);
    close(fd);
    return bytes;
}

static void
comes_back(const struct odd_sender *odd, const struct buf *file, struct codec_result *coded,
           const struct dcm_digests *digests)
{
    struct codec_source source = {.fd = coded->coded_fd,
                                  .size = coded->coded_size,
                                  .recipe = coded->recipe,
                                  .recipe_n = coded->recipe_n};
    const struct codec_claim claim = {digests, digests->file, NULL, 0};
    struct err err = {0};
    uint64_t n = 0;
    uint8_t *bytes;
    int fd = -1;

    if (codec_prove(codec_workers, &source, &claim, &err) < 0 ||
        codec_restore(codec_workers, &source, &fd, &n, &err) < 0)
        fail_msg("%s: %s", odd->name, err.text);
    assert_int_equal(n, file->n);
    bytes = take_bytes(fd, n);
    assert_memory_equal(bytes, file->bytes, n);
    free(bytes);
}

static void
it_is_the_same_image_whose_coded_file_is_as_clean_as_any(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ODD_SENDERS; i++) {
        const struct odd_sender *odd = &odd_senders[i / 2];
        const struct sample sample = {.is_implicit = i % 2 == 0};
        struct dcm_digests clean, digests;
        struct codec_result coded;
        struct codec_source source;
        struct dcm_part10 p10;
        struct err err = {0};
        struct buf file;
        uint8_t *bytes;

        make_odd(odd, &sample, &file, &clean);
        source = source_of(&file);

        if (codec_inspect(codec_workers, &source, NULL, &digests, &err) < 0 ||
            codec_encode(codec_workers, &source, NULL, &coded, &err) < 0 || coded.coded_fd < 0)
            fail_msg("%s: %s", odd->name, err.text[0] != 0 ? err.text : coded.why_not);
        assert_memory_equal(digests.pixels, clean.pixels, DIGEST_BYTES);
        assert_memory_equal(digests.dataset, clean.dataset, DIGEST_BYTES);
        bytes = take_bytes(dup(coded.coded_fd), coded.coded_size);
        assert_int_equal(dcm_part10_parse(bytes, coded.coded_size, &p10, &err), 0);
        assert_int_equal(p10.dataset_at, p10.meta_end);
        assert_string_equal(p10.transfer_syntax, DCM_UID_J2K_LOSSLESS);
        comes_back(odd, &file, &coded, &digests);
        free(bytes);
        codec_result_fini(&coded);
        close(source.fd);
        buf_fini(&file);
    }
}

int
main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_same_image_whose_coded_file_is_as_clean_as_any),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, codec_workers_start, codec_workers_stop);
}
