/* way.c - one target at work: its line, its pace, its marks. */
#include "gateway/plain/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse.h"
#include "proto/http/client.h"
#include "proto/trust/digest.h"

#include <math.h>
#include <string.h>

enum { IDLE_MS = 60000, UNABLE_MS = 60000 };

/* ---- open, close ---- */

static void
replay(void *user, const struct mark *mark)
{
    queue_replay(user, mark);
}

int
way_open(struct way *way, struct plain *plain, const struct target *conf, struct err *err)
{
    way->plain = plain;
    way->conf = conf;
    way->log = (struct log_ctx){.stage = "gateway/plain", .peer = conf->name};
    gate_init(&way->gate);
    pthread_mutex_init(&way->disk, NULL);
    way->queue = queue_new();
    way->sending.since_us = way->asking.since_us = clock_wall_us();
    if (conf->wrong[0] != '\0') {
        way->sending.state = LINE_WRONG; /* for good: it has no threads */
        text_copy(way->sending.trouble, sizeof way->sending.trouble, conf->wrong);
    }
    if (marks_open(plain->dir, conf->name, replay, way->queue, &way->marks, err) < 0)
        return -1;
    way->is_in_doubt = marks_had_damage(way->marks);
    if (way->is_in_doubt)
        LOG(&way->log, PLAIN_MARKS_DAMAGED);
    if (marks_is_new(way->marks)) /* when it began is known from now on, however short this run */
        way_renew_if_due(way, true);
    LOG(&way->log, PLAIN_TARGET, F_WORD("kind", conf->kind == TARGET_DICOM ? "dicom" : "stow"),
        F_WORD("role", conf->is_archive ? "instead of the centre" : "beside the centre"));
    return 0;
}

void
way_close(struct way *way)
{
    marks_close(&way->marks);
    queue_free(&way->queue);
    pthread_mutex_destroy(&way->disk);
    gate_fini(&way->gate);
}

bool
way_is_stopping(struct way *way)
{
    bool is_stopping;

    gate_lock(&way->gate);
    is_stopping = way->is_stopping;
    gate_unlock(&way->gate);
    return is_stopping;
}

bool
way_needs(struct way *way, uint64_t id)
{
    enum item_state state;

    return !queue_knows(way->queue, id, &state) || (state != ITEM_FOUND && state != ITEM_LEFT);
}

bool
way_is_archive(const struct way *way, const char *device, const char *modality)
{
    return targets_archive(&way->plain->targets, device, modality) == way->conf;
}

/* ---- marks ---- */

bool
way_mark(struct way *way, const struct item *item, enum mark_kind kind)
{
    struct mark mark = {.kind = kind, .id = item->id, .at_us = clock_wall_us()};
    struct err err = {0};

    memcpy(mark.tag, item->tag, sizeof mark.tag);
    if (kind == MARK_REFUSED) {
        mark.status = item->status;
        text_copy(mark.why, sizeof mark.why, item->why);
    }
    if (marks_append(way->marks, &mark, &err) == 0)
        return true;
    LOG(&way->log, PLAIN_MARKS_TROUBLE, F_ERR(&err));
    return false;
}

bool
way_sync(struct way *way)
{
    struct err err = {0};
    int rc;

    pthread_mutex_lock(&way->disk);
    rc = marks_sync(way->marks, &err);
    pthread_mutex_unlock(&way->disk);
    if (rc < 0)
        LOG(&way->log, PLAIN_MARKS_TROUBLE, F_ERR(&err));
    return rc == 0;
}

static bool
mark_at(void *user, size_t i, struct mark *out)
{
    return queue_mark_at(user, i, out);
}

/* The gate is held over a write of some megabytes: rare, and its senders would wait anyway. */
void
way_renew_if_due(struct way *way, bool is_due)
{
    struct err err = {0};

    pthread_mutex_lock(&way->disk);
    gate_lock(&way->gate);
    if ((is_due || marks_is_sick(way->marks) || marks_is_long(way->marks)) &&
        marks_renew(way->marks, mark_at, way->queue, &err) < 0)
        LOG(&way->log, PLAIN_MARKS_TROUBLE, F_ERR(&err));
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
    pthread_mutex_unlock(&way->disk);
}

/* ---- waiting ---- */

