/* tls_flow.c - bytes between a TLS peer and an owner, a buffer each way. */
#include "proto/trust/tls_flow.h"

#include "proto/base/clock.h"
#include "proto/trust/x509.h"

#include <openssl/err.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void
tls_flow_begin(struct tls_flow *f, int plain)
{
    f->plain = plain;
    f->in = mem_new(sizeof *f->in);
    f->out = mem_new(sizeof *f->out);
    f->deadline_ms = INT64_MAX;
}

void
tls_flow_end(struct tls_flow *f)
{
    SSL_free(f->ssl);
    close(f->fd);
    if (f->plain >= 0)
        close(f->plain);
    free(f->in);
    free(f->out);
}

/* The first reason counts: what follows comes of it. A peer that is gone without a word gives none.
 */
static void
keep_why(struct tls_flow *f, int code)
{
    if (code == SSL_ERROR_SSL && f->why.kind == ERR_NONE &&
        ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        x509_error(&f->why, ERR_DENIED, "TLS");
}

/* From the peer into its buffer; true: something moved. */
static bool
read_peer(struct tls_flow *f)
{
    int one = 1, n, why;

    if (f->peer_ended || f->in->from < f->in->to)
        return false;
    ERR_clear_error();
    n = SSL_read(f->ssl, f->in->bytes, TLS_FLOW_PIECE);
    (void)setsockopt(f->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    if (n > 0) {
        f->in->from = 0;
        f->in->to = (size_t)n;
        return true;
    }
    why = SSL_get_error(f->ssl, n);
    if (why == SSL_ERROR_WANT_WRITE)
        f->wants_write = true;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return false;
    keep_why(f, why);
    f->peer_ended = true;
    return true;
}

/* To the owner. false in *out_lives: it has closed its end. */
static bool
write_owner(struct tls_flow *f, bool *out_lives)
{
    if (f->in->from == f->in->to) {
        if (f->peer_ended)
            (void)shutdown(f->plain, SHUT_WR);
        return false;
    }
    ssize_t n = send(f->plain, f->in->bytes + f->in->from, f->in->to - f->in->from,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        *out_lives = false;
    if (n > 0)
        f->in->from += (size_t)n;
    return n > 0;
}

static bool
read_owner(struct tls_flow *f)
{
    if (f->we_ended || f->out->from < f->out->to)
        return false;
    ssize_t n = recv(f->plain, f->out->bytes, TLS_FLOW_PIECE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    f->we_ended = n <= 0;
    f->out->from = 0;
    f->out->to = n > 0 ? (size_t)n : 0;
    return true;
}

/* To the peer. false in *out_lives: it cannot be reached any more. */
static bool
write_peer(struct tls_flow *f, bool *out_lives)
{
    size_t left = f->out->to - f->out->from;
    int n, why;

    if (left == 0)
        return false;
    ERR_clear_error();
    n = SSL_write(f->ssl, f->out->bytes + f->out->from, (int)left);
    if (n > 0) {
        f->out->from += (size_t)n;
        f->deadline_ms = INT64_MAX;
        return true;
    }
    why = SSL_get_error(f->ssl, n);
    f->wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        keep_why(f, why);
        *out_lives = false;
    } else if (f->deadline_ms == INT64_MAX) {
        f->deadline_ms = clock_mono_ms() + f->stall_ms;
    }
    return false;
}

bool
tls_flow_move(struct tls_flow *f)
{
    bool lives = true, is_moving = true;

    f->wants_write = false;
    while (lives && is_moving) {
        is_moving = read_peer(f);
        is_moving |= write_owner(f, &lives);
        is_moving |= read_owner(f);
        is_moving |= write_peer(f, &lives);
    }
    if (!lives)
        return false;
    if (f->we_ended && f->out->from == f->out->to) {
        (void)SSL_shutdown(f->ssl);
        return false;
    }
    return true;
}

void
tls_flow_polls(const struct tls_flow *f, struct pollfd *out_tls, struct pollfd *out_plain)
{
    *out_tls = (struct pollfd){f->fd, 0, 0};
    *out_plain = (struct pollfd){f->plain, 0, 0};
    if (f->wants_write)
        out_tls->events |= POLLOUT;
    if (f->plain < 0 ? !f->wants_write : !f->peer_ended && f->in->from == f->in->to)
        out_tls->events |= POLLIN;
    if (f->plain >= 0 && f->in->from < f->in->to)
        out_plain->events |= POLLOUT;
    if (f->plain >= 0 && !f->we_ended && f->out->from == f->out->to)
        out_plain->events |= POLLIN;
    if (out_tls->events == 0) /* else a hung-up peer would be told without end */
        out_tls->fd = -1;
    if (out_plain->events == 0)
        out_plain->fd = -1;
}
