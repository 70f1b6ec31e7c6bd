/* test_his_again.c - what of a read still counts for a HIS: what is never sent once more, and whom
 * a withdrawal is told. */
#include "proto/base/clock.h"
#include "tests/support/his_peer.h"
#include "tests/support/his_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void
not_again(int64_t n)
{
    struct err err;

    assert_int_equal(his_book_step(book, n, HIS_SAW_AGAIN, "anna", 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_false(his_step(HIS_HL7, NULL));
}

static void
what_was_overtaken_is_never_told_again(void **state)
{
    (void)state;
    his_peer_answer(HIS_PEER_AE);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    his_peer_answer(HIS_PEER_AA);
    assert_false(his_delivery(HIS_HL7, 1, false).is_overtaken);
    his_report(CLINIC_AMENDED, 2, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_true(his_delivery(HIS_HL7, 1, false).is_overtaken);
    not_again(his_delivery(HIS_HL7, 1, false).n);

    his_hear(CLINIC_WITHDRAWN, 2, false, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    not_again(his_delivery(HIS_HL7, 2, false).n);
    his_again(his_delivery(HIS_HL7, 2, true).n); /* the withdrawal itself counts */
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    his_report(CLINIC_AMENDED, 3, "y");
    assert_true(his_step(HIS_HL7, NULL));
    not_again(his_delivery(HIS_HL7, 2, true).n);
}

static void
a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    his_report(CLINIC_AMENDED, 2, "x");
    his_hear(CLINIC_WITHDRAWN, 2, false, "y");
    while (his_step(HIS_HL7, NULL))
        ;

    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_OBSOLETE);
    assert_int_equal(his_delivery(HIS_HL7, 2, true).state, HIS_DELIVERED);
    assert_int_equal(his_peer_count(), 2);
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
}

static void
a_withdrawal_is_told_wherever_a_try_may_have_reached(void **state)
{
    static const struct {
        const char *name;
        enum his_peer_answer answer;
        bool is_hurried;
    } rows[] = {
        {"refused", HIS_PEER_AE, false},
        {"unanswered", HIS_PEER_HANGS_UP, false},
        {"unanswered, then a person cannot wait", HIS_PEER_HANGS_UP, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        his_peer_answer(rows[i].answer);
        his_report(CLINIC_REPORT, 1, "");
        assert_true(his_step(HIS_HL7, NULL));
        his_peer_answer(HIS_PEER_AA);
        his_hear(CLINIC_WITHDRAWN, 1, false, "x");
        if (rows[i].is_hurried)
            his_again(his_delivery(HIS_HL7, 1, false).n);
        else if (rows[i].answer == HIS_PEER_HANGS_UP)
            clock_fake(clock_wall_us() + HIS_WAIT_MS * INT64_C(1000), 1000);
        while (his_step(HIS_HL7, NULL))
            ;
        if (his_delivery(HIS_HL7, 1, true).state != HIS_DELIVERED)
            fail_msg("%s: the withdrawal is %s", rows[i].name,
                     his_state_word(his_delivery(HIS_HL7, 1, true).state));
        assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    }
}

static uint32_t tries_when_heard;

static void
look_into_the_book(void)
{
    tries_when_heard = his_delivery(HIS_HL7, 1, false).tries;
}

/* So that the power may fail here, and a withdrawal is told all the same. */
static void
a_try_is_in_the_book_before_the_target_hears_of_it(void **state)
{
    (void)state;
    his_peer_when_heard(look_into_the_book);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));

    assert_int_equal(his_peer_count(), 1);
    assert_int_equal(tries_when_heard, 1);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).tries, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, his_world_open, his_world_close)
    const struct CMUnitTest tests[] = {
        TEST(what_was_overtaken_is_never_told_again),
        TEST(a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is),
        TEST(a_withdrawal_is_told_wherever_a_try_may_have_reached),
        TEST(a_try_is_in_the_book_before_the_target_hears_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
