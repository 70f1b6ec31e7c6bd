/* Claims about what a patient sees: nothing before the signature but its status, all of it after,
 * later and withdrawn versions plainly, who looked, and what the paper's code says to anyone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/log.h"
#include "reader/people/people.h"
#include "tests/support/patient_world.h"
#include "tests/support/report_world.h"

#include <stdio.h>
#include <string.h>

#define STUDY "1.2.77"
#define PHONE "13800000077"

static struct pg_cluster *cluster;
static struct report_world w;
static int64_t read;
static char cookie[65];

/* A study of T1 that is attached to a slip, and a session. */
static int
start(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct pg_conn *conn;
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    report_world_open(&w, cluster, "patient_exam");
    patient_world_open(w.reads.pg, w.compose, NULL);
    read = report_world_study(&w, "T1", STUDY);
    patient_world_print_slip("R1", PHONE, true, code);
    conn = patient_world_begin();
    if (patient_slip_attach(conn, "T1", "R1", STUDY, &err) < 0)
        fail_msg("%s", err.text);
    patient_world_commit(conn);
    patient_world_come_in(code, PHONE, cookie);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    patient_world_close();
    report_world_close(&w);
    pg_cluster_remove(&cluster);
    return 0;
}

static struct patient_answer
get(const char *path)
{
    return patient_world_call("GET", path, NULL, NULL, cookie, NULL);
}

static void
assert_status(const char *wanted)
{
    struct patient_answer a = get("/api/v1/exam");
    char status[32];

    assert_int_equal(a.status, 200);
    patient_world_field(&a, "status", status, sizeof status);
    assert_string_equal(status, wanted);
}

/* Nothing of a report: not in the examination, not by its other doors. */
static void
assert_nothing_but_status(const char *status)
{
    struct patient_answer a = get("/api/v1/exam");

    assert_status(status);
    assert_null(strstr(a.body, "\"report\""));
    assert_null(strstr(a.body, "findings"));
    assert_null(strstr(a.body, "结节"));
    assert_int_equal(get("/api/v1/report.pdf").status, 404);
    assert_int_equal(get("/api/v1/images").status, 404);
    assert_int_equal(get("/api/v1/images/1.jpg").status, 404);
}

static void
before_it_is_signed_there_is_only_a_status(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    assert_nothing_but_status("received");
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_nothing_but_status("being_read");
    assert_int_equal(report_shown(&w, "doc1", read, true), 0);
    assert_int_equal(report_draft(&w, "doc1", read, 0, "左肺结节 5 mm", "随访"), 0);
    assert_nothing_but_status("being_read");
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_nothing_but_status("being_read");
    assert_int_equal(report_claim(&w, "rev1", read), 0);
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, ""), 0);
    assert_nothing_but_status("being_read");
}

static void
a_signed_report_is_shown_whole_with_its_pdf(void **state)
{
    struct patient_answer a;

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);

    assert_status("ready");
    a = get("/api/v1/exam");
    assert_non_null(strstr(a.body, "左肺结节 5 mm"));
    assert_non_null(strstr(a.body, "\"is_amended\":false"));
    assert_non_null(strstr(a.body, "王医生"));
    assert_non_null(strstr(a.body, "张主任"));
    assert_non_null(strstr(a.body, "青山镇卫生院"));
    a = get("/api/v1/report.pdf");
    assert_int_equal(a.status, 200);
    assert_memory_equal(a.body, "%PDF-", 5);
}

static void
anyone_with_the_paper_may_ask_whether_it_is_valid(void **state)
{
    struct patient_answer a;
    struct report r;
    char path[96], word[128];

    (void)state;
    if (cluster == NULL)
        skip();
    report_world_get(&w, read, 1, &r);
    (void)snprintf(path, sizeof path, "/api/v1/verify/%s", r.token);
    report_fini(&r);

    a = patient_world_call("GET", path, NULL, NULL, NULL, NULL);

    assert_int_equal(a.status, 200);
    patient_world_field(&a, "state", word, sizeof word);
    assert_string_equal(word, "valid");
    patient_world_field(&a, "author", word, sizeof word);
    assert_string_equal(word, "王医生");
    assert_null(strstr(a.body, "结节"));
    assert_null(strstr(a.body, "patient"));
    a = patient_world_call("GET", "/api/v1/verify/AAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, NULL,
                           NULL);
    assert_int_equal(a.status, 404);
}

static void
a_later_version_says_so_and_its_paper_leads_on(void **state)
{
    struct patient_answer a;
    struct report first, later;
    char path[96], word[128];

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(report_amend(&w, "doc1", read, "大小更正"), 0);
    assert_status("ready"); /* the signed one stands while the next is written */
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    assert_int_equal(report_draft(&w, "doc1", read, report_base(&w, read), "左肺结节 6 mm", "随访"),
                     0);
    assert_null(strstr(get("/api/v1/exam").body, "6 mm"));
    report_world_sign(&w, read, "doc1", "rev1");

    a = get("/api/v1/exam");
    assert_non_null(strstr(a.body, "\"is_amended\":true"));
    assert_non_null(strstr(a.body, "大小更正"));
    report_world_get(&w, read, 1, &first);
    report_world_get(&w, read, 2, &later);
    (void)snprintf(path, sizeof path, "/api/v1/verify/%s", first.token);
    a = patient_world_call("GET", path, NULL, NULL, NULL, NULL);
    patient_world_field(&a, "state", word, sizeof word);
    assert_string_equal(word, "amended");
    patient_world_field(&a, "superseded_by", word, sizeof word);
    assert_string_equal(word, later.token);
    report_fini(&first);
    report_fini(&later);
}

