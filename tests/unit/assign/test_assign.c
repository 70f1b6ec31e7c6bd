/* test_assign.c - from a closed list to a read: intake, agreements, registrations, the load file.
 */
#include "tests/unit/assign/assign_case.h"

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
    row = a_read();
    read_world_tells("T1", "study.closed", "1.2.3", 1, 30);
    read_world_settle(&w);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM reads"), 1);
    assert_int_equal(
        read_world_count(&w, "SELECT count(*) FROM read_events WHERE event = 'opened'"), 1);
    assert_int_equal(read_of("T1", "1.2.3").read_id, row.read_id);
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

/* ---- registrations, urgency ---- */
static void
put(const struct read_order *order)
{
    struct pg_conn *conn = NULL;
    struct err err;

    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, order, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
}

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
    row = a_read();
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

static void
what_the_images_say_and_what_was_registered_stand_side_by_side(void **state)
{
    struct read_order order = {.tenant = "T1",
                               .registration = "R9",
                               .study = "",
                               .accession = "P9", /* typed at the device as Patient ID */
                               .patient_name = "王小东",
                               .sex = "M",
                               .birth = "19600101",
                               .actor = "desk:d"};
    struct pg_conn *conn = NULL;
    struct read_row row;
    struct err err;

    (void)state;
    read_world_study("1.2.3", "P9", "CT");
    read_world_study("1.2.4", "P9", "DX");
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 2);
    read_world_settle(&w);
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, &order, &err));
    OK(pg_commit(conn, &err));
    row = read_of("T1", "1.2.3");
    assert_string_equal(read_of("T1", "1.2.4").registration, "R9"); /* both came with it */
    assert_string_equal(row.registered_name, "王小东");
    assert_string_equal(row.sex, "M"); /* the images say none */
    assert_false(row.is_other_patient);

    order.patient_name = "李四";
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, &order, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    row = read_of("T1", "1.2.3");
    assert_true(row.is_other_patient);
    assert_non_null(strstr(row.patient_name, "小东"));
}

static void
an_accession_number_does_not_outweigh_another_patients_number(void **state)
{
    static const struct {
        const char *study, *patient_id, *wanted, *sex, *birth;
    } table[] = {
        {"1.3.1", "", "R1", "", ""},
        {"1.3.2", "R1", "R1", "O", ""},
        {"1.3.3", "11010519491231002X", "R1", "F", "19491231"},
        {"1.3.4", "P777M", "", "", ""}, /* perhaps another's: the desk says whose */
        {"1.3.5", "R2", "R2", "", ""},
        {"1.3.6", "110105199001011234", "", "", ""},
        {"1.3.7", "R1", "", "M", ""},
        {"1.3.8", "", "", "", "19700101"},
    };
    struct read_order order = {.tenant = "T1",
                               .registration = "R1",
                               .accession = "R1",
                               .patient_id = "11010519491231002X",
                               .sex = "F",
                               .birth = "19491231",
                               .actor = "desk:d"};

    (void)state;
    for (int is_before = 0; is_before < 2; is_before++) { /* the order, or the images first */
        if (is_before == 0) {
            order.registration = order.accession = order.patient_id = "R2";
            put(&order);
            order.registration = order.accession = "R1";
            order.patient_id = "11010519491231002X";
            put(&order);
        }
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            read_world_study(table[i].study, table[i].patient_id, "CT");
            read_world_accession(table[i].study, "R1");
            read_world_names(table[i].study, "", table[i].birth, table[i].sex);
            if (is_before == 0)
                read_world_closes(&w, "T1", table[i].study, 1, 1);
        }
        read_world_settle(&w);
        if (is_before == 1) {
            read_world_count(&w, "UPDATE reads SET registration = NULL");
            put(&order);
        }
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            struct read_row row = read_of("T1", table[i].study);
            const char *wanted = table[i].wanted;

            if (is_before == 1 && strcmp(wanted, "R2") == 0)
                wanted = ""; /* only R1 is told again */
            if (strcmp(row.registration, wanted) != 0)
                fail_msg("%s, round %d: wanted '%s', got '%s'", table[i].study, is_before, wanted,
                         row.registration);
        }
    }
}

static void *
take_in(void *arg)
{
    struct err *err = arg;

    if (intake_step(w.assign, 0, err) == 0)
        err->text[0] = '\0';
    return NULL;
}

/* The read is being made while the registration's transaction is not committed. */
static void
a_registration_and_a_read_of_the_same_moment_find_one_another(void **state)
{
    struct read_order order = {
        .tenant = "T1", .registration = "R1", .study = "1.2.3", .actor = "desk:d"};
    struct pg_conn *conn = NULL;
    struct err err, taken;
    pthread_t thread;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_order_put(conn, &order, &err));
    assert_int_equal(pthread_create(&thread, NULL, take_in, &taken), 0);
    while (read_world_count(&w, "SELECT count(*) FROM pg_locks WHERE NOT granted OR "
                                "EXISTS (SELECT FROM reads)") == 0)
        ; /* it waits for the clinic's lock, or has gone past it */
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_string_equal(taken.text, "");
    assert_string_equal(read_of("T1", "1.2.3").registration, "R1");
}

