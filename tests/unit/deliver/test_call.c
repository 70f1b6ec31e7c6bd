/* test_call.c - a doctor's call reaches the clinic once and its answer comes back once. */
#include "reader/deliver/clinic.h"

#include "tests/support/audit_log.h"
#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/text.h"
#include "reader/people/people.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t read_id;

static int
call_as(const char *login, bool is_critical, const char *words, struct clinic_call *out)
{
    struct clinic_call call = {
        .read_id = read_id, .is_critical = is_critical, .is_on_preview = true};
    struct pg_conn *conn = NULL;
    struct person who;
    struct err err;
    int rc;

    clinic_id_new(call.id);
    text_copy(call.words, sizeof call.words, words);
    assert_int_equal(pg_get(w.reads.pg, &conn, &err), 0);
    assert_int_equal(people_find(conn, login, &who, &err), 0);
    pg_put(&conn);
    rc = clinic_call_make(&d, &who, &call, &err);
    *out = call;
    return rc < 0 ? -(int)err.kind : 0;
}

static struct clinic_up
answer_to(const struct clinic_call *call, const char *outcome)
{
    struct clinic_up m = up(CLINIC_ANSWER, "");

    m.read = call->read_id;
    text_copy(m.call, sizeof m.call, call->id);
    text_copy(m.outcome, sizeof m.outcome, outcome);
    text_copy(m.reason, sizeof m.reason, "左侧张力性气胸,已通知值班医生");
    text_copy(m.by, sizeof m.by, "王技师");
    return m;
}

static int
open_study(void **state)
{
    if (begin(state) != 0)
        return -1;
    read_id = report_world_study(&w, "T1", STUDY);
    tell_all();
    return 0;
}

static void
a_critical_finding_is_told_without_lease_and_once(void **state)
{
    struct clinic_call call;
    struct clinic_down m;

    (void)state;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    tell_all();
    tell_all();

    m = last_of("T1", CLINIC_CRITICAL);
    assert_string_equal(m.id, call.id);
    assert_string_equal(m.reason, "左侧张力性气胸");
    assert_string_equal(m.study, STUDY);
    assert_true(m.is_on_preview);
    assert_true(m.author[0] != '\0');
    assert_string_equal(told("T1", "read_state"), "critical ");
}

/* The audit trail told that a doctor had called a clinic, and not about whom. */
static void
the_trail_names_the_study_of_a_call(void **state)
{
    struct clinic_call call;
    char dir[FOLDER_PATH_BYTES], log[FOLDER_PATH_BYTES + 8];
    struct audit *audit;
    struct err err;

    (void)state;
    folder_make("call", dir);
    assert_int_equal(audit_open(dir, "reader", &audit, &err), 0);
    d.o.audit = audit;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    d.o.audit = NULL;
    audit_close(&audit);

    snprintf(log, sizeof log, "%s/log", dir);
    assert_int_equal(audit_log_says(log, "AUDIT_CLINIC_CALLED", "\"study\":\"" STUDY "\""), 1);
    folder_remove(dir);
}

