/* archive.h - the archive as the reader sees it: storage over mutual TLS, by our enrolment.
 *
 *     events > (cursor in the caller's transaction) > study facts, manifest > reads
 *     the page > the reader's proxy > archive_fetch() > pixels
 *     signed documents > archive_stow() > the clinic's study
 *
 * 1. Every call names the tenant whose study it means; what another tenant has answers NOT_FOUND.
 * 2. Nothing here keeps a study's state: what storage says is asked each time. Only device checks
 *    are remembered, for ARCHIVE_DEVICE_MS.
 * 3. A call that waits ends within a second of archive_abort(), with ERR_RETRY; so do later ones.
 * Errors of every call, besides its own: ERR_RETRY the line, storage away or not whole yet (503);
 * ERR_DENIED our certificate is not taken, or the server's is not our CA's; ERR_NOT_FOUND.
 * Threads: every function may be called by any thread at once; callbacks run in the caller's
 * thread with no lock held. A call borrows one of a pool of kept connections (at most
 * ARCHIVE_CONNECTIONS at once; one more waits its turn). A long poll has a connection of its own.
 */
#ifndef RADPOST_READER_ARCHIVE_ARCHIVE_H
#define RADPOST_READER_ARCHIVE_ARCHIVE_H

#include "proto/base/buf.h"

struct archive;
struct http_server;

enum { ARCHIVE_CONNECTIONS = 32, ARCHIVE_DEVICE_MS = 5000 };

/* identity_dir  as proto/link/enrol.h made it (kind reader)
 * url           "https://storage.example:8443"; "" or NULL: the "link_url" told at enrolment
 * errors        ERR_NOT_FOUND not enrolled yet, ERR_REJECT no address, ERR_CONFLICT the identity is
 *               not a reader's; storage itself need not answer yet */
int archive_open(const char *identity_dir, const char *url, struct archive **out_archive,
                 struct err *err) MUST_CHECK;
/* After all its callers have returned. */
void archive_close(struct archive **archive);
/* For shutting down, from any thread. */
void archive_abort(struct archive *archive);
/* The certificate was renewed: connections made from now on show the new one. */
void archive_renewed(struct archive *archive);
/* Our certificate is renewed in time (proto/link/enrol.h), and listeners show what their files say,
 * also those of others, whoever replaced them: looked at once and then every hour. Who connects
 * from then on meets the new one, and nobody is cut off. */
struct archive_renewal;

struct archive_renewal_options { /* all of it outlives the renewal */
    struct archive *archive;
    const char *identity_dir, *url;
    struct http_server *servers[3]; /* NULL: none */
    const char *web_certificate;    /* that somebody else renews: its last month is told; NULL */
};

struct archive_renewal *archive_renewal_start(const struct archive_renewal_options *options);
void archive_renewal_stop(struct archive_renewal **renewal); /* before the servers' stop */

/* Does storage answer, and take our certificate? */
int archive_check(struct archive *archive, struct err *err) MUST_CHECK;

/* ---- events ---- */

/* A late list is told twice, in this order: study.closed, then study.late; acting on study.closed
 * alone is enough. What the reader itself stores (archive_stow) never makes a study.arrived,
 * .closed or .late. */
struct archive_event {
    uint64_t seq;
    char tenant[65];
    char kind[32]; /* study.arrived .looked .closed .late .complete .sealed; instance.quarantined;
                      documents.missing: docs/conformance.md */
    char study[65];
    int64_t at_us;
    /* Of study.closed, .late and .complete: the study's list this is about, numbered 1, 2, 3...
     * through all its senders, and how many instances it names in all; else 0. */
    uint32_t revision;
    uint64_t instances;
    bool is_late;       /* of study.closed: something was closed before (revision > 1) */
    const char *detail; /* the JSON object as told; "{}" when there is none */
};

/* 0 to go on; anything else ends the call without an error (keep the last seq that was settled). */
typedef int (*archive_on_event)(void *user, const struct archive_event *event);
/* The event that was settled last, as it was told. */
struct archive_cursor {
    uint64_t seq;
    int64_t at_us; /* 0: not known */
};
/* Events of all tenants after a cursor, in order, each once; waits up to wait_s (at most 60) for
 * the first. None is no error. A cursor that is kept with what it led to misses nothing.
 * out_is_lost  the archive never had the event the cursor stands at: it was set back to a backup.
 *              No event is told; *cursor is where to go on from, and some come again */
