/* test_book.c - the desk's book over a real file: registrations, messages, reports, whose images;
 * also after being closed, killed or damaged. */
#include "gateway/desk/book.h"
#include "gateway/desk/book_own.h"
#include "gateway/desk/db.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/folder.h"

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

static char dir[FOLDER_PATH_BYTES];
static struct book *book;

static int
setup(void **state)
{
    struct err err;

    (void)state;
    log_set_fd(-1);
    folder_make("book", dir);
    return book_open(dir, "04318888888", &book, &err);
}

static int
teardown(void **state)
{
    (void)state;
    book_close(&book);
    folder_remove(dir);
    clock_unfake();
    return 0;
}

static void
reopen(void)
{
    struct err err;

    book_close(&book);
    assert_int_equal(book_open(dir, "", &book, &err), 0);
}

static void
person(const char *name, const char *citizen_id, const char *modality, char out[17])
{
    struct book_registration *r = mem_new(sizeof *r);
    struct err err;

    text_copy(r->name, sizeof r->name, name);
    text_copy(r->citizen_id, sizeof r->citizen_id, citizen_id);
    text_copy(r->modality, sizeof r->modality, modality);
    text_copy(r->phone, sizeof r->phone, "13800138000");
    text_copy(r->complaint, sizeof r->complaint, "咳嗽");
    if (book_register(book, r, out, &err) < 0)
        fail_msg("%s", err.text);
    free(r);
}

static struct book_registration *
found(const char *registration)
{
    static struct book_registration r;
    struct err err;

    assert_int_equal(book_find(book, registration, &r, &err), 0);
    return &r;
}

static size_t
due(struct clinic_ups *out)
{
    struct err err;

    if (book_due(book, out, &err) < 0)
        fail_msg("%s", err.text);
    return out->count;
}

static void
receipt(const char *id, enum clinic_outcome outcome, const char *word)
{
    struct clinic_receipt one = {.outcome = outcome};
    struct clinic_receipts receipts = {&one, 1};
    struct err err;

    text_copy(one.id, sizeof one.id, id);
    text_copy(one.word, sizeof one.word, word);
    assert_int_equal(book_settle(book, &receipts, &err), 0);
}

/* ---- registrations and messages ---- */

static void
a_registration_and_its_message_are_kept_together(void **state)
{
    char number[17];
    struct clinic_ups ups;

    (void)state;
    person("王小东", "11010519491231002X", "CT", number);
    reopen();

    assert_string_equal(found(number)->name, "王小东");
    assert_int_equal(found(number)->waiting, 1);
    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    assert_string_equal(ups.messages[0].registration, number);
    assert_string_equal(ups.messages[0].clinic_phone, "04318888888");
    clinic_ups_free(&ups);
}

static void
numbers_grow_by_the_day_and_are_the_desks_own(void **state)
{
    char first[17], second[17], next_day[17];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "DX", first);
    person("乙", "", "DX", second);
    clock_fake_advance(86400 * 1000);
    person("丙", "", "DX", next_day);

    assert_true(clinic_registration_is_valid(first));
    assert_int_equal(strlen(first), 12);
    assert_string_equal(first + 9, "001");
    assert_string_equal(second + 9, "002");
    assert_string_equal(next_day + 9, "001");
    assert_memory_equal(first + 6, second + 6, 3);
    assert_memory_not_equal(first, next_day, 6);
}

static void
a_receipt_settles_its_message_once(void **state)
{
    char number[17], id[CLINIC_ID_SIZE], word[CLINIC_WORD_SIZE];
    struct clinic_ups ups;
    bool is_settled;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    due(&ups);
    text_copy(id, sizeof id, ups.messages[0].id);
    clinic_ups_free(&ups);
    receipt(id, CLINIC_REFUSED, "conflict");
    receipt(id, CLINIC_DONE, ""); /* a late twin of the answer */

    assert_int_equal(due(&ups), 0);
    clinic_ups_free(&ups);
    assert_int_equal(book_outcome(book, id, true, &is_settled, word, &err), 0);
    assert_true(is_settled);
    assert_string_equal(word, "conflict");
    assert_string_equal(found(number)->refused, "registration conflict");
}

static void
a_message_waits_for_the_earlier_ones_of_its_registration_only(void **state)
{
    char one[17], other[17];
    uint8_t code[32] = {1};
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("甲", "", "CT", one);
    person("乙", "", "CT", other);
    assert_int_equal(book_slip(book, one, code, &err), 0);
    due(&ups);
    assert_int_equal(ups.count, 3);
    assert_int_equal(book_postpone(book, ups.messages[0].id, &err), 0);
    clinic_ups_free(&ups);

    assert_int_equal(due(&ups), 1);
    assert_string_equal(ups.messages[0].registration, other);
    clinic_ups_free(&ups);
}

