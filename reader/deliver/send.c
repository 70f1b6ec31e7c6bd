/* send.c - texts for phones: a program, or files in a folder. */
#include "reader/deliver/send.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int put_file(const char *dir, const struct send_message *m, struct err *err);
static int run(const char *command, const struct send_message *m, struct err *err);
static int start(const char *command, const struct send_message *m, int input, pid_t *out_pid,
                 struct err *err);
static int feed(int fd, const char *text, int64_t until_ms);
static int await(pid_t pid, int64_t until_ms, struct err *err);

int
send_text(const char *command, const char *outbox_dir, const struct send_message *message,
          struct err *err)
{
    if (command != NULL && command[0] != '\0')
        return run(command, message, err);
    return put_file(outbox_dir, message, err);
}

int
send_check(const char *command, const char *outbox_dir, struct err *err)
{
    char tmp[PATH_MAX];

    if (command != NULL && command[0] != '\0')
        return access(command, X_OK) == 0 ? 0
                                          : err_sys(err, ERR_REJECT, "send_command cannot be run");
    if (outbox_dir == NULL || outbox_dir[0] == '\0')
        return err_set(err, ERR_REJECT, "neither send_command nor outbox_dir");
    (void)snprintf(tmp, sizeof tmp, "%s/tmp", outbox_dir);
    if (durable_mkdir(outbox_dir, err) < 0 || durable_mkdir(tmp, err) < 0)
        return err_context(err, "outbox_dir");
    return 0;
}

static int
put_file(const char *dir, const struct send_message *m, struct err *err)
{
    char name[64];
    struct jsonw w;
    struct buf b;
    int rc;

    buf_init(&b, 8192);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "to", m->phone);
    jsonw_text(&w, "text", m->text);
    jsonw_end(&w);
    buf_add_u8(&b, '\n');
    (void)snprintf(name, sizeof name, "%lld-%lld.txt", (long long)m->at_us, (long long)m->id);
    rc = buf_is_over(&b) ? err_set(err, ERR_FATAL, "a text of %zu bytes", strlen(m->text))
                         : durable_put_file(dir, name, b.bytes, b.n, err);
    buf_fini(&b);
    return rc < 0 ? err_context(err, "outbox") : 0;
}

/* A pair of sockets is the program's input: writing to one that nobody reads is an error and no
 * signal. */
static int
run(const char *command, const struct send_message *m, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + SEND_MS;
    int pair[2] = {-1, -1}, rc = -1;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, ERR_RETRY, "send_command: socketpair");
    if (start(command, m, pair[1], &pid, err) < 0)
        goto out;
    close(pair[1]);
    pair[1] = -1;
    (void)feed(pair[0], m->text, until_ms); /* one that reads nothing tells by its exit code */
    close(pair[0]);
    pair[0] = -1;
    rc = await(pid, until_ms, err);
out:
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    return rc < 0 ? err_context(err, "send_command") : 0;
}

static int
start(const char *command, const struct send_message *m, int input, pid_t *out_pid, struct err *err)
{
    char *const argv[] = {(char *)(uintptr_t)command, (char *)(uintptr_t)m->phone, NULL};
    char id[48], path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LC_ALL=C.UTF-8";
    char *const envp[] = {path, lang, id, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc;

    (void)snprintf(id, sizeof id, "RADPOST_MESSAGE_ID=%lld", (long long)m->id);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0); /* so that its children end with it */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    rc = posix_spawn(out_pid, command, &actions, &attr, argv, envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    errno = rc;
    return rc == 0 ? 0 : err_sys(err, ERR_RETRY, "start");
}

static int
feed(int fd, const char *text, int64_t until_ms)
{
    size_t n = strlen(text), at = 0;

    while (at < n) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int64_t left = until_ms - clock_mono_ms();
        ssize_t put;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return -1;
        put = send(fd, text + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        at += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int
await(pid_t pid, int64_t until_ms, struct err *err)
{
    struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int64_t left = until_ms - clock_mono_ms();
    bool is_over = p.fd < 0 || poll(&p, 1, left > 0 ? (int)left : 0) <= 0;
    int status;

    if (is_over)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (p.fd >= 0)
        close(p.fd);
    if (is_over)
        return err_set(err, ERR_RETRY, "no answer within %d ms", SEND_MS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, ERR_RETRY, "ended with %s %d", WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
