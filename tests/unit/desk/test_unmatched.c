/* test_unmatched.c - of each study that is attached to nobody the desk knows why, and holds signing
 * while its images bear one person's number and say another. */
#include "gateway/desk/book.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/orders.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/charset.h"
#include "proto/dicom/charset_encode.h"
#include "proto/model/doubts.h"
#include "proto/model/who.h"
#include "proto/render/report_pdf.h"
#include "tests/support/book_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CARD "11010519491231002X"
#define OTHER_CARD "110105194912310038"

static struct err err;

static void
order(const char *placer, const char *patient_id, const char *name, const char *sex,
      const char *birth)
{
    struct order o = {.source = "http", .modality = "CT"};

    text_copy(o.placer, sizeof o.placer, placer);
    text_copy(o.accession, sizeof o.accession, placer);
    text_copy(o.patient_id, sizeof o.patient_id, patient_id);
    text_copy(o.name, sizeof o.name, name);
    text_copy(o.sex, sizeof o.sex, sex);
    text_copy(o.birth, sizeof o.birth, birth);
    if (order_put(book, &o, &err) < 0)
        fail_msg("%s", err.text);
}

static void
arrive(const char *study, const struct book_study *said)
{
    struct book_study s = *said;

    text_copy(s.study, sizeof s.study, study);
    text_copy(s.modality, sizeof s.modality, "CT");
    s.arrived_at_us = clock_wall_us();
    assert_int_equal(book_study_put(book, &s, &err), 0);
}

static unsigned
match(void)
{
    unsigned n;

    if (book_match(book, 0, &n, &err) < 0)
        fail_msg("%s", err.text);
    return n;
}

/* As the page is told; by study. */
static struct book_study
told(const char *study)
{
    struct book_study *list = NULL, is = {.modality = ""};
    size_t n = 0;

    assert_int_equal(book_studies(book, 0, &list, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].study, study) == 0)
            is = list[i];
    free(list);
    assert_string_equal(is.study, study);
    return is;
}

static void
each_study_that_waits_says_why(void **state)
{
    static const struct {
        struct book_study said;
        const char *why;
        bool has_near;
    } rows[] = {
        {{.patient_id = ""}, "no_number", false},
        {{.patient_id = "0000", .accession = "1"}, "no_number", false},
        {{.patient_id = "X99", .name = "马六"}, "unknown_number", false},
        {{.accession = "GONE1"}, "unknown_number", false},
        {{.patient_id = "P1", .accession = "ACC1", .sex = "F"}, "sex", true},
        {{.accession = "ACC1", .birth = "19800808"}, "birth", true},
        {{.accession = "ACC1", .name = "赵六"}, "name", true},
        {{.accession = "ACC1", .patient_id = "P2"}, "number", true},
        {{.accession = "DONE"}, "has_study", true},
        {{.accession = "DONE", .name = "Wang^Wu"}, "has_study", true},
        {{.accession = "DONE", .name = "Zhao^Liu"}, "name", true},
        {{.patient_id = OTHER_CARD}, "nobody_waits", false},
        {{.patient_id = CARD}, "other_modality", true},
    };
    char dx[17];

    (void)state;
    order("ACC1", "P1", "张三", "M", "19700707");
    order("ACC2", "P2", "李四", "F", "19800808");
    order("DONE", "P3", "王五", "", "");
    arrive("1.9", &(struct book_study){.accession = "DONE"});
    assert_int_equal(match(), 1);
    person("甲", CARD, "DX", dx);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct book_study is;
        char study[16];

        snprintf(study, sizeof study, "1.2.%zu", i + 1);
        arrive(study, &rows[i].said);
        assert_int_equal(match(), 0);
        is = told(study);
        if (strcmp(is.unmatched, rows[i].why) != 0 || (is.near[0] != '\0') != rows[i].has_near)
            fail_msg("row %zu: wanted %s, got '%s' about '%s'", i, rows[i].why, is.unmatched,
                     is.near);
    }
}

/* How a device sends the name back that it was told, and how it is read then. */
static void
send_back(enum dcm_shows shows, const char *name, char out[CLINIC_NAME_SIZE])
{
    const char *declared = dcm_shows_charset(shows);
    struct dcm_charset cs;
    struct buf bytes, text;

    buf_init(&bytes, 1024);
    buf_init(&text, 4096);
    dcm_encode_name(shows, name, NULL, &bytes);
    dcm_charset_begin(&cs, declared, strlen(declared), dcm_shows_profile(shows));
    dcm_charset_look(&cs, bytes.bytes, bytes.n);
    dcm_charset_choose(&cs);
    dcm_charset_decode(&cs, bytes.bytes, bytes.n, true, &text);
    report_pdf_person_name(buf_text(&text), out, CLINIC_NAME_SIZE);
    buf_fini(&text);
    buf_fini(&bytes);
}

