/* shown.c - a server with one page over TLS, as who connects sees it. */
#include "tests/support/shown.h"

#include "proto/base/log.h"
#include "proto/http/client.h"
#include "proto/http/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct http_server *server;
static char url[64];
static FILE *told;
static int log_fd;

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

struct http_server *
shown_open(const char *certificate, const char *key)
{
    const struct http_table table = {routes, ARRAY_LEN(routes), NULL};
    const struct http_options o = {.address = "127.0.0.1",
                                   .tables = &table,
                                   .table_count = 1,
                                   .certificate = certificate,
                                   .key = key};
    struct err err;
    int ends[2];

    assert_int_equal(http_server_start(&o, &server, &err), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", http_server_port(server));
    assert_int_equal(pipe(ends), 0);
    told = fdopen(ends[0], "r");
    assert_non_null(told);
    log_fd = ends[1];
    log_set_fd(log_fd);
    return server;
}

void
shown_close(void)
{
    http_server_stop(&server);
    log_set_fd(STDERR_FILENO);
    close(log_fd);
    fclose(told);
}

int
shown_come_in(const char *authority)
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

const char *
shown_wait_for(const char *event)
{
    static char line[4096];

    do {
        if (fgets(line, sizeof line, told) == NULL)
            fail_msg("nothing said %s", event);
    } while (strstr(line, event) == NULL);
    return line;
}
