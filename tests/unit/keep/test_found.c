/* test_found.c - the catalog was restored from a backup: what was stored without a gateway since
 * then is in it again, once, from whichever copy is good. */
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

static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};

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

static int
work(struct vault *a)
{
    struct err err;
    int sealed;

    OK(keep_work(a->keep, &sealed, &err));
    return sealed;
}

/* The catalog of before anything came, and a start with it. */
static void
restore(struct vault *a)
{
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

    work(&a); /* found */
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2); /* without the document */
    work(&a);
    work(&a);
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
    work(&a);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1); /* from the other */

    restore(&a);
    spoil(a.landing_copy);
    spoil(a.landing);
    assert_int_equal(keep_work(a.keep, &sealed, &err), -1); /* said, and nothing made of it */
    assert_int_equal(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err), -1);
    assert_int_equal(folder_files(a.landing) + folder_files(a.landing_copy), 2);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_restored_catalog_does_not_know_is_found),
        cmocka_unit_test(a_copy_that_is_spoilt_is_not_taken_for_the_file),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
