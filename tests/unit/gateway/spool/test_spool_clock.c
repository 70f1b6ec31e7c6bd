/* test_spool_clock.c - clocks that jump by years, and a disk that fills by the day. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define T0 1700000000000000
#define DAY_MS 86400000ll
#define YEAR_US (365 * DAY_MS * 1000)

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)

static int
teardown(void **state)
{
    clock_unfake();
    return spool_fixture_teardown(state);
}

static uint64_t
put_sealed(struct spool_fixture *f, unsigned seed)
{
    uint64_t id = fixture_put(f, 17u << 20, seed, 0); /* a segment of its own */

    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "-", &err));
    OK(spool_set_sealed(f->sp, id, seed, &err));
    return id;
}

static bool
has_bytes(struct spool_fixture *f, uint64_t id)
{
    struct spool_entry *e = NULL;
    bool has;

    spool_collect_garbage(f->sp);
    OK(spool_load(f->sp, id, &e, &err));
    has = e->has_bytes;
    spool_entry_free(&e);
    return has;
}

static void
a_wall_clock_that_jumps_years_expires_nothing(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id;

    clock_fake(T0, 1000);
    f->options.keep_sealed_ms = 7 * DAY_MS;
    f->options.keep_summary_ms = 30 * DAY_MS;
    fixture_reopen(f);
    id = put_sealed(f, 1);
    clock_fake(T0 + 10 * YEAR_US, 2000);
    assert_true(has_bytes(f, id));
    clock_fake(T0 - 20 * YEAR_US, 3000);
    fixture_reopen(f);
    assert_true(has_bytes(f, id));
    clock_fake(T0 + 10 * YEAR_US, 4000);
    fixture_reopen(f);
    assert_true(has_bytes(f, id));

    clock_fake(T0 - 30 * YEAR_US, 4000 + 8 * DAY_MS); /* a week of work all the same is a week */
    assert_false(has_bytes(f, id));
}

static void
what_is_sealed_ages_over_restarts(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id;

    clock_fake(T0, 1000);
    f->options.keep_sealed_ms = 7 * DAY_MS;
    fixture_reopen(f);
    id = put_sealed(f, 1);
    for (int day = 1; day < 7; day++) {
        clock_fake_advance(DAY_MS);
        fixture_reopen(f);
        assert_true(has_bytes(f, id));
    }
    clock_fake_advance(DAY_MS);
    fixture_reopen(f);
    assert_false(has_bytes(f, id));
}

/* Switched off every night, and over a weekend: those count. A year away may be a wrong clock. */
static void
time_away_counts_up_to_three_days(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id;

    clock_fake(T0, 1000);
    f->options.keep_sealed_ms = 7 * DAY_MS;
    fixture_reopen(f);
    id = put_sealed(f, 1);
    for (int i = 1; i <= 2; i++) { /* six days in two leaps; the monotonic clock began anew */
        spool_close(&f->sp);
        clock_fake(T0 + i * 3 * DAY_MS * 1000, 10 + i);
        OK(spool_open(f->dir, &f->options, &f->sp, &err));
        assert_true(has_bytes(f, id));
    }
    spool_close(&f->sp);
    clock_fake(T0 + YEAR_US, 20);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_true(has_bytes(f, id));
    spool_close(&f->sp);
    clock_fake(T0 + YEAR_US + DAY_MS * 1000, 30);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_false(has_bytes(f, id));
}

/* What was sealed while the clock was nine years ahead goes in its time all the same. */
static void
what_was_sealed_in_the_future_is_not_kept_for_ever(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id;

    clock_fake(T0 + 9 * YEAR_US, 1000);
    f->options.keep_sealed_ms = 7 * DAY_MS;
    fixture_reopen(f);
    id = put_sealed(f, 1);
    clock_fake(T0, 2000);
    assert_true(has_bytes(f, id));
    for (int day = 1; day <= 7; day++) { /* the wall clock is set on by a day, again and again */
        assert_true(has_bytes(f, id));
        clock_fake(T0 + day * DAY_MS * 1000, 2000 + day);
    }
    assert_false(has_bytes(f, id));
}

static void
a_wall_clock_that_jumps_years_reorders_nothing(void **state)
{
    static const int64_t walls[] = {T0, T0 + 10 * YEAR_US, T0 - 20 * YEAR_US, T0 + 1};
    struct spool_fixture *f = *state;
    struct spool_filter all = {0};
    struct spool_study *studies;
    uint64_t ids[ARRAY_LEN(walls)], *listed;
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(walls); i++) {
        char uid[16];

        clock_fake(walls[i], (int64_t)(1000 + i));
        fixture_reopen(f);
        ids[i] = fixture_put(f, 100, (unsigned)i, 0);
        snprintf(uid, sizeof uid, "1.9.%zu", i);
        fixture_inspect(f, ids[i], uid);
    }
    for (int round = 0; round < 2; round++) {
        spool_list(f->sp, &all, &listed, &n);
        assert_int_equal(n, ARRAY_LEN(walls));
        assert_memory_equal(listed, ids, sizeof ids);
        free(listed);
        spool_studies(f->sp, &studies, &n);
        assert_int_equal(n, ARRAY_LEN(walls));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(studies[i].first_id, ids[i]);
        free(studies);
        fixture_reopen(f);
    }
}

