/* test_dimse.c - associations with stock programs and with ourselves, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/dimse_pdu.h"
#include "proto/dicom/part10.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/folder.h"
#include "tests/support/run_program.h"

#define DATA "../shared/data/"
#define DSEND_SOURCE "../shared/bench/dsend.c"

/* A receiver that keeps what came in memory. */
struct receiver {
    struct dimse_listener *listener;
    struct gate gate;
    bool is_held; /* serve() waits until it is let go */
    unsigned serving, stored, echoes, ended, lost;
    unsigned notes[4];
    char syntax[65];
    char instance[65];
    struct buf last;
};

static struct receiver receiver;

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    (void)user;
    if (strcmp(peer->calling, "STRANGER") == 0)
        return DIMSE_CALLING_UNKNOWN;
    return strcmp(peer->called, "WRONG") == 0 ? DIMSE_CALLED_UNKNOWN : DIMSE_ADMITTED;
}

static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)user;
    (void)peer_is_scp;
    if (strcmp(abstract_syntax, DCM_UID_VERIFICATION) == 0)
        return DIMSE_PLAIN_SYNTAX;
    return dcm_sop_class_find(abstract_syntax) ? DIMSE_ANY_SYNTAX : DIMSE_NOT_OFFERED;
}

static void
note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err, void *user)
{
    struct receiver *r = user;

    (void)peer;
    (void)err;
    gate_lock(&r->gate);
    r->notes[what]++;
    gate_wake(&r->gate);
    gate_unlock(&r->gate);
}

static int
serve_one(struct receiver *r, struct dimse_assoc *assoc, const struct dimse_command *rq,
          struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, DIMSE_SUCCESS);
    struct buf data;
    int rc = 0;

    buf_init(&data, (size_t)64 << 20);
    if (rq->has_data)
        rc = dimse_collect_data(assoc, &data, err);
    if (rc == 0) {
        gate_lock(&r->gate);
        r->stored += rq->field == DIMSE_C_STORE_RQ;
        r->echoes += rq->field == DIMSE_C_ECHO_RQ;
        buf_clear(&r->last);
        buf_add(&r->last, data.bytes, data.n);
        snprintf(r->syntax, sizeof r->syntax, "%s",
                 dimse_context(assoc, rq->context)->transfer_syntax);
        snprintf(r->instance, sizeof r->instance, "%s", rq->sop_instance);
        gate_unlock(&r->gate);
        rc = dimse_send_command(assoc, &rsp, err);
    }
    buf_fini(&data);
    return rc;
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct receiver *r = user;
    struct dimse_command rq = {.field = 0};
    struct err err = {0};
    int rc = 0;

    gate_lock(&r->gate);
    r->serving++;
    gate_wake(&r->gate);
    while (r->is_held)
        gate_wait(&r->gate);
    gate_unlock(&r->gate);
    do {
        rc = dimse_next_command(assoc, &rq, &err);
        if (rc == 0 && rq.field != DIMSE_END)
            rc = serve_one(r, assoc, &rq, &err);
    } while (rc == 0 && rq.field != DIMSE_END);
    gate_lock(&r->gate);
    r->serving--;
    if (rc == 0)
        r->ended++;
    else
        r->lost++;
    gate_wake(&r->gate);
    gate_unlock(&r->gate);
}

static void
start(size_t max_associations, struct dimse_deadlines deadlines)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .max_associations = max_associations,
                                             .deadlines = deadlines,
                                             .admit = admit,
                                             .offers = offers,
                                             .serve = serve,
                                             .note = note,
                                             .user = &receiver};
    struct err err = {0};

    memset(&receiver, 0, sizeof receiver);
    gate_init(&receiver.gate);
    buf_init(&receiver.last, (size_t)64 << 20);
    if (dimse_listen(&options, &receiver.listener, &err) < 0)
        fail_msg("%s", err.text);
}

static void
stop(void)
{
    dimse_listener_free(&receiver.listener);
    buf_fini(&receiver.last);
    gate_fini(&receiver.gate);
}

