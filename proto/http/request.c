/* request.c - which route, which caller, and what the caller wrote. */
#include "proto/http/server_parts.h"

#include "proto/base/clock.h"
#include "proto/base/text.h"
#include "proto/trust/digest.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void *
http_user(const struct http_request *req)
{
    return req->table->user;
}

const struct http_route *
http_route(const struct http_request *req)
{
    return req->route;
}

const struct http_caller *
http_caller(const struct http_request *req)
{
    return &req->caller;
}

const char *
http_method(const struct http_request *req)
{
    return req->method;
}

const char *
http_path(const struct http_request *req)
{
    return req->path;
}

const char *
http_peer(const struct http_request *req)
{
    return req->conn->peer;
}

/* Only one of ours is asked: who comes straight may write what he likes. */
static bool
has_proxy(const struct http_request *req)
{
    const struct http_options *o = &req->server->options;

    return req->server->unix_path != NULL ||
           (req->server->is_loopback && o->hosts != NULL && o->hosts[0] != '\0');
}

static enum MHD_Result
keep_last(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const char **last = user;

    (void)kind;
    if (strcasecmp(name, "X-Forwarded-For") == 0 && value != NULL)
        *last = value;
    return MHD_YES;
}

/* A proxy may add a line of its own behind those a caller sent: the last line is the proxy's. */
static void
forwarded_for(const struct http_request *req, const char **out_last)
{
    *out_last = NULL;
    MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, keep_last, out_last);
}

void
http_address(const struct http_request *req, char out[64])
{
    const char *peer = req->conn->peer, *end = strrchr(peer, ':');
    const char *told = NULL, *last;

    if (has_proxy(req))
        forwarded_for(req, &told);
    last = told != NULL ? strrchr(told, ',') : NULL;
    if (told != NULL) {
        last = last != NULL ? last + 1 : told;
        last += strspn(last, " ");
        if (last[0] != '\0' && strspn(last, "0123456789abcdefABCDEF.:") == strlen(last)) {
            snprintf(out, 64, "%s", last);
            return;
        }
    }
    snprintf(out, 64, "%.*s", end != NULL ? (int)(end - peer) : (int)strlen(peer), peer);
}

const char *
http_session(const struct http_request *req)
{
    return req->session;
}

const char *
http_id(const struct http_request *req)
{
    return req->id;
}

const char *
http_param(const struct http_request *req, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < req->param_count; i++)
        if (strncmp(req->params[i].name, name, n) == 0 && req->params[i].name[n] == '}')
            return req->params[i].value;
    CHECK(!"a name that is not in the pattern");
    return NULL;
}

const char *
http_query(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->query_count; i++)
        if (strcmp(req->queries[i].name, name) == 0)
            return req->queries[i].value;
    return NULL;
}

int
http_query_number(const struct http_request *req, const char *name, uint64_t max, uint64_t *out,
                  struct err *err)
{
    const char *text = http_query(req, name);
    uint64_t value = 0;

    if (text != NULL && text_to_u64(text, max, &value) < 0)
        return err_set(err, ERR_REJECT, "%s: a number up to %llu is due", name,
                       (unsigned long long)max);
    *out = value;
    return 0;
}

const char *
http_query_text(const struct http_request *req)
{
    return req->query;
}

size_t
http_query_count(const struct http_request *req)
{
    return req->query_count;
}

void
http_query_at(const struct http_request *req, size_t i, const char **out_name,
              const char **out_value)
{
    CHECK(i < req->query_count);
    *out_name = req->queries[i].name;
    *out_value = req->queries[i].value;
}

