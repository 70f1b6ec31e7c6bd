/* test_desk_find.c - a clinic whose HIS orders more than the desk lists: everybody is found,
 * counted and served at the desk. */
#include "gateway/desk/book.h"
#include "gateway/desk/orders.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OTHERS = 205, LISTED = 200 };
static struct desk_site site;
static struct desk_visitor visitor;
static char first[CLINIC_REGISTRATION_SIZE];

static void
order_of(struct book *book, unsigned n, const char *name, const char *patient_id,
         const char *accession)
{
    struct order *o = mem_new(sizeof *o);
    struct err err;

    snprintf(o->placer, sizeof o->placer, "HIS-%03u", n);
    text_copy(o->source, sizeof o->source, "http");
    text_copy(o->name, sizeof o->name, name);
    text_copy(o->patient_id, sizeof o->patient_id, patient_id);
    text_copy(o->accession, sizeof o->accession, accession);
    text_copy(o->phone, sizeof o->phone, n == 0 ? "13900000077" : "");
    text_copy(o->modality, sizeof o->modality, "CT");
    if (order_put(book, o, &err) < 0)
        fail_msg("%s", err.text);
    if (n == 0 && order_find_placer(book, "http", o->placer, o, &err) < 0)
        fail_msg("%s", err.text);
    if (n == 0)
        text_copy(first, sizeof first, o->registration);
    free(o);
}

static int
start(void **state)
{
    struct book *book = NULL;
    struct err err;

    (void)state;
    desk_site_open(&site, "desk-find", NULL);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    if (book_open_beside(site.desk_dir, &book, &err) < 0)
        fail_msg("%s", err.text);
    order_of(book, 0, "单雄信", "PX-77", "ACC77");
    for (unsigned n = 1; n <= OTHERS; n++)
        order_of(book, n, "旁人", "", "");
    book_close(&book);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    desk_site_close(&site);
    return 0;
}

static int
ask(const char *method, const char *path, const char *body)
{
    return desk_site_ask(&site, visitor.headers, method, path, body);
}

/* A route of the first patient. */
static int
ask_first(const char *method, const char *what, const char *body)
{
    char path[96];

    snprintf(path, sizeof path, "/desk/v1/registrations/%s%s", first, what);
    return ask(method, path, body);
}

static const struct json *
registrations(void)
{
    return json_find(json_root(site.doc), "registrations");
}

static int64_t
total(void)
{
    return json_as_int(json_find(json_root(site.doc), "registrations_n"), -1);
}

static bool
is_listed(const char *registration)
{
    const struct json *list = registrations();

    for (size_t i = 0; i < json_length(list); i++)
        if (strcmp(json_as_text(json_find(json_at(list, i), "registration")), registration) == 0)
            return true;
    return false;
}

static void
find(const char *text, unsigned skip)
{
    char body[512];

    snprintf(body, sizeof body, "{\"text\":\"%s\",\"skip\":%u}", text, skip);
    assert_int_equal(ask("POST", "/desk/v1/registrations/find", body), 200);
}

static void
a_list_that_is_cut_says_of_how_many(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/desk/v1/state", NULL), 200);
    assert_int_equal(json_length(registrations()), LISTED);
    assert_int_equal(total(), OTHERS + 1);
    assert_false(is_listed(first));

    find("", LISTED); /* the next page */
    assert_int_equal(json_length(registrations()), OTHERS + 1 - LISTED);
    assert_int_equal(total(), OTHERS + 1);
    assert_true(is_listed(first));
}

static void
a_patient_is_found_by_name_pinyin_phone_and_each_number(void **state)
{
    static const char *const texts[] = {
        "单雄信", "雄",       "shan xiong", "ShanXiongXin", "SHAN^XIONGXIN", "13900000077",
        "px-77",  "ＰＸ－77", "acc77",      "his-000",      "139 0000 0077"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        find(texts[i], 0);
        if (json_length(registrations()) != 1 || total() != 1 || !is_listed(first))
            fail_msg("%s: %zu found", texts[i], json_length(registrations()));
    }
    find(first, 0);
    assert_int_equal(total(), 1);
    find("%", 0);
    assert_int_equal(total(), 0);
    find("his-", 0);
    assert_int_equal(json_length(registrations()), LISTED);
    assert_int_equal(total(), OTHERS + 1);
}

static void
a_patient_beyond_the_list_is_served(void **state)
{
    char code[32], scanned[128];
    const struct json *row;

    (void)state;
    assert_int_equal(ask_first("GET", "", NULL), 200);
    assert_string_equal(json_as_text(json_find(json_root(site.doc), "name")), "单雄信");
    assert_int_equal(json_as_int(json_find(json_root(site.doc), "revision"), -1), 1);
    assert_int_equal(ask_first("POST", "",
                               "{\"name\":\"单雄信\",\"complaint\":\"咳嗽\",\"modality\":\"CT\","
                               "\"phone\":\"13900000077\",\"revision\":1}"),
                     200);
    assert_int_equal(ask_first("POST", "/urgent", "{\"reason\":\"外伤\"}"), 204);
    assert_int_equal(ask("GET", "/desk/v1/registrations/NOBODY", NULL), 404);

    assert_int_equal(ask_first("POST", "/slip", "{}"), 200);
    text_copy(code, sizeof code, json_as_text(json_find(json_root(site.doc), "code")));
    find(code, 0);
    assert_int_equal(total(), 1);
    row = json_at(registrations(), 0);
    assert_string_equal(json_as_text(json_find(row, "registration")), first);
    assert_string_equal(json_as_text(json_find(row, "complaint")), "咳嗽");
    snprintf(scanned, sizeof scanned, "https://reader.example/p/#%s", code);
    find(scanned, 0);
    assert_true(is_listed(first));
    assert_int_equal(ask_first("POST", "/slip", "{}"), 200); /* a new slip ends the old */
    find(code, 0);
    assert_int_equal(total(), 0);
}

static void
who_has_one_of_the_newest_studies_is_listed_with_a_name(void **state)
{
    struct book_study study = {.study = "2.25.77", .arrived_at_us = clock_wall_us()};
    struct book *book = NULL;
    struct err err;

    (void)state;
    assert_int_equal(book_open_beside(site.desk_dir, &book, &err), 0);
    assert_int_equal(book_study_put(book, &study, &err), 0);
    book_close(&book);
    assert_int_equal(ask_first("POST", "/attach", "{\"study\":\"2.25.77\"}"), 204);

    assert_int_equal(ask("GET", "/desk/v1/state", NULL), 200);
    assert_int_equal(json_length(registrations()), LISTED + 1);
    assert_true(is_listed(first));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_that_is_cut_says_of_how_many),
        cmocka_unit_test(a_patient_is_found_by_name_pinyin_phone_and_each_number),
        cmocka_unit_test(a_patient_beyond_the_list_is_served),
        cmocka_unit_test(who_has_one_of_the_newest_studies_is_listed_with_a_name),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
