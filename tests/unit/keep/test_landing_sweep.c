/* test_landing_sweep.c - what was begun and given up goes after its time, and nothing else does. */
#include "storage/keep/keep.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/vault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { OBJECTS = 4 };
#define DAY_MS INT64_C(86400000)

static const struct keep_sender gate_a = {"clinic-a", "gate-a", "127.0.0.1:1"};
static struct err err;
static int64_t began_us, began_ms; /* of the test */

/* Objects of one study, each with its file. */
struct world {
    struct vault vault;
    struct slice slices[OBJECTS];
    char names[OBJECTS][32];
    struct link_offer_object offers[OBJECTS];
    struct buf files[OBJECTS];
};

static void
must(int rc)
{
    if (rc < 0)
        fail_msg("%s", err.text);
}

static void
world_open(struct world *w, const char *database)
{
    vault_open(&w->vault, vault_cluster, database);
    for (unsigned i = 0; i < OBJECTS; i++) {
        snprintf(w->names[i], sizeof w->names[i], "1.2.3.1.%u", i + 1);
        w->slices[i] = (struct slice){.study = "1.2.3",
                                      .series = "1.2.3.1",
                                      .instance = w->names[i],
                                      .number = i + 1,
                                      .noise = i + 1};
        slice_make(&w->slices[i], &w->files[i]);
        slice_offer(&w->slices[i], &w->files[i], &w->offers[i]);
    }
    began_us = clock_wall_us();
    began_ms = clock_mono_ms();
}

static void
world_close(struct world *w)
{
    clock_unfake();
    for (unsigned i = 0; i < OBJECTS; i++)
        buf_fini(&w->files[i]);
    vault_close(&w->vault);
}

static enum link_state
offer(struct world *w, unsigned i, size_t *out_have)
{
    struct link_offer one = {&w->offers[i], 1};
    struct link_answer answer;
    enum link_state state;

    must(keep_offer(w->vault.keep, &gate_a, &one, &answer, &err));
    state = answer.objects[0].state;
    *out_have = answer.objects[0].have_n;
    link_answer_free(&answer);
    return state;
}

static struct keep_bundle *
begin(struct world *w, unsigned i, size_t n)
{
    struct link_piece piece = {.bytes = w->files[i].bytes, .n = n};
    struct keep_bundle *b = NULL;

    memcpy(piece.object, w->offers[i].object, 32);
    must(keep_bundle_begin(w->vault.keep, &gate_a, &b, &err));
    must(keep_bundle_piece(b, &piece, &err));
    return b;
}

/* Offered, and half of it came. */
static void
leave_half(struct world *w, unsigned i)
{
    struct keep_bundle *b;
    size_t have;

    assert_int_equal(offer(w, i, &have), LINK_WANTED);
    b = begin(w, i, w->files[i].n / 2);
    keep_bundle_free(&b);
}

/* How many of its bytes' ranges the centre still has. */
static size_t
left(struct world *w, unsigned i)
{
    size_t have;

    offer(w, i, &have);
    return have;
}

static void
path_of(struct world *w, unsigned i, const char *folder, const char *ending, char out[512])
{
    char hex[65];

    hex_encode(w->offers[i].object, 32, hex);
    snprintf(out, 512, "%s/%s/clinic-a-%s.%s", w->vault.landing, folder, hex, ending);
}

/* So many days after the beginning: a pass over everything that is due. */
static void
work_after(struct world *w, int64_t days)
{
    int sealed;

    clock_fake(began_us + days * DAY_MS * 1000, began_ms + days * DAY_MS);
    must(keep_work(w->vault.keep, &sealed, &err));
}

static void
what_nobody_sent_to_for_a_month_goes_and_can_be_sent_again(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "forgotten");
    leave_half(&w, 0);
    assert_int_equal(vault_put(&w.vault, &gate_a, &w.slices[1]), LINK_HELD);
    work_after(&w, 29);
    assert_int_equal(folder_files(w.vault.landing), 3); /* bytes and map; the one that is held */

    work_after(&w, 31);

    assert_int_equal(folder_files(w.vault.landing), 1);
    clock_unfake();
    assert_int_equal(left(&w, 1), 0);
    assert_int_equal(vault_put(&w.vault, &gate_a, &w.slices[1]), LINK_HELD);
    assert_int_equal(left(&w, 0), 0);
    assert_int_equal(vault_put(&w.vault, &gate_a, &w.slices[0]), LINK_HELD);
    world_close(&w);
}

