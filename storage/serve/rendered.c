/* rendered.c - WADO-RS rendered frames and thumbnails as JPEG (PS3.18 10.4.1.1.3, 8.3.5). */
#include "storage/serve/fetch.h"
#include "storage/serve/frame_source.h"
#include "storage/serve/image_params.h"

#include "proto/render/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JPEG_MOST = 64 << 20, THUMBNAIL = 200 };

/* The frame a path names; without one the middle one, which shows most in a stack. */
static int
which_frame(struct http_request *req, uint32_t count, bool has_frame, uint32_t *out,
            struct err *err)
{
    if (count == 0)
        return err_set(err, ERR_NOT_FOUND, "no pixels");
    *out = (count + 1) / 2;
    if (has_frame && frame_list_read(http_param(req, "frames"), count, out, 1) != 1)
        return err_set(err, ERR_NOT_FOUND, "no such frame");
    return 0;
}

static int
draw(struct serve *s, const struct keep_place *place, uint32_t frame,
     const struct render_options *options, struct buf *out, struct err *err)
{
    struct codec_source source;
    struct codec_image image = {.pixels = NULL};
    int fd = -1, rc = -1;

    if (serve_source(s, place, &fd, &source, err) < 0)
        goto out;
    if (codec_frame(s->options.pool, &source, frame, 0, NULL, &image, err) < 0)
        goto out;
    rc = render_jpeg(&image, options, out, err);
    codec_image_fini(&image);
out:
    if (fd >= 0)
        close(fd);
    return rc < 0 ? err_context(err, "draw frame %u of instance %s", (unsigned)frame,
                                place->sop_instance)
                  : 0;
}

/* Draw and answer. What has no pixels, or none that can be decoded, is not acceptable as JPEG. */
static int
send_jpeg(struct http_request *req, struct http_response *res, const struct keep_place *place,
          const struct render_options *options, bool has_frame, struct err *err)
{
    struct serve *s = http_user(req);
    struct buf jpeg;
    uint32_t frame;
    char tag[160];
    int rc = -1;

    buf_init(&jpeg, JPEG_MOST);
    if (!place->has_pixels) {
        http_answer_refusal(res, 406, "This instance has no pixels to draw.");
        rc = 0;
        goto out;
    }
    if (which_frame(req, place->frames > 0 ? place->frames : 1, has_frame, &frame, err) < 0)
        goto out;
    snprintf(tag, sizeof tag, "r%u-%u-%u-%u-%d-%.9g-%.9g-%d", (unsigned)frame, options->max_cols,
             options->max_rows, options->quality, options->has_window, options->window_center,
             options->window_width, (int)options->voi);
    if (serve_is_unchanged(req, res, place->object, tag)) {
        rc = 0;
        goto out;
    }
    if (draw(s, place, frame, options, &jpeg, err) < 0) {
        if (err->kind == ERR_NOT_FOUND) {
            http_answer_refusal(res, 406, "This instance cannot be drawn here.");
            rc = 0;
        }
        goto out;
    }
    serve_tag(res, place->object, tag);
    http_answer_buf(res, 200, "image/jpeg", &jpeg);
    rc = 0;
out:
    buf_fini(&jpeg);
    return rc;
}

static const struct media_offer jpeg_offers[] = {{"image/jpeg", NULL, false, true}};

/* One picture of what was asked for: find says of which instance. */
static int
answer_jpeg(struct http_request *req, struct http_response *res,
            int (*find)(struct serve *s, const struct serve_target *target, struct keep_place **out,
                        struct err *err),
            const struct render_options *options, struct err *err)
{
    struct serve *s = http_user(req);
    struct serve_target target;
    struct keep_place *place = NULL;
    bool has_frame = strstr(http_route(req)->pattern, "{frames}") != NULL;
    int rc = -1, offer;

    if (serve_negotiate(req, res, jpeg_offers, 1, &offer, err) < 0)
        goto out;
    if (offer < 0) {
        rc = 0;
        goto out;
    }
    if (serve_target_read(req, &target, err) < 0 || find(s, &target, &place, err) < 0 ||
        serve_note(s, req, &target, SERVE_PIXELS, 1, err) < 0)
        goto out;
    rc = send_jpeg(req, res, place, options, has_frame, err);
out:
    keep_place_free(&place);
    return serve_say_damaged(res, rc, err);
}

int
wado_rendered(struct http_request *req, struct http_response *res, struct err *err)
{
    struct render_options options;
    int rc = rendered_options_read(http_query(req, "window"), http_query(req, "viewport"),
                                   http_query(req, "quality"), &options, err);

    if (rc == 0)
        rc = answer_jpeg(req, res, serve_place, &options, err);
    return serve_end(http_user(req), res, rc);
}

/* The middle one of those with pixels. */
struct middle {
    struct keep_place *place;
    uint64_t with_pixels, wanted;
};

static int
count_drawable(void *user, const struct keep_place *place, struct err *err)
{
    struct middle *m = user;

    (void)err;
    if (!place->has_pixels)
        return 0;
    m->with_pixels++;
    if (m->wanted == m->with_pixels)
        m->place = keep_place_copy(place);
    return 0;
}

static int
find_middle(struct serve *s, const struct serve_target *target, struct keep_place **out,
            struct err *err)
{
    struct middle m = {.wanted = 0};
    int rc;

    rc = keep_instances(s->options.keep, target->tenant, target->study, target->series,
                        target->instance, count_drawable, &m, err);
    if (rc == 0 && m.with_pixels == 0)
        rc = err_set(err, ERR_NOT_FOUND, "nothing to draw");
    if (rc == 0) {
        m.wanted = (m.with_pixels + 1) / 2;
        m.with_pixels = 0;
        rc = keep_instances(s->options.keep, target->tenant, target->study, target->series,
                            target->instance, count_drawable, &m, err);
    }
    if (rc == 0 && m.place == NULL)
        rc = err_set(err, ERR_RETRY, "the study is changing");
    if (rc < 0) {
        keep_place_free(&m.place);
        return -1;
    }
    *out = m.place;
    return 0;
}

int
wado_thumbnail(struct http_request *req, struct http_response *res, struct err *err)
{
    struct render_options options;
    int rc = rendered_options_read(NULL, http_query(req, "viewport"), NULL, &options, err);

    if (rc == 0) {
        if (options.max_cols == 0 || options.max_cols > THUMBNAIL)
            options.max_cols = THUMBNAIL;
        if (options.max_rows == 0 || options.max_rows > THUMBNAIL)
            options.max_rows = THUMBNAIL;
        rc = answer_jpeg(req, res, find_middle, &options, err);
    }
    return serve_end(http_user(req), res, rc);
}
