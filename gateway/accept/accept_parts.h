/* accept_parts.h - what the files of this stage share: the door itself. Not for other stages. */
#ifndef RADPOST_ACCEPT_PARTS_H
#define RADPOST_ACCEPT_PARTS_H

#include "gateway/accept/accept.h"
#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "gateway/accept/store.h"
#include "gateway/accept/unsent.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <sys/stat.h>

enum { SERVICES_MOST = 16 };

struct post {
    struct post *next;
    accept_post_fn run;
    void *user;
};

/* An association that is being served. */
struct live {
    struct live *next;
    uint64_t number;
    struct dimse_assoc *assoc;
    struct accept_device device; /* a copy; else made up from what it said of itself */
    bool is_enrolled;            /* it is a row's */
    bool is_stranger;            /* let in through the window: its instances are quarantined */
    unsigned table_version;      /* of the table that device is of */
    struct post *posts;          /* in order */
};

struct accept {
    struct spool *spool;
    struct dimse_listener *listener; /* NULL: not open yet, or shut (then under the gate) */
    struct tls_pipe *_Atomic tls;    /* NULL: no TLS, or not yet */
    struct accept_options options;   /* texts are ours */
    char *devices_path;
    const char *called;                             /* "" = any */
    struct accept_service *services[SERVICES_MOST]; /* as many as the next says; only grows */
    atomic_size_t service_count;
    struct unsent *unsent;
    _Atomic uint64_t window_room; /* bytes that strangers may still leave */
    atomic_bool is_release_due;   /* a row may fit what strangers left */
    struct gate release_gate;  /* held while it is set free; the next locks may be taken within */
    atomic_uint table_version; /* grows with each reading of the table */
    _Atomic int64_t seen_kept_us; /* when seen.tsv was written last */
    struct gate seen_gate;        /* guards that file; never locked within the next */
    struct gate gate;             /* guards all below */
    struct devices devices;
    struct stat devices_seen; /* zeros: no file */
    bool is_table_unread;     /* there is one, and it could not be read: tried again each time */
    char table_trouble[ACCEPT_TROUBLE_BYTES];
    char tls_trouble[ACCEPT_TROUBLE_BYTES];
    struct refused refused;
    struct accept_unoffered unoffered[200];
    size_t unoffered_n;
    struct live *live;
    bool is_stopping;        /* the listener takes nothing more */
    int64_t window_until_ms; /* monotonic; 0 = closed */
};

extern const struct log_ctx accept_ctx;

/* table.c; locked, all of them */
/* Where the file changed. -1: not all of it could be read, which is logged; what can be, counts. */
int table_read(struct accept *a, struct err *err) MUST_CHECK;
void table_refresh(struct accept *a); /* the same */
void table_keep_refused(struct accept *a);
/* Not locked: what devices did, when that is due (once a minute) or asked for. */
void table_keep_seen(struct accept *a, bool is_asked);

/* classes.c: the listener's (dimse.h); user is the door */
enum dimse_offer classes_offer(const char *abstract_syntax, bool peer_is_scp, void *user);
void classes_not_offered(const struct dimse_peer *peer, const char *abstract_syntax, void *user);

/* tls.c: accept_try_again() */
bool tls_try(struct accept *a);

/* window.c */
void window_begin(struct accept *a);
/* Locked: is this caller, who is turned away for such a reason, let in as a stranger? */
bool window_admits(struct accept *a, const struct dimse_peer *peer, enum accept_refusal why);
/* Not locked: set free what strangers left whose device is enrolled by now, when that is due. When
 * it returns that is done, whoever did it. */
void window_release(struct accept *a);

/* services.c */
const struct accept_service *service_of(const struct accept *a, const char *abstract_syntax);
void services_fini(struct accept *a);
void live_begin(struct accept *a, struct live *l);
/* Out of the list; posts that did not run are told so, the services too. */
void live_end(struct accept *a, struct live *l);
/* Run what was posted. -1: the association is over. */
int live_run_posts(struct accept *a, struct live *l, const struct log_ctx *ctx,
                   struct err *err) MUST_CHECK;

#endif
