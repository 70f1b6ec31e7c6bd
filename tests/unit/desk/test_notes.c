/* test_notes.c - rejected images with their reason and who said so; printed reports. */
#include "gateway/desk/notes.h"

#include "gateway/desk/book.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STUDY "1.2.840.99.1"

static char *
state_of(void)
{
    struct buf json;
    struct jsonw w;
    char *text;
    struct err err;

    buf_init(&json, 1 << 20);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    assert_int_equal(notes_report(book, &w, &err), 0);
    jsonw_end(&w);
    text = mem_text(buf_text(&json));
    buf_fini(&json);
    return text;
}

static void
a_rejected_image_is_kept_with_its_reason_and_who_said_so(void **state)
{
    char number[17], *json;
    struct err err;

    (void)state;
    person("王小东", "", "DX", number);
    assert_int_equal(book_attach(book, number, STUDY, "hand", &err), 0);
    assert_int_equal(notes_reject(book, STUDY, "motion", 2, "孩子哭闹", "li", &err), 0);
    assert_int_equal(notes_reject(book, STUDY, "motion", 1, "", "li", &err), 0);
    assert_int_equal(notes_reject(book, STUDY, "position", 1, "", "zhao", &err), 0);
    reopen();

    json = state_of();
    assert_non_null(strstr(json, "\"by\":\"zhao\""));
    assert_non_null(strstr(json, number));
    assert_non_null(strstr(json, "\"reject_counts\":{\"motion\":3,\"position\":1}"));
    free(json);
}

static void
a_reason_that_is_not_on_the_list_is_refused(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(notes_reject(book, STUDY, "bad luck", 1, "", "li", &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
a_report_that_is_not_here_was_not_printed(void **state)
{
    char *json;
    struct err err;

    (void)state;
    assert_int_equal(notes_printed(book, 7, 1, "li", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    json = state_of();
    assert_non_null(strstr(json, "\"printed\":[]"));
    free(json);
}

/* A report that is here, as the reader sends it. */
static void
receive(int64_t read)
{
    struct clinic_down m = {.kind = CLINIC_REPORT, .seq = 1, .read = read, .version = 1};
    struct clinic_downs downs = {
        .messages = &m, .count = 1, .next = 1, .patient_url = "https://p.example"};
    struct err err;

    clinic_id_new(m.id);
    text_copy(m.study, sizeof m.study, STUDY);
    text_copy(m.author, sizeof m.author, "李");
    m.signed_at_us = 1;
    if (book_take(book, &downs, &err) < 0)
        fail_msg("%s", err.text);
}

/* The paper jams, and the desk believed that whoever opens a report has it on paper. */
static void
what_was_opened_and_not_printed_goes_back_to_the_queue(void **state)
{
    char *json;
    struct err err;

    (void)state;
    receive(7);
    assert_int_equal(notes_unprinted(book, 7, 1, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(notes_printed(book, 7, 1, "li", &err), 0);
    json = state_of();
    assert_non_null(strstr(json, "\"printed\":[{\"read\":7,\"version\":1,"));
    free(json);

    assert_int_equal(notes_unprinted(book, 7, 1, &err), 0);
    reopen();
    json = state_of();
    assert_non_null(strstr(json, "\"printed\":[]"));
    free(json);

    assert_int_equal(notes_printed(book, 7, 1, "li", &err), 0);
    json = state_of();
    assert_non_null(strstr(json, "\"times\":1"));
    free(json);
}

static void
comes(int64_t read)
{
    static const char pdf[] = "%PDF";
    struct clinic_down m = {.seq = (uint64_t)read,
                            .kind = CLINIC_REPORT,
                            .at_us = clock_wall_us(),
                            .read = read,
                            .version = 1,
                            .modality = "CT",
                            .state = "signed"};
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = m.seq};
    uint8_t sha256[DIGEST_BYTES];
    struct err err;

    clinic_id_new(m.id);
    snprintf(m.study, sizeof m.study, "1.2.%d", (int)read);
    digest_bytes(pdf, sizeof pdf, sha256);
    if (book_take(book, &downs, &err) < 0 ||
        book_pdf_put(book, read, 1, pdf, sizeof pdf, sha256, &err) < 0)
        fail_msg("%s", err.text);
}

/* Its place in the desk's list. */
static void
stands(size_t place, int64_t read)
{
    struct book_report *list = NULL;
    struct err err;
    size_t n;

    assert_int_equal(book_reports_page(book, place, 1, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].read, read);
    free(list);
}

static void
what_was_not_confirmed_or_printed_stands_first_and_is_counted(void **state)
{
    struct book_report_counts counts;
    struct err err;

    (void)state;
    for (int64_t read = 1; read <= 4; read++)
        comes(read);
    for (int64_t read = 2; read <= 4; read++)
        assert_int_equal(notes_printed(book, read, 1, "li", &err), 0);
    assert_int_equal(book_confirm(book, 1, 1, &err), 0); /* handed over, never printed */
    assert_int_equal(book_confirm(book, 3, 1, &err), 0);
    assert_int_equal(book_confirm(book, 4, 1, &err), 0);

    stands(0, 2);
    stands(1, 1);
    stands(2, 4);
    stands(3, 3);
    assert_int_equal(book_report_counts(book, &counts, &err), 0);
    assert_int_equal(counts.all, 4);
    assert_int_equal(counts.unconfirmed, 1);
    assert_int_equal(counts.unprinted, 1);
    assert_int_equal(notes_unprinted(book, 3, 1, &err), 0); /* it did not come out */
    stands(0, 3);
    assert_int_equal(book_report_counts(book, &counts, &err), 0);
    assert_int_equal(counts.unprinted, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
        TEST(a_rejected_image_is_kept_with_its_reason_and_who_said_so),
        TEST(a_reason_that_is_not_on_the_list_is_refused),
        TEST(a_report_that_is_not_here_was_not_printed),
        TEST(what_was_opened_and_not_printed_goes_back_to_the_queue),
        TEST(what_was_not_confirmed_or_printed_stands_first_and_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
