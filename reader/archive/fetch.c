/* fetch.c - bytes out of the archive and into it: the proxy's stream, pictures, STOW-RS. */
#include "reader/archive/archive_own.h"

#include "proto/base/text.h"
#include "proto/http/url.h"
#include "proto/trust/digest.h"

#include <stdio.h>
#include <string.h>

enum { STOW_BYTES = 256 << 20, STOW_MS = 300000, BOUNDARY_BYTES = 16 };

/* ---- streams ---- */

static int
tell_head(void *user, const struct http_reply *reply, struct err *err)
{
    const struct archive_request *request = user;
    struct archive_head head = {
        .status = reply->status, .headers = &reply->headers, .size = UINT64_MAX};
    char size[24];
    uint64_t n;

    if (http_reply_find(reply, "Content-Length", size, sizeof size) &&
        text_to_u64(size, UINT64_MAX - 1, &n) == 0)
        head.size = n;
    return request->on_head(request->user, &head, err);
}

static int
tell_bytes(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    const struct archive_request *request = user;

    return request->on_bytes(request->user, bytes, n, err);
}

/* It becomes a line of a request: nothing that could end it. */
static bool
is_path(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *p = path; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            return false;
    return true;
}

int
archive_fetch(struct archive *archive, const struct archive_request *request, struct err *err)
{
    struct archive_request copy = *request;
    struct http_call call = {.method = request->method != NULL ? request->method : "GET",
                             .path = request->path,
                             .headers = request->headers,
                             .accept = "",
                             .on_head = tell_head,
                             .sink = tell_bytes,
                             .is_sink_for_all = true,
                             .sink_user = &copy,
                             .answer_limit = UINT64_MAX};
    struct http_reply reply;

    if (!is_path(request->path))
        return err_set(err, ERR_REJECT, "a path that cannot be asked for");
    if (archive_call(archive, request->tenant, &call, &reply, err) < 0)
        return -1;
    http_reply_fini(&reply);
    return 0;
}

bool
archive_head_find(const struct archive_head *head, const char *name, char *out, size_t size)
{
    struct http_reply reply = {.headers = *head->headers};

    return http_reply_find(&reply, name, out, size);
}

int
archive_rendered(struct archive *archive, const struct archive_picture *p, struct buf *out_jpeg,
                 struct err *err)
{
    struct http_call call = {.method = "GET",
                             .accept = "image/jpeg",
                             .answer_limit = out_jpeg->limit,
                             .total_ms = ARCHIVE_CALL_MS};
    struct http_reply reply;
    struct buf path;
    int rc = -1;

    if (archive_check_uid(p->study, err) < 0 || archive_check_uid(p->series, err) < 0 ||
        archive_check_uid(p->sop_instance, err) < 0)
        return -1;
    buf_init(&path, 4096);
    buf_add_printf(&path, "/dicomweb/studies/%s/series/%s/instances/%s/frames/%u/rendered",
                   p->study, p->series, p->sop_instance, p->frame);
    buf_add_printf(&path, "?quality=%u", p->quality > 0 ? p->quality : 90);
    if (p->viewport > 0)
        buf_add_printf(&path, "&viewport=%u,%u", p->viewport, p->viewport);
    if (p->window != NULL) {
        buf_add_text(&path, "&window=");
        url_encode(&path, p->window);
    }
    call.path = buf_text(&path);
    if (archive_call(archive, p->tenant, &call, &reply, err) < 0)
        goto out;
    rc = http_reply_check(&reply, err);
    if (rc == 0)
        buf_add(out_jpeg, reply.body.bytes, reply.body.n);
    http_reply_fini(&reply);
    if (rc == 0 && buf_is_over(out_jpeg))
        rc = err_set(err, ERR_REJECT, "the picture is larger than its limit");
out:
    buf_fini(&path);
    return rc < 0 ? err_context(err, "picture of %s", p->sop_instance) : 0;
}

/* ---- STOW-RS ---- */

/* 128 random bits: no file holds them. */
static void
write_body(const struct archive_file *files, size_t count, struct buf *out, char *type, size_t size)
{
    uint8_t random[BOUNDARY_BYTES];
    char boundary[2 * BOUNDARY_BYTES + 1];

    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, boundary);
    snprintf(type, size, "multipart/related; type=\"application/dicom\"; boundary=%s", boundary);
    for (size_t i = 0; i < count; i++) {
        buf_add_printf(out, "--%s\r\nContent-Type: application/dicom\r\n\r\n", boundary);
        buf_add(out, files[i].bytes, files[i].n);
        buf_add_text(out, "\r\n");
    }
    buf_add_printf(out, "--%s--\r\n", boundary);
}

/* 202 and 409 of STOW-RS say that single files were refused for good; else the status' own kind. */
static int
check_stored(const struct http_reply *reply, struct err *err)
{
    bool is_stow = strncmp(reply->type, "application/dicom+json", 22) == 0;
    char count[24];

    if (is_stow && (reply->status == 202 || reply->status == 409))
        return err_set(err, ERR_REJECT, "the archive refused %s of the files",
                       reply->status == 202 ? "some" : "all");
    if (http_reply_check(reply, err) < 0)
        return -1;
    if (http_reply_find(reply, "Radpost-Set-Aside", count, sizeof count))
        return err_set(err, ERR_CONFLICT, "%s of the files contradict what is kept", count);
    return 0;
}

int
archive_stow(struct archive *archive, const char *tenant, const char *study,
             const struct archive_file *files, size_t count, struct err *err)
{
    char path[ARCHIVE_PATH], type[128];
    struct http_call call = {
        .method = "POST", .path = path, .content_type = type, .total_ms = STOW_MS};
    struct http_reply reply;
    struct buf body;
    int rc = -1;

    buf_init(&body, STOW_BYTES);
    if (archive_check_uid(study, err) < 0)
        goto out;
    snprintf(path, sizeof path, "/dicomweb/studies/%s", study);
    write_body(files, count, &body, type, sizeof type);
    if (buf_is_over(&body)) {
        err_set(err, ERR_REJECT, "too much at once");
        goto out;
    }
    call.body = body.bytes;
    call.body_n = body.n;
    if (archive_call(archive, tenant, &call, &reply, err) < 0)
        goto out;
    rc = check_stored(&reply, err);
    http_reply_fini(&reply);
out:
    buf_fini(&body);
    return rc < 0 ? err_context(err, "store into study %s", study) : 0;
}
