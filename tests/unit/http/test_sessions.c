/* test_sessions.c - callers by cookie, the page's own word, and Server-Sent Events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/http_world.h"

/* ---- a server with a session "good" of each kind ---- */

enum { NOT_HUNG_MS = 60000 };

static struct http_server *server;
static char url[64];

static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    (void)user;
    if (bearer == NULL || strcmp(bearer, "good") != 0)
        return err_set(err, ERR_DENIED, "no such session");
    snprintf(caller->csrf, sizeof caller->csrf, "word");
    snprintf(caller->device, sizeof caller->device,
             caller->kind == HTTP_STAFF     ? "staff"
             : caller->kind == HTTP_PATIENT ? "patient"
                                            : "token");
    caller->rights = caller->kind == HTTP_STAFF ? 1 : 0;
    return 0;
}

static int
say_caller(struct http_request *req, struct http_response *res, struct err *err)
{
    char address[64], words[200];

    (void)err;
    http_address(req, address);
    snprintf(words, sizeof words, "%s %s %s", http_caller(req)->device,
             http_session(req) != NULL ? http_session(req) : "none", address);
    http_answer_bytes(res, 200, "text/plain", words, strlen(words));
    return 0;
}

/* Events come when the test says so. */
struct events {
    struct gate gate;
    int told, written;
    _Atomic int freed, gone;
    struct http_request *req;
};

static struct events events;

static int
read_event(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct events *e = user;

    (void)err;
    *out_n = 0;
    gate_lock(&e->gate);
    while (e->written == e->told && !http_is_gone(e->req))
        gate_wait_ms(&e->gate, 100);
    if (e->written < e->told) {
        e->written++;
        *out_n = (size_t)snprintf((char *)bytes, n, "event: change\ndata: %d\n\n", e->written);
    } else {
        e->gone++;
    }
    gate_unlock(&e->gate);
    return 0;
}

static void
free_events(void *user)
{
    struct events *e = user;

    e->freed++;
}

static int
stream(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)err;
    events.req = req;
    http_answer_stream(res, 200, "text/event-stream", UINT64_MAX, read_event, free_events, &events);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/staff", .callers = HTTP_STAFF, .handle = say_caller},
    {.method = "POST",
     .pattern = "/staff",
     .callers = HTTP_STAFF,
     .body_limit = 100,
     .handle = say_caller},
    {.method = "PUT",
     .pattern = "/staff",
     .callers = HTTP_STAFF,
     .rights = 2,
     .body_limit = 100,
     .handle = say_caller},
    {.method = "GET", .pattern = "/patient", .callers = HTTP_PATIENT, .handle = say_caller},
    {.method = "GET",
     .pattern = "/either",
     .callers = HTTP_PATIENT | HTTP_STAFF | HTTP_TOKEN,
     .handle = say_caller},
    {.method = "GET", .pattern = "/stream", .callers = HTTP_STAFF, .handle = stream},
    {.method = "GET", .pattern = "/anyone", .callers = HTTP_ANYONE, .handle = say_caller},
};

