/* test_his_answers.c - what a HIS answers to a report, in the ways that real ones do. */
#include "proto/base/clock.h"
#include "tests/support/his_peer.h"
#include "tests/support/his_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ACK "MSH|^~\\&|HIS|H|RADPOST|C|1||ACK^R01|A7|P|2.3.1\r"

/* The same report came every quarter of an hour, and the desk said "hung up without an answer". */
static void
an_answer_that_names_no_message_is_the_one_on_this_connection(void **state)
{
    (void)state;
    his_peer_says(ACK "MSA|AA|\r", true);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));

    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    assert_string_equal(his_delivery(HIS_HL7, 1, false).receipt, "AA A7 (MSA-2 empty)");
    assert_false(his_step(HIS_HL7, NULL));
    assert_int_equal(his_peer_count(), 1);
}

static void
no_report_is_told_without_end_to_a_his_whose_answers_name_another(void **state)
{
    static const struct {
        const char *what, *says;
        bool is_framed;
        const char *trouble, *said;
    } rows[] = {
        {"another number", ACK "MSA|AA|1\r", true, HIS_ANSWERED_ANOTHER, "AA 1"},
        {"refused for another", ACK "MSA|AE|1\r", true, HIS_ANSWERED_ANOTHER, "AE 1"},
        {"no answer at all", ACK "EVN|1\r", true, HIS_ANSWERED_ANOTHER, " "},
        {"no frame", ACK "MSA|AA|@\r", false, HIS_ANSWERED_UNFRAMED, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned tries = 0;

        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        clock_fake(INT64_C(1795307400) * 1000000, 1000);
        his_peer_says(rows[i].says, rows[i].is_framed);
        his_report(CLINIC_REPORT, 1, "");
        for (; tries < 10 && his_step(HIS_HL7, NULL); tries++)
            clock_fake_advance(HIS_WAIT_MS);

        if (tries != 3 || his_peer_count() != 3 ||
            his_delivery(HIS_HL7, 1, false).state != HIS_REFUSED ||
            strcmp(his_delivery(HIS_HL7, 1, false).trouble, rows[i].trouble) != 0 ||
            strcmp(his_delivery(HIS_HL7, 1, false).receipt, rows[i].said) != 0)
            fail_msg("%s: %u tries, %s, %s", rows[i].what, tries,
                     his_delivery(HIS_HL7, 1, false).trouble,
                     his_delivery(HIS_HL7, 1, false).receipt);
        his_again(his_delivery(HIS_HL7, 1, false).n); /* somebody looked, and it is mended there */
        his_peer_says(ACK "MSA|AA|@\r", true);
        assert_true(his_step(HIS_HL7, NULL));
        assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    }
}

static void
trouble_of_the_his_is_known_in_each_version_and_its_words_are_shown(void **state)
{
    static const struct {
        const char *what, *says;
        bool is_retried;
        const char *trouble, *said;
    } rows[] = {
        {"2.5", ACK "MSA|AR|@|busy\rERR|||207|E\r", true, "the HIS answered AR 207", "busy"},
        {"2.3.1 ERR-1", ACK "MSA|AR|@|busy\rERR|^^^207&Application internal error&HL70357\r", true,
         "the HIS answered AR 207", "busy"},
        {"2.3.1 MSA-6", ACK "MSA|AR|@||||207^busy\r", true, "the HIS answered AR 207", ""},
        {"record locked", ACK "MSA|AR|@||||206\r", true, "the HIS answered AR 206", ""},
        {"refused in 2.3.1", ACK "MSA|AR|@|no\rERR|PID^1^3^101&Required field missing\r", false,
         "the HIS answered AR 101", "no"},
        {"without a code", ACK "MSA|AE|@|王昞倈 unknown\r", false, "the HIS answered AE",
         "王昞倈 unknown"},
        {"of the message's number, unnamed", ACK "MSA|AE||no\r", false, "the HIS answered AE",
         "no"},
        {"words in ERR-8", ACK "MSA|AE|@\rERR|||102|E||||a date\r", false,
         "the HIS answered AE 102", "a date"},
        {"a name where a code is due", ACK "MSA|AE|@||||王昞\r", false, "the HIS answered AE", ""},
        {"a name before the code", ACK "MSA|AE|@||||101\rERR|||Wang|E\r", false,
         "the HIS answered AE 101", ""},
        {"words for an answer", ACK "MSA|Wang|@\r", false,
         "the HIS answered nothing that is an answer", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_down = false;

        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        his_peer_says(rows[i].says, true);
        his_report(CLINIC_REPORT, 1, "");
        assert_true(his_step(HIS_HL7, &is_down));

        if (is_down != rows[i].is_retried ||
            his_delivery(HIS_HL7, 1, false).state != (is_down ? HIS_WAITING : HIS_REFUSED) ||
            strcmp(his_delivery(HIS_HL7, 1, false).trouble, rows[i].trouble) != 0 ||
            strcmp(his_delivery(HIS_HL7, 1, false).receipt, rows[i].said) != 0)
            fail_msg("%s: down %d, %s, %s", rows[i].what, is_down,
                     his_delivery(HIS_HL7, 1, false).trouble,
                     his_delivery(HIS_HL7, 1, false).receipt);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, his_world_open, his_world_close)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_that_names_no_message_is_the_one_on_this_connection),
        TEST(no_report_is_told_without_end_to_a_his_whose_answers_name_another),
        TEST(trouble_of_the_his_is_known_in_each_version_and_its_words_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
