/* pg.h - PostgreSQL behind one door: a pool of connections, named prepared queries, migrations.
 *
 * SQL lives in .sql files embedded in the program. A query file holds queries, each after a line
 *     -- name: study_find
 * and every connection prepares all of them at once, so that a mismatch with the schema stops the
 * start, not a request. Each call is planned for its values, as one clinic has ten studies and
 * another a million; a query that finds one row by its key, whatever the values, says
 *     -- name: instance_by_sop (plan kept)
 * and is planned once a connection. Migrations are PREFIX + "NNNN_what.sql", run once each in
 * order, each in a transaction of its own; they only go forward.
 *
 * A server that takes no writes for its disk is full is said in the log, once, and when that is
 * over. When the server is away pg_get() says ERR_RETRY at once while it backs off (at most 2 s),
 * and works again when the server is back; nothing else is needed. One that takes connections and
 * says nothing is given up after 10 s, or what connect_timeout= says. A transaction whose commit
 * was cut off may or may not have happened (ERR_RETRY): callers make their work idempotent. A
 * database whose tables are filled and were never looked at (it was restored, or PostgreSQL was
 * upgraded) is analyzed by pg_open(): without that, plans are guesses. Errors carry SQLSTATE and
 * constraint names, never values: no patient data reaches a log. Threads: a pool is for all
 * threads; a connection belongs to who got it, until pg_put(). */
#ifndef RADPOST_PG_PG_H
#define RADPOST_PG_PG_H

#include "proto/base/err.h"

struct pg;
struct pg_conn;
struct pg_rows;
struct pg_sole;

struct pg_options {
    const char *conninfo;
    /* Embedded paths, ended by NULL; "reader/" is every .sql below it that is no migration. */
    const char *const *query_files;
    const char *migrations; /* embedded path prefix; NULL = none */
    /* Of a service's database: an empty one is migrated, else its version is only compared, so that
     * nothing changes below a service that runs. */
    bool is_guest;
    int connections; /* at most; made when needed */
    /* Outlives the pool; NULL: anybody's. While somebody else has it pg_get() says so, ERR_RETRY.
     */
    struct pg_sole *sole;
};

/* The database is this service's alone, for as long as its process lives or until it is dropped:
 * another one that asks for it under this name is refused. Guests need not ask. A connection that
 * was lost is made again by the next pg_get() of a pool that has it (where that failed, two seconds
 * later, or as soon as the pool reached the server); only if another took the database meanwhile
 * does that fail, until it is free again. What the server still holds for the lost one is ended,
 * and keeps nobody from working.
 * service  a word for people: "radpost-storage"
 * errors   ERR_RETRY another has it (its machine and process are told), or the server is not there
 * threads  any */
int pg_sole_take(const char *conninfo, const char *service, struct pg_sole **out_sole,
                 struct err *err) MUST_CHECK;
void pg_sole_drop(struct pg_sole **sole);

/* Connect once, migrate, prepare.
 * blocks  for as long as a migration takes, or another program's: minutes in a full archive
 * errors  ERR_RETRY the server is not there (yet), or somebody holds a table that a migration
 * needs; ERR_FATAL SQL that does not fit; the database is of a newer version than this program, or
 * a guest's of an older one */
int pg_open(const struct pg_options *options, struct pg **out_pg, struct err *err) MUST_CHECK;
void pg_close(struct pg **pg);

/* Blocks while all connections are taken (at most 30 s, then ERR_RETRY). */
int pg_get(struct pg *pg, struct pg_conn **out_conn, struct err *err) MUST_CHECK;
/* Rolls back what was begun and not committed. NULL is fine. */
void pg_put(struct pg_conn **conn);

int pg_begin(struct pg_conn *conn, struct err *err) MUST_CHECK;
int pg_commit(struct pg_conn *conn, struct err *err) MUST_CHECK;
/* In a transaction: from here on; one mark at a time, a new one takes the place of the last. What
 * failed since costs no more than what was done since, once pg_back() was called. */
