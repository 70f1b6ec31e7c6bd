/* store.c - a data set streams from the association into a draft of the spool.
 * Invariant: 0000H is sent only after spool_commit() returned 0. Whatever is wrong with an
 * instance, its data set is read to the end, so that the next one on the association is well. */
#include "gateway/accept/store.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <string.h>

enum { HEAD_BYTES = 4096 };

static uint16_t judge(const struct dimse_command *request, const struct dimse_context *context,
                      struct err *why);
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
    struct spool_draft *draft; /* NULL: what comes is only read past */
    uint64_t bytes, room_taken;
};

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
    out->status = err_kind_dimse(out->why.kind);
    spool_draft_free(&in->draft);
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
        keep(in, bytes, n, out);
    }
    return 0;
}

static void
begin_instance(struct dimse_assoc *assoc, struct spool *spool, struct incoming *in,
               const struct dimse_command *request, struct store_result *out)
{
    const struct dimse_context *context = dimse_context(assoc, request->context);
    struct spool_meta meta = meta_of(assoc, in->terms, request, context);

    out->status = judge(request, context, &out->why);
    if (out->status != DIMSE_SUCCESS)
        return;
    if (!take_room(in->terms, STORE_ROOM_LEAST, &in->room_taken))
        err_set(&out->why, ERR_FULL, "no room left for devices that are not enrolled");
    else if (begin(spool, &meta, &in->draft, &out->why) == 0)
        return;
    out->status = err_kind_dimse(out->why.kind);
}

static void
end_instance(struct spool *spool, struct incoming *in, struct store_result *out)
{
    if (out->status == DIMSE_SUCCESS && in->bytes == 0) {
        out->status = DIMSE_CANNOT_UNDERSTAND;
        err_set(&out->why, ERR_REJECT, "data set is empty");
    }
    if (out->status == DIMSE_SUCCESS && spool_commit(spool, &in->draft, &out->entry, &out->why) < 0)
        out->status = err_kind_dimse(out->why.kind);
}

int
store_instance(struct dimse_assoc *assoc, struct spool *spool, const struct store_terms *terms,
               const struct dimse_command *request, struct store_result *out, struct err *err)
{
    struct incoming in = {.terms = terms};
    struct store_result result = {.status = DIMSE_SUCCESS};
    bool is_kept = false;
    int rc = -1;

    begin_instance(assoc, spool, &in, request, &result);
    if (request->has_data && stream(assoc, &in, &result, err) < 0)
        goto out;
    end_instance(spool, &in, &result);
    is_kept = result.status == DIMSE_SUCCESS;
    if (answer(assoc, request, result.status, err) < 0)
        goto out;
    *out = result;
    rc = 0;
out:
    if (!is_kept)
        give_room_back(terms, in.room_taken);
    spool_draft_free(&in.draft);
    return rc;
}

/* What can be said before the first byte (PS3.4 B.2.3). */
static uint16_t
judge(const struct dimse_command *request, const struct dimse_context *context, struct err *why)
{
    if (!request->has_data) {
        err_set(why, ERR_REJECT, "C-STORE without a data set");
        return DIMSE_CANNOT_UNDERSTAND;
    }
    if (request->sop_instance[0] == 0) {
        err_set(why, ERR_REJECT, "no usable Affected SOP Instance UID");
        return DIMSE_CANNOT_UNDERSTAND;
    }
    if (strcmp(request->sop_class, context->abstract_syntax) != 0) {
        err_set(why, ERR_REJECT, "Affected SOP Class is not that of the presentation context");
        return DIMSE_CLASS_DIFFERS;
    }
    return DIMSE_SUCCESS;
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
