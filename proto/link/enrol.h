/* enrol.h - how a new gateway or reader gets its certificate, both halves.
 *
 *     radpost enrol new > a one-time code (trust/token.h) that holds a secret and pins the CA
 *     GET  /link/v1/ca      > the CA's certificate; nothing secret has been said yet
 *     the code's pin is compared with it: from here on only this CA is trusted
 *     POST /link/v1/enrol   {"code": "...", "csr": "-----BEGIN CERTIFICATE REQUEST..."}
 *       > {"certificate": PEM, "ca": PEM, "tenant": "...", "device": "...", "kind": "gateway",
 *          "addresses": {"name": "value", ...}}
 *     POST /link/v1/renew   {"csr": "..."} with the present certificate > the same answer
 *
 * A code is good for one key: asked again with the same request key before its end (the answer was
 * lost on the way) it answers again; with another key it is spent. Threads: no state but the files.
 */
#ifndef RADPOST_LINK_ENROL_H
#define RADPOST_LINK_ENROL_H

#include "proto/base/buf.h"
#include "proto/http/client.h"
#include "proto/http/server.h"
#include "proto/trust/ca.h"
#include "proto/trust/token.h"

enum { ENROL_CLIENT_DAYS = 398 };

/* ---- the side that has the CA: enrol_serve.c ---- */
struct enrol_server {
    const struct ca *ca;
    int days; /* of a client certificate; 0: ENROL_CLIENT_DAYS */
    /* NULL-ended name, value, name, value...: told to the device, e.g. "link_url", "storage_ae" */
    const char *const *addresses;
    void *user;
    /* Settle whose code this is and spend it for this key, durably, once and for all.
     * errors  ERR_DENIED unknown, out of time, or spent for another key */
    int (*burn)(void *user, const uint8_t code_sha256[DIGEST_BYTES],
                const uint8_t key_sha256[DIGEST_BYTES], struct ca_subject *out_subject,
                struct err *err);
    /* Note the new certificate (device row, audit) before it is answered. is_renewal: by /renew. */
    int (*issued)(void *user, const struct ca_certificate *certificate, bool is_renewal,
                  const char *peer, struct err *err);
    /* Before a renewal: the names that the present certificate of this serial carries, which the
     * new one gets again. NULL: none. */
    int (*names)(void *user, const char *serial_hex, char out[CA_NAMES_SIZE], struct err *err);
};

/* GET /link/v1/ca, POST /link/v1/enrol for anyone; POST /link/v1/renew for gateways and readers.
 * server lives as long as the HTTP server. */
struct http_table enrol_table(struct enrol_server *server);

/* ---- the side that is new: enrol.c ---- */
struct enrol_identity {
    char tenant[65];
    char device[65];
    char kind[17];
    int64_t issued_us, not_after_us; /* by the clock of who issued it */
    /* files in the identity's folder, for http_client_options */
    char certificate[512];
    char key[512];
    char ca[512];
    struct buf addresses; /* JSON object as told by the centre; see enrol_address() */
};

/* Enrol at url ("https://centre:8443") with a code as typed; files go to dir (made 0700): ca.pem,
 * identity.pem (key and certificate in one file, so that a renewal swaps both at once), and last
 * identity.json. Safe to repeat after a crash with the same code.
 * errors  ERR_REJECT the code is mistyped; ERR_DENIED the centre is not the one the code was made
 *         by, or it refuses the code; ERR_RETRY line; ERR_CONFLICT dir holds an identity whose
 *         certificate is in force */
int enrol_new(const char *dir, const char *url, const char *typed_code, struct enrol_identity *out,
              struct err *err) MUST_CHECK;
/* Where the way to the centre does not just begin at the door. */
struct enrol_way {
    const char *proxy;      /* "http://host:port", CONNECT; NULL: none */
    const char *proxy_user; /* "user:password"; NULL: it asks for none */
    const char *source;     /* interface or address of ours; NULL: the routes decide */
};
/* enrol_new() that way. An identity whose certificate has ended (a clinic that was offline for
 * months), or of which the centre at url, asked with it, says that it is not permitted (its catalog
 * was put back from an older backup), is replaced: the new code is the way back.
 * errors  as above; ERR_CONFLICT also when the code is for another clinic or kind of device than
 *         that identity, which stays; the code is spent */
int enrol_new_by(const char *dir, const char *url, const struct enrol_way *way,
                 const char *typed_code, struct enrol_identity *out, struct err *err) MUST_CHECK;
/* What failed, for whoever types the code: the clock where it is that, the code where the centre
 * refused it (it does not tell strangers why). */
void enrol_explain(struct err *err);
/* ERR_NOT_FOUND: not enrolled yet. */
int enrol_load(const char *dir, struct enrol_identity *out, struct err *err) MUST_CHECK;
/* Changes when an enrolment or a renewal has put other files there; 0: there is no identity. */
uint64_t enrol_stamp(const char *dir);
void enrol_identity_fini(struct enrol_identity *identity);
/* One of the addresses the centre told; false when it did not. */
bool enrol_address(const struct enrol_identity *identity, const char *name, char *out, size_t size);
/* Renew with the present certificate if less than a third of its life is left (or is_forced): new
 * key, new certificate, swapped in as a pair; the addresses are taken as the centre tells them now.
 * out_is_renewed tells whether to load again. */
int enrol_renew(const char *dir, const char *url, bool is_forced, bool *out_is_renewed,
                struct err *err) MUST_CHECK;
int enrol_renew_by(const char *dir, const char *url, const struct enrol_way *way, bool is_forced,
                   bool *out_is_renewed, struct err *err) MUST_CHECK;

#endif
