/* test_plan.c - the order of bytes on the line, and that none is lost or doubled after a cut. */
#include "gateway/uplink/plan.h"

#include "proto/base/limits.h"

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
add(struct plan *plan, uint64_t id, const char *study, int64_t due)
{
    struct plan_object o = object_of(id, study, due);

    plan_add(plan, &o, 0);
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

static void
answer_looked(struct plan *plan, uint64_t id)
{
    struct range have = {0, LOOK};
    struct link_object_state answer = {.state = LINK_LOOKED, .have = &have, .have_n = 1};

    plan_answered(plan, id, &answer);
}

static void
looks_of_all_studies_go_before_any_rest(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece pieces[PIECES];

    (void)state;
    add(plan, 1, "1.1", 100);
    add(plan, 2, "1.1", 100);
    add(plan, 3, "1.2", 50);
    offer_all(plan, LINK_WANTED);

    assert_int_equal(take(plan, 1000000, pieces), 3);
    assert_int_equal(pieces[0].id, 3); /* due first */
    assert_int_equal(pieces[1].id, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pieces[i].offset, 0);
        assert_int_equal(pieces[i].n, LOOK);
    }
    plan_free(&plan);
}

static void
what_is_put_back_goes_again_without_a_doubt(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_piece pieces[PIECES];
    struct plan_stats stats;

    (void)state;
    add(plan, 1, "1.1", 100);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(take(plan, LOOK, pieces), 1);
    assert_true(pieces[0].is_look);
    plan_put_back(plan, &pieces[0]);
    assert_int_equal(take(plan, LOOK, pieces), 1);
    assert_true(pieces[0].is_look);
    assert_int_equal(take(plan, 100, pieces), 1);
    assert_false(pieces[0].is_look);
    plan_put_back(plan, &pieces[0]);

    assert_true(plan_is_offered(plan, 1));
    assert_int_equal(take(plan, 1000000, pieces), 1);
    assert_int_equal(pieces[0].offset, LOOK);
    assert_int_equal(pieces[0].n, SIZE - LOOK);
    plan_stats(plan, &stats);
    assert_int_equal(stats.missing_bytes, SIZE);
    plan_free(&plan);
}

static void
the_rest_waits_until_every_look_of_its_study_is_at_the_centre(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece looks[PIECES], rests[PIECES];
    struct plan_looked told;

    (void)state;
    add(plan, 1, "1.1", 100);
    add(plan, 2, "1.1", 100);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(take(plan, 1000000, looks), 2);
    assert_int_equal(take(plan, 1000000, rests), 0);

    plan_arrived(plan, looks, 2);
    answer_looked(plan, 1);
    assert_int_equal(take(plan, 1000000, rests), 0);
    assert_false(plan_next_looked(plan, &told));
    answer_looked(plan, 2);
    plan_expect_more(plan, "1.1", true);
    assert_int_equal(take(plan, 1000000, rests), 0);
    plan_expect_more(plan, "1.1", false);

    assert_true(plan_next_looked(plan, &told));
    assert_int_equal(told.sent_bytes, 2 * LOOK);
    assert_int_equal(told.object_bytes, 2 * SIZE);
    assert_false(plan_next_looked(plan, &told));
    assert_int_equal(take(plan, 1000000, rests), 2);
    assert_int_equal(rests[0].offset, LOOK);
    assert_int_equal(rests[0].n, SIZE - LOOK);
    plan_free(&plan);
}

static void
the_rest_waits_no_longer_than_the_hold(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece pieces[PIECES];
    int64_t wait;

    (void)state;
    add(plan, 1, "1.1", 100);
    offer_all(plan, LINK_LOOKED);
    plan_expect_more(plan, "1.1", true);
    offer_all(plan, LINK_LOOKED);

    /* the answer named no ranges: the look is asked for again, so it goes first */
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 0, &wait), 1);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 0, &wait), 0);
    assert_int_equal(wait, HOLD_MS);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, HOLD_MS, &wait), 1);
    plan_free(&plan);
}

static const uint64_t mib = 1 << 20;

/* Larger than life: shares are counted in bytes, a chunk at a time. */
static void
add_large(struct plan *plan, uint64_t id, const char *study, uint64_t look, int urgency)
{
    struct range range = {0, look};
    struct plan_object o = object_of(id, study, (int64_t)id);

    o.size = 1000 * mib;
    o.look = &range;
    o.urgency = urgency;
    plan_add(plan, &o, 0);
}

