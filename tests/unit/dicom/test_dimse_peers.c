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
#include "tests/support/raw_peer.h"
#include "tests/support/run_program.h"

#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/syntax.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

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

/* A request of `contexts` for Verification, each with so many transfer syntaxes. */
static void
write_rq(unsigned contexts, unsigned syntaxes, struct buf *out)
{
    struct buf context, user;

    buf_init(&user, 512);
    raw_put_be(out, 1 << 16, 4);
    buf_add(out,
            "RADPOST         "
            "PACS            ",
            32);
    for (int i = 0; i < 8; i++)
        raw_put_be(out, 0, 4);
    raw_put_item(out, 0x10, "1.2.840.10008.3.1.1.1", 21);
    for (unsigned i = 0; i < contexts; i++) {
        buf_init(&context, 65536);
        raw_put_be(&context, (size_t)(2 * i + 1) << 24, 4);
        raw_put_item(&context, 0x30, "1.2.840.10008.1.1", 17);
        for (unsigned k = 0; k + 1 < syntaxes; k++)
            raw_put_item(&context, 0x40, "1.2.840.10008.1.2.4.100", 23);
        raw_put_item(&context, 0x40, DCM_UID_IMPLICIT_LE, strlen(DCM_UID_IMPLICIT_LE));
        raw_put_item(out, 0x20, context.bytes, context.n);
        buf_fini(&context);
    }
    raw_put_item(&user, 0x51, "\0\0\x40\0", 4);
    raw_put_item(&user, 0x52, "1.2.3", 5);
    raw_put_item(out, 0x50, user.bytes, user.n);
    buf_fini(&user);
}

static int
dial(void)
{
    uint64_t port;

    assert_int_equal(text_to_u64(dimse_receiver_port(), UINT16_MAX, &port), 0);
    return raw_dial((uint16_t)port);
}

/* A PACS that proposes all it has in every syntax that it knows was told that its request is none.
 */
static void
the_longest_honest_request_is_answered(void **state)
{
    struct raw_answer answer;
    struct buf rq;
    int fd;

    (void)state;
    buf_init(&rq, 1 << 20);
    write_rq(128, 50, &rq);
    assert_in_range(rq.n, 170000, 262144);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    fd = dial();

    raw_send_pdu(fd, PDU_ASSOCIATE_RQ, &rq);
    answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    assert_int_equal(answer.result[1], 0);
    assert_int_equal(answer.result[255], 0);
    close(fd);
    dimse_receiver_stop();
    buf_fini(&rq);
}

