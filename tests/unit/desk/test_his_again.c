/* test_his_again.c - what of a read still counts for a HIS: what is never sent once more, and whom
 * a withdrawal is told. */
#include "gateway/desk/his_told.h"

#include "gateway/desk/his_out.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "tests/support/his_peer.h"
#include "tests/support/his_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
not_again(int64_t n)
{
    struct err err;

    assert_int_equal(his_book_step(book, n, HIS_SAW_AGAIN, "anna", 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_false(his_step(HIS_HL7, NULL));
}

static void
what_was_overtaken_is_never_told_again(void **state)
{
    (void)state;
    his_peer_answer(HIS_PEER_AE);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    his_peer_answer(HIS_PEER_AA);
    assert_false(his_delivery(HIS_HL7, 1, false).is_overtaken);
    his_report(CLINIC_AMENDED, 2, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_true(his_delivery(HIS_HL7, 1, false).is_overtaken);
    not_again(his_delivery(HIS_HL7, 1, false).n);

    his_hear(CLINIC_WITHDRAWN, 2, false, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    not_again(his_delivery(HIS_HL7, 2, false).n);
    his_again(his_delivery(HIS_HL7, 2, true).n); /* the withdrawal itself counts */
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    his_report(CLINIC_AMENDED, 3, "y");
    assert_true(his_step(HIS_HL7, NULL));
    not_again(his_delivery(HIS_HL7, 2, true).n);
}

static void
a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    his_report(CLINIC_AMENDED, 2, "x");
    his_hear(CLINIC_WITHDRAWN, 2, false, "y");
    while (his_step(HIS_HL7, NULL))
        ;

    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_OBSOLETE);
    assert_int_equal(his_delivery(HIS_HL7, 2, true).state, HIS_DELIVERED);
    assert_int_equal(his_peer_count(), 2);
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
}

static void
a_withdrawal_is_told_wherever_a_try_may_have_reached(void **state)
{
    static const struct {
        const char *name;
        enum his_peer_answer answer;
        bool is_hurried;
    } rows[] = {
        {"refused", HIS_PEER_AE, false},
        {"unanswered", HIS_PEER_HANGS_UP, false},
        {"unanswered, then a person cannot wait", HIS_PEER_HANGS_UP, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        his_peer_answer(rows[i].answer);
        his_report(CLINIC_REPORT, 1, "");
        assert_true(his_step(HIS_HL7, NULL));
        his_peer_answer(HIS_PEER_AA);
        his_hear(CLINIC_WITHDRAWN, 1, false, "x");
        if (rows[i].is_hurried)
            his_again(his_delivery(HIS_HL7, 1, false).n);
        else if (rows[i].answer == HIS_PEER_HANGS_UP)
            clock_fake(clock_wall_us() + HIS_WAIT_MS * INT64_C(1000), 1000);
        while (his_step(HIS_HL7, NULL))
            ;
        if (his_delivery(HIS_HL7, 1, true).state != HIS_DELIVERED)
            fail_msg("%s: the withdrawal is %s", rows[i].name,
                     his_state_word(his_delivery(HIS_HL7, 1, true).state));
        assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    }
}

/* An order of the HIS; its registration. */
static void
order_of(const char *placer, const char *patient_id, const char *name, char out[17])
{
    struct order o = {.source = "hl7"}, kept;
    struct err err;

    text_copy(o.placer, sizeof o.placer, placer);
    text_copy(o.accession, sizeof o.accession, placer);
    text_copy(o.patient_id, sizeof o.patient_id, patient_id);
    text_copy(o.name, sizeof o.name, name);
    assert_int_equal(order_put(book, &o, &err), 0);
    assert_int_equal(order_find_placer(book, "hl7", placer, &kept, &err), 0);
    text_copy(out, 17, kept.registration);
}

/* The study was moved to the right patient meanwhile: the HIS heard "withdrawn" under an order that
 * it had no report of, and kept the wrong one. */
static void
a_withdrawal_goes_where_its_report_went(void **state)
{
    char wrong[17], right[17], path[FOLDER_PATH_BYTES + 64];
    struct json_doc *doc = NULL;
    uint8_t *bytes = NULL;
    struct err err;
    size_t n;

    (void)state;
    his_configure(true, false, true);
    his_owe();
    order_of("A1", "P1", HIS_NAME, wrong);
    order_of("B1", "H2", "李四", right);
    assert_int_equal(book_attach(book, wrong, HIS_STUDY, "hand", &err), 0);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    assert_true(his_step(HIS_FOLDER, NULL));
    assert_string_equal(his_peer_last("ORC", 1, 2, 1), "A1");

    order_of("A1", "P1", "王昞", wrong); /* the order says something else by now */
    assert_int_equal(book_attach(book, right, HIS_STUDY, "hand", &err), 0);
    reopen();
    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    while (his_step(HIS_HL7, NULL) || his_step(HIS_FOLDER, NULL))
        ;

    assert_int_equal(his_peer_count(), 2);
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    assert_string_equal(his_peer_last("ORC", 1, 2, 1), "A1");
    assert_string_equal(his_peer_last("OBR", 1, 18, 1), "A1");
    assert_string_equal(his_peer_last("PID", 1, 3, 1), "P1");
    assert_string_equal(his_peer_last("PID", 1, 5, 2), "昞倈");
    snprintf(path, sizeof path, "%s/report-%d-v1-withdrawn.json", his.folder, HIS_READ);
    assert_int_equal(durable_get_file(path, 1 << 20, &bytes, &n, &err), 0);
    assert_int_equal(json_parse(bytes, n, &doc, &err), 0);
    assert_string_equal(json_as_text(json_find(json_root(doc), "placer")), "A1");
    assert_string_equal(json_as_text(json_find(json_root(doc), "registration")), wrong);
    json_free(&doc);
    free(bytes);
}

static uint32_t tries_when_heard;

static void
look_into_the_book(void)
{
    tries_when_heard = his_delivery(HIS_HL7, 1, false).tries;
}

/* So that the power may fail here, and a withdrawal is told all the same. */
static void
a_try_is_in_the_book_before_the_target_hears_of_it(void **state)
{
    (void)state;
    his_peer_when_heard(look_into_the_book);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));

    assert_int_equal(his_peer_count(), 1);
    assert_int_equal(tries_when_heard, 1);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).tries, 1);
}

