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
        TEST(nobody_shuts_out_himself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
