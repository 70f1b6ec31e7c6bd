/* test_lost.c - packs of which no copy is good: what they held is missing, and asked for, and taken
 * again from whomever; a store that is away has lost nothing, a pack that comes back is taken up.
 */
#include "proto/base/clock.h"
#include "storage/keep/keep.h"
#include "tests/support/ok.h"
#include "tests/support/sealed_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static ino_t unreadable[KEEP_COPIES]; /* 0: none */

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
    struct stat st;

    for (int i = 0; i < KEEP_COPIES; i++)
        if (unreadable[i] != 0 && fstat(fd, &st) == 0 && st.st_ino == unreadable[i]) {
            errno = EIO;
            return -1;
        }
    return syscall(SYS_pread64, fd, bytes, n, at);
}

static enum keep_outcome
store_directly(const struct sealed *l, const struct slice *s)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "STOW-RS", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(l->a.keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    return stored.outcome;
}

/* ---- claims ---- */

static void
what_is_in_no_copy_is_missing_as_soon_as_somebody_looks(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct sealed l;
    struct err err;
    uint64_t next;

    (void)state;
    sealed_open(&l, "looked");
    sealed_assert_stands(&l, 3, 3, 0);
    sealed_packs_away(&l);

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    sealed_assert_stands(&l, 0, 0, 3);
    assert_int_equal(sealed_doubted(&l), 0); /* there is nothing to mend */
    err_clear(&err);
    assert_int_equal(
        keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL); /* said as what it is, not "try again" */
    assert_int_equal(err.sys, EIO);
    assert_int_equal(sealed_receipts(&l, 0, &next), 0);
    sealed_close(&l);
}

/* What the doctor says is sealed is in a pack that somebody has. */
static void
what_is_missing_is_counted_as_sealed_no_more(void **state)
{
    struct slice aside = vault_ct(1);
    struct sealed l;

    (void)state;
    sealed_open(&l, "counted");
    aside.noise = 99;
    assert_int_equal(vault_put(&l.a, &sealed_gate, &aside), LINK_QUARANTINED);
    sealed_work(&l);
    assert_int_equal(sealed_health(&l).sealed, 3); /* that is none */
    assert_int_equal(sealed_health(&l).quarantined, 1);
    assert_int_equal(sealed_health(&l).packs, 2);

    sealed_packs_away(&l);
    assert_false(sealed_is_shown(&l));
    sealed_work(&l);
    assert_int_equal(sealed_health(&l).sealed, 0);
    assert_int_equal(sealed_health(&l).unsealed, 0);
    assert_int_equal(sealed_health(&l).packs, 1);

    assert_int_equal(vault_put(&l.a, &sealed_gate, &l.s[1]), LINK_HELD);
    assert_int_equal(sealed_health(&l).unsealed, 1);
    assert_int_equal(store_directly(&l, &l.s[0]), KEEP_STORED);
    assert_int_equal(store_directly(&l, &l.s[2]), KEEP_STORED);
    sealed_work(&l);
    assert_int_equal(sealed_health(&l).sealed, 3);
    assert_int_equal(sealed_health(&l).unsealed, 0);
    sealed_close(&l);
}

static void
what_nobody_looks_at_is_missing_after_the_walk_of_the_start(void **state)
{
    struct sealed l;

    (void)state;
    sealed_open(&l, "walk");
    sealed_packs_away(&l);

    vault_reopen(&l.a);
    sealed_work(&l);

    sealed_assert_stands(&l, 0, 0, 3);
    sealed_close(&l);
}

static void
what_its_gateway_brings_again_is_packed_and_has_a_new_receipt(void **state)
{
    uint64_t cursor, next;
    bool is_known;
    struct sealed l;
    struct err err;

    (void)state;
    sealed_open(&l, "brought");
    assert_int_equal(sealed_receipts(&l, 0, &cursor), 3);
    sealed_packs_away(&l);
    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(vault_put(&l.a, &sealed_gate, &l.s[i]), LINK_HELD);
    sealed_assert_stands(&l, 3, 0, 0);
    assert_int_equal(sealed_receipts(&l, 0, &next), 0); /* not before it is packed */
    sealed_work(&l);

    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_receipts(&l, cursor, &next), 3);
    assert_int_equal(sealed_receipts(&l, 0, &next), 3); /* one each */
    OK(keep_receipt_is_known(l.a.keep, &sealed_gate, cursor, l.place->object, &is_known, &next,
                             &err));
    assert_true(is_known); /* no cursor is lost by it */
    sealed_close(&l);
}

