/* test_orders_psql.c - orders of a SQL view, by the very command docs/orders.md gives, with the
 * real psql over a real server. */
#include "gateway/desk/orders_sources.h"

#include "gateway/desk/orders.h"

#include "proto/base/text.h"
#include "tests/support/book_world.h"
#include "tests/support/pg_cluster.h"
#include "tests/support/run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define PSQL "/usr/bin/psql"
#define AS_DOCUMENTED "/usr/bin/psql -h his -U radpost -d his "

static struct pg_cluster *cluster;

static const char view[] =
    "CREATE TABLE exam (no int, who text, sex text, kind text, kg numeric, at timestamp,"
    " what text, why text, note text);"
    "INSERT INTO exam VALUES"
    " (1, '王小东', '男', 'CT', 61.5, '2026-11-22 08:00', E'胸部\t平扫', E'咳嗽\n发热', NULL),"
    " (2, 'O''Neil \"Pat\"', 'M', 'DX', NULL, NULL, E'a \\\\ b \"c\" {d}', '单雄信|甲,乙;\"丙\"',"
    "  E'line\r\nline'),"
    " (3, E'欧阳\t修', 'F', 'US', NULL, NULL, '', NULL, NULL);"
    "CREATE VIEW radpost_orders AS SELECT no AS placer, who AS name, sex, kind AS modality,"
    " kg AS weight_kg, at AS scheduled, what AS description, why AS complaint, note AS history"
    " FROM exam ORDER BY no";

/* The host of the cluster's socket, and a database of its own with the view. */
static void
make_view(const char *database, char host[256])
{
    char *conninfo = pg_cluster_database(cluster, database), said[4096];
    const char *at = strstr(conninfo, "host=") + 5;

    snprintf(host, 256, "%.*s", (int)strcspn(at, " "), at);
    if (program_run((const char *const[]){PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo,
                                          "-c", view, NULL},
                    NULL, said, sizeof said) != 0)
        fail_msg("%s", said);
    free(conninfo);
}

/* docs/orders.md's command, for this host and database. */
static void
documented_command(const char *host, const char *database, char *out, size_t n)
{
    char line[1024], *at = NULL;
    FILE *f = fopen("docs/orders.md", "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL && at == NULL)
        at = strstr(line, AS_DOCUMENTED);
    fclose(f);
    assert_non_null(at);
    line[strcspn(line, "\r\n")] = '\0';
    snprintf(out, n, PSQL " -h %s -U radpost -d %s %s", host, database, at + strlen(AS_DOCUMENTED));
}

static const struct order *
known(const char *placer)
{
    static struct order o;
    struct err err;

    if (order_find_placer(book, "command", placer, &o, &err) < 0)
        fail_msg("order %s: %s", placer, err.text);
    return &o;
}

static void
the_documented_command_brings_every_character(void **state)
{
    char host[256], command[1024];
    const struct order *o;
    unsigned taken = 0;
    struct err err;

    (void)state;
    if (cluster == NULL || access(PSQL, X_OK) < 0)
        skip();
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    make_view("his", host);
    documented_command(host, "his", command, sizeof command);

    if (orders_from_command(book, command, 60000, &taken, &err) < 0)
        fail_msg("%s", err.text);

    assert_int_equal(taken, 3);
    o = known("1");
    assert_string_equal(o->name, "王小东");
    assert_string_equal(o->sex, "M");
    assert_int_equal(o->weight_g, 61500);
    assert_int_equal(o->scheduled_at_us, INT64_C(1795305600) * 1000000);
    assert_non_null(strstr(o->description, "胸部"));
    assert_non_null(strstr(o->description, "平扫"));
    assert_string_equal(o->complaint, "咳嗽\n发热");
    o = known("2");
    assert_string_equal(o->name, "O'Neil \"Pat\"");
    assert_string_equal(o->description, "a \\ b \"c\" {d}");
    assert_string_equal(o->complaint, "单雄信|甲,乙;\"丙\"");
    assert_non_null(strstr(o->history, "line"));
    assert_non_null(strstr(known("3")->name, "欧阳"));
    assert_string_equal(known("3")->modality, "US");
}

/* A timestamptz with its fraction and zone, a boolean, a date: by row_to_json, and as a table. */
static void
types_of_a_view_are_read_however_psql_prints_them(void **state)
{
    static const char columns[] =
        "'王小东' AS name, timestamptz '2026-11-23 02:09:57.372996+00' AS "
        "scheduled, true AS urgent, date '1949-12-31' AS birth";
    char host[256], command[1024];
    unsigned taken = 0;
    struct err err;

    (void)state;
    if (cluster == NULL || access(PSQL, X_OK) < 0)
        skip();
    make_view("types", host);
    for (int is_table = 0; is_table < 2; is_table++) {
        snprintf(command, sizeof command,
                 is_table ? PSQL " -h %s -U radpost -d types -X -A -F \"\t\" -P footer=off -c "
                                 "\"SELECT 'type1' AS placer, %s\""
                          : PSQL " -h %s -U radpost -d types -X -A -t -c "
                                 "\"SELECT row_to_json(o) FROM (SELECT 'type0' AS placer, %s) o\"",
                 host, columns);
        if (orders_from_command(book, command, 60000, &taken, &err) < 0)
            fail_msg("%s", err.text);
    }
    assert_int_equal(taken, 2);
    for (int i = 0; i < 2; i++) {
        const struct order *o = known(i == 0 ? "type0" : "type1");

        assert_int_equal(o->scheduled_at_us, INT64_C(1795399797) * 1000000);
        assert_true(o->is_urgent);
        assert_string_equal(o->birth, "19491231");
    }
}

static void
a_second_round_changes_nothing_and_a_gone_server_is_said(void **state)
{
    char host[256], command[1024];
    unsigned taken = 0;
    struct err err;

    (void)state;
    if (cluster == NULL || access(PSQL, X_OK) < 0)
        skip();
    make_view("again", host);
    documented_command(host, "again", command, sizeof command);
    for (int round = 0; round < 2; round++)
        if (orders_from_command(book, command, 60000, &taken, &err) < 0)
            fail_msg("%s", err.text);
    assert_string_equal(known("1")->name, "王小东");

    documented_command(host, "nosuch", command, sizeof command);
    assert_int_equal(orders_from_command(book, command, 60000, &taken, &err), -1);
    assert_non_null(strstr(err.text, "status 2"));
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(the_documented_command_brings_every_character),
        BOOK_TEST(types_of_a_view_are_read_however_psql_prints_them),
        BOOK_TEST(a_second_round_changes_nothing_and_a_gone_server_is_said),
    };
    int rc;

    cluster = pg_cluster_start();
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return rc;
}
