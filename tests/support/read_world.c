/* read_world.c - a small land of clinics and doctors, and an archive that says what it is told. */
#include "tests/support/read_world.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "reader/assign/assign_own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libpq-fe.h>

enum { MOST = 2048 };

static struct archive_event events[MOST];
static size_t event_n;
static struct {
    char study[65], patient[65], modalities[65];
    char name[65], birth[17], sex[17], accession[65];
    bool is_hidden;
} facts[MOST];
static size_t fact_n;
static bool is_failing;
static enum err_kind failing;
static uint64_t closed_instances[MOST];
static uint32_t closed_revision[MOST];

static const char land[] =
    "{\"organisations\":["
    "{\"code\":\"P\",\"name\":\"省\",\"kind\":\"province\"},"
    "{\"code\":\"T1\",\"name\":\"青山镇卫生院\",\"kind\":\"township\",\"parent\":\"H\"},"
    "{\"code\":\"T2\",\"name\":\"绿水镇卫生院\",\"kind\":\"township\",\"parent\":\"H\"},"
    "{\"code\":\"C\",\"name\":\"市\",\"kind\":\"city\",\"parent\":\"P\"},"
    "{\"code\":\"H\",\"name\":\"县人民医院\",\"kind\":\"county\",\"parent\":\"C\"},"
    "{\"code\":\"H2\",\"name\":\"邻县医院\",\"kind\":\"county\",\"parent\":\"P\"},"
    "{\"code\":\"T9\",\"name\":\"邻镇卫生院\",\"kind\":\"township\",\"parent\":\"H2\"}],"
    "\"accounts\":["
    "{\"login\":\"tech1\",\"name\":\"技师一\",\"organisation\":\"T1\",\"roles\":[\"technician\"]},"
    "{\"login\":\"admin1\",\"name\":\"管理员\",\"organisation\":\"T1\",\"roles\":["
    "\"administrator\"]},"
    "{\"login\":\"tech2\",\"name\":\"技师二\",\"organisation\":\"T2\",\"roles\":[\"technician\"]},"
    "{\"login\":\"doc1\",\"name\":\"王医生\",\"organisation\":\"H\",\"roles\":[\"doctor\"]},"
    "{\"login\":\"doc2\",\"name\":\"李医生\",\"organisation\":\"H\",\"roles\":[\"doctor\"]},"
    "{\"login\":\"rev1\",\"name\":\"张主任\",\"organisation\":\"H\",\"roles\":[\"reviewer\"]},"
    "{\"login\":\"doc9\",\"name\":\"赵医生\",\"organisation\":\"H2\",\"roles\":[\"doctor\"]},"
    "{\"login\":\"super\",\"name\":\"监管\",\"organisation\":\"C\",\"roles\":[\"supervisor\"]},"
    "{\"login\":\"super2\",\"name\":\"监管二\",\"organisation\":\"H2\",\"roles\":[\"supervisor\"]}]"
    ","
    "\"doctors\":["
    "{\"login\":\"doc1\",\"licence\":\"L1\",\"valid_from\":\"2020-01-01\","
    "\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\",\"DX\"],\"organisations\":[\"H\"],"
    "\"is_on_duty\":true},"
    "{\"login\":\"doc2\",\"licence\":\"L2\",\"valid_from\":\"2020-01-01\","
    "\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\"],\"organisations\":[\"H\"],"
    "\"is_on_duty\":true},"
    "{\"login\":\"rev1\",\"licence\":\"L3\",\"valid_from\":\"2020-01-01\","
    "\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\",\"DX\",\"MR\"],\"organisations\":["
    "\"H\"],\"is_on_duty\":true},"
    "{\"login\":\"doc9\",\"licence\":\"L9\",\"valid_from\":\"2020-01-01\","
    "\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\",\"DX\"],\"organisations\":[\"H2\"],"
    "\"is_on_duty\":true}],"
    "\"agreements\":["
    "{\"code\":\"AG1\",\"version\":1,\"inviting\":\"T1\",\"invited\":\"H\",\"modalities\":["
    "\"CT\",\"DX\"],\"valid_from\":\"2020-01-01\",\"valid_until\":\"2099-12-31\","
    "\"turnaround_minutes\":{\"routine\":120,\"emergency\":30},\"may_read_alone\":false},"
    "{\"code\":\"AG2\",\"version\":1,\"inviting\":\"T2\",\"invited\":\"H\",\"modalities\":["
    "\"CT\"],\"valid_from\":\"2020-01-01\",\"valid_until\":\"2099-12-31\","
    "\"turnaround_minutes\":{\"routine\":240,\"emergency\":60},\"may_read_alone\":true}]}";

