/* signer_child.c - the process that holds the keys: open its files, lock in, sign until the reader
 * is gone. */
#include "reader/compose/signer.h"

#include "proto/base/clock.h"
#include "proto/codec/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static bool
receive(void *out, size_t n)
{
    uint8_t *at = out;

    while (n > 0) {
        ssize_t got = read(SIGNER_SOCKET, at, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static void
send_all(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n > 0) {
        struct iovec part = {(void *)(uintptr_t)at, n};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t sent = sendmsg(SIGNER_SOCKET, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            _exit(EXIT_FAILURE); /* nobody is there any more */
        at += sent;
        n -= (size_t)sent;
    }
}

static void
answer(int rc, const struct err *err, const void *bytes, size_t n)
{
    struct signer_reply reply;

    memset(&reply, 0, sizeof reply);
    reply.magic = SIGNER_MAGIC;
    reply.rc = rc;
    if (rc < 0)
        reply.err = *err;
    reply.n = rc < 0 ? 0 : (uint32_t)n;
    send_all(&reply, sizeof reply);
    send_all(bytes, reply.n);
}

/* Everything that opens files must have done so: OpenSSL's configuration, random numbers, zones. */
static int
warm_up(const struct ca *ca, struct err *err)
{
    struct cms_person nobody = {.name = "warm-up"};
    struct cms_signer *signer = NULL;
    struct buf key, certificate, cms;
    int rc = -1;

    tzset();
    buf_init(&key, 4096);
    buf_init(&certificate, 4096);
    buf_init(&cms, 65536);
    if (cms_person_new(ca, &nobody, 1, &key, &certificate, err) == 0 &&
        cms_signer_open(ca, key.bytes, key.n, certificate.bytes, certificate.n, &signer, err) == 0)
        rc = cms_sign(signer, "", 0, clock_wall_us(), &cms, err);
    cms_signer_free(&signer);
    secret_wipe(key.bytes, key.n);
    buf_fini(&key);
    buf_fini(&certificate);
    buf_fini(&cms);
    return rc;
}

static int
prepare(const char *dir, const char *ca_name, struct ca **out_ca, struct keyring **out_ring,
        struct err *err)
{
    if ((ca_name[0] != '\0' && ca_create(dir, ca_name, err) < 0) || ca_open(dir, out_ca, err) < 0 ||
        keyring_open(dir, *out_ca, out_ring, err) < 0 || warm_up(*out_ca, err) < 0)
        return -1;
    return sandbox_enter_keys(err);
}

static bool
is_sane(const struct signer_request *r)
{
    return r->magic == SIGNER_MAGIC && r->content_n <= SIGNER_CONTENT_BYTES &&
           memchr(r->login, 0, sizeof r->login) != NULL &&
           memchr(r->person.name, 0, sizeof r->person.name) != NULL &&
           memchr(r->person.licence, 0, sizeof r->person.licence) != NULL &&
           memchr(r->person.organisation, 0, sizeof r->person.organisation) != NULL;
}

/* One signature. False: this process must end. */
static bool
serve(struct keyring *ring, const struct signer_request *request, const uint8_t *content)
{
    const struct cms_signer *signer = NULL;
    struct err err = {0};
    struct buf cms;
    int rc;

    buf_init(&cms, 65536);
    rc = keyring_signer(ring, request->login, &request->person, request->at_us, &signer, &err);
    if (rc == 0)
        rc = cms_sign(signer, content, request->content_n, request->at_us, &cms, &err);
    answer(rc, &err, cms.bytes, cms.n);
    buf_fini(&cms);
    return rc == 0 || err.kind != ERR_FATAL;
}

void
signer_child(const char *dir, const char *ca_name)
{
    struct keyring *ring = NULL;
    struct signer_request request;
    struct ca *ca = NULL;
    struct err err = {0};
    bool is_well = true;

    if (prepare(dir, ca_name, &ca, &ring, &err) < 0) {
        answer(-1, &err, NULL, 0);
        _exit(EXIT_FAILURE);
    }
    answer(0, &err, ca_pem(ca), strlen(ca_pem(ca)) + 1);
    while (is_well && receive(&request, sizeof request) && is_sane(&request)) {
        uint8_t *content = mem_new((size_t)request.content_n + 1);

        is_well = receive(content, request.content_n) && serve(ring, &request, content);
        free(content);
    }
    _exit(EXIT_SUCCESS);
}
