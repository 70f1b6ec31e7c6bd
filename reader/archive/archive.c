/* archive.c - opening, calls in general, events, lists, standing and devices. */
#include "reader/archive/archive_own.h"

#include "proto/base/clock.h"
#include "proto/base/jsonw.h"
#include "proto/base/text.h"
#include "proto/http/url.h"
#include "proto/link/enrol.h"
#include "proto/link/link.h"
#include "proto/trust/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLLS = 8,
    CALL_STALL_MS = 30000,
    POLL_STALL_MS = 90000, /* longer than storage's longest wait */
    WAIT_MOST_S = 60,
    EVENTS_ASKED = 500,
    EVENTS_BYTES = 16 << 20,
    SMALL_BYTES = 65536
};

/* ---- life ---- */

static int
start(const struct enrol_identity *id, const char *own_url, struct archive **out, struct err *err)
{
    char url[512] = "";
    struct pool_options options = {.url = url,
                                   .ca_file = id->ca,
                                   .certificate = id->certificate,
                                   .key = id->key,
                                   .limit = ARCHIVE_CONNECTIONS,
                                   .stall_ms = CALL_STALL_MS};
    struct archive *a;

    if (strcmp(id->kind, "reader") != 0)
        return err_set(err, ERR_CONFLICT, "the identity is a %s's, not a reader's", id->kind);
    if (own_url != NULL && own_url[0] != '\0') {
        if (!text_copy(url, sizeof url, own_url))
            return err_set(err, ERR_REJECT, "the archive's address is too long");
    } else if (!enrol_address(id, "link_url", url, sizeof url)) {
        return err_set(err, ERR_REJECT, "the archive's address is not known");
    }
    if (strncmp(url, "https://", 8) != 0)
        return err_set(err, ERR_REJECT, "the archive's address begins with https://");
    a = mem_new(sizeof *a);
    gate_init(&a->gate);
    a->calls = pool_new(&options);
    options.limit = POLLS;
    options.stall_ms = POLL_STALL_MS;
    a->polls = pool_new(&options);
    *out = a;
    return 0;
}

int
archive_open(const char *identity_dir, const char *url, struct archive **out_archive,
             struct err *err)
{
    struct enrol_identity id;
    int rc;

    if (enrol_load(identity_dir, &id, err) < 0)
        return -1;
    rc = start(&id, url, out_archive, err);
    enrol_identity_fini(&id);
    return rc;
}

void
archive_close(struct archive **archive)
{
    struct archive *a = TAKE(*archive);

    if (a == NULL)
        return;
    pool_free(&a->calls);
    pool_free(&a->polls);
    gate_fini(&a->gate);
    free(a);
}

void
archive_abort(struct archive *archive)
{
    pool_abort(archive->calls);
    pool_abort(archive->polls);
}

void
archive_renewed(struct archive *archive)
{
    pool_renew(archive->calls);
    pool_renew(archive->polls);
}

/* ---- calls in general ---- */

static bool
is_code(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n <= 64 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

int
archive_check_uid(const char *uid, struct err *err)
{
    return uid_is_valid(uid, true) ? 0 : err_set(err, ERR_NOT_FOUND, "no UID, no study");
}

static int
call_from(struct pool *pool, const char *tenant, struct http_call *call, struct http_reply *reply,
          struct err *err)
{
    struct http_client *client = NULL;
    const char *headers[20];
    char line[96];
    size_t n = 0;
    int rc;

    if (tenant != NULL) {
        if (!is_code(tenant))
            return err_set(err, ERR_NOT_FOUND, "no such tenant");
        snprintf(line, sizeof line, "Radpost-Tenant: %s", tenant);
        headers[n++] = line;
    }
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++) {
        if (n == ARRAY_LEN(headers) - 1 || strpbrk(call->headers[i], "\r\n") != NULL)
            return err_set(err, ERR_REJECT, "a header that cannot be handed on");
        headers[n++] = call->headers[i];
    }
    headers[n] = NULL;
    call->headers = headers;
    if (pool_borrow(pool, &client, err) < 0)
        return -1;
    rc = http_client_call(client, call, reply, err);
    pool_return(pool, &client, rc == 0);
    call->headers = NULL;
    return rc < 0 ? err_context(err, "ask the archive") : 0;
}

int
archive_call(struct archive *a, const char *tenant, struct http_call *call,
             struct http_reply *reply, struct err *err)
{
    return call_from(a->calls, tenant, call, reply, err);
}

static int
get_json(struct pool *pool, const char *tenant, const char *path, size_t limit, int64_t total_ms,
         struct json_doc **out, struct err *err)
{
    struct http_call call = {
        .method = "GET", .path = path, .answer_limit = limit, .total_ms = total_ms};
    struct http_reply reply;
    int rc;

