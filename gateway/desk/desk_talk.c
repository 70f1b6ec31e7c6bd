/* desk_talk.c - connections to the reader, with the identity in use. */
#include "gateway/desk/desk_talk.h"

#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/link/enrol.h"
#include "proto/trust/digest.h"

#include <stdlib.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { CONNECT_MS = 8000, UNKNOWN_MS = 2000 };

static const struct log_ctx ctx = {.stage = "gateway/desk"};

void
desk_talk_init(struct desk_talk *talk, const struct desk_link_options *o)
{
    uint8_t box[BOX_BYTES / 2];

    *talk = (struct desk_talk){.book = o->book,
                               .backoff_ms = o->backoff_ms,
                               .backoff_max_ms = o->backoff_max_ms,
                               .parts = o->parts,
                               .parts_user = o->parts_user,
                               .link_dir = mem_text(o->link_dir),
                               .url = mem_text(o->url != NULL ? o->url : ""),
                               .lines = mem_text(o->lines != NULL ? o->lines : ""),
                               .status = {.line = DESK_LINE_TRYING, .since_us = clock_wall_us()}};
    random_bytes(box, sizeof box);
    hex_encode(box, sizeof box, talk->box);
    gate_init(&talk->gate);
    for (size_t i = 0; i < DESK_TALKERS; i++)
        talk->talkers[i] = (struct desk_talker){.talk = talk, .backoff_ms = o->backoff_ms};
}

void
desk_talk_end(struct desk_talk *talk)
{
    gate_lock(&talk->gate);
    talk->is_stopping = true;
    for (size_t i = 0; i < DESK_TALKERS; i++)
        if (talk->talkers[i].client != NULL)
            http_client_abort(talk->talkers[i].client);
    gate_wake(&talk->gate);
    gate_unlock(&talk->gate);
}

void
desk_talk_fini(struct desk_talk *talk)
{
    for (size_t i = 0; i < DESK_TALKERS; i++)
        http_client_free(&talk->talkers[i].client);
    gate_fini(&talk->gate);
    free(talk->url);
    free(talk->lines);
    free(talk->link_dir);
}

void
desk_talk_status(struct desk_talk *talk, struct desk_link_status *out)
{
    gate_lock(&talk->gate);
    *out = talk->status;
    gate_unlock(&talk->gate);
}

bool
desk_talk_is_over(struct desk_talk *talk)
{
    bool is;

    gate_lock(&talk->gate);
    is = talk->is_stopping;
    gate_unlock(&talk->gate);
    return is;
}

static void
rest(struct desk_talk *talk, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;

    gate_lock(&talk->gate);
    while (!talk->is_stopping && clock_mono_ms() < until_ms)
        (void)gate_wait_ms(&talk->gate, until_ms - clock_mono_ms());
    gate_unlock(&talk->gate);
}

static void
set_line(struct desk_talk *talk, enum desk_line line, const struct err *why)
{
    bool is_new;

    gate_lock(&talk->gate);
    is_new = talk->status.line != line && !talk->is_stopping;
    if (talk->status.line != line)
        talk->status.since_us = clock_wall_us();
    talk->status.line = line;
    if (line == DESK_LINE_UP)
        talk->status.last_contact_us = clock_wall_us();
    text_copy(talk->status.trouble, sizeof talk->status.trouble, why != NULL ? why->text : "");
    gate_unlock(&talk->gate);
    if (!is_new)
        return;
    if (line == DESK_LINE_UP)
        LOG(&ctx, DESK_READER_UP);
    else if (line == DESK_LINE_UNKNOWN)
        LOG(&ctx, DESK_READER_UNKNOWN);
    else
        LOG(&ctx, DESK_READER_DOWN, F_ERR(why));
}

void
desk_talk_failed(struct desk_talker *t, const struct err *err)
{
    struct desk_talk *talk = t->talk;

    if (err->kind == ERR_RETRY) { /* perhaps by another line, or another proxy of the table */
        t->turn++;
        t->stamp = 0;
    }
    if (err->kind == ERR_FATAL && !desk_talk_is_over(talk))
        LOG(&ctx, DESK_STATE_FAILED, F_ERR(err));
    rest(talk, t->backoff_ms);
    t->backoff_ms =
        t->backoff_ms * 2 > talk->backoff_max_ms ? talk->backoff_max_ms : t->backoff_ms * 2;
}

