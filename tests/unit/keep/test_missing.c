/* test_missing.c - catalogued images whose landing file is gone before they were packed: they are
 * missing, the others are packed, and what comes back takes its place. */
#include "proto/base/clock.h"
#include "proto/link/reconcile.h"
#include "storage/keep/keep.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};

static char taken[256];

/* The first landing file of a folder, taken: it becomes aside, or goes (""). */
static void
take_away(const char *landing, const char *aside)
{
    char pattern[256];
    glob_t found = {0};

    snprintf(pattern, sizeof pattern, "%s/whole/*", landing);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    snprintf(taken, sizeof taken, "%s", found.gl_pathv[0]);
    assert_int_equal(
        aside[0] != '\0' ? rename(found.gl_pathv[0], aside) : unlink(found.gl_pathv[0]), 0);
    globfree(&found);
}

static struct keep_standing
standing(struct vault *a, const char *study)
{
    struct keep_standing s;
    struct err err;

    OK(keep_standing_get(a->keep, "clinic-a", study, &s, &err));
    return s;
}

static void
assert_standing(struct vault *a, uint64_t whole, uint64_t sealed, uint64_t missing)
{
    struct keep_standing s = standing(a, "1.2.3");

    assert_int_equal(s.whole, whole);
    assert_int_equal(s.sealed, sealed);
    assert_int_equal(s.missing, missing);
}

static int
count_missing(void *user, const struct keep_lost *row)
{
    assert_true(row->is_missing);
    ++*(size_t *)user;
    return 0;
}

static size_t
listed(struct vault *a)
{
    struct err err;
    size_t n = 0;

    OK(keep_each_lost(a->keep, "clinic-a", count_missing, &n, &err));
    return n;
}

static int
take_wish(void *user, const char *code, int64_t at_us)
{
    (void)at_us;
    assert_string_equal(code, "clinic-a");
    ++*(size_t *)user;
    return 0;
}

static size_t
wishes(struct vault *a)
{
    struct err err;
    size_t n = 0;

    OK(keep_each_wish(a->keep, take_wish, &n, &err));
    return n;
}

struct counted {
    const char *kind;
    size_t n;
    char last[96]; /* detail */
};

static int
count_event(void *user, const struct keep_event *event)
{
    struct counted *c = user;

    if (strcmp(event->kind, c->kind) == 0) {
        c->n++;
        snprintf(c->last, sizeof c->last, "%s", event->detail);
    }
    return 0;
}

static struct counted
events_of(struct vault *a, const char *kind)
{
    struct counted c = {.kind = kind};
    struct err err;

    OK(keep_events(a->keep, "clinic-a", 0, 0, count_event, &c, &err));
    return c;
}

static size_t
completions(struct vault *a)
{
    return events_of(a, "study.complete").n;
}

/* Three images, whole and listed. */
static void
begin_whole(struct vault *a, const char *name, struct slice out[3])
{
    vault_open(a, vault_cluster, name);
    for (unsigned i = 0; i < 3; i++) {
        out[i] = vault_ct(i + 1);
        assert_int_equal(vault_put(a, &gate, &out[i]), LINK_HELD);
    }
    vault_manifest(a, &gate, 1, out, 3);
    assert_standing(a, 3, 0, 0);
}

/* And the file of one is gone before they were packed. */
static void
begin(struct vault *a, const char *name, const char *aside, struct slice out[3])
{
    begin_whole(a, name, out);
    take_away(a->landing, aside);
}

/* ---- files that rot ---- */

static ino_t unreadable; /* 0: none */

ssize_t
pread(int fd, void *bytes, size_t n, off_t at)
{
    struct stat st;

    if (unreadable != 0 && fstat(fd, &st) == 0 && st.st_ino == unreadable) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, n, at);
}

enum rot { ROT_FLIPPED, ROT_SHORT, ROT_UNREADABLE, ROTS };

