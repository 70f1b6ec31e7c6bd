/* test_clock_ahead.c - the archive's clock was half a year ahead for a while and is right again:
 * what it wrote down then holds nothing up. */
#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { DAY_MS = 86400000 };
#define AHEAD_US (INT64_C(200) * 86400 * 1000000)

static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};

static void
clock_is_ahead(void)
{
    clock_fake(clock_wall_us() + AHEAD_US, clock_mono_ms());
}

static void
put_direct(struct vault *a, unsigned number)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct slice s = vault_ct(number);
    struct keep_stored stored;
    struct buf file;
    struct err err;

    slice_make(&s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a->keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
}

/* One image that is held and listed, so that it has a job. */
static void
put_listed(struct vault *a)
{
    struct slice s = vault_ct(1);

    assert_int_equal(vault_put(a, &gate, &s), LINK_HELD);
    vault_manifest(a, &gate, 1, &s, 1);
}

static void
a_pack_that_failed_then_is_tried_now(void **state)
{
    struct vault a;
    struct err err;
    char away[200];
    int sealed;
    bool did, is_behind;

    (void)state;
    vault_open(&a, vault_cluster, "put_off");
    put_listed(&a);
    snprintf(away, sizeof away, "%s.away", a.stores[1]);
    assert_int_equal(rename(a.stores[1], away), 0);
    clock_is_ahead();
    OK(seal_next(a.keep, &sealed, &did, &err));
    clock_unfake();
    assert_int_equal(sealed, 0);
    assert_int_equal(rename(away, a.stores[1]), 0);

    OK(seal_is_behind(a.keep, &is_behind, &err));
    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 1);
    vault_close(&a);
}

/* However it came: by DICOM or STOW-RS, from the reader, or put aside. */
static void
a_study_of_which_an_image_came_then_is_closed_and_packed(void **state)
{
    static const struct {
        const char *name, *as;
    } rows[] = {{"ahead_direct", "way = way"},
                {"ahead_reader", "way = 'reader'"},
                {"ahead_aside", "way = 'link', is_quarantined = true"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vault a;
        struct err err;
        char sql[200];
        int sealed;
        bool did;

        vault_open(&a, vault_cluster, rows[i].name);
        a.keep->quiet_ms = 1000;
        put_direct(&a, 1);
        clock_is_ahead();
        put_direct(&a, 2);
        clock_unfake();
        snprintf(sql, sizeof sql, "UPDATE instances SET %s", rows[i].as);
        vault_sql(&a, sql);
        clock_fake(clock_wall_us() + 2000000, clock_mono_ms());

        OK(manifest_close_quiet(a.keep, &err));
        OK(manifest_pack_unlisted(a.keep, &err));
        OK(seal_next(a.keep, &sealed, &did, &err));
        clock_unfake();
        if (sealed != 1)
            fail_msg("%s: %d packs", rows[i].name, sealed);
        vault_close(&a);
    }
}

static void
what_came_just_now_is_waited_for_all_the_same(void **state)
{
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "still_quiet");
    a.keep->quiet_ms = 30000;
    clock_is_ahead();
    put_direct(&a, 1);
    clock_unfake();
    put_direct(&a, 2);

    OK(manifest_close_quiet(a.keep, &err));
    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 0);
    vault_close(&a);
}

static void
what_was_sealed_then_leaves_the_landing(void **state)
{
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "ahead_clean");
    put_listed(&a);
    clock_is_ahead();
    OK(seal_next(a.keep, &sealed, &did, &err));
    clock_unfake();
    assert_int_equal(sealed, 1);
    assert_true(folder_files(a.landing) > 0);

    OK(clean_landing(a.keep, &err));
    assert_int_equal(folder_files(a.landing), 0);
    vault_close(&a);
}

static void
copies_that_were_verified_then_are_read_back_in_their_turn(void **state)
{
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "ahead_scrub");
    put_listed(&a);
    clock_is_ahead();
    OK(seal_next(a.keep, &sealed, &did, &err));
    clock_unfake();
    OK(scrub_next(a.keep, &did, &err));
    clock_fake(clock_wall_us(), clock_mono_ms());
    clock_fake_advance(DAY_MS); /* it runs evenly */
    OK(scrub_next(a.keep, &did, &err));
    assert_false(did); /* not longer ago than now */

    clock_fake_advance(a.keep->scrub_ms + 1000);
    for (int copy = 0; copy < KEEP_COPIES; copy++) {
        OK(scrub_next(a.keep, &did, &err));
        assert_true(did);
    }
    clock_unfake();
    vault_close(&a);
}

static void
a_clock_that_is_behind_for_a_moment_forgets_no_copy_that_was_verified(void **state)
{
    struct vault a;
    struct err err;
    int sealed;
    bool did;

    (void)state;
    vault_open(&a, vault_cluster, "behind_scrub");
    put_listed(&a);
    OK(seal_next(a.keep, &sealed, &did, &err));
    assert_int_equal(sealed, 1);
    clock_fake(clock_wall_us() - AHEAD_US, clock_mono_ms());
    OK(scrub_next(a.keep, &did, &err));
    clock_unfake();

    OK(scrub_next(a.keep, &did, &err));
    assert_false(did);
    vault_close(&a);
}

static void
images_that_came_then_do_not_keep_the_others_from_being_called_lost(void **state)
{
    static const struct keep_gone said = {.images = 1, .reason = "the disk broke", .by = "dr"};
    struct slice s[] = {vault_ct(1), vault_ct(2)};
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "ahead_lost");
    clock_is_ahead();
    assert_int_equal(vault_put(&a, &gate, &s[0]), LINK_HELD);
    clock_unfake();
    vault_manifest(&a, &gate, 1, s, 2);

    clock_fake(clock_wall_us(), clock_mono_ms() + 3600000); /* nothing was sent for an hour */
    OK(keep_gone_put(a.keep, "clinic-a", s[0].study, &said, &err));
    clock_unfake();
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_that_failed_then_is_tried_now),
        cmocka_unit_test(a_study_of_which_an_image_came_then_is_closed_and_packed),
        cmocka_unit_test(what_came_just_now_is_waited_for_all_the_same),
        cmocka_unit_test(what_was_sealed_then_leaves_the_landing),
        cmocka_unit_test(copies_that_were_verified_then_are_read_back_in_their_turn),
        cmocka_unit_test(a_clock_that_is_behind_for_a_moment_forgets_no_copy_that_was_verified),
        cmocka_unit_test(images_that_came_then_do_not_keep_the_others_from_being_called_lost),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
