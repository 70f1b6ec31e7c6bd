/* qido.c - what a STOW-RS target has, asked by QIDO-RS (PS3.18 10.6): the instances of a series,
 * page by page, until all that was asked for has been seen or there are no more. */
#include "gateway/plain/parts.h"

#include "gateway/plain/stow_answer.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/http/url.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 500, PAGES_MOST = 2000, FEW = 4, ANSWER_BYTES = 32 << 20, PATH_BYTES = 1024 };

struct question {
    struct http_client *client;
    const struct item *items; /* of one series, by SOP instance */
    bool *is_found;
    size_t n;
};

static void
note_found(void *user, const char *sop_instance)
{
    struct question *q = user;

    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->items[i].sop_instance, sop_instance) == 0)
            q->is_found[i] = true;
}

static bool
is_all_found(const struct question *q)
{
    for (size_t i = 0; i < q->n; i++)
        if (!q->is_found[i])
            return false;
    return true;
}

/* out_n: objects in the answer; 204 and 404 are none. */
static int
get(struct question *q, struct buf *path, size_t *out_n, struct err *err)
{
    struct http_call call = {.method = "GET",
                             .path = buf_text(path),
                             .accept = "application/dicom+json",
                             .answer_limit = ANSWER_BYTES};
    struct http_reply reply = {0};
    int rc = 0;

    *out_n = 0;
    if (http_client_call(q->client, &call, &reply, err) < 0)
        return -1;
    if (reply.status == 200) {
        rc = stow_read_matches(reply.body.bytes, reply.body.n, note_found, q, out_n, err);
    } else if (reply.status != 204 && reply.status != 404) {
        plain_http_refused(&reply, err);
        rc = -1;
    }
    http_reply_fini(&reply);
    return rc;
}

static void
begin_path(const struct question *q, struct buf *path)
{
    buf_init(path, PATH_BYTES);
    buf_add_text(path, "/studies/");
    url_encode(path, q->items[0].study);
    buf_add_text(path, "/series/");
    url_encode(path, q->items[0].series);
    buf_add_text(path, "/instances?includefield=00080018");
}

static int
ask_pages(struct question *q, struct err *err)
{
    size_t seen = 0, n = 0;
    int rc = 0;

    for (size_t page = 0; rc == 0 && page < PAGES_MOST && !is_all_found(q); page++) {
        struct buf path;

        begin_path(q, &path);
        buf_add_printf(&path, "&limit=%d&offset=%zu", PAGE, seen);
        rc = get(q, &path, &n, err);
        buf_fini(&path);
        seen += n;
        if (n == 0) /* a server may give fewer than were asked for, and more after */
            break;
    }
    return rc;
}

static int
ask_singly(struct question *q, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < q->n; i++) {
        struct buf path;
        size_t n;

        begin_path(q, &path);
        buf_add_text(&path, "&SOPInstanceUID=");
        url_encode(&path, q->items[i].sop_instance);
        rc = get(q, &path, &n, err);
        buf_fini(&path);
    }
    return rc;
}

void
qido_some(struct talk *t, const struct item *items, bool *is_found, size_t n)
{
    struct question q = {.n = 0};
    struct err err = {0};
    int rc;

    rc = plain_http_client(t->way, &q.client, &err);
    if (rc == 0)
        talk_set_client(t, q.client);
    for (size_t at = 0; at < n && rc == 0; at += q.n) {
        q.items = items + at;
        q.is_found = is_found + at;
        q.n = queue_series_length(items + at, n - at);
        rc = q.n <= FEW ? ask_singly(&q, &err) : ask_pages(&q, &err);
        if (rc == 0)
            settle_asked(t->way, q.items, q.is_found, q.n);
    }
    if (rc < 0)
        way_line_failed(t->way, true, LINE_DOWN, &err);
    else
        way_line_up(t->way, true);
    talk_set_client(t, NULL);
    http_client_free(&q.client);
}