static void
wait_until(unsigned *counter, unsigned value)
{
    int64_t end_ms = clock_mono_ms() + 30000;

    gate_lock(&receiver.gate);
    while (*counter < value && clock_mono_ms() < end_ms)
        (void)gate_wait_ms(&receiver.gate, 1000);
    unsigned now = *counter;
    gate_unlock(&receiver.gate);
    assert_in_range(now, value, 1000000);
}

static const char *
port_text(void)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", dimse_listener_port(receiver.listener));
    return text;
}

static int
dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(dimse_listener_port(receiver.listener)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Connect as a requestor of ours with one context. */
static int
connect_ours(const char *calling, const char *called, struct dimse_assoc **out, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_VERIFICATION, plain, 2},
                                         {DCM_UID_CT_IMAGE, plain, 2},
                                         {"1.2.840.10008.1.20.1", plain, 2}};
    struct dimse_connect_options options = {.host = "127.0.0.1",
                                            .port = dimse_listener_port(receiver.listener),
                                            .calling = calling,
                                            .called = called};

    return dimse_connect(&options, proposals, 3, out, err);
}

static void
echo_ours(struct dimse_assoc *assoc)
{
    struct dimse_command rq = {
        .context = 1, .field = DIMSE_C_ECHO_RQ, .message_id = 1, .sop_class = DCM_UID_VERIFICATION};
    struct dimse_command rsp;
    struct err err = {0};

    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.field, DIMSE_C_ECHO_RSP);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
}

static void
our_requestor_and_acceptor_agree(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    start(0, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    assert_non_null(dimse_context_for(assoc, DCM_UID_VERIFICATION, NULL));
    assert_non_null(dimse_context_for(assoc, DCM_UID_CT_IMAGE, DCM_UID_EXPLICIT_LE));
    assert_null(dimse_context_for(assoc, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE));
    assert_null(dimse_context_for(assoc, "1.2.840.10008.1.20.1", NULL));
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    wait_until(&receiver.ended, 1);

    assert_int_equal(receiver.lost, 0);
    stop();
}

static void
large_data_set_passes_both_ways_whole(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rq = {.context = 3,
                               .field = DIMSE_C_STORE_RQ,
                               .message_id = 1,
                               .has_data = true,
                               .sop_class = DCM_UID_CT_IMAGE,
                               .sop_instance = "1.2.3"};
    struct dimse_command rsp;
    struct err err = {0};
    size_t n = 3 * 131072 + 77;
    uint8_t *bytes = malloc(n);

    (void)state;
    start(0, (struct dimse_deadlines){0});
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 131 + i / 977);

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 3, bytes, 200001, false, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 3, bytes + 200001, n - 200001, true, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    assert_int_equal(receiver.last.n, n);
    assert_memory_equal(receiver.last.bytes, bytes, n);
    free(bytes);
    stop();
}

static void
strangers_are_refused_with_the_right_words(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    start(0, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("STRANGER", "ANY", &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "(1, 1, 3)"));
    assert_int_equal(connect_ours("OURS", "WRONG", &assoc, &err), -1);
    assert_non_null(strstr(err.text, "(1, 1, 7)"));
    wait_until(&receiver.notes[DIMSE_NOTE_REFUSED], 2);
    stop();
}

static void
one_association_too_many_is_refused_for_the_moment(void **state)
{
    struct dimse_assoc *first = NULL, *second = NULL, *third = NULL;
    struct err err = {0};

    (void)state;
    start(2, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("A", "ANY", &first, &err), 0);
    assert_int_equal(connect_ours("B", "ANY", &second, &err), 0);
    assert_int_equal(connect_ours("C", "ANY", &third, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "(2, 3, 2)"));
    echo_ours(first);
    dimse_abort(&second);
    wait_until(&receiver.lost, 1);
    while (dimse_listener_associations(receiver.listener) > 1)
        (void)sched_yield();
    assert_int_equal(connect_ours("C", "ANY", &third, &err), 0);
    assert_int_equal(dimse_release(&third, &err), 0);
    assert_int_equal(dimse_release(&first, &err), 0);
    stop();
}

