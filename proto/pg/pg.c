/* pg.c - a pool of PostgreSQL connections with named prepared queries. */
#include "proto/pg/pg.h"

#include "proto/pg/pg_own.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/pg/pg_events.def"
#undef LOG_EVENT

enum { WAIT_FREE_MS = 30000, BACKOFF_FIRST_MS = 50, BACKOFF_LAST_MS = 2000, FULL_LOOK_MS = 10000 };

/* Of a server that answers; one that takes the connection and says nothing holds nobody longer. */
#define CONNECT_S "10"

static const struct log_ctx ctx = {.stage = "pg"};

/* plan_cache_mode of a connection; a rollback takes a change of it back. */
enum plans { PLANS_UNKNOWN, PLANS_ANEW, PLANS_KEPT };

struct pg_conn {
    struct pg *pg;
    PGconn *db; /* NULL: not connected */
    bool is_taken, in_transaction, is_marked;
    enum plans plans;
};

struct pg {
    struct gate gate;
    char *conninfo;
    struct pg_sole *sole; /* the caller's; may be NULL */
    struct pg_query *queries;
    size_t query_count;
    struct pg_conn *conns;
    int conn_count;
    int64_t next_try_ms, backoff_ms; /* after a failed connect */
    bool is_full;                    /* said in the log */
    int64_t look_at_ms;              /* whether it still is */
};

static void
drop_notice(void *user, const char *message)
{
    (void)user;
    (void)message; /* notices may quote values */
}

/* SQLSTATE classes, PostgreSQL manual appendix A. */
static enum err_kind
kind_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        enum err_kind kind;
    } rows[] = {
        {"08", ERR_RETRY},    {"57", ERR_RETRY},    {"40", ERR_RETRY},
        {"53100", ERR_FULL},  {"53", ERR_RETRY},    {"55", ERR_RETRY},
        {"58030", ERR_RETRY}, {"23", ERR_CONFLICT}, {"22", ERR_REJECT},
    };

    if (state == NULL)
        return ERR_RETRY; /* no answer at all: the connection broke */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) == 0)
            return rows[i].kind;
    return ERR_FATAL;
}

int
pg_fail(PGconn *db, const PGresult *result, const char *what, struct err *err)
{
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *constraint =
        result != NULL ? PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) : NULL;
    enum err_kind kind = kind_of_state(state);

    if (PQstatus(db) == CONNECTION_BAD)
        kind = ERR_RETRY;
    if (kind == ERR_FULL)
        return err_set(err, kind, "PostgreSQL cannot write, its disk is full: %s: %s", what, state);
    return err_set(err, kind, "PostgreSQL: %s: %s%s%s", what, state != NULL ? state : "no answer",
                   constraint != NULL ? " " : "", constraint != NULL ? constraint : "");
}

int
pg_simple(PGconn *db, const char *sql, const char *what, struct err *err)
{
    PGresult *result = PQexec(db, sql);
    ExecStatusType status = PQresultStatus(result);
    int rc = 0;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        rc = pg_fail(db, result, what, err);
    PQclear(result);
    return rc;
}

