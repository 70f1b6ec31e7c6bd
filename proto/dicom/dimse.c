/* dimse.c - messages over an association.
 * Invariants: after a command with has_data, PDVs of its data set on its context come next and
 * nothing else; a command set is one context's; after a failure the association is over, the peer
 * was told where it could be. */
#include "proto/dicom/dimse.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_assoc.h"
#include "proto/dicom/part10.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct upper_identity dimse_identity = {DCM_IMPLEMENTATION_UID, DCM_IMPLEMENTATION_VERSION};

static int fail_protocol(struct dimse_assoc *assoc, struct err *err, const char *what);
static int fail_slow(struct dimse_assoc *assoc, struct err *err, const char *what);

struct dimse_deadlines
dimse_deadlines_or_limits(const struct dimse_deadlines *wanted)
{
    return (struct dimse_deadlines){
        .associate_ms =
            wanted->associate_ms > 0 ? wanted->associate_ms : (int64_t)LIMIT_MS_ASSOCIATE,
        .pdu_ms = wanted->pdu_ms > 0 ? wanted->pdu_ms : (int64_t)LIMIT_MS_PDU,
        .idle_ms = wanted->idle_ms > 0 ? wanted->idle_ms : (int64_t)LIMIT_MS_IDLE,
    };
}

struct upper_limits
dimse_upper_limits(const struct dimse_deadlines *deadlines)
{
    return (struct upper_limits){
        .associate_ms = deadlines->associate_ms,
        .pdu_ms = deadlines->pdu_ms,
        .idle_ms = deadlines->idle_ms,
        .pdu_bytes = (uint32_t)LIMIT_PDU_BYTES,
    };
}

uint64_t
dimse_next_number(void)
{
    static atomic_uint_fast64_t last;

    return atomic_fetch_add(&last, 1) + 1;
}

const struct dimse_peer *
dimse_peer(const struct dimse_assoc *assoc)
{
    return &assoc->peer;
}

uint64_t
dimse_number(const struct dimse_assoc *assoc)
{
    return assoc->number;
}

size_t
dimse_contexts(const struct dimse_assoc *assoc, const struct dimse_context **out_contexts)
{
    *out_contexts = assoc->contexts;
    return assoc->context_count;
}

const struct dimse_context *
dimse_context(const struct dimse_assoc *assoc, uint8_t id)
{
    for (size_t i = 0; i < assoc->context_count; i++)
        if (assoc->contexts[i].id == id)
            return &assoc->contexts[i];
    return NULL;
}

const struct dimse_context *
dimse_context_for(const struct dimse_assoc *assoc, const char *abstract_syntax,
                  const char *transfer_syntax)
{
    for (size_t i = 0; i < assoc->context_count; i++) {
        const struct dimse_context *c = &assoc->contexts[i];
        if (c->peer_is_scp && strcmp(c->abstract_syntax, abstract_syntax) == 0 &&
            (!transfer_syntax || strcmp(c->transfer_syntax, transfer_syntax) == 0))
            return c;
    }
    return NULL;
}

static int
end_association(struct dimse_assoc *assoc, enum upper_end end)
{
    assoc->is_over = true;
    if (end == UPPER_LATE || end == UPPER_BROKEN)
        upper_abort(assoc->upper, end == UPPER_BROKEN);
    return -1;
}

/* The peer is to say something; what it let pass before counts. */
static void
begin_turn(struct dimse_assoc *assoc)
{
    atomic_store(&assoc->turn_ms, clock_mono_ms() - assoc->silent_ms);
}

/* It has, or somebody else has. */
static void
end_turn(struct dimse_assoc *assoc, bool has_moved)
{
    assoc->silent_ms = has_moved ? 0 : clock_mono_ms() - atomic_load(&assoc->turn_ms);
    atomic_store(&assoc->turn_ms, 0);
}

/* One PDV, or the end of the association. */
static int
next_pdv(struct dimse_assoc *assoc, int64_t wait_ms, struct upper_pdv *out_pdv,
         enum upper_end *out_end, struct err *err)
{
    *out_end = UPPER_CLOSED;
    if (assoc->is_over)
        return err_set(err, ERR_RETRY, "association is over");
    if (upper_next_pdv(assoc->upper, wait_ms, out_pdv, out_end, err) == 0)
        return 0;
    return end_association(assoc, *out_end);
}

