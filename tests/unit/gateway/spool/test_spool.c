/* test_spool.c - the spool as its callers see it: commit, reopen, arrows. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/trust/digest.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

static void
what_is_committed_is_there_after_reopening(void **state)
{
    static const size_t sizes[] = {1, 600, 4096, 70000, 3000000, 17u << 20};
    struct spool_fixture *f = *state;
    uint64_t ids[ARRAY_LEN(sizes)];

    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        ids[i] = fixture_put(f, sizes[i], i, 0);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        fixture_assert_bytes(f, ids[i], sizes[i], i);
    for (int round = 0; round < 3; round++) {
        fixture_reopen(f);
        for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
            fixture_assert_bytes(f, ids[i], sizes[i], i);
    }

    assert_int_equal(fixture_files_in(f, "tmp"), 0);
    assert_int_equal(fixture_files_in(f, "journal"), 1);
    assert_int_equal(fixture_files_in(f, "corrupt"), 0);
}

static void
what_was_said_about_it_comes_back(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_entry *e = NULL;
    uint8_t *bytes = fixture_bytes(5000, 3), sha256[32];
    uint64_t id = fixture_put(f, 5000, 3, 0);

    fixture_reopen(f);
    OK(spool_load(f->sp, id, &e, &err));
    assert_int_equal(e->state, INSTANCE_RECEIVED);
    assert_string_equal(e->meta.sop_instance, "1.2.3.3");
    assert_string_equal(e->meta.calling_ae, "CT1");
    assert_string_equal(e->meta.peer, "10.0.0.7");
    assert_int_equal(e->size, 5000);
    digest_bytes(bytes, 5000, sha256);
    assert_memory_equal(e->received_sha256, sha256, 32);
    assert_memory_equal(e->object_sha256, sha256, 32);
    assert_false(e->is_coded);
    spool_entry_free(&e);
    free(bytes);
}

static void
a_draft_that_is_freed_leaves_no_trace(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;
    uint8_t *bytes = fixture_bytes(2 << 20, 1);
    struct spool_health health;

    OK(spool_draft_begin(f->sp, &meta, &draft, &err));
    OK(spool_draft_write(draft, bytes, 2 << 20, &err));
    assert_int_equal(fixture_files_in(f, "tmp"), 1);
    spool_draft_free(&draft);
    spool_health(f->sp, &health);

    assert_int_equal(fixture_files_in(f, "tmp"), 0);
    assert_int_equal(health.entries, 0);
    free(bytes);
}

static void
arrows_survive_reopening(void **state)
{
    struct spool_fixture *f = *state;
    static const size_t coded_sizes[] = {3000, 17u << 20};

    for (unsigned i = 0; i < ARRAY_LEN(coded_sizes); i++) {
        uint64_t id = fixture_put(f, 70000, i, 0);
        struct spool_entry *e = NULL;
        struct spool_bytes at;

        fixture_inspect(f, id, "1.9");
        fixture_reopen(f);
        assert_int_equal(fixture_state_of(f, id), INSTANCE_INSPECTED);
        fixture_code(f, id, coded_sizes[i], 77);
        OK(spool_set_looked(f->sp, id, 0, &err));
        fixture_reopen(f);
        OK(spool_load(f->sp, id, &e, &err));
        assert_int_equal(e->state, INSTANCE_LOOKED);
        assert_true(e->is_coded);
        assert_int_equal(e->object_size, coded_sizes[i]);
        assert_int_equal(e->recipe_n, 6);
        assert_memory_equal(e->recipe, "recipe", 6);
        assert_memory_equal(e->layout, "lay", 3);
        assert_string_equal(e->facts.study_uid, "1.9");
        spool_entry_free(&e);
        OK(spool_source_object(f->sp, id, &at, &err));
        assert_int_equal(at.size, coded_sizes[i]);
        close(at.fd);
        fixture_assert_bytes(f, id, 70000, i);
        OK(spool_set_held(f->sp, id, 41, &err));
        OK(spool_set_sealed(f->sp, id, 42, &err));
        fixture_reopen(f);
        OK(spool_load(f->sp, id, &e, &err));
        assert_int_equal(e->state, INSTANCE_SEALED);
        assert_int_equal(e->receipt_seq, 42);
        assert_true(e->state_at_us[INSTANCE_HELD] > 0);
        spool_entry_free(&e);
    }
}

static void
an_arrow_that_is_not_listed_changes_nothing(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);

    assert_int_equal(spool_set_sealed(f->sp, id, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(spool_set_held(f->sp, 999, 1, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_RECEIVED);
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_RECEIVED);
}

static void
coded_bytes_that_disagree_with_their_digest_are_refused(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);
    struct spool_coding c = {.fd = memfd_create("coded", MFD_CLOEXEC), .size = 3};

    fixture_inspect(f, id, "1.9");
    OK(durable_write(c.fd, "abc", 3, &err));
    assert_int_equal(spool_set_coded(f->sp, id, &c, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_INSPECTED);
    OK(spool_set_uncoded(f->sp, id, "not eligible", &err));
    assert_int_equal(fixture_state_of(f, id), INSTANCE_PLAIN);
    close(c.fd);
}

static void
twins_are_found_by_their_sop_instance(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t a = fixture_put(f, 100, 5, 0), b = fixture_put(f, 100, 5, 0), *ids;
    struct spool_filter filter = {.sop_instance = "1.2.3.5"};
    size_t n;

    fixture_put(f, 100, 6, 0);
    fixture_inspect(f, a, "1.9");
    fixture_inspect(f, b, "1.9");
    OK(spool_set_duplicate(f->sp, b, a, &err));
    spool_list(f->sp, &filter, &ids, &n);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], a);
    assert_int_equal(ids[1], b);
    free(ids);
    filter.states = INSTANCE_BIT(INSTANCE_DUPLICATE);
    spool_list(f->sp, &filter, &ids, &n);
    assert_int_equal(n, 1);
    free(ids);
}

static void
below_the_refuse_mark_nothing_is_taken(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;
    struct spool_health health;
    uint64_t id = fixture_put(f, 100, 1, 0);

    f->options.refuse_free_bytes = UINT64_MAX;
    fixture_reopen(f);
    assert_int_equal(spool_draft_begin(f->sp, &meta, &draft, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(err_kind_dimse(err.kind), 0xA700);
    spool_health(f->sp, &health);
    assert_int_equal(health.disk, SPOOL_DISK_REFUSE);
    fixture_inspect(f, id, "1.9"); /* what is here goes on */
}

