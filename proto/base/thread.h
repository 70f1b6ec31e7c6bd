/* thread.h - a lock with a condition on the monotonic clock, and threads that are joined.
 * A thread that cannot be made stops the process: limits on their number are set before. */
#ifndef RADPOST_BASE_THREAD_H
#define RADPOST_BASE_THREAD_H

#include "proto/base/base.h"

#include <pthread.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void gate_init(struct gate *g);
void gate_fini(struct gate *g);
void gate_lock(struct gate *g);
void gate_unlock(struct gate *g);
void gate_wait(struct gate *g);                     /* locked; until somebody wakes it */
bool gate_wait_ms(struct gate *g, int64_t wait_ms); /* false: the time passed */
void gate_wake(struct gate *g);                     /* all waiters; locked */

/* One more condition of a gate, for those who wait for one thing only: where many threads share a
 * lock, waking all of them for each change costs more than the change. */
struct bell {
    pthread_cond_t rung;
};

void bell_init(struct bell *b);
void bell_fini(struct bell *b);
void bell_wait(struct bell *b, struct gate *g); /* locked */
bool bell_wait_ms(struct bell *b, struct gate *g, int64_t wait_ms);
void bell_ring(struct bell *b); /* all waiters; locked */

/* name: at most 15 characters, seen in top and gdb. Signals are blocked in the new thread. Where
 * the machine has no room for one more the process stops as by mem_stop(). */
pthread_t thread_start(const char *name, void *(*run)(void *), void *arg);
void thread_join(pthread_t t);

#endif
