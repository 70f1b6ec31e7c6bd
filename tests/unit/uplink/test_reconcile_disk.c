/* test_reconcile_disk.c - the centre's landing disk loses an image before it is packed, and asks
 * its gateway for it. */
#include "proto/base/clock.h"
#include "tests/support/archive_site.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int
count_lost(void *user, const struct keep_lost *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static void
what_was_lost_before_it_was_packed_comes_again_soon(void **state)
{
    int64_t before_us = clock_wall_us();
    struct keep_standing standing;
    struct archive_site s;
    char pattern[256];
    glob_t found = {0};
    struct err err;
    size_t n = 0;

    (void)state;
    archive_site_open(&s, "disk", -1);
    archive_site_reconciled(&s, before_us); /* none is due of itself for long */
    archive_site_receive(&s, "1.2.12.1", 3);
    archive_site_wait(&s, INSTANCE_HELD, 3);
    snprintf(pattern, sizeof pattern, "%s/whole/*", s.world.vault.landing);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(unlink(found.gl_pathv[0]), 0);
    globfree(&found);

    archive_site_wait(&s, INSTANCE_SEALED, 3);

    assert_int_equal(keep_standing_get(s.world.vault.keep, "clinic-a", "1.2.12.1", &standing, &err),
                     0);
    assert_int_equal(standing.sealed, 3);
    assert_int_equal(standing.missing, 0);
    assert_int_equal(keep_each_lost(s.world.vault.keep, NULL, count_lost, &n, &err), 0);
    assert_int_equal(n, 0);
    archive_site_close(&s);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_lost_before_it_was_packed_comes_again_soon),
    };
    int status;

    if (!archive_site_begin(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    archive_site_end();
    return status;
}
