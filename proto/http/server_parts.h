/* server_parts.h - what the files of the HTTP server share; nobody else's business.
 * server.c daemon and callbacks, request.c routing and reading, response.c answers, tls.c our own
 * certificate, peer.c client certificates, watch.c deadlines of connections. */
#ifndef RADPOST_HTTP_SERVER_PARTS_H
#define RADPOST_HTTP_SERVER_PARTS_H

#include "proto/base/log.h"
#include "proto/base/thread.h"
#include "proto/http/server.h"
#include "proto/http/url.h"

#include <microhttpd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "proto/http/http_events.def"
#undef LOG_EVENT

#define HTTP_MAX_HEADERS 16
#define HTTP_DRAIN_BYTES ((uint64_t)1 << 20) /* of a refused body are read before the answer */

/* What a connection waits for, for the deadlines of watch.c. */
enum http_phase {
    HTTP_PHASE_HEAD,   /* for a whole request head, or the TLS handshake */
    HTTP_PHASE_BODY,   /* for the sender */
    HTTP_PHASE_HANDLE, /* for us */
    HTTP_PHASE_SEND,   /* for the receiver */
};

enum http_peer_state { HTTP_PEER_UNSEEN, HTTP_PEER_NONE, HTTP_PEER_GOOD, HTTP_PEER_BAD };

struct http_conn {
    struct http_conn *prev, *next;
    int fd;
    bool is_cut, has_served;
    enum http_phase phase;
    int64_t since_ms;  /* the phase, or its last progress */
    uint64_t progress; /* bytes at since_ms */
    uint64_t received; /* of the present body */
    enum http_phase paused_phase;
    int64_t paused_ms;
    char peer[72];
    enum http_peer_state peer_state;
    const char *peer_words; /* why a certificate is bad */
    struct http_caller certificate;
};

struct http_watch {
    struct gate gate;
    struct http_conn *first;
    unsigned count;
    int64_t idle_ms, first_ms;
    bool is_ending, is_running;
    pthread_t thread;
    struct log_ctx log;
};

/* What a TLS server shows and asks, as read from its files. */
struct http_tls {
    struct http_tls *older;              /* connections still use it, so it stays to the end */
    char *certificate, *key, *client_ca; /* PEM text */
    struct gnutls_certificate_credentials_st *credentials;
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_options options; /* pointers inside stay the caller's, but for those below */
    char *name;
    struct http_table *tables;
    char *certificate_file, *key_file, *client_ca_file;
    struct http_tls *_Atomic tls; /* the newest; NULL: plain HTTP */
    bool is_tls, is_loopback;
    int listen_fd;
    uint16_t port;
    char *unix_path;
    _Atomic bool is_stopping;
    struct http_watch watch;
    struct log_ctx log;
};

struct http_response {
    int status; /* 0: not answered yet */
    struct MHD_Response *mhd;
    struct {
        char *name, *value;
    } headers[HTTP_MAX_HEADERS];
    size_t header_count;
};

#define HTTP_REQUEST_MAGIC 0x52505251u

struct http_request {
    uint32_t magic;
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct http_conn *conn;
    char *uri;   /* as sent, split by zeros */
    char *path;  /* in uri */
    char *query; /* in uri */
    char *store;
    char *query_store;
    struct url_pair params[URL_MAX_PARAMS];
    size_t param_count;
    struct url_pair *queries;
    size_t query_count;
    const char *method;
    const struct http_table *table;
    const struct http_route *route;
    struct http_caller caller;
    const char *session; /* the cookie's value; NULL: not by session */
    struct buf body;
    uint64_t body_n;
    void *state;
    bool is_seen, has_begun, is_answered, is_refused;
    int refusal; /* HTTP status, with sentence; 0: by err */
    const char *sentence;
    char allow[64]; /* of a 405 */
    struct err err;
    char id[17];
    char origin[160];
    int64_t began_ms;
    struct http_response res;
};

/* request.c: settle the route, the caller and begin(); what is refused is noted in req. */
void http_request_settle(struct http_request *req);
void http_request_refuse(struct http_request *req, int status, const char *sentence);
/* The host part of Host is letters, digits and .:-[] only. */
bool http_host_is_plain(const char *host);
/* An address, "localhost", or one of the names in also (NULL: none); the port does not matter. */
bool http_host_is_local(const char *host, const char *also);

/* response.c */
void http_response_fini(struct http_response *res);
/* The answer of a refused or failed request. */
void http_response_error(struct http_request *req);
/* Hand the answer over, with the headers every answer carries. */
enum MHD_Result http_response_queue(struct http_request *req);

/* peer.c: look at the client's certificate, once a connection; at its time for each request. */
void http_peer_settle(struct http_conn *conn, struct MHD_Connection *mhd);
/* A few bytes past the library, in the connection's own thread. */
void http_peer_send(struct MHD_Connection *mhd, int fd, const char *bytes, size_t n);

/* tls.c: read the server's files; out is NULL when they say what last said (NULL: nothing yet). */
int http_tls_read(const struct http_server *server, const struct http_tls *last,
                  struct http_tls **out, struct err *err) MUST_CHECK;
void http_tls_free(struct http_tls **tls); /* and all older ones */
/* A connection that begins, before its handshake. */
void http_tls_show(const struct http_tls *tls, struct MHD_Connection *mhd);

/* watch.c */
void http_watch_start(struct http_watch *watch, int64_t idle_ms, int64_t first_ms,
                      struct log_ctx log);
void http_watch_stop(struct http_watch *watch);
struct http_conn *http_watch_add(struct http_watch *watch, int fd, const char *peer);
void http_watch_remove(struct http_watch *watch, struct http_conn *conn);
void http_watch_phase(struct http_watch *watch, struct http_conn *conn, enum http_phase phase);
/* Our own time between two bytes does not count against the peer. */
void http_watch_pause(struct http_watch *watch, struct http_conn *conn);
void http_watch_resume(struct http_watch *watch, struct http_conn *conn, size_t received);

#endif
