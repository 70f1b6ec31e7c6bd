/* test_commit_reach.c - a device that cannot be told of its commitments is nobody else's trouble:
 * it has its own share of transactions, and its own time to be called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/serve/parts.h"
#include "tests/unit/gateway/commit_device.h"

/* Of the gateway's report. */
static void
wait_for_count(const char *name, size_t n)
{
    char *due = mem_printf("\"%s\":%zu,", name, n);
    struct buf json;

    buf_init(&json, 1 << 20);
    for (int i = 0; strstr(buf_text(&json), due) == NULL && i < 400; i++) {
        struct jsonw w;

        buf_clear(&json);
        jsonw_init(&w, &json);
        jsonw_object(&w, NULL);
        serve_report(world.serve, &w);
        jsonw_end(&w);
        (void)spool_wait(world.spool, UINT64_MAX - 1, 25);
    }
    assert_non_null(strstr(buf_text(&json), due));
    buf_fini(&json);
    free(due);
}

/* Its row names no address, and it hangs up before it is told. */
static uint16_t
ask_and_hang_up(const char *ae, const char *transaction)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as(ae, accept_port(world.door));
    uint16_t status = ask(assoc, transaction, instances);

    dimse_abort(&assoc); /* a report may have come on it already */
    return status;
}

static void
device_that_is_never_reached_closes_nothing_to_another(void **state)
{
    (void)state;
    serve_world_close(&world);
    world.options.held_most = 3;
    serve_world_devices(&world, "CT1 127.0.0.1\nCT2 127.0.0.1\n");
    serve_world_open(&world);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.21"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.22"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.23"), DIMSE_SUCCESS);
    wait_for_count("open", 3); /* it counts a moment after its answer */

    assert_int_equal(ask_and_hang_up("CT1", "2.25.24"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(ask_and_hang_up("CT2", "2.25.25"), DIMSE_SUCCESS);
    serve_world_close(&world);
    serve_world_open(&world); /* and so after a restart */
    assert_int_equal(ask_and_hang_up("CT1", "2.25.26"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(ask_and_hang_up("CT2", "2.25.27"), DIMSE_SUCCESS);
}

static void
given_up_transactions_count_no_more_and_the_oldest_gives_way(void **state)
{
    char *oldest = mem_printf("%s/serve/commit/0000000000000001.txn", world.dir);
    struct gate g;

    (void)state;
    serve_world_close(&world);
    world.options.held_most = 2;
    world.options.give_up_ms = 100;
    serve_world_open(&world);
    put("1.2.7.1.1");
    serve_world_seal(&world);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.31"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.32"), DIMSE_SUCCESS);
    wait_for_count("untold", 2);
    assert_int_equal(files_in_commit(), 2);

    assert_int_equal(ask_and_hang_up("CT1", "2.25.33"), DIMSE_SUCCESS);
    gate_init(&g);
    gate_lock(&g);
    for (int i = 0; access(oldest, F_OK) == 0 && i < 400; i++)
        (void)gate_wait_ms(&g, 25);
    gate_unlock(&g);
    gate_fini(&g);
    assert_int_equal(access(oldest, F_OK), -1);
    wait_for_count("untold", 2);
    assert_int_equal(files_in_commit(), 2);
    free(oldest);
}

/* A cart that is switched off behind something that still takes connections: each try of it takes
 * ten seconds. It is tried once, whatever waits for it, and the other is told after that. */
static void
device_that_says_nothing_holds_up_no_other(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    struct dimse_assoc *assoc;
    struct err err = {0};
    char *rows;

    (void)state;
    assert_int_equal(bind(silent, (struct sockaddr *)&to, size), 0);
    assert_int_equal(listen(silent, 64), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&to, &size), 0);
    serve_world_close(&world);
    world.options.retry_ms = world.options.retry_max_ms = 3600000;
    rows = mem_printf("OFF 127.0.0.1 x commit_ae=OFF commit_host=127.0.0.1 commit_port=%u\n"
                      "CT1 127.0.0.1 x commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u\n",
                      ntohs(to.sin_port), listen_at(0));
    serve_world_devices(&world, rows);
    serve_world_open(&world);
    put("1.2.7.1.1");
    assoc = connect_as("OFF", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.41", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.42", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.43", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(ask_and_hang_up("CT1", "2.25.44"), DIMSE_SUCCESS);
    serve_world_seal(&world);

    wait_for_reports(1); /* within 20 s */
    assert_non_null(memmem(told.data.bytes, told.data.n, "2.25.44", 7));
    close(silent);
    free(rows);
}

static void
what_waits_for_one_device_goes_on_one_association(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", listen_at(0));
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    set_row(row);
    put("1.2.7.1.1");
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.51", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.52", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.53", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_world_seal(&world);

    wait_for_reports(3);
    wait_for_end();
    assert_int_equal(told.calls, 1);
    free(row);
}

/* CT1 asks three times and listens, CT2 asks once and keeps its association; then all is sealed.
 * Whoever cannot be told is not tried again in the test's time. */
static struct dimse_assoc *
ask_of_two_and_seal(void)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc, *other;
    struct err err = {0};
    char *rows;

    serve_world_close(&world);
    world.options.retry_ms = world.options.retry_max_ms = 3600000;
    rows = mem_printf("CT1 127.0.0.1 x commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u\n"
                      "CT2 127.0.0.1\n",
                      listen_at(0));
    serve_world_devices(&world, rows);
    serve_world_open(&world);
    put("1.2.7.1.1");
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.61", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.62", instances), DIMSE_SUCCESS);
    assert_int_equal(ask(assoc, "2.25.63", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    other = connect_as("CT2", accept_port(world.door));
    assert_int_equal(ask(other, "2.25.64", instances), DIMSE_SUCCESS);
    serve_world_seal(&world);
    free(rows);
    return other;
}

/* What it had to wait for the other one: not until its association is cut for silence. */
static void
expect_report_soon(struct dimse_assoc *assoc)
{
    int64_t began_ms = clock_mono_ms();

    expect_report(assoc);
    assert_true(clock_mono_ms() - began_ms < 30000);
}

/* It reads the second and does not answer it. */
static void
device_that_takes_one_report_an_association_gets_each_on_its_own(void **state)
{
    struct dimse_assoc *other;
    struct err err = {0};

    (void)state;
    told.silent_from = 2;
    other = ask_of_two_and_seal();

    expect_report_soon(other);
    assert_true(is_in_report(0x00081195, "2.25.64"));
    assert_int_equal(dimse_release(&other, &err), 0);
    wait_for_end();
    assert_int_equal(told.reports, 4); /* and not one after an hour */
    assert_int_equal(told.calls, 3);
    assert_int_equal(told.unanswered, 1);
}

static void
device_that_answers_no_report_holds_up_no_other(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *other;
    struct err err = {0};

    (void)state;
    told.silent_from = 1;
    other = ask_of_two_and_seal();

    expect_report_soon(other);
    assert_int_equal(ask(other, "2.25.65", instances), DIMSE_SUCCESS);
    expect_report_soon(other);
    assert_int_equal(dimse_release(&other, &err), 0);
    wait_for_files(3);
    assert_int_equal(told.calls, 1);
}

/* Seven seconds: it is called again, and gets ten. */
static void
slow_device_gets_more_time_at_the_next_call(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", listen_at(0));
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    told.slow_ms = 7000;
    set_row(row);
    put("1.2.7.1.1");
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.66", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_world_seal(&world);

    wait_for_end(); /* within 20 s */
    assert_int_equal(told.calls, 2);
    free(row);
}

/* The call is under way: it has the connection, and gets no answer for ten seconds. */
static void
stop_ends_the_call_under_way(void **state)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    int silent = socket(AF_INET, SOCK_STREAM, 0), call;
    struct dimse_assoc *assoc;
    struct err err = {0};
    int64_t began_ms;
    char *row;

    (void)state;
    assert_int_equal(bind(silent, (struct sockaddr *)&to, size), 0);
    assert_int_equal(listen(silent, 64), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&to, &size), 0);
    row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", ntohs(to.sin_port));
    set_row(row);
    put("1.2.7.1.1");
    assoc = connect_as("CT1", accept_port(world.door));
    assert_int_equal(ask(assoc, "2.25.71", instances), DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    serve_world_seal(&world);
    call = accept(silent, NULL, NULL);
    assert_true(call >= 0);

    began_ms = clock_mono_ms();
    serve_stop(world.serve);
    assert_true(clock_mono_ms() - began_ms < 5000);
    assert_int_equal(files_in_commit(), 1);
    close(call);
    close(silent);
    free(row);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
        CLAIM(device_that_is_never_reached_closes_nothing_to_another),
        CLAIM(given_up_transactions_count_no_more_and_the_oldest_gives_way),
        CLAIM(device_that_says_nothing_holds_up_no_other),
        CLAIM(what_waits_for_one_device_goes_on_one_association),
        CLAIM(device_that_takes_one_report_an_association_gets_each_on_its_own),
        CLAIM(device_that_answers_no_report_holds_up_no_other),
        CLAIM(slow_device_gets_more_time_at_the_next_call),
        CLAIM(stop_ends_the_call_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
