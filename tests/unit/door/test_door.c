/* test_door.c - signing in over HTTP, pages, and images through the reader: a real storage behind
 * mutual TLS, a read of the study, a doctor who may see it and one who may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/log.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "reader/door/door.h"
#include "tests/support/archive_world.h"
#include "tests/support/http_world.h"
#include "tests/support/read_world.h"
#include "tests/support/reader_db.h"

#define STUDY "1.2.3"
#define OBJECT "/dicomweb/studies/1.2.3/series/1.2.3.9/instances/1.2.3.9.1"
#define BIG "/dicomweb/studies/1.2.3/series/1.2.3.9/instances/1.2.3.9.2"
#define FRAMES "Accept: multipart/related; type=\"application/octet-stream\"; transfer-syntax=*"
#define PASSWORD READER_DB_PASSWORD

enum { BIG_ROWS = 1800 }; /* 6.5 MB: many times the pipe */

static struct pg_cluster *cluster;
static struct archive_world storage;
static struct archive *archive;
static struct read_world w;
static struct people *people;
static struct door *door;
static struct audit *audit;
static struct http_server *server;
static char url[64], dir[FOLDER_PATH_BYTES];

static const uint8_t page[] = "<!doctype html>staff", script[] = "export {}", small[] = "\x1f\x8b";
static const struct embedded pages[] = {
    {"reader/web/dist/staff.html", page, page + sizeof page - 1},
    {"reader/web/dist/patient.html", page, page + sizeof page - 1},
    {"reader/web/dist/assets/staff-1a2b.js", script, script + sizeof script - 1},
    {"reader/web/dist/assets/staff-1a2b.js.gz", small, small + sizeof small - 1},
    {NULL, NULL, NULL},
};

static const struct slice slices[] = {
    {.study = STUDY, .series = "1.2.3.9", .instance = "1.2.3.9.1", .number = 1, .noise = 1},
    {.study = STUDY,
     .series = "1.2.3.9",
     .instance = "1.2.3.9.2",
     .number = 2,
     .noise = 2,
     .rows = BIG_ROWS},
};

static const char land[] =
    "{\"organisations\":[{\"code\":\"clinic-a\",\"name\":\"甲镇卫生院\",\"kind\":\"township\","
    "\"parent\":\"H\"}],\"doctors\":[{\"login\":\"demo.doc\",\"licence\":\"L7\","
    "\"valid_from\":\"2020-01-01\",\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\"],"
    "\"organisations\":[\"H\"],\"is_on_duty\":true}],\"agreements\":[{\"code\":\"AGA\",\"version\":"
    "1,"
    "\"inviting\":\"clinic-a\",\"invited\":\"H\",\"modalities\":[\"CT\"],"
    "\"valid_from\":\"2020-01-01\",\"valid_until\":\"2099-12-31\",\"turnaround_minutes\":{"
    "\"routine\":120,\"emergency\":30},\"may_read_alone\":false}],\"accounts\":["
    "{\"login\":\"demo.doc\",\"name\":\"示范\",\"organisation\":\"H\",\"roles\":[\"doctor\"],"
    "\"password\":\"" PASSWORD "\"}]}";

