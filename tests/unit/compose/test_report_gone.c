/* test_report_gone.c - what a study lacks for good: said, and in its report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ok.h"
#include "tests/support/report_world.h"

#define STUDY "1.2.840.99.1"

static struct report_world w;

static struct pg_cluster *cluster;

static int
begin(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    report_world_open(&w, cluster, "report_gone");
    return 0;
}

static int
end(void **state)
{
    (void)state;
    report_world_close(&w);
    pg_cluster_remove(&cluster);
    return 0;
}

/* A clinic's disk was lost with one of two images on it. */
static void
what_is_lost_for_good_is_said_by_a_doctor_and_stands_in_the_report(void **state)
{
    static const char why[] = "网关硬盘损坏，设备上已无";
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report report;
    struct buf out;
    struct err err;

    (void)state;
    report_archive.not_whole = 1;
    assert_int_equal(report_gone(&w, "doc1", read, 1, " "), REFUSE_REASON);
    assert_int_equal(report_gone(&w, "doc1", read, 2, why), REFUSE_COMING);
    assert_int_equal(report_gone(&w, "tech1", read, 1, why), REFUSE_LICENCE);
    assert_int_equal(
        read_world_count(&w.reads, "SELECT count(*) FROM read_events WHERE event = 'absent'"), 0);

    assert_int_equal(report_gone(&w, "doc1", read, 1, why), 0);
    read_world_count(&w.reads, "UPDATE reads SET revision = 2, instances = 1"); /* as told next */
    report_world_sign(&w, read, "doc1", "rev1");

    assert_int_equal(read_world_count(&w.reads,
                                      "SELECT count(*) FROM read_events WHERE event = 'absent' AND "
                                      "actor = 'doc1' AND detail = "
                                      "'{\"images\":1,\"reason\":\"lost\"}'"),
                     1);
    report_world_get(&w, read, 1, &report);
    assert_int_equal(report.covers, 1);
    assert_int_equal(report.absent[0].images, 1);
    assert_string_equal(report.absent[0].reason, "lost");
    assert_string_equal(report.absent[0].words, why);
    assert_string_equal(report.absent[0].by, "王医生");
    buf_init(&out, (size_t)8 << 20);
    report_missing(&report, &out);
    assert_string_equal(buf_text(&out),
                        "1 幅图像缺失，不会再到：收到后丢失，无法恢复；网关硬盘损坏，设备上已无"
                        "（说明人：王医生）");
    buf_fini(&out);
    report_fini(&report);
    buf_init(&out, (size_t)8 << 20);
    OK(compose_pdf(w.compose, read, 1, &out, &err));
    buf_fini(&out);
}

/* A gateway fell silent in the middle of one, or a device announced more than it sent. */
static void
who_signs_without_images_that_were_announced_knows_and_the_report_says_so(void **state)
{
    static const struct {
        const char *name;
        unsigned announced;
        bool is_begun;
        uint32_t lacks;
        const char *words;
    } rows[] = {
        {"announced", 5, false, 3, "3 幅图像签发时尚未收到，签发医师知悉（张主任）"},
        {"begun", 0, true, 1, "1 幅图像签发时尚未收到，签发医师知悉（张主任）"},
        {"both", 3, true, 1, "1 幅图像签发时尚未收到，签发医师知悉（张主任）"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char study[65];
        struct report report;
        struct buf out;
        struct err err;
        int64_t read;

        snprintf(study, sizeof study, STUDY ".%zu", i);
        read = report_world_study(&w, "T1", study);
        report_archive.announced = rows[i].announced;
        report_archive.is_open = rows[i].is_begun;
        report_archive.silent_us = INT64_C(11) * 60 * 1000000;
        report_world_review(&w, read, "doc1", "rev1");

        if (report_sign(&w, "rev1", read, REPORT_FINAL) != REFUSE_LACKS ||
            report_sign_lacking(&w, "rev1", read, REPORT_FINAL, rows[i].lacks + 1) != REFUSE_LACKS)
            fail_msg("%s: signed, and nobody said that they know", rows[i].name);
        assert_int_equal(report_sign_lacking(&w, "rev1", read, REPORT_FINAL, rows[i].lacks), 0);

        report_world_get(&w, read, 1, &report);
        assert_int_equal(report.absent[0].images, rows[i].lacks);
        assert_string_equal(report.absent[0].reason, REPORT_AWAITED);
        buf_init(&out, (size_t)8 << 20);
        report_missing(&report, &out);
        assert_string_equal(buf_text(&out), rows[i].words);
        buf_clear(&out);
        OK(compose_pdf(w.compose, read, 1, &out, &err));
        buf_fini(&out);
        report_fini(&report);
    }
}

/* What the clinic says will not come, nobody has to know twice. */
static void
what_will_not_come_as_the_clinic_said_is_awaited_no_more(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct report report;

    (void)state;
    report_archive.announced = 3;
    read_world_count(&w.reads, "INSERT INTO study_absent (tenant, study_uid, revision, images, "
                               "reason, words, by_name, at_us) VALUES ('T1', '" STUDY
                               "', 1, 1, 'deleted', '', '张技师', 1)");

    report_world_sign(&w, read, "doc1", "rev1");

    report_world_get(&w, read, 1, &report);
    assert_int_equal(report.absent[0].images, 1);
    assert_string_equal(report.absent[0].reason, "deleted");
    assert_int_equal(report.absent[1].images, 0);
    report_fini(&report);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_lost_for_good_is_said_by_a_doctor_and_stands_in_the_report, begin, end),
        cmocka_unit_test_setup_teardown(
            who_signs_without_images_that_were_announced_knows_and_the_report_says_so, begin, end),
        cmocka_unit_test_setup_teardown(what_will_not_come_as_the_clinic_said_is_awaited_no_more,
                                        begin, end),
    };
    int status;

    return compose_signer_main_if_asked(argc, argv, &status)
               ? status
               : cmocka_run_group_tests(tests, NULL, NULL);
}
