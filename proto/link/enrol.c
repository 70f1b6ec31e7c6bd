/* enrol.c - how a new gateway or reader gets its certificate: the side that is new. */
#include "proto/link/enrol.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BODY_LIMIT 65536
#define CALL_MS 30000
#define MOST_LIFE_US (ENROL_CLIENT_DAYS * INT64_C(86400) * 1000000)

static void
path_in(char *out, size_t size, const char *dir, const char *name)
{
    snprintf(out, size, "%s/%s", dir, name);
}

static bool
is_there(const char *dir, const char *name)
{
    char path[512];

    path_in(path, sizeof path, dir, name);
    return access(path, F_OK) == 0;
}

static int
make_folder(const char *dir, struct err *err)
{
    char tmp[512];

    path_in(tmp, sizeof tmp, dir, "tmp");
    return durable_mkdir(dir, err) < 0 ? -1 : durable_mkdir(tmp, err);
}

/* Ask for the CA, unverified, and accept it only if the code's pin is its own. */
static int
fetch_ca(const char *dir, const char *url, const struct enrol_way *way,
         const uint8_t pin[CODE_PIN_BYTES], struct err *err)
{
    struct http_client_options options = {.base_url = url,
                                          .is_ca_unknown = true,
                                          .proxy = way->proxy,
                                          .proxy_user = way->proxy_user,
                                          .source = way->source,
                                          .stall_ms = CALL_MS};
    struct http_call call = {
        .method = "GET", .path = "/link/v1/ca", .answer_limit = CA_PEM_LIMIT, .total_ms = CALL_MS};
    struct http_client *client = NULL;
    struct http_reply reply = {0};
    struct ca_certificate ca;
    int rc = -1;

    if (http_client_new(&options, &client, err) < 0 ||
        http_client_call(client, &call, &reply, err) < 0 || http_reply_check(&reply, err) < 0 ||
        ca_read(buf_text(&reply.body), &ca, err) < 0)
        goto out;
    if (!ca.is_ca || !code_pins(pin, ca.sha256)) {
        err_set(err, ERR_DENIED, "this is not the centre that the code was made by");
        goto out;
    }
    rc = durable_put_file(dir, "ca.pem", reply.body.bytes, reply.body.n, err);
out:
    http_reply_fini(&reply);
    http_client_free(&client);
    return rc;
}

/* POST a JSON body; the answer parsed. */
static int
post(const struct http_client_options *options, const char *path, struct buf *body,
     struct json_doc **out, struct err *err)
{
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .body = body->bytes,
                             .body_n = body->n,
                             .total_ms = CALL_MS};
    struct http_client *client = NULL;
    struct http_reply reply = {0};
    int rc = -1;

    if (http_client_new(options, &client, err) < 0 ||
        http_client_call(client, &call, &reply, err) < 0 || http_reply_check(&reply, err) < 0)
        goto out;
    rc = json_parse(reply.body.bytes, reply.body.n, out, err);
out:
    http_reply_fini(&reply);
    http_client_free(&client);
    return rc;
}

/* Key and certificate into one file, at once. */
static int
save_pair(const char *dir, const char *certificate, struct err *err)
{
    char path[512];
    uint8_t *key;
    size_t n;
    struct buf both;
    int rc;

    path_in(path, sizeof path, dir, "next.key");
    if (durable_get_file(path, CA_PEM_LIMIT, &key, &n, err) < 0)
        return -1;
    buf_init(&both, 2 * CA_PEM_LIMIT);
    buf_add(&both, key, n);
    buf_add_text(&both, certificate);
    rc = durable_put_file(dir, "identity.pem", both.bytes, both.n, err);
    secret_wipe(key, n);
    secret_wipe(both.bytes, both.n);
    buf_fini(&both);
    free(key);
    return rc;
}

/* What the centre answered is ours: signed by the pinned CA, for our key, as it says. */
static int
check_answer(const char *dir, const struct json *answer, const char **out_certificate,
             struct ca_certificate *out, struct err *err)
{
    char path[512];
    uint8_t *ca;
    size_t n;
    int rc;

    if (json_text(answer, "certificate", CA_PEM_LIMIT, out_certificate, err) < 0 ||
        ca_read(*out_certificate, out, err) < 0)
        return -1;
    path_in(path, sizeof path, dir, "ca.pem");
    if (durable_get_file(path, CA_PEM_LIMIT, &ca, &n, err) < 0)
        return -1;
    path_in(path, sizeof path, dir, "next.key");
    rc = ca_verify(*out_certificate, (const char *)ca, path, err);
    free(ca);
    return rc;
}

static void
write_member(struct jsonw *w, const char *key, const struct json *v)
{
    if (json_is_text(v))
        jsonw_text(w, key, json_as_text(v));
    else if (json_is_number(v))
        jsonw_int(w, key, json_as_int(v, 0));
}

