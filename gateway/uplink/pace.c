/* pace.c - see pace.h. */
#include "gateway/uplink/pace.h"

#include <math.h>

/* A quarter of a second: a busy machine wakes late, and over ten seconds it is 2.5 % at most. */
#define SAVED_PART 4.0
/* Of what a line has shown: half of the difference is forgotten in so long. */
#define CALM_HALF_MS 60000.0
#define FULL_HALF_MS 1000.0
#define EASE_PART 0.8
#define EASE_MS 1500 /* after the last word: its offer, and its look */
#define EASE_MOST_MS 12000
#define EASE_AGAIN_MS 60000
#define SPELL_MOST_MS 1000.0 /* while nothing is sent nothing is learnt */

int64_t
bucket_take(struct bucket *b, uint64_t n, int64_t now_ms)
{
    double most = (double)b->rate / SAVED_PART;

    if (b->rate == 0)
        return 0;
    if (!b->is_begun) {
        b->is_begun = true;
        b->tokens = most;
        b->filled_ms = now_ms;
    }
    if (now_ms > b->filled_ms) {
        b->tokens += (double)b->rate * (double)(now_ms - b->filled_ms) / 1000.0;
        b->filled_ms = now_ms;
        if (b->tokens > most)
            b->tokens = most;
    }
    b->tokens -= (double)n;
    return b->tokens >= 0.0 ? 0 : (int64_t)ceil(-b->tokens * 1000.0 / (double)b->rate);
}

void
bucket_settle(struct bucket *b, double n)
{
    if (b->rate > 0)
        b->tokens -= n;
}

void
bucket_set_rate(struct bucket *b, uint64_t rate)
{
    double most = (double)rate / SAVED_PART;

    if (b->rate == rate)
        return;
    b->rate = rate;
    if (b->tokens > most)
        b->tokens = most;
    if (b->tokens < -most)
        b->tokens = -most;
}

int64_t
backoff_next(struct backoff *b, double chance)
{
    int64_t step = b->step_ms < b->least_ms ? b->least_ms : b->step_ms;

    if (step > b->most_ms)
        step = b->most_ms;
    b->step_ms = step > b->most_ms / 2 ? b->most_ms : step * 2;
    return step / 2 + (int64_t)((double)(step - step / 2) * chance);
}

void
backoff_reset(struct backoff *b)
{
    b->step_ms = 0;
}

/* Fold what came since the last look into the mean; a second weighs a third. */
static void
meter_fold(struct meter *m, int64_t now_ms)
{
    double seconds = (double)(now_ms - m->since_ms) / 1000.0, weight;

    if (seconds < 0.25)
        return;
    weight = 1.0 - pow(2.0 / 3.0, seconds);
    m->bytes_per_s += weight * ((double)m->pending / seconds - m->bytes_per_s);
    m->pending = 0;
    m->since_ms = now_ms;
}

void
meter_add(struct meter *m, uint64_t n, int64_t now_ms)
{
    if (!m->is_begun) {
        m->is_begun = true;
        m->since_ms = now_ms;
    }
    meter_fold(m, now_ms);
    m->pending += n;
}

uint64_t
meter_read(struct meter *m, int64_t now_ms)
{
    if (!m->is_begun)
        return 0;
    meter_fold(m, now_ms);
    return (uint64_t)llround(m->bytes_per_s);
}

void
reach_note(struct reach *r, double carried, double burst, bool is_full, int64_t now_ms)
{
    double shown = carried > burst ? carried : burst;
    double half_ms = is_full ? FULL_HALF_MS : CALM_HALF_MS;
    double spell_ms = (double)(now_ms - r->at_ms);

    if (spell_ms > SPELL_MOST_MS)
        spell_ms = SPELL_MOST_MS;
    if (shown < r->rate && spell_ms <= 0)
        return;
    if (shown < r->rate)
        shown += (r->rate - shown) * exp2(-spell_ms / half_ms);
    r->rate = shown;
    r->at_ms = now_ms;
}

void
ease_want(struct ease *e, double rate, int64_t now_ms)
{
    if (now_ms >= e->again_ms && rate > 0) {
        *e = (struct ease){.end_ms = now_ms + EASE_MOST_MS, .again_ms = now_ms + EASE_AGAIN_MS};
        e->bucket = (struct bucket){
            .rate = (uint64_t)(rate * EASE_PART), .is_begun = true, .filled_ms = now_ms};
    }
    e->until_ms = now_ms + EASE_MS < e->end_ms ? now_ms + EASE_MS : e->end_ms;
}

void
ease_end(struct ease *e)
{
    e->end_ms = e->until_ms = 0;
}

bool
ease_is_on(const struct ease *e, int64_t now_ms)
{
    return now_ms < e->until_ms;
}

int64_t
ease_take(struct ease *e, uint64_t n, int64_t now_ms)
{
    return ease_is_on(e, now_ms) ? bucket_take(&e->bucket, n, now_ms) : 0;
}
