/* test_tls.c - real handshakes on loopback: who is let in, who is refused, and with what words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/http/client.h"
#include "proto/http/server.h"
#include "proto/trust/ca.h"
#include "tests/support/folder.h"

#define DAY_US ((int64_t)86400 * 1000000)
#define BIG_BYTES ((size_t)3 << 20)

static char folder[FOLDER_PATH_BYTES];
static struct http_server *server;
static char base_url[64];
static _Atomic int handled;

static char *
in(const char *name)
{
    static char path[8][256];
    static int i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static int
say_who(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct http_caller *caller = http_caller(req);
    struct buf b;

    (void)err;
    handled++;
    buf_init(&b, 1000);
    buf_add_printf(&b, "%s/%s/%d", caller->tenant, caller->device, (int)caller->kind);
    http_answer_buf(res, 200, "text/plain", &b);
    buf_fini(&b);
    return 0;
}

static int
send_file(struct http_request *req, struct http_response *res, struct err *err)
{
    char path[] = "/tmp/radpost-tls-XXXXXX";
    int fd = mkstemp(path);
    uint8_t *bytes = mem_new(BIG_BYTES);
    int rc;

    (void)req;
    remove(path);
    memset(bytes, 'z', BIG_BYTES);
    rc = durable_write(fd, bytes, BIG_BYTES, err);
    free(bytes);
    http_answer_file(res, 200, "application/octet-stream", fd, 5, BIG_BYTES - 5);
    return rc;
}

static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    (void)user;
    (void)bearer;
    if (strcmp(caller->device, "revoked") == 0)
        return err_set(err, ERR_DENIED, "device is revoked");
    caller->rights = caller->kind == HTTP_READER ? 3 : 1;
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/open", .callers = HTTP_ANYONE, .handle = say_who},
    {.method = "GET",
     .pattern = "/gateway",
     .callers = HTTP_GATEWAY,
     .rights = 1,
     .handle = say_who},
    {.method = "GET", .pattern = "/reader", .callers = HTTP_READER, .handle = say_who},
    {.method = "GET",
     .pattern = "/both",
     .callers = HTTP_READER | HTTP_GATEWAY,
     .rights = 2,
     .handle = say_who},
    {.method = "GET", .pattern = "/file", .callers = HTTP_GATEWAY, .handle = send_file},
};

/* A client's files below folder/name, signed by the CA of ca_name. */
static void
make_client(const char *ca_name, const char *name, const char *kind, int days)
{
    struct ca *ca = NULL;
    struct ca_subject subject = {.tenant = "clinic-7"};
    struct buf csr, pem;
    struct err err = {0};

    snprintf(subject.device, sizeof subject.device, "%s", name);
    snprintf(subject.kind, sizeof subject.kind, "%s", kind);
    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&pem, CA_PEM_LIMIT);
    assert_int_equal(ca_open(in(ca_name), &ca, &err), 0);
    assert_int_equal(ca_make_request(in(name), "key", &csr, &err), 0);
    assert_int_equal(ca_sign_client(ca, buf_text(&csr), &subject, days * 86400, &pem, &err), 0);
    assert_int_equal(durable_put_file(in(name), "cert.pem", pem.bytes, pem.n, &err), 0);
    ca_close(&ca);
    buf_fini(&csr);
    buf_fini(&pem);
}

static int
make_server(struct err *err)
{
    struct ca *ca = NULL;
    int rc = -1;

    if (ca_create(in("ca"), "Test CA", err) == 0 && ca_create(in("other"), "Other CA", err) == 0 &&
        ca_open(in("ca"), &ca, err) == 0 &&
        ca_make_server(ca, in("tls"), "127.0.0.1,localhost", 30, err) == 0 &&
        ca_make_server(ca, in("elsewhere"), "centre.test", 30, err) == 0)
        rc = 0;
    ca_close(&ca);
    return rc;
}

