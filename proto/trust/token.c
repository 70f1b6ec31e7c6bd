/* token.c - bearer tokens, rights, and one-time enrolment codes. */
#include "proto/trust/token.h"

#include "proto/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_SECRET_BYTES 32
#define TOKEN_PREFIX "rp_"
#define CODE_CHECK_BYTES 2
#define CODE_RAW_BYTES (CODE_SECRET_BYTES + CODE_PIN_BYTES + CODE_CHECK_BYTES)
#define CODE_LETTERS 32 /* 20 bytes are 160 bits are 32 letters of 5 */
#define CODE_GROUP 4

static const char *const right_words[] = {
#define RIGHT(name, word, allows) word,
#include "proto/trust/rights.def"
#undef RIGHT
};

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

_Static_assert(CODE_RAW_BYTES * 8 == CODE_LETTERS * 5, "a code is a whole number of letters");
_Static_assert(CODE_LETTERS + CODE_LETTERS / CODE_GROUP <= CODE_TEXT_BYTES, "room for a code");

int
rights_parse(const char *words, unsigned *out_rights, struct err *err)
{
    unsigned rights = 0;

    while (*words != '\0') {
        size_t n = strcspn(words, ","), i;

        for (i = 0; i < RIGHT_COUNT; i++)
            if (strlen(right_words[i]) == n && memcmp(right_words[i], words, n) == 0)
                break;
        if (i == RIGHT_COUNT)
            return err_set(err, ERR_REJECT, "'%.*s' is no right", n < 40 ? (int)n : 40, words);
        rights |= 1u << i;
        words += n + (words[n] == ',');
    }
    *out_rights = rights;
    return 0;
}

void
rights_text(unsigned rights, char out[128])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < RIGHT_COUNT; i++)
        if (rights & 1u << i)
            n += (size_t)snprintf(out + n, 128 - n, "%s%s", n > 0 ? "," : "", right_words[i]);
}

void
token_new(char out_text[TOKEN_TEXT_BYTES], uint8_t out_sha256[DIGEST_BYTES])
{
    uint8_t secret[TOKEN_SECRET_BYTES];
    size_t n;
    char *base64;

    random_bytes(secret, sizeof secret);
    base64 = base64_encode(secret, sizeof secret, &n);
    for (char *p = base64; *p != '\0'; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    snprintf(out_text, TOKEN_TEXT_BYTES, TOKEN_PREFIX "%s", base64);
    digest_bytes(out_text, strlen(out_text), out_sha256);
    secret_wipe(secret, sizeof secret);
    secret_wipe(base64, n);
    free(base64);
}

int
token_digest(const char *text, uint8_t out_sha256[DIGEST_BYTES], struct err *err)
{
    size_t n = strlen(text);

    if (n != TOKEN_TEXT_BYTES - 2 || strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) != 0)
        return err_set(err, ERR_DENIED, "no token of ours");
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((uint8_t)*p) && *p != '-' && *p != '_')
            return err_set(err, ERR_DENIED, "no token of ours");
    digest_bytes(text, n, out_sha256);
    return 0;
}

/* secret, pin > all 20 bytes, with the checksum of the first 18: CRC-16 (CCITT), by which any one
 * wrong letter and any two neighbours swapped are found, not only most (a burst of 16 bits). */
static void
fill_check(uint8_t raw[CODE_RAW_BYTES])
{
    unsigned crc = 0xFFFF;

    for (size_t i = 0; i < CODE_RAW_BYTES - CODE_CHECK_BYTES; i++) {
        crc ^= (unsigned)raw[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xFFFF;
    }
    raw[CODE_RAW_BYTES - 2] = (uint8_t)(crc >> 8);
    raw[CODE_RAW_BYTES - 1] = (uint8_t)crc;
}

static void
code_digest(const uint8_t raw[CODE_RAW_BYTES], uint8_t out_sha256[DIGEST_BYTES])
{
    digest_bytes(raw, CODE_SECRET_BYTES + CODE_PIN_BYTES, out_sha256);
}

void
code_new(const uint8_t ca_sha256[DIGEST_BYTES], char out_text[CODE_TEXT_BYTES],
         uint8_t out_sha256[DIGEST_BYTES])
{
    uint8_t raw[CODE_RAW_BYTES];
    size_t n = 0;

    random_bytes(raw, CODE_SECRET_BYTES);
    memcpy(raw + CODE_SECRET_BYTES, ca_sha256, CODE_PIN_BYTES);
    fill_check(raw);
    for (unsigned i = 0; i < CODE_LETTERS; i++) {
        unsigned bit = i * 5, two = (unsigned)raw[bit / 8] << 8;

        two |= bit / 8 + 1 < CODE_RAW_BYTES ? raw[bit / 8 + 1] : 0;
        if (i > 0 && i % CODE_GROUP == 0)
            out_text[n++] = '-';
        out_text[n++] = alphabet[two >> (11 - bit % 8) & 31];
    }
    out_text[n] = '\0';
    code_digest(raw, out_sha256);
    secret_wipe(raw, sizeof raw);
}

/* 0..31; 32 a filler; -1 what no code has. */
static int
letter_value(char c)
{
    const char *at;

    c = (char)toupper((uint8_t)c);
    if (c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return 32;
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

int
code_read(const char *typed, uint8_t out_pin[CODE_PIN_BYTES], uint8_t out_sha256[DIGEST_BYTES],
          struct err *err)
{
    uint8_t raw[CODE_RAW_BYTES] = {0}, sum[CODE_RAW_BYTES];
    unsigned letters = 0;

    for (const char *p = typed; *p != '\0'; p++) {
        int v = letter_value(*p);

        if (v == 32)
            continue;
        if (v < 0)
            return err_set(err, ERR_REJECT, "the code has a sign that no code has, at place %d",
                           (int)(p - typed) + 1);
        if (letters == CODE_LETTERS)
            return err_set(err, ERR_REJECT, "the code is too long: it has %d letters",
                           CODE_LETTERS);
        for (unsigned b = 0; b < 5; b++)
            if (v >> (4 - b) & 1)
                raw[(letters * 5 + b) / 8] |= (uint8_t)(0x80 >> (letters * 5 + b) % 8);
        letters++;
    }
    if (letters < CODE_LETTERS)
        return err_set(err, ERR_REJECT, "the code is too short: it has %d letters, %u were typed",
                       CODE_LETTERS, letters);
    memcpy(sum, raw, sizeof raw);
    fill_check(sum);
    if (memcmp(sum, raw, sizeof raw) != 0)
        return err_set(err, ERR_REJECT, "the code is mistyped");
    memcpy(out_pin, raw + CODE_SECRET_BYTES, CODE_PIN_BYTES);
    code_digest(raw, out_sha256);
    return 0;
}

bool
code_pins(const uint8_t pin[CODE_PIN_BYTES], const uint8_t ca_sha256[DIGEST_BYTES])
{
    return secret_equal(pin, ca_sha256, CODE_PIN_BYTES);
}
