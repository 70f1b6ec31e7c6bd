/* test_pool.c - a worker that dies costs its job, and nobody else's. */
#include "proto/codec/pool.h"

#include "proto/base/thread.h"
#include "tests/support/sample_image.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Where no bytes are: the worker gets SIGBUS at the first. */
static struct codec_source
deadly_source(void)
{
    return (struct codec_source){sample_fd("short", 5), 65536, 1000, NULL, 0};
}

static struct codec_source
good_source(struct buf *room)
{
    struct sample sample = {0};

    buf_init(room, 1U << 20);
    sample_image(&sample, room);
    return (struct codec_source){sample_fd(room->bytes, room->n), 0, room->n, NULL, 0};
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

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_worker_costs_one_job),
        cmocka_unit_test(jobs_beside_a_death_are_done),
        cmocka_unit_test(no_descriptor_is_left_behind),
        cmocka_unit_test(what_came_back_cannot_be_changed),
        cmocka_unit_test(a_worker_makes_no_workers),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