/* The first landing file of a folder. */
static void
rot(const char *landing, enum rot how)
{
    char pattern[256], byte;
    glob_t found = {0};
    struct stat st;
    int fd;

    snprintf(pattern, sizeof pattern, "%s/whole/*", landing);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    if (how == ROT_UNREADABLE) {
        unreadable = st.st_ino;
    } else if (how == ROT_SHORT) {
        assert_int_equal(ftruncate(fd, 100), 0);
    } else {
        assert_int_equal(pread(fd, &byte, 1, 200), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    }
    close(fd);
    globfree(&found);
}

static size_t
set_aside(const char *landing)
{
    char corrupt[256];

    snprintf(corrupt, sizeof corrupt, "%s/corrupt", landing);
    return folder_files(corrupt);
}

static void
an_image_whose_file_is_gone_is_missing_and_the_others_are_packed(void **state)
{
    struct slice s[3];
    struct vault a;

    (void)state;
    begin(&a, "missing", "", s);
    assert_int_equal(wishes(&a), 0);

    assert_int_equal(vault_work(&a), 1);

    assert_standing(&a, 2, 2, 1);
    assert_int_equal(standing(&a, "1.2.3").expected, 3);
    assert_int_equal(listed(&a), 1);
    assert_int_equal(wishes(&a), 1); /* its gateway is asked */
    assert_int_equal(vault_work(&a), 0);
    vault_close(&a);
}

static void
what_its_gateway_brings_again_is_packed_and_missing_no_more(void **state)
{
    struct slice s[3];
    struct vault a;

    (void)state;
    begin(&a, "brought", "", s);
    vault_work(&a);

    for (size_t i = 0; i < 3; i++)
        (void)vault_put(&a, &gate, &s[i]); /* it does not know which */

    assert_standing(&a, 3, 2, 0);
    assert_int_equal(listed(&a), 0);
    assert_int_equal(vault_work(&a), 1);
    assert_standing(&a, 3, 3, 0);
    assert_int_equal(completions(&a), 2);
    vault_close(&a);
}

static void
what_a_disk_brings_back_is_packed(void **state)
{
    char aside[FOLDER_PATH_BYTES], back[FOLDER_PATH_BYTES + 8];
    struct slice s[3];
    struct vault a;

    (void)state;
    folder_make("disk", aside);
    snprintf(back, sizeof back, "%s/it", aside);
    begin(&a, "disk", back, s);
    vault_work(&a);
    assert_standing(&a, 2, 2, 1);

    assert_int_equal(rename(back, taken), 0);
    vault_reopen(&a);
    vault_work(&a);
    vault_work(&a);

    assert_standing(&a, 3, 3, 0);
    assert_int_equal(listed(&a), 0);
    vault_close(&a);
    folder_remove(aside);
}

static void
what_a_person_called_lost_for_good_and_a_disk_brings_back_is_listed_and_packed(void **state)
{
    static const struct keep_gone one = {1, "disk lost, console emptied", "Li", 0};
    char aside[FOLDER_PATH_BYTES], back[FOLDER_PATH_BYTES + 8];
    struct slice s[3];
    struct vault a;
    struct err err;

    (void)state;
    folder_make("gone_disk", aside);
    snprintf(back, sizeof back, "%s/it", aside);
    begin(&a, "gone_disk", back, s);
    vault_work(&a);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err));
    assert_standing(&a, 2, 2, 0);

    assert_int_equal(rename(back, taken), 0);
    vault_reopen(&a);
    vault_work(&a);
    vault_work(&a);

    assert_standing(&a, 3, 3, 0);
    assert_int_equal(standing(&a, "1.2.3").expected, 3);
    assert_int_equal(standing(&a, "1.2.3").gone.images, 0);
    clock_unfake();
    vault_close(&a);
    folder_remove(aside);
}

static void
what_a_person_calls_lost_for_good_is_waited_for_no_more(void **state)
{
    static const struct keep_gone one = {1, "disk lost, console emptied", "Li", 0};
    struct slice s[3];
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, "given_up", "", s);
    vault_work(&a);
    assert_int_equal(completions(&a), 1); /* before */
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);

    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err));

    assert_standing(&a, 2, 2, 0);
    assert_int_equal(standing(&a, "1.2.3").expected, 2);
    assert_int_equal(standing(&a, "1.2.3").gone.images, 1);
    assert_true(completions(&a) > 1); /* again */
    assert_int_equal(listed(&a), 0);
    assert_int_equal(events_of(&a, "study.sealed").n, 1); /* nothing is open */
    assert_string_equal(events_of(&a, "study.sealed").last, "{\"instances\":2}");

    for (size_t i = 0; i < 3; i++) /* and comes after all */
        (void)vault_put(&a, &gate, &s[i]);
    vault_work(&a);
    assert_standing(&a, 3, 3, 0);
    assert_int_equal(standing(&a, "1.2.3").gone.images, 0);
    assert_string_equal(events_of(&a, "study.sealed").last, "{\"instances\":3}");
    clock_unfake();
    vault_close(&a);
}

/* One is missing for good; what comes later is packed, and the study sealed without it. */
static void
a_study_is_sealed_again_without_what_is_lost_for_good(void **state)
{
    static const struct keep_gone one = {1, "disk lost, console emptied", "Li", 0};
    struct slice s[4];
    struct vault a;
    struct err err;

    (void)state;
    begin(&a, "sealed_again", "", s);
    vault_work(&a);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    OK(keep_gone_put(a.keep, "clinic-a", "1.2.3", &one, &err));
    s[3] = vault_ct(4);
    assert_int_equal(vault_put(&a, &gate, &s[3]), LINK_HELD);
    vault_manifest(&a, &gate, 2, s, 4);

    assert_int_equal(vault_work(&a), 1);

    assert_int_equal(events_of(&a, "study.sealed").n, 2);
    assert_string_equal(events_of(&a, "study.sealed").last, "{\"instances\":3}");
    clock_unfake();
    vault_close(&a);
}