    if (call_from(pool, tenant, &call, &reply, err) < 0)
        return -1;
    rc = http_reply_check(&reply, err);
    *out = NULL;
    if (rc == 0 && reply.status != 204)
        rc = json_parse(reply.body.bytes, reply.body.n, out, err);
    http_reply_fini(&reply);
    return rc;
}

int
archive_get_json(struct archive *a, const char *tenant, const char *path, size_t limit,
                 struct json_doc **out, struct err *err)
{
    return get_json(a->calls, tenant, path, limit, ARCHIVE_CALL_MS, out, err);
}

int
archive_check(struct archive *archive, struct err *err)
{
    struct json_doc *doc = NULL;
    int rc = archive_get_json(archive, NULL, LINK_PATH_PING, SMALL_BYTES, &doc, err);

    json_free(&doc);
    return rc;
}

/* ---- events ---- */

/* The detail's plain members, written again. */
static void
write_detail(const struct json *detail, struct buf *out)
{
    struct jsonw w;
    struct err ignored;
    bool truth;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    for (const void *m = json_member_first(detail); m != NULL; m = json_member_next(detail, m)) {
        const char *key = json_member_key(m);
        const struct json *v = json_member_value(m);

        if (json_is_text(v))
            jsonw_text(&w, key, json_as_text(v));
        else if (json_is_number(v))
            jsonw_int(&w, key, json_as_int(v, 0));
        else if (json_truth(detail, key, &truth, &ignored) == 0)
            jsonw_bool(&w, key, truth);
    }
    jsonw_end(&w);
}

static int
read_event(const struct json *json, struct archive_event *e, struct buf *detail, struct err *err)
{
    const char *tenant, *kind, *study, *at;
    const struct json *told = json_find(json, "detail");
    int64_t revision, instances;
    struct err ignored;

    *e = (struct archive_event){0};
    if (json_u64(json, "seq", INT64_MAX, &e->seq, err) < 0 ||
        json_text(json, "tenant", sizeof e->tenant - 1, &tenant, err) < 0 ||
        json_text(json, "kind", sizeof e->kind - 1, &kind, err) < 0 ||
        json_text(json, "study", sizeof e->study - 1, &study, err) < 0 ||
        json_text(json, "at", 40, &at, err) < 0)
        return -1;
    if (clock_read(at, &e->at_us) < 0)
        return err_set(err, ERR_REJECT, "at: not a time");
    text_copy(e->tenant, sizeof e->tenant, tenant);
    text_copy(e->kind, sizeof e->kind, kind);
    text_copy(e->study, sizeof e->study, study);
    revision = json_as_int(json_find(told, "revision"), 0);
    instances = json_as_int(json_find(told, "instances"), 0);
    e->revision = revision > 0 && revision <= INT32_MAX ? (uint32_t)revision : 0;
    e->instances = instances > 0 ? (uint64_t)instances : 0;
    if (json_truth(told, "is_late", &e->is_late, &ignored) < 0)
        e->is_late = false;
    buf_clear(detail);
    write_detail(told, detail);
    e->detail = buf_text(detail);
    return 0;
}

static int
tell_events(const struct json *root, archive_on_event on_event, void *user, struct err *err)
{
    const struct json *list;
    struct buf detail;
    int rc = -1;

    buf_init(&detail, SMALL_BYTES);
    if (json_list(root, "events", EVENTS_ASKED, &list, err) < 0)
        goto out;
    for (size_t i = 0; i < json_length(list); i++) {
        struct archive_event e;

        if (read_event(json_at(list, i), &e, &detail, err) < 0)
            goto out;
        if (on_event(user, &e) != 0)
            break;
    }
    rc = 0;
out:
    buf_fini(&detail);
    return rc;
}

/* An archive that does not know of lost cursors never tells of one. */
static int
read_lost(const struct json *root, struct archive_cursor *cursor, bool *out_is_lost,
          struct err *err)
{
    uint64_t next;

    *out_is_lost = false;
    if (json_find(root, "is_cursor_lost") == NULL)
        return 0;
    if (json_truth(root, "is_cursor_lost", out_is_lost, err) < 0 ||
        json_u64(root, "next", INT64_MAX, &next, err) < 0)
        return -1;
    if (*out_is_lost)
        *cursor = (struct archive_cursor){.seq = next};
    return 0;
}

