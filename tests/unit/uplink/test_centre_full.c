/* test_centre_full.c - over a real spool, against a centre in this process that is full: what is
 * new waits here, everything else goes on. Images without pixels: nothing has to be coded. */
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

#include "tests/support/ct_picture.h"

enum { WAIT_MS = 60000, IMAGES = 4, BACKOFF_MS = 200, WATCHED_MS = 3000, OFFERS_MOST = 8 };

static void
receive(struct uplink_site *s, const char *study)
{
    struct buf file;

    buf_init(&file, 1 << 20);
    for (int i = 1; i <= IMAGES; i++) {
        buf_clear(&file);
        picture(&file, study, i, true);
        uplink_site_receive(s, study, i, &file);
    }
    buf_fini(&file);
}

static struct fake_counts
counts_of(struct uplink_site *s)
{
    struct fake_counts counts;

    fake_centre_lock(s->centre);
    counts = *fake_centre_counts(s->centre);
    fake_centre_unlock(s->centre);
    return counts;
}

static void
wish(struct uplink_site *s, struct fake_wishes wishes)
{
    fake_centre_lock(s->centre);
    *fake_centre_wishes(s->centre) = wishes;
    fake_centre_unlock(s->centre);
}

static void
wait_state(struct uplink_site *s, enum instance_state state, uint64_t wanted)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    uint64_t counts[INSTANCE_STATES], seen = 0;

    do {
        spool_counts(s->spool, counts);
        if (counts[state] == wanted)
            return;
        seen = spool_wait(s->spool, seen, 100);
    } while (clock_mono_ms() < until_ms);
    fail_msg("not %llu images are in state %d", (unsigned long long)wanted, (int)state);
}

/* While nothing is taken, the line is looked at as often as a flap would need. */
static void
watch_line(struct uplink_site *s, int64_t since_us)
{
    int64_t until_ms = clock_mono_ms() + WATCHED_MS;
    struct uplink_status status;
    uint64_t seen = 0;

    do {
        uplink_status(s->up, &status);
        if (status.line != UPLINK_UP || status.line_since_us != since_us)
            fail_msg("the line went %s: %s", uplink_line_word(status.line), status.trouble);
        seen = spool_wait(s->spool, seen, 20);
    } while (clock_mono_ms() < until_ms);
}

static void
wait_full(struct uplink_site *s, bool is_full)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    struct uplink_status status;
    uint64_t seen = 0;

    do {
        uplink_status(s->up, &status);
        if (status.is_centre_full == is_full) {
            assert_int_equal(status.trouble[0] != '\0', is_full);
            return;
        }
        seen = spool_wait(s->spool, seen, 20);
    } while (clock_mono_ms() < until_ms);
    fail_msg("the desk is not told %s", is_full ? "that the centre is full" : "that it has room");
}

static void
a_full_centre_keeps_new_images_waiting_and_nothing_else(void **state)
{
    struct fake_wishes full = {.is_full = true, .refused_status = 507};
    struct uplink_status status;
    struct uplink_site s;
    unsigned refused;

    (void)state;
    uplink_site_open(&s, "room", 1);
    s.options.backoff_ms = BACKOFF_MS;
    s.options.backoff_max_ms = 2 * BACKOFF_MS;
    s.options.quiet_ms = 1500; /* the list of the first study comes after the second was refused */
    uplink_site_start(&s);
    receive(&s, "1.2.3.1");
    wait_state(&s, INSTANCE_HELD, IMAGES);
    uplink_status(s.up, &status);
    wish(&s, full);

    receive(&s, "1.2.3.2");
    wait_full(&s, true);
    watch_line(&s, status.line_since_us);
    wait_state(&s, INSTANCE_SEALED, IMAGES); /* its list and its receipts went meanwhile */
    refused = counts_of(&s).refused;
    if (refused == 0 || refused > OFFERS_MOST)
        fail_msg("%u offers to a full centre", refused);

    wish(&s, (struct fake_wishes){0});
    wait_state(&s, INSTANCE_SEALED, 2 * (uint64_t)IMAGES);
    wait_full(&s, false);
    uplink_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_centre_keeps_new_images_waiting_and_nothing_else),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
