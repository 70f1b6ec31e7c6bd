/* test_commit.c - Storage Commitment at the clinic's door: what is answered, when it is told, and
 * that it is told once, whatever comes in between. The device is ours: it asks, and it listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/serve/commit_message.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/write.h"
#include "tests/support/serve_world.h"

#define STUDY "1.2.7"

static struct serve_world world;

/* ---- the device as a server: reports on associations of ours ---- */

struct told {
    struct gate gate;
    struct dimse_listener *listener;
    unsigned reports;
    uint16_t event, answer; /* what it says to the next */
    char transaction[65];
    struct buf data;
    char calling[17];
};

static struct told told;

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    (void)user;
    text_copy(told.calling, sizeof told.calling, peer->calling);
    return DIMSE_ADMITTED;
}

/* Reports come from the service's provider: it must ask for that role. */
static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)user;
    return peer_is_scp && strcmp(abstract_syntax, COMMIT_CLASS) == 0 ? DIMSE_PLAIN_SYNTAX
                                                                     : DIMSE_NOT_OFFERED;
}

static void
note_report(const struct dimse_command *rq, const struct buf *data)
{
    gate_lock(&told.gate);
    told.reports++;
    told.event = rq->event_type_id;
    buf_clear(&told.data);
    buf_add(&told.data, data->bytes, data->n);
    gate_wake(&told.gate);
    gate_unlock(&told.gate);
}

static int
take_report(struct dimse_assoc *assoc, const struct dimse_command *rq, uint16_t answer,
            struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, answer);
    struct buf data;

    assert_int_equal(rq->field, DIMSE_N_EVENT_REPORT_RQ);
    assert_string_equal(rq->sop_class, COMMIT_CLASS);
    assert_string_equal(rq->sop_instance, COMMIT_INSTANCE);
    buf_init(&data, 1 << 20);
    assert_int_equal(dimse_collect_data(assoc, &data, err), 0);
    note_report(rq, &data);
    buf_fini(&data);
    return dimse_send_command(assoc, &rsp, err);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct dimse_command rq = {.field = 0};
    struct err err = {0};

    (void)user;
    while (dimse_next_command(assoc, &rq, &err) == 0 && rq.field != DIMSE_END) {
        uint16_t answer = told.answer;
        told.answer = DIMSE_SUCCESS;
        if (take_report(assoc, &rq, answer, &err) < 0)
            return;
    }
}

static uint16_t
listen_at(uint16_t port)
{
    struct dimse_listener_options o = {
        .address = "127.0.0.1", .port = port, .admit = admit, .offers = offers, .serve = serve};
    struct err err = {0};

    if (dimse_listen(&o, &told.listener, &err) < 0)
        fail_msg("%s", err.text);
    return dimse_listener_port(told.listener);
}

static void
wait_for_reports(unsigned n)
{
    int64_t until = clock_mono_ms() + 20000;

    gate_lock(&told.gate);
    while (told.reports < n && clock_mono_ms() < until)
        (void)gate_wait_ms(&told.gate, 1000);
    assert_int_equal(told.reports, n);
    gate_unlock(&told.gate);
}

/* ---- the device as a client ---- */

static int
begin(void **state)
{
    (void)state;
    told = (struct told){.answer = DIMSE_SUCCESS};
    gate_init(&told.gate);
    buf_init(&told.data, 1 << 20);
    world = (struct serve_world){.options = {.grace_ms = 3600000}};
    serve_world_make(&world, "CT1 127.0.0.1\nNOCOMMIT * x may=store\n");
    return 0;
}

static int
end(void **state)
{
    (void)state;
    serve_world_remove(&world);
    dimse_listener_free(&told.listener);
    buf_fini(&told.data);
    gate_fini(&told.gate);
    return 0;
}

static void
set_row(const char *settings)
{
    char *row = mem_printf("CT1 127.0.0.1 CT %s\n", settings);

    serve_world_devices(&world, row);
    free(row);
}

static struct dimse_assoc *
connect_as(const char *ae, uint16_t port)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposals[] = {{COMMIT_CLASS, plain, 1, false},
                                         {DCM_UID_VERIFICATION, plain, 1, false}};
    struct dimse_connect_options o = {
        .host = "127.0.0.1", .port = port, .calling = ae, .called = "RADPOST"};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    if (dimse_connect(&o, proposals, 2, &assoc, &err) < 0)
        fail_msg("%s", err.text);
    return assoc;
}