/* What is gathered of them is bounded; short ones are not held up. */
static void
of_long_requests_that_never_end_one_more_is_refused_and_a_short_one_is_not(void **state)
{
    enum { LONG_ONES = 70, TAKEN = 63 };                      /* less than 16 MiB */
    const uint8_t head[] = {PDU_ASSOCIATE_RQ, 0, 0, 4, 0, 0}; /* 256 KiB are to come */
    struct pollfd said[LONG_ONES];
    struct raw_answer answer;
    unsigned refused = 0;
    struct buf rq;
    int fd;

    (void)state;
    buf_init(&rq, 1 << 20);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    for (size_t i = 0; i < LONG_ONES; i++) {
        said[i] = (struct pollfd){dial(), POLLIN, 0};
        assert_int_equal(send(said[i].fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    }
    while (refused < LONG_ONES - TAKEN && poll(said, LONG_ONES, 5000) > 0)
        for (size_t i = 0; i < LONG_ONES; i++)
            if (said[i].revents != 0) {
                answer = raw_receive_answer(said[i].fd);
                assert_int_equal(answer.type, PDU_ASSOCIATE_RJ);
                assert_memory_equal(answer.refusal, "\2\3\2", 3);
                close(said[i].fd);
                said[i].fd = -1;
                refused++;
            }
    assert_int_equal(refused, LONG_ONES - TAKEN);

    write_rq(1, 1, &rq);
    fd = dial();
    raw_send_pdu(fd, PDU_ASSOCIATE_RQ, &rq);
    answer = raw_receive_answer(fd);

    assert_int_equal(answer.type, PDU_ASSOCIATE_AC);
    for (size_t i = 0; i < LONG_ONES; i++)
        if (said[i].fd >= 0)
            close(said[i].fd);
    close(fd);
    dimse_receiver_stop();
    buf_fini(&rq);
}

/* ---- who is asked for the server's role ---- */

#define COMMITMENT "1.2.840.10008.1.20.1"

struct acceptor {
    int fd;
    const char *roles; /* of its answer: SCU, SCP; NULL: no item */
};

static void
add_be16(struct buf *out, size_t v)
{
    buf_add_u8(out, (uint8_t)(v >> 8));
    buf_add_u8(out, (uint8_t)v);
}

static void
add_item(struct buf *out, uint8_t type, const void *value, size_t n)
{
    buf_add_u8(out, type);
    buf_add_u8(out, 0);
    add_be16(out, n);
    buf_add(out, value, n);
}

/* A-ASSOCIATE-AC to a request of one context. */
static void
write_ac(const char *roles, struct buf *out)
{
    struct buf body, context, user, role;

    buf_init(&body, 4096);
    buf_init(&context, 512);
    buf_init(&user, 512);
    buf_init(&role, 512);
    buf_add(&body,
            "\0\1\0\0"
            "RADPOST         "
            "CT1             ",
            36);
    for (int i = 0; i < 32; i++)
        buf_add_u8(&body, 0);
    add_item(&body, 0x10, "1.2.840.10008.3.1.1.1", 21);
    buf_add(&context, "\1\0\0\0", 4);
    add_item(&context, 0x40, DCM_UID_IMPLICIT_LE, strlen(DCM_UID_IMPLICIT_LE));
    add_item(&body, 0x21, context.bytes, context.n);
    add_item(&user, 0x51, "\0\0\x40\0", 4);
    add_item(&user, 0x52, "1.2.3", 5);
    if (roles != NULL) {
        add_be16(&role, strlen(COMMITMENT));
        buf_add_text(&role, COMMITMENT);
        buf_add(&role, roles, 2);
        add_item(&user, 0x54, role.bytes, role.n);
    }
    add_item(&body, 0x50, user.bytes, user.n);
    buf_add(out, "\2\0", 2);
    add_be16(out, 0);
    add_be16(out, body.n);
    buf_add(out, body.bytes, body.n);
    buf_fini(&body);
    buf_fini(&context);
    buf_fini(&user);
    buf_fini(&role);
}

static void *
accept_one(void *arg)
{
    struct acceptor *a = arg;
    int fd = accept(a->fd, NULL, NULL);
    uint8_t head[6], rest[4096];
    struct buf ac;

    buf_init(&ac, 4096);
    write_ac(a->roles, &ac);
    CHECK(recv(fd, head, 6, MSG_WAITALL) == 6);
    CHECK(recv(fd, rest, head[4] * 256u + head[5], MSG_WAITALL) > 0);
    CHECK(send(fd, ac.bytes, ac.n, MSG_NOSIGNAL) == (ssize_t)ac.n);
    CHECK(recv(fd, head, 6, 0) >= 0); /* until it is over */
    close(fd);
    buf_fini(&ac);
    return NULL;
}

/* A device that confirmed both roles was never told of its commitment. */
static void
the_servers_role_is_ours_where_the_peer_confirms_it(void **state)
{
    static const struct {
        const char *what, *roles;
        size_t contexts;
    } rows[] = {
        {"as proposed", "\0\1", 1}, {"both", "\1\1", 1},     {"the client's", "\1\0", 0},
        {"neither", "\0\0", 0},     {"not a word", NULL, 0},
    };
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposal = {COMMITMENT, plain, 1, true};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct acceptor a = {socket(AF_INET, SOCK_STREAM, 0), rows[i].roles};
        const struct dimse_context *context = NULL;
        struct dimse_connect_options to = {
            .host = "127.0.0.1", .calling = "RADPOST", .called = "CT1"};
        struct dimse_assoc *assoc = NULL;
        socklen_t n = sizeof at;
        struct err err = {0};
        pthread_t thread;

        assert_int_equal(bind(a.fd, (struct sockaddr *)&at, n), 0);
        assert_int_equal(listen(a.fd, 1), 0);
        assert_int_equal(getsockname(a.fd, (struct sockaddr *)&at, &n), 0);
        to.port = ntohs(at.sin_port);
        thread = thread_start("acceptor", accept_one, &a);
        if (dimse_connect(&to, &proposal, 1, &assoc, &err) < 0)
            fail_msg("%s: %s", rows[i].what, err.text);
        if (dimse_contexts(assoc, &context) != rows[i].contexts)
            fail_msg("%s: %zu", rows[i].what, dimse_contexts(assoc, &context));
        dimse_abort(&assoc);
        thread_join(thread);
        close(a.fd);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoscu_is_answered),
        cmocka_unit_test(every_syntax_arrives_byte_for_byte),
        cmocka_unit_test(sixteen_associations_of_stock_senders_at_once),
        cmocka_unit_test(hostile_pdus_end_their_connection_only),
        cmocka_unit_test(the_longest_honest_request_is_answered),
        cmocka_unit_test(
            of_long_requests_that_never_end_one_more_is_refused_and_a_short_one_is_not),
        cmocka_unit_test(the_servers_role_is_ours_where_the_peer_confirms_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
