/* test_desk_access.c - who may call what at the desk, route by route; and where it may listen. */
#include "gateway/desk/api.h"
#include "gateway/desk/desk.h"
#include "gateway/desk/devices_api.h"
#include "gateway/desk/place.h"

#include "gateway/accept/accept.h"
#include "gateway/spool/spool.h"
#include "gateway/uplink/uplink.h"
#include "proto/base/durable.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/http/client.h"
#include "proto/trust/ca.h"
#include "tests/support/desk_site.h"
#include "tests/support/desk_visitor.h"
#include "tests/support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Every table of every part. */
#define REPORT(part, right)
#define ROUTES(part)                                                                               \
    extern const struct http_route part##_routes[];                                                \
    extern const size_t part##_route_count;
#include "gateway/desk/parts.def"
#undef ROUTES

static struct desk_site site;

static int
start(void **state)
{
    (void)state;
    log_set_fd(-1);
    desk_site_open(&site, "desk-access", NULL);
    desk_site_go_live(&site);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    desk_site_close(&site);
    return 0;
}

static int
ask(const char *method, const char *path, const char *const *headers, struct buf *out_body)
{
    struct http_call call = {.method = method,
                             .path = path,
                             .headers = headers,
                             .content_type = "application/json",
                             .body = "{}",
                             .body_n = strcmp(method, "GET") == 0 ? 0 : 2,
                             .answer_limit = 16 << 20};
    struct http_reply reply;
    struct err err;
    int status;

    if (http_client_call(site.client, &call, &reply, &err) < 0)
        fail_msg("%s %s: %s", method, path, err.text);
    status = reply.status;
    if (out_body != NULL) {
        buf_init(out_body, 16 << 20);
        buf_add(out_body, reply.body.bytes, reply.body.n);
    }
    http_reply_fini(&reply);
    return status;
}

