/* alarms_api.c - alarms that stand until somebody has seen them. */
#include "gateway/desk/api.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/desk.h"
#include "gateway/uplink/uplink.h"
#include "proto/trust/audit.h"

#include <stdint.h>

extern const struct http_route alarms_routes[];
extern const size_t alarms_route_count;

/* {count}: so many as the page told of; what failed since stands on. */
static int
post_proofs_seen(struct http_request *req, struct http_response *res, struct err *err)
{
    const struct api *api = http_user(req);
    struct json_doc *doc = NULL;
    uint64_t count = 0;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "count", INT64_MAX, &count, err) < 0)
        goto out;
    if (api->audit != NULL &&
        audit_append(api->audit, err, AUDIT_ALARM_SEEN, A_WORD("alarm", "proof"),
                     A_NUMBER("count", count), A_WORD("by", api_who(req))) < 0)
        goto out;
    if (uplink_proofs_seen(api->options->uplink, count, err) < 0)
        goto out;
    book_changed(api->book);
    http_answer_empty(res, 204);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

const struct http_route alarms_routes[] = {
    DESK_POST("/desk/v1/alarms/proofs/seen", DESK_WORK, post_proofs_seen),
};
const size_t alarms_route_count = ARRAY_LEN(alarms_routes);
