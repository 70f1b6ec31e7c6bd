/* test_reader_set_back.c - the reader's database was put back from a backup, and gives the numbers
 * of reads out anew: nothing is shown, handed over or confirmed under a study that it was not told
 * for. */
#include "gateway/desk/book.h"
#include "gateway/desk/his_book.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FIRST "1.2.826.0.1"
#define SECOND "1.2.826.0.2"
enum { NUMBER = 11, SIGNED = 100, ANEW = 900, HL7 = 1 << HIS_HL7 };

static uint64_t seq;

static void
hear(enum clinic_down_kind kind, int64_t number, const char *study, int64_t signed_at_us)
{
    struct clinic_down m = {.seq = ++seq,
                            .kind = kind,
                            .at_us = clock_wall_us(),
                            .read = number,
                            .version = kind == CLINIC_READ_STATE ? 0 : 1,
                            .patient = "王小东",
                            .modality = "CT",
                            .signed_at_us = signed_at_us,
                            .covers = 30,
                            .present = 30,
                            .author = "李医生"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = seq};
    struct err err;

    text_copy(m.study, sizeof m.study, study);
    text_copy(m.state, sizeof m.state, kind == CLINIC_READ_STATE ? "unread" : "signed");
    clinic_id_new(m.id);
    if (book_take(book, &downs, &err) < 0)
        fail_msg("%s", err.text);
}

/* The report of a study that was heard of last: the newest is the first. */
static struct book_report
report_of(const char *study)
{
    struct book_report *list = NULL, found = {.read = 0};
    struct err err;
    size_t n;

    assert_int_equal(book_reports(book, 100, &list, &n, &err), 0);
    for (size_t i = 0; i < n && found.read == 0; i++)
        if (strcmp(list[i].study, study) == 0)
            found = list[i];
    free(list);
    return found;
}

static void
put(int64_t read, const char *kind, const char *bytes)
{
    uint8_t sha256[DIGEST_BYTES];
    struct err err;

    digest_bytes(bytes, strlen(bytes), sha256);
    assert_int_equal(
        kind[0] == '\0' ? book_pdf_put(book, read, 1, bytes, strlen(bytes), sha256, &err)
                        : his_document_put(book, read, 1, kind, bytes, strlen(bytes), sha256, &err),
        0);
}

/* The read whose PDF is to be fetched now; 0 none. */
static int64_t
pdf_due(void)
{
    uint32_t version;
    struct err err;
    int64_t read;
    bool is_due;

    assert_int_equal(book_pdf_due(book, &is_due, &read, &version, &err), 0);
    return read;
}

static int64_t
number_of(int64_t read)
{
    struct book_source source;
    struct err err;

    assert_int_equal(book_read_source(book, read, &source, &err), 0);
    return source.number;
}