const char *
http_header(const struct http_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

const uint8_t *
http_body(const struct http_request *req, size_t *out_n)
{
    if (out_n != NULL)
        *out_n = req->body.n;
    return req->body.bytes != NULL ? req->body.bytes : (const uint8_t *)"";
}

void
http_state_set(struct http_request *req, void *state)
{
    req->state = state;
}

void *
http_state(const struct http_request *req)
{
    return req->state;
}

bool
http_is_gone(const struct http_request *req)
{
    struct pollfd p = {.fd = req->conn->fd, .events = POLLRDHUP};

    return req->server->is_stopping ||
           (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}

const char *
http_origin(const struct http_request *req)
{
    return req->origin;
}

bool
http_host_is_plain(const char *host)
{
    for (const char *p = host; *p != '\0'; p++)
        if (!isalnum((uint8_t)*p) && strchr(".:-[]_", *p) == NULL)
            return false;
    return host[0] != '\0' && strlen(host) < 128;
}

/* host:port is in a list "a.example,b.example". */
static bool
is_listed(const char *host, size_t n, const char *list)
{
    while (list != NULL && *list != '\0') {
        size_t k = strcspn(list, ",");

        if (k == n && strncasecmp(list, host, n) == 0)
            return true;
        list += k + (list[k] == ',');
    }
    return false;
}

bool
http_host_is_local(const char *host, const char *also)
{
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

    if (host[0] == '[' || strspn(host, "0123456789.") == n)
        return true;
    return is_listed(host, n, "localhost") || is_listed(host, n, also);
}

void
http_request_refuse(struct http_request *req, int status, const char *sentence)
{
    if (req->is_refused)
        return;
    req->is_refused = true;
    req->refusal = status;
    req->sentence = sentence;
}

/* ---- what two readers could read differently is refused (request smuggling) ---- */

struct header_counts {
    unsigned host, content_length, transfer_encoding, authorization;
};

static enum MHD_Result
count_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_counts *counts = cls;

    (void)kind;
    (void)value;
    counts->host += strcasecmp(name, "Host") == 0;
    counts->content_length += strcasecmp(name, "Content-Length") == 0;
    counts->transfer_encoding += strcasecmp(name, "Transfer-Encoding") == 0;
    counts->authorization += strcasecmp(name, "Authorization") == 0;
    return MHD_YES;
}

/* On a unix socket a proxy of ours is in front, and it says what the client spoke. */
static bool
is_https(struct http_request *req)
{
    const char *proto = http_header(req, "X-Forwarded-Proto");

    return req->server->is_tls ||
           (req->server->unix_path != NULL && proto != NULL && strcasecmp(proto, "https") == 0);
}

static void
settle_head(struct http_request *req)
{
    struct header_counts counts = {0};
    const char *host = http_header(req, "Host");
    const char *coding = http_header(req, "Transfer-Encoding");

    MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, count_header, &counts);
    if (counts.host > 1 || counts.content_length > 1 || counts.transfer_encoding > 1 ||
        counts.authorization > 1 || (counts.content_length > 0 && counts.transfer_encoding > 0) ||
        (coding != NULL && strcasecmp(coding, "chunked") != 0))
        http_request_refuse(req, 400, "The request's headers contradict each other.");
    else if (host != NULL && !http_host_is_plain(host))
        http_request_refuse(req, 400, "The Host header is not a host.");
    snprintf(req->origin, sizeof req->origin, "%s://%s", is_https(req) ? "https" : "http",
             host != NULL && http_host_is_plain(host) ? host : "localhost");
}

static void
settle_uri(struct http_request *req)
{
    char *p = req->uri;

    if (strncasecmp(p, "http://", 7) == 0 || strncasecmp(p, "https://", 8) == 0) {
        p = strstr(p, "://") + 3;
        p += strcspn(p, "/?");
    }
    req->path = p;
    p += strcspn(p, "?");
    req->query = p;
    if (*p == '?') {
        *p = '\0';
        req->query = p + 1;
    }
    if (req->path[0] != '/' || strchr(req->path, '#') != NULL) {
        http_request_refuse(req, 400, "The request's address cannot be understood.");
        return;
    }
    req->store = mem_new(strlen(req->path) + 1);
    req->query_store = mem_new(strlen(req->query) + 2);
    req->queries = mem_new(URL_MAX_QUERY * sizeof *req->queries);
    if (url_query(req->query, req->query_store, req->queries, &req->query_count) < 0) {
        req->query_count = 0;
        http_request_refuse(req, 400, "The request's address cannot be understood.");
    }
}

