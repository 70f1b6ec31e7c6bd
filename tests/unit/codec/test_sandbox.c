/* test_sandbox.c - inside, nothing can be opened, connected or started. */
#include "proto/codec/sandbox.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* _exit(7) = it could be done. */
static void
try_open(void)
{
    (void)open("/etc/passwd", O_RDONLY);
}

static void
try_open_for_writing(void)
{
    (void)syscall(SYS_open, "/tmp/x", O_WRONLY | O_CREAT, 0600);
}

static void
try_socket(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void
try_unix_socket(void)
{
    (void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
try_fork(void)
{
    (void)syscall(SYS_fork);
}

static void
try_exec(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};

    (void)execv("/bin/true", argv);
}

static void
try_kill(void)
{
    (void)kill(getppid(), 0);
}

static void
try_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
try_code_later(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

static void
try_unlink(void)
{
    (void)unlink("/tmp/nothing-of-that-name");
}

static void
try_stat(void)
{
    (void)syscall(SYS_stat, "/etc/passwd", NULL);
}

static int
run_inside(int (*enter)(struct err *), void (*attempt)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};

        if (enter(&err) < 0)
            _exit(3);
        attempt();
        _exit(7);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static const struct {
    const char *name;
    int (*enter)(struct err *err);
} cages[] = {{"codec", sandbox_enter}, {"keys", sandbox_enter_keys}};

static void
what_reaches_outside_is_deadly(void **state)
{
    static const struct {
        const char *name;
        void (*attempt)(void);
    } rows[] = {
        {"open", try_open},
        {"open for writing", try_open_for_writing},
        {"internet socket", try_socket},
        {"unix socket", try_unix_socket},
        {"fork", try_fork},
        {"exec", try_exec},
        {"kill", try_kill},
        {"memory with code", try_code},
        {"memory becoming code", try_code_later},
        {"unlink", try_unlink},
        {"stat", try_stat},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(cages); k++) {
            int status = run_inside(cages[k].enter, rows[i].attempt);

            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
                fail_msg("%s, %s: status %x, wanted SIGSYS", cages[k].name, rows[i].name,
                         (unsigned)status);
        }
    }
}

static int ends[2];

static void
work_as_usual(void)
{
    char *memory = malloc(3000000);
    struct iovec part = {(char[]){"done"}, 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(memory, 1, 3000000);
    free(memory);
    if (sendmsg(ends[1], &message, MSG_NOSIGNAL) != 4)
        _exit(8);
}

static void
memory_and_open_descriptors_work(void **state)
{
    char got[4] = {0};
    int status;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);

    status = run_inside(sandbox_enter, work_as_usual);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(read(ends[0], got, sizeof got), 4);
    close(ends[0]);
    close(ends[1]);
}

static void
sync_a_file(void)
{
    if (write(ends[1], "key", 3) != 3 || fdatasync(ends[1]) < 0)
        _exit(8);
}

static void
keys_are_synced_by_their_holder_only(void **state)
{
    int status;

    (void)state;
    ends[1] = memfd_create("keys", MFD_CLOEXEC);
    assert_true(ends[1] >= 0);

    status = run_inside(sandbox_enter_keys, sync_a_file);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    status = run_inside(sandbox_enter, sync_a_file);
    assert_true(WIFSIGNALED(status));
    close(ends[1]);
}

static void
take_too_much(void)
{
    if (mmap(NULL, 6ULL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
        MAP_FAILED)
        _exit(9);
}

static void
memory_is_limited(void **state)
{
    int status;

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* the sanitizer needs terabytes of address space, and has a limit of its own */
#endif
    status = run_inside(sandbox_enter, take_too_much);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_reaches_outside_is_deadly),
        cmocka_unit_test(memory_and_open_descriptors_work),
        cmocka_unit_test(keys_are_synced_by_their_holder_only),
        cmocka_unit_test(memory_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
