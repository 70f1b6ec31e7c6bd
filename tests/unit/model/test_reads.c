/* test_reads.c - the table of a read's states: reachable, no dead event, words there and back, and
 * the promises that a table can keep. */
#include "proto/model/reads.h"

#include "proto/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    enum read_state from;
    enum read_event event;
    enum read_state to;
} rows[] = {
#define ROW(from, event, to, action) {from, event, to},
#include "proto/model/read_states.def"
};

static const unsigned nothing_stands = READ_BIT(READ_UNAGREED) | READ_BIT(READ_WAITING) |
                                       READ_BIT(READ_ASSIGNED) | READ_BIT(READ_CLAIMED);

/* All that is reached from these, without the events in the mask. */
static unsigned
reach(unsigned from, uint64_t without)
{
    for (int round = 0; round < READ_STATES; round++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if ((from & READ_BIT(rows[i].from)) && !(without >> rows[i].event & 1))
                from |= READ_BIT(rows[i].to);
    return from;
}

static void
every_state_is_reached_from_the_two_first(void **state)
{
    unsigned begin = READ_BIT(READ_UNAGREED) | READ_BIT(READ_WAITING);

    (void)state;
    assert_int_equal(reach(begin, 0), (1u << READ_STATES) - 1);
}

static void
from_every_state_a_signature_can_be_reached(void **state)
{
    (void)state;
    for (int s = 0; s < READ_STATES; s++)
        assert_true(reach(READ_BIT(s), 0) & READ_BIT(READ_SIGNED));
}

static void
a_pair_is_listed_once_and_dispatched(void **state)
{
    enum read_action action;
    enum read_state to;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = i + 1; k < ARRAY_LEN(rows); k++)
            assert_false(rows[i].from == rows[k].from && rows[i].event == rows[k].event);
        assert_true(read_next(rows[i].from, rows[i].event, &to, &action));
        assert_int_equal(to, rows[i].to);
    }
}

static void
every_event_moves_something_and_no_note_does(void **state)
{
    (void)state;
    for (int e = 0; e < READ_EVENTS; e++) {
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            n += rows[i].event == (enum read_event)e;
        if (read_event_is_note((enum read_event)e))
            assert_int_equal(n, 0);
        else
            assert_true(n > 0);
    }
}

static void
late_images_are_taken_in_every_state(void **state)
{
    enum read_action action;
    enum read_state to;

    (void)state;
    for (int s = 0; s < READ_STATES; s++) {
        assert_true(read_next((enum read_state)s, READ_SAW_LATE, &to, &action));
        if (s != READ_WRITTEN && s != READ_REVIEWED)
            assert_int_equal(to, s); /* a signed report stands, and says what it covers */
        else
            assert_int_equal(to, READ_DRAFTED); /* nobody signs images that nobody saw */
    }
}

static void
only_a_signed_report_is_said_to_stand_and_nothing_moves(void **state)
{
    const unsigned where = READ_BIT(READ_SIGNED) | READ_BIT(READ_AMENDED);
    enum read_action action;
    enum read_state to;

    (void)state;
    for (int s = 0; s < READ_STATES; s++) {
        bool may = read_next((enum read_state)s, READ_SAW_STANDS, &to, &action);

        assert_int_equal(may, (where & READ_BIT(s)) != 0);
        if (may)
            assert_int_equal(to, s);
    }
}

static void
no_final_signature_without_a_review(void **state)
{
    const uint64_t review = 1ull << READ_SAW_REVIEW;

    (void)state;
    assert_false(reach(nothing_stands, review) & (READ_BIT(READ_SIGNED) | READ_BIT(READ_AMENDED)));
}

static void
a_signed_report_is_left_only_by_amending_or_withdrawing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].from == READ_SIGNED || rows[i].from == READ_AMENDED) &&
            rows[i].to != rows[i].from)
            assert_true(rows[i].event == READ_SAW_AMEND || rows[i].event == READ_SAW_WITHDRAW);
}

static void
words_come_back(void **state)
{
    (void)state;
    for (int s = 0; s < READ_STATES; s++) {
        assert_int_equal(read_state_from_word(read_state_word((enum read_state)s)), s);
        assert_true(strlen(read_state_meaning((enum read_state)s)) > 5);
    }
    for (int e = 0; e < READ_EVENTS; e++) {
        assert_int_equal(read_event_from_word(read_event_word((enum read_event)e)), e);
        assert_true(strlen(read_event_meaning((enum read_event)e)) > 5);
    }
    assert_int_equal(read_state_from_word("complete"), -1);
    assert_int_equal(read_event_from_word("complete"), -1);
}

/* The part of docs/reads.md that is drawn from the table. */
static void
draw(struct buf *b)
{
    buf_add_text(b, "| state | what it means |\n|---|---|\n");
    for (int s = 0; s < READ_STATES; s++)
        buf_add_printf(b, "| %s | %s |\n", read_state_word((enum read_state)s),
                       read_state_meaning((enum read_state)s));
    buf_add_text(b, "\n| event | what happened |\n|---|---|\n");
    for (int e = 0; e < READ_EVENTS; e++)
        if (!read_event_is_note((enum read_event)e))
            buf_add_printf(b, "| %s | %s |\n", read_event_word((enum read_event)e),
                           read_event_meaning((enum read_event)e));
    buf_add_text(b, "\n```\n");
    for (int s = 0; s < READ_STATES; s++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].from == (enum read_state)s && rows[i].to != rows[i].from)
                buf_add_printf(b, "%-12s --%s--> %s\n", read_state_word(rows[i].from),
                               read_event_word(rows[i].event), read_state_word(rows[i].to));
    buf_add_text(b, "\nstays where it is:\n");
    for (int s = 0; s < READ_STATES; s++) {
        buf_add_printf(b, "%-12s ", read_state_word((enum read_state)s));
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].from == (enum read_state)s && rows[i].to == rows[i].from)
                buf_add_printf(b, " %s", read_event_word(rows[i].event));
        buf_add_text(b, "\n");
    }
    buf_add_text(b, "```\n");
}

static void
docs_hold_the_table_as_it_is(void **state)
{
    static const char mark[] = "<!-- drawn from proto/model/read_states.def -->\n";
    FILE *f = fopen("docs/reads.md", "re");
    static char text[65536];
    const char *at;
    struct buf b;

    (void)state;
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    buf_init(&b, sizeof text);
    draw(&b);
    at = strstr(text, mark);
    if (at == NULL || strncmp(at + strlen(mark), buf_text(&b), b.n) != 0) {
        fputs(buf_text(&b), stdout);
        fail_msg("after its mark docs/reads.md is to say what stands above");
    }
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_reached_from_the_two_first),
        cmocka_unit_test(from_every_state_a_signature_can_be_reached),
        cmocka_unit_test(a_pair_is_listed_once_and_dispatched),
        cmocka_unit_test(every_event_moves_something_and_no_note_does),
        cmocka_unit_test(late_images_are_taken_in_every_state),
        cmocka_unit_test(only_a_signed_report_is_said_to_stand_and_nothing_moves),
        cmocka_unit_test(no_final_signature_without_a_review),
        cmocka_unit_test(a_signed_report_is_left_only_by_amending_or_withdrawing),
        cmocka_unit_test(words_come_back),
        cmocka_unit_test(docs_hold_the_table_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
