/* stow.c - instances to a target by STOW-RS (PS3.18 10.5): some in one request, each in the syntax
 * it came in; the answer says of each what became of it. */
#include "gateway/plain/parts.h"

#include "gateway/plain/stow_answer.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/dicom/dimse_command.h"
#include "proto/dicom/leaving.h"
#include "proto/dicom/syntax.h"
#include "proto/http/client.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PARTS = 32, BATCH_BYTES = 16 << 20, LINGER_MS = 2000, TOKEN_BYTES = 8192 };
enum { SYNTAX_NOT_TAKEN = 0xC122, ANSWER_BYTES = 8 << 20 }; /* PS3.18 table I.2-2 */
enum { THERE_ALREADY = 0xB00E }; /* no standard's, but some servers' failure reason (45070) */

static const char part_head[] = "Content-Type: application/dicom\r\n\r\n";

/* One request: parts one after the other, made while they are sent. */
struct batch {
    struct item items[PARTS];
    struct dcm_leaving leaving[PARTS];
    size_t n;
    char boundary[40];
    /* where the sender is */
    struct buf words; /* between two files */
    size_t words_at;
    size_t next; /* the part that begins when the words are out */
    uint64_t at;
    bool is_begun, is_over;
};

static void
batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        dcm_leaving_close(&b->leaving[i]);
    b->n = 0;
    buf_fini(&b->words);
}

static bool
is_plain(const char *syntax)
{
    return strcmp(syntax, DCM_UID_EXPLICIT_LE) == 0 || strcmp(syntax, DCM_UID_IMPLICIT_LE) == 0;
}

/* Under the numbers by which it will be asked for. */
static int
open_leaving(struct way *way, const struct item *item, struct dcm_leaving *out, struct err *err)
{
    const char *syntax = item->is_decoded ? DCM_UID_EXPLICIT_LE : item->syntax;
    struct dcm_known known = {item->study, item->series, item->sop_instance};
    uint64_t from, end;
    int fd;

    if (plain_open_bytes(way, item->id, item->syntax, syntax, &fd, &from, &end, err) < 0)
        return -1;
    if (dcm_leaving_open(out, fd, from, end - from, &known, clock_wall_us(), err) < 0) {
        close(fd);
        return -1;
    }
    return 0;
}

/* Its bytes; false: it was settled, it does not go now. */
static bool
open_part(struct way *way, struct batch *b, const struct item *item)
{
    struct err err = {0};
    size_t i = b->n;

    if (!plain_may_go(way, item))
        return false;
    if (open_leaving(way, item, &b->leaving[i], &err) < 0) {
        if (err_kind_is_retried(err.kind))
            settle_later(way, item, 0, err.text);
        else
            settle_refused(way, item, 0, err.text);
        return false;
    }
    if (!settle_tried(way, item)) {
        dcm_leaving_close(&b->leaving[i]);
        return false;
    }
    b->items[i] = *item;
    b->n++;
    return true;
}

/* is_alone: one at a time, to learn which of them is not taken. */
static void
fill_batch(struct way *way, struct batch *b, bool is_alone)
{
    uint64_t bytes = 0;
    struct item item;

    while (b->n < (is_alone ? 1 : PARTS) && bytes < BATCH_BYTES) {
        bool is_taken;

        gate_lock(&way->gate);
        is_taken = !way->is_stopping && !marks_is_sick(way->marks) &&
                   queue_take(way->queue, clock_mono_ms(), &item);
        gate_unlock(&way->gate);
        if (!is_taken)
            return;
        if (item.tries > 0 && b->n > 0) { /* what did not work before goes alone */
            settle_back(way, &item);
            return;
        }
        if (open_part(way, b, &item))
            bytes += item.size;
        if (item.tries > 0 && b->n > 0)
            return;
    }
}

/* ---- the body ---- */

static void
begin_body(struct batch *b)
{
    uint8_t drawn[16];

    memcpy(b->boundary, "radpost", 7);
    random_bytes(drawn, sizeof drawn);
    hex_encode(drawn, sizeof drawn, b->boundary + 7);
    buf_init(&b->words, 1024);
    buf_add_printf(&b->words, "--%s\r\n%s", b->boundary, part_head);
}

/* What body_read() will give: "--B CRLF head" before each part, CRLF behind it, "--B-- CRLF". */
static uint64_t
body_size(const struct batch *b)
{
    uint64_t boundary = strlen(b->boundary);
    uint64_t size = boundary + 6;

    for (size_t i = 0; i < b->n; i++)
        size += boundary + 4 + strlen(part_head) + b->leaving[i].size + 2;
    return size;
}

