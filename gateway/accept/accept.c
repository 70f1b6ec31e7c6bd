/* accept.c - who may come in, and what an association may do.
 * The device table is read again when its file changed (looked at for each association), so that
 * a line added by hand works at the device's next attempt. */
#include "gateway/accept/accept.h"

#include "gateway/accept/devices.h"
#include "gateway/accept/refused.h"
#include "gateway/accept/store.h"
#include "gateway/spool/spool.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/dicom/sopclass.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

enum { DEVICES_BYTES = 256 * 1024 };
#define STANDARD_ROOT "1.2.840.10008."

struct accept {
    struct spool *spool;
    struct dimse_listener *listener;
    char *dir, *devices_path;
    char called[17];  /* "" = any */
    struct gate gate; /* guards all below */
    struct devices devices;
    struct stat devices_seen; /* zeros: no file */
    struct refused refused;
};

static const struct log_ctx quiet_ctx = {.stage = "gateway/accept"};

static enum dimse_admission admit(const struct dimse_peer *peer, void *user);
static enum dimse_offer offers(const char *abstract_syntax, bool peer_is_scp, void *user);
static void serve(struct dimse_assoc *assoc, void *user);
static void note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err,
                 void *user);

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What devices have done since start is kept over a new reading of the file. */
static void
carry_counts(const struct devices *from, struct devices *to)
{
    for (size_t i = 0; i < to->n; i++)
        for (size_t k = 0; k < from->n; k++)
            if (strcmp(to->rows[i].ae, from->rows[k].ae) == 0 &&
                strcmp(to->rows[i].address, from->rows[k].address) == 0) {
                to->rows[i].last_seen_us = from->rows[k].last_seen_us;
                to->rows[i].last_store_us = from->rows[k].last_store_us;
                to->rows[i].stored = from->rows[k].stored;
                to->rows[i].open = from->rows[k].open;
            }
}

/* Locked. No file: no devices. */
static int
read_devices(struct accept *a, struct err *err)
{
    struct devices devices = {NULL, 0};
    struct stat now = {.st_ino = 0};
    uint8_t *text = NULL;
    size_t n = 0;
    int rc = -1;

    if (stat(a->devices_path, &now) < 0)
        now = (struct stat){.st_ino = 0};
    if (is_same_file(&now, &a->devices_seen))
        return 0;
    a->devices_seen = now;
    if (now.st_ino != 0 && durable_get_file(a->devices_path, DEVICES_BYTES, &text, &n, err) < 0)
        goto out;
    if (devices_parse((const char *)text, n, &devices, err) < 0) {
        err_context(err, DEVICES_FILE);
        goto out;
    }
    carry_counts(&a->devices, &devices);
    devices_fini(&a->devices);
    a->devices = devices;
    LOG(&quiet_ctx, ACCEPT_DEVICES_READ, F_NUMBER("devices", devices.n));
    rc = 0;
out:
    free(text);
    return rc;
}

static void
refresh_devices(struct accept *a)
{
    struct err err = {0};

    if (read_devices(a, &err) < 0)
        LOG(&quiet_ctx, ACCEPT_DEVICES_BAD, F_ERR(&err));
}

static int
open_folder(struct accept *a, struct err *err)
{
    char *tmp = mem_printf("%s/tmp", a->dir);
    size_t bad = 0;
    int rc = -1;

    if (durable_mkdir(a->dir, err) == 0 && durable_mkdir(tmp, err) == 0 &&
        refused_read(a->dir, &a->refused, &bad, err) == 0 && read_devices(a, err) == 0)
        rc = 0;
    free(tmp);
    return rc;
}

int
accept_start(const struct accept_options *options, struct spool *spool, struct accept **out_accept,
             struct err *err)
{
    struct accept *a = mem_new(sizeof *a);
    struct dimse_listener_options listen = {
        .address = options->address,
        .port = options->port,
        .max_associations = options->max_associations,
        .deadlines = options->deadlines,
        .admit = admit,
        .offers = offers,
        .serve = serve,
        .note = note,
        .user = a,
    };

    a->spool = spool;
    a->dir = mem_text(options->dir);
    a->devices_path = mem_printf("%s/%s", options->dir, DEVICES_FILE);
    text_copy(a->called, sizeof a->called, options->called ? options->called : "");
    gate_init(&a->gate);
    if (open_folder(a, err) < 0 || dimse_listen(&listen, &a->listener, err) < 0) {
        err_context(err, "DICOM door");
        accept_stop(&a);
        return -1;
    }
    LOG(&quiet_ctx, ACCEPT_LISTENING, F_NUMBER("port", dimse_listener_port(a->listener)));
    *out_accept = a;
    return 0;
}

static void
keep_refused(struct accept *a)
{
    struct err err = {0};

    if (refused_write(a->dir, &a->refused, clock_wall_us(), &err) < 0)
        LOG(&quiet_ctx, ACCEPT_REFUSED_NOT_KEPT, F_ERR(&err));
}