static int
save_identity(const char *dir, const struct json *answer, const struct ca_certificate *certificate,
              struct err *err)
{
    const struct json *addresses = json_find(answer, "addresses");
    struct buf b;
    struct jsonw w;
    int rc;

    buf_init(&b, BODY_LIMIT);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "tenant", certificate->subject.tenant);
    jsonw_text(&w, "device", certificate->subject.device);
    jsonw_text(&w, "kind", certificate->subject.kind);
    jsonw_object(&w, "addresses");
    for (const void *m = json_member_first(addresses); m != NULL;
         m = json_member_next(addresses, m))
        write_member(&w, json_member_key(m), json_member_value(m));
    jsonw_end(&w);
    jsonw_end(&w);
    rc = buf_is_over(&b) ? err_set(err, ERR_REJECT, "the centre tells too many addresses")
                         : durable_put_file(dir, "identity.json", b.bytes, b.n, err);
    buf_fini(&b);
    return rc;
}

/* Else a code typed at the wrong machine sends one clinic's images in another's name. */
static int
check_same(const char *dir, const struct ca_subject *asked, struct err *err)
{
    struct enrol_identity old;
    int rc = 0;

    if (enrol_load(dir, &old, err) < 0)
        return -1;
    if (strcmp(old.tenant, asked->tenant) != 0 || strcmp(old.kind, asked->kind) != 0)
        rc = err_set(err, ERR_CONFLICT, "the code is for a %s of %s, this is a %s of %s",
                     asked->kind, asked->tenant, old.kind, old.tenant);
    enrol_identity_fini(&old);
    return rc;
}

static int
ask_certificate(const char *dir, const char *url, const struct enrol_way *way,
                const char *typed_code, bool is_again, struct err *err)
{
    char ca[512];
    struct http_client_options options = {.base_url = url,
                                          .ca_file = ca,
                                          .proxy = way->proxy,
                                          .proxy_user = way->proxy_user,
                                          .source = way->source};
    struct ca_certificate certificate;
    const char *pem;
    struct json_doc *doc = NULL;
    struct buf csr, body;
    struct jsonw w;
    int rc = -1;

    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&body, BODY_LIMIT);
    path_in(ca, sizeof ca, dir, "ca.pem");
    if (ca_make_request(dir, "next", &csr, err) < 0)
        goto out;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "code", typed_code);
    jsonw_text(&w, "csr", buf_text(&csr));
    jsonw_end(&w);
    if (post(&options, "/link/v1/enrol", &body, &doc, err) < 0 ||
        check_answer(dir, json_root(doc), &pem, &certificate, err) < 0)
        goto out;
    /* What says that there is an identity comes last: its name the first time, then the
     * certificate, which is not in force until it is another one. */
    if (is_again && (check_same(dir, &certificate.subject, err) < 0 ||
                     save_identity(dir, json_root(doc), &certificate, err) < 0))
        goto out;
    if (save_pair(dir, pem, err) < 0 ||
        (!is_again && save_identity(dir, json_root(doc), &certificate, err) < 0))
        goto out;
    rc = durable_remove(dir, "next.key", err); /* last: a repeated call must use the same key */
out:
    json_free(&doc);
    buf_fini(&csr);
    buf_fini(&body);
    return rc;
}

static const struct enrol_way straight;

int
enrol_new(const char *dir, const char *url, const char *typed_code, struct enrol_identity *out,
          struct err *err)
{
    return enrol_new_by(dir, url, &straight, typed_code, out, err);
}

/* A renewal that asks for nothing: only who is permitted is told that (400). Its own centre alone
 * is believed: another one's certificate is not trusted, nor is a server's before it. */
static int
ask_in_force(const struct enrol_identity *id, const char *url, const struct enrol_way *way,
             bool *out_is, struct err *err)
{
    struct http_client_options options = {.base_url = url,
                                          .ca_file = id->ca,
                                          .certificate = id->certificate,
                                          .key = id->key,
                                          .proxy = way->proxy,
                                          .proxy_user = way->proxy_user,
                                          .source = way->source};
    struct http_call call = {.method = "POST",
                             .path = "/link/v1/renew",
                             .content_type = "application/json",
                             .body = "{}",
                             .body_n = 2,
                             .total_ms = CALL_MS};
    struct http_client *client = NULL;
    struct http_reply reply = {0};
    int rc = -1;

    if (http_client_new(&options, &client, err) < 0 ||
        http_client_call(client, &call, &reply, err) < 0)
        goto out;
    *out_is = reply.status != 403;
    rc = *out_is && http_reply_check(&reply, err) < 0 && err->kind == ERR_RETRY ? -1 : 0;
out:
    http_reply_fini(&reply);
    http_client_free(&client);
    return rc;
}

