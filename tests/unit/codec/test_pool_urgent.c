/* test_pool_urgent.c - what is urgent has the processors for itself; what was stopped for it goes
 * on, loses no time of its own, and dies with its program. */
#include "proto/codec/pool.h"

#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "proto/codec/job.h"
#include "tests/support/sample_image.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { SOON_MS = 30000, STEP_MS = 2, WORKERS = 3 };

/* A job that works until its source says "end". */
struct order {
    struct codec_pool *pool;
    int fd;
    struct wire_request request;
    pthread_t thread;
    struct err err;
    int rc, done, done_by;
};

static int
work_until_told(struct job *job, struct err *err)
{
    const volatile uint8_t *told = job->bytes;

    (void)err;
    while (told[0] != 'e')
        (void)sched_yield();
    job->reply->digests.rest[0] = (uint8_t)job->request->processors;
    return 0;
}

static void *
ask(void *arg)
{
    struct order *o = arg;
    struct wire_reply reply;
    int fds[2];
    bool died;

    o->rc = pool_run(o->pool, &o->request, o->fd, -1, &reply, fds, &died, &o->err);
    if (o->rc == 0) {
        o->rc = reply.digests.rest[0];
        o->done_by = reply.done_by;
        close(fds[0]);
        close(fds[1]);
    }
    __atomic_store_n(&o->done, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void
order_prepare(struct order *o, struct codec_pool *pool, bool is_urgent, const char *told)
{
    memset(o, 0, sizeof *o);
    o->pool = pool;
    o->fd = sample_fd(told, 1);
    o->request = (struct wire_request){.job = JOB_INSPECT, .size = 1, .is_urgent = is_urgent};
}

static void
order_begin(struct order *o)
{
    o->thread = thread_start("order", ask, o);
}

static void
order_give(struct order *o, struct codec_pool *pool, bool is_urgent, const char *told)
{
    order_prepare(o, pool, is_urgent, told);
    order_begin(o);
}

static void
order_end(struct order *o)
{
    assert_int_equal(pwrite(o->fd, "e", 1, 0), 1);
    thread_join(o->thread);
    close(o->fd);
    if (o->rc < 0)
        fail_msg("%s", o->err.text);
}

/* Our children in this state of /proc/PID/stat; *out_pid the last of them. */
static unsigned
count_in(char state, pid_t parent, pid_t *out_pid)
{
    DIR *folder = opendir("/proc");
    struct dirent *e;
    unsigned n = 0;

    assert_non_null(folder);
    while ((e = readdir(folder)) != NULL) {
        char path[300], line[512], is;
        FILE *f;
        int ppid;
        const char *end;

        (void)snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        if (e->d_name[0] < '0' || e->d_name[0] > '9' || (f = fopen(path, "re")) == NULL)
            continue;
        if (fgets(line, sizeof line, f) != NULL && (end = strrchr(line, ')')) != NULL &&
            sscanf(end + 1, " %c %d", &is, &ppid) == 2 && ppid == parent && is == state) {
            n++;
            if (out_pid != NULL)
                *out_pid = (pid_t)strtol(e->d_name, NULL, 10);
        }
        fclose(f);
    }
    closedir(folder);
    return n;
}

static void
wait_for(char state, unsigned n, pid_t parent, const char *what)
{
    int64_t until_ms = clock_mono_ms() + SOON_MS;

    while (count_in(state, parent, NULL) != n) {
        if (clock_mono_ms() > until_ms)
            fail_msg("%s: %u workers in state %c, wanted %u", what, count_in(state, parent, NULL),
                     state, n);
        (void)poll(NULL, 0, STEP_MS);
    }
}

/* Until a worker has it: one that only starts up is in state R, too. */
static void
wait_begun(struct order *o)
{
    int64_t until_ms = clock_mono_ms() + SOON_MS;

    while (__atomic_load_n(&o->request.processors, __ATOMIC_SEQ_CST) == 0) {
        if (clock_mono_ms() > until_ms)
            fail_msg("a job did not begin");
        (void)poll(NULL, 0, STEP_MS);
    }
}

static struct codec_pool *
new_pool(void)
{
    struct codec_pool *pool = NULL;
    struct err err = {0};

    if (codec_pool_new(WORKERS, &pool, &err) < 0)
        fail_msg("%s", err.text);
    return pool;
}

static void
others_stand_still_for_what_is_urgent(void **state)
{
    struct codec_pool *pool = new_pool();
    struct order routine[2], urgent;
    cpu_set_t set;

    (void)state;
    order_give(&routine[0], pool, false, "w");
    order_give(&routine[1], pool, false, "w");
    wait_begun(&routine[0]);
    wait_begun(&routine[1]);
    wait_for('R', 2, getpid(), "two at work");

    order_give(&urgent, pool, true, "w");
    wait_for('T', 2, getpid(), "an urgent job began");
    wait_for('R', 1, getpid(), "an urgent job began");
    order_end(&urgent);
    wait_for('T', 0, getpid(), "it ended");
    order_end(&routine[0]);
    order_end(&routine[1]);

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(urgent.rc, CPU_COUNT(&set)); /* it had all processors */
    codec_pool_free(&pool);
}

static void
time_stopped_is_not_the_jobs_own(void **state)
{
    struct codec_pool *pool = new_pool();
    struct order routine, urgent;

    (void)state;
    codec_pool_set_patience(pool, 3000);
    order_give(&routine, pool, false, "w");
    wait_begun(&routine);
    wait_for('R', 1, getpid(), "one at work");
    for (int i = 0; i < 2; i++) {
        int64_t until_ms = clock_mono_ms() + 2000;

        order_give(&urgent, pool, true, "w");
        wait_for('T', 1, getpid(), "an urgent job began");
        while (clock_mono_ms() < until_ms)
            (void)poll(NULL, 0, STEP_MS);
        order_end(&urgent);
        wait_for('T', 0, getpid(), "it ended");
    }

    order_end(&routine);

    codec_pool_free(&pool);
}

/* What is asked for meanwhile waits, but not for ever. */
static void
a_long_urgent_job_does_not_starve_others(void **state)
{
    struct codec_pool *pool = new_pool();
    struct order urgent, late;
    int64_t begun_ms;

    (void)state;
    order_give(&urgent, pool, true, "w");
    wait_begun(&urgent);
    begun_ms = clock_mono_ms();

    order_give(&late, pool, false, "e");
    thread_join(late.thread);

    assert_true(clock_mono_ms() - begun_ms >= 1900);
    assert_int_equal(late.rc >= 0, 1);
    assert_int_equal(urgent.done, 0);
    close(late.fd);
    order_end(&urgent);
    codec_pool_free(&pool);
}

/* All but the maker have long jobs: it is started anew, so that another process proves. */
static void
an_urgent_proof_waits_for_no_other_job(void **state)
{
    struct codec_pool *pool = new_pool();
    struct order routine[WORKERS - 1], made, proof;

    (void)state;
    for (int i = 0; i < WORKERS - 1; i++) {
        order_give(&routine[i], pool, false, "w");
        wait_begun(&routine[i]);
    }
    order_give(&made, pool, true, "e");
    order_end(&made);

    order_prepare(&proof, pool, true, "e");
    proof.request.not_by = made.done_by;
    order_begin(&proof);
    order_end(&proof);

    assert_int_not_equal(proof.done_by, made.done_by);
    for (int i = 0; i < WORKERS - 1; i++) {
        assert_int_equal(routine[i].done, 0);
        order_end(&routine[i]);
    }
    codec_pool_free(&pool);
}

static void
a_worker_that_dies_while_stopped_costs_its_job(void **state)
{
    struct codec_pool *pool = new_pool();
    struct order routine, urgent, next;
    pid_t pid = 0;

    (void)state;
    order_give(&routine, pool, false, "w");
    wait_begun(&routine);
    wait_for('R', 1, getpid(), "one at work");
    order_give(&urgent, pool, true, "w");
    wait_for('T', 1, getpid(), "an urgent job began");
    assert_int_equal(count_in('T', getpid(), &pid), 1);

    assert_int_equal(kill(pid, SIGKILL), 0);
    thread_join(routine.thread);
    order_end(&urgent);

    assert_int_equal(routine.rc >= 0, 0);
    order_give(&next, pool, false, "w");
    order_end(&next);
    close(routine.fd);
    codec_pool_free(&pool);
}

/* The program that is killed: one worker works on what is urgent, two are stopped. */
static int
be_killed(void)
{
    struct codec_pool *pool = NULL;
    struct order orders[WORKERS];
    struct err err = {0};

    if (codec_pool_new(WORKERS, &pool, &err) < 0)
        return EXIT_FAILURE;
    for (unsigned i = 0; i + 1 < WORKERS; i++)
        order_give(&orders[i], pool, false, "w");
    for (unsigned i = 0; i + 1 < WORKERS; i++)
        wait_begun(&orders[i]);
    order_give(&orders[WORKERS - 1], pool, true, "w");
    thread_join(orders[0].thread);
    return EXIT_FAILURE;
}

static void
stopped_workers_die_with_their_program(void **state)
{
    pid_t pid = fork(), stopped = 0, working = 0;
    struct pollfd at = {.events = POLLIN};
    int status;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setsid(); /* as services are started */
        (void)execl("/proc/self/exe", "test_pool_urgent", "--be-killed", (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    wait_for('T', WORKERS - 1, pid, "in the other program");
    assert_int_equal(count_in('T', pid, &stopped), WORKERS - 1);
    assert_int_equal(count_in('R', pid, &working), 1);
    at.fd = (int)syscall(SYS_pidfd_open, stopped, 0);
    assert_true(at.fd >= 0);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);

    (void)kill(working, SIGKILL); /* it would end with its job */
    if (poll(&at, 1, SOON_MS) != 1) {
        (void)kill(stopped, SIGKILL);
        fail_msg("a stopped worker outlived its program");
    }
    close(at.fd);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_stand_still_for_what_is_urgent),
        cmocka_unit_test(time_stopped_is_not_the_jobs_own),
        cmocka_unit_test(a_long_urgent_job_does_not_starve_others),
        cmocka_unit_test(an_urgent_proof_waits_for_no_other_job),
        cmocka_unit_test(a_worker_that_dies_while_stopped_costs_its_job),
        cmocka_unit_test(stopped_workers_die_with_their_program),
    };
    int status;

    job_table[JOB_INSPECT] = work_until_told;
    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    if (argc == 2 && strcmp(argv[1], "--be-killed") == 0)
        return be_killed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
