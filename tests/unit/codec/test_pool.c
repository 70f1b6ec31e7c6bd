/* test_pool.c - a worker that dies costs its job, and nobody else's. */
#include "proto/codec/pool.h"

#include "proto/base/thread.h"
#include "proto/codec/job.h"
#include "tests/support/sample_image.h"

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Where no bytes are: the worker gets SIGBUS at the first. */
static struct codec_source
deadly_source(void)
{
    return (struct codec_source){.fd = sample_fd("short", 5), .offset = 65536, .size = 1000};
}

static struct codec_source
good_source(struct buf *room)
{
    struct sample sample = {0};

    buf_init(room, 1U << 20);
    sample_image(&sample, room);
    return (struct codec_source){.fd = sample_fd(room->bytes, room->n), .size = room->n};
}

static void
a_dead_worker_costs_one_job(void **state)
{
    struct codec_pool *pool = NULL;
    struct err err = {0};
    struct dcm_digests digests;
    struct codec_image image;
    struct buf room;
    struct codec_source deadly = deadly_source(), good = good_source(&room);

    (void)state;
    assert_int_equal(codec_pool_new(1, &pool, &err), 0);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(codec_frame(pool, &deadly, 1, 0, NULL, &image, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, "codec worker died"));
        if (codec_inspect(pool, &good, NULL, &digests, &err) < 0)
            fail_msg("after a death: %s", err.text);
    }

    codec_pool_free(&pool);
    close(deadly.fd);
    close(good.fd);
    buf_fini(&room);
}

static struct {
    struct codec_pool *pool;
    struct codec_source good, deadly;
    int wrong;
} shared;

