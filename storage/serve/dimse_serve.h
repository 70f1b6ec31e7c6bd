/* dimse_serve.h - the archive on DIMSE: C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET.
 *
 * 1. Only AE titles of the catalog, from their addresses, and each within its tenant and rights;
 *    looked up again for every request, so that what is withdrawn ends with the next one.
 * 2. C-STORE is answered 0000H only after keep_store_direct() returned 0 (two copies).
 * 3. Only whole and proved instances are found or sent. Those of a study that are still on their
 *    way count as failed sub-operations: a receiver is never told that it has all of it.
 * 4. Every search and retrieval is in the audit log before a byte of it leaves.
 * Levels: study, series, image, in the study root and the patient root; what is sent is the stored
 * coding where the peer takes it, else explicit or implicit little endian. Answers in ISO_IR 192.
 * What is not offered (the patient level, relational retrieval) is refused:
 * docs/conformance-dimse.md. DICOM: PS3.4 B, C. Threads: start and stop from one thread. */
#ifndef RADPOST_STORAGE_SERVE_DIMSE_SERVE_H
#define RADPOST_STORAGE_SERVE_DIMSE_SERVE_H

#include "proto/base/err.h"
#include "proto/dicom/dimse.h"

struct audit;
struct codec_pool;
struct dimse_serve;
struct keep;

struct dimse_serve_options {
    struct keep *keep; /* these three must outlive it; audit may be NULL (tests) */
    struct codec_pool *pool;
    struct audit *audit;
    const char *address; /* numeric; NULL = every IPv4 address */
    uint16_t port;       /* 0 = one that is free */
    const char *ae;      /* our AE title: callers must call it, destinations are called by it */
    const char
        *scratch; /* folder for objects while they arrive; it is there, on the landing's disk */
    size_t max_associations;
    struct dimse_deadlines deadlines;
};

/* errors  ERR_FATAL port in use */
int dimse_serve_start(const struct dimse_serve_options *options, struct dimse_serve **out,
                      struct err *err) MUST_CHECK;
void dimse_serve_stop(struct dimse_serve **serve);
uint16_t dimse_serve_port(const struct dimse_serve *serve);

#endif
