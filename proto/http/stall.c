/* stall.c - see stall.h. */
#include "proto/http/stall.h"

#include "proto/http/wire.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STILL_MS = 300,
    LONG_MS = 30000,      /* after so long it is no cut of a moment: */
    LONG_EVERY_MS = 1000, /* seldom then */
    AGAIN_MS = 500        /* after an answer */
};

void
stall_init(struct stall *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < STALL_KNOCKS; i++)
        s->knocks[i] = -1;
}

static void
drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
drop_all(struct stall *s)
{
    for (size_t i = 0; i < STALL_KNOCKS; i++)
        drop(&s->knocks[i]);
}

void
stall_fini(struct stall *s)
{
    drop_all(s);
    stall_init(s);
}

/* Where fd goes, and from where it does. -1: that cannot be asked just now (no route). */
static int
knock(int fd)
{
    struct sockaddr_storage to, from;
    socklen_t to_n = sizeof to, from_n = sizeof from, name_n = IFNAMSIZ;
    char name[IFNAMSIZ] = "";
    int one;

    if (getpeername(fd, (struct sockaddr *)&to, &to_n) < 0 ||
        getsockname(fd, (struct sockaddr *)&from, &from_n) < 0 || from_n < sizeof(sa_family_t))
        return -1;
    /* the port is the first member of both */
    memset((char *)&from + sizeof(sa_family_t), 0, sizeof(in_port_t));
    one = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (one < 0)
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &name_n) == 0 && name[0] != '\0')
        (void)setsockopt(one, SOL_SOCKET, SO_BINDTODEVICE, name, name_n);
    if (bind(one, (struct sockaddr *)&from, from_n) < 0 ||
        (connect(one, (struct sockaddr *)&to, to_n) < 0 && errno != EINPROGRESS))
        drop(&one);
    return one;
}

/* One of them is a connection now; those that failed go. */
static bool
has_answer(struct stall *s)
{
    bool has = false;

    for (size_t i = 0; i < STALL_KNOCKS; i++) {
        struct pollfd ask = {.fd = s->knocks[i], .events = POLLOUT};

        if (ask.fd < 0 || poll(&ask, 1, 0) <= 0)
            continue;
        has = has || (ask.revents & (POLLERR | POLLHUP)) == 0;
        drop(&s->knocks[i]);
    }
    return has;
}

static enum stall_word
look_at_knocks(struct stall *s, int fd, int64_t now_ms)
{
    if (has_answer(s)) {
        drop_all(s);
        s->next_ms = now_ms + AGAIN_MS;
        return STALL_ANSWERED;
    }
    if (now_ms >= s->next_ms) {
        drop(&s->knocks[s->at]); /* the oldest: a packet of it was lost, too */
        s->knocks[s->at] = knock(fd);
        s->at = (s->at + 1) % STALL_KNOCKS;
        s->next_ms = now_ms + (now_ms - s->still_ms < LONG_MS ? STALL_EVERY_MS : LONG_EVERY_MS);
    }
    return STALL_NONE;
}

enum stall_word
stall_look(struct stall *s, int fd, bool is_silent, int64_t now_ms)
{
    bool was_still = s->is_still;

    if (fd < 0 || !is_silent) {
        if (was_still || s->silent_ms != 0)
            stall_fini(s);
        return was_still ? STALL_MOVES : STALL_NONE;
    }
    if (s->silent_ms == 0)
        s->silent_ms = now_ms;
    if (was_still)
        return look_at_knocks(s, fd, now_ms);
    if (now_ms - s->silent_ms < STILL_MS || !http_wire_is_still(fd, now_ms - s->silent_ms))
        return STALL_NONE;
    s->is_still = true;
    s->still_ms = s->next_ms = now_ms;
    return STALL_STILL;
}
