/* test_found.c - the catalog was restored from a backup: what was stored without a gateway since
 * then is in it again, once, from whichever copy is good. */
#include "proto/base/clock.h"
#include "storage/keep/keep_own.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};

/* A dose report of a device: the class of a reader's, another maker. */
static void
dose_make(const struct slice *s, struct buf *out)
{
    uint8_t *maker;

    report_make(s, out);
    maker = memmem(out->bytes, out->n, "Radpost ", 8);
    assert_non_null(maker);
    memcpy(maker, "Fig CT 1", 8);
}

static enum keep_outcome
store_dose(struct vault *a, const struct slice *s)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    dose_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a->keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    return stored.outcome;
}

static enum keep_outcome
store(struct vault *a, const struct slice *s, bool is_reader)
{
    struct keep_incoming in = {
        .tenant = "clinic-a", .way = is_reader ? KEEP_WAY_READER : "STOW-RS", .ae = "WEB"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    if (is_reader)
        report_make(s, &file);
    else
        slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a->keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    return stored.outcome;
}

/* What lies in the copy was written so long ago; below 0: by a clock that was ahead. */
static void
age(const struct vault *a, int64_t seconds)
{
    char pattern[256];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/whole/*.dcm", a->landing_copy);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const struct timespec at = {.tv_sec = clock_wall_us() / 1000000 - seconds};
        const struct timespec times[] = {at, at};

        assert_int_equal(utimensat(AT_FDCWD, found.gl_pathv[i], times, 0), 0);
    }
    globfree(&found);
}

/* The catalog of before anything came, and a start with it, an hour later. */
static void
restore(struct vault *a)
{
    age(a, 3600);
    vault_sql(a, "DELETE FROM instances; DELETE FROM series; DELETE FROM studies; DELETE FROM "
                 "patients; DELETE FROM events");
    vault_reopen(a);
}

static void
spoil(const char *dir)
{
    char pattern[256];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/whole/*.dcm", dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "?", 1, 400), 1);
        close(fd);
    }
    globfree(&found);
}

static void
what_a_restored_catalog_does_not_know_is_found(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "found");
    assert_int_equal(store(&a, &one, false), KEEP_STORED);
    assert_int_equal(store(&a, &two, false), KEEP_STORED);
    assert_int_equal(store(&a, &report, true), KEEP_STORED);
    restore(&a);
    assert_int_equal(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err), -1);

    vault_work(&a); /* found */
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2); /* without the document */
    vault_work(&a);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.sealed, 2);
    assert_int_equal(standing.expected, 2);
    assert_int_equal(standing.revision, 1);
    assert_int_equal(folder_files(a.landing) + folder_files(a.landing_copy), 0);
    assert_int_equal(folder_files(a.stores[0]), 2); /* the images', the document's */
    vault_close(&a);
}

static void
a_copy_that_is_spoilt_is_not_taken_for_the_file(void **state)
{
    struct slice one = vault_ct(1);
    struct keep_standing standing;
    struct vault a;
    struct err err;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "spoilt");
    assert_int_equal(store(&a, &one, false), KEEP_STORED);
    restore(&a);
    spoil(a.landing_copy);
    age(&a, 3600);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1); /* from the other */

    restore(&a);
    spoil(a.landing_copy);
    spoil(a.landing);
    age(&a, 3600);
    assert_int_equal(keep_work(a.keep, &sealed, &err), -1); /* said, and nothing made of it */
    assert_int_equal(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err), -1);
    assert_int_equal(folder_files(a.landing) + folder_files(a.landing_copy), 2);
    vault_close(&a);
}

static uint64_t
whole(struct vault *a)
{
    struct keep_standing standing;
    struct err err;

    if (keep_standing_get(a->keep, "clinic-a", "1.2.3", &standing, &err) < 0)
        return 0;
    return standing.whole;
}

static void
a_walk_is_many_turns_and_ends_with_the_program(void **state)
{
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "turns");
    for (unsigned i = 1; i <= 105; i++) {
        struct slice s = vault_ct(i);

        assert_int_equal(store(&a, &s, false), KEEP_STORED);
    }
    restore(&a);
    a.keep->is_closing = true;
    OK(found_take_in(a.keep, &err));
    assert_int_equal(whole(&a), 0);
    a.keep->is_closing = false;

    OK(found_take_in(a.keep, &err));
    assert_in_range(whole(&a), 1, 100);
    for (int i = 0; i < 100 && a.keep->found != NULL; i++)
        OK(found_take_in(a.keep, &err));
    assert_int_equal(whole(&a), 105);
    vault_close(&a);
}

static void
what_is_on_its_way_is_left_alone(void **state)
{
    struct slice one = vault_ct(1);
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "young");
    assert_int_equal(store(&a, &one, false), KEEP_STORED);
    restore(&a);
    age(&a, 10);
    vault_work(&a);
    assert_int_equal(whole(&a), 0);
    clock_fake(clock_wall_us() + 301000000, clock_mono_ms() + 301000);
    vault_work(&a); /* the next walk does not wait for an hour */
    clock_unfake();
    assert_int_equal(whole(&a), 1);

    restore(&a);
    age(&a, -86400);
    vault_work(&a);
    assert_int_equal(whole(&a), 1);
    vault_close(&a);
}

/* A class is no way: what a device stored is listed like its images. */
static void
a_devices_report_is_listed_with_its_images(void **state)
{
    struct slice one = vault_ct(1);
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "dose");
    assert_int_equal(store(&a, &one, false), KEEP_STORED);
    assert_int_equal(store_dose(&a, &report), KEEP_STORED);
    restore(&a);
    vault_work(&a);
    vault_work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2);
    assert_int_equal(standing.expected, 2);
    vault_close(&a);
}

/* The catalog is of before the organisation was added: it waits for its name, and that is said. */
static void
an_organisation_that_was_lost_is_told_of(void **state)
{
    struct slice one = vault_ct(1), two = vault_ct(2);
    int log_fd = memfd_create("log", MFD_CLOEXEC);
    char said[4096] = "";
    const char *line;
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "unowned");
    assert_int_equal(store(&a, &one, false), KEEP_STORED);
    assert_int_equal(store(&a, &two, false), KEEP_STORED);
    restore(&a);
    vault_sql(&a, "UPDATE tenants SET code = 'other' WHERE code = 'clinic-a'");
    log_set_fd(log_fd);
    vault_work(&a);
    log_set_fd(-1);
    assert_true(pread(log_fd, said, sizeof said - 1, 0) > 0);
    line = strstr(said, "KEEP_FOUND_UNOWNED");
    if (line == NULL)
        fail_msg("not told: %s", said);
    assert_null(strstr(line + 1, "KEEP_FOUND_UNOWNED")); /* once */
    assert_non_null(strstr(said, "clinic-a"));

    vault_sql(&a, "UPDATE tenants SET code = 'clinic-a' WHERE code = 'other'");
    vault_reopen(&a);
    vault_work(&a);
    assert_int_equal(whole(&a), 2);
    close(log_fd);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_restored_catalog_does_not_know_is_found),
        cmocka_unit_test(a_copy_that_is_spoilt_is_not_taken_for_the_file),
        cmocka_unit_test(a_walk_is_many_turns_and_ends_with_the_program),
        cmocka_unit_test(what_is_on_its_way_is_left_alone),
        cmocka_unit_test(a_devices_report_is_listed_with_its_images),
        cmocka_unit_test(an_organisation_that_was_lost_is_told_of),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
