/* test_sandbox.c - inside, nothing can be opened, connected or started. */
#include "proto/codec/sandbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
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

static void
try_process_of_threads_kind(void)
{
    (void)syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, NULL, NULL, NULL,
                  0);
}

static void
try_name_space(void)
{
    (void)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
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
        {"a process that shares its memory", try_process_of_threads_kind},
        {"a name space", try_name_space},
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

static void *
add_one(void *arg)
{
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void
count_with_threads(void)
{
    pthread_t threads[4];
    int count = 0;

    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, add_one, &count) != 0)
            _exit(8);
    for (int i = 0; i < 4; i++)
        if (pthread_join(threads[i], NULL) != 0)
            _exit(9);
    if (count != 4)
        _exit(10);
}

static void *
open_a_file(void *arg)
{
    (void)arg;
    (void)open("/etc/passwd", O_RDONLY);
    return NULL;
}

static void
open_in_a_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, open_a_file, NULL) == 0)
        (void)pthread_join(thread, NULL);
}

static void
ask_for_a_thread_unseen(void)
{
    uint64_t ask[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD}; /* struct clone_args */
    long pid = syscall(SYS_clone3, ask, sizeof ask);

    if (pid >= 0)
        _exit(8);
}

static void
codec_threads_are_in_the_cage_too(void **state)
{
    int status;

    (void)state;
    status = run_inside(sandbox_enter, count_with_threads);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);

    status = run_inside(sandbox_enter, open_in_a_thread);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);

    status = run_inside(sandbox_enter, ask_for_a_thread_unseen);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);

    status = run_inside(sandbox_enter_keys, count_with_threads);
    assert_true(WIFSIGNALED(status));
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
        cmocka_unit_test(codec_threads_are_in_the_cage_too),
        cmocka_unit_test(keys_are_synced_by_their_holder_only),
        cmocka_unit_test(memory_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
