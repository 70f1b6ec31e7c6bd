/* test_desk_rights.c - which role of the desk may do what. */
#include "gateway/desk/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
a_service_engineer_sees_nothing_of_a_patient(void **state)
{
    unsigned may = desk_rights_of(DESK_SERVICE);

    (void)state;
    assert_int_equal(may, DESK_SEE | DESK_ENGINEER);
}

static void
a_technician_makes_no_accounts_and_admits_no_devices(void **state)
{
    (void)state;
    assert_int_equal(desk_rights_of(DESK_TECHNICIAN), DESK_SEE | DESK_WORK);
}

static void
an_administrator_of_a_small_clinic_may_do_all(void **state)
{
    (void)state;
    assert_int_equal(desk_rights_of(DESK_ADMINISTRATOR), (1u << DESK_RIGHT_COUNT) - 1);
}

static void
nobody_may_nothing(void **state)
{
    (void)state;
    assert_int_equal(desk_rights_of(0), 0);
}

static void
words_of_roles_are_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DESK_ROLE_COUNT; i++)
        assert_int_equal(desk_role_of(desk_role_word(1u << i)), 1u << i);
    assert_int_equal(desk_role_of("root"), 0);
    assert_null(desk_role_word(1u << DESK_ROLE_COUNT));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_engineer_sees_nothing_of_a_patient),
        cmocka_unit_test(a_technician_makes_no_accounts_and_admits_no_devices),
        cmocka_unit_test(an_administrator_of_a_small_clinic_may_do_all),
        cmocka_unit_test(nobody_may_nothing),
        cmocka_unit_test(words_of_roles_are_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
