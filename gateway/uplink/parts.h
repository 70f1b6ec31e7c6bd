/* parts.h - what the parts of the uplink share: one gate, the plan behind it, the line's state.
 *
 *     watcher   waits for the spool and wakes the others
 *     coders    inspect, code, prove                                       (coder.c)
 *     feeder    spool > plan, offers, manifests                            (feeder.c, manifest.c)
 *     senders   plan > bundles > answers                                   (sender.c, settle.c)
 *     receiver  receipts, by long poll                                     (receiver.c)
 *     prober    tries the line while it is down, pings while it is up     (prober.c)
 *
 * The gate is never held while a disk, a worker or the line is waited for. */
#ifndef RADPOST_UPLINK_PARTS_H
#define RADPOST_UPLINK_PARTS_H

#include "gateway/spool/spool.h"
#include "gateway/uplink/pace.h"
#include "gateway/uplink/plan.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/uplink/uplink_events.def"
#undef LOG_EVENT

enum { MAX_CONNECTIONS = 16, MAX_CODERS = 64, MAX_TALKS = MAX_CONNECTIONS + 3 };

enum { SEEN_STUDIES = 64 };

struct dcm_digests;
struct dcm_facts;
struct http_client;
struct http_reply;

/* A thread's way to the centre. */
struct talk {
    struct uplink *up;
    struct http_client *client; /* NULL until it is needed */
    unsigned enrolment;         /* the one the client was made for */
    int64_t stall_ms;           /* silence that ends a call */
    int64_t begun_ms;           /* of the call under way, 0 = none */
    int64_t moved_ms;           /* when bytes of it last left */
    bool is_given_up;           /* ended by the prober: says nothing about the line */
};

struct line {
    enum uplink_line state;
    int64_t since_us, last_contact_us;
    int64_t down_ms;  /* when it went down */
    bool is_broken;   /* down without an answer: bytes on the way may be lost */
    int64_t retry_ms; /* not tried again before */
    struct backoff backoff;
    char trouble[200];
    unsigned enrolment; /* counts up with each certificate; 0 = none */
    char centre[256], tenant[65], device[65];
    char certificate[512], key[512], ca[512];
    int64_t not_after_us;
    bool has_clock_offset;
    int64_t clock_offset_ms;
};

/* Whose a study was said to be by the first of it; memory only, from the spool when it is not here.
 */
struct seen_study {
    char uid[65];
    uint8_t identity[32];
};

/* What the feeder remembers of a study between two looks; memory only. */
struct note;

struct later {
    uint64_t id;
    int64_t at_ms;
    unsigned tries;
};

struct uplink {
    struct uplink_options o;
    char *link_dir, *url;
    struct spool *spool;
    struct codec_pool *pool;

    struct gate gate; /* guards everything below */
    bool is_stopping;
    uint64_t news; /* counts changes that feeder and coders want to know of */
    struct plan *plan;
    struct bucket bucket;
    struct meter meter;
    uint64_t sent_bytes;
    struct line line;
    struct talk *talks[MAX_TALKS];
    size_t talks_n;
    uint64_t *conflicts; /* entries whose UID is taken at the centre, not whole there yet */
    size_t conflicts_n;
    uint64_t conflicts_seen;

    uint64_t claimed[MAX_CODERS]; /* entries that coders are at; 0 = free */
    struct later *later;          /* entries that did not work */
    size_t later_n;
    pthread_mutex_t missing_lock; /* guards the two below while they are called */
    uplink_missing_fn missing;
    void *missing_user;

    pthread_mutex_t twins; /* inspected states are set one after the other; guards seen */
    struct seen_study seen[SEEN_STUDIES];
    size_t seen_at;            /* the next to be written over */
    pthread_mutex_t asking;    /* guards profile, held while it is asked */
    uplink_profile_fn profile; /* NULL: none */
    void *profile_user;

    pthread_t watcher, feeder, receiver, prober;
    pthread_t senders[MAX_CONNECTIONS];
    pthread_t coders[MAX_CODERS];
};

extern const struct log_ctx uplink_log;
/* The same, speaking of one entry. */
static inline struct log_ctx
log_of_entry(uint64_t id)
{
    return (struct log_ctx){.stage = "gateway/uplink", .entry = id};
}

/* --- gate.c: waiting */
bool up_is_stopping(struct uplink *up);
void up_news(struct uplink *up);             /* wake feeder, coders, senders */
void up_rest(struct uplink *up, int64_t ms); /* sleep, ended by stop */

/* --- line.c */
/* Until the line is up; false: stopping. */
bool line_wait_up(struct uplink *up);
void line_answered(struct uplink *up, bool is_ping);
/* A call failed: the line is down, or refused. is_answered: the centre said so itself;
 * retry_after_s -1 = it did not say when. */
void line_failed(struct uplink *up, const struct err *err, bool is_answered, int64_t retry_after_s);
/* Read the enrolment's files; false: there are none (yet), or they cannot be read. */
bool line_load_identity(struct uplink *up);
int line_renew(struct uplink *up, struct err *err) MUST_CHECK;

/* --- talk.c: one call each; failures have been told to the line */
void talk_init(struct talk *t, struct uplink *up, int64_t stall_ms);
void talk_fini(struct talk *t);
int talk_offer(struct talk *t, const struct link_offer *offer, struct link_answer *out,
               struct err *err) MUST_CHECK;
int talk_bundle(struct talk *t, const struct buf *bundle, struct link_answer *out,
                struct err *err) MUST_CHECK;
int talk_manifest(struct talk *t, const struct link_manifest *manifest, struct err *err) MUST_CHECK;
int talk_receipts(struct talk *t, uint64_t after, int wait_s, struct link_receipts *out,
                  struct err *err) MUST_CHECK;
int talk_ping(struct talk *t, struct link_ping *out, int64_t *out_asked_us, int64_t *out_told_us,
              struct err *err) MUST_CHECK;
/* End calls that began before the line broke: they hang in what the line swallowed. */
void talk_give_up_old(struct uplink *up);

/* --- whose.c: what an inspected instance says of whose it is, and what is here of its UID */
enum { DEVICE_CHARSET_BYTES = 20 };
/* The character set that the sender's row asks for; "" none. */
void whose_profile(struct uplink *up, const struct spool_entry *entry,
                   char out[DEVICE_CHARSET_BYTES]);
/* Fill entry->facts, its doubts and digests too. */
void whose_facts(struct uplink *up, struct spool_entry *entry, const struct dcm_facts *facts,
                 const struct dcm_digests *digests);
/* Note entry->facts in the spool (again after a restart: they are noted already) and what follows
 * of it. out_is_done: it is a twin or was put aside; nothing more to do for it. */
int whose_note(struct uplink *up, struct spool_entry *entry, bool *out_is_done,
               struct err *err) MUST_CHECK;

/* --- settle.c: what the centre says about an object, noted in spool and plan */
void settle_object(struct uplink *up, uint64_t id, const struct link_object_state *says,
                   bool is_offer);
void settle_quarantine(struct uplink *up, uint64_t id, const char *why);

/* --- the threads */
void *coder_run(void *up);
void *feeder_run(void *up);
void *sender_run(void *up);
void *receiver_run(void *up);
void *prober_run(void *up);

/* --- manifest.c */
struct notes;
struct notes *notes_new(void);
void notes_free(struct notes **notes);
/* Close and send what is due, tell the log how studies stand; returns when to look again. */
int64_t manifest_pass(struct uplink *up, struct talk *t, struct notes *notes);

#endif
