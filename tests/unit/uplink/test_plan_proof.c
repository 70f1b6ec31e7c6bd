/* test_plan_proof.c - the end of what is not proved stays here, and nothing else does. */
#include "gateway/uplink/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { HOLD_MS = 30000, SIZE = 1000, LOOK = 120, PIECES = 64 };

static struct plan_object
object_of(uint64_t id, const char *study, int64_t due)
{
    static const struct range look[] = {{0, LOOK}};
    struct plan_object o = {.id = id, .size = SIZE, .due = due, .look = look, .look_n = 1};

    memset(o.object, (int)id, sizeof o.object);
    strncpy(o.study, study, sizeof o.study - 1);
    return o;
}

static void
offer_all(struct plan *plan, enum link_state says)
{
    struct link_object_state answer = {.state = says};
    uint64_t ids[100];
    size_t n = plan_next_offers(plan, ids, 100);

    for (size_t i = 0; i < n; i++)
        plan_offered(plan, ids[i], &answer);
}

static size_t
take(struct plan *plan, uint64_t bytes, struct plan_piece *pieces)
{
    int64_t wait;

    return plan_take(plan, bytes, pieces, PIECES, 0, &wait);
}

static struct plan_object
unproved_of(uint64_t id, uint64_t size)
{
    struct plan_object o = object_of(id, "1.1", 100);

    o.size = size;
    o.is_unproved = true;
    return o;
}

/* All that may go of one object, look and rest, as bytes; the centre has what came before it. */
static uint64_t
take_all(struct plan *plan, uint64_t *out_end)
{
    struct plan_piece pieces[PIECES];
    struct range have = {0, 0};
    struct link_object_state answer = {.state = LINK_LOOKED, .have = &have, .have_n = 1};
    uint64_t sum = 0;
    size_t n;

    while ((n = take(plan, 1000000, pieces)) > 0) {
        for (size_t i = 0; i < n; i++) {
            sum += pieces[i].n;
            if (pieces[i].offset + pieces[i].n > have.to)
                have.to = pieces[i].offset + pieces[i].n;
        }
        plan_arrived(plan, pieces, n);
        if (have.to < 50000)
            plan_answered(plan, pieces[0].id, &answer);
    }
    *out_end = have.to;
    return sum;
}

static void
the_end_waits_for_the_proof(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = unproved_of(1, 50000);
    int64_t since_ms = 0;
    uint64_t taken[] = {1}, end;

    (void)state;
    plan_add(plan, &o, 7);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_next_unproved(plan, taken, 1, &since_ms), 0);
    assert_int_equal(plan_next_unproved(plan, taken, 0, &since_ms), 1);
    assert_int_equal(since_ms, 7);
    assert_int_equal(plan_left(plan, 1000), 1000);
    assert_int_equal(plan_left(plan, 1000000), 50000 - 4096);

    assert_int_equal(take_all(plan, &end), 50000 - 4096);
    assert_int_equal(end, 50000 - 4096);
    assert_int_equal(plan_left(plan, 1000000), 0);
    plan_proved(plan, 1);
    assert_int_equal(plan_left(plan, 1000000), 4096);
    assert_int_equal(take_all(plan, &end), 4096);
    assert_int_equal(end, 50000);
    assert_int_equal(plan_next_unproved(plan, taken, 0, &since_ms), 0);
    plan_free(&plan);
}

/* Pieces shrink at its end, as at the end of all, so that all connections end it together. */
static void
what_is_left_of_an_emergency_counts_alone(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object routine = {.id = 1, .size = 100000, .study = "1.1"};
    struct plan_object stat = {.id = 2, .size = 70000, .study = "1.2", .urgency = PLAN_STAT};
    struct plan_piece pieces[PIECES];

    (void)state;
    plan_add(plan, &routine, 0);
    plan_add(plan, &stat, 0);
    offer_all(plan, LINK_WANTED);

    assert_int_equal(plan_left(plan, 1000000), 70000);
    assert_true(take(plan, 70000, pieces) > 0);
    assert_int_equal(plan_left(plan, 1000000), 100000);
    plan_free(&plan);
}

static void
a_proof_may_come_before_the_offer(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = unproved_of(1, 50000);
    uint64_t end;

    (void)state;
    plan_add(plan, &o, 0);
    plan_proved(plan, 1);
    offer_all(plan, LINK_WANTED);

    assert_int_equal(take_all(plan, &end), 50000);
    plan_free(&plan);
}

static void
a_cut_does_not_let_the_end_go(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = unproved_of(1, 50000);
    struct range have = {0, 50000 - 4096};
    struct link_object_state answer = {.state = LINK_PARTIAL, .have = &have, .have_n = 1};
    uint64_t ids[4], end;

    (void)state;
    plan_add(plan, &o, 0);
    offer_all(plan, LINK_WANTED);
    (void)take_all(plan, &end);
    plan_doubt(plan);
    assert_int_equal(plan_next_offers(plan, ids, 4), 1);
    plan_offered(plan, 1, &answer);
    assert_int_equal(take_all(plan, &end), 0);

    plan_proved(plan, 1);
    assert_int_equal(take_all(plan, &end), 4096);
    plan_free(&plan);
}

/* Its look reaches into what is kept back: it is a look still when it may go. */
static void
a_small_one_waits_whole_and_goes_as_a_look(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = unproved_of(1, SIZE);
    struct plan_piece pieces[PIECES];
    uint64_t end;

    (void)state;
    plan_add(plan, &o, 0);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(take_all(plan, &end), 0);

    plan_proved(plan, 1);
    assert_int_equal(take(plan, 1000000, pieces), 1);
    assert_int_equal(pieces[0].n, LOOK);
    plan_free(&plan);
}

