/* dimse_retrieve.c - C-MOVE and C-GET at study, series and image level (PS3.4 C.4.2, C.4.3).
 * What is meant is settled first (names only) and noted in the audit log; the sending is
 * proto/dicom/dimse_retrieve.h, which opens each instance here. */
#include "storage/serve/dimse_core.h"

#include "proto/base/text.h"
#include "proto/dicom/dimse_retrieve.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/dimse_serve_events.def"
#undef LOG_EVENT

/* What the engine's callbacks get. */
struct retrieval {
    struct dimse_talk *t;
    const struct dimse_command *rq;
    struct dimse_retrieval *engine;
    const char *series; /* while matching: previews of this one only */
};

static int
on_place(void *user, const struct keep_place *place, struct err *err)
{
    struct retrieval *r = user;
    struct dimse_retrieved m = {.is_absent = false};

    memcpy(m.study, place->study, sizeof m.study);
    memcpy(m.series, place->series, sizeof m.series);
    memcpy(m.sop_instance, place->sop_instance, sizeof m.sop_instance);
    memcpy(m.sop_class, place->sop_class, sizeof m.sop_class);
    memcpy(m.transfer_syntax, place->transfer_syntax, sizeof m.transfer_syntax);
    return dimse_retrieval_add(r->engine, &m, err);
}

/* Not whole yet: it cannot be sent. */
static int
on_preview(void *user, const struct keep_preview *preview, struct err *err)
{
    struct retrieval *r = user;
    struct dimse_retrieved m = {.is_absent = true};

    if (r->series != NULL && strcmp(r->series, preview->series) != 0)
        return 0;
    memcpy(m.study, preview->study, sizeof m.study);
    memcpy(m.sop_instance, preview->sop_instance, sizeof m.sop_instance);
    memcpy(m.sop_class, preview->sop_class, sizeof m.sop_class);
    memcpy(m.transfer_syntax, preview->transfer_syntax, sizeof m.transfer_syntax);
    return dimse_retrieval_add(r->engine, &m, err);
}

/* Everything of one study, series (NULL: all) or instance (NULL: all), and what is on its way. */
static int
match_one(struct dimse_retrieval *engine, const char *study, const char *series,
          const char *sop_instance, struct err *err)
{
    struct retrieval *r = engine->user;
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

/* One entry a study, before the first byte leaves. */
static int
note_retrieval(struct retrieval *r, const char *way, const char *destination, struct err *err)
{
    const struct dimse_peer *peer = dimse_peer(r->t->assoc);
    const struct dimse_retrieved *m = r->engine->instances;

    for (size_t i = 0, from = 0; i < r->engine->n && r->t->s->options.audit != NULL; i++) {
        if (i + 1 < r->engine->n && strcmp(m[i].study, m[i + 1].study) == 0)
            continue;
        if (audit_append(r->t->s->options.audit, err, AUDIT_RETRIEVED,
                         A_WORD("tenant", r->t->caller.tenant), A_UID("study", m[i].study),
                         A_WORD("by", peer->calling), A_WORD("way", way), A_WORD("to", destination),
                         A_WORD("peer", peer->address), A_NUMBER("instances", i + 1 - from)) < 0)
            return err_context(err, "note a retrieval");
        from = i + 1;
    }
    return 0;
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

static int
open_place(struct dimse_talk *t, const struct keep_place *place, const char *syntax,
           struct dimse_part10 *out, struct err *err)
{
    int stored = -1;

    if (keep_open_place(t->s->options.keep, place, &stored, err) < 0)
        return -1;
    if (strcmp(syntax, place->transfer_syntax) == 0) {
        *out = (struct dimse_part10){stored, place->offset, place->offset + place->size};
        return 0;
    }
    struct codec_source source = {.fd = stored,
                                  .offset = place->offset,
                                  .size = place->size,
                                  .recipe = place->recipe,
                                  .recipe_n = place->recipe_n};
    int rc = codec_transcode(t->s->options.pool, &source, syntax, &out->fd, &out->end, err);
    close(stored);
    return rc;
}

/* Look the instance up again and open it: decoded by a codec worker where that is asked for. */
static int
open_match(void *user, const struct dimse_retrieved *m, const char *syntax,
           struct dimse_part10 *out, struct err *err)
{
    struct retrieval *r = user;
    struct keep_place *place = NULL;
    int rc = -1;

    if (keep_instances(r->t->s->options.keep, r->t->caller.tenant, m->study, NULL, m->sop_instance,
                       take_place, &place, err) < 0)
        goto out;
    rc = place == NULL ? err_set(err, ERR_NOT_FOUND, "it is gone")
                       : open_place(r->t, place, syntax, out, err);
out:
    keep_place_free(&place);
    return rc;
}

static void
not_sent(void *user, const struct dimse_retrieved *m, const struct err *why)
{
    struct retrieval *r = user;

    if (m == NULL)
        dimse_log_failed(r->t, r->rq, why);
    else
        LOG(&r->t->log, DIMSE_NOT_SENT, F_UID("instance", m->sop_instance), F_ERR(why));
}

static int
move(struct retrieval *r, const struct keep_ae *destination, struct err *err)
{
    struct dimse_connect_options to = {.host = destination->host,
                                       .port = destination->port,
                                       .calling = r->t->s->ae,
                                       .called = destination->ae,
                                       .deadlines = r->t->s->options.deadlines};

    return dimse_retrieve_move(r->engine, &to, err);
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
    if (dimse_retrieval_settle(r->engine, id, match_one, &why) < 0 ||
        note_retrieval(r, is_move ? "C-MOVE" : "C-GET", is_move ? destination.ae : "itself", &why) <
            0) {
        dimse_log_failed(r->t, rq, &why);
        return dimse_say(r->t, rq,
                         why.kind == ERR_REJECT ? DIMSE_CLASS_DIFFERS : DIMSE_CANNOT_COUNT,
                         err_kind_sentence(why.kind), err);
    }
    return is_move ? move(r, &destination, err) : dimse_retrieve_get(r->engine, err);
}

int
dimse_serve_retrieve(struct dimse_talk *t, const struct dimse_command *rq, struct err *err)
{
    struct dimse_retrieval engine;
    struct retrieval r = {.t = t, .rq = rq, .engine = &engine};
    struct dimse_identifier id;
    struct err why = {0};
    uint16_t status;
    int rc;

    if (dimse_identifier_take(t->assoc, rq, &id, &status, &why, err) < 0)
        return -1;
    if (status != DIMSE_SUCCESS) {
        dimse_log_failed(t, rq, &why);
        return dimse_say(t, rq, status, "The identifier is not of this SOP class.", err);
    }
    dimse_retrieval_init(&engine);
    engine.assoc = t->assoc;
    engine.rq = rq;
    engine.open = open_match;
    engine.not_sent = not_sent;
    engine.user = &r;
    rc = retrieve(&r, &id, err);
    t->sent += engine.completed + engine.warning;
    dimse_retrieval_fini(&engine);
    dimse_identifier_fini(&id);
    return rc;
}
