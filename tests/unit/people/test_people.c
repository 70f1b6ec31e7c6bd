/* test_people.c - accounts, roles and sessions over a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/log.h"
#include "reader/people/people.h"
#include "tests/support/reader_db.h"

static struct reader_db db;

static int
start(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    reader_db_start(&db);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    reader_db_stop(&db);
    return 0;
}

static void
an_account_put_twice_is_one_and_takes_what_is_new(void **state)
{
    struct people_new a = {.login = "demo.doctor",
                           .name = "王医生",
                           .org = "county-1",
                           .roles = ROLE_DOCTOR,
                           .is_demo = true,
                           .password = "demo-password"};
    struct person p;
    struct pg_conn *conn = NULL;
    struct err err = {0};
    int64_t id = 0, again = 0;

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(pg_get(db.pg, &conn, &err), 0);
    assert_int_equal(people_put(conn, &a, &id, &err), 0);
    a.roles = ROLE_DOCTOR | ROLE_REVIEWER;
    a.password = NULL;
    assert_int_equal(people_put(conn, &a, &again, &err), 0);

    assert_int_equal(id, again);
    assert_int_equal(people_find(conn, "demo.doctor", &p, &err), 0);
    assert_string_equal(p.name, "王医生");
    assert_int_equal(p.roles, ROLE_DOCTOR | ROLE_REVIEWER);
    assert_true(p.is_demo);
    assert_int_equal(people_find_id(conn, id, &p, &err), 0);
    assert_string_equal(p.login, "demo.doctor");
    a.is_demo = false;
    assert_int_equal(people_put(conn, &a, &again, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    pg_put(&conn);
}

static void
accounts_that_cannot_be_are_refused(void **state)
{
    static const struct people_new rows[] = {
        {"Upper", "n", "o", ROLE_DOCTOR, false, NULL},
        {"", "n", "o", ROLE_DOCTOR, false, NULL},
        {"a b", "n", "o", ROLE_DOCTOR, false, NULL},
        {"a", "", "o", ROLE_DOCTOR, false, NULL},
        {"a", "n", "", ROLE_DOCTOR, false, NULL},
        {"a", "n", "o", 0, false, NULL},
        {"a", "n", "o", 1 << 12, false, NULL},
        {"a", "n", "o", ROLE_DOCTOR, false, "a good password"}, /* real people set their own */
        {"a", "n", "o", ROLE_DOCTOR, true, "short"},
    };
    struct pg_conn *conn = NULL;
    struct err err = {0};
    int64_t id;

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(pg_get(db.pg, &conn, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(people_put(conn, &rows[i], &id, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
    assert_int_equal(people_find(conn, "a", &(struct person){0}, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    pg_put(&conn);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_put_twice_is_one_and_takes_what_is_new),
        cmocka_unit_test(accounts_that_cannot_be_are_refused),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
