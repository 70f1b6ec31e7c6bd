/* pages.c - the built pages, out of the program itself. */
#include "reader/door/door_own.h"

#include <stdio.h>
#include <string.h>

#define PAGES "reader/web/dist/"

static const struct {
    const char *suffix;
    const char *type;
} media[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".wasm", "application/wasm"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
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
answer_file(struct door *door, struct http_response *res, const char *folder, const char *name,
            struct err *err)
{
    char path[256];

    snprintf(path, sizeof path, PAGES "%s%s", folder, name);
    for (const struct embedded *e = door->options.pages; e != NULL && e->path != NULL; e++)
        if (strcmp(e->path, path) == 0) {
            http_answer_bytes(res, 200, media_of(path), e->begin, (size_t)(e->end - e->begin));
            return 0;
        }
    return err_set(err, ERR_NOT_FOUND, "no page of that name");
}

int
door_answer_page(struct door *door, struct http_response *res, const char *name, struct err *err)
{
    return answer_file(door, res, "", name, err);
}

int
door_get_page(struct http_request *req, struct http_response *res, struct err *err)
{
    return door_answer_page(http_user(req), res, "staff.html", err);
}

static int
get_patient_page(struct http_request *req, struct http_response *res, struct err *err)
{
    return door_answer_page(http_user(req), res, "patient.html", err);
}

/* Names of built files hold a hash of what is in them. */
static int
get_asset(struct http_request *req, struct http_response *res, struct err *err)
{
    if (answer_file(http_user(req), res, "assets/", http_param(req, "name"), err) < 0)
        return -1;
    http_answer_header(res, "Cache-Control", "public, max-age=31536000, immutable");
    return 0;
}

static const struct http_route asset_routes[] = {
    {.method = "GET",
     .pattern = "/assets/{name}",
     .callers = HTTP_ANYONE,
     .handle = get_asset,
     .flags = HTTP_PAGE | HTTP_QUIET},
};

static const struct http_route patient_pages[] = {
    {.method = "GET",
     .pattern = "/",
     .callers = HTTP_ANYONE,
     .handle = get_patient_page,
     .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/v/{token}",
     .callers = HTTP_ANYONE,
     .handle = get_patient_page,
     .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET},
};

struct http_table
door_patient_table(struct door *door)
{
    return (struct http_table){patient_pages, ARRAY_LEN(patient_pages), door};
}

struct http_table
door_assets_table(struct door *door)
{
    return (struct http_table){asset_routes, ARRAY_LEN(asset_routes), door};
}
