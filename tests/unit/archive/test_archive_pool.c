/* test_archive_pool.c - connections borrowed and given back: never more than the limit, none of an
 * older certificate, and an end to all of them. */
#include "reader/archive/pool.h"

#include "proto/base/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { LIMIT = 2, NEVER_MS = 3600000 };

/* A peer that takes connections and never answers. */
static int listening;
static char url[64];
static struct pool *pool;

static int
begin(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    struct pool_options options = {.url = url, .limit = LIMIT, .stall_ms = NEVER_MS };

    (void)state;
    log_set_fd(-1);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(listening, 8) < 0 || getsockname(listening, (struct sockaddr *)&at, &n) < 0)
        return -1;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    pool = pool_new(&options);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    pool_free(&pool);
    close(listening);
    return 0;
}

struct caller {
    struct http_client *client;
    struct err err;
    int rc;
};

static void *
borrow(void *arg)
{
    struct caller *c = arg;

    c->rc = pool_borrow(pool, &c->client, &c->err);
    return NULL;
}

static void *
call(void *arg)
{
    struct http_call get = {.method = "GET", .path = "/"};
    struct http_reply reply;
    struct caller *c = arg;

    c->rc = pool_borrow(pool, &c->client, &c->err);
    if (c->rc == 0) {
        c->rc = http_client_call(c->client, &get, &reply, &c->err);
        pool_return(pool, &c->client, false);
    }
    return NULL;
}

static void
one_more_waits_for_one_that_comes_back(void **state)
{
    struct http_client *held[LIMIT], *first;
    struct caller late = {.rc = 1};
    pthread_t thread;
    struct err err;

    (void)state;
    for (int i = 0; i < LIMIT; i++)
        assert_int_equal(pool_borrow(pool, &held[i], &err), 0);
    first = held[0];
    thread = thread_start("late", borrow, &late);
    pool_return(pool, &held[0], true);
    thread_join(thread);
    assert_int_equal(late.rc, 0);
    assert_ptr_equal(late.client, first); /* the kept one, not another */
    assert_null(held[0]);
    pool_return(pool, &late.client, true);
    pool_return(pool, &held[1], false);
}

/* The old ones give their places back, so the limit never starves the new. */
static void
after_a_renewal_no_old_connection_is_used(void **state)
{
    struct http_client *held[LIMIT];
    struct err err;

    (void)state;
    for (int round = 0; round < 3 * LIMIT; round++) {
        for (int i = 0; i < LIMIT; i++)
            assert_int_equal(pool_borrow(pool, &held[i], &err), 0);
        pool_return(pool, &held[0], true); /* idle when it becomes old */
        pool_renew(pool);
        pool_return(pool, &held[1], true); /* old when it comes back */
    }
}

static void
an_abort_ends_calls_waits_and_what_comes_later(void **state)
{
    struct caller calls[LIMIT] = {{.rc = 1}, {.rc = 1}}, waits = {.rc = 1};
    pthread_t threads[LIMIT], waiting;
    int taken[LIMIT];
    struct err err;

    (void)state;
    for (int i = 0; i < LIMIT; i++)
        threads[i] = thread_start("calls", call, &calls[i]);
    for (int i = 0; i < LIMIT; i++) /* each call is on its way */
        taken[i] = accept(listening, NULL, NULL);
    waiting = thread_start("waits", borrow, &waits);
    pool_abort(pool);
    for (int i = 0; i < LIMIT; i++)
        thread_join(threads[i]);
    thread_join(waiting);
    for (int i = 0; i < LIMIT; i++) {
        assert_int_equal(calls[i].rc, -1);
        assert_int_equal(calls[i].err.kind, ERR_RETRY);
        close(taken[i]);
    }
    assert_int_equal(waits.rc, -1);
    assert_int_equal(waits.err.kind, ERR_RETRY);
    assert_int_equal(pool_borrow(pool, &calls[0].client, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(one_more_waits_for_one_that_comes_back),
        TEST(after_a_renewal_no_old_connection_is_used),
        TEST(an_abort_ends_calls_waits_and_what_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