static void
a_postponed_message_comes_again(void **state)
{
    char number[17];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "CT", number);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(due(&ups), 1);
        assert_int_equal(book_postpone(book, ups.messages[0].id, &err), 0);
        clinic_ups_free(&ups);
        assert_int_equal(due(&ups), 0);
        clinic_ups_free(&ups);
        clock_fake_advance(61000); /* never longer than a minute */
    }
}

static void
a_phone_is_proved_by_the_readers_word(void **state)
{
    char number[17], id[CLINIC_ID_SIZE];
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_string_equal(found(number)->phone_word, "");
    assert_int_equal(book_phone(book, number, NULL, id, &err), 0);
    assert_string_equal(found(number)->phone_word, "unsent");
    receipt(id, CLINIC_DONE, "sent");
    assert_string_equal(found(number)->phone_word, "sent");
    assert_int_equal(book_phone(book, number, "123456", id, &err), 0);
    receipt(id, CLINIC_DONE, "wrong");
    assert_false(found(number)->is_phone_verified);
    assert_int_equal(book_phone(book, number, "654321", id, &err), 0);
    receipt(id, CLINIC_DONE, "verified");
    assert_true(found(number)->is_phone_verified);
}

static void
another_phone_has_to_be_proved_anew(void **state)
{
    struct book_registration *r;
    char number[17], id[CLINIC_ID_SIZE];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_int_equal(book_phone(book, number, "654321", id, &err), 0);
    receipt(id, CLINIC_DONE, "verified");
    r = found(number);
    text_copy(r->phone, sizeof r->phone, "13900139000");
    assert_int_equal(book_correct(book, r, &err), 0);

    assert_false(found(number)->is_phone_verified);
    assert_int_equal(found(number)->revision, 2);
    due(&ups);
    assert_int_equal(ups.messages[ups.count - 1].revision, 2);
    assert_string_equal(ups.messages[ups.count - 1].phone, "13900139000");
    clinic_ups_free(&ups);
}

static void
a_dropped_message_is_never_told(void **state)
{
    char number[17], id[CLINIC_ID_SIZE], word[CLINIC_WORD_SIZE];
    struct clinic_ups ups;
    bool is_settled;
    struct err err;

    (void)state;
    person("甲", "", "CT", number);
    assert_int_equal(book_phone(book, number, NULL, id, &err), 0);
    assert_int_equal(book_outcome(book, id, true, &is_settled, word, &err), 0);
    assert_false(is_settled);
    receipt(id, CLINIC_DONE, "sent"); /* it was on its way all the same */

    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    clinic_ups_free(&ups);
}

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
    struct clinic_downs downs = {(struct clinic_down *)(uintptr_t)messages, n, last_seq,
                                 "https://p.example"};
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

