/* Claims about the patient's door: who has slip and phone comes in, everybody else gets one answer
 * in one time whether anything exists or not, and guessing locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/support/patient_world.h"
#include "tests/support/reader_db.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REFUSED                                                                                    \
    "{\"error\":\"The code is not right, or its time is over. Please ask for a new one.\"}"
enum { SLIPS = 60, GUESSES = 10000, GUESSES_SHORT = 1500 };

static struct reader_db db;

/* ---- the world ---- */

static int
start(void **state)
{
    (void)state;
    log_set_fd(-1);
    reader_db_start(&db);
    if (db.pg != NULL)
        patient_world_open(db.pg, NULL, NULL);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    clock_unfake();
    if (db.pg != NULL)
        patient_world_close();
    reader_db_stop(&db);
    return 0;
}

static const char *
another(const char *otp)
{
    return strcmp(otp, "123456") == 0 ? "654321" : "123456";
}

static int64_t
ask(const char *sql)
{
    PGconn *conn = PQconnectdb(db.conninfo);
    PGresult *result = PQexec(conn, sql);
    int64_t n = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;

    PQclear(result);
    PQfinish(conn);
    return n;
}

/* ---- claims ---- */

static void
slip_and_phone_open_a_session_that_ends(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7], csrf[65], cookie[65] = "", text[1024];
    struct patient_answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R1", "13800000001", true, code);

    a = patient_world_open_with(code, "10.1.0.1", challenge);
    assert_int_equal(a.status, 200);
    patient_world_read_otp("13800000001", otp);
    a = patient_world_enter_with(challenge, another(otp), "10.1.0.1");
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    a = patient_world_enter_with(challenge, otp, "10.1.0.1");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.cookie, "HttpOnly; SameSite=Strict"));
    patient_world_field(&a, "csrf", csrf, sizeof csrf);
    assert_int_equal(sscanf(a.cookie, "rp_patient=%64[0-9a-f]", cookie), 1);

    /* a challenge lets in once */
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.0.1").status, 403);
    a = patient_world_call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL);
    assert_int_equal(a.status, 200);
    patient_world_field(&a, "status", text, sizeof text);
    assert_string_equal(text, "none");
    assert_int_equal(patient_world_call("GET", "/api/v1/exam", NULL, NULL, NULL, NULL).status, 401);
    assert_int_equal(
        patient_world_call("GET", "/api/v1/report.pdf", NULL, NULL, cookie, NULL).status, 404);
    assert_int_equal(patient_world_call("GET", "/api/v1/images", NULL, NULL, cookie, NULL).status,
                     404);
    assert_int_equal(patient_world_call("POST", "/api/v1/leave", "{}", NULL, cookie, NULL).status,
                     403);
    assert_int_equal(patient_world_call("POST", "/api/v1/leave", "{}", NULL, cookie, csrf).status,
                     200);
    assert_int_equal(patient_world_call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL).status,
                     401);
}

static void
a_new_slip_ends_the_old_one_and_its_sessions(void **state)
{
    char code[SLIP_TEXT_BYTES], second[SLIP_TEXT_BYTES], challenge[33], otp[7], cookie[65],
        text[99];
    struct patient_answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R2", "13800000002", true, code);
    (void)patient_world_open_with(code, "10.1.0.2", challenge);
    patient_world_read_otp("13800000002", otp);
    a = patient_world_enter_with(challenge, otp, "10.1.0.2");
    assert_int_equal(sscanf(a.cookie, "rp_patient=%64[0-9a-f]", cookie), 1);

    patient_world_print_slip("R2", "13800000002", true, second);

    assert_int_equal(patient_world_call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL).status,
                     401);
    assert_int_equal(patient_world_open_with(code, "10.1.0.2", challenge).status, 200);
    assert_false(patient_world_read_text("13800000002", text, sizeof text, 1500));
    (void)patient_world_open_with(second, "10.1.0.2", challenge);
    patient_world_read_otp("13800000002", otp);
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.0.2").status, 200);
}

