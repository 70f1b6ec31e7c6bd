/* images.c - the archive's DICOMweb and previews, for whoever may see the study.
 *
 *     request > right to the study > noted > a thread asks the archive
 *             > status and headers > answer < bytes through a pipe of PIPE_BYTES
 *
 * The archive pushes, the server pulls: the pipe is between them. When it is full the archive is
 * held back; when the client leaves the thread ends at its next bytes. Both ends hold the pipe; the
 * later one frees it. Nothing is kept. */
#include "reader/door/door_own.h"

#include "proto/base/text.h"
#include "proto/base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIPE_BYTES = 256 * 1024, LOOK_MS = 1000, HEADERS_MAX = 8, HEADER_BYTES = 4096 };

/* What of the page's words goes to the archive, and of the archive's to the page. */
static const char *const asked[] = {"Accept", "Range", "If-None-Match", "If-Range"};
static const char *const told[] = {"ETag",          "Retry-After", "Content-Range",
                                   "Accept-Ranges", "Warning",     "Radpost-Preview"};

struct told_header {
    char value[512];
};

struct pipe {
    struct door *door;
    struct gate gate;
    int holders; /* the thread, the answer */
    bool has_head, is_over, is_gone;
    int rc;
    struct err err;
    /* the archive's head */
    int status;
    uint64_t size;
    char type[256];
    struct told_header headers[ARRAY_LEN(told)];
    /* bytes on their way: used ones begin at begin */
    size_t begin, used;
    uint8_t bytes[PIPE_BYTES];
    /* the question */
    char method[8], tenant[ASSIGN_CODE];
    char *path;
    char *lines[ARRAY_LEN(asked) + 2];
    struct http_request *req; /* the answer's end only */
};

static void
pipe_drop(struct pipe *p)
{
    struct door *door = p->door;
    bool is_last;

    gate_lock(&p->gate);
    is_last = --p->holders == 0;
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    if (!is_last)
        return;
    gate_fini(&p->gate);
    for (size_t i = 0; p->lines[i] != NULL; i++)
        free(p->lines[i]);
    free(p->path);
    free(p);
    gate_lock(&door->gate);
    door->pipes--;
    gate_wake(&door->gate);
    gate_unlock(&door->gate);
}

/* ---- the archive's end ---- */

static int
on_head(void *user, const struct archive_head *head, struct err *err)
{
    struct pipe *p = user;
    int rc = 0;

    gate_lock(&p->gate);
    p->status = head->status;
    p->size = head->size;
    if (!archive_head_find(head, "Content-Type", p->type, sizeof p->type))
        p->type[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (!archive_head_find(head, told[i], p->headers[i].value, sizeof p->headers[i].value))
            p->headers[i].value[0] = '\0';
    p->has_head = true;
    if (p->is_gone)
        rc = err_set(err, ERR_RETRY, "the client left");
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    return rc;
}

static int
on_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    struct pipe *p = user;

    gate_lock(&p->gate);
    while (n > 0 && !p->is_gone) {
        size_t end = (p->begin + p->used) % PIPE_BYTES;
        size_t room = PIPE_BYTES - p->used, k = PIPE_BYTES - end;

        if (room == 0) {
            gate_wait(&p->gate);
            continue;
        }
        k = k < room ? k : room;
        k = k < n ? k : n;
        memcpy(p->bytes + end, bytes, k);
        p->used += k;
        bytes += k;
        n -= k;
        gate_wake(&p->gate);
    }
    gate_unlock(&p->gate);
    return n == 0 ? 0 : err_set(err, ERR_RETRY, "the client left");
}

static void *
ask_archive(void *arg)
{
    struct pipe *p = arg;
    struct err err = {0};
    struct archive_request ask = {.method = p->method,
                                  .tenant = p->tenant,
                                  .path = p->path,
                                  .headers = (const char *const *)p->lines,
                                  .on_head = on_head,
                                  .on_bytes = on_bytes,
                                  .user = p};
    int rc = archive_fetch(p->door->options.archive, &ask, &err);

    gate_lock(&p->gate);
    p->rc = rc;
    p->err = err;
    p->is_over = true;
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    pipe_drop(p);
    return NULL;
}

