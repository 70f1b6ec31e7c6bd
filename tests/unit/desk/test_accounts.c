/* test_accounts.c - the desk's accounts over a real file: codes, passwords, sessions, wrong tries.
 */
#include "gateway/desk/accounts.h"
#include "gateway/desk/accounts_own.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define SESSION_MS INT64_C(43200000) /* 12 h */
#define GOOD "a long password"
static const int64_t today_us = INT64_C(1795305600) * SECOND_US;

static struct account_session session;

static int
redeem(const char *code, const char *login, const char *password, struct err *err)
{
    struct account_start start = {.code = code,
                                  .login = login,
                                  .name = login != NULL ? "王主任" : NULL,
                                  .password = password,
                                  .address = "10.0.0.9"};
    int64_t wait_s = 0;

    return accounts_redeem(book, &start, &session, &wait_s, err);
}

/* The first administrator, signed in. */
static void
begin(void)
{
    char code[SLIP_TEXT_BYTES];
    struct err err;

    assert_int_equal(accounts_first_code(book, code, &err), 0);
    if (redeem(code, "wang", GOOD, &err) < 0)
        fail_msg("%s", err.text);
}

static int
sign_in(const char *login, const char *password, int64_t *out_wait_s, struct err *err)
{
    struct account_proof proof = {login, password, "10.0.0.9"};

    return accounts_sign_in(book, &proof, &session, out_wait_s, err);
}

static bool
is_good(const char *cookie)
{
    struct http_caller caller = {.kind = HTTP_STAFF};
    struct err err;

    return accounts_authorise(book, SESSION_MS, cookie, &caller, &err) == 0;
}

static void
a_new_desk_has_no_account_that_anybody_could_know(void **state)
{
    struct account *list = NULL;
    size_t n = 9;
    bool any = true;
    struct err err;

    (void)state;
    assert_int_equal(accounts_any(book, &any, &err), 0);
    assert_false(any);
    assert_int_equal(accounts_list(book, &list, &n, &err), 0);
    assert_int_equal(n, 0);
    free(list);
}

