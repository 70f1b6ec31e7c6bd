/* mllp.c - frames, and the sockets that carry them. */
#include "proto/hl7/mllp.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BEGIN = 0x0B, END = 0x1C, CR = 0x0D, PIECE = 16384, BACKLOG = 16 };

void
mllp_init(struct mllp *m, int fd, size_t limit_bytes)
{
    *m = (struct mllp){.fd = fd};
    buf_init(&m->in, limit_bytes + PIECE + LIMIT_HL7_NOISE_BYTES);
}

void
mllp_fini(struct mllp *m)
{
    buf_fini(&m->in);
}

/* What came is passed over up to n. */
static void
drop(struct mllp *m, size_t n)
{
    memmove(m->in.bytes, m->in.bytes + n, m->in.n - n);
    m->in.n -= n;
    m->at = 0;
}

/* Some more bytes. *out_is_end: the peer said no more. */
static int
fill(struct mllp *m, int64_t until_ms, bool *out_is_end, struct err *err)
{
    for (;;) {
        struct pollfd wait = {.fd = m->fd, .events = POLLIN};
        int64_t left_ms = until_ms - clock_mono_ms();
        uint8_t *room;
        ssize_t got;
        int n = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_RETRY, "nothing came before the deadline");
        room = buf_reserve(&m->in, PIECE);
        if (room == NULL)
            return err_set(err, ERR_REJECT, "a message longer than is taken");
        got = recv(m->fd, room, PIECE, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return err_sys(err, ERR_RETRY, "read");
        m->in.n += (size_t)got;
        *out_is_end = got == 0;
        return 0;
    }
}

/* Pass over what lies before a frame. True: one begins. */
static bool
find_begin(struct mllp *m)
{
    uint8_t *at = m->in.n > 0 ? memchr(m->in.bytes, BEGIN, m->in.n) : NULL;
    size_t n = at != NULL ? (size_t)(at - m->in.bytes) : m->in.n;

    for (size_t i = 0; i < n; i++)
        m->noise += m->in.bytes[i] != CR && m->in.bytes[i] != '\n';
    if (n > 0)
        drop(m, n);
    return at != NULL;
}

/* The frame's end, with the CR behind it if it is here. True: the message was taken. */
static bool
take_frame(struct mllp *m, struct buf *out)
{
    uint8_t *end;
    size_t n;

    if (m->at == 0)
        m->at = 1;
    end = m->in.n > m->at ? memchr(m->in.bytes + m->at, END, m->in.n - m->at) : NULL;
    m->at = m->in.n;
    if (end == NULL)
        return false;
    n = (size_t)(end - m->in.bytes);
    buf_add(out, m->in.bytes + 1, n - 1);
    drop(m, n + 1); /* the CR is passed over with what lies before the next */
    return true;
}

int
mllp_read(struct mllp *m, int64_t idle_ms, int64_t message_ms, struct buf *out, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + idle_ms;
    bool has_begun = false, is_end = false;

    m->noise = 0;
    for (;;) {
        if (!has_begun && find_begin(m)) {
            has_begun = true;
            until_ms = clock_mono_ms() + message_ms;
        }
        if (has_begun && take_frame(m, out))
            return buf_is_over(out) ? err_set(err, ERR_REJECT, "a message longer than is taken")
                                    : 0;
        if (m->noise > LIMIT_HL7_NOISE_BYTES)
            return err_set(err, ERR_REJECT, "no MLLP frame in what came");
        if (fill(m, until_ms, &is_end, err) < 0)
            return -1;
        if (is_end)
            return has_begun ? err_set(err, ERR_RETRY, "the connection ended inside a message")
                             : err_set(err, ERR_NOT_FOUND, "the peer is done");
    }
}

static int
write_all(int fd, const uint8_t *bytes, size_t n, int64_t until_ms, struct err *err)
{
    while (n > 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        int64_t left_ms = until_ms - clock_mono_ms();
        ssize_t put;

        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) == 0)
            return err_set(err, ERR_RETRY, "the peer does not take what is written");
        put = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EINTR && errno != EAGAIN)
            return err_sys(err, ERR_RETRY, "write");
        bytes += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}

int
mllp_write(struct mllp *m, const void *bytes, size_t n, int64_t limit_ms, struct err *err)
{
    uint8_t *frame = mem_new(n + 3);
    int rc;

    frame[0] = BEGIN;
    memcpy(frame + 1, bytes, n);
    frame[n + 1] = END;
    frame[n + 2] = CR;
    rc = write_all(m->fd, frame, n + 3, clock_mono_ms() + limit_ms, err);
    free(frame);
    return rc;
}

/* ---- sockets ---- */

static int
look_up(const char *host, uint16_t port, int flags, struct addrinfo **out, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    char service[8];
    int code;

    snprintf(service, sizeof service, "%u", (unsigned)port);
    code = getaddrinfo(host, service, &hints, out);
    if (code != 0)
        return err_set(err, (flags & AI_NUMERICHOST) != 0 ? ERR_REJECT : ERR_RETRY, "%s: %s", host,
                       gai_strerror(code));
    return 0;
}

int
mllp_listen(const char *address, uint16_t port, int *out_fd, uint16_t *out_port, struct err *err)
{
    struct sockaddr_storage own;
    socklen_t own_n = sizeof own;
    struct addrinfo *at = NULL;
    int fd, on = 1, rc = -1;

    if (look_up(address, port, AI_NUMERICHOST | AI_PASSIVE, &at, err) < 0)
        return -1;
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_sys(err, ERR_RETRY, "socket");
        goto out;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_n) < 0) {
        err_sys(err, ERR_RETRY, "port %u", (unsigned)port);
        close(fd);
        goto out;
    }
    *out_port = own.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&own)->sin6_port)
                                          : ntohs(((struct sockaddr_in *)&own)->sin_port);
    *out_fd = fd;
    rc = 0;
out:
    freeaddrinfo(at);
    return rc;
}

static int
connect_one(const struct addrinfo *at, int64_t until_ms, int *out_fd, struct err *err)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int64_t left_ms = until_ms - clock_mono_ms();
    int code = 0, on = 1;
    socklen_t n = sizeof code;

    if (fd < 0)
        return err_sys(err, ERR_RETRY, "socket");
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0 && errno != EINPROGRESS) {
        code = errno;
    } else if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0) {
        code = ETIMEDOUT;
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0) {
        code = errno;
    }
    if (code != 0) {
        close(fd);
        errno = code;
        return err_sys(err, ERR_RETRY, "connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *out_fd = fd;
    return 0;
}

int
mllp_connect(const char *host, uint16_t port, int64_t limit_ms, int *out_fd, struct err *err)
{
    int64_t until_ms = clock_mono_ms() + limit_ms;
    struct addrinfo *found = NULL;
    int rc = -1;

    if (look_up(host, port, 0, &found, err) < 0)
        return -1;
    for (const struct addrinfo *at = found; at != NULL && rc < 0; at = at->ai_next)
        rc = connect_one(at, until_ms, out_fd, err);
    freeaddrinfo(found);
    return rc;
}
