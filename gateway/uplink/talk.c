/* talk.c - how a call is made: by which line, with which certificate, what it tells the line of
 * itself, and how fast its body leaves. */
#include "gateway/uplink/talk_own.h"

#include "proto/base/clock.h"

#include <errno.h>
#include <string.h>

#define RATED_NEW 0.1

enum {
    CONNECT_BUSY_MS = 30000, /* through a line that is full of images */
    MOVING_MS = 4000,        /* less than any deadline of a connection */
    UNSENT_LEAST = 16384,
    UNSENT_MOST = 65536,
    COLD_MS = 50000, /* the centre closes it soon: LIMIT_MS_HTTP_IDLE */
    RATED_MS = 100
};

void
talk_init(struct talk *t, struct uplink *up, struct up_line *line, int64_t stall_ms)
{
    memset(t, 0, sizeof *t);
    t->up = up;
    t->line = line;
    t->is_roaming = line == NULL;
    t->stall_ms = stall_ms;
    gate_lock(&up->gate);
    CHECK(up->talks_n < MAX_TALKS);
    up->talks[up->talks_n++] = t;
    gate_unlock(&up->gate);
}

void
talk_fini(struct talk *t)
{
    struct http_client *client;

    gate_lock(&t->up->gate);
    for (size_t i = 0; i < t->up->talks_n; i++)
        if (t->up->talks[i] == t)
            t->up->talks[i] = t->up->talks[--t->up->talks_n];
    client = TAKE(t->client);
    gate_unlock(&t->up->gate);
    http_client_free(&client);
}

void
talk_give_up(struct up_line *line, int64_t since_ms)
{
    struct uplink *up = line->up;

    for (size_t i = 0; i < up->talks_n; i++) {
        struct talk *t = up->talks[i];

        if (t->line != line || t->is_prober || t->client == NULL || t->begun_ms == 0 ||
            t->moved_ms > since_ms)
            continue;
        t->is_given_up = true;
        http_client_abort(t->client);
    }
}

bool
talk_pick_line(struct talk *t)
{
    struct up_line *best = t->is_roaming ? serving_best(t->up) : t->line;

    if (best != t->line)
        t->settings = 0; /* no client is of the zeroth */
    t->line = best;
    return best != NULL;
}

/* A client of the line and the certificate in use; the old one goes when it was given up or they
 * changed. */
static int
talk_ready(struct talk *t, struct err *err)
{
    struct uplink *up = t->up;
    struct http_client *old = NULL, *client = NULL;
    struct line_settings set;
    struct identity who;
    unsigned settings;

    gate_lock(&up->gate);
    if (!talk_pick_line(t)) {
        gate_unlock(&up->gate);
        return err_set(err, ERR_RETRY, "no line works");
    }
    t->begun_ms = t->moved_ms = clock_mono_ms(); /* from now on its connection is not lent */
    who = up->who;
    set = t->line->set;
    settings = t->line->settings;
    if (t->client != NULL &&
        (t->is_given_up || t->enrolment != who.enrolment || t->settings != settings))
        old = TAKE(t->client);
    t->is_given_up = false;
    (void)warm_borrow(t); /* if it has none and there is one */
    gate_unlock(&up->gate);
    http_client_free(&old);
    if (who.enrolment == 0)
        return err_set(err, ERR_RETRY, "not enrolled yet");
    if (who.link_url[0] == '\0' && set.url[0] == '\0')
        return err_set(err, ERR_RETRY, "the centre's address is not known: link_url");
    if (t->client == NULL && line_make_client(t, &who, &set, &client, err) < 0)
        return -1;
    gate_lock(&up->gate);
    if (client != NULL) {
        t->client = client;
        t->taken = t->wire = 0;
    }
    t->enrolment = who.enrolment;
    t->settings = settings;
    t->moved_ms = clock_mono_ms();
    if (up->is_stopping)
        http_client_abort(t->client);
    gate_unlock(&up->gate);
    return 0;
}

