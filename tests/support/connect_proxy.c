/* connect_proxy.c - one thread for who comes, one for each way through. */
#include "tests/support/connect_proxy.h"

#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAYS = 64, HEAD_BYTES = 4096, PIECE_BYTES = 16384 };

static const char who_are_you[] =
    "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"p\"\r\n"
    "Content-Length: 0\r\nConnection: close\r\n\r\n";
static const char no_way[] = "HTTP/1.1 502 No way\r\nContent-Length: 0\r\n\r\n";
static const char go_on[] = "HTTP/1.1 200 Go on\r\n\r\n";

struct way {
    struct connect_proxy *proxy;
    int from, to;
    pthread_t thread;
};

struct connect_proxy {
    int fd;
    char url[64], wanted[256]; /* the header's value; "": none */
    pthread_t thread;
    struct gate gate; /* for the next */
    struct way ways[WAYS];
    size_t n;
    unsigned opened;
};

static bool
send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

/* The head of a request, up to its empty line. */
static bool
read_head(int fd, char head[HEAD_BYTES])
{
    size_t n = 0;

    while (n < HEAD_BYTES - 1 && recv(fd, head + n, 1, 0) == 1) {
        head[++n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static int
connect_to(const char *head)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    unsigned port;
    int fd;

    if (sscanf(head, "CONNECT 127.0.0.1:%u HTTP/1.", &port) != 1 || port > 65535)
        return -1;
    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool
pass(int from, int to)
{
    char piece[PIECE_BYTES];
    ssize_t n = recv(from, piece, sizeof piece, 0);

    return n > 0 && send_all(to, piece, (size_t)n);
}

static void
carry(struct way *w)
{
    struct pollfd fds[] = {{w->from, POLLIN, 0}, {w->to, POLLIN, 0}};

    while (poll(fds, 2, -1) > 0)
        if ((fds[0].revents != 0 && !pass(w->from, w->to)) ||
            (fds[1].revents != 0 && !pass(w->to, w->from)))
            return;
}

static void *
way_run(void *arg)
{
    struct way *w = arg;
    struct connect_proxy *p = w->proxy;
    char head[HEAD_BYTES] = "";
    int to = -1;

    if (!read_head(w->from, head))
        goto out;
    if (p->wanted[0] != '\0' && strstr(head, p->wanted) == NULL) {
        send_all(w->from, who_are_you, sizeof who_are_you - 1);
        goto out;
    }
    to = connect_to(head);
    if (to < 0) {
        send_all(w->from, no_way, sizeof no_way - 1);
        goto out;
    }
    gate_lock(&p->gate);
    w->to = to;
    p->opened++;
    gate_unlock(&p->gate);
    if (send_all(w->from, go_on, sizeof go_on - 1))
        carry(w);
out:
    shutdown(w->from, SHUT_RDWR); /* closed when the proxy ends, so that its number stays ours */
    if (to >= 0)
        shutdown(to, SHUT_RDWR);
    return NULL;
}

static void *
proxy_run(void *arg)
{
    struct connect_proxy *p = arg;
    int fd;

    while (p->n < WAYS && (fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        gate_lock(&p->gate);
        p->ways[p->n] = (struct way){.proxy = p, .from = fd, .to = -1};
        p->ways[p->n].thread = thread_start("way", way_run, &p->ways[p->n]);
        p->n++;
        gate_unlock(&p->gate);
    }
    return NULL;
}

struct connect_proxy *
connect_proxy_start(const char *user)
{
    struct connect_proxy *p = mem_new(sizeof *p);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;

    gate_init(&p->gate);
    if (user != NULL) {
        char *text = base64_encode((const uint8_t *)user, strlen(user), NULL);

        snprintf(p->wanted, sizeof p->wanted, "Proxy-Authorization: Basic %s\r\n", text);
        free(text);
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
          listen(p->fd, 16) == 0 && getsockname(p->fd, (struct sockaddr *)&at, &n) == 0);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    p->thread = thread_start("proxy", proxy_run, p);
    return p;
}

void
connect_proxy_stop(struct connect_proxy **proxy)
{
    struct connect_proxy *p = TAKE(*proxy);

    shutdown(p->fd, SHUT_RDWR);
    thread_join(p->thread);
    close(p->fd);
    gate_lock(&p->gate);
    for (size_t i = 0; i < p->n; i++) {
        shutdown(p->ways[i].from, SHUT_RDWR);
        if (p->ways[i].to >= 0)
            shutdown(p->ways[i].to, SHUT_RDWR);
    }
    gate_unlock(&p->gate);
    for (size_t i = 0; i < p->n; i++) {
        thread_join(p->ways[i].thread);
        close(p->ways[i].from);
        if (p->ways[i].to >= 0)
            close(p->ways[i].to);
    }
    gate_fini(&p->gate);
    free(p);
}

const char *
connect_proxy_url(const struct connect_proxy *proxy)
{
    return proxy->url;
}

unsigned
connect_proxy_count(struct connect_proxy *p)
{
    unsigned n;

    gate_lock(&p->gate);
    n = p->opened;
    gate_unlock(&p->gate);
    return n;
}
