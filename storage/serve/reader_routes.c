/* reader_routes.c - what the deployment's reader asks beside DICOMweb: a study's closed list, how
 * it stands, and whether a device's certificate still holds (docs/conformance.md). Nothing of that
 * is about a person: UIDs, digests and counts, so it is not audited. What a study is of which
 * nothing is whole yet is, and so is that images are lost for good, which is told here, too. */
#include "storage/serve/qido_rows.h"
#include "storage/serve/serve_core.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <string.h>

enum { MANIFEST_BYTES = 64 << 20, COMING_BYTES = 16 << 20, SMALL_BYTES = 16384 };

static void
write_digest(struct jsonw *w, const char *key, const uint8_t *digest, bool is_known)
{
    if (is_known)
        jsonw_hex(w, key, digest, 32);
    else
        jsonw_text(w, key, "");
}

static void
write_list(const char *study, const struct keep_list *list, struct buf *out)
{
    struct jsonw w;
    char at[40];

    clock_text(list->closed_at_us, at);
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "study", study);
    jsonw_uint(&w, "revision", list->revision);
    jsonw_text(&w, "closed_at", at);
    jsonw_array(&w, "instances");
    for (size_t i = 0; i < list->count; i++) {
        const struct keep_listed *l = &list->instances[i];

        jsonw_object(&w, NULL);
        jsonw_text(&w, "sop_instance", l->sop_instance);
        jsonw_text(&w, "sop_class", l->sop_class);
        jsonw_text(&w, "series", l->series);
        jsonw_hex(&w, "object", l->object, 32);
        write_digest(&w, "pixels", l->pixels, l->has_digests);
        write_digest(&w, "dataset", l->dataset, l->has_digests);
        jsonw_bool(&w, "is_whole", l->is_whole);
        jsonw_bool(&w, "is_quarantined", l->is_quarantined);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

int
reader_manifest(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    const char *text = http_query(req, "revision");
    struct serve_target target;
    struct keep_list list = {0};
    uint64_t revision = 0;
    struct buf json;
    int rc = -1;

    buf_init(&json, MANIFEST_BYTES);
    if (serve_target_read(req, &target, err) < 0)
        goto out;
    if (text != NULL && text_to_u64(text, INT32_MAX, &revision) < 0) {
        err_set(err, ERR_REJECT, "revision: not a number");
        goto out;
    }
    if (keep_list_get(s->options.keep, target.tenant, target.study, (uint32_t)revision, &list,
                      err) < 0)
        goto out;
    write_list(target.study, &list, &json);
    http_answer_buf(res, 200, "application/json", &json);
    rc = 0;
out:
    keep_list_fini(&list);
    buf_fini(&json);
    return serve_end(s, res, rc);
}

int
reader_standing(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_standing standing;
    struct buf json;
    struct jsonw w;
    char at[40];

    if (serve_target_read(req, &target, err) < 0 ||
        keep_standing_get(s->options.keep, target.tenant, target.study, &standing, err) < 0)
        return serve_end(s, res, -1);
    clock_text(standing.last_at_us, at);
    buf_init(&json, SMALL_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "study", target.study);
    jsonw_uint(&w, "offered", standing.offered);
    jsonw_uint(&w, "looked", standing.looked);
    jsonw_uint(&w, "whole", standing.whole);
    jsonw_uint(&w, "sealed", standing.sealed);
    jsonw_uint(&w, "quarantined", standing.quarantined);
    jsonw_uint(&w, "revision", standing.revision);
    jsonw_uint(&w, "expected", standing.expected);
    jsonw_uint(&w, "missing", standing.missing);
    if (standing.announced > 0)
        jsonw_uint(&w, "announced", standing.announced);
    serve_write_gone(&w, &standing.gone);
    jsonw_uint(&w, "bytes_all", standing.bytes_all);
    jsonw_uint(&w, "bytes_there", standing.bytes_there);
    jsonw_uint(&w, "bytes_per_s", standing.bytes_per_s);
    jsonw_int(&w, "seconds_left", standing.seconds_left);
    jsonw_text(&w, "last_at", at);
    jsonw_end(&w);
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return serve_end(s, res, 0);
}

/* What a level says of itself; how many are whole, and where, is not known of what is coming. */
static void
write_row(struct jsonw *w, enum qido_level level, const struct dcm_facts *facts)
{
    const struct keep_row row = {.facts = facts};
    struct qido_query q = {.level = level};

    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++)
        q.is_asked[i] =
            qido_attributes[i].level == level &&
            (qido_attributes[i].match != QIDO_UNMATCHED || qido_attributes[i].name == QIDO_A_AGE);
    qido_row_write(&q, &row, "", w);
}

