/* test_his_orders.c - orders of a HIS: what stands where, who asks what, and asking twice. */
#include "gateway/desk/his_orders.h"

#include "gateway/desk/orders.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define HEAD(type, control)                                                                        \
    "MSH|^~\\&|HIS|HOSP|RADPOST|CLINIC|20261122083000||" type "|" control                          \
    "|P|2.5.1||||||UNICODE UTF-8\r"
#define PATIENT                                                                                    \
    "PID|1||P100^^^HIS^MR~11010519491231002X^^^PRC^NNCHN||"                                        \
    "Wang^XiaoDong^^^^^L^A~王^小东^^^^^L^I||"                                                   \
    "19491231|F|||||138-0013-8000\r"

static struct his_verdict verdict;
static char why[400];

static int
take(const char *text)
{
    struct hl7_message *m = NULL;
    struct err err;
    int rc;

    assert_int_equal(hl7_parse((const uint8_t *)text, strlen(text), NULL, &m, &err), 0);
    rc = his_take(book, m, text, strlen(text), &verdict, &err);
    (void)snprintf(why, sizeof why, "%s", rc < 0 ? err.text : "");
    if (rc < 0)
        for (const char *p = err.text; *p != '\0'; p++)
            assert_true((uint8_t)*p < 0x80); /* nothing of the message is repeated */
    hl7_free(&m);
    return rc;
}

static struct order *
known(const char *placer)
{
    static struct order o;
    struct err err;

    return order_find_placer(book, "hl7", placer, &o, &err) == 0 ? &o : NULL;
}

static void
an_orm_has_its_fields_where_ihe_puts_them(void **state)
{
    const struct order *o;

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    assert_int_equal(
        take(HEAD("ORM^O01^ORM_O01", "1") PATIENT
             "PV1|1|O|内科^3^1|||||D7^李^大夫\r"
             "ORC|NW|4711||||||||||D7^李^大夫|||||内^内科\r"
             "OBR|1|4711||CT01^胸部平扫^99HIS|S||||||||吸烟\\.br\\二十年|||||ACC1|RP1|SPS1||||CT|"
             "||||||咳嗽^咳嗽三周|||||20261122093000\r"
             "NTE|1||无过敏\r"
             "OBX|1|NM|3141-9^weight^LN||61.5|kg\r"
             "OBX|2|NM|3137-7^height^LN||1.72|m\r"
             "ZDS|1.2.3.4^RADPOST^Application^DICOM\r"),
        0);

    o = known("4711");
    assert_non_null(o);
    assert_string_equal(verdict.code, "AA");
    assert_string_equal(o->name, "王小东");
    assert_string_equal(o->pinyin, "Wang^XiaoDong");
    assert_string_equal(o->citizen_id, "11010519491231002X");
    assert_string_equal(o->patient_id, "P100");
    assert_string_equal(o->sex, "F");
    assert_string_equal(o->birth, "19491231");
    assert_string_equal(o->phone, "13800138000");
    assert_string_equal(o->accession, "ACC1");
    assert_string_equal(o->procedure_id, "RP1");
    assert_string_equal(o->modality, "CT");
    assert_string_equal(o->code, "CT01");
    assert_string_equal(o->code_meaning, "胸部平扫");
    assert_string_equal(o->description, "胸部平扫");
    assert_string_equal(o->study, "1.2.3.4");
    assert_string_equal(o->referring, "李大夫");
    assert_string_equal(o->department, "内科");
    assert_string_equal(o->complaint, "咳嗽三周");
    assert_string_equal(o->history, "吸烟\n二十年\n无过敏");
    assert_true(o->is_urgent);
    assert_int_equal(o->weight_g, 61500);
    assert_int_equal(o->height_mm, 1720);
    assert_int_equal(o->scheduled_at_us, INT64_C(1795311000) * 1000000);
}

static void
an_omi_has_them_in_tq1_and_ipc(void **state)
{
    const struct order *o;

    (void)state;
    assert_int_equal(
        take(HEAD("OMI^O23^OMI_O23", "1") PATIENT
             "ORC|NW|8001\rTQ1|1||||||20261122100000+0800||R\r"
             "OBR|1|8001||01^胸部正位^99HIS\rIPC|ACC8|RP8|1.2.840.8|SPS8|DX|||R1|DR_1\r"),
        0);
    o = known("8001");
    assert_non_null(o);
    assert_string_equal(o->accession, "ACC8");
    assert_string_equal(o->procedure_id, "RP8");
    assert_string_equal(o->study, "1.2.840.8");
    assert_string_equal(o->modality, "DX");
    assert_string_equal(o->station, "DR_1");
    assert_false(o->is_urgent);
    assert_int_equal(o->scheduled_at_us, INT64_C(1795312800) * 1000000);
}

