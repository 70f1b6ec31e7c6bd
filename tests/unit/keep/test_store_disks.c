/* test_store_disks.c - a store whose disk is not mounted is no empty store: nothing is written to
 * what is in its place, and nothing is called sealed that is not. */
#include "storage/keep/keep_own.h"

#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};

/* ---- a disk that does not give the bytes of a mark ---- */

static bool is_sick;

ssize_t
pread(int fd, void *bytes, size_t n, off_t offset)
{
    char link[64], path[4096];
    ssize_t k;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    k = __atomic_load_n(&is_sick, __ATOMIC_SEQ_CST) ? readlink(link, path, sizeof path - 1) : 0;
    path[k > 0 ? k : 0] = '\0';
    if (k > 9 && strcmp(path + k - 9, "/store.id") == 0) {
        errno = EIO;
        return -1;
    }
    return (ssize_t)syscall(SYS_pread64, fd, bytes, n, offset);
}

/* ---- a disk, and its mount point ---- */

static char *
aside_of(const char *path)
{
    return mem_printf("%s.disk", path);
}

static void
unmount(const char *path)
{
    char *aside = aside_of(path);

    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    free(aside);
}

/* Fails when something was put below it meanwhile. */
static void
mount_again(const char *path)
{
    char *aside = aside_of(path);

    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(aside, path), 0);
    free(aside);
}

static bool
is_marked(const char *path)
{
    char *file = mem_printf("%s/store.id", path);
    bool is = access(file, F_OK) == 0;

    free(file);
    return is;
}

static void
unmark(const char *path)
{
    char *file = mem_printf("%s/store.id", path);

    assert_int_equal(unlink(file), 0);
    free(file);
}

/* ---- images ---- */

static void
put_listed(struct vault *a, unsigned number)
{
    struct slice s = vault_ct(number);
    char *study = mem_printf("1.2.3.%u", number);

    s.study = study;
    s.series = study;
    assert_int_equal(vault_put(a, &gate, &s), LINK_HELD);
    vault_manifest(a, &gate, 1, &s, 1);
    free(study);
}

/* What failed is due again. */
static int
work_now(struct vault *a)
{
    vault_sql(a, "UPDATE pack_jobs SET next_try_us = 0");
    vault_sql(a, "UPDATE pack_copies SET checked_at_us = 0 WHERE doubted_at_us IS NOT NULL");
    return vault_work(a);
}

static struct keep_health
health(struct vault *a)
{
    struct keep_health h;
    struct err err;

    OK(keep_health_get(a->keep, &h, &err));
    return h;
}

/* The same while clean_landing() has something that it cannot clean. */
static void
work_and_fail(struct vault *a)
{
    struct err err;
    int sealed;

    assert_int_equal(keep_work(a->keep, &sealed, &err), -1);
    assert_non_null(strstr(err.text, "landing-copy is not the disk that it was"));
}

/* One study is sealed. */
static void
begin(struct vault *a, const char *name)
{
    vault_open(a, vault_cluster, name);
    put_listed(a, 1);
    assert_int_equal(vault_work(a), 1);
}

/* ---- claims ---- */

static void
nothing_is_sealed_while_a_stores_disk_is_not_there(void **state)
{
    static const bool is_restarted[] = {false, true};

    (void)state;
    for (int i = 0; i < 4; i++) {
        const char *names[] = {"gone_a", "gone_b", "boot_a", "boot_b"};
        struct vault a;

        begin(&a, names[i]);
        unmount(a.stores[i % 2]);
        if (is_restarted[i / 2])
            vault_reopen(&a);
        put_listed(&a, 2);

        assert_int_equal(vault_work(&a), 0);
        assert_int_equal(health(&a).sealed, 1);
        mount_again(a.stores[i % 2]);

        assert_int_equal(work_now(&a), 1);
        assert_int_equal(folder_files(a.stores[0]), 2);
        assert_int_equal(folder_files(a.stores[1]), 2);
        vault_close(&a);
    }
}

static void
a_read_repairs_nothing_below_a_mount_point(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, "repairs");
    OK(keep_instances(a.keep, "clinic-a", "1.2.3.1", NULL, NULL, vault_see, &seen, &err));
    unmount(a.stores[0]);

    vault_place_reads(&a, seen.first);
    for (int i = 0; i < 3; i++)
        work_now(&a);
    assert_int_equal(health(&a).doubted, 1);
    mount_again(a.stores[0]);

    work_now(&a);
    assert_int_equal(health(&a).doubted, 0);
    assert_int_equal(folder_files(a.stores[0]), 1);
    keep_place_free(&seen.first);
    vault_close(&a);
}

