/* pages.c - the built pages, out of the program itself. */
#include "reader/door/door_own.h"

#include <stdio.h>
#include <string.h>

#define PAGES "reader/web/dist/"

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

int
door_answer_page(struct door *door, struct http_response *res, const char *name, struct err *err)
{
    return http_answer_page(res, name, find_file(door, "", name, ""), err);
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

    if (http_answer_page(res, name, e != NULL ? e : find_file(http_user(req), "assets/", name, ""),
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
