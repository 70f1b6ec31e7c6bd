/* dimse_answers.c - the matches of a C-FIND, gathered and sent. */
#include "proto/dicom/dimse_answers.h"

enum { ANSWERS_BYTES = 128 * 1024 * 1024 };

void
dimse_answers_init(struct dimse_answers *a, enum dcm_coding coding)
{
    *a = (struct dimse_answers){.coding = coding};
    buf_init(&a->bytes, ANSWERS_BYTES);
}

void
dimse_answers_fini(struct dimse_answers *a)
{
    buf_fini(&a->bytes);
}

void
dimse_answers_begin(struct dimse_answers *a, struct dcm_writer *out_writer)
{
    a->at = a->bytes.n;
    buf_add_le32(&a->bytes, 0);
    dcm_write_init(out_writer, &a->bytes, a->coding);
}

bool
dimse_answers_end(struct dimse_answers *a)
{
    if (buf_is_over(&a->bytes))
        return false;
    le32_write(a->bytes.bytes + a->at, (uint32_t)(a->bytes.n - a->at - 4));
    a->count++;
    return true;
}

bool
dimse_answers_is_over(const struct dimse_answers *a)
{
    return buf_is_over(&a->bytes);
}

int
dimse_answers_send(struct dimse_assoc *assoc, const struct dimse_command *rq,
                   const struct dimse_answers *a, uint16_t pending, uint64_t *out_sent,
                   bool *out_is_cancelled, struct err *err)
{
    struct dimse_command rsp = dimse_answer(rq, pending);

    *out_is_cancelled = false;
    *out_sent = 0;
    rsp.has_data = true;
    for (size_t at = 0; at < a->bytes.n && !*out_is_cancelled;) {
        uint32_t n = le32_read(a->bytes.bytes + at);
        at += 4;
        if (dimse_send_command(assoc, &rsp, err) < 0 ||
            dimse_send_data(assoc, rq->context, a->bytes.bytes + at, n, true, err) < 0 ||
            dimse_poll_cancel(assoc, rq->message_id, out_is_cancelled, err) < 0)
            return -1;
        at += n;
        ++*out_sent;
    }
    return 0;
}
