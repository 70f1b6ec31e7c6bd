/* tls.c - DICOM over TLS: the handshake is proto/trust's, who it is that came is the table's. */
#include "gateway/accept/accept_parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/tls_pipe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/accept/accept_events.def"
#undef LOG_EVENT

#define OWN_FILE "dicom" /* DIR/tls/dicom.pem, dicom.key */

static bool
has_failed_there(const struct accept_refused *row, const void *user)
{
    return row->why >= ACCEPT_TLS_NO_CERTIFICATE && strcmp(row->address, user) == 0;
}

static void
take(int fd, const char *address, uint16_t port, const char *fingerprint, void *user)
{
    struct accept *a = user;

    gate_lock(&a->gate);
    if (refused_forget(&a->refused, has_failed_there, address) > 0)
        table_keep_refused(a);
    if (a->listener)
        dimse_listener_take(a->listener, fd, address, port, fingerprint);
    else
        close(fd);
    gate_unlock(&a->gate);
}

static void
note(const char *address, enum tls_pipe_trouble trouble, const struct err *err, void *user)
{
    static const enum accept_refusal reasons[] = {[TLS_PIPE_NO_CERTIFICATE] =
                                                      ACCEPT_TLS_NO_CERTIFICATE,
                                                  [TLS_PIPE_NOT_NOW] = ACCEPT_TLS_NOT_NOW,
                                                  [TLS_PIPE_NOT_TRUSTED] = ACCEPT_TLS_NOT_TRUSTED};
    const struct log_ctx ctx = {.stage = "gateway/accept", .peer = address};
    struct dimse_peer peer = {.calling = ""};
    struct accept *a = user;
    bool is_due = false;

    LOG(&ctx, ACCEPT_TLS_FAILED, F_ERR(err));
    if (trouble == TLS_PIPE_BROKEN) /* whoever looked what the port is */
        return;
    text_copy(peer.address, sizeof peer.address, address);
    gate_lock(&a->gate);
    refused_add(&a->refused, &peer, reasons[trouble], clock_wall_us(), &is_due);
    if (is_due)
        table_keep_refused(a);
    gate_unlock(&a->gate);
}

static void
renewed(const char *fingerprint, const struct err *why, void *user)
{
    (void)user;
    if (why != NULL)
        LOG(&accept_ctx, ACCEPT_TLS_STAYS, F_ERR(why));
    else
        LOG(&accept_ctx, ACCEPT_TLS_RENEWED, F_WORD("fingerprint", fingerprint));
}

static int
begin(struct accept *a, struct err *err)
{
    const struct accept_options *o = &a->options;
    struct tls_pipe_options pipe = {.address = o->address,
                                    .port = o->tls_port,
                                    .certificate = o->tls_certificate,
                                    .key = o->tls_key,
                                    .ca = o->tls_ca,
                                    .handshake_ms = o->deadlines.associate_ms,
                                    .stall_ms = o->deadlines.pdu_ms,
                                    .take = take,
                                    .note = note,
                                    .renewed = renewed,
                                    .user = a};
    char *dir = mem_printf("%s/tls", o->dir), *pem = mem_printf("%s/" OWN_FILE ".pem", dir);
    char *key = mem_printf("%s/" OWN_FILE ".key", dir);
    struct tls_pipe *tls = NULL;
    int rc = -1;

    if ((o->tls_certificate == NULL) != (o->tls_key == NULL)) {
        err_set(err, ERR_REJECT, "certificate and key go together");
        goto out;
    }
    if (!o->tls_certificate) {
        pipe.certificate = pem;
        pipe.key = key;
        if (tls_pipe_make_certificate(dir, OWN_FILE, o->called[0] != '\0' ? o->called : "RADPOST",
                                      err) < 0)
            goto out;
    }
    rc = tls_pipe_open(&pipe, &tls, err);
    if (rc == 0)
        LOG(&accept_ctx, ACCEPT_TLS_LISTENING, F_NUMBER("port", tls_pipe_port(tls)));
    atomic_store(&a->tls, tls);
out:
    free(key);
    free(pem);
    free(dir);
    return rc;
}

/* Said once, and again when it is another trouble. */
static void
tell(struct accept *a, const struct err *why)
{
    const char *text = why != NULL ? why->text : "";
    bool is_new;

    gate_lock(&a->gate);
    is_new = strcmp(a->tls_trouble, text) != 0;
    text_copy(a->tls_trouble, sizeof a->tls_trouble, text);
    gate_unlock(&a->gate);
    if (is_new && why != NULL)
        LOG(&accept_ctx, ACCEPT_TLS_AWAY, F_ERR(why));
}

bool
tls_try(struct accept *a)
{
    struct err err;

    if (!a->options.has_tls || atomic_load(&a->tls) != NULL)
        return true;
    if (begin(a, &err) < 0) {
        tell(a, &err);
        return false;
    }
    tell(a, NULL);
    return true;
}

void
accept_tls_trouble(struct accept *a, char out[ACCEPT_TROUBLE_BYTES])
{
    gate_lock(&a->gate);
    text_copy(out, ACCEPT_TROUBLE_BYTES, a->tls_trouble);
    gate_unlock(&a->gate);
}

uint16_t
accept_tls_port(const struct accept *a)
{
    struct tls_pipe *tls = atomic_load(&a->tls);

    return tls ? tls_pipe_port(tls) : 0;
}

void
accept_tls_fingerprint(const struct accept *a, char out[65])
{
    struct tls_pipe *tls = atomic_load(&a->tls);

    out[0] = '\0';
    if (tls)
        tls_pipe_fingerprint(tls, out);
}

bool
accept_tls_is_stale(const struct accept *a)
{
    struct tls_pipe *tls = atomic_load(&a->tls);

    return tls && tls_pipe_is_stale(tls);
}
