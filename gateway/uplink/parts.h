/* parts.h - what the parts of the uplink share: one gate, the plan behind it, the lines' state.
 *
 *     watcher   waits for the spool and wakes the others; keeps the lines  (uplink.c, serving.c)
 *     coders    inspect, code, prove; one of them emergencies only         (coder.c)
 *     feeders   spool > plan; one of them emergencies only                 (feeder.c)
 *     offerers  plan > offers > answers                                    (feeder.c, room.c)
 *     teller    manifests; asks again after what is held for long          (teller.c, manifest.c)
 *     receiver  receipts, by long poll                                     (receiver.c)
 *     reconciler  once a day: is all there that was handed over?           (reconcile.c)
 *   and for each line
 *     senders   plan > bundles > answers                                   (sender.c, settle.c)
 *     prober    tries the line while it is down, pings while it is up     (prober.c)
 *
 * The gate is never held while a disk, a worker or the line is waited for. */
#ifndef RADPOST_UPLINK_PARTS_H
#define RADPOST_UPLINK_PARTS_H

#include "gateway/spool/spool.h"
#include "gateway/uplink/crowd.h"
#include "gateway/uplink/lines.h"
#include "gateway/uplink/choice.h"
#include "gateway/uplink/pace.h"
#include "gateway/uplink/plan.h"
#include "gateway/uplink/policy.h"
#include "gateway/uplink/reconcile.h"
#include "gateway/uplink/uplink.h"
#include "gateway/uplink/urgency.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/stall.h"

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/uplink/uplink_events.def"
#undef LOG_EVENT

enum {
    MAX_CONNECTIONS = LINE_CONNECTIONS_MAX,
    MAX_CODERS = 64,
    CLAIMS_MOST = 2 * MAX_CODERS + 2, /* a coder changes from one to another */
    SPARE_OFFERERS = 2,
    MAX_TALKS = LINES_MAX * (MAX_CONNECTIONS + 3) + 5 + SPARE_OFFERERS
};

enum { SEEN_STUDIES = 64 };

struct dcm_digests;
struct dcm_facts;
struct http_client;
struct http_reply;

/* Whose word it is that a call failed: another's is that of a proxy or a server on the way. */
enum up_word { WORD_NONE, WORD_OF_ANOTHER, WORD_OF_CENTRE };

/* Whom it gives its open connection to, when that one has none (warm.c). */
enum lends { LENDS_NOT, LENDS_OFFERS, LENDS_IMAGES };

/* A thread's way to the centre. */
struct talk {
    struct uplink *up;
    struct up_line *line; /* the one the client was made for; roaming: NULL at first */
    bool is_prober;       /* it tries a line that nobody else uses: never given up */
    bool is_bulk;         /* it carries images */
    bool is_trial;        /* it asks whether its line does: its failure says nothing else */
    bool is_roaming;      /* takes the best line that works, call by call */
    enum lends lends;
    struct http_client *client; /* NULL until it is needed */
    unsigned enrolment;         /* the one the client was made for */
    unsigned settings;          /* of its line, the same */
    uint64_t taken, wire;       /* bytes of bodies since the client was made; on the wire by then */
    int64_t stall_ms;           /* silence that ends a call */
    int64_t begun_ms;           /* of the call under way, 0 = none */
    int64_t moved_ms;           /* when bytes of it last left */
    int64_t rated_ms;           /* when its connection was last asked what the way carries */
    enum up_word word;          /* on the last call: whose */
    int64_t retry_after_s;      /* in it; -1 = not said */
    bool is_given_up;           /* ended by us: says nothing about the line */
    bool is_streaming;          /* a body of images is being sent */
    bool is_still;              /* its connection stands still (http_stall_fn) */
};

/* Who we are to the centre, over whichever line. */
struct identity {
    unsigned enrolment; /* counts up with each certificate; 0 = none */
    char link_url[256]; /* link_url, else as enrolled; "": not known */
    char tenant[65], device[65];
    char certificate[512], key[512], ca[512];
    int64_t issued_us, not_after_us;
};

/* One way to the centre. Slots stay for the life of the uplink, with their threads. */
struct up_line {
    struct uplink *up;
    struct line_settings set;
    unsigned settings; /* counts up with each change that a client is made anew for */
    bool is_gone;      /* its line left the table: nothing goes here */
    unsigned rank;     /* of set */
    unsigned open;     /* senders that may work now, 1..set.connections */
    unsigned
        streaming; /* of them send a body now; the others wait for an answer, or for their turn */
    unsigned warm; /* open connections whose senders wait for something to send */
    bool has_starved;   /* since the last look at the crowd one of them had nothing to send */
    struct crowd crowd; /* how many may stream */