static void
need(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static void
fill_storage(void)
{
    static const struct keep_sender gate = {"clinic-a", "gate-a", "test"};
    struct err err = {0};
    int sealed;

    for (size_t i = 0; i < ARRAY_LEN(slices); i++)
        vault_put(&storage.vault, &gate, &slices[i]);
    vault_manifest(&storage.vault, &gate, 1, slices, ARRAY_LEN(slices));
    need(keep_work(storage.vault.keep, &sealed, &err), &err);
}

static void
serve(void)
{
    struct http_table tables[] = {door_staff_table(door), door_assets_table(door)};
    struct http_options o = {.address = "127.0.0.1",
                             .tables = tables,
                             .table_count = ARRAY_LEN(tables),
                             .authorise = people_authorise,
                             .authorise_user = people,
                             .name = "test"};
    struct err err = {0};

    need(http_server_start(&o, &server, &err), &err);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    world_server = server;
}

static int
start(void **state)
{
    struct people_options po = {
        .is_demo = true, .session_idle_ms = 3600 * 1000, .session_end_ms = 3600 * 1000};
    struct door_options dopt = {.pages = pages};
    struct err err = {0};

    (void)state;
    log_set_level(LOG_ERROR);
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    archive_world_open(&storage, cluster, "storage", NULL);
    fill_storage();
    need(archive_open(storage.identity, NULL, &archive, &err), &err);
    read_world_open(&w, cluster, "reader");
    read_world_load(&w, land);
    read_world_closes(&w, "clinic-a", STUDY, 1, 2);
    read_world_settle(&w);
    folder_make("door", dir);
    need(audit_open(dir, "reader", &audit, &err), &err);
    po.pg = dopt.pg = w.pg;
    po.audit = dopt.audit = audit;
    dopt.archive = archive;
    dopt.people = people = people_new(&po);
    door = door_new(&dopt);
    serve();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    archive_abort(archive);
    http_server_stop(&server);
    door_free(&door); /* returns only when no stream is left */
    people_free(&people);
    audit_close(&audit);
    read_world_close(&w);
    archive_close(&archive);
    archive_world_close(&storage);
    pg_cluster_remove(&cluster);
    folder_remove(dir);
    return 0;
}

/* ---- asking ---- */

static int
ask(const char *method, const char *path, const char *body, const char *const *headers,
    struct http_reply *out)
{
    struct http_client_options o = {.base_url = url};
    struct http_call call = {.method = method,
                             .path = path,
                             .headers = headers,
                             .accept = "",
                             .body = body,
                             .body_n = body != NULL ? strlen(body) : 0,
                             .content_type = body != NULL ? "application/json" : NULL,
                             .answer_limit = 64 << 20};
    struct http_client *client;
    struct err err = {0};

    need(http_client_new(&o, &client, &err), &err);
    need(http_client_call(client, &call, out, &err), &err);
    http_client_free(&client);
    return out->status;
}

static int
status_of(const char *method, const char *path, const char *body, const char *const *headers)
{
    struct http_reply reply;
    int status = ask(method, path, body, headers, &reply);

    http_reply_fini(&reply);
    return status;
}

/* Sign in over HTTP; "Cookie: rp_session=..." and "X-Radpost-CSRF: ...". */
static void
sign_in(const char *user, char out_cookie[200], char out_word[128])
{
    struct json_doc *doc;
    struct http_reply reply;
    struct err err = {0};
    const char *csrf;
    char body[200], cookie[200];

    snprintf(body, sizeof body, "{\"user\":\"%s\",\"password\":\"" PASSWORD "\"}", user);
    if (ask("POST", "/api/v1/login", body, NULL, &reply) != 200)
        fail_msg("sign in: %s", buf_text(&reply.body));
    assert_true(http_reply_find(&reply, "Set-Cookie", cookie, sizeof cookie));
    cookie[strcspn(cookie, ";")] = '\0';
    snprintf(out_cookie, 200, "Cookie: %s", cookie);
    need(json_parse(reply.body.bytes, reply.body.n, &doc, &err), &err);
    need(json_text(json_root(doc), "csrf", 64, &csrf, &err), &err);
    snprintf(out_word, 128, "X-Radpost-CSRF: %s", csrf);
    json_free(&doc);
    http_reply_fini(&reply);
}

/* Accounts of read_world have no password: a demo account's session stands for them. */
static void
sign_in_as(const char *login, char out_cookie[200])
{
    char sql[300], word[128];

    sign_in("demo.doc", out_cookie, word);
    snprintf(sql, sizeof sql,
             "UPDATE sessions SET account_id = (SELECT id FROM accounts WHERE login = '%s')"
             " WHERE account_id = (SELECT id FROM accounts WHERE login = 'demo.doc')",
             login);
    read_world_count(&w, sql);
}

/* ---- signing in ---- */

static void
a_cookie_behind_a_proxy_is_for_tls_only(void **state)
{
    static const char body[] = "{\"user\":\"demo.doc\",\"password\":\"" PASSWORD "\"}";
    static const struct {
        const char *headers[3];
        bool is_secure;
    } rows[] = {
        {{"X-Forwarded-For: 10.1.2.3"}, true},
        {{"X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: https"}, true},
        {{"X-Forwarded-For: 10.1.2.3", "X-Forwarded-Proto: http"}, false},
    };

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply;
        char cookie[300];

        assert_int_equal(ask("POST", "/api/v1/login", body, rows[i].headers, &reply), 200);
        assert_true(http_reply_find(&reply, "Set-Cookie", cookie, sizeof cookie));
        if ((strstr(cookie, "; Secure") != NULL) != rows[i].is_secure)
            fail_msg("row %zu: %s", i, cookie);
        http_reply_fini(&reply);
    }
}

