/* test_a_or_b.c - "A or B?" over a real desk, spool and uplink: the images come twice, in words
 * that differ; the page is told what differs, and a study that is nothing but a copy is nobody's.
 */
#include "gateway/desk/rights.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/http/json.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/vault.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TRUE_STUDY "1.2.3.71"
#define COPY_STUDY "1.2.3.72"
enum { WAIT_MS = 60000 };

static struct desk_site site;
static struct desk_visitor visitor;

static int
start(void **state)
{
    struct err err;

    (void)state;
    log_set_fd(-1);
    desk_site_open(&site, "a-or-b", NULL);
    assert_int_equal(codec_pool_new(1, &site.pool, &err), 0);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    desk_site_forget(&site);
    desk_site_close(&site);
    codec_pool_free(&site.pool);
    return 0;
}

/* The image 1.2.3.9 of P1, under this study and accession number (four signs). */
static void
arrives(const char *study, const char *accession)
{
    struct slice slice = {.study = study, .series = "1.2.3.8", .instance = "1.2.3.9"};
    struct spool_meta meta = {.sop_class = "1.2.840.10008.5.1.4.1.1.2",
                              .transfer_syntax = "1.2.840.10008.1.2.1",
                              .sop_instance = "1.2.3.9",
                              .calling_ae = "CT"};
    struct spool_draft *draft = NULL;
    struct buf file;
    struct err err;
    uint64_t id;

    slice_make(&slice, &file);
    for (size_t i = 0; i + 4 <= file.n; i++)
        if (memcmp(file.bytes + i, "ACC1", 4) == 0)
            memcpy(file.bytes + i, accession, 4);
    assert_int_equal(spool_draft_begin(site.spool, &meta, &draft, &err), 0);
    assert_int_equal(spool_draft_write(draft, file.bytes, file.n, &err), 0);
    assert_int_equal(spool_commit(site.spool, &draft, &id, &err), 0);
    buf_fini(&file);
}

static int
post(const char *path, const char *body)
{
    return desk_site_ask(&site, visitor.headers, "POST", path, body);
}

/* The row of the study in a list of the state that was asked for last; NULL: none. */
static const struct json *
row_of(const char *key, const char *study)
{
    const struct json *list = json_find(json_root(site.doc), key);

    for (size_t i = 0; i < json_length(list); i++)
        if (strcmp(json_as_text(json_find(json_at(list, i), "study")), study) == 0)
            return json_at(list, i);
    return NULL;
}

/* Until the list of the state has so many rows; it is asked for when the state changes. */
static const struct json *
wait_for(const char *key, size_t rows)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    int64_t change = 0;
    char path[96];

    for (;;) {
        snprintf(path, sizeof path, "/desk/v1/state?studies=all&since=%" PRId64 "&wait_s=2",
                 change);
        assert_int_equal(desk_site_ask(&site, visitor.headers, "GET", path, NULL), 200);
        if (json_length(json_find(json_root(site.doc), key)) == rows)
            return json_find(json_root(site.doc), key);
        assert_true(clock_mono_ms() < until_ms);
        change = json_as_int(json_find(json_root(site.doc), "change"), 0);
    }
}

static const char *
side(const struct json *question, const char *which, const char *key)
{
    const char *text = json_as_text(json_find(json_find(question, which), key));

    return text != NULL ? text : "";
}

/* The technician put the accession number right and sent again: both lines said the same. */
static void
of_one_person_the_page_is_told_in_what_the_two_differ(void **state)
{
    const struct json *question;

    (void)state;
    arrives(TRUE_STUDY, "ACC1");
    (void)wait_for("studies", 1);
    arrives(TRUE_STUDY, "ACC2");

    question = json_at(wait_for("corrections", 1), 0);

    assert_string_equal(side(question, "first", "patient_id"), "P1");
    assert_string_equal(side(question, "second", "patient_id"), "P1");
    assert_string_equal(side(question, "first", "accession"), "ACC1");
    assert_string_equal(side(question, "second", "accession"), "ACC2");
    assert_string_equal(side(question, "second", "study_date"), "20260131");
    assert_string_equal(side(question, "second", "study_time"), "101112");
    assert_string_equal(side(question, "second", "description"), "HEAD");
    assert_non_null(json_find(json_find(question, "second"), "study_number"));
}

/* It stood as "0/0, held" for ever, could be attached, and then its patient's real images found
 * nobody. */
static void
a_study_that_is_nothing_but_a_copy_is_nobodys_and_goes_with_the_answer(void **state)
{
    static const char body[] = "{\"study\":\"" COPY_STUDY "\"}";
    const struct json *question, *row;
    char attach[96], join[96], answer[64];
    bool may_attach = true;
    struct err err;

    (void)state;
    assert_int_equal(post("/desk/v1/registrations", "{\"name\":\"王小\",\"modality\":\"CT\"}"),
                     200);
    snprintf(attach, sizeof attach, "/desk/v1/registrations/%s/attach",
             json_as_text(json_find(json_root(site.doc), "registration")));
    snprintf(join, sizeof join, "/desk/v1/registrations/%s/join",
             json_as_text(json_find(json_root(site.doc), "registration")));
    arrives(TRUE_STUDY, "ACC1");
    (void)wait_for("studies", 1);
    arrives(COPY_STUDY, "ACC1");
    question = json_at(wait_for("corrections", 1), 0);
    assert_string_equal(side(question, "second", "study"), COPY_STUDY);
    snprintf(answer, sizeof answer, "/desk/v1/corrections/%" PRId64 "/answer",
             json_as_int(json_find(question, "n"), 0));
    /* anew: the studies of a state may be read just before the question that it lists was put */
    assert_int_equal(
        desk_site_ask(&site, visitor.headers, "GET", "/desk/v1/state?studies=all", NULL), 200);
    row = row_of("studies", COPY_STUDY);
    assert_non_null(row); /* while it is asked, it holds */
    assert_string_equal(json_as_text(json_find(row, "word")), "attention");
    assert_int_equal(json_truth(row, "may_attach", &may_attach, &err), 0);
    assert_false(may_attach);

    assert_int_equal(post(attach, body), 409);
    assert_int_equal(post(join, body), 409);
    assert_int_equal(post(answer, "{\"answer\":\"first\",\"registration\":\"\",\"seen\":\"\"}"),
                     204);

    (void)wait_for("studies", 1);
    assert_non_null(row_of("studies", TRUE_STUDY));
    assert_null(row_of("unmatched", COPY_STUDY));
    assert_null(row_of("doubts", COPY_STUDY));
    assert_null(row_of("doubts", TRUE_STUDY)); /* "several studies" was not said of it */
    assert_int_equal(post(attach, body), 409);
    assert_int_equal(post(attach, "{\"study\":\"" TRUE_STUDY "\"}"), 204);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_one_person_the_page_is_told_in_what_the_two_differ,
                                        start, stop),
        cmocka_unit_test_setup_teardown(
            a_study_that_is_nothing_but_a_copy_is_nobodys_and_goes_with_the_answer, start, stop),
    };
    int failed = 0;

    if (codec_worker_main_if_asked(argc, argv, &failed))
        return failed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