static int
client_make(struct desk_talk *talk, unsigned turn, struct http_client **out, struct err *err)
{
    struct enrol_identity identity;
    struct uplink_way way;
    char url[256];
    int rc = -1;

    if (uplink_way(talk->lines, turn, &way, err) < 0 ||
        enrol_load(talk->link_dir, &identity, err) < 0)
        return -1;
    if (talk->url[0] != '\0')
        text_copy(url, sizeof url, talk->url);
    else if (!enrol_address(&identity, "reader_url", url, sizeof url))
        url[0] = '\0';
    if (url[0] == '\0') {
        err_set(err, ERR_NOT_FOUND, "the centre told no address of a reader");
    } else {
        struct http_client_options options = {.base_url = url,
                                              .ca_file = identity.ca,
                                              .certificate = identity.certificate,
                                              .key = identity.key,
                                              .proxy = way.proxy[0] != '\0' ? way.proxy : NULL,
                                              .proxy_user =
                                                  way.proxy_user[0] != '\0' ? way.proxy_user : NULL,
                                              .source = way.source[0] != '\0' ? way.source : NULL,
                                              .connect_ms = CONNECT_MS};

        rc = http_client_new(&options, out, err);
    }
    gate_lock(&talk->gate);
    text_copy(talk->status.reader, sizeof talk->status.reader, url);
    gate_unlock(&talk->gate);
    enrol_identity_fini(&identity);
    return rc;
}

/* A client with the certificate in use.
 * errors  ERR_NOT_FOUND not enrolled, or no address */
static int
ready(struct desk_talker *t, struct err *err)
{
    struct desk_talk *talk = t->talk;
    uint64_t stamp = enrol_stamp(talk->link_dir);
    struct http_client *old, *client = NULL;

    if (t->client != NULL && stamp == t->stamp)
        return 0;
    if (stamp == 0)
        return err_set(err, ERR_NOT_FOUND, "not enrolled yet");
    if (client_make(talk, t->turn, &client, err) < 0)
        return -1;
    gate_lock(&talk->gate);
    old = t->client;
    t->client = client;
    t->stamp = stamp;
    if (talk->is_stopping)
        http_client_abort(client);
    gate_unlock(&talk->gate);
    http_client_free(&old);
    return 0;
}

int
desk_talk_call(struct desk_talker *t, const struct http_call *call, struct http_reply *out,
               struct err *err)
{
    t->is_answered = false;
    if (ready(t, err) < 0) {
        set_line(t->talk, err->kind == ERR_NOT_FOUND ? DESK_LINE_UNKNOWN : DESK_LINE_DOWN, err);
        if (err->kind == ERR_NOT_FOUND)
            rest(t->talk, UNKNOWN_MS);
        return err_set(err, ERR_RETRY, "no line to a reader");
    }
    if (http_client_call(t->client, call, out, err) < 0) {
        if (!desk_talk_is_over(t->talk))
            set_line(t->talk, err->kind == ERR_DENIED ? DESK_LINE_REFUSED : DESK_LINE_DOWN, err);
        return -1;
    }
    t->is_answered = true;
    if (http_reply_check(out, err) == 0) {
        set_line(t->talk, DESK_LINE_UP, NULL);
        return 0;
    }
    http_reply_fini(out);
    if (err->kind == ERR_DENIED)
        set_line(t->talk, DESK_LINE_REFUSED, err);
    else if (err->kind == ERR_RETRY || err->kind == ERR_FULL)
        set_line(t->talk, DESK_LINE_DOWN, err);
    else
        set_line(t->talk, DESK_LINE_UP, NULL);
    return -1;
}

int
desk_talk_post(struct desk_talker *t, const char *path, const struct buf *body,
               struct http_reply *out, struct err *err)
{
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .accept = "application/json",
                             .body = body->bytes,
                             .body_n = body->n,
                             .total_ms = DESK_TALK_MS};

    return desk_talk_call(t, &call, out, err);
}
