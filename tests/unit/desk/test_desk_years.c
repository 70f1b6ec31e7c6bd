/* test_desk_years.c - a busy clinic after years: what a look at the desk costs depends on what is
 * shown, not on all that ever was. Counted in steps of SQLite's machine, which are the same on any
 * computer. */
#include "gateway/desk/book.h"
#include "gateway/desk/his_book.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/notes.h"

#include "proto/base/clock.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"

#include <sqlite3.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { FEW = 1000, MANY = 20000, STATEMENTS_MOST = 512, SLACK = 1000 };
static const char pdf[] = "%PDF";
static struct err err;

/* ---- steps of each statement ---- */

/* The most that one run of it took while there was little, and while there was much. */
struct cost {
    char *sql;
    unsigned little, much;
};
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct cost costs[STATEMENTS_MOST];
static size_t costs_n;
static enum { NOBODY_COUNTS, LITTLE, MUCH } counting;

static void
note(const char *sql, unsigned steps)
{
    size_t i = 0;

    while (i < costs_n && strcmp(costs[i].sql, sql) != 0)
        i++;
    if (i == costs_n) {
        assert_true(costs_n < STATEMENTS_MOST);
        costs[costs_n++].sql = mem_text(sql);
    }
    if (counting == LITTLE && steps > costs[i].little)
        costs[i].little = steps;
    if (counting == MUCH && steps > costs[i].much)
        costs[i].much = steps;
}

static int
on_done(unsigned event, void *user, void *statement, void *took)
{
    unsigned steps = (unsigned)sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);

    (void)event;
    (void)user;
    (void)took;
    pthread_mutex_lock(&turn);
    if (counting != NOBODY_COUNTS && sqlite3_sql(statement) != NULL)
        note(sqlite3_sql(statement), steps);
    pthread_mutex_unlock(&turn);
    return 0;
}

/* Of each file that is opened from here on. */
static int
watch(sqlite3 *file, const char **out_error, const struct sqlite3_api_routines *api)
{
    (void)out_error;
    (void)api;
    return sqlite3_trace_v2(file, SQLITE_TRACE_PROFILE, on_done, NULL);
}

static void
count_as(int what)
{
    pthread_mutex_lock(&turn);
    counting = what;
    pthread_mutex_unlock(&turn);
}

/* ---- years of them ---- */

