/* line.c - is there a way to the centre, since when, and who we are to it. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/link/enrol.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <string.h>

/* Shorter than this, TCP itself carries calls over a break. */
enum { LONG_CUT_MS = 2000 };

const struct log_ctx uplink_log = {.stage = "gateway/uplink"};

bool
up_is_stopping(struct uplink *up)
{
    bool is_stopping;

    gate_lock(&up->gate);
    is_stopping = up->is_stopping;
    gate_unlock(&up->gate);
    return is_stopping;
}

void
up_news(struct uplink *up)
{
    gate_lock(&up->gate);
    up->news++;
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
}

void
up_rest(struct uplink *up, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms, now;

    gate_lock(&up->gate);
    while (!up->is_stopping && (now = clock_mono_ms()) < until)
        gate_wait_ms(&up->gate, until - now);
    gate_unlock(&up->gate);
}

bool
line_wait_up(struct uplink *up)
{
    bool is_up;

    gate_lock(&up->gate);
    while (!up->is_stopping && up->line.state != UPLINK_UP)
        gate_wait(&up->gate);
    is_up = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_up;
}

static void
set_state(struct line *line, enum uplink_line state)
{
    if (line->state == state)
        return;
    line->state = state;
    line->since_us = clock_wall_us();
}

void
line_answered(struct uplink *up, bool is_ping)
{
    bool is_new, was_broken;

    gate_lock(&up->gate);
    is_new = up->line.state != UPLINK_UP;
    was_broken = is_new && up->line.is_broken && clock_mono_ms() - up->line.down_ms >= LONG_CUT_MS;
    set_state(&up->line, UPLINK_UP);
    up->line.last_contact_us = clock_wall_us();
    up->line.trouble[0] = '\0';
    /* an answered ping alone does not say that the centre takes images: the waits go on growing
     * until it has taken some */
    if (!is_ping)
        backoff_reset(&up->line.backoff);
    if (is_new) {
        up->news++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    if (is_new)
        LOG(&uplink_log, UPLINK_LINE_UP);
    if (was_broken)
        talk_give_up_old(up);
}

static double
chance(void)
{
    uint32_t drawn;

    random_bytes(&drawn, sizeof drawn);
    return (double)drawn / 4294967295.0;
}

void
line_failed(struct uplink *up, const struct err *err, bool is_answered, int64_t retry_after_s)
{
    enum uplink_line state = err->kind == ERR_DENIED ? UPLINK_REFUSED : UPLINK_DOWN;
    int64_t wait, now = clock_mono_ms();
    bool is_new;

    gate_lock(&up->gate);
    is_new = up->line.state != state && !up->is_stopping;
    if (up->line.state == UPLINK_UP || up->line.retry_ms <= now) {
        wait = backoff_next(&up->line.backoff, chance());
        if (retry_after_s > 0 && retry_after_s * 1000 > wait)
            wait = retry_after_s * 1000;
        if (wait > up->o.backoff_max_ms)
            wait = up->o.backoff_max_ms;
        if (up->line.state == UPLINK_UP) {
            up->line.down_ms = now;
            up->line.is_broken = false;
        }
        up->line.retry_ms = now + wait;
    }
    up->line.is_broken = up->line.is_broken || !is_answered;
    set_state(&up->line, state);
    text_copy(up->line.trouble, sizeof up->line.trouble, err->text);
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    if (is_new && state == UPLINK_REFUSED)
        LOG(&uplink_log, UPLINK_LINE_REFUSED, F_ERR(err));
    else if (is_new)
        LOG(&uplink_log, UPLINK_LINE_DOWN, F_ERR(err));
}

bool
line_load_identity(struct uplink *up)
{
    struct enrol_identity identity;
    struct err err = {0};
    char url[256] = "";

    if (enrol_load(up->link_dir, &identity, &err) < 0) {
        if (err.kind != ERR_NOT_FOUND)
            line_failed(up, &err, true, -1);
        return false;
    }
    if (up->url[0] != '\0')
        text_copy(url, sizeof url, up->url);
    else if (!enrol_address(&identity, "link_url", url, sizeof url))
        url[0] = '\0';
    gate_lock(&up->gate);
    text_copy(up->line.centre, sizeof up->line.centre, url);
    text_copy(up->line.tenant, sizeof up->line.tenant, identity.tenant);
    text_copy(up->line.device, sizeof up->line.device, identity.device);
    text_copy(up->line.certificate, sizeof up->line.certificate, identity.certificate);
    text_copy(up->line.key, sizeof up->line.key, identity.key);
    text_copy(up->line.ca, sizeof up->line.ca, identity.ca);
    up->line.not_after_us = identity.not_after_us;
    up->line.enrolment++;
    if (up->line.state == UPLINK_NOT_ENROLLED)
        set_state(&up->line, UPLINK_TRYING);
    gate_unlock(&up->gate);
    enrol_identity_fini(&identity);
    LOG(&uplink_log, UPLINK_ENROLLED);
    return true;
}

int
line_renew(struct uplink *up, struct err *err)
{
    bool is_renewed = false;
    char url[256];

    gate_lock(&up->gate);
    text_copy(url, sizeof url, up->line.centre);
    gate_unlock(&up->gate);
    if (enrol_renew(up->link_dir, url, false, &is_renewed, err) < 0)
        return -1;
    if (is_renewed && line_load_identity(up))
        LOG(&uplink_log, UPLINK_RENEWED);
    return 0;
}