/* Gather the PDVs of a command set; released = the peer ended in good order before it. */
static int
gather_command(struct dimse_assoc *assoc, struct buf *set, uint8_t *out_context,
               bool *out_is_released, struct err *err)
{
    struct upper_pdv pdv = {0};
    enum upper_end end;

    int64_t until_ms = 0;

    *out_is_released = false;
    *out_context = 0;
    while (!pdv.is_last) {
        int64_t wait_ms = assoc->deadlines.idle_ms;
        if (*out_context != 0)
            wait_ms = until_ms - clock_mono_ms();
        if (wait_ms <= 0)
            return fail_slow(assoc, err, "command set not whole within its deadline");
        if (next_pdv(assoc, wait_ms, &pdv, &end, err) < 0) {
            *out_is_released = end == UPPER_RELEASED && *out_context == 0;
            return *out_is_released ? 0 : -1;
        }
        if (!pdv.is_command)
            return fail_protocol(assoc, err, "data set without a command");
        if (*out_context != 0 && pdv.context != *out_context)
            return fail_protocol(assoc, err, "command over two presentation contexts");
        if (!dimse_context(assoc, pdv.context))
            return fail_protocol(assoc, err, "presentation context was not agreed on");
        if (*out_context == 0)
            until_ms = clock_mono_ms() + assoc->deadlines.pdu_ms;
        *out_context = pdv.context;
        buf_add(set, pdv.bytes, pdv.n);
        if (buf_is_over(set))
            return fail_protocol(assoc, err, "command set is too long");
    }
    return 0;
}

int
dimse_wait(struct dimse_assoc *assoc, bool *out_is_woken, struct err *err)
{
    enum upper_end end = UPPER_CLOSED;
    int rc;

    if (assoc->is_over)
        return err_set(err, ERR_RETRY, "association is over");
    if (assoc->data_context != 0)
        return fail_protocol(assoc, err, "bug: data set was not read");
    begin_turn(assoc);
    rc = upper_wait(assoc->upper, assoc->deadlines.idle_ms, out_is_woken, &end, err);
    end_turn(assoc, rc < 0 || !*out_is_woken);
    return rc < 0 ? end_association(assoc, end) : 0;
}

void
dimse_wake(struct dimse_assoc *assoc)
{
    upper_wake(assoc->upper);
}

int
dimse_next_command(struct dimse_assoc *assoc, struct dimse_command *out_command, struct err *err)
{
    struct buf set;
    struct err parse = {0};
    uint8_t context = 0;
    bool is_released = false;
    int rc = -1;

    buf_init(&set, LIMIT_COMMAND_BYTES);
    if (assoc->data_context != 0) {
        fail_protocol(assoc, err, "bug: data set was not read");
        goto out;
    }
    begin_turn(assoc);
    rc = gather_command(assoc, &set, &context, &is_released, err);
    end_turn(assoc, true);
    if (rc < 0)
        goto out;
    rc = -1;
    if (is_released) {
        *out_command = (struct dimse_command){.field = DIMSE_END};
        err_clear(err);
    } else if (dimse_command_read(set.bytes, set.n, out_command, &parse) < 0) {
        fail_protocol(assoc, err, parse.text);
        goto out;
    }
    out_command->context = context;
    assoc->data_context = out_command->has_data ? context : 0;
    atomic_store(&assoc->is_in_object, assoc->data_context != 0);
    assoc->moved_bytes = 0;
    assoc->pace_from_ms = 0;
    rc = 0;
out:
    buf_fini(&set);
    return rc;
}

/* A peer that sends a byte now and then holds its place for ever. */
static int
check_pace(struct dimse_assoc *assoc, size_t n, struct err *err)
{
    int64_t now_ms = clock_mono_ms();

    if (assoc->pace_from_ms == 0) {
        assoc->pace_from_ms = now_ms;
        assoc->pace_bytes = 0;
    }
    assoc->pace_bytes += n;
    if (now_ms - assoc->pace_from_ms < assoc->deadlines.idle_ms)
        return 0;
    if (assoc->pace_bytes < LIMIT_TRICKLE_BYTES)
        return fail_slow(assoc, err, "data set comes too slowly");
    assoc->pace_from_ms = now_ms;
    assoc->pace_bytes = 0;
    return 0;
}

