/* client.c - calls over libcurl: one kept handle a client, our CA only. */
#include "proto/http/client.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/perform.h"
#include "proto/http/socket.h"
#include "proto/http/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define UPLOAD_BUFFER_BYTES 262144L

struct http_client {
    CURL *curl;
    CURLM *multi; /* of this one alone: its wait can be ended from any thread */
    char *base_url;
    char *ca_file, *certificate, *key, *bearer, *unix_path, *proxy, *proxy_user, *source;
    int64_t connect_ms, stall_ms;
    bool is_ca_unknown, is_bulk;
    int fd; /* of the connection, -1: none */
    struct stall stall;
    uint64_t wire_ended; /* what connections that ended had put on the wire */
    _Atomic bool is_aborted;
};

/* The running call, for curl's callbacks. */
struct running {
    struct http_client *client;
    const struct http_call *call;
    struct http_reply *reply;
    struct err *err;
    bool has_err; /* err holds what a callback of the caller's said */
    bool is_too_long, is_head_told;
    uint64_t sent, received;
    int64_t moved_at_ms; /* of the last byte either way */
    curl_off_t seen_up, seen_down;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init_library(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* ---- callbacks ---- */

static size_t
on_send(char *out, size_t size, size_t count, void *cls)
{
    struct running *r = cls;
    const struct http_call *call = r->call;
    size_t n = size * count;

    if (call->source == NULL) {
        if (n > call->body_n - r->sent)
            n = call->body_n - r->sent;
        if (n > 0)
            memcpy(out, (const uint8_t *)call->body + r->sent, n);
    } else {
        size_t room = n;

        n = 0;
        if (call->source(call->source_user, (uint8_t *)out, room, &n, r->err) < 0) {
            r->has_err = true;
            return CURL_READFUNC_ABORT;
        }
        CHECK(n <= room);
    }
    r->sent += n;
    r->moved_at_ms = clock_mono_ms();
    return n;
}

/* curl sends again on a fresh connection when the kept one was closed under it. */
static int
on_rewind(void *cls, curl_off_t offset, int origin)
{
    struct running *r = cls;

    if (r->call->source != NULL || origin != SEEK_SET)
        return r->sent == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
    r->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool
is_success(struct running *r)
{
    long status = 0;

    curl_easy_getinfo(r->client->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static void
take_reply(struct running *r)
{
    struct http_reply *reply = r->reply;
    long status = 0;
    char seconds[16];
    uint64_t n;

    curl_easy_getinfo(r->client->curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    if (!http_reply_find(reply, "Content-Type", reply->type, sizeof reply->type))
        reply->type[0] = '\0';
    reply->retry_after_s = -1;
    if (http_reply_find(reply, "Retry-After", seconds, sizeof seconds) &&
        text_to_u64(seconds, 86400, &n) == 0)
        reply->retry_after_s = (int64_t)n;
}

static int
tell_head(struct running *r)
{
    if (r->call->on_head == NULL || r->is_head_told)
        return 0;
    r->is_head_told = true;
    take_reply(r);
    if (r->call->on_head(r->call->sink_user, r->reply, r->err) == 0)
        return 0;
    r->has_err = true;
    return -1;
}

static size_t
on_receive(char *bytes, size_t size, size_t count, void *cls)
{
    struct running *r = cls;
    size_t n = size * count;
    uint64_t limit = r->call->answer_limit != 0 ? r->call->answer_limit : LIMIT_HTTP_JSON_BYTES;

    r->received += n;
    r->moved_at_ms = clock_mono_ms();
    if (r->received > limit) {
        r->is_too_long = true;
        return 0;
    }
    if (tell_head(r) < 0)
        return 0;
    if (r->call->sink == NULL || (!r->call->is_sink_for_all && !is_success(r))) {
        buf_add(&r->reply->body, bytes, n);
        r->is_too_long = buf_is_over(&r->reply->body);
        return r->is_too_long ? 0 : n;
    }
    if (r->call->sink(r->call->sink_user, (const uint8_t *)bytes, n, r->err) < 0) {
        r->has_err = true;
        return 0;
    }
    r->moved_at_ms = clock_mono_ms(); /* a sink that holds us back is not a line that stalls */
    return n;
}

static size_t
on_header(char *line, size_t size, size_t count, void *cls)
{
    struct running *r = cls;
    size_t n = size * count;

    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        buf_clear(&r->reply->headers); /* what came before was a 100 Continue */
    else
        buf_add(&r->reply->headers, line, n);
    r->moved_at_ms = clock_mono_ms();
    return buf_is_over(&r->reply->headers) ? 0 : n;
}

static int
on_progress(void *cls, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct running *r = cls;
    int64_t now_ms = clock_mono_ms();

    (void)down_total;
    (void)up_total;
    if (down != r->seen_down || up != r->seen_up) {
        r->seen_down = down;
        r->seen_up = up;
        r->moved_at_ms = now_ms;
    }
    return r->client->is_aborted || now_ms - r->moved_at_ms > r->client->stall_ms;
}

/* ---- one call ---- */

static struct curl_slist *
add_line(struct curl_slist *list, const char *name, const char *value)
{
    char *line = mem_printf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);

    CHECK(longer != NULL);
    free(line);
    return longer;
}

static struct curl_slist *
call_headers(const struct http_client *client, const struct http_call *call)
{
    struct curl_slist *list = NULL;

    if (client->bearer != NULL) {
        char *value = mem_printf("Bearer %s", client->bearer);

        list = add_line(list, "Authorization", value);
        free(value);
    }
    if (call->content_type != NULL)
        list = add_line(list, "Content-Type", call->content_type);
    list = add_line(list, "Accept", call->accept != NULL ? call->accept : "*/*");
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++) {
        list = curl_slist_append(list, call->headers[i]);
        CHECK(list != NULL);
    }
    return list;
}

static void
set_body(struct running *r)
{
    CURL *curl = r->client->curl;
    const struct http_call *call = r->call;
    bool has_body = call->source != NULL || call->body != NULL;
    uint64_t size = call->source != NULL ? call->source_size : call->body_n;

    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (has_body || strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         size == HTTP_SIZE_UNKNOWN ? (curl_off_t)-1 : (curl_off_t)size);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(curl, CURLOPT_READDATA, r);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, r);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(call->method, "HEAD") == 0 ? 1L : 0L);
}

static void
set_call(struct running *r)
{
    CURL *curl = r->client->curl;
    struct http_client *client = r->client;

    set_body(r);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, r);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)r->call->total_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(r->call->connect_ms != 0 ? r->call->connect_ms : client->connect_ms));
}

