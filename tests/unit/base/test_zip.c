/* test_zip.c - the checksum agrees with its definition, whichever way it is computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/crc32.h"
#include "proto/base/zip.h"

/* Bit by bit, as ISO 3309 writes it. */
static uint32_t
slow_crc(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void
fill(uint8_t *bytes, size_t n)
{
    uint32_t x = 2463534242u;

    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)x;
    }
}

static void
checksum_of_the_standard_s_example_is_the_known_one(void **state)
{
    (void)state;
    assert_int_equal(zip_crc32(0, "123456789", 9), 0xCBF43926);
}

static void
checksum_agrees_with_its_definition_at_every_length_and_place(void **state)
{
    uint8_t bytes[1200];

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t at = 0; at < 17; at++)
        for (size_t n = 0; n < 1100; n += n < 600 ? 1 : 37)
            if (zip_crc32(0, bytes + at, n) != slow_crc(0, bytes + at, n))
                fail_msg("%zu bytes at %zu", n, at);
}

static void
checksum_can_be_fed_in_pieces(void **state)
{
    size_t n = 70000;
    uint8_t *bytes = malloc(n);

    (void)state;
    fill(bytes, n);
    for (size_t cut = 0; cut < n; cut += 4999) {
        uint32_t crc = zip_crc32(0, bytes, cut);
        assert_int_equal(zip_crc32(crc, bytes + cut, n - cut), slow_crc(0, bytes, n));
    }
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_of_the_standard_s_example_is_the_known_one),
        cmocka_unit_test(checksum_agrees_with_its_definition_at_every_length_and_place),
        cmocka_unit_test(checksum_can_be_fed_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
