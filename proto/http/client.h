/* client.h - HTTP/1.1 calls with a kept connection, mutual TLS and a pinned CA.
 * The server's certificate must be signed by the given CA and carry the name or address of the URL;
 * no system store, no proxy from the environment, no redirect is followed. Threads: a client
 * belongs to one thread at a time (make one each); http_client_abort() may come from any. */
#ifndef RADPOST_HTTP_CLIENT_H
#define RADPOST_HTTP_CLIENT_H

#include "proto/base/buf.h"
#include "proto/http/stall.h"

#define HTTP_SIZE_UNKNOWN UINT64_MAX

struct http_client;

struct http_client_options {
    const char *base_url;    /* "https://127.0.0.1:8443", no slash at the end */
    const char *ca_file;     /* PEM; https needs it, unless is_ca_unknown */
    const char *certificate; /* PEM file; NULL: none is shown */
    const char *key;         /* PEM file */
    const char *bearer;      /* token; NULL: none */
    const char *unix_path;   /* connect here instead */
    const char *proxy;       /* "http://proxy:3128"; NULL: none. The way through it is CONNECT */
    const char *proxy_user;  /* "user:password" it asks for; NULL: none */
    const char *source;      /* interface, or numeric address of ours, calls leave by; NULL: any */
    int64_t connect_ms;      /* 0: 10 s */
    int64_t stall_ms;        /* 0: LIMIT_MS_HTTP_IDLE; no byte either way for so long ends a call */
    bool is_bulk;       /* carries much: it keeps to the line's rate under random loss (BBR where
                           the kernel lets us) and leaves little unsent in the kernel, so that
                           what the source gives last is on the line soon */
    bool is_ca_unknown; /* enrolment's first question only: the answer is checked by its pin */
};

/* errors  ERR_REJECT a file cannot be read or the options contradict */
int http_client_new(const struct http_client_options *options, struct http_client **out_client,
                    struct err *err) MUST_CHECK;
void http_client_free(struct http_client **client);
/* A call that runs ends soon with ERR_RETRY, later ones at once; for shutting down. */
void http_client_abort(struct http_client *client);

/* Bytes its connections have put on the wire since it was made: TLS, HTTP, headers of TCP and IP
 * and repeats included; also during a call, from its callbacks. 0: the kernel does not say. */
uint64_t http_client_wire(const struct http_client *client);
/* Bulk only, inside its call: the kernel takes more when fewer bytes than these wait behind those
 * that are on their way. */
void http_client_keep_short(const struct http_client *client, int unsent);
/* Bytes a second its connection's way has shown of late (wire.h); at least so much, that is. 0: not
 * known, or the connection ends at a proxy, which says nothing of the way behind it. */
uint64_t http_client_rate(const struct http_client *client);

/* Fill up to n bytes of the body, *out_n = 0 ends it; may block (a token bucket). Runs in the
 * caller's thread. */
typedef int (*http_source_fn)(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err);
/* Bytes of a 2xx answer as they come; -1 ends the call. */
typedef int (*http_sink_fn)(void *user, const uint8_t *bytes, size_t n, struct err *err);

/* The call's connection stands still, its way answers again, it moves (stall.h). Runs in the
 * caller's thread; may not wait. */
typedef void (*http_stall_fn)(void *user, enum stall_word word);

struct http_reply;
/* Status, media type and headers of the answer, before the first byte of its body (also when there
 * is none); once. -1 ends the call. */
typedef int (*http_head_fn)(void *user, const struct http_reply *head, struct err *err);

struct http_call {
    const char *method;       /* "GET", "POST", "DELETE" */
    const char *path;         /* with query, encoded: see url.h */
    const char *content_type; /* of the body */
    const char *accept;
    const char *const *headers; /* "Name: value", NULL-ended; NULL: none */
    const void *body;
    size_t body_n;
    http_source_fn source; /* instead of body */
    uint64_t source_size;  /* or HTTP_SIZE_UNKNOWN */
    void *source_user;
    http_sink_fn sink;      /* NULL: the body is collected in the answer */
    http_head_fn on_head;   /* may be NULL */
    bool is_sink_for_all;   /* the sink takes the body of a refusal too */
    void *sink_user;        /* of sink and on_head */
    http_stall_fn on_stall; /* bulk only, and not through a proxy, which would answer for its way;
                               NULL: it is not looked at */
    void *stall_user;
    uint64_t answer_limit; /* 0: LIMIT_HTTP_JSON_BYTES */
    int64_t total_ms;      /* 0: no limit but stall_ms; a long poll gives its wait + some */
    int64_t connect_ms;    /* 0: the client's */
};

struct http_reply {
    int status;
    char type[128];        /* media type with parameters */
    int64_t retry_after_s; /* -1: not said */
    struct buf body;       /* collected: always of a refusal, of success without a sink */
    struct buf headers;    /* as received, for http_reply_find() */
};

/* 0 when an answer of any status came whole; out is set then and needs http_reply_fini().
 * errors  ERR_RETRY line, time, peer (its sys is ETIMEDOUT: no connection came about in time;
 * ENOKEY: the proxy does not let us through as who we say we are, 407); ERR_DENIED the server's
 * certificate is not what we trust, or it does not want ours; ERR_REJECT the answer is too long or
 * broken; the source's, the sink's */
int http_client_call(struct http_client *client, const struct http_call *call,
                     struct http_reply *out, struct err *err) MUST_CHECK;
void http_reply_fini(struct http_reply *reply);
/* A header's value, copied; false if it is not there. */
bool http_reply_find(const struct http_reply *reply, const char *name, char *out, size_t size);
/* 2xx: 0. Else -1 with the kind the status stands for and the peer's sentence and id: 401 403
 * DENIED, 404 410 NOT_FOUND, 409 CONFLICT, 507 FULL, 408 429 and 5xx RETRY, else REJECT. */
int http_reply_check(const struct http_reply *reply, struct err *err) MUST_CHECK;

#endif
