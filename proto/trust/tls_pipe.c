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

#include "proto/base/address.h"
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
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256, BY_DEFAULT = 128, FILES = 3, LOOK_MS = 60000 };
#define HANDSHAKE_MS 10000
#define STALL_MS 30000

struct conn {
    struct tls_flow flow; /* plain -1: the handshake is not through, its deadline is the flow's */
    char address[ADDRESS_BYTES];
    uint16_t port;
};

/* What a file was when it was read; zeros: not there. */
struct seen_file {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct identity {
    SSL_CTX *ctx;
    char fingerprint[65];
};

struct tls_pipe {
    struct tls_pipe_options options;
    char *files[FILES]; /* certificate, key and CA (may be NULL): the options' */
    struct seen_file seen[FILES];
    int64_t looked_ms;
    struct gate gate; /* guards the fingerprint for others, and is_stale */
    struct identity own;
    bool is_stale;
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
load_own(const struct tls_pipe_options *o, struct identity *out, struct err *err)
{
    EVP_PKEY *key = x509_key_read(o->key, err); /* never asks for a password */
    X509 *own = key ? x509_read_file(o->certificate, err) : NULL;
    uint8_t digest[DIGEST_BYTES];
    int rc = -1;

    if (!own)
        goto out;
    x509_digest(own, digest);
    hex_encode(digest, sizeof digest, out->fingerprint);
    if (SSL_CTX_use_certificate_chain_file(out->ctx, o->certificate) != 1)
        x509_error(err, ERR_REJECT, o->certificate);
    else if (SSL_CTX_use_PrivateKey(out->ctx, key) != 1 || SSL_CTX_check_private_key(out->ctx) != 1)
        x509_error(err, ERR_REJECT, o->key);
    else
        rc = 0;
out:
    X509_free(own);
    EVP_PKEY_free(key);
    return rc;
}

static int
read_identity(const struct tls_pipe_options *o, struct identity *out, struct err *err)
{
    struct identity own = {.ctx = SSL_CTX_new(TLS_server_method())};

    CHECK(own.ctx != NULL);
    SSL_CTX_set_security_level(own.ctx, 2);
    CHECK(SSL_CTX_set_min_proto_version(own.ctx, TLS1_2_VERSION) == 1 &&
          SSL_CTX_set_cipher_list(own.ctx, TLS_FLOW_CIPHERS) == 1);
    SSL_CTX_set_options(own.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(own.ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(own.ctx, 0);
    SSL_CTX_set_mode(own.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(own.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       o->ca ? NULL : let_pass);
    if (o->ca && SSL_CTX_load_verify_locations(own.ctx, o->ca, NULL) != 1)
        x509_error(err, ERR_REJECT, o->ca);
    else if (load_own(o, &own, err) == 0) {
        *out = own;
        return 0;
    }
    SSL_CTX_free(own.ctx);
    return -1;
}

/* Before they are read: what changes meanwhile is seen the next time. */
static bool
have_changed(struct tls_pipe *p)
{
    bool have = false;

    p->looked_ms = clock_mono_ms();
    for (size_t i = 0; i < FILES; i++) {
        struct seen_file *last = &p->seen[i], now = {0};
        struct stat st;

        if (p->files[i] == NULL)
            continue;
        if (stat(p->files[i], &st) == 0)
            now = (struct seen_file){st.st_ino, st.st_size, st.st_ctim};
        have = have || now.inode != last->inode || now.size != last->size ||
               now.changed.tv_sec != last->changed.tv_sec ||
               now.changed.tv_nsec != last->changed.tv_nsec;
        *last = now;
    }
    return have;
}

static void
renew(struct tls_pipe *p)
{
    struct identity fresh = {NULL, ""}, old = p->own;
    struct err err = {0};
    int rc;

    if (!have_changed(p))
        return;
    rc = read_identity(&p->options, &fresh, &err);
    gate_lock(&p->gate);
    if (rc == 0)
        p->own = fresh;
    p->is_stale = rc < 0;
    gate_unlock(&p->gate);
    if (rc == 0)
        SSL_CTX_free(old.ctx); /* connections under way hold it as long as they need it */
    if (p->options.renewed)
        p->options.renewed(p->own.fingerprint, rc < 0 ? &err : NULL, p->options.user);
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

static void
take_files(struct tls_pipe *p)
{
    const char **texts[FILES] = {&p->options.certificate, &p->options.key, &p->options.ca};

    for (size_t i = 0; i < FILES; i++)
        if (*texts[i] != NULL)
            *texts[i] = p->files[i] = mem_text(*texts[i]);
}

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
    gate_init(&p->gate);
    take_files(p);
    p->listen_fd = -1;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        err_sys(err, ERR_FATAL, "eventfd");
    (void)have_changed(p);
    if (p->wake_fd < 0 || read_identity(o, &p->own, err) < 0 || open_port(p, err) < 0) {
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
tls_pipe_fingerprint(struct tls_pipe *pipe, char out[65])
{
    gate_lock(&pipe->gate);
    memcpy(out, pipe->own.fingerprint, sizeof pipe->own.fingerprint);
    gate_unlock(&pipe->gate);
}

bool
tls_pipe_is_stale(struct tls_pipe *pipe)
{
    bool is;

    gate_lock(&pipe->gate);
    is = pipe->is_stale;
    gate_unlock(&pipe->gate);
    return is;
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
    SSL_CTX_free(p->own.ctx);
    for (size_t i = 0; i < FILES; i++)
        free(p->files[i]);
    gate_fini(&p->gate);
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
    address_of((const struct sockaddr *)from, c->address, &c->port);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->flow.ssl = SSL_new(p->own.ctx);
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
        if (fds[1].revents || clock_mono_ms() - p->looked_ms >= LOOK_MS)
            renew(p);
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
