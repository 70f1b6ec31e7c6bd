/* test_emergency.c - over a real spool and real workers, against a centre in this process: an
 * emergency goes although all ordinary coders are at work and do not end. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

enum { WAIT_MS = 120000, CODERS = 1 };

static struct gate gate;
static _Atomic bool is_holding; /* a coder that hands over a job waits (workers never do) */
static unsigned held_up;        /* so many do */

static bool
is_ordinary_coder(void)
{
    char name[32] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 &&
           strcmp(name, "up-code") == 0;
}

/* A job is handed to a worker by this: the coder has its worker then, and nothing ends. */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (is_holding && is_ordinary_coder()) {
        gate_lock(&gate);
        held_up++;
        gate_wake(&gate);
        while (is_holding)
            gate_wait(&gate);
        held_up--;
        gate_unlock(&gate);
    }
    return (ssize_t)syscall(SYS_sendmsg, fd, message, flags);
}

static enum instance_state
state_of(struct uplink_site *s, uint64_t id)
{
    struct spool_entry *entry = NULL;
    enum instance_state state;
    struct err err = {0};

    if (spool_load(s->spool, id, &entry, &err) < 0)
        fail_msg("%s", err.text);
    state = entry->state;
    spool_entry_free(&entry);
    return state;
}

static void
let_go(void)
{
    gate_lock(&gate);
    is_holding = false;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static void
an_emergency_goes_while_every_ordinary_coder_is_at_work(void **state)
{
    struct uplink_site s;
    struct err err = {0};
    uint64_t ordinary, emergency;
    struct fake_counts counts;
    bool is_there, have_all;
    int64_t until_ms;

    (void)state;
    uplink_site_open(&s, "emergency", CODERS + 1); /* as the gateway has it */
    s.options.coders = CODERS;
    s.options.look_hold_ms = 0;
    s.options.stall_ms = WAIT_MS;
    is_holding = true;
    ordinary = uplink_site_picture(&s, "1.2.3", 1, false);
    uplink_site_start(&s);
    gate_lock(&gate);
    until_ms = clock_mono_ms() + WAIT_MS;
    while (held_up < CODERS && clock_mono_ms() < until_ms)
        gate_wait_ms(&gate, WAIT_MS);
    have_all = held_up >= CODERS;
    gate_unlock(&gate);
    if (!have_all)
        fail_msg("not %d coders hand over a job", CODERS);
    if (uplink_set_urgency(s.up, "1.2.4", UPLINK_STAT, "trauma", "Li", &err) < 0)
        fail_msg("%s", err.text);

    emergency = uplink_site_picture(&s, "1.2.4", 1, false);
    is_there = uplink_site_wait(&s, UPLINK_SITE_THERE, 1);

    assert_true(is_there);
    assert_in_range(state_of(&s, emergency), INSTANCE_HELD, INSTANCE_SEALED);
    assert_int_equal(state_of(&s, ordinary), INSTANCE_RECEIVED);
    counts = uplink_site_counts(&s); /* its offer and what carried it said so: the centre hurries */
    assert_true(counts.stat_calls >= 2);
    assert_string_equal(counts.stat_studies, "1.2.4");
    let_go();
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 2));
    assert_int_equal(uplink_site_counts(&s).stat_calls, counts.stat_calls);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emergency_goes_while_every_ordinary_coder_is_at_work),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    gate_init(&gate);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