static void
run_sql(const char *dir, const char *sql)
{
    char *path = mem_printf("%s/desk.db", dir);
    sqlite3 *file = NULL;

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    sqlite3_busy_timeout(file, 60000);
    if (sqlite3_exec(file, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(file));
    sqlite3_close(file);
    free(path);
}

/* Patients number first to last, all long ago and done with; of some reports nobody knows who has
 * seen them, and some were never on paper. */
static void
years_pass(const char *dir, int first, int last)
{
    char *sql = mem_printf(
        "BEGIN; CREATE TEMP TABLE past (i INTEGER PRIMARY KEY, at, study, registration);"
        "INSERT INTO past SELECT value, 1600000000000000 + value * 7000000000, '1.2.9.' || value,"
        " printf('%%08d', value) FROM (WITH RECURSIVE n (value) AS"
        " (SELECT %d UNION ALL SELECT value + 1 FROM n WHERE value < %d) SELECT value FROM n);"
        "INSERT INTO registration (registration, at_us, changed_at_us, revision, name, citizen_id,"
        " sex, birth, phone, modality, complaint, history, is_urgent, reason, study)"
        " SELECT registration, at, at, 1, '甲', '', 'M', '', '', 'CT', '', '', 0, '', study"
        " FROM past;"
        "INSERT INTO orders (source, placer, registration, state, accession, patient_id, pinyin,"
        " is_pinyin_ours, weight_g, height_mm, station, scheduled_at_us, procedure_id, description,"
        " code, code_scheme, code_meaning, study, referring, department, made_at_us, changed_at_us)"
        " SELECT 'http', i, registration, 'completed', 'A' || i, i, '', 1, 0, 0, '', at, '', '',"
        " '', '', '', study, '', '', at, at FROM past;"
        "INSERT INTO study (study, patient_id, accession, name, sex, birth, modality,"
        " arrived_at_us, looked_at_us, is_matched)"
        " SELECT study, i, 'A' || i, '', '', '', 'CT', at, at, 1 FROM past;"
        "INSERT INTO read (read_id, seq, study, registration, patient, modality, state,"
        " changed_at_us, number)"
        " SELECT i, i, study, registration, '', 'CT', 'signed', at, i FROM past;"
        "INSERT INTO report (read_id, version, is_preliminary, signed_at_us, author, reviewer,"
        " hospital, verify_url, covers, present, standing, reason, received_at_us, confirmed_at_us,"
        " pdf_sha256, is_pdf_wanted)"
        " SELECT i, 1, 0, at, '李', '', '', '', 1, 1, 'valid', '', at, (i %% 11 > 0) * at, 'x', 0"
        " FROM past;"
        "INSERT INTO report_print (read_id, version, by_login, at_us)"
        " SELECT i, 1, 'li', at FROM past WHERE i %% 7 > 0;"
        "INSERT INTO mpps (uid, state, device, study, accession, modality, created_at_us,"
        " changed_at_us, reason)"
        " SELECT '1.9.' || i, 'COMPLETED', 'CT1', study, '', 'CT', at, at, '' FROM past;"
        "INSERT INTO mpps_order SELECT m.uid, o.number FROM past p"
        " JOIN mpps m ON m.study = p.study JOIN orders o ON o.study = p.study;"
        "INSERT INTO call (call, kind, is_on_preview, read_id, study, registration, patient,"
        " modality, words, author, hospital, at_us, received_at_us, heard_at_us, outcome)"
        " SELECT 'c' || i, 'critical', 0, i, study, registration, '', 'CT', 'x', '', '', at, at, "
        "at,"
        " 'read_back' FROM past;"
        "INSERT INTO reject (study, registration, reason, images, words, by_login, at_us)"
        " SELECT study, registration, 'motion', 1, '', 'li', at FROM past;"
        "INSERT INTO doubt (study, bits, confirmed, at_us) SELECT study, 1, 1, at FROM past;"
        "INSERT INTO study_urgency (study, is_stat, reason, by_name, side, revision, is_applied,"
        " at_us) SELECT study, 1, '', 'li', 'desk', i, 1, at FROM past;"
        "INSERT INTO dose (study, source, uid, kind, value, at_us)"
        " SELECT study, 'rdsr', '1.5', 'ctdi', '5', at FROM past;"
        "INSERT INTO his_delivery (target, read_id, version, event, state, made_at_us, done_at_us)"
        " SELECT 'hl7', i, 1, 'report', 'delivered', at, at FROM past;"
        "INSERT INTO his_document (read_id, version, kind, sha256)"
        " SELECT i, 1, 'text', 'x' FROM past;"
        "INSERT INTO outbox (id, kind, registration, body, made_at_us, outcome, done_at_us)"
        " SELECT 'o' || i, 'attach', registration, '{}', at, 'done', at FROM past;"
        "INSERT INTO inbox (id, seq, kind, read_id, version, at_us, is_receipted)"
        " SELECT 'i' || i, i, 'report', i, 1, at, 1 FROM past; DROP TABLE past; COMMIT",
        first, last);

    run_sql(dir, sql);
    free(sql);
}

/* ---- a look at the desk ---- */

static struct desk_site site;
static struct desk_visitor visitor;

static int
site_start(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_auto_extension((void (*)(void))watch), SQLITE_OK);
    desk_site_open(&site, "desk-years", NULL);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    return 0;
}

static int
site_stop(void **state)
{
    (void)state;
    desk_site_close(&site);
    sqlite3_reset_auto_extension();
    for (size_t i = 0; i < costs_n; i++)
        free(costs[i].sql);
    return 0;
}

/* A device begins a step of a study of long ago and breaks it off; a study is given to somebody. */
static void
work(struct book *own, int turn_n)
{
    struct mpps_said said = {.has_state = true,
                             .state = MPPS_IN_PROGRESS,
                             .has_steps = true,
                             .step_n = 1,
                             .modality = "CT"};
    struct mpps_said end = {.has_state = true, .state = MPPS_DISCONTINUED};
    struct book_registration *r = mem_new(sizeof *r);
    char step[65], study[65], number[CLINIC_REGISTRATION_SIZE];

    snprintf(step, sizeof step, "1.8.%d", turn_n);
    snprintf(study, sizeof study, "1.2.8.%d", turn_n);
    snprintf(said.steps[0].study, sizeof said.steps[0].study, "1.2.9.%d", FEW / 2);
    snprintf(said.steps[0].accession, sizeof said.steps[0].accession, "A%d", FEW / 2);
    text_copy(r->name, sizeof r->name, "乙");
    text_copy(r->modality, sizeof r->modality, "CT");
    assert_int_equal(mpps_create(own, step, "CT1", &said, "{}", &err), 0);
    assert_int_equal(mpps_set(own, step, &end, "{}", &(uint16_t){0}, &err), 0);
    assert_int_equal(book_register(own, r, number, &err), 0);
    assert_int_equal(book_attach(own, number, study, "hand", &err), 0);
    free(r);
}