static void
a_cookie_is_for_this_site_only_and_not_for_scripts(void **state)
{
    static const char body[] = "{\"user\":\"demo.doc\",\"password\":\"" PASSWORD "\"}";
    struct http_reply reply;
    char cookie[300];

    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(ask("POST", "/api/v1/login", body, NULL, &reply), 200);
    assert_true(http_reply_find(&reply, "Set-Cookie", cookie, sizeof cookie));

    assert_int_equal(strncmp(cookie, "rp_session=rp_", 14), 0);
    assert_non_null(strstr(cookie, "; Path=/"));
    assert_non_null(strstr(cookie, "; HttpOnly"));
    assert_non_null(strstr(cookie, "; SameSite=Strict"));
    assert_null(strstr(cookie, "Secure")); /* plain HTTP on loopback */
    assert_non_null(strstr(buf_text(&reply.body), "\"organisation_name\":\"县人民医院\""));
    assert_non_null(strstr(buf_text(&reply.body), "\"roles\":[\"doctor\"]"));
    http_reply_fini(&reply);
}

static void
what_is_no_sign_in_is_refused_as_it_should_be(void **state)
{
    static const struct {
        const char *name, *body;
        int status;
        const char *words;
    } rows[] = {
        {"wrong", "{\"user\":\"demo.doc\",\"password\":\"not it at all\"}", 401,
         "\"needs_totp\":false"},
        {"nobody", "{\"user\":\"nobody\",\"password\":\"not it at all\"}", 401,
         "\"needs_totp\":false"},
        {"no user", "{\"password\":\"not it at all\"}", 401, "\"needs_totp\":false"},
        {"no password", "{\"user\":\"demo.doc\"}", 400, "\"error\""},
        {"a number", "{\"user\":1,\"password\":\"x\"}", 400, "\"error\""},
        {"no object", "[]", 400, "\"error\""},
        {"no JSON", "user=demo.doc", 400, "\"error\""},
    };
    static const char *const form[] = {"Content-Type: text/plain", NULL};

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_reply reply;
        int status = ask("POST", "/api/v1/login", rows[i].body, NULL, &reply);

        if (status != rows[i].status || strstr(buf_text(&reply.body), rows[i].words) == NULL)
            fail_msg("%s: got %d %s", rows[i].name, status, buf_text(&reply.body));
        http_reply_fini(&reply);
    }
    /* what a page of another site can send without asking */
    assert_int_equal(status_of("POST", "/api/v1/login", NULL, form), 400);
}

static void
a_session_lasts_until_it_is_left(void **state)
{
    char cookie[200], word[128];
    const char *const headers[] = {cookie, word, NULL};
    const char *const wordless[] = {cookie, NULL};

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    assert_int_equal(status_of("GET", "/api/v1/me", NULL, headers), 200);
    assert_int_equal(status_of("POST", "/api/v1/logout", "{}", wordless), 403);
    assert_int_equal(status_of("GET", "/api/v1/me", NULL, headers), 200);
    assert_int_equal(status_of("POST", "/api/v1/logout", "{}", headers), 204);
    assert_int_equal(status_of("GET", "/api/v1/me", NULL, headers), 401);
}

static void
the_first_administrator_invites_and_whoever_has_the_code_sets_a_password(void **state)
{
    struct err err = {0};
    struct http_reply reply;
    char code[PEOPLE_CODE_TEXT], body[400];

    (void)state;
    if (cluster == NULL)
        skip();
    need(people_first_code(people, "H", code, &err), &err);
    assert_int_equal(status_of("POST", "/api/v1/first-admin",
                               "{\"code\":\"0000-0000-0000-0000-0000\",\"login\":\"boss\","
                               "\"name\":\"王\",\"password\":\"a good password\"}",
                               NULL),
                     403);
    snprintf(body, sizeof body,
             "{\"code\":\"%s\",\"login\":\"boss\",\"name\":\"王\",\"password\":\"a good "
             "password\"}",
             code);
    assert_int_equal(ask("POST", "/api/v1/first-admin", body, NULL, &reply), 201);
    assert_non_null(strstr(buf_text(&reply.body), "\"otpauth\":\"otpauth://totp/Radpost:boss?"));
    http_reply_fini(&reply);
    assert_int_equal(status_of("POST", "/api/v1/first-admin", body, NULL), 403);
    /* an invitation's code is not a first administrator's, nor the other way round */
    snprintf(body, sizeof body, "{\"code\":\"%s\",\"password\":\"a good password\"}", code);
    assert_int_equal(status_of("POST", "/api/v1/invitation", body, NULL), 403);
}

