/* tls_pipe.c - one thread that shakes hands and pumps.
 *
 *     new --handshake--> open (pair made, take() called) --either side ends--> gone
 *      \--deadline, failure--> gone
 *
 * Invariants
 *   1. A connection has at most one buffer full each way; a side that does not take holds up only
 *      its own connection.
 *   2. take() is called once, after the peer proved that it has its certificate's key. */
#include "proto/trust/tls_pipe.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/tls_flow.h"
#include "proto/trust/x509.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256, BY_DEFAULT = 128 };
#define HANDSHAKE_MS 10000
#define STALL_MS 30000

struct conn {
    struct tls_flow flow; /* plain -1: the handshake is not through, its deadline is the flow's */
    char address[46];
    uint16_t port;
};

struct tls_pipe {
    struct tls_pipe_options options;
    SSL_CTX *ctx;
    char fingerprint[65];
    uint16_t port;
    int listen_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
    struct conn *conns[MAX_CONNECTIONS]; /* oldest first; the thread's own */
    size_t n;
};

/* ---- opening ---- */

/* Without a CA every certificate passes here: its owner's digest is judged by ours. */
static int
let_pass(int is_ok, X509_STORE_CTX *store)
{
    (void)is_ok;
    (void)store;
    return 1;
}

static int
load_identity(struct tls_pipe *p, struct err *err)
{
    const struct tls_pipe_options *o = &p->options;
    EVP_PKEY *key = x509_key_read(o->key, err); /* never asks for a password */
    X509 *own = key ? x509_read_file(o->certificate, err) : NULL;
    uint8_t digest[DIGEST_BYTES];
    int rc = -1;

    if (!own)
        goto out;
    x509_digest(own, digest);
    hex_encode(digest, sizeof digest, p->fingerprint);
    if (SSL_CTX_use_certificate_chain_file(p->ctx, o->certificate) != 1)
        x509_error(err, ERR_REJECT, o->certificate);
    else if (SSL_CTX_use_PrivateKey(p->ctx, key) != 1 || SSL_CTX_check_private_key(p->ctx) != 1)
        x509_error(err, ERR_REJECT, o->key);
    else
        rc = 0;
out:
    X509_free(own);
    EVP_PKEY_free(key);
    return rc;
}

