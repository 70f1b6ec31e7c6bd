/* test_server.c - requests over loopback: routes, callers, bodies, answers, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/http/server.h"

#define BIG_BYTES ((size_t)8 << 20)
#define IDLE_MS 1500

struct counts {
    _Atomic int begun, ended, handled, streams_freed;
    _Atomic uint64_t body_bytes;
    struct gate gate;
};

static struct counts counts;
static struct http_server *server;
static char base_url[64];

/* ---- routes ---- */

static int
count_begin(struct http_request *req, struct err *err)
{
    (void)err;
    counts.begun++;
    http_state_set(req, mem_text("state"));
    return 0;
}

static void
count_end(struct http_request *req)
{
    free(http_state(req));
    counts.ended++;
    gate_lock(&counts.gate);
    gate_wake(&counts.gate);
    gate_unlock(&counts.gate);
}

static int
say_params(struct http_request *req, struct http_response *res, struct err *err)
{
    struct buf b;
    const char *limit = http_query(req, "limit");

    (void)err;
    buf_init(&b, 4096);
    buf_add_printf(&b, "%s|%s|%s", http_param(req, "study"), limit != NULL ? limit : "-",
                   http_method(req));
    http_answer_buf(res, 200, "text/plain", &b);
    buf_fini(&b);
    return 0;
}

static int
echo(struct http_request *req, struct http_response *res, struct err *err)
{
    size_t n;
    const uint8_t *body = http_body(req, &n);

    (void)err;
    counts.handled++;
    http_answer_bytes(res, 201, "application/octet-stream", body, n);
    return 0;
}

static int
take_part(struct http_request *req, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)req;
    (void)bytes;
    counts.body_bytes += n;
    if (http_query(req, "fail") != NULL)
        return err_set(err, ERR_FULL, "the disk of the test is full");
    return 0;
}

static int
say_count(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)err;
    counts.handled++;
    http_answer_empty(res, 204);
    return 0;
}

static int
fail_retry(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)res;
    return err_set(err, ERR_RETRY, "the database named secret is away");
}

static int
answer_then_fail(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    http_answer_empty(res, 200);
    return err_set(err, ERR_CONFLICT, "second thoughts");
}

static int
send_file(struct http_request *req, struct http_response *res, struct err *err)
{
    char path[] = "/tmp/radpost-http-XXXXXX";
    int fd = mkstemp(path);

    (void)req;
    unlink(path);
    if (durable_write(fd, "0123456789", 10, err) < 0)
        return -1;
    http_answer_file(res, 200, "application/octet-stream", fd, 3, 4);
    return 0;
}

struct pattern {
    uint64_t at, end, breaks_at;
};

static int
read_pattern(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct pattern *p = user;

    if (p->at >= p->breaks_at)
        return err_set(err, ERR_RETRY, "the disk of the test broke");
    if (n > p->end - p->at)
        n = p->end - p->at;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((p->at + i) * 7 >> 3);
    p->at += n;
    *out_n = n;
    return 0;
}

static void
free_pattern(void *user)
{
    free(user);
    counts.streams_freed++;
}

static int
send_stream(struct http_request *req, struct http_response *res, struct err *err)
{
    struct pattern *p = mem_new(sizeof *p);

    (void)err;
    p->end = BIG_BYTES;
    p->breaks_at = http_query(req, "break") != NULL ? 100000 : UINT64_MAX;
    http_answer_stream(res, 200, "application/octet-stream",
                       http_query(req, "sized") != NULL ? BIG_BYTES : UINT64_MAX, read_pattern,
                       free_pattern, p);
    return 0;
}

static int
wait_gone(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)err;
    gate_lock(&counts.gate);
    while (!http_is_gone(req))
        gate_wait_ms(&counts.gate, 20);
    gate_unlock(&counts.gate);
    http_answer_empty(res, 204);
    return 0;
}