static void
pages_carry_their_policy_and_built_files_stay_in_the_cache(void **state)
{
    static const char *const places[] = {"/", "/worklist", "/reads/7"};
    static const char *const gzip[] = {"Accept-Encoding: gzip, deflate", NULL};
    struct http_reply reply;
    char value[400];

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_int_equal(ask("GET", places[i], NULL, NULL, &reply), 200);
        assert_string_equal(buf_text(&reply.body), "<!doctype html>staff");
        assert_true(http_reply_find(&reply, "Content-Security-Policy", value, sizeof value));
        assert_non_null(strstr(value, "script-src 'self' 'wasm-unsafe-eval'"));
        assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
        assert_string_equal(value, "no-store");
        http_reply_fini(&reply);
    }
    assert_int_equal(ask("GET", "/assets/staff-1a2b.js", NULL, NULL, &reply), 200);
    assert_int_equal(strncmp(reply.type, "text/javascript", 15), 0);
    assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
    assert_non_null(strstr(value, "immutable"));
    assert_false(http_reply_find(&reply, "Content-Encoding", value, sizeof value));
    assert_string_equal(buf_text(&reply.body), "export {}");
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", "/assets/staff-1a2b.js", NULL, gzip, &reply), 200);
    assert_int_equal(strncmp(reply.type, "text/javascript", 15), 0);
    assert_true(http_reply_find(&reply, "Content-Encoding", value, sizeof value));
    assert_string_equal(value, "gzip");
    assert_memory_equal(reply.body.bytes, small, sizeof small - 1);
    http_reply_fini(&reply);
    assert_int_equal(status_of("GET", "/assets/none.js", NULL, NULL), 404);
}

/* ---- images ---- */

static void
images_come_as_the_archive_has_them(void **state)
{
    char cookie[200], word[128], tag[200];
    const char *const headers[] = {cookie, "Accept: application/dicom", NULL};
    const char *const frames[] = {cookie, FRAMES, NULL};
    const char *const again[] = {cookie, FRAMES, tag, NULL};
    struct http_reply reply;
    struct buf file;
    char value[200];

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    slice_make(&slices[0], &file);
    assert_int_equal(ask("GET", OBJECT, NULL, headers, &reply), 200);
    assert_int_equal(strncmp(reply.type, "application/dicom", 17), 0);
    assert_int_equal(reply.body.n, file.n);
    assert_memory_equal(reply.body.bytes, file.bytes, file.n);
    http_reply_fini(&reply);
    buf_fini(&file);

    assert_int_equal(ask("GET", OBJECT "/frames/1", NULL, frames, &reply), 200);
    assert_true(http_reply_find(&reply, "ETag", value, sizeof value));
    snprintf(tag, sizeof tag, "If-None-Match: %s", value);
    assert_true(http_reply_find(&reply, "Cache-Control", value, sizeof value));
    assert_string_equal(value, "private, no-cache"); /* each look asks whether one may */
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", OBJECT "/frames/1", NULL, again, &reply), 304);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    assert_int_equal(status_of("GET", OBJECT "/frames/2", NULL, frames), 404);
}

static void
a_large_object_comes_whole_through_the_pipe(void **state)
{
    char cookie[200], word[128];
    const char *const headers[] = {cookie, "Accept: application/dicom", NULL};
    struct http_reply reply;
    struct buf file;

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    slice_make(&slices[1], &file);
    assert_true(file.n > 6000000);
    assert_int_equal(ask("GET", BIG, NULL, headers, &reply), 200);
    assert_int_equal(reply.body.n, file.n);
    assert_memory_equal(reply.body.bytes, file.bytes, file.n);
    http_reply_fini(&reply);
    assert_int_equal(ask("HEAD", BIG, NULL, headers, &reply), 200);
    assert_int_equal(reply.body.n, 0);
    http_reply_fini(&reply);
    buf_fini(&file);
}

static void
links_in_what_the_archive_answers_lead_to_the_reader(void **state)
{
    char cookie[200], word[128], base[100];
    const char *const headers[] = {cookie, NULL};
    struct http_reply reply;

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    assert_int_equal(ask("GET", "/dicomweb/studies/" STUDY "/series", NULL, headers, &reply), 200);
    snprintf(base, sizeof base, "%s/dicomweb/studies/" STUDY "/series/1.2.3.9", url);
    if (strstr(buf_text(&reply.body), base) == NULL)
        fail_msg("no %s in %s", base, buf_text(&reply.body));
    http_reply_fini(&reply);
    assert_int_equal(ask("GET", OBJECT "/metadata", NULL, headers, &reply), 200);
    assert_int_equal(strncmp(reply.type, "application/dicom+json", 22), 0);
    http_reply_fini(&reply);
}

