/* test_folder.c - a folder's names, and a disk that does not give them all. */
#include "proto/base/folder.h"

#include "tests/support/folder.h"
#include "tests/support/sick_folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* How many, or -1. */
static int
count(const char *path, struct err *err)
{
    const struct dirent *e;
    DIR *folder = opendir(path);
    int n = 0, rc;

    assert_non_null(folder);
    while ((rc = folder_next(folder, &e, err)) == 0 && e != NULL)
        n++;
    closedir(folder);
    return rc < 0 ? -1 : n;
}

static void
names_that_are_not_given_are_an_error_not_the_end(void **state)
{
    char dir[FOLDER_PATH_BYTES], path[FOLDER_PATH_BYTES + 8];
    struct err err = {0};

    (void)state;
    folder_make("names", dir);
    assert_int_equal(count(dir, &err), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%d", dir, i);
        fclose(fopen(path, "w"));
    }
    assert_int_equal(count(dir, &err), 3);

    for (unsigned given = 0; given < 6; given++) { /* with "." and ".." */
        sick_folder(dir, given);
        assert_int_equal(count(dir, &err), -1);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_int_equal(err.sys, EIO);
    }

    sick_folder(NULL, 0);
    assert_int_equal(count(dir, &err), 3);
    folder_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_not_given_are_an_error_not_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
