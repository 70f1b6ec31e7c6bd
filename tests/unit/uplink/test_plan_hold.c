/* test_plan_hold.c - when a line comes up, the looks that waited for it arrive before any rest
 * goes.
 */
#include "gateway/uplink/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SIZE = 1000, LOOK = 120, PIECES = 64 };

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

static void
answer_looked(struct plan *plan, uint64_t id)
{
    struct range have = {0, LOOK};
    struct link_object_state answer = {.state = LINK_LOOKED, .have = &have, .have_n = 1};

    plan_answered(plan, id, &answer);
}

static void
a_line_that_comes_up_carries_no_rest_before_waiting_looks(void **state)
{
    struct plan *plan = plan_new(0);
    struct link_object_state wanted = {.state = LINK_WANTED};
    struct plan_piece pieces[PIECES];
    uint64_t ids[PIECES];
    int64_t wait;

    (void)state;
    for (uint64_t id = 1; id <= 3; id++)
        add(plan, id, "1.1", 100);
    plan_hold_rests(plan, 3, 10000);
    assert_int_equal(plan_next_offers(plan, ids, 1), 1);
    plan_offered(plan, 1, &wanted);

    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10100, &wait), 1);
    assert_true(pieces[0].is_look);
    assert_int_equal(wait, 8000);
    assert_int_equal(plan_next_offers(plan, ids, 1), 1);
    plan_offered(plan, 2, &wanted); /* an answer begins the wait anew */
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 12000, &wait), 1);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 19999, &wait), 0);
    assert_int_equal(wait, 1);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 20000, &wait), 2); /* no longer */
    assert_false(pieces[0].is_look);
    plan_free(&plan);
}

static void
when_the_last_waiting_look_is_there_rests_go(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_object object;
    struct plan_piece pieces[PIECES];
    int64_t wait;

    (void)state;
    add(plan, 1, "1.1", 100);
    add(plan, 2, "1.1", 100);
    plan_hold_rests(plan, 3, 10000);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10001, &wait), 2);
    plan_arrived(plan, pieces, 2);
    answer_looked(plan, 1);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10001, &wait), 0);
    answer_looked(plan, 2);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10001, &wait), 2);
    object = object_of(3, "1.2", 101);
    plan_add(plan, &object, 12000); /* what comes later holds nothing up */
    plan_put_back(plan, &pieces[1]);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10002, &wait), 1);
    plan_free(&plan);
}

static void
what_arrives_after_the_line_came_up_holds_no_rest_up(void **state)
{
    struct plan *plan = plan_new(0);
    struct plan_piece pieces[PIECES];
    int64_t wait;

    (void)state;
    plan_hold_rests(plan, 1, 10000);
    add(plan, 1, "1.1", 100); /* it was coded when the line came up */
    offer_all(plan, LINK_WANTED);
    add(plan, 2, "1.1", 101);
    offer_all(plan, LINK_WANTED);
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10001, &wait), 2);
    assert_true(pieces[0].is_look && pieces[1].is_look);
    answer_looked(plan, 1); /* the second's look is still on its way */
    assert_int_equal(plan_take(plan, 1000000, pieces, PIECES, 10002, &wait), 2);
    assert_false(pieces[0].is_look);
    plan_free(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_comes_up_carries_no_rest_before_waiting_looks),
        cmocka_unit_test(when_the_last_waiting_look_is_there_rests_go),
        cmocka_unit_test(what_arrives_after_the_line_came_up_holds_no_rest_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
