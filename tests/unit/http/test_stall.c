/* test_stall.c - a loopback that is cut: that a connection stands still is seen, and at once that
 * its way answers again. */
#include "proto/http/perform.h"
#include "proto/http/stall.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/http_world.h"
#include "tests/support/own_net.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { WAIT_MS = 30000, SHORT_MS = 1500 };

struct world {
    struct stall stall;
    int listener, fd, peer;
};

static void
open_world(struct world *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;

    if (!own_net_enter())
        skip();
    stall_init(&w->stall);
    w->listener = socket(AF_INET, SOCK_STREAM, 0);
    w->fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(w->listener, 8), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(w->fd, (struct sockaddr *)&at, sizeof at), 0);
    w->peer = accept(w->listener, NULL, NULL);
    assert_true(w->peer >= 0);
}

static void
close_world(struct world *w)
{
    stall_fini(&w->stall);
    close(w->peer);
    close(w->fd);
    close(w->listener);
}

/* Silent looks until one says something, at most so long. */
static enum stall_word
look_more(struct world *w, int64_t most_ms)
{
    int64_t until = clock_mono_ms() + most_ms, now;
    enum stall_word word = STALL_NONE;

    while (word == STALL_NONE && (now = clock_mono_ms()) < until) {
        struct pollfd news[STALL_KNOCKS];

        for (size_t i = 0; i < STALL_KNOCKS; i++)
            news[i] = (struct pollfd){.fd = w->stall.knocks[i], .events = POLLOUT};
        (void)poll(news, STALL_KNOCKS, 20);
        word = stall_look(&w->stall, w->fd, true, now);
    }
    return word;
}

static unsigned
knocks_of(const struct stall *s)
{
    unsigned n = 0;

    for (size_t i = 0; i < STALL_KNOCKS; i++)
        n += s->knocks[i] >= 0;
    return n;
}

static void
a_cut_is_seen_and_its_end_before_tcp_sends_again(void **state)
{
    struct world w;
    int64_t healed_ms;

    (void)state;
    open_world(&w);
    assert_true(own_net_set(false));
    assert_int_equal(send(w.fd, "x", 1, 0), 1);

    assert_int_equal(look_more(&w, WAIT_MS), STALL_STILL);
    assert_int_equal(look_more(&w, SHORT_MS), STALL_NONE); /* it is cut */
    assert_true(own_net_set(true));
    healed_ms = clock_mono_ms();
    assert_int_equal(look_more(&w, WAIT_MS), STALL_ANSWERED);

    assert_true(clock_mono_ms() - healed_ms < WAIT_MS);
    assert_int_equal(knocks_of(&w.stall), 0);
    assert_int_equal(stall_look(&w.stall, w.fd, false, clock_mono_ms()), STALL_MOVES);
    assert_int_equal(stall_look(&w.stall, w.fd, false, clock_mono_ms()), STALL_NONE);
    close_world(&w);
}

/* Whoever waits for an answer only, or whose peer confirms, does not stand still. */
static void
nothing_on_its_way_is_no_stall(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    assert_int_equal(send(w.fd, "x", 1, 0), 1);

    for (int64_t now = 1000; now < 100000; now += 100)
        assert_int_equal(stall_look(&w.stall, w.fd, true, now), STALL_NONE);
    assert_int_equal(stall_look(&w.stall, -1, true, 100000), STALL_NONE);

    close_world(&w);
}

/* A machine that answers that nobody listens there does not carry anything yet. */
static void
a_refusal_is_no_answer(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    assert_true(own_net_set(false));
    assert_int_equal(send(w.fd, "x", 1, 0), 1);
    assert_int_equal(look_more(&w, WAIT_MS), STALL_STILL);
    close(w.listener);
    w.listener = -1;
    assert_true(own_net_set(true));

    assert_int_equal(look_more(&w, SHORT_MS), STALL_NONE);

    close_world(&w);
}

/* A long body that is cut in its middle until the caller hears that it stands still. */
struct cut_body {
    struct world_pattern pattern;
    enum stall_word first, last;
    bool is_cut;
};

static int
read_and_cut(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct cut_body *b = user;

    if (!b->is_cut && b->pattern.at >= WORLD_BIG_BYTES / 2) {
        b->is_cut = true;
        if (!own_net_set(false))
            return err_set(err, ERR_FATAL, "not cut");
    }
    return world_read_pattern(&b->pattern, bytes, n, out_n, err);
}

static void
heal_when_still(void *user, enum stall_word word)
{
    struct cut_body *b = user;

    b->first = b->first == STALL_NONE ? word : b->first;
    b->last = word;
    if (word == STALL_STILL)
        (void)own_net_set(true);
}

static void
a_bulk_call_tells_that_it_stands_still_and_goes_on(void **state)
{
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = {
        .address = "127.0.0.1", .name = "test", .tables = &table, .table_count = 1};
    struct cut_body body = {.pattern = {0, WORLD_BIG_BYTES, UINT64_MAX}};
    struct http_call call = {.method = "POST",
                             .path = "/sink",
                             .source = read_and_cut,
                             .source_user = &body,
                             .source_size = HTTP_SIZE_UNKNOWN,
                             .on_stall = heal_when_still,
                             .stall_user = &body};
    struct http_client_options how = {.base_url = world_url, .is_bulk = true};
    struct http_client *client = NULL;
    struct http_server *server = NULL;
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    if (!own_net_enter())
        skip();
    log_set_fd(-1);
    gate_init(&world_counts.gate);
    assert_int_equal(http_server_start(&options, &server, &err), 0);
    snprintf(world_url, sizeof world_url, "http://127.0.0.1:%u", http_server_port(server));
    assert_int_equal(http_client_new(&how, &client, &err), 0);

    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);

    assert_int_equal(reply.status, 204);
    assert_int_equal(body.first, STALL_STILL);
    assert_int_equal(body.last, STALL_MOVES);
    assert_int_equal(world_counts.body_bytes, WORLD_BIG_BYTES);
    http_reply_fini(&reply);
    http_client_free(&client);
    http_server_stop(&server);
    gate_fini(&world_counts.gate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_is_seen_and_its_end_before_tcp_sends_again),
        cmocka_unit_test(nothing_on_its_way_is_no_stall),
        cmocka_unit_test(a_refusal_is_no_answer),
        cmocka_unit_test(a_bulk_call_tells_that_it_stands_still_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
