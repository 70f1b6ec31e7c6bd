/* test_book_mail.c - what came down to the desk, reports and their files, and whose images are. */
#include "gateway/desk/book.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/db.h"
#include "gateway/desk/orders.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_US (INT64_C(86400) * 1000000)

#define DAY_US (INT64_C(86400) * 1000000)

/* ---- what came down ---- */

static uint64_t last_seq;

static struct clinic_down
down(enum clinic_down_kind kind, int64_t read, uint32_t version)
{
    struct clinic_down m = {.seq = ++last_seq,
                            .kind = kind,
                            .at_us = clock_wall_us(),
                            .read = read,
                            .version = version,
                            .study = "1.2.3",
                            .patient = "王小东",
                            .modality = "CT",
                            .state = "signed",
                            .covers = 30,
                            .present = 30,
                            .author = "李医生",
                            .reason = "左右写反"};

    clinic_id_new(m.id);
    return m;
}

static void
take(const struct clinic_down *messages, size_t n)
{
    struct clinic_downs downs = {.messages = (struct clinic_down *)(uintptr_t)messages,
                                 .count = n,
                                 .next = last_seq,
                                 .patient_url = "https://p.example"};
    struct err err;

    if (book_take(book, &downs, &err) < 0)
        fail_msg("%s", err.text);
}

/* "2 valid, 1 amended by 2": the versions of the only read, newest first. */
static const char *
standings(void)
{
    static char text[512];
    struct book_report *list = NULL;
    size_t n = 0, at = 0;
    struct err err;

    assert_int_equal(book_reports(book, 100, &list, &n, &err), 0);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u %s/%u", i > 0 ? ", " : "",
                               list[i].version, list[i].standing, list[i].superseded_by);
    free(list);
    return text;
}

/* The version whose file is to be fetched now; 0 none. */
static uint32_t
pdf_due(void)
{
    uint32_t version;
    struct err err;
    int64_t read;
    bool is_due;

    assert_int_equal(book_pdf_due(book, &is_due, &read, &version, &err), 0);
    return is_due ? version : 0;
}

static void
fetched(int64_t read, uint32_t version, const char *bytes)
{
    uint8_t sha256[32];
    struct err err;

    digest_bytes(bytes, strlen(bytes), sha256);
    if (book_pdf_put(book, read, version, bytes, strlen(bytes), sha256, &err) < 0)
        fail_msg("%s", err.text);
}

static void
fetch(int64_t read, uint32_t version, const char *bytes)
{
    assert_int_equal(pdf_due(), version);
    fetched(read, version, bytes);
}

static size_t
receipts_due(void)
{
    struct clinic_ids ids;
    struct err err;
    size_t n;

    assert_int_equal(book_receipts_due(book, &ids, &err), 0);
    n = ids.count;
    clinic_ids_free(&ids);
    return n;
}

static void
a_clock_that_is_set_back_keeps_no_reports_file(void **state)
{
    static const int64_t right_us = INT64_C(1795305600) * 1000000;
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
    struct err err;

    (void)state;
    clock_fake(right_us + INT64_C(5) * 365 * 86400 * 1000000, 1000);
    take(&m, 1);
    assert_int_equal(pdf_due(), 1);
    assert_int_equal(book_pdf_failed(book, 7, 1, &err), 0);
    assert_int_equal(pdf_due(), 0);

    clock_fake(right_us, 2000);

    assert_int_equal(pdf_due(), 1);
    assert_int_equal(book_pdf_failed(book, 7, 1, &err), 0);
    assert_int_equal(pdf_due(), 0);
    clock_unfake();
}

