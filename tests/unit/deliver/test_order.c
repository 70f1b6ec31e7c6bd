/* test_order.c - an examination ordered at a clinic: by whom it may be, told once, replaced, taken
 * back. */
#include "reader/deliver/clinic.h"

#include "tests/support/deliver_world.h"
#include "tests/unit/deliver/fake_patient.h"

#include "proto/base/text.h"
#include "reader/people/people.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int
place_as(const char *login, const char *tenant, const char *placer, const char *description,
         bool is_cancelled)
{
    struct clinic_down *order = mem_new(sizeof *order);
    struct pg_conn *conn = NULL;
    struct person who;
    struct err err;
    int rc;

    *order = (struct clinic_down){.kind = CLINIC_ORDER, .is_cancelled = is_cancelled};
    text_copy(order->placer, sizeof order->placer, placer);
    text_copy(order->patient, sizeof order->patient, "罗成");
    text_copy(order->modality, sizeof order->modality, "CT");
    text_copy(order->description, sizeof order->description, description);
    assert_int_equal(pg_get(w.reads.pg, &conn, &err), 0);
    assert_int_equal(people_find(conn, login, &who, &err), 0);
    pg_put(&conn);
    rc = clinic_order_place(&d, &who, tenant, order, &err);
    free(order);
    return rc < 0 ? -(int)err.kind : 0;
}

static void
an_order_goes_down_with_who_ordered_it(void **state)
{
    struct clinic_down m;

    (void)state;
    assert_int_equal(place_as("doc1", "T1", "7", "胸部平扫", false), 0);
    m = last_of("T1", CLINIC_ORDER);
    assert_string_equal(m.placer, "H/7");
    assert_string_equal(m.patient, "罗成");
    assert_string_equal(m.description, "胸部平扫");
    assert_true(m.author[0] != '\0' && m.hospital[0] != '\0');
    assert_false(m.is_cancelled);
}

static void
it_is_told_again_and_taken_back_as_one_order(void **state)
{
    (void)state;
    assert_int_equal(place_as("doc1", "T1", "7", "胸部平扫", false), 0);
    assert_int_equal(place_as("doc1", "T1", "7", "头部平扫", false), 0);
    assert_string_equal(last_of("T1", CLINIC_ORDER).description, "头部平扫");
    assert_int_equal(place_as("doc1", "T1", "7", "", true), 0);
    assert_true(last_of("T1", CLINIC_ORDER).is_cancelled);
    assert_int_equal(count("SELECT count(*) FROM clinic_order"), 1);
    assert_int_equal(count("SELECT count(*) FROM clinic_order WHERE is_cancelled"
                           " AND description = '头部平扫'"),
                     1);
    assert_int_equal(count("SELECT count(*) FROM clinic_down WHERE kind = 'order'"), 3);
    assert_int_equal(count("SELECT count(DISTINCT event_seq) FROM clinic_down"), 3);
}

static void
an_order_stays_whose_it_was_when_the_agreement_ends(void **state)
{
    (void)state;
    assert_int_equal(place_as("doc1", "T1", "7", "胸部平扫", false), 0);
    (void)count("WITH gone AS (UPDATE agreements SET valid_until_us = 1 RETURNING 1)"
                " SELECT count(*) FROM gone");
    assert_int_equal(place_as("doc1", "T1", "8", "x", false), -ERR_NOT_FOUND);
    assert_int_equal(place_as("doc1", "T1", "7", "x", false), -ERR_NOT_FOUND);
    assert_int_equal(place_as("doc1", "T1", "7", "", true), 0);
    assert_string_equal(last_of("T1", CLINIC_ORDER).placer, "H/7");
    assert_true(last_of("T1", CLINIC_ORDER).is_cancelled);
}

static void
who_is_not_invited_orders_nothing(void **state)
{
    (void)state;
    assert_int_equal(place_as("doc9", "T1", "7", "x", false), -ERR_NOT_FOUND);
    assert_int_equal(place_as("tech1", "T1", "7", "x", false), -ERR_NOT_FOUND);
    assert_int_equal(place_as("doc1", "no such clinic", "7", "x", false), -ERR_NOT_FOUND);
    assert_int_equal(count("SELECT count(*) FROM clinic_order"), 0);
    assert_int_equal(count("SELECT count(*) FROM clinic_down WHERE kind = 'order'"), 0);
}

static void
what_no_desk_could_read_is_not_kept(void **state)
{
    (void)state;
    assert_int_equal(place_as("doc1", "T1", "7", "two\nlines", false), -ERR_REJECT);
    assert_int_equal(count("SELECT count(*) FROM clinic_order"), 0);
}

static void
an_order_is_read_from_what_an_institution_writes(void **state)
{
    static const struct {
        const char *json;
        bool is_fine;
    } cases[] = {
        {"{\"placer\":\"1\",\"patient\":\"n\",\"is_urgent\":false,\"is_cancelled\":false}", true},
        {"{\"placer\":\"1\",\"is_urgent\":false,\"is_cancelled\":true}", true},
        {"{\"placer\":\"1\",\"is_urgent\":false,\"is_cancelled\":false}", false},
        {"{\"placer\":\"1\",\"patient\":\"n\",\"is_urgent\":true,\"is_cancelled\":false}", false},
        {"{\"placer\":\"1\",\"patient\":\"n\",\"is_urgent\":true,\"reason\":\"r\",\"is_cancelled\":"
         "false}",
         true},
        {"{\"patient\":\"n\",\"is_urgent\":false,\"is_cancelled\":false}", false},
        {"{\"placer\":\"1\",\"patient\":\"n\",\"birth\":\"yesterday\",\"is_urgent\":false,"
         "\"is_cancelled\":false}",
         false},
        {"[]", false},
    };
    struct clinic_down *order = mem_new(sizeof *order);
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if ((clinic_order_decode((const uint8_t *)cases[i].json, strlen(cases[i].json), order,
                                 &err) == 0) != cases[i].is_fine)
            fail_msg("%s", cases[i].json);
    free(order);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, deliver_world_close)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_goes_down_with_who_ordered_it),
        TEST(it_is_told_again_and_taken_back_as_one_order),
        TEST(an_order_stays_whose_it_was_when_the_agreement_ends),
        TEST(who_is_not_invited_orders_nothing),
        TEST(what_no_desk_could_read_is_not_kept),
        cmocka_unit_test(an_order_is_read_from_what_an_institution_writes),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    status = cmocka_run_group_tests(tests, NULL, NULL);
    deliver_world_end();
    return status;
}