static bool
serves_method(const struct http_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* "GET, POST" of a path that exists under other methods. */
static void
allow(struct http_request *req, const char *method)
{
    size_t n = strlen(req->allow);

    snprintf(req->allow + n, sizeof req->allow - n, "%s%s", n > 0 ? ", " : "", method);
}

/* 1 found, 0 not in this table, -1 an address that cannot be decoded. */
static int
find_in(struct http_request *req, const struct http_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct http_route *route = &table->routes[i];
        int rc = url_match(route->pattern, req->path, req->store, req->params, &req->param_count);

        if (rc == 0)
            continue;
        if (!serves_method(route, req->method)) {
            allow(req, route->method);
            continue;
        }
        req->route = route;
        req->table = table;
        return rc;
    }
    return 0;
}

static void
settle_route(struct http_request *req)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < req->server->options.table_count; i++)
        rc = find_in(req, &req->server->tables[i]);
    if (rc < 0)
        http_request_refuse(req, 400, "The request's address cannot be understood.");
    else if (rc > 0)
        req->allow[0] = '\0';
    else if (req->allow[0] != '\0')
        http_request_refuse(req, 405, "This address does not serve that method.");
    else
        http_request_refuse(req, 404, err_kind_sentence(ERR_NOT_FOUND));
}

/* The token of an Authorization header, NULL if there is none. */
static const char *
bearer_of(struct http_request *req)
{
    const char *value = http_header(req, "Authorization");

    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
        return NULL;
    value += 7;
    return value + strspn(value, " ");
}

/* ---- sessions: a cookie, and the page's own word where something changes ---- */

#define SESSION_KINDS (HTTP_STAFF | HTTP_PATIENT)

struct cookie_search {
    const char *name, *value;
    unsigned count;
};

static enum MHD_Result
see_cookie(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct cookie_search *search = cls;

    (void)kind;
    if (strcmp(name, search->name) == 0) {
        search->value = value;
        search->count++;
    }
    return MHD_YES;
}

/* The cookie of a kind of caller that this route lets in; NULL: none. */
static const char *
cookie_of(struct http_request *req, enum http_caller_kind kind, const char *name)
{
    struct cookie_search search = {.name = name};

    if (!(req->route->callers & kind))
        return NULL;
    MHD_get_connection_values(req->mhd, MHD_COOKIE_KIND, see_cookie, &search);
    return search.count == 1 && search.value != NULL && search.value[0] != '\0' ? search.value
                                                                                : NULL;
}

static const char *
session_of(struct http_request *req, enum http_caller_kind *out_kind)
{
    const char *name = req->server->options.staff_cookie;
    const char *staff = cookie_of(req, HTTP_STAFF, name != NULL ? name : "rp_session");
    const char *patient = staff == NULL ? cookie_of(req, HTTP_PATIENT, "rp_patient") : NULL;

    *out_kind = staff != NULL ? HTTP_STAFF : HTTP_PATIENT;
    return staff != NULL ? staff : patient;
}

static void
settle_word(struct http_request *req)
{
    const char *word = http_header(req, "X-Radpost-CSRF");
    size_t n = strlen(req->caller.csrf);

    if (!(req->caller.kind & SESSION_KINDS) || strcmp(req->method, "GET") == 0 ||
        strcmp(req->method, "HEAD") == 0)
        return;
    if (n == 0 || word == NULL || strlen(word) != n || !secret_equal(word, req->caller.csrf, n))
        http_request_refuse(req, 403, "The page's own word is missing: load the page again.");
}

static void
refuse_unproved(struct http_request *req)
{
    if (req->route->callers & SESSION_KINDS)
        http_request_refuse(req, 401, "Please sign in.");
    else if (req->route->callers & HTTP_TOKEN)
        http_request_refuse(req, 401, "A bearer token is due.");
    else
        http_request_refuse(req, 403, "A client certificate is due: enrol first.");
}