static int
make_context(struct tls_pipe *p, struct err *err)
{
    const char *ca = p->options.ca;

    p->ctx = SSL_CTX_new(TLS_server_method());
    CHECK(p->ctx != NULL);
    SSL_CTX_set_security_level(p->ctx, 2);
    CHECK(SSL_CTX_set_min_proto_version(p->ctx, TLS1_2_VERSION) == 1 &&
          SSL_CTX_set_cipher_list(p->ctx, TLS_FLOW_CIPHERS) == 1);
    SSL_CTX_set_options(p->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(p->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(p->ctx, 0);
    SSL_CTX_set_mode(p->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       ca ? NULL : let_pass);
    if (ca && SSL_CTX_load_verify_locations(p->ctx, ca, NULL) != 1)
        return x509_error(err, ERR_REJECT, ca);
    return load_identity(p, err);
}

static int
open_port(struct tls_pipe *p, struct err *err)
{
    const char *text = p->options.address ? p->options.address : "0.0.0.0";
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(p->options.port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(p->options.port)};
    bool is_v6 = strchr(text, ':') != NULL;
    struct sockaddr *address = is_v6 ? (void *)&v6 : (void *)&v4;
    socklen_t n = is_v6 ? sizeof v6 : sizeof v4;
    int one = 1;

    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text,
                  is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
        return err_set(err, ERR_FATAL, "TLS address %s is not numeric", text);
    p->listen_fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listen_fd < 0)
        return err_sys(err, ERR_FATAL, "socket");
    (void)setsockopt(p->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(p->listen_fd, address, n) < 0 || listen(p->listen_fd, 256) < 0 ||
        getsockname(p->listen_fd, address, &n) < 0)
        return err_sys(err, ERR_FATAL, "TLS port %s:%u", text, p->options.port);
    p->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return 0;
}

static void *pump(void *arg);

int
tls_pipe_open(const struct tls_pipe_options *options, struct tls_pipe **out_pipe, struct err *err)
{
    struct tls_pipe *p = mem_new(sizeof *p);
    struct tls_pipe_options *o = &p->options;

    *o = *options;
    if (o->max_connections == 0 || o->max_connections > MAX_CONNECTIONS)
        o->max_connections = BY_DEFAULT;
    if (o->handshake_ms <= 0)
        o->handshake_ms = HANDSHAKE_MS;
    if (o->stall_ms <= 0)
        o->stall_ms = STALL_MS;
    p->listen_fd = -1;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        err_sys(err, ERR_FATAL, "eventfd");
    if (p->wake_fd < 0 || make_context(p, err) < 0 || open_port(p, err) < 0) {
        tls_pipe_free(&p);
        return -1;
    }
    p->thread = thread_start("tls-pipe", pump, p);
    p->has_thread = true;
    *out_pipe = p;
    return 0;
}

uint16_t
tls_pipe_port(const struct tls_pipe *pipe)
{
    return pipe->port;
}

void
tls_pipe_fingerprint(const struct tls_pipe *pipe, char out[65])
{
    memcpy(out, pipe->fingerprint, sizeof pipe->fingerprint);
}

void
tls_pipe_free(struct tls_pipe **pipe)
{
    struct tls_pipe *p = *pipe;
    uint64_t one = 1;

    if (!p)
        return;
    *pipe = NULL;
    atomic_store(&p->is_stopping, true);
    if (p->has_thread) {
        CHECK(write(p->wake_fd, &one, sizeof one) == sizeof one || errno == EAGAIN);
        thread_join(p->thread);
    }
    if (p->listen_fd >= 0)
        close(p->listen_fd);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    SSL_CTX_free(p->ctx);
    free(p);
}

/* ---- one connection ---- */

static void
drop(struct tls_pipe *p, size_t i)
{
    struct conn *c = p->conns[i];

    tls_flow_end(&c->flow);
    free(c);
    p->n--;
    memmove(&p->conns[i], &p->conns[i + 1], (p->n - i) * sizeof(struct conn *));
}

static void
tell(const struct tls_pipe *p, const struct conn *c, enum tls_pipe_trouble trouble,
     const struct err *err)
{
    if (p->options.note)
        p->options.note(c->address, trouble, err, p->options.user);
}

/* What the handshake found about the peer's certificate; err says it in words. */
static enum tls_pipe_trouble
trouble_of(const SSL *ssl, struct err *err)
{
    long found = SSL_get_verify_result(ssl);
    bool is_missing = ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;

    x509_error(err, ERR_DENIED, "handshake");
    if (is_missing)
        return TLS_PIPE_NO_CERTIFICATE;
    if (found == X509_V_OK)
        return TLS_PIPE_BROKEN;
    err_set(err, ERR_DENIED, "handshake: %s", X509_verify_cert_error_string(found));
    return found == X509_V_ERR_CERT_HAS_EXPIRED || found == X509_V_ERR_CERT_NOT_YET_VALID
               ? TLS_PIPE_NOT_NOW
               : TLS_PIPE_NOT_TRUSTED;
}

/* Through: the owner gets its end. */
static bool
hand_on(struct tls_pipe *p, struct conn *c, struct err *err)
{
    X509 *certificate = SSL_get1_peer_certificate(c->flow.ssl);
    uint8_t digest[DIGEST_BYTES];
    char fingerprint[65];
    int pair[2];

    if (!certificate) { /* cannot be: the context wants one */
        err_set(err, ERR_DENIED, "no certificate");
        return false;
    }
    x509_digest(certificate, digest);
    X509_free(certificate);
    hex_encode(digest, sizeof digest, fingerprint);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        err_sys(err, ERR_RETRY, "socketpair");
        return false;
    }
    tls_flow_begin(&c->flow, pair[0]);
    p->options.take(pair[1], c->address, c->port, fingerprint, p->options.user);
    return true;
}

/* false: it is over. */
static bool
shake_hands(struct tls_pipe *p, struct conn *c)
{
    enum tls_pipe_trouble trouble;
    struct err err = {0};
    int rc, why;

    ERR_clear_error();
    rc = SSL_accept(c->flow.ssl);
    if (rc == 1) {
        if (hand_on(p, c, &err))
            return true;
        tell(p, c, TLS_PIPE_BROKEN, &err);
        return false;
    }
    why = SSL_get_error(c->flow.ssl, rc);
    c->flow.wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return true;
    trouble = trouble_of(c->flow.ssl, &err);
    tell(p, c, trouble, &err);
    return false;
}

/* ---- all of them ---- */