int
dimse_read_data(struct dimse_assoc *assoc, const uint8_t **out_bytes, size_t *out_n,
                bool *out_is_last, struct err *err)
{
    struct upper_pdv pdv = {0};
    enum upper_end end;
    bool has_moved;
    int rc;

    if (assoc->data_context == 0)
        return fail_protocol(assoc, err, "bug: no data set is due");
    begin_turn(assoc);
    rc = next_pdv(assoc, assoc->deadlines.pdu_ms, &pdv, &end, err);
    assoc->moved_bytes += rc < 0 ? 0 : pdv.n;
    has_moved = assoc->moved_bytes >= DIMSE_MOVES_BYTES || pdv.is_last;
    end_turn(assoc, has_moved);
    if (has_moved)
        assoc->moved_bytes = 0;
    if (rc < 0)
        return err_context(err, "inside a data set");
    if (pdv.is_command)
        return fail_protocol(assoc, err, "command inside a data set");
    if (pdv.context != assoc->data_context)
        return fail_protocol(assoc, err, "data set over two presentation contexts");
    if (pdv.is_last) {
        assoc->data_context = 0;
        atomic_store(&assoc->is_in_object, false);
    } else if (check_pace(assoc, pdv.n, err) < 0) {
        return -1;
    }
    *out_bytes = pdv.bytes;
    *out_n = pdv.n;
    *out_is_last = pdv.is_last;
    return 0;
}

int
dimse_collect_data(struct dimse_assoc *assoc, struct buf *data, struct err *err)
{
    const uint8_t *bytes;
    size_t n;
    bool is_last = false;

    while (!is_last) {
        if (dimse_read_data(assoc, &bytes, &n, &is_last, err) < 0)
            return -1;
        buf_add(data, bytes, n);
    }
    if (buf_is_over(data))
        return err_set(err, ERR_REJECT, "data set of more than %zu bytes", data->limit);
    return 0;
}

int
dimse_skip_data(struct dimse_assoc *assoc, struct err *err)
{
    const uint8_t *bytes;
    size_t n;
    bool is_last = false;

    while (!is_last)
        if (dimse_read_data(assoc, &bytes, &n, &is_last, err) < 0)
            return -1;
    return 0;
}

int
dimse_poll_cancel(struct dimse_assoc *assoc, uint16_t message_id, bool *out_is_cancelled,
                  struct err *err)
{
    struct dimse_command command;

    *out_is_cancelled = false;
    if (assoc->is_over)
        return err_set(err, ERR_RETRY, "association is over");
    if (!upper_has_input(assoc->upper))
        return 0;
    if (dimse_next_command(assoc, &command, err) < 0)
        return -1;
    if (command.field == DIMSE_END)
        return err_set(err, ERR_RETRY, "peer released while it was being answered");
    if (command.field != DIMSE_C_CANCEL_RQ)
        return fail_protocol(assoc, err, "a second request before the first is answered");
    *out_is_cancelled = command.responded_id == message_id;
    return 0;
}

static int
send_pdv(struct dimse_assoc *assoc, const struct upper_pdv *pdv, struct err *err)
{
    if (assoc->is_over)
        return err_set(err, ERR_RETRY, "association is over");
    if (upper_send_pdv(assoc->upper, pdv, err) == 0)
        return 0;
    assoc->is_over = true;
    return -1;
}

int
dimse_send_command(struct dimse_assoc *assoc, const struct dimse_command *command, struct err *err)
{
    struct buf set;
    int rc;

    buf_init(&set, LIMIT_COMMAND_BYTES);
    dimse_command_write(command, &set);
    struct upper_pdv pdv = {command->context, true, true, set.bytes, set.n};
    rc = send_pdv(assoc, &pdv, err);
    buf_fini(&set);
    return rc;
}