/* Gate held. How long until there may be work: 0 now, < 0 not before something changes. */
static int64_t
wait_for_work(struct way *way, bool is_asker, int64_t now_ms)
{
    struct line *line = is_asker ? &way->asking : &way->sending;
    int64_t at_ms;

    if (!way->is_fed || (line->state != LINE_UP && line->is_probed) || marks_is_sick(way->marks))
        return -1;
    at_ms = queue_next_ms(way->queue, is_asker);
    if (at_ms == INT64_MAX)
        return -1;
    if (line->state != LINE_UP && line->retry_ms > at_ms)
        at_ms = line->retry_ms;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

bool
way_await_work(struct way *way, bool is_asker)
{
    struct line *line = is_asker ? &way->asking : &way->sending;
    bool is_stopping;

    gate_lock(&way->gate);
    while (!way->is_stopping) {
        int64_t wait_ms = wait_for_work(way, is_asker, clock_mono_ms());

        if (wait_ms == 0)
            break;
        gate_wait_ms(&way->gate, wait_ms < 0 || wait_ms > IDLE_MS ? IDLE_MS : wait_ms);
    }
    is_stopping = way->is_stopping;
    if (!is_stopping && line->state != LINE_UP)
        line->is_probed = true;
    gate_unlock(&way->gate);
    return !is_stopping;
}

bool
way_await_more(struct way *way, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms, now, next;
    bool is_more = false;

    gate_lock(&way->gate);
    while (!way->is_stopping && (now = clock_mono_ms()) < until) {
        if (marks_is_sick(way->marks)) /* nothing may go before way_await_work() says so */
            break;
        next = queue_next_ms(way->queue, false);
        is_more = next <= now;
        if (is_more)
            break;
        gate_wait_ms(&way->gate, next < until ? next - now : until - now);
    }
    is_more = is_more && !way->is_stopping;
    gate_unlock(&way->gate);
    return is_more;
}

/* ---- the line ---- */

void
way_line_up(struct way *way, bool is_asker)
{
    struct line *line = is_asker ? &way->asking : &way->sending;
    bool is_new;

    gate_lock(&way->gate);
    is_new = line->state != LINE_UP;
    if (is_new)
        line->since_us = clock_wall_us();
    line->state = LINE_UP;
    line->is_probed = false;
    line->step_ms = 0;
    line->trouble[0] = '\0';
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
    if (is_new && !is_asker)
        LOG(&way->log, PLAIN_LINE_UP);
}

void
way_line_unprobed(struct way *way, bool is_asker)
{
    gate_lock(&way->gate);
    (is_asker ? &way->asking : &way->sending)->is_probed = false;
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
}

/* Gate held: doubling waits, between half of the step and the whole of it. */
static int64_t
next_wait(struct way *way, struct line *line)
{
    const struct plain_options *o = &way->plain->o;
    uint16_t drawn;

    line->step_ms = line->step_ms == 0 ? o->backoff_ms : 2 * line->step_ms;
    if (line->step_ms > o->backoff_max_ms)
        line->step_ms = o->backoff_max_ms;
    random_bytes(&drawn, sizeof drawn);
    return line->step_ms / 2 + (line->step_ms - line->step_ms / 2) * drawn / UINT16_MAX;
}

void
way_line_failed(struct way *way, bool is_asker, enum line_state state, const struct err *err)
{
    struct line *line = is_asker ? &way->asking : &way->sending;
    bool is_new;

    if (state == LINE_DOWN)
        state = err->kind == ERR_DENIED ? LINE_DENIED
                : err->kind == ERR_FULL ? LINE_FULL
                                        : LINE_DOWN;
    gate_lock(&way->gate);
    is_new = line->state != state && !way->is_stopping;
    if (line->state != state)
        line->since_us = clock_wall_us();
    line->state = state;
    line->is_probed = false;
    line->retry_ms = clock_mono_ms() + (state == LINE_UNABLE ? UNABLE_MS : next_wait(way, line));
    text_copy(line->trouble, sizeof line->trouble, err->text);
    gate_wake(&way->gate);
    gate_unlock(&way->gate);
    if (!is_new)
        return;
    if (state == LINE_UNABLE)
        LOG(&way->log, PLAIN_CANNOT_ASK, F_ERR(err));
    else if (is_asker)
        LOG(&way->log, PLAIN_ASKING_DOWN, F_ERR(err));
    else if (state == LINE_DENIED)
        LOG(&way->log, PLAIN_LINE_DENIED, F_ERR(err));
    else
        LOG(&way->log, PLAIN_LINE_DOWN, F_ERR(err));
}

/* A tenth of a second may be saved up; a large instance leaves a debt for the next. */
bool
way_pace(struct way *way, uint64_t bytes)
{
    double rate = (double)way->conf->rate_bytes, most = rate / 10.0;
    int64_t now_ms = clock_mono_ms(), until_ms;
    bool is_stopping;

    if (way->conf->rate_bytes == 0)
        return !way_is_stopping(way);
    gate_lock(&way->gate);
    way->tokens += rate * (double)(now_ms - way->tokens_ms) / 1000.0;
    if (way->tokens > most || way->tokens_ms == 0)
        way->tokens = most;
    way->tokens_ms = now_ms;
    until_ms = way->tokens < 0 ? now_ms + (int64_t)ceil(-way->tokens * 1000.0 / rate) : now_ms;
    way->tokens -= (double)bytes;
    while (!way->is_stopping && (now_ms = clock_mono_ms()) < until_ms)
        gate_wait_ms(&way->gate, until_ms - now_ms);
    is_stopping = way->is_stopping;
    gate_unlock(&way->gate);
    return !is_stopping;
}

/* ---- what stop must be able to end ---- */

void
talk_set_assoc(struct talk *t, struct dimse_assoc *assoc)
{
    gate_lock(&t->way->gate);
    t->assoc = assoc;
    if (assoc != NULL && t->way->is_stopping)
        dimse_shut(assoc);
    gate_unlock(&t->way->gate);
}

void
talk_set_client(struct talk *t, struct http_client *client)
{
    gate_lock(&t->way->gate);
    t->client = client;
    if (client != NULL && t->way->is_stopping)
        http_client_abort(client);
    gate_unlock(&t->way->gate);
}
