/* test_his_read.c - times and names as a HIS writes them; the rest is in test_his_orders. */
#include "gateway/desk/his_read.h"

#include "gateway/desk/orders_fit.h"
#include "proto/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void
times_are_read_as_hl7_writes_them(void **state)
{
    static const struct {
        const char *text;
        int64_t at_s; /* 0: no time */
    } rows[] = {
        {"20261122083000", 1795307400},
        {"202611220830", 1795307400},
        {"20261122003000+0000", 1795307400},
        {"20261122083000.123", 1795307400},
        {"20261122", 1795276800},
        {"2026112208", 1795305600},
        {"20261122083000.1234+0800", 1795307400},
        {"2026-11-22 08:30:00", 1795307400},
        {"2026/11/22 08:30", 1795307400},
        {"2026-11-22T08:30", 1795307400},
        {"2026.11.22 8:30", 1795307400},
        {"2026-11-22T00:30:00.5Z", 1795307400},
        {"2026-11-22 08:30:00+08", 1795307400},
        {"2026-11-22", 1795276800},
        {"2026-11/22", 0},
        {"2026-02-29", 0},
        {"2026112224", 0},
        {"202611220", 0},
        {"20261122083", 0},
        {"202611220830000", 0},
        {"2026-11-22 08:30 or so", 0},
        {"2026-11-22 08:30:00+15", 0},
        {"19991231", 0},
        {"2026", 0},
        {"20261122083000+8", 0},
        {"tomorrow", 0},
        {"20269922", 0},
        {"", 0},
    };

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t at_us = 0;
        bool is = order_time_read(rows[i].text, &at_us);

        if (is != (rows[i].at_s != 0) || (is && at_us != rows[i].at_s * 1000000))
            fail_msg("%s: %d, %lld", rows[i].text, is, (long long)at_us);
    }
}

/* PID-5 and OBR-16 of a message, and what becomes of them. */
static void
names_are_written_as_people_write_them(void **state)
{
    static const struct {
        const char *patient, *doctor, *name, *pinyin, *referring;
    } rows[] = {
        {"王^小东", "7^李^大夫", "王小东", "", "李大夫"},
        {"王小东", "7^李大夫", "王小东", "", "李大夫"},
        {"Wang^XiaoDong", "7^Li^Ming", "Wang^XiaoDong", "", "Li^Ming"},
        {"Wang^XiaoDong~王^小东", "李大夫", "王小东", "Wang^XiaoDong", ""},
        {"买买提·艾力", "", "买买提·艾力", "", ""},
        {"\"\"", "", "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = mem_printf("MSH|^~\\&|H\rPID|1||P||%s\rORC|NW|1\rOBR|1|1||||||||||||||%s\r",
                                rows[i].patient, rows[i].doctor);
        struct order *o = mem_new(sizeof *o);
        struct hl7_message *m = NULL;
        struct err err;

        assert_int_equal(hl7_parse((const uint8_t *)text, strlen(text), NULL, &m, &err), 0);
        assert_int_equal(his_order_read(&(struct his_group){m, 2, 2, 4, 0, 0}, o, &err), 0);
        assert_string_equal(o->name, rows[i].name);
        assert_string_equal(o->pinyin, rows[i].pinyin);
        assert_string_equal(o->referring, rows[i].referring);
        hl7_free(&m);
        free(o);
        free(text);
    }
}

static void
a_name_that_is_too_long_is_cut_at_a_character(void **state)
{
    char han[3 * 80 + 1], *text;
    struct order *o = mem_new(sizeof *o);
    struct hl7_message *m = NULL;
    struct err err;

    (void)state;
    for (size_t i = 0; i < 80; i++)
        memcpy(han + 3 * i, "王", 4);
    text = mem_printf("MSH|^~\\&|H\rPID|1||P||x%s^%s\rORC|NW|1\r", han, han);
    assert_int_equal(hl7_parse((const uint8_t *)text, strlen(text), NULL, &m, &err), 0);
    assert_int_equal(his_order_read(&(struct his_group){m, 2, 2, 3, 0, 0}, o, &err), 0);
    assert_true(text_is_utf8(o->name, strlen(o->name)));
    assert_true(strlen(o->name) > sizeof o->name - 5);
    hl7_free(&m);
    free(text);
    free(o);
}

static void
an_order_has_nothing_of_the_order_before_it(void **state)
{
    static const char text[] = "MSH|^~\\&|H\rPID|1||P\rPV1|1|O|ward\rOBX|1|NM|3137-7||172|cm\r"
                               "ORC|NW|1\rOBR|1|1\rDG1|1||a^cough\rZDS|1.2.3\r"
                               "OBX|1|NM|3141-9||61|kg\rORC|NW|2\rOBR|2|2\r";
    struct order *o = mem_new(sizeof *o);
    struct hl7_message *m = NULL;
    struct err err;

    (void)state;
    assert_int_equal(hl7_parse((const uint8_t *)text, strlen(text), NULL, &m, &err), 0);
    assert_int_equal(his_order_read(&(struct his_group){m, 4, 9, 11, 0, 0}, o, &err), 0);
    assert_string_equal(o->placer, "2");
    assert_string_equal(o->study, "");
    assert_string_equal(o->complaint, "");
    assert_int_equal(o->weight_g, 0);
    assert_int_equal(o->height_mm, 1720); /* of the patient: of all orders */
    assert_string_equal(o->department, "ward");
    hl7_free(&m);
    free(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_hl7_writes_them),
        cmocka_unit_test(names_are_written_as_people_write_them),
        cmocka_unit_test(a_name_that_is_too_long_is_cut_at_a_character),
        cmocka_unit_test(an_order_has_nothing_of_the_order_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
