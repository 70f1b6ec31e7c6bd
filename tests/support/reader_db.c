/* reader_db.c - see reader_db.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/reader_db.h"

void
reader_db_start(struct reader_db *db)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options o = {
        .query_files = queries, .migrations = "reader/migrations/", .connections = 12};
    struct err err = {0};

    *db = (struct reader_db){.cluster = pg_cluster_start()};
    if (db->cluster == NULL)
        return;
    db->conninfo = pg_cluster_database(db->cluster, "reader");
    o.conninfo = db->conninfo;
    if (pg_open(&o, &db->pg, &err) < 0)
        fail_msg("%s", err.text);
}

void
reader_db_stop(struct reader_db *db)
{
    pg_close(&db->pg);
    free(db->conninfo);
    if (db->cluster != NULL)
        pg_cluster_remove(&db->cluster);
}

void
reader_db_account(struct reader_db *db, const char *login, const char *org, unsigned roles)
{
    struct people_new a = {.login = login,
                           .name = login,
                           .org = org,
                           .roles = roles,
                           .is_demo = true,
                           .password = READER_DB_PASSWORD};
    struct pg_conn *conn = NULL;
    struct err err = {0};
    int64_t id;

    if (pg_get(db->pg, &conn, &err) < 0 || people_put(conn, &a, &id, &err) < 0)
        fail_msg("%s", err.text);
    pg_put(&conn);
}
