/* stow.c - STOW-RS (PS3.18 10.5): POST multipart/related with application/dicom parts to /studies
 * or to one study. Each part goes to a nameless file as it comes, and is kept when it is whole.
 * Success is told for an instance only when it is durable in two places. What cannot be read fails
 * alone; a full disk or a catalog that is away fails the request (507, 503), the bytes of the part
 * under way going at once: what was kept before it is found as a duplicate when the request is sent
 * again. */
#include "storage/ingest/ingest_own.h"

#include "proto/base/buf.h"
#include "proto/base/durable.h"
#include "proto/base/jsonw.h"
#include "proto/base/limits.h"
#include "proto/base/text.h"
#include "proto/http/multipart_reader.h"
#include "storage/keep/keep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES = 64 << 20 };

struct outcome {
    struct keep_stored stored; /* when reason is 0 */
    uint16_t reason;           /* PS3.18 I.2 / DIMSE failure status */
};

struct stow {
    struct ingest *ingest;
    const struct http_request *req;
    struct multipart_reader *reader;
    int fd; /* of the part under way, -1 = none */
    uint64_t size;
    struct keep_claim claim; /* its room */
    struct err full; /* no room: the rest is read and dropped, for who is cut off sends on */
    char tenant[KEEP_CODE_SIZE];
    struct outcome *outcomes;
    size_t count, room, stored, set_aside;
};

static const char *
way_of(const struct stow *s)
{
    return http_caller(s->req)->kind == HTTP_READER ? KEEP_WAY_READER : "STOW-RS";
}

/* Of the part under way nothing stays. */
static void
drop_part(struct stow *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    keep_claim_end(s->ingest->options.keep, &s->claim);
}

