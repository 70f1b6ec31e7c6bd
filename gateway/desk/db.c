/* db.c - the desk's SQLite file. */
#include "gateway/desk/db.h"

#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"

#include <sqlite3.h>

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "gateway/desk/"
#define SCHEMA FOLDER "schema_"
enum { VERSION = 28, BUSY_MS = 5000, QUERIES_MAX = 512, NAME_BYTES = 64 };

static const char name_mark[] = "-- name: ";

struct query {
    char name[NAME_BYTES];
    sqlite3_stmt *statement;
};

struct db {
    pthread_mutex_t turn;
    sqlite3 *file;
    struct query queries[QUERIES_MAX];
    size_t count;
    bool is_begun;
};

struct value {
    char *text; /* NULL: SQL NULL */
    int64_t number;
};

struct db_rows {
    size_t count;
    int columns;
    struct value *values;
};

/* SQLite's words for a code are constant; its message may hold values and is not used. */
static int
fail(int code, const char *what, struct err *err)
{
    enum err_kind kind = ERR_FATAL;

    switch (code & 0xFF) {
    case SQLITE_FULL:
        kind = ERR_FULL;
        break;
    case SQLITE_CONSTRAINT:
        kind = ERR_CONFLICT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        kind = ERR_RETRY;
        break;
    default:
        break;
    }
    return err_set(err, kind, "the desk's file: %s: %s", what, sqlite3_errstr(code));
}

