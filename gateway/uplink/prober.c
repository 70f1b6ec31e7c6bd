/* prober.c - while its line is down it alone tries again; while it is up it pings now and then, so
 * that a line that swallows everything is noticed before TCP gives up: sooner where another line
 * could take over, seldom over a line that stands by (it may cost money by the byte). Asks a new
 * line once what it carries, and one by which images went in vain whether they come through. Keeps
 * the clock's offset and the certificate young. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"

enum {
    PING_EVERY_MS = 5000,
    PING_SOON_MS = 2500,
    PING_STANDBY_MS = 30000,
    TRIAL_BYTES = 65536,
    TRIAL_MS = 30000,
    TRIAL_SOON_MS = 10000, /* another line waits to take over */
    LOOK_FOR_IDENTITY_MS = 1000,
    RENEW_MOST_MS = 6 * 3600 * 1000,
    RENEW_LEAST_MS = 1000,
    RENEW_PART = 12
};

/* Gate held. */
static int64_t
ping_every(const struct up_line *line)
{
    if (line->up->lines_n < 2)
        return PING_EVERY_MS;
    return line->is_serving || line->has_lost ? PING_SOON_MS : PING_STANDBY_MS;
}

/* Wait until it is time to try; false: stopping. */
static bool
wait_turn(struct up_line *line)
{
    struct uplink *up = line->up;
    int64_t begun = clock_mono_ms(), until, now;
    bool is_on;

    gate_lock(&up->gate);
    while (!up->is_stopping) {
        now = clock_mono_ms();
        until = line->state == UPLINK_UP ? begun + ping_every(line) : line->retry_ms;
        if (line->give_up_ms != 0 && now >= line->give_up_ms) {
            talk_give_up(line, line->old_ms);
            line->give_up_ms = 0;
        } else if (line->give_up_ms != 0 && until > line->give_up_ms) {
            until = line->give_up_ms;
        }
        if (line->is_gone)
            gate_wait(&up->gate);
        else if (now >= until)
            break;
        else
            gate_wait_ms(&up->gate, until - now);
    }
    is_on = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_on;
}

static bool
ping(struct talk *t)
{
    struct uplink *up = t->up;
    struct link_ping answer;
    int64_t asked_us, told_us;
    struct err err = {0};

    if (talk_ping(t, &answer, &asked_us, &told_us, &err) < 0)
        return false; /* the line was told */
    gate_lock(&up->gate);
    up->has_clock_offset = true;
    up->clock_offset_ms = (answer.now_us - (asked_us + told_us) / 2) / 1000;
    up->centre_boot_ms = answer.now_us / 1000 - clock_boot_ms();
    reconcile_heard(up, &answer);
    gate_unlock(&up->gate);
    policy_heard(up, &answer);
    return true;
}

/* What a line can carry is known before the first image is coded, not after: nothing has gone over
 * it and nothing waits, else images show it soon. A line that stands by is not asked, nor one
 * behind a proxy, which would answer for it. */
static bool
takes_probe(struct up_line *line)
{
    struct uplink *up = line->up;
    uint64_t counts[INSTANCE_STATES], waiting;
    bool is_due;

    spool_counts(up->spool, counts);
    waiting = counts[INSTANCE_RECEIVED] + counts[INSTANCE_INSPECTED] + counts[INSTANCE_CODED] +
              counts[INSTANCE_PLAIN] + counts[INSTANCE_LOOKED];
    gate_lock(&up->gate);
    is_due = line_is_serving(line) && !line->is_probed && waiting == 0 && line->reach.rate <= 0 &&
             line->set.proxy[0] == '\0';
    line->is_probed = line->is_probed || is_due;
    gate_unlock(&up->gate);
    return is_due;
}

static void
probe(struct up_line *line)
{
    struct err err = {0};
    struct talk talk;

    talk_init(&talk, line->up, line, line->up->o.stall_ms);
    talk.is_bulk = true;
    if (talk_probe(&talk, &err) < 0)
        err_clear(&err); /* the line was told; images will show it */
    talk_fini(&talk);
}

/* Small things pass, and images do not: a way that swallows full packets, a box that holds uploads
 * back. A centre that is slow with its answers to images answers this at once. */
