/* dimse_serve.c - the archive's DICOM port: who comes in, and which request goes where. */
#include "storage/serve/dimse_serve.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"
#include "storage/serve/dimse_core.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/dimse_serve_events.def"
#undef LOG_EVENT

static const struct log_ctx quiet_ctx = {.stage = "storage/serve"};

static enum dimse_admission admit(const struct dimse_peer *peer, void *user);
static enum dimse_offer offers(const char *abstract_syntax, bool peer_is_scp, void *user);
static void serve(struct dimse_assoc *assoc, void *user);
static void note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err,
                 void *user);

int
dimse_serve_start(const struct dimse_serve_options *options, struct dimse_serve **out,
                  struct err *err)
{
    struct dimse_serve *s = mem_new(sizeof *s);
    struct dimse_listener_options listen = {
        .address = options->address,
        .port = options->port,
        .max_associations = options->max_associations,
        .deadlines = options->deadlines,
        .admit = admit,
        .offers = offers,
        .serve = serve,
        .note = note,
        .user = s,
    };

    s->options = *options;
    text_copy(s->ae, sizeof s->ae, options->ae);
    s->scratch = mem_text(options->scratch);
    if (dimse_listen(&listen, &s->listener, err) < 0) {
        dimse_serve_stop(&s);
        return err_context(err, "archive's DICOM door");
    }
    LOG(&quiet_ctx, DIMSE_LISTENING, F_NUMBER("port", dimse_listener_port(s->listener)));
    *out = s;
    return 0;
}

void
dimse_serve_stop(struct dimse_serve **serve_at)
{
    struct dimse_serve *s = TAKE(*serve_at);

    if (s == NULL)
        return;
    dimse_listener_free(&s->listener);
    free(s->scratch);
    free(s);
}

uint16_t
dimse_serve_port(const struct dimse_serve *serve_of)
{
    return dimse_listener_port(serve_of->listener);
}

static void
note_refused(struct dimse_serve *s, const struct dimse_peer *peer)
{
    struct err err = {0};

    if (s->options.audit != NULL &&
        audit_append(s->options.audit, &err, AUDIT_REFUSED, A_WORD("by", peer->calling),
                     A_WORD("called", peer->called), A_WORD("peer", peer->address),
                     A_WORD("way", "DIMSE")) < 0)
        LOG(&quiet_ctx, DIMSE_REQUEST_FAILED, F_ERR(&err));
}

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    struct dimse_serve *s = user;
    struct keep_ae ae;
    struct err err = {0};

    if (strcmp(peer->called, s->ae) != 0) {
        note_refused(s, peer);
        return DIMSE_CALLED_UNKNOWN;
    }
    if (keep_ae_find(s->options.keep, peer->calling, peer->address, &ae, &err) == 0)
        return DIMSE_ADMITTED;
    if (err.kind == ERR_NOT_FOUND || err.kind == ERR_DENIED) {
        note_refused(s, peer);
        return DIMSE_CALLING_UNKNOWN;
    }
    LOG(&quiet_ctx, DIMSE_CATALOG_AWAY, F_ERR(&err));
    return DIMSE_NOT_NOW;
}

static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    static const char *const plain[] = {DCM_UID_VERIFICATION,      DCM_UID_STUDY_ROOT_FIND,
                                        DCM_UID_STUDY_ROOT_MOVE,   DCM_UID_STUDY_ROOT_GET,
                                        DCM_UID_PATIENT_ROOT_FIND, DCM_UID_PATIENT_ROOT_MOVE,
                                        DCM_UID_PATIENT_ROOT_GET};

    (void)user;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (strcmp(abstract_syntax, plain[i]) == 0)
            return peer_is_scp ? DIMSE_NOT_OFFERED : DIMSE_PLAIN_SYNTAX;
    if (dcm_sop_class_find(abstract_syntax) != NULL || dcm_sop_class_may_be(abstract_syntax))
        return peer_is_scp ? DIMSE_THEIR_SYNTAX : DIMSE_ANY_SYNTAX;
    return DIMSE_NOT_OFFERED;
}

static void
note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err, void *user)
{
    const struct log_event *events[] = {
        [DIMSE_NOTE_REFUSED] = &DIMSE_REFUSED,   [DIMSE_NOTE_FULL] = &DIMSE_FULL,
        [DIMSE_NOTE_SILENT] = &DIMSE_SILENT,     [DIMSE_NOTE_MALFORMED] = &DIMSE_MALFORMED,
        [DIMSE_NOTE_GAVE_WAY] = &DIMSE_GAVE_WAY,
    };
    struct log_ctx ctx = {.stage = "storage/serve", .peer = peer->address};

    (void)user;
    if (peer->calling[0] != '\0')
        ctx.peer_ae = peer->calling;
    if (err != NULL)
        LOG(&ctx, *events[what], F_ERR(err));
    else
        LOG(&ctx, *events[what]);
}

