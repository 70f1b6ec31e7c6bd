/* prober.c - while the line is down it alone tries again; while it is up it pings now and then, so
 * that a line that swallows everything is noticed before TCP gives up. Keeps the clock's offset
 * and the certificate young. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"

enum { PING_EVERY_MS = 5000, LOOK_FOR_IDENTITY_MS = 1000, RENEW_EVERY_MS = 6 * 3600 * 1000 };

/* Wait until it is time to try; false: stopping. */
static bool
wait_turn(struct uplink *up)
{
    int64_t now = clock_mono_ms(), until = now + PING_EVERY_MS;
    bool is_on;

    gate_lock(&up->gate);
    while (!up->is_stopping) {
        now = clock_mono_ms();
        if (up->line.state != UPLINK_UP && now >= up->line.retry_ms)
            break;
        if (now >= until && up->line.state == UPLINK_UP)
            break;
        gate_wait_ms(&up->gate, (up->line.state == UPLINK_UP ? until : up->line.retry_ms) - now);
    }
    is_on = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_on;
}

static void
ping(struct talk *t)
{
    struct uplink *up = t->up;
    struct link_ping answer;
    int64_t asked_us, told_us;
    struct err err = {0};

    if (talk_ping(t, &answer, &asked_us, &told_us, &err) < 0)
        return; /* the line was told */
    gate_lock(&up->gate);
    up->line.has_clock_offset = true;
    up->line.clock_offset_ms = (answer.now_us - (asked_us + told_us) / 2) / 1000;
    gate_unlock(&up->gate);
}

/* Until this gateway is enrolled. False: stopping. */
static bool
wait_identity(struct uplink *up)
{
    if (line_load_identity(up))
        return true;
    LOG(&uplink_log, UPLINK_WAITS_FOR_ENROLMENT);
    while (!up_is_stopping(up)) {
        up_rest(up, LOOK_FOR_IDENTITY_MS);
        if (line_load_identity(up))
            return true;
    }
    return false;
}

void *
prober_run(void *arg)
{
    struct uplink *up = arg;
    int64_t renewed_ms = clock_mono_ms() - RENEW_EVERY_MS;
    struct talk talk;

    if (!wait_identity(up))
        return NULL;
    talk_init(&talk, up, up->o.stall_ms);
    do {
        struct err err = {0};

        ping(&talk);
        if (clock_mono_ms() - renewed_ms < RENEW_EVERY_MS)
            continue;
        renewed_ms = clock_mono_ms();
        if (line_renew(up, &err) < 0)
            LOG(&uplink_log, UPLINK_RENEW_FAILED, F_ERR(&err));
    } while (wait_turn(up));
    talk_fini(&talk);
    return NULL;
}
