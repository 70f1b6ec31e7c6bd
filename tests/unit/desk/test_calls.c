/* test_calls.c - a call that came is kept, heard and answered once. */
#include "gateway/desk/calls.h"

#include "gateway/desk/accounts.h"
#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t last_seq;

/* Take a call; its id. */
static const char *
come(enum clinic_down_kind kind)
{
    static struct clinic_down m;
    struct clinic_downs downs = {.messages = &m, .count = 1, .next = ++last_seq};
    struct err err;

    m = (struct clinic_down){.seq = last_seq,
                             .kind = kind,
                             .at_us = clock_wall_us(),
                             .read = 7,
                             .study = "1.2.3",
                             .patient = "王小东",
                             .modality = "DX",
                             .state = "assigned",
                             .author = "李医生",
                             .hospital = "县医院",
                             .reason = "左侧张力性气胸"};
    clinic_id_new(m.id);
    for (int i = 0; i < 2; i++)
        if (book_take(book, &downs, &err) < 0)
            fail_msg("%s", err.text);
    return m.id;
}

static struct desk_call
only(void)
{
    struct desk_call *list = NULL, call;
    struct err err;
    size_t n;

    assert_int_equal(calls_list(book, 10, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    call = list[0];
    free(list);
    return call;
}

static void
a_call_sounds_until_somebody_heard_it(void **state)
{
    const char *id = come(CLINIC_CRITICAL);
    struct err err;

    (void)state;
    assert_true(only().is_critical);
    assert_int_equal(only().heard_at_us, 0);

    assert_int_equal(calls_heard(book, id, "王技师", &err), 0);
    assert_int_equal(calls_heard(book, id, "张护士", &err), 0);
    reopen();

    assert_true(only().heard_at_us > 0);
    assert_string_equal(only().heard_by, "王技师");
    assert_string_equal(only().outcome, "");
}

static void
an_answer_goes_up_with_its_words_once(void **state)
{
    const char *id = come(CLINIC_CRITICAL);
    struct clinic_ups ups;
    struct err err;

    (void)state;
    assert_int_equal(calls_answer(book, id, "read_back", "左侧张力性气胸,明白", "王技师", &err), 0);
    assert_int_equal(calls_answer(book, id, "read_back", "再说一遍", "王技师", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);

    assert_int_equal(due(&ups), 1);
    assert_int_equal(ups.messages[0].kind, CLINIC_ANSWER);
    assert_string_equal(ups.messages[0].call, id);
    assert_string_equal(ups.messages[0].reason, "左侧张力性气胸,明白");
    assert_string_equal(ups.messages[0].by, "王技师");
    clinic_ups_free(&ups);
    assert_true(only().heard_at_us > 0);
}

static void
hear(struct clinic_down *m)
{
    struct clinic_downs downs = {.messages = m, .count = 1, .next = ++last_seq};
    struct err err;

    m->seq = last_seq;
    m->read = 7;
    m->answered_at_us = 5000000;
    text_copy(m->study, sizeof m->study, "1.2.3");
    text_copy(m->state, sizeof m->state, "assigned");
    text_copy(m->outcome, sizeof m->outcome, "read_back");
    text_copy(m->answer, sizeof m->answer, "明白");
    text_copy(m->answered_by, sizeof m->answered_by, "别处的技师");
    clinic_id_new(m->id);
    if (book_take(book, &downs, &err) < 0)
        fail_msg("%s", err.text);
}

static void
what_another_desk_answered_sounds_no_more(void **state)
{
    struct clinic_down m = {.kind = CLINIC_ANSWERED};
    struct err err;

    (void)state;
    text_copy(m.call, sizeof m.call, come(CLINIC_CRITICAL));
    hear(&m);

    assert_string_equal(only().outcome, "read_back");
    assert_string_equal(only().answer, "明白");
    assert_string_equal(only().answered_by, "别处的技师");
    assert_int_equal(only().heard_at_us, 5000000);
    assert_int_equal(calls_answer(book, m.call, "read_back", "明白", "", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
}

/* A box that is new, or was replaced, is told all calls that there ever were. */
static void
a_call_that_was_answered_before_it_came_never_sounds(void **state)
{
    struct clinic_down m = {.kind = CLINIC_CRITICAL};

    (void)state;
    hear(&m);

    assert_string_equal(only().outcome, "read_back");
    assert_int_equal(only().heard_at_us, 5000000);
}

/* The doctor was told of a login: nobody there knows who that is. */
static void
who_heard_and_answered_is_told_by_name(void **state)
{
    static const struct account li = {.login = "desk", .name = "李技师", .roles = DESK_TECHNICIAN};
    const char *id = come(CLINIC_CRITICAL);
    char code[SLIP_TEXT_BYTES];
    struct clinic_ups ups;
    struct err err;

    (void)state;
    assert_int_equal(accounts_invite(book, "test", &li, code, &err), 0);

    assert_int_equal(calls_heard(book, id, "desk", &err), 0);
    assert_int_equal(calls_answer(book, id, "read_back", "明白", "desk", &err), 0);

    assert_string_equal(only().heard_by, "李技师");
    assert_string_equal(only().answered_by, "李技师");
    assert_int_equal(due(&ups), 1);
    assert_string_equal(ups.messages[0].by, "李技师");
    clinic_ups_free(&ups);
}

static void
each_kind_has_its_answers(void **state)
{
    static const struct {
        enum clinic_down_kind kind;
        const char *outcome, *words;
        enum err_kind why;
    } rows[] = {
        {CLINIC_CRITICAL, "will_repeat", "x", ERR_REJECT},
        {CLINIC_CRITICAL, "read_back", " ", ERR_REJECT},
        {CLINIC_REPEAT, "read_back", "x", ERR_REJECT},
        {CLINIC_REPEAT, "later", "x", ERR_REJECT},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *id = come(rows[i].kind);

        assert_int_equal(calls_answer(book, id, rows[i].outcome, rows[i].words, "", &err), -1);
        if (err.kind != rows[i].why)
            fail_msg("row %zu: %s", i, err.text);
    }
    assert_int_equal(calls_answer(book, come(CLINIC_REPEAT), "cannot_repeat", "病人已走", "", &err),
                     0);
    assert_int_equal(calls_heard(book, "6f1c2f6e-0000-4000-8000-000000000000", "", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int calls_report(struct book *book, struct jsonw *w, struct err *err) MUST_CHECK;

/* They were kept, and no page ever showed one. */
static void
the_newest_notices_of_the_centre_are_told_to_the_page(void **state)
{
    struct clinic_down m = {.kind = CLINIC_NOTICE, .at_us = clock_wall_us()};
    struct clinic_downs downs = {.messages = &m, .count = 1};
    char *text;
    struct buf json;
    struct jsonw w;
    struct err err;

    (void)state;
    for (int i = 0; i < 25; i++) {
        m.at_us++;
        m.seq = downs.next = ++last_seq;
        clinic_id_new(m.id);
        snprintf(m.reason, sizeof m.reason, "notice %c", 'a' + i);
        assert_int_equal(book_take(book, &downs, &err), 0);
    }
    buf_init(&json, 1 << 20);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);

    assert_int_equal(calls_report(book, &w, &err), 0);

    jsonw_end(&w);
    text = mem_printf("%.*s", (int)json.n, (const char *)json.bytes);
    assert_non_null(strstr(text, "notice y"));
    assert_true(strstr(text, "notice y") < strstr(text, "notice x"));
    assert_non_null(strstr(text, "notice f"));
    assert_null(strstr(text, "notice e")); /* twenty */
    free(text);
    buf_fini(&json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_sounds_until_somebody_heard_it, book_world_open,
                                        book_world_close),
        cmocka_unit_test_setup_teardown(an_answer_goes_up_with_its_words_once, book_world_open,
                                        book_world_close),
        cmocka_unit_test_setup_teardown(what_another_desk_answered_sounds_no_more, book_world_open,
                                        book_world_close),
        cmocka_unit_test_setup_teardown(a_call_that_was_answered_before_it_came_never_sounds,
                                        book_world_open, book_world_close),
        cmocka_unit_test_setup_teardown(who_heard_and_answered_is_told_by_name, book_world_open,
                                        book_world_close),
        cmocka_unit_test_setup_teardown(the_newest_notices_of_the_centre_are_told_to_the_page,
                                        book_world_open, book_world_close),
        cmocka_unit_test_setup_teardown(each_kind_has_its_answers, book_world_open,
                                        book_world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
