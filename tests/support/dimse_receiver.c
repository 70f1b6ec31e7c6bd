/* dimse_receiver.c - a listener whose serve() keeps what came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dimse_receiver.h"

#include "proto/base/clock.h"
#include "proto/dicom/sopclass.h"

#include <stdio.h>

struct dimse_receiver dimse_receiver;

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
    struct dimse_receiver *r = user;

    (void)peer;
    (void)err;
    gate_lock(&r->gate);
    r->notes[what]++;
    gate_wake(&r->gate);
    gate_unlock(&r->gate);
}

static int
serve_one(struct dimse_receiver *r, struct dimse_assoc *assoc, const struct dimse_command *rq,
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
    struct dimse_receiver *r = user;
    struct dimse_command rq = {.field = 0};
    struct err err = {0};
    int rc = 0;

    gate_lock(&r->gate);
    r->serving++;
    gate_wake(&r->gate);
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

void
dimse_receiver_start(size_t max_associations, struct dimse_deadlines deadlines)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .max_associations = max_associations,
                                             .deadlines = deadlines,
                                             .admit = admit,
                                             .offers = offers,
                                             .serve = serve,
                                             .note = note,
                                             .user = &dimse_receiver};
    struct err err = {0};

    memset(&dimse_receiver, 0, sizeof dimse_receiver);
    gate_init(&dimse_receiver.gate);
    buf_init(&dimse_receiver.last, (size_t)64 << 20);
    if (dimse_listen(&options, &dimse_receiver.listener, &err) < 0)
        fail_msg("%s", err.text);
}

void
dimse_receiver_stop(void)
{
    dimse_listener_free(&dimse_receiver.listener);
    buf_fini(&dimse_receiver.last);
    gate_fini(&dimse_receiver.gate);
}

void
dimse_receiver_wait(unsigned *counter, unsigned value)
{
    int64_t end_ms = clock_mono_ms() + 30000;

    gate_lock(&dimse_receiver.gate);
    while (*counter < value && clock_mono_ms() < end_ms)
        (void)gate_wait_ms(&dimse_receiver.gate, 1000);
    unsigned now = *counter;
    gate_unlock(&dimse_receiver.gate);
    assert_in_range(now, value, 1000000);
}

const char *
dimse_receiver_port(void)
{
    static char text[8];

    snprintf(text, sizeof text, "%u", dimse_listener_port(dimse_receiver.listener));
    return text;
}
