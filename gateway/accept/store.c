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
meta_of(const struct dimse_assoc *assoc, uint64_t spool_association,
        const struct dimse_command *request, const struct dimse_context *context)
{
    const struct dimse_peer *peer = dimse_peer(assoc);
    struct spool_meta meta = {.association = spool_association};

    text_copy(meta.sop_class, sizeof meta.sop_class, request->sop_class);
    text_copy(meta.sop_instance, sizeof meta.sop_instance, request->sop_instance);
    text_copy(meta.transfer_syntax, sizeof meta.transfer_syntax, context->transfer_syntax);
    text_copy(meta.calling_ae, sizeof meta.calling_ae, peer->calling);
    text_copy(meta.called_ae, sizeof meta.called_ae, peer->called);
    text_copy(meta.peer, sizeof meta.peer, peer->address);
    return meta;
}

/* Data set bytes into the draft while there is one; the sum of them. */
static int
stream(struct dimse_assoc *assoc, struct spool_draft **draft, uint16_t *status, uint64_t *out_bytes,
       struct err *why, struct err *err)
{
    const uint8_t *bytes;
    size_t n;
    bool is_last = false;

    *out_bytes = 0;
    while (!is_last) {
        if (dimse_read_data(assoc, &bytes, &n, &is_last, err) < 0)
            return -1;
        *out_bytes += n;
        if (*draft && spool_draft_write(*draft, bytes, n, why) < 0) {
            *status = err_kind_dimse(why->kind);
            spool_draft_free(draft);
        }
    }
    return 0;
}

int
store_instance(struct dimse_assoc *assoc, struct spool *spool, uint64_t spool_association,
               const struct dimse_command *request, uint16_t *out_status, uint64_t *out_entry,
               struct err *why, struct err *err)
{
    const struct dimse_context *context = dimse_context(assoc, request->context);
    struct spool_meta meta = meta_of(assoc, spool_association, request, context);
    struct spool_draft *draft = NULL;
    uint16_t status = judge(request, context, why);
    uint64_t bytes = 0;
    int rc = -1;

    if (status == DIMSE_SUCCESS && begin(spool, &meta, &draft, why) < 0)
        status = err_kind_dimse(why->kind);
    if (request->has_data && stream(assoc, &draft, &status, &bytes, why, err) < 0)
        goto out;
    if (status == DIMSE_SUCCESS && bytes == 0) {
        status = DIMSE_CANNOT_UNDERSTAND;
        err_set(why, ERR_REJECT, "data set is empty");
    }
    if (status == DIMSE_SUCCESS && spool_commit(spool, &draft, out_entry, why) < 0)
        status = err_kind_dimse(why->kind);
    if (answer(assoc, request, status, err) < 0)
        goto out;
    *out_status = status;
    rc = 0;
out:
    spool_draft_free(&draft);
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