void
accept_stop(struct accept **accept)
{
    struct accept *a = *accept;

    if (!a)
        return;
    *accept = NULL;
    dimse_listener_free(&a->listener);
    if (a->refused.is_dirty)
        keep_refused(a);
    devices_fini(&a->devices);
    gate_fini(&a->gate);
    free(a->devices_path);
    free(a->dir);
    free(a);
}

uint16_t
accept_port(const struct accept *accept)
{
    return dimse_listener_port(accept->listener);
}

size_t
accept_associations(struct accept *accept)
{
    return dimse_listener_associations(accept->listener);
}

void
accept_list_devices(struct accept *accept, struct accept_device **out_devices, size_t *out_n)
{
    gate_lock(&accept->gate);
    refresh_devices(accept);
    size_t n = accept->devices.n;
    struct accept_device *rows = mem_new((n + 1) * sizeof *rows);
    if (n > 0)
        memcpy(rows, accept->devices.rows, n * sizeof *rows);
    gate_unlock(&accept->gate);
    *out_devices = rows;
    *out_n = n;
}

void
accept_list_refused(struct accept *accept, struct accept_refused **out_refused, size_t *out_n)
{
    gate_lock(&accept->gate);
    size_t n = accept->refused.n;
    struct accept_refused *rows = mem_new((n + 1) * sizeof *rows);
    memcpy(rows, accept->refused.rows, n * sizeof *rows);
    gate_unlock(&accept->gate);
    *out_refused = rows;
    *out_n = n;
}

/* Locked. The file as it is, comments too, and one line more. */
static int
append_device(struct accept *a, const char *line, size_t line_n, struct err *err)
{
    struct buf text;
    uint8_t *old = NULL;
    size_t n = 0;
    int rc = -1;

    buf_init(&text, DEVICES_BYTES);
    if (a->devices_seen.st_ino != 0 &&
        durable_get_file(a->devices_path, DEVICES_BYTES, &old, &n, err) < 0)
        goto out;
    buf_add(&text, old, n);
    if (n > 0 && old[n - 1] != '\n')
        buf_add_text(&text, "\n");
    buf_add(&text, line, line_n);
    if (buf_is_over(&text)) {
        err_set(err, ERR_REJECT, "%s is full", DEVICES_FILE);
        goto out;
    }
    if (durable_put_file(a->dir, DEVICES_FILE, text.bytes, text.n, err) == 0)
        rc = read_devices(a, err);
out:
    free(old);
    buf_fini(&text);
    return rc;
}

int
accept_add_device(struct accept *accept, const char *ae, const char *address, const char *name,
                  struct err *err)
{
    struct buf line;
    struct accept_device *known;
    int rc = -1;

    buf_init(&line, 512);
    gate_lock(&accept->gate);
    if (devices_format(ae, address, name, &line, err) < 0 || read_devices(accept, err) < 0)
        goto out;
    known = devices_find(&accept->devices, ae, address);
    if (known && (strcmp(known->address, address) == 0 || strcmp(known->address, "*") == 0)) {
        err_set(err, ERR_CONFLICT, "device is there already");
        goto out;
    }
    if (append_device(accept, (const char *)line.bytes, line.n, err) < 0)
        goto out;
    refused_forget(&accept->refused, ae, address);
    if (accept->refused.is_dirty)
        keep_refused(accept);
    rc = 0;
out:
    gate_unlock(&accept->gate);
    buf_fini(&line);
    return rc;
}

static enum dimse_admission
admit(const struct dimse_peer *peer, void *user)
{
    struct accept *a = user;
    enum dimse_admission admission = DIMSE_ADMITTED;
    bool is_due = false;

    gate_lock(&a->gate);
    refresh_devices(a);
    struct accept_device *d = devices_find(&a->devices, peer->calling, peer->address);
    if (!d)
        admission = DIMSE_CALLING_UNKNOWN;
    else if (a->called[0] != 0 && strcmp(peer->called, a->called) != 0)
        admission = DIMSE_CALLED_UNKNOWN;
    else
        d->last_seen_us = clock_wall_us();
    if (admission != DIMSE_ADMITTED) {
        refused_add(&a->refused, peer, admission == DIMSE_CALLED_UNKNOWN, clock_wall_us(), &is_due);
        if (is_due)
            keep_refused(a);
    }
    gate_unlock(&a->gate);
    return admission;
}

/* Everything a device may want to store, private classes too: what is not of the standard's own
 * services is taken for storage. */
