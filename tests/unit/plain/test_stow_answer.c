/* test_stow_answer.c - claims of gateway/plain/stow_answer.h and stow_xml.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plain/stow_answer.h"
#include "gateway/plain/stow_xml.h"

static const char json[] =
    "{\"00081190\":{\"vr\":\"UR\",\"Value\":[\"http://h/studies/1\"]},"
    "\"00081198\":{\"vr\":\"SQ\",\"Value\":[{\"00081150\":{\"vr\":\"UI\",\"Value\":[\"1.2.840\"]},"
    "\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.2.3\"]},"
    "\"00081197\":{\"vr\":\"US\",\"Value\":[42752]}}]},"
    "\"00081199\":{\"vr\":\"SQ\",\"Value\":[{\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.2.4\"]}},"
    "{\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.2.5\"]},"
    "\"00081196\":{\"vr\":\"US\",\"Value\":[45056]}}]}}";

static const char xml[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- by nobody -->\n"
    "<NativeDicomModel xmlns='http://dicom.nema.org/PS3.19/models/NativeDICOM'>\n"
    " <DicomAttribute keyword=\"RetrieveURL\" tag=\"00081190\" vr=\"UR\"><Value number=\"1\">"
    "http://h/a&amp;b</Value></DicomAttribute>\n"
    " <DicomAttribute keyword=\"FailedSOPSequence\" tag=\"00081198\" vr=\"SQ\">\n"
    "  <Item number=\"1\">\n"
    "   <DicomAttribute tag=\"00081150\" vr=\"UI\"><Value number=\"1\">1.2.840</Value>"
    "</DicomAttribute>\n"
    "   <DicomAttribute tag=\"00081155\" vr=\"UI\"><Value number=\"1\"> 1.2.3 </Value>"
    "</DicomAttribute>\n"
    "   <DicomAttribute tag=\"00081197\" vr=\"US\"><Value number=\"1\">42752</Value>"
    "</DicomAttribute>\n"
    "  </Item>\n"
    " </DicomAttribute>\n"
    " <DicomAttribute tag=\"00081199\" vr=\"SQ\">\n"
    "  <Item number=\"1\"><DicomAttribute tag=\"00081155\" vr=\"UI\"><Value number=\"1\">1.2.4"
    "</Value></DicomAttribute><DicomAttribute tag=\"00081196\" vr=\"US\"/></Item>\n"
    "  <Item number=\"2\"><DicomAttribute tag=\"00081155\" vr=\"UI\"><Value number=\"1\">1.2.5"
    "</Value></DicomAttribute><DicomAttribute tag=\"00081196\" vr=\"US\"><Value number=\"1\">45056"
    "</Value></DicomAttribute></Item>\n"
    " </DicomAttribute>\n"
    "</NativeDicomModel>\n";

static void
both_spellings_say_the_same(void **state)
{
    static const struct {
        const char *type, *text;
    } rows[] = {{"application/dicom+json; charset=utf-8", json}, {"application/dicom+xml", xml}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stow_answer answer;
        const struct stow_row *row;
        struct err err = {0};

        if (stow_answer_read(rows[i].type, rows[i].text, strlen(rows[i].text), &answer, &err) < 0)
            fail_msg("%s: %s", rows[i].type, err.text);
        assert_int_equal(answer.n, 3);
        row = stow_answer_find(&answer, "1.2.3");
        assert_non_null(row);
        assert_false(row->is_taken);
        assert_int_equal(row->reason, 0xA700);
        row = stow_answer_find(&answer, "1.2.4");
        assert_true(row->is_taken);
        assert_int_equal(row->reason, 0);
        row = stow_answer_find(&answer, "1.2.5");
        assert_true(row->is_taken);
        assert_int_equal(row->reason, 0xB000);
        assert_null(stow_answer_find(&answer, "1.2"));
        stow_answer_fini(&answer);
    }
}

static void
a_failure_goes_before_a_success(void **state)
{
    static const char text[] =
        "[{\"00081199\":{\"vr\":\"SQ\",\"Value\":[{\"00081155\":{\"Value\":[\"1.2.3\"]}}]},"
        "\"00081198\":{\"vr\":\"SQ\",\"Value\":[{\"00081155\":{\"Value\":[\"1.2.3\"]}}]}}]";
    struct stow_answer answer;
    struct err err = {0};

    (void)state;
    assert_int_equal(stow_answer_read("application/dicom+json", text, strlen(text), &answer, &err),
                     0);

    assert_false(stow_answer_find(&answer, "1.2.3")->is_taken);
    stow_answer_fini(&answer);
}

static void
what_is_no_answer_is_refused(void **state)
{
    static const struct {
        const char *name, *type, *text;
    } rows[] = {
        {"type", "text/html", "<html/>"},
        {"empty JSON", "application/dicom+json", ""},
        {"JSON list of texts", "application/dicom+json", "[\"a\"]"},
        {"empty XML", "application/dicom+xml", ""},
        {"other root", "application/dicom+xml", "<html></html>"},
        {"unended", "application/dicom+xml", "<NativeDicomModel><a>"},
        {"crossed", "application/dicom+xml", "<NativeDicomModel><a></NativeDicomModel></a>"},
        {"end alone", "application/dicom+xml", "</NativeDicomModel>"},
        {"document type", "application/dicom+xml",
         "<!DOCTYPE x [<!ENTITY a \"b\">]><NativeDicomModel/>"},
        {"no quotes", "application/dicom+xml",
         "<NativeDicomModel><a tag=1></a></NativeDicomModel>"},
        {"comment", "application/dicom+xml", "<NativeDicomModel/><!-- "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stow_answer answer = {NULL, 0};
        struct err err = {0};

        if (stow_answer_read(rows[i].type, rows[i].text, strlen(rows[i].text), &answer, &err) == 0)
            fail_msg("%s: was read", rows[i].name);
        assert_int_equal(err.kind, ERR_REJECT);
    }
}

static void
sequences_in_other_places_do_not_count(void **state)
{
    static const char text[] =
        "<NativeDicomModel><DicomAttribute tag=\"00081115\" vr=\"SQ\"><Item number=\"1\">"
        "<DicomAttribute tag=\"00081199\" vr=\"SQ\"><Item number=\"1\"><DicomAttribute "
        "tag=\"00081155\" vr=\"UI\"><Value number=\"1\">1.2.3</Value></DicomAttribute></Item>"
        "</DicomAttribute></Item></DicomAttribute></NativeDicomModel>";
    struct stow_answer answer;
    struct err err = {0};

    (void)state;
    assert_int_equal(stow_answer_read("application/dicom+xml", text, strlen(text), &answer, &err),
                     0);

    assert_int_equal(answer.n, 0);
    stow_answer_fini(&answer);
}

static void
count_match(void *user, const char *uid)
{
    assert_string_equal(uid, "1.2.3");
    ++*(int *)user;
}

static void
matches_are_given_once_each(void **state)
{
    static const char text[] = "[{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"1.2.3\"]}},{}]";
    struct err err = {0};
    size_t n = 0;
    int given = 0;

    (void)state;
    assert_int_equal(stow_read_matches(text, strlen(text), count_match, &given, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(given, 1);
    assert_int_equal(stow_read_matches("{}", 2, count_match, &given, &n, &err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_say_the_same),
        cmocka_unit_test(a_failure_goes_before_a_success),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(sequences_in_other_places_do_not_count),
        cmocka_unit_test(matches_are_given_once_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
