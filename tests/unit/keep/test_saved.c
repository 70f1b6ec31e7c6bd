/* test_saved.c - packs of which no copy is good as a whole: what one still has is packed anew. */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/sealed_world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

/* A place that a dying disk gives back so many times more, in any copy. */
static struct {
    ino_t copies[KEEP_COPIES]; /* 0: no harm */
    off_t at;
    int reads;
} dying;
/* Whoever sends and packs as fast as can be, just after it was said that a pack is lost. */
static struct sealed *sends_again; /* NULL: nobody */
/* A packing thread that is as fast as can be, just before this copy moves. */
static struct {
    struct keep *keep; /* NULL: none */
    const char *before;
} packer;

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
    struct stat st;

    for (int i = 0; i < KEEP_COPIES; i++)
        if (dying.copies[i] != 0 && dying.at == at && fstat(fd, &st) == 0 &&
            st.st_ino == dying.copies[i] && dying.reads-- <= 0) {
            errno = EIO;
            return -1;
        }
    return syscall(SYS_pread64, fd, bytes, n, at);
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
    struct sealed *l = sends_again;

    if (l != NULL && memmem(bytes, n, "KEEP_PACK_LOST", 14) != NULL) {
        struct err err;
        int sealed;
        bool did;

        sends_again = NULL;
        for (int i = 0; i < 3; i++)
            assert_int_equal(vault_put(&l->a, &sealed_gate, &l->s[i]), LINK_HELD);
        OK(seal_next(l->a.keep, &sealed, &did, &err));
        assert_true(did);
    }
    return syscall(SYS_write, fd, bytes, n);
}

int
rename(const char *from, const char *to)
{
    struct keep *keep = packer.keep;

    if (keep != NULL && strcmp(from, packer.before) == 0) {
        struct err err;
        int sealed;
        bool did;

        packer.keep = NULL;
        OK(seal_next(keep, &sealed, &did, &err));
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

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

/* The third image is read once, and then not: a sick disk has not lost it. */
static void
what_cannot_be_read_a_second_time_keeps_the_copies_where_they_are(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct sealed l;
    struct stat st;
    struct err err;
    int failed = 0;

    (void)state;
    sealed_open(&l, "dying");
    OK(keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, "1.2.3.1.3", vault_see, &seen, &err));
    sealed_flip(&l, 0);
    sealed_flip_at(l.packs[1], 60);
    assert_true(sealed_is_shown(&l));
    for (int i = 0; i < KEEP_COPIES; i++) {
        assert_int_equal(stat(l.packs[i], &st), 0);
        dying.copies[i] = st.st_ino;
    }
    dying.at = (off_t)seen.first->offset;
    dying.reads = 1;
    for (int i = 0, sealed; i < 4; i++)
        failed += keep_work(l.a.keep, &sealed, &err) < 0;

    assert_true(dying.reads < 0);
    assert_int_equal(sealed_corrupt_files(&l), 0);
    assert_true(failed > 0); /* it says so */
    sealed_assert_stands(&l, 3, 3, 0);
    memset(&dying, 0, sizeof dying);
    vault_place_reads(&l.a, seen.first);
    clock_fake(clock_wall_us() + INT64_C(3600000001), clock_mono_ms() + 3600000);
    sealed_work(&l);
    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_doubted(&l), 0);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    clock_unfake();
    keep_place_free(&seen.first);
    sealed_close(&l);
}

/* The first store's disk does not give the third image back, the second's copy has it. */
static void
what_one_disk_does_not_give_back_is_saved_from_the_other(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct sealed l;
    struct stat st;
    struct err err;

    (void)state;
    sealed_open(&l, "other");
    OK(keep_instances(l.a.keep, "clinic-a", "1.2.3", NULL, "1.2.3.1.3", vault_see, &seen, &err));
    sealed_flip(&l, 0);
    sealed_flip_at(l.packs[1], 60);
    assert_true(sealed_is_shown(&l));
    assert_int_equal(stat(l.packs[0], &st), 0);
    dying.copies[0] = st.st_ino;
    dying.at = (off_t)seen.first->offset;
    dying.reads = 0;

    sealed_work(&l);

    assert_true(dying.reads < 0);
    memset(&dying, 0, sizeof dying);
    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_doubted(&l), 0);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    keep_place_free(&seen.first);
    sealed_close(&l);
}

/* All of it, with the list's own time: the same bytes, the same name. */
static void
what_was_packed_anew_under_the_same_name_is_not_moved(void **state)
{
    struct sealed l;

    (void)state;
    clock_fake(INT64_C(1700000000000000), clock_mono_ms());
    sealed_open(&l, "same");
    sealed_flip(&l, 0);
    sealed_flip_at(l.packs[1], 60);
    packer.keep = l.a.keep;
    packer.before = l.packs[0];

    assert_true(sealed_is_shown(&l));
    sealed_work(&l);

    assert_null(packer.keep); /* it was there */
    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(access(l.packs[i], F_OK), 0);
    assert_true(sealed_is_shown(&l));
    assert_int_equal(sealed_doubted(&l), 0);
    clock_unfake();
    sealed_close(&l);
}

/* The same, of a pack that nothing was saved of: all of it came again meanwhile. */
static void
what_came_again_before_the_spoilt_copies_move_is_not_moved(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct sealed l;

    (void)state;
    clock_fake(INT64_C(1700000000000000), clock_mono_ms());
    sealed_open(&l, "again");
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(truncate(l.packs[i], 100), 0);
    sends_again = &l;
    log_set_fd(nowhere); /* it is said there */

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    log_set_fd(-1);
    close(nowhere);
    assert_null(sends_again); /* it was there */
    sealed_assert_stands(&l, 3, 3, 0);
    assert_int_equal(sealed_corrupt_files(&l), 0);
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(access(l.packs[i], F_OK), 0);
    assert_true(sealed_is_shown(&l));
    assert_int_equal(sealed_doubted(&l), 0);
    clock_unfake();
    sealed_close(&l);
}

/* Nobody sends them again yet. */
static void
copies_without_any_of_their_images_go_to_corrupt(void **state)
{
    struct sealed l;

    (void)state;
    sealed_open(&l, "spoilt");
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(truncate(l.packs[i], 100), 0);

    assert_false(sealed_is_shown(&l));
    sealed_work(&l);

    sealed_assert_stands(&l, 0, 0, 3);
    assert_int_equal(sealed_corrupt_files(&l), 2);
    assert_int_equal(sealed_doubted(&l), 0);
    sealed_close(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_damaged_copy_still_has_is_packed_anew_in_every_store),
        cmocka_unit_test(what_two_damaged_copies_have_together_is_whole_again),
        cmocka_unit_test(what_cannot_be_saved_now_stays_where_it_is),
        cmocka_unit_test(what_cannot_be_read_a_second_time_keeps_the_copies_where_they_are),
        cmocka_unit_test(what_one_disk_does_not_give_back_is_saved_from_the_other),
        cmocka_unit_test(what_was_packed_anew_under_the_same_name_is_not_moved),
        cmocka_unit_test(what_came_again_before_the_spoilt_copies_move_is_not_moved),
        cmocka_unit_test(copies_without_any_of_their_images_go_to_corrupt),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
