/* queue.h - what one target has yet to get, in memory: in which order, and what it waits for.
 * States: item_states.def. Open items are kept whole; of what is over (found, left) only the id.
 * Order: STAT before all else, then the study that came first, then by arrival.
 * Pure functions of the times they are given. Threads: the owner's lock. */
#ifndef RADPOST_PLAIN_QUEUE_H
#define RADPOST_PLAIN_QUEUE_H

#include "gateway/plain/marks.h"

enum item_state {
#define STATE(name, word, meaning) name,
#include "gateway/plain/item_states.def"
    ITEM_STATES
};

struct item {
    uint64_t id;
    uint8_t tag[MARK_TAG_BYTES];
    enum item_state state;
    int64_t at_us;         /* in this state since */
    int64_t not_before_ms; /* monotonic: neither sent nor asked for before */
    uint32_t tries;        /* that failed without an end: the line broke, a passing refusal */
    uint32_t asks;         /* in vain */
    int64_t waited_ms;     /* between them */
    uint32_t urgency;      /* more is sooner */
    uint64_t due;          /* of its study: less is sooner */
    uint64_t size;
    bool is_decoded;   /* the peer does not take the syntax it came in */
    bool may_be_there; /* it went before, and no failure was answered */
    uint16_t status;   /* of a refusal */
    char why[MARK_WHY_BYTES];
    char study[65], series[65], sop_instance[65], sop_class[65], syntax[65];
};

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue **queue);

/* Is the id known, open or over? out (may be NULL): its state. */
bool queue_knows(const struct queue *q, uint64_t id, enum item_state *out);
/* Of what is over: did it belong to these bytes? */
bool queue_is_over_of(const struct queue *q, uint64_t id, const uint8_t tag[MARK_TAG_BYTES]);
/* The open item, NULL: over or unknown. Valid until the next change of the queue. */
struct item *queue_open(struct queue *q, uint64_t id);
/* A copy of it; an older one of its id goes. Found and left are over at once. */
void queue_put(struct queue *q, const struct item *item);
/* A mark read back. */
void queue_replay(struct queue *q, const struct mark *mark);
void queue_forget(struct queue *q, uint64_t id);

/* The state changes; found and left end it. wait_ms: not before so long from now. */
void queue_set(struct queue *q, uint64_t id, enum item_state state, int64_t now_us);
void queue_put_off(struct queue *q, uint64_t id, int64_t not_before_ms);

/* Take the first that may be sent now: it is SENDING; out is a copy. */
bool queue_take(struct queue *q, int64_t now_ms, struct item *out);
/* The first ones that may be sent now, in order, as copies; how many. */
size_t queue_peek(struct queue *q, int64_t now_ms, struct item *out, size_t most);
/* Those accepted or doubtful that may be asked for now, by series, then by SOP instance; copies. */
size_t queue_due_asks(struct queue *q, int64_t now_ms, struct item *out, size_t most);
/* Studies that have something to be sent, each about once; how many. */
size_t queue_studies(const struct queue *q, char (*out)[65], size_t most);
void queue_urge(struct queue *q, const char *study, uint32_t urgency);
/* How many of these, from the first on, are of its series. */
size_t queue_series_length(const struct item *items, size_t n);
/* When the first of them may be sent (is_asks: asked for); INT64_MAX: none waits. */
int64_t queue_next_ms(const struct queue *q, bool is_asks);

struct queue_counts {
    uint64_t of[ITEM_STATES]; /* those over are counted since the file of marks was made */
    uint64_t waiting_bytes;   /* waiting, sending, doubtful */
};
void queue_counts(const struct queue *q, struct queue_counts *out);
/* The refused ones, oldest first; copies; how many. */
size_t queue_refused(const struct queue *q, struct item *out, size_t most);

/* What is not among these (ascending) is forgotten. */
void queue_prune(struct queue *q, const uint64_t *ids, size_t n);
/* The i-th mark of a new file. */
bool queue_mark_at(const struct queue *q, size_t i, struct mark *out);

#endif
