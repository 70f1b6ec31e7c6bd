/* accounts_api.c - the desk's routes about accounts: sign-in and out, who am I, one's own password,
 * one-time codes; and for administrators everybody else's. */
#include "gateway/desk/accounts.h"
#include "gateway/desk/api.h"
#include "gateway/desk/calls.h"

#include "proto/base/text.h"
#include "proto/http/url.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WRONG "Login or password is not right."
#define NO_CODE "This code is not known, was used, or its time is over."
#define TOO_MANY "Too many wrong tries: please wait."

enum { CALLS_LOOKED_AT = 100, JSON_BYTES = 16384, LIST_BYTES = 1 << 20, TEXT_BYTES = 1025 };

static struct book *
book_of(const struct http_request *req)
{
    const struct api *api = http_user(req);

    return api->book;
}

/* A form of another site cannot say that it is JSON. */
static int
read_json(struct http_request *req, struct json_doc **out_doc, struct err *err)
{
    const char *header = http_header(req, "Content-Type");
    char type[64];

    if (header == NULL || !url_header_value(header, type, sizeof type) ||
        strcmp(type, "application/json") != 0)
        return err_set(err, ERR_REJECT, "the body is not sent as application/json");
    return api_read_body(req, out_doc, err);
}

static void
answer_json(struct http_response *res, int status, struct buf *json)
{
    http_answer_buf(res, status, "application/json", json);
    buf_fini(json);
}

static void
answer_wait(struct http_response *res, int64_t wait_s)
{
    char wait[24];

    snprintf(wait, sizeof wait, "%lld", (long long)wait_s);
    http_answer_header(res, "Retry-After", wait);
    http_answer_refusal(res, 429, TOO_MANY);
}

/* ---- sessions ---- */

/* TLS ends here, or at a proxy before us that does not say it was spoken to in the clear. */
static bool
is_over_tls(const struct http_request *req)
{
    const char *proto = http_header(req, "X-Forwarded-Proto");

    if (strncmp(http_origin(req), "https:", 6) == 0)
        return true;
    return http_header(req, "X-Forwarded-For") != NULL &&
           (proto == NULL || strcasecmp(proto, "http") != 0);
}

static void
set_cookie(const struct http_request *req, struct http_response *res, const char *value)
{
    char text[256];

    snprintf(text, sizeof text, DESK_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", value,
             is_over_tls(req) ? "; Secure" : "", value[0] == '\0' ? "; Max-Age=0" : "");
    http_answer_header(res, "Set-Cookie", text);
}

static void
write_account(struct jsonw *w, const struct account *a)
{
    jsonw_text(w, "login", a->login);
    jsonw_text(w, "name", a->name);
    jsonw_array(w, "roles");
    for (unsigned i = 0; i < DESK_ROLE_COUNT; i++)
        if (a->roles & 1u << i)
            jsonw_text(w, NULL, desk_role_word(1u << i));
    jsonw_end(w);
}

static void
answer_me(struct http_response *res, const struct account *a, const char *csrf)
{
    unsigned rights = desk_rights_of(a->roles);
    struct buf json;
    struct jsonw w;

    buf_init(&json, JSON_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_object(&w, "user");
    write_account(&w, a);
    jsonw_bool(&w, "may_work", (rights & DESK_WORK) != 0);
    jsonw_bool(&w, "may_engineer", (rights & DESK_ENGINEER) != 0);
    jsonw_bool(&w, "may_discard", (rights & DESK_DISCARD) != 0);
    jsonw_bool(&w, "may_admin", (rights & DESK_ADMIN) != 0);
    jsonw_end(&w);
    jsonw_text(&w, "csrf", csrf);
    jsonw_end(&w);
    answer_json(res, 200, &json);
}

static void
answer_session(const struct http_request *req, struct http_response *res,
               struct account_session *session)
{
    set_cookie(req, res, session->cookie);
    answer_me(res, &session->account, session->csrf);
    secret_wipe(session, sizeof *session);
}

static int
post_login(struct http_request *req, struct http_response *res, struct err *err)
{
    struct account_proof proof;
    struct account_session session;
    struct json_doc *doc = NULL;
    char login[TEXT_BYTES], address[64];
    int64_t wait_s = 0;
    int rc = -1;

    http_address(req, address);
    proof = (struct account_proof){.login = login, .address = address};
    if (read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "password", TEXT_BYTES - 1, &proof.password, err) < 0)
        goto out;
    if (!api_take_text(json_root(doc), "login", login, sizeof login))
        login[0] = '\0';
    rc = accounts_sign_in(book_of(req), &proof, &session, &wait_s, err);
    if (rc == 0) {
        answer_session(req, res, &session);
    } else if (wait_s > 0 || err->kind == ERR_DENIED) {
        rc = 0;
        if (wait_s > 0)
            answer_wait(res, wait_s);
        else
            http_answer_refusal(res, 401, WRONG);
    }
out:
    json_free(&doc);
    return rc;
}

