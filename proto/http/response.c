/* response.c - what handlers answer, and what every answer carries. */
#include "proto/http/server_parts.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define STREAM_BLOCK_BYTES 65536
#define RETRY_AFTER_S "5"

/* Pages of ours: own origin only. img-src: data and blob for canvases; wasm for pixel decoders. */
static const char page_policy[] =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";
static const char data_policy[] = "default-src 'none'; frame-ancestors 'none'; sandbox";
/* Chromium long started its viewer of PDFs (with its print button) in no sandbox; to it, it is an
 * object of a page around the file that has its style in its text. Nothing is run, framed or loaded
 * from elsewhere. */
static const char pdf_policy[] =
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

static const struct {
    const char *suffix;
    const char *type;
} media[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".wasm", "application/wasm"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
};

struct stream {
    http_read_fn read;
    void (*free_user)(void *user);
    void *user;
    struct http_request *req;
};

static struct http_request *
request_of(struct http_response *res)
{
    return (struct http_request *)(void *)((char *)res - offsetof(struct http_request, res));
}

static void
set(struct http_response *res, int status, const char *type, struct MHD_Response *mhd)
{
    CHECK(res->status == 0); /* invariant 1: one answer */
    CHECK(mhd != NULL);
    res->status = status;
    res->mhd = mhd;
    if (type != NULL)
        http_answer_header(res, "Content-Type", type);
}

void
http_answer_empty(struct http_response *res, int status)
{
    set(res, status, NULL, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void
http_answer_bytes(struct http_response *res, int status, const char *type, const void *bytes,
                  size_t n)
{
    set(res, status, type,
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY));
}

static const char *
media_of(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(media); i++) {
        size_t k = strlen(media[i].suffix);

        if (n > k && strcmp(path + n - k, media[i].suffix) == 0)
            return media[i].type;
    }
    return "application/octet-stream";
}

int
http_answer_page(struct http_response *res, const char *name, const struct embedded *file,
                 struct err *err)
{
    if (file == NULL)
        return err_set(err, ERR_NOT_FOUND, "no page of that name");
    http_answer_bytes(res, 200, media_of(name), file->begin, (size_t)(file->end - file->begin));
    return 0;
}

void
http_answer_buf(struct http_response *res, int status, const char *type, struct buf *b)
{
    size_t n;
    uint8_t *bytes;

    if (buf_is_over(b)) {
        struct http_request *req = request_of(res);

        buf_clear(b);
        err_set(&req->err, ERR_FATAL, "the answer is longer than its limit");
        http_response_error(req);
        return;
    }
    bytes = buf_take(b, &n);
    if (bytes == NULL)
        http_answer_bytes(res, status, type, "", 0);
    else
        set(res, status, type, MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE));
}

void
http_answer_file(struct http_response *res, int status, const char *type, int fd, uint64_t offset,
                 uint64_t size)
{
    struct MHD_Response *mhd = MHD_create_response_from_fd_at_offset64(size, fd, offset);

    CHECK(mhd != NULL);
    set(res, status, type, mhd);
}

static ssize_t
stream_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct stream *s = cls;
    struct http_watch *watch = &s->req->server->watch;
    struct err err = {0};
    size_t n = 0;
    int rc;

    (void)pos;
    http_watch_pause(watch, s->req->conn);
    rc = s->read(s->user, (uint8_t *)out, max, &n, &err);
    http_watch_resume(watch, s->req->conn, 0);
    if (rc < 0) {
        LOG(&s->req->server->log, HTTP_BROKEN_OFF, F_WORD("route", s->req->route->pattern),
            F_WORD("id", s->req->id), F_ERR(&err));
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    CHECK(n <= max);
    return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)n;
}

static void
stream_free(void *cls)
{
    struct stream *s = cls;

    if (s->free_user != NULL)
        s->free_user(s->user);
    free(s);
}

void
http_answer_stream(struct http_response *res, int status, const char *type, uint64_t size,
                   http_read_fn read, void (*free_user)(void *user), void *user)
{
    struct stream *s = mem_new(sizeof *s);

    *s = (struct stream){read, free_user, user, request_of(res)};
    set(res, status, type,
        MHD_create_response_from_callback(size == UINT64_MAX ? MHD_SIZE_UNKNOWN : size,
                                          STREAM_BLOCK_BYTES, stream_read, s, stream_free));
}

static void
answer_sentence(struct http_response *res, int status, const char *sentence)
{
    struct buf b;
    struct jsonw w;

    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "error", sentence);
    jsonw_text(&w, "id", request_of(res)->id);
    jsonw_end(&w);
    http_answer_buf(res, status, "application/json", &b);
    buf_fini(&b);
}

