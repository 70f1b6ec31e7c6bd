/* test_dimse_archive.c - DCMTK's tools against the archive itself: PostgreSQL, two landing folders,
 * codec workers. What went in by C-STORE comes back by C-GET and C-MOVE with the same pixels and
 * data set, in whatever syntax it was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "proto/codec/codec.h"
#include "proto/dicom/facts.h"
#include "proto/trust/token.h"
#include "storage/keep/keep_own.h"
#include "storage/serve/dimse_serve.h"
#include "tests/support/ok.h"
#include "tests/support/vault.h"
#include "tests/support/run_program.h"

#define DATA "../shared/data/transfer-syntaxes/"
#define DSEND_SOURCE "../shared/bench/dsend.c"

static struct pg_cluster *cluster;
static struct codec_pool *pool;
static struct vault archive;
static struct dimse_serve *door;
static char work[FOLDER_PATH_BYTES];

static uint16_t
free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void
enrol(const char *tenant, const char *title, uint16_t port)
{
    struct keep_ae ae = {.port = port, .rights = RIGHT_QUERY | RIGHT_RETRIEVE | RIGHT_STORE};
    struct err err = {0};

    snprintf(ae.tenant, sizeof ae.tenant, "%s", tenant);
    snprintf(ae.ae, sizeof ae.ae, "%s", title);
    snprintf(ae.host, sizeof ae.host, "127.0.0.1");
    OK(keep_ae_add(archive.keep, &ae, &err));
}

static const char *
port_text(void)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", dimse_serve_port(door));
    return text;
}

/* A file's pixels and data set digests, by the workers. */
static struct dcm_digests
digests_of(const char *path, struct dcm_facts *facts)
{
    struct codec_source source = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct dcm_digests digests;
    struct stat st;
    struct err err = {0};

    assert_true(source.fd >= 0 && fstat(source.fd, &st) == 0);
    source.size = (uint64_t)st.st_size;
    OK(codec_inspect(pool, &source, facts, &digests, &err));
    close(source.fd);
    return digests;
}

/* The path of the only file in a folder. */
static void
only_file(const char *folder, char out[512])
{
    DIR *d = opendir(folder);
    size_t n = 0;

    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(out, 512, "%s/%s", folder, e->d_name);
        n++;
    }
    closedir(d);
    assert_int_equal(n, 1);
}

/* Store by dsend, which offers the file's own syntax alone. */
static void
store(const char *dsend, const char *calling, const char *path)
{
    const char *argv[] = {dsend, "-p", port_text(), "-c", "ARCHIVE", "-a", calling, NULL};
    char list[512], out[2048];

    snprintf(list, sizeof list, "%s\n", path);
    int rc = program_run(argv, list, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
}

static int
get(const char *calling, const char *study, const char *folder)
{
    char key[128];
    static char out[16384];
    const char *argv[] = {"getscu", "-aet", calling,     "-aec",      "ARCHIVE",
                          "-od",    folder, "-S",        "-k",        "QueryRetrieveLevel=STUDY",
                          "-k",     key,    "127.0.0.1", port_text(), NULL};

    snprintf(key, sizeof key, "StudyInstanceUID=%s", study);
    return program_run(argv, NULL, out, sizeof out);
}

static void
what_was_stored_in_any_syntax_is_got_with_equal_pixels_and_data_set(void **state)
{
    static const struct {
        const char *file;
        bool is_lossless; /* else pixels are those of its decoding, and only there to be had */
    } rows[] = {{"ct-implicit-le.dcm", true},
                {"ct-jpeg-lossless-sv1.dcm", true},
                {"ct-rle.dcm", true},
                {"derived-ct-htj2k-lossless-rpcl.dcm", true},
                {"seg-deflated-frame.dcm", true},
                {"ct-jpeg-baseline.dcm", false}};
    struct dcm_facts *sent = mem_new(sizeof *sent), *got = mem_new(sizeof *got);

    (void)state;
    if (access(DSEND_SOURCE, R_OK) < 0 || access(DATA, R_OK) < 0 || !program_is_there("cc") ||
        !program_is_there("getscu")) {
        free(sent);
        free(got);
        print_message("SKIPPED: no ../shared/bench, ../shared/data or getscu\n");
        skip();
    }
    char *dsend = mem_printf("%s/dsend", work);
    assert_int_equal(program_compile(DSEND_SOURCE, dsend), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[512], title[17], folder[FOLDER_PATH_BYTES];
        print_message("%s\n", rows[i].file);
        /* Some of the files share a UID: each gets a clinic of its own. */
        snprintf(title, sizeof title, "T%zu", i);
        struct err err = {0};
        OK(keep_tenant_add(archive.keep, title, title, &err));
        enrol(title, title, 0);
        snprintf(path, sizeof path, DATA "%s", rows[i].file);
        store(dsend, title, path);
        struct dcm_digests before = digests_of(path, sent);
        folder_make("got", folder);
        assert_int_equal(get(title, sent->study_uid, folder), 0);
        only_file(folder, path);
        struct dcm_digests after = digests_of(path, got);
        assert_string_equal(got->sop_instance, sent->sop_instance);
        assert_string_equal(got->transfer_syntax, "1.2.840.10008.1.2.1");
        if (rows[i].is_lossless) {
            assert_memory_equal(before.pixels, after.pixels, sizeof before.pixels);
            assert_memory_equal(before.dataset, after.dataset, sizeof before.dataset);
        }
        folder_remove(folder);
    }
    free(dsend);
    free(sent);
    free(got);
}

/* A file of the test's own, stored by storescu. */
static void
store_slice(const char *calling, const struct slice *s)
{
    char path[512];
    static char out[16384];
    struct buf file;

    snprintf(path, sizeof path, "%s/%s.dcm", work, s->instance);
    slice_make(s, &file);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, file.bytes, file.n), file.n);
    close(fd);
    buf_fini(&file);
    const char *argv[] = {"storescu",  "-aet",      calling, "-aec", "ARCHIVE",
                          "127.0.0.1", port_text(), path,    NULL};
    int rc = program_run(argv, NULL, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
}