/* ---- the page's end ---- */

static int
read_pipe(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct pipe *p = user;
    size_t k = 0;
    int rc = 0;

    gate_lock(&p->gate);
    while (p->used == 0 && !p->is_over && !p->is_gone)
        if (!gate_wait_ms(&p->gate, LOOK_MS))
            p->is_gone = http_is_gone(p->req);
    if (p->used > 0) {
        k = PIPE_BYTES - p->begin;
        k = k < p->used ? k : p->used;
        k = k < n ? k : n;
        memcpy(bytes, p->bytes + p->begin, k);
        p->begin = (p->begin + k) % PIPE_BYTES;
        p->used -= k;
        gate_wake(&p->gate);
    } else if (p->is_gone) {
        rc = err_set(err, ERR_RETRY, "the client left");
    } else if (p->rc < 0) {
        *err = p->err; /* what came is not whole: the connection breaks off, the page sees it */
        rc = -1;
    }
    gate_unlock(&p->gate);
    *out_n = k;
    return rc;
}

static void
leave_pipe(void *user)
{
    struct pipe *p = user;

    gate_lock(&p->gate);
    p->is_gone = true;
    gate_wake(&p->gate);
    gate_unlock(&p->gate);
    pipe_drop(p);
}

/* Until the archive has said its status; the client may leave before. */
static int
wait_head(struct pipe *p, struct http_request *req, struct err *err)
{
    int rc = 0;

    gate_lock(&p->gate);
    while (!p->has_head && !p->is_over && !p->is_gone)
        if (!gate_wait_ms(&p->gate, LOOK_MS))
            p->is_gone = http_is_gone(req);
    if (!p->has_head) {
        rc = p->is_gone ? err_set(err, ERR_RETRY, "the client left") : -1;
        if (!p->is_gone)
            *err = p->err;
    }
    gate_unlock(&p->gate);
    /* whom the archive lets in is between it and us: no page of ours is to sign out for it */
    if (rc == 0 && (p->status == 401 || p->status == 403))
        rc = err_set(err, ERR_RETRY, "the archive refuses us: %d", p->status);
    if (rc < 0 && err->kind == ERR_DENIED)
        err->kind = ERR_RETRY;
    return rc;
}

/* Each look at a picture asks anew whether one may: a browser keeps it, but asks before it shows
 * it again. */
static void
answer_pipe(struct http_response *res, struct pipe *p)
{
    bool has_tag = false;

    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (p->headers[i].value[0] != '\0') {
            http_answer_header(res, told[i], p->headers[i].value);
            has_tag = has_tag || strcmp(told[i], "ETag") == 0;
        }
    http_answer_header(res, "Cache-Control", has_tag ? "private, no-cache" : "no-store");
    http_answer_header(res, "Vary", "Accept, Cookie");
    if (p->status == 204 || p->status == 304) {
        http_answer_empty(res, p->status);
        leave_pipe(p); /* may be its end */
    } else {
        http_answer_stream(res, p->status, p->type[0] != '\0' ? p->type : NULL, p->size, read_pipe,
                           leave_pipe, p);
    }
}

/* ---- the question ---- */

static struct pipe *
pipe_new(struct door *door, struct http_request *req, const char *tenant)
{
    struct pipe *p = mem_new(sizeof *p);
    const char *query = http_query_text(req);
    size_t n = 0;

    p->door = door;
    p->req = req;
    p->holders = 1;
    gate_init(&p->gate);
    text_copy(p->method, sizeof p->method, strcmp(http_method(req), "HEAD") == 0 ? "HEAD" : "GET");
    text_copy(p->tenant, sizeof p->tenant, tenant);
    p->path = mem_printf("%s%s%s", http_path(req), query[0] != '\0' ? "?" : "", query);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const char *value = http_header(req, asked[i]);

        if (value != NULL && strlen(value) < HEADER_BYTES)
            p->lines[n++] = mem_printf("%s: %s", asked[i], value);
    }
    /* links in what the archive answers lead back here */
    p->lines[n++] = mem_printf("Radpost-Base: %s/dicomweb", http_origin(req));
    gate_lock(&door->gate);
    door->pipes++;
    gate_unlock(&door->gate);
    return p;
}

