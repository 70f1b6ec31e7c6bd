/* test_stop.c - a thread that goes on until it is told to end. */
#include "proto/base/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { LONG_MS = 60000 };

struct worker {
    struct stop stop;
    struct gate gate;
    unsigned rounds; /* gate */
};

static void *
work(void *arg)
{
    struct worker *w = arg;

    while (!stop_is_asked(&w->stop)) {
        gate_lock(&w->gate);
        w->rounds++;
        gate_wake(&w->gate);
        gate_unlock(&w->gate);
        stop_rest_ms(&w->stop, LONG_MS);
    }
    return NULL;
}

/* The test's own deadline ends it where the thread is not woken. */
static void
one_that_rests_ends_when_it_is_told(void **state)
{
    struct worker w = {.rounds = 0};
    pthread_t thread;

    (void)state;
    stop_init(&w.stop);
    gate_init(&w.gate);
    thread = thread_start("work", work, &w);
    gate_lock(&w.gate);
    while (w.rounds == 0)
        gate_wait(&w.gate);
    gate_unlock(&w.gate);

    stop_ask(&w.stop);
    thread_join(thread);

    assert_true(stop_is_asked(&w.stop));
    gate_fini(&w.gate);
    stop_fini(&w.stop);
}

static void
nobody_rests_after_it(void **state)
{
    struct stop stop;

    (void)state;
    stop_init(&stop);

    assert_true(stop_rest_ms(&stop, 0));
    assert_true(stop_rest_ms(&stop, 1));
    stop_ask(&stop);
    assert_false(stop_rest_ms(&stop, LONG_MS));
    assert_false(stop_rest_ms(&stop, 0));

    stop_fini(&stop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_rests_ends_when_it_is_told),
        cmocka_unit_test(nobody_rests_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
