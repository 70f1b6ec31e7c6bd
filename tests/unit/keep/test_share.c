/* test_share.c - turns go by what each clinic was given, not by its connections. */
#include "storage/keep/share.h"
#include "storage/keep/traffic.h"

#include "proto/base/clock.h"
#include "proto/base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TURNS = 300, BUSY = 12, MODEST = 1 };

static struct share *share;
static struct gate gate;
static unsigned given[2]; /* gate */
static bool is_over;      /* gate */

static bool
note_turn(int who)
{
    bool goes_on;

    gate_lock(&gate);
    given[who]++;
    if (given[0] + given[1] >= TURNS)
        is_over = true;
    goes_on = !is_over;
    gate_unlock(&gate);
    return goes_on;
}

static void *
send_all_the_time(void *arg)
{
    int who = *(const int *)arg;
    bool goes_on;

    do {
        share_enter(share, who == 0 ? "busy" : "modest", 100000);
        goes_on = note_turn(who);
        while (goes_on && share_waiting(share) < BUSY + 1) /* all the others stand in line */
            sched_yield();
        share_leave(share);
    } while (goes_on);
    return NULL;
}

static void
a_clinic_with_many_connections_gets_no_more_than_one_with_few(void **state)
{
    static const int whose[2] = {0, 1};
    pthread_t threads[BUSY + 2];
    int n = 0;

    (void)state;
    gate_init(&gate);
    share = share_new(1, 60000);
    share_enter(share, "door", 1); /* until all of them stand in line */
    for (int i = 0; i < BUSY; i++)
        threads[n++] = thread_start("busy", send_all_the_time, (void *)(uintptr_t)&whose[0]);
    for (int i = 0; i < 2; i++)
        threads[n++] = thread_start("modest", send_all_the_time, (void *)(uintptr_t)&whose[1]);
    while (share_waiting(share) < BUSY + 2)
        sched_yield();
    share_leave(share);
    while (n > 0)
        thread_join(threads[--n]);

    /* of 300 about 150 each; 12 of 14 would be 257 */
    if (given[1] < TURNS * 2 / 5 || given[1] > TURNS * 3 / 5)
        fail_msg("wanted about a half for the modest one, got %u of %u", given[1],
                 given[0] + given[1]);
    share_free(&share);
    gate_fini(&gate);
}

static void *
hang(void *arg)
{
    share_enter(arg, "broken", 1);
    return NULL;
}

static void
a_turn_that_hangs_holds_the_others_up_for_the_limit_only(void **state)
{
    struct share *s = share_new(1, 50);
    int64_t began_ms;

    (void)state;
    thread_join(thread_start("hang", hang, s)); /* it has the only turn, and keeps it */
    began_ms = clock_mono_ms();
    share_enter(s, "other", 1);
    assert_true(clock_mono_ms() - began_ms >= 45);
    share_leave(s);
    share_leave(s);
    share_free(&s);
}

static void *
enter(void *arg)
{
    share_enter(arg, "waits", 1);
    return NULL;
}

static void
fewer_turns_hold_for_those_to_come_and_more_wake_those_who_wait(void **state)
{
    struct share *s = share_new(3, 60000);
    pthread_t threads[2];

    (void)state;
    share_enter(s, "first", 1);
    share_enter(s, "second", 1);
    share_set_turns(s, 1); /* the two go on */
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start("waits", enter, s);
    while (share_waiting(s) < 2)
        sched_yield();
    share_leave(s);
    assert_int_equal(share_waiting(s), 2); /* one is still too many for another */
    share_set_turns(s, 3);
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);

    for (int i = 0; i < 3; i++)
        share_leave(s);
    share_free(&s);
}

static void
a_study_that_came_lately_has_a_rate(void **state)
{
    struct traffic *t = traffic_new();

    (void)state;
    assert_int_equal(traffic_rate(t, "a", "1.2"), 0);
    traffic_note(t, "a", "1.2", 5000);
    traffic_note(t, "a", "1.2", 1000);
    traffic_note(t, "b", "1.2", 7);
    assert_int_equal(traffic_rate(t, "a", "1.2"), 6000);
    assert_int_equal(traffic_rate(t, "b", "1.2"), 7);
    assert_int_equal(traffic_rate(t, "a", "1.3"), 0);
    traffic_free(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clinic_with_many_connections_gets_no_more_than_one_with_few),
        cmocka_unit_test(a_turn_that_hangs_holds_the_others_up_for_the_limit_only),
        cmocka_unit_test(fewer_turns_hold_for_those_to_come_and_more_wake_those_who_wait),
        cmocka_unit_test(a_study_that_came_lately_has_a_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
