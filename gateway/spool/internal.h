/* internal.h - what the spool's own files share: the object, its works, its committer.
 *
 *     callers --work--> queue > committer: segment appended, one sync | journal appended, one sync
 *                                          > ledger changed > callers woken
 *
 * The gate guards everything in struct spool but what is marked "committer's": that belongs to who
 * has the lead, which is the committer's thread, or that of a reception which met nobody at work.
 * Who waits for what: the committer for works and for the lead (due), a caller for its own work
 * (done), spool_wait() for any change (news), everybody else for the gate itself. */
#ifndef RADPOST_SPOOL_INTERNAL_H
#define RADPOST_SPOOL_INTERNAL_H

#include "gateway/spool/journal.h"
#include "gateway/spool/queue_door.h"

#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/trust/digest.h"

#define SPOOL_UNCUT UINT64_MAX
#define RECEPTION_GAP_MS 10 /* receptions that follow one another closely */

struct segment {
    uint64_t number;
    uint64_t cut;       /* records from this offset on are void; SPOOL_UNCUT = none */
    bool has_damage;    /* is moved to corrupt/ when its time comes */
    bool is_unreadable; /* the disk would not give it at start */
    uint64_t pins;      /* garbage: entries that still need it */
};

struct association {
    uint64_t number;
    struct study **studies;
    size_t n;
};

/* A draft: its head is in memory, and once it is long it is a file that looks like a segment of
 * its own, so that it need not be copied when it becomes one. Some that never became a file are
 * kept for the next instances: fresh memory for each costs as much as its checksums. */
struct spool_draft {
    struct spool *sp;
    struct spool_draft *next; /* among the spares */
    struct spool_meta meta;
    struct buf head;
    int fd; /* -1: all in head */
    char name[48];
    uint64_t size;
    uint32_t crc;
    struct digest *digest; /* of what went to a file; of the head it is made at the end */
};

#define DRAFT_PAYLOAD_AT (SEGMENT_BLOCK + SEGMENT_RECORD_HEADER)

enum work_kind { WORK_RECEIVE, WORK_STEP, WORK_BODY, WORK_CUT, WORK_GARBAGE };

/* What a caller waits for; lives on the caller's stack. */
struct work {
    enum work_kind kind;
    struct work *next;
    struct bell done;
    int64_t queued_ms;
    bool is_done;
    int rc;
    struct err err;

    /* a record for the shared segment (payload or payload_fd), size 0 = none */
    struct segment_record record;
    const uint8_t *payload;
    int payload_fd;
    uint64_t payload_at;
    struct spool_draft *unsummed; /* whose SHA-256 the record has yet to get; payload is its head */
    bool is_placed;               /* committer's: written to segment, not yet synced */
    uint64_t segment;

    struct record step; /* WORK_STEP: the entry as it will be */
    struct buf body;    /* for the journal; empty = none */
    uint64_t cut_segment, cut_offset;
    size_t removed; /* WORK_GARBAGE */
};

/* What comes and what could go, as last measured (room.c). */
struct room {
    int64_t measured_ms;   /* monotonic */
    uint64_t bytes_today;  /* received in the last 24 hours */
    uint64_t bytes_a_day;  /* that the disk has to take: today or this week's average, the more */
    uint64_t bytes_sealed; /* here, and may go when room is needed */
};

/* Arrivals are dated by the wall clock. After it jumped, none of them count, or the wrong ones do:
 * then what came a day until the jump holds, and fades over a week lived. */
struct pace {
    uint64_t bytes_a_day; /* before the last jump */
    uint64_t age_ms;      /* of the last jump */
    uint64_t seen_age_ms; /* when it was measured last, by both */
    int64_t seen_wall_ms;
};

/* How old it was at this time of both clocks. */
struct age {
    uint64_t ms;
    int64_t mono_ms, wall_ms;
};

/* The next shared segment's file, zeros so far. */
struct ready {
    int fd; /* -1: none */
    uint64_t written;
    bool is_whole;
    int64_t not_before_ms;
};

struct spool {
    char *dir;
    struct spool_options options;
    int lock_fd;
    struct log_ctx log;
    struct gate gate;
    pthread_mutex_t listing; /* taken before the gate: one list is closed at a time */
    struct bell due, news, closing;
    bool has_listeners; /* somebody waits for the news bell and was not called yet */
    struct ledger ledger;
    struct segment *segments; /* by number */
    size_t segments_n;
    uint64_t next_segment;
    uint64_t next_draft;
    struct spool_draft *spares;
    size_t spares_n;
    struct association *associations;
    size_t associations_n;
    uint64_t next_association;
    uint64_t change;
    struct work *queue, **queue_end;
    int64_t received_ms; /* when the last reception was answered */
    int64_t burst_ms;    /* when the first of those that follow one another closely was */
    bool is_closing;
    bool is_collecting; /* bytes of what is done are going: no arrow of it begins */
    bool is_journal_sick;
    enum spool_disk disk;
    struct room room;
    struct age age;
    struct pace pace;
    uint64_t syncs, commits;

    struct queue_door *door;
    spool_needs_fn needs; /* NULL: nobody else needs what is done */
    void *needs_user;

    pthread_t committer;
    bool has_committer;
    bool is_led;         /* some thread has the lead */
    bool is_lead_wanted; /* the committer waits for it: nobody else takes it first */
    /* committer's */
    int active_fd; /* -1: none */
    struct segment_header active;
    uint64_t active_end, active_synced, active_size;
    struct ready ready;
    struct journal *journal;
    uint64_t next_journal;
};

