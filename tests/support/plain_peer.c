/* plain_peer.c - a listener that keeps UIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/support/plain_peer.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/dicom/sopclass.h"
#include "proto/dicom/walk.h"
#include "proto/dicom/write.h"

struct plain_peer plain_peer;

static const char find_class[] = "1.2.840.10008.5.1.4.1.2.2.1";

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    struct plain_peer *p = user;
    bool is_closed;

    (void)peer;
    gate_lock(&p->gate);
    is_closed = p->is_closed;
    p->associations++;
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    return is_closed ? DIMSE_CALLING_UNKNOWN : DIMSE_ADMITTED;
}

static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    struct plain_peer *p = user;

    (void)peer_is_scp;
    if (strcmp(abstract_syntax, find_class) == 0)
        return p->has_no_query ? DIMSE_NOT_OFFERED : DIMSE_PLAIN_SYNTAX;
    if (!dcm_sop_class_find(abstract_syntax))
        return DIMSE_NOT_OFFERED;
    return p->takes_implicit_only ? DIMSE_PLAIN_SYNTAX : DIMSE_ANY_SYNTAX;
}

/* The Study Instance UID at the top level; "" none. */
static void
read_study(const struct buf *data, enum dcm_coding coding, char out[65])
{
    struct dcm_walk walk;
    struct dcm_element e;
    struct err err = {0};

    out[0] = '\0';
    dcm_walk_init(&walk, data->bytes, data->n, coding, DCM_WALK_STOP_AT_PIXELS);
    while (dcm_walk_next(&walk, &e, &err) == 0 && e.event != DCM_END)
        if (e.depth == 0 && e.tag == TAG_STUDY_UID && e.value_n < 65)
            snprintf(out, 65, "%.*s", (int)e.value_n, (const char *)data->bytes + e.value_at);
    while (out[0] != '\0' && out[strlen(out) - 1] == ' ')
        out[strlen(out) - 1] = '\0';
}

/* Gate held. */
static void
keep(struct plain_peer *p, const char *uid, const char *syntax, const char *study)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->uids[i], uid) == 0) {
            p->repeats++;
            return;
        }
    assert_true(p->n < ARRAY_LEN(p->uids));
    text_copy(p->syntaxes[p->n], 65, syntax);
    text_copy(p->studies[p->n], 65, study);
    text_copy(p->uids[p->n++], 65, uid);
}

/* The status to answer; false: break the line instead. */
static bool
store(struct plain_peer *p, const struct dimse_command *rq, const char *syntax,
      const struct buf *data, uint16_t *out_status)
{
    char study[65];

    bool breaks_after, breaks_before;

    read_study(data, dcm_syntax_find(syntax)->coding, study);
    gate_lock(&p->gate);
    p->stores++;
    breaks_after = p->break_after > 0 && --p->break_after == 0;
    breaks_before = p->break_before > 0 && --p->break_before == 0;
    *out_status = DIMSE_SUCCESS;
    if (p->full > 0) {
        p->full--;
        *out_status = DIMSE_OUT_OF_RESOURCES;
    } else if (p->refused[0] != '\0' && strcmp(p->refused, rq->sop_instance) == 0) {
        *out_status = p->refusal;
    } else if (!breaks_before) {
        keep(p, rq->sop_instance, syntax, study);
    }
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    return !breaks_after && !breaks_before;
}

static int
answer_match(struct dimse_assoc *assoc, const struct dimse_command *rq, const char *uid,
             struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, DIMSE_PENDING);
    struct dcm_writer w;
    struct buf data;
    int rc;

    buf_init(&data, 4096);
    dcm_write_init(&w, &data, dimse_coding(assoc, rq->context));
    dcm_write_text(&w, TAG_SOP_INSTANCE, "UI", uid);
    dcm_write_text(&w, TAG_RETRIEVE_LEVEL, "CS", "IMAGE");
    rsp.has_data = true;
    rc = dimse_send_command(assoc, &rsp, err);
    if (rc == 0)
        rc = dimse_send_data(assoc, rq->context, data.bytes, data.n, true, err);
    buf_fini(&data);
    return rc;
}

