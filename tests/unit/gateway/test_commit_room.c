/* test_commit_room.c - what devices have asked for has a bound in memory and on the disk; past it
 * they are told so, and what is there already is neither lost nor in the way of a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "gateway/serve/parts.h"
#include "tests/unit/gateway/commit_device.h"

enum { ONE = 6 }; /* a transaction of one instance weighs */

/* On an association of its own, which ends when it is answered. */
static uint16_t
ask_and_leave(const char *ae, const char *transaction)
{
    const char *const instances[] = {"1.2.7.1.1", NULL};
    struct dimse_assoc *assoc = connect_as(ae, accept_port(world.door));
    uint16_t status = ask(assoc, transaction, instances);

    dimse_abort(&assoc);
    return status;
}

static size_t
open_now(void)
{
    size_t n = 0;

    gate_lock(&world.serve->gate);
    for (size_t i = 0; i < world.serve->held_n; i++)
        n += !world.serve->held[i]->is_dropped;
    gate_unlock(&world.serve->gate);
    return n;
}

static void
instances_of_open_transactions_have_a_bound_a_device_and_of_all(void **state)
{
    (void)state;
    serve_world_close(&world);
    world.options.weight_most = 2 * ONE + 1;
    serve_world_devices(&world, "CT1 127.0.0.1\nCT2 127.0.0.1\nCT3 127.0.0.1\n");
    serve_world_open(&world);
    assert_int_equal(ask_and_leave("CT1", "2.25.1"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_leave("CT1", "2.25.2"), DIMSE_SUCCESS);

    assert_int_equal(ask_and_leave("CT1", "2.25.3"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(ask_and_leave("CT2", "2.25.4"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_leave("CT2", "2.25.5"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_leave("CT3", "2.25.6"), DIMSE_RESOURCE_LIMITATION);
    serve_world_close(&world);
    serve_world_open(&world); /* and so after a restart */
    assert_int_equal(ask_and_leave("CT1", "2.25.7"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(ask_and_leave("CT3", "2.25.8"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(files_in_commit(), 4);
}

static void
below_the_refuse_mark_no_transaction_is_taken(void **state)
{
    (void)state;
    serve_world_close(&world);
    world.refuse_free_bytes = UINT64_MAX;
    serve_world_open(&world);

    assert_int_equal(ask_and_leave("CT1", "2.25.1"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(files_in_commit(), 0);
    assert_int_equal(world.serve->weight.open, 0);
}

/* As an earlier version left it: five transactions where two fit. */
static void
start_with_more_than_fits_comes_up_and_tells_all_in_time(void **state)
{
    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u\nCT2 127.0.0.1",
                           listen_at(0));
    char transaction[16];

    (void)state;
    set_row(row);
    put("1.2.7.1.1");
    for (int i = 1; i <= 5; i++) {
        snprintf(transaction, sizeof transaction, "2.25.%d", i);
        assert_int_equal(ask_and_leave("CT1", transaction), DIMSE_SUCCESS);
    }
    serve_world_close(&world);
    world.options.weight_most = 2 * ONE + 1;
    serve_world_open(&world);
    assert_int_equal(open_now(), 2);
    assert_int_equal(ask_and_leave("CT1", "2.25.6"), DIMSE_RESOURCE_LIMITATION);
    assert_int_equal(ask_and_leave("CT2", "2.25.7"), DIMSE_SUCCESS); /* a number of its own */
    assert_int_equal(files_in_commit(), 6);

    serve_world_seal(&world);
    wait_for_reports(5);
    wait_for_files(1); /* CT2's, which is not there to be told */
    free(row);
}

/* No row says where CT1 is told: what is decided waits. */
static void
older_one_that_was_left_out_is_forgotten_when_it_is_read(void **state)
{
    (void)state;
    assert_int_equal(ask_and_leave("CT1", "2.25.1"), DIMSE_SUCCESS);
    assert_int_equal(ask_and_leave("CT1", "2.25.2"), DIMSE_SUCCESS);
    serve_world_close(&world);
    world.options.weight_most = ONE;
    serve_world_open(&world);
    assert_int_equal(open_now(), 1);
    gate_lock(&world.serve->gate);
    world.serve->options.weight_most = 3 * ONE;
    gate_unlock(&world.serve->gate);

    assert_int_equal(ask_and_leave("CT1", "2.25.2"), DIMSE_SUCCESS); /* of what was left out */
    assert_int_equal(ask_and_leave("CT1", "2.25.1"), DIMSE_SUCCESS); /* makes room to read it */
    wait_for_files(2);
    assert_int_equal(open_now(), 2);
}

/* Of CT1, each time in a new transaction: 2.25.NUMBER. */
static uint16_t
ask_anew(const char *instance, unsigned *number)
{
    const char *const instances[] = {instance, NULL};
    struct dimse_assoc *assoc = connect_as("CT1", accept_port(world.door));
    char transaction[24];
    uint16_t status;

    snprintf(transaction, sizeof transaction, "2.25.%u", (*number)++);
    status = ask(assoc, transaction, instances);
    dimse_abort(&assoc);
    return status;
}

static void
device_that_asks_anew_and_anew_is_told_of_its_newest_few_and_shuts_out_nothing(void **state)
{
    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", listen_at(0));
    unsigned number = 1;

    (void)state;
    set_row(row);
    put("1.2.7.1.1");
    put("1.2.7.1.2");
    serve_world_close(&world);
    world.options.weight_most =
        11 * ONE; /* the other, eight of these, one that comes, one that goes */
    serve_world_open(&world);
    assert_int_equal(ask_anew("1.2.7.1.2", &number), DIMSE_SUCCESS);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(ask_anew("1.2.7.1.1", &number), DIMSE_SUCCESS);
        wait_for_files(i < 8 ? (size_t)i + 2 : 9);
    }
    serve_world_close(&world);
    serve_world_open(&world); /* and so after a restart */

    serve_world_seal(&world);
    wait_for_reports(9);
    wait_for_end();
    assert_true(was_told_of("2.25.1"));
    assert_true(was_told_of("2.25.24"));
    assert_true(was_told_of("2.25.31"));
    assert_false(was_told_of("2.25.23"));
    free(row);
}

static void
asking_anew_does_not_put_off_what_is_said_of_a_missing_one(void **state)
{
    char *row = mem_printf("commit_ae=CT1 commit_host=127.0.0.1 commit_port=%u", listen_at(0));
    int64_t until_ms = clock_mono_ms() + 20000;
    unsigned number = 1;

    (void)state;
    set_row(row);
    serve_world_close(&world);
    world.options.grace_ms = 1500;
    serve_world_open(&world);
    while (reports_now() == 0 && clock_mono_ms() < until_ms)
        assert_int_equal(ask_anew("1.2.7.1.9", &number), DIMSE_SUCCESS);

    assert_true(number > 1 + 8); /* so that the first of them is forgotten */
    assert_true(reports_now() > 0);
    assert_int_equal(told.event, COMMIT_EVENT_FAILURES);
    free(row);
}

static void
file_that_is_too_long_goes_aside_at_the_start(void **state)
{
    char *path = mem_printf("%s/serve/commit/0000000000000009.txn", world.dir);
    char *aside = mem_printf("%s/serve/corrupt/0000000000000009.txn", world.dir);
    int fd;

    (void)state;
    serve_world_close(&world);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, COMMIT_FILE_BYTES + 1), 0);
    close(fd);

    serve_world_open(&world);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(files_in_commit(), 0);
    free(aside);
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
        CLAIM(instances_of_open_transactions_have_a_bound_a_device_and_of_all),
        CLAIM(below_the_refuse_mark_no_transaction_is_taken),
        CLAIM(start_with_more_than_fits_comes_up_and_tells_all_in_time),
        CLAIM(older_one_that_was_left_out_is_forgotten_when_it_is_read),
        CLAIM(device_that_asks_anew_and_anew_is_told_of_its_newest_few_and_shuts_out_nothing),
        CLAIM(asking_anew_does_not_put_off_what_is_said_of_a_missing_one),
        CLAIM(file_that_is_too_long_goes_aside_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
