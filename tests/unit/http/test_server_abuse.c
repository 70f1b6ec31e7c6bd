/* test_server_abuse.c - clients that are slow, broken, gone, hostile or too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "tests/support/http_world.h"

static void
end_runs_once_for_each_begin(void **state)
{
    int begun = world_counts.begun, fd;
    char out[4096];
    static const char torn[] =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nabc";

    (void)state;
    fd = world_dial();
    assert_int_equal(world_talk(fd, torn, strlen(torn), out, sizeof out, 100), 0);
    close(fd);

    for (int64_t end = clock_mono_ms() + 5000; world_counts.begun == begun;)
        assert_true(clock_mono_ms() < end);
    world_wait_ended(world_counts.begun);
    assert_int_equal(world_counts.ended, world_counts.begun);
}

static void
a_handler_learns_that_its_client_left(void **state)
{
    static const char request[] = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int begun = world_counts.begun, fd = world_dial();
    char out[64];

    (void)state;
    world_talk(fd, request, strlen(request), out, sizeof out, 50);
    for (int64_t end = clock_mono_ms() + 5000; world_counts.begun == begun;)
        assert_true(clock_mono_ms() < end);
    close(fd);

    world_wait_ended(world_counts.begun);
}

static void
slow_clients_are_cut_off_and_waiting_handlers_are_not(void **state)
{
    static const char *const starts[] = {
        "",
        "GET /stud",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nabc",
        "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    int fds[ARRAY_LEN(starts)];
    struct pollfd p;
    int64_t began = clock_mono_ms();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        int small = 4096;

        fds[i] = world_dial();
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        assert_true(send(fds[i], starts[i], strlen(starts[i]), MSG_NOSIGNAL) >= 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        p = (struct pollfd){.fd = fds[i], .events = POLLRDHUP};
        if (poll(&p, 1, 4 * WORLD_IDLE_MS) != 1)
            fail_msg("not cut off: %s", starts[i]);
        close(fds[i]);
    }
    assert_true(clock_mono_ms() - began >= WORLD_IDLE_MS);
    world_wait_ended(world_counts.begun);
}

static void
who_proves_nothing_reaches_a_loopback_server_by_address_only(void **state)
{
    static const struct {
        const char *host, *answer, *path;
    } rows[] = {
        {"127.0.0.1:80", "HTTP/1.1 200", "/studies/1"},
        {"localhost", "HTTP/1.1 200", "/studies/1"},
        {"LOCALHOST:8042", "HTTP/1.1 200", "/studies/1"},
        {"[::1]:80", "HTTP/1.1 200", "/studies/1"},
        {"evil.example", "HTTP/1.1 421", "/studies/1"},
        {"127.0.0.1.evil.example", "HTTP/1.1 421", "/studies/1"},
        {"localhost.evil.example:80", "HTTP/1.1 421", "/studies/1"},
        {"evil.example", "HTTP/1.1 401", "/token"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char request[200], out[4096];
        int fd = world_dial();
        int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                         rows[i].path, rows[i].host);

        world_talk(fd, request, (size_t)n, out, sizeof out, 200);
        if (strncmp(out, rows[i].answer, strlen(rows[i].answer)) != 0)
            fail_msg("%s: wanted %s, got %.20s", rows[i].host, rows[i].answer, out);
        close(fd);
    }
}

static void
contradicting_heads_are_refused(void **state)
{
    static const char *const rows[] = {
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: "
        "4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\nHost: x/../y\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[4096];
        int fd = world_dial();

        world_talk(fd, rows[i], strlen(rows[i]), out, sizeof out, 300);
        if (strncmp(out, "HTTP/1.1 400", 12) != 0)
            fail_msg("%zu: wanted 400, got %.40s", i, out);
        close(fd);
    }
}

/* Answers in a stream of bytes. */
static int
count_answers(const char *out)
{
    int n = 0;

    for (const char *p = out; (p = strstr(p, "HTTP/1.1 ")) != NULL; p += 9)
        n++;
    return n;
}

static int
feed_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int files = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[600];
        static char out[1 << 16];
        uint8_t *bytes;
        size_t n, requests = 0;
        struct err err = {0};
        int fd;

        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || durable_get_file(path, 4 << 20, &bytes, &n, &err) < 0)
            continue;
        for (const char *p = (const char *)bytes; (p = strstr(p, "HTTP/1.")) != NULL; p += 7)
            requests++;
        fd = world_dial();
        world_talk(fd, bytes, n, out, sizeof out, 40);
        if (requests <= 1 && count_answers(out) > 1)
            fail_msg("%s: %d answers for one request:\n%s", path, count_answers(out), out);
        close(fd);
        free(bytes);
        files++;
    }
    if (dir != NULL)
        closedir(dir);
    return files;
}

static void
malformed_requests_leave_the_server_serving(void **state)
{
    struct http_reply reply;
    int files = feed_folder("../shared/data/malformed/own/http");

    (void)state;
    files += feed_folder("../shared/data/malformed/http1-h2o");
    if (files == 0) {
        print_message("skipped: malformed_requests: ../shared/data/malformed is not there\n");
        skip();
    }
    print_message("%d malformed requests\n", files);
    assert_int_equal(world_ask("GET", "/studies/1", NULL, NULL, 0, &reply), 200);
    http_reply_fini(&reply);
    world_wait_ended(world_counts.begun);
}

