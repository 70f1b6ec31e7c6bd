/* The words of quarantine.def. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/model/quarantine.h"

#include <string.h>

static void
a_reason_is_known_by_its_first_word(void **state)
{
    static const struct {
        const char *reason;
        enum quarantine want;
    } rows[] = {
        {"stranger", QUARANTINE_STRANGER},
        {"stranger: sent by a device that is not enrolled", QUARANTINE_STRANGER},
        {"uid_conflict: the centre has another object", QUARANTINE_UID_CONFLICT},
        {"uid_reused: its study UID is another patient's", QUARANTINE_UID_REUSED},
        {"damaged its bytes", QUARANTINE_DAMAGED},
        {"strangers: no such word", QUARANTINE_OTHER},
        {"strange", QUARANTINE_OTHER},
        {"", QUARANTINE_OTHER},
        {": stranger", QUARANTINE_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (quarantine_of(rows[i].reason) != rows[i].want)
            fail_msg("row %zu '%s': got %s", i, rows[i].reason,
                     quarantine_word(quarantine_of(rows[i].reason)));
}

static void
every_word_fits_a_record_and_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < QUARANTINES; i++) {
        const char *word = quarantine_word((enum quarantine)i);

        assert_in_range(strlen(word), 1, QUARANTINE_WORD_BYTES - 1);
        assert_int_equal(quarantine_from_word(word), i);
        assert_int_equal(quarantine_of(word), i);
        assert_true(strlen(quarantine_meaning((enum quarantine)i)) > 0);
    }
    assert_int_equal(quarantine_from_word("nothing"), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reason_is_known_by_its_first_word),
        cmocka_unit_test(every_word_fits_a_record_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