/* Only a time that must at least pass: commits at a fine disk wait for nothing. */
static void
below_the_slow_mark_each_answer_waits(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_health health;
    int64_t began;

    f->options.slow_ms = 600000;
    fixture_reopen(f);
    fixture_put(f, 100, 1, 0); /* would not end */
    spool_health(f->sp, &health);
    assert_int_equal(health.disk, SPOOL_DISK_FINE);

    f->options.slow_free_bytes = UINT64_MAX;
    f->options.slow_ms = 0; /* as shipped: 250 ms */
    fixture_reopen(f);
    began = clock_mono_ms();
    for (unsigned i = 2; i < 5; i++)
        fixture_put(f, 100, i, 0);
    assert_true(clock_mono_ms() - began >= 3 * 250);
    spool_health(f->sp, &health);
    assert_int_equal(health.disk, SPOOL_DISK_SLOW);
    assert_int_equal(health.entries, 4); /* slower, and all of them taken */
}

static void
a_second_opener_is_refused_but_a_reader_is_not(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_options reading = {.is_read_only = true};
    struct spool *other = NULL;
    struct spool_health health;
    struct spool_meta meta = {.sop_instance = "1.2"};
    struct spool_draft *draft = NULL;

    fixture_put(f, 100, 1, 0);
    assert_int_equal(spool_open(f->dir, &f->options, &other, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(spool_open(f->dir, &reading, &other, &err));
    spool_health(other, &health);
    assert_int_equal(health.entries, 1);
    assert_int_equal(spool_draft_begin(other, &meta, &draft, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    spool_close(&other);
}

struct sender {
    struct spool_fixture *f;
    unsigned seed;
    pthread_t thread;
};

static void *
send_many(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < 20; i++)
        fixture_put(s->f, 9000 + i, s->seed + i, 0);
    return NULL;
}

static void
commits_at_once_share_syncs_and_all_stay(void **state)
{
    struct spool_fixture *f = *state;
    struct sender senders[8];
    struct spool_health health;
    struct spool_filter all = {0};
    uint64_t *ids;
    size_t n;

    for (unsigned i = 0; i < ARRAY_LEN(senders); i++) {
        senders[i] = (struct sender){.f = f, .seed = 1000 * (i + 1)};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(senders); i++)
        pthread_join(senders[i].thread, NULL);
    spool_health(f->sp, &health);
    assert_int_equal(health.commits, 160);
    assert_true(health.syncs <= 160);
    fixture_reopen(f);

    spool_list(f->sp, &all, &ids, &n);
    assert_int_equal(n, 160);
    for (size_t i = 0; i < n; i++) {
        struct spool_entry *e = NULL;
        unsigned seed;

        OK(spool_load(f->sp, ids[i], &e, &err));
        assert_int_equal(sscanf(e->meta.sop_instance, "1.2.3.%u", &seed), 1);
        fixture_assert_bytes(f, ids[i], 9000 + seed % 1000, seed);
        spool_entry_free(&e);
    }
    free(ids);
}

/* A thread that has to end: its flag stands by then, and it is not left to wait out its time. */
static void
spool_wake_ends_each_wait(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t change = spool_wait(f->sp, 0, 0);

    spool_wake(f->sp);
    assert_true(spool_wait(f->sp, change, 60000) > change);
}

static void
spool_wait_wakes_on_change_and_numbers_last(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t change = spool_wait(f->sp, 0, 0);

    fixture_put(f, 100, 1, 0);
    assert_true(spool_wait(f->sp, change, 60000) > change);
    OK(spool_number_set(f->sp, "receipts", 77, &err));
    fixture_reopen(f);
    assert_int_equal(spool_number_get(f->sp, "receipts"), 77);
    assert_int_equal(spool_number_get(f->sp, "other"), 0);
}

static void
what_the_centre_lost_goes_again(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t plain = fixture_put(f, 100, 1, 0), coded = fixture_put(f, 100, 2, 0);

    fixture_inspect(f, plain, "1.9");
    fixture_inspect(f, coded, "1.9");
    OK(spool_set_uncoded(f->sp, plain, "-", &err));
    fixture_code(f, coded, 50, 9);
    OK(spool_set_held(f->sp, plain, 1, &err));
    OK(spool_set_held(f->sp, coded, 2, &err));
    OK(spool_set_wanted(f->sp, plain, &err));
    OK(spool_set_wanted(f->sp, coded, &err));
    assert_int_equal(fixture_state_of(f, plain), INSTANCE_PLAIN);
    assert_int_equal(fixture_state_of(f, coded), INSTANCE_CODED);
}

static void
a_file_is_read_from_its_beginning_as_far_as_asked(void **state)
{
    struct spool_fixture *f = *state;
    uint8_t *want = fixture_bytes(600, 1), *got = NULL;
    uint64_t id = fixture_put(f, 600, 1, 0);
    bool is_all = true;
    size_t n = 0;

    OK(spool_read_received(f->sp, id, 100, &got, &n, &is_all, &err));
    assert_int_equal(n, 100);
    assert_false(is_all);
    assert_memory_equal(got, want, 100);
    free(got);
    OK(spool_read_received(f->sp, id, 600, &got, &n, &is_all, &err));
    assert_int_equal(n, 600);
    assert_true(is_all);
    assert_memory_equal(got, want, 600);
    free(got);
    assert_int_equal(spool_read_received(f->sp, id + 1, 600, &got, &n, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    free(want);
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(what_is_committed_is_there_after_reopening),
        CLAIM(what_was_said_about_it_comes_back),
        CLAIM(a_draft_that_is_freed_leaves_no_trace),
        CLAIM(arrows_survive_reopening),
        CLAIM(an_arrow_that_is_not_listed_changes_nothing),
        CLAIM(coded_bytes_that_disagree_with_their_digest_are_refused),
        CLAIM(twins_are_found_by_their_sop_instance),
        CLAIM(below_the_refuse_mark_nothing_is_taken),
        CLAIM(below_the_slow_mark_each_answer_waits),
        CLAIM(a_second_opener_is_refused_but_a_reader_is_not),
        CLAIM(commits_at_once_share_syncs_and_all_stay),
        CLAIM(spool_wake_ends_each_wait),
        CLAIM(spool_wait_wakes_on_change_and_numbers_last),
        CLAIM(what_the_centre_lost_goes_again),
        CLAIM(a_file_is_read_from_its_beginning_as_far_as_asked),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