    enum uplink_line state;
    int64_t since_us, last_contact_us;
    int64_t begun_ms;    /* when it was first tried */
    int64_t up_ms;       /* since when it answers */
    int64_t down_ms;     /* when it went down */
    int64_t moved_ms;    /* when bytes of images last left by it, or it last answered */
    int64_t answered_ms; /* when it last answered although one of its connections stands still */
    int64_t give_up_ms;  /* then calls that did not move since old_ms are ended; 0: none */
    int64_t old_ms;
    bool is_broken;   /* down without an answer: bytes on the way may be lost */
    bool is_put_off;  /* down, and every call since was answered: nothing is in doubt */
    bool is_serving;  /* it carries images now; see serving.c */
    bool is_told;     /* the log knows that it serves */
    bool has_lost;    /* others took over from it: it must answer for a while to come back */
    int64_t retry_ms; /* not tried again before */
    struct backoff backoff;
    char trouble[200];
    bool is_proxy_denied; /* that is: its proxy does not take user and password, or wants them */
    bool is_past_all;     /* that is: by our clock the centre's certificate has ended, and ours */

    struct bucket bucket;
    struct ease ease;
    struct meter meter;
    struct reach reach;    /* what it can carry */
    bool is_probed;        /* it was asked once */
    unsigned loads;        /* calls with images under way */
    int64_t load_ms;       /* since when none of them was answered; 0: none was begun */
    int64_t load_moved_ms; /* when bytes of one last left */
    bool has_load_failed;  /* one, since load_ms */
    bool is_doubted;       /* at the last ping it looked as if images did not come through */
    bool is_choked;        /* it answers, and images do not come through */
    int64_t tried_ms;      /* when it was last asked whether they do */
    int64_t starved_ms;    /* when a sender last found nothing to send by it */
    double burst;          /* bytes a second, as its connections showed lately */
    uint64_t sent_bytes;

    unsigned begun; /* senders that took their number */
    unsigned senders_n;
    bool has_prober;
    pthread_t prober;
    pthread_t senders[MAX_CONNECTIONS];
};

struct lines_stamp {
    uint64_t inode, size;
    int64_t changed_ns;
};

/* Whose a study was said to be by the first of it; memory only, from the spool when it is not here.
 */
struct seen_study {
    char uid[65];
    uint8_t identity[32];
};

/* Has the centre room for what is asked of it? */
struct room {
    bool is_full;         /* it said so last */
    int64_t since_us;     /* it has been full for most of the time */
    int64_t retry_ms;     /* it is not asked before */
    int64_t told_ms;      /* the same, in its own words */
    struct backoff waits; /* grows on while it is full now and then */
    char trouble[200];    /* in its words */
};

/* What the teller remembers of a study between two looks; memory only. */
struct note;

struct later {
    uint64_t id;
    int64_t at_ms;
    unsigned tries;
};

/* Whose a received entry may be; memory only. */
struct peek {
    uint64_t id;
    char study[65];
};

enum { PROVED_MOST = 4096, MADE_MOST = 4096 };

/* Which worker made a coding. */
struct maker {
    uint64_t id;
    int made_by;
};

struct uplink {
    struct uplink_options o;
    char *dir, *link_dir, *url, *lines_path;
    struct lines_stamp lines_stamp; /* the watcher's */
    struct spool *spool;
    struct codec_pool *pool;

    struct gate gate; /* guards everything below */
    bool is_stopping;
    uint64_t news;     /* counts changes that feeder and coders want to know of */
    uint64_t fed;      /* counts what came into the plan */
    int64_t coming_ms; /* a coder last began something: connections are made ready meanwhile */
    struct plan *plan;
    struct urgency urgency;   /* written under urging and the gate */
    int64_t ordered_until_ms; /* gate: until then the coders look for what is urgent */
    bool is_urgency_unread;   /* the same: its file is there and must not be written over */
    struct up_line lines[LINES_MAX];
    size_t lines_n;
    bool is_table_wrong;    /* the file as it is now is not what is in force */
    enum uplink_line state; /* of the best of them */
    int64_t since_us;
    struct room to_begin; /* offers: of what it has nothing of yet */
    struct room to_end;   /* bundles: of any bytes */
    struct identity who;
    uint64_t identity_stamp; /* of the certificate in use */
    int64_t renewed_ms;      /* when the certificate's age was last looked at */
    struct reconciler reconciler;
    struct link_policy policy;              /* of the centre; the last that could be read */
    char policy_trouble[LINK_TROUBLE_SIZE]; /* of the last one told */
    bool has_clock_offset;
    int64_t clock_offset_ms; /* centre's clock minus ours */
    int64_t centre_boot_ms;  /* centre's clock minus our uptime */
    struct talk *talks[MAX_TALKS];
    size_t talks_n;
    uint64_t *conflicts; /* entries whose UID is taken at the centre, not whole there yet */
    size_t conflicts_n;
    uint64_t conflicts_seen;

