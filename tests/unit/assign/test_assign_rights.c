/* test_assign_rights.c - late images, and who sees which read. */
#include "tests/unit/assign/assign_case.h"

/* ---- late images ---- */
static void
a_late_image_marks_a_signed_report_which_stands(void **state)
{
    struct read_row row;

    (void)state;
    row = a_read();
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
    row = a_read();
    writes("doc2", row.read_id);
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
    row = a_read();
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

/* ---- the patient changes ---- */
static void
registers(const char *registration, const char *study, const char *sex)
{
    struct read_order order = {.tenant = "T1",
                               .registration = registration,
                               .study = study,
                               .sex = sex,
                               .actor = "desk:d"};
    struct pg_conn *conn = NULL;
    struct err err;

    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    if (study != NULL)
        OK(assign_order_put(conn, &order, &err));
    else
        OK(assign_order_detach(conn, "T1", registration, "desk:d", &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

static void
is_reviewed(int64_t read_id)
{
    struct lease lease;
    struct err err;

    if (read_of("T1", "1.2.3").state != READ_DRAFTED) {
        OK(claims("doc1", read_id, &lease, &err));
        OK(moves(read_id, "doc1", READ_SAW_DRAFT, &err));
    }
    OK(moves(read_id, "doc1", READ_SAW_WRITE, &err));
    OK(claims("rev1", read_id, &lease, &err));
    OK(moves(read_id, "rev1", READ_SAW_REVIEW, &err));
}

static void
a_report_whose_patient_changes_goes_back_to_its_author(void **state)
{
    struct read_row row;

    (void)state;
    read_world_names("1.2.3", "WANG^XIAODONG=王^小东", "", "M");
    row = a_read();
    is_reviewed(row.read_id);
    registers("R1", "1.2.3", "M"); /* the first, and the images agree */
    registers("R1", "1.2.3", "M");
    assert_int_equal(read_of("T1", "1.2.3").state, READ_REVIEWED);

    registers("R2", "1.2.3", "M"); /* another */
    row = read_of("T1", "1.2.3");
    assert_int_equal(row.state, READ_DRAFTED);
    assert_string_equal(row.assigned_to, "doc1");
    assert_non_null(strstr(row.reason_en, "registration changed"));
    is_reviewed(row.read_id);
    registers("R2", NULL, NULL); /* none any more */
    assert_int_equal(read_of("T1", "1.2.3").state, READ_DRAFTED);
    is_reviewed(row.read_id);
    registers("R3", "1.2.3", "F"); /* the first, and the images are a man's */
    assert_int_equal(read_of("T1", "1.2.3").state, READ_DRAFTED);
    is_reviewed(row.read_id);
    registers("R3", "1.2.4", "F"); /* moved to a study that is not here yet */

    assert_int_equal(read_of("T1", "1.2.3").state, READ_DRAFTED);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'return' "
                                          "AND detail = '{\"cause\":\"registration\"}'"),
                     4);
}

static void
a_signed_report_stands_when_its_registration_goes(void **state)
{
    struct read_row row;

    (void)state;
    row = a_read();
    registers("R1", "1.2.3", "M");
    sign(row.read_id, "doc1", 1, 30);

    registers("R1", NULL, NULL);

    row = read_of("T1", "1.2.3");
    assert_int_equal(row.state, READ_SIGNED);
    assert_string_equal(row.registration, "");
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
    row = a_read();
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
    bool is_whole;
    int rc = -1;

    read_world_person(&w, login, &who);
    if (pg_get(w.pg, &conn, err) == 0)
        rc = assign_may_see_study(conn, &who, study, tenant, &is_whole, err);
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

/* An old device stamps "0" on everybody. */
static void
a_shared_number_alone_makes_nobody_the_same_patient(void **state)
{
    char tenant[ASSIGN_CODE];
    struct err err;

    (void)state;
    read_world_study("1.1", "0", "CT");
    read_world_study("1.2", "0", "MR");
    read_world_names("1.2", "LI^SI", "19700101", "F");
    read_world_study("1.3", "0", "CT");
    read_world_names("1.3", "", "19700101", "F");
    read_world_study("1.4", "0", "MR");
    read_world_names("1.4", "", "", "");
    read_world_closes(&w, "T1", "1.1", 1, 1);
    read_world_closes(&w, "T1", "1.2", 1, 1);
    read_world_closes(&w, "T1", "1.4", 1, 1);
    read_world_settle(&w);
    assert_int_equal(sees_study("doc1", "1.2", tenant, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);

    read_world_closes(&w, "T1", "1.3", 1, 1); /* born the same day as who is in 1.2 */
    read_world_settle(&w);

    OK(sees_study("doc1", "1.2", tenant, &err));
    assert_int_equal(sees_study("doc1", "1.4", tenant, &err), -1);
}

static void
a_study_number_of_two_clinics_opens_neither_by_chance(void **state)
{
    char tenant[ASSIGN_CODE];
    struct err err;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 1);
    read_world_closes(&w, "T2", "1.2.3", 1, 1);
    read_world_settle(&w);

    assert_int_equal(sees_study("doc1", "1.2.3", tenant, &err), -1); /* both invite the hospital */
    assert_int_equal(err.kind, ERR_CONFLICT);
    OK(sees_study("tech2", "1.2.3", tenant, &err));
    assert_string_equal(tenant, "T2");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_late_image_marks_a_signed_report_which_stands),
        CASE(a_late_image_sends_a_written_report_back_to_its_author),
        CASE(an_amendment_that_covers_them_takes_the_mark_away),
        CASE(a_report_whose_patient_changes_goes_back_to_its_author),
        CASE(a_signed_report_stands_when_its_registration_goes),
        CASE(a_read_is_found_by_those_it_concerns_only),
        CASE(a_prior_of_the_same_patient_is_seen_and_no_other),
        CASE(a_shared_number_alone_makes_nobody_the_same_patient),
        CASE(a_study_number_of_two_clinics_opens_neither_by_chance),
    };

    RUN_CASES(tests);
}
