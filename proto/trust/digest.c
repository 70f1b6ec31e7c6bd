/* digest.c - SHA-256, HMAC, random bytes, constant-time comparison, over OpenSSL. */
#include "proto/trust/digest.h"

#include "proto/base/durable.h"
#include "proto/base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES ((size_t)256 * 1024)

struct digest {
    EVP_MD_CTX *ctx;
};

/* OpenSSL gets memory or the process stops, as with our own (docs/decisions/memory.md): some of its
 * paths go on with a NULL lock. Before anything of it has run, hence a constructor. */
static void *
ssl_new(size_t n, const char *file, int line)
{
    void *p = n > 0 ? malloc(n) : NULL;

    (void)file, (void)line;
    if (p == NULL && n > 0)
        mem_stop();
    return p;
}

static void *
ssl_grow(void *old, size_t n, const char *file, int line)
{
    void *p;

    (void)file, (void)line;
    if (n == 0) {
        free(old);
        return NULL;
    }
    p = realloc(old, n);
    if (p == NULL)
        mem_stop();
    return p;
}

static void
ssl_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

__attribute__((constructor)) static void
give_memory(void)
{
    (void)CRYPTO_set_mem_functions(ssl_new, ssl_grow, ssl_free); /* 0: it has run; then its own */
}

struct digest *
digest_new(void)
{
    struct digest *d = mem_new(sizeof *d);

    d->ctx = EVP_MD_CTX_new();
    CHECK(d->ctx != NULL);
    CHECK(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
    return d;
}

void
digest_free(struct digest **d)
{
    if (*d == NULL)
        return;
    EVP_MD_CTX_free((*d)->ctx);
    free(TAKE(*d));
}

void
digest_add(struct digest *d, const void *bytes, size_t n)
{
    CHECK(EVP_DigestUpdate(d->ctx, bytes, n) == 1);
}

void
digest_take(struct digest *d, uint8_t out[DIGEST_BYTES])
{
    CHECK(EVP_DigestFinal_ex(d->ctx, out, NULL) == 1);
    CHECK(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1);
}

struct digest *
digest_copy(const struct digest *d)
{
    struct digest *copy = digest_new();

    CHECK(EVP_MD_CTX_copy_ex(copy->ctx, d->ctx) == 1);
    return copy;
}

void
digest_bytes(const void *bytes, size_t n, uint8_t out[DIGEST_BYTES])
{
    CHECK(EVP_Digest(bytes, n, out, NULL, EVP_sha256(), NULL) == 1);
}

int
digest_file(int fd, uint64_t offset, uint64_t size, uint8_t out[DIGEST_BYTES], struct err *err)
{
    struct digest *d = digest_new();
    uint8_t *room = mem_new(READ_BYTES);
    int rc = -1;

    while (size > 0) {
        size_t n = size < READ_BYTES ? (size_t)size : READ_BYTES;

        if (durable_read_at(fd, room, n, offset, err) < 0)
            goto out;
        digest_add(d, room, n);
        offset += n;
        size -= n;
    }
    digest_take(d, out);
    rc = 0;
out:
    free(room);
    digest_free(&d);
    return rc;
}

void
digest_hmac(const void *key, size_t key_n, const void *bytes, size_t n, uint8_t out[DIGEST_BYTES])
{
    CHECK(key_n <= INT_MAX);
    CHECK(HMAC(EVP_sha256(), key, (int)key_n, bytes, n, out, NULL) != NULL);
}

void
digest_text(const uint8_t digest[DIGEST_BYTES], char out[DIGEST_HEX_BYTES])
{
    hex_encode(digest, DIGEST_BYTES, out);
}

void
random_bytes(void *out, size_t n)
{
    CHECK(n <= INT_MAX);
    CHECK(RAND_bytes(out, (int)n) == 1);
}

/* version: the UUID's (RFC 9562 4.2), written over bits of the bytes. */
static void
write_uid(const uint8_t bytes[16], unsigned version, char out[65])
{
    char digits[40];
    size_t n = sizeof digits;
    unsigned __int128 v = 0;

    for (size_t i = 0; i < 16; i++) {
        unsigned byte = i == 6   ? version << 4 | (bytes[i] & 0x0Fu)
                        : i == 8 ? 0x80u | (bytes[i] & 0x3Fu)
                                 : bytes[i];

        v = v << 8 | byte;
    }
    digits[--n] = '\0';
    do {
        digits[--n] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    snprintf(out, 65, "2.25.%s", digits + n);
}

void
random_uid(char out[65])
{
    uint8_t random[16];

    random_bytes(random, sizeof random);
    write_uid(random, 4, out);
}

void
digest_uid(const uint8_t digest[DIGEST_BYTES], char out[65])
{
    write_uid(digest, 8, out);
}

bool
secret_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void
secret_wipe(void *secret, size_t n)
{
    OPENSSL_cleanse(secret, n);
}
