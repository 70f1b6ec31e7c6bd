/* serving.c - which lines carry the images now.
 *
 * 1. Of the lines that hold, those of the least rank serve, all of them at once.
 * 2. A line holds while it answers, or is down for less than a moment, or is down by the centre's
 *    own word (busy, full): another line would hear the same.
 *    It does not hold while it answers, but images do not come through (choked): one that was left
 *    without an answer to any for a while is asked with 64 KiB, and then until they are answered.
 * 3. A line that others took over from holds again when it has answered for link_line_back; at once
 *    if no other line holds.
 * 4. When a broken line's place was taken, its calls are ended: what they carried is offered again,
 *    and the centre's `have` decides what goes over the other line.
 *
 * The table (lines.conf) is read again when it changed; with a mistake in it the one before stays.
 * At the start there is none before: its lines without a mistake count, else as without a table.
 */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MOMENT_MS = 1500,
    FIRST_TRY_MS = 3000,
    LOAD_WAIT_MS = 8000, /* without an answer to any images; under a cap what that takes more: */
    LOAD_BYTES = 262144,
    LOAD_QUIET_MS = 5000, /* and so long nothing of them left */
    TRIAL_EVERY_MS = 15000
};

/* ---- who serves ---- */

static bool
holds(const struct up_line *line, int64_t now)
{
    if (line->is_gone)
        return false;
    switch (line->state) {
    case UPLINK_UP:
        return !line->is_choked &&
               (!line->has_lost || now - line->up_ms >= line->up->o.line_back_ms);
    case UPLINK_TRYING:
        return now - line->begun_ms < FIRST_TRY_MS;
    case UPLINK_DOWN:
    case UPLINK_REFUSED:
        return !line->has_lost && (!line->is_broken || now - line->down_ms < MOMENT_MS);
    case UPLINK_NOT_ENROLLED:
    default:
        return false;
    }
}

static bool
is_up(const struct up_line *line)
{
    return line->state == UPLINK_UP && !line->is_gone;
}

/* One of that rank answers, and images come through. */
static bool
has_clear(const struct uplink *up, unsigned rank)
{
    for (size_t i = 0; i < up->lines_n; i++)
        if (is_up(&up->lines[i]) && !up->lines[i].is_choked && up->lines[i].rank == rank)
            return true;
    return false;
}

static unsigned
least_rank(struct uplink *up, int64_t now)
{
    unsigned rank = UINT_MAX;

    for (size_t i = 0; i < up->lines_n; i++)
        if (holds(&up->lines[i], now) && up->lines[i].rank < rank)
            rank = up->lines[i].rank;
    if (rank != UINT_MAX)
        return rank;
    /* better one that comes and goes than none, or even a choked one */
    for (int is_any = 0; is_any < 2 && rank == UINT_MAX; is_any++)
        for (size_t i = 0; i < up->lines_n; i++)
            if (is_up(&up->lines[i]) && (is_any || !up->lines[i].is_choked) &&
                up->lines[i].rank < rank)
                rank = up->lines[i].rank;
    return rank;
}

/* The state that is told of all of them: the best. */
static void
tell_state(struct uplink *up)
{
    static const int goodness[] = {[UPLINK_NOT_ENROLLED] = 0,
                                   [UPLINK_REFUSED] = 1,
                                   [UPLINK_DOWN] = 2,
                                   [UPLINK_TRYING] = 3,
                                   [UPLINK_UP] = 4};
    const struct up_line *best = NULL;

    for (size_t i = 0; i < up->lines_n; i++)
        if (!up->lines[i].is_gone &&
            (best == NULL || goodness[up->lines[i].state] > goodness[best->state]))
            best = &up->lines[i];
    if (best == NULL || best->state == up->state)
        return;
    up->state = best->state;
    up->since_us = clock_wall_us();
}

/* Others are tried at once when the one that served is lost. */
static void
try_others(struct uplink *up, const struct up_line *lost, int64_t now)
{
    for (size_t i = 0; i < up->lines_n; i++)
        if (&up->lines[i] != lost && up->lines[i].state != UPLINK_UP && up->lines[i].retry_ms > now)
            up->lines[i].retry_ms = now;
}

