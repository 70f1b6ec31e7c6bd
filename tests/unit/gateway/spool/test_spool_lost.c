/* test_spool_lost.c - what the centre has lost after its bytes went here: marked for as long as it
 * lasts, nothing rests on it, and what comes again takes its place. */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/nth_lock.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct err err;

#define OK(call)                                                                                   \
    if ((call) < 0)                                                                                \
    fail_msg("%s", err.text)
#define DAY_MS INT64_C(86400000)
#define T0 INT64_C(1700000000000000)

/* ---- entries ---- */

static void
seal(struct spool_fixture *f, uint64_t id)
{
    fixture_inspect(f, id, "1.9");
    OK(spool_set_uncoded(f->sp, id, "not needed", &err));
    OK(spool_set_sealed(f->sp, id, 2, &err));
}

/* Sealed, and its bytes are gone. */
static uint64_t
put_sealed_away(struct spool_fixture *f, unsigned seed)
{
    struct spool_entry *e = NULL;
    uint64_t id;

    f->options.keep_sealed_ms = 0;
    fixture_reopen(f); /* in a segment of its own */
    id = fixture_put(f, 5000, seed, 0);
    seal(f, id);
    fixture_reopen(f);
    spool_collect_garbage(f->sp);
    OK(spool_look(f->sp, id, &e, &err));
    assert_false(e->has_bytes);
    spool_entry_free(&e);
    return id;
}

/* The same image again, not looked for twins yet. */
static uint64_t
put_copy(struct spool_fixture *f, unsigned seed)
{
    uint64_t id = fixture_put(f, 5000, seed, 0);

    fixture_inspect(f, id, "1.9");
    return id;
}

static size_t
lose(struct spool_fixture *f, uint64_t id)
{
    size_t released = 99;

    OK(spool_set_lost(f->sp, id, &released, &err));
    return released;
}

/* As entry, study and spool say it. */
static void
assert_lost(struct spool_fixture *f, uint64_t id, bool is_lost)
{
    struct spool_entry *e = NULL;
    struct spool_health health;
    struct spool_study study;

    OK(spool_look(f->sp, id, &e, &err));
    assert_int_equal(e->is_lost, is_lost);
    spool_entry_free(&e);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.lost, is_lost);
    spool_health(f->sp, &health);
    assert_int_equal(health.lost, is_lost);
}

static void
assert_rests_on(struct spool_fixture *f, uint64_t id, uint64_t on)
{
    struct spool_entry *e = NULL;

    OK(spool_look(f->sp, id, &e, &err));
    assert_int_equal(e->state, INSTANCE_DUPLICATE);
    assert_int_equal(e->twin_of, on);
    spool_entry_free(&e);
}

/* ---- the mark ---- */

static void
the_mark_outlives_restarts_until_it_is_found(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1);

    assert_int_equal(lose(f, id), 0);
    assert_lost(f, id, true);
    for (int i = 0; i < 2; i++) { /* from what was appended, and from the snapshot made of it */
        fixture_reopen(f);
        assert_lost(f, id, true);
    }
    assert_int_equal(lose(f, id), 0);
    assert_lost(f, id, true);

    OK(spool_set_found(f->sp, id, &err));
    OK(spool_set_found(f->sp, id, &err));
    assert_lost(f, id, false);
    fixture_reopen(f);
    assert_lost(f, id, false);
    assert_int_equal(fixture_state_of(f, id), INSTANCE_SEALED);
}

/* Its received bytes went with their segment; the coded ones lie beside what still waits. */
static void
a_coded_copy_goes_though_its_received_bytes_are_gone(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t first = put_sealed_away(f, 1), copy, beside;
    struct spool_entry *e = NULL;

    fixture_reopen(f);
    copy = put_copy(f, 1);
    fixture_reopen(f);
    beside = fixture_put(f, 5000, 2, 0);
    fixture_code(f, copy, 3000, 3);
    OK(spool_set_duplicate(f->sp, copy, first, &err));
    fixture_reopen(f);
    spool_collect_garbage(f->sp);
    OK(spool_look(f->sp, copy, &e, &err));
    assert_true(e->has_bytes);
    spool_entry_free(&e);
    assert_int_equal(spool_release(f->sp, copy, &err), -1);

    assert_int_equal(lose(f, first), 1);

    assert_int_equal(fixture_state_of(f, copy), INSTANCE_CODED);
    assert_rests_on(f, first, copy);
    assert_lost(f, first, false);
    fixture_reopen(f);
    assert_int_equal(fixture_state_of(f, copy), INSTANCE_CODED);
    assert_rests_on(f, first, copy);
    assert_int_equal(fixture_state_of(f, beside), INSTANCE_RECEIVED);
}