static void
half_begun_connections_do_not_harm_a_working_one(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    int fds[60];
    char end;

    (void)state;
    start(2, (struct dimse_deadlines){.associate_ms = 1500});
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial();
        assert_int_equal(write(fds[i], "\1\0", i % 3), i % 3);
    }

    int64_t begun_ms = clock_mono_ms();
    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    echo_ours(assoc);
    assert_in_range(clock_mono_ms() - begun_ms, 0, 1000);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) { /* each ends by itself */
        assert_int_equal(read(fds[i], &end, 1), 0);
        close(fds[i]);
    }
    assert_in_range(clock_mono_ms() - begun_ms, 1000, 10000);
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    assert_int_equal(receiver.notes[DIMSE_NOTE_SILENT], ARRAY_LEN(fds));
    stop();
}

static void
more_half_begun_than_fit_push_the_oldest_out(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    int fds[300];
    char end;

    (void)state;
    start(2, (struct dimse_deadlines){0});
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = dial();

    assert_int_equal(read(fds[0], &end, 1), 0);
    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    stop();
}

static void
idle_association_ends_at_its_deadline(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rsp;
    struct err err = {0};

    (void)state;
    start(0, (struct dimse_deadlines){.idle_ms = 300});

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    wait_until(&receiver.lost, 1);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), -1);
    dimse_abort(&assoc);
    stop();
}

/* A P-DATA that says 100 bytes and never brings them. */
static void
slow_pdu_ends_at_its_deadline(void **state)
{
    uint8_t start_of_pdu[] = {4, 0, 0, 0, 0, 100, 0, 0, 0, 96, 1, 3};
    char bytes[4096];
    int fd;

    (void)state;
    if (access(DATA "malformed/own/pdu/ok-echo.bin", R_OK) < 0) {
        print_message("SKIPPED: no %s\n", DATA "malformed/own/pdu");
        skip();
    }
    start(0, (struct dimse_deadlines){.pdu_ms = 300, .idle_ms = 20000});
    int file = open(DATA "malformed/own/pdu/ok-echo.bin", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(file, bytes, 249);
    close(file);
    fd = dial();

    assert_int_equal(write(fd, bytes, (size_t)n), n);
    assert_int_equal(write(fd, start_of_pdu, sizeof start_of_pdu), sizeof start_of_pdu);
    wait_until(&receiver.lost, 1);
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
    stop();
}

static void
echoscu_is_answered(void **state)
{
    char out[4096];

    (void)state;
    if (!program_is_there("echoscu"))
        skip();
    start(0, (struct dimse_deadlines){0});
    const char *argv[] = {"echoscu", "-aet", "TEST", "-aec", "ANY", "127.0.0.1", port_text(), NULL};

    assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
    wait_until(&receiver.ended, 1);
    assert_int_equal(receiver.echoes, 1);
    stop();
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
    char dir[FOLDER_PATH_BYTES], out[4096], list[512];

    (void)state;
    if (access(DSEND_SOURCE, R_OK) < 0 || access(DATA "transfer-syntaxes", R_OK) < 0 ||
        !program_is_there("cc")) {
        print_message("SKIPPED: no ../shared/bench or ../shared/data\n");
        skip();
    }
    folder_make("dimse", dir);
    char *dsend = mem_printf("%s/dsend", dir);
    assert_int_equal(program_compile(DSEND_SOURCE, dsend), 0);
    start(0, (struct dimse_deadlines){0});

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char syntax[65];
        size_t n;
        snprintf(list, sizeof list, "%stransfer-syntaxes/%s.dcm", DATA, names[i]);
        uint8_t *wanted = dataset_of(list, &n, syntax);
        strcat(list, "\n");
        const char *argv[] = {dsend, "-p", port_text(), "-c", "ANY", "-a", "DSEND", NULL};
        print_message("%s\n", names[i]);
        assert_int_equal(program_run(argv, list, out, sizeof out), 0);
        assert_string_equal(receiver.syntax, syntax);
        assert_int_equal(receiver.last.n, n);
        assert_memory_equal(receiver.last.bytes, wanted, n);
        free(wanted);
    }
    assert_int_equal(receiver.stored, ARRAY_LEN(names));
    free(dsend);
    folder_remove(dir);
    stop();
}