/* Images go by it now, or not any more. */
static void
set_serving(struct up_line *line, bool is_serving, int64_t now)
{
    struct uplink *up = line->up;

    if (line->is_serving == is_serving)
        return;
    line->is_serving = is_serving;
    line->load_ms = 0;
    line->has_load_failed = false;
    up->news++;
    if (is_serving || (is_up(line) && !line->is_choked))
        return;
    talk_give_up(line, INT64_MAX);
    try_others(up, line, now);
}

void
serving_choose(struct uplink *up)
{
    int64_t now = clock_mono_ms();
    unsigned rank = least_rank(up, now);

    for (size_t i = 0; i < up->lines_n && rank != UINT_MAX; i++) {
        struct up_line *line = &up->lines[i];
        bool is_on =
            line->rank == rank && !line->is_gone && !(line->is_choked && has_clear(up, rank));

        if (!holds(line, now) && (line->state != UPLINK_UP || line->is_choked) && line->rank < rank)
            line->has_lost = true;
        if (is_on && line->state == UPLINK_UP)
            line->has_lost = false;
        set_serving(line, is_on, now);
    }
    tell_state(up);
    gate_wake(&up->gate);
}

void
serving_tell(struct uplink *up)
{
    char names[LINES_MAX][LINE_NAME_BYTES];
    size_t n = 0;

    gate_lock(&up->gate);
    for (size_t i = 0; i < up->lines_n; i++) {
        struct up_line *line = &up->lines[i];

        if (line_is_serving(line) && !line->is_told && up->lines_n > 1)
            text_copy(names[n++], LINE_NAME_BYTES, line->set.name);
        line->is_told = line->is_serving && (line->is_told || line->state == UPLINK_UP);
    }
    gate_unlock(&up->gate);
    for (size_t i = 0; i < n; i++)
        LOG(&uplink_log, UPLINK_LINE_SERVES, F_WORD("line", names[i]));
}

struct up_line *
serving_best(struct uplink *up)
{
    struct up_line *best = NULL;

    for (size_t i = 0; i < up->lines_n; i++)
        if (line_is_serving(&up->lines[i]) && (best == NULL || up->lines[i].rank < best->rank))
            best = &up->lines[i];
    return best;
}

bool
serving_wait(struct uplink *up)
{
    bool is_on;

    gate_lock(&up->gate);
    while (!up->is_stopping && serving_best(up) == NULL)
        gate_wait(&up->gate);
    is_on = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_on;
}

bool
serving_is_up(struct uplink *up)
{
    bool is_up;

    gate_lock(&up->gate);
    is_up = serving_best(up) != NULL;
    gate_unlock(&up->gate);
    return is_up;
}

/* ---- do images come through? ---- */

void
serving_load_begins(struct up_line *line)
{
    gate_lock(&line->up->gate);
    line->loads++;
    if (line->load_ms == 0)
        line->load_ms = line->load_moved_ms = clock_mono_ms();
    gate_unlock(&line->up->gate);
}

/* Gate held; it is let go. */
static void
set_choked(struct up_line *line, bool is_choked)
{
    struct uplink *up = line->up;
    bool is_new = line->is_choked != is_choked;

    line->is_choked = is_choked;
    if (is_new && !is_choked)
        line->up_ms = clock_mono_ms(); /* from now on it must answer for a while */
    if (is_new)
        serving_choose(up);
    gate_unlock(&up->gate);
    if (!is_new)
        return;
    serving_tell(up);
    if (is_choked)
        LOG(&uplink_log, UPLINK_LINE_CHOKED, F_WORD("line", line->set.name));
    else
        LOG(&uplink_log, UPLINK_LINE_CARRIES, F_WORD("line", line->set.name));
}

