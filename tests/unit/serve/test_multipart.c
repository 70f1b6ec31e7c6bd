/* test_multipart.c - what leaves, byte by byte, however small the client's bites are. */
#include "storage/serve/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>

struct maker {
    size_t at, count, fails_at;
    bool was_freed;
    bool is_part10;
    size_t lie; /* bytes the part claims beyond its file */
    const char *preamble;
};

static void
freed(void *user)
{
    ((struct maker *)user)->was_freed = true;
}

/* Even parts from memory, odd ones from the middle of a file. */
static void
fill(const struct maker *k, size_t at, struct part *out)
{
    char body[400];
    size_t n = 200 + at;

    memset(body, 'a' + (int)at, sizeof body);
    if (k->preamble != NULL)
        memcpy(body, k->preamble, 4);
    *out = (struct part){.fd = -1, .size = n + k->lie, .is_part10 = k->is_part10};
    snprintf(out->type, sizeof out->type, "application/dicom; transfer-syntax=1.2.%zu", at);
    if (at == 1)
        snprintf(out->location, sizeof out->location, "/x/%zu", at);
    if (at % 2 == 0) {
        out->bytes = mem_new(n + 7);
        out->offset = 7;
        memcpy(out->bytes + 7, body, n);
        return;
    }
    out->fd = memfd_create("part", MFD_CLOEXEC);
    out->offset = 1000;
    assert_int_equal(pwrite(out->fd, body, n, 1000), n);
}

static int
next(void *user, struct part *out, struct err *err)
{
    struct maker *k = user;

    if (k->at == k->fails_at)
        return err_set(err, ERR_RETRY, "made to fail");
    if (k->at == k->count)
        return 0;
    fill(k, k->at++, out);
    return 1;
}

static int
read_all(struct multipart *m, size_t bite, struct buf *out, struct err *err)
{
    uint8_t bytes[512];
    size_t n = 1;

    while (n > 0) {
        if (multipart_read(m, bytes, bite, &n, err) < 0)
            return -1;
        buf_add(out, bytes, n);
    }
    return 0;
}

static void
parts_leave_whole_in_any_bites(void **state)
{
    static const size_t bites[] = {1, 2, 3, 7, 64, 200, 201, 511, 512};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bites); i++) {
        struct maker k = {.count = 3, .fails_at = 99};
        struct multipart *m = multipart_new(true, next, freed, &k);
        char type[200], wanted[4096], a[201], b[202], c[203];
        const char *boundary;
        struct part parts[3];
        struct buf got;
        struct err err;

        multipart_type(m, "application/dicom", type, sizeof type);
        boundary = strstr(type, "boundary=") + 9;
        for (size_t p = 0; p < 3; p++)
            fill(&k, p, &parts[p]);
        memset(a, 'a', 200), memset(b, 'b', 201), memset(c, 'c', 202);
        a[200] = b[201] = c[202] = '\0';
        snprintf(wanted, sizeof wanted,
                 "--%s\r\nContent-Type: application/dicom; transfer-syntax=1.2.0\r\n\r\n%s"
                 "\r\n--%s\r\nContent-Type: application/dicom; transfer-syntax=1.2.1\r\n"
                 "Content-Location: /x/1\r\n\r\n%s"
                 "\r\n--%s\r\nContent-Type: application/dicom; transfer-syntax=1.2.2\r\n\r\n%s"
                 "\r\n--%s--\r\n",
                 boundary, a, boundary, b, boundary, c, boundary);
        buf_init(&got, 1 << 20);

        assert_int_equal(read_all(m, bites[i], &got, &err), 0);

        assert_string_equal(buf_text(&got), wanted);
        assert_int_equal(multipart_size(m, parts, 3), got.n);
        buf_fini(&got);
        for (size_t p = 0; p < 3; p++)
            part_fini(&parts[p]);
        multipart_free(m);
        assert_true(k.was_freed);
    }
}

static void
a_single_part_is_bare(void **state)
{
    struct maker k = {.count = 2, .fails_at = 99};
    struct multipart *m = multipart_new(false, next, freed, &k);
    struct buf got;
    struct err err;

    (void)state;
    buf_init(&got, 1 << 20);
    assert_int_equal(read_all(m, 100, &got, &err), 0);
    assert_int_equal(got.n, 200);
    assert_int_equal(got.bytes[199], 'a');
    assert_int_equal(k.at, 1);
    buf_fini(&got);
    multipart_free(m);
}

static void
a_failure_in_the_middle_breaks_off(void **state)
{
    struct maker k = {.count = 3, .fails_at = 1};
    struct maker shorter = {.at = 1, .count = 2, .fails_at = 99, .lie = 1};
    struct multipart *m = multipart_new(true, next, freed, &k);
    struct buf got;
    struct err err;

    (void)state;
    buf_init(&got, 1 << 20);
    assert_int_equal(read_all(m, 512, &got, &err), -1);
    assert_null(strstr(buf_text(&got), "--\r\n"));
    multipart_free(m);
    assert_true(k.was_freed);
    m = multipart_new(true, next, freed, &shorter);
    assert_int_equal(read_all(m, 512, &got, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    multipart_free(m);
    buf_fini(&got);
}

static void
a_stored_preamble_does_not_leave(void **state)
{
    static const struct {
        const char *first;
        bool leaves;
    } rows[] = {{"MZ\x90", false},
                {"\x7f"
                 "ELF",
                 false},
                {"II*\0", true},
                {"MM\0*", true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t bite = 1; bite < 200; bite += 61) {
            struct maker k = {.at = 1, .count = 2, .fails_at = 99, .is_part10 = true};
            struct multipart *m;
            struct buf got;
            struct err err;

            k.preamble = rows[i].first;
            m = multipart_new(false, next, freed, &k);
            buf_init(&got, 1 << 20);
            assert_int_equal(read_all(m, bite, &got, &err), 0);
            assert_int_equal(got.n, 201);
            assert_int_equal(got.bytes[0], rows[i].leaves ? rows[i].first[0] : 0);
            assert_int_equal(got.bytes[127], rows[i].leaves ? 'b' : 0);
            assert_int_equal(got.bytes[128], 'b');
            buf_fini(&got);
            multipart_free(m);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_leave_whole_in_any_bites),
        cmocka_unit_test(a_single_part_is_bare),
        cmocka_unit_test(a_failure_in_the_middle_breaks_off),
        cmocka_unit_test(a_stored_preamble_does_not_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
