/* tls_own.c - the certificate that signs itself, of a port for which nobody made one. */
#include "proto/trust/tls_pipe.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/trust/x509.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAYS = 3650, KEY_BITS = 2048 };

static X509 *
sign_itself(EVP_PKEY *key, const char *common_name)
{
    X509 *c = X509_new();
    X509_NAME *name;
    uint8_t serial[8];

    CHECK(c && X509_set_version(c, X509_VERSION_3) == 1);
    random_bytes(serial, sizeof serial);
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), le64_read(serial) >> 1) == 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_time_adj_ex(X509_getm_notAfter(c), DAYS, 0, NULL);
    name = X509_get_subject_name(c);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                     -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(c, name) == 1 && X509_set_pubkey(c, key) == 1 &&
          X509_sign(c, key, EVP_sha256()) > 0);
    return c;
}

int
tls_pipe_make_certificate(const char *dir, const char *file, const char *common_name,
                          struct err *err)
{
    char *key_file = mem_printf("%s.key", file), *pem_file = mem_printf("%s.pem", file);
    char *key_path = mem_printf("%s/%s", dir, key_file),
         *pem_path = mem_printf("%s/%s", dir, pem_file);
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    char *pem = NULL;
    int rc = -1;

    if (access(key_path, F_OK) == 0 && access(pem_path, F_OK) == 0) {
        rc = 0;
        goto out;
    }
    key = EVP_RSA_gen(KEY_BITS);
    CHECK(key != NULL);
    certificate = sign_itself(key, common_name);
    pem = x509_pem(certificate);
    if (x509_make_folder(dir, err) == 0 && x509_key_save(key, dir, key_file, err) == 0 &&
        durable_put_file(dir, pem_file, pem, strlen(pem), err) == 0)
        rc = 0;
out:
    free(pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    free(pem_path);
    free(key_path);
    free(pem_file);
    free(key_file);
    return rc;
}
