/* talk_calls.c - the calls of docs/link-protocol.md. */
#include "gateway/uplink/talk_own.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

#define BUNDLE_TYPE "application/x-radpost-bundle"
#define PROBE_THIN 160e3 /* bytes a second */
#define PROBE_BEHIND 4   /* times what was answered: start-up and round trips take less */

enum {
    PING_MS = 10000,
    PING_SOON_MS = 6000,
    PROBE_MOST_MS = 500,          /* a thin line is known before it has carried them */
    PROBE_FIRST_BYTES = 64 << 10, /* whoever is slow with these is not asked for more: */
    PROBE_MORE_BYTES = 15 * 65536 /* BBR has filled a line of 100 Mbit/s and 40 ms by then */
};

/* Waiting for a word of encouragement costs a round trip. */
#define NO_EXPECT "Expect:"

static const char *const no_expect[] = {NO_EXPECT, NULL};

/* The headers of what carries images, or tells of them. */
struct image_headers {
    char stat[sizeof LINK_HEADER_STAT + 2 + LINK_STAT_SIZE];
    const char *all[3];
};

int
talk_not_understood(struct talk *t, const char *what, struct err *err)
{
    err->kind = ERR_RETRY;
    err_context(err, "answer to %s", what);
    line_failed(t->line, err, WORD_OF_CENTRE, -1);
    return -1;
}

static const char *const *
image_headers(struct talk *t, struct image_headers *h)
{
    char studies[LINK_STAT_SIZE];

    gate_lock(&t->up->gate);
    plan_stat_studies(t->up->plan, studies);
    gate_unlock(&t->up->gate);
    snprintf(h->stat, sizeof h->stat, "%s: %s", LINK_HEADER_STAT, studies);
    h->all[0] = NO_EXPECT;
    h->all[1] = studies[0] != '\0' ? h->stat : NULL;
    h->all[2] = NULL;
    return h->all;
}

static int
post(struct talk *t, const char *path, const char *const *headers, const struct buf *bytes,
     struct http_reply *reply, struct err *err)
{
    struct talk_body body = {.talk = t, .bytes = bytes->bytes, .n = bytes->n};
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .accept = "application/json",
                             .headers = headers,
                             .source = talk_body_source,
                             .source_size = bytes->n,
                             .source_user = &body,
                             .answer_limit = LIMIT_LINK_JSON_BYTES};

    return talk_call(t, &call, false, reply, err);
}

int
talk_post(struct talk *t, const char *path, const struct buf *bytes, struct http_reply *reply,
          struct err *err)
{
    return post(t, path, no_expect, bytes, reply, err);
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
    struct image_headers headers;
    struct http_reply reply = {0};
    struct buf body;
    int rc = -1;

    buf_init(&body, LIMIT_LINK_JSON_BYTES);
    link_offer_encode(offer, &body);
    if (buf_is_over(&body)) {
        err_set(err, ERR_FATAL, "an offer of %zu objects is too long", offer->count);
        goto out;
    }
    if (post(t, LINK_PATH_OFFER, image_headers(t, &headers), &body, &reply, err) < 0)
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
    struct talk_body body = {.talk = t, .next = next, .user = user};
    struct image_headers headers;
    struct http_call call = {.method = "POST",
                             .path = LINK_PATH_BUNDLE,
                             .content_type = BUNDLE_TYPE,
                             .accept = "application/json",
                             .headers = image_headers(t, &headers),
                             .source = talk_body_source,
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
                             .total_ms = (int64_t)wait_s * 1000 + TALK_CALL_MS};
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
    uint8_t bytes[TALK_TAKE_BYTES];
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
    struct talk_body body = {.talk = t, .next = next_of_probe, .user = probe};
    struct http_call call = {.method = "POST",
                             .path = LINK_PATH_PING,
                             .content_type = "application/octet-stream",
                             .accept = "application/json",
                             .headers = no_expect,
                             .source = talk_body_source,
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

    /* nothing is read before the answer is there */
    t->rated_ms = clock_mono_ms() + 2 * TALK_CALL_MS;
    if (talk_probe_once(t, PROBE_FIRST_BYTES, PROBE_MOST_MS, PING_MS, &rate, err) < 0 ||
        (rate >= PROBE_THIN &&
         talk_probe_once(t, PROBE_MORE_BYTES, PROBE_MOST_MS, PING_MS, &rate, err) < 0))
        return err_context(err, "probe");
    gate_lock(&t->up->gate);
    if (rate < PROBE_THIN || (double)http_client_rate(t->client) > PROBE_BEHIND * rate)
        reach_note(&t->line->reach, rate, rate, false, clock_mono_ms());
    else
        talk_read_reach(t, clock_mono_ms());
    gate_unlock(&t->up->gate);
    return 0;
}
