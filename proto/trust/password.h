/* password.h - passwords as argon2id (RFC 9106), and never more of them at once than memory bears.
 *
 * A hash takes PASSWORD_MEMORY_KIB while it is computed; PASSWORD_AT_ONCE are computed at a time in
 * a process, the rest wait in line, PASSWORD_WAIT_MS at most: however many sign in at once, memory
 * stays below the product. Threads: any. */
#ifndef RADPOST_TRUST_PASSWORD_H
#define RADPOST_TRUST_PASSWORD_H

#include "proto/base/err.h"

/* RFC 9106 section 4, second recommendation, with one lane: our threads are the parallel ones. */
enum { PASSWORD_MEMORY_KIB = 65536, PASSWORD_PASSES = 3, PASSWORD_LANES = 1 };
enum { PASSWORD_SALT_BYTES = 16, PASSWORD_HASH_BYTES = 32 };
enum { PASSWORD_AT_ONCE = 2, PASSWORD_WAIT_MS = 10000 };
/* In bytes of UTF-8. */
enum { PASSWORD_LEAST = 10, PASSWORD_MOST = 256 };

#define PASSWORD_TEXT_BYTES 128 /* "$argon2id$v=19$m=65536,t=3,p=1$salt$hash" */

/* Is this fit to be somebody's password? errors: ERR_REJECT says what is wrong with it. */
int password_vet(const char *password, struct err *err) MUST_CHECK;
/* errors  ERR_RETRY too many wait, or no memory */
int password_hash(const char *password, char out_text[PASSWORD_TEXT_BYTES],
                  struct err *err) MUST_CHECK;
/* text  what password_hash() gave; NULL: nobody has this password, found out in the same time
 * errors  ERR_DENIED it is not this password; ERR_RETRY as above; ERR_FATAL text is damaged */
int password_check(const char *password, const char *text, struct err *err) MUST_CHECK;

#endif