static void
a_phone_nobody_verified_gets_no_code_until_it_is(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7], text[64];
    struct pg_conn *conn;
    struct err err = {0};
    bool is_sent = false, is_right = true;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R3", "13800000003", false, code);
    assert_int_equal(patient_world_open_with(code, "10.1.0.3", challenge).status, 200);
    assert_false(patient_world_read_text("13800000003", text, sizeof text, 1500));

    conn = patient_world_begin();
    assert_int_equal(patient_phone_code(conn, "T1", "R3", "13800000003", &is_sent, &err), 0);
    patient_world_commit(conn);
    assert_true(is_sent);
    patient_world_read_otp("13800000003", otp);
    conn = patient_world_begin();
    assert_int_equal(
        patient_phone_check(conn, "T1", "R3", "13800000003", another(otp), &is_right, &err), 0);
    assert_false(is_right);
    assert_int_equal(patient_phone_check(conn, "T1", "R3", "13800000009", otp, &is_right, &err), 0);
    assert_false(is_right);
    assert_int_equal(patient_phone_check(conn, "T1", "R3", "13800000003", otp, &is_right, &err), 0);
    assert_true(is_right);
    patient_world_commit(conn);

    (void)patient_world_open_with(code, "10.1.0.3", challenge);
    patient_world_read_otp("13800000003", otp);
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.0.3").status, 200);
}

static void
codes_to_a_phone_are_few_an_hour(void **state)
{
    struct pg_conn *conn = NULL;
    struct err err = {0};
    bool is_sent = true;
    int sent = 0;

    (void)state;
    if (db.pg == NULL)
        skip();
    conn = patient_world_begin();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(patient_phone_code(conn, "T1", "R4", "13800000004", &is_sent, &err), 0);
        sent += is_sent;
    }
    patient_world_commit(conn);

    assert_int_equal(sent, 6);
    conn = patient_world_begin();
    assert_int_equal(patient_phone_code(conn, "T1", "R4", "1380; rm", &is_sent, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    pg_put(&conn);
}

static void
wrong_tries_lock_with_the_same_answer_and_the_lock_ends(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7];
    int64_t now_us = clock_wall_us();
    struct patient_answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R5", "13800000005", true, code);
    clock_fake(now_us, clock_mono_ms());
    (void)patient_world_open_with(code, "10.1.0.5", challenge);
    patient_world_read_otp("13800000005", otp);
    for (int i = 0; i < 4; i++)
        assert_int_equal(patient_world_enter_with(challenge, another(otp), "10.1.0.5").status, 403);
    /* another challenge: the code is counted, not the challenge */
    (void)patient_world_open_with(code, "10.1.0.6", challenge);
    patient_world_read_otp("13800000005", otp);
    assert_int_equal(patient_world_enter_with(challenge, another(otp), "10.1.0.6").status, 403);

    a = patient_world_enter_with(challenge, otp, "10.1.0.7"); /* right, from anywhere, and yet */
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    assert_int_equal(patient_world_open_with(code, "10.1.0.7", challenge).status, 200);

    clock_fake_advance(901 * 1000);
    (void)patient_world_open_with(code, "10.1.0.7", challenge);
    patient_world_read_otp("13800000005", otp);
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.0.7").status, 200);
    clock_unfake();
}

/* A lock, or a text, that was put down while the clock was ahead does not last until that date. */
static void
what_a_clock_ahead_locked_is_open_and_what_it_put_off_is_sent(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7], text[512];
    int64_t ahead_us = INT64_C(200) * 86400 * 1000000, then_us;
    char put_off[400];

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R51", "13800000051", true, code);
    clock_fake(clock_wall_us() + ahead_us, clock_mono_ms());
    (void)patient_world_open_with(code, "10.1.5.1", challenge);
    patient_world_read_otp("13800000051", otp);
    for (int i = 0; i < 5; i++)
        assert_int_equal(patient_world_enter_with(challenge, another(otp), "10.1.5.1").status, 403);
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.5.1").status, 403);
    clock_unfake();

    patient_world_come_in(code, "13800000051", text);

    then_us = clock_wall_us() + ahead_us;
    snprintf(put_off, sizeof put_off,
             "INSERT INTO patient_message (cause, kind, phone, code, at_us, until_us, next_at_us) "
             "VALUES ('ahead', 'signed', '13800000052', '', %lld, %lld, %lld)",
             (long long)then_us, (long long)then_us + 86400000000, (long long)then_us);
    (void)ask(put_off);
    assert_true(patient_world_read_text("13800000052", text, sizeof text, 20000));
}

