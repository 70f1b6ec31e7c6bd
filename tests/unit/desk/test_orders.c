/* test_orders.c - orders over a real file: from the desk, from sources, each once; their states. */
#include "gateway/desk/orders.h"
#include "gateway/desk/orders_fit.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct order *
sample(const char *placer)
{
    static struct order o;

    memset(&o, 0, sizeof o);
    text_copy(o.source, sizeof o.source, "http");
    text_copy(o.placer, sizeof o.placer, placer);
    text_copy(o.accession, sizeof o.accession, "A2026-1");
    text_copy(o.patient_id, sizeof o.patient_id, "P77");
    text_copy(o.name, sizeof o.name, "单雄信");
    text_copy(o.citizen_id, sizeof o.citizen_id, "11010519491231002x");
    text_copy(o.modality, sizeof o.modality, "CT");
    text_copy(o.description, sizeof o.description, "胸部平扫");
    o.weight_g = 61500;
    return &o;
}

static void
put(const struct order *o)
{
    struct err err;

    if (order_put(book, o, &err) < 0)
        fail_msg("%s", err.text);
}

static struct order *
known(const char *placer)
{
    static struct order o;
    struct err err;

    assert_int_equal(order_find_placer(book, "http", placer, &o, &err), 0);
    return &o;
}

static size_t
messages(void)
{
    struct clinic_ups ups;
    size_t n = due(&ups);

    clinic_ups_free(&ups);
    return n;
}

static void
a_registration_at_the_desk_makes_its_order(void **state)
{
    char number[17], study[65];
    struct order o;
    struct err err;

    (void)state;
    person("王小东", "11010519491231002X", "CT", number);
    reopen();

    assert_int_equal(order_find(book, number, &o, &err), 0);
    assert_string_equal(o.source, "desk");
    assert_string_equal(o.accession, number);
    assert_string_equal(o.patient_id, "11010519491231002X");
    assert_string_equal(o.pinyin, "Wang^XiaoDong");
    assert_string_equal(o.modality, "CT");
    assert_int_equal(o.state, ORDER_SCHEDULED);
    assert_true(uid_is_valid(o.study, false));
    assert_memory_equal(o.study, "2.25.", 5);
    text_copy(study, sizeof study, o.study);
    assert_int_equal(order_find_accession(book, number, &o, &err), 0);
    assert_int_equal(order_find_study(book, study, &o, &err), 0);
    assert_string_equal(o.registration, number);
}

static void
a_corrected_name_is_what_devices_see(void **state)
{
    char number[17];
    struct order o;
    struct err err;

    (void)state;
    person("王小东", "", "CT", number);
    struct book_registration *r = found(number);
    text_copy(r->name, sizeof r->name, "仇小东");
    assert_int_equal(book_correct(book, r, NULL, "", &err), 0);

    assert_int_equal(order_find(book, number, &o, &err), 0);
    assert_string_equal(o.name, "仇小东");
    assert_string_equal(o.pinyin, "Qiu^XiaoDong");
    assert_string_equal(o.patient_id, number);
}

