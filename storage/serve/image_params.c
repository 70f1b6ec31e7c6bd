/* image_params.c - which frames, and how they are to be drawn: parameters of a request. */
#include "storage/serve/image_params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MOST = 16384 };

/* A decimal number and what ends it; NULL if it is none. */
static const char *
read_decimal(const char *text, double *out)
{
    char *end;
    size_t n = strspn(text, "+-.0123456789eE");

    if (n == 0 || n > 24)
        return NULL;
    *out = strtod(text, &end);
    return end == text + n && isfinite(*out) ? end : NULL;
}

/* window=center,width,function */
static int
read_window(const char *text, struct render_options *o, struct err *err)
{
    static const struct {
        const char *word;
        enum codec_voi voi;
    } functions[] = {{"linear", CODEC_VOI_LINEAR},
                     {"linear-exact", CODEC_VOI_LINEAR_EXACT},
                     {"sigmoid", CODEC_VOI_SIGMOID}};
    const char *at = read_decimal(text, &o->window_center);

    if (at == NULL || *at != ',' || (at = read_decimal(at + 1, &o->window_width)) == NULL ||
        o->window_width <= 0 || (*at != ',' && *at != '\0'))
        return err_set(err, ERR_REJECT, "window: not center,width,function");
    o->has_window = true;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (*at == '\0' || strcasecmp(at + 1, functions[i].word) == 0) {
            o->voi = functions[i].voi;
            return 0;
        }
    return err_set(err, ERR_REJECT, "window: no such function");
}

/* viewport=width,height; a region of the source is not offered and so refused. */
static int
read_viewport(const char *text, struct render_options *o, struct err *err)
{
    double width, height;
    const char *at = read_decimal(text, &width);

    if (at == NULL || *at != ',' || (at = read_decimal(at + 1, &height)) == NULL || *at != '\0')
        return err_set(err, ERR_REJECT, "viewport: not width,height");
    if (!(width >= 1) || !(height >= 1))
        return err_set(err, ERR_REJECT, "viewport: without a size");
    o->max_cols = width > SIDE_MOST ? SIDE_MOST : (uint32_t)width;
    o->max_rows = height > SIDE_MOST ? SIDE_MOST : (uint32_t)height;
    return 0;
}

int
rendered_options_read(const char *window, const char *viewport, const char *quality,
                      struct render_options *out, struct err *err)
{
    struct render_options o = {.quality = 0};
    double q;

    if (window != NULL && read_window(window, &o, err) < 0)
        return -1;
    if (viewport != NULL && read_viewport(viewport, &o, err) < 0)
        return -1;
    if (quality != NULL) {
        const char *end = read_decimal(quality, &q);

        if (end == NULL || *end != '\0' || !(q >= 1) || !(q <= 100))
            return err_set(err, ERR_REJECT, "quality: not 1 to 100");
        o.quality = (unsigned)q;
    }
    *out = o;
    return 0;
}

int
frame_list_read(const char *text, uint32_t most, uint32_t *out, int limit)
{
    int n = 0;

    for (const char *at = text;; at++) {
        uint64_t number = 0;
        int digits = 0;

        for (; *at >= '0' && *at <= '9' && digits < 10; at++, digits++)
            number = number * 10 + (uint64_t)(*at - '0');
        if (digits == 0 || number == 0 || number > most || n == limit)
            return -1;
        out[n++] = (uint32_t)number;
        if (*at == '\0')
            return n;
        if (*at != ',')
            return -1;
    }
}
