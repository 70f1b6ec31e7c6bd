/* test_desk.c - the page and its state over a real spool, a real door and an uplink that is not
 * enrolled. */
#include "gateway/accept/accept.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/his_refused.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/orders_lamp.h"
#include "gateway/desk/orders_sources.h"
#include "gateway/desk/report.h"
#include "gateway/desk/rights.h"
#include "gateway/plain/plain.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/embed.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"
#include "tests/support/spool_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { STUDIES = 250 };

static struct desk_site site;
static struct desk_visitor visitor;
static bool is_full;

/* More studies than the page lists, each of one image and sealed at the centre. */
static void
fill(void)
{
    struct spool_fixture f = {.sp = site.spool};

    for (unsigned i = 1; i <= STUDIES; i++) {
        char study[32];

        snprintf(study, sizeof study, "1.2.4.%u", i);
        fixture_put_at_centre(&f, i, study, true);
    }
}

static int
start(void **state)
{
    struct err err;

    (void)state;
    desk_site_open(&site, "desk", NULL);
    if (is_full)
        fill(); /* before there is an uplink, that would look into them */
    assert_int_equal(accept_listen(site.door, &err), 0);
    desk_site_go_live(&site);
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &visitor);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    desk_site_close(&site);
    return 0;
}

static int
ask(const char *method, const char *path, struct http_reply *out)
{
    const char *const headers[] = {visitor.cookie, NULL};
    struct http_call call = {
        .method = method, .path = path, .body = "", .body_n = 0, .headers = headers};
    struct err err;

    assert_int_equal(http_client_call(site.client, &call, out, &err), 0);
    return out->status;
}

static void
a_new_gateway_says_it_is_not_enrolled(void **state)
{
    struct http_reply reply;
    struct json_doc *doc = NULL;
    const struct json *lamps;
    struct err err;

    (void)state;
    assert_int_equal(ask("GET", "/desk/v1/state", &reply), 200);
    assert_int_equal(json_parse(reply.body.bytes, reply.body.n, &doc, &err), 0);

    lamps = json_find(json_root(doc), "lamps");
    assert_string_equal(json_as_text(json_find(json_find(lamps, "line"), "word")),
                        "LINE_NOT_ENROLLED");
    assert_string_equal(json_as_text(json_find(json_find(lamps, "devices"), "word")),
                        "DEVICES_NONE");
    assert_int_equal(json_length(json_find(json_root(doc), "studies")), 0);
    json_free(&doc);
    http_reply_fini(&reply);
}

static void
the_page_is_served_with_a_policy_and_nothing_else(void **state)
{
    struct http_reply reply;
    char policy[512];

    (void)state;
    if (embed_find("gateway/desk/web/dist/index.html") != NULL) {
        assert_int_equal(ask("GET", "/", &reply), 200);
        assert_true(http_reply_find(&reply, "Content-Security-Policy", policy, sizeof policy));
        assert_null(strstr(policy, "unsafe-inline"));
        http_reply_fini(&reply);
    }
    assert_int_equal(ask("GET", "/assets/none.js", &reply), 404);
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", "/assets/..%2Findex.html", &reply), 400);
    http_reply_fini(&reply);
}

static void
a_study_is_closed_only_from_our_own_page(void **state)
{
    struct http_reply reply;

    (void)state;
    assert_int_equal(ask("POST", "/desk/v1/studies/1.2.3/close", &reply), 403);
    http_reply_fini(&reply);
}

/* Each of its threads looked once a second only whether it was to end, one after the other. The
 * quickest of a few, for a busy machine holds up any one. */
static void
a_desk_that_waits_for_news_stops_at_once(void **state)
{
    int64_t least_ms = INT64_MAX;

    (void)state;
    for (int i = 0; i < 5; i++) {
        int64_t from_ms = clock_mono_ms();

        desk_site_stop(&site);
        if (clock_mono_ms() - from_ms < least_ms)
            least_ms = clock_mono_ms() - from_ms;
        desk_site_start(&site);
    }
    assert_in_range(least_ms, 0, 700);
}

static void
the_report_fits_its_page_when_empty(void **state)
{
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    struct report_sources sources = {.options = &options};
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 65536);
    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_false(buf_is_over(&out));
    assert_memory_equal(out.bytes, "{\"change\":7,", 12);
    assert_null(strstr(buf_text(&out), "his_orders")); /* none are fetched */
    buf_fini(&out);
}

/* Only the log told it: at the desk every lamp was as before, and the patients were in no worklist.
 */
static void
orders_that_cannot_be_fetched_have_a_lamp(void **state)
{
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    const struct orders_sources_options fetch = {.command = "/bin/false", .every_ms = 3600000};
    struct report_sources sources = {.options = &options};
    struct orders_status status;
    struct buf out;
    struct err err;

    (void)state;
    orders_sources_start(&fetch, &sources.orders);
    do {
        (void)sched_yield();
        orders_sources_status(sources.orders, &status);
    } while (status.trouble == ORDERS_NO_TROUBLE);
    buf_init(&out, 65536);

    assert_int_equal(report_write(&sources, 7, &out, &err), 0);

    assert_non_null(
        strstr(buf_text(&out), "\"his_orders\":{\"word\":\"ORDERS_DOWN\",\"colour\":\"amber\""));
    assert_non_null(strstr(buf_text(&out), "\"trouble\":\"exit\""));
    buf_fini(&out);
    orders_sources_stop(&sources.orders);
}

