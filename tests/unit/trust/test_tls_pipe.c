/* test_tls_pipe.c - a port that ends TLS: whole streams both ways, pins handed on, and nobody holds
 * up another. The peer is openssl's s_client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/trust/tls_pipe.h"
#include "tests/support/echo.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

enum { MEGABYTES = 8 << 20, WAIT_MOST_MS = 120000 };

static char dir[FOLDER_PATH_BYTES], own[400], key[400];
static struct tls_pipe *pipe_;
static struct gate gate; /* guards all below */
static int taken, failed, renewals, refusals;
static unsigned troubles; /* bits of enum tls_pipe_trouble */
static int owner_fd;      /* 0: owners echo */
static char shown[65];

static pthread_t threads[8];

static void
take(int fd, const char *address, uint16_t port, const char *fingerprint, void *user)
{
    int *copy = mem_new(sizeof *copy);

    assert_string_equal(address, "127.0.0.1");
    assert_int_not_equal(port, 0);
    gate_lock(&gate);
    memcpy(shown, fingerprint, sizeof shown);
    if (user) { /* an owner that says much and hears nothing */
        owner_fd = fd;
        free(copy);
    } else {
        *copy = fd;
        threads[taken] = thread_start("echo", echo_run, copy);
    }
    taken++;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static void
note(const char *address, enum tls_pipe_trouble trouble, const struct err *err, void *user)
{
    (void)address;
    (void)err;
    (void)user;
    gate_lock(&gate);
    failed++;
    troubles |= 1u << trouble;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static void
note_renewed(const char *fingerprint, const struct err *why, void *user)
{
    (void)user;
    assert_int_equal(strlen(fingerprint), 64);
    gate_lock(&gate);
    renewals += why == NULL;
    refusals += why != NULL;
    gate_wake(&gate);
    gate_unlock(&gate);
}

static const char *listens_on = "127.0.0.1";

static void
open_pipe(const char *ca, void *user)
{
    struct tls_pipe_options options = {.address = listens_on,
                                       .certificate = own,
                                       .key = key,
                                       .ca = ca,
                                       .max_connections = 4,
                                       .handshake_ms = 3000,
                                       .stall_ms = 1000,
                                       .take = take,
                                       .note = note,
                                       .renewed = note_renewed,
                                       .user = user};
    struct err err = {0};

    if (tls_pipe_open(&options, &pipe_, &err) < 0)
        fail_msg("%s", err.text);
}

static int
begin(void **state)
{
    struct err err = {0};
    char *tls;

    (void)state;
    folder_make("tls-pipe", dir);
    tls = mem_printf("%s/tls", dir);
    snprintf(own, sizeof own, "%s/own.pem", tls);
    snprintf(key, sizeof key, "%s/own.key", tls);
    gate_init(&gate);
    taken = failed = renewals = refusals = owner_fd = 0;
    troubles = 0;
    assert_int_equal(tls_pipe_make_certificate(tls, "own", "RADPOST", &err), 0);
    free(tls);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    tls_pipe_free(&pipe_);
    for (int i = 0; i < taken && i < 8 && owner_fd == 0; i++)
        thread_join(threads[i]);
    gate_fini(&gate);
    folder_remove(dir);
    return 0;
}

/* A shell line with the port in $P and the identity in $OWN and $KEY; what it prints. */
static int
shell(const char *line, char *out, size_t size)
{
    char *script =
        mem_printf("P=%u OWN=%s KEY=%s; cd %s; %s", tls_pipe_port(pipe_), own, key, dir, line);
    const char *const argv[] = {"sh", "-c", script, NULL};
    int rc = program_run(argv, NULL, out, size);

    free(script);
    return rc;
}

/* openssl's own client with our identity: what is written to the socket it says to the pipe. */
static pid_t
start_client(int *out_fd)
{
    char place[32];
    const char *const argv[] = {"sh",
                                "-c",
                                "exec openssl s_client -quiet -connect $0 -cert $1 "
                                "-key $2 2>/dev/null",
                                place,
                                own,
                                key,
                                NULL};

    snprintf(place, sizeof place, "127.0.0.1:%u", tls_pipe_port(pipe_));
    return program_start(argv, out_fd);
}

static uint8_t
sent_byte(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void *
send_megabytes(void *arg)
{
    int fd = *(int *)arg;
    uint8_t piece[65536];

    for (size_t at = 0, k; at < MEGABYTES; at += k) {
        ssize_t put;

        k = MEGABYTES - at < sizeof piece ? MEGABYTES - at : sizeof piece;
        for (size_t i = 0; i < k; i++)
            piece[i] = sent_byte(at + i);
        put = send(fd, piece, k, MSG_NOSIGNAL);
        if (put <= 0)
            break;
        k = (size_t)put;
    }
    return NULL;
}

static void
megabytes_come_back_whole_and_the_pin_is_told(void **state)
{
    char fingerprint[65];
    uint8_t got[65536];
    pthread_t sender;
    pid_t client;
    int fd;

    (void)state;
    open_pipe(NULL, NULL);
    client = start_client(&fd);
    sender = thread_start("sender", send_megabytes, &fd);
    for (size_t at = 0; at < MEGABYTES;) {
        ssize_t n = recv(fd, got, sizeof got, 0);

        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_true(got[i] == sent_byte(at++));
    }
    thread_join(sender);
    program_stop(client);
    close(fd);
    tls_pipe_fingerprint(pipe_, fingerprint);
    assert_string_equal(shown, fingerprint); /* the peer showed our own */
}

/* What who connects now is shown: the SHA-256 of its certificate, as openssl writes it. */
static void
shown_now(char out[200])
{
    assert_int_equal(shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P -cert $OWN "
                           "-key $KEY 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
                           out, 200),
                     0);
}

static void
a_renewed_certificate_is_shown_without_a_new_start_and_a_broken_one_is_not(void **state)
{
    char before[200], after[200], out[4096], pin[65], fresh[65];

    (void)state;
    open_pipe(NULL, NULL);
    tls_pipe_fingerprint(pipe_, pin);
    shown_now(before);

    /* one file after the other: in between they do not belong together */
    assert_int_equal(shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout new.key -out new.pem "
                           "-subj /CN=RADPOST 2>/dev/null && cp new.pem $OWN",
                           out, sizeof out),
                     0);
    assert_int_equal(shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P 2>/dev/null | "
                           "openssl x509 -noout -fingerprint -sha256",
                           after, sizeof after),
                     0);
    assert_string_equal(before, after);
    assert_true(tls_pipe_is_stale(pipe_));
    assert_int_equal(refusals, 1); /* told once */

    assert_int_equal(shell("cp new.key $KEY", out, sizeof out), 0);
    shown_now(after);
    assert_string_not_equal(before, after);
    assert_false(tls_pipe_is_stale(pipe_));
    assert_int_equal(renewals, 1);
    tls_pipe_fingerprint(pipe_, fresh);
    assert_string_not_equal(pin, fresh);

    assert_int_equal(shell("cp new.pem kept.pem && rm $OWN", out, sizeof out), 0);
    assert_int_equal(shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P 2>/dev/null | "
                           "openssl x509 -noout -fingerprint -sha256",
                           before, sizeof before),
                     0);
    assert_string_equal(before, after);
    assert_true(tls_pipe_is_stale(pipe_));
}

