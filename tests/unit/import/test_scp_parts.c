/* test_scp_parts.c - SCP-ECG's checksum and default Huffman table against the standard's (EN 1064).
 */
#include "proto/dicom/ecg/scp_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
scp_parts_are_the_standards(void **state)
{
    /* 0, 1, -1, 8, -8, 8 bits of -100, 16 bits of 1000, as one row of bits */
    static const char row[] = "0"
                              "100"
                              "101"
                              "1111111100"
                              "1111111101"
                              "1111111110"
                              "10011100"
                              "1111111111"
                              "0000001111101000";
    static const int32_t want[] = {0, 1, -1, 8, -8, -100, 1000};
    uint8_t bytes[16] = {0};
    int32_t got[ARRAY_LEN(want)];
    struct scp_huffman h;
    struct err err;

    (void)state;
    assert_int_equal(scp_crc((const uint8_t *)"123456789", 9), 0x29B1);
    for (size_t i = 0; row[i] != '\0'; i++)
        if (row[i] == '1')
            bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    scp_huffman_default(&h);
    assert_int_equal(
        scp_huffman_decode(&h, bytes, (sizeof row + 6) / 8, got, ARRAY_LEN(want), &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(got[i], want[i]);
    assert_int_equal(scp_huffman_decode(&h, bytes, 4, got, ARRAY_LEN(want), &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scp_parts_are_the_standards)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
