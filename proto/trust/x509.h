/* x509.h - what ca.c and audit share of keys, certificates and requests; inside proto/trust only,
 * since OpenSSL's types are in it. Objects are the caller's, freed by OpenSSL's own functions. */
#ifndef RADPOST_TRUST_X509_H
#define RADPOST_TRUST_X509_H

#include "proto/trust/ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* OpenSSL's own words for what failed last; its queue is emptied. Returns -1. */
int x509_error(struct err *err, enum err_kind kind, const char *what);
/* What a memory BIO holds, as fresh zero-ended text. */
char *x509_bio_text(BIO *bio, size_t *out_n);

/* NULL and err on failure. */
X509 *x509_read(const char *pem, struct err *err);
X509 *x509_read_file(const char *path, struct err *err);
EVP_PKEY *x509_key_read(const char *path, struct err *err);
/* A request whose key is EC P-256 and whose signature is its own. */
X509_REQ *x509_request_read(const char *csr_pem, struct err *err);

char *x509_pem(X509 *certificate);
void x509_digest(X509 *certificate, uint8_t out[DIGEST_BYTES]);
EVP_PKEY *x509_key_new(void);
void x509_key_digest(EVP_PKEY *key, uint8_t out[DIGEST_BYTES]);
/* PEM, 0600, durable; dir has a tmp folder: x509_make_folder(). */
int x509_key_save(EVP_PKEY *key, const char *dir, const char *file, struct err *err) MUST_CHECK;
int x509_make_folder(const char *dir, struct err *err) MUST_CHECK;

/* A part of a name: field as OpenSSL knows it ("CN"), value UTF-8; empty ones are left out. */
struct x509_word {
    const char *field, *value;
};

/* ca.c: a certificate by the CA for a key, with such key usage. NULL and err (ERR_REJECT: a value
 * that cannot stand in a name). */
X509 *ca_certify(const struct ca *ca, EVP_PKEY *key, const struct x509_word *names, size_t count,
                 int days, const char *usage, const char *extended, struct err *err);

#endif
