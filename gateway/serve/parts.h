/* parts.h - what the files of this stage share. Nobody else's business; the door is serve.h. */
#ifndef RADPOST_SERVE_PARTS_H
#define RADPOST_SERVE_PARTS_H

#include "gateway/accept/accept.h"
#include "gateway/serve/commit_file.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

/* What transactions weigh in memory (serve_options.weight_most). */
struct weight {
    uint64_t open, given_up;
};

/* A device that has asked, from one address: it has its own share of transactions, and its own time
 * to be called, so that one that cannot be reached is nobody else's trouble. All under the gate. */
struct asker {
    char ae[17];
    char address[46];
    size_t open_n;     /* transactions that are not given up */
    size_t given_up_n; /* those that are, kept for people to see */
    struct weight weight;
    uint32_t failures;  /* to reach it, one after the other */
    int64_t called_ms;  /* monotonic: it was tried last */
    int64_t next_ms;    /* and is not tried before this */
    uint32_t patience;  /* it gets so many times twice as long to answer on a call of ours */
    bool is_single;     /* it did not take a second report on one call: one a call from now on */
    bool is_being_told; /* a report is under way on an association that it holds open */
    struct held *first; /* the thread's, of this round: what to tell it first */
};

/* A transaction in memory. Its file is written by its maker, then by the telling thread only. */
struct held {
    struct commit *c; /* the texts, refs and counts change under the gate, by that thread */
    struct asker *asker;
    int64_t saved_ms, next_ms; /* that thread's, monotonic */
    int64_t counted_ms;        /* monotonic: the times that c has are those of then */
    bool is_replaced;          /* the device has asked again */
    bool is_noted;             /* what it announces was taken (serve.h) */
    bool is_dropped;           /* over: goes at the end of the round */
    uint64_t change;           /* of the spool, at the last look; 0 = none yet */
    uint64_t missing;          /* instances that have not arrived */
    char study[65];            /* of those that have; "" = of several, or none yet */
    char asked[65];            /* on which a question stood at the last look; "": none */
    int64_t ask_ms;            /* that thread's, monotonic: then it is asked anew */
    int64_t sent_ms;           /* that thread's: a report of it was begun last; 0 = none was */
    /* the report under way on an association that the device holds open; 0 = none */
    uint64_t association;
    uint16_t message_id;
    bool is_answered, is_lost;
    uint16_t answer;
};

/* An open association on which a device asked for commitment. */
struct line {
    uint64_t association;
    uint8_t context;
    char ae[17];
    char address[46];
};

struct index; /* index.h */

struct serve {
    struct serve_options options;
    char *dir, ae[17];
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t asking; /* held while is_asked is called */
    serve_is_asked is_asked;
    void *asked_user;
    int64_t look_ms;  /* the thread's, monotonic: open ones are looked at again */
    struct gate gate; /* guards all below */
    bool is_stopping, has_news;
    struct held **held;
    size_t held_n;
    size_t announcing; /* of them, at the end of the last round: open, and something missing */
    struct asker **askers;
    size_t askers_n;
    struct weight weight; /* of all */
    uint64_t freed;       /* weight that is no more, since files were last left out of memory */
    uint64_t next_number;
    uint16_t next_message;
    uint64_t told; /* reports answered since the start */
    int call_fd;   /* a second descriptor of the call under way's socket; -1 = none */
    struct line *lines;
    size_t lines_n;
    char **unread; /* files that did not fit into memory, in order; the thread's, no gate */
    size_t unread_n;
    struct gate index_gate; /* guards the index */
    struct index *index;
};

extern const struct log_ctx serve_ctx;

/* ---- commit_list.c: transactions and their files ---- */

/* Read commit/. Of two transactions of one device with the same UID the older one goes. What weighs
 * too much together stays a file: commits_read_more(). */
int commits_open(struct serve *s, struct err *err) MUST_CHECK;
void commits_close(struct serve *s);
/* Make the transaction durable; it is not in the list yet. */
int commits_write(struct serve *s, const struct commit *c, struct err *err) MUST_CHECK;
/* Locked. Count its weight; false: it is too much, of the device or of all. */
bool commits_take_share(struct serve *s, const struct commit *c);
void commits_give_share(struct serve *s, const struct commit *c);
/* The telling thread's: so much is kept of what was given up that the oldest goes. */
bool commits_are_heavy(const struct serve *s, const struct asker *a);
/* The telling thread's: of what the start left out of memory, as much as fits by now. */
void commits_read_more(struct serve *s);
/* Locked. Own it, its weight is counted; earlier ones of the same device and UID are replaced, and
 * those of the same instances but for the newest few. */
void commits_add(struct serve *s, struct commit *c);
/* Locked. Made where it is new. */
struct asker *commits_asker(struct serve *s, const char *ae, const char *address);
/* The telling thread's: the device could not be told for too long. */
void commits_give_up(struct serve *s, struct held *h);
/* The telling thread's: save what changed (a failure is logged), remove the file for good. */
void commits_save(struct serve *s, struct held *h);
void commits_remove(struct serve *s, struct held *h);
/* Locked. NULL: gone. */
struct held *commits_find(struct serve *s, uint64_t number);

/* ---- commit_judge.c ---- */

enum { JUDGED_WAITING = 0xFFFE, JUDGED_MISSING = 0xFFFD };
/* What there is to say of one instance now: a DIMSE status, or one of the two above. out_study: of
 * the entry that was judged, "" = not known; may be NULL. */
uint16_t commit_judge(struct spool *spool, bool is_durable_enough, const struct commit_ref *ref,
                      char out_study[65]);

/* ---- serve.c ---- */

/* Does a question stand on the study, or may one? */
bool serve_has_question(struct serve *s, const char *study_uid);

/* ---- commit.c: the service, and the thread that decides and tells ---- */

void commit_offer(struct serve *s);
void commit_begin(struct serve *s);
void commit_end(struct serve *s);

/* ---- commit_tell.c ---- */

/* The telling thread's. A report of it may be under way: is it answered? */
void commit_watch(struct serve *s, struct held *h, int64_t now_ms);
/* Tell every device whose time has come, each on one association at most. */
void commit_tell_all(struct serve *s);
/* In the association's thread: an N-EVENT-REPORT-RSP has come. */
void commit_take_answer(struct serve *s, uint64_t association, const struct dimse_command *rsp);
void commit_line_begin(struct serve *s, const struct accept_call *call);
void commit_line_end(uint64_t association, void *user);

/* ---- find.c, retrieve.c ---- */

int serve_find(struct serve *s, struct accept_call *call, struct err *err) MUST_CHECK;
int serve_retrieve(struct serve *s, struct accept_call *call, struct err *err) MUST_CHECK;

/* ---- serve.c ---- */

/* Answer with a status and public words (NULL = none). */
int serve_say(struct accept_call *call, uint16_t status, const char *comment,
              struct err *err) MUST_CHECK;
void serve_log_failed(const struct accept_call *call, const struct err *why);

#endif
