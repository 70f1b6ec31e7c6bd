/* test_his_out.c - reports to the clinic's own systems: told with a receipt, again while there is
 * none, corrected, withdrawn; what is refused waits for a person. */
#include "gateway/desk/his_out.h"

#include "gateway/desk/his_report.h"
#include "gateway/desk/orders.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/http/json.h"
#include "tests/support/dimse_receiver.h"
#include "tests/support/his_peer.h"
#include "tests/support/his_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void
a_report_is_told_with_its_names_whole_and_its_receipt_kept(void **state)
{
    struct order o = {.source = "hl7",
                      .placer = "N1",
                      .name = HIS_NAME,
                      .study = HIS_STUDY,
                      .accession = "ACC1",
                      .patient_id = "P1",
                      .citizen_id = "110105197001010011",
                      .referring = "李大夫"};
    struct err err;
    char *pdf_text;
    size_t n;

    (void)state;
    assert_int_equal(order_put(book, &o, &err), 0);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));

    assert_string_equal(his_delivery(HIS_HL7, 1, false).receipt, "AA ACK1");
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    assert_string_equal(his_peer_last("MSH", 1, 18, 1), "GB 18030-2000");
    assert_string_equal(his_peer_last("PID", 1, 5, 1), "王");
    assert_string_equal(his_peer_last("PID", 1, 5, 2), "昞倈");
    assert_string_equal(his_peer_last("PID", 1, 3, 1), "P1");
    assert_string_equal(his_peer_last("ORC", 1, 2, 1), "N1");
    assert_string_equal(his_peer_last("OBR", 1, 2, 1), "N1");
    assert_string_equal(his_peer_last("OBR", 1, 3, 1), "R12");
    assert_string_equal(his_peer_last("OBR", 1, 18, 1), "ACC1");
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "F");
    assert_string_equal(his_peer_last("OBR", 1, 32, 2), "赵敏");
    assert_string_equal(his_peer_last("OBX", 2, 5, 1), "左肺|结节^1\n右肺清晰");
    assert_string_equal(his_peer_last("OBX", 3, 5, 1), "第1版");
    assert_string_equal(his_peer_last("OBX", 7, 5, 3), "pdf");
    pdf_text = base64_encode("%PDF-1.4 version 1\nstartxref\n%%EOF\n", 35, &n);
    assert_string_equal(his_peer_last("OBX", 7, 5, 5), pdf_text);
    free(pdf_text);
    assert_false(his_step(HIS_HL7, NULL));
    assert_int_equal(his_peer_count(), 1);
}

