/* x509.c - keys, certificates and requests between PEM, files and OpenSSL, and reading them. */
#include "proto/trust/x509.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* OpenSSL's own words for what failed last; its queue is emptied. */
int
x509_error(struct err *err, enum err_kind kind, const char *what)
{
    char words[160] = "no reason given";
    unsigned long code = ERR_get_error();

    if (code != 0)
        ERR_error_string_n(code, words, sizeof words);
    ERR_clear_error();
    return err_set(err, kind, "%s: %s", what, words);
}

/* ---- PEM and files ---- */

char *
x509_bio_text(BIO *bio, size_t *out_n)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(bio, &bytes);
    char *text = mem_new((size_t)n + 1);

    memcpy(text, bytes, (size_t)n);
    *out_n = (size_t)n;
    return text;
}

char *
x509_pem(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    size_t n;

    CHECK(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1);
    text = x509_bio_text(bio, &n);
    BIO_free(bio);
    return text;
}

X509 *
x509_read(const char *pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (certificate == NULL)
        x509_error(err, ERR_REJECT, "read certificate");
    return certificate;
}

X509 *
x509_read_file(const char *path, struct err *err)
{
    uint8_t *bytes;
    size_t n;
    X509 *certificate;

    if (durable_get_file(path, CA_PEM_LIMIT, &bytes, &n, err) < 0)
        return NULL;
    certificate = x509_read((const char *)bytes, err);
    free(bytes);
    if (certificate == NULL)
        err_context(err, "%s", path);
    return certificate;
}

/* A password is never asked for: an encrypted key is refused. */
static int
no_password(char *out, int size, int rwflag, void *user)
{
    (void)out;
    (void)size;
    (void)rwflag;
    (void)user;
    return -1;
}

EVP_PKEY *
x509_key_read(const char *path, struct err *err)
{
    uint8_t *bytes;
    size_t n;
    BIO *bio;
    EVP_PKEY *key;

    if (durable_get_file(path, CA_PEM_LIMIT, &bytes, &n, err) < 0)
        return NULL;
    bio = BIO_new_mem_buf(bytes, (int)n);
    key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    secret_wipe(bytes, n);
    free(bytes);
    if (key == NULL)
        x509_error(err, ERR_REJECT, path);
    return key;
}

EVP_PKEY *
x509_key_new(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    CHECK(key != NULL);
    return key;
}

int
x509_key_save(EVP_PKEY *key, const char *dir, const char *file, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    size_t n;
    int rc;

    CHECK(bio != NULL &&
          PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, no_password, NULL) == 1);
    text = x509_bio_text(bio, &n);
    BIO_free(bio);
    rc = durable_put_file(dir, file, text, n, err);
    secret_wipe(text, n);
    free(text);
    return rc;
}

int
x509_make_folder(const char *dir, struct err *err)
{
    char tmp[600];

    snprintf(tmp, sizeof tmp, "%s/tmp", dir);
    return durable_mkdir(dir, err) < 0 ? -1 : durable_mkdir(tmp, err);
}

void
x509_digest(X509 *certificate, uint8_t out[DIGEST_BYTES])
{
    unsigned n = DIGEST_BYTES;

    CHECK(X509_digest(certificate, EVP_sha256(), out, &n) == 1 && n == DIGEST_BYTES);
}

X509_REQ *
x509_request_read(const char *csr_pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(csr_pem, -1);
    X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    EVP_PKEY *key;
    char group[32] = "";

    BIO_free(bio);
    if (request == NULL) {
        x509_error(err, ERR_REJECT, "read certificate request");
        return NULL;
    }
    key = X509_REQ_get0_pubkey(request);
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        err_set(err, ERR_REJECT, "the request's key is not EC P-256");
    else if (X509_REQ_verify(request, key) != 1)
        err_set(err, ERR_REJECT, "the request is not signed by its own key");
    else
        return request;
    ERR_clear_error();
    X509_REQ_free(request);
    return NULL;
}

void
x509_key_digest(EVP_PKEY *key, uint8_t out[DIGEST_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);

    CHECK(n > 0);
    digest_bytes(der, (size_t)n, out);
    OPENSSL_free(der);
}

