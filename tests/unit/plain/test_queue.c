/* test_queue.c - claims of gateway/plain/queue.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/queue.h"

#include <stdio.h>

static struct item
item_of(uint64_t id, uint64_t due, uint32_t urgency, enum item_state state)
{
    struct item item = {.id = id, .due = due, .urgency = urgency, .state = state, .size = 10};

    snprintf(item.sop_instance, sizeof item.sop_instance, "1.2.%u", (unsigned)id);
    snprintf(item.series, sizeof item.series, "1.%u", (unsigned)(id % 2));
    memset(item.tag, (int)id, sizeof item.tag);
    return item;
}

static void
add(struct queue *q, uint64_t id, uint64_t due, uint32_t urgency, enum item_state state)
{
    struct item item = item_of(id, due, urgency, state);

    queue_put(q, &item);
}

static void
the_urgent_goes_first_then_the_study_that_came_first(void **state)
{
    static const uint64_t want[] = {9, 5, 6, 2, 7};
    struct queue *q = queue_new();
    struct item got;

    (void)state;
    add(q, 7, 7, 0, ITEM_WAITING);
    add(q, 2, 2, 0, ITEM_WAITING);
    add(q, 9, 9, 2, ITEM_WAITING);
    add(q, 6, 1, 0, ITEM_WAITING);
    add(q, 5, 1, 0, ITEM_WAITING);

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(queue_take(q, 0, &got));
        assert_int_equal(got.id, want[i]);
    }
    assert_false(queue_take(q, 0, &got));
    queue_free(&q);
}

static void
a_study_that_was_raised_overtakes(void **state)
{
    struct queue *q = queue_new();
    char studies[4][65];
    struct item item, got;

    (void)state;
    for (uint64_t id = 1; id <= 4; id++) {
        item = item_of(id, id, 0, ITEM_WAITING);
        snprintf(item.study, sizeof item.study, "1.2.%u", id > 2 ? 8u : 7u);
        queue_put(q, &item);
    }
    assert_int_equal(queue_studies(q, studies, 4), 2);
    assert_string_equal(studies[1], "1.2.8");
    queue_urge(q, "1.2.8", 2);

    assert_true(queue_take(q, 0, &got));
    assert_int_equal(got.id, 3);
    queue_free(&q);
}

static void
what_is_put_off_lets_others_go_and_tells_when(void **state)
{
    struct queue *q = queue_new();
    struct item got;

    (void)state;
    add(q, 1, 1, 0, ITEM_WAITING);
    add(q, 2, 2, 0, ITEM_WAITING);
    queue_put_off(q, 1, 500);

    assert_true(queue_take(q, 100, &got));
    assert_int_equal(got.id, 2);
    assert_false(queue_take(q, 499, &got));
    assert_int_equal(queue_next_ms(q, false), 500);
    assert_int_equal(queue_next_ms(q, true), INT64_MAX);
    assert_true(queue_take(q, 500, &got));
    queue_free(&q);
}

static void
questions_come_by_series(void **state)
{
    struct queue *q = queue_new();
    struct item got[8];

    (void)state;
    add(q, 1, 1, 0, ITEM_ACCEPTED);
    add(q, 2, 2, 0, ITEM_DOUBTFUL);
    add(q, 3, 3, 0, ITEM_ACCEPTED);
    add(q, 4, 4, 0, ITEM_WAITING);
    add(q, 5, 5, 0, ITEM_REFUSED);

    assert_int_equal(queue_due_asks(q, 0, got, 8), 3);
    assert_int_equal(got[0].id, 2);
    assert_int_equal(got[1].id, 1);
    assert_int_equal(got[2].id, 3);
    queue_free(&q);
}

static void
what_is_over_is_known_by_its_bytes(void **state)
{
    struct queue *q = queue_new();
    enum item_state known;

    (void)state;
    add(q, 1, 1, 0, ITEM_WAITING);
    queue_set(q, 1, ITEM_FOUND, 5);

    assert_null(queue_open(q, 1));
    assert_true(queue_knows(q, 1, &known));
    assert_int_equal(known, ITEM_FOUND);
    assert_true(queue_is_over_of(q, 1, (const uint8_t *)"\1\1\1\1\1\1\1\1"));
    assert_false(queue_is_over_of(q, 1, (const uint8_t *)"\2\1\1\1\1\1\1\1"));
    queue_free(&q);
}

static void
marks_bring_everything_back(void **state)
{
    static const struct {
        uint64_t id;
        enum item_state was, is;
    } rows[] = {
        {1, ITEM_WAITING, ITEM_WAITING},   {2, ITEM_SENDING, ITEM_DOUBTFUL},
        {3, ITEM_DOUBTFUL, ITEM_DOUBTFUL}, {4, ITEM_ACCEPTED, ITEM_ACCEPTED},
        {5, ITEM_REFUSED, ITEM_REFUSED},   {6, ITEM_FOUND, ITEM_FOUND},
        {7, ITEM_LEFT, ITEM_LEFT},
    };
    struct queue *q = queue_new(), *again = queue_new();
    struct mark mark;
    struct item got;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        add(q, rows[i].id, 1, 0, rows[i].was);
    while (queue_mark_at(q, n, &mark)) {
        queue_replay(again, &mark);
        n++;
    }

    assert_int_equal(n, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum item_state known;

        assert_true(queue_knows(again, rows[i].id, &known));
        assert_int_equal(known, rows[i].is);
    }
    assert_false(queue_take(again, 0, &got)); /* before their entries were looked at */
    queue_free(&q);
    queue_free(&again);
}

static void
what_left_the_spool_is_forgotten(void **state)
{
    static const uint64_t here[] = {2, 5};
    struct queue *q = queue_new();
    struct queue_counts counts;

    (void)state;
    for (uint64_t id = 1; id <= 6; id++)
        add(q, id, id, 0, id % 2 ? ITEM_WAITING : ITEM_FOUND);
    queue_prune(q, here, ARRAY_LEN(here));
    queue_counts(q, &counts);

    assert_int_equal(counts.of[ITEM_WAITING], 1);
    assert_int_equal(counts.of[ITEM_FOUND], 1);
    assert_int_equal(counts.waiting_bytes, 10);
    assert_true(queue_knows(q, 2, NULL));
    assert_true(queue_knows(q, 5, NULL));
    queue_free(&q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_urgent_goes_first_then_the_study_that_came_first),
        cmocka_unit_test(a_study_that_was_raised_overtakes),
        cmocka_unit_test(what_is_put_off_lets_others_go_and_tells_when),
        cmocka_unit_test(questions_come_by_series),
        cmocka_unit_test(what_is_over_is_known_by_its_bytes),
        cmocka_unit_test(marks_bring_everything_back),
        cmocka_unit_test(what_left_the_spool_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
