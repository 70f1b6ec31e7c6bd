/* server.c - the daemon over libmicrohttpd: start, stop, and the course of one request.
 *
 *     on_uri > on_request (head: settle) > on_request (body)* > on_request (end: handle, answer)
 *            > on_completed
 *
 * The library closes the connection after an answer that was queued in the first call, so answers
 * wait for the last one; only when a refused request still has a long body to come is the answer
 * queued at once. */
#include "proto/http/server_parts.h"

#include "proto/base/address.h"
#include "proto/base/clock.h"
#include "proto/base/durable.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/socket.h"
#include "proto/trust/digest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define POOL_BYTES 65536
#define POOL_STEP_BYTES 32768
#define STACK_BYTES ((size_t)2 << 20)
#define LISTEN_BACKLOG 4096 /* a thousand gateways come back at once; the system caps it */
#define CIPHERS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- one request ---- */

/* The request whose head this thread's connection is reading. */
static _Thread_local struct http_request *current;

static void *
on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_request *req = mem_new(sizeof *req);
    uint8_t id[8];

    req->magic = HTTP_REQUEST_MAGIC;
    req->server = cls;
    req->mhd = mhd;
    req->uri = mem_text(uri);
    req->path = req->query = req->uri;
    req->began_ms = clock_mono_ms();
    random_bytes(id, sizeof id);
    hex_encode(id, sizeof id, req->id);
    current = req;
    return req;
}

static struct http_conn *
conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    CHECK(info != NULL && info->socket_context != NULL);
    return info->socket_context;
}

static bool
has_long_body(struct http_request *req)
{
    const char *length = http_header(req, "Content-Length");

    if (http_header(req, "Transfer-Encoding") != NULL || http_header(req, "Expect") != NULL)
        return true;
    return length != NULL && strtoull(length, NULL, 10) > HTTP_DRAIN_BYTES;
}

static enum MHD_Result
answer_error(struct http_request *req)
{
    http_response_error(req);
    return http_response_queue(req);
}

static enum MHD_Result
take_head(struct http_request *req, const char *method)
{
    req->is_seen = true;
    req->method = method;
    http_watch_phase(&req->server->watch, req->conn, HTTP_PHASE_HANDLE);
    http_request_settle(req);
    if (req->is_refused && has_long_body(req))
        return answer_error(req);
    http_watch_phase(&req->server->watch, req->conn, HTTP_PHASE_BODY);
    return MHD_YES;
}

/* Bytes of the body: false breaks the connection off. */
static bool
take_body(struct http_request *req, const uint8_t *bytes, size_t n)
{
    uint64_t limit = req->is_refused ? HTTP_DRAIN_BYTES : req->route->body_limit;

    req->body_n += n;
    if (req->body_n > limit) {
        http_request_refuse(req, 413, "The body is longer than this address takes.");
        return req->body_n <= limit + HTTP_DRAIN_BYTES;
    }
    if (req->is_refused)
        return true;
    if (req->route->on_body == NULL)
        buf_add(&req->body, bytes, n);
    else if (req->route->on_body(req, bytes, n, &req->err) < 0)
        req->is_refused = true;
    return true;
}

static enum MHD_Result
take_end(struct http_request *req)
{
    http_watch_phase(&req->server->watch, req->conn, HTTP_PHASE_HANDLE);
    if (req->is_refused)
        return answer_error(req);
    if (req->route->on_body == NULL) {
        buf_add_u8(&req->body, 0); /* text for those who read it so */
        req->body.n--;
    }
    if (req->route->handle(req, &req->res, &req->err) < 0)
        return answer_error(req);
    CHECK(req->res.status != 0);
    return http_response_queue(req);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
           const char *version, const char *bytes, size_t *n, void **con_cls)
{
    struct http_request *req = *con_cls;
    bool goes_on;

    (void)cls;
    (void)url;
    (void)version;
    CHECK(req != NULL && req->magic == HTTP_REQUEST_MAGIC);
    if (req->is_answered && !req->is_seen)
        return MHD_NO; /* see answer_for_library() */
    if (!req->is_seen) {
        req->conn = conn_of(mhd);
        return take_head(req, method);
    }
    if (*n == 0)
        return req->is_answered ? MHD_YES : take_end(req);
    http_watch_pause(&req->server->watch, req->conn);
    goes_on = req->is_answered || take_body(req, (const uint8_t *)bytes, *n);
    http_watch_resume(&req->server->watch, req->conn, *n);
    *n = 0;
    return goes_on ? MHD_YES : MHD_NO;
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
             enum MHD_RequestTerminationCode why)
{
    struct http_request *req = *con_cls;

