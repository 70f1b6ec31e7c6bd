/* pg_cluster.c - a private PostgreSQL for one test program. */
#include "tests/support/pg_cluster.h"

#include "proto/base/base.h"
#include "tests/support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct pg_cluster {
    char dir[64], data[96], bin[256], user[64];
    char conninfo[256];
    uid_t uid;
    gid_t gid;
    pid_t server;
    int notify; /* the server tells it is ready here (sd_notify) */
};

__attribute__((noreturn)) static void
give_up(const char *what)
{
    fprintf(stderr, "pg_cluster: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* In a child: become the unprivileged user, keep quiet, leave with the parent. */
static void
become(const struct pg_cluster *c)
{
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (log >= 0) {
        dup2(log, 1);
        dup2(log, 2);
    }
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(c->gid) < 0 || setuid(c->uid) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    unsetenv("LD_PRELOAD");
    setenv("LC_ALL", "C.UTF-8", 1);
}

static pid_t
spawn(const struct pg_cluster *c, const char *const argv[])
{
    char path[512];
    pid_t pid;

    snprintf(path, sizeof path, "%s/%s", c->bin, argv[0]);
    pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid == 0) {
        if (chdir(c->dir) < 0)
            _exit(126);
        become(c);
        const char *own[16] = {path}; /* PostgreSQL finds its other programs beside this one */

        for (size_t i = 1; i < ARRAY_LEN(own) - 1 && argv[i] != NULL; i++)
            own[i] = argv[i];
        execv(path, (char *const *)(uintptr_t)own); /* exec does not write there */
        _exit(127);
    }
    return pid;
}

static void
run(const struct pg_cluster *c, const char *const argv[])
{
    pid_t pid = spawn(c, argv);
    int status;

    if (waitpid(pid, &status, 0) < 0 || status != 0) {
        errno = 0;
        fprintf(stderr, "pg_cluster: %s failed (status %x); see %s/log\n", argv[0],
                (unsigned)status, c->dir);
        exit(1);
    }
}

static bool
find_programs(struct pg_cluster *c)
{
    glob_t found;
    bool is_there = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0;

    if (is_there) {
        const char *path = found.gl_pathv[found.gl_pathc - 1];

        snprintf(c->bin, sizeof c->bin, "%.*s", (int)(strrchr(path, '/') - path), path);
        globfree(&found);
    }
    return is_there;
}

static void
open_notify(struct pg_cluster *c)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", c->dir);
    c->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (c->notify < 0 || bind(c->notify, (struct sockaddr *)&at, sizeof at) < 0 ||
        chmod(at.sun_path, 0666) < 0)
        give_up("notify socket");
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
}

/* Until it says so, or has ended: how long it takes is the machine's affair. */
static void
wait_ready(struct pg_cluster *c)
{
    struct pollfd fds[] = {{.fd = c->notify, .events = POLLIN},
                           {.fd = pidfd_open(c->server, 0), .events = POLLIN}};
    char said[256] = "";

    if (fds[1].fd < 0)
        give_up("pidfd");
    while (strstr(said, "READY=1") == NULL) {
        ssize_t n;

        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            give_up("poll");
        if ((fds[0].revents & POLLIN) == 0 && (fds[1].revents & POLLIN) != 0)
            give_up("the server ended before it was ready");
        n = recv(c->notify, said, sizeof said - 1, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            give_up("notify");
        said[n > 0 ? n : 0] = '\0';
    }
    close(fds[1].fd);
}

void
pg_cluster_restart(struct pg_cluster *c)
{
    const char *argv[] = {"postgres", "-D", c->data, NULL};

    CHECK(c->server == 0);
    c->server = spawn(c, argv);
    wait_ready(c);
}

void
pg_cluster_stop(struct pg_cluster *c)
{
    if (c->server == 0)
        return;
    kill(c->server, SIGQUIT);
    while (waitpid(c->server, NULL, 0) < 0 && errno == EINTR)
        ;
    c->server = 0;
}

static void
write_settings(const struct pg_cluster *c)
{
    char path[160];
    FILE *f;

    snprintf(path, sizeof path, "%s/postgresql.conf", c->data);
    f = fopen(path, "ae");
    if (f == NULL)
        give_up(path);
    fprintf(f,
            "listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = on\n"
            "shared_buffers = 16MB\nmax_connections = 40\nlog_min_messages = warning\n",
            c->dir);
    if (fclose(f) != 0)
        give_up(path);
}

static void
choose_user(struct pg_cluster *c)
{
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());

    if (pw == NULL)
        give_up("no user to run PostgreSQL as");
    c->uid = pw->pw_uid;
    c->gid = pw->pw_gid;
}

struct pg_cluster *
pg_cluster_start(void)
{
    struct pg_cluster *c = mem_new(sizeof *c);
    const char *argv[] = {"initdb",
                          "-D",
                          c->data,
                          "-A",
                          "trust",
                          "-U",
                          "radpost",
                          "-E",
                          "UTF8",
                          "--locale=C.UTF-8",
                          "--no-instructions",
                          "--no-sync", /* of the new folder alone */
                          NULL};

    if (!find_programs(c)) {
        free(c);
        return NULL;
    }
    choose_user(c);
    snprintf(c->dir, sizeof c->dir, "/tmp/radpost-pg-XXXXXX"); /* a socket's path has 107 bytes */
    if (mkdtemp(c->dir) == NULL || (geteuid() == 0 && chown(c->dir, c->uid, c->gid) < 0))
        give_up(c->dir);
    snprintf(c->data, sizeof c->data, "%s/data", c->dir);
    snprintf(c->conninfo, sizeof c->conninfo, "host=%s user=radpost dbname=postgres", c->dir);
    open_notify(c);
    run(c, argv);
    write_settings(c);
    pg_cluster_restart(c);
    return c;
}

const char *
pg_cluster_conninfo(const struct pg_cluster *c)
{
    return c->conninfo;
}

char *
pg_cluster_database(struct pg_cluster *c, const char *name)
{
    const char *argv[] = {"createdb", "-h", c->dir, "-U", "radpost", name, NULL};

    run(c, argv);
    return mem_printf("host=%s user=radpost dbname=%s", c->dir, name);
}

char *
pg_cluster_copy(struct pg_cluster *c, const char *from, const char *name)
{
    const char *argv[] = {"createdb", "-h", c->dir, "-U", "radpost", "-T", from, name, NULL};

    run(c, argv);
    return mem_printf("host=%s user=radpost dbname=%s", c->dir, name);
}

void
pg_cluster_remove(struct pg_cluster **cluster)
{
    struct pg_cluster *c = TAKE(*cluster);

    if (c == NULL)
        return;
    pg_cluster_stop(c);
    close(c->notify);
    folder_remove(c->dir);
    free(c);
}
