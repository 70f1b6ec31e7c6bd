/* test_assign_http.c - the staff routes of reader/assign over loopback: who gets what, who has it,
 * and how soon a change is told. Sessions are the test's own: the cookie is the login. */
#include "reader/assign/assign.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "reader/assign/assign_own.h"
#include "tests/support/audit_log.h"
#include "tests/support/read_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct read_world w;
static struct assign *service; /* with its threads, without intake */
static struct http_server *server;
static char url[64];
static unsigned database;
static char trail[FOLDER_PATH_BYTES];
static struct audit *audit;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct pg_conn *conn = NULL;
    struct person who;
    int rc = -1;

    (void)user;
    if (pg_get(w.pg, &conn, err) == 0)
        rc = people_find(conn, bearer, &who, err);
    pg_put(&conn);
    if (rc < 0)
        return err_set(err, ERR_DENIED, "no session");
    text_copy(caller->device, sizeof caller->device, who.login);
    text_copy(caller->tenant, sizeof caller->tenant, who.org);
    text_copy(caller->csrf, sizeof caller->csrf, "mine");
    caller->rights = people_rights(who.roles);
    return 0;
}

static int
open_world(void **state)
{
    struct http_options o = {.address = "127.0.0.1", .name = "test", .authorise = authorise};
    struct assign_options options = {0};
    struct http_table table;
    struct err err;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "assignhttp%u", database++);
    read_world_open(&w, cluster, name);
    folder_make("trail", trail);
    OK(audit_open(trail, "reader", &audit, &err));
    options.pg = w.pg;
    options.audit = audit;
    OK(assign_start(&options, &service, &err));
    table = assign_table(service);
    o.tables = &table;
    o.table_count = 1;
    OK(http_server_start(&o, &server, &err));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    return 0;
}

static int
close_world(void **state)
{
    (void)state;
    assign_stop(service);
    http_server_stop(&server);
    assign_free(&service);
    read_world_close(&w);
    audit_close(&audit);
    folder_remove(trail);
    return 0;
}

/* The status; the document is the caller's when out_doc is given. */
static int
asks(const char *login, const char *method, const char *path, const char *body,
     struct json_doc **out_doc)
{
    char cookie[128];
    const char *headers[] = {cookie, "X-Radpost-CSRF: mine", NULL};
    struct http_client_options o = {.base_url = url};
    struct http_client *client = NULL;
    struct http_call call = {
        .method = method, .path = path, .headers = headers, .content_type = "application/json"};
    struct http_reply reply;
    struct err err;
    int status;

    snprintf(cookie, sizeof cookie, "Cookie: rp_session=%s", login);
    if (body != NULL) {
        call.body = body;
        call.body_n = strlen(body);
    }
    OK(http_client_new(&o, &client, &err));
    OK(http_client_call(client, &call, &reply, &err));
    status = reply.status;
    if (out_doc != NULL)
        OK(json_parse(reply.body.bytes, reply.body.n, out_doc, &err));
    http_reply_fini(&reply);
    http_client_free(&client);
    return status;
}

/* How many items of the worklist this login sees. */
static size_t
sees(const char *login, const char *query)
{
    struct json_doc *doc = NULL;
    char path[128];
    size_t n;

    snprintf(path, sizeof path, "/api/v1/worklist%s", query);
    assert_int_equal(asks(login, "GET", path, NULL, &doc), 200);
    n = json_length(json_find(json_root(doc), "items"));
    json_free(&doc);
    return n;
}

static const char *
text_of(const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    return text != NULL ? text : "";
}

static void
the_worklist_holds_what_concerns_the_caller(void **state)
{
    (void)state;
    read_world_study("1.1", "P1", "CT");
    read_world_study("1.2", "P2", "MR");
    read_world_study("1.3", "P3", "DX");
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_closes(&w, "T1", "1.2", 1, 3); /* no agreement covers MR */
    read_world_closes(&w, "T1", "1.3", 1, 2);
    read_world_closes(&w, "T2", "1.4", 1, 30);
    read_world_settle(&w);

    assert_int_equal(sees("tech1", ""), 3);
    assert_int_equal(sees("tech2", ""), 1);
    assert_int_equal(sees("doc1", ""), 3);
    assert_int_equal(sees("doc9", ""), 0);
    assert_int_equal(sees("super", ""), 4);
    assert_int_equal(sees("super2", ""), 0);
    assert_int_equal(sees("super", "?state=unagreed"), 1);
    assert_int_equal(sees("super", "?modality=DX"), 1);
    assert_int_equal(sees("super", "?state=open&modality=CT"), 2);
    assert_int_equal(sees("doc9", "?mine=1"), 0);
    assert_int_equal(sees("super", "?state=done"), 0);
    read_world_count(&w, "UPDATE reads SET state = 'signed', author = 'doc2' WHERE tenant = 'T2'");
    assert_int_equal(sees("super", "?state=done"), 1);
    assert_int_equal(sees("doc2", "?state=signed&mine=1"), 1);
    assert_int_equal(sees("doc1", "?state=done&mine=1"), 0);
    assert_int_equal(sees("tech1", "?state=done"), 0);
    assert_int_equal(sees("super", "?state=open"), 3);
    assert_int_equal(sees("super", ""), 4);
    assert_int_equal(asks("doc1", "GET", "/api/v1/worklist?state=done%27", NULL, NULL), 400);
    assert_int_equal(asks("nobody", "GET", "/api/v1/worklist", NULL, NULL), 401);
}