static void
only_what_is_sealed_and_gone_is_lost(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t here = fixture_put(f, 5000, 1, 0);
    size_t released = 0;

    assert_int_equal(spool_set_lost(f->sp, here, &released, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    seal(f, here);
    assert_int_equal(spool_set_lost(f->sp, here, &released, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(spool_set_lost(f->sp, here + 1, &released, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_lost(f, here, false);
}

static void
its_summary_is_not_forgotten_while_it_is_lost(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_entry *gone = NULL;
    uint64_t id;

    clock_fake(T0, 1000);
    fixture_reopen(f);
    id = put_sealed_away(f, 1);
    assert_int_equal(lose(f, id), 0);
    f->options.keep_summary_ms = DAY_MS;
    fixture_reopen(f);

    clock_fake_advance(40 * DAY_MS);
    spool_collect_garbage(f->sp);
    assert_lost(f, id, true);

    OK(spool_set_found(f->sp, id, &err));
    spool_collect_garbage(f->sp);
    assert_int_equal(spool_look(f->sp, id, &gone, &err), -1);
    clock_unfake();
}

/* ---- copies ---- */

static void
nothing_comes_to_rest_on_what_is_lost(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1), copy = put_copy(f, 1);

    lose(f, id);
    assert_int_equal(spool_set_duplicate(f->sp, copy, id, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(fixture_state_of(f, copy), INSTANCE_INSPECTED);

    OK(spool_set_found(f->sp, id, &err));
    OK(spool_set_duplicate(f->sp, copy, id, &err));
}

static void
copies_that_rested_on_it_are_looked_into_anew(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1), copy = put_copy(f, 1), other = put_copy(f, 1);

    OK(spool_set_duplicate(f->sp, copy, id, &err));
    OK(spool_set_duplicate(f->sp, other, id, &err));
    assert_int_equal(lose(f, id), 2);
    fixture_reopen(f);

    assert_int_equal(fixture_state_of(f, copy), INSTANCE_RECEIVED);
    assert_int_equal(fixture_state_of(f, other), INSTANCE_RECEIVED);
    fixture_assert_bytes(f, copy, 5000, 1);
    assert_lost(f, id, true);
}

/* However the two meet: no copy whose bytes are here rests on what is lost. */
static void
no_copy_is_left_behind_that_comes_to_rest_meanwhile(void **state)
{
    struct spool_fixture *f = *state;
    bool has_begun = true;

    for (unsigned n = 1; has_begun; n++) {
        uint64_t id = put_sealed_away(f, n), copy = put_copy(f, n);
        struct fixture_twin t = {.sp = f->sp, .first = id, .copy = copy};

        nth_lock_set(n, fixture_twin_begin, &t);
        lose(f, id);
        has_begun = nth_lock_end();
        if (has_begun)
            pthread_join(t.thread, NULL);
        assert_int_not_equal(fixture_state_of(f, copy), INSTANCE_DUPLICATE);
        OK(spool_set_found(f->sp, id, &err));
        assert_true(n < 100);
    }
}

/* ---- again ---- */

static void
what_comes_again_takes_its_place_on_the_list(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1), gone = put_sealed_away(f, 2), copy;
    struct spool_study study;
    uint32_t revision = 0;

    OK(spool_manifest_close(f->sp, "1.9", &revision, &err));
    OK(spool_manifest_acked(f->sp, "1.9", revision, &err));
    lose(f, id);
    copy = put_copy(f, 1);
    OK(spool_set_again(f->sp, id, copy, &err));
    assert_lost(f, id, false);
    assert_rests_on(f, id, copy);
    fixture_reopen(f);

    assert_lost(f, id, false);
    assert_rests_on(f, id, copy);
    OK(spool_study(f->sp, "1.9", &study, &err));
    assert_int_equal(study.unlisted, 1);
    assert_int_equal(study.leaving, 1);
    assert_int_equal(fixture_state_of(f, gone), INSTANCE_SEALED);
}

static void
a_copy_without_bytes_rests_on_what_came_again(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1), copy = put_copy(f, 1), again;

    OK(spool_set_duplicate(f->sp, copy, id, &err));
    fixture_reopen(f);
    spool_collect_garbage(f->sp);
    assert_int_equal(lose(f, id), 0); /* nothing of it is here */
    again = put_copy(f, 1);
    OK(spool_set_again(f->sp, id, again, &err));

    assert_rests_on(f, copy, again);
    assert_rests_on(f, id, again);
}

static void
only_what_is_lost_is_taken_the_place_of(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t id = put_sealed_away(f, 1), copy = put_copy(f, 1);

    assert_int_equal(spool_set_again(f->sp, id, copy, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    lose(f, id);
    OK(spool_set_quarantined(f->sp, copy, "other: drawn", &err));
    OK(spool_discard(f->sp, copy, "other", "li.wei", &err));
    assert_int_equal(spool_set_again(f->sp, id, copy, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_lost(f, id, true);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, spool_fixture_setup, spool_fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_mark_outlives_restarts_until_it_is_found),
        CLAIM(a_coded_copy_goes_though_its_received_bytes_are_gone),
        CLAIM(only_what_is_sealed_and_gone_is_lost),
        CLAIM(its_summary_is_not_forgotten_while_it_is_lost),
        CLAIM(nothing_comes_to_rest_on_what_is_lost),
        CLAIM(copies_that_rested_on_it_are_looked_into_anew),
        CLAIM(no_copy_is_left_behind_that_comes_to_rest_meanwhile),
        CLAIM(what_comes_again_takes_its_place_on_the_list),
        CLAIM(a_copy_without_bytes_rests_on_what_came_again),
        CLAIM(only_what_is_lost_is_taken_the_place_of),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
