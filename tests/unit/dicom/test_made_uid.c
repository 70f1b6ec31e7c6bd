/* test_made_uid.c - the number of a study or series whose own cannot be used: always the same one,
 * one exam together where its images say so, and never two people in one. */
#include "proto/dicom/made_uid.h"

#include "proto/base/buf.h"
#include "proto/base/text.h"
#include "proto/dicom/facts.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
#define LONG_60 "1.2.3.456789012345678901234567890123456789012345678901234567"

struct exam {
    const char *study, *series, *sop, *id, *name, *birth, *date, *accession, *modality, *number;
};

/* study, series, sop, id, name, birth, date, accession, modality, number */
static const struct exam exam = {"1.2.abc",  "1.2.3.1",  "1.2.3.1.1", "T0017842", "WANG^AN",
                                 "19800102", "20260301", "A1",        "CT",       "2"};

static void
write_some(struct dcm_writer *w, uint32_t tag, const char *text)
{
    if (text != NULL)
        dcm_write_text(w, tag, NULL, text);
}

static void
file_of(const struct exam *e, enum dcm_coding coding, struct buf *out)
{
    struct dcm_writer w;
    struct err err;

    buf_init(out, 1 << 17);
    assert_int_equal(
        part10_head(out, CT_IMAGE, e->sop,
                    coding == DCM_IMPLICIT_LE ? DCM_UID_IMPLICIT_LE : DCM_UID_EXPLICIT_LE, NULL,
                    &err),
        0);
    dcm_write_init(&w, out, coding);
    dcm_write_text(&w, 0x00080016, NULL, CT_IMAGE);
    dcm_write_text(&w, 0x00080018, NULL, e->sop);
    write_some(&w, 0x00080020, e->date);
    write_some(&w, 0x00080050, e->accession);
    write_some(&w, 0x00080060, e->modality);
    write_some(&w, 0x00100010, e->name);
    write_some(&w, 0x00100020, e->id);
    write_some(&w, 0x00100030, e->birth);
    write_some(&w, 0x0020000D, e->study);
    write_some(&w, 0x0020000E, e->series);
    write_some(&w, 0x00200011, e->number);
    write_some(&w, 0x00204000, "behind it");
}

static void
facts_of(const struct exam *e, struct dcm_facts *out)
{
    struct buf file;
    struct err err;

    file_of(e, DCM_EXPLICIT_LE, &file);
    if (dcm_facts_read(file.bytes, file.n, false, out, &err) < 0)
        fail_msg("%s", err.text);
    buf_fini(&file);
}

