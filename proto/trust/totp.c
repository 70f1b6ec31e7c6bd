/* totp.c - RFC 6238 over HOTP, RFC 4226. */
#include "proto/trust/totp.h"

#include "proto/trust/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdio.h>
#include <string.h>

enum { SHA1_BYTES = 20 };

void
totp_new(uint8_t out_secret[TOTP_SECRET_BYTES])
{
    random_bytes(out_secret, TOTP_SECRET_BYTES);
}

void
totp_text(const uint8_t secret[TOTP_SECRET_BYTES], char out[TOTP_TEXT_BYTES])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    _Static_assert(TOTP_SECRET_BYTES * 8 == (TOTP_TEXT_BYTES - 1) * 5, "no padding needed");
    for (size_t i = 0; i < TOTP_TEXT_BYTES - 1; i++) {
        size_t bit = i * 5, at = bit / 8;
        unsigned two = (unsigned)secret[at] << 8;

        if (at + 1 < TOTP_SECRET_BYTES)
            two |= secret[at + 1];
        out[i] = letters[two >> (11 - bit % 8) & 31];
    }
    out[TOTP_TEXT_BYTES - 1] = '\0';
}

void
totp_uri(const uint8_t secret[TOTP_SECRET_BYTES], const char *login, char *out, size_t size)
{
    char text[TOTP_TEXT_BYTES];

    totp_text(secret, text);
    snprintf(out, size, "otpauth://totp/Radpost:%s?secret=%s&issuer=Radpost", login, text);
    secret_wipe(text, sizeof text);
}

uint32_t
totp_code(const void *secret, size_t n, int64_t step, int digits)
{
    uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned mac_n = 0, at;
    uint32_t value, modulus = 1;

    for (int i = 0; i < 8; i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    CHECK(n <= INT32_MAX && digits >= 6 && digits <= 8);
    CHECK(HMAC(EVP_sha1(), secret, (int)n, counter, sizeof counter, mac, &mac_n) != NULL);
    CHECK(mac_n == SHA1_BYTES);
    at = mac[SHA1_BYTES - 1] & 15; /* RFC 4226 5.3 */
    value = (uint32_t)(mac[at] & 0x7F) << 24 | (uint32_t)mac[at + 1] << 16 |
            (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    for (int i = 0; i < digits; i++)
        modulus *= 10;
    return value % modulus;
}

int64_t
totp_step(int64_t wall_us)
{
    return wall_us / 1000000 / TOTP_STEP_S;
}

/* Six digits; blanks between them do not matter. */
static int
read_digits(const char *typed, char out[TOTP_DIGITS])
{
    size_t n = 0;

    for (; *typed != '\0'; typed++) {
        if (*typed == ' ')
            continue;
        if (*typed < '0' || *typed > '9' || n == TOTP_DIGITS)
            return -1;
        out[n++] = *typed;
    }
    return n == TOTP_DIGITS ? 0 : -1;
}

int
totp_check(const uint8_t secret[TOTP_SECRET_BYTES], const char *typed, int64_t wall_us,
           int64_t last_step, int64_t *out_step, struct err *err)
{
    char digits[TOTP_DIGITS], wanted[16];
    int64_t now = totp_step(wall_us), found = -1;

    if (read_digits(typed, digits) < 0)
        return err_set(err, ERR_DENIED, "a one-time password is six digits");
    for (int64_t step = now - TOTP_DRIFT_STEPS; step <= now + TOTP_DRIFT_STEPS; step++) {
        snprintf(wanted, sizeof wanted, "%06u",
                 totp_code(secret, TOTP_SECRET_BYTES, step, TOTP_DIGITS));
        if (secret_equal(digits, wanted, TOTP_DIGITS) && step > last_step)
            found = step;
    }
    if (found < 0)
        return err_set(err, ERR_DENIED, "another one-time password, or one that was used");
    *out_step = found;
    return 0;
}
