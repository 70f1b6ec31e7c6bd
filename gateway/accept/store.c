/* store.c - a data set streams from the association into a draft of the spool.
 * Invariants: 1. 0000H is sent only after spool_commit() returned 0. 2. Whatever is wrong with an
 * instance, its data set is read to the end, so that the next one on the association is well.
 * 3. What the spool cannot do now is A700H, whatever the reason: the device may try again. */
#include "gateway/accept/store.h"

#include "gateway/accept/judge.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <string.h>

enum { HEAD_BYTES = 4096 };

static int begin(struct spool *spool, const struct spool_meta *meta, struct spool_draft **out_draft,
                 struct err *err);
static int answer(struct dimse_assoc *assoc, const struct dimse_command *request, uint16_t status,
                  struct err *err);

static struct spool_meta
meta_of(const struct dimse_assoc *assoc, const struct store_terms *terms,
        const struct dimse_command *request, const struct dimse_context *context)
{
    const struct dimse_peer *peer = dimse_peer(assoc);
    struct spool_meta meta = {.association = terms->spool_association};

    text_copy(meta.sop_class, sizeof meta.sop_class, request->sop_class);
    text_copy(meta.sop_instance, sizeof meta.sop_instance, request->sop_instance);
    text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, context->transfer_syntax);
    text_copy(meta.calling_ae, sizeof meta.calling_ae, peer->calling);
    text_copy(meta.called_ae, sizeof meta.called_ae, peer->called);
    text_copy(meta.peer, sizeof meta.peer, peer->address);
    text_copy(meta.quarantine, sizeof meta.quarantine, terms->quarantine);
    return meta;
}

/* Take n bytes of the room; false: there is not so much. */
static bool
take_room(const struct store_terms *terms, uint64_t n, uint64_t *taken)
{
    uint64_t left;

    if (!terms->room)
        return true;
    left = atomic_load(terms->room);
    do {
        if (left < n)
            return false;
    } while (!atomic_compare_exchange_weak(terms->room, &left, left - n));
    *taken += n;
    return true;
}

static void
give_room_back(const struct store_terms *terms, uint64_t taken)
{
    if (terms->room)
        atomic_fetch_add(terms->room, taken);
}

/* One data set on its way. */
struct incoming {
    const struct store_terms *terms;
    struct spool *spool;
    const char *abstract_syntax;
    struct spool_meta meta;
    struct buf head; /* its first bytes, until they are judged */
    bool is_judged;
    struct spool_draft *draft; /* NULL: what comes is only read past */
    uint64_t bytes, room_taken;
};

static void
give_up(struct incoming *in, struct store_result *out)
{
    out->status = DIMSE_OUT_OF_RESOURCES;
    spool_draft_free(&in->draft);
}

static void
keep(struct incoming *in, const uint8_t *bytes, size_t n, struct store_result *out)
{
    in->bytes += n;
    if (!in->draft)
        return;
    if (in->bytes > in->room_taken && !take_room(in->terms, n, &in->room_taken))
        err_set(&out->why, ERR_FULL, "no room left for devices that are not enrolled");
    else if (spool_draft_write(in->draft, bytes, n, &out->why) == 0)
        return;
    give_up(in, out);
}

/* Its beginning is here, or all of it. */
static void
begin_instance(struct incoming *in, struct store_result *out)
{
    in->is_judged = true;
    out->status =
        judge_instance(in->abstract_syntax, in->head.bytes, in->head.n, &in->meta, &out->why);
    if (out->status != DIMSE_SUCCESS)
        return;
    if (!take_room(in->terms, STORE_ROOM_LEAST, &in->room_taken))
        err_set(&out->why, ERR_FULL, "no room left for devices that are not enrolled");
    else if (begin(in->spool, &in->meta, &in->draft, &out->why) == 0)
        return;
    give_up(in, out);
}

static void
take(struct incoming *in, const uint8_t *bytes, size_t n, bool is_last, struct store_result *out)
{
    if (in->is_judged) {
        keep(in, bytes, n, out);
        return;
    }
    buf_add(&in->head, bytes, n);
    if (!is_last && in->head.n < JUDGE_BYTES)
        return;
    begin_instance(in, out);
    keep(in, in->head.bytes, in->head.n, out);
    buf_fini(&in->head);
}

static int
stream(struct dimse_assoc *assoc, struct incoming *in, struct store_result *out, struct err *err)
{
    const uint8_t *bytes;
    size_t n;
    bool is_last = false;

    while (!is_last) {
        if (dimse_read_data(assoc, &bytes, &n, &is_last, err) < 0)
            return -1;
        take(in, bytes, n, is_last, out);
    }
    return 0;
}

int
store_instance(struct dimse_assoc *assoc, struct spool *spool, const struct store_terms *terms,
               const struct dimse_command *request, struct store_result *out, struct err *err)
{
    const struct dimse_context *context = dimse_context(assoc, request->context);
    struct incoming in = {.terms = terms,
                          .spool = spool,
                          .abstract_syntax = context->abstract_syntax,
                          .meta = meta_of(assoc, terms, request, context)};
    struct store_result result = {.status = DIMSE_SUCCESS};
    bool is_kept = false;
    int rc = -1;

    buf_init(&in.head, JUDGE_BYTES + LIMIT_PDU_BYTES);
    if (!request->has_data) {
        result.status = DIMSE_CANNOT_UNDERSTAND;
        err_set(&result.why, ERR_REJECT, "C-STORE without a data set");
    } else if (stream(assoc, &in, &result, err) < 0) {
        goto out;
    }
    if (result.status == DIMSE_SUCCESS &&
        spool_commit(spool, &in.draft, &result.entry, &result.why) < 0)
        give_up(&in, &result);
    is_kept = result.status == DIMSE_SUCCESS;
    text_copy(result.sop_instance, sizeof result.sop_instance, in.meta.sop_instance);
    if (answer(assoc, request, result.status, err) < 0)
        goto out;
    *out = result;
    rc = 0;
out:
    if (!is_kept)
        give_room_back(terms, in.room_taken);
    spool_draft_free(&in.draft);
    buf_fini(&in.head);
    return rc;
}

static int
begin(struct spool *spool, const struct spool_meta *meta, struct spool_draft **out_draft,
      struct err *err)
{
    struct spool_draft *draft = NULL;
    struct buf head;
    int rc = -1;

    buf_init(&head, HEAD_BYTES);
    if (part10_head(&head, meta->sop_class, meta->sop_instance, meta->transfer_syntax,
                    meta->calling_ae, err) < 0 ||
        spool_draft_begin(spool, meta, &draft, err) < 0)
        goto out;
    if (spool_draft_write(draft, head.bytes, head.n, err) < 0) {
        spool_draft_free(&draft);
        goto out;
    }
    *out_draft = TAKE(draft);
    rc = 0;
out:
    buf_fini(&head);
    return rc;
}

static int
answer(struct dimse_assoc *assoc, const struct dimse_command *request, uint16_t status,
       struct err *err)
{
    struct dimse_command rsp = dimse_answer(request, status);

    return dimse_send_command(assoc, &rsp, err);
}