/* Time ran out before a connection, TLS included, stood. */
static bool
is_connect_too_late(const struct running *r, CURLcode code)
{
    curl_off_t ready_us = 0;

    curl_easy_getinfo(r->client->curl, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us == 0 && (code == CURLE_OPERATION_TIMEDOUT ||
                             (code == CURLE_ABORTED_BY_CALLBACK && !r->client->is_aborted));
}

/* The server is not believed; by its dates, which are this machine's clock as much as its own. */
static int
is_not_trusted(struct running *r, const char *words)
{
    enum { NOT_YET = 9, ENDED = 10 }; /* X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED */
    long verdict = 0;

    curl_easy_getinfo(r->client->curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
    err_set(r->err, ERR_DENIED, "the server's certificate is not trusted: %s", words);
    r->err->sys = verdict == NOT_YET || verdict == ENDED ? EKEYEXPIRED : EKEYREJECTED;
    return -1;
}

static int
call_failed(struct running *r, CURLcode code, const char *words)
{
    long proxy = 0;

    if (r->has_err)
        return -1;
    if (r->is_too_long)
        return err_set(r->err, ERR_REJECT, "the answer is longer than its limit");
    curl_easy_getinfo(r->client->curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (proxy == 407) {
        err_set(r->err, ERR_RETRY, "the proxy %s user and password (407)",
                r->client->proxy_user != NULL ? "does not accept" : "wants");
        r->err->sys = ENOKEY;
        return -1;
    }
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(r->err, ERR_RETRY,
                       r->client->is_aborted ? "stopped" : "no byte moved for %lld s",
                       (long long)(r->client->stall_ms / 1000));
    case CURLE_PEER_FAILED_VERIFICATION:
        return is_not_trusted(r, words);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(r->err, ERR_DENIED, "certificate or key cannot be used: %s", words);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(r->err, ERR_REJECT, "the address cannot be used");
    default:
        return err_set(r->err, ERR_RETRY, "%s",
                       words[0] != '\0' ? words : curl_easy_strerror(code));
    }
}

static CURLcode
perform(struct running *r)
{
    struct http_client *c = r->client;
    struct perform call = {.curl = c->curl,
                           .multi = c->multi,
                           .is_aborted = &c->is_aborted,
                           .stall = &c->stall,
                           .fd = &c->fd,
                           .user = r->call->stall_user};

    if (c->is_bulk && c->proxy == NULL)
        call.on_stall = r->call->on_stall;
    return http_perform(&call);
}

int
http_client_call(struct http_client *client, const struct http_call *call, struct http_reply *out,
                 struct err *err)
{
    struct http_reply reply = {0};
    struct running r = {.client = client,
                        .call = call,
                        .reply = &reply,
                        .err = err,
                        .moved_at_ms = clock_mono_ms()};
    struct curl_slist *headers = call_headers(client, call);
    char *url = mem_printf("%s%s", client->base_url, call->path);
    char words[CURL_ERROR_SIZE] = "";
    CURLcode code;
    int rc = -1;

    buf_init(&reply.body, call->answer_limit != 0 && call->sink == NULL ? call->answer_limit
                                                                        : LIMIT_HTTP_JSON_BYTES);
    buf_init(&reply.headers, LIMIT_HTTP_HEADER_BYTES);
    set_call(&r);
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, words);
    code = perform(&r);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        call_failed(&r, code, words);
        if (is_connect_too_late(&r, code))
            err->sys = ETIMEDOUT;
        goto out;
    }
    if (tell_head(&r) < 0)
        goto out;
    take_reply(&r);
    *out = reply;
    rc = 0;
out:
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    free(url);
    if (rc < 0) {
        err_context(err, "%s %s", call->method, client->base_url);
        http_reply_fini(&reply);
    }
    return rc;
}

