/* talk.c - the calls of docs/link-protocol.md. */
#include "gateway/uplink/parts.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/trust/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATED_NEW 0.1
#define BUNDLE_TYPE "application/x-radpost-bundle"
#define PROBE_THIN 160e3 /* bytes a second */
#define PROBE_BEHIND 4   /* times what was answered: start-up and round trips take less */

enum {
    CALL_MS = 60000,
    PING_MS = 10000,
    PING_SOON_MS = 6000,
    CONNECT_BUSY_MS = 30000, /* through a line that is full of images */
    MOVING_MS = 4000,        /* less than any deadline of a connection */
    UNSENT_LEAST = 16384,
    UNSENT_MOST = 65536,
    COLD_MS = 50000, /* the centre closes it soon: LIMIT_MS_HTTP_IDLE */
    RATED_MS = 100,
    PROBE_MOST_MS = 500,           /* a thin line is known before it has carried them */
    PROBE_FIRST_BYTES = 64 << 10,  /* whoever is slow with these is not asked for more: */
    PROBE_MORE_BYTES = 15 * 65536, /* BBR has filled a line of 100 Mbit/s and 40 ms by then */
    TAKE_BYTES = 16368             /* with the head of its chunk one TLS record */
};

/* Waiting for a word of encouragement costs a round trip. */
static const char *const no_expect[] = {"Expect:", NULL};

/* A body that leaves as fast as the bucket lets it. */
struct body {
    struct talk *talk;
    const uint8_t *bytes;
    size_t n, at;
    talk_next_fn next; /* for what follows; NULL: nothing */
    void *user;
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

/* Where this call goes: its own line, or the best. Gate held. */
static bool
pick_line(struct talk *t)
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
    if (!pick_line(t)) {
        gate_unlock(&up->gate);
        return err_set(err, ERR_RETRY, "no line works");
    }
    who = up->who;
    set = t->line->set;
    settings = t->line->settings;
    if (t->client != NULL &&
        (t->is_given_up || t->enrolment != who.enrolment || t->settings != settings))
        old = TAKE(t->client);
    t->is_given_up = false;
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
    t->begun_ms = t->moved_ms = clock_mono_ms();
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

/* Gate held. What its connection has shown of the line. */
static void
read_reach(struct talk *t, int64_t now)
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
        read_reach(t, now);
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

/* Make the call and tell the line how it went. Nor is it the line's fault that there is no room
 * (507): lists and receipts make some. */
static int
talk_call(struct talk *t, const struct http_call *call, bool is_ping, struct http_reply *out,
          struct err *err)
{
    bool is_load = t->is_bulk && !t->is_trial && call->source != NULL;
    bool is_given_up, is_done = false;
    struct http_call timed = *call;
    struct room *room = NULL;

