/* frames.c - WADO-RS frames and bulk data (PS3.18 10.4.1.1.6, 10.4.1.1.4).
 * Native little endian frames unless the client asks for a transfer syntax; transfer-syntax=* gives
 * the coded frames as they are stored, straight out of the file. */
#include "storage/serve/frame_source.h"
#include "storage/serve/image_params.h"

#include "proto/dicom/dcmjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MOST = 4096 };

#define OCTETS "application/octet-stream"

/* An answer under way. */
struct frames {
    struct frame_source *source;
    uint32_t *list;
    int n, at;
    bool is_coded;
    char type[MULTIPART_TYPE];
    struct part first;
    bool has_first;
};

static void
frames_free(void *user)
{
    struct frames *f = user;

    if (f->has_first)
        part_fini(&f->first);
    frame_source_free(&f->source);
    free(f->list);
    free(f);
}

static int
next_frame(void *user, struct part *out, struct err *err)
{
    struct frames *f = user;
    int rc;

    if (f->has_first) {
        *out = f->first;
        f->has_first = false;
        return 1;
    }
    if (f->at == f->n)
        return 0;
    rc = f->is_coded ? frame_source_coded(f->source, f->list[f->at], out, err)
                     : frame_source_native(f->source, f->list[f->at], out, err);
    if (rc < 0)
        return err_context(err, "frame %u of instance %s", (unsigned)f->list[f->at],
                           f->source->place->sop_instance);
    memcpy(out->type, f->type, sizeof out->type);
    f->at++;
    return 1;
}

/* Choose among what the stored coding allows. Coded offers stand first so that "any syntax" means
 * as stored; bare "any type" means native, the only default. 1 chosen, 0 answered, -1 failed. */
static int
choose(struct http_request *req, struct http_response *res, struct frames *f, bool *out_is_many,
       struct err *err)
{
    const struct dcm_syntax *syntax = f->source->part10.syntax;
    const char *uid = f->source->part10.transfer_syntax, *media = frame_media_type(syntax);
    bool is_coded = f->source->pixels.is_encapsulated, is_decodable = frame_is_decodable(syntax);
    struct media_offer offers[12];
    size_t n = 0;
    int i;

    for (int many = 1; many >= (f->n == 1 ? 0 : 1); many--) {
        if (is_coded) {
            offers[n++] = (struct media_offer){OCTETS, uid, many, !is_decodable};
            offers[n++] = (struct media_offer){media, uid, many, !is_decodable};
        }
        if (!is_coded || is_decodable) {
            offers[n++] = (struct media_offer){OCTETS, DCM_UID_EXPLICIT_LE, many, true};
            offers[n++] = (struct media_offer){OCTETS, DCM_UID_IMPLICIT_LE, many, false};
        }
        /* image/jp2 without a syntax is asked for by those who mean ours. */
        if (is_coded && is_decodable && strcmp(media, OCTETS) != 0)
            offers[n++] = (struct media_offer){media, uid, many, true};
    }
    if (serve_negotiate(req, res, offers, n, &i, err) < 0)
        return -1;
    if (i < 0)
        return 0;
    f->is_coded = is_coded && strcmp(offers[i].syntax, uid) == 0;
    *out_is_many = offers[i].is_multipart;
    snprintf(f->type, sizeof f->type, "%s; transfer-syntax=%s", offers[i].type, offers[i].syntax);
    return 1;
}

static void
answer_frames(struct http_response *res, struct frames *f, bool is_many)
{
    struct multipart *m = multipart_new(is_many, next_frame, frames_free, f);
    uint64_t size = f->n == 1 ? multipart_size(m, &f->first, 1) : UINT64_MAX;
    char type[256], part_type[MULTIPART_TYPE];

    snprintf(part_type, sizeof part_type, "%.*s", (int)strcspn(f->type, ";"), f->type);
    multipart_type(m, part_type, type, sizeof type);
    http_answer_stream(res, 200, is_many ? type : f->type, size, multipart_read, multipart_free, m);
}

/* Send the frames in f->list. f is consumed where something was answered with it. */
static int
send_frames(struct http_request *req, struct http_response *res, struct frames **frames,
            const char *what, struct err *err)
{
    struct frames *f = *frames;
    bool is_many = true;
    char tag[96];
    int got = choose(req, res, f, &is_many, err);

    if (got <= 0)
        return got;
    snprintf(tag, sizeof tag, "%.40s-%d%s", what, is_many, f->is_coded ? "c" : "n");
    if (serve_is_unchanged(req, res, f->source->place->object, tag))
        return 0;
    if (next_frame(f, &f->first, err) < 0)
        return -1;
    f->has_first = true;
    serve_tag(res, f->source->place->object, tag);
    answer_frames(res, TAKE(*frames), is_many);
    return 0;
}

