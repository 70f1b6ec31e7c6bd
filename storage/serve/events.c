/* events.c - what happened to whose study, behind a cursor (docs/conformance.md).
 * GET /events?after=N&limit=M&wait_s=S answers what is past N at once, or waits until there is
 * something. The cursor is durable: a reader that keeps "next" misses nothing and sees nothing
 * twice. One that also tells when the event it stands at was (&at=) is told when the catalog was
 * set back to a backup: numbers begin anew then, and what is past N would hide events below it. */
#include "storage/serve/serve_core.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"

#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/serve_events.def"
#undef LOG_EVENT

enum { EVENTS_MOST = 1000, EVENTS_BYTES = 16 << 20, WAIT_MOST_S = 60, STEP_MS = 1000 };

struct feed {
    struct buf json;
    struct jsonw w;
    uint64_t next;
    uint64_t count;
};

static int
on_event(void *user, const struct keep_event *e)
{
    struct feed *f = user;
    char at[40];

    clock_text(e->at_us, at);
    jsonw_object(&f->w, NULL);
    jsonw_uint(&f->w, "seq", e->seq);
    jsonw_text(&f->w, "tenant", e->tenant);
    jsonw_text(&f->w, "kind", e->kind);
    jsonw_text(&f->w, "study", e->study);
    jsonw_text(&f->w, "at", at);
    if (e->detail != NULL)
        jsonw_raw(&f->w, "detail", e->detail, strlen(e->detail));
    jsonw_end(&f->w);
    f->next = e->seq;
    f->count++;
    return 0;
}

static int
read_number(struct http_request *req, const char *name, uint64_t most, uint64_t missing,
            uint64_t *out, struct err *err)
{
    const char *text = http_query(req, name);

    *out = missing;
    if (text != NULL && text_to_u64(text, most, out) < 0)
        return err_set(err, ERR_REJECT, "%s: not a number up to its most", name);
    return 0;
}

/* Whose events: all tenants' for a reader, unless it names one. */
static int
read_whose(struct http_request *req, struct serve_target *target, const char **out, struct err *err)
{
    *out = NULL;
    if ((http_caller(req)->rights & RIGHT_ALL_TENANTS) &&
        http_header(req, "Radpost-Tenant") == NULL)
        return 0;
    if (serve_target_read(req, target, err) < 0)
        return -1;
    *out = target->tenant;
    return 0;
}

static int
read_feed(struct serve *s, const char *tenant, uint64_t after, uint64_t limit, struct feed *f,
          struct err *err)
{
    buf_clear(&f->json);
    jsonw_init(&f->w, &f->json);
    f->next = after;
    f->count = 0;
    jsonw_object(&f->w, NULL);
    jsonw_array(&f->w, "events");
    if (keep_events(s->options.keep, tenant, after, limit, on_event, f, err) < 0)
        return -1;
    jsonw_end(&f->w);
    jsonw_uint(&f->w, "next", f->next);
    jsonw_end(&f->w);
    return 0;
}

/* A catalog that was set back does not know the event that the cursor stands at. */
static int
check_cursor(struct http_request *req, const char *tenant, uint64_t after, struct feed *f,
             bool *out_is_known, struct err *err)
{
    struct serve *s = http_user(req);
    const char *text = http_query(req, "at");
    int64_t at_us;

    *out_is_known = true;
    if (text == NULL || after == 0)
        return 0;
    if (clock_read(text, &at_us) < 0)
        return err_set(err, ERR_REJECT, "at: not a time");
    if (keep_event_is_known(s->options.keep, tenant, after, at_us, out_is_known, &f->next, err) < 0)
        return -1;
    if (*out_is_known)
        return 0;
    LOG(&s->log, SERVE_CURSOR_LOST, F_NUMBER("cursor", after), F_NUMBER("next", f->next));
    jsonw_init(&f->w, &f->json);
    jsonw_object(&f->w, NULL);
    jsonw_array(&f->w, "events");
    jsonw_end(&f->w);
    jsonw_uint(&f->w, "next", f->next);
    jsonw_bool(&f->w, "is_cursor_lost", true);
    jsonw_end(&f->w);
    return 0;
}

/* Until there is something past the cursor, or the time is up. */
static int
wait_feed(struct http_request *req, const char *tenant, uint64_t after, uint64_t limit,
          uint64_t wait_s, struct feed *f, struct err *err)
{
    struct serve *s = http_user(req);
    int64_t until = clock_mono_ms() + (int64_t)wait_s * 1000;

    for (;;) {
        int64_t left;

        if (read_feed(s, tenant, after, limit, f, err) < 0)
            return -1;
        left = until - clock_mono_ms();
        if (f->count > 0 || left <= 0 || http_is_gone(req))
            return 0;
        keep_events_wait(s->options.keep, tenant, after, left < STEP_MS ? left : STEP_MS);
    }
}

int
events_feed(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    const char *tenant;
    struct feed f;
    uint64_t after, limit, wait_s;
    bool is_known;
    int rc = -1;

    buf_init(&f.json, EVENTS_BYTES);
    if (read_whose(req, &target, &tenant, err) < 0 ||
        read_number(req, "after", INT64_MAX, 0, &after, err) < 0 ||
        read_number(req, "limit", EVENTS_MOST, 100, &limit, err) < 0 ||
        read_number(req, "wait_s", WAIT_MOST_S, 0, &wait_s, err) < 0 ||
        check_cursor(req, tenant, after, &f, &is_known, err) < 0)
        goto out;
    if (is_known && wait_feed(req, tenant, after, limit == 0 ? 1 : limit, wait_s, &f, err) < 0)
        goto out;
    http_answer_buf(res, 200, "application/json", &f.json);
    rc = 0;
out:
    buf_fini(&f.json);
    return serve_end(s, res, rc);
}