static int
page(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)err;
    http_answer_header(res, "X-Evil", "a\r\nb: c");
    http_answer_header(res, "X-Good", "yes");
    http_answer_bytes(res, 200, "text/html; charset=utf-8", "<p>", 3);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET",
     .pattern = "/studies/{study}",
     .callers = HTTP_ANYONE,
     .handle = say_params,
     .begin = count_begin,
     .end = count_end},
    {.method = "POST",
     .pattern = "/echo",
     .callers = HTTP_ANYONE,
     .handle = echo,
     .begin = count_begin,
     .end = count_end,
     .body_limit = 1000},
    {.method = "POST",
     .pattern = "/sink",
     .callers = HTTP_ANYONE,
     .handle = say_count,
     .begin = count_begin,
     .end = count_end,
     .on_body = take_part,
     .body_limit = 1 << 30},
    {.method = "GET", .pattern = "/retry", .callers = HTTP_ANYONE, .handle = fail_retry},
    {.method = "GET", .pattern = "/twice", .callers = HTTP_ANYONE, .handle = answer_then_fail},
    {.method = "GET", .pattern = "/file", .callers = HTTP_ANYONE, .handle = send_file},
    {.method = "GET", .pattern = "/stream", .callers = HTTP_ANYONE, .handle = send_stream},
    {.method = "GET",
     .pattern = "/wait",
     .callers = HTTP_ANYONE,
     .handle = wait_gone,
     .begin = count_begin,
     .end = count_end},
    {.method = "GET",
     .pattern = "/page",
     .callers = HTTP_ANYONE,
     .handle = page,
     .flags = HTTP_PAGE | HTTP_NO_STORE},
    {.method = "GET", .pattern = "/token", .callers = HTTP_TOKEN, .rights = 1, .handle = say_count},
    {.method = "POST",
     .pattern = "/token",
     .callers = HTTP_TOKEN,
     .rights = 2,
     .handle = say_count,
     .body_limit = 1 << 30},
    {.method = "GET", .pattern = "/gateway", .callers = HTTP_GATEWAY, .handle = say_count},
};

static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    (void)user;
    assert_int_equal(caller->kind, HTTP_TOKEN);
    if (strcmp(bearer, "down") == 0)
        return err_set(err, ERR_RETRY, "the database is away");
    if (strcmp(bearer, "good") != 0)
        return err_set(err, ERR_DENIED, "no such token");
    caller->rights = 1;
    return 0;
}

