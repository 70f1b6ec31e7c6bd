/* fuzz_cms.c - a signature from outside: judged, never a crash. The CA is any certificate. */
#include "proto/base/log.h"
#include "proto/trust/cms.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char ca[] = "-----BEGIN CERTIFICATE-----\n"
                         "MIIBezCCASGgAwIBAgIUTm4SnvJVCgwW58WLkDSc/riap8kwCgYIKoZIzj0EAwIw\n"
                         "GjEYMBYGA1UEAwwPVGVzdCBzaWduaW5nIENBMB4XDTI2MTEyMjAxMjIyOVoXDTQ2\n"
                         "MTEyMjAyMjIyOVowGjEYMBYGA1UEAwwPVGVzdCBzaWduaW5nIENBMFkwEwYHKoZI\n"
                         "zj0CAQYIKoZIzj0DAQcDQgAEFFhTOD6pQJN0foV5+nuoz4QVqpiG4Etb1cpa0mtn\n"
                         "E8fbR2otNRdzoIjVdWUq66tNyszZ4e6DKIcAa3opym47TaNFMEMwEgYDVR0TAQH/\n"
                         "BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFAXXB5bB6050x6/K\n"
                         "1sdYTghvL+zlMAoGCCqGSM49BAMCA0gAMEUCIQDlijd4MCQ/ZYbcIJMiJqwiVDiX\n"
                         "nvpH9DSCEy7gtaGGqwIgCAxMq4lotH6zUScG6+T26YUzyKahzjBDWL8xFWhawc4=\n"
                         "-----END CERTIFICATE-----\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cms_verdict v;
    struct err err;

    log_set_fd(-1);
    if (cms_verify(data, n, "text", 4, ca, &v, &err) < 0)
        abort(); /* the CA can be read */
    if (memchr(v.why, 0, sizeof v.why) == NULL ||
        memchr(v.signer.name, 0, sizeof v.signer.name) == NULL)
        abort();
    return 0;
}