static void
the_first_code_makes_an_administrator_once(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    assert_int_equal(accounts_first_code(book, code, &err), 0);
    assert_int_equal(redeem(code, "wang", GOOD, &err), 0);
    assert_int_equal(session.account.roles, DESK_ADMINISTRATOR);
    assert_true(is_good(session.cookie));

    assert_int_equal(redeem(code, "other", GOOD, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
a_code_is_void_after_its_hour_and_when_a_newer_one_was_made(void **state)
{
    char code[SLIP_TEXT_BYTES], newer[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    clock_fake(today_us, 1000);
    assert_int_equal(accounts_first_code(book, code, &err), 0);
    assert_int_equal(accounts_first_code(book, newer, &err), 0);
    assert_int_equal(redeem(code, "wang", GOOD, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);

    clock_fake_advance(3601 * 1000);
    assert_int_equal(redeem(newer, "wang", GOOD, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void
a_weak_password_or_a_wrong_login_does_not_use_the_code_up(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    assert_int_equal(accounts_first_code(book, code, &err), 0);
    assert_int_equal(redeem(code, "wang", "short", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(redeem(code, "Wang Li", GOOD, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(redeem(code, "wang", GOOD, &err), 0);
}

static void
who_holds_the_machine_gets_back_in(void **state)
{
    char code[SLIP_TEXT_BYTES];
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    begin();
    assert_int_equal(accounts_first_code(book, code, &err), 0);
    assert_int_equal(redeem(code, "wang", "another password", &err), 0);
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), -1);
    assert_int_equal(sign_in("wang", "another password", &wait_s, &err), 0);
}

static void
an_invited_person_sets_a_password_and_has_the_roles_given(void **state)
{
    struct account li = {.login = "li", .name = "李技师", .roles = DESK_TECHNICIAN};
    char code[SLIP_TEXT_BYTES];
    struct http_caller caller = {.kind = HTTP_STAFF};
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    begin();
    assert_int_equal(accounts_invite(book, "wang", &li, code, &err), 0);
    assert_int_equal(sign_in("li", "", &wait_s, &err), -1); /* no password is none at all */
    assert_int_equal(redeem(code, NULL, GOOD, &err), 0);
    reopen();

    assert_int_equal(accounts_authorise(book, SESSION_MS, session.cookie, &caller, &err), 0);
    assert_string_equal(caller.device, "li");
    assert_int_equal(caller.rights, DESK_SEE | DESK_WORK);
    assert_int_equal(accounts_invite(book, "wang", &li, code, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

static void
a_session_ends_with_its_time_its_account_and_its_password(void **state)
{
    struct account_proof old = {"li", GOOD, "10.0.0.9"};
    struct account li = {.login = "li", .name = "李技师", .roles = DESK_TECHNICIAN};
    char code[SLIP_TEXT_BYTES];
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    clock_fake(today_us, 1000);
    begin();
    assert_int_equal(accounts_invite(book, "wang", &li, code, &err), 0);
    assert_int_equal(redeem(code, NULL, GOOD, &err), 0);
    for (int hour = 0; hour < 11; hour++) {
        clock_fake_advance(HOUR_US / 1000);
        assert_true(is_good(session.cookie)); /* in use */
    }
    clock_fake_advance(HOUR_US / 1000);
    assert_false(is_good(session.cookie)); /* twelve hours are over */

    assert_int_equal(sign_in("li", GOOD, &wait_s, &err), 0);
    assert_int_equal(accounts_disable(book, "wang", "li", true, &err), 0);
    assert_false(is_good(session.cookie));
    assert_int_equal(sign_in("li", GOOD, &wait_s, &err), -1);
    assert_int_equal(accounts_disable(book, "wang", "li", false, &err), 0);
    assert_int_equal(sign_in("li", GOOD, &wait_s, &err), 0);
    assert_int_equal(accounts_change_password(book, &old, "quite another one", &wait_s, &err), 0);
    assert_false(is_good(session.cookie));
    assert_int_equal(sign_in("li", "quite another one", &wait_s, &err), 0);
    clock_fake_advance(3 * HOUR_US / 1000);
    assert_false(is_good(session.cookie)); /* nobody had the page open */
}

static void
a_clock_that_jumps_costs_a_sign_in_and_nothing_else(void **state)
{
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    clock_fake(today_us + 9 * 365 * 24 * HOUR_US, 1000);
    begin();
    for (int i = 0; i < 7; i++)
        assert_int_equal(sign_in("wang", "wrong wrong wrong", &wait_s, &err), -1);
    clock_fake(today_us, 1000);
    assert_false(is_good(session.cookie));
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), -1);
    assert_in_range(wait_s, 1, 900);
    clock_fake_advance(900 * 1000);
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), 0);
}

static void
guesses_wait_longer_each_time_and_a_restart_forgets_none(void **state)
{
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    clock_fake(today_us, 1000);
    begin();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sign_in("wang", "wrong wrong wrong", &wait_s, &err), -1);
        assert_int_equal(err.kind, ERR_DENIED);
        assert_int_equal(wait_s, 0);
    }
    reopen();
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), -1); /* not even looked at */
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(wait_s, 15);
    clock_fake_advance(15 * 1000);
    assert_int_equal(sign_in("wang", "wrong wrong wrong", &wait_s, &err), -1);
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), -1);
    assert_int_equal(wait_s, 30);
    clock_fake_advance(30 * 1000);
    assert_int_equal(sign_in("wang", GOOD, &wait_s, &err), 0);
    for (int i = 0; i < 5; i++) /* and then it begins anew */
        assert_int_equal(sign_in("wang", "wrong wrong wrong", &wait_s, &err), -1);
    assert_int_equal(wait_s, 0);
}

static int
sign_in_from(const char *address, const char *login, const char *password, int64_t *out_wait_s)
{
    struct account_proof proof = {login, password, address};
    struct err err;

    return accounts_sign_in(book, &proof, &session, out_wait_s, &err);
}

/* li has signed in at 10.0.0.9, as wang has. */
static void
begin_two(void)
{
    struct account li = {.login = "li", .name = "李技师", .roles = DESK_TECHNICIAN};
    char code[SLIP_TEXT_BYTES];
    struct err err;

    clock_fake(today_us, 1000);
    begin();
    assert_int_equal(accounts_invite(book, "wang", &li, code, &err), 0);
    assert_int_equal(redeem(code, NULL, GOOD, &err), 0);
}

/* 40 of 40 right passwords were refused while a program went on with a wrong one. */
static void
a_program_with_a_wrong_password_keeps_nobody_else_out(void **state)
{
    int64_t wait_s = 0;

    (void)state;
    begin_two();
    for (int i = 0; i < 40; i++) {
        assert_int_equal(sign_in_from("10.0.0.9", "li", "wrong wrong wrong", &wait_s), -1);
        if (sign_in_from("10.0.0.9", "wang", GOOD, &wait_s) < 0)
            fail_msg("try %d: %d s", i, (int)wait_s);
        clock_fake_advance(8000);
    }
    assert_int_equal(sign_in_from("10.0.0.9", "li", GOOD, &wait_s), -1); /* li is under attack */
}

/* After 25 wrong ones, who came second had to wait for 160 s more. */
static void
a_right_password_makes_nobody_wait_where_others_tried_wrong_ones(void **state)
{
    int64_t wait_s = 0;

    (void)state;
    begin_two();
    for (int i = 0; i < 40; i++) {
        char login[16];

        snprintf(login, sizeof login, "nobody%d", i);
        clock_fake_advance(4000);
        assert_int_equal(sign_in_from("10.0.0.1", login, "wrong wrong wrong", &wait_s), -1);
        assert_int_equal(wait_s, 0);
    }
    assert_int_equal(sign_in_from("10.0.0.1", "wang", GOOD, &wait_s), -1); /* never seen there */
    assert_in_range(wait_s, 1, 4);
    clock_fake_advance(4000);
    assert_int_equal(sign_in_from("10.0.0.1", "wang", GOOD, &wait_s), 0);
    assert_int_equal(sign_in_from("10.0.0.1", "li", GOOD, &wait_s), 0);
}

static void
a_good_code_counts_whatever_was_tried_before_it(void **state)
{
    char code[SLIP_TEXT_BYTES], wrong[SLIP_TEXT_BYTES];
    int64_t wait_s = 0;
    struct err err;

    (void)state;
    begin_two();
    assert_int_equal(accounts_first_code(book, wrong, &err), 0);
    assert_int_equal(accounts_first_code(book, code, &err), 0); /* the other one is void */
    for (int i = 0; i < 40; i++) {
        assert_int_equal(redeem(wrong, "wang", GOOD, &err), -1);
        assert_int_equal(sign_in_from("10.0.0.9", "wang", "wrong wrong wrong", &wait_s), -1);
    }
    assert_int_equal(redeem(wrong, "wang", GOOD, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY); /* wrong ones do wait */

    assert_int_equal(redeem(code, "wang", "another password", &err), 0);
    assert_int_equal(sign_in_from("10.0.0.9", "wang", "another password", &wait_s), 0);
}

/* How many tries of some hours are looked at, of somebody who never rests. */
static unsigned
tries_in(unsigned hours, unsigned addresses, bool is_of_one_account)
{
    int64_t ends_us = clock_wall_us() + hours * HOUR_US;
    unsigned looked_at = 0;

    for (unsigned i = 0; clock_wall_us() < ends_us; i++) {
        int64_t shortest_s = 0;

        for (unsigned a = 0; a < addresses; a++) {
            char address[32], login[32] = "wang";
            int64_t wait_s = 0;
            struct err err;
            int rc;

            snprintf(address, sizeof address, "10.0.1.%u", a);
            if (!is_of_one_account)
                snprintf(login, sizeof login, "nobody%u", i);
            assert_int_equal(db_begin(book->db, &err), 0);
            rc = account_try_take(book, login, address, &wait_s, &err);
            assert_int_equal(db_end(book->db, 0, &err), 0);
            looked_at += rc == 0;
            if (a == 0 || wait_s < shortest_s)
                shortest_s = wait_s;
        }
        clock_fake_advance(shortest_s * 1000);
    }
    return looked_at;
}

/* The rates of docs/desk.md. */
static void
guessing_is_bounded(void **state)
{
    static const struct {
        const char *what;
        unsigned hours, addresses;
        bool is_of_one_account;
        unsigned at_most;
    } rows[] = {
        {"one account from one address", 24, 1, true, 110},
        {"one account from everywhere", 24, 8, true, 600},
        {"any account from one address, an hour of the day", 1, 1, false, 950},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned n;

        clock_fake(today_us + (int64_t)i * 72 * HOUR_US, 1000);
        n = tries_in(rows[i].hours, rows[i].addresses, rows[i].is_of_one_account);
        if (n > rows[i].at_most)
            fail_msg("%s: %u", rows[i].what, n);
    }
}

static void
nobody_shuts_out_himself(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    begin();
    assert_int_equal(accounts_disable(book, "wang", "wang", true, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(accounts_set_roles(book, "wang", "wang", DESK_TECHNICIAN, &err), -1);
    assert_int_equal(accounts_reset(book, "wang", "wang", code, &err), -1);
    assert_int_equal(accounts_disable(book, "wang", "nobody", true, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
        TEST(a_new_desk_has_no_account_that_anybody_could_know),
        TEST(the_first_code_makes_an_administrator_once),
        TEST(a_code_is_void_after_its_hour_and_when_a_newer_one_was_made),
        TEST(a_weak_password_or_a_wrong_login_does_not_use_the_code_up),
        TEST(who_holds_the_machine_gets_back_in),
        TEST(an_invited_person_sets_a_password_and_has_the_roles_given),
        TEST(a_session_ends_with_its_time_its_account_and_its_password),
        TEST(a_clock_that_jumps_costs_a_sign_in_and_nothing_else),
        TEST(guesses_wait_longer_each_time_and_a_restart_forgets_none),
        TEST(a_program_with_a_wrong_password_keeps_nobody_else_out),
        TEST(a_right_password_makes_nobody_wait_where_others_tried_wrong_ones),
        TEST(a_good_code_counts_whatever_was_tried_before_it),
        TEST(guessing_is_bounded),
        TEST(nobody_shuts_out_himself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
