/* test_offers.c - over a real spool, against a centre in this process: what is coded is offered by
 * several connections, so that an answer that does not come holds up its own objects only; and what
 * is not taken is not offered again in a hot loop. */
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

enum {
    WAIT_MS = 120000,
    IMAGES = 48,
    OTHERS = 12,
    OFFERERS = 3,
    FEW = 4,
    BACKOFF_MS = 200,
    WATCHED_MS = 3000,
    OFFERS_MOST = 40 /* within it: each offerer at each try of the line */
};

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
    gate_lock(&gate); /* the queue is long, so all of them open theirs but one, which is open */
    until_ms = clock_mono_ms() + WAIT_MS;
    while (dialled < OFFERERS - 1 && clock_mono_ms() < until_ms)
        gate_wait_ms(&gate, WAIT_MS);
    have_all = dialled >= OFFERERS - 1;
    is_holding = false;
    gate_wake(&gate);
    gate_unlock(&gate);
    if (!have_all)
        fail_msg("not %d offerers opened their connections", OFFERERS - 1);

    are_there = uplink_site_wait(&s, UPLINK_SITE_THERE, OTHERS);

    uplink_site_wish(&s, (struct fake_wishes){0});
    assert_true(are_there);
    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, IMAGES));
    uplink_site_close(&s);
}

/* While something was being coded, each connection that was opened for it made the line that had
 * been told to wait come up again. */
static void
a_centre_that_takes_no_offer_is_not_asked_in_a_hot_loop(void **state)
{
    static const struct {
        const char *name;
        struct fake_wishes wishes;
    } rows[] = {
        {"busy", {.is_full = true, .refused_status = 503}},
        {"broken", {.is_full = true, .refused_status = 500}},
        {"full", {.is_full = true, .refused_status = 507}},
        {"refusing", {.is_full = true, .refused_status = 400}},
        {"behind another", {.is_full = true, .refused_status = 404, .is_refused_by_another = true}},
        {"mute", {.is_mute = true}},
        {"speaking of others", {.is_foreign = true}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uplink_site s;
        int64_t until_ms;
        uint64_t seen = 0;
        unsigned offers;

        uplink_site_open(&s, "hot", 1);
        s.options.quiet_ms = WAIT_MS;
        s.options.backoff_ms = BACKOFF_MS;
        s.options.backoff_max_ms = 2 * BACKOFF_MS;
        uplink_site_pictures(&s, "1.2.3", FEW, true);
        uplink_site_wish(&s, rows[i].wishes);
        uplink_site_start(&s);
        until_ms = clock_mono_ms() + WATCHED_MS;
        do
            seen = spool_wait(s.spool, seen, 20);
        while (clock_mono_ms() < until_ms);

        offers = uplink_site_counts(&s).offers;
        if (offers == 0 || offers > OFFERS_MOST)
            fail_msg("%s: %u offers", rows[i].name, offers);
        uplink_site_close(&s);
    }
}

/* The images of such a bundle were sent, and nothing was heard of them: they lay until a restart.
 */
static void
an_answer_of_other_objects_alone_is_none(void **state)
{
    struct uplink_site s;

    (void)state;
    uplink_site_open(&s, "foreign", 1);
    s.options.backoff_ms = BACKOFF_MS;
    s.options.backoff_max_ms = 2 * BACKOFF_MS;
    uplink_site_pictures(&s, "1.2.3", FEW, true);
    uplink_site_wish(&s, (struct fake_wishes){.foreign_answers = 1});
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, UPLINK_SITE_THERE, FEW));
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_that_is_not_answered_holds_up_its_own_objects_only),
        cmocka_unit_test(a_centre_that_takes_no_offer_is_not_asked_in_a_hot_loop),
        cmocka_unit_test(an_answer_of_other_objects_alone_is_none),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    gate_init(&gate);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