/* The oldest that is not through gives way; false: all are. */
static bool
make_place(struct tls_pipe *p)
{
    struct err err = {0};

    if (p->n < p->options.max_connections)
        return true;
    for (size_t i = 0; i < p->n; i++) {
        if (p->conns[i]->flow.plain >= 0)
            continue;
        err_set(&err, ERR_RETRY, "handshake pushed out by later ones");
        tell(p, p->conns[i], TLS_PIPE_BROKEN, &err);
        drop(p, i);
        return true;
    }
    return false;
}

static void
add(struct tls_pipe *p, int fd, const struct sockaddr_storage *from)
{
    struct conn *c = mem_new(sizeof *c);
    int one = 1;

    c->flow.fd = fd;
    c->flow.plain = -1;
    c->flow.stall_ms = p->options.stall_ms;
    c->flow.deadline_ms = clock_mono_ms() + p->options.handshake_ms;
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) /* lists of peers name it as it is written */
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->address, sizeof c->address);
        else
            inet_ntop(AF_INET6, &v6->sin6_addr, c->address, sizeof c->address);
        c->port = ntohs(v6->sin6_port);
    } else {
        const struct sockaddr_in *v4 = (const void *)from;
        inet_ntop(AF_INET, &v4->sin_addr, c->address, sizeof c->address);
        c->port = ntohs(v4->sin_port);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->flow.ssl = SSL_new(p->ctx);
    CHECK(c->flow.ssl != NULL && SSL_set_fd(c->flow.ssl, fd) == 1);
    p->conns[p->n++] = c;
}

/* false: no descriptor was to be had. */
static bool
accept_new(struct tls_pipe *p)
{
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof from;
        int fd = accept4(p->listen_fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        if (make_place(p))
            add(p, fd, &from);
        else
            close(fd);
    }
    return true;
}

static size_t
fill_polls(const struct tls_pipe *p, bool is_starved, struct pollfd *fds)
{
    fds[0] = (struct pollfd){p->wake_fd, POLLIN, 0};
    fds[1] = (struct pollfd){is_starved ? -1 : p->listen_fd, POLLIN, 0};
    for (size_t i = 0; i < p->n; i++)
        tls_flow_polls(&p->conns[i]->flow, &fds[2 + 2 * i], &fds[3 + 2 * i]);
    return 2 + 2 * p->n;
}

static int
wait_of(const struct tls_pipe *p, bool is_starved)
{
    int64_t left_ms = is_starved ? 200 : 60000, now_ms = clock_mono_ms();

    for (size_t i = 0; i < p->n; i++)
        if (p->conns[i]->flow.deadline_ms - now_ms < left_ms)
            left_ms = p->conns[i]->flow.deadline_ms - now_ms;
    return left_ms < 0 ? 0 : (int)left_ms;
}

static void
drop_late(struct tls_pipe *p)
{
    int64_t now_ms = clock_mono_ms();
    struct err err = {0};

    for (size_t i = p->n; i-- > 0;) {
        struct conn *c = p->conns[i];
        if (c->flow.deadline_ms > now_ms)
            continue;
        err_set(&err, ERR_RETRY,
                c->flow.plain < 0 ? "handshake was not through in time"
                                  : "takes nothing of what is sent to it");
        tell(p, c, TLS_PIPE_BROKEN, &err);
        drop(p, i);
    }
}

static void *
pump(void *arg)
{
    struct tls_pipe *p = arg;
    struct pollfd *fds = mem_new((2 + 2 * MAX_CONNECTIONS) * sizeof *fds);
    bool is_starved = false;

    while (!atomic_load(&p->is_stopping)) {
        size_t n = fill_polls(p, is_starved, fds);
        if (poll(fds, n, wait_of(p, is_starved)) < 0)
            CHECK(errno == EINTR || errno == ENOMEM);
        is_starved = false;
        for (size_t i = p->n; i-- > 0;) {
            struct conn *c = p->conns[i];
            if (!fds[2 + 2 * i].revents && !fds[3 + 2 * i].revents)
                continue;
            bool lives = c->flow.plain >= 0 || shake_hands(p, c);
            if (lives && c->flow.plain >= 0)
                lives = tls_flow_move(&c->flow);
            if (!lives)
                drop(p, i);
        }
        drop_late(p);
        if (fds[1].revents)
            is_starved = !accept_new(p);
    }
    while (p->n > 0) {
        if (p->conns[p->n - 1]->flow.plain >= 0)
            (void)tls_flow_move(&p->conns[p->n - 1]->flow);
        drop(p, p->n - 1);
    }
    free(fds);
    return NULL;
}
