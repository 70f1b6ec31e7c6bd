/* dimse_retrieve.c - C-GET and C-MOVE: instances one by one, counted. */
#include "proto/dicom/dimse_retrieve.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_send.h"
#include "proto/dicom/write.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_FAILED_LIST = 0x00080058, FAILED_LIST_BYTES = 65000, INSTANCES_MOST = 200000 };

void
dimse_retrieval_init(struct dimse_retrieval *r)
{
    *r = (struct dimse_retrieval){.n = 0};
    buf_init(&r->failed_uids, FAILED_LIST_BYTES);
}

void
dimse_retrieval_fini(struct dimse_retrieval *r)
{
    buf_fini(&r->failed_uids);
    free(r->instances);
    *r = (struct dimse_retrieval){.n = 0};
}

int
dimse_retrieval_add(struct dimse_retrieval *r, const struct dimse_retrieved *instance,
                    struct err *err)
{
    if (r->n == INSTANCES_MOST)
        return err_set(err, ERR_REJECT, "more than %d instances in one request", INSTANCES_MOST);
    if (r->n == r->room) {
        r->room = r->room == 0 ? 64 : 2 * r->room;
        r->instances = mem_grow(r->instances, r->room * sizeof *instance);
    }
    r->instances[r->n++] = *instance;
    r->remaining = r->n;
    return 0;
}

struct uids {
    char (*at)[65];
    size_t n;
};

static struct uids
uids_of(const struct dimse_identifier *id, uint32_t tag)
{
    struct uids list;

    list.n = dimse_uid_list(dimse_identifier_value(id, tag), &list.at);
    return list;
}

int
dimse_retrieval_settle(struct dimse_retrieval *r, const struct dimse_identifier *id,
                       int (*match)(struct dimse_retrieval *r, const char *study,
                                    const char *series, const char *sop_instance, struct err *err),
                       struct err *err)
{
    struct uids studies = uids_of(id, TAG_STUDY_UID), series = uids_of(id, TAG_SERIES_UID);
    struct uids instances = uids_of(id, TAG_SOP_INSTANCE);
    int rc = 0;

    if (studies.n == 0 || (id->level > DIMSE_STUDY && studies.n > 1) ||
        (id->level > DIMSE_STUDY && series.n == 0) ||
        (id->level == DIMSE_IMAGE && (series.n > 1 || instances.n == 0)))
        rc = err_set(err, ERR_REJECT, "unique keys do not fit the retrieve level");
    if (id->level == DIMSE_STUDY)
        for (size_t i = 0; i < studies.n && rc == 0; i++)
            rc = match(r, studies.at[i], NULL, NULL, err);
    if (id->level == DIMSE_SERIES)
        for (size_t i = 0; i < series.n && rc == 0; i++)
            rc = match(r, studies.at[0], series.at[i], NULL, err);
    if (id->level == DIMSE_IMAGE)
        for (size_t i = 0; i < instances.n && rc == 0; i++)
            rc = match(r, studies.at[0], series.at[0], instances.at[i], err);
    free(studies.at);
    free(series.at);
    free(instances.at);
    return rc;
}

