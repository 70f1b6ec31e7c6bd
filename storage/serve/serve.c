/* serve.c - the routes, who may call them, and the stage's life. */
#include "storage/serve/serve.h"

#include "storage/serve/serve_core.h"

#include <stdlib.h>
#include <string.h>

#define ST "/studies/{study}"
#define SE ST "/series/{series}"
#define IN SE "/instances/{instance}"

enum { CALLERS = HTTP_TOKEN | HTTP_READER };

#define SEARCH(path, function)                                                                     \
    {                                                                                              \
        .method = "GET", .pattern = "/dicomweb" path, .callers = CALLERS, .rights = RIGHT_QUERY,   \
        .handle = function, .flags = HTTP_NO_STORE                                                 \
    }
#define FETCH(path, function)                                                                      \
    {                                                                                              \
        .method = "GET", .pattern = "/dicomweb" path, .callers = CALLERS,                          \
        .rights = RIGHT_RETRIEVE, .handle = function                                               \
    }
#define LOOK(path, function)                                                                       \
    {                                                                                              \
        .method = "GET", .pattern = "/preview" path, .callers = CALLERS | HTTP_GATEWAY,            \
        .rights = RIGHT_PREVIEW, .handle = function, .flags = HTTP_NO_STORE                        \
    }

static const struct http_route routes[] = {
    SEARCH("/studies", qido_studies),
    SEARCH("/series", qido_series),
    SEARCH("/instances", qido_instances),
    SEARCH(ST "/series", qido_series),
    SEARCH(ST "/instances", qido_instances),
    SEARCH(SE "/instances", qido_instances),
    FETCH(ST, wado_objects),
    FETCH(SE, wado_objects),
    FETCH(IN, wado_objects),
    FETCH(ST "/metadata", wado_metadata),
    FETCH(SE "/metadata", wado_metadata),
    FETCH(IN "/metadata", wado_metadata),
    FETCH(IN "/bulkdata/{element}", wado_bulkdata),
    FETCH(IN "/frames/{frames}", wado_frames),
    FETCH(IN "/rendered", wado_rendered),
    FETCH(IN "/frames/{frames}/rendered", wado_rendered),
    FETCH(ST "/thumbnail", wado_thumbnail),
    FETCH(SE "/thumbnail", wado_thumbnail),
    FETCH(IN "/thumbnail", wado_thumbnail),
    FETCH(IN "/frames/{frames}/thumbnail", wado_thumbnail),
    LOOK(ST, preview_study),
    LOOK(ST "/instances/{instance}/frames/{frames}", preview_frame),
    {.method = "GET",
     .pattern = "/archive/v1" ST "/manifest",
     .callers = HTTP_READER,
     .rights = RIGHT_RETRIEVE,
     .handle = reader_manifest,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = "/archive/v1" ST "/standing",
     .callers = HTTP_READER,
     .rights = RIGHT_PREVIEW,
     .handle = reader_standing,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/archive/v1" ST "/coming",
     .callers = HTTP_READER,
     .rights = RIGHT_QUERY | RIGHT_PREVIEW,
     .handle = reader_coming,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/archive/v1" ST "/gone",
     .callers = HTTP_READER,
     .rights = RIGHT_STORE,
     .body_limit = 16384,
     .handle = reader_gone},
    {.method = "GET",
     .pattern = "/archive/v1/certificates/{serial}",
     .callers = HTTP_READER,
     .rights = RIGHT_ALL_TENANTS,
     .handle = reader_certificate,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/events",
     .callers = CALLERS,
     .rights = RIGHT_QUERY,
     .handle = events_feed,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
};

/* A browser's question before it asks across origins. */
static int
answer_preflight(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);

    http_answer_header(res, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    http_answer_header(res, "Access-Control-Allow-Headers",
                       "Accept, Authorization, If-None-Match, Radpost-Tenant, Range");
    http_answer_header(res, "Access-Control-Max-Age", "600");
    http_answer_empty(res, 204);
    (void)err;
    return serve_end(s, res, 0);
}

struct serve *
serve_new(const struct serve_options *options)
{
    struct serve *s = mem_new(sizeof *s);

    s->options = *options;
    s->public_url = mem_text(options->public_url != NULL ? options->public_url : "");
    s->cors_origin = mem_text(options->cors_origin != NULL ? options->cors_origin : "");
    s->log = (struct log_ctx){.stage = "storage/serve"};
    gate_init(&s->gate);
    s->routes = mem_new(2 * sizeof routes);
    memcpy(s->routes, routes, sizeof routes);
    s->route_count = ARRAY_LEN(routes);
    for (size_t i = 0; s->cors_origin[0] != '\0' && i < ARRAY_LEN(routes); i++)
        s->routes[s->route_count++] = (struct http_route){.method = "OPTIONS",
                                                          .pattern = routes[i].pattern,
                                                          .callers = HTTP_ANYONE,
                                                          .handle = answer_preflight,
                                                          .flags = HTTP_QUIET};
    return s;
}

void
serve_free(struct serve **serve)
{
    struct serve *s = TAKE(*serve);

    if (s == NULL)
        return;
    gate_fini(&s->gate);
    free(s->routes);
    free(s->cors_origin);
    free(s->public_url);
    free(s);
}

struct http_table
serve_table(struct serve *serve)
{
    return (struct http_table){.routes = serve->routes, .count = serve->route_count, .user = serve};
}

static int
authorise_token(struct serve *s, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct keep_token token;

    if (keep_token_find(s->options.keep, bearer, &token, err) < 0)
        return -1;
    memcpy(caller->tenant, token.tenant, sizeof caller->tenant);
    memcpy(caller->device, token.name, sizeof caller->device - 1);
    caller->device[sizeof caller->device - 1] = '\0';
    caller->rights = token.rights;
    return 0;
}

int
serve_authorise(void *serve, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct serve *s = serve;

    if (caller->kind == HTTP_TOKEN)
        return authorise_token(s, bearer, caller, err);
    if (keep_certificate_check(s->options.keep, caller->serial_hex, caller->tenant, caller->device,
                               err) < 0)
        return -1;
    caller->rights = caller->kind == HTTP_READER ? KEEP_READER_RIGHTS : KEEP_GATEWAY_RIGHTS;
    return 0;
}
