/* commit.c - Storage Commitment: what devices ask (N-ACTION), and the thread that decides and
 * tells. Invariants: 1. 0000H is answered only when the transaction is durable; 2. "committed" is
 * told only of what the judge found so in the very look that decided; 3. once decided, a
 * transaction stays as it is until the device asks again under the same UID, or over and over for
 * the same instances. */
#include "gateway/serve/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_identifier.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

/* A scanner that asks for each image by itself needs so many on three days without the line. */
enum { HELD_MOST = 100000, GIVEN_UP_MOST = 1000, KEEP_GIVEN_UP_DAYS = 30 };
enum { LOOK_MS = 500, LOOK_SHARE = 9, SAVE_MS = 60000, ASK_MS = 5000 };
static const uint64_t day_ms = UINT64_C(86400000);

/* ---- what is asked ---- */

/* Read the data set, if any. out_status: DIMSE_SUCCESS, or what to answer. errors: of the
 * association only */
static int
take_ask(struct accept_call *call, struct commit_ask *ask, uint16_t *out_status, struct err *why,
         struct err *err)
{
    const struct dimse_command *rq = call->request;
    struct buf data;
    int rc = 0;

    buf_init(&data, COMMIT_BYTES);
    *out_status = DIMSE_RESOURCE_LIMITATION;
    if (rq->has_data && dimse_collect_data(call->assoc, &data, err) < 0) {
        rc = buf_is_over(&data) ? 0 : -1;
        err_set(why, ERR_FULL, "request of more than %d bytes", COMMIT_BYTES);
    } else if (rq->field != DIMSE_N_ACTION_RQ) {
        *out_status = DIMSE_UNRECOGNIZED_OPERATION;
        err_set(why, ERR_REJECT, "neither N-ACTION nor the answer to a report");
    } else if (strcmp(rq->sop_class, COMMIT_CLASS) != 0) {
        *out_status = DIMSE_CLASS_UNKNOWN;
        err_set(why, ERR_REJECT, "SOP Class is not that of the presentation context");
    } else if (strcmp(rq->sop_instance, COMMIT_INSTANCE) != 0) {
        *out_status = DIMSE_NO_SUCH_INSTANCE;
        err_set(why, ERR_REJECT, "not the well-known instance of Storage Commitment");
    } else if (rq->action_type_id != COMMIT_ACTION_REQUEST) {
        *out_status = DIMSE_NO_SUCH_ACTION;
        err_set(why, ERR_REJECT, "action type %u", rq->action_type_id);
    } else if (!rq->has_data) {
        *out_status = DIMSE_MISSING_ATTRIBUTE;
        err_set(why, ERR_REJECT, "request without a data set");
    } else if (commit_ask_read(data.bytes, data.n, dimse_coding(call->assoc, rq->context), ask,
                               out_status, why) < 0) {
        rc = 0;
    }
    buf_fini(&data);
    return rc;
}

static size_t
held_most(const struct serve *s)
{
    return s->options.held_most != 0 ? s->options.held_most : HELD_MOST;
}

/* A transaction of this request, durable. The ask's instances become its own. */
static int
make(struct serve *s, const struct accept_call *call, struct commit_ask *ask, struct commit **out,
     struct err *err)
{
    const struct dimse_peer *peer = dimse_peer(call->assoc);
    struct commit *c = mem_new(sizeof *c);
    bool is_taken = false;
    int rc = -1;

    c->state = COMMIT_OPEN;
    c->asked_at_us = clock_wall_us();
    text_copy(c->transaction, sizeof c->transaction, ask->transaction);
    text_copy(c->ae, sizeof c->ae, peer->calling);
    text_copy(c->address, sizeof c->address, peer->address);
    text_copy(c->called, sizeof c->called, peer->called);
    c->n = ask->n;
    c->refs = mem_grow(TAKE(ask->refs), c->n * sizeof c->refs[0]); /* it was read with some room */
    gate_lock(&s->gate);
    if (commits_asker(s, c->ae, c->address)->open_n >= held_most(s))
        err_set(err, ERR_FULL, "%zu transactions of this device are open", held_most(s));
    else if (!(is_taken = commits_take_share(s, c)))
        err_set(err, ERR_FULL, "open transactions have as many instances as are kept");
    c->number = s->next_number++;
    gate_unlock(&s->gate);
    if (is_taken && spool_disk_now(s->options.spool) == SPOOL_DISK_REFUSE)
        err_set(err, ERR_FULL, "the disk is below its refuse mark");
    else if (is_taken)
        rc = commits_write(s, c, err);
    if (rc == 0) {
        *out = c;
        return 0;
    }
    gate_lock(&s->gate);
    if (is_taken)
        commits_give_share(s, c);
    gate_unlock(&s->gate);
    commit_free(&c);
    return -1;
}

