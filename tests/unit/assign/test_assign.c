/* test_assign.c - from a closed list to a doctor's lease: intake, agreements, choice, claims, late
 * images, rights. Against a PostgreSQL of its own and an archive that says what it is told. */
#include "reader/assign/assign.h"

#include "proto/base/clock.h"
#include "reader/assign/assign_own.h"
#include "tests/support/read_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct read_world w;
static unsigned database;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static int
open_world(void **state)
{
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "assign%u", database++);
    read_world_open(&w, cluster, name);
    return 0;
}

static int
close_world(void **state)
{
    (void)state;
    read_world_close(&w);
    return 0;
}

static struct read_row
read_of(const char *tenant, const char *study)
{
    struct read_row row;

    read_world_read(&w, tenant, study, &row);
    return row;
}

static struct read_row
settled(const char *tenant, const char *study)
{
    read_world_settle(&w);
    return read_of(tenant, study);
}

/* An event in a transaction of its own. */
static int
moves(int64_t read_id, const char *actor, enum read_event event, struct err *err)
{
    struct pg_conn *conn = NULL;
    int rc = -1;

    if (pg_get(w.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        assign_advance(conn, read_id, actor, event, NULL, err) == 0 && pg_commit(conn, err) == 0)
        rc = 0;
    pg_put(&conn);
    return rc;
}

static int
claims(const char *login, int64_t read_id, struct lease *lease, struct err *err)
{
    struct person who;

    read_world_person(&w, login, &who);
    return lease_claim(w.pg, &who, read_id, lease, err);
}

static int
may(const char *login, int64_t read_id, enum assign_level level, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct person who;
    int rc = -1;

    read_world_person(&w, login, &who);
    if (pg_get(w.pg, &conn, err) == 0)
        rc = assign_may(conn, &who, read_id, level, err);
    pg_put(&conn);
    return rc;
}

/* Written by author, reviewed and signed by rev1 with what is there. */
static void
sign(int64_t read_id, const char *author, uint32_t revision, uint32_t instances)
{
    struct read_cover cover = {1, revision, instances, false};
    struct pg_conn *conn = NULL;
    struct lease lease;
    struct err err;

    OK(claims(author, read_id, &lease, &err));
    OK(moves(read_id, author, READ_SAW_DRAFT, &err));
    OK(moves(read_id, author, READ_SAW_WRITE, &err));
    OK(claims("rev1", read_id, &lease, &err));
    OK(moves(read_id, "rev1", READ_SAW_REVIEW, &err));
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_advance(conn, read_id, "rev1", READ_SAW_SIGN, "{}", &err));
    OK(assign_cover_put(conn, read_id, &cover, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

/* ---- intake ---- */
static void
a_closed_list_makes_one_read_and_a_doctor_is_chosen_with_a_reason(void **state)
{
    struct read_row row;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);

    row = settled("T1", "1.2.3");

    assert_int_equal(row.state, READ_ASSIGNED);
    assert_int_equal(row.instances, 30);
    assert_string_equal(row.agreement, "AG1");
    assert_string_equal(row.clinic, "青山镇卫生院");
    assert_int_equal(row.due_at_us, row.closed_at_us + 120 * 60000000LL);
    assert_true(strcmp(row.assigned_to, "doc1") == 0 || strcmp(row.assigned_to, "doc2") == 0);
    assert_non_null(strstr(row.reason_en, "AG1 version 1"));
    assert_non_null(strstr(row.reason, "协议 AG1 第 1 版"));
}

static void
events_told_again_make_nothing_twice(void **state)
{
    struct read_row row;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    read_world_tells("T1", "study.closed", "1.2.3", 1, 30);
    read_world_settle(&w);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1);
    assert_int_equal(
        read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'opened'"), 1);
    assert_int_equal(read_of("T1", "1.2.3").read_id, row.read_id);
}

static void
the_cursor_moves_with_the_read_or_not_at_all(void **state)
{
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 30);
    read_world_fails(ERR_RETRY);
    assert_int_equal(intake_step(w.assign, 0, &err), -1);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 0);
    read_world_count(&w, "ALTER TABLE reads ADD CONSTRAINT no CHECK (study_uid <> '1.2.4')");
    assert_int_equal(intake_step(w.assign, 0, &err), -1);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 10);

    read_world_count(&w, "ALTER TABLE reads DROP CONSTRAINT no");
    read_world_settle(&w);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 2);
    assert_int_equal(read_world_count(&w, "SELECT seq FROM intake_cursor"), 13);
}

