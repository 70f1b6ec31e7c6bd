/* test_dimse_pdvs.c - how a peer cuts its messages into PDVs, and packs these into PDUs, is its own
 * business (PS3.8 9.3.5.1): what arrives is the same bytes, on both sides of an association. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/dicom/dimse.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"
#include "tests/support/dimse_receiver.h"
#include "tests/support/raw_peer.h"

enum { COMMAND = 1, LAST = 2 };
enum { DATA_BYTES = 1000, CT_CONTEXT = 3, OTHER_CONTEXT = 5, MOST_CUTS = 8 };

struct cuts { /* lengths of all parts but the last, which has the rest */
    size_t n;
    size_t bytes[MOST_CUTS];
};

static const struct {
    const char *name;
    bool is_command_apart; /* in a PDU before that of the data set */
    struct cuts command, data;
} ways[] = {
    {"one PDV a PDU", true, {0}, {0}},
    {"command and data", false, {0}, {0}},
    {"command, 100 and the rest", false, {0}, {1, {100}}},
    {"three of a length", true, {0}, {2, {334, 334}}},
    {"50, 70 and the rest", true, {0}, {2, {50, 70}}},
    {"50, 70, 50 and the rest", true, {0}, {3, {50, 70, 50}}},
    {"long before short", true, {0}, {3, {700, 3, 200}}},
    {"command in two, data in three", false, {1, {20}}, {2, {7, 300}}},
    {"command in five", false, {4, {2, 40, 1, 6}}, {0}},
    {"odd and empty ones", false, {2, {0, 1}}, {5, {0, 1, 0, 333, 0}}},
    {"nothing in the last", false, {0}, {3, {499, 1, 500}}},
};

static uint8_t data_set[DATA_BYTES];

static void
make_data_set(void)
{
    for (size_t i = 0; i < DATA_BYTES; i++) /* read as lengths: small, huge and none */
        data_set[i] = (uint8_t)(i / 200 % 2 ? i : 0);
}

static const struct raw_context contexts[] = {
    {CT_CONTEXT, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, NULL},
    {OTHER_CONTEXT, DCM_UID_CT_IMAGE, DCM_UID_IMPLICIT_LE, NULL}};
static const struct raw_associate both = {"ANY", "PACKER", contexts, ARRAY_LEN(contexts)};

static void
put_part(struct buf *pdvs, uint8_t kind, const uint8_t *bytes, size_t n, const struct cuts *cuts)
{
    size_t at = 0;

    for (size_t i = 0; i < cuts->n; at += cuts->bytes[i++])
        raw_put_pdv(pdvs, CT_CONTEXT, kind, bytes + at, cuts->bytes[i]);
    raw_put_pdv(pdvs, CT_CONTEXT, kind | LAST, bytes + at, n - at);
}

static void
put_command(struct buf *pdvs, const struct dimse_command *command, const struct cuts *cuts)
{
    struct buf set;

    buf_init(&set, 4096);
    dimse_command_write(command, &set);
    put_part(pdvs, COMMAND, set.bytes, set.n, cuts);
    buf_fini(&set);
}

static int
associate(void)
{
    int fd = raw_dial(dimse_listener_port(dimse_receiver.listener));

    raw_send_associate(fd, PDU_ASSOCIATE_RQ, &both);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_ASSOCIATE_AC);
    return fd;
}

static struct dimse_command
store_request(void)
{
    return (struct dimse_command){.field = DIMSE_C_STORE_RQ,
                                  .message_id = 1,
                                  .has_data = true,
                                  .sop_class = DCM_UID_CT_IMAGE,
                                  .sop_instance = "1.2.3"};
}

static void
send_store(int fd, size_t way, struct buf *pdvs)
{
    struct dimse_command rq = store_request();

    put_command(pdvs, &rq, &ways[way].command);
    if (ways[way].is_command_apart)
        raw_send_pdu(fd, PDU_DATA, pdvs);
    put_part(pdvs, 0, data_set, DATA_BYTES, &ways[way].data);
    raw_send_pdu(fd, PDU_DATA, pdvs);
}

