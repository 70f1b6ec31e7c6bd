/* his_in.c - connections of the HIS. */
#include "gateway/desk/his_in.h"

#include "gateway/desk/his_orders.h"
#include "gateway/desk/his_refused.h"
#include "proto/base/address.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/hl7/mllp.h"
#include "proto/trust/tls_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { ANSWER_MS = 10000, ANSWER_BYTES = 8192, PAUSE_MS = 1000 };

struct line {
    struct his_in *in;
    int fd; /* gate; -1: the place is free */
    bool is_over;
    int64_t spoke_ms;
    char address[ADDRESS_BYTES];
    pthread_t thread;
};

struct his_in {
    struct his_in_options o;
    char *peers, *facility, *profile;
    int listen_fd, stop_fd; /* listen_fd -1: tls listens */
    struct tls_pipe *tls;   /* NULL: plain */
    uint16_t port;
    struct gate gate;
    bool is_stopping;   /* gate */
    struct line *lines; /* LIMIT_HL7_CONNECTIONS */
    pthread_t thread;
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

/* ---- one message ---- */

static void
tell(const struct line *line, const struct his_verdict *v, const struct err *why)
{
    if (why != NULL)
        LOG(&ctx, DESK_HL7_REFUSED, F_WORD("peer", line->address), F_WORD("answer", v->code),
            F_ERR(why));
    else if (v->orders > 0)
        LOG(&ctx, DESK_ORDERS_TAKEN, F_NUMBER("orders", v->orders));
}

/* At the desk, too: nobody in the clinic reads the HIS's log. */
static void
show(const struct line *line, const struct his_verdict *v, const struct err *why)
{
    struct his_refused r = {.is_order = v->is_order};
    struct err err;

    (void)text_copy(r.peer, sizeof r.peer, line->address);
    (void)text_copy(r.answer, sizeof r.answer, v->code);
    (void)text_copy(r.error, sizeof r.error, v->error != NULL ? v->error : "");
    (void)text_copy(r.place, sizeof r.place, v->place != NULL ? v->place : "");
    (void)text_copy(r.why, sizeof r.why, why->text);
    (void)text_copy(r.placer, sizeof r.placer, v->placer);
    if (his_refused_put(line->in->o.book, &r, &err) < 0)
        LOG(&ctx, DESK_STATE_FAILED, F_ERR(&err));
}

/* Do it, and say what came of it. */
static int
answer(struct line *line, struct mllp *stream, const struct buf *message, struct err *err)
{
    struct his_in *in = line->in;
    struct his_verdict v = {.code = "AR", .error = "100", .is_order = true};
    struct hl7_message *m = NULL;
    struct hl7_answer a = {
        .our_application = "RADPOST", .our_facility = in->facility, .at_us = clock_wall_us()};
    struct err why = {0};
    char control[24];
    struct buf out;
    int rc = hl7_parse(message->bytes, message->n, in->profile, &m, &why);

    if (rc == 0)
        rc = his_take(in->o.book, m, message->bytes, message->n, &v, &why);
    tell(line, &v, rc < 0 ? &why : NULL);
    if (rc < 0)
        show(line, &v, &why);
    snprintf(control, sizeof control, "%" PRId64, a.at_us);
    a.control = control;
    a.code = v.code;
    a.error = v.error;
    a.place = v.place;
    a.sentence = rc < 0 ? why.text : NULL;
    buf_init(&out, ANSWER_BYTES);
    hl7_write_answer(m, &a, &out);
    hl7_free(&m);
    rc = mllp_write(stream, out.bytes, out.n, ANSWER_MS, err);
    buf_fini(&out);
    return rc;
}

static int
serve_one(struct line *line, struct mllp *stream, struct buf *message, struct err *err)
{
    struct his_in *in = line->in;

    buf_clear(message);
    if (mllp_read(stream, in->o.idle_ms, LIMIT_MS_HL7_MESSAGE, message, err) < 0)
        return -1;
    gate_lock(&in->gate);
    line->spoke_ms = clock_mono_ms();
    gate_unlock(&in->gate);
    return answer(line, stream, message, err);
}

static void *
serve(void *arg)
{
    struct line *line = arg;
    struct his_in *in = line->in;
    struct mllp stream;
    struct buf message;
    struct err err;

    mllp_init(&stream, line->fd, LIMIT_HL7_BYTES);
    buf_init(&message, LIMIT_HL7_BYTES);
    while (serve_one(line, &stream, &message, &err) == 0)
        ;
    if (err.kind == ERR_REJECT) {
        LOG(&ctx, DESK_HL7_PEER_CUT, F_WORD("peer", line->address), F_ERR(&err));
        show(line, &(struct his_verdict){.code = "", .is_order = true}, &err);
    }
    buf_fini(&message);
    mllp_fini(&stream);
    (void)shutdown(line->fd, SHUT_RDWR); /* closed when its place is needed */
    gate_lock(&in->gate);
    line->is_over = true;
    gate_wake(&in->gate);
    gate_unlock(&in->gate);
    return NULL;
}

/* ---- who may come ---- */

static bool
is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static bool
is_peer(const struct his_in *in, const char *address)
{
    size_t n = strlen(address);

    if (in->peers[0] == '\0')
        return is_loopback(address);
    for (const char *at = in->peers; *at != '\0';) {
        size_t length;

        at += strspn(at, ", ");
        length = strcspn(at, ", ");
        if (length == n && memcmp(at, address, n) == 0)
            return true;
        at += length;
    }
    return false;
}

/* ---- places ---- */

/* Locked: free the places of those that are over. */
static void
reap(struct his_in *in)
{
    for (size_t i = 0; i < (size_t)LIMIT_HL7_CONNECTIONS; i++) {
        struct line *line = &in->lines[i];

        if (line->fd < 0 || !line->is_over)
            continue;
        thread_join(line->thread); /* it ends: is_over is the last it does */
        close(line->fd);
        line->fd = -1;
    }
}

/* Locked. NULL: the clinic's HIS holds all; the longest silent one was asked to go. */
static struct line *
free_place(struct his_in *in)
{
    struct line *oldest = NULL;

    for (size_t i = 0; i < (size_t)LIMIT_HL7_CONNECTIONS; i++) {
        struct line *line = &in->lines[i];

        if (line->fd < 0)
            return line;
        if (oldest == NULL || line->spoke_ms < oldest->spoke_ms)
            oldest = line;
    }
    (void)shutdown(oldest->fd, SHUT_RDWR);
    return NULL;
}

static void
admit(struct his_in *in, int fd, const char *address)
{
    struct line *line = NULL;

    gate_lock(&in->gate);
    while (!in->is_stopping) { /* from then on his_in_stop() joins them */
        reap(in);
        line = free_place(in);
        if (line != NULL)
            break;
        (void)gate_wait_ms(&in->gate, PAUSE_MS);
    }
    if (line != NULL) {
        *line = (struct line){.in = in, .fd = fd, .spoke_ms = clock_mono_ms()};
        (void)text_copy(line->address, sizeof line->address, address);
        line->thread = thread_start("desk-hl7", serve, line);
    }
    gate_unlock(&in->gate);
    if (line == NULL)
        close(fd);
}

static void
take_one(struct his_in *in)
{
    struct sockaddr_storage peer = {0};
    char address[ADDRESS_BYTES];
    socklen_t n = sizeof peer;
    uint16_t port;
    int fd = accept4(in->listen_fd, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            (void)poll(&(struct pollfd){.fd = in->stop_fd, .events = POLLIN}, 1, PAUSE_MS);
        return;
    }
    address_of((const struct sockaddr *)&peer, address, &port);
    if (!is_peer(in, address)) {
        LOG(&ctx, DESK_HL7_STRANGER, F_WORD("peer", address));
        close(fd);
        return;
    }
    admit(in, fd, address);
}

/* A handshake is through: its certificate is by the authority, and it comes from where it may. */
static void
take_sealed(int fd, const char *address, uint16_t port, const char *fingerprint, void *user)
{
    struct his_in *in = user;
    int flags = fcntl(fd, F_GETFL);

    (void)port;
    (void)fingerprint;
    if ((in->peers[0] != '\0' && !is_peer(in, address)) || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        LOG(&ctx, DESK_HL7_STRANGER, F_WORD("peer", address));
        close(fd);
        return;
    }
    admit(in, fd, address);
}

static void
note_failed(const char *address, enum tls_pipe_trouble trouble, const struct err *err, void *user)
{
    (void)trouble;
    (void)user;
    LOG(&ctx, DESK_HL7_TLS_FAILED, F_WORD("peer", address), F_ERR(err));
}

static void
note_renewed(const char *fingerprint, const struct err *why, void *user)
{
    (void)user;
    if (why != NULL)
        LOG(&ctx, DESK_HL7_TLS_STAYS, F_ERR(why));
    else
        LOG(&ctx, DESK_HL7_TLS, F_WORD("fingerprint", fingerprint));
}

static void *
run(void *arg)
{
    struct his_in *in = arg;
    struct pollfd wait[] = {{.fd = in->listen_fd, .events = POLLIN},
                            {.fd = in->stop_fd, .events = POLLIN}};

    for (;;) {
        if (poll(wait, ARRAY_LEN(wait), -1) < 0)
            continue;
        if (wait[1].revents != 0)
            return NULL;
        if (wait[0].revents != 0)
            take_one(in);
    }
}

/* ---- start and stop ---- */

static bool
has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* The port, with TLS or without. */
static int
listen_on(struct his_in *in, struct err *err)
{
    const struct his_in_options *o = &in->o;
    struct tls_pipe_options pipe = {.address = o->address,
                                    .port = o->port,
                                    .certificate = o->tls_certificate,
                                    .key = o->tls_key,
                                    .ca = o->tls_ca,
                                    .take = take_sealed,
                                    .note = note_failed,
                                    .renewed = note_renewed,
                                    .user = in};
    char *pem = NULL, *key = NULL, print[65];
    int rc = -1;

    in->listen_fd = -1;
    if (!has_text(o->tls_ca))
        return mllp_listen(o->address, o->port, &in->listen_fd, &in->port, err);
    if (has_text(o->tls_certificate) != has_text(o->tls_key))
        return err_set(err, ERR_REJECT, "hl7_tls_certificate and hl7_tls_key go together");
    if (!has_text(o->tls_certificate)) {
        pem = mem_printf("%s/hl7.pem", o->tls_dir);
        key = mem_printf("%s/hl7.key", o->tls_dir);
        pipe.certificate = pem;
        pipe.key = key;
        if (tls_pipe_make_certificate(o->tls_dir, "hl7", "RADPOST HL7", err) < 0)
            goto out;
    }
    rc = tls_pipe_open(&pipe, &in->tls, err);
    if (rc == 0) {
        in->port = tls_pipe_port(in->tls);
        tls_pipe_fingerprint(in->tls, print);
        LOG(&ctx, DESK_HL7_TLS, F_WORD("fingerprint", print));
    }
out:
    free(key);
    free(pem);
    return rc;
}

static int
check(const struct his_in_options *o, const char **out_profile, struct err *err)
{
    if (!is_loopback(o->address) && o->peers[0] == '\0' && !has_text(o->tls_ca))
        return err_set(err, ERR_REJECT,
                       "hl7_peers: beyond this machine the addresses of the HIS are due");
    *out_profile = "";
    if (strcmp(o->charset, "GB18030") == 0)
        *out_profile = "GB18030";
    else if (strcmp(o->charset, "UTF-8") == 0)
        *out_profile = "ISO_IR 192";
    else if (o->charset[0] != '\0')
        return err_set(err, ERR_REJECT, "hl7_charset: GB18030, UTF-8 or nothing");
    return 0;
}

/* What no thread uses any more. */
static void
forget(struct his_in *in)
{
    gate_fini(&in->gate);
    free(in->lines);
    free(in->profile);
    free(in->facility);
    free(in->peers);
    free(in);
}

int
his_in_start(const struct his_in_options *options, struct his_in **out, struct err *err)
{
    const char *profile;
    struct his_in *in;

    if (check(options, &profile, err) < 0)
        return err_context(err, "HL7");
    in = mem_new(sizeof *in);
    in->o = *options;
    in->peers = mem_text(options->peers);
    in->facility = mem_text(options->facility);
    in->profile = mem_text(profile);
    in->lines = mem_new((size_t)LIMIT_HL7_CONNECTIONS * sizeof *in->lines);
    for (size_t i = 0; i < (size_t)LIMIT_HL7_CONNECTIONS; i++)
        in->lines[i].fd = -1;
    gate_init(&in->gate);
    if (listen_on(in, err) < 0) {
        forget(in);
        return err_context(err, "HL7");
    }
    in->stop_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(in->stop_fd >= 0);
    in->thread = thread_start("desk-hl7-door", run, in);
    *out = in;
    return 0;
}

void
his_in_stop(struct his_in **in)
{
    struct his_in *old = TAKE(*in);
    uint64_t one = 1;

    if (old == NULL)
        return;
    gate_lock(&old->gate);
    old->is_stopping = true;
    gate_wake(&old->gate);
    gate_unlock(&old->gate);
    CHECK(write(old->stop_fd, &one, sizeof one) == sizeof one);
    thread_join(old->thread);
    for (size_t i = 0; i < (size_t)LIMIT_HL7_CONNECTIONS; i++)
        if (old->lines[i].fd >= 0) {
            (void)shutdown(old->lines[i].fd, SHUT_RDWR);
            thread_join(old->lines[i].thread);
            close(old->lines[i].fd);
        }
    if (old->tls != NULL)
        tls_pipe_free(&old->tls); /* what was answered goes out first */
    close(old->stop_fd);
    if (old->listen_fd >= 0)
        close(old->listen_fd);
    forget(old);
}

void
his_in_fingerprint(const struct his_in *in, char out[65])
{
    out[0] = '\0';
    if (in->tls != NULL)
        tls_pipe_fingerprint(in->tls, out);
}

bool
his_in_is_stale(const struct his_in *in)
{
    return in->tls != NULL && tls_pipe_is_stale(in->tls);
}

uint16_t
his_in_port(const struct his_in *in)
{
    return in->port;
}
