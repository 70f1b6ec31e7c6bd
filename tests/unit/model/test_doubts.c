/* test_doubts.c - what one instance's identifiers tell, and the table. */
#include "proto/model/doubts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* 2026-11-22 */
static const int64_t now_us = INT64_C(1795305600) * 1000000;

static const struct {
    const char *name, *patient_id, *sex, *birth, *study_date, *study_uid;
    uint32_t wanted;
} rows[] = {
    {"a citizen whose facts agree", "11010519491231002X", "F", "19491231", "20261122", "1.2.3", 0},
    {"the standard's vector typed small", " 11010519491231002x ", "F", "19491231", "20261122",
     "1.2.3", 0},
    {"in full width", "１１０１０５１９４９１２３１００２Ｘ", "F", "19491231", "20261122", "1.2.3",
     0},
    {"wrong check sign", "110105194912310021", "F", "19491231", "20261122", "1.2.3",
     DOUBT_ID_CHECK},
    {"a day that is none", "11010519491331002X", "F", "19491231", "20261122", "1.2.3",
     DOUBT_ID_CHECK},
    {"no such province", "99010519491231002X", "F", "19491231", "20261122", "1.2.3",
     DOUBT_ID_CHECK},
    {"another sex", "11010519491231002X", "M", "19491231", "20261122", "1.2.3", DOUBT_ID_SEX},
    {"sex not said", "11010519491231002X", "", "19491231", "20261122", "1.2.3", 0},
    {"sex other", "11010519491231002X", "O", "19491231", "20261122", "1.2.3", 0},
    {"another birth date", "11010519491231002X", "F", "19491230", "20261122", "1.2.3",
     DOUBT_ID_BIRTH},
    {"birth date not said", "11010519491231002X", "F", "", "20261122", "1.2.3", 0},
    {"both", "11010519491231002X", "M", "19700101", "20261122", "1.2.3",
     DOUBT_ID_SEX | DOUBT_ID_BIRTH},
    {"fifteen digits that agree", "110105491231002", "F", "19491231", "20261122", "1.2.3", 0},
    {"fifteen digits, another sex", "110105491231002", "M", "19491231", "20261122", "1.2.3",
     DOUBT_ID_SEX},
    {"fifteen digits of the clinic's own", "202611220000001", "M", "19491231", "20261122", "1.2.3",
     0},
    {"the clinic's own number", "R261122-17", "M", "19491231", "20261122", "1.2.3", 0},
    {"no number", "", "M", "19491231", "20261122", "1.2.3", DOUBT_NO_PATIENT},
    {"one", "1", "M", "19491231", "20261122", "1.2.3", DOUBT_NO_PATIENT},
    {"noughts", "000000", "M", "19491231", "20261122", "1.2.3", DOUBT_NO_PATIENT},
    {"a word", "Unknown", "M", "19491231", "20261122", "1.2.3", DOUBT_NO_PATIENT},
    {"a Chinese word", "无名氏", "M", "19491231", "20261122", "1.2.3", DOUBT_NO_PATIENT},
    {"twelve is a number", "12", "M", "19491231", "20261122", "1.2.3", 0},
    {"1970", "R1", "M", "", "19700101", "1.2.3", DOUBT_STUDY_DATE},
    {"2099", "R1", "M", "", "20991231", "1.2.3", DOUBT_STUDY_DATE},
    {"next week", "R1", "M", "", "20261129", "1.2.3", DOUBT_STUDY_DATE},
    {"tomorrow, beyond a date line", "R1", "M", "", "20261123", "1.2.3", 0},
    {"a day that is none", "R1", "M", "", "20260231", "1.2.3", DOUBT_STUDY_DATE},
    {"with dots, as ACR-NEMA wrote", "R1", "M", "", "2026.11.21", "1.2.3", 0},
    {"the battery was empty", "R1", "M", "", "20100101", "1.2.3", DOUBT_STUDY_OLD},
    {"last month", "R1", "M", "", "20261022", "1.2.3", 0},
    {"no date", "R1", "M", "", "", "1.2.3", 0},
    {"no study number", "R1", "M", "", "20261122", "", DOUBT_BAD_UID},
    {"letters in it", "R1", "M", "", "20261122", "1.2.abc", DOUBT_BAD_UID},
    {"a leading nought", "R1", "M", "", "20261122", "1.2.03", DOUBT_BAD_UID},
    {"65 signs", "R1", "M", "", "20261122",
     "1.2.3456789012345678901234567890123456789012345678901234567890123", DOUBT_BAD_UID},
};

