/* test_sole.c - of two services on one database the second is refused; the first is stopped by the
 * loss of its own connection only if another has the database meanwhile. */
#include "proto/pg/pg.h"

#include "proto/base/clock.h"
#include "tests/support/pg_cluster.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static char *conninfo;
static bool is_hung_up; /* says the next look whether a connection is alive */

int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    if (is_hung_up && n == 1 && timeout_ms == 0) {
        is_hung_up = false;
        fds[0].revents = POLLHUP;
        return 1;
    }
    return ppoll(fds, n, timeout_ms < 0 ? NULL : &wait, NULL);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* The server notices a moment later that another let go. */
static struct pg_sole *
take(void)
{
    struct pg_sole *sole = NULL;
    struct err err;

    while (pg_sole_take(conninfo, "radpost-storage", &sole, &err) < 0)
        if (strstr(err.text, "another radpost-storage") == NULL)
            fail_msg("%s", err.text);
    return sole;
}

static void
assert_refused(void)
{
    struct pg_sole *second = NULL;
    struct err err = {0};

    assert_int_equal(pg_sole_take(conninfo, "radpost-storage", &second, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    if (strstr(err.text, "another radpost-storage uses this database (") == NULL ||
        strstr(err.text, ", process ") == NULL)
        fail_msg("%s", err.text);
}

static struct pg *
open_pool(struct pg_sole *sole)
{
    struct pg_options options = {.conninfo = conninfo, .connections = 2, .sole = sole};
    struct pg *pg = NULL;
    struct err err;

    OK(pg_open(&options, &pg, &err));
    return pg;
}

/* As an administrator does, or a firewall. */
static void
cut_off_whoever_has_it(void)
{
    PGconn *db = PQconnectdb(conninfo);
    PGresult *r = PQexec(db, "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks "
                             "WHERE locktype = 'advisory' AND classid = 7267701");

    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(r), 1);
    PQclear(r);
    PQfinish(db);
}

/* The server's end of its session. */
static pid_t
whoever_has_it(void)
{
    PGconn *db = PQconnectdb(conninfo);
    PGresult *r = PQexec(db, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' "
                             "AND classid = 7267701");
    pid_t pid;

    assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(r), 1);
    pid = (pid_t)strtol(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    PQfinish(db);
    return pid;
}

static void
assert_works(struct pg *pg)
{
    struct pg_conn *conn = NULL;
    struct err err;

    OK(pg_get(pg, &conn, &err));
    pg_put(&conn);
}

static void
the_second_of_a_service_is_refused_until_the_first_ends(void **state)
{
    struct pg_sole *first = take(), *other = NULL, *second;
    struct err err;

    (void)state;
    assert_refused();
    OK(pg_sole_take(conninfo, "radpost-other", &other, &err));
    pg_sole_drop(&first);
    second = take();

    assert_refused();
    pg_sole_drop(&second);
    pg_sole_drop(&other);
}

static void
a_guest_is_not_kept_out(void **state)
{
    struct pg_sole *sole = take();
    struct pg *guest = open_pool(NULL);

    (void)state;
    assert_works(guest);
    pg_close(&guest);
    pg_sole_drop(&sole);
}

static void
what_was_lost_to_nobody_is_taken_again_and_work_goes_on(void **state)
{
    struct pg_sole *sole = take();
    struct pg *pg = open_pool(sole);

    (void)state;
    cut_off_whoever_has_it();
    assert_works(pg);
    assert_refused();

    pg_cluster_stop(cluster);
    pg_cluster_restart(cluster);
    assert_works(pg);
    assert_refused();
    pg_close(&pg);
    pg_sole_drop(&sole);
}

/* A firewall told only us: the server's end lives on, and has the lock. */
static void
whose_own_lost_session_has_it_still_is_not_refused(void **state)
{
    struct pg_sole *sole = take();
    struct pg *pg = open_pool(sole);
    struct pg_conn *conn = NULL;
    struct err err = {0};
    pid_t lost = whoever_has_it();
    int rc;

    (void)state;
    assert_int_equal(kill(lost, SIGSTOP), 0);
    is_hung_up = true;
    rc = pg_get(pg, &conn, &err);
    pg_put(&conn);
    assert_int_equal(kill(lost, SIGCONT), 0);

    assert_false(is_hung_up);
    if (rc < 0)
        fail_msg("%s", err.text);
    while (kill(lost, 0) == 0)
        assert_works(pg); /* it was ended */
    assert_works(pg);
    assert_refused();
    pg_close(&pg);
    pg_sole_drop(&sole);
}

static void
who_lost_it_to_another_waits_until_that_one_ends(void **state)
{
    struct pg_sole *first = take(), *second;
    struct pg *pg = open_pool(first);
    struct pg_conn *conn = NULL;
    struct err err;

    (void)state;
    cut_off_whoever_has_it();
    second = take();
    assert_int_equal(pg_get(pg, &conn, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "another radpost-storage uses this database"));

    pg_sole_drop(&second);
    while (pg_get(pg, &conn, &err) < 0)
        assert_non_null(strstr(err.text, "another radpost-storage"));
    pg_put(&conn);
    assert_refused();
    pg_close(&pg);
    pg_sole_drop(&first);
}

static int
start(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    conninfo = pg_cluster_database(cluster, "sole");
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    free(conninfo);
    pg_cluster_remove(&cluster);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_of_a_service_is_refused_until_the_first_ends),
        cmocka_unit_test(a_guest_is_not_kept_out),
        cmocka_unit_test(what_was_lost_to_nobody_is_taken_again_and_work_goes_on),
        cmocka_unit_test(whose_own_lost_session_has_it_still_is_not_refused),
        cmocka_unit_test(who_lost_it_to_another_waits_until_that_one_ends),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
