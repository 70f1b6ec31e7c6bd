/* test_his_again.c - what of a read still counts for a HIS: what is never sent once more, and whom
 * a withdrawal is told. */
#include "gateway/desk/his_book.h"
#include "gateway/desk/his_out.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"
#include "tests/support/his_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STUDY "1.2.840.5.77"
#define NAME "王小东"
enum { READ = 12, WAIT_MS = 3600000 };

static char hl7_place[64];
static struct his_settings settings;
static struct his_targets targets;
static uint64_t seq;

static void
owe(void)
{
    bool is_new;
    struct err err;

    assert_int_equal(his_book_owe(book, targets.bits, &is_new, &err), 0);
}

static int
setup(void **state)
{
    struct err err;

    assert_int_equal(book_world_open(state), 0);
    log_set_fd(-1);
    his_peer_start(HIS_PEER_AA);
    seq = 0;
    snprintf(hl7_place, sizeof hl7_place, "127.0.0.1:%u", his_peer_port());
    settings = (struct his_settings){.dicom = "",
                                     .dicom_calling = "RADPOST",
                                     .hl7 = hl7_place,
                                     .hl7_charset = "UTF-8",
                                     .hl7_application = "HIS",
                                     .hl7_facility = "HOSP",
                                     .our_facility = "CLINIC",
                                     .hl7_wait_ms = 10000,
                                     .folder = "",
                                     .folder_format = "json"};
    assert_int_equal(his_targets_read(&settings, &targets, &err), 0);
    owe(); /* the first start */
    return 0;
}

static int
teardown(void **state)
{
    clock_unfake();
    his_peer_stop();
    return book_world_close(state);
}

static void
hear(enum clinic_down_kind kind, uint32_t version, bool is_preliminary, const char *reason)
{
    struct clinic_down m = {.seq = ++seq,
                            .kind = kind,
                            .at_us = 1,
                            .read = READ,
                            .study = STUDY,
                            .patient = NAME,
                            .modality = "CT",
                            .state = "signed",
                            .version = version,
                            .is_preliminary = is_preliminary,
                            .signed_at_us = INT64_C(1795307400) * 1000000,
                            .author = "李明",
                            .reviewer = "赵敏",
                            .hospital = "县医院",
                            .verify_url = "https://reader.example/v/1",
                            .covers = 2,
                            .present = 2};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = seq};
    struct err err;

    clinic_id_new(m.id);
    (void)text_copy(m.reason, sizeof m.reason, reason);
    assert_int_equal(book_take(book, &downs, &err), 0);
}

static void
put(uint32_t version, const char *kind, const void *bytes, size_t n)
{
    uint8_t sha256[DIGEST_BYTES];
    struct err err;

    digest_bytes(bytes, n, sha256);
    if (kind[0] == '\0') {
        uint32_t due_version;
        int64_t due_read;
        bool is_due;

        assert_int_equal(book_pdf_due(book, &is_due, &due_read, &due_version, &err), 0);
        assert_int_equal(book_pdf_put(book, READ, version, bytes, n, sha256, &err), 0);
        return;
    }
    assert_int_equal(his_document_put(book, READ, version, kind, bytes, n, sha256, &err), 0);
}

static void
fetch(uint32_t version)
{
    owe();
    put(version, "", "%PDF-1.4\n%%EOF\n", 15);
    put(version, "text", "{}", 2);
    put(version, "sr", "sr", 2);
    put(version, "pdf", "pdf", 3);
}

static void
report(enum clinic_down_kind kind, uint32_t version, const char *reason)
{
    hear(kind, version, false, reason);
    fetch(version);
}

/* One step of a target; false: nothing was due. */
static bool
step(enum his_target target, bool *is_down)
{
    struct err err;
    bool did = false, down = false;

    owe();
    assert_int_equal(his_out_step(&targets, book, target, WAIT_MS, &did, &down, &err), 0);
    if (is_down != NULL)
        *is_down = down;
    return did;
}

