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
#include "gateway/desk/parts_lamp.h"
#include "gateway/desk/place.h"
#include "gateway/desk/report.h"
#include "gateway/desk/worklist.h"
#include "gateway/import/import.h"
#include "gateway/serve/serve.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/embed.h"
#include "proto/base/log.h"
#include "proto/base/reserve.h"
#include "proto/base/text.h"
#include "proto/base/thread.h"
#include "proto/http/server.h"
#include "proto/link/clinic.h"
#include "proto/trust/audit.h"
#include "proto/trust/digest.h"
#include "proto/trust/token.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "gateway/desk/desk_events.def"
#undef LOG_EVENT

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
enum { RESERVE_BYTES = 4 << 20, PIECE_BYTES = 1 << 20 }; /* reserve.h */
#define TOKEN_FILE "token"

struct desk {
    struct desk_options options;
    struct book *book;
    struct desk_link *link;
    struct look *look;
    struct arrivals *arrivals;
    struct orders_sources *orders;
    struct his_in *_Atomic his_in; /* NULL: none, or not yet */
    struct his_out *his_out;
    struct worklist *worklist;
    struct mpps *mpps;
    struct audit *audit;
    struct api api;
    struct place place;
    uint8_t token_sha256[DIGEST_BYTES];
    struct http_server *server;
    struct page_tls *page_tls; /* NULL: served in the clear */
    char audit_dir[PATH_MAX];
    char page_trouble[PART_TROUBLE_BYTES]; /* the owner's thread's */
    struct gate gate;                      /* for the next */
    struct desk_troubles troubles;         /* those that the desk itself finds */
};

static const struct log_ctx ctx = {.stage = "gateway/desk"};

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
    const struct his_in *in = atomic_load(&desk->his_in);

    if (accept_tls_is_stale(desk->options.accept))
        return "dicom";
    if (in != NULL && his_in_is_stale(in))
        return "hl7";
    return desk->page_tls != NULL && page_tls_is_stale(desk->page_tls) ? "page" : NULL;
}

static void
copy_trouble(struct desk_troubles *t, enum desk_part part, const char *text)
{
    if (text != NULL && text[0] != '\0')
        text_copy(t->of[part], sizeof t->of[part], text);
}

/* Of the desk, and of those beside it. */
static void
find_troubles(struct desk *desk, struct desk_troubles *out)
{
    const struct desk_options *o = &desk->options;
    struct err aside;

    gate_lock(&desk->gate);
    *out = desk->troubles;
    gate_unlock(&desk->gate);
    copy_trouble(out, PART_CONF, o->conf_trouble);
    copy_trouble(out, PART_COMMIT, o->commit_trouble);
    accept_tls_trouble(o->accept, out->of[PART_DICOM_TLS]);
    if (o->import != NULL)
        import_drop_trouble(o->import, out->of[PART_IMPORT]);
    copy_trouble(out, PART_IMPORT_START, o->import_trouble);
    if (audit_check_aside(desk->audit_dir, &aside) < 0)
        copy_trouble(out, PART_AUDIT, aside.text);
}

static int
get_state(struct http_request *req, struct http_response *res, struct err *err)
{
    struct desk *desk = http_user(req);
    uint64_t change = wait_for_change(desk, req);
    const char *which = http_query(req, "studies");
    struct desk_troubles troubles;
    char print[96] = "";
    struct report_sources sources = {.options = &desk->options,
                                     .book = desk->book,
                                     .link = desk->link,
                                     .orders = desk->orders,
                                     .rights = http_caller(req)->rights,
                                     .fingerprint = print,
                                     .stale = stale_door(desk),
                                     .troubles = &troubles,
                                     .is_everything = which != NULL && strcmp(which, "all") == 0};
    struct buf report;
    int rc;

    if (desk->page_tls != NULL)
        page_tls_fingerprint(desk->page_tls, print);
    find_troubles(desk, &troubles);
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
    struct place *place = &desk->place;
    struct http_options http = {.address = desk->options.address,
                                .port = desk->options.port,
                                .hosts = desk->options.hosts,
                                .connections_each = CONNECTIONS_EACH,
                                .name = "gateway/desk",
                                .staff_cookie = DESK_COOKIE,
                                .tables = tables,
                                .table_count = ARRAY_LEN(tables),
                                .authorise = authorise,
                                .authorise_user = desk};

    if (place_find(&desk->options, place, err) < 0)
        return -1;
    if (place->certificate[0] != '\0') {
        http.certificate = place->certificate;
        http.key = place->key;
        desk->page_tls = page_tls_new(place->certificate, place->fingerprint);
    }
    if (http_server_start(&http, &desk->server, err) < 0) {
        page_tls_free(&desk->page_tls);
        return -1;
    }
    if (desk->page_tls != NULL)
        page_tls_begin(desk->page_tls, desk->server);
    return 0;
}

static void
tell_parts(void *user, char out[PART_WORDS_BYTES])
{
    struct desk_troubles troubles;

    find_troubles(user, &troubles);
    parts_words(&troubles, out);
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
                                     .backoff_max_ms =
                                         o->backoff_max_ms > 0 ? o->backoff_max_ms : BACKOFF_MAX_MS,
                                     .parts = tell_parts,
                                     .parts_user = desk};

    desk_link_start(&line, &desk->link);
    look_start(o->spool, o->accept, desk->book, desk->audit, o->uplink, &desk->look);
    arrivals_start(o->spool, desk->book, o->uplink, o->serve, &desk->arrivals);
    if (o->serve != NULL)
        serve_ask_questions(o->serve, is_asked, desk->book);
}

