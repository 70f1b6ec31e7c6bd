/* tool_line - a line between a gateway and its centre, for scenarios: a TCP relay on 127.0.0.1
 * that can be cut, reset and slowed down while it runs.
 *
 *     tool_line PORT TO_PORT CONTROL STATS
 *
 * CONTROL is a file with one line, looked at whenever it is renamed into place or written:
 *     open           everything passes
 *     cut            everything is swallowed: no byte passes, new connections hang
 *     reset          connections are broken and new ones are broken at once
 *     rate N         open, but N bytes a second towards the centre
 *     rate N most M  and after M bytes more in all, none
 * STATS always holds "up=N down=N connections=N\n": bytes that have passed since the start. */
#include "proto/base/base.h"
#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PAIRS = 64, ROOM = 65536 };

struct way {
    uint8_t bytes[ROOM];
    size_t from, to; /* bytes[from..to) wait to be written */
    bool is_read_over, is_write_over;
};

struct pair {
    int near, far; /* -1, -1: free */
    struct way up, down;
};

enum mode { OPEN, CUT, RESET };

static struct pair pairs[MAX_PAIRS];
static enum mode mode;
static uint64_t rate;                 /* 0: as fast as it goes */
static uint64_t up_most = UINT64_MAX; /* up_bytes ends there */
static double tokens;
static int64_t filled_ms;
static int turn;      /* the pair that is served first: each in turn, as flows share a line */
static bool is_taken; /* the pair looked at has got some of the rate */
static uint64_t up_bytes, down_bytes, connections;
static const char *control_path;
static int stats_fd;

