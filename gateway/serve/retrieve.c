/* retrieve.c - C-MOVE and C-GET of what is here (PS3.4 C.4.2, C.4.3), as it was received, or
 * decoded to little endian where the receiver does not take that, under the UIDs it is listed by.
 */
#include "gateway/serve/index.h"
#include "gateway/serve/parts.h"

#include "proto/base/text.h"
#include "proto/codec/codec.h"
#include "proto/dicom/dimse_retrieve.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

/* What the engine's callbacks get. */
struct retrieval {
    struct serve *s;
    struct accept_call *call;
};

static int
match_one(struct dimse_retrieval *engine, const char *study, const char *series,
          const char *sop_instance, struct err *err)
{
    struct serve *s = ((struct retrieval *)engine->user)->s;
    int rc = 0;

    gate_lock(&s->index_gate);
    index_refresh(s->index, s->options.spool);
    for (size_t i = 0; i < s->index->n && rc == 0; i++) {
        const struct index_item *item = &s->index->items[i];
        struct dimse_retrieved m = {.number = item->entry, .is_absent = !item->has_bytes};

        if (strcmp(item->study, study) != 0 ||
            (series != NULL && strcmp(item->series, series) != 0) ||
            (sop_instance != NULL && strcmp(item->sop_instance, sop_instance) != 0))
            continue;
        text_copy(m.study, sizeof m.study, item->study);
        text_copy(m.series, sizeof m.series, item->series);
        text_copy(m.sop_instance, sizeof m.sop_instance, item->sop_instance);
        text_copy(m.sop_class, sizeof m.sop_class, item->sop_class);
        text_copy(m.transfer_syntax, sizeof m.transfer_syntax, item->transfer_syntax);
        rc = dimse_retrieval_add(engine, &m, err);
    }
    gate_unlock(&s->index_gate);
    return rc;
}

static int
open_entry(void *user, const struct dimse_retrieved *m, const char *syntax,
           struct dimse_part10 *out, struct err *err)
{
    struct serve *s = ((struct retrieval *)user)->s;
    struct spool_bytes bytes;

    if (spool_source_received(s->options.spool, m->number, &bytes, err) < 0)
        return -1;
    if (strcmp(syntax, m->transfer_syntax) == 0) {
        *out = (struct dimse_part10){bytes.fd, bytes.offset, bytes.offset + bytes.size};
        return 0;
    }
    struct codec_source source = {.fd = bytes.fd, .offset = bytes.offset, .size = bytes.size};
    int rc = codec_transcode(s->options.pool, &source, syntax, &out->fd, &out->end, err);
    close(bytes.fd);
    return rc;
}

static void
not_sent(void *user, const struct dimse_retrieved *m, const struct err *why)
{
    struct accept_call *call = ((struct retrieval *)user)->call;

    if (m == NULL)
        serve_log_failed(call, why);
    else
        LOG(call->log, SERVE_NOT_SENT, F_UID("instance", m->sop_instance), F_ERR(why));
}

/* Destinations are devices whose row says where they listen. Of several of one title it is the one
 * that asks, if it names itself. */
static bool
find_destination(const struct serve *s, const struct accept_call *call, struct accept_device *out)
{
    const char *title = call->request->move_destination;

    *out = *call->device;
    if (strcmp(title, out->ae) == 0 && out->host[0] != 0 && out->port != 0)
        return true;
    return accept_find_device(s->options.accept, title, NULL, out) && out->host[0] != 0 &&
           out->port != 0;
}

static int
move(struct dimse_retrieval *engine, struct accept_call *call, struct err *err)
{
    struct serve *s = ((struct retrieval *)engine->user)->s;
    struct accept_device d;

    if (!find_destination(s, call, &d))
        return serve_say(call, DIMSE_DESTINATION_UNKNOWN, "The destination is not enrolled.", err);
    struct dimse_connect_options to = {
        .host = d.host, .port = d.port, .calling = dimse_peer(call->assoc)->called, .called = d.ae};
    return dimse_retrieve_move(engine, &to, err);
}

static int
retrieve(struct dimse_retrieval *engine, const struct dimse_identifier *id,
         struct accept_call *call, struct err *err)
{
    struct err why = {0};
    int rc;

    if (dimse_retrieval_settle(engine, id, match_one, &why) < 0) {
        serve_log_failed(call, &why);
        return serve_say(call, DIMSE_CLASS_DIFFERS, err_kind_sentence(why.kind), err);
    }
    rc = call->request->field == DIMSE_C_MOVE_RQ ? move(engine, call, err)
                                                 : dimse_retrieve_get(engine, err);
    LOG(call->log, SERVE_SENT, F_NUMBER("sent", engine->completed + engine->warning),
        F_NUMBER("failed", engine->failed));
    return rc;
}

int
serve_retrieve(struct serve *s, struct accept_call *call, struct err *err)
{
    struct retrieval r = {.s = s, .call = call};
    struct dimse_retrieval engine;
    struct dimse_identifier id;
    struct err why = {0};
    uint16_t status;
    int rc;

    if (dimse_identifier_take(call->assoc, call->request, &id, &status, &why, err) < 0)
        return -1;
    if (status != DIMSE_SUCCESS) {
        serve_log_failed(call, &why);
        return serve_say(call, status, "The identifier is not of this SOP class.", err);
    }
    dimse_retrieval_init(&engine);
    engine.assoc = call->assoc;
    engine.rq = call->request;
    engine.open = open_entry;
    engine.not_sent = not_sent;
    engine.user = &r;
    rc = retrieve(&engine, &id, call, err);
    dimse_retrieval_fini(&engine);
    dimse_identifier_fini(&id);
    return rc;
}
