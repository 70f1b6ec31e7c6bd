/* test_doctor_archive.c - what `radpost doctor` says of an archive that misses images: the program
 * itself, beside a catalog. */
#include "tests/support/run_program.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "127.0.0.1:1"};
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
whose_images_are_missing_is_said(void **state)
{
    struct slice s = vault_ct(1), other = vault_ct(2);
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "doctor");
    other.study = "1.2.4";
    other.series = "1.2.4.1";
    vault_put(&a, &gate, &s);
    vault_put(&a, &gate, &other);
    ask_doctor(&a);
    assert_non_null(strstr(said, "PostgreSQL answers"));
    assert_null(strstr(said, "here no more"));

    vault_sql(&a, "UPDATE instances SET missing_since_us = 1 WHERE number = 1");
    ask_doctor(&a);
    assert_non_null(
        strstr(said, "1 images are here no more: study 1.2.3 of clinic-a: radpost reconcile show"));
    vault_sql(&a, "UPDATE instances SET missing_since_us = 1");
    ask_doctor(&a);
    assert_non_null(strstr(said, "2 images are here no more: study 1.2.3 of clinic-a, and others"));
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_images_are_missing_is_said),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