int
dimse_say(struct dimse_talk *t, const struct dimse_command *rq, uint16_t status,
          const char *comment, struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, status);

    if (comment != NULL)
        text_copy(rsp.comment, sizeof rsp.comment, comment);
    return dimse_send_command(t->assoc, &rsp, err);
}

void
dimse_log_failed(const struct dimse_talk *t, const struct dimse_command *rq, const struct err *why)
{
    LOG(&t->log, DIMSE_REQUEST_FAILED, F_NUMBER("command", rq->field), F_ERR(why));
}

int
dimse_say_error(struct dimse_talk *t, const struct dimse_command *rq, const struct err *why,
                struct err *err)
{
    dimse_log_failed(t, rq, why);
    return dimse_say(t, rq, err_kind_dimse(why->kind), err_kind_sentence(why->kind), err);
}

/* What a request needs; 0: nothing. */
static unsigned
right_for(uint16_t field)
{
    switch (field) {
    case DIMSE_C_STORE_RQ:
        return RIGHT_STORE;
    case DIMSE_C_FIND_RQ:
        return RIGHT_QUERY;
    case DIMSE_C_MOVE_RQ:
    case DIMSE_C_GET_RQ:
        return RIGHT_RETRIEVE;
    default:
        return 0;
    }
}

/* May it, still? out_status 0: yes. */
static void
judge(struct dimse_talk *t, const struct dimse_command *rq, uint16_t *out_status, struct err *why)
{
    const struct dimse_peer *peer = dimse_peer(t->assoc);
    unsigned right = right_for(rq->field);

    *out_status = DIMSE_SUCCESS;
    if (right == 0)
        return;
    if (keep_ae_find(t->s->options.keep, peer->calling, peer->address, &t->caller, why) < 0)
        *out_status = why->kind == ERR_NOT_FOUND ? DIMSE_NOT_AUTHORIZED : err_kind_dimse(why->kind);
    else if ((t->caller.rights & right) == 0) {
        err_set(why, ERR_DENIED, "AE title has no right to this");
        *out_status = DIMSE_NOT_AUTHORIZED;
    }
}

static int
serve_request(struct dimse_talk *t, const struct dimse_command *rq, struct err *err)
{
    struct err why = {0};
    uint16_t status;

    judge(t, rq, &status, &why);
    if (status == DIMSE_SUCCESS && rq->field == DIMSE_C_STORE_RQ)
        return dimse_serve_store(t, rq, err);
    if (status == DIMSE_SUCCESS && rq->field == DIMSE_C_FIND_RQ)
        return dimse_serve_find(t, rq, err);
    if (status == DIMSE_SUCCESS && (rq->field == DIMSE_C_MOVE_RQ || rq->field == DIMSE_C_GET_RQ))
        return dimse_serve_retrieve(t, rq, err);
    if (rq->has_data && dimse_skip_data(t->assoc, err) < 0)
        return -1;
    if (rq->field == DIMSE_C_CANCEL_RQ)
        return 0; /* of something answered already: PS3.7 9.3.2.3 */
    if (rq->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    if (status != DIMSE_SUCCESS) {
        dimse_log_failed(t, rq, &why);
        return dimse_say(t, rq, status, err_kind_sentence(why.kind), err);
    }
    return dimse_say(t, rq,
                     rq->field == DIMSE_C_ECHO_RQ ? DIMSE_SUCCESS : DIMSE_UNRECOGNIZED_OPERATION,
                     NULL, err);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    const struct dimse_peer *peer = dimse_peer(assoc);
    struct dimse_talk t = {.s = user,
                           .assoc = assoc,
                           .log = {.stage = "storage/serve",
                                   .peer = peer->address,
                                   .peer_ae = peer->calling,
                                   .association = dimse_number(assoc)}};
    struct dimse_command rq = {.field = 0};
    struct err err = {0};
    int rc;

    do {
        rc = dimse_next_command(assoc, &rq, &err);
        if (rc == 0 && rq.field != DIMSE_END)
            rc = serve_request(&t, &rq, &err);
    } while (rc == 0 && rq.field != DIMSE_END);
    keep_association_end(t.s->options.keep, dimse_number(assoc));
    if (rc == 0)
        LOG(&t.log, DIMSE_ASSOCIATION_END, F_NUMBER("stored", t.stored), F_NUMBER("found", t.found),
            F_NUMBER("sent", t.sent));
    else
        LOG(&t.log, DIMSE_ASSOCIATION_LOST, F_NUMBER("stored", t.stored),
            F_NUMBER("found", t.found), F_NUMBER("sent", t.sent), F_ERR(&err));
}
