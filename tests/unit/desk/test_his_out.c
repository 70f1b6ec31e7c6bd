/* test_his_out.c - reports to the clinic's own systems: told with a receipt, again while there is
 * none, corrected, withdrawn; what is refused waits for a person. */
#include "gateway/desk/his_out.h"

#include "gateway/desk/his_book.h"
#include "gateway/desk/his_report.h"
#include "gateway/desk/his_send.h"
#include "gateway/desk/orders.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"
#include "proto/http/json.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"
#include "tests/support/dimse_receiver.h"
#include "tests/support/his_peer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define STUDY "1.2.840.5.77"
#define NAME "王昞倈" /* in GBK their second bytes are those of \ and | */
#define SR_CLASS "1.2.840.10008.5.1.4.1.1.88.11"
#define PDF_CLASS "1.2.840.10008.5.1.4.1.1.104.1"
enum { READ = 12, WAIT_MS = 3600000 };

static char hl7_place[64], dicom_place[64], folder[FOLDER_PATH_BYTES + 8];
static struct his_settings settings;
static struct his_targets targets;
static uint64_t seq;

/* ---- the desk's side ---- */

static void
configure(bool has_hl7, bool has_dicom, bool has_folder)
{
    struct err err;

    snprintf(hl7_place, sizeof hl7_place, "127.0.0.1:%u", his_peer_port());
    settings = (struct his_settings){.dicom = has_dicom ? dicom_place : "",
                                     .dicom_calling = "RADPOST",
                                     .hl7 = has_hl7 ? hl7_place : "",
                                     .hl7_charset = "GB18030",
                                     .hl7_application = "HIS",
                                     .hl7_facility = "HOSP",
                                     .our_facility = "CLINIC",
                                     .hl7_has_pdf = true,
                                     .hl7_wait_ms = 10000,
                                     .folder = has_folder ? folder : "",
                                     .folder_format = "json"};
    assert_int_equal(his_targets_read(&settings, &targets, &err), 0);
}

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
    assert_int_equal(book_world_open(state), 0);
    log_set_fd(-1);
    his_peer_start(HIS_PEER_AA);
    snprintf(folder, sizeof folder, "%s/his", book_dir);
    assert_int_equal(mkdir(folder, 0750), 0);
    seq = 0;
    configure(true, false, false);
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

/* A DICOM object as small as one can be. */
static void
put_object(uint32_t version, const char *kind, const char *sop_class)
{
    char uid[65];
    struct dcm_writer w;
    struct buf file;
    struct err err;

    snprintf(uid, sizeof uid, "1.2.840.5.%s.%u",
             sop_class == NULL ? "0"
             : kind[0] == 's'  ? "1"
                               : "2",
             version);
    buf_init(&file, 1 << 20);
    assert_int_equal(part10_head(&file, sop_class, uid, DCM_UID_EXPLICIT_LE, NULL, &err), 0);
    dcm_write_init(&w, &file, DCM_EXPLICIT_LE);
    dcm_write_text(&w, 0x00080005, "CS", "ISO_IR 192");
    dcm_write_text(&w, 0x00080016, "UI", sop_class);
    dcm_write_text(&w, 0x00080018, "UI", uid);
    dcm_write_text(&w, 0x00080050, "SH", "ACC1");
    dcm_write_text(&w, 0x00100010, "PN", NAME);
    dcm_write_text(&w, 0x00100020, "LO", "P1");
    dcm_write_text(&w, 0x0020000D, "UI", STUDY);
    dcm_write_text(&w, 0x0020000E, "UI", "1.2.3");
    put(version, kind, file.bytes, file.n);
    buf_fini(&file);
}

static void
fetch(uint32_t version)
{
    char *pdf = mem_printf("%%PDF-1.4 version %u\nstartxref\n%%%%EOF\n", version);
    char *text = mem_printf("{\"exam\":\"胸部平扫\",\"findings\":\"左肺|结节^1\\n右肺清晰\","
                            "\"impression\":\"第%u版\",\"patient\":{\"id\":\"P1\",\"sex\":\"M\","
                            "\"birth\":\"19700101\",\"name\":\"x\"},\"study\":{\"accession\":"
                            "\"ACC1\",\"date\":\"20261122\",\"time\":\"083000\"}}",
                            version);

    owe();
    put(version, "", pdf, strlen(pdf));
    put(version, "text", text, strlen(text));
    put_object(version, "sr", SR_CLASS);
    put_object(version, "pdf", PDF_CLASS);
    free(text);
    free(pdf);
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

/* ---- claims ---- */

static void
a_report_is_told_with_its_names_whole_and_its_receipt_kept(void **state)
{
    struct order o = {.source = "hl7",
                      .placer = "N1",
                      .name = NAME,
                      .study = STUDY,
                      .accession = "ACC1",
                      .patient_id = "P1",
                      .citizen_id = "11010519491231002X",
                      .referring = "李大夫"};
    struct err err;
    char *pdf_text;
    size_t n;

    (void)state;
    assert_int_equal(order_put(book, &o, &err), 0);
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, NULL));

    assert_string_equal(delivery(HIS_HL7, 1, false).receipt, "AA ACK1");
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
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
    assert_false(step(HIS_HL7, NULL));
    assert_int_equal(his_peer_count(), 1);
}