int
archive_events(struct archive *archive, struct archive_cursor *cursor, unsigned wait_s,
               archive_on_event on_event, void *user, bool *out_is_lost, struct err *err)
{
    struct json_doc *doc = NULL;
    char path[160], at[40] = "";
    int rc;

    wait_s = wait_s > WAIT_MOST_S ? WAIT_MOST_S : wait_s;
    if (cursor->at_us != 0)
        clock_text(cursor->at_us, at);
    snprintf(path, sizeof path, "/events?after=%" PRIu64 "&limit=%d&wait_s=%u%s%s", cursor->seq,
             EVENTS_ASKED, wait_s, at[0] != '\0' ? "&at=" : "", at);
    if (get_json(archive->polls, NULL, path, EVENTS_BYTES, ARCHIVE_CALL_MS + wait_s * 1000, &doc,
                 err) < 0)
        return -1;
    rc = read_lost(json_root(doc), cursor, out_is_lost, err);
    if (rc == 0 && !*out_is_lost)
        rc = tell_events(json_root(doc), on_event, user, err);
    json_free(&doc);
    return rc < 0 ? err_context(err, "events of the archive") : 0;
}

/* ---- lists and standing ---- */

int
archive_manifest(struct archive *archive, const char *tenant, const char *study, uint32_t revision,
                 struct buf *out_json, struct err *err)
{
    char path[ARCHIVE_PATH];
    struct http_call call = {.method = "GET",
                             .path = path,
                             .answer_limit = ARCHIVE_MANIFEST_BYTES,
                             .total_ms = ARCHIVE_CALL_MS};
    struct http_reply reply;
    int rc;

