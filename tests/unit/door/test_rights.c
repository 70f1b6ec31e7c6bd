/* test_rights.c - roles x routes x own and foreign organisation, each pair asked for.
 * The table below is written by hand: what the law of the house is, not what the code says. A staff
 * route that is not in it fails, and so does a row without a route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/trust/token.h"
#include "reader/compose/compose.h"
#include "reader/deliver/deliver.h"
#include "reader/door/door.h"
#include "tests/support/folder.h"
#include "tests/support/read_world.h"

/* Who has the role, at home and elsewhere. T1 sends to H by agreement; C is above both. */
static const struct {
    char letter;
    const char *own, *foreign;
} roles[] = {
    {'t', "tech1", "tech2"},   {'d', "doc1", "doc9"},    {'r', "rev1", "rev9"},
    {'a', "admin1", "admin9"}, {'s', "super", "super2"},
};

static const char more[] =
    "{\"organisations\":[],\"doctors\":[{\"login\":\"rev9\",\"licence\":\"L8\","
    "\"valid_from\":\"2020-01-01\",\"valid_until\":\"2099-12-31\",\"modalities\":[\"CT\"],"
    "\"organisations\":[\"H2\"],\"is_on_duty\":true}],\"agreements\":[],\"accounts\":["
    "{\"login\":\"rev9\",\"name\":\"外审\",\"organisation\":\"H2\",\"roles\":[\"reviewer\"]},"
    "{\"login\":\"admin9\",\"name\":\"外管\",\"organisation\":\"T9\",\"roles\":["
    "\"administrator\"]},"
    "{\"login\":\"zhang.san\",\"name\":\"被管\",\"organisation\":\"T1\",\"roles\":["
    "\"technician\"]}]}";

/* What the foreign half of an allowed role gets. */
enum foreign {
    NOT_FOUND, /* 404: never that it is there */
    NOTHING,   /* an answer without anything of T1's in it */
    SAME,      /* not about anybody's data */
};

#define ALL "tdras"
#define STUDY "1.2.3"
#define IMAGE(path)                                                                                \
    {                                                                                              \
        "GET", path, NULL, "tdrs", NOT_FOUND                                                       \
    }

