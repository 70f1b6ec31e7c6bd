/* run_program.c - fork, exec, collect what it says. */
#include "tests/support/run_program.h"

#include "proto/base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool
program_is_there(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = mem_text(path ? path : "/usr/bin:/bin"), *save = NULL;
    bool is_there = false;

    for (char *dir = strtok_r(copy, ":", &save); dir && !is_there;
         dir = strtok_r(NULL, ":", &save)) {
        char *full = mem_printf("%s/%s", dir, name);
        is_there = access(full, X_OK) == 0;
        free(full);
    }
    free(copy);
    return is_there;
}

/* In the child: the pipes become its standard descriptors. */
__attribute__((noreturn)) static void
become(const char *const argv[], int in, int out)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Feed and collect at once, so that neither side waits for the other. */
static void
exchange(int to, const char *input, int from, char *out, size_t out_size)
{
    size_t given = 0, given_all = input ? strlen(input) : 0, got = 0;
    char rest[4096];

    for (;;) {
        if (to >= 0 && given == given_all) {
            close(to);
            to = -1;
        }
        struct pollfd fds[2] = {{from, POLLIN, 0}, {to, POLLOUT, 0}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (to >= 0 && fds[1].revents) {
            ssize_t n = write(to, input + given, given_all - given);
            given = n > 0 ? given + (size_t)n : given_all;
        }
        if (!fds[0].revents)
            continue;
        bool is_full = got + 1 >= out_size;
        ssize_t n =
            read(from, is_full ? rest : out + got, is_full ? sizeof rest : out_size - 1 - got);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0 && !is_full)
            got += (size_t)n;
    }
    if (to >= 0)
        close(to);
    if (out_size > 0)
        out[got] = 0;
    for (size_t i = 0; i < got; i++) /* DCMTK prints the padding of UIDs */
        if (out[i] == 0)
            out[i] = ' ';
}

int
program_run(const char *const argv[], const char *input, char *out, size_t out_size)
{
    int in[2], from[2], status = 0;

    signal(SIGPIPE, SIG_IGN);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return 1000;
    pid_t child = fork();
    if (child == 0)
        become(argv, in[0], from[1]);
    close(in[0]);
    close(from[1]);
    exchange(in[1], input, from[0], out, out_size);
    close(from[0]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

pid_t
program_start(const char *const argv[], int *out_fd)
{
    int pair[2];
    pid_t child;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(argv, pair[1], pair[1]);
    }
    close(pair[1]);
    *out_fd = pair[0];
    return child;
}

void
program_stop(pid_t child)
{
    (void)kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0)
        CHECK(errno == EINTR);
}

int
program_port(uint16_t *out_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
          bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
          getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    *out_port = ntohs(at.sin_port);
    return fd;
}

int
program_compile(const char *source, const char *program)
{
    const char *argv[] = {"cc", "-O1", "-w", "-pthread", "-o", program, source, NULL};
    char out[2048];

    int rc = program_run(argv, NULL, out, sizeof out);
    if (rc != 0)
        printf("%s", out);
    return rc;
}