static void
late_images_are_told_until_a_doctor_looked(void **state)
{
    struct patient_answer a;

    (void)state;
    if (cluster == NULL)
        skip();
    report_world_images_come(&w, STUDY, 3);
    a = get("/api/v1/exam");
    assert_non_null(strstr(a.body, "\"covers\":2,\"present\":3,\"looked_at\":null"));
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "rev1", read, "诊所的话"), 0);

    a = get("/api/v1/exam");
    assert_non_null(strstr(a.body, "\"present\":3,\"looked_at\":\"2"));
    assert_non_null(strstr(a.body, "\"looked_by\":\"张主任\""));
    assert_null(strstr(a.body, "诊所的话"));
    report_world_images_come(&w, STUDY, 4);
    a = get("/api/v1/exam");
    assert_non_null(strstr(a.body, "\"present\":4,\"looked_at\":null"));
}

/* The study is registered for another person than the one the report was signed for. */
static void
a_report_signed_for_another_is_held(void **state)
{
    struct patient_answer a;

    (void)state;
    if (cluster == NULL)
        skip();
    (void)read_world_count(&w.reads, "INSERT INTO orders (tenant, registration, accession, "
                                     "complaint, history, clinic_phone, is_urgent, urgent_reason, "
                                     "changed_at_us, patient_name, patient_id) VALUES ('T1', 'R1', "
                                     "'', '', '', '', false, '', 1, '李二', 'R1')");
    (void)read_world_count(&w.reads, "UPDATE reads SET registration = 'R1'");

    a = get("/api/v1/exam");
    assert_status("held");
    assert_null(strstr(a.body, "\"report\""));
    assert_null(strstr(a.body, "结节"));
    assert_null(strstr(a.body, "/v/"));
    assert_int_equal(get("/api/v1/report.pdf").status, 404);
    (void)read_world_count(&w.reads, "UPDATE orders SET patient_name = '王小东'");
    assert_status("ready");
    (void)read_world_count(&w.reads, "UPDATE reads SET registration = NULL");
}

static void
who_looked_is_told(void **state)
{
    struct patient_answer a;
    struct pg_conn *conn;
    struct person doctor;
    struct err err = {0};
    bool is_new;

    (void)state;
    if (cluster == NULL)
        skip();
    read_world_person(&w.reads, "doc2", &doctor);
    conn = patient_world_begin();
    if (people_look_put(conn, &doctor, "T1", STUDY, "images", &is_new, &err) < 0)
        fail_msg("%s", err.text);
    patient_world_commit(conn);

    a = get("/api/v1/looks");

    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"who\":\"李医生 · 县人民医院\""));
    assert_non_null(strstr(a.body, "\"who\":\"\"")); /* the patient's own: the page has the words */
    assert_non_null(strstr(a.body, "\"what\":\"report\""));
    assert_non_null(strstr(a.body, "\"what\":\"pdf\""));
    assert_non_null(strstr(a.body, "\"what\":\"opened\""));
}

static void
a_withdrawn_report_is_gone_and_said_to_be(void **state)
{
    struct patient_answer a;
    struct report r;
    char path[96], word[128];

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(report_withdraw(&w, "rev1", read, "写错病人"), 0);

    assert_nothing_but_status("withdrawn");
    report_world_get(&w, read, 2, &r);
    (void)snprintf(path, sizeof path, "/api/v1/verify/%s", r.token);
    report_fini(&r);
    a = patient_world_call("GET", path, NULL, NULL, NULL, NULL);
    patient_world_field(&a, "state", word, sizeof word);
    assert_string_equal(word, "withdrawn");
}

static void
a_study_taken_from_the_slip_is_gone_from_its_page(void **state)
{
    struct pg_conn *conn;
    struct err err = {0};

    (void)state;
    if (cluster == NULL)
        skip();
    conn = patient_world_begin();
    if (patient_slip_attach(conn, "T1", "R1", "", &err) < 0)
        fail_msg("%s", err.text);
    patient_world_commit(conn);

    assert_nothing_but_status("none");
    assert_non_null(strstr(get("/api/v1/looks").body, "\"looks\":[]"));
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_is_signed_there_is_only_a_status),
        cmocka_unit_test(a_signed_report_is_shown_whole_with_its_pdf),
        cmocka_unit_test(anyone_with_the_paper_may_ask_whether_it_is_valid),
        cmocka_unit_test(a_later_version_says_so_and_its_paper_leads_on),
        cmocka_unit_test(late_images_are_told_until_a_doctor_looked),
        cmocka_unit_test(a_report_signed_for_another_is_held),
        cmocka_unit_test(who_looked_is_told),
        cmocka_unit_test(a_withdrawn_report_is_gone_and_said_to_be),
        cmocka_unit_test(a_study_taken_from_the_slip_is_gone_from_its_page),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
