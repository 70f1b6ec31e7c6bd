/* watch.c - the deadlines of connections: one look a second, while there are any.
 * The library's own timeout counts our handlers' time and any single byte as activity; this one
 * asks for a whole request head (the first one of a connection sooner, so that a few who say
 * nothing do not keep everybody out), and for LEAST_BYTES of body or answer, in each span of
 * idle_ms. */
#include "proto/http/server_parts.h"

#include "proto/base/clock.h"

#include <linux/tcp.h> /* the kernel's own: glibc's tcp_info ends before bytes_acked */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LOOK_MS 1000
#define LEAST_BYTES 2048

static const char *const phase_words[] = {"head", "body", "handler", "answer"};

/* Bytes the receiver has confirmed; false on sockets that do not tell. */
static bool
confirmed_bytes(int fd, uint64_t *out)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return false;
    *out = info.tcpi_bytes_acked;
    return true;
}

static bool
is_too_slow(struct http_watch *w, struct http_conn *conn, int64_t now_ms)
{
    uint64_t bytes = conn->received;

    if (conn->phase == HTTP_PHASE_HANDLE)
        return false;
    if (conn->phase == HTTP_PHASE_SEND && !confirmed_bytes(conn->fd, &bytes))
        return false; /* a unix socket: the proxy in front has deadlines of its own */
    if (conn->phase != HTTP_PHASE_HEAD && bytes - conn->progress >= LEAST_BYTES) {
        conn->progress = bytes;
        conn->since_ms = now_ms;
    }
    return now_ms - conn->since_ms >
           (conn->phase == HTTP_PHASE_HEAD && !conn->has_served ? w->first_ms : w->idle_ms);
}

static void
look(struct http_watch *w)
{
    static const struct linger drop = {.l_onoff = 1, .l_linger = 0};
    int64_t now_ms = clock_mono_ms();

    for (struct http_conn *conn = w->first; conn != NULL; conn = conn->next)
        if (!conn->is_cut && is_too_slow(w, conn, now_ms)) {
            struct log_ctx log = w->log;

            log.peer = conn->peer;
            if (conn->phase == HTTP_PHASE_HEAD && conn->has_served)
                LOG(&log, HTTP_IDLE); /* a kept connection that nobody needs any more */
            else
                LOG(&log, HTTP_TOO_SLOW, F_WORD("at", phase_words[conn->phase]));
            conn->is_cut = true;
            setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &drop, sizeof drop); /* unsent bytes too */
            shutdown(conn->fd, SHUT_RDWR); /* its thread wakes and ends */
        }
}

static void *
run(void *arg)
{
    struct http_watch *w = arg;

    gate_lock(&w->gate);
    while (!w->is_ending) {
        if (w->first == NULL)
            gate_wait(&w->gate);
        else if (!gate_wait_ms(&w->gate, LOOK_MS))
            look(w);
    }
    gate_unlock(&w->gate);
    return NULL;
}

void
http_watch_start(struct http_watch *w, int64_t idle_ms, int64_t first_ms, struct log_ctx log)
{
    gate_init(&w->gate);
    w->idle_ms = idle_ms;
    w->first_ms = first_ms;
    w->log = log;
    w->is_running = true;
    w->thread = thread_start("http-watch", run, w);
}

void
http_watch_stop(struct http_watch *w)
{
    if (!w->is_running)
        return;
    gate_lock(&w->gate);
    w->is_ending = true;
    gate_wake(&w->gate);
    gate_unlock(&w->gate);
    thread_join(w->thread);
    CHECK(w->first == NULL);
    gate_fini(&w->gate);
    w->is_running = false;
}

struct http_conn *
http_watch_add(struct http_watch *w, int fd, const char *peer)
{
    struct http_conn *conn = mem_new(sizeof *conn);

    conn->fd = fd;
    conn->since_ms = clock_mono_ms();
    for (size_t i = 0; i + 1 < sizeof conn->peer && peer[i] != '\0'; i++)
        conn->peer[i] = peer[i];
    gate_lock(&w->gate);
    conn->next = w->first;
    if (conn->next != NULL)
        conn->next->prev = conn;
    w->first = conn;
    w->count++;
    if (conn->next == NULL)
        gate_wake(&w->gate);
    gate_unlock(&w->gate);
    return conn;
}

void
http_watch_remove(struct http_watch *w, struct http_conn *conn)
{
    gate_lock(&w->gate);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        w->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    w->count--;
    gate_unlock(&w->gate);
    free(conn);
}

void
http_watch_phase(struct http_watch *w, struct http_conn *conn, enum http_phase phase)
{
    gate_lock(&w->gate);
    if (phase == HTTP_PHASE_HEAD) {
        conn->received = 0;
        conn->has_served = true;
    }
    if (conn->phase != phase) {
        conn->progress = conn->received;
        if (phase == HTTP_PHASE_SEND && !confirmed_bytes(conn->fd, &conn->progress))
            conn->progress = 0;
        conn->since_ms = clock_mono_ms();
        conn->phase = phase;
    }
    gate_unlock(&w->gate);
}

void
http_watch_pause(struct http_watch *w, struct http_conn *conn)
{
    gate_lock(&w->gate);
    conn->paused_phase = conn->phase;
    conn->phase = HTTP_PHASE_HANDLE;
    conn->paused_ms = clock_mono_ms();
    gate_unlock(&w->gate);
}

void
http_watch_resume(struct http_watch *w, struct http_conn *conn, size_t received)
{
    gate_lock(&w->gate);
    conn->phase = conn->paused_phase;
    conn->since_ms += clock_mono_ms() - conn->paused_ms;
    conn->received += received;
    gate_unlock(&w->gate);
}