static void
assert_told(enum tls_pipe_trouble trouble)
{
    gate_lock(&gate);
    for (int tries = 0; (troubles & 1u << trouble) == 0 && tries < 600; tries++)
        (void)gate_wait_ms(&gate, 100);
    assert_true(troubles & 1u << trouble);
    gate_unlock(&gate);
}

static void
a_peer_without_a_certificate_or_of_another_authority_is_not_handed_on(void **state)
{
    char out[8192], ca[500];

    (void)state;
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    open_pipe(NULL, NULL);
    (void)shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P 2>&1", out, sizeof out);
    assert_int_equal(taken, 0);
    assert_told(TLS_PIPE_NO_CERTIFICATE);
    assert_int_equal(
        shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=CA "
              "2>/dev/null && openssl req -newkey rsa:2048 -nodes -keyout d.key -out d.csr -subj "
              "/CN=d 2>/dev/null && openssl x509 -req -in d.csr -CA ca.pem -CAkey ca.key "
              "-CAcreateserial -out d.pem 2>/dev/null && openssl x509 -req -in d.csr -CA ca.pem "
              "-CAkey ca.key -CAcreateserial -days -1 -out old.pem 2>/dev/null",
              out, sizeof out),
        0);
    tls_pipe_free(&pipe_);
    open_pipe(ca, NULL);
    (void)shell(
        "echo | timeout 60 openssl s_client -connect 127.0.0.1:$P -cert $OWN -key $KEY 2>&1", out,
        sizeof out);
    assert_int_equal(taken, 0);
    assert_told(TLS_PIPE_NOT_TRUSTED);
    (void)shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P -cert old.pem -key d.key "
                "2>&1",
                out, sizeof out);
    assert_int_equal(taken, 0);
    assert_told(TLS_PIPE_NOT_NOW);
    (void)shell("echo | timeout 60 openssl s_client -connect 127.0.0.1:$P -cert d.pem -key d.key "
                "2>&1",
                out, sizeof out);
    assert_int_equal(taken, 1);
    assert_in_range(failed, 3, 4);
}