static void
a_call_that_is_sent_again_is_one_call(void **state)
{
    struct clinic_call call;
    struct pg_conn *conn = NULL;
    struct person who;
    struct err err;

    (void)state;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    assert_int_equal(pg_get(w.reads.pg, &conn, &err), 0);
    assert_int_equal(people_find(conn, "doc1", &who, &err), 0);
    pg_put(&conn);
    assert_int_equal(clinic_call_make(&d, &who, &call, &err), 0);
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM clinic_call"), 1);
    assert_int_equal(count("SELECT count(*) FROM clinic_down WHERE kind = 'critical'"), 1);
    text_copy(call.words, sizeof call.words, "别的话");
    assert_int_equal(clinic_call_make(&d, &who, &call, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
who_may_not_write_may_not_call(void **state)
{
    struct clinic_call call;

    (void)state;
    assert_int_equal(call_as("tech1", true, "x", &call), -ERR_DENIED);
    assert_int_equal(call_as("doc9", true, "x", &call), -ERR_NOT_FOUND);
    tell_all();
    assert_int_equal(count("SELECT count(*) FROM clinic_call"), 0);
    assert_string_equal(told("T1", "read_state"), "");
}

static void
what_is_read_back_is_kept_once(void **state)
{
    struct clinic_call call;
    struct clinic_up first, second;

    (void)state;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    tell_all();
    first = answer_to(&call, "read_back");
    second = answer_to(&call, "read_back");
    text_copy(second.reason, sizeof second.reason, "不是这样");

    assert_string_equal(apply(&first), "done");
    assert_string_equal(apply(&first), "done");
    assert_string_equal(apply(&second), "done");
    assert_int_equal(count("SELECT count(*) FROM clinic_call WHERE answer LIKE '左侧%'"), 1);
    assert_int_equal(count("SELECT count(*) FROM read_events WHERE event = 'answered'"), 1);
}

/* One desk answered: the others hear of it, and a new one gets the call with its answer. */
static void
an_answer_is_told_to_all_desks_of_the_clinic(void **state)
{
    struct clinic_call call;
    struct clinic_up m;

    (void)state;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    tell_all();
    assert_string_equal(last_of("T1", CLINIC_CRITICAL).outcome, "");
    m = answer_to(&call, "read_back");
    assert_string_equal(apply(&m), "done");
    tell_all();

    assert_string_equal(told("T1", "read_state"), "critical answered ");
    assert_string_equal(last_of("T1", CLINIC_ANSWERED).call, call.id);
    assert_string_equal(last_of("T1", CLINIC_ANSWERED).outcome, "read_back");
    assert_string_equal(last_of("T1", CLINIC_ANSWERED).answer, m.reason);
    assert_string_equal(last_of("T1", CLINIC_ANSWERED).answered_by, "王技师");
    assert_int_equal(last_of("T1", CLINIC_ANSWERED).answered_at_us, m.at_us);
    assert_string_equal(last_of("T1", CLINIC_CRITICAL).outcome, "read_back");
}

/* As the migration has it: what was answered while no answer was told yet is told now. */
static void
an_answer_of_before_is_told_too(void **state)
{
    struct clinic_call call;
    struct clinic_up m;

    (void)state;
    assert_int_equal(call_as("doc1", true, "左侧张力性气胸", &call), 0);
    m = answer_to(&call, "read_back");
    tell_all();
    assert_string_equal(apply(&m), "done");
    tell_all();
    count("DELETE FROM clinic_down WHERE kind = 'answered'");
    assert_string_equal(told("T1", "read_state"), "critical ");

    count("INSERT INTO clinic_aside (event_seq, tries, next_at_us) SELECT seq, 0, 0 "
          "FROM read_events WHERE event = 'answered'");
    tell_all();

    assert_string_equal(told("T1", "read_state"), "critical answered ");
}

static void
another_clinic_answers_nothing(void **state)
{
    struct clinic_call call;
    struct clinic_up m;

    (void)state;
    assert_int_equal(call_as("doc1", false, "请重拍:体位不正", &call), 0);
    tell_all();
    m = answer_to(&call, "will_repeat");

    assert_string_equal(apply_as("T2", "g9", &m), "refused not_possible");
    assert_int_equal(count("SELECT count(*) FROM clinic_call WHERE outcome <> ''"), 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_critical_finding_is_told_without_lease_and_once,
                                        open_study, deliver_world_close),
        cmocka_unit_test_setup_teardown(the_trail_names_the_study_of_a_call, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(a_call_that_is_sent_again_is_one_call, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(who_may_not_write_may_not_call, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(what_is_read_back_is_kept_once, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(an_answer_is_told_to_all_desks_of_the_clinic, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(an_answer_of_before_is_told_too, open_study,
                                        deliver_world_close),
        cmocka_unit_test_setup_teardown(another_clinic_answers_nothing, open_study,
                                        deliver_world_close),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