static void
serve(const char *hosts)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options o = {.address = "127.0.0.1",
                             .tables = &table,
                             .table_count = 1,
                             .authorise = authorise,
                             .hosts = hosts,
                             .name = "test"};
    struct err err = {0};

    if (http_server_start(&o, &server, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
}

static int
start(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    gate_init(&events.gate);
    serve(NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    http_server_stop(&server);
    gate_fini(&events.gate);
    return 0;
}

static int
ask(const char *method, const char *path, const char *const *headers, struct http_reply *out)
{
    struct http_client_options o = {.base_url = url};
    struct http_call call = {.method = method, .path = path, .headers = headers};
    struct http_client *client;
    struct err err = {0};

    if (strcmp(method, "GET") != 0)
        call.body = "{}", call.body_n = 2, call.content_type = "application/json";
    if (http_client_new(&o, &client, &err) < 0 || http_client_call(client, &call, out, &err) < 0)
        fail_msg("%s", err.text);
    http_client_free(&client);
    return out->status;
}

/* ---- claims ---- */

static void
a_session_is_known_by_its_own_cookie_only(void **state)
{
    static const struct {
        const char *name, *path, *cookie;
        int status;
        const char *body;
    } rows[] = {
        {"none", "/staff", NULL, 401, NULL},
        {"good", "/staff", "Cookie: rp_session=good", 200, "staff good 127.0.0.1"},
        {"among others", "/staff", "Cookie: a=b; rp_session=good; c=d", 200,
         "staff good 127.0.0.1"},
        {"unknown", "/staff", "Cookie: rp_session=bad", 401, NULL},
        {"empty", "/staff", "Cookie: rp_session=", 401, NULL},
        {"twice", "/staff", "Cookie: rp_session=good; rp_session=good", 401, NULL},
        {"twice, one bad", "/staff", "Cookie: rp_session=bad; rp_session=good", 401, NULL},
        {"a patient's", "/staff", "Cookie: rp_patient=good", 401, NULL},
        {"another case", "/staff", "Cookie: RP_SESSION=good", 401, NULL},
        {"patient", "/patient", "Cookie: rp_patient=good", 200, "patient good 127.0.0.1"},
        {"staff at the patients'", "/patient", "Cookie: rp_session=good", 401, NULL},
        {"either", "/either", "Cookie: rp_patient=good", 200, "patient good 127.0.0.1"},
        {"token beside", "/either", "Authorization: Bearer good", 200, "token none 127.0.0.1"},
        {"a cookie as a token", "/staff", "Authorization: Bearer good", 401, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const headers[] = {rows[i].cookie, NULL};
        struct http_reply reply;
        int status = ask("GET", rows[i].path, headers, &reply);

        if (status != rows[i].status)
            fail_msg("%s: wanted %d, got %d", rows[i].name, rows[i].status, status);
        if (rows[i].body != NULL && strcmp(buf_text(&reply.body), rows[i].body) != 0)
            fail_msg("%s: wanted %s, got %s", rows[i].name, rows[i].body, buf_text(&reply.body));
        http_reply_fini(&reply);
    }
}

static void
what_changes_something_needs_the_pages_own_word(void **state)
{
    static const struct {
        const char *method, *word;
        int status;
    } rows[] = {
        {"GET", NULL, 200},
        {"POST", NULL, 403},
        {"POST", "X-Radpost-CSRF: wor", 403},
        {"POST", "X-Radpost-CSRF: worD", 403},
        {"POST", "X-Radpost-CSRF: words", 403},
        {"POST", "X-Radpost-CSRF;", 403}, /* sent empty */
        {"POST", "X-Radpost-CSRF: word", 200},
        {"PUT", "X-Radpost-CSRF: word", 403}, /* the right is missing */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const headers[] = {"Cookie: rp_session=good", rows[i].word, NULL};
        struct http_reply reply;
        int status = ask(rows[i].method, "/staff", headers, &reply);

        if (status != rows[i].status)
            fail_msg("%s %s: wanted %d, got %d", rows[i].method, rows[i].word, rows[i].status,
                     status);
        http_reply_fini(&reply);
    }
}

static void
a_refused_session_is_told_without_a_browsers_password_box(void **state)
{
    static const char *const headers[] = {"Cookie: rp_session=bad", NULL};
    struct http_reply reply;
    char scheme[64], store[64];

    (void)state;
    assert_int_equal(ask("GET", "/staff", headers, &reply), 401);
    assert_true(http_reply_find(&reply, "WWW-Authenticate", scheme, sizeof scheme));
    assert_int_equal(strncmp(scheme, "Session ", 8), 0);
    assert_true(http_reply_find(&reply, "Cache-Control", store, sizeof store));
    assert_string_equal(store, "no-store");
    http_reply_fini(&reply);
}

static void
who_asks_is_the_peer_unless_a_proxy_of_ours_says_otherwise(void **state)
{
    static const char *const headers[] = {"X-Forwarded-For: 10.9.9.9, 10.0.0.7", NULL};
    static const char *const lines[] = {"X-Forwarded-For: 10.9.9.9", "X-Forwarded-For: 10.0.0.8",
                                        NULL};
    static const char *const broken[] = {"X-Forwarded-For: 10.9.9.9, <script>", NULL};
    struct http_reply reply;

    (void)state;
    ask("GET", "/anyone", headers, &reply);
    assert_string_equal(buf_text(&reply.body), " none 127.0.0.1");
    http_reply_fini(&reply);

    http_server_stop(&server);
    serve("reader.example");
    ask("GET", "/anyone", headers, &reply);
    assert_string_equal(buf_text(&reply.body), " none 10.0.0.7");
    http_reply_fini(&reply);
    ask("GET", "/anyone", lines, &reply); /* what the caller said, and a line of the proxy's own */
    assert_string_equal(buf_text(&reply.body), " none 10.0.0.8");
    http_reply_fini(&reply);
    ask("GET", "/anyone", broken, &reply);
    assert_string_equal(buf_text(&reply.body), " none 127.0.0.1");
    http_reply_fini(&reply);
    http_server_stop(&server);
    serve(NULL);
}

/* ---- events ---- */

static void
tell(void)
{
    gate_lock(&events.gate);
    events.told++;
    gate_wake(&events.gate);
    gate_unlock(&events.gate);
}

/* What came until these words were among it; NULL: they do not come. Until the next call. */
static const char *
reads(int fd, const char *words)
{
    static char got[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;

    for (got[0] = '\0'; strstr(got, words) == NULL; got[n] = '\0') {
        ssize_t k = poll(&p, 1, NOT_HUNG_MS) > 0 ? recv(fd, got + n, sizeof got - 1 - n, 0) : 0;

        if (k <= 0)
            return NULL;
        n += (size_t)k;
    }
    return got;
}

static int
dial_stream(void)
{
    static const char head[] = "GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Cookie: rp_session=good\r\n\r\n";
    struct http_server *before = world_server;
    const char *got;
    int fd;

    world_server = server; /* world_dial() goes to that one */
    fd = world_dial();
    world_server = before;
    for (size_t n = 0; n < sizeof head - 1;) {
        ssize_t k = write(fd, head + n, sizeof head - 1 - n);

        assert_true(k > 0);
        n += (size_t)k;
    }
    got = reads(fd, "\r\n\r\n");
    assert_non_null(got);
    assert_non_null(strstr(got, "200 OK"));
    assert_non_null(strstr(got, "text/event-stream"));
    return fd;
}

static void
wait_freed(int wanted)
{
    for (int i = 0; i < 500 && events.freed < wanted; i++) {
        gate_lock(&events.gate);
        gate_wait_ms(&events.gate, 10);
        gate_unlock(&events.gate);
    }
    assert_int_equal(events.freed, wanted);
}

static void
an_event_arrives_at_once_and_the_stream_ends_when_its_reader_leaves(void **state)
{
    int fd = dial_stream(), freed = events.freed;
    int64_t least_ms = INT64_MAX;

    (void)state;
    for (int i = 1; i <= 3 || (i <= 20 && least_ms >= 100); i++) {
        int64_t began = clock_mono_ms(), took_ms;
        char wanted[32];

        tell();
        snprintf(wanted, sizeof wanted, "data: %d\n\n", events.told);
        assert_non_null(reads(fd, wanted)); /* it waited for nothing behind it */
        took_ms = clock_mono_ms() - began;
        least_ms = took_ms < least_ms ? took_ms : least_ms;
    }
    assert_true(least_ms < 100); /* the quickest of some: load only adds */
    close(fd);
    wait_freed(freed + 1);
}

static void
a_server_that_stops_ends_its_streams(void **state)
{
    int fd = dial_stream(), freed = events.freed;

    (void)state;
    http_server_stop(&server); /* would wait for them else */

    assert_int_equal(events.freed, freed + 1);
    close(fd);
    serve(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_known_by_its_own_cookie_only),
        cmocka_unit_test(what_changes_something_needs_the_pages_own_word),
        cmocka_unit_test(a_refused_session_is_told_without_a_browsers_password_box),
        cmocka_unit_test(who_asks_is_the_peer_unless_a_proxy_of_ours_says_otherwise),
        cmocka_unit_test(an_event_arrives_at_once_and_the_stream_ends_when_its_reader_leaves),
        cmocka_unit_test(a_server_that_stops_ends_its_streams),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