/* A message that a HIS dies of is not to be what all others wait for. */
static void
one_that_is_not_taken_holds_up_no_other(void **state)
{
    struct his_out_options o = {.book = book, .retry_ms = HIS_WAIT_MS, .retry_max_ms = HIS_WAIT_MS};
    struct his_out *out = NULL;
    struct err err;

    (void)state;
    his_configure(true, false, false);
    o.settings = his.settings;
    his_peer_answer(HIS_PEER_HANGS_UP);
    assert_int_equal(his_out_start(&o, &out, &err), 0);
    his_report(CLINIC_REPORT, 1, "");
    for (uint64_t seen = 0; his_delivery(HIS_HL7, 1, false).trouble[0] == '\0';)
        seen = book_wait(book, seen, 1000);
    his.read = HIS_READ + 1;
    his.study = HIS_STUDY ".1";
    his_report(CLINIC_REPORT, 2, "");
    for (uint64_t seen = 0; his_delivery(HIS_HL7, 2, false).trouble[0] == '\0';)
        seen = book_wait(book, seen, 1000); /* twice in a row: the target rests */
    his_peer_answer(HIS_PEER_AA);

    his.read = HIS_READ + 2;
    his.study = HIS_STUDY ".2";
    his_report(CLINIC_REPORT, 3, "");

    for (uint64_t seen = 0; his_delivery(HIS_HL7, 3, false).state != HIS_DELIVERED;)
        seen = book_wait(book, seen, 1000);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_WAITING);
    his_out_stop(&out);
}

/* The reader's database was put back: it signs the study anew, under another number. */
static void
signed_anew(bool is_preliminary)
{
    his.read = HIS_READ - 2;
    his_hear(CLINIC_REPORT, 1, is_preliminary, "");
    his_fetch(1);
}

static void
steps(void)
{
    while (his_step(HIS_HL7, NULL))
        ;
}

