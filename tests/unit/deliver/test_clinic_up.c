/* test_clinic_up.c - each message of a desk is done once, with its receipt; nobody does or sees
 * anything of another clinic. */
#include "reader/deliver/clinic.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PARALLEL = 8 };

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* ---- a desk's messages ---- */

static void
a_message_told_again_is_done_once(void **state)
{
    struct clinic_up m = up(CLINIC_REGISTRATION, REG), code = up(CLINIC_PHONE_CODE, REG);

    (void)state;
    assert_string_equal(apply(&m), "done");
    assert_string_equal(apply(&m), "done");
    assert_string_equal(apply(&code), "done sent");
    assert_string_equal(apply(&code), "done sent");

    assert_int_equal(patients.codes, 1);
    assert_int_equal(count("SELECT count(*) FROM clinic_registration"), 1);
    assert_int_equal(count("SELECT count(*) FROM orders"), 1);
    assert_int_equal(count("SELECT count(*) FROM clinic_up"), 2);
    clinic_id_new(code.id); /* asked for anew */
    assert_string_equal(apply(&code), "done too_many");
}

static void *
apply_twin(void *arg)
{
    struct clinic_sender sender = {"T1", "g1"};
    struct clinic_receipt receipt;
    struct err err;

    return (void *)(intptr_t)clinic_apply(&d, &sender, arg, &receipt, &err);
}

static void
twins_at_once_are_done_once(void **state)
{
    struct clinic_up m = up(CLINIC_PHONE_CODE, REG);
    pthread_t threads[PARALLEL];

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    for (size_t i = 0; i < PARALLEL; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, apply_twin, &m), 0);
    for (size_t i = 0; i < PARALLEL; i++) {
        void *rc;

        pthread_join(threads[i], &rc);
        assert_null(rc);
    }
    assert_int_equal(patients.codes, 1);
}

static void
a_late_revision_changes_nothing(void **state)
{
    struct clinic_up first = up(CLINIC_REGISTRATION, REG), second = first;

    (void)state;
    clinic_id_new(second.id);
    second.revision = 2;
    text_copy(second.name, sizeof second.name, "王晓东");
    assert_string_equal(apply(&second), "done");
    assert_string_equal(apply(&first), "done");
    assert_int_equal(count("SELECT count(*) FROM clinic_registration WHERE name = '王晓东'"), 1);
}

static void
a_number_is_of_the_device_that_gave_it(void **state)
{
    struct clinic_up m = up(CLINIC_REGISTRATION, REG);

    (void)state;
    assert_string_equal(apply(&m), "done");
    clinic_id_new(m.id);
    assert_string_equal(apply_as("T1", "g2", &m), "refused conflict");
    assert_string_equal(apply_as("T1", "g2", &m), "refused conflict");
    assert_string_equal(apply_as("T2", "g1", &m), "done"); /* another clinic's own */
    assert_string_equal(apply_new(CLINIC_SLIP, "261122ZZZ001"), "refused unknown_registration");
}

static void
a_registration_reaches_the_read_before_or_after_it_comes(void **state)
{
    struct read_row row;

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    assert_string_equal(attach(REG, STUDY), "done");
    report_world_study(&w, "T1", STUDY);
    row = read_of(STUDY);
    assert_string_equal(row.registration, REG);
    assert_string_equal(row.complaint, "咳嗽三天");
    report_world_study(&w, "T1", OTHER);
    apply_new(CLINIC_REGISTRATION, REG_TWO);
    assert_string_equal(attach(REG_TWO, OTHER), "done");
    assert_string_equal(read_of(OTHER).registration, REG_TWO);
    assert_string_equal(patients.attached[1], REG_TWO " " OTHER);
    tell_all();
    assert_string_equal(last_of("T1", CLINIC_READ_STATE).registration, REG_TWO);
}

static void
a_study_attached_wrongly_is_taken_back_for_good(void **state)
{
    struct clinic_up again = up(CLINIC_REGISTRATION, REG);

    (void)state;
    report_world_study(&w, "T1", STUDY);
    apply_new(CLINIC_REGISTRATION, REG);
    apply_new(CLINIC_REGISTRATION, REG_TWO);
    attach(REG, STUDY);
    assert_string_equal(attach(REG_TWO, STUDY), "done");

    assert_string_equal(read_of(STUDY).registration, REG_TWO);
    assert_string_equal(patients.attached[1], REG " "); /* its slip opens nothing now */
    assert_string_equal(patients.attached[2], REG_TWO " " STUDY);
    again.revision = 2;
    assert_string_equal(apply(&again), "done"); /* a correction of the first takes nothing back */
    assert_string_equal(read_of(STUDY).registration, REG_TWO);
}

