/* test_report_routes.c - what pages and their steps get over HTTP: words, counters, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/text.h"
#include "proto/base/zipfile.h"
#include "proto/http/client.h"
#include "tests/support/report_world.h"

static struct pg_cluster *cluster;
static struct report_world w;
static struct http_server *server;
static struct http_client *client;
static struct http_reply reply;
static int64_t read_id;

static void
check(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

/* The session's cookie is the login itself. */
static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct person person;
    int rc = -1;

    (void)user;
    if (pg_get(w.reads.pg, &conn, err) == 0 && people_find(conn, bearer, &person, err) == 0) {
        text_copy(caller->device, sizeof caller->device, person.login);
        text_copy(caller->tenant, sizeof caller->tenant, person.org);
        text_copy(caller->csrf, sizeof caller->csrf, "word");
        caller->rights = people_rights(person.roles);
        rc = 0;
    }
    pg_put(&conn);
    return rc;
}

static int
begin(void **state)
{
    struct http_options o = {.address = "127.0.0.1", .name = "test", .authorise = authorise};
    struct http_client_options c = {0};
    struct http_table table;
    struct err err;
    char url[64];

    (void)state;
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    report_world_open(&w, cluster, "routes");
    table = compose_table(w.compose);
    o.tables = &table;
    o.table_count = 1;
    check(http_server_start(&o, &server, &err), &err);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", http_server_port(server));
    c.base_url = url;
    check(http_client_new(&c, &client, &err), &err);
    read_id = report_world_study(&w, "T1", "1.2.840.99.1");
    return 0;
}

static int
end(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    http_reply_fini(&reply);
    http_client_free(&client);
    http_server_stop(&server);
    report_world_close(&w);
    pg_cluster_remove(&cluster);
    return 0;
}

/* The status; the answer is in reply until the next call. */
static int
ask(const char *login, const char *method, const char *step, const char *body)
{
    char path[128], cookie[96];
    const char *const headers[] = {cookie, "X-Radpost-CSRF: word", NULL};
    struct http_call call = {.method = method,
                             .path = path,
                             .headers = headers,
                             .body = body,
                             .body_n = body != NULL ? strlen(body) : 0,
                             .content_type = body != NULL ? "application/json" : NULL,
                             .answer_limit = (uint64_t)64 << 20};
    struct err err;

    snprintf(path, sizeof path, "/api/v1/reads/%lld/%s", (long long)read_id, step);
    snprintf(cookie, sizeof cookie, "Cookie: rp_session=%s", login);
    http_reply_fini(&reply);
    check(http_client_call(client, &call, &reply, &err), &err);
    return reply.status;
}

static bool
says(const char *words)
{
    return strstr(buf_text(&reply.body), words) != NULL;
}

static char *
based(const char *more)
{
    static char body[512];

    snprintf(body, sizeof body, "{\"base\":%lld%s}", (long long)report_base(&w, read_id), more);
    return body;
}

static void
a_report_goes_its_way(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(ask("doc1", "GET", "report", NULL), 200);
    assert_true(says("\"state\":\"none\"") && says("\"base\":0") && says("\"write\":false"));
    assert_int_equal(ask("doc1", "PUT", "draft", "{\"base\":0,\"findings\":\"x\"}"), 409);
    assert_true(says("\"code\":\"not_claimed\"") && says("请先领取"));
    assert_int_equal(report_claim(&w, "doc1", read_id), 0);
    assert_int_equal(ask("doc1", "PUT", "draft",
                         "{\"base\":0,\"exam\":\"CT\",\"findings\":\"所见\","
                         "\"impression\":\"意见\"}"),
                     200);
    assert_true(says("\"base\":1") && says("\"saved_at\":\"20"));
    assert_int_equal(ask("doc1", "PUT", "draft", "{\"base\":0,\"findings\":\"late\"}"), 409);
    assert_true(says("\"code\":\"stale\"") && says("\"current\":{\"base\":1") && says("所见"));
    assert_int_equal(ask("doc1", "PUT", "draft", "{\"base\":1,\"findings\":"), 400);
    assert_int_equal(ask("doc1", "POST", "shown", "{\"instances\":[\"1.2.840.99.1.1.100\"]}"), 204);
    assert_int_equal(ask("doc1", "POST", "shown", "{\"instances\":[\"no uid\"]}"), 400);
    assert_int_equal(ask("doc1", "POST", "write", based("")), 200);
    assert_true(says("\"state\":\"written\"") && says("\"review\":false"));
    assert_int_equal(ask("rev1", "POST", "shown", "{\"opened\":[\"1.2.840.99.1.1.101\"]}"), 204);
    assert_int_equal(ask("rev1", "POST", "review", based(",\"accept\":true")), 200);
    assert_true(says("\"state\":\"reviewed\"") && says("\"sign\":true"));
    assert_int_equal(ask("rev1", "POST", "sign", based("")), 409);
    assert_true(says("\"code\":\"not_shown\""));
    assert_int_equal(ask("rev1", "POST", "shown", "{\"instances\":[\"1.2.840.99.1.1.101\"]}"), 204);
    report_archive.announced = 5;
    assert_int_equal(ask("rev1", "POST", "sign", based("")), 409);
    assert_true(says("\"code\":\"lacks\"") && says("\"lacks\":3"));
    assert_int_equal(ask("rev1", "POST", "sign", based(",\"lacks\":-1")), 400);
    assert_int_equal(ask("rev1", "POST", "sign", based(",\"lacks\":3")), 200);
    report_archive.announced = 0;
    assert_true(says("\"state\":\"signed\"") && says("\"version\":1") &&
                says("\"verify_url\":\"https://report.example/v/"));
}