/* The folder held the order's patient as JSON and the images' patient as PDF. */
static void
what_names_another_patient_than_its_order_waits_for_a_person(void **state)
{
    static const struct {
        const char *what, *number, *name, *sex, *birth;
        bool is_held;
    } rows[] = {
        {"as signed", "P1", "王昞倈", "M", "19700101", false},
        {"another sex", "P1", "王昞倈", "F", "", true},
        {"another birth date", "P1", "王昞倈", "", "19800101", true},
        {"another number", "H0001", "王昞倈", "", "", true},
        {"nothing but the number", "P1", "王昞倈", "", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct order o = {.source = "http", .placer = "N1", .study = HIS_STUDY};
        uint32_t version = (uint32_t)i + 1;
        unsigned sent = his_peer_count();
        struct err err;

        text_copy(o.patient_id, sizeof o.patient_id, rows[i].number);
        text_copy(o.name, sizeof o.name, rows[i].name);
        text_copy(o.sex, sizeof o.sex, rows[i].sex);
        text_copy(o.birth, sizeof o.birth, rows[i].birth);
        if (order_put(book, &o, &err) < 0)
            fail_msg("%s: %s", rows[i].what, err.text);
        his_report(i == 0 ? CLINIC_REPORT : CLINIC_AMENDED, version, "");
        assert_true(his_step(HIS_HL7, NULL));
        if (his_peer_count() - sent != (rows[i].is_held ? 0u : 1u))
            fail_msg("%s: sent %u", rows[i].what, his_peer_count() - sent);
        if (!rows[i].is_held)
            continue;
        assert_int_equal(his_delivery(HIS_HL7, version, false).state, HIS_REFUSED);
        assert_string_equal(his_delivery(HIS_HL7, version, false).trouble, HIS_ANOTHER_PATIENT);
        his_again(his_delivery(HIS_HL7, version, false).n); /* somebody looked */
        assert_true(his_step(HIS_HL7, NULL));
        assert_int_equal(his_delivery(HIS_HL7, version, false).state, HIS_DELIVERED);
    }
}

/* The order's words; "" the images' own. */
static void
order_birth(const char *birth)
{
    struct order o = {
        .source = "http", .placer = "N1", .study = HIS_STUDY, .name = HIS_NAME, .patient_id = "P1"};
    struct err err;

    text_copy(o.birth, sizeof o.birth, birth);
    assert_int_equal(order_put(book, &o, &err), 0);
}

/* The HIS was told "withdrawn" of a report it never got, with the order's patient in PID. */
static void
a_withdrawal_of_a_report_that_was_held_is_told_to_nobody(void **state)
{
    static const struct {
        const char *what;
        bool is_sent_by_hand;
    } rows[] = {{"held", false}, {"about to be sent by hand", true}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (i > 0) {
            assert_int_equal(his_world_close(state), 0);
            assert_int_equal(his_world_open(state), 0);
        }
        order_birth("19800101");
        his_report(CLINIC_REPORT, 1, "");
        assert_true(his_step(HIS_HL7, NULL));
        if (rows[i].is_sent_by_hand)
            his_again(his_delivery(HIS_HL7, 1, false).n);
        his_hear(CLINIC_WITHDRAWN, 1, false, "x");
        while (his_step(HIS_HL7, NULL))
            continue;

        if (his_delivery(HIS_HL7, 1, true).state != HIS_OBSOLETE || his_peer_count() != 0)
            fail_msg("%s: %u messages", rows[i].what, his_peer_count());
    }
}

/* What was told once is taken back, whatever became of the order since. */
static void
a_withdrawal_of_a_report_that_was_told_before_it_was_held_is_told(void **state)
{
    (void)state;
    order_birth("19700101");
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    order_birth("19800101");
    his_again(his_delivery(HIS_HL7, 1, false).n);
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_delivery(HIS_HL7, 1, false).trouble, HIS_ANOTHER_PATIENT);
    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_true(his_step(HIS_HL7, NULL));

    assert_int_equal(his_delivery(HIS_HL7, 1, true).state, HIS_DELIVERED);
    assert_int_equal(his_peer_count(), 2);
}

static void
a_report_that_was_held_goes_when_the_order_is_put_right(void **state)
{
    (void)state;
    order_birth("19800101");
    his_report(CLINIC_REPORT, 1, "");
    his_report(CLINIC_AMENDED, 2, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_true(his_step(HIS_HL7, NULL));
    order_birth("19810101"); /* still another's */
    assert_false(his_step(HIS_HL7, NULL));

    order_birth("19700101");
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_DELIVERED);
    assert_false(his_step(HIS_HL7, NULL)); /* version 1 is overtaken */
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_OBSOLETE);
    assert_int_equal(his_peer_count(), 1);
}

/* It stood as refused for ever: no button sends what is overtaken, and the number at the desk
 * stayed. */
static void
what_was_refused_and_amended_or_withdrawn_since_needs_nobody(void **state)
{
    struct his_count counts[HIS_TARGETS];
    struct err err;

    (void)state;
    order_birth("19800101");
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL)); /* held */
    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    while (his_step(HIS_HL7, NULL))
        continue;
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_OBSOLETE);
    assert_int_equal(his_delivery(HIS_HL7, 1, true).state, HIS_OBSOLETE); /* it never left */
    assert_int_equal(his_peer_count(), 0);

    order_birth("19700101");
    his_peer_answer(HIS_PEER_AE);
    his_report(CLINIC_AMENDED, 2, "y");
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_REFUSED);
    his_peer_answer(HIS_PEER_AA);
    his_hear(CLINIC_WITHDRAWN, 2, false, "z");
    while (his_step(HIS_HL7, NULL))
        continue;
    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_OBSOLETE);
    assert_int_equal(his_delivery(HIS_HL7, 2, true).state,
                     HIS_DELIVERED); /* it may have been kept */
    assert_int_equal(his_book_counts(book, counts, &err), 0);
    assert_int_equal(counts[HIS_HL7].refused, 0);
}