/* Take so many bytes; how many of them were of this entry. */
static uint64_t
share_of(struct plan *plan, uint64_t id, uint64_t bytes)
{
    struct plan_piece piece;
    uint64_t taken = 0, its = 0;
    int64_t wait;

    while (taken < bytes && plan_take(plan, bytes, &piece, 1, HOLD_MS, &wait) == 1) {
        assert_in_range(piece.n, 1, PLAN_CHUNK);
        taken += piece.n;
        its += piece.id == id ? piece.n : 0;
    }
    return its;
}

static void
endless_looks_leave_a_tenth_of_the_bytes_to_rests(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);

    (void)state;
    add_large(plan, 1, "1.1", 0, 0); /* all rest */
    add_large(plan, 2, "1.2", 900 * mib, 0);
    offer_all(plan, LINK_WANTED);

    assert_int_equal(share_of(plan, 1, 2 * mib), 0);
    assert_in_range(share_of(plan, 1, 98 * mib), 9 * mib, 10 * mib);
    plan_free(&plan);
}

static void
stat_overtakes_with_the_next_chunk(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece piece;
    int64_t wait;

    (void)state;
    add_large(plan, 1, "1.1", mib, 0);
    add_large(plan, 2, "1.2", mib, 0);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_take(plan, 100 * mib, &piece, 1, HOLD_MS, &wait), 1);
    assert_int_equal(piece.id, 1);
    assert_int_equal(piece.n, PLAN_CHUNK);

    plan_set_urgency(plan, "1.2", PLAN_STAT);

    for (int i = 0; i < 8; i++) { /* its look, then its rest, before the other's look */
        assert_int_equal(plan_take(plan, 100 * mib, &piece, 1, HOLD_MS, &wait), 1);
        assert_int_equal(piece.id, 2);
        assert_int_equal(piece.offset, i * PLAN_CHUNK);
    }
    plan_free(&plan);
}

static void
stat_leaves_a_tenth_to_the_others_and_takes_all_when_alone(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);

    (void)state;
    add_large(plan, 1, "1.1", 0, PLAN_STAT);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(share_of(plan, 1, 50 * mib), 50 * mib);
    add_large(plan, 2, "1.2", 300 * mib, 0);
    add_large(plan, 3, "1.3", 0, 0);
    offer_all(plan, LINK_WANTED);
    assert_in_range(share_of(plan, 1, 100 * mib), 89 * mib, 91 * mib);
    plan_set_share(plan, 50);
    assert_in_range(share_of(plan, 1, 100 * mib), 49 * mib, 51 * mib);
    plan_set_share(plan, 100);
    assert_in_range(share_of(plan, 1, 100 * mib), 99 * mib, 100 * mib);
    plan_free(&plan);
}

static void
urgent_goes_before_routine_but_not_before_its_looks(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece pieces[PIECES];
    uint64_t ids[4];

    (void)state;
    add(plan, 1, "1.1", 1);
    add(plan, 2, "1.2", 2);
    add(plan, 3, "1.3", 3);
    plan_set_urgency(plan, "1.3", 1);
    plan_set_urgency(plan, "1.9", 1); /* unknown here: nothing happens */

    assert_int_equal(plan_next_offers(plan, ids, 4), 3);
    assert_int_equal(ids[0], 3);
    for (uint64_t id = 1; id <= 3; id++) {
        struct link_object_state wanted = {.state = LINK_WANTED};

        plan_offered(plan, id, &wanted);
    }
    assert_int_equal(take(plan, 1000000, pieces), 3);
    assert_int_equal(pieces[0].id, 3);
    assert_int_equal(pieces[1].id, 1);
    assert_int_equal(pieces[1].n, LOOK); /* looks of all before any rest, urgent or not */
    plan_set_urgency(plan, "1.3", 0);
    plan_drop(plan, 3);
    plan_drop(plan, 1);
    plan_drop(plan, 2);
    assert_false(plan_has(plan, 3));
    plan_free(&plan);
}

static void
note_far(void *user, const struct plan_far *far)
{
    struct plan_far **at = user;

    *(*at)++ = *far;
}

