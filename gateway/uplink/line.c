/* line.c - is there a way to the centre by this line, since when, and who we are to it. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/link/enrol.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Shorter than this, TCP itself carries calls over a break. */
enum { LONG_CUT_MS = 2000, OLD_GRACE_MS = 2500 };
enum { SICK_REST_MS = 2000 };

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

void
up_rest_if_sick(struct uplink *up)
{
    struct spool_health health;

    spool_health(up->spool, &health);
    if (health.is_journal_sick)
        up_rest(up, SICK_REST_MS);
}

void
up_wait_news(struct uplink *up, uint64_t seen, int64_t most_ms)
{
    int64_t until = clock_mono_ms() + most_ms, now;

    gate_lock(&up->gate);
    while (!up->is_stopping && up->news == seen && (now = clock_mono_ms()) < until)
        gate_wait_ms(&up->gate, until - now);
    gate_unlock(&up->gate);
}

double
up_chance(void)
{
    uint32_t drawn;

    random_bytes(&drawn, sizeof drawn);
    return (double)drawn / 4294967295.0;
}

bool
line_is_serving(const struct up_line *line)
{
    return line->is_serving && line->state == UPLINK_UP && !line->is_gone;
}

bool
line_wait_serving(struct up_line *line, unsigned n)
{
    struct uplink *up = line->up;
    bool is_on;

    gate_lock(&up->gate);
    while (!up->is_stopping && (!line_is_serving(line) || n >= line->open))
        gate_wait(&up->gate);
    is_on = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_on;
}

static void
set_state(struct up_line *line, enum uplink_line state)
{
    if (line->state == state)
        return;
    line->state = state;
    line->since_us = clock_wall_us();
}

/* Gate held; it is let go. */
static void
changed(struct uplink *up)
{
    serving_choose(up);
    gate_unlock(&up->gate);
    serving_tell(up);
}

/* Gate held. It answers, and takes nothing just now: its prober tries again when it is time, and
 * the answer to another's ping says no more. Else each would begin the waits anew. */
static bool
is_put_off(const struct up_line *line, int64_t now)
{
    return (line->state == UPLINK_DOWN || line->state == UPLINK_REFUSED) && line->is_put_off &&
           now < line->retry_ms;
}

void
line_answered(struct up_line *line, bool is_ping, int64_t asked_ms)
{
    struct uplink *up = line->up;
    uint64_t last_id = spool_last_id(up->spool);
    bool is_new, was_broken, was_silent;
    int64_t now = clock_mono_ms();

    gate_lock(&up->gate);
    line->last_contact_us = clock_wall_us();
    if (is_ping && is_put_off(line, now)) {
        gate_unlock(&up->gate);
        return;
    }
    is_new = line->state != UPLINK_UP;
    was_silent = now - (asked_ms > line->moved_ms ? asked_ms : line->moved_ms) >= LONG_CUT_MS;
    line->moved_ms = now;
    was_broken = is_new && line->is_broken && now - line->down_ms >= LONG_CUT_MS;
    set_state(line, UPLINK_UP);
    line->trouble[0] = '\0';
    line->is_past_all = line->is_proxy_denied = false;
    /* an answered ping alone does not say that the centre takes images: the waits go on growing
     * until it has taken some */
    if (!is_ping)
        backoff_reset(&line->backoff);
    if (is_new || was_silent) /* also after a cut that nobody noticed */
        plan_hold_rests(up->plan, last_id, now);
    if (is_new) {
        line->up_ms = now;
        if (was_broken) { /* within this, TCP itself goes on with what it can */
            line->old_ms = line->down_ms;
            line->give_up_ms = now + OLD_GRACE_MS;
        }
        up->news++;
        changed(up);
    } else {
        gate_unlock(&up->gate);
    }
    if (is_new)
        LOG(&uplink_log, UPLINK_LINE_UP, F_WORD("line", line->set.name));
}

