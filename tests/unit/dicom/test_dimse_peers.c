/* test_dimse_peers.c - associations with stock senders, a byte-exact one, and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/dicom/part10.h"
#include "tests/support/dimse_receiver.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#define DATA "../shared/data/"
#define DSEND_SOURCE "../shared/bench/dsend.c"

static void
echoscu_is_answered(void **state)
{
    char out[4096];

    (void)state;
    if (!program_is_there("echoscu"))
        skip();
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    const char *argv[] = {
        "echoscu", "-aet", "TEST", "-aec", "ANY", "127.0.0.1", dimse_receiver_port(), NULL};

    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    dimse_receiver_wait(&dimse_receiver.ended, 1);
    assert_int_equal(dimse_receiver.echoes, 1);
    dimse_receiver_stop();
}

/* The data set in the file, after its meta group. */
static uint8_t *
dataset_of(const char *path, size_t *out_n, char syntax[65])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *bytes = malloc((size_t)size);
    struct dcm_part10 part10;
    struct err err = {0};

    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    close(fd);
    assert_int_equal(dcm_part10_parse(bytes, (size_t)size, &part10, &err), 0);
    memcpy(syntax, part10.transfer_syntax, 65);
    *out_n = (size_t)size - part10.dataset_at;
    memmove(bytes, bytes + part10.dataset_at, *out_n);
    return bytes;
}

/* dsend offers a file's own syntax alone: what arrives must be its bytes, in every syntax. */
static void
every_syntax_arrives_byte_for_byte(void **state)
{
    static const char *const names[] = {"ct-explicit-le",
                                        "ct-implicit-le",
                                        "ct-explicit-be",
                                        "ct-deflated",
                                        "ct-rle",
                                        "ct-jpeg-baseline",
                                        "ct-jpeg-lossless-sv1",
                                        "ct-jpeg-ls",
                                        "ct-j2k-lossless",
                                        "ct-j2k",
                                        "derived-ct-htj2k",
                                        "derived-ct-htj2k-lossless-rpcl",
                                        "htj2k-lossless-rgb",
                                        "seg-deflated-frame",
                                        "derived-video-h264"};
    char dir[FOLDER_PATH_BYTES], out[4096], list[512], path[500];

    (void)state;
    if (access(DSEND_SOURCE, R_OK) < 0 || access(DATA "transfer-syntaxes", R_OK) < 0 ||
        !program_is_there("cc")) {
        print_message("SKIPPED: no ../shared/bench or ../shared/data\n");
        skip();
    }
    folder_make("dimse", dir);
    char *dsend = mem_printf("%s/dsend", dir);
    assert_int_equal(program_compile(DSEND_SOURCE, dsend), 0);
    dimse_receiver_start(0, (struct dimse_deadlines){0});

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char syntax[65];
        size_t n;
        snprintf(path, sizeof path, "%stransfer-syntaxes/%s.dcm", DATA, names[i]);
        snprintf(list, sizeof list, "%s\n", path);
        uint8_t *wanted = dataset_of(path, &n, syntax);

        const char *argv[] = {dsend, "-p", dimse_receiver_port(), "-c", "ANY", "-a", "DSEND", NULL};
        print_message("%s\n", names[i]);
        assert_int_equal(program_run(argv, list, out, sizeof out), 0);
        assert_string_equal(dimse_receiver.syntax, syntax);
        assert_int_equal(dimse_receiver.last.n, n);
        assert_memory_equal(dimse_receiver.last.bytes, wanted, n);
        free(wanted);
    }
    assert_int_equal(dimse_receiver.stored, ARRAY_LEN(names));
    free(dsend);
    folder_remove(dir);
    dimse_receiver_stop();
}

static void
sixteen_associations_of_stock_senders_at_once(void **state)
{
    char out[4096];
    struct buf list;
    char dir[FOLDER_PATH_BYTES];

    (void)state;
    if (access(DSEND_SOURCE, R_OK) < 0 || access(DATA "ct-series", R_OK) < 0 ||
        !program_is_there("cc") || !program_is_there("storescu")) {
        print_message("SKIPPED: no ../shared/bench, ../shared/data or storescu\n");
        skip();
    }
    folder_make("dimse", dir);
    char *dsend = mem_printf("%s/dsend", dir);
    assert_int_equal(program_compile(DSEND_SOURCE, dsend), 0);
    buf_init(&list, 65536);
    for (int i = 0; i < 160; i++)
        buf_add_text(&list, DATA "transfer-syntaxes/ct-explicit-le.dcm\n");
    dimse_receiver_start(0, (struct dimse_deadlines){0});

    const char *many[] = {dsend, "-p", dimse_receiver_port(), "-c", "ANY", "-n", "16", NULL};
    assert_int_equal(program_run(many, buf_text(&list), out, sizeof out), 0);
    assert_int_equal(dimse_receiver.stored, 160);
    buf_fini(&list);
    const char *stock[] = {"storescu",
                           "-aet",
                           "TEST",
                           "-aec",
                           "ANY",
                           "+sd",
                           "+r",
                           "127.0.0.1",
                           dimse_receiver_port(),
                           DATA "ct-prior",
                           NULL};
    int rc = program_run(stock, NULL, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_in_range(dimse_receiver.stored, 161, 100000);
    assert_int_equal(dimse_receiver.lost, 0);
    free(dsend);
    folder_remove(dir);
    dimse_receiver_stop();
}

static void
hostile_pdus_end_their_connection_only(void **state)
{
    char script[] = "exec ../shared/faults/feed -p \"$1\" -t 3 -P \"$2\" -m 1500 "
                    "../shared/data/malformed/own/pdu/*.bin";
    char pid[16], out[16384];

    (void)state;
    if (access("../shared/faults/feed", X_OK) < 0 || access(DATA "malformed/own/pdu", R_OK) < 0) {
        print_message("SKIPPED: no ../shared/faults or ../shared/data\n");
        skip();
    }
    dimse_receiver_start(
        0, (struct dimse_deadlines){.associate_ms = 2000, .pdu_ms = 2000, .idle_ms = 2000});
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const char *argv[] = {"sh", "-c", script, "sh", dimse_receiver_port(), pid, NULL};

    int rc = program_run(argv, NULL, out, sizeof out);

    print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_non_null(strstr(out, " 0 held open"));
    dimse_receiver_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoscu_is_answered),
        cmocka_unit_test(every_syntax_arrives_byte_for_byte),
        cmocka_unit_test(sixteen_associations_of_stock_senders_at_once),
        cmocka_unit_test(hostile_pdus_end_their_connection_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