static void
how_far_a_study_is_counts_what_the_centre_said(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct range have = {0, 300};
    struct link_object_state partial = {.state = LINK_PARTIAL, .have = &have, .have_n = 1};
    struct plan_far far[2], *at = far;
    struct plan_piece pieces[PIECES];
    uint64_t ids[4];
    int64_t wait;

    (void)state;
    add(plan, 1, "1.1", 1);
    add(plan, 2, "1.1", 1);
    add(plan, 3, "1.2", 3);
    assert_int_equal(plan_next_offers(plan, ids, 4), 3);
    plan_offered(plan, 1, &partial);
    assert_int_equal(plan_take(plan, 100, pieces, PIECES, HOLD_MS, &wait), 1);
    plan_each_study(plan, note_far, &at);
    assert_ptr_equal(at, far + 2);
    assert_string_equal(far[0].study, "1.1");
    assert_int_equal(far[0].objects, 2);
    assert_int_equal(far[0].bytes, 2 * SIZE);
    assert_int_equal(far[0].missing_bytes, 2 * SIZE - 300);
    assert_int_equal(far[1].before_bytes, 3 * SIZE - 300);

    plan_arrived(plan, pieces, 1);
    at = far;
    plan_each_study(plan, note_far, &at);
    assert_int_equal(far[0].missing_bytes, 2 * SIZE - 400);
    plan_failed(plan, pieces, 1); /* in doubt, yet what was answered stays */
    at = far;
    plan_each_study(plan, note_far, &at);
    assert_int_equal(far[0].missing_bytes, 2 * SIZE - 400);
    plan_free(&plan);
}

static void
after_a_cut_the_centre_is_asked_before_anything_goes_again(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct range have[] = {{0, 40}, {60, 130}};
    struct link_object_state partial = {.state = LINK_PARTIAL, .have = have, .have_n = 2};
    struct plan_piece pieces[PIECES];
    uint64_t id;

    (void)state;
    add(plan, 1, "1.1", 100);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(take(plan, 1000000, pieces), 1);
    plan_failed(plan, pieces, 1);
    assert_int_equal(take(plan, 1000000, pieces), 0);

    assert_int_equal(plan_next_offers(plan, &id, 1), 1);
    plan_offered(plan, id, &partial);
    assert_int_equal(take(plan, 1000000, pieces), 1);
    assert_int_equal(pieces[0].offset, 40);
    assert_int_equal(pieces[0].n, 20);
    plan_arrived(plan, pieces, 1);
    have[0].to = 130;
    partial.have_n = 1;
    partial.state = LINK_LOOKED;
    plan_answered(plan, 1, &partial);
    assert_int_equal(take(plan, 1000000, pieces), 1);
    assert_int_equal(pieces[0].offset, 130);
    assert_int_equal(pieces[0].n, SIZE - 130);
    plan_free(&plan);
}

/* Invariant 1, against a centre that keeps a map of bytes, answers late and loses bundles. */
enum { JOBS = 12, LINES = 3 };

struct centre {
    struct plan *plan;
    uint8_t there[JOBS + 1][SIZE], on_way[JOBS + 1][SIZE];
    struct plan_piece pieces[LINES][PIECES];
    size_t count[LINES];
    unsigned seed, held;
};

static void
centre_is_offered(struct centre *c, uint64_t id)
{
    struct ranges have = {0};
    struct link_object_state answer = {.state = LINK_PARTIAL};

    for (uint64_t b = 0; b < SIZE; b++)
        if (c->there[id][b])
            ranges_add(&have, b, b + 1);
    answer.have = have.at;
    answer.have_n = have.n;
    plan_offered(c->plan, id, &answer);
    ranges_fini(&have);
}

static void
centre_is_sent_to(struct centre *c, unsigned line)
{
    int64_t wait;

    c->count[line] =
        plan_take(c->plan, 1 + (uint64_t)rand_r(&c->seed) % 700, c->pieces[line], PIECES, 1, &wait);
    for (size_t i = 0; i < c->count[line]; i++)
        for (uint64_t b = 0; b < c->pieces[line][i].n; b++)
            assert_int_equal(c->on_way[c->pieces[line][i].id][c->pieces[line][i].offset + b]++, 0);
}

static void
centre_answers(struct centre *c, unsigned line)
{
    bool is_lost = rand_r(&c->seed) % 5 == 0;
    struct link_object_state answer = {.state = LINK_PARTIAL};

    for (size_t i = 0; i < c->count[line]; i++) {
        struct plan_piece *p = &c->pieces[line][i];

        memset(c->on_way[p->id] + p->offset, 0, p->n);
        if (!is_lost || rand_r(&c->seed) % 2 == 0) /* an answer may be lost after the bytes came */
            memset(c->there[p->id] + p->offset, 1, p->n);
    }
    if (is_lost)
        plan_failed(c->plan, c->pieces[line], c->count[line]);
    else
        plan_arrived(c->plan, c->pieces[line], c->count[line]);
    for (size_t i = 0; !is_lost && i < c->count[line]; i++) {
        uint64_t id = c->pieces[line][i].id;

        if (memchr(c->there[id], 0, SIZE) == NULL && plan_has(c->plan, id)) {
            plan_drop(c->plan, id);
            c->held++;
        } else {
            plan_answered(c->plan, id, &answer);
        }
    }
    c->count[line] = 0;
}

