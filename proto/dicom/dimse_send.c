/* dimse_send.c - one instance to a peer by C-STORE: as it is stored where the peer takes that,
 * else in explicit or implicit little endian. */
#include "proto/dicom/dimse_send.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/leaving.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 131072 - 12 };

/* Stored syntax first, then what it can be decoded to. */
static const struct dimse_context *
choose(const struct dimse_assoc *to, const struct dimse_retrieved *instance)
{
    const char *const wanted[] = {instance->transfer_syntax, DCM_UID_EXPLICIT_LE,
                                  DCM_UID_IMPLICIT_LE};
    const struct dimse_context *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(wanted) && found == NULL; i++)
        found = dimse_context_for(to, instance->sop_class, wanted[i]);
    return found;
}

/* What is stored, under the numbers by which it is known. */
static int
open_leaving(struct dimse_retrieval *r, const struct dimse_retrieved *instance, const char *syntax,
             struct dcm_leaving *out, struct err *err)
{
    struct dimse_part10 file = {.fd = -1};
    struct dcm_known known = {instance->study, instance->series, instance->sop_instance};

    if (r->open(r->user, instance, syntax, &file, err) < 0)
        return -1;
    if (dcm_leaving_open(out, file.fd, file.at, file.end - file.at, &known, clock_wall_us(), err) <
        0) {
        close(file.fd);
        return -1;
    }
    if (strcmp(out->transfer_syntax, syntax) != 0)
        return err_set(err, ERR_FATAL, "a stored instance is not in the syntax it is listed with");
    return 0;
}

static int
send_dataset(struct dimse_sub *sub, uint8_t context, const struct dcm_leaving *leaving,
             struct err *err)
{
    uint8_t *chunk = mem_new(CHUNK_BYTES);
    uint64_t at = leaving->dataset_at;
    int rc = 0;

    while (rc == 0 && at < leaving->size) {
        size_t n =
            leaving->size - at < CHUNK_BYTES ? (size_t)(leaving->size - at) : (size_t)CHUNK_BYTES;
        rc = dcm_leaving_read(leaving, chunk, n, at, err);
        at += n;
        if (rc == 0)
            rc = dimse_send_data(sub->to, context, chunk, n, at == leaving->size, err);
    }
    free(chunk);
    return rc;
}

/* Its answer; a C-CANCEL of the retrieval may come before it. */
static int
take_answer(struct dimse_sub *sub, uint16_t message_id, enum dimse_sent *out_sent, struct err *err)
{
    struct dimse_command rsp;

    for (;;) {
        if (dimse_next_command(sub->to, &rsp, err) < 0)
            return -1;
        if (rsp.field == DIMSE_C_CANCEL_RQ && sub->cancel_id != 0) {
            sub->is_cancelled = sub->is_cancelled || rsp.responded_id == sub->cancel_id;
            continue;
        }
        if (rsp.field != DIMSE_C_STORE_RSP || rsp.responded_id != message_id)
            return err_set(err, ERR_REJECT, "something else than the answer to a C-STORE");
        if (rsp.has_data && dimse_skip_data(sub->to, err) < 0)
            return -1;
        sub->status = rsp.status;
        text_copy(sub->comment, sizeof sub->comment, rsp.comment);
        *out_sent =
            rsp.status == DIMSE_SUCCESS       ? DIMSE_SENT
            : (rsp.status & 0xF000) == 0xB000 ? DIMSE_SENT_WARNING
            : rsp.status == DIMSE_ATTRIBUTES_IGNORED || rsp.status == DIMSE_VALUE_OUT_OF_RANGE
                ? DIMSE_SENT_WARNING
                : DIMSE_SENT_FAILED;
        return 0;
    }
}

int
dimse_send_instance(struct dimse_retrieval *r, struct dimse_sub *sub,
                    const struct dimse_retrieved *instance, enum dimse_sent *out_sent,
                    struct err *err)
{
    const struct dimse_context *context = choose(sub->to, instance);
    struct dcm_leaving leaving = {.fd = -1};
    struct dimse_command rq = {.field = DIMSE_C_STORE_RQ, .has_data = true};
    struct err why = {0};
    int rc = 0;

    *out_sent = DIMSE_SENT_FAILED;
    if (context == NULL)
        err_set(&why, ERR_REJECT, "the receiver takes neither its class nor a syntax of it");
    if (context == NULL ||
        open_leaving(r, instance, context->transfer_syntax, &leaving, &why) < 0) {
        r->not_sent(r->user, instance, &why);
        goto out;
    }
    rq.context = context->id;
    rq.message_id = ++sub->message_id;
    text_copy(rq.sop_class, sizeof rq.sop_class, instance->sop_class);
    text_copy(rq.sop_instance, sizeof rq.sop_instance, instance->sop_instance);
    text_copy(rq.move_originator, sizeof rq.move_originator, sub->originator);
    rq.move_originator_id = sub->originator_id;
    rc = dimse_send_command(sub->to, &rq, err);
    if (rc == 0)
        rc = send_dataset(sub, context->id, &leaving, err);
    if (rc == 0)
        rc = take_answer(sub, rq.message_id, out_sent, err);
out:
    dcm_leaving_close(&leaving);
    return rc;
}
