/* test_packs_found.c - the catalog was restored from a backup: what was packed since then is in it
 * again, from the stores alone, and nothing of it twice. */
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
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};
static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};
static const struct slice direct[] = {
    {.study = "1.2.5", .series = "1.2.5.1", .instance = "1.2.5.1.1", .noise = 4},
    {.study = "1.2.5", .series = "1.2.5.2", .instance = "1.2.5.2.1", .noise = 5}};

static enum keep_outcome
store(struct vault *a, const struct slice *s, bool is_reader)
{
    struct keep_incoming in = {
        .tenant = "clinic-a", .way = is_reader ? KEEP_WAY_READER : "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct buf file;
    struct err err;

    is_reader ? report_make(s, &file) : slice_make(s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    OK(keep_store_direct(a->keep, &in, &stored, &err));
    close(in.fd);
    buf_fini(&file);
    return stored.outcome;
}

static void
each_pack(const struct vault *a, int store_at, void (*fn)(const char *path))
{
    char pattern[256];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", a->stores[store_at]);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        fn(found.gl_pathv[i]);
    globfree(&found);
}

static void
make_old(const char *path)
{
    const struct timespec at = {.tv_sec = clock_wall_us() / 1000000 - 3600};
    const struct timespec times[] = {at, at};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
spoil(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(pwrite(fd, "?", 1, 200), 1);
    close(fd);
}

/* The catalog of before anything came, and a start with it, an hour later. */
static void
restore(struct vault *a)
{
    for (int i = 0; i < KEEP_COPIES; i++)
        each_pack(a, i, make_old);
    vault_sql(a, "TRUNCATE instances, packs, pack_copies, pack_jobs, manifests, receipts, events, "
                 "duplicates, landing, series, studies, patients");
    vault_reopen(a);
}

static struct vault_seen
see(struct vault *a, const char *study)
{
    struct vault_seen seen = {0};
    struct err err;

    if (keep_instances(a->keep, "clinic-a", study, NULL, NULL, vault_see, &seen, &err) < 0)
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    if (seen.first != NULL)
        vault_place_reads(a, seen.first);
    free(seen.first);
    return seen;
}

static size_t
receipts(struct vault *a)
{
    struct link_receipts r;
    struct keep_wait none = {0};
    struct err err;
    size_t n;

    OK(keep_receipts(a->keep, &gate, 0, &none, &r, &err));
    n = r.count;
    link_receipts_free(&r);
    return n;
}

/* Two images of a gateway, two series that came directly, a document: packed, their landing files
 * gone. */
static void
fill(struct vault *a)
{
    struct slice of_gate[] = {vault_ct(1), vault_ct(2)};

    for (size_t i = 0; i < ARRAY_LEN(of_gate); i++)
        assert_int_equal(vault_put(a, &gate, &of_gate[i]), LINK_HELD);
    vault_manifest(a, &gate, 1, of_gate, ARRAY_LEN(of_gate));
    for (size_t i = 0; i < ARRAY_LEN(direct); i++)
        assert_int_equal(store(a, &direct[i], false), KEEP_STORED);
    assert_int_equal(store(a, &report, true), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(a);
    assert_int_equal(folder_files(a->landing) + folder_files(a->landing_copy), 0);
    assert_int_equal(folder_files(a->stores[0]), 4);
}

static void
what_a_restored_catalog_does_not_know_is_found_in_the_packs(void **state)
{
    struct keep_standing standing;
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "packs");
    fill(&a);
    restore(&a);
    assert_int_equal(see(&a, "1.2.3").n, 0);

    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    assert_int_equal(see(&a, "1.2.5").sealed, 2);
    assert_int_equal(receipts(&a), 2);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1); /* one list of both series */
    assert_int_equal(standing.expected, 2);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2); /* without the document; its list its gateway tells anew */

    vault_reopen(&a);
    assert_int_equal(vault_work(&a), 0);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    OK(keep_standing_get(a.keep, "clinic-a", "1.2.5", &standing, &err));
    assert_int_equal(standing.revision, 1);
    for (int i = 0; i < KEEP_COPIES; i++)
        assert_int_equal(folder_files(a.stores[i]), 4);
    vault_close(&a);
}

/* It held them when the backup was made: their jobs are there, and their files are gone. */
static void
what_a_restored_catalog_waits_to_pack_is_found_packed(void **state)
{
    struct slice one = vault_ct(1);
    struct vault a;
    struct err err;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "waits");
    assert_int_equal(vault_put(&a, &gate, &one), LINK_HELD);
    vault_manifest(&a, &gate, 1, &one, 1);
    vault_work(&a);
    vault_work(&a);
    assert_int_equal(folder_files(a.landing), 0);
    for (int i = 0; i < KEEP_COPIES; i++)
        each_pack(&a, i, make_old);
    vault_sql(&a, "UPDATE instances SET pack = NULL, pack_offset = NULL, sealed_at_us = NULL, "
                  "landing = 'whole/gone.dcm'; DELETE FROM pack_copies; DELETE FROM packs; "
                  "UPDATE pack_jobs SET done_at_us = NULL, next_try_us = 9000000000000000; "
                  "DELETE FROM receipts");
    vault_reopen(&a);

    vault_work(&a);
    assert_int_equal(see(&a, one.study).sealed, 1);
    assert_int_equal(receipts(&a), 1);
    vault_sql(&a, "UPDATE pack_jobs SET next_try_us = 0");
    OK(keep_work(a.keep, &sealed, &err)); /* nothing is left of the job */
    assert_int_equal(sealed, 0);
    assert_int_equal(folder_files(a.stores[0]), 1);
    vault_close(&a);
}

