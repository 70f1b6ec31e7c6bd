/* test_commit.c - Storage Commitment at the clinic's door: what is answered, when it is told, and
 * that it is told once, whatever comes in between. The device is ours: it asks, and it listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/serve/parts.h"
#include "tests/unit/gateway/commit_device.h"

/* A restart, and the bytes of what is sealed are gone. */
static void
remove_sealed(void)
{
    struct spool_options gone = {.segment_bytes = 4u << 20, .keep_sealed_ms = 0};
    char *folder = mem_printf("%s/spool", world.dir);
    struct err err = {0};

    serve_world_close(&world);
    assert_int_equal(spool_open(folder, &gone, &world.spool, &err), 0);
    assert_true(spool_collect_garbage(world.spool) > 0);
    spool_close(&world.spool);
    serve_world_open(&world);
    free(folder);
}

/* ---- claims ---- */

static void
sealed_is_told_on_the_open_association_and_not_before(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.2", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    struct err err = {0};

    (void)state;
    put("1.2.7.1.1");
    put("1.2.7.1.2");
    serve_world_inspect(&world);
    assert_int_equal(ask(assoc, "2.25.1", instances), DIMSE_SUCCESS);
    assert_int_equal(files_in_commit(), 1);
    struct dimse_command echo = {.field = DIMSE_C_ECHO_RQ, .sop_class = DCM_UID_VERIFICATION};
    struct dimse_command rsp;
    echo.context = 3;
    for (int i = 0; i < 3; i++) { /* nothing but our echoes is answered */
        assert_int_equal(dimse_send_command(assoc, &echo, &err), 0);
        assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
        assert_int_equal(rsp.field, DIMSE_C_ECHO_RSP);
    }

    serve_world_seal(&world);
    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    assert_true(is_in_report(0x00081195, "2.25.1"));
    assert_true(is_in_report(0x00081155, "1.2.7.1.2"));
    wait_for_end();
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
each_failure_has_its_reason_in_one_report(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.2", "1.2.7.1.3", "1.2.7.1.4", NULL};
    struct serve_image other = {.study = STUDY,
                                .series = "1.2.7.1",
                                .sop_instance = "1.2.7.1.3",
                                .sop_class = DCM_UID_SECONDARY_CAPTURE};
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    serve_world_close(&world);
    world.options.grace_ms = 300;
    serve_world_open(&world);
    assoc = connect_as("CT1", accept_port(world.door));
    put("1.2.7.1.1");
    serve_world_put(&world, &other);
    serve_world_seal(&world);
    uint64_t id = put("1.2.7.1.2");
    assert_int_equal(spool_set_quarantined(world.spool, id, "unreadable: test", &err), 0);
    assert_int_equal(ask(assoc, "2.25.2", instances), DIMSE_SUCCESS);

    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_FAILURES);
    assert_int_equal(reasons(DIMSE_PROCESSING_FAILURE), 1);
    assert_int_equal(reasons(DIMSE_CLASS_CONFLICT), 1);
    assert_int_equal(reasons(DIMSE_NO_SUCH_INSTANCE), 1);
    wait_for_end();
    assert_int_equal(told.reports, 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

/* Sealed once, and at neither end since: no promise before it came again and was sealed anew. */
static void
what_the_centre_has_lost_fails_until_it_is_sealed_anew(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.2", NULL};
    struct commit_ref ref = {.sop_class = DCM_UID_CT_IMAGE, .sop_instance = "1.2.7.1.1"};
    uint64_t lost = put("1.2.7.1.1"), again;
    struct dimse_assoc *assoc;
    struct err err = {0};
    size_t released;

    (void)state;
    put("1.2.7.1.2");
    serve_world_seal(&world);
    remove_sealed();
    assert_int_equal(spool_set_lost(world.spool, lost, &released, &err), 0);
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.10", instances), DIMSE_SUCCESS);
    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_FAILURES);
    assert_int_equal(reasons(DIMSE_PROCESSING_FAILURE), 1);
    wait_for_end();

    again = put("1.2.7.1.1");
    assert_int_equal(commit_judge(world.spool, false, &ref, NULL), JUDGED_WAITING);
    serve_world_inspect(&world); /* looked into, and not in its place yet */
    assert_int_equal(commit_judge(world.spool, false, &ref, NULL), JUDGED_WAITING);
    assert_int_equal(commit_judge(world.spool, true, &ref, NULL), JUDGED_WAITING);
    assert_int_equal(spool_set_again(world.spool, lost, again, &err), 0);
    assert_int_equal(commit_judge(world.spool, false, &ref, NULL), JUDGED_WAITING);
    assert_int_equal(commit_judge(world.spool, true, &ref, NULL), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.11", instances), DIMSE_SUCCESS);
    serve_world_seal(&world);
    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    wait_for_end();
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static struct {
    struct gate gate;
    unsigned times;
    bool is_open;
} asked;

static bool
is_asked(void *user, const char *study)
{
    bool is;

    assert_ptr_equal(user, &asked);
    assert_string_equal(study, STUDY);
    gate_lock(&asked.gate);
    asked.times++;
    is = asked.is_open;
    gate_wake(&asked.gate);
    gate_unlock(&asked.gate);
    return is;
}

static void
while_a_question_stands_on_its_study_nothing_is_committed(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    gate_init(&asked.gate);
    asked.is_open = true;
    world.options.has_questions = true;
    serve_world_close(&world);
    serve_world_open(&world);
    serve_ask_questions(world.serve, is_asked, &asked);
    assoc = connect_as("CT1", accept_port(world.door));
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(ask(assoc, "2.25.12", instances), DIMSE_SUCCESS);

    gate_lock(&asked.gate); /* asked a second time: the first did not decide it */
    while (asked.times < 2)
        gate_wait(&asked.gate);
    asked.is_open = false;
    gate_unlock(&asked.gate);
    assert_int_equal(told.reports, 0);
    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    wait_for_end();
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_ask_questions(world.serve, NULL, NULL);
    gate_fini(&asked.gate);
}

/* Thrown away and nothing else: a failure, never "safe". Beside one that is sealed: that one. */
static void
what_was_thrown_away_is_no_promise_and_breaks_none(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.2", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    uint64_t ids[2], sealed = put("1.2.7.1.1");
    struct err err = {0};

    (void)state;
    serve_world_seal(&world);
    ids[0] = put("1.2.7.1.1");
    ids[1] = put("1.2.7.1.2");
    assert_int_not_equal(sealed, ids[0]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spool_set_quarantined(world.spool, ids[i], "uid_conflict", &err), 0);
        assert_int_equal(spool_discard(world.spool, ids[i], "other", "li.wei", &err), 0);
    }
    assert_int_equal(ask(assoc, "2.25.9", instances), DIMSE_SUCCESS);

    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_FAILURES);
    assert_int_equal(reasons(DIMSE_PROCESSING_FAILURE), 1);
    assert_int_equal(reasons(DIMSE_NO_SUCH_INSTANCE), 0);
    wait_for_end();
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
what_arrives_within_the_grace_period_is_committed(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", "1.2.7.1.2", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    struct err err = {0};

    (void)state;
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(ask(assoc, "2.25.3", instances), DIMSE_SUCCESS);
    for (int i = 0; serve_expected(world.serve, STUDY) == 0 && i < 400; i++)
        (void)spool_wait(world.spool, UINT64_MAX - 1, 25);
    assert_int_equal(serve_expected(world.serve, STUDY), 1);
    put("1.2.7.1.2");
    serve_world_seal(&world);

    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
device_that_listens_is_called_and_tried_until_it_answers(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    uint16_t port = listen_at(0);
    char *row = mem_printf("commit_host=127.0.0.1 commit_port=%u commit_ae=CT1COMMIT", port);
    struct err err = {0};

    (void)state;
    dimse_listener_free(&told.listener); /* it is off for now */
    set_row(row);
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(ask(assoc, "2.25.4", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    struct buf json;
    struct jsonw w;
    buf_init(&json, 65536);
    for (int i = 0; strstr(buf_text(&json), "\"attempts\":2") == NULL && i < 400; i++) {
        buf_clear(&json);
        jsonw_init(&w, &json);
        jsonw_object(&w, NULL);
        serve_report(world.serve, &w);
        jsonw_end(&w);
        (void)spool_wait(world.spool, UINT64_MAX - 1, 25);
    }
    assert_non_null(strstr(buf_text(&json), "\"state\":\"to_tell\""));
    assert_non_null(strstr(buf_text(&json), "refused"));
    told.answer = DIMSE_PROCESSING_FAILURE; /* and the first time it does not like it */
    listen_at(port);

    wait_for_reports(2);
    wait_for_end();
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    assert_string_equal(told.calling, "RADPOST");
    buf_fini(&json);
    free(row);
}

static void
restart_between_request_and_report_tells_once(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    char *row = mem_printf("host=127.0.0.1 port=%u", listen_at(0)); /* where it listens at all */

    (void)state;
    set_row(row);
    put("1.2.7.1.1");
    assert_int_equal(ask(assoc, "2.25.5", instances), DIMSE_SUCCESS);
    serve_world_close(&world);
    dimse_abort(&assoc);
    assert_int_equal(files_in_commit(), 1);
    serve_world_open(&world);
    assert_int_equal(told.reports, 0);
    serve_world_seal(&world);

    wait_for_reports(1);
    wait_for_end();
    serve_world_close(&world);
    serve_world_open(&world);
    assert_int_equal(told.reports, 1);
    free(row);
}

/* Invariant 1 of commit.c: a kill right after the answer loses nothing, and nothing is told twice.
 */
static void
kill_between_request_and_report_tells_once(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc;
    uint16_t port = 0;
    int ways[2], status;
    pid_t child;

    (void)state;
    put("1.2.7.1.1");
    serve_world_close(&world);
    assert_int_equal(pipe(ways), 0);
    child = fork();
    if (child == 0) { /* the gateway, as a process that can be killed */
        serve_world_open(&world);
        port = accept_port(world.door);
        if (write(ways[1], &port, sizeof port) != sizeof port)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ways[0], &port, sizeof port), sizeof port);
    assoc = connect_as("CT1", port);
    assert_int_equal(ask(assoc, "2.25.6", instances), DIMSE_SUCCESS);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    dimse_abort(&assoc);
    close(ways[0]);
    close(ways[1]);

    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", listen_at(0));
    set_row(row);
    assert_int_equal(files_in_commit(), 1);
    serve_world_open(&world);
    serve_world_seal(&world);
    wait_for_reports(1);
    wait_for_end();
    assert_int_equal(told.reports, 1);
    assert_non_null(memmem(told.data.bytes, told.data.n, "2.25.6", 6));
    free(row);
}

/* It has hung up, and names no address: it is told when it asks the next time. */
static void
device_without_address_is_told_on_its_next_association(void **state)
{
    const char *const first[] = {"1.2.7.1.1", NULL}, *const second[] = {"1.2.7.1.9", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    struct err err = {0};

    (void)state;
    put("1.2.7.1.1");
    assert_int_equal(ask(assoc, "2.25.7", first), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_world_seal(&world);
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.8", second), DIMSE_SUCCESS);

    expect_report(assoc);
    assert_true(is_in_report(0x00081195, "2.25.7"));
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
same_transaction_asked_again_is_one_transaction(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    struct err err = {0};

    (void)state;
    put("1.2.7.1.1");
    assert_int_equal(ask(assoc, "2.25.9", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.9", instances), DIMSE_SUCCESS);
    serve_world_seal(&world);

    expect_report(assoc);
    wait_for_end();
    assert_int_equal(told.reports, 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
device_that_never_answers_is_given_up_and_shown(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc;
    struct err err = {0};
    struct buf json;
    struct jsonw w;

    (void)state;
    serve_world_close(&world);
    world.options.give_up_ms = 200;
    serve_world_open(&world);
    set_row("commit_ae=CT1 commit_host=127.0.0.1 commit_port=1");
    assoc = connect_as("CT1", accept_port(world.door));
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(ask(assoc, "2.25.10", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    buf_init(&json, 65536);
    for (int i = 0; strstr(buf_text(&json), "given_up") == NULL && i < 400; i++) {
        buf_clear(&json);
        jsonw_init(&w, &json);
        jsonw_object(&w, NULL);
        serve_report(world.serve, &w);
        jsonw_end(&w);
        (void)spool_wait(world.spool, UINT64_MAX - 1, 25);
    }
    assert_non_null(strstr(buf_text(&json), "\"state\":\"given_up\""));
    assert_int_equal(files_in_commit(), 1);
    buf_fini(&json);
}

/* Sealed, and its bytes removed, with a restart after: still known, for as long as the spool's
 * summaries last. */
static void
what_was_sealed_and_removed_is_still_committed(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct spool_bytes bytes;
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    uint64_t id = put("1.2.7.1.1");
    serve_world_seal(&world);
    remove_sealed();
    assert_int_equal(spool_source_received(world.spool, id, &bytes, &err), -1);
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.14", instances), DIMSE_SUCCESS);

    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
what_is_no_commitment_is_refused_and_the_next_is_well(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    struct dimse_command rq;
    struct err err = {0};
    struct buf data, junk;

    (void)state;
    buf_init(&data, 65536);
    buf_init(&junk, 65536);
    write_request(&data, "2.25.11", instances);
    buf_add(&junk, "\x08\x00\x95\x11\xff\xff\xff\x00", 8);
    rq = good;
    text_copy(rq.sop_instance, sizeof rq.sop_instance, "1.2.3");
    assert_int_equal(request(assoc, rq, &data), DIMSE_NO_SUCH_INSTANCE);
    rq = good;
    rq.action_type_id = 2;
    assert_int_equal(request(assoc, rq, &data), DIMSE_NO_SUCH_ACTION);
    rq = good;
    rq.field = DIMSE_N_SET_RQ;
    assert_int_equal(request(assoc, rq, &data), DIMSE_UNRECOGNIZED_OPERATION);
    assert_int_equal(request(assoc, good, NULL), DIMSE_MISSING_ATTRIBUTE);
    assert_int_equal(request(assoc, good, &junk), DIMSE_INVALID_ARGUMENT);
    assert_int_equal(files_in_commit(), 0);
    assert_int_equal(request(assoc, good, &data), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assoc = connect_as("NOCOMMIT", accept_port(world.door));
    assert_int_equal(request(assoc, good, &data), DIMSE_NOT_AUTHORIZED);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    buf_fini(&junk);
    buf_fini(&data);
}

/* Invariant 1 of commit.c, on a disk that does not take it: no success, and nothing of it later. */
static void
request_that_cannot_be_made_durable_is_not_answered_success(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    char *tmp = mem_printf("%s/serve/tmp", world.dir);
    struct err err = {0};

    (void)state;
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(rmdir(tmp), 0);
    assert_int_equal(ask(assoc, "2.25.15", instances), DIMSE_PROCESSING_FAILURE);
    assert_int_equal(files_in_commit(), 0);
    assert_int_equal(mkdir(tmp, 0700), 0);
    assert_int_equal(ask(assoc, "2.25.16", instances), DIMSE_SUCCESS);

    expect_report(assoc);
    assert_true(is_in_report(0x00081195, "2.25.16"));
    assert_int_equal(told.reports, 1);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    free(tmp);
}

static void
durable_here_is_a_promise_of_two_disks_only(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct serve_options options = world.options;
    struct serve *other = NULL;
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    options.is_durable_enough = true;
    assert_int_equal(serve_start(&options, &other, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    serve_world_close(&world);
    world.options.is_durable_enough = world.options.is_mirrored = true;
    serve_world_open(&world);
    assoc = connect_as("CT1", accept_port(world.door));
    put("1.2.7.1.1");
    assert_int_equal(ask(assoc, "2.25.12", instances), DIMSE_SUCCESS);
    serve_world_inspect(&world);

    expect_report(assoc);
    assert_int_equal(told.event, COMMIT_EVENT_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
}

static void
unreadable_transaction_goes_aside_and_the_rest_goes_on(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    char *rotten = mem_printf("%s/serve/commit/0000000000000077.txn", world.dir);
    char *aside = mem_printf("%s/serve/corrupt/0000000000000077.txn", world.dir);
    struct err err = {0};
    FILE *f;

    (void)state;
    assert_int_equal(ask(assoc, "2.25.13", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_world_close(&world);
    f = fopen(rotten, "w");
    fputs("RPCT\1 nothing of sense here, but long enough to be looked at, I should think", f);
    fclose(f);
    serve_world_open(&world);
    assert_int_equal(files_in_commit(), 1);
    assert_int_equal(access(aside, R_OK), 0);
    free(aside);
    free(rotten);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
        CLAIM(sealed_is_told_on_the_open_association_and_not_before),
        CLAIM(each_failure_has_its_reason_in_one_report),
        CLAIM(what_the_centre_has_lost_fails_until_it_is_sealed_anew),
        CLAIM(while_a_question_stands_on_its_study_nothing_is_committed),
        CLAIM(what_was_thrown_away_is_no_promise_and_breaks_none),
        CLAIM(what_arrives_within_the_grace_period_is_committed),
        CLAIM(device_that_listens_is_called_and_tried_until_it_answers),
        CLAIM(restart_between_request_and_report_tells_once),
        CLAIM(kill_between_request_and_report_tells_once),
        CLAIM(device_without_address_is_told_on_its_next_association),
        CLAIM(same_transaction_asked_again_is_one_transaction),
        CLAIM(device_that_never_answers_is_given_up_and_shown),
        CLAIM(what_was_sealed_and_removed_is_still_committed),
        CLAIM(what_is_no_commitment_is_refused_and_the_next_is_well),
        CLAIM(request_that_cannot_be_made_durable_is_not_answered_success),
        CLAIM(durable_here_is_a_promise_of_two_disks_only),
        CLAIM(unreadable_transaction_goes_aside_and_the_rest_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
