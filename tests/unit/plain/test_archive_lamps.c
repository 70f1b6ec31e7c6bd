/* test_archive_lamps.c - another archive that is not well has a lamp at the desk, with the reason
 * and since when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/desk/lamps.h"
#include "proto/base/buf.h"
#include "proto/codec/codec.h"
#include "tests/support/plain_peer.h"
#include "tests/support/plain_world.h"

/* As the desk's state has them; valid until the next call. */
static const char *
lamps(struct plain_world *x)
{
    static char text[1024];
    struct jsonw w;
    struct buf out;

    buf_init(&out, sizeof text - 1);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    lamp_write_targets(&w, x->plain);
    jsonw_end(&w);
    snprintf(text, sizeof text, "%s", buf_text(&out));
    buf_fini(&out);
    return text;
}

static void
assert_lamp(struct plain_world *x, const char *word, const char *colour)
{
    char wanted[128];
    struct plain_state states[PLAIN_STATES];

    snprintf(wanted, sizeof wanted, "\"word\":\"%s\",\"colour\":\"%s\",\"name\":\"pacs\"", word,
             colour);
    if (strstr(lamps(x), wanted) == NULL)
        fail_msg("%s: %s", wanted, lamps(x));
    assert_true(plain_world_says(x, "colour", colour)); /* as the page of devices shows it */
    assert_int_equal(plain_states(x->plain, states), 1);
    assert_true(states[0].since_us > 0);
}

static void
one_that_is_away_is_amber_then_red(void **state)
{
    struct plain_world *x = *state;

    plain_world_start(x);
    assert_string_equal(lamps(x), "{\"archives\":[]}"); /* nothing was to go there yet */
    plain_peer_stop();
    plain_world_arrive(x, 1, 2);
    PLAIN_AWAIT(x, plain_world_says(x, "line", "down") && plain_world_number(x, "waiting") == 2);

    assert_lamp(x, "TARGET_DOWN", "amber");
    assert_non_null(strstr(lamps(x), "\"waiting\":2"));
    assert_null(strstr(lamps(x), "\"trouble\":\"\""));
    clock_fake(clock_wall_us() + INT64_C(700000000), clock_mono_ms());
    assert_lamp(x, "TARGET_DOWN_LONG", "red");
    clock_unfake();
    plain_peer_start(0); /* for the teardown */
}

static void
one_that_lets_nobody_in_is_red_until_it_does(void **state)
{
    struct plain_world *x = *state;

    plain_peer.is_closed = true;
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "line", "denied"));
    assert_lamp(x, "TARGET_DENIED", "red");

    gate_lock(&plain_peer.gate);
    plain_peer.is_closed = false;
    gate_unlock(&plain_peer.gate);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1);
    assert_string_equal(lamps(x), "{\"archives\":[]}");
}

static void
one_that_answers_no_queries_is_red(void **state)
{
    struct plain_world *x = *state;

    plain_peer.has_no_query = true;
    plain_world_arrive(x, 1, 1);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_says(x, "asking", "unable"));

    assert_lamp(x, "TARGET_CANNOT_ASK", "red");
}

static void
one_that_refuses_images_is_amber_without_its_own_words(void **state)
{
    struct plain_world *x = *state;

    snprintf(plain_peer.refused, sizeof plain_peer.refused, "1.2.9.2");
    plain_peer.refusal = DIMSE_CLASS_DIFFERS;
    plain_peer.comment = "WANG XIAODONG IS UNKNOWN";
    plain_world_arrive(x, 1, 2);
    plain_world_start(x);
    PLAIN_AWAIT(x, plain_world_number(x, "there") == 1 && plain_world_number(x, "refused") == 1);

    assert_lamp(x, "TARGET_REFUSES", "amber");
    assert_non_null(strstr(lamps(x), "\"refused\":1"));
    assert_null(strstr(lamps(x), "WANG"));
}

/* Whoever opened the desk ended the gateway. */
static void
of_a_table_of_more_lines_than_targets_each_stands_somehow(void **state)
{
    struct plain_world *x = *state;
    struct plain_state states[PLAIN_STATES];
    size_t n = strlen(x->target);

    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(x->target + n, sizeof x->target - n, "\nct%d", i);
    assert_true(n < sizeof x->target);
    plain_world_start(x);

    assert_int_equal(plain_states(x->plain, states), PLAIN_STATES);
    assert_int_equal(states[0].ill, PLAIN_ILL_UNTRIED);
    assert_int_equal(states[PLAIN_STATES - 1].ill, PLAIN_ILL_WRONG);
    assert_non_null(strstr(lamps(x), "\"word\":\"TARGETS_TABLE\",\"colour\":\"red\""));
}

int
main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, plain_world_setup, plain_world_teardown)
    const struct CMUnitTest tests[] = {
        T(one_that_is_away_is_amber_then_red),
        T(one_that_lets_nobody_in_is_red_until_it_does),
        T(one_that_answers_no_queries_is_red),
        T(one_that_refuses_images_is_amber_without_its_own_words),
        T(of_a_table_of_more_lines_than_targets_each_stands_somehow),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, plain_world_begin, plain_world_end);
}