/* "/desk/v1/x/{name}" > "/desk/v1/x/1". */
static void
fill(const char *pattern, char out[256])
{
    size_t n = 0;

    for (const char *p = pattern; *p != '\0' && n + 1 < 256; p++) {
        if (*p == '{') {
            p += strcspn(p, "}");
            out[n++] = '1';
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
}

static void
token_header(char out[128])
{
    char path[FOLDER_PATH_BYTES + 32];
    uint8_t *bytes = NULL;
    size_t n;
    struct err err;

    snprintf(path, sizeof path, "%s/token", site.desk_dir);
    assert_int_equal(durable_get_file(path, 100, &bytes, &n, &err), 0);
    snprintf(out, 128, "Authorization: Bearer %s", (const char *)bytes);
    free(bytes);
}

/* ---- who ---- */

/* Everybody who has not the right of a route is refused at its door. */
static void
check_route(const struct http_route *r, const struct desk_visitor *visitors)
{
    char path[256];

    fill(r->pattern, path);
    if (r->callers & HTTP_ANYONE) {
        bool is_door = strcmp(path, "/desk/v1/door") == 0 || strcmp(path, "/desk/v1/login") == 0 ||
                       strcmp(path, "/desk/v1/code") == 0;

        /* or it has a proof of its own */
        if (!is_door && ask(r->method, path, NULL, NULL) != 403)
            fail_msg("%s %s is open to anybody", r->method, r->pattern);
        return;
    }
    if (r->rights == 0)
        fail_msg("%s %s names no right", r->method, r->pattern);
    if (ask(r->method, path, NULL, NULL) != 401)
        fail_msg("%s %s answers who is not signed in", r->method, r->pattern);
    for (unsigned i = 0; i < DESK_ROLE_COUNT; i++) {
        const char *const without_word[] = {visitors[i].cookie, NULL};
        bool may = (desk_rights_of(1u << i) & r->rights) == r->rights;

        if (!may && ask(r->method, path, visitors[i].headers, NULL) != 403)
            fail_msg("%s %s answers a %s", r->method, r->pattern, desk_role_word(1u << i));
        if (strcmp(r->method, "GET") != 0 && ask(r->method, path, without_word, NULL) != 403)
            fail_msg("%s %s answers a page from elsewhere", r->method, r->pattern);
    }
}

static void
every_route_is_closed_to_who_has_not_its_right(void **state)
{
    static const struct {
        const struct http_route *routes;
        const size_t *count;
    } tables[] = {
#define ROUTES(part) {part##_routes, &part##_route_count},
#include "gateway/desk/parts.def"
#undef ROUTES
    };
    struct desk_visitor visitors[DESK_ROLE_COUNT];

    (void)state;
    for (unsigned i = 0; i < DESK_ROLE_COUNT; i++)
        desk_visit(site.desk_dir, 1u << i, &visitors[i]);
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = 0; i < *tables[t].count; i++)
            check_route(&tables[t].routes[i], visitors);
    assert_int_equal(ask("GET", "/desk/v1/state", NULL, NULL), 401);
    assert_int_equal(ask("POST", "/desk/v1/studies/1.2.3/close", NULL, NULL), 401);
}

static void
only_who_works_with_patients_is_told_of_them(void **state)
{
    struct desk_visitor technician, engineer;
    char token[128];
    const char *const program[] = {token, NULL};
    struct buf body;

    (void)state;
    desk_visit(site.desk_dir, DESK_TECHNICIAN, &technician);
    desk_visit(site.desk_dir, DESK_SERVICE, &engineer);
    token_header(token);
    assert_int_equal(ask("GET", "/desk/v1/state", technician.headers, &body), 200);
    assert_non_null(strstr(buf_text(&body), "\"registrations\""));
    buf_fini(&body);
    assert_int_equal(ask("GET", "/desk/v1/state", engineer.headers, &body), 200);
    assert_null(strstr(buf_text(&body), "\"registrations\""));
    assert_null(strstr(buf_text(&body), "\"reports\""));
    buf_fini(&body);
    assert_int_equal(ask("GET", "/desk/v1/state", program, &body), 200);
    assert_null(strstr(buf_text(&body), "\"registrations\""));
    buf_fini(&body);
    assert_int_equal(ask("GET", "/desk/v1/registrations", program, NULL), 403);
    token[strlen(token) - 1] ^= 1;
    assert_int_equal(ask("GET", "/desk/v1/state", program, NULL), 401);
}

/* ---- what an engineer does: devices_api.h ---- */

static int
tell(const char *path, const char *body, const struct desk_visitor *who)
{
    struct http_call call = {.method = "POST",
                             .path = path,
                             .headers = who->headers,
                             .content_type = "application/json",
                             .body = body,
                             .body_n = strlen(body)};
    struct http_reply reply;
    struct err err;
    int status;

    if (http_client_call(site.client, &call, &reply, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    status = reply.status;
    http_reply_fini(&reply);
    return status;
}

static bool
state_says(const struct desk_visitor *who, const char *wanted)
{
    struct buf body;
    bool is;

    assert_int_equal(ask("GET", "/desk/v1/state", who->headers, &body), 200);
    is = strstr(buf_text(&body), wanted) != NULL;
    buf_fini(&body);
    return is;
}

static void
an_engineer_enrols_changes_and_removes_a_device(void **state)
{
    static const char enrol[] =
        "{\"ae\":\"US_OLD\",\"address\":\"192.168.1.30\",\"name\":\"超声\"}";
    static const char change[] = "{\"ae\":\"US_OLD\",\"address\":\"192.168.1.30\",\"pdu_bytes\":"
                                 "16384,\"charset\":\"GB18030\"}";
    static const char where[] = "{\"ae\":\"US_OLD\",\"address\":\"192.168.1.30\"}";
    static const struct {
        const char *words;
        int status;
    } modalities[] = {{"CT", 204},    {"DX+CR", 204}, {"CT,DX", 204}, {"DR", 204},
                      {"CT/DX", 400}, {"XRAY", 400},  {"ct", 400},    {"", 204}};
    struct accept_device d;
    struct desk_visitor engineer;

    (void)state;
    desk_visit(site.desk_dir, DESK_SERVICE, &engineer);
    assert_int_equal(tell("/desk/v1/devices", enrol, &engineer), 204);
    assert_true(accept_find_device(site.door, "US_OLD", "192.168.1.30", &d));
    assert_true(state_says(&engineer, "\"security\":\"plain\""));
    assert_int_equal(tell("/desk/v1/devices", change, &engineer), 204);
    assert_true(accept_find_device(site.door, "US_OLD", "192.168.1.30", &d));
    assert_int_equal(d.pdu_bytes, 16384);
    assert_string_equal(d.name, "超声"); /* what was not said stays */
    assert_int_equal(tell("/desk/v1/devices", "{\"ae\":\"US_OLD\"}", &engineer), 400);
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++) {
        char body[128];

        snprintf(body, sizeof body,
                 "{\"ae\":\"US_OLD\",\"address\":\"192.168.1.30\",\"modality\":\"%s\"}",
                 modalities[i].words);
        assert_int_equal(tell("/desk/v1/devices", body, &engineer), modalities[i].status);
    }
    assert_int_equal(tell("/desk/v1/devices/remove", where, &engineer), 204);
    assert_false(accept_find_device(site.door, "US_OLD", "192.168.1.30", &d));
    assert_int_equal(tell("/desk/v1/devices/remove", where, &engineer), 404);
}

static void
the_installation_window_is_opened_and_closed_at_the_desk(void **state)
{
    struct accept_window window;
    struct desk_visitor engineer;

    (void)state;
    desk_visit(site.desk_dir, DESK_SERVICE, &engineer);
    assert_true(state_says(&engineer, "\"window\":{\"left_ms\":0,"));
    assert_int_equal(tell("/desk/v1/devices/window", "{\"is_open\":true}", &engineer), 204);
    accept_window_state(site.door, &window);
    assert_in_range(window.left_ms, 29 * 60 * 1000, ACCEPT_WINDOW_MS);
    assert_int_equal(tell("/desk/v1/devices/window", "{\"is_open\":false}", &engineer), 204);
    accept_window_state(site.door, &window);
    assert_int_equal(window.left_ms, 0);
    assert_int_equal(tell("/desk/v1/devices/window", "{}", &engineer), 400);
}

static void
what_no_target_refused_cannot_be_sent_again(void **state)
{
    struct desk_visitor engineer;

    (void)state;
    desk_visit(site.desk_dir, DESK_SERVICE, &engineer);
    assert_int_equal(tell("/desk/v1/targets/pacs/requeue", "{}", &engineer), 404);
    assert_int_equal(tell("/desk/v1/targets/pacs/leave", "{\"entry\":1}", &engineer), 404);
}

/* ---- where ---- */

static void
beyond_this_machine_the_desk_speaks_tls_or_not_at_all(void **state)
{
    static const char *const addresses[] = {"0.0.0.0", "::", "192.168.1.10", "10.0.0.1"};
    struct desk_options o = site.page;
    char its_dir[FOLDER_PATH_BYTES + 16];
    struct desk *other = NULL;
    struct err err;

    (void)state;
    snprintf(its_dir, sizeof its_dir, "%s/clear-desk", site.dir);
    o.dir = its_dir;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct place place;

        o.address = addresses[i];
        assert_int_equal(place_find(&o, &place, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, "desk_tls"));
        if (desk_start(&o, &other, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(desk_port(other), 0);
        assert_false(desk_try_again(other));
        desk_stop(&other);
    }
}

/* The rest of it, the worklist with the orders of the HIS, does not wait for a certificate. */
static void
a_desk_without_its_certificate_serves_nobody_until_it_has_one(void **state)
{
    struct desk_options o = site.page;
    char its_dir[FOLDER_PATH_BYTES + 16], pem[FOLDER_PATH_BYTES + 40], key[FOLDER_PATH_BYTES + 40],
        made[FOLDER_PATH_BYTES + 16];
    struct desk *other = NULL;
    struct ca *ca = NULL;
    struct err err;

    (void)state;
    snprintf(its_dir, sizeof its_dir, "%s/late-desk", site.dir);
    snprintf(made, sizeof made, "%s/late-tls", site.dir);
    snprintf(pem, sizeof pem, "%s/server.pem", made);
    snprintf(key, sizeof key, "%s/server.key", made);
    o.dir = its_dir;
    o.is_tls = true;
    o.certificate = pem;
    o.key = key;
    if (desk_start(&o, &other, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(desk_port(other), 0);
    assert_false(desk_try_again(other));

    assert_int_equal(ca_create(made, "Clinic", &err), 0);
    assert_int_equal(ca_open(made, &ca, &err), 0);
    assert_int_equal(ca_make_server(ca, made, "127.0.0.1", 100, &err), 0);
    ca_close(&ca);
    assert_true(desk_try_again(other));
    assert_int_not_equal(desk_port(other), 0);
    desk_stop(&other);
}

/* What is wrong beside the page is told by its lamp. */
static void
parts_that_do_not_run_have_a_red_lamp(void **state)
{
    static const char *const parts[] = {
        "\"part\":\"conf\"",  "line 3 is wrong", "\"part\":\"hl7\"",   "hl7_peers",
        "\"part\":\"audit\"", "corrupt/chain-",  "\"colour\":\"red\"", "\"part\":\"import_start\""};
    char broken[FOLDER_PATH_BYTES + 64];
    char header[128];
    const char *const headers[] = {header, NULL};
    struct desk_options before = site.page;
    struct buf body;
    struct err err;

    (void)state;
    desk_site_stop(&site);
    snprintf(broken, sizeof broken, "%s/audit/corrupt/chain-1", site.desk_dir);
    assert_int_equal(durable_mkdir(broken, &err), 0);
    site.page.conf_trouble = "line 3 is wrong";
    site.page.import_trouble = "items: Input/output error"; /* nobody tries again */
    site.page.has_hl7_in = true;
    site.page.hl7_address = "192.168.1.10";
    site.page.hl7_peers = site.page.hl7_charset = site.page.hl7_facility = "";
    desk_site_start(&site);

    token_header(header);
    assert_int_equal(ask("GET", "/desk/v1/state", headers, &body), 200);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(buf_text(&body), parts[i]) == NULL)
            fail_msg("%s is not in %.600s", parts[i], buf_text(&body));
    buf_fini(&body);
    desk_site_stop(&site);
    site.page = before;
    assert_int_equal(rmdir(broken), 0);
    desk_site_start(&site);

    assert_int_equal(ask("GET", "/desk/v1/state", headers, &body), 200);
    assert_null(strstr(buf_text(&body), "\"parts\""));
    buf_fini(&body);
}

static void
a_desk_over_tls_makes_its_certificate_once_and_tells_its_fingerprint(void **state)
{
    struct desk_options o = site.page;
    struct desk *other = NULL;
    struct http_client *browser = NULL;
    struct http_call call = {.method = "GET", .path = "/desk/v1/door"};
    struct http_client_options options = {0};
    char its_dir[FOLDER_PATH_BYTES + 16], ca[FOLDER_PATH_BYTES + 40], url[64];
    char first[96], again[96];
    struct http_reply reply;
    struct err err;

    (void)state;
    snprintf(its_dir, sizeof its_dir, "%s/tls-desk", site.dir);
    snprintf(ca, sizeof ca, "%s/tls/ca.pem", its_dir);
    o.dir = its_dir;
    o.address = "0.0.0.0";
    o.is_tls = true;
    assert_int_equal(desk_fingerprint(its_dir, first, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    if (desk_start(&o, &other, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(desk_fingerprint(its_dir, first, &err), 0);
    assert_int_equal(strlen(first), 32 * 3 - 1);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", desk_port(other));
    options.base_url = url;
    options.ca_file = ca;
    assert_int_equal(http_client_new(&options, &browser, &err), 0);
    if (http_client_call(browser, &call, &reply, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(reply.status, 200);
    http_reply_fini(&reply);
    http_client_free(&browser);
    desk_stop(&other);

    assert_int_equal(desk_start(&o, &other, &err), 0);
    assert_int_equal(desk_fingerprint(its_dir, again, &err), 0);
    assert_string_equal(first, again);
    desk_stop(&other);
}

static void
a_code_for_the_first_account_is_made_beside_a_desk_that_runs(void **state)
{
    char code[SLIP_TEXT_BYTES];
    struct err err;

    (void)state;
    if (desk_account_code(site.desk_dir, code, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(strlen(code), SLIP_TEXT_BYTES - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_closed_to_who_has_not_its_right),
        cmocka_unit_test(only_who_works_with_patients_is_told_of_them),
        cmocka_unit_test(an_engineer_enrols_changes_and_removes_a_device),
        cmocka_unit_test(the_installation_window_is_opened_and_closed_at_the_desk),
        cmocka_unit_test(what_no_target_refused_cannot_be_sent_again),
        cmocka_unit_test(beyond_this_machine_the_desk_speaks_tls_or_not_at_all),
        cmocka_unit_test(a_desk_without_its_certificate_serves_nobody_until_it_has_one),
        cmocka_unit_test(parts_that_do_not_run_have_a_red_lamp),
        cmocka_unit_test(a_desk_over_tls_makes_its_certificate_once_and_tells_its_fingerprint),
        cmocka_unit_test(a_code_for_the_first_account_is_made_beside_a_desk_that_runs),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
