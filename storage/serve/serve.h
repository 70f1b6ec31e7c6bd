/* serve.h - the archive's answers over HTTP: QIDO-RS, WADO-RS, previews, the event feed.
 * What is served, and what is refused, stands in docs/conformance.md.
 *
 * 1. A caller sees its own tenant. What belongs to another answers exactly like what never was.
 * 2. An instance that is not whole and proved leaves by no DICOMweb route: 503 with Retry-After.
 *    Its first look leaves by /preview only, marked as such, never to be stored.
 * 3. Every search and every study taken out or looked at is in the audit log before a byte of it
 *    leaves; without an audit log that takes entries nothing leaves.
 * 4. An answer that cannot be finished is broken off, so that the client sees that it is not whole.
 * 5. Memory: one part of an answer at a time, however large the study.
 *
 * Threads: handlers run in the server's threads; a serve may be used by all of them at once. */
#ifndef RADPOST_STORAGE_SERVE_SERVE_H
#define RADPOST_STORAGE_SERVE_SERVE_H

#include "proto/http/server.h"

struct audit;
struct codec_pool;
struct keep;
struct serve;

struct serve_options {
    struct keep *keep; /* these three must outlive the serve */
    struct codec_pool *pool;
    struct audit *audit;
    const char *public_url;  /* "https://archive.example/dicomweb"; "" = as the request came */
    const char *cors_origin; /* the one web origin that may read answers; "" = none */
};

struct serve *serve_new(const struct serve_options *options);
/* After the servers that use its table have stopped. */
void serve_free(struct serve **serve);

/* Routes below /dicomweb, /preview, /archive and /events; lives as long as the serve. */
struct http_table serve_table(struct serve *serve);

/* For http_options.authorise, with the serve as its user: bearer tokens and client certificates as
 * the catalog knows them. A reader's certificate has all rights, in every tenant, and names the
 * tenant of a request in the header Radpost-Tenant; a gateway's may preview what its clinic sends.
 * errors  ERR_DENIED, ERR_RETRY */
int serve_authorise(void *serve, const char *bearer, struct http_caller *caller,
                    struct err *err) MUST_CHECK;

#endif
