/* test_spool_discard.c - what a person throws away: out of the counts at once, its bytes gone after
 * the grace time and no sooner, known for good. And what is sent again while garbage is collected.
 */
#include "gateway/spool/spool.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/nth_lock.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
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

/* ---- garbage ---- */

static void
collect(void *spool)
{
    spool_collect_garbage(spool);
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

        nth_lock_set(n, collect, f->sp);
        rc = spool_requeue(f->sp, id, &err);
        has_fired = nth_lock_end();
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

/* The first of an image that came twice, kept aside, and its duplicate. */
static void
put_twice(struct spool_fixture *f, unsigned seed, uint64_t *out_first, uint64_t *out_copy)
{
    uint64_t first = fixture_put(f, 100, seed, 0), copy = fixture_put(f, 100, seed, 0);

    fixture_inspect(f, first, "1.9");
    fixture_inspect(f, copy, "1.9");
    OK(spool_set_duplicate(f->sp, copy, first, &err));
    OK(spool_set_quarantined(f->sp, first, "refused: drawn", &err));
    *out_first = first;
    *out_copy = copy;
}

static void
what_came_twice_is_thrown_away_twice_and_taken_back_one_by_one(void **state)
{
    struct spool_fixture *f = *state;
    struct spool_entry *e = NULL;
    struct spool_study study;
    uint64_t first, copy;

    put_twice(f, 1, &first, &copy);
    assert_int_equal(spool_discard(f->sp, copy, "other", "li.wei", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* by its first only */
    OK(spool_discard(f->sp, first, "other", "li.wei", &err));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fixture_state_of(f, first), INSTANCE_DISCARDED);
        assert_int_equal(fixture_state_of(f, copy), INSTANCE_DISCARDED);
        OK(spool_load(f->sp, copy, &e, &err));
        assert_string_equal(e->discard_reason, "other");
        assert_string_equal(e->discarded_by, "li.wei");
        spool_entry_free(&e);
        OK(spool_study(f->sp, "1.9", &study, &err));
        assert_int_equal(study.total, 0);
        fixture_reopen(f);
    }
    OK(spool_release(f->sp, first, &err));
    assert_int_equal(fixture_state_of(f, copy), INSTANCE_DISCARDED);
    OK(spool_release(f->sp, copy, &err));
    fixture_inspect(f, first, "1.9");
    fixture_inspect(f, copy, "1.9");
    OK(spool_set_duplicate(f->sp, copy, first, &err));
}

static void
the_copies_of_what_is_not_aside_stay(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t first, copy;

    put_twice(f, 1, &first, &copy);
    OK(spool_release(f->sp, first, &err));
    assert_int_equal(spool_discard(f->sp, first, "other", "li.wei", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(fixture_state_of(f, copy), INSTANCE_DUPLICATE);
}

static void
nothing_comes_to_rest_on_what_was_thrown_away(void **state)
{
    struct spool_fixture *f = *state;
    uint64_t bad = put_aside(f, 1), copy = fixture_put(f, 100, 1, 0);

    OK(spool_discard(f->sp, bad, "other", "li.wei", &err));
    fixture_inspect(f, copy, "1.9");
    assert_int_equal(spool_set_duplicate(f->sp, copy, bad, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(fixture_state_of(f, copy), INSTANCE_INSPECTED);
}

/* ---- a journal that ends before any of its records ---- */

static void
copy_file(const char *from, const char *to, size_t most)
{
    uint8_t *bytes = malloc(most);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

    assert_non_null(in);
    assert_non_null(out);
    assert_int_equal(fread(bytes, 1, most, in), most);
    assert_int_equal(fwrite(bytes, 1, most, out), most);
    fclose(in);
    fclose(out);
    free(bytes);
}

/* After a crash in the middle the image is kept aside and asks for a person, or all of it is gone:
 * no copy is a duplicate of what was thrown away. */
static void
a_crash_between_the_copies_and_the_first_leaves_it_aside(void **state)
{
    struct spool_fixture *f = *state;
    char journal[FOLDER_PATH_BYTES + 64], whole[FOLDER_PATH_BYTES + 64];
    unsigned both_here = 0, copy_gone = 0, both_gone = 0;
    uint64_t first, copy;
    long end;
    FILE *in;

    put_twice(f, 1, &first, &copy);
    fixture_reopen(f);
    OK(spool_discard(f->sp, first, "other", "li.wei", &err));
    snprintf(journal, sizeof journal, "%s/journal/0000000000000002.jnl", f->dir);
    snprintf(whole, sizeof whole, "%s/whole", f->dir);
    in = fopen(journal, "rb");
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    end = ftell(in);
    fclose(in);
    copy_file(journal, whole, (size_t)end);
    spool_close(&f->sp);
    for (size_t n = 512; n <= 8192 && n <= (size_t)end; n += 64) {
        enum instance_state a, b;
        struct spool_options look = {.is_read_only = true};
        struct spool_entry *e = NULL;
        struct spool *sp = NULL;
        char clean[FOLDER_PATH_BYTES + 96];

        for (unsigned k = 1; k < 9; k++) {
            snprintf(clean, sizeof clean, "%s/journal/%016x.jnl", f->dir, k);
            unlink(clean);
        }
        copy_file(whole, journal, n);
        if (spool_open(f->dir, &look, &sp, &err) < 0)
            fail_msg("%s", err.text);
        if (spool_look(sp, first, &e, &err) < 0 || !e->is_inspected) { /* not all of the snapshot */
            spool_entry_free(&e);
            spool_close(&sp);
            continue;
        }
        a = e->state;
        spool_entry_free(&e);
        OK(spool_look(sp, copy, &e, &err));
        b = e->state;
        spool_entry_free(&e);
        spool_close(&sp);
        if (b == INSTANCE_RECEIVED) /* its part of the snapshot is cut off */
            continue;
        assert_false(a == INSTANCE_DISCARDED && b != INSTANCE_DISCARDED);
        both_here += b == INSTANCE_DUPLICATE;
        copy_gone += a == INSTANCE_QUARANTINED && b == INSTANCE_DISCARDED;
        both_gone += a == INSTANCE_DISCARDED;
    }
    assert_true(both_here > 0);
    assert_true(copy_gone > 0);
    assert_true(both_gone > 0);
    OK(spool_open(f->dir, &f->options, &f->sp, &err));
}

/* ---- a copy that is found while its first is thrown away ---- */

/* At each lock that the discard takes in turn another thread finds the copy. */
static void
a_copy_found_during_the_discard_goes_with_it_or_rests_on_nothing(void **state)
{
    struct spool_fixture *f = *state;
    bool has_fired = true;
    unsigned n = 0, refused = 0;

    while (has_fired) {
        struct fixture_twin t = {.sp = f->sp};
        enum instance_state a, b;
        int rc;

        n++;
        t.first = fixture_put(f, 100, n, 0);
        t.copy = fixture_put(f, 100, n, 0);
        fixture_inspect(f, t.first, "1.9");
        fixture_inspect(f, t.copy, "1.9");
        OK(spool_set_quarantined(f->sp, t.first, "refused: drawn", &err));
        nth_lock_set(n, fixture_twin_begin, &t);
        rc = spool_discard(f->sp, t.first, "other", "li.wei", &err);
        has_fired = nth_lock_end();
        if (has_fired)
            pthread_join(t.thread, NULL);
        a = fixture_state_of(f, t.first);
        b = fixture_state_of(f, t.copy);
        assert_int_equal(rc, 0);
        assert_int_equal(a, INSTANCE_DISCARDED);
        assert_int_not_equal(b, INSTANCE_DUPLICATE);
        refused += b == INSTANCE_INSPECTED;
        assert_true(n < 100);
    }
    assert_true(n > 3);
    assert_true(refused > 0);
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
        CLAIM(what_came_twice_is_thrown_away_twice_and_taken_back_one_by_one),
        CLAIM(the_copies_of_what_is_not_aside_stay),
        CLAIM(nothing_comes_to_rest_on_what_was_thrown_away),
        CLAIM(a_crash_between_the_copies_and_the_first_leaves_it_aside),
        CLAIM(a_copy_found_during_the_discard_goes_with_it_or_rests_on_nothing),
        CLAIM(only_a_release_from_the_discarded_says_that_it_is_wanted),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
