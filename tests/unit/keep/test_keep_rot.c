/* test_keep_rot.c - copies of packs that are no longer what was sealed: what is opened, and that
 * they are made anew soon. The scrubber's own turn is thirty days away in all of these. */
#include "storage/keep/keep.h"

#include "proto/trust/digest.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};

enum { LARGE_ROWS = 5840, MIDDLE_ROWS = 1600 }; /* 65 MiB, 5 MiB */

/* ---- a sealed image, and harm to it ---- */

struct sealed {
    struct vault a;
    struct keep_place *place;
    char packs[KEEP_COPIES][512];
};

static void
sealed_open(struct sealed *s, const char *database, unsigned rows)
{
    struct slice slices[2] = {vault_ct(1), vault_ct(2)};
    struct vault_seen seen = {0, 0, NULL};
    struct err err;

    vault_open(&s->a, vault_cluster, database);
    slices[0].rows = rows;
    for (int i = 0; i < 2; i++)
        assert_int_equal(vault_put(&s->a, &gate, &slices[i]), LINK_HELD);
    vault_manifest(&s->a, &gate, 1, slices, 2);
    assert_int_equal(vault_work(&s->a), 1);
    OK(keep_instances(s->a.keep, "clinic-a", "1.2.3", NULL, "1.2.3.1.1", vault_see, &seen, &err));
    assert_true(seen.first->is_sealed);
    s->place = seen.first;
    for (int i = 0; i < KEEP_COPIES; i++) {
        char pattern[300];
        glob_t found;

        snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", s->a.stores[i]);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_int_equal(found.gl_pathc, 1);
        snprintf(s->packs[i], sizeof s->packs[i], "%s", found.gl_pathv[0]);
        globfree(&found);
    }
}

static void
sealed_close(struct sealed *s)
{
    keep_place_free(&s->place);
    vault_close(&s->a);
}