static void
versions_say_what_they_are(void **state)
{
    (void)state;
    hear(CLINIC_REPORT, 1, true, "");
    fetch(1);
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "P");
    report(CLINIC_AMENDED, 2, "");
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "F"); /* the first that is final */
    report(CLINIC_AMENDED, 3, "左右写反");
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
    assert_string_equal(his_peer_last("NTE", 1, 3, 1), "左右写反");
    hear(CLINIC_WITHDRAWN, 3, false, "写错病人");
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBR", 1, 25, 1), "C");
    assert_string_equal(his_peer_last("OBX", 1, 11, 1), "W");
    assert_string_equal(his_peer_last("OBX", 1, 5, 1), "本报告已撤回 WITHDRAWN：写错病人");
    assert_int_equal(his_peer_count(), 4);
    assert_false(step(HIS_HL7, NULL));
}

static void
trouble_is_tried_again_as_the_same_message(void **state)
{
    char control[32];
    bool is_down = false;

    (void)state;
    clock_fake(INT64_C(1795307400) * 1000000, 1000);
    his_peer_answer(HIS_PEER_HANGS_UP);
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, &is_down));
    assert_true(is_down);
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_WAITING);
    assert_true(delivery(HIS_HL7, 1, false).trouble[0] != '\0');
    (void)text_copy(control, sizeof control, his_peer_last("MSH", 1, 10, 1));
    assert_true(strlen(control) <= 20);
    assert_false(step(HIS_HL7, NULL)); /* later */

    clock_fake_advance(WAIT_MS);
    his_peer_answer(HIS_PEER_AR);
    assert_true(step(HIS_HL7, &is_down));
    assert_true(is_down);
    reopen();                           /* what waits outlives the process */
    clock_fake(INT64_C(1000000), 1000); /* and a clock that jumps back to 1970 */
    his_peer_answer(HIS_PEER_AA);
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("MSH", 1, 10, 1), control);
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_DELIVERED);
    assert_int_equal(delivery(HIS_HL7, 1, false).tries, 3);
}

static void
what_is_refused_waits_for_a_person_and_holds_up_nothing(void **state)
{
    char control[32];

    (void)state;
    his_peer_answer(HIS_PEER_AE);
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_HL7, NULL));
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_REFUSED);
    assert_string_equal(delivery(HIS_HL7, 1, false).trouble, "the HIS answered AE 102");
    assert_false(step(HIS_HL7, NULL));
    (void)text_copy(control, sizeof control, his_peer_last("MSH", 1, 10, 1));
    his_peer_answer(HIS_PEER_AA);
    report(CLINIC_AMENDED, 2, "x");
    assert_true(step(HIS_HL7, NULL));
    assert_int_equal(delivery(HIS_HL7, 2, false).state, HIS_DELIVERED);

    again(delivery(HIS_HL7, 2, false).n);
    assert_true(step(HIS_HL7, NULL));
    assert_int_equal(delivery(HIS_HL7, 2, false).state, HIS_DELIVERED);
    assert_string_equal(delivery(HIS_HL7, 2, false).again_by, "anna");
    assert_string_not_equal(his_peer_last("MSH", 1, 10, 1), control); /* a HIS sees a new one */
}

static void
a_report_is_told_in_order_and_only_when_all_of_it_is_here(void **state)
{
    (void)state;
    hear(CLINIC_REPORT, 1, false, "");
    owe();
    report(CLINIC_AMENDED, 2, "x");
    assert_false(step(HIS_HL7, NULL)); /* of version 1 nothing is here */
    fetch(1);
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 3, 5, 1), "第1版");
    assert_true(step(HIS_HL7, NULL));
    assert_string_equal(his_peer_last("OBX", 3, 5, 1), "第2版");
}

static void
what_was_withdrawn_before_anybody_was_told_is_not_told(void **state)
{
    (void)state;
    report(CLINIC_REPORT, 1, "");
    hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_true(step(HIS_HL7, NULL));
    assert_true(step(HIS_HL7, NULL));
    assert_false(step(HIS_HL7, NULL));
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_OBSOLETE);
    assert_int_equal(delivery(HIS_HL7, 1, true).state, HIS_OBSOLETE);
    assert_int_equal(his_peer_count(), 0);
}

