/* test_courier.c - each line of the reads' log is told once, over a real PostgreSQL and really
 * signed reports, also when couriers are killed. */
#include "reader/deliver/clinic.h"
#include "reader/deliver/deliver.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { COURIERS = 10, STUDIES = 12 };

extern char **environ;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* ---- the courier ---- */

static void
a_signed_report_is_told_once(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_down m;

    (void)state;
    tell_all();
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    tell_all();

    assert_string_equal(told("T1", "read_state"), "report1 ");
    m = last_of("T1", CLINIC_REPORT);
    assert_int_equal(m.read, read);
    assert_string_equal(m.study, STUDY);
    assert_string_equal(m.state, "signed");
    assert_string_equal(m.patient, "王小东");
    assert_string_equal(m.author, "王医生");
    assert_string_equal(m.reviewer, "张主任");
    assert_string_equal(m.hospital, "县人民医院");
    assert_int_equal(m.covers, 2);
    assert_false(m.is_preliminary);
    assert_non_null(strstr(m.verify_url, "https://report.example/v/"));
    assert_int_equal(patients.notices, 1);
}

static void
a_state_is_told_when_it_changed(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    tell_all();
    assert_string_equal(last_of("T1", CLINIC_READ_STATE).state, "assigned");
    assert_string_equal(told("T1", NULL), "read_state ");
    assert_int_equal(report_claim(&w, "doc1", read), 0);
    tell_all();
    assert_string_equal(last_of("T1", CLINIC_READ_STATE).state, "claimed");
    assert_string_equal(told("T1", NULL), "read_state read_state ");
}

static void
what_replaces_and_withdraws_is_told_in_order(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_down m;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    assert_int_equal(report_amend(&w, "doc1", read, "左右写反"), 0);
    assert_int_equal(report_shown(&w, "doc1", read, true), 0);
    assert_int_equal(report_draft(&w, "doc1", read, report_base(&w, read), "右肺结节", "随访"), 0);
    assert_int_equal(report_write_as(&w, "doc1", read), 0);
    assert_int_equal(report_claim(&w, "rev1", read), 0);
    assert_int_equal(report_shown(&w, "rev1", read, true), 0);
    assert_int_equal(report_review(&w, "rev1", read, true, NULL), 0);
    assert_int_equal(report_sign(&w, "rev1", read, REPORT_FINAL), 0);
    assert_int_equal(report_withdraw(&w, "rev1", read, "患者弄错"), 0);
    tell_all(); /* all of it at once, long after: each line is about its own version */

    assert_string_equal(told("T1", "read_state"), "report1 amended2 withdrawn2 ");
    m = last_of("T1", CLINIC_AMENDED);
    assert_int_equal(m.replaces, 1);
    assert_string_equal(m.reason, "左右写反");
    m = last_of("T1", CLINIC_WITHDRAWN);
    assert_string_equal(m.reason, "患者弄错");
    assert_string_equal(m.state, "withdrawn");
    assert_int_equal(patients.notices, 2);
    assert_int_equal(patients.withdrawals, 1);
}

static void
a_late_image_is_told_beside_the_report(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_down m;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    read_world_closes(&w.reads, "T1", STUDY, 2, 3);
    read_world_settle(&w.reads);
    tell_all();

    assert_string_equal(told("T1", "read_state"), "report1 late1 ");
    m = last_of("T1", CLINIC_LATE);
    assert_int_equal(m.covers, 2);
    assert_int_equal(m.present, 3);
}

static void
that_the_report_stands_is_told_until_more_comes(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_down m;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    report_world_images_come(&w, STUDY, 3);
    tell_all();
    assert_int_equal(last_of("T1", CLINIC_LATE).looked_at_us, 0);
    assert_int_equal(report_shown_one(&w, "rev1", read, 2), 0);
    assert_int_equal(report_stands(&w, "rev1", read, "定位像"), 0);
    tell_all();

    assert_string_equal(told("T1", "read_state"), "report1 late1 late1 ");
    m = last_of("T1", CLINIC_LATE);
    assert_int_equal(m.covers, 2);
    assert_int_equal(m.present, 3);
    assert_true(m.looked_at_us > 0);
    assert_string_equal(m.author, "张主任");
    assert_string_equal(m.reason, "定位像");
    report_world_images_come(&w, STUDY, 4);
    tell_all();
    m = last_of("T1", CLINIC_LATE);
    assert_int_equal(m.present, 4);
    assert_int_equal(m.looked_at_us, 0);
    assert_string_equal(m.author, "");
}