static void
whoever_may_not_see_the_study_finds_nothing(void **state)
{
    char cookie[200];
    const char *const headers[] = {cookie, NULL};

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in_as("doc9", cookie);
    assert_int_equal(status_of("GET", OBJECT, NULL, headers), 404);
    assert_int_equal(status_of("GET", "/api/v1/studies/" STUDY "/standing", NULL, headers), 404);
    sign_in_as("doc1", cookie);
    assert_int_equal(status_of("GET", "/api/v1/studies/" STUDY "/standing", NULL, headers), 200);
    assert_int_equal(status_of("GET", "/dicomweb/studies/9.9.9/metadata", NULL, headers), 404);
    assert_int_equal(status_of("GET", "/dicomweb/studies/x/metadata", NULL, headers), 404);
    sign_in_as("admin1", cookie);
    assert_int_equal(status_of("GET", OBJECT, NULL, headers), 403);
}

static void
who_looked_is_noted_once_and_told_to_those_who_oversee(void **state)
{
    char cookie[200];
    const char *const headers[] = {cookie, NULL};
    struct http_reply reply;
    struct err err = {0};
    const char *first;

    (void)state;
    if (cluster == NULL)
        skip();
    read_world_count(&w, "DELETE FROM looks");
    sign_in_as("doc2", cookie);
    for (int i = 0; i < 3; i++)
        assert_int_equal(status_of("GET", OBJECT "/metadata", NULL, headers), 200);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM looks"), 1);

    sign_in_as("super", cookie);
    assert_int_equal(ask("GET", "/api/v1/audit?study=" STUDY "&login=doc2", NULL, headers, &reply),
                     200);
    first = strstr(buf_text(&reply.body), "\"event\":\"AUDIT_RETRIEVED\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"event\":\"AUDIT_RETRIEVED\",\"sentence\""));
    http_reply_fini(&reply);
    /* a study's entry that does not say whose it is */
    need(audit_append(audit, &err, AUDIT_REPORT_SIGNED, A_UID("study", STUDY), A_NUMBER("read", 1),
                      A_WORD("by", "rev1")),
         &err);
    sign_in_as("super2", cookie);
    assert_int_equal(ask("GET", "/api/v1/audit?study=" STUDY, NULL, headers, &reply), 200);
    assert_string_equal(buf_text(&reply.body), "{\"entries\":[]}");
    http_reply_fini(&reply);
}

static void
a_client_that_leaves_frees_what_it_held(void **state)
{
    char cookie[200], word[128], head[500], got[2048];

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    for (int i = 0; i < 6; i++) {
        int fd = world_dial();

        snprintf(head, sizeof head,
                 "GET " BIG " HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nAccept: application/dicom\r\n"
                 "\r\n",
                 cookie);
        assert_int_equal(write(fd, head, strlen(head)), (ssize_t)strlen(head));
        if (i % 2 == 0) /* leave with the pipe full, or before the first byte */
            world_talk(fd, "", 0, got, sizeof got, 100);
        close(fd);
    }
    /* stop() proves it: door_free() waits for each */
}

static void
an_archive_that_is_away_is_try_again_not_sign_out(void **state)
{
    char cookie[200], word[128], wait[16];
    const char *const headers[] = {cookie, "Accept: application/dicom", NULL};
    struct http_reply reply;

    (void)state;
    if (cluster == NULL)
        skip();
    sign_in("demo.doc", cookie, word);
    archive_world_cut(&storage);
    assert_int_equal(ask("GET", OBJECT, NULL, headers, &reply), 503);
    assert_true(http_reply_find(&reply, "Retry-After", wait, sizeof wait));
    http_reply_fini(&reply);
    archive_world_heal(&storage);
    assert_int_equal(ask("GET", OBJECT, NULL, headers, &reply), 200);
    http_reply_fini(&reply);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_behind_a_proxy_is_for_tls_only),
        cmocka_unit_test(a_cookie_is_for_this_site_only_and_not_for_scripts),
        cmocka_unit_test(what_is_no_sign_in_is_refused_as_it_should_be),
        cmocka_unit_test(a_session_lasts_until_it_is_left),
        cmocka_unit_test(the_first_administrator_invites_and_whoever_has_the_code_sets_a_password),
        cmocka_unit_test(pages_carry_their_policy_and_built_files_stay_in_the_cache),
        cmocka_unit_test(images_come_as_the_archive_has_them),
        cmocka_unit_test(a_large_object_comes_whole_through_the_pipe),
        cmocka_unit_test(links_in_what_the_archive_answers_lead_to_the_reader),
        cmocka_unit_test(whoever_may_not_see_the_study_finds_nothing),
        cmocka_unit_test(who_looked_is_noted_once_and_told_to_those_who_oversee),
        cmocka_unit_test(a_client_that_leaves_frees_what_it_held),
        cmocka_unit_test(an_archive_that_is_away_is_try_again_not_sign_out),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
