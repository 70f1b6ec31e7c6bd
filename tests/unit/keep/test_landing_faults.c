/* test_landing_faults.c - objects on their way, where a disk or PostgreSQL fails in between. */
#include "storage/keep/keep.h"

#include "storage/keep/landing.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};

/* ---- syncs of the landing folders that fail, or take their time ---- */

static struct {
    const char *folder; /* NULL: all are let through */
    bool is_failing;    /* the next one, once */
    void (*on_synced)(void);
} folder_sync;

int
fsync(int fd)
{
    char link[64], path[512] = "";
    int rc = (int)syscall(SYS_fsync, fd);

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (rc < 0 || folder_sync.folder == NULL || readlink(link, path, sizeof path - 1) < 0 ||
        strstr(path, folder_sync.folder) == NULL)
        return rc;
    if (folder_sync.is_failing) {
        folder_sync.is_failing = false;
        errno = EIO;
        return -1;
    }
    if (folder_sync.on_synced != NULL)
        folder_sync.on_synced();
    return 0;
}

/* Offered, and its place in memory taken. */
static void
take_offered(struct vault *a, const struct link_offer_object *o, struct landing_object **out)
{
    struct link_offer offer = {(struct link_offer_object *)(uintptr_t)o, 1};
    struct link_answer answer;
    struct err err;

    OK(keep_offer(a->keep, &gate_a, &offer, &answer, &err));
    link_answer_free(&answer);
    OK(landing_take(a->keep, "clinic-a", o->object, out, &err));
}

static void
bring(struct landing_object *o, const struct buf *file, size_t from, size_t to)
{
    struct err err;

    gate_lock(&o->gate);
    OK(landing_file_make(&o->file, &err));
    OK(landing_file_write(&o->file, from, file->bytes + from, to - from, &err));
    gate_unlock(&o->gate);
}

/* Two bundles have one object open. While the first syncs whole/ for another object of its own, the
 * second brings the last bytes and renames; its sync waits. */
static struct {
    struct vault *a;
    struct landing_object *shared;
    const struct buf *file;
    struct gate gate;
    pthread_t second;
    bool is_begun, is_renamed, may_sync;
    int rc;
} meeting;

static void *
second_bundle(void *arg)
{
    struct err err;

    (void)arg;
    bring(meeting.shared, meeting.file, 300, meeting.file->n);
    meeting.rc = landing_settle(meeting.a->keep, &meeting.shared, 1, &err);
    return NULL;
}

static void
meet(void)
{
    bool is_first;

    gate_lock(&meeting.gate);
    is_first = !meeting.is_begun;
    meeting.is_begun = true;
    if (is_first) {
        meeting.second = thread_start("second", second_bundle, NULL);
        while (!meeting.is_renamed)
            gate_wait(&meeting.gate);
    } else {
        meeting.is_renamed = true;
        gate_wake(&meeting.gate);
        while (!meeting.may_sync)
            gate_wait(&meeting.gate);
    }
    gate_unlock(&meeting.gate);
}

static void
a_rename_is_trusted_only_after_a_sync_that_began_later(void **state)
{
    struct slice s[2] = {vault_ct(1), vault_ct(2)};
    struct link_offer_object offered[2];
    struct landing_object *o[2];
    struct buf file[2];
    struct vault a;
    struct err err;
    bool was_verified;

    (void)state;
    vault_open(&a, vault_cluster, "meeting");
    for (int i = 0; i < 2; i++) {
        slice_make(&s[i], &file[i]);
        slice_offer(&s[i], &file[i], &offered[i]);
        take_offered(&a, &offered[i], &o[i]);
    }
    meeting.a = &a;
    meeting.shared = o[1];
    meeting.file = &file[1];
    gate_init(&meeting.gate);
    bring(o[0], &file[0], 0, file[0].n);
    bring(o[1], &file[1], 0, 300);
    folder_sync.folder = "/whole";
    folder_sync.on_synced = meet;

    OK(landing_settle(a.keep, o, 2, &err));
    gate_lock(&o[1]->gate);
    was_verified = o[1]->is_verified;
    gate_unlock(&o[1]->gate);
    gate_lock(&meeting.gate);
    meeting.may_sync = true;
    gate_wake(&meeting.gate);
    gate_unlock(&meeting.gate);
    thread_join(meeting.second);
    folder_sync.folder = NULL;
    folder_sync.on_synced = NULL;

    assert_true(o[0]->is_verified);
    assert_false(was_verified);
    assert_int_equal(meeting.rc, 0);
    assert_true(o[1]->is_verified);
    for (int i = 0; i < 2; i++) {
        landing_release(a.keep, &o[i]);
        buf_fini(&file[i]);
    }
    gate_fini(&meeting.gate);
    vault_close(&a);
}

