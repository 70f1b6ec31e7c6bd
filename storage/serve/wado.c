/* wado.c - WADO-RS objects: a study's, series' or single Part 10 files (PS3.18 10.4.1.1.1-3). */
#include "storage/serve/fetch.h"
#include "storage/serve/multipart.h"

#include "proto/base/clock.h"
#include "proto/dicom/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_EVENT LOG_EVENT_DECLARE
#include "storage/serve/serve_events.def"
#undef LOG_EVENT

/* An answer under way. */
struct objects {
    struct serve *s;
    struct fetch *fetch;
    const char *to;    /* transfer syntax to send, NULL = as stored */
    bool is_asked;     /* the client named it */
    struct part first; /* made before the answer began, so that its failure has a status */
    bool has_first;
};

static void
objects_free(void *user)
{
    struct objects *o = user;

    if (o->has_first)
        part_fini(&o->first);
    fetch_free(&o->fetch);
    free(o);
}

/* Under the study and series it was asked for by; its descriptor is the leaving's. What cannot be
 * made to say them leaves as it is: one object is no reason to end an answer of many. */
static int
make_leaving(struct objects *o, const struct keep_place *place, struct part *part, struct err *err)
{
    struct dcm_known known = {place->study, place->series, place->sop_instance};
    struct dcm_leaving *leaving = mem_new(sizeof *leaving);

    if (dcm_leaving_open(leaving, part->fd, part->offset, part->size, &known, clock_wall_us(),
                         err) < 0) {
        free(leaving);
        if (err->kind != ERR_REJECT)
            return -1;
        LOG(&o->s->log, SERVE_NOT_COERCED, F_UID("instance", place->sop_instance), F_ERR(err));
        err_clear(err);
        return 0;
    }
    part->leaving = leaving;
    part->fd = -1;
    part->offset = 0;
    part->size = leaving->size;
    return 0;
}

/* Made by a codec worker. 1 made, 0 nobody can decode it and nothing else was asked for, -1. */
static int
decode(struct objects *o, const struct keep_place *place, struct part *part, struct err *err)
{
    struct codec_source source;
    int fd = -1, rc;

    if (serve_source(o->s, place, &fd, &source, err) < 0)
        return -1;
    rc = codec_transcode(o->s->options.pool, &source, o->to, &part->fd, &part->size, err);
    close(fd);
    if (rc == 0)
        return make_leaving(o, place, part, err) < 0 ? -1 : 1;
    if (err->kind != ERR_NOT_FOUND || o->is_asked)
        return -1;
    LOG(&o->s->log, SERVE_NOT_DECODED, F_UID("instance", place->sop_instance),
        F_UID("syntax", place->transfer_syntax));
    return 0;
}

/* What is proven as it goes leaves byte for byte. What is changed on its way is proven before. */
static int
take_stored(struct objects *o, const struct keep_place *place, struct part *part, struct err *err)
{
    struct keep *keep = o->s->options.keep;

    part->offset = place->offset;
    part->size = place->size;
    if (keep_open_stream(keep, place, &part->fd, &part->proof, err) < 0)
        return -1;
    if (make_leaving(o, place, part, err) == 0 &&
        (part->proof == NULL || part->leaving == NULL || !part->leaving->is_coerced))
        return 0;
    if (part->proof == NULL)
        return -1;
    part_fini(part);
    part->offset = place->offset;
    part->size = place->size;
    return keep_open_place(keep, place, &part->fd, err) < 0 ? -1
                                                            : make_leaving(o, place, part, err);
}

/* Bytes of a stored file in the syntax that was asked for, or as it is: its meta group and
 * Content-Type say so. */
static int
make_part(struct objects *o, const struct keep_place *place, struct part *out, struct err *err)
{
    struct part part = {.fd = -1, .is_part10 = true};
    const char *syntax = o->to;
    int made = 0;

    if (o->to != NULL && strcmp(o->to, place->transfer_syntax) != 0)
        made = decode(o, place, &part, err);
    if (made == 0) {
        syntax = place->transfer_syntax;
        made = take_stored(o, place, &part, err);
    }
    if (made < 0) {
        part_fini(&part);
        return err_context(err, "send instance %s", place->sop_instance);
    }
    snprintf(part.type, sizeof part.type, "application/dicom; transfer-syntax=%s", syntax);
    *out = part;
    return 0;
}

static int
next_object(void *user, struct part *out, struct err *err)
{
    struct objects *o = user;
    struct keep_place *place = NULL;
    int got;

    if (o->has_first) {
        *out = o->first;
        o->has_first = false;
        return 1;
    }
    got = fetch_next(o->fetch, &place, err);
    if (got > 0 && make_part(o, place, out, err) < 0)
        got = -1;
    keep_place_free(&place);
    return got;
}

/* What could be sent: as stored where all are stored alike, else native. */
static int
choose(struct http_request *req, struct http_response *res, struct objects *o, bool *out_is_many,
       struct err *err)
{
    static const char many[] = "application/dicom";
    const char *stored = fetch_syntax(o->fetch);
    bool is_native = strcmp(stored, DCM_UID_EXPLICIT_LE) == 0;
    /* "0" matches no syntax a client may name, only "any". */
    const char *as_is = stored[0] != '\0' ? stored : "0";
    const struct media_offer offers[] = {
        {many, as_is, true, is_native},           {many, DCM_UID_EXPLICIT_LE, true, true},
        {many, DCM_UID_IMPLICIT_LE, true, false}, {many, as_is, false, is_native},
        {many, DCM_UID_EXPLICIT_LE, false, true}, {many, DCM_UID_IMPLICIT_LE, false, false},
    };
    static const char *const to[] = {NULL, DCM_UID_EXPLICIT_LE, DCM_UID_IMPLICIT_LE};
    size_t n = fetch_count(o->fetch) == 1 ? 6 : 3;
    int i;

    if (serve_negotiate(req, res, offers, n, &i, err) < 0)
        return -1;
    if (i < 0)
        return 0;
    *out_is_many = i < 3;
    o->to = to[i % 3];
    o->is_asked = i % 3 == 2;
    return 1;
}

static void
answer_objects(struct http_response *res, struct objects *o, bool is_many)
{
    struct multipart *m;
    char type[256];
    bool is_single = fetch_count(o->fetch) == 1;
    /* Some of it is not here yet: 206, so that nobody takes it for the whole study. */
    int status = fetch_is_partial(o->fetch) ? 206 : 200;
    uint64_t size = UINT64_MAX;

    m = multipart_new(is_many, next_object, objects_free, o);
    multipart_type(m, "application/dicom", type, sizeof type);
    if (is_single)
        size = multipart_size(m, &o->first, 1);
    if (status == 206)
        http_answer_header(res, "Warning", "299 radpost \"Instances are still on their way.\"");
    http_answer_stream(res, status, is_many ? type : o->first.type, size, multipart_read,
                       multipart_free, m);
}

int
wado_objects(struct http_request *req, struct http_response *res, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct objects *o = mem_new(sizeof *o);
    bool is_many = true;
    int rc = -1, got;

    o->s = s;
    if (serve_target_read(req, &target, err) < 0 ||
        fetch_new(s, req, &target, SERVE_OBJECTS, &o->fetch, err) < 0)
        goto out;
    got = choose(req, res, o, &is_many, err);
    if (got > 0) {
        if (next_object(o, &o->first, err) < 0)
            goto out;
        o->has_first = true;
        answer_objects(res, TAKE(o), is_many);
    }
    rc = got < 0 ? -1 : 0;
out:
    if (o != NULL)
        objects_free(o);
    return serve_end(s, res, serve_say_damaged(res, rc, err));
}
