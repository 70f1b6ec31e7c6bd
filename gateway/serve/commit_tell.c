/* commit_tell.c - one N-EVENT-REPORT to the device (PS3.4 J.3.3), on an association that it holds
 * open or on one of ours with the server's role, by its row in devices.conf.
 * Invariants: 1. a transaction has at most one report under way; 2. it is over only when a device
 * has answered 0000H, or a warning; 3. each attempt is counted on disk before the next one. */
#include "gateway/serve/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_identifier.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

enum { ANSWER_MS = 60000, EVENT_BYTES = 2 * COMMIT_BYTES };

static struct dimse_command
make_command(const struct commit *c, uint8_t context, uint16_t message_id, enum dcm_coding coding,
             struct buf *data)
{
    struct dimse_command rq = {.context = context,
                               .field = DIMSE_N_EVENT_REPORT_RQ,
                               .message_id = message_id,
                               .has_data = true,
                               .sop_class = COMMIT_CLASS,
                               .sop_instance = COMMIT_INSTANCE};

    rq.event_type_id = commit_event_write(data, coding, c->transaction, c->refs, c->n);
    return rq;
}

static int
send_report(struct dimse_assoc *assoc, const struct dimse_command *rq, const struct buf *data,
            struct err *err)
{
    if (dimse_send_command(assoc, rq, err) < 0)
        return -1;
    return dimse_send_data(assoc, rq->context, data->bytes, data->n, true, err);
}

/* ---- on an association of the device's ---- */

struct post {
    struct serve *s;
    uint64_t number;
};

/* Locked. */
static struct line *
find_line(struct serve *s, uint64_t association)
{
    for (size_t i = 0; i < s->lines_n; i++)
        if (s->lines[i].association == association)
            return &s->lines[i];
    return NULL;
}

/* In the association's thread, between two messages. */
static int
run_post(struct accept_call *call, void *user, struct err *err)
{
    struct post *post = user;
    struct serve *s = post->s;
    struct dimse_command rq = {.field = 0};
    struct held *h;
    struct buf data;
    int rc = 0;

    buf_init(&data, EVENT_BYTES);
    gate_lock(&s->gate);
    h = commits_find(s, post->number);
    struct line *line = call != NULL ? find_line(s, call->association) : NULL;
    if (h != NULL && line != NULL)
        rq = make_command(h->c, line->context, h->message_id,
                          dimse_coding(call->assoc, line->context), &data);
    else if (h != NULL)
        h->is_lost = true;
    s->has_news = true;
    gate_wake(&s->gate);
    gate_unlock(&s->gate);
    if (rq.field != 0)
        rc = send_report(call->assoc, &rq, &data, err);
    buf_fini(&data);
    free(post);
    return rc;
}

void
commit_line_begin(struct serve *s, const struct accept_call *call)
{
    struct line line = {.association = call->association, .context = call->request->context};

    text_copy(line.ae, sizeof line.ae, dimse_peer(call->assoc)->calling);
    text_copy(line.address, sizeof line.address, dimse_peer(call->assoc)->address);
    gate_lock(&s->gate);
    if (find_line(s, call->association) == NULL) {
        s->lines = mem_grow(s->lines, (s->lines_n + 1) * sizeof line);
        s->lines[s->lines_n++] = line;
        for (size_t i = 0; i < s->held_n; i++) /* what waits for such a line goes now */
            if (strcmp(s->held[i]->c->ae, line.ae) == 0)
                s->held[i]->next_ms = 0;
        s->has_news = true;
        gate_wake(&s->gate);
    }
    gate_unlock(&s->gate);
}

void
commit_line_end(uint64_t association, void *user)
{
    struct serve *s = user;

    gate_lock(&s->gate);
    struct line *line = find_line(s, association);
    if (line != NULL)
        *line = s->lines[--s->lines_n];
    for (size_t i = 0; i < s->held_n; i++)
        if (s->held[i]->association == association)
            s->held[i]->is_lost = true;
    s->has_news = true;
    gate_wake(&s->gate);
    gate_unlock(&s->gate);
}