/* What the loops of the desk look for. */
static void
look_around(struct book *own)
{
    struct his_delivery delivery;
    uint32_t version;
    int64_t read;
    bool is;

    assert_int_equal(book_pdf_due(own, &is, &read, &version, &err), 0);
    assert_false(is);
    assert_int_equal(his_book_owe(own, 1u << HIS_HL7, &is, &err), 0);
    assert_int_equal(his_book_due(own, HIS_HL7, &is, &delivery, &err), 0);
    assert_false(is);
}

/* With the state as a page asks for it. */
static void
look(int what, int n)
{
    struct book *own = NULL;
    bool is_new;

    assert_int_equal(book_open_beside(site.desk_dir, &own, &err), 0);
    assert_int_equal(his_book_owe(own, 1u << HIS_HL7, &is_new, &err), 0); /* all are delivered */
    work(own, 2 * what); /* the first to date anything looks at the clock */
    count_as(what);
    assert_int_equal(desk_site_ask(&site, visitor.headers, "GET", "/desk/v1/state", NULL), 200);
    look_around(own);
    work(own, 2 * what + 1);
    count_as(NOBODY_COUNTS);
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "reports_n"), -1), n);
    book_close(&own);
}

static void
a_look_at_the_desk_after_years_costs_what_it_cost_in_the_first_month(void **state)
{
    size_t compared = 0, grown = 0;

    (void)state;
    years_pass(site.desk_dir, 1, FEW);
    look(LITTLE, FEW);
    for (int n = FEW; n < MANY; n += FEW) /* the desk has its turns in between */
        years_pass(site.desk_dir, n + 1, n + FEW);
    look(MUCH, MANY);

    for (size_t i = 0; i < costs_n; i++) {
        const struct cost *c = &costs[i];

        compared += c->little > 0 && c->much > 0;
        if (c->little == 0 || c->much <= 2 * c->little + SLACK)
            continue;
        grown++;
        print_message("%u steps, then %u:\n%s\n", c->little, c->much, c->sql);
    }
    assert_true(compared > 40);
    assert_int_equal(grown, 0);
}

/* ---- what is counted as it changes ---- */

static void
come(enum clinic_down_kind kind, int64_t read, uint32_t version)
{
    static uint64_t seq;
    struct clinic_down m = {.kind = kind,
                            .seq = ++seq,
                            .at_us = clock_wall_us(),
                            .read = read,
                            .version = version,
                            .modality = "CT",
                            .state = "signed"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = seq};

    clinic_id_new(m.id);
    snprintf(m.study, sizeof m.study, "1.2.%d", (int)read);
    if (book_take(book, &downs, &err) < 0)
        fail_msg("%s", err.text);
}

static void
file_comes(int64_t read, uint32_t version)
{
    uint8_t sha256[DIGEST_BYTES];

    digest_bytes(pdf, sizeof pdf, sha256);
    if (book_pdf_put(book, read, version, pdf, sizeof pdf, sha256, &err) < 0)
        fail_msg("%s", err.text);
}

/* What the list and the counts are made of is what looking through all reports gives. */
static void
all_is_counted(uint64_t reports, uint64_t unconfirmed, uint64_t unprinted)
{
    struct book_report_counts counts;

    assert_int_equal(book_report_counts(book, &counts, &err), 0);
    assert_int_equal(counts.all, reports);
    assert_int_equal(counts.unconfirmed, unconfirmed);
    assert_int_equal(counts.unprinted, unprinted);
    run_sql(book_dir,
            "CREATE TEMP TABLE wrong (is_right INTEGER CHECK (is_right));"
            "INSERT INTO wrong SELECT (SELECT count(*) FROM report_place) ="
            " (SELECT count(DISTINCT read_id) FROM report);"
            "INSERT INTO wrong SELECT k.at_us = max(q.received_at_us) AND k.due = sum("
            " (q.standing <> 'amended' AND q.confirmed_at_us = 0) OR (q.standing = 'valid'"
            " AND q.pdf_sha256 <> '' AND NOT EXISTS (SELECT 1 FROM report_print i WHERE"
            " i.read_id = q.read_id AND i.version = q.version AND i.is_back = 0)))"
            " FROM report q LEFT JOIN report_place k ON k.read_id = q.read_id"
            " GROUP BY q.read_id");
}

