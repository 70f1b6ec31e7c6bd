/* ca.c - certificates of the deployment's own authority, over OpenSSL. */
#include "proto/trust/ca.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/trust/x509.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CA_DAYS (20 * 365 + 5)
#define DAY_S 86400
#define EARLY_S 3600 /* clocks of new devices are late */
#define SERVER_LEAST_DAYS 30
#define SERIAL_BITS 159
#define NAMES_LIMIT 16

struct ca {
    EVP_PKEY *key;
    X509 *certificate;
    char *pem;
    uint8_t sha256[DIGEST_BYTES];
};

/* ---- making certificates ---- */

static void
add_name(X509_NAME *name, const char *field, const char *value)
{
    CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                     -1, 0) == 1);
}

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void
set_serial(X509 *certificate)
{
    BIGNUM *n = BN_new();

    CHECK(n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    CHECK(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(certificate)) != NULL);
    BN_free(n);
}

/* A certificate but for its subject, extensions and signature. */
static X509 *
certificate_new(EVP_PKEY *key, int64_t life_s)
{
    X509 *certificate = X509_new();
    time_t now = (time_t)(clock_wall_us() / 1000000);

    CHECK(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
    set_serial(certificate);
    CHECK(X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -EARLY_S, &now) != NULL);
    CHECK(X509_time_adj_ex(X509_getm_notAfter(certificate), (int)(life_s / DAY_S),
                           (long)(life_s % DAY_S), &now) != NULL);
    CHECK(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

static void
issue_for(const struct ca *ca, X509 *certificate, const char *usage, const char *extended)
{
    CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) == 1);
    add_extension(certificate, ca->certificate, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, ca->certificate, NID_key_usage, usage);
    add_extension(certificate, ca->certificate, NID_ext_key_usage, extended);
    add_extension(certificate, ca->certificate, NID_subject_key_identifier, "hash");
    add_extension(certificate, ca->certificate, NID_authority_key_identifier, "keyid:always");
    CHECK(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
}

static void
issue(const struct ca *ca, X509 *certificate, const char *extended)
{
    issue_for(ca, certificate, "critical,digitalSignature", extended);
}

X509 *
ca_certify(const struct ca *ca, EVP_PKEY *key, const struct x509_word *names, size_t count,
           int days, const char *usage, const char *extended, struct err *err)
{
    X509 *certificate = certificate_new(key, (int64_t)days * DAY_S);

    for (size_t i = 0; i < count; i++) {
        if (names[i].value[0] == '\0')
            continue;
        if (X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), names[i].field,
                                       MBSTRING_UTF8, (const unsigned char *)names[i].value, -1, -1,
                                       0) != 1) {
            X509_free(certificate);
            x509_error(err, ERR_REJECT, "a name in a certificate");
            return NULL;
        }
    }
    issue_for(ca, certificate, usage, extended);
    return certificate;
}

static X509 *
make_root(EVP_PKEY *key, const char *name)
{
    X509 *root = certificate_new(key, (int64_t)CA_DAYS * DAY_S);

    add_name(X509_get_subject_name(root), "CN", name);
    CHECK(X509_set_issuer_name(root, X509_get_subject_name(root)) == 1);
    add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(root, root, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(root, root, NID_subject_key_identifier, "hash");
    CHECK(X509_sign(root, key, EVP_sha256()) > 0);
    return root;
}

static bool
has_file(const char *dir, const char *file)
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", dir, file);
    return access(path, F_OK) == 0;
}

int
ca_create(const char *dir, const char *name, struct err *err)
{
    EVP_PKEY *key = NULL;
    X509 *root = NULL;
    char *pem = NULL;
    int rc = -1;

    if (has_file(dir, "ca.key") && has_file(dir, "ca.pem"))
        return 0;
    if (has_file(dir, "ca.pem")) {
        err_set(err, ERR_CONFLICT, "ca.pem is there, its key is not");
        goto out;
    }
    /* A key without a certificate is a start that a crash ended: nothing was signed by it. */
    if (x509_make_folder(dir, err) < 0)
        goto out;
    key = x509_key_new();
    root = make_root(key, name);
    pem = x509_pem(root);
    if (x509_key_save(key, dir, "ca.key", err) < 0 ||
        durable_put_file(dir, "ca.pem", pem, strlen(pem), err) < 0)
        goto out;
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "make a CA in %s", dir);
    free(pem);
    X509_free(root);
    EVP_PKEY_free(key);
    return rc;
}

int
ca_open(const char *dir, struct ca **out_ca, struct err *err)
{
    struct ca *ca = mem_new(sizeof *ca);
    char path[600];
    int rc = -1;

    snprintf(path, sizeof path, "%s/ca.key", dir);
    ca->key = x509_key_read(path, err);
    if (ca->key == NULL)
        goto out;
    snprintf(path, sizeof path, "%s/ca.pem", dir);
    ca->certificate = x509_read_file(path, err);
    if (ca->certificate == NULL)
        goto out;
    if (X509_check_private_key(ca->certificate, ca->key) != 1) {
        x509_error(err, ERR_CONFLICT, "ca.key does not belong to ca.pem");
        goto out;
    }
    ca->pem = x509_pem(ca->certificate);
    x509_digest(ca->certificate, ca->sha256);
    *out_ca = TAKE(ca);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "open the CA in %s", dir);
    ca_close(&ca);
    return rc;
}