static void
die(const char *what)
{
    fprintf(stderr, "tool_line: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
write_stats(void)
{
    char text[128];
    int n = snprintf(text, sizeof text, "up=%020llu down=%020llu connections=%08llu\n",
                     (unsigned long long)up_bytes, (unsigned long long)down_bytes,
                     (unsigned long long)connections);

    if (pwrite(stats_fd, text, (size_t)n, 0) != n)
        die("stats");
}

static void
pair_close(struct pair *p)
{
    struct linger hard = {1, 0};

    if (mode == RESET)
        setsockopt(p->near, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(p->near);
    close(p->far);
    p->near = p->far = -1;
}

static void
read_control(void)
{
    char text[64] = "";
    int fd = open(control_path, O_RDONLY | O_CLOEXEC);
    char *most;
    ssize_t n;

    if (fd < 0)
        return;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    most = strstr(text, " most ");
    rate = 0;
    up_most = UINT64_MAX;
    if (most != NULL && text_to_u64(most + 6, UINT32_MAX, &up_most) == 0) {
        up_most += up_bytes;
        *most = '\0';
    }
    if (strcmp(text, "open") == 0)
        mode = OPEN;
    else if (strcmp(text, "cut") == 0)
        mode = CUT;
    else if (strcmp(text, "reset") == 0)
        mode = RESET;
    else if (strncmp(text, "rate ", 5) == 0 && text_to_u64(text + 5, UINT32_MAX, &rate) == 0)
        mode = OPEN;
    else
        fprintf(stderr, "tool_line: what is '%s'?\n", text);
    if (mode == RESET)
        for (int i = 0; i < MAX_PAIRS; i++)
            if (pairs[i].near >= 0)
                pair_close(&pairs[i]);
}

static int
socket_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), small = 65536;

    if (fd < 0)
        die("socket");
    /* small buffers: what was written has mostly passed */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    return fd;
}

static struct sockaddr_in
loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void
take_connection(int listener, uint16_t to_port)
{
    int near = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct sockaddr_in to = loopback(to_port);

    if (near < 0)
        return;
    for (int i = 0; i < MAX_PAIRS && mode == OPEN; i++) {
        struct pair *p = &pairs[i];

        if (p->near >= 0)
            continue;
        memset(&p->up, 0, sizeof p->up);
        memset(&p->down, 0, sizeof p->down);
        p->near = near;
        p->far = socket_new();
        if (connect(p->far, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
            pair_close(p);
        connections++;
        return;
    }
    close(near);
}

/* How many bytes may go up now. */
static size_t
allowance(size_t wanted)
{
    int64_t now = clock_mono_ms();

    wanted = up_most - up_bytes < wanted ? (size_t)(up_most - up_bytes) : wanted;
    if (rate == 0)
        return wanted;
    tokens += (double)rate * (double)(now - filled_ms) / 1000.0;
    filled_ms = now;
    if (tokens > (double)rate / 20.0)
        tokens = (double)rate / 20.0;
    return tokens < 1.0 ? 0 : (tokens < (double)wanted ? (size_t)tokens : wanted);
}

/* Move what can be moved one way; false: this pair is broken. */
static bool
move(int in, int out, struct way *w, bool is_up)
{
    if (w->from == w->to && !w->is_read_over) {
        ssize_t n = recv(in, w->bytes, ROOM, 0);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        w->from = 0;
        w->to = n > 0 ? (size_t)n : 0;
        w->is_read_over = n == 0;
    }
    if (w->from < w->to) {
        size_t n = is_up ? allowance(w->to - w->from) : w->to - w->from;
        ssize_t sent = n == 0 ? 0 : send(out, w->bytes + w->from, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
            return false;
        if (sent > 0) {
            w->from += (size_t)sent;
            if (is_up) {
                is_taken = true;
                tokens -= (double)sent;
                up_bytes += (uint64_t)sent;
            } else {
                down_bytes += (uint64_t)sent;
            }
        }
    } else if (w->is_read_over && !w->is_write_over) {
        shutdown(out, SHUT_WR);
        w->is_write_over = true;
    }
    return true;
}

static short
events_of(const struct way *in, const struct way *out)
{
    return (short)((in->from == in->to && !in->is_read_over ? POLLIN : 0) |
                   (out->from < out->to ? POLLOUT : 0));
}

static void
serve(int listener, int watch, uint16_t to_port)
{
    struct pollfd fds[2 + 2 * MAX_PAIRS];
    char events[4096];
    int wait_ms = -1;

    fds[0] = (struct pollfd){.fd = watch, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = mode == CUT ? -1 : listener, .events = POLLIN};
    for (int i = 0; i < MAX_PAIRS; i++) {
        struct pair *p = &pairs[i];
        bool is_slow = rate > 0 && p->near >= 0 && p->up.from < p->up.to;

        fds[2 + 2 * i] = (struct pollfd){.fd = mode == OPEN ? p->near : -1};
        fds[3 + 2 * i] = (struct pollfd){.fd = mode == OPEN ? p->far : -1};
        if (p->near < 0)
            continue;
        fds[2 + 2 * i].events = events_of(&p->up, &p->down);
        fds[3 + 2 * i].events = events_of(&p->down, &p->up);
        if (is_slow) { /* asked again when the bucket has filled up a little */
            fds[3 + 2 * i].events &= (short)~POLLOUT;
            wait_ms = 10;
        }
    }
    if (poll(fds, ARRAY_LEN(fds), mode == OPEN ? wait_ms : -1) < 0 && errno != EINTR)
        die("poll");
    if ((fds[0].revents & POLLIN) != 0) {
        while (read(watch, events, sizeof events) > 0)
            ;
        read_control();
    }
    if ((fds[1].revents & POLLIN) != 0)
        take_connection(listener, to_port);
    for (int i = 0, first = turn; i < MAX_PAIRS && mode == OPEN; i++) {
        int at = (first + i) % MAX_PAIRS;
        struct pair *p = &pairs[at];

        if (p->near < 0)
            continue;
        is_taken = false;
        if (!move(p->near, p->far, &p->up, true) || !move(p->far, p->near, &p->down, false) ||
            (p->up.is_write_over && p->down.is_write_over))
            pair_close(p);
        if (is_taken)
            turn = (at + 1) % MAX_PAIRS; /* whoever comes behind the last that got some */
    }
    write_stats();
}

int
main(int argc, char **argv)
{
    uint64_t port, to_port;
    struct sockaddr_in here;
    int listener, watch, on = 1;
    char *slash, folder[4096];

    if (argc != 5 || text_to_u64(argv[1], 65535, &port) < 0 ||
        text_to_u64(argv[2], 65535, &to_port) < 0) {
        fputs("tool_line PORT TO_PORT CONTROL STATS\n", stderr);
        return 2;
    }
    control_path = argv[3];
    stats_fd = open(argv[4], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (stats_fd < 0)
        die(argv[4]);
    for (int i = 0; i < MAX_PAIRS; i++)
        pairs[i].near = pairs[i].far = -1;
    filled_ms = clock_mono_ms();
    text_copy(folder, sizeof folder, control_path);
    slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0 ||
        inotify_add_watch(watch, slash != NULL ? folder : ".", IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        die("watch");
    listener = socket_new();
    here = loopback((uint16_t)port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 64) < 0)
        die("listen");
    read_control();
    for (;;)
        serve(listener, watch, (uint16_t)to_port);
}
