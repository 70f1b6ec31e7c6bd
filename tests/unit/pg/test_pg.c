/* test_pg.c - the door to PostgreSQL: values come back, errors say their kind, a lost server is
 * found again, what was not committed is not there. The queries are the archive's own. */
#include "proto/pg/pg.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/pg_cluster.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static const char *const files[] = {"storage/keep/tenants.sql", NULL};
static const char *const other_files[] = {"storage/keep/seal.sql", NULL};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct pg *
open_pg(const char *database)
{
    char *conninfo = pg_cluster_database(cluster, database);
    struct pg_options options = {conninfo, files, "storage/keep/migrations/", .connections = 2};
    struct pg *pg = NULL;
    struct err err;

    OK(pg_open(&options, &pg, &err));
    free(conninfo);
    return pg;
}

/* Of the archive's database, which is made. */
static struct pg_options
options_of(char *conninfo)
{
    return (struct pg_options){conninfo, files, "storage/keep/migrations/", .connections = 1};
}

/* Opened, and closed again. */
static void
visit(const struct pg_options *options)
{
    struct pg *pg = NULL;
    struct err err;

    OK(pg_open(options, &pg, &err));
    pg_close(&pg);
}

static void
values_come_back_and_rollbacks_leave_nothing(void **state)
{
    struct pg *pg = open_pg("values");
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    uint8_t sha[32] = {0, 1, 2, 255};
    struct err err;

    (void)state;
    OK(pg_get(pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(pg_run(conn, "tenant_add", PG_ARGS(PG_TEXT("a"), PG_TEXT("'x\\"), PG_INT(-5)), NULL, &err));
    pg_put(&conn); /* not committed */
    OK(pg_get(pg, &conn, &err));
    OK(pg_run(conn, "tenant_find", PG_ARGS(PG_TEXT("a")), &rows, &err));
    assert_int_equal(pg_rows_count(rows), 0);
    pg_rows_free(&rows);
    OK(pg_begin(conn, &err));
    OK(pg_run(conn, "tenant_add", PG_ARGS(PG_TEXT("a"), PG_TEXT("x"), PG_INT(1)), NULL, &err));
    OK(pg_run(conn, "token_add",
              PG_ARGS(PG_TEXT("a"), PG_BYTES(sha, 32), PG_TEXT("t"), PG_INT(3), PG_INT(1)), &rows,
              &err));
    assert_int_equal(pg_touched(rows), 1);
    pg_rows_free(&rows);
    OK(pg_commit(conn, &err));
    OK(pg_run(conn, "token_find", PG_ARGS(PG_BYTES(sha, 32)), &rows, &err));
    assert_string_equal(pg_text(rows, 0, 0), "a");
    assert_int_equal(pg_int(rows, 0, 2), 3);
    pg_rows_free(&rows);
    /* The same again: a conflict, told by constraint and never by value. */
    assert_int_equal(pg_run(conn, "token_add",
                            PG_ARGS(PG_TEXT("a"), PG_BYTES(sha, 32), PG_TEXT("secret-name"),
                                    PG_INT(3), PG_INT(1)),
                            NULL, &err),
                     -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_null(strstr(err.text, "secret-name"));
    assert_non_null(strstr(err.text, "tokens_pkey"));
    pg_put(&conn);
    pg_close(&pg);
}

static void
a_query_that_does_not_fit_the_schema_stops_the_start(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "unfit");
    struct pg_options options = {conninfo, other_files, NULL,
                                 .connections = 1}; /* no migrations: no tables */
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    free(conninfo);
}

static void
a_server_that_went_is_found_again(void **state)
{
    struct pg *pg = open_pg("again");
    struct pg_conn *conn = NULL;
    struct err err;

    (void)state;
    OK(pg_get(pg, &conn, &err));
    pg_cluster_stop(cluster);
    assert_int_equal(pg_run(conn, "tenant_find", PG_ARGS(PG_TEXT("a")), NULL, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    pg_put(&conn);
    assert_int_equal(pg_get(pg, &conn, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    pg_cluster_restart(cluster);
    clock_fake(clock_wall_us(), clock_mono_ms() + 5000); /* past the pool's back-off */
    OK(pg_get(pg, &conn, &err));
    clock_unfake();
    OK(pg_run(conn, "tenant_find", PG_ARGS(PG_TEXT("a")), NULL, &err));
    pg_put(&conn);
    pg_close(&pg);
}

/* Constant SQL, by nobody's pool. */
static void
sql(const char *conninfo, const char *text)
{
    PGconn *db = PQconnectdb(conninfo);
    PGresult *r = PQexec(db, text);

    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(db));
    PQclear(r);
    PQfinish(db);
}

static void
a_migration_is_not_cut_off_by_the_clock(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "long");
    struct pg_options options = options_of(conninfo);

    (void)state;
    sql(conninfo, "CREATE FUNCTION judge() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF "
                  "current_setting('statement_timeout') <> '0' THEN RAISE 'cut off'; END IF; END "
                  "$$");
    sql(conninfo, "CREATE EVENT TRIGGER judge ON ddl_command_start EXECUTE FUNCTION judge()");
    visit(&options);
    free(conninfo);
}

static int
put_patient(struct pg_conn *conn, struct err *err)
{
    return pg_run(conn, "patient_put", PG_ARGS(PG_TEXT("a"), PG_TEXT(""), PG_TEXT("1")), NULL, err);
}

/* Also after a rollback, which takes back how its connection plans. */
static void
what_finds_one_row_is_planned_once_and_the_rest_for_its_values(void **state)
{
    static const char *const both[] = {"storage/keep/tenants.sql", "storage/keep/arrive.sql", NULL};
    char *conninfo = pg_cluster_database(cluster, "plans");
    struct pg_options options = {conninfo, both, "storage/keep/migrations/", .connections = 1};
    struct pg_conn *conn = NULL;
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    OK(pg_open(&options, &pg, &err));
    sql(conninfo,
        "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
        "current_setting('plan_cache_mode') <> TG_ARGV[0] OR current_setting('jit') <> 'off' "
        "OR current_setting('random_page_cost') <> '1.1' THEN RAISE 'planned wrongly'; "
        "END IF; RETURN NEW; END $$");
    sql(conninfo, "CREATE TRIGGER judge BEFORE INSERT ON tenants FOR EACH ROW "
                  "EXECUTE FUNCTION judge('force_custom_plan')");
    sql(conninfo, "CREATE TRIGGER judge BEFORE INSERT ON patients FOR EACH ROW "
                  "EXECUTE FUNCTION judge('force_generic_plan')");
    OK(pg_get(pg, &conn, &err));
    OK(pg_run(conn, "tenant_add", PG_ARGS(PG_TEXT("a"), PG_TEXT("x"), PG_INT(1)), NULL, &err));
    OK(put_patient(conn, &err));
    OK(pg_run(conn, "tenant_add", PG_ARGS(PG_TEXT("b"), PG_TEXT("x"), PG_INT(1)), NULL, &err));
    OK(pg_begin(conn, &err));
    OK(put_patient(conn, &err));
    pg_put(&conn); /* rolled back */
    OK(pg_get(pg, &conn, &err));
    OK(put_patient(conn, &err));
    OK(pg_run(conn, "tenant_add", PG_ARGS(PG_TEXT("c"), PG_TEXT("x"), PG_INT(1)), NULL, &err));
    OK(pg_begin(conn, &err));
    OK(pg_mark(conn, &err));
    OK(put_patient(conn, &err));
    OK(pg_back(conn, &err));
    OK(put_patient(conn, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    pg_close(&pg);
    free(conninfo);
}

static void
a_guest_migrates_only_an_empty_database(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "guest");
    struct pg_options options = options_of(conninfo);
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    options.is_guest = true;
    visit(&options);
    visit(&options);
    /* Were it migrated, this would be made again. */
    sql(conninfo, "DROP INDEX instances_aside; DELETE FROM schema_migrations WHERE name = "
                  "'0009_aside.sql'");
    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "older version than this program (it lacks 0009_aside.sql)"));
    sql(conninfo, "DO $$ BEGIN IF to_regclass('instances_aside') IS NOT NULL THEN RAISE 'made'; "
                  "END IF; END $$");

    options.is_guest = false;
    visit(&options);
    options.is_guest = true;
    visit(&options);
    sql(conninfo, "INSERT INTO schema_migrations (name) VALUES ('0900_later.sql')");
    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_non_null(strstr(err.text, "newer version than this program"));
    free(conninfo);
}

/* A service that was taken back: it would write what the newer one no longer does. */
static void
a_database_of_a_newer_version_is_refused_and_left_as_it_is(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "newer");
    struct pg_options options = options_of(conninfo);
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    visit(&options);
    sql(conninfo, "INSERT INTO schema_migrations (name) VALUES ('0900_later.sql')");
    sql(conninfo, "DROP INDEX instances_aside; DELETE FROM schema_migrations WHERE name = "
                  "'0009_aside.sql'");

    assert_int_equal(pg_open(&options, &pg, &err), -1);

    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "a newer radpost upgraded it. Install that one, or restore"));
    sql(conninfo, "DO $$ BEGIN IF to_regclass('instances_aside') IS NOT NULL THEN RAISE 'made'; "
                  "END IF; END $$");
    free(conninfo);
}

