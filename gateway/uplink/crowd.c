/* crowd.c - see crowd.h. */
#include "gateway/uplink/crowd.h"

enum { SPELL_MS = 2000, SETTLE_MS = 600, WAIT_MS = 10000, WAIT_MOST_MS = 300000 };
#define GAIN 1.07

void
crowd_init(struct crowd *c, unsigned most)
{
    *c = (struct crowd){.n = most < CROWD_FIRST ? most : CROWD_FIRST, .most = most};
}

bool
crowd_has_place(const struct crowd *c, unsigned streaming, unsigned still, bool is_answering)
{
    return (is_answering ? streaming - still : streaming) < c->n;
}

/* A spell begins when what was let in or sent away has settled. */
static void
begin_spell(struct crowd *c, uint64_t sent_bytes, int64_t at_ms)
{
    c->spell_ms = at_ms;
    c->spell_bytes = sent_bytes;
}

static void
end_trial(struct crowd *c, double rate, int64_t now_ms)
{
    int64_t wait = (int64_t)WAIT_MS << (c->failed < 5 ? c->failed : 5);

    c->is_trial = false;
    if (rate >= c->rate * GAIN) {
        c->failed = 0;
        c->rate = rate;
        return;
    }
    c->n--;
    c->failed++;
    c->next_ms = now_ms + (wait < WAIT_MOST_MS ? wait : WAIT_MOST_MS);
}

void
crowd_look(struct crowd *c, uint64_t sent_bytes, bool is_full, int64_t now_ms)
{
    double rate;

    if (!is_full) { /* what it would have carried is not known */
        c->n -= c->is_trial ? 1 : 0;
        c->is_trial = false;
        c->spell_ms = 0;
        return;
    }
    if (c->spell_ms == 0) {
        begin_spell(c, sent_bytes, now_ms);
        return;
    }
    if (now_ms < c->spell_ms) { /* not settled yet */
        c->spell_bytes = sent_bytes;
        return;
    }
    if (now_ms - c->spell_ms < SPELL_MS)
        return;
    rate = (double)(sent_bytes - c->spell_bytes) * 1000.0 / (double)(now_ms - c->spell_ms);
    if (c->is_trial)
        end_trial(c, rate, now_ms);
    else
        c->rate = rate;
    if (now_ms >= c->next_ms && c->n < c->most) {
        c->is_trial = true;
        c->n++;
    }
    begin_spell(c, sent_bytes, now_ms + SETTLE_MS);
}
