/* nth_lock.h - something else happens just before the n-th lock of this thread: whoever includes
 * this gives its program a pthread_mutex_lock() that lets it. A test tries every n, until the n-th
 * lock does not come any more. */
#ifndef RADPOST_TESTS_SUPPORT_NTH_LOCK_H
#define RADPOST_TESTS_SUPPORT_NTH_LOCK_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static _Thread_local struct {
    unsigned left;
    void (*happen)(void *user);
    void *user;
} nth_lock;

static inline void
nth_lock_set(unsigned n, void (*happen)(void *user), void *user)
{
    nth_lock.happen = happen;
    nth_lock.user = user;
    nth_lock.left = n;
}

/* Has it come? From here on it does not. */
static inline bool
nth_lock_end(void)
{
    bool has_come = nth_lock.left == 0;

    nth_lock.left = 0;
    return has_come;
}

int
pthread_mutex_lock(pthread_mutex_t *lock)
{
    static int (*really)(pthread_mutex_t *);

    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (nth_lock.left > 0 && --nth_lock.left == 0)
        nth_lock.happen(nth_lock.user);
    return really(lock);
}

#endif
