/* text.c - hexadecimal, base64, UTF-8, numbers and UIDs as text. */
#include "proto/base/text.h"

#include <stdlib.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
hex_encode(const void *bytes, size_t n, char *out)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_digits[p[i] >> 4];
        out[2 * i + 1] = hex_digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int
hex_decode(const char *text, void *out, size_t n)
{
    uint8_t *p = out;

    if (strlen(text) != 2 * n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

bool
hex_fingerprint(const char *text, char out[65])
{
    uint8_t digest[32];
    char bare[65];
    size_t n = 0;

    for (; *text != '\0' && n < sizeof bare - 1; text++)
        if (*text != ':')
            bare[n++] = *text;
    bare[n] = '\0';
    if (*text != '\0' || hex_decode(bare, digest, sizeof digest) < 0)
        return false;
    hex_encode(digest, sizeof digest, out);
    return true;
}

char *
base64_encode(const void *bytes, size_t n, size_t *out_n)
{
    const uint8_t *p = bytes;
    char *text = mem_new((n + 2) / 3 * 4 + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);

        text[k++] = b64_digits[v >> 18];
        text[k++] = b64_digits[v >> 12 & 63];
        text[k++] = left > 1 ? b64_digits[v >> 6 & 63] : '=';
        text[k++] = left > 2 ? b64_digits[v & 63] : '=';
    }
    if (out_n != NULL)
        *out_n = k;
    return text;
}

static int
b64_value(char c)
{
    const char *at = c != '\0' ? strchr(b64_digits, c) : NULL;

    return at != NULL ? (int)(at - b64_digits) : -1;
}

int
base64_decode(const char *text, size_t text_n, size_t limit_bytes, uint8_t **out_bytes,
              size_t *out_n)
{
    size_t pad = text_n >= 1 && text[text_n - 1] == '=';
    size_t n, k = 0;
    uint8_t *out;

    pad += text_n >= 2 && text[text_n - 2] == '=';
    if (text_n % 4 != 0 || text_n / 4 * 3 - pad > limit_bytes)
        return -1;
    n = text_n / 4 * 3 - pad;
    out = mem_new(n + 3);
    for (size_t i = 0; i < text_n; i += 4) {
        uint32_t v = 0;

        for (size_t j = 0; j < 4; j++) {
            bool is_pad = i + j >= text_n - pad;
            int d = is_pad ? 0 : b64_value(text[i + j]);

            if (d < 0) {
                free(out);
                return -1;
            }
            v = v << 6 | (uint32_t)d;
        }
        out[k++] = (uint8_t)(v >> 16);
        out[k++] = (uint8_t)(v >> 8);
        out[k++] = (uint8_t)v;
    }
    *out_bytes = out;
    *out_n = n;
    return 0;
}

/* Length of the UTF-8 sequence at p, 0 if it is none. */
static size_t
utf8_step(const uint8_t *p, size_t n)
{
    size_t k = p[0] < 0x80                   ? 1
               : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
               : (p[0] & 0xF0) == 0xE0       ? 3
               : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                             : 0;

    if (k == 0 || k > n)
        return 0;
    for (size_t i = 1; i < k; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return k;
}

size_t
text_mark(const void *text, size_t n)
{
    return n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

bool
text_is_utf8(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text;

    for (size_t i = 0; i < n;) {
        size_t k = utf8_step(p + i, n - i);

        if (k == 0)
            return false;
        i += k;
    }
    return true;
}

bool
uid_is_valid(const char *uid, bool is_lenient)
{
    size_t n = strlen(uid);

    if (n == 0 || n > 64 || uid[0] == '.' || uid[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        bool starts = i == 0 || uid[i - 1] == '.';

        if (uid[i] == '.' && starts)
            return false;
        if (uid[i] != '.' && (uid[i] < '0' || uid[i] > '9'))
            return false;
        if (!is_lenient && starts && uid[i] == '0' && i + 1 < n && uid[i + 1] != '.')
            return false;
    }
    return true;
}

int
text_to_u64(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*text == '\0')
        return -1;
    for (const char *p = text; *p != '\0'; p++) {
        uint64_t d = (uint64_t)(*p - '0');

        if (*p < '0' || *p > '9' || d > max || v > (max - d) / 10)
            return -1;
        v = v * 10 + d;
    }
    *out = v;
    return 0;
}

bool
text_copy(char *out, size_t out_size, const char *text)
{
    size_t n = strlen(text);
    bool fits = n < out_size;

    if (!fits)
        n = out_size - 1;
    memcpy(out, text, n);
    out[n] = '\0';
    return fits;
}

/* The ASCII sign for a three-byte form at p, 0 when it has none. */
static char
narrow_sign(const uint8_t *p)
{
    unsigned code;

    if ((p[0] & 0xF0) != 0xE0 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
        return 0;
    code = (unsigned)(p[0] & 0x0F) << 12 | (unsigned)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    if (code >= 0xFF01 && code <= 0xFF5E)
        return (char)(code - 0xFF01 + '!');
    if (code == 0x3000)
        return ' ';
    return (code >= 0x2010 && code <= 0x2015) || code == 0x2212 ? '-' : 0;
}

bool
text_narrow(char *out, size_t out_size, const char *typed)
{
    const uint8_t *p = (const uint8_t *)typed;
    size_t n = 0;

    while (*p != 0 && n + 1 < out_size) {
        char sign = narrow_sign(p); /* stops at the zero: a zero is no continuation byte */

        out[n++] = sign != 0 ? sign : (char)*p;
        p += sign != 0 ? 3 : 1;
    }
    out[n] = '\0';
    return *p == 0;
}
