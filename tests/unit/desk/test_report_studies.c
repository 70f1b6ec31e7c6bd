/* test_report_studies.c - which studies have a row at the desk, and what is known of those that
 * wait for long. */
#include "gateway/desk/report_studies.h"

#include "gateway/desk/book.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/report.h"
#include "gateway/desk/rights.h"
#include "proto/base/clock.h"
#include "proto/http/json.h"
#include "tests/support/desk_site.h"
#include "tests/support/spool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { STUDIES = 250, SHOWN = 200 };

static struct desk_site site;
static struct book *book;
static struct buf out;
static struct json_doc *doc;

/* 1.2.4.1 to 1.2.4.250 in their order: the first are not safe. */
static void
begin(unsigned waiting)
{
    struct spool_fixture f = {.options = {.segment_bytes = 0}};
    char dir[FOLDER_PATH_BYTES + 16], study[32];
    struct err err;

    desk_site_open(&site, "rows", NULL);
    f.sp = site.spool;
    for (unsigned i = 1; i <= STUDIES; i++) {
        snprintf(study, sizeof study, "1.2.4.%u", i);
        fixture_put_at_centre(&f, i, study, i > waiting);
    }
    desk_site_go_live(&site);
    snprintf(dir, sizeof dir, "%s/book", site.dir);
    assert_int_equal(book_open(dir, "", &book, &err), 0);
    buf_init(&out, 16 << 20);
}

static const struct json *
report(void)
{
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    const struct report_sources sources = {.options = &options, .book = book, .rights = DESK_WORK};
    struct err err;

    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_int_equal(json_parse(out.bytes, out.n, &doc, &err), 0);
    return json_root(doc);
}

static void
end(void)
{
    json_free(&doc);
    buf_fini(&out);
    book_close(&book);
    desk_site_close(&site);
}

static const char *
study_at(const struct json *root, size_t i)
{
    return json_as_text(json_find(json_at(json_find(root, "studies"), i), "study"));
}

/* They had none: nobody saw them, and the page was all green. */
static void
of_more_studies_than_are_listed_those_that_wait_longest_have_a_row(void **state)
{
    static const struct {
        unsigned waiting, longest;
    } rows[] = {{0, 0}, {10, 10}, {60, 50}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t longest = rows[i].longest;
        const struct json *root;
        char last[16];

        begin(rows[i].waiting);
        root = report();
        if (json_length(json_find(root, "studies")) != SHOWN ||
            json_as_int(json_find(root, "longest"), -1) != (int64_t)longest ||
            json_as_int(json_find(root, "older"), -1) != STUDIES - SHOWN)
            fail_msg("of %u: %zu rows, %lld longest, %lld older", rows[i].waiting,
                     json_length(json_find(root, "studies")),
                     (long long)json_as_int(json_find(root, "longest"), -1),
                     (long long)json_as_int(json_find(root, "older"), -1));
        assert_string_equal(study_at(root, 0), "1.2.4.250");
        snprintf(last, sizeof last, "1.2.4.%zu", STUDIES - SHOWN + longest + 1);
        assert_string_equal(study_at(root, SHOWN - longest - 1), last);
        if (longest > 0)
            assert_string_equal(study_at(root, SHOWN - longest), "1.2.4.1");
        end();
    }
}

/* It was as if it were nobody's, and its device had said no number. */
static void
of_what_has_waited_for_weeks_it_is_known_whose_it_is_and_how_many_were_announced(void **state)
{
    static const char instances[2][65] = {"1.2.4.1.98", "1.2.4.1.99"};
    const int64_t now_us = clock_wall_us();
    struct book_study came = {.study = "1.2.4.1", .name = "Wang^Fang", .arrived_at_us = now_us};
    const struct json *study;
    struct err err;

    (void)state;
    begin(1);
    assert_int_equal(book_study_put(book, &came, &err), 0);
    assert_int_equal(mpps_expect(book, "1.2.4.1", "1.2.8", instances, 2, &err), 0);
    clock_fake(now_us + INT64_C(20) * 86400 * 1000000, clock_mono_ms());

    study = json_at(json_find(report(), "studies"), 0); /* the others are safe, and not of today */

    clock_unfake();
    assert_string_equal(json_as_text(json_find(study, "study")), "1.2.4.1");
    assert_non_null(json_find(study, "patient"));
    assert_string_equal(json_as_text(json_find(json_find(study, "patient"), "name")), "Wang^Fang");
    assert_int_equal(json_as_int(json_find(study, "missing"), -1), 2);
    assert_int_equal(json_as_int(json_find(study, "expected"), -1), 2);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_more_studies_than_are_listed_those_that_wait_longest_have_a_row),
        cmocka_unit_test(
            of_what_has_waited_for_weeks_it_is_known_whose_it_is_and_how_many_were_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