static int
prepare_all(struct pg *pg, PGconn *db, struct err *err)
{
    for (size_t i = 0; i < pg->query_count; i++) {
        PGresult *result = PQprepare(db, pg->queries[i].name, pg->queries[i].sql, 0, NULL);
        bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;

        if (!is_done && PQstatus(db) == CONNECTION_OK)
            /* Our own constant SQL: its message holds no values and tells what does not fit. */
            err_set(err, kind_of_state(PQresultErrorField(result, PG_DIAG_SQLSTATE)),
                    "query %s: %s", pg->queries[i].name,
                    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        else if (!is_done)
            pg_fail(db, result, "prepare", err);
        PQclear(result);
        if (!is_done)
            return -1;
    }
    return 0;
}

/* libpq's first line: where it looked and what it found, never a password; but of a string that
 * cannot be read it would quote a piece. */
void
pg_fail_connect(const char *conninfo, const PGconn *db, struct err *err)
{
    PQconninfoOption *parts = PQconninfoParse(conninfo, NULL);
    const char *why = parts != NULL ? PQerrorMessage(db) : "the connection string cannot be read";

    err_set(err, ERR_RETRY, "PostgreSQL: cannot connect: %.*s", (int)strcspn(why, "\n"), why);
    PQconninfoFree(parts);
}

void
pg_hush(PGconn *db)
{
    PQsetNoticeProcessor(db, drop_notice, NULL);
}

/* A fresh connection, settings made; queries not yet prepared. Queries here want few rows of large
 * tables: a table is not read whole for being thought nearer than its index, and no plan is worth
 * compiling (docs/decisions/centre.md, "A large catalog"). */
static int
connect_plain(struct pg *pg, PGconn **out_db, struct err *err)
{
    /* What the connection string says itself counts before ours. */
    const char *const words[] = {"connect_timeout", "dbname", NULL};
    const char *const values[] = {CONNECT_S, pg->conninfo, NULL};
    PGconn *db = PQconnectdbParams(words, values, 1);

    if (PQstatus(db) != CONNECTION_OK) {
        pg_fail_connect(pg->conninfo, db, err);
        PQfinish(db);
        return -1;
    }
    pg_hush(db);
    if (pg_simple(db,
                  "SET statement_timeout = '120s'; SET lock_timeout = '60s';"
                  "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC';"
                  "SET standard_conforming_strings = on;"
                  "SET random_page_cost = 1.1; SET jit = off",
                  "settings", err) < 0) {
        PQfinish(db);
        return -1;
    }
    *out_db = db;
    return 0;
}

static int
connect_ready(struct pg *pg, struct pg_conn *conn, struct err *err)
{
    PGconn *db = NULL;

    if (connect_plain(pg, &db, err) < 0)
        return -1;
    if (prepare_all(pg, db, err) < 0) {
        PQfinish(db);
        return -1;
    }
    conn->db = db;
    conn->plans = PLANS_UNKNOWN;
    return 0;
}

int
pg_open(const struct pg_options *options, struct pg **out_pg, struct err *err)
{
    struct pg *pg = mem_new(sizeof *pg);
    struct pg_conn *conn = NULL;
    PGconn *db = NULL;
    int rc = -1;

    gate_init(&pg->gate);
    pg->conninfo = mem_text(options->conninfo);
    pg->sole = options->sole;
    pg->conn_count = options->connections < 1 ? 1 : options->connections;
    pg->conns = mem_new((size_t)pg->conn_count * sizeof *pg->conns);
    for (int i = 0; i < pg->conn_count; i++)
        pg->conns[i].pg = pg;
    if (pg_queries_read(options->query_files, &pg->queries, &pg->query_count, err) < 0 ||
        connect_plain(pg, &db, err) < 0)
        goto out;
    if (options->migrations != NULL &&
        (options->is_guest ? pg_migrate_empty(db, options->migrations, err)
                           : pg_migrate(db, options->migrations, err)) < 0)
        goto out;
    if (pg_get(pg, &conn, err) < 0)
        goto out;
    *out_pg = TAKE(pg);
    rc = 0;
out:
    pg_put(&conn);
    PQfinish(db);
    if (rc < 0)
        err_context(err, "open the database");
    pg_close(&pg);
    return rc;
}

void
pg_close(struct pg **pg)
{
    struct pg *p = TAKE(*pg);

    if (p == NULL)
        return;
    for (int i = 0; i < p->conn_count; i++) {
        CHECK(!p->conns[i].is_taken);
        PQfinish(p->conns[i].db);
    }
    pg_queries_free(p->queries, p->query_count);
    free(p->conns);
    free(p->conninfo);
    gate_fini(&p->gate);
    free(p);
}

/* An idle connection has nothing to say: if its socket does, the server said goodbye. */
bool
pg_is_alive(PGconn *db)
{
    struct pollfd fd = {.fd = PQsocket(db), .events = POLLIN};

    if (PQstatus(db) != CONNECTION_OK || fd.fd < 0)
        return false;
    if (poll(&fd, 1, 0) > 0 && (PQconsumeInput(db) == 0 || PQstatus(db) != CONNECTION_OK))
        return false;
    return (fd.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

/* A free slot, connected ones first. Locked. */
static struct pg_conn *
find_free(struct pg *pg)
{
    struct pg_conn *found = NULL;

    for (int i = 0; i < pg->conn_count; i++)
        if (!pg->conns[i].is_taken && (found == NULL || found->db == NULL))
            found = &pg->conns[i];
    return found;
}

static int
take_slot(struct pg *pg, struct pg_conn **out_conn, struct err *err)
{
    int64_t until = clock_mono_ms() + WAIT_FREE_MS;
    struct pg_conn *conn;
    int rc = -1;

    gate_lock(&pg->gate);
    while ((conn = find_free(pg)) == NULL)
        if (!gate_wait_ms(&pg->gate, WAIT_FREE_MS) || clock_mono_ms() > until)
            break;
    if (conn == NULL)
        err_set(err, ERR_RETRY, "PostgreSQL: all connections are busy");
    else if (conn->db == NULL && clock_mono_ms() < pg->next_try_ms)
        err_set(err, ERR_RETRY, "PostgreSQL is away");
    else {
        conn->is_taken = true;
        *out_conn = conn;
        rc = 0;
    }
    gate_unlock(&pg->gate);
    return rc;
}

/* Remember how the last attempt to connect went. */
static void
note_connect(struct pg *pg, bool is_good)
{
    gate_lock(&pg->gate);
    if (is_good) {
        pg->backoff_ms = 0;
        pg->next_try_ms = 0;
    } else {
        pg->backoff_ms = pg->backoff_ms == 0 ? BACKOFF_FIRST_MS : pg->backoff_ms * 2;
        if (pg->backoff_ms > BACKOFF_LAST_MS)
            pg->backoff_ms = BACKOFF_LAST_MS;
        pg->next_try_ms = clock_mono_ms() + pg->backoff_ms;
    }
    gate_unlock(&pg->gate);
}

int
pg_get(struct pg *pg, struct pg_conn **out_conn, struct err *err)
{
    struct pg_conn *conn = NULL;
    bool is_new;

    if (take_slot(pg, &conn, err) < 0)
        return -1;
    if (conn->db != NULL && !pg_is_alive(conn->db)) {
        PQfinish(conn->db);
        conn->db = NULL;
    }
    is_new = conn->db == NULL;
    if (is_new) {
        int rc = connect_ready(pg, conn, err);

        note_connect(pg, rc == 0);
        if (rc < 0) {
            pg_put(&conn);
            return -1;
        }
    }
    if (pg->sole != NULL && pg_sole_check(pg->sole, is_new, err) < 0) {
        pg_put(&conn);
        return -1;
    }
    *out_conn = conn;
    return 0;
}

/* Of a write that failed. */
static int
note_full(struct pg *pg, const struct err *err)
{
    bool was_full;

    if (err->kind != ERR_FULL)
        return -1;
    gate_lock(&pg->gate);
    was_full = pg->is_full;
    pg->is_full = true;
    pg->look_at_ms = clock_mono_ms() + FULL_LOOK_MS;
    gate_unlock(&pg->gate);
    if (!was_full)
        LOG(&ctx, PG_FULL, F_ERR(err));
    return -1;
}

/* Now and then, by a connection that nobody has: small changes to what is there may still work. */
static void
look_for_room(struct pg *pg, PGconn *db)
{
    bool is_due;
    struct err full;

    gate_lock(&pg->gate);
    is_due = pg->is_full && clock_mono_ms() >= pg->look_at_ms;
    if (is_due)
        pg->look_at_ms = clock_mono_ms() + FULL_LOOK_MS;
    gate_unlock(&pg->gate);
    if (!is_due || pg_room_try(db, &full) < 0)
        return;
    gate_lock(&pg->gate);
    is_due = pg->is_full;
    pg->is_full = false;
    gate_unlock(&pg->gate);
    if (is_due)
        LOG(&ctx, PG_HAS_ROOM);
}

void
pg_put(struct pg_conn **conn)
{
    struct pg_conn *c = TAKE(*conn);
    struct err ignored;

    if (c == NULL)
        return;
    if (c->db != NULL && c->in_transaction && PQstatus(c->db) == CONNECTION_OK &&
        pg_simple(c->db, "ROLLBACK", "rollback", &ignored) < 0) {
        PQfinish(c->db); /* the server rolls back what it lost sight of */
        c->db = NULL;
    }
    if (c->db != NULL && PQtransactionStatus(c->db) == PQTRANS_IDLE)
        look_for_room(c->pg, c->db);
    if (c->db != NULL && PQstatus(c->db) != CONNECTION_OK) {
        PQfinish(c->db);
        c->db = NULL;
    }
    gate_lock(&c->pg->gate);
    if (c->in_transaction)
        c->plans = PLANS_UNKNOWN;
    c->in_transaction = false;
    c->is_taken = false;
    gate_wake(&c->pg->gate);
    gate_unlock(&c->pg->gate);
}

int
pg_begin(struct pg_conn *conn, struct err *err)
{
    CHECK(!conn->in_transaction);
    if (pg_simple(conn->db, "BEGIN", "begin", err) < 0)
        return -1;
    conn->in_transaction = true;
    conn->is_marked = false;
    return 0;
}

int
pg_commit(struct pg_conn *conn, struct err *err)
{
    PGresult *result;
    int rc = 0;

    CHECK(conn->in_transaction);
    result = PQexec(conn->db, "COMMIT");
    /* A transaction that failed before answers COMMIT with ROLLBACK. */
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        pg_fail(conn->db, result, "commit", err);
        rc = note_full(conn->pg, err);
    } else if (strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        rc = err_set(err, ERR_RETRY, "PostgreSQL: commit: rolled back");
    }
    PQclear(result);
    conn->in_transaction = false;
    if (rc < 0)
        conn->plans = PLANS_UNKNOWN;
    return rc;
}

int
pg_mark(struct pg_conn *conn, struct err *err)
{
    const char *sql = conn->is_marked ? "RELEASE SAVEPOINT mark; SAVEPOINT mark" : "SAVEPOINT mark";

    CHECK(conn->in_transaction);
    if (pg_simple(conn->db, sql, "mark", err) < 0)
        return -1;
    conn->is_marked = true;
    return 0;
}

int
pg_back(struct pg_conn *conn, struct err *err)
{
    CHECK(conn->in_transaction && conn->is_marked);
    conn->plans = PLANS_UNKNOWN;
    return pg_simple(conn->db, "ROLLBACK TO SAVEPOINT mark", "back to the mark", err);
}

struct pg_arg
pg_arg_int(int64_t v)
{
    struct pg_arg arg = {.text = NULL};

    snprintf(arg.number, sizeof arg.number, "%" PRId64, v);
    return arg;
}

/* Values decide the plan of a query, unless it says that they do not. */
static int
choose_plans(struct pg_conn *conn, const char *name, struct err *err)
{
    const struct pg_query *query = pg_query_find(conn->pg->queries, conn->pg->query_count, name);
    enum plans wanted = query->keeps_plan ? PLANS_KEPT : PLANS_ANEW;

    if (conn->plans == wanted)
        return 0;
    if (pg_simple(conn->db,
                  wanted == PLANS_KEPT ? "SET plan_cache_mode = force_generic_plan"
                                       : "SET plan_cache_mode = force_custom_plan",
                  "how to plan", err) < 0)
        return -1;
    conn->plans = wanted;
    return 0;
}

enum { ARGS_MAX = 64 };

int
pg_run(struct pg_conn *conn, const char *name, const struct pg_arg *args, size_t count,
       struct pg_rows **out_rows, struct err *err)
{
    const char *values[ARGS_MAX];
    int lengths[ARGS_MAX], formats[ARGS_MAX];
    PGresult *result;
    ExecStatusType status;

    CHECK(count <= ARGS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct pg_arg *a = &args[i];

        CHECK(a->n <= INT32_MAX);
        formats[i] = a->bytes != NULL;
        values[i] = a->bytes != NULL ? a->bytes : a->number[0] != '\0' ? a->number : a->text;
        lengths[i] = (int)a->n;
    }
    if (choose_plans(conn, name, err) < 0)
        return -1;
    result = PQexecPrepared(conn->db, name, (int)count, values, lengths, formats, 1);
    status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        pg_fail(conn->db, result, name, err);
        PQclear(result);
        return note_full(conn->pg, err);
    }
    if (out_rows == NULL) {
        PQclear(result);
    } else {
        *out_rows = mem_new(sizeof **out_rows);
        (*out_rows)->result = result;
    }
    return 0;
}

int
pg_ask(struct pg *pg, const char *name, const struct pg_arg *args, size_t count,
       struct pg_rows **out_rows, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(pg, &conn, err) == 0)
        rc = pg_run(conn, name, args, count, out_rows, err);
    pg_put(&conn);
    return rc;
}

int
pg_check_room(struct pg *pg, char **out_data_directory, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    *out_data_directory = NULL;
    if (pg_get(pg, &conn, err) == 0) {
        *out_data_directory = pg_room_data_directory(conn->db);
        rc = pg_room_try(conn->db, err);
    }
    pg_put(&conn);
    return rc;
}

bool
pg_is_full(struct pg *pg)
{
    bool is_full;

    gate_lock(&pg->gate);
    is_full = pg->is_full;
    gate_unlock(&pg->gate);
    return is_full;
}