/* The HIS put its patient right, and was told AE 206 since the examination was done: the report
 * stayed held. */
static void
a_report_that_was_held_goes_when_the_his_puts_the_patient_of_a_done_order_right(void **state)
{
    struct order o = {.source = "hl7",
                      .placer = "N1",
                      .study = HIS_STUDY,
                      .patient_id = "P1",
                      .name = "王大",
                      .birth = "19700101"};
    struct order kept;
    struct err err;

    (void)state;
    assert_int_equal(order_put(book, &o, &err), 0);
    assert_int_equal(order_find_placer(book, "hl7", "N1", &kept, &err), 0);
    assert_int_equal(order_step(book, kept.number, ORDER_SAW_COMPLETE, &err), 0);
    text_copy(o.name, sizeof o.name, "王大二");
    text_copy(o.birth, sizeof o.birth, "19710101");
    text_copy(o.sex, sizeof o.sex, "F");
    his_report(CLINIC_REPORT, 1, "");
    assert_int_equal(order_put(book, &o, &err), -1); /* two words differ: somebody else */
    text_copy(o.birth, sizeof o.birth, "19700101");
    assert_int_equal(order_put(book, &o, &err), 0);
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_delivery(HIS_HL7, 1, false).trouble, HIS_ANOTHER_PATIENT);

    text_copy(o.sex, sizeof o.sex, "M");
    assert_int_equal(order_put(book, &o, &err), 0);
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    assert_int_equal(order_find_placer(book, "hl7", "N1", &kept, &err), 0);
    assert_int_equal(kept.state, ORDER_COMPLETED);
    text_copy(o.description, sizeof o.description, "another examination");
    assert_int_equal(order_put(book, &o, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    o.description[0] = '\0';
    text_copy(o.patient_id, sizeof o.patient_id, "P2"); /* a HIS that counts anew */
    assert_int_equal(order_put(book, &o, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

/* "Send again" for something else is no word about whose report it is. */
static void
only_who_saw_that_another_is_named_has_it_sent_all_the_same(void **state)
{
    bool is_down = false;

    (void)state;
    order_birth("19700101");
    his_peer_answer(HIS_PEER_AE);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    order_birth("19800101");
    his_again(his_delivery(HIS_HL7, 1, false).n);
    his_peer_answer(HIS_PEER_AA);
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_REFUSED);
    assert_string_equal(his_delivery(HIS_HL7, 1, false).trouble, HIS_ANOTHER_PATIENT);

    his_again(his_delivery(HIS_HL7, 1, false).n);
    his_peer_answer(HIS_PEER_HANGS_UP);
    assert_true(his_step(HIS_HL7, &is_down)); /* the line's trouble takes nothing of it back */
    assert_true(is_down);
    his_again(his_delivery(HIS_HL7, 1, false).n);
    his_peer_answer(HIS_PEER_AA);
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
}

static void
versions_say_what_they_are(void **state)
{
    (void)state;
    his_hear(CLINIC_REPORT, 1, true, "");
    his_fetch(1);
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "P");
    his_report(CLINIC_AMENDED, 2, "");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "F"); /* the first that is final */
    his_report(CLINIC_AMENDED, 3, "左右写反");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
    assert_string_equal(his_peer_last("NTE", 1, 3, 1), "左右写反");
    his_hear(CLINIC_WITHDRAWN, 3, false, "写错病人");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    assert_string_equal(his_peer_last("OBX", 1, 5, 1), "本报告已撤回 WITHDRAWN：写错病人");
    assert_int_equal(his_peer_count(), 4);
    assert_false(his_step(HIS_HL7, NULL));
}

static void
trouble_is_tried_again_as_the_same_message(void **state)
{
    char control[32];
    bool is_down = false;

    (void)state;
    clock_fake(INT64_C(1795307400) * 1000000, 1000);
    his_peer_answer(HIS_PEER_HANGS_UP);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, &is_down));
    assert_true(is_down);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_WAITING);
    assert_true(his_delivery(HIS_HL7, 1, false).trouble[0] != '\0');
    (void)text_copy(control, sizeof control, his_peer_last("MSH", 1, 10, 1));
    assert_true(strlen(control) <= 20);
    assert_false(his_step(HIS_HL7, NULL)); /* later */

    clock_fake_advance(HIS_WAIT_MS);
    his_peer_answer(HIS_PEER_AR);
    assert_true(his_step(HIS_HL7, &is_down));
    assert_true(is_down);
    reopen();                           /* what waits outlives the process */
    clock_fake(INT64_C(1000000), 1000); /* and a clock that jumps back to 1970 */
    his_peer_answer(HIS_PEER_AA);
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("MSH", 1, 10, 1), control);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).tries, 3);
}