static int
simple(sqlite3 *file, const char *sql, const char *what, struct err *err)
{
    int code = sqlite3_exec(file, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(code, what, err);
}

/* ---- opening ---- */

static struct query *
find_query(struct db *db, const char *name)
{
    for (size_t i = 0; i < db->count; i++)
        if (strcmp(db->queries[i].name, name) == 0)
            return &db->queries[i];
    return NULL;
}

static int
version_of(sqlite3 *file, int *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(file, "PRAGMA user_version", -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : fail(code, "version", err);
}

/* Damage that a start should find, not the first registration. */
static int
check_whole(sqlite3 *file, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(file, "PRAGMA quick_check(1)", -1, &statement, NULL);
    const char *word = NULL;

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        word = (const char *)sqlite3_column_text(statement, 0);
    if (code == SQLITE_ROW && (word == NULL || strcmp(word, "ok") != 0))
        code = SQLITE_CORRUPT;
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : fail(code, "check", err);
}

static int
migrate(sqlite3 *file, struct err *err)
{
    int version = 0;

    if (version_of(file, &version, err) < 0)
        return -1;
    if (version > VERSION)
        return err_set(err, ERR_REJECT,
                       "the desk's file is of version %d, this program knows %d: a newer radpost "
                       "upgraded it, start that one",
                       version, VERSION);
    for (int next = version + 1; next <= VERSION; next++) {
        char path[64], *sql;
        const struct embedded *schema;
        int rc;

        snprintf(path, sizeof path, SCHEMA "%d.sql", next);
        schema = embed_find(path);
        CHECK(schema != NULL);
        sql = mem_printf("BEGIN;%.*s;PRAGMA user_version=%d;COMMIT",
                         (int)(schema->end - schema->begin), (const char *)schema->begin, next);
        rc = simple(file, sql, path, err);
        free(sql);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static const char *
next_mark(const char *at, const char *end)
{
    for (const char *p = at; p < end; p++)
        if ((size_t)(end - p) >= sizeof name_mark - 1 &&
            memcmp(p, name_mark, sizeof name_mark - 1) == 0)
            return p;
    return end;
}

static int
prepare_one(struct db *db, const char *name, size_t name_n, const char *sql, const char *end,
            struct err *err)
{
    struct query *q = &db->queries[db->count];
    int code;

    CHECK(db->count < QUERIES_MAX && name_n < NAME_BYTES);
    memcpy(q->name, name, name_n);
    q->name[name_n] = '\0';
    CHECK(find_query(db, q->name) == NULL); /* no name comes twice */
    code = sqlite3_prepare_v2(db->file, sql, (int)(end - sql), &q->statement, NULL);
    if (code != SQLITE_OK || q->statement == NULL)
        return err_set(err, ERR_FATAL, "query %s: %s", q->name, sqlite3_errmsg(db->file));
    db->count++;
    return 0;
}

static int
prepare_file(struct db *db, const struct embedded *file, struct err *err)
{
    const char *at, *end = (const char *)file->end;

    for (at = next_mark((const char *)file->begin, end); at < end;) {
        const char *name = at + sizeof name_mark - 1;
        const char *sql = memchr(name, '\n', (size_t)(end - name));

        CHECK(sql != NULL);
        at = next_mark(sql, end);
        if (prepare_one(db, name, (size_t)(sql - name), sql, at, err) < 0)
            return -1;
    }
    return 0;
}

/* Every .sql of this folder but the schemas: a part brings its own. */
static int
prepare_all(struct db *db, struct err *err)
{
    for (const struct embedded *e = embedded_files; e->path != NULL; e++)
        if (strncmp(e->path, FOLDER, strlen(FOLDER)) == 0 &&
            strncmp(e->path, SCHEMA, strlen(SCHEMA)) != 0 && strstr(e->path, ".sql") != NULL &&
            prepare_file(db, e, err) < 0)
            return -1;
    return 0;
}

static int
open_file(struct db *db, const char *path, struct err *err)
{
    int code = sqlite3_open_v2(
        path, &db->file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK)
        return fail(code, "open", err);
    sqlite3_busy_timeout(db->file, BUSY_MS);
    if (simple(db->file,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
               "PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF",
               "settings", err) < 0 ||
        check_whole(db->file, err) < 0 || migrate(db->file, err) < 0)
        return -1;
    return prepare_all(db, err);
}

static void
close_file(struct db *db)
{
    for (size_t i = 0; i < db->count; i++)
        sqlite3_finalize(db->queries[i].statement);
    db->count = 0;
    sqlite3_close(db->file);
    db->file = NULL;
}

/* The file and what belongs to it, to corrupt/. */
static int
put_aside(const char *dir, const char *name, struct err *err)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char from[PATH_MAX], to[PATH_MAX];

    snprintf(to, sizeof to, "%s/corrupt", dir);
    if (durable_mkdir(to, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(from, sizeof from, "%s/%s%s", dir, name, tails[i]);
        snprintf(to, sizeof to, "%s/corrupt/%" PRId64 "-%s%s", dir, clock_wall_us(), name,
                 tails[i]);
        if (access(from, F_OK) == 0 && rename(from, to) < 0)
            return err_sys(err, ERR_RETRY, "set %s aside", name);
    }
    return durable_sync_folder(dir, err);
}

static bool
is_damaged(const struct db *db)
{
    int code = db->file != NULL ? sqlite3_errcode(db->file) & 0xFF : SQLITE_OK;

    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

int
db_open(const char *dir, const char *name, struct db **out_db, bool *out_was_corrupt,
        struct err *err)
{
    struct db *db = mem_new(sizeof *db);
    char path[PATH_MAX];
    int rc;

    if (out_was_corrupt != NULL)
        *out_was_corrupt = false;
    pthread_mutex_init(&db->turn, NULL);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    rc = open_file(db, path, err);
    if (rc < 0 && out_was_corrupt != NULL &&
        (is_damaged(db) || strstr(err->text, sqlite3_errstr(SQLITE_CORRUPT)) != NULL)) {
        close_file(db);
        *out_was_corrupt = true;
        rc = put_aside(dir, name, err);
        if (rc == 0)
            rc = open_file(db, path, err);
    }
    if (rc < 0) {
        db_close(&db);
        return -1;
    }
    *out_db = db;
    return 0;
}

void
db_close(struct db **db)
{
    struct db *old = TAKE(*db);

    if (old == NULL)
        return;
    close_file(old);
    pthread_mutex_destroy(&old->turn);
    free(old);
}

/* ---- transactions ---- */

int
db_begin(struct db *db, struct err *err)
{
    pthread_mutex_lock(&db->turn);
    if (simple(db->file, "BEGIN IMMEDIATE", "begin", err) < 0) {
        pthread_mutex_unlock(&db->turn);
        return -1;
    }
    db->is_begun = true;
    return 0;
}

int
db_end(struct db *db, int rc, struct err *err)
{
    struct err ignored;

    CHECK(db->is_begun);
    if (rc == 0)
        rc = simple(db->file, "COMMIT", "commit", err);
    if (rc < 0 && !sqlite3_get_autocommit(db->file) &&
        simple(db->file, "ROLLBACK", "roll back", &ignored) < 0)
        CHECK(sqlite3_get_autocommit(db->file)); /* SQLite rolls back by itself on these */
    db->is_begun = false;
    pthread_mutex_unlock(&db->turn);
    return rc;
}

/* ---- queries ---- */

static void
take_row(sqlite3_stmt *statement, struct db_rows *rows)
{
    size_t at = rows->count * (size_t)rows->columns;

    rows->count++;
    rows->values =
        mem_grow(rows->values, rows->count * (size_t)rows->columns * sizeof *rows->values);
    for (int c = 0; c < rows->columns; c++) {
        struct value *v = &rows->values[at + (size_t)c];

        v->text = mem_text((const char *)sqlite3_column_text(statement, c));
        v->number = sqlite3_column_int64(statement, c);
    }
}

int
db_run(struct db *db, const char *name, const struct db_arg *args, size_t count,
       struct db_rows **out_rows, struct err *err)
{
    struct query *q = find_query(db, name);
    struct db_rows *rows = mem_new(sizeof *rows);
    int code = SQLITE_OK, rc = 0;

    CHECK(q != NULL && db->is_begun);
    CHECK((size_t)sqlite3_bind_parameter_count(q->statement) == count);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = args[i].text != NULL
                   ? sqlite3_bind_text(q->statement, (int)i + 1, args[i].text, -1, SQLITE_STATIC)
                   : sqlite3_bind_int64(q->statement, (int)i + 1, args[i].number);
    rows->columns = sqlite3_column_count(q->statement);
    if (code == SQLITE_OK)
        while ((code = sqlite3_step(q->statement)) == SQLITE_ROW)
            take_row(q->statement, rows);
    if (code != SQLITE_DONE)
        rc = fail(code, name, err);
    sqlite3_reset(q->statement);
    sqlite3_clear_bindings(q->statement);
    if (rc == 0 && out_rows != NULL)
        *out_rows = TAKE(rows);
    db_rows_free(&rows);
    return rc;
}

int
db_ask(struct db *db, const char *name, const struct db_arg *args, size_t count,
       struct db_rows **out_rows, struct err *err)
{
    int rc = db_begin(db, err);

    return rc < 0 ? -1 : db_end(db, db_run(db, name, args, count, out_rows, err), err);
}

void
db_rows_free(struct db_rows **rows)
{
    struct db_rows *old = TAKE(*rows);

    if (old == NULL)
        return;
    for (size_t i = 0; i < old->count * (size_t)old->columns; i++)
        free(old->values[i].text);
    free(old->values);
    free(old);
}

size_t
db_rows_count(const struct db_rows *rows)
{
    return rows->count;
}

static const struct value *
value_at(const struct db_rows *rows, size_t row, int column)
{
    CHECK(row < rows->count && column >= 0 && column < rows->columns);
    return &rows->values[row * (size_t)rows->columns + (size_t)column];
}

const char *
db_text(const struct db_rows *rows, size_t row, int column)
{
    const struct value *v = value_at(rows, row, column);

    return v->text != NULL ? v->text : "";
}

int64_t
db_int(const struct db_rows *rows, size_t row, int column)
{
    return value_at(rows, row, column)->number;
}

int64_t
db_touched(const struct db *db)
{
    return sqlite3_changes64(db->file);
}