int archive_events(struct archive *archive, struct archive_cursor *cursor, unsigned wait_s,
                   archive_on_event on_event, void *user, bool *out_is_lost,
                   struct err *err) MUST_CHECK;

/* ---- what a study is ---- */

/* Texts are UTF-8, "" when the study has none; dates YYYYMMDD, times HHMMSS[.f], as in DICOM. */
struct archive_study {
    char study[65];
    char patient_id[257], issuer[257], patient_name[513]; /* the name with its '^' and '=' */
    char sex[17], birth_date[17], age[17];
    char study_date[17], study_time[33];
    char accession[65], study_id[65], description[257], referring[513], institution[257];
    char body_part[65];  /* of the first series that says one */
    char modalities[97]; /* "CT", "CT\\PT": of images and waveforms; SR KO PR DOC are left out */
    uint32_t series;     /* of those modalities, with at least one whole instance */
    uint32_t instances;  /* whole, in those series */
};

/* errors  ERR_NOT_FOUND nothing of it is whole yet, or there is no such study */
int archive_study_facts(struct archive *archive, const char *tenant, const char *study,
                        struct archive_study *out, struct err *err) MUST_CHECK;

/* The same when not all of it is whole yet: of series of which nothing is, the heads of files on
 * their way tell, as unproved as a first look. For who is to read it, not for what leaves.
 * series, instances  as above, but the former with those on their way
 * errors  ERR_NOT_FOUND nothing of it says what it is yet */
int archive_study_coming(struct archive *archive, const char *tenant, const char *study,
                         struct archive_study *out, struct err *err) MUST_CHECK;

/* Priors: the studies of one patient in one tenant, newest first, at most limit. Matches identifier
 * and issuer exactly; a patient without identifier has none. Each study's facts as above, but
 * body_part stays "". */
typedef int (*archive_on_study)(void *user, const struct archive_study *study);
int archive_patient_studies(struct archive *archive, const char *tenant, const char *patient_id,
                            const char *issuer, uint32_t limit, archive_on_study on_study,
                            void *user, struct err *err) MUST_CHECK;

/* The closed list of a study: all its senders' lists together, as they stood at that revision.
 * {"study":UID,"revision":n,"closed_at":"2026-01-31T10:11:12.000000Z","instances":[
 *   {"sop_instance":UID,"sop_class":UID,"series":UID,"object":hex,"pixels":hex,"dataset":hex,
 *    "is_whole":true}, ...]}, sorted by sop_instance, no blanks: the same list is the same bytes.
 * What is not whole yet has "" for sop_class and series unless it was offered, and a list always
 * names object; pixels and dataset are "" until it is whole or offered.
 * revision  0 = the latest
 * out_json  appended to; set its limit to ARCHIVE_MANIFEST_BYTES
 * errors    ERR_NOT_FOUND no such study, or nothing of it is closed yet (in this revision) */
#define ARCHIVE_MANIFEST_BYTES ((size_t)64 << 20)
int archive_manifest(struct archive *archive, const char *tenant, const char *study,
                     uint32_t revision, struct buf *out_json, struct err *err) MUST_CHECK;

enum { ARCHIVE_GONE_REASON = 801, ARCHIVE_GONE_BY = 257 };

/* Images that lists named and that are lost for good, as a person said last; the study's list is
 * without them until they come after all. */
struct archive_gone {
    uint64_t images; /* 0: none; the rest is empty */
    char reason[ARCHIVE_GONE_REASON], by[ARCHIVE_GONE_BY];
    int64_t at_us;
};
/* That what the list names and is not there is lost for good; the list is closed anew without it.
 * said    images: how many the person was told are missing; at_us is not told
 * errors  ERR_NOT_FOUND nothing of it is closed; ERR_CONFLICT another number is missing, or
 *         something of it came just now; ERR_RETRY it may have been done */
int archive_gone_put(struct archive *archive, const char *tenant, const char *study,
                     const struct archive_gone *said, struct err *err) MUST_CHECK;