static void
only_an_urgent_order_without_a_reason_is_given_one(void **state)
{
    static const struct {
        const char *source, *reason, *wanted;
        bool is_urgent;
    } rows[] = {
        {"hl7", "", "医院信息系统标为加急", true},
        {"centre", "", "中心标为加急", true},
        {"http", "车祸", "车祸", true},
        {"http", "", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct order o = {.is_urgent = rows[i].is_urgent};

        text_copy(o.source, sizeof o.source, rows[i].source);
        text_copy(o.reason, sizeof o.reason, rows[i].reason);
        order_give_reason(&o);
        assert_memory_equal(o.reason, rows[i].wanted, strlen(rows[i].wanted));
        assert_int_equal(o.reason[0] == '\0', rows[i].wanted[0] == '\0');
    }
}

/* It overtook the others' images under "-", and the reader was told nothing. */
static void
an_urgent_order_says_who_marked_it_until_a_person_says_why(void **state)
{
    struct order o = *sample("1");
    struct err err;
    char number[17];
    size_t n;

    (void)state;
    o.is_urgent = true;
    put(&o);
    assert_non_null(strstr(known("1")->reason, "医院信息系统标为加急"));
    n = messages();
    put(&o);
    assert_int_equal(messages(), n); /* nothing new was said */

    text_copy(number, sizeof number, known("1")->registration);
    assert_int_equal(book_urgent(book, number, true, "车祸", NULL, "li", &err), 0);
    text_copy(o.complaint, sizeof o.complaint, "胸闷");
    put(&o);
    assert_string_equal(known("1")->reason, "车祸");
    assert_string_equal(known("1")->complaint, "胸闷");
    text_copy(o.reason, sizeof o.reason, "胸痛");
    put(&o);
    assert_string_equal(known("1")->reason, "胸痛");
}

/* Lists are fetched again every minute. */
static void
what_a_person_took_back_its_source_raises_no_more(void **state)
{
    struct order o = *sample("1");
    char number[17];
    struct err err;
    size_t n;

    (void)state;
    o.is_urgent = true;
    put(&o);
    text_copy(number, sizeof number, known("1")->registration);
    assert_int_equal(book_urgent(book, number, false, "误标", NULL, "li", &err), 0);
    assert_false(known("1")->is_urgent);
    n = messages();
    put(&o);
    assert_int_equal(messages(), n); /* nothing new was said */
    text_copy(o.complaint, sizeof o.complaint, "胸闷");
    put(&o);
    assert_string_equal(known("1")->complaint, "胸闷");
    assert_false(known("1")->is_urgent);

    assert_int_equal(book_urgent(book, number, true, "加重了", NULL, "li", &err), 0);
    assert_true(known("1")->is_urgent);
}

static void
an_order_of_a_source_comes_once_and_is_registered(void **state)
{
    char study[65];

    (void)state;
    put(sample("1"));
    text_copy(study, sizeof study, known("1")->study);
    put(sample("1"));
    reopen();
    put(sample("1"));

    assert_string_equal(known("1")->study, study);
    assert_string_equal(known("1")->citizen_id, "11010519491231002X");
    assert_string_equal(known("1")->birth, "19491231");
    assert_string_equal(known("1")->sex, "F");
    assert_string_equal(known("1")->accession, "A2026-1");
    assert_string_equal(known("1")->patient_id, "P77");
    assert_string_equal(found(known("1")->registration)->name, "单雄信");
    assert_int_equal(messages(), 1);
}

static void
what_changed_is_changed_in_both_and_told(void **state)
{
    struct order *o = sample("1");
    char study[65];

    (void)state;
    put(o);
    text_copy(study, sizeof study, known("1")->study);
    text_copy(o->name, sizeof o->name, "单雄心");
    text_copy(o->station, sizeof o->station, "CT_1");
    o->scheduled_at_us = 1795305600000000;
    put(o);

    assert_string_equal(known("1")->name, "单雄心");
    assert_string_equal(known("1")->pinyin, "Shan^XiongXin");
    assert_string_equal(known("1")->station, "CT_1");
    assert_string_equal(known("1")->study, study);
    assert_int_equal(known("1")->scheduled_at_us, 1795305600000000);
    assert_int_equal(found(known("1")->registration)->revision, 2);
    assert_int_equal(messages(), 2);
}

static void
what_is_wrong_is_left_out_or_refused(void **state)
{
    struct order *o = sample("1");
    struct err err;

    (void)state;
    text_copy(o->citizen_id, sizeof o->citizen_id, "110105194912310021");
    text_copy(o->birth, sizeof o->birth, "19500230");
    text_copy(o->phone, sizeof o->phone, "call me");
    put(o);
    assert_string_equal(known("1")->citizen_id, "");
    assert_string_equal(known("1")->birth, "");
    assert_string_equal(known("1")->phone, "");

    o = sample("2");
    o->name[0] = '\0';
    assert_int_equal(order_put(book, o, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    o = sample("2");
    text_copy(o->accession, sizeof o->accession, "A\\B");
    assert_int_equal(order_put(book, o, &err), -1);
    o = sample("2");
    text_copy(o->study, sizeof o->study, "1..2");
    assert_int_equal(order_put(book, o, &err), -1);
    o = sample("");
    assert_int_equal(order_put(book, o, &err), -1);
}

static void
states_go_by_the_table_only(void **state)
{
    struct order *o = sample("1");
    struct err err;

    (void)state;
    put(o);
    assert_int_equal(order_cancel(book, "http", "1", &err), 0);
    assert_int_equal(known("1")->state, ORDER_CANCELLED);
    put(o); /* a view that lists it still says nothing new */
    assert_int_equal(known("1")->state, ORDER_CANCELLED);
    text_copy(o->description, sizeof o->description, "腹部平扫");
    put(o);
    assert_int_equal(known("1")->state, ORDER_SCHEDULED);

    assert_int_equal(order_step(book, known("1")->number, ORDER_SAW_START, &err), 0);
    assert_int_equal(order_cancel(book, "http", "1", &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(order_step(book, known("1")->number, ORDER_SAW_COMPLETE, &err), 0);
    put(o);
    o->weight_g++;
    assert_int_equal(order_put(book, o, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(order_cancel(book, "http", "none", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* A row whose patient was put right wholly in the HIS was refused in each round, with no way out.
 */
static void
a_number_that_went_to_another_patient_is_taken_when_the_old_order_is_cancelled(void **state)
{
    static const char placer[] = /* as long as one may be */
        "HIS-2026-0123456789-0123456789-0123456789-0123456789-0123456789X";
    struct order *o = sample(placer), old;
    char first[17];
    struct err err;
    int64_t number;

    (void)state;
    text_copy(o->reason, sizeof o->reason, "胸痛");
    put(o);
    number = known(placer)->number;
    text_copy(first, sizeof first, known(placer)->registration);
    text_copy(o->name, sizeof o->name, "罗成");
    text_copy(o->citizen_id, sizeof o->citizen_id, "110105194912310038");
    text_copy(o->patient_id, sizeof o->patient_id, "P78");
    o->reason[0] = '\0';
    assert_int_equal(order_put(book, o, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);

    assert_int_equal(order_step(book, number, ORDER_SAW_CANCEL, &err), 0);
    put(o);
    assert_string_equal(known(placer)->name, "罗成");
    assert_string_equal(known(placer)->reason, ""); /* the doctor was told the other's */
    assert_int_equal(known(placer)->state, ORDER_SCHEDULED);
    assert_true(known(placer)->number != number);
    assert_string_not_equal(known(placer)->registration, first);
    assert_string_equal(found(first)->name, "单雄信"); /* his slip opens nothing of hers */
    assert_int_equal(order_find(book, first, &old, &err), 0);
    assert_string_equal(old.placer, ""); /* nor does his report go under her number */
    number = known(placer)->number;
    put(o);
    assert_int_equal(known(placer)->number, number);
}

/* Invariant 4: from the first state every state is reached, and each named pair leads somewhere. */
static void
every_state_is_reached(void **state)
{
    bool is_reached[ORDER_STATES] = {[ORDER_SCHEDULED] = true};

    (void)state;
    for (int round = 0; round < ORDER_STATES; round++)
        for (int from = 0; from < ORDER_STATES; from++)
            for (int event = 0; event < ORDER_EVENTS && is_reached[from]; event++) {
                enum order_state to;
                if (order_next((enum order_state)from, (enum order_event)event, &to))
                    is_reached[to] = true;
            }
    for (int i = 0; i < ORDER_STATES; i++) {
        assert_true(is_reached[i]);
        assert_string_not_equal(order_state_word((enum order_state)i), "unknown");
    }
}

static void
the_list_is_by_time_and_openness(void **state)
{
    static const int64_t noon_us = INT64_C(1795305600) * 1000000;
    const struct order_span open = {noon_us - 5000000, noon_us, true, 0, 10},
                            all = {noon_us, noon_us, false, 0, 10},
                            rest = {noon_us - 2000000, noon_us, true, 3, 10};
    struct order *list = NULL, *o;
    struct err err;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        char placer[2] = {(char)('1' + i), '\0'};
        o = sample(placer);
        o->scheduled_at_us = noon_us - i * 1000000;
        put(o);
    }
    assert_int_equal(order_cancel(book, "http", "2", &err), 0);

    assert_int_equal(order_list(book, &open, &list, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].placer, "3");
    assert_string_equal(list[1].placer, "1");
    free(list);
    assert_int_equal(order_list(book, &all, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    free(list);
    /* on from the first of the two */
    assert_int_equal(order_list(book, &rest, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].placer, "1");
    free(list);
}

static void
arrive(const char *study, const char *patient_id, const char *accession)
{
    struct book_study s = {.arrived_at_us = clock_wall_us(), .modality = "CT"};
    unsigned n;
    struct err err;

    text_copy(s.study, sizeof s.study, study);
    text_copy(s.patient_id, sizeof s.patient_id, patient_id);
    text_copy(s.accession, sizeof s.accession, accession);
    assert_int_equal(book_study_put(book, &s, &err), 0);
    assert_int_equal(book_match(book, 0, &n, &err), 0);
}

/* The HIS has its own accession numbers, perhaps one for two procedures; then the study decides. */
static void
images_of_an_order_find_its_registration(void **state)
{
    struct order *o = sample("1");

    (void)state;
    put(o);
    text_copy(o->placer, sizeof o->placer, "2");
    put(o);
    text_copy(o->placer, sizeof o->placer, "3");
    text_copy(o->accession, sizeof o->accession, "a-33");
    put(o);
    arrive("1.2.3.4", "P77", "A2026-1");
    arrive(known("2")->study, "P77", "A2026-1");
    arrive("1.2.3.5", "P77", "A-33 ");

    assert_string_equal(known("1")->attached, "");
    assert_string_equal(known("2")->attached, known("2")->study);
    assert_string_equal(known("3")->attached, "1.2.3.5");
    assert_true(known("3")->arrived_at_us > 0);
}

/* ---- an accession number beside other words about the patient ---- */

struct words {
    const char *patient_id, *name, *sex, *birth;
};

static void
put_person(const char *placer, const char *accession, const struct words *who)
{
    struct order o = {.source = "http", .modality = "CT"};

    text_copy(o.placer, sizeof o.placer, placer);
    text_copy(o.accession, sizeof o.accession, accession);
    text_copy(o.patient_id, sizeof o.patient_id, who->patient_id);
    text_copy(o.name, sizeof o.name, who->name);
    text_copy(o.sex, sizeof o.sex, who->sex);
    text_copy(o.birth, sizeof o.birth, who->birth);
    put(&o);
}

static void
images_come(const char *study, const char *accession, const struct words *said)
{
    struct book_study s = {.arrived_at_us = clock_wall_us(), .modality = "CT"};
    unsigned n;
    struct err err;

    text_copy(s.study, sizeof s.study, study);
    text_copy(s.accession, sizeof s.accession, accession);
    text_copy(s.patient_id, sizeof s.patient_id, said->patient_id);
    text_copy(s.name, sizeof s.name, said->name);
    text_copy(s.sex, sizeof s.sex, said->sex);
    text_copy(s.birth, sizeof s.birth, said->birth);
    assert_int_equal(book_study_put(book, &s, &err), 0);
    assert_int_equal(book_match(book, 0, &n, &err), 0);
}

/* The console still held the last patient's accession number: his report went out under the next
 * one's images. */
static void
a_held_over_accession_number_takes_nobodys_images(void **state)
{
    static const struct {
        const char *what;
        struct words said;
    } rows[] = {
        {"all of it is the next one's", {"P777M", "赵六", "F", "19800101"}},
        {"the number and the name in Latin", {"H0002", "Ma Liu", "", ""}},
        {"the number alone, typed otherwise", {" 0p777m", "", "", ""}},
        {"the number, and both have one name", {"Z0003", "张三", "", ""}},
        {"the sex", {"P100M", "", "F", ""}},
        {"the birth date", {"", "", "", "19800101"}},
        {"the name", {"P100M", "赵六", "M", "19700101"}},
        {"a number nobody knows here, under another name", {"X9", "Ma Liu", "", ""}},
        {"a card alone, of another sex and birth date", {"11010519491231002X", "", "", ""}},
    };
    static const struct words first = {"P100M", "张三", "M", "19700101"};
    static const struct words second = {"P777M", "赵六", "F", "19800101"};
    static const struct words third = {"H0002", "马六", "", ""};
    static const struct words namesake = {"z0003", "张三", "", ""};

    (void)state;
    put_person("M1", "ACCM1", &first);
    put_person("M2", "ACCM2", &second);
    put_person("M3", "ACCM3", &third);
    put_person("M4", "ACCM4", &namesake);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char study[16];

        snprintf(study, sizeof study, "1.2.3.%zu", i + 1);
        images_come(study, "ACCM1", &rows[i].said);
        if (known("M1")->attached[0] != '\0')
            fail_msg("%s: attached", rows[i].what);
    }
    assert_string_equal(known("M2")->attached, ""); /* nor does the Patient ID alone take them */
    images_come("1.2.4", "ACCM2", &second);
    assert_string_equal(known("M2")->attached, "1.2.4");
}

/* Both orders bear the accession number: the new patient's images waited for a person, as
 * two_people's. */
static void
an_accession_number_goes_with_the_number_to_another_patient(void **state)
{
    static const struct words first = {"P1", "张三", "M", "19700101"};
    static const struct words second = {"P2", "赵六", "F", "19800101"};
    char own[17];
    struct err err;

    (void)state;
    put_person("1", "ACC1", &first);
    put_person("2", "ACC2", &first);
    text_copy(own, sizeof own, known("2")->registration);
    assert_int_equal(order_cancel(book, "http", "1", &err), 0);
    assert_int_equal(order_cancel(book, "http", "2", &err), 0);
    put_person("1", "ACC1", &second);
    put_person("2", "ACC3", &second);

    images_come("1.2.3", "ACC1", &first);
    assert_string_equal(known("1")->attached, ""); /* his, late, are not hers */
    images_come("1.2.4", "ACC1", &second);
    assert_string_equal(known("1")->attached, "1.2.4");
    images_come("1.2.5", "ACC2", &first); /* nobody else's number: still his */
    assert_string_equal(found(own)->study, "1.2.5");
}

/* What two ways to write one patient differ in keeps no images from their order. */
static void
one_patient_written_in_two_ways_is_one(void **state)
{
    static const struct {
        const char *what;
        struct words ordered, said;
    } rows[] = {
        {"the same", {"P1", "王小东", "M", "19700101"}, {"P1", "王小东", "M", "19700101"}},
        {"blanks, zeros, case", {"p1", "王小东", "", ""}, {" 00P1 ", "", "", ""}},
        {"the name in Latin", {"P1", "王小东", "M", ""}, {"P1", "WANG XIAODONG", "M", ""}},
        {"read another way", {"P1", "单雄信", "M", ""}, {"P1", "Dan Xiongxin", "M", ""}},
        {"no number, no sex, no birth date", {"P1", "王小东", "M", "19700101"}, {"", "", "", ""}},
        {"a number that is none", {"P1", "王小东", "M", "19700101"}, {"0000", "", "O", ""}},
        {"the console's own number", {"P1", "王小东", "M", ""}, {"CT-5", "Wang XiaoDong", "", ""}},
        {"the accession number again", {"P1", "王小东", "", ""}, {"ACC", "Wong Siu", "", ""}},
        {"a card that was not registered",
         {"P1", "王小东", "F", "19491231"},
         {"11010519491231002X", "", "", ""}},
        {"the card is the order's number",
         {"11010519491231002X", "王小东", "M", ""},
         {"11010519491231002X", "", "", ""}},
        {"traditional signs", {"P1", "王小东", "M", ""}, {"CT-6", "王小東", "", ""}},
        {"a bed behind the name", {"P1", "王小东", "M", ""}, {"CT-7", "王小东12床", "", ""}},
        {"a birth date from an age", {"P1", "王小东", "", "19700802"}, {"P1", "", "", "19710101"}},
        {"an emergency", {"EM7", "无名氏", "O", "19000101"}, {"EM7", "王小东", "M", "19700101"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char accession[16], study[16];
        struct words said = rows[i].said;

        snprintf(accession, sizeof accession, "ACC%zu", i);
        snprintf(study, sizeof study, "1.2.3.%zu", i + 1);
        if (strcmp(said.patient_id, "ACC") == 0)
            said.patient_id = accession;
        put_person(accession, accession, &rows[i].ordered);
        images_come(study, accession, &said);
        if (strcmp(known(accession)->attached, study) != 0)
            fail_msg("%s: not attached", rows[i].what);
    }
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK_TEST(a_registration_at_the_desk_makes_its_order),
        BOOK_TEST(a_corrected_name_is_what_devices_see),
        cmocka_unit_test(only_an_urgent_order_without_a_reason_is_given_one),
        BOOK_TEST(an_urgent_order_says_who_marked_it_until_a_person_says_why),
        BOOK_TEST(what_a_person_took_back_its_source_raises_no_more),
        BOOK_TEST(an_order_of_a_source_comes_once_and_is_registered),
        BOOK_TEST(what_changed_is_changed_in_both_and_told),
        BOOK_TEST(what_is_wrong_is_left_out_or_refused),
        BOOK_TEST(states_go_by_the_table_only),
        BOOK_TEST(a_number_that_went_to_another_patient_is_taken_when_the_old_order_is_cancelled),
        cmocka_unit_test(every_state_is_reached),
        BOOK_TEST(the_list_is_by_time_and_openness),
        BOOK_TEST(images_of_an_order_find_its_registration),
        BOOK_TEST(a_held_over_accession_number_takes_nobodys_images),
        BOOK_TEST(an_accession_number_goes_with_the_number_to_another_patient),
        BOOK_TEST(one_patient_written_in_two_ways_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
