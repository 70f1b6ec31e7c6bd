/* test_digest.c - SHA-256 and HMAC against the standards' own vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/durable.h"
#include "proto/trust/digest.h"

struct vector {
    const char *name, *message, *hex;
};

static const struct vector vectors[] = {
    /* FIPS 180-4 examples */
    {"empty", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void
digest_bytes_gives_the_standard_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t out[DIGEST_BYTES];
        char hex[DIGEST_HEX_BYTES];

        digest_bytes(vectors[i].message, strlen(vectors[i].message), out);

        digest_text(out, hex);
        if (strcmp(hex, vectors[i].hex) != 0)
            fail_msg("%s: wanted %s, got %s", vectors[i].name, vectors[i].hex, hex);
    }
}

static void
digest_in_parts_equals_one_shot_and_begins_anew(void **state)
{
    uint8_t message[1000], whole[DIGEST_BYTES], parts[DIGEST_BYTES];
    struct digest *d = digest_new(), *copy;

    (void)state;
    random_bytes(message, sizeof message);
    digest_bytes(message, sizeof message, whole);

    for (int round = 0; round < 2; round++) {
        for (size_t at = 0; at < sizeof message; at += 100)
            digest_add(d, message + at, 100);
        digest_take(d, parts);
        assert_memory_equal(parts, whole, DIGEST_BYTES);
    }
    digest_add(d, message, 500);
    copy = digest_copy(d);
    digest_add(copy, message + 500, 500);
    digest_take(copy, parts);

    assert_memory_equal(parts, whole, DIGEST_BYTES);
    digest_free(&copy);
    digest_free(&d);
    assert_null(d);
    digest_free(&d);
}

static void
digest_file_hashes_a_range_and_refuses_a_short_file(void **state)
{
    char path[] = "/tmp/radpost-digest-XXXXXX";
    int fd = mkstemp(path);
    uint8_t out[DIGEST_BYTES], wanted[DIGEST_BYTES];
    struct err err = {0};

    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(durable_write(fd, "..abc..", 7, &err), 0);
    digest_bytes("abc", 3, wanted);

    assert_int_equal(digest_file(fd, 2, 3, out, &err), 0);
    assert_memory_equal(out, wanted, DIGEST_BYTES);
    assert_int_equal(digest_file(fd, 2, 6, out, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    close(fd);
}

static void
digest_hmac_gives_rfc_4231_case_2(void **state)
{
    uint8_t out[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];

    (void)state;
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, out);

    digest_text(out, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
secret_equal_sees_each_single_bit(void **state)
{
    uint8_t a[16], b[16];

    (void)state;
    random_bytes(a, sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(secret_equal(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(secret_equal(a, b, sizeof a));
        b[bit / 8] = a[bit / 8];
    }
    secret_wipe(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        assert_int_equal(a[i], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_bytes_gives_the_standard_vectors),
        cmocka_unit_test(digest_in_parts_equals_one_shot_and_begins_anew),
        cmocka_unit_test(digest_file_hashes_a_range_and_refuses_a_short_file),
        cmocka_unit_test(digest_hmac_gives_rfc_4231_case_2),
        cmocka_unit_test(secret_equal_sees_each_single_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
