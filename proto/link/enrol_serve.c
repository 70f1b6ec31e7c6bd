/* enrol_serve.c - how a new gateway or reader gets its certificate: the side that has the CA. */
#include "proto/link/enrol.h"

#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <string.h>

static const int64_t day_s = 86400;
#define CODE_TYPED_LIMIT 256
#define BODY_LIMIT 65536

static int
answer_ca(struct http_request *req, struct http_response *res, struct err *err)
{
    struct enrol_server *server = http_user(req);
    const char *pem = ca_pem(server->ca);

    (void)err;
    http_answer_bytes(res, 200, "application/x-pem-file", pem, strlen(pem));
    return 0;
}

static void
write_answer(const struct enrol_server *server, const struct ca_subject *subject, const char *pem,
             struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "certificate", pem);
    jsonw_text(&w, "ca", ca_pem(server->ca));
    jsonw_text(&w, "tenant", subject->tenant);
    jsonw_text(&w, "device", subject->device);
    jsonw_text(&w, "kind", subject->kind);
    jsonw_object(&w, "addresses");
    for (const char *const *a = server->addresses; a != NULL && a[0] != NULL; a += 2)
        jsonw_text(&w, a[0], a[1]);
    jsonw_end(&w);
    jsonw_end(&w);
}

/* Sign, have it noted, answer. */
static int
issue(struct http_request *req, const char *csr, const struct ca_subject *subject, bool is_renewal,
      struct http_response *res, struct err *err)
{
    struct enrol_server *server = http_user(req);
    struct ca_certificate certificate;
    struct buf pem, answer;
    int rc = -1;

    buf_init(&pem, CA_PEM_LIMIT);
    buf_init(&answer, 4 * CA_PEM_LIMIT);
    if (ca_sign_client(server->ca, csr, subject,
                       (server->days != 0 ? server->days : ENROL_CLIENT_DAYS) * day_s, &pem,
                       err) < 0 ||
        ca_read(buf_text(&pem), &certificate, err) < 0)
        goto out;
    if (server->issued != NULL &&
        server->issued(server->user, &certificate, is_renewal, http_peer(req), err) < 0)
        goto out;
    write_answer(server, subject, buf_text(&pem), &answer);
    http_answer_buf(res, 200, "application/json", &answer);
    rc = 0;
out:
    buf_fini(&pem);
    buf_fini(&answer);
    return rc;
}

static int
parse_body(struct http_request *req, struct json_doc **out, struct err *err)
{
    size_t n;
    const uint8_t *body = http_body(req, &n);

    return json_parse(body, n, out, err);
}

static int
answer_enrol(struct http_request *req, struct http_response *res, struct err *err)
{
    struct enrol_server *server = http_user(req);
    struct json_doc *doc = NULL;
    struct ca_subject subject;
    const char *code, *csr;
    uint8_t pin[CODE_PIN_BYTES], code_sha256[DIGEST_BYTES], key_sha256[DIGEST_BYTES];
    int rc = -1;

    if (parse_body(req, &doc, err) < 0 ||
        json_text(json_root(doc), "code", CODE_TYPED_LIMIT, &code, err) < 0 ||
        json_text(json_root(doc), "csr", CA_PEM_LIMIT, &csr, err) < 0 ||
        code_read(code, pin, code_sha256, err) < 0 || ca_request_key(csr, key_sha256, err) < 0 ||
        server->burn(server->user, code_sha256, key_sha256, &subject, err) < 0)
        goto out;
    rc = issue(req, csr, &subject, false, res, err);
out:
    json_free(&doc);
    return rc;
}

static int
answer_renew(struct http_request *req, struct http_response *res, struct err *err)
{
    struct enrol_server *server = http_user(req);
    const struct http_caller *caller = http_caller(req);
    struct ca_subject subject = {0};
    struct json_doc *doc = NULL;
    const char *csr;
    int rc = -1;

    text_copy(subject.tenant, sizeof subject.tenant, caller->tenant);
    text_copy(subject.device, sizeof subject.device, caller->device);
    text_copy(subject.kind, sizeof subject.kind,
              caller->kind == HTTP_GATEWAY ? "gateway" : "reader");
    if (parse_body(req, &doc, err) == 0 &&
        json_text(json_root(doc), "csr", CA_PEM_LIMIT, &csr, err) == 0 &&
        (server->names == NULL ||
         server->names(server->user, caller->serial_hex, subject.names, err) == 0))
        rc = issue(req, csr, &subject, true, res, err);
    json_free(&doc);
    return rc;
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/link/v1/ca", .callers = HTTP_ANYONE, .handle = answer_ca},
    {.method = "POST",
     .pattern = "/link/v1/enrol",
     .callers = HTTP_ANYONE,
     .body_limit = BODY_LIMIT,
     .handle = answer_enrol,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/link/v1/renew",
     .callers = HTTP_GATEWAY | HTTP_READER,
     .body_limit = BODY_LIMIT,
     .handle = answer_renew,
     .flags = HTTP_NO_STORE},
};

struct http_table
enrol_table(struct enrol_server *server)
{
    return (struct http_table){routes, ARRAY_LEN(routes), server};
}
