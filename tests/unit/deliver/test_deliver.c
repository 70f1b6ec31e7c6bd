/* test_deliver.c - the clinic's half of deliver over a real PostgreSQL and really signed reports:
 * each line of the log is told once, each message of a desk is done once, nobody sees another
 * clinic's. The patient's half is a fake that counts. */
#include "reader/deliver/clinic.h"
#include "reader/deliver/deliver.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/report_world.h"

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

#define STUDY "1.2.840.99.1"
#define OTHER "1.2.840.99.2"
#define REG "261122K7M001"
#define REG_TWO "261122K7M002"
enum { PARALLEL = 8, COURIERS = 10, STUDIES = 12 };

extern char **environ;
static struct pg_cluster *cluster;
static struct report_world w;
static struct deliver d;

/* ---- the patient's half ---- */

static struct {
    _Atomic unsigned slips, attaches, codes, checks, notices, withdrawals;
    char attached[8][160]; /* "registration study" */
    char last_phone[24];
    bool last_is_verified;
    bool is_told;
} patients;

int
patient_slip_put(struct pg_conn *conn, const struct patient_slip *slip, struct err *err)
{
    (void)conn;
    (void)err;
    patients.slips++;
    text_copy(patients.last_phone, sizeof patients.last_phone, slip->phone);
    patients.last_is_verified = slip->phone_is_verified;
    return 0;
}

int
patient_slip_attach(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *study, struct err *err)
{
    unsigned at = patients.attaches++;

    (void)conn;
    (void)tenant;
    (void)err;
    if (at < ARRAY_LEN(patients.attached))
        snprintf(patients.attached[at], sizeof patients.attached[at], "%s %s", registration, study);
    return 0;
}

int
patient_phone_code(struct pg_conn *conn, const char *tenant, const char *registration,
                   const char *phone, bool *out_is_sent, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)err;
    *out_is_sent = patients.codes++ == 0;
    return 0;
}

int
patient_phone_check(struct pg_conn *conn, const char *tenant, const char *registration,
                    const char *phone, const char *code, bool *out_is_right, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)registration;
    (void)phone;
    (void)err;
    patients.checks++;
    *out_is_right = strcmp(code, "123456") == 0;
    return 0;
}

int
patient_notify(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
               enum patient_news news, bool *out_is_due, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)err;
    if (news == PATIENT_WITHDRAWN)
        patients.withdrawals++;
    else
        patients.notices++;
    *out_is_due = true;
    return 0;
}

int
patient_is_told(struct pg_conn *conn, const char *tenant, const char *study, unsigned version,
                bool *out_is_told, struct err *err)
{
    (void)conn;
    (void)tenant;
    (void)study;
    (void)version;
    (void)err;
    *out_is_told = patients.is_told;
    return 0;
}

void
patient_wake(struct patient *patient)
{
    (void)patient;
}

/* ---- the world ---- */

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static int
begin(void **state)
{
    static int n;
    char name[32];

    (void)state;
    if (cluster == NULL)
        cluster = pg_cluster_start();
    if (cluster == NULL)
        skip();
    snprintf(name, sizeof name, "deliver%d", n++);
    report_world_open(&w, cluster, name);
    memset(&patients, 0, sizeof patients);
    d = (struct deliver){.o = {.pg = w.reads.pg, .compose = w.compose}};
    d.patient_url = mem_text("https://p.example");
    gate_init(&d.gate);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    gate_fini(&d.gate);
    free(d.patient_url);
    report_world_close(&w);
    return 0;
}

static void
tell_all(void)
{
    struct err err;
    bool did = true;

    while (did)
        OK(courier_step(&d, &did, &err));
}

static int64_t
count(const char *sql)
{
    return read_world_count(&w.reads, sql);
}

/* A clinic's messages in order, e.g. "read_state report1 amended2 withdrawn2 ". */
static const char *
told(const char *tenant, const char *but)
{
    static char text[4096];
    struct clinic_downs downs;
    uint64_t after = 0;
    size_t n = 0;
    struct err err;

    text[0] = '\0';
    for (;;) {
        OK(clinic_downs_after(&d, tenant, after, &downs, &err));
        after = downs.next;
        for (size_t i = 0; i < downs.count; i++) {
            const struct clinic_down *m = &downs.messages[i];
            const char *word = clinic_down_word(m->kind);

            if (but != NULL && strcmp(word, but) == 0)
                continue;
            n += (size_t)snprintf(text + n, sizeof text - n, m->version > 0 ? "%s%u " : "%s ", word,
                                  m->version);
        }
        clinic_downs_free(&downs);
        if (downs.next == 0 && after == 0)
            break;
        OK(clinic_downs_after(&d, tenant, after, &downs, &err));
        if (downs.count == 0) {
            clinic_downs_free(&downs);
            break;
        }
        clinic_downs_free(&downs);
    }
    return text;
}

