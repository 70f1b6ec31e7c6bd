/* pool.c - start workers, hand them jobs, bury the dead.
 * A worker is idle (at its socket), busy (one thread waits for it) or dead (pid 0; started again by
 * the next thread that takes it). Invariants: 1. one job at a time; 2. what a worker wrote is
 * sealed before it is read, so that it cannot change under the reader; 3. a worker that breaks the
 * protocol, its deadline or its sandbox never gets another job; 4. who made a coding never proves
 * it: a pool of one starts its worker anew in between. */
#include "proto/codec/pool.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/codec/codec_events.def"
#undef LOG_EVENT

#define WORKERS_MOST 64

struct worker {
    pid_t pid;
    int socket;
    bool is_busy;
};

struct codec_pool {
    struct gate gate;
    struct worker *workers;
    unsigned count;
    int nice;
    int64_t patience_ms;
};

static struct worker *take(struct codec_pool *pool, pid_t not_by);
static void give_back(struct codec_pool *pool, struct worker *w);
static int worker_start(struct codec_pool *pool, struct worker *w, struct err *err);
static int worker_spawn(struct worker *w, int theirs, struct err *err);
static int worker_greet(struct worker *w, struct err *err);
static int worker_bury(struct worker *w, struct err *err);
static void worker_end(struct worker *w);
static int send_request(int socket, const struct wire_request *request, const int fds[WIRE_FDS],
                        struct err *err);
static int receive_reply(struct worker *w, struct wire_reply *out, int64_t wait_ms,
                         struct err *err);
static void limit_cpu(pid_t pid, uint64_t source_bytes);
static int reopen_read_only(int fd, struct err *err);
static int seal(int fd, uint64_t expected, struct err *err);
static bool is_sane(const struct wire_reply *reply);

int
codec_pool_new(unsigned count, struct codec_pool **out, struct err *err)
{
    struct codec_pool *pool;
    int rc = -1;

    if (count == 0 || count > WORKERS_MOST)
        return err_set(err, ERR_FATAL, "codec pool of %u workers", count);
    /* a program that forgot codec_worker_main_if_asked() would start itself without end */
    if (getenv("RADPOST_CODEC_WORKER") != NULL)
        return err_set(err, ERR_FATAL, "codec pool inside a codec worker");
    pool = mem_new(sizeof *pool);
    pool->workers = mem_new(count * sizeof *pool->workers);
    pool->count = count;
    pool->patience_ms = (int64_t)LIMIT_MS_CODEC_SMALL;
    gate_init(&pool->gate);
    for (unsigned i = 0; i < count; i++)
        pool->workers[i].socket = -1;
    for (unsigned i = 0; i < count; i++)
        if (worker_start(pool, &pool->workers[i], err) < 0)
            goto out;
    for (unsigned i = 0; i < count; i++)
        if (worker_greet(&pool->workers[i], err) < 0)
            goto out;
    *out = TAKE(pool);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "start the codec workers");
    codec_pool_free(&pool);
    return rc;
}

void
codec_pool_free(struct codec_pool **pool)
{
    struct codec_pool *p = TAKE(*pool);

    if (p == NULL)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        CHECK(!p->workers[i].is_busy);
        if (p->workers[i].pid > 0)
            worker_end(&p->workers[i]);
    }
    gate_fini(&p->gate);
    free(p->workers);
    free(p);
}

/* Best effort: without it the workers only take a larger share. */
static void
make_nice(const struct worker *w, int nice)
{
    if (w->pid > 0)
        (void)setpriority(PRIO_PROCESS, (id_t)w->pid, nice);
}

void
codec_pool_set_nice(struct codec_pool *pool, int nice)
{
    gate_lock(&pool->gate);
    pool->nice = nice;
    for (unsigned i = 0; i < pool->count; i++)
        make_nice(&pool->workers[i], nice);
    gate_unlock(&pool->gate);
}

void
codec_pool_set_patience(struct codec_pool *pool, int64_t base_ms)
{
    pool->patience_ms = base_ms > 0 ? base_ms : (int64_t)LIMIT_MS_CODEC_SMALL;
}

/* As much more for a larger one as it may have processor time, five times over: others work too. */
static int64_t
patience(const struct codec_pool *pool, uint64_t source_bytes)
{
    int64_t ms =
        pool->patience_ms + (int64_t)((source_bytes >> 20) * LIMIT_WORKER_CPU_MIB_S * 5000);

    return ms < (int64_t)LIMIT_MS_CODEC_JOB ? ms : (int64_t)LIMIT_MS_CODEC_JOB;
}

int
pool_memfd(const char *name, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return fd >= 0 ? fd : err_sys(err, ERR_RETRY, "memory file %s", name);
}

