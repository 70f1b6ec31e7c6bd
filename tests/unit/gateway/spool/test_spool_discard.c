/* test_spool_discard.c - what a person throws away: out of the counts at once, its bytes gone after
 * the grace time and no sooner, known for good. And what is sent again while garbage is collected.
 */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)
#define DAY_MS INT64_C(86400000)
#define T0 INT64_C(1700000000000000)

/* ---- garbage at the n-th lock of this thread ---- */

static _Thread_local int locks_left;
static _Thread_local struct spool *collected;

/* Whoever locks lets garbage be collected just before, when its turn has come. */
int
pthread_mutex_lock(pthread_mutex_t *lock)
{
    static int (*really)(pthread_mutex_t *);

    if (really == NULL)
        *(void **)&really = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    if (locks_left > 0 && --locks_left == 0)
        spool_collect_garbage(collected);
    return really(lock);
}

/* An entry that is sealed, its coded file in a segment of which nothing else is needed, its
 * received one beside another that waits. */
static uint64_t
put_half_garbage(struct spool_fixture *f, unsigned seed)
{
    uint64_t id = fixture_put(f, 5000, seed, 0);

    fixture_put(f, 5000, seed + 1, 0);
    fixture_inspect(f, id, "1.9");
    fixture_reopen(f);
    fixture_code(f, id, 3000, seed);
    fixture_reopen(f);
    OK(spool_set_held(f->sp, id, 1, &err));
    OK(spool_set_sealed(f->sp, id, 2, &err));
    return id;
}

static void
requeue_finds_the_bytes_that_are_here_whenever_garbage_takes_others(void **state)
{
    struct spool_fixture *f = *state;
    unsigned plain = 0, n = 0;
    bool has_fired = true;

    f->options.keep_sealed_ms = 0;
    fixture_reopen(f);
    while (has_fired) {
        uint64_t id = put_half_garbage(f, 10 * ++n);
        enum instance_state now;
        int rc;

        collected = f->sp;
        locks_left = (int)n;
        rc = spool_requeue(f->sp, id, &err);
        has_fired = locks_left == 0;
        locks_left = 0;
        if (rc < 0)
            fail_msg("garbage at lock %u: %s", n, err.text);
        now = fixture_state_of(f, id);
        assert_true(now == INSTANCE_CODED || now == INSTANCE_PLAIN);
        plain += now == INSTANCE_PLAIN;
        fixture_assert_bytes(f, id, 5000, 10 * n);
        assert_true(n < 100);
    }
    assert_true(plain >= 2); /* before the first look, and between the look and the arrow */
    assert_true(n > 3);
}

/* ---- discard ---- */

static uint64_t
put_aside(struct spool_fixture *f, unsigned seed)
{
    uint64_t id = fixture_put(f, 17u << 20, seed, 0);

    fixture_inspect(f, id, "1.9");
    OK(spool_set_quarantined(f->sp, id, "uid_conflict: entry 1 has this UID", &err));
    return id;
}

