/* test_dimse.c - associations with ourselves over loopback, good and bad. */
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
#include "proto/dicom/dcmtk/upper.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/dimse_pdu.h"
#include "proto/dicom/dimse_port.h"
#include "proto/dicom/syntax.h"
#include "proto/dicom/sopclass.h"
#include "tests/support/dimse_receiver.h"

#define DATA "../shared/data/"

static int
dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(dimse_listener_port(dimse_receiver.listener)),
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
    struct dimse_proposal proposals[] = {{DCM_UID_VERIFICATION, plain, 2, false},
                                         {DCM_UID_CT_IMAGE, plain, 2, false},
                                         {"1.2.840.10008.1.20.1", plain, 2, false}};
    struct dimse_connect_options options = {.host = "127.0.0.1",
                                            .port = dimse_listener_port(dimse_receiver.listener),
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
    dimse_receiver_start(0, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    assert_non_null(dimse_context_for(assoc, DCM_UID_VERIFICATION, NULL));
    assert_non_null(dimse_context_for(assoc, DCM_UID_CT_IMAGE, DCM_UID_EXPLICIT_LE));
    assert_null(dimse_context_for(assoc, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE));
    assert_null(dimse_context_for(assoc, "1.2.840.10008.1.20.1", NULL));
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    dimse_receiver_wait(&dimse_receiver.ended, 1);

    assert_int_equal(dimse_receiver.lost, 0);
    dimse_receiver_stop();
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
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 131 + i / 977);

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 3, bytes, 200001, false, &err), 0);
    assert_int_equal(dimse_send_data(assoc, 3, bytes + 200001, n - 200001, true, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    dimse_receiver_wait(&dimse_receiver.ended, 1);

    assert_int_equal(dimse_receiver.last.n, n);
    assert_memory_equal(dimse_receiver.last.bytes, bytes, n);
    free(bytes);
    dimse_receiver_stop();
}

static void
strangers_are_refused_with_the_right_words(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("STRANGER", "ANY", &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "(1, 1, 3)"));
    assert_int_equal(connect_ours("OURS", "WRONG", &assoc, &err), -1);
    assert_non_null(strstr(err.text, "(1, 1, 7)"));
    dimse_receiver_wait(&dimse_receiver.notes[DIMSE_NOTE_REFUSED], 2);
    dimse_receiver_stop();
}

static void
one_association_too_many_is_refused_for_the_moment(void **state)
{
    struct dimse_assoc *first = NULL, *second = NULL, *third = NULL;
    struct err err = {0};

    (void)state;
    dimse_receiver_start(2, (struct dimse_deadlines){0});

    assert_int_equal(connect_ours("A", "ANY", &first, &err), 0);
    assert_int_equal(connect_ours("B", "ANY", &second, &err), 0);
    assert_int_equal(connect_ours("C", "ANY", &third, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "(2, 3, 2)"));
    echo_ours(first);
    dimse_abort(&second);
    dimse_receiver_wait(&dimse_receiver.lost, 1);
    while (dimse_listener_associations(dimse_receiver.listener) > 1)
        (void)sched_yield();
    assert_int_equal(connect_ours("C", "ANY", &third, &err), 0);
    assert_int_equal(dimse_release(&third, &err), 0);
    assert_int_equal(dimse_release(&first, &err), 0);
    dimse_receiver_stop();
}

/* As often as it takes: the other's turn begins a moment after our answer came. */
static struct dimse_assoc *
connect_in_time(const char *calling)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    for (int i = 0; connect_ours(calling, "ANY", &assoc, &err) < 0 && i < 10000; i++)
        (void)sched_yield();
    if (assoc == NULL)
        fail_msg("%s: %s", calling, err.text);
    return assoc;
}

static bool
is_standing(struct dimse_assoc *assoc)
{
    struct dimse_command rq = {
        .context = 1, .field = DIMSE_C_ECHO_RQ, .message_id = 1, .sop_class = DCM_UID_VERIFICATION};
    struct dimse_command rsp;
    struct err err = {0};

    return dimse_send_command(assoc, &rq, &err) == 0 &&
           dimse_next_command(assoc, &rsp, &err) == 0 && rsp.field == DIMSE_C_ECHO_RSP;
}

