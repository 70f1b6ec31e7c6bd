/* digest.h - SHA-256, HMAC, random bytes and a comparison that does not tell where it failed.
 * Nothing here can fail on input: a library that cannot hash or draw random bytes stops the
 * process. Threads: functions are free of state; a digest belongs to its owner. */
#ifndef RADPOST_TRUST_DIGEST_H
#define RADPOST_TRUST_DIGEST_H

#include "proto/base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DIGEST_BYTES 32
#define DIGEST_HEX_BYTES (2 * DIGEST_BYTES + 1) /* as text, with its zero */

/* SHA-256 of bytes that come in parts (FIPS 180-4). digest_take() ends it and begins it anew, so
 * one object serves many messages. */
struct digest;

struct digest *digest_new(void);
void digest_free(struct digest **d);
void digest_add(struct digest *d, const void *bytes, size_t n);
void digest_take(struct digest *d, uint8_t out[DIGEST_BYTES]);
/* A second digest that goes on from where this one is. */
struct digest *digest_copy(const struct digest *d);

void digest_bytes(const void *bytes, size_t n, uint8_t out[DIGEST_BYTES]);
/* Of size bytes at offset of a file.
 * errors  ERR_RETRY read, ERR_REJECT the file ends early */
int digest_file(int fd, uint64_t offset, uint64_t size, uint8_t out[DIGEST_BYTES],
                struct err *err) MUST_CHECK;
/* HMAC-SHA-256 (FIPS 198-1). */
void digest_hmac(const void *key, size_t key_n, const void *bytes, size_t n,
                 uint8_t out[DIGEST_BYTES]);
void digest_text(const uint8_t digest[DIGEST_BYTES], char out[DIGEST_HEX_BYTES]);

/* From the system's generator. */
void random_bytes(void *out, size_t n);
/* A DICOM UID that nobody else draws: 2.25. and a random UUID in decimal (PS3.5 B.2). */
void random_uid(char out[65]);
/* A DICOM UID that is always the same for a hash: 2.25. and its first 122 bits as a version 8 UUID
 * (RFC 9562) in decimal. */
void digest_uid(const uint8_t digest[DIGEST_BYTES], char out[65]);
/* True when equal; takes as long whether or where they differ. */
bool secret_equal(const void *a, const void *b, size_t n);
/* Overwrite a secret in a way the compiler keeps. */
void secret_wipe(void *secret, size_t n);

#ifdef __cplusplus
}
#endif
#endif
