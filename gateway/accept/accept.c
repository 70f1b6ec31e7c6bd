/* accept.c - who may come in, and what an association may do. */
#include "gateway/accept/accept.h"

#include "gateway/accept/accept_parts.h"
#include "gateway/accept/seen.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/dicom/sopclass.h"
#include "proto/trust/tls_pipe.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

const struct log_ctx accept_ctx = {.stage = "gateway/accept"};

static enum dimse_admission admit(const struct dimse_peer *peer, void *user);
static uint32_t pdu_bytes(const struct dimse_peer *peer, void *user);
static void serve(struct dimse_assoc *assoc, void *user);
static void note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err,
                 void *user);

static int
open_lists(struct accept *a, struct err *err)
{
    size_t bad = 0;

    if (refused_read(a->options.dir, &a->refused, &bad, err) < 0)
        return err_context(err, REFUSED_FILE);
    if (bad > 0)
        LOG(&accept_ctx, ACCEPT_LINES_LEFT_OUT, F_WORD("file", REFUSED_FILE), F_NUMBER("n", bad));
    if (unsent_open(a->options.dir, &a->unsent, &bad, err) < 0)
        return err_context(err, UNSENT_FILE);
    if (bad > 0)
        LOG(&accept_ctx, ACCEPT_LINES_LEFT_OUT, F_WORD("file", UNSENT_FILE), F_NUMBER("n", bad));
    return 0;
}

static int
open_folder(struct accept *a, struct err *err)
{
    char *tmp = mem_printf("%s/tmp", a->options.dir);
    struct err seen = {0};
    int rc = -1;

    if (durable_mkdir(a->options.dir, err) < 0 || durable_mkdir(tmp, err) < 0 ||
        open_lists(a, err) < 0)
        goto out;
    table_refresh(a);
    if (seen_read(a->options.dir, &a->devices, &seen) < 0)
        LOG(&accept_ctx, ACCEPT_SEEN_NOT_KEPT, F_ERR(&seen));
    window_begin(a);
    window_release(a);
    rc = 0;
out:
    free(tmp);
    return rc;
}

static const char *
text_or_none(const char *text)
{
    return text && text[0] != '\0' ? mem_text(text) : NULL;
}

int
accept_open(const struct accept_options *options, struct spool *spool, struct accept **out_accept,
            struct err *err)
{
    struct accept *a = mem_new(sizeof *a);
    struct accept_options *o = &a->options;

    *o = *options;
    o->dir = mem_text(options->dir);
    o->address = text_or_none(options->address);
    o->called = mem_text(options->called ? options->called : "");
    o->private_classes = mem_text(options->private_classes ? options->private_classes : "");
    o->tls_certificate = text_or_none(options->tls_certificate);
    o->tls_key = text_or_none(options->tls_key);
    o->tls_ca = text_or_none(options->tls_ca);
    a->called = o->called;
    a->spool = spool;
    a->devices_path = mem_printf("%s/%s", o->dir, DEVICES_FILE);
    gate_init(&a->gate);
    gate_init(&a->seen_gate);
    gate_init(&a->release_gate);
    if (open_folder(a, err) < 0) {
        err_context(err, "DICOM door");
        accept_stop(&a);
        return -1;
    }
    *out_accept = a;
    return 0;
}

int
accept_listen(struct accept *a, struct err *err)
{
    struct dimse_listener_options listen = {
        .address = a->options.address,
        .port = a->options.port,
        .max_associations = a->options.max_associations,
        .deadlines = a->options.deadlines,
        .admit = admit,
        .pdu_bytes = pdu_bytes,
        .offers = classes_offer,
        .not_offered = classes_not_offered,
        .serve = serve,
        .note = note,
        .user = a,
    };

    if (dimse_listen(&listen, &a->listener, err) < 0)
        return err_context(err, "DICOM door");
    LOG(&accept_ctx, ACCEPT_LISTENING, F_NUMBER("port", dimse_listener_port(a->listener)));
    (void)tls_try(a);
    return 0;
}

bool
accept_try_again(struct accept *accept)
{
    return tls_try(accept);
}

static void
free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

void
accept_shut(struct accept *accept)
{
    struct dimse_listener *listener;
    struct tls_pipe *tls;

    if (!accept)
        return;
    gate_lock(&accept->gate);
    listener = TAKE(accept->listener); /* others find none: nothing more is taken in */
    gate_unlock(&accept->gate);
    dimse_listener_free(&listener);
    tls = atomic_exchange(&accept->tls, NULL);
    tls_pipe_free(&tls);
}

