/* pace.h - how fast and how soon: the token bucket of the line, the wait between two tries, and
 * the speed seen. Pure functions of the time they are given. Threads: the owner's lock. */
#ifndef RADPOST_UPLINK_PACE_H
#define RADPOST_UPLINK_PACE_H

#include "proto/base/base.h"

/* Bytes a second; a quarter of a second may be saved up. 0 = no limit. */
struct bucket {
    uint64_t rate;
    double tokens;
    int64_t filled_ms;
    bool is_begun;
};

/* Take n bytes; the milliseconds to wait before they may go (their debt is remembered). */
int64_t bucket_take(struct bucket *b, uint64_t n, int64_t now_ms);

/* n more, or less, have gone than was taken. */
void bucket_settle(struct bucket *b, double n);
/* From now on; what was saved up or is owed stays, no more than a quarter of a second of the new.
 */
void bucket_set_rate(struct bucket *b, uint64_t rate);

/* Doubling waits with jitter: between half of the step and the whole of it. */
struct backoff {
    int64_t least_ms, most_ms;
    int64_t step_ms;
};

/* chance: 0..1, drawn by the caller. */
int64_t backoff_next(struct backoff *b, double chance);
void backoff_reset(struct backoff *b);

/* Bytes a second over the last few seconds. */
struct meter {
    double bytes_per_s;
    uint64_t pending;
    int64_t since_ms;
    bool is_begun;
};

void meter_add(struct meter *m, uint64_t n, int64_t now_ms);
uint64_t meter_read(struct meter *m, int64_t now_ms);

/* What a line can carry, bytes a second, as far as it has shown. All zero: not known. */
struct reach {
    double rate;
    int64_t at_ms; /* of the last word */
};

/* carried: the mean of the last seconds (meter_read). burst: what the kernel has seen of one of its
 * connections; 0 not known. is_full: more waits than it carries in some seconds, so what it carries
 * is all it can. More than was known counts at once. Less is no proof, as there may have been
 * nothing to send: of what was known half is forgotten in a minute of such words; in a second when
 * it is full. */
void reach_note(struct reach *r, double carried, double burst, bool is_full, int64_t now_ms);

/* While first looks are made and offered, what fills the line leaves a little of it free: in a
 * box's full buffer each offer waits behind images, and is lost with them. All zero: not at work.
 */
struct ease {
    struct bucket bucket;
    int64_t until_ms, end_ms, again_ms;
};

/* A look will come. rate: what the line can carry, 0 not known; what it was when this began counts,
 * for a few seconds, and then not again for a minute: a line that is held back shows less. */
void ease_want(struct ease *e, double rate, int64_t now_ms);
void ease_end(struct ease *e); /* somebody waits for the whole line */
bool ease_is_on(const struct ease *e, int64_t now_ms);
/* As of the bucket; 0 while it is not on. */
int64_t ease_take(struct ease *e, uint64_t n, int64_t now_ms);

#endif
