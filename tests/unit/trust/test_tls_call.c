/* test_tls_call.c - the calling side of TLS: whole streams both ways, and only with whom it should
 * be. The other side echoes: tls_pipe.h, or gnutls-serv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/thread.h"
#include "proto/trust/tls_call.h"
#include "proto/trust/tls_flow.h"
#include "proto/trust/tls_pipe.h"
#include "tests/support/echo.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

static char dir[FOLDER_PATH_BYTES], own[400], key[400], pin[65];
static struct tls_pipe *pipe_;
static pthread_t threads[16];
static _Atomic int taken;

static void
take(int fd, const char *address, uint16_t port, const char *fingerprint, void *user)
{
    int *copy = mem_new(sizeof *copy);

    (void)address;
    (void)port;
    (void)fingerprint;
    (void)user;
    *copy = fd;
    threads[taken++] = thread_start("echo", echo_run, copy);
}

static int
begin(void **state)
{
    struct tls_pipe_options options = {
        .address = "127.0.0.1", .certificate = own, .key = key, .take = take};
    struct err err = {0};
    char *tls;

    (void)state;
    folder_make("tls-call", dir);
    tls = mem_printf("%s/tls", dir);
    snprintf(own, sizeof own, "%s/own.pem", tls);
    snprintf(key, sizeof key, "%s/own.key", tls);
    taken = 0;
    assert_int_equal(tls_pipe_make_certificate(tls, "own", "archive", &err), 0);
    assert_int_equal(tls_pipe_open(&options, &pipe_, &err), 0);
    tls_pipe_fingerprint(pipe_, pin);
    free(tls);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    tls_pipe_free(&pipe_);
    for (int i = 0; i < taken; i++)
        thread_join(threads[i]);
    folder_remove(dir);
    return 0;
}

static int
dial_port(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int
dial(void)
{
    return dial_port(tls_pipe_port(pipe_));
}

static void *
send_all(void *arg)
{
    static uint8_t bytes[1 << 20];
    int fd = *(int *)arg;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t at = 0; at < sizeof bytes;) {
        ssize_t n = send(fd, bytes + at, sizeof bytes - at, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return NULL;
}

static void
a_stream_goes_whole_both_ways(void **state)
{
    struct tls_call_options o = {.host = "any", .pin = pin, .certificate = own, .key = key};
    struct tls_call *call = NULL;
    struct err err = {0};
    uint8_t got[4096];
    pthread_t sender;
    size_t at = 0;
    int fd = -1;

    (void)state;
    assert_int_equal(tls_call_new(&o, &call, &err), 0);
    assert_int_equal(tls_call_wrap(call, dial(), &fd, &err), 0);
    sender = thread_start("send", send_all, &fd);
    while (at < 1 << 20) {
        ssize_t n = recv(fd, got, sizeof got, 0);

        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(got[i], (uint8_t)((at + (size_t)i) * 7));
        at += (size_t)n;
    }
    thread_join(sender);
    close(fd);
    tls_call_free(&call);
}

static void
another_than_the_pinned_one_hears_nothing(void **state)
{
    struct tls_call_options o = {.host = "any", .pin = pin, .certificate = own, .key = key};
    struct tls_call *call = NULL;
    struct err err = {0};
    int fd = -1;

    (void)state;
    pin[0] = pin[0] == 'a' ? 'b' : 'a';
    assert_int_equal(tls_call_new(&o, &call, &err), 0);
    assert_int_equal(tls_call_wrap(call, dial(), &fd, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    tls_call_free(&call);
}

static void
a_certificate_of_another_name_is_refused(void **state)
{
    struct tls_call_options o = {.host = "127.0.0.1", .ca = own, .certificate = own, .key = key};
    struct tls_call *call = NULL;
    struct err err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(tls_call_new(&o, &call, &err), 0);
    assert_int_equal(tls_call_wrap(call, dial(), &fd, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    tls_call_free(&call);
    o.host = "archive"; /* as its common name says */
    assert_int_equal(tls_call_new(&o, &call, &err), 0);
    assert_int_equal(tls_call_wrap(call, dial(), &fd, &err), 0);
    close(fd);
    tls_call_free(&call);
}

