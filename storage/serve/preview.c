/* preview.c - what can be shown of a study that is still on its way (docs/conformance.md).
 * Invariants: 1. a preview says that it is one, in its media type or burnt into its picture; 2. it
 * is never stored by a cache; 3. what is whole is not a preview: that is asked for by WADO-RS. */
#include "storage/serve/image_params.h"
#include "storage/serve/serve_core.h"

#include "proto/base/jsonw.h"
#include "proto/base/limits.h"
#include "proto/base/durable.h"
#include "proto/base/text.h"
#include "proto/render/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CODESTREAM "application/vnd.radpost.preview+j2c"

enum { LIST_MOST = 64 << 20, JPEG_MOST = 64 << 20, CODED_MOST = 256 << 20 };

/* How many layers every frame has, and the fewest that are here. */
static uint8_t
layers_of_all(const struct layout *layout, const struct keep_preview *p)
{
    uint8_t fewest = layout->layers;

    for (uint32_t i = 0; i < layout->frames && fewest > 0; i++) {
        uint8_t here = layout_layers_within(layout, i, p->have, p->have_n);

        fewest = here < fewest ? here : fewest;
    }
    return fewest;
}

/* Frames that can be looked at while others cannot yet: the middle one comes first. */
static void
list_frames(struct jsonw *w, const struct layout *layout, const struct keep_preview *p)
{
    jsonw_array(w, "frames_here");
    for (uint32_t i = 0; i < layout->frames; i++)
        if (layout_layers_within(layout, i, p->have, p->have_n) > 0)
            jsonw_uint(w, NULL, i + 1);
    jsonw_end(w);
}

static uint64_t
bytes_here(const struct keep_preview *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < p->have_n; i++)
        sum += p->have[i].to - p->have[i].from;
    return sum;
}

/* ---- the list ---- */

struct listing {
    struct jsonw w;
    uint64_t count;
};

static int
list_one(void *user, const struct keep_preview *p, struct err *err)
{
    struct listing *list = user;
    struct jsonw *w = &list->w;
    struct layout *layout = NULL;
    uint8_t here;

    if (p->layout != NULL && layout_read(p->layout, p->layout_n, &layout, err) < 0)
        return err_context(err, "layout of instance %s", p->sop_instance);
    here = layout != NULL ? layers_of_all(layout, p) : 0;
    jsonw_object(w, NULL);
    jsonw_text(w, "series", p->series);
    jsonw_text(w, "instance", p->sop_instance);
    jsonw_text(w, "sop_class", p->sop_class);
    jsonw_text(w, "transfer_syntax", p->transfer_syntax);
    jsonw_uint(w, "frames", layout != NULL ? layout->frames : 0);
    jsonw_uint(w, "layers", layout != NULL ? layout->layers : 0);
    jsonw_uint(w, "layers_here", here);
    if (layout != NULL && layout->frames > 1 && here == 0)
        list_frames(w, layout, p);
    jsonw_uint(w, "bytes", p->size);
    jsonw_uint(w, "bytes_here", bytes_here(p));
    jsonw_end(w);
    list->count++;
    layout_free(&layout);
    return 0;
}

static void
words_of(const struct keep_standing *standing, char out[RENDER_WORDS_BYTES])
{
    uint64_t expected = standing->revision > 0 ? standing->expected : 0;

    render_preview_words((unsigned)standing->whole, (unsigned)expected, out);
}

static void
list_standing(struct jsonw *w, const struct keep_standing *st, bool is_whole)
{
    char words[RENDER_WORDS_BYTES];

    words_of(st, words);
    jsonw_uint(w, "offered", st->offered);
    jsonw_uint(w, "looked", st->looked);
    jsonw_uint(w, "whole", st->whole);
    if (st->revision > 0)
        jsonw_uint(w, "expected", st->expected);
    else
        jsonw_null(w, "expected");
    jsonw_uint(w, "missing", st->missing);
    if (st->announced > 0)
        jsonw_uint(w, "announced", st->announced);
    else
        jsonw_null(w, "announced");
    serve_write_gone(w, &st->gone);
    jsonw_text(w, "words", is_whole ? NULL : words);
}

int
preview_study(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct media_offer offers[] = {{"application/json", NULL, false, true}};
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_standing standing;
    struct buf json;
    struct listing list = {.count = 0};
    int rc = -1, offer;

    buf_init(&json, LIST_MOST);
    jsonw_init(&list.w, &json);
    if (serve_negotiate(req, res, offers, 1, &offer, err) < 0)
        goto out;
    if (offer >= 0) {
        if (serve_target_read(req, &target, err) < 0 ||
            keep_standing_get(s->options.keep, target.tenant, target.study, &standing, err) < 0 ||
            serve_note(s, req, &target, SERVE_PREVIEW, standing.looked, err) < 0)
            goto out;
        jsonw_object(&list.w, NULL);
        jsonw_text(&list.w, "study", target.study);
        jsonw_array(&list.w, "instances");
        if (keep_previews(s->options.keep, target.tenant, target.study, NULL, list_one, &list,
                          err) < 0)
            goto out;
        jsonw_end(&list.w);
        list_standing(&list.w, &standing, list.count == 0);
        jsonw_end(&list.w);
        http_answer_buf(res, 200, "application/json", &json);
    }
    rc = 0;
out:
    buf_fini(&json);
    return serve_end(s, res, rc);
}

/* ---- one frame ---- */