static void
what_waits_of_reports_is_counted_through_all_that_happens_to_them(void **state)
{
    char *path = mem_printf("%s/reports/1-1.pdf", book_dir);
    uint8_t *bytes = NULL;
    size_t n;

    (void)state;
    come(CLINIC_REPORT, 1, 1);
    come(CLINIC_REPORT, 2, 1);
    all_is_counted(2, 2, 0); /* nothing to print yet */
    file_comes(1, 1);
    file_comes(2, 1);
    all_is_counted(2, 2, 2);
    assert_int_equal(notes_printed(book, 1, 1, "li", &err), 0);
    assert_int_equal(notes_printed(book, 1, 1, "li", &err), 0);
    assert_int_equal(book_confirm(book, 1, 1, &err), 0);
    all_is_counted(2, 1, 1);
    assert_int_equal(notes_unprinted(book, 1, 1, &err), 0);
    all_is_counted(2, 1, 2);
    assert_int_equal(unlink(path), 0); /* the disk lost it */
    assert_int_equal(book_pdf_get(book, 1, 1, &bytes, &n, &err), -1);
    all_is_counted(2, 1, 1);
    file_comes(1, 1);
    assert_int_equal(notes_printed(book, 1, 1, "li", &err), 0);
    come(CLINIC_AMENDED, 2, 2); /* of the first nobody need know any more */
    all_is_counted(3, 1, 0);
    file_comes(2, 2);
    all_is_counted(3, 1, 1);
    come(CLINIC_WITHDRAWN, 1, 1); /* who has it has to hear that */
    come(CLINIC_WITHDRAWN, 3, 1); /* never seen here */
    all_is_counted(4, 3, 1);
    free(path);
}

/* ---- a book of before ---- */

static void
write_version_26(void)
{
    for (int v = 1; v <= 26; v++) {
        char *path = mem_printf("gateway/desk/schema_%d.sql", v), *sql;
        const struct embedded *schema = embed_find(path);

        assert_non_null(schema);
        sql = mem_printf("%.*s", (int)(schema->end - schema->begin), (const char *)schema->begin);
        run_sql(book_dir, sql);
        free(sql);
        free(path);
    }
    run_sql(
        book_dir,
        "PRAGMA user_version=26;"
        "INSERT INTO report (read_id, version, is_preliminary, signed_at_us, author, reviewer,"
        " hospital, verify_url, covers, present, standing, reason, received_at_us, confirmed_at_us,"
        " pdf_sha256) VALUES"
        " (1, 1, 0, 1, '', '', '', '', 1, 1, 'amended', '', 10, 0, 'x'),"
        " (1, 2, 0, 1, '', '', '', '', 1, 1, 'valid', '', 50, 9, 'x')," /* printed, confirmed */
        " (2, 1, 0, 1, '', '', '', '', 1, 1, 'valid', '', 20, 9, 'x')," /* the paper jammed */
        " (3, 1, 0, 1, '', '', '', '', 1, 1, 'valid', '', 30, 0, ''),"  /* nobody has seen it */
        " (4, 1, 0, 1, '', '', '', '', 1, 1, 'withdrawn', '', 40, 9, 'x');"
        "INSERT INTO report_print VALUES (1, 2, 'li', 60, 1), (1, 2, 'li', 61, 0),"
        " (2, 1, 'li', 62, 1);");
}

static void
reports_of_before_stand_in_their_order_and_are_counted(void **state)
{
    static const int64_t order[][2] = {{3, 1}, {2, 1}, {1, 2}, {1, 1}, {4, 1}};
    char *path = mem_printf("%s/desk.db", book_dir);
    struct book_report *list = NULL;
    size_t n;

    (void)state;
    book_close(&book);
    assert_int_equal(unlink(path), 0);
    write_version_26();

    reopen();

    assert_int_equal(book_reports(book, 10, &list, &n, &err), 0);
    assert_int_equal(n, ARRAY_LEN(order));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].read, order[i][0]);
        assert_int_equal(list[i].version, order[i][1]);
    }
    all_is_counted(5, 1, 1);
    free(list);
    free(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_look_at_the_desk_after_years_costs_what_it_cost_in_the_first_month, site_start,
            site_stop),
        cmocka_unit_test_setup_teardown(
            what_waits_of_reports_is_counted_through_all_that_happens_to_them, book_world_open,
            book_world_close),
        cmocka_unit_test_setup_teardown(reports_of_before_stand_in_their_order_and_are_counted,
                                        book_world_open, book_world_close),
    };

    return cmocka_run_group_tests_name("desk_years", tests, NULL, NULL);
}