static void
what_no_agreement_covers_is_kept_and_said(void **state)
{
    struct read_row row;
    struct err err;

    (void)state;
    read_world_study("1.2.5", "P5", "MR");
    read_world_closes(&w, "T1", "1.2.5", 1, 3);
    read_world_closes(&w, "NOWHERE", "1.2.6", 1, 3);
    row = settled("T1", "1.2.5");

    assert_int_equal(row.state, READ_UNAGREED);
    assert_non_null(strstr(row.reason_en, "no reader by agreement"));
    OK(may("tech1", row.read_id, ASSIGN_SEE, &err));
    assert_int_equal(may("doc1", row.read_id, ASSIGN_SEE, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(read_of("NOWHERE", "1.2.6").state, READ_UNAGREED);
}

static void
a_study_with_a_modality_beside_the_agreement_is_not_covered(void **state)
{
    (void)state;
    read_world_study("1.2.7", "P7", "CT\\PT");
    read_world_closes(&w, "T1", "1.2.7", 1, 3);

    assert_int_equal(settled("T1", "1.2.7").state, READ_UNAGREED);
}

static void
an_agreement_that_comes_later_covers_what_waits(void **state)
{
    struct read_row row;

    (void)state;
    read_world_study("1.2.5", "P5", "MR");
    read_world_closes(&w, "T1", "1.2.5", 1, 3);
    assert_int_equal(settled("T1", "1.2.5").state, READ_UNAGREED);

    read_world_load(&w, "{\"agreements\":[{\"code\":\"AG1\",\"version\":2,\"inviting\":\"T1\","
                        "\"invited\":\"H\",\"modalities\":[\"CT\",\"DX\",\"MR\"],\"valid_from\":"
                        "\"2020-01-01\",\"valid_until\":\"2099-12-31\",\"turnaround_minutes\":{"
                        "\"routine\":60,\"emergency\":30},\"may_read_alone\":false}]}");
    row = settled("T1", "1.2.5");

    assert_int_equal(row.state, READ_ASSIGNED);
    assert_int_equal(row.agreement_version, 2);
    assert_string_equal(row.assigned_to, "rev1"); /* alone licensed for MR */
}

static void
a_study_the_archive_cannot_describe_yet_is_asked_for_again(void **state)
{
    struct err err;

    (void)state;
    read_world_study("1.2.8", "P8", NULL);
    read_world_closes(&w, "T1", "1.2.8", 1, 300);
    read_world_closes(&w, "T1", "1.2.9", 1, 2);
    read_world_settle(&w);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1); /* it held up nobody */
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 1);

    read_world_study("1.2.8", "P8", "CT");
    read_world_tells("T1", "study.looked", "1.2.8", 0, 0);
    OK(intake_step(w.assign, 0, &err));
    OK(intake_step(w.assign, 0, &err));

    assert_int_equal(read_of("T1", "1.2.8").instances, 300);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM intake_aside"), 0);
}

/* ---- choice ---- */
static void
work_goes_to_who_has_least_to_do(void **state)
{
    char study[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(study, sizeof study, "1.2.100.%d", i);
        read_world_closes(&w, "T1", study, 1, 30);
    }
    read_world_settle(&w);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads WHERE assigned_to = 'doc1'"),
                     10);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads WHERE assigned_to = 'doc2'"),
                     10);
}

static void
only_the_licensed_are_chosen(void **state)
{
    (void)state;
    read_world_study("1.2.11", "P", "DX");
    read_world_closes(&w, "T1", "1.2.11", 1, 1);

    assert_string_equal(settled("T1", "1.2.11").assigned_to, "doc1"); /* doc2 may read CT alone */
}

