/* server.h - an HTTP/1.1 server, plain, over TLS with client certificates, or on a unix socket.
 *
 * A service gives tables of routes; each route says who may call it, and nothing of a route runs
 * before that is settled. Each connection has a thread, so handlers may block (a query, a long
 * poll of half a minute); LIMIT_HTTP_CONNECTIONS bounds them.
 *
 *     request line, headers > caller settled > begin() > body: collected, or on_body() as it
 *     comes > handle() > the answer leaves > end()
 *
 * 1. For each request: at most one answer; end() runs exactly once if begin() (or, without one,
 *    handle()) ran, whatever happened in between.
 * 2. A client certificate that our CA did not sign, or that is out of its time, is refused on every
 *    route before anything else.
 * 3. A client that does not finish its headers, sends its body at a trickle or does not take its
 *    answer is cut off (LIMIT_MS_HTTP_IDLE, before its first request LIMIT_MS_HTTP_FIRST); one that
 *    waits for a handler is not.
 * 4. What fails answers the kind's public sentence and an id: {"error": "...", "id": "..."}; the
 *    operator's text goes to the log under that id. URLs are never logged, only patterns.
 * 5. A session's cookie alone changes nothing: any method but GET and HEAD needs the session's own
 *    word in the header X-Radpost-CSRF as well (a page from elsewhere can send the cookie, but not
 *    know the word). A cookie that comes twice is none.
 * 6. Plain HTTP on a loopback address: routes for anyone are reached by an address or "localhost"
 *    only, so that a page from elsewhere cannot lead a browser here under a name of its own (DNS
 *    rebinding).
 *
 * Threads: begin, on_body, handle, end of one request run in one thread; different requests at
 * once. A route's user pointer is shared by all. */
#ifndef RADPOST_HTTP_SERVER_H
#define RADPOST_HTTP_SERVER_H

#include "proto/base/buf.h"
#include "proto/base/embed.h"

struct http_server;
struct http_request;
struct http_response;

/* Who may call a route: a mask. */
enum http_caller_kind {
    HTTP_ANYONE = 1,   /* no proof asked */
    HTTP_GATEWAY = 2,  /* client certificate with OU=gateway */
    HTTP_READER = 4,   /* client certificate with OU=reader */
    HTTP_TOKEN = 8,    /* Authorization: Bearer */
    HTTP_STAFF = 16,   /* a session's cookie: http_options.staff_cookie */
    HTTP_PATIENT = 32, /* a session's cookie "rp_patient" */
};

/* Who calls, as proved. Strings are empty when they do not apply. */
struct http_caller {
    enum http_caller_kind kind;
    char tenant[65];     /* certificate: subject O; others: set by authorise() */
    char device[65];     /* certificate: subject CN; token: its name; session: the login */
    unsigned rights;     /* trust/token.h, or the service's own; set by authorise() */
    char csrf[65];       /* session: what X-Radpost-CSRF must hold; set by authorise() */
    char serial_hex[65]; /* certificate's serial number */
    int64_t not_after_us;
};

typedef int (*http_begin_fn)(struct http_request *req, struct err *err);
/* Bytes of the body as they come; blocking holds the sender back. */
typedef int (*http_body_fn)(struct http_request *req, const uint8_t *bytes, size_t n,
                            struct err *err);
/* Answer by one http_answer_...(); -1 answers by err's kind. */
typedef int (*http_handle_fn)(struct http_request *req, struct http_response *res, struct err *err);
typedef void (*http_end_fn)(struct http_request *req);

enum http_route_flags {
    HTTP_NO_STORE = 1, /* Cache-Control: no-store; refusals carry it always */
    HTTP_PAGE = 2,     /* a page, script or worker of ours: own origin only, no frames; everything
                          else carries a policy that lets it do nothing at all */
    HTTP_QUIET = 4,    /* polled: success is not logged */
};

struct http_route {
    const char *method;  /* "GET" serves HEAD too */
    const char *pattern; /* "/studies/{study}/series": a segment is fixed or a {name} */
    unsigned callers;    /* enum http_caller_kind mask; 0 is a bug and stops the start */
    unsigned rights;     /* all of these, for callers other than HTTP_ANYONE */
    uint64_t body_limit; /* 0: no body; longer ones get 413 */
    http_handle_fn handle;
    http_begin_fn begin;  /* may be NULL */
    http_body_fn on_body; /* NULL: the body is collected in memory, see http_body() */
    http_end_fn end;      /* may be NULL; frees http_state() */
    unsigned flags;
};

struct http_table {
    const struct http_route *routes; /* live as long as the server */
    size_t count;
    void *user;
};

struct http_options {
    const char *address;       /* "127.0.0.1", "::1", "0.0.0.0"; NULL with unix_path */
    uint16_t port;             /* 0: any free one, see http_server_port() */
    const char *unix_path;     /* NULL; else plain HTTP on a unix socket (a proxy in front) */
    const char *certificate;   /* PEM file: own certificate, then the chain; NULL: plain HTTP */
    const char *key;           /* PEM file */
    const char *client_ca;     /* PEM file of the CA of client certificates; NULL: none are asked */
    unsigned connections;      /* 0: LIMIT_HTTP_CONNECTIONS */
    unsigned connections_each; /* of one address, 0: no bound; on loopback or a unix socket, where a
                                  proxy may stand for everybody, there is none */
    int64_t idle_ms;           /* 0: LIMIT_MS_HTTP_IDLE */
    int64_t first_ms;          /* 0: LIMIT_MS_HTTP_FIRST, or idle_ms if that is less */
    const char *name;          /* in the log: "storage/link" */
    const char *hosts;         /* "a.example,b.example": further names in Host, see invariant 6 */
    const char *staff_cookie;  /* NULL: "rp_session"; browsers do not tell ports apart, so two
                                  services of one machine need two names */
    const struct http_table *tables;
    size_t table_count;
    /* Called for every request to a route that is not for anyone. Certificate: kind, tenant, device
     * and serial are set and proved; check that the device is not revoked, set rights. Token: kind
     * is HTTP_TOKEN; look bearer up, set tenant, device, rights. Session: kind is HTTP_STAFF or
     * HTTP_PATIENT, bearer the cookie's value; set csrf too. ERR_DENIED: 403 (a certificate) or
     * 401 (a token, a session); ERR_RETRY: 503. NULL: a certificate is enough and has all rights,
     * tokens and sessions are refused. */
    int (*authorise)(void *user, const char *bearer, struct http_caller *caller, struct err *err);
    void *authorise_user;
};

