/* test_archive_fetch.c - bytes out of the archive and into it, over mutual TLS: the proxy's stream,
 * pictures, documents. */
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "reader/archive/archive.h"
#include "tests/support/archive_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct archive_world w;
static struct archive *archive;
static const struct keep_sender gate_a = {"clinic-a", "gate-a", "test"};

static const struct slice slices[] = {
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.1", .number = 1, .noise = 1},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.2", .number = 2, .noise = 2},
    {.study = "1.2.3", .series = "1.2.3.9", .instance = "1.2.3.9.3", .number = 3, .noise = 3},
};
static const struct slice report = {
    .study = "1.2.3", .series = "1.2.3.900", .instance = "1.2.3.900.1"};

static int
begin(void **state)
{
    static int serial;
    char database[32];
    struct err err;

    (void)state;
    snprintf(database, sizeof database, "fetch%d", serial++);
    archive_world_open(&w, cluster, database, pool);
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
work(void)
{
    struct err err;
    int sealed;

    OK(keep_work(w.vault.keep, &sealed, &err));
}

/* Two images, closed. */
static void
fill(void)
{
    vault_put(&w.vault, &gate_a, &slices[0]);
    vault_put(&w.vault, &gate_a, &slices[1]);
    vault_manifest(&w.vault, &gate_a, 1, slices, 2);
    work();
}

struct heard {
    char text[2048];
    struct archive_cursor at;
    bool is_lost;
};

static int
hear(void *user, const struct archive_event *e)
{
    struct heard *h = user;
    size_t n = strlen(h->text);

    assert_true(e->seq > h->at.seq);
    assert_true(e->at_us > INT64_C(1600000000000000));
    h->at = (struct archive_cursor){e->seq, e->at_us};
    snprintf(h->text + n, sizeof h->text - n, "%s %s %s %u %u%s\n", e->tenant, e->kind, e->study,
             e->revision, (unsigned)e->instances, e->is_late ? " late" : "");
    return 0;
}

static int
hear_more(struct heard *h, unsigned wait_s, struct err *err)
{
    return archive_events(archive, &h->at, wait_s, hear, h, &h->is_lost, err);
}

static void
documents_are_stored_once_and_images_never(void **state)
{
    struct slice other = report;
    struct heard h = {.text = ""};
    struct archive_standing standing;
    struct archive_file file;
    struct buf sr, changed, ct;
    struct err err;

    (void)state;
    fill();
    other.noise = 1;
    report_make(&report, &sr);
    report_make(&other, &changed);
    slice_make(&slices[2], &ct);
    file = (struct archive_file){sr.bytes, sr.n};
    OK(archive_stow(archive, "clinic-a", "1.2.3", &file, 1, &err));
    OK(archive_stow(archive, "clinic-a", "1.2.3", &file, 1, &err));
    file = (struct archive_file){changed.bytes, changed.n};
    assert_int_equal(archive_stow(archive, "clinic-a", "1.2.3", &file, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    file = (struct archive_file){ct.bytes, ct.n};
    assert_int_equal(archive_stow(archive, "clinic-a", "1.2.3", &file, 1, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    file = (struct archive_file){sr.bytes, sr.n};
    assert_int_equal(archive_stow(archive, "clinic-a", "1.2.4", &file, 1, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(archive_stow(archive, "nowhere", "1.2.3", &file, 1, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    work();

    OK(archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2);
    assert_int_equal(standing.revision, 1);
    OK(hear_more(&h, 0, &err));
    assert_null(strstr(h.text, "late"));
    assert_null(strstr(h.text, "revision\":2"));
    buf_fini(&sr);
    buf_fini(&changed);
    buf_fini(&ct);
}

struct fetched {
    int status;
    char type[80];
    struct buf body;
    bool refuses_head, refuses_bytes;
    uint64_t size;
};

static int
on_head(void *user, const struct archive_head *head, struct err *err)
{
    struct fetched *f = user;

    assert_int_equal(f->status, 0); /* once */
    assert_int_equal(f->body.n, 0);
    f->status = head->status;
    f->size = head->size;
    if (!archive_head_find(head, "content-type", f->type, sizeof f->type))
        f->type[0] = '\0';
    return f->refuses_head ? err_set(err, ERR_FULL, "no head") : 0;
}

static int
on_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    struct fetched *f = user;

    assert_int_not_equal(f->status, 0);
    buf_add(&f->body, bytes, n);
    return f->refuses_bytes ? err_set(err, ERR_FULL, "no bytes") : 0;
}

static int
fetch(const char *method, const char *tenant, const char *path, const char *header,
      struct fetched *f, struct err *err)
{
    const char *const headers[] = {header, NULL};
    struct archive_request r = {.method = method,
                                .tenant = tenant,
                                .path = path,
                                .headers = headers,
                                .on_head = on_head,
                                .on_bytes = on_bytes,
                                .user = f};

    buf_clear(&f->body);
    f->status = 0;
    return archive_fetch(archive, &r, err);
}

static void
a_fetch_hands_on_status_headers_and_bytes(void **state)
{
    static const char object[] = "/dicomweb/studies/1.2.3/series/1.2.3.9/instances/1.2.3.9.1";
    struct fetched f = {0};
    struct buf file;
    struct err err;

    (void)state;
    fill();
    buf_init(&f.body, 1 << 20);
    slice_make(&slices[0], &file);
    OK(fetch(NULL, "clinic-a", object, "Accept: application/dicom", &f, &err));
    assert_int_equal(f.status, 200);
    assert_int_equal(strncmp(f.type, "application/dicom", 17), 0);
    assert_int_equal(f.body.n, file.n);
    assert_memory_equal(f.body.bytes, file.bytes, file.n);
    assert_int_equal(f.size, file.n);
    OK(fetch("HEAD", "clinic-a", object, "Accept: application/dicom", &f, &err));
    assert_int_equal(f.status, 200);
    assert_int_equal(f.body.n, 0);
    OK(fetch(NULL, "clinic-b", object, NULL, &f, &err));
    assert_int_equal(f.status, 404);
    assert_non_null(strstr(buf_text(&f.body), "\"error\""));
    OK(fetch(NULL, "clinic-a", "/dicomweb/studies/1.2.3/metadata", NULL, &f, &err));
    assert_int_equal(f.status, 200);
    f.refuses_bytes = true;
    assert_int_equal(fetch(NULL, "clinic-a", object, NULL, &f, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    f.refuses_head = true;
    assert_int_equal(fetch(NULL, "clinic-a", object, NULL, &f, &err), -1);
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(f.body.n, 0);
    assert_int_equal(fetch(NULL, "clinic-a", "/x HTTP/1.1", NULL, &f, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(fetch(NULL, "clinic-a\r\nX: y", object, NULL, &f, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(fetch(NULL, "clinic-a", object, "A: b\r\nC: d", &f, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    OK(archive_check(archive, &err)); /* and the connections are still good */
    buf_fini(&file);
    buf_fini(&f.body);
}

static void
a_picture_is_rendered(void **state)
{
    struct buf jpeg;
    struct err err;

    (void)state;
    fill();
    buf_init(&jpeg, 1 << 20);
    OK(archive_rendered(archive, "clinic-a", "1.2.3", "1.2.3.9", "1.2.3.9.1", 1, 8, 80, "2048,4096",
                        &jpeg, &err));
    assert_true(jpeg.n > 100);
    assert_memory_equal(jpeg.bytes, "\xFF\xD8\xFF", 3);
    assert_int_equal(archive_rendered(archive, "clinic-a", "1.2.3", "1.2.3.9", "1.2.3.9.1", 9, 0, 0,
                                      NULL, &jpeg, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    buf_fini(&jpeg);
}

static int
start(void **state)
{
    struct err err;

    (void)state;
    log_set_fd(-1);
    cluster = pg_cluster_start();
    return codec_pool_new(1, &pool, &err);
}

static int
stop(void **state)
{
    (void)state;
    codec_pool_free(&pool);
    pg_cluster_remove(&cluster);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(documents_are_stored_once_and_images_never),
        TEST(a_fetch_hands_on_status_headers_and_bytes),
        TEST(a_picture_is_rendered),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
