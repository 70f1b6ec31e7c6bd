/* clinic_routes.c - the clinic's half of the link: messages up, messages down, receipts, PDFs. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX_S = 30, LOOK_MS = 1000, PDF_BYTES = 32 << 20 };

static struct clinic_sender
sender_of(const struct http_request *req)
{
    const struct http_caller *caller = http_caller(req);

    return (struct clinic_sender){caller->tenant, caller->device};
}

/* Is an earlier message of the same registration still to be done? Then this one waits too. */
static bool
must_wait(const struct clinic_ups *ups, const bool *is_waiting, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_waiting[i] &&
            strcmp(ups->messages[i].registration, ups->messages[at].registration) == 0)
            return true;
    return false;
}

/* Do them in order; those that cannot be done now have no receipt. */
static void
apply_all(struct deliver *d, const struct clinic_sender *sender, const struct clinic_ups *ups,
          struct clinic_receipts *out, struct err *err)
{
    bool is_waiting[CLINIC_MESSAGES] = {false};

    for (size_t i = 0; i < ups->count; i++) {
        const struct clinic_up *up = &ups->messages[i];

        is_waiting[i] = must_wait(ups, is_waiting, i);
        if (is_waiting[i])
            continue;
        if (clinic_apply(d, sender, up, &out->receipts[out->count], err) == 0) {
            out->count++;
            continue;
        }
        is_waiting[i] = true;
        LOG(&deliver_log, CLINIC_UP_WAITS, F_WORD("tenant", sender->tenant),
            F_WORD("kind", clinic_up_word(up->kind)), F_ERR(err));
    }
}

static int
post_up(struct http_request *req, struct http_response *res, struct err *err)
{
    struct clinic_sender sender = sender_of(req);
    struct clinic_receipts receipts = {.count = 0};
    struct clinic_ups ups;
    const uint8_t *body;
    struct buf json;
    size_t n;
    int rc = 0;

    body = http_body(req, &n);
    if (clinic_ups_decode(body, n, &ups, err) < 0)
        return -1;
    receipts.receipts = mem_new((ups.count + 1) * sizeof *receipts.receipts);
    rc = clinic_told_check(http_user(req), &sender, http_query(req, "told"), &receipts.is_told_lost,
                           err);
    if (rc == 0 && !receipts.is_told_lost) { /* else what came before is told first */
        apply_all(http_user(req), &sender, &ups, &receipts, err);
        rc = ups.count > 0 && receipts.count == 0 ? -1 : 0; /* err: of the last one */
    }
    if (rc == 0) {
        LOG(&deliver_log, CLINIC_TOOK_UP, F_WORD("tenant", sender.tenant),
            F_NUMBER("messages", ups.count), F_NUMBER("done", receipts.count));
        buf_init(&json, CLINIC_BODY_BYTES);
        clinic_receipts_encode(&receipts, &json);
        http_answer_buf(res, 200, "application/json", &json);
        buf_fini(&json);
    }
    clinic_receipts_free(&receipts);
    clinic_ups_free(&ups);
    return rc;
}

/* Until something newer than seen is committed, at most until the given time. */
static void
wait_for_news(struct deliver *d, const struct http_request *req, int64_t seen, int64_t until_ms)
{
    gate_lock(&d->gate);
    while (d->latest == seen && !d->is_stopping) {
        int64_t left_ms = until_ms - clock_mono_ms();

        if (left_ms <= 0 || http_is_gone(req))
            break;
        (void)gate_wait_ms(&d->gate, left_ms < LOOK_MS ? left_ms : LOOK_MS);
    }
    gate_unlock(&d->gate);
}

static int64_t
latest_now(struct deliver *d)
{
    int64_t latest;

    gate_lock(&d->gate);
    latest = d->latest;
    gate_unlock(&d->gate);
    return latest;
}

/* What there is past the cursor; waits for the first, as long as the caller does. */
static int
wait_for_downs(struct http_request *req, uint64_t after, uint64_t wait_s, struct clinic_downs *out,
               struct err *err)
{
    int64_t until_ms = clock_mono_ms() + (int64_t)wait_s * 1000;
    struct deliver *d = http_user(req);

    for (;;) {
        int64_t seen = latest_now(d); /* before the look: nothing is missed between the two */

        if (clinic_downs_after(d, http_caller(req)->tenant, after, out, err) < 0)
            return -1;
        if (out->next > after || clock_mono_ms() >= until_ms || http_is_gone(req) ||
            deliver_is_stopping(d))
            return 0;
        clinic_downs_free(out);
        wait_for_news(d, req, seen, until_ms);
    }
}

