/* test_codec_hostile.c - malformed objects and streams cost a job each, never the pool.
 * Needs ../shared/data/malformed; skipped without. */
#include "proto/codec/codec.h"

#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/codec/codestream.h"
#include "tests/support/process_cost.h"
#include "tests/support/sample_image.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "../shared/data/malformed/"
#define OBJECT_CPU_MOST 30.0 /* seconds, of a build with sanitizers */

static struct codec_pool *pool;
static unsigned deaths;

static void
check_answer(const char *name, const char *what, int rc, const struct err *err)
{
    if (rc == 0)
        return;
    if (err->kind != ERR_REJECT && err->kind != ERR_NOT_FOUND)
        fail_msg("%s: %s: %s: %s", name, what, err_kind_name(err->kind), err->text);
    if (strstr(err->text, "codec worker") != NULL)
        deaths++;
}

/* Of this process and its workers, the ended ones too: what others do on this machine costs none.
 */
static double
cpu_seconds(void)
{
    struct rusage ended;

    assert_int_equal(getrusage(RUSAGE_CHILDREN, &ended), 0);
    return process_cpu_seconds(getpid()) + (double)(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) +
           (double)(ended.ru_utime.tv_usec + ended.ru_stime.tv_usec) / 1e6;
}

/* Every job on it. What could be inspected was given its digests, or none of it is kept. */
static void
try_object(const char *name, const uint8_t *bytes, size_t n)
{
    struct codec_source source = {.fd = sample_fd(bytes, n), .size = n};
    struct dcm_digests digests;
    struct codec_result coded;
    struct codec_image image;
    struct err err = {0};
    double begin = cpu_seconds();
    uint64_t native_n;
    int native, rc;

    check_answer(name, "inspect", codec_inspect(pool, &source, NULL, &digests, &err), &err);
    rc = codec_encode(pool, &source, NULL, &coded, &err);
    check_answer(name, "encode", rc, &err);
    if (rc == 0)
        codec_result_fini(&coded);
    rc = codec_frame(pool, &source, 1, 0, NULL, &image, &err);
    check_answer(name, "frame", rc, &err);
    if (rc == 0)
        codec_image_fini(&image);
    rc = codec_transcode(pool, &source, "1.2.840.10008.1.2.1", &native, &native_n, &err);
    check_answer(name, "transcode", rc, &err);
    if (rc == 0)
        close(native);
    close(source.fd);
    if (cpu_seconds() - begin > OBJECT_CPU_MOST)
        fail_msg("%s: %.1f s of a processor", name, cpu_seconds() - begin);
}

static void
good_image_still_works(void)
{
    struct sample sample = {0};
    struct dcm_digests digests;
    struct err err = {0};
    struct buf b;
    struct codec_source source = {0};

    buf_init(&b, 1U << 20);
    sample_image(&sample, &b);
    source.fd = sample_fd(b.bytes, b.n);
    source.size = b.n;
    for (int i = 0; i < 4; i++)
        if (codec_inspect(pool, &source, NULL, &digests, &err) < 0)
            fail_msg("the next good image: %s", err.text);
    close(source.fd);
    buf_fini(&b);
}

/* Calls `each` with every file of a folder; false if there is no such folder. */
static bool
for_each_file(const char *folder, void (*each)(const char *, const uint8_t *, size_t))
{
    DIR *dir = opendir(folder);
    const struct dirent *e;

    if (dir == NULL)
        return false;
    while ((e = readdir(dir)) != NULL) {
        char path[512];
        uint8_t *bytes = NULL;
        size_t n;
        struct err err = {0};

        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (durable_get_file(path, 1U << 28, &bytes, &n, &err) < 0)
            fail_msg("%s", err.text);
        each(path, bytes, n);
        free(bytes);
    }
    closedir(dir);
    return true;
}

