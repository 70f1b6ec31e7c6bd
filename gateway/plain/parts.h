/* parts.h - what the files of this stage share. Nobody else's business; the door is plain.h.
 *
 *     feeder    spool > the ways' queues; renews marks; acknowledges lists   (feed.c)
 *     senders   queue > C-STORE or STOW-RS > answers                  (store.c, stow.c; work.c)
 *     asker     accepted or doubtful > C-FIND or QIDO-RS > found      (find.c, qido.c; work.c)
 *
 * A way is one target at work. Its gate is never held while the spool, a disk's sync or a peer is
 * waited for: the spool asks way_needs() with its own lock held, which takes the gate. */
#ifndef RADPOST_PLAIN_PARTS_H
#define RADPOST_PLAIN_PARTS_H

#include "gateway/plain/plain.h"
#include "gateway/plain/queue.h"
#include "gateway/plain/targets.h"
#include "gateway/spool/spool.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/plain/plain_events.def"
#undef LOG_EVENT

struct dimse_assoc;
struct dimse_proposal;
struct http_client;
struct http_reply;
struct tls_call;
struct way;

enum line_state {
    LINE_TRYING,
    LINE_UP,
    LINE_DOWN,
    LINE_FULL,
    LINE_DENIED,
    LINE_UNABLE,
    LINE_WRONG
};

struct line {
    enum line_state state;
    int64_t since_us;
    int64_t retry_ms; /* monotonic: not tried before */
    int64_t step_ms;
    bool is_probed; /* a thread tries it just now */
    char trouble[200];
};

/* A thread's way to the peer; at most one of the two is set. */
struct talk {
    struct way *way;
    bool is_asker;
    struct dimse_assoc *assoc;
    struct http_client *client;
    struct tls_call *tls; /* the association's, the thread's own; NULL plain */
    pthread_t thread;
};

struct way {
    struct plain *plain;
    const struct target *conf;
    struct log_ctx log;

    struct gate gate; /* guards all below, down to the talks' pointers */
    bool is_stopping;
    bool is_fed;      /* the spool was looked through once: all that lasts is known */
    bool is_in_doubt; /* marks were lost: what is new to us may be there */
    struct queue *queue;
    struct marks *marks;
    struct line sending, asking;
    int64_t last_success_us;
    double tokens; /* of the rate; may be negative */
    int64_t tokens_ms;
    struct talk talks[TARGET_CONNECTIONS_MAX + 1]; /* the last is the asker */
    size_t talks_n;

    pthread_mutex_t disk; /* held while marks are synced or renewed */
};

struct plain {
    struct plain_options o;
    char *file, *dir, *ae;
    struct targets targets;
    bool is_table_wrong;
    struct way *ways;
    size_t ways_n;
    pthread_t feeder;
    bool has_threads;
    struct gate gate; /* guards the rest */
    bool is_stopping;
    pthread_mutex_t asking; /* held while urgency is asked */
    plain_urgency_fn urgency;
    void *urgency_user;
};

/* ---- way.c */
int way_open(struct way *way, struct plain *plain, const struct target *conf,
             struct err *err) MUST_CHECK;
void way_close(struct way *way);
bool way_is_stopping(struct way *way);
/* Gate held: does the spool have to keep these bytes for it? */
bool way_needs(struct way *way, uint64_t id);
/* Is it this target that the entry is kept by instead of the centre? */
bool way_is_archive(const struct way *way, const char *device, const char *modality);
/* Gate held: append; a failure is logged, and mended by the feeder. False: it failed. */
bool way_mark(struct way *way, const struct item *item, enum mark_kind kind);
/* Not held: what was marked lasts. False: it failed, as way_mark(). */
bool way_sync(struct way *way);
void way_renew_if_due(struct way *way, bool is_due); /* not held; the feeder's */

/* Wait until there is something to send (ask for) and the line may be tried; false: stopping.
 * A line that is not up is tried by one thread at a time, who must then say way_line_up() or
 * way_line_failed(). */
bool way_await_work(struct way *way, bool is_asker);
/* Something to send within so long? No, while the marks cannot be written. */
bool way_await_more(struct way *way, int64_t wait_ms);
void way_line_up(struct way *way, bool is_asker);
/* It was not tried after all. */
void way_line_unprobed(struct way *way, bool is_asker);
/* state LINE_DOWN: by err's kind, denied or full. */
void way_line_failed(struct way *way, bool is_asker, enum line_state state, const struct err *err);
/* Wait until so many bytes may go; false: stopping. */
bool way_pace(struct way *way, uint64_t bytes);

/* call.c: the association is the talk's until plain_hang_up(). */
int plain_associate(struct talk *t, const struct target_entity *to,
                    const struct dimse_proposal *proposals, size_t n, struct dimse_assoc **out,
                    struct err *err) MUST_CHECK;
/* Release it (else abort), and free; NULL: nothing to do. */
void plain_hang_up(struct talk *t, struct dimse_assoc **assoc, bool is_in_order);
void talk_set_assoc(struct talk *t, struct dimse_assoc *assoc); /* NULL before it is freed */
void talk_set_client(struct talk *t, struct http_client *client);

/* ---- settle.c: what the peer says becomes a lasting state; gate not held */
bool settle_tried(struct way *way, const struct item *item); /* false: put back, do not send */
void settle_back(struct way *way, const struct item *item);  /* was not sent */
void settle_accepted(struct way *way, const struct item *item, uint16_t warning);
void settle_doubtful(struct way *way, const struct item *item);
/* The peer's status and words for one instance; status 0: our own reason. */
void settle_refused(struct way *way, const struct item *item, uint16_t status, const char *why);
void settle_later(struct way *way, const struct item *item, uint16_t status, const char *why);
/* Refused, perhaps because it is there: as doubtful, but so often only. */
void settle_against(struct way *way, const struct item *item, const char *why);
/* By a DIMSE status (PS3.4 B.2.3, PS3.18 I.2.2). False: the peer is full, the item was put back. */
bool settle_status(struct way *way, const struct item *item, uint16_t status, const char *comment,
                   struct err *err);
/* Asked for: is_found[i] of items[i]. */
void settle_asked(struct way *way, const struct item *items, const bool *is_found, size_t n);
/* No query is possible: what is in doubt is sent again. */
void settle_unasked(struct way *way);

/* ---- the threads, and what they do once there is work */
void *plain_feed_run(void *plain);
void *plain_send_run(void *talk);
void *plain_ask_run(void *talk);
void store_some(struct talk *t);
void stow_some(struct talk *t);
void find_some(struct talk *t, const struct item *items, bool *is_found, size_t n);
void qido_some(struct talk *t, const struct item *items, bool *is_found, size_t n);

/* The received bytes, in this syntax (decoded where it is another one). out: as dimse_part10. */
int plain_open_bytes(struct way *way, uint64_t id, const char *stored, const char *syntax,
                     int *out_fd, uint64_t *out_at, uint64_t *out_end, struct err *err) MUST_CHECK;
/* To the target's root, with what it asks of us. */
int plain_http_client(struct way *way, struct http_client **out, struct err *err) MUST_CHECK;
/* The kind of a refused request and its status; the peer's own words may name a patient. */
void plain_http_refused(const struct http_reply *reply, struct err *err);
/* May the item still go: not paused, not put aside, its bytes here? Else it is settled. */
bool plain_may_go(struct way *way, const struct item *item);

#endif