static void
an_image_whose_file_rotted_is_missing_until_its_gateway_brings_it_again(void **state)
{
    static const char *const names[ROTS] = {"flipped", "short", "unreadable"};

    (void)state;
    for (enum rot how = 0; how < ROTS; how++) {
        struct slice s[3];
        struct vault a;

        begin_whole(&a, names[how], s);
        rot(a.landing, how);

        assert_int_equal(vault_work(&a), 1);
        unreadable = 0;

        assert_standing(&a, 2, 2, 1);
        assert_int_equal(set_aside(a.landing), 1);
        assert_int_equal(listed(&a), 1);
        assert_int_equal(wishes(&a), 1);
        for (size_t i = 0; i < 3; i++)
            (void)vault_put(&a, &gate, &s[i]);
        assert_int_equal(vault_work(&a), 1);
        assert_standing(&a, 3, 3, 0);
        vault_close(&a);
    }
}

/* Its study waits for its list: nothing is packed yet. */
static void
an_image_that_a_reader_finds_rotten_is_asked_for_at_once(void **state)
{
    struct vault_seen seen = {0, 0, NULL};
    struct slice s = vault_ct(1);
    struct vault a;
    struct err err;
    int fd;

    (void)state;
    vault_open(&a, vault_cluster, "looked_at");
    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
    OK(keep_instances(a.keep, "clinic-a", "1.2.3", NULL, NULL, vault_see, &seen, &err));
    rot(a.landing, ROT_FLIPPED);

    assert_int_equal(keep_open_place(a.keep, seen.first, &fd, &err), -1);

    assert_int_equal(listed(&a), 1);
    assert_int_equal(wishes(&a), 1);
    assert_int_equal(set_aside(a.landing), 1);
    assert_int_equal(vault_put(&a, &gate, &s), LINK_HELD);
    vault_manifest(&a, &gate, 1, &s, 1);
    assert_int_equal(vault_work(&a), 1);
    assert_standing(&a, 1, 1, 0);
    keep_place_free(&seen.first);
    vault_close(&a);
}

/* Of what came without a gateway both files went; sent again it is kept, and packed. */
static void
what_came_directly_is_missing_only_without_both_of_its_files(void **state)
{
    struct slice s = vault_ct(1);
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct keep_stored stored;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "direct");
    slice_make(&s, &file);
    for (int round = 0; round < 2; round++) {
        in.fd = slice_fd(&file);
        in.size = file.n;
        OK(keep_store_direct(a.keep, &in, &stored, &err));
        close(in.fd);
        take_away(a.landing, "");
        if (round == 0)
            take_away(a.landing_copy, "");
        vault_work(&a); /* closed, and looked for */
        vault_work(&a);
        assert_standing(&a, (uint64_t)round, (uint64_t)round, 1 - (uint64_t)round);
        assert_int_equal(listed(&a), 1 - (size_t)round);
    }
    buf_fini(&file);
    vault_close(&a);
}

static void
a_disk_that_is_not_mounted_has_lost_nothing(void **state)
{
    char whole[256], aside[256];
    struct slice s[3];
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "unmounted");
    for (unsigned i = 0; i < 3; i++) {
        s[i] = vault_ct(i + 1);
        assert_int_equal(vault_put(&a, &gate, &s[i]), LINK_HELD);
    }
    vault_manifest(&a, &gate, 1, s, 3);
    snprintf(whole, sizeof whole, "%s/whole", a.landing);
    snprintf(aside, sizeof aside, "%s/aside", a.landing);
    assert_int_equal(rename(whole, aside), 0);

    assert_int_equal(vault_work(&a), 0);
    assert_standing(&a, 3, 0, 0);

    assert_int_equal(rename(aside, whole), 0);
    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 3600000);
    assert_int_equal(vault_work(&a), 1); /* tried again */
    assert_standing(&a, 3, 3, 0);
    clock_unfake();
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_whose_file_is_gone_is_missing_and_the_others_are_packed),
        cmocka_unit_test(what_its_gateway_brings_again_is_packed_and_missing_no_more),
        cmocka_unit_test(what_a_disk_brings_back_is_packed),
        cmocka_unit_test(
            what_a_person_called_lost_for_good_and_a_disk_brings_back_is_listed_and_packed),
        cmocka_unit_test(what_a_person_calls_lost_for_good_is_waited_for_no_more),
        cmocka_unit_test(a_study_is_sealed_again_without_what_is_lost_for_good),
        cmocka_unit_test(an_image_whose_file_rotted_is_missing_until_its_gateway_brings_it_again),
        cmocka_unit_test(an_image_that_a_reader_finds_rotten_is_asked_for_at_once),
        cmocka_unit_test(what_came_directly_is_missing_only_without_both_of_its_files),
        cmocka_unit_test(a_disk_that_is_not_mounted_has_lost_nothing),
    };

    return cmocka_run_group_tests_name("missing", tests, vault_start, vault_stop);
}