int
dimse_send_data(struct dimse_assoc *assoc, uint8_t context, const void *bytes, size_t n,
                bool is_last, struct err *err)
{
    struct upper_pdv pdv = {context, false, is_last, bytes, n};

    if (n == 0 && !is_last)
        return 0;
    return send_pdv(assoc, &pdv, err);
}

int
dimse_connect(const struct dimse_connect_options *options, const struct dimse_proposal *proposals,
              size_t proposal_count, struct dimse_assoc **out_assoc, struct err *err)
{
    struct upper_proposal asked[DIMSE_CONTEXTS];
    struct upper_agreed agreed[DIMSE_CONTEXTS];
    struct dimse_assoc *assoc = mem_new(sizeof *assoc);
    struct upper_secure secure = {options->secure, options->secure_user};
    struct upper_limits limits;
    const struct upper_call request = {.host = options->host,
                                       .port = options->port,
                                       .calling = options->calling,
                                       .called = options->called,
                                       .identity = &dimse_identity,
                                       .limits = &limits,
                                       .secure = options->secure != NULL ? &secure : NULL,
                                       .proposals = asked,
                                       .count = proposal_count};
    size_t n = 0;

    CHECK(proposal_count > 0 && proposal_count <= DIMSE_CONTEXTS);
    for (size_t i = 0; i < proposal_count; i++)
        asked[i] = (struct upper_proposal){
            (uint8_t)(2 * i + 1), proposals[i].abstract_syntax, proposals[i].transfer_syntaxes,
            proposals[i].transfer_syntax_count, proposals[i].we_are_scp};
    assoc->number = dimse_next_number();
    assoc->deadlines = dimse_deadlines_or_limits(&options->deadlines);
    limits = dimse_upper_limits(&assoc->deadlines);
    if (upper_request(&request, &assoc->upper, agreed, &n, err) < 0) {
        free(assoc);
        return err_context(err, "associate with %s at %s:%u", options->called, options->host,
                           options->port);
    }
    for (size_t i = 0; i < n; i++) {
        struct dimse_context *c = &assoc->contexts[assoc->context_count++];
        c->id = agreed[i].context;
        c->peer_is_scp = !proposals[(c->id - 1) / 2].we_are_scp;
        text_copy(c->abstract_syntax, sizeof c->abstract_syntax,
                  proposals[(c->id - 1) / 2].abstract_syntax);
        text_copy(c->transfer_syntax, sizeof c->transfer_syntax, agreed[i].transfer_syntax);
    }
    text_copy(assoc->peer.calling, sizeof assoc->peer.calling, options->calling);
    text_copy(assoc->peer.called, sizeof assoc->peer.called, options->called);
    text_copy(assoc->peer.address, sizeof assoc->peer.address, options->host);
    assoc->peer.port = options->port;
    *out_assoc = assoc;
    return 0;
}

int
dimse_release(struct dimse_assoc **assoc, struct err *err)
{
    int rc = -1;

    if ((*assoc)->is_over)
        err_set(err, ERR_RETRY, "association is over");
    else
        rc = upper_release((*assoc)->upper, err);
    upper_free(&(*assoc)->upper);
    free(TAKE(*assoc));
    return rc;
}

void
dimse_shut(struct dimse_assoc *assoc)
{
    upper_shut(assoc->upper);
}

void
dimse_abort(struct dimse_assoc **assoc)
{
    if (!*assoc)
        return;
    if (!(*assoc)->is_over)
        upper_abort((*assoc)->upper, false);
    upper_free(&(*assoc)->upper);
    free(TAKE(*assoc));
}

static int
fail_slow(struct dimse_assoc *assoc, struct err *err, const char *what)
{
    if (!assoc->is_over)
        upper_abort(assoc->upper, false);
    assoc->is_over = true;
    return err_set(err, ERR_RETRY, "%s", what);
}

static int
fail_protocol(struct dimse_assoc *assoc, struct err *err, const char *what)
{
    if (!assoc->is_over)
        upper_abort(assoc->upper, true);
    assoc->is_over = true;
    return err_set(err, ERR_REJECT, "%s", what);
}