static void
assert_pdf(int64_t read, const char *wanted)
{
    uint8_t *bytes;
    struct err err;
    size_t n;

    if (book_pdf_get(book, read, 1, &bytes, &n, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(bytes, wanted, n);
    free(bytes);
}

static uint64_t
waiting(void)
{
    struct book_counts counts;
    struct err err;

    assert_int_equal(book_counts(book, &counts, &err), 0);
    return counts.waiting;
}

static void
another_studys_read_of_the_same_number_inherits_no_report(void **state)
{
    struct book_report first, second;

    (void)state;
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    put(NUMBER, "", "%PDF first");

    seq = 3; /* the database that was put back counts on from there */
    hear(CLINIC_READ_STATE, NUMBER, SECOND, 0);
    assert_int_equal(report_of(SECOND).read, 0);
    hear(CLINIC_REPORT, NUMBER, SECOND, ANEW);

    first = report_of(FIRST);
    second = report_of(SECOND);
    assert_int_equal(first.read, NUMBER);
    assert_true(first.is_here);
    assert_string_equal(first.standing, "valid");
    assert_int_not_equal(second.read, NUMBER);
    assert_false(second.is_here);
    assert_int_equal(pdf_due(), second.read);
    assert_int_equal(number_of(second.read), NUMBER);
    assert_int_equal(number_of(first.read), 0);
    put(second.read, "", "%PDF second");
    assert_pdf(first.read, "%PDF first");
    assert_pdf(second.read, "%PDF second");
    hear(CLINIC_WITHDRAWN, NUMBER, SECOND, 0);
    assert_string_equal(report_of(FIRST).standing, "valid");
    assert_string_equal(report_of(SECOND).standing, "withdrawn");
}

static void
a_report_that_was_signed_anew_is_fetched_and_replaces_the_lost_one(void **state)
{
    struct book_report anew;
    struct book_report *list = NULL;
    struct err err;
    size_t n;

    (void)state;
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    put(NUMBER, "", "%PDF lost");
    hear(CLINIC_REPORT, NUMBER, FIRST, ANEW);

    anew = report_of(FIRST);
    assert_int_not_equal(anew.read, NUMBER);
    assert_false(anew.is_here);
    assert_int_equal(pdf_due(), anew.read);
    put(anew.read, "", "%PDF anew");
    assert_pdf(NUMBER, "%PDF lost");
    assert_int_equal(book_reports(book, 9, &list, &n, &err), 0);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(list[i].standing, list[i].read == NUMBER ? "amended" : "valid");
    free(list);
    hear(CLINIC_REPORT, NUMBER, FIRST, ANEW); /* told again: nothing is new */
    assert_int_equal(report_of(FIRST).read, anew.read);
}

static void
a_study_whose_read_has_another_number_is_known_by_that(void **state)
{
    struct err err;

    (void)state;
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    put(NUMBER, "", "%PDF first");

    hear(CLINIC_READ_STATE, NUMBER - 2, FIRST, 0);

    assert_int_equal(number_of(NUMBER), 0);
    assert_int_equal(number_of(NUMBER - 2), NUMBER - 2);
    assert_int_equal(book_confirm(book, NUMBER, 1, &err), 0);
    assert_int_equal(waiting(), 0); /* the reader knows of no such report */
    assert_true(report_of(FIRST).confirmed_at_us > 0);
}

static void
a_confirmation_names_the_readers_number_and_the_study(void **state)
{
    struct clinic_ups ups;
    struct err err;

    (void)state;
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    hear(CLINIC_REPORT, NUMBER, SECOND, ANEW);
    assert_int_equal(book_confirm(book, report_of(SECOND).read, 1, &err), 0);

    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].read, NUMBER);
    assert_string_equal(ups.messages[0].study, SECOND);
    clinic_ups_free(&ups);
}

/* What the reader tells once more is not done once more, and has a receipt once more. */
static void
what_is_told_again_after_a_lost_cursor_is_taken_once(void **state)
{
    struct clinic_down m = {.seq = 20, .kind = CLINIC_NOTICE, .at_us = 1, .reason = "请重做"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = 20},
                        lost = {.next = 3, .is_cursor_lost = true};
    char at[CLINIC_ID_SIZE];
    struct clinic_ids ids;
    uint64_t cursor;
    struct err err;

    (void)state;
    clinic_id_new(m.id);
    assert_int_equal(book_take(book, &downs, &err), 0);
    assert_int_equal(book_receipts_due(book, &ids, &err), 0);
    assert_int_equal(book_receipted(book, &ids, &err), 0);
    clinic_ids_free(&ids);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_string_equal(at, m.id);

    assert_int_equal(book_take(book, &lost, &err), 0);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_int_equal(cursor, 3);
    assert_string_equal(at, "");
    m.seq = downs.next = 4;
    assert_int_equal(book_take(book, &downs, &err), 0);

    assert_int_equal(book_receipts_due(book, &ids, &err), 0);
    assert_int_equal(ids.count, 1);
    clinic_ids_free(&ids);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_int_equal(cursor, 4);
    assert_string_equal(at, m.id);
}