/* The code was made by the authority that the present certificate is of. */
static bool
is_of_our_authority(const struct enrol_identity *id, const uint8_t pin[CODE_PIN_BYTES])
{
    struct ca_certificate ours;
    struct err ignored;

    return ca_read_file(id->ca, &ours, &ignored) == 0 && code_pins(pin, ours.sha256);
}

/* One that can still be used is not replaced by a code typed at the wrong machine. The dates do not
 * say all: a catalog put back from a backup knows nothing of a certificate made since. A centre
 * that lost its authority looks as a stranger does: a person decides. */
static int
check_replaceable(const char *dir, const char *url, const struct enrol_way *way,
                  const uint8_t pin[CODE_PIN_BYTES], struct err *err)
{
    struct enrol_identity id;
    struct err why = {0};
    bool is_in_force = true; /* a damaged one is looked at by a person */
    bool is_ours = true;

    if (enrol_load(dir, &id, &why) == 0) {
        int rc = 0;

        is_ours = is_of_our_authority(&id, pin);
        is_in_force = id.not_after_us > clock_wall_us();
        if (is_in_force)
            rc = ask_in_force(&id, url, way, &is_in_force, &why);
        enrol_identity_fini(&id);
        if (rc < 0 && why.kind == ERR_RETRY) {
            *err = why;
            return err_context(err, "ask whether the present certificate is in force");
        }
    }
    if (!is_in_force)
        return 0;
    if (is_ours)
        return err_set(err, ERR_CONFLICT, "%s is enrolled already", dir);
    return err_set(err, ERR_CONFLICT,
                   "the code is of another centre's authority than the certificate here. If the "
                   "centre has a new one: stop the service, mv %s %s-first, and say this again; "
                   "the code is not spent",
                   dir, dir);
}

int
enrol_new_by(const char *dir, const char *url, const struct enrol_way *way, const char *typed_code,
             struct enrol_identity *out, struct err *err)
{
    bool is_again = is_there(dir, "identity.json");
    uint8_t pin[CODE_PIN_BYTES], code_sha256[DIGEST_BYTES];

    if (code_read(typed_code, pin, code_sha256, err) < 0)
        return -1;
    if (strncmp(url, "https://", 8) != 0)
        return err_set(err, ERR_REJECT, "the centre's address begins with https://");
    if (is_again && check_replaceable(dir, url, way, pin, err) < 0)
        return -1;
    if (make_folder(dir, err) < 0 || fetch_ca(dir, url, way, pin, err) < 0 ||
        ask_certificate(dir, url, way, typed_code, is_again, err) < 0)
        return err_context(err, "enrol at %s", url);
    return enrol_load(dir, out, err);
}

void
enrol_explain(struct err *err)
{
    time_t now = (time_t)(clock_wall_us() / 1000000);
    char today[32] = "";
    struct tm tm;

    if (err->kind != ERR_DENIED)
        return;
    if (gmtime_r(&now, &tm) != NULL)
        strftime(today, sizeof today, "%Y-%m-%d", &tm);
    if (err->sys == EKEYEXPIRED)
        err_context(err,
                    "by this machine's clock (%s) the centre's certificate is not in force: set "
                    "the clock right, and use the same code",
                    today);
    else if (err->sys == 0)
        err_context(err, "the code is not accepted (used already, out of time, or made by another "
                         "centre): ask for a new one");
}

static int
parse_identity(struct json_doc *doc, struct enrol_identity *out, struct err *err)
{
    const struct json *root = json_root(doc), *addresses = json_find(root, "addresses");
    const char *tenant, *device, *kind;
    struct jsonw w;

    if (json_text(root, "tenant", sizeof out->tenant - 1, &tenant, err) < 0 ||
        json_text(root, "device", sizeof out->device - 1, &device, err) < 0 ||
        json_text(root, "kind", sizeof out->kind - 1, &kind, err) < 0)
        return -1;
    text_copy(out->tenant, sizeof out->tenant, tenant);
    text_copy(out->device, sizeof out->device, device);
    text_copy(out->kind, sizeof out->kind, kind);
    jsonw_init(&w, &out->addresses);
    jsonw_object(&w, NULL);
    for (const void *m = json_member_first(addresses); m != NULL;
         m = json_member_next(addresses, m))
        write_member(&w, json_member_key(m), json_member_value(m));
    jsonw_end(&w);
    return 0;
}

/* It begins a life earlier (ca.h). */
static int64_t
issued(const struct ca_certificate *certificate)
{
    int64_t us = certificate->not_after_us - MOST_LIFE_US;

    return us > certificate->not_before_us ? us : certificate->not_before_us;
}

