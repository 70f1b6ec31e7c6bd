/* desk.c - the clinic's page: routes over the report and the embedded files. */
#include "gateway/desk/desk.h"

#include "gateway/desk/report.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "proto/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_BYTES = 1 << 20, POLL_MS = 1000, POLL_MAX_S = 30 };

struct desk {
    struct desk_options options;
    struct http_server *server;
};

static const struct {
    const char *suffix;
    const char *type;
} media[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *
media_of(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(media); i++) {
        size_t k = strlen(media[i].suffix);

        if (n > k && strcmp(path + n - k, media[i].suffix) == 0)
            return media[i].type;
    }
    return "application/octet-stream";
}

static int
answer_embedded(struct http_response *res, const char *path, struct err *err)
{
    const struct embedded *file = embed_find(path);

    if (file == NULL)
        return err_set(err, ERR_NOT_FOUND, "no page of that name");
    http_answer_bytes(res, 200, media_of(path), file->begin, (size_t)(file->end - file->begin));
    return 0;
}

static int
get_page(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req;
    return answer_embedded(res, "gateway/desk/web/dist/index.html", err);
}

static int
get_asset(struct http_request *req, struct http_response *res, struct err *err)
{
    char path[256];

    snprintf(path, sizeof path, "gateway/desk/web/dist/assets/%s", http_param(req, "name"));
    http_answer_header(res, "Cache-Control", "public, max-age=31536000, immutable");
    return answer_embedded(res, path, err);
}

/* A number of the query, 0 when it is not there. */
static uint64_t
query_number(const struct http_request *req, const char *name, uint64_t max)
{
    const char *text = http_query(req, name);
    uint64_t v = 0;

    if (text == NULL || text_to_u64(text, UINT64_MAX, &v) < 0)
        return 0;
    return v < max ? v : max;
}

/* Wait until something changed since the number the page has seen, a few seconds at most. */
static uint64_t
wait_for_change(struct desk *desk, const struct http_request *req)
{
    uint64_t since = query_number(req, "since", UINT64_MAX);
    int64_t until_ms = clock_mono_ms() + (int64_t)query_number(req, "wait_s", POLL_MAX_S) * 1000;
    uint64_t change;

    do
        change = spool_wait(desk->options.spool, since, since == 0 ? 0 : POLL_MS);
    while (change == since && clock_mono_ms() < until_ms && !http_is_gone(req));
    return change;
}

static int
get_state(struct http_request *req, struct http_response *res, struct err *err)
{
    struct desk *desk = http_user(req);
    uint64_t change = wait_for_change(desk, req);
    struct buf report;

    (void)err;
    buf_init(&report, REPORT_BYTES);
    report_write(&desk->options, change, &report);
    http_answer_buf(res, 200, "application/json", &report);
    buf_fini(&report);
    return 0;
}

/* A page of another origin cannot set this header without asking first, and we never say yes. */
static int
post_close(struct http_request *req, struct http_response *res, struct err *err)
{
    struct desk *desk = http_user(req);

    if (http_header(req, "X-Radpost-Desk") == NULL)
        return err_set(err, ERR_DENIED, "a request from elsewhere");
    if (uplink_close_study(desk->options.uplink, http_param(req, "study"), err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET",
     .pattern = "/",
     .callers = HTTP_ANYONE,
     .handle = get_page,
     .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/assets/{name}",
     .callers = HTTP_ANYONE,
     .handle = get_asset,
     .flags = HTTP_PAGE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/desk/v1/state",
     .callers = HTTP_ANYONE,
     .handle = get_state,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "POST",
     .pattern = "/desk/v1/studies/{study}/close",
     .callers = HTTP_ANYONE,
     .handle = post_close,
     .flags = HTTP_NO_STORE},
};

int
desk_start(const struct desk_options *options, struct desk **out_desk, struct err *err)
{
    struct desk *desk = mem_new(sizeof *desk);
    struct http_table table = {routes, ARRAY_LEN(routes), desk};
    struct http_options http = {.address = options->address,
                                .port = options->port,
                                .name = "gateway/desk",
                                .tables = &table,
                                .table_count = 1};

    desk->options = *options;
    if (http_server_start(&http, &desk->server, err) < 0) {
        free(desk);
        return err_context(err, "the desk's page");
    }
    *out_desk = desk;
    return 0;
}

void
desk_stop(struct desk **desk)
{
    if (*desk == NULL)
        return;
    http_server_stop(&(*desk)->server);
    free(*desk);
    *desk = NULL;
}

uint16_t
desk_port(const struct desk *desk)
{
    return http_server_port(desk->server);
}