static void
a_name_that_a_console_copies_from_the_worklist_is_the_patients(void **state)
{
    static const char *const names[] = {
        "𠮷野家", "Müller^Jörg", "黄\u00a0蓉",    "罗\u200b刚", "\ufeff林",
        "王㛃",   "Жуков^Иван",  "买买提·吐尔逊", "李誠",       "龘靐",
        "김철수", "欧阳娜娜",    "张三丰 Zhang",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names) * DCM_SHOWS; i++) {
        const char *name = names[i / DCM_SHOWS];
        struct book_study said = {.sex = "M", .birth = "19700707"}, is;
        struct who registered = {.sex = "M", .birth = "19700707"}, sent = registered;
        struct order *o = mem_new(sizeof *o);
        char number[16], study[16];

        snprintf(number, sizeof number, "Q%zu", i);
        snprintf(study, sizeof study, "1.3.%zu", i + 1);
        order(number, number, name, "M", "19700707");
        assert_int_equal(order_find_placer(book, "http", number, o, &err), 0);
        send_back((enum dcm_shows)(i % DCM_SHOWS), o->name, said.name);
        text_copy(said.patient_id, sizeof said.patient_id, number);
        text_copy(said.accession, sizeof said.accession, number);
        arrive(study, &said);
        if (match() != 1)
            fail_msg("%s, sent back as %s: not attached", name, said.name);
        is = told(study);
        registered.name = o->name;
        sent.name = said.name;
        if (is.differs.name || who_differ(&registered, &sent)) /* at the desk, at the reader */
            fail_msg("%s, sent back as %s: differs", name, said.name);
        free(o);
    }
}

/* One of another name with the number is another person all the same. */
static void
a_question_mark_hides_no_other_name(void **state)
{
    (void)state;
    order("ACC1", "P1", "𠮷野家", "M", "19700707");
    arrive("1.1", &(struct book_study){.accession = "ACC1", .patient_id = "P1", .name = "?野郎"});
    arrive("1.2", &(struct book_study){
                      .accession = "ACC1", .patient_id = "P1", .name = "?野家", .sex = "F"});

    assert_int_equal(match(), 0);

    assert_string_equal(told("1.1").unmatched, "name");
    assert_string_equal(told("1.2").unmatched, "sex");
}

static void
two_numbers_of_two_people_are_said_to_be_so(void **state)
{
    char one[17], other[17];
    struct book_study said = {.sex = ""};

    (void)state;
    person("甲", "", "CT", one);
    person("乙", "", "CT", other);
    text_copy(said.patient_id, sizeof said.patient_id, one);
    text_copy(said.accession, sizeof said.accession, other);
    arrive("1.1", &said);

    assert_int_equal(match(), 0);

    assert_string_equal(told("1.1").unmatched, "two_people");
}

static void
what_changes_here_changes_the_reason_and_the_page_hears_of_it_once(void **state)
{
    static const struct book_study said = {.patient_id = CARD};
    char one[17], two[17];
    uint64_t seen;

    (void)state;
    arrive("1.1", &said);
    assert_int_equal(match(), 0);
    assert_string_equal(told("1.1").unmatched, "nobody_waits");
    seen = book_change(book);
    assert_int_equal(match(), 0);
    assert_int_equal(book_change(book), seen);

    person("甲", CARD, "CT", one);
    person("甲", CARD, "CT", two);
    seen = book_change(book);
    assert_int_equal(match(), 0);

    assert_true(book_change(book) > seen);
    reopen();
    assert_string_equal(told("1.1").unmatched, "several_fit");
    assert_int_equal(book_attach(book, two, "1.1", "hand", &err), 0);
    assert_string_equal(told("1.1").registration, two);
}

/* Nearly every console writes pinyin: each rightly attached study stood in red, and nobody looked
 * at the red of one that was another patient's. */