static void
one_device_that_holds_all_places_shuts_out_no_other(void **state)
{
    struct dimse_assoc *hers[4] = {NULL}, *first, *second, *third = NULL;
    struct err err = {0};
    size_t standing = 0;

    (void)state;
    dimse_receiver_start(4, (struct dimse_deadlines){0});
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(connect_ours("US1", "ANY", &hers[i], &err), 0);
    dimse_receiver_wait(&dimse_receiver.serving, 4);
    for (unsigned i = 0; i < 4; i++)
        echo_ours(hers[i]); /* and it never releases */

    assert_int_equal(connect_ours("US1", "ANY", &third, &err), -1);
    first = connect_in_time("DR1");
    dimse_receiver_wait(&dimse_receiver.notes[DIMSE_NOTE_GAVE_WAY], 1);
    for (unsigned i = 0; i < 4; i++)
        standing += is_standing(hers[i]);
    assert_int_equal(standing, 3);
    second = connect_in_time("DR1");
    dimse_receiver_wait(&dimse_receiver.notes[DIMSE_NOTE_GAVE_WAY], 2);

    dimse_receiver_wait(&dimse_receiver.serving, 4);
    assert_int_equal(connect_ours("DR1", "ANY", &third, &err), -1); /* two each */
    assert_non_null(strstr(err.text, "(2, 3, 2)"));
    assert_true(is_standing(first));
    assert_true(is_standing(second));
    for (unsigned i = 0; i < 4; i++)
        dimse_abort(&hers[i]);
    dimse_abort(&first);
    dimse_abort(&second);
    dimse_receiver_stop();
}

/* So much that the listener has read from it when all of it is sent: more than sockets hold. */
enum { MOVING_BYTES = 32 << 20 };

static void
sender_in_the_middle_of_an_object_gives_way_only_when_it_stands_still(void **state)
{
    struct dimse_command rq = {.context = 3,
                               .field = DIMSE_C_STORE_RQ,
                               .message_id = 1,
                               .has_data = true,
                               .sop_class = DCM_UID_CT_IMAGE,
                               .sop_instance = "1.2.3"};
    struct dimse_assoc *hers[2] = {NULL}, *other = NULL;
    struct dimse_command rsp;
    struct err err = {0};
    uint8_t *bytes = calloc(1, MOVING_BYTES);

    (void)state;
    dimse_receiver_start(2, (struct dimse_deadlines){0});
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(connect_ours("CT1", "ANY", &hers[i], &err), 0);
    dimse_receiver_wait(&dimse_receiver.serving, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(dimse_send_command(hers[i], &rq, &err), 0);
        assert_int_equal(dimse_send_data(hers[i], 3, bytes, MOVING_BYTES, false, &err), 0);
    }

    assert_int_equal(connect_ours("DR1", "ANY", &other, &err), -1);
    assert_int_equal(dimse_send_data(hers[0], 3, bytes, 2, true, &err), 0);
    assert_int_equal(dimse_next_command(hers[0], &rsp, &err), 0);
    assert_int_equal(dimse_send_command(hers[0], &rq, &err), 0);
    assert_int_equal(dimse_send_data(hers[0], 3, bytes, MOVING_BYTES, false, &err), 0);
    assert_int_equal(connect_ours("DR1", "ANY", &other, &err), -1);
    clock_fake(clock_wall_us(), clock_mono_ms() + 20000);
    other = connect_in_time("DR1");
    clock_unfake();

    dimse_receiver_wait(&dimse_receiver.notes[DIMSE_NOTE_GAVE_WAY], 1);
    for (unsigned i = 0; i < 2; i++)
        dimse_abort(&hers[i]);
    dimse_abort(&other);
    free(bytes);
    dimse_receiver_stop();
}

static void
dial_half(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial();
        assert_int_equal(write(fds[i], "\1\0", i % 3), i % 3);
    }
}

static void
half_begun_connections_do_not_harm_a_working_one(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    int fds[60];
    char end;

    (void)state;
    dimse_receiver_start(2, (struct dimse_deadlines){.associate_ms = 600000});
    dial_half(fds, ARRAY_LEN(fds));

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) { /* they are all there still */
        assert_int_equal(recv(fds[i], &end, 1, MSG_DONTWAIT), -1);
        close(fds[i]);
    }
    dimse_receiver_stop();
}