void
accept_stop(struct accept **accept)
{
    struct accept *a = *accept;

    if (!a)
        return;
    accept_shut(a);
    *accept = NULL;
    if (a->refused.is_dirty)
        table_keep_refused(a);
    if (a->devices.n > 0)
        table_keep_seen(a, true);
    unsent_close(&a->unsent);
    devices_fini(&a->devices);
    services_fini(a);
    gate_fini(&a->gate);
    gate_fini(&a->seen_gate);
    gate_fini(&a->release_gate);
    free(a->devices_path);
    free_text(a->options.dir);
    free_text(a->options.address);
    free_text(a->options.called);
    free_text(a->options.private_classes);
    free_text(a->options.tls_certificate);
    free_text(a->options.tls_key);
    free_text(a->options.tls_ca);
    free(a);
}

uint16_t
accept_port(const struct accept *accept)
{
    return accept->listener != NULL ? dimse_listener_port(accept->listener) : 0;
}

size_t
accept_associations(struct accept *accept)
{
    gate_lock(&accept->gate);
    size_t n = accept->listener ? dimse_listener_associations(accept->listener) : 0;
    gate_unlock(&accept->gate);
    return n;
}

/* Locked. */
static void
mark_seen(struct accept_device *d, const struct dimse_peer *peer)
{
    d->last_seen_us = clock_wall_us();
    text_copy(d->last_address, sizeof d->last_address, peer->address);
    if (peer->fingerprint[0] != '\0')
        text_copy(d->last_certificate, sizeof d->last_certificate, peer->fingerprint);
}

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    struct accept *a = user;
    enum dimse_admission admission = DIMSE_ADMITTED;
    enum accept_refusal why;
    bool is_due = false;

    gate_lock(&a->gate);
    table_refresh(a);
    struct devices_match match = devices_match(&a->devices, peer, a->called);
    if (match.device)
        mark_seen(match.device, peer);
    else {
        why = match.why;
        if (window_admits(a, peer, why))
            why = ACCEPT_STRANGER;
        else
            admission = why == ACCEPT_CALLED_WRONG ? DIMSE_CALLED_UNKNOWN : DIMSE_CALLING_UNKNOWN;
        refused_add(&a->refused, peer, why, clock_wall_us(), &is_due);
        if (is_due)
            table_keep_refused(a);
    }
    gate_unlock(&a->gate);
    return admission;
}

static uint32_t
pdu_bytes(const struct dimse_peer *peer, void *user)
{
    struct accept *a = user;

    gate_lock(&a->gate);
    table_refresh(a); /* it is asked before admit() */
    struct devices_match match = devices_match(&a->devices, peer, a->called);
    uint32_t bytes = match.device ? match.device->pdu_bytes : 0;
    gate_unlock(&a->gate);
    return bytes;
}

static void
note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err, void *user)
{
    const struct log_event *events[] = {
        [DIMSE_NOTE_REFUSED] = &ACCEPT_REFUSED,   [DIMSE_NOTE_FULL] = &ACCEPT_FULL,
        [DIMSE_NOTE_SILENT] = &ACCEPT_SILENT,     [DIMSE_NOTE_MALFORMED] = &ACCEPT_MALFORMED,
        [DIMSE_NOTE_GAVE_WAY] = &ACCEPT_GAVE_WAY,
    };
    struct log_ctx ctx = {.stage = "gateway/accept", .peer = peer->address};

    (void)user;
    if (peer->calling[0] != 0)
        ctx.peer_ae = peer->calling;
    if (err)
        LOG(&ctx, *events[what], F_ERR(err));
    else
        LOG(&ctx, *events[what]);
}

/* Count on the device's row, which a reading of the file may have moved. */
static void
count_device(struct accept *a, const struct live *l, int open_by, unsigned stored_by)
{
    gate_lock(&a->gate);
    struct accept_device *d = devices_at(&a->devices, l->device.ae, l->device.address);
    if (d && l->is_enrolled) {
        d->open = open_by < 0 ? (d->open > 0 ? d->open - 1 : 0) : d->open + (uint32_t)open_by;
        d->stored += stored_by;
        if (stored_by > 0)
            d->last_store_us = clock_wall_us();
    }
    gate_unlock(&a->gate);
}

/* One association while it is served. */
struct served {
    struct accept *a;
    const struct dimse_peer *peer;
    struct live live;
    struct log_ctx ctx;
    uint64_t spool_association;
    uint64_t stored, failed, echoes;
    bool was_stranger; /* at any time */
};

