/* words.c - words burnt into a picture, by cairo and pango. */
#include "proto/render/parts.h"

#include "proto/render/fonts.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_LEAST_PX 15
#define SIZE_PART 28 /* of the picture's width */
#define MARGIN_PX 6

static int draw(cairo_surface_t *surface, const struct picture *p, const char *words,
                struct err *err);
static PangoLayout *lay_out(PangoFontMap *fonts, const struct picture *p, const char *words);
static cairo_surface_t *surface_from(const struct picture *p);
static void picture_from(struct picture *p, cairo_surface_t *surface);

int
words_burn(struct picture *p, const char *words, struct err *err)
{
    cairo_surface_t *surface = surface_from(p);
    int rc = -1;

    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        (void)err_set(err, ERR_REJECT, "words: a picture of %ux%u", p->cols, p->rows);
        goto out;
    }
    rc = draw(surface, p, words, err);
    if (rc == 0)
        picture_from(p, surface);
out:
    cairo_surface_destroy(surface);
    return rc;
}

static int
draw(cairo_surface_t *surface, const struct picture *p, const char *words, struct err *err)
{
    PangoLayout *layout = lay_out(fonts_lock(), p, words);
    cairo_t *cairo;
    int width, height, rc = -1;

    if (pango_layout_get_unknown_glyphs_count(layout) > 0) {
        (void)err_set(err, ERR_FATAL, "words: no font has these characters (fonts-noto-cjk?)");
        goto out;
    }
    pango_layout_get_pixel_size(layout, &width, &height);
    cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, 0, 0, 0);
    cairo_rectangle(cairo, 0, 0, p->cols, height + 2 * MARGIN_PX);
    cairo_fill(cairo);
    cairo_set_source_rgb(cairo, 1, 0.85, 0.2);
    cairo_move_to(cairo, MARGIN_PX, MARGIN_PX);
    pango_cairo_show_layout(cairo, layout);
    cairo_destroy(cairo);
    rc = 0;
out:
    g_object_unref(layout);
    fonts_unlock();
    return rc;
}

static PangoLayout *
lay_out(PangoFontMap *fonts, const struct picture *p, const char *words)
{
    int size = (int)p->cols / SIZE_PART;
    PangoFontDescription *font = pango_font_description_from_string(FONTS_FAMILY);
    PangoContext *context;
    PangoLayout *layout;

    context = pango_font_map_create_context(fonts);
    layout = pango_layout_new(context);
    pango_font_description_set_absolute_size(font, (size > SIZE_LEAST_PX ? size : SIZE_LEAST_PX) *
                                                       (double)PANGO_SCALE);
    pango_font_description_set_weight(font, PANGO_WEIGHT_BOLD);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_width(layout, ((int)p->cols - 2 * MARGIN_PX) * PANGO_SCALE);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_text(layout, words, -1);
    pango_font_description_free(font);
    g_object_unref(context);
    return layout;
}

static cairo_surface_t *
surface_from(const struct picture *p)
{
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)p->cols, (int)p->rows);
    uint8_t *to = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);

    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        return surface;
    for (uint32_t y = 0; y < p->rows; y++)
        for (uint32_t x = 0; x < p->cols; x++) {
            const uint8_t *from = p->bytes + ((size_t)y * p->cols + x) * p->channels;
            unsigned g = p->channels == 3 ? 1 : 0, b = p->channels == 3 ? 2 : 0;
            uint32_t v = (uint32_t)from[0] << 16 | (uint32_t)from[g] << 8 | from[b];

            memcpy(to + y * stride + x * sizeof v, &v, sizeof v);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

static void
picture_from(struct picture *p, cairo_surface_t *surface)
{
    const uint8_t *from;
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);

    cairo_surface_flush(surface);
    from = cairo_image_surface_get_data(surface);
    free(p->bytes);
    p->channels = 3;
    p->bytes = mem_new((size_t)p->cols * p->rows * 3);
    for (uint32_t y = 0; y < p->rows; y++)
        for (uint32_t x = 0; x < p->cols; x++) {
            uint8_t *to = p->bytes + ((size_t)y * p->cols + x) * 3;
            uint32_t v;

            memcpy(&v, from + y * stride + x * sizeof v, sizeof v);
            to[0] = (uint8_t)(v >> 16);
            to[1] = (uint8_t)(v >> 8);
            to[2] = (uint8_t)v;
        }
}