/* Else the same question would be asked for ever, and nothing behind it be told. */
static void
a_lost_cursor_that_stands_at_its_own_number_asks_without_the_message(void **state)
{
    struct clinic_down m = {.seq = 20, .kind = CLINIC_NOTICE, .at_us = 1, .reason = "请重做"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = 20},
                        lost = {.next = 20, .is_cursor_lost = true};
    char at[CLINIC_ID_SIZE];
    uint64_t cursor;
    struct err err;

    (void)state;
    clinic_id_new(m.id);
    assert_int_equal(book_take(book, &downs, &err), 0);
    assert_int_equal(book_take(book, &lost, &err), 0);
    assert_int_equal(book_cursor(book, &cursor, at, &err), 0);
    assert_int_equal(cursor, 20);
    assert_string_equal(at, "");
}

/* The reader says that its database never gave the last receipt. */
static void
reader_lost_what_was_told(void)
{
    struct clinic_downs lost = {.is_told_lost = true};
    struct err err;

    assert_int_equal(book_take(book, &lost, &err), 0);
}

static void
what_was_told_is_told_again_in_its_order_under_its_own_ids(void **state)
{
    static const uint8_t code[CLINIC_HASH_BYTES] = {7};
    struct clinic_ups first, again;
    char number[17], told[CLINIC_ID_SIZE];
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    assert_int_equal(book_slip(book, number, code, &err), 0);
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    assert_int_equal(book_confirm(book, NUMBER, 1, &err), 0);
    assert_int_equal(due(&first), 3);
    for (size_t i = 0; i < first.count; i++)
        receipt(first.messages[i].id, CLINIC_DONE, "");
    assert_int_equal(waiting(), 0);
    assert_int_equal(book_told(book, told, &err), 0);
    assert_string_equal(told, first.messages[2].id);

    reader_lost_what_was_told();

    assert_int_equal(book_told(book, told, &err), 0);
    assert_string_equal(told, ""); /* it is not asked about again */
    assert_int_equal(due(&again), 3);
    for (size_t i = 0; i < again.count; i++) {
        assert_string_equal(again.messages[i].id, first.messages[i].id);
        assert_int_equal(again.messages[i].kind, first.messages[i].kind);
        receipt(again.messages[i].id, CLINIC_DONE, "");
    }
    assert_int_equal(waiting(), 0);
    clinic_ups_free(&first);
    clinic_ups_free(&again);
}

/* The reader sent its code to nobody, as far as it knows: it proves nothing any more. */
static void
no_code_is_asked_for_again_and_a_phone_is_proved_no_longer_than_the_reader_knows(void **state)
{
    char number[17], id[CLINIC_ID_SIZE];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    assert_int_equal(due(&ups), 1);
    receipt(ups.messages[0].id, CLINIC_DONE, "");
    clinic_ups_free(&ups);
    assert_int_equal(book_phone(book, number, NULL, id, &err), 0);
    receipt(id, CLINIC_DONE, "sent");
    assert_int_equal(book_phone(book, number, "123456", id, &err), 0);
    receipt(id, CLINIC_DONE, "verified");
    assert_true(found(number)->is_phone_verified);

    reader_lost_what_was_told();
    assert_int_equal(due(&ups), 2);
    assert_int_equal(ups.messages[0].kind, CLINIC_REGISTRATION);
    assert_int_equal(ups.messages[1].kind, CLINIC_PHONE_CHECK);
    receipt(ups.messages[0].id, CLINIC_DONE, "");
    receipt(ups.messages[1].id, CLINIC_DONE, "wrong");
    clinic_ups_free(&ups);

    assert_false(found(number)->is_phone_verified);
    reader_lost_what_was_told();
    assert_int_equal(due(&ups), 1); /* what was wrong is over */
    clinic_ups_free(&ups);
}

/* Nor what the reader refused, nor what it could not read. */
static void
what_was_refused_is_not_told_again(void **state)
{
    char number[17], other[17], told[CLINIC_ID_SIZE];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    person("李小红", "", "CT", other);
    assert_int_equal(due(&ups), 2);
    receipt(ups.messages[0].id, CLINIC_REFUSED, "conflict");
    assert_int_equal(book_refuse(book, ups.messages[1].id, &err), 0);

    assert_int_equal(book_told(book, told, &err), 0);
    assert_string_equal(told, ups.messages[0].id); /* of the other the reader knows nothing */
    clinic_ups_free(&ups);
    reader_lost_what_was_told();
    assert_int_equal(waiting(), 0);
}

