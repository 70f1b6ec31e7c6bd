/* test_ready.c - what the spool does while nothing comes, and while a lot does. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { SEGMENT = 1 << 20, LONGEST_MS = 30000 };

/* The file, once it is as long as a segment. */
static ino_t
await_ready(struct spool_fixture *f)
{
    int64_t until = clock_mono_ms() + LONGEST_MS;
    char path[FOLDER_PATH_BYTES + 32];
    struct stat st;

    snprintf(path, sizeof path, "%s/tmp/ready", f->dir);
    while (stat(path, &st) < 0 || st.st_size < SEGMENT) {
        assert_true(clock_mono_ms() < until);
        spool_wait(f->sp, UINT64_MAX - 1, 20);
    }
    return st.st_ino;
}

static bool
is_segment(struct spool_fixture *f, unsigned number, ino_t inode)
{
    char path[FOLDER_PATH_BYTES + 64];
    struct stat st;

    snprintf(path, sizeof path, "%s/segments/%016x.seg", f->dir, number);
    return stat(path, &st) == 0 && st.st_ino == inode;
}

static void
the_next_segment_is_written_through_while_nothing_comes(void **state)
{
    struct spool_fixture *f = *state;
    ino_t ready = await_ready(f);
    uint64_t id;

    id = fixture_put(f, 600000, 1, 0);
    assert_true(is_segment(f, 1, ready));
    fixture_assert_bytes(f, id, 600000, 1);
    fixture_reopen(f);
    fixture_assert_bytes(f, id, 600000, 1);
}

static void
one_that_comes_sooner_is_not_kept_waiting_for_it(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t ids[8];

    for (unsigned i = 0; i < ARRAY_LEN(ids); i++) /* five segments, one after the other */
        ids[i] = fixture_put(f, 600000, i, 0);
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        fixture_assert_bytes(f, ids[i], 600000, i);
}

static void
nothing_of_it_is_left_after_an_orderly_end(void **state)
{
    struct spool_fixture *f = *state;
    char path[FOLDER_PATH_BYTES + 32];

    await_ready(f);
    spool_close(&f->sp);
    snprintf(path, sizeof path, "%s/tmp/ready", f->dir);
    assert_int_equal(access(path, F_OK), -1);
    fixture_reopen(f);
}

/* The one before was taken and could not be published. */
static void
what_was_left_of_another_is_not_in_its_way(void **state)
{
    struct spool_fixture *f = *state;
    char path[FOLDER_PATH_BYTES + 32];
    FILE *left;

    snprintf(path, sizeof path, "%s/tmp/ready", f->dir);
    left = fopen(path, "wbx");
    if (left == NULL)
        skip(); /* it was quicker */
    fclose(left);
    await_ready(f);
}

static void
receptions_in_a_burst_go_first_but_not_for_ever(void **state)
{
    struct spool_fixture *f = *state;
    int64_t end = clock_mono_ms() + LONGEST_MS;
    bool was_burst = false, was_over = false, was_over_for_one = false;

    assert_int_equal(spool_burst_ms(f->sp, 500), 0);
    for (unsigned i = 0; !was_over && clock_mono_ms() < end; i++) {
        int64_t ms;

        fixture_put(f, 1, i, 0);
        ms = spool_burst_ms(f->sp, 500);
        assert_in_range(ms, 0, 10);
        was_over = was_burst && ms == 0;
        was_burst = was_burst || ms > 0;
        was_over_for_one = was_over_for_one || (spool_burst_ms(f->sp, 500) > 0 && was_burst &&
                                                spool_burst_ms(f->sp, 100) == 0);
    }
    assert_true(was_burst);
    assert_true(was_over);
    assert_true(was_over_for_one); /* who waits for less has begun by then */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_segment_is_written_through_while_nothing_comes,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_comes_sooner_is_not_kept_waiting_for_it,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_it_is_left_after_an_orderly_end,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_left_of_another_is_not_in_its_way,
                                        spool_fixture_setup, spool_fixture_teardown),
        cmocka_unit_test_setup_teardown(receptions_in_a_burst_go_first_but_not_for_ever,
                                        spool_fixture_setup, spool_fixture_teardown),
    };
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