/* An older desk does not say at what its cursor stands. */
static int
get_down(struct http_request *req, struct http_response *res, struct err *err)
{
    struct clinic_sender sender = sender_of(req);
    const char *at = http_query(req, "at");
    struct clinic_downs downs = {.count = 0};
    uint64_t after, wait_s;
    struct buf json;

    if (http_query_number(req, "after", INT64_MAX, &after, err) < 0 ||
        http_query_number(req, "wait_s", WAIT_MAX_S, &wait_s, err) < 0)
        return -1;
    downs.next = after;
    clinic_heard(http_user(req), &sender, http_query(req, "parts"), http_query(req, "box"));
    if (at != NULL && clinic_cursor_check(http_user(req), &sender, after, at, &downs, err) < 0)
        return -1;
    if (clinic_told_check(http_user(req), &sender, http_query(req, "told"), &downs.is_told_lost,
                          err) < 0)
        return -1;
    if (!downs.is_cursor_lost && !downs.is_told_lost &&
        wait_for_downs(req, after, wait_s, &downs, err) < 0)
        return -1;
    buf_init(&json, CLINIC_BODY_BYTES);
    clinic_downs_encode(&downs, &json);
    clinic_downs_free(&downs);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

static int
post_receipts(struct http_request *req, struct http_response *res, struct err *err)
{
    struct clinic_sender sender = sender_of(req);
    struct deliver *d = http_user(req);
    struct clinic_ids ids;
    const uint8_t *body;
    size_t n;
    int rc;

    body = http_body(req, &n);
    if (clinic_ids_decode(body, n, &ids, err) < 0)
        return -1;
    rc = clinic_take(d, &sender, &ids, err);
    if (rc == 0) {
        LOG(&deliver_log, CLINIC_DOWN_TAKEN, F_WORD("tenant", sender.tenant),
            F_WORD("device", sender.device), F_NUMBER("messages", ids.count));
        deliver_wake_others(d);
        http_answer_empty(res, 204);
    }
    clinic_ids_free(&ids);
    return rc;
}

/* A read of this clinic, or none at all; the answer says whose images it is about. */
static int
check_own_read(struct deliver *d, const char *tenant, int64_t read, struct http_response *res,
               struct err *err)
{
    struct read_row *row = mem_new(sizeof *row);
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(d->o.pg, &conn, err) < 0 || assign_read_get(conn, read, row, err) < 0)
        goto out;
    if (strcmp(row->tenant, tenant) != 0) {
        err_set(err, ERR_NOT_FOUND, "another clinic's read");
        goto out;
    }
    http_answer_header(res, CLINIC_STUDY_HEADER, row->study);
    rc = 0;
out:
    pg_put(&conn);
    free(row);
    return rc;
}

/* Which version of which of the clinic's own reads is asked for. */
static int
find_version(const struct http_request *req, struct http_response *res, int64_t *out_read,
             unsigned *out_version, struct err *err)
{
    uint64_t read, version;

    if (text_to_u64(http_param(req, "read"), INT64_MAX, &read) < 0 ||
        text_to_u64(http_param(req, "version"), UINT32_MAX, &version) < 0 || version == 0)
        return err_set(err, ERR_NOT_FOUND, "no such report");
    *out_read = (int64_t)read;
    *out_version = (unsigned)version;
    return check_own_read(http_user(req), http_caller(req)->tenant, *out_read, res, err);
}

/* With its digest beside it. */
static int
answer_file(const struct http_request *req, struct http_response *res, const char *media,
            struct buf *file, struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];

    if (buf_is_over(file))
        return err_set(err, ERR_FATAL, "longer than %d bytes", PDF_BYTES);
    digest_bytes(file->bytes, file->n, sha256);
    digest_text(sha256, hex);
    LOG(&deliver_log, CLINIC_PDF_SENT, F_WORD("tenant", http_caller(req)->tenant),
        F_WORD("read", http_param(req, "read")), F_WORD("version", http_param(req, "version")),
        F_WORD("media", media), F_BYTES(file->n));
    http_answer_header(res, CLINIC_DIGEST_HEADER, hex);
    http_answer_buf(res, 200, media, file);
    return 0;
}

static int
get_report(struct http_request *req, struct http_response *res, struct err *err)
{
    struct deliver *d = http_user(req);
    unsigned version;
    struct buf pdf;
    int64_t read;
    int rc;

    if (find_version(req, res, &read, &version, err) < 0)
        return -1;
    buf_init(&pdf, PDF_BYTES);
    rc = compose_pdf(d->o.compose, read, version, &pdf, err);
    if (rc == 0)
        rc = answer_file(req, res, "application/pdf", &pdf, err);
    buf_fini(&pdf);
    return rc;
}

/* What the clinic's own systems are given besides the PDF. */
static int
get_document(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct {
        const char *kind, *media;
    } kinds[] = {
        {"sr", "application/dicom"}, {"pdf", "application/dicom"}, {"text", "application/json"}};
    struct deliver *d = http_user(req);
    const char *media = NULL, *kind = http_param(req, "kind");
    unsigned version;
    struct buf file;
    int64_t read;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            media = kinds[i].media;
    if (media == NULL)
        return err_set(err, ERR_NOT_FOUND, "sr, pdf or text");
    if (find_version(req, res, &read, &version, err) < 0)
        return -1;
    buf_init(&file, PDF_BYTES);
    rc = compose_document(d->o.compose, read, version, kind, &file, err);
    if (rc == 0)
        rc = answer_file(req, res, media, &file, err);
    buf_fini(&file);
    return rc;
}

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = CLINIC_PATH_UP,
     .callers = HTTP_GATEWAY,
     .body_limit = CLINIC_BODY_BYTES,
     .handle = post_up,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = CLINIC_PATH_DOWN,
     .callers = HTTP_GATEWAY,
     .handle = get_down,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    {.method = "POST",
     .pattern = CLINIC_PATH_RECEIPTS,
     .callers = HTTP_GATEWAY,
     .body_limit = CLINIC_BODY_BYTES,
     .handle = post_receipts,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = CLINIC_PATH_REPORTS "/{read}/{version}",
     .callers = HTTP_GATEWAY,
     .handle = get_report,
     .flags = HTTP_NO_STORE},
    {.method = "GET",
     .pattern = CLINIC_PATH_REPORTS "/{read}/{version}/{kind}",
     .callers = HTTP_GATEWAY,
     .handle = get_document,
     .flags = HTTP_NO_STORE},
};

struct http_table
deliver_link_table(struct deliver *d)
{
    return (struct http_table){routes, ARRAY_LEN(routes), d};
}