/* committer.c: hand a work over and wait until it is done; returns its rc. Not locked. */
int committer_do(struct spool *sp, struct work *w, struct err *err) MUST_CHECK;
/* The same for a reception, by the caller's own thread where nobody is at work: two changes of
 * threads less, and the disk begins while the SHA-256 is made. */
int committer_receive(struct spool *sp, struct work *w, struct err *err) MUST_CHECK;
void committer_start(struct spool *sp);
void committer_stop(struct spool *sp);

/* What comes with an event; the row's action takes its part. */
struct news {
    const struct spool_inspection *facts;
    const struct spool_coding *coding;
    const char *why;
    const char *by;
    uint64_t receipt_seq;
    uint64_t twin_of;
};
/* actions.c; locked. r as it will be but for its state and times; the pair is in the table. */
void action_take(struct spool *sp, enum instance_event event, const struct news *news,
                 struct record *r);

/* arrow.c: durable before they return. Not locked. */
int arrow_make(struct spool *sp, uint64_t id, enum instance_event event, const struct news *news,
               struct err *err) MUST_CHECK;
/* Who rests on it when no other is about to; free. errors ERR_CONFLICT the event is not for it */
int arrow_copies(struct spool *sp, uint64_t id, enum instance_event event, uint64_t **out_ids,
                 size_t *out_n, struct err *err) MUST_CHECK;
/* Says it in the record, or refuses; locked. */
typedef int (*mark_fn)(struct record *r, bool is_on, struct err *err);
/* A mark that is no state, when nothing is about to rest on the entry. */
int arrow_mark(struct spool *sp, uint64_t id, mark_fn mark, bool is_on, struct err *err) MUST_CHECK;

/* active.c (who has the lead): the shared segment that is being filled. */
bool active_has_room(const struct spool *sp, const struct work *w);
/* Write the work's record, beginning a new segment when there is none. After a failure with
 * active_fd >= 0 the segment must be abandoned. */
int active_place(struct spool *sp, struct work *w, struct err *err) MUST_CHECK;
int active_sync(struct spool *sp, struct err *err) MUST_CHECK;
/* Give the segment up; its number and where it is cut are for the journal. */
void active_abandon(struct spool *sp, const struct err *why);
void active_finish(struct spool *sp); /* in order, at close or when full; nothing is unsynced */

uint64_t active_usual_size(const struct spool *sp);

/* ready.c (who has the lead) */
/* Until the next step may be made; INT64_MAX: none is wanted. Locked. */
int64_t ready_wait_ms(const struct spool *sp);
void ready_step(struct spool *sp);
/* DIR/tmp/NAME of that size is the caller's now; false: there is none. */
bool ready_take(struct spool *sp, uint64_t size, const char **out_name, int *out_fd);
void ready_drop(struct spool *sp);

/* keeper.c (who has the lead): the journal that is open. */
/* Append the bodies of works that are not failed, and cuts; one sync. Works that could not be
 * written get rc -1 and their err. */
void keeper_write(struct spool *sp, struct work *batch);
void keeper_tidy(struct spool *sp); /* after a batch was applied */
int keeper_renew(struct spool *sp, struct err *err) MUST_CHECK;
void keeper_note_age(struct spool *sp); /* when it cannot, what was lived counts as not lived */

/* own.c (the caller's thread): make DIR/tmp/NAME, which holds the payload at DRAFT_PAYLOAD_AT, the
 * segment of its number. *fd is closed and -1 in every case; after a failure nothing of it counts.
 */
int own_publish(struct spool *sp, int *fd, const char *name, struct segment_record *record,
                uint64_t number, struct err *err) MUST_CHECK;

/* draft.c: the SHA-256 of all that came; once. */
void draft_sum(struct spool_draft *d, uint8_t out[DIGEST_BYTES]);
/* draft.c: let the memory of spares go. Not locked. */
void draft_drop_spares(struct spool *sp);

/* segments: locked. */
struct segment *segment_find(struct spool *sp, uint64_t number);
struct segment *segment_add(struct spool *sp, uint64_t number);
void segment_forget(struct spool *sp, uint64_t number);
void segment_path(const struct spool *sp, uint64_t number, char *out, size_t out_size);

/* versions.c. Asked before anything of the folder is touched.
 * errors  ERR_REJECT a newer program wrote it, and this one would lose what it does not know */
int versions_check(const char *dir, bool is_read_only, struct err *err) MUST_CHECK;

/* recover.c */
int recover(struct spool *sp, struct err *err) MUST_CHECK;

/* garbage.c (who has the lead) */
/* Locked. Done, and somebody beside the centre still needs its bytes. */
bool garbage_is_needed(const struct spool *sp, uint64_t id);
size_t garbage_collect(struct spool *sp);

/* study.c; locked. An entry has been inspected: its association now delivers to its study. */
void study_note_arrival(struct spool *sp, struct entry *e);

/* spool.c; locked: something changed. */
void spool_changed(struct spool *sp);

/* room.c. Look through the entries for what comes a day; done at open and every minute. Not locked.
 */
void room_measure(struct spool *sp);
/* The spool's age as spool_lived_ms(), from 0. What is done is kept by this, so that no jump of the
 * wall clock expires anything, nor keeps it for ever. Locked. */
uint64_t spool_age_ms(struct spool *sp);
void age_begin(struct spool *sp); /* what the journal says of it */
#define SPOOL_AGE "age_ms"        /* the numbers that keep it, and the wall clock by then */
#define SPOOL_AGE_WALL "age_wall_ms"
#define SPOOL_PACE "bytes_a_day"           /* what came a day by then, */
#define SPOOL_PACE_HELD "bytes_a_day_held" /* and before the last jump, and when that was */
#define SPOOL_PACE_AGE "bytes_a_day_age_ms"

#endif