static void
fetch(int64_t read, uint32_t version, const char *bytes)
{
    uint8_t sha256[32];
    struct err err;

    digest_bytes(bytes, strlen(bytes), sha256);
    if (book_pdf_put(book, read, version, bytes, strlen(bytes), sha256, &err) < 0)
        fail_msg("%s", err.text);
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
a_message_that_comes_twice_is_taken_once(void **state)
{
    struct clinic_down m = down(CLINIC_REPORT, 7, 1);
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
    assert_int_equal(book_cursor(book, &cursor, &err), 0);
    assert_int_equal(cursor, last_seq);
}

static void
an_amended_version_replaces_the_one_before_it_visibly(void **state)
{
    struct clinic_down first = down(CLINIC_REPORT, 7, 1), second = down(CLINIC_AMENDED, 7, 2);
    int64_t read;
    uint32_t version;
    bool is_due;
    struct err err;

    (void)state;
    take(&first, 1);
    fetch(7, 1, "%PDF one");
    assert_int_equal(book_pdf_due(book, &is_due, &read, &version, &err), 0);
    assert_false(is_due);
    take(&second, 1);

    assert_string_equal(standings(), "2 valid/0, 1 amended/2");
    fetch(7, 2, "%PDF two");
    assert_int_equal(book_pdf_due(book, &is_due, &read, &version, &err), 0);
    assert_true(is_due); /* the first is fetched again: it says now that it was replaced */
    assert_int_equal(version, 1);
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
a_late_image_marks_the_report(void **state)
{
    struct clinic_down report = down(CLINIC_REPORT, 7, 1), late = down(CLINIC_LATE, 7, 1);
    struct book_report *list = NULL;
    struct err err;
    size_t n;

    (void)state;
    late.present = 31;
    take(&report, 1);
    take(&late, 1);

    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(list[0].covers, 30);
    assert_int_equal(list[0].present, 31);
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
    snprintf(path, sizeof path, "%s/reports/7-1.pdf", dir);
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

/* ---- power and damage ---- */

/* A child registers until it is killed; each number that it told (by a pipe, after the book's
 * answer) is in the book afterwards, with its message. */
static void
what_was_answered_is_there_after_a_kill(void **state)
{
    char told[4096] = "";
    size_t n = 0;
    int fds[2];
    pid_t child;

    (void)state;
    book_close(&book);
    assert_int_equal(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        struct err err;

        if (book_open(dir, "", &book, &err) < 0)
            _exit(1);
        for (;;) {
            struct book_registration *r = mem_new(sizeof *r);
            char number[17];

            text_copy(r->name, sizeof r->name, "甲");
            if (book_register(book, r, number, &err) < 0 || write(fds[1], number, 12) != 12)
                _exit(1);
            free(r);
        }
    }
    while (n < 12 * 20) { /* after twenty it dies in the middle of something */
        ssize_t got = read(fds[0], told + n, 12 * 20 - n);

        assert_true(got > 0);
        n += (size_t)got;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    reopen();

    for (size_t i = 0; i < 20; i++) {
        char number[17] = "";

        memcpy(number, told + 12 * i, 12);
        assert_string_equal(found(number)->name, "甲");
        assert_int_equal(found(number)->waiting, 1);
    }
}

static void
a_damaged_file_is_set_aside_and_begun_anew(void **state)
{
    char path[FOLDER_PATH_BYTES + 32], number[17];
    struct stat st;
    int fd;

    (void)state;
    person("甲", "", "CT", number);
    book_close(&book);
    snprintf(path, sizeof path, "%s/desk.db", dir);
    fd = open(path, O_WRONLY);
    for (off_t at = 0; at < 65536; at += 512)
        assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
    close(fd);
    reopen();

    person("乙", "", "CT", number); /* work goes on */
    snprintf(path, sizeof path, "%s/corrupt", dir);
    assert_int_equal(stat(path, &st), 0);
}

static void
a_file_of_a_later_version_is_refused(void **state)
{
    struct db *db = NULL;
    bool was_corrupt;
    char path[FOLDER_PATH_BYTES + 32];
    struct err err;
    const uint8_t later[] = {0, 0, 0, 99};
    int fd;

    (void)state;
    book_close(&book); /* the write-ahead log is merged */
    snprintf(path, sizeof path, "%s/desk.db", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, later, 4, 60), 4); /* user_version, fileformat2.html 1.3.16 */
    close(fd);

    assert_int_equal(db_open(dir, "desk.db", &db, &was_corrupt, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_false(was_corrupt);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_registration_and_its_message_are_kept_together),
        TEST(numbers_grow_by_the_day_and_are_the_desks_own),
        TEST(a_receipt_settles_its_message_once),
        TEST(a_message_waits_for_the_earlier_ones_of_its_registration_only),
        TEST(a_postponed_message_comes_again),
        TEST(a_phone_is_proved_by_the_readers_word),
        TEST(another_phone_has_to_be_proved_anew),
        TEST(a_dropped_message_is_never_told),
        TEST(a_message_that_comes_twice_is_taken_once),
        TEST(an_amended_version_replaces_the_one_before_it_visibly),
        TEST(whatever_the_order_the_last_version_stands),
        TEST(a_withdrawn_version_counts_no_longer),
        TEST(a_late_image_marks_the_report),
        TEST(a_reports_receipt_is_due_when_its_file_is_here),
        TEST(a_pdf_of_other_bytes_is_not_kept),
        TEST(a_pdf_that_changed_on_the_disk_is_fetched_anew),
        TEST(a_confirmation_is_told_once),
        TEST(a_study_finds_its_registration_by_number),
        TEST(a_citizen_number_attaches_only_when_one_registration_fits),
        TEST(contradicting_numbers_attach_nothing),
        TEST(a_second_study_of_one_number_waits_for_a_person),
        TEST(by_hand_a_study_moves_to_the_right_person),
        TEST(what_was_answered_is_there_after_a_kill),
        TEST(a_damaged_file_is_set_aside_and_begun_anew),
        TEST(a_file_of_a_later_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