/* What is looked at is noted before a byte of it leaves; once for a while of looking. The viewer
 * asks for previews of whole studies, too. */
static int
note_look(struct door *door, struct http_request *req, struct pg_conn *conn,
          const struct person *person, const char *tenant, const char *study, bool is_whole,
          struct err *err)
{
    bool is_preview = !is_whole && strncmp(http_path(req), "/preview/", 9) == 0, is_new = false;
    const char *what = is_preview ? "preview" : "images";

    if (people_look_put(conn, person, tenant, study, what, &is_new, err) < 0)
        return -1;
    if (!is_new || door->options.audit == NULL)
        return 0;
    return audit_append(door->options.audit, err, is_preview ? AUDIT_PREVIEWED : AUDIT_RETRIEVED,
                        A_WORD("tenant", tenant), A_UID("study", study),
                        A_WORD("by", person->login), A_WORD("of", person->org),
                        A_WORD("what", what), A_WORD("peer", http_peer(req)),
                        A_WORD("request", http_id(req)));
}

static int
settle_study(struct http_request *req, bool is_look, char out_tenant[ASSIGN_CODE], struct err *err)
{
    struct door *door = http_user(req);
    const char *study = http_param(req, "study");
    struct pg_conn *conn = NULL;
    struct person person;
    bool is_whole;
    int rc = -1;

    if (!uid_is_valid(study, true))
        return err_set(err, ERR_NOT_FOUND, "a path without a UID");
    if (pg_get(door->options.pg, &conn, err) < 0)
        return -1;
    if (people_of_caller(conn, http_caller(req), &person, err) == 0 &&
        assign_may_see_study(conn, &person, study, out_tenant, &is_whole, err) == 0 &&
        (!is_look || note_look(door, req, conn, &person, out_tenant, study, is_whole, err) == 0))
        rc = 0;
    pg_put(&conn);
    return rc;
}

int
door_get_images(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    char tenant[ASSIGN_CODE];
    struct pipe *p;

    if (settle_study(req, true, tenant, err) < 0)
        return -1;
    if (door->options.archive == NULL)
        return err_set(err, ERR_RETRY, "no archive");
    p = pipe_new(door, req, tenant);
    p->holders++;
    pthread_detach(thread_start("door-images", ask_archive, p));
    if (wait_head(p, req, err) < 0) {
        leave_pipe(p);
        return err_context(err, "images");
    }
    answer_pipe(res, p);
    return 0;
}

int
door_get_standing(struct http_request *req, struct http_response *res, struct err *err)
{
    struct door *door = http_user(req);
    struct archive_standing s;
    char tenant[ASSIGN_CODE];
    struct buf b;
    struct jsonw w;

    if (settle_study(req, false, tenant, err) < 0)
        return -1;
    if (door->options.archive == NULL)
        return err_set(err, ERR_RETRY, "no archive");
    if (archive_standing_get(door->options.archive, tenant, http_param(req, "study"), &s, err) < 0)
        return -1;
    buf_init(&b, DOOR_JSON_BYTES);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "offered", s.offered);
    jsonw_uint(&w, "looked", s.looked);
    jsonw_uint(&w, "whole", s.whole);
    jsonw_uint(&w, "quarantined", s.quarantined);
    jsonw_uint(&w, "revision", s.revision);
    jsonw_uint(&w, "expected", s.expected);
    jsonw_uint(&w, "missing", s.missing);
    jsonw_uint(&w, "announced", s.announced);
    jsonw_uint(&w, "bytes_all", s.bytes_all);
    jsonw_uint(&w, "bytes_there", s.bytes_there);
    jsonw_uint(&w, "bytes_per_s", s.bytes_per_s);
    jsonw_int(&w, "seconds_left", s.seconds_left);
    jsonw_end(&w);
    door_answer(res, 200, &b);
    return 0;
}