static void
nobody_is_called_without_knowing_who_it_must_be(void **state)
{
    struct tls_call_options o = {.host = "any"};
    struct tls_call *call = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(tls_call_new(&o, &call, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_null(call);
}

static void
a_peer_that_says_nothing_is_given_up(void **state)
{
    struct tls_call_options o = {.host = "any", .pin = pin, .handshake_ms = 200};
    struct tls_call *call = NULL;
    struct err err = {0};
    int pair[2], fd = -1;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(tls_call_new(&o, &call, &err), 0);
    assert_int_equal(tls_call_wrap(call, pair[0], &fd, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    tls_call_free(&call);
    close(pair[1]);
}

/* ---- another library's TLS ---- */

static void
await_words(int fd, const char *words)
{
    char said[4096];
    size_t n = 0;

    do {
        assert_true(n + 1 < sizeof said);
        ssize_t m = recv(fd, said + n, sizeof said - 1 - n, 0);
        if (m <= 0)
            fail_msg("it ended: %.*s", (int)n, said);
        n += (size_t)m;
        said[n] = '\0';
    } while (strstr(said, words) == NULL);
}

/* Each line comes back; -1 and err: it did not. Few lines: it says them all on its output, too. */
static int
talk_with_gnutls(const char *priority, const char *option, bool shows_ours, struct err *err)
{
    struct tls_call_options o = {
        .host = "any", .pin = pin, .certificate = shows_ours ? own : NULL, .key = key};
    char port_text[8], line[3000], got[sizeof line];
    const char *const argv[] = {"gnutls-serv", "--quiet",       "--echo", "--port",
                                port_text,     "--priority",    priority, "--x509certfile",
                                own,           "--x509keyfile", key,      "--x509cafile",
                                own,           option,          NULL};
    struct tls_call *call = NULL;
    uint16_t port;
    int kept = program_port(&port), said, fd = -1, rc = 0;
    pid_t child;

    snprintf(port_text, sizeof port_text, "%u", port);
    child = program_start(argv, &said);
    await_words(said, "done");
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    assert_int_equal(tls_call_new(&o, &call, err), 0);
    assert_int_equal(tls_call_wrap(call, dial_port(port), &fd, err), 0);
    for (int i = 0; i < 20 && rc == 0; i++) {
        line[0] = (char)('a' + i % 26);
        if (send(fd, line, sizeof line, MSG_NOSIGNAL) != (ssize_t)sizeof line ||
            recv(fd, got, sizeof got, MSG_WAITALL) != (ssize_t)sizeof got)
            rc = -1;
        else
            assert_memory_equal(line, got, sizeof line);
    }
    close(fd);
    if (rc < 0)
        assert_int_equal(tls_call_end(&call, err), -1);
    tls_call_free(&call);
    program_stop(child);
    close(said);
    close(kept);
    return rc;
}

static void
gnutls_is_understood(void **state)
{
    struct err err;

    (void)state;
    if (!program_is_there("gnutls-serv"))
        skip();
    assert_int_equal(talk_with_gnutls("NORMAL", NULL, false, &err), 0);
    assert_int_equal(talk_with_gnutls("NORMAL", "--noticket", true, &err), 0);
    assert_int_equal(talk_with_gnutls("NORMAL:-VERS-TLS1.3", NULL, false, &err), 0);
    assert_int_equal(talk_with_gnutls("NORMAL", "--require-client-cert", true, &err), 0);
}

/* TLS 1.3 refuses a caller only after the handshake. */
static void
a_refusal_behind_the_handshake_is_told(void **state)
{
    struct err err;

    (void)state;
    if (!program_is_there("gnutls-serv"))
        skip();
    assert_int_equal(talk_with_gnutls("NORMAL", "--require-client-cert", false, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    if (strstr(err.text, "certificate required") == NULL)
        fail_msg("%s", err.text);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_stream_goes_whole_both_ways),
        T(another_than_the_pinned_one_hears_nothing),
        T(a_certificate_of_another_name_is_refused),
        T(nobody_is_called_without_knowing_who_it_must_be),
        T(a_peer_that_says_nothing_is_given_up),
        T(gnutls_is_understood),
        T(a_refusal_behind_the_handshake_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