static void
check(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

/* ---- the archive ---- */
static bool
fails_now(struct err *err)
{
    if (!is_failing)
        return false;
    is_failing = false;
    err_set(err, failing, "the archive fails as it was told");
    return true;
}

static int
fake_events(struct archive *archive, struct archive_cursor *cursor, unsigned wait_s,
            archive_on_event on_event, void *user, bool *out_is_lost, struct err *err)
{
    bool is_known = cursor->seq == 0 || cursor->at_us == 0;

    (void)archive;
    (void)wait_s;
    if (fails_now(err))
        return -1;
    for (size_t i = 0; i < event_n; i++)
        is_known = is_known || (events[i].seq == cursor->seq && events[i].at_us == cursor->at_us);
    *out_is_lost = !is_known;
    if (!is_known)
        *cursor = (struct archive_cursor){0};
    for (size_t i = 0; i < event_n && is_known; i++)
        if (events[i].seq > cursor->seq && on_event(user, &events[i]) != 0)
            break;
    return 0;
}

static size_t
fact_of(const char *study)
{
    for (size_t i = 0; i < fact_n; i++)
        if (strcmp(facts[i].study, study) == 0)
            return i;
    assert_true(fact_n < MOST);
    text_copy(facts[fact_n].study, sizeof facts[0].study, study);
    snprintf(facts[fact_n].patient, sizeof facts[0].patient, "P-%s", study);
    text_copy(facts[fact_n].modalities, sizeof facts[0].modalities, "CT");
    text_copy(facts[fact_n].name, sizeof facts[0].name, "WANG^XIAODONG=王^小东");
    facts[fact_n].birth[0] = facts[fact_n].sex[0] = '\0';
    snprintf(facts[fact_n].accession, sizeof facts[0].accession, "ACC-%.50s", study);
    return fact_n++;
}

static int
fake_facts(struct archive *archive, const char *tenant, const char *study,
           struct archive_study *out, struct err *err)
{
    size_t i = fact_of(study);

    (void)archive;
    (void)tenant;
    if (fails_now(err))
        return -1;
    if (facts[i].is_hidden)
        return err_set(err, ERR_NOT_FOUND, "nothing of it is whole yet");
    memset(out, 0, sizeof *out);
    text_copy(out->study, sizeof out->study, study);
    text_copy(out->patient_id, sizeof out->patient_id, facts[i].patient);
    text_copy(out->patient_name, sizeof out->patient_name, facts[i].name);
    text_copy(out->birth_date, sizeof out->birth_date, facts[i].birth);
    text_copy(out->sex, sizeof out->sex, facts[i].sex);
    text_copy(out->modalities, sizeof out->modalities, facts[i].modalities);
    text_copy(out->study_date, sizeof out->study_date, "20260131");
    text_copy(out->accession, sizeof out->accession, facts[i].accession);
    text_copy(out->description, sizeof out->description, "HEAD");
    return 0;
}

static int
fake_standing(struct archive *archive, const char *tenant, const char *study,
              struct archive_standing *out, struct err *err)
{
    size_t i = fact_of(study);

    (void)archive;
    (void)tenant;
    if (fails_now(err))
        return -1;
    *out = (struct archive_standing){.whole = closed_instances[i],
                                     .revision = closed_revision[i],
                                     .expected = closed_instances[i]};
    return 0;
}

void
read_world_tells(const char *tenant, const char *kind, const char *study, uint32_t revision,
                 uint64_t instances)
{
    struct archive_event *e = &events[event_n];

    assert_true(event_n < MOST);
    *e = (struct archive_event){.seq = 10 + 3 * event_n,
                                .at_us = clock_wall_us(),
                                .revision = revision,
                                .instances = instances,
                                .is_late = revision > 1,
                                .detail = "{}"};
    text_copy(e->tenant, sizeof e->tenant, tenant);
    text_copy(e->kind, sizeof e->kind, kind);
    text_copy(e->study, sizeof e->study, study);
    event_n++;
}

void
read_world_closes(struct read_world *w, const char *tenant, const char *study, uint32_t revision,
                  uint64_t instances)
{
    size_t i = fact_of(study);

    (void)w;
    closed_instances[i] = instances;
    closed_revision[i] = revision;
    read_world_tells(tenant, "study.closed", study, revision, instances);
    if (revision > 1)
        read_world_tells(tenant, "study.late", study, revision, instances);
}

void
read_world_study(const char *study, const char *patient_id, const char *modalities)
{
    size_t i = fact_of(study);

    text_copy(facts[i].patient, sizeof facts[0].patient, patient_id);
    facts[i].is_hidden = modalities == NULL;
    text_copy(facts[i].modalities, sizeof facts[0].modalities, modalities ? modalities : "");
}

void
read_world_names(const char *study, const char *name, const char *birth, const char *sex)
{
    size_t i = fact_of(study);

    text_copy(facts[i].name, sizeof facts[0].name, name);
    text_copy(facts[i].birth, sizeof facts[0].birth, birth);
    text_copy(facts[i].sex, sizeof facts[0].sex, sex);
}

void
read_world_accession(const char *study, const char *accession)
{
    text_copy(facts[fact_of(study)].accession, sizeof facts[0].accession, accession);
}

void
read_world_sets_back(size_t n)
{
    assert_true(n <= event_n);
    event_n = n;
}

void
read_world_fails(enum err_kind kind)
{
    is_failing = true;
    failing = kind;
}

/* ---- the world ---- */
static void
open_database(struct read_world *w)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options options = {.conninfo = w->conninfo,
                                 .query_files = queries,
                                 .migrations = "reader/migrations/",
                                 .connections = 12};
    struct err err;

    check(pg_open(&options, &w->pg, &err), &err);
    w->assign->options.pg = w->pg;
}