struct look {
    struct serve *s;
    uint32_t frame;
    uint64_t asked; /* layers, 0 = as many as are here */
    bool is_found;
    uint8_t layers;
    struct layout *layout;
    int fd;
    uint64_t size;
};

static void
look_fini(struct look *l)
{
    layout_free(&l->layout);
    if (l->fd >= 0)
        close(l->fd);
}

static int
open_look(void *user, const struct keep_preview *p, struct err *err)
{
    struct look *l = user;
    uint8_t here;

    if (l->is_found)
        return 0;
    if (p->layout == NULL)
        return err_set(err, ERR_RETRY, "it has no first look, wait until it is whole");
    if (layout_read(p->layout, p->layout_n, &l->layout, err) < 0)
        return -1;
    if (l->frame > l->layout->frames)
        return l->layout->frames == 0
                   ? err_set(err, ERR_RETRY, "it has no first look, wait until it is whole")
                   : err_set(err, ERR_NOT_FOUND, "no such frame");
    here = layout_layers_within(l->layout, l->frame - 1, p->have, p->have_n);
    if (here == 0)
        return err_set(err, ERR_RETRY, "nothing of this frame is here yet");
    l->layers = l->asked > 0 && l->asked < here ? (uint8_t)l->asked : here;
    l->size = p->size;
    l->is_found = true;
    return keep_open_preview(l->s->options.keep, p, &l->fd, err);
}

/* The codestream up to its layer, as a stream of its own. */
static int
cut(struct look *l, struct buf *out, struct err *err)
{
    uint64_t from = l->layout->frame_start[l->frame - 1];
    uint64_t n = layout_layer_end(l->layout, l->frame - 1, l->layers - 1) - from;
    uint8_t *bytes;
    int rc;

    if (n > CODED_MOST)
        return err_set(err, ERR_REJECT, "a frame too large to look at");
    bytes = mem_new((size_t)n);
    rc = durable_read_at(l->fd, bytes, (size_t)n, from, err);
    if (rc == 0)
        rc = codec_cut_codestream(bytes, (size_t)n, l->layers, out, err);
    free(bytes);
    return rc;
}

/* The picture with the words burnt in. */
static int
draw(struct look *l, const struct keep_standing *standing, struct buf *out, struct err *err)
{
    struct codec_source source = {.fd = l->fd, .size = l->size};
    struct codec_image image;
    char words[RENDER_WORDS_BYTES];
    struct render_options options = {.words = words};
    int rc;

    words_of(standing, words);
    if (codec_frame(l->s->options.pool, &source, l->frame, l->layers, l->layout, &image, err) < 0)
        return -1;
    rc = render_jpeg(&image, &options, out, err);
    codec_image_fini(&image);
    return rc;
}

static int
find_look(struct http_request *req, const struct serve_target *target, struct look *l,
          struct keep_standing *standing, struct err *err)
{
    struct serve *s = http_user(req);
    const char *layers = http_query(req, "layers");

    if (layers != NULL && (text_to_u64(layers, LAYOUT_MAX_LAYERS, &l->asked) < 0 || l->asked == 0))
        return err_set(err, ERR_REJECT, "layers: not a number");
    if (frame_list_read(http_param(req, "frames"), (uint32_t)LIMIT_FRAMES, &l->frame, 1) != 1)
        return err_set(err, ERR_NOT_FOUND, "no such frame");
    if (keep_standing_get(s->options.keep, target->tenant, target->study, standing, err) < 0)
        return -1;
    if (keep_previews(s->options.keep, target->tenant, target->study, target->instance, open_look,
                      l, err) < 0)
        return -1;
    if (!l->is_found)
        return err_set(err, ERR_NOT_FOUND, "not on its way");
    return serve_note(s, req, target, SERVE_PREVIEW, 1, err);
}

static int
send_look(struct http_response *res, struct look *l, const struct keep_standing *standing,
          bool is_codestream, struct err *err)
{
    struct buf out;
    char words[64];
    int rc;

    buf_init(&out, is_codestream ? CODED_MOST : JPEG_MOST);
    rc = is_codestream ? cut(l, &out, err) : draw(l, standing, &out, err);
    if (rc == 0) {
        snprintf(words, sizeof words, "layers=%u/%u; whole=%" PRIu64 "; expected=%" PRIu64,
                 l->layers, l->layout->layers, standing->whole,
                 standing->revision > 0 ? standing->expected : 0);
        http_answer_header(res, "Radpost-Preview", words);
        http_answer_buf(res, 200, is_codestream ? CODESTREAM : "image/jpeg", &out);
    }
    buf_fini(&out);
    return rc;
}

int
preview_frame(struct http_request *req, struct http_response *res, struct err *err)
{
    static const struct media_offer offers[] = {{"image/jpeg", NULL, false, true},
                                                {CODESTREAM, NULL, false, true}};
    struct serve *s = http_user(req);
    struct serve_target target;
    struct look l = {.s = s, .fd = -1};
    struct keep_standing standing;
    int rc = -1, offer;

    if (serve_negotiate(req, res, offers, ARRAY_LEN(offers), &offer, err) < 0)
        goto out;
    if (offer >= 0) {
        if (serve_target_read(req, &target, err) < 0 ||
            find_look(req, &target, &l, &standing, err) < 0 ||
            send_look(res, &l, &standing, offer == 1, err) < 0)
            goto out;
    }
    rc = 0;
out:
    look_fini(&l);
    return serve_end(s, res, rc);
}
