/* desk.c - the clinic's page: routes over the report and the embedded files. */
#include "gateway/desk/desk.h"

#include "gateway/accept/accept.h"
#include "gateway/desk/accounts.h"
#include "gateway/desk/api.h"
#include "gateway/desk/book.h"
#include "gateway/desk/desk_link.h"
#include "gateway/desk/doubts.h"
#include "gateway/desk/arrivals.h"
#include "gateway/desk/his_in.h"
#include "gateway/desk/his_out.h"
#include "gateway/desk/look.h"
#include "gateway/desk/orders_api.h"
#include "gateway/desk/orders_sources.h"
#include "gateway/desk/mpps.h"
#include "gateway/desk/page_tls.h"
#include "gateway/desk/place.h"
#include "gateway/desk/report.h"
#include "gateway/desk/worklist.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/text.h"
#include "proto/http/server.h"
#include "proto/link/clinic.h"
#include "proto/trust/audit.h"
#include "proto/trust/digest.h"
#include "proto/trust/token.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The tables of parts.def. */
#define REPORT(part, right)
#define ROUTES(part)                                                                               \
    extern const struct http_route part##_routes[];                                                \
    extern const size_t part##_route_count;
#include "gateway/desk/parts.def"
#undef ROUTES

/* Of one address: nobody's computer alone makes the desk deaf to the others. */
enum { CONNECTIONS_EACH = 128 };
enum { REPORT_BYTES = 8 << 20, POLL_MS = 500, POLL_MAX_S = 30 };
enum { BACKOFF_MS = 500, BACKOFF_MAX_MS = 15000, SESSION_MS = 12 * 3600 * 1000 };
#define TOKEN_FILE "token"

struct desk {
    struct desk_options options;
    struct book *book;
    struct desk_link *link;
    struct look *look;
    struct arrivals *arrivals;
    struct orders_sources *orders;
    struct his_in *his_in;
    struct his_out *his_out;
    struct worklist *worklist;
    struct mpps *mpps;
    struct audit *audit;
    struct api api;
    struct place place;
    uint8_t token_sha256[DIGEST_BYTES];
    struct http_server *server;
    struct page_tls *page_tls; /* NULL: served in the clear */
};

static int
get_page(struct http_request *req, struct http_response *res, struct err *err)
{
    static const char index[] = "gateway/desk/web/dist/index.html";

    (void)req;
    return http_answer_page(res, index, embed_find(index), err);
}

static int
get_asset(struct http_request *req, struct http_response *res, struct err *err)
{
    char path[256];

    snprintf(path, sizeof path, "gateway/desk/web/dist/assets/%s", http_param(req, "name"));
    http_answer_header(res, "Cache-Control", "public, max-age=31536000, immutable");
    return http_answer_page(res, path, embed_find(path), err);
}

/* A number of the query, 0 when it is not there. */
static uint64_t
query_number(const struct http_request *req, const char *name, uint64_t max)
{
    const char *text = http_query(req, name);
    uint64_t v = 0;

    if (text == NULL || text_to_u64(text, UINT64_MAX, &v) < 0)
        return 0;
    return v < max ? v : max;
}

/* Both numbers only grow, so their sum is new whenever one of them is. */
static uint64_t
change_now(struct desk *desk)
{
    return spool_wait(desk->options.spool, 0, 0) + book_change(desk->book);
}

/* Wait until something changed since the number the page has seen, a few seconds at most. */
static uint64_t
wait_for_change(struct desk *desk, const struct http_request *req)
{
    uint64_t since = query_number(req, "since", UINT64_MAX), change = change_now(desk);
    int64_t until_ms = clock_mono_ms() + (int64_t)query_number(req, "wait_s", POLL_MAX_S) * 1000;

    while (since != 0 && change == since && clock_mono_ms() < until_ms && !http_is_gone(req)) {
        (void)spool_wait(desk->options.spool, since - book_change(desk->book), POLL_MS);
        change = change_now(desk);
    }
    return change;
}

/* Whose certificate was changed and cannot be used; NULL: nobody's. */
static const char *
stale_door(const struct desk *desk)
{
    if (accept_tls_is_stale(desk->options.accept))
        return "dicom";
    if (desk->his_in != NULL && his_in_is_stale(desk->his_in))
        return "hl7";
    return desk->page_tls != NULL && page_tls_is_stale(desk->page_tls) ? "page" : NULL;
}

static int
get_state(struct http_request *req, struct http_response *res, struct err *err)
{
    struct desk *desk = http_user(req);
    uint64_t change = wait_for_change(desk, req);
    const char *which = http_query(req, "studies");
    char print[96] = "";
    struct report_sources sources = {.options = &desk->options,
                                     .book = desk->book,
                                     .link = desk->link,
                                     .orders = desk->orders,
                                     .rights = http_caller(req)->rights,
                                     .fingerprint = print,
                                     .stale = stale_door(desk),
                                     .is_everything = which != NULL && strcmp(which, "all") == 0};
    struct buf report;
    int rc;

    if (desk->page_tls != NULL)
        page_tls_fingerprint(desk->page_tls, print);
    buf_init(&report, REPORT_BYTES);
    rc = report_write(&sources, change, &report, err);
    if (rc == 0)
        http_answer_buf(res, 200, "application/json", &report);
    buf_fini(&report);
    return rc;
}