    uint64_t claimed[CLAIMS_MOST]; /* entries that coders are at; 0 = free */
    struct later *later;           /* entries that did not work */
    size_t later_n;
    pthread_mutex_t urging; /* one word, or alarm, at a time: they go to disk without the gate */
    pthread_mutex_t coding; /* guards the peeks */
    struct peek *peeks;     /* by id */
    size_t peeks_n, peeks_room;
    struct choice choice;         /* which coding */
    uint64_t proved[PROVED_MOST]; /* the last that were proved, whose end may go; 0 = none */
    size_t proved_at;
    struct maker made[MADE_MOST]; /* and the last that were coded */
    size_t made_at;
    pthread_mutex_t missing_lock; /* guards the two below while they are called */
    uplink_missing_fn missing;
    void *missing_user;

    pthread_mutex_t twins; /* inspected states are set one after the other; guards seen */
    struct seen_study seen[SEEN_STUDIES];
    size_t seen_at;            /* the next to be written over */
    pthread_mutex_t asking;    /* guards profile, held while it is asked */
    uplink_profile_fn profile; /* NULL: none */
    void *profile_user;

    pthread_t watcher, feeder, stat_feeder, offerer, teller, receiver, reconcile;
    pthread_t spares[SPARE_OFFERERS];
    pthread_t coders[MAX_CODERS], stat_coder;
    unsigned coders_begun; /* that took their number */
};

extern const struct log_ctx uplink_log;
/* The same, speaking of one entry. */
static inline struct log_ctx
log_of_entry(uint64_t id)
{
    return (struct log_ctx){.stage = "gateway/uplink", .entry = id};
}

/* --- line.c: waiting */
bool up_is_stopping(struct uplink *up);
/* 0..1 */
double up_chance(void);
void up_news(struct uplink *up);             /* wake feeder, coders, senders */
void up_rest(struct uplink *up, int64_t ms); /* sleep, ended by stop */
/* The spool could not note something. While it can note nothing at all (a full disk), whoever was
 * about to try the next rests: else line, disk and log would be asked without a pause. */
void up_rest_if_sick(struct uplink *up);
/* Until there is news beyond seen, or stop, or at most so long. */
void up_wait_news(struct uplink *up, uint64_t seen, int64_t most_ms);

/* --- warm.c: connections that are open before there is anything to send */
/* Gate held. One that has none takes that of its line's prober; false: there is none to take. It is
 * as its own from then on, the prober opens another. */
bool warm_borrow(struct talk *t);

/* --- line.c: one line's state */
/* asked_ms: when the call began whose answer should have come at once; now: of any other. */
void line_answered(struct up_line *line, bool is_ping, int64_t asked_ms);
/* A call failed: the line is down, or refused. retry_after_s -1: nobody said when. */
void line_failed(struct up_line *line, const struct err *err, enum up_word word,
                 int64_t retry_after_s);
/* http_stall_fn of a talk. After a cut other connections go on as soon as the line answers, before
 * TCP sends again what was lost with this one. */
void line_note_stall(void *talk, enum stall_word word);
enum { LINE_CONNECT_MS = 8000 };
/* A client of its own for this talk, with the certificate in use. */
int line_make_client(const struct talk *t, const struct identity *who,
                     const struct line_settings *set, struct http_client **out,
                     struct err *err) MUST_CHECK;
/* Gate held: images may leave by it now. */
bool line_is_serving(const struct up_line *line);
/* Until the line serves and has room for its n-th sender (from 0); false: stopping. */
bool line_wait_serving(struct up_line *line, unsigned n);
/* Read the enrolment's files; false: there are none (yet), or they cannot be read. */
bool line_load_identity(struct uplink *up);
/* Another certificate was put there while we run (a person enrolled again): use it. */
void line_look_identity(struct uplink *up);
int line_renew(struct up_line *line, struct err *err) MUST_CHECK;

