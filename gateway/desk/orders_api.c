/* orders_api.c - orders at the desk's page, and from programs by HTTP; the state's sections
 * "orders", "steps" and "doses". Routes: docs/desk.md, docs/orders.md. */
#include "gateway/desk/orders_api.h"

#include "gateway/desk/api.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/orders_json.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/trust/token.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

enum { LISTED = 200, BEFORE_DAYS = 2, AHEAD_DAYS = 7, NIGHT_HOURS = 12, STUDIES_DAYS = 14 };
enum { LIST_BYTES = 16 << 20 };
static const int64_t day_us = INT64_C(86400) * 1000000;
static const struct log_ctx ctx = {.stage = "gateway/desk"};

static struct book *
book_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->book;
}

/* Midnight, here, so many days from now. */
static int64_t
midnight(int64_t now_us, int days)
{
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday += days;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * 1000000;
}

/* A page of them: of the days around this one, or of all with a text. The evening before is still
 * the night shift's day. */
static int
write_orders(struct book *book, const char *text, size_t skip, struct jsonw *w, struct err *err)
{
    int64_t now_us = clock_wall_us(), day = midnight(now_us, 0);
    int64_t evening_us = now_us - NIGHT_HOURS * day_us / 24;
    const struct order_search search = {
        .text = text,
        .from_us = text[0] != '\0' ? INT64_MIN : now_us - BEFORE_DAYS * day_us,
        .to_us = text[0] != '\0' ? INT64_MAX : now_us + AHEAD_DAYS * day_us,
        .day_us = day < evening_us ? day : evening_us,
        .next_us = midnight(now_us, 1),
        .skip = skip,
        .limit = LISTED};
    struct order *list = NULL;
    size_t n = 0, total = 0;

    if (order_search(book, &search, &list, &n, &total, err) < 0)
        return -1;
    jsonw_uint(w, "orders_n", total);
    jsonw_array(w, "orders");
    for (size_t i = 0; i < n; i++)
        orders_write(w, &list[i]);
    jsonw_end(w);
    free(list);
    return 0;
}

static int
write_steps(struct book *book, struct jsonw *w, struct err *err)
{
    struct mpps_study *list = NULL;
    size_t n = 0;

    if (mpps_studies(book, clock_wall_us() - STUDIES_DAYS * day_us, &list, &n, err) < 0)
        return -1;
    jsonw_array(w, "steps");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "study", list[i].study);
        jsonw_text(w, "state", mpps_state_word(list[i].state));
        jsonw_uint(w, "expected", list[i].expected);
        jsonw_uint(w, "missing", list[i].missing);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(list);
    return 0;
}

static int
write_doses(struct book *book, struct jsonw *w, struct err *err)
{
    struct dose_study *list = NULL;
    size_t n = 0;

    if (dose_studies(book, clock_wall_us() - STUDIES_DAYS * day_us, &list, &n, err) < 0)
        return -1;
    jsonw_array(w, "doses");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(w, NULL);
        jsonw_text(w, "study", list[i].study);
        jsonw_text(w, "source", list[i].source);
        jsonw_array(w, "values");
        for (int k = 0; k < DOSE_KINDS; k++) {
            if (!list[i].dose.has[k])
                continue;
            jsonw_object(w, NULL);
            jsonw_text(w, "kind", dose_kind_word((enum dose_kind)k));
            jsonw_double(w, "value", list[i].dose.value[k]);
            jsonw_text(w, "unit", dose_kind_unit((enum dose_kind)k));
            jsonw_end(w);
        }
        jsonw_end(w);
        jsonw_end(w);
    }
    jsonw_end(w);
    free(list);
    return 0;
}

int
orders_report(struct book *book, struct jsonw *w, struct err *err)
{
    if (write_orders(book, "", 0, w, err) < 0 || write_steps(book, w, err) < 0)
        return -1;
    return write_doses(book, w, err);
}

/* ---- at the page ---- */

static int
answer_orders(const struct http_request *req, const char *text, size_t skip,
              struct http_response *res, struct err *err)
{
    struct buf json;
    struct jsonw w;
    int rc;

    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    rc = write_orders(book_of(req), text, skip, &w, err);
    jsonw_end(&w);
    if (rc == 0)
        http_answer_buf(res, 200, "application/json", &json);
    buf_fini(&json);
    return rc;
}

static int
get_orders(struct http_request *req, struct http_response *res, struct err *err)
{
    return answer_orders(req, "", 0, res, err);
}

