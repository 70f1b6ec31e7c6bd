/* http_world.c - a server with routes of every sort, and ways to talk to it. */
#include "tests/support/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/durable.h"
#include "proto/base/log.h"

struct world_counts world_counts;
struct http_server *world_server;
char world_url[64];

/* ---- routes ---- */

static int
count_begin(struct http_request *req, struct err *err)
{
    (void)err;
    world_counts.begun++;
    http_state_set(req, mem_text("state"));
    return 0;
}

static void
count_end(struct http_request *req)
{
    free(http_state(req));
    world_counts.ended++;
    gate_lock(&world_counts.gate);
    gate_wake(&world_counts.gate);
    gate_unlock(&world_counts.gate);
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
say_number(struct http_request *req, struct http_response *res, struct err *err)
{
    uint64_t n;
    char text[24];

    if (http_query_number(req, "n", 30, &n, err) < 0)
        return -1;
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    http_answer_bytes(res, 200, "text/plain", text, strlen(text));
    return 0;
}

static int
echo(struct http_request *req, struct http_response *res, struct err *err)
{
    size_t n;
    const uint8_t *body = http_body(req, &n);

    (void)err;
    world_counts.handled++;
    http_answer_bytes(res, 201, "application/octet-stream", body, n);
    return 0;
}

static int
take_part(struct http_request *req, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)req;
    (void)bytes;
    world_counts.body_bytes += n;
    if (http_query(req, "fail") != NULL)
        return err_set(err, ERR_FULL, "the disk of the test is full");
    return 0;
}

static int
say_count(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)err;
    world_counts.handled++;
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

int
world_read_pattern(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct world_pattern *p = user;

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
    world_counts.streams_freed++;
}

static int
send_stream(struct http_request *req, struct http_response *res, struct err *err)
{
    struct world_pattern *p = mem_new(sizeof *p);

    (void)err;
    p->end = WORLD_BIG_BYTES;
    p->breaks_at = http_query(req, "break") != NULL ? 100000 : UINT64_MAX;
    http_answer_stream(res, 200, "application/octet-stream",
                       http_query(req, "sized") != NULL ? WORLD_BIG_BYTES : UINT64_MAX,
                       world_read_pattern, free_pattern, p);
    return 0;
}

static int
wait_gone(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)err;
    gate_lock(&world_counts.gate);
    while (!http_is_gone(req))
        gate_wait_ms(&world_counts.gate, 20);
    gate_unlock(&world_counts.gate);
    http_answer_empty(res, 204);
    return 0;
}

static int
say_origin(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)err;
    http_answer_bytes(res, 200, "text/plain", http_origin(req), strlen(http_origin(req)));
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

static int
pdf(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)err;
    http_answer_bytes(res, 200, "application/pdf", "%PDF", 4);
    return 0;
}

const struct http_route world_routes[] = {
    {.method = "GET",
     .pattern = "/studies/{study}",
     .callers = HTTP_ANYONE,
     .handle = say_params,
     .begin = count_begin,
     .end = count_end},
    {.method = "GET", .pattern = "/number", .callers = HTTP_ANYONE, .handle = say_number},
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
    {.method = "GET", .pattern = "/origin", .callers = HTTP_ANYONE, .handle = say_origin},
    {.method = "GET",
     .pattern = "/page",
     .callers = HTTP_ANYONE,
     .handle = page,
     .flags = HTTP_PAGE | HTTP_NO_STORE},
    {.method = "GET", .pattern = "/pdf", .callers = HTTP_ANYONE, .handle = pdf},
    {.method = "GET", .pattern = "/token", .callers = HTTP_TOKEN, .rights = 1, .handle = say_count},
    {.method = "POST",
     .pattern = "/token",
     .callers = HTTP_TOKEN,
     .rights = 2,
     .handle = say_count,
     .body_limit = 1 << 30},
    {.method = "GET", .pattern = "/gateway", .callers = HTTP_GATEWAY, .handle = say_count},
};
const size_t world_route_count = ARRAY_LEN(world_routes);

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

int
world_start(void **state)
{
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .name = "test",
                                   .hosts = "archive.test,example.com",
                                   .tables = &table,
                                   .table_count = 1,
                                   .idle_ms = WORLD_IDLE_MS,
                                   .authorise = authorise};
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    gate_init(&world_counts.gate);
    if (http_server_start(&options, &world_server, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    snprintf(world_url, sizeof world_url, "http://127.0.0.1:%u", http_server_port(world_server));
    return 0;
}

int
world_stop(void **state)
{
    (void)state;
    http_server_stop(&world_server);
    gate_fini(&world_counts.gate);
    return 0;
}

/* ---- helpers ---- */

struct http_client *
world_client_new(const char *bearer)
{
    struct http_client_options options = {.base_url = world_url, .bearer = bearer};
    struct http_client *client = NULL;
    struct err err = {0};

    assert_int_equal(http_client_new(&options, &client, &err), 0);
    return client;
}

int
world_ask(const char *method, const char *path, const char *bearer, const void *body, size_t n,
          struct http_reply *out)
{
    struct http_client *client = world_client_new(bearer);
    struct http_call call = {.method = method, .path = path, .body = body, .body_n = n};
    struct err err = {0};
    int rc = http_client_call(client, &call, out, &err);

    http_client_free(&client);
    if (rc < 0)
        return -(int)err.kind;
    return out->status;
}

int
world_dial(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(http_server_port(world_server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

size_t
world_talk(int fd, const void *bytes, size_t n, char *out, size_t size, int wait_ms)
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

void
world_wait_ended(int wanted)
{
    gate_lock(&world_counts.gate);
    while (world_counts.ended < wanted)
        assert_true(gate_wait_ms(&world_counts.gate, 10000));
    gate_unlock(&world_counts.gate);
}
