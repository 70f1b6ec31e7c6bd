/* test_reserve.c - room that a folder keeps for itself. */
#include "proto/base/reserve.h"

#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

enum { MIB = 1 << 20 };

static char folder[FOLDER_PATH_BYTES];

static struct stat
look(void)
{
    char path[FOLDER_PATH_BYTES + 16];
    struct stat st = {.st_size = 0};

    snprintf(path, sizeof path, "%s/reserve", folder);
    assert_int_equal(stat(path, &st), 0);
    return st;
}

static void
what_is_kept_takes_room_and_is_given_up_piece_by_piece(void **state)
{
    (void)state;
    folder_make("reserve", folder);
    assert_false(reserve_give(folder, MIB));
    reserve_make(folder, 5 * MIB / 2);
    assert_int_equal(look().st_size, 5 * MIB / 2);
    assert_true(look().st_blocks * 512 >= 5 * MIB / 2); /* not a hole */

    assert_true(reserve_give(folder, MIB));
    assert_int_equal(look().st_size, 3 * MIB / 2);
    assert_true(reserve_give(folder, MIB));
    assert_true(reserve_give(folder, MIB));
    assert_int_equal(look().st_size, 0);
    assert_false(reserve_give(folder, MIB));

    reserve_make(folder, 2 * MIB);
    reserve_make(folder, MIB);
    assert_int_equal(look().st_size, 2 * MIB);
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_takes_room_and_is_given_up_piece_by_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