    if (archive_check_uid(study, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/archive/v1/studies/%s/manifest?revision=%u", study, revision);
    if (archive_call(archive, tenant, &call, &reply, err) < 0)
        return -1;
    rc = http_reply_check(&reply, err);
    if (rc == 0)
        buf_add(out_json, reply.body.bytes, reply.body.n);
    http_reply_fini(&reply);
    if (rc == 0 && buf_is_over(out_json))
        rc = err_set(err, ERR_REJECT, "the list is longer than its limit");
    return rc;
}

/* NULL: nobody said so, or storage is older. */
static int
read_gone(const struct json *o, struct archive_gone *out, struct err *err)
{
    const char *reason, *by, *at;

    if (o == NULL)
        return 0;
    if (json_u64(o, "images", INT32_MAX, &out->images, err) < 0 ||
        json_text(o, "reason", sizeof out->reason - 1, &reason, err) < 0 ||
        json_text(o, "by", sizeof out->by - 1, &by, err) < 0 ||
        json_text(o, "at", 40, &at, err) < 0)
        return err_context(err, "gone");
    if (clock_read(at, &out->at_us) < 0)
        return err_set(err, ERR_REJECT, "gone: not a time");
    text_copy(out->reason, sizeof out->reason, reason);
    text_copy(out->by, sizeof out->by, by);
    return 0;
}

static int
read_standing(const struct json *root, struct archive_standing *out, struct err *err)
{
    struct archive_standing s = {0};
    uint64_t revision;
    const char *at;

    if (json_u64(root, "offered", INT64_MAX, &s.offered, err) < 0 ||
        json_u64(root, "looked", INT64_MAX, &s.looked, err) < 0 ||
        json_u64(root, "whole", INT64_MAX, &s.whole, err) < 0 ||
        json_u64(root, "sealed", INT64_MAX, &s.sealed, err) < 0 ||
        json_u64(root, "quarantined", INT64_MAX, &s.quarantined, err) < 0 ||
        json_u64(root, "revision", INT32_MAX, &revision, err) < 0 ||
        json_u64(root, "expected", INT64_MAX, &s.expected, err) < 0 ||
        json_text(root, "last_at", 40, &at, err) < 0)
        return -1;
    if (clock_read(at, &s.last_at_us) < 0)
        return err_set(err, ERR_REJECT, "last_at: not a time");
    s.revision = (uint32_t)revision;
    s.missing = (uint64_t)json_as_int(json_find(root, "missing"), 0);
    s.announced = (uint64_t)json_as_int(json_find(root, "announced"), 0);
    s.bytes_all = (uint64_t)json_as_int(json_find(root, "bytes_all"), 0);
    s.bytes_there = (uint64_t)json_as_int(json_find(root, "bytes_there"), 0);
    s.bytes_per_s = (uint64_t)json_as_int(json_find(root, "bytes_per_s"), 0);
    s.seconds_left = json_as_int(json_find(root, "seconds_left"), -1);
    if (read_gone(json_find(root, "gone"), &s.gone, err) < 0)
        return -1;
    *out = s;
    return 0;
}

int
archive_standing_get(struct archive *archive, const char *tenant, const char *study,
                     struct archive_standing *out, struct err *err)
{
    struct json_doc *doc = NULL;
    char path[ARCHIVE_PATH];
    int rc;

    if (archive_check_uid(study, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/archive/v1/studies/%s/standing", study);
    if (archive_get_json(archive, tenant, path, SMALL_BYTES, &doc, err) < 0)
        return -1;
    rc = read_standing(json_root(doc), out, err);
    json_free(&doc);
    return rc;
}

int
archive_gone_put(struct archive *archive, const char *tenant, const char *study,
                 const struct archive_gone *said, struct err *err)
{
    char path[ARCHIVE_PATH];
    struct http_call call = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .total_ms = ARCHIVE_CALL_MS};
    struct http_reply reply;
    struct jsonw w;
    struct buf body;
    int rc = -1;

    buf_init(&body, 16384);
    if (archive_check_uid(study, err) < 0)
        goto out;
    snprintf(path, sizeof path, "/archive/v1/studies/%s/gone", study);
    jsonw_init(&w, &body);
    jsonw_object(&w, NULL);
    jsonw_uint(&w, "images", said->images);
    jsonw_text(&w, "reason", said->reason);
    jsonw_text(&w, "by", said->by);
    jsonw_end(&w);
    call.body = body.bytes;
    call.body_n = body.n;
    if (archive_call(archive, tenant, &call, &reply, err) < 0)
        goto out;
    rc = http_reply_check(&reply, err);
    http_reply_fini(&reply);
out:
    buf_fini(&body);
    return rc < 0 ? err_context(err, "lost for good") : 0;
}

/* ---- devices ---- */

static bool
remembered(struct archive *a, const uint8_t key[32], bool *out_is_valid)
{
    int64_t now_ms = clock_mono_ms();
    bool is_found = false;

    gate_lock(&a->gate);
    for (size_t i = 0; i < ARCHIVE_DEVICES && !is_found; i++) {
        const struct archive_device *d = &a->devices[i];

        if (d->until_ms > now_ms && memcmp(d->key, key, 32) == 0) {
            *out_is_valid = d->is_valid;
            is_found = true;
        }
    }
    gate_unlock(&a->gate);
    return is_found;
}

/* In the place of what ends first. asked_ms: what is told may be as old as the question. */
static void
remember(struct archive *a, const uint8_t key[32], bool is_valid, int64_t asked_ms)
{
    struct archive_device *oldest = &a->devices[0];

    gate_lock(&a->gate);
    for (size_t i = 0; i < ARCHIVE_DEVICES; i++)
        if (a->devices[i].until_ms < oldest->until_ms)
            oldest = &a->devices[i];
    memcpy(oldest->key, key, 32);
    oldest->is_valid = is_valid;
    oldest->until_ms = asked_ms + ARCHIVE_DEVICE_MS;
    gate_unlock(&a->gate);
}

static int
ask_device(struct archive *a, const char *serial_hex, const char *tenant, const char *device,
           bool *out_is_valid, struct err *err)
{
    struct json_doc *doc = NULL;
    struct buf path;
    int rc;

    buf_init(&path, ARCHIVE_PATH);
    buf_add_text(&path, "/archive/v1/certificates/");
    url_encode(&path, serial_hex);
    buf_add_text(&path, "?device=");
    url_encode(&path, device);
    rc = archive_get_json(a, tenant, buf_text(&path), SMALL_BYTES, &doc, err);
    if (rc == 0)
        rc = json_truth(json_root(doc), "is_valid", out_is_valid, err);
    json_free(&doc);
    buf_fini(&path);
    return rc;
}

int
archive_device_check(struct archive *archive, const char *serial_hex, const char *tenant,
                     const char *device, struct err *err)
{
    int64_t asked_ms = clock_mono_ms();
    uint8_t key[32];
    char text[256];
    bool is_valid;

    if (snprintf(text, sizeof text, "%s %s %s", serial_hex, tenant, device) >= (int)sizeof text ||
        !is_code(serial_hex) || !is_code(tenant))
        return err_set(err, ERR_DENIED, "no certificate of ours");
    digest_bytes(text, strlen(text), key);
    if (!remembered(archive, key, &is_valid)) {
        if (ask_device(archive, serial_hex, tenant, device, &is_valid, err) < 0) {
            if (err->kind == ERR_DENIED) /* ours is refused: that says nothing about theirs */
                err->kind = ERR_RETRY;
            return err_context(err, "check device %s", device);
        }
        remember(archive, key, is_valid, asked_ms);
    }
    return is_valid ? 0 : err_set(err, ERR_DENIED, "the certificate is not known or revoked");
}