static void
a_preliminary_report_is_told_to_the_clinic_and_not_to_the_patient(void **state)
{
    int64_t read = report_world_study(&w, "T2", STUDY);
    struct pg_conn *conn = NULL;
    struct err err;

    (void)state;
    assert_int_equal(report_claim(&w, "doc2", read), 0);
    assert_int_equal(report_shown(&w, "doc2", read, true), 0);
    assert_int_equal(report_draft(&w, "doc2", read, report_base(&w, read), "脑出血", "急"), 0);
    assert_int_equal(report_sign(&w, "doc2", read, REPORT_PRELIMINARY), 0);
    tell_all();

    assert_string_equal(told("T2", "read_state"), "report1 ");
    assert_true(last_of("T2", CLINIC_REPORT).is_preliminary);
    assert_int_equal(patients.notices, 0);
    OK(pg_get(w.reads.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_advance(conn, read, "doc2", READ_SAW_WITHDRAW, "{\"version\":1}", &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    tell_all();
    assert_string_equal(told("T2", "read_state"), "report1 withdrawn1 ");
    assert_int_equal(patients.withdrawals, 0);
}

/* A line that names a version nobody signed: it is kept aside and holds up nothing. */
static void
a_line_that_cannot_be_told_holds_up_nothing(void **state)
{
    int64_t broken = report_world_study(&w, "T1", OTHER), read;
    struct pg_conn *conn = NULL;
    struct err err;

    (void)state;
    assert_int_equal(report_claim(&w, "doc1", broken), 0);
    count("UPDATE reads SET state = 'reviewed' WHERE study_uid = '" OTHER "'");
    OK(pg_get(w.reads.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_advance(conn, broken, "rev1", READ_SAW_SIGN, "{\"version\":1}", &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    read = report_world_study(&w, "T1", STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();

    assert_string_equal(told("T1", "read_state"), "report1 ");
    assert_int_equal(last_of("T1", CLINIC_REPORT).read, read);
    assert_int_equal(count("SELECT count(*) FROM clinic_aside"), 1);
    count("UPDATE clinic_aside SET next_at_us = next_at_us + 17280000000000"); /* a clock ahead */
    tell_all();
    assert_int_equal(count("SELECT tries FROM clinic_aside"), 2);
    count("UPDATE clinic_aside SET event_seq = (SELECT seq FROM read_events WHERE event = 'claim' "
          "LIMIT 1), next_at_us = 0"); /* as if it could be told now */
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM clinic_aside"), 0);
}

/* Two lines are due; while the first is told, another courier tells the second. */
static void
a_line_another_courier_told_is_aside_no_more(void **state)
{
    (void)state;
    report_world_sign(&w, report_world_study(&w, "T1", STUDY), "doc1", "rev1");
    tell_all();
    count("INSERT INTO clinic_aside SELECT seq, 1, 0 FROM read_events WHERE event IN ('claim', "
          "'sign') ORDER BY seq LIMIT 64");
    count("CREATE FUNCTION other_courier() RETURNS trigger LANGUAGE plpgsql AS "
          "'BEGIN DELETE FROM clinic_aside; RETURN NULL; END'");
    count("CREATE TRIGGER other_courier AFTER DELETE ON clinic_aside FOR EACH ROW WHEN "
          "(pg_trigger_depth() = 0) EXECUTE FUNCTION other_courier()");
    tell_all();

    assert_int_equal(count("SELECT count(*) FROM clinic_aside"), 0);
    assert_string_equal(told("T1", "read_state"), "report1 ");
    assert_int_equal(patients.notices, 1);
}

/* Devices and people write what they like; the clinic's messages go on. */
static void
odd_words_are_told_as_a_desk_can_read_them(void **state)
{
    static const struct {
        const char *written, *told;
    } modalities[] = {
        {"C-ARM", "C_ARM"}, {"X RAY", "X_RAY"}, {"透视", "__"}, {"'CT'", "_CT_"}, {"", ""}};
    int64_t read = report_world_study(&w, "T1", STUDY);
    char sql[256];

    (void)state;
    tell_all();
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++) {
        snprintf(sql, sizeof sql, "UPDATE reads SET modality = $a$%s$a$, state = '%s'",
                 modalities[i].written, i % 2 == 0 ? "claimed" : "assigned");
        count("DELETE FROM clinic_told");
        count(sql);
        count("UPDATE reads SET patient_name = E'\u738b\n\u5c0f\x7f\u4e1c'");
        count("INSERT INTO read_events (seq, read_id, at_us, actor, event, detail) "
              "SELECT nextval('read_event_seq'), id, 1, 'doc1', 'claim', '{}' FROM reads");
        tell_all();
        assert_string_equal(last_of("T1", CLINIC_READ_STATE).modality, modalities[i].told);
        assert_string_equal(last_of("T1", CLINIC_READ_STATE).patient, "王 小 东");
    }
    assert_int_equal(count("SELECT count(*) FROM clinic_aside"), 0);
    assert_int_equal(last_of("T1", CLINIC_READ_STATE).read, read);
}

/* What an older version kept, or a hand wrote. */
static void
a_kept_message_that_cannot_be_read_is_passed_over(void **state)
{
    struct clinic_downs downs;
    struct err err;

    (void)state;
    report_world_sign(&w, report_world_study(&w, "T1", STUDY), "doc1", "rev1");
    tell_all();
    count("UPDATE clinic_down SET body = replace(body, '\"modality\":\"', '\"modality\":\"C-') "
          "WHERE kind = 'read_state'");

    assert_string_equal(told("T1", NULL), "report1 ");
    OK(clinic_downs_after(&d, "T1", 0, &downs, &err));
    assert_int_equal(downs.count, 1);
    assert_int_equal(downs.messages[0].seq, last_of("T1", CLINIC_REPORT).seq);
    assert_int_equal(downs.next, count("SELECT max(seq) FROM clinic_down"));
    clinic_downs_free(&downs);
}

static void
a_patient_who_was_told_is_noted_once(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'notified'"), 0);
    patients.is_told = true;
    tell_all();
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'notified'"), 1);
}

static pid_t
spawn_courier(void)
{
    char *argv[] = {(char *)(uintptr_t) "test_deliver", (char *)(uintptr_t) "--courier",
                    w.reads.conninfo, NULL};
    pid_t child;

    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    return child;
}

/* Couriers are killed one after another in the middle of their work; two run at once at the end. */
static void
killed_couriers_lose_and_double_nothing(void **state)
{
    char study[32], wanted[512] = "";
    unsigned killed = 0;
    size_t n = 0;
    pid_t last;

    (void)state;
    for (int i = 0; i < STUDIES; i++) {
        snprintf(study, sizeof study, "1.2.840.7.%d", i);
        report_world_sign(&w, report_world_study(&w, "T1", study), "doc1", "rev1");
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, "report1 ");
    }
    for (int i = 0; i < COURIERS; i++) {
        int64_t until_ms = clock_mono_ms() + 5000, at = count("SELECT seq FROM clinic_courier");
        pid_t child = spawn_courier();

        /* when it has begun, a little later each time */
        while (count("SELECT seq FROM clinic_courier") <= at + i / 3 && clock_mono_ms() < until_ms)
            continue;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        killed++;
        if (count("SELECT seq FROM clinic_courier") == count("SELECT max(seq) FROM read_events"))
            break;
    }
    assert_true(killed > 1); /* not all was done by the first */
    last = spawn_courier();  /* and one here, at once */
    tell_all();
    kill(last, SIGKILL);
    waitpid(last, NULL, 0);
    tell_all();

    assert_string_equal(told("T1", "read_state"), wanted);
    assert_int_equal(count("SELECT count(*) - count(DISTINCT (event_seq, kind)) FROM clinic_down"),
                     0);
    assert_int_equal(count("SELECT seq FROM clinic_courier"),
                     count("SELECT max(seq) FROM read_events"));
}

static void
messages_come_in_pages_without_a_gap(void **state)
{
    struct clinic_downs downs;
    uint64_t after = 0;
    char study[32];
    size_t n = 0;
    struct err err;

    (void)state;
    for (int i = 0; i < CLINIC_MESSAGES + 20; i++) {
        snprintf(study, sizeof study, "1.2.840.8.%d", i);
        read_world_closes(&w.reads, "T1", study, 1, 2);
    }
    read_world_settle(&w.reads);
    tell_all();
    for (;;) {
        OK(clinic_downs_after(&d, "T1", after, &downs, &err));
        assert_true(downs.count <= CLINIC_MESSAGES);
        for (size_t i = 0; i < downs.count; i++)
            assert_true(downs.messages[i].seq > (i == 0 ? after : downs.messages[i - 1].seq));
        n += downs.count;
        after = downs.next;
        if (downs.count == 0)
            break;
        clinic_downs_free(&downs);
    }
    assert_string_equal(downs.patient_url, "https://p.example");
    clinic_downs_free(&downs);
    assert_int_equal(n, count("SELECT count(*) FROM clinic_down"));
    assert_true(n >= CLINIC_MESSAGES + 20);
}

/* This program as a courier of its own, until it is killed. */
static int
be_courier(const char *conninfo)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options options = {.conninfo = conninfo, .query_files = queries, .connections = 4};
    struct err err;
    bool did;

    log_set_fd(-1);
    d.patient_url = mem_text("");
    gate_init(&d.gate);
    if (pg_open(&options, &d.o.pg, &err) < 0)
        return 1;
    for (;;)
        if (courier_step(&d, &did, &err) < 0)
            return 1;
}

/* From where the device goes on; -1: its cursor is not lost. */
static int64_t
lost_at(const char *device, uint64_t cursor, const char *at)
{
    struct clinic_sender sender = {"T1", device};
    struct clinic_downs downs = {.count = 0};
    struct err err;

    OK(clinic_cursor_check(&d, &sender, cursor, at, &downs, &err));
    return downs.is_cursor_lost ? (int64_t)downs.next : -1;
}

static void
a_cursor_at_what_the_database_never_had_goes_back_to_what_was_taken(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_sender sender = {"T1", "g1"};
    struct clinic_down known, lost;
    char ids[1][CLINIC_ID_SIZE], sql[80];
    struct err err;

    (void)state;
    tell_all();
    known = last_of("T1", CLINIC_READ_STATE);
    text_copy(ids[0], CLINIC_ID_SIZE, known.id);
    OK(clinic_take(&d, &sender, &(struct clinic_ids){ids, 1}, &err));
    report_world_back_up(&w, "courier_backup");
    d.o.pg = w.reads.pg;
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    lost = last_of("T1", CLINIC_REPORT);

    report_world_put_back(&w, "courier_backup");
    d.o.pg = w.reads.pg;

    assert_int_equal(lost_at("g1", lost.seq, lost.id), known.seq);
    assert_int_equal(lost_at("g1", lost.seq, ""), known.seq);
    assert_int_equal(lost_at("g2", lost.seq, lost.id), 0); /* nothing is known to be there */
    assert_int_equal(lost_at("g1", known.seq, known.id), -1);
    assert_int_equal(lost_at("g1", known.seq, ""), -1);
    snprintf(sql, sizeof sql, "SELECT setval('clinic_down_seq', %d)", (int)lost.seq - 1);
    count(sql);
    (void)report_world_study(&w, "T1", OTHER);
    tell_all();
    assert_int_equal(last_of("T1", CLINIC_READ_STATE).seq, lost.seq); /* given out anew */
    assert_int_equal(lost_at("g1", lost.seq, lost.id), known.seq);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signed_report_is_told_once),
        TEST(a_state_is_told_when_it_changed),
        TEST(what_replaces_and_withdraws_is_told_in_order),
        TEST(a_late_image_is_told_beside_the_report),
        TEST(that_the_report_stands_is_told_until_more_comes),
        TEST(a_preliminary_report_is_told_to_the_clinic_and_not_to_the_patient),
        TEST(a_line_that_cannot_be_told_holds_up_nothing),
        TEST(a_line_another_courier_told_is_aside_no_more),
        TEST(odd_words_are_told_as_a_desk_can_read_them),
        TEST(a_kept_message_that_cannot_be_read_is_passed_over),
        TEST(a_patient_who_was_told_is_noted_once),
        TEST(killed_couriers_lose_and_double_nothing),
        TEST(messages_come_in_pages_without_a_gap),
        TEST(a_cursor_at_what_the_database_never_had_goes_back_to_what_was_taken),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 3 && strcmp(argv[1], "--courier") == 0)
        return be_courier(argv[2]);
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
