/* token.h - bearer tokens, rights, and one-time enrolment codes.
 * A token is 32 random bytes as text; who keeps it stores its SHA-256 only. A code is for typing:
 *     K7M2-4XJ9-0B6Z-... (32 letters)   64 bits of secret, the first 80 bits of the SHA-256 of the
 * CA's certificate, 16 bits of checksum, in Crockford's base 32 (I and L read as 1, O as 0;
 * hyphens, blanks and case do not matter). Threads: no state. */
#ifndef RADPOST_TRUST_TOKEN_H
#define RADPOST_TRUST_TOKEN_H

#include "proto/trust/digest.h"

enum right_bit {
#define RIGHT(name, word, allows) name##_BIT,
#include "proto/trust/rights.def"
#undef RIGHT
    RIGHT_COUNT
};
enum right {
#define RIGHT(name, word, allows) name = 1 << name##_BIT,
#include "proto/trust/rights.def"
#undef RIGHT
};

/* "query,retrieve" > mask. errors: ERR_REJECT names the unknown word. */
int rights_parse(const char *words, unsigned *out_rights, struct err *err) MUST_CHECK;
/* mask > "query,retrieve"; out has 128 bytes. */
void rights_text(unsigned rights, char out[128]);

#define TOKEN_TEXT_BYTES 48 /* "rp_" and 43 characters of base64url, with the zero */

/* A fresh token: the text is shown once, the digest is kept. */
void token_new(char out_text[TOKEN_TEXT_BYTES], uint8_t out_sha256[DIGEST_BYTES]);
/* The digest to look a presented token up by. errors: ERR_DENIED it has no token's form. */
int token_digest(const char *text, uint8_t out_sha256[DIGEST_BYTES], struct err *err) MUST_CHECK;

#define CODE_TEXT_BYTES 48
#define CODE_SECRET_BYTES 8
#define CODE_PIN_BYTES 10

/* A fresh code for the CA of this fingerprint (ca_fingerprint()); keep the digest, with an end. */
void code_new(const uint8_t ca_sha256[DIGEST_BYTES], char out_text[CODE_TEXT_BYTES],
              uint8_t out_sha256[DIGEST_BYTES]);
/* Read what somebody typed. out_pin is compared with the CA's fingerprint, out_sha256 looks the
 * code up. errors: ERR_REJECT with words for the one who types. */
int code_read(const char *typed, uint8_t out_pin[CODE_PIN_BYTES], uint8_t out_sha256[DIGEST_BYTES],
              struct err *err) MUST_CHECK;
bool code_pins(const uint8_t pin[CODE_PIN_BYTES], const uint8_t ca_sha256[DIGEST_BYTES]);

#endif
