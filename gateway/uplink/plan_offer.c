/* plan_offer.c - what is offered next. What a full centre had no room for goes behind what it was
 * asked about less often: it may have begun some of that, or of its study, and that goes on. STAT
 * is among each batch, up to half of it. */
#include "gateway/uplink/plan_own.h"

#include <limits.h>

#define NONE UINT_MAX

/* What is on the way by another connection will be answered first. */
static bool
may_be_offered(const struct job *job)
{
    return job->phase == PHASE_NEW && job->way.n == 0;
}

/* How often the least often asked one was told that there is no room; NONE: nothing is to be
 * offered. */
static unsigned
least_behind(const struct plan *plan, int least_urgency)
{
    unsigned least = NONE;

    for (size_t i = 0; i < plan->n && least > 0; i++) {
        const struct job *job = plan->by_due[i];

        if (job->study->urgency < least_urgency)
            break; /* they come first in the row */
        if (may_be_offered(job) && job->behind < least)
            least = job->behind;
    }
    return least;
}

static size_t
next_offers(struct plan *plan, int least_urgency, uint64_t *out_ids, size_t max)
{
    unsigned least = least_behind(plan, least_urgency);
    size_t n = 0, before_turn = 0;

    for (size_t i = 0; least != NONE && i < plan->n && n < max; i++) {
        struct job *job = plan->by_due[i];
        bool is_in_turn = job->behind == least;

        if (job->study->urgency < least_urgency)
            break;
        if (!may_be_offered(job) ||
            (!is_in_turn && (job->study->urgency < PLAN_STAT || before_turn >= max / 2)))
            continue;
        before_turn += !is_in_turn;
        plan_enter(plan, job, PHASE_OFFERING);
        out_ids[n++] = job->id;
    }
    return n;
}

size_t
plan_next_offers(struct plan *plan, uint64_t *out_ids, size_t max)
{
    return next_offers(plan, 0, out_ids, max);
}

size_t
plan_next_stat_offers(struct plan *plan, uint64_t *out_ids, size_t max)
{
    return next_offers(plan, PLAN_STAT, out_ids, max);
}

void
plan_offer_failed(struct plan *plan, uint64_t id)
{
    struct job *job = plan_find(plan, id);

    if (job != NULL && job->phase == PHASE_OFFERING)
        plan_enter(plan, job, PHASE_NEW);
}

void
plan_put_behind(struct plan *plan, uint64_t id)
{
    struct job *job = plan_find(plan, id);

    if (job == NULL || job->phase != PHASE_OFFERING)
        return;
    plan_enter(plan, job, PHASE_NEW);
    job->behind++;
}

bool
plan_is_behind(const struct plan *plan, uint64_t id)
{
    const struct job *job = plan_find(plan, id);

    return job != NULL && job->behind > 0;
}

bool
plan_has_behind(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        if (plan->by_id[i]->behind > 0)
            return true;
    return false;
}

bool
plan_has_unasked(const struct plan *plan)
{
    return least_behind(plan, 0) == 0;
}

void
plan_room_found(struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        plan->by_id[i]->behind = 0;
}
