/* test_lost.c - packs of which no copy is good: what they held is missing, and asked for, and taken
 * again from whomever; a store that is away has lost nothing, a pack that comes back is taken up.
 */
#include "proto/base/clock.h"
#include "storage/keep/keep.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};

/* ---- three sealed images, and harm to them ---- */

struct sealed {
    struct vault a;
    struct slice s[3];
    struct keep_place *place; /* of the first */
    char packs[KEEP_COPIES][512];
};

static void
sealed_open(struct sealed *l, const char *database)
{
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    vault_open(&l->a, vault_cluster, database);
    for (unsigned i = 0; i < 3; i++) {
        l->s[i] = vault_ct(i + 1);
        assert_int_equal(vault_put(&l->a, &gate, &l->s[i]), LINK_HELD);
    }
    vault_manifest(&l->a, &gate, 1, l->s, 3);
    assert_int_equal(vault_work(&l->a), 1);
    OK(keep_instances(l->a.keep, "clinic-a", "1.2.3", NULL, "1.2.3.1.1", vault_see, &seen, &err));
    l->place = seen.first;
    for (int i = 0; i < KEEP_COPIES; i++) {
        char pattern[300];
        glob_t found;

        snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", l->a.stores[i]);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_int_equal(found.gl_pathc, 1);
        snprintf(l->packs[i], sizeof l->packs[i], "%s", found.gl_pathv[0]);
        globfree(&found);
    }
}

static void
sealed_close(struct sealed *l)
{
    keep_place_free(&l->place);
    vault_close(&l->a);
}

static void
packs_away(const struct sealed *l)
{
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(unlink(l->packs[i]), 0);
}

