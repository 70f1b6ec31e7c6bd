/* test_token.c - tokens, rights, one-time codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>

#include <cmocka.h>

#include "proto/trust/token.h"

static void
a_code_comes_back_as_people_type_it(void **state)
{
    uint8_t ca[DIGEST_BYTES], sha[DIGEST_BYTES], seen[DIGEST_BYTES], pin[CODE_PIN_BYTES];
    char code[CODE_TEXT_BYTES], typed[2 * CODE_TEXT_BYTES];
    struct err err = {0};

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t n = 0;

        random_bytes(ca, sizeof ca);
        code_new(ca, code, sha);
        for (const char *p = code; *p != '\0'; p++) {
            char c = (char)(round & 1 ? tolower(*p) : *p);

            if (c == '-' && round & 2)
                continue;
            if (c == '1' && round & 4)
                c = round & 8 ? 'l' : 'I';
            if (c == '0' && round & 4)
                c = 'o';
            typed[n++] = c;
            if (round & 16)
                typed[n++] = ' ';
        }
        typed[n] = '\0';
        assert_int_equal(code_read(typed, pin, seen, &err), 0);
        assert_memory_equal(seen, sha, sizeof sha);
        assert_true(code_pins(pin, ca));
        ca[3] ^= 1;
        assert_false(code_pins(pin, ca));
    }
}

#define LETTERS "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

static void
a_mistyped_code_is_told_apart(void **state)
{
    uint8_t ca[DIGEST_BYTES] = {7}, sha[DIGEST_BYTES], pin[CODE_PIN_BYTES];
    char code[CODE_TEXT_BYTES], typed[CODE_TEXT_BYTES];
    struct err err = {0};

    (void)state;
    code_new(ca, code, sha);
    for (size_t i = 0; i < strlen(code); i++) {
        for (const char *wrong = LETTERS; *wrong != '\0' && code[i] != '-'; wrong++) {
            memcpy(typed, code, sizeof code);
            if (typed[i] == *wrong)
                continue;
            typed[i] = *wrong;
            assert_int_equal(code_read(typed, pin, sha, &err), -1);
            assert_int_equal(err.kind, ERR_REJECT);
        }
        memcpy(typed, code, sizeof code);
        if (i == 0 || typed[i] == '-' || typed[i - 1] == '-' || typed[i] == typed[i - 1])
            continue;
        typed[i] = code[i - 1];
        typed[i - 1] = code[i];
        assert_int_equal(code_read(typed, pin, sha, &err), -1);
    }
    assert_int_equal(code_read("", pin, sha, &err), -1);
    assert_int_equal(code_read("ABCD-U", pin, sha, &err), -1);
}

static void
a_token_is_found_by_its_digest(void **state)
{
    char one[TOKEN_TEXT_BYTES], two[TOKEN_TEXT_BYTES];
    uint8_t sha[DIGEST_BYTES], seen[DIGEST_BYTES];
    struct err err = {0};

    (void)state;
    token_new(one, sha);
    assert_int_equal(strlen(one), TOKEN_TEXT_BYTES - 2);
    assert_int_equal(token_digest(one, seen, &err), 0);
    assert_memory_equal(sha, seen, sizeof sha);
    token_new(two, sha);
    assert_string_not_equal(one, two);
    assert_int_equal(token_digest("rp_short", seen, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(token_digest("", seen, &err), -1);
    one[10] = '\n';
    assert_int_equal(token_digest(one, seen, &err), -1);
}

static void
rights_are_words(void **state)
{
    unsigned rights;
    char text[128];
    struct err err = {0};

    (void)state;
    assert_int_equal(rights_parse("query,retrieve,store", &rights, &err), 0);
    assert_int_equal(rights, RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_STORE);
    rights_text(rights, text);
    assert_string_equal(text, "query,retrieve,store");
    assert_int_equal(rights_parse("query,fly", &rights, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    rights_text((1u << RIGHT_COUNT) - 1, text);
    assert_int_equal(rights_parse(text, &rights, &err), 0);
    assert_int_equal(rights, (1u << RIGHT_COUNT) - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_comes_back_as_people_type_it),
        cmocka_unit_test(a_mistyped_code_is_told_apart),
        cmocka_unit_test(a_token_is_found_by_its_digest),
        cmocka_unit_test(rights_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
