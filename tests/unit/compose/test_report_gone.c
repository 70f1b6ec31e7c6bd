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
    static const char why[] = "网关硬盘损坏,设备上已无";
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
                        "1 幅图像缺失,不会再到:收到后丢失,无法恢复;网关硬盘损坏,设备上已无"
                        "(说明人:王医生)");
    buf_fini(&out);
    report_fini(&report);
    buf_init(&out, (size_t)8 << 20);
    OK(compose_pdf(w.compose, read, 1, &out, &err));
    buf_fini(&out);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_lost_for_good_is_said_by_a_doctor_and_stands_in_the_report, begin, end),
    };
    int status;

    return compose_signer_main_if_asked(argc, argv, &status)
               ? status
               : cmocka_run_group_tests(tests, NULL, NULL);
}
