/* fuzz_csr.c - certificate requests and certificates from peers. */
#include "proto/base/log.h"
#include "proto/trust/ca.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *pem = mem_new(n + 1);
    uint8_t key[DIGEST_BYTES];
    struct ca_certificate certificate;
    struct err err;

    log_set_fd(-1);
    memcpy(pem, bytes, n);
    if (ca_request_key(pem, key, &err) < 0)
        CHECK(err.kind == ERR_REJECT);
    if (ca_read(pem, &certificate, &err) == 0) {
        CHECK(strlen(certificate.subject.tenant) < sizeof certificate.subject.tenant);
        if (ca_verify(pem, pem, NULL, &err) < 0)
            CHECK(err.kind == ERR_DENIED);
    }
    free(pem);
    return 0;
}
