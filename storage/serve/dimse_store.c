/* dimse_store.c - C-STORE straight to the archive: to a nameless file as it comes, then into two
 * places by keep_store_direct(), then the answer. */
#include "storage/serve/dimse_core.h"

#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/dicom/part10.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096 };

/* What can be said before the first byte (PS3.4 B.2.3). */
static uint16_t
judge(const struct dimse_command *rq, const struct dimse_context *context, struct err *why)
{
    if (!rq->has_data || rq->sop_instance[0] == '\0') {
        err_set(why, ERR_REJECT,
                rq->has_data ? "no usable Affected SOP Instance UID"
                             : "C-STORE without a data set");
        return DIMSE_CANNOT_UNDERSTAND;
    }
    if (strcmp(rq->sop_class, context->abstract_syntax) != 0) {
        err_set(why, ERR_REJECT, "Affected SOP Class is not that of the presentation context");
        return DIMSE_CLASS_DIFFERS;
    }
    return DIMSE_SUCCESS;
}

/* What arrives, until it is kept or refused. */
struct arriving {
    struct keep_claim claim;
    int fd; /* -1: none, or no more */
    uint64_t size;
};

static void
drop(struct dimse_talk *t, struct arriving *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
    keep_claim_end(t->s->options.keep, &a->claim);
}

static int
begin(struct dimse_talk *t, const struct dimse_command *rq, const struct dimse_context *context,
      struct arriving *a, struct err *err)
{
    struct buf head;
    int fd = -1, rc = -1;

    buf_init(&head, HEAD_BYTES);
    a->claim = (struct keep_claim){
        .tenant = t->caller.tenant, .way = "C-STORE", .sop_instance = rq->sop_instance};
    if (keep_claim(t->s->options.keep, &a->claim, 0, err) < 0)
        goto out;
    if (part10_head(&head, rq->sop_class, rq->sop_instance, context->transfer_syntax,
                    dimse_peer(t->assoc)->calling, err) < 0)
        goto out;
    fd = open(t->s->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(err, ERR_RETRY, "make a file for an arriving object");
        goto out;
    }
    if (durable_write(fd, head.bytes, head.n, err) < 0)
        goto out;
    a->fd = a->claim.fd = fd;
    a->size = head.n;
    fd = -1;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    buf_fini(&head);
    return rc;
}

static int
add(struct dimse_talk *t, struct arriving *a, const uint8_t *bytes, size_t n, struct err *err)
{
    a->size += n;
    if (a->size > LIMIT_OBJECT_BYTES)
        return err_set(err, ERR_REJECT, "object of more than %llu bytes",
                       (unsigned long long)LIMIT_OBJECT_BYTES);
    return durable_write(a->fd, bytes, n, err) < 0
               ? -1
               : keep_claim(t->s->options.keep, &a->claim, a->size, err);
}

/* The data set into the file while there is one; what is refused is read to its end. */
static int
stream(struct dimse_talk *t, struct arriving *a, uint64_t *out_bytes, uint16_t *status,
       struct err *why, struct err *err)
{
    const uint8_t *bytes;
    size_t n;
    bool is_last = false;

    while (!is_last) {
        if (dimse_read_data(t->assoc, &bytes, &n, &is_last, err) < 0)
            return -1;
        *out_bytes += n;
        if (a->fd < 0 || add(t, a, bytes, n, why) == 0)
            continue;
        *status = err_kind_dimse(why->kind);
        drop(t, a);
    }
    return 0;
}

static int
keep_it(struct dimse_talk *t, const struct dimse_command *rq, struct arriving *a, struct err *err)
{
    const struct dimse_peer *peer = dimse_peer(t->assoc);
    struct keep_incoming in = {
        .tenant = t->caller.tenant,
        .fd = a->fd,
        .size = a->size,
        .way = "C-STORE",
        .peer = peer->address,
        .ae = peer->calling,
        .expect_class = rq->sop_class,
        .expect_instance = rq->sop_instance,
        .association = dimse_number(t->assoc),
        .claim = &a->claim,
    };
    struct keep_stored stored;

    return keep_store_direct(t->s->options.keep, &in, &stored, err);
}

int
dimse_serve_store(struct dimse_talk *t, const struct dimse_command *rq, struct err *err)
{
    const struct dimse_context *context = dimse_context(t->assoc, rq->context);
    struct err why = {0};
    uint16_t status = judge(rq, context, &why);
    struct arriving a = {.fd = -1};
    uint64_t bytes = 0;
    int rc = -1;

    if (status == DIMSE_SUCCESS && begin(t, rq, context, &a, &why) < 0)
        status = err_kind_dimse(why.kind);
    if (rq->has_data && stream(t, &a, &bytes, &status, &why, err) < 0)
        goto out;
    if (status == DIMSE_SUCCESS && bytes == 0) {
        err_set(&why, ERR_REJECT, "data set is empty");
        status = DIMSE_CANNOT_UNDERSTAND;
    }
    if (status == DIMSE_SUCCESS && keep_it(t, rq, &a, &why) < 0)
        status = err_kind_dimse(why.kind);
    t->stored += status == DIMSE_SUCCESS;
    if (status != DIMSE_SUCCESS)
        dimse_log_failed(t, rq, &why);
    rc =
        dimse_say(t, rq, status, status == DIMSE_SUCCESS ? NULL : err_kind_sentence(why.kind), err);
out:
    drop(t, &a);
    return rc;
}