static void
what_is_not_as_it_was_registered_is_said_and_a_reading_of_the_name_is(void **state)
{
    static const struct {
        struct book_study said;
        bool name, sex, birth;
    } rows[] = {
        {{.name = "Wang XiaoDong", .sex = "M", .birth = "19700707"}, false, false, false},
        {{.name = "XIAODONG WANG"}, false, false, false},
        {{.name = "Wong SiuTung"}, false, false, false}, /* as the HIS writes it */
        {{.name = "王小东12床", .sex = "O", .birth = "19700101"}, false, false, false},
        {{.name = "无名氏"}, false, false, false},
        {{.sex = "F"}, false, true, false},
        {{.name = "Wang XiaoDong", .sex = "M", .birth = "19800808"}, false, false, true},
        {{.name = "张三丰", .sex = "M"}, true, false, false},
        {{.name = "Zhang SanFeng", .sex = "F", .birth = "19800808"}, true, true, true},
    };
    struct order known = {.modality = ""}, found_it;

    (void)state;
    order("ACC1", "P1", "王小东", "M", "19700707");
    assert_int_equal(order_find_accession(book, "ACC1", &known, &err), 0);
    text_copy(known.pinyin, sizeof known.pinyin, "Wong^SiuTung");
    assert_int_equal(order_put(book, &known, &err), 0);
    assert_int_equal(order_find_accession(book, "ACC1", &found_it, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct book_differs is;
        char study[16];

        snprintf(study, sizeof study, "1.2.%zu", i + 1);
        arrive(study, &rows[i].said);
        assert_int_equal(book_attach(book, found_it.registration, study, "hand", &err), 0);
        is = told(study).differs;
        if (is.name != rows[i].name || is.sex != rows[i].sex || is.birth != rows[i].birth)
            fail_msg("row %zu: name %d, sex %d, birth %d", i, is.name, is.sex, is.birth);
    }
    /* of a further study of the registration, too; of nobody's, nothing is another's */
    assert_int_equal(book_join(book, found_it.registration, "1.2.8", &err), 0);
    assert_true(told("1.2.8").differs.name);
    assert_false(told("1.2.7").differs.birth);
}

/* An ultrasound that opens a study for each image, all of them without a number: from the 501st on
 * no study found its patient for three days. */
static void
however_many_wait_the_next_one_finds_its_patient(void **state)
{
    struct book_study said = {.patient_id = ""};
    char number[17], study[32];

    (void)state;
    clock_fake(INT64_C(1795305600) * 1000000, 1000);
    person("甲", "", "CT", number);
    for (unsigned i = 0; i < 501; i++) {
        clock_fake_advance(1000);
        snprintf(study, sizeof study, "1.3.%u", i + 1);
        arrive(study, &said);
    }
    clock_fake_advance(1000);
    text_copy(said.accession, sizeof said.accession, number);
    arrive("1.2.1", &said);

    assert_int_equal(match(), 1);

    assert_string_equal(found(number)->study, "1.2.1");
}

/* What the reader was told last about a study; *out_n of how many messages. */
static struct clinic_up
last_doubt(const char *study, size_t *out_n)
{
    struct clinic_ups ups;
    struct clinic_up last = {.doubts = ""};

    *out_n = 0;
    due(&ups);
    for (size_t i = 0; i < ups.count; i++)
        if (ups.messages[i].kind == CLINIC_DOUBT && strcmp(ups.messages[i].study, study) == 0) {
            last = ups.messages[i];
            (*out_n)++;
        }
    clinic_ups_free(&ups);
    return last;
}

/* A console still held the last patient: the images bore his number and another's name, sex and
 * birth date, the desk asked whose they were, nobody answered, and the report was signed. */
static void
images_of_two_people_hold_signing_until_somebody_says_whose_they_are(void **state)
{
    static const struct {
        struct book_study said;
        bool holds;
    } rows[] = {
        {{.patient_id = "P1", .accession = "ACC1", .sex = "F"}, true},
        {{.accession = "ACC1", .birth = "19800808"}, true},
        {{.accession = "ACC1", .name = "赵六"}, true},
        {{.accession = "ACC1", .patient_id = "P2"}, true},
        {{.accession = "DONE"}, false},
        {{.accession = "DONE", .name = "Wang^Wu"}, false},
        {{.accession = "DONE", .name = "Zhao^Liu"}, true},
        {{.patient_id = "X99"}, false},
        {{.patient_id = CARD}, false},
        {{.patient_id = ""}, false},
    };
    struct book_study said = {.sex = ""};
    char one[17], other[17];
    size_t n;

    (void)state;
    order("ACC1", "P1", "张三", "M", "19700707");
    order("ACC2", "P2", "李四", "F", "19800808");
    order("DONE", "P3", "王五", "", "");
    arrive("1.9", &(struct book_study){.accession = "DONE"});
    assert_int_equal(match(), 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct clinic_up m;
        char study[16];

        snprintf(study, sizeof study, "1.2.%zu", i + 1);
        arrive(study, &rows[i].said);
        assert_int_equal(match(), 0);
        assert_int_equal(match(), 0);
        m = last_doubt(study, &n);
        if (n != rows[i].holds || doubts_are_open(m.doubts, "") != rows[i].holds || m.is_confirmed)
            fail_msg("row %zu: %zu messages, '%s'", i, n, m.doubts);
    }
    person("甲", "", "CT", one);
    person("乙", "", "CT", other);
    text_copy(said.patient_id, sizeof said.patient_id, one);
    text_copy(said.accession, sizeof said.accession, other);
    arrive("1.1", &said);
    assert_int_equal(match(), 0);
    assert_string_equal(last_doubt("1.1", &n).doubts, "others_number");

    assert_int_equal(book_attach(book, other, "1.1", "hand", &err), 0);

    assert_string_equal(last_doubt("1.1", &n).doubts, "");
    reopen();
    assert_int_equal(match(), 0);
    assert_int_equal((last_doubt("1.1", &n), n), 2);
}

static void
what_ends_the_contradiction_ends_the_doubt(void **state)
{
    struct book_registration *r;
    struct book_study said = {.sex = "F"};
    char number[17];
    size_t n;

    (void)state;
    person("甲", "", "CT", number);
    r = found(number);
    text_copy(r->sex, sizeof r->sex, "M");
    assert_int_equal(book_correct(book, r, NULL, "li", &err), 0);
    text_copy(said.accession, sizeof said.accession, number);
    arrive("1.1", &said);
    assert_int_equal(match(), 0);
    assert_string_equal(last_doubt("1.1", &n).doubts, "others_number");

    r = found(number); /* the slip of the pen was the desk's */
    text_copy(r->sex, sizeof r->sex, "F");
    assert_int_equal(book_correct(book, r, NULL, "li", &err), 0);
    assert_int_equal(match(), 1);

    assert_string_equal(last_doubt("1.1", &n).doubts, "");
    assert_string_equal(last_doubt("1.1", &n).registration, number);
}

/* Somebody saw that only the birth date was mistyped; then the sex turned out to be another, too.
 */
static void
another_contradiction_is_another_question(void **state)
{
    struct book_study said = {.sex = "F", .birth = "19800808"};
    struct book_registration *r;
    char number[17];
    size_t n;

    (void)state;
    person("甲", "", "CT", number);
    r = found(number);
    text_copy(r->birth, sizeof r->birth, "19700707");
    assert_int_equal(book_correct(book, r, NULL, "li", &err), 0);
    text_copy(said.accession, sizeof said.accession, number);
    arrive("1.1", &said);
    assert_int_equal(match(), 0);
    assert_string_equal(told("1.1").unmatched, "birth");
    assert_int_equal(
        book_doubt_confirm(book, "1.1", DOUBT_OTHERS_NUMBER, UINT64_MAX, "li", "看过身份证", &err),
        0);
    assert_true(last_doubt("1.1", &n).is_confirmed);
    assert_int_equal(match(), 0);
    assert_true(last_doubt("1.1", &n).is_confirmed);

    r = found(number);
    text_copy(r->sex, sizeof r->sex, "M");
    assert_int_equal(book_correct(book, r, NULL, "li", &err), 0);
    assert_int_equal(match(), 0);

    /* the word went and came again: at the reader, too, what was confirmed was about another */
    assert_string_equal(told("1.1").unmatched, "sex");
    assert_string_equal(last_doubt("1.1", &n).doubts, "others_number");
    assert_false(last_doubt("1.1", &n).is_confirmed);
    assert_int_equal(n, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, book_world_open, book_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_study_that_waits_says_why),
        TEST(a_name_that_a_console_copies_from_the_worklist_is_the_patients),
        TEST(a_question_mark_hides_no_other_name),
        TEST(what_is_not_as_it_was_registered_is_said_and_a_reading_of_the_name_is),
        TEST(images_of_two_people_hold_signing_until_somebody_says_whose_they_are),
        TEST(what_ends_the_contradiction_ends_the_doubt),
        TEST(another_contradiction_is_another_question),
        TEST(two_numbers_of_two_people_are_said_to_be_so),
        TEST(however_many_wait_the_next_one_finds_its_patient),
        TEST(what_changes_here_changes_the_reason_and_the_page_hears_of_it_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
