/* test_program.c - a helper of the same program gets what it is given and nothing else; a service
 * waits for the signal that ends it. */
#include "proto/base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What a helper finds: written to its socket. */
static int
tell(const char *word)
{
    sigset_t blocked;
    char text[128];
    int n;

    sigprocmask(SIG_BLOCK, NULL, &blocked);
    n = snprintf(text, sizeof text, "%s %s stray=%d blocked=%d pipe=%d leads=%d", word,
                 getenv("ROLE"), is_open(PROGRAM_SOCKET + 1) || is_open(77),
                 sigismember(&blocked, SIGTERM), signal(SIGPIPE, SIG_DFL) == SIG_IGN,
                 getpgrp() == getpid());
    return write(PROGRAM_SOCKET, text, (size_t)n) == n ? 0 : 1;
}

/* out has 128 bytes. */
static void
ask(bool is_group, char *out)
{
    char *const argv[] = {(char[]){"helper"}, (char[]){"tell"}, NULL};
    char *const env[] = {(char[]){"ROLE=signer"}, (char[]){"ASAN_OPTIONS=detect_leaks=0"}, NULL};
    struct err err;
    ssize_t n;
    int pair[2], status;
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    if (program_spawn_self(argv, env, pair[1], is_group, &pid, &err) < 0)
        fail_msg("%s", err.text);
    close(pair[1]);
    n = read(pair[0], out, 127);
    assert_true(n > 0);
    out[n] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
}

static void
a_helper_has_its_socket_and_nothing_of_its_parent(void **state)
{
    char told[128];
    int stray;

    (void)state;
    program_hold_signals();
    stray = fcntl(0, F_DUPFD, 77); /* one that a library forgot to mark */
    assert_int_equal(stray, 77);

    ask(true, told);
    assert_string_equal(told, "tell signer stray=0 blocked=0 pipe=0 leads=1");
    ask(false, told);
    assert_string_equal(told, "tell signer stray=0 blocked=0 pipe=0 leads=0");
    close(stray);
}

static void
what_cannot_be_started_is_an_error_and_no_process(void **state)
{
    char *const argv[] = {(char[]){"helper"}, NULL}, *const env[] = {NULL};
    pid_t pid = 12;
    struct err err;

    (void)state;
    assert_int_equal(program_spawn_self(argv, env, 4000, false, &pid, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(pid, 12);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void
a_service_hears_of_its_end_even_before_it_waits(void **state)
{
    (void)state;
    program_hold_signals();
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(program_wait(), SIGTERM);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    assert_int_equal(program_wait(), SIGINT);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_helper_has_its_socket_and_nothing_of_its_parent),
        cmocka_unit_test(what_cannot_be_started_is_an_error_and_no_process),
        cmocka_unit_test(a_service_hears_of_its_end_even_before_it_waits),
    };

    if (argc > 1)
        return tell(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
