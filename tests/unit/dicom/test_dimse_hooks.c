/* test_dimse_hooks.c - what a listener's owner can steer: the PDU limit of a device, connections
 * that came another way, and a wait that another thread can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/thread.h"
#include "proto/dicom/dimse.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/syntax.h"

struct owner {
    struct dimse_listener *listener;
    struct gate gate;
    struct dimse_assoc *open; /* the one being served */
    struct dimse_peer peer;
    uint32_t pdu_bytes;
    unsigned wakes, echoes, ended;
    bool is_lost;
};

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    struct owner *o = user;

    gate_lock(&o->gate);
    o->peer = *peer;
    gate_unlock(&o->gate);
    return DIMSE_ADMITTED;
}

static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)abstract_syntax;
    (void)peer_is_scp;
    (void)user;
    return DIMSE_PLAIN_SYNTAX;
}

static uint32_t
pdu_bytes(const struct dimse_peer *peer, void *user)
{
    assert_string_equal(peer->calling, "OURS");
    return ((struct owner *)user)->pdu_bytes;
}

static void
set_open(struct owner *o, struct dimse_assoc *assoc)
{
    gate_lock(&o->gate);
    o->open = assoc;
    gate_wake(&o->gate);
    gate_unlock(&o->gate);
}

static int
serve_one(struct owner *o, struct dimse_assoc *assoc, bool *out_is_end, struct err *err)
{
    struct dimse_command rq, rsp;
    bool is_woken;

    if (dimse_wait(assoc, &is_woken, err) < 0)
        return -1;
    gate_lock(&o->gate);
    o->wakes += is_woken;
    gate_wake(&o->gate);
    gate_unlock(&o->gate);
    if (is_woken)
        return 0;
    if (dimse_next_command(assoc, &rq, err) < 0)
        return -1;
    *out_is_end = rq.field == DIMSE_END;
    if (*out_is_end)
        return 0;
    if (rq.has_data && dimse_skip_data(assoc, err) < 0)
        return -1;
    rsp = dimse_answer(&rq, DIMSE_SUCCESS);
    gate_lock(&o->gate);
    o->echoes++;
    gate_unlock(&o->gate);
    return dimse_send_command(assoc, &rsp, err);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct owner *o = user;
    struct err err = {0};
    bool is_end = false;

    set_open(o, assoc);
    while (!is_end && !o->is_lost)
        if (serve_one(o, assoc, &is_end, &err) < 0)
            o->is_lost = true;
    set_open(o, NULL);
    gate_lock(&o->gate);
    o->ended++;
    gate_wake(&o->gate);
    gate_unlock(&o->gate);
}

static void
start(struct owner *o, uint32_t limit, int64_t idle_ms)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .deadlines = {.idle_ms = idle_ms, .pdu_ms = idle_ms},
                                             .admit = admit,
                                             .pdu_bytes = pdu_bytes,
                                             .offers = offers,
                                             .serve = serve,
                                             .user = o};
    struct err err = {0};

    *o = (struct owner){.pdu_bytes = limit};
    gate_init(&o->gate);
    assert_int_equal(dimse_listen(&options, &o->listener, &err), 0);
}

static void
stop(struct owner *o)
{
    dimse_listener_free(&o->listener);
    gate_fini(&o->gate);
}

static void
wait_for(struct owner *o, const unsigned *count, unsigned at_least)
{
    int64_t until_ms = clock_mono_ms() + 20000;

    gate_lock(&o->gate);
    while (*count < at_least) {
        assert_true(clock_mono_ms() < until_ms);
        (void)gate_wait_ms(&o->gate, 1000);
    }
    gate_unlock(&o->gate);
}

static struct dimse_assoc *
wait_open(struct owner *o)
{
    struct dimse_assoc *assoc;

    gate_lock(&o->gate);
    while (!o->open)
        (void)gate_wait_ms(&o->gate, 1000);
    assoc = o->open;
    gate_unlock(&o->gate);
    return assoc;
}

static void
connect_ours(struct owner *o, struct dimse_assoc **out)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE};
    struct dimse_proposal proposals[] = {{DCM_UID_VERIFICATION, plain, 1, false}};
    struct dimse_connect_options options = {.host = "127.0.0.1",
                                            .port = dimse_listener_port(o->listener),
                                            .calling = "OURS",
                                            .called = "ANY"};
    struct err err = {0};

    assert_int_equal(dimse_connect(&options, proposals, 1, out, &err), 0);
}

static void
echo(struct dimse_assoc *assoc)
{
    struct dimse_command rsp, rq = {.context = 1,
                                    .field = DIMSE_C_ECHO_RQ,
                                    .message_id = 1,
                                    .sop_class = DCM_UID_VERIFICATION};
    struct err err = {0};

    assert_int_equal(dimse_send_command(assoc, &rq, &err), 0);
    assert_int_equal(dimse_next_command(assoc, &rsp, &err), 0);
    assert_int_equal(rsp.status, DIMSE_SUCCESS);
}