static void
a_half_begun_connection_ends_by_itself_and_not_too_early(void **state)
{
    int64_t begun_ms = clock_mono_ms();
    int fds[60];
    char end;

    (void)state;
    dimse_receiver_start(2, (struct dimse_deadlines){.associate_ms = 300});
    dial_half(fds, ARRAY_LEN(fds));

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        assert_int_equal(read(fds[i], &end, 1), 0);
        close(fds[i]);
    }
    assert_true(clock_mono_ms() - begun_ms >= 300);
    dimse_receiver_wait(&dimse_receiver.notes[DIMSE_NOTE_SILENT], ARRAY_LEN(fds));
    dimse_receiver_stop();
}

static void
more_half_begun_than_fit_push_the_oldest_out(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    int fds[300];
    char end;

    (void)state;
    dimse_receiver_start(2, (struct dimse_deadlines){0});
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = dial();

    assert_int_equal(read(fds[0], &end, 1), 0);
    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    echo_ours(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    dimse_receiver_stop();
}

static void
idle_association_ends_at_its_deadline(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rsp;
    struct err err = {0};

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){.idle_ms = 300});

    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    dimse_receiver_wait(&dimse_receiver.lost, 1);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), -1);
    dimse_abort(&assoc);
    dimse_receiver_stop();
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
    dimse_receiver_start(0, (struct dimse_deadlines){.pdu_ms = 300, .idle_ms = 20000});
    int file = open(DATA "malformed/own/pdu/ok-echo.bin", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(file, bytes, 249);
    close(file);
    fd = dial();

    assert_int_equal(write(fd, bytes, (size_t)n), n);
    assert_int_equal(write(fd, start_of_pdu, sizeof start_of_pdu), sizeof start_of_pdu);
    dimse_receiver_wait(&dimse_receiver.lost, 1);
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
    dimse_receiver_stop();
}

static void
stopping_ends_open_associations(void **state)
{
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};
    struct dimse_command rsp;

    (void)state;
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    assert_int_equal(connect_ours("OURS", "ANY", &assoc, &err), 0);
    dimse_receiver_wait(&dimse_receiver.serving, 1);

    dimse_receiver_stop();

    assert_int_equal(dimse_next_command(assoc, &rsp, &err), -1);
    dimse_abort(&assoc);
}

static void
port_that_cannot_be_opened_says_why(void **state)
{
    struct err err = {0};
    uint16_t port, taken;
    int fd = -1, second = -1;

    (void)state;
    assert_int_equal(dimse_port_open("clinic.example", 0, &fd, &port, &err), -1);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(err.text, "clinic.example is not numeric"));
    assert_int_equal(dimse_port_open("127.0.0.1", 0, &fd, &taken, &err), 0);
    assert_int_equal(dimse_port_open("127.0.0.1", taken, &second, &port, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    close(second);
    close(fd);
}

static void
nobody_listening_is_worth_a_retry(void **state)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposal = {DCM_UID_VERIFICATION, plain, 1, false};
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
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    pair[0] = dial();
    assert_int_equal(write(pair[0], "", 0), 0);
    pair[1] = dup(pair[0]);

    assert_int_equal(upper_receive(pair[1], pdu, sizeof pdu, &limits, &assoc, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_null(assoc);
    while (read(pair[0], answer, sizeof answer) > 0) /* our own listener took it for a request */
        ;
    close(pair[0]);
    dimse_receiver_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_requestor_and_acceptor_agree),
        cmocka_unit_test(large_data_set_passes_both_ways_whole),
        cmocka_unit_test(strangers_are_refused_with_the_right_words),
        cmocka_unit_test(one_association_too_many_is_refused_for_the_moment),
        cmocka_unit_test(one_device_that_holds_all_places_shuts_out_no_other),
        cmocka_unit_test(sender_in_the_middle_of_an_object_gives_way_only_when_it_stands_still),
        cmocka_unit_test(half_begun_connections_do_not_harm_a_working_one),
        cmocka_unit_test(a_half_begun_connection_ends_by_itself_and_not_too_early),
        cmocka_unit_test(more_half_begun_than_fit_push_the_oldest_out),
        cmocka_unit_test(idle_association_ends_at_its_deadline),
        cmocka_unit_test(slow_pdu_ends_at_its_deadline),
        cmocka_unit_test(stopping_ends_open_associations),
        cmocka_unit_test(port_that_cannot_be_opened_says_why),
        cmocka_unit_test(nobody_listening_is_worth_a_retry),
        cmocka_unit_test(upper_layer_refuses_a_damaged_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
