/* media_api.c - sticks and discs at the desk: which there are, take one in
 * (docs/formats/import.md). */
#include "gateway/desk/api.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/mpps.h"
#include "gateway/import/import.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_BYTES = 1 << 20 };

/* A gateway without the stage (tests) has no such routes. */
static int
due_import(const struct http_request *req, struct import **out, struct err *err)
{
    const struct api *api = http_user(req);

    *out = api->options->import;
    return *out != NULL ? 0 : err_set(err, ERR_NOT_FOUND, "nothing is imported here");
}

static int
get_media(struct http_request *req, struct http_response *res, struct err *err)
{
    struct import_media *list;
    struct import *import;
    struct jsonw w;
    struct buf json;
    size_t n;

    if (due_import(req, &import, err) < 0)
        return -1;
    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "media");
    import_list_media(import, &list, &n);
    for (size_t i = 0; i < n; i++) {
        jsonw_object(&w, NULL);
        jsonw_text(&w, "name", list[i].name);
        jsonw_bool(&w, "has_dicomdir", list[i].has_dicomdir);
        jsonw_uint(&w, "files", list[i].files);
        jsonw_end(&w);
    }
    free(list);
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

/* The disc's directory names them, and others of their study were sent: they are expected, as those
 * that a device announces. */
static int
expect_absent(struct book *book, const struct import_taken *taken, struct err *err)
{
    char(*instances)[65] = mem_new((taken->absent_n + 1) * sizeof *instances);
    const struct import_absent *all = taken->absent;
    int rc = 0;

    for (size_t i = 0, n; i < taken->absent_n && rc == 0; i += n) {
        for (n = 0; i + n < taken->absent_n && strcmp(all[i + n].study, all[i].study) == 0; n++)
            memcpy(instances[n], all[i + n].instance, sizeof instances[n]);
        rc = mpps_expect(book, all[i].study, "DICOMDIR", (const char(*)[65])instances, n, err);
    }
    free(instances);
    return rc;
}

static int
post_media(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    struct import_taken taken;
    struct import *import;
    struct buf json;
    int rc;

    if (due_import(req, &import, err) < 0 ||
        import_media(import, http_param(req, "name"), &taken, err) < 0)
        return -1;
    rc = expect_absent(api->book, &taken, err);
    if (rc == 0) {
        buf_init(&json, 256);
        buf_add_printf(&json,
                       "{\"taken\":%u,\"sent\":%u,\"known\":%u,\"unusable\":%u,"
                       "\"missing\":%u,\"is_unchecked\":%s}",
                       taken.taken, taken.sent, taken.known, taken.unusable, taken.missing,
                       taken.is_unchecked ? "true" : "false");
        http_answer_buf(res, 200, "application/json", &json);
        buf_fini(&json);
    }
    import_taken_fini(&taken);
    return rc;
}

const struct http_route media_routes[] = {
    DESK_GET("/desk/v1/import-media", DESK_WORK, get_media),
    DESK_POST("/desk/v1/import-media/{name}", DESK_WORK, post_media),
};
const size_t media_route_count = ARRAY_LEN(media_routes);