static int
take_request(struct serve *s, struct accept_call *call, struct err *err)
{
    struct commit_ask ask = {.n = 0};
    struct commit *c = NULL;
    struct dimse_command rsp;
    struct err why = {0};
    uint16_t status = DIMSE_SUCCESS;
    int rc;

    if (take_ask(call, &ask, &status, &why, err) < 0)
        return -1;
    if (status == DIMSE_SUCCESS && make(s, call, &ask, &c, &why) < 0)
        status = why.kind == ERR_FULL ? DIMSE_RESOURCE_LIMITATION : DIMSE_PROCESSING_FAILURE;
    if (c != NULL)
        LOG(call->log, SERVE_COMMIT_ASKED, F_NUMBER("transaction", c->number),
            F_NUMBER("instances", c->n));
    else
        LOG(call->log, SERVE_COMMIT_REFUSED, F_NUMBER("status", status), F_ERR(&why));
    rsp = dimse_answer(call->request, status);
    rc = dimse_send_command(call->assoc, &rsp, err);
    if (c != NULL) { /* durable, so it holds even if the answer was lost */
        gate_lock(&s->gate);
        commits_add(s, c);
        s->has_news = true;
        gate_wake(&s->gate);
        gate_unlock(&s->gate);
    }
    commit_ask_fini(&ask);
    return rc;
}

static int
handle(struct accept_call *call, struct err *err)
{
    struct serve *s = call->user;

    if (call->request->field & 0x8000) {
        if (call->request->has_data && dimse_skip_data(call->assoc, err) < 0)
            return -1;
        commit_take_answer(s, call->association, call->request);
        return 0;
    }
    if (call->request->field == DIMSE_C_CANCEL_RQ)
        return call->request->has_data ? dimse_skip_data(call->assoc, err) : 0;
    commit_line_begin(s, call);
    return take_request(s, call, err);
}

void
commit_offer(struct serve *s)
{
    static const char *const classes[] = {COMMIT_CLASS, NULL};
    const struct accept_service service = {.abstract_syntaxes = classes,
                                           .offer = DIMSE_PLAIN_SYNTAX,
                                           .right = ACCEPT_MAY_COMMIT,
                                           .handle = handle,
                                           .association_end = commit_line_end,
                                           .user = s};

    accept_add_service(s->options.accept, &service);
}

/* ---- deciding ---- */

struct look {
    uint16_t *verdicts;
    uint64_t waiting, missing, failed;
    char study[65];
    char asked[65];   /* a question stands on it */
    char settled[65]; /* asked for last: none does */
};

/* Instances of one study mostly follow one another. */
static bool
is_asked(struct serve *s, struct look *look, const char *study)
{
    if (strcmp(look->asked, study) == 0)
        return true;
    if (strcmp(look->settled, study) == 0)
        return false;
    if (!serve_has_question(s, study)) {
        text_copy(look->settled, sizeof look->settled, study);
        return false;
    }
    text_copy(look->asked, sizeof look->asked, study);
    return true;
}

/* Judge every instance; nothing is remembered, for a person may have released or requeued one. */
static void
look_over(struct serve *s, const struct commit *c, struct look *look)
{
    char study[65];
    bool is_mixed = false;

    *look = (struct look){.verdicts = mem_new((c->n + 1) * sizeof *look->verdicts)};
    for (size_t i = 0; i < c->n; i++) {
        uint16_t v =
            commit_judge(s->options.spool, s->options.is_durable_enough, &c->refs[i], study);

        if (v == DIMSE_SUCCESS && study[0] != 0 && is_asked(s, look, study))
            v = JUDGED_WAITING;
        look->verdicts[i] = v;
        look->waiting += v == JUDGED_WAITING;
        look->missing += v == JUDGED_MISSING;
        look->failed += v != DIMSE_SUCCESS && v != JUDGED_WAITING && v != JUDGED_MISSING;
        if (study[0] == 0)
            continue;
        is_mixed = is_mixed || (look->study[0] != 0 && strcmp(look->study, study) != 0);
        text_copy(look->study, sizeof look->study, study);
    }
    if (is_mixed)
        look->study[0] = 0;
}

