/* program.c - signals, helpers and the end of a service's process. */
#include "proto/base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static sigset_t
ends(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void
program_hold_signals(void)
{
    sigset_t held = ends();

    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN); /* somebody opens a file of which a lease was just asked for */
    pthread_sigmask(SIG_BLOCK, &held, NULL);
}

void
program_raise_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return; /* the usual 1024 then */
}

int
program_wait(void)
{
    sigset_t held = ends();
    int got = 0;

    while (sigwait(&held, &got) != 0)
        ;
    return got;
}

int
program_wait_ms(int64_t wait_ms)
{
    const struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
                                  .tv_nsec = (long)(wait_ms % 1000) * 1000000L};
    sigset_t held = ends();
    int got = sigtimedwait(&held, NULL, &wait);

    return got > 0 ? got : 0;
}

static int
give_descriptors(posix_spawn_file_actions_t *actions, int socket)
{
    int status = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);

    if (status == 0)
        status = posix_spawn_file_actions_adddup2(actions, 0, 1);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(actions, socket, PROGRAM_SOCKET);
    if (status == 0)
        status = posix_spawn_file_actions_addclosefrom_np(actions, PROGRAM_SOCKET + 1);
    return status;
}

static void
give_signals(posix_spawnattr_t *attributes, bool is_group)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                 (is_group ? POSIX_SPAWN_SETPGROUP : 0)));
}

int
program_spawn_self(char *const argv[], char *const env[], int socket, bool is_group, pid_t *out_pid,
                   struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    give_signals(&attributes, is_group);
    status = give_descriptors(&actions, socket);
    if (status == 0)
        status = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (status != 0) {
        errno = status;
        return err_sys(err, ERR_RETRY, "start %s", argv[0]);
    }
    *out_pid = pid;
    return 0;
}

void
program_end(int status)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    exit(status);
#else
    (void)fflush(stdout); /* nobody is left who could be told */
    _exit(status);
#endif
}
