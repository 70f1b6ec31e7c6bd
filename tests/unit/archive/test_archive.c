/* test_archive.c - the archive as the reader sees it, against a real storage over mutual TLS. */
#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "proto/http/client.h"
#include "proto/http/json.h"
#include "proto/link/enrol.h"
#include "reader/archive/archive.h"
#include "tests/support/archive_reader.h"
#include "tests/support/ok.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MANY = 48 };

static struct archive_world w;
static struct archive *archive;
static char database[32];

static int
begin(void **state)
{
    static int serial;
    struct err err;

    (void)state;
    snprintf(database, sizeof database, "archive%d", serial++);
    archive_world_open(&w, vault_cluster, database, NULL);
    OK(archive_open(w.identity, NULL, &archive, &err));
    return 0;
}

static int
end(void **state)
{
    (void)state;
    archive_close(&archive);
    archive_world_close(&w);
    return 0;
}

static void
events_come_in_order_and_once(void **state)
{
    struct heard h = {.text = ""};
    struct err err;

    (void)state;
    study_put(&w);
    OK(hear_more(archive, &h, 0, &err));
    assert_string_equal(h.text, "clinic-a study.arrived 1.2.3 0 0\n"
                                "clinic-a study.closed 1.2.3 1 2\n"
                                "clinic-a study.complete 1.2.3 1 2\n"
                                "clinic-a study.sealed 1.2.3 0 2\n");
    h.text[0] = '\0';
    OK(hear_more(archive, &h, 0, &err));
    assert_string_equal(h.text, "");
    vault_put(&w.vault, &study_gate, &study_slices[2]);
    vault_manifest(&w.vault, &study_gate, 2, study_slices, 3);
    OK(hear_more(archive, &h, 0, &err));
    assert_string_equal(h.text, "clinic-a study.closed 1.2.3 2 3 late\n"
                                "clinic-a study.late 1.2.3 2 3 late\n"
                                "clinic-a study.complete 1.2.3 2 3 late\n");
}

/* The database is set back to a copy of itself; what happens then has the numbers of what was
 * forgotten, and others never come to stand past the cursor. */
static void
an_archive_set_back_hides_no_event_behind_the_cursor(void **state)
{
    struct slice other = {
        .study = "1.2.4", .series = "1.2.4.9", .instance = "1.2.4.9.1", .number = 1, .noise = 9};
    struct heard h = {.text = ""};
    struct err err;
    char *backup;

    (void)state;
    study_put(&w);
    archive_world_stop(&w);
    backup = pg_cluster_copy(vault_cluster, database, "archive_backup");
    archive_world_start(&w);
    vault_put(&w.vault, &study_gate, &study_slices[2]);
    vault_manifest(&w.vault, &study_gate, 2, study_slices, 3);
    vault_work(&w.vault);
    OK(hear_more(archive, &h, 0, &err));
    assert_false(h.is_lost);
    archive_world_stop(&w);
    w.vault.options.conninfo = backup;
    archive_world_start(&w);
    vault_put(&w.vault, &study_gate, &other);

    OK(hear_more(archive, &h, 0, &err)); /* the number is there, as another event */
    assert_true(h.is_lost);
    h.text[0] = '\0';
    OK(hear_more(archive, &h, 0, &err));
    assert_false(h.is_lost);
    assert_non_null(strstr(h.text, "clinic-a study.arrived 1.2.4 0 0\n"));
    h.text[0] = '\0';
    OK(hear_more(archive, &h, 0, &err)); /* and it stands well */
    assert_false(h.is_lost);
    assert_string_equal(h.text, "");
    w.vault.options.conninfo = w.vault.conninfo;
    free(backup);
}

struct waiting {
    struct heard heard;
    struct err err;
    int rc;
    int64_t took_ms;
    struct gate gate; /* of has_heard */
    bool has_heard;
};

static void *
wait_for_events(void *arg)
{
    struct waiting *x = arg;
    int64_t from_ms = clock_mono_ms();

    x->rc = hear_more(archive, &x->heard, 60, &x->err);
    x->took_ms = clock_mono_ms() - from_ms;
    return NULL;
}

static void
a_waiting_call_is_woken_by_what_happens(void **state)
{
    struct waiting x = {.rc = 1};
    pthread_t thread = thread_start("waits", wait_for_events, &x);

    (void)state;
    vault_put(&w.vault, &study_gate, &study_slices[0]);
    thread_join(thread);
    assert_int_equal(x.rc, 0);
    assert_string_equal(x.heard.text, "clinic-a study.arrived 1.2.3 0 0\n");
    assert_true(x.took_ms < 20000);
}

