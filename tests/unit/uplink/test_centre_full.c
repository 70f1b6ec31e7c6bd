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

enum {
    WAIT_MS = 60000,
    IMAGES = 4,
    NEW = 40, /* more than a first offer takes */
    BACKOFF_MS = 200,
    WATCHED_MS = 3000,
    OFFERS_MOST = 8,
    LISTS_MOST = 10,
    BUNDLES_MOST = 12 /* all connections may have begun one when the first was refused */
};

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
            assert_int_equal(status.full_since_us > 0, is_full);
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
    uplink_site_pictures(&s, "1.2.3.1", IMAGES, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), IMAGES));
    uplink_status(s.up, &status);
    uplink_site_wish(&s, full);

    uplink_site_pictures(&s, "1.2.3.2", IMAGES, true);
    wait_full(&s, true);
    watch_line(&s, status.line_since_us);
    /* its list and its receipts went meanwhile */
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
    refused = uplink_site_counts(&s).refused;
    if (refused == 0 || refused > OFFERS_MOST)
        fail_msg("%u offers to a full centre", refused);

    uplink_site_wish(&s, (struct fake_wishes){0});
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2 * (uint64_t)IMAGES));
    wait_full(&s, false);
    uplink_site_close(&s);
}

/* Known to the centre, and nothing of it there: it answers each bundle that it could not keep it.
 */
static void
begin_at_the_centre(struct uplink_site *s, const char *study)
{
    uplink_site_wish(s, (struct fake_wishes){.drop_bundle_every = 1});
    uplink_site_pictures(s, study, IMAGES, true);
    uplink_site_start(s);
    assert_true(fake_centre_wait(s->centre, LINK_WANTED, IMAGES, WAIT_MS));
    uplink_stop(&s->up);
}

/* They stood behind as many new ones as an offer takes, which the centre had no room for again and
 * again. */
static void
what_is_begun_goes_on_from_behind_any_number_of_new_images(void **state)
{
    static const struct fake_wishes full = {.is_full = true, .refused_status = 507};
    struct uplink_status status;
    uint64_t first[NEW];
    struct uplink_site s;
    struct err err = {0};

    (void)state;
    uplink_site_open(&s, "behind", 1);
    s.options.quiet_ms = 1500;
    for (int i = 0; i < NEW; i++) {
        first[i] = uplink_site_picture(&s, "1.2.3.1", i + 1, true);
        if (spool_set_paused(s.spool, first[i], true, &err) < 0)
            fail_msg("%s", err.text);
    }
    begin_at_the_centre(&s, "1.2.3.2");
    for (int i = 0; i < NEW; i++)
        if (spool_set_paused(s.spool, first[i], false, &err) < 0)
            fail_msg("%s", err.text);
    uplink_site_wish(&s, full);
    uplink_site_start(&s);

    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
    uplink_status(s.up, &status);
    assert_true(status.is_centre_full);
    uplink_site_wish(&s, (struct fake_wishes){0});
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), NEW + IMAGES));
    wait_full(&s, false);
    uplink_site_close(&s);
}

/* It took the whole line down: lists, of which packs are made, and receipts waited with the bytes.
 */
static void
a_centre_without_room_for_any_byte_keeps_bundles_waiting_and_nothing_else(void **state)
{
    static const struct fake_wishes brim = {.is_out_of_room = true, .refused_status = 507};
    struct uplink_status status;
    struct uplink_site s;
    unsigned refused;

    (void)state;
    uplink_site_open(&s, "brim", 1);
    s.options.backoff_ms = BACKOFF_MS;
    s.options.backoff_max_ms = 2 * BACKOFF_MS;
    s.options.quiet_ms = 1500;
    uplink_site_start(&s);
    uplink_site_pictures(&s, "1.2.3.1", IMAGES, true);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), IMAGES));
    uplink_status(s.up, &status);
    uplink_site_wish(&s, brim);

    uplink_site_pictures(&s, "1.2.3.2", IMAGES, true);
    wait_full(&s, true);
    watch_line(&s, status.line_since_us);
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
    refused = uplink_site_counts(&s).refused;
    if (refused == 0 || refused > BUNDLES_MOST)
        fail_msg("%u bundles to a centre that takes none", refused);

    uplink_site_wish(&s, (struct fake_wishes){0});
    assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2 * (uint64_t)IMAGES));
    wait_full(&s, false);
    uplink_site_close(&s);
}

/* Each refusal took the whole line down: emergencies and all other studies stood still with that
 * list, again and again. */
static void
a_list_that_is_refused_waits_by_itself(void **state)
{
    static const struct {
        const char *name;
        int status;
    } rows[] = {{"no room", 507}, {"a fault of the centre's", 500}, {"not now", 503}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_wishes refusing = {.refused_list = "1.2.3.1", .refused_status = rows[i].status};
        struct uplink_status status;
        struct uplink_site s;
        unsigned refused;

        uplink_site_open(&s, "list", 1);
        s.options.backoff_ms = BACKOFF_MS;
        s.options.backoff_max_ms = 2 * BACKOFF_MS;
        s.options.quiet_ms = 500;
        uplink_site_start(&s);
        uplink_site_wish(&s, refusing);
        uplink_site_pictures(&s, "1.2.3.1", IMAGES, true);
        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_HELD), IMAGES));
        uplink_status(s.up, &status);
        uplink_site_pictures(&s, "1.2.3.2", IMAGES, true);

        assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), IMAGES));
        watch_line(&s, status.line_since_us);
        refused = uplink_site_counts(&s).lists_refused;
        if (refused == 0 || refused > LISTS_MOST)
            fail_msg("%s: %u lists", rows[i].name, refused);
        uplink_site_wish(&s, (struct fake_wishes){0});
        if (rows[i].status != 500) /* that one is put off for a minute */
            assert_true(uplink_site_wait(&s, INSTANCE_BIT(INSTANCE_SEALED), 2 * (uint64_t)IMAGES));
        uplink_site_close(&s);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_centre_keeps_new_images_waiting_and_nothing_else),
        cmocka_unit_test(what_is_begun_goes_on_from_behind_any_number_of_new_images),
        cmocka_unit_test(a_centre_without_room_for_any_byte_keeps_bundles_waiting_and_nothing_else),
        cmocka_unit_test(a_list_that_is_refused_waits_by_itself),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