static void
wake_ends_a_wait_and_harms_no_message(void **state)
{
    struct owner o;
    struct dimse_assoc *assoc;
    struct err err = {0};

    (void)state;
    start(&o, 0, 0);
    connect_ours(&o, &assoc);

    dimse_wake(wait_open(&o));
    wait_for(&o, &o.wakes, 1);
    echo(assoc);
    dimse_wake(wait_open(&o));
    wait_for(&o, &o.wakes, 2);
    echo(assoc);
    assert_int_equal(dimse_release(&assoc, &err), 0);
    wait_for(&o, &o.ended, 1);

    assert_false(o.is_lost);
    assert_int_equal(o.echoes, 2);
    stop(&o);
}

static void
waiting_ends_at_the_idle_deadline_with_an_abort(void **state)
{
    struct owner o;
    struct dimse_assoc *assoc;
    struct dimse_command rsp;
    struct err err = {0};

    (void)state;
    start(&o, 0, 200);
    connect_ours(&o, &assoc);

    assert_int_equal(dimse_next_command(assoc, &rsp, &err), -1);
    assert_non_null(strstr(err.text, "peer aborted"));
    wait_for(&o, &o.ended, 1);

    assert_true(o.is_lost);
    dimse_abort(&assoc);
    stop(&o);
}

/* A-ASSOCIATE-RQ with one context: verification, implicit little endian. */
static size_t
request_pdu(uint8_t *out)
{
    static const char application[] = "1.2.840.10008.3.1.1.1", verification[] = "1.2.840.10008.1.1",
                      implicit[] = "1.2.840.10008.1.2";
    static const uint8_t user[] = {0x50, 0, 0, 12, 0x51, 0, 0, 4, 0, 0, 0x40, 0, 0x52, 0, 0, 0};
    size_t n = 6;

    memset(out, 0, 512);
    out[0] = 1;
    out[7] = 1;
    memcpy(out + 10, "ANY             OURS            ", 32);
    n = 74;
    out[n] = 0x10;
    out[n + 3] = sizeof application - 1;
    memcpy(out + n + 4, application, sizeof application - 1);
    n += 4 + sizeof application - 1;
    out[n] = 0x20;
    out[n + 3] = 4 + 4 + sizeof verification - 1 + 4 + sizeof implicit - 1;
    out[n + 4] = 1;
    n += 8;
    out[n] = 0x30;
    out[n + 3] = sizeof verification - 1;
    memcpy(out + n + 4, verification, sizeof verification - 1);
    n += 4 + sizeof verification - 1;
    out[n] = 0x40;
    out[n + 3] = sizeof implicit - 1;
    memcpy(out + n + 4, implicit, sizeof implicit - 1);
    n += 4 + sizeof implicit - 1;
    memcpy(out + n, user, sizeof user);
    n += sizeof user;
    out[5] = (uint8_t)(n - 6);
    return n;
}

/* A command whose data set follows: Command Field C-STORE-RQ, Command Data Set Type 0. */
static const uint8_t store_pdu[] = {
    4, 0, 0,    0, 0, 0x30, 0, 0, 0,  0x2c, 1, 3, /* PDU, PDV, context 1, whole command */
    0, 0, 0,    0, 4, 0,    0, 0, 30, 0,    0, 0, /* group length */
    0, 0, 0,    1, 2, 0,    0, 0, 1,  0,          /* Command Field */
    0, 0, 0x10, 1, 2, 0,    0, 0, 1,  0,          /* Message ID */
    0, 0, 0,    8, 2, 0,    0, 0, 0,  0};         /* Command Data Set Type */

/* Read one PDU; its length. */
static size_t
read_pdu(int fd, uint8_t *out)
{
    size_t n = 0, wanted = 6;

    while (n < wanted) {
        ssize_t got = read(fd, out + n, wanted - n);
        assert_true(got > 0);
        n += (size_t)got;
        if (n == 6)
            wanted = 6 + ((size_t)out[4] << 8 | out[5]);
    }
    return n;
}

/* The maximum length that an A-ASSOCIATE-AC tells. */
static uint32_t
told_limit(const uint8_t *pdu, size_t n)
{
    static const uint8_t item[] = {0x51, 0, 0, 4};

    for (size_t i = 74; i + 8 <= n; i++)
        if (memcmp(pdu + i, item, 4) == 0)
            return (uint32_t)pdu[i + 4] << 24 | (uint32_t)pdu[i + 5] << 16 |
                   (uint32_t)pdu[i + 6] << 8 | pdu[i + 7];
    fail_msg("no maximum length item");
    return 0;
}

