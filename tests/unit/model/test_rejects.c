/* The words of reject_reasons.def. */
#include "proto/model/rejects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
a_reason_is_a_word_of_the_list_and_nothing_else(void **state)
{
    size_t n = 0;
    const char *word;

    (void)state;
    while ((word = reject_reason(n)) != NULL) {
        assert_true(reject_is_reason(word));
        assert_true(strlen(word) < REJECT_WORD_BYTES);
        n++;
    }
    assert_true(n > 3);
    assert_false(reject_is_reason(""));
    assert_false(reject_is_reason(NULL));
    assert_false(reject_is_reason("Position"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reason_is_a_word_of_the_list_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