/* Gate held. The bucket gave room for bodies only: what else the wire saw of them is owed. */
static void
settle_wire(struct talk *t)
{
    uint64_t wire = http_client_wire(t->client);

    /* 0: the kernel does not say; less than bodies: they are not written yet */
    if (wire > t->taken + t->wire) {
        bucket_settle(&t->line->bucket, (double)(wire - t->taken - t->wire));
        t->wire = wire - t->taken;
    }
}

void
talk_read_reach(struct talk *t, int64_t now)
{
    struct up_line *line = t->line;
    double rate = (double)http_client_rate(t->client);

    t->rated_ms = now;
    /* a connection that has just been opened says less than the others */
    line->burst = rate > line->burst ? rate : line->burst + (rate - line->burst) * RATED_NEW;
    reach_note(&line->reach, (double)meter_read(&line->meter, now), line->burst, false, now);
}

/* Gate held, during a call. */
static void
note_reach(struct talk *t, int64_t now)
{
    /* an offer is too little to show anything */
    if (t->is_bulk && !t->is_roaming && now - t->rated_ms >= RATED_MS)
        talk_read_reach(t, now);
}

/* Words of something on the way (a proxy, a server before the centre) refuse no object: they are
 * trouble of the line. */
static bool
is_centres_word(const struct http_reply *reply)
{
    static const char type[] = "application/json";

    return strncmp(reply->type, type, sizeof type - 1) == 0;
}

static bool
is_refusal(enum err_kind kind)
{
    return kind == ERR_REJECT || kind == ERR_NOT_FOUND || kind == ERR_CONFLICT;
}

/* No word of the centre's about what was to be sent: our own files, the way, what stands on it. */
static void
not_its_fault(struct err *err)
{
    if (is_refusal(err->kind))
        err->kind = ERR_RETRY;
}

/* Gate held. Its connections carry something just now: of images little waits in the kernel
 * (http_socket_bulk), so what a line swallows soon stands still. */
static bool
is_moving(const struct up_line *line)
{
    return line->state == UPLINK_UP && line->moved_ms != 0 &&
           clock_mono_ms() - line->moved_ms < MOVING_MS;
}

/* A call failed. That it found no room for its handshake among the images that go by other
 * connections says nothing about the line: it is tried again. */
static void
tell_failure(struct talk *t, const struct err *err, enum up_word word, int64_t retry_after_s)
{
    struct uplink *up = t->up;
    bool is_crowded;

    gate_lock(&up->gate);
    is_crowded = word != WORD_OF_CENTRE && err->sys == ETIMEDOUT && is_moving(t->line);
    if (is_crowded) {
        up->news++;
        gate_wake(&up->gate);
    }
    gate_unlock(&up->gate);
    if (!is_crowded)
        line_failed(t->line, err, word, retry_after_s);
}

/* Where another line could take over, a doubt is not waited for. */
static int64_t
connect_deadline(struct talk *t)
{
    bool is_long;

    gate_lock(&t->up->gate);
    is_long = t->up->lines_n == 1 && is_moving(t->line);
    gate_unlock(&t->up->gate);
    return is_long ? CONNECT_BUSY_MS : LINE_CONNECT_MS;
}

/* A refusal of this one message (400, 404, 409) is no fault of the line; of a list nothing is that
 * the centre says, but that we may not speak: it waits, other studies and receipts go on. */
static bool
is_about_it_alone(const struct talk *t, const char *path, enum err_kind kind)
{
    return is_refusal(kind) || (t->word == WORD_OF_CENTRE && kind != ERR_DENIED &&
                                strcmp(path, LINK_PATH_MANIFEST) == 0);
}

int
talk_call(struct talk *t, const struct http_call *call, bool is_ping, struct http_reply *out,
          struct err *err)
{
    bool is_load = t->is_bulk && !t->is_trial && call->source != NULL;
    bool is_given_up, is_done = false;
    int64_t asked_ms;
    struct http_call timed = *call;
    struct room *room = NULL;

