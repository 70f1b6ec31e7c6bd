/* test_doctor_disks.c - what `radpost doctor` says of an archive with a disk that is not mounted:
 * the program itself, beside a catalog. */
#include "tests/support/run_program.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char said[16384];

static void
ask_doctor(const struct vault *a)
{
    char program[4096], file[256];
    const char *const argv[] = {program, "doctor", "--config", file, NULL};
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    FILE *f;

    assert_true(n > 0);
    program[n] = '\0';
    memcpy(strrchr(program, '/') + 1, "radpost", 8);
    snprintf(file, sizeof file, "%s/storage.conf", a->dir);
    f = fopen(file, "w");
    assert_non_null(f);
    fprintf(f, "data_dir = %s\npg_conninfo = %s\nstore_a = %s\nstore_b = %s\n", a->dir, a->conninfo,
            a->stores[0], a->stores[1]);
    fclose(f);
    (void)program_run(argv, NULL, said, sizeof said);
}

static void
a_store_that_is_not_mounted_is_bad_and_what_to_do_is_said(void **state)
{
    struct vault a;
    char aside[200];

    (void)state;
    vault_open(&a, vault_cluster, "doctor_disks");
    ask_doctor(&a);
    assert_non_null(strstr(said, "PostgreSQL answers"));
    assert_null(strstr(said, "not the disk"));

    snprintf(aside, sizeof aside, "%s.disk", a.stores[1]);
    assert_int_equal(rename(a.stores[1], aside), 0);
    assert_int_equal(mkdir(a.stores[1], 0700), 0);
    ask_doctor(&a);
    assert_non_null(strstr(said, "store-b is not the disk that it was: mount it"));
    assert_non_null(strstr(said, "do: is the disk mounted? Mount it, nothing else is needed."));
    assert_null(strstr(said, "store-a is not"));
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_not_mounted_is_bad_and_what_to_do_is_said),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
