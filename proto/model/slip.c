/* slip.c - the code on the patient's slip. */
#include "proto/model/slip.h"

#include "proto/base/text.h"

#include <ctype.h>
#include <string.h>

#define SLIP_PREFIX "radpost.slip/1:"
enum { FILLER = 32, NO_LETTER = -1, GROUP = 4 };

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Twice v in GF(32), modulo x^5 + x^2 + 1. */
static unsigned
gf_double(unsigned v)
{
    return (v << 1 & 31) ^ (v & 16 ? 5 : 0);
}

/* The sum of letter times 2^(places behind it): zero for a whole code. The weights 2^0..2^15 are
 * different and not zero, 2 being of order 31, so one wrong letter or two exchanged ones show. */
static unsigned
weighted_sum(const uint8_t *values, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = gf_double(sum) ^ values[i];
    return sum;
}

static void
print_letters(const uint8_t values[SLIP_LETTERS], char out_text[SLIP_TEXT_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < SLIP_LETTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            out_text[n++] = '-';
        out_text[n++] = alphabet[values[i]];
    }
    out_text[n] = '\0';
}

void
slip_new(char out_text[SLIP_TEXT_BYTES])
{
    uint8_t values[SLIP_LETTERS];

    random_bytes(values, sizeof values);
    for (size_t i = 0; i < SLIP_LETTERS; i++)
        values[i] &= 31;
    values[SLIP_LETTERS - 1] = 0;
    values[SLIP_LETTERS - 1] = (uint8_t)weighted_sum(values, SLIP_LETTERS);
    print_letters(values, out_text);
    secret_wipe(values, sizeof values);
}

static int
letter_value(char c)
{
    const char *at;

    c = (char)toupper((uint8_t)c);
    if (c == '-' || isspace((uint8_t)c))
        return FILLER;
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    at = strchr(alphabet, c);
    return at != NULL ? (int)(at - alphabet) : NO_LETTER;
}

int
slip_read(const char *typed, char out_text[SLIP_TEXT_BYTES], struct err *err)
{
    uint8_t values[SLIP_LETTERS];
    char narrow[SLIP_TYPED_BYTES];
    size_t n = 0;

    if (!text_narrow(narrow, sizeof narrow, typed))
        return err_set(err, ERR_REJECT, "the code has %d letters", SLIP_LETTERS);
    for (const char *p = narrow; *p != '\0'; p++) {
        int v = letter_value(*p);

        if (v == FILLER)
            continue;
        if (v == NO_LETTER)
            return err_set(err, ERR_REJECT, "a sign that no code has, at place %d",
                           (int)(p - narrow) + 1);
        if (n == SLIP_LETTERS)
            return err_set(err, ERR_REJECT, "the code has %d letters", SLIP_LETTERS);
        values[n++] = (uint8_t)v;
    }
    if (n != SLIP_LETTERS)
        return err_set(err, ERR_REJECT, "the code has %d letters", SLIP_LETTERS);
    if (weighted_sum(values, n) != 0)
        return err_set(err, ERR_REJECT, "a letter of the code is wrong");
    print_letters(values, out_text);
    secret_wipe(values, sizeof values);
    return 0;
}

void
slip_digest(const char text[SLIP_TEXT_BYTES], uint8_t out_sha256[DIGEST_BYTES])
{
    char message[sizeof SLIP_PREFIX + SLIP_LETTERS];
    size_t n = strlen(SLIP_PREFIX);

    memcpy(message, SLIP_PREFIX, n);
    for (const char *p = text; *p != '\0'; p++)
        if (*p != '-') {
            CHECK(n < sizeof message);
            message[n++] = *p;
        }
    CHECK(n == strlen(SLIP_PREFIX) + SLIP_LETTERS);
    digest_bytes(message, n, out_sha256);
    secret_wipe(message, sizeof message);
}
