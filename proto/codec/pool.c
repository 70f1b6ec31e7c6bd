/* pool.c - start workers, hand them jobs, bury the dead.
 * A worker is idle (at its socket), busy (one thread waits for it) or dead (pid 0; started again by
 * the next thread that takes it). Invariants: 1. one job at a time; 2. what a worker wrote is
 * sealed before it is read, so that it cannot change under the reader; 3. a worker that breaks the
 * protocol, its deadline or its sandbox never gets another job (and what it had is told to be at
 * fault only if it had the processor it wanted until its deadline); 4. who made a coding never
 * proves it: a pool of one starts its worker anew in between, and so is the maker of what is urgent
 * when all others are busy; 5. while an urgent job is worked on no other
 * runs: workers with others are stopped (SIGSTOP), for STOP_MOST_MS a job at most, and that time is
 * not theirs. Only a worker that has a job is stopped, by whoever holds the gate; it is continued
 * before it gets the next. If this program dies meanwhile the kernel ends them: each worker is a
 * process group of its own, and those who are stopped in a group that nobody of their session can
 * continue any more get SIGHUP. */
#include "proto/codec/pool.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/codec/codec_events.def"
#undef LOG_EVENT

#define WORKERS_MOST 64

enum {
    STOP_MOST_MS = 10000, /* a job is stopped for urgent ones */
    HOLD_MOST_MS = 2000,  /* one that has not begun waits for them */
    LOOK_MS = 1000,       /* between two looks whether a job goes on */
    STARVED_PART = 20     /* who got less than this part of its time had no processor */
};

struct worker {
    pid_t pid;
    int socket;
    bool is_busy;
    /* of the job it has */
    bool is_working;
    bool is_urgent;
    bool is_never_stopped; /* it has waited enough before it began */
    int64_t stopped_at_ms; /* 0: it runs */
    int64_t stopped_ms;    /* until it was last continued */
};

struct codec_pool {
    struct gate gate;
    struct worker *workers;
    unsigned count;
    unsigned processors;
    unsigned urgent_asked;   /* jobs that wait for a worker or have one */
    unsigned urgent_waiting; /* that wait for one */
    unsigned urgent_working; /* that have one */
    int nice;
    int64_t patience_ms;
};

static struct worker *take(struct codec_pool *pool, const struct wire_request *request);
static void begin_work(struct codec_pool *pool, struct worker *w, struct wire_request *request);
static void end_work(struct codec_pool *pool, struct worker *w);
static void give_back(struct codec_pool *pool, struct worker *w,
                      const struct wire_request *request);
static int worker_start(struct codec_pool *pool, struct worker *w, struct err *err);
static int worker_spawn(struct worker *w, int theirs, struct err *err);
static int worker_greet(struct codec_pool *pool, struct worker *w, struct err *err);
static int worker_bury(struct worker *w, struct err *err);
static void worker_end(struct worker *w);
static int send_request(int socket, const struct wire_request *request, const int fds[WIRE_FDS],
                        struct err *err);
static int receive_reply(struct codec_pool *pool, struct worker *w, struct wire_reply *out,
                         int64_t wait_ms, struct err *err);
static void limit_cpu(pid_t pid, uint64_t source_bytes);
static bool is_sane(const struct wire_reply *reply);

/* That this program may run on. */
static unsigned
count_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : (unsigned)n;
}

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
    pool->processors = count_processors();
    pool->patience_ms = (int64_t)LIMIT_MS_CODEC_SMALL;
    gate_init(&pool->gate);
    for (unsigned i = 0; i < count; i++)
        pool->workers[i].socket = -1;
    for (unsigned i = 0; i < count; i++)
        if (worker_start(pool, &pool->workers[i], err) < 0)
            goto out;
    for (unsigned i = 0; i < count; i++)
        if (worker_greet(pool, &pool->workers[i], err) < 0)
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
    if ((fds[WIRE_FD_SOURCE] = pool_reopen(source_fd, err)) < 0 ||
        (fds[WIRE_FD_OUT] = pool_memfd("codec-out", err)) < 0 ||
        (fds[WIRE_FD_OUT_SIDE] = pool_memfd("codec-out-side", err)) < 0)
        goto out;
    if (side_fd < 0)
        fds[WIRE_FD_SIDE] = fds[WIRE_FD_SOURCE];
    w = take(pool, request);
    if (w->pid == request->not_by && w->pid != 0) /* no other will do it */
        worker_end(w);
    if (w->pid == 0 && (worker_start(pool, w, err) < 0 || worker_greet(pool, w, err) < 0))
        goto out;
    limit_cpu(w->pid, request->size);
    begin_work(pool, w, request);
    rc = send_request(w->socket, request, fds, err);
    if (rc == 0)
        rc = receive_reply(pool, w, &reply, patience(pool, request->size), err);
    end_work(pool, w);
    if (rc == 0 && reply.rc == 0 &&
        (pool_seal(fds[WIRE_FD_OUT], reply.out_n, err) < 0 ||
         pool_seal(fds[WIRE_FD_OUT_SIDE], reply.out_side_n, err) < 0))
        rc = -1;
    if (rc < 0) {
        (void)worker_bury(w, err);
        *out_died = err->kind != ERR_RETRY;
        LOG(&ctx, CODEC_WORKER_DIED, F_ERR(err));
        goto out;
    }
    rc = -1;
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
        give_back(pool, w, request);
    if (fds[WIRE_FD_SOURCE] >= 0)
        close(fds[WIRE_FD_SOURCE]);
    for (int i = WIRE_FD_OUT; rc < 0 && i < WIRE_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return rc;
}