static void
decide(struct serve *s, struct held *h, const struct look *look, int64_t now_ms)
{
    gate_lock(&s->gate);
    for (size_t i = 0; i < h->c->n; i++)
        h->c->refs[i].verdict =
            look->verdicts[i] == JUDGED_MISSING ? DIMSE_NO_SUCH_INSTANCE : look->verdicts[i];
    h->c->state = COMMIT_DECIDED;
    h->next_ms = now_ms;
    gate_unlock(&s->gate);
    LOG(&serve_ctx, SERVE_COMMIT_DECIDED, F_NUMBER("transaction", h->c->number),
        F_NUMBER("instances", h->c->n), F_NUMBER("failed", look->failed + look->missing));
    commits_save(s, h);
}

/* Something is missing, and may still arrive. */
static bool
is_graceful(const struct serve *s, const struct held *h)
{
    return h->missing > 0 && h->c->grace_used_ms < (uint64_t)s->options.grace_ms;
}

static void
step_open(struct serve *s, struct held *h, int64_t now_ms)
{
    uint64_t change = spool_wait(s->options.spool, UINT64_MAX, 0);
    bool may_come = is_graceful(s, h);
    struct look look;

    if (may_come && now_ms - h->saved_ms >= SAVE_MS)
        commits_save(s, h);
    if (change == h->change && (may_come || h->missing == 0) &&
        (h->asked[0] == 0 || now_ms < h->ask_ms))
        return; /* nothing of it can have changed */
    h->change = change;
    h->ask_ms = now_ms + ASK_MS;
    look_over(s, h->c, &look);
    gate_lock(&s->gate);
    s->announcing += look.missing > 0; /* counted anew when the round is over */
    h->missing = look.missing;
    text_copy(h->study, sizeof h->study, look.study);
    text_copy(h->asked, sizeof h->asked, look.asked);
    gate_unlock(&s->gate);
    if (look.waiting == 0 && !is_graceful(s, h))
        decide(s, h, &look, now_ms);
    free(look.verdicts);
}

static void
step_decided(struct serve *s, struct held *h, int64_t now_ms)
{
    if (h->association != 0)
        commit_watch(s, h, now_ms);
    if (h->is_dropped || h->association != 0)
        return;
    if (h->c->attempts > 0 && h->c->tried_ms >= (uint64_t)s->options.give_up_ms) {
        LOG(&serve_ctx, SERVE_COMMIT_GIVEN_UP, F_NUMBER("transaction", h->c->number),
            F_WORD("device", h->c->ae), F_NUMBER("attempts", h->c->attempts));
        commits_give_up(s, h);
        return;
    }
    if (now_ms - h->saved_ms >= (int64_t)day_ms)
        commits_save(s, h);
    if (h->next_ms <= now_ms && (h->asker->first == NULL || h->sent_ms < h->asker->first->sent_ms))
        h->asker->first = h; /* each has its turn: one that a device chokes on stops no other */
}

static void
step_given_up(struct serve *s, struct held *h, int64_t now_ms)
{
    if (h->c->tried_ms >= (uint64_t)s->options.give_up_ms + KEEP_GIVEN_UP_DAYS * day_ms ||
        h->asker->given_up_n > (held_most(s) < GIVEN_UP_MOST ? held_most(s) : GIVEN_UP_MOST) ||
        commits_are_heavy(s, h->asker))
        commits_remove(s, h); /* in the list's order, which is that of their age */
    else if (now_ms - h->saved_ms >= (int64_t)day_ms)
        commits_save(s, h);
}

/* Locked. What has passed since it was counted last, onto what c has of that state. */
static void
count_time(struct held *h, int64_t now_ms)
{
    uint64_t passed_ms = now_ms > h->counted_ms ? (uint64_t)(now_ms - h->counted_ms) : 0;

    h->counted_ms = now_ms;
    if (h->c->state != COMMIT_OPEN)
        h->c->tried_ms += passed_ms;
    else if (h->missing > 0)
        h->c->grace_used_ms += passed_ms;
}

