/* test_plan_look.c - the first look of a multi-frame goes in the order of what it is worth; of
 * large files without layers the head of the first of each study goes with the looks. */
#include "gateway/uplink/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { HOLD_MS = 30000, SIZE = 1000, HEAD = 65536, PIECES = 64 };

/* A head and three frames; the middle one is worth most. */
static const struct range order[] = {{0, 100}, {400, 440}, {100, 140}, {700, 740}};

static struct plan *
planned(void)
{
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_object o = {
        .id = 1, .size = SIZE, .study = "1.1", .look = order, .look_n = ARRAY_LEN(order)};
    struct link_object_state answer = {.state = LINK_WANTED};
    uint64_t id;

    plan_add(plan, &o, 0);
    assert_int_equal(plan_next_offers(plan, &id, 1), 1);
    plan_offered(plan, 1, &answer);
    return plan;
}

static size_t
take(struct plan *plan, uint64_t bytes, struct plan_piece *pieces)
{
    int64_t wait;

    return plan_take(plan, bytes, pieces, PIECES, 0, &wait);
}

static void
assert_is(const struct plan_piece *piece, uint64_t from, uint64_t to)
{
    assert_int_equal(piece->offset, from);
    assert_int_equal(piece->offset + piece->n, to);
    assert_true(piece->is_look);
}

static void
the_middle_frame_goes_before_the_others(void **state)
{
    struct plan *plan = planned();
    struct plan_piece pieces[PIECES];

    (void)state;
    assert_int_equal(take(plan, 1000000, pieces), ARRAY_LEN(order));

    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_is(&pieces[i], order[i].from, order[i].to);
    plan_free(&plan);
}

static void
a_small_request_stops_anywhere_and_the_next_goes_on_there(void **state)
{
    struct plan *plan = planned();
    struct plan_piece pieces[PIECES];

    (void)state;
    assert_int_equal(take(plan, 110, pieces), 2);
    assert_is(&pieces[1], 400, 410);
    assert_int_equal(take(plan, 50, pieces), 2);
    assert_is(&pieces[0], 410, 440);
    assert_is(&pieces[1], 100, 120);

    plan_put_back(plan, &pieces[0]);

    assert_int_equal(take(plan, 1000, pieces), 3);
    assert_is(&pieces[0], 410, 440);
    assert_is(&pieces[1], 120, 140);
    assert_is(&pieces[2], 700, 740);
    plan_free(&plan);
}

static void
after_a_cut_what_is_missing_goes_in_the_same_order(void **state)
{
    static const struct range have[] = {{0, 120}};
    struct link_object_state answer = {
        .state = LINK_PARTIAL, .have = (struct range *)have, .have_n = 1};
    struct plan *plan = planned();
    struct plan_piece pieces[PIECES];
    uint64_t id;
    size_t n = take(plan, 1000000, pieces);

    (void)state;
    plan_failed(plan, pieces, n);
    assert_int_equal(plan_next_offers(plan, &id, 1), 1);
    plan_offered(plan, 1, &answer);

    assert_int_equal(take(plan, 1000000, pieces), 3);
    assert_is(&pieces[0], 400, 440);
    assert_is(&pieces[1], 120, 140);
    assert_is(&pieces[2], 700, 740);
    plan_free(&plan);
}

/* Both are whole long after; whose they are is known at once. */
static void
of_each_study_of_large_plain_files_one_head_goes_before_their_rests(void **state)
{
    static const struct plan_object objects[] = {{.id = 1, .size = 10 << 20, .study = "1.1"},
                                                 {.id = 2, .size = 1 << 20, .study = "1.2"},
                                                 {.id = 3, .size = 1 << 20, .study = "1.2"}};
    struct link_object_state answer = {.state = LINK_WANTED};
    struct plan *plan = plan_new(HOLD_MS);
    struct plan_piece pieces[PIECES];
    struct plan_looked looked;
    uint64_t ids[3];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        plan_add(plan, &objects[i], 0);
    assert_int_equal(plan_next_offers(plan, ids, 3), 3);
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        plan_offered(plan, ids[i], &answer);

    assert_int_equal(take(plan, 2 * HEAD + PLAN_CHUNK, pieces), 3);
    assert_int_equal(pieces[0].id, 1);
    assert_is(&pieces[0], 0, HEAD);
    assert_int_equal(pieces[1].id, 2);
    assert_is(&pieces[1], 0, HEAD);
    assert_int_equal(pieces[2].id, 1); /* nothing waits for an answer to a head */
    assert_false(pieces[2].is_look);
    assert_int_equal(pieces[2].offset, HEAD);
    assert_false(plan_next_looked(plan, &looked)); /* they are no looks */
    plan_free(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_middle_frame_goes_before_the_others),
        cmocka_unit_test(a_small_request_stops_anywhere_and_the_next_goes_on_there),
        cmocka_unit_test(after_a_cut_what_is_missing_goes_in_the_same_order),
        cmocka_unit_test(of_each_study_of_large_plain_files_one_head_goes_before_their_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