static int
start(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .name = "test",
                                   .tables = &table,
                                   .table_count = 1,
                                   .idle_ms = IDLE_MS,
                                   .authorise = authorise};
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    gate_init(&counts.gate);
    if (http_server_start(&options, &server, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u", http_server_port(server));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    http_server_stop(&server);
    gate_fini(&counts.gate);
    return 0;
}

/* ---- helpers ---- */

static struct http_client *
client_new(const char *bearer)
{
    struct http_client_options options = {.base_url = base_url, .bearer = bearer};
    struct http_client *client = NULL;
    struct err err = {0};

    assert_int_equal(http_client_new(&options, &client, &err), 0);
    return client;
}

static int
ask(const char *method, const char *path, const char *bearer, const void *body, size_t n,
    struct http_reply *out)
{
    struct http_client *client = client_new(bearer);
    struct http_call call = {.method = method, .path = path, .body = body, .body_n = n};
    struct err err = {0};
    int rc = http_client_call(client, &call, out, &err);

    http_client_free(&client);
    if (rc < 0)
        return -(int)err.kind;
    return out->status;
}

static int
dial(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

/* Send bytes, half-close if asked, read until the peer ends or wait_ms passes; the bytes read. */
static size_t
talk(int fd, const void *bytes, size_t n, char *out, size_t size, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t got = 0;

    if (send(fd, bytes, n, MSG_NOSIGNAL) < 0)
        n = 0;
    while (got < size - 1 && poll(&p, 1, wait_ms) > 0) {
        ssize_t k = recv(fd, out + got, size - 1 - got, 0);

        if (k <= 0)
            break;
        got += (size_t)k;
    }
    out[got] = '\0';
    return got;
}

static void
wait_ended(int wanted)
{
    gate_lock(&counts.gate);
    while (counts.ended < wanted)
        assert_true(gate_wait_ms(&counts.gate, 10000));
    gate_unlock(&counts.gate);
}

/* ---- claims ---- */

static void
paths_and_queries_are_decoded_after_splitting(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *body;
    } rows[] = {
        {"/studies/1.2.3", 200, "1.2.3|-|GET"},
        {"/studies/1.2.3?limit=5", 200, "1.2.3|5|GET"},
        {"/studies/a%26b%3Dc?limit=x%26limit%3D7", 200, "a&b=c|x&limit=7|GET"},
        {"/studies/%E5%BD%B1?limit=a+b%2B", 200, "影|a b+|GET"},
        {"/studies/1%2F2", 400, NULL},
        {"/studies/%2e%2e", 400, NULL},
        {"/studies/%00", 400, NULL},
        {"/studies/%c0%ae", 400, NULL},
        {"/studies/%zz", 400, NULL},
        {"/studies/1?limit=%f", 400, NULL},
        {"/studies/", 404, NULL},
        {"/studies", 404, NULL},
        {"/studies/1/", 404, NULL},
        {"//studies/1", 404, NULL},
        {"/studies/../retry", 404, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply;
        int status = ask("GET", rows[i].path, NULL, NULL, 0, &reply);

        if (status != rows[i].status)
            fail_msg("%s: wanted %d, got %d", rows[i].path, rows[i].status, status);
        if (rows[i].body != NULL)
            assert_string_equal(buf_text(&reply.body), rows[i].body);
        http_reply_fini(&reply);
    }
}

static void
head_is_served_by_get_and_other_methods_are_told(void **state)
{
    struct http_reply reply;
    char allow[64];

    (void)state;
    assert_int_equal(ask("HEAD", "/studies/1", NULL, NULL, 0, &reply), 200);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    assert_int_equal(ask("DELETE", "/token", NULL, NULL, 0, &reply), 405);
    assert_true(http_reply_find(&reply, "Allow", allow, sizeof allow));
    assert_string_equal(allow, "GET, POST");
    http_reply_fini(&reply);
}

static void
callers_meet_the_table_of_rights(void **state)
{
    static const struct {
        const char *method, *path, *bearer;
        int status;
    } rows[] = {
        {"GET", "/token", NULL, 401},   {"GET", "/token", "bad", 401},
        {"GET", "/token", "good", 204}, {"POST", "/token", "good", 403},
        {"GET", "/token", "down", 503}, {"GET", "/gateway", "good", 403},
        {"GET", "/gateway", NULL, 403}, {"GET", "/retry", "bad", 503},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply;
        int status = ask(rows[i].method, rows[i].path, rows[i].bearer, NULL, 0, &reply);

        if (status != rows[i].status)
            fail_msg("%s %s %s: wanted %d, got %d", rows[i].method, rows[i].path,
                     rows[i].bearer != NULL ? rows[i].bearer : "-", rows[i].status, status);
        http_reply_fini(&reply);
    }
}

static void
failures_tell_a_public_sentence_and_an_id(void **state)
{
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(ask("GET", "/retry", NULL, NULL, 0, &reply), 503);

    assert_null(strstr(buf_text(&reply.body), "secret"));
    assert_non_null(strstr(buf_text(&reply.body), "\"id\":\""));
    assert_int_equal(reply.retry_after_s, 5);
    assert_int_equal(http_reply_check(&reply, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", "/twice", NULL, NULL, 0, &reply), 409);
    http_reply_fini(&reply);
}

static void
answers_carry_their_policies(void **state)
{
    struct http_reply reply;
    char value[400];

    (void)state;
    assert_int_equal(ask("GET", "/page", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "X-Content-Type-Options", value, sizeof value));
    assert_string_equal(value, "nosniff");
    assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
    assert_string_equal(value, "no-store");
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_non_null(strstr(value, "default-src 'self'"));
    assert_true(http_reply_find(&reply, "X-Good", value, sizeof value));
    assert_false(http_reply_find(&reply, "X-Evil", value, sizeof value));
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", "/studies/1", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_non_null(strstr(value, "default-src 'none'"));
    http_reply_fini(&reply);
}

static void
bodies_are_collected_up_to_their_limit(void **state)
{
    static uint8_t body[3 << 20];
    struct http_reply reply;
    int handled = counts.handled;

    (void)state;
    memset(body, 'x', sizeof body);
    assert_int_equal(ask("POST", "/echo", NULL, body, 1000, &reply), 201);
    assert_int_equal(reply.body.n, 1000);
    http_reply_fini(&reply);
    assert_int_equal(ask("POST", "/echo", NULL, body, 1001, &reply), 413);
    http_reply_fini(&reply);
    assert_int_equal(ask("POST", "/echo", NULL, body, sizeof body, &reply), 413);
    http_reply_fini(&reply);
    assert_int_equal(ask("POST", "/token", "bad", body, sizeof body, &reply), 401);
    http_reply_fini(&reply);
    assert_int_equal(ask("POST", "/echo", NULL, "", 0, &reply), 201);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    assert_int_equal(counts.handled, handled + 2);
}

static void
long_bodies_stream_and_a_failing_handler_answers(void **state)
{
    struct http_client *client = client_new(NULL);
    struct pattern p = {0, BIG_BYTES, UINT64_MAX};
    struct http_call call = {.method = "POST",
                             .path = "/sink",
                             .source = read_pattern,
                             .source_user = &p,
                             .source_size = HTTP_SIZE_UNKNOWN};
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    counts.body_bytes = 0;
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 204);
    assert_int_equal(counts.body_bytes, BIG_BYTES);
    http_reply_fini(&reply);
    p.at = 0;
    call.source_size = BIG_BYTES;
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 204);
    http_reply_fini(&reply);
    p = (struct pattern){0, 500000, UINT64_MAX};
    call.source_size = 500000;
    call.path = "/sink?fail=1";
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 507);
    http_reply_fini(&reply);
    http_client_free(&client);
}

static int
check_pattern(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    uint64_t *at = user;

    for (size_t i = 0; i < n; i++)
        if (bytes[i] != (uint8_t)((*at + i) * 7 >> 3))
            return err_set(err, ERR_REJECT, "byte %llu differs", (unsigned long long)(*at + i));
    *at += n;
    return 0;
}

static void
answers_stream_whole_or_break_off_visibly(void **state)
{
    static const struct {
        const char *path;
        bool is_whole;
    } rows[] = {{"/stream", true},
                {"/stream?sized=1", true},
                {"/stream?break=1", false},
                {"/stream?break=1&sized=1", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_client *client = client_new(NULL);
        uint64_t at = 0;
        struct http_call call = {.method = "GET",
                                 .path = rows[i].path,
                                 .sink = check_pattern,
                                 .sink_user = &at,
                                 .answer_limit = UINT64_MAX};
        struct http_reply reply;
        struct err err = {0};
        int freed = counts.streams_freed;
        int rc = http_client_call(client, &call, &reply, &err);

        if ((rc == 0) != rows[i].is_whole)
            fail_msg("%s: rc %d %s", rows[i].path, rc, err.text);
        if (rc == 0) {
            assert_int_equal(at, BIG_BYTES);
            http_reply_fini(&reply);
        } else
            assert_int_equal(err.kind, ERR_RETRY);
        http_client_free(&client);
        for (int64_t end = clock_mono_ms() + 5000; counts.streams_freed == freed;)
            assert_true(clock_mono_ms() < end);
        assert_int_equal(counts.streams_freed, freed + 1);
    }
}

static void
a_range_of_a_file_is_sent(void **state)
{
    struct http_reply reply;

    (void)state;
    assert_int_equal(ask("GET", "/file", NULL, NULL, 0, &reply), 200);
    assert_string_equal(buf_text(&reply.body), "3456");
    http_reply_fini(&reply);
}

static void
end_runs_once_for_each_begin(void **state)
{
    int begun = counts.begun, fd;
    char out[4096];
    static const char torn[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc";

    (void)state;
    fd = dial();
    assert_int_equal(talk(fd, torn, strlen(torn), out, sizeof out, 100), 0);
    close(fd);

    for (int64_t end = clock_mono_ms() + 5000; counts.begun == begun;)
        assert_true(clock_mono_ms() < end);
    wait_ended(counts.begun);
    assert_int_equal(counts.ended, counts.begun);
}

static void
a_handler_learns_that_its_client_left(void **state)
{
    static const char request[] = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    int begun = counts.begun, fd = dial();
    char out[64];

    (void)state;
    talk(fd, request, strlen(request), out, sizeof out, 50);
    for (int64_t end = clock_mono_ms() + 5000; counts.begun == begun;)
        assert_true(clock_mono_ms() < end);
    close(fd);

    wait_ended(counts.begun);
}

static void
slow_clients_are_cut_off_and_waiting_handlers_are_not(void **state)
{
    static const char *const starts[] = {
        "",
        "GET /stud",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    int fds[ARRAY_LEN(starts)];
    struct pollfd p;
    int64_t began = clock_mono_ms();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        int small = 4096;

        fds[i] = dial();
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        assert_true(send(fds[i], starts[i], strlen(starts[i]), MSG_NOSIGNAL) >= 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        p = (struct pollfd){.fd = fds[i], .events = POLLRDHUP};
        if (poll(&p, 1, 4 * IDLE_MS) != 1)
            fail_msg("not cut off: %s", starts[i]);
        close(fds[i]);
    }
    assert_true(clock_mono_ms() - began >= IDLE_MS);
    wait_ended(counts.begun);
}

static void
contradicting_heads_are_refused(void **state)
{
    static const char *const rows[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\nHost: x/../y\r\n\r\n",
        "GET /studies/1 HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[4096];
        int fd = dial();

        talk(fd, rows[i], strlen(rows[i]), out, sizeof out, 300);
        if (strncmp(out, "HTTP/1.1 400", 12) != 0)
            fail_msg("%zu: wanted 400, got %.40s", i, out);
        close(fd);
    }
}

/* Answers in a stream of bytes: status lines at the begin of a line. */
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
        fd = dial();
        talk(fd, bytes, n, out, sizeof out, 40);
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
    assert_int_equal(ask("GET", "/studies/1", NULL, NULL, 0, &reply), 200);
    http_reply_fini(&reply);
    wait_ended(counts.begun);
}

static void
a_failing_handler_keeps_the_connection_and_a_refusal_ends_it(void **state)
{
    static const char two[] = "GET /retry HTTP/1.1\r\nHost: x\r\n\r\n"
                              "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                              "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                              "GET /studies/7 HTTP/1.1\r\nHost: x\r\n\r\n";
    char out[8192];
    int fd = dial();

    (void)state;
    talk(fd, two, strlen(two), out, sizeof out, 3000);
    close(fd);
    assert_int_equal(count_answers(out), 3);
    assert_non_null(strstr(out, "HTTP/1.1 503"));
    assert_non_null(strstr(out, "hello"));
    assert_non_null(strstr(out, "HTTP/1.1 404"));
}

static void
a_connection_past_the_limit_waits_or_ends_and_others_are_served(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .name = "small",
                                   .tables = &table,
                                   .table_count = 1,
                                   .connections = 2,
                                   .idle_ms = IDLE_MS};
    struct http_server *small = NULL, *normal = server;
    static const char request[] = "GET /studies/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    char out[4096];
    struct err err = {0};
    int one, two, three;

    (void)state;
    assert_int_equal(http_server_start(&options, &small, &err), 0);
    server = small;
    one = dial();
    two = dial();
    assert_true(talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    assert_true(talk(two, request, strlen(request), out, sizeof out, 300) > 0);
    three = dial();
    talk(three, request, strlen(request), out, sizeof out, 100);
    assert_true(talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    close(one);
    close(two);
    close(three);
    for (int64_t end = clock_mono_ms() + 5000; http_server_connections(small) > 0;)
        assert_true(clock_mono_ms() < end);
    one = dial();
    assert_true(talk(one, request, strlen(request), out, sizeof out, 300) > 0);
    close(one);
    server = normal;
    http_server_stop(&small);
}

static void
a_unix_socket_serves_too(void **state)
{
    char path[108];
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {
        .unix_path = path, .name = "unix", .tables = &table, .table_count = 1};
    struct http_client_options client_options = {.base_url = "http://localhost", .unix_path = path};
    struct http_server *local = NULL;
    struct http_client *client = NULL;
    struct http_call call = {.method = "GET", .path = "/studies/9"};
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    snprintf(path, sizeof path, "/tmp/radpost-http-%d.sock", getpid());
    assert_int_equal(http_server_start(&options, &local, &err), 0);
    assert_int_equal(http_client_new(&client_options, &client, &err), 0);
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_string_equal(buf_text(&reply.body), "9|-|GET");
    http_reply_fini(&reply);
    http_client_free(&client);
    http_server_stop(&local);
    assert_int_equal(access(path, F_OK), -1);
}

static void
a_client_tells_what_is_wrong(void **state)
{
    struct http_client_options options = {.base_url = "http://127.0.0.1:1", .connect_ms = 2000};
    struct http_client *client = NULL;
    struct http_call call = {.method = "GET", .path = "/"};
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_client_new(&options, &client, &err), 0);
    assert_int_equal(http_client_call(client, &call, &reply, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    http_client_abort(client);
    assert_int_equal(http_client_call(client, &call, &reply, &err), -1);
    http_client_free(&client);
    options.base_url = "https://127.0.0.1:1";
    assert_int_equal(http_client_new(&options, &client, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    client = client_new(NULL);
    call.path = "/stream";
    call.answer_limit = 1000;
    assert_int_equal(http_client_call(client, &call, &reply, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    http_client_free(&client);
}

static void
an_address_that_is_taken_is_told(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .port = http_server_port(server),
                                   .tables = &table,
                                   .table_count = 1};
    struct http_server *second = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_server_start(&options, &second, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_null(second);
    options.address = "not an address";
    assert_int_equal(http_server_start(&options, &second, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_queries_are_decoded_after_splitting),
        cmocka_unit_test(head_is_served_by_get_and_other_methods_are_told),
        cmocka_unit_test(callers_meet_the_table_of_rights),
        cmocka_unit_test(failures_tell_a_public_sentence_and_an_id),
        cmocka_unit_test(answers_carry_their_policies),
        cmocka_unit_test(bodies_are_collected_up_to_their_limit),
        cmocka_unit_test(long_bodies_stream_and_a_failing_handler_answers),
        cmocka_unit_test(answers_stream_whole_or_break_off_visibly),
        cmocka_unit_test(a_range_of_a_file_is_sent),
        cmocka_unit_test(end_runs_once_for_each_begin),
        cmocka_unit_test(a_handler_learns_that_its_client_left),
        cmocka_unit_test(slow_clients_are_cut_off_and_waiting_handlers_are_not),
        cmocka_unit_test(contradicting_heads_are_refused),
        cmocka_unit_test(malformed_requests_leave_the_server_serving),
        cmocka_unit_test(a_failing_handler_keeps_the_connection_and_a_refusal_ends_it),
        cmocka_unit_test(a_connection_past_the_limit_waits_or_ends_and_others_are_served),
        cmocka_unit_test(a_unix_socket_serves_too),
        cmocka_unit_test(a_client_tells_what_is_wrong),
        cmocka_unit_test(an_address_that_is_taken_is_told),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