/* What its proof may still change is told to nobody as final. */
static void
what_waits_for_its_proof_is_not_settled(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = unproved_of(1, 50000);

    (void)state;
    plan_add(plan, &o, 0);
    offer_all(plan, LINK_WANTED);
    assert_false(plan_is_offered(plan, 1));

    plan_proved(plan, 1);
    assert_true(plan_is_offered(plan, 1));
    plan_free(&plan);
}

/* Two requests carry it; the first answer does not know of the second's part. */
static void
an_old_answer_sends_nothing_twice_while_the_end_waits(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_object o = unproved_of(1, 50000);
    struct plan_piece first[PIECES], second[PIECES];
    struct range have = {0, 0};
    struct link_object_state answer = {.state = LINK_LOOKED, .have = &have, .have_n = 1};
    size_t n, m;
    uint64_t end;

    (void)state;
    plan_add(plan, &o, 0);
    offer_all(plan, LINK_WANTED);
    n = take(plan, 20000, first);
    have.to = first[n - 1].offset + first[n - 1].n;
    m = take(plan, 1000000, second);
    assert_true(n > 0 && m > 0);
    plan_arrived(plan, second, m);
    plan_arrived(plan, first, n);
    plan_answered(plan, 1, &answer);
    assert_int_equal(take(plan, 1000000, first), 0);

    plan_proved(plan, 1);
    assert_int_equal(take_all(plan, &end), 4096);
    plan_free(&plan);
}

/* Its coding was given up while a request carried some of it. */
static void
pieces_of_a_given_up_coding_say_nothing_of_the_original(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_object coded = unproved_of(1, 50000), original = object_of(1, "1.1", 100);
    struct plan_piece pieces[PIECES];
    size_t n;

    (void)state;
    memset(original.object, 77, sizeof original.object);
    plan_add(plan, &coded, 0);
    offer_all(plan, LINK_WANTED);
    n = take(plan, 1000000, pieces);
    assert_true(n >= 2);
    plan_drop(plan, 1);
    plan_add(plan, &original, 0);
    offer_all(plan, LINK_WANTED);

    plan_put_back(plan, &pieces[n - 1]);
    plan_failed(plan, pieces, n);
    plan_arrived(plan, pieces, n);
    assert_true(plan_is_offered(plan, 1));
    assert_true(take(plan, 1000000, pieces) > 0);
    assert_int_equal(pieces[0].offset, 0);
    plan_free(&plan);
}

/* The sender found another object under the entry than the plan has. */
static void
a_stale_object_is_dropped_and_its_successor_is_not(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_object coded = unproved_of(1, 50000), original = object_of(1, "1.1", 100);
    struct plan_piece pieces[PIECES];

    (void)state;
    memset(original.object, 77, sizeof original.object);
    plan_add(plan, &coded, 0);
    offer_all(plan, LINK_WANTED);
    assert_true(take(plan, 1000000, pieces) > 0);

    plan_drop_stale(plan, &pieces[0]);
    assert_false(plan_has(plan, 1));
    plan_add(plan, &original, 0);
    plan_drop_stale(plan, &pieces[0]);
    assert_true(plan_has(plan, 1));
    plan_free(&plan);
}

static void
what_is_on_the_way_waits_no_more(void **state)
{
    struct plan *plan = plan_new(60000);
    struct plan_object o = object_of(1, "1.1", 100);
    struct plan_piece pieces[PIECES];
    struct plan_stats stats;
    uint64_t sum = 0;

    (void)state;
    plan_add(plan, &o, 0);
    plan_stats(plan, &stats);
    assert_int_equal(stats.waiting_bytes, o.size);
    offer_all(plan, LINK_WANTED);
    for (size_t i = 0, n = take(plan, 1000, pieces); i < n; i++)
        sum += pieces[i].n;
    plan_stats(plan, &stats);

    assert_true(sum > 0);
    assert_int_equal(stats.missing_bytes, o.size);
    assert_int_equal(stats.waiting_bytes, o.size - sum);
    plan_free(&plan);
}

static void
stat_is_offered_beside_the_others(void **state)
{
    struct plan *plan = plan_new(60000);
    struct plan_object late = object_of(2, "1.2", 200);
    struct plan_object early = object_of(1, "1.1", 100);
    uint64_t ids[4];

    (void)state;
    late.urgency = PLAN_STAT;
    plan_add(plan, &early, 0);
    assert_int_equal(plan_next_stat_offers(plan, ids, 4), 0);
    plan_add(plan, &late, 0);

    assert_int_equal(plan_next_stat_offers(plan, ids, 4), 1);
    assert_int_equal(ids[0], 2);
    assert_int_equal(plan_next_stat_offers(plan, ids, 4), 0); /* it is on its way */
    assert_int_equal(plan_next_offers(plan, ids, 4), 1);
    assert_int_equal(ids[0], 1);
    plan_free(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_waits_for_the_proof),
        cmocka_unit_test(what_is_left_of_an_emergency_counts_alone),
        cmocka_unit_test(a_proof_may_come_before_the_offer),
        cmocka_unit_test(a_cut_does_not_let_the_end_go),
        cmocka_unit_test(a_small_one_waits_whole_and_goes_as_a_look),
        cmocka_unit_test(what_waits_for_its_proof_is_not_settled),
        cmocka_unit_test(an_old_answer_sends_nothing_twice_while_the_end_waits),
        cmocka_unit_test(pieces_of_a_given_up_coding_say_nothing_of_the_original),
        cmocka_unit_test(a_stale_object_is_dropped_and_its_successor_is_not),
        cmocka_unit_test(what_is_on_the_way_waits_no_more),
        cmocka_unit_test(stat_is_offered_beside_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
