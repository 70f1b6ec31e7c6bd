/* metadata.c - WADO-RS metadata as DICOM JSON (PS3.18 10.4.1.1.2).
 */
#include "storage/serve/fetch.h"

#include "proto/dicom/dcmjson.h"
#include "proto/dicom/part10.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INSTANCE_MOST = 64 << 20, INLINE_MOST = 1024 };

/* An array under way: one instance's object is held at a time. */
struct metadata {
    struct serve *s;
    struct fetch *fetch;
    char base[SERVE_URL];
    struct buf json;
    size_t at;
    bool has_begun, has_ended;
};

static void
metadata_free(void *user)
{
    struct metadata *m = user;

    buf_fini(&m->json);
    fetch_free(&m->fetch);
    free(m);
}

static int
write_instance(struct metadata *m, const struct keep_place *place, struct err *err)
{
    struct serve_map map = {0};
    struct codec_source source;
    struct dcm_json_options options = {.inline_bytes = INLINE_MOST,
                                       .transfer_syntax = place->transfer_syntax,
                                       .study = place->study,
                                       .series = place->series};
    char bulk[SERVE_URL + 256];
    struct jsonw w;
    int fd = -1, rc = -1;

    snprintf(bulk, sizeof bulk, "%s/studies/%s/series/%s/instances/%s/bulkdata", m->base,
             place->study, place->series, place->sop_instance);
    options.bulk_prefix = bulk;
    if (serve_source(m->s, place, &fd, &source, err) < 0)
        goto out;
    if (serve_map_open(fd, place->offset, place->size, &map, err) < 0)
        goto out;
    jsonw_init(&w, &m->json);
    if (dcm_json_write(map.at, map.n, &options, &w, err) < 0)
        goto out;
    if (buf_is_over(&m->json)) {
        err_set(err, ERR_REJECT, "its metadata is too large");
        goto out;
    }
    rc = 0;
out:
    serve_map_close(&map);
    if (fd >= 0)
        close(fd);
    return rc < 0 ? err_context(err, "metadata of instance %s", place->sop_instance) : 0;
}

/* The next object into m->json, with what stands around it. */
static int
next_text(struct metadata *m, struct err *err)
{
    struct keep_place *place = NULL;
    int got = fetch_next(m->fetch, &place, err);

    buf_clear(&m->json);
    m->at = 0;
    if (got == 0) {
        buf_add_text(&m->json, "]");
        m->has_ended = true;
    } else if (got > 0) {
        buf_add_text(&m->json, m->has_begun ? ",\n" : "[");
        m->has_begun = true;
        if (write_instance(m, place, err) < 0)
            got = -1;
    }
    keep_place_free(&place);
    return got < 0 ? -1 : 0;
}

static int
read_text(void *user, uint8_t *bytes, size_t n, size_t *out_n, struct err *err)
{
    struct metadata *m = user;
    size_t left;

    if (m->at == m->json.n && !m->has_ended && next_text(m, err) < 0)
        return -1;
    left = m->json.n - m->at;
    *out_n = left < n ? left : n;
    memcpy(bytes, m->json.bytes + m->at, *out_n);
    m->at += *out_n;
    return 0;
}

int
wado_metadata(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct media_offer offers[] = {
        {"application/dicom+json", NULL, false, true},
        {"application/json", NULL, false, true},
    };
    struct serve *s = http_user(req);
    struct serve_target target;
    struct metadata *m = mem_new(sizeof *m);
    int rc = -1, offer;

    m->s = s;
    buf_init(&m->json, INSTANCE_MOST);
    serve_base(s, req, m->base);
    if (serve_negotiate(req, res, offers, ARRAY_LEN(offers), &offer, err) < 0)
        goto out;
    if (offer >= 0) {
        if (serve_target_read(req, &target, err) < 0 ||
            fetch_new(s, req, &target, SERVE_METADATA, &m->fetch, err) < 0 || next_text(m, err) < 0)
            goto out;
        if (fetch_is_partial(m->fetch))
            http_answer_header(res, "Warning", "299 radpost \"Instances are still on their way.\"");
        http_answer_header(res, "Cache-Control", "no-store");
        http_answer_stream(res, 200, "application/dicom+json", UINT64_MAX, read_text, metadata_free,
                           TAKE(m));
    }
    rc = 0;
out:
    if (m != NULL)
        metadata_free(m);
    return serve_end(s, res, serve_say_damaged(res, rc, err));
}
