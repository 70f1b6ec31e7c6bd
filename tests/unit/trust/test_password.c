/* test_password.c - passwords are argon2id, and unknown ones take as long as known ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/thread.h"
#include "proto/trust/password.h"

static void
a_password_is_known_again_and_no_other_is(void **state)
{
    static const char *const others[] = {"", "correct horse", "correct horse battery staplf",
                                         "correct horse battery staple "};
    char text[PASSWORD_TEXT_BYTES], again[PASSWORD_TEXT_BYTES];
    struct err err = {0};

    (void)state;
    assert_int_equal(password_hash("correct horse battery staple", text, &err), 0);
    assert_int_equal(password_hash("correct horse battery staple", again, &err), 0);

    assert_int_equal(strncmp(text, "$argon2id$v=19$m=65536,t=3,p=1$", 31), 0);
    assert_string_not_equal(text, again); /* salted */
    assert_int_equal(password_check("correct horse battery staple", text, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(password_check(others[i], text, &err), -1);
        assert_int_equal(err.kind, ERR_DENIED);
    }
}

static void
nobodys_password_is_denied_after_the_same_work(void **state)
{
    char text[PASSWORD_TEXT_BYTES];
    struct err err = {0};
    struct timespec a, b, c;
    double known, unknown;

    (void)state;
    assert_int_equal(password_hash("correct horse battery staple", text, &err), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_int_equal(password_check("wrong horse battery staple", text, &err), -1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    assert_int_equal(password_check("wrong horse battery staple", NULL, &err), -1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c);

    assert_int_equal(err.kind, ERR_DENIED);
    known = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    unknown = (double)(c.tv_sec - b.tv_sec) + (double)(c.tv_nsec - b.tv_nsec) / 1e9;
    assert_true(unknown > known / 4 && unknown < known * 4); /* processor time, not the clock's */
}

static void
a_damaged_text_is_no_password_and_says_so(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(password_check("correct horse battery staple", "$argon2id$v=19$", &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
}

static void
short_long_and_broken_passwords_are_refused(void **state)
{
    char longest[PASSWORD_MOST + 2];
    struct err err = {0};

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[PASSWORD_MOST + 1] = '\0';
    assert_int_equal(password_vet("ninechars", &err), -1);
    assert_int_equal(password_vet(longest, &err), -1);
    assert_int_equal(password_vet("ten\xFF"
                                  "chars.",
                                  &err),
                     -1);
    longest[PASSWORD_MOST] = '\0';
    assert_int_equal(password_vet(longest, &err), 0);
    assert_int_equal(password_vet("影驿影驿影驿", &err), 0);
}

static char kept[PASSWORD_TEXT_BYTES];
static _Atomic int good;

static void *
check_one(void *arg)
{
    struct err err = {0};

    (void)arg;
    good += password_check("correct horse battery staple", kept, &err) == 0;
    return NULL;
}

/* The line: none is turned away while it moves, and all are answered. */
static void
eight_at_once_wait_in_line(void **state)
{
    pthread_t threads[8];
    struct err err = {0};

    (void)state;
    assert_int_equal(password_hash("correct horse battery staple", kept, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        threads[i] = thread_start("check", check_one, NULL);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);

    assert_int_equal(good, 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_known_again_and_no_other_is),
        cmocka_unit_test(nobodys_password_is_denied_after_the_same_work),
        cmocka_unit_test(a_damaged_text_is_no_password_and_says_so),
        cmocka_unit_test(short_long_and_broken_passwords_are_refused),
        cmocka_unit_test(eight_at_once_wait_in_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
