/* test_offers.c - over a real spool, against a centre in this process: what is coded is offered by
 * several connections, so that an answer that does not come holds up its own objects only. */
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

enum { WAIT_MS = 120000, IMAGES = 48, OTHERS = 12, OFFERERS = 3 };

static struct gate gate;
static _Atomic bool is_holding; /* a coder that hands over a job waits (workers never do) */
static unsigned dialled;        /* connections for offers */

static bool
is_thread(const char *wanted)
{
    char name[32] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, wanted) == 0;
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (is_holding && is_thread("up-code")) {
        gate_lock(&gate);
        while (is_holding)
            gate_wait(&gate);
        gate_unlock(&gate);
    }
    return (ssize_t)syscall(SYS_sendmsg, fd, message, flags);
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
    if (to->sa_family == AF_INET && is_thread("up-offer")) {
        gate_lock(&gate);
        dialled++;
        gate_wake(&gate);
        gate_unlock(&gate);
    }
    return (int)syscall(SYS_connect, fd, to, n);
}

static void
an_offer_that_is_not_answered_holds_up_its_own_objects_only(void **state)
{
    struct uplink_site s;
    int64_t until_ms;
    bool have_all, are_there;

    (void)state;
    uplink_site_open(&s, "offers", 2);
    s.options.look_hold_ms = 0;
    s.options.stall_ms = WAIT_MS;
    is_holding = true;
    for (int i = 1; i <= IMAGES; i++)
        uplink_site_picture(&s, "1.2.3", i, false);
    uplink_site_wish(&s, (struct fake_wishes){.is_slow_with_first_offer = true});
    uplink_site_start(&s);
    gate_lock(&gate); /* the queue is long, so all of them open their connections */
    until_ms = clock_mono_ms() + WAIT_MS;
    while (dialled < OFFERERS && clock_mono_ms() < until_ms)
        gate_wait_ms(&gate, WAIT_MS);
    have_all = dialled >= OFFERERS;
    is_holding = false;
    gate_wake(&gate);
    gate_unlock(&gate);
    if (!have_all)
        fail_msg("not %d offerers opened their connections", OFFERERS);

    are_there = uplink_site_wait(&s, UPLINK_SITE_THERE, OTHERS);

    uplink_site_wish(&s, (struct fake_wishes){0});
    assert_true(are_there);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, IMAGES));
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_that_is_not_answered_holds_up_its_own_objects_only),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    gate_init(&gate);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
