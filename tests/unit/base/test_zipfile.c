/* test_zipfile.c - small ZIP files come back, and damage is not taken for content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/zip.h"
#include "proto/base/zipfile.h"

static void
make(struct buf *out)
{
    struct zipfile z;

    buf_init(out, 65536);
    zipfile_init(&z, out);
    zipfile_add(&z, "a.json", "{}", 2);
    zipfile_add(&z, "folder/报告.json", "report", 6);
    zipfile_add(&z, "empty", "", 0);
    zipfile_end(&z);
}

static int
get(const struct buf *zip, const char *name, char out[64])
{
    struct buf one;
    struct err err;
    int rc;

    buf_init(&one, 63);
    rc = zipfile_get(zip->bytes, zip->n, name, &one, &err);
    if (rc == 0) {
        memcpy(out, one.bytes != NULL ? (const char *)one.bytes : "", one.n);
        out[one.n] = '\0';
    }
    buf_fini(&one);
    return rc < 0 ? -(int)err.kind : 0;
}

static void
members_come_back_by_name(void **state)
{
    struct buf zip, again;
    char text[64];

    (void)state;
    make(&zip);
    make(&again);
    assert_int_equal(zip.n, again.n);
    assert_memory_equal(zip.bytes, again.bytes, zip.n); /* no clock in it */
    assert_true(zipfile_is(zip.bytes, zip.n));
    assert_int_equal(get(&zip, "a.json", text), 0);
    assert_string_equal(text, "{}");
    assert_int_equal(get(&zip, "报告.json", text), 0);
    assert_string_equal(text, "report");
    assert_int_equal(get(&zip, "empty", text), 0);
    assert_string_equal(text, "");
    assert_int_equal(get(&zip, "告.json", text), -ERR_NOT_FOUND);
    buf_fini(&again);
    buf_fini(&zip);
}

static void
a_name_that_is_there_twice_is_refused(void **state)
{
    struct zipfile z;
    struct buf zip;
    char text[64];

    (void)state;
    buf_init(&zip, 65536);
    zipfile_init(&z, &zip);
    zipfile_add(&z, "report.json", "one", 3);
    zipfile_add(&z, "x/report.json", "two", 3);
    zipfile_end(&z);
    assert_int_equal(get(&zip, "report.json", text), -ERR_REJECT);
    buf_fini(&zip);
}

static void
no_flipped_or_missing_byte_changes_content_unnoticed(void **state)
{
    struct buf zip;
    char text[64];

    (void)state;
    make(&zip);
    for (size_t i = 0; i < zip.n; i++) {
        zip.bytes[i] ^= 0x20;
        if (get(&zip, "a.json", text) == 0)
            assert_string_equal(text, "{}");
        zip.bytes[i] ^= 0x20;
    }
    for (size_t n = zip.n; n-- > 0;) {
        struct buf cut = zip;

        cut.n = n;
        assert_int_equal(get(&cut, "a.json", text), -ERR_REJECT);
    }
    buf_fini(&zip);
}

static void
a_deflated_member_is_read_and_a_bomb_is_not(void **state)
{
    char zeros[5000] = {0}, text[64];
    struct buf packed, zip;
    struct zipfile z;
    struct err err;
    uint8_t *central;
    size_t local = 0;

    (void)state;
    buf_init(&packed, 65536);
    assert_int_equal(zip_deflate("hello", 5, 9, &packed, &err), 0);
    for (int is_bomb = 0; is_bomb < 2; is_bomb++) {
        size_t size = is_bomb ? sizeof zeros : 5;
        uint32_t crc = zip_crc32(0, is_bomb ? zeros : "hello", size);

        if (is_bomb) {
            buf_clear(&packed);
            assert_int_equal(zip_deflate(zeros, sizeof zeros, 9, &packed, &err), 0);
        }
        buf_init(&zip, 65536);
        zipfile_init(&z, &zip);
        zipfile_add(&z, "h", packed.bytes, packed.n);
        zipfile_end(&z);
        central = memmem(zip.bytes, zip.n, "PK\1\2", 4);
        assert_non_null(central);
        central[10] = 8; /* deflated: method, checksum and size of what is inside */
        le32_write(central + 16, crc);
        le32_write(central + 24, (uint32_t)size);
        zip.bytes[local + 8] = 8;
        assert_int_equal(get(&zip, "h", text), is_bomb ? -ERR_REJECT : 0);
        if (!is_bomb)
            assert_string_equal(text, "hello");
        buf_fini(&zip);
    }
    buf_fini(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_back_by_name),
        cmocka_unit_test(a_name_that_is_there_twice_is_refused),
        cmocka_unit_test(no_flipped_or_missing_byte_changes_content_unnoticed),
        cmocka_unit_test(a_deflated_member_is_read_and_a_bomb_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
