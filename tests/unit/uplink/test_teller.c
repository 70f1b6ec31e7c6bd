/* test_teller.c - lists and questions beside the images, over a real spool, against a centre in
 * this process. Images without pixels: nothing has to be coded. */
#include "gateway/uplink/uplink.h"

#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "tests/support/uplink_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WAIT_MS = 60000, MANY = 30 };

static void
site_open(struct uplink_site *s)
{
    uplink_site_open(s, "teller", 1);
    s->options.connections = 2;
    s->options.stall_ms = 60000;
    s->options.quiet_ms = 100;
}

static void
a_list_without_an_answer_holds_up_no_image(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    uint64_t seen = 0;
    struct uplink_site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    fake_centre_wishes(s.centre)->is_slow_with_manifests = true;
    uplink_site_pictures(&s, "1.2.3.1", 1, true);
    uplink_site_start(&s);
    while (uplink_site_counts(&s).manifests_waiting == 0 && clock_mono_ms() < until)
        seen = spool_wait(s.spool, seen, 20);
    assert_int_equal(uplink_site_counts(&s).manifests_waiting, 1);

    uplink_site_pictures(&s, "1.2.3.2", 3, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), 4));
    assert_int_equal(uplink_site_counts(&s).manifests, 0);
    uplink_site_wish(&s, (struct fake_wishes){.is_never_sealing = true});
    uplink_site_close(&s);
}

/* Each by itself, ten thousand took minutes, in which nothing else was offered. */
static void
what_is_held_for_long_is_asked_after_many_at_a_time(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct fake_counts before, now;
    uint64_t seen = 0;
    struct uplink_site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    uplink_site_pictures(&s, "1.2.3.1", MANY, true);
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), MANY));
    uplink_stop(&s.up);

    s.options.recheck_ms = 300;
    before = uplink_site_counts(&s);
    uplink_site_start(&s);
    do {
        seen = spool_wait(s.spool, seen, 20);
        now = uplink_site_counts(&s);
    } while (now.offered < before.offered + 2 * MANY && clock_mono_ms() < until);
    assert_true(now.offered >= before.offered + 2 * MANY);
    assert_true(now.offers - before.offers < MANY / 2);
    uplink_site_close(&s);
}

static void
which_of_them_is_refused_is_found_and_the_others_are_asked_after(void **state)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct fake_counts before, now;
    uint64_t seen = 0;
    struct uplink_site s;

    (void)state;
    site_open(&s);
    fake_centre_wishes(s.centre)->is_never_sealing = true;
    uplink_site_pictures(&s, "1.2.3.1", MANY, true);
    uplink_site_start(&s);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), MANY));
    uplink_stop(&s.up);

    fake_centre_wishes(s.centre)->refused_sop = "1.2.3.1.7";
    s.options.recheck_ms = 300;
    before = uplink_site_counts(&s);
    uplink_site_start(&s);
    do { /* all of them at once, refused; each alone, and one of them refused again */
        seen = spool_wait(s.spool, seen, 20);
        now = uplink_site_counts(&s);
    } while (now.offered < before.offered + 2 * MANY && clock_mono_ms() < until);
    assert_true(now.offered >= before.offered + 2 * MANY);
    assert_in_range(now.refused - before.refused, 2, 3);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), MANY));
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_without_an_answer_holds_up_no_image),
        cmocka_unit_test(what_is_held_for_long_is_asked_after_many_at_a_time),
        cmocka_unit_test(which_of_them_is_refused_is_found_and_the_others_are_asked_after),
    };

    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