static enum dimse_offer
offers(const char *abstract_syntax, bool peer_is_scp, void *user)
{
    (void)user;
    if (peer_is_scp)
        return DIMSE_NOT_OFFERED;
    if (strcmp(abstract_syntax, DCM_UID_VERIFICATION) == 0)
        return DIMSE_PLAIN_SYNTAX;
    if (dcm_sop_class_find(abstract_syntax) ||
        strncmp(abstract_syntax, STANDARD_ROOT, strlen(STANDARD_ROOT)) != 0)
        return DIMSE_ANY_SYNTAX;
    return DIMSE_NOT_OFFERED;
}

static void
note(enum dimse_note what, const struct dimse_peer *peer, const struct err *err, void *user)
{
    const struct log_event *events[] = {
        [DIMSE_NOTE_REFUSED] = &ACCEPT_REFUSED,
        [DIMSE_NOTE_FULL] = &ACCEPT_FULL,
        [DIMSE_NOTE_SILENT] = &ACCEPT_SILENT,
        [DIMSE_NOTE_MALFORMED] = &ACCEPT_MALFORMED,
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
count_device(struct accept *a, const struct dimse_peer *peer, int open_by, unsigned stored_by)
{
    gate_lock(&a->gate);
    struct accept_device *d = devices_find(&a->devices, peer->calling, peer->address);
    if (d) {
        d->open = open_by < 0 ? (d->open > 0 ? d->open - 1 : 0) : d->open + (uint32_t)open_by;
        d->stored += stored_by;
        if (stored_by > 0)
            d->last_store_us = clock_wall_us();
    }
    gate_unlock(&a->gate);
}

struct tally {
    uint64_t spool_association;
    uint64_t stored, failed, echoes;
};

static int
serve_store(struct accept *a, struct dimse_assoc *assoc, const struct log_ctx *ctx,
            const struct dimse_command *request, struct tally *tally, struct err *err)
{
    struct err why = {0};
    uint64_t entry = 0;
    uint16_t status = DIMSE_SUCCESS;

    if (store_instance(assoc, a->spool, tally->spool_association, request, &status, &entry, &why,
                       err) < 0)
        return -1;
    if (status == DIMSE_SUCCESS) {
        tally->stored++;
        count_device(a, dimse_peer(assoc), 0, 1);
        LOG(ctx, ACCEPT_STORE_DURABLE, F_NUMBER("entry", entry),
            F_UID("instance", request->sop_instance));
    } else {
        tally->failed++;
        LOG(ctx, ACCEPT_STORE_FAILED, F_NUMBER("status", status),
            F_UID("instance", request->sop_instance), F_ERR(&why));
    }
    return 0;
}

static int
serve_command(struct accept *a, struct dimse_assoc *assoc, const struct log_ctx *ctx,
              const struct dimse_command *request, struct tally *tally, struct err *err)
{
    struct dimse_command rsp;

    if (request->field == DIMSE_C_STORE_RQ)
        return serve_store(a, assoc, ctx, request, tally, err);
    if (request->has_data && dimse_skip_data(assoc, err) < 0)
        return -1;
    if (request->field == DIMSE_C_CANCEL_RQ)
        return 0; /* of something answered already: PS3.7 9.3.2.3 */
    if (request->field & 0x8000)
        return err_set(err, ERR_REJECT, "a response without a request");
    tally->echoes += request->field == DIMSE_C_ECHO_RQ;
    rsp = dimse_answer(request, request->field == DIMSE_C_ECHO_RQ ? DIMSE_SUCCESS
                                                                  : DIMSE_UNRECOGNIZED_OPERATION);
    return dimse_send_command(assoc, &rsp, err);
}

static void
serve(struct dimse_assoc *assoc, void *user)
{
    struct accept *a = user;
    const struct dimse_peer *peer = dimse_peer(assoc);
    const struct log_ctx ctx = {.stage = "gateway/accept",
                                .peer = peer->address,
                                .peer_ae = peer->calling,
                                .association = dimse_number(assoc)};
    struct tally tally = {.spool_association = spool_association_begin(a->spool)};
    struct dimse_command request = {.field = 0};
    struct err err = {0};
    int rc;

    LOG(&ctx, ACCEPT_ASSOCIATION_OPEN, F_WORD("called", peer->called));
    count_device(a, peer, 1, 0);
    do {
        rc = dimse_next_command(assoc, &request, &err);
        if (rc == 0 && request.field != DIMSE_END)
            rc = serve_command(a, assoc, &ctx, &request, &tally, &err);
    } while (rc == 0 && request.field != DIMSE_END);
    count_device(a, peer, -1, 0);
    spool_association_end(a->spool, tally.spool_association);
    if (rc == 0)
        LOG(&ctx, ACCEPT_ASSOCIATION_END, F_NUMBER("stored", tally.stored),
            F_NUMBER("failed", tally.failed), F_NUMBER("echoes", tally.echoes));
    else
        LOG(&ctx, ACCEPT_ASSOCIATION_LOST, F_NUMBER("stored", tally.stored),
            F_NUMBER("failed", tally.failed), F_ERR(&err));
}