/* ---- a client ---- */

static int
check_readable(const char *path, const char *what, struct err *err)
{
    if (path != NULL && access(path, R_OK) < 0)
        return err_sys(err, ERR_REJECT, "%s %s", what, path);
    return 0;
}

static int
check_options(const struct http_client_options *o, struct err *err)
{
    bool is_tls = strncmp(o->base_url, "https://", 8) == 0;

    if (!is_tls && strncmp(o->base_url, "http://", 7) != 0)
        return err_set(err, ERR_REJECT, "the address must begin with https:// or http://");
    if (is_tls && (o->ca_file == NULL) != o->is_ca_unknown)
        return err_set(err, ERR_REJECT, "https needs the centre's CA");
    if ((o->certificate == NULL) != (o->key == NULL))
        return err_set(err, ERR_REJECT, "a certificate goes with its key");
    if (check_readable(o->ca_file, "CA", err) < 0 ||
        check_readable(o->certificate, "certificate", err) < 0)
        return -1;
    return check_readable(o->key, "key", err);
}

/* Over a proxy, or by one of several ways out of this machine. */
static void
set_way(struct http_client *c)
{
    struct in6_addr address;
    char *way;

    curl_easy_setopt(c->curl, CURLOPT_PROXY, c->proxy != NULL ? c->proxy : "");
    curl_easy_setopt(c->curl, CURLOPT_HTTPPROXYTUNNEL, c->proxy != NULL ? 1L : 0L);
    curl_easy_setopt(c->curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (c->proxy_user != NULL) {
        curl_easy_setopt(c->curl, CURLOPT_PROXYUSERPWD, c->proxy_user);
        curl_easy_setopt(c->curl, CURLOPT_PROXYAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
    }
    if (c->source == NULL)
        return;
    way = mem_printf("%s!%s",
                     inet_pton(AF_INET, c->source, &address) == 1 ||
                             inet_pton(AF_INET6, c->source, &address) == 1
                         ? "host"
                         : "if",
                     c->source);
    curl_easy_setopt(c->curl, CURLOPT_INTERFACE, way);
    free(way);
}

static int
on_socket(void *cls, curl_socket_t fd, curlsocktype purpose)
{
    struct http_client *c = cls;

    (void)purpose;
    c->fd = fd;
    http_socket_patient(fd);
    if (c->is_bulk)
        http_socket_bulk(fd);
    return CURL_SOCKOPT_OK;
}

static int
on_socket_close(void *cls, curl_socket_t fd)
{
    struct http_client *c = cls;

    if (fd == c->fd) {
        c->wire_ended = http_client_wire(c);
        c->fd = -1;
    }
    return close(fd);
}

uint64_t
http_client_wire(const struct http_client *c)
{
    uint64_t sent;

    return c->wire_ended + (c->fd >= 0 && http_wire_sent(c->fd, &sent) ? sent : 0);
}

void
http_client_keep_short(const struct http_client *c, int unsent)
{
    if (c->is_bulk && c->fd >= 0)
        http_socket_keep_short(c->fd, unsent);
}

uint64_t
http_client_rate(const struct http_client *c)
{
    uint64_t rate;

    return c->proxy == NULL && c->fd >= 0 && http_wire_rate(c->fd, &rate) ? rate : 0;
}

static void
set_connection(struct http_client *c)
{
    CURL *curl = c->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    set_way(c);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "radpost/" RADPOST_VERSION);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    if (c->unix_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, c);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, c);
}