static int
answer(struct served *s, const struct dimse_command *request, uint16_t status, struct err *err)
{
    struct dimse_command rsp = dimse_answer(request, status);

    return dimse_send_command(s->live.assoc, &rsp, err);
}

/* May this device send objects of this class? */
static bool
may_store(const struct accept_device *d, const char *sop_class)
{
    size_t n = strlen(sop_class);

    if (!(d->may & ACCEPT_MAY_STORE))
        return false;
    if (d->classes[0] == '\0')
        return true;
    for (const char *at = d->classes; *at != '\0'; at += *at == ',') {
        size_t item = strcspn(at, ",");
        if (item == n && memcmp(at, sop_class, n) == 0)
            return true;
        at += item;
    }
    return false;
}

/* What the desk reads as the reason: words of ours that hold no path. */
static const char *
words_of(const struct err *why)
{
    bool is_ours = why->kind == ERR_REJECT || why->kind == ERR_DENIED;

    return is_ours ? why->text : err_kind_sentence(why->kind);
}

static void
list_unsent(struct served *s, const struct dimse_command *request,
            const struct store_result *result)
{
    struct accept_unsent row = {.status = result->status, .first_us = clock_wall_us()};
    struct err err = {0};

    row.last_us = row.first_us;
    text_copy(row.ae, sizeof row.ae, s->peer->calling);
    text_copy(row.address, sizeof row.address, s->peer->address);
    text_copy(row.sop_class, sizeof row.sop_class, request->sop_class);
    text_copy(row.sop_instance, sizeof row.sop_instance, result->sop_instance);
    text_copy(row.why, sizeof row.why, words_of(&result->why));
    if (unsent_add(s->a->unsent, &row, &err) < 0)
        LOG(&s->ctx, ACCEPT_UNSENT_NOT_KEPT, F_ERR(&err));
}

static void
count_stored(struct served *s, const struct dimse_command *request,
             const struct store_result *result)
{
    struct err err = {0};

    s->stored++;
    count_device(s->a, &s->live, 0, 1);
    if (unsent_arrived(s->a->unsent, result->sop_instance, &err) < 0)
        LOG(&s->ctx, ACCEPT_UNSENT_NOT_KEPT, F_ERR(&err));
    LOG(&s->ctx, ACCEPT_STORE_DURABLE, F_NUMBER("entry", result->entry),
        F_UID("instance", request->sop_instance));
}

static int
serve_store(struct served *s, const struct dimse_command *request, const char *abstract_syntax,
            struct err *err)
{
    const struct store_terms terms = {
        .spool_association = s->spool_association,
        .quarantine = s->live.is_stranger ? quarantine_word(QUARANTINE_STRANGER) : "",
        .room = s->live.is_stranger ? &s->a->window_room : NULL};
    struct store_result result = {.status = DIMSE_NOT_AUTHORIZED};
    int rc;

    if (may_store(&s->live.device, abstract_syntax))
        rc = store_instance(s->live.assoc, s->a->spool, &terms, request, &result, err);
    else {
        err_set(&result.why, ERR_DENIED, "this device may not send this class");
        text_copy(result.sop_instance, sizeof result.sop_instance, request->sop_instance);
        rc = request->has_data ? dimse_skip_data(s->live.assoc, err) : 0;
        if (rc == 0)
            rc = answer(s, request, result.status, err);
    }
    if (rc < 0)
        return -1;
    if (result.status == DIMSE_SUCCESS)
        count_stored(s, request, &result);
    else {
        s->failed++;
        list_unsent(s, request, &result);
        LOG(&s->ctx, ACCEPT_STORE_FAILED, F_NUMBER("status", result.status),
            F_UID("instance", request->sop_instance), F_ERR(&result.why));
    }
    return 0;
}

static int
serve_service(struct served *s, const struct accept_service *service,
              const struct dimse_command *request, struct err *err)
{
    struct accept_call call = {.assoc = s->live.assoc,
                               .request = request,
                               .device = &s->live.device,
                               .log = &s->ctx,
                               .association = s->live.number,
                               .user = service->user};

    if (s->live.is_enrolled && (s->live.device.may & service->right) == service->right)
        return service->handle(&call, err);
    LOG(&s->ctx, ACCEPT_NOT_ALLOWED, F_NUMBER("field", request->field));
    if (request->has_data && dimse_skip_data(s->live.assoc, err) < 0)
        return -1;
    if (request->field & 0x8000 || request->field == DIMSE_C_CANCEL_RQ)
        return 0;
    return answer(s, request, DIMSE_NOT_AUTHORIZED, err);
}

