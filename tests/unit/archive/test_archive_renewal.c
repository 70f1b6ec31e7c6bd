/* test_archive_renewal.c - what browsers see of the reader is what the files say, also when
 * somebody replaced them under a running service. */
#include "proto/base/log.h"
#include "proto/http/client.h"
#include "proto/http/server.h"
#include "proto/trust/ca.h"
#include "reader/archive/archive.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WEB_DAYS = 40 };

static char folder[FOLDER_PATH_BYTES], authority[FOLDER_PATH_BYTES + 16], url[64];
static FILE *told;

static int
say_hello(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    (void)err;
    http_answer_empty(res, 204);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/hello", .callers = HTTP_ANYONE, .handle = say_hello}};

static void
wait_for(const char *event)
{
    char line[4096];

    do {
        if (fgets(line, sizeof line, told) == NULL)
            fail_msg("nothing said %s", event);
    } while (strstr(line, event) == NULL);
}

/* As a browser comes. */
static int
come_in(void)
{
    struct http_client_options o = {.base_url = url, .ca_file = authority};
    struct http_call call = {.method = "GET", .path = "/hello"};
    struct http_client *client = NULL;
    struct http_reply reply;
    struct err err;
    int rc;

    assert_int_equal(http_client_new(&o, &client, &err), 0);
    rc = http_client_call(client, &call, &reply, &err);
    if (rc == 0)
        http_reply_fini(&reply);
    http_client_free(&client);
    return rc;
}

/* The centre is away all the while: the reader's own certificate is another matter. */
static void
a_certificate_that_was_replaced_is_shown_and_its_last_month_told(void **state)
{
    char dir[FOLDER_PATH_BYTES + 8], identity[FOLDER_PATH_BYTES + 8];
    char certificate[FOLDER_PATH_BYTES + 32], key[FOLDER_PATH_BYTES + 32];
    struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    struct http_options o = {.address = "127.0.0.1",
                             .tables = &table,
                             .table_count = 1,
                             .certificate = certificate,
                             .key = key};
    struct archive_renewal_options r = {
        .identity_dir = identity, .url = "https://127.0.0.1:1", .web_certificate = certificate};
    struct archive_renewal *renewal;
    struct http_server *server = NULL;
    struct ca *ca = NULL;
    struct err err;
    int ends[2];

    (void)state;
    folder_make("archive-renewal", folder);
    snprintf(dir, sizeof dir, "%s/web", folder);
    snprintf(identity, sizeof identity, "%s/link", folder);
    snprintf(certificate, sizeof certificate, "%s/server.pem", dir);
    snprintf(key, sizeof key, "%s/server.key", dir);
    snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    assert_int_equal(ca_create(folder, "Somebody's CA", &err), 0);
    assert_int_equal(ca_open(folder, &ca, &err), 0);
    assert_int_equal(ca_make_server(ca, dir, "old.example", WEB_DAYS, &err), 0);
    assert_int_equal(http_server_start(&o, &server, &err), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", http_server_port(server));
    assert_int_equal(come_in(), -1); /* its name is another */
    assert_int_equal(pipe(ends), 0);
    told = fdopen(ends[0], "r");
    log_set_fd(ends[1]);

    assert_int_equal(ca_make_server(ca, dir, "127.0.0.1", 20, &err), 0);
    r.servers[0] = server;
    renewal = archive_renewal_start(&r);
    wait_for("HTTP_CERTIFICATE_NEW");
    assert_int_equal(come_in(), 0);
    wait_for("ARCHIVE_WEB_CERTIFICATE_ENDS");

    archive_renewal_stop(&renewal);
    log_set_fd(STDERR_FILENO);
    http_server_stop(&server);
    ca_close(&ca);
    fclose(told);
    close(ends[1]);
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_was_replaced_is_shown_and_its_last_month_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
