/* test_sender.c - what a sender asks of the system while it sends, over a real spool, against a
 * centre in this process: an emergency waits behind little, because little waits in the kernel. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "gateway/uplink/parts.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
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

enum {
    WAIT_MS = 60000,
    IMAGES = 6,
    LEAST = 16384,
    MOST = 65536,
    SENDERS = 8,
    OPENED = 4, /* of these, when something is coded: twice as many as may stream at first, but for
                   one that is open */
    KEPT = 2,   /* by the prober, before there is anything to send */
    PINGS = KEPT + OPENED - 1 /* by which they are opened */
};

/* What senders asked the kernel to keep back at most, and the connections they made. */
static _Atomic int asked, asked_least = INT32_MAX, asked_most, dialled;

static struct gate gate;
static _Atomic bool is_holding;     /* a coder that hands over a job waits (workers never do) */
static _Atomic bool is_none_opened; /* whoever has something to send waits in connect() */
static _Thread_local bool has_dialled;
static _Atomic int diallers; /* senders that ever made one */

static bool
is_thread(const char *wanted)
{
    char name[32] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, wanted) == 0;
}

static bool
is_sender(void)
{
    return is_thread("up-send");
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
setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    if (level == IPPROTO_TCP && option == TCP_NOTSENT_LOWAT && is_sender()) {
        int bytes = *(const int *)value;

        asked++;
        if (bytes < asked_least)
            asked_least = bytes;
        if (bytes > asked_most)
            asked_most = bytes;
    }
    return (int)syscall(SYS_setsockopt, fd, level, option, value, n);
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
    if (to->sa_family == AF_INET && is_sender()) {
        dialled++;
        diallers += !has_dialled;
        has_dialled = true;
    }
    if (is_none_opened && !is_thread("up-probe")) {
        gate_lock(&gate);
        while (is_none_opened)
            gate_wait(&gate);
        gate_unlock(&gate);
    }
    return (int)syscall(SYS_connect, fd, to, n);
}

static void
images_one_by_one_go_over_open_connections_and_little_waits_in_the_kernel(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "sender", 1);
    s.options.stall_ms = 60000;
    s.options.quiet_ms = 60000;
    uplink_site_start(&s);

    for (int i = 1; i <= IMAGES; i++) {
        uplink_site_picture(&s, "1.2.3", i, false);
        assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, (uint64_t)i));
    }

    uplink_stop(&s.up);
    assert_in_range(dialled, 1, 3); /* not one an image */
    assert_true(asked > dialled);   /* beside what each connection begins with */
    assert_in_range(asked_least, LEAST, MOST);
    assert_in_range(asked_most, LEAST, MOST);
    uplink_site_close(&s);
}

static bool
is_line_eased(struct uplink_site *s)
{
    bool is_eased;

    gate_lock(&s->up->gate);
    is_eased = ease_is_on(&s->up->lines[0].ease, clock_mono_ms());
    gate_unlock(&s->up->gate);
    return is_eased;
}

/* It was coded before the line was eased, or is not coded by choice: the coders say nothing. */
static void
an_emergency_on_its_way_has_the_whole_line(void **state)
{
    struct uplink_site s;
    struct err err = {0};

    (void)state;
    uplink_site_open(&s, "eased", 1);
    s.options.stall_ms = 60000;
    s.options.quiet_ms = 60000;
    s.options.coding = UPLINK_CODING_FAST;
    uplink_site_start(&s);
    gate_lock(&s.up->gate);
    ease_want(&s.up->lines[0].ease, 1e9, clock_mono_ms());
    s.up->lines[0].ease.until_ms = clock_mono_ms() + 2 * WAIT_MS;
    gate_unlock(&s.up->gate);

    uplink_site_picture(&s, "1.2.3", 1, false);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));
    assert_true(is_line_eased(&s)); /* a routine image takes its part of it */
    if (uplink_set_urgency(s.up, "1.2.4", UPLINK_STAT, "trauma", "Li", &err) < 0)
        fail_msg("%s", err.text);
    uplink_site_picture(&s, "1.2.4", 1, false);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 2));
    assert_false(is_line_eased(&s));
    uplink_site_close(&s);
}