static void
an_item_says_what_a_doctor_must_know(void **state)
{
    struct json_doc *doc = NULL;
    const struct json *item, *patient;

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    assert_int_equal(asks("tech1", "GET", "/api/v1/worklist", NULL, &doc), 200);
    item = json_at(json_find(json_root(doc), "items"), 0);
    patient = json_find(item, "patient");

    assert_string_equal(text_of(item, "clinic"), "青山镇卫生院");
    assert_string_equal(text_of(patient, "name"), "王小东");
    assert_true(json_is_null(json_find(patient, "on_images"))); /* the same */
    assert_string_equal(text_of(item, "state"), "assigned");
    assert_string_equal(text_of(item, "urgency"), "routine");
    assert_int_equal(json_as_int(json_find(item, "received"), 0), 30);
    assert_true(strlen(text_of(item, "reason")) > 10);
    assert_true(json_is_object(json_find(item, "assigned_to")));
    assert_true(json_is_null(json_find(item, "claimed_by")));
    assert_true(json_is_null(json_find(item, "covered")));
    assert_true(json_as_int(json_find(json_root(doc), "change"), 0) > 0);
    json_free(&doc);
}

static void
a_read_of_others_is_not_found_whatever_is_asked(void **state)
{
    static const struct {
        const char *method, *what, *body;
    } rows[] = {
        {"GET", "", NULL},
        {"POST", "/claim", ""},
        {"POST", "/renew", ""},
        {"POST", "/release", ""},
        {"POST", "/urgency", "{\"urgency\":\"emergency\",\"reason\":\"x\"}"},
    };
    struct read_row row;
    char path[64], none[64];

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(path, sizeof path, "/api/v1/reads/%lld%s", (long long)row.read_id, rows[i].what);
        snprintf(none, sizeof none, "/api/v1/reads/999%s", rows[i].what);
        if (asks("doc9", rows[i].method, path, rows[i].body, NULL) != 404)
            fail_msg("%s tells a stranger that it exists", path);
        assert_int_equal(asks("doc9", rows[i].method, none, rows[i].body, NULL), 404);
    }
    snprintf(path, sizeof path, "/api/v1/reads/%lld/claim", (long long)row.read_id);
    assert_int_equal(asks("tech1", "POST", path, "", NULL), 403);
    assert_int_equal(asks("super", "POST", path, "", NULL), 403);
    assert_int_equal(asks("doc1", "GET", "/api/v1/reads/x", NULL, NULL), 404);
}

static void
one_has_it_and_the_other_is_told_who(void **state)
{
    struct json_doc *doc = NULL;
    struct read_row row;
    char path[64], release[64], detail[64], log[FOLDER_PATH_BYTES + 8];

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    snprintf(path, sizeof path, "/api/v1/reads/%lld/claim", (long long)row.read_id);
    snprintf(release, sizeof release, "/api/v1/reads/%lld/release", (long long)row.read_id);
    snprintf(detail, sizeof detail, "/api/v1/reads/%lld", (long long)row.read_id);

    assert_int_equal(asks("doc1", "POST", path, "", &doc), 200);
    assert_true(strlen(text_of(json_root(doc), "lease_until")) > 20);
    json_free(&doc);
    assert_int_equal(asks("doc2", "POST", path, "", &doc), 409);
    assert_string_equal(text_of(json_root(doc), "by"), "doc1");
    json_free(&doc);
    snprintf(log, sizeof log, "%s/log", trail);
    assert_int_equal(audit_log_says(log, "AUDIT_READ_CLAIMED", "\"study\":\"1.1\""), 1);
    assert_int_equal(sees("doc1", "?mine=1"), 1);
    assert_int_equal(sees("doc2", "?mine=1"), 0);
    assert_int_equal(asks("doc1", "GET", detail, NULL, &doc), 200);
    assert_string_equal(text_of(json_find(json_root(doc), "claimed_by"), "name"), "王医生");
    assert_true(json_length(json_find(json_root(doc), "events")) >= 4);
    json_free(&doc);
    assert_int_equal(asks("doc1", "POST", release, "", NULL), 200);
}

