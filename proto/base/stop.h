/* stop.h - how a thread that goes on until it is told to end is told, and how it rests meanwhile.
 * Threads: any; one that rests is woken. */
#ifndef RADPOST_BASE_STOP_H
#define RADPOST_BASE_STOP_H

#include "proto/base/thread.h"

struct stop {
    struct gate gate;
    bool is_asked; /* gate */
};

void stop_init(struct stop *s);
void stop_fini(struct stop *s);
void stop_ask(struct stop *s); /* for good */
bool stop_is_asked(struct stop *s);
/* Returns when the time is over, sooner when the end is asked for, at once when it was. Now and
 * then it returns early for nothing: whoever rests looks again.
 * returns  true: go on; false: end */
bool stop_rest_ms(struct stop *s, int64_t rest_ms);

#endif