static void
wait_pings(struct uplink_site *s, unsigned least)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    unsigned pings = 0;

    while (pings < least && clock_mono_ms() < until) {
        pings = uplink_site_counts(s).pings;
        (void)spool_wait(s->spool, 0, 20);
    }
    assert_in_range(pings, least, 1000);
}

/* A connection costs round trips: what one that is open can take at once waits for none. */
static void
what_an_open_connection_takes_opens_no_other(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "warm", 1);
    s.options.connections = SENDERS;
    s.options.stall_ms = 60000;
    s.options.quiet_ms = 60000;
    diallers = 0;
    is_holding = true;
    uplink_site_picture(&s, "1.2.3", 1, false);
    uplink_site_start(&s);
    wait_pings(&s, PINGS);
    gate_lock(&gate);
    is_holding = false;
    gate_wake(&gate);
    gate_unlock(&gate);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));

    for (int i = 2; i <= IMAGES; i++) {
        uplink_site_picture(&s, "1.2.3", i, false);
        assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, (uint64_t)i));
    }

    uplink_stop(&s.up);
    assert_in_range(diallers, OPENED - 1, OPENED);
    uplink_site_close(&s);
}

/* A first look waits for no handshake: offers and images go over what the prober has open. */
static void
a_first_image_goes_before_any_connection_is_opened_for_it(void **state)
{
    struct uplink_site s;
    bool is_there;

    (void)state;
    uplink_site_open(&s, "first", 1);
    s.options.connections = SENDERS;
    s.options.stall_ms = 60000;
    s.options.quiet_ms = 60000;
    uplink_site_start(&s);
    wait_pings(&s, KEPT);
    is_none_opened = true;
    uplink_site_picture(&s, "1.2.3", 1, false);

    is_there = uplink_site_wait(&s, UPLINK_SITE_THERE, 1);

    gate_lock(&gate);
    is_none_opened = false;
    gate_wake(&gate);
    gate_unlock(&gate);
    assert_true(is_there);
    uplink_site_close(&s);
}

/* Two that send stand still, as after a cut. */
static void
what_waits_goes_by_others_when_a_line_that_stands_still_answers(void **state)
{
    struct uplink_site s;
    struct up_line *line;
    struct talk still[CROWD_FIRST];
    int64_t until = clock_mono_ms() + WAIT_MS;

    (void)state;
    uplink_site_open(&s, "still", 1);
    s.options.connections = SENDERS;
    s.options.stall_ms = 60000;
    s.options.quiet_ms = 60000;
    uplink_site_start(&s);
    line = &s.up->lines[0];
    for (size_t i = 0; i < CROWD_FIRST; i++)
        talk_init(&still[i], s.up, line, 60000);
    gate_lock(&s.up->gate);
    for (size_t i = 0; i < CROWD_FIRST; i++)
        still[i].is_streaming = still[i].is_still = true;
    line->streaming += CROWD_FIRST;
    gate_unlock(&s.up->gate);
    uplink_site_picture(&s, "1.2.3", 1, true); /* goes at once: no proof */
    while (uplink_site_counts(&s).offered == 0 && clock_mono_ms() < until)
        (void)spool_wait(s.spool, 0, 20);
    assert_int_equal(uplink_site_counts(&s).bundles, 0);

    while (uplink_site_counts(&s).bundles == 0 && clock_mono_ms() < until) {
        line_note_stall(&still[0], STALL_ANSWERED);
        (void)spool_wait(s.spool, 0, 20);
    }

    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, 1));
    line_note_stall(&still[0], STALL_MOVES);
    assert_false(still[0].is_still);
    gate_lock(&s.up->gate);
    line->streaming -= CROWD_FIRST;
    gate_unlock(&s.up->gate);
    for (size_t i = 0; i < CROWD_FIRST; i++)
        talk_fini(&still[i]);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_one_by_one_go_over_open_connections_and_little_waits_in_the_kernel),
        cmocka_unit_test(an_emergency_on_its_way_has_the_whole_line),
        cmocka_unit_test(what_an_open_connection_takes_opens_no_other),
        cmocka_unit_test(a_first_image_goes_before_any_connection_is_opened_for_it),
        cmocka_unit_test(what_waits_goes_by_others_when_a_line_that_stands_still_answers),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    gate_init(&gate);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