static void
only_what_is_quarantined_is_thrown_away_for_a_reason_of_the_list(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = fixture_put(f, 100, 1, 0);

    assert_int_equal(spool_discard(f->sp, id, "other", "li.wei", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(spool_set_quarantined(f->sp, id, "unreadable", &err));
    assert_int_equal(spool_discard(f->sp, id, "boredom", "li.wei", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(spool_discard(f->sp, id, "", "li.wei", &err), -1);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_QUARANTINED);
    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    assert_int_equal(spool_discard(f->sp, id, "other", "li.wei", &err), -1);
    assert_int_equal(spool_requeue(f->sp, id, &err), -1);
    assert_int_equal(spool_discard(f->sp, id + 1, "other", "li.wei", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
what_is_thrown_away_counts_no_more_and_stays_so_over_restarts(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t good = fixture_put(f, 100, 1, 0), bad = put_aside(f, 2);
    struct spool_filter discarded = {.states = INSTANCE_BIT(INSTANCE_DISCARDED)};
    struct spool_entry *e = NULL;
    struct spool_health health;
    struct spool_study study;
    uint64_t *ids = NULL;
    size_t n;

    fixture_inspect(f, good, "1.9");
    OK(spool_discard(f->sp, bad, "wrong_patient", "li.wei", &err));
    for (int round = 0; round < 3; round++) {
        OK(spool_study(f->sp, "1.9", &study, &err));
        assert_int_equal(study.total, 1);
        assert_int_equal(study.bytes, 100);
        assert_int_equal(study.counts[INSTANCE_QUARANTINED], 0);
        assert_int_equal(study.unlisted, 1);
        spool_health(f->sp, &health);
        assert_int_equal(health.quarantined, 0);
        assert_int_equal(health.waiting, 1);
        spool_list(f->sp, &discarded, &ids, &n);
        assert_int_equal(n, 1);
        free(ids);
        OK(spool_load(f->sp, bad, &e, &err));
        assert_string_equal(e->discard_reason, "wrong_patient");
        assert_string_equal(e->discarded_by, "li.wei");
        assert_string_equal(e->last_error, "uid_conflict: entry 1 has this UID");
        assert_true(e->state_at_us[INSTANCE_DISCARDED] > 0);
        assert_true(e->is_inspected && e->has_bytes);
        spool_entry_free(&e);
        fixture_reopen(f);
    }
}

static bool
needs_all(void *user, uint64_t id)
{
    (void)user;
    (void)id;
    return true;
}

static void
its_bytes_outlive_a_full_disk_and_go_after_the_grace_time(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_entry *e = NULL;
    uint64_t id;

    clock_fake(T0, 1000);
    f->options.keep_sealed_ms = 0;
    f->options.keep_discarded_ms = 30 * DAY_MS;
    f->options.keep_summary_ms = 1000;
    fixture_reopen(f);
    id = put_aside(f, 1);
    OK(spool_discard(f->sp, id, "equipment", "li.wei", &err));
    f->options.slow_free_bytes = UINT64_MAX; /* the disk is as good as full */
    fixture_reopen(f);
    clock_fake(T0, 1000 + 29 * DAY_MS);
    assert_int_equal(spool_collect_garbage(f->sp), 0);
    fixture_assert_bytes(f, id, 17u << 20, 1);
    spool_keep_for(f->sp, needs_all, NULL); /* a target waits for whatever it does not know */
    clock_fake(T0, 1000 + 30 * DAY_MS);
    assert_int_equal(spool_collect_garbage(f->sp), 1);
    clock_fake(T0, 1000 + 3000 * DAY_MS);
    spool_collect_garbage(f->sp);
    for (int round = 0; round < 2; round++) { /* known for good, and nothing is missing */
        OK(spool_load(f->sp, id, &e, &err));
        assert_int_equal(e->state, INSTANCE_DISCARDED);
        assert_string_equal(e->discard_reason, "equipment");
        assert_false(e->has_bytes);
        spool_entry_free(&e);
        fixture_reopen(f);
    }
    assert_int_equal(spool_release(f->sp, id, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(fixture_files_in(f, "corrupt"), 0);
    clock_unfake();
}

static void
within_the_grace_time_a_person_takes_it_back(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_aside(f, 1);
    struct spool_entry *e = NULL;

    OK(spool_discard(f->sp, id, "other", "li.wei", &err));
    OK(spool_release(f->sp, id, &err));
    fixture_reopen(f);
    OK(spool_load(f->sp, id, &e, &err));
    assert_int_equal(e->state, INSTANCE_RECEIVED);
    assert_true(e->is_wanted);
    assert_string_equal(e->discard_reason, "");
    assert_string_equal(e->discarded_by, "");
    spool_entry_free(&e);
    fixture_assert_bytes(f, id, 17u << 20, 1);
}

static void
only_a_release_from_the_discarded_says_that_it_is_wanted(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t a = fixture_put(f, 100, 1, 0), b = fixture_put(f, 100, 2, 0);
    struct spool_entry *e = NULL;

    OK(spool_set_quarantined(f->sp, a, "stranger", &err));
    OK(spool_set_quarantined(f->sp, b, "discarded: as entry 9", &err));
    OK(spool_release(f->sp, a, &err)); /* as an enrolment does, of all at once */
    OK(spool_release(f->sp, b, &err));
    fixture_reopen(f);
    OK(spool_load(f->sp, a, &e, &err));
    assert_false(e->is_wanted);
    spool_entry_free(&e);
    OK(spool_load(f->sp, b, &e, &err));
    assert_true(e->is_wanted);
    spool_entry_free(&e);
}

static void
what_a_copy_rests_on_is_not_thrown_away(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t bad = fixture_put(f, 100, 1, 0), copy = fixture_put(f, 100, 1, 0);

    fixture_inspect(f, bad, "1.9");
    fixture_inspect(f, copy, "1.9");
    OK(spool_set_duplicate(f->sp, copy, bad, &err));
    OK(spool_set_quarantined(f->sp, bad, "refused: drawn", &err));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(spool_discard(f->sp, bad, "other", "li.wei", &err), -1);
        assert_int_equal(err.kind, ERR_CONFLICT);
        assert_int_equal(fixture_state_of(f, bad), INSTANCE_QUARANTINED);
        fixture_reopen(f);
    }
    OK(spool_release(f->sp, bad, &err));
}

static void
the_bytes_of_a_copy_of_what_was_thrown_away_stay(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t bad, copy;

    clock_fake(T0, 1000);
    f->options.keep_sealed_ms = 0;
    f->options.keep_discarded_ms = DAY_MS;
    fixture_reopen(f);
    bad = put_aside(f, 1);
    copy = fixture_put(f, 17u << 20, 1, 0);
    OK(spool_discard(f->sp, bad, "other", "li.wei", &err));
    fixture_inspect(f, copy, "1.9");
    OK(spool_set_duplicate(f->sp, copy, bad, &err)); /* it was compared before the discard */
    fixture_reopen(f);
    clock_fake(T0, 1000 + 2 * DAY_MS);
    assert_int_equal(spool_collect_garbage(f->sp), 1);
    fixture_assert_bytes(f, copy, 17u << 20, 1);
    clock_unfake();
}

int
main(void)
{
#define CLAIM(name)                                                                                \
    cmocka_unit_test_setup_teardown(name, spool_fixture_setup, spool_fixture_teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(requeue_finds_the_bytes_that_are_here_whenever_garbage_takes_others),
        CLAIM(only_what_is_quarantined_is_thrown_away_for_a_reason_of_the_list),
        CLAIM(what_is_thrown_away_counts_no_more_and_stays_so_over_restarts),
        CLAIM(its_bytes_outlive_a_full_disk_and_go_after_the_grace_time),
        CLAIM(within_the_grace_time_a_person_takes_it_back),
        CLAIM(what_a_copy_rests_on_is_not_thrown_away),
        CLAIM(the_bytes_of_a_copy_of_what_was_thrown_away_stay),
        CLAIM(only_a_release_from_the_discarded_says_that_it_is_wanted),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
