/* sole.c - a database is one service's: an advisory lock on a connection of its own.
 * The lock goes with its session: whoever is killed lets go at once, and whose machine went away is
 * noticed by the server, and by us, after KEEP_IDLE_S + KEEP_COUNT * KEEP_EACH_S. Where only we
 * noticed, the server's end of our old session has it still: that is not another one.
 * A server that cannot be reached is tried again two seconds later, or as soon as the pool reached
 * it: between two attempts nobody waits for it. */
#include "proto/pg/pg.h"
#include "proto/pg/pg_own.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/pg/pg_events.def"
#undef LOG_EVENT

#define CONNECT_S "5"
#define KEEP_IDLE_S "10"
#define KEEP_EACH_S "5"
#define KEEP_COUNT "3"

enum { TRY_AGAIN_MS = 2000 };

static const struct log_ctx ctx = {.stage = "pg"};

struct pg_sole {
    struct gate gate;
    char *conninfo, *service;
    char name[HOST_NAME_MAX + 64]; /* as others see us: service, machine, process */
    struct pg_query *queries;
    size_t query_count;
    PGconn *db;          /* NULL: not connected */
    int64_t next_try_ms; /* after one that failed */
    char session[64];    /* the last one that took it, as sole.sql says it */
    bool is_ours, is_others;
};

static void
disconnect(struct pg_sole *s)
{
    PQfinish(s->db);
    s->db = NULL;
    s->is_ours = false;
}

static int
connect(struct pg_sole *s, struct err *err)
{
    /* What the connection string says itself counts before ours, but for the name. */
    const char *const words[] = {"connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "dbname",
                                 "application_name",
                                 NULL};
    const char *const values[] = {CONNECT_S,   KEEP_IDLE_S, KEEP_EACH_S, KEEP_COUNT,
                                  s->conninfo, s->name,     NULL};

    s->db = PQconnectdbParams(words, values, 1);
    if (PQstatus(s->db) != CONNECTION_OK) {
        pg_fail_connect(s->conninfo, s->db, err);
    } else {
        pg_hush(s->db);
        if (pg_simple(s->db,
                      "SET tcp_keepalives_idle = " KEEP_IDLE_S
                      "; SET tcp_keepalives_interval = " KEEP_EACH_S
                      "; SET tcp_keepalives_count = " KEEP_COUNT,
                      "settings", err) == 0)
            return 0;
    }
    disconnect(s);
    s->next_try_ms = clock_mono_ms() + TRY_AGAIN_MS;
    return -1;
}

/* One of sole.sql, with so many of the service and our last session as its arguments; the caller's
 * (PQclear). */
static PGresult *
ask(const struct pg_sole *s, const char *name, int n, struct err *err)
{
    const char *const values[2] = {s->service, s->session};
    const char *sql = pg_query_find(s->queries, s->query_count, name)->sql;
    PGresult *result = PQexecParams(s->db, sql, n, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    pg_fail(s->db, result, name, err);
    PQclear(result);
    return NULL;
}

static int
refuse(const struct pg_sole *s, struct err *err)
{
    struct err ignored;
    PGresult *r = ask(s, "sole_holder", 1, &ignored);
    bool is_known = r != NULL && PQntuples(r) > 0;

    err_set(err, ERR_RETRY,
            "another %s uses this database (%s, since %s): two spoil each other's work. Stop one "
            "of them",
            s->service, is_known ? PQgetvalue(r, 0, 0) : "not known which",
            is_known ? PQgetvalue(r, 0, 1) : "an unknown time");
    PQclear(r);
    return -1;
}

/* Our own session, of which the server does not know yet that we lost it; it ends now. */
static bool
end_our_own(const struct pg_sole *s)
{
    struct err ignored; /* then it counts as another's */
    PGresult *r = ask(s, "sole_end", 2, &ignored);
    bool was = r != NULL && PQntuples(r) > 0;

    PQclear(r);
    return was;
}

/* errors  whose kind does not matter: is_others tells */
static int
take(struct pg_sole *s, struct err *err)
{
    PGresult *r;

    if (s->db == NULL && clock_mono_ms() < s->next_try_ms)
        return err_set(err, ERR_RETRY, "PostgreSQL is away");
    if (s->db == NULL && connect(s, err) < 0)
        return -1;
    r = ask(s, "sole_take", 1, err);
    if (r == NULL) {
        disconnect(s);
        return -1;
    }
    s->is_ours = PQntuples(r) > 0 && strcmp(PQgetvalue(r, 0, 0), "t") == 0;
    if (s->is_ours)
        text_copy(s->session, sizeof s->session, PQgetvalue(r, 0, 1));
    PQclear(r);
    s->is_others = !s->is_ours && !end_our_own(s);
    return s->is_ours     ? 0
           : s->is_others ? refuse(s, err)
                          : err_set(err, ERR_RETRY, "our own lost session has the database still");
}

static void
name_us(struct pg_sole *s)
{
    char host[HOST_NAME_MAX + 1] = "";

    if (gethostname(host, sizeof host - 1) < 0)
        text_copy(host, sizeof host, "a machine without a name");
    snprintf(s->name, sizeof s->name, "%s, process %ld", host, (long)getpid());
}

int
pg_sole_take(const char *conninfo, const char *service, struct pg_sole **out, struct err *err)
{
    static const char *const own[] = {"proto/pg/sole.sql", NULL};
    struct pg_sole *s = mem_new(sizeof *s);
    int rc = -1;

    gate_init(&s->gate);
    s->conninfo = mem_text(conninfo);
    s->service = mem_text(service);
    name_us(s);
    if (pg_queries_read(own, &s->queries, &s->query_count, err) == 0 && take(s, err) == 0) {
        *out = TAKE(s);
        rc = 0;
    }
    pg_sole_drop(&s);
    return rc;
}

void
pg_sole_drop(struct pg_sole **sole)
{
    struct pg_sole *s = TAKE(*sole);

    if (s == NULL)
        return;
    disconnect(s);
    pg_queries_free(s->queries, s->query_count);
    free(s->service);
    free(s->conninfo);
    gate_fini(&s->gate);
    free(s);
}

/* A server that is away, or that has no connection left for this, keeps nobody from working. */
int
pg_sole_check(struct pg_sole *s, bool is_there, struct err *err)
{
    struct err why = {0};
    bool was_others;
    int rc = 0;

    gate_lock(&s->gate);
    was_others = s->is_others;
    if (s->db != NULL && !pg_is_alive(s->db))
        disconnect(s);
    if (is_there)
        s->next_try_ms = 0;
    if (!s->is_ours && take(s, &why) < 0 && s->is_others) {
        rc = -1;
        if (!was_others)
            LOG(&ctx, PG_ANOTHER_HAS_IT, F_ERR(&why));
        err_set(err, ERR_RETRY, "%s", why.text);
    } else if (was_others && !s->is_others) {
        LOG(&ctx, PG_OURS_AGAIN);
    }
    gate_unlock(&s->gate);
    return rc;
}