/* A HIS that only calls by HL7: what it was refused lit no lamp. */
static void
messages_of_the_his_that_were_not_done_light_the_lamp_until_they_are_seen(void **state)
{
    static const struct {
        bool is_order;
        const char *lamp;
    } rows[] = {
        {false, "\"his_orders\":{\"word\":\"ORDERS_HL7_OTHER\",\"colour\":\"amber\""},
        {true, "\"his_orders\":{\"word\":\"ORDERS_HL7\",\"colour\":\"red\""},
    };
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    struct report_sources sources = {.options = &options, .rights = DESK_SEE};
    struct his_refused r = {.peer = "10.0.0.9", .error = "103", .placer = "N1"};
    char dir[FOLDER_PATH_BYTES];
    struct buf out;
    struct err err;

    (void)state;
    folder_make("hl7-lamp", dir);
    assert_int_equal(book_open(dir, "", &sources.book, &err), 0);
    buf_init(&out, 65536);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        r.is_order = rows[i].is_order;
        assert_int_equal(his_refused_put(sources.book, &r, &err), 0);
        r.placer[1]++;
        buf_clear(&out);
        assert_int_equal(report_write(&sources, 7, &out, &err), 0);
        assert_non_null(strstr(buf_text(&out), rows[i].lamp));
        assert_non_null(strstr(buf_text(&out), "\"error\":\"103\""));
        assert_null(strstr(buf_text(&out), "N1")); /* an engineer is told of no order */
    }
    assert_int_equal(his_refused_seen(sources.book, INT64_MAX, &err), 0);
    buf_clear(&out);
    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_null(strstr(buf_text(&out), "\"his_orders\""));
    buf_fini(&out);
    book_close(&sources.book);
    folder_remove(dir);
}

static void
count_listed(const char *path, size_t *out_listed, int64_t *out_older)
{
    struct json_doc *doc = NULL;
    struct http_reply reply;
    struct err err;

    assert_int_equal(ask("GET", path, &reply), 200);
    assert_int_equal(json_parse(reply.body.bytes, reply.body.n, &doc, &err), 0);
    *out_listed = json_length(json_find(json_root(doc), "studies"));
    *out_older = json_as_int(json_find(json_root(doc), "older"), -1);
    json_free(&doc);
    http_reply_fini(&reply);
}

static const struct json *
study_in(const struct json *root, const char *uid)
{
    const struct json *studies = json_find(root, "studies");

    for (size_t i = 0; i < json_length(studies); i++)
        if (strcmp(json_as_text(json_find(json_at(studies, i), "study")), uid) == 0)
            return json_at(studies, i);
    fail_msg("study %s is not listed", uid);
    return NULL;
}

/* The page went by the spool alone: green beside "the device says 1 more is to come". */
static void
what_a_device_announced_holds_its_study(void **state)
{
    static const char instances[1][65] = {"1.2.4.7.99"};
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    struct report_sources sources = {.options = &options, .is_everything = true};
    const struct json *study;
    struct json_doc *doc = NULL;
    char *book_dir = mem_printf("%s/announced", site.dir);
    struct buf out;
    struct err err;
    bool is_safe;

    (void)state;
    buf_init(&out, 16 << 20);
    assert_int_equal(book_open(book_dir, "", &sources.book, &err), 0);
    assert_int_equal(mpps_expect(sources.book, "1.2.4.7", "1.2.8", instances, 1, &err), 0);

    assert_int_equal(report_write(&sources, 7, &out, &err), 0);

    assert_int_equal(json_parse(out.bytes, out.n, &doc, &err), 0);
    study = study_in(json_root(doc), "1.2.4.7");
    assert_int_equal(json_as_int(json_find(study, "missing"), -1), 1);
    assert_string_equal(json_as_text(json_find(study, "word")), "held");
    assert_int_equal(json_truth(study, "is_safe_to_delete", &is_safe, &err), 0);
    assert_false(is_safe);
    study = study_in(json_root(doc), "1.2.4.8");
    assert_int_equal(json_truth(study, "is_safe_to_delete", &is_safe, &err), 0);
    assert_true(is_safe);
    json_free(&doc);
    buf_fini(&out);
    book_close(&sources.book);
    free(book_dir);
}

