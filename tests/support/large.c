/* large.c - databases of years, and what work in them reads. */
#include "tests/support/large.h"

#include "proto/base/base.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SQL_MOST = 1 << 20 };

static PGresult *
run(PGconn *db, const char *sql)
{
    PGresult *result = PQexec(db, sql);
    ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%.200s: %s", sql, PQerrorMessage(db));
    return result;
}

static PGconn *
connect_to(const char *conninfo)
{
    PGconn *db = PQconnectdb(conninfo);

    if (PQstatus(db) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(db));
    return db;
}

void
large_fill(const char *conninfo, const char *sql_file, const char *setting, uint64_t n)
{
    PGconn *db = connect_to(conninfo);
    char *sql = mem_new(SQL_MOST), *set;
    FILE *f = fopen(sql_file, "re");
    size_t got;

    assert_non_null(f);
    got = fread(sql, 1, SQL_MOST - 1, f);
    assert_true(got > 0 && got < SQL_MOST - 1);
    fclose(f);
    set = mem_printf("SET %s = %llu", setting, (unsigned long long)n);
    PQclear(run(db, set));
    PQclear(run(db, sql));
    free(set);
    free(sql);
    PQfinish(db);
}

/* A process that ends tells what it counted. */
static void
end_others(PGconn *db)
{
    PQclear(run(db, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND backend_type = 'client backend'"));
}

void
large_begin(const char *conninfo)
{
    PGconn *db = connect_to(conninfo);

    end_others(db);
    PQclear(run(db, "SELECT pg_stat_reset()"));
    PQfinish(db);
}

void
large_assert_read(const char *conninfo, const char *work, uint64_t most)
{
    PGconn *db = connect_to(conninfo);
    char table[64], rows[24], one_by_one[24];
    PGresult *result;

    end_others(db);
    result = run(db, "SELECT t.relname, t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM "
                     "pg_stat_user_indexes i WHERE i.relid = t.relid), 0) AS n, t.seq_tup_read "
                     "FROM pg_stat_user_tables t ORDER BY n DESC LIMIT 1");
    snprintf(table, sizeof table, "%s", PQgetvalue(result, 0, 0));
    snprintf(rows, sizeof rows, "%s", PQgetvalue(result, 0, 1));
    snprintf(one_by_one, sizeof one_by_one, "%s", PQgetvalue(result, 0, 2));
    PQclear(result);
    PQfinish(db);
    if (strtoull(rows, NULL, 10) > most)
        fail_msg("%s: read %s rows of %s, %s of them one by one; at most %llu", work, rows, table,
                 one_by_one, (unsigned long long)most);
}
