/* test_sole.c - of two services on one database the second is refused; the first is stopped by the
 * loss of its own connection only if another has the database meanwhile. */
#include "proto/pg/pg.h"

#include "proto/base/clock.h"
#include "tests/support/folder.h"
#include "tests/support/pg_cluster.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static char *conninfo;
static int hung_up_at; /* so says this look from now whether a connection is alive; 0: none */

int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    if (hung_up_at > 0 && n == 1 && timeout_ms == 0 && --hung_up_at == 0) {
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
    hung_up_at = 2; /* the pool's own is there */
    rc = pg_get(pg, &conn, &err);
    pg_put(&conn);
    assert_int_equal(kill(lost, SIGCONT), 0);

    assert_int_equal(hung_up_at, 0);
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

/* ---- a server that takes connections and says nothing ---- */

/* A folder in which the server is found, or something in its place. */
struct place {
    char dir[FOLDER_PATH_BYTES];
    struct sockaddr_un there, at;
    char *conninfo;
};

static void
place_make(struct place *p)
{
    char dir[FOLDER_PATH_BYTES];

    memset(p, 0, sizeof *p);
    assert_int_equal(sscanf(conninfo, "host=%127s", dir), 1);
    folder_make("sole", p->dir);
    p->at.sun_family = AF_UNIX;
    snprintf(p->there.sun_path, sizeof p->there.sun_path, "%.80s/.s.PGSQL.5432", dir);
    snprintf(p->at.sun_path, sizeof p->at.sun_path, "%.80s/.s.PGSQL.5432", p->dir);
    p->conninfo = mem_printf("%s host=%s connect_timeout=2", conninfo, p->dir);
    assert_int_equal(symlink(p->there.sun_path, p->at.sun_path), 0);
}

/* Whoever calls there is never answered. */
static int
place_silence(const struct place *p)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(unlink(p->at.sun_path), 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&p->at, sizeof p->at), 0);
    assert_int_equal(listen(listener, 64), 0);
    return listener;
}

static void
place_back(struct place *p, int listener)
{
    close(listener);
    assert_int_equal(unlink(p->at.sun_path), 0);
    assert_int_equal(symlink(p->there.sun_path, p->at.sun_path), 0);
}

static void
place_remove(struct place *p)
{
    folder_remove(p->dir);
    free(p->conninfo);
}

/* So many called since the last look. */
static int
calls_to(int listener)
{
    int n = 0, fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(fd);
        n++;
    }
    return n;
}

static void
a_server_that_says_nothing_is_tried_again_after_two_seconds_not_by_each_call(void **state)
{
    struct pg_conn *first = NULL, *second = NULL;
    struct pg_sole *sole = NULL;
    struct place place;
    struct pg *pg;
    struct err err;
    int silent;

    (void)state;
    place_make(&place);
    while (pg_sole_take(place.conninfo, "radpost-storage", &sole, &err) < 0)
        assert_non_null(strstr(err.text, "another radpost-storage"));
    pg = open_pool(sole);
    clock_fake(clock_wall_us(), clock_mono_ms());
    cut_off_whoever_has_it();
    silent = place_silence(&place);

    for (int i = 0; i < 20; i++)
        assert_works(pg); /* its own connection is there */
    assert_int_equal(calls_to(silent), 1);
    clock_fake_advance(1999);
    assert_works(pg);
    assert_int_equal(calls_to(silent), 0);
    clock_fake_advance(1);
    assert_works(pg);
    assert_int_equal(calls_to(silent), 1);

    place_back(&place, silent);
    OK(pg_get(pg, &first, &err));
    OK(pg_get(pg, &second, &err)); /* the pool reached it: the lock waits no longer */
    assert_refused();
    pg_put(&first);
    pg_put(&second);
    clock_unfake();
    pg_close(&pg);
    pg_sole_drop(&sole);
    place_remove(&place);
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
        cmocka_unit_test(
            a_server_that_says_nothing_is_tried_again_after_two_seconds_not_by_each_call),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