static int
post_logout(struct http_request *req, struct http_response *res, struct err *err)
{
    if (accounts_sign_out(book_of(req), http_session(req), err) < 0)
        return -1;
    set_cookie(req, res, "");
    http_answer_empty(res, 204);
    return 0;
}

static int
get_me(struct http_request *req, struct http_response *res, struct err *err)
{
    struct account account;

    if (accounts_find(book_of(req), http_caller(req)->device, &account, err) < 0)
        return -1;
    answer_me(res, &account, http_caller(req)->csrf);
    return 0;
}

static int
post_password(struct http_request *req, struct http_response *res, struct err *err)
{
    struct account_proof old = {.login = http_caller(req)->device};
    struct json_doc *doc = NULL;
    char address[64];
    const char *password;
    int64_t wait_s = 0;
    int rc = -1;

    http_address(req, address);
    old.address = address;
    if (read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "old", TEXT_BYTES - 1, &old.password, err) < 0 ||
        json_text(json_root(doc), "new", TEXT_BYTES - 1, &password, err) < 0)
        goto out;
    rc = accounts_change_password(book_of(req), &old, password, &wait_s, err);
    if (rc == 0) {
        set_cookie(req, res, "");
        http_answer_empty(res, 204);
    } else if (wait_s > 0) {
        answer_wait(res, wait_s);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

/* ---- before anybody is signed in ---- */

/* Critical calls that nobody has heard: they sound also where nobody is signed in. */
static int
count_sounding(struct book *book, size_t *out, struct err *err)
{
    struct desk_call *calls = NULL;
    size_t n = 0;

    if (calls_list(book, CALLS_LOOKED_AT, &calls, &n, err) < 0)
        return -1;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out += calls[i].is_critical && calls[i].heard_at_us == 0;
    free(calls);
    return 0;
}

/* What a page may know that nobody signed in at: nothing of a patient. */
static int
get_door(struct http_request *req, struct http_response *res, struct err *err)
{
    struct buf json;
    struct jsonw w;
    size_t sounding = 0;
    bool any = false;

    if (accounts_any(book_of(req), &any, err) < 0 ||
        count_sounding(book_of(req), &sounding, err) < 0)
        return -1;
    buf_init(&json, JSON_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "has_accounts", any);
    jsonw_uint(&w, "sounding", sounding);
    jsonw_end(&w);
    answer_json(res, 200, &json);
    return 0;
}

static const char *
text_or_null(const struct json *o, const char *key)
{
    const char *text = json_as_text(json_find(o, key));

    return text != NULL && text[0] != '\0' && strlen(text) < TEXT_BYTES ? text : NULL;
}

/* {code, password} of an invitation; with {login, name} for the first account. */
static int
post_code(struct http_request *req, struct http_response *res, struct err *err)
{
    struct account_start start = {0};
    struct account_session session;
    struct json_doc *doc = NULL;
    char address[64];
    int64_t wait_s = 0;
    int rc = -1;

    http_address(req, address);
    start.address = address;
    if (read_json(req, &doc, err) < 0 ||
        json_text(json_root(doc), "code", SLIP_TYPED_BYTES, &start.code, err) < 0 ||
        json_text(json_root(doc), "password", TEXT_BYTES - 1, &start.password, err) < 0)
        goto out;
    start.login = text_or_null(json_root(doc), "login");
    start.name = text_or_null(json_root(doc), "name");
    rc = accounts_redeem(book_of(req), &start, &session, &wait_s, err);
    if (rc == 0) {
        answer_session(req, res, &session);
    } else if (wait_s > 0 || err->kind == ERR_DENIED) {
        rc = 0;
        if (wait_s > 0)
            answer_wait(res, wait_s);
        else
            http_answer_refusal(res, 403, NO_CODE);
    } else if (err->kind == ERR_REJECT) {
        struct api_fault fault = {"password", "password", err->text};

        if (strncmp(err->text, "login", 5) == 0)
            fault.field = fault.word = "login";
        else if (strncmp(err->text, "name", 4) == 0)
            fault.field = fault.word = "name";
        api_answer_fault(req, res, 400, &fault);
        rc = 0;
    }
out:
    json_free(&doc);
    return rc;
}

/* ---- administration ---- */

static int
get_accounts(struct http_request *req, struct http_response *res, struct err *err)
{
    struct account *list = NULL;
    struct buf json;
    struct jsonw w;
    size_t n = 0;

    if (accounts_list(book_of(req), &list, &n, err) < 0)
        return -1;
    buf_init(&json, LIST_BYTES);
    jsonw_init(&w, &json);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "accounts");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(&w, NULL);
        write_account(&w, &list[i]);
        jsonw_bool(&w, "has_password", list[i].has_password);
        jsonw_bool(&w, "is_disabled", list[i].is_disabled);
        jsonw_int(&w, "made_us", list[i].made_at_us);
        jsonw_int(&w, "signed_in_us", list[i].signed_in_at_us);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    answer_json(res, 200, &json);
    free(list);
    return 0;
}

