/* test_scp_beats.c - an SCP-ECG whose reference beat was subtracted reads back sample for sample.
 * No cart's file of this kind is at hand: the encoder is tests/support/import_files.c, written
 * after the standard's text (EN 1064 5.7, 5.8), and knows nothing of the reader. */
#include "proto/dicom/ecg/ecg.h"
#include "proto/dicom/ecg/scp_parts.h"
#include "tests/support/import_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct import_ecg ten_seconds = {
    .leads = 12, .samples = 5000, .hertz = 500, .code = SCP_DEFAULT_TABLE, .beat_steps = 1};

static void
a_subtracted_beat_is_put_back(void **state)
{
    static const struct {
        const char *name;
        enum import_scp_code code;
        unsigned difference, leads, beat_steps;
        const char *sensitivity;
    } rows[] = {
        {"plain", SCP_PLAIN, 0, 12, 1, "2.5"},          {"differences", SCP_PLAIN, 2, 8, 1, "2.5"},
        {"table", SCP_DEFAULT_TABLE, 2, 12, 1, "2.5"},  {"own", SCP_OWN_TABLE, 1, 8, 2, "2.5"},
        {"coarse", SCP_DEFAULT_TABLE, 2, 12, 4, "2.5"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct import_ecg e = ten_seconds;
        struct ecg *read = NULL;
        struct buf file;
        struct err err;

        e.code = rows[i].code;
        e.difference = rows[i].difference;
        e.leads = rows[i].leads;
        e.beat_steps = rows[i].beat_steps;
        buf_init(&file, 8 << 20);
        import_file_scp(&e, &file);

        if (ecg_read_scp(file.bytes, file.n, &read, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);

        assert_int_equal(read->group_count, 1);
        assert_int_equal(read->groups[0].channel_count, e.leads);
        for (unsigned c = 0; c < e.leads; c++) {
            assert_string_equal(read->groups[0].channels[c].sensitivity, rows[i].sensitivity);
            for (uint32_t k = 0; k < e.samples; k++)
                if (read->groups[0].channels[c].samples[k] != import_sample(import_leads[c], k))
                    fail_msg("%s: lead %u sample %u", rows[i].name, c, k);
        }
        ecg_free(&read);
        buf_fini(&file);
    }
}

/* Where a section's content begins, by the pointers of section 0. */
static uint8_t *
section_of(const struct buf *file, unsigned id)
{
    return file->bytes + le32_read(file->bytes + 22 + 10 * id + 6) - 1 + 16;
}

/* One change to a whole file: it is refused, and says why. */
static void
expect_refused(const char *name, unsigned id, size_t at, uint8_t value, const char *word)
{
    struct ecg *read = NULL;
    struct buf file;
    struct err err;

    buf_init(&file, 8 << 20);
    import_file_scp(&ten_seconds, &file);
    section_of(&file, id)[at] = value;
    import_scp_seal(file.bytes, file.n);
    if (ecg_read_scp(file.bytes, file.n, &read, &err) == 0)
        fail_msg("%s was taken", name);
    if (err.kind != ERR_REJECT || strstr(err.text, word) == NULL)
        fail_msg("%s: %s", name, err.text);
    buf_fini(&file);
}

static void
beats_that_cannot_be_right_are_refused_in_words(void **state)
{
    (void)state;
    expect_refused("longer than it is", 4, 1, 0xFF, "code ends");
    expect_refused("no fiducial point", 4, 2, 0, "where beats are");
    expect_refused("too many beats", 4, 5, 0x70, "where beats are");
    expect_refused("over one another", 4, 6 + 14 + 3, 0, "over another");
    expect_refused("ends before it begins", 4, 6 + 11, 0, "no sensible length");
    expect_refused("no known differences", 5, 4, 3, "section 5");
    expect_refused("another rate", 5, 2, 0xE8, "sampling rate");
    expect_refused("bimodal", 6, 5, 1, "bimodal");
}

static void
a_beat_that_is_not_there_is_refused(void **state)
{
    struct ecg *read = NULL;
    struct buf file;
    struct err err;

    (void)state;
    buf_init(&file, 8 << 20);
    import_file_scp(&ten_seconds, &file);
    memset(file.bytes + 22 + 10 * 5 + 2, 0, 8);
    import_scp_seal(file.bytes, file.n);

    assert_int_equal(ecg_read_scp(file.bytes, file.n, &read, &err), -1);

    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "is not there"));
    buf_fini(&file);
}

/* Of this thread's processor time, whatever else runs. */
static int64_t
processor_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As many and as long zones as a section 4 can tell of, nearly all of them past the recording. */
static void
zones_past_the_recording_cost_no_time(void **state)
{
    enum { ZONES = 65535, LENGTH = 65536, LEADS = 24, SAMPLES = 100000 };
    struct scp_beats beats = {.fiducial = 1, .count = 2, .zone_count = ZONES};
    int32_t *values = mem_new(SAMPLES * sizeof *values), beat[] = {5, 7};
    int64_t before_ms;

    (void)state;
    beats.zones = mem_new(ZONES * sizeof *beats.zones);
    for (uint32_t i = 0; i < ZONES; i++)
        beats.zones[i] =
            (struct scp_zone){i * LENGTH + 1, i * LENGTH + 1, i * LENGTH + (uint32_t)LENGTH};
    before_ms = processor_ms();
    for (unsigned lead = 0; lead < LEADS; lead++) {
        beats.samples[lead] = beat;
        scp_beats_add(&beats, lead, 2, 1, values, SAMPLES);
    }
    assert_true(processor_ms() - before_ms < 1000);
    assert_int_equal(values[0], LEADS * 7); /* the lead begins within the first */
    assert_int_equal(values[LENGTH - 1], LEADS * 5);
    assert_int_equal(values[LENGTH], LEADS * 7);
    assert_int_equal(values[SAMPLES - 1], 0);
    free(values);
    free(beats.zones);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subtracted_beat_is_put_back),
        cmocka_unit_test(beats_that_cannot_be_right_are_refused_in_words),
        cmocka_unit_test(a_beat_that_is_not_there_is_refused),
        cmocka_unit_test(zones_past_the_recording_cost_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