static void
an_address_that_guesses_is_locked_out_of_a_right_code(void **state)
{
    char code[SLIP_TEXT_BYTES], none[SLIP_TEXT_BYTES], challenge[33], otp[7];
    int64_t now_us = clock_wall_us();
    struct patient_answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R6", "13800000006", true, code);
    clock_fake(now_us, clock_mono_ms());
    (void)patient_world_open_with(code, "2001:db8:1:2::77", challenge);
    patient_world_read_otp("13800000006", otp);
    for (int i = 0; i < 100; i++) {
        char other[33], address[64];

        slip_new(none);
        (void)snprintf(address, sizeof address, "2001:db8:1:2::%x", i + 1);
        (void)patient_world_open_with(none, address, other);
        assert_int_equal(patient_world_enter_with(other, "000000", address).status, 403);
    }

    a = patient_world_enter_with(challenge, otp, "2001:db8:1:2::77");
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    (void)patient_world_open_with(code, "2001:db8:1:3::77",
                                  challenge); /* the network beside it is not locked */
    patient_world_read_otp("13800000006", otp);
    assert_int_equal(patient_world_enter_with(challenge, otp, "2001:db8:1:3::77").status, 200);
    clock_unfake();
}

static void
what_is_no_code_gets_the_same_answer(void **state)
{
    static const char *const typed[] = {
        "",         "1",           "AAAA-AAAA-AAAA-AAAA",
        "取报告码", "' OR 1=1 --", "0000-0000-0000-0000-0000-0000-0000"};
    char challenge[33];

    (void)state;
    if (db.pg == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(typed); i++) {
        struct patient_answer a = patient_world_open_with(typed[i], "10.1.0.8", challenge);

        assert_int_equal(a.status, 200);
        assert_int_equal(strlen(a.body), 48);
        a = patient_world_enter_with(challenge, "000000", "10.1.0.8");
        assert_int_equal(a.status, 403);
        assert_string_equal(a.body, REFUSED);
    }
    assert_int_equal(patient_world_enter_with("no challenge of ours", "000000", "10.1.0.8").status,
                     403);
    assert_int_equal(
        patient_world_call("POST", "/api/v1/open", "{}", "10.1.0.8", NULL, NULL).status, 400);
}

/* The post is stopped while one address floods: its rows have a limit, and who has a slip is looked
 * at first. */
static void
a_flood_from_an_address_delays_nobody(void **state)
{
    char code[SLIP_TEXT_BYTES], none[SLIP_TEXT_BYTES], challenge[33], other[33], otp[7];
    PGconn *holder;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R10", "13800000010", true, code);
    holder = PQconnectdb(db.conninfo);
    PQclear(PQexec(holder, "BEGIN"));
    PQclear(PQexec(holder, "LOCK TABLE patient_slip IN ACCESS EXCLUSIVE MODE"));
    for (int i = 0; i < 210; i++) {
        slip_new(none);
        assert_int_equal(patient_world_open_with(none, "10.1.0.10", other).status, 200);
        assert_int_equal(strlen(other), 32);
    }
    assert_int_equal(ask("SELECT count(*) FROM patient_challenge WHERE address = '10.1.0.10'"),
                     200);
    assert_int_equal(patient_world_open_with(code, "10.1.0.11", challenge).status, 200);
    PQfinish(holder);

    patient_world_read_otp("13800000010", otp);
    assert_int_equal(patient_world_enter_with(challenge, otp, "10.1.0.11").status, 200);
    assert_int_equal(patient_world_enter_with(other, "000000", "10.1.0.10").status, 403);
}

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double
median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

