/* thread.c - a lock with a condition, and threads that are joined. */
#include "proto/base/thread.h"

#include "proto/base/clock.h"

#include <errno.h>
#include <signal.h>

static void
condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

static bool
condition_wait_ms(pthread_cond_t *condition, struct gate *g, int64_t wait_ms)
{
    struct timespec until = clock_deadline(wait_ms > 0 ? wait_ms : 0);
    int e = pthread_cond_timedwait(condition, &g->lock, &until);

    CHECK(e == 0 || e == ETIMEDOUT);
    return e == 0;
}

void
gate_init(struct gate *g)
{
    CHECK(pthread_mutex_init(&g->lock, NULL) == 0);
    condition_init(&g->changed);
}

void
gate_fini(struct gate *g)
{
    CHECK(pthread_cond_destroy(&g->changed) == 0);
    CHECK(pthread_mutex_destroy(&g->lock) == 0);
}

void
gate_lock(struct gate *g)
{
    CHECK(pthread_mutex_lock(&g->lock) == 0);
}

void
gate_unlock(struct gate *g)
{
    CHECK(pthread_mutex_unlock(&g->lock) == 0);
}

void
gate_wait(struct gate *g)
{
    CHECK(pthread_cond_wait(&g->changed, &g->lock) == 0);
}

bool
gate_wait_ms(struct gate *g, int64_t wait_ms)
{
    return condition_wait_ms(&g->changed, g, wait_ms);
}

void
gate_wake(struct gate *g)
{
    CHECK(pthread_cond_broadcast(&g->changed) == 0);
}

void
bell_init(struct bell *b)
{
    condition_init(&b->rung);
}

void
bell_fini(struct bell *b)
{
    CHECK(pthread_cond_destroy(&b->rung) == 0);
}

void
bell_wait(struct bell *b, struct gate *g)
{
    CHECK(pthread_cond_wait(&b->rung, &g->lock) == 0);
}

bool
bell_wait_ms(struct bell *b, struct gate *g, int64_t wait_ms)
{
    return condition_wait_ms(&b->rung, g, wait_ms);
}

void
bell_ring(struct bell *b)
{
    CHECK(pthread_cond_broadcast(&b->rung) == 0);
}

pthread_t
thread_start(const char *name, void *(*run)(void *), void *arg)
{
    pthread_t t;
    sigset_t all, old;

    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    if (pthread_create(&t, NULL, run, arg) != 0)
        mem_stop();
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    pthread_setname_np(t, name);
    return t;
}

void
thread_join(pthread_t t)
{
    CHECK(pthread_join(t, NULL) == 0);
}