void
read_world_open(struct read_world *w, struct pg_cluster *cluster, const char *database)
{
    *w = (struct read_world){.cluster = cluster};
    event_n = fact_n = 0;
    is_failing = false;
    assign_feed = (struct assign_feed){fake_events, fake_facts, fake_standing};
    w->conninfo = pg_cluster_database(cluster, database);
    w->assign = mem_new(sizeof *w->assign);
    gate_init(&w->assign->gate);
    open_database(w);
    read_world_load(w, land);
}

void
read_world_back_up(struct read_world *w, const char *name)
{
    pg_close(&w->pg);
    free(pg_cluster_copy(w->cluster, strstr(w->conninfo, "dbname=") + strlen("dbname="), name));
    open_database(w);
}

void
read_world_put_back(struct read_world *w, const char *name)
{
    char *own = w->conninfo;

    pg_close(&w->pg);
    w->conninfo =
        mem_printf("%.*s%s", (int)(strstr(own, "dbname=") + strlen("dbname=") - own), own, name);
    free(own);
    open_database(w);
}

void
read_world_close(struct read_world *w)
{
    gate_fini(&w->assign->gate);
    free(w->assign);
    pg_close(&w->pg);
    free(w->conninfo);
}

void
read_world_load(struct read_world *w, const char *json)
{
    struct assign_loaded loaded;
    struct err err;

    check(assign_load(w->pg, json, strlen(json), true, &loaded, &err), &err);
}

void
read_world_person(struct read_world *w, const char *login, struct person *out)
{
    struct pg_conn *conn = NULL;
    struct err err;

    check(pg_get(w->pg, &conn, &err), &err);
    check(people_find(conn, login, out, &err), &err);
    pg_put(&conn);
}

void
read_world_settle(struct read_world *w)
{
    bool has_changed = false;
    struct err err;

    for (size_t i = 0; i <= event_n / 32 + 1; i++)
        check(intake_step(w->assign, 0, &err), &err);
    check(choose_round(w->pg, CHOOSE_EVERYTHING, &has_changed, &err), &err);
}

void
read_world_read(struct read_world *w, const char *tenant, const char *study, struct read_row *out)
{
    struct pg_conn *conn = NULL;
    struct err err;

    check(pg_get(w->pg, &conn, &err), &err);
    check(assign_read_find(conn, tenant, study, out, &err), &err);
    pg_put(&conn);
}

int64_t
read_world_count(struct read_world *w, const char *sql)
{
    PGconn *db = PQconnectdb(w->conninfo);
    PGresult *result = PQexec(db, sql);
    int64_t n = 0;

    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        n = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    else if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
    return n;
}