/* Two final results of one study stood in the HIS, perhaps with other findings. */
static void
a_study_signed_anew_replaces_what_the_his_has_of_the_lost_one(void **state)
{
    static const struct {
        const char *name, *status, *filler;
        enum his_peer_answer answer;
        bool is_preliminary, is_lost; /* the first one; nothing of it came but the message */
    } rows[] = {
        {"it has the final one", "C", "R12", HIS_PEER_AA, false, false},
        {"it may have it", "C", "R12", HIS_PEER_HANGS_UP, false, false},
        {"it has a preliminary one", "F", "R12", HIS_PEER_AA, true, false},
        {"it has nothing", "F", "R10", HIS_PEER_AA, false, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *is = rows[i].status;

        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        his_peer_answer(rows[i].answer);
        his_hear(CLINIC_REPORT, 1, rows[i].is_preliminary, "");
        if (!rows[i].is_lost)
            his_fetch(1);
        assert_int_equal(his_step(HIS_HL7, NULL), !rows[i].is_lost);
        his_peer_answer(HIS_PEER_AA);
        if (rows[i].answer != HIS_PEER_AA)
            clock_fake(clock_wall_us() + HIS_WAIT_MS * INT64_C(1000), 1000);
        signed_anew(false);
        steps();
        if (strcmp(his_peer_last("OBR", 1, 25, 1), is) != 0 ||
            strcmp(his_peer_last("OBX", 1, 11, 1), is) != 0 ||
            strcmp(his_peer_last("ORC", 1, 3, 1), rows[i].filler) != 0 ||
            strcmp(his_peer_last("OBR", 1, 3, 1), rows[i].filler) != 0)
            fail_msg("%s: not told as %s of %s", rows[i].name, is, rows[i].filler);
        assert_int_equal(his_peer_last("NTE", 1, 3, 1)[0] != '\0', strcmp(is, "C") == 0);

        his_report(CLINIC_AMENDED, 2, "x");
        steps();
        assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
        assert_string_equal(his_peer_last("OBR", 1, 3, 1), rows[i].filler);
        assert_string_equal(his_peer_last("NTE", 1, 3, 1), "x");
    }
}

/* The HIS was away meanwhile: what was signed last is what it has last. */
static void
what_waits_of_the_lost_one_goes_before_what_was_signed_anew(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    signed_anew(false);

    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "F");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
    assert_string_equal(his_peer_last("OBR", 1, 3, 1), "R12");
    assert_false(his_step(HIS_HL7, NULL));
}

/* Withdrawn before it was sent: what the HIS has is not valid either. */
static void
a_withdrawal_of_what_was_signed_anew_takes_back_the_lost_one(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    signed_anew(false);
    his_hear(CLINIC_WITHDRAWN, 1, false, "y");

    steps();

    assert_int_equal(his_peer_count(), 2);
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    assert_string_equal(his_peer_last("OBR", 1, 3, 1), "R12");
}

/* Its PDF with the mark can be fetched no more: what was signed anew would wait for it for ever. */
static void
a_withdrawal_of_the_lost_one_holds_up_nothing(void **state)
{
    (void)state;
    (void)text_copy(his.dicom_place, sizeof his.dicom_place, "PACS@127.0.0.1:1");
    his_configure(false, true, false);
    his_owe();
    his_report(CLINIC_REPORT, 1, "");
    his_hear(CLINIC_WITHDRAWN, 1, false, "y");
    his_owe();
    signed_anew(false);
    his_owe();

    assert_int_equal(his_delivery(HIS_DICOM, 1, true).state, HIS_REFUSED);
    assert_string_equal(his_delivery(HIS_DICOM, 1, true).trouble, HIS_SET_BACK);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, his_world_open, his_world_close)
    const struct CMUnitTest tests[] = {
        TEST(what_was_overtaken_is_never_told_again),
        TEST(a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is),
        TEST(a_withdrawal_is_told_wherever_a_try_may_have_reached),
        TEST(a_withdrawal_goes_where_its_report_went),
        TEST(a_try_is_in_the_book_before_the_target_hears_of_it),
        TEST(one_that_is_not_taken_holds_up_no_other),
        TEST(a_study_signed_anew_replaces_what_the_his_has_of_the_lost_one),
        TEST(what_waits_of_the_lost_one_goes_before_what_was_signed_anew),
        TEST(a_withdrawal_of_what_was_signed_anew_takes_back_the_lost_one),
        TEST(a_withdrawal_of_the_lost_one_holds_up_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
