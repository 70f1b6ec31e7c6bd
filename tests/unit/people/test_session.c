/* test_session.c - signing in, second factors, slow guessing, and how sessions end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/trust/totp.h"
#include "reader/people/people.h"
#include "tests/support/reader_db.h"

#define GOOD "a good password"

static struct reader_db db;
static struct people *people;
static struct people_refusal refusal;

static int
start(void **state)
{
    struct people_options o = {
        .is_demo = true, .session_idle_ms = 30 * 60 * 1000, .session_end_ms = 12 * 3600 * 1000};

    (void)state;
    log_set_level(LOG_ERROR);
    reader_db_start(&db);
    if (db.pg == NULL)
        return 0;
    o.pg = db.pg;
    people = people_new(&o);
    reader_db_account(&db, "demo.doctor", "county-1", ROLE_DOCTOR);
    reader_db_account(&db, "demo.other", "county-1", ROLE_DOCTOR);
    clock_fake(1795000000000000LL, 1000000);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    clock_unfake();
    if (people != NULL)
        people_free(&people);
    reader_db_stop(&db);
    return 0;
}

static int
sign_in(const char *login, const char *password, const char *totp, const char *address,
        struct people_session *out)
{
    struct people_proof proof = {login, password, totp, address};
    struct people_session ignored;
    struct err err = {0};

    return people_sign_in(people, &proof, out != NULL ? out : &ignored, &refusal, &err) == 0
               ? 0
               : -(int)err.kind;
}

static bool
is_in(const struct people_session *s)
{
    struct http_caller caller = {.kind = HTTP_STAFF};
    struct err err = {0};

    return people_authorise(people, s->cookie, &caller, &err) == 0;
}

static void
code_for(const struct people_secret *secret, int64_t steps_on, char out[16])
{
    /* base 32 back to bytes */
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t bytes[TOTP_SECRET_BYTES] = {0};

    for (size_t i = 0; i < 160; i++) {
        unsigned v = (unsigned)(strchr(letters, secret->totp[i / 5]) - letters);

        if (v >> (4 - i % 5) & 1)
            bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    }
    snprintf(out, 16, "%06u",
             totp_code(bytes, sizeof bytes, totp_step(clock_wall_us()) + steps_on, 6));
}

/* A real account, by invitation. */
static void
make_real(const char *login, struct people_secret *out)
{
    struct person actor = {.id = -1, .login = "admin"};
    struct people_new account = {
        .login = login, .name = "李医生", .org = "county-1", .roles = ROLE_DOCTOR};
    struct people_proof proof = {NULL, GOOD, NULL, "10.0.0.9"};
    char code[PEOPLE_CODE_TEXT];
    struct err err = {0};

    if (people_invite(people, &actor, &account, code, &err) < 0 ||
        people_enrol(people, code, &proof, NULL, out, &refusal, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(out->login, login);
}

static void
a_session_is_its_accounts_with_what_its_roles_allow(void **state)
{
    struct people_session s;
    struct http_caller caller = {.kind = HTTP_STAFF};
    struct err err = {0};

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.0.1", &s), 0);
    assert_int_equal(people_authorise(people, s.cookie, &caller, &err), 0);

    assert_string_equal(caller.device, "demo.doctor");
    assert_string_equal(caller.tenant, "county-1");
    assert_int_equal(caller.rights, people_rights(ROLE_DOCTOR));
    assert_string_equal(caller.csrf, s.csrf);
    assert_int_equal(strlen(s.csrf), 64);
    s.cookie[10] ^= 1;
    assert_false(is_in(&s));
}

static void
idle_and_old_sessions_end_and_used_ones_do_not(void **state)
{
    struct people_session idle, used;

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.0.1", &idle), 0);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.0.1", &used), 0);
    for (int minutes = 0; minutes < 40; minutes += 20) {
        clock_fake_advance(20 * 60 * 1000);
        assert_true(is_in(&used));
    }
    assert_false(is_in(&idle));

    for (int hours = 0; hours < 11; hours++) {
        clock_fake_advance(29 * 60 * 1000);
        assert_true(is_in(&used));
        clock_fake_advance(29 * 60 * 1000);
        assert_true(is_in(&used));
    }
    clock_fake_advance(29 * 60 * 1000);
    clock_fake_advance(29 * 60 * 1000);
    assert_false(is_in(&used)); /* twelve hours */
}