static void
sixteen_associations_of_stock_senders_at_once(void **state)
{
    char out[4096], list[16384] = "";
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
    for (int i = 0; i < 160; i++)
        strcat(list, DATA "transfer-syntaxes/ct-explicit-le.dcm\n");
    start(0, (struct dimse_deadlines){0});

    const char *many[] = {dsend, "-p", port_text(), "-c", "ANY", "-n", "16", NULL};
    assert_int_equal(program_run(many, list, out, sizeof out), 0);
    assert_int_equal(receiver.stored, 160);
    const char *stock[] = {"storescu", "-aet",      "TEST",      "-aec",          "ANY", "+sd",
                           "+r",       "127.0.0.1", port_text(), DATA "ct-prior", NULL};
    int rc = program_run(stock, NULL, out, sizeof out);
    if (rc != 0)
        print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_in_range(receiver.stored, 161, 100000);
    assert_int_equal(receiver.lost, 0);
    free(dsend);
    folder_remove(dir);
    stop();
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
    start(0, (struct dimse_deadlines){.associate_ms = 2000, .pdu_ms = 2000, .idle_ms = 2000});
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    const char *argv[] = {"sh", "-c", script, "sh", port_text(), pid, NULL};

    int rc = program_run(argv, NULL, out, sizeof out);

    print_message("%s", out);
    assert_int_equal(rc, 0);
    assert_non_null(strstr(out, " 0 held open"));
    stop();
}

static void
stopping_ends_open_associations(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    struct dimse_command rsp;

    (void)state;
    start(0, (struct dimse_deadlines){0});
    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    wait_until(&receiver.serving, 1);

    stop();

    assert_int_equal(dimse_next_command(assoc, &rsp, &err), -1);
    dimse_abort(&assoc);
}

static void
nobody_listening_is_worth_a_retry(void **state)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposal = {DCM_UID_VERIFICATION, plain, 1};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .port = 9, .calling = "A", .called = "B"};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(dimse_connect(&options, &proposal, 1, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
}

/* What is not an association request gets A-ABORT from the upper layer itself. */
static void
upper_layer_refuses_a_damaged_request(void **state)
{
    static const uint8_t pdu[] = {1, 0, 0, 0, 0, 4, 1, 2, 3, 4};
    struct upper_limits limits = {1000, 1000, 1000, 131072};
    struct upper_assoc *assoc = NULL;
    struct err err = {0};
    int pair[2];
    uint8_t answer[16];

    (void)state;
    start(0, (struct dimse_deadlines){0});
    pair[0] = dial();
    assert_int_equal(write(pair[0], "", 0), 0);
    pair[1] = dup(pair[0]);

    assert_int_equal(upper_receive(pair[1], pdu, sizeof pdu, &limits, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_null(assoc);
    while (read(pair[0], answer, sizeof answer) > 0) /* our own listener took it for a request */
        ;
    close(pair[0]);
    stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_requestor_and_acceptor_agree),
        cmocka_unit_test(large_data_set_passes_both_ways_whole),
        cmocka_unit_test(strangers_are_refused_with_the_right_words),
        cmocka_unit_test(one_association_too_many_is_refused_for_the_moment),
        cmocka_unit_test(half_begun_connections_do_not_harm_a_working_one),
        cmocka_unit_test(more_half_begun_than_fit_push_the_oldest_out),
        cmocka_unit_test(idle_association_ends_at_its_deadline),
        cmocka_unit_test(slow_pdu_ends_at_its_deadline),
        cmocka_unit_test(echoscu_is_answered),
        cmocka_unit_test(every_syntax_arrives_byte_for_byte),
        cmocka_unit_test(sixteen_associations_of_stock_senders_at_once),
        cmocka_unit_test(hostile_pdus_end_their_connection_only),
        cmocka_unit_test(stopping_ends_open_associations),
        cmocka_unit_test(nobody_listening_is_worth_a_retry),
        cmocka_unit_test(upper_layer_refuses_a_damaged_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
