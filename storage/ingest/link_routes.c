/* link_routes.c - the link's routes: offer, bundle, manifest, receipts, ping
 * (docs/link-protocol.md). */
#include "storage/ingest/ingest_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/link/link.h"
#include "proto/link/reconcile.h"
#include "storage/keep/keep.h"

#include <stdlib.h>

enum {
    RECEIPT_WAIT_MAX_S = 30,
    MANIFEST_BYTES = 64 << 20,
    ANSWER_BYTES = 16 << 20,
    PROBE_BYTES = 1 << 20
};

/* A bundle on its way in. */
struct intake {
    struct link_bundle_reader reader;
    struct keep_bundle *bundle;
};

static void
answer_states(struct http_response *res, struct link_answer *answer)
{
    struct buf json;

    buf_init(&json, ANSWER_BYTES);
    link_answer_encode(answer, &json);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    link_answer_free(answer);
}

static void
note_emergencies(struct http_request *req, const struct keep_sender *sender)
{
    const char *studies = http_header(req, LINK_HEADER_STAT);

    if (studies != NULL)
        keep_hurry(ingest_of(req)->options.keep, sender, studies);
}

static int
post_offer(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_offer offer;
    struct link_answer answer;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_offer_decode(body, n, &offer, err) < 0)
        return -1;
    note_emergencies(req, &sender);
    rc = keep_offer(ingest_of(req)->options.keep, &sender, &offer, &answer, err);
    if (rc == 0) {
        LOG(&ingest_log, INGEST_OFFERED, F_WORD("tenant", sender.tenant),
            F_NUMBER("objects", offer.count));
        answer_states(res, &answer);
    }
    link_offer_free(&offer);
    return rc;
}

static int
begin_bundle(struct http_request *req, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct keep_bundle *bundle = NULL;
    struct intake *intake;

    note_emergencies(req, &sender);
    if (keep_bundle_begin(ingest_of(req)->options.keep, &sender, &bundle, err) < 0)
        return -1;
    intake = mem_new(sizeof *intake);
    intake->bundle = bundle;
    link_bundle_reader_init(&intake->reader);
    http_state_set(req, intake);
    return 0;
}

static int
take_piece(void *user, const struct link_piece *piece, struct err *err)
{
    return keep_bundle_piece(user, piece, err);
}

static int
take_bundle(struct http_request *req, const uint8_t *bytes, size_t n, struct err *err)
{
    struct intake *intake = http_state(req);

    return link_bundle_reader_feed(&intake->reader, bytes, n, take_piece, intake->bundle, err);
}

static int
post_bundle(struct http_request *req, struct http_response *res, struct err *err)
{
    struct intake *intake = http_state(req);
    struct link_answer answer;

    if (!link_bundle_reader_is_whole(&intake->reader))
        return err_set(err, ERR_REJECT, "the bundle has no end piece");
    if (keep_bundle_end(intake->bundle, &answer, err) < 0)
        return -1;
    answer_states(res, &answer);
    return 0;
}

static void
end_bundle(struct http_request *req)
{
    struct intake *intake = http_state(req);

    if (intake == NULL)
        return;
    keep_bundle_free(&intake->bundle);
    link_bundle_reader_fini(&intake->reader);
    free(intake);
}

static int
post_manifest(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_manifest manifest;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (link_manifest_decode(body, n, &manifest, err) < 0)
        return -1;
    rc = keep_manifest(ingest_of(req)->options.keep, &sender, &manifest, err);
    if (rc == 0) {
        struct buf json;

        LOG(&ingest_log, INGEST_MANIFEST, F_WORD("tenant", sender.tenant),
            F_UID("study", manifest.study), F_NUMBER("revision", manifest.revision),
            F_NUMBER("instances", manifest.count));
        buf_init(&json, 64);
        buf_add_printf(&json, "{\"revision\":%u}", manifest.revision);
        http_answer_buf(res, 200, "application/json", &json);
        buf_fini(&json);
    }
    link_manifest_free(&manifest);
    return rc;
}

/* A server that stops does not wait for its clients. */
static bool
is_gone(void *user)
{
    return http_is_gone(user);
}

/* A cursor that says which receipt it stands at is compared with what was given out: a catalog that
 * was set back gives the same numbers out anew. */
static int
check_cursor(const struct http_request *req, const struct keep_sender *sender, uint64_t after,
             struct link_receipts *out, struct err *err)
{
    const char *text = http_query(req, "at");
    bool is_known = true;
    uint8_t at[8];

