/* test_choose.c - which doctor a read goes to, and who has it: choice, leases, claims. */
#include "tests/unit/assign/assign_case.h"

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
    OK(choose_round(w.pg, 0, &has_changed, &err));
    assert_string_equal(read_of("T1", "1.2.11").assigned_to, "rev1");
    read_world_count(&w, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'rev1'");
    OK(choose_round(w.pg, 0, &has_changed, &err));

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
    row = a_read();
    writes("doc1", row.read_id);

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
    struct err err;

    (void)state;
    row = a_read();
    writes("rev1", row.read_id);
    row = settled("T1", "1.2.3");

    assert_string_equal(row.assigned_to, ""); /* the only other reviewer is the author */
    assert_non_null(strstr(row.reason_en, "review"));
    assert_int_equal(moves(row.read_id, "rev1", READ_SAW_REVIEW, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
who_began_the_draft_is_not_chosen_to_review_it(void **state)
{
    struct read_row row;
    struct lease lease;
    struct err err;

    (void)state;
    row = a_read();
    OK(claims("rev1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_DRAFT, &err));
    OK(moves(row.read_id, "rev1", READ_SAW_RELEASE, &err));
    OK(claims("doc1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "doc1", READ_SAW_WRITE, &err));
    assert_string_equal(settled("T1", "1.2.3").assigned_to, "");

    OK(claims("rev1", row.read_id, &lease, &err)); /* a person may still decide to */
    OK(moves(row.read_id, "rev1", READ_SAW_REVIEW, &err));
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
    row = a_read();
    first = strcmp(row.assigned_to, "doc1") == 0 ? "doc1" : "doc2";
    second = strcmp(first, "doc1") == 0 ? "doc2" : "doc1";
    OK(claims(first, row.read_id, &lease, &err));
    assert_true(lease.until_us > clock_wall_us() + 59 * 60000000LL); /* CT: an hour */
    read_world_count(&w, "UPDATE reads SET lease_until_us = 1");
    OK(choose_round(w.pg, 0, &has_changed, &err));

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
    row = a_read();
    OK(claims("doc1", row.read_id, &lease, &err));
    OK(moves(row.read_id, "doc1", READ_SAW_DRAFT, &err));
    read_world_count(&w, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'doc1'");
    OK(choose_round(w.pg, 0, &has_changed, &err));

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
    row = a_read();
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(work_goes_to_who_has_least_to_do),
        CASE(only_the_licensed_are_chosen),
        CASE(who_goes_off_duty_or_loses_the_licence_loses_what_is_not_open),
        CASE(a_closed_account_is_chosen_no_more),
        CASE(a_written_report_goes_to_another_who_may_review),
        CASE(nobody_reviews_their_own_report),
        CASE(who_began_the_draft_is_not_chosen_to_review_it),
        CASE(a_lease_ends_and_the_read_goes_to_another),
        CASE(who_holds_it_renews_and_gives_it_back),
        CASE(a_lease_goes_with_the_licence),
        CASE(a_thousand_parallel_claims_have_one_winner),
    };

    RUN_CASES(tests);
}