/* Hears the first event, says so, and waits for another that never comes. */
static void *
hear_then_wait(void *arg)
{
    struct waiting *x = arg;

    wait_for_events(x);
    gate_lock(&x->gate);
    x->has_heard = true;
    gate_wake(&x->gate);
    gate_unlock(&x->gate);
    x->rc = hear_more(archive, &x->heard, 60, &x->err);
    return NULL;
}

static void
an_abort_ends_what_waits_and_what_comes(void **state)
{
    struct waiting x = {.rc = 1};
    pthread_t thread;
    struct err err;

    (void)state;
    gate_init(&x.gate);
    vault_put(&w.vault, &study_gate, &study_slices[0]);
    thread = thread_start("waits", hear_then_wait, &x);
    gate_lock(&x.gate);
    while (!x.has_heard)
        gate_wait(&x.gate);
    gate_unlock(&x.gate);
    archive_abort(archive);
    thread_join(thread);
    assert_int_equal(x.rc, -1);
    assert_int_equal(x.err.kind, ERR_RETRY);
    assert_int_equal(archive_check(archive, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    gate_fini(&x.gate);
}

static int
count_studies(void *user, const struct archive_study *study)
{
    assert_string_equal(study->study, "1.2.3");
    assert_string_equal(study->modalities, "CT");
    ++*(int *)user;
    return 0;
}

static void
facts_are_those_of_the_study(void **state)
{
    struct archive_file file;
    struct archive_study s;
    struct buf sr;
    struct err err;
    int found = 0;

    (void)state;
    assert_int_equal(archive_study_facts(archive, "clinic-a", "1.2.3", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    study_put(&w);
    report_make(&study_report, &sr);
    file = (struct archive_file){sr.bytes, sr.n};
    OK(archive_stow(archive, "clinic-a", "1.2.3", &file, 1, &err));
    OK(archive_study_facts(archive, "clinic-a", "1.2.3", &s, &err));
    assert_string_equal(s.study, "1.2.3");
    assert_string_equal(s.patient_id, "P1");
    assert_string_equal(s.patient_name, "WANG^XIAO");
    assert_string_equal(s.study_date, "20260131");
    assert_string_equal(s.study_time, "101112");
    assert_string_equal(s.accession, "ACC1");
    assert_string_equal(s.description, "HEAD");
    assert_string_equal(s.modalities, "CT"); /* not CT\SR */
    assert_int_equal(s.series, 1);
    assert_int_equal(s.instances, 2);
    OK(archive_patient_studies(archive, "clinic-a", "P1", "", 10, count_studies, &found, &err));
    assert_int_equal(found, 1);
    OK(archive_patient_studies(archive, "clinic-a", "P*", "", 10, count_studies, &found, &err));
    OK(archive_patient_studies(archive, "clinic-a", "P1", "X", 10, count_studies, &found, &err));
    OK(archive_patient_studies(archive, "clinic-b", "P1", "", 10, count_studies, &found, &err));
    assert_int_equal(found, 1);
    assert_int_equal(archive_study_facts(archive, "clinic-b", "1.2.3", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(archive_study_facts(archive, "clinic-a", "1.2.3/../4", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    buf_fini(&sr);
}

static void
what_is_coming_is_told_before_anything_of_it_is_whole(void **state)
{
    struct link_offer_object o;
    struct link_offer offer = {&o, 1};
    struct link_answer answer;
    struct archive_study s;
    struct buf file, head;
    struct err err;

    (void)state;
    slice_make(&study_slices[0], &file);
    slice_offer(&study_slices[0], &file, &o);
    OK(keep_offer(w.vault.keep, &study_gate, &offer, &answer, &err));
    link_answer_free(&answer);
    assert_int_equal(archive_study_coming(archive, "clinic-a", "1.2.3", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    head = file;
    head.n = file.n - 512;
    assert_int_equal(vault_send(&w.vault, &study_gate, &o, &head), LINK_PARTIAL);

    OK(archive_study_coming(archive, "clinic-a", "1.2.3", &s, &err));
    assert_string_equal(s.study, "1.2.3");
    assert_string_equal(s.patient_id, "P1");
    assert_string_equal(s.patient_name, "WANG^XIAO");
    assert_string_equal(s.study_date, "20260131");
    assert_string_equal(s.accession, "ACC1");
    assert_string_equal(s.description, "HEAD");
    assert_string_equal(s.modalities, "CT");
    assert_int_equal(s.series, 1);
    assert_int_equal(s.instances, 0);
    assert_int_equal(archive_study_facts(archive, "clinic-a", "1.2.3", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND); /* QIDO-RS tells of whole ones only */
    assert_int_equal(archive_study_coming(archive, "clinic-b", "1.2.3", &s, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);

    assert_int_equal(vault_send(&w.vault, &study_gate, &o, &file), LINK_HELD);
    OK(archive_study_coming(archive, "clinic-a", "1.2.3", &s, &err));
    assert_string_equal(s.modalities, "CT");
    assert_int_equal(s.instances, 1);
    buf_fini(&file);
}

static void
the_closed_list_names_every_instance(void **state)
{
    struct archive_standing standing;
    struct json_doc *doc = NULL;
    const struct json *list;
    struct buf json, again;
    bool is_whole;
    struct err err;

    (void)state;
    buf_init(&json, ARCHIVE_MANIFEST_BYTES);
    buf_init(&again, ARCHIVE_MANIFEST_BYTES);
    assert_int_equal(archive_manifest(archive, "clinic-a", "1.2.3", 0, &json, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    study_put(&w);
    OK(archive_manifest(archive, "clinic-a", "1.2.3", 0, &json, &err));
    OK(archive_manifest(archive, "clinic-a", "1.2.3", 1, &again, &err));
    assert_int_equal(json.n, again.n);
    assert_memory_equal(json.bytes, again.bytes, json.n);
    OK(json_parse(json.bytes, json.n, &doc, &err));
    list = json_find(json_root(doc), "instances");
    assert_int_equal(json_length(list), 2);
    assert_string_equal(json_as_text(json_find(json_at(list, 0), "sop_instance")), "1.2.3.9.1");
    assert_string_equal(json_as_text(json_find(json_at(list, 0), "series")), "1.2.3.9");
    assert_int_equal(strlen(json_as_text(json_find(json_at(list, 0), "pixels"))), 64);
    assert_int_equal(strlen(json_as_text(json_find(json_at(list, 0), "dataset"))), 64);
    OK(json_truth(json_at(list, 0), "is_whole", &is_whole, &err));
    assert_true(is_whole);
    json_free(&doc);
    assert_int_equal(archive_manifest(archive, "clinic-b", "1.2.3", 0, &json, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(archive_manifest(archive, "clinic-a", "1.2.3", 2, &json, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);

    OK(archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2);
    assert_int_equal(standing.sealed, 2);
    assert_int_equal(standing.revision, 1);
    assert_int_equal(standing.expected, 2);
    assert_true(standing.last_at_us > INT64_C(1600000000000000));
    buf_fini(&json);
    buf_fini(&again);
}

/* Three are listed, two came, some time ago. */
static void
what_is_lost_for_good_is_told_with_a_name_and_read_back(void **state)
{
    struct archive_gone said = {1, "disk lost, \"console\" empty", "王医生", 0};
    struct archive_standing standing;
    struct err err;

    (void)state;
    study_put(&w);
    vault_manifest(&w.vault, &study_gate, 2, study_slices, 3);
    OK(archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.expected, 3);
    assert_int_equal(standing.missing, 1);
    assert_int_equal(standing.gone.images, 0);
    assert_int_equal(archive_gone_put(archive, "clinic-a", "1.2.3", &said, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT); /* some came just now */

    clock_fake(clock_wall_us() + INT64_C(3600000000), clock_mono_ms() + 20000);
    assert_int_equal(archive_gone_put(archive, "clinic-b", "1.2.3", &said, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    OK(archive_gone_put(archive, "clinic-a", "1.2.3", &said, &err));

    OK(archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.expected, 2);
    assert_int_equal(standing.missing, 0);
    assert_int_equal(standing.revision, 3);
    assert_int_equal(standing.gone.images, 1);
    assert_string_equal(standing.gone.reason, said.reason);
    assert_string_equal(standing.gone.by, said.by);
    assert_int_equal(standing.gone.at_us, clock_wall_us());
    clock_unfake();
}

static void
a_revoked_gateway_is_out_within_the_memory_of_checks(void **state)
{
    struct ca_certificate c;
    char dir[256], pem[300];
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/gateway", w.vault.dir);
    archive_world_enrol(&w, "gateway", "clinic-a", "gate-a", "", dir);
    snprintf(pem, sizeof pem, "%s/identity.pem", dir);
    OK(ca_read_file(pem, &c, &err));
    clock_fake(clock_wall_us(), clock_mono_ms());
    OK(archive_device_check(archive, c.serial_hex, "clinic-a", "gate-a", &err));
    assert_int_equal(archive_device_check(archive, c.serial_hex, "clinic-b", "gate-a", &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(archive_device_check(archive, "0a/b", "clinic-a", "gate-a", &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    OK(keep_device_revoke(w.vault.keep, "clinic-a", "gate-a", &err));
    archive_world_cut(&w); /* within five seconds storage is not asked */
    OK(archive_device_check(archive, c.serial_hex, "clinic-a", "gate-a", &err));
    clock_fake_advance(ARCHIVE_DEVICE_MS);
    assert_int_equal(archive_device_check(archive, c.serial_hex, "clinic-a", "gate-a", &err), -1);
    assert_int_equal(err.kind, ERR_RETRY); /* not known is not let in */
    archive_world_heal(&w);
    assert_int_equal(archive_device_check(archive, c.serial_hex, "clinic-a", "gate-a", &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    clock_unfake();
}

static void *
ask(void *arg)
{
    struct archive_standing standing;
    struct err err;

    *(int *)arg = archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err);
    return NULL;
}

static void
many_threads_share_the_connections(void **state)
{
    pthread_t threads[MANY];
    int rc[MANY];

    (void)state;
    study_put(&w);
    for (int i = 0; i < MANY; i++)
        threads[i] = thread_start("asks", ask, &rc[i]);
    for (int i = 0; i < MANY; i++)
        thread_join(threads[i]);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(rc[i], 0);
    assert_true(http_server_connections(w.server) <= ARCHIVE_CONNECTIONS + 1);
}

static void
storage_away_is_try_again_and_it_goes_on(void **state)
{
    struct err err;
    bool is_renewed;

    (void)state;
    OK(archive_check(archive, &err));
    archive_world_cut(&w);
    assert_int_equal(archive_check(archive, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    archive_world_heal(&w);
    OK(archive_check(archive, &err));
    OK(enrol_renew(w.identity, w.url, true, &is_renewed, &err));
    archive_renewed(archive);
    OK(archive_check(archive, &err));
    OK(keep_device_revoke(w.vault.keep, "clinic-a", "reader-1", &err));
    assert_int_equal(archive_check(archive, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

static int
answer_hello(struct http_request *req, struct http_response *res, struct err *err)
{
    (void)err;
    assert_string_equal(http_caller(req)->device, "gate-a");
    http_answer_bytes(res, 200, "text/plain", "hello", 5);
    return 0;
}

/* The reader's certificate is a server's too: a gateway calls it under mutual TLS. */
static void
gateways_reach_the_reader_by_its_enrolment(void **state)
{
    static const struct http_route route = {
        .method = "GET", .pattern = "/hello", .callers = HTTP_GATEWAY, .handle = answer_hello};
    struct http_table table = {&route, 1, NULL};
    struct enrol_identity reader, gateway;
    struct http_options o = {
        .address = "127.0.0.1", .name = "reader/link", .tables = &table, .table_count = 1};
    struct http_client_options c = {0};
    struct http_call call = {.method = "GET", .path = "/hello"};
    struct http_server *server = NULL;
    struct http_client *client = NULL;
    struct http_reply reply;
    char dir[256], url[64];
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/gateway", w.vault.dir);
    archive_world_enrol(&w, "gateway", "clinic-a", "gate-a", "", dir);
    OK(enrol_load(w.identity, &reader, &err));
    OK(enrol_load(dir, &gateway, &err));
    o.certificate = reader.certificate;
    o.key = reader.key;
    o.client_ca = reader.ca;
    OK(http_server_start(&o, &server, &err));
    snprintf(url, sizeof url, "https://127.0.0.1:%u", http_server_port(server));
    c.base_url = url;
    c.ca_file = gateway.ca;
    c.certificate = gateway.certificate;
    c.key = gateway.key;
    OK(http_client_new(&c, &client, &err));
    OK(http_client_call(client, &call, &reply, &err));
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);
    http_client_free(&client);
    http_server_stop(&server);
    enrol_identity_fini(&reader);
    enrol_identity_fini(&gateway);
}

static void
an_identity_of_another_kind_is_refused(void **state)
{
    struct archive *other = NULL;
    char dir[256];
    struct err err;

    (void)state;
    snprintf(dir, sizeof dir, "%s/nothing", w.vault.dir);
    assert_int_equal(archive_open(dir, NULL, &other, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    snprintf(dir, sizeof dir, "%s/gateway", w.vault.dir);
    archive_world_enrol(&w, "gateway", "clinic-a", "gate-a", "", dir);
    assert_int_equal(archive_open(dir, NULL, &other, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(archive_open(w.identity, "http://127.0.0.1:1", &other, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_order_and_once),
        TEST(an_archive_set_back_hides_no_event_behind_the_cursor),
        TEST(a_waiting_call_is_woken_by_what_happens),
        TEST(an_abort_ends_what_waits_and_what_comes),
        TEST(facts_are_those_of_the_study),
        TEST(what_is_coming_is_told_before_anything_of_it_is_whole),
        TEST(the_closed_list_names_every_instance),
        TEST(what_is_lost_for_good_is_told_with_a_name_and_read_back),
        TEST(a_revoked_gateway_is_out_within_the_memory_of_checks),
        TEST(many_threads_share_the_connections),
        TEST(storage_away_is_try_again_and_it_goes_on),
        TEST(gateways_reach_the_reader_by_its_enrolment),
        TEST(an_identity_of_another_kind_is_refused),
    };

    return cmocka_run_group_tests(tests, vault_start, vault_stop);
}