/* One bit in the middle of its bytes. */
static void
flip(const struct sealed *s, int copy)
{
    off_t at = (off_t)(s->place->offset + s->place->size / 2);
    int fd = open(s->packs[copy], O_RDWR | O_CLOEXEC);
    uint8_t b;

    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 8;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static uint64_t
doubted(const struct sealed *s)
{
    struct keep_health health;
    struct err err;

    OK(keep_health_get(s->a.keep, &health, &err));
    return health.doubted;
}

static void
both_are_good_again(const struct sealed *s)
{
    uint8_t found[KEEP_COPIES][DIGEST_BYTES];
    struct err err;

    for (int i = 0; i < KEEP_COPIES; i++) {
        int fd = open(s->packs[i], O_RDONLY | O_CLOEXEC);

        OK(digest_file(fd, s->place->offset, s->place->size, found[i], &err));
        assert_memory_equal(found[i], s->place->object, DIGEST_BYTES);
        close(fd);
    }
    assert_int_equal(doubted(s), 0);
}

static enum err_kind
open_kind(const struct sealed *s)
{
    struct err err = {.kind = ERR_NONE};
    int fd = -1;

    if (keep_open_place(s->a.keep, s->place, &fd, &err) == 0)
        close(fd);
    return err.kind;
}

/* Sent as it is; how many bytes went before it was broken off. */
static uint64_t
stream(const struct sealed *s, bool *out_was_proven, bool *out_broke, uint8_t out_sha256[32])
{
    struct digest *digest = digest_new();
    struct keep_proof *proof = NULL;
    uint8_t *step = mem_new(1 << 20);
    uint64_t at = 0;
    struct err err;
    int fd = -1;

    OK(keep_open_stream(s->a.keep, s->place, &fd, &proof, &err));
    *out_was_proven = proof == NULL;
    *out_broke = false;
    while (at < s->place->size && !*out_broke) {
        size_t n = s->place->size - at < 1 << 20 ? (size_t)(s->place->size - at) : 1 << 20;
        ssize_t got = pread(fd, step, n, (off_t)(s->place->offset + at));

        assert_true(got > 0);
        *out_broke = proof != NULL && keep_proof_see(proof, step, (size_t)got, &err) < 0;
        if (*out_broke)
            break;
        digest_add(digest, step, (size_t)got);
        at += (uint64_t)got;
    }
    digest_take(digest, out_sha256);
    digest_free(&digest);
    keep_proof_free(&proof);
    free(step);
    close(fd);
    return at;
}

/* ---- claims ---- */

static void
a_flipped_bit_in_the_first_copy_is_not_served_and_mended_next(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "flipped", 0);
    flip(&s, 0);

    vault_place_reads(&s.a, s.place);
    assert_int_equal(doubted(&s), 1);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

static void
a_truncated_first_copy_is_passed_over_and_mended_next(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "cut", 0);
    assert_int_equal(truncate(s.packs[0], (off_t)(s.place->offset + 40)), 0);

    vault_place_reads(&s.a, s.place);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

static void
a_first_copy_that_is_gone_is_made_anew_next(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "vanished", 0);
    assert_int_equal(unlink(s.packs[0]), 0);

    vault_place_reads(&s.a, s.place);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

/* As on a new disk. */
static void
a_copy_is_made_anew_where_its_folders_are_gone_too(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "bare", 0);
    for (int i = 0; i < 3; i++) { /* the pack, its folder, its organisation's */
        char *path = mem_printf("%s", s.packs[0]);

        for (int up = 0; up < i; up++)
            *strrchr(path, '/') = '\0';
        assert_int_equal(remove(path), 0);
        free(path);
    }

    vault_place_reads(&s.a, s.place);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

static void
what_is_good_in_no_copy_is_not_served_at_all(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct sealed s;
    struct err err;

    (void)state;
    sealed_open(&s, "lost", 0);
    flip(&s, 0);
    flip(&s, 1);

    assert_int_equal(open_kind(&s), ERR_FATAL);
    assert_int_equal(doubted(&s), 2);
    for (int i = 0; i < 3; i++)
        vault_work(&s.a);
    err_clear(&err);
    assert_int_equal(keep_instances(s.a.keep, "clinic-a", "1.2.3", NULL, s.place->sop_instance,
                                    vault_see, &seen, &err),
                     -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(seen.n, 0);
    sealed_close(&s);
}

static void
a_landing_file_that_rotted_is_not_served(void **state)
{
    struct slice slice = vault_ct(1);
    struct vault_seen seen = {0, 0, NULL};
    struct sealed s;
    struct err err;

    (void)state;
    vault_open(&s.a, vault_cluster, "landing");
    vault_put(&s.a, &gate, &slice);
    OK(keep_instances(s.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    s.place = seen.first;
    assert_int_equal(open_kind(&s), ERR_NONE);
    snprintf(s.packs[0], sizeof s.packs[0], "%s", s.place->paths[0]);
    flip(&s, 0);

    assert_int_equal(open_kind(&s), ERR_FATAL);
    sealed_close(&s);
}

static void
what_was_proven_is_not_believed_once_its_file_changed(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "middle", MIDDLE_ROWS);
    vault_place_reads(&s.a, s.place);
    flip(&s, 0);

    vault_place_reads(&s.a, s.place);
    assert_int_equal(doubted(&s), 1);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

static void
a_large_one_that_is_wrong_breaks_off_and_comes_from_the_other_copy(void **state)
{
    bool was_proven, broke;
    uint8_t sent[32];
    struct sealed s;

    (void)state;
    sealed_open(&s, "large", LARGE_ROWS);
    flip(&s, 0);

    assert_in_range(stream(&s, &was_proven, &broke, sent), 1, s.place->size - 1);
    assert_false(was_proven); /* not read twice */
    assert_true(broke);
    assert_int_equal(doubted(&s), 1);
    assert_int_equal(stream(&s, &was_proven, &broke, sent), s.place->size);
    assert_false(broke);
    assert_memory_equal(sent, s.place->object, 32);
    assert_int_equal(stream(&s, &was_proven, &broke, sent), s.place->size);
    assert_true(was_proven); /* it was read a moment ago */
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_in_the_first_copy_is_not_served_and_mended_next),
        cmocka_unit_test(a_truncated_first_copy_is_passed_over_and_mended_next),
        cmocka_unit_test(a_first_copy_that_is_gone_is_made_anew_next),
        cmocka_unit_test(a_copy_is_made_anew_where_its_folders_are_gone_too),
        cmocka_unit_test(what_is_good_in_no_copy_is_not_served_at_all),
        cmocka_unit_test(a_landing_file_that_rotted_is_not_served),
        cmocka_unit_test(what_was_proven_is_not_believed_once_its_file_changed),
        cmocka_unit_test(a_large_one_that_is_wrong_breaks_off_and_comes_from_the_other_copy),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