/* Made by another program by the words of docs/formats/made-uid.md. */
static void
the_number_is_the_one_that_the_format_says(void **state)
{
    static const struct {
        const char *name;
        struct exam e;
        const char *study, *series;
    } rows[] = {
        {"by its number, of a person",
         {.study = "1.2.abc", .series = "1.2.3.1", .id = "T0017842", .name = "WANG^AN"},
         "2.25.164441534503326603256709581586487423258",
         "1.2.3.1"},
        {"by its number, of what is no person's and a name",
         {.study = "1.2.abc", .series = "1.2.3.1", .id = "P1", .name = "WANG^AN"},
         "2.25.128251247784990423431702375736643068196",
         "1.2.3.1"},
        {"by its number, of a name",
         {.study = "1.2.abc", .series = "1.2.3.1", .name = "WANG^AN"},
         "2.25.95297239154085149972150258129994356515",
         "1.2.3.1"},
        {"by person and day",
         {.series = "1.2.3.1",
          .id = "T0017842",
          .name = "WANG^AN",
          .birth = "19800102",
          .date = "20260301",
          .accession = "A1",
          .modality = "CT"},
         "2.25.237475295267483986603382021897390996572",
         "1.2.3.1"},
        {"by its series",
         {.series = "1.2.3.1"},
         "2.25.324543463478610902933818228950782804673",
         "1.2.3.1"},
        {"by the image", {.series = "NONE"}, "2.25.259666134590682332601796762139366602969", NULL},
        {"the series by its number",
         {.study = "1.2.3", .series = "1.2.abc"},
         "1.2.3",
         "2.25.238767966756692110659692017246477435191"},
        {"the series by words",
         {.study = "1.2.3", .modality = "CT", .number = "2"},
         "1.2.3",
         "2.25.222944644782565322799206579052717983772"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exam e = rows[i].e;
        struct dcm_facts f;

        e.sop = "1.2.3.1.1";
        facts_of(&e, &f);
        if (strcmp(f.study_uid, rows[i].study) != 0 ||
            (rows[i].series != NULL && strcmp(f.series_uid, rows[i].series) != 0))
            fail_msg("%s: got %s, %s", rows[i].name, f.study_uid, f.series_uid);
        assert_int_equal(f.is_study_made, strncmp(rows[i].study, "2.25.", 5) == 0);
    }
}

static void
a_number_that_can_be_used_stays_and_any_other_is_made(void **state)
{
    static const struct {
        const char *name, *uid;
        bool is_used;
    } rows[] = {
        {"plain", "1.2.3", true},
        {"leading nought", "1.2.03", true},
        {"64 characters", LONG_60 ".123", true},
        {"blanks around", " 1.2.3 ", true},
        {"65 characters", LONG_60 ".1234", false},
        {"longer, of numbers that begin alike", LONG_60 ".1234.5", false},
        {"missing", NULL, false},
        {"empty", "", false},
        {"blanks", "    ", false},
        {"a letter", "1.2.3a", false},
        {"an empty part", "1..2", false},
        {"ends with a dot", "1.2.", false},
        {"two of them", "1.2\\1.3", false},
        {"Chinese", "\xBC\xEC\xB2\xE9", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exam study = exam, series = exam;
        struct dcm_facts a, b;

        study.study = rows[i].uid;
        series.study = "1.2.9";
        series.series = rows[i].uid;
        facts_of(&study, &a);
        facts_of(&series, &b);
        if (a.is_study_made == rows[i].is_used || b.is_series_made == rows[i].is_used)
            fail_msg("%s: study made %d, series made %d", rows[i].name, a.is_study_made,
                     b.is_series_made);
        assert_true(uid_is_valid(a.study_uid, true) && uid_is_valid(b.series_uid, true));
        assert_false(a.is_series_made);
        assert_false(b.is_study_made);
        if (rows[i].is_used)
            assert_non_null(strstr(rows[i].uid, a.study_uid));
    }
}

#define EXAM(...)                                                                                  \
    {                                                                                              \
        .sop = "1.2.3.1.1", __VA_ARGS__                                                            \
    }
#define PERSON .id = "T0017842", .name = "WANG^AN", .birth = "19800102"

static void
one_exam_stands_together_and_two_people_never_do(void **state)
{
    static const struct {
        const char *name;
        struct exam a, b;
        bool is_one;
    } rows[] = {
        {"one number", EXAM(.study = "1.2.abc", PERSON), EXAM(.study = "1.2.abc ", PERSON), true},
        {"another number", EXAM(.study = "1.2.abc", PERSON), EXAM(.study = "1.2.abd", PERSON),
         false},
        {"one number, another patient", EXAM(.study = "1.2.abc", .id = "T0017842"),
         EXAM(.study = "1.2.abc", .id = "T0017843"), false},
        {"a device's one number, an ID for all, two people",
         EXAM(.study = "STUDY001", .id = "UNKNOWN", .name = "ZHANG^SAN"),
         EXAM(.study = "STUDY001", .id = "UNKNOWN", .name = "LI^SI"), false},
        {"a device's one number, nobodies",
         EXAM(.study = "STUDY001", .id = "1", .name = "^"),
         {.sop = "1.2.3.1.2", .study = "STUDY001", .id = "1", .name = "^"},
         false},
        {"numbers alike in 64 characters", EXAM(.study = LONG_60 ".12345", PERSON),
         EXAM(.study = LONG_60 ".12346", PERSON), false},
        {"no number, one person and day", EXAM(PERSON, .date = "20260301", .series = "1.2.3"),
         EXAM(PERSON, .date = "20260301", .series = "1.2.4"), true},
        {"a word that every study may say is no number",
         EXAM(.study = "US 1", PERSON, .date = "20260301"), EXAM(PERSON, .date = "20260301"), true},
        {"another day",
         EXAM(PERSON, .date = "20260301"),
         {.sop = "1.2.3.1.2", PERSON, .date = "20260302"},
         false},
        {"another order",
         EXAM(PERSON, .date = "20260301", .accession = "A1"),
         {.sop = "1.2.3.1.2", PERSON, .date = "20260301", .accession = "A2"},
         false},
        {"nobody of one name and day",
         EXAM(.name = "WUMING", .date = "20260301"),
         {.sop = "1.2.3.1.2", .name = "WUMING", .date = "20260301"},
         false},
        {"a placeholder for all",
         EXAM(.id = "123456", .name = "WUMING", .date = "20260301"),
         {.sop = "1.2.3.1.2", .id = "123456", .name = "WUMING", .date = "20260301"},
         false},
        {"noughts",
         EXAM(.id = "00000000", .name = "WUMING", .date = "20260301"),
         {.sop = "1.2.3.1.2", .id = "00000000", .name = "WUMING", .date = "20260301"},
         false},
        {"a person and no day", EXAM(PERSON), {.sop = "1.2.3.1.2", PERSON}, false},
        {"nobody, one series",
         EXAM(.series = "1.2.3"),
         {.sop = "1.2.3.1.2", .series = "1.2.3"},
         true},
        {"nobody, two series", EXAM(.series = "1.2.3"), EXAM(.series = "1.2.4"), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dcm_facts a, b;

        facts_of(&rows[i].a, &a);
        facts_of(&rows[i].b, &b);
        if ((strcmp(a.study_uid, b.study_uid) == 0) != rows[i].is_one)
            fail_msg("%s: %s, %s", rows[i].name, a.study_uid, b.study_uid);
    }
}

static void
it_is_the_same_in_another_coding(void **state)
{
    struct exam e = exam;
    struct dcm_facts explicit, implicit;
    struct buf file;
    struct err err;

    (void)state;
    e.series = NULL;
    facts_of(&e, &explicit);
    file_of(&e, DCM_IMPLICIT_LE, &file);
    assert_int_equal(dcm_facts_read(file.bytes, file.n, false, &implicit, &err), 0);
    assert_true(implicit.is_study_made && implicit.is_series_made);
    assert_string_equal(explicit.study_uid, implicit.study_uid);
    assert_string_equal(explicit.series_uid, implicit.series_uid);
    buf_fini(&file);
}

/* More blanks than a text of ours may have: the number behind them is the file's all the same. */
static void
a_number_behind_many_blanks_is_found(void **state)
{
    enum { MANY = 70000 };
    char *far = mem_new(MANY + 8);
    struct exam study = exam, series = exam;
    struct dcm_facts a, b;
    struct buf file;
    struct err err;

    (void)state;
    memset(far, ' ', MANY);
    memcpy(far + MANY, "1.2.77", 7);
    study.study = far;
    series.study = "1.2.9";
    series.series = far;
    for (int i = 0; i < 2; i++) {
        file_of(i == 0 ? &study : &series, DCM_IMPLICIT_LE, &file);
        assert_int_equal(dcm_facts_read(file.bytes, file.n, false, i == 0 ? &a : &b, &err), 0);
        buf_fini(&file);
    }
    free(far);

    assert_false(a.is_study_made || b.is_series_made);
    assert_string_equal(a.study_uid, "1.2.77");
    assert_string_equal(b.series_uid, "1.2.77");
}

/* Or half of what it is made of would make another one. */
static void
of_a_beginning_none_is_made_before_all_was_read(void **state)
{
    struct dcm_facts whole, part;
    struct exam e = exam;
    struct buf file;
    size_t made = 0;
    struct err err;

    (void)state;
    e.study = NULL;
    e.series = NULL;
    facts_of(&e, &whole);
    file_of(&e, DCM_EXPLICIT_LE, &file);
    for (size_t n = 400; n <= file.n; n++) {
        if (dcm_facts_read(file.bytes, n, true, &part, &err) < 0 || !part.is_study_made)
            continue;
        made++;
        assert_string_equal(part.study_uid, whole.study_uid);
        assert_string_equal(part.series_uid, whole.series_uid);
    }
    assert_in_range(made, 1, 20);
    buf_fini(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_is_the_one_that_the_format_says),
        cmocka_unit_test(a_number_that_can_be_used_stays_and_any_other_is_made),
        cmocka_unit_test(one_exam_stands_together_and_two_people_never_do),
        cmocka_unit_test(it_is_the_same_in_another_coding),
        cmocka_unit_test(a_number_behind_many_blanks_is_found),
        cmocka_unit_test(of_a_beginning_none_is_made_before_all_was_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