static void
try_load(struct up_line *line, struct talk *pings)
{
    struct uplink *up = line->up;
    struct err err = {0};
    struct talk talk;
    bool is_due, is_carrying;
    int64_t most_ms = up->lines_n > 1 ? TRIAL_SOON_MS : TRIAL_MS;
    double rate;

    gate_lock(&up->gate);
    is_due = serving_takes_trial(line);
    gate_unlock(&up->gate);
    if (!is_due)
        return;
    talk_init(&talk, up, line, up->o.stall_ms);
    talk.is_bulk = talk.is_prober = talk.is_trial = true;
    talk.rated_ms = INT64_MAX; /* it shows no rate */
    is_carrying = talk_probe_once(&talk, TRIAL_BYTES, most_ms, most_ms, &rate, &err) == 0 ||
                  talk.word == WORD_OF_CENTRE; /* also of one that does not know the question */
    talk_fini(&talk);
    if (!up_is_stopping(up) && (is_carrying || ping(pings))) /* else it is down, and was told so */
        serving_tried(line, is_carrying);
}

/* Until this gateway is enrolled: the first line's prober looks, the others wait for it. False:
 * stopping. */
static bool
wait_identity(struct up_line *line)
{
    struct uplink *up = line->up;
    bool is_on;

    if (line == &up->lines[0] && !line_load_identity(up)) {
        LOG(&uplink_log, UPLINK_WAITS_FOR_ENROLMENT);
        do
            up_rest(up, LOOK_FOR_IDENTITY_MS);
        while (!up_is_stopping(up) && !line_load_identity(up));
    }
    gate_lock(&up->gate);
    while (!up->is_stopping && up->who.enrolment == 0)
        gate_wait(&up->gate);
    is_on = !up->is_stopping;
    gate_unlock(&up->gate);
    return is_on;
}

/* The certificate's age is looked at by one prober, over a line that serves; oftener as its end
 * comes near. */
static bool
takes_renewal(struct up_line *line)
{
    struct uplink *up = line->up;
    int64_t now = clock_mono_ms(), every;
    bool is_due;

    gate_lock(&up->gate);
    every = (up->who.not_after_us - clock_wall_us()) / 1000 / RENEW_PART;
    if (every > RENEW_MOST_MS)
        every = RENEW_MOST_MS;
    if (every < RENEW_LEAST_MS)
        every = RENEW_LEAST_MS;
    is_due = line_is_serving(line) && (up->renewed_ms == 0 || now - up->renewed_ms >= every);
    if (is_due)
        up->renewed_ms = now;
    gate_unlock(&up->gate);
    return is_due;
}

static void
begin(struct talk *t, struct up_line *line, enum lends lends)
{
    talk_init(t, line->up, line, line->up->o.stall_ms);
    t->is_prober = true;
    t->lends = lends;
}

/* The second connection of a line that serves: opened when there is none, else asked every other
 * time. */
static void
keep_warm(struct up_line *line, struct talk *t, bool is_turn)
{
    bool is_due;

    gate_lock(&line->up->gate);
    is_due = line_is_serving(line) && (is_turn || t->client == NULL);
    gate_unlock(&line->up->gate);
    if (is_due)
        (void)ping(t); /* of a failure the line was told */
}

void *
prober_run(void *arg)
{
    struct up_line *line = arg;
    struct talk talk, second;
    bool is_turn = false, is_up;

    if (!wait_identity(line))
        return NULL;
    begin(&talk, line, LENDS_OFFERS);
    begin(&second, line, LENDS_IMAGES);
    do {
        struct err err = {0};

        line_look_identity(line->up);
        is_up = ping(&talk);
        if (is_up)
            try_load(line, &talk);
        if (takes_probe(line))
            probe(line);
        if (takes_renewal(line) && line_renew(line, &err) < 0)
            LOG(&uplink_log, UPLINK_RENEW_FAILED, F_ERR(&err));
        if (is_up)
            keep_warm(line, &second, is_turn);
        is_turn = !is_turn;
    } while (wait_turn(line));
    talk_fini(&second);
    talk_fini(&talk);
    return NULL;
}
