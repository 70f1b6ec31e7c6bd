/* text.h - hexadecimal, base64, UTF-8, numbers and UIDs as text. Pure functions. */
#ifndef RADPOST_BASE_TEXT_H
#define RADPOST_BASE_TEXT_H

#include "proto/base/err.h"

/* out has 2n + 1 bytes. */
void hex_encode(const void *bytes, size_t n, char *out);
/* Exactly 2n digits; -1 otherwise (no err: the caller knows what it read). */
int hex_decode(const char *text, void *out, size_t n) MUST_CHECK;

/* A SHA-256 as 64 digits or as openssl prints it (AB:CD:...), to 64 digits in small letters. */
bool hex_fingerprint(const char *text, char out[65]) MUST_CHECK;

/* A fresh zero-ended text of the caller's (free). */
char *base64_encode(const void *bytes, size_t n, size_t *out_n);
/* Strict, padded. out_bytes is fresh memory of the caller's; at most limit_bytes. */
int base64_decode(const char *text, size_t text_n, size_t limit_bytes, uint8_t **out_bytes,
                  size_t *out_n) MUST_CHECK;

/* Bytes of the byte order mark that some editors (Windows Notepad) put before UTF-8 text: 3 or 0.
 */
size_t text_mark(const void *text, size_t n);
bool text_is_utf8(const char *text, size_t n); /* strict: no overlong forms, no surrogates */
/* PS3.5 9.1: digits and dots, 1..64 characters, no empty component; leading zeros are let through
 * (devices write them) when is_lenient. */
bool uid_is_valid(const char *uid, bool is_lenient);
/* Decimal, no sign, whole text, at most max. */
int text_to_u64(const char *text, uint64_t max, uint64_t *out) MUST_CHECK;
/* Copy what fits, always zero-ended; true if all of it fitted. */
bool text_copy(char *out, size_t out_size, const char *text);
/* What a Chinese keyboard makes of letters and digits, as ASCII: full-width forms (U+FF01 to
 * U+FF5E), the ideographic blank, long dashes. Other bytes stay. As text_copy(). */
bool text_narrow(char *out, size_t out_size, const char *typed);

#endif
