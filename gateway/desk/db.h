/* db.h - the desk's SQLite file: the one door to that library.
 * SQL lives in embedded files: schema_N.sql brings the file from version N-1 to N (user_version),
 * every other .sql of this folder holds named queries ("-- name: x" before each; a part of the desk
 * has its own file), all prepared at the start. The file is in WAL mode with synchronous=FULL: a
 * commit that returned is on the disk. A version of later than ours is refused; a file that SQLite
 * cannot read is set aside in corrupt/ and begun anew, with an error in the log: the desk's state
 * is never worth the road of the images. Threads: any; db_begin() waits for its turn, and only who
 * has it may run queries, until db_end().
 */
#ifndef RADPOST_DESK_DB_H
#define RADPOST_DESK_DB_H

#include "proto/base/err.h"

struct db;
struct db_rows;

/* dir/NAME; dir exists. was_corrupt: one that could not be read was set aside; NULL: it is refused
 * (somebody else may have it open).
 * errors  ERR_REJECT of a later version; ERR_FULL, ERR_RETRY; ERR_FATAL SQL that does not fit */
int db_open(const char *dir, const char *name, struct db **out_db, bool *out_was_corrupt,
            struct err *err) MUST_CHECK;
void db_close(struct db **db);

/* Begin a transaction (blocks others). */
int db_begin(struct db *db, struct err *err) MUST_CHECK;
/* rc 0: commit; else roll back. Returns rc, or -1 if the commit failed. Always ends the turn. */
int db_end(struct db *db, int rc, struct err *err) MUST_CHECK;

struct db_arg {
    const char *text; /* NULL: the number */
    int64_t number;
};
#define DB_TEXT(t) ((struct db_arg){.text = (t)})
#define DB_INT(v) ((struct db_arg){.number = (int64_t)(v)})
#define DB_ARGS(...)                                                                               \
    ((const struct db_arg[]){__VA_ARGS__}),                                                        \
        (sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg))
#define DB_NO_ARGS NULL, 0

/* Run a named query. out_rows may be NULL; the caller's (db_rows_free).
 * errors  ERR_CONFLICT a constraint, ERR_FULL, ERR_RETRY the disk, ERR_FATAL else */
int db_run(struct db *db, const char *name, const struct db_arg *args, size_t count,
           struct db_rows **out_rows, struct err *err) MUST_CHECK;
/* The same in a turn of its own. */
int db_ask(struct db *db, const char *name, const struct db_arg *args, size_t count,
           struct db_rows **out_rows, struct err *err) MUST_CHECK;
void db_rows_free(struct db_rows **rows);
size_t db_rows_count(const struct db_rows *rows);
/* NULL reads as "" and 0. */
const char *db_text(const struct db_rows *rows, size_t row, int column);
int64_t db_int(const struct db_rows *rows, size_t row, int column);
/* Rows the last INSERT, UPDATE or DELETE touched; within the turn. */
int64_t db_touched(const struct db *db);

#endif
