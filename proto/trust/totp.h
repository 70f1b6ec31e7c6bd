/* totp.h - time-based one-time passwords (RFC 6238 with HMAC-SHA-1, 30 s, 6 digits: what every
 * authenticator on a phone speaks). A code of a step that was used, or of an earlier one, is
 * refused: whoever reads one over a shoulder cannot use it again. Threads: no state. */
#ifndef RADPOST_TRUST_TOTP_H
#define RADPOST_TRUST_TOTP_H

#include "proto/base/err.h"

enum { TOTP_SECRET_BYTES = 20, TOTP_STEP_S = 30, TOTP_DIGITS = 6 };
/* A phone's clock may be a step early or late (RFC 6238 section 5.2). */
enum { TOTP_DRIFT_STEPS = 1 };

#define TOTP_TEXT_BYTES 33 /* the secret in base 32, with its zero */

void totp_new(uint8_t out_secret[TOTP_SECRET_BYTES]);
/* Base 32 (RFC 4648), for typing into a phone. */
void totp_text(const uint8_t secret[TOTP_SECRET_BYTES], char out[TOTP_TEXT_BYTES]);
/* "otpauth://totp/Radpost:login?secret=...&issuer=Radpost", for a QR code. login is a-z 0-9 ._-@ */
void totp_uri(const uint8_t secret[TOTP_SECRET_BYTES], const char *login, char *out, size_t size);

/* The code of a step, as a number below 10^digits (digits 6 to 8). */
uint32_t totp_code(const void *secret, size_t n, int64_t step, int digits);
int64_t totp_step(int64_t wall_us);
/* Is what somebody typed (blanks do not matter) the code of a step about now, later than last_step?
 * out_step  to be kept as last_step, in one go with the check that nobody was faster
 * errors    ERR_DENIED */
int totp_check(const uint8_t secret[TOTP_SECRET_BYTES], const char *typed, int64_t wall_us,
               int64_t last_step, int64_t *out_step, struct err *err) MUST_CHECK;

#endif
