/* test_dimse_match.c - what a query's key matches, by PS3.4 C.2.2.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/dicom/dimse_match.h"

static void
texts_match_by_their_wild_cards(void **state)
{
    static const struct {
        const char *name, *key, *value;
        bool is_name, wanted;
    } rows[] = {
        {"the same", "P1", "P1", false, true},
        {"longer", "P1", "P12", false, false},
        {"shorter", "P12", "P1", false, false},
        {"case counts", "p1", "P1", false, false},
        {"any run", "P*9", "P123459", false, true},
        {"any run of nothing", "P*9", "P9", false, true},
        {"two runs", "*23*9", "P12349", false, true},
        {"two runs, wrong end", "*23*9", "P12348", false, false},
        {"run at the end", "P*", "P", false, true},
        {"one character", "P?3", "P23", false, true},
        {"one character of three bytes", "张?丰", "张三丰", false, true},
        {"two characters are not one", "P?", "P23", false, false},
        {"run, then one", "*?", "三", false, true},
        {"nothing is not one", "?", "", false, false},
        {"name, case does not count", "wang^san", "WANG^San", true, true},
        {"name's empty components", "Wang^San^^", "Wang^San", true, true},
        {"value's empty components", "Wang^San", "Wang^San^^^", true, true},
        {"family name alone is not the name", "Wang", "Wang^San", true, false},
        {"family name and a run", "wang*", "Wang^San=王^三", true, true},
        {"ideographic group", "王^三", "Wang^San=王^三", true, true},
        {"ideographic group, run", "王*", "Wang^San=王^三", true, true},
        {"all groups", "wang^san=王^三", "Wang^San=王^三", true, true},
        {"another", "李*", "Wang^San=王^三", true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(rows[i].is_name ? dimse_match_name(rows[i].key, rows[i].value)
                                         : dimse_match_text(rows[i].key, rows[i].value),
                         rows[i].wanted);
    }
}

static void
lists_match_one_of_them(void **state)
{
    (void)state;
    assert_true(dimse_match_list("1.2.3", "1.2.3"));
    assert_true(dimse_match_list("CT\\DX \\ MR", "DX"));
    assert_true(dimse_match_list("CT\\ MR", "MR "));
    assert_false(dimse_match_list("1.2.3\\1.2.4", "1.2"));
    assert_false(dimse_match_list("1.2.3", ""));
    assert_false(dimse_key_asks(""));
    assert_false(dimse_key_asks("**"));
    assert_true(dimse_key_asks("*1"));
}

static void
ranges_hold_what_lies_in_them(void **state)
{
    static const struct {
        const char *name, *key;
        bool is_day;
        const char *value;
        int wanted; /* -1: not a range */
    } rows[] = {
        {"that day", "20260131", true, "20260131", 1},
        {"the day after", "20260131", true, "20260201", 0},
        {"from", "20260131-", true, "20260201", 1},
        {"until", "-20260131", true, "20260131", 1},
        {"until, later", "-20260131", true, "20260201", 0},
        {"between", "20260101-20260131", true, "20260115", 1},
        {"no day is in no range", "-20260131", true, "", 0},
        {"padded", "20260131", true, "20260131 ", 1},
        {"this hour", "12", false, "125959.5", 1},
        {"until that minute", "-1200", false, "120059", 1},
        {"past that minute", "-1200", false, "120100", 0},
        {"zeros do not count", "120000-", false, "12", 1},
        {"of an old console", "2026.01.31", true, "20260131", 1},
        {"between, of an old console", "2026.01.01-2026.01.31", true, "20260201", 0},
        {"stored by an old console", "20260131-", true, "2026.01.31", 1},
        {"a date in two ways", "2026.0131", true, "20260131", -1},
        {"the whole day", "000000-240000", false, "235959.9", 1},
        {"until midnight", "-2400", false, "2359", 1},
        {"past midnight", "-2401", false, "2359", -1},
        {"from midnight after", "2400-", false, "2359", -1},
        {"midnight after alone", "240000", false, "2359", -1},
        {"month 13", "20261301", true, "20260131", -1},
        {"words", "today", true, "20260131", -1},
        {"a dash", "-", true, "20260131", -1},
        {"three ends", "20260101-20260102-20260103", true, "20260101", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dimse_range range;
        bool is_range = dimse_range_read(rows[i].key, rows[i].is_day, &range);

        print_message("%s\n", rows[i].name);
        assert_int_equal(is_range, rows[i].wanted >= 0);
        if (is_range)
            assert_int_equal(dimse_range_holds(&range, rows[i].is_day, rows[i].value),
                             rows[i].wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_match_by_their_wild_cards),
        cmocka_unit_test(lists_match_one_of_them),
        cmocka_unit_test(ranges_hold_what_lies_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