static void
an_older_programs_store_is_marked_as_soon_as_its_packs_are_seen(void **state)
{
    struct vault a;

    (void)state;
    begin(&a, "older");
    for (int i = 0; i < KEEP_COPIES; i++)
        unmark(a.stores[i]);
    vault_sql(&a, "DELETE FROM disk_marks");
    unmount(a.stores[1]);

    vault_reopen(&a);
    put_listed(&a, 2);
    assert_int_equal(vault_work(&a), 0);
    assert_true(is_marked(a.stores[0]));
    mount_again(a.stores[1]);

    assert_int_equal(work_now(&a), 1);
    assert_true(is_marked(a.stores[1]));
    vault_close(&a);
}

static void
a_mark_whose_row_a_crash_left_out_stands(void **state)
{
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "crashed");
    vault_sql(&a, "DELETE FROM disk_marks");
    vault_reopen(&a);

    put_listed(&a, 1);
    assert_int_equal(vault_work(&a), 1);
    vault_close(&a);
}

static void
a_new_disk_is_filled_once_a_person_says_so(void **state)
{
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, "replaced");
    unmount(a.stores[1]);
    put_listed(&a, 2);
    assert_int_equal(vault_work(&a), 0);

    OK(keep_disk_accept(a.keep, KEEP_STORE_B, a.stores[1], &err));
    for (int i = 0; i < 3; i++)
        work_now(&a);
    assert_int_equal(health(&a).sealed, 2);
    assert_int_equal(health(&a).doubted, 0);
    assert_int_equal(folder_files(a.stores[1]), 2);
    vault_close(&a);
}

/* The second copy went with data_dir, and its folder with it. */
static void
a_folder_that_is_gone_is_made_where_the_one_above_it_is_the_services(void **state)
{
    struct vault a;
    struct err err;
    char *deep;

    (void)state;
    begin(&a, "regrown");
    unmount(a.stores[1]);
    assert_int_equal(rmdir(a.stores[1]), 0);
    deep = mem_printf("%s/not/there", a.stores[1]);

    assert_int_equal(keep_disk_accept(a.keep, KEEP_STORE_B, deep, &err), -1);
    OK(keep_disk_accept(a.keep, KEEP_STORE_B, a.stores[1], &err));
    for (int i = 0; i < 3; i++)
        work_now(&a);
    assert_int_equal(folder_files(a.stores[1]), 1);
    free(deep);
    vault_close(&a);
}

static void
one_stores_disk_is_not_the_others(void **state)
{
    struct vault a;
    char *aside;

    (void)state;
    begin(&a, "swapped");
    aside = aside_of(a.stores[0]);
    assert_int_equal(rename(a.stores[0], aside), 0);
    assert_int_equal(rename(a.stores[1], a.stores[0]), 0);
    assert_int_equal(rename(aside, a.stores[1]), 0);
    put_listed(&a, 2);

    assert_int_equal(vault_work(&a), 0);
    assert_int_equal(folder_files(a.stores[0]), 1);
    free(aside);
    vault_close(&a);
}

static int
store_direct(struct vault *a, unsigned number, struct err *err)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct slice s = vault_ct(number);
    struct keep_stored stored;
    struct buf file;
    int rc;

    slice_make(&s, &file);
    in.fd = slice_fd(&file);
    in.size = file.n;
    rc = keep_store_direct(a->keep, &in, &stored, err);
    close(in.fd);
    buf_fini(&file);
    return rc;
}

static void
nobody_is_told_of_two_places_where_the_second_one_is_not_there(void **state)
{
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "direct");
    OK(store_direct(&a, 1, &err));
    unmount(a.landing_copy);
    vault_reopen(&a);

    assert_int_equal(store_direct(&a, 2, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "landing-copy is not the disk that it was"));
    put_listed(&a, 3); /* a gateway keeps what it sends until it is sealed */
    work_and_fail(&a);
    assert_int_equal(health(&a).sealed, 2);
    mount_again(a.landing_copy);

    OK(store_direct(&a, 2, &err));
    vault_close(&a);
}