static void
a_message_with_two_orders_makes_both(void **state)
{
    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") PATIENT
                          "ORC|NW|1\rOBR|1|1||a^头颅^99\rORC|NW|2\rOBR|2|2||b^胸部^99\r"),
                     0);
    assert_int_equal(verdict.orders, 2);
    assert_string_equal(known("1")->description, "头颅");
    assert_string_equal(known("2")->description, "胸部");
}

static void
a_further_obr_of_an_orc_is_an_order_of_its_own(void **state)
{
    char study[CLINIC_UID_SIZE];

    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") PATIENT
                          "ORC|NW|1|||||^^^20261125100000|||||7^Li|||||d^Ward\rNTE|1||of both\r"
                          "OBR|1|1||a^head^99||||||||||||||ACC1||||||CT\rNTE|1||of the first\r"
                          "OBR|2|2||b^knee^99||||||||||||||ACC2||||||mr\rNTE|1||of the second\r"),
                     0);
    assert_int_equal(verdict.orders, 2);
    assert_string_equal(known("1")->accession, "ACC1");
    assert_string_equal(known("1")->modality, "CT");
    assert_string_equal(known("1")->history, "of both\nof the first");
    assert_string_equal(known("2")->accession, "ACC2");
    assert_string_equal(known("2")->modality, "MR");
    assert_string_equal(known("2")->description, "knee");
    assert_string_equal(known("2")->history, "of both\nof the second");
    assert_string_equal(known("2")->department, "Ward");
    assert_int_equal(known("2")->scheduled_at_us, known("1")->scheduled_at_us);
    text_copy(study, sizeof study, known("1")->study);
    assert_string_not_equal(known("2")->study, study);

    assert_int_equal(take(HEAD("ORM^O01", "2") PATIENT "ORC|CA|1\rOBR|1|1\rOBR|2|2\r"), 0);
    assert_int_equal(known("1")->state, ORDER_CANCELLED);
    assert_int_equal(known("2")->state, ORDER_CANCELLED);
}

static void
a_further_obr_without_its_own_number_is_not_said_to_be_done(void **state)
{
    static const char *const rows[] = {"OBR|2|||b^knee^99\r", "OBR|2|5||b^knee^99\r",
                                       "OBR|2|6||b^knee^99\rOBR|3|6||c^foot^99\r"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = mem_printf(HEAD("ORM^O01", "%zu") PATIENT "ORC|NW|5\rOBR|1|5||a^head^99\r%s",
                                i + 1, rows[i]);

        assert_int_equal(take(text), -1);
        assert_string_equal(verdict.code, "AE");
        assert_string_equal(verdict.error, "100");
        assert_non_null(strstr(why, "OBR-2"));
        assert_string_equal(known("5")->description, "head"); /* what stood before it is done */
        free(text);
    }
}

static void
a_time_that_cannot_be_read_is_never_now(void **state)
{
    static const struct {
        const char *segments, *named;
        int64_t at_s; /* 0: refused */
    } rows[] = {
        {"OBR|1|%zu|||||||||||||||||||||||||^^^2026112510\r", "", 1795572000},
        {"OBR|1|%zu|||||||||||||||||||||||||^^^2026-11-25 10:00:00\r", "", 1795572000},
        {"OBR|1|%zu||||||||||||||||||||||||||||||||||2026/11/25 10:00\r", "", 1795572000},
        {"OBR|1|%zu||||||||||||||||||||||||||||||||||Wednesday\r", "OBR-36", 0},
        {"OBR|1|%zu|||||||||||||||||||||||||^^^soon\r", "OBR-27.4", 0},
        {"TQ1|1||||||2026\rOBR|1|%zu\r", "TQ1-7", 0},
        {"TQ1|1||||||2026\rOBR|1|%zu||||||||||||||||||||||||||||||||||2026112510\r", "",
         1795572000},
    };
    char text[1024], segments[200], placer[16];

    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(segments, sizeof segments, rows[i].segments, i);
        snprintf(placer, sizeof placer, "%zu", i);
        snprintf(text, sizeof text, HEAD("ORM^O01", "t%zu") PATIENT "ORC|NW|%zu\r%s", i, i,
                 segments);
        if (take(text) != (rows[i].at_s != 0 ? 0 : -1) ||
            (rows[i].at_s != 0 && known(placer)->scheduled_at_us != rows[i].at_s * 1000000) ||
            strstr(why, rows[i].named) == NULL)
            fail_msg("%s: %s %s", segments, verdict.code, why);
        if (rows[i].at_s == 0) {
            assert_string_equal(verdict.error, "102");
            assert_null(known(placer));
        }
    }
    /* what is taken back needs no time */
    assert_int_equal(take(HEAD("ORM^O01", "c") PATIENT
                          "ORC|CA|0\rOBR|1|0||||||||||||||||||||||||||||||||||Wednesday\r"),
                     0);
    assert_int_equal(known("0")->state, ORDER_CANCELLED);
}