void
serving_load_ended(struct up_line *line, bool is_answered, bool is_given_up)
{
    gate_lock(&line->up->gate);
    line->loads--;
    if (is_answered) {
        /* a choked line may let the first bytes of each connection through, a small image: it is
         * choked until it has answered a trial */
        line->load_ms = line->loads > 0 ? clock_mono_ms() : 0;
        line->has_load_failed = false;
    }
    line->has_load_failed = line->has_load_failed || (!is_answered && !is_given_up);
    gate_unlock(&line->up->gate);
}

bool
serving_takes_trial(struct up_line *line)
{
    int64_t now = clock_mono_ms(), slack = 0;
    bool is_due, is_doubted;

    if (line->bucket.rate > 0)
        slack = (int64_t)(LOAD_BYTES * UINT64_C(1000) / line->bucket.rate);
    is_doubted = line->load_ms != 0 && now - line->load_ms >= LOAD_WAIT_MS + slack &&
                 (line->has_load_failed || now - line->load_moved_ms >= LOAD_QUIET_MS + slack);
    /* twice in a row: after a cut the first ping is answered before anything else moves */
    is_due =
        line->is_choked ? now - line->tried_ms >= TRIAL_EVERY_MS : is_doubted && line->is_doubted;
    line->is_doubted = is_doubted;
    is_due = is_due && is_up(line);
    if (is_due)
        line->tried_ms = now;
    return is_due;
}

void
serving_tried(struct up_line *line, bool is_carrying)
{
    gate_lock(&line->up->gate);
    if (is_carrying) { /* what is under way may be slow: it is looked at again */
        line->load_ms = line->loads > 0 ? clock_mono_ms() : 0;
        line->has_load_failed = false;
    }
    set_choked(line, !is_carrying);
}

/* ---- the table ---- */

static void
one_line(struct lines *out)
{
    memset(out, 0, sizeof *out);
    out->n = 1;
    out->at[0].rank = 1;
    text_copy(out->at[0].name, sizeof out->at[0].name, "main");
}

/* The file as it is now; the change of a name's file (rename), and of who may read it, count too.
 */
