/* serve.c - the stage: its services beside C-STORE, its threads, what it tells the desk. */
#include "gateway/serve/serve.h"

#include "gateway/serve/index.h"
#include "gateway/serve/parts.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"

#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/serve/serve_events.def"
#undef LOG_EVENT

enum { SHOWN = 50, CLASSES_MOST = 1024 };

const struct log_ctx serve_ctx = {.stage = "gateway/serve"};

int
serve_say(struct accept_call *call, uint16_t status, const char *comment, struct err *err)
{
    struct dimse_command rsp = dimse_answer(call->request, status);

    if (comment != NULL)
        text_copy(rsp.comment, sizeof rsp.comment, comment);
    return dimse_send_command(call->assoc, &rsp, err);
}

void
serve_log_failed(const struct accept_call *call, const struct err *why)
{
    LOG(call->log, SERVE_REQUEST_FAILED, F_NUMBER("command", call->request->field), F_ERR(why));
}

static int
handle(struct accept_call *call, struct err *err)
{
    struct serve *s = call->user;

    switch (call->request->field) {
    case DIMSE_C_FIND_RQ:
        return serve_find(s, call, err);
    case DIMSE_C_MOVE_RQ:
    case DIMSE_C_GET_RQ:
        return serve_retrieve(s, call, err);
    default:
        break;
    }
    if (call->request->has_data && dimse_skip_data(call->assoc, err) < 0)
        return -1;
    if (call->request->field == DIMSE_C_CANCEL_RQ)
        return 0; /* of something answered already: PS3.7 9.3.2.3 */
    if (call->request->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    return serve_say(call, DIMSE_UNRECOGNIZED_OPERATION, NULL, err);
}

/* Queries, and every storage class in which a C-GET may have its instances sent. */
static void
offer_queries(struct serve *s)
{
    static const char *const roots[] = {DCM_UID_STUDY_ROOT_FIND,
                                        DCM_UID_STUDY_ROOT_MOVE,
                                        DCM_UID_STUDY_ROOT_GET,
                                        DCM_UID_PATIENT_ROOT_FIND,
                                        DCM_UID_PATIENT_ROOT_MOVE,
                                        DCM_UID_PATIENT_ROOT_GET,
                                        NULL};
    const char *classes[CLASSES_MOST + 1] = {NULL};
    const struct accept_service queries = {.abstract_syntaxes = roots,
                                           .offer = DIMSE_PLAIN_SYNTAX,
                                           .right = ACCEPT_MAY_QUERY,
                                           .handle = handle,
                                           .user = s};
    const struct accept_service storage = {
        .abstract_syntaxes = classes, .offer = DIMSE_THEIR_SYNTAX, .peer_scp_too = true};

    for (size_t i = 0; i < CLASSES_MOST && dcm_sop_class_at(i) != NULL; i++)
        classes[i] = dcm_sop_class_at(i)->uid;
    accept_add_service(s->options.accept, &queries);
    accept_add_service(s->options.accept, &storage);
}

int
serve_start(const struct serve_options *options, struct serve **out_serve, struct err *err)
{
    struct serve *s;

    if (options->is_durable_enough && !options->is_mirrored)
        return err_set(err, ERR_REJECT,
                       "\"durable here\" is no commitment while the spool is on one disk");
    s = mem_new(sizeof *s);
    s->options = *options;
    s->call_fd = -1;
    s->dir = mem_text(options->dir);
    text_copy(s->ae, sizeof s->ae,
              options->ae != NULL && options->ae[0] != 0 ? options->ae : "RADPOST");
    s->index = mem_new(sizeof *s->index);
    pthread_mutex_init(&s->asking, NULL);
    gate_init(&s->gate);
    gate_init(&s->index_gate);
    if (commits_open(s, err) < 0) {
        serve_close(&s);
        return -1;
    }
    commit_offer(s);
    offer_queries(s);
    commit_begin(s);
    *out_serve = s;
    return 0;
}

void
serve_stop(struct serve *serve)
{
    if (serve != NULL)
        commit_end(serve);
}

void
serve_close(struct serve **serve)
{
    struct serve *s = TAKE(*serve);

    if (s == NULL)
        return;
    commit_end(s);
    commits_close(s);
    index_free(&s->index);
    gate_fini(&s->gate);
    gate_fini(&s->index_gate);
    pthread_mutex_destroy(&s->asking);
    free(s->lines);
    free(s->dir);
    free(s);
}

void
serve_ask_questions(struct serve *serve, serve_is_asked fn, void *user)
{
    pthread_mutex_lock(&serve->asking);
    serve->is_asked = fn;
    serve->asked_user = user;
    pthread_mutex_unlock(&serve->asking);
}

bool
serve_has_question(struct serve *s, const char *study_uid)
{
    bool is;

    if (!s->options.has_questions)
        return false;
    pthread_mutex_lock(&s->asking);
    is = s->is_asked == NULL || s->is_asked(s->asked_user, study_uid);
    pthread_mutex_unlock(&s->asking);
    return is;
}

uint64_t
serve_expected(struct serve *serve, const char *study_uid)
{
    uint64_t n = 0;

    gate_lock(&serve->gate);
    for (size_t i = 0; i < serve->held_n && serve->announcing > 0; i++)
        if (serve->held[i]->missing > 0 && serve->held[i]->c->state == COMMIT_OPEN &&
            strcmp(serve->held[i]->study, study_uid) == 0)
            n += serve->held[i]->missing;
    gate_unlock(&serve->gate);
    return n;
}

bool
serve_announced_next(struct serve *serve, struct serve_announced *out)
{
    bool is_there = false;

    gate_lock(&serve->gate);
    for (size_t i = 0; i < serve->held_n && serve->announcing > 0 && !is_there; i++) {
        const struct held *h = serve->held[i];

        if (h->is_noted || h->c->state != COMMIT_OPEN || h->missing == 0 || h->study[0] == '\0')
            continue;
        *out = (struct serve_announced){.number = h->c->number, .n = h->c->n};
        text_copy(out->study, sizeof out->study, h->study);
        text_copy(out->transaction, sizeof out->transaction, h->c->transaction);
        out->instances = mem_new(h->c->n * sizeof *out->instances);
        for (size_t k = 0; k < h->c->n; k++)
            text_copy(out->instances[k], sizeof *out->instances, h->c->refs[k].sop_instance);
        is_there = true;
    }
    gate_unlock(&serve->gate);
    return is_there;
}

void
serve_announced_noted(struct serve *serve, uint64_t number)
{
    gate_lock(&serve->gate);
    for (size_t i = 0; i < serve->held_n; i++)
        if (serve->held[i]->c->number == number)
            serve->held[i]->is_noted = true;
    gate_unlock(&serve->gate);
}

static const char *
word_of(const struct held *h)
{
    static const char *const words[] = {
        [COMMIT_OPEN] = "open", [COMMIT_DECIDED] = "to_tell", [COMMIT_GIVEN_UP] = "given_up"};

    return words[h->c->state];
}

static void
write_one(const struct held *h, struct jsonw *w)
{
    size_t failed = 0;

    for (size_t i = 0; i < h->c->n && h->c->state != COMMIT_OPEN; i++)
        failed += h->c->refs[i].verdict != DIMSE_SUCCESS;
    jsonw_object(w, NULL);
    jsonw_uint(w, "number", h->c->number);
    jsonw_text(w, "device", h->c->ae);
    jsonw_text(w, "address", h->c->address);
    jsonw_text(w, "state", word_of(h));
    jsonw_int(w, "asked_at_us", h->c->asked_at_us);
    jsonw_uint(w, "instances", h->c->n);
    jsonw_uint(w, "missing", h->c->state == COMMIT_OPEN ? h->missing : 0);
    jsonw_uint(w, "failed", failed);
    jsonw_uint(w, "attempts", h->c->attempts);
    jsonw_text(w, "trouble", h->c->trouble);
    jsonw_end(w);
}

/* What waits of each device, the newest 50 of all devices above may all be another's. */
static void
write_askers(const struct serve *s, struct jsonw *w)
{
    jsonw_array(w, "devices");
    for (size_t i = 0; i < s->askers_n; i++) {
        const struct asker *a = s->askers[i];

        if (a->open_n + a->given_up_n == 0)
            continue;
        jsonw_object(w, NULL);
        jsonw_text(w, "device", a->ae);
        jsonw_text(w, "address", a->address);
        jsonw_uint(w, "open", a->open_n);
        jsonw_uint(w, "untold", a->given_up_n);
        jsonw_uint(w, "failures", a->failures);
        jsonw_end(w);
    }
    jsonw_end(w);
}

void
serve_report(struct serve *serve, struct jsonw *w)
{
    size_t shown = 0, open = 0;

    gate_lock(&serve->gate);
    for (size_t i = 0; i < serve->askers_n; i++)
        open += serve->askers[i]->open_n;
    jsonw_uint(w, "open", open);
    jsonw_uint(w, "told", serve->told);
    jsonw_array(w, "commitments");
    for (size_t i = serve->held_n; i-- > 0 && shown < SHOWN; shown++)
        write_one(serve->held[i], w);
    jsonw_end(w);
    write_askers(serve, w);
    gate_unlock(&serve->gate);
}