/* --- serving.c: which lines carry the images, and what the table of lines says */
/* Take the table, or what can be read of it, or the options' one line; threads are not begun. */
void serving_begin(struct uplink *up);
void serving_start_threads(struct uplink *up);
void serving_stop_threads(struct uplink *up); /* joins */
/* Now and then: the table again if it changed, the hours' rates, who takes over from whom. */
void serving_look(struct uplink *up);
/* A call with images begins by this line; it ended. */
void serving_load_begins(struct up_line *line);
void serving_load_ended(struct up_line *line, bool is_answered, bool is_given_up);
/* Gate held, after a ping was answered: is it to be asked whether images come through? Then it
 * counts as asked. */
bool serving_takes_trial(struct up_line *line);
/* What it showed. */
void serving_tried(struct up_line *line, bool is_carrying);
/* Gate held: a state changed, or time went by. */
void serving_choose(struct uplink *up);
/* After it, with the gate let go: tell the log. */
void serving_tell(struct uplink *up);
/* Gate held: where one call goes now; NULL: no line works. */
struct up_line *serving_best(struct uplink *up);
/* Until some line serves; false: stopping. */
bool serving_wait(struct uplink *up);
bool serving_is_up(struct uplink *up);

/* --- room.c: offers, or bundles, wait while the centre is full for them; nothing else does */
void room_init(struct uplink *up);
/* That a call to this path asks for; NULL: none. */
struct room *room_of(struct uplink *up, const char *path);
/* Gate held. Of those that it has none of, the one that it has had none of for longest; NULL. */
const struct room *room_now_full(const struct uplink *up);
/* Gate held. May it be asked now? */
bool room_is_open(const struct room *room);
/* Gate held. It is open and is asked now: while the centre is full by this call alone. */
void room_try(struct room *room);
/* Gate held. Until it is tried again, at most so long. */
int64_t room_wait_ms(const struct room *room, int64_t most_ms);
/* retry_after_s -1: the centre did not say when. */
void room_full(struct uplink *up, struct room *room, const struct err *err, int64_t retry_after_s);
/* Gate held. There are others that it was not asked about: they go soon. */
void room_hurry(struct room *room);
/* It took what it was asked about. has_room: also what it had no room for before; else the next
 * goes at once. */
void room_found(struct uplink *up, struct room *room, bool has_room);

/* --- talk.c: one call each; failures have been told to the line */
/* line NULL: whichever serves, call by call. */
void talk_init(struct talk *t, struct uplink *up, struct up_line *line, int64_t stall_ms);
void talk_fini(struct talk *t);
/* ERR_RETRY also when nothing is said of anything that was offered. */
int talk_offer(struct talk *t, const struct link_offer *offer, struct link_answer *out,
               struct err *err) MUST_CHECK;
/* The next bytes of a body that is made while it is sent; they stay until the next call. *out_n 0
 * ends it. May wait. */
typedef int (*talk_next_fn)(void *user, const uint8_t **out_bytes, size_t *out_n, struct err *err);
int talk_bundle(struct talk *t, talk_next_fn next, void *user, struct link_answer *out,
                struct err *err) MUST_CHECK;
/* An answer that cannot be read, or is of something else, says nothing about what was sent: it is
 * tried again, when the line is. ERR_RETRY */
int talk_not_understood(struct talk *t, const char *what, struct err *err) MUST_CHECK;
/* Gate held. A call now would have to open a connection first, which costs several round trips. */
bool talk_is_cold(const struct talk *t);
/* Gate held. Its line now: its own, or the best; false: none works. */
bool talk_pick_line(struct talk *t);
/* During its call: no more than about so many bytes wait in the kernel for their turn. */
void talk_keep_short(struct talk *t, uint64_t bytes);
/* Nothing to say for a while: the connection is closed, a next call opens another. */
void talk_hang_up(struct talk *t);
/* POST a document of ours; the answer's body is left in reply. What the centre says to a list is no
 * trouble of the line, but that we may not speak: t->word, t->retry_after_s. */
int talk_post(struct talk *t, const char *path, const struct buf *bytes, struct http_reply *reply,
              struct err *err) MUST_CHECK;
/* at: the first bytes of the object that the receipt at the cursor is of; 0: not known */
int talk_receipts(struct talk *t, uint64_t after, uint64_t at, int wait_s,
                  struct link_receipts *out, struct err *err) MUST_CHECK;
int talk_reconcile_days(struct talk *t, const struct link_days *ask, struct link_days *out,
                        struct err *err) MUST_CHECK;
int talk_reconcile_studies(struct talk *t, const struct link_studies *ask, struct link_studies *out,
                           struct err *err) MUST_CHECK;
int talk_reconcile_objects(struct talk *t, const struct link_objects *ask, struct link_answer *out,
                           struct err *err) MUST_CHECK;
