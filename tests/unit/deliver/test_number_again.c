/* test_number_again.c - a desk that was set back gives a registration's number again: nothing of
 * the earlier patient's becomes the later one's. */
#include "reader/deliver/clinic.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ONE_IDENTITY "0b0f7f1e-5f0a-4a52-9d6e-0c6a5a1f2b3c"
#define OTHER_IDENTITY "7c1d2e3f-0a1b-4c2d-8e3f-405162738495"

static struct clinic_up
another(enum clinic_up_kind kind, const char *registration, const char *identity)
{
    struct clinic_up m = up(kind, registration);

    text_copy(m.name, sizeof m.name, "陈六");
    text_copy(m.study, sizeof m.study, OTHER);
    text_copy(m.identity, sizeof m.identity, identity);
    memset(m.code_sha256, 7, sizeof m.code_sha256);
    return m;
}

/* first: the identity of the number's registration; again: what the desk says that was set back. */
static void
check_nobody_takes_it_over(const char *first, const char *again)
{
    static const enum clinic_up_kind kinds[] = {
        CLINIC_REGISTRATION, CLINIC_ATTACH,     CLINIC_JOIN,       CLINIC_URGENT,
        CLINIC_SLIP,         CLINIC_PHONE_CODE, CLINIC_PHONE_CHECK};
    struct clinic_up m = up(CLINIC_REGISTRATION, REG);

    text_copy(m.identity, sizeof m.identity, first);
    assert_string_equal(apply(&m), "done");
    m = up(CLINIC_ATTACH, REG);
    text_copy(m.study, sizeof m.study, STUDY);
    text_copy(m.identity, sizeof m.identity, first);
    assert_string_equal(apply(&m), "done");
    report_world_study(&w, "T1", STUDY);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        m = another(kinds[i], REG, again);
        assert_string_equal(apply(&m), "refused conflict");
        assert_string_equal(apply(&m), "refused conflict");
    }
    m = another(CLINIC_REGISTRATION, REG, again); /* mended at the desk */
    m.revision = 9;
    assert_string_equal(apply(&m), "refused conflict");
    assert_int_equal(count("SELECT count(*) FROM clinic_registration WHERE name = '王小东' AND "
                           "study = '" STUDY "' AND code_sha256 IS NULL AND NOT is_urgent"),
                     1);
    assert_string_equal(read_of(STUDY).registered_name, "王小东");
    assert_int_equal(patients.codes, 0);
}

/* Its slip and phone would open the first one's examination. */
static void
a_number_given_again_takes_nothing_over(void **state)
{
    (void)state;
    check_nobody_takes_it_over(ONE_IDENTITY, OTHER_IDENTITY);
}

static void
an_older_desk_that_gives_a_number_again_takes_nothing_over(void **state)
{
    (void)state;
    check_nobody_takes_it_over("", "");
}

static void
a_desk_that_was_brought_forward_goes_on_with_its_registrations(void **state)
{
    struct clinic_up m = up(CLINIC_REGISTRATION, REG), slip;

    (void)state; /* an older reader kept no identity */
    assert_string_equal(apply(&m), "done");
    slip = up(CLINIC_SLIP, REG);
    text_copy(slip.identity, sizeof slip.identity, ONE_IDENTITY);
    assert_string_equal(apply(&slip), "done");
    clinic_id_new(m.id);
    m.revision = 2;
    text_copy(m.identity, sizeof m.identity, ONE_IDENTITY);
    assert_string_equal(apply(&m), "done");
    clinic_id_new(m.id); /* the same again, after the reader was set back */
    m.is_urgent = true;
    assert_string_equal(apply(&m), "done");
    clinic_id_new(slip.id);
    assert_string_equal(apply(&slip), "done");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_number_given_again_takes_nothing_over),
        TEST(an_older_desk_that_gives_a_number_again_takes_nothing_over),
        TEST(a_desk_that_was_brought_forward_goes_on_with_its_registrations),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    log_set_fd(-1);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
