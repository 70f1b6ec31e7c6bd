/* targets_api.c - what an engineer decides about instances that another archive refused. */
#include "gateway/desk/api.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/desk.h"

#include "gateway/plain/plain.h"

extern const struct http_route targets_api_routes[];
extern const size_t targets_api_route_count;

/* entry: one of them; absent: all. */
static int
decide(struct http_request *req, struct http_response *res,
       int (*what)(struct plain *plain, const char *target, uint64_t id, struct err *err),
       struct err *err)
{
    const struct api *api = http_user(req);
    struct json_doc *doc = NULL;
    uint64_t entry = 0;
    int rc = 0;

    if (api->options->plain == NULL)
        return err_set(err, ERR_NOT_FOUND, "there are no targets");
    if (api_read_body(req, &doc, err) < 0)
        return -1;
    if (json_find(json_root(doc), "entry") != NULL)
        rc = json_u64(json_root(doc), "entry", INT64_MAX, &entry, err);
    json_free(&doc);
    if (rc < 0 || what(api->options->plain, http_param(req, "target"), entry, err) < 0)
        return -1;
    book_changed(api->book);
    http_answer_empty(res, 204);
    return 0;
}

static int
post_requeue(struct http_request *req, struct http_response *res, struct err *err)
{
    return decide(req, res, plain_requeue, err);
}

static int
post_leave(struct http_request *req, struct http_response *res, struct err *err)
{
    return decide(req, res, plain_leave, err);
}

const struct http_route targets_api_routes[] = {
    DESK_POST("/desk/v1/targets/{target}/requeue", DESK_ENGINEER, post_requeue),
    DESK_POST("/desk/v1/targets/{target}/leave", DESK_ENGINEER, post_leave),
};
const size_t targets_api_route_count = sizeof targets_api_routes / sizeof targets_api_routes[0];
