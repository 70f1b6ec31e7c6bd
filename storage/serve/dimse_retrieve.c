/* dimse_retrieve.c - C-MOVE and C-GET at study, series and image level (PS3.4 C.4.2, C.4.3).
 * What is meant is settled first (names only), noted in the audit log, then sent one by one; a
 * pending answer with the counts follows each, and the final one names what failed.
 * Invariant: completed + failed + warning + remaining is the number of matches in every answer. */
#include "storage/serve/dimse_core.h"

#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/write.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_FAILED_LIST = 0x00080058, FAILED_LIST_BYTES = 65000, MATCHES_MOST = 200000 };

struct match {
    char study[LINK_UID_SIZE];
    char sop_instance[LINK_UID_SIZE];
    char sop_class[LINK_UID_SIZE];
    char transfer_syntax[LINK_UID_SIZE];
    bool is_on_its_way; /* not whole yet: cannot be sent */
};

struct retrieval {
    struct dimse_talk *t;
    const struct dimse_command *rq;
    struct match *matches;
    size_t n, room;
    const char *series; /* while matching: previews of this one only */
    size_t remaining, completed, failed, warning;
    struct buf failed_uids; /* joined by '\' */
};

static int
add_match(struct retrieval *r, const struct match *m, struct err *err)
{
    if (r->n == MATCHES_MOST)
        return err_set(err, ERR_REJECT, "more than %d instances in one request", MATCHES_MOST);
    if (r->n == r->room) {
        r->room = r->room == 0 ? 64 : 2 * r->room;
        r->matches = mem_grow(r->matches, r->room * sizeof *m);
    }
    r->matches[r->n++] = *m;
    return 0;
}

static int
on_place(void *user, const struct keep_place *place, struct err *err)
{
    struct match m = {.is_on_its_way = false};

    memcpy(m.study, place->study, sizeof m.study);
    memcpy(m.sop_instance, place->sop_instance, sizeof m.sop_instance);
    memcpy(m.sop_class, place->sop_class, sizeof m.sop_class);
    memcpy(m.transfer_syntax, place->transfer_syntax, sizeof m.transfer_syntax);
    return add_match(user, &m, err);
}

static int
on_preview(void *user, const struct keep_preview *preview, struct err *err)
{
    struct retrieval *r = user;
    struct match m = {.is_on_its_way = true};

    if (r->series != NULL && strcmp(r->series, preview->series) != 0)
        return 0;
    memcpy(m.study, preview->study, sizeof m.study);
    memcpy(m.sop_instance, preview->sop_instance, sizeof m.sop_instance);
    memcpy(m.sop_class, preview->sop_class, sizeof m.sop_class);
    memcpy(m.transfer_syntax, preview->transfer_syntax, sizeof m.transfer_syntax);
    return add_match(r, &m, err);
}

/* Everything of one study, series (NULL: all) or instance (NULL: all), and what is on its way. */
static int
match_one(struct retrieval *r, const char *study, const char *series, const char *sop_instance,
          struct err *err)
{
    struct keep *keep = r->t->s->options.keep;
    const char *tenant = r->t->caller.tenant;

    if (keep_instances(keep, tenant, study, series, sop_instance, on_place, r, err) < 0) {
        if (err->kind != ERR_NOT_FOUND && err->kind != ERR_RETRY)
            return -1;
        if (err->kind == ERR_RETRY) { /* is it the catalog, or only that none is whole yet? */
            struct err away = {0};
            if (keep_check(keep, &away) < 0)
                return -1;
        }
        err_clear(err);
    }
    r->series = series;
    return keep_previews(keep, tenant, study, sop_instance, on_preview, r, err);
}

struct uids {
    char (*at)[65];
    size_t n;
};

static struct uids
uids_of(const struct dimse_identifier *id, uint32_t tag)
{
    struct uids list;

    list.n = dimse_uid_list(dimse_identifier_value(id, tag), &list.at);
    return list;
}