static void
who_goes_off_duty_or_loses_the_licence_loses_what_is_not_open(void **state)
{
    struct read_row row;
    bool has_changed;
    struct err err;

    (void)state;
    read_world_study("1.2.11", "P", "DX");
    read_world_closes(&w, "T1", "1.2.11", 1, 1);
    assert_string_equal(settled("T1", "1.2.11").assigned_to, "doc1");
    read_world_count(&w, "UPDATE doctors SET is_on_duty = false WHERE login = 'doc1'");
    OK(choose_round(w.pg, false, &has_changed, &err));
    assert_string_equal(read_of("T1", "1.2.11").assigned_to, "rev1");
    read_world_count(&w, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'rev1'");
    OK(choose_round(w.pg, false, &has_changed, &err));

    row = read_of("T1", "1.2.11");
    assert_int_equal(row.state, READ_WAITING);
    assert_string_equal(row.assigned_to, "");
    assert_non_null(strstr(row.reason_en, "nobody on duty"));
    read_world_load(&w, "{\"doctors\":[{\"login\":\"doc1\",\"licence\":\"L1\",\"valid_from\":"
                        "\"2020-01-01\",\"valid_until\":\"2099-12-31\",\"modalities\":[\"DX\"],"
                        "\"organisations\":[\"H\"],\"is_on_duty\":true}]}");
    assert_string_equal(settled("T1", "1.2.11").assigned_to, "doc1");
}

static void
a_closed_account_is_chosen_no_more(void **state)
{
    (void)state;
    read_world_study("1.2.11", "P", "DX");
    read_world_closes(&w, "T1", "1.2.11", 1, 1);
    assert_string_equal(settled("T1", "1.2.11").assigned_to, "doc1");
    read_world_count(&w, "UPDATE accounts SET disabled_at_us = 1 WHERE login = 'doc1'");

    assert_string_equal(settled("T1", "1.2.11").assigned_to, "rev1");
}

static void
a_written_report_goes_to_another_who_may_review(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    OK(claims("doc1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "doc1", READ_SAW_DRAFT, &err));
    OK(moves(row.read_id, "doc1", READ_SAW_WRITE, &err));

    row = settled("T1", "1.2.3");
    assert_int_equal(row.state, READ_WRITTEN);
    assert_string_equal(row.author, "doc1");
    assert_string_equal(row.assigned_to, "rev1");
    assert_int_equal(claims("doc2", row.read_id, &lease, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
nobody_reviews_their_own_report(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    OK(claims("rev1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_DRAFT, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_WRITE, &err));
    row = settled("T1", "1.2.3");

    assert_string_equal(row.assigned_to, ""); /* the only other reviewer is the author */
    assert_non_null(strstr(row.reason_en, "review"));
    assert_int_equal(moves(row.read_id, "rev1", READ_SAW_REVIEW, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

/* ---- leases ---- */
static void
a_lease_ends_and_the_read_goes_to_another(void **state)
{
    struct read_row row;
    struct lease lease;
    const char *first, *second;
    bool has_changed;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    first = strcmp(row.assigned_to, "doc1") == 0 ? "doc1" : "doc2";
    second = strcmp(first, "doc1") == 0 ? "doc2" : "doc1";
    OK(claims(first, row.read_id, &lease, &err));
    assert_true(lease.until_us > clock_wall_us() + 59 * 60000000LL); /* CT: an hour */
    read_world_count(&w, "UPDATE reads SET lease_until_us = 1");
    OK(choose_round(w.pg, false, &has_changed, &err));

    row = read_of("T1", "1.2.3");
    assert_int_equal(row.state, READ_ASSIGNED);
    assert_string_equal(row.assigned_to, second);
    assert_string_equal(row.claimed_by, "");
}

static void
who_holds_it_renews_and_gives_it_back(void **state)
{
    struct read_row row;
    struct person who, other;
    struct lease lease;
    struct err err;

    (void)state;
    read_world_study("1.2.11", "P", "DX");
    read_world_closes(&w, "T1", "1.2.11", 1, 1);
    row = settled("T1", "1.2.11");
    read_world_person(&w, "doc1", &who);
    read_world_person(&w, "rev1", &other);
    OK(lease_claim(w.pg, &who, row.read_id, &lease, &err));
    assert_true(lease.is_new);
    assert_true(lease.until_us < clock_wall_us() + 21 * 60000000LL); /* DX: twenty minutes */

    OK(lease_renew(w.pg, &who, row.read_id, &lease, &err));
    assert_int_equal(lease_renew(w.pg, &other, row.read_id, &lease, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_string_equal(lease.by, "doc1");
    assert_int_equal(lease_release(w.pg, &other, row.read_id, &lease, &err), -1);
    OK(lease_claim(w.pg, &who, row.read_id, &lease, &err));
    assert_false(lease.is_new);
    OK(lease_release(w.pg, &who, row.read_id, &lease, &err));
    assert_int_equal(read_of("T1", "1.2.11").state, READ_WAITING);
    assert_string_equal(settled("T1", "1.2.11").assigned_to, "rev1");
}

static void
a_lease_goes_with_the_licence(void **state)
{
    struct read_row row;
    struct lease lease;
    bool has_changed;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    OK(claims("doc1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "doc1", READ_SAW_DRAFT, &err));
    read_world_count(&w, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'doc1'");
    OK(choose_round(w.pg, false, &has_changed, &err));

    row = read_of("T1", "1.2.3");
    assert_int_equal(row.state, READ_DRAFTED); /* what is written stays */
    assert_string_equal(row.assigned_to, "doc2");
    assert_string_equal(row.claimed_by, "");
    assert_int_equal(claims("doc1", row.read_id, &lease, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

enum { CLAIMS = 1000, CLAIMERS = 10, DOCTORS = 100 };

struct claimer {
    struct person *people;
    int64_t read_id;
    size_t from;
    unsigned won, refused, other;
};

static void *
run_claimer(void *arg)
{
    struct claimer *c = arg;

    for (size_t i = 0; i < CLAIMS / CLAIMERS; i++) {
        struct lease lease;
        struct err err;

        if (lease_claim(w.pg, &c->people[(c->from + i * CLAIMERS) % DOCTORS], c->read_id, &lease,
                        &err) == 0)
            c->won += lease.is_new;
        else if (err.kind == ERR_CONFLICT && lease.by[0] != '\0')
            c->refused++;
        else
            c->other++;
    }
    return NULL;
}

static void
load_doctors(void)
{
    struct buf json;

    buf_init(&json, 1 << 20);
    buf_add_text(&json, "{\"accounts\":[");
    for (int i = 0; i < DOCTORS; i++)
        buf_add_printf(&json,
                       "%s{\"login\":\"d%d\",\"name\":\"D\",\"organisation\":\"H\",\"roles\":["
                       "\"doctor\"]}",
                       i > 0 ? "," : "", i);
    buf_add_text(&json, "],\"doctors\":[");
    for (int i = 0; i < DOCTORS; i++)
        buf_add_printf(&json,
                       "%s{\"login\":\"d%d\",\"licence\":\"L\",\"valid_from\":\"2020-01-01\","
                       "\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\"],\"organisations\":["
                       "\"H\"],\"is_on_duty\":true}",
                       i > 0 ? "," : "", i);
    buf_add_text(&json, "]}");
    read_world_load(&w, buf_text(&json));
    buf_fini(&json);
}

static void
a_thousand_parallel_claims_have_one_winner(void **state)
{
    static struct person people[DOCTORS];
    struct claimer claimers[CLAIMERS];
    pthread_t threads[CLAIMERS];
    struct read_row row;
    unsigned won = 0, refused = 0, other = 0;
    char login[16];

    (void)state;
    load_doctors();
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    for (int i = 0; i < DOCTORS; i++) {
        snprintf(login, sizeof login, "d%d", i);
        read_world_person(&w, login, &people[i]);
    }
    for (size_t i = 0; i < CLAIMERS; i++) {
        claimers[i] = (struct claimer){people, row.read_id, i, 0, 0, 0};
        threads[i] = thread_start("claimer", run_claimer, &claimers[i]);
    }
    for (size_t i = 0; i < CLAIMERS; i++) {
        thread_join(threads[i]);
        won += claimers[i].won;
        refused += claimers[i].refused;
        other += claimers[i].other;
    }

    assert_int_equal(won, 1);
    assert_int_equal(other, 0);
    assert_true(refused >= CLAIMS - CLAIMS / DOCTORS); /* the winner's own later claims renew */
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'claim'"),
                     1);
}

/* ---- late images ---- */
static void
a_late_image_marks_a_signed_report_which_stands(void **state)
{
    struct read_row row;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    sign(row.read_id, "doc1", 1, 30);
    read_world_closes(&w, "T1", "1.2.3", 2, 31);
    row = settled("T1", "1.2.3");

    assert_int_equal(row.state, READ_SIGNED);
    assert_true(row.is_late);
    assert_int_equal(row.covered, 30);
    assert_int_equal(row.instances, 31);
    assert_int_equal(row.revision, 2);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'late'"),
                     1);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1);
}

static void
a_late_image_sends_a_written_report_back_to_its_author(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    OK(claims("doc2", row.read_id, &lease, &err));
    OK(moves(row.read_id, "doc2", READ_SAW_DRAFT, &err));
    OK(moves(row.read_id, "doc2", READ_SAW_WRITE, &err));
    OK(claims("rev1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_REVIEW, &err));
    read_world_closes(&w, "T1", "1.2.3", 2, 31);
    row = settled("T1", "1.2.3");

    assert_int_equal(row.state, READ_DRAFTED);
    assert_true(row.is_late);
    assert_string_equal(row.assigned_to, "doc2");
    assert_int_equal(moves(row.read_id, "rev1", READ_SAW_SIGN, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
an_amendment_that_covers_them_takes_the_mark_away(void **state)
{
    struct read_cover cover = {2, 2, 31, false};
    struct pg_conn *conn = NULL;
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    sign(row.read_id, "doc1", 1, 30);
    read_world_closes(&w, "T1", "1.2.3", 2, 31);
    read_world_settle(&w);
    OK(moves(row.read_id, "doc1", READ_SAW_AMEND, &err));
    assert_string_equal(read_of("T1", "1.2.3").claimed_by, "doc1");
    OK(moves(row.read_id, "doc1", READ_SAW_WRITE, &err));
    assert_true(read_of("T1", "1.2.3").is_late); /* the signed one still covers 30 */
    OK(claims("rev1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_REVIEW, &err));
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_cover_put(conn, row.read_id, &cover, &err));
    OK(assign_advance(conn, row.read_id, "rev1", READ_SAW_SIGN_AMENDED, NULL, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);

    row = read_of("T1", "1.2.3");
    assert_int_equal(row.state, READ_AMENDED);
    assert_false(row.is_late);
    assert_int_equal(row.covered, 31);
}

/* ---- rights ---- */
static void
a_read_is_found_by_those_it_concerns_only(void **state)
{
    static const struct {
        const char *login;
        bool sees, writes, reviews;
    } table[] = {
        {"tech1", true, false, false},   {"admin1", true, false, false},
        {"tech2", false, false, false},  {"doc1", true, true, false},
        {"doc2", true, true, false},     {"rev1", true, true, true},
        {"doc9", false, false, false},   {"super", true, false, false},
        {"super2", false, false, false},
    };
    struct read_row row;
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *login = table[i].login;

        if ((may(login, row.read_id, ASSIGN_SEE, &err) == 0) != table[i].sees)
            fail_msg("%s sees: wanted %d", login, table[i].sees);
        if ((may(login, row.read_id, ASSIGN_WRITE, &err) == 0) != table[i].writes)
            fail_msg("%s writes: wanted %d", login, table[i].writes);
        assert_true(table[i].writes || err.kind == (table[i].sees ? ERR_DENIED : ERR_NOT_FOUND));
        if ((may(login, row.read_id, ASSIGN_REVIEW, &err) == 0) != table[i].reviews)
            fail_msg("%s reviews: wanted %d", login, table[i].reviews);
    }
    assert_int_equal(may("doc1", row.read_id + 1000, ASSIGN_SEE, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static int
sees_study(const char *login, const char *study, char tenant[ASSIGN_CODE], struct err *err)
{
    struct pg_conn *conn = NULL;
    struct person who;
    int rc = -1;

    read_world_person(&w, login, &who);
    if (pg_get(w.pg, &conn, err) == 0)
        rc = assign_may_see_study(conn, &who, study, tenant, err);
    pg_put(&conn);
    return rc;
}

static void
a_prior_of_the_same_patient_is_seen_and_no_other(void **state)
{
    char tenant[ASSIGN_CODE];
    struct err err;

    (void)state;
    read_world_study("1.1", "P1", "MR"); /* a prior nobody's agreement covers */
    read_world_study("1.2", "P1", "CT");
    read_world_study("1.3", "P2", "MR");
    read_world_study("1.4", "", "MR"); /* no identifier: nobody's prior */
    read_world_study("1.5", "", "CT");
    read_world_study("1.6", "P1", "MR"); /* the same number at another clinic */
    read_world_closes(&w, "T1", "1.1", 1, 1);
    read_world_closes(&w, "T1", "1.2", 1, 1);
    read_world_closes(&w, "T1", "1.3", 1, 1);
    read_world_closes(&w, "T1", "1.4", 1, 1);
    read_world_closes(&w, "T1", "1.5", 1, 1);
    read_world_closes(&w, "T2", "1.6", 1, 1);
    read_world_settle(&w);

    OK(sees_study("doc1", "1.2", tenant, &err));
    assert_string_equal(tenant, "T1");
    OK(sees_study("doc1", "1.1", tenant, &err));
    assert_int_equal(sees_study("doc1", "1.3", tenant, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(sees_study("doc1", "1.4", tenant, &err), -1);
    assert_int_equal(sees_study("doc1", "1.6", tenant, &err), -1);
    OK(sees_study("tech1", "1.3", tenant, &err));
    assert_int_equal(sees_study("tech2", "1.2", tenant, &err), -1);
    OK(sees_study("super", "1.6", tenant, &err));
    assert_string_equal(tenant, "T2");
    assert_int_equal(sees_study("super2", "1.6", tenant, &err), -1);
}

/* ---- registrations, urgency ---- */
static void
put_order(const char *registration, const char *study, bool is_urgent)
{
    struct read_order order = {.tenant = "T1",
                               .registration = registration,
                               .study = study,
                               .accession = "",
                               .complaint = "胸痛半小时",
                               .history = "",
                               .clinic_phone = "0431-1",
                               .actor = "desk:d",
                               .is_urgent = is_urgent,
                               .urgent_reason = is_urgent ? "胸痛" : ""};
    struct pg_conn *conn = NULL;
    struct err err;

    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, &order, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

static void
a_registration_is_attached_before_or_after_the_study_came(void **state)
{
    struct read_row row;

    (void)state;
    put_order("R1", "1.2.3", true);
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    assert_string_equal(row.registration, "R1");
    assert_string_equal(row.complaint, "胸痛半小时");
    assert_true(row.is_emergency);
    assert_int_equal(row.due_at_us, row.closed_at_us + 30 * 60000000LL);

    read_world_closes(&w, "T1", "1.2.4", 1, 30);
    read_world_settle(&w);
    put_order("R2", "1.2.4", false);
    put_order("R2", "1.2.4", false);
    assert_string_equal(read_of("T1", "1.2.4").registration, "R2");
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'order'"),
                     2);
}

static void
a_registration_moved_to_another_study_leaves_the_first(void **state)
{
    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 30);
    read_world_settle(&w);
    put_order("R1", "1.2.3", false);
    put_order("R1", "1.2.4", false);

    assert_string_equal(read_of("T1", "1.2.3").registration, "");
    assert_string_equal(read_of("T1", "1.2.4").registration, "R1");
}

/* ---- the file ---- */
static void
refused(const char *json, enum err_kind kind, const char *words)
{
    struct assign_loaded loaded;
    struct err err;

    if (assign_load(w.pg, json, strlen(json), false, &loaded, &err) == 0)
        fail_msg("was let in: %s", json);
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, words) == NULL)
        fail_msg("wanted '%s', got '%s'", words, err.text);
}

static void
a_file_is_loaded_whole_or_not_at_all(void **state)
{
    (void)state;
    refused("{\"organisations\":[{\"code\":\"X\",\"name\":\"x\",\"kind\":\"city\",\"parent\":\"P\"}"
            ",{\"code\":\"Y\",\"name\":\"y\",\"kind\":\"village\"}]}",
            ERR_REJECT, "organisations[1]: kind");
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM organisations WHERE code = 'X'"),
                     0);
    refused("{\"organisations\":[{\"code\":\"X\",\"name\":\"x\",\"kind\":\"city\",\"parent\":\"Q\"}"
            "]}",
            ERR_REJECT, "parent of X");
    refused("{\"organisations\":[{\"code\":\"P\",\"name\":\"x\",\"kind\":\"city\",\"parent\":\"H\"}"
            "]}",
            ERR_REJECT, "above itself");
    refused("{\"organisation\":[]}", ERR_REJECT, "organisation: no such list");
    refused("{\"accounts\":[{\"login\":\"a\",\"name\":\"a\",\"organisation\":\"H\",\"roles\":["
            "\"doctor\"],\"password\":\"known-to-all\"}]}",
            ERR_REJECT, "demo = yes");
    refused("{\"accounts\":[{\"login\":\"a\",\"name\":\"a\",\"organisation\":\"H\",\"roles\":["
            "\"king\"]}]}",
            ERR_REJECT, "no role king");
    refused("{\"agreements\":[{\"code\":\"AG1\",\"version\":1,\"inviting\":\"T1\",\"invited\":"
            "\"H\",\"modalities\":[\"CT\"],\"valid_from\":\"2020-01-01\",\"valid_until\":"
            "\"2099-12-31\",\"turnaround_minutes\":{\"routine\":120,\"emergency\":30},"
            "\"may_read_alone\":false}]}",
            ERR_CONFLICT, "AG1 version 1");
}

static void
the_agreement_is_the_same_bytes_whatever_its_order(void **state)
{
    struct read_agreement agreement;
    struct pg_conn *conn = NULL;
    struct read_row row;
    struct buf json;
    struct err err;

    (void)state;
    buf_init(&json, 4096);
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    row = settled("T1", "1.2.3");
    /* the same, other order of keys and modalities: nothing changes */
    read_world_load(&w, "{\"agreements\":[{\"version\":1,\"code\":\"AG1\",\"invited\":\"H\","
                        "\"inviting\":\"T1\",\"modalities\":[\"DX\",\"CT\"],\"valid_until\":"
                        "\"2099-12-31\",\"valid_from\":\"2020-01-01\",\"may_read_alone\":false,"
                        "\"turnaround_minutes\":{\"emergency\":30,\"routine\":120}}]}");
    OK(pg_get(w.pg, &conn, &err));
    OK(assign_agreement_get(conn, row.read_id, &agreement, &json, &err));
    pg_put(&conn);

    assert_string_equal(
        buf_text(&json),
        "{\"code\":\"AG1\",\"format\":\"radpost.agreement/1\",\"invited\":\"H\",\"inviting\":"
        "\"T1\",\"may_read_alone\":false,\"modalities\":[\"CT\",\"DX\"],\"turnaround_minutes\":{"
        "\"emergency\":30,\"routine\":120},\"valid_from\":\"2020-01-01T00:00:00.000000Z\","
        "\"valid_until\":\"2100-01-01T00:00:00.000000Z\",\"version\":1}");
    buf_fini(&json);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(a_closed_list_makes_one_read_and_a_doctor_is_chosen_with_a_reason),
        CASE(events_told_again_make_nothing_twice),
        CASE(the_cursor_moves_with_the_read_or_not_at_all),
        CASE(what_no_agreement_covers_is_kept_and_said),
        CASE(a_study_with_a_modality_beside_the_agreement_is_not_covered),
        CASE(an_agreement_that_comes_later_covers_what_waits),
        CASE(a_study_the_archive_cannot_describe_yet_is_asked_for_again),
        CASE(work_goes_to_who_has_least_to_do),
        CASE(only_the_licensed_are_chosen),
        CASE(who_goes_off_duty_or_loses_the_licence_loses_what_is_not_open),
        CASE(a_closed_account_is_chosen_no_more),
        CASE(a_written_report_goes_to_another_who_may_review),
        CASE(nobody_reviews_their_own_report),
        CASE(a_lease_ends_and_the_read_goes_to_another),
        CASE(who_holds_it_renews_and_gives_it_back),
        CASE(a_lease_goes_with_the_licence),
        CASE(a_thousand_parallel_claims_have_one_winner),
        CASE(a_late_image_marks_a_signed_report_which_stands),
        CASE(a_late_image_sends_a_written_report_back_to_its_author),
        CASE(an_amendment_that_covers_them_takes_the_mark_away),
        CASE(a_read_is_found_by_those_it_concerns_only),
        CASE(a_prior_of_the_same_patient_is_seen_and_no_other),
        CASE(a_registration_is_attached_before_or_after_the_study_came),
        CASE(a_registration_moved_to_another_study_leaves_the_first),
        CASE(a_file_is_loaded_whole_or_not_at_all),
        CASE(the_agreement_is_the_same_bytes_whatever_its_order),
    };
    int rc;

    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 77;
    log_set_level(LOG_ERROR);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return rc;
}