static void
a_spoilt_copy_is_made_anew_from_the_one_that_was_found(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "spoilt_pack");
    fill(&a);
    each_pack(&a, 0, spoil);
    restore(&a);

    for (int i = 0; i < 10; i++) /* the scrubber looks at one copy a turn */
        vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    assert_int_equal(folder_files(a.stores[0]), 8); /* four of them in corrupt/ */
    vault_close(&a);
}

static void
a_pack_that_is_damaged_everywhere_is_told_and_keeps_no_other(void **state)
{
    struct slice other = vault_ct(3);
    struct vault a;
    struct err err;
    int sealed;

    (void)state;
    vault_open(&a, vault_cluster, "damaged_pack");
    assert_int_equal(store(&a, &direct[0], false), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(&a);
    each_pack(&a, 0, spoil);
    each_pack(&a, 1, spoil);
    assert_int_equal(store(&a, &other, false), KEEP_STORED);
    for (int i = 0; i < 3; i++)
        vault_work(&a);
    restore(&a);

    assert_int_equal(keep_work(a.keep, &sealed, &err), -1);
    assert_int_equal(see(&a, "1.2.5").n, 0);
    assert_int_equal(see(&a, other.study).sealed, 1);
    vault_close(&a);
}

static void
a_pack_of_an_unknown_organisation_waits_an_hour_for_it(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "unowned_pack");
    fill(&a);
    restore(&a);
    vault_sql(&a, "UPDATE tenants SET code = 'other' WHERE code = 'clinic-a'");
    vault_work(&a);
    assert_in_range(a.keep->packs_at_ms - clock_mono_ms(), 1, 3600000);

    vault_sql(&a, "UPDATE tenants SET code = 'clinic-a' WHERE code = 'other'");
    a.keep->packs_at_ms = 0; /* later */
    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").sealed, 3);
    vault_close(&a);
}

static void
a_pack_that_was_made_just_now_is_left_alone(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "young_pack");
    fill(&a);
    vault_sql(&a, "TRUNCATE instances, packs, pack_copies, pack_jobs, manifests, receipts, events, "
                  "duplicates, landing, series, studies, patients");
    vault_reopen(&a);

    vault_work(&a);
    assert_int_equal(see(&a, "1.2.3").n, 0);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_restored_catalog_does_not_know_is_found_in_the_packs),
        cmocka_unit_test(what_a_restored_catalog_waits_to_pack_is_found_packed),
        cmocka_unit_test(a_spoilt_copy_is_made_anew_from_the_one_that_was_found),
        cmocka_unit_test(a_pack_that_is_damaged_everywhere_is_told_and_keeps_no_other),
        cmocka_unit_test(a_pack_of_an_unknown_organisation_waits_an_hour_for_it),
        cmocka_unit_test(a_pack_that_was_made_just_now_is_left_alone),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
