/* mpps.c - N-CREATE and N-SET at the DICOM door. */
#include "gateway/desk/mpps.h"

#include "gateway/accept/accept.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/dicom/charset_encode.h"
#include "proto/dicom/dcmjson.h"
#include "proto/dicom/dimse_identifier.h"
#include "proto/dicom/part10.h"
#include "proto/trust/digest.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

#define STEP_CLASS "1.2.840.10008.3.1.2.3.3"
enum { DATASET_BYTES = 8 << 20, BODY_BYTES = 32 << 20 };

struct mpps {
    struct book *book;
};

/* A message as it came. */
struct message {
    struct buf dataset;
    enum dcm_coding coding;
    struct mpps_said said;
    char *body; /* DICOM JSON */
};

/* The data set as DICOM JSON: dcmjson.h reads files, so it gets a head. */
static int
to_json(struct message *m, const char *profile, struct err *err)
{
    const struct dcm_json_options options = {.profile = profile[0] != '\0' ? profile : NULL};
    struct buf file, json;
    struct jsonw w;
    int rc;

    buf_init(&file, DATASET_BYTES + 4096);
    buf_init(&json, BODY_BYTES);
    jsonw_init(&w, &json);
    rc = part10_head(&file, STEP_CLASS, "1.2.3",
                     m->coding == DCM_IMPLICIT_LE ? DCM_UID_IMPLICIT_LE : DCM_UID_EXPLICIT_LE, NULL,
                     err);
    buf_add(&file, m->dataset.bytes, m->dataset.n);
    if (rc == 0)
        rc = dcm_json_write(file.bytes, file.n, &options, &w, err);
    if (rc == 0)
        m->body = mem_text(buf_text(&json));
    buf_fini(&json);
    buf_fini(&file);
    return rc;
}

static void
message_fini(struct message *m)
{
    mpps_said_fini(&m->said);
    free(m->body);
    buf_fini(&m->dataset);
}

/* *out_status 0: it was read. errors: of the association */
static int
take(struct accept_call *call, struct message *m, uint16_t *out_status, struct err *why,
     struct err *err)
{
    enum dcm_shows shows;
    const char *profile =
        dcm_shows_of(call->device->charset, &shows) ? dcm_shows_profile(shows) : "";

    *out_status = DIMSE_SUCCESS;
    if (call->request->has_data && dimse_collect_data(call->assoc, &m->dataset, err) < 0) {
        if (!buf_is_over(&m->dataset))
            return -1;
        err_set(why, ERR_REJECT, "data set too long");
        *out_status = DIMSE_RESOURCE_LIMITATION;
        return 0;
    }
    if (mpps_read(m->dataset.bytes, m->dataset.n, m->coding, profile, &m->said, why) < 0 ||
        to_json(m, profile, why) < 0)
        *out_status = DIMSE_PROCESSING_FAILURE;
    return 0;
}

/* The instance that a created step gets: the device's, else one of ours. */
static int
serve(struct mpps *mpps, struct accept_call *call, struct err *err)
{
    const struct dimse_command *rq = call->request;
    struct message m = {.coding = dimse_coding(call->assoc, rq->context)};
    bool is_create = rq->field == DIMSE_N_CREATE_RQ;
    struct dimse_command rsp = dimse_answer(rq, DIMSE_SUCCESS);
    struct err why = {0};
    int rc;

    buf_init(&m.dataset, DATASET_BYTES);
    if (is_create && rq->sop_instance[0] == '\0' && !rq->has_wrong_instance)
        random_uid(rsp.sop_instance);
    rc = take(call, &m, &rsp.status, &why, err);
    if (rc == 0 && rsp.status == DIMSE_SUCCESS && strcmp(rq->sop_class, STEP_CLASS) != 0) {
        err_set(&why, ERR_REJECT, "not the context's SOP class");
        rsp.status = DIMSE_CLASS_CONFLICT;
    }
    if (rc == 0 && rsp.status == DIMSE_SUCCESS)
        rsp.status =
            is_create
                ? mpps_create(mpps->book, rsp.sop_instance, call->device->ae, &m.said, m.body, &why)
                : mpps_set(mpps->book, rsp.sop_instance, &m.said, m.body, &rsp.error_id, &why);
    if (rc == 0 && rsp.status == DIMSE_SUCCESS)
        LOG(call->log, DESK_MPPS, F_UID("step", rsp.sop_instance),
            F_WORD("state", m.said.has_state ? mpps_state_word(m.said.state) : "unchanged"),
            F_NUMBER("instances", m.said.instance_n));
    else if (rc == 0)
        LOG(call->log, DESK_MPPS_REFUSED, F_NUMBER("status", rsp.status), F_ERR(&why));
    message_fini(&m);
    return rc < 0 ? -1 : dimse_send_command(call->assoc, &rsp, err);
}

static int
handle(struct accept_call *call, struct err *err)
{
    const struct dimse_command *rq = call->request;
    struct dimse_command rsp;

    if (rq->field == DIMSE_N_CREATE_RQ || rq->field == DIMSE_N_SET_RQ)
        return serve(call->user, call, err);
    if (rq->has_data && dimse_skip_data(call->assoc, err) < 0)
        return -1;
    if (rq->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    rsp = dimse_answer(rq, DIMSE_UNRECOGNIZED_OPERATION);
    return dimse_send_command(call->assoc, &rsp, err);
}

void
mpps_start(struct book *book, struct accept *accept, struct mpps **out_mpps)
{
    static const char *const classes[] = {STEP_CLASS, NULL};
    struct mpps *mpps = mem_new(sizeof *mpps);
    const struct accept_service service = {.abstract_syntaxes = classes,
                                           .offer = DIMSE_PLAIN_SYNTAX,
                                           .right = ACCEPT_MAY_MPPS,
                                           .handle = handle,
                                           .user = mpps};

    mpps->book = book;
    accept_add_service(accept, &service);
    *out_mpps = mpps;
}

void
mpps_stop(struct mpps **mpps)
{
    free(*mpps);
    *mpps = NULL;
}
