/* ca.h - the deployment's certificate authority: EC P-256, SHA-256, X.509 v3.
 *
 * A CA is a folder: ca.key (PEM, 0600), ca.pem. It signs server certificates (names and addresses
 * in the SAN, serverAuth) and client certificates (O = tenant, CN = device, OU = kind, clientAuth);
 * serial numbers are 159 random bits. A client that serves others too (a reader) gets its names
 * into the SAN and serverAuth beside. A certificate begins an hour before now, for clocks that are
 * late. Threads: a CA may be used by several. */
#ifndef RADPOST_TRUST_CA_H
#define RADPOST_TRUST_CA_H

#include "proto/base/buf.h"
#include "proto/trust/digest.h"

struct ca;

#define CA_PEM_LIMIT 65536
#define CA_NAMES_SIZE 513

/* What a certificate of ours says. */
struct ca_subject {
    char tenant[65];           /* O */
    char device[65];           /* CN */
    char kind[17];             /* OU: "gateway", "reader" */
    char names[CA_NAMES_SIZE]; /* SAN: "10.0.0.7,reader.example"; "" = it serves nobody */
};

struct ca_certificate {
    struct ca_subject subject;
    char serial_hex[65];
    int64_t not_before_us, not_after_us;
    uint8_t sha256[DIGEST_BYTES];     /* fingerprint: of the DER form */
    uint8_t key_sha256[DIGEST_BYTES]; /* of the public key (SubjectPublicKeyInfo) */
    bool is_ca;
};

/* Make the folder's CA, named name ("Radpost demo CA"), good for 20 years, if there is none yet.
 * errors  ERR_CONFLICT only one of its two files is there; those of durable.h */
int ca_create(const char *dir, const char *name, struct err *err) MUST_CHECK;
int ca_open(const char *dir, struct ca **out_ca, struct err *err) MUST_CHECK;
void ca_close(struct ca **ca);
/* The CA's own certificate. */
const char *ca_pem(const struct ca *ca);
void ca_fingerprint(const struct ca *ca, uint8_t out_sha256[DIGEST_BYTES]);

/* Key and certificate of a server, into dir/server.key and dir/server.pem (own, then the CA's).
 * names: "127.0.0.1,localhost,storage.example.cn". Left alone when it is there, names these, comes
 * from this CA and lasts at least another month; else made anew, for the key that is there: the
 * present one stays until the new one takes its place. */
int ca_make_server(const struct ca *ca, const char *dir, const char *names, int days,
                   struct err *err) MUST_CHECK;
/* The same, whatever the present one; the key must be there. */
int ca_renew_server(const struct ca *ca, const char *dir, const char *names, int days,
                    struct err *err) MUST_CHECK;
/* A client certificate for the key of a PEM certificate request, whose own subject counts nothing.
 * It begins a life before it is issued, or when the CA did: one that was made while clocks were
 * ahead serves when they are right again.
 * errors  ERR_REJECT no request, its signature is wrong, its key is not EC P-256, or the subject's
 *         names are none */
int ca_sign_client(const struct ca *ca, const char *csr_pem, const struct ca_subject *subject,
                   int64_t life_s, struct buf *out_pem, struct err *err) MUST_CHECK;
/* Is this a list of names and addresses, at most 16, that a certificate can carry? */
int ca_check_names(const char *names, struct err *err) MUST_CHECK;
/* The digest of a request's public key, its signature checked (see enrol.h: one code, one key). */
int ca_request_key(const char *csr_pem, uint8_t out_key_sha256[DIGEST_BYTES],
                   struct err *err) MUST_CHECK;

/* The client's half: a key in dir/NAME.key (kept if it is there) and a request for it. */
int ca_make_request(const char *dir, const char *name, struct buf *out_csr_pem,
                    struct err *err) MUST_CHECK;

/* Read the first certificate of a PEM text or file. */
int ca_read(const char *pem, struct ca_certificate *out, struct err *err) MUST_CHECK;
int ca_read_file(const char *path, struct ca_certificate *out, struct err *err) MUST_CHECK;
/* Does ca_pem's certificate sign pem's, is that in its time, and for this key file (NULL: not
 * asked)? errors: ERR_DENIED says which is not so. */
int ca_verify(const char *pem, const char *ca_pem_text, const char *key_path,
              struct err *err) MUST_CHECK;

#endif