/* The unique keys of the level: lists at the level itself, one value above (PS3.4 C.4.2.2.1). */
static int
settle(struct retrieval *r, const struct dimse_identifier *id, struct err *err)
{
    struct uids studies = uids_of(id, TAG_STUDY_UID), series = uids_of(id, TAG_SERIES_UID);
    struct uids instances = uids_of(id, TAG_SOP_INSTANCE);
    int rc = 0;

    if (studies.n == 0 || (id->level > QIDO_STUDY && studies.n > 1) ||
        (id->level > QIDO_STUDY && series.n == 0) ||
        (id->level == QIDO_INSTANCE && (series.n > 1 || instances.n == 0)))
        rc = err_set(err, ERR_REJECT, "unique keys do not fit the retrieve level");
    if (id->level == QIDO_STUDY)
        for (size_t i = 0; i < studies.n && rc == 0; i++)
            rc = match_one(r, studies.at[i], NULL, NULL, err);
    if (id->level == QIDO_SERIES)
        for (size_t i = 0; i < series.n && rc == 0; i++)
            rc = match_one(r, studies.at[0], series.at[i], NULL, err);
    if (id->level == QIDO_INSTANCE)
        for (size_t i = 0; i < instances.n && rc == 0; i++)
            rc = match_one(r, studies.at[0], series.at[0], instances.at[i], err);
    free(studies.at);
    free(series.at);
    free(instances.at);
    r->remaining = r->n;
    return rc;
}

/* One entry a study, before the first byte leaves. */
static int
note_retrieval(struct retrieval *r, const char *way, const char *destination, struct err *err)
{
    const struct dimse_peer *peer = dimse_peer(r->t->assoc);

    for (size_t i = 0, from = 0; i < r->n && r->t->s->options.audit != NULL; i++) {
        if (i + 1 < r->n && strcmp(r->matches[i].study, r->matches[i + 1].study) == 0)
            continue;
        if (audit_append(r->t->s->options.audit, err, AUDIT_RETRIEVED,
                         A_WORD("tenant", r->t->caller.tenant), A_UID("study", r->matches[i].study),
                         A_WORD("by", peer->calling), A_WORD("way", way), A_WORD("to", destination),
                         A_WORD("peer", peer->address), A_NUMBER("instances", i + 1 - from)) < 0)
            return err_context(err, "note a retrieval");
        from = i + 1;
    }
    return 0;
}