static void
files_are_for_who_may_see_the_read(void **state)
{
    struct buf one;
    struct err err;

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(ask("rev1", "GET", "report/1/pdf", NULL), 200);
    assert_string_equal(reply.type, "application/pdf");
    assert_memory_equal(reply.body.bytes, "%PDF-", 5);
    assert_int_equal(ask("tech1", "GET", "report/1/pdf", NULL), 200);
    assert_int_equal(ask("tech1", "GET", "report/1/evidence", NULL), 403);
    assert_int_equal(ask("tech2", "GET", "report/1/pdf", NULL), 404);
    assert_int_equal(ask("doc9", "GET", "report/1/pdf", NULL), 404);
    assert_int_equal(ask("rev1", "GET", "report/2/pdf", NULL), 404);
    assert_int_equal(ask("rev1", "GET", "report/0/pdf", NULL), 404);
    assert_int_equal(ask("super", "GET", "report/1/evidence", NULL), 200);
    buf_init(&one, 65536);
    check(zipfile_get(reply.body.bytes, reply.body.n, "signature.p7s", &one, &err), &err);
    buf_fini(&one);
    /* the patient may ask who looked: once for five minutes of looking */
    assert_int_equal(
        read_world_count(
            &w.reads,
            "SELECT count(*) FROM looks JOIN accounts ON account_id = id WHERE login = 'tech1' "
            "AND what = 'pdf'"),
        1);
    assert_int_equal(
        read_world_count(
            &w.reads, "SELECT count(*) FROM looks JOIN accounts ON account_id = id WHERE login IN "
                      "('tech2', 'doc9')"),
        0);
}

/* What is not signed yet is for those who write and review. */
static void
drafts_are_not_for_everybody(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(ask("doc1", "POST", "amend", "{\"reason\":\"左右写反\"}"), 409);
    assert_true(says("\"code\":\"stale\""));
    assert_int_equal(ask("doc1", "POST", "amend", based(",\"reason\":\"左右写反\"")), 200);
    assert_true(says("\"state\":\"draft\"") && says("\"amend_reason\":\"左右写反\""));
    assert_int_equal(ask("doc1", "PUT", "draft", based(",\"findings\":\"草稿\"")), 200);
    assert_int_equal(ask("tech1", "GET", "report", NULL), 200);
    assert_false(says("草稿"));
    assert_true(says("所见")); /* version 1, signed */
    assert_int_equal(ask("rev1", "GET", "report", NULL), 200);
    assert_true(says("草稿"));
    /* nor by way of a counter that is not the right one */
    read_world_count(&w.reads, "UPDATE doctors SET valid_until_us = 1 WHERE login = 'rev1'");
    assert_int_equal(ask("rev1", "POST", "sign", "{\"base\":0}"), 403);
    assert_true(says("\"code\":\"licence\""));
    assert_false(says("草稿") || says("\"current\""));
    read_world_count(&w.reads, "UPDATE doctors SET valid_until_us = 9e15 WHERE login = 'rev1'");
    assert_int_equal(ask("rev1", "POST", "withdraw", "{\"reason\":\"x\"}"), 409);
    assert_int_equal(ask("rev1", "POST", "withdraw", based("")), 400);
    assert_true(says("\"code\":\"reason\""));
}

static void
strangers_learn_nothing(void **state)
{
    static const struct {
        const char *method, *step;
    } rows[] = {{"GET", "report"},      {"PUT", "draft"},  {"POST", "write"},
                {"POST", "review"},     {"POST", "sign"},  {"POST", "preliminary"},
                {"POST", "amend"},      {"POST", "shown"}, {"POST", "withdraw"},
                {"GET", "report/1/pdf"}};

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status = ask("doc9", rows[i].method, rows[i].step,
                         strcmp(rows[i].method, "GET") == 0 ? NULL : based(",\"reason\":\"x\""));

        /* not theirs, or the role may not at all: never that it exists */
        if (status != 404 && status != 403)
            fail_msg("%s %s: %d", rows[i].method, rows[i].step, status);
        assert_false(says("所见"));
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_goes_its_way),
        cmocka_unit_test(files_are_for_who_may_see_the_read),
        cmocka_unit_test(drafts_are_not_for_everybody),
        cmocka_unit_test(strangers_learn_nothing),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, begin, end);
}