/* When it is tried again. Gate held. */
static void
put_off(struct up_line *line, int64_t retry_after_s, int64_t now)
{
    int64_t wait = backoff_next(&line->backoff, up_chance());

    if (retry_after_s > 0 && retry_after_s * 1000 > wait)
        wait = retry_after_s * 1000;
    if (wait > line->up->o.backoff_max_ms)
        wait = line->up->o.backoff_max_ms;
    line->retry_ms = now + wait;
}

static bool
has_ended(const struct identity *who)
{
    return who->enrolment > 0 && who->not_after_us < clock_wall_us();
}

/* Gate held. A clinic that was offline for so long cannot renew: what people can do is said. Where
 * the centre's own certificate has ended, too, it is the clock that is looked at first. */
static void
tell_ended(struct up_line *line)
{
    if (line->is_past_all)
        text_copy(line->trouble, sizeof line->trouble,
                  "by this machine's clock this gateway's certificate and the centre's have both "
                  "ended: look first whether the clock is right");
    else if (has_ended(&line->up->who))
        text_copy(line->trouble, sizeof line->trouble,
                  "this gateway's certificate has ended: at the centre radpost enrol new, here "
                  "radpost-gateway enrol URL CODE (it goes on with the images that wait)");
}

void
line_failed(struct up_line *line, const struct err *err, enum up_word word, int64_t retry_after_s)
{
    enum uplink_line state = err->kind == ERR_DENIED ? UPLINK_REFUSED : UPLINK_DOWN;
    struct uplink *up = line->up;
    int64_t now = clock_mono_ms();
    bool is_new;

    gate_lock(&up->gate);
    is_new = line->state != state && !up->is_stopping;
    if (line->state == UPLINK_UP || line->retry_ms <= now)
        put_off(line, retry_after_s, now);
    if (line->state == UPLINK_UP || line->down_ms == 0) {
        line->down_ms = now;
        line->is_broken = false;
        line->is_put_off = true;
    }
    line->is_broken = line->is_broken || word != WORD_OF_CENTRE;
    line->is_put_off = line->is_put_off && word != WORD_NONE;
    set_state(line, state);
    text_copy(line->trouble, sizeof line->trouble, err->text);
    if (err->sys == ENOKEY && line->set.proxy_user[0] != '\0') {
        size_t n = strlen(line->trouble);

        snprintf(line->trouble + n, sizeof line->trouble - n, "; it stands in %s",
                 line->set.proxy_user);
    }
    line->is_past_all = err->sys == EKEYEXPIRED && has_ended(&up->who);
    line->is_proxy_denied = err->sys == ENOKEY;
    if (word != WORD_OF_CENTRE || state == UPLINK_REFUSED)
        tell_ended(line);
    changed(up);
    if (is_new && state == UPLINK_REFUSED)
        LOG(&uplink_log, UPLINK_LINE_REFUSED, F_WORD("line", line->set.name), F_ERR(err));
    else if (is_new)
        LOG(&uplink_log, UPLINK_LINE_DOWN, F_WORD("line", line->set.name), F_ERR(err));
}

void
line_note_stall(void *user, enum stall_word word)
{
    struct talk *t = user;
    struct up_line *line = t->line;
    int64_t now = clock_mono_ms();

    gate_lock(&t->up->gate);
    t->is_still = word != STALL_MOVES;
    line->has_starved = true; /* the crowd learns nothing of it */
    if (word == STALL_ANSWERED) {
        line->answered_ms = now;
        if (line->state == UPLINK_DOWN && line->is_broken)
            line->retry_ms = now;
    }
    gate_wake(&t->up->gate);
    gate_unlock(&t->up->gate);
}

void
line_look_identity(struct uplink *up)
{
    uint64_t stamp = enrol_stamp(up->link_dir);
    bool is_new;

    gate_lock(&up->gate);
    is_new = up->who.enrolment > 0 && stamp != 0 && stamp != up->identity_stamp;
    gate_unlock(&up->gate);
    if (is_new)
        (void)line_load_identity(
            up); /* not readable yet: the lines say so, and it is looked again */
}

