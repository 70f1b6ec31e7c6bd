/* test_thread - no room for a thread stops the process as want of memory does, not by an abort. */
#include "proto/base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534

static void *
idle(void *arg)
{
    return arg;
}

/* In a process of its own: nobody may have more threads. */
static void
start_one_too_many(void)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_NPROC, &none) < 0 || (getuid() == 0 && setuid(NOBODY) < 0))
        _exit(1);
    thread_join(thread_start("one", idle, NULL));
    _exit(0);
}

static void
a_thread_that_cannot_be_made_stops_the_process(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        start_one_too_many();
    assert_true(pid > 0);

    assert_int_equal(waitpid(pid, &status, 0), pid);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), MEM_EXIT);
}

static void
a_thread_that_was_started_is_joined(void **state)
{
    (void)state;
    thread_join(thread_start("one", idle, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_cannot_be_made_stops_the_process),
        cmocka_unit_test(a_thread_that_was_started_is_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
