/* crc32.c - folding: 512 bits at a time, then 128, by multiplying what was read with the power of x
 * that lies between it and what comes (modulo the polynomial) and adding that.
 *
 * The polynomial is 104C11DB7H, reflected: the first bit of a byte is its lowest. To move 128 bits
 * past d bits that follow, their earlier half is multiplied with x^(d+32) and their later half with
 * x^(d-32), both modulo the polynomial and reflected in 33 bits (a product of two reflected numbers
 * comes out one bit low, which the 33rd makes good). */
#include "proto/base/crc32.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* {x^(d+32), x^(d-32)} for d = 512 and d = 128 */
static const uint64_t by_512[2] = {0x154442bd4, 0x1c6e41596};
static const uint64_t by_128[2] = {0x1751997d0, 0x0ccaa009e};

bool
crc32_can_fold(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

__attribute__((target("pclmul,sse4.1"))) static inline __m128i
move_on(__m128i past, __m128i by, __m128i next)
{
    __m128i first = _mm_clmulepi64_si128(past, by, 0x00);
    __m128i second = _mm_clmulepi64_si128(past, by, 0x11);

    return _mm_xor_si128(next, _mm_xor_si128(first, second));
}

static inline __m128i
load(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}

__attribute__((target("pclmul,sse4.1"))) void
crc32_fold(uint32_t crc, const uint8_t *p, size_t n, uint8_t out[16])
{
    const __m128i k512 = load((const uint8_t *)by_512), k128 = load((const uint8_t *)by_128);
    __m128i x0, x1, x2, x3;

    CHECK(n >= CRC32_FOLD_BYTES && n % 16 == 0);
    x0 = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)~crc));
    x1 = load(p + 16);
    x2 = load(p + 32);
    x3 = load(p + 48);
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        x0 = move_on(x0, k512, load(p));
        x1 = move_on(x1, k512, load(p + 16));
        x2 = move_on(x2, k512, load(p + 32));
        x3 = move_on(x3, k512, load(p + 48));
    }
    x0 = move_on(x0, k128, x1);
    x0 = move_on(x0, k128, x2);
    x0 = move_on(x0, k128, x3);
    for (; n >= 16; p += 16, n -= 16)
        x0 = move_on(x0, k128, load(p));
    _mm_storeu_si128((void *)out, x0);
}

#else

bool
crc32_can_fold(void)
{
    return false;
}

void
crc32_fold(uint32_t crc, const uint8_t *p, size_t n, uint8_t out[16])
{
    (void)crc;
    (void)p;
    (void)n;
    (void)out;
    CHECK(false);
}

#endif