    (void)cls;
    (void)mhd;
    (void)why;
    if (req == NULL)
        return;
    CHECK(req->magic == HTTP_REQUEST_MAGIC);
    if (req->has_begun && req->route->end != NULL)
        req->route->end(req);
    http_response_fini(&req->res);
    buf_fini(&req->body);
    if (req->conn != NULL)
        http_watch_phase(&req->server->watch, req->conn, HTTP_PHASE_HEAD);
    free(req->uri);
    free(req->store);
    free(req->query_store);
    free(req->queries);
    req->magic = 0;
    current = NULL;
    free(req);
    *con_cls = NULL;
}

/* ---- connections ---- */

static void
peer_text(struct MHD_Connection *mhd, char *out, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *addr = info != NULL ? info->client_addr : NULL;
    char host[ADDRESS_BYTES];
    uint16_t port;

    if (addr == NULL || (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)) {
        text_copy(out, size, "unix");
        return;
    }
    address_of(addr, host, &port);
    snprintf(out, size, strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u", host, port);
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = cls;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        char peer[72];

        CHECK(info != NULL);
        peer_text(mhd, peer, sizeof peer);
        *context = http_watch_add(&server->watch, info->connect_fd, peer);
        if (server->is_tls)
            http_tls_show(server->tls, mhd);
    } else if (*context != NULL)
        http_watch_remove(&server->watch, TAKE(*context));
}

