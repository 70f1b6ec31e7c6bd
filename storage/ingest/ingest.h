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

#endif