static void
a_message_that_comes_twice_is_taken_once(void **state)
{
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
    char at[CLINIC_ID_SIZE];
    uint64_t cursor;
    struct err err;

    (void)state;
    take(&m, 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(book_confirm(book, 7, 1, &err), 0);
    reopen();
    take(&m, 1);

    assert_string_equal(standings(), "1 valid/0");
    assert_int_equal(receipts_due(), 1);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_string_equal(at, m.id);
    assert_int_equal(cursor, last_seq);
}

static void
an_amended_version_replaces_the_one_before_it_visibly(void **state)
{
    struct clinic_down first = down(CLINIC_REPORT, 7, 1), second = down(CLINIC_AMENDED, 7, 2);

    (void)state;
    take(&first, 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(pdf_due(), 0);
    take(&second, 1);

    assert_string_equal(standings(), "2 valid/0, 1 amended/2");
    fetch(7, 1, "%PDF one, replaced"); /* again: it says now that it was replaced */
    fetch(7, 2, "%PDF two");
    assert_int_equal(pdf_due(), 0);
}

/* The file that is on its way was drawn before, and does not say so. */
static void
what_counts_no_longer_while_its_file_comes_is_fetched_again(void **state)
{
    const struct clinic_down reports[] = {down(CLINIC_REPORT, 7, 1), down(CLINIC_REPORT, 8, 1)};
    const struct clinic_down ends[] = {down(CLINIC_WITHDRAWN, 7, 1), down(CLINIC_AMENDED, 8, 2)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        take(&reports[i], 1);
        assert_int_equal(pdf_due(), 1);
        take(&ends[i], 1);
        fetched(reports[i].read, 1, "%PDF one");

        fetch(reports[i].read, 1, "%PDF one, marked");
    }
    fetch(8, 2, "%PDF two");
    assert_int_equal(pdf_due(), 0);
}

/* The reader tells in order; a later version that is here first would still stand. */
static void
whatever_the_order_the_last_version_stands(void **state)
{
    struct clinic_down first = down(CLINIC_REPORT, 7, 1), second = down(CLINIC_AMENDED, 7, 2),
                       third = down(CLINIC_AMENDED, 7, 3);
    struct clinic_down messages[] = {third, first, second};

    (void)state;
    take(messages, 3);
    assert_string_equal(standings(), "3 valid/0, 2 amended/3, 1 amended/3");
}

static void
a_withdrawn_version_counts_no_longer(void **state)
{
    struct clinic_down report = down(CLINIC_REPORT, 7, 1), gone = down(CLINIC_WITHDRAWN, 7, 1),
                       anew = down(CLINIC_AMENDED, 7, 2);
    struct book_report *list = NULL;
    struct err err;
    size_t n;

    (void)state;
    take(&report, 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(book_confirm(book, 7, 1, &err), 0);
    take(&gone, 1);
    assert_string_equal(standings(), "1 withdrawn/0");
    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(list[0].confirmed_at_us, 0); /* to be taken back: confirmed anew */
    assert_string_equal(list[0].reason, "左右写反");
    free(list);
    take(&anew, 1);
    assert_string_equal(standings(), "2 valid/0, 1 withdrawn/2");
}

static void
a_late_image_marks_the_report_until_a_doctor_looked(void **state)
{
    struct clinic_down report = down(CLINIC_REPORT, 7, 1), late = down(CLINIC_LATE, 7, 1),
                       looked = down(CLINIC_LATE, 7, 1), more = down(CLINIC_LATE, 7, 1);
    struct book_report *list = NULL;
    struct err err;
    size_t n;

    (void)state;
    late.present = looked.present = 31;
    looked.looked_at_us = 1795000000000002;
    text_copy(looked.author, sizeof looked.author, "赵主任");
    text_copy(looked.reason, sizeof looked.reason, "定位像");
    more.present = 32;
    take(&report, 1);
    take(&late, 1);
    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(list[0].covers, 30);
    assert_int_equal(list[0].present, 31);
    assert_int_equal(list[0].looked_at_us, 0);
    free(list);

    take(&looked, 1);
    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(list[0].looked_at_us, 1795000000000002);
    assert_string_equal(list[0].looked_by, "赵主任");
    assert_string_equal(list[0].looked_reason, "定位像");
    free(list);
    take(&more, 1);
    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(list[0].present, 32);
    assert_int_equal(list[0].looked_at_us, 0);
    free(list);
}

static void
a_reports_receipt_is_due_when_its_file_is_here(void **state)
{
    struct clinic_down messages[] = {down(CLINIC_READ_STATE, 7, 0), down(CLINIC_REPORT, 7, 1)};
    struct clinic_ids ids;
    struct err err;

    (void)state;
    take(messages, 2);
    assert_int_equal(receipts_due(), 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(receipts_due(), 2);
    assert_int_equal(book_receipts_due(book, &ids, &err), 0);
    assert_int_equal(book_receipted(book, &ids, &err), 0);
    clinic_ids_free(&ids);
    assert_int_equal(receipts_due(), 0);
}

static void
a_pdf_of_other_bytes_is_not_kept(void **state)
{
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
    uint8_t sha256[32] = {0}, *bytes;
    struct err err;
    size_t n;

    (void)state;
    take(&m, 1);
    assert_int_equal(book_pdf_put(book, 7, 1, "%PDF", 4, sha256, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(book_pdf_get(book, 7, 1, &bytes, &n, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(book_pdf_get(book, 8, 1, &bytes, &n, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
a_pdf_that_changed_on_the_disk_is_fetched_anew(void **state)
{
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
    char path[FOLDER_PATH_BYTES + 32];
    uint8_t *bytes;
    struct err err;
    bool is_due;
    int64_t read;
    uint32_t version;
    size_t n;
    int fd;

    (void)state;
    take(&m, 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(book_pdf_get(book, 7, 1, &bytes, &n, &err), 0);
    assert_memory_equal(bytes, "%PDF one", 8);
    free(bytes);
    snprintf(path, sizeof path, "%s/reports/7-1.pdf", book_dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 5), 1);
    close(fd);

    assert_int_equal(book_pdf_get(book, 7, 1, &bytes, &n, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(book_pdf_due(book, &is_due, &read, &version, &err), 0);
    assert_true(is_due);
}

static void
a_confirmation_is_told_once(void **state)
{
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
    struct clinic_ups ups;
    struct err err;

    (void)state;
    take(&m, 1);
    assert_int_equal(book_confirm(book, 7, 1, &err), 0);
    assert_int_equal(book_confirm(book, 7, 1, &err), 0);
    assert_int_equal(book_confirm(book, 7, 2, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);

    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].read, 7);
    clinic_ups_free(&ups);
}

/* ---- whose images ---- */

static void
arrive(const char *study, const char *patient_id, const char *accession, const char *modality)
{
    struct book_study s = {.arrived_at_us = clock_wall_us()};
    struct err err;

    text_copy(s.study, sizeof s.study, study);
    text_copy(s.patient_id, sizeof s.patient_id, patient_id);
    text_copy(s.accession, sizeof s.accession, accession);
    text_copy(s.modality, sizeof s.modality, modality);
    assert_int_equal(book_study_put(book, &s, &err), 0);
}

static unsigned
match(void)
{
    struct err err;
    unsigned n;

    if (book_match(book, clock_wall_us() - DAY_US, &n, &err) < 0)
        fail_msg("%s", err.text);
    return n;
}

static void
a_study_finds_its_registration_by_number(void **state)
{
    char by_accession[17], by_patient[17];

    (void)state;
    person("甲", "", "CT", by_accession);
    person("乙", "", "DX", by_patient);
    arrive("1.1", "whatever", by_accession, "CT");
    arrive("1.2", by_patient, "", "DX");

    assert_int_equal(match(), 2);
    assert_string_equal(found(by_accession)->study, "1.1");
    assert_string_equal(found(by_accession)->attached_by, "number");
    assert_string_equal(found(by_patient)->study, "1.2");
    assert_int_equal(match(), 0);
}

static void
a_citizen_number_attaches_only_when_one_registration_fits(void **state)
{
    char ct[17], dx[17], dx_again[17];

    (void)state;
    person("甲", "11010519491231002X", "CT", ct);
    person("甲", "11010519491231002X", "DX", dx);
    arrive("1.1", "11010519491231002x", "", "CR"); /* a DR machine that calls itself CR */
    assert_int_equal(match(), 1);
    assert_string_equal(found(dx)->study, "1.1");
    assert_string_equal(found(dx)->attached_by, "citizen_id");
    person("甲", "11010519491231002X", "CT", dx_again);
    arrive("1.2", "11010519491231002X", "", "CT"); /* two fit: a person has to say */
    assert_int_equal(match(), 0);
    assert_string_equal(found(ct)->study, "");
}

static void
contradicting_numbers_attach_nothing(void **state)
{
    char one[17], other[17];

    (void)state;
    person("甲", "", "CT", one);
    person("乙", "", "CT", other);
    arrive("1.1", one, other, "CT");
    arrive("1.2", "", "", "CT");
    assert_int_equal(match(), 0);
}

/* The console still held somebody's accession number when the next card was read. */
static void
a_number_beside_anothers_citizen_number_attaches_nothing(void **state)
{
    static const char card[] = "11010519491231002X", other_card[] = "110105194912310038";
    char known[17], unknown[17], next[17], alike[17];

    (void)state;
    person("甲", card, "CT", known);
    person("丙", "", "CT", unknown);
    person("乙", other_card, "CT", next);
    arrive("1.1", other_card, known, "CT");
    arrive("1.2", other_card, unknown, "CT");
    assert_int_equal(match(), 0);
    arrive("1.3", card, known, "CT");
    assert_int_equal(match(), 1);
    assert_string_equal(found(known)->study, "1.3");
    assert_int_equal(match(), 0); /* nor the next one's, now that the number has its images */
    assert_string_equal(found(next)->study, "");
    person("丁", "", "CT", alike);
    arrive("1.4", "110105194912310054", alike, "CT"); /* whose card was not asked for */
    assert_int_equal(match(), 1);
    assert_string_equal(found(alike)->study, "1.4");
}

static void
a_second_study_of_one_number_waits_for_a_person(void **state)
{
    char number[17];

    (void)state;
    person("甲", "", "CT", number);
    arrive("1.1", number, "", "CT");
    assert_int_equal(match(), 1);
    arrive("1.2", number, "", "CT");
    assert_int_equal(match(), 0);
    assert_string_equal(found(number)->study, "1.1");
}

static void
by_hand_a_study_moves_to_the_right_person(void **state)
{
    char wrong[17], right[17];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("甲", "", "CT", wrong);
    person("乙", "", "CT", right);
    assert_int_equal(book_attach(book, wrong, "1.1", "hand", &err), 0);
    assert_int_equal(book_attach(book, right, "1.1", "hand", &err), 0);
    assert_int_equal(book_attach(book, right, "1.1", "hand", &err), 0); /* says nothing new */

    assert_string_equal(found(wrong)->study, "");
    assert_string_equal(found(right)->study, "1.1");
    assert_int_equal(due(&ups), 4); /* two registrations, two attachments */
    assert_string_equal(ups.messages[3].registration, right);
    clinic_ups_free(&ups);
}

static struct clinic_down
order_down(const char *placer, const char *description)
{
    struct clinic_down m = down(CLINIC_ORDER, 0, 0);

    text_copy(m.placer, sizeof m.placer, placer);
    text_copy(m.description, sizeof m.description, description);
    text_copy(m.hospital, sizeof m.hospital, "县医院");
    m.reason[0] = m.study[0] = m.state[0] = '\0';
    return m;
}

static void
an_order_of_the_centre_stands_on_the_worklists_changes_and_goes(void **state)
{
    struct clinic_down first = order_down("H/1", "胸部平扫"), again = order_down("H/1", "头部平扫");
    struct clinic_down back = order_down("H/1", ""), unknown = order_down("H/2", "");
    struct order *o = mem_new(sizeof *o);
    struct clinic_ups ups;
    struct err err;

    (void)state;
    back.is_cancelled = unknown.is_cancelled = true;
    take(&first, 1);
    take(&first, 1);
    assert_int_equal(order_find_placer(book, "centre", "H/1", o, &err), 0);
    assert_string_equal(o->name, "王小东");
    assert_string_equal(o->referring, "李医生");
    assert_string_equal(o->department, "县医院");
    assert_int_equal(o->state, ORDER_SCHEDULED);
    assert_int_equal(due(&ups), 1); /* the reader is told of its registration, once */
    clinic_ups_free(&ups);

    take(&again, 1);
    assert_int_equal(order_find_placer(book, "centre", "H/1", o, &err), 0);
    assert_string_equal(o->description, "头部平扫");
    take(&back, 1);
    take(&unknown, 1);
    assert_int_equal(order_find_placer(book, "centre", "H/1", o, &err), 0);
    assert_int_equal(o->state, ORDER_CANCELLED);
    assert_int_equal(order_find_placer(book, "centre", "H/2", o, &err), -1);
    assert_int_equal(receipts_due(), 4);
    free(o);
}

static void
an_order_that_cannot_be_taken_is_said_and_holds_nothing_up(void **state)
{
    struct clinic_down messages[] = {order_down("H/1", "胸部平扫"), order_down("号", "x"),
                                     order_down("H/3", "y")};
    struct order *o = mem_new(sizeof *o);
    struct db_rows *rows = NULL;
    struct err err;

    (void)state;
    take(messages, 3);
    assert_int_equal(order_find_placer(book, "centre", "H/3", o, &err), 0);
    assert_int_equal(receipts_due(), 3);
    assert_int_equal(db_begin(book->db, &err), 0);
    assert_int_equal(
        db_end(book->db, db_run(book->db, "notice_list", DB_ARGS(DB_INT(10)), &rows, &err), &err),
        0);
    assert_int_equal(db_rows_count(rows), 1);
    db_rows_free(&rows);
    free(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
        TEST(a_message_that_comes_twice_is_taken_once),
        TEST(a_clock_that_is_set_back_keeps_no_reports_file),
        TEST(an_order_of_the_centre_stands_on_the_worklists_changes_and_goes),
        TEST(an_order_that_cannot_be_taken_is_said_and_holds_nothing_up),
        TEST(an_amended_version_replaces_the_one_before_it_visibly),
        TEST(what_counts_no_longer_while_its_file_comes_is_fetched_again),
        TEST(whatever_the_order_the_last_version_stands),
        TEST(a_withdrawn_version_counts_no_longer),
        TEST(a_late_image_marks_the_report_until_a_doctor_looked),
        TEST(a_reports_receipt_is_due_when_its_file_is_here),
        TEST(a_pdf_of_other_bytes_is_not_kept),
        TEST(a_pdf_that_changed_on_the_disk_is_fetched_anew),
        TEST(a_confirmation_is_told_once),
        TEST(a_study_finds_its_registration_by_number),
        TEST(a_citizen_number_attaches_only_when_one_registration_fits),
        TEST(contradicting_numbers_attach_nothing),
        TEST(a_number_beside_anothers_citizen_number_attaches_nothing),
        TEST(a_second_study_of_one_number_waits_for_a_person),
        TEST(by_hand_a_study_moves_to_the_right_person),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
