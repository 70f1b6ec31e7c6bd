/* test_unseen.c - signs that nobody sees are dropped, all others stay. */
#include "proto/base/unseen.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void
what_nobody_sees_is_dropped_and_all_else_stays(void **state)
{
    static const char *const rows[][2] = {
        {"罗\u200b刚", "罗刚"},
        {"\ufeff林", "林"},
        {"黄\u00a0蓉", "黄 蓉"},
        {"\u00a0林\u00a0", "林"},
        {"赵　六", "赵　六"},
        {"葛\U000e0100城", "葛城"},
        {"Müller^Jörg", "Müller^Jörg"},
        {"\u202a王五\u202c", "王五"},
        {"\u200b", ""},
        {"a  b", "a  b"},
        {"𠮷野家", "𠮷野家"},
        {"", ""},
        {"\xe2\x80", "\xe2\x80"}, /* cut */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];

        text_copy(text, sizeof text, rows[i][0]);
        unseen_drop(text);
        assert_string_equal(text, rows[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_sees_is_dropped_and_all_else_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
