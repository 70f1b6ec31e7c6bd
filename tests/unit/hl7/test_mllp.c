/* test_mllp.c - frames on a stream that comes in pieces, late, or not at all. */
#include "proto/hl7/mllp.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { LIMIT = 1000, LONG_MS = 20000, SHORT_MS = 30 };

static int pair[2];
static struct mllp stream;
static struct buf got;

static int
setup(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    mllp_init(&stream, pair[0], LIMIT);
    buf_init(&got, LIMIT);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    mllp_fini(&stream);
    buf_fini(&got);
    close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    return 0;
}

static void
say(const char *bytes, size_t n)
{
    assert_int_equal(write(pair[1], bytes, n), n);
}

static void
messages_come_one_by_one_however_they_are_cut(void **state)
{
    static const char wire[] = "\x0bone\x1c\x0d\x0btwo\x1c\x0d\x0bthree\x1c";
    struct err err;

    (void)state;
    say(wire, sizeof wire - 1);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), 0);
    assert_string_equal(buf_text(&got), "one");
    buf_clear(&got);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), 0);
    assert_string_equal(buf_text(&got), "two");
    buf_clear(&got);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), 0);
    assert_string_equal(buf_text(&got), "three");
    say("\x0d\x0b", 2);
    assert_int_equal(mllp_read(&stream, LONG_MS, SHORT_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    buf_clear(&got);
    say("four\x1c", 5);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), 0);
    assert_string_equal(buf_text(&got), "four");
}

static void
silence_noise_and_length_end_it(void **state)
{
    char junk[2000];
    struct err err;

    (void)state;
    assert_int_equal(mllp_read(&stream, SHORT_MS, LONG_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    memset(junk, 'x', sizeof junk);
    say(junk, sizeof junk);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
a_message_past_the_limit_is_refused(void **state)
{
    char junk[2 * LIMIT];
    struct err err;

    (void)state;
    memset(junk, 'x', sizeof junk);
    junk[0] = 0x0B;
    junk[sizeof junk - 1] = 0x1C;
    say(junk, sizeof junk);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
an_end_between_messages_is_no_failure(void **state)
{
    struct err err;

    (void)state;
    say("\x0bone\x1c\x0d", 6);
    close(pair[1]);
    pair[1] = -1;
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), 0);
    assert_int_equal(mllp_read(&stream, LONG_MS, LONG_MS, &got, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
what_is_written_has_its_frame(void **state)
{
    char wire[8];
    struct err err;

    (void)state;
    assert_int_equal(mllp_write(&stream, "abc", 3, LONG_MS, &err), 0);
    assert_int_equal(read(pair[1], wire, sizeof wire), 6);
    assert_memory_equal(wire,
                        "\x0b"
                        "abc\x1c\x0d",
                        6);
}

static void
a_peer_that_takes_nothing_ends_at_the_deadline(void **state)
{
    uint8_t *much = mem_new(8 << 20);
    struct err err;

    (void)state;
    assert_int_equal(mllp_write(&stream, much, 8 << 20, SHORT_MS, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    free(much);
}

static void
a_port_listens_and_is_reached(void **state)
{
    uint16_t port = 0;
    int listener = -1, fd = -1;
    struct err err;

    (void)state;
    assert_int_equal(mllp_listen("127.0.0.1", 0, &listener, &port, &err), 0);
    assert_int_equal(mllp_connect("127.0.0.1", port, LONG_MS, &fd, &err), 0);
    close(fd);
    close(listener);
    assert_int_equal(mllp_connect("127.0.0.1", port, LONG_MS, &fd, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(mllp_listen("nowhere", 0, &listener, &port, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_come_one_by_one_however_they_are_cut),
        TEST(silence_noise_and_length_end_it),
        TEST(a_message_past_the_limit_is_refused),
        TEST(an_end_between_messages_is_no_failure),
        TEST(what_is_written_has_its_frame),
        TEST(a_peer_that_takes_nothing_ends_at_the_deadline),
        TEST(a_port_listens_and_is_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
