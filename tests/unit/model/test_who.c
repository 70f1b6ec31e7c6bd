/* test_who.c - what tells two descriptions of a patient apart, and what does not. */
#include "proto/model/who.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
what_both_say_differently_tells_two_people_apart(void **state)
{
    static const struct {
        const char *what;
        struct who a, b;
        bool wanted;
    } rows[] = {
        {"the same", {"王小东", "M", "19700101"}, {"王小东", "M", "19700101"}, false},
        {"another sex", {"王小东", "M", ""}, {"王小东", "F", ""}, true},
        {"a sex nobody knows", {"", "O", ""}, {"", "F", ""}, false},
        {"no sex on the images", {"", "M", ""}, {"", "", ""}, false},
        {"another birth date", {"", "", "19700101"}, {"", "", "19800101"}, true},
        {"a birth date that is none", {"", "", "19700101"}, {"", "", "197001"}, false},
        {"the day consoles begin at", {"", "", "19000101"}, {"", "", "19800101"}, false},
        {"another name in Han", {"张三", "", ""}, {"赵六", "", ""}, true},
        {"one name in two scripts", {"王小东", "M", ""}, {"Wang XiaoDong", "M", ""}, false},
        {"an emergency that got its name", {"无名氏2", "M", ""}, {"王小东", "M", ""}, false},
        {"made from an age", {"", "", "19700101"}, {"", "", "19700802"}, false},
        {"made from an age before the birthday", {"", "", "19710101"}, {"", "", "19700802"}, false},
        {"made from another age", {"", "", "19720101"}, {"", "", "19700802"}, true},
        {"a day of the same year", {"", "", "19700801"}, {"", "", "19700802"}, true},
        {"a day across the new year", {"", "", "19701231"}, {"", "", "19710102"}, true},
        {"what a console adds to a name", {"王小东", "", ""}, {"王小东12床", "", ""}, false},
        {"nobody", {"", "", ""}, {"", "", ""}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (who_differ(&rows[i].a, &rows[i].b) != rows[i].wanted ||
            who_differ(&rows[i].b, &rows[i].a) != rows[i].wanted)
            fail_msg("%s: wanted %d", rows[i].what, rows[i].wanted);
}

static void
names_are_compared_where_they_can_be(void **state)
{
    static const struct {
        const char *a, *b;
        enum who_names wanted;
    } rows[] = {
        {"买买提·艾力", "买买提 艾力", WHO_NAMES_ALIKE},
        {"WANG XIAODONG", "Wang^XiaoDong", WHO_NAMES_ALIKE},
        {"ＷＡＮＧ　Wu", "wang wu", WHO_NAMES_ALIKE},
        {"John Smith", "SMITH^JOHN", WHO_NAMES_OPEN},
        {"John Smith", "John Smi", WHO_NAMES_OPEN},
        {"John Smith", "Mary Jones", WHO_NAMES_DIFFER},
        {"马六", "Ma Liu", WHO_NAMES_OPEN},
        {"王五", "马六", WHO_NAMES_DIFFER},
        {"王五", "", WHO_NAMES_OPEN},
        {"UNKNOWN^MALE", "Wang Wu", WHO_NAMES_OPEN},
        {"王小东", "王小东12床", WHO_NAMES_ALIKE},
        {"王小东（CT 5）", "王小东", WHO_NAMES_ALIKE},
        {"王小东", "王小东^WANG XIAODONG", WHO_NAMES_ALIKE},
        {"王小", "王小东", WHO_NAMES_DIFFER},
        {"李花", "李花之子", WHO_NAMES_DIFFER},
        {"王", "王12床", WHO_NAMES_DIFFER},
        {"李花之子1", "李花之子12", WHO_NAMES_DIFFER},
        {"王小东12床", "张三12床", WHO_NAMES_DIFFER},
        {"王小东", "王小東", WHO_NAMES_OPEN},
        {"劉國強", "刘国强", WHO_NAMES_OPEN},
        {"劉國強8床", "刘国强", WHO_NAMES_OPEN},
        {"劉國強", "刘国庆", WHO_NAMES_DIFFER},
        {"𠮷野家", "?^野家", WHO_NAMES_OPEN}, /* as a device that lacks the sign is told it */
        {"Müller^Jörg", "M?ller^J?rg", WHO_NAMES_OPEN},
        {"王㛃", "王Jie", WHO_NAMES_OPEN},
        {"𠮷野家", "?野郎", WHO_NAMES_DIFFER},
        {"𠮷野家", "?野", WHO_NAMES_DIFFER},
        {"王小东", "王?东", WHO_NAMES_DIFFER}, /* 小 has a reading: no "?" of ours */
        {"王小东", "王Da东", WHO_NAMES_DIFFER},
        {"Müller^Jörg", "M?ller^Karl", WHO_NAMES_DIFFER},
        {"Muller^Karl", "M?ller^Karl", WHO_NAMES_DIFFER}, /* every set has its u */
        {"罗\u200b刚", "罗刚", WHO_NAMES_ALIKE},
        {"黄\u00a0蓉", "黄蓉", WHO_NAMES_ALIKE},
        {"\ufeff林", "林", WHO_NAMES_ALIKE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (who_names(rows[i].a, rows[i].b) != rows[i].wanted)
            fail_msg("%s, %s: got %d", rows[i].a, rows[i].b, who_names(rows[i].a, rows[i].b));
}

static void
a_name_is_one_in_letters_that_are_how_it_is_read(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_other;
    } rows[] = {
        {"王小东", "Wang^XiaoDong", false},
        {"王小东", "WANG XIAODONG", false},
        {"王小东", "XiaoDong Wang", false},
        {"王小东", "Li Si", true},
        {"吕布", "LV BU", false},
        {"王小东", "无名氏", false},
        {"王小东", "UNKNOWN", false},
        {"王小东", "", false},
        {"王小东", "张三丰", true},
        {"王小東", "王小东", false},
        {"買買提·艾力", "Li Si", true},
        {"Айгуль", "Aigul", false},
        {"John Smith", "Smith^John", false},
        {"John Smith", "Mary Jones", true},
        {"王小东12床", "王小东", false},
    };

    (void)state;
    for (size_t k = 0; k < 2 * sizeof rows / sizeof rows[0]; k++) { /* also as it was kept */
        size_t i = k % (sizeof rows / sizeof rows[0]);

        if (who_is_other_name(rows[i].a, rows[i].b) != rows[i].is_other ||
            who_is_other_name(rows[i].b, rows[i].a) != rows[i].is_other)
            fail_msg("%s, %s: wanted %d", rows[i].a, rows[i].b, rows[i].is_other);
    }
}

static void
a_number_is_one_however_it_is_typed(void **state)
{
    static const char *const rows[][2] = {
        {" p777m ", "P777M"}, {"00123", "123"}, {"H 0002", "H0002"}, {"000", ""}, {"", ""}};
    char out[8];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        who_number(rows[i][0], out, sizeof out);
        assert_string_equal(out, rows[i][1]);
    }
    who_number("1234567890", out, sizeof out);
    assert_string_equal(out, "1234567");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_say_differently_tells_two_people_apart),
        cmocka_unit_test(names_are_compared_where_they_can_be),
        cmocka_unit_test(a_name_is_one_in_letters_that_are_how_it_is_read),
        cmocka_unit_test(a_number_is_one_however_it_is_typed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
