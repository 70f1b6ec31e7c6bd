/* test_crowd.c - how many connections are found, on lines of three kinds. */
#include "gateway/uplink/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

typedef double (*line_fn)(unsigned n); /* bytes a second that n connections carry */

static double
each_keeps_the_rate(unsigned n)
{
    (void)n;
    return 1250000.0;
}

static double
each_is_halved_by_loss(unsigned n)
{
    return n * 415000.0 < 1250000.0 ? n * 415000.0 : 1250000.0;
}

static double
each_is_capped_by_the_provider(unsigned n)
{
    return n * 100000.0;
}

/* Look every 50 ms for some seconds. */
static void
run(struct crowd *c, line_fn line, int64_t *now, double *sent, int seconds)
{
    for (int i = 0; i < seconds * 20; i++) {
        *now += 50;
        *sent += line(c->n) / 20.0;
        crowd_look(c, (uint64_t)*sent, true, *now);
    }
}

static void
as_many_as_gain_are_found(void **state)
{
    static const struct {
        const char *name;
        line_fn line;
        unsigned least, most;
    } rows[] = {
        {"BBR", each_keeps_the_rate, 2, 3},
        {"CUBIC and loss", each_is_halved_by_loss, 3, 5},
        {"capped each", each_is_capped_by_the_provider, 6, 6},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct crowd c;
        int64_t now = 1000;
        double sent = 0;

        crowd_init(&c, 6);
        run(&c, rows[i].line, &now, &sent, 15);
        if (c.n < rows[i].least || c.n > rows[i].most)
            fail_msg("%s: %u connections", rows[i].name, c.n);
    }
}

static void
tries_that_gain_nothing_become_rare(void **state)
{
    struct crowd c;
    int64_t now = 1000;
    double sent = 0;
    unsigned tries = 0;

    (void)state;
    crowd_init(&c, 6);
    for (int i = 0; i < 600; i++) {
        unsigned before = c.n;

        run(&c, each_keeps_the_rate, &now, &sent, 1);
        tries += c.n > before;
    }
    assert_in_range(tries, 3, 8);
    assert_int_equal(c.n - (c.is_trial ? 1 : 0), CROWD_FIRST);
}

static void
nothing_is_learnt_while_there_is_little_to_send(void **state)
{
    struct crowd c;
    double sent = 0;

    (void)state;
    crowd_init(&c, 6);
    for (int64_t now = 0; now < 60000; now += 50) {
        sent += 1000;
        crowd_look(&c, (uint64_t)sent, now % 1000 != 0, now + 1);
    }
    assert_int_equal(c.n, CROWD_FIRST);
    crowd_init(&c, 1);
    assert_int_equal(c.n, 1);
}

static void
those_that_stand_still_do_not_count_over_a_line_that_answers(void **state)
{
    static const struct {
        const char *name;
        unsigned streaming, still;
        bool is_answering, has_place;
    } rows[] = {
        {"room", 1, 0, false, true},
        {"no room", 2, 0, false, false},
        {"one of them still, of the others it is not known yet", 2, 1, false, false},
        {"one of them still, the line answers", 2, 1, true, true},
        {"all still: a cut", 2, 2, false, false},
        {"a cut, and room", 1, 1, false, true},
        {"all still, the line answers", 2, 2, true, true},
        {"still ones, and as many as may go on", 4, 2, true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct crowd c;

        crowd_init(&c, 6);
        if (crowd_has_place(&c, rows[i].streaming, rows[i].still, rows[i].is_answering) !=
            rows[i].has_place)
            fail_msg("%s", rows[i].name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_gain_are_found),
        cmocka_unit_test(tries_that_gain_nothing_become_rare),
        cmocka_unit_test(nothing_is_learnt_while_there_is_little_to_send),
        cmocka_unit_test(those_that_stand_still_do_not_count_over_a_line_that_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