static void
what_is_offered_again_sent_to_or_being_sent_stays(void **state)
{
    struct timespec late[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    struct keep_bundle *open;
    char path[512];
    struct world w;
    size_t have;

    (void)state;
    world_open(&w, "touched");
    for (unsigned i = 0; i < 2; i++)
        leave_half(&w, i);
    assert_int_equal(offer(&w, 2, &have), LINK_WANTED);
    open = begin(&w, 2, 200);
    clock_fake(began_us + 20 * DAY_MS * 1000, began_ms + 20 * DAY_MS);
    assert_int_equal(left(&w, 0), 1); /* offered again */
    late[1].tv_sec = (time_t)(clock_wall_us() / 1000000);
    path_of(&w, 1, "partial", "part", path);
    assert_int_equal(utimensat(AT_FDCWD, path, late, 0), 0); /* as if a piece came then */

    work_after(&w, 31);

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(left(&w, i), 1);
    keep_bundle_free(&open);
    world_close(&w);
}

static void
what_a_closed_list_waits_for_stays(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "listed");
    leave_half(&w, 0);
    leave_half(&w, 1);
    vault_manifest(&w.vault, &gate_a, 1, w.slices, 1);

    work_after(&w, 400);

    assert_int_equal(left(&w, 0), 1);
    assert_int_equal(left(&w, 1), 0);
    world_close(&w);
}

/* The catalog was set back to a backup: it knows nothing of what is on the disk beside it. */
static void
bytes_without_a_row_go_and_a_whole_file_stays(void **state)
{
    char was[512], path[512];
    struct world w;

    (void)state;
    world_open(&w, "orphans");
    leave_half(&w, 0);
    assert_int_equal(vault_put(&w.vault, &gate_a, &w.slices[1]), LINK_HELD);
    for (int ending = 0; ending < 2; ending++) { /* under names that no row has */
        path_of(&w, 0, "partial", ending == 0 ? "map" : "part", was);
        path_of(&w, 2, "partial", ending == 0 ? "map" : "part", path);
        assert_int_equal(rename(was, path), 0);
    }
    path_of(&w, 1, "whole", "dcm", was);
    path_of(&w, 3, "whole", "dcm", path);
    assert_int_equal(link(was, path), 0);
    work_after(&w, 29);
    assert_int_equal(folder_files(w.vault.landing), 4);

    work_after(&w, 31);

    assert_int_equal(folder_files(w.vault.landing), 2);
    world_close(&w);
}

/* A crash came between the last byte and the catalog, and the gateway never offered it again. */
static void
what_is_whole_and_has_its_row_is_catalogued(void **state)
{
    char path[512];
    struct world w;
    size_t have;
    int fd;

    (void)state;
    world_open(&w, "whole");
    assert_int_equal(offer(&w, 0, &have), LINK_WANTED);
    path_of(&w, 0, "whole", "dcm", path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, w.files[0].bytes, w.files[0].n), (ssize_t)w.files[0].n);
    close(fd);

    work_after(&w, 31);

    vault_manifest(&w.vault, &gate_a, 1, w.slices, 1);
    work_after(&w, 32);
    assert_int_equal(offer(&w, 0, &have), LINK_SEALED);
    world_close(&w);
}

static void
offer_only(struct vault *a, const struct slice *s)
{
    struct link_offer_object offered;
    struct buf file;

    vault_offer(a, &gate_a, s, &offered, &file);
    buf_fini(&file);
}

/* A gateway lost its queue in the middle of it, and the device sent it again another way: whoever
 * signs is not told that it has not come. */
static void
what_began_and_is_whole_by_another_file_is_under_way_no_more(void **state)
{
    struct keep_incoming in = {.tenant = "clinic-a", .way = "C-STORE", .ae = "CT1"};
    struct slice s[2] = {vault_ct(1), vault_ct(2)};
    struct keep_standing standing;
    struct keep_stored stored;
    struct buf file;
    struct vault a;

    (void)state;
    vault_open(&a, vault_cluster, "another_file");
    offer_only(&a, &s[0]);
    slice_make(&s[0], &file);
    file.bytes[0] = 'x'; /* the preamble */
    in.fd = slice_fd(&file);
    in.size = file.n;
    must(keep_store_direct(a.keep, &in, &stored, &err));
    close(in.fd);
    assert_int_equal(stored.outcome, KEEP_STORED);

    must(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1);
    assert_int_equal(standing.offered, 1);
    assert_int_equal(standing.looked, 1);
    assert_int_equal(standing.bytes_all, file.n);
    assert_int_equal(standing.bytes_there, file.n);
    offer_only(&a, &s[1]);
    must(keep_standing_get(a.keep, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 1);
    assert_int_equal(standing.offered, 2);
    buf_fini(&file);
    vault_close(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_sent_to_for_a_month_goes_and_can_be_sent_again),
        cmocka_unit_test(what_is_offered_again_sent_to_or_being_sent_stays),
        cmocka_unit_test(what_a_closed_list_waits_for_stays),
        cmocka_unit_test(bytes_without_a_row_go_and_a_whole_file_stays),
        cmocka_unit_test(what_is_whole_and_has_its_row_is_catalogued),
        cmocka_unit_test(what_began_and_is_whole_by_another_file_is_under_way_no_more),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