/* The code is in this answer, nowhere else. */
static void
answer_code(struct http_response *res, int status, char code[SLIP_TEXT_BYTES])
{
    struct buf json;

    buf_init(&json, 256);
    buf_add_printf(&json, "{\"code\":\"%s\"}", code);
    answer_json(res, status, &json);
    secret_wipe(code, SLIP_TEXT_BYTES);
}

static unsigned
read_roles(const struct json *o)
{
    const struct json *list = json_find(o, "roles");
    unsigned roles = 0;

    for (size_t i = 0; i < json_length(list); i++) {
        const char *word = json_as_text(json_at(list, i));
        unsigned role = word != NULL ? desk_role_of(word) : 0;

        if (role == 0)
            return 0;
        roles |= role;
    }
    return roles;
}

static int
post_account(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct api_fault fault = {"login", "account", "login, name and roles are due"};
    struct account a = {0};
    char code[SLIP_TEXT_BYTES];
    struct json_doc *doc = NULL;
    int rc;

    if (read_json(req, &doc, err) < 0)
        return -1;
    a.roles = read_roles(json_root(doc));
    rc = api_take_text(json_root(doc), "login", a.login, sizeof a.login) &&
                 api_take_text(json_root(doc), "name", a.name, sizeof a.name)
             ? accounts_invite(book_of(req), http_caller(req)->device, &a, code, err)
             : err_set(err, ERR_REJECT, "login or name: too long");
    if (rc == 0) {
        answer_code(res, 201, code);
    } else if (err->kind == ERR_REJECT) {
        api_answer_fault(req, res, 400, &fault);
        rc = 0;
    }
    json_free(&doc);
    return rc;
}

static int
post_reset(struct http_request *req, struct http_response *res, struct err *err)
{
    char code[SLIP_TEXT_BYTES];

    if (accounts_reset(book_of(req), http_caller(req)->device, http_param(req, "login"), code,
                       err) < 0)
        return -1;
    answer_code(res, 200, code);
    return 0;
}

static int
disable(struct http_request *req, struct http_response *res, bool is_disabled, struct err *err)
{
    if (accounts_disable(book_of(req), http_caller(req)->device, http_param(req, "login"),
                         is_disabled, err) < 0)
        return -1;
    http_answer_empty(res, 204);
    return 0;
}

static int
post_disable(struct http_request *req, struct http_response *res, struct err *err)
{
    return disable(req, res, true, err);
}

static int
post_enable(struct http_request *req, struct http_response *res, struct err *err)
{
    return disable(req, res, false, err);
}

static int
post_roles(struct http_request *req, struct http_response *res, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc;

    if (read_json(req, &doc, err) < 0)
        return -1;
    rc = accounts_set_roles(book_of(req), http_caller(req)->device, http_param(req, "login"),
                            read_roles(json_root(doc)), err);
    if (rc == 0)
        http_answer_empty(res, 204);
    json_free(&doc);
    return rc;
}

#define OPEN(path, function)                                                                       \
    {                                                                                              \
        .method = "POST", .pattern = path, .callers = HTTP_ANYONE, .body_limit = JSON_BYTES,       \
        .handle = function, .flags = HTTP_NO_STORE                                                 \
    }

const struct http_route accounts_routes[] = {
    {.method = "GET",
     .pattern = "/desk/v1/door",
     .callers = HTTP_ANYONE,
     .handle = get_door,
     .flags = HTTP_NO_STORE | HTTP_QUIET},
    OPEN("/desk/v1/login", post_login),
    OPEN("/desk/v1/code", post_code),
    DESK_POST("/desk/v1/logout", DESK_SEE, post_logout),
    DESK_GET("/desk/v1/me", DESK_SEE, get_me),
    DESK_POST("/desk/v1/password", DESK_SEE, post_password),
    DESK_GET("/desk/v1/accounts", DESK_ADMIN, get_accounts),
    DESK_POST("/desk/v1/accounts", DESK_ADMIN, post_account),
    DESK_POST("/desk/v1/accounts/{login}/reset", DESK_ADMIN, post_reset),
    DESK_POST("/desk/v1/accounts/{login}/disable", DESK_ADMIN, post_disable),
    DESK_POST("/desk/v1/accounts/{login}/enable", DESK_ADMIN, post_enable),
    DESK_POST("/desk/v1/accounts/{login}/roles", DESK_ADMIN, post_roles),
};
const size_t accounts_route_count = ARRAY_LEN(accounts_routes);