static void
as_acceptor_a_pdu_of_many_pdvs_arrives_byte_for_byte(void **state)
{
    struct buf pdvs;

    (void)state;
    make_data_set();
    buf_init(&pdvs, 65536);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    int fd = associate();

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        print_message("%s\n", ways[i].name);
        send_store(fd, i, &pdvs);
        assert_int_equal(raw_receive_pdu(fd, NULL), PDU_DATA);
        assert_int_equal(dimse_receiver.stored, i + 1);
        assert_int_equal(dimse_receiver.last.n, DATA_BYTES);
        assert_memory_equal(dimse_receiver.last.bytes, data_set, DATA_BYTES);
    }

    raw_put_be(&pdvs, 0, 4);
    raw_send_pdu(fd, PDU_RELEASE_RQ, &pdvs);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_RELEASE_RP);
    close(fd);
    buf_fini(&pdvs);
    dimse_receiver_stop();
}

static void
a_pdu_full_of_pdvs_of_a_byte_arrives(void **state)
{
    struct dimse_command rq = store_request();
    struct buf pdvs;

    (void)state;
    make_data_set();
    buf_init(&pdvs, 65536);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    int fd = associate();

    put_command(&pdvs, &rq, &(struct cuts){0});
    for (size_t i = 0; i < DATA_BYTES; i++)
        raw_put_pdv(&pdvs, CT_CONTEXT, i + 1 == DATA_BYTES ? LAST : 0, data_set + i, 1);
    raw_send_pdu(fd, PDU_DATA, &pdvs);

    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_DATA);
    assert_int_equal(dimse_receiver.last.n, DATA_BYTES);
    assert_memory_equal(dimse_receiver.last.bytes, data_set, DATA_BYTES);
    close(fd);
    buf_fini(&pdvs);
    dimse_receiver_stop();
}

/* A server that answers an echo and, in the same PDU where the way is such, stores to us. */
static void *
serve_packed(void *arg)
{
    int fd = accept4(*(int *)arg, NULL, NULL, SOCK_CLOEXEC);
    struct dimse_command echo = {
        .field = DIMSE_C_ECHO_RQ, .message_id = 7, .sop_class = DCM_UID_VERIFICATION};
    struct dimse_command rsp = dimse_answer(&echo, DIMSE_SUCCESS);
    struct buf pdvs;

    buf_init(&pdvs, 65536);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_ASSOCIATE_RQ);
    raw_send_associate(fd, PDU_ASSOCIATE_AC, &both);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        assert_int_equal(raw_receive_pdu(fd, NULL), PDU_DATA);
        put_command(&pdvs, &rsp, &ways[i].command);
        send_store(fd, i, &pdvs);
    }
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_ABORT);
    close(fd);
    buf_fini(&pdvs);
    return NULL;
}

static int
listen_raw(uint16_t *out_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *out_port = ntohs(at.sin_port);
    return fd;
}

/* The echo's answer, then the store that came behind it. */
static void
take_answer_and_store(struct dimse_assoc *assoc)
{
    struct dimse_command got = {0};
    struct buf data;
    struct err err = {0};

    buf_init(&data, 65536);
    assert_int_equal(dimse_next_command(assoc, &got, &err), 0);
    assert_int_equal(got.field, DIMSE_C_ECHO_RSP);
    assert_int_equal(dimse_next_command(assoc, &got, &err), 0);
    assert_int_equal(got.field, DIMSE_C_STORE_RQ);
    assert_string_equal(got.sop_instance, "1.2.3");
    assert_int_equal(dimse_collect_data(assoc, &data, &err), 0);
    assert_int_equal(data.n, DATA_BYTES);
    assert_memory_equal(data.bytes, data_set, DATA_BYTES);
    buf_fini(&data);
}

static void
as_requestor_a_pdu_of_many_pdvs_arrives_byte_for_byte(void **state)
{
    static const char *const plain[] = {DCM_UID_IMPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_VERIFICATION, plain, 1, false},
                                         {DCM_UID_CT_IMAGE, plain, 1, false},
                                         {DCM_UID_CT_IMAGE, plain, 1, false}};
    struct dimse_connect_options options = {
        .host = "127.0.0.1", .calling = "OURS", .called = "ANY"};
    struct dimse_command rq = {.context = CT_CONTEXT,
                               .field = DIMSE_C_ECHO_RQ,
                               .message_id = 7,
                               .sop_class = DCM_UID_VERIFICATION};
    struct dimse_assoc *assoc = NULL;
    struct err err = {0};

    (void)state;
    make_data_set();
    int listening = listen_raw(&options.port);
    pthread_t server = thread_start("server", serve_packed, &listening);
    assert_int_equal(dimse_connect(&options, proposals, 3, &assoc, &err), 0);

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        print_message("%s\n", ways[i].name);
        assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
        take_answer_and_store(assoc);
    }

    dimse_abort(&assoc);
    thread_join(server);
    close(listening);
}