static void
ask_authorise(struct http_request *req, const char *bearer)
{
    struct http_server *server = req->server;
    struct err err = {0};

    if (server->options.authorise == NULL) {
        if (req->caller.kind == HTTP_TOKEN || req->caller.kind & SESSION_KINDS)
            http_request_refuse(req, 401, "Tokens and sessions are not known here.");
        else
            req->caller.rights = ~0u;
    } else if (server->options.authorise(server->options.authorise_user, bearer, &req->caller,
                                         &err) < 0) {
        req->err = err;
        req->is_refused = true;
        if (err.kind == ERR_DENIED && req->caller.kind == HTTP_TOKEN)
            req->refusal = 401, req->sentence = "The token is not known, or its time is over.";
        else if (err.kind == ERR_DENIED && (req->caller.kind & SESSION_KINDS))
            req->refusal = 401, req->sentence = "The session has ended: please sign in.";
        else if (err.kind == ERR_DENIED)
            req->refusal = 403, req->sentence = "This device is not permitted any more.";
    }
}

/* Who proves nothing is trusted for being on this machine, and a browser here may be led by a page
 * from elsewhere: under a name, never under our address. With TLS the name must be the
 * certificate's. */
static void
settle_place(struct http_request *req)
{
    const char *host = http_header(req, "Host");

    if (host != NULL && req->server->is_loopback && !req->server->is_tls &&
        !http_host_is_local(host, req->server->options.hosts))
        http_request_refuse(req, 421, "This server is reached by its address only.");
}

static void
settle_caller(struct http_request *req)
{
    const struct http_route *route = req->route;
    struct http_conn *conn = req->conn;
    enum http_caller_kind session_kind;
    const char *bearer = bearer_of(req), *session = session_of(req, &session_kind);

    req->caller.kind = HTTP_ANYONE;
    if (route->callers & HTTP_ANYONE) {
        settle_place(req);
        return;
    }
    if (conn->peer_state == HTTP_PEER_GOOD && (route->callers & conn->certificate.kind))
        req->caller = conn->certificate;
    else if (session != NULL) {
        req->caller.kind = session_kind;
        req->session = session;
    } else if ((route->callers & HTTP_TOKEN) && bearer != NULL)
        req->caller.kind = HTTP_TOKEN;
    else if (conn->peer_state == HTTP_PEER_GOOD && !(route->callers & SESSION_KINDS))
        http_request_refuse(req, 403, "A certificate of this kind may not do this.");
    else
        refuse_unproved(req);
    if (req->is_refused)
        return;
    ask_authorise(req, req->caller.kind == HTTP_TOKEN     ? bearer
                       : req->caller.kind & SESSION_KINDS ? session
                                                          : NULL);
    if (!req->is_refused)
        settle_word(req);
    if (!req->is_refused && (req->caller.rights & route->rights) != route->rights)
        http_request_refuse(req, 403, "The caller has no right to do this.");
}

static void
settle_body(struct http_request *req)
{
    const char *length = http_header(req, "Content-Length");
    uint64_t n = length != NULL ? strtoull(length, NULL, 10) : 0;

    if (n > req->route->body_limit)
        http_request_refuse(req, 413, "The body is longer than this address takes.");
    buf_init(&req->body, req->route->on_body == NULL ? req->route->body_limit + 1 : 0);
}

static void
begin(struct http_request *req)
{
    req->has_begun = true;
    if (req->route->begin != NULL && req->route->begin(req, &req->err) < 0)
        req->is_refused = true;
}

void
http_request_settle(struct http_request *req)
{
    static void (*const steps[])(struct http_request *) = {
        settle_head, settle_uri, settle_route, settle_caller, settle_body, begin,
    };

    http_peer_settle(req->conn, req->mhd);
    if (req->conn->peer_state == HTTP_PEER_BAD) {
        struct log_ctx log = req->server->log;

        log.peer = req->conn->peer;
        LOG(&log, HTTP_CERTIFICATE_REFUSED, F_WORD("why", req->conn->peer_words));
        http_request_refuse(req, 403, req->conn->peer_words);
    }
    for (size_t i = 0; i < ARRAY_LEN(steps) && !req->is_refused; i++)
        steps[i](req);
}
