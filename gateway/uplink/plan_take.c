/* plan_take.c - whose bytes go next: STAT, first looks, rests, each with its share. */
#include "gateway/uplink/plan_own.h"

#include <stdio.h>
#include <string.h>

enum { SHARE_OF_LOOKS = 90, AWAITED_MS = 8000 };

static bool
rest_may_go(const struct plan *plan, const struct study *study, int64_t now_ms)
{
    return study->is_looked || now_ms >= study->since_ms + plan->look_hold_ms;
}

/* What a bundle is filled with. */
struct filling {
    struct plan *plan;
    struct plan_piece *out;
    size_t n, max;
    uint64_t room;  /* bytes it may still take */
    uint64_t run;   /* of them before the turn changes */
    uint64_t taken; /* in this run */
    int64_t now_ms;
    int64_t wait_ms;
    const struct job *alone; /* the request is its own */
    bool is_mixed;           /* the request has others in it: no suspects */
};

/* Fits it into this request? */
static bool
fits(const struct filling *f, const struct job *job)
{
    return f->alone != NULL ? job == f->alone : !f->is_mixed || !job->is_suspect;
}

static bool
is_full(const struct filling *f)
{
    return f->n == f->max || f->room == 0 || f->taken >= f->run;
}

/* Of looks, what comes first in their order. */
static bool
next_of(struct job *job, const struct ranges *todo, uint64_t limit, struct range *out)
{
    for (; todo == &job->todo_look && job->order_at < job->order_n; job->order_at++) {
        const struct range *r = &job->order[job->order_at];

        if (ranges_first_within(todo, r->from, r->to, limit, out))
            return true;
    }
    return ranges_first(todo, limit, out);
}

/* Pieces of one job. */
static void
take_job(struct filling *f, struct job *job, struct ranges *todo)
{
    struct range next;

    while (!is_full(f)) {
        struct plan_piece *piece = &f->out[f->n];

        if (!next_of(job, todo, f->room < PLAN_CHUNK ? f->room : PLAN_CHUNK, &next))
            break;
        ranges_remove(todo, next.from, next.to);
        ranges_add(&job->way, next.from, next.to);
        piece->id = job->id;
        memcpy(piece->object, job->object, sizeof piece->object);
        piece->offset = next.from;
        piece->n = next.to - next.from;
        piece->may_deflate = job->may_deflate;
        piece->is_look = todo == &job->todo_look;
        if (piece->is_look)
            f->plan->heard_ms = f->now_ms;
        f->room -= piece->n;
        f->taken += piece->n;
        job->study->sent_bytes += piece->n;
        f->n++;
        if (job->is_suspect)
            f->alone = job;
        else
            f->is_mixed = true;
    }
}

static bool
is_of(const struct job *job, bool is_stat)
{
    return (job->study->urgency >= PLAN_STAT) == is_stat;
}

bool
plan_is_stat(const struct plan *plan, uint64_t id)
{
    const struct job *job = plan_find(plan, id);

    return job != NULL && is_of(job, true);
}

void
plan_stat_studies(const struct plan *plan, char out[LINK_STAT_SIZE])
{
    unsigned told = 0;
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < plan->studies_n && told < LINK_STAT_STUDIES; i++) {
        const struct study *study = plan->studies[i];

        if (study->jobs == 0 || study->urgency < PLAN_STAT)
            continue;
        n += (size_t)snprintf(out + n, LINK_STAT_SIZE - n, "%s%s", told++ > 0 ? " " : "",
                              study->uid);
    }
}

static void
take_looks(struct filling *f, bool is_stat)
{
    for (size_t i = 0, left = f->plan->sending; left > 0 && i < f->plan->n && !is_full(f); i++) {
        struct job *job = f->plan->by_due[i];

        if (is_stat && !is_of(job, true))
            return; /* they come first in the row */
        if (job->phase != PHASE_SENDING)
            continue;
        left--;
        if (is_of(job, is_stat) && fits(f, job))
            take_job(f, job, &job->todo_look);
    }
}

/* So long rests wait for looks that waited for the line; 0: they do not. */
static int64_t
looks_awaited_ms(const struct filling *f, bool is_stat)
{
    const struct plan *plan = f->plan;
    int64_t left = plan->heard_ms + AWAITED_MS - f->now_ms;

    for (size_t i = 0; i < plan->n && plan->awaited > 0 && left > 0; i++) {
        if (is_stat && !is_of(plan->by_due[i], true))
            break; /* STAT waits for no others */
        if (plan->by_due[i]->is_awaited)
            return left;
    }
    return 0;
}

static void
note_wait(struct filling *f, int64_t wait_ms)
{
    if (f->wait_ms < 0 || wait_ms < f->wait_ms)
        f->wait_ms = wait_ms;
}

