/* test_saved.c - packs of which no copy is good as a whole: what one still has is packed anew. */
#include "proto/base/clock.h"
#include "tests/support/ok.h"
#include "tests/support/sealed_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

/* The other images of that pack were in one damaged copy, or two, and called sealed. */
static void
what_a_damaged_copy_still_has_is_packed_anew_in_every_store(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    uint64_t cursor, next;
    struct sealed l;
    struct err err;

    (void)state;
    sealed_open(&l, "saved");
    assert_int_equal(sealed_receipts(&l, 0, &cursor), 3);
    sealed_flip(&l, 0);
    assert_int_equal(unlink(l.packs[1]), 0);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    sealed_work(&l); /* no landing file of them is left */

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    sealed_assert_stands(&l, 2, 2, 1);
    assert_int_equal(sealed_health(&l).sealed, 2);
    assert_int_equal(sealed_health(&l).packs, 1);
    assert_int_equal(sealed_doubted(&l), 0);
    assert_int_equal(sealed_receipts(&l, cursor, &next), 2); /* told anew */
    assert_int_equal(sealed_receipts(&l, 0, &next), 2);
    for (int i = 0; i < KEEP_COPIES; i++) {
        char path[300];

        assert_int_equal(access(l.packs[i], F_OK), -1); /* nobody reads it any more */
        snprintf(path, sizeof path, "%s/packs", l.a.stores[i]);
        assert_int_equal(folder_files(path), 1);
    }
    assert_int_equal(sealed_corrupt_files(&l), 1); /* the damaged one */
    OK(keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    vault_place_reads(&l.a, seen.first);
    keep_place_free(&seen.first);
    assert_int_equal(vault_put(&l.a, &sealed_gate, &l.s[0]), LINK_HELD);
    sealed_work(&l);
    sealed_assert_stands(&l, 3, 3, 0);
    clock_unfake();
    sealed_close(&l);
}

/* Each image is good in one of the two, and no copy as a whole. */
static void
what_two_damaged_copies_have_together_is_whole_again(void **state)
{
    struct sealed l;

    (void)state;
    sealed_open(&l, "together");
    sealed_flip(&l, 0);
    sealed_flip_at(l.packs[1], 60); /* no image: the pack's own */

    assert_true(sealed_is_shown(&l)); /* from the second copy */
    sealed_work(&l);
    sealed_work(&l);

    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_doubted(&l), 0);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    assert_int_equal(sealed_health(&l).sealed, 3);
    assert_int_equal(sealed_health(&l).packs, 1);
    sealed_close(&l);
}

/* The landing is full: what a copy still has stays in its pack, and is served from there. */
static void
what_cannot_be_saved_now_stays_where_it_is(void **state)
{
    struct sealed l;
    struct err err;
    int failed = 0;

    (void)state;
    sealed_open(&l, "full");
    sealed_flip(&l, 0);
    sealed_flip(&l, 1);
    l.a.options.refuse_free = UINT64_MAX / 4;
    vault_reopen(&l.a);

    assert_false(sealed_is_shown(&l));
    for (int i = 0, sealed; i < 4; i++)
        failed += keep_work(l.a.keep, &sealed, &err) < 0;
    assert_true(failed > 0); /* it says so */
    assert_int_equal(err.kind, ERR_FULL);

    sealed_assert_stands(&l, 2, 2, 1);
    assert_int_equal(sealed_corrupt_files(&l), 0);
    l.a.options.refuse_free = 0;
    vault_reopen(&l.a);
    clock_fake(clock_wall_us() + INT64_C(3600000001), clock_mono_ms() + 3600000);
    sealed_work(&l);
    sealed_assert_stands(&l, 2, 2, 1);
    assert_int_equal(sealed_doubted(&l), 0);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    clock_unfake();
    sealed_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_damaged_copy_still_has_is_packed_anew_in_every_store),
        cmocka_unit_test(what_two_damaged_copies_have_together_is_whole_again),
        cmocka_unit_test(what_cannot_be_saved_now_stays_where_it_is),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