void
commit_take_answer(struct serve *s, uint64_t association, const struct dimse_command *rsp)
{
    gate_lock(&s->gate);
    for (size_t i = 0; i < s->held_n; i++)
        if (s->held[i]->association == association && s->held[i]->message_id == rsp->responded_id) {
            s->held[i]->is_answered = true;
            s->held[i]->answer = rsp->status;
        }
    s->has_news = true;
    gate_wake(&s->gate);
    gate_unlock(&s->gate);
}

/* The newest association on which this device asked us; 0: none. */
static uint64_t
open_line(struct serve *s, const struct commit *c)
{
    uint64_t found = 0;

    gate_lock(&s->gate);
    for (size_t i = 0; i < s->lines_n; i++)
        if (strcmp(s->lines[i].ae, c->ae) == 0 && strcmp(s->lines[i].address, c->address) == 0 &&
            s->lines[i].association > found)
            found = s->lines[i].association;
    gate_unlock(&s->gate);
    return found;
}

/* False: it ended just now. */
static bool
post_report(struct serve *s, struct held *h, uint64_t association, int64_t now_ms)
{
    struct post *post = mem_new(sizeof *post);

    *post = (struct post){s, h->c->number};
    gate_lock(&s->gate);
    h->association = association;
    h->message_id = ++s->next_message != 0 ? s->next_message : ++s->next_message;
    h->sent_ms = now_ms;
    h->is_answered = h->is_lost = false;
    gate_unlock(&s->gate);
    if (accept_assoc_post(s->options.accept, association, run_post, post))
        return true;
    free(post);
    gate_lock(&s->gate);
    h->association = 0;
    gate_unlock(&s->gate);
    return false;
}

/* ---- on one of ours ---- */

static int
await_answer(struct dimse_assoc *assoc, uint16_t message_id, uint16_t *out_status, struct err *err)
{
    struct dimse_command rsp;

    if (dimse_next_command(assoc, &rsp, err) < 0)
        return -1;
    if (rsp.field != DIMSE_N_EVENT_REPORT_RSP || rsp.responded_id != message_id)
        return err_set(err, ERR_REJECT, "something else than the answer to the report");
    if (rsp.has_data && dimse_skip_data(assoc, err) < 0)
        return -1;
    *out_status = rsp.status;
    return 0;
}

static int
call_device(struct serve *s, const struct commit *c, const struct dimse_connect_options *to,
            uint16_t *out_status, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposal = {COMMIT_CLASS, plain, ARRAY_LEN(plain), true};
    const struct dimse_context *context = NULL;
    struct dimse_assoc *assoc = NULL;
    struct dimse_command rq;
    struct err end = {0};
    struct buf data;
    int rc = -1;

    (void)s;
    buf_init(&data, EVENT_BYTES);
    if (dimse_connect(to, &proposal, 1, &assoc, err) < 0)
        goto out;
    if (dimse_contexts(assoc, &context) == 0) {
        err_set(err, ERR_REJECT, "the device does not take reports in this role");
        goto out;
    }
    rq = make_command(c, context->id, 1, dimse_coding(assoc, context->id), &data);
    if (send_report(assoc, &rq, &data, err) < 0 || await_answer(assoc, 1, out_status, err) < 0)
        goto out;
    rc = 0;
    if (dimse_release(&assoc, &end) < 0)
        err_clear(&end); /* it has answered: how it hangs up does not matter */
out:
    dimse_abort(&assoc);
    buf_fini(&data);
    return rc;
}

/* ---- one step ---- */

static bool
is_taken(uint16_t status)
{
    return status == DIMSE_SUCCESS || status == DIMSE_ATTRIBUTES_IGNORED ||
           status == DIMSE_VALUE_OUT_OF_RANGE;
}