static void
every_byte_arrives_and_none_is_twice_on_the_way(void **state)
{
    static struct centre c;

    (void)state;
    c.plan = plan_new(0);
    c.seed = 3;
    for (uint64_t id = 1; id <= JOBS; id++)
        add(c.plan, id, id % 2 ? "1.1" : "1.2", 100);
    for (int step = 0; step < 20000 && c.held < JOBS; step++) {
        unsigned line = (unsigned)rand_r(&c.seed) % LINES;
        uint64_t ids[4];
        size_t n = plan_next_offers(c.plan, ids, 4);

        for (size_t i = 0; i < n; i++)
            centre_is_offered(&c, ids[i]);
        if (c.count[line] == 0)
            centre_is_sent_to(&c, line);
        else
            centre_answers(&c, line);
    }
    assert_int_equal(c.held, JOBS);
    plan_free(&c.plan);
}

static void
bad_objects_are_counted_and_offered_again(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct link_object_state bad = {.state = LINK_BAD}, wanted = {.state = LINK_WANTED};
    uint64_t id;

    (void)state;
    add(plan, 1, "1.1", 100);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_answered(plan, 1, &bad), 1);
    assert_int_equal(plan_answered(plan, 1, &bad), 1); /* another request's word of the same */
    assert_int_equal(plan_next_offers(plan, &id, 1), 1);
    plan_offered(plan, 1, &wanted);
    assert_int_equal(plan_answered(plan, 1, &bad), 2);
    plan_free(&plan);
}

static void
what_a_refused_request_named_goes_alone(void **state)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct link_object_state looked = {.state = LINK_PARTIAL};
    struct plan_piece pieces[PIECES], more[PIECES];
    int64_t wait;

    (void)state;
    for (uint64_t id = 1; id <= 3; id++)
        add(plan, id, "1.1", 100);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_take(plan, 2 * LOOK, pieces, PIECES, 0, &wait), 2);
    assert_int_equal(plan_refused(plan, pieces, 2), 0);
    offer_all(plan, LINK_WANTED);

    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 0, &wait), 1);
    assert_int_equal(pieces[0].id, 1);
    assert_int_equal(plan_take_more(plan, pieces, 1000000, more, PIECES, 0, &wait), 0);
    assert_int_equal(plan_refused(plan, pieces, 1), 1);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 0, &wait), 1);
    assert_int_equal(plan_refused(plan, pieces, 1), 2);
    plan_drop(plan, 1);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 0, &wait), 1);
    assert_int_equal(pieces[0].id, 2);
    plan_arrived(plan, pieces, 1); /* it was not to blame */
    plan_answered(plan, 2, &looked);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, HOLD_MS, &wait), 3);
    assert_int_equal(pieces[0].id, 3); /* its look, then both rests in one request */
    plan_free(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_of_all_studies_go_before_any_rest),
        cmocka_unit_test(what_is_put_back_goes_again_without_a_doubt),
        cmocka_unit_test(the_rest_waits_until_every_look_of_its_study_is_at_the_centre),
        cmocka_unit_test(the_rest_waits_no_longer_than_the_hold),
        cmocka_unit_test(endless_looks_leave_a_tenth_of_the_bytes_to_rests),
        cmocka_unit_test(stat_overtakes_with_the_next_chunk),
        cmocka_unit_test(stat_leaves_a_tenth_to_the_others_and_takes_all_when_alone),
        cmocka_unit_test(urgent_goes_before_routine_but_not_before_its_looks),
        cmocka_unit_test(how_far_a_study_is_counts_what_the_centre_said),
        cmocka_unit_test(after_a_cut_the_centre_is_asked_before_anything_goes_again),
        cmocka_unit_test(every_byte_arrives_and_none_is_twice_on_the_way),
        cmocka_unit_test(what_a_refused_request_named_goes_alone),
        cmocka_unit_test(bad_objects_are_counted_and_offered_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
