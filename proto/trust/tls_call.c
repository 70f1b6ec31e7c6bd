/* tls_call.c - one handshake, then a pump.
 * Invariant: no byte of the owner's leaves before the peer has proved who it is. */
#include "proto/trust/tls_call.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/trust/tls_flow.h"
#include "proto/trust/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_MS 10000
#define STALL_MS 30000

struct tls_call {
    SSL_CTX *ctx;
    char *host;
    uint8_t pin[DIGEST_BYTES];
    bool has_pin;
    int64_t handshake_ms, stall_ms;
    struct tls_flow flow;
    bool has_flow, has_thread;
    pthread_t thread;
};

static bool
is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* With a pin every chain passes here: the digest is judged when the handshake is through. */
static int
let_pass(int is_ok, X509_STORE_CTX *store)
{
    (void)is_ok;
    (void)store;
    return 1;
}

static int
load_identity(SSL_CTX *ctx, const struct tls_call_options *o, struct err *err)
{
    EVP_PKEY *key = x509_key_read(o->key, err); /* never asks for a password */
    int rc = -1;

    if (key == NULL)
        return -1;
    if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1)
        x509_error(err, ERR_REJECT, o->certificate);
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        x509_error(err, ERR_REJECT, o->key);
    else
        rc = 0;
    EVP_PKEY_free(key);
    return rc;
}

static int
make_context(struct tls_call *c, const struct tls_call_options *o, struct err *err)
{
    if (!is_set(o->ca) && !is_set(o->pin))
        return err_set(err, ERR_REJECT, "TLS needs a CA or a pinned certificate");
    c->has_pin = is_set(o->pin);
    if (c->has_pin && hex_decode(o->pin, c->pin, sizeof c->pin) < 0)
        return err_set(err, ERR_REJECT, "a pin is 64 hexadecimal digits");
    c->ctx = SSL_CTX_new(TLS_client_method());
    CHECK(c->ctx != NULL);
    SSL_CTX_set_security_level(c->ctx, 2);
    CHECK(SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) == 1 &&
          SSL_CTX_set_cipher_list(c->ctx, TLS_FLOW_CIPHERS) == 1);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, c->has_pin ? let_pass : NULL);
    if (!c->has_pin && SSL_CTX_load_verify_locations(c->ctx, o->ca, NULL) != 1)
        return x509_error(err, ERR_REJECT, o->ca);
    return is_set(o->certificate) ? load_identity(c->ctx, o, err) : 0;
}

int
tls_call_new(const struct tls_call_options *options, struct tls_call **out_call, struct err *err)
{
    struct tls_call *c = mem_new(sizeof *c);

    c->host = mem_text(options->host);
    c->handshake_ms = options->handshake_ms > 0 ? options->handshake_ms : HANDSHAKE_MS;
    c->stall_ms = options->stall_ms > 0 ? options->stall_ms : STALL_MS;
    if (make_context(c, options, err) < 0) {
        tls_call_free(&c);
        return err_context(err, "TLS");
    }
    *out_call = c;
    return 0;
}

int
tls_call_end(struct tls_call **call, struct err *err)
{
    struct tls_call *c = TAKE(*call);
    int rc;

    if (c == NULL)
        return 0;
    if (c->has_thread)
        thread_join(c->thread);
    rc = c->flow.why.kind != ERR_NONE ? -1 : 0;
    if (rc < 0)
        *err = c->flow.why;
    if (c->has_flow)
        tls_flow_end(&c->flow);
    SSL_CTX_free(c->ctx);
    free(c->host);
    free(c);
    return rc;
}

void
tls_call_free(struct tls_call **call)
{
    struct err why;

    (void)tls_call_end(call, &why);
}

/* ---- the handshake ---- */

/* The name that was called stands in the certificate. */
static void
expect_host(struct tls_call *c)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(c->flow.ssl);

    if (c->has_pin)
        return;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, c->host) == 1)
        return;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(X509_VERIFY_PARAM_set1_host(param, c->host, 0) == 1);
    CHECK(SSL_set_tlsext_host_name(c->flow.ssl, c->host) == 1);
}

static int
check_pin(struct tls_call *c, struct err *err)
{
    X509 *certificate;
    uint8_t digest[DIGEST_BYTES];

    if (!c->has_pin)
        return 0;
    certificate = SSL_get1_peer_certificate(c->flow.ssl);
    if (certificate == NULL)
        return err_set(err, ERR_DENIED, "TLS: the peer shows no certificate");
    x509_digest(certificate, digest);
    X509_free(certificate);
    if (memcmp(digest, c->pin, sizeof digest) != 0)
        return err_set(err, ERR_DENIED, "TLS: the peer's certificate is not the pinned one");
    return 0;
}

static int
shake_hands(struct tls_call *c, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + c->handshake_ms, left_ms;

    for (;;) {
        struct pollfd p = {c->flow.fd, 0, 0};
        int rc, why;

        ERR_clear_error();
        rc = SSL_connect(c->flow.ssl);
        if (rc == 1)
            return check_pin(c, err);
        why = SSL_get_error(c->flow.ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return ERR_peek_error() != 0 ? x509_error(err, ERR_DENIED, "TLS handshake")
                                         : err_set(err, ERR_RETRY, "TLS handshake: cut off");
        p.events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
        left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return err_set(err, ERR_RETRY, "TLS handshake: not through in time");
        if (poll(&p, 1, (int)left_ms) < 0)
            CHECK(errno == EINTR || errno == ENOMEM);
    }
}

/* ---- the pump ---- */

static void *
pump(void *arg)
{
    struct tls_call *c = arg;
    struct tls_flow *f = &c->flow;
    bool lives = true;

    while (lives) {
        struct pollfd fds[2];
        int64_t left_ms = f->deadline_ms == INT64_MAX ? -1 : f->deadline_ms - clock_mono_ms();

        tls_flow_polls(f, &fds[0], &fds[1]);
        if (f->deadline_ms != INT64_MAX && left_ms <= 0)
            break;
        if (poll(fds, 2, (int)left_ms) < 0)
            CHECK(errno == EINTR || errno == ENOMEM);
        lives = tls_flow_move(f);
    }
    (void)shutdown(f->plain, SHUT_RDWR);
    (void)shutdown(f->fd, SHUT_RDWR);
    return NULL;
}

int
tls_call_wrap(struct tls_call *c, int fd, int *out_fd, struct err *err)
{
    int pair[2], one = 1;

    CHECK(!c->has_flow);
    c->has_flow = true;
    c->flow =
        (struct tls_flow){.fd = fd, .plain = -1, .ssl = SSL_new(c->ctx), .stall_ms = c->stall_ms};
    CHECK(c->flow.ssl != NULL && SSL_set_fd(c->flow.ssl, fd) == 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return err_sys(err, ERR_RETRY, "TLS: socket");
    expect_host(c);
    if (shake_hands(c, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, ERR_RETRY, "socketpair");
    tls_flow_begin(&c->flow, pair[0]);
    c->thread = thread_start("tls-call", pump, c);
    c->has_thread = true;
    *out_fd = pair[1];
    return 0;
}