void
http_answer_refusal(struct http_response *res, int status, const char *sentence)
{
    answer_sentence(res, status, sentence);
}

static bool
is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text < 0x20 || (uint8_t)*text >= 0x7F)
            return false;
    return true;
}

void
http_answer_header(struct http_response *res, const char *name, const char *value)
{
    CHECK(res->header_count < HTTP_MAX_HEADERS);
    if (!is_plain(name) || !is_plain(value))
        return; /* a value that would break the head is left out; HTTP_MAX_HEADERS are ours */
    res->headers[res->header_count].name = mem_text(name);
    res->headers[res->header_count++].value = mem_text(value);
}

void
http_response_fini(struct http_response *res)
{
    if (res->mhd != NULL)
        MHD_destroy_response(res->mhd);
    for (size_t i = 0; i < res->header_count; i++) {
        free(res->headers[i].name);
        free(res->headers[i].value);
    }
    *res = (struct http_response){0};
}

/* Log what the operator needs, answer what the peer may read. */
void
http_response_error(struct http_request *req)
{
    struct http_response *res = &req->res;
    int status = req->refusal != 0 ? req->refusal : err_kind_http(req->err.kind);
    struct log_ctx log = req->server->log;
    const char *pattern = req->route != NULL ? req->route->pattern : "none";

    if (res->status != 0)
        http_response_fini(res); /* the handler failed after it had answered */
    if (status < 400)
        status = 500;
    log.peer = req->conn->peer;
    log.tenant = req->caller.tenant[0] != '\0' ? req->caller.tenant : NULL;
    if (req->refusal != 0)
        LOG(&log, HTTP_REFUSED, F_WORD("route", pattern), F_NUMBER("status", status),
            F_WORD("id", req->id), F_WORD("why", req->sentence));
    else
        LOG(&log, HTTP_FAILED, F_WORD("route", pattern), F_NUMBER("status", status),
            F_WORD("id", req->id), F_ERR(&req->err));
    answer_sentence(res, status,
                    req->refusal != 0 ? req->sentence : err_kind_sentence(req->err.kind));
    if (status == 503 || status == 429)
        http_answer_header(res, "Retry-After", RETRY_AFTER_S);
    if (status == 401 &&
        req->route != NULL) /* a scheme that browsers do not ask for by themselves */
        http_answer_header(res, "WWW-Authenticate",
                           req->route->callers & HTTP_TOKEN ? "Bearer realm=\"radpost\""
                                                            : "Session realm=\"radpost\"");
    if (req->allow[0] != '\0')
        http_answer_header(res, "Allow", req->allow);
}

static void
add_header(struct http_response *res, const char *name, const char *value)
{
    for (size_t i = 0; i < res->header_count; i++)
        if (strcasecmp(res->headers[i].name, name) == 0)
            return; /* the handler's own word stands */
    MHD_add_response_header(res->mhd, name, value);
}

static const char *
policy_of(const struct http_response *res, unsigned flags)
{
    if (flags & HTTP_PAGE)
        return page_policy;
    for (size_t i = 0; i < res->header_count; i++)
        if (strcasecmp(res->headers[i].name, "Content-Type") == 0)
            return strcmp(res->headers[i].value, "application/pdf") == 0 ? pdf_policy : data_policy;
    return data_policy;
}

enum MHD_Result
http_response_queue(struct http_request *req)
{
    struct http_response *res = &req->res;
    unsigned flags = req->route != NULL ? req->route->flags : HTTP_NO_STORE;
    enum MHD_Result rc;

    for (size_t i = 0; i < res->header_count; i++)
        MHD_add_response_header(res->mhd, res->headers[i].name, res->headers[i].value);
    add_header(res, "X-Content-Type-Options", "nosniff");
    add_header(res, "Referrer-Policy", "no-referrer");
    add_header(res, "Content-Security-Policy", policy_of(res, flags));
    if (flags & HTTP_NO_STORE || res->status >= 400)
        add_header(res, "Cache-Control", "no-store");
    if (req->is_refused) /* who asks for what is not there may mean its next bytes otherwise too */
        MHD_add_response_header(res->mhd, "Connection", "close");
    if (res->status < 400 && !(flags & HTTP_QUIET)) {
        struct log_ctx log = req->server->log;

        log.peer = req->conn->peer;
        LOG(&log, HTTP_ANSWERED, F_WORD("route", req->route->pattern),
            F_NUMBER("status", res->status), F_MS("took", clock_mono_ms() - req->began_ms));
    }
    req->is_answered = true;
    http_watch_phase(&req->server->watch, req->conn, HTTP_PHASE_SEND);
    rc = MHD_queue_response(req->mhd, (unsigned)res->status, res->mhd);
    return rc;
}