/* ---- reading certificates ---- */

static void
subject_part(X509 *certificate, int nid, char *out, size_t size)
{
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), nid, out, (int)size) < 0)
        out[0] = '\0';
}

static int64_t
time_us(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000000 : 0;
}

/* "IP,DNS,..." of the SAN; what does not fit, or is of another kind, is left out. */
static void
subject_names(X509 *certificate, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t k = 0;

    out[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char one[256] = "";
        int n;

        if (name->type == GEN_DNS) {
            n = ASN1_STRING_length(name->d.dNSName);
            if (n < (int)sizeof one)
                snprintf(one, sizeof one, "%.*s", n,
                         (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            n = ASN1_STRING_length(name->d.iPAddress);
            if (n == 4 || n == 16)
                inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress),
                          one, sizeof one);
        }
        if (one[0] == '\0' || k + 1 + strlen(one) >= size)
            continue;
        k += (size_t)snprintf(out + k, size - k, "%s%s", k > 0 ? "," : "", one);
    }
    GENERAL_NAMES_free(names);
}

static void
read_certificate(X509 *certificate, struct ca_certificate *out)
{
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    uint8_t bytes[32];
    int n = serial != NULL ? BN_num_bytes(serial) : 0;

    *out = (struct ca_certificate){0};
    if (n > 0 && n <= (int)sizeof bytes) {
        BN_bn2bin(serial, bytes);
        hex_encode(bytes, (size_t)n, out->serial_hex);
    }
    BN_free(serial);
    subject_part(certificate, NID_organizationName, out->subject.tenant,
                 sizeof out->subject.tenant);
    subject_part(certificate, NID_commonName, out->subject.device, sizeof out->subject.device);
    subject_part(certificate, NID_organizationalUnitName, out->subject.kind,
                 sizeof out->subject.kind);
    subject_names(certificate, out->subject.names, sizeof out->subject.names);
    out->not_before_us = time_us(X509_get0_notBefore(certificate));
    out->not_after_us = time_us(X509_get0_notAfter(certificate));
    x509_digest(certificate, out->sha256);
    if (X509_get0_pubkey(certificate) != NULL)
        x509_key_digest(X509_get0_pubkey(certificate), out->key_sha256);
    out->is_ca = X509_check_ca(certificate) != 0;
    ERR_clear_error();
}

int
ca_read(const char *pem, struct ca_certificate *out, struct err *err)
{
    X509 *certificate = x509_read(pem, err);

    if (certificate == NULL)
        return -1;
    read_certificate(certificate, out);
    X509_free(certificate);
    return 0;
}

int
ca_read_file(const char *path, struct ca_certificate *out, struct err *err)
{
    X509 *certificate = x509_read_file(path, err);

    if (certificate == NULL)
        return -1;
    read_certificate(certificate, out);
    X509_free(certificate);
    return 0;
}

static int
verify_by(X509 *certificate, X509 *root, struct err *err)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int rc = 0;

    CHECK(store != NULL && ctx != NULL && X509_STORE_add_cert(store, root) == 1);
    CHECK(X509_STORE_CTX_init(ctx, store, certificate, NULL) == 1);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(clock_wall_us() / 1000000));
    if (X509_verify_cert(ctx) != 1)
        rc = err_set(err, ERR_DENIED, "the certificate is not good: %s",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    ERR_clear_error();
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return rc;
}

int
ca_verify(const char *pem, const char *ca_pem_text, const char *key_path, struct err *err)
{
    X509 *certificate = x509_read(pem, err), *root = NULL;
    EVP_PKEY *key = NULL;
    int rc = -1;

    if (certificate == NULL)
        goto out;
    root = x509_read(ca_pem_text, err);
    if (root == NULL || verify_by(certificate, root, err) < 0)
        goto out;
    if (key_path != NULL) {
        key = x509_key_read(key_path, err);
        if (key == NULL)
            goto out;
        if (X509_check_private_key(certificate, key) != 1) {
            x509_error(err, ERR_DENIED, "the certificate is for another key");
            goto out;
        }
    }
    rc = 0;
out:
    EVP_PKEY_free(key);
    X509_free(root);
    X509_free(certificate);
    return rc;
}
