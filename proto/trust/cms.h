/* cms.h - signatures of people: detached CMS (RFC 5652) in DER, EC P-256, SHA-256.
 *
 * A signature holds its signing time, the digest of the content and of the signer's certificate
 * (RFC 5035) as signed attributes, and both certificates of the chain, so that it verifies with
 * nothing but the content, the CA's certificate and stock tools:
 *     openssl cms -verify -binary -inform DER -in signature.p7s -content FILE -CAfile ca.pem
 * A person's certificate names them: CN = name, serialNumber = licence, O = organisation.
 * Threads: functions are free of state; a signer may be used by one at a time. */
#ifndef RADPOST_TRUST_CMS_H
#define RADPOST_TRUST_CMS_H

#include "proto/base/buf.h"
#include "proto/trust/ca.h"

struct cms_signer;

struct cms_person {
    char name[129];
    char licence[65];
    char organisation[129];
};

/* A fresh key (PKCS#8 DER, in the clear) and certificate (DER) for a person, by this CA. A name or
 * organisation longer than a certificate takes (64 characters) is cut; the report has it whole.
 * errors  ERR_REJECT no name, or not UTF-8 */
int cms_person_new(const struct ca *ca, const struct cms_person *person, int days,
                   struct buf *out_key, struct buf *out_certificate, struct err *err) MUST_CHECK;
/* errors  ERR_REJECT they do not belong together or cannot be read */
int cms_signer_open(const struct ca *ca, const void *key, size_t key_n, const void *certificate,
                    size_t certificate_n, struct cms_signer **out_signer,
                    struct err *err) MUST_CHECK;
void cms_signer_free(struct cms_signer **signer);
/* Is this signer's certificate for that person, and good at that time and a day longer? */
bool cms_signer_is_for(const struct cms_signer *signer, const struct cms_person *person,
                       int64_t at_us);
/* Sign bytes; at_us becomes the signing time (seconds). DER is added to out. */
int cms_sign(const struct cms_signer *signer, const void *content, size_t n, int64_t at_us,
             struct buf *out, struct err *err) MUST_CHECK;

enum cms_fault {
    CMS_GOOD,
    CMS_CONTENT,     /* the content is not what was signed */
    CMS_SIGNATURE,   /* the signature is not good, or not of the form above */
    CMS_CERTIFICATE, /* the signer's certificate is not this CA's, or was not good at that time */
};

struct cms_verdict {
    enum cms_fault fault;
    char why[160];            /* in words; "" when good */
    struct cms_person signer; /* as the certificate says; empty when it cannot be read */
    int64_t signed_at_us;
    uint8_t certificate_sha256[DIGEST_BYTES], ca_sha256[DIGEST_BYTES];
};

/* Judge a signature. What is signed names its own form strictly: one signer, DER, the attributes
 * above, and no byte beside them.
 * errors  ERR_REJECT the CA's certificate cannot be read; everything else is a verdict */
int cms_verify(const void *cms, size_t cms_n, const void *content, size_t n, const char *ca_pem,
               struct cms_verdict *out, struct err *err) MUST_CHECK;

/* The certificate (PEM, fresh text) of who issued the signer's, as it stands in the signature: what
 * it verifies against, however many CAs there were since. It proves nothing by itself.
 * errors  ERR_REJECT it is not in there */
int cms_issuer_pem(const void *cms, size_t cms_n, char **out_pem, struct err *err) MUST_CHECK;

#endif
