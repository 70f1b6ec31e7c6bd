/* plain.h - plain ways out: archives and other receivers that speak DICOM or STOW-RS, beside our
 * centre or in its place, fed from the same spool.
 *
 * Each target of targets.conf keeps, of each instance, how far it is (item_states.def): sent as it
 * was received where the peer takes that, else decoded to little endian; then found there by query.
 * Beside the centre a target has its own durable marks, and the spool keeps the bytes while a
 * target still needs them. In the centre's place (instead-of-centre=yes) its answers move the
 * entry's own states: held = the peer answered success, sealed = a query found it there, so that
 * "safe to delete" rests on what the archive itself says it has. What is in doubt after a cut or a
 * kill is asked for before it is sent again. A line that is down is tried for ever; an instance the
 * peer refuses is set aside with its reason, the others go on. For people: docs/plain.md. On disk:
 * docs/formats/targets.md. Threads: start and stop from the owner; all else from any. */
#ifndef RADPOST_GATEWAY_PLAIN_H
#define RADPOST_GATEWAY_PLAIN_H

#include "proto/base/err.h"
#include "proto/base/jsonw.h"

struct codec_pool;
struct plain;
struct spool;
struct spool_entry;

struct plain_options {
    const char *file;    /* targets.conf; not there: no targets */
    const char *dir;     /* of the marks; made where there are targets */
    const char *ae;      /* our AE title; NULL or "" = RADPOST */
    struct spool *spool; /* both outlive it */
    struct codec_pool *pool;
    int64_t backoff_ms; /* first and longest wait of a line that is down */
    int64_t backoff_max_ms;
    int64_t stall_ms;  /* HTTP: nothing moves for so long */
    int64_t verify_ms; /* from an answer to the first question; doubles, at most a minute */
    int64_t lost_ms;   /* not found for so long: sent again */
};

/* From now on the spool keeps what a target needs (spool_keep_for). What a line of targets.conf
 * with a mistake is to get waits, and as long as there is one the spool keeps everything. errors
 * those of durable.h; of targets.conf never: its target is red in plain_report() */
int plain_start(const struct plain_options *options, struct plain **out_plain,
                struct err *err) MUST_CHECK;
/* Can all of targets.conf be read, or is there none? For whoever types it.
 * errors  ERR_REJECT "FILE: line N: what is wrong", others where the file cannot be read */
int plain_check_targets(const char *file, struct err *err) MUST_CHECK;
/* What was on its way is asked for next time. Until it is closed, or this starts again, the spool
 * keeps all bytes. */
void plain_stop(struct plain **plain);

/* Does one of the targets keep it instead of the centre? Depends on targets.conf alone. */
bool plain_is_archived(struct plain *plain, const struct spool_entry *entry);
/* The name of the target that keeps what this device sends; "" the centre. False: the line that
 * says so is wrong: what was kept before is where it was, what comes waits here. out is "" then. */
bool plain_archive_name(struct plain *plain, const char *device, const char *modality,
                        char out[33]);
/* What is wrong with targets.conf; "" nothing. As it was read at the start; the plain's. */
const char *plain_table_trouble(const struct plain *plain);
/* Is everything kept elsewhere, so that the centre's line says nothing? */
bool plain_is_all_archived(struct plain *plain);

/* How urgent a study is, more is sooner; NULL: all the same. Returns when no call runs. */
typedef unsigned (*plain_urgency_fn)(void *user, const char *study);
void plain_ask_urgency(struct plain *plain, plain_urgency_fn fn, void *user);

/* The array "targets": name, kind, lamp, what waits, what was refused and why. No patient data. */
void plain_report(struct plain *plain, struct jsonw *w);

/* What is the matter with a target: the worst of it. */
enum plain_ill {
    PLAIN_ILL_WELL,
    PLAIN_ILL_UNTRIED,      /* nothing has gone there since the start */
    PLAIN_ILL_WRONG,        /* its line of targets.conf: plain_table_trouble() */
    PLAIN_ILL_SICK,         /* its marks cannot be written */
    PLAIN_ILL_DENIED,       /* it does not let us in */
    PLAIN_ILL_CANNOT_ASK,   /* it answers no queries, or does not let us ask */
    PLAIN_ILL_DOWN,         /* for less than ten minutes, as the next but one */
    PLAIN_ILL_DOWN_LONG,    /* and longer */
    PLAIN_ILL_FULL,         /* it has no room */
    PLAIN_ILL_FULL_LONG,    /* and longer */
    PLAIN_ILL_REFUSES,      /* images, which are set aside */
    PLAIN_ILL_QUERIES_DOWN, /* what it answered success for is not found there for now */
    PLAIN_ILLS
};

struct plain_state {
    char name[33];
    enum plain_ill ill;
    bool is_archive;
    int64_t since_us; /* 0: not known */
    uint64_t waiting, refused;
    char trouble[200]; /* our own words: no patient data */
};

enum { PLAIN_STATES = 16 }; /* so many at most: targets, and lines that are wrong */
/* How each target stands, in the order of targets.conf; how many. */
size_t plain_states(struct plain *plain, struct plain_state out[PLAIN_STATES]);

/* By a person: what the target refused goes to it again; id 0: all of them
 * (a thousand at once).
 * errors  ERR_NOT_FOUND no such target, or nothing of that id was refused; ERR_CONFLICT it is kept
 *         there instead of the centre: such an instance is quarantined, and released as those are
 */
int plain_requeue(struct plain *plain, const char *target, uint64_t id, struct err *err) MUST_CHECK;
/* By a person: what a target beside the centre refused is not sent to it any more.
 * errors  as plain_requeue() */
int plain_leave(struct plain *plain, const char *target, uint64_t id, struct err *err) MUST_CHECK;

#endif