static void
wrong_unknown_and_disabled_are_the_same_refusal(void **state)
{
    struct person actor = {.id = -1, .login = "admin"};
    struct err err = {0};

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(people_disable(people, &actor, "demo.other", true, &err), 0);
    assert_int_equal(sign_in("demo.doctor", "wrong password", NULL, "10.0.0.2", NULL), -ERR_DENIED);
    assert_false(refusal.needs_totp);
    assert_int_equal(sign_in("nobody", "wrong password", NULL, "10.0.0.2", NULL), -ERR_DENIED);
    assert_false(refusal.needs_totp);
    assert_int_equal(sign_in("NO LOGIN AT ALL", GOOD, NULL, "10.0.0.2", NULL), -ERR_DENIED);
    assert_int_equal(sign_in("demo.other", READER_DB_PASSWORD, NULL, "10.0.0.2", NULL),
                     -ERR_DENIED);
    assert_false(refusal.needs_totp);
    assert_int_equal(people_disable(people, &actor, "demo.other", false, &err), 0);
    assert_int_equal(sign_in("demo.other", READER_DB_PASSWORD, NULL, "10.0.0.2", NULL), 0);
}

static void
guessing_an_account_waits_whether_it_is_there_or_not(void **state)
{
    static const char *const logins[] = {"demo.doctor", "not.there"};

    (void)state;
    if (db.pg == NULL)
        skip();
    clock_fake_advance(2 * 86400 * 1000LL);
    for (size_t k = 0; k < ARRAY_LEN(logins); k++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(sign_in(logins[k], "wrong password", NULL, "10.0.1.1", NULL),
                             -ERR_DENIED);
        assert_int_equal(sign_in(logins[k], READER_DB_PASSWORD, NULL, "10.0.1.1", NULL),
                         -ERR_RETRY);
        assert_int_equal(refusal.wait_s, 15);
    }
    clock_fake_advance(15 * 1000);
    assert_int_equal(sign_in("demo.doctor", "wrong password", NULL, "10.0.1.2", NULL), -ERR_DENIED);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.1.3", NULL),
                     -ERR_RETRY);
    assert_int_equal(refusal.wait_s, 30); /* doubled */
    clock_fake_advance(30 * 1000);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.1.3", NULL), 0);
    assert_int_equal(sign_in("demo.doctor", "wrong password", NULL, "10.0.1.2", NULL), -ERR_DENIED);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.1.3", NULL), 0);
}

/* Who mistyped while the clock was ahead would wait until that date. */
static void
tries_counted_by_a_clock_that_was_ahead_are_forgotten(void **state)
{
    int64_t now_us = clock_wall_us(), mono_ms = clock_mono_ms();

    (void)state;
    if (db.pg == NULL)
        skip();
    clock_fake_advance(200 * 86400 * 1000LL);
    for (int i = 0; i < 6; i++)
        (void)sign_in("demo.doctor", "wrong password", NULL, "10.0.9.1", NULL);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.9.1", NULL),
                     -ERR_RETRY);

    clock_fake(now_us, mono_ms);
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.9.1", NULL), 0);
}