static void
days_left_follow_from_what_comes_a_day(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_health health;
    uint64_t free_bytes;

    clock_fake(T0, 1000);
    spool_health(f->sp, &health);
    assert_int_equal(health.days_left, -1);
    fixture_put(f, 10u << 20, 1, 0);
    spool_health(f->sp, &health);
    assert_int_equal(health.bytes_today, 10u << 20);
    free_bytes = health.free_bytes;
    assert_in_range(health.days_left, free_bytes / (12u << 20), free_bytes / (8u << 20));

    clock_fake(T0 + 2 * DAY_MS * 1000, 2000); /* an eighth of the week: today counts no more */
    spool_health(f->sp, &health);
    assert_int_equal(health.bytes_today, 0);
    assert_in_range(health.days_left, 7 * (free_bytes / (12u << 20)),
                    7 * (free_bytes / (8u << 20)));
    clock_fake(T0 + 8 * DAY_MS * 1000, 2000 + 6 * DAY_MS);
    spool_health(f->sp, &health);
    assert_int_equal(health.days_left, -1);
    clock_fake(T0 - YEAR_US, 3000 + 6 * DAY_MS); /* it came while the clock was wrong */
    spool_health(f->sp, &health);
    assert_int_equal(health.days_left, -1);
}

/* Days left as before: what is free may change by a little meanwhile. */
static void
assert_days(struct spool_fixture *f, int32_t before)
{
    struct spool_health health;

    spool_health(f->sp, &health);
    assert_in_range(health.days_left, before - before / 10, before + before / 10);
}

static void
a_clock_that_jumps_years_forgets_not_what_comes_a_day(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_health health;
    int32_t before;

    clock_fake(T0, 1000);
    fixture_put(f, 10u << 20, 1, 0);
    spool_health(f->sp, &health);
    before = health.days_left;
    clock_fake(T0 + 30 * YEAR_US, 2000);
    assert_days(f, before);
    clock_fake(T0 - 10 * YEAR_US, 3000);
    assert_days(f, before);
    fixture_reopen(f);
    assert_days(f, before);
    spool_close(&f->sp); /* the clock's battery is empty: it begins anew with each start */
    clock_fake(0, 10);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
    assert_days(f, before);

    clock_fake_advance(4 * DAY_MS); /* lived; less than half is left of what came */
    spool_health(f->sp, &health);
    assert_in_range(health.days_left, 2 * before, 3 * before);
    clock_fake_advance(4 * DAY_MS);
    spool_health(f->sp, &health);
    assert_int_equal(health.days_left, -1);
}

static void
the_marks_also_count_days(void **state)
{
    static const struct {
        uint32_t warn, slow, refuse;
        enum spool_disk want;
    } rows[] = {
        {1, 1, 1, SPOOL_DISK_FINE},
        {100000000, 1, 1, SPOOL_DISK_WARN},
        {100000000, 100000000, 1, SPOOL_DISK_SLOW},
        {100000000, 100000000, 100000000, SPOOL_DISK_REFUSE},
        {0, 0, 0, SPOOL_DISK_FINE},
    };
    struct spool_fixture *f = *state;
    struct spool_meta meta = {.sop_instance = "1.2"};

    fixture_put(f, 10u << 20, 1, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct spool_draft *draft = NULL;
        struct spool_health health;
        int rc;

        f->options.warn_days = rows[i].warn;
        f->options.slow_days = rows[i].slow;
        f->options.refuse_days = rows[i].refuse;
        fixture_reopen(f);
        spool_health(f->sp, &health);
        if (health.disk != rows[i].want)
            fail_msg("row %zu: wanted %d, got %d", i, rows[i].want, health.disk);
        rc = spool_draft_begin(f->sp, &meta, &draft, &err);
        assert_int_equal(rc, rows[i].want == SPOOL_DISK_REFUSE ? -1 : 0);
        if (rc < 0)
            assert_int_equal(err_kind_dimse(err.kind), 0xA700);
        spool_draft_free(&draft);
    }
}

int
main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, spool_fixture_setup, teardown)
    const struct CMUnitTest tests[] = {
        CLAIM(a_wall_clock_that_jumps_years_expires_nothing),
        CLAIM(what_is_sealed_ages_over_restarts),
        CLAIM(time_away_counts_up_to_three_days),
        CLAIM(what_was_sealed_in_the_future_is_not_kept_for_ever),
        CLAIM(a_wall_clock_that_jumps_years_reorders_nothing),
        CLAIM(days_left_follow_from_what_comes_a_day),
        CLAIM(a_clock_that_jumps_years_forgets_not_what_comes_a_day),
        CLAIM(the_marks_also_count_days),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