/* Another than who made it, if it is a proof. If there is none, or none is idle and somebody waits
 * for what is urgent: the maker itself, which is started anew for it (pool_run). */
static struct worker *
find_idle(struct codec_pool *pool, const struct wire_request *request)
{
    struct worker *maker = NULL;

    for (unsigned i = 0; i < pool->count; i++) {
        struct worker *w = &pool->workers[i];

        if (w->is_busy)
            continue;
        if (request->not_by == 0 || w->pid != request->not_by)
            return w;
        maker = w;
    }
    return request->is_urgent || pool->count == 1 ? maker : NULL;
}

/* Gate held. How long this job leaves idle workers to urgent ones: while one of those waits for a
 * worker, and HOLD_MOST_MS while one is at work; 0: it may take. */
static int64_t
hold_ms(const struct codec_pool *pool, const struct wire_request *request, int64_t *io_since_ms)
{
    int64_t now_ms = clock_mono_ms(), left_ms;

    if (request->is_urgent || pool->urgent_asked == 0) {
        *io_since_ms = 0;
        return 0;
    }
    if (pool->urgent_waiting > 0)
        return LOOK_MS;
    if (*io_since_ms == 0)
        *io_since_ms = now_ms;
    left_ms = *io_since_ms + HOLD_MOST_MS - now_ms;
    return left_ms > 0 ? left_ms : 0;
}

static struct worker *
take(struct codec_pool *pool, const struct wire_request *request)
{
    int64_t since_ms = 0;
    struct worker *w = NULL;

    gate_lock(&pool->gate);
    pool->urgent_asked += request->is_urgent;
    pool->urgent_waiting += request->is_urgent;
    while (w == NULL) {
        int64_t held_ms = hold_ms(pool, request, &since_ms);

        if (held_ms == 0)
            w = find_idle(pool, request);
        if (w == NULL)
            (void)gate_wait_ms(&pool->gate, held_ms > 0 ? held_ms : LOOK_MS);
    }
    w->is_busy = true;
    w->is_never_stopped = pool->urgent_asked > 0;
    pool->urgent_waiting -= request->is_urgent;
    if (request->is_urgent)
        gate_wake(&pool->gate); /* what waited for its turn behind this one */
    gate_unlock(&pool->gate);
    return w;
}

/* Gate held. */
static int64_t
stopped_ms(const struct worker *w, int64_t now_ms)
{
    return w->stopped_ms + (w->stopped_at_ms != 0 ? now_ms - w->stopped_at_ms : 0);
}

/* Gate held. It has a job, so that nobody waits for its end: the process is there. */
static void
stop_or_continue(struct worker *w, bool is_to_stop, int64_t now_ms)
{
    if (is_to_stop == (w->stopped_at_ms != 0))
        return;
    (void)kill(w->pid, is_to_stop ? SIGSTOP : SIGCONT);
    w->stopped_ms = stopped_ms(w, now_ms);
    w->stopped_at_ms = is_to_stop ? now_ms : 0;
}

/* Gate held. Invariant 5. */
static void
steer(struct codec_pool *pool)
{
    int64_t now_ms = clock_mono_ms();

    for (unsigned i = 0; i < pool->count; i++) {
        struct worker *w = &pool->workers[i];

        if (w->is_working && !w->is_urgent && !w->is_never_stopped)
            stop_or_continue(w, pool->urgent_working > 0 && stopped_ms(w, now_ms) < STOP_MOST_MS,
                             now_ms);
    }
}

