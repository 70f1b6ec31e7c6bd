/* stall.h - does a connection stand still, and does its way answer again? TCP sends what a cut has
 * swallowed again once a second at best, and BBR then often waits another second for what it takes
 * to be still on its way. So while nothing of it is confirmed, other connections are asked for the
 * same way, ten times a second, until one is made: another connection can carry what waits.
 * Threads: a stall belongs to one thread. */
#ifndef RADPOST_HTTP_STALL_H
#define RADPOST_HTTP_STALL_H

#include "proto/base/base.h"

enum { STALL_KNOCKS = 8, STALL_EVERY_MS = 100 };

enum stall_word {
    STALL_NONE,
    STALL_STILL,    /* something is on its way, and nothing of it was confirmed for a while */
    STALL_ANSWERED, /* the same, and its way has answered just now */
    STALL_MOVES     /* not any more */
};

struct stall {
    bool is_still;
    int64_t silent_ms; /* since; 0: it is not */
    int64_t still_ms;
    int64_t next_ms; /* a knock */
    int knocks[STALL_KNOCKS];
    size_t at;
};

void stall_init(struct stall *s);
void stall_fini(struct stall *s); /* may be looked with again */
/* fd: the connection; -1: none. is_silent: since the last look it took and gave nothing. What is
 * new is said once, STALL_ANSWERED each time (a while apart). */
enum stall_word stall_look(struct stall *s, int fd, bool is_silent, int64_t now_ms);

#endif
