/* test_forget.c - old receipts, events and jobs go; what cursors are compared with stays. */
#include "proto/base/clock.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 5, DAY_MS = 86400000 };
static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};
static const struct keep_sender gate_b = {"clinic-a", "gate-b", "test"};

/* Of five images four came from one gateway and one from another, and all are sealed. */
static void
begin(struct vault *a, const char *name)
{
    struct slice s[IMAGES];

    vault_open(a, vault_cluster, name);
    a->keep->forget_page = 2;
    for (unsigned i = 0; i < IMAGES; i++) {
        const struct keep_sender *sender = i == 0 ? &gate_b : &gate_a;

        s[i] = vault_ct(i + 1);
        assert_int_equal(vault_put(a, sender, &s[i]), LINK_HELD);
        vault_manifest(a, sender, i + 1, &s[i], 1);
        assert_int_equal(vault_work(a), 1);
    }
}

static void
pass_days(struct vault *a, int64_t days, bool is_set_now)
{
    clock_fake(clock_wall_us() + days * DAY_MS * 1000, clock_mono_ms());
    (void)clock_even_ms();
    if (!is_set_now)
        clock_fake_advance(DAY_MS + 1000);
    for (int i = 0; i < IMAGES; i++)
        (void)vault_work(a);
}

static size_t
receipts_of(struct vault *a, const struct keep_sender *sender, uint64_t after, uint64_t *out_first)
{
    struct link_receipts receipts;
    struct keep_wait now = {0};
    struct err err;
    size_t n;

    OK(keep_receipts(a->keep, sender, after, &now, &receipts, &err));
    n = receipts.count;
    if (n > 0)
        *out_first = receipts.receipts[0].seq;
    link_receipts_free(&receipts);
    return n;
}

static bool
cursor_is_known(struct vault *a, uint64_t seq, uint64_t *out_last)
{
    struct link_receipts receipts;
    struct keep_wait now = {0};
    uint8_t at[8] = {0};
    struct err err;
    bool is_known;

    OK(keep_receipts(a->keep, &gate_a, seq - 1, &now, &receipts, &err));
    if (receipts.count > 0)
        memcpy(at, receipts.receipts[0].object, sizeof at);
    link_receipts_free(&receipts);
    OK(keep_receipt_is_known(a->keep, &gate_a, seq, at, &is_known, out_last, &err));
    return is_known;
}

static void
receipts_go_after_ninety_days_but_the_newest_of_each_device(void **state)
{
    uint64_t first = 0, newest = 0, of_b = 0, last, again;
    uint8_t gone[8] = {1};
    struct slice s;
    struct vault a;
    struct err err;
    bool is_known;

    (void)state;
    begin(&a, "receipts");
    assert_int_equal(receipts_of(&a, &gate_a, 0, &first), IMAGES - 1);
    pass_days(&a, 80, false);
    assert_int_equal(receipts_of(&a, &gate_a, 0, &first), IMAGES - 1);

    pass_days(&a, 11, false);

    assert_int_equal(receipts_of(&a, &gate_a, 0, &newest), 1);
    assert_int_equal(receipts_of(&a, &gate_b, 0, &of_b), 1);
    assert_true(cursor_is_known(&a, newest, &last)); /* that gateway has all */
    OK(keep_receipt_is_known(a.keep, &gate_a, first, gone, &is_known, &last, &err));
    assert_false(is_known); /* that one was away, and compares */
    assert_int_equal(last, newest);
    s = vault_ct(2);
    assert_int_equal(vault_put(&a, &gate_a, &s), LINK_SEALED); /* or asks about what it holds */
    assert_int_equal(receipts_of(&a, &gate_a, newest, &again), 1);
    clock_unfake();
    vault_close(&a);
}

static void
nothing_goes_by_a_clock_that_was_set_just_now(void **state)
{
    struct vault a;
    uint64_t first;

    (void)state;
    begin(&a, "clock_set");

    pass_days(&a, 500, true);

    assert_int_equal(receipts_of(&a, &gate_a, 0, &first), IMAGES - 1);
    clock_unfake();
    vault_close(&a);
}

struct told {
    size_t n;
    uint64_t seq;
    int64_t at_us;
};

static int
take_event(void *user, const struct keep_event *event)
{
    struct told *t = user;

    t->n++;
    t->seq = event->seq;
    t->at_us = event->at_us;
    return 0;
}

static void
events_go_after_four_hundred_days_but_the_newest(void **state)
{
    struct told before = {0}, after = {0};
    struct vault a;
    struct err err;
    uint64_t next;
    bool is_known;

    (void)state;
    begin(&a, "events");
    OK(keep_events(a.keep, NULL, 0, 0, take_event, &before, &err));
    assert_true(before.n > 2 * IMAGES);

    for (int i = 0; i < 2 * IMAGES; i++)
        pass_days(&a, i == 0 ? 401 : 0, false);

    OK(keep_events(a.keep, NULL, 0, 0, take_event, &after, &err));
    assert_int_equal(after.n, 1);
    assert_int_equal(after.seq, before.seq);
    OK(keep_event_is_known(a.keep, NULL, after.seq, after.at_us, &is_known, &next, &err));
    assert_true(is_known);
    clock_unfake();
    vault_close(&a);
}

static void
jobs_that_are_done_go_and_their_images_stay(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, "jobs");

    pass_days(&a, 31, false);

    vault_sql(&a, "DO $$ BEGIN IF (SELECT count(*) FROM pack_jobs) <> 0 "
                  "THEN RAISE EXCEPTION 'jobs'; END IF; END $$");
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, IMAGES);
    assert_int_equal(seen.sealed, IMAGES);
    vault_place_reads(&a, seen.first);
    keep_place_free(&seen.first);
    clock_unfake();
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receipts_go_after_ninety_days_but_the_newest_of_each_device),
        cmocka_unit_test(nothing_goes_by_a_clock_that_was_set_just_now),
        cmocka_unit_test(events_go_after_four_hundred_days_but_the_newest),
        cmocka_unit_test(jobs_that_are_done_go_and_their_images_stay),
    };

    return cmocka_run_group_tests_name("forget", tests, vault_start, vault_stop);
}
