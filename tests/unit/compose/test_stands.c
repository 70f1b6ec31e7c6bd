/* test_stands.c - images came after the signature, and somebody looked: the report stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/trust/audit.h"
#include "tests/support/audit_log.h"
#include "tests/support/ok.h"
#include "tests/support/report_world.h"

#define STUDY "1.2.840.99.1"

static struct report_world w;
static struct pg_cluster *cluster;
static char log_folder[FOLDER_PATH_BYTES + 16];
static int64_t read;

/* A study of two images, signed; then a third came. */
static int
begin(void **state)
{
    char trail[FOLDER_PATH_BYTES + 8];
    struct err err;

    (void)state;
    cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    report_world_open(&w, cluster, "stands");
    snprintf(trail, sizeof trail, "%s/audit", w.folder);
    OK(audit_open(trail, "reader", &w.compose->audit, &err));
    snprintf(log_folder, sizeof log_folder, "%s/audit/log", w.folder);
    read = report_world_study(&w, "T1", STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    report_world_images_come(&w, STUDY, 3);
    return 0;
}

static int
end(void **state)
{
    struct audit *audit = w.compose->audit;

    (void)state;
    report_world_close(&w);
    audit_close(&audit);
    pg_cluster_remove(&cluster);
    return 0;
}

static bool
is_late(void)
{
    return read_world_count(&w.reads, "SELECT count(*) FROM reads WHERE is_late") == 1;
}

/* The page as rev1 has it. */
static bool
page_says(const char *words)
{
    struct http_caller caller = {.kind = HTTP_STAFF, .device = "rev1"};
    struct act a = {0};
    struct buf out;
    struct err err;
    bool says;

    buf_init(&out, 1 << 20);
    OK(act_look(w.compose, &caller, read, ASSIGN_SEE, &a, &err));
    OK(page_write_report(&a, ~0u, &out, &err));
    act_end(&a);
    says = strstr(buf_text(&out), words) != NULL;
    buf_fini(&out);
    return says;
}

static void
who_looked_again_says_that_the_report_stands_and_the_mark_ends(void **state)
{
    struct report r;

    (void)state;
    assert_true(is_late());
    assert_true(page_says("\"stands\":true") && page_says("\"looked\":null"));
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "rev1", read, "定位像"), 0);

    assert_false(is_late());
    assert_true(page_says("\"state\":\"signed\"") && page_says("\"stands\":false"));
    assert_true(page_says("\"looked\":{\"at\":\"2") &&
                page_says("\"by\":\"张主任\",\"reason\":\"定位像\"}"));
    report_world_get(&w, read, 0, &r);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.covers, 2);
    assert_int_equal(r.present, 3);
    assert_true(r.looked_at_us >= r.signed_at_us);
    assert_string_equal(r.looked_by, "张主任");
    assert_string_equal(r.looked_reason, "定位像");
    report_fini(&r);
    assert_int_equal(read_world_count(&w.reads,
                                      "SELECT count(*) FROM read_events WHERE event = 'stands' AND "
                                      "actor = 'rev1' AND detail::json->>'images' = '3' AND "
                                      "detail::json->>'reason' = '定位像'"),
                     1);
    assert_int_equal(read_world_count(&w.reads, "SELECT count(*) FROM reads WHERE state = 'signed' "
                                                "AND covered = 2 AND instances = 3"),
                     1);
    assert_int_equal(audit_log_says(log_folder, "AUDIT_REPORT_STANDS", "\"by\":\"rev1\""), 1);
}

static void
nobody_says_so_of_images_that_were_not_shown_to_them(void **state)
{
    (void)state;
    assert_int_equal(report_stands(&w, "rev1", read, NULL), REFUSE_UNSEEN);
    assert_int_equal(report_shown_one(&w, "doc1", read, 2), 0); /* somebody else looked */
    assert_int_equal(report_stands(&w, "rev1", read, NULL), REFUSE_UNSEEN);
    assert_true(is_late());

    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "rev1", read, NULL), 0); /* no reason is due */
}

static void
a_further_image_sets_the_mark_again(void **state)
{
    struct report r;

    (void)state;
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "rev1", read, ""), 0);
    report_world_images_come(&w, STUDY, 4);

    assert_true(is_late());
    report_world_get(&w, read, 0, &r);
    assert_int_equal(r.looked_at_us, 0); /* nobody looked at all that came */
    report_fini(&r);
    assert_int_equal(report_stands(&w, "rev1", read, ""), REFUSE_UNSEEN);
    assert_int_equal(report_shown_one(&w, "rev1", read, 3), 0);
    assert_int_equal(report_stands(&w, "rev1", read, ""), 0);
    assert_false(is_late());
}

static void
it_is_for_who_may_review_and_only_of_a_signed_report_with_late_images(void **state)
{
    (void)state;
    assert_int_equal(report_shown_one(&w, "doc1", read, 2), 0);
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "doc1", read, ""), REFUSE_LICENCE);
    assert_int_equal(report_stands(&w, "tech1", read, ""), REFUSE_LICENCE);
    assert_int_equal(report_amend(&w, "doc1", read, "补传"), 0);
    assert_int_equal(report_stands(&w, "rev1", read, ""), REFUSE_STATE); /* it is being written */
    assert_int_equal(report_draft(&w, "doc1", read, report_base(&w, read), "补传后", "同前"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);

    assert_false(is_late());
    assert_int_equal(report_stands(&w, "rev1", read, ""),
                     REFUSE_STATE); /* it covers all there is */
    report_world_images_come(&w, STUDY, 4);
    assert_int_equal(report_shown_one(&w, "rev1", read, 3), 0);
    assert_int_equal(report_stands(&w, "rev1", read, ""), 0); /* of an amended one, too */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(who_looked_again_says_that_the_report_stands_and_the_mark_ends),
        TEST(nobody_says_so_of_images_that_were_not_shown_to_them),
        TEST(a_further_image_sets_the_mark_again),
        TEST(it_is_for_who_may_review_and_only_of_a_signed_report_with_late_images),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
