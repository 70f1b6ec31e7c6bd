/* test_states.c - the table of states: reachable, no dead pair, words there and back. */
#include "proto/model/states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    enum instance_state from;
    enum instance_event event;
    enum instance_state to;
} rows[] = {
#define ROW(from, event, to, action) {from, event, to},
#include "proto/model/instance_states.def"
};

static void
every_state_is_reached_from_received(void **state)
{
    unsigned reached = INSTANCE_BIT(INSTANCE_RECEIVED);

    (void)state;
    for (int round = 0; round < INSTANCE_STATES; round++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (reached & INSTANCE_BIT(rows[i].from))
                reached |= INSTANCE_BIT(rows[i].to);

    assert_int_equal(reached, INSTANCE_ANY);
}

static void
a_pair_is_listed_once_and_dispatched(void **state)
{
    enum instance_state to;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = i + 1; k < ARRAY_LEN(rows); k++)
            assert_false(rows[i].from == rows[k].from && rows[i].event == rows[k].event);
        assert_true(instance_next(rows[i].from, rows[i].event, &to));
        assert_int_equal(to, rows[i].to);
    }
}

static void
only_a_person_or_its_loss_takes_an_instance_out_of_sealed(void **state)
{
    enum instance_state to;

    (void)state;
    for (int event = 0; event < 32; event++)
        if (event != INSTANCE_SAW_REQUEUE && event != INSTANCE_SAW_REQUEUE_PLAIN &&
            event != INSTANCE_SAW_AGAIN)
            assert_false(instance_next(INSTANCE_SEALED, (enum instance_event)event, &to));
}

static void
only_what_was_inspected_is_sealed(void **state)
{
    enum instance_state to;

    (void)state;
    assert_false(instance_next(INSTANCE_RECEIVED, INSTANCE_SAW_SEALED, &to));
    assert_false(instance_next(INSTANCE_INSPECTED, INSTANCE_SAW_SEALED, &to));
    assert_false(instance_next(INSTANCE_QUARANTINED, INSTANCE_SAW_SEALED, &to));
}

static void
only_what_is_quarantined_is_thrown_away_and_only_a_person_takes_it_back(void **state)
{
    enum instance_state to;

    (void)state;
    for (int s = 0; s < INSTANCE_STATES; s++)
        assert_int_equal(instance_next((enum instance_state)s, INSTANCE_SAW_DISCARD, &to),
                         s == INSTANCE_QUARANTINED);
    for (int event = 0; event < 32; event++)
        assert_int_equal(instance_next(INSTANCE_DISCARDED, (enum instance_event)event, &to),
                         event == INSTANCE_SAW_RELEASE);
    for (int s = 0; s < INSTANCE_STATES; s++)
        assert_int_equal(instance_next((enum instance_state)s, INSTANCE_SAW_FIRST_DISCARD, &to),
                         s == INSTANCE_DUPLICATE);
}

static void
words_come_back(void **state)
{
    (void)state;
    for (int s = 0; s < INSTANCE_STATES; s++) {
        assert_int_equal(instance_state_from_word(instance_state_word((enum instance_state)s)), s);
        assert_true(strlen(instance_state_meaning((enum instance_state)s)) > 5);
    }
    assert_int_equal(instance_state_from_word("complete"), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reached_from_received),
        cmocka_unit_test(a_pair_is_listed_once_and_dispatched),
        cmocka_unit_test(only_a_person_or_its_loss_takes_an_instance_out_of_sealed),
        cmocka_unit_test(only_what_was_inspected_is_sealed),
        cmocka_unit_test(only_what_is_quarantined_is_thrown_away_and_only_a_person_takes_it_back),
        cmocka_unit_test(words_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