static int
body_read(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct batch *b = user;
    size_t i = b->next, k = 0;

    b->is_begun = true;
    if (b->words_at < b->words.n) {
        k = b->words.n - b->words_at < n ? b->words.n - b->words_at : n;
        memcpy(bytes, b->words.bytes + b->words_at, k);
        b->words_at += k;
    } else if (!b->is_over) {
        uint64_t left = b->leaving[i].size - b->at;

        k = left < n ? (size_t)left : n;
        if (dcm_leaving_read(&b->leaving[i], bytes, k, b->at, err) < 0)
            return -1;
        b->at += k;
        if (b->at == b->leaving[i].size) {
            b->is_over = ++b->next == b->n;
            b->at = b->words_at = 0;
            buf_clear(&b->words);
            if (b->is_over)
                buf_add_printf(&b->words, "\r\n--%s--\r\n", b->boundary);
            else
                buf_add_printf(&b->words, "\r\n--%s\r\n%s", b->boundary, part_head);
        }
    }
    *out_n = k;
    return 0;
}

/* ---- the answer ---- */

/* The syntax is not taken: decoded next time, if that is something else. */
static bool
wants_decoding(struct way *way, const struct item *item, uint16_t reason)
{
    struct item *open;

    if ((reason != SYNTAX_NOT_TAKEN && reason != DIMSE_NO_SUCH_CLASS) || item->is_decoded ||
        is_plain(item->syntax))
        return false;
    gate_lock(&way->gate);
    open = queue_open(way->queue, item->id);
    if (open != NULL)
        open->is_decoded = true;
    gate_unlock(&way->gate);
    settle_back(way, item);
    return true;
}

/* Listed among the failures it was not taken, whatever the reason says. */
static uint16_t
failure_of(uint16_t reason)
{
    if (reason == THERE_ALREADY)
        return DIMSE_DUPLICATE_INSTANCE;
    if (reason >> 12 == 0xB || reason == DIMSE_SUCCESS || reason == DIMSE_ATTRIBUTES_IGNORED ||
        reason == DIMSE_VALUE_OUT_OF_RANGE)
        return DIMSE_PROCESSING_FAILURE;
    return reason;
}

/* The answer says nothing of it. 200 and no word against it says that all were stored (PS3.18
 * 10.5.3): where nobody is asked that is enough. 409 to one that went alone is a word against it;
 * it may be there all the same, from before. */
static void
settle_unnamed(struct way *way, const struct batch *b, const struct item *item, int status,
               bool is_all)
{
    bool is_meant = b->n == 1 && status == 409;

    if (!way->conf->is_unverified && is_meant)
        settle_against(way, item, "HTTP status 409");
    else if (!way->conf->is_unverified)
        settle_doubtful(way, item);
    else if (is_all)
        settle_accepted(way, item, 0);
    else
        settle_later(way, item, 0, "the answer says nothing of it");
}

/* False: the target is full. */
static bool
settle_row(struct way *way, const struct item *item, const struct stow_row *row, struct err *err)
{
    if (row->is_taken)
        return settle_status(way, item, row->reason >> 12 == 0xB ? row->reason : DIMSE_SUCCESS, "",
                             err);
    if (wants_decoding(way, item, row->reason))
        return true;
    return settle_status(way, item, failure_of(row->reason), "", err);
}

static bool
settle_answer(struct way *way, const struct batch *b, const struct http_reply *reply,
              struct err *err)
{
    struct stow_answer answer = {NULL, 0};
    struct err why = {0};
    bool is_fine = true, is_all = reply->status == 200;

    if (reply->body.n > 0 &&
        stow_answer_read(reply->type, reply->body.bytes, reply->body.n, &answer, &why) < 0) {
        LOG(&way->log, PLAIN_ANSWER_UNREAD, F_ERR(&why)); /* all of it is in doubt */
        is_all = false;
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct item *item = &b->items[i];
        const struct stow_row *row = stow_answer_find(&answer, item->sop_instance);

        if (row == NULL)
            settle_unnamed(way, b, item, reply->status, is_all);
        else
            is_fine = settle_row(way, item, row, err) && is_fine;
    }
    stow_answer_fini(&answer);
    return is_fine;
}

static void
settle_all(struct way *way, const struct batch *b,
           void (*settle)(struct way *, const struct item *))
{
    for (size_t i = 0; i < b->n; i++)
        settle(way, &b->items[i]);
}

/* A request that was refused whole. True: go on, one by one. */
static bool
settle_refusal(struct way *way, const struct batch *b, const struct http_reply *reply,
               struct err *err)
{
    char why[64];