void
ca_close(struct ca **ca_at)
{
    struct ca *ca = TAKE(*ca_at);

    if (ca == NULL)
        return;
    free(ca->pem);
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    free(ca);
}

const char *
ca_pem(const struct ca *ca)
{
    return ca->pem;
}

void
ca_fingerprint(const struct ca *ca, uint8_t out_sha256[DIGEST_BYTES])
{
    memcpy(out_sha256, ca->sha256, DIGEST_BYTES);
}

/* ---- server certificates ---- */

/* "127.0.0.1,host" > "IP:127.0.0.1,DNS:host" */
static int
alternative_names(const char *names, char *out, size_t size, struct err *err)
{
    size_t k = 0;

    for (int count = 0; *names != '\0'; count++) {
        size_t n = strcspn(names, ",");
        char one[256];
        uint8_t ip[16];

        snprintf(one, sizeof one, "%.*s", n < sizeof one ? (int)n : 0, names);
        if (one[0] == '\0' || count == NAMES_LIMIT ||
            strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-*") != n)
            return err_set(err, ERR_REJECT, "'%s' is no list of names and addresses", names);
        k += (size_t)snprintf(
            out + k, size - k, "%s%s:%s", k > 0 ? "," : "",
            inet_pton(AF_INET, one, ip) == 1 || inet_pton(AF_INET6, one, ip) == 1 ? "IP" : "DNS",
            one);
        if (k >= size)
            return err_set(err, ERR_REJECT, "too many names");
        names += n + (names[n] == ',');
    }
    return k > 0 ? 0 : err_set(err, ERR_REJECT, "a server needs a name or address");
}

int
ca_check_names(const char *names, struct err *err)
{
    char alternatives[1024];

    if (strlen(names) >= CA_NAMES_SIZE)
        return err_set(err, ERR_REJECT, "too many names");
    return alternative_names(names, alternatives, sizeof alternatives, err);
}

static bool
names_match(X509 *certificate, const char *names)
{
    while (*names != '\0') {
        size_t n = strcspn(names, ",");
        char one[256];

        snprintf(one, sizeof one, "%.*s", n < sizeof one ? (int)n : 0, names);
        if (X509_check_host(certificate, one, 0, 0, NULL) != 1 &&
            X509_check_ip_asc(certificate, one, 0) != 1)
            return false;
        names += n + (names[n] == ',');
    }
    return true;
}

static bool
server_is_good(const struct ca *ca, const char *dir, const char *names)
{
    struct err ignored = {0}; /* whatever is wrong with the present one, a new one is made */
    char path[600];
    X509 *certificate;
    EVP_PKEY *key;
    time_t later = (time_t)(clock_wall_us() / 1000000) + (time_t)SERVER_LEAST_DAYS * 86400;
    bool is_good;

    snprintf(path, sizeof path, "%s/server.pem", dir);
    certificate = x509_read_file(path, &ignored);
    snprintf(path, sizeof path, "%s/server.key", dir);
    key = x509_key_read(path, &ignored);
    is_good = certificate != NULL && key != NULL && X509_check_private_key(certificate, key) == 1 &&
              X509_verify(certificate, X509_get0_pubkey(ca->certificate)) == 1 &&
              X509_cmp_time(X509_get0_notAfter(certificate), &later) > 0 &&
              names_match(certificate, names);
    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_good;
}

static int
put_server(const struct ca *ca, const char *dir, const char *alternatives, int days, EVP_PKEY *key,
           struct err *err)
{
    X509 *certificate = certificate_new(key, (int64_t)days * DAY_S);
    char *pem, *chain;
    int rc;

    add_name(X509_get_subject_name(certificate), "CN", "radpost");
    add_extension(certificate, ca->certificate, NID_subject_alt_name, alternatives);
    issue(ca, certificate, "serverAuth");
    pem = x509_pem(certificate);
    chain = mem_printf("%s%s", pem, ca->pem);
    rc = durable_put_file(dir, "server.pem", chain, strlen(chain), err);
    free(chain);
    free(pem);
    X509_free(certificate);
    return rc;
}

int
ca_make_server(const struct ca *ca, const char *dir, const char *names, int days, struct err *err)
{
    struct err none = {0};
    char alternatives[1024], path[600];
    EVP_PKEY *key = NULL;
    int rc = -1;

    if (alternative_names(names, alternatives, sizeof alternatives, err) < 0 ||
        x509_make_folder(dir, err) < 0)
        goto out;
    if (server_is_good(ca, dir, names)) {
        rc = 0;
        goto out;
    }
    snprintf(path, sizeof path, "%s/server.key", dir);
    key = x509_key_read(path, &none); /* it stays, so that the pair is one at all times */
    if (key == NULL) {
        key = x509_key_new();
        if (x509_key_save(key, dir, "server.key", err) < 0)
            goto out;
    }
    rc = put_server(ca, dir, alternatives, days, key, err);
out:
    if (rc < 0)
        err_context(err, "server certificate in %s", dir);
    EVP_PKEY_free(key);
    return rc;
}

int
ca_renew_server(const struct ca *ca, const char *dir, const char *names, int days, struct err *err)
{
    char alternatives[1024], path[600];
    EVP_PKEY *key = NULL;
    int rc = -1;

    snprintf(path, sizeof path, "%s/server.key", dir);
    if (alternative_names(names, alternatives, sizeof alternatives, err) == 0 &&
        (key = x509_key_read(path, err)) != NULL)
        rc = put_server(ca, dir, alternatives, days, key, err);
    if (rc < 0)
        err_context(err, "server certificate in %s", dir);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- client certificates ---- */

int
ca_request_key(const char *csr_pem, uint8_t out_key_sha256[DIGEST_BYTES], struct err *err)
{
    X509_REQ *request = x509_request_read(csr_pem, err);

    if (request == NULL)
        return -1;
    x509_key_digest(X509_REQ_get0_pubkey(request), out_key_sha256);
    X509_REQ_free(request);
    return 0;
}

/* A life before it is issued, not before its authority: see ca.h. Twice its life, not more: a peer
 * that renews in the last third of what it reads does so once. */
static void
begin_early(const struct ca *ca, X509 *certificate, int64_t life_s)
{
    const ASN1_TIME *first = X509_get0_notBefore(ca->certificate);
    time_t now = (time_t)(clock_wall_us() / 1000000);
    ASN1_TIME *begin =
        X509_time_adj_ex(NULL, -(int)(life_s / DAY_S), -(long)(life_s % DAY_S), &now);

    CHECK(begin != NULL);
    CHECK(X509_set1_notBefore(certificate, ASN1_TIME_compare(begin, first) < 0 ? first : begin) ==
          1);
    ASN1_TIME_free(begin);
}

int
ca_sign_client(const struct ca *ca, const char *csr_pem, const struct ca_subject *subject,
               int64_t life_s, struct buf *out_pem, struct err *err)
{
    X509_REQ *request = NULL;
    char alternatives[1024] = "";
    X509 *certificate;
    X509_NAME *name;
    char *pem;

    if (subject->names[0] != '\0' &&
        alternative_names(subject->names, alternatives, sizeof alternatives, err) < 0)
        return -1;
    request = x509_request_read(csr_pem, err);
    if (request == NULL)
        return -1;
    if (subject->tenant[0] == '\0' || subject->device[0] == '\0' || subject->kind[0] == '\0') {
        X509_REQ_free(request);
        return err_set(err, ERR_REJECT, "a certificate needs a tenant, a device and its kind");
    }
    certificate = certificate_new(X509_REQ_get0_pubkey(request), life_s);
    begin_early(ca, certificate, life_s);
    X509_REQ_free(request);
    name = X509_get_subject_name(certificate);
    add_name(name, "O", subject->tenant);
    add_name(name, "OU", subject->kind);
    add_name(name, "CN", subject->device);
    if (alternatives[0] != '\0')
        add_extension(certificate, ca->certificate, NID_subject_alt_name, alternatives);
    issue(ca, certificate, alternatives[0] != '\0' ? "clientAuth,serverAuth" : "clientAuth");
    pem = x509_pem(certificate);
    buf_add_text(out_pem, pem);
    free(pem);
    X509_free(certificate);
    return 0;
}

int
ca_make_request(const char *dir, const char *name, struct buf *out_csr_pem, struct err *err)
{
    char file[80], path[700];
    EVP_PKEY *key = NULL;
    X509_REQ *request = NULL;
    BIO *bio = NULL;
    char *text = NULL;
    size_t n;
    int rc = -1;

    snprintf(file, sizeof file, "%s.key", name);
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (x509_make_folder(dir, err) < 0)
        goto out;
    if (has_file(dir, file)) {
        key = x509_key_read(path, err);
        if (key == NULL)
            goto out;
    } else {
        key = x509_key_new();
        if (x509_key_save(key, dir, file, err) < 0)
            goto out;
    }
    request = X509_REQ_new();
    CHECK(request != NULL && X509_REQ_set_pubkey(request, key) == 1);
    add_name(X509_REQ_get_subject_name(request), "CN", "radpost");
    if (X509_REQ_sign(request, key, EVP_sha256()) <= 0) {
        x509_error(err, ERR_REJECT, "sign the request");
        goto out;
    }
    bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_X509_REQ(bio, request) == 1);
    text = x509_bio_text(bio, &n);
    buf_add(out_csr_pem, text, n);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "certificate request with %s", path);
    free(text);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return rc;
}
