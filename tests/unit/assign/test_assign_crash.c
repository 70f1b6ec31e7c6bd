/* test_assign_crash.c - a reader that is killed again and again between the archive's events and an
 * assigned read loses none and doubles none.
 * A child process of its own takes events in and chooses doctors, as the service does; it is killed
 * (SIGKILL) at a random moment, again and again, until all is done. */
#include "reader/assign/assign.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "reader/assign/assign_own.h"
#include "tests/support/read_world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { STUDIES = 400, LATE_EVERY = 8, KILLS = 40, MOST_MS = 60 };

static struct pg_cluster *cluster;

/* The child: connections of its own, a word to the test, then events and choices until it is
 * killed.
 */
__attribute__((noreturn)) static void
be_the_reader(struct read_world *w, int ready)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options options = {.conninfo = w->conninfo,
                                 .query_files = queries,
                                 .migrations = "reader/migrations/",
                                 .connections = 4};
    bool has_changed;
    struct err err;

    log_set_fd(-1);
    if (pg_open(&options, &w->assign->options.pg, &err) < 0)
        _exit(2);
    if (write(ready, "r", 1) != 1)
        _exit(4);
    for (;;) {
        if (intake_step(w->assign, 0, &err) < 0 ||
            choose_round(w->assign->options.pg, CHOOSE_EVERYTHING, &has_changed, &err) < 0)
            _exit(3);
    }
}

static void
kill_it_once(struct read_world *w, unsigned *seed)
{
    const struct timespec life = {.tv_nsec = (long)(rand_r(seed) % MOST_MS + 1) * 1000000};
    int status, ready[2];
    char word;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_the_reader(w, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &word, 1), 1);
    close(ready[0]);
    nanosleep(&life, NULL); /* its life, not a wait for anything */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself with an error */
}

static void
a_killed_reader_loses_and_doubles_nothing(void **state)
{
    struct read_world w;
    unsigned seed = (unsigned)clock_wall_us(), first = seed, in_between = 0;
    char study[32];

    (void)state;
    read_world_open(&w, cluster, "assigncrash");
    for (int i = 0; i < STUDIES; i++) {
        snprintf(study, sizeof study, "1.2.%d", i);
        read_world_closes(&w, i % 2 == 0 ? "T1" : "T2", study, 1, 10);
        if (i % LATE_EVERY == 0)
            read_world_closes(&w, i % 2 == 0 ? "T1" : "T2", study, 2, 11);
    }

    for (int i = 0; i < KILLS; i++) {
        int64_t n;

        kill_it_once(&w, &seed);
        n = read_world_count(&w, "SELECT count(*) FROM reads");
        in_between += n > 0 && n < STUDIES;
        /* whatever is there is whole: the log of each begins with its opening, once. At one
         * moment: what it committed last may come a little after its death */
        assert_int_equal(read_world_count(&w, "SELECT (SELECT count(*) FROM reads) - (SELECT "
                                              "count(*) FROM read_events WHERE event = 'opened')"),
                         0);
    }
    read_world_settle(&w);
    for (int i = 0; i < 4; i++)
        read_world_settle(&w);

    printf("seed %u: %u of %d kills fell between the first and the last read\n", first, in_between,
           KILLS);
    assert_true(in_between > 0); /* else this proved nothing */
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), STUDIES);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads WHERE state = 'assigned' AND "
                                          "assigned_to IS NOT NULL"),
                     STUDIES);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'late'"),
                     STUDIES / LATE_EVERY);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = "
                                          "'assign'"),
                     STUDIES);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads WHERE revision = 2 AND "
                                          "instances = 11"),
                     STUDIES / LATE_EVERY);
    /* numbers of the log run without a gap that could fill later, in the order of commits */
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events e WHERE e.at_us < "
                                          "(SELECT max(p.at_us) - 1000000 FROM read_events p "
                                          "WHERE p.seq < e.seq)"),
                     0);
    read_world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_reader_loses_and_doubles_nothing),
    };
    int rc;

    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 77;
    log_set_fd(-1);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return rc;
}