/* Paths are decoded by us, after splitting. */
static size_t
keep_as_sent(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* The library answers some broken heads by itself (a Content-Length that is no number, no Host) and
 * in doing so sends its head twice, which a peer may take for the answer to another request. It
 * logs first, in the connection's thread: we say 400 once and close before it can. */
static void
answer_for_library(struct http_request *req)
{
    static const char body[] = "{\"error\": \"The request's headers cannot be understood.\"}";
    struct http_conn *conn = conn_of(req->mhd);
    char words[256];
    int n = snprintf(words, sizeof words,
                     "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     sizeof body - 1, body);

    req->is_answered = true;
    http_peer_send(req->mhd, conn->fd, words, (size_t)n);
    shutdown(conn->fd, SHUT_RDWR);
}

/* The library's words may quote what the client sent: only that there were some is told. */
static void
on_library_log(void *cls, const char *format, va_list args)
{
    struct http_server *server = cls;

    (void)args;
    LOG(&server->log, HTTP_LIBRARY);
    if (current != NULL && !current->is_seen && !current->is_answered &&
        strstr(format, "Closing connection") != NULL)
        answer_for_library(current);
}

/* ---- start and stop ---- */

static int
listen_unix(struct http_server *server, const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (!text_copy(addr.sun_path, sizeof addr.sun_path, path))
        return err_set(err, ERR_REJECT, "socket path %s is longer than %zu bytes", path,
                       sizeof addr.sun_path - 1);
    server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0)
        return err_sys(err, ERR_RETRY, "make a socket");
    unlink(path);
    if (bind(server->listen_fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        chmod(path, 0660) < 0 || listen(server->listen_fd, LISTEN_BACKLOG) < 0)
        return err_sys(err, ERR_RETRY, "listen at %s", path);
    server->unix_path = mem_text(path);
    return 0;
}

static int
listen_tcp(struct http_server *server, const struct addrinfo *at, struct err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound;
    socklen_t n = sizeof bound;
    int on = 1;

    server->listen_fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0)
        return err_sys(err, ERR_RETRY, "make a socket");
    http_socket_patient(server->listen_fd);
    if (setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(server->listen_fd, at->ai_addr, at->ai_addrlen) < 0 ||
        listen(server->listen_fd, LISTEN_BACKLOG) < 0 ||
        getsockname(server->listen_fd, &bound.any, &n) < 0)
        return err_sys(err, ERR_RETRY, "listen at %s port %u", server->options.address,
                       server->options.port);
    server->is_loopback = bound.any.sa_family == AF_INET
                              ? ntohl(bound.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                              : IN6_IS_ADDR_LOOPBACK(&bound.in6.sin6_addr);
    server->port = ntohs(bound.any.sa_family == AF_INET ? bound.in.sin_port : bound.in6.sin6_port);
    return 0;
}

static int
listen_at(struct http_server *server, struct err *err)
{
    const struct http_options *o = &server->options;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *at = NULL;
    char port[8];
    int rc;

    if (o->unix_path != NULL)
        return listen_unix(server, o->unix_path, err);
    snprintf(port, sizeof port, "%u", o->port);
    if (o->address == NULL || getaddrinfo(o->address, port, &hints, &at) != 0)
        return err_set(err, ERR_REJECT, "'%s' is no address to listen at",
                       o->address != NULL ? o->address : "");
    rc = listen_tcp(server, at, err);
    freeaddrinfo(at);
    return rc;
}

static int
read_tls(struct http_server *server, struct err *err)
{
    const struct http_options *o = &server->options;
    struct http_tls *tls;

    if ((o->certificate == NULL) != (o->key == NULL) ||
        (o->client_ca != NULL && o->certificate == NULL))
        return err_set(err, ERR_REJECT, "TLS needs both a certificate and its key");
    if (o->certificate == NULL)
        return 0;
    server->is_tls = true;
    server->certificate_file = mem_text(o->certificate);
    server->key_file = mem_text(o->key);
    if (o->client_ca != NULL)
        server->client_ca_file = mem_text(o->client_ca);
    if (http_tls_read(server, NULL, &tls, err) < 0)
        return -1;
    server->tls = tls;
    return 0;
}

static void
check_tables(const struct http_server *server)
{
    for (size_t t = 0; t < server->options.table_count; t++)
        for (size_t i = 0; i < server->tables[t].count; i++) {
            const struct http_route *route = &server->tables[t].routes[i];

            CHECK(route->callers != 0 && route->handle != NULL && route->pattern[0] == '/');
        }
}

static int
start_daemon(struct http_server *server, struct err *err)
{
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                     (server->is_tls ? MHD_USE_TLS : 0);
    const struct http_options *o = &server->options;
    static const struct http_tls plain;
    const struct http_tls *own = server->is_tls ? server->tls : &plain;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, own->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, own->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)CIPHERS},
        {own->client_ca != NULL ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, own->client_ca},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the library's threads take no signals */
    server->daemon = MHD_start_daemon(
        flags, server->port, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
        on_library_log, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT,
        o->connections != 0 ? o->connections : (unsigned)LIMIT_HTTP_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        server->is_loopback || o->unix_path != NULL ? 0u : o->connections_each,
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_STEP_BYTES,
        MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_as_sent,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_ARRAY, server->is_tls ? tls : none, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (server->daemon == NULL)
        return err_set(err, ERR_FATAL, "the HTTP library does not start");
    return 0;
}

static void
start_watch(struct http_server *server)
{
    const struct http_options *o = &server->options;
    int64_t idle_ms = o->idle_ms != 0 ? o->idle_ms : (int64_t)LIMIT_MS_HTTP_IDLE;
    int64_t first_ms = o->first_ms != 0 ? o->first_ms : (int64_t)LIMIT_MS_HTTP_FIRST;

    http_watch_start(&server->watch, idle_ms, first_ms < idle_ms ? first_ms : idle_ms, server->log);
}

int
http_server_start(const struct http_options *options, struct http_server **out_server,
                  struct err *err)
{
    struct http_server *server = mem_new(sizeof *server);
    int rc = -1;

    server->options = *options;
    server->listen_fd = -1;
    server->name = mem_text(options->name != NULL ? options->name : "http");
    server->log.stage = server->name;
    server->tables = mem_new(options->table_count * sizeof *server->tables + 1);
    for (size_t i = 0; i < options->table_count; i++)
        server->tables[i] = options->tables[i];
    check_tables(server);
    if (read_tls(server, err) < 0 || listen_at(server, err) < 0)
        goto out;
    start_watch(server);
    if (start_daemon(server, err) < 0)
        goto out;
    LOG(&server->log, HTTP_LISTENING, F_NUMBER("port", server->port),
        F_WORD("tls", server->is_tls ? "yes" : "no"));
    *out_server = TAKE(server);
    rc = 0;
out:
    if (rc < 0)
        err_context(err, "HTTP server %s", server->name);
    http_server_stop(&server);
    return rc;
}

void
http_server_stop(struct http_server **server_at)
{
    struct http_server *server = TAKE(*server_at);
    struct http_tls *tls;

    if (server == NULL)
        return;
    server->is_stopping = true;
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon); /* closes the listening socket */
        LOG(&server->log, HTTP_STOPPED);
    } else if (server->listen_fd >= 0)
        close(server->listen_fd);
    http_watch_stop(&server->watch);
    if (server->unix_path != NULL)
        unlink(server->unix_path);
    free(server->unix_path);
    free(server->name);
    free(server->tables);
    free(server->certificate_file);
    free(server->key_file);
    free(server->client_ca_file);
    tls = server->tls;
    http_tls_free(&tls);
    free(server);
}

int
http_server_renew(struct http_server *server, bool *out_is_new, struct err *err)
{
    struct http_tls *last = server->tls, *fresh = NULL;

    if (last != NULL && http_tls_read(server, last, &fresh, err) < 0)
        return err_context(err, "HTTP server %s", server->name);
    *out_is_new = fresh != NULL;
    if (fresh == NULL)
        return 0;
    fresh->older = last;
    server->tls = fresh;
    LOG(&server->log, HTTP_CERTIFICATE_NEW);
    return 0;
}

uint16_t
http_server_port(const struct http_server *server)
{
    return server->port;
}

unsigned
http_server_connections(struct http_server *server)
{
    unsigned n;

    gate_lock(&server->watch.gate);
    n = server->watch.count;
    gate_unlock(&server->watch.gate);
    return n;
}