static void
what_is_refused_waits_for_a_person_and_holds_up_nothing(void **state)
{
    char control[32];

    (void)state;
    his_peer_answer(HIS_PEER_AE);
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_REFUSED);
    assert_string_equal(his_delivery(HIS_HL7, 1, false).trouble, "the HIS answered AE 102");
    assert_false(his_step(HIS_HL7, NULL));
    (void)text_copy(control, sizeof control, his_peer_last("MSH", 1, 10, 1));
    his_peer_answer(HIS_PEER_AA);
    his_report(CLINIC_AMENDED, 2, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_DELIVERED);

    his_again(his_delivery(HIS_HL7, 2, false).n);
    assert_true(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 2, false).state, HIS_DELIVERED);
    assert_string_equal(his_delivery(HIS_HL7, 2, false).again_by, "anna");
    assert_string_not_equal(his_peer_last("MSH", 1, 10, 1), control); /* a HIS sees a new one */
}

static void
a_report_is_told_in_order_and_only_when_all_of_it_is_here(void **state)
{
    (void)state;
    his_hear(CLINIC_REPORT, 1, false, "");
    his_owe();
    his_report(CLINIC_AMENDED, 2, "x");
    assert_false(his_step(HIS_HL7, NULL)); /* of version 1 nothing is here */
    his_fetch(1);
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 3, 5, 1), "第1版");
    assert_true(his_step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 3, 5, 1), "第2版");
}

static void
what_was_withdrawn_before_anybody_was_told_is_not_told(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_true(his_step(HIS_HL7, NULL));
    assert_true(his_step(HIS_HL7, NULL));
    assert_false(his_step(HIS_HL7, NULL));
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_OBSOLETE);
    assert_int_equal(his_delivery(HIS_HL7, 1, true).state, HIS_OBSOLETE);
    assert_int_equal(his_peer_count(), 0);
}

static void
what_came_before_a_target_was_set_up_is_sent_by_hand_only(void **state)
{
    (void)state;
    his_report(CLINIC_REPORT, 1, "");
    his_configure(true, false, true);
    assert_false(his_step(HIS_FOLDER, NULL));
    assert_int_equal(his_delivery(HIS_FOLDER, 1, false).state, HIS_BEFORE);
    assert_int_equal(his_delivery(HIS_HL7, 1, false).state, HIS_WAITING);
    his_again(his_delivery(HIS_FOLDER, 1, false).n);
    assert_true(his_step(HIS_FOLDER, NULL));
    assert_int_equal(his_delivery(HIS_FOLDER, 1, false).state, HIS_DELIVERED);
}

