/* commit_tell.c - N-EVENT-REPORTs to devices (PS3.4 J.3.3), one after the other on an association
 * that the device holds open or on one of ours with the server's role, by its row in devices.conf.
 * Invariants: 1. a device has at most one report under way; 2. a transaction is over only when the
 * device has answered 0000H, or a warning; 3. each report that was begun is counted on disk before
 * its next, but for one that got no answer behind another on one call; 4. a device that cannot be
 * reached is called once a round at most, and then waits; 5. a call is under short deadlines: all
 * others wait meanwhile, some on associations that end after LIMIT_MS_IDLE. */
#include "gateway/serve/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_identifier.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

enum { ANSWER_MS = 60000, EVENT_BYTES = 2 * COMMIT_BYTES };
enum { CALL_MS = 5000 }; /* of reports on one association of ours, then the next device's turn */
enum { CALL_ANSWER_MS = 5000, PATIENCE_MOST = 2 }; /* of each; twice as long after a failure */

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
        struct asker *a = commits_asker(s, line.ae, line.address);
        if (call->device->commit_host[0] == 0)
            a->next_ms = 0; /* what waits for such a line goes now */
        else if (a->next_ms > a->called_ms + s->options.retry_ms)
            a->next_ms = a->called_ms + s->options.retry_ms; /* it is on: try it soon */
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
open_line(struct serve *s, const struct asker *a)
{
    uint64_t found = 0;

    gate_lock(&s->gate);
    for (size_t i = 0; i < s->lines_n; i++)
        if (strcmp(s->lines[i].ae, a->ae) == 0 && strcmp(s->lines[i].address, a->address) == 0 &&
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
    h->asker->is_being_told = true;
    h->message_id = ++s->next_message != 0 ? s->next_message : ++s->next_message;
    h->sent_ms = now_ms;
    h->is_answered = h->is_lost = false;
    gate_unlock(&s->gate);
    if (accept_assoc_post(s->options.accept, association, run_post, post))
        return true;
    free(post);
    gate_lock(&s->gate);
    h->association = 0;
    h->asker->is_being_told = false;
    gate_unlock(&s->gate);
    return false;
}

/* ---- what came of it ---- */

static bool
is_taken(uint16_t status)
{
    return status == DIMSE_SUCCESS || status == DIMSE_ATTRIBUTES_IGNORED ||
           status == DIMSE_VALUE_OUT_OF_RANGE;
}

/* Twice as long after each failure. */
static int64_t
wait_after(const struct serve *s, uint32_t failures)
{
    int64_t wait_ms = s->options.retry_ms;

    for (uint32_t i = 0; i < failures && wait_ms < s->options.retry_max_ms; i++)
        wait_ms *= 2;
    return wait_ms < s->options.retry_max_ms ? wait_ms : s->options.retry_max_ms;
}

/* Locked. */
static void
count_attempt(struct held *h, const struct err *why)
{
    h->c->attempts++;
    text_copy(h->c->trouble, sizeof h->c->trouble, why->text);
}

static void
note_failed(struct serve *s, struct held *h, int64_t wait_ms, const struct err *why)
{
    LOG(&serve_ctx, SERVE_COMMIT_NOT_TOLD, F_NUMBER("transaction", h->c->number),
        F_WORD("device", h->c->ae), F_NUMBER("attempts", h->c->attempts), F_MS("wait", wait_ms),
        F_ERR(why));
    commits_save(s, h);
}

/* The device could not be told of h: all that is for it waits. The rest of it is counted in memory
 * only, which a crash forgets: it then has more time, never less. */
static void
fail_device(struct serve *s, struct held *h, const struct err *why, int64_t now_ms)
{
    struct asker *a = h->asker;
    int64_t wait_ms;

    gate_lock(&s->gate);
    wait_ms = wait_after(s, a->failures++);
    a->next_ms = now_ms + wait_ms;
    a->patience += a->patience < PATIENCE_MOST; /* and keeps it: the slow are slow again */
    for (size_t i = 0; i < s->held_n; i++)
        if (s->held[i]->asker == a && s->held[i]->c->state == COMMIT_DECIDED)
            count_attempt(s->held[i], why);
    gate_unlock(&s->gate);
    note_failed(s, h, wait_ms, why);
}

/* The device has answered: over, or it does not like this one. */
static void
take_status(struct serve *s, struct held *h, uint16_t status, int64_t now_ms)
{
    struct err why = {0};
    int64_t wait_ms = wait_after(s, h->c->attempts);

    gate_lock(&s->gate);
    h->asker->failures = 0;
    s->told += is_taken(status);
    gate_unlock(&s->gate);
    if (is_taken(status)) {
        LOG(&serve_ctx, SERVE_COMMIT_TOLD, F_NUMBER("transaction", h->c->number),
            F_NUMBER("attempts", h->c->attempts + 1));
        commits_remove(s, h);
        return;
    }
    err_set(&why, ERR_REJECT, "the device answered the report with %04XH", status);
    gate_lock(&s->gate);
    count_attempt(h, &why);
    h->next_ms = now_ms + wait_ms;
    gate_unlock(&s->gate);
    note_failed(s, h, wait_ms, &why);
}

void
commit_watch(struct serve *s, struct held *h, int64_t now_ms)
{
    struct err why = {0};

    gate_lock(&s->gate);
    bool is_answered = h->is_answered, is_lost = h->is_lost;
    bool is_over = is_answered || is_lost || now_ms - h->sent_ms >= ANSWER_MS;
    uint16_t status = h->answer;
    if (is_over) {
        h->association = 0;
        h->asker->is_being_told = false;
    }
    gate_unlock(&s->gate);
    if (!is_over)
        return;
    if (is_answered) {
        take_status(s, h, status, now_ms);
        return;
    }
    err_set(&why, ERR_RETRY, "%s",
            is_lost ? "the association ended before the report was answered"
                    : "the report was not answered");
    fail_device(s, h, &why, now_ms);
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

/* A report of h: its answer. */
static int
tell_one(struct dimse_assoc *assoc, uint8_t context, uint16_t message_id, struct held *h,
         uint16_t *out_status, struct err *err)
{
    struct dimse_command rq;
    struct buf data;
    int rc = -1;

    h->sent_ms = clock_mono_ms();
    buf_init(&data, EVENT_BYTES);
    rq = make_command(h->c, context, message_id, dimse_coding(assoc, context), &data);
    if (send_report(assoc, &rq, &data, err) == 0)
        rc = await_answer(assoc, message_id, out_status, err);
    buf_fini(&data);
    return rc;
}

/* What else of the device's may go on this association: it called us by the same title. */
static struct held *
next_one(struct serve *s, const struct held *last, size_t *at, int64_t now_ms)
{
    struct held *found = NULL;

    gate_lock(&s->gate);
    for (; *at < s->held_n && found == NULL && !s->is_stopping; ++*at) {
        struct held *h = s->held[*at];

        if (h->asker == last->asker && h->c->state == COMMIT_DECIDED && !h->is_dropped &&
            !h->is_replaced && h != last && h->next_ms <= now_ms && !h->asker->is_single &&
            strcmp(h->c->called, last->c->called) == 0)
            found = h;
    }
    gate_unlock(&s->gate);
    return found;
}

/* Before anything is said on it: commit_end() ends the call by this. Without a descriptor it ends
 * by its deadlines. */
static int
keep_socket(void *user, int fd, int *out_fd, struct err *err)
{
    struct serve *s = user;

    (void)err;
    gate_lock(&s->gate);
    s->call_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (s->is_stopping)
        (void)shutdown(fd, SHUT_RDWR);
    gate_unlock(&s->gate);
    *out_fd = fd;
    return 0;
}

/* True: commit_end() ended it, or was about to. */
static bool
let_go_of_socket(struct serve *s)
{
    gate_lock(&s->gate);
    int fd = s->call_fd;
    bool is_stopping = s->is_stopping;
    s->call_fd = -1;
    gate_unlock(&s->gate);
    if (fd >= 0)
        (void)close(fd);
    return is_stopping;
}

/* As many as there are, for a while. Only the first one's failure is the device's: it may hang up
 * after any, or fall silent, and gets the rest one by one, each on a call of its own. */
static int
tell_in_turn(struct serve *s, struct held *h, struct dimse_assoc **assoc, struct err *err)
{
    const struct dimse_context *context = NULL;
    int64_t until_ms = clock_mono_ms() + CALL_MS;
    struct asker *a = h->asker;
    struct err end = {0};
    uint16_t id = 0, status;
    size_t at = 0;

    if (dimse_contexts(*assoc, &context) == 0)
        return err_set(err, ERR_REJECT, "the device does not take reports in this role");
    if (tell_one(*assoc, context->id, ++id, h, &status, err) < 0)
        return -1;
    for (bool is_alive = true; is_alive && h != NULL;) {
        int64_t now_ms = clock_mono_ms();

        take_status(s, h, status, now_ms);
        h = now_ms < until_ms ? next_one(s, h, &at, now_ms) : NULL;
        is_alive = h == NULL || tell_one(*assoc, context->id, ++id, h, &status, &end) == 0;
    }
    if (end.kind != ERR_NONE) {
        gate_lock(&s->gate);
        a->is_single = true;
        gate_unlock(&s->gate);
    } else if (dimse_release(assoc, &end) < 0) {
        err_clear(&end); /* it has answered: how it hangs up does not matter */
    }
    return 0;
}

static int
call_device(struct serve *s, struct held *h, struct dimse_connect_options *to, struct err *err)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    const struct dimse_proposal proposal = {COMMIT_CLASS, plain, ARRAY_LEN(plain), true};
    struct dimse_assoc *assoc = NULL;
    int rc;

    gate_lock(&s->gate);
    to->deadlines.idle_ms = CALL_ANSWER_MS << h->asker->patience;
    gate_unlock(&s->gate);
    to->deadlines.pdu_ms = CALL_ANSWER_MS; /* and the release */
    to->secure = keep_socket;
    to->secure_user = s;
    h->sent_ms = clock_mono_ms();
    rc = dimse_connect(to, &proposal, 1, &assoc, err);
    if (rc == 0)
        rc = tell_in_turn(s, h, &assoc, err);
    dimse_abort(&assoc);
    if (let_go_of_socket(s) && rc < 0)
        err_set(err, ERR_RETRY, "the gateway stopped before the report was answered");
    return rc;
}

/* ---- a round ---- */

/* Where to call a device that holds no association open; false: its row names no address. */
static bool
address_of(const struct serve *s, const struct commit *c, const struct accept_device *d,
           struct dimse_connect_options *out)
{
    *out = (struct dimse_connect_options){
        .calling = c->called[0] != 0 ? c->called : s->ae,
        .called = d->commit_ae[0] != 0 ? d->commit_ae : c->ae,
    };
    return accept_reports_to(d, &out->host, &out->port);
}

static void
tell_device(struct serve *s, struct asker *a, struct held *h, int64_t now_ms)
{
    struct accept_device device;
    struct dimse_connect_options to;
    struct err why = {0};
    uint64_t line;

    gate_lock(&s->gate);
    a->called_ms = now_ms;
    gate_unlock(&s->gate);
    if (!accept_find_device(s->options.accept, a->ae, a->address, &device)) {
        err_set(&why, ERR_NOT_FOUND, "the device is not enrolled any more");
        fail_device(s, h, &why, now_ms);
        return;
    }
    line = device.commit_host[0] == 0 ? open_line(s, a) : 0;
    if (line != 0 && post_report(s, h, line, now_ms))
        return;
    if (!address_of(s, h->c, &device, &to))
        err_set(&why, ERR_RETRY, "no association is open, and the device's row names no address");
    else if (call_device(s, h, &to, &why) == 0)
        return;
    fail_device(s, h, &why, clock_mono_ms());
}

void
commit_tell_all(struct serve *s)
{
    gate_lock(&s->gate);
    for (size_t i = 0; i < s->askers_n && !s->is_stopping; i++) {
        struct asker *a = s->askers[i]; /* others only append */
        int64_t now_ms = clock_mono_ms();

        if (a->first == NULL || a->is_being_told || now_ms < a->next_ms)
            continue;
        gate_unlock(&s->gate);
        tell_device(s, a, a->first, now_ms);
        gate_lock(&s->gate);
    }
    gate_unlock(&s->gate);
}