static void
urgency_needs_a_reason_and_moves_the_due_time(void **state)
{
    struct read_row row, after;
    char path[64];

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    snprintf(path, sizeof path, "/api/v1/reads/%lld/urgency", (long long)row.read_id);

    assert_int_equal(
        asks("tech1", "POST", path, "{\"urgency\":\"emergency\",\"reason\":\"\"}", NULL), 400);
    assert_int_equal(asks("tech1", "POST", path, "{\"urgency\":\"soon\",\"reason\":\"x\"}", NULL),
                     400);
    assert_int_equal(
        asks("tech1", "POST", path, "{\"urgency\":\"emergency\",\"reason\":\"胸痛\"}", NULL), 200);
    read_world_read(&w, "T1", "1.1", &after);
    assert_true(after.is_emergency);
    assert_int_equal(after.due_at_us, row.closed_at_us + 30 * 60000000LL);
    assert_string_equal(after.urgency_reason, "胸痛");
    assert_true(after.urgency_by[0] != '\0');
}

static void
anybody_raises_and_only_the_clinic_lowers(void **state)
{
    const char *lower = "{\"urgency\":\"routine\",\"reason\":\"误标\"}";
    struct json_doc *doc = NULL;
    struct read_row row;
    char path[64], detail[64];

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    snprintf(path, sizeof path, "/api/v1/reads/%lld/urgency", (long long)row.read_id);
    snprintf(detail, sizeof detail, "/api/v1/reads/%lld", (long long)row.read_id);

    assert_int_equal(
        asks("doc1", "POST", path, "{\"urgency\":\"emergency\",\"reason\":\"脑出血\"}", NULL), 200);
    assert_int_equal(asks("doc1", "GET", detail, NULL, &doc), 200);
    assert_string_equal(text_of(json_root(doc), "urgency_reason"), "脑出血");
    assert_string_equal(text_of(json_root(doc), "urgency_by"), "王医生");
    json_free(&doc);
    assert_int_equal(asks("doc1", "POST", path, lower, NULL), 403);
    read_world_read(&w, "T1", "1.1", &row);
    assert_true(row.is_emergency);
    assert_int_equal(asks("tech1", "POST", path, lower, NULL), 200);
    read_world_read(&w, "T1", "1.1", &row);
    assert_false(row.is_emergency);
    assert_string_equal(row.urgency_reason, "");
}

static void
a_doctor_goes_and_comes(void **state)
{
    struct person who;
    struct lease lease;
    struct read_row row;
    struct err err;

    (void)state;
    assert_int_equal(asks("doc1", "POST", "/api/v1/duty", "{\"is_on_duty\":false}", NULL), 200);
    assert_int_equal(asks("doc2", "POST", "/api/v1/duty", "{\"is_on_duty\":false}", NULL), 200);
    assert_int_equal(asks("rev1", "POST", "/api/v1/duty", "{\"is_on_duty\":false}", NULL), 200);
    assert_int_equal(asks("tech1", "POST", "/api/v1/duty", "{\"is_on_duty\":true}", NULL), 403);
    assert_int_equal(asks("doc1", "POST", "/api/v1/duty", "{\"is_on_duty\":1}", NULL), 400);
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    assert_int_equal(row.state, READ_WAITING);

    assert_int_equal(asks("doc2", "POST", "/api/v1/duty", "{\"is_on_duty\":true}", NULL), 200);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    assert_string_equal(row.assigned_to, "doc2");
    read_world_person(&w, "doc1", &who); /* off duty: may still take it */
    OK(lease_claim(w.pg, &who, row.read_id, &lease, &err));
}

static void
lists_are_told(void **state)
{
    struct json_doc *doc = NULL;

    (void)state;
    assert_int_equal(asks("tech1", "GET", "/api/v1/organisations", NULL, &doc), 200);
    assert_int_equal(json_length(json_find(json_root(doc), "items")), 7);
    json_free(&doc);
    assert_int_equal(asks("tech1", "GET", "/api/v1/doctors", NULL, &doc), 200);
    assert_int_equal(json_length(json_find(json_root(doc), "items")), 4);
    json_free(&doc);
}

/* ---- the stream ---- */
enum { NOT_HUNG_MS = 60000 };

struct listener {
    struct gate gate;
    struct http_client *client;
    struct buf heard;
    int status; /* of an answer that was ended in order */
};

static int
on_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    struct listener *l = user;

    (void)err;
    gate_lock(&l->gate);
    buf_add(&l->heard, bytes, n);
    gate_wake(&l->gate);
    gate_unlock(&l->gate);
    return 0;
}

