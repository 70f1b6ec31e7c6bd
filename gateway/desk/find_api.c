/* find_api.c - registrations listed, looked for, and one whole: docs/desk.md. */
#include "gateway/desk/api.h"
#include "gateway/desk/api_write.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "proto/base/text.h"

#include <stdlib.h>

enum { LIST_BYTES = 16 << 20, LISTED = 500, FOUND = 200 };
enum { TYPED_BYTES = CLINIC_URL_SIZE + 64 }; /* a slip's picture is an address with the code */

static struct book *
book_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->book;
}

static void
answer_list(struct http_response *res, const struct book_registration *list, size_t n, size_t total)
{
    struct buf json;
    struct jsonw w;

    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "registrations_n", total);
    jsonw_array(&w, "registrations");
    for (size_t i = 0; i < n; i++)
        api_write_registration(&w, &list[i], true);
    jsonw_end(&w);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
}

static int
get_registrations(struct http_request *req, struct http_response *res, struct err *err)
{
    struct book_registration *list = NULL;
    size_t n = 0, total = 0;

    if (book_registrations(book_of(req), LISTED, &list, &n, &total, err) < 0)
        return -1;
    answer_list(res, list, n, total);
    free(list);
    return 0;
}

/* {text, skip}: in a body, since an address is logged. */
static int
post_find(struct http_request *req, struct http_response *res, struct err *err)
{
    char typed[TYPED_BYTES], text[TYPED_BYTES];
    struct book_search search = {.text = text, .limit = FOUND};
    struct book_registration *list = NULL;
    struct json_doc *doc = NULL;
    size_t n = 0, total = 0;
    uint64_t skip = 0;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "skip", INT32_MAX, &skip, err) < 0)
        goto out;
    if (!api_take_text(json_root(doc), "text", typed, sizeof typed) ||
        !text_narrow(text, sizeof text, typed)) {
        err_set(err, ERR_REJECT, "text: too long");
        goto out;
    }
    search.skip = (size_t)skip;
    if (book_search(book_of(req), &search, &list, &n, &total, err) < 0)
        goto out;
    answer_list(res, list, n, total);
    rc = 0;
out:
    json_free(&doc);
    free(list);
    return rc;
}

static int
get_registration(struct http_request *req, struct http_response *res, struct err *err)
{
    struct book_registration *r = mem_new(sizeof *r);
    int rc = book_find(book_of(req), http_param(req, "registration"), r, err);
    struct buf json;
    struct jsonw w;

    if (rc == 0) {
        buf_init(&json, LIST_BYTES);
        jsonw_init(&w, &json);
        api_write_registration(&w, r, true);
        http_answer_buf(res, 200, "application/json", &json);
        buf_fini(&json);
    }
    free(r);
    return rc;
}

const struct http_route find_routes[] = {
    DESK_GET("/desk/v1/registrations", DESK_WORK, get_registrations),
    DESK_GET("/desk/v1/registrations/{registration}", DESK_WORK, get_registration),
    DESK_POST("/desk/v1/registrations/find", DESK_WORK, post_find),
};
const size_t find_route_count = ARRAY_LEN(find_routes);