static void
a_failing_handler_keeps_the_connection_and_a_refusal_ends_it(void **state)
{
    static const char two[] =
        "GET /retry HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
        "POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        "GET /studies/7 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char out[8192];
    int fd = world_dial();

    (void)state;
    world_talk(fd, two, strlen(two), out, sizeof out, 3000);
    close(fd);
    assert_int_equal(count_answers(out), 3);
    assert_non_null(strstr(out, "HTTP/1.1 503"));
    assert_non_null(strstr(out, "hello"));
    assert_non_null(strstr(out, "HTTP/1.1 404"));
}

static void
a_connection_past_the_limit_waits_or_ends_and_others_are_served(void **state)
{
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .name = "small",
                                   .tables = &table,
                                   .table_count = 1,
                                   .connections = 2,
                                   .idle_ms = WORLD_IDLE_MS};
    struct http_server *small = NULL, *normal = world_server;
    static const char request[] = "GET /studies/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char out[4096];
    struct err err = {0};
    int one, two, three;

    (void)state;
    assert_int_equal(http_server_start(&options, &small, &err), 0);
    world_server = small;
    one = world_dial();
    two = world_dial();
    assert_true(world_talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    assert_true(world_talk(two, request, strlen(request), out, sizeof out, 300) > 0);
    three = world_dial();
    world_talk(three, request, strlen(request), out, sizeof out, 100);
    assert_true(world_talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    close(one);
    close(two);
    close(three);
    for (int64_t end = clock_mono_ms() + 5000; http_server_connections(small) > 0;)
        assert_true(clock_mono_ms() < end);
    one = world_dial();
    assert_true(world_talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    close(one);
    world_server = normal;
    http_server_stop(&small);
}

static struct http_server *
start_beside(const struct http_options *own)
{
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = *own;
    struct http_server *server = NULL;
    struct err err = {0};

    options.name = "beside";
    options.tables = &table;
    options.table_count = 1;
    assert_int_equal(http_server_start(&options, &server, &err), 0);
    return server;
}

/* From an address of loopback. */
static int
dial_from(uint32_t address, struct http_server *server)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static bool
is_served(int fd)
{
    static const char request[] = "GET /studies/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char out[16] = "";

    return send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 && poll(&p, 1, 20000) == 1 &&
           recv(fd, out, sizeof out, MSG_PEEK) > 12 && memcmp(out, "HTTP/1.1 200", 12) == 0;
}

/* One address holds as many as it may, half of them have said nothing. */
static void
one_address_leaves_places_to_others_but_loopback_may_have_all(void **state)
{
    struct http_server *server = start_beside(
        &(struct http_options){.address = "0.0.0.0", .connections = 8, .connections_each = 2});
    struct http_server *local = start_beside(
        &(struct http_options){.address = "127.0.0.1", .connections = 8, .connections_each = 2});
    int fds[6];

    (void)state;
    fds[0] = dial_from(INADDR_LOOPBACK, server);
    fds[1] = dial_from(INADDR_LOOPBACK, server);
    assert_true(is_served(fds[1]));
    fds[2] = dial_from(INADDR_LOOPBACK, server);
    assert_false(is_served(fds[2]));
    fds[3] = dial_from(INADDR_LOOPBACK + 1, server);
    assert_true(is_served(fds[3]));
    for (int i = 0; i < 4; i++)
        close(fds[i]);

    for (int i = 0; i < 6; i++) { /* a proxy stands for everybody */
        fds[i] = dial_from(INADDR_LOOPBACK, local);
        assert_true(is_served(fds[i]));
    }
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    http_server_stop(&local);
    http_server_stop(&server);
}

static void
first_request_has_a_deadline_of_its_own(void **state)
{
    struct http_server *server = start_beside(
        &(struct http_options){.address = "127.0.0.1", .idle_ms = 600000, .first_ms = 500});
    int kept = dial_from(INADDR_LOOPBACK, server), silent;
    struct pollfd p = {.events = POLLRDHUP};

    (void)state;
    assert_true(is_served(kept));
    silent = dial_from(INADDR_LOOPBACK, server);
    assert_true(send(silent, "GET /stud", 9, MSG_NOSIGNAL) == 9);
    p.fd = silent;
    assert_int_equal(poll(&p, 1, 20000), 1);

    p.fd = kept;
    assert_int_equal(poll(&p, 1, 0), 0); /* it was served: it may be silent for idle_ms */
    close(kept);
    close(silent);
    http_server_stop(&server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_runs_once_for_each_begin),
        cmocka_unit_test(a_handler_learns_that_its_client_left),
        cmocka_unit_test(slow_clients_are_cut_off_and_waiting_handlers_are_not),
        cmocka_unit_test(who_proves_nothing_reaches_a_loopback_server_by_address_only),
        cmocka_unit_test(contradicting_heads_are_refused),
        cmocka_unit_test(malformed_requests_leave_the_server_serving),
        cmocka_unit_test(a_failing_handler_keeps_the_connection_and_a_refusal_ends_it),
        cmocka_unit_test(a_connection_past_the_limit_waits_or_ends_and_others_are_served),
        cmocka_unit_test(one_address_leaves_places_to_others_but_loopback_may_have_all),
        cmocka_unit_test(first_request_has_a_deadline_of_its_own),
    };

    return cmocka_run_group_tests(tests, world_start, world_stop);
}
