/* plan_far.c - how far the plan is, as a whole and study by study. */
#include "gateway/uplink/plan_own.h"

#include <string.h>

static uint64_t
missing_of(const struct job *job)
{
    return job->there < job->size ? job->size - job->there : 0;
}

void
plan_each_study(struct plan *plan, plan_far_fn fn, void *user)
{
    uint64_t before = 0;

    for (size_t i = 0; i < plan->studies_n; i++)
        plan->studies[i]->far =
            (struct plan_far){.study = plan->studies[i]->uid, .urgency = plan->studies[i]->urgency};
    for (size_t i = 0; i < plan->n; i++) {
        struct job *job = plan->by_due[i];
        struct plan_far *far = &job->study->far;
        uint64_t missing = missing_of(job);

        before += missing;
        far->objects++;
        far->bytes += job->size;
        far->unlooked += job->is_looked ? 0 : 1;
        far->missing_bytes += missing;
        far->before_bytes = before;
        job->study->last = i;
    }
    for (size_t i = 0; i < plan->n; i++)
        if (plan->by_due[i]->study->last == i)
            fn(user, &plan->by_due[i]->study->far);
}

uint64_t
plan_left(const struct plan *plan, uint64_t most)
{
    uint64_t left = 0;
    bool is_stat = false; /* that is left: others are not counted */

    for (size_t i = 0; i < plan->n && left < most; i++) {
        const struct job *job = plan->by_due[i];

        if (is_stat && job->study->urgency < PLAN_STAT)
            break;
        left += ranges_total(&job->todo_look) + ranges_total(&job->todo_rest);
        is_stat = left > 0 && job->study->urgency >= PLAN_STAT;
    }
    return left < most ? left : most;
}

static uint64_t
waiting_of(const struct job *job)
{
    uint64_t missing = missing_of(job), way = ranges_total(&job->way);

    return missing > way ? missing - way : 0;
}

void
plan_stats(const struct plan *plan, struct plan_stats *out)
{
    memset(out, 0, sizeof *out);
    out->objects = plan->n;
    for (size_t i = 0; i < plan->n; i++) {
        const struct job *job = plan->by_id[i];

        out->unlooked += job->is_looked ? 0 : 1;
        out->unproved += job->is_unproved ? 1 : 0;
        out->missing_bytes += missing_of(job);
        out->waiting_bytes += waiting_of(job);
    }
}
