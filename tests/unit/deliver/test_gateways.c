/* test_gateways.c - when a gateway's desk called last and what does not run there, for those above
 * the clinic and nobody else. */
#include "reader/deliver/clinic.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "reader/people/people.h"
#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct clinic_sender t1 = {"T1", "g1"}, t9 = {"T9", "g9"};

#define NOON INT64_C(1780000000000000)

/* The answer to GET gateways. */
static const char *
seen_by(const char *login)
{
    static char text[2000];
    struct pg_conn *conn = NULL;
    struct person who;
    struct buf json;
    struct err err;

    buf_init(&json, sizeof text);
    assert_int_equal(pg_get(w.reads.pg, &conn, &err), 0);
    assert_int_equal(people_find(conn, login, &who, &err), 0);
    assert_int_equal(clinic_gateways_write(&d, conn, &who, &json, &err), 0);
    pg_put(&conn);
    snprintf(text, sizeof text, "%s", buf_text(&json));
    buf_fini(&json);
    return text;
}

static void
who_is_above_a_clinic_sees_its_gateways_and_what_does_not_run_there(void **state)
{
    const char *text;

    (void)state;
    clinic_heard(&d, &t1, "dicom_tls,hl7", NULL);
    clinic_heard(&d, &t9, "", NULL);

    text = seen_by("super");
    assert_non_null(strstr(text, "\"is_database_full\":false"));
    assert_non_null(strstr(text, "\"clinic\":\"T1\""));
    assert_non_null(strstr(text, "\"device\":\"g1\",\"parts\":[\"dicom_tls\",\"hl7\"]"));
    assert_null(strstr(text, "g9"));
    text = seen_by("super2");
    assert_non_null(strstr(text, "\"device\":\"g9\",\"parts\":[]"));
    assert_null(strstr(text, "g1"));
    assert_non_null(strstr(seen_by("tech1"), "g1")); /* their own */
    clock_fake(clock_wall_us() + INT64_C(31) * 86400 * 1000000, 0);
    assert_non_null(strstr(seen_by("super"), "\"items\":[]")); /* another box, or none */
    clock_unfake();
}

static void
what_is_no_word_is_as_if_it_was_not_told(void **state)
{
    static const char *const odd[] = {NULL, "<b>", "a b", "hl7;--", "HL7"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        clinic_heard(&d, &t1, odd[i], NULL);
        assert_non_null(strstr(seen_by("super"), "\"parts\":null"));
    }
}

static int64_t
heard_at(void)
{
    return count("SELECT heard_at_us FROM clinic_gateway WHERE device = 'g1'");
}

static void
a_call_is_noted_every_five_minutes_and_what_is_new_at_once(void **state)
{
    (void)state;
    clock_fake(NOON, 0);
    clinic_heard(&d, &t1, "", NULL);
    clock_fake(NOON + 299000000, 0);
    clinic_heard(&d, &t1, "", NULL);
    assert_int_equal(heard_at(), NOON);
    clock_fake(NOON + 300000000, 0);
    clinic_heard(&d, &t1, "", NULL);
    assert_int_equal(heard_at(), NOON + 300000000);
    clock_fake(NOON + 300000001, 0);
    clinic_heard(&d, &t1, "hl7", NULL);
    assert_int_equal(heard_at(), NOON + 300000001);

    clock_fake(NOON, 0); /* it was ahead */
    clinic_heard(&d, &t1, "hl7", NULL);
    assert_int_equal(heard_at(), NOON);
    clock_unfake();
}

/* ---- two boxes ---- */

static const char box_a[] = "00000000000000aa", box_b[] = "00000000000000bb";
static int64_t now_us;

/* The next call, 25 s later. */
static void
call_of(const char *box)
{
    now_us += 25000000;
    clock_fake(now_us, 0);
    clinic_heard(&d, &t1, "", box);
}

static bool
is_doubled(void)
{
    return strstr(seen_by("super"), "\"is_doubled\":true") != NULL;
}

static void
two_boxes_with_one_certificate_are_said_once_and_shown_while_both_call(void **state)
{
    FILE *log = tmpfile();
    char line[600];
    int said = 0;

    (void)state;
    assert_non_null(log);
    log_set_fd(fileno(log));
    now_us = NOON;
    for (int i = 0; i < 5; i++)
        call_of(i % 2 == 0 ? box_a : box_b);
    assert_false(is_doubled());
    for (int i = 0; i < 20; i++) {
        call_of(i % 2 == 0 ? box_b : box_a);
        assert_true(is_doubled());
    }
    for (int i = 0; i < 24; i++)
        call_of(box_a);
    assert_false(is_doubled()); /* the other was switched off */

    log_set_fd(-1);
    rewind(log);
    while (fgets(line, sizeof line, log) != NULL)
        said += strstr(line, "CLINIC_TWO_BOXES") != NULL;
    fclose(log);
    assert_int_equal(said, 1);
    clock_unfake();
}

/* By whichever line: the number is the box's. */
static void
a_box_that_starts_again_is_one_also_when_an_old_call_comes_late(void **state)
{
    char box[17];

    (void)state;
    now_us = NOON;
    for (unsigned i = 0; i < 20; i++) {
        char before[17];

        snprintf(before, sizeof before, "%016x", i);
        snprintf(box, sizeof box, "%016x", i + 1);
        call_of(box);
        call_of(before); /* from a line that stood still */
        call_of(box);
        call_of(NULL); /* set back to an older program, and again to this */
        call_of("no number");
        call_of(box);
        assert_false(is_doubled());
    }
    clock_unfake();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_above_a_clinic_sees_its_gateways_and_what_does_not_run_there),
        TEST(what_is_no_word_is_as_if_it_was_not_told),
        TEST(a_call_is_noted_every_five_minutes_and_what_is_new_at_once),
        TEST(two_boxes_with_one_certificate_are_said_once_and_shown_while_both_call),
        TEST(a_box_that_starts_again_is_one_also_when_an_old_call_comes_late),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