/* Target, audit, place, source. */
static int
open_frames(struct http_request *req, struct frames **out, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_place *place = NULL;
    struct frames *f = NULL;

    if (serve_target_read(req, &target, err) < 0 || serve_place(s, &target, &place, err) < 0)
        return -1;
    if (serve_note(s, req, &target, SERVE_PIXELS, 1, err) < 0) {
        keep_place_free(&place);
        return -1;
    }
    f = mem_new(sizeof *f);
    if (frame_source_open(s, &place, &f->source, err) < 0) {
        frames_free(f);
        return -1;
    }
    *out = f;
    return 0;
}

int
wado_frames(struct http_request *req, struct http_response *res, struct err *err)
{
    struct frames *f = NULL;
    const char *wanted = http_param(req, "frames");
    char what[64];
    int rc = -1;

    if (open_frames(req, &f, err) < 0)
        goto out;
    f->list = mem_new(FRAMES_MOST * sizeof *f->list);
    f->n = frame_list_read(wanted, frame_source_count(f->source), f->list, FRAMES_MOST);
    if (f->n < 0) {
        err_set(err, ERR_NOT_FOUND, "no such frames in instance %s",
                f->source->place->sop_instance);
        goto out;
    }
    snprintf(what, sizeof what, "f%.60s", wanted);
    if (strlen(wanted) > 40) { /* a long list is told apart by its digest */
        uint8_t digest[DIGEST_BYTES];
        char hex[DIGEST_HEX_BYTES];

        digest_bytes(wanted, strlen(wanted), digest);
        digest_text(digest, hex);
        snprintf(what, sizeof what, "F%.32s", hex);
    }
    rc = send_frames(req, res, &f, what, err);
out:
    if (f != NULL)
        frames_free(f);
    return serve_end(http_user(req), res, serve_say_damaged(res, rc, err));
}

/* ---- bulk data ---- */

/* A value out of the data set. */
static int
send_value(struct http_request *req, struct http_response *res, struct frames **frames,
           const char *path, struct err *err)
{
    static const struct media_offer offers[] = {{OCTETS, NULL, true, true},
                                                {OCTETS, NULL, false, true}};
    struct frames *f = *frames;
    const uint8_t *bytes;
    size_t n;
    int i;

    if (dcm_json_bulk(f->source->map.at, f->source->map.n, path, &bytes, &n, err) < 0)
        return -1;
    if (serve_negotiate(req, res, offers, ARRAY_LEN(offers), &i, err) < 0)
        return -1;
    if (i < 0)
        return 0;
    f->n = 1;
    f->at = 1;
    if (frame_source_range(f->source, (uint64_t)(bytes - f->source->map.at), n, &f->first, err) < 0)
        return -1;
    f->has_first = true;
    snprintf(f->type, sizeof f->type, OCTETS);
    memcpy(f->first.type, f->type, sizeof f->type);
    answer_frames(res, TAKE(*frames), offers[i].is_multipart);
    return 0;
}

static bool
is_pixel_data(const char *path)
{
    return strcasecmp(path, "7FE00010") == 0;
}

int
wado_bulkdata(struct http_request *req, struct http_response *res, struct err *err)
{
    const char *path = http_param(req, "element");
    struct frames *f = NULL;
    int rc = -1;

    if (open_frames(req, &f, err) < 0)
        goto out;
    if (is_pixel_data(path) && f->source->pixels.is_encapsulated) {
        uint32_t count = frame_source_count(f->source);

        /* A part for each frame, as PS3.18 8.4.3.3 has it for encapsulated pixel data. */
        f->list = mem_new((count + 1) * sizeof *f->list);
        f->n = (int)count;
        for (uint32_t i = 0; i < count; i++)
            f->list[i] = i + 1;
        rc = send_frames(req, res, &f, "pixels", err);
    } else
        rc = send_value(req, res, &f, path, err);
out:
    if (f != NULL)
        frames_free(f);
    return serve_end(http_user(req), res, serve_say_damaged(res, rc, err));
}