    if (text == NULL || after == 0)
        return 0;
    if (hex_decode(text, at, sizeof at) < 0)
        return err_set(err, ERR_REJECT, "at: 16 hexadecimal digits are due");
    if (keep_receipt_is_known(ingest_of(req)->options.keep, sender, after, at, &is_known,
                              &out->next, err) < 0)
        return -1;
    out->is_cursor_lost = !is_known;
    if (!is_known)
        LOG(&ingest_log, INGEST_CURSOR_LOST, F_WORD("tenant", sender->tenant),
            F_WORD("device", sender->device), F_NUMBER("cursor", after),
            F_NUMBER("newest", out->next));
    return 0;
}

static int
get_receipts(struct http_request *req, struct http_response *res, struct err *err)
{
    struct keep_sender sender = sender_of(req);
    struct link_receipts receipts = {0};
    struct keep_wait wait = {.is_over = is_gone, .user = req};
    uint64_t after, wait_s;
    struct buf json;

    if (http_query_number(req, "after", INT64_MAX, &after, err) < 0 ||
        http_query_number(req, "wait_s", RECEIPT_WAIT_MAX_S, &wait_s, err) < 0)
        return -1;
    wait.ms = (int64_t)wait_s * 1000;
    if (check_cursor(req, &sender, after, &receipts, err) < 0)
        return -1;
    if (!receipts.is_cursor_lost &&
        keep_receipts(ingest_of(req)->options.keep, &sender, after, &wait, &receipts, err) < 0)
        return -1;
    buf_init(&json, ANSWER_BYTES);
    link_receipts_encode(&receipts, &json);
    link_receipts_free(&receipts);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

static int
get_ping(struct http_request *req, struct http_response *res, struct err *err)
{
    struct link_ping ping = {.now_us = clock_wall_us()};
    struct buf json;

    (void)err;
    told_fill(ingest_of(req)->told, http_caller(req)->tenant, &ping);
    buf_init(&json, LIMIT_HTTP_JSON_BYTES);
    link_ping_encode(&ping, &json);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

/* A probe's bytes only show what the line carries. */
static int
drop_bytes(struct http_request *req, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)req, (void)bytes, (void)n, (void)err;
    return 0;
}

#define RECONCILE_ROUTE(path, function)                                                            \
    {                                                                                              \
        .method = "POST", .pattern = path, .callers = HTTP_GATEWAY, .rights = RIGHT_STORE,         \
        .body_limit = LIMIT_HTTP_JSON_BYTES, .handle = function,                                   \
        .flags = HTTP_NO_STORE | HTTP_QUIET                                                        \
    }

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = LINK_PATH_OFFER,
     .callers = HTTP_GATEWAY,
     .rights = RIGHT_STORE,
     .body_limit = ANSWER_BYTES,
     .handle = post_offer,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "POST",
     .pattern = LINK_PATH_BUNDLE,
     .callers = HTTP_GATEWAY,
     .rights = RIGHT_STORE,
     .body_limit = 64 << 20,
     .handle = post_bundle,
     .begin = begin_bundle,
     .on_body = take_bundle,
     .end = end_bundle,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "POST",
     .pattern = LINK_PATH_MANIFEST,
     .callers = HTTP_GATEWAY,
     .rights = RIGHT_STORE,
     .body_limit = MANIFEST_BYTES,
     .handle = post_manifest,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = LINK_PATH_RECEIPTS,
     .callers = HTTP_GATEWAY,
     .rights = RIGHT_STORE,
     .handle = get_receipts,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    RECONCILE_ROUTE(LINK_PATH_RECONCILE_DAYS, post_reconcile_days),
    RECONCILE_ROUTE(LINK_PATH_RECONCILE_STUDIES, post_reconcile_studies),
    RECONCILE_ROUTE(LINK_PATH_RECONCILE_OBJECTS, post_reconcile_objects),
    RECONCILE_ROUTE(LINK_PATH_RECONCILE_DONE, post_reconciled),
    {.method = "POST",
     .pattern = LINK_PATH_PING,
     .callers = HTTP_GATEWAY,
     .body_limit = PROBE_BYTES,
     .handle = get_ping,
     .on_body = drop_bytes,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = LINK_PATH_PING,
     .callers = HTTP_GATEWAY | HTTP_READER,
     .handle = get_ping,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
};

struct http_table
ingest_link_table(struct ingest *ingest)
{
    return (struct http_table){routes, ARRAY_LEN(routes), ingest};
}
