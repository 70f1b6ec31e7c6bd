/* test_keep_rot.c - copies of packs that are no longer what was sealed: what is opened, and that
 * they are made anew soon. The scrubber's own turn is thirty days away in all of these. */
#include "storage/keep/keep.h"

#include "proto/trust/digest.h"
#include "tests/support/ok.h"
#include "tests/support/sealed_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { LARGE_ROWS = 5840, MIDDLE_ROWS = 1600 }; /* 65 MiB, 5 MiB */

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
    assert_int_equal(sealed_doubted(s), 0);
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
    sealed_open(&s, "flipped");
    sealed_flip(&s, 0);

    vault_place_reads(&s.a, s.place);
    assert_int_equal(sealed_doubted(&s), 1);
    vault_work(&s.a);
    both_are_good_again(&s);
    sealed_close(&s);
}

static void
a_truncated_first_copy_is_passed_over_and_mended_next(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open(&s, "cut");
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
    sealed_open(&s, "vanished");
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
    sealed_open(&s, "bare");
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
    sealed_open(&s, "lost");
    sealed_flip(&s, 0);
    sealed_flip(&s, 1);

    assert_int_equal(open_kind(&s), ERR_FATAL);
    assert_int_equal(sealed_doubted(&s), 2);
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
    vault_put(&s.a, &sealed_gate, &slice);
    OK(keep_instances(s.a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    s.place = seen.first;
    assert_int_equal(open_kind(&s), ERR_NONE);
    snprintf(s.packs[0], sizeof s.packs[0], "%s", s.place->paths[0]);
    sealed_flip(&s, 0);

    assert_int_equal(open_kind(&s), ERR_FATAL);
    sealed_close(&s);
}

static void
what_was_proven_is_not_believed_once_its_file_changed(void **state)
{
    struct sealed s;

    (void)state;
    sealed_open_large(&s, "middle", MIDDLE_ROWS);
    vault_place_reads(&s.a, s.place);
    sealed_flip(&s, 0);

    vault_place_reads(&s.a, s.place);
    assert_int_equal(sealed_doubted(&s), 1);
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
    sealed_open_large(&s, "large", LARGE_ROWS);
    sealed_flip(&s, 0);

    assert_in_range(stream(&s, &was_proven, &broke, sent), 1, s.place->size - 1);
    assert_false(was_proven); /* not read twice */
    assert_true(broke);
    assert_int_equal(sealed_doubted(&s), 1);
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