bool
line_load_identity(struct uplink *up)
{
    struct enrol_identity identity;
    struct identity *who = &up->who;
    struct err err = {0};
    char url[256] = "";
    uint64_t stamp =
        enrol_stamp(up->link_dir); /* before it is read: what comes later is looked at again */

    if (enrol_load(up->link_dir, &identity, &err) < 0) {
        for (size_t i = 0; i < up->lines_n && err.kind != ERR_NOT_FOUND; i++)
            line_failed(&up->lines[i], &err, WORD_OF_CENTRE, -1);
        return false;
    }
    if (up->url[0] != '\0')
        text_copy(url, sizeof url, up->url);
    else if (!enrol_address(&identity, "link_url", url, sizeof url))
        url[0] = '\0';
    gate_lock(&up->gate);
    text_copy(who->link_url, sizeof who->link_url, url);
    text_copy(who->tenant, sizeof who->tenant, identity.tenant);
    text_copy(who->device, sizeof who->device, identity.device);
    text_copy(who->certificate, sizeof who->certificate, identity.certificate);
    text_copy(who->key, sizeof who->key, identity.key);
    text_copy(who->ca, sizeof who->ca, identity.ca);
    who->issued_us = identity.issued_us;
    who->not_after_us = identity.not_after_us;
    up->identity_stamp = stamp;
    who->enrolment++;
    for (size_t i = 0; i < up->lines_n; i++)
        if (up->lines[i].state == UPLINK_NOT_ENROLLED) {
            set_state(&up->lines[i], UPLINK_TRYING);
            up->lines[i].begun_ms = clock_mono_ms();
        }
    changed(up);
    enrol_identity_fini(&identity);
    LOG(&uplink_log, UPLINK_ENROLLED);
    return true;
}

/* Over this line, by its proxy if it has one. */
int
line_renew(struct up_line *line, struct err *err)
{
    struct uplink *up = line->up;
    struct line_settings set;
    struct enrol_way way = {0};
    char url[256], user[LINE_TEXT_BYTES];
    bool is_renewed = false;

    gate_lock(&up->gate);
    set = line->set;
    text_copy(url, sizeof url, set.url[0] != '\0' ? set.url : up->who.link_url);
    gate_unlock(&up->gate);
    way.proxy = set.proxy[0] != '\0' ? set.proxy : NULL;
    way.source = set.source[0] != '\0' ? set.source : NULL;
    if (set.proxy_user[0] != '\0') {
        if (lines_read_user(set.proxy_user, user, err) < 0)
            return -1;
        way.proxy_user = user;
    }
    if (enrol_renew_by(up->link_dir, url, &way, false, &is_renewed, err) < 0)
        return -1;
    if (is_renewed && line_load_identity(up))
        LOG(&uplink_log, UPLINK_RENEWED);
    return 0;
}

int
line_make_client(const struct talk *t, const struct identity *who, const struct line_settings *set,
                 struct http_client **out, struct err *err)
{
    char user[LINE_TEXT_BYTES];
    struct http_client_options options = {.base_url =
                                              set->url[0] != '\0' ? set->url : who->link_url,
                                          .ca_file = who->ca,
                                          .certificate = who->certificate,
                                          .key = who->key,
                                          .proxy = set->proxy[0] != '\0' ? set->proxy : NULL,
                                          .source = set->source[0] != '\0' ? set->source : NULL,
                                          .is_bulk = t->is_bulk || t->lends != LENDS_NOT,
                                          .connect_ms = LINE_CONNECT_MS,
                                          .stall_ms = t->stall_ms};
    int rc = 0;

    if (set->proxy_user[0] != '\0') {
        rc = lines_read_user(set->proxy_user, user, err);
        options.proxy_user = user;
    }
    if (rc == 0)
        rc = http_client_new(&options, out, err);
    return rc;
}