/* Listen and serve until http_server_stop(), which lets running handlers end first.
 * errors  ERR_RETRY the address is taken, ERR_REJECT certificate, key or address cannot be used */
int http_server_start(const struct http_options *options, struct http_server **out_server,
                      struct err *err) MUST_CHECK;
void http_server_stop(struct http_server **server);
/* Read the files of certificate, key and client_ca again, which may have been replaced: who
 * connects from now on meets what they say, and connections under way go on. Plain HTTP: nothing.
 * out_is_new  they say something else than before
 * errors      those of the start; what was shown before is shown on
 * Threads     one at a time, and not beside http_server_stop() */
int http_server_renew(struct http_server *server, bool *out_is_new, struct err *err) MUST_CHECK;
uint16_t http_server_port(const struct http_server *server);
unsigned http_server_connections(struct http_server *server);

/* ---- request ---- */
void *http_user(const struct http_request *req); /* the table's */
const struct http_route *http_route(const struct http_request *req);
const struct http_caller *http_caller(const struct http_request *req);
const char *http_method(const struct http_request *req); /* as sent: HEAD stays HEAD */
const char *http_path(const struct http_request *req);   /* as sent, not decoded */
const char *http_peer(const struct http_request *req);   /* "10.0.0.7:41234", "unix" */
const char *http_id(const struct http_request *req);     /* the id errors quote */
/* Who asks, without a port: "10.0.0.7". Behind a proxy of ours (a unix socket; loopback with hosts
 * set) what it says last in X-Forwarded-For. For limits by address; out has 64 bytes. */
void http_address(const struct http_request *req, char out[64]);
/* The cookie's value of a caller by session; NULL for others. */
const char *http_session(const struct http_request *req);
/* A segment of the path, decoded; the name must be in the pattern. */
const char *http_param(const struct http_request *req, const char *name);
/* Query values, decoded after splitting; NULL: not there. "a=1&a=2": index 0, 1. */
const char *http_query(const struct http_request *req, const char *name);
/* A value that is a number up to max; 0 when it is not there.
 * errors  ERR_REJECT it is something else */
int http_query_number(const struct http_request *req, const char *name, uint64_t max, uint64_t *out,
                      struct err *err) MUST_CHECK;
const char *http_query_text(const struct http_request *req); /* as sent, "" for none */
size_t http_query_count(const struct http_request *req);
void http_query_at(const struct http_request *req, size_t i, const char **out_name,
                   const char **out_value);
const char *http_header(const struct http_request *req, const char *name); /* NULL: not there */
/* The collected body (never NULL, zero-ended). */
const uint8_t *http_body(const struct http_request *req, size_t *out_n);
/* A pointer of the handlers' own, from begin() to end(). */
void http_state_set(struct http_request *req, void *state);
void *http_state(const struct http_request *req);
/* True when waiting is in vain: the client left or the server stops. Long polls look every second
 * or so. */
bool http_is_gone(const struct http_request *req);
/* The address this request came to, for links back: "http://127.0.0.1:8042" (Host header, vetted).
 */
const char *http_origin(const struct http_request *req);

/* ---- response: one of these, once ---- */
void http_answer_empty(struct http_response *res, int status);
void http_answer_bytes(struct http_response *res, int status, const char *type, const void *bytes,
                       size_t n); /* copied */
/* A file out of the program itself, of the type that the ending of name says.
 * errors  ERR_NOT_FOUND file is NULL */
int http_answer_page(struct http_response *res, const char *name, const struct embedded *file,
                     struct err *err) MUST_CHECK;
/* The buf is emptied; one that is over its limit answers 500. */
void http_answer_buf(struct http_response *res, int status, const char *type, struct buf *b);
/* A range of a file, by sendfile on plain connections. fd is consumed. */
void http_answer_file(struct http_response *res, int status, const char *type, int fd,
                      uint64_t offset, uint64_t size);
/* Bytes as the client takes them. read: fill up to n bytes, *out_n = 0 ends the answer; -1 breaks
 * the connection off, so that the client sees that it is not whole. size: UINT64_MAX = unknown.
 * free_user runs exactly once, also if the client leaves. Both run in the connection's thread.
 * What read gives leaves at once, so it may block until there is something to tell (Server-Sent
 * Events): it looks at http_is_gone() every second or so and then ends, and gives a comment line
 * now and then, since only a write shows that a client is gone without a word. The request may be
 * looked at in read, not in free_user. */
typedef int (*http_read_fn)(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err);
void http_answer_stream(struct http_response *res, int status, const char *type, uint64_t size,
                        http_read_fn read, void (*free_user)(void *user), void *user);
/* Refuse with words of the handler's own (a constant sentence; no patient data). */
void http_answer_refusal(struct http_response *res, int status, const char *sentence);
/* Before or after the answer is set; names and values are vetted (no line breaks). */
void http_answer_header(struct http_response *res, const char *name, const char *value);

#endif