    plain_http_refused(reply, err);
    switch (reply->status) {
    case 404: /* no such service: an address, not an image, is wrong */
    case 405:
    case 407:
        err->kind = ERR_DENIED;
        settle_all(way, b, settle_back);
        return false;
    case 401:
    case 403:
    case 408:
    case 429:
    case 503:
    case 507:
        settle_all(way, b, settle_back);
        return false;
    default:
        break;
    }
    if (reply->status < 400) { /* a redirect: of the address, too */
        err->kind = ERR_DENIED;
        settle_all(way, b, settle_back);
        return false;
    }
    if (reply->status >= 500) {
        settle_all(way, b, settle_doubtful);
        return false;
    }
    if (b->n > 1) {
        settle_all(way, b, settle_back);
        return true;
    }
    snprintf(why, sizeof why, "HTTP status %d", reply->status);
    if (reply->status != 415) /* a proxy's mistake looks the same: not for good at once */
        settle_later(way, &b->items[0], 0, why);
    else if (!wants_decoding(way, &b->items[0], SYNTAX_NOT_TAKEN))
        settle_refused(way, &b->items[0], 0, why);
    return true;
}

/* Post it. True: go on; io_alone counts what goes one by one yet. */
static bool
post(struct talk *t, struct batch *b, size_t *io_alone, struct err *err)
{
    struct http_reply reply = {0};
    struct http_call call = {.method = "POST",
                             .path = "/studies",
                             .accept = "application/dicom+json",
                             .source = body_read,
                             .source_user = b,
                             .answer_limit = ANSWER_BYTES};
    char type[128];
    bool is_fine;

    begin_body(b);
    snprintf(type, sizeof type, "multipart/related; type=\"application/dicom\"; boundary=%s",
             b->boundary);
    call.content_type = type;
    call.source_size = body_size(b);
    if (http_client_call(t->client, &call, &reply, err) < 0) {
        settle_all(t->way, b, b->is_begun ? settle_doubtful : settle_back);
        return false;
    }
    if ((reply.status >= 200 && reply.status < 300) || reply.status == 409) {
        is_fine = settle_answer(t->way, b, &reply, err);
        *io_alone -= *io_alone > 0 ? 1 : 0;
    } else {
        is_fine = settle_refusal(t->way, b, &reply, err);
        if (is_fine && b->n > 1)
            *io_alone = b->n;
        else if (*io_alone > 0)
            --*io_alone;
    }
    http_reply_fini(&reply);
    return is_fine;
}

/* ---- a talk ---- */

int
plain_http_client(struct way *way, struct http_client **out, struct err *err)
{
    const struct target *conf = way->conf;
    struct http_client_options o = {.base_url = conf->url,
                                    .ca_file = conf->ca[0] != '\0' ? conf->ca : NULL,
                                    .certificate =
                                        conf->certificate[0] != '\0' ? conf->certificate : NULL,
                                    .key = conf->key[0] != '\0' ? conf->key : NULL,
                                    .stall_ms = way->plain->o.stall_ms};
    uint8_t *token = NULL;
    size_t n = 0;
    int rc = -1;

    if (conf->token[0] != '\0') {
        if (durable_get_file(conf->token, TOKEN_BYTES, &token, &n, err) < 0)
            return err_context(err, "token");
        while (n > 0 && (token[n - 1] == '\n' || token[n - 1] == '\r' || token[n - 1] == ' '))
            token[--n] = '\0';
        o.bearer = (const char *)token;
    }
    rc = http_client_new(&o, out, err);
    free(token);
    return rc;
}

void
plain_http_refused(const struct http_reply *reply, struct err *err)
{
    struct err peers = {0};
    enum err_kind kind = http_reply_check(reply, &peers) < 0 ? peers.kind : ERR_RETRY;

    err_set(err, kind, "the target answers with %d", reply->status);
}

/* Until nothing waits, or the line breaks. */
static bool
send_on(struct talk *t, struct err *err)
{
    struct batch *b = mem_new(sizeof *b);
    size_t alone = 0;
    bool is_fine = true;

    do {
        uint64_t bytes = 0;

        memset(b, 0, sizeof *b);
        fill_batch(t->way, b, alone > 0);
        for (size_t i = 0; i < b->n; i++)
            bytes += b->leaving[i].size;
        if (b->n > 0 && !way_pace(t->way, bytes))
            settle_all(t->way, b, settle_back);
        else if (b->n > 0)
            is_fine = post(t, b, &alone, err) && way_sync(t->way);
        batch_fini(b);
    } while (is_fine && way_await_more(t->way, LINGER_MS));
    free(b);
    return is_fine || err->kind == ERR_NONE;
}

void
stow_some(struct talk *t)
{
    struct http_client *client = NULL;
    struct err err = {0};

    if (plain_http_client(t->way, &client, &err) < 0) {
        way_line_failed(t->way, false, LINE_DOWN, &err);
        return;
    }
    talk_set_client(t, client);
    if (send_on(t, &err))
        way_line_unprobed(t->way, false);
    else
        way_line_failed(t->way, false, LINE_DOWN, &err);
    talk_set_client(t, NULL);
    http_client_free(&client);
}
