/* finish.c - see finish.h. */
#include "storage/keep/finish.h"

#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { HURRY_MS = 120000, ALONE_MS = 5000, PASSED_MOST = 9 };

struct finish_job {
    struct finish_job *next;
    struct landing_object *o; /* held by its group's bundle until the group was waited for */
    struct finish_group *group;
    bool is_hurried; /* since it was taken */
};

/* ---- emergencies; gate held ---- */

static struct finish_hurry *
hurry_of(struct finish_line *line, const char *tenant, const char *study)
{
    for (unsigned i = 0; i < line->hurries_n; i++)
        if (strcmp(line->hurries[i].study, study) == 0 &&
            strcmp(line->hurries[i].tenant, tenant) == 0)
            return &line->hurries[i];
    return NULL;
}

static bool
is_hurried(struct finish_line *line, const struct landing_object *o)
{
    const struct finish_hurry *hurry = hurry_of(line, o->tenant, o->offer.study);

    return hurry != NULL && clock_mono_ms() < hurry->until_ms;
}

/* A place for a new one: a free one, or that of the oldest. */
static struct finish_hurry *
hurry_place(struct finish_line *line)
{
    struct finish_hurry *oldest = &line->hurries[0];

    if (line->hurries_n < FINISH_HURRIES)
        return &line->hurries[line->hurries_n++];
    for (unsigned i = 1; i < FINISH_HURRIES; i++)
        if (line->hurries[i].until_ms < oldest->until_ms)
            oldest = &line->hurries[i];
    return oldest;
}

void
finish_hurry(struct keep *k, const char *tenant, const char *study)
{
    struct finish_line *line = &k->finish;
    struct finish_hurry *hurry;

    gate_lock(&line->gate);
    hurry = hurry_of(line, tenant, study);
    if (hurry == NULL) {
        hurry = hurry_place(line);
        text_copy(hurry->tenant, sizeof hurry->tenant, tenant);
        text_copy(hurry->study, sizeof hurry->study, study);
    }
    hurry->until_ms = line->hurries_until_ms = clock_mono_ms() + HURRY_MS;
    gate_unlock(&line->gate);
}

/* ---- the line ---- */

/* Whose turn it is: where its link is kept; NULL: nobody's. */
static struct finish_job **
whose_turn(struct finish_line *line)
{
    if (clock_mono_ms() < line->hurries_until_ms && line->passed < PASSED_MOST)
        for (struct finish_job **at = &line->first; *at != NULL; at = &(*at)->next)
            if (is_hurried(line, (*at)->o))
                return at;
    if (line->first == NULL ||
        (line->hurrying > 0 && clock_mono_ms() < line->alone_until_ms && !line->is_closing))
        return NULL;
    return &line->first;
}

static struct finish_job *
take_out(struct finish_line *line, struct finish_job **at)
{
    struct finish_job *job = *at;

    line->passed = at == &line->first ? 0 : line->passed + 1;
    *at = job->next;
    if (line->last == job) {
        line->last = line->first;
        while (line->last != NULL && line->last->next != NULL)
            line->last = line->last->next;
    }
    line->queued--;
    job->is_hurried = line->hurries_n > 0 && is_hurried(line, job->o);
    if (job->is_hurried && line->hurrying++ == 0)
        line->alone_until_ms = clock_mono_ms() + ALONE_MS;
    return job;
}

static void
wait_for_turn(struct finish_line *line)
{
    int64_t left = line->alone_until_ms - clock_mono_ms();

    if (line->first != NULL && line->hurrying > 0 && left > 0)
        bell_wait_ms(&line->turn, &line->gate, left);
    else
        bell_wait(&line->turn, &line->gate);
}

static struct finish_job *
next_job(struct finish_line *line)
{
    struct finish_job *job = NULL, **at;

    gate_lock(&line->gate);
    while ((at = whose_turn(line)) == NULL && !(line->is_closing && line->first == NULL))
        wait_for_turn(line);
    if (at != NULL) {
        job = take_out(line, at);
        bell_ring(&line->room);
    }
    gate_unlock(&line->gate);
    return job;
}

static void
end_job(struct finish_line *line, const struct finish_job *job)
{
    gate_lock(&line->gate);
    if (job->is_hurried && --line->hurrying == 0)
        bell_ring(&line->turn);
    if (--job->group->pending == 0 && job->group->done != NULL)
        bell_ring(job->group->done);
    gate_unlock(&line->gate);
}

static void *
finish_run(void *arg)
{
    struct keep *k = arg;
    struct finish_job *job;

    while ((job = next_job(&k->finish)) != NULL) {
        struct err ignored; /* the bundle's end asks again and tells its sender */

        if (landing_finish(k, job->o, &ignored) < 0)
            err_clear(&ignored);
        end_job(&k->finish, job);
        free(job);
    }
    return NULL;
}

void
finish_init(struct finish_line *line)
{
    gate_init(&line->gate);
    bell_init(&line->turn);
    bell_init(&line->room);
}

void
finish_fini(struct finish_line *line)
{
    bell_fini(&line->room);
    bell_fini(&line->turn);
    gate_fini(&line->gate);
}

void
finish_start(struct keep *k)
{
    while (k->finish.threads_n < FINISHERS)
        k->finish.threads[k->finish.threads_n++] = thread_start("keep-finish", finish_run, k);
}

void
finish_stop(struct keep *k)
{
    gate_lock(&k->finish.gate);
    k->finish.is_closing = true;
    bell_ring(&k->finish.turn);
    gate_unlock(&k->finish.gate);
    while (k->finish.threads_n > 0)
        thread_join(k->finish.threads[--k->finish.threads_n]);
    CHECK(k->finish.first == NULL);
}

bool
finish_put(struct keep *k, struct landing_object *o, struct finish_group *group)
{
    struct finish_line *line = &k->finish;
    struct finish_job *job;

    if (line->threads_n == 0)
        return false;
    job = mem_new(sizeof *job);
    *job = (struct finish_job){.o = o, .group = group};
    gate_lock(&line->gate);
    while (line->queued >= FINISH_QUEUE && !is_hurried(line, o))
        bell_wait(&line->room, &line->gate);
    if (line->last != NULL)
        line->last->next = job;
    else
        line->first = job;
    line->last = job;
    line->queued++;
    group->pending++;
    bell_ring(&line->turn);
    gate_unlock(&line->gate);
    return true;
}

void
finish_wait(struct keep *k, struct finish_group *group)
{
    struct bell done;

    bell_init(&done);
    gate_lock(&k->finish.gate);
    group->done = &done;
    while (group->pending > 0)
        bell_wait(&done, &k->finish.gate);
    group->done = NULL;
    gate_unlock(&k->finish.gate);
    bell_fini(&done);
}
