/* lists.c - organisations, doctors, agreements, and the stream that tells when the worklist
 * changed. */
#include "reader/assign/assign_own.h"

#include "proto/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES = 16 << 20,
    STEP_MS = 1000,
    HEARTBEAT_MS = 15000,
    STREAM_MS = 600000,
    MINUTE_US = 60000000
};

static void
put_organisations(struct jsonw *w, const struct pg_rows *rows)
{
    jsonw_object(w, NULL);
    jsonw_array(w, "items");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const char *parent = pg_text(rows, i, 3);

        jsonw_object(w, NULL);
        jsonw_text(w, "code", pg_text(rows, i, 0));
        jsonw_text(w, "name", pg_text(rows, i, 1));
        jsonw_text(w, "kind", pg_text(rows, i, 2));
        jsonw_text(w, "parent", parent[0] != '\0' ? parent : NULL);
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_end(w);
}

/* Words parted by blanks, as an array. */
static void
put_words(struct jsonw *w, const char *key, const char *words)
{
    jsonw_array(w, key);
    while (*words != '\0') {
        size_t n = strcspn(words, " ");

        jsonw_text_n(w, NULL, words, n);
        words += n + (words[n] == ' ');
    }
    jsonw_end(w);
}

static void
put_doctors(struct jsonw *w, const struct pg_rows *rows)
{
    int64_t now = clock_wall_us();

    jsonw_object(w, NULL);
    jsonw_array(w, "items");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        int64_t from = pg_int(rows, i, 3), until = pg_int(rows, i, 4);

        jsonw_object(w, NULL);
        jsonw_text(w, "login", pg_text(rows, i, 0));
        jsonw_text(w, "name", pg_text(rows, i, 1));
        jsonw_text(w, "licence", pg_text(rows, i, 2));
        jsonw_time(w, "valid_from", from);
        jsonw_time(w, "valid_until", until);
        jsonw_bool(w, "is_licensed", from <= now && now < until);
        put_words(w, "modalities", pg_text(rows, i, 5));
        jsonw_bool(w, "is_on_duty", pg_truth(rows, i, 6));
        jsonw_int(w, "open", pg_int(rows, i, 7));
        put_words(w, "organisations", pg_text(rows, i, 8));
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_end(w);
}

static void
put_agreements(struct jsonw *w, const struct pg_rows *rows)
{
    jsonw_object(w, NULL);
    jsonw_array(w, "items");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "code", pg_text(rows, i, 0));
        jsonw_int(w, "version", pg_int(rows, i, 1));
        jsonw_text(w, "inviting", pg_text(rows, i, 2));
        jsonw_text(w, "invited", pg_text(rows, i, 3));
        put_words(w, "modalities", pg_text(rows, i, 4));
        jsonw_time(w, "valid_from", pg_int(rows, i, 5));
        jsonw_time(w, "valid_until", pg_int(rows, i, 6));
        jsonw_object(w, "turnaround_minutes");
        jsonw_int(w, "routine", pg_int(rows, i, 7) / MINUTE_US);
        jsonw_int(w, "emergency", pg_int(rows, i, 8) / MINUTE_US);
        jsonw_end(w);
        jsonw_bool(w, "may_read_alone", pg_truth(rows, i, 9));
        jsonw_end(w);
    }
    jsonw_end(w);
    jsonw_end(w);
}

static int
answer_list(struct http_request *req, struct http_response *res, const char *query,
            const struct pg_arg *args, size_t count,
            void (*put)(struct jsonw *w, const struct pg_rows *rows), struct err *err)
{
    struct assign *a = http_user(req);
    struct pg_rows *rows = NULL;
    struct buf json;
    struct jsonw w;
    int rc = -1;

    buf_init(&json, ANSWER_BYTES);
    jsonw_init(&w, &json);
    if (choose_list(a->options.pg, query, args, count, &rows, err) < 0)
        goto out;
    put(&w, rows);
    http_answer_buf(res, 200, "application/json", &json);
    rc = 0;
out:
    pg_rows_free(&rows);
    buf_fini(&json);
    return rc;
}

int
route_organisations(struct http_request *req, struct http_response *res, struct err *err)
{
    return answer_list(req, res, "assign_organisations", PG_NO_ARGS, put_organisations, err);
}

int
route_doctors(struct http_request *req, struct http_response *res, struct err *err)
{
    return answer_list(req, res, "assign_doctors", PG_ARGS(PG_NULL), put_doctors, err);
}

int
route_agreements(struct http_request *req, struct http_response *res, struct err *err)
{
    return answer_list(req, res, "assign_agreements", PG_NO_ARGS, put_agreements, err);
}

/* ---- GET worklist/stream ---- */
#define STREAM_MAGIC 0x57524B4C

struct stream {
    uint32_t magic;
    struct assign *assign;
    struct http_request *req;
    int64_t told;              /* the change the client knows; -1: none yet */
    int64_t spoke_ms, ends_ms; /* the browser comes again, and shows its session again */
};

/* The next thing to say: a change at once, else a heartbeat now and then; n 0 ends the stream. */
static int
stream_read(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct stream *s = user;
    int said = 0;

    (void)err;
    CHECK(s->magic == STREAM_MAGIC);
    *out_n = 0;
    while (!http_is_gone(s->req) && !assign_is_stopping(s->assign) &&
           clock_mono_ms() < s->ends_ms) {
        int64_t now = assign_events_wait(s->assign, s->told, STEP_MS);

        if (now > s->told) {
            s->told = now;
            said = snprintf((char *)bytes, n, "event: change\ndata: {\"change\":%lld}\n\n",
                            (long long)now);
        } else if (clock_mono_ms() - s->spoke_ms >= HEARTBEAT_MS) {
            said = snprintf((char *)bytes, n, ": here\n\n");
        }
        if (said > 0) {
            CHECK((size_t)said < n);
            s->spoke_ms = clock_mono_ms();
            *out_n = (size_t)said;
            return 0;
        }
    }
    return 0;
}

int
route_stream(struct http_request *req, struct http_response *res, struct err *err)
{
    struct stream *s = mem_new(sizeof *s);

    (void)err;
    *s = (struct stream){STREAM_MAGIC, http_user(req),  req,
                         -1,           clock_mono_ms(), clock_mono_ms() + STREAM_MS};
    http_answer_header(res, "X-Accel-Buffering", "no");
    http_answer_stream(res, 200, "text/event-stream", UINT64_MAX, stream_read, free, s);
    return 0;
}