int
enrol_load(const char *dir, struct enrol_identity *out, struct err *err)
{
    struct enrol_identity id = {0};
    struct ca_certificate certificate;
    struct json_doc *doc = NULL;
    uint8_t *bytes = NULL;
    char path[512];
    size_t n;
    int rc = -1;

    buf_init(&id.addresses, BODY_LIMIT);
    path_in(path, sizeof path, dir, "identity.json");
    path_in(id.certificate, sizeof id.certificate, dir, "identity.pem");
    path_in(id.key, sizeof id.key, dir, "identity.pem");
    path_in(id.ca, sizeof id.ca, dir, "ca.pem");
    if (durable_get_file(path, BODY_LIMIT, &bytes, &n, err) < 0 ||
        json_parse(bytes, n, &doc, err) < 0 || parse_identity(doc, &id, err) < 0 ||
        ca_read_file(id.certificate, &certificate, err) < 0)
        goto out;
    id.issued_us = issued(&certificate);
    id.not_after_us = certificate.not_after_us;
    *out = id;
    rc = 0;
out:
    if (rc < 0) {
        err_context(err, "identity in %s", dir);
        buf_fini(&id.addresses);
    }
    json_free(&doc);
    free(bytes);
    return rc;
}

uint64_t
enrol_stamp(const char *dir)
{
    static const char *const files[] = {"identity.json", "identity.pem"};
    uint64_t stamp = 0; /* wraps */

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[512];
        struct stat st;

        path_in(path, sizeof path, dir, files[i]);
        if (stat(path, &st) < 0)
            return 0;
        stamp = stamp * 31 + (uint64_t)st.st_mtim.tv_sec * 1000000000 +
                (uint64_t)st.st_mtim.tv_nsec + st.st_ino;
    }
    return stamp | 1;
}

void
enrol_identity_fini(struct enrol_identity *identity)
{
    buf_fini(&identity->addresses);
}

bool
enrol_address(const struct enrol_identity *identity, const char *name, char *out, size_t size)
{
    struct json_doc *doc = NULL;
    struct err ignored = {0}; /* our own writing, checked when it was loaded */
    const char *text = NULL;
    bool is_found;

    if (json_parse(identity->addresses.bytes, identity->addresses.n, &doc, &ignored) == 0)
        text = json_as_text(json_find(json_root(doc), name));
    is_found = text != NULL && text_copy(out, size, text);
    json_free(&doc);
    return is_found;
}

static int
renew(const char *dir, const char *url, const struct enrol_way *way,
      const struct enrol_identity *id, struct err *err)
{
    struct http_client_options options = {.base_url = url,
                                          .ca_file = id->ca,
                                          .certificate = id->certificate,
                                          .key = id->key,
                                          .proxy = way->proxy,
                                          .proxy_user = way->proxy_user,
                                          .source = way->source};
    struct ca_certificate certificate;
    const char *pem;
    struct json_doc *doc = NULL;
    struct buf csr, body;
    struct jsonw w;
    int rc = -1;

    buf_init(&csr, CA_PEM_LIMIT);
    buf_init(&body, BODY_LIMIT);
    if (ca_make_request(dir, "next", &csr, err) < 0)
        goto out;
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "csr", buf_text(&csr));
    jsonw_end(&w);
    if (post(&options, "/link/v1/renew", &body, &doc, err) < 0 ||
        check_answer(dir, json_root(doc), &pem, &certificate, err) < 0)
        goto out;
    if (strcmp(certificate.subject.tenant, id->tenant) != 0 ||
        strcmp(certificate.subject.device, id->device) != 0) {
        err_set(err, ERR_CONFLICT, "the new certificate names somebody else");
        goto out;
    }
    /* Addresses first: a crash in between leaves new ones beside a certificate that still holds. */
    if (save_identity(dir, json_root(doc), &certificate, err) < 0 || save_pair(dir, pem, err) < 0)
        goto out;
    rc = durable_remove(dir, "next.key", err);
out:
    json_free(&doc);
    buf_fini(&csr);
    buf_fini(&body);
    return rc;
}

int
enrol_renew(const char *dir, const char *url, bool is_forced, bool *out_is_renewed, struct err *err)
{
    return enrol_renew_by(dir, url, &straight, is_forced, out_is_renewed, err);
}

int
enrol_renew_by(const char *dir, const char *url, const struct enrol_way *way, bool is_forced,
               bool *out_is_renewed, struct err *err)
{
    struct enrol_identity id;
    int64_t left_us, life_us;
    bool is_due;
    int rc = 0;

    if (enrol_load(dir, &id, err) < 0)
        return -1;
    left_us = id.not_after_us - clock_wall_us();
    life_us = id.not_after_us - id.issued_us;
    is_due = is_forced || left_us < life_us / 3;
    if (is_due)
        rc = renew(dir, url, way, &id, err);
    enrol_identity_fini(&id);
    if (rc < 0)
        return err_context(err, "renew the certificate");
    *out_is_renewed = is_due;
    return 0;
}