/* How a study stands: for words like "12 of 30". What the reader stored is not counted. */
struct archive_standing {
    uint64_t offered, looked, whole, sealed, quarantined; /* instances */
    uint32_t revision;                                    /* latest closed list, 0 = none */
    uint64_t expected;                                    /* instances in it */
    uint64_t missing;   /* of those, here in no file, aside neither: what may be called lost */
    uint64_t announced; /* how many the devices say there are; 0: they did not */
    struct archive_gone gone;
    /* of what was offered; what of it is durable there; what comes a second just now, 0: nothing */
    uint64_t bytes_all, bytes_there, bytes_per_s;
    int64_t seconds_left; /* until all of the list is there; -1: nobody knows */
    int64_t last_at_us;
};
int archive_standing_get(struct archive *archive, const char *tenant, const char *study,
                         struct archive_standing *out, struct err *err) MUST_CHECK;

/* ---- storing what the reader made ---- */

struct archive_file {
    const void *bytes; /* a whole Part 10 file: SR, Encapsulated PDF, KO or PR, nothing else */
    size_t n;
};

/* All files into one study of the tenant (STOW-RS). 0 only when every one is durable in two places
 * or was there already: repeating after any error is safe and stores nothing twice.
 * errors  ERR_REJECT storage refuses one for good (not readable, another class, another study);
 *         ERR_CONFLICT one contradicts what is kept under its UID (it is kept aside) */
int archive_stow(struct archive *archive, const char *tenant, const char *study,
                 const struct archive_file *files, size_t count, struct err *err) MUST_CHECK;

/* ---- reading pixels ---- */

/* One GET (or HEAD) of storage, streamed; for the proxy below the reader's /dicomweb and /preview.
 * path     with query, encoded, as on storage: "/dicomweb/studies/1.2/...". Not vetted here.
 * headers  "Name: value", NULL-ended: Accept, Range, If-None-Match, X-Request-Id... or NULL.
 *          Radpost-Tenant is set by this function
 * on_head  once, as soon as the status and headers are here, before the first byte; -1 ends the
 *          call. Then on_bytes as they come, of any status (a refusal's JSON too); -1 ends the
 *          call. Both may block: storage is held back.
 * errors   ERR_RETRY also when the stream broke off: what came is not whole; those of callbacks */
struct archive_head {
    int status;
    const struct buf *headers; /* "Name: value\r\n"...; see archive_head_find() */
    uint64_t size;             /* Content-Length, or UINT64_MAX */
};
typedef int (*archive_on_head)(void *user, const struct archive_head *head, struct err *err);
typedef int (*archive_on_bytes)(void *user, const uint8_t *bytes, size_t n, struct err *err);
/* A header's value, copied; false when it is not there or longer than size. */
bool archive_head_find(const struct archive_head *head, const char *name, char *out, size_t size);

struct archive_request {
    const char *method; /* NULL: "GET" */
    const char *tenant;
    const char *path;
    const char *const *headers;
    archive_on_head on_head;
    archive_on_bytes on_bytes;
    void *user;
};

int archive_fetch(struct archive *archive, const struct archive_request *request,
                  struct err *err) MUST_CHECK;

struct archive_picture {
    const char *tenant, *study, *series, *sop_instance;
    uint32_t frame;     /* from 1 */
    unsigned viewport;  /* longest side in pixels, 0 = as large as it is */
    unsigned quality;   /* 1..100, 0 = storage's */
    const char *window; /* "centre,width[,function]" as in WADO-RS, or NULL: the instance's own */
};

/* A picture as the archive renders it (JPEG), of whole, proved pixels only.
 * out_jpeg  appended to; its limit is the caller's
 * errors    ERR_RETRY it is not whole yet */
int archive_rendered(struct archive *archive, const struct archive_picture *picture,
                     struct buf *out_jpeg, struct err *err) MUST_CHECK;

/* ---- devices ---- */

/* Is this certificate one of the deployment's, of this tenant and device, and not revoked? An
 * answer is remembered for ARCHIVE_DEVICE_MS, so that a revoked gateway is out within that.
 * errors  ERR_DENIED it is not; ERR_RETRY storage cannot be asked: do not let it in */
int archive_device_check(struct archive *archive, const char *serial_hex, const char *tenant,
                         const char *device, struct err *err) MUST_CHECK;

#endif
