/* relay.c - see relay.h: a thread a connection. */
#include "tests/support/relay.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MOST = 256,
    SLOT_MS = 10,
    SLOTS = 60000,
    PIECE = 65536,
    TICK_MS = 20,
    HEAD = 4096,
    CHOKES_AT = 20000
};

struct way {
    struct relay *relay;
    int fd[2]; /* caller, target */
    pthread_t thread;
    size_t choked; /* bytes from the caller since it chokes */
    bool is_used;
};

struct relay {
    struct gate gate;
    enum relay_mood mood;
    bool is_stopping;
    int listener;
    char url[64], *asked;
    struct way ways[MOST];
    pthread_t thread;
    int64_t begun_ms;
    uint64_t slots[SLOTS]; /* bytes of each SLOT_MS since the beginning */
    uint64_t sent;
};

static enum relay_mood
mood_of(struct relay *r, bool *out_is_stopping)
{
    enum relay_mood mood;

    gate_lock(&r->gate);
    mood = r->mood;
    *out_is_stopping = r->is_stopping;
    gate_unlock(&r->gate);
    return mood;
}

static void
count(struct relay *r, size_t n)
{
    int64_t slot = (clock_mono_ms() - r->begun_ms) / SLOT_MS;

    CHECK(slot < SLOTS);
    gate_lock(&r->gate);
    r->slots[slot] += n;
    r->sent += n;
    gate_wake(&r->gate);
    gate_unlock(&r->gate);
}

static int
put(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);

        if (k <= 0)
            return -1;
        bytes += k;
        n -= (size_t)k;
    }
    return 0;
}

/* Move what is there one way; -1: this way ends. */
static int
move(struct way *w, int from, enum relay_mood mood, char *room)
{
    size_t most = mood == RELAY_CHOKES && from == 0 ? CHOKES_AT - w->choked : PIECE;
    ssize_t n = recv(w->fd[from], room, most, 0);

    if (n <= 0)
        return -1;
    if (from == 0)
        count(w->relay, (size_t)n);
    w->choked = mood == RELAY_CHOKES ? w->choked + (from == 0 ? (size_t)n : 0) : 0;
    return put(w->fd[1 - from], room, (size_t)n);
}

static int
connect_to(const char *head)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    unsigned port;
    int fd, on = 1;

    if (sscanf(head, "CONNECT %63[0-9.]:%u ", host, &port) != 2)
        return -1;
    to.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &to.sin_addr);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The caller's request; -1: refused, or it went away. */
static int
greet(struct way *w)
{
    struct relay *r = w->relay;
    char head[HEAD];
    size_t n = 0;

    head[0] = '\0';
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t k = recv(w->fd[0], head + n, sizeof head - 1 - n, 0);

        if (k <= 0)
            return -1;
        count(r, (size_t)k);
        n += (size_t)k;
        head[n] = '\0';
    }
    if (r->asked != NULL && strstr(head, r->asked) == NULL) {
        static const char ask[] = "HTTP/1.1 407 Proxy Authentication Required\r\n"
                                  "Proxy-Authenticate: Basic realm=\"clinic\"\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";

        (void)!put(w->fd[0], ask, sizeof ask - 1);
        return -1;
    }
    w->fd[1] = connect_to(head);
    if (w->fd[1] < 0)
        return -1;
    return put(w->fd[0], "HTTP/1.1 200 OK\r\n\r\n", 19);
}

static void *
way_run(void *arg)
{
    struct way *w = arg;
    char *room = mem_new(PIECE);
    bool is_stopping = false, is_on = greet(w) == 0;

    while (is_on) {
        enum relay_mood mood = mood_of(w->relay, &is_stopping);
        struct pollfd at[2] = {{w->fd[0], POLLIN, 0}, {w->fd[1], POLLIN, 0}};

        if (is_stopping || mood == RELAY_BREAKS)
            break;
        if (mood == RELAY_CHOKES && w->choked == CHOKES_AT)
            at[0].events = POLLRDHUP; /* what it holds back is lost when the caller goes */
        if (poll(at, mood == RELAY_SWALLOWS ? 0 : 2, TICK_MS) <= 0)
            continue;
        if (at[0].events == POLLRDHUP && at[0].revents != 0)
            break;
        for (int i = 0; i < 2 && is_on; i++)
            if (at[i].revents != 0)
                is_on = move(w, i, mood, room) == 0;
    }
    close(w->fd[0]);
    if (w->fd[1] >= 0)
        close(w->fd[1]);
    free(room);
    return NULL;
}

