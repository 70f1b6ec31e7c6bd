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

static const struct embedded *
find_file(const struct door *door, const char *folder, const char *name, const char *suffix)
{
    char path[256];

    snprintf(path, sizeof path, PAGES "%s%s%s", folder, name, suffix);
    for (const struct embedded *e = door->options.pages; e != NULL && e->path != NULL; e++)
        if (strcmp(e->path, path) == 0)
            return e;
    return NULL;
}

static int
answer_file(struct http_response *res, const struct embedded *e, const char *name, struct err *err)
{
    if (e == NULL)
        return err_set(err, ERR_NOT_FOUND, "no page of that name");
    http_answer_bytes(res, 200, media_of(name), e->begin, (size_t)(e->end - e->begin));
    return 0;
}

int
door_answer_page(struct door *door, struct http_response *res, const char *name, struct err *err)
{
    return answer_file(res, find_file(door, "", name, ""), name, err);
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

/* Names of built files hold a hash of what is in them. The build put a compressed twin beside most:
 * the imaging library is 4 MB as it is and 1.1 MB so. */
static int
get_asset(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *name = http_param(req, "name");
    const char *encodings = http_header(req, "Accept-Encoding");
    const bool takes_gzip = encodings != NULL && strstr(encodings, "gzip") != NULL;
    const struct embedded *e =
        takes_gzip ? find_file(http_user(req), "assets/", name, ".gz") : NULL;

    if (answer_file(res, e != NULL ? e : find_file(http_user(req), "assets/", name, ""), name,
                    err) < 0)
        return -1;
    if (e != NULL)
        http_answer_header(res, "Content-Encoding", "gzip");
    http_answer_header(res, "Vary", "Accept-Encoding");
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