/* Whose certificates are known: of the authority, and of one that has not begun. */
static void
know_both(void)
{
    static const char *const names[] = {"ca/ca.pem", "ahead/ca.pem"};
    struct err err = {0};
    struct buf both;

    buf_init(&both, 2 * CA_PEM_LIMIT);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        uint8_t *bytes = NULL;
        size_t n;

        assert_int_equal(durable_get_file(in(names[i]), CA_PEM_LIMIT, &bytes, &n, &err), 0);
        buf_add(&both, bytes, n);
        free(bytes);
    }
    assert_int_equal(durable_put_file(in("ca"), "both.pem", both.bytes, both.n, &err), 0);
    buf_fini(&both);
}

static int
start(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .name = "test",
                                   .tables = &table,
                                   .table_count = 1,
                                   .authorise = authorise};
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    folder_make("tls", folder);
    if (make_server(&err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    make_client("ca", "gw", "gateway", 30);
    make_client("ca", "rd", "reader", 30);
    make_client("ca", "revoked", "gateway", 30);
    make_client("ca", "odd", "toaster", 30);
    make_client("other", "foreign", "gateway", 30);
    clock_fake(clock_wall_us() - 60 * DAY_US, 0);
    make_client("ca", "expired", "gateway", 30);
    clock_fake(clock_wall_us() + 120 * DAY_US, 0);
    assert_int_equal(ca_create(in("ahead"), "Test CA ahead", &err), 0);
    make_client("ahead", "early", "gateway", 30); /* a certificate begins with its authority */
    clock_unfake();
    know_both();
    options.certificate = in("tls/server.pem");
    options.key = in("tls/server.key");
    options.client_ca = in("ca/both.pem");
    if (http_server_start(&options, &server, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    snprintf(base_url, sizeof base_url, "https://127.0.0.1:%u", http_server_port(server));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    http_server_stop(&server);
    folder_remove(folder);
    return 0;
}

/* The status, or minus the kind of the error. */
static int
ask(const char *url, const char *ca, const char *who, const char *path, struct http_reply *out,
    struct err *err)
{
    char certificate[256], key[256];
    struct http_client_options options = {.base_url = url, .ca_file = ca};
    struct http_call call = {.method = "GET", .path = path, .answer_limit = 2 * BIG_BYTES};
    struct http_client *client = NULL;
    int rc;

    if (who != NULL) {
        snprintf(certificate, sizeof certificate, "%s/%s/cert.pem", folder, who);
        snprintf(key, sizeof key, "%s/%s/key.key", folder, who);
        options.certificate = certificate;
        options.key = key;
    }
    assert_int_equal(http_client_new(&options, &client, err), 0);
    rc = http_client_call(client, &call, out, err);
    http_client_free(&client);
    return rc < 0 ? -(int)err->kind : out->status;
}

static void
certificates_meet_the_table_of_callers(void **state)
{
    static const struct {
        const char *who, *path;
        int status;
        const char *words;
    } rows[] = {
        {"gw", "/gateway", 200, "clinic-7/gw/2"},
        {"rd", "/reader", 200, "clinic-7/rd/4"},
        {"rd", "/both", 200, "clinic-7/rd/4"},
        {NULL, "/open", 200, "//1"},
        {"gw", "/open", 200, "//1"},
        {NULL, "/gateway", 403, "enrol first"},
        {"rd", "/gateway", 403, "of this kind"},
        {"gw", "/reader", 403, "of this kind"},
        {"gw", "/both", 403, "no right"},
        {"revoked", "/gateway", 403, "not permitted any more"},
        {"foreign", "/gateway", 403, "not signed by this centre"},
        {"foreign", "/open", 403, "not signed by this centre"},
        {"expired", "/gateway", 403, "time is over"},
        {"early", "/gateway", 403, "has not begun"},
        {"odd", "/gateway", 403, "does not name"},
        {"odd", "/open", 403, "does not name"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply = {0};
        struct err err = {0};
        int before = handled;
        int status = ask(base_url, in("ca/ca.pem"), rows[i].who, rows[i].path, &reply, &err);

        if (status != rows[i].status || strstr(buf_text(&reply.body), rows[i].words) == NULL)
            fail_msg("%s %s: wanted %d %s, got %d %s %s", rows[i].who ? rows[i].who : "nobody",
                     rows[i].path, rows[i].status, rows[i].words, status, buf_text(&reply.body),
                     err.text);
        assert_int_equal(handled - before, status == 200);
        if (status == 403) {
            assert_int_equal(http_reply_check(&reply, &err), -1);
            assert_int_equal(err.kind, ERR_DENIED);
        }
        http_reply_fini(&reply);
    }
}

static void
a_certificate_that_ends_while_its_connection_is_kept_is_refused(void **state)
{
    struct http_client_options options = {.base_url = base_url,
                                          .ca_file = in("ca/ca.pem"),
                                          .certificate = in("gw/cert.pem"),
                                          .key = in("gw/key.key")};
    struct http_call call = {.method = "GET", .path = "/gateway"};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_client_new(&options, &client, &err), 0);
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);
    clock_fake(clock_wall_us() + 31 * DAY_US, clock_mono_ms());
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    clock_unfake();
    assert_int_equal(reply.status, 403);
    assert_non_null(strstr(buf_text(&reply.body), "time is over"));
    http_reply_fini(&reply);
    http_client_free(&client);
}

static void
a_server_certificate_is_no_client_certificate(void **state)
{
    struct http_client_options options = {.base_url = base_url,
                                          .ca_file = in("ca/ca.pem"),
                                          .certificate = in("tls/server.pem"),
                                          .key = in("tls/server.key")};
    struct http_call call = {.method = "GET", .path = "/open"};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_client_new(&options, &client, &err), 0);
    assert_int_equal(http_client_call(client, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 403);
    assert_non_null(strstr(buf_text(&reply.body), "not meant for clients"));
    http_reply_fini(&reply);
    http_client_free(&client);
}

static void
the_client_trusts_its_ca_and_name_only(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .tables = &table,
                                   .table_count = 1,
                                   .certificate = in("elsewhere/server.pem"),
                                   .key = in("elsewhere/server.key")};
    struct http_server *elsewhere = NULL;
    char url[64];
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(ask(base_url, in("other/ca.pem"), "gw", "/open", &reply, &err), -ERR_DENIED);
    assert_int_equal(http_server_start(&options, &elsewhere, &err), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", http_server_port(elsewhere));
    assert_int_equal(ask(url, in("ca/ca.pem"), NULL, "/open", &reply, &err), -ERR_DENIED);
    assert_non_null(strstr(err.text, "not trusted"));
    http_server_stop(&elsewhere);
}

static void
files_leave_whole_over_tls(void **state)
{
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(ask(base_url, in("ca/ca.pem"), "gw", "/file", &reply, &err), 200);
    assert_int_equal(reply.body.n, BIG_BYTES - 5);
    for (size_t i = 0; i < reply.body.n; i++)
        if (reply.body.bytes[i] != 'z')
            fail_msg("byte %zu differs", i);
    http_reply_fini(&reply);
}

static void
a_broken_head_is_answered_once_over_tls(void **state)
{
    static const char *const headers[] = {"Content-Length: +5", NULL};
    struct http_client_options options = {.base_url = base_url, .ca_file = in("ca/ca.pem")};
    struct http_call call = {.method = "GET", .path = "/open", .headers = headers};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_client_new(&options, &client, &err), 0);
    if (http_client_call(client, &call, &reply, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(reply.status, 400);
    assert_non_null(strstr(buf_text(&reply.body), "cannot be understood"));
    http_reply_fini(&reply);
    http_client_free(&client);
}

static void
a_key_of_another_certificate_stops_the_start(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .tables = &table,
                                   .table_count = 1,
                                   .certificate = in("tls/server.pem"),
                                   .key = in("elsewhere/server.key")};
    struct http_server *none = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(http_server_start(&options, &none, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    options.key = NULL;
    assert_int_equal(http_server_start(&options, &none, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    options.certificate = in("nowhere.pem");
    options.key = in("tls/server.key");
    assert_int_equal(http_server_start(&options, &none, &err), -1);
}

/* The pair in folder NAME becomes one for these names. */
static void
replace_pair(const char *name, const char *names)
{
    struct ca *ca = NULL;
    struct err err = {0};

    assert_int_equal(ca_open(in("ca"), &ca, &err), 0);
    assert_int_equal(ca_make_server(ca, in(name), names, 30, &err), 0);
    ca_close(&ca);
}

static void
a_new_certificate_is_shown_to_who_comes_and_nobody_is_cut_off(void **state)
{
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options options = {.address = "127.0.0.1",
                                   .tables = &table,
                                   .table_count = 1,
                                   .certificate = in("renewed/server.pem"),
                                   .key = in("renewed/server.key"),
                                   .client_ca = in("ca/ca.pem"),
                                   .authorise = authorise};
    struct http_client_options kept_options = {
        .ca_file = in("ca/ca.pem"), .certificate = in("gw/cert.pem"), .key = in("gw/key.key")};
    struct http_call call = {.method = "GET", .path = "/gateway"};
    struct http_server *renewed = NULL;
    struct http_client *kept = NULL;
    struct http_reply reply;
    struct err err = {0};
    bool is_new = true;
    char url[64];

    (void)state;
    replace_pair("renewed", "127.0.0.1");
    assert_int_equal(http_server_start(&options, &renewed, &err), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", http_server_port(renewed));
    kept_options.base_url = url;
    assert_int_equal(http_client_new(&kept_options, &kept, &err), 0);
    assert_int_equal(http_client_call(kept, &call, &reply, &err), 0);
    http_reply_fini(&reply);
    assert_int_equal(http_server_renew(renewed, &is_new, &err), 0);
    assert_false(is_new);

    replace_pair("renewed", "centre.test");
    assert_int_equal(http_server_renew(renewed, &is_new, &err), 0);
    assert_true(is_new);
    assert_int_equal(ask(url, in("ca/ca.pem"), "gw", "/gateway", &reply, &err), -ERR_DENIED);
    assert_int_equal(http_client_call(kept, &call, &reply, &err), 0); /* by its old connection */
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);

    assert_int_equal(durable_put_file(in("renewed"), "server.pem", "torn", 4, &err), 0);
    assert_int_equal(http_server_renew(renewed, &is_new, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(http_client_call(kept, &call, &reply, &err), 0);
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);

    replace_pair("renewed", "127.0.0.1");
    assert_int_equal(http_server_renew(renewed, &is_new, &err), 0);
    assert_int_equal(ask(url, in("ca/ca.pem"), "gw", "/gateway", &reply, &err), 200);
    http_reply_fini(&reply);
    assert_int_equal(ask(url, in("ca/ca.pem"), "foreign", "/gateway", &reply, &err), 403);
    http_reply_fini(&reply);
    http_client_free(&kept);
    http_server_stop(&renewed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_meet_the_table_of_callers),
        cmocka_unit_test(a_certificate_that_ends_while_its_connection_is_kept_is_refused),
        cmocka_unit_test(a_server_certificate_is_no_client_certificate),
        cmocka_unit_test(the_client_trusts_its_ca_and_name_only),
        cmocka_unit_test(files_leave_whole_over_tls),
        cmocka_unit_test(a_broken_head_is_answered_once_over_tls),
        cmocka_unit_test(a_key_of_another_certificate_stops_the_start),
        cmocka_unit_test(a_new_certificate_is_shown_to_who_comes_and_nobody_is_cut_off),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
