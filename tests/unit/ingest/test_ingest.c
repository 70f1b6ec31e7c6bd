/* test_ingest.c - STOW-RS over a real server into a real archive: what is kept is told, what is not
 * is told too. */
#include "proto/http/client.h"
#include "proto/trust/token.h"
#include "storage/ingest/ingest.h"
#include "tests/support/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STOW_TYPE "multipart/related; type=\"application/dicom\"; boundary=frontier"

static struct pg_cluster *cluster;
static struct vault archive;
static struct ingest *ingest;
static struct http_server *server;
static struct http_client *client;

static const struct slice slice = {.study = "1.2.3.1",
                                   .series = "1.2.3.2",
                                   .instance = "1.2.3.3",
                                   .patient_id = "P1",
                                   .patient_name = "Test^One",
                                   .number = 1};

/* "store" may store, every other token may not. */
static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    (void)user;
    if (bearer == NULL)
        return err_set(err, ERR_DENIED, "no token");
    snprintf(caller->tenant, sizeof caller->tenant, "clinic-a");
    caller->rights = strcmp(bearer, "store") == 0 ? RIGHT_STORE : RIGHT_QUERY;
    return 0;
}

static int
start(void **state)
{
    char spool[FOLDER_PATH_BYTES + 8], url[64];
    struct ingest_options options = {.spool_dir = spool};
    struct http_table table;
    struct http_options http = {.address = "127.0.0.1",
                                .name = "test",
                                .tables = &table,
                                .table_count = 1,
                                .authorise = authorise};
    struct http_client_options browser = {.base_url = url, .bearer = "store"};
    struct err err;

    (void)state;
    vault_open(&archive, cluster, "ingest");
    snprintf(spool, sizeof spool, "%s/stow", archive.dir);
    options.keep = archive.keep;
    assert_int_equal(ingest_new(&options, &ingest, &err), 0);
    table = ingest_stow_table(ingest);
    assert_int_equal(http_server_start(&http, &server, &err), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    assert_int_equal(http_client_new(&browser, &client, &err), 0);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    http_client_free(&client);
    http_server_stop(&server);
    ingest_free(&ingest);
    vault_close(&archive);
    pg_cluster_remove(&cluster);
    return 0;
}

static void
add_part(struct buf *body, const char *type, const void *bytes, size_t n)
{
    buf_add_printf(body, "--frontier\r\nContent-Type: %s\r\n\r\n", type);
    buf_add(body, bytes, n);
    buf_add_text(body, "\r\n");
}

static int
post(const char *path, const struct buf *body, struct http_reply *out)
{
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = STOW_TYPE,
                             .body = body->bytes,
                             .body_n = body->n};
    struct err err;

    assert_int_equal(http_client_call(client, &call, out, &err), 0);
    return out->status;
}

static int
count_row(void *user, const struct keep_row *row)
{
    (void)row;
    ++*(size_t *)user;
    return 0;
}

static size_t
kept(const char *study)
{
    struct keep_query query = {
        .tenant = "clinic-a", .level = KEEP_INSTANCE, .studies = &study, .studies_n = 1};
    size_t n = 0;
    struct err err;

    assert_int_equal(keep_find(archive.keep, &query, count_row, &n, &err), 0);
    return n;
}

static void
what_can_be_read_is_kept_and_what_cannot_fails_alone(void **state)
{
    struct buf file, body;
    struct http_reply reply;

    (void)state;
    slice_make(&slice, &file);
    buf_init(&body, 1 << 20);
    add_part(&body, "application/dicom", file.bytes, file.n);
    add_part(&body, "application/dicom", "not DICOM at all", 16);
    buf_add_text(&body, "--frontier--\r\n");

    assert_int_equal(post("/dicomweb/studies", &body, &reply), 202);
    assert_non_null(
        strstr(buf_text(&reply.body), "\"00081155\":{\"vr\":\"UI\",\"Value\":[\"1.2.3.3\"]}"));
    assert_non_null(strstr(buf_text(&reply.body), "\"0008119A\""));
    assert_int_equal(kept("1.2.3.1"), 1);
    http_reply_fini(&reply);
    buf_fini(&body);
    buf_fini(&file);
}

static void
a_study_of_another_name_is_not_taken(void **state)
{
    struct slice other = slice;
    struct buf file, body;
    struct http_reply reply;

    (void)state;
    other.study = "1.2.3.10";
    other.instance = "1.2.3.11";
    slice_make(&other, &file);
    buf_init(&body, 1 << 20);
    add_part(&body, "application/dicom", file.bytes, file.n);
    buf_add_text(&body, "--frontier--\r\n");

    assert_int_equal(post("/dicomweb/studies/1.2.3.99", &body, &reply), 409);
    assert_int_equal(kept("1.2.3.10"), 0);
    http_reply_fini(&reply);
    buf_fini(&body);
    buf_fini(&file);
}

static void
a_body_without_its_end_or_of_another_type_is_refused(void **state)
{
    struct slice other = slice;
    struct buf file, body;
    struct http_reply reply;

    (void)state;
    other.study = "1.2.3.20";
    other.instance = "1.2.3.21";
    slice_make(&other, &file);
    buf_init(&body, 1 << 20);
    add_part(&body, "application/dicom", file.bytes, file.n / 2);

    assert_int_equal(post("/dicomweb/studies", &body, &reply), 400);
    http_reply_fini(&reply);
    buf_clear(&body);
    add_part(&body, "text/plain", "x", 1);
    buf_add_text(&body, "--frontier--\r\n");
    assert_int_equal(post("/dicomweb/studies", &body, &reply), 400);
    http_reply_fini(&reply);
    assert_int_equal(kept("1.2.3.20"), 0);
    buf_fini(&body);
    buf_fini(&file);
}

static void
only_who_may_store_stores(void **state)
{
    char url[64];
    struct http_client_options options = {.base_url = url, .bearer = "other"};
    struct http_client *store = client;
    struct http_reply reply;
    struct buf body;
    struct err err;

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(server));
    assert_int_equal(http_client_new(&options, &client, &err), 0);
    buf_init(&body, 100);
    buf_add_text(&body, "--frontier--\r\n");
    assert_int_equal(post("/dicomweb/studies", &body, &reply), 403);
    http_reply_fini(&reply);
    http_client_free(&client);
    client = store;
    buf_fini(&body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_is_kept_and_what_cannot_fails_alone),
        cmocka_unit_test(a_study_of_another_name_is_not_taken),
        cmocka_unit_test(a_body_without_its_end_or_of_another_type_is_refused),
        cmocka_unit_test(only_who_may_store_stores),
    };

    if ((cluster = pg_cluster_start()) == NULL)
        return 77;
    return cmocka_run_group_tests(tests, start, stop);
}