static int
begin_part(void *user, const struct multipart_part *part, struct err *err)
{
    struct stow *s = user;

    if (strncmp(part->type, "application/dicom", 17) != 0 ||
        (part->type[17] != '\0' && strchr("; \t", part->type[17]) == NULL))
        return err_set(err, ERR_REJECT, "only parts of type application/dicom are kept");
    if (s->count >= LIMIT_MANIFEST_INSTANCES)
        return err_set(err, ERR_REJECT, "too many parts in one request");
    s->claim = (struct keep_claim){.tenant = s->tenant, .way = way_of(s), .fd = -1};
    if (keep_claim(s->ingest->options.keep, &s->claim, 0, err) < 0) {
        drop_part(s);
        return -1;
    }
    s->fd = open(s->ingest->spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return err_sys(err, ERR_RETRY, "a file for a part");
    s->claim.fd = s->fd;
    s->size = 0;
    return 0;
}

static int
take_part(void *user, const uint8_t *bytes, size_t n, struct err *err)
{
    struct stow *s = user;

    if (n > LIMIT_OBJECT_BYTES - s->size)
        return err_set(err, ERR_REJECT, "a part is longer than an instance may be");
    s->size += n;
    if (durable_write(s->fd, bytes, n, err) < 0 ||
        keep_claim(s->ingest->options.keep, &s->claim, s->size, err) < 0) {
        drop_part(s);
        return -1;
    }
    return 0;
}

static struct outcome *
add_outcome(struct stow *s)
{
    if (s->count == s->room) {
        s->room = s->room == 0 ? 64 : 2 * s->room;
        s->outcomes = mem_grow(s->outcomes, s->room * sizeof *s->outcomes);
    }
    memset(&s->outcomes[s->count], 0, sizeof *s->outcomes);
    return &s->outcomes[s->count++];
}

static int
keep_part(void *user, struct err *err)
{
    struct stow *s = user;
    const struct http_caller *caller = http_caller(s->req);
    struct outcome *outcome = add_outcome(s);
    struct keep_incoming in = {.tenant = s->tenant,
                               .fd = s->fd,
                               .size = s->size,
                               .way = way_of(s),
                               .peer = http_peer(s->req),
                               .ae = caller->device,
                               .expect_study = NULL,
                               .claim = &s->claim};
    int rc;

    if (strstr(http_route(s->req)->pattern, "{study}") != NULL)
        in.expect_study = http_param(s->req, "study");
    rc = keep_store_direct(s->ingest->options.keep, &in, &outcome->stored, err);
    drop_part(s);
    if (rc < 0 && (err->kind == ERR_RETRY || err->kind == ERR_FULL || err->kind == ERR_FATAL))
        return -1;
    if (rc < 0) {
        outcome->reason = err_kind_dimse(err->kind);
        LOG(&ingest_log, INGEST_PART_FAILED, F_NUMBER("part", s->count), F_ERR(err));
    }
    s->stored += rc == 0;
    s->set_aside += rc == 0 && outcome->stored.outcome == KEEP_QUARANTINED;
    return 0;
}

static const struct multipart_events events = {begin_part, take_part, keep_part};

static void
end_stow(struct http_request *req)
{
    struct stow *s = http_state(req);

    if (s == NULL)
        return;
    drop_part(s);
    multipart_reader_free(&s->reader);
    free(s->outcomes);
    free(s);
}

/* Whose study: the caller's own, or for a reader the tenant it names. */
static int
find_tenant(struct stow *s, const struct http_request *req, struct err *err)
{
    const struct http_caller *caller = http_caller(req);
    const char *named = http_header(req, "Radpost-Tenant");

    if (!(caller->rights & RIGHT_ALL_TENANTS)) {
        if (named != NULL && strcmp(named, caller->tenant) != 0)
            return err_set(err, ERR_NOT_FOUND, "a tenant of its own only");
        text_copy(s->tenant, sizeof s->tenant, caller->tenant);
        return 0;
    }
    if (named == NULL)
        return err_set(err, ERR_REJECT, "no Radpost-Tenant header");
    if (!text_copy(s->tenant, sizeof s->tenant, named))
        return err_set(err, ERR_NOT_FOUND, "no such tenant");
    return keep_tenant_find(s->ingest->options.keep, s->tenant, err);
}

static int
begin_stow(struct http_request *req, struct err *err)
{
    const char *type = http_header(req, "Content-Type");
    struct stow *s = mem_new(sizeof *s);
    char part_type[64];

    s->ingest = http_user(req);
    s->req = req;
    s->fd = -1;
    http_state_set(req, s);
    if (find_tenant(s, req, err) < 0)
        return -1;
    if (multipart_reader_new(type != NULL ? type : "", &events, s, part_type, &s->reader, err) < 0)
        return -1;
    if (part_type[0] != '\0' && strcmp(part_type, "application/dicom") != 0)
        return err_set(err, ERR_REJECT, "only application/dicom is kept");
    return 0;
}

static int
take_stow(struct http_request *req, const uint8_t *bytes, size_t n, struct err *err)
{
    struct stow *s = http_state(req);

    if (s->full.kind != ERR_NONE || multipart_reader_feed(s->reader, bytes, n, err) == 0)
        return 0;
    if (err->kind != ERR_FULL)
        return -1;
    s->full = *err;
    err_clear(err);
    return 0;
}

/* {"00081150": {"vr": "UI", "Value": ["..."]}} */
static void
write_value(struct jsonw *w, const char *tag, const char *vr, const char *text)
{
    jsonw_object(w, tag);
    jsonw_text(w, "vr", vr);
    jsonw_array(w, "Value");
    jsonw_text(w, NULL, text);
    jsonw_end(w);
    jsonw_end(w);
}

static void
write_stored(struct jsonw *w, const struct keep_stored *stored, const char *origin)
{
    char *url = mem_printf("%s/dicomweb/studies/%s/series/%s/instances/%s", origin, stored->study,
                           stored->series, stored->sop_instance);

    jsonw_object(w, NULL);
    write_value(w, "00081150", "UI", stored->sop_class);
    write_value(w, "00081155", "UI", stored->sop_instance);
    write_value(w, "00081190", "UR", url);
    jsonw_end(w);
    free(url);
}

static void
write_failed(struct jsonw *w, uint16_t reason)
{
    jsonw_object(w, NULL);
    jsonw_object(w, "00081197");
    jsonw_text(w, "vr", "US");
    jsonw_array(w, "Value");
    jsonw_uint(w, NULL, reason);
    jsonw_end(w);
    jsonw_end(w);
    jsonw_end(w);
}

/* PS3.18 I.2: what was stored, and what was not. A part that cannot be read has no UIDs to be
 * named by, so it stands in Other Failures Sequence (0008,119A). */
static void
write_answer(const struct stow *s, const char *origin, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    for (int failed = 0; failed <= 1; failed++) {
        if ((failed ? s->count - s->stored : s->stored) == 0)
            continue;
        jsonw_object(&w, failed ? "0008119A" : "00081199");
        jsonw_text(&w, "vr", "SQ");
        jsonw_array(&w, "Value");
        for (size_t i = 0; i < s->count; i++) {
            const struct outcome *o = &s->outcomes[i];

            if (failed && o->reason != 0)
                write_failed(&w, o->reason);
            else if (!failed && o->reason == 0)
                write_stored(&w, &o->stored, origin);
        }
        jsonw_end(&w);
        jsonw_end(&w);
    }
    jsonw_end(&w);
}

static int
post_studies(struct http_request *req, struct http_response *res, struct err *err)
{
    struct stow *s = http_state(req);
    struct buf json;

    if (s->full.kind != ERR_NONE) {
        *err = s->full;
        return -1;
    }
    if (multipart_reader_finish(s->reader, err) < 0)
        return -1;
    if (s->count == 0)
        return err_set(err, ERR_REJECT, "a request without parts");
    buf_init(&json, ANSWER_BYTES);
    write_answer(s, http_origin(req), &json);
    if (s->set_aside > 0) { /* success to the standard, but a person has to look */
        char count[24];

        snprintf(count, sizeof count, "%zu", s->set_aside);
        http_answer_header(res, "Radpost-Set-Aside", count);
    }
    LOG(&ingest_log, INGEST_STOWED, F_WORD("tenant", s->tenant), F_NUMBER("stored", s->stored),
        F_NUMBER("failed", s->count - s->stored));
    http_answer_buf(res,
                    s->stored == s->count ? 200
                    : s->stored > 0       ? 202
                                          : 409,
                    "application/dicom+json", &json);
    buf_fini(&json);
    return 0;
}

static const struct http_route routes[] = {
    {.method = "POST",
     .pattern = "/dicomweb/studies",
     .callers = HTTP_TOKEN | HTTP_READER,
     .rights = RIGHT_STORE,
     .body_limit = UINT64_MAX,
     .handle = post_studies,
     .begin = begin_stow,
     .on_body = take_stow,
     .end = end_stow,
     .flags = HTTP_NO_STORE},
    {.method = "POST",
     .pattern = "/dicomweb/studies/{study}",
     .callers = HTTP_TOKEN | HTTP_READER,
     .rights = RIGHT_STORE,
     .body_limit = UINT64_MAX,
     .handle = post_studies,
     .begin = begin_stow,
     .on_body = take_stow,
     .end = end_stow,
     .flags = HTTP_NO_STORE},
};

struct http_table
ingest_stow_table(struct ingest *ingest)
{
    return (struct http_table){routes, ARRAY_LEN(routes), ingest};
}