static void
write_coming(const struct keep_coming *coming, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "studies");
    write_row(&w, QIDO_STUDY, &coming->facts[0]);
    jsonw_end(&w);
    jsonw_array(&w, "series");
    for (size_t i = 0; i < coming->count; i++)
        write_row(&w, QIDO_SERIES, &coming->facts[i]);
    jsonw_end(&w);
    jsonw_end(&w);
}

int
reader_coming(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_coming coming = {NULL, 0};
    struct buf json;
    int rc = -1;

    buf_init(&json, COMING_BYTES);
    if (serve_target_read(req, &target, err) < 0 ||
        keep_coming_get(s->options.keep, target.tenant, target.study, &coming, err) < 0 ||
        (coming.count > 0 &&
         serve_note_search(s, req, target.tenant, "study", target.study, NULL, 1, err) < 0))
        goto out;
    if (coming.count == 0) {
        http_answer_empty(res, 204);
    } else {
        write_coming(&coming, &json);
        http_answer_buf(res, 200, "application/json", &json);
    }
    rc = 0;
out:
    keep_coming_fini(&coming);
    buf_fini(&json);
    return serve_end(s, res, rc);
}

/* {images, reason, by} */
static int
read_gone(struct http_request *req, struct keep_gone *out, struct err *err)
{
    struct json_doc *doc = NULL;
    const char *reason, *by;
    const uint8_t *body;
    size_t n;
    int rc = -1;

    body = http_body(req, &n);
    *out = (struct keep_gone){0};
    if (json_parse(body, n, &doc, err) < 0 ||
        json_u64(json_root(doc), "images", INT32_MAX, &out->images, err) < 0 ||
        json_text(json_root(doc), "reason", sizeof out->reason - 1, &reason, err) < 0 ||
        json_text(json_root(doc), "by", sizeof out->by - 1, &by, err) < 0)
        goto out;
    if (reason[0] == '\0' || by[0] == '\0') {
        err_set(err, ERR_REJECT, "a reason and a name are due");
        goto out;
    }
    text_copy(out->reason, sizeof out->reason, reason);
    text_copy(out->by, sizeof out->by, by);
    rc = 0;
out:
    json_free(&doc);
    return rc;
}

/* Noted, then kept, before the answer. */
int
reader_gone(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_gone said;

    if (serve_target_read(req, &target, err) < 0 || read_gone(req, &said, err) < 0 ||
        (s->options.audit != NULL &&
         audit_append(s->options.audit, err, AUDIT_IMAGES_LOST, A_WORD("tenant", target.tenant),
                      A_UID("study", target.study), A_NUMBER("images", said.images),
                      A_WORD("by", http_caller(req)->device),
                      A_WORD("request", http_id(req))) < 0) ||
        keep_gone_put(s->options.keep, target.tenant, target.study, &said, err) < 0)
        return serve_end(s, res, -1);
    http_answer_empty(res, 204);
    return serve_end(s, res, 0);
}

/* "No" is an answer, not a refusal: the reader must tell it from a line that is down. */
int
reader_certificate(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    const char *device = http_query(req, "device");
    struct serve_target target;
    struct buf json;
    bool is_valid;

    if (serve_target_read(req, &target, err) < 0)
        return serve_end(s, res, -1);
    if (device == NULL) {
        err_set(err, ERR_REJECT, "device: missing");
        return serve_end(s, res, -1);
    }
    is_valid = keep_certificate_check(s->options.keep, http_param(req, "serial"), target.tenant,
                                      device, err) == 0;
    if (!is_valid && err->kind != ERR_DENIED)
        return serve_end(s, res, -1);
    buf_init(&json, SMALL_BYTES);
    buf_add_printf(&json, "{\"is_valid\":%s}", is_valid ? "true" : "false");
    http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return serve_end(s, res, 0);
}