/* take() sees to the name: a list of peers has 127.0.0.1 in it, not ::ffff:127.0.0.1. */
static void
a_peer_by_the_old_protocol_at_a_port_of_both_has_its_own_name(void **state)
{
    char out[4096];

    (void)state;
    listens_on = "::";
    open_pipe(NULL, NULL);
    listens_on = "127.0.0.1";
    (void)shell("echo hello | timeout 60 openssl s_client -quiet -no_ign_eof -connect "
                "127.0.0.1:$P -cert $OWN -key $KEY 2>/dev/null",
                out, sizeof out);
    assert_int_equal(taken, 1);
}

static int
connect_raw(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tls_pipe_port(pipe_))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void
when_it_is_full_the_oldest_that_is_not_through_gives_way(void **state)
{
    int fds[4];
    char out[4096], byte;

    (void)state;
    open_pipe(NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = connect_raw();
    int rc = shell("echo hello | timeout 60 openssl s_client -quiet -no_ign_eof -connect "
                   "127.0.0.1:$P -cert $OWN -key $KEY 2>/dev/null",
                   out, sizeof out);
    print_message("%d %s", rc, out);

    assert_int_equal(taken, 1);
    assert_true(recv(fds[0], &byte, 1, 0) <= 0);
    assert_int_equal(recv(fds[3], &byte, 1, MSG_DONTWAIT), -1); /* still there */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

/* Its client's output is not read, so that it soon reads nothing either. */
static void
a_peer_that_takes_nothing_is_let_go(void **state)
{
    char bytes[65536] = {0};
    int64_t begun_ms;
    pid_t client;
    const struct timeval most = {.tv_sec = WAIT_MOST_MS / 1000};
    int deaf, fd;

    (void)state;
    open_pipe(NULL, &gate);
    client = start_client(&deaf);
    begun_ms = clock_mono_ms();
    gate_lock(&gate);
    while (taken == 0 && clock_mono_ms() - begun_ms < WAIT_MOST_MS)
        gate_wait_ms(&gate, WAIT_MOST_MS);
    fd = taken == 0 ? -1 : owner_fd;
    gate_unlock(&gate);
    if (fd < 0)
        fail_msg("the pipe did not hand over the connection");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most), 0);

    begun_ms = clock_mono_ms();
    while (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) >= 0)
        if (clock_mono_ms() - begun_ms >= WAIT_MOST_MS)
            fail_msg("the pipe takes bytes for one who does not read");

    assert_true(clock_mono_ms() - begun_ms >= 900);
    assert_int_equal(failed, 1);
    close(fd);
    program_stop(client);
    close(deaf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_renewed_certificate_is_shown_without_a_new_start_and_a_broken_one_is_not, begin, end),
        cmocka_unit_test_setup_teardown(megabytes_come_back_whole_and_the_pin_is_told, begin, end),
        cmocka_unit_test_setup_teardown(
            a_peer_without_a_certificate_or_of_another_authority_is_not_handed_on, begin, end),
        cmocka_unit_test_setup_teardown(
            a_peer_by_the_old_protocol_at_a_port_of_both_has_its_own_name, begin, end),
        cmocka_unit_test_setup_teardown(when_it_is_full_the_oldest_that_is_not_through_gives_way,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_peer_that_takes_nothing_is_let_go, begin, end),
    };

    if (!program_is_there("openssl")) {
        print_message("SKIPPED: no openssl\n");
        return 77;
    }
    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