static void
a_real_account_needs_its_second_factor_and_each_code_once(void **state)
{
    struct people_secret secret;
    char now[16], next[16];

    (void)state;
    if (db.pg == NULL)
        skip();
    make_real("dr.li", &secret);
    assert_int_equal(sign_in("dr.li", GOOD, NULL, "10.0.2.1", NULL), -ERR_DENIED);
    assert_true(refusal.needs_totp);
    assert_int_equal(sign_in("dr.li", "wrong password", NULL, "10.0.2.1", NULL), -ERR_DENIED);
    assert_false(refusal.needs_totp); /* only who has the password learns of it */
    assert_int_equal(sign_in("dr.li", GOOD, "000000", "10.0.2.1", NULL), -ERR_DENIED);
    assert_true(refusal.needs_totp);

    code_for(&secret, 0, now);
    code_for(&secret, 1, next);
    assert_int_equal(sign_in("dr.li", GOOD, now, "10.0.2.1", NULL), 0);
    assert_int_equal(sign_in("dr.li", GOOD, now, "10.0.2.1", NULL), -ERR_DENIED);
    assert_int_equal(sign_in("dr.li", GOOD, next, "10.0.2.1", NULL), 0);
}

static void
a_new_password_roles_and_disabling_end_sessions(void **state)
{
    struct person actor = {.id = -1, .login = "admin"};
    struct people_proof old = {"demo.doctor", READER_DB_PASSWORD, NULL, "10.0.3.1"};
    struct people_session s;
    struct err err = {0};
    char code[PEOPLE_CODE_TEXT];

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(sign_in("demo.doctor", READER_DB_PASSWORD, NULL, "10.0.3.1", &s), 0);
    assert_int_equal(people_change_password(people, &old, "another password", &refusal, &err), 0);
    assert_false(is_in(&s));
    assert_int_equal(sign_in("demo.doctor", "another password", NULL, "10.0.3.1", &s), 0);
    assert_int_equal(
        people_set_roles(people, &actor, "demo.doctor", ROLE_DOCTOR | ROLE_REVIEWER, &err), 0);
    assert_false(is_in(&s));
    assert_int_equal(sign_in("demo.doctor", "another password", NULL, "10.0.3.1", &s), 0);
    assert_int_equal(people_disable(people, &actor, "demo.doctor", true, &err), 0);
    assert_false(is_in(&s));
    assert_int_equal(people_disable(people, &actor, "demo.doctor", false, &err), 0);
    assert_false(is_in(&s));
    assert_int_equal(people_reset(people, &actor, "demo.doctor", code, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT); /* a demo account's is in its file */
}

static void
a_code_is_good_once_and_not_after_its_time(void **state)
{
    struct person actor = {.id = -1, .login = "admin"};
    struct people_secret secret, again;
    struct people_proof proof = {NULL, "one more password", NULL, "10.0.4.1"};
    struct err err = {0};
    char code[PEOPLE_CODE_TEXT];

    (void)state;
    if (db.pg == NULL)
        skip();
    make_real("dr.wu", &secret);
    assert_int_equal(people_reset(people, &actor, "dr.wu", code, &err), 0);
    assert_int_equal(sign_in("dr.wu", GOOD, NULL, "10.0.4.1", NULL), -ERR_DENIED);
    assert_false(refusal.needs_totp);
    proof.password = "short";
    assert_int_equal(people_enrol(people, code, &proof, NULL, &again, &refusal, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    proof.password = "one more password";
    assert_int_equal(people_enrol(people, code, &proof, NULL, &again, &refusal, &err), 0);
    assert_string_not_equal(secret.totp, again.totp);
    assert_int_equal(people_enrol(people, code, &proof, NULL, &again, &refusal, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);

    assert_int_equal(people_reset(people, &actor, "dr.wu", code, &err), 0);
    clock_fake_advance(PEOPLE_CODE_S * 1000LL);
    assert_int_equal(people_enrol(people, code, &proof, NULL, &again, &refusal, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
the_first_administrator_comes_by_the_consoles_code_and_is_the_only_one(void **state)
{
    struct people_proof proof = {"first.admin", GOOD, NULL, "10.0.5.1"};
    struct people_secret secret;
    struct people_session s;
    struct err err = {0};
    char code[PEOPLE_CODE_TEXT], old[PEOPLE_CODE_TEXT], totp[16];

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(people_first_code(people, "county-1", old, &err), 0);
    assert_int_equal(people_first_code(people, "county-1", code, &err), 0);
    assert_int_equal(people_enrol(people, old, &proof, "王", &secret, &refusal, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(people_enrol(people, code, &proof, "王", &secret, &refusal, &err), 0);
    code_for(&secret, 0, totp);
    assert_int_equal(sign_in("first.admin", GOOD, totp, "10.0.5.1", &s), 0);

    assert_int_equal(s.person.roles, ROLE_ADMINISTRATOR);
    assert_string_equal(s.person.org, "county-1");
    assert_int_equal(people_first_code(people, "county-1", code, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(people_disable(people, &s.person, "first.admin", true, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED); /* nobody locks themselves out */
}

static void
demo_accounts_are_nobody_where_there_is_no_demo(void **state)
{
    struct people_options o = {
        .pg = db.pg, .session_idle_ms = 30 * 60 * 1000, .session_end_ms = 12 * 3600 * 1000};
    struct people *strict;
    struct people_proof proof = {"demo.other", READER_DB_PASSWORD, NULL, "10.0.6.1"};
    struct people_session s, none;
    struct http_caller caller = {.kind = HTTP_STAFF};
    struct err err = {0};

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(sign_in("demo.other", READER_DB_PASSWORD, NULL, "10.0.6.1", &s), 0);
    strict = people_new(&o);
    assert_int_equal(people_sign_in(strict, &proof, &none, &refusal, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(people_authorise(strict, s.cookie, &caller, &err), -1);
    people_free(&strict);
}

static struct people_look seen[8];

static int
see(void *user, const struct people_look *look, struct err *err)
{
    size_t *n = user;

    (void)err;
    assert_true(*n < ARRAY_LEN(seen));
    seen[(*n)++] = *look;
    return 0;
}

static void
who_looked_is_kept_once_for_a_while(void **state)
{
    struct pg_conn *conn = NULL;
    struct person p;
    struct err err = {0};
    size_t n = 0;
    bool is_new = false;

    (void)state;
    if (db.pg == NULL)
        skip();
    assert_int_equal(pg_get(db.pg, &conn, &err), 0);
    assert_int_equal(people_find(conn, "demo.other", &p, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(people_look_put(conn, &p, "clinic-a", "1.2.3", "images", &is_new, &err),
                         0);
    assert_int_equal(people_look_put(conn, &p, "clinic-b", "1.2.3", "images", &is_new, &err), 0);
    clock_fake_advance(301 * 1000);
    assert_int_equal(people_look_put(conn, &p, "clinic-a", "1.2.3", "images", &is_new, &err), 0);
    assert_int_equal(people_looks(conn, "clinic-a", "1.2.3", see, &n, &err), 0);

    assert_int_equal(n, 2);
    assert_string_equal(seen[0].login, "demo.other");
    assert_string_equal(seen[0].what, "images");
    assert_true(seen[0].at_us > seen[1].at_us);
    pg_put(&conn);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_its_accounts_with_what_its_roles_allow),
        cmocka_unit_test(idle_and_old_sessions_end_and_used_ones_do_not),
        cmocka_unit_test(wrong_unknown_and_disabled_are_the_same_refusal),
        cmocka_unit_test(guessing_an_account_waits_whether_it_is_there_or_not),
        cmocka_unit_test(tries_counted_by_a_clock_that_was_ahead_are_forgotten),
        cmocka_unit_test(a_real_account_needs_its_second_factor_and_each_code_once),
        cmocka_unit_test(a_new_password_roles_and_disabling_end_sessions),
        cmocka_unit_test(a_code_is_good_once_and_not_after_its_time),
        cmocka_unit_test(the_first_administrator_comes_by_the_consoles_code_and_is_the_only_one),
        cmocka_unit_test(demo_accounts_are_nobody_where_there_is_no_demo),
        cmocka_unit_test(who_looked_is_kept_once_for_a_while),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