/* Behind a good PDV in the same PDU. */
static const struct {
    const char *name;
    uint32_t length; /* as its length field says; 0xffffffff = as it is */
    uint8_t context, flags;
} strays[] = {
    {"length 0", 0, CT_CONTEXT, 0},
    {"length 1", 1, CT_CONTEXT, 0},
    {"length past the PDU", 5000, CT_CONTEXT, 0},
    {"length that wraps", 0xfffffffe, CT_CONTEXT, 0},
    {"another context", 0xffffffff, OTHER_CONTEXT, LAST},
    {"a context that was not agreed on", 0xffffffff, 99, LAST},
    {"a command inside a data set", 0xffffffff, CT_CONTEXT, COMMAND | LAST},
};

static void
send_stray(int fd, size_t row, struct buf *pdvs)
{
    struct dimse_command rq = store_request();

    put_command(pdvs, &rq, &(struct cuts){0});
    raw_put_pdv(pdvs, CT_CONTEXT, 0, data_set, 70);
    if (strays[row].length == 0xffffffff) {
        raw_put_pdv(pdvs, strays[row].context, strays[row].flags, data_set, 50);
    } else {
        raw_put_be(pdvs, strays[row].length, 4);
        buf_add(pdvs, data_set, 300);
    }
    raw_send_pdu(fd, PDU_DATA, pdvs);
}

static void
a_stray_pdv_inside_a_pdu_ends_its_association_only(void **state)
{
    struct buf pdvs;

    (void)state;
    make_data_set();
    buf_init(&pdvs, 65536);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    int good = associate();

    for (size_t i = 0; i < ARRAY_LEN(strays); i++) {
        int fd = associate();
        print_message("%s\n", strays[i].name);
        send_stray(fd, i, &pdvs);
        assert_int_equal(raw_receive_pdu(fd, NULL), PDU_ABORT);
        dimse_receiver_wait(&dimse_receiver.lost, (unsigned)i + 1);
        close(fd);
    }

    assert_int_equal(dimse_receiver.stored, 0);
    send_store(good, ARRAY_LEN(ways) - 1, &pdvs);
    assert_int_equal(raw_receive_pdu(good, NULL), PDU_DATA);
    assert_int_equal(dimse_receiver.stored, 1);
    close(good);
    buf_fini(&pdvs);
    dimse_receiver_stop();
}

/* 128 KiB is what we offer (limits.def): a PDU of that many bytes is taken, of one more refused. */
static void
a_pdu_past_the_limit_that_was_offered_is_refused(void **state)
{
    static uint8_t bytes[131072];
    struct dimse_command rq = store_request();
    struct buf pdvs;

    (void)state;
    buf_init(&pdvs, 262144);
    dimse_receiver_start(0, (struct dimse_deadlines){0});
    int fd = associate();

    put_command(&pdvs, &rq, &(struct cuts){0});
    raw_put_pdv(&pdvs, CT_CONTEXT, 0, bytes, 100);
    raw_put_pdv(&pdvs, CT_CONTEXT, LAST, bytes, sizeof bytes - pdvs.n - 6);
    assert_int_equal(pdvs.n, sizeof bytes);
    raw_send_pdu(fd, PDU_DATA, &pdvs);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_DATA);
    assert_int_equal(dimse_receiver.stored, 1);
    raw_put_be(&pdvs, PDU_DATA << 8, 2);
    raw_put_be(&pdvs, sizeof bytes + 1, 4);
    assert_int_equal(send(fd, pdvs.bytes, pdvs.n, MSG_NOSIGNAL), pdvs.n);
    assert_int_equal(raw_receive_pdu(fd, NULL), PDU_ABORT);

    close(fd);
    buf_fini(&pdvs);
    dimse_receiver_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_acceptor_a_pdu_of_many_pdvs_arrives_byte_for_byte),
        cmocka_unit_test(a_pdu_full_of_pdvs_of_a_byte_arrives),
        cmocka_unit_test(as_requestor_a_pdu_of_many_pdvs_arrives_byte_for_byte),
        cmocka_unit_test(a_stray_pdv_inside_a_pdu_ends_its_association_only),
        cmocka_unit_test(a_pdu_past_the_limit_that_was_offered_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
