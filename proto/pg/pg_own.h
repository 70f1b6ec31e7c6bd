/* pg_own.h - what the files of proto/pg share. */
#ifndef RADPOST_PG_PG_OWN_H
#define RADPOST_PG_PG_OWN_H

#include "proto/base/err.h"

#include <libpq-fe.h>

struct pg_sole;

struct pg_rows {
    PGresult *result;
};

struct pg_query {
    char *name;
    char *sql;
    bool keeps_plan; /* "-- name: x (plan kept)" */
};

/* Fill err from SQLSTATE and constraint name; never from values. Returns -1. */
int pg_fail(PGconn *db, const PGresult *result, const char *what, struct err *err);
/* Why it could not connect: ERR_RETRY, no secret in it. */
void pg_fail_connect(const char *conninfo, const PGconn *db, struct err *err);
/* Notices may quote values: nobody sees them. */
void pg_hush(PGconn *db);
/* Of a connection that waits for nothing: is it still there? */
bool pg_is_alive(PGconn *db);
/* -1 only when another one has it now; what was lost to nobody is taken again.
 * is_there  the server was reached just now: it is not waited for */
int pg_sole_check(struct pg_sole *sole, bool is_there, struct err *err) MUST_CHECK;
/* Outside of a transaction: is a small write taken, and committed? It leaves nothing.
 * errors  ERR_FULL; as pg_run() */
int pg_room_try(PGconn *db, struct err *err) MUST_CHECK;
/* Fresh; NULL: another machine's, or not this user's to know. */
char *pg_room_data_directory(PGconn *db);
/* Constant SQL, several statements allowed, no result wanted. */
int pg_simple(PGconn *db, const char *sql, const char *what, struct err *err) MUST_CHECK;

/* Cut query files at their "-- name: " lines; in the order of their names. */
int pg_queries_read(const char *const *files, struct pg_query **out, size_t *out_count,
                    struct err *err) MUST_CHECK;
/* It must be there. */
const struct pg_query *pg_query_find(const struct pg_query *queries, size_t count,
                                     const char *name);
void pg_queries_free(struct pg_query *queries, size_t count);
/* db is for this alone and closed after it: it has no statement_timeout any more. */
int pg_migrate(PGconn *db, const char *prefix, struct err *err) MUST_CHECK;
/* As a guest: struct pg_options. */
int pg_migrate_empty(PGconn *db, const char *prefix, struct err *err) MUST_CHECK;

#endif