static void
what_came_before_a_target_was_set_up_is_sent_by_hand_only(void **state)
{
    (void)state;
    report(CLINIC_REPORT, 1, "");
    configure(true, false, true);
    assert_false(step(HIS_FOLDER, NULL));
    assert_int_equal(delivery(HIS_FOLDER, 1, false).state, HIS_BEFORE);
    assert_int_equal(delivery(HIS_HL7, 1, false).state, HIS_WAITING);
    again(delivery(HIS_FOLDER, 1, false).n);
    assert_true(step(HIS_FOLDER, NULL));
    assert_int_equal(delivery(HIS_FOLDER, 1, false).state, HIS_DELIVERED);
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
    configure(false, false, true);
    owe();
    snprintf(path, sizeof path, "%s/tmp", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/tmp/report-12-v1.pdf", folder);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0); /* of a try that was killed */
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_FOLDER, NULL));
    assert_string_equal(delivery(HIS_FOLDER, 1, false).receipt, "report-12-v1.json");
    snprintf(path, sizeof path, "%s/report-12-v1.pdf", folder);
    assert_int_equal(durable_get_file(path, 1000, &bytes, &n, &err), 0);
    assert_memory_equal(bytes, "%PDF-1.4 version 1", 18);
    free(bytes);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    snprintf(path, sizeof path, "%s/report-12-v1.json", folder);
    assert_int_equal(durable_get_file(path, 100000, &bytes, &n, &err), 0);
    assert_int_equal(json_parse(bytes, n, &doc, &err), 0);
    assert_string_equal(json_as_text(json_find(json_root(doc), "status")), "F");
    assert_string_equal(json_as_text(json_find(json_root(doc), "impression")), "第1版");
    assert_string_equal(json_as_text(json_find(json_root(doc), "pdf")), "report-12-v1.pdf");
    json_free(&doc);
    free(bytes);

    settings.folder = "/nowhere/at/all";
    hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_true(step(HIS_FOLDER, NULL));
    assert_int_equal(delivery(HIS_FOLDER, 1, true).state, HIS_WAITING);
    settings.folder = folder;
    again(delivery(HIS_FOLDER, 1, true).n);
    assert_true(step(HIS_FOLDER, NULL));
    assert_string_equal(delivery(HIS_FOLDER, 1, true).receipt, "report-12-v1-withdrawn.json");
}

static void
a_pacs_gets_both_objects_and_hears_of_the_withdrawal(void **state)
{
    bool is_down = false;

    (void)state;
    dimse_receiver_start(4, (struct dimse_deadlines){0});
    snprintf(dicom_place, sizeof dicom_place, "PACS@127.0.0.1:%s", dimse_receiver_port());
    configure(false, true, false);
    owe();
    report(CLINIC_REPORT, 1, "");
    assert_true(step(HIS_DICOM, NULL));
    assert_string_equal(delivery(HIS_DICOM, 1, false).receipt, "SR 0000H, PDF 0000H");
    assert_int_equal(dimse_receiver.stored, 2);
    assert_string_equal(dimse_receiver.instance, "1.2.840.5.2.1");

    hear(CLINIC_WITHDRAWN, 1, false, "x");
    assert_false(step(HIS_DICOM, NULL)); /* its PDF does not say so yet */
    put(1, "", "%PDF-1.4 withdrawn\nstartxref\n%%EOF\n", 35);
    assert_true(step(HIS_DICOM, NULL));
    assert_string_equal(delivery(HIS_DICOM, 1, true).receipt, "PDF (withdrawn) 0000H");
    assert_int_equal(dimse_receiver.stored, 3);
    assert_true(memmem(dimse_receiver.last.bytes, dimse_receiver.last.n, "withdrawn", 9) != NULL);
    assert_true(memmem(dimse_receiver.last.bytes, dimse_receiver.last.n, STUDY, strlen(STUDY)) !=
                NULL);

    /* one that does not know us by this name waits: its settings are mended there */
    snprintf(dicom_place, sizeof dicom_place, "WRONG@127.0.0.1:%s", dimse_receiver_port());
    configure(false, true, false);
    report(CLINIC_AMENDED, 2, "x");
    assert_true(step(HIS_DICOM, &is_down));
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
        settings.dicom = rows[i].dicom;
        settings.hl7 = rows[i].hl7;
        settings.hl7_charset = rows[i].charset;
        settings.folder_format = rows[i].format;
        assert_int_equal(his_targets_read(&settings, &targets, &err), -1);
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
    configure(true, false, true);
    o.settings = settings;
    his_peer_answer(HIS_PEER_HANGS_UP);
    assert_int_equal(his_out_start(&o, &out, &err), 0);
    report(CLINIC_REPORT, 1, "");
    for (uint64_t seen = 0; delivery(HIS_FOLDER, 1, false).state != HIS_DELIVERED ||
                            delivery(HIS_HL7, 1, false).tries < 3;)
        seen = book_wait(book, seen, 1000);
    his_peer_answer(HIS_PEER_AA);
    for (uint64_t seen = 0; delivery(HIS_HL7, 1, false).state != HIS_DELIVERED;)
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_report_is_told_with_its_names_whole_and_its_receipt_kept),
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
