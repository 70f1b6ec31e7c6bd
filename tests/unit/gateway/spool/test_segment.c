/* test_segment.c - a segment read with doubt: nonces, torn ends, damage, hostile payloads. */
#include "gateway/spool/segment.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define OK(call) assert_int_equal(call, 0)

static struct err err;

struct writing {
    int fd;
    struct segment_header header;
    uint64_t end;
};

static struct writing
begin(void)
{
    struct writing w = {.fd = memfd_create("segment", MFD_CLOEXEC), .end = SEGMENT_BLOCK};
    uint8_t block[SEGMENT_BLOCK];

    w.header.number = 5;
    memset(w.header.nonce, 0xA7, SEGMENT_NONCE);
    segment_header_write(&w.header, block);
    OK(durable_write_at(w.fd, block, sizeof block, 0, &err));
    return w;
}

/* Append a record; its offset. */
static uint64_t
add(struct writing *w, uint64_t id, const uint8_t *payload, size_t n, uint64_t synced_to)
{
    struct segment_record r = {.kind = SEGMENT_RECEIVED,
                               .offset = w->end,
                               .synced_to = synced_to,
                               .id = id,
                               .payload_size = n,
                               .object_size = n,
                               .payload_crc = zip_crc32(0, payload, n)};
    uint8_t header[SEGMENT_RECORD_HEADER], end[SEGMENT_RECORD_END];

    strncpy(r.meta.sop_instance, "1.2.3", sizeof r.meta.sop_instance - 1);
    segment_record_write(&r, w->header.nonce, header);
    segment_end_write(&r, w->header.nonce, end);
    OK(durable_write_at(w->fd, header, sizeof header, w->end, &err));
    OK(durable_write_at(w->fd, payload, n, w->end + sizeof header, &err));
    OK(durable_write_at(w->fd, end, sizeof end, w->end + sizeof header + n, &err));
    w->end += segment_span(r.kind, n);
    OK(ftruncate(w->fd, (off_t)w->end));
    return r.offset;
}

static void
scratch(struct writing *w, uint64_t at)
{
    uint8_t byte;

    OK(durable_read_at(w->fd, &byte, 1, at, &err));
    byte ^= 0x40;
    OK(durable_write_at(w->fd, &byte, 1, at, &err));
}

static struct segment_walk
walk(struct writing *w)
{
    struct segment_walk out;

    OK(segment_read(w->fd, &out, &err));
    return out;
}

static const uint8_t bytes[10000] = {1, 2, 3};

static void
what_was_written_is_read(void **state)
{
    struct writing w = begin();
    struct segment_walk found;

    (void)state;
    add(&w, 11, bytes, 10000, SEGMENT_BLOCK);
    add(&w, 12, bytes, 1, SEGMENT_BLOCK);
    found = walk(&w);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.records[0].id, 11);
    assert_int_equal(found.records[1].payload_size, 1);
    assert_string_equal(found.records[1].meta.sop_instance, "1.2.3");
    assert_int_equal(found.end, w.end);
    assert_int_equal(found.torn + found.damaged, 0);
    segment_walk_fini(&found);
    close(w.fd);
}

static void
an_unsynced_record_with_a_torn_payload_is_not_believed(void **state)
{
    struct writing w = begin();
    struct segment_walk found;
    uint64_t second;

    (void)state;
    add(&w, 11, bytes, 10000, SEGMENT_BLOCK);
    second = add(&w, 12, bytes, 10000, w.end);
    scratch(&w, second + 5000);
    found = walk(&w);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.torn, 1);
    assert_int_equal(found.damaged, 0);
    assert_int_equal(found.end, second);
    segment_walk_fini(&found);
    close(w.fd);
}

/* Invariant 5: start reads headers, not payloads. */
static void
a_synced_record_is_trusted_by_its_header(void **state)
{
    struct writing w = begin();
    struct segment_walk found;
    uint64_t first;

    (void)state;
    first = add(&w, 11, bytes, 10000, SEGMENT_BLOCK);
    add(&w, 12, bytes, 10000, w.end);
    scratch(&w, first + 5000);
    found = walk(&w);
    assert_int_equal(found.n, 2);
    segment_walk_fini(&found);
    close(w.fd);
}

static void
a_gap_before_what_was_synced_is_damage_and_the_rest_is_found(void **state)
{
    struct writing w = begin();
    struct segment_walk found;
    uint64_t first;

    (void)state;
    first = add(&w, 11, bytes, 10000, SEGMENT_BLOCK);
    add(&w, 12, bytes, 10000, w.end);
    scratch(&w, first + 50);
    found = walk(&w);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.records[0].id, 12);
    assert_int_equal(found.damaged, 1);
    segment_walk_fini(&found);
    close(w.fd);
}

/* Invariant 4. The payload is a whole segment's worth of valid records of another nonce, and one
 * with the right nonce at a wrong offset, laid where records would begin. */
static void
a_payload_cannot_pass_for_a_record(void **state)
{
    struct writing w = begin();
    struct segment_walk found;
    uint8_t *payload = mem_new(5 * SEGMENT_BLOCK);
    struct segment_record fake = {.kind = SEGMENT_RECEIVED, .id = 666, .synced_to = UINT64_MAX / 2};
    uint8_t other[SEGMENT_NONCE] = {0};
    size_t first_block = SEGMENT_BLOCK - SEGMENT_RECORD_HEADER;
    uint64_t at;

    (void)state;
    fake.offset = 2 * SEGMENT_BLOCK;
    segment_record_write(&fake, other, payload + first_block);
    fake.offset = 7 * SEGMENT_BLOCK;
    segment_record_write(&fake, w.header.nonce, payload + first_block + SEGMENT_BLOCK);
    at = add(&w, 11, payload, 5 * SEGMENT_BLOCK, SEGMENT_BLOCK);
    add(&w, 12, bytes, 10, w.end);
    found = walk(&w);
    assert_int_equal(found.n, 2);
    assert_int_equal(found.damaged, 0);
    segment_walk_fini(&found);

    scratch(&w, at + 50); /* and when its own header is gone, they are still none */
    found = walk(&w);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.records[0].id, 12);
    assert_int_equal(found.damaged, 1);
    segment_walk_fini(&found);
    free(payload);
    close(w.fd);
}

static void
what_is_no_segment_is_refused(void **state)
{
    static const char *const names[] = {"empty", "zeros", "major 2", "scratched"};
    struct segment_walk found;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct writing w = begin();
        uint8_t block[SEGMENT_BLOCK] = {0};

        if (i == 0)
            OK(ftruncate(w.fd, 0));
        if (i == 1)
            OK(durable_write_at(w.fd, block, sizeof block, 0, &err));
        if (i == 2) {
            segment_header_write(&w.header, block);
            block[8] = 2;
            le32_write(block + 48, zip_crc32(0, block, 48));
            OK(durable_write_at(w.fd, block, sizeof block, 0, &err));
        }
        if (i == 3)
            scratch(&w, 20);
        if (segment_read(w.fd, &found, &err) == 0 || err.kind != ERR_REJECT)
            fail_msg("%s was read", names[i]);
        close(w.fd);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(an_unsynced_record_with_a_torn_payload_is_not_believed),
        cmocka_unit_test(a_synced_record_is_trusted_by_its_header),
        cmocka_unit_test(a_gap_before_what_was_synced_is_damage_and_the_rest_is_found),
        cmocka_unit_test(a_payload_cannot_pass_for_a_record),
        cmocka_unit_test(what_is_no_segment_is_refused),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
