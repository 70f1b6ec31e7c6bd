/* Claims about the patient's door: who has slip and phone comes in, everybody else gets one answer
 * in one time whether anything exists or not, and guessing locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "proto/model/slip.h"
#include "reader/deliver/patient_own.h"
#include "tests/support/folder.h"
#include "tests/support/reader_db.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define REFUSED                                                                                    \
    "{\"error\":\"The code is not right, or its time is over. Please ask for a new one.\"}"
enum { SLIPS = 60, GUESSES = 10000, GUESSES_SHORT = 1500 };

static struct reader_db db;
static struct patient *door;
static struct http_server *server;
static struct http_client *client;
static char outbox[FOLDER_PATH_BYTES];
static int watch = -1;

/* ---- the world ---- */

static int
start(void **state)
{
    struct patient_options o = {.patient_url = "https://report.example", .outbox_dir = outbox};
    struct http_options h = {
        .address = "127.0.0.1", .name = "test/patient", .hosts = "report.example"};
    struct http_client_options c = {0};
    static struct http_table table;
    static char url[64];
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    reader_db_start(&db);
    if (db.pg == NULL)
        return 0;
    folder_make("outbox", outbox);
    watch = inotify_init1(IN_CLOEXEC);
    (void)inotify_add_watch(watch, outbox, IN_MOVED_TO);
    o.pg = db.pg;
    if (patient_open(&o, &door, &err) < 0)
        fail_msg("%s", err.text);
    table = patient_table(door);
    h.tables = &table;
    h.table_count = 1;
    h.authorise = patient_authorise;
    h.authorise_user = door;
    if (http_server_start(&h, &server, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    c.base_url = url;
    if (http_client_new(&c, &client, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    clock_unfake();
    if (db.pg != NULL) {
        http_client_free(&client);
        http_server_stop(&server);
        patient_close(&door);
        close(watch);
        folder_remove(outbox);
    }
    reader_db_stop(&db);
    return 0;
}

static struct pg_conn *
begin(void)
{
    struct pg_conn *conn = NULL;
    struct err err = {0};

    if (pg_get(db.pg, &conn, &err) < 0 || pg_begin(conn, &err) < 0)
        fail_msg("%s", err.text);
    return conn;
}

static void
commit(struct pg_conn *conn)
{
    struct err err = {0};

    if (pg_commit(conn, &err) < 0)
        fail_msg("%s", err.text);
    pg_put(&conn);
    patient_wake(door);
}

/* A slip for a registration; its code as printed. */
static void
print_slip(const char *registration, const char *phone, bool is_verified,
           char code[SLIP_TEXT_BYTES])
{
    struct patient_slip slip = {.tenant = "T1",
                                .registration = registration,
                                .phone = phone,
                                .phone_is_verified = is_verified,
                                .study = ""};
    struct pg_conn *conn = begin();
    struct err err = {0};

    slip_new(code);
    slip_digest(code, slip.code);
    if (patient_slip_put(conn, &slip, &err) < 0)
        fail_msg("%s", err.text);
    commit(conn);
}

/* ---- calls ---- */

struct answer {
    int status;
    char body[2048];
    char cookie[160];
};

static struct answer
call(const char *method, const char *path, const char *body, const char *address,
     const char *cookie, const char *csrf)
{
    char from[96], with[200], word[120];
    const char *headers[4] = {NULL};
    struct http_call what = {.method = method, .path = path, .headers = headers};
    struct http_reply reply;
    struct answer a = {0};
    struct err err = {0};
    size_t n = 0;

    if (address != NULL) {
        (void)snprintf(from, sizeof from, "X-Forwarded-For: %s", address);
        headers[n++] = from;
    }
    if (cookie != NULL) {
        (void)snprintf(with, sizeof with, "Cookie: rp_patient=%s", cookie);
        headers[n++] = with;
    }
    if (csrf != NULL) {
        (void)snprintf(word, sizeof word, "X-Radpost-CSRF: %s", csrf);
        headers[n++] = word;
    }
    if (body != NULL) {
        what.body = body;
        what.body_n = strlen(body);
        what.content_type = "application/json";
    }
    if (http_client_call(client, &what, &reply, &err) < 0)
        fail_msg("%s", err.text);
    a.status = reply.status;
    (void)snprintf(a.body, sizeof a.body, "%s", buf_text(&reply.body));
    (void)http_reply_find(&reply, "Set-Cookie", a.cookie, sizeof a.cookie);
    http_reply_fini(&reply);
    return a;
}

static void
field(const struct answer *a, const char *key, char *out, size_t size)
{
    struct json_doc *doc = NULL;
    const char *text = NULL;
    struct err err = {0};

    if (json_parse(a->body, strlen(a->body), &doc, &err) < 0 ||
        json_text(json_root(doc), key, size - 1, &text, &err) < 0)
        fail_msg("%d %s: %s", a->status, a->body, err.text);
    (void)snprintf(out, size, "%s", text);
    json_free(&doc);
}

static struct answer
open_with(const char *code, const char *address, char challenge[33])
{
    char body[256];
    struct answer a;

    (void)snprintf(body, sizeof body, "{\"code\":\"%s\"}", code);
    a = call("POST", "/api/v1/open", body, address, NULL, NULL);
    field(&a, "challenge", challenge, 33);
    return a;
}

static struct answer
enter_with(const char *challenge, const char *otp, const char *address)
{
    char body[256];

    (void)snprintf(body, sizeof body, "{\"challenge\":\"%s\",\"otp\":\"%s\"}", challenge, otp);
    return call("POST", "/api/v1/enter", body, address, NULL, NULL);
}

/* The number in the newest text to this phone; waits for it. It is gone from the outbox then. */
static bool
read_text(const char *phone, char *out_text, size_t size, int wait_ms)
{
    int64_t until_ms = wait_ms + clock_mono_ms();
    struct timespec began, now;

    (void)until_ms;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (;;) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        DIR *dir = opendir(outbox);
        char path[FOLDER_PATH_BYTES + 300], line[1024], to[64];
        bool is_found = false;

        (void)snprintf(to, sizeof to, "\"to\":\"%s\"", phone);
        for (struct dirent *e; !is_found && (e = readdir(dir)) != NULL;) {
            FILE *f;

            if (strstr(e->d_name, ".txt") == NULL)
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", outbox, e->d_name);
            f = fopen(path, "re");
            is_found = fgets(line, sizeof line, f) != NULL && strstr(line, to) != NULL;
            fclose(f);
        }
        closedir(dir);
        if (is_found) {
            (void)unlink(path);
            (void)snprintf(out_text, size, "%s", line);
            return true;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - began.tv_sec) * 1000 >= wait_ms)
            return false;
        if (poll(&p, 1, 500) > 0) {
            char events[4096];

            (void)!read(watch, events, sizeof events);
        }
    }
}

static void
read_otp(const char *phone, char otp[7])
{
    char text[1024];
    const char *at;

    if (!read_text(phone, text, sizeof text, 10000))
        fail_msg("no text came to %s", phone);
    at = strstr(text, "验证码 ");
    assert_non_null(at);
    (void)snprintf(otp, 7, "%s", at + strlen("验证码 "));
    assert_int_equal(strspn(otp, "0123456789"), 6);
}

static const char *
another(const char *otp)
{
    return strcmp(otp, "123456") == 0 ? "654321" : "123456";
}

/* ---- claims ---- */

static void
slip_and_phone_open_a_session_that_ends(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7], csrf[65], cookie[65] = "", text[1024];
    struct answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    print_slip("R1", "13800000001", true, code);

    a = open_with(code, "10.1.0.1", challenge);
    assert_int_equal(a.status, 200);
    read_otp("13800000001", otp);
    a = enter_with(challenge, another(otp), "10.1.0.1");
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    a = enter_with(challenge, otp, "10.1.0.1");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.cookie, "HttpOnly; SameSite=Strict"));
    field(&a, "csrf", csrf, sizeof csrf);
    assert_int_equal(sscanf(a.cookie, "rp_patient=%64[0-9a-f]", cookie), 1);

    /* a challenge lets in once */
    assert_int_equal(enter_with(challenge, otp, "10.1.0.1").status, 403);
    a = call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL);
    assert_int_equal(a.status, 200);
    field(&a, "status", text, sizeof text);
    assert_string_equal(text, "none");
    assert_int_equal(call("GET", "/api/v1/exam", NULL, NULL, NULL, NULL).status, 401);
    assert_int_equal(call("GET", "/api/v1/report.pdf", NULL, NULL, cookie, NULL).status, 404);
    assert_int_equal(call("GET", "/api/v1/images", NULL, NULL, cookie, NULL).status, 404);
    assert_int_equal(call("POST", "/api/v1/leave", "{}", NULL, cookie, NULL).status, 403);
    assert_int_equal(call("POST", "/api/v1/leave", "{}", NULL, cookie, csrf).status, 200);
    assert_int_equal(call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL).status, 401);
}

