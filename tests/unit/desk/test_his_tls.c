/* test_his_tls.c - HL7 over TLS, both ways: only who shows the right certificate is heard, and only
 * the right HIS is spoken to. openssl's own client is a peer, too. */
#include "gateway/desk/his_in.h"
#include "gateway/desk/his_reach.h"

#include "gateway/desk/orders.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/hl7/hl7.h"
#include "proto/hl7/mllp.h"
#include "proto/trust/tls_pipe.h"
#include "tests/support/authority.h"
#include "tests/support/book_world.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 30000 };

#define ORDER(number)                                                                              \
    "MSH|^~\\&|HIS|H|||1||ORM^O01|" number "|P|2.4\rPID|1||P1||WANG^XD\r"                          \
    "ORC|NW|N" number "\rOBR|1|N" number "||a^HEAD^99\r"

static struct his_in *door;
static char his_pem[300], his_key[300], other_pem[300], other_key[300], ours[65];

static int
setup(void **state)
{
    struct his_in_options o = {.address = "127.0.0.1",
                               .peers = "",
                               .charset = "",
                               .facility = "CLINIC",
                               .idle_ms = 1000,
                               .tls_ca = his_pem};
    char tls_dir[300];
    struct err err;

    assert_int_equal(book_world_open(state), 0);
    log_set_fd(-1);
    snprintf(tls_dir, sizeof tls_dir, "%s/tls", book_dir);
    snprintf(his_pem, sizeof his_pem, "%s/his.pem", tls_dir);
    snprintf(his_key, sizeof his_key, "%s/his.key", tls_dir);
    snprintf(other_pem, sizeof other_pem, "%s/other.pem", tls_dir);
    snprintf(other_key, sizeof other_key, "%s/other.key", tls_dir);
    assert_int_equal(tls_pipe_make_certificate(tls_dir, "his", "HIS", &err), 0);
    assert_int_equal(tls_pipe_make_certificate(tls_dir, "other", "HIS", &err), 0);
    o.book = book;
    o.tls_dir = tls_dir;
    if (his_in_start(&o, &door, &err) < 0)
        fail_msg("%s", err.text);
    his_in_fingerprint(door, ours);
    assert_int_equal(strlen(ours), 64);
    return 0;
}

static int
teardown(void **state)
{
    his_in_stop(&door);
    return book_world_close(state);
}

/* What is answered: MSA-1; "" nothing. */
static const char *
say(int fd, const char *text)
{
    static char word[8];
    struct hl7_message *m = NULL;
    struct mllp stream;
    struct buf got;
    struct err err;

    word[0] = '\0';
    mllp_init(&stream, fd, LIMIT_HL7_BYTES);
    buf_init(&got, LIMIT_HL7_BYTES);
    if (mllp_write(&stream, text, strlen(text), WAIT_MS, &err) == 0 &&
        mllp_read(&stream, WAIT_MS, WAIT_MS, &got, &err) == 0 &&
        hl7_parse(got.bytes, got.n, NULL, &m, &err) == 0)
        (void)hl7_get_of(m, "MSA", 1, 1, word, sizeof word);
    hl7_free(&m);
    buf_fini(&got);
    mllp_fini(&stream);
    return word;
}

static bool
is_known(const char *placer)
{
    struct order *o = mem_new(sizeof *o);
    struct err err;
    bool is = order_find_placer(book, "hl7", placer, o, &err) == 0;

    free(o);
    return is;
}

static int
reach(const char *pin, const char *pem, const char *key, struct his_reached *out, struct err *err)
{
    const struct his_settings s = {
        .hl7_tls_pin = pin, .hl7_tls_certificate = pem, .hl7_tls_key = key};

    return his_reach(&s, "127.0.0.1", his_in_port(door), WAIT_MS, out, err);
}

static void
the_right_certificates_hear_each_other(void **state)
{
    struct his_reached r;
    struct err err;

    (void)state;
    if (reach(ours, his_pem, his_key, &r, &err) < 0)
        fail_msg("%s", err.text);

    assert_string_equal(say(r.fd, ORDER("1")), "AA");

    his_leave(&r, NULL);
    assert_true(is_known("N1"));
}