static int
log_count(FILE *log, const char *event)
{
    char line[1024];
    int n = 0;

    rewind(log);
    while (fgets(line, sizeof line, log) != NULL)
        n += strstr(line, event) != NULL;
    return n;
}

/* A full disk, as the server tells it: of what is new; changes to what is there may still work. */
static void
a_full_disk_is_said_once_and_so_is_its_end(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "full");
    struct pg_options options = {conninfo, files, "storage/keep/migrations/", .connections = 2};
    struct pg *pg = NULL;
    struct pg_rows *rows = NULL;
    FILE *log = tmpfile();
    char *where = NULL;
    struct err err;

    (void)state;
    assert_non_null(log);
    OK(pg_open(&options, &pg, &err));
    sql(conninfo, "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "RAISE 'full' USING ERRCODE = 'disk_full'; END $$");
    sql(conninfo, "CREATE TRIGGER full_disk BEFORE INSERT ON tenants EXECUTE FUNCTION full_disk()");
    sql(conninfo, "CREATE FUNCTION no_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "RAISE 'full' USING ERRCODE = 'disk_full'; END $$");
    sql(conninfo, "CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN "
                  "('CREATE TABLE AS') EXECUTE FUNCTION no_tables()");
    log_set_fd(fileno(log));
    clock_fake(clock_wall_us(), clock_mono_ms());
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            pg_ask(pg, "tenant_add", PG_ARGS(PG_TEXT("a"), PG_TEXT("x"), PG_INT(1)), NULL, &err),
            -1);
        assert_int_equal(err.kind, ERR_FULL);
        assert_non_null(strstr(err.text, "its disk is full"));
        clock_fake(clock_wall_us(), clock_mono_ms() + 11000);
    }
    assert_true(pg_is_full(pg));
    assert_int_equal(pg_check_room(pg, &where, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    free(where);
    assert_int_equal(log_count(log, "PG_FULL"), 1);

    sql(conninfo, "DROP EVENT TRIGGER no_tables");
    for (int i = 0; i < 3; i++) {
        clock_fake(clock_wall_us(), clock_mono_ms() + 11000);
        OK(pg_ask(pg, "tenant_find", PG_ARGS(PG_TEXT("a")), &rows, &err));
        pg_rows_free(&rows);
    }
    assert_false(pg_is_full(pg));
    OK(pg_check_room(pg, &where, &err));
    assert_non_null(where);
    free(where);
    assert_int_equal(log_count(log, "PG_HAS_ROOM"), 1);
    clock_unfake();
    log_set_fd(2);
    fclose(log);
    pg_close(&pg);
    free(conninfo);
}

/* A restored database, or one of an upgraded PostgreSQL: filled, and nothing is known of it. */
static void
what_is_filled_and_not_known_is_looked_at_when_it_is_opened(void **state)
{
    char *conninfo = pg_cluster_database(cluster, "filled");
    struct pg_options options = options_of(conninfo);
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    visit(&options);
    sql(conninfo, "ALTER TABLE tenants SET (autovacuum_enabled = off)");
    sql(conninfo, "INSERT INTO tenants (code, name, made_at_us) "
                  "SELECT g, 'A clinic', 0 FROM generate_series(1, 30000) g");
    sql(conninfo, "DO $$ BEGIN IF EXISTS (SELECT FROM pg_stats WHERE tablename = 'tenants') "
                  "THEN RAISE 'known'; END IF; END $$");

    OK(pg_open(&options, &pg, &err));

    sql(conninfo, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_stats WHERE tablename = 'tenants') "
                  "THEN RAISE 'not known'; END IF; END $$");
    pg_close(&pg);
    free(conninfo);
}