/* The images say nothing of the patient: the clinic's word stands, also in the report. */
static void
what_the_images_do_not_say_the_registration_does(void **state)
{
    struct read_row row;

    (void)state;
    report_world_study(&w, "T1", STUDY);
    count("UPDATE reads SET patient_name = '', patient_id = ''");
    apply_new(CLINIC_REGISTRATION, REG);
    attach(REG, STUDY);
    row = read_of(STUDY);
    assert_string_equal(row.patient_name, "王小东");
    assert_string_equal(row.patient_id, REG);
    assert_string_equal(row.sex, "F");
}

/* A patient got a report of "Wang XiaoDong", which no insurance takes for 王小东's. */
static void
a_report_bears_the_registered_name_where_it_is_sure_whose_it_is(void **state)
{
    static const struct {
        const char *what, *name, *doubts, *shown, *signed_as;
    } rows[] = {
        {"pinyin", "WANG^XIAODONG", "", "王小东", "WANG^XIAODONG=王^小东"},
        {"surname last", "Xiaodong^Wang", "", "王小东", "Xiaodong^Wang=王^小东"},
        {"nobody", "UNKNOWN", "", "王小东", "Wang^XiaoDong=王^小东"},
        {"no name", "", "", "王小东", "Wang^XiaoDong=王^小东"},
        {"what a console adds", "王小东12床", "", "王小东", "Wang^XiaoDong=王^小东"},
        {"both", "WANG^XIAODONG=王^小东", "", "WANG^XIAODONG=王^小东", "WANG^XIAODONG=王^小东"},
        {"another name", "MA^LIU", "", "MA^LIU", "MA^LIU"},
        {"something is open", "WANG^XIAODONG", "uid_reused", "WANG^XIAODONG", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct clinic_up odd = up(CLINIC_DOUBT, "");
        struct read_row row;
        struct report r;
        int64_t read;

        if (i > 0) {
            assert_int_equal(deliver_world_close(state), 0);
            assert_int_equal(begin(state), 0);
        }
        read_world_names(STUDY, rows[i].name, "", "F");
        read = report_world_study(&w, "T1", STUDY);
        apply_new(CLINIC_REGISTRATION, REG);
        attach(REG, STUDY);
        text_copy(odd.study, sizeof odd.study, STUDY);
        text_copy(odd.doubts, sizeof odd.doubts, rows[i].doubts);
        odd.revision = 1;
        if (odd.doubts[0] != '\0')
            assert_string_equal(apply(&odd), "done");
        row = read_of(STUDY);
        if (strcmp(row.patient_name, rows[i].shown) != 0)
            fail_msg("%s: '%s' is shown", rows[i].what, row.patient_name);
        assert_string_equal(row.device_name, rows[i].name);
        if (rows[i].signed_as == NULL)
            continue;
        report_world_sign(&w, read, "doc1", "rev1");
        report_world_get(&w, read, 1, &r);
        if (strcmp(r.patient_name, rows[i].signed_as) != 0)
            fail_msg("%s: signed as '%s'", rows[i].what, r.patient_name);
        report_fini(&r);
    }
}

/* 王晓东 was typed for 王小东: the patient was not shut out of the report that was signed before.
 */
static void
a_name_mended_after_the_signature_is_one_persons(void **state)
{
    struct clinic_up wrong = up(CLINIC_REGISTRATION, REG), mended, other;
    int64_t read;

    (void)state;
    read_world_names(STUDY, "WANG^XIAODONG", "", "F");
    read = report_world_study(&w, "T1", STUDY);
    text_copy(wrong.name, sizeof wrong.name, "王晓东");
    text_copy(wrong.birth, sizeof wrong.birth, "19800202");
    assert_string_equal(apply(&wrong), "done");
    attach(REG, STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    mended = wrong;
    clinic_id_new(mended.id);
    mended.revision = 2;
    text_copy(mended.name, sizeof mended.name, "王小东");
    assert_string_equal(apply(&mended), "done");

    apply_new(CLINIC_SLIP, REG);

    assert_int_equal(patients.notices, 1);
    other = mended;
    clinic_id_new(other.id);
    other.revision = 3;
    text_copy(other.birth, sizeof other.birth, "19900303");
    assert_string_equal(apply(&other), "done");
    apply_new(CLINIC_SLIP, REG);
    assert_int_equal(patients.notices, 1);
}

/* Both are 46, so both were registered as born on the first of January. */
static void
a_namesake_registered_by_age_is_not_told_the_others_report(void **state)
{
    struct clinic_up wrong = up(CLINIC_REGISTRATION, REG);
    struct clinic_up namesake = up(CLINIC_REGISTRATION, REG_TWO);
    int64_t read;

    (void)state;
    read_world_names(STUDY, "WANG^XIAODONG", "", "F");
    read = report_world_study(&w, "T1", STUDY);
    text_copy(wrong.name, sizeof wrong.name, "王晓东");
    text_copy(wrong.birth, sizeof wrong.birth, "19800101");
    text_copy(namesake.name, sizeof namesake.name, "王小东");
    text_copy(namesake.birth, sizeof namesake.birth, "19800101");
    assert_string_equal(apply(&wrong), "done");
    assert_string_equal(apply(&namesake), "done");
    attach(REG, STUDY);
    report_world_sign(&w, read, "doc1", "rev1");

    assert_string_equal(attach(REG_TWO, STUDY), "done");
    tell_all();
    apply_new(CLINIC_SLIP, REG_TWO);

    assert_int_equal(patients.notices, 0);
    assert_string_equal(attach(REG, STUDY), "done"); /* it was right, after all */
    assert_int_equal(patients.notices, 1);
}

static void
urgent_makes_an_emergency_with_its_reason(void **state)
{
    struct clinic_up m = up(CLINIC_URGENT, REG);

    (void)state;
    m.is_urgent = true;
    text_copy(m.reason, sizeof m.reason, "胸痛");
    report_world_study(&w, "T1", STUDY);
    apply_new(CLINIC_REGISTRATION, REG);
    attach(REG, STUDY);
    assert_false(read_of(STUDY).is_emergency);
    assert_string_equal(apply(&m), "done");
    assert_true(read_of(STUDY).is_emergency);
}

static void
a_proved_phone_goes_with_the_slip(void **state)
{
    struct clinic_up check = up(CLINIC_PHONE_CHECK, REG);

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    assert_int_equal(patients.slips, 0);
    apply_new(CLINIC_SLIP, REG);
    assert_false(patients.last_is_verified);
    assert_string_equal(patients.last_phone, "13800138000");
    text_copy(check.otp, sizeof check.otp, "999999");
    assert_string_equal(apply(&check), "done wrong");
    clinic_id_new(check.id);
    text_copy(check.otp, sizeof check.otp, "123456");
    assert_string_equal(apply(&check), "done verified");
    assert_true(patients.last_is_verified);
}

static void
codes_are_sent_for_registrations_of_the_desk_only(void **state)
{
    struct clinic_up code = up(CLINIC_PHONE_CODE, REG), check = up(CLINIC_PHONE_CHECK, REG);

    (void)state;
    assert_string_equal(apply(&code), "refused unknown_registration");
    apply_new(CLINIC_REGISTRATION, REG);
    clinic_id_new(code.id);
    assert_string_equal(apply_as("T1", "g2", &code), "refused conflict");
    assert_string_equal(apply_as("T2", "g1", &code), "refused unknown_registration");
    text_copy(check.otp, sizeof check.otp, "999999");
    assert_string_equal(apply_as("T1", "g2", &check), "refused conflict");
    assert_int_equal(patients.codes + patients.checks, 0);
    assert_string_equal(apply(&code), "done sent");
}

static void
a_slip_after_the_signature_tells_the_patient(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    attach(REG, STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    assert_int_equal(patients.notices, 1);
    apply_new(CLINIC_SLIP, REG);
    assert_int_equal(patients.notices, 2); /* patient_notify() makes one message of both */
}

/* While the courier tells a line, a slip waits, so that one of the two sees the other. */
static void
a_slip_waits_for_the_courier(void **state)
{
    struct clinic_up m = up(CLINIC_SLIP, REG);
    struct pg_conn *conn = NULL;
    pthread_t thread;
    struct err err;
    void *rc;

    (void)state;
    apply_new(CLINIC_REGISTRATION, REG);
    OK(pg_get(w.reads.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(pg_run(conn, "clinic_courier_lock", PG_NO_ARGS, NULL, &err));
    assert_int_equal(pthread_create(&thread, NULL, apply_twin, &m), 0);
    while (count("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT "
                 "l.granted AND a.query LIKE '%clinic_courier%' AND a.pid <> pg_backend_pid()") ==
           0)
        assert_int_equal(patients.slips, 0);
    pg_put(&conn);
    pthread_join(thread, &rc);

    assert_null(rc);
    assert_int_equal(patients.slips, 1);
}

/* The images say nothing of the patient: the report names whom the desk had attached by mistake. */
static void
a_report_signed_for_another_is_not_announced(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_up other = up(CLINIC_REGISTRATION, REG_TWO);
    struct clinic_up mended = up(CLINIC_REGISTRATION, REG);

    (void)state;
    count("UPDATE reads SET patient_name = '', patient_id = ''");
    text_copy(other.name, sizeof other.name, "李二");
    apply_new(CLINIC_REGISTRATION, REG);
    apply(&other);
    attach(REG, STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    assert_string_equal(attach(REG_TWO, STUDY), "done");
    tell_all();
    apply_new(CLINIC_SLIP, REG_TWO);
    assert_int_equal(patients.notices, 0);

    assert_string_equal(attach(REG, STUDY), "done"); /* it was right, after all */
    assert_int_equal(patients.notices, 1);
    mended.revision = 2;
    text_copy(mended.name, sizeof mended.name, "王晓东");
    assert_string_equal(apply(&mended), "done");
    apply_new(CLINIC_SLIP, REG); /* the number says that it is the same person */
    assert_int_equal(patients.notices, 2);
}

/* A held-over accession number had given 王五 the images of Ma Liu; his slip opened on her report.
 */
static void
a_name_in_two_scripts_needs_the_birth_date_to_agree(void **state)
{
    struct clinic_up mended = up(CLINIC_REGISTRATION, REG);
    int64_t read;

    (void)state;
    read_world_names(STUDY, "MA^LIU", "19800101", "F");
    read = report_world_study(&w, "T1", STUDY);
    apply_new(CLINIC_REGISTRATION, REG);
    attach(REG, STUDY);
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    apply_new(CLINIC_SLIP, REG);
    assert_int_equal(patients.notices, 0);

    mended.revision = 2;
    text_copy(mended.birth, sizeof mended.birth, "19800101");
    assert_string_equal(apply(&mended), "done");
    apply_new(CLINIC_SLIP, REG);
    assert_int_equal(patients.notices, 1);
}

/* A patient was shut out of their own report: the images say it in Latin letters and no birth date,
 * the Patient ID is the HIS's. */
static void
a_name_in_two_scripts_is_one_by_its_reading_or_by_who_looked(void **state)
{
    static const struct {
        const char *what, *name, *sex;
        bool is_confirmed, is_opened;
    } rows[] = {
        {"its reading", "WANG^XIAODONG", "F", false, true},
        {"its reading, the family name last", "Xiaodong^Wang", "F", false, true},
        {"another name", "MA^LIU", "F", false, false},
        {"another sex, and somebody said why", "MA^LIU", "M", true, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct clinic_up mended = up(CLINIC_REGISTRATION, REG);
        int64_t read;

        if (i > 0) {
            assert_int_equal(deliver_world_close(state), 0);
            assert_int_equal(begin(state), 0);
        }
        read_world_names(STUDY, rows[i].name, "", rows[i].sex);
        read = report_world_study(&w, "T1", STUDY);
        apply_new(CLINIC_REGISTRATION, REG);
        attach(REG, STUDY);
        if (rows[i].is_confirmed)
            assert_int_equal(report_confirm_doubts(&w, "rev1", read, read_of(STUDY).doubts, "x"),
                             0);
        report_world_sign(&w, read, "doc1", "rev1");
        apply_new(CLINIC_SLIP, REG);
        if (patients.notices != rows[i].is_opened)
            fail_msg("%s: %d notices", rows[i].what, (int)patients.notices);

        mended.revision = 2; /* who looked has not seen this one */
        text_copy(mended.sex, sizeof mended.sex, rows[i].sex[0] == 'F' ? "M" : "F");
        text_copy(mended.birth, sizeof mended.birth, "19800202");
        assert_string_equal(apply(&mended), "done");
        apply_new(CLINIC_SLIP, REG);
        if (patients.notices != rows[i].is_opened)
            fail_msg("%s, mended: %d notices", rows[i].what, (int)patients.notices);
    }
}

/* ---- receipts and other clinics ---- */

static void
take(const char *device, const char *id)
{
    struct clinic_sender sender = {"T1", device};
    char one[1][CLINIC_ID_SIZE];
    struct clinic_ids ids = {one, 1};
    struct err err;

    text_copy(one[0], CLINIC_ID_SIZE, id);
    OK(clinic_take(&d, &sender, &ids, &err));
}

static void
a_delivered_report_is_noted_once_and_its_confirmation_once(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_up m = up(CLINIC_CONFIRM, "");
    struct clinic_down report;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    report = last_of("T1", CLINIC_REPORT);
    take("g1", report.id);
    take("g1", report.id);
    take("g2", report.id);
    take("g1", m.id); /* no message of ours */
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'delivered'"), 1);
    m.read = read;
    m.version = 1;
    assert_string_equal(apply(&m), "done");
    clinic_id_new(m.id);
    assert_string_equal(apply_as("T1", "g2", &m), "done");
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'delivered'"), 2);
}

static void
nothing_of_another_clinic_is_told_taken_or_confirmed(void **state)
{
    int64_t read = report_world_study(&w, "T1", STUDY);
    struct clinic_up m = up(CLINIC_CONFIRM, "");
    struct clinic_sender stranger = {"T2", "g1"};
    char id[1][CLINIC_ID_SIZE];
    struct clinic_ids ids = {id, 1};
    struct err err;

    (void)state;
    report_world_sign(&w, read, "doc1", "rev1");
    tell_all();
    assert_string_equal(told("T2", NULL), "");
    text_copy(id[0], CLINIC_ID_SIZE, last_of("T1", CLINIC_REPORT).id);
    OK(clinic_take(&d, &stranger, &ids, &err));
    assert_int_equal(count("SELECT count(*) FROM clinic_taken"), 0);
    m.read = read;
    m.version = 1;
    assert_string_equal(apply_as("T2", "g1", &m), "refused not_possible");
    assert_int_equal(count("SELECT count(*) FROM clinic_confirmed"), 0);
}

/* The desk heard of it from a database that is gone: the number is another study's read by now. */
static void
a_confirmation_of_another_studys_read_is_refused(void **state)
{
    struct clinic_up m = up(CLINIC_CONFIRM, "");

    (void)state;
    m.read = report_world_study(&w, "T1", STUDY);
    report_world_sign(&w, m.read, "doc1", "rev1");
    m.version = 1;
    text_copy(m.study, sizeof m.study, OTHER);
    assert_string_equal(apply(&m), "refused not_possible");

    text_copy(m.study, sizeof m.study, STUDY);
    clinic_id_new(m.id);
    assert_string_equal(apply(&m), "done");
    assert_int_equal(count("SELECT count(*) FROM clinic_confirmed"), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_told_again_is_done_once),
        TEST(twins_at_once_are_done_once),
        TEST(a_late_revision_changes_nothing),
        TEST(a_number_is_of_the_device_that_gave_it),
        TEST(a_registration_reaches_the_read_before_or_after_it_comes),
        TEST(a_study_attached_wrongly_is_taken_back_for_good),
        TEST(what_the_images_do_not_say_the_registration_does),
        TEST(a_report_bears_the_registered_name_where_it_is_sure_whose_it_is),
        TEST(a_name_mended_after_the_signature_is_one_persons),
        TEST(a_namesake_registered_by_age_is_not_told_the_others_report),
        TEST(urgent_makes_an_emergency_with_its_reason),
        TEST(a_proved_phone_goes_with_the_slip),
        TEST(a_slip_after_the_signature_tells_the_patient),
        TEST(codes_are_sent_for_registrations_of_the_desk_only),
        TEST(a_slip_waits_for_the_courier),
        TEST(a_report_signed_for_another_is_not_announced),
        TEST(a_name_in_two_scripts_needs_the_birth_date_to_agree),
        TEST(a_name_in_two_scripts_is_one_by_its_reading_or_by_who_looked),
        TEST(a_delivered_report_is_noted_once_and_its_confirmation_once),
        TEST(nothing_of_another_clinic_is_told_taken_or_confirmed),
        TEST(a_confirmation_of_another_studys_read_is_refused),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