static void
a_certificate_that_cannot_be_renewed_is_shown_on_and_told(void **state)
{
    struct his_reached r;
    char tls_dir[300];
    struct err err;

    (void)state;
    snprintf(tls_dir, sizeof tls_dir, "%s/tls", book_dir);
    assert_false(his_in_is_stale(door));
    assert_int_equal(durable_put_file(tls_dir, "hl7.pem", "mistyped", 8, &err), 0);
    if (reach(ours, his_pem, his_key, &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(say(r.fd, ORDER("3")), "AA");
    his_leave(&r, NULL);
    assert_true(his_in_is_stale(door));
}

/* TLS 1.3 tells a caller that its certificate is refused only when it reads. */
static void
a_stranger_is_not_heard(void **state)
{
    struct his_reached r;
    struct err err;

    (void)state;
    if (reach(ours, other_pem, other_key, &r, &err) == 0) {
        assert_string_equal(say(r.fd, ORDER("2")), "");
        his_leave(&r, NULL);
    }
    if (reach("", NULL, NULL, &r, &err) == 0) { /* plain */
        assert_string_equal(say(r.fd, ORDER("2")), "");
        his_leave(&r, NULL);
    }
    assert_false(is_known("N2"));
}

/* Nothing of a report goes to a HIS that is another than the one that was named. */
static void
another_his_is_not_spoken_to(void **state)
{
    struct his_reached r;
    char wrong[65];
    struct err err;

    (void)state;
    memcpy(wrong, ours, sizeof wrong);
    wrong[10] = wrong[10] == '0' ? '1' : '0';

    assert_int_equal(reach(wrong, his_pem, his_key, &r, &err), -1);

    assert_int_equal(err.kind, ERR_DENIED);
}

/* ---- openssl's own client ---- */

/* It says this and hears the answer, or is let go. */
static bool
openssl_is_heard(uint16_t port, const char *certificate, const char *private_key, const char *text)
{
    char place[32], said[65536];
    const char *const argv[] = {"openssl", "s_client",  "-quiet", "-connect",  place,
                                "-cert",   certificate, "-key",   private_key, NULL};
    size_t n = 0;
    ssize_t got = 1;
    pid_t child;
    int fd;

    snprintf(place, sizeof place, "127.0.0.1:%u", port);
    child = program_start(argv, &fd);
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    for (said[0] = '\0'; strstr(said, "MSA|AA") == NULL && got > 0; said[n] = '\0') {
        got = recv(fd, said + n, sizeof said - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    program_stop(child);
    close(fd);
    return strstr(said, "MSA|AA") != NULL;
}

static void
another_programs_tls_is_answered(void **state)
{
    (void)state;
    if (!program_is_there("openssl"))
        skip();

    assert_true(openssl_is_heard(his_in_port(door), his_pem, his_key, "\x0B" ORDER("3") "\x1C\r"));

    assert_true(is_known("N3"));
}

static void
orders_are_taken_from_a_his_whose_certificate_is_in_force_and_from_no_other(void **state)
{
    static const struct {
        const char *certificate, *text, *placer;
        bool is_heard;
    } rows[] = {
        {"here", "\x0B" ORDER("80") "\x1C\r", "N80", true},
        {"stranger", "\x0B" ORDER("81") "\x1C\r", "N81", false},
        {"old", "\x0B" ORDER("82") "\x1C\r", "N82", false},
    };
    char ca[300], tls_dir[300], pem[300], private_key[300];
    struct his_in_options o = {.book = book,
                               .address = "::",
                               .peers = "10.0.0.1, 127.0.0.1",
                               .charset = "",
                               .facility = "CLINIC",
                               .idle_ms = WAIT_MS,
                               .tls_ca = ca,
                               .tls_dir = tls_dir};
    struct his_in *sealed = NULL;
    struct err err;

    (void)state;
    if (!program_is_there("openssl"))
        skip();
    snprintf(ca, sizeof ca, "%s/ca.pem", book_dir);
    snprintf(private_key, sizeof private_key, "%s/s.key", book_dir);
    snprintf(tls_dir, sizeof tls_dir, "%s/tls", book_dir);
    assert_int_equal(authority_make(book_dir), 0);
    if (his_in_start(&o, &sealed, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(pem, sizeof pem, "%s/%s.pem", book_dir, rows[i].certificate);
        if (openssl_is_heard(his_in_port(sealed), pem, private_key, rows[i].text) !=
                rows[i].is_heard ||
            is_known(rows[i].placer) != rows[i].is_heard)
            fail_msg("%s", rows[i].certificate);
    }
    his_in_stop(&sealed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_right_certificates_hear_each_other),
        TEST(a_certificate_that_cannot_be_renewed_is_shown_on_and_told),
        TEST(a_stranger_is_not_heard),
        TEST(another_his_is_not_spoken_to),
        TEST(another_programs_tls_is_answered),
        TEST(orders_are_taken_from_a_his_whose_certificate_is_in_force_and_from_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
