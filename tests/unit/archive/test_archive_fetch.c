/* test_archive_fetch.c - bytes out of the archive and into it, over mutual TLS: the proxy's stream,
 * pictures, documents. */
#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "reader/archive/archive.h"
#include "tests/support/archive_reader.h"
#include "tests/support/ok.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct archive_world w;
static struct archive *archive;

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
documents_are_stored_once_and_images_never(void **state)
{
    struct slice other = study_report;
    struct heard h = {.text = ""};
    struct archive_standing standing;
    struct archive_file file;
    struct buf sr, changed, ct;
    struct err err;

    (void)state;
    study_put(&w);
    other.noise = 1;
    report_make(&study_report, &sr);
    report_make(&other, &changed);
    slice_make(&study_slices[2], &ct);
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
    vault_work(&w.vault);

    OK(archive_standing_get(archive, "clinic-a", "1.2.3", &standing, &err));
    assert_int_equal(standing.whole, 2);
    assert_int_equal(standing.revision, 1);
    OK(hear_more(archive, &h, 0, &err));
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
    study_put(&w);
    buf_init(&f.body, 1 << 20);
    slice_make(&study_slices[0], &file);
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

/* One bit in a quarter of the first or second store's pack: in the pixels of its first image. */
static void
spoil(int store)
{
    char pattern[300];
    struct stat st;
    glob_t found;
    uint8_t b;
    int fd;

    snprintf(pattern, sizeof pattern, "%s/packs/*/*/*.zip", w.vault.stores[store]);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &b, 1, st.st_size / 8), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, st.st_size / 8), 1);
    close(fd);
    globfree(&found);
}

#define IMAGE "/dicomweb/studies/1.2.3/series/1.2.3.9/instances/1.2.3.9.1"

static const struct {
    const char *path, *accept;
} ways_out[] = {
    {IMAGE, "Accept: application/dicom; transfer-syntax=*"},
    {IMAGE, "Accept: application/dicom; transfer-syntax=1.2.840.10008.1.2"},
    {IMAGE "/metadata", "Accept: application/dicom+json"},
    {IMAGE "/frames/1", "Accept: application/octet-stream"},
    {IMAGE "/frames/1/rendered", "Accept: image/jpeg"},
    {IMAGE "/thumbnail", "Accept: image/jpeg"},
    {IMAGE "/bulkdata/7FE00010", "Accept: application/octet-stream"},
};

static void
no_way_out_shows_a_bit_that_flipped(void **state)
{
    struct fetched good[ARRAY_LEN(ways_out)] = {{0}}, f = {0};
    struct err err;

    (void)state;
    study_put(&w);
    buf_init(&f.body, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(ways_out); i++) {
        buf_init(&good[i].body, 1 << 20);
        OK(fetch(NULL, "clinic-a", ways_out[i].path, ways_out[i].accept, &good[i], &err));
        assert_int_equal(good[i].status, 200);
    }
    spoil(0);

    for (size_t i = 0; i < ARRAY_LEN(ways_out); i++) {
        OK(fetch(NULL, "clinic-a", ways_out[i].path, ways_out[i].accept, &f, &err));
        assert_int_equal(f.status, 200);
        assert_int_equal(f.body.n, good[i].body.n);
        assert_memory_equal(f.body.bytes, good[i].body.bytes, f.body.n);
    }
    spoil(1);
    for (size_t i = 0; i < ARRAY_LEN(ways_out); i++) {
        OK(fetch(NULL, "clinic-a", ways_out[i].path, ways_out[i].accept, &f, &err));
        assert_int_equal(f.status, 500);
        assert_non_null(strstr(buf_text(&f.body), "no copy of it is good"));
        buf_fini(&good[i].body);
    }
    buf_fini(&f.body);
}

static void
a_large_image_that_is_wrong_is_never_given_whole(void **state)
{
    struct slice large = study_slices[0];
    struct fetched f = {0};
    struct buf file;
    struct err err;

    (void)state;
    large.rows = 5840; /* 65 MiB: it is proven while it goes */
    vault_put(&w.vault, &study_gate, &large);
    vault_manifest(&w.vault, &study_gate, 1, &large, 1);
    vault_work(&w.vault);
    slice_make(&large, &file);
    buf_init(&f.body, 128 << 20);
    spoil(0);

    assert_int_equal(fetch(NULL, "clinic-a", IMAGE, ways_out[0].accept, &f, &err), -1);
    assert_int_equal(f.status, 200);
    assert_true(f.body.n < file.n);
    OK(fetch(NULL, "clinic-a", IMAGE, ways_out[0].accept, &f, &err));
    assert_int_equal(f.body.n, file.n);
    assert_memory_equal(f.body.bytes, file.bytes, file.n);
    buf_fini(&file);
    buf_fini(&f.body);
}

static void
a_picture_is_rendered(void **state)
{
    struct archive_picture picture = {.tenant = "clinic-a",
                                      .study = "1.2.3",
                                      .series = "1.2.3.9",
                                      .sop_instance = "1.2.3.9.1",
                                      .frame = 1,
                                      .viewport = 8,
                                      .quality = 80,
                                      .window = "2048,4096"};
    struct buf jpeg;
    struct err err;

    (void)state;
    study_put(&w);
    buf_init(&jpeg, 1 << 20);
    OK(archive_rendered(archive, &picture, &jpeg, &err));
    assert_true(jpeg.n > 100);
    assert_memory_equal(jpeg.bytes, "\xFF\xD8\xFF", 3);
    picture.frame = 9;
    assert_int_equal(archive_rendered(archive, &picture, &jpeg, &err), -1);
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
        TEST(no_way_out_shows_a_bit_that_flipped),
        TEST(a_large_image_that_is_wrong_is_never_given_whole),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