static size_t
find_studies(const char *calling, const char *name)
{
    char key[128];
    static char out[65536];
    const char *argv[] = {"findscu",
                          "-v",
                          "-aet",
                          calling,
                          "-aec",
                          "ARCHIVE",
                          "-S",
                          "-k",
                          "QueryRetrieveLevel=STUDY",
                          "-k",
                          "StudyInstanceUID",
                          "-k",
                          key,
                          "127.0.0.1",
                          port_text(),
                          NULL};
    size_t n = 0;

    snprintf(key, sizeof key, "PatientName=%s", name);
    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    for (const char *at = out; (at = strstr(at, "(Pending)")) != NULL; at++)
        n++;
    return n;
}

/* Three images of one study in two series, stored by a workstation of clinic A. */
static void
store_study(void)
{
    static const struct slice slices[] = {{.study = "1.2.9.1",
                                           .series = "1.2.9.1.1",
                                           .instance = "1.2.9.1.1.1",
                                           .patient_id = "P",
                                           .patient_name = "Li^Si",
                                           .number = 1,
                                           .noise = 1},
                                          {.study = "1.2.9.1",
                                           .series = "1.2.9.1.1",
                                           .instance = "1.2.9.1.1.2",
                                           .patient_id = "P",
                                           .patient_name = "Li^Si",
                                           .number = 2,
                                           .noise = 2},
                                          {.study = "1.2.9.1",
                                           .series = "1.2.9.1.2",
                                           .instance = "1.2.9.1.2.1",
                                           .patient_id = "P",
                                           .patient_name = "Li^Si",
                                           .number = 1,
                                           .noise = 3}};

    for (size_t i = 0; i < ARRAY_LEN(slices); i++)
        store_slice("VIEWERA", &slices[i]);
}

/* Move the first series; movescu is its own receiver. What it said. */
static int
move_series(const char *calling, uint16_t port, const char *folder, char *out, size_t out_size)
{
    char text[8];
    const char *argv[] = {"movescu",
                          "-v",
                          "-aet",
                          calling,
                          "-aec",
                          "ARCHIVE",
                          "-aem",
                          "DESTA",
                          "+P",
                          text,
                          "-od",
                          folder,
                          "-S",
                          "-k",
                          "QueryRetrieveLevel=SERIES",
                          "-k",
                          "StudyInstanceUID=1.2.9.1",
                          "-k",
                          "SeriesInstanceUID=1.2.9.1.1",
                          "127.0.0.1",
                          port_text(),
                          NULL};

    snprintf(text, sizeof text, "%u", port);
    return program_run(argv, NULL, out, out_size);
}

