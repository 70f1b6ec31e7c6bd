/* room.c - can the server write? One whose disk is full answers every question as ever. */
#include "proto/pg/pg.h"
#include "proto/pg/pg_own.h"

#include "proto/base/text.h"

static int
read_own(struct pg_query **queries, size_t *count, struct err *err)
{
    static const char *const own[] = {"proto/pg/room.sql", NULL};

    return pg_queries_read(own, queries, count, err);
}

int
pg_room_try(PGconn *db, struct err *err)
{
    struct pg_query *queries = NULL;
    struct err lost;
    size_t count;
    int rc;

    if (read_own(&queries, &count, err) < 0)
        return -1;
    rc = pg_simple(db, pg_query_find(queries, count, "room_try")->sql, "a write to try", err);
    if (rc < 0 && PQtransactionStatus(db) != PQTRANS_IDLE &&
        pg_simple(db, "ROLLBACK", "rollback", &lost) < 0)
        err_context(err, "%s", lost.text);
    pg_queries_free(queries, count);
    return rc;
}

/* NULL: not told. */
char *
pg_room_data_directory(PGconn *db)
{
    struct pg_query *queries = NULL;
    PGresult *result = NULL;
    struct err unknown;
    char *path = NULL;
    size_t count;

    if (read_own(&queries, &count, &unknown) < 0)
        return NULL;
    result = PQexec(db, pg_query_find(queries, count, "room_data_directory")->sql);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        path = mem_text(PQgetvalue(result, 0, 0));
    PQclear(result);
    pg_queries_free(queries, count);
    return path;
}