/* {text, skip}: in a body, since an address is logged. */
static int
post_find(struct http_request *req, struct http_response *res, struct err *err)
{
    char typed[CLINIC_NAME_SIZE], text[CLINIC_NAME_SIZE];
    struct json_doc *doc = NULL;
    uint64_t skip = 0;
    int rc = -1;

    if (api_read_body(req, &doc, err) < 0 ||
        json_u64(json_root(doc), "skip", INT32_MAX, &skip, err) < 0)
        goto out;
    if (!api_take_text(json_root(doc), "text", typed, sizeof typed) ||
        !text_narrow(text, sizeof text, typed))
        err_set(err, ERR_REJECT, "text: too long");
    else
        rc = answer_orders(req, text, (size_t)skip, res, err);
out:
    json_free(&doc);
    return rc;
}

static int
post_event(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct {
        const char *word;
        enum order_event event;
    } words[] = {
        {"cancel", ORDER_SAW_CANCEL}, {"complete", ORDER_SAW_COMPLETE}, {"again", ORDER_SAW_AGAIN}};
    uint64_t number;

    if (text_to_u64(http_param(req, "number"), INT64_MAX, &number) < 0)
        return err_set(err, ERR_NOT_FOUND, "no such order");
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, http_param(req, "event")) == 0) {
            if (order_step(book_of(req), (int64_t)number, words[i].event, err) < 0)
                return -1;
            http_answer_empty(res, 204);
            return 0;
        }
    return err_set(err, ERR_NOT_FOUND, "cancel, complete or again");
}

/* ---- from programs ---- */

#define TOKEN_FILE "orders.token"
enum { TOKEN_LINE_BYTES = 128 };

static int
read_token(const char *dir, uint8_t out_sha256[DIGEST_BYTES], struct err *err)
{
    char path[PATH_MAX];
    uint8_t *text = NULL;
    size_t n = 0;
    int rc;

    snprintf(path, sizeof path, "%s/" TOKEN_FILE, dir);
    if (durable_get_file(path, TOKEN_LINE_BYTES, &text, &n, err) < 0)
        return -1;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        text[--n] = '\0';
    rc = token_digest((const char *)text, out_sha256, err);
    secret_wipe(text, n);
    free(text);
    return rc;
}

int
orders_make_token(const char *dir, struct err *err)
{
    uint8_t sha256[DIGEST_BYTES];
    char text[TOKEN_TEXT_BYTES];
    int rc;

    if (read_token(dir, sha256, err) == 0)
        return 0;
    err_clear(err);
    token_new(text, sha256);
    rc = durable_put_file(dir, TOKEN_FILE, text, strlen(text), err);
    secret_wipe(text, sizeof text);
    return rc;
}

/* Before the body is taken in: a program shows the token of the desk's folder. */
static int
begin_orders(struct http_request *req, struct err *err)
{
    static const char bearer[] = "Bearer ";
    const struct api *api = http_user(req);
    const char *shown = http_header(req, "Authorization");
    uint8_t kept[DIGEST_BYTES], told[DIGEST_BYTES];
    struct err ignored;

    if (shown == NULL || strncmp(shown, bearer, sizeof bearer - 1) != 0 ||
        token_digest(shown + sizeof bearer - 1, told, &ignored) < 0)
        return err_set(err, ERR_DENIED, "no token");
    if (read_token(api->options->dir, kept, err) < 0)
        return -1;
    return secret_equal(kept, told, sizeof kept) ? 0 : err_set(err, ERR_DENIED, "not this token");
}

/* {taken, refused, flagged, error}: 200 if all were taken, 422 if some were not. */
static int
post_orders(struct http_request *req, struct http_response *res, struct err *err)
{
    struct orders_tally tally;
    const uint8_t *body;
    struct buf json;
    struct jsonw w;
    size_t n;

    body = http_body(req, &n);
    if (orders_take(book_of(req), body, n, "http", &tally, err) < 0)
        return -1;
    LOG(&ctx, DESK_ORDERS_TAKEN, F_NUMBER("orders", tally.taken));
    buf_init(&json, 4096);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "taken", tally.taken);
    jsonw_uint(&w, "refused", tally.refused);
    jsonw_uint(&w, "flagged", tally.flagged);
    if (tally.refused + tally.flagged > 0)
        jsonw_text(&w, "error", tally.first.text);
    jsonw_end(&w);
    http_answer_buf(res, tally.refused > 0 ? 422 : 200, "application/json", &json);
    buf_fini(&json);
    return 0;
}

const struct http_route orders_routes[] = {
    DESK_GET("/desk/v1/orders", DESK_WORK, get_orders),
    DESK_POST("/desk/v1/orders/find", DESK_WORK, post_find),
    DESK_POST("/desk/v1/orders/{number}/{event}", DESK_WORK, post_event),
    {.method = "POST",
     .pattern = "/gateway/v1/orders",
     .callers = HTTP_ANYONE, /* who shows the token: begin_orders() */
     .body_limit = ORDERS_BYTES,
     .begin = begin_orders,
     .handle = post_orders,
     .flags = HTTP_NO_STORE},
};
const size_t orders_route_count = ARRAY_LEN(orders_routes);