static void
set_trust(struct http_client *c)
{
    CURL *curl = c->curl;

    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, c->is_ca_unknown ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, c->is_ca_unknown ? 0L : 2L);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    if (c->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
    if (c->certificate != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, c->certificate);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, c->key);
    }
}

int
http_client_new(const struct http_client_options *options, struct http_client **out_client,
                struct err *err)
{
    struct http_client *c;

    pthread_once(&once, init_library);
    if (check_options(options, err) < 0)
        return err_context(err, "HTTP client");
    c = mem_new(sizeof *c);
    c->base_url = mem_text(options->base_url);
    c->ca_file = mem_text(options->ca_file);
    c->certificate = mem_text(options->certificate);
    c->key = mem_text(options->key);
    c->bearer = mem_text(options->bearer);
    c->unix_path = mem_text(options->unix_path);
    c->proxy = mem_text(options->proxy);
    c->proxy_user = mem_text(options->proxy_user);
    c->source = mem_text(options->source);
    c->connect_ms = options->connect_ms != 0 ? options->connect_ms : CONNECT_MS;
    c->stall_ms = options->stall_ms != 0 ? options->stall_ms : (int64_t)LIMIT_MS_HTTP_IDLE;
    c->is_ca_unknown = options->is_ca_unknown;
    c->is_bulk = options->is_bulk;
    c->fd = -1;
    stall_init(&c->stall);
    c->curl = curl_easy_init();
    c->multi = curl_multi_init();
    CHECK(c->curl != NULL && c->multi != NULL);
    set_connection(c);
    set_trust(c);
    *out_client = c;
    return 0;
}

void
http_client_free(struct http_client **client)
{
    struct http_client *c = TAKE(*client);

    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    curl_multi_cleanup(c->multi);
    stall_fini(&c->stall);
    free(c->base_url);
    free(c->ca_file);
    free(c->certificate);
    free(c->key);
    free(c->bearer);
    free(c->unix_path);
    free(c->source);
    free(c->proxy_user);
    free(c->proxy);
    free(c);
}

void
http_client_abort(struct http_client *client)
{
    client->is_aborted = true;
    (void)curl_multi_wakeup(client->multi);
}
