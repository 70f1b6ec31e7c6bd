/* assign_case.h - what the tests of reader/assign share: a fresh world for each test, and short
 * words for what people do in it. */
#ifndef RADPOST_TESTS_UNIT_ASSIGN_ASSIGN_CASE_H
#define RADPOST_TESTS_UNIT_ASSIGN_ASSIGN_CASE_H

#include "proto/base/clock.h"
#include "reader/assign/assign.h"
#include "reader/assign/assign_own.h"
#include "tests/support/read_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct read_world w;
static unsigned database;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

__attribute__((unused)) static int
open_world(void **state)
{
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "assign%u", database++);
    read_world_open(&w, cluster, name);
    return 0;
}

__attribute__((unused)) static int
close_world(void **state)
{
    (void)state;
    read_world_close(&w);
    return 0;
}

__attribute__((unused)) static struct read_row
read_of(const char *tenant, const char *study)
{
    struct read_row row;

    read_world_read(&w, tenant, study, &row);
    return row;
}

__attribute__((unused)) static struct read_row
settled(const char *tenant, const char *study)
{
    read_world_settle(&w);
    return read_of(tenant, study);
}

/* The study 1.2.3 of T1, closed with 30 images: its read. */
__attribute__((unused)) static struct read_row
a_read(void)
{
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    return settled("T1", "1.2.3");
}

/* An event in a transaction of its own. */
__attribute__((unused)) static int
moves(int64_t read_id, const char *actor, enum read_event event, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(w.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        assign_advance(conn, read_id, actor, event, NULL, err) == 0 && pg_commit(conn, err) == 0)
        rc = 0;
    pg_put(&conn);
    return rc;
}

__attribute__((unused)) static int
claims(const char *login, int64_t read_id, struct lease *lease, struct err *err)
{
    struct person who;

    read_world_person(&w, login, &who);
    return lease_claim(w.pg, &who, read_id, lease, err);
}

__attribute__((unused)) static void
writes(const char *login, int64_t read_id)
{
    struct lease lease;
    struct err err;

    OK(claims(login, read_id, &lease, &err));
    OK(moves(read_id, login, READ_SAW_DRAFT, &err));
    OK(moves(read_id, login, READ_SAW_WRITE, &err));
}

__attribute__((unused)) static int
may(const char *login, int64_t read_id, enum assign_level level, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct person who;
    int rc = -1;

    read_world_person(&w, login, &who);
    if (pg_get(w.pg, &conn, err) == 0)
        rc = assign_may(conn, &who, read_id, level, err);
    pg_put(&conn);
    return rc;
}

/* Written by author, reviewed and signed by rev1 with what is there. */
__attribute__((unused)) static void
sign(int64_t read_id, const char *author, uint32_t revision, uint32_t instances)
{
    struct read_cover cover = {1, revision, instances, false};
    struct pg_conn *conn = NULL;
    struct lease lease;
    struct err err;

    writes(author, read_id);
    OK(claims("rev1", read_id, &lease, &err));
    OK(moves(read_id, "rev1", READ_SAW_REVIEW, &err));
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_advance(conn, read_id, "rev1", READ_SAW_SIGN, "{}", &err));
    OK(assign_cover_put(conn, read_id, &cover, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

/* Run a group's tests with a PostgreSQL of their own. */
#define RUN_CASES(tests)                                                                           \
    int rc_;                                                                                       \
    cluster = pg_cluster_start();                                                                  \
    if (cluster == NULL)                                                                           \
        return 77;                                                                                 \
    log_set_level(LOG_ERROR);                                                                      \
    rc_ = cmocka_run_group_tests(tests, NULL, NULL);                                               \
    pg_cluster_remove(&cluster);                                                                   \
    return rc_

#endif