static void
a_read_that_both_databases_have_goes_on_with_lower_numbers(void **state)
{
    (void)state;
    seq = 30;
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    seq = 3;
    hear(CLINIC_READ_STATE, NUMBER, FIRST, 0);

    assert_string_equal(report_of(FIRST).state, "unread");
}

/* The deliveries to the HIS, oldest first: "11 delivered ". */
static const char *
owed(void)
{
    static char text[256];
    struct his_delivery *list = NULL;
    struct err err;
    size_t n, at = 0;
    bool is_new;

    assert_int_equal(his_book_owe(book, HL7, &is_new, &err), 0);
    assert_int_equal(his_book_list(book, 10, &list, &n, &err), 0);
    text[0] = '\0';
    for (size_t i = n; i-- > 0;)
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s %s ",
                             list[i].read == NUMBER ? "old" : "new", his_state_word(list[i].state));
    free(list);
    return text;
}

static void
the_his_is_owed_the_new_report_and_never_the_old_ones_documents(void **state)
{
    static const char *const kinds[] = {"", "sr", "pdf", "text"};
    struct his_delivery delivery;
    struct err err;
    uint8_t *bytes;
    bool is_due;
    size_t n;

    (void)state;
    assert_string_equal(owed(), "");
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    assert_string_equal(owed(), "old waiting ");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        put(NUMBER, kinds[i], "first");
    assert_int_equal(his_book_due(book, HIS_HL7, &is_due, &delivery, &err), 0);
    assert_true(is_due);
    assert_int_equal(his_book_step(book, delivery.n, HIS_SAW_RECEIPT, "AA", 0, &err), 0);

    hear(CLINIC_REPORT, NUMBER, SECOND, ANEW);

    assert_non_null(strstr(owed(), "new waiting"));
    assert_non_null(strstr(owed(), "old delivered"));
    assert_int_equal(his_document_get(book, report_of(SECOND).read, 1, "sr", &bytes, &n, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(his_document_get(book, NUMBER, 1, "sr", &bytes, &n, &err), 0);
    free(bytes);
}

/* It would wait for ever, and nobody would know. */
static void
what_cannot_be_fetched_any_more_for_the_his_is_said_to_be_refused(void **state)
{
    uint32_t version;
    struct err err;
    int64_t read;
    bool is_due;
    char kind[HIS_KIND_SIZE];

    (void)state;
    assert_string_equal(owed(), "");
    hear(CLINIC_REPORT, NUMBER, FIRST, SIGNED);
    assert_string_equal(owed(), "old waiting ");
    hear(CLINIC_READ_STATE, NUMBER, SECOND, 0);

    assert_string_equal(owed(), "old refused ");
    assert_int_equal(pdf_due(), 0);
    assert_int_equal(his_document_due(book, &is_due, &read, &version, kind, &err), 0);
    assert_false(is_due);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_studys_read_of_the_same_number_inherits_no_report),
        TEST(a_report_that_was_signed_anew_is_fetched_and_replaces_the_lost_one),
        TEST(a_study_whose_read_has_another_number_is_known_by_that),
        TEST(a_confirmation_names_the_readers_number_and_the_study),
        TEST(what_is_told_again_after_a_lost_cursor_is_taken_once),
        TEST(a_lost_cursor_that_stands_at_its_own_number_asks_without_the_message),
        TEST(what_was_told_is_told_again_in_its_order_under_its_own_ids),
        TEST(no_code_is_asked_for_again_and_a_phone_is_proved_no_longer_than_the_reader_knows),
        TEST(what_was_refused_is_not_told_again),
        TEST(a_read_that_both_databases_have_goes_on_with_lower_numbers),
        TEST(the_his_is_owed_the_new_report_and_never_the_old_ones_documents),
        TEST(what_cannot_be_fetched_any_more_for_the_his_is_said_to_be_refused),
    };

    log_set_fd(-1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