    t->word = WORD_NONE;
    t->retry_after_s = -1;
    if (talk_ready(t, err) < 0) {
        not_its_fault(err);
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
    t->begun_ms = 0;
    settle_wire(t);
    is_given_up = t->is_given_up || t->up->is_stopping;
    gate_unlock(&t->up->gate);
    if (is_load)
        serving_load_ended(t->line, t->word == WORD_OF_CENTRE, is_given_up);
    if (!is_done && t->word == WORD_OF_CENTRE && err->kind == ERR_FULL)
        room = room_of(t->up, call->path);
    if (is_done || is_about_it_alone(t, call->path, err->kind)) {
        line_answered(t->line, is_ping || !(is_done || is_refusal(err->kind)));
    } else if (room != NULL) {
        line_answered(t->line, true);
        room_full(t->up, room, err, t->retry_after_s);
    } else if (!is_given_up && !t->is_trial) {
        tell_failure(t, err, t->word, t->retry_after_s);
    }
    return is_done ? 0 : -1;
}

static int
body_source(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct body *body = user;
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
    if (n > TAKE_BYTES)
        n = TAKE_BYTES;
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

int
talk_not_understood(struct talk *t, const char *what, struct err *err)
{
    err->kind = ERR_RETRY;
    err_context(err, "answer to %s", what);
    line_failed(t->line, err, WORD_OF_CENTRE, -1);
    return -1;
}

int
talk_post(struct talk *t, const char *path, const struct buf *bytes, struct http_reply *reply,
          struct err *err)
{
    struct body body = {.talk = t, .bytes = bytes->bytes, .n = bytes->n};
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .accept = "application/json",
                             .headers = no_expect,
                             .source = body_source,
                             .source_size = bytes->n,
                             .source_user = &body,
                             .answer_limit = LIMIT_LINK_JSON_BYTES};

    return talk_call(t, &call, false, reply, err);
}

static bool
is_of_offer(const struct link_answer *answer, const struct link_offer *offer)
{
    size_t i = 0;

    while (i < offer->count && link_answer_find(answer, offer->objects[i].object) == NULL)
        i++;
    return i < offer->count;
}

int
talk_offer(struct talk *t, const struct link_offer *offer, struct link_answer *out, struct err *err)
{
    struct http_reply reply = {0};
    struct buf body;
    int rc = -1;

    buf_init(&body, LIMIT_LINK_JSON_BYTES);
    link_offer_encode(offer, &body);
    if (buf_is_over(&body)) {
        err_set(err, ERR_FATAL, "an offer of %zu objects is too long", offer->count);
        goto out;
    }
    if (talk_post(t, LINK_PATH_OFFER, &body, &reply, err) < 0)
        goto out;
    rc = link_answer_decode(reply.body.bytes, reply.body.n, out, err);
    if (rc == 0 && !is_of_offer(out, offer)) { /* it would be made again at once, for ever */
        rc = err_set(err, ERR_RETRY, "no word of what was offered");
        link_answer_free(out);
    }
    if (rc < 0)
        rc = talk_not_understood(t, "an offer", err);
    http_reply_fini(&reply);
out:
    buf_fini(&body);
    return rc < 0 ? err_context(err, "offer") : 0;
}

int
talk_bundle(struct talk *t, talk_next_fn next, void *user, struct link_answer *out, struct err *err)
{
    struct body body = {.talk = t, .next = next, .user = user};
    struct http_call call = {.method = "POST",
                             .path = LINK_PATH_BUNDLE,
                             .content_type = BUNDLE_TYPE,
                             .accept = "application/json",
                             .headers = no_expect,
                             .source = body_source,
                             .source_size = HTTP_SIZE_UNKNOWN,
                             .source_user = &body,
                             .on_stall = line_note_stall,
                             .stall_user = t,
                             .answer_limit = LIMIT_LINK_JSON_BYTES};
    struct http_reply reply = {0};
    int rc;

    if (talk_call(t, &call, false, &reply, err) < 0)
        return err_context(err, "bundle");
    rc = link_answer_decode(reply.body.bytes, reply.body.n, out, err);
    http_reply_fini(&reply);
    return rc < 0 ? talk_not_understood(t, "a bundle", err) : 0;
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

int
talk_receipts(struct talk *t, uint64_t after, uint64_t at, int wait_s, struct link_receipts *out,
              struct err *err)
{
    struct http_reply reply = {0};
    char path[128];
    struct http_call call = {.method = "GET",
                             .path = path,
                             .accept = "application/json",
                             .answer_limit = LIMIT_LINK_JSON_BYTES,
                             .total_ms = (int64_t)wait_s * 1000 + CALL_MS};
    int rc, n;

    n = snprintf(path, sizeof path, "%s?after=%llu&wait_s=%d", LINK_PATH_RECEIPTS,
                 (unsigned long long)after, wait_s);
    if (at != 0)
        snprintf(path + n, sizeof path - (size_t)n, "&at=%016llx", (unsigned long long)at);
    if (talk_call(t, &call, true, &reply, err) < 0)
        return err_context(err, "receipts");
    rc = link_receipts_decode(reply.body.bytes, reply.body.n, out, err);
    http_reply_fini(&reply);
    return rc < 0 ? err_context(err, "receipts") : 0;
}

int
talk_ping(struct talk *t, struct link_ping *out, int64_t *out_asked_us, int64_t *out_told_us,
          struct err *err)
{
    struct http_reply reply = {0};
    struct http_call call = {.method = "GET",
                             .path = LINK_PATH_PING,
                             .accept = "application/json",
                             /* another line waits to take over */
                             .total_ms = t->up->lines_n > 1 ? PING_SOON_MS : PING_MS};
    int rc;

    *out_asked_us = clock_wall_us();
    if (talk_call(t, &call, true, &reply, err) < 0)
        return err_context(err, "ping");
    *out_told_us = clock_wall_us();
    rc = link_ping_decode(reply.body.bytes, reply.body.n, out, err);
    http_reply_fini(&reply);
    return rc < 0 ? err_context(err, "ping") : 0;
}

/* Bytes that no box on the way can make fewer. */
struct probe {
    uint8_t bytes[TAKE_BYTES];
    size_t left;
    int64_t most_ms, until_ms;
};

static int
next_of_probe(void *user, const uint8_t **out_bytes, size_t *out_n, struct err *err)
{
    struct probe *p = user;
    size_t n = p->left < sizeof p->bytes ? p->left : sizeof p->bytes;

    (void)err;
    if (p->until_ms == 0) /* the first: its connection is open */
        p->until_ms = clock_mono_ms() + p->most_ms;
    else if (clock_mono_ms() >= p->until_ms)
        n = 0;
    random_bytes(p->bytes, n);
    p->left -= n;
    *out_bytes = p->bytes;
    *out_n = n;
    return 0;
}

int
talk_probe_once(struct talk *t, size_t bytes, int64_t most_ms, int64_t total_ms, double *out_rate,
                struct err *err)
{
    struct probe *probe = mem_new(sizeof *probe);
    struct body body = {.talk = t, .next = next_of_probe, .user = probe};
    struct http_call call = {.method = "POST",
                             .path = LINK_PATH_PING,
                             .content_type = "application/octet-stream",
                             .accept = "application/json",
                             .headers = no_expect,
                             .source = body_source,
                             .source_size = HTTP_SIZE_UNKNOWN,
                             .source_user = &body,
                             .answer_limit = LIMIT_LINK_JSON_BYTES,
                             .total_ms = total_ms};
    struct http_reply reply = {0};
    int rc;

    probe->left = bytes;
    probe->most_ms = most_ms;
    rc = talk_call(t, &call, true, &reply, err);
    if (rc == 0) {
        int64_t took_ms = clock_mono_ms() - (probe->until_ms - most_ms);

        *out_rate = (double)(bytes - probe->left) * 1000 / (double)(took_ms > 0 ? took_ms : 1);
        http_reply_fini(&reply);
    }
    free(probe);
    return rc;
}

/* The kernel's figure is that of the next hop: a box that takes everything at once and passes it on
 * slowly is known by its answer, which comes late. */
int
talk_probe(struct talk *t, struct err *err)
{
    double rate;

    t->rated_ms = clock_mono_ms() + 2 * CALL_MS; /* nothing is read before the answer is there */
    if (talk_probe_once(t, PROBE_FIRST_BYTES, PROBE_MOST_MS, PING_MS, &rate, err) < 0 ||
        (rate >= PROBE_THIN &&
         talk_probe_once(t, PROBE_MORE_BYTES, PROBE_MOST_MS, PING_MS, &rate, err) < 0))
        return err_context(err, "probe");
    gate_lock(&t->up->gate);
    if (rate < PROBE_THIN || (double)http_client_rate(t->client) > PROBE_BEHIND * rate)
        reach_note(&t->line->reach, rate, rate, false, clock_mono_ms());
    else
        read_reach(t, clock_mono_ms());
    gate_unlock(&t->up->gate);
    return 0;
}