static void *
register_it(void *arg)
{
    struct read_order order = {
        .tenant = "T1", .registration = "R1", .study = "1.2.4", .actor = "desk:d"};
    struct pg_conn *conn = NULL;
    struct err *err = arg;

    if (pg_get(w.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        assign_order_put(conn, &order, err) == 0 && pg_commit(conn, err) == 0)
        err->text[0] = '\0';
    pg_put(&conn);
    return NULL;
}

/* A doctor has the row of the second study and writes to the log; the registration leaves the first
 * study, which writes to the log, and comes to the second. */
static void
a_registration_that_moves_does_not_block_a_doctor_who_signs(void **state)
{
    struct pg_conn *conn = NULL;
    struct pg_rows *rows = NULL;
    struct err err, moved;
    pthread_t thread;
    int64_t second;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_closes(&w, "T1", "1.2.4", 1, 30);
    read_world_settle(&w);
    put_order("R1", "1.2.3", false);
    second = read_of("T1", "1.2.4").read_id;
    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(pg_run(conn, "assign_lock", PG_ARGS(PG_INT(second)), &rows, &err));
    pg_rows_free(&rows);
    assert_int_equal(pthread_create(&thread, NULL, register_it, &moved), 0);
    while (read_world_count(&w, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
        ; /* it waits for the row */
    OK(assign_note(conn, second, "doc1", READ_NOTE_SHOWN, NULL, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_string_equal(moved.text, "");
    assert_string_equal(read_of("T1", "1.2.4").registration, "R1");
    assert_string_equal(read_of("T1", "1.2.3").registration, "");
}

/* A doctor's word, while the desk's is being said of the same study. */
static void *
raise_it(void *arg)
{
    const struct read_urgency raise = {
        .actor = "doc1", .by = "王医生", .org = "H", .reason = "脑出血", .is_emergency = true};
    struct pg_conn *conn = NULL;
    struct err *err = arg;

    if (pg_get(w.pg, &conn, err) == 0 && pg_begin(conn, err) == 0 &&
        assign_urgency_put(conn, read_of("T1", "1.2.3").read_id, &raise, err) == 0 &&
        pg_commit(conn, err) == 0)
        err->text[0] = '\0';
    pg_put(&conn);
    return NULL;
}

/* The desk has said its first word, which holds the study's urgency, and comes to the read when the
 * doctor waits. */
static void
a_desk_and_a_doctor_who_say_an_emergency_do_not_end_one_another(void **state)
{
    const struct read_urgency said = {
        .actor = "desk:d", .by = "张", .org = "", .reason = "误标", .is_clinics = true};
    struct pg_conn *conn = NULL;
    struct err err, raised;
    pthread_t thread;

    (void)state;
    read_world_closes(&w, "T1", "1.2.3", 1, 30);
    read_world_settle(&w);
    for (uint32_t i = 0; i < 5; i++) {
        OK(pg_get(w.pg, &conn, &err));
        OK(pg_begin(conn, &err));
        OK(pg_run(conn, "order_lock_tenant", PG_ARGS(PG_TEXT("T1")), NULL, &err));
        OK(pg_run(conn, "urgency_told",
                  PG_ARGS(PG_TEXT("T1"), PG_TEXT("1.2.3"), PG_INT(2 * i + 1), PG_BOOL(false),
                          PG_TEXT(said.reason), PG_TEXT(said.by), PG_TEXT(said.actor),
                          PG_INT(clock_wall_us())),
                  NULL, &err));
        assert_int_equal(pthread_create(&thread, NULL, raise_it, &raised), 0);
        while (read_world_count(&w, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
            ; /* it waits */
        OK(assign_study_urgency(conn, "T1", "1.2.3", 2 * i + 2, &said, &err));
        OK(pg_commit(conn, &err));
        pg_put(&conn);
        assert_int_equal(pthread_join(thread, NULL), 0);

        assert_string_equal(raised.text, "");
        assert_true(read_of("T1", "1.2.3").is_emergency); /* the doctor's came after */
        read_world_count(&w, "UPDATE reads SET is_emergency = false");
    }
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
    row = a_read();
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

static void
the_example_in_the_manual_is_taken_in_twice(void **state)
{
    FILE *f = fopen("docs/formats/load.md", "re");
    static char text[65536];
    char *begin, *end;

    (void)state;
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    begin = strstr(text, "```json\n");
    assert_non_null(begin);
    begin += strlen("```json\n");
    end = strstr(begin, "```");
    assert_non_null(end);
    *end = '\0';
    read_world_load(&w, begin);
    read_world_load(&w, begin);

    read_world_closes(&w, "220281-07", "1.2.3", 1, 2);
    assert_string_equal(settled("220281-07", "1.2.3").assigned_to, "wang.doctor");
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM agreements WHERE code LIKE 'QS%' "
                                          "AND position('\"valid_until\":\"2029-01-01T' IN "
                                          "canonical) > 0"),
                     1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_closed_list_makes_one_read_and_a_doctor_is_chosen_with_a_reason),
        CASE(events_told_again_make_nothing_twice),
        CASE(what_no_agreement_covers_is_kept_and_said),
        CASE(a_study_with_a_modality_beside_the_agreement_is_not_covered),
        CASE(an_agreement_that_comes_later_covers_what_waits),
        CASE(a_registration_is_attached_before_or_after_the_study_came),
        CASE(a_registration_moved_to_another_study_leaves_the_first),
        CASE(what_the_images_say_and_what_was_registered_stand_side_by_side),
        CASE(an_accession_number_does_not_outweigh_another_patients_number),
        CASE(a_registration_and_a_read_of_the_same_moment_find_one_another),
        CASE(a_registration_that_moves_does_not_block_a_doctor_who_signs),
        CASE(a_desk_and_a_doctor_who_say_an_emergency_do_not_end_one_another),
        CASE(a_file_is_loaded_whole_or_not_at_all),
        CASE(the_agreement_is_the_same_bytes_whatever_its_order),
        CASE(the_example_in_the_manual_is_taken_in_twice),
    };

    RUN_CASES(tests);
}
