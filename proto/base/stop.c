/* stop.c - how a thread that goes on until it is told to end is told. */
#include "proto/base/stop.h"

void
stop_init(struct stop *s)
{
    gate_init(&s->gate);
    s->is_asked = false;
}

void
stop_fini(struct stop *s)
{
    gate_fini(&s->gate);
}

void
stop_ask(struct stop *s)
{
    gate_lock(&s->gate);
    s->is_asked = true;
    gate_wake(&s->gate);
    gate_unlock(&s->gate);
}

bool
stop_is_asked(struct stop *s)
{
    bool is;

    gate_lock(&s->gate);
    is = s->is_asked;
    gate_unlock(&s->gate);
    return is;
}

bool
stop_rest_ms(struct stop *s, int64_t rest_ms)
{
    bool goes_on;

    gate_lock(&s->gate);
    if (!s->is_asked && rest_ms > 0)
        (void)gate_wait_ms(&s->gate, rest_ms);
    goes_on = !s->is_asked;
    gate_unlock(&s->gate);
    return goes_on;
}
