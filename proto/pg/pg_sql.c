/* pg_sql.c - query files, migrations and array literals. */
#include "proto/pg/pg.h"
#include "proto/pg/pg_own.h"

#include "proto/base/buf.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char name_mark[] = "-- name: ", kept_mark[] = " (plan kept)";

/* The next "-- name: " at the start of a line, or the end. */
static const char *
next_mark(const char *at, const char *end)
{
    for (const char *p = at; p < end; p++) {
        if ((p == at || p[-1] == '\n') && (size_t)(end - p) >= sizeof name_mark - 1 &&
            memcmp(p, name_mark, sizeof name_mark - 1) == 0)
            return p;
    }
    return end;
}

static char *
copy_range(const char *from, const char *to)
{
    return mem_printf("%.*s", (int)(to - from), from);
}

/* name: behind its mark, to the end of the line. */
static struct pg_query
query_of(const char *name, const char *line_end, const char *end)
{
    size_t n = (size_t)(line_end - name), kept_n = sizeof kept_mark - 1;
    bool keeps_plan = n > kept_n && memcmp(line_end - kept_n, kept_mark, kept_n) == 0;

    return (struct pg_query){.name = copy_range(name, line_end - (keeps_plan ? kept_n : 0)),
                             .sql = copy_range(line_end + 1, end),
                             .keeps_plan = keeps_plan};
}

static void
read_file(const struct embedded *file, struct pg_query **queries, size_t *count)
{
    const char *end = (const char *)file->end;
    const char *at = next_mark((const char *)file->begin, end);

    while (at < end) {
        const char *name = at + sizeof name_mark - 1;
        const char *line_end = memchr(name, '\n', (size_t)(end - name));
        const char *next;

        CHECK(line_end != NULL);
        next = next_mark(line_end + 1, end);
        *queries = mem_grow(*queries, (*count + 1) * sizeof **queries);
        (*queries)[*count] = query_of(name, line_end, next);
        ++*count;
        at = next;
    }
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct pg_query *)a)->name, ((const struct pg_query *)b)->name);
}

static void
read_folder(const char *folder, struct pg_query **queries, size_t *count)
{
    for (const struct embedded *f = embedded_files; f->path != NULL; f++) {
        size_t n = strlen(f->path);

        if (strncmp(f->path, folder, strlen(folder)) == 0 &&
            strstr(f->path, "/migrations/") == NULL && n > 4 &&
            strcmp(f->path + n - 4, ".sql") == 0)
            read_file(f, queries, count);
    }
}

int
pg_queries_read(const char *const *files, struct pg_query **out, size_t *out_count, struct err *err)
{
    struct pg_query *queries = NULL;
    size_t count = 0;

    for (size_t i = 0; files != NULL && files[i] != NULL; i++) {
        const struct embedded *file = embed_find(files[i]);

        if (files[i][0] != '\0' && files[i][strlen(files[i]) - 1] == '/') {
            read_folder(files[i], &queries, &count);
            continue;
        }
        if (file == NULL) {
            pg_queries_free(queries, count);
            return err_set(err, ERR_FATAL, "%s is not part of this program", files[i]);
        }
        read_file(file, &queries, &count);
    }
    if (count > 0)
        qsort(queries, count, sizeof *queries, by_name);
    *out = queries;
    *out_count = count;
    return 0;
}

const struct pg_query *
pg_query_find(const struct pg_query *queries, size_t count, const char *name)
{
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, queries[middle].name);

        if (order == 0)
            return &queries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    check_failed(name, __FILE__, __LINE__);
}

void
pg_queries_free(struct pg_query *queries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(queries[i].name);
        free(queries[i].sql);
    }
    free(queries);
}

/* The door's own queries (migrate.sql), by name. */
struct migrating {
    PGconn *db;
    struct pg_query *queries;
    size_t count;
};

static const char *
sql_of(const struct migrating *m, const char *name)
{
    return pg_query_find(m->queries, m->count, name)->sql;
}