/* One bit of the first image's bytes. */
static void
flip(const struct sealed *l, int copy)
{
    off_t at = (off_t)(l->place->offset + l->place->size / 2);
    int fd = open(l->packs[copy], O_RDWR | O_CLOEXEC);
    uint8_t b;

    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 8;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

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

/* Somebody looks at the first image; is it shown? */
static bool
is_shown(const struct sealed *l)
{
    struct err err;
    int fd = -1;

    if (keep_open_place(l->a.keep, l->place, &fd, &err) < 0)
        return false;
    close(fd);
    return true;
}

static void
work(struct sealed *l)
{
    for (int i = 0; i < 4; i++)
        (void)vault_work(&l->a);
}

/* ---- how it stands ---- */

static int
count_missing(void *user, const struct keep_lost *row)
{
    assert_true(row->is_missing);
    assert_string_equal(row->study, "1.2.3");
    ++*(size_t *)user;
    return 0;
}

static int
count_wish(void *user, const char *code, int64_t at_us)
{
    (void)at_us;
    assert_string_equal(code, "clinic-a");
    ++*(size_t *)user;
    return 0;
}

static void
assert_stands(const struct sealed *l, uint64_t whole, uint64_t sealed, uint64_t missing)
{
    size_t listed = 0, wishes = 0;
    struct keep_standing s;
    struct err err;

    OK(keep_standing_get(l->a.keep, "clinic-a", "1.2.3", &s, &err));
    assert_int_equal(s.whole, whole);
    assert_int_equal(s.sealed, sealed);
    assert_int_equal(s.missing, missing);
    OK(keep_each_lost(l->a.keep, "clinic-a", count_missing, &listed, &err));
    assert_int_equal(listed, missing);
    OK(keep_each_wish(l->a.keep, count_wish, &wishes, &err));
    assert_true(missing == 0 || wishes == 1);
}

static struct keep_health
health(const struct sealed *l)
{
    struct keep_health health;
    struct err err;

    OK(keep_health_get(l->a.keep, &health, &err));
    return health;
}

static uint64_t
doubted(const struct sealed *l)
{
    return health(l).doubted;
}

/* What a gateway is told from this cursor on. */
static size_t
receipts(const struct sealed *l, uint64_t after, uint64_t *out_next)
{
    static const struct keep_wait now = {.ms = 0};
    struct link_receipts told;
    struct err err;
    size_t n;

    OK(keep_receipts(l->a.keep, &gate, after, &now, &told, &err));
    n = told.count;
    *out_next = told.next;
    link_receipts_free(&told);
    return n;
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
    assert_stands(&l, 3, 3, 0);
    packs_away(&l);

    assert_false(is_shown(&l));
    work(&l);

    assert_stands(&l, 0, 0, 3);
    assert_int_equal(doubted(&l), 0); /* there is nothing to mend */
    err_clear(&err);
    assert_int_equal(
        keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL); /* said as what it is, not "try again" */
    assert_int_equal(err.sys, EIO);
    assert_int_equal(receipts(&l, 0, &next), 0);
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
    assert_int_equal(vault_put(&l.a, &gate, &aside), LINK_QUARANTINED);
    work(&l);
    assert_int_equal(health(&l).sealed, 3); /* that is none */
    assert_int_equal(health(&l).quarantined, 1);
    assert_int_equal(health(&l).packs, 2);

    packs_away(&l);
    assert_false(is_shown(&l));
    work(&l);
    assert_int_equal(health(&l).sealed, 0);
    assert_int_equal(health(&l).unsealed, 0);
    assert_int_equal(health(&l).packs, 1);

    assert_int_equal(vault_put(&l.a, &gate, &l.s[1]), LINK_HELD);
    assert_int_equal(health(&l).unsealed, 1);
    assert_int_equal(store_directly(&l, &l.s[0]), KEEP_STORED);
    assert_int_equal(store_directly(&l, &l.s[2]), KEEP_STORED);
    work(&l);
    assert_int_equal(health(&l).sealed, 3);
    assert_int_equal(health(&l).unsealed, 0);
    sealed_close(&l);
}

static void
what_nobody_looks_at_is_missing_after_the_walk_of_the_start(void **state)
{
    struct sealed l;

    (void)state;
    sealed_open(&l, "walk");
    packs_away(&l);

    vault_reopen(&l.a);
    work(&l);

    assert_stands(&l, 0, 0, 3);
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
    assert_int_equal(receipts(&l, 0, &cursor), 3);
    packs_away(&l);
    assert_false(is_shown(&l));
    work(&l);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(vault_put(&l.a, &gate, &l.s[i]), LINK_HELD);
    assert_stands(&l, 3, 0, 0);
    assert_int_equal(receipts(&l, 0, &next), 0); /* not before it is packed */
    work(&l);

    assert_stands(&l, 3, 3, 0);
    assert_int_equal(receipts(&l, cursor, &next), 3);
    assert_int_equal(receipts(&l, 0, &next), 3); /* one each */
    OK(keep_receipt_is_known(l.a.keep, &gate, cursor, l.place->object, &is_known, &next, &err));
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
    work(&l);
    packs_away(&l);

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(store_directly(&l, &l.s[i]), KEEP_STORED);
    work(&l);

    assert_stands(&l, 3, 3, 0);
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
    packs_away(&l);

    slice_make(&l.s[0], &file);
    file.bytes[0] = 'x'; /* the preamble */
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(l.a.keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);

    assert_int_equal(stored.outcome, KEEP_STORED);
    assert_stands(&l, 1, 0, 2);
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
        assert_false(is_shown(&l));
        work(&l);
        assert_int_equal(store_directly(&l, &l.s[0]), KEEP_DUPLICATE);
        assert_stands(&l, 3, 3, 0);
        vault_reopen(&l.a);
    }
    folder_remove(l.a.stores[1]);
    assert_int_equal(rename(aside, l.a.stores[1]), 0);
    clock_fake(clock_wall_us() + INT64_C(3600000001), clock_mono_ms() + 3600000);
    work(&l);

    assert_true(is_shown(&l));
    assert_int_equal(doubted(&l), 0);
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

    assert_false(is_shown(&l));
    work(&l);
    memset(unreadable, 0, sizeof unreadable);

    assert_stands(&l, 3, 3, 0);
    assert_int_equal(doubted(&l), 2);
    assert_true(is_shown(&l));
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
    flip(&l, 0);
    flip(&l, 1);

    assert_false(is_shown(&l));
    work(&l);

    assert_stands(&l, 2, 2, 1);
    assert_int_equal(doubted(&l), 2); /* a person is to look at these disks */
    OK(keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    assert_int_equal(seen.n, 2);
    vault_place_reads(&l.a, seen.first);
    keep_place_free(&seen.first);
    assert_int_equal(vault_put(&l.a, &gate, &l.s[0]), LINK_HELD);
    work(&l);
    assert_stands(&l, 3, 3, 0);
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
    assert_int_equal(receipts(&l, 0, &cursor), 3);
    for (int i = 0; i < KEEP_COPIES; i++)
        aside_and_back(&l, i, false);
    assert_false(is_shown(&l));
    work(&l);
    assert_stands(&l, 0, 0, 3);
    assert_int_equal(vault_put(&l.a, &gate, &l.s[2]), LINK_HELD); /* and one has come again */
    assert_stands(&l, 1, 0, 2);

    aside_and_back(&l, 1, true);
    vault_reopen(&l.a);
    work(&l);

    assert_true(is_shown(&l));
    assert_stands(&l, 3, 3, 0);
    assert_int_equal(access(l.packs[0], F_OK), 0); /* the other copy was made anew */
    assert_int_equal(receipts(&l, cursor, &next), 3);
    assert_int_equal(doubted(&l), 0);
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
    assert_false(is_shown(&l));
    work(&l);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    OK(keep_gone_put(l.a.keep, "clinic-a", "1.2.3", &all, &err));

    aside_and_back(&l, 0, true);
    vault_reopen(&l.a);
    work(&l);

    assert_stands(&l, 3, 3, 0);
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
        cmocka_unit_test(a_store_that_is_away_has_lost_nothing),
        cmocka_unit_test(a_disk_that_does_not_give_its_bytes_back_has_lost_nothing),
        cmocka_unit_test(an_image_that_rotted_in_each_copy_is_missing_and_the_others_are_shown),
        cmocka_unit_test(
            a_pack_that_comes_back_has_its_images_again_and_is_sealed_when_both_copies_are),
        cmocka_unit_test(what_was_called_lost_for_good_and_comes_back_in_its_pack_is_listed_again),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