static void
take_caller(struct relay *r)
{
    static const struct timeval patience = {5, 0};
    struct way *w = NULL;
    int on = 1;

    for (size_t i = 0; i < MOST && w == NULL; i++)
        if (!r->ways[i].is_used)
            w = &r->ways[i];
    CHECK(w != NULL);
    w->fd[0] = accept(r->listener, NULL, NULL);
    w->fd[1] = -1;
    if (w->fd[0] < 0)
        return;
    setsockopt(w->fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(w->fd[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    w->relay = r;
    w->is_used = true;
    w->thread = thread_start("relay-way", way_run, w);
}

static void *
relay_run(void *arg)
{
    struct relay *r = arg;
    bool is_stopping = false;

    for (;;) {
        enum relay_mood mood = mood_of(r, &is_stopping);
        struct pollfd at = {r->listener, POLLIN, 0};

        if (is_stopping)
            return NULL;
        if (poll(&at, mood == RELAY_SWALLOWS ? 0 : 1, TICK_MS) <= 0)
            continue;
        if (mood == RELAY_BREAKS)
            close(accept(r->listener, NULL, NULL));
        else
            take_caller(r);
    }
}

struct relay *
relay_start(const char *user)
{
    struct relay *r = mem_new(sizeof *r);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;

    gate_init(&r->gate);
    r->begun_ms = clock_mono_ms();
    if (user != NULL) {
        size_t text_n;
        char *text = base64_encode(user, strlen(user), &text_n);

        r->asked = mem_printf("Proxy-Authorization: Basic %s\r\n", text);
        free(text);
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(r->listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(r->listener, 64) == 0);
    CHECK(getsockname(r->listener, (struct sockaddr *)&at, &n) == 0);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    r->thread = thread_start("relay", relay_run, r);
    return r;
}

void
relay_stop(struct relay **relay)
{
    struct relay *r = TAKE(*relay);

    if (r == NULL)
        return;
    gate_lock(&r->gate);
    r->is_stopping = true;
    gate_unlock(&r->gate);
    thread_join(r->thread);
    for (size_t i = 0; i < MOST; i++)
        if (r->ways[i].is_used)
            thread_join(r->ways[i].thread);
    close(r->listener);
    gate_fini(&r->gate);
    free(r->asked);
    free(r);
}

const char *
relay_url(const struct relay *r)
{
    return r->url;
}

void
relay_set(struct relay *r, enum relay_mood mood)
{
    gate_lock(&r->gate);
    r->mood = mood;
    gate_unlock(&r->gate);
}

uint64_t
relay_sent(struct relay *r)
{
    uint64_t sent;

    gate_lock(&r->gate);
    sent = r->sent;
    gate_unlock(&r->gate);
    return sent;
}

bool
relay_wait(struct relay *r, uint64_t sent, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms, now;
    bool is_there;

    gate_lock(&r->gate);
    while (r->sent < sent && (now = clock_mono_ms()) < until)
        gate_wait_ms(&r->gate, until - now);
    is_there = r->sent >= sent;
    gate_unlock(&r->gate);
    return is_there;
}

void
relay_windows(struct relay *r, int64_t from_ms, int64_t to_ms, int64_t window_ms,
              uint64_t *out_least, uint64_t *out_most)
{
    int64_t from = (from_ms - r->begun_ms) / SLOT_MS, to = (to_ms - r->begun_ms) / SLOT_MS;
    int64_t width = window_ms / SLOT_MS;
    uint64_t sum = 0;

    *out_least = UINT64_MAX;
    *out_most = 0;
    gate_lock(&r->gate);
    for (int64_t i = from; i < to; i++) {
        sum += r->slots[i];
        if (i - from >= width)
            sum -= r->slots[i - width];
        if (i - from + 1 < width)
            continue;
        *out_least = sum < *out_least ? sum : *out_least;
        *out_most = sum > *out_most ? sum : *out_most;
    }
    gate_unlock(&r->gate);
}
