/* test_notes.c - rejected images with their reason and who said so; printed reports. */
#include "gateway/desk/notes.h"

#include "gateway/desk/book.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
        TEST(a_rejected_image_is_kept_with_its_reason_and_who_said_so),
        TEST(a_reason_that_is_not_on_the_list_is_refused),
        TEST(a_report_that_is_not_here_was_not_printed),
        TEST(what_was_opened_and_not_printed_goes_back_to_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