static struct clinic_down
last_of(const char *tenant, enum clinic_down_kind kind)
{
    struct clinic_down found = {.seq = 0};
    struct clinic_downs downs;
    struct err err;

    OK(clinic_downs_after(&d, tenant, 0, &downs, &err));
    for (size_t i = 0; i < downs.count; i++)
        if (downs.messages[i].kind == kind)
            found = downs.messages[i];
    clinic_downs_free(&downs);
    assert_true(found.seq > 0);
    return found;
}

static struct clinic_up
up(enum clinic_up_kind kind, const char *registration)
{
    struct clinic_up m = {.kind = kind, .at_us = clock_wall_us(), .revision = 1};

    clinic_id_new(m.id);
    text_copy(m.registration, sizeof m.registration, registration);
    text_copy(m.name, sizeof m.name, "王小东");
    text_copy(m.sex, sizeof m.sex, "F");
    text_copy(m.complaint, sizeof m.complaint, "咳嗽三天");
    text_copy(m.phone, sizeof m.phone, "13800138000");
    return m;
}

/* "done sent", "refused conflict". */
static const char *
apply_as(const char *tenant, const char *device, const struct clinic_up *m)
{
    static char text[96];
    struct clinic_sender sender = {tenant, device};
    struct clinic_receipt receipt;
    struct err err;

    OK(clinic_apply(&d, &sender, m, &receipt, &err));
    assert_string_equal(receipt.id, m->id);
    snprintf(text, sizeof text, "%s%s%s", clinic_outcome_word(receipt.outcome),
             receipt.word[0] != '\0' ? " " : "", receipt.word);
    return text;
}

static const char *
apply(const struct clinic_up *m)
{
    return apply_as("T1", "g1", m);
}

static const char *
apply_new(enum clinic_up_kind kind, const char *registration)
{
    struct clinic_up m = up(kind, registration);

    return apply(&m);
}

static const char *
attach(const char *registration, const char *study)
{
    struct clinic_up m = up(CLINIC_ATTACH, registration);

    text_copy(m.study, sizeof m.study, study);
    return apply(&m);
}

static struct read_row
read_of(const char *study)
{
    struct read_row row;

    read_world_read(&w.reads, "T1", study, &row);
    return row;
}

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
a_preliminary_report_is_told_to_the_clinic_and_not_to_the_patient(void **state)
{
    int64_t read = report_world_study(&w, "T2", STUDY);

    (void)state;
    assert_int_equal(report_claim(&w, "doc2", read), 0);
    assert_int_equal(report_shown(&w, "doc2", read, true), 0);
    assert_int_equal(report_draft(&w, "doc2", read, report_base(&w, read), "脑出血", "急"), 0);
    assert_int_equal(report_sign(&w, "doc2", read, REPORT_PRELIMINARY), 0);
    tell_all();

    assert_string_equal(told("T2", "read_state"), "report1 ");
    assert_true(last_of("T2", CLINIC_REPORT).is_preliminary);
    assert_int_equal(patients.notices, 0);
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
    count("UPDATE clinic_aside SET next_at_us = 0");
    tell_all();
    assert_int_equal(count("SELECT tries FROM clinic_aside"), 2);
    count("UPDATE clinic_aside SET event_seq = (SELECT seq FROM read_events WHERE event = 'claim' "
          "LIMIT 1), next_at_us = 0"); /* as if it could be told now */
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM clinic_aside"), 0);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signed_report_is_told_once),
        TEST(a_state_is_told_when_it_changed),
        TEST(what_replaces_and_withdraws_is_told_in_order),
        TEST(a_late_image_is_told_beside_the_report),
        TEST(a_preliminary_report_is_told_to_the_clinic_and_not_to_the_patient),
        TEST(a_line_that_cannot_be_told_holds_up_nothing),
        TEST(a_patient_who_was_told_is_noted_once),
        TEST(killed_couriers_lose_and_double_nothing),
        TEST(a_message_told_again_is_done_once),
        TEST(twins_at_once_are_done_once),
        TEST(a_late_revision_changes_nothing),
        TEST(a_number_is_of_the_device_that_gave_it),
        TEST(a_registration_reaches_the_read_before_or_after_it_comes),
        TEST(a_study_attached_wrongly_is_taken_back_for_good),
        TEST(what_the_images_do_not_say_the_registration_does),
        TEST(urgent_makes_an_emergency_with_its_reason),
        TEST(a_proved_phone_goes_with_the_slip),
        TEST(a_slip_after_the_signature_tells_the_patient),
        TEST(a_delivered_report_is_noted_once_and_its_confirmation_once),
        TEST(nothing_of_another_clinic_is_told_taken_or_confirmed),
        TEST(messages_come_in_pages_without_a_gap),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 3 && strcmp(argv[1], "--courier") == 0)
        return be_courier(argv[2]);
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return status;
}
