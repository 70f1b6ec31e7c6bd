/* test_dimse_stock.c - the archive's DIMSE door over a catalog of the test's own (archive_fake.h),
 * asked by DCMTK's findscu, getscu and movescu. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "proto/base/log.h"
#include "tests/support/run_program.h"
#include "tests/unit/serve/archive_fake.h"

#define STUDY FAKE_STUDY
#define SERIES_A FAKE_SERIES_A
#define SERIES_B FAKE_SERIES_B

/* A DCMTK query or retrieval with keys; what it said. */
static int
run(const char *program, const char *model, const char *const *more, char *out, size_t out_size)
{
    const char *argv[32] = {program, "-v", "-aet", "VIEWER", "-aec", "ARCHIVE", model};
    size_t n = 7;

    for (; *more != NULL && n < 28; more++)
        argv[n++] = *more;
    argv[n++] = "127.0.0.1";
    argv[n++] = port_text();
    return program_run(argv, NULL, out, out_size);
}

static size_t
count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

static void
findscu_finds_at_each_level_in_utf8(void **state)
{
    const char *const study[] = {
        "-k", "QueryRetrieveLevel=STUDY",      "-k", "PatientName=zhang*", "-k", "StudyInstanceUID",
        "-k", "NumberOfStudyRelatedInstances", "-k", "StudyDate",          NULL};
    const char *const series[] = {
        "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=" STUDY,
        "-k", "SeriesInstanceUID",         "-k", "Modality",
        NULL};
    const char *const image[] = {"-k", "QueryRetrieveLevel=IMAGE",
                                 "-k", "StudyInstanceUID=" STUDY,
                                 "-k", "SeriesInstanceUID=" SERIES_A,
                                 "-k", "SOPInstanceUID",
                                 "-k", "InstanceNumber",
                                 "-k", "Rows",
                                 NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    assert_int_equal(run("findscu", "-S", study, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 1);
    assert_non_null(strstr(out, "ISO_IR 192"));
    assert_non_null(strstr(out, "张^三"));
    assert_non_null(strstr(out, "[" STUDY));
    assert_non_null(strstr(out, "20260102"));
    assert_non_null(strstr(out, "[ARCHIVE"));
    assert_string_equal(catalog_fake.last_name, "zhang*");
    assert_int_equal(run("findscu", "-S", series, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 2);
    assert_non_null(strstr(out, SERIES_B));
    assert_int_equal(run("findscu", "-P", image, out, sizeof out), 0);
    assert_int_equal(count_of(out, "Find Response:"), 3);
    assert_non_null(strstr(out, "US 512"));
}

static void
names_asked_in_gb18030_are_decoded(void **state)
{
    const char *const keys[] = {
        "-k", "QueryRetrieveLevel=STUDY", "-k", "SpecificCharacterSet=GB18030",
        "-k", "PatientName=\xd5\xc5*",    NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("findscu"))
        skip();
    assert_int_equal(run("findscu", "-S", keys, out, sizeof out), 0);
    assert_string_equal(catalog_fake.last_name, "张*");
}

static void
getscu_gets_the_study_and_only_the_series_asked_for(void **state)
{
    const char *const study[] = {
        "-od", dir, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" STUDY, NULL};
    const char *const series[] = {"-od", dir,
                                  "-k",  "QueryRetrieveLevel=SERIES",
                                  "-k",  "StudyInstanceUID=" STUDY,
                                  "-k",  "SeriesInstanceUID=" SERIES_B,
                                  NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("getscu"))
        skip();
    assert_int_equal(run("getscu", "-S", series, out, sizeof out), 0);
    assert_int_equal(files_in(dir), 1);
    int rc = run("getscu", "-S", study, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_int_equal(files_in(dir), 3);
}

/* In command, meta group and data set. */
static void
an_unusable_study_leaves_as_the_one_asked_for(void **state)
{
    const char *const study[] = {
        "-od", dir, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" STUDY, NULL};
    char *all = mem_printf("%s/CT.1.2.826.0.1.1.1.1", dir);
    const char *const dump[] = {"dcmdump", "-M", all, NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("getscu") || !program_is_there("dcmdump"))
        skip();
    catalog_fake.said_study = "1.2.abc";
    assert_int_equal(run("getscu", "-S", study, out, sizeof out), 0);
    assert_int_equal(program_run(dump, NULL, out, sizeof out), 0);
    assert_int_equal(count_of(out, "(0020,000d) UI [" STUDY "]"), 1);
    assert_int_equal(count_of(out, "(0020,000e) UI [" SERIES_A "]"), 1);
    assert_int_equal(count_of(out, "UI [1.2.826.0.1.1.1.1]"), 2); /* meta group and data set */
    assert_int_equal(count_of(out, "31\\2e\\32\\2e\\61\\62\\63"), 1);
    free(all);
}

static void
movescu_moves_to_an_enrolled_destination_only(void **state)
{
    const char *const nowhere[] = {
        "-aem", "NOBODY", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" STUDY, NULL};
    static char out[65536];

    (void)state;
    if (!program_is_there("movescu"))
        skip();
    (void)run("movescu", "-S", nowhere, out, sizeof out);
    assert_non_null(strstr(out, "MoveDestinationUnknown"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(findscu_finds_at_each_level_in_utf8, begin, end),
        cmocka_unit_test_setup_teardown(names_asked_in_gb18030_are_decoded, begin, end),
        cmocka_unit_test_setup_teardown(getscu_gets_the_study_and_only_the_series_asked_for, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_unusable_study_leaves_as_the_one_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(movescu_moves_to_an_enrolled_destination_only, begin, end),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