static void
malformed_objects_cost_a_job_each(void **state)
{
    static const char *const folders[] = {DATA "own/dcm", DATA "dicom-pydicom",
                                          DATA "dicom-fodicom", DATA "dicom-orthanc",
                                          DATA "dicom-dcm4che"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (!for_each_file(folders[i], try_object))
            skip();
    good_image_still_works();
}

static void
try_in_capsule(const char *name, const struct sample *sample, const char *syntax,
               const uint8_t *bytes, size_t n)
{
    struct buf b;

    buf_init(&b, 1U << 29);
    sample_capsule(sample, syntax, bytes, n, &b);
    try_object(name, b.bytes, b.n);
    buf_fini(&b);
}

/* Of the size the stream says, where it says one, so that it gets as far as the decoder. */
static void
try_j2k(const char *name, const uint8_t *bytes, size_t n)
{
    struct sample sample = {.cols = 512, .rows = 512};
    struct codestream s;
    struct err err = {0};
    size_t at, stream_n;

    if (codestream_find(bytes, n, &at, &stream_n) &&
        codestream_read(bytes + at, stream_n, &s, &err) == 0 && s.cols < 65536 && s.rows < 65536) {
        sample.cols = s.cols, sample.rows = s.rows;
        sample.samples = s.components == 3 ? 3 : 1;
        sample.bits_allocated = s.precision <= 8 ? 8 : 16;
        sample.bits_stored = s.precision <= 16 ? s.precision : 16;
    }
    try_in_capsule(name, &sample, "1.2.840.10008.1.2.4.90", bytes, n);
}

static void
malformed_jpeg_2000_costs_a_job_each(void **state)
{
    (void)state;
    if (!for_each_file(DATA "jpeg2000-openjpeg", try_j2k))
        skip();
    good_image_still_works();
}

static void
try_jpegls(const char *name, const uint8_t *bytes, size_t n)
{
    struct sample sample = {.cols = 256, .rows = 256, .bits_allocated = 8};

    try_in_capsule(name, &sample, "1.2.840.10008.1.2.4.80", bytes, n);
}

static void
malformed_jpeg_ls_costs_a_job_each(void **state)
{
    (void)state;
    if (!for_each_file(DATA "jpegls-charls", try_jpegls))
        skip();
    good_image_still_works();
}

/* SOFn's size and components. */
static void
try_jpeg(const char *name, const uint8_t *bytes, size_t n)
{
    struct sample sample = {.cols = 64, .rows = 64, .bits_allocated = 8, .samples = 3};
    unsigned kind = 0xC0;

    for (size_t i = 0; i + 9 < n; i++)
        if (bytes[i] == 0xFF && bytes[i + 1] >= 0xC0 && bytes[i + 1] <= 0xC3) {
            kind = bytes[i + 1];
            sample.rows = (uint32_t)(bytes[i + 5] << 8 | bytes[i + 6]);
            sample.cols = (uint32_t)(bytes[i + 7] << 8 | bytes[i + 8]);
            sample.samples = bytes[i + 9] == 1 ? 1 : 3;
            sample.bits_allocated = bytes[i + 4] <= 8 ? 8 : 16;
            break;
        }
    try_in_capsule(name, &sample,
                   kind == 0xC3   ? "1.2.840.10008.1.2.4.57"
                   : kind == 0xC0 ? "1.2.840.10008.1.2.4.50"
                                  : "1.2.840.10008.1.2.4.51",
                   bytes, n);
}

static void
malformed_jpeg_costs_a_job_each(void **state)
{
    (void)state;
    if (!for_each_file(DATA "jpeg-libjpeg-turbo", try_jpeg) ||
        !for_each_file(DATA "jpeg-afl", try_jpeg))
        skip();
    good_image_still_works();
}

static int
start(void **state)
{
    struct err err = {0};

    (void)state;
    return codec_pool_new(2, &pool, &err);
}

static int
stop(void **state)
{
    struct rusage used;

    (void)state;
    codec_pool_free(&pool);
    assert_int_equal(getrusage(RUSAGE_CHILDREN, &used), 0);
    print_message("%u jobs were ended with their worker; the largest had %ld MiB\n", deaths,
                  used.ru_maxrss >> 10);
    return (uint64_t)used.ru_maxrss << 10 > LIMIT_WORKER_MEMORY_BYTES;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_objects_cost_a_job_each),
        cmocka_unit_test(malformed_jpeg_2000_costs_a_job_each),
        cmocka_unit_test(malformed_jpeg_ls_costs_a_job_each),
        cmocka_unit_test(malformed_jpeg_costs_a_job_each),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
