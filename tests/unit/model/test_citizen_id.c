/* test_citizen_id.c - the standard's own examples, and what is not a number. */
#include "proto/model/citizen_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
the_standards_examples_are_read(void **state)
{
    static const struct {
        const char *typed, *text, *region, *birth;
        char sex;
        bool is_old;
    } rows[] = {
        {"11010519491231002X", "11010519491231002X", "110105", "19491231", 'F', false},
        {"440524188001010014", "440524188001010014", "440524", "18800101", 'M', false},
        {"11010519491231002x", "11010519491231002X", "110105", "19491231", 'F', false},
        {"110105 19491231 002X", "11010519491231002X", "110105", "19491231", 'F', false},
        {"１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X", "110105", "19491231", 'F',
         false},
        {"110105491231002", "11010519491231002X", "110105", "19491231", 'F', true},
    };
    struct citizen_id id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(citizen_id_read(rows[i].typed, "20261122", &id), CITIZEN_ID_FINE);
        assert_string_equal(id.text, rows[i].text);
        assert_string_equal(id.region, rows[i].region);
        assert_string_equal(id.birth, rows[i].birth);
        assert_int_equal(id.sex, rows[i].sex);
        assert_int_equal(id.is_old, rows[i].is_old);
    }
}

static void
what_is_mistyped_is_told_by_its_fault(void **state)
{
    static const struct {
        const char *typed, *word;
    } rows[] = {
        {"", "length"},
        {"1101051949123100", "length"},
        {"11010519491231002X1", "length"},
        {"1101051949123100ZX", "sign"},
        {"X1010519491231002X", "sign"},
        {"11010549123100X", "sign"},
        {"990105194912310020", "region"},
        {"110105194902300021", "birth"},
        {"110105190002290021", "birth"},
        {"11010520261123002X", "birth"}, /* tomorrow */
        {"110105194912310021", "check"},
        {"11010519491231020X", "check"}, /* two digits exchanged */
    };
    struct citizen_id id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(citizen_id_fault_word(citizen_id_read(rows[i].typed, "20261122", &id)),
                            rows[i].word);
}

static void
any_wrong_digit_is_noticed(void **state)
{
    const char good[] = "440524188001010014";
    char wrong[sizeof good];
    struct citizen_id id;

    (void)state;
    for (size_t at = 0; good[at] != '\0'; at++)
        for (char c = '0'; c <= '9'; c++) {
            memcpy(wrong, good, sizeof wrong);
            wrong[at] = c;
            assert_int_equal(citizen_id_read(wrong, "", &id) == CITIZEN_ID_FINE, c == good[at]);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_examples_are_read),
        cmocka_unit_test(what_is_mistyped_is_told_by_its_fault),
        cmocka_unit_test(any_wrong_digit_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