static int
post_close(struct http_request *req, struct http_response *res, struct err *err)
{
    struct desk *desk = http_user(req);

    if (uplink_close_study(desk->options.uplink, http_param(req, "study"), err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "GET",
     .pattern = "/",
     .callers = HTTP_ANYONE,
     .handle = get_page,
     .flags = HTTP_PAGE | HTTP_NO_STORE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/assets/{name}",
     .callers = HTTP_ANYONE,
     .handle = get_asset,
     .flags = HTTP_PAGE | HTTP_QUIET},
    {.method = "GET",
     .pattern = "/desk/v1/state",
     .callers = HTTP_STAFF | HTTP_TOKEN,
     .rights = DESK_SEE,
     .handle = get_state,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    DESK_POST("/desk/v1/studies/{study}/close", DESK_WORK, post_close),
};

/* ---- who calls ---- */

static int
authorise(void *user, const char *bearer, struct http_caller *caller, struct err *err)
{
    struct desk *desk = user;
    int64_t session_ms = desk->options.session_ms;
    uint8_t sha256[DIGEST_BYTES];

    if (caller->kind != HTTP_TOKEN)
        return accounts_authorise(desk->book, session_ms > 0 ? session_ms : SESSION_MS, bearer,
                                  caller, err);
    if (token_digest(bearer, sha256, err) < 0)
        return -1;
    if (!secret_equal(sha256, desk->token_sha256, sizeof sha256))
        return err_set(err, ERR_DENIED, "not this desk's token");
    text_copy(caller->device, sizeof caller->device, "program");
    caller->rights = DESK_SEE;
    return 0;
}

/* For programs of whoever may read this folder. Made anew when it cannot be read. */
static int
make_token(struct desk *desk, struct err *err)
{
    char path[PATH_MAX], text[TOKEN_TEXT_BYTES];
    uint8_t *bytes = NULL;
    size_t n = 0;
    int rc = -1;

    snprintf(path, sizeof path, "%s/" TOKEN_FILE, desk->options.dir);
    if (durable_get_file(path, sizeof text - 1, &bytes, &n, err) == 0) {
        snprintf(text, sizeof text, "%.*s", (int)n, (const char *)bytes);
        rc = token_digest(text, desk->token_sha256, err);
    }
    if (rc < 0) {
        err_clear(err);
        token_new(text, desk->token_sha256);
        rc = durable_put_file(desk->options.dir, TOKEN_FILE, text, strlen(text), err);
    }
    secret_wipe(text, sizeof text);
    free(bytes);
    return rc;
}

static int
serve(struct desk *desk, struct err *err)
{
    const struct http_table tables[] = {
        {routes, ARRAY_LEN(routes), desk},
#define ROUTES(part) {part##_routes, part##_route_count, &desk->api},
#include "gateway/desk/parts.def"
#undef ROUTES
    };
    const struct place *place = &desk->place;
    struct http_options http = {.address = desk->options.address,
                                .port = desk->options.port,
                                .certificate =
                                    place->certificate[0] != '\0' ? place->certificate : NULL,
                                .key = place->key[0] != '\0' ? place->key : NULL,
                                .hosts = desk->options.hosts,
                                .connections_each = CONNECTIONS_EACH,
                                .name = "gateway/desk",
                                .staff_cookie = DESK_COOKIE,
                                .tables = tables,
                                .table_count = ARRAY_LEN(tables),
                                .authorise = authorise,
                                .authorise_user = desk};

    if (place->certificate[0] != '\0')
        desk->page_tls = page_tls_new(place->certificate, place->fingerprint);
    if (http_server_start(&http, &desk->server, err) < 0)
        return -1;
    if (desk->page_tls != NULL)
        page_tls_begin(desk->page_tls, desk->server);
    return 0;
}

static bool
is_asked(void *user, const char *study_uid)
{
    return book_is_asked(user, study_uid);
}

static void
begin_work(struct desk *desk)
{
    const struct desk_options *o = &desk->options;
    struct desk_link_options line = {.link_dir = o->link_dir,
                                     .url = o->reader_url,
                                     .lines = o->lines_path,
                                     .book = desk->book,
                                     .backoff_ms = o->backoff_ms > 0 ? o->backoff_ms : BACKOFF_MS,
                                     .backoff_max_ms = o->backoff_max_ms > 0 ? o->backoff_max_ms
                                                                             : BACKOFF_MAX_MS};

    desk_link_start(&line, &desk->link);
    look_start(o->spool, o->accept, desk->book, desk->audit, o->uplink, &desk->look);
    arrivals_start(o->spool, desk->book, o->uplink, o->serve, &desk->arrivals);
    if (o->serve != NULL)
        serve_ask_questions(o->serve, is_asked, desk->book);
}

static int
check_options(const struct desk_options *options, struct err *err)
{
    const char *phone = options->clinic_phone;

    if (phone != NULL && phone[0] != '\0' && !clinic_phone_is_valid(phone))
        return err_set(err, ERR_REJECT, "clinic_phone: 5 to 15 digits, perhaps a + before them");
    return 0;
}

static int
fetch_orders(struct desk *desk, struct err *err)
{
    const struct orders_sources_options o = {.book = desk->book,
                                             .folder = desk->options.orders_folder,
                                             .command = desk->options.orders_command,
                                             .every_ms = desk->options.orders_every_ms};

    if (orders_make_token(desk->options.dir, err) < 0)
        return -1;
    orders_sources_start(&o, &desk->orders);
    return 0;
}

static int
open_hl7(struct desk *desk, struct err *err)
{
    const struct desk_options *o = &desk->options;
    char *tls_dir = mem_printf("%s/tls", o->dir);
    const struct his_in_options in = {.book = desk->book,
                                      .address = o->hl7_address,
                                      .port = o->hl7_port,
                                      .peers = o->hl7_peers,
                                      .charset = o->hl7_charset,
                                      .facility = o->hl7_facility,
                                      .idle_ms = o->hl7_idle_ms,
                                      .tls_ca = o->hl7_tls_ca,
                                      .tls_certificate = o->hl7_tls_certificate,
                                      .tls_key = o->hl7_tls_key,
                                      .tls_dir = tls_dir};
    int rc = o->has_hl7_in ? his_in_start(&in, &desk->his_in, err) : 0;

    free(tls_dir);
    return rc;
}

static int
hand_over(struct desk *desk, struct err *err)
{
    const struct desk_options *o = &desk->options;
    struct his_out_options out = {
        .book = desk->book, .retry_ms = o->his_retry_ms, .retry_max_ms = o->his_retry_max_ms};

    if (o->his == NULL)
        return 0;
    out.settings = *o->his;
    desk->options.his = NULL; /* the caller's; the workers have copies */
    return his_out_start(&out, &desk->his_out, err);
}

/* Who changed what at the desk that somebody may ask after in fifteen years. */
static int
open_audit(struct desk *desk, struct err *err)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s/audit", desk->options.dir);
    if (audit_open(dir, "gateway", &desk->audit, err) < 0)
        return err_context(err, "the desk's audit log");
    return 0;
}

int
desk_start(const struct desk_options *options, struct desk **out_desk, struct err *err)
{
    struct desk *desk;
    int rc = -1;

    if (check_options(options, err) < 0)
        return -1;
    desk = mem_new(sizeof *desk);
    desk->options = *options;
    if (book_open(options->dir, options->clinic_phone != NULL ? options->clinic_phone : "",
                  &desk->book, err) < 0 ||
        place_find(options, &desk->place, err) < 0 || make_token(desk, err) < 0 ||
        open_audit(desk, err) < 0)
        goto out;
    if (fetch_orders(desk, err) < 0 || open_hl7(desk, err) < 0 || hand_over(desk, err) < 0)
        goto out;
    begin_work(desk);
    desk->api = (struct api){.book = desk->book,
                             .link = desk->link,
                             .options = &desk->options,
                             .his = desk->his_out,
                             .audit = desk->audit};
    if (serve(desk, err) < 0) {
        err_context(err, "the desk's page");
        goto out;
    }
    *out_desk = TAKE(desk);
    rc = 0;
out:
    desk_stop(&desk);
    return rc;
}

void
desk_offer_services(struct desk *desk)
{
    worklist_start(desk->book, desk->options.accept, &desk->worklist);
    mpps_start(desk->book, desk->options.accept, &desk->mpps);
}

void
desk_stop(struct desk **desk)
{
    struct desk *old = TAKE(*desk);

    if (old == NULL)
        return;
    if (old->options.serve != NULL)
        serve_ask_questions(old->options.serve, NULL, NULL);
    page_tls_end(old->page_tls);
    http_server_stop(&old->server);
    page_tls_free(&old->page_tls); /* answers under way asked it until now */
    his_in_stop(&old->his_in);
    look_stop(&old->look);
    desk_link_stop(&old->link);
    his_out_stop(&old->his_out);
    arrivals_stop(&old->arrivals);
    orders_sources_stop(&old->orders);
    worklist_stop(&old->worklist);
    mpps_stop(&old->mpps);
    book_close(&old->book);
    audit_close(&old->audit);
    free(old);
}

uint16_t
desk_port(const struct desk *desk)
{
    return http_server_port(desk->server);
}

uint16_t
desk_hl7_port(const struct desk *desk)
{
    return desk->his_in != NULL ? his_in_port(desk->his_in) : 0;
}

int
desk_account_code(const char *dir, char out_code[SLIP_TEXT_BYTES], struct err *err)
{
    struct book *book = NULL;
    int rc;

    if (book_open_beside(dir, &book, err) < 0)
        return -1;
    rc = accounts_first_code(book, out_code, err);
    book_close(&book);
    return rc;
}

int
desk_fingerprint(const char *dir, char out[96], struct err *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/tls/server.pem", dir);
    if (access(path, R_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "the desk made no certificate");
    return place_fingerprint(path, out, err);
}