static uint16_t
small(size_t n)
{
    return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

static void
fill_counts(const struct dimse_retrieval *r, struct dimse_command *rsp)
{
    rsp->has_counts = true;
    rsp->remaining = small(r->remaining);
    rsp->completed = small(r->completed);
    rsp->failed = small(r->failed);
    rsp->warning = small(r->warning);
}

static void
count(struct dimse_retrieval *r, const struct dimse_retrieved *instance, enum dimse_sent sent)
{
    r->remaining--;
    r->completed += sent == DIMSE_SENT;
    r->warning += sent == DIMSE_SENT_WARNING;
    r->failed += sent == DIMSE_SENT_FAILED;
    if (sent == DIMSE_SENT_FAILED &&
        r->failed_uids.n + strlen(instance->sop_instance) + 1 < FAILED_LIST_BYTES) {
        if (r->failed_uids.n > 0)
            buf_add_text(&r->failed_uids, "\\");
        buf_add_text(&r->failed_uids, instance->sop_instance);
    }
}

/* errors: of the receiver's association */
static int
send_counted(struct dimse_retrieval *r, struct dimse_sub *sub,
             const struct dimse_retrieved *instance, struct err *err)
{
    enum dimse_sent sent = DIMSE_SENT_FAILED;
    int rc = 0;

    if (!instance->is_absent)
        rc = dimse_send_instance(r, sub, instance, &sent, err);
    count(r, instance, sent);
    return rc;
}

static int
say_pending(struct dimse_retrieval *r, struct err *err)
{
    struct dimse_command rsp = dimse_answer(r->rq, DIMSE_PENDING);

    fill_counts(r, &rsp);
    return dimse_send_command(r->assoc, &rsp, err);
}

/* The last answer; with the list of what failed where there is one. */
static int
say_final(struct dimse_retrieval *r, uint16_t status, const char *comment, struct err *err)
{
    struct dimse_command rsp = dimse_answer(r->rq, status);
    struct dcm_writer w;
    struct buf list;
    int rc;

    fill_counts(r, &rsp);
    if (comment != NULL)
        text_copy(rsp.comment, sizeof rsp.comment, comment);
    buf_init(&list, (size_t)2 * FAILED_LIST_BYTES);
    if (r->failed_uids.n > 0) {
        rsp.has_data = true;
        dcm_write_init(&w, &list, dimse_coding(r->assoc, r->rq->context));
        dcm_write_text(&w, TAG_FAILED_LIST, "UI", buf_text(&r->failed_uids));
    }
    rc = dimse_send_command(r->assoc, &rsp, err);
    if (rc == 0 && rsp.has_data)
        rc = dimse_send_data(r->assoc, r->rq->context, list.bytes, list.n, true, err);
    buf_fini(&list);
    return rc;
}

static uint16_t
outcome(const struct dimse_retrieval *r, bool is_cancelled)
{
    if (is_cancelled)
        return DIMSE_CANCELLED;
    if (r->failed == 0 && r->warning == 0)
        return DIMSE_SUCCESS;
    return r->completed + r->warning == 0 ? DIMSE_CANNOT_SEND : DIMSE_SOME_FAILED;
}

int
dimse_retrieve_get(struct dimse_retrieval *r, struct err *err)
{
    struct dimse_sub sub = {.to = r->assoc, .cancel_id = r->rq->message_id};

    for (size_t i = 0; i < r->n && !sub.is_cancelled; i++) {
        if (send_counted(r, &sub, &r->instances[i], err) < 0)
            return -1;
        if (r->remaining > 0 && say_pending(r, err) < 0)
            return -1;
        if (!sub.is_cancelled &&
            dimse_poll_cancel(r->assoc, r->rq->message_id, &sub.is_cancelled, err) < 0)
            return -1;
    }
    return say_final(r, outcome(r, sub.is_cancelled && r->remaining > 0), NULL, err);
}

/* Contexts for a destination: each class in its stored syntax, and in little endian. */
struct offer {
    struct dimse_proposal proposals[DIMSE_CONTEXTS];
    const char *stored[DIMSE_CONTEXTS];
    size_t n;
};

static bool
is_offered(const struct offer *offer, const char *sop_class, const char *syntax)
{
    for (size_t i = 0; i < offer->n; i++)
        if (strcmp(offer->proposals[i].abstract_syntax, sop_class) == 0 &&
            (syntax == NULL ? offer->stored[i] == NULL
                            : offer->stored[i] != NULL && strcmp(offer->stored[i], syntax) == 0))
            return true;
    return false;
}

static void
make_offer(const struct dimse_retrieval *r, struct offer *offer)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};

    offer->n = 0;
    for (size_t i = 0; i < r->n && offer->n + 2 <= DIMSE_CONTEXTS; i++) {
        const struct dimse_retrieved *m = &r->instances[i];
        bool is_plain = strcmp(m->transfer_syntax, DCM_UID_EXPLICIT_LE) == 0 ||
                        strcmp(m->transfer_syntax, DCM_UID_IMPLICIT_LE) == 0;

        if (m->is_absent)
            continue;
        if (!is_plain && !is_offered(offer, m->sop_class, m->transfer_syntax)) {
            offer->stored[offer->n] = m->transfer_syntax;
            offer->proposals[offer->n] =
                (struct dimse_proposal){m->sop_class, &offer->stored[offer->n], 1, false};
            offer->n++;
        }
        if (!is_offered(offer, m->sop_class, NULL)) {
            offer->stored[offer->n] = NULL;
            offer->proposals[offer->n++] = (struct dimse_proposal){m->sop_class, plain, 2, false};
        }
    }
}

static int
call_destination(struct dimse_retrieval *r, const struct dimse_connect_options *to,
                 struct dimse_assoc **out, struct err *err)
{
    struct offer *offer = mem_new(sizeof *offer);
    int rc;

    make_offer(r, offer);
    rc = offer->n == 0 ? err_set(err, ERR_RETRY, "nothing of it is whole yet")
                       : dimse_connect(to, offer->proposals, offer->n, out, err);
    free(offer);
    return rc;
}

/* errors: of the asker's association. A receiver that breaks off fails the rest. */
static int
move_all(struct dimse_retrieval *r, struct dimse_assoc **to, bool *out_is_cancelled,
         struct err *err)
{
    struct dimse_sub sub = {.to = *to, .originator_id = r->rq->message_id};
    struct err why = {0};

    text_copy(sub.originator, sizeof sub.originator, dimse_peer(r->assoc)->calling);
    for (size_t i = 0; i < r->n && !*out_is_cancelled; i++) {
        if (*to == NULL)
            count(r, &r->instances[i], DIMSE_SENT_FAILED);
        else if (send_counted(r, &sub, &r->instances[i], &why) < 0) {
            r->not_sent(r->user, NULL, &why);
            dimse_abort(to);
        }
        if (r->remaining > 0 && *to != NULL && say_pending(r, err) < 0)
            return -1;
        if (dimse_poll_cancel(r->assoc, r->rq->message_id, out_is_cancelled, err) < 0)
            return -1;
    }
    return 0;
}

int
dimse_retrieve_move(struct dimse_retrieval *r, const struct dimse_connect_options *to,
                    struct err *err)
{
    struct dimse_assoc *receiver = NULL;
    struct err why = {0};
    bool is_cancelled = false;
    int rc = -1;

    if (r->n > 0 && call_destination(r, to, &receiver, &why) < 0) {
        r->not_sent(r->user, NULL, &why);
        for (size_t i = 0; i < r->n; i++)
            count(r, &r->instances[i], DIMSE_SENT_FAILED);
        return say_final(r, DIMSE_CANNOT_SEND, "The destination does not answer.", err);
    }
    if (r->n > 0 && move_all(r, &receiver, &is_cancelled, err) < 0)
        goto out;
    if (receiver != NULL && dimse_release(&receiver, &why) < 0)
        r->not_sent(r->user, NULL, &why); /* everything was answered before */
    rc = say_final(r, outcome(r, is_cancelled && r->remaining > 0), NULL, err);
out:
    dimse_abort(&receiver);
    return rc;
}
