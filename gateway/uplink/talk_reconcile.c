/* talk_reconcile.c - the calls by which we compare with the centre. */
#include "gateway/uplink/parts.h"

#include "proto/base/limits.h"
#include "proto/http/client.h"

int
talk_reconcile_days(struct talk *t, const struct link_days *ask, struct link_days *out,
                    struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc;

    buf_init(&body, LIMIT_HTTP_JSON_BYTES);
    link_days_encode(ask, &body);
    rc = talk_post(t, LINK_PATH_RECONCILE_DAYS, &body, &reply, err);
    if (rc == 0) {
        rc = link_days_decode(reply.body.bytes, reply.body.n, out, err);
        http_reply_fini(&reply);
    }
    buf_fini(&body);
    return rc;
}

int
talk_reconcile_studies(struct talk *t, const struct link_studies *ask, struct link_studies *out,
                       struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc;

    buf_init(&body, LIMIT_HTTP_JSON_BYTES);
    link_studies_encode(ask, &body);
    rc = talk_post(t, LINK_PATH_RECONCILE_STUDIES, &body, &reply, err);
    if (rc == 0) {
        rc = link_studies_decode(reply.body.bytes, reply.body.n, out, err);
        http_reply_fini(&reply);
    }
    buf_fini(&body);
    return rc;
}

int
talk_reconcile_objects(struct talk *t, const struct link_objects *ask, struct link_answer *out,
                       struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc;

    buf_init(&body, LIMIT_HTTP_JSON_BYTES);
    link_objects_encode(ask, &body);
    rc = talk_post(t, LINK_PATH_RECONCILE_OBJECTS, &body, &reply, err);
    if (rc == 0) {
        rc = link_answer_decode(reply.body.bytes, reply.body.n, out, err);
        http_reply_fini(&reply);
    }
    buf_fini(&body);
    return rc;
}

int
talk_reconciled(struct talk *t, const struct link_reconciled *done, struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc;

    buf_init(&body, LIMIT_HTTP_JSON_BYTES);
    link_reconciled_encode(done, &body);
    rc = talk_post(t, LINK_PATH_RECONCILE_DONE, &body, &reply, err);
    if (rc == 0)
        http_reply_fini(&reply);
    buf_fini(&body);
    return rc < 0 ? err_context(err, "tell how it ended") : 0;
}
