/* test_qido_rows.c - DICOM JSON of matches, and the catalog's query made of a client's. */
#include "storage/serve/qido_rows.h"

#include "proto/base/durable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SET(field, text) snprintf(f->field, sizeof f->field, "%s", text)

static void
fill_facts(struct dcm_facts *f)
{
    memset(f, 0, sizeof *f);
    SET(study_uid, "1.2.3");
    SET(series_uid, "1.2.3.4");
    SET(sop_instance, "1.2.3.4.5");
    SET(study_date, "20260131");
    SET(patient_id, "P\"1");
    SET(patient_name, "Wang^Xiaodong=王^小东");
    SET(modality, "CT");
    f->series_number = 3;
    f->instance_number = -1;
}

/* Read a query, write one row; the caller frees. */
static char *
row_of(enum qido_level level, bool has_study, const struct qido_parameter *p, size_t n,
       const char *modalities)
{
    struct dcm_facts facts;
    struct keep_row row = {.facts = &facts,
                           .modalities = modalities,
                           .study_series = 2,
                           .study_instances = 30,
                           .series_instances = 28};
    struct qido_query q;
    struct buf out;
    struct jsonw w;
    struct err err;
    char *text;

    fill_facts(&facts);
    assert_int_equal(qido_query_read(level, has_study, false, p, n, &q, &err), 0);
    buf_init(&out, 1 << 20);
    jsonw_init(&w, &out);
    qido_row_write(&q, &row, "http://h/dicomweb", &w);
    text = mem_text(buf_text(&out));
    buf_fini(&out);
    qido_query_fini(&q);
    return text;
}

static void
a_study_is_written_in_ascending_order(void **state)
{
    char *got = row_of(QIDO_STUDY, false, NULL, 0, "CT\\SR");

    (void)state;
    assert_string_equal(
        got, "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},"
             "\"00080020\":{\"vr\":\"DA\",\"Value\":[\"20260131\"]},"
             "\"00080030\":{\"vr\":\"TM\"},\"00080050\":{\"vr\":\"SH\"},"
             "\"00080056\":{\"vr\":\"CS\",\"Value\":[\"ONLINE\"]},"
             "\"00080061\":{\"vr\":\"CS\",\"Value\":[\"CT\",\"SR\"]},\"00080090\":{\"vr\":\"PN\"},"
             "\"00081190\":{\"vr\":\"UR\",\"Value\":[\"http://h/dicomweb/studies/1.2.3\"]},"
             "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"Wang^Xiaodong\","
             "\"Ideographic\":\"王^小东\"}]},"
             "\"00100020\":{\"vr\":\"LO\",\"Value\":[\"P\\\"1\"]},\"00100030\":{\"vr\":\"DA\"},"
             "\"00100040\":{\"vr\":\"CS\"},\"0020000D\":{\"vr\":\"UI\",\"Value\":[\"1.2.3\"]},"
             "\"00200010\":{\"vr\":\"SH\"},\"00201206\":{\"vr\":\"IS\",\"Value\":[2]},"
             "\"00201208\":{\"vr\":\"IS\",\"Value\":[30]}}");
    free(got);
}

/* OHIF's list dies of (0008,0061) with a vr and no value. */
static void
empty_modalities_are_left_out(void **state)
{
    char *none = row_of(QIDO_STUDY, false, NULL, 0, NULL);
    char *empty = row_of(QIDO_STUDY, false, NULL, 0, "");

    (void)state;
    assert_null(strstr(none, "00080061"));
    assert_null(strstr(empty, "00080061"));
    free(none);
    free(empty);
}

static void
an_instance_has_its_own_address_and_numbers(void **state)
{
    const struct qido_parameter p[] = {{"includefield", "all"}};
    char *got = row_of(QIDO_INSTANCE, true, p, 1, "CT");

    (void)state;
    assert_non_null(strstr(got,
                           "\"00081190\":{\"vr\":\"UR\",\"Value\":[\"http://h/dicomweb/studies/"
                           "1.2.3/series/1.2.3.4/instances/1.2.3.4.5\"]}"));
    assert_null(strstr(strstr(got, "\"00081190\"") + 1, "\"00081190\""));
    assert_non_null(strstr(got, "\"00200011\":{\"vr\":\"IS\",\"Value\":[3]}"));
    assert_non_null(strstr(got, "\"00200013\":{\"vr\":\"IS\"}"));
    assert_null(strstr(got, "00280010")); /* no pixels, no rows */
    assert_non_null(strstr(got, "\"00100010\""));
    free(got);
}