static void
what_a_device_sends_again_is_stored_and_no_duplicate_before_anybody_noticed(void **state)
{
    struct sealed l;

    (void)state;
    sealed_open(&l, "directly");
    assert_int_equal(store_directly(&l, &l.s[0]), KEEP_DUPLICATE);
    sealed_work(&l);
    sealed_packs_away(&l);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(store_directly(&l, &l.s[i]), KEEP_STORED);
    sealed_work(&l);

    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(store_directly(&l, &l.s[0]), KEEP_DUPLICATE);
    sealed_close(&l);
}

static void
another_file_of_the_same_image_takes_its_place(void **state)
{
    struct sealed l;
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    (void)state;
    sealed_open(&l, "twin");
    sealed_packs_away(&l);

    slice_make(&l.s[0], &file);
    file.bytes[0] = 'x'; /* the preamble */
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(l.a.keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);

    assert_int_equal(stored.outcome, KEEP_STORED);
    sealed_assert_stands(&l, 1, 0, 2);
    sealed_close(&l);
}

static int
store_report(const struct sealed *l, const struct buf *file)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = KEEP_WAY_READER, .ae = "reader-1"};
    struct keep_stored stored;
    struct err err;

    in.fd = slice_fd(file);
    in.size = file->n;
    OK(keep_store_direct(l->a.keep, &in, &stored, &err));
    close(in.fd);
    return (int)stored.outcome;
}

static void
of_what_the_reader_made_it_is_told_and_what_it_stores_again_is_kept(void **state)
{
    static const char *const skipped[] = {"study", NULL};
    struct slice made = {
        .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1", .patient_id = "P1"};
    struct keep_health health;
    struct sealed l;
    struct buf file;

    (void)state;
    sealed_open(&l, "documents");
    report_make(&made, &file);
    assert_int_equal(store_report(&l, &file), KEEP_STORED);
    sealed_work(&l);
    health = sealed_health(&l);
    assert_int_equal(health.sealed, 4);
    for (int i = 0; i < KEEP_COPIES; i++) {
        char packs[200];

        snprintf(packs, sizeof packs, "%s/packs", l.a.stores[i]);
        folder_remove(packs);
        assert_int_equal(mkdir(packs, 0700), 0);
    }

    vault_reopen(&l.a);
    sealed_work(&l);
    vault_assert_events(&l.a, skipped, "documents.missing{\"instances\":1}\n");
    assert_int_equal(store_report(&l, &file), KEEP_STORED);
    assert_int_equal(store_report(&l, &file), KEEP_DUPLICATE);
    sealed_work(&l);

    assert_int_equal(sealed_health(&l).sealed, 1);
    sealed_assert_stands(&l, 0, 0, 3);
    buf_fini(&file);
    sealed_close(&l);
}

static void
a_store_that_is_away_has_lost_nothing(void **state)
{
    struct sealed l;
    char aside[200];

    (void)state;
    sealed_open(&l, "away");
    snprintf(aside, sizeof aside, "%s-aside", l.a.stores[1]);
    assert_int_equal(unlink(l.packs[0]), 0);
    assert_int_equal(rename(l.a.stores[1], aside), 0);
    assert_int_equal(mkdir(l.a.stores[1], 0700), 0); /* where it was mounted */

    for (int starts = 0; starts < 2; starts++) {
        assert_false(sealed_is_shown(&l));
        sealed_work(&l);
        assert_int_equal(store_directly(&l, &l.s[0]), KEEP_DUPLICATE);
        sealed_assert_stands(&l, 3, 3, 0);
        vault_reopen(&l.a);
    }
    folder_remove(l.a.stores[1]);
    assert_int_equal(rename(aside, l.a.stores[1]), 0);
    clock_fake(clock_wall_us() + INT64_C(3600000001), clock_mono_ms() + 3600000);
    sealed_work(&l);

    assert_true(sealed_is_shown(&l));
    assert_int_equal(sealed_doubted(&l), 0);
    clock_unfake();
    sealed_close(&l);
}

static void
a_disk_that_does_not_give_its_bytes_back_has_lost_nothing(void **state)
{
    struct sealed l;
    struct stat st;

    (void)state;
    sealed_open(&l, "unread");
    for (int i = 0; i < KEEP_COPIES; i++) {
        assert_int_equal(stat(l.packs[i], &st), 0);
        unreadable[i] = st.st_ino;
    }

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);
    memset(unreadable, 0, sizeof unreadable);

    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_doubted(&l), 2);
    assert_true(sealed_is_shown(&l));
    sealed_close(&l);
}