static void
step(struct serve *s, struct held *h, int64_t now_ms)
{
    bool is_replaced, is_due;

    gate_lock(&s->gate);
    is_replaced = h->is_replaced;
    is_due = is_replaced || h->c->state != COMMIT_OPEN || h->change == 0 || now_ms >= s->look_ms;
    if (is_due)
        count_time(h, now_ms);
    gate_unlock(&s->gate);
    if (!is_due)
        return;
    if (is_replaced) {
        LOG(&serve_ctx, SERVE_COMMIT_FORGOTTEN, F_NUMBER("transaction", h->c->number));
        commits_remove(s, h);
    } else if (h->c->state == COMMIT_OPEN) {
        step_open(s, h, now_ms);
    } else if (h->c->state == COMMIT_DECIDED) {
        step_decided(s, h, now_ms);
    } else {
        step_given_up(s, h, now_ms);
    }
}

/* Locked. Those that are over. */
static void
sweep(struct serve *s)
{
    size_t n = 0;

    s->announcing = 0;
    for (size_t i = 0; i < s->held_n; i++) {
        struct held *h = s->held[i];

        if (!h->is_dropped) {
            s->held[n++] = h;
            s->announcing += h->c->state == COMMIT_OPEN && h->missing > 0;
            continue;
        }
        commit_free(&h->c);
        free(h);
    }
    s->held_n = n;
}

/* When is there something to do for it, counted from now? */
static int64_t
due_in(const struct serve *s, const struct held *h, int64_t now_ms)
{
    int64_t at_ms = h->next_ms > h->asker->next_ms ? h->next_ms : h->asker->next_ms;

    if (h->c->state == COMMIT_GIVEN_UP)
        return (int64_t)day_ms;
    if (h->c->state == COMMIT_OPEN)
        at_ms = s->look_ms;
    else if (h->association != 0 || h->asker->is_being_told)
        return 1000;
    return at_ms > now_ms ? at_ms - now_ms : 1;
}

/* Locked. Open ones are looked at twice a second, the rest by their own times; none: no wake-up. */
static void
rest(struct serve *s, int64_t now_ms)
{
    int64_t wait_ms = INT64_MAX;

    for (size_t i = 0; i < s->held_n; i++) {
        int64_t own_ms = due_in(s, s->held[i], now_ms);

        wait_ms = own_ms < wait_ms ? own_ms : wait_ms;
    }
    if (s->is_stopping || s->has_news)
        return;
    if (wait_ms == INT64_MAX)
        gate_wait(&s->gate);
    else
        (void)gate_wait_ms(&s->gate, wait_ms);
}

/* Locked but while one is looked at. With very many open the looks take a tenth of the time. */
static void
step_all(struct serve *s)
{
    int64_t began_ms = clock_mono_ms(), now_ms = began_ms;
    size_t n = s->held_n;

    for (size_t i = 0; i < s->askers_n; i++)
        s->askers[i]->first = NULL;
    for (size_t i = 0; i < n && !s->is_stopping; i++) {
        struct held *h = s->held[i]; /* others only append */
        gate_unlock(&s->gate);
        now_ms = clock_mono_ms();
        step(s, h, now_ms);
        gate_lock(&s->gate);
    }
    if (began_ms < s->look_ms)
        return;
    now_ms = clock_mono_ms();
    s->look_ms =
        now_ms +
        (LOOK_SHARE * (now_ms - began_ms) > LOOK_MS ? LOOK_SHARE * (now_ms - began_ms) : LOOK_MS);
}

static void *
run(void *arg)
{
    struct serve *s = arg;

    gate_lock(&s->gate);
    while (!s->is_stopping) {
        s->has_news = false;
        step_all(s);
        gate_unlock(&s->gate);
        commit_tell_all(s);
        gate_lock(&s->gate);
        sweep(s);
        gate_unlock(&s->gate);
        commits_read_more(s);
        gate_lock(&s->gate);
        rest(s, clock_mono_ms());
    }
    gate_unlock(&s->gate);
    return NULL;
}

void
commit_begin(struct serve *s)
{
    s->thread = thread_start("commit", run, s);
    s->has_thread = true;
}

void
commit_end(struct serve *s)
{
    if (!s->has_thread)
        return;
    gate_lock(&s->gate);
    s->is_stopping = true;
    if (s->call_fd >= 0)
        (void)shutdown(s->call_fd, SHUT_RDWR); /* a call under way ends now */
    gate_wake(&s->gate);
    gate_unlock(&s->gate);
    thread_join(s->thread);
    s->has_thread = false;
}
