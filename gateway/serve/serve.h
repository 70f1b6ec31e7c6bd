/* serve.h - what the clinic's own devices may ask of the gateway beside storing: Storage Commitment
 * (PS3.4 J, Push Model, as SCP) and Query/Retrieve of what is still here (PS3.4 C, as SCP).
 *
 *     accept_open > serve_start > accept_listen > ... > serve_stop > accept_stop > serve_close
 *
 * Commitment: an N-ACTION is answered 0000H only when its transaction is durable in DIR/commit. It
 * is decided when each of its instances is: sealed at the centre (or, where the options say so,
 * durable here) with no question open on its study, put aside, of another class, or still missing
 * when the grace period is over. Then one N-EVENT-REPORT tells the device, on an association it
 * holds open or on one of ours, as its row says; that is tried again, across restarts, until the
 * device answers or it is given up. Each device has its own share of transactions and its own time
 * to be called: one that cannot be reached takes nothing from another. On disk:
 * docs/formats/serve.md. What devices are told: docs/conformance-dimse.md.
 *
 * Query/Retrieve: only devices with may=query. Names and identities come from the files that are
 * here; they are kept in memory only and never logged. Quarantined instances are neither found nor
 * sent. What has been sealed and removed counts as failed when its study is retrieved: nobody is
 * told that the rest is all of it.
 * Threads: start, stop and close from the owner; all else from any. */
#ifndef RADPOST_GATEWAY_SERVE_H
#define RADPOST_GATEWAY_SERVE_H

#include "proto/base/err.h"
#include "proto/base/jsonw.h"

struct accept;
struct codec_pool;
struct serve;
struct spool;

struct serve_options {
    const char *dir;       /* made; commit/ and tmp/ below it */
    const char *ae;        /* our AE title; NULL or "" = RADPOST */
    struct spool *spool;   /* these three outlive it */
    struct accept *accept; /* opened, not listening yet */
    struct codec_pool *pool;
    bool has_questions;     /* serve_ask_questions() follows: before it, nothing is committed */
    bool is_durable_enough; /* success means durable here: only where is_mirrored */
    bool is_mirrored;       /* the spool is on two disks */
    int64_t grace_ms;       /* what has not arrived so long after it was asked for is 0112H */
    int64_t retry_ms;       /* first wait before a device is told again; doubles */
    int64_t retry_max_ms;
    int64_t give_up_ms; /* of running time, from the decision on */
    size_t held_most;   /* transactions open at once, of one device; 0 = 100,000 */
    /* what they weigh together, of one device; all devices' may weigh twice as much. An instance
     * weighs 1, a transaction beside them 5; 0 = 1,000,000 (so many times 132 bytes of memory) */
    uint64_t weight_most;
};

/* errors  ERR_REJECT is_durable_enough without is_mirrored; ERR_RETRY, ERR_FULL the folder */
int serve_start(const struct serve_options *options, struct serve **out_serve,
                struct err *err) MUST_CHECK;
/* Tell nobody any more; a call under way is ended, and made again after the next start.
 * Associations may still ask: what they ask is kept for it.
 * blocks  on a disk, and while a device's address takes no connection, for ten seconds */
void serve_stop(struct serve *serve);
void serve_close(struct serve **serve);

/* Does a question stand on the study, of a person's to answer? While one does, nothing of it is
 * committed. fn is called by one thread at a time and may wait for a disk; what it cannot know it
 * calls open. NULL: nobody knows any more; it is not called once this has returned. */
typedef bool (*serve_is_asked)(void *user, const char *study_uid);
void serve_ask_questions(struct serve *serve, serve_is_asked fn, void *user);

/* How many instances devices have asked us to commit together with this study's, and have not sent:
 * only ever adds to what is expected of a study. */
uint64_t serve_expected(struct serve *serve, const char *study_uid);

/* A transaction that announces what has not all come, of one study that is known, and was not noted
 * yet since the start; false: none. out->instances is the caller's (free). */
struct serve_announced {
    uint64_t number;
    char study[65], transaction[65];
    char (*instances)[65];
    size_t n;
};
bool serve_announced_next(struct serve *serve, struct serve_announced *out);
/* It is kept elsewhere: not told again. */
void serve_announced_noted(struct serve *serve, uint64_t number);

/* The members "open", "told", "commitments" and "devices" of an object that the caller has begun:
 * who waits for what, who could not be told. No patient data. */
void serve_report(struct serve *serve, struct jsonw *w);

#endif