static void
taken_connection_is_served_like_any_other(void **state)
{
    struct owner o;
    uint8_t pdu[65536 + 6];
    int pair[2];
    size_t n = request_pdu(pdu);

    (void)state;
    start(&o, 0, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

    dimse_listener_take(o.listener, pair[1], "192.0.2.7", 4711, "ab12");
    assert_int_equal(write(pair[0], pdu, n), (ssize_t)n);
    n = read_pdu(pair[0], pdu);
    assert_int_equal(pdu[0], 2);
    assert_int_equal(told_limit(pdu, n), 131072);
    (void)wait_open(&o);
    assert_string_equal(o.peer.address, "192.0.2.7");
    assert_int_equal(o.peer.port, 4711);
    assert_string_equal(o.peer.fingerprint, "ab12");
    close(pair[0]);
    wait_for(&o, &o.ended, 1);

    assert_true(o.is_lost);
    stop(&o);
}

static void
taken_connection_that_says_nothing_goes_with_the_listener(void **state)
{
    struct owner o;
    int pair[2];
    char byte;

    (void)state;
    start(&o, 0, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);

    dimse_listener_take(o.listener, pair[1], "192.0.2.7", 4711, NULL);
    stop(&o);

    assert_int_equal(read(pair[0], &byte, 1), 0);
    close(pair[0]);
}

static void
each_device_is_told_its_own_pdu_limit(void **state)
{
    static const struct {
        const char *name;
        uint32_t wanted, told;
    } rows[] = {{"none", 0, 131072},
                {"least", 16384, 16384},
                {"too small", 100, 16384},
                {"between", 65536, 65536},
                {"too large", 1u << 30, 131072}};
    uint8_t pdu[65536 + 6];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct owner o;
        int pair[2];
        size_t n = request_pdu(pdu);

        start(&o, rows[i].wanted, 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        dimse_listener_take(o.listener, pair[1], "192.0.2.7", 4711, NULL);
        assert_int_equal(write(pair[0], pdu, n), (ssize_t)n);
        n = read_pdu(pair[0], pdu);
        if (told_limit(pdu, n) != rows[i].told)
            fail_msg("%s: wanted %u, got %u", rows[i].name, rows[i].told, told_limit(pdu, n));
        close(pair[0]);
        wait_for(&o, &o.ended, 1);
        stop(&o);
    }
}

static void
pdu_past_its_device_s_limit_is_answered_with_an_abort(void **state)
{
    struct owner o;
    uint8_t pdu[65536 + 6];
    static const uint8_t head[] = {4, 0, 0, 0, 0x40, 1, 0, 0, 0x3f, 0xfd, 1, 3};
    int pair[2];
    size_t n = request_pdu(pdu);

    (void)state;
    start(&o, 16384, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    dimse_listener_take(o.listener, pair[1], "192.0.2.7", 4711, NULL);
    assert_int_equal(write(pair[0], pdu, n), (ssize_t)n);
    (void)read_pdu(pair[0], pdu);

    assert_int_equal(write(pair[0], head, sizeof head), sizeof head);
    assert_int_equal(read_pdu(pair[0], pdu), 10);

    assert_int_equal(pdu[0], 7);
    wait_for(&o, &o.ended, 1);
    close(pair[0]);
    stop(&o);
}

/* Parts of two bytes, each in time: of a data set, or of a command. */
static void
trickle(bool is_command)
{
    static const uint8_t command[] = {4, 0, 0, 0, 0, 8, 0, 0, 0, 4, 1, 1, 0, 0};
    static const uint8_t data[] = {4, 0, 0, 0, 0, 8, 0, 0, 0, 4, 1, 0, 0, 0};
    struct owner o;
    uint8_t pdu[65536 + 6];
    int64_t began_ms = clock_mono_ms();
    int pair[2];
    size_t n = request_pdu(pdu);

    start(&o, 0, 300);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    dimse_listener_take(o.listener, pair[1], "192.0.2.7", 4711, NULL);
    assert_int_equal(write(pair[0], pdu, n), (ssize_t)n);
    (void)read_pdu(pair[0], pdu);
    if (!is_command)
        assert_int_equal(write(pair[0], store_pdu, sizeof store_pdu), sizeof store_pdu);
    for (struct pollfd p = {pair[0], POLLIN, 0}; poll(&p, 1, 50) == 0;) {
        assert_in_range(clock_mono_ms() - began_ms, 0, 15000);
        assert_int_equal(write(pair[0], is_command ? command : data, 14), 14);
    }
    assert_int_equal(read_pdu(pair[0], pdu), 10);
    assert_int_equal(pdu[0], 7);
    assert_in_range(clock_mono_ms() - began_ms, 250, 15000);
    wait_for(&o, &o.ended, 1);
    assert_true(o.is_lost);
    close(pair[0]);
    stop(&o);
}

static void
data_set_that_trickles_is_given_up(void **state)
{
    (void)state;
    trickle(false);
}

static void
command_that_trickles_is_given_up(void **state)
{
    (void)state;
    trickle(true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wake_ends_a_wait_and_harms_no_message),
        cmocka_unit_test(waiting_ends_at_the_idle_deadline_with_an_abort),
        cmocka_unit_test(taken_connection_is_served_like_any_other),
        cmocka_unit_test(taken_connection_that_says_nothing_goes_with_the_listener),
        cmocka_unit_test(each_device_is_told_its_own_pdu_limit),
        cmocka_unit_test(data_set_that_trickles_is_given_up),
        cmocka_unit_test(command_that_trickles_is_given_up),
        cmocka_unit_test(pdu_past_its_device_s_limit_is_answered_with_an_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