static void
each_oddity_is_found_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct doubts_seen seen = {.patient_id = rows[i].patient_id,
                                   .sex = rows[i].sex,
                                   .birth = rows[i].birth,
                                   .study_date = rows[i].study_date,
                                   .study_uid = rows[i].study_uid,
                                   .series_uid = "1.2.3.4",
                                   .now_us = now_us};
        uint32_t found = doubts_of_instance(&seen);

        if (found != rows[i].wanted)
            fail_msg("row %zu, %s: wanted %x, got %x", i, rows[i].name, rows[i].wanted, found);
        seen.is_uid_made = true;
        assert_int_equal(doubts_of_instance(&seen), found | DOUBT_BAD_UID | DOUBT_MADE_UID);
    }
}

static void
a_clock_nobody_believes_doubts_only_what_no_clock_makes_right(void **state)
{
    struct doubts_seen seen = {
        .patient_id = "R1", .sex = "", .birth = "", .study_uid = "1.2.3", .series_uid = "1.2.4"};

    (void)state;
    seen.study_date = "20261122";
    assert_int_equal(doubts_of_instance(&seen), 0);
    seen.study_date = "20300101";
    assert_int_equal(doubts_of_instance(&seen), 0);
    seen.study_date = "19700101";
    assert_int_equal(doubts_of_instance(&seen), DOUBT_STUDY_DATE);
    seen.study_date = "20991231";
    assert_int_equal(doubts_of_instance(&seen), DOUBT_STUDY_DATE);
}

static void
an_imported_old_exam_is_nothing_odd(void **state)
{
    struct doubts_seen seen = {.patient_id = "R1",
                               .sex = "",
                               .birth = "",
                               .study_date = "20100101",
                               .study_uid = "1.2.3",
                               .series_uid = "1.2.4",
                               .now_us = now_us,
                               .is_old_welcome = true};

    (void)state;
    assert_int_equal(doubts_of_instance(&seen), 0);
}

static void
words_and_bits_are_one(void **state)
{
    char words[DOUBT_WORDS_BYTES];

    (void)state;
    doubts_write(UINT32_MAX, words);
    assert_true(strlen(words) > 0);
    for (uint32_t bit = 1; bit != 0; bit <<= 1)
        if (doubt_word(bit) != NULL)
            assert_int_equal(doubt_of_word(doubt_word(bit)), bit);
    doubts_write(DOUBT_ID_SEX | DOUBT_A_OR_B, words);
    assert_string_equal(words, "id_sex a_or_b");
    assert_int_equal(doubts_read("id_sex nobody_knows a_or_b"), DOUBT_ID_SEX | DOUBT_A_OR_B);
    doubts_write(0, words);
    assert_string_equal(words, "");
}

static void
a_word_that_nobody_knows_holds(void **state)
{
    (void)state;
    assert_false(doubts_words_hold(""));
    assert_false(doubts_words_hold("study_old several_studies"));
    assert_true(doubts_words_hold("study_old id_sex"));
    assert_true(doubts_words_hold("of_next_year"));
    assert_int_equal(doubts_that_hold(DOUBT_STUDY_OLD | DOUBT_BAD_UID), DOUBT_BAD_UID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_oddity_is_found_and_nothing_else),
        cmocka_unit_test(a_clock_nobody_believes_doubts_only_what_no_clock_makes_right),
        cmocka_unit_test(an_imported_old_exam_is_nothing_odd),
        cmocka_unit_test(words_and_bits_are_one),
        cmocka_unit_test(a_word_that_nobody_knows_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