/* Another attempt has failed: say so, and wait twice as long as before. */
static void
fail_attempt(struct serve *s, struct held *h, const struct err *why, int64_t now_ms)
{
    int64_t wait_ms = s->options.retry_ms;

    for (uint32_t i = 0; i < h->c->attempts && wait_ms < s->options.retry_max_ms; i++)
        wait_ms *= 2;
    if (wait_ms > s->options.retry_max_ms)
        wait_ms = s->options.retry_max_ms;
    gate_lock(&s->gate);
    h->association = 0;
    h->c->attempts++;
    h->next_ms = now_ms + wait_ms;
    text_copy(h->c->trouble, sizeof h->c->trouble, why->text);
    gate_unlock(&s->gate);
    LOG(&serve_ctx, SERVE_COMMIT_NOT_TOLD, F_NUMBER("transaction", h->c->number),
        F_WORD("device", h->c->ae), F_NUMBER("attempts", h->c->attempts), F_MS("wait", wait_ms),
        F_ERR(why));
    commits_save(s, h);
}

/* The status of a report, once there is one. */
static bool
finish(struct serve *s, struct held *h, uint16_t status, int64_t now_ms)
{
    struct err why = {0};

    if (is_taken(status))
        return true;
    err_set(&why, ERR_REJECT, "the device answered the report with %04XH", status);
    fail_attempt(s, h, &why, now_ms);
    return false;
}

/* Await the answer on the device's own association. */
static bool
watch(struct serve *s, struct held *h, int64_t now_ms)
{
    struct err why = {0};

    gate_lock(&s->gate);
    bool is_answered = h->is_answered, is_lost = h->is_lost;
    uint16_t status = h->answer;
    if (is_answered)
        h->association = 0;
    gate_unlock(&s->gate);
    if (is_answered)
        return finish(s, h, status, now_ms);
    if (is_lost)
        err_set(&why, ERR_RETRY, "the association ended before the report was answered");
    else if (now_ms - h->sent_ms >= ANSWER_MS)
        err_set(&why, ERR_RETRY, "the report was not answered");
    else
        return false;
    fail_attempt(s, h, &why, now_ms);
    return false;
}

/* Where to call a device that holds no association open; false: its row names no address. */
static bool
address_of(const struct serve *s, const struct commit *c, const struct accept_device *d,
           struct dimse_connect_options *out)
{
    bool has_own = d->commit_host[0] != 0 && d->commit_port != 0;

    *out = (struct dimse_connect_options){
        .host = has_own ? d->commit_host : d->host,
        .port = has_own ? d->commit_port : d->port,
        .calling = c->called[0] != 0 ? c->called : s->ae,
        .called = d->commit_ae[0] != 0 ? d->commit_ae : c->ae,
    };
    return out->host[0] != 0 && out->port != 0;
}

bool
commit_tell(struct serve *s, struct held *h, int64_t now_ms)
{
    struct accept_device device;
    struct dimse_connect_options to;
    struct err why = {0};
    uint16_t status = 0;
    uint64_t line;

    if (h->association != 0)
        return watch(s, h, now_ms);
    if (now_ms < h->next_ms)
        return false;
    if (!accept_find_device(s->options.accept, h->c->ae, h->c->address, &device)) {
        err_set(&why, ERR_NOT_FOUND, "the device is not enrolled any more");
        fail_attempt(s, h, &why, now_ms);
        return false;
    }
    line = device.commit_host[0] == 0 ? open_line(s, h->c) : 0;
    if (line != 0 && post_report(s, h, line, now_ms))
        return false;
    if (!address_of(s, h->c, &device, &to))
        err_set(&why, ERR_RETRY, "no association is open, and the device's row names no address");
    else if (call_device(s, h->c, &to, &status, &why) == 0)
        return finish(s, h, status, now_ms);
    fail_attempt(s, h, &why, now_ms);
    return false;
}