static void
what_a_change_leaves_empty_stays(void **state)
{
    const struct order *o;

    (void)state;
    assert_int_equal(
        take(HEAD("ORM^O01", "1") PATIENT "ORC|NW|5\rOBR|1|5||a^头颅^99||||||||||||||A5||||||CT\r"),
        0);
    assert_int_equal(take(HEAD("ORM^O01", "2") "PID|1||P100||王^晓东\r"
                                               "ORC|XO|5\rOBR|1|5||a^头颅增强^99\r"),
                     0);
    o = known("5");
    assert_string_equal(o->name, "王晓东");
    assert_string_equal(o->description, "头颅增强");
    assert_string_equal(o->accession, "A5");
    assert_string_equal(o->modality, "CT");
    assert_string_equal(o->citizen_id, "11010519491231002X");
}

/* A change without the Latin letters wrote our guess at the name over them: the device no longer
 * found the patient as the card spells it. */
static void
latin_letters_of_the_his_stay_with_their_name(void **state)
{
    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") "PID|1||P7||Seen^HungShun^^^^^L^A~单^雄信^^^^^L^I\r"
                                               "ORC|NW|7\rOBR|1|7||a^头颅^99\r"),
                     0);
    assert_string_equal(known("7")->pinyin, "Seen^HungShun");

    assert_int_equal(take(HEAD("ORM^O01", "2") "PID|1||P7||单^雄信\r"
                                               "ORC|XO|7\rOBR|1|7||a^头颅增强^99\r"),
                     0);
    assert_string_equal(known("7")->description, "头颅增强");
    assert_string_equal(known("7")->pinyin, "Seen^HungShun");
    assert_int_equal(take(HEAD("ORM^O01", "3") "PID|1||P7\rORC|XO|7\rOBR|1|7||a^胸部^99\r"), 0);
    assert_string_equal(known("7")->pinyin, "Seen^HungShun");

    /* another name has its own */
    assert_int_equal(take(HEAD("ORM^O01", "4") "PID|1||P7||王^雄信\r"
                                               "ORC|XO|7\rOBR|1|7||a^胸部^99\r"),
                     0);
    assert_string_equal(known("7")->pinyin, "Wang^XiongXin");
}

static void
a_cancelled_order_stays_so_when_the_old_message_comes_again(void **state)
{
    static const char new_order[] = HEAD("ORM^O01", "1") PATIENT "ORC|NW|6\rOBR|1|6\r";

    (void)state;
    assert_int_equal(take(new_order), 0);
    assert_int_equal(take(HEAD("ORM^O01", "2") PATIENT "ORC|CA|6\rOBR|1|6\r"), 0);
    assert_int_equal(known("6")->state, ORDER_CANCELLED);
    assert_int_equal(take(new_order), 0);
    assert_true(verdict.is_old);
    assert_int_equal(known("6")->state, ORDER_CANCELLED);
    assert_int_equal(take(HEAD("ORM^O01", "2") PATIENT "ORC|CA|6\rOBR|1|6\r"), 0);
    /* asked for after all, by a message of its own */
    assert_int_equal(take(HEAD("ORM^O01", "3") PATIENT "ORC|NW|6\rOBR|1|6\r"), 0);
    assert_int_equal(known("6")->state, ORDER_SCHEDULED);
}

