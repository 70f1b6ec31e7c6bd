/* test_plan_offer.c - what the centre is asked about next, and which emergencies it is told of. */
#include "gateway/uplink/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BATCH = 4, ROW = 10 };

static void
add(struct plan *plan, uint64_t id, int urgency)
{
    struct plan_object o = {.id = id, .size = 1000, .due = (int64_t)id, .urgency = urgency};

    memset(o.object, (int)id, sizeof o.object);
    snprintf(o.study, sizeof o.study, "1.2.%d", urgency);
    plan_add(plan, &o, 0);
}

/* One offer that finds no room; its ids as text. */
static void
refuse_next(struct plan *plan, char *out, size_t size)
{
    uint64_t ids[BATCH];
    size_t n = plan_next_offers(plan, ids, BATCH), at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(out + at, size - at, "%llu ", (unsigned long long)ids[i]);
        plan_put_behind(plan, ids[i]);
    }
}

static void
what_found_no_room_goes_behind_what_was_asked_about_less_often(void **state)
{
    static const char *const wanted[] = {"1 2 3 4 ", "5 6 7 8 ", "9 10 ", "1 2 3 4 ", "5 6 7 8 "};
    struct plan *plan = plan_new(0);
    char ids[64];

    (void)state;
    for (uint64_t id = 1; id <= ROW; id++)
        add(plan, id, 0);
    assert_true(plan_has_unasked(plan));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        refuse_next(plan, ids, sizeof ids);
        assert_string_equal(ids, wanted[i]);
    }
    assert_false(plan_has_unasked(plan));
    assert_true(plan_is_behind(plan, 10));

    plan_room_found(plan);
    assert_false(plan_has_behind(plan));
    refuse_next(plan, ids, sizeof ids);
    assert_string_equal(ids, "1 2 3 4 "); /* in their order again */
    plan_free(&plan);
}

static void
an_emergency_is_in_each_offer_and_leaves_room_for_others(void **state)
{
    static const char *const wanted[] = {"21 22 23 1 ", "21 22 2 3 ", "21 22 4 5 ", "21 22 6 7 "};
    struct plan *plan = plan_new(0);
    uint64_t ids[BATCH];
    char text[64];

    (void)state;
    for (uint64_t id = 1; id <= ROW; id++)
        add(plan, id, 0);
    for (uint64_t id = 21; id <= 23; id++)
        add(plan, id, PLAN_STAT);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        refuse_next(plan, text, sizeof text);
        assert_string_equal(text, wanted[i]);
    }

    assert_int_equal(plan_next_stat_offers(plan, ids, BATCH), 3);
    assert_int_equal(ids[2], 23);
    plan_free(&plan);
}

static void
the_emergencies_that_are_here_are_named(void **state)
{
    struct plan *plan = plan_new(0);
    char studies[LINK_STAT_SIZE];

    (void)state;
    for (unsigned i = 0; i < LINK_STAT_STUDIES + 4; i++) {
        struct plan_object o = {.id = i + 1, .size = 100000, .due = i, .urgency = PLAN_STAT};

        snprintf(o.study, sizeof o.study, "1.2.%u", 100 + i);
        if (i < 2) {
            o.urgency = (int)i; /* routine, urgent */
            plan_add(plan, &o, 0);
            plan_stat_studies(plan, studies);
            assert_string_equal(studies, "");
            continue;
        }
        plan_add(plan, &o, 0);
        if (i == 3) {
            plan_stat_studies(plan, studies);
            assert_string_equal(studies, "1.2.102 1.2.103");
        }
    }
    plan_stat_studies(plan, studies); /* no more than fit into a header */
    assert_int_equal(strlen(studies), LINK_STAT_STUDIES * sizeof "1.2.100" - 1);
    for (unsigned i = 0; i < LINK_STAT_STUDIES + 4; i++)
        plan_drop(plan, i + 1);
    plan_stat_studies(plan, studies);
    assert_string_equal(studies, "");
    plan_free(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_found_no_room_goes_behind_what_was_asked_about_less_often),
        cmocka_unit_test(an_emergency_is_in_each_offer_and_leaves_room_for_others),
        cmocka_unit_test(the_emergencies_that_are_here_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
