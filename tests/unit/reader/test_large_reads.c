/* test_large_reads.c - in a reader's database of years, usual work reads what it is about, by
 * index. */
#include "proto/base/clock.h"
#include "reader/assign/assign_own.h"
#include "tests/support/large.h"
#include "tests/support/ok.h"
#include "tests/support/read_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A page is 500 rows; the large clinic, T1, has half of all reads. */
enum { READS = 40000, READS_LONG = 300000, MOST = 3000, ARGS_MOST = 8 };
#define NOW "9999999999999999"

static struct read_world w;

/* ---- what several queries do together ---- */

static void
a_study_comes_and_gets_a_doctor(void)
{
    struct read_row row;

    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.2.3", &row);
    assert_int_equal(row.state, READ_ASSIGNED);
}

static void
nothing_comes(void)
{
    read_world_settle(&w);
}

static void
the_clinic_registers_somebody(void)
{
    const struct read_order order = {.tenant = "T1",
                                     .registration = "new",
                                     .study = "",
                                     .accession = "ACC-1.2.3",
                                     .complaint = "cough",
                                     .history = "",
                                     .clinic_phone = "1",
                                     .actor = "desk:d",
                                     .urgent_reason = ""};
    struct pg_conn *conn = NULL;
    struct err err;

    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, &order, &err));
    OK(assign_order_detach(conn, "T1", "new", "desk:d", &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

static void
a_doctor_claims_it(void)
{
    struct read_row row;
    struct person who;
    struct lease lease;
    struct err err;

    read_world_read(&w, "T1", "1.2.3", &row);
    read_world_person(&w, row.assigned_to, &who);
    OK(lease_claim(w.pg, &who, row.read_id, &lease, &err));
}

static void
somebody_looks_at_a_study(void)
{
    char tenant[ASSIGN_CODE];
    struct pg_conn *conn = NULL;
    struct person who;
    struct err err;
    bool is_whole;

    read_world_person(&w, "doc1", &who);
    OK(pg_get(w.pg, &conn, &err));
    OK(assign_may_see_study(conn, &who, "1.2.826.0.1.3680043.9.7133.20000", tenant, &is_whole,
                            &err));
    read_world_person(&w, "doc9", &who);
    assert_int_equal(assign_may_see_study(conn, &who, "1.2.826.0.1.3680043.9.7133.20000", tenant,
                                          &is_whole, &err),
                     -1);
    pg_put(&conn);
}

static const struct {
    const char *name;
    void (*run)(void);
} works[] = {
#define WORK(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    WORK(a_study_comes_and_gets_a_doctor), WORK(nothing_comes),
    WORK(the_clinic_registers_somebody),   WORK(a_doctor_claims_it),
    WORK(somebody_looks_at_a_study),
#undef WORK
};

/* ---- pages and what is looked up, by query ---- */

#define WORKLIST(own, login, above, state, who)                                                    \
    {                                                                                              \
        own, login, above, state, "", who, NOW                                                     \
    }
#define STUDY(n) "1.2.826.0.1.3680043.9.7133." #n

static const struct {
    const char *what, *query;
    size_t args_n;
    const char *args[ARGS_MOST];
    bool is_empty; /* it finds nothing */
} asks[] = {
    {"a clinic's worklist", "assign_worklist", 7, WORKLIST("T1", NULL, NULL, "open", ""), false},
    {"a doctor's worklist", "assign_worklist", 7, WORKLIST(NULL, "doc1", NULL, "", ""), false},
    {"a doctor's own", "assign_worklist", 7, WORKLIST(NULL, "doc1", NULL, "open", "doc1"), false},
    {"a supervisor's worklist", "assign_worklist", 7, WORKLIST(NULL, NULL, "C", "open", ""), false},
    {"a supervisor of nobody", "assign_worklist", 7, WORKLIST(NULL, NULL, "H2", "open", ""), true},
    {"a clinic's done", "assign_worklist_done", 7, WORKLIST("T1", NULL, NULL, "done", ""), false},
    {"a small clinic's done", "assign_worklist_done", 7, WORKLIST("L7", NULL, NULL, "done", ""),
     true},
    {"a new clinic's done", "assign_worklist_done", 7, WORKLIST("T9", NULL, NULL, "done", ""),
     true},
    {"a doctor's done", "assign_worklist_done", 7, WORKLIST(NULL, "doc1", NULL, "done", ""), false},
    {"what a doctor read", "assign_worklist_done_by", 7,
     WORKLIST(NULL, "doc1", NULL, "done", "doc1"), false},
    {"what a new doctor read", "assign_worklist_done_by", 7,
     WORKLIST(NULL, "doc2", NULL, "done", "doc2"), false},
    {"a new doctor's done", "assign_worklist_done", 7, WORKLIST(NULL, "doc9", NULL, "done", ""),
     true},
    {"a supervisor's done", "assign_worklist_done", 7, WORKLIST(NULL, NULL, "C", "done", ""),
     false},
    {"what was withdrawn", "assign_worklist_done", 7, WORKLIST(NULL, NULL, "C", "withdrawn", ""),
     true},
    {"earlier studies", "assign_priors", 1, {"20000"}, false},
    {"a read's log", "assign_log_after", 3, {"20000", "0", "500"}, false},
    {"the log's end", "assign_log_after", 3, {"0", "319990", "500"}, false},
    {"doctors", "assign_doctors", 1, {NULL}, false},
    {"who was chosen", "choose_misfits", 1, {"1"}, false},
    {"who is looked for again", "choose_again", 0, {NULL}, true},
    {"an order's reads", "order_reads", 2, {"T1", "R20000"}, false},
    {"a read's order", "order_of_read", 1, {"20000"}, false},
    {"a registration", "clinic_registration_lock", 3, {"T1", "R20000", ""}, false},
    {"messages down", "clinic_down_after", 3, {"T1", "79000", "100"}, false},
    {"messages to a clinic without", "clinic_down_after", 3, {"T9", "0", "100"}, true},
    {"is a report there", "clinic_taken_report", 2, {"T1", "d20000/2"}, false},
    {"a read's calls", "clinic_call_list", 1, {"20000"}, false},
    {"whose an order is", "clinic_order_known", 3, {"T1", "doc1", "20000"}, false},
    {"a hospital's orders", "clinic_order_list", 2, {"doc1", "200"}, false},
    {"a patient's texts",
     "patient_message_for_study",
     6,
     {"T1", STUDY(20000), "again", "report", "1", "1"},
     true},
    {"the patients' door is tidied", "patient_tidy", 1, {"1"}, true},
    {"who looked", "looks", 2, {"T1", STUDY(20000)}, false},
    {"a report by its token", "report_by_token", 1, {"token20000"}, false},
    {"reports to be filed", "documents_due", 0, {NULL}, true},
};

static void
ask(size_t i)
{
    struct pg_arg args[ARGS_MOST];
    struct pg_rows *rows = NULL;
    struct err err;

    for (size_t n = 0; n < asks[i].args_n; n++)
        args[n] = PG_TEXT(asks[i].args[n]);
    OK(pg_ask(w.pg, asks[i].query, args, asks[i].args_n, &rows, &err));
    if ((pg_rows_count(rows) == 0) != asks[i].is_empty)
        fail_msg("%s: %zu rows", asks[i].what, pg_rows_count(rows));
    pg_rows_free(&rows);
}

static void
a_large_readers_database_is_read_by_index(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        large_begin(w.conninfo);
        works[i].run();
        large_assert_read(w.conninfo, works[i].name, MOST);
    }
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        large_begin(w.conninfo);
        ask(i);
        large_assert_read(w.conninfo, asks[i].what, MOST);
    }
}

/* Opened after the filling, by a migration's end: it looks at what it was given. */
static int
start(void **state)
{
    static const char *const queries[] = {"reader/", NULL};
    struct pg_options options = {
        .query_files = queries, .migrations = "reader/migrations/", .connections = 1};
    const char *is_long = getenv("RADPOST_LONG");
    struct pg *again = NULL;
    struct err err;

    (void)state;
    read_world_open(&w, pg_cluster_start(), "large");
    large_fill(w.conninfo, "tests/support/large_reads.sql", "large.reads",
               is_long != NULL && strcmp(is_long, "1") == 0 ? READS_LONG : READS);
    options.conninfo = w.conninfo;
    OK(pg_open(&options, &again, &err));
    pg_close(&again);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    read_world_close(&w);
    pg_cluster_remove(&w.cluster);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_readers_database_is_read_by_index),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("large_reads", tests, start, stop);
}