static void
what_a_failed_folder_sync_covered_is_sent_again(void **state)
{
    static const struct {
        const char *folder;
        bool is_whole;
    } rows[] = {{"/partial", false}, {"/whole", true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char database[32];
        struct slice s = vault_ct(1);
        struct link_offer_object o;
        struct link_answer answer;
        struct landing_object *taken = NULL;
        struct vault a;
        struct buf file;
        struct err err;

        snprintf(database, sizeof database, "unsynced%zu", i);
        vault_open(&a, vault_cluster, database);
        slice_make(&s, &file);
        slice_offer(&s, &file, &o);
        take_offered(&a, &o, &taken);
        bring(taken, &file, 0, rows[i].is_whole ? file.n : 300);
        folder_sync.folder = rows[i].folder;
        folder_sync.is_failing = true;

        assert_int_equal(landing_settle(a.keep, &taken, 1, &err), -1);
        folder_sync.folder = NULL;
        assert_false(folder_sync.is_failing);
        assert_false(taken->is_verified);
        vault_ask(&a, &gate_a, &o, &answer); /* the bundle is still open */
        assert_int_equal(answer.objects[0].state, LINK_WANTED);
        assert_int_equal(answer.objects[0].have_n, 0);
        link_answer_free(&answer);
        landing_release(a.keep, &taken);
        assert_int_equal(folder_files(a.landing), 0);
        assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD);
        buf_fini(&file);
        vault_close(&a);
    }
}

/* Its entry in partial/ is nothing that anybody is told of: neither a map nor that folder's sync.
 */
static void
what_comes_at_one_go_costs_one_entry_and_one_folder_sync(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct landing_object *taken = NULL;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "one_go");
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    take_offered(&a, &o, &taken);
    bring(taken, &file, 0, file.n / 2);
    bring(taken, &file, file.n / 2, file.n);
    assert_int_equal(folder_files(a.landing), 1);
    folder_sync.folder = "/partial";
    folder_sync.is_failing = true;

    OK(landing_settle(a.keep, &taken, 1, &err));
    assert_true(folder_sync.is_failing); /* it was not asked */
    folder_sync.is_failing = false;
    folder_sync.folder = NULL;
    assert_true(taken->is_verified);
    assert_int_equal(folder_files(a.landing), 1);
    OK(landing_finish(a.keep, taken, &err));
    assert_int_equal(taken->state, LINK_HELD);
    landing_release(a.keep, &taken);
    buf_fini(&file);
    vault_close(&a);
}

/* The disk took the bytes and does not give them back. */
static void
an_object_that_cannot_be_read_back_is_sent_again(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct link_answer answer;
    struct landing_object *taken = NULL;
    struct vault a;
    struct buf file;
    struct err err;

    (void)state;
    vault_open(&a, vault_cluster, "unread");
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    take_offered(&a, &o, &taken);
    bring(taken, &file, 0, file.n);
    assert_int_equal(ftruncate(taken->file.fd, 100), 0);

    assert_int_equal(landing_settle(a.keep, &taken, 1, &err), -1);
    landing_release(a.keep, &taken);
    assert_int_equal(folder_files(a.landing), 0);
    vault_ask(&a, &gate_a, &o, &answer);
    assert_int_equal(answer.objects[0].state, LINK_WANTED);
    assert_int_equal(answer.objects[0].have_n, 0);
    link_answer_free(&answer);
    assert_int_equal(vault_send(&a, &gate_a, &o, &file), LINK_HELD);
    buf_fini(&file);
    vault_close(&a);
}

static int
count_looked(void *user, const struct keep_event *event)
{
    *(size_t *)user += strcmp(event->kind, "study.looked") == 0;
    return 0;
}

static void
a_first_look_that_could_not_be_told_is_told_later(void **state)
{
    struct slice s = vault_ct(1);
    struct link_offer_object o;
    struct landing_object *taken = NULL;
    struct vault a;
    struct buf file;
    struct err err;
    size_t looked = 0;

    (void)state;
    vault_open(&a, vault_cluster, "untold");
    slice_make(&s, &file);
    slice_offer(&s, &file, &o);
    take_offered(&a, &o, &taken);
    taken->first_look = mem_new(sizeof *taken->first_look);
    *taken->first_look = (struct range){0, 300};
    taken->first_look_n = 1;
    bring(taken, &file, 0, 300);
    vault_sql(&a, "ALTER TABLE events ADD CONSTRAINT away CHECK (kind <> 'study.looked')");
    assert_int_equal(landing_settle(a.keep, &taken, 1, &err), -1);
    vault_sql(&a, "ALTER TABLE events DROP CONSTRAINT away");

    OK(landing_settle(a.keep, &taken, 1, &err));
    OK(landing_settle(a.keep, &taken, 1, &err));

    OK(keep_events(a.keep, "clinic-a", 0, 100, count_looked, &looked, &err));
    assert_int_equal(looked, 1);
    landing_release(a.keep, &taken);
    buf_fini(&file);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rename_is_trusted_only_after_a_sync_that_began_later),
        cmocka_unit_test(what_a_failed_folder_sync_covered_is_sent_again),
        cmocka_unit_test(what_comes_at_one_go_costs_one_entry_and_one_folder_sync),
        cmocka_unit_test(an_object_that_cannot_be_read_back_is_sent_again),
        cmocka_unit_test(a_first_look_that_could_not_be_told_is_told_later),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