    t->word = WORD_NONE;
    t->retry_after_s = -1;
    if (talk_ready(t, err) < 0) {
        not_its_fault(err);
        gate_lock(&t->up->gate);
        t->begun_ms = 0;
        gate_unlock(&t->up->gate);
        if (t->line != NULL)
            line_failed(t->line, err, WORD_NONE, -1);
        return -1;
    }
    timed.connect_ms = connect_deadline(t);
    if (is_load)
        serving_load_begins(t->line);
    if (http_client_call(t->client, &timed, out, err) == 0) {
        t->word = WORD_OF_CENTRE;
        t->retry_after_s = out->retry_after_s;
        is_done = http_reply_check(out, err) == 0;
        if (!is_done && !is_centres_word(out)) {
            t->word = WORD_OF_ANOTHER;
            not_its_fault(err);
        }
        if (!is_done)
            http_reply_fini(out);
    } else {
        not_its_fault(err);
    }
    gate_lock(&t->up->gate);
    if (!is_done && t->word == WORD_NONE && err->sys == ENOKEY)
        t->settings =
            0; /* somebody may write another password into its file: read by a new client */
    /* of the others some wait for news */
    asked_ms = t->is_bulk || t->is_prober ? t->begun_ms : clock_mono_ms();
    t->begun_ms = 0;
    settle_wire(t);
    is_given_up = t->is_given_up || t->up->is_stopping;
    gate_unlock(&t->up->gate);
    if (is_load)
        serving_load_ended(t->line, t->word == WORD_OF_CENTRE, is_given_up);
    if (!is_done && t->word == WORD_OF_CENTRE && err->kind == ERR_FULL)
        room = room_of(t->up, call->path);
    if (is_done || is_about_it_alone(t, call->path, err->kind)) {
        line_answered(t->line, is_ping || !(is_done || is_refusal(err->kind)), asked_ms);
    } else if (room != NULL) {
        line_answered(t->line, true, asked_ms);
        room_full(t->up, room, err, t->retry_after_s);
    } else if (!is_given_up && !t->is_trial) {
        tell_failure(t, err, t->word, t->retry_after_s);
    }
    return is_done ? 0 : -1;
}

int
talk_body_source(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct talk_body *body = user;
    struct uplink *up = body->talk->up;
    struct up_line *line = body->talk->line;
    int64_t wait_ms, now;

    if (body->at == body->n && body->next != NULL) {
        body->at = 0;
        if (body->next(body->user, &body->bytes, &body->n, err) < 0)
            return -1;
    }
    if (n > body->n - body->at)
        n = body->n - body->at;
    if (n > TALK_TAKE_BYTES)
        n = TALK_TAKE_BYTES;
    now = clock_mono_ms();
    gate_lock(&up->gate);
    settle_wire(body->talk);
    note_reach(body->talk, now);
    wait_ms = bucket_take(&line->bucket, n, now);
    if (body->talk->is_bulk && !body->talk->is_roaming) {
        int64_t eased_ms = ease_take(&line->ease, n, now);

        wait_ms = wait_ms > eased_ms ? wait_ms : eased_ms;
    }
    body->talk->taken += n;
    meter_add(&line->meter, n, now);
    line->sent_bytes += n;
    body->talk->moved_ms = now;
    if (body->talk->is_bulk)
        line->moved_ms = line->load_moved_ms = now;
    gate_unlock(&up->gate);
    if (wait_ms > 0)
        up_rest(up, wait_ms);
    if (up_is_stopping(up))
        return err_set(err, ERR_RETRY, "stopping");
    memcpy(bytes, body->bytes + body->at, n);
    body->at += n;
    *out_n = n;
    return 0;
}

bool
talk_is_cold(const struct talk *t)
{
    return t->client == NULL || clock_mono_ms() - t->moved_ms > COLD_MS;
}

void
talk_keep_short(struct talk *t, uint64_t bytes)
{
    if (bytes < UNSENT_LEAST)
        bytes = UNSENT_LEAST;
    http_client_keep_short(t->client, bytes < UNSENT_MOST ? (int)bytes : UNSENT_MOST);
}

void
talk_hang_up(struct talk *t)
{
    struct http_client *client;

    gate_lock(&t->up->gate);
    client = TAKE(t->client);
    gate_unlock(&t->up->gate);
    http_client_free(&client);
}