static void *
listen_on(void *arg)
{
    struct listener *l = arg;
    const char *headers[] = {"Cookie: rp_session=doc1", NULL};
    struct http_call call = {.method = "GET",
                             .path = "/api/v1/worklist/stream",
                             .headers = headers,
                             .sink = on_bytes,
                             .sink_user = l,
                             .answer_limit = 1 << 20};
    struct http_reply reply;
    struct err err;

    if (http_client_call(l->client, &call, &reply, &err) == 0) {
        l->status = reply.status;
        http_reply_fini(&reply);
    }
    return NULL;
}

/* Until it has heard this; false: it hangs. */
static bool
hears(struct listener *l, const char *words)
{
    int64_t until = clock_mono_ms() + NOT_HUNG_MS;
    bool is;

    gate_lock(&l->gate);
    while (!(is = strstr(buf_text(&l->heard), words) != NULL) && clock_mono_ms() < until)
        gate_wait_ms(&l->gate, until - clock_mono_ms());
    gate_unlock(&l->gate);
    return is;
}

/* Written as another process would: nobody wakes this one. How long until the listener hears it. */
static int64_t
change_takes_ms(struct listener *l, int64_t read_id)
{
    struct pg_conn *conn = NULL;
    struct err err;
    int64_t begun_ms;
    char words[64];

    OK(pg_get(w.pg, &conn, &err));
    OK(pg_begin(conn, &err));
    OK(assign_note(conn, read_id, "system", READ_NOTE_STORED, NULL, &err));
    OK(pg_commit(conn, &err));
    pg_put(&conn);
    begun_ms = clock_mono_ms();
    snprintf(words, sizeof words, "{\"change\":%lld}\n",
             (long long)read_world_count(&w, "SELECT max(seq) FROM read_events"));
    assert_true(hears(l, words));
    return clock_mono_ms() - begun_ms;
}

static void
a_change_is_told_within_a_second_and_a_stop_ends_the_stream(void **state)
{
    struct http_client_options o = {.base_url = url};
    struct listener l = {0};
    struct read_row row;
    struct err err;
    pthread_t thread;
    int64_t least_ms = INT64_MAX;

    (void)state;
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    gate_init(&l.gate);
    buf_init(&l.heard, 1 << 20);
    OK(http_client_new(&o, &l.client, &err));
    thread = thread_start("listener", listen_on, &l);
    assert_true(hears(&l, "event: change\ndata: {\"change\":"));

    for (int i = 0; i < 20 && least_ms > 1000; i++) { /* one in time will do: load only adds */
        int64_t ms = change_takes_ms(&l, row.read_id);

        least_ms = ms < least_ms ? ms : least_ms;
    }
    assert_true(least_ms <= 1000);

    assign_stop(service);
    thread_join(thread);
    assert_int_equal(l.status, 200); /* and not by the client's patience */
    http_client_free(&l.client);
    buf_fini(&l.heard);
    gate_fini(&l.gate);
}

/* ---- the threads ---- */
static void
assignment_goes_on_by_itself_when_postgresql_was_away(void **state)
{
    struct read_row row;
    int64_t until;

    (void)state;
    read_world_count(&w, "UPDATE doctors SET is_on_duty = false");
    read_world_closes(&w, "T1", "1.1", 1, 30);
    read_world_settle(&w);
    read_world_read(&w, "T1", "1.1", &row);
    assert_int_equal(row.state, READ_WAITING);
    pg_cluster_stop(cluster);
    assign_wake(service);
    pg_cluster_restart(cluster);
    read_world_count(&w, "UPDATE doctors SET is_on_duty = true");
    read_world_count(&w, "UPDATE reads SET look_at_us = 0");
    until = clock_mono_ms() + 30000;
    for (;;) { /* each change wakes the waiter; what was there before is read again */
        int64_t seen = assign_events_wait(service, -1, 0);
        struct pg_conn *conn = NULL;
        struct err err;
        bool is_done = false;

        if (pg_get(w.pg, &conn, &err) == 0 && assign_read_find(conn, "T1", "1.1", &row, &err) == 0)
            is_done = row.state == READ_ASSIGNED;
        pg_put(&conn);
        if (is_done)
            break;
        assert_true(clock_mono_ms() < until);
        assign_events_wait(service, seen, 1000);
    }
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(the_worklist_holds_what_concerns_the_caller),
        CASE(an_item_says_what_a_doctor_must_know),
        CASE(a_read_of_others_is_not_found_whatever_is_asked),
        CASE(one_has_it_and_the_other_is_told_who),
        CASE(urgency_needs_a_reason_and_moves_the_due_time),
        CASE(anybody_raises_and_only_the_clinic_lowers),
        CASE(a_doctor_goes_and_comes),
        CASE(lists_are_told),
        CASE(a_change_is_told_within_a_second_and_a_stop_ends_the_stream),
        CASE(assignment_goes_on_by_itself_when_postgresql_was_away),
    };
    int rc;

    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 77;
    log_set_fd(-1);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    pg_cluster_remove(&cluster);
    return rc;
}