int
pool_run(struct codec_pool *pool, struct wire_request *request, int source_fd, int side_fd,
         struct wire_reply *out_reply, int out_fds[2], bool *out_died, struct err *err)
{
    struct log_ctx ctx = {.stage = "proto/codec"};
    struct worker *w = NULL;
    int fds[WIRE_FDS] = {-1, side_fd, -1, -1};
    struct wire_reply reply;
    int rc = -1;

    *out_died = false;
    request->magic = WIRE_MAGIC;
    if ((fds[WIRE_FD_SOURCE] = reopen_read_only(source_fd, err)) < 0 ||
        (fds[WIRE_FD_OUT] = pool_memfd("codec-out", err)) < 0 ||
        (fds[WIRE_FD_OUT_SIDE] = pool_memfd("codec-out-side", err)) < 0)
        goto out;
    if (side_fd < 0)
        fds[WIRE_FD_SIDE] = fds[WIRE_FD_SOURCE];
    w = take(pool, request->not_by);
    if (w->pid == request->not_by && w->pid != 0) /* there is no other */
        worker_end(w);
    if (w->pid == 0 && (worker_start(pool, w, err) < 0 || worker_greet(w, err) < 0))
        goto out;
    limit_cpu(w->pid, request->size);
    if (send_request(w->socket, request, fds, err) < 0 ||
        receive_reply(w, &reply, patience(pool, request->size), err) < 0 ||
        (reply.rc == 0 && (seal(fds[WIRE_FD_OUT], reply.out_n, err) < 0 ||
                           seal(fds[WIRE_FD_OUT_SIDE], reply.out_side_n, err) < 0))) {
        *out_died = true;
        (void)worker_bury(w, err);
        LOG(&ctx, CODEC_WORKER_DIED, F_ERR(err));
        goto out;
    }
    if (reply.rc < 0) {
        *err = reply.err;
        goto out;
    }
    *out_reply = reply;
    out_reply->done_by = w->pid;
    out_fds[0] = fds[WIRE_FD_OUT];
    out_fds[1] = fds[WIRE_FD_OUT_SIDE];
    rc = 0;
out:
    if (w != NULL)
        give_back(pool, w);
    if (fds[WIRE_FD_SOURCE] >= 0)
        close(fds[WIRE_FD_SOURCE]);
    for (int i = WIRE_FD_OUT; rc < 0 && i < WIRE_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return rc;
}

static struct worker *
take(struct codec_pool *pool, pid_t not_by)
{
    struct worker *w = NULL;

    gate_lock(&pool->gate);
    while (w == NULL) {
        for (unsigned i = 0; i < pool->count && w == NULL; i++)
            if (!pool->workers[i].is_busy &&
                (pool->workers[i].pid != not_by || not_by == 0 || pool->count == 1))
                w = &pool->workers[i];
        if (w == NULL)
            gate_wait(&pool->gate);
    }
    w->is_busy = true;
    gate_unlock(&pool->gate);
    return w;
}

/* Nothing was wrong with it. */
static void
worker_end(struct worker *w)
{
    struct err ignored = {0};

    (void)worker_bury(w, &ignored);
}

static void
give_back(struct codec_pool *pool, struct worker *w)
{
    gate_lock(&pool->gate);
    w->is_busy = false;
    gate_wake(&pool->gate);
    gate_unlock(&pool->gate);
}

static int
worker_start(struct codec_pool *pool, struct worker *w, struct err *err)
{
    int pair[2];
    int rc;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, ERR_RETRY, "socket pair");
    rc = worker_spawn(w, pair[1], err);
    close(pair[1]);
    if (rc < 0)
        close(pair[0]);
    else
        w->socket = pair[0];
    if (rc == 0 && pool->nice > 0)
        make_nice(w, pool->nice);
    return rc;
}