/* method, pattern, body, letters of the roles that may, what foreign ones of them get */
static const struct law {
    const char *method, *pattern, *body, *who;
    enum foreign foreign;
} laws[] = {
    /* one's own account */
    {"POST", "/api/v1/logout", "{}", ALL, SAME},
    {"GET", "/api/v1/me", NULL, ALL, SAME},
    {"POST", "/api/v1/password", "{\"old\":\"x\",\"new\":\"short\"}", ALL, SAME},
    /* accounts */
    {"GET", "/api/v1/users", NULL, "a", NOTHING},
    {"POST", "/api/v1/users",
     "{\"login\":\"Bad\",\"name\":\"n\",\"organisation\":\"T1\",\"roles\":[\"doctor\"]}", "a",
     NOT_FOUND},
    {"POST", "/api/v1/users/{login}/disable", "{}", "a", NOT_FOUND},
    {"POST", "/api/v1/users/{login}/enable", "{}", "a", NOT_FOUND},
    {"POST", "/api/v1/users/{login}/roles", "{\"roles\":[\"technician\"]}", "a", NOT_FOUND},
    {"POST", "/api/v1/users/{login}/reset", "{}", "a", NOT_FOUND},
    {"GET", "/api/v1/audit", NULL, "as", NOTHING},
    /* the centre */
    {"GET", "/api/v1/organisations", NULL, ALL, SAME},
    {"GET", "/api/v1/doctors", NULL, ALL, SAME},
    {"GET", "/api/v1/agreements", NULL, ALL, SAME},
    {"GET", "/api/v1/gateways", NULL, "as", NOTHING},
    {"POST", "/api/v1/duty", "{\"is_on_duty\":true}", "dr", SAME},
    /* reads */
    {"GET", "/api/v1/worklist", NULL, ALL, NOTHING},
    {"GET", "/api/v1/worklist/stream", NULL, ALL, SAME},
    {"GET", "/api/v1/reads/{read}", NULL, ALL, NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/claim", "{}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/renew", "{}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/release", "{}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/urgency", "{\"urgency\":\"emergency\",\"reason\":\"r\"}", "tdr",
     NOT_FOUND},
    {"GET", "/api/v1/reads/{read}/calls", NULL, "tdrs", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/calls", "{\"kind\":\"repeat\",\"words\":\"w\"}", "dr",
     NOT_FOUND},
    {"GET", "/api/v1/orders", NULL, "dr", NOTHING},
    {"POST", "/api/v1/orders",
     "{\"clinic\":\"T1\",\"placer\":\"1\",\"patient\":\"n\",\"is_urgent\":false,"
     "\"is_cancelled\":false}",
     "dr", NOT_FOUND},
    /* reports */
    {"GET", "/api/v1/reads/{read}/report", NULL, "tdrs", NOT_FOUND},
    {"PUT", "/api/v1/reads/{read}/draft",
     "{\"base\":0,\"exam\":\"e\",\"findings\":\"f\",\"impression\":\"i\"}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/write", "{\"base\":9}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/review", "{\"base\":9,\"accept\":true,\"reason\":\"\"}", "r",
     NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/sign", "{\"base\":9}", "r", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/preliminary", "{\"base\":9}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/amend", "{\"reason\":\"r\"}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/withdraw", "{\"reason\":\"r\"}", "r", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/doubts", "{\"reason\":\"r\",\"doubts\":\"x\",\"seen\":1}", "dr",
     NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/gone", "{\"images\":0,\"reason\":\"r\"}", "dr", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/stands", "{\"base\":9}", "r", NOT_FOUND},
    {"POST", "/api/v1/reads/{read}/shown", "{\"instances\":[]}", "tdrs", NOT_FOUND},
    {"GET", "/api/v1/reads/{read}/report/{version}/pdf", NULL, "tdrs", NOT_FOUND},
    {"GET", "/api/v1/reads/{read}/report/{version}/evidence", NULL, "drs", NOT_FOUND},
    /* images */
    {"GET", "/api/v1/studies/{study}/standing", NULL, ALL, NOT_FOUND},
    IMAGE("/dicomweb/studies/{study}"),
    IMAGE("/dicomweb/studies/{study}/series/{series}"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}"),
    IMAGE("/dicomweb/studies/{study}/series"),
    IMAGE("/dicomweb/studies/{study}/instances"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances"),
    IMAGE("/dicomweb/studies/{study}/metadata"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/metadata"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}/metadata"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}/bulkdata/{element}"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}/rendered"),
    IMAGE(
        "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/rendered"),
    IMAGE("/dicomweb/studies/{study}/thumbnail"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/thumbnail"),
    IMAGE("/dicomweb/studies/{study}/series/{series}/instances/{instance}/thumbnail"),
    IMAGE(
        "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}/thumbnail"),
    IMAGE("/preview/studies/{study}"),
    IMAGE("/preview/studies/{study}/instances/{instance}/frames/{frames}"),
};

/* Reached by anyone: pages, and what comes before signing in. */
static const struct {
    const char *method, *pattern;
} open_routes[] = {
    {"GET", "/"},
    {"GET", "/worklist"},
    {"GET", "/reads/{read}"},
    {"GET", "/assets/{name}"},
    {"POST", "/api/v1/login"},
    {"POST", "/api/v1/first-admin"},
    {"POST", "/api/v1/invitation"},
};

static struct pg_cluster *cluster;
static struct read_world w;
static struct people *people;
static struct compose *compose;
static struct door *door;
static struct audit *audit;
static struct http_table tables[5];
static struct deliver *deliver;
static struct http_server *server;
static struct read_row theirs;
static char url[64], dir[FOLDER_PATH_BYTES];

static const struct embedded no_pages[] = {{NULL, NULL, NULL}};

static void
need(int rc, const struct err *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static void
serve(void)
{
    struct http_options o = {.address = "127.0.0.1",
                             .tables = tables,
                             .table_count = ARRAY_LEN(tables),
                             .authorise = people_authorise,
                             .authorise_user = people,
                             .name = "test"};
    struct err err = {0};

    need(http_server_start(&o, &server, &err), &err);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
}

static int
start(void **state)
{
    struct people_options po = {
        .is_demo = true, .session_idle_ms = 3600 * 1000, .session_end_ms = 3600 * 1000};
    struct compose_options co = {.data_dir = dir, .patient_url = "http://127.0.0.1:1"};
    struct door_options dopt = {.pages = no_pages};
    struct deliver_options dvo = {.patient_url = "http://127.0.0.1:1"};
    struct err err = {0};
    char audit_dir[FOLDER_PATH_BYTES + 16];

    (void)state;
    log_set_level(LOG_ERROR);
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    read_world_open(&w, cluster, "rights");
    read_world_load(&w, more);
    read_world_closes(&w, "T1", STUDY, 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", STUDY, &theirs);
    folder_make("rights", dir);
    snprintf(audit_dir, sizeof audit_dir, "%s/audit", dir);
    need(audit_open(audit_dir, "reader", &audit, &err), &err);
    po.pg = co.pg = dopt.pg = dvo.pg = w.pg;
    po.audit = co.audit = dopt.audit = dvo.audit = audit;
    dopt.people = people = people_new(&po);
    need(compose_open(&co, &compose, &err), &err);
    door = door_new(&dopt);
    tables[0] = door_staff_table(door);
    tables[1] = assign_table(w.assign);
    tables[2] = compose_table(compose);
    dvo.compose = compose;
    need(deliver_start(&dvo, &deliver, &err), &err);
    tables[3] = door_assets_table(door);
    tables[4] = deliver_staff_table(deliver);
    serve();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    assign_stop(w.assign);
    deliver_stop(deliver);
    http_server_stop(&server);
    deliver_free(&deliver);
    door_free(&door);
    compose_close(&compose);
    people_free(&people);
    audit_close(&audit);
    read_world_close(&w);
    pg_cluster_remove(&cluster);
    folder_remove(dir);
    return 0;
}

/* ---- asking ---- */

static void
fill_path(const struct law *law, char out[512])
{
    const struct {
        const char *name, *value;
    } values[] = {{"{study}", STUDY}, {"{series}", STUDY ".1"},  {"{instance}", STUDY ".1.1"},
                  {"{frames}", "1"},  {"{element}", "00420011"}, {"{login}", "zhang.san"},
                  {"{version}", "1"}, {"{name}", "x"},           {"{read}", NULL}};
    const char *p = law->pattern;
    size_t n = 0;

    while (*p != '\0') {
        size_t i, k = 0;

        for (i = 0; i < ARRAY_LEN(values); i++)
            if (strncmp(p, values[i].name, strlen(values[i].name)) == 0)
                break;
        if (i == ARRAY_LEN(values)) {
            out[n++] = *p++;
            continue;
        }
        k = strlen(values[i].name);
        if (values[i].value != NULL)
            n += (size_t)snprintf(out + n, 512 - n, "%s", values[i].value);
        else
            n += (size_t)snprintf(out + n, 512 - n, "%lld", (long long)theirs.read_id);
        p += k;
    }
    out[n] = '\0';
}

/* A session of their own for each question: some of them end it. */
static void
sign_in(const char *login, char out_cookie[128])
{
    uint8_t sha256[DIGEST_BYTES];
    char token[TOKEN_TEXT_BYTES], hex[DIGEST_HEX_BYTES], sql[512];

    token_new(token, sha256);
    digest_text(sha256, hex);
    snprintf(sql, sizeof sql,
             "INSERT INTO sessions SELECT '\\x%s', id, 'word', 0, 9000000000000000,"
             " 9000000000000000 FROM accounts WHERE login = '%s'",
             hex, login);
    read_world_count(&w, sql);
    snprintf(out_cookie, 128, "Cookie: rp_session=%s", token);
}

static int
first_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    (void)user;
    (void)bytes;
    (void)n;
    return err_set(err, ERR_REJECT, "enough"); /* a stream does not end by itself */
}

/* The status; body of a collected answer in out_body (the caller's). login NULL: nobody. */
static int
ask(const struct law *law, const char *login, char **out_body)
{
    struct http_client_options o = {.base_url = url};
    char path[512], cookie[128] = "X-Nothing: 1";
    const char *const headers[] = {cookie, "X-Radpost-CSRF: word", NULL};
    struct http_call call = {.method = law->method, .path = path, .headers = headers};
    struct http_client *client;
    struct http_reply reply;
    struct err err = {0};
    int status;

    *out_body = NULL;
    fill_path(law, path);
    if (login != NULL)
        sign_in(login, cookie);
    if (law->body != NULL) {
        call.body = law->body;
        call.body_n = strlen(law->body);
        call.content_type = "application/json";
    }
    if (strstr(law->pattern, "/stream") != NULL)
        call.sink = first_bytes;
    need(http_client_new(&o, &client, &err), &err);
    if (http_client_call(client, &call, &reply, &err) < 0) {
        http_client_free(&client);
        if (call.sink != NULL && strstr(err.text, "enough") != NULL)
            return 200;
        fail_msg("%s %s: %s", law->method, path, err.text);
    }
    status = reply.status;
    *out_body = mem_text(buf_text(&reply.body));
    http_reply_fini(&reply);
    http_client_free(&client);
    return status;
}

/* ---- claims ---- */

static bool
has_law(const struct http_route *r)
{
    for (size_t i = 0; i < ARRAY_LEN(laws); i++)
        if (strcmp(laws[i].method, r->method) == 0 && strcmp(laws[i].pattern, r->pattern) == 0)
            return true;
    return false;
}

static bool
is_open(const struct http_route *r)
{
    for (size_t i = 0; i < ARRAY_LEN(open_routes); i++)
        if (strcmp(open_routes[i].method, r->method) == 0 &&
            strcmp(open_routes[i].pattern, r->pattern) == 0)
            return true;
    return false;
}

static void
every_staff_route_has_its_law_and_every_law_its_route(void **state)
{
    size_t routes = 0;

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            const struct http_route *r = &tables[t].routes[i];

            routes++;
            if (r->callers == HTTP_ANYONE ? !is_open(r) : !has_law(r))
                fail_msg("%s %s is in no table of this test", r->method, r->pattern);
            if (r->callers != HTTP_ANYONE && r->callers != HTTP_STAFF)
                fail_msg("%s %s is for others than staff", r->method, r->pattern);
            if (r->callers == HTTP_STAFF && r->rights == 0)
                fail_msg("%s %s names no right", r->method, r->pattern);
        }
    assert_int_equal(routes, ARRAY_LEN(laws) + ARRAY_LEN(open_routes));
}

static void
nobody_gets_nothing_but_what_is_open(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(laws); i++) {
        char *body;
        int status = ask(&laws[i], NULL, &body);

        if (status != 401)
            fail_msg("%s %s: nobody got %d", laws[i].method, laws[i].pattern, status);
        free(body);
    }
}

/* Let in: whatever the answer is, it is about the request and not about who asks. */
static bool
is_let_in(int status)
{
    return (status >= 200 && status < 300) || status == 400 || status == 409 || status == 503;
}

static void
check_own(const struct law *law, char letter, const char *login)
{
    bool may = strchr(law->who, letter) != NULL;
    char *body;
    int status = ask(law, login, &body);
    /* a signed version is not there yet: that is told to those who may see the read */
    bool is_absent = status == 404 && strstr(law->pattern, "{version}") != NULL;

    if (may ? !is_let_in(status) && !is_absent : status != 403)
        fail_msg("%s %s: %s (own) got %d: %s", law->method, law->pattern, login, status, body);
    free(body);
}

static void
check_foreign(const struct law *law, char letter, const char *login)
{
    bool may = strchr(law->who, letter) != NULL;
    char *body;
    int status = ask(law, login, &body);
    bool is_right = !may                        ? status == 403
                    : law->foreign == NOT_FOUND ? status == 404
                                                : is_let_in(status);

    if (!is_right)
        fail_msg("%s %s: %s (foreign) got %d: %s", law->method, law->pattern, login, status, body);
    if (may && law->foreign == NOTHING &&
        (strstr(body, STUDY) != NULL || strstr(body, "zhang.san") != NULL ||
         strstr(body, "\"T1\"") != NULL))
        fail_msg("%s %s: %s (foreign) saw %s", law->method, law->pattern, login, body);
    free(body);
}

static void
each_role_may_at_home_what_the_law_says_and_nothing_else(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(laws); i++)
        for (size_t k = 0; k < ARRAY_LEN(roles); k++)
            check_own(&laws[i], roles[k].letter, roles[k].own);
}

static void
each_role_finds_nothing_of_anothers(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(laws); i++)
        for (size_t k = 0; k < ARRAY_LEN(roles); k++)
            check_foreign(&laws[i], roles[k].letter, roles[k].foreign);
}

static void
what_changes_something_needs_the_pages_word_everywhere(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(laws); i++) {
        struct http_client_options o = {.base_url = url};
        char path[512], cookie[128];
        const char *const headers[] = {cookie, NULL};
        struct http_call call = {.method = laws[i].method,
                                 .path = path,
                                 .headers = headers,
                                 .body = "{}",
                                 .body_n = 2,
                                 .content_type = "application/json"};
        struct http_client *client;
        struct http_reply reply;
        struct err err = {0};

        if (strcmp(laws[i].method, "GET") == 0)
            continue;
        fill_path(&laws[i], path);
        sign_in("doc1", cookie);
        need(http_client_new(&o, &client, &err), &err);
        need(http_client_call(client, &call, &reply, &err), &err);
        if (reply.status != 403)
            fail_msg("%s %s without the word got %d", laws[i].method, path, reply.status);
        http_reply_fini(&reply);
        http_client_free(&client);
    }
}

/* Of every study the record said that it had been looked at before it was whole, minutes before a
 * report of it was signed: the viewer asks for previews always. */
static void
a_look_is_at_a_preview_only_while_the_study_is_not_whole(void **state)
{
    static const struct law look = {.method = "GET", .pattern = "/preview/studies/{study}"};
    static const struct law trail = {.method = "GET", .pattern = "/api/v1/audit"};
    char *body;

    (void)state;
    if (cluster == NULL)
        skip();
    read_world_count(&w, "DELETE FROM looks");
    read_world_count(&w, "UPDATE reads SET whole = instances");
    (void)ask(&look, "doc1", &body);
    free(body);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM looks WHERE what = 'images'"), 1);
    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM looks"), 1);

    read_world_count(&w, "UPDATE reads SET whole = instances - 1");
    (void)ask(&look, "doc1", &body);
    free(body);

    assert_int_equal(read_world_count(&w, "SELECT count(*) FROM looks WHERE what = 'preview'"), 1);
    assert_int_equal(ask(&trail, "super", &body), 200);
    assert_non_null(strstr(body, "\"actor\":\"doc1\",\"actor_name\":\"王医生\""));
    free(body);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_staff_route_has_its_law_and_every_law_its_route),
        cmocka_unit_test(nobody_gets_nothing_but_what_is_open),
        cmocka_unit_test(each_role_may_at_home_what_the_law_says_and_nothing_else),
        cmocka_unit_test(each_role_finds_nothing_of_anothers),
        cmocka_unit_test(what_changes_something_needs_the_pages_word_everywhere),
        cmocka_unit_test(a_look_is_at_a_preview_only_while_the_study_is_not_whole),
    };
    int status;

    if (compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
