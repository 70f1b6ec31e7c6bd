/* Claims about the images a patient sees: pictures only, in the order of the examination, from a
 * real archive, said not to be for diagnosis, and none before a report stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "reader/archive/archive.h"
#include "reader/deliver/patient_own.h"
#include "tests/support/archive_world.h"
#include "tests/support/patient_world.h"
#include "tests/support/report_world.h"

#include <stdio.h>
#include <string.h>

#define STUDY "1.2.88"
#define PHONE "13800000088"

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct archive_world storage;
static struct archive *archive;
static struct report_world w;
static int64_t read;
static char cookie[65];

/* By their names the other way round than by their numbers. */
static const struct slice slices[] = {
    {.study = STUDY, .series = STUDY ".1", .instance = STUDY ".1.1", .number = 3, .noise = 1},
    {.study = STUDY, .series = STUDY ".1", .instance = STUDY ".1.2", .number = 20, .noise = 2},
    {.study = STUDY, .series = STUDY ".1", .instance = STUDY ".1.9", .number = 1, .noise = 3},
};
static const struct keep_sender gate = {"T1", "gate-t1", "test"};

static void
open_storage(void)
{
    struct err err = {0};
    int sealed;

    archive_world_open(&storage, cluster, "patient_images_storage", pool);
    if (keep_tenant_add(storage.vault.keep, "T1", "T1", &err) < 0 ||
        archive_open(storage.identity, NULL, &archive, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(slices); i++)
        vault_put(&storage.vault, &gate, &slices[i]);
    vault_manifest(&storage.vault, &gate, 1, slices, ARRAY_LEN(slices));
    if (keep_work(storage.vault.keep, &sealed, &err) < 0)
        fail_msg("%s", err.text);
}

static int
start(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct pg_conn *conn;
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    if (codec_pool_new(1, &pool, &err) < 0)
        fail_msg("%s", err.text);
    open_storage();
    report_world_open(&w, cluster, "patient_images");
    patient_world_open(w.reads.pg, w.compose, archive);
    read = report_world_study(&w, "T1", STUDY);
    patient_world_print_slip("R1", PHONE, true, code);
    conn = patient_world_begin();
    if (patient_slip_attach(conn, "T1", "R1", STUDY, &err) < 0)
        fail_msg("%s", err.text);
    patient_world_commit(conn);
    patient_world_come_in(code, PHONE, cookie);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    if (cluster == NULL)
        return 0;
    patient_world_close();
    report_world_close(&w);
    archive_close(&archive);
    archive_world_close(&storage);
    codec_pool_free(&pool);
    pg_cluster_remove(&cluster);
    return 0;
}

static struct patient_answer
get(const char *path)
{
    return patient_world_call("GET", path, NULL, NULL, cookie, NULL);
}

static void
no_image_is_shown_before_a_report_stands(void **state)
{
    (void)state;
    if (cluster == NULL)
        skip();
    assert_int_equal(get("/api/v1/images").status, 404);
    assert_int_equal(get("/api/v1/images/1.jpg").status, 404);
}

static void
images_come_in_order_and_are_said_not_to_be_for_diagnosis(void **state)
{
    struct patient_answer a;

    (void)state;
    if (cluster == NULL)
        skip();
    report_world_sign(&w, read, "doc1", "rev1");

    a = get("/api/v1/images");

    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"is_diagnostic\":false"));
    assert_non_null(strstr(a.body, "不能用于诊断"));
    assert_non_null(strstr(a.body, "\"images\":[{\"n\":1,\"label\":\"1/3\"},{\"n\":2,\"label\":"
                                   "\"2/3\"},{\"n\":3,\"label\":\"3/3\"}]"));
}

static void
each_number_is_its_picture(void **state)
{
    /* the second by number is the first by name: the archive's own picture of it */
    const struct archive_picture first = {.tenant = "T1",
                                          .study = STUDY,
                                          .series = STUDY ".1",
                                          .sop_instance = STUDY ".1.1",
                                          .frame = 1,
                                          .viewport = 1024,
                                          .quality = 80};
    struct patient_answer a;
    struct buf jpeg;
    struct err err = {0};

    (void)state;
    if (cluster == NULL)
        skip();
    buf_init(&jpeg, 1 << 20);
    if (archive_rendered(archive, &first, &jpeg, &err) < 0)
        fail_msg("%s", err.text);

    a = get("/api/v1/images/2.jpg");

    assert_int_equal(a.status, 200);
    assert_int_equal(a.n, jpeg.n);
    assert_memory_equal(a.body, jpeg.bytes, jpeg.n < sizeof a.body ? jpeg.n : sizeof a.body);
    buf_fini(&jpeg);
    assert_int_equal(get("/api/v1/images/3.jpg?window=2048,4096").status, 200);
}

static void
what_is_no_image_is_not_found(void **state)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {
        {"/api/v1/images/0.jpg", 404},
        {"/api/v1/images/4.jpg", 404},
        {"/api/v1/images/99999999999999999999.jpg", 404},
        {"/api/v1/images/1.png", 404},
        {"/api/v1/images/1", 404},
        {"/api/v1/images/-1.jpg", 404},
        {"/api/v1/images/1.jpg?window=1,2;drop", 400},
        {"/api/v1/images/1.jpg?window=%0d%0aX:y", 400},
    };

    (void)state;
    if (cluster == NULL)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (get(rows[i].path).status != rows[i].status)
            fail_msg("%s: %d", rows[i].path, get(rows[i].path).status);
    assert_int_equal(
        patient_world_call("GET", "/api/v1/images/1.jpg", NULL, NULL, NULL, NULL).status, 401);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_image_is_shown_before_a_report_stands),
        cmocka_unit_test(images_come_in_order_and_are_said_not_to_be_for_diagnosis),
        cmocka_unit_test(each_number_is_its_picture),
        cmocka_unit_test(what_is_no_image_is_not_found),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status) ||
        compose_signer_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