/* A clock that was five days ahead dated it in the spool. */
static void
a_study_came_when_the_book_says_that_follows_the_clock(void **state)
{
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    struct report_sources sources = {.options = &options, .rights = DESK_WORK};
    struct book_study came = {.study = "1.2.4.250",
                              .arrived_at_us = clock_wall_us() - INT64_C(5) * 86400 * 1000000};
    char *book_dir = mem_printf("%s/dated", site.dir);
    const struct json *study;
    struct json_doc *doc = NULL;
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, 16 << 20);
    assert_int_equal(book_open(book_dir, "", &sources.book, &err), 0);
    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_non_null(strstr(buf_text(&out), "\"1.2.4.250\"")); /* of today */
    assert_int_equal(book_study_put(sources.book, &came, &err), 0);

    buf_clear(&out);
    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_null(strstr(buf_text(&out), "\"1.2.4.250\""));

    buf_clear(&out);
    sources.is_everything = true;
    assert_int_equal(report_write(&sources, 7, &out, &err), 0);
    assert_int_equal(json_parse(out.bytes, out.n, &doc, &err), 0);
    study = study_in(json_root(doc), "1.2.4.250");
    assert_int_equal(json_as_int(json_find(study, "first_arrival_us"), 0), came.arrived_at_us);
    assert_int_equal(json_as_int(json_find(study, "last_arrival_us"), 0), came.arrived_at_us);
    json_free(&doc);
    buf_fini(&out);
    book_close(&sources.book);
    free(book_dir);
}

static void
a_program_that_asks_for_all_studies_gets_all(void **state)
{
    size_t listed;
    int64_t older;

    (void)state;
    count_listed("/desk/v1/state", &listed, &older);
    assert_int_equal(listed, 200);
    assert_int_equal(older, STUDIES - 200);
    count_listed("/desk/v1/state?studies=all", &listed, &older);
    assert_int_equal(listed, STUDIES);
    assert_int_equal(older, 0);
}

/* radpost watch, which waited for ever for those that were not listed. */
static void
a_watch_of_more_studies_than_the_page_lists_ends(void **state)
{
    char self[512] = "", program[544], token[96], names[STUDIES][16], said[1024];
    const char *all[] = {program, "watch",     "--desk", site.url, "--token-file",
                         token,   "--timeout", "60",     NULL};
    const char **named;

    (void)state;
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    *strrchr(self, '/') = '\0';
    snprintf(program, sizeof program, "%s/radpost", self);
    if (access(program, X_OK) < 0)
        skip();
    snprintf(token, sizeof token, "%s/desk/token", site.dir);
    named = mem_new((STUDIES + 9) * sizeof *named);
    memcpy(named, all, 8 * sizeof *named);
    for (unsigned i = 0; i < STUDIES; i++) {
        snprintf(names[i], sizeof names[i], "1.2.4.%u", i + 1);
        named[8 + i] = names[i];
    }

    assert_int_equal(program_run(named, NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "received 250 · coded"));
    assert_non_null(strstr(said, "sealed in two copies"));
    assert_int_equal(program_run(all, NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "received 250 · coded"));
    free(named);
}

/* In place of a file of somebody else's: the desk was green, and named a target that is none. */
static void
a_table_of_targets_that_cannot_be_read_is_red_and_named_as_no_archive(void **state)
{
    char dir[FOLDER_PATH_BYTES + 16];
    struct plain_options targets = {.file = site.dir, .dir = dir, .spool = site.spool};
    struct desk_options options = {.spool = site.spool, .accept = site.door, .uplink = site.uplink};
    struct report_sources sources = {.options = &options, .is_everything = true};
    struct buf out;
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/targets", site.dir);
    assert_int_equal(plain_start(&targets, &options.plain, &err), 0);
    buf_init(&out, 4 << 20);

    assert_int_equal(report_write(&sources, 7, &out, &err), 0);

    assert_non_null(strstr(buf_text(&out),
                           "\"targets\":{\"word\":\"TARGETS_TABLE\",\"colour\":\"red\",\"trouble\":"
                           "\"targets.conf cannot be read: it is no file, or too large\"}"));
    assert_null(strstr(buf_text(&out), "\"kept_at\""));
    assert_non_null(strstr(buf_text(&out), "\"is_target_wrong\":true"));
    assert_non_null(strstr(buf_text(&out), "\"is_safe_to_delete\":true")); /* since before */
    buf_fini(&out);
    plain_stop(&options.plain);
}

static int
start_full(void **state)
{
    is_full = true;
    return start(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_gateway_says_it_is_not_enrolled),
        cmocka_unit_test(the_page_is_served_with_a_policy_and_nothing_else),
        cmocka_unit_test(a_study_is_closed_only_from_our_own_page),
        cmocka_unit_test(a_desk_that_waits_for_news_stops_at_once),
        cmocka_unit_test(the_report_fits_its_page_when_empty),
        cmocka_unit_test(orders_that_cannot_be_fetched_have_a_lamp),
        cmocka_unit_test(messages_of_the_his_that_were_not_done_light_the_lamp_until_they_are_seen),
    };

    const struct CMUnitTest many[] = {
        cmocka_unit_test(what_a_device_announced_holds_its_study),
        cmocka_unit_test(a_study_came_when_the_book_says_that_follows_the_clock),
        cmocka_unit_test(a_program_that_asks_for_all_studies_gets_all),
        cmocka_unit_test(a_watch_of_more_studies_than_the_page_lists_ends),
        cmocka_unit_test(a_table_of_targets_that_cannot_be_read_is_red_and_named_as_no_archive),
    };
    int failed = cmocka_run_group_tests(tests, start, stop);

    return failed + cmocka_run_group_tests(many, start_full, stop);
}