/* Said once, and again when it is another trouble. why NULL: it runs. */
static void
tell_part(char trouble[PART_TROUBLE_BYTES], const char *part, const struct err *why)
{
    const char *text = why != NULL ? why->text : "";

    if (strcmp(trouble, text) == 0)
        return;
    if (why != NULL)
        LOG(&ctx, DESK_PART_AWAY, F_WORD("part", part), F_ERR(why));
    else
        LOG(&ctx, DESK_PART_BACK, F_WORD("part", part));
    text_copy(trouble, PART_TROUBLE_BYTES, text);
}

static void
tell(struct desk *desk, enum desk_part part, const struct err *why)
{
    gate_lock(&desk->gate);
    tell_part(desk->troubles.of[part], desk_part_word(part), why);
    gate_unlock(&desk->gate);
}

/* The doctor is told of none then, and nothing else is lost. */
static const char *
phone_of(struct desk *desk)
{
    const char *phone = desk->options.clinic_phone;
    struct err err;

    if (phone == NULL || phone[0] == '\0' || clinic_phone_is_valid(phone))
        return phone != NULL ? phone : "";
    err_set(&err, ERR_REJECT, "clinic_phone: 5 to 15 digits, perhaps a + before them");
    tell(desk, PART_CONF, &err);
    return "";
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

static bool
open_hl7(struct desk *desk)
{
    const struct desk_options *o = &desk->options;
    char *tls_dir = mem_printf("%s/tls", o->dir);
    const struct his_in_options options = {.book = desk->book,
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
    struct his_in *in = NULL;
    struct err err;
    int rc = his_in_start(&options, &in, &err);

    if (rc == 0)
        atomic_store(&desk->his_in, in);
    tell(desk, PART_HL7, rc < 0 ? &err : NULL);
    free(tls_dir);
    return rc == 0;
}

static void
hand_over(struct desk *desk)
{
    const struct desk_options *o = &desk->options;
    struct his_out_options out = {
        .book = desk->book, .retry_ms = o->his_retry_ms, .retry_max_ms = o->his_retry_max_ms};
    struct err err;

    if (o->his == NULL)
        return;
    out.settings = *o->his;
    desk->options.his = NULL; /* the caller's; the workers have copies */
    if (his_out_start(&out, &desk->his_out, &err) < 0)
        tell(desk, PART_HIS, &err);
}

/* Who changed what at the desk that somebody may ask after in fifteen years. */
static int
open_audit(struct desk *desk, struct err *err)
{
    snprintf(desk->audit_dir, sizeof desk->audit_dir, "%s/audit", desk->options.dir);
    if (audit_open(desk->audit_dir, "gateway", &desk->audit, err) < 0)
        return err_context(err, "the desk's audit log");
    return 0;
}

/* On a disk that others filled its file takes a little of the reserve to be opened: people see at
 * the desk that the disk is full. */
static int
open_book(struct desk *desk, struct err *err)
{
    const char *dir = desk->options.dir, *phone = phone_of(desk);
    int rc;

    while ((rc = book_open(dir, phone, &desk->book, err)) < 0 && reserve_give(dir, PIECE_BYTES))
        err_clear(err);
    return rc;
}

int
desk_start(const struct desk_options *options, struct desk **out_desk, struct err *err)
{
    struct desk *desk = mem_new(sizeof *desk);
    int rc = -1;

    gate_init(&desk->gate);
    desk->options = *options;
    if (open_book(desk, err) < 0 || make_token(desk, err) < 0 || open_audit(desk, err) < 0 ||
        fetch_orders(desk, err) < 0)
        goto out;
    hand_over(desk);
    begin_work(desk);
    desk->api = (struct api){.book = desk->book,
                             .link = desk->link,
                             .options = &desk->options,
                             .his = desk->his_out,
                             .audit = desk->audit};
    reserve_make(options->dir, RESERVE_BYTES);
    (void)desk_try_again(desk);
    *out_desk = TAKE(desk);
    rc = 0;
out:
    desk_stop(&desk);
    return rc;
}

bool
desk_try_again(struct desk *desk)
{
    bool has_hl7 = !desk->options.has_hl7_in || atomic_load(&desk->his_in) != NULL;
    struct err err;
    int rc = 0;

    if (!has_hl7)
        has_hl7 = open_hl7(desk);
    if (desk->server == NULL) {
        rc = serve(desk, &err);
        tell_part(desk->page_trouble, "page", rc < 0 ? &err : NULL);
    }
    return has_hl7 && rc == 0;
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
    struct his_in *in;

    if (old == NULL)
        return;
    if (old->options.serve != NULL)
        serve_ask_questions(old->options.serve, NULL, NULL);
    page_tls_end(old->page_tls);
    http_server_stop(&old->server);
    page_tls_free(&old->page_tls); /* answers under way asked it until now */
    in = atomic_exchange(&old->his_in, NULL);
    his_in_stop(&in);
    look_stop(&old->look);
    desk_link_stop(&old->link);
    his_out_stop(&old->his_out);
    arrivals_stop(&old->arrivals);
    orders_sources_stop(&old->orders);
    worklist_stop(&old->worklist);
    mpps_stop(&old->mpps);
    book_close(&old->book);
    audit_close(&old->audit);
    gate_fini(&old->gate);
    free(old);
}

uint16_t
desk_port(const struct desk *desk)
{
    return desk->server != NULL ? http_server_port(desk->server) : 0;
}

uint16_t
desk_hl7_port(const struct desk *desk)
{
    const struct his_in *in = atomic_load(&desk->his_in);

    return in != NULL ? his_in_port(in) : 0;
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