static double
ms_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
ten_thousand_guesses_learn_nothing(void **state)
{
    static double opens[2][GUESSES], enters[2][GUESSES];
    static char codes[SLIPS][SLIP_TEXT_BYTES];
    const char *is_long = getenv("RADPOST_LONG"); /* tests/run --long */
    int guesses = is_long != NULL && is_long[0] == '1' ? GUESSES : GUESSES_SHORT;
    size_t counts[2] = {0, 0};
    double open_gap, enter_gap;

    (void)state;
    if (db.pg == NULL)
        skip();
    for (int i = 0; i < SLIPS; i++) {
        char registration[16], phone[16];

        (void)snprintf(registration, sizeof registration, "G%d", i);
        (void)snprintf(phone, sizeof phone, "139%08d", i);
        patient_world_print_slip(registration, phone, true, codes[i]);
    }

    for (int i = 0; i < guesses; i++) {
        char none[SLIP_TEXT_BYTES], challenge[33], address[32];
        bool is_there = i % 2 != 0;
        double began = ms_now(), middle;
        struct patient_answer a;

        slip_new(none);
        (void)snprintf(address, sizeof address, "10.%d.%d.%d", 2 + i % 3, i / 150 % 250,
                       i / 7 % 20);
        a = patient_world_open_with(is_there ? codes[i / 2 % SLIPS] : none, address, challenge);
        if (a.status != 200 || strlen(a.body) != 48 || a.cookie[0] != '\0')
            fail_msg("guess %d: open %d %s", i, a.status, a.body);
        middle = ms_now();
        a = patient_world_enter_with(challenge, "no-otp", address);
        if (a.status != 403 || strcmp(a.body, REFUSED) != 0 || a.cookie[0] != '\0')
            fail_msg("guess %d: enter %d %s", i, a.status, a.body);
        opens[is_there][counts[is_there]] = middle - began;
        enters[is_there][counts[is_there]++] = ms_now() - middle;
    }

    open_gap = median(opens[1], counts[1]) - median(opens[0], counts[0]);
    enter_gap = median(enters[1], counts[1]) - median(enters[0], counts[0]);
    print_message("%d guesses; open: median %.3f ms with a slip, %.3f without; enter: %.3f, %.3f\n",
                  guesses, opens[1][counts[1] / 2], opens[0][counts[0] / 2],
                  enters[1][counts[1] / 2], enters[0][counts[0] / 2]);
    assert_true(open_gap < 5 && open_gap > -5);
    assert_true(enter_gap < 5 && enter_gap > -5);
}

static void
news_reach_a_phone_once_a_version_without_saying_what(void **state)
{
    char code[SLIP_TEXT_BYTES], text[1024];
    struct pg_conn *conn;
    struct err err = {0};
    bool is_due = false, is_told = true;

    (void)state;
    if (db.pg == NULL)
        skip();
    patient_world_print_slip("R9", "13800000009", true, code);
    conn = patient_world_begin();
    assert_int_equal(patient_slip_attach(conn, "T1", "R9", "1.2.9", &err), 0);
    assert_int_equal(patient_is_told(conn, "T1", "1.2.9", 1, &is_told, &err), 0);
    assert_false(is_told);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_true(is_due);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_false(is_due);
    assert_int_equal(patient_notify(conn, "T2", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_false(is_due);
    patient_world_commit(conn);

    assert_true(patient_world_read_text("13800000009", text, sizeof text, 10000));
    assert_non_null(strstr(text, "已签发"));
    assert_non_null(strstr(text, "https://report.example"));
    assert_false(patient_world_read_text("13800000009", text, sizeof text, 1000));
    conn = patient_world_begin();
    assert_int_equal(patient_is_told(conn, "T1", "1.2.9", 1, &is_told, &err), 0);
    assert_true(is_told);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_WITHDRAWN, &is_due, &err), 0);
    assert_true(is_due);
    patient_world_commit(conn);
    assert_true(patient_world_read_text("13800000009", text, sizeof text, 10000));
    assert_non_null(strstr(text, "已作废"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slip_and_phone_open_a_session_that_ends),
        cmocka_unit_test(a_new_slip_ends_the_old_one_and_its_sessions),
        cmocka_unit_test(a_phone_nobody_verified_gets_no_code_until_it_is),
        cmocka_unit_test(codes_to_a_phone_are_few_an_hour),
        cmocka_unit_test(wrong_tries_lock_with_the_same_answer_and_the_lock_ends),
        cmocka_unit_test(what_a_clock_ahead_locked_is_open_and_what_it_put_off_is_sent),
        cmocka_unit_test(an_address_that_guesses_is_locked_out_of_a_right_code),
        cmocka_unit_test(what_is_no_code_gets_the_same_answer),
        cmocka_unit_test(a_flood_from_an_address_delays_nobody),
        cmocka_unit_test(news_reach_a_phone_once_a_version_without_saying_what),
        cmocka_unit_test(ten_thousand_guesses_learn_nothing),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