int pg_mark(struct pg_conn *conn, struct err *err) MUST_CHECK;
int pg_back(struct pg_conn *conn, struct err *err) MUST_CHECK;

/* Arguments of a query, in order $1, $2 ... Pointers must live until pg_run() returns. */
struct pg_arg {
    const char *text; /* NULL with bytes NULL = SQL NULL */
    const void *bytes;
    size_t n;
    char number[24];
};

#define PG_TEXT(t) ((struct pg_arg){.text = (t)})
#define PG_BYTES(p, size) ((struct pg_arg){.bytes = (p), .n = (size)})
#define PG_NULL ((struct pg_arg){.text = NULL})
struct pg_arg pg_arg_int(int64_t v);
#define PG_INT(v) pg_arg_int((int64_t)(v))
#define PG_BOOL(v) PG_TEXT((v) ? "t" : "f")

/* Run a prepared query.
 * out_rows  may be NULL; the caller's (pg_rows_free)
 * errors    ERR_RETRY connection, deadlock, shutdown; ERR_CONFLICT unique or foreign key;
 *           ERR_FULL; ERR_REJECT a value the type refuses; ERR_FATAL else */
int pg_run(struct pg_conn *conn, const char *name, const struct pg_arg *args, size_t count,
           struct pg_rows **out_rows, struct err *err) MUST_CHECK;
/* The same, in no transaction, on a connection of its own for as long as it runs. */
int pg_ask(struct pg *pg, const char *name, const struct pg_arg *args, size_t count,
           struct pg_rows **out_rows, struct err *err) MUST_CHECK;
/* PG_ARGS(PG_TEXT(code), PG_INT(3)) gives the two middle arguments. */
#define PG_ARGS(...)                                                                               \
    ((const struct pg_arg[]){__VA_ARGS__}),                                                        \
        (sizeof((const struct pg_arg[]){__VA_ARGS__}) / sizeof(struct pg_arg))
#define PG_NO_ARGS NULL, 0

/* For whoever looks after it: is a small write taken and committed? A server whose disk is full
 * answers every question as ever. It leaves nothing.
 * out_data_directory  the caller's; NULL where the server is on another machine, or does not tell
 *                     this user (GRANT pg_read_all_settings); set whether it can write or not
 * errors  ERR_FULL its disk is full; as pg_run() */
int pg_check_room(struct pg *pg, char **out_data_directory, struct err *err) MUST_CHECK;

/* A write of this pool's failed for the server's disk is full, and none was taken since. */
bool pg_is_full(struct pg *pg);

void pg_rows_free(struct pg_rows **rows);
size_t pg_rows_count(const struct pg_rows *rows);
bool pg_is_null(const struct pg_rows *rows, size_t row, int column);
/* Columns must be of the type asked for (bigint, integer, smallint; text; bytea; boolean): a
 * mismatch is a bug and stops the process. NULL reads as 0, "", no bytes, false. */
int64_t pg_int(const struct pg_rows *rows, size_t row, int column);
const char *pg_text(const struct pg_rows *rows, size_t row, int column);
const uint8_t *pg_bytes(const struct pg_rows *rows, size_t row, int column, size_t *out_n);
bool pg_truth(const struct pg_rows *rows, size_t row, int column);
/* Copy a bytea of exactly n bytes; zeros when it is NULL or of another length (false). */
bool pg_copy_bytes(const struct pg_rows *rows, size_t row, int column, void *out, size_t n);
/* Rows an INSERT, UPDATE or DELETE touched. */
int64_t pg_touched(const struct pg_rows *rows);

/* An SQL array literal for ANY($1): texts or hashes, appended to fresh text of the caller's. */
char *pg_array_text(const char *const *texts, size_t count);
char *pg_array_bytes(const uint8_t *bytes, size_t each, size_t count);

#endif
