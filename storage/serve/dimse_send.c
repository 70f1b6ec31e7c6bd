/* dimse_send.c - one stored instance to a peer by C-STORE: as it is stored where the peer takes
 * that, else decoded to explicit or implicit little endian by a codec worker. */
#include "storage/serve/dimse_core.h"

#include "proto/base/text.h"
#include "proto/dicom/part10.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/dimse_serve_events.def"
#undef LOG_EVENT

enum { HEAD_BYTES = 65536, CHUNK_BYTES = 131072 - 12 };

/* A Part 10 file to be sent, and where its data set begins. */
struct outgoing {
    int fd;
    uint64_t at, end;
    const struct dimse_context *context;
};

/* Stored syntax first, then what it can be decoded to. */
static const struct dimse_context *
choose(const struct dimse_assoc *to, const char *sop_class, const char *syntax)
{
    const char *const wanted[] = {syntax, DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    const struct dimse_context *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(wanted) && found == NULL; i++)
        found = dimse_context_for(to, sop_class, wanted[i]);
    return found;
}

bool
dimse_can_send(const struct dimse_assoc *to, const char *sop_class, const char *syntax)
{
    return choose(to, sop_class, syntax) != NULL;
}

static int
read_at(int fd, void *bytes, size_t n, uint64_t at, struct err *err)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(fd, (char *)bytes + got, n - got, (off_t)(at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? err_sys(err, ERR_RETRY, "read a stored instance")
                         : err_set(err, ERR_FATAL, "a stored instance is shorter than it was");
        got += (size_t)r;
    }
    return 0;
}

/* Where the data set begins behind the meta group. */
static int
find_dataset(struct outgoing *o, struct err *err)
{
    struct dcm_part10 part10;
    size_t n = o->end - o->at < HEAD_BYTES ? (size_t)(o->end - o->at) : HEAD_BYTES;
    uint8_t *head = mem_new(n + 1);
    int rc = -1;

    if (read_at(o->fd, head, n, o->at, err) < 0 || dcm_part10_parse(head, n, &part10, err) < 0)
        goto out;
    if (strcmp(part10.transfer_syntax, o->context->transfer_syntax) != 0) {
        err_set(err, ERR_FATAL, "a stored instance is not in the syntax the catalog says");
        goto out;
    }
    o->at += part10.dataset_at;
    rc = 0;
out:
    free(head);
    return rc;
}

/* Have the file in the syntax that was agreed on. */
static int
prepare(struct dimse_talk *t, const struct keep_place *place, struct outgoing *o, struct err *err)
{
    int stored = -1;
    uint64_t size = 0;

    if (keep_open_place(t->s->options.keep, place, &stored, err) < 0)
        return -1;
    if (strcmp(o->context->transfer_syntax, place->transfer_syntax) == 0) {
        o->fd = stored;
        o->at = place->offset;
        o->end = place->offset + place->size;
        return find_dataset(o, err);
    }
    struct codec_source source = {.fd = stored,
                                  .offset = place->offset,
                                  .size = place->size,
                                  .recipe = place->recipe,
                                  .recipe_n = place->recipe_n};
    int rc = codec_transcode(t->s->options.pool, &source, o->context->transfer_syntax, &o->fd,
                             &size, err);
    close(stored);
    if (rc < 0)
        return -1;
    o->at = 0;
    o->end = size;
    return find_dataset(o, err);
}

static int
send_dataset(struct dimse_sub *sub, struct outgoing *o, struct err *err)
{
    uint8_t *chunk = mem_new(CHUNK_BYTES);
    int rc = 0;

    while (rc == 0 && o->at < o->end) {
        size_t n = o->end - o->at < CHUNK_BYTES ? (size_t)(o->end - o->at) : CHUNK_BYTES;
        rc = read_at(o->fd, chunk, n, o->at, err);
        o->at += n;
        if (rc == 0)
            rc = dimse_send_data(sub->to, o->context->id, chunk, n, o->at == o->end, err);
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
        *out_sent = rsp.status == DIMSE_SUCCESS                    ? DIMSE_SENT
                    : (rsp.status & 0xF000) == 0xB000              ? DIMSE_SENT_WARNING
                    : rsp.status == 0x0107 || rsp.status == 0x0116 ? DIMSE_SENT_WARNING
                                                                   : DIMSE_SENT_FAILED;
        return 0;
    }
}

int
dimse_send_instance(struct dimse_talk *t, struct dimse_sub *sub, const struct keep_place *place,
                    enum dimse_sent *out_sent, struct err *err)
{
    struct outgoing o = {.fd = -1};
    struct dimse_command rq = {.field = DIMSE_C_STORE_RQ, .has_data = true};
    struct err why = {0};
    int rc = 0;

    *out_sent = DIMSE_SENT_FAILED;
    o.context = choose(sub->to, place->sop_class, place->transfer_syntax);
    if (o.context == NULL)
        err_set(&why, ERR_REJECT, "the receiver takes neither its class nor a syntax of it");
    if (o.context == NULL || prepare(t, place, &o, &why) < 0) {
        LOG(&t->log, DIMSE_NOT_SENT, F_UID("instance", place->sop_instance), F_ERR(&why));
        goto out;
    }
    rq.context = o.context->id;
    rq.message_id = ++sub->message_id;
    text_copy(rq.sop_class, sizeof rq.sop_class, place->sop_class);
    text_copy(rq.sop_instance, sizeof rq.sop_instance, place->sop_instance);
    text_copy(rq.move_originator, sizeof rq.move_originator, sub->originator);
    rq.move_originator_id = sub->originator_id;
    rc = dimse_send_command(sub->to, &rq, err);
    if (rc == 0)
        rc = send_dataset(sub, &o, err);
    if (rc == 0)
        rc = take_answer(sub, rq.message_id, out_sent, err);
    t->sent += rc == 0 && *out_sent != DIMSE_SENT_FAILED;
out:
    if (o.fd >= 0)
        close(o.fd);
    return rc;
}
