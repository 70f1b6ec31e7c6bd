/* test_server.c - requests over loopback: routes, callers, bodies, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "tests/support/http_world.h"

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
        {"/number", 200, "0"},
        {"/number?n=30", 200, "30"},
        {"/number?n=31", 400, NULL},
        {"/number?n=-1", 400, NULL},
        {"/number?n=", 400, NULL},
        {"/studies/", 404, NULL},
        {"/studies", 404, NULL},
        {"/studies/1/", 404, NULL},
        {"//studies/1", 404, NULL},
        {"/studies/../retry", 404, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply;
        int status = world_ask("GET", rows[i].path, NULL, NULL, 0, &reply);

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
    assert_int_equal(world_ask("HEAD", "/studies/1", NULL, NULL, 0, &reply), 200);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("DELETE", "/token", NULL, NULL, 0, &reply), 405);
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
        int status = world_ask(rows[i].method, rows[i].path, rows[i].bearer, NULL, 0, &reply);

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
    assert_int_equal(world_ask("GET", "/retry", NULL, NULL, 0, &reply), 503);

    assert_null(strstr(buf_text(&reply.body), "secret"));
    assert_non_null(strstr(buf_text(&reply.body), "\"id\":\""));
    assert_int_equal(reply.retry_after_s, 5);
    assert_int_equal(http_reply_check(&reply, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("GET", "/twice", NULL, NULL, 0, &reply), 409);
    http_reply_fini(&reply);
}

static void
answers_carry_their_policies(void **state)
{
    struct http_reply reply;
    char value[400];

    (void)state;
    assert_int_equal(world_ask("GET", "/page", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "X-Content-Type-Options", value, sizeof value));
    assert_string_equal(value, "nosniff");
    assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
    assert_string_equal(value, "no-store");
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_non_null(strstr(value, "default-src 'self'"));
    assert_true(http_reply_find(&reply, "X-Good", value, sizeof value));
    assert_false(http_reply_find(&reply, "X-Evil", value, sizeof value));
    http_reply_fini(&reply);
    assert_int_equal(world_ask("GET", "/studies/1", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_non_null(strstr(value, "default-src 'none'"));
    http_reply_fini(&reply);
}

/* Browsers may start their viewer of PDFs in no sandbox; nothing is let in for it. */
static void
a_pdf_may_be_shown_by_the_browser_and_loads_nothing(void **state)
{
    struct http_reply reply;
    char value[400];

    (void)state;
    assert_int_equal(world_ask("GET", "/studies/1", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_non_null(strstr(value, "sandbox"));
    http_reply_fini(&reply);
    assert_int_equal(world_ask("GET", "/pdf", NULL, NULL, 0, &reply), 200);
    assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
    assert_null(strstr(value, "sandbox"));
    assert_non_null(strstr(value, "default-src 'none'"));
    assert_non_null(strstr(value, "base-uri 'none'"));
    assert_non_null(strstr(value, "form-action 'none'"));
    assert_non_null(strstr(value, "frame-ancestors 'none'"));
    assert_null(strstr(value, "script-src"));
    assert_true(http_reply_find(&reply, "X-Content-Type-Options", value, sizeof value));
    http_reply_fini(&reply);
}

static void
bodies_are_collected_up_to_their_limit(void **state)
{
    static uint8_t body[3 << 20];
    struct http_reply reply;
    int handled = world_counts.handled;

    (void)state;
    memset(body, 'x', sizeof body);
    assert_int_equal(world_ask("POST", "/echo", NULL, body, 1000, &reply), 201);
    assert_int_equal(reply.body.n, 1000);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("POST", "/echo", NULL, body, 1001, &reply), 413);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("POST", "/echo", NULL, body, sizeof body, &reply), 413);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("POST", "/token", "bad", body, sizeof body, &reply), 401);
    http_reply_fini(&reply);
    assert_int_equal(world_ask("POST", "/echo", NULL, "", 0, &reply), 201);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    assert_int_equal(world_counts.handled, handled + 2);
}

static void
long_bodies_stream_and_a_failing_handler_answers(void **state)
{
    struct http_client *client = world_client_new(NULL);
    struct world_pattern p = {0, WORLD_BIG_BYTES, UINT64_MAX};
    struct http_call call = {.method = "POST",
                             .path = "/sink",
                             .source = world_read_pattern,
                             .source_user = &p,
                             .source_size = HTTP_SIZE_UNKNOWN};
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    world_counts.body_bytes = 0;
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 204);
    assert_int_equal(world_counts.body_bytes, WORLD_BIG_BYTES);
    http_reply_fini(&reply);
    p.at = 0;
    call.source_size = WORLD_BIG_BYTES;
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 204);
    http_reply_fini(&reply);
    p = (struct world_pattern){0, 500000, UINT64_MAX};
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
        struct http_client *client = world_client_new(NULL);
        uint64_t at = 0;
        struct http_call call = {.method = "GET",
                                 .path = rows[i].path,
                                 .sink = check_pattern,
                                 .sink_user = &at,
                                 .answer_limit = UINT64_MAX};
        struct http_reply reply;
        struct err err = {0};
        int freed = world_counts.streams_freed;
        int rc = http_client_call(client, &call, &reply, &err);

        if ((rc == 0) != rows[i].is_whole)
            fail_msg("%s: rc %d %s", rows[i].path, rc, err.text);
        if (rc == 0) {
            assert_int_equal(at, WORLD_BIG_BYTES);
            http_reply_fini(&reply);
        } else
            assert_int_equal(err.kind, ERR_RETRY);
        http_client_free(&client);
        for (int64_t end = clock_mono_ms() + 5000; world_counts.streams_freed == freed;)
            assert_true(clock_mono_ms() < end);
        assert_int_equal(world_counts.streams_freed, freed + 1);
    }
}

static void
a_range_of_a_file_is_sent(void **state)
{
    struct http_reply reply;

    (void)state;
    assert_int_equal(world_ask("GET", "/file", NULL, NULL, 0, &reply), 200);
    assert_string_equal(buf_text(&reply.body), "3456");
    http_reply_fini(&reply);
}

static void
a_unix_socket_serves_too(void **state)
{
    char path[108];
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = {
        .unix_path = path, .name = "unix", .tables = &table, .table_count = 1};
    struct http_client_options client_options = {.base_url = "http://localhost", .unix_path = path};
    static const char *const forwarded[] = {"Host: centre.example", "X-Forwarded-Proto: https",
                                            NULL};
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
    call.path = "/origin";
    call.headers = forwarded;
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_string_equal(buf_text(&reply.body), "https://centre.example");
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
    client = world_client_new(NULL);
    call.path = "/stream";
    call.answer_limit = 1000;
    assert_int_equal(http_client_call(client, &call, &reply, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    http_client_free(&client);
}

static void
an_address_that_is_taken_is_told(void **state)
{
    struct http_table table = {world_routes, world_route_count, NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .port = http_server_port(world_server),
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
        cmocka_unit_test(a_pdf_may_be_shown_by_the_browser_and_loads_nothing),
        cmocka_unit_test(bodies_are_collected_up_to_their_limit),
        cmocka_unit_test(long_bodies_stream_and_a_failing_handler_answers),
        cmocka_unit_test(answers_stream_whole_or_break_off_visibly),
        cmocka_unit_test(a_range_of_a_file_is_sent),
        cmocka_unit_test(a_unix_socket_serves_too),
        cmocka_unit_test(a_client_tells_what_is_wrong),
        cmocka_unit_test(an_address_that_is_taken_is_told),
    };

    return cmocka_run_group_tests(tests, world_start, world_stop);
}