static int
worker_spawn(struct worker *w, int theirs, struct err *err)
{
    char *const argv[] = {(char[]){"radpost-codec"}, (char[]){"--codec-worker"}, NULL};
    /* a zone of its own, so that no library looks for /etc/localtime */
    char *const env[] = {
        (char[]){"RADPOST_CODEC_WORKER=1"},
        (char[]){"TZ=UTC0"},
        (char[]){"LC_ALL=C"},
        (char[]){"ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb="
                 "4096:abort_on_error=0:symbolize=0"},
        (char[]){"UBSAN_OPTIONS=symbolize=0"},
        NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int status;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(&actions, 0, 1);
    if (status == 0)
        status = posix_spawn_file_actions_adddup2(&actions, theirs, WIRE_SOCKET);
    if (status == 0)
        status = posix_spawn_file_actions_addclosefrom_np(&actions, WIRE_SOCKET + 1);
    if (status == 0)
        status = posix_spawn(&w->pid, "/proc/self/exe", &actions, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (status == 0)
        return 0;
    w->pid = 0;
    errno = status;
    return err_sys(err, ERR_RETRY, "start a codec worker");
}

static int
worker_greet(struct worker *w, struct err *err)
{
    struct wire_reply hello;

    if (receive_reply(w, &hello, (int64_t)LIMIT_MS_CODEC_START, err) < 0) {
        (void)worker_bury(w, err);
        return -1;
    }
    if (hello.rc < 0) {
        struct err died = {0};

        *err = hello.err;
        return worker_bury(w, &died);
    }
    return 0;
}

/* Kill it and say how it ended; -1 always. */
static int
worker_bury(struct worker *w, struct err *err)
{
    int status = 0;
    struct err was = *err;

    close(w->socket);
    /* dead already, waiting at its socket, or not answering: in each case this is right */
    kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    w->socket = -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return err_set(err, ERR_REJECT, "codec worker died: it broke its sandbox");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return err_set(err, ERR_REJECT, "codec worker died: over its processor time");
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        return err_set(err, ERR_REJECT, "codec worker died of signal %d", WTERMSIG(status));
    if (WIFEXITED(status))
        return err_set(err, ERR_REJECT, "codec worker died with status %d", WEXITSTATUS(status));
    return err_set(err, ERR_REJECT, "codec worker was ended: %s", was.text);
}

static int
send_request(int socket, const struct wire_request *request, const int fds[WIRE_FDS],
             struct err *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec part = {(void *)(uintptr_t)request, sizeof *request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head;

    memset(&control, 0, sizeof control);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * WIRE_FDS);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * WIRE_FDS);
    while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_REJECT, "hand a job to a codec worker");
    return 0;
}

static int
receive_reply(struct worker *w, struct wire_reply *out, int64_t wait_ms, struct err *err)
{
    int64_t until = clock_mono_ms() + wait_ms;
    struct pollfd at = {w->socket, POLLIN, 0};
    ssize_t n;

    for (;;) {
        int64_t left = until - clock_mono_ms();
        int ready = left > 0 ? poll(&at, 1, (int)left) : 0;

        if (ready > 0)
            break;
        if (ready == 0)
            return err_set(err, ERR_REJECT, "no answer in %lld ms", (long long)wait_ms);
        if (errno != EINTR)
            return err_sys(err, ERR_REJECT, "wait for a codec worker");
    }
    n = recv(w->socket, out, sizeof *out, MSG_DONTWAIT);
    if (n != (ssize_t)sizeof *out || !is_sane(out))
        return err_set(err, ERR_REJECT, "an answer of %zd bytes", n);
    return 0;
}

/* So much more than it has used until now; a worker cannot catch the signal. */
static void
limit_cpu(pid_t pid, uint64_t source_bytes)
{
    uint64_t seconds = LIMIT_WORKER_CPU_BASE_S + (source_bytes >> 20) * LIMIT_WORKER_CPU_MIB_S;
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return; /* it is gone: sending will say so */
    most.rlim_cur =
        (rlim_t)used.tv_sec + (seconds < LIMIT_WORKER_CPU_S ? seconds : LIMIT_WORKER_CPU_S);
    (void)prlimit(pid, RLIMIT_CPU, &most, NULL);
}

/* The worker gets a descriptor that cannot write, with an offset of its own. */
static int
reopen_read_only(int fd, struct err *err)
{
    char path[40];
    int opened;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    opened = open(path, O_RDONLY | O_CLOEXEC);
    return opened >= 0 ? opened : err_sys(err, ERR_RETRY, "open the source again");
}

static int
seal(int fd, uint64_t expected, struct err *err)
{
    struct stat st;

    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ||
        fstat(fd, &st) < 0)
        return err_sys(err, ERR_REJECT, "seal what a codec worker wrote");
    if ((uint64_t)st.st_size != expected)
        return err_set(err, ERR_REJECT, "a codec worker wrote another length than it says");
    return 0;
}

static bool
is_sane(const struct wire_reply *r)
{
    return r->magic == WIRE_MAGIC && memchr(r->err.text, 0, sizeof r->err.text) != NULL &&
           memchr(r->why_not, 0, sizeof r->why_not) != NULL &&
           (r->rc == 0 || (r->rc == -1 && r->err.kind > ERR_NONE && r->err.kind <= ERR_FATAL)) &&
           r->digests.pixels_from <= PIXELS_FRAMES && r->recipe_n <= r->out_side_n;
}