static int
serve_command(struct served *s, const struct dimse_command *request, struct err *err)
{
    const char *abstract_syntax = dimse_context(s->live.assoc, request->context)->abstract_syntax;
    const struct accept_service *service = service_of(s->a, abstract_syntax);

    if (service && service->handle)
        return serve_service(s, service, request, err);
    if (request->field == DIMSE_C_STORE_RQ)
        return serve_store(s, request, abstract_syntax, err);
    if (request->has_data && dimse_skip_data(s->live.assoc, err) < 0)
        return -1;
    if (request->field == DIMSE_C_CANCEL_RQ)
        return 0; /* of something answered already: PS3.7 9.3.2.3 */
    if (request->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    s->echoes += request->field == DIMSE_C_ECHO_RQ;
    return answer(s, request,
                  request->field == DIMSE_C_ECHO_RQ ? DIMSE_SUCCESS : DIMSE_UNRECOGNIZED_OPERATION,
                  err);
}

/* Whose association it is by the table in force; it may have been enrolled or removed meanwhile.
 * A stranger stays one until its association ends, also when the window closes. */
static void
find_device(struct served *s)
{
    struct accept *a = s->a;
    struct live *l = &s->live;

    if (l->table_version == atomic_load(&a->table_version))
        return;
    gate_lock(&a->gate);
    l->table_version = atomic_load(&a->table_version);
    struct devices_match match = devices_match(&a->devices, s->peer, a->called);
    const struct accept_refused *r = refused_find(&a->refused, s->peer);
    l->is_enrolled = match.device != NULL;
    l->is_stranger = !match.device && (l->is_stranger || (r && r->why == ACCEPT_STRANGER &&
                                                          clock_mono_ms() < a->window_until_ms));
    s->was_stranger = s->was_stranger || l->is_stranger;
    if (match.device)
        l->device = *match.device;
    else {
        l->device = (struct accept_device){.may = l->is_stranger ? ACCEPT_MAY_STORE : 0};
        text_copy(l->device.ae, sizeof l->device.ae, s->peer->calling);
        text_copy(l->device.address, sizeof l->device.address, s->peer->address);
    }
    gate_unlock(&a->gate);
}

/* Messages and posts in turn until the peer releases (0) or the association breaks (-1). */
static int
serve_messages(struct served *s, struct err *err)
{
    struct dimse_command request;
    bool is_woken;

    for (;;) {
        if (dimse_wait(s->live.assoc, &is_woken, err) < 0)
            return -1;
        find_device(s);
        if (is_woken) {
            if (live_run_posts(s->a, &s->live, &s->ctx, err) < 0)
                return -1;
            continue;
        }
        if (dimse_next_command(s->live.assoc, &request, err) < 0)
            return -1;
        if (request.field == DIMSE_END)
            return 0;
        if (serve_command(s, &request, err) < 0)
            return -1;
    }
}

static void
end_association(struct served *s)
{
    live_end(s->a, &s->live);
    count_device(s->a, &s->live, -1, 0);
    spool_association_end(s->a->spool, s->spool_association);
    if (s->was_stranger) /* it may have been enrolled while its last instance was on its way */
        atomic_store(&s->a->is_release_due, true);
    if (atomic_load(&s->a->is_release_due))
        window_release(s->a);
    table_keep_seen(s->a, false);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    const struct dimse_peer *peer = dimse_peer(assoc);
    struct served *s = mem_new(sizeof *s);
    struct err err = {0};
    int rc;

    *s = (struct served){
        .a = user,
        .peer = peer,
        .live = {.number = dimse_number(assoc), .assoc = assoc, .table_version = UINT_MAX},
        .ctx = {.stage = "gateway/accept",
                .peer = peer->address,
                .peer_ae = peer->calling,
                .association = dimse_number(assoc)}};
    find_device(s);
    s->spool_association = spool_association_begin(s->a->spool);
    LOG(&s->ctx, ACCEPT_ASSOCIATION_OPEN, F_WORD("called", peer->called));
    count_device(s->a, &s->live, 1, 0);
    live_begin(s->a, &s->live);
    rc = serve_messages(s, &err);
    end_association(s);
    if (rc == 0)
        LOG(&s->ctx, ACCEPT_ASSOCIATION_END, F_NUMBER("stored", s->stored),
            F_NUMBER("failed", s->failed), F_NUMBER("echoes", s->echoes));
    else
        LOG(&s->ctx, ACCEPT_ASSOCIATION_LOST, F_NUMBER("stored", s->stored),
            F_NUMBER("failed", s->failed), F_ERR(&err));
    free(s);
}
