/* warm.c - a new connection takes four round trips, and a study's first look would wait for them. A
 * line that serves has two open ones that its prober asks over: whoever has something to send, and
 * no connection, goes on with one of these. */
#include "gateway/uplink/parts.h"

static bool
may_take(const struct talk *t, const struct talk *from)
{
    return from->line == t->line && from->lends == (t->is_roaming ? LENDS_OFFERS : LENDS_IMAGES) &&
           from->begun_ms == 0 && !from->is_given_up && !talk_is_cold(from) &&
           from->enrolment == t->up->who.enrolment && from->settings == t->line->settings;
}

static void
take(struct talk *t, struct talk *from)
{
    t->client = TAKE(from->client);
    t->enrolment = from->enrolment;
    t->settings = from->settings;
    t->taken = from->taken;
    t->wire = from->wire;
    t->moved_ms = from->moved_ms;
    from->taken = from->wire = 0;
}

bool
warm_borrow(struct talk *t)
{
    struct uplink *up = t->up;

    if (t->client != NULL || !t->is_bulk || t->lends != LENDS_NOT || t->is_trial ||
        !talk_pick_line(t))
        return false;
    for (size_t i = 0; i < up->talks_n; i++)
        if (may_take(t, up->talks[i])) {
            take(t, up->talks[i]);
            return true;
        }
    return false;
}