static void
take_rests(struct filling *f, bool is_stat)
{
    int64_t awaited_ms = looks_awaited_ms(f, is_stat);

    if (awaited_ms > 0) {
        note_wait(f, awaited_ms);
        return;
    }
    for (size_t i = 0, left = f->plan->sending; left > 0 && i < f->plan->n && !is_full(f); i++) {
        struct job *job = f->plan->by_due[i];

        if (is_stat && !is_of(job, true))
            return;
        if (job->phase != PHASE_SENDING)
            continue;
        left--;
        if (job->todo_rest.n == 0 || !is_of(job, is_stat) || !fits(f, job))
            continue;
        if (rest_may_go(f->plan, job->study, f->now_ms)) {
            take_job(f, job, &job->todo_rest);
            continue;
        }
        note_wait(f, job->study->since_ms + f->plan->look_hold_ms - f->now_ms);
    }
}

/* One run of a kind, of at most so many bytes; how many it took. */
static uint64_t
take_run(struct filling *f, void (*take)(struct filling *, bool), bool is_stat, uint64_t run)
{
    f->run = run;
    f->taken = 0;
    take(f, is_stat);
    return f->taken;
}

/* How many bytes one side may take until the other is owed a chunk; what it took is put down. A
 * share of 100 owes nothing. */
static uint64_t
run_of(double owed, unsigned percent)
{
    double left = (PLAN_CHUNK - owed) * percent / (100.0 - percent);

    return percent >= 100 || left > 1e15 ? UINT64_MAX : left < 1 ? 1 : (uint64_t)left;
}

static void
put_down(double *owed, uint64_t taken, unsigned percent)
{
    *owed += percent >= 100 ? 0 : (double)taken * (100.0 - percent) / percent;
    if (*owed > PLAN_CHUNK)
        *owed = PLAN_CHUNK; /* those who had nothing to send save nothing up */
}

static uint64_t
take_others(struct filling *f)
{
    struct plan *plan = f->plan;
    uint64_t taken = 0;

    if (plan->owed_rests >= PLAN_CHUNK) {
        taken = take_run(f, take_rests, false, PLAN_CHUNK);
        plan->owed_rests -= (double)taken;
    }
    if (taken > 0)
        return taken;
    taken = take_run(f, take_looks, false, run_of(plan->owed_rests, SHARE_OF_LOOKS));
    put_down(&plan->owed_rests, taken, SHARE_OF_LOOKS);
    return taken > 0 ? taken : take_run(f, take_rests, false, UINT64_MAX);
}

static uint64_t
take_stat(struct filling *f)
{
    uint64_t run = run_of(f->plan->owed_others, f->plan->stat_percent);
    uint64_t taken = take_run(f, take_looks, true, run);

    if (taken == 0)
        taken = take_run(f, take_rests, true, run);
    put_down(&f->plan->owed_others, taken, f->plan->stat_percent);
    return taken;
}

/* One turn; false: nothing may go. */
static bool
take_turn(struct filling *f)
{
    struct plan *plan = f->plan;
    bool has_stat = plan->n > 0 && is_of(plan->by_due[0], true);
    uint64_t taken = 0;

    if (has_stat && plan->owed_others >= PLAN_CHUNK) {
        uint64_t room = f->room;

        f->room = room < PLAN_CHUNK ? room : PLAN_CHUNK;
        taken = take_others(f);
        f->room = room - taken;
        plan->owed_others -= (double)taken;
    }
    if (taken == 0 && has_stat)
        taken = take_stat(f);
    return taken > 0 || take_others(f) > 0;
}

static size_t
fill(struct filling *f, int64_t *out_wait_ms)
{
    if (f->plan->has_heard)
        f->plan->heard_ms = f->now_ms;
    f->plan->has_heard = false;
    while (f->n < f->max && f->room > 0 && take_turn(f))
        ;
    *out_wait_ms = f->wait_ms;
    return f->n;
}

size_t
plan_take(struct plan *plan, uint64_t max_bytes, struct plan_piece *out_pieces, size_t max,
          int64_t now_ms, int64_t *out_wait_ms)
{
    struct filling f = {.plan = plan,
                        .out = out_pieces,
                        .max = max,
                        .room = max_bytes,
                        .now_ms = now_ms,
                        .wait_ms = -1};

    return fill(&f, out_wait_ms);
}

size_t
plan_take_more(struct plan *plan, const struct plan_piece *before, uint64_t max_bytes,
               struct plan_piece *out_pieces, size_t max, int64_t now_ms, int64_t *out_wait_ms)
{
    const struct job *job = plan_find(plan, before->id);
    struct filling f = {.plan = plan,
                        .out = out_pieces,
                        .max = max,
                        .room = max_bytes,
                        .now_ms = now_ms,
                        .wait_ms = -1,
                        .alone = job != NULL && job->is_suspect ? job : NULL,
                        .is_mixed = job == NULL || !job->is_suspect};

    return fill(&f, out_wait_ms);
}