static void
begin_work(struct codec_pool *pool, struct worker *w, struct wire_request *request)
{
    unsigned busy = 0;

    gate_lock(&pool->gate);
    for (unsigned i = 0; i < pool->count; i++)
        busy += pool->workers[i].is_busy;
    request->processors = pool->processors / (request->is_urgent ? 1 : busy);
    if (request->processors < 1)
        request->processors = 1;
    w->is_working = true;
    w->is_urgent = request->is_urgent;
    w->stopped_at_ms = w->stopped_ms = 0;
    pool->urgent_working += request->is_urgent;
    steer(pool);
    gate_unlock(&pool->gate);
}

static void
end_work(struct codec_pool *pool, struct worker *w)
{
    gate_lock(&pool->gate);
    stop_or_continue(w, false, clock_mono_ms());
    w->is_working = false;
    pool->urgent_working -= w->is_urgent;
    steer(pool);
    gate_unlock(&pool->gate);
}

/* Nothing was wrong with it. */
static void
worker_end(struct worker *w)
{
    struct err ignored = {0};

    (void)worker_bury(w, &ignored);
}

static void
give_back(struct codec_pool *pool, struct worker *w, const struct wire_request *request)
{
    gate_lock(&pool->gate);
    w->is_busy = false;
    pool->urgent_asked -= request->is_urgent;
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

    return program_spawn_self(argv, env, theirs, true, &w->pid, err);
}

static int
worker_greet(struct codec_pool *pool, struct worker *w, struct err *err)
{
    struct wire_reply hello;

    if (receive_reply(pool, w, &hello, (int64_t)LIMIT_MS_CODEC_START, err) < 0) {
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

/* Kill it and say how it ended; -1 always. Who was starved (ERR_RETRY) did nothing wrong. */
static int
worker_bury(struct worker *w, struct err *err)
{
    int status = 0;
    struct err was = *err;

    /* dead already, waiting at its socket, or not answering: in each case this is right */
    kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(w->socket); /* not before: it would end by itself, and say another reason */
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
    return err_set(err, was.kind == ERR_RETRY ? ERR_RETRY : ERR_REJECT,
                   "codec worker was ended: %s", was.text);
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

/* What is left of wait_ms since then, the time it was stopped not counted. */
static int64_t
left_of(struct codec_pool *pool, struct worker *w, int64_t since_ms, int64_t wait_ms)
{
    int64_t now_ms = clock_mono_ms(), left_ms;

    gate_lock(&pool->gate);
    steer(pool);
    left_ms = since_ms + wait_ms - now_ms + (w->is_working ? stopped_ms(w, now_ms) : 0);
    gate_unlock(&pool->gate);
    return left_ms;
}

static int
receive_reply(struct codec_pool *pool, struct worker *w, struct wire_reply *out, int64_t wait_ms,
              struct err *err)
{
    int64_t since_ms = clock_mono_ms(), used_ms = pool_used_ms(w->pid), left_ms;
    struct pollfd at = {w->socket, POLLIN, 0};
    int ready = 0;
    ssize_t n;

    while (ready == 0 && (left_ms = left_of(pool, w, since_ms, wait_ms)) > 0) {
        ready = poll(&at, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    if (ready == 0 && pool_used_ms(w->pid) - used_ms < wait_ms / STARVED_PART &&
        pool_wants_processor(w->pid))
        return err_set(err, ERR_RETRY, "no answer in %lld ms, for want of processor time",
                       (long long)wait_ms);
    if (ready == 0)
        return err_set(err, ERR_REJECT, "no answer in %lld ms", (long long)wait_ms);
    if (ready < 0)
        return err_sys(err, ERR_REJECT, "wait for a codec worker");
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

    most.rlim_cur = (rlim_t)(pool_used_ms(pid) / 1000) +
                    (seconds < LIMIT_WORKER_CPU_S ? seconds : LIMIT_WORKER_CPU_S);
    (void)prlimit(pid, RLIMIT_CPU, &most, NULL);
}

static bool
is_sane(const struct wire_reply *r)
{
    return r->magic == WIRE_MAGIC && memchr(r->err.text, 0, sizeof r->err.text) != NULL &&
           memchr(r->why_not, 0, sizeof r->why_not) != NULL &&
           (r->rc == 0 || (r->rc == -1 && r->err.kind > ERR_NONE && r->err.kind <= ERR_FATAL)) &&
           r->digests.pixels_from <= PIXELS_FRAMES && r->recipe_n <= r->out_side_n;
}