/* Series do not matter here: all it has is of one. */
static int
find(struct plain_peer *p, struct dimse_assoc *assoc, const struct dimse_command *rq,
     const struct buf *data, struct err *err)
{
    struct dimse_identifier id;
    struct dimse_command rsp = dimse_answer(rq, DIMSE_SUCCESS);
    const char *wanted, *study;
    int rc = 0;

    if (dimse_identifier_read(data->bytes, data->n, dimse_coding(assoc, rq->context), &id, err) < 0)
        return -1;
    wanted = dimse_identifier_value(&id, TAG_SOP_INSTANCE);
    study = dimse_identifier_value(&id, TAG_STUDY_UID);
    gate_lock(&p->gate);
    p->finds++;
    for (size_t i = 0; i < p->n && rc == 0 && !p->finds_nothing; i++)
        if (strcmp(study, p->studies[i]) == 0 &&
            (wanted[0] == '\0' || strcmp(wanted, p->uids[i]) == 0))
            rc = answer_match(assoc, rq, p->uids[i], err);
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    dimse_identifier_fini(&id);
    return rc < 0 ? -1 : dimse_send_command(assoc, &rsp, err);
}

static int
serve_one(struct plain_peer *p, struct dimse_assoc *assoc, const struct dimse_command *rq,
          struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, DIMSE_SUCCESS);
    struct buf data;
    int rc = 0;

    buf_init(&data, (size_t)64 << 20);
    if (rq->has_data)
        rc = dimse_collect_data(assoc, &data, err);
    if (rc == 0 && rq->field == DIMSE_C_FIND_RQ) {
        rc = find(p, assoc, rq, &data, err);
    } else if (rc == 0) {
        bool is_answered =
            store(p, rq, dimse_context(assoc, rq->context)->transfer_syntax, &data, &rsp.status);

        if (rsp.status != DIMSE_SUCCESS && p->comment != NULL)
            text_copy(rsp.comment, sizeof rsp.comment, p->comment);
        if (is_answered)
            rc = dimse_send_command(assoc, &rsp, err);
        else
            rc = err_set(err, ERR_RETRY, "the test breaks the line");
    }
    buf_fini(&data);
    return rc;
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct dimse_command rq = {.field = 0};
    struct plain_peer *p = user;
    bool has_stored = false;
    struct err err = {0};
    int rc;

    do {
        rc = dimse_next_command(assoc, &rq, &err);
        if (rc == 0 && rq.field == DIMSE_C_STORE_RQ && !has_stored) {
            gate_lock(&p->gate);
            p->store_associations++;
            gate_unlock(&p->gate);
            has_stored = true;
        }
        if (rc == 0 && rq.field != DIMSE_END)
            rc = serve_one(user, assoc, &rq, &err);
    } while (rc == 0 && rq.field != DIMSE_END);
}

void
plain_peer_start(uint16_t port)
{
    struct dimse_listener_options options = {.address = "127.0.0.1",
                                             .port = port,
                                             .admit = admit,
                                             .offers = offers,
                                             .serve = serve,
                                             .user = &plain_peer};
    struct err err = {0};

    assert_int_equal(dimse_listen(&options, &plain_peer.listener, &err), 0);
}

void
plain_peer_stop(void)
{
    dimse_listener_free(&plain_peer.listener);
}

void
plain_peer_reset(void)
{
    memset(&plain_peer, 0, sizeof plain_peer);
    gate_init(&plain_peer.gate);
}

uint16_t
plain_peer_port(void)
{
    return dimse_listener_port(plain_peer.listener);
}

void
plain_peer_await(size_t n)
{
    int64_t until = clock_mono_ms() + 30000;
    bool is_there;

    gate_lock(&plain_peer.gate);
    while (plain_peer.n < n && clock_mono_ms() < until)
        gate_wait_ms(&plain_peer.gate, until - clock_mono_ms());
    is_there = plain_peer.n >= n;
    gate_unlock(&plain_peer.gate);
    assert_true(is_there);
}