static void
write_request(struct buf *out, const char *transaction, const char *const *instances)
{
    struct dcm_writer w;

    dcm_write_init(&w, out, DCM_IMPLICIT_LE);
    dcm_write_text(&w, 0x00081195, "UI", transaction);
    dcm_write_sequence_begin(&w, 0x00081199);
    for (; *instances != NULL; instances++) {
        dcm_write_item_begin(&w);
        dcm_write_text(&w, 0x00081150, "UI", DCM_UID_CT_IMAGE);
        dcm_write_text(&w, 0x00081155, "UI", *instances);
        dcm_write_item_end(&w);
    }
    dcm_write_sequence_end(&w);
}

/* Send a request as it is; the answer's status. */
static uint16_t
request(struct dimse_assoc *assoc, struct dimse_command rq, const struct buf *data)
{
    struct dimse_command rsp;
    struct err err = {0};

    rq.context = 1;
    rq.message_id = 5;
    rq.has_data = data != NULL;
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    if (data != NULL)
        assert_int_equal(dimse_send_data(assoc, 1, data->bytes, data->n, true, &err), 0);
    if (dimse_next_command(assoc, &rsp, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rsp.field, rq.field | 0x8000);
    assert_int_equal(rsp.responded_id, 5);
    return rsp.status;
}

static const struct dimse_command good = {.field = DIMSE_N_ACTION_RQ,
                                          .sop_class = COMMIT_CLASS,
                                          .sop_instance = COMMIT_INSTANCE,
                                          .action_type_id = 1};

static uint16_t
ask(struct dimse_assoc *assoc, const char *transaction, const char *const *instances)
{
    struct buf data;
    uint16_t status;

    buf_init(&data, 1 << 20);
    write_request(&data, transaction, instances);
    status = request(assoc, good, &data);
    buf_fini(&data);
    return status;
}

static uint64_t
put(const char *sop_instance)
{
    struct serve_image image = {.study = STUDY, .series = "1.2.7.1", .sop_instance = sop_instance};

    return serve_world_put(&world, &image);
}

/* The report of this transaction comes on this association; answer it. */
static void
expect_report(struct dimse_assoc *assoc)
{
    struct dimse_command rq;
    struct err err = {0};

    if (dimse_next_command(assoc, &rq, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(take_report(assoc, &rq, DIMSE_SUCCESS, &err), 0);
}

static bool
is_in_report(uint32_t tag, const char *value)
{
    char bytes[80];
    size_t n = strlen(value);

    le32_write((uint8_t *)bytes, tag << 16 | tag >> 16);
    le32_write((uint8_t *)bytes + 4, (uint32_t)(n + (n & 1)));
    memcpy(bytes + 8, value, n + 1);
    return memmem(told.data.bytes, told.data.n, bytes, 8 + n) != NULL;
}

/* Failure Reason with this value, so many times. */
static size_t
reasons(uint16_t value)
{
    uint8_t bytes[] = {8, 0, 0x97, 0x11, 2, 0, 0, 0, (uint8_t)value, (uint8_t)(value >> 8)};
    const uint8_t *at = told.data.bytes, *stop = at + told.data.n;
    size_t n = 0;

    while ((at = memmem(at, (size_t)(stop - at), bytes, sizeof bytes)) != NULL) {
        n++;
        at += sizeof bytes;
    }
    return n;
}

static size_t
files_in_commit(void)
{
    char *path = mem_printf("%s/serve/commit", world.dir);
    DIR *d = opendir(path);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    free(path);
    return n;
}

/* Until no transaction is left in the folder. */
static void
wait_for_end(void)
{
    struct gate g;

    gate_init(&g);
    gate_lock(&g);
    for (int i = 0; files_in_commit() > 0 && i < 400; i++)
        (void)gate_wait_ms(&g, 50); /* another process's folder would be watched the same way */
    gate_unlock(&g);
    gate_fini(&g);
    assert_int_equal(files_in_commit(), 0);
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
        CLAIM(what_arrives_within_the_grace_period_is_committed),
        CLAIM(device_that_listens_is_called_and_tried_until_it_answers),
        CLAIM(restart_between_request_and_report_tells_once),
        CLAIM(kill_between_request_and_report_tells_once),
        CLAIM(device_without_address_is_told_on_its_next_association),
        CLAIM(same_transaction_asked_again_is_one_transaction),
        CLAIM(device_that_never_answers_is_given_up_and_shown),
        CLAIM(what_is_no_commitment_is_refused_and_the_next_is_well),
        CLAIM(durable_here_is_a_promise_of_two_disks_only),
        CLAIM(unreadable_transaction_goes_aside_and_the_rest_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