/* One of them with the migration's name as its argument. */
static int
run_named(const struct migrating *m, const char *query, const char *name, int *out_rows,
          struct err *err)
{
    const char *values[1] = {name};
    PGresult *result = PQexecParams(m->db, sql_of(m, query), 1, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    int rc = 0;

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        rc = pg_fail(m->db, result, query, err);
    else
        *out_rows = PQntuples(result);
    PQclear(result);
    return rc;
}

static int
apply(const struct migrating *m, const struct embedded *file, const char *name, struct err *err)
{
    PGconn *db = m->db;
    char *sql = copy_range((const char *)file->begin, (const char *)file->end);
    PGresult *result = NULL;
    int rc = -1, rows;

    if (pg_simple(db, "BEGIN", "begin", err) < 0)
        goto out;
    result = PQexec(db, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        pg_fail(db, result, name, err);
        if (PQstatus(db) == CONNECTION_OK)
            err_set(err, err->kind == ERR_RETRY ? ERR_RETRY : ERR_FATAL, "migration %s: %s", name,
                    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        goto out;
    }
    if (run_named(m, "migration_record", name, &rows, err) < 0 ||
        pg_simple(db, "COMMIT", "commit", err) < 0)
        goto out;
    rc = 0;
out:
    PQclear(result);
    free(sql);
    return rc;
}

static int
by_path(const void *a, const void *b)
{
    const struct embedded *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

enum { MIGRATIONS_MOST = 256 };

/* In their order. */
static size_t
list_files(const char *prefix, const struct embedded **files)
{
    size_t count = 0;

    for (const struct embedded *f = embedded_files; f->path != NULL; f++)
        if (strncmp(f->path, prefix, strlen(prefix)) == 0) {
            CHECK(count < MIGRATIONS_MOST);
            files[count++] = f;
        }
    qsort(files, count, sizeof files[0], by_path);
    return count;
}

static int
apply_missing(const struct migrating *m, const char *prefix, struct err *err)
{
    const struct embedded *files[MIGRATIONS_MOST];
    size_t count = list_files(prefix, files), prefix_n = strlen(prefix);

    for (size_t i = 0; i < count; i++) {
        const char *name = files[i]->path + prefix_n;
        int rows;

        if (run_named(m, "migration_find", name, &rows, err) < 0 ||
            (rows == 0 && apply(m, files[i], name, err) < 0))
            return -1;
    }
    return 0;
}

/* Migrations only go forward: what a later program made of the tables an older one does not know,
 * and would answer and write wrongly. */
static int
refuse_newer(const struct migrating *m, const char *prefix, struct err *err)
{
    const struct embedded *files[MIGRATIONS_MOST];
    size_t count = list_files(prefix, files);
    const char *last = count > 0 ? files[count - 1]->path + strlen(prefix) : "";
    int rows;

    if (run_named(m, "migrations_after", last, &rows, err) < 0)
        return -1;
    return rows == 0 ? 0
                     : err_set(err, ERR_FATAL,
                               "the database is of a newer version than this program (which ends "
                               "at %s): a newer radpost upgraded it. Install that one, or restore "
                               "the backup from before the upgrade; nothing was changed",
                               last);
}

int
pg_migrate(PGconn *db, const char *prefix, struct err *err)
{
    static const char *const own[] = {"proto/pg/migrate.sql", NULL};
    struct migrating m = {.db = db};
    int rc = -1;

    if (pg_queries_read(own, &m.queries, &m.count, err) < 0)
        return -1;
    /* Whoever migrates at this moment is waited for however long it takes, and a walk through a
     * full archive is not cut off. A table that somebody holds is waited for as by any statement.
     */
    if (pg_simple(db, "SET statement_timeout = 0; SET lock_timeout = 0", "settings", err) == 0 &&
        pg_simple(db, sql_of(&m, "migrations_begin"), "begin migrations", err) == 0 &&
        pg_simple(db, "SET lock_timeout = '60s'", "settings", err) == 0 &&
        refuse_newer(&m, prefix, err) == 0 && apply_missing(&m, prefix, err) == 0 &&
        pg_simple(db, sql_of(&m, "statistics_make"), "statistics", err) == 0 &&
        pg_simple(db, sql_of(&m, "migrations_end"), "end migrations", err) == 0)
        rc = 0;
    pg_queries_free(m.queries, m.count);
    return rc;
}

/* Does the database have this program's migrations, and no later ones? */
static int
compare(const struct migrating *m, const char *prefix, struct err *err)
{
    const struct embedded *files[MIGRATIONS_MOST];
    size_t count = list_files(prefix, files), prefix_n = strlen(prefix);

    for (size_t i = 0; i < count; i++) {
        const char *name = files[i]->path + prefix_n;
        int rows;

        if (run_named(m, "migration_find", name, &rows, err) < 0)
            return -1;
        if (rows == 0)
            return err_set(err, ERR_FATAL,
                           "the database is of an older version than this program (it lacks %s): "
                           "the service of this version migrates it when it starts",
                           name);
    }
    return refuse_newer(m, prefix, err);
}

int
pg_migrate_empty(PGconn *db, const char *prefix, struct err *err)
{
    static const char *const own[] = {"proto/pg/migrate.sql", NULL};
    struct migrating m = {.db = db};
    int rc = -1, rows;

    if (pg_queries_read(own, &m.queries, &m.count, err) < 0)
        return -1;
    if (run_named(&m, "migrations_table", "", &rows, err) == 0 &&
        (rows == 0 || run_named(&m, "migrations_after", "", &rows, err) == 0))
        rc = rows == 0 ? pg_migrate(db, prefix, err) : compare(&m, prefix, err);
    pg_queries_free(m.queries, m.count);
    return rc;
}

char *
pg_array_text(const char *const *texts, size_t count)
{
    struct buf b;
    uint8_t *taken;
    size_t n;

    buf_init(&b, SIZE_MAX / 2);
    buf_add_text(&b, "{");
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&b, i == 0 ? "\"" : ",\"");
        for (const char *p = texts[i]; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                buf_add_u8(&b, '\\');
            buf_add_u8(&b, (uint8_t)*p);
        }
        buf_add_text(&b, "\"");
    }
    buf_add_text(&b, "}");
    buf_add_u8(&b, 0);
    taken = buf_take(&b, &n);
    return (char *)taken;
}

char *
pg_array_bytes(const uint8_t *bytes, size_t each, size_t count)
{
    struct buf b;
    uint8_t *taken;
    size_t n;
    char hex[2 * 64 + 1];

    CHECK(each <= 64);
    buf_init(&b, SIZE_MAX / 2);
    buf_add_text(&b, "{");
    for (size_t i = 0; i < count; i++) {
        hex_encode(bytes + i * each, each, hex);
        buf_add_text(&b, i == 0 ? "\"\\\\x" : ",\"\\\\x");
        buf_add_text(&b, hex);
        buf_add_text(&b, "\"");
    }
    buf_add_text(&b, "}");
    buf_add_u8(&b, 0);
    taken = buf_take(&b, &n);
    return (char *)taken;
}