static uint16_t
small(size_t n)
{
    return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

static void
fill_counts(const struct retrieval *r, struct dimse_command *rsp)
{
    rsp->has_counts = true;
    rsp->remaining = small(r->remaining);
    rsp->completed = small(r->completed);
    rsp->failed = small(r->failed);
    rsp->warning = small(r->warning);
}

static void
count(struct retrieval *r, const struct match *m, enum dimse_sent sent)
{
    r->remaining--;
    r->completed += sent == DIMSE_SENT;
    r->warning += sent == DIMSE_SENT_WARNING;
    r->failed += sent == DIMSE_SENT_FAILED;
    if (sent == DIMSE_SENT_FAILED &&
        r->failed_uids.n + strlen(m->sop_instance) + 1 < FAILED_LIST_BYTES) {
        if (r->failed_uids.n > 0)
            buf_add_text(&r->failed_uids, "\\");
        buf_add_text(&r->failed_uids, m->sop_instance);
    }
}

static int
take_place(void *user, const struct keep_place *place, struct err *err)
{
    struct keep_place **out = user;

    (void)err;
    if (*out == NULL)
        *out = keep_place_copy(place);
    return 0;
}

/* Look one match up again and send it. errors: of the receiver's association */
static int
send_match(struct retrieval *r, struct dimse_sub *sub, const struct match *m, struct err *err)
{
    struct keep_place *place = NULL;
    enum dimse_sent sent = DIMSE_SENT_FAILED;
    struct err why = {0};
    int rc = 0;

    if (!m->is_on_its_way && keep_instances(r->t->s->options.keep, r->t->caller.tenant, m->study,
                                            NULL, m->sop_instance, take_place, &place, &why) < 0)
        dimse_log_failed(r->t, r->rq, &why);
    if (place != NULL)
        rc = dimse_send_instance(r->t, sub, place, &sent, err);
    keep_place_free(&place);
    count(r, m, sent);
    return rc;
}

static int
say_pending(struct retrieval *r, struct err *err)
{
    struct dimse_command rsp = dimse_answer(r->rq, DIMSE_PENDING);

    fill_counts(r, &rsp);
    return dimse_send_command(r->t->assoc, &rsp, err);
}

/* The last answer; with the list of what failed where there is one. */
static int
say_final(struct retrieval *r, uint16_t status, const char *comment, struct err *err)
{
    struct dimse_command rsp = dimse_answer(r->rq, status);
    const char *syntax = dimse_context(r->t->assoc, r->rq->context)->transfer_syntax;
    struct dcm_writer w;
    struct buf list;
    int rc;

    fill_counts(r, &rsp);
    if (comment != NULL)
        text_copy(rsp.comment, sizeof rsp.comment, comment);
    buf_init(&list, (size_t)2 * FAILED_LIST_BYTES);
    if (r->failed_uids.n > 0) {
        rsp.has_data = true;
        dcm_write_init(&w, &list,
                       strcmp(syntax, DCM_UID_IMPLICIT_LE) == 0 ? DCM_IMPLICIT_LE
                                                                : DCM_EXPLICIT_LE);
        dcm_write_text(&w, TAG_FAILED_LIST, "UI", buf_text(&r->failed_uids));
    }
    rc = dimse_send_command(r->t->assoc, &rsp, err);
    if (rc == 0 && rsp.has_data)
        rc = dimse_send_data(r->t->assoc, r->rq->context, list.bytes, list.n, true, err);
    buf_fini(&list);
    return rc;
}

static uint16_t
outcome(const struct retrieval *r, bool is_cancelled)
{
    if (is_cancelled)
        return DIMSE_CANCELLED;
    if (r->failed == 0 && r->warning == 0)
        return DIMSE_SUCCESS;
    return r->completed + r->warning == 0 ? DIMSE_CANNOT_SEND : DIMSE_SOME_FAILED;
}

static int
get(struct retrieval *r, struct err *err)
{
    struct dimse_sub sub = {.to = r->t->assoc, .cancel_id = r->rq->message_id};

    for (size_t i = 0; i < r->n && !sub.is_cancelled; i++) {
        if (send_match(r, &sub, &r->matches[i], err) < 0)
            return -1;
        if (r->remaining > 0 && say_pending(r, err) < 0)
            return -1;
        if (!sub.is_cancelled &&
            dimse_poll_cancel(r->t->assoc, r->rq->message_id, &sub.is_cancelled, err) < 0)
            return -1;
    }
    return say_final(r, outcome(r, sub.is_cancelled && r->remaining > 0), NULL, err);
}

/* Contexts for a destination: each class in its stored syntax, and in little endian. */
struct offer {
    struct dimse_proposal proposals[DIMSE_CONTEXTS];
    const char *stored[DIMSE_CONTEXTS];
    size_t n;
};

static bool
is_offered(const struct offer *offer, const char *sop_class, const char *syntax)
{
    for (size_t i = 0; i < offer->n; i++)
        if (strcmp(offer->proposals[i].abstract_syntax, sop_class) == 0 &&
            (syntax == NULL ? offer->stored[i] == NULL
                            : offer->stored[i] != NULL && strcmp(offer->stored[i], syntax) == 0))
            return true;
    return false;
}

static void
make_offer(const struct retrieval *r, struct offer *offer)
{
    static const char *const plain[] = {DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};

    offer->n = 0;
    for (size_t i = 0; i < r->n && offer->n + 2 <= DIMSE_CONTEXTS; i++) {
        const struct match *m = &r->matches[i];
        bool is_plain = strcmp(m->transfer_syntax, DCM_UID_EXPLICIT_LE) == 0 ||
                        strcmp(m->transfer_syntax, DCM_UID_IMPLICIT_LE) == 0;

        if (m->is_on_its_way)
            continue;
        if (!is_plain && !is_offered(offer, m->sop_class, m->transfer_syntax)) {
            offer->stored[offer->n] = m->transfer_syntax;
            offer->proposals[offer->n] =
                (struct dimse_proposal){m->sop_class, &offer->stored[offer->n], 1, false};
            offer->n++;
        }
        if (!is_offered(offer, m->sop_class, NULL)) {
            offer->stored[offer->n] = NULL;
            offer->proposals[offer->n++] = (struct dimse_proposal){m->sop_class, plain, 2, false};
        }
    }
}

static int
call_destination(struct retrieval *r, const struct keep_ae *ae, struct dimse_assoc **out,
                 struct err *err)
{
    struct offer *offer = mem_new(sizeof *offer);
    struct dimse_connect_options options = {.host = ae->host,
                                            .port = ae->port,
                                            .calling = r->t->s->ae,
                                            .called = ae->ae,
                                            .deadlines = r->t->s->options.deadlines};
    int rc;

    make_offer(r, offer);
    rc = offer->n == 0 ? err_set(err, ERR_RETRY, "nothing of it is whole yet")
                       : dimse_connect(&options, offer->proposals, offer->n, out, err);
    free(offer);
    return rc;
}

/* errors: of the asker's association. A receiver that breaks off fails the rest. */
static int
move_all(struct retrieval *r, struct dimse_assoc **to, bool *out_is_cancelled, struct err *err)
{
    struct dimse_sub sub = {.to = *to, .originator_id = r->rq->message_id};
    struct err why = {0};

    text_copy(sub.originator, sizeof sub.originator, dimse_peer(r->t->assoc)->calling);
    for (size_t i = 0; i < r->n && !*out_is_cancelled; i++) {
        if (*to == NULL)
            count(r, &r->matches[i], DIMSE_SENT_FAILED);
        else if (send_match(r, &sub, &r->matches[i], &why) < 0) {
            dimse_log_failed(r->t, r->rq, &why);
            dimse_abort(to);
        }
        if (r->remaining > 0 && *to != NULL && say_pending(r, err) < 0)
            return -1;
        if (dimse_poll_cancel(r->t->assoc, r->rq->message_id, out_is_cancelled, err) < 0)
            return -1;
    }
    return 0;
}

static int
move(struct retrieval *r, const struct keep_ae *destination, struct err *err)
{
    struct dimse_assoc *to = NULL;
    struct err why = {0};
    bool is_cancelled = false;
    int rc = -1;

    if (r->n > 0 && call_destination(r, destination, &to, &why) < 0) {
        dimse_log_failed(r->t, r->rq, &why);
        for (size_t i = 0; i < r->n; i++)
            count(r, &r->matches[i], DIMSE_SENT_FAILED);
        return say_final(r, DIMSE_CANNOT_SEND, "The destination does not answer.", err);
    }
    if (r->n > 0 && move_all(r, &to, &is_cancelled, err) < 0)
        goto out;
    if (to != NULL && dimse_release(&to, &why) < 0)
        dimse_log_failed(r->t, r->rq, &why); /* everything was answered before */
    rc = say_final(r, outcome(r, is_cancelled && r->remaining > 0), NULL, err);
out:
    dimse_abort(&to);
    return rc;
}

static int
retrieve(struct retrieval *r, const struct dimse_identifier *id, struct err *err)
{
    const struct dimse_command *rq = r->rq;
    bool is_move = rq->field == DIMSE_C_MOVE_RQ;
    struct keep_ae destination = {.port = 0};
    struct err why = {0};

    if (is_move && keep_destination_find(r->t->s->options.keep, r->t->caller.tenant,
                                         rq->move_destination, &destination, &why) < 0) {
        if (why.kind != ERR_NOT_FOUND)
            return dimse_say_error(r->t, rq, &why, err);
        dimse_log_failed(r->t, rq, &why);
        return dimse_say(r->t, rq, DIMSE_DESTINATION_UNKNOWN, "The destination is not enrolled.",
                         err);
    }
    if (settle(r, id, &why) < 0 || note_retrieval(r, is_move ? "C-MOVE" : "C-GET",
                                                  is_move ? destination.ae : "itself", &why) < 0) {
        dimse_log_failed(r->t, rq, &why);
        return dimse_say(r->t, rq,
                         why.kind == ERR_REJECT ? DIMSE_CLASS_DIFFERS : DIMSE_CANNOT_COUNT,
                         err_kind_sentence(why.kind), err);
    }
    return is_move ? move(r, &destination, err) : get(r, err);
}

int
dimse_serve_retrieve(struct dimse_talk *t, const struct dimse_command *rq, struct err *err)
{
    struct retrieval r = {.t = t, .rq = rq};
    struct dimse_identifier id;
    struct err why = {0};
    uint16_t status;
    int rc;

    if (dimse_take_identifier(t, rq, &id, &status, &why, err) < 0)
        return -1;
    if (status != DIMSE_SUCCESS) {
        dimse_log_failed(t, rq, &why);
        return dimse_say(t, rq, status, "The identifier is not of this SOP class.", err);
    }
    buf_init(&r.failed_uids, FAILED_LIST_BYTES);
    rc = retrieve(&r, &id, err);
    buf_fini(&r.failed_uids);
    free(r.matches);
    dimse_identifier_fini(&id);
    return rc;
}