static void
what_has_begun_is_broken_off_and_not_cancelled(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") PATIENT "ORC|NW|7\rOBR|1|7\r"), 0);
    assert_int_equal(order_step(book, known("7")->number, ORDER_SAW_START, &err), 0);
    assert_int_equal(take(HEAD("ORM^O01", "2") PATIENT "ORC|CA|7\r"), -1);
    assert_string_equal(verdict.code, "AE");
    assert_string_equal(verdict.error, "206");
    assert_int_equal(take(HEAD("ORM^O01", "3") PATIENT "ORC|DC|7\r"), 0);
    assert_int_equal(known("7")->state, ORDER_DISCONTINUED);
}

static void
what_cannot_be_done_is_answered_so(void **state)
{
    static const struct {
        const char *name, *message, *code, *error;
    } rows[] = {
        {"another message", HEAD("ADT^A01", "1") PATIENT, "AR", "200"},
        {"another event", HEAD("ORM^O02", "1") PATIENT "ORC|NW|1\r", "AR", "201"},
        {"no control number", HEAD("ORM^O01", "") PATIENT "ORC|NW|1\r", "AE", "101"},
        {"no patient", HEAD("ORM^O01", "1") "ORC|NW|1\r", "AE", "100"},
        {"two patients",
         HEAD("ORM^O01", "1") PATIENT "ORC|NW|1\rOBR|1|1\rPID|2||P2||B\rORC|NW|2\rOBR|1|2\r", "AE",
         "100"},
        {"no order", HEAD("ORM^O01", "1") PATIENT, "AE", "100"},
        {"no placer", HEAD("ORM^O01", "1") PATIENT "ORC|NW\r", "AE", "102"},
        {"an unknown control", HEAD("ORM^O01", "1") PATIENT "ORC|ZZ|1\r", "AE", "103"},
        {"cancel what is unknown", HEAD("ORM^O01", "1") PATIENT "ORC|CA|nobody\r", "AE", "204"},
        {"no name", HEAD("ORM^O01", "1") "PID|1||P1\rORC|NW|1\r", "AE", "102"},
        {"an accession number longer than DICOM's",
         HEAD("OMI^O23", "1") PATIENT "ORC|NW|1\rOBR|1\rIPC|12345678901234567\r", "AE", "102"},
        {"version 3", "MSH|^~\\&|H|H|||1||ORM^O01|1|P|3.0\rPID|1\rORC|NW|1\r", "AR", "203"},
        {"training", "MSH|^~\\&|H|H|||1||ORM^O01|1|T|2.4\rPID|1\rORC|NW|1\r", "AR", "202"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (take(rows[i].message) == 0)
            fail_msg("%s: taken", rows[i].name);
        if (strcmp(verdict.code, rows[i].code) != 0 || strcmp(verdict.error, rows[i].error) != 0)
            fail_msg("%s: wanted %s %s, got %s %s", rows[i].name, rows[i].code, rows[i].error,
                     verdict.code, verdict.error);
    }
    assert_null(known("1"));
}

/* XO fills what it leaves empty from the order before: never from another patient's. */
static void
an_order_in_the_place_of_another_patients_has_nothing_of_his(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") PATIENT "ORC|NW|5\rOBR|1|5||a^head^99\r"), 0);
    assert_int_equal(take(HEAD("ORM^O01", "2") "PID|1||P9||李^四\rORC|XO|5\rOBR|1|5||a^head^99\r"),
                     -1);
    assert_string_equal(verdict.error, "102");
    assert_int_equal(order_step(book, known("5")->number, ORDER_SAW_CANCEL, &err), 0);
    assert_int_equal(take(HEAD("ORM^O01", "3") "PID|1||P9||李^四\rORC|XO|5\rOBR|1|5||a^head^99\r"),
                     0);

    assert_string_equal(known("5")->name, "李四");
    assert_string_equal(known("5")->phone, "");
    assert_string_equal(known("5")->citizen_id, "");
    assert_string_equal(known("5")->birth, "");
}

/* A requisition of several examinations, each with an ORC: the second stood in the place of the
 * first, and AA was answered. */
static void
two_orders_of_one_number_in_a_message_are_two_or_are_refused(void **state)
{
    (void)state;
    assert_int_equal(take(HEAD("ORM^O01", "1") PATIENT
                          "ORC|NW|R1\rOBR|1|1||a^head^99||||||||||||||||||||CT\r"
                          "ORC|NW|R1\rOBR|2|2||b^knee^99||||||||||||||||||||MR\r"),
                     0);
    assert_string_equal(known("R1")->description, "head");
    assert_string_equal(known("2")->description, "knee");
    assert_string_equal(known("2")->modality, "MR");
    assert_int_equal(verdict.orders, 2);
    /* and it goes by its number when it is told of alone, or in another order */
    assert_int_equal(take(HEAD("ORM^O01", "2") PATIENT "ORC|XO|R1\rOBR|1|2||b^both knees^99\r"
                                                       "ORC|XO|R1\rOBR|2|1||a^skull^99\r"),
                     0);
    assert_string_equal(known("2")->description, "both knees");
    assert_string_equal(known("R1")->description, "skull");
    assert_int_equal(take(HEAD("ORM^O01", "3") PATIENT "ORC|CA|R1\rOBR|1|2\r"), 0);
    assert_int_equal(known("2")->state, ORDER_CANCELLED);
    assert_int_equal(known("R1")->state, ORDER_SCHEDULED);
    /* also under a name that was put right */
    assert_int_equal(take(HEAD("ORM^O01", "9") "PID|1||P100||王^晓东\r"
                                               "ORC|RP|R1\rOBR|1|2||b^left knee^99\r"),
                     0);
    assert_string_equal(known("2")->description, "left knee");
    assert_string_equal(known("R1")->description, "skull");
    /* another patient's order of that number is not meant */
    assert_int_equal(take(HEAD("ORM^O01", "4") "PID|1||P9||Li^Si\rORC|NW|3\rOBR|1|3||c^foot\r"), 0);
    assert_int_equal(take(HEAD("ORM^O01", "5") PATIENT "ORC|XO|R1\rOBR|1|3||a^head^99\r"), 0);
    assert_string_equal(known("3")->description, "foot");
    assert_string_equal(known("R1")->description, "head");

    /* nothing tells them apart: the first is done, the second is not said to be */
    assert_int_equal(take(HEAD("ORM^O01", "6") PATIENT "ORC|NW|7\rOBR|1|7||a^head^99\r"
                                                       "ORC|NW|7\rOBR|2|7||b^knee^99\r"),
                     -1);
    assert_string_equal(verdict.code, "AE");
    assert_string_equal(verdict.error, "205");
    assert_string_equal(verdict.placer, "7");
    assert_true(verdict.is_order);
    assert_string_equal(known("7")->description, "head");
    /* the same told twice is one order */
    assert_int_equal(take(HEAD("ORM^O01", "8") PATIENT "ORC|NW|8\rOBR|1|8||a^head^99\r"
                                                       "ORC|NW|8\rOBR|1|8||a^head^99\r"),
                     0);
}

/* docs/hl7.md, the block of hl7. */
static void
the_manuals_example_is_taken(void **state)
{
    static const char begin[] = "```hl7\n";
    uint8_t *manual = NULL;
    char *at, *end;
    struct err err;
    size_t n;

    (void)state;
    assert_int_equal(durable_get_file("docs/hl7.md", 1 << 20, &manual, &n, &err), 0);
    at = strstr((char *)manual, begin);
    assert_non_null(at);
    at += sizeof begin - 1;
    end = strstr(at, "```");
    assert_non_null(end);
    *end = '\0';
    assert_int_equal(take(at), 0);
    assert_string_equal(known("4711")->name, "王小东");
    assert_string_equal(known("4711")->complaint, "咳嗽三周");
    assert_string_equal(known("4711")->accession, "ACC4711");
    assert_string_equal(known("4711")->modality, "CT");
    assert_int_not_equal(known("4711")->scheduled_at_us, 0);
    free(manual);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, book_world_open, book_world_close)
    const struct CMUnitTest tests[] = {
        TEST(an_orm_has_its_fields_where_ihe_puts_them),
        TEST(an_omi_has_them_in_tq1_and_ipc),
        TEST(a_message_with_two_orders_makes_both),
        TEST(a_further_obr_of_an_orc_is_an_order_of_its_own),
        TEST(a_further_obr_without_its_own_number_is_not_said_to_be_done),
        TEST(two_orders_of_one_number_in_a_message_are_two_or_are_refused),
        TEST(an_order_in_the_place_of_another_patients_has_nothing_of_his),
        TEST(a_time_that_cannot_be_read_is_never_now),
        TEST(what_a_change_leaves_empty_stays),
        TEST(latin_letters_of_the_his_stay_with_their_name),
        TEST(a_cancelled_order_stays_so_when_the_old_message_comes_again),
        TEST(what_has_begun_is_broken_off_and_not_cancelled),
        TEST(what_cannot_be_done_is_answered_so),
        TEST(the_manuals_example_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