static void
a_folder_gets_the_pdf_and_then_the_words(void **state)
{
    uint8_t *bytes = NULL;
    struct json_doc *doc = NULL;
    char path[FOLDER_PATH_BYTES + 64];
    struct stat st;
    struct err err;
    size_t n;

    (void)state;
    his_configure(false, false, true);
    his_owe();
    snprintf(path, sizeof path, "%s/tmp", his.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/tmp/report-12-v1.pdf", his.folder);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0); /* of a try that was killed */
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_FOLDER, NULL));
    assert_string_equal(his_delivery(HIS_FOLDER, 1, false).receipt, "report-12-v1.json");
    snprintf(path, sizeof path, "%s/report-12-v1.pdf", his.folder);
    assert_int_equal(durable_get_file(path, 1000, &bytes, &n, &err), 0);
    assert_memory_equal(bytes, "%PDF-1.4 version 1", 18);
    free(bytes);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    snprintf(path, sizeof path, "%s/report-12-v1.json", his.folder);
    assert_int_equal(durable_get_file(path, 100000, &bytes, &n, &err), 0);
    assert_int_equal(json_parse(bytes, n, &doc, &err), 0);
    assert_string_equal(json_as_text(json_find(json_root(doc), "status")), "F");
    assert_string_equal(json_as_text(json_find(json_root(doc), "impression")), "第1版");
    assert_string_equal(json_as_text(json_find(json_root(doc), "pdf")), "report-12-v1.pdf");
    json_free(&doc);
    free(bytes);

    his.settings.folder = "/nowhere/at/all";
    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_true(his_step(HIS_FOLDER, NULL));
    assert_int_equal(his_delivery(HIS_FOLDER, 1, true).state, HIS_WAITING);
    his.settings.folder = his.folder;
    his_again(his_delivery(HIS_FOLDER, 1, true).n);
    assert_true(his_step(HIS_FOLDER, NULL));
    assert_string_equal(his_delivery(HIS_FOLDER, 1, true).receipt, "report-12-v1-withdrawn.json");
}

static void
a_pacs_gets_both_objects_and_hears_of_the_withdrawal(void **state)
{
    bool is_down = false;

    (void)state;
    dimse_receiver_start(4, (struct dimse_deadlines){0});
    snprintf(his.dicom_place, sizeof his.dicom_place, "PACS@127.0.0.1:%s", dimse_receiver_port());
    his_configure(false, true, false);
    his_owe();
    his_report(CLINIC_REPORT, 1, "");
    assert_true(his_step(HIS_DICOM, NULL));
    assert_string_equal(his_delivery(HIS_DICOM, 1, false).receipt, "SR 0000H, PDF 0000H");
    assert_int_equal(dimse_receiver.stored, 2);
    assert_string_equal(dimse_receiver.instance, "1.2.840.5.2.1");

    his_hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_false(his_step(HIS_DICOM, NULL)); /* its PDF does not say so yet */
    his_put(1, "", "%PDF-1.4 withdrawn\nstartxref\n%%EOF\n", 35);
    assert_true(his_step(HIS_DICOM, NULL));
    assert_string_equal(his_delivery(HIS_DICOM, 1, true).receipt, "PDF (withdrawn) 0000H");
    assert_int_equal(dimse_receiver.stored, 3);
    assert_true(memmem(dimse_receiver.last.bytes, dimse_receiver.last.n, "withdrawn", 9) != NULL);
    assert_true(memmem(dimse_receiver.last.bytes, dimse_receiver.last.n, HIS_STUDY,
                       strlen(HIS_STUDY)) != NULL);

    /* one that does not know us by this name waits: its settings are mended there */
    snprintf(his.dicom_place, sizeof his.dicom_place, "WRONG@127.0.0.1:%s", dimse_receiver_port());
    his_configure(false, true, false);
    his_report(CLINIC_AMENDED, 2, "x");
    assert_true(his_step(HIS_DICOM, &is_down));
    assert_true(is_down);
    dimse_receiver_stop();
}

