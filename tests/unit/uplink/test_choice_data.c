/* test_choice_data.c - where the line is the bottleneck, what is chosen is never more than 3 %
 * larger than the smaller of both codings, all of the file counted. Needs ../shared/data; skipped
 * without. */
#include "gateway/uplink/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA "../shared/data/"
#define SLOW_LINE 500000.0 /* bytes a second: 4 Mbit/s */

static struct codec_pool *pool;

/* With native pixels, as modalities send it. */
static struct codec_source
native(const char *path)
{
    struct codec_source received = {.fd = open(path, O_RDONLY | O_CLOEXEC)}, source = {.fd = -1};
    struct err err = {0};
    struct stat st;

    assert_true(received.fd >= 0);
    assert_int_equal(fstat(received.fd, &st), 0);
    received.size = (uint64_t)st.st_size;
    if (codec_transcode(pool, &received, "1.2.840.10008.1.2.1", &source.fd, &source.size, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    close(received.fd);
    return source;
}

static uint64_t
size_as(const struct codec_source *source, enum codec_coding coding)
{
    struct codec_policy policy = {.coding = coding};
    struct codec_result result;
    struct err err = {0};
    uint64_t n;

    if (codec_encode(pool, source, &policy, &result, &err) < 0)
        fail_msg("%s", err.text);
    if (result.coded_fd < 0)
        fail_msg("not coded: %s", result.why_not);
    n = result.coded_size;
    codec_result_fini(&result);
    return n;
}

/* Alone, and the first of a study of 300. */
static enum codec_coding
chosen(uint64_t bytes, bool is_alone)
{
    struct choice_case now = {.bytes = bytes,
                              .waiting_images = is_alone ? 1 : 300,
                              .workers = 2,
                              .line_rate = SLOW_LINE,
                              .processors = 2};
    struct choice c = {.slowness = 1, .share = 0.4};

    return choice_make(&c, &now);
}

static void
on_a_slow_line_the_chosen_coding_is_at_most_3_percent_larger(void **state)
{
    static const struct {
        const char *name, *pattern;
    } rows[] = {
        {"CT, GE, signed 16", "ct-series/ge-hispeed-head-tilt/*.dcm"},
        {"CT 1 mm, Philips", "ct-series/philips-ingenuity-head-1mm/*.dcm"},
        {"CT scout, Philips", "ct-series/philips-ingenuity-scout/*.dcm"},
        {"MR EPI, Siemens", "mr-series/siemens-epi/*/*.dcm"},
        {"MR fMRI, GE", "mr-series/ge-mr750-fmri/*.dcm"},
        {"MR DTI, UIH", "mr-series/uih-umr770-dti/*.dcm"},
        {"MR enhanced, 96 frames", "multiframe/enhanced-mr-siemens-t1w-96f.dcm"},
        {"chest 14 bit", "dx/derived-dx-chest-14bit.dcm"},
        {"CR", "dx/cr*.dcm"},
        {"mammogram 12 bit", "mg/mg-ge-12bit-jpeg-lossless.dcm"},
        {"ultrasound RGB", "us/us-*rgb*.dcm"},
        {"ultrasound palette", "us/us-palette*.dcm"},
        {"PET", "other-sop/pet.dcm"},
        {"NM, 13 frames", "other-sop/nm-13f.dcm"},
    };
    unsigned seen = 0;

    (void)state;
    if (access(DATA, R_OK) < 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char pattern[256];
        glob_t found;

        snprintf(pattern, sizeof pattern, DATA "%s", rows[i].pattern);
        if (glob(pattern, 0, NULL, &found) != 0)
            fail_msg("%s: no file", rows[i].name);
        for (size_t k = 0; k < found.gl_pathc; k += found.gl_pathc / 2 + 1) {
            struct codec_source source = native(found.gl_pathv[k]);
            uint64_t layers = size_as(&source, CODEC_LAYERS);
            uint64_t fast = size_as(&source, CODEC_FAST);
            uint64_t best = layers < fast ? layers : fast, alone, queued;

            alone = size_as(&source, chosen(source.size, true));
            queued = size_as(&source, chosen(source.size, false));
            close(source.fd);
            print_message("%-24s %9llu %9llu chosen %+.1f %% %+.1f %%\n", rows[i].name,
                          (unsigned long long)layers, (unsigned long long)fast,
                          100.0 * (double)alone / (double)best - 100,
                          100.0 * (double)queued / (double)best - 100);
            if (alone * 100 > best * 103 || queued * 100 > best * 103)
                fail_msg("%s: more than 3 %% larger", found.gl_pathv[k]);
            seen++;
        }
        globfree(&found);
    }
    assert_true(seen >= ARRAY_LEN(rows));
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_slow_line_the_chosen_coding_is_at_most_3_percent_larger),
    };
    struct err err;
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (codec_pool_new(1, &pool, &err) < 0)
        return 1;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    codec_pool_free(&pool);
    return status;
}