static void
stamp_of(const char *path, struct lines_stamp *out)
{
    struct stat st;

    memset(out, 0, sizeof *out);
    if (stat(path, &st) < 0)
        return;
    out->inode = (uint64_t)st.st_ino;
    out->size = (uint64_t)st.st_size;
    out->changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

/* -1: there is a mistake in it. out is set in any case, to what can be read of it. */
static int
read_table(struct uplink *up, struct lines *out, struct err *err)
{
    int rc = 0;

    one_line(out);
    if (up->lines_path == NULL)
        return 0;
    rc = lines_read_good(up->lines_path, out, err);
    if (out->n == 0)
        one_line(out);
    if (rc < 0 && err->kind == ERR_NOT_FOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

static bool
is_other_way(const struct line_settings *a, const struct line_settings *b)
{
    return strcmp(a->url, b->url) != 0 || strcmp(a->proxy, b->proxy) != 0 ||
           strcmp(a->proxy_user, b->proxy_user) != 0 || strcmp(a->source, b->source) != 0;
}

static uint64_t
rate_now(const struct up_line *line)
{
    uint64_t own = line->up->o.rate_bytes;

    if (line->set.has_rate)
        own = hours_rate(&line->set.rate, hours_minute(clock_wall_us()));
    return policy_rate(line->up, own);
}

static void
set_line(struct up_line *line, const struct line_settings *set)
{
    if (is_other_way(&line->set, set))
        line->settings++;
    line->set = *set;
    line->rank = set->rank;
    line->is_gone = false;
    line->open = set->connections > 0 ? set->connections : line->up->o.connections;
    if (line->crowd.most != line->open)
        crowd_init(&line->crowd, line->open);
    bucket_set_rate(&line->bucket, rate_now(line));
}

/* A slot for a line that was not there before: one whose line is gone, else a new one. */
static struct up_line *
new_slot(struct uplink *up)
{
    struct up_line *line = NULL;

    for (size_t i = 0; i < up->lines_n && line == NULL; i++)
        if (up->lines[i].is_gone)
            line = &up->lines[i];
    if (line == NULL) {
        CHECK(up->lines_n < LINES_MAX);
        line = &up->lines[up->lines_n++];
        line->settings = 1;
    }
    line->up = up;
    line->backoff.least_ms = up->o.backoff_ms;
    line->backoff.most_ms = up->o.backoff_max_ms;
    line->state = up->who.enrolment > 0 ? UPLINK_TRYING : UPLINK_NOT_ENROLLED;
    line->since_us = clock_wall_us();
    line->begun_ms = clock_mono_ms();
    line->last_contact_us = line->down_ms = line->retry_ms = 0;
    line->is_broken = line->is_serving = line->has_lost = line->is_choked = false;
    line->load_ms = 0;
    line->trouble[0] = '\0';
    line->is_past_all = line->is_proxy_denied = false;
    return line;
}

static bool
is_named(const struct lines *lines, const char *name)
{
    for (size_t i = 0; i < lines->n; i++)
        if (strcmp(lines->at[i].name, name) == 0)
            return true;
    return false;
}

/* Gate held, or nobody else runs yet. */
static void
take_table(struct uplink *up, const struct lines *lines)
{
    for (size_t i = 0; i < up->lines_n; i++)
        if (!is_named(lines, up->lines[i].set.name))
            up->lines[i].is_gone = true;
    for (size_t k = 0; k < lines->n; k++) {
        struct up_line *line = NULL;

        for (size_t i = 0; i < up->lines_n && line == NULL; i++)
            if (!up->lines[i].is_gone && strcmp(up->lines[i].set.name, lines->at[k].name) == 0)
                line = &up->lines[i];
        set_line(line != NULL ? line : new_slot(up), &lines->at[k]);
    }
}

void
serving_begin(struct uplink *up)
{
    struct lines lines;
    struct err err = {0};

    if (up->lines_path != NULL)
        stamp_of(up->lines_path, &up->lines_stamp);
    up->is_table_wrong = read_table(up, &lines, &err) < 0;
    if (up->is_table_wrong)
        LOG(&uplink_log, UPLINK_LINES_WRONG, F_NUMBER("lines", lines.n), F_ERR(&err));
    take_table(up, &lines);
}

void
serving_start_threads(struct uplink *up)
{
    for (size_t i = 0; i < up->lines_n; i++) {
        struct up_line *line = &up->lines[i];

        if (!line->has_prober)
            line->prober = thread_start("up-probe", prober_run, line);
        line->has_prober = true;
        while (line->senders_n < line->open)
            line->senders[line->senders_n++] = thread_start("up-send", sender_run, line);
    }
}

void
serving_stop_threads(struct uplink *up)
{
    for (size_t i = 0; i < up->lines_n; i++) {
        for (unsigned k = 0; k < up->lines[i].senders_n; k++)
            thread_join(up->lines[i].senders[k]);
        thread_join(up->lines[i].prober);
    }
}

static void
read_again(struct uplink *up)
{
    struct lines_stamp stamp;
    struct lines lines;
    struct err err = {0};

    if (up->lines_path == NULL)
        return;
    stamp_of(up->lines_path, &stamp);
    if (memcmp(&stamp, &up->lines_stamp, sizeof stamp) == 0)
        return;
    up->lines_stamp = stamp;
    if (read_table(up, &lines, &err) < 0) {
        gate_lock(&up->gate);
        up->is_table_wrong = true;
        gate_unlock(&up->gate);
        LOG(&uplink_log, UPLINK_LINES_WRONG, F_NUMBER("lines", up->lines_n), F_ERR(&err));
        return;
    }
    gate_lock(&up->gate);
    up->is_table_wrong = false;
    take_table(up, &lines);
    gate_wake(&up->gate);
    gate_unlock(&up->gate);
    serving_start_threads(up);
    LOG(&uplink_log, UPLINK_LINES_READ, F_NUMBER("lines", lines.n));
}

void
serving_look(struct uplink *up)
{
    read_again(up);
    gate_lock(&up->gate);
    for (size_t i = 0; i < up->lines_n; i++)
        bucket_set_rate(&up->lines[i].bucket, rate_now(&up->lines[i]));
    serving_choose(up);
    gate_unlock(&up->gate);
    serving_tell(up);
}
