/* test_durable.c - files appear whole under their name or not at all; and the clock, the log, the
 * gate. */
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define LOG_EVENT LOG_EVENT_DECLARE
LOG_EVENT(TEST_HAPPENED, LOG_INFO, "Something happened in a test.")
#undef LOG_EVENT

static char dir[64];

static int
make_dir(void **state)
{
    struct err err;
    char tmp[80];

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/radpost-durable-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    return durable_mkdir(tmp, &err);
}

static int
remove_dir(void **state)
{
    char path[80];

    (void)state;
    snprintf(path, sizeof path, "%s/tmp", dir);
    rmdir(path);
    return rmdir(dir);
}

static void
a_put_file_comes_back_and_leaves_no_draft(void **state)
{
    struct err err;
    uint8_t *back = NULL;
    size_t n;
    char path[80];

    (void)state;
    assert_int_equal(durable_put_file(dir, "x", "hello", 5, &err), 0);
    snprintf(path, sizeof path, "%s/x", dir);
    assert_int_equal(durable_get_file(path, 5, &back, &n, &err), 0);
    assert_memory_equal(back, "hello", 6);
    free(back);

    assert_int_equal(durable_get_file(path, 4, &back, &n, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(durable_remove(dir, "x", &err), 0);
    assert_int_equal(durable_remove(dir, "x", &err), 0);
    snprintf(path, sizeof path, "%s/tmp", dir);
    assert_int_equal(rmdir(path), 0); /* empty: no draft was left */
    assert_int_equal(durable_mkdir(path, &err), 0);
}

static void
a_short_file_is_an_error_not_zeros(void **state)
{
    struct err err;
    char path[80];
    uint8_t bytes[8];
    int fd = -1;

    (void)state;
    assert_int_equal(durable_create(dir, "s", &fd, &err), 0);
    assert_int_equal(durable_write(fd, "abc", 3, &err), 0);
    assert_int_equal(durable_read_at(fd, bytes, 8, 0, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(durable_publish(&fd, dir, "s", "gone/s", &err), -1);
    assert_int_equal(fd, -1);
    snprintf(path, sizeof path, "%s/tmp/s", dir);
    assert_int_equal(access(path, F_OK), -1);
}

static int
draft(const char *name)
{
    struct err err;
    int fd = -1;

    assert_int_equal(durable_create(dir, name, &fd, &err), 0);
    assert_int_equal(durable_write(fd, name, strlen(name), &err), 0);
    return fd;
}

static void
of_several_published_at_once_one_that_cannot_be_costs_only_itself(void **state)
{
    struct durable_new all[] = {
        {draft("a"), "a", "many/x/1/a", {.kind = ERR_NONE}},
        {draft("b"), "b", "many/y/1/b", {.kind = ERR_NONE}}, /* y is a file */
        {draft("c"), "c", "many/x/2/c", {.kind = ERR_NONE}},
        {draft("d"), "d", "many/x/1/d", {.kind = ERR_NONE}},
    };
    static const char *const left[] = {"many/x/1/a", "many/x/1/d", "many/x/2/c", "many/y",
                                       "many/x/1",   "many/x/2",   "many/x",     "many"};
    char path[96];
    struct err err;

    (void)state;
    snprintf(path, sizeof path, "%s/many", dir);
    assert_int_equal(durable_mkdir(path, &err), 0);
    assert_int_equal(durable_put_file(dir, "many/y", "", 0, &err), 0);

    durable_publish_all(dir, all, 4);

    for (int i = 0; i < 4; i++) {
        assert_int_equal(all[i].fd, -1);
        assert_int_equal(all[i].err.kind == ERR_NONE, i != 1);
        snprintf(path, sizeof path, "%s/tmp/%s", dir, all[i].name);
        assert_int_equal(access(path, F_OK), -1);
    }
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        assert_int_equal(remove(path), 0); /* all there, and nothing else is in the folders */
    }
}

static void
no_room_is_its_own_kind(void **state)
{
    struct err err;

    (void)state;
    errno = ENOSPC;
    err_sys(&err, ERR_RETRY, "write");
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(err_kind_http(err.kind), 507);
}

static void
a_log_line_stands_alone_and_stays_one_line(void **state)
{
    int ends[2];
    char line[512] = "";
    struct err err;
    const struct log_ctx ctx = {.stage = "tests", .peer_ae = "EVIL\nAE", .entry = 7};

    (void)state;
    assert_int_equal(pipe(ends), 0);
    err_set(&err, ERR_FULL, "a \"quoted\"\nline");
    log_set_fd(ends[1]);
    LOG(&ctx, TEST_HAPPENED, F_BYTES(3), F_ERR(&err));
    log_set_fd(2);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);

    assert_non_null(
        strstr(line, " ERROR tests TEST_HAPPENED ae=EVIL_AE entry=7 bytes=3 kind=ERR_FULL"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
a_fake_clock_stands_still(void **state)
{
    char text[40];

    (void)state;
    clock_fake(1700000000000000, 5000);
    clock_fake_advance(1500);
    clock_text(clock_wall_us(), text);
    assert_string_equal(text, "2023-11-14T22:13:21.500000Z");
    assert_int_equal(clock_mono_ms(), 6500);
    clock_unfake();
    assert_true(clock_wall_us() > 1700000001500000);
}

static void *
wake(void *arg)
{
    struct gate *g = arg;

    gate_lock(g);
    gate_wake(g);
    gate_unlock(g);
    return NULL;
}

static void
a_gate_wakes_its_waiter_or_times_out(void **state)
{
    struct gate g;
    pthread_t t;

    (void)state;
    gate_init(&g);
    gate_lock(&g);
    assert_false(gate_wait_ms(&g, 1));
    t = thread_start("wake", wake, &g);
    gate_wait(&g);
    gate_unlock(&g);
    thread_join(t);
    gate_fini(&g);
}

static void
what_is_not_embedded_is_not_found(void **state)
{
    (void)state;
    assert_null(embed_find("no/such/file"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_file_comes_back_and_leaves_no_draft),
        cmocka_unit_test(a_short_file_is_an_error_not_zeros),
        cmocka_unit_test(of_several_published_at_once_one_that_cannot_be_costs_only_itself),
        cmocka_unit_test(no_room_is_its_own_kind),
        cmocka_unit_test(a_log_line_stands_alone_and_stays_one_line),
        cmocka_unit_test(a_fake_clock_stands_still),
        cmocka_unit_test(a_gate_wakes_its_waiter_or_times_out),
        cmocka_unit_test(what_is_not_embedded_is_not_found),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