static void
the_catalog_is_asked_what_the_client_asked(void **state)
{
    const struct qido_parameter p[] = {
        {"PatientName", "王*"},
        {"StudyDate", "20260101-"},
        {"ModalitiesInStudy", "CT,MR"},
        {"StudyInstanceUID", "1.2.3,1.2.4"},
        {"limit", "10"},
        {"offset", "20"},
    };
    struct qido_query q;
    struct keep_query k;
    struct qido_ask ask = {.study = NULL};
    struct err err;
    bool is_empty;

    (void)state;
    assert_int_equal(qido_query_read(QIDO_STUDY, false, false, p, ARRAY_LEN(p), &q, &err), 0);
    assert_int_equal(qido_ask_catalog(&q, "TENANT", &ask, &k, &is_empty, &err), 0);
    assert_false(is_empty);
    assert_string_equal(k.tenant, "TENANT");
    assert_string_equal(k.patient_name, "王*");
    assert_string_equal(k.date_from, "20260101");
    assert_null(k.date_to);
    assert_string_equal(k.modality, "CT\\MR");
    assert_int_equal(k.studies_n, 2);
    assert_string_equal(k.studies[1], "1.2.4");
    assert_int_equal(k.limit, 11); /* one more tells whether there are more */
    assert_int_equal(k.offset, 20);
    qido_query_fini(&q);
}

static void
the_path_narrows_and_never_widens(void **state)
{
    const struct qido_parameter other = {"StudyInstanceUID", "1.2.9"};
    const struct qido_parameter among = {"StudyInstanceUID", "1.2.9,1.2.3"};
    struct qido_ask ask = {.study = "1.2.3"}, again = {.study = "1.2.3"};
    struct qido_query q;
    struct keep_query k;
    struct err err;
    bool is_empty;

    (void)state;
    assert_int_equal(qido_query_read(QIDO_SERIES, true, false, &other, 1, &q, &err), 0);
    assert_int_equal(qido_ask_catalog(&q, "T", &ask, &k, &is_empty, &err), 0);
    assert_true(is_empty);
    qido_query_fini(&q);
    assert_int_equal(qido_query_read(QIDO_SERIES, true, false, &among, 1, &q, &err), 0);
    assert_int_equal(qido_ask_catalog(&q, "T", &again, &k, &is_empty, &err), 0);
    assert_false(is_empty);
    assert_int_equal(k.studies_n, 1);
    assert_string_equal(k.studies[0], "1.2.3");
    qido_query_fini(&q);
}

static void
every_key_that_is_read_reaches_the_catalog(void **state)
{
    (void)state;
    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++) {
        static const char *const values[] = {NULL, "1.2.3",    "CT",   "x",
                                             "x",  "20260131", "1200", "3"};
        const struct qido_attribute *a = &qido_attributes[i];
        const struct qido_parameter p = {a->keyword, values[a->match]};
        struct qido_ask ask = {.study = NULL};
        struct keep_query k, none = {.tenant = NULL};
        struct qido_query q;
        struct err err;
        bool is_empty;

        if (a->match == QIDO_UNMATCHED)
            continue;
        assert_int_equal(qido_query_read(a->level, false, false, &p, 1, &q, &err), 0);
        assert_int_equal(q.n_filters, 1);
        if (qido_ask_catalog(&q, "T", &ask, &k, &is_empty, &err) < 0)
            fail_msg("%s: %s", a->keyword, err.text);
        none.tenant = k.tenant;
        none.level = k.level;
        none.limit = k.limit;
        if (memcmp(&k, &none, sizeof k) == 0)
            fail_msg("%s was dropped", a->keyword);
        qido_query_fini(&q);
    }
}

/* What docs/conformance.md promises of each attribute is what the table does. */
static void
the_document_has_every_attribute(void **state)
{
    static const char *const levels[] = {"study", "series", "instance"};
    uint8_t *text = NULL;
    struct err err;
    size_t n;

    (void)state;
    if (durable_get_file("docs/conformance.md", 1 << 20, &text, &n, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < QIDO_ATTRIBUTES; i++) {
        const struct qido_attribute *a = &qido_attributes[i];
        char row[64];
        bool is_found = false;

        snprintf(row, sizeof row, "\n| %s |", levels[a->level]);
        for (char *at = strstr((char *)text, row); at != NULL; at = strstr(at + 1, row)) {
            size_t length = 1 + strcspn(at + 1, "\n");
            const char *name = strstr(at, a->keyword);
            const char *last = at + length;

            /* A whole word, not the end of a longer one. */
            if (name == NULL || name > last || name[-1] != ' ')
                continue;
            is_found = memmem(at, length, a->is_returned ? "| always |" : "| when asked |",
                              a->is_returned ? 10 : 14) != NULL &&
                       (memmem(at, length, "| not |", 7) != NULL) == (a->match == QIDO_UNMATCHED);
        }
        if (!is_found)
            fail_msg("docs/conformance.md does not say this of %s %s", levels[a->level],
                     a->keyword);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_is_written_in_ascending_order),
        cmocka_unit_test(empty_modalities_are_left_out),
        cmocka_unit_test(an_instance_has_its_own_address_and_numbers),
        cmocka_unit_test(the_catalog_is_asked_what_the_client_asked),
        cmocka_unit_test(the_path_narrows_and_never_widens),
        cmocka_unit_test(the_document_has_every_attribute),
        cmocka_unit_test(every_key_that_is_read_reaches_the_catalog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