static void
a_new_slip_ends_the_old_one_and_its_sessions(void **state)
{
    char code[SLIP_TEXT_BYTES], second[SLIP_TEXT_BYTES], challenge[33], otp[7], cookie[65],
        text[99];
    struct answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    print_slip("R2", "13800000002", true, code);
    (void)open_with(code, "10.1.0.2", challenge);
    read_otp("13800000002", otp);
    a = enter_with(challenge, otp, "10.1.0.2");
    assert_int_equal(sscanf(a.cookie, "rp_patient=%64[0-9a-f]", cookie), 1);

    print_slip("R2", "13800000002", true, second);

    assert_int_equal(call("GET", "/api/v1/exam", NULL, NULL, cookie, NULL).status, 401);
    assert_int_equal(open_with(code, "10.1.0.2", challenge).status, 200);
    assert_false(read_text("13800000002", text, sizeof text, 1500));
    (void)open_with(second, "10.1.0.2", challenge);
    read_otp("13800000002", otp);
    assert_int_equal(enter_with(challenge, otp, "10.1.0.2").status, 200);
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
    print_slip("R3", "13800000003", false, code);
    assert_int_equal(open_with(code, "10.1.0.3", challenge).status, 200);
    assert_false(read_text("13800000003", text, sizeof text, 1500));

    conn = begin();
    assert_int_equal(patient_phone_code(conn, "T1", "R3", "13800000003", &is_sent, &err), 0);
    commit(conn);
    assert_true(is_sent);
    read_otp("13800000003", otp);
    conn = begin();
    assert_int_equal(
        patient_phone_check(conn, "T1", "R3", "13800000003", another(otp), &is_right, &err), 0);
    assert_false(is_right);
    assert_int_equal(patient_phone_check(conn, "T1", "R3", "13800000009", otp, &is_right, &err), 0);
    assert_false(is_right);
    assert_int_equal(patient_phone_check(conn, "T1", "R3", "13800000003", otp, &is_right, &err), 0);
    assert_true(is_right);
    commit(conn);

    (void)open_with(code, "10.1.0.3", challenge);
    read_otp("13800000003", otp);
    assert_int_equal(enter_with(challenge, otp, "10.1.0.3").status, 200);
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
    conn = begin();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(patient_phone_code(conn, "T1", "R4", "13800000004", &is_sent, &err), 0);
        sent += is_sent;
    }
    commit(conn);

    assert_int_equal(sent, 6);
    conn = begin();
    assert_int_equal(patient_phone_code(conn, "T1", "R4", "1380; rm", &is_sent, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    pg_put(&conn);
}

static void
wrong_tries_lock_with_the_same_answer_and_the_lock_ends(void **state)
{
    char code[SLIP_TEXT_BYTES], challenge[33], otp[7];
    int64_t now_us = clock_wall_us();
    struct answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    print_slip("R5", "13800000005", true, code);
    clock_fake(now_us, clock_mono_ms());
    (void)open_with(code, "10.1.0.5", challenge);
    read_otp("13800000005", otp);
    for (int i = 0; i < 4; i++)
        assert_int_equal(enter_with(challenge, another(otp), "10.1.0.5").status, 403);
    /* another challenge: the code is counted, not the challenge */
    (void)open_with(code, "10.1.0.6", challenge);
    read_otp("13800000005", otp);
    assert_int_equal(enter_with(challenge, another(otp), "10.1.0.6").status, 403);

    a = enter_with(challenge, otp, "10.1.0.7"); /* right, from anywhere, and yet */
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    assert_int_equal(open_with(code, "10.1.0.7", challenge).status, 200);

    clock_fake_advance(901 * 1000);
    (void)open_with(code, "10.1.0.7", challenge);
    read_otp("13800000005", otp);
    assert_int_equal(enter_with(challenge, otp, "10.1.0.7").status, 200);
    clock_unfake();
}

static void
an_address_that_guesses_is_locked_out_of_a_right_code(void **state)
{
    char code[SLIP_TEXT_BYTES], none[SLIP_TEXT_BYTES], challenge[33], otp[7];
    int64_t now_us = clock_wall_us();
    struct answer a;

    (void)state;
    if (db.pg == NULL)
        skip();
    print_slip("R6", "13800000006", true, code);
    clock_fake(now_us, clock_mono_ms());
    (void)open_with(code, "2001:db8:1:2::77", challenge);
    read_otp("13800000006", otp);
    for (int i = 0; i < 100; i++) {
        char other[33], address[64];

        slip_new(none);
        (void)snprintf(address, sizeof address, "2001:db8:1:2::%x", i + 1);
        (void)open_with(none, address, other);
        assert_int_equal(enter_with(other, "000000", address).status, 403);
    }

    a = enter_with(challenge, otp, "2001:db8:1:2::77");
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, REFUSED);
    (void)open_with(code, "2001:db8:1:3::77", challenge); /* the network beside it is not locked */
    read_otp("13800000006", otp);
    assert_int_equal(enter_with(challenge, otp, "2001:db8:1:3::77").status, 200);
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
        struct answer a = open_with(typed[i], "10.1.0.8", challenge);

        assert_int_equal(a.status, 200);
        assert_int_equal(strlen(a.body), 48);
        a = enter_with(challenge, "000000", "10.1.0.8");
        assert_int_equal(a.status, 403);
        assert_string_equal(a.body, REFUSED);
    }
    assert_int_equal(enter_with("no challenge of ours", "000000", "10.1.0.8").status, 403);
    assert_int_equal(call("POST", "/api/v1/open", "{}", "10.1.0.8", NULL, NULL).status, 400);
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
        print_slip(registration, phone, true, codes[i]);
    }

    for (int i = 0; i < guesses; i++) {
        char none[SLIP_TEXT_BYTES], challenge[33], address[32];
        bool is_there = i % 2 != 0;
        double began = ms_now(), middle;
        struct answer a;

        slip_new(none);
        (void)snprintf(address, sizeof address, "10.%d.%d.%d", 2 + i % 3, i / 150 % 250,
                       i / 7 % 20);
        a = open_with(is_there ? codes[i / 2 % SLIPS] : none, address, challenge);
        if (a.status != 200 || strlen(a.body) != 48 || a.cookie[0] != '\0')
            fail_msg("guess %d: open %d %s", i, a.status, a.body);
        middle = ms_now();
        a = enter_with(challenge, "no-otp", address);
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
    print_slip("R9", "13800000009", true, code);
    conn = begin();
    assert_int_equal(patient_slip_attach(conn, "T1", "R9", "1.2.9", &err), 0);
    assert_int_equal(patient_is_told(conn, "T1", "1.2.9", 1, &is_told, &err), 0);
    assert_false(is_told);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_true(is_due);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_false(is_due);
    assert_int_equal(patient_notify(conn, "T2", "1.2.9", 1, PATIENT_READY, &is_due, &err), 0);
    assert_false(is_due);
    commit(conn);

    assert_true(read_text("13800000009", text, sizeof text, 10000));
    assert_non_null(strstr(text, "已签发"));
    assert_non_null(strstr(text, "https://report.example"));
    assert_false(read_text("13800000009", text, sizeof text, 1000));
    conn = begin();
    assert_int_equal(patient_is_told(conn, "T1", "1.2.9", 1, &is_told, &err), 0);
    assert_true(is_told);
    assert_int_equal(patient_notify(conn, "T1", "1.2.9", 1, PATIENT_WITHDRAWN, &is_due, &err), 0);
    assert_true(is_due);
    commit(conn);
    assert_true(read_text("13800000009", text, sizeof text, 10000));
    assert_non_null(strstr(text, "已撤回"));
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
        cmocka_unit_test(an_address_that_guesses_is_locked_out_of_a_right_code),
        cmocka_unit_test(what_is_no_code_gets_the_same_answer),
        cmocka_unit_test(news_reach_a_phone_once_a_version_without_saying_what),
        cmocka_unit_test(ten_thousand_guesses_learn_nothing),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
