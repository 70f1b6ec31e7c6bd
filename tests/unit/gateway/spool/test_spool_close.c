/* test_spool_close.c - two close a study's list at once, the disk is slow: each gets a number of
 * its own, so that no image is on a list that was told before it was there. */
#include "gateway/spool/internal.h"

#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <dlfcn.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)

/* ---- the disk, and where a closer is ---- */

static struct gate stage;
static bool is_slow;
static unsigned begun, let; /* syncs of the journal */
static bool is_second_due;  /* the second has made its list, or waits for the first */
static struct spool *watched;
static _Thread_local unsigned locks_of_second;

static bool
is_journal(int fd)
{
    char link[64], path[PATH_MAX] = "";
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    return n > 4 && memcmp(path + n - 4, ".jnl", 4) == 0;
}

int
fdatasync(int fd)
{
    if (is_journal(fd)) {
        gate_lock(&stage);
        begun += is_slow;
        gate_wake(&stage);
        while (is_slow && let < begun)
            gate_wait(&stage);
        gate_unlock(&stage);
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* The second closer's first lock of the spool is for its list, its second one for the queue. */
int
pthread_mutex_lock(pthread_mutex_t *lock)
{
    static int (*really)(pthread_mutex_t *);

    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (locks_of_second > 0 && (lock != &watched->gate.lock || ++locks_of_second == 3)) {
        locks_of_second = 0;
        gate_lock(&stage);
        is_second_due = true;
        gate_wake(&stage);
        gate_unlock(&stage);
    }
    return really(lock);
}

static void
await_sync(unsigned n)
{
    gate_lock(&stage);
    while (begun < n)
        gate_wait(&stage);
    gate_unlock(&stage);
}

static void
let_sync(unsigned n)
{
    gate_lock(&stage);
    let = n;
    is_slow = n < UINT_MAX;
    gate_wake(&stage);
    gate_unlock(&stage);
}

static void
await_queued(struct spool *sp)
{
    bool is = false;

    while (!is) {
        gate_lock(&sp->gate);
        is = sp->queue != NULL;
        gate_unlock(&sp->gate);
        sched_yield();
    }
}

/* ---- */

struct closer {
    struct spool *sp;
    bool is_second;
    uint32_t revision;
    int rc;
    pthread_t thread;
};

static void *
close_list(void *arg)
{
    struct closer *c = arg;
    struct err why;

    locks_of_second = c->is_second ? 1 : 0;
    c->rc = spool_manifest_close(c->sp, "1.9", &c->revision, &why);
    return NULL;
}

struct inspector {
    struct spool *sp;
    uint64_t id;
    int rc;
    pthread_t thread;
};

static void *
inspect(void *arg)
{
    struct inspector *i = arg;
    struct spool_inspection facts = {.study_uid = "1.9"};
    struct err why;

    i->rc = spool_set_inspected(i->sp, i->id, &facts, &why);
    return NULL;
}

/* One closes the list without the late image, which becomes known while that is on its way to the
 * disk; another closes it with the late image. Both took the same number: the first was told and
 * acknowledged, and the centre never heard of the late image. */
static void
two_lists_that_are_closed_at_once_have_two_numbers(void **state)
{
    struct spool_fixture *f = *state;
    struct closer first = {.sp = f->sp}, second = {.sp = f->sp, .is_second = true};
    uint64_t early = fixture_put(f, 100, 1, 0);
    struct inspector late = {.sp = f->sp, .id = fixture_put(f, 100, 2, 0)};
    struct spool_study study;
    struct spool_entry *e = NULL;

    fixture_inspect(f, early, "1.9");
    watched = f->sp;
    is_slow = true;
    assert_int_equal(pthread_create(&late.thread, NULL, inspect, &late), 0);
    await_sync(1);
    assert_int_equal(pthread_create(&first.thread, NULL, close_list, &first), 0);
    await_queued(f->sp);
    let_sync(1);
    pthread_join(late.thread, NULL);
    await_sync(2);
    assert_int_equal(pthread_create(&second.thread, NULL, close_list, &second), 0);
    gate_lock(&stage);
    while (!is_second_due)
        gate_wait(&stage);
    gate_unlock(&stage);
    let_sync(UINT_MAX);
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);

    assert_int_equal(late.rc + first.rc + second.rc, 0);
    assert_int_equal(first.revision, 1);
    assert_int_equal(second.revision, 2);
    OK(spool_manifest_acked(f->sp, "1.9", 1, &err));
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.revision, 2);
    assert_int_equal(study.acked_revision, 1);
    OK(spool_load(f->sp, late.id, &e, &err));
    assert_int_equal(e->revision, 2);
    spool_entry_free(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_lists_that_are_closed_at_once_have_two_numbers,
                                        spool_fixture_setup, spool_fixture_teardown),
    };

    gate_init(&stage);
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
