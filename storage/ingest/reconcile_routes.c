/* reconcile_routes.c - a gateway compares what it handed over with the catalog
 * (docs/link-protocol.md, "Reconciliation"). */
#include "proto/base/limits.h"
#include "proto/link/reconcile.h"
#include "storage/ingest/ingest_own.h"
#include "storage/keep/keep.h"

static void
answer(struct http_response *res, struct buf *json)
{
    http_answer_buf(res, 200, "application/json", json);
    buf_fini(json);
}

int
post_reconcile_days(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_days asked, differ = {0};
    struct buf json;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_days_decode(body, n, &asked, err) < 0)
        return -1;
    rc = keep_reconcile_days(ingest_of(req)->options.keep, &sender, &asked, &differ, err);
    if (rc == 0) {
        buf_init(&json, LIMIT_HTTP_JSON_BYTES);
        link_days_encode(&differ, &json);
        answer(res, &json);
    }
    link_days_free(&differ);
    link_days_free(&asked);
    return rc;
}

int
post_reconcile_studies(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_studies asked, differ = {0};
    struct buf json;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_studies_decode(body, n, &asked, err) < 0)
        return -1;
    rc = keep_reconcile_studies(ingest_of(req)->options.keep, &sender, &asked, &differ, err);
    if (rc == 0) {
        buf_init(&json, LIMIT_HTTP_JSON_BYTES);
        link_studies_encode(&differ, &json);
        answer(res, &json);
    }
    link_studies_free(&differ);
    link_studies_free(&asked);
    return rc;
}

int
post_reconcile_objects(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_objects asked;
    struct link_answer states = {0};
    struct buf json;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_objects_decode(body, n, &asked, err) < 0)
        return -1;
    rc = keep_reconcile_objects(ingest_of(req)->options.keep, &sender, &asked, &states, err);
    if (rc == 0) {
        buf_init(&json, LIMIT_HTTP_JSON_BYTES);
        link_answer_encode(&states, &json);
        answer(res, &json);
    }
    link_answer_free(&states);
    link_objects_free(&asked);
    return rc;
}

static void
tell_log(const struct keep_sender *sender, const struct link_reconciled *done)
{
    const struct log_field tenant = F_WORD("tenant", sender->tenant);
    const struct log_field device = F_WORD("device", sender->device);

    if (done->lost > 0)
        LOG(&ingest_log, INGEST_RECONCILED_LOST, tenant, device, F_NUMBER("lost", done->lost),
            F_NUMBER("different", done->different), F_NUMBER("repaired", done->repaired));
    else if (done->different > 0)
        LOG(&ingest_log, INGEST_RECONCILED_DIFFERENT, tenant, device,
            F_NUMBER("different", done->different), F_NUMBER("repaired", done->repaired));
    else
        LOG(&ingest_log, INGEST_RECONCILED, tenant, device, F_NUMBER("studies", done->studies),
            F_NUMBER("objects", done->objects));
}

int
post_reconciled(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_reconciled done;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_reconciled_decode(body, n, &done, err) < 0)
        return -1;
    rc = keep_reconciled(ingest_of(req)->options.keep, &sender, &done, err);
    if (rc == 0) {
        tell_log(&sender, &done);
        http_answer_bytes(res, 200, "application/json", "{}", 2);
    }
    link_reconciled_free(&done);
    return rc;
}