/* The file of one that came directly is cleaned up when its disk is back. */
static void
what_lies_on_the_second_landing_disk_is_not_forgotten(void **state)
{
    struct vault a;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "cleaned");
    OK(store_direct(&a, 1, &err));
    unmount(a.landing_copy);
    work_and_fail(&a);
    work_and_fail(&a);
    assert_int_equal(health(&a).sealed, 1);
    mount_again(a.landing_copy);

    assert_int_equal(folder_files(a.landing_copy), 1);
    work_now(&a);
    assert_int_equal(folder_files(a.landing_copy), 0);
    vault_close(&a);
}

/* The catalog was lost, or its row; the disk has a bad sector just there. */
static void
a_mark_that_cannot_be_read_is_not_written_over(void **state)
{
    struct stat before, after;
    struct vault a;
    char *mark;

    (void)state;
    vault_open(&a, vault_cluster, "sick");
    mark = mem_printf("%s/store.id", a.stores[0]);
    assert_int_equal(stat(mark, &before), 0);
    vault_sql(&a, "DELETE FROM disk_marks");
    __atomic_store_n(&is_sick, true, __ATOMIC_SEQ_CST);
    vault_reopen(&a);
    put_listed(&a, 1);
    assert_int_equal(vault_work(&a), 0);
    __atomic_store_n(&is_sick, false, __ATOMIC_SEQ_CST);

    assert_int_equal(stat(mark, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(work_now(&a), 1);
    free(mark);
    vault_close(&a);
}

/* ---- data_dir ---- */

static void
put_authority(const char *home)
{
    char *dir = mem_printf("%s/ca", home), *file = mem_printf("%s/ca.pem", dir);
    FILE *f;

    assert_int_equal(mkdir(dir, 0700), 0);
    f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    free(file);
    free(dir);
}

static void
assert_home(struct vault *a, const char *home, bool is_it)
{
    struct err err = {0};
    int rc = keep_check_home(a->conninfo, home, &err);

    if (is_it && rc < 0)
        fail_msg("%s", err.text);
    if (!is_it) {
        assert_int_equal(rc, -1);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_non_null(strstr(err.text, "is not the disk that it was: mount it"));
    }
}

/* A second authority would be another archive to every gateway. */
static void
an_archive_whose_own_disk_is_not_mounted_begins_nothing(void **state)
{
    struct vault a;
    struct err err;
    char *home;

    (void)state;
    vault_open(&a, vault_cluster, "home");
    home = mem_printf("%s/home", a.dir);
    assert_home(&a, home, true); /* new */
    put_listed(&a, 1);
    assert_home(&a, home, true);
    unmount(home);

    assert_home(&a, home, false);
    mount_again(home);
    assert_home(&a, home, true);
    unmount(home);
    OK(keep_disk_accept(a.keep, KEEP_DATA_DIR, home, &err));
    assert_home(&a, home, true);
    free(home);
    vault_close(&a);
}

static void
an_older_programs_folder_is_marked_where_its_authority_is_seen(void **state)
{
    struct vault a;
    char *home;

    (void)state;
    vault_open(&a, vault_cluster, "older_home");
    home = mem_printf("%s/home", a.dir);
    put_listed(&a, 1);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_home(&a, home, false);
    assert_int_equal(rmdir(home), 0); /* nothing was made there */
    assert_int_equal(mkdir(home, 0700), 0);
    put_authority(home);

    assert_home(&a, home, true);
    assert_true(is_marked(home));
    free(home);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sealed_while_a_stores_disk_is_not_there),
        cmocka_unit_test(a_read_repairs_nothing_below_a_mount_point),
        cmocka_unit_test(an_older_programs_store_is_marked_as_soon_as_its_packs_are_seen),
        cmocka_unit_test(a_mark_whose_row_a_crash_left_out_stands),
        cmocka_unit_test(a_new_disk_is_filled_once_a_person_says_so),
        cmocka_unit_test(a_folder_that_is_gone_is_made_where_the_one_above_it_is_the_services),
        cmocka_unit_test(one_stores_disk_is_not_the_others),
        cmocka_unit_test(nobody_is_told_of_two_places_where_the_second_one_is_not_there),
        cmocka_unit_test(what_lies_on_the_second_landing_disk_is_not_forgotten),
        cmocka_unit_test(a_mark_that_cannot_be_read_is_not_written_over),
        cmocka_unit_test(an_archive_whose_own_disk_is_not_mounted_begins_nothing),
        cmocka_unit_test(an_older_programs_folder_is_marked_where_its_authority_is_seen),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