static void *
do_jobs(void *arg)
{
    bool is_bad = arg != NULL;

    for (int i = 0; i < 10; i++) {
        struct dcm_digests digests;
        struct err err = {0};
        int rc = codec_inspect(shared.pool, is_bad ? &shared.deadly : &shared.good, NULL, &digests,
                               &err);

        if ((rc == 0) == is_bad)
            __atomic_add_fetch(&shared.wrong, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void
jobs_beside_a_death_are_done(void **state)
{
    pthread_t threads[5];
    struct err err = {0};
    struct buf room;

    (void)state;
    shared.good = good_source(&room);
    shared.deadly = deadly_source();
    assert_int_equal(codec_pool_new(2, &shared.pool, &err), 0);

    for (int i = 0; i < 5; i++)
        threads[i] = thread_start("job", do_jobs, i == 0 ? &shared : NULL);
    for (int i = 0; i < 5; i++)
        thread_join(threads[i]);

    assert_int_equal(shared.wrong, 0);
    codec_pool_free(&shared.pool);
    close(shared.good.fd);
    close(shared.deadly.fd);
    buf_fini(&room);
}

static unsigned
count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void
no_descriptor_is_left_behind(void **state)
{
    struct codec_pool *pool = NULL;
    struct err err = {0};
    struct dcm_digests digests;
    struct codec_result result;
    struct buf room;
    struct codec_source deadly = deadly_source(), good = good_source(&room);
    unsigned before, after;

    (void)state;
    before = count_descriptors();
    assert_int_equal(codec_pool_new(2, &pool, &err), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(codec_inspect(pool, &good, NULL, &digests, &err), 0);
        assert_int_equal(codec_inspect(pool, &deadly, NULL, &digests, &err), -1);
        assert_int_equal(codec_encode(pool, &good, NULL, &result, &err), 0);
        codec_result_fini(&result);
    }
    codec_pool_free(&pool);
    after = count_descriptors();

    assert_int_equal(before, after);
    close(deadly.fd);
    close(good.fd);
    buf_fini(&room);
}

static void
what_came_back_cannot_be_changed(void **state)
{
    struct codec_pool *pool = NULL;
    struct codec_result result;
    struct err err = {0};
    struct buf room;
    struct codec_source good = good_source(&room);

    (void)state;
    assert_int_equal(codec_pool_new(1, &pool, &err), 0);
    assert_int_equal(codec_encode(pool, &good, NULL, &result, &err), 0);
    assert_true(result.coded_fd >= 0);

    assert_int_equal(pwrite(result.coded_fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(result.coded_fd, 1), -1);

    codec_result_fini(&result);
    codec_pool_free(&pool);
    close(good.fd);
    buf_fini(&room);
}

static void
a_worker_makes_no_workers(void **state)
{
    struct codec_pool *pool = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(setenv("RADPOST_CODEC_WORKER", "1", 1), 0);

    assert_int_equal(codec_pool_new(1, &pool, &err), -1);

    assert_int_equal(err.kind, ERR_FATAL);
    assert_null(pool);
    assert_int_equal(unsetenv("RADPOST_CODEC_WORKER"), 0);
}

static void
none_proves_what_it_made(void **state)
{
    struct err err = {0};
    struct dcm_digests digests;
    struct buf room;
    struct codec_source good = good_source(&room);

    (void)state;
    for (unsigned count = 1; count <= 3; count++) {
        struct codec_pool *pool = NULL;
        int before = 0;

        assert_int_equal(codec_pool_new(count, &pool, &err), 0);
        assert_int_equal(codec_inspect(pool, &good, NULL, &digests, &err), 0);
        for (int i = 0; i < 4; i++) {
            struct wire_request ask = {.job = JOB_INSPECT, .size = good.size};
            struct wire_reply reply;
            struct codec_result coded;
            int fds[2];
            bool died;

            assert_int_equal(codec_encode(pool, &good, NULL, &coded, &err), 0);
            assert_int_not_equal(coded.made_by, 0);
            ask.not_by = coded.made_by;
            if (pool_run(pool, &ask, good.fd, -1, &reply, fds, &died, &err) < 0)
                fail_msg("%u workers: %s", count, err.text);
            assert_int_not_equal(reply.done_by, coded.made_by);
            assert_true(count > 1 || coded.made_by != before);
            before = coded.made_by;
            close(fds[0]);
            close(fds[1]);
            codec_result_fini(&coded);
        }
        codec_pool_free(&pool);
    }
    close(good.fd);
    buf_fini(&room);
}

/* This program's own workers: what looking into an object of so many bytes does to them. */
enum { HANG = 1001, SPIN, EAT, GOOD };

static int
misbehave(struct job *job, struct err *err)
{
    uint8_t byte;

    switch (job->n) {
    case HANG: /* nobody says anything more to it */
        (void)!read(WIRE_SOCKET, &byte, sizeof byte);
        return err_set(err, ERR_FATAL, "woken");
    case SPIN:
        for (;;)
            ;
    case EAT:
        while (malloc(64U << 20) != NULL)
            ;
        abort(); /* as mem_new() does */
    case GOOD:
        return 0;
    default:
        return job_inspect(job, err);
    }
}

static int
inspect_bytes(struct codec_pool *pool, uint64_t n, struct err *err)
{
    struct codec_source source = {.fd = sample_fd("short", 5), .size = n};
    struct dcm_digests digests;
    int rc = codec_inspect(pool, &source, NULL, &digests, err);

    close(source.fd);
    return rc;
}

static void
what_hangs_or_eats_costs_its_job(void **state)
{
    static const struct {
        const char *name;
        uint64_t size;
        const char *says;
    } rows[] = {
        {"hangs", HANG, "no answer in"},
        {"spins", SPIN, "no answer in"},
#ifndef __SANITIZE_ADDRESS__ /* the sanitizer's own memory knows no such limit */
        {"eats memory", EAT, "died of signal 6"},
#endif
    };
    struct codec_pool *pool = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(codec_pool_new(1, &pool, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        codec_pool_set_patience(pool, 1500);
        if (inspect_bytes(pool, rows[i].size, &err) == 0 || strstr(err.text, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(err.kind, ERR_REJECT);

        codec_pool_set_patience(pool, 0);
        if (inspect_bytes(pool, GOOD, &err) < 0)
            fail_msg("the next after one that %s: %s", rows[i].name, err.text);
    }
    codec_pool_free(&pool);
}

/* A process that has the one processor to itself, but for what others of its rank take. */
static pid_t
begin_hog(const cpu_set_t *one)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sched_setaffinity(0, sizeof *one, one);
    for (;;)
        ;
}

static cpu_set_t
one_processor(void)
{
    cpu_set_t all, one;
    int cpu = 0;

    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return one;
}

static void
want_of_a_processor_is_no_word_about_the_content(void **state)
{
    const struct sched_param rank = {0};
    struct wire_request ask = {.job = JOB_INSPECT, .size = GOOD};
    struct wire_reply reply;
    cpu_set_t one = one_processor();
    struct codec_pool *pool = NULL;
    int fds[2], source = sample_fd("short", 5);
    struct err err = {0};
    bool died;
    pid_t hog;

    (void)state;
    assert_int_equal(codec_pool_new(1, &pool, &err), 0);
    assert_int_equal(pool_run(pool, &ask, source, -1, &reply, fds, &died, &err), 0);
    close(fds[0]);
    close(fds[1]);
    hog = begin_hog(&one);
    assert_int_equal(sched_setaffinity(reply.done_by, sizeof one, &one), 0);
    assert_int_equal(sched_setscheduler(reply.done_by, SCHED_IDLE, &rank), 0);

    ask.size = SPIN;
    codec_pool_set_patience(pool, 1500);
    assert_int_equal(pool_run(pool, &ask, source, -1, &reply, fds, &died, &err), -1);
    if (err.kind != ERR_RETRY || died || strstr(err.text, "want of processor time") == NULL)
        fail_msg("%s", err.text);

    assert_int_equal(kill(hog, SIGKILL), 0);
    assert_int_equal(waitpid(hog, NULL, 0), hog);
    codec_pool_set_patience(pool, 0);
    if (inspect_bytes(pool, GOOD, &err) < 0)
        fail_msg("the next: %s", err.text);
    codec_pool_free(&pool);
    close(source);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_worker_costs_one_job),
        cmocka_unit_test(jobs_beside_a_death_are_done),
        cmocka_unit_test(no_descriptor_is_left_behind),
        cmocka_unit_test(what_came_back_cannot_be_changed),
        cmocka_unit_test(a_worker_makes_no_workers),
        cmocka_unit_test(none_proves_what_it_made),
        cmocka_unit_test(what_hangs_or_eats_costs_its_job),
        cmocka_unit_test(want_of_a_processor_is_no_word_about_the_content),
    };
    int status;

    job_table[JOB_INSPECT] = misbehave;
    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
