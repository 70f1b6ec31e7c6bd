/* finish.c - see finish.h. */
#include "storage/keep/finish.h"

#include "storage/keep/keep_own.h"
#include "storage/keep/landing.h"

#include <stdlib.h>

struct finish_job {
    struct finish_job *next;
    struct landing_object *o; /* held by its group's bundle until the group was waited for */
    struct finish_group *group;
};

static struct finish_job *
next_job(struct finish_line *line)
{
    struct finish_job *job;

    gate_lock(&line->gate);
    while (line->first == NULL && !line->is_closing)
        gate_wait(&line->gate);
    job = line->first;
    if (job != NULL) {
        line->first = job->next;
        if (line->first == NULL)
            line->last = NULL;
        line->queued--;
        gate_wake(&line->gate);
    }
    gate_unlock(&line->gate);
    return job;
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
        gate_lock(&k->finish.gate);
        job->group->pending--;
        gate_wake(&k->finish.gate);
        gate_unlock(&k->finish.gate);
        free(job);
    }
    return NULL;
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
    gate_wake(&k->finish.gate);
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
    *job = (struct finish_job){NULL, o, group};
    gate_lock(&line->gate);
    while (line->queued >= FINISH_QUEUE)
        gate_wait(&line->gate);
    if (line->last != NULL)
        line->last->next = job;
    else
        line->first = job;
    line->last = job;
    line->queued++;
    group->pending++;
    gate_wake(&line->gate);
    gate_unlock(&line->gate);
    return true;
}

void
finish_wait(struct keep *k, struct finish_group *group)
{
    gate_lock(&k->finish.gate);
    while (group->pending > 0)
        gate_wait(&k->finish.gate);
    gate_unlock(&k->finish.gate);
}