int talk_reconciled(struct talk *t, const struct link_reconciled *done, struct err *err) MUST_CHECK;
int talk_ping(struct talk *t, struct link_ping *out, int64_t *out_asked_us, int64_t *out_told_us,
              struct err *err) MUST_CHECK;
/* Over a talk of a line: 64 KiB, and where it is not thin up to 1 MiB, at most half a second, that
 * mean nothing; what they show is the line's reach. An older centre does not know the question:
 * ERR_NOT_FOUND. */
int talk_probe(struct talk *t, struct err *err) MUST_CHECK;
/* Over the same: so many bytes that mean nothing, as far as they leave within most_ms, answered
 * within total_ms. *out_rate: bytes a second, the way there and back in it. */
int talk_probe_once(struct talk *t, size_t bytes, int64_t most_ms, int64_t total_ms,
                    double *out_rate, struct err *err) MUST_CHECK;
/* Gate held. End calls over a line that moved nothing since: they hang in what the line swallowed.
 * INT64_MAX: all of them. */
void talk_give_up(struct up_line *line, int64_t since_ms);

/* Another archive keeps it: no business of the centre's. */
static inline bool
is_elsewhere(const struct uplink *up, const struct spool_entry *entry)
{
    return up->o.elsewhere != NULL && up->o.elsewhere(up->o.elsewhere_user, entry);
}

/* --- order.c */
void order_begin(struct uplink *up);
enum uplink_urgency order_of(struct uplink *up, const char *study); /* gate held */
/* Is anything wanted sooner than in its turn? */
bool order_is_on(struct uplink *up);
bool order_is_stat(struct uplink *up, uint64_t id); /* an entry's; locks by itself */
/* These waiting entries, ascending, in the order they are to be coded. Reads heads of files. */
void order_coding(struct uplink *up, uint64_t *ids, size_t n);

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

/* What an older version put aside because it could not number its study goes now; at the start. */
void whose_take_up(struct uplink *up);
/* Do images of the study that say another person than its first (DOUBT_UID_REUSED) wait? While none
 * of the first's is held there, as long as one of those is on its way and not kept back. */
bool whose_waits(struct uplink *up, const char *study);

/* --- proof.c: decode what was coded, before its end may go */
/* Gate held: it has been proved, as far as is remembered (else it is proved again). */
bool proof_is_known(const struct uplink *up, uint64_t id);
/* Of a coding that is not in the spool yet: whatever was proved of the entry before is forgotten.
 */
void proof_note_made(struct uplink *up, uint64_t id, int made_by);
/* Failed proofs that nobody has seen. */
uint64_t proof_unseen(const struct uplink *up);
/* Prove an entry whose first look may be on the way already; what fails goes as it was received. */
int proof_make(struct uplink *up, uint64_t id, struct err *err) MUST_CHECK;

/* --- later.c: what did not work just now waits longer each time */
unsigned later_put_off(struct uplink *up, uint64_t id); /* how often it did not work by now */
void later_forget(struct uplink *up, uint64_t id);
bool later_is_due(const struct uplink *up, uint64_t id); /* gate held: it does not wait */
/* Until the next of them is due, at most most_ms. */
int64_t later_wait_ms(struct uplink *up, int64_t most_ms);

/* --- coder.c */
/* Of the file that goes. */
const char *coder_syntax(const struct spool_entry *entry);

/* --- settle.c: what the centre says about an object, noted in spool and plan */
void settle_object(struct uplink *up, uint64_t id, const struct link_object_state *says,
                   bool is_offer);
void settle_quarantine(struct uplink *up, uint64_t id, const char *why);
/* What is to go cannot be read here: it leaves the plan and is tried again later. After some times
 * a coded one goes as it was received, and what was received is put aside. */
void settle_unreadable(struct uplink *up, uint64_t id, const struct err *err);

/* --- feeder.c */
/* Its bytes are the entry's: it outlives the offer. */
void feeder_fill_offer(const struct spool_entry *entry, struct link_offer_object *out);

/* --- the threads */
void *coder_run(void *up);
void *coder_run_stat(void *up);
void *feeder_run(void *up);
void *feeder_run_stat(void *up);
void *offerer_run(void *up);
void *offerer_run_spare(void *up);
void *teller_run(void *up);
void *receiver_run(void *up);
void *sender_run(void *line);
void *prober_run(void *line);

/* --- manifest.c */
struct notes;
struct notes *notes_new(void);
void notes_free(struct notes **notes);
/* Close and send what is due, tell the log how studies stand; returns when to look again. */
int64_t manifest_pass(struct uplink *up, struct talk *t, struct notes *notes);

#endif
