/* test_wire.c - what a connection has put on the wire. */
#include "proto/http/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { BYTES = 100000 };

static void
bytes_and_headers_are_counted(void **state)
{
    static const uint8_t bytes[BYTES];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), peer;
    uint64_t before, after;

    (void)state;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_true(http_wire_sent(fd, &before));
    assert_true(before > 0 && before < 1000);
    assert_int_equal(send(fd, bytes, BYTES, 0), BYTES);
    assert_true(http_wire_sent(fd, &after));
    assert_in_range(after - before, BYTES, BYTES + 100 * 52);
    close(peer);
    close(fd);
    close(listener);
}

/* All has been confirmed before it is asked. */
static void
a_train_shows_what_its_way_carries(void **state)
{
    static uint8_t bytes[BYTES];
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), peer;
    uint64_t rate = 0;

    (void)state;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    assert_false(http_wire_rate(fd, &rate)); /* no train yet */
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(send(fd, bytes, BYTES, 0), BYTES);
    assert_int_equal(recv(peer, bytes, BYTES, MSG_WAITALL), BYTES);
    assert_int_equal(send(peer, bytes, 1, 0), 1); /* confirms */
    assert_int_equal(recv(fd, bytes, 1, MSG_WAITALL), 1);

    assert_true(http_wire_rate(fd, &rate));
    assert_true(rate > 1000000); /* loopback: gigabytes a second */
    close(peer);
    close(fd);
    close(listener);
}

static void
what_is_no_tcp_connection_says_nothing(void **state)
{
    uint64_t sent;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(http_wire_sent(pair[0], &sent));
    close(pair[0]);
    close(pair[1]);
    assert_false(http_wire_sent(-1, &sent));
    assert_false(http_wire_rate(-1, &sent));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_headers_are_counted),
        cmocka_unit_test(a_train_shows_what_its_way_carries),
        cmocka_unit_test(what_is_no_tcp_connection_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
