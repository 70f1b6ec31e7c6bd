/* test_slip.c - the slip's code: how it is printed, typed, checked and digested. */
#include "proto/model/slip.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void
a_fresh_code_reads_as_itself(void **state)
{
    char text[SLIP_TEXT_BYTES], read[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        slip_new(text);
        assert_int_equal(strlen(text), 19);
        assert_int_equal(slip_read(text, read, &err), 0);
        assert_string_equal(read, text);
    }
}

/* Every letter of the alphabet is drawn at every place: 15 places of 5 bits. */
static void
a_code_has_75_bits(void **state)
{
    bool seen[SLIP_TEXT_BYTES][32] = {{false}};
    char text[SLIP_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        slip_new(text);
        for (size_t at = 0; text[at] != '\0'; at++)
            if (text[at] != '-')
                seen[at][strchr(alphabet, text[at]) - alphabet] = true;
    }

    for (size_t at = 0; at < SLIP_TEXT_BYTES - 1; at++)
        for (size_t v = 0; at % 5 != 4 && v < 32; v++)
            assert_true(seen[at][v]);
}

static void
any_wrong_letter_is_noticed(void **state)
{
    char text[SLIP_TEXT_BYTES], wrong[SLIP_TEXT_BYTES], read[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    slip_new(text);
    for (size_t at = 0; text[at] != '\0'; at++)
        for (size_t v = 0; text[at] != '-' && v < 32; v++) {
            memcpy(wrong, text, sizeof wrong);
            wrong[at] = alphabet[v];
            assert_int_equal(slip_read(wrong, read, &err), wrong[at] == text[at] ? 0 : -1);
        }
}

static void
any_two_exchanged_letters_are_noticed(void **state)
{
    char text[SLIP_TEXT_BYTES], wrong[SLIP_TEXT_BYTES], read[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    slip_new(text);
    for (size_t a = 0; text[a] != '\0'; a++)
        for (size_t b = a + 1; text[b] != '\0'; b++) {
            if (text[a] == '-' || text[b] == '-' || text[a] == text[b])
                continue;
            memcpy(wrong, text, sizeof wrong);
            wrong[a] = text[b];
            wrong[b] = text[a];
            assert_int_equal(slip_read(wrong, read, &err), -1);
        }
}

static void
typed_forms_do_not_matter(void **state)
{
    static const struct {
        const char *name, *typed;
    } rows[] = {
        {"as printed", "0123-4567-89AB-CDE4"},
        {"lower case", "0123-4567-89ab-cde4"},
        {"no hyphens", "0123456789ABCDE4"},
        {"blanks", " 0123 4567\t89AB CDE4\n"},
        {"letters for digits", "oL23-4567-89AB-CDE4"},
        {"full width", "０１２３－４５６７－８９ＡＢ－ＣＤＥ４"},
        {"long dashes, wide blank", "0123—4567–89AB　CDE4"},
    };
    char want[SLIP_TEXT_BYTES], read[SLIP_TEXT_BYTES], fixed[] = "0123-4567-89AB-CDE0";
    struct err err;
    size_t v;

    (void)state;
    for (v = 0; v < 32; v++) { /* the check letter of this code */
        fixed[18] = alphabet[v];
        if (slip_read(fixed, want, &err) == 0)
            break;
    }
    assert_int_equal(fixed[18], '4');
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (slip_read(rows[i].typed, read, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_string_equal(read, want);
    }
}

static void
what_is_no_code_is_refused_without_quoting_it(void **state)
{
    static const char *const rows[] = {"",
                                       "0123",
                                       "0123-4567-89AB-CDE40",
                                       "0123-4567-89AB-CDE*",
                                       "U123-4567-89AB-CDE4",
                                       "影驿",
                                       "0123456789012345678901234567890123456789012345678901234567"
                                       "89012345678901234567890123456789012345678901234567890"};
    char read[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(slip_read(rows[i], read, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_null(strstr(err.text, "4567"));
    }
}

static void
the_digest_is_of_the_prefixed_letters(void **state)
{
    static const char message[] = "radpost.slip/1:0123456789ABCDE4";
    uint8_t want[DIGEST_BYTES], got[DIGEST_BYTES], plain[DIGEST_BYTES];

    (void)state;
    slip_digest("0123-4567-89AB-CDE4", got);
    digest_bytes(message, strlen(message), want);
    digest_bytes(message + 15, strlen(message) - 15, plain);

    assert_memory_equal(got, want, sizeof want);
    assert_memory_not_equal(got, plain, sizeof plain);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_code_reads_as_itself),
        cmocka_unit_test(a_code_has_75_bits),
        cmocka_unit_test(any_wrong_letter_is_noticed),
        cmocka_unit_test(any_two_exchanged_letters_are_noticed),
        cmocka_unit_test(typed_forms_do_not_matter),
        cmocka_unit_test(what_is_no_code_is_refused_without_quoting_it),
        cmocka_unit_test(the_digest_is_of_the_prefixed_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
