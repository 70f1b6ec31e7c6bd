/* ingest.h - how instances come into the archive over HTTP: the link of gateways, and STOW-RS.
 *
 *     gateway > offer > bundles > held, manifest > sealed, receipts      (docs/link-protocol.md)
 *     anybody with the right to store > STOW-RS > two durable copies     (PS3.18 10.5)
 *     C-STORE straight to the archive is storage/serve's DICOM door.
 *
 * A sender's tenant is read from its certificate or token, never from what it sends.
 * Threads: handlers run in the server's threads; an ingest may be used by all at once. */
#ifndef RADPOST_STORAGE_INGEST_INGEST_H
#define RADPOST_STORAGE_INGEST_INGEST_H

#include "proto/http/server.h"

struct audit;
struct ca;
struct ingest;
struct keep;

struct ingest_options {
    struct keep *keep; /* these three must outlive the ingest; audit may be NULL (tests) */
    struct audit *audit;
    const struct ca *ca;          /* issues the certificates of gateways and readers */
    const char *const *addresses; /* NULL-ended name, value...: told to a new device */
    /* parts of STOW-RS bodies, until they are kept; emptied at start; on the landing's disk */
    const char *spool_dir;
};

int ingest_new(const struct ingest_options *options, struct ingest **out_ingest,
               struct err *err) MUST_CHECK;
/* After the servers that use its tables have stopped. */
void ingest_free(struct ingest **ingest);

/* For the link's server, which asks client certificates. */
struct http_table ingest_link_table(struct ingest *ingest);
struct http_table ingest_enrol_table(struct ingest *ingest);
/* http_options.authorise of that server, with the ingest as its user: a certificate of ours that
 * is not revoked. errors  ERR_DENIED, ERR_RETRY */
int ingest_authorise(void *ingest, const char *bearer, struct http_caller *caller,
                     struct err *err) MUST_CHECK;

/* For the DICOMweb server: POST below /dicomweb/studies. */
struct http_table ingest_stow_table(struct ingest *ingest);

/* The certificate that gateways, the reader and viewers see of this archive stays in its time:
 * looked at once and then every minute, made anew in its last month or when it has not begun (the
 * clock was ahead, and ran evenly for two minutes since), shown to who connects from then on;
 * connections under way go on. What fails is told once a day with the days that are left, and so is
 * the end of the authority itself, from two years before. */
struct ingest_renewal;

struct ingest_renewal_options { /* all of it outlives the renewal */
    const struct ca *ca;
    const char *dir;                /* of server.key and server.pem, see ca_make_server() */
    const char *names;              /* of this server */
    int days;                       /* a new one's life */
    struct http_server *servers[2]; /* that were started with this pair; NULL: none */
};

/* At the start: the pair, made if it is due. Where it cannot be made (no room, the folder) and the
 * present one is good, that one serves, and the renewal goes on trying.
 * errors  as ca_make_server() */
int ingest_certificate_make(const struct ingest_renewal_options *options,
                            struct err *err) MUST_CHECK;
/* In a thread of its own, until ..._stop(), which comes before the servers' stop. */
struct ingest_renewal *ingest_renewal_start(const struct ingest_renewal_options *options);
void ingest_renewal_stop(struct ingest_renewal **renewal);

#endif