static void
stored_studies_are_found_and_moved_within_their_clinic_only(void **state)
{
    char moved[FOLDER_PATH_BYTES];
    static char out[65536];
    uint16_t destination = free_port();

    (void)state;
    if (!program_is_there("storescu") || !program_is_there("movescu"))
        skip();
    enrol("clinic-a", "VIEWERA", 0);
    enrol("clinic-b", "VIEWERB", 0);
    enrol("clinic-a", "DESTA", destination);
    store_study();

    assert_int_equal(find_studies("VIEWERA", "li*"), 1);
    assert_int_equal(find_studies("VIEWERA", "wang*"), 0);
    assert_int_equal(find_studies("VIEWERB", "li*"), 0);
    folder_make("moved", moved);
    int rc = move_series("VIEWERA", destination, moved, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_int_equal(folder_files(moved), 2);
    /* Another clinic: neither its destination nor its study. */
    (void)move_series("VIEWERB", destination, moved, out, sizeof out);
    assert_non_null(strstr(out, "MoveDestinationUnknown"));
    assert_int_equal(get("VIEWERB", "1.2.9.1", moved), 0);
    assert_int_equal(folder_files(moved), 2);
    folder_remove(moved);
}

static void
catalog_that_is_away_costs_time_only(void **state)
{
    static const struct slice late = {.study = "1.2.9.7",
                                      .series = "1.2.9.7.1",
                                      .instance = "1.2.9.7.1.1",
                                      .patient_id = "P7",
                                      .patient_name = "Wang^Wu",
                                      .number = 1,
                                      .noise = 9};
    static char out[16384];

    (void)state;
    if (!program_is_there("echoscu") || !program_is_there("storescu"))
        skip();
    const char *argv[] = {"echoscu", "-aet",      "VIEWERA",   "-aec",
                          "ARCHIVE", "127.0.0.1", port_text(), NULL};
    enrol("clinic-a", "VIEWERA", 0);
    pg_cluster_stop(cluster);
    assert_int_not_equal(program_run(argv, NULL, out, sizeof out), 0);
    assert_non_null(strstr(out, "Transient"));
    pg_cluster_restart(cluster);
    int rc = 1;
    for (int tries = 0; rc != 0 && tries < 50; tries++)
        rc = program_run(argv, NULL, out, sizeof out);
    assert_int_equal(rc, 0);
    store_slice("VIEWERA", &late);
    assert_int_equal(find_studies("VIEWERA", "wang*"), 1);
}

static int
start(void **state)
{
    struct dimse_serve_options options = {.address = "127.0.0.1", .ae = "ARCHIVE"};
    struct err err = {0};

    (void)state;
    log_set_fd(-1);
    OK(codec_pool_new(2, &pool, &err));
    cluster = pg_cluster_start();
    if (cluster == NULL)
        return 0;
    vault_open(&archive, cluster, "dimse");
    keep_close(&archive.keep);
    keep_inspect = codec_inspect;
    OK(keep_open_idle(&archive.options, pool, NULL, &archive.keep, &err));
    folder_make("dimse-archive", work);
    options.keep = archive.keep;
    options.pool = pool;
    options.scratch = work;
    OK(dimse_serve_start(&options, &door, &err));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    dimse_serve_stop(&door);
    if (cluster != NULL) {
        vault_close(&archive);
        pg_cluster_remove(&cluster);
        folder_remove(work);
    }
    codec_pool_free(&pool);
    return 0;
}

static int
need_cluster(void **state)
{
    (void)state;
    if (cluster == NULL) {
        print_message("SKIPPED: no PostgreSQL\n");
        skip();
    }
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_stored_in_any_syntax_is_got_with_equal_pixels_and_data_set,
                               need_cluster),
        cmocka_unit_test_setup(stored_studies_are_found_and_moved_within_their_clinic_only,
                               need_cluster),
        cmocka_unit_test_setup(catalog_that_is_away_costs_time_only, need_cluster),
    };
    int status;

    if (codec_worker_main_if_asked(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, start, stop);
}