static void
array_literals_keep_quotes_and_backslashes(void **state)
{
    static const char *const texts[] = {"a\"b", "c\\d", "{,}"};
    char *text = pg_array_text(texts, 3);

    (void)state;
    assert_string_equal(text, "{\"a\\\"b\",\"c\\\\d\",\"{,}\"}");
    free(text);
}

static int
start(void **state)
{
    (void)state;
    cluster = pg_cluster_start();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    pg_cluster_remove(&cluster);
    return 0;
}

/* "cannot connect" alone sent people looking everywhere. */
static void
who_cannot_connect_is_told_where_it_looked_and_no_secret(void **state)
{
    struct pg_options options = {.query_files = files, .connections = 1};
    struct pg *pg = NULL;
    struct err err;

    (void)state;
    options.conninfo = "host=/nowhere dbname=x user=y password=opensesame";
    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "/nowhere"));
    assert_null(strstr(err.text, "opensesame"));
    options.conninfo = "opensesame";
    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_non_null(strstr(err.text, "cannot be read"));
    assert_null(strstr(err.text, "opensesame"));
}

/* A machine whose disk hangs, a firewall that swallows what comes back: TCP is answered. */
static void
a_server_that_says_nothing_is_given_up(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pg_options options = {.query_files = files, .connections = 1};
    socklen_t n = sizeof at;
    struct pg *pg = NULL;
    char conninfo[64];
    struct err err;

    (void)state;
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d", ntohs(at.sin_port));
    options.conninfo = conninfo;

    assert_int_equal(pg_open(&options, &pg, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "timeout expired"));
    close(listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_and_rollbacks_leave_nothing),
        cmocka_unit_test(a_query_that_does_not_fit_the_schema_stops_the_start),
        cmocka_unit_test(a_server_that_went_is_found_again),
        cmocka_unit_test(a_migration_is_not_cut_off_by_the_clock),
        cmocka_unit_test(what_finds_one_row_is_planned_once_and_the_rest_for_its_values),
        cmocka_unit_test(a_guest_migrates_only_an_empty_database),
        cmocka_unit_test(a_database_of_a_newer_version_is_refused_and_left_as_it_is),
        cmocka_unit_test(a_full_disk_is_said_once_and_so_is_its_end),
        cmocka_unit_test(what_is_filled_and_not_known_is_looked_at_when_it_is_opened),
        cmocka_unit_test(who_cannot_connect_is_told_where_it_looked_and_no_secret),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up),
        cmocka_unit_test(array_literals_keep_quotes_and_backslashes),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