static void
settings_that_are_none_are_named(void **state)
{
    static const struct {
        const char *dicom, *hl7, *charset, *format;
    } rows[] = {
        {"host:104", "", "UTF-8", "json"},
        {"PACS@host", "", "UTF-8", "json"},
        {"PACS@host:0", "", "UTF-8", "json"},
        {"", "host", "UTF-8", "json"},
        {"", ":2575", "UTF-8", "json"},
        {"", "", "latin", "json"},
        {"", "", "UTF-8", "xml"},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        his.settings.dicom = rows[i].dicom;
        his.settings.hl7 = rows[i].hl7;
        his.settings.hl7_charset = rows[i].charset;
        his.settings.folder_format = rows[i].format;
        assert_int_equal(his_targets_read(&his.settings, &his.targets, &err), -1);
        assert_memory_equal(err.text, "his_", 4);
    }
}

static void
the_workers_do_it_by_themselves(void **state)
{
    struct his_out_options o = {.book = book, .retry_ms = 10, .retry_max_ms = 40};
    struct his_out *out = NULL;
    struct err err;

    (void)state;
    his_configure(true, false, true);
    o.settings = his.settings;
    his_peer_answer(HIS_PEER_HANGS_UP);
    assert_int_equal(his_out_start(&o, &out, &err), 0);
    his_report(CLINIC_REPORT, 1, "");
    for (uint64_t seen = 0; his_delivery(HIS_FOLDER, 1, false).state != HIS_DELIVERED ||
                            his_delivery(HIS_HL7, 1, false).tries < 3;)
        seen = book_wait(book, seen, 1000);
    his_peer_answer(HIS_PEER_AA);
    for (uint64_t seen = 0; his_delivery(HIS_HL7, 1, false).state != HIS_DELIVERED;)
        seen = book_wait(book, seen, 1000);
    his_out_wake(out);
    his_out_stop(&out);
    his_out_wake(NULL);
}

static void
every_state_is_reached_and_left_only_by_its_rows(void **state)
{
    enum his_state to;

    (void)state;
    assert_true(his_next(HIS_WAITING, HIS_SAW_RECEIPT, &to) && to == HIS_DELIVERED);
    assert_false(his_next(HIS_DELIVERED, HIS_SAW_REFUSAL, &to));
    assert_false(his_next(HIS_BEFORE, HIS_SAW_RECEIPT, &to));
    for (int s = 0; s < HIS_STATES; s++)
        assert_true(his_next((enum his_state)s, HIS_SAW_AGAIN, &to) && to == HIS_WAITING);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, his_world_open, his_world_close)
    const struct CMUnitTest tests[] = {
        TEST(a_report_is_told_with_its_names_whole_and_its_receipt_kept),
        TEST(what_names_another_patient_than_its_order_waits_for_a_person),
        TEST(a_withdrawal_of_a_report_that_was_held_is_told_to_nobody),
        TEST(a_withdrawal_of_a_report_that_was_told_before_it_was_held_is_told),
        TEST(a_report_that_was_held_goes_when_the_order_is_put_right),
        TEST(what_was_refused_and_amended_or_withdrawn_since_needs_nobody),
        TEST(a_report_that_was_held_goes_when_the_his_puts_the_patient_of_a_done_order_right),
        TEST(only_who_saw_that_another_is_named_has_it_sent_all_the_same),
        TEST(versions_say_what_they_are),
        TEST(trouble_is_tried_again_as_the_same_message),
        TEST(what_is_refused_waits_for_a_person_and_holds_up_nothing),
        TEST(a_report_is_told_in_order_and_only_when_all_of_it_is_here),
        TEST(what_was_withdrawn_before_anybody_was_told_is_not_told),
        TEST(what_came_before_a_target_was_set_up_is_sent_by_hand_only),
        TEST(a_folder_gets_the_pdf_and_then_the_words),
        TEST(a_pacs_gets_both_objects_and_hears_of_the_withdrawal),
        TEST(settings_that_are_none_are_named),
        TEST(the_workers_do_it_by_themselves),
        cmocka_unit_test(every_state_is_reached_and_left_only_by_its_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