static void
an_image_that_rotted_in_each_copy_is_missing_and_the_others_are_shown(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct sealed l;
    struct err err;

    (void)state;
    sealed_open(&l, "rotten");
    sealed_flip(&l, 0);
    sealed_flip(&l, 1);

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    sealed_assert_stands(&l, 2, 2, 1);
    OK(keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, 2);
    vault_place_reads(&l.a, seen.first);
    keep_place_free(&seen.first);
    assert_int_equal(vault_put(&l.a, &sealed_gate, &l.s[0]), LINK_HELD);
    sealed_work(&l);
    sealed_assert_stands(&l, 3, 3, 0);
    sealed_close(&l);
}

static void
aside_and_back(const struct sealed *l, int copy, bool is_back)
{
    char aside[300];

    snprintf(aside, sizeof aside, "%s/aside.zip", l->a.stores[copy]);
    assert_int_equal(is_back ? rename(aside, l->packs[copy]) : rename(l->packs[copy], aside), 0);
}

static void
a_pack_that_comes_back_has_its_images_again_and_is_sealed_when_both_copies_are(void **state)
{
    uint64_t cursor, next;
    struct sealed l;

    (void)state;
    sealed_open(&l, "back");
    assert_int_equal(sealed_receipts(&l, 0, &cursor), 3);
    for (int i = 0; i < KEEP_COPIES; i++)
        aside_and_back(&l, i, false);
    assert_false(sealed_is_shown(&l));
    sealed_work(&l);
    sealed_assert_stands(&l, 0, 0, 3);
    assert_int_equal(vault_put(&l.a, &sealed_gate, &l.s[2]),
                     LINK_HELD); /* and one has come again */
    sealed_assert_stands(&l, 1, 0, 2);

    aside_and_back(&l, 1, true);
    vault_reopen(&l.a);
    sealed_work(&l);

    assert_true(sealed_is_shown(&l));
    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(access(l.packs[0], F_OK), 0); /* the other copy was made anew */
    assert_int_equal(sealed_receipts(&l, cursor, &next), 3);
    assert_int_equal(sealed_doubted(&l), 0);
    sealed_close(&l);
}

static void
what_was_called_lost_for_good_and_comes_back_in_its_pack_is_listed_again(void **state)
{
    static const struct keep_gone all = {3, "both disks lost, console emptied", "Li", 0};
    struct keep_standing s;
    struct sealed l;
    struct err err;

    (void)state;
    sealed_open(&l, "gone");
    for (int i = 0; i < KEEP_COPIES; i++)
        aside_and_back(&l, i, false);
    assert_false(sealed_is_shown(&l));
    sealed_work(&l);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    OK(keep_gone_put(l.a.keep, "clinic-a", "1.2.3", &all, &err));

    aside_and_back(&l, 0, true);
    vault_reopen(&l.a);
    sealed_work(&l);

    sealed_assert_stands(&l, 3, 3, 0);
    OK(keep_standing_get(l.a.keep, "clinic-a", "1.2.3", &s, &err));
    assert_int_equal(s.gone.images, 0);
    assert_int_equal(s.expected, 3);
    clock_unfake();
    sealed_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_no_copy_is_missing_as_soon_as_somebody_looks),
        cmocka_unit_test(what_is_missing_is_counted_as_sealed_no_more),
        cmocka_unit_test(what_nobody_looks_at_is_missing_after_the_walk_of_the_start),
        cmocka_unit_test(what_its_gateway_brings_again_is_packed_and_has_a_new_receipt),
        cmocka_unit_test(
            what_a_device_sends_again_is_stored_and_no_duplicate_before_anybody_noticed),
        cmocka_unit_test(another_file_of_the_same_image_takes_its_place),
        cmocka_unit_test(of_what_the_reader_made_it_is_told_and_what_it_stores_again_is_kept),
        cmocka_unit_test(a_store_that_is_away_has_lost_nothing),
        cmocka_unit_test(a_disk_that_does_not_give_its_bytes_back_has_lost_nothing),
        cmocka_unit_test(an_image_that_rotted_in_each_copy_is_missing_and_the_others_are_shown),
        cmocka_unit_test(
            a_pack_that_comes_back_has_its_images_again_and_is_sealed_when_both_copies_are),
        cmocka_unit_test(what_was_called_lost_for_good_and_comes_back_in_its_pack_is_listed_again),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
