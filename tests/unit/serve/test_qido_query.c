/* test_qido_query.c - QIDO-RS parameters: what is read, what is refused, and that nothing widens.
 */
#include "storage/serve/qido_query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int
read_one(enum qido_level level, const char *name, const char *value, struct qido_query *q,
         struct err *err)
{
    struct qido_parameter p = {name, value};

    return qido_query_read(level, false, false, &p, 1, q, err);
}

/* "from|to" of a range, the values joined by "+" of anything else. */
static void
filter_text(const struct qido_filter *f, char *out, size_t size)
{
    if (f->attribute->match == QIDO_DATE || f->attribute->match == QIDO_TIME) {
        snprintf(out, size, "%s|%s", f->from, f->to);
        return;
    }
    out[0] = '\0';
    for (size_t i = 0; i < f->n_values; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? "+" : "", f->values[i]);
}

static void
a_key_becomes_a_filter(void **state)
{
    static const struct {
        enum qido_level level;
        const char *name, *value, *keyword, *wanted; /* NULL: universal, no filter */
    } rows[] = {
        {QIDO_STUDY, "PatientName", "王*", "PatientName", "王*"},
        {QIDO_STUDY, "00100010", "WANG^XIAO?ONG", "PatientName", "WANG^XIAO?ONG"},
        {QIDO_STUDY, "0020000d", "1.2.3", "StudyInstanceUID", "1.2.3"},
        {QIDO_STUDY, "StudyInstanceUID", "1.2.3,1.2.4", "StudyInstanceUID", "1.2.3+1.2.4"},
        {QIDO_STUDY, "StudyInstanceUID", "1.2.3\\1.2.4", "StudyInstanceUID", "1.2.3+1.2.4"},
        {QIDO_STUDY, "StudyDate", "20260131", "StudyDate", "20260131|20260131"},
        {QIDO_STUDY, "StudyDate", "20260101-20260131", "StudyDate", "20260101|20260131"},
        {QIDO_STUDY, "StudyDate", "-20260131", "StudyDate", "|20260131"},
        {QIDO_STUDY, "StudyDate", "20260101-", "StudyDate", "20260101|"},
        {QIDO_STUDY, "StudyTime", "12", "StudyTime", "12|125959.999999"},
        {QIDO_STUDY, "StudyTime", "1200-1230", "StudyTime", "12|123059.999999"},
        {QIDO_STUDY, "StudyTime", "101010.500-", "StudyTime", "101010.5|"},
        {QIDO_STUDY, "StudyTime", "000000-000000.000000", "StudyTime", "00|000000.000000"},
        {QIDO_STUDY, "ModalitiesInStudy", "CT,MR", "ModalitiesInStudy", "CT+MR"},
        {QIDO_STUDY, "PatientID", "*", "PatientID", NULL},
        {QIDO_STUDY, "PatientID", "", "PatientID", NULL},
        {QIDO_STUDY, "StudyDescription", "*HEAD*", "StudyDescription", "*HEAD*"},
        {QIDO_SERIES, "Modality", "CT", "Modality", "CT"},
        {QIDO_SERIES, "PatientID", "A,B", "PatientID", "A,B"},
        {QIDO_SERIES, "SeriesNumber", "-3", "SeriesNumber", "-3"},
        {QIDO_INSTANCE, "SOPInstanceUID", "1.2.3", "SOPInstanceUID", "1.2.3"},
        {QIDO_INSTANCE, "InstanceNumber", "12", "InstanceNumber", "12"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct qido_query q;
        struct err err;
        char got[300];
        const struct qido_attribute *a =
            qido_attribute_find(rows[i].keyword, strlen(rows[i].keyword), rows[i].level);

        if (read_one(rows[i].level, rows[i].name, rows[i].value, &q, &err) < 0)
            fail_msg("%s=%s: %s", rows[i].name, rows[i].value, err.text);
        assert_non_null(a);
        assert_true(q.is_asked[a->name]);
        assert_int_equal(q.n_filters, rows[i].wanted != NULL);
        if (rows[i].wanted != NULL) {
            assert_string_equal(q.filters[0]->attribute->keyword, rows[i].keyword);
            filter_text(q.filters[0], got, sizeof got);
            assert_string_equal(got, rows[i].wanted);
        }
        qido_query_fini(&q);
    }
}

static void
what_cannot_be_matched_is_refused(void **state)
{
    static const struct {
        enum qido_level level;
        const char *name, *value;
    } rows[] = {
        {QIDO_STUDY, "Modality", "CT"}, /* a key below the level */
        {QIDO_STUDY, "SOPInstanceUID", "1.2"},
        {QIDO_STUDY, "NoSuchKeyword", "x"},
        {QIDO_STUDY, "00081190", "http://x"},
        {QIDO_STUDY, "NumberOfStudyRelatedInstances", "3"},
        {QIDO_STUDY, "StudyDate", "2026"},
        {QIDO_STUDY, "StudyDate", "20261301"},
        {QIDO_STUDY, "StudyDate", "20260101-20260102-20260103"},
        {QIDO_STUDY, "StudyDate", "-"},
        {QIDO_STUDY, "StudyDate", "2026*"},
        {QIDO_STUDY, "StudyTime", "2460"},
        {QIDO_STUDY, "StudyTime", "1"},
        {QIDO_STUDY, "StudyTime", "101010."},
        {QIDO_STUDY, "StudyTime", "101010.1234567"},
        {QIDO_STUDY, "StudyInstanceUID", "1.2.3,"},
        {QIDO_STUDY, "StudyInstanceUID", "1.2.3*"},
        {QIDO_STUDY, "StudyInstanceUID", "../../etc/passwd"},
        {QIDO_STUDY, "PatientID", "a\\b"},
        {QIDO_STUDY, "PatientID", "a\nb"},
        {QIDO_STUDY, "PatientName", "\xCD\xF5*"}, /* GBK is not UTF-8 */
        {QIDO_STUDY, "limit", "-1"},
        {QIDO_STUDY, "limit", "ten"},
        {QIDO_STUDY, "limit", ""},
        {QIDO_STUDY, "offset", "1e3"},
        {QIDO_STUDY, "fuzzymatching", "perhaps"},
        {QIDO_STUDY, "emptyvaluematching", "true"},
        {QIDO_STUDY, "includefield", "Study Description"},
        {QIDO_STUDY, "includefield", "0008103"},
        {QIDO_STUDY, "includefield", "00400275..00080050"},
        {QIDO_STUDY, "00400275.00080050", "x"},
        {QIDO_SERIES, "SeriesNumber", "one"},
        {QIDO_STUDY, "", "x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct qido_query q = {.n_filters = 77};
        struct err err;

        if (read_one(rows[i].level, rows[i].name, rows[i].value, &q, &err) == 0)
            fail_msg("was read: %s=%s", rows[i].name, rows[i].value);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(q.n_filters, 77);
    }
}

static void
a_key_given_twice_is_refused(void **state)
{
    const struct qido_parameter p[] = {{"PatientID", "1"}, {"00100020", "2"}};
    struct qido_query q;
    struct err err;

    (void)state;
    assert_int_equal(qido_query_read(QIDO_STUDY, false, false, p, 2, &q, &err), -1);
}

static void
an_error_never_quotes_a_value(void **state)
{
    struct qido_query q;
    struct err err;

    (void)state;
    assert_int_equal(read_one(QIDO_STUDY, "PatientName\n", "SECRET", &q, &err), -1);
    assert_null(strstr(err.text, "SECRET"));
    assert_int_equal(read_one(QIDO_STUDY, "SECRET NAME", "x", &q, &err), -1);
    assert_null(strstr(err.text, "SECRET"));
    assert_int_equal(read_one(QIDO_STUDY, "StudyDate", "SECRET", &q, &err), -1);
    assert_null(strstr(err.text, "SECRET"));
}

static void
the_requests_of_ohif_are_read(void **state)
{
    const struct qido_parameter list[] = {
        {"limit", "101"},
        {"offset", "0"},
        {"fuzzymatching", "false"},
        {"includefield", "00081030,00080060,00080090,00100030"},
        {"StudyDate", "20250101-20261231"},
        {"PatientName", "*Wang*"},
    };
    const struct qido_parameter series[] = {
        {"includefield", "00080021,00080031,0008103E,00200011"}};
    struct qido_query q;
    struct err err;

    (void)state;
    assert_int_equal(qido_query_read(QIDO_STUDY, false, false, list, ARRAY_LEN(list), &q, &err), 0);
    assert_true(q.has_limit);
    assert_int_equal(q.limit, 101);
    assert_false(q.wants_fuzzy);
    assert_true(q.is_asked[QIDO_A_STUDY_DESCRIPTION]);
    assert_true(q.is_asked[QIDO_A_MODALITIES]);
    assert_int_equal(q.n_filters, 2);
    qido_query_fini(&q);
    if (qido_query_read(QIDO_SERIES, true, false, series, 1, &q, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(q.is_asked[QIDO_A_SERIES_DATE] && q.is_asked[QIDO_A_SERIES_NUMBER]);
    assert_false(q.is_asked[QIDO_A_PATIENT_NAME]);
    assert_true(q.is_asked[QIDO_A_STUDY_UID]);
    qido_query_fini(&q);
}

static void
rows_below_carry_what_the_path_does_not_say(void **state)
{
    struct qido_query q;
    struct err err;

    (void)state;
    assert_int_equal(qido_query_read(QIDO_INSTANCE, false, false, NULL, 0, &q, &err), 0);
    assert_true(q.is_all_levels);
    assert_true(q.is_asked[QIDO_A_PATIENT_NAME] && q.is_asked[QIDO_A_MODALITY]);
    assert_true(q.is_asked[QIDO_A_INSTANCE_URL]);
    assert_false(q.is_asked[QIDO_A_STUDY_URL] || q.is_asked[QIDO_A_SERIES_URL]);
    assert_int_equal(qido_query_read(QIDO_INSTANCE, true, true, NULL, 0, &q, &err), 0);
    assert_false(q.is_all_levels);
    assert_false(q.is_asked[QIDO_A_PATIENT_NAME] || q.is_asked[QIDO_A_MODALITY]);
    assert_int_equal(qido_query_read(QIDO_INSTANCE, true, false, NULL, 0, &q, &err), 0);
    assert_true(q.is_asked[QIDO_A_MODALITY]);
    assert_false(q.is_asked[QIDO_A_PATIENT_NAME]);
}

static void
a_page_is_never_longer_than_the_most(void **state)
{
    struct qido_query q;
    struct err err;

    (void)state;
    assert_int_equal(read_one(QIDO_STUDY, "limit", "999999999", &q, &err), 0);
    assert_int_equal(q.limit, QIDO_PAGE_MOST);
    assert_false(q.has_limit);
    assert_int_equal(read_one(QIDO_STUDY, "includefield", "all", &q, &err), 0);
    assert_true(q.is_asked[QIDO_A_AGE] && !q.has_limit);
    assert_false(q.is_asked[QIDO_A_MODALITY]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_becomes_a_filter),
        cmocka_unit_test(what_cannot_be_matched_is_refused),
        cmocka_unit_test(a_key_given_twice_is_refused),
        cmocka_unit_test(an_error_never_quotes_a_value),
        cmocka_unit_test(the_requests_of_ohif_are_read),
        cmocka_unit_test(rows_below_carry_what_the_path_does_not_say),
        cmocka_unit_test(a_page_is_never_longer_than_the_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