/* The one delivery of a target's version. */
static struct his_delivery
delivery(enum his_target target, uint32_t version, bool is_withdrawal)
{
    struct his_delivery *list = NULL, found = {.n = 0};
    size_t n = 0;
    struct err err;

    assert_int_equal(his_book_list(book, 100, &list, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        if (list[i].target == target && list[i].version == version &&
            list[i].is_withdrawal == is_withdrawal)
            found = list[i];
    free(list);
    assert_true(found.n > 0);
    return found;
}

static void
again(int64_t n)
{
    struct err err;

    assert_int_equal(his_book_step(book, n, HIS_SAW_AGAIN, "anna", 0, &err), 0);
}

static void
not_again(int64_t n)
{
    struct err err;

    assert_int_equal(his_book_step(book, n, HIS_SAW_AGAIN, "anna", 0, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_false(step(HIS_HL7, NULL));
}

/* ---- claims ---- */

static void
what_was_overtaken_is_never_told_again(void **state)
{
    (void)state;
    his_peer_answer(HIS_PEER_AE);
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, NULL));
    his_peer_answer(HIS_PEER_AA);
    assert_false(delivery(HIS_HL7, 1, false).is_overtaken);
    report(CLINIC_AMENDED, 2, "x");
    assert_true(step(HIS_HL7, NULL));
    assert_true(delivery(HIS_HL7, 1, false).is_overtaken);
    not_again(delivery(HIS_HL7, 1, false).n);

    hear(CLINIC_WITHDRAWN, 2, false, "x");
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    not_again(delivery(HIS_HL7, 2, false).n);
    again(delivery(HIS_HL7, 2, true).n); /* the withdrawal itself counts */
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    report(CLINIC_AMENDED, 3, "y");
    assert_true(step(HIS_HL7, NULL));
    not_again(delivery(HIS_HL7, 2, true).n);
}

static void
a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is(void **state)
{
    (void)state;
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, NULL));
    report(CLINIC_AMENDED, 2, "x");
    hear(CLINIC_WITHDRAWN, 2, false, "y");
    while (step(HIS_HL7, NULL))
        ;

    assert_int_equal(delivery(HIS_HL7, 2, false).state, HIS_OBSOLETE);
    assert_int_equal(delivery(HIS_HL7, 2, true).state, HIS_DELIVERED);
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
            assert_int_equal(teardown(state), 0);
            assert_int_equal(setup(state), 0);
        }
        his_peer_answer(rows[i].answer);
        report(CLINIC_REPORT, 1, "");
        assert_true(step(HIS_HL7, NULL));
        his_peer_answer(HIS_PEER_AA);
        hear(CLINIC_WITHDRAWN, 1, false, "x");
        if (rows[i].is_hurried)
            again(delivery(HIS_HL7, 1, false).n);
        else if (rows[i].answer == HIS_PEER_HANGS_UP)
            clock_fake(clock_wall_us() + WAIT_MS * INT64_C(1000), 1000);
        while (step(HIS_HL7, NULL))
            ;
        if (delivery(HIS_HL7, 1, true).state != HIS_DELIVERED)
            fail_msg("%s: the withdrawal is %s", rows[i].name,
                     his_state_word(delivery(HIS_HL7, 1, true).state));
        assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    }
}

static uint32_t tries_when_heard;

static void
look_into_the_book(void)
{
    tries_when_heard = delivery(HIS_HL7, 1, false).tries;
}

/* So that the power may fail here, and a withdrawal is told all the same. */
static void
a_try_is_in_the_book_before_the_target_hears_of_it(void **state)
{
    (void)state;
    his_peer_when_heard(look_into_the_book);
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, NULL));

    assert_int_equal(his_peer_count(), 1);
    assert_int_equal(tries_when_heard, 1);
    assert_int_equal(delivery(HIS_HL7, 1, false).tries, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_overtaken_is_never_told_again),
        TEST(a_version_withdrawn_while_it_waits_is_not_told_but_its_withdrawal_is),
        TEST(a_withdrawal_is_told_wherever_a_try_may_have_reached),
        TEST(a_try_is_in_the_book_before_the_target_hears_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
